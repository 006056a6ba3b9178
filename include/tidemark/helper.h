/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * helper - a forked process that does for a loop what could hang: walks, waiting for the disk. It is joined to its
 * parent by one SOCK_SEQPACKET pair, single-threaded, blocks as it likes, and never outlives its parent. Being asked to
 * end (SIGTERM, SIGINT) is for the parent alone, although a service manager or a terminal tells every process of ours:
 * what is done at the end needs its helpers. They end with their socket.
 */
#ifndef TIDEMARK_HELPER_H
#define TIDEMARK_HELPER_H

#include <stddef.h>
#include <sys/types.h>

#include "tidemark/attr.h"

/* What the helper does, with its end of the pair; its result is the exit status. */
typedef int (*helper_main)(int fd, void *arg);

/* Has it time, or is it as urgent as its parent, whose priority it then keeps? */
enum helper_haste { HELPER_HAS_TIME, HELPER_IS_URGENT };

/*
 * Fork one. In the helper: the name is set (at most 15 bytes are shown), all signals have their default action and none
 * is blocked, but SIGTERM and SIGINT are ignored; it is killed when its parent dies, and every descriptor is closed but
 * 0 to 2, its end of the pair and those of keep.
 * *ret_fd: the parent's end, close-on-exec, blocking.
 */
int helper_start(const char *name, enum helper_haste haste, helper_main main, void *arg, const int *keep, size_t nkeep,
                 int *ret_fd, pid_t *ret_pid) TM_CHECK;
/* Kill and reap it, if *pid is not 0; *pid becomes 0. Waits for its end: for helpers that cannot hang in the kernel. */
void helper_end(pid_t *pid);

/* One that has closed its end, or is gone: its status, as waitpid(2) has it; -1: it has none. If it lives on all the
 * same, for whatever it read has made it do so, it is killed: nobody waits for it. *pid becomes 0. */
int helper_gone(pid_t *pid);

/* Helpers that were killed while they hung: each is gone once what it waits for is. Begins as zeros. */
#define HELPER_STUCK 8u
struct helper_stuck {
        pid_t pid[HELPER_STUCK];
};
/* Kill it, if *pid is not 0, and do not wait: it is one of the stuck until helper_reap has found its end. *pid becomes
 * 0. */
void helper_leave(struct helper_stuck *s, pid_t *pid);
/* How many are left: with HELPER_STUCK of them no further one should be started. */
unsigned helper_reap(struct helper_stuck *s);

#endif
