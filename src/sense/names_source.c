/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the fanotify group for names, and the table from a directory's handle to whose it is and where it stands. Must
 * not: make marks (the walker does), or open anything. Hands over: one event per name, renames put together.
 */
#include "tidemark/names_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sense/fan-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/map.h"

#define IGNORED_MAX 8
#define TURN_READS 16
#define DRAIN_READS 8192
#define PATH_MAX_BYTES 4096u

struct dir {
        uint32_t tag;
        bool retired; /* of a container that has ended: nothing is told of it */
        uint32_t len;
        char path[]; /* relative to the upper directory; empty: itself */
};

/* The first half of a rename, waiting for the second. */
struct half {
        bool held;
        uint64_t mask;
        uint32_t pid, tag;
        struct buf path;
};

struct names_source {
        int fd;
        struct loop_src *src;
        const struct names_ops *ops;
        void *arg;
        struct map *dirs; /* handle → struct dir */
        struct half half;
        struct buf path;
        struct names_stats stats;
        uint32_t ignored[IGNORED_MAX];
        size_t nignored;
        union {
                struct fanotify_event_metadata align;
                uint8_t bytes[8192];
        } in;
};

/* ---- the table ---- */

static struct dir *dir_make(uint32_t tag, struct bytes path)
{
        struct dir *d = malloc(sizeof(*d) + path.len + 1);

        if (!d)
                return NULL;
        *d = (struct dir){.tag = tag, .len = path.len};
        if (path.len)
                memcpy(d->path, path.p, path.len);
        d->path[path.len] = '\0';
        return d;
}

int names_source_dir(struct names_source *s, uint32_t tag, struct bytes handle, struct bytes path)
{
        struct dir *d = dir_make(tag, path);
        int r;

        if (!d)
                return -ENOMEM;
        r = map_put(s->dirs, handle, d);
        if (r < 0)
                free(d);
        return r;
}

static bool below(const struct dir *d, struct bytes path)
{
        return d->len > path.len && memcmp(d->path, path.p, path.len) == 0 && d->path[path.len] == '/';
}

/* A directory has moved: it and all beneath it have a new path, or (to.p NULL) are out of sight. */
static void move_dirs(struct names_source *s, uint32_t tag, struct bytes from, struct bytes to)
{
        struct bytes key;
        void *value;

        for (size_t i = 0; map_next(s->dirs, &i, &key, &value);) {
                struct dir *d = value, *moved;
                uint8_t path[PATH_MAX_BYTES];
                size_t rest;

                if (d->tag != tag || d->retired ||
                    !((d->len == from.len && memcmp(d->path, from.p, from.len) == 0) || below(d, from)))
                        continue;
                if (!to.p) {
                        d->retired = true;
                        continue;
                }
                rest = d->len - from.len;
                if (to.len + rest > sizeof(path)) {
                        d->retired = true;
                        continue;
                }
                memcpy(path, to.p, to.len);
                memcpy(path + to.len, d->path + from.len, rest);
                moved = dir_make(tag, bytes_of(path, to.len + rest));
                if (!moved || map_put(s->dirs, key, moved) < 0) {
                        free(moved);
                        d->retired =
                                true; /* better silent than under a wrong name; the next walk finds what is there */
                }
        }
}

void names_source_forget(struct names_source *s, uint32_t tag)
{
        void *value;

        for (size_t i = 0; map_next(s->dirs, &i, NULL, &value);) {
                struct dir *d = value;

                if (d->tag == tag)
                        d->retired = true;
        }
}

size_t names_source_count(const struct names_source *s, uint32_t tag)
{
        size_t n = 0;
        void *value;

        for (size_t i = 0; map_next(s->dirs, &i, NULL, &value);) {
                const struct dir *d = value;

                n += d->tag == tag && !d->retired;
        }
        return n;
}

/* ---- events ---- */

static void tell(struct names_source *s, uint64_t mask, uint32_t pid, uint32_t tag, struct bytes path, struct bytes old)
{
        struct name_event ev = {.mask = mask, .pid = pid, .tag = tag, .path = path, .old_path = old};

        s->stats.delivered++;
        s->ops->event(&ev, s->arg);
}

/* No second half came: it was moved to where nobody looks. */
static void flush_half(struct names_source *s)
{
        struct half *h = &s->half;

        if (!h->held)
                return;
        h->held = false;
        if (h->mask & FAN_ONDIR)
                move_dirs(s, h->tag, buf_bytes(&h->path), bytes_of(NULL, 0));
        tell(s, h->mask, h->pid, h->tag, buf_bytes(&h->path), bytes_of(NULL, 0));
}

static void hold_half(struct names_source *s, const struct names_raw *raw, uint32_t tag)
{
        struct half *h = &s->half;

        h->held = true;
        h->mask = raw->mask;
        h->pid = raw->pid;
        h->tag = tag;
        buf_reset(&h->path);
        buf_put(&h->path, s->path.p, s->path.len);
}

static bool completes_half(const struct names_source *s, const struct names_raw *raw, uint32_t tag)
{
        const struct half *h = &s->half;

        return h->held && (raw->mask & FAN_MOVED_TO) && raw->pid == h->pid && tag == h->tag &&
               (raw->mask & FAN_ONDIR) == (h->mask & FAN_ONDIR);
}

