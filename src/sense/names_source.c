/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the fanotify group or the inotify instance for names, and the table from a directory's handle or watch to whose
 * it is and where it stands. Must not: make marks (the walker does), or open anything of a container. Hands over: one
 * event per name, renames put together.
 */
#include "tidemark/names_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/map.h"

#define IGNORED_MAX 8
#define TURN_READS 16
#define DRAIN_READS 8192
#define PATH_MAX_BYTES 4096u
#define EARLY_MAX 4096u
#define WATCHES_SHARE 4u /* of the host's watches one in so many is ours: others need them too */

struct dir {
        uint32_t tag;
        bool retired; /* of a container that has ended, or not marked any more: nothing is told of it */
        bool unmarked; /* its mark was taken away: it leaves the table when all that it had told has come */
        uint32_t len;
        char path[]; /* relative to the upper directory; empty: itself */
};

#define BETWEEN_MAX 32u

/* The first half of a rename, waiting for the second. */
struct half {
        bool held;
        unsigned passed; /* events of others since */
        uint64_t mask;
        uint32_t pid, tag, cookie;
        struct buf path;
};

/* An event of a watch whose directory the walker has not told yet. */
struct early {
        struct early *next;
        uint64_t mask;
        uint32_t cookie;
        uint64_t round; /* of the walk in which it came */
        int32_t wd;
        uint32_t len;
        uint8_t name[];
};

struct names_source {
        enum names_by by;
        int fd;
        struct loop_src *src;
        const struct names_ops *ops;
        void *arg;
        size_t limit;
        struct map *dirs;   /* handle or watch → struct dir */
        struct map *counts; /* tag → how many of them are its own and not retired */
        struct early *early, **early_end;
        size_t nearly;
        uint64_t round;
        size_t unmarked; /* of dirs */
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

/* At most as many tags as directories: there is always room. */
static void count(struct names_source *s, uint32_t tag, int step)
{
        struct bytes key = bytes_of(&tag, sizeof(tag));
        uintptr_t n = (uintptr_t)map_get(s->counts, key) + (uintptr_t)step;

        if (n == 0)
                (void)!map_del(s->counts, key);
        else
                (void)!map_put(s->counts, key, (void *)n);
}

/* It goes, or is nobody's any more. */
static void uncount(struct names_source *s, struct dir *d)
{
        if (!d->retired)
                count(s, d->tag, -1);
        d->retired = true;
}

static void tell_early(struct names_source *s, struct bytes handle);

/* The queue was empty: nothing can come of them any more. */
static void drop_unmarked(struct names_source *s)
{
        struct bytes key;
        void *value;

        s->unmarked = 0;
        for (size_t i = 0; map_next(s->dirs, &i, &key, &value);)
                if (((const struct dir *)value)->unmarked)
                        (void)!map_del(s->dirs, key);
}

int names_source_dir(struct names_source *s, uint32_t tag, struct bytes handle, struct bytes path)
{
        struct dir *d = dir_make(tag, path), *old = map_get(s->dirs, handle);
        int r;

        if (!d)
                return -ENOMEM;
        if (old)
                uncount(s, old);
        r = map_put(s->dirs, handle, d);
        if (r < 0 && s->unmarked) { /* nothing has come for long */
                drop_unmarked(s);
                r = map_put(s->dirs, handle, d);
        }
        if (r < 0) {
                free(d);
                return r;
        }
        count(s, tag, 1);
        if (s->early)
                tell_early(s, handle);
        return 0;
}

void names_source_undir(struct names_source *s, uint32_t tag, struct bytes handle)
{
        struct dir *d = map_get(s->dirs, handle);

        if (!d || d->tag != tag || d->unmarked)
                return;
        uncount(s, d);
        d->unmarked = true;
        s->unmarked++;
}

static bool below(const struct dir *d, struct bytes path)
{
        return d->len > path.len && memcmp(d->path, path.p, path.len) == 0 && d->path[path.len] == '/';
}

/* A watch ends here, and its number with the kernel's word that it did; a mark stays until its directory is deleted. */
static void retire(struct names_source *s, struct bytes key, struct dir *d)
{
        int32_t wd;

        uncount(s, d);
        if (s->by == NAMES_FANOTIFY || key.len != sizeof(wd))
                return;
        memcpy(&wd, key.p, sizeof(wd));
        (void)!inotify_rm_watch(s->fd, wd); /* fails where the directory was deleted: then its end is queued already */
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
                rest = d->len - from.len;
                if (!to.p || to.len + rest > sizeof(path)) {
                        retire(s, key, d);
                        continue;
                }
                memcpy(path, to.p, to.len);
                memcpy(path + to.len, d->path + from.len, rest);
                moved = dir_make(tag, bytes_of(path, to.len + rest));
                if (!moved || map_put(s->dirs, key, moved) < 0) {
                        free(moved);
                        retire(s, key, d); /* better silent than a wrong name; the next walk finds what is there */
                }
        }
}

