/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor's side of the walker.
 *
 * Owns: the walker's process, and the deadline of the request under way. Must not: touch a file system, or wait for the
 * walker. Hands over: what it tells, and exactly one end for every walk that began; whose turn it is is walk_queue.c's.
 */
#include "tidemark/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sense/walk-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/kmsg.h"
#include "tidemark/loop.h"
#include "tidemark/passfd.h"

#define TURN_BUDGET 16 /* datagrams */
#define DRAIN_BUDGET 1024
#define RETRY_NS 1000000000u

struct walker {
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *timer;
        const struct walk_ops *ops;
        void *arg;
        struct walk_worker_setup setup;
        uint64_t deadline_ns;
        int fd;
        pid_t pid;
        bool paused;
        struct walk_queue queue;
        struct walk_stats stats;
        size_t in_at, in_len; /* what of the last datagram is not told yet: a pause may come in its midst */
        uint8_t in[WALK_DATAGRAM + WALK_PATH_MAX + 8192];
};

static int start_process(struct walker *w);

static struct walk_queued *under_way(const struct walker *w)
{
        return w->queue.first && w->queue.first->sent ? w->queue.first : NULL;
}

static void arm(struct walker *w)
{
        if (under_way(w) && !w->paused)
                loop_timer_set(w->timer, loop_now(w->loop) + w->deadline_ns);
        else
                loop_timer_stop(w->timer);
}

static int send_request(struct walker *w, struct walk_queued *q)
{
        const int fds[2] = {q->fd, q->other};
        int r = passfd_send(w->fd, &q->rq, sizeof(q->rq), fds, q->other < 0 ? 1 : 2, MSG_DONTWAIT);

        if (r < 0)
                return r;
        q->sent = true;
        walk_queued_close(q);
        return 0;
}

static void begin_next(struct walker *w)
{
        struct walk_queued *q = w->fd >= 0 ? walk_queue_begin(&w->queue) : NULL;

        if (q && q->rq.how != WALK_COMPARE)
                q->rq.marks_max = w->ops->begin(q->rq.tag, q->rq.cookie, (enum walk_how)q->rq.how, w->arg);
        if (q && send_request(w, q) < 0)
                shutdown(w->fd, SHUT_RDWR); /* the next read finds the end, and the walker is replaced */
        arm(w);
}

/* The first request is over: say so, and begin the next. */
static void finish(struct walker *w, uint64_t entries, bool complete, uint32_t refused)
{
        uint32_t tag = w->queue.first->rq.tag;
        uint64_t cookie = w->queue.first->rq.cookie;

        walk_queue_pop(&w->queue);
        if (!complete)
                w->stats.incomplete++;
        w->ops->end(tag, cookie, entries, complete, refused, w->arg);
        begin_next(w);
}

static void finish_compare(struct walker *w, enum walk_verdict verdict)
{
        uint32_t tag = w->queue.first->rq.tag;
        uint64_t cookie = w->queue.first->rq.cookie;

        walk_queue_pop(&w->queue);
        w->stats.compared++;
        w->ops->compared(tag, cookie, verdict, w->arg);
        begin_next(w);
}

/* The walker is gone or hangs: a new one, and the request under way counts as incomplete. */
static void replace(struct walker *w)
{
        w->src = loop_src_del(w->src);
        if (w->fd >= 0)
                close(w->fd);
        w->fd = -1;
        w->in_at = w->in_len = 0;
        helper_end(&w->pid);
        w->stats.restarts++;
        if (start_process(w) < 0) /* no process to be had: tried again, requests wait */
                loop_timer_set(w->timer, loop_now(w->loop) + RETRY_NS);
        else if (under_way(w) && w->queue.first->rq.how == WALK_COMPARE)
                finish_compare(w, WALK_UNSURE);
        else if (under_way(w))
                finish(w, 0, false, 0);
        else
                begin_next(w);
}

static void on_deadline(struct loop_timer *t, void *arg)
{
        (void)t;
        replace(arg);
}

static int tell(struct walker *w, const struct walk_said *s)
{
        const struct walk_queued *q = under_way(w);

        switch (s->what) {
        case WALK_MSG_DIR:
                w->ops->dir(s->tag, s->handle, s->path, w->arg);
                return 0;
        case WALK_MSG_ENTRY:
                w->stats.entries++;
                w->ops->entry(s->tag, &s->entry, w->arg);
                return 0;
        case WALK_MSG_GONE:
                w->ops->unmarked(s->tag, s->handle, w->arg);
                return 0;
        default: /* of the request under way */
                if (!q || q->rq.tag != s->tag || q->rq.cookie != s->cookie ||
                    (s->what == WALK_MSG_VERDICT) != (q->rq.how == WALK_COMPARE))
                        return -EPROTO;
                if (s->what == WALK_MSG_VERDICT)
                        finish_compare(w, s->verdict);
                else
                        finish(w, s->entries, s->complete, s->refused);
                return 0;
        }
}

/* What is left of the last datagram, or up to a pause. */
static int tell_rest(struct walker *w)
{
        while (w->in_at < w->in_len && !w->paused) {
                struct walk_said s;
                size_t used;

                if (walk_decode(w->in + w->in_at, w->in_len - w->in_at, &s, &used) < 0)
                        return -EPROTO;
                w->in_at += used; /* behind it before it is told: telling may end the walk */
                if (tell(w, &s) < 0)
                        return -EPROTO;
        }
        return 0;
}

