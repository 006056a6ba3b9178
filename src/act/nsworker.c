/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor's side of the helper that enters network namespaces.
 *
 * Owns: the helper's process, the requests that wait with their namespaces' descriptors, and the deadline of the one
 * that the helper has. Must not: enter a namespace, wait, or keep one that was answered for. Hands over: exactly one
 * answer for every request.
 */
#include "tidemark/nsworker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nettable-priv.h"
#include "nsworker-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"
#include "tidemark/passfd.h"

#define TURN_BUDGET 8 /* answers */
#define RETRY_NS NSEC_PER_SEC

struct waiting {
        struct nsworker_request q;
        int ns;
        bool again; /* a helper has died of it, or with it: it is not given to a third */
};

struct nsworker {
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *timer;
        const struct nsworker_ops *ops;
        void *arg;
        struct nsworker_child_setup setup;
        uint64_t deadline_ns;
        int fd; /* -1: no helper is to be had now */
        pid_t pid;
        bool proved; /* this helper has answered */
        struct helper_stuck stuck;
        struct waiting waiting[NSWORKER_WAITING]; /* a ring; the first is the helper's if sent */
        uint32_t first, n;
        bool sent;
        struct nsworker_stats stats;
};

static int start_process(struct nsworker *w);
static void start_again(struct nsworker *w);

static void arm(struct nsworker *w)
{
        if (w->fd < 0)
                loop_timer_set(w->timer, clock_boot_ns() + RETRY_NS);
        else if (w->sent)
                loop_timer_set(w->timer, clock_boot_ns() + w->deadline_ns);
        else
                loop_timer_stop(w->timer);
}

/* The next request becomes the helper's, if it has none. */
static void begin(struct nsworker *w)
{
        struct waiting *x = &w->waiting[w->first];
        int r;

        if (w->sent || w->n == 0 || w->fd < 0)
                return;
        r = passfd_send(w->fd, &x->q, sizeof(x->q), &x->ns, 1, MSG_DONTWAIT);
        if (r < 0)
                shutdown(w->fd, SHUT_RDWR); /* the next read finds the end, and the helper is replaced */
        w->sent = true;
        arm(w);
}

static struct nsworker_request pop(struct nsworker *w)
{
        struct nsworker_request q = w->waiting[w->first].q;

        close(w->waiting[w->first].ns); /* from here on it lives by what was handed over */
        w->first = (w->first + 1) % NSWORKER_WAITING;
        w->n--;
        w->sent = false;
        return q;
}

/* The first request's end. The next is begun before it is told, so that the helper works meanwhile. */
static void finish(struct nsworker *w, struct nsworker_answer *a)
{
        pop(w);
        w->stats.failed += a->error != 0;
        begin(w);
        arm(w);
        w->ops->answer(a, w->arg);
        if (a->events >= 0)
                close(a->events);
        if (a->diag >= 0)
                close(a->diag);
}

static void fail(struct nsworker *w, int error)
{
        const struct nsworker_request *q = &w->waiting[w->first].q;
        struct nsworker_answer a = {.token = q->token, .flags = q->flags, .error = error, .events = -1, .diag = -1};

        finish(w, &a);
}

/* ---- the helper's process ---- */

static void drop_process(struct nsworker *w)
{
        w->src = loop_src_del(w->src);
        if (w->fd >= 0)
                close(w->fd);
        w->fd = -1;
        helper_leave(&w->stuck, &w->pid);
}

/*
 * It hangs, is gone, or talks nonsense: only what it was at has failed. If it is gone that is asked again, once: it was
 * killed, as a rule, and not by what it was asked for. Where a helper dies before its first word the next one would,
 * too: it is started later.
 */
static void replace(struct nsworker *w, int error)
{
        bool gone = error == -EPIPE, at_once = !gone || w->proved;
        struct waiting *x = &w->waiting[w->first];

        drop_process(w);
        if (at_once)
                start_again(w);
        if (w->sent && gone && !x->again) {
                x->again = true;
                w->sent = false;
        } else if (w->sent) {
                fail(w, error);
        }
        begin(w);
        arm(w);
}

int nsworker_check(const struct nsworker_reply *reply, size_t len, const int *fds, size_t n,
                   const struct nsworker_request *q, struct nsworker_answer *ret)
{
        struct nsworker_answer a;
        size_t at = 0;

        if (len != sizeof(*reply))
                return -EPROTO;
        a = reply->a;
        if (a.token != q->token || a.flags != q->flags || a.error > 0 || a.naddresses > NSWORKER_ADDRESSES ||
            a.everywhere > 1 ||
            n != (size_t)(a.events == 0) + (a.diag == 0))
                return -EPROTO;
        for (uint32_t i = 0; i < a.naddresses; i++)
                if (a.addresses[i].len != 4 && a.addresses[i].len != 16)
                        return -EPROTO;
        a.events = a.events == 0 ? fds[at++] : -1;
        a.diag = a.diag == 0 ? fds[at++] : -1;
        *ret = a;
        return 0;
}

