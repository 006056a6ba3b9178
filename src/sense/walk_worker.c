/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the walker's own process: lists a write layer and puts name marks on its directories.
 *
 * Owns: nothing that lasts longer than one request. Must not: follow a link, leave the directory that it was given,
 * or enter another mount. May block: that is what it is for. Hands over: messages of walk-priv.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sense/walk-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/buf.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/names_source.h"
#include "tidemark/passfd.h"

#define COMPARE_BYTES 32768u
#define HANDLE_MAX 128 /* MAX_HANDLE_SZ of open_by_handle_at(2) */

struct todo { /* a directory that is still to be listed */
        struct todo *next;
        char path[];
};

struct walk {
        int fd;
        const struct walk_worker_setup *setup;
        struct walk_request rq;
        int root;
        dev_t dev;
        struct todo *first; /* a stack: what was found last comes next, so memory follows depth and not breadth */
        struct buf out;
        uint64_t entries;
        uint32_t marks, marks_refused;
        bool complete;
};

static int flush(struct walk *w)
{
        int r = 0;

        if (w->out.err)
                return w->out.err;
        if (w->out.len && send(w->fd, w->out.p, w->out.len, MSG_NOSIGNAL) < 0)
                r = -errno;
        buf_reset(&w->out);
        return r;
}

static int room_for(struct walk *w, size_t n)
{
        return w->out.len + n > WALK_DATAGRAM ? flush(w) : 0;
}

/* fsid · type · handle, as names_source.h has it: what the kernel will name the directory by. */
static int handle_of(int fd, uint8_t *dst, size_t *ret_len)
{
        union {
                struct file_handle h;
                uint8_t space[sizeof(struct file_handle) + HANDLE_MAX];
        } u;
        struct statfs fs;
        int mount;

        u.h.handle_bytes = HANDLE_MAX;
        if (name_to_handle_at(fd, "", &u.h, &mount, AT_EMPTY_PATH) < 0 || fstatfs(fd, &fs) < 0)
                return -errno;
        memcpy(dst, &fs.f_fsid, 8);
        memcpy(dst + 8, &u.h.handle_type, 4);
        memcpy(dst + 12, u.h.f_handle, u.h.handle_bytes);
        *ret_len = 12 + u.h.handle_bytes;
        return 0;
}

static int tell_dir(struct walk *w, struct bytes handle, const char *path)
{
        int r = room_for(w, handle.len + strlen(path) + 32);

        if (r < 0)
                return r;
        buf_put_u8(&w->out, WALK_MSG_DIR);
        buf_put_u32(&w->out, w->rq.tag);
        buf_put_bytes(&w->out, handle);
        buf_put_bytes(&w->out, bytes_str(path));
        return flush(w);
}

/* Tell, then mark: so none comes of a directory that is not known. */
static int fanotify_dir(struct walk *w, int fd, const char *path)
{
        uint8_t handle[12 + HANDLE_MAX];
        size_t len = 0;
        int r = handle_of(fd, handle, &len);

        if (r < 0)
                return 0;
        r = tell_dir(w, bytes_of(handle, len), path);
        if (r < 0)
                return r;
        return fanotify_mark(w->setup->names_fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, w->setup->mask, fd, ".") == 0;
}

/* A watch has a number once it is there. */
static int inotify_dir(struct walk *w, int fd, const char *path)
{
        char name[64];
        int wd, r;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        wd = inotify_add_watch(w->setup->names_fd, name, w->setup->mask | IN_ONLYDIR | IN_EXCL_UNLINK);
        if (wd < 0)
                return 0;
        r = tell_dir(w, bytes_of(&wd, sizeof(wd)), path);
        return r < 0 ? r : 1;
}

/* An inotify watch: to add one that is there gives its number. */
static bool unwatch(struct walk *w, int fd, int *ret_wd)
{
        char name[64];

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        *ret_wd = inotify_add_watch(w->setup->names_fd, name, IN_DELETE_SELF);
        return *ret_wd >= 0 && inotify_rm_watch(w->setup->names_fd, *ret_wd) == 0;
}

/* Above the bound: an earlier walk, that met others first, may have marked it. */
static int unmark_dir(struct walk *w, int fd)
{
        uint8_t handle[12 + HANDLE_MAX];
        struct bytes told;
        size_t len = 0;
        int wd;

        if (w->setup->names_by == NAMES_INOTIFY) {
                if (!unwatch(w, fd, &wd))
                        return 0;
                told = bytes_of(&wd, sizeof(wd));
        } else {
                if (fanotify_mark(w->setup->names_fd, FAN_MARK_REMOVE | FAN_MARK_ONLYDIR, w->setup->mask, fd, ".") ||
                    handle_of(fd, handle, &len) < 0)
                        return 0; /* it had none */
                told = bytes_of(handle, len);
        }
        buf_put_u8(&w->out, WALK_MSG_GONE);
        buf_put_u32(&w->out, w->rq.tag);
        buf_put_bytes(&w->out, told);
        return flush(w);
}

