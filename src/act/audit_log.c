/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the helper that keeps the right to write and the writer below it, the rate, and what is counted. Must not: wait
 * in the loop, or speak to audit itself. Hands over: notes as datagrams of type, result and text; an answer for each.
 */
#include "act/audit_log-priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"
#include "tidemark/rate.h"

#define WAITING_MAX 64u
#define RATE_PER_SECOND 20u
#define RATE_BURST 40u
#define ACTS_PER_SECOND 20u /* who can ask for more than that is no operator */
#define ACTS_BURST 60u

/* As it crosses the pair, between processes of one binary. */
struct note {
        uint16_t type;
        uint8_t ok;
        char text[AUDIT_LOG_TEXT_MAX + 1];
};
struct answer {
        int32_t error;
        uint32_t late, stuck;
};

struct audit_log {
        const struct audit_log_ops *ops;
        void *arg;
        uint64_t deadline_ns;
        int fd;
        pid_t pid;
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *timer;
        struct rate rate, acts;
        uint64_t withheld; /* and not told yet */
        struct {
                enum audit_note_type type;
                uint64_t n;
        } queued[WAITING_MAX]; /* a ring: what waits for an answer */
        size_t first;
        struct audit_log_stats stats;
};

/* ---- in the writer: the child of the helper ---- */

static int writer(int fd, void *arg)
{
        const struct audit_log *l = arg;
        int (*write)(uint16_t, const char *, bool) = l->ops->write ? l->ops->write : audit_log_write;
        struct note note;

        while (recv(fd, &note, sizeof(note), 0) == (ssize_t)sizeof(note)) {
                int32_t done;

                note.text[sizeof(note.text) - 1] = 0;
                done = write(note.type, note.text, note.ok);
                if (send(fd, &done, sizeof(done), MSG_NOSIGNAL) != (ssize_t)sizeof(done))
                        break;
        }
        return 0;
}

/* ---- in the helper: it has a writer, and another when that one hangs ---- */

struct writers {
        const struct audit_log *l;
        int fd;
        pid_t pid;
        uint32_t late;
        struct helper_stuck stuck;
};

static void leave(struct writers *w)
{
        close(w->fd);
        helper_leave(&w->stuck, &w->pid);
}

static int have_writer(struct writers *w)
{
        if (w->pid)
                return 0;
        if (helper_reap(&w->stuck) >= HELPER_STUCK)
                return -EBUSY;
        return helper_start("tidemark-auditw", HELPER_HAS_TIME, writer, (void *)(uintptr_t)w->l, NULL, 0, &w->fd,
                            &w->pid);
}

/* 0, what the kernel answered, -ETIMEDOUT, or -EPIPE: the writer has ended. */
static int32_t write_by(struct writers *w, const struct note *note)
{
        struct pollfd p = {.events = POLLIN};
        uint64_t until = clock_boot_ns() + w->l->deadline_ns, now;
        int32_t err = have_writer(w), done;

        if (err < 0)
                return err;
        p.fd = w->fd;
        if (send(w->fd, note, sizeof(*note), MSG_NOSIGNAL) != (ssize_t)sizeof(*note))
                err = -EPIPE;
        while (err == 0) {
                now = clock_boot_ns();
                if (now >= until)
                        err = -ETIMEDOUT;
                else if (poll(&p, 1, (int)((until - now) / NSEC_PER_MSEC) + 1) > 0)
                        break;
        }
        if (err == 0 && recv(w->fd, &done, sizeof(done), 0) == (ssize_t)sizeof(done))
                return done;
        w->late += err == -ETIMEDOUT;
        leave(w);
        return err < 0 ? err : -EPIPE;
}

static int helper(int fd, void *arg)
{
        const struct audit_log *l = arg;
        struct writers w = {.l = l, .fd = -1};
        int32_t unfit = l->ops->confine ? l->ops->confine() : 0;
        struct note note;

        while (recv(fd, &note, sizeof(note), 0) == (ssize_t)sizeof(note)) {
                struct answer a = {.error = unfit ? unfit : write_by(&w, &note)};

                a.late = w.late;
                a.stuck = helper_reap(&w.stuck);
                if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != (ssize_t)sizeof(a))
                        break;
        }
        return unfit;
}

/* ---- in the sensor ---- */

/* The answer to the first that waits. */
static void count(struct audit_log *l, int err)
{
        size_t at = l->first;

        l->first = (l->first + 1) % WAITING_MAX;
        l->stats.waiting--;
        l->stats.taken += err == 0;
        l->stats.failed += err != 0;
        l->stats.error = err;
        if (l->ops->taken)
                l->ops->taken(err, l->queued[at].type, l->queued[at].n, l->arg);
}

/* Nobody can be put in its place: the right to write was given up when it had been started. */
static void gone(struct audit_log *l)
{
        l->src = loop_src_del(l->src);
        if (l->fd >= 0)
                close(l->fd);
        l->fd = -1;
        helper_end(&l->pid);
        l->stats.gone = true;
        while (l->stats.waiting)
                count(l, -EPIPE);
}

