/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: small files beside the trail that are written as a whole or not at all. Must not: be used in a poll loop (it
 * waits for the disk). Hands over: their content.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "act/trail-priv.h"

#define KEPT_MAX (4u << 20)

int trail_kept_read(const char *dir, const char *name, struct buf *out)
{
        _cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_close_ int fd = dirfd < 0 ? -1 : openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        char p[4096];
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t)KEPT_MAX)
                return -EUCLEAN;
        while ((n = read(fd, p, sizeof(p))) > 0 && !out->err)
                buf_put(out, p, (size_t)n);
        return n < 0 ? -errno : out->err;
}

static int write_all(int fd, struct bytes text)
{
        while (text.len) {
                ssize_t n = write(fd, text.p, text.len);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        text = bytes_of(text.p + n, text.len - (size_t)n);
        }
        return fsync(fd) < 0 ? -errno : 0;
}

int trail_kept_write(const char *dir, const char *name, struct bytes text)
{
        _cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_close_ int fd = -1;
        char fresh[64];
        int r;

        if (dirfd < 0)
                return -errno;
        snprintf(fresh, sizeof(fresh), ".%.48s.new", name);
        if (unlinkat(dirfd, fresh, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dirfd, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (fd < 0)
                return -errno;
        r = fchmod(fd, 0640) < 0 ? -errno : write_all(fd, text);
        if (r == 0 && renameat(dirfd, fresh, dirfd, name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(dirfd, fresh, 0);
        else if (fsync(dirfd) < 0)
                r = -errno;
        return r;
}