/* Before (the caller) lists it: so no name is missed. */
static int mark_dir(struct walk *w, int fd, const char *path)
{
        int r = 0;

        if (w->rq.how == WALK_LIST || w->setup->names_fd < 0)
                return 0;
        if (w->marks < w->rq.marks_max)
                r = w->setup->names_by == NAMES_INOTIFY ? inotify_dir(w, fd, path) : fanotify_dir(w, fd, path);
        if (r == 0 && w->rq.subdir[0] == '\0')
                r = unmark_dir(w, fd);
        if (r < 0)
                return r;
        *(r ? &w->marks : &w->marks_refused) += 1;
        return 0;
}

static bool has_xattr(int dir, const char *name, const char *const *attrs)
{
        char path[64 + NAME_MAX], value[4];

        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
        for (; *attrs; attrs++)
                if (lgetxattr(path, *attrs, value, sizeof(value)) >= 1 && (value[0] == 'y' || value[0] == 'x'))
                        return true;
        return false;
}

/* What who runs it gains beside the mode's bits; only what can be run gives any. */
static bool has_caps(int dir, const char *name, const struct stat *st)
{
        char path[64 + NAME_MAX];

        if (!S_ISREG(st->st_mode) || !(st->st_mode & 0111))
                return false;
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
        return lgetxattr(path, "security.capability", NULL, 0) > 0;
}

