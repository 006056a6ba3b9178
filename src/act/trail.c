/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the trail's writer, a forked process, the entries that wait for it, and their deadlines. Must not: touch the
 * file itself (trail_file.c, in the writer), or block the loop. Hands over: each entry's number or error, by ops.done.
 *
 * Between the two: SOCK_SEQPACKET, one datagram an entry. Request: u64 cookie · u64 command · u32 uid · u32 login uid ·
 * u32 pid · u64 wall · string kind · string text. Answer: u64 cookie · u64 n · u32 error (positive) ·
 * string why.
 */
#include "tidemark/trail.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

#define WAITING_MAX 64u
#define REQUEST_MAX (TRAIL_TEXT_MAX + 256u)
#define ANSWER_MAX 512u
#define HELLO_COOKIE 0u /* the writer's first answer: the file is open, or why not */

struct waiting {
        uint64_t cookie, deadline_ns;
};

struct trail {
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *timer;
        const struct trail_ops *ops;
        void *arg;
        char *dir;
        uint64_t deadline_ns;
        int fd; /* our end; -1: no writer now */
        pid_t pid;
        struct waiting waiting[WAITING_MAX]; /* in order: the writer answers in order */
        size_t nwaiting;
        char why[TRAIL_WHY]; /* the writer's word on why it could not open the file */
};

struct answer {
        uint64_t cookie, n;
        int err;
        char why[TRAIL_WHY];
};

/* ---- in the writer ---- */