static void on_raw(struct names_source *s, const struct names_raw *raw)
{
        struct dir *d = map_get(s->dirs, raw->handle);
        uint64_t mask = raw->mask & ~(uint64_t)FAN_DELETE_SELF;

        if (!d && s->ops->unknown) {
                s->ops->unknown(s->arg);
                d = map_get(s->dirs, raw->handle);
        }
        if (raw->mask & FAN_DELETE_SELF) { /* its parent tells the name; here the handle ends */
                map_del(s->dirs, raw->handle);
                if (mask == 0 || mask == FAN_ONDIR)
                        return;
        }
        if (!d || (raw->mask & FAN_DELETE_SELF)) {
                s->stats.unknown++;
                if (!d)
                        s->ops->loss(s->arg);
                return;
        }
        if (d->retired)
                return;
        buf_reset(&s->path);
        buf_put(&s->path, d->path, d->len);
        if (!bytes_eq(raw->name, BYTES_LIT("."))) {
                if (d->len)
                        buf_put_u8(&s->path, '/');
                buf_put(&s->path, raw->name.p, raw->name.len);
        }
        if (s->path.err) {
                s->stats.malformed++;
                return;
        }
        if (completes_half(s, raw, d->tag)) {
                s->half.held = false;
                if (raw->mask & FAN_ONDIR)
                        move_dirs(s, d->tag, buf_bytes(&s->half.path), buf_bytes(&s->path));
                tell(s, mask | FAN_MOVED_FROM, raw->pid, d->tag, buf_bytes(&s->path), buf_bytes(&s->half.path));
                return;
        }
        flush_half(s);
        if (mask & FAN_MOVED_FROM && !(mask & FAN_MOVED_TO))
                hold_half(s, raw, d->tag);
        else
                tell(s, mask, raw->pid, d->tag, buf_bytes(&s->path), bytes_of(NULL, 0));
}

static bool is_ours(const struct names_source *s, uint32_t pid)
{
        for (size_t i = 0; i < s->nignored; i++)
                if (s->ignored[i] == pid)
                        return true;
        return false;
}

static int receive(struct names_source *s)
{
        ssize_t len = read(s->fd, s->in.bytes, sizeof(s->in.bytes));
        struct names_raw raw;
        size_t at = 0, used;
        int r;

        if (len < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
        if (len <= 0) {
                flush_half(s); /* the kernel puts both halves into the queue at once: there is none */
                return 0;
        }
        s->ops->before(s->arg);
        while ((r = names_decode(s->in.bytes + at, (size_t)len - at, &raw, &used)) == 1) {
                at += used;
                if (raw.overflow) {
                        s->stats.overflows++;
                        s->ops->loss(s->arg);
                } else if (is_ours(s, raw.pid)) {
                        s->stats.own++;
                } else {
                        on_raw(s, &raw);
                }
        }
        if (r < 0) {
                s->stats.malformed++;
                s->ops->loss(s->arg);
        }
        return 1;
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct names_source *s = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int n = 0; n < TURN_READS && r > 0; n++)
                r = receive(s);
        return r < 0 ? r : r > 0 ? LOOP_MORE : LOOP_DONE;
}

int names_source_drain(struct names_source *s)
{
        int r = 1;

        for (int n = 0; n < DRAIN_READS && r > 0; n++)
                r = receive(s);
        return r < 0 ? r : 0;
}

int names_source_open(struct loop *loop, size_t dirs_max, const struct names_ops *ops, void *arg,
                      struct names_source **ret)
{
        _cleanup_(names_source_closep) struct names_source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->ops = ops;
        s->arg = arg;
        buf_init(&s->path, 2 * PATH_MAX_BYTES);
        buf_init(&s->half.path, 2 * PATH_MAX_BYTES);
        s->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DIR_FID | FAN_REPORT_NAME,
                              O_RDONLY | O_CLOEXEC);
        if (s->fd < 0)
                return -errno;
        names_source_ignore(s, (uint32_t)getpid());
        r = map_new(dirs_max, map_seed_random(), free, &s->dirs);
        if (r == 0)
                r = loop_add(loop, s->fd, POLLIN, LOOP_KERNEL, "names", on_ready, s, &s->src);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct names_source *names_source_close(struct names_source *s)
{
        if (!s)
                return NULL;
        loop_src_del(s->src);
        if (s->fd >= 0)
                close(s->fd);
        map_free(s->dirs);
        buf_release(&s->path);
        buf_release(&s->half.path);
        free(s);
        return NULL;
}

int names_source_fd(const struct names_source *s)
{
        return s->fd;
}

void names_source_ignore(struct names_source *s, uint32_t pid)
{
        /* The first is this process; a walker that was replaced makes room for the next. */
        if (s->nignored == IGNORED_MAX)
                memmove(s->ignored + 1, s->ignored + 2, (IGNORED_MAX - 2) * sizeof(s->ignored[0]));
        else
                s->nignored++;
        s->ignored[s->nignored - 1] = pid;
}

void names_source_stats(const struct names_source *s, struct names_stats *ret)
{
        *ret = s->stats;
        ret->dirs = map_count(s->dirs);
        ret->dirs_refused = map_refused(s->dirs);
}
