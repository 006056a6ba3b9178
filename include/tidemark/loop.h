/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop - one poll(2) set, timers and signals of a process. No threads.
 *
 * Turn: read the clock once; run due timers; run before-sleep hooks; poll until the next timer; call ready handlers in
 * order of priority. A handler never blocks, sleeps or forks; it drains at most its own budget and returns LOOP_MORE
 * when it stopped on that (it is then called again in the next turn, without sleeping). A handler may add or delete
 * any source, itself too: deletion takes effect at once for calls, memory is freed after the turn.
 * Level-triggered only. All times are CLOCK_BOOTTIME nanoseconds.
 */
#ifndef TIDEMARK_LOOP_H
#define TIDEMARK_LOOP_H

#include <signal.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct loop;
struct loop_src;
struct loop_timer;
struct signalfd_siginfo;

enum loop_prio {
        LOOP_SIGNAL,
        LOOP_ACT,
        LOOP_CONTROL,
        LOOP_KERNEL,
        LOOP_FILES,
        LOOP_ANSWERS, /* of helpers */
        LOOP_WORK,
        LOOP__PRIO_MAX
};
enum { LOOP_DONE = 0, LOOP_MORE = 1 };

/* Handler. >= 0: LOOP_DONE or LOOP_MORE. < 0: the loop stops and loop_run returns that error. */
typedef int (*loop_fd_cb)(struct loop_src *src, int fd, short revents, void *arg);
typedef void (*loop_timer_cb)(struct loop_timer *t, void *arg);
typedef void (*loop_hook_cb)(struct loop *loop, void *arg);
typedef void (*loop_signal_cb)(struct loop *loop, const struct signalfd_siginfo *si, void *arg);

int loop_new(struct loop **ret) TM_CHECK;
struct loop *
loop_free(struct loop *loop); /* sources and the signalfd too; not descriptors nor timers: free those first */
DEFINE_CLEANUP(struct loop *, loop_free)

/* The descriptor stays the caller's: delete the source before closing it. name is kept by pointer (a literal). */
int loop_add(struct loop *loop, int fd, short events, enum loop_prio prio, const char *name, loop_fd_cb cb, void *arg,
             struct loop_src **ret) TM_CHECK;
/* Until then sources of that priority are left alone, and what they have gathers: the others are served as ever. */
void loop_hold(struct loop *loop, enum loop_prio prio, uint64_t until_ns);
void loop_src_events(struct loop_src *src, short events);
struct loop_src *loop_src_del(struct loop_src *src); /* NULL ok; returns NULL */
struct loop *loop_of(struct loop_src *src);

int loop_timer_new(struct loop *loop, loop_timer_cb cb, void *arg, struct loop_timer **ret) TM_CHECK;
void loop_timer_set(struct loop_timer *t, uint64_t deadline_ns); /* absolute; re-arming replaces */
void loop_timer_stop(struct loop_timer *t);
struct loop_timer *loop_timer_free(struct loop_timer *t);

/* Block the signals of set and read them by signalfd(2). Once per loop. */
int loop_signals(struct loop *loop, const sigset_t *set, loop_signal_cb cb, void *arg) TM_CHECK;
/* Called before each sleep, in order of addition: flush, commit, reply. */
int loop_hook(struct loop *loop, loop_hook_cb cb, void *arg) TM_CHECK;

uint64_t loop_now(const struct loop *loop); /* the turn's time */
/* How often it slept, and how often of these time alone ended that: no descriptor had anything. */
uint64_t loop_wakeups(const struct loop *loop, uint64_t *ret_by_time);
int loop_run(struct loop *loop);             /* until loop_stop: returns its rc, or a handler's negative error */
void loop_stop(struct loop *loop, int rc);

#endif