void names_source_forget(struct names_source *s, uint32_t tag)
{
        struct bytes key;
        void *value;

        for (size_t i = 0; map_next(s->dirs, &i, &key, &value);) {
                struct dir *d = value;

                if (d->tag == tag && !d->retired)
                        retire(s, key, d);
        }
}

/* After an overflow: the end of a watch may have been among what is lost. */
static void drop_retired(struct names_source *s)
{
        struct bytes key;
        void *value;

        for (size_t i = 0; s->by == NAMES_INOTIFY && map_next(s->dirs, &i, &key, &value);)
                if (((struct dir *)value)->retired)
                        map_del(s->dirs, key);
}

size_t names_source_count(const struct names_source *s, uint32_t tag)
{
        return (size_t)(uintptr_t)map_get(s->counts, bytes_of(&tag, sizeof(tag)));
}

/* ---- events ---- */

static void tell(struct names_source *s, uint64_t mask, uint32_t pid, uint32_t tag, struct bytes path, struct bytes old)
{
        struct name_event ev = {.mask = mask, .pid = pid, .tag = tag, .path = path, .old_path = old};

        s->stats.delivered++;
        s->ops->event(&ev, s->arg);
}

/* The kernel makes one event of a name's moving away and its making, whichever came first. */
static void tell_again(struct names_source *s)
{
        const struct half *h = &s->half;
        struct name_event ev = {.mask = FAN_CREATE | (h->mask & FAN_ONDIR), .pid = h->pid, .tag = h->tag,
                                .path = buf_bytes(&h->path), .again = true};

        if (!(h->mask & FAN_CREATE))
                return;
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
        h->passed = 0;
        h->mask = raw->mask;
        h->pid = raw->pid;
        h->cookie = raw->cookie;
        h->tag = tag;
        buf_reset(&h->path);
        buf_put(&h->path, s->path.p, s->path.len);
}

static bool completes_half(const struct names_source *s, const struct names_raw *raw, uint32_t tag)
{
        const struct half *h = &s->half;

        return h->held && (raw->mask & FAN_MOVED_TO) && raw->pid == h->pid && raw->cookie == h->cookie &&
               tag == h->tag && (raw->mask & FAN_ONDIR) == (h->mask & FAN_ONDIR);
}

/* The kernel makes the two halves one behind the other, but not at once: what another process does at the same time may
 * stand between them. Not so what is of that very name, or of a directory's move. */
static bool stands_between(struct names_source *s, const struct names_raw *raw, uint32_t tag)
{
        struct half *h = &s->half;

        if (!h->held || (h->mask & FAN_ONDIR) || (raw->mask & FAN_MOVED_FROM) || ++h->passed > BETWEEN_MAX)
                return false;
        return (raw->pid != h->pid || raw->cookie != h->cookie) &&
               !(tag == h->tag && bytes_eq(buf_bytes(&s->path), buf_bytes(&h->path)));
}

static void drop_early(struct names_source *s, struct early **at)
{
        struct early *e = *at;

        *at = e->next;
        if (!*at)
                s->early_end = at;
        s->nearly--;
        free(e);
}

static bool keep_early(struct names_source *s, const struct names_raw *raw)
{
        struct early *e;

        if (s->by != NAMES_INOTIFY || s->nearly >= EARLY_MAX)
                return false;
        e = malloc(sizeof(*e) + raw->name.len);
        if (!e)
                return false;
        *e = (struct early){.mask = raw->mask, .cookie = raw->cookie, .round = s->round, .len = raw->name.len};
        memcpy(&e->wd, raw->handle.p, sizeof(e->wd));
        if (e->len)
                memcpy(e->name, raw->name.p, e->len);
        *s->early_end = e;
        s->early_end = &e->next;
        s->nearly++;
        s->stats.early++;
        return true;
}

static void on_raw(struct names_source *s, const struct names_raw *raw);

static void tell_early(struct names_source *s, struct bytes handle)
{
        struct early **at = &s->early;

        while (*at) {
                struct early *e = *at;
                struct names_raw raw = {.mask = e->mask, .cookie = e->cookie, .name = bytes_of(e->name, e->len)};

                if (!bytes_eq(handle, bytes_of(&e->wd, sizeof(e->wd)))) {
                        at = &e->next;
                        continue;
                }
                raw.handle = handle;
                on_raw(s, &raw);
                drop_early(s, at);
        }
        flush_half(s);
}

