/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc_source - the netlink proc connector: every fork, exec, exit, id change of the host. linux/cn_proc.h.
 *
 * Owns:      the NETLINK_CONNECTOR socket and its subscription (ended with PROC_CN_MCAST_IGNORE at close, because
 *            kernels before 6.6 otherwise go on producing).
 * Never:     reads /proc, knows containers (trace/ does).
 * Hands over: one struct proc_msg per message, in the order of the kernel's queue.
 */
#ifndef TIDEMARK_PROC_SOURCE_H
#define TIDEMARK_PROC_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/kmsg.h"

struct loop;
struct proc_source;

/* Pure. p: the netlink message's payload (struct cn_msg on). 0, ERR_TRUNCATED, ERR_SCHEMA (not from the proc
 * connector), -EAGAIN (an acknowledgement, of any listener's: cpu and seq are set). */
int proc_decode(const void *p, size_t len, struct proc_msg *ret) TM_CHECK;

struct proc_source_ops {
        void (*msg)(const struct proc_msg *m, void *arg);
        /* The kernel dropped messages; count 0: unknown. since: CLOCK_MONOTONIC of the last one before; 0: none. */
        void (*loss)(uint64_t count, uint64_t since_mono_ns, void *arg);
};
struct proc_source_stats {
        uint64_t delivered, lost, forged, malformed;
};

/* Open, subscribe, and wait at most 200 ms for the acknowledgement (-ETIMEDOUT: no connector here; -EPERM). rcvbuf:
 * bytes. */
int proc_source_open(struct loop *loop, const struct proc_source_ops *ops, void *arg, int rcvbuf,
                     struct proc_source **ret) TM_CHECK;
struct proc_source *proc_source_close(struct proc_source *s);
DEFINE_CLEANUP(struct proc_source *, proc_source_close)
/* Deliver all that is queued now (bounded at what a full receive buffer holds). For use before a fanotify batch is
 * resolved. */
int proc_source_drain(struct proc_source *s);
void proc_source_stats(const struct proc_source *s, struct proc_source_stats *ret);

#endif
