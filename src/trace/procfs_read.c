/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * procfs - the readers of /proc/PID. proc(5).
 *
 * Every read is bounded; links are read, never followed. The parsers are in procfs.c and procfs_mount.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "procfs-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/procfs.h"

#define PATH_SIZE 64
#define STATUS_MAX (16u * 1024)

static int path_of(uint32_t pid, const char *file, char dst[PATH_SIZE])
{
        int n = snprintf(dst, PATH_SIZE, "/proc/%u/%s", pid, file);

        return n < 0 || n >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

int procfs_read(uint32_t pid, const char *file, struct buf *out)
{
        _cleanup_close_ int fd = -1;
        char path[PATH_SIZE], chunk[4096];
        ssize_t n;
        int r;

        buf_reset(out);
        r = path_of(pid, file, path);
        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        for (;;) {
                size_t room = out->max - out->len;

                n = read(fd, chunk, sizeof(chunk));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return out->err;
                buf_put(out, chunk, (size_t)n < room ? (size_t)n : room);
                if ((size_t)n > room)
                        return ERR_LIMIT;
        }
}

/*
 * Of each line its beginning is enough, whatever its length: what is behind the first bytes of one is passed over, in
 * however many pieces it is read.
 */
int procfs_mounted(uint32_t pid, uint64_t dev)
{
        _cleanup_close_ int fd = -1;
        char path[PATH_SIZE], chunk[4096], head[64];
        size_t len = 0;
        uint64_t its;
        ssize_t n;
        int r = path_of(pid, "mountinfo", path);

        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                for (ssize_t i = 0; i < n; i++) {
                        if (chunk[i] != '\n') {
                                if (len < sizeof(head))
                                        head[len++] = chunk[i];
                                continue;
                        }
                        if (procfs_parse_mount_dev(bytes_of(head, len), &its) == 0 && its == dev)
                                return 1;
                        len = 0;
                }
        }
        return 0;
}

int procfs_link(uint32_t pid, const char *file, struct buf *out)
{
        char path[PATH_SIZE], target[PATH_MAX];
        ssize_t n;
        int r;

        buf_reset(out);
        r = path_of(pid, file, path);
        if (r < 0)
                return r;
        n = readlink(path, target, sizeof(target));
        if (n < 0)
                return -errno;
        buf_put(out, target, (size_t)n);
        return out->err;
}

/*
 * A small file whole, on the stack: stat and status are read at every turn. The kernel makes such a file at once: less
 * than was asked for is its end (and the parsers know a cut one).
 */
static int read_small(uint32_t pid, const char *file, char *dst, size_t size, struct bytes *ret)
{
        _cleanup_close_ int fd = -1;
        char path[PATH_SIZE];
        size_t len = 0, room;
        ssize_t n;
        int r = path_of(pid, file, path);

        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        do {
                room = size - len;
                n = read(fd, dst + len, room);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        len += (size_t)n;
        } while (n < 0 || ((size_t)n == room && room));
        *ret = bytes_of(dst, len);
        return 0;
}

int procfs_stat(uint32_t pid, struct procfs_stat *ret)
{
        char text[1024];
        struct bytes s;
        int r = read_small(pid, "stat", text, sizeof(text), &s);

        return r < 0 ? r : procfs_parse_stat(s, ret);
}

int procfs_status(uint32_t pid, struct procfs_status *ret)
{
        char text[STATUS_MAX];
        struct bytes s;
        int r = read_small(pid, "status", text, sizeof(text), &s);

        return r < 0 ? r : procfs_parse_status(s, ret);
}

int procfs_ns(uint32_t pid, const char *name, uint64_t *ret)
{
        char path[PATH_SIZE], target[64];
        struct bytes s;
        ssize_t n;
        int r;

        n = snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, name);
        if (n < 0 || (size_t)n >= sizeof(path))
                return -ENAMETOOLONG;
        n = readlink(path, target, sizeof(target));
        if (n < 0)
                return -errno;
        /* "mnt:[4026531841]" */
        s = bytes_of(target, (size_t)n);
        r = bytes_rfind(s, '[');
        if (r < 0)
                return -EBADMSG;
        s.p += r + 1;
        s.len -= (uint32_t)r + 1;
        return procfs_take_number(&s, ret) && s.len == 1 ? 0 : -EBADMSG;
}

int procfs_number(uint32_t pid, const char *file, uint32_t *ret)
{
        char text[32];
        struct bytes s;
        uint64_t v;
        int r = read_small(pid, file, text, sizeof(text), &s);

        if (r < 0)
                return r;
        if (!procfs_take_number(&s, &v) || v > UINT32_MAX)
                return -EBADMSG;
        *ret = (uint32_t)v;
        return 0;
}

int procfs_each(int (*cb)(uint32_t pid, void *arg), void *arg)
{
        DIR *d = opendir("/proc");
        struct dirent *e;
        int r = 0;

        if (!d)
                return -errno;
        while (r >= 0 && (errno = 0, e = readdir(d))) {
                struct bytes s = bytes_str(e->d_name);
                uint64_t pid;

                if (!isdigit((unsigned char)e->d_name[0]) || !procfs_take_number(&s, &pid) || s.len ||
                    pid > INT_MAX)
                        continue;
                r = cb((uint32_t)pid, arg);
        }
        if (r >= 0 && !e && errno)
                r = -errno;
        closedir(d);
        return r < 0 ? r : 0;
}
