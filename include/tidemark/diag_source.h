/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diag_source - the sockets of one network namespace: sock_diag(7), linux/inet_diag.h.
 *
 * Owns:      the NETLINK_SOCK_DIAG socket (opened in the namespace by whoever could enter it).
 * Never:     waits: the kernel has its answer ready when the request returns.
 * Hands over: sockets as the kernel has them; whose they are is trace/'s.
 */
#ifndef TIDEMARK_DIAG_SOURCE_H
#define TIDEMARK_DIAG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/flow_source.h"

struct diag_source;
struct nlmsghdr;

struct diag_sock {
        struct flow_tuple tuple; /* src: its own side */
        uint8_t state;           /* as net/tcp_states.h of the kernel has it: DIAG_* */
        uint32_t inode;          /* 0: belongs to no process any more */
        uint32_t uid;
};
#define DIAG_ESTABLISHED 1u
#define DIAG_SYN_SENT 2u
#define DIAG_SYN_RECV 3u
#define DIAG_UNCONNECTED 7u /* UDP: bound, with no peer */
#define DIAG_LISTEN 10u

/* Pure. proto: what was asked for (the answer does not say). 0; -EAGAIN: a message of control; ERR_SCHEMA. */
int diag_decode(const struct nlmsghdr *h, uint8_t proto, struct diag_sock *ret) TM_CHECK;

/* fd: taken over on success. */
int diag_source_open(int fd, struct diag_source **ret) TM_CHECK;
struct diag_source *diag_source_close(struct diag_source *s);
DEFINE_CLEANUP(struct diag_source *, diag_source_close)
/* The socket of this tuple, src being its own side; where only one listens on that port, that one (see its state).
 * -ENOENT: none (any more); -EOPNOTSUPP: the kernel does not tell of this protocol. */
int diag_find(struct diag_source *s, const struct flow_tuple *t, struct diag_sock *ret) TM_CHECK;
/*
 * All sockets of TCP and UDP over IPv4 and IPv6 in one of these states (bit 1 << state). At most limit are told;
 * ERR_LIMIT if there are more, -EAGAIN if the kernel was interrupted and tells what is not whole: what was told stands.
 * The kernel tells all of a dump before it takes the next one: what is beyond limit is read and passed over, up to 512
 * datagrams of it. Of more than that the rest is passed over by the next call, which is -EBUSY if it is too much again.
 */
int diag_each(struct diag_source *s, uint32_t states, size_t limit, void (*cb)(const struct diag_sock *d, void *arg),
              void *arg) TM_CHECK;

struct diag_source_stats {
        uint64_t asked, found, refused, malformed;
        uint64_t unread; /* dumps that were left with a rest */
};
void diag_source_stats(const struct diag_source *s, struct diag_source_stats *ret);

#endif