/* One datagram, or the rest of one. 1; 0: none now; negative: the walker is gone. */
static int receive(struct walker *w)
{
        ssize_t len;
        int r;

        if (w->in_at >= w->in_len) {
                len = w->fd < 0 ? 0 : recv(w->fd, w->in, sizeof(w->in), MSG_DONTWAIT);
                if (len < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                if (len == 0)
                        return -EPIPE;
                w->in_at = 0;
                w->in_len = (size_t)len;
        }
        r = tell_rest(w);
        return r < 0 ? r : 1;
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct walker *w = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int n = 0; n < TURN_BUDGET && r > 0 && !w->paused; n++)
                r = receive(w);
        if (r < 0)
                replace(w);
        return r > 0 && !w->paused ? LOOP_MORE : LOOP_DONE;
}

int walker_drain(struct walker *w)
{
        int r = w->fd < 0 ? 0 : 1;

        for (int n = 0; n < DRAIN_BUDGET && r > 0 && !w->paused; n++)
                r = receive(w);
        return r < 0 ? r : 0;
}

void walker_pause(struct walker *w, bool paused)
{
        if (w->paused == paused)
                return;
        w->paused = paused;
        if (w->src)
                loop_src_events(w->src, paused ? 0 : POLLIN);
        arm(w);
}

bool walker_rest(struct walker *w)
{
        if (!w->paused && w->in_at < w->in_len && tell_rest(w) < 0)
                replace(w);
        return !w->paused && w->in_at < w->in_len;
}

static int start_process(struct walker *w)
{
        int r = helper_start("tidemark-walk", HELPER_HAS_TIME, walk_worker, &w->setup, &w->setup.names_fd,
                             w->setup.names_fd >= 0, &w->fd, &w->pid);

        if (r == 0)
                r = loop_add(w->loop, w->fd, w->paused ? 0 : POLLIN, LOOP_WORK, "walk", on_ready, w, &w->src);
        if (r < 0 && w->fd >= 0) {
                close(w->fd);
                w->fd = -1;
                helper_end(&w->pid);
        }
        return r;
}

int walker_start(struct loop *loop, const struct names_source *names, bool with_writes, uint64_t deadline_ns,
                 const struct walk_ops *ops, void *arg, struct walker **ret)
{
        _cleanup_(walker_stopp) struct walker *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->loop = loop;
        w->ops = ops;
        w->arg = arg;
        w->setup.names_fd = names ? names_source_fd(names) : -1;
        w->setup.names_by = names ? names_source_by(names) : NAMES_FANOTIFY;
        w->setup.mask = NAMES_MASK | (with_writes ? FAN_CLOSE_WRITE : 0);
        if (w->setup.names_by == NAMES_INOTIFY)
                w->setup.mask &= ~(uint32_t)(FAN_EVENT_ON_CHILD | FAN_ONDIR); /* which inotify gives unasked */
        w->deadline_ns = deadline_ns;
        w->fd = -1;
        r = loop_timer_new(loop, on_deadline, w, &w->timer);
        if (r == 0)
                r = start_process(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

struct walker *walker_stop(struct walker *w)
{
        if (!w)
                return NULL;
        loop_src_del(w->src);
        loop_timer_free(w->timer);
        if (w->fd >= 0)
                close(w->fd);
        helper_end(&w->pid);
        while (w->queue.first)
                walk_queue_pop(&w->queue);
        free(w);
        return NULL;
}

uint32_t walker_pid(const struct walker *w)
{
        return (uint32_t)w->pid;
}

/* Takes q in any case. */
static int enqueue(struct walker *w, struct walk_queued *q, int fd, int other)
{
        int r;

        q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        q->other = other < 0 ? -1 : fcntl(other, F_DUPFD_CLOEXEC, 3);
        if (q->fd < 0 || (other >= 0 && q->other < 0)) {
                walk_queued_close(q);
                free(q);
                return -ENOBUFS;
        }
        r = walk_queue_add(&w->queue, q);
        if (r <= 0) {
                walk_queued_close(q);
                free(q);
                return r;
        }
        w->stats.requests++;
        if (w->queue.n == 1)
                begin_next(w);
        return 0;
}

int walker_request(struct walker *w, uint32_t tag, uint64_t cookie, int upper_fd, struct bytes subdir,
                   enum walk_how how, uint64_t entries_max)
{
        struct walk_queued *q;

        if (subdir.len >= WALK_PATH_MAX)
                return -ENOBUFS;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->rq = (struct walk_request){.cookie = cookie, .entries_max = entries_max, .tag = tag, .how = how};
        if (subdir.len)
                memcpy(q->rq.subdir, subdir.p, subdir.len);
        return enqueue(w, q, upper_fd, -1);
}

int walker_compare(struct walker *w, uint32_t tag, uint64_t cookie, int a, int b, uint64_t bytes_max)
{
        struct walk_queued *q = calloc(1, sizeof(*q));

        if (!q)
                return -ENOMEM;
        q->rq = (struct walk_request){.cookie = cookie, .entries_max = bytes_max, .tag = tag, .how = WALK_COMPARE};
        return enqueue(w, q, a, b);
}

void walker_stats(const struct walker *w, struct walk_stats *ret)
{
        *ret = w->stats;
        ret->queued = w->queue.n;
}
