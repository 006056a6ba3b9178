/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nslook - the NFLOG group, addresses, and conntrack's counts of the namespace that this process is in.
 *
 * Owns: nothing. Must not: enter a namespace. Hands over: what the kernel said, in an answer's fields.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nslook-priv.h"
#include "tidemark/nl.h"
#include "tidemark/nsworker.h"

#define SEQ 1u
#define MAX_PATH "/proc/sys/net/netfilter/nf_conntrack_max"

static struct nlmsghdr *netfilter(char *space, uint8_t subsystem, uint8_t type, uint16_t flags, uint16_t resource)
{
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;

        h->nlmsg_type = (uint16_t)(subsystem << 8 | type);
        h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
        h->nlmsg_seq = SEQ;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = AF_UNSPEC;
        g->version = NFNETLINK_V0;
        g->res_id = htons(resource);
        return h;
}

int nslook_bind_group(struct nl *nl, uint16_t group, uint32_t snaplen, int timeout_ms)
{
        struct nfulnl_msg_config_cmd cmd = {.command = NFULNL_CFG_CMD_BIND};
        struct nfulnl_msg_config_mode mode = {.copy_range = htonl(snaplen), .copy_mode = NFULNL_COPY_PACKET};
        char space[256] __attribute__((aligned(8)));
        struct nlmsghdr *h = netfilter(space, NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, NLM_F_ACK, group);

        mnl_attr_put(h, NFULA_CFG_CMD, sizeof(cmd), &cmd);
        mnl_attr_put(h, NFULA_CFG_MODE, sizeof(mode), &mode);
        mnl_attr_put_u32(h, NFULA_CFG_QTHRESH, htonl(1));
        mnl_attr_put_u16(h, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
        return nl_talk(nl, h, h->nlmsg_len, SEQ, timeout_ms, NULL, NULL);
}

/* ---- addresses ---- */

void nslook_addresses(struct nsworker_answer *a, int timeout_ms)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        char space[64] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        int r = nl_open(NETLINK_ROUTE, 0, 0, &nl);

        h->nlmsg_type = RTM_GETADDR;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = SEQ;
        mnl_nlmsg_put_extra_header(h, sizeof(struct ifaddrmsg)); /* zeros: of every family */
        if (r == 0)
                r = nl_talk(nl, h, h->nlmsg_len, SEQ, timeout_ms, nslook_parse_address, a);
        if (r < 0 && r != -E2BIG)
                a->naddresses = 0;
}

/* ---- conntrack's counts ---- */

uint64_t nslook_max(void)
{
        _cleanup_close_ int fd = open(MAX_PATH, O_RDONLY | O_CLOEXEC);
        char text[32];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (n <= 0)
                return 0;
        text[n] = '\0';
        return strtoull(text, NULL, 10);
}

void nslook_counts(struct nl *nl, int timeout_ms, struct nsworker_answer *a)
{
        char space[64] __attribute__((aligned(8)));
        struct nlmsghdr *h = netfilter(space, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, 0);

        if (nl_talk(nl, h, h->nlmsg_len, SEQ, timeout_ms, nslook_parse_counts, a) < 0)
                a->conntrack_count = a->conntrack_max = 0;
        else if (a->conntrack_max == 0)
                a->conntrack_max = nslook_max();
}
