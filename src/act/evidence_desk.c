/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: requests about the evidence directory that wait, the helper of the one under way, and its deadline. Must not:
 * touch the directory. Hands over: what the helper says, by ops, in order.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "act/evidence-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

#define WAITING 32u
#define BUDGET 64

struct request {
        struct evidence_ask ask;
        struct evidence_ops ops;
        void *arg;
        char *name, *facts, *sign_key, *sha256, *held, *busy; /* owned */
};

struct evidence_desk {
        struct loop *loop;
        char *dir;
        uint64_t deadline_ns;
        int (*confine)(void);
        struct request *waiting[WAITING]; /* the first one is under way, if fd is open */
        size_t n;
        int fd; /* of the helper; -1: none runs */
        pid_t pid;
        struct loop_src *src;
        struct loop_timer *timer; /* the deadline; or, with no helper, the next one is to be started */
        struct helper_stuck stuck;
};

static struct request *request_free(struct request *q)
{
        if (!q)
                return NULL;
        free(q->name);
        free(q->facts);
        free(q->sign_key);
        free(q->sha256);
        free(q->held);
        free(q->busy);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(struct request *, request_free)

static int helper(int fd, void *arg)
{
        struct evidence_desk *d = arg;
        int r = d->confine ? d->confine() : 0;

        return r < 0 ? r : evidence_work(fd, d->dir, &d->waiting[0]->ask);
}

/* The request under way is over. Its callback may ask for more. said: the helper has nothing left to do. */
static void end(struct evidence_desk *d, bool said, int err, const struct evidence_totals *totals)
{
        struct request *q = d->waiting[0];

        d->src = loop_src_del(d->src);
        if (d->fd >= 0)
                close(d->fd);
        d->fd = -1;
        if (said)
                helper_end(&d->pid);
        helper_leave(&d->stuck, &d->pid);
        loop_timer_stop(d->timer);
        d->n--;
        memmove(d->waiting, d->waiting + 1, d->n * sizeof(d->waiting[0]));
        if (d->n)
                loop_timer_set(d->timer, loop_now(d->loop));
        if (q->ops.done)
                q->ops.done(err, totals, q->arg);
        request_free(q);
}

static void fail(struct evidence_desk *d, int err, const char *words)
{
        struct evidence_totals t = {.pieces = 0};

        snprintf(t.words, sizeof(t.words), "%s", words);
        end(d, false, err, &t);
}

/* 1: it was the last one; 0: more come; negative: it talks nonsense. */
static int take(struct evidence_desk *d, const uint8_t *p, size_t len)
{
        struct request *q = d->waiting[0];
        struct evidence_totals t = {.pieces = 0};
        struct bytes name, facts;
        uint64_t granted;
        uint8_t kind, why;
        char text[EVIDENCE_NAME];
        struct rd r;
        int err;

        rd_init(&r, p, len);
        kind = rd_u8(&r);
        switch (kind) {
        case EVIDENCE_SAYS_PIECE:
        case EVIDENCE_SAYS_REMOVED:
                name = rd_bytes(&r);
                why = kind == EVIDENCE_SAYS_REMOVED ? rd_u8(&r) : 0;
                facts = rd_bytes(&r);
                if (r.err || name.len >= sizeof(text))
                        return -EPROTO;
                memcpy(text, name.p, name.len);
                text[name.len] = '\0';
                if (kind == EVIDENCE_SAYS_PIECE && q->ops.piece)
                        q->ops.piece(text, facts, q->arg);
                else if (kind == EVIDENCE_SAYS_REMOVED && q->ops.removed)
                        q->ops.removed(text, (enum evidence_verdict)why, facts, q->arg);
                return 0;
        case EVIDENCE_SAYS_GRANTED:
                granted = rd_u64(&r);
                if (!r.err && q->ops.granted)
                        q->ops.granted(granted, q->arg);
                return r.err ? -EPROTO : 0;
        case EVIDENCE_SAYS_DONE:
                err = (int)rd_u32(&r);
                t.pieces = rd_u64(&r);
                t.bytes = rd_u64(&r);
                t.disk_free = rd_u64(&r);
                t.writable = rd_u8(&r) != 0;
                t.more = rd_u8(&r) != 0;
                t.granted = rd_u64(&r);
                t.by_disk = rd_u8(&r) != 0;
                str_print(rd_bytes(&r), t.words, sizeof(t.words));
                if (r.err)
                        return -EPROTO;
                end(d, true, err, &t);
                return 1;
        default:
                return -EPROTO;
        }
}

static int on_said(struct loop_src *src, int fd, short revents, void *arg)
{
        struct evidence_desk *d = arg;
        static uint8_t p[EVIDENCE_MESSAGE];

        (void)src, (void)revents;
        for (int n = 0; n < BUDGET; n++) {
                ssize_t len = recv(fd, p, sizeof(p), MSG_DONTWAIT);
                int r;

                if (len < 0 && (errno == EAGAIN || errno == EINTR))
                        return LOOP_DONE;
                r = len < 0 ? -errno : len == 0 ? -EPIPE : take(d, p, (size_t)len);
                if (r < 0)
                        fail(d, r, "the helper that looks after the evidence directory has ended");
                if (r != 0)
                        return LOOP_DONE;
        }
        return LOOP_MORE;
}

static void start_next(struct evidence_desk *d)
{
        int r;

        if (d->n == 0 || d->fd >= 0)
                return;
        if (helper_reap(&d->stuck) >= HELPER_STUCK) {
                fail(d, -EBUSY, "too many helpers hang at the evidence directory");
                return;
        }
        r = helper_start("tidemark-evid", HELPER_HAS_TIME, helper, d, NULL, 0, &d->fd, &d->pid);
        if (r == 0)
                r = loop_add(d->loop, d->fd, POLLIN, LOOP_ANSWERS, "evidence", on_said, d, &d->src);
        if (r < 0) {
                fail(d, r, "no helper can be started that looks after the evidence directory");
                return;
        }
        loop_timer_set(d->timer, loop_now(d->loop) + d->deadline_ns);
}

static void on_timer(struct loop_timer *t, void *arg)
{
        struct evidence_desk *d = arg;

        (void)t;
        if (d->fd < 0)
                start_next(d);
        else
                fail(d, -ETIMEDOUT, "the disk of the evidence directory does not answer");
}

int evidence_desk_new(struct loop *loop, const char *dir, uint64_t deadline_ns, int (*confine)(void),
                      struct evidence_desk **ret)
{
        _cleanup_(evidence_desk_freep) struct evidence_desk *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        *d = (struct evidence_desk){.loop = loop, .deadline_ns = deadline_ns, .confine = confine, .fd = -1};
        d->dir = strdup(dir);
        if (!d->dir)
                return -ENOMEM;
        r = loop_timer_new(loop, on_timer, d, &d->timer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

struct evidence_desk *evidence_desk_free(struct evidence_desk *d)
{
        if (!d)
                return NULL;
        loop_src_del(d->src);
        if (d->fd >= 0)
                close(d->fd);
        helper_leave(&d->stuck, &d->pid);
        helper_reap(&d->stuck);
        for (size_t i = 0; i < d->n; i++)
                request_free(d->waiting[i]);
        loop_timer_free(d->timer);
        free(d->dir);
        free(d);
        return NULL;
}

static bool copy_text(char **dst, const char *text)
{
        *dst = text ? strdup(text) : NULL;
        return !text || *dst;
}

static bool copy_lines(char **dst, struct bytes *lines)
{
        if (!lines->len)
                return true;
        *dst = bytes_dup(*lines);
        lines->p = (const uint8_t *)*dst;
        return *dst;
}

int evidence_desk_ask(struct evidence_desk *d, const struct evidence_ask *a, const struct evidence_ops *ops, void *arg)
{
        _cleanup_(request_freep) struct request *q = NULL;

        if (d->n == WAITING)
                return -ENOBUFS;
        if (a->job >= EVIDENCE__JOBS || (a->facts && strlen(a->facts) >= EVIDENCE_FACTS - 512))
                return -EINVAL;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->ask = *a;
        q->ops = *ops;
        q->arg = arg;
        if (!copy_text(&q->name, a->name) || !copy_text(&q->facts, a->facts) || !copy_text(&q->sign_key, a->sign_key) ||
            !copy_text(&q->sha256, a->sha256) || !copy_lines(&q->held, &q->ask.held) ||
            !copy_lines(&q->busy, &q->ask.busy))
                return -ENOMEM;
        q->ask.name = q->name;
        q->ask.facts = q->facts;
        q->ask.sign_key = q->sign_key;
        q->ask.sha256 = q->sha256;
        d->waiting[d->n++] = TAKE_PTR(q);
        if (d->n == 1)
                loop_timer_set(d->timer, loop_now(d->loop));
        return 0;
}

uint32_t evidence_desk_pid(const struct evidence_desk *d)
{
        return (uint32_t)d->pid;
}
