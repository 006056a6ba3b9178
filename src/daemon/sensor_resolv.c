/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: finding the file of the host that a container has as its /etc/resolv.conf. Must not: open it, or walk through
 * the container's root (whose file system may be one that does not answer). Hands over: a path.
 *
 * Runtimes mount a file of theirs there (moby: the container's directory; podman, CRI-O: below the run root, that of
 * whoever owns the network; containerd: the sandbox's directory). The container's mountinfo says which file of which
 * file system, ours where we have that.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/procfs.h"

#define MOUNTINFO_MAX (256u * 1024)
#define MOUNT_TEXT_MAX (64u * 1024)

/* Kept on disk or in memory by this kernel alone: opening a file there does not wait for anybody else. */
static bool answers(struct bytes fstype)
{
        static const char *const local[] = {"tmpfs", "ext4", "xfs", "btrfs", "overlay", "ext3", "ext2", "f2fs", "zfs"};

        for (size_t i = 0; i < ARRAY_LEN(local); i++)
                if (bytes_eq(fstype, bytes_str(local[i])))
                        return true;
        return false;
}

/* Where we see it: the mount point, and what of path lies behind the directory that is mounted there. */
static int join(const struct procfs_mount *m, struct bytes path, char base[RESOLV_PATH], const char **ret_file)
{
        uint32_t skip = m->root.len > 1 ? m->root.len : 0, point = m->point.len > 1 ? m->point.len : 0;
        uint32_t len = path.len - skip;
        char *slash;

        if (point + len >= RESOLV_PATH)
                return -ENAMETOOLONG;
        memcpy(base, m->point.p, point);
        memcpy(base + point, path.p + skip, len);
        base[point + len] = '\0';
        slash = strrchr(base, '/');
        if (strlen(base) != point + len || !slash || slash == base)
                return -ENOENT;
        *slash = '\0';
        *ret_file = slash + 1;
        return 0;
}

static int read_mounts(uint32_t pid, struct buf *text)
{
        int r = procfs_read(pid, "mountinfo", text);

        return r < 0 && text->len == 0 ? r : 0; /* what did not fit is missing */
}

int sensor_resolv(const struct container *c, char base[RESOLV_PATH], const char **ret_file)
{
        _cleanup_buf_ struct buf text, theirs, ours;
        struct procfs_mount there, here;
        int r;

        buf_init(&text, MOUNTINFO_MAX);
        buf_init(&theirs, MOUNT_TEXT_MAX);
        buf_init(&ours, MOUNT_TEXT_MAX);
        r = read_mounts(c->init_pid, &text);
        if (r == 0)
                r = procfs_parse_mount_at(buf_bytes(&text), BYTES_LIT("/etc/resolv.conf"), &theirs, &there);
        if (r == 0)
                r = read_mounts((uint32_t)getpid(), &text);
        if (r == 0)
                r = procfs_parse_mount_of(buf_bytes(&text), there.dev_major, there.dev_minor, there.root, &ours, &here);
        if (r < 0)
                return r;
        return answers(here.fstype) ? join(&here, there.root, base, ret_file) : -EOPNOTSUPP;
}
