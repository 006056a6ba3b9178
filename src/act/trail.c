/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the trail's writer, a forked process, the entries that wait for it, and their deadlines. Must not: touch the
 * file itself (trail_file.c, in the writer), or block the loop. Hands over: each entry's number or error, by ops.done.
 *
 * Between the two: SOCK_SEQPACKET, one datagram an entry. Request: u64 cookie · u8 late · u8 source · u64 command ·
 * u32 uid · u32 login uid · u32 pid · u64 wall · u64 boot · u64 finding · string kind · string comm · string container
 * · string text. Answer: u64 cookie · u64 n · u32 error (positive) · u8 fatal · string hash · string why. Cookies here
 * are numbers of this file's own. The writer answers in order, when it is on the disk; after an error that is fatal
 * (the disk's, not the entry's) it ends, so that nothing overtakes what failed.
 */
#include "tidemark/trail.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "act/trail-priv.h"
#include "tidemark/clock.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

#define WAITING_MAX 4096u
#define WAITING_BYTES (8u << 20)
#define WAITING_SPARE 64u /* of them, for those that somebody waits for */
#define BATCH 64u         /* written with one fsync */
#define REQUEST_MAX (TRAIL_TEXT_MAX + 512u)
#define ANSWER_MAX 512u
#define HELLO_COOKIE 0u /* the writer's first answer: the file is open, or why not */
#define LATE_AT 8u      /* where in a request it is said */
#define RETRY_NS (5 * NSEC_PER_SEC)

struct waiting {
        struct waiting *next;
        uint64_t number, cookie; /* cookie 0: nobody waits */
        uint64_t deadline_ns;    /* of one that was sent */
        bool keep, sent;
        struct buf request;
};

struct trail {
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *timer;
        const struct trail_ops *ops;
        void *arg;
        char *dir;
        struct trail_limits limits;
        uint64_t deadline_ns;
        int fd; /* our end; -1: no writer now */
        pid_t pid;
        struct helper_stuck stuck;
        bool greeted;                 /* the writer has said its first word */
        uint64_t greet_ns;            /* until when it must */
        struct waiting *head, **tail; /* in order */
        size_t nbytes;
        uint64_t last, retry_ns;
        int start_err; /* why no writer could be started; 0: none was tried, or it was */
        uint64_t told_dropped;
        struct trail_stats stats;
        char why[TRAIL_WHY]; /* the writer's word on why it could not open the file */
};

struct answer {
        uint64_t cookie, n;
        int err;
        bool fatal;
        char hash[TRAIL_HASH + 1], why[TRAIL_WHY];
};

/* ---- in the writer ---- */

