/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the poll set, the heap of timers, the signal descriptor and the order of a turn. Must not: know what a handler
 * does. Hands over: to handlers, by priority.
 */
#include "tidemark/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tidemark/clock.h"

#define SIGNAL_BATCH 16

struct loop_src {
        struct loop *loop;
        struct loop_src *next;
        int fd;
        short events, ready;
        enum loop_prio prio;
        bool more, dead;
        const char *name;
        loop_fd_cb cb;
        void *arg;
};

struct loop_timer {
        struct loop *loop;
        loop_timer_cb cb;
        void *arg;
        uint64_t deadline;
        size_t at; /* place in the heap + 1; 0: not set */
};

struct hook {
        loop_hook_cb cb;
        void *arg;
};

struct loop {
        struct loop_src *srcs; /* by priority, then by order of addition */
        size_t nsrcs;
        bool buried; /* some are dead and wait to be freed */
        struct pollfd *fds;
        size_t fds_cap;
        struct loop_timer **heap;
        size_t ntimers, heap_cap;
        size_t timers; /* that exist */
        struct hook *hooks;
        size_t nhooks;
        int sigfd;
        loop_signal_cb signal_cb;
        void *signal_arg;
        uint64_t now, wakeups, by_time;
        uint64_t hold_until[LOOP__PRIO_MAX]; /* its sources wait */
        bool stop, in_timers;
        int rc;
};

int loop_new(struct loop **ret)
{
        struct loop *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->sigfd = -1;
        l->now = clock_boot_ns();
        *ret = l;
        return 0;
}

struct loop *loop_free(struct loop *l)
{
        struct loop_src *s, *next;

        if (!l)
                return NULL;
        for (s = l->srcs; s; s = next) {
                next = s->next;
                free(s);
        }
        /* Timers are their makers' to free, before this; one that was forgotten must not point into a freed heap. */
        for (size_t i = 0; i < l->ntimers; i++)
                l->heap[i]->at = 0;
        if (l->sigfd >= 0)
                close(l->sigfd);
        free(l->heap);
        free(l->fds);
        free(l->hooks);
        free(l);
        return NULL;
}

/* ---- sources ---- */

int loop_add(struct loop *l, int fd, short events, enum loop_prio prio, const char *name, loop_fd_cb cb, void *arg,
             struct loop_src **ret)
{
        struct loop_src *s = calloc(1, sizeof(*s)), **at;

        if (!s)
                return -ENOMEM;
        *s = (struct loop_src){.loop = l, .fd = fd, .events = events, .prio = prio, .name = name, .cb = cb, .arg = arg};
        for (at = &l->srcs; *at && (*at)->prio <= prio; at = &(*at)->next)
                ;
        s->next = *at;
        *at = s;
        l->nsrcs++;
        *ret = s;
        return 0;
}

void loop_src_events(struct loop_src *s, short events)
{
        s->events = events;
}

struct loop_src *loop_src_del(struct loop_src *s)
{
        if (s) {
                s->dead = true;
                s->loop->buried = true;
        }
        return NULL;
}

struct loop *loop_of(struct loop_src *s)
{
        return s->loop;
}

static void bury(struct loop *l)
{
        for (struct loop_src **at = &l->srcs; *at;) {
                struct loop_src *s = *at;

                if (!s->dead) {
                        at = &s->next;
                        continue;
                }
                *at = s->next;
                l->nsrcs--;
                free(s);
        }
        l->buried = false;
}

/* ---- timers: a binary heap, earliest first ---- */

static void place(struct loop *l, size_t i, struct loop_timer *t)
{
        l->heap[i] = t;
        t->at = i + 1;
}