/* 1: an answer was taken; 0: there is none now; -EPIPE. */
static int take_answer(struct audit_log *l)
{
        struct answer a;
        ssize_t n = recv(l->fd, &a, sizeof(a), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n != (ssize_t)sizeof(a) || l->stats.waiting == 0)
                return -EPIPE;
        l->stats.late = a.late;
        l->stats.stuck = a.stuck;
        count(l, a.error);
        return 1;
}

static int on_answer(struct loop_src *src, int fd, short revents, void *arg)
{
        struct audit_log *l = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (unsigned i = 0; i < WAITING_MAX && r > 0; i++)
                r = take_answer(l);
        if (r < 0)
                gone(l);
        return LOOP_DONE;
}

static int hand_over(struct audit_log *l, const struct audit_note *n)
{
        _cleanup_buf_ struct buf text;
        struct note note = {.ok = n->ok};
        size_t at = (l->first + l->stats.waiting) % WAITING_MAX;
        int r;

        buf_init(&text, AUDIT_LOG_TEXT_MAX);
        r = audit_log_format(n, &note.type, &text);
        if (r < 0)
                return r;
        memcpy(note.text, text.p, text.len);
        if (l->fd < 0)
                return -EPIPE;
        if (l->stats.waiting == WAITING_MAX || send(l->fd, &note, sizeof(note), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -ENOBUFS; /* or it is gone: its end of the pair tells that */
        l->queued[at].type = n->type;
        l->queued[at].n = n->n;
        l->stats.waiting++;
        return 0;
}

/* The storm, in one record; a second after its first note that was held back. */
static void on_withheld(struct loop_timer *t, void *arg)
{
        struct audit_log *l = arg;
        struct audit_note n = {.type = AUDIT_NOTE_WITHHELD, .ok = true, .n = l->withheld};

        (void)t;
        if (hand_over(l, &n) == 0)
                l->withheld = 0;
        else if (l->fd >= 0) /* no room */
                loop_timer_set(l->timer, loop_now(l->loop) + NSEC_PER_SEC);
}

int audit_log_put(struct audit_log *l, const struct audit_note *n)
{
        struct rate *rate = audit_log_is_act(n->type) ? &l->acts : &l->rate;
        int r;

        if (!rate_pass(rate, loop_now(l->loop), NULL)) {
                if (l->withheld++ == 0)
                        loop_timer_set(l->timer, loop_now(l->loop) + NSEC_PER_SEC);
                l->stats.withheld++;
                return 0;
        }
        r = hand_over(l, n);
        l->stats.refused += r < 0;
        return r;
}

void audit_log_stats(const struct audit_log *l, struct audit_log_stats *ret)
{
        *ret = l->stats;
}

uint32_t audit_log_pid(const struct audit_log *l)
{
        return (uint32_t)l->pid;
}

static struct audit_log *log_free(struct audit_log *l)
{
        if (!l)
                return NULL;
        loop_src_del(l->src);
        loop_timer_free(l->timer);
        if (l->fd >= 0)
                close(l->fd);
        helper_end(&l->pid);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(struct audit_log *, log_free)

int audit_log_start(struct loop *loop, uint64_t deadline_ns, const struct audit_log_ops *ops, void *arg,
                    struct audit_log **ret)
{
        _cleanup_(log_freep) struct audit_log *l = calloc(1, sizeof(*l));
        int room = (int)(2 * (WAITING_MAX + 1) * sizeof(struct note)), r;

        if (!l)
                return -ENOMEM;
        l->ops = ops;
        l->arg = arg;
        l->loop = loop;
        l->fd = -1;
        l->deadline_ns = deadline_ns;
        l->rate = (struct rate){.interval_ns = NSEC_PER_SEC / RATE_PER_SECOND, .burst = RATE_BURST};
        l->acts = (struct rate){.interval_ns = NSEC_PER_SEC / ACTS_PER_SECOND, .burst = ACTS_BURST};
        r = helper_start("tidemark-auditl", HELPER_HAS_TIME, helper, l, NULL, 0, &l->fd, &l->pid);
        if (r == 0)
                r = loop_add(loop, l->fd, POLLIN, LOOP_ANSWERS, "audit log", on_answer, l, &l->src);
        if (r == 0)
                r = loop_timer_new(loop, on_withheld, l, &l->timer);
        if (r < 0)
                return r;
        setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); /* less room is counted as such */
        *ret = TAKE_PTR(l);
        return 0;
}

struct audit_log *audit_log_stop(struct audit_log *l, int timeout_ms)
{
        uint64_t until = clock_boot_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC, now;

        if (l && l->withheld)
                on_withheld(l->timer, l);
        while (l && l->fd >= 0 && l->stats.waiting && (now = clock_boot_ns()) < until) {
                struct pollfd p = {.fd = l->fd, .events = POLLIN};

                if (poll(&p, 1, (int)((until - now) / NSEC_PER_MSEC) + 1) > 0 && take_answer(l) < 0)
                        break;
        }
        return log_free(l);
}