static int answer(int fd, const struct answer *a)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, ANSWER_MAX);
        buf_put_u64(&b, a->cookie);
        buf_put_u64(&b, a->n);
        buf_put_u32(&b, (uint32_t)-a->err);
        buf_put_u8(&b, a->fatal);
        buf_put_bytes(&b, bytes_str(a->hash));
        buf_put_bytes(&b, bytes_str(a->why));
        if (b.err)
                return b.err;
        return send(fd, b.p, b.len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int read_request(const uint8_t *p, size_t len, char kind[TRAIL_KIND_MAX], struct trail_entry *e,
                        uint64_t *cookie)
{
        struct bytes word;
        struct rd r;

        rd_init(&r, p, len);
        *cookie = rd_u64(&r);
        e->late = rd_u8(&r);
        e->source = rd_u8(&r);
        e->command = rd_u64(&r);
        e->uid = rd_u32(&r);
        e->login_uid = rd_u32(&r);
        e->pid = rd_u32(&r);
        e->wall_ns = (int64_t)rd_u64(&r);
        e->boot_ns = rd_u64(&r);
        e->finding = rd_u64(&r);
        word = rd_bytes(&r);
        e->comm = rd_bytes(&r);
        e->container = rd_bytes(&r);
        e->text = rd_bytes(&r);
        if (r.err || word.len >= TRAIL_KIND_MAX)
                return -EPROTO;
        memcpy(kind, word.p, word.len);
        kind[word.len] = '\0';
        e->kind = kind;
        return 0;
}

/* Is it the entry that cannot be written, and not the file? */
static bool is_of_entry(int err)
{
        return err == ERR_LIMIT || err == -EINVAL || err == -EPROTO;
}

/* What waits goes to the disk at once. Then all of it is answered, or the first failure ends it. */
static int serve_batch(int fd, struct trail_file *file, uint8_t *request)
{
        struct answer done[BATCH];
        char kind[TRAIL_KIND_MAX];
        size_t n = 0;
        ssize_t len;
        int r = 0;

        while (n < BATCH && r == 0 && (len = recv(fd, request, REQUEST_MAX, n ? MSG_DONTWAIT : 0)) > 0) {
                struct trail_entry e = {0};
                struct answer *a = &done[n++];

                *a = (struct answer){0};
                a->err = read_request(request, (size_t)len, kind, &e, &a->cookie);
                if (a->err == 0)
                        a->err = trail_file_put(file, &e, &a->n, a->hash);
                if (a->err < 0 && !is_of_entry(a->err))
                        r = a->err;
        }
        if (n == 0)
                return -EPIPE;
        /* What stands before one that failed is good, where it comes to the disk. */
        for (size_t i = 0; i < n; i++) {
                int err = i == 0 ? trail_file_sync(file) : 0;

                if (err < 0)
                        r = done[0].err = err;
                done[i].fatal = done[i].err < 0 && !is_of_entry(done[i].err);
                if (answer(fd, &done[i]) < 0)
                        return -EPIPE;
                if (done[i].fatal)
                        break;
        }
        return r;
}

static int writer(int fd, void *arg)
{
        struct trail *t = arg;
        _cleanup_(trail_file_closep) struct trail_file *file = NULL;
        static uint8_t request[REQUEST_MAX];
        const char *why = "it could not give up its privileges";
        struct answer hello = {.cookie = HELLO_COOKIE};
        int r = t->ops->confine ? t->ops->confine() : 0;

        if (r == 0)
                r = trail_file_open(t->dir, &t->limits, &file, &why);
        hello.err = r;
        if (r < 0)
                snprintf(hello.why, sizeof(hello.why), "%s", why);
        else
                hello.n = trail_file_head(file, hello.hash);
        if (answer(fd, &hello) < 0 || r < 0)
                return r;
        while (r == 0)
                r = serve_batch(fd, file, request);
        return r;
}

/* ---- in the sensor: what waits ---- */

static void free_waiting(struct trail *t, struct waiting *w)
{
        t->nbytes -= w->request.len;
        t->stats.waiting--;
        buf_release(&w->request);
        free(w);
}

static struct waiting *take_head(struct trail *t)
{
        struct waiting *w = t->head;

        t->head = w->next;
        if (!t->head)
                t->tail = &t->head;
        return w;
}

static void arm(struct trail *t)
{
        uint64_t at = t->stats.err && t->head ? t->retry_ns : 0;

        if (t->start_err < 0)
                at = loop_now(t->loop);
        else if (t->fd >= 0 && !t->greeted)
                at = t->greet_ns;
        else if (t->fd >= 0 && t->head && t->head->sent)
                at = t->head->deadline_ns;
        if (at)
                loop_timer_set(t->timer, at);
        else
                loop_timer_stop(t->timer);
}

static void set_state(struct trail *t, int err)
{
        bool news = !t->stats.err != !err;

        t->stats.err = err;
        if (news && t->ops->state)
                t->ops->state(err, t->arg);
}

/* Take out what is given up, and mark what stays as late. Of all, or of what a writer had that is gone. */
static struct waiting *give_up(struct trail *t, bool sent_only)
{
        struct waiting *given = NULL, **end = &given, **at = &t->head;

        t->stats.late = 0;
        while (*at) {
                struct waiting *w = *at;
                bool meant = !sent_only || w->sent;

                w->sent = false;
                if (meant)
                        w->request.p[LATE_AT] = 1;
                t->stats.late += w->request.p[LATE_AT];
                if (w->keep || !meant) {
                        at = &w->next;
                        continue;
                }
                t->stats.late--;
                *at = w->next;
                *end = w;
                end = &w->next;
                w->next = NULL;
        }
        t->tail = at;
        return given;
}

/* It cannot be written now: what is not to be kept is given up, the rest waits, in order, and is late. */
static void fail(struct trail *t, int err, bool sent_only)
{
        struct waiting *given = give_up(t, sent_only);

        t->stats.failures++;
        for (struct waiting *w = t->head; w; w = w->next) {
                uint64_t cookie = w->request.p[LATE_AT] ? w->cookie : 0;

                if (cookie) {
                        w->cookie = 0;
                        t->ops->done(cookie, 0, err, t->arg);
                }
        }
        while (given) {
                struct waiting *w = given;
                uint64_t cookie = w->cookie;

                given = w->next;
                free_waiting(t, w);
                t->ops->done(cookie, 0, err, t->arg);
        }
}

static void fail_all(struct trail *t, int err)
{
        t->retry_ns = loop_now(t->loop) + RETRY_NS;
        set_state(t, err);
        fail(t, err, false);
}

static void leave_writer(struct trail *t)
{
        t->src = loop_src_del(t->src);
        if (t->fd >= 0)
                close(t->fd);
        t->fd = -1;
        t->greeted = false;
        helper_leave(&t->stuck, &t->pid);
}

static void lose_writer(struct trail *t, int err)
{
        leave_writer(t);
        fail_all(t, err);
        arm(t);
}

/* ---- the way to the writer ---- */

static int on_answer(struct loop_src *src, int fd, short revents, void *arg);

static int start_writer(struct trail *t)
{
        int r;

        if (helper_reap(&t->stuck) >= HELPER_STUCK)
                return -EBUSY;
        r = helper_start("tidemark-trail", HELPER_HAS_TIME, writer, t, NULL, 0, &t->fd, &t->pid);
        if (r < 0)
                return r;
        t->greeted = false;
        t->greet_ns = loop_now(t->loop) + t->deadline_ns;
        r = loop_add(t->loop, t->fd, POLLIN, LOOP_ACT, "trail", on_answer, t, &t->src);
        if (r < 0)
                leave_writer(t);
        return r;
}

/* Give it what it takes. */
static int feed(struct trail *t)
{
        bool full = false;

        for (struct waiting *w = t->head; w && !full; w = w->next) {
                if (w->sent)
                        continue;
                if (send(t->fd, w->request.p, w->request.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
                        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
                                return -errno;
                        full = true;
                        continue;
                }
                w->sent = true;
                w->deadline_ns = loop_now(t->loop) + t->deadline_ns;
        }
        loop_src_events(t->src, (short)(POLLIN | (full ? POLLOUT : 0)));
        return 0;
}

/* A writer that is gone has not written what it did not have yet: the next shall. Nothing fails from within. */
static void pump(struct trail *t)
{
        int r = t->fd >= 0 && t->greeted ? feed(t) : 0;

        if (r < 0) {
                leave_writer(t);
                fail(t, r, true);
        }
        if (t->fd < 0)
                t->start_err = start_writer(t);
        arm(t);
}

static int queue(struct trail *t, uint64_t cookie, bool keep, const struct trail_entry *e)
{
        struct waiting *w = calloc(1, sizeof(*w));
        bool cut = e->text.len > TRAIL_TEXT_MAX - 3, late = t->stats.err != 0 && cookie == 0;
        struct buf *b;

        if (!w)
                return -ENOMEM;
        b = &w->request;
        buf_init(b, REQUEST_MAX);
        buf_put_u64(b, ++t->last);
        buf_put_u8(b, late);
        buf_put_u8(b, (uint8_t)e->source);
        buf_put_u64(b, e->command);
        buf_put_u32(b, e->uid);
        buf_put_u32(b, e->login_uid);
        buf_put_u32(b, e->pid);
        buf_put_u64(b, (uint64_t)e->wall_ns);
        buf_put_u64(b, e->boot_ns);
        buf_put_u64(b, e->finding);
        buf_put_bytes(b, bytes_str(e->kind));
        buf_put_bytes(b, bytes_of(e->comm.p, e->comm.len > TRAIL_COMM ? TRAIL_COMM : e->comm.len));
        buf_put_bytes(b, bytes_of(e->container.p, e->container.len > TRAIL_COMM ? TRAIL_COMM : e->container.len));
        buf_put_u32(b, cut ? TRAIL_TEXT_MAX : e->text.len);
        buf_put(b, e->text.p, cut ? TRAIL_TEXT_MAX - 3 : e->text.len);
        if (cut)
                buf_put_str(b, "...");
        if (b->err) {
                int r = b->err;

                buf_release(b);
                free(w);
                return r;
        }
        w->number = t->last;
        w->cookie = cookie;
        w->keep = keep;
        *t->tail = w;
        t->tail = &w->next;
        t->nbytes += b->len;
        t->stats.waiting++;
        t->stats.late += late;
        return 0;
}

/* What was not written for want of room is said once there is some. */
static void tell_dropped(struct trail *t)
{
        uint64_t n = t->stats.dropped - t->told_dropped;
        struct trail_entry e = {
                .kind = "unwritten", .login_uid = UINT32_MAX, .wall_ns = clock_wall_ns(), .boot_ns = clock_boot_ns()};
        char text[96];

        if (n == 0 || t->stats.waiting >= WAITING_MAX / 2)
                return;
        snprintf(text, sizeof(text), "{\"records\":%llu}", (unsigned long long)n);
        e.text = bytes_str(text);
        if (queue(t, 0, true, &e) == 0)
                t->told_dropped = t->stats.dropped;
}

/* ---- what comes back ---- */

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
        ret->fatal = rd_u8(&r);
        str_print(rd_bytes(&r), ret->hash, sizeof(ret->hash));
        str_print(rd_bytes(&r), ret->why, sizeof(ret->why));
        return r.err ? -EPROTO : 1;
}

/* The answer to the one at the head, by which the trail can be written. */
static void settle(struct trail *t, const struct answer *a)
{
        struct waiting *w = take_head(t);
        uint64_t cookie = w->cookie;
        bool late = w->request.p[LATE_AT], keep = w->keep;

        free_waiting(t, w);
        if (a->err == 0) {
                t->stats.written++;
                t->stats.written_late += late;
                t->stats.late -= late && t->stats.late;
                t->stats.head = a->n;
                memcpy(t->stats.hash, a->hash, sizeof(t->stats.hash));
                set_state(t, 0);
                tell_dropped(t);
                if (t->ops->head)
                        t->ops->head(a->n, a->hash, t->arg);
        } else if (keep) {
                t->stats.dropped++;
        }
        if (cookie)
                t->ops->done(cookie, a->n, a->err, t->arg);
}

/* What was acknowledged does not stand there any more: said in the trail itself, for it may go on from before. */
static void tell_missing(struct trail *t, const struct answer *a)
{
        struct trail_entry e = {
                .kind = "missing", .login_uid = UINT32_MAX, .wall_ns = clock_wall_ns(), .boot_ns = clock_boot_ns()};
        char text[200];

        if (a->n > t->stats.head || (a->n == t->stats.head && strcmp(a->hash, t->stats.hash) == 0))
                return;
        snprintf(text, sizeof(text), "{\"last\":%llu,\"hash\":\"%s\",\"found\":%llu}",
                 (unsigned long long)t->stats.head, t->stats.hash, (unsigned long long)a->n);
        e.text = bytes_str(text);
        if (queue(t, 0, true, &e) < 0)
                t->stats.dropped++;
}

static int greet(struct trail *t, const struct answer *a)
{
        memcpy(t->why, a->why, sizeof(t->why));
        if (a->err < 0)
                return a->err;
        t->greeted = true;
        tell_missing(t, a);
        t->stats.head = a->n;
        memcpy(t->stats.hash, a->hash, sizeof(t->stats.hash));
        return 0;
}

static int on_answer(struct loop_src *src, int fd, short revents, void *arg)
{
        struct trail *t = arg;
        struct answer a;
        int r;

        (void)src, (void)fd, (void)revents;
        while (t->fd >= 0 && (r = take_answer(t, &a)) != 0) {
                if (r > 0 && !t->greeted)
                        r = a.cookie == HELLO_COOKIE ? greet(t, &a) : -EPROTO;
                else if (r > 0 && (!t->head || !t->head->sent || t->head->number != a.cookie))
                        r = -EPROTO;
                else if (r > 0 && a.fatal)
                        r = a.err < 0 ? a.err : -EPROTO;
                else if (r > 0)
                        settle(t, &a);
                if (r < 0) {
                        lose_writer(t, r);
                        return LOOP_DONE;
                }
        }
        if (t->fd >= 0)
                pump(t);
        return LOOP_DONE;
}

static void on_timer(struct loop_timer *timer, void *arg)
{
        struct trail *t = arg;
        int err = t->start_err;

        (void)timer;
        t->start_err = 0;
        if (err < 0)
                lose_writer(t, err);
        else if (t->fd >= 0)
                lose_writer(t, -ETIMEDOUT);
        else if (t->head)
                pump(t);
}

/* ---- for the owner ---- */

/* The writer's first word, waited for, at the start. */
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
        return greet(t, &a);
}