static int answer(int fd, uint64_t cookie, uint64_t n, int err, const char *why)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, ANSWER_MAX);
        buf_put_u64(&b, cookie);
        buf_put_u64(&b, n);
        buf_put_u32(&b, (uint32_t)-err);
        buf_put_bytes(&b, bytes_str(why));
        if (b.err)
                return b.err;
        return send(fd, b.p, b.len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int serve_one(int fd, struct trail_file *file, const uint8_t *p, size_t len)
{
        char kind[TRAIL_KIND_MAX];
        struct trail_entry e;
        struct bytes word;
        uint64_t cookie, n = 0;
        struct rd r;
        int err;

        rd_init(&r, p, len);
        cookie = rd_u64(&r);
        e.command = rd_u64(&r);
        e.uid = rd_u32(&r);
        e.login_uid = rd_u32(&r);
        e.pid = rd_u32(&r);
        e.wall_ns = (int64_t)rd_u64(&r);
        word = rd_bytes(&r);
        e.text = rd_bytes(&r);
        if (r.err || word.len >= sizeof(kind))
                return -EPROTO;
        memcpy(kind, word.p, word.len);
        kind[word.len] = '\0';
        e.kind = kind;
        err = trail_file_append(file, &e, &n);
        return answer(fd, cookie, n, err, "");
}

static int writer(int fd, void *arg)
{
        struct trail *t = arg;
        _cleanup_(trail_file_closep) struct trail_file *file = NULL;
        static uint8_t request[REQUEST_MAX];
        const char *why = "it could not give up its privileges";
        ssize_t len;
        int r = t->ops->confine ? t->ops->confine() : 0;

        if (r == 0)
                r = trail_file_open(t->dir, &file, &why);
        if (answer(fd, HELLO_COOKIE, 0, r, r < 0 ? why : "") < 0 || r < 0)
                return r;
        while ((len = recv(fd, request, sizeof(request), 0)) > 0) {
                r = serve_one(fd, file, request, (size_t)len);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- in the sensor ---- */

static void fail_all(struct trail *t, int err)
{
        struct waiting all[WAITING_MAX];
        size_t n = t->nwaiting;

        memcpy(all, t->waiting, n * sizeof(all[0]));
        t->nwaiting = 0;
        for (size_t i = 0; i < n; i++)
                t->ops->done(all[i].cookie, 0, err, t->arg);
}

static void end_writer(struct trail *t)
{
        t->src = loop_src_del(t->src);
        loop_timer_stop(t->timer);
        if (t->fd >= 0)
                close(t->fd);
        t->fd = -1;
        helper_end(&t->pid);
}

static void arm(struct trail *t)
{
        if (t->nwaiting)
                loop_timer_set(t->timer, t->waiting[0].deadline_ns);
        else
                loop_timer_stop(t->timer);
}

/* One answer. 1 if there was one, 0 if not yet, negative: the writer is gone or talks nonsense. */
static int take_answer(struct trail *t, struct answer *ret)
{
        uint8_t p[ANSWER_MAX];
        ssize_t len = recv(t->fd, p, sizeof(p), MSG_DONTWAIT);
        struct rd r;

        if (len < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (len == 0)
                return -EPIPE;
        rd_init(&r, p, (size_t)len);
        ret->cookie = rd_u64(&r);
        ret->n = rd_u64(&r);
        ret->err = -(int)rd_u32(&r);
        str_print(rd_bytes(&r), ret->why, sizeof(ret->why));
        return r.err ? -EPROTO : 1;
}

static int on_answer(struct loop_src *src, int fd, short revents, void *arg)
{
        struct trail *t = arg;
        struct answer a;
        int r;

        (void)src, (void)fd, (void)revents;
        while ((r = take_answer(t, &a)) > 0) {
                if (t->nwaiting == 0 || t->waiting[0].cookie != a.cookie) {
                        r = -EPROTO;
                        break;
                }
                t->nwaiting--;
                memmove(t->waiting, t->waiting + 1, t->nwaiting * sizeof(t->waiting[0]));
                arm(t);
                t->ops->done(a.cookie, a.n, a.err, t->arg);
                if (t->fd < 0)
                        return LOOP_DONE;
        }
        if (r < 0) {
                end_writer(t);
                fail_all(t, -EPIPE);
        }
        return LOOP_DONE;
}

static void on_deadline(struct loop_timer *timer, void *arg)
{
        struct trail *t = arg;

        (void)timer;
        end_writer(t);
        fail_all(t, -ETIMEDOUT);
}

/* The writer's first word, waited for: it comes at start, and after a writer was lost. */
static int await_hello(struct trail *t)
{
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        struct answer a;
        int r;

        if (poll(&p, 1, (int)(t->deadline_ns / NSEC_PER_MSEC)) == 0)
                return -ETIMEDOUT;
        r = take_answer(t, &a);
        if (r <= 0 || a.cookie != HELLO_COOKIE)
                return r < 0 ? r : -EPROTO;
        memcpy(t->why, a.why, sizeof(t->why));
        return a.err;
}

static int start_writer(struct trail *t)
{
        int r = helper_start("tidemark-trail", HELPER_HAS_TIME, writer, t, NULL, 0, &t->fd, &t->pid);

        if (r < 0)
                return r;
        r = await_hello(t);
        if (r == 0)
                r = loop_add(t->loop, t->fd, POLLIN, LOOP_ACT, "trail", on_answer, t, &t->src);
        if (r < 0)
                end_writer(t);
        return r;
}

int trail_start(struct loop *loop, const char *dir, uint64_t deadline_ns, const struct trail_ops *ops, void *arg,
                struct trail **ret, char ret_why[TRAIL_WHY])
{
        _cleanup_(trail_stopp) struct trail *t = calloc(1, sizeof(*t));
        int r;

        ret_why[0] = '\0';
        if (!t)
                return -ENOMEM;
        t->loop = loop;
        t->deadline_ns = deadline_ns;
        t->ops = ops;
        t->arg = arg;
        t->fd = -1;
        t->dir = strdup(dir);
        if (!t->dir)
                return -ENOMEM;
        r = loop_timer_new(loop, on_deadline, t, &t->timer);
        if (r == 0)
                r = start_writer(t);
        if (r < 0) {
                memcpy(ret_why, t->why, TRAIL_WHY);
                return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

struct trail *trail_stop(struct trail *t)
{
        struct pollfd p;

        if (!t)
                return NULL;
        p = (struct pollfd){.fd = t->fd, .events = POLLIN};
        while (t->fd >= 0 && t->nwaiting && poll(&p, 1, (int)(t->deadline_ns / NSEC_PER_MSEC)) > 0)
                on_answer(t->src, t->fd, p.revents, t);
        end_writer(t);
        loop_timer_free(t->timer);
        free(t->dir);
        free(t);
        return NULL;
}

/* A writer that is gone has not written this one: the next shall. What it had of others is unknown, and fails. */
static int give(struct trail *t, const struct buf *b)
{
        int r = t->fd < 0 ? -EPIPE : 0;

        if (r == 0 && send(t->fd, b->p, b->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                r = -errno;
        if (r != -EPIPE && r != -ECONNRESET)
                return r == -EAGAIN ? -ENOBUFS : r;
        end_writer(t);
        fail_all(t, -EPIPE);
        r = start_writer(t);
        if (r == 0 && send(t->fd, b->p, b->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                r = -errno;
        return r;
}

int trail_append(struct trail *t, uint64_t cookie, const struct trail_entry *e)
{
        _cleanup_buf_ struct buf b;
        bool cut = e->text.len > TRAIL_TEXT_MAX - 3;
        int r;

        buf_init(&b, REQUEST_MAX);
        if (t->nwaiting == WAITING_MAX)
                return -ENOBUFS;
        buf_put_u64(&b, cookie);
        buf_put_u64(&b, e->command);
        buf_put_u32(&b, e->uid);
        buf_put_u32(&b, e->login_uid);
        buf_put_u32(&b, e->pid);
        buf_put_u64(&b, (uint64_t)e->wall_ns);
        buf_put_bytes(&b, bytes_str(e->kind));
        buf_put_u32(&b, cut ? TRAIL_TEXT_MAX : e->text.len);
        buf_put(&b, e->text.p, cut ? TRAIL_TEXT_MAX - 3 : e->text.len);
        if (cut)
                buf_put_str(&b, "...");
        if (b.err)
                return b.err;
        r = give(t, &b);
        if (r < 0)
                return r;
        t->waiting[t->nwaiting++] =
                (struct waiting){.cookie = cookie, .deadline_ns = loop_now(t->loop) + t->deadline_ns};
        arm(t);
        return 0;
}

uint32_t trail_pid(const struct trail *t)
{
        return (uint32_t)t->pid;
}
