/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peek - what can only be read out of a process's memory, or behind its memory's lock: arguments and mappings. The
 * kernel faults the pages in for the reader, and a page may lie on a FUSE file whose server never answers. So a helper
 * process reads, with a deadline for each read: a helper that hangs is killed and replaced, and its process may even be
 * unkillable for as long as the server is silent: nobody waits for it.
 *
 * Requests leave at once (one datagram, never waiting) and are answered in their order; answers to what has ended
 * meanwhile are errors. A process is named by pid and start, so that a pid's next owner is never read instead.
 */
#ifndef TIDEMARK_PEEK_H
#define TIDEMARK_PEEK_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct peek;

#define PEEK_WAITING 256u /* requests that the helper has; more are refused */
#define PEEK_FILES 256u   /* files of one process that are told */

/* A file that a process has mapped executable. */
struct peek_mapped {
        struct bytes path; /* as /proc names it: from the root of the mount that was used */
        uint64_t dev, ino, size;
        uint32_t mode, nlink, mount;
        uint8_t deleted, facts; /* facts 0: only path is known (a kernel without map_files for readers) */
};

struct peek_ops {
        /* The end of a request. error: 0; -ESRCH gone; -ETIMEDOUT: it hung (the helper was replaced); -ECANCELED: it
         * waited behind one that hung; others as read(2) gives them. args: those of a peek_args, NUL-separated, cut at
         * what an event holds; total: their whole length. Borrowed. */
        void (*end)(uint64_t token, int error, struct bytes args, uint32_t total, void *arg);
        /* Before the end of a peek_maps: one executable mapping's file; each file once. */
        void (*mapped)(uint64_t token, const struct peek_mapped *m, void *arg);
        /* In the helper, first of all: give up what it does not need. A negative result ends it. NULL: nothing. */
        int (*confine)(void);
        bool urgent; /* what is not read at once is gone: it keeps the caller's priority */
};
struct peek_stats {
        uint64_t requests, answered, failed, hung, refused, restarts;
        uint32_t waiting, stuck;
};

int peek_start(struct loop *loop, const char *name, uint64_t deadline_ns, const struct peek_ops *ops, void *arg,
               struct peek **ret) TM_CHECK;
struct peek *peek_stop(struct peek *p);
DEFINE_CLEANUP(struct peek *, peek_stop)
/* start 0: not known, and not looked at. -ENOBUFS: too many wait, counted. */
int peek_args(struct peek *p, uint64_t token, uint32_t pid, uint64_t start) TM_CHECK;
int peek_maps(struct peek *p, uint64_t token, uint32_t pid, uint64_t start) TM_CHECK;
/* Only while no loop runs: wait until everything that was asked for is answered, or has hung. */
void peek_wait(struct peek *p);
uint32_t peek_pid(const struct peek *p);
void peek_stats(struct peek *p, struct peek_stats *ret);

#endif