static int tell_entry(struct walk *w, int dir, const char *name, const char *path, const struct stat *st)
{
        static const char *const opaque_attrs[] = {"trusted.overlay.opaque", "user.overlay.opaque", NULL};
        static const char *const whiteout_attrs[] = {"trusted.overlay.whiteout", "user.overlay.whiteout", NULL};
        bool opaque = S_ISDIR(st->st_mode) && has_xattr(dir, name, opaque_attrs);
        bool whiteout = (S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0)) ||
                        (S_ISREG(st->st_mode) && st->st_size == 0 && has_xattr(dir, name, whiteout_attrs));
        char target[1024];
        ssize_t tlen = S_ISLNK(st->st_mode) ? readlinkat(dir, name, target, sizeof(target)) : 0;
        int r = room_for(w, strlen(path) + sizeof(target) + 128);

        if (r < 0)
                return r;
        buf_put_u8(&w->out, WALK_MSG_ENTRY);
        buf_put_u32(&w->out, w->rq.tag);
        buf_put_bytes(&w->out, bytes_str(path));
        buf_put_u8(&w->out, (uint8_t)IFTODT(st->st_mode));
        buf_put_u8(&w->out, (uint8_t)(whiteout | opaque << 1 | has_caps(dir, name, st) << 2));
        buf_put_u32(&w->out, st->st_mode);
        buf_put_u32(&w->out, st->st_uid);
        buf_put_u32(&w->out, st->st_gid);
        buf_put_u32(&w->out, (uint32_t)st->st_nlink);
        buf_put_u64(&w->out, (uint64_t)st->st_size);
        buf_put_u64(&w->out, st->st_ino);
        buf_put_u64(&w->out, (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec);
        buf_put_u64(&w->out, (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec);
        buf_put_bytes(&w->out, bytes_of(target, tlen > 0 ? (size_t)tlen : 0));
        return w->out.err;
}

static int push(struct walk *w, const char *path)
{
        size_t len = strlen(path) + 1;
        struct todo *t = malloc(sizeof(*t) + len);

        if (!t)
                return -ENOMEM;
        memcpy(t->path, path, len);
        t->next = w->first;
        w->first = t;
        return 0;
}

static int visit(struct walk *w, DIR *d, const char *dir_path, const char *name)
{
        char path[WALK_PATH_MAX];
        struct stat st;
        int r;

        if ((size_t)snprintf(path, sizeof(path), "%s%s%s", dir_path, *dir_path ? "/" : "", name) >= sizeof(path)) {
                w->complete = false;
                return 0;
        }
        if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0; /* gone meanwhile: its deletion is told by the marks */
        r = w->rq.how == WALK_UNMARK ? 0 : tell_entry(w, dirfd(d), name, path, &st);
        if (r == 0 && S_ISDIR(st.st_mode) && st.st_dev == w->dev)
                r = push(w, path);
        return r;
}

static int list_dir(struct walk *w, const char *path)
{
        int fd = beneath_open(w->root, bytes_str(path), O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT), r;
        struct dirent *e;
        DIR *d;

        if (fd < 0)
                return 0; /* gone, or no directory any more */
        r = mark_dir(w, fd, path);
        d = r == 0 ? fdopendir(fd) : NULL;
        if (!d) {
                close(fd);
                w->complete = false;
                return r;
        }
        while (r == 0 && (e = readdir(d))) {
                if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                        continue;
                if (++w->entries > w->rq.entries_max) {
                        w->complete = false;
                        break;
                }
                r = visit(w, d, path, e->d_name);
        }
        closedir(d);
        return r;
}

static int serve(struct walk *w)
{
        struct stat st;
        int r = fstat(w->root, &st) < 0 ? -errno : 0;

        w->dev = st.st_dev;
        w->complete = r == 0;
        if (r == 0)
                r = push(w, w->rq.subdir);
        while (r == 0 && w->first) {
                struct todo *t = w->first;

                w->first = t->next;
                if (w->entries <= w->rq.entries_max)
                        r = list_dir(w, t->path);
                free(t);
        }
        if (r < 0)
                return r;
        r = room_for(w, 64);
        buf_put_u8(&w->out, WALK_MSG_END);
        buf_put_u32(&w->out, w->rq.tag);
        buf_put_u64(&w->out, w->rq.cookie);
        buf_put_u64(&w->out, w->entries);
        buf_put_u8(&w->out, w->complete);
        buf_put_u32(&w->out, w->marks_refused);
        return r < 0 ? r : flush(w);
}

/* ---- comparing ---- */

/* As much as there is, up to n. */
static ssize_t read_all(int fd, uint8_t *p, size_t n)
{
        size_t at = 0;

        while (at < n) {
                ssize_t got = read(fd, p + at, n - at);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                at += (size_t)got;
        }
        return (ssize_t)at;
}

static enum walk_verdict compare(int a, int b, uint64_t bytes_max)
{
        uint8_t left[COMPARE_BYTES], right[COMPARE_BYTES];

        for (uint64_t done = 0; done < bytes_max; done += sizeof(left)) {
                ssize_t n = read_all(a, left, sizeof(left)), m = read_all(b, right, sizeof(right));

                if (n < 0 || m < 0)
                        return WALK_UNSURE;
                if (n != m || memcmp(left, right, (size_t)n) != 0)
                        return WALK_DIFFERS;
                if (n == 0)
                        return WALK_SAME;
        }
        return WALK_UNSURE;
}

/* The same file for reading: what it is was looked at, and a descriptor leads to no other. */
static int for_reading(int path_fd)
{
        char name[64];

        snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
        return open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int serve_compare(struct walk *w, int other)
{
        int a = for_reading(w->root), b = for_reading(other);
        enum walk_verdict verdict = a < 0 || b < 0 ? WALK_UNSURE : compare(a, b, w->rq.entries_max);

        if (a >= 0)
                close(a);
        if (b >= 0)
                close(b);
        buf_put_u8(&w->out, WALK_MSG_VERDICT);
        buf_put_u32(&w->out, w->rq.tag);
        buf_put_u64(&w->out, w->rq.cookie);
        buf_put_u8(&w->out, (uint8_t)verdict);
        return flush(w);
}

/* One request with its descriptors. 1; 0: the sensor has closed its end. */
static int next_request(int fd, struct walk_request *rq, int ret_fds[2])
{
        size_t n;
        ssize_t len = passfd_recv(fd, rq, sizeof(*rq), ret_fds, 2, &n, 0);

        if (len <= 0)
                return (int)len;
        if (len != (ssize_t)sizeof(*rq) || n != (rq->how == WALK_COMPARE ? 2u : 1u))
                return -EPROTO;
        rq->subdir[sizeof(rq->subdir) - 1] = '\0';
        return 1;
}

int walk_worker(int fd, void *arg)
{
        const struct walk_worker_setup *setup = arg;
        struct walk_request rq;
        int r, fds[2] = {-1, -1};

        while ((r = next_request(fd, &rq, fds)) > 0) {
                struct walk w = {.fd = fd, .setup = setup, .rq = rq, .root = fds[0]};

                buf_init(&w.out, WALK_DATAGRAM + WALK_PATH_MAX + 4096);
                r = rq.how == WALK_COMPARE ? serve_compare(&w, fds[1]) : serve(&w);
                buf_release(&w.out);
                close(fds[0]);
                if (rq.how == WALK_COMPARE)
                        close(fds[1]);
                if (r < 0)
                        return r;
        }
        return r;
}
