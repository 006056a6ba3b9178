/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the fanotify group for contents and executions, its marks, and each event's descriptor until the call is over.
 * Must not: open a permission class (nobody ever waits for us), or read a file. Hands over: events in the kernel's
 * order.
 */
#include "tidemark/fan_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"

#define IGNORED_MAX 8
#define TURN_READS 16
#define DRAIN_READS 4096 /* a full queue (16384 events by default) is 96 reads of this size */

struct fan_source {
        int fd;
        struct loop_src *src;
        const struct fan_ops *ops;
        void *arg;
        struct fan_features use;
        uint64_t mask; /* of its marks on roots */
        struct fan_stats stats;
        uint32_t ignored[IGNORED_MAX];
        size_t nignored;
        union {
                struct fanotify_event_metadata align;
                uint8_t bytes[4096];
        } in;
};

static bool is_ours(const struct fan_source *s, uint32_t pid)
{
        for (size_t i = 0; i < s->nignored; i++)
                if (s->ignored[i] == pid)
                        return true;
        return false;
}

static void tell(struct fan_source *s, const struct fan_event *ev, bool overflow)
{
        if (overflow) {
                s->stats.overflows++;
                s->ops->loss(s->arg);
        } else if (is_ours(s, ev->pid)) {
                s->stats.own++;
        } else {
                s->stats.delivered++;
                s->ops->event(ev, s->arg);
        }
        if (ev->fd >= 0)
                close(ev->fd);
}

/* One read. 1: some events; 0: none now; or an error. */
static int receive(struct fan_source *s)
{
        ssize_t len = read(s->fd, s->in.bytes, sizeof(s->in.bytes));
        size_t at = 0, used;
        struct fan_event ev;
        bool overflow;
        int r;

        if (len < 0) {
                if (errno == EAGAIN || errno == EINTR)
                        return 0;
                /* An event's file could not be opened (too many open files, or it is going away): that one is lost. */
                if (errno != EMFILE && errno != ENFILE && errno != ETXTBSY && errno != ESTALE && errno != EPERM)
                        return -errno;
                s->stats.malformed++;
                s->ops->loss(s->arg);
                return 0;
        }
        if (len > 0)
                s->ops->before(s->arg);
        while ((r = fan_decode(s->in.bytes + at, (size_t)len - at, &ev, &overflow, &used)) == 1) {
                at += used;
                tell(s, &ev, overflow);
        }
        if (r < 0)
                s->stats.malformed++;
        return len > 0;
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct fan_source *s = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int n = 0; n < TURN_READS && r > 0; n++)
                r = receive(s);
        return r < 0 ? r : r > 0 ? LOOP_MORE : LOOP_DONE;
}

int fan_source_read(struct fan_source *s, unsigned reads)
{
        int r = 1;

        for (unsigned n = 0; n < reads && r > 0; n++)
                r = receive(s);
        return r;
}

int fan_source_drain(struct fan_source *s)
{
        int r = fan_source_read(s, DRAIN_READS);

        return r < 0 ? r : 0;
}

int fan_source_open(struct loop *loop, const struct fan_features *use, enum fan_what what, const struct fan_ops *ops,
                    void *arg, struct fan_source **ret)
{
        _cleanup_(fan_source_closep) struct fan_source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->ops = ops;
        s->arg = arg;
        s->use = *use;
        s->mask = what == FAN_WHAT_EXECS ? FAN_OPEN_EXEC : FAN_CLOSE_WRITE;
        s->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK,
                              O_RDONLY | O_CLOEXEC | O_LARGEFILE | O_NONBLOCK);
        if (s->fd < 0)
                return -errno;
        fan_source_ignore(s, (uint32_t)getpid());
        r = loop_add(loop, s->fd, POLLIN, what == FAN_WHAT_EXECS ? LOOP_KERNEL : LOOP_FILES,
                     what == FAN_WHAT_EXECS ? "execs" : "content", on_ready, s, &s->src);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct fan_source *fan_source_close(struct fan_source *s)
{
        if (!s)
                return NULL;
        loop_src_del(s->src);
        if (s->fd >= 0)
                close(s->fd);
        free(s);
        return NULL;
}

void fan_source_ignore(struct fan_source *s, uint32_t pid)
{
        if (s->nignored < IGNORED_MAX)
                s->ignored[s->nignored++] = pid;
}

int fan_source_mark(struct fan_source *s, const char *path, bool whole, enum fan_how *ret_how)
{
        if (whole && s->use.mark_filesystem &&
            fanotify_mark(s->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, s->mask, AT_FDCWD, path) == 0) {
                *ret_how = FAN_HOW_FILESYSTEM;
                return 0;
        }
        if (fanotify_mark(s->fd, FAN_MARK_ADD | FAN_MARK_MOUNT, s->mask, AT_FDCWD, path) == 0) {
                *ret_how = FAN_HOW_MOUNT;
                return 0;
        }
        return -errno;
}

int fan_source_watch_open(struct fan_source *s, int fd, bool on)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return fanotify_mark(s->fd, on ? FAN_MARK_ADD : FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, path) < 0 ? -errno : 0;
}

void fan_source_stats(const struct fan_source *s, struct fan_stats *ret)
{
        *ret = s->stats;
}

/* A mark of this kind on a directory of our own, taken away with the group. */
static bool mark_works(unsigned flags, uint64_t mask)
{
        int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);
        bool works = fd >= 0 && fanotify_mark(fd, FAN_MARK_ADD | flags, mask, AT_FDCWD, "/proc/self/ns") == 0;

        if (fd >= 0 && !works && flags == 0) /* proc refuses some marks: the root directory's inode takes any */
                works = fanotify_mark(fd, FAN_MARK_ADD, mask, AT_FDCWD, "/") == 0;
        if (fd >= 0)
                close(fd);
        return works;
}

void fan_probe(struct fan_features *ret)
{
        struct fan_features f;
        int fd;

        f.open_exec = mark_works(0, FAN_OPEN_EXEC);
        f.mark_filesystem = mark_works(FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE);
        fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, O_RDONLY | O_CLOEXEC);
        f.report_dfid_name = fd >= 0;
        if (fd >= 0)
                close(fd);
        *ret = f;
}