int trail_start(struct loop *loop, const char *dir, const struct trail_limits *limits, uint64_t deadline_ns,
                const struct trail_ops *ops, void *arg, struct trail **ret, char ret_why[TRAIL_WHY])
{
        _cleanup_(trail_stopp) struct trail *t = calloc(1, sizeof(*t));
        int r;

        ret_why[0] = '\0';
        if (!t)
                return -ENOMEM;
        t->loop = loop;
        t->tail = &t->head;
        t->deadline_ns = deadline_ns;
        if (limits)
                t->limits = *limits;
        t->ops = ops;
        t->arg = arg;
        t->fd = -1;
        t->dir = strdup(dir);
        if (!t->dir)
                return -ENOMEM;
        r = loop_timer_new(loop, on_timer, t, &t->timer);
        if (r == 0)
                r = start_writer(t);
        if (r == 0)
                r = await_hello(t);
        if (r < 0) {
                memcpy(ret_why, t->why, TRAIL_WHY);
                return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

void trail_flush(struct trail *t, size_t *ret_left)
{
        uint64_t until = clock_boot_ns() + t->deadline_ns, now;
        struct pollfd p = {.events = POLLIN};

        if (t->head && t->fd < 0)
                pump(t);
        while (t->head && t->fd >= 0 && (now = clock_boot_ns()) < until) {
                p.fd = t->fd;
                if (poll(&p, 1, (int)((until - now) / NSEC_PER_MSEC) + 1) <= 0)
                        break;
                on_answer(t->src, t->fd, p.revents, t);
        }
        if (ret_left)
                *ret_left = t->stats.waiting;
}

struct trail *trail_stop(struct trail *t)
{
        if (!t)
                return NULL;
        if (t->timer)
                trail_flush(t, NULL);
        if (!t->head) /* it does nothing now, so it cannot hang */
                helper_end(&t->pid);
        leave_writer(t);
        while (t->head)
                free_waiting(t, take_head(t));
        helper_reap(&t->stuck);
        loop_timer_free(t->timer);
        free(t->dir);
        free(t);
        return NULL;
}

/* Nobody waits for it: then some room is left for those that somebody waits for. */
static bool is_full(const struct trail *t, bool waited_for)
{
        size_t spare = waited_for ? 0 : WAITING_SPARE;

        return t->stats.waiting >= WAITING_MAX - spare || t->nbytes >= WAITING_BYTES - spare * REQUEST_MAX;
}

int trail_append(struct trail *t, uint64_t cookie, const struct trail_entry *e)
{
        int r = is_full(t, true) ? -ENOBUFS : queue(t, cookie, false, e);

        if (r == 0)
                pump(t);
        return r;
}

int trail_keep(struct trail *t, uint64_t cookie, const struct trail_entry *e)
{
        int r = is_full(t, cookie != 0) ? -ENOBUFS : queue(t, cookie, true, e);

        if (r < 0) {
                t->stats.dropped++;
                return -ENOBUFS;
        }
        if (!t->stats.err || cookie) /* else it waits for the next try */
                pump(t);
        else
                arm(t);
        return 0;
}

void trail_stats(const struct trail *t, struct trail_stats *ret)
{
        *ret = t->stats;
}

uint32_t trail_pid(const struct trail *t)
{
        return (uint32_t)t->pid;
}
