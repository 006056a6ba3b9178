/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl - netlink sockets whose datagrams are believed only from the kernel (nl_pid 0), whole (no MSG_TRUNC) and with
 * lengths that fit. libmnl builds and parses; the receive call is our own, because mnl_socket_recvfrom does not show
 * the sender. Bound with nl_pid 0, so that two sockets of a process never collide. netlink(7).
 */
#ifndef TIDEMARK_NL_H
#define TIDEMARK_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct nl;
struct nlmsghdr;

struct nl_stats {
        uint64_t datagrams, messages, overruns, forged, truncated, malformed;
};

/* bus: NETLINK_CONNECTOR, …; groups: bit mask for bind; rcvbuf: bytes wanted (SO_RCVBUFFORCE, else SO_RCVBUF).
 * Non-blocking. */
int nl_open(int bus, uint32_t groups, int rcvbuf, struct nl **ret) TM_CHECK;
/* The same over a descriptor that somebody else opened, such as a helper in another network namespace. Taken over on
 * success; non-blocking from then on. -EPROTOTYPE: not a netlink socket that is bound. */
int nl_adopt(int fd, struct nl **ret) TM_CHECK;
/* Subscribe to one more group, by its number (from 1): NETLINK_ADD_MEMBERSHIP, netlink(7). */
int nl_join(struct nl *nl, unsigned group) TM_CHECK;
struct nl *nl_close(struct nl *nl);
DEFINE_CLEANUP(struct nl *, nl_close)
int nl_fd(const struct nl *nl);
/* The number that the kernel knows this socket by: of answers to what it asked, nlmsg_pid has it. */
uint32_t nl_port(const struct nl *nl);
int nl_send(struct nl *nl, const void *msg, size_t len) TM_CHECK;
/*
 * One datagram: cb for each message in it. 1 if a datagram was read (whatever became of it: see stats), 0 when there
 * is none now, ERR_OVERRUN when the kernel says that it dropped some (ENOBUFS), or another negative error. A negative
 * result of cb ends the datagram and is returned.
 */
typedef int (*nl_cb)(const struct nlmsghdr *nlh, void *arg);
int nl_recv(struct nl *nl, nl_cb cb, void *arg) TM_CHECK;
/*
 * For helpers, which may wait: send, and receive until the kernel has acknowledged the message with number seq (its
 * nlmsg_seq; the one with NLM_F_ACK) or a dump's NLMSG_DONE, at most timeout_ms in all. cb, if not NULL, gets every
 * other message. 0, the negative errno that the kernel answered (of a batch: to the first message that it refused),
 * -ETIMEDOUT, ERR_OVERRUN, or what cb returned.
 */
int nl_talk(struct nl *nl, const void *msg, size_t len, uint32_t seq, int timeout_ms, nl_cb cb, void *arg) TM_CHECK;
void nl_stats(const struct nl *nl, struct nl_stats *ret);

#endif