/* One answer. 1; 0: none now; -EPIPE: the helper is gone; else negative: it talks nonsense. */
static int receive(struct nsworker *w)
{
        struct nsworker_reply reply;
        struct nsworker_answer a;
        int fds[2];
        size_t n = 0;
        ssize_t len = passfd_recv(w->fd, &reply, sizeof(reply), fds, ARRAY_LEN(fds), &n, MSG_DONTWAIT);

        if (len < 0)
                return len == -EAGAIN || len == -EINTR ? 0 : len == -ECONNRESET ? -EPIPE : (int)len;
        if (len == 0)
                return -EPIPE;
        if (!w->sent || nsworker_check(&reply, (size_t)len, fds, n, &w->waiting[w->first].q, &a) < 0) {
                while (n > 0)
                        close(fds[--n]);
                return -EPROTO;
        }
        w->proved = true;
        finish(w, &a);
        return 1;
}

static void on_deadline(struct loop_timer *t, void *arg)
{
        struct nsworker *w = arg;
        int r;

        (void)t;
        if (w->fd >= 0) {
                r = receive(w); /* it may have answered while this loop was busy */
                if (r <= 0)
                        replace(w, r < 0 ? r : -ETIMEDOUT);
                return;
        }
        start_again(w);
        begin(w);
        arm(w);
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct nsworker *w = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int i = 0; i < TURN_BUDGET && r > 0; i++)
                r = receive(w);
        if (r < 0)
                replace(w, r);
        return r > 0 ? LOOP_MORE : LOOP_DONE;
}

/* Urgent: until the table stands, a container's first connections are not seen. */
static int start_process(struct nsworker *w)
{
        int r = helper_start("tidemark-netns", HELPER_IS_URGENT, nsworker_child, &w->setup, NULL, 0, &w->fd, &w->pid);

        w->proved = false;
        if (r == 0)
                r = loop_add(w->loop, w->fd, POLLIN, LOOP_ANSWERS, "netns", on_ready, w, &w->src);
        if (r < 0)
                drop_process(w);
        return r;
}

static void start_again(struct nsworker *w)
{
        if (helper_reap(&w->stuck) < HELPER_STUCK && start_process(w) == 0)
                w->stats.replaced++;
}

int nsworker_start(struct loop *loop, const struct nsworker_setup *setup, const struct nsworker_ops *ops, void *arg,
                   struct nsworker **ret)
{
        _cleanup_(nsworker_stopp) struct nsworker *w = NULL;
        char name[NETTABLE_NAME];
        int r = nettable_name(setup->instance, name);

        if (r < 0)
                return r;
        if (setup->group == 0)
                return -EINVAL;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->fd = -1;
        w->loop = loop;
        w->ops = ops;
        w->arg = arg;
        w->deadline_ns = setup->deadline_ns;
        w->setup = (struct nsworker_child_setup){
                .group = setup->group, .rcvbuf = setup->rcvbuf, .confine = setup->confine};
        strncpy(w->setup.instance, setup->instance, sizeof(w->setup.instance) - 1);
        r = loop_timer_new(loop, on_deadline, w, &w->timer);
        if (r == 0)
                r = start_process(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

struct nsworker *nsworker_stop(struct nsworker *w)
{
        if (!w)
                return NULL;
        drop_process(w);
        while (w->n)
                pop(w);
        helper_reap(&w->stuck);
        loop_timer_free(w->timer);
        free(w);
        return NULL;
}

int nsworker_ask(struct nsworker *w, uint64_t token, int ns, uint32_t flags, uint16_t group)
{
        struct waiting x = {.q = {.token = token, .flags = flags, .group = group}};

        if ((flags & NSW_NAMES) && !(flags & NSW_LISTEN) && group == 0)
                return -EINVAL;
        w->stats.asked++;
        x.ns = w->n < NSWORKER_WAITING ? fcntl(ns, F_DUPFD_CLOEXEC, 0) : -1;
        if (x.ns < 0) {
                w->stats.refused++;
                return w->n < NSWORKER_WAITING ? -errno : -ENOBUFS;
        }
        w->waiting[(w->first + w->n++) % NSWORKER_WAITING] = x;
        begin(w);
        return 0;
}

/* The next answer, within what is left of a deadline. */
static void wait_for_one(struct nsworker *w, uint64_t timeout_ns)
{
        struct pollfd p = {.fd = w->fd, .events = POLLIN};
        int r = poll(&p, 1, (int)(timeout_ns / NSEC_PER_MSEC) + 1);

        if (r < 0 && errno == EINTR)
                return;
        if (r > 0)
                r = receive(w);
        else if (r == 0)
                r = -ETIMEDOUT;
        if (r < 0)
                replace(w, r);
}

void nsworker_finish(struct nsworker *w)
{
        uint64_t end = clock_boot_ns() + NSWORKER_FINISH * w->deadline_ns, now;

        if (w->n && w->fd < 0) { /* there is no later */
                start_again(w);
                begin(w);
        }
        while (w->n && w->fd >= 0 && (now = clock_boot_ns()) < end)
                wait_for_one(w, end - now < w->deadline_ns ? end - now : w->deadline_ns);
        while (w->n)
                fail(w, -ETIMEDOUT);
}

pid_t nsworker_pid(const struct nsworker *w)
{
        return w->pid;
}

void nsworker_stats(const struct nsworker *w, struct nsworker_stats *ret)
{
        *ret = w->stats;
}
