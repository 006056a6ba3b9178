/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pair - one end of the SOCK_SEQPACKET pair between sensor and engine.
 *
 * A datagram holds one or more whole tide records (at most PAIR_DATAGRAM bytes), or exactly one with one descriptor
 * (SCM_RIGHTS). Sending queues in memory, in order; the owner calls pair_flush when the descriptor is writable and
 * before sleeping. When the queue fills, records are refused by class, least important first, so that what an
 * operator or an exec says still passes when files no longer do: the caller counts the refusal as a loss and repairs
 * it later. Owns the descriptor. Non-blocking.
 */
#ifndef TIDEMARK_PAIR_H
#define TIDEMARK_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct pair;
struct tide_event;

#define PAIR_DATAGRAM (64u * 1024)

/* Share of the queue up to which a class is taken: walk ¼, file ½, flow ¾, exec 9/10, control all. */
enum pair_class { PAIR_WALK, PAIR_FILE, PAIR_FLOW, PAIR_EXEC, PAIR_CONTROL, PAIR__CLASS_MAX };

struct pair_stats {
        uint64_t sent, received, refused[PAIR__CLASS_MAX], malformed;
        size_t queued; /* bytes now */
};

/* fd: taken over on success. queue_max: bytes held at most. */
int pair_new(int fd, size_t queue_max, struct pair **ret) TM_CHECK;
struct pair *pair_free(struct pair *p);
DEFINE_CLEANUP(struct pair *, pair_free)
int pair_fd(const struct pair *p);

/* Encode and queue. fd: -1, or a descriptor to pass along (duplicated; the caller keeps its own). 0, -ENOBUFS (refused,
 * counted), -ENOMEM, or what tide_encode says. */
int pair_send(struct pair *p, enum pair_class class, const struct tide_event *ev, int fd) TM_CHECK;
/* Write what the socket takes. 0 when all is out, 1 when some is left (wait for POLLOUT), -EPIPE when the peer is gone,
 * or another error. */
int pair_flush(struct pair *p) TM_CHECK;

/*
 * Receive one datagram and call cb for each record in it; fd is -1 or the descriptor that came along (closed after
 * the call unless cb takes it with TAKE_FD(*fd)). 1 if something was received, 0 when there is nothing now, -EPIPE
 * when the peer is gone, or another error. Records that do not decode are counted and passed over. A negative result
 * of cb is returned.
 */
typedef int (*pair_cb)(const struct tide_event *ev, int *fd, void *arg);
int pair_recv(struct pair *p, pair_cb cb, void *arg) TM_CHECK;
void pair_stats(const struct pair *p, struct pair_stats *ret);

#endif
