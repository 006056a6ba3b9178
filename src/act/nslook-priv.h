/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nslook - what the helper asks the kernel in the network namespace that it is in, beside the table. All may wait. */
#ifndef TIDEMARK_ACT_NSLOOK_PRIV_H
#define TIDEMARK_ACT_NSLOOK_PRIV_H

#include <stdint.h>

#include "tidemark/attr.h"

struct nl;
struct nlmsghdr;
struct nsworker_answer;

/*
 * The NFLOG group becomes this socket's: at most snaplen bytes of each packet, one message each at once, numbered.
 * linux/netfilter/nfnetlink_log.h. -EPERM or -EBUSY: it is another's. The address families' own logger (PF_BIND) is
 * left as it is: our rules name the group, and it would take the namespace's other messages along.
 */
int nslook_bind_group(struct nl *nl, uint16_t group, uint32_t snaplen, int timeout_ms) TM_CHECK;
/* Fills a->addresses, as many as there is room for; none when they are not to be had. rtnetlink(7), RTM_GETADDR. */
void nslook_addresses(struct nsworker_answer *a, int timeout_ms);
/* One RTM_NEWADDR message: its address is added to arg, a struct nsworker_answer. 0; -E2BIG: there is no room. Pure. */
int nslook_parse_address(const struct nlmsghdr *h, void *arg);
/* The answer to IPCTNL_MSG_CT_GET_STATS: conntrack_count and _max of arg, a struct nsworker_answer. 0. Pure. */
int nslook_parse_counts(const struct nlmsghdr *h, void *arg);
/*
 * Fills a->conntrack_max and _count: IPCTNL_MSG_CT_GET_STATS (linux/netfilter/nfnetlink_conntrack.h), which has the
 * maximum from 4.18 on; before, nslook_max(). nl: NETLINK_NETFILTER.
 */
void nslook_counts(struct nl *nl, int timeout_ms, struct nsworker_answer *a);
/*
 * /proc/sys/net/netfilter/nf_conntrack_max of the namespace (net/sysctl_net.c: net_ctl_header_lookup); 0: it is not
 * told, as older kernels hide it from a namespace that belongs to a user namespace (nf_conntrack_standalone.c). It is
 * one number for all of them there, so the host's is as good.
 */
uint64_t nslook_max(void);

#endif
