/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the one way by which a name that is not ours is opened. Must not: follow a link, or look at what it opened.
 *
 * Both ways answer the same. openat2(2) says -ELOOP for a link anywhere, and -EXDEV for leaving the directory; a ".."
 * that would stay inside is refused here too, since no name that is meant well holds one.
 */
#include "tidemark/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/compat.h"

/* Path as a relative one, with an end; "." for the base. */
static int relative(struct bytes path, char dst[PATH_MAX])
{
        while (path.len && path.p[0] == '/') {
                path.p++;
                path.len--;
        }
        if (path.len >= PATH_MAX)
                return -ENAMETOOLONG;
        if (path.len && memchr(path.p, 0, path.len))
                return -EINVAL;
        if (path.len == 0)
                path = BYTES_LIT(".");
        memcpy(dst, path.p, path.len);
        dst[path.len] = '\0';
        return 0;
}

static bool has_dotdot(const char *path)
{
        for (const char *at = path; (at = strstr(at, "..")); at += 2)
                if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/'))
                        return true;
        return false;
}

/* The number of the mount, by a call that old kernels have; it is told although the handle has no room. -1: unknown. */
static int mount_of(int fd)
{
        struct file_handle h = {.handle_bytes = 0};
        int mount = -1;

        if (name_to_handle_at(fd, "", &h, &mount, AT_EMPTY_PATH) < 0 && errno != EOVERFLOW)
                return -1;
        return mount;
}

static bool same_mount(int above, int below)
{
        struct stat a, b;

        if (fstat(above, &a) < 0 || fstat(below, &b) < 0 || a.st_dev != b.st_dev)
                return false;
        return mount_of(above) == mount_of(below);
}

static int not_a_directory(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : S_ISLNK(st.st_mode) ? -ELOOP : -ENOTDIR;
}

/* One component below fd. A link at the end is itself only with O_PATH. */
static int step(int fd, const char *name, int flags, enum beneath_how how)
{
        int next = openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC), r = 0;
        struct stat st;

        if (next < 0) {
                r = -errno;
                if (r == -ENOTDIR && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
                        r = -ELOOP; /* O_DIRECTORY had its word first */
                return r;
        }
        if (how == BENEATH_ONE_MOUNT && !same_mount(fd, next))
                r = -EXDEV;
        if (r < 0) {
                close(next);
                return r;
        }
        return next;
}

/* All components but the last are looked at before they are gone through: O_PATH opens no device and no fifo. */
static int stepwise(int base, char *path, int flags, enum beneath_how how)
{
        char *save = NULL;
        int fd = -1, r = -EINVAL;

        for (char *name = strtok_r(path, "/", &save), *after; name; name = after) {
                int next;

                after = strtok_r(NULL, "/", &save);
                next = step(fd < 0 ? base : fd, name, after ? O_PATH : flags, how);
                if (fd >= 0)
                        close(fd);
                fd = next;
                if (next < 0)
                        return next;
                r = after ? not_a_directory(next) : 0;
                if (r < 0)
                        break;
        }
        if (r < 0 && fd >= 0)
                close(fd);
        return r < 0 ? r : fd;
}

/* "a/" is a directory or nothing, as open(2) has it. */
static int flags_of(const char *path, int flags)
{
        size_t len = strlen(path);

        return flags | O_NOFOLLOW | O_CLOEXEC | (len > 1 && path[len - 1] == '/' ? O_DIRECTORY : 0);
}

int beneath_open_stepwise(int base, struct bytes path, int flags, enum beneath_how how)
{
        char rel[PATH_MAX];
        int r = relative(path, rel);

        if (r < 0)
                return r;
        return has_dotdot(rel) ? -EXDEV : stepwise(base, rel, flags_of(rel, flags), how);
}

int beneath_open(int base, struct bytes path, int flags, enum beneath_how how)
{
        struct compat_open_how ask = {.resolve = COMPAT_RESOLVE_NO_MAGICLINKS | COMPAT_RESOLVE_NO_SYMLINKS |
                                                 COMPAT_RESOLVE_BENEATH};
        char rel[PATH_MAX];
        long fd;
        int r = relative(path, rel);

        if (r < 0)
                return r;
        if (has_dotdot(rel))
                return -EXDEV;
        ask.flags = (uint64_t)flags_of(rel, flags);
        if (how == BENEATH_ONE_MOUNT)
                ask.resolve |= COMPAT_RESOLVE_NO_XDEV;
        fd = syscall(SYS_openat2, base, rel, &ask, sizeof(ask));
        if (fd >= 0)
                return (int)fd;
        if (errno == ENOSYS || errno == EPERM || errno == EAGAIN) /* EAGAIN: a rename meanwhile made it unsure */
                return stepwise(base, rel, (int)ask.flags, how);
        return -errno;
}
