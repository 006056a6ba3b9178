/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the helper that captures, its deadline and the words that pass. Must not: read anything of a container, or
 * wait. Hands over: what the helper told, by ops; the last of them once, and then nothing more.
 */
#include "tidemark/capture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

/* For what is under way when the time is over: the end of the archive, and a disk that has all of it to write. */
#define GRACE_NS (30 * NSEC_PER_SEC)
#define SLOW_DISK (32ull << 20) /* bytes a second */

struct capture {
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *deadline;
        const struct capture_ops *ops;
        void *arg;
        int fd;
        pid_t pid;
        struct helper_stuck *stuck;
        uint64_t total_ns; /* with grace */
        bool held; /* it waits for capture_go_on, or will */
        bool volatile_told;
        char *dir, *file; /* owned, with CAPTURE_FREEZE; else NULL */
        char partial[sizeof(((struct capture_child *)0)->partial)];
};

void capture_limits_default(struct capture_limits *ret)
{
        *ret = (struct capture_limits){.volatile_ns = NSEC_PER_SEC,
                                       .total_ns = 600 * NSEC_PER_SEC,
                                       .bytes = 4ull << 30,
                                       .file_bytes = 1ull << 30,
                                       .log_bytes = 16ull << 20,
                                       .entries = 200000};
}

static void drop(struct capture *c)
{
        c->src = loop_src_del(c->src);
        loop_timer_stop(c->deadline);
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
}

/* c may be gone afterwards. */
static void finish(struct capture *c, int error, const struct capture_summary *s)
{
        drop(c);
        c->ops->done(c, error, s, c->arg);
}

/* What cannot be thawed now is tried again at the next start. */
static bool thaw(struct capture *c)
{
        return !c->dir || !c->file || capture_thaw_left(c->dir, c->file) >= 0;
}

static void fail(struct capture *c, int error, const char *words)
{
        struct capture_summary s = {.size = 0};

        bool thawed = thaw(c);

        unlink(c->partial); /* a helper that was killed could not do it itself */
        snprintf(s.words, sizeof(s.words), "%s%s", words, thawed ? "" : "; and the container could not be thawed");
        finish(c, error, &s);
}

static void on_told(struct capture *c, struct capture_told *t)
{
        t->sum.file[sizeof(t->sum.file) - 1] = '\0';
        t->sum.words[sizeof(t->sum.words) - 1] = '\0';
        t->vol.first[sizeof(t->vol.first) - 1] = '\0';
        if (t->last) {
                helper_end(&c->pid); /* it has said its last word and closed all */
                finish(c, t->error, &t->sum);
                return;
        }
        if (c->volatile_told)
                return;
        c->volatile_told = true;
        if (c->held)
                loop_timer_stop(c->deadline); /* from now on it waits for us */
        if (c->ops->volatile_done)
                c->ops->volatile_done(c, &t->vol, c->arg);
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct capture *c = arg;
        struct capture_told t;
        ssize_t n = recv(fd, &t, sizeof(t), MSG_DONTWAIT);

        (void)src, (void)revents;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return LOOP_DONE;
        if (n == (ssize_t)sizeof(t)) {
                on_told(c, &t);
                return LOOP_DONE;
        }
        helper_end(&c->pid); /* its descriptors are closed: nothing can hold it up any more */
        fail(c, -EPIPE, "the helper that captures ended before its work was done");
        return LOOP_DONE;
}

static void on_late(struct loop_timer *t, void *arg)
{
        struct capture *c = arg;

        (void)t;
        helper_leave(c->stuck, &c->pid);
        fail(c, -ETIMEDOUT,
             "the helper that captures hangs: a file system of the container or our own does not answer");
}

static bool may_be_name(const char *s)
{
        if (!s || !*s || *s == '.')
                return false;
        for (; *s; s++)
                if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *s))
                        return false;
        return true;
}

static bool may_be(const struct capture_spec *s)
{
        size_t n = s->id ? strlen(s->id) : 0;

        if (n == 0 || n > 128 || strspn(s->id, "0123456789abcdefABCDEF") != n || !may_be_name(s->file) ||
            strlen(s->file) + sizeof(".tar.zst.partial") > CAPTURE_NAME_MAX || !s->dir || s->dir[0] != '/' ||
            strlen(s->dir) > 4000 || !s->stuck || s->ntexts > CAPTURE_TEXTS_MAX || (s->upper && s->upper[0] != '/'))
                return false;
        for (size_t i = 0; i < s->ntexts; i++)
                if (!may_be_name(s->texts[i].name) || strlen(s->texts[i].name) > 100)
                        return false;
        return true;
}

static int begin(struct capture *c, const struct capture_spec *spec)
{
        struct capture_child child = {.spec = spec};
        int r;

        snprintf(child.path, sizeof(child.path), "%s/%s%s", spec->dir, spec->file, capture_ending());
        snprintf(child.partial, sizeof(child.partial), "%s.partial", child.path);
        memcpy(c->partial, child.partial, sizeof(c->partial));
        r = helper_start("tidemark-take", HELPER_IS_URGENT, capture_child, &child, NULL, 0, &c->fd, &c->pid);
        if (r == 0)
                r = loop_add(c->loop, c->fd, POLLIN, LOOP_ANSWERS, "capture", on_ready, c, &c->src);
        if (r == 0)
                loop_timer_set(c->deadline, clock_boot_ns() + c->total_ns + spec->limits.volatile_ns);
        return r;
}

int capture_start(struct loop *loop, const struct capture_spec *spec, const struct capture_ops *ops, void *arg,
                  struct capture **ret)
{
        struct capture *c;
        int r;

        if (!may_be(spec))
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->loop = loop;
        c->ops = ops;
        c->arg = arg;
        c->stuck = spec->stuck;
        c->fd = -1;
        c->total_ns = spec->limits.total_ns + GRACE_NS + spec->limits.bytes / SLOW_DISK * NSEC_PER_SEC;
        c->held = spec->flags & CAPTURE_HOLD;
        if (spec->flags & CAPTURE_FREEZE) {
                c->dir = strdup(spec->dir);
                c->file = strdup(spec->file);
        }
        r = loop_timer_new(loop, on_late, c, &c->deadline);
        if (r == 0)
                r = begin(c, spec);
        if (r < 0) {
                capture_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

static void say(struct capture *c, bool go_on, uint64_t contained_boot_ns)
{
        struct capture_word w = {.go_on = go_on, .contained_boot_ns = contained_boot_ns};

        /* A helper that does not take it is gone or hangs: its end or its deadline tells. */
        if (c->fd >= 0 && send(c->fd, &w, sizeof(w), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && go_on)
                shutdown(c->fd, SHUT_RDWR);
}

void capture_go_on(struct capture *c, uint64_t contained_boot_ns)
{
        if (c->held && c->fd >= 0)
                loop_timer_set(c->deadline, clock_boot_ns() + c->total_ns);
        c->held = false;
        say(c, true, contained_boot_ns);
}

void capture_contained(struct capture *c, uint64_t contained_boot_ns)
{
        say(c, false, contained_boot_ns);
}

struct capture *capture_free(struct capture *c)
{
        if (!c)
                return NULL;
        drop(c);
        if (c->pid > 0) {
                helper_leave(c->stuck, &c->pid);
                (void)thaw(c);
                unlink(c->partial);
        }
        loop_timer_free(c->deadline);
        free(c->dir);
        free(c->file);
        free(c);
        return NULL;
}