void names_source_round(struct names_source *s)
{
        bool lost = false;

        s->round++;
        /* The walk after the one in which it came has been told whole, too: nobody knows that watch. */
        while (s->early && s->early->round + 2 <= s->round) {
                drop_early(s, &s->early);
                s->stats.unknown++;
                lost = true;
        }
        if (lost)
                s->ops->loss(s->arg);
}

static void forget_dir(struct names_source *s, struct bytes handle, struct dir *d)
{
        if (!d)
                return;
        uncount(s, d);
        (void)!map_del(s->dirs, handle);
}

static void on_raw(struct names_source *s, const struct names_raw *raw)
{
        struct dir *d = map_get(s->dirs, raw->handle);
        uint64_t mask = raw->mask & ~(uint64_t)FAN_DELETE_SELF;

        if (raw->ended) { /* it may be one that was never told */
                forget_dir(s, raw->handle, d);
                return;
        }
        if (!d && s->ops->unknown) {
                s->ops->unknown(s->arg);
                d = map_get(s->dirs, raw->handle);
        }
        if (!d && keep_early(s, raw))
                return;
        if (raw->mask & FAN_DELETE_SELF) { /* its parent tells the name; here the handle ends */
                forget_dir(s, raw->handle, d);
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
        if (raw->name.len && !bytes_eq(raw->name, BYTES_LIT("."))) {
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
                tell_again(s);
                return;
        }
        if (!stands_between(s, raw, d->tag))
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
        int (*decode)(const void *, size_t, struct names_raw *, size_t *) =
                s->by == NAMES_INOTIFY ? inotify_decode : names_decode;
        ssize_t len = read(s->fd, s->in.bytes, sizeof(s->in.bytes));
        struct names_raw raw;
        size_t at = 0, used;
        int r;

        if (len < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
        if (len <= 0) {
                flush_half(s); /* the kernel puts both halves into the queue at once: there is none */
                if (s->unmarked)
                        drop_unmarked(s);
                return 0;
        }
        s->ops->before(s->arg);
        while ((r = decode(s->in.bytes + at, (size_t)len - at, &raw, &used)) == 1) {
                at += used;
                if (raw.overflow) {
                        s->stats.overflows++;
                        drop_retired(s);
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

int names_source_read(struct names_source *s, unsigned reads)
{
        int r = 1;

        for (unsigned n = 0; n < reads && r > 0; n++)
                r = receive(s);
        return r;
}

int names_source_drain(struct names_source *s)
{
        int r = names_source_read(s, DRAIN_READS);

        return r < 0 ? r : 0;
}

/* Read, never raised: what the administrator grants. */
static size_t watches_allowed(size_t wanted)
{
        _cleanup_close_ int fd = open("/proc/sys/fs/inotify/max_user_watches", O_RDONLY | O_CLOEXEC);
        char text[32] = {0};
        unsigned long host;

        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "%lu", &host) != 1)
                return wanted;
        return wanted < host / WATCHES_SHARE ? wanted : host / WATCHES_SHARE;
}

static int open_kernel(enum names_by by)
{
        int fd = by == NAMES_INOTIFY ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
                                     : fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DIR_FID |
                                                             FAN_REPORT_NAME,
                                                     O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int names_source_open(struct loop *loop, enum names_by by, size_t dirs_max, const struct names_ops *ops, void *arg,
                      struct names_source **ret)
{
        _cleanup_(names_source_closep) struct names_source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->ops = ops;
        s->arg = arg;
        s->by = by;
        s->limit = by == NAMES_INOTIFY ? watches_allowed(dirs_max) : dirs_max;
        s->early_end = &s->early;
        buf_init(&s->path, 2 * PATH_MAX_BYTES);
        buf_init(&s->half.path, 2 * PATH_MAX_BYTES);
        s->fd = open_kernel(by);
        if (s->fd < 0)
                return s->fd;
        names_source_ignore(s, (uint32_t)getpid());
        r = map_new(s->limit ? s->limit : 1, map_seed_random(), free, &s->dirs);
        if (r == 0)
                r = map_new(s->limit + 1, map_seed_random(), NULL, &s->counts);
        if (r == 0)
                r = loop_add(loop, s->fd, POLLIN, LOOP_FILES, "names", on_ready, s, &s->src);
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
        map_free(s->counts);
        while (s->early)
                drop_early(s, &s->early);
        buf_release(&s->path);
        buf_release(&s->half.path);
        free(s);
        return NULL;
}

enum names_by names_source_by(const struct names_source *s)
{
        return s->by;
}

size_t names_source_limit(const struct names_source *s)
{
        return s->limit;
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
