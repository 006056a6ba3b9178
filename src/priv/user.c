/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: look-ups of users and groups, and the making of our own directories while still privileged. Must not: log, or
 * touch anything below a directory that it makes. Hands over: to daemon/, which words the errors.
 */
#include "tidemark/user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

int user_find(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
        struct passwd pw, *found = NULL;
        char text[4096];
        int r = getpwnam_r(name, &pw, text, sizeof(text), &found);

        if (!found)
                return r == 0 ? -ENOENT : -r;
        *ret_uid = pw.pw_uid;
        *ret_gid = pw.pw_gid;
        return 0;
}

int user_find_group(const char *name, gid_t *ret_gid)
{
        struct group gr, *found = NULL;
        _cleanup_free_ char *text = malloc(64 * 1024); /* a group's members all stand in it */
        int r;

        if (!text)
                return -ENOMEM;
        r = getgrnam_r(name, &gr, text, 64 * 1024, &found);
        if (!found)
                return r == 0 ? -ENOENT : -r;
        *ret_gid = gr.gr_gid;
        return 0;
}

int user_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        bool made = mkdir(path, 0700) == 0;

        if (!made && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -ENOTDIR : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        /* One that was there must be root's or its owner's already: what another user prepared is not trusted. */
        if (!made && st.st_uid != uid && st.st_uid != 0)
                return -EPERM;
        if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
                return -errno;
        if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
                return -errno;
        return 0;
}