static void sift(struct loop *l, size_t i)
{
        struct loop_timer *t = l->heap[i];

        while (i > 0 && l->heap[(i - 1) / 2]->deadline > t->deadline) {
                place(l, i, l->heap[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        for (;;) {
                size_t child = 2 * i + 1;

                if (child >= l->ntimers)
                        break;
                if (child + 1 < l->ntimers && l->heap[child + 1]->deadline < l->heap[child]->deadline)
                        child++;
                if (l->heap[child]->deadline >= t->deadline)
                        break;
                place(l, i, l->heap[child]);
                i = child;
        }
        place(l, i, t);
}

int loop_timer_new(struct loop *l, loop_timer_cb cb, void *arg, struct loop_timer **ret)
{
        struct loop_timer *t;

        if (l->timers == l->heap_cap) { /* room for all that exist, so that setting one cannot fail */
                size_t cap = l->heap_cap ? 2 * l->heap_cap : 8;
                struct loop_timer **heap = realloc(l->heap, cap * sizeof(struct loop_timer *));

                if (!heap)
                        return -ENOMEM;
                l->heap = heap;
                l->heap_cap = cap;
        }
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->loop = l;
        t->cb = cb;
        t->arg = arg;
        l->timers++;
        *ret = t;
        return 0;
}

void loop_timer_stop(struct loop_timer *t)
{
        struct loop *l = t->loop;
        size_t i = t->at - 1;

        if (t->at == 0)
                return;
        t->at = 0;
        if (i != --l->ntimers) {
                place(l, i, l->heap[l->ntimers]);
                sift(l, i);
        }
}

void loop_timer_set(struct loop_timer *t, uint64_t deadline_ns)
{
        struct loop *l = t->loop;

        loop_timer_stop(t);
        /* What a timer's function sets for the past waits for the next turn: else it would be first for ever. */
        t->deadline = l->in_timers && deadline_ns <= l->now ? l->now + 1 : deadline_ns;
        place(l, l->ntimers++, t);
        sift(l, l->ntimers - 1);
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
        if (!t)
                return NULL;
        loop_timer_stop(t);
        t->loop->timers--;
        free(t);
        return NULL;
}

/* Those due at the turn's time, each once. */
static void run_timers(struct loop *l)
{
        l->in_timers = true;
        while (l->ntimers && l->heap[0]->deadline <= l->now && !l->stop) {
                struct loop_timer *t = l->heap[0];

                loop_timer_stop(t);
                t->cb(t, t->arg);
        }
        l->in_timers = false;
}

/* ---- signals and hooks ---- */

static int on_signal(struct loop_src *src, int fd, short revents, void *arg)
{
        struct loop *l = arg;
        struct signalfd_siginfo si[SIGNAL_BATCH];
        ssize_t n = read(fd, si, sizeof(si));

        (void)src, (void)revents;
        for (ssize_t i = 0; i < n / (ssize_t)sizeof(si[0]); i++)
                l->signal_cb(l, &si[i], l->signal_arg);
        return LOOP_DONE;
}

int loop_signals(struct loop *l, const sigset_t *set, loop_signal_cb cb, void *arg)
{
        struct loop_src *src;
        int r;

        if (l->sigfd >= 0)
                return -EBUSY;
        if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
                return -errno;
        l->sigfd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (l->sigfd < 0)
                return -errno;
        l->signal_cb = cb;
        l->signal_arg = arg;
        r = loop_add(l, l->sigfd, POLLIN, LOOP_SIGNAL, "signals", on_signal, l, &src);
        if (r < 0) {
                close(l->sigfd);
                l->sigfd = -1;
        }
        return r;
}

int loop_hook(struct loop *l, loop_hook_cb cb, void *arg)
{
        struct hook *h = realloc(l->hooks, (l->nhooks + 1) * sizeof(*h));

        if (!h)
                return -ENOMEM;
        l->hooks = h;
        l->hooks[l->nhooks++] = (struct hook){cb, arg};
        return 0;
}

/* ---- the turn ---- */

void loop_hold(struct loop *l, enum loop_prio prio, uint64_t until_ns)
{
        l->hold_until[prio] = until_ns;
}

static bool is_held(const struct loop *l, const struct loop_src *s)
{
        return l->hold_until[s->prio] > l->now;
}

uint64_t loop_now(const struct loop *l)
{
        return l->now;
}

uint64_t loop_wakeups(const struct loop *l, uint64_t *ret_by_time)
{
        *ret_by_time = l->by_time;
        return l->wakeups;
}

void loop_stop(struct loop *l, int rc)
{
        l->stop = true;
        l->rc = rc;
}

static int poll_timeout(const struct loop *l, bool more)
{
        uint64_t now, ms, next = l->ntimers ? l->heap[0]->deadline : 0;

        for (size_t prio = 0; prio < LOOP__PRIO_MAX; prio++)
                if (l->hold_until[prio] > l->now && (next == 0 || l->hold_until[prio] < next))
                        next = l->hold_until[prio];
        if (more)
                return 0;
        if (next == 0)
                return -1;
        now = clock_boot_ns();
        if (next <= now)
                return 0;
        ms = (next - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC; /* rounded up: never a turn too early */
        return ms > 3600000 ? 3600000 : (int)ms;
}

/* Wait, and note in each source what it is ready for. */
static int wait_ready(struct loop *l)
{
        bool more = false;
        size_t n = 0;
        int r, timeout;

        if (l->fds_cap < l->nsrcs) {
                struct pollfd *fds = realloc(l->fds, 2 * l->nsrcs * sizeof(*fds));

                if (!fds)
                        return -ENOMEM;
                l->fds = fds;
                l->fds_cap = 2 * l->nsrcs;
        }
        for (struct loop_src *s = l->srcs; s; s = s->next) {
                l->fds[n++] = (struct pollfd){.fd = s->events && !is_held(l, s) ? s->fd : -1, .events = s->events};
                more = more || (s->more && !is_held(l, s));
        }
        timeout = poll_timeout(l, more);
        r = poll(l->fds, n, timeout);
        if (r < 0 && errno != EINTR)
                return -errno;
        l->wakeups++;
        l->by_time += r == 0 && timeout;
        n = 0;
        for (struct loop_src *s = l->srcs; s; s = s->next)
                s->ready = l->fds[n++].revents;
        return 0;
}

static int run_ready(struct loop *l)
{
        for (struct loop_src *s = l->srcs; s && !l->stop; s = s->next) {
                short ready = s->ready;
                int r;

                s->ready = 0; /* one that a handler adds has none yet */
                if (s->dead || (!ready && (!s->more || is_held(l, s))))
                        continue;
                s->more = false;
                r = s->cb(s, s->fd, ready, s->arg);
                if (r < 0)
                        return r;
                if (!s->dead)
                        s->more = r == LOOP_MORE;
        }
        return 0;
}

int loop_run(struct loop *l)
{
        int r = 0;

        l->stop = false;
        l->rc = 0;
        while (!l->stop && r == 0) {
                l->now = clock_boot_ns();
                run_timers(l);
                for (size_t i = 0; i < l->nhooks && !l->stop; i++)
                        l->hooks[i].cb(l, l->hooks[i].arg);
                if (l->buried)
                        bury(l);
                if (l->stop)
                        break;
                r = wait_ready(l);
                l->now = clock_boot_ns();
                if (r == 0)
                        r = run_ready(l);
                if (l->buried)
                        bury(l);
        }
        return r < 0 ? r : l->rc;
}
