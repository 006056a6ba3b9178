/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * openfile - what a descriptor is. Asks the descriptor, the process's mountinfo and the overlay's layers (layer.c).
 *
 * Never: opens a path that a container chose, reads content, waits for a file system's server: attributes are asked for
 * without synchronisation, because a container can be such a server (FUSE) and keep its caller waiting.
 */
#include "tidemark/openfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "openfile-priv.h"
#include "procfs-priv.h"
#include "tidemark/buf.h"
#include "tidemark/compat.h"
#include "tidemark/container.h"
#include "tidemark/event.h"
#include "tidemark/layer.h"
#include "tidemark/proctab.h"
#include "tidemark/peek.h"
#include "tidemark/procfs.h"

#define MOUNTINFO_MAX (256u * 1024)
#define DELETED BYTES_LIT(" (deleted)")

/* For kernels whose statx does not tell the mount: "mnt_id:\t23" (3.15 on). */
static uint32_t mount_of(int fd)
{
        _cleanup_close_ int info = -1;
        char path[64], text[512];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        info = open(path, O_RDONLY | O_CLOEXEC);
        n = info < 0 ? -1 : read(info, text, sizeof(text));
        return n <= 0 ? 0 : procfs_parse_mnt_id(bytes_of(text, (size_t)n));
}

static int attributes(int fd, struct openfacts *f)
{
        struct stat st;
        struct compat_statx sx;

        memset(&sx, 0, sizeof(sx));
        if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | COMPAT_AT_STATX_DONT_SYNC,
                    COMPAT_STATX_BASIC | COMPAT_STATX_MNT_ID, &sx) == 0) {
                f->dev = makedev(sx.dev_major, sx.dev_minor);
                f->ino = sx.ino;
                f->size = sx.size;
                f->mode = sx.mode;
                f->nlink = sx.nlink;
                if (sx.mask & COMPAT_STATX_MNT_ID) /* Linux 5.8 */
                        f->mount = sx.mnt_id <= UINT32_MAX ? (uint32_t)sx.mnt_id : 0;
                return 0;
        }
        if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        f->dev = st.st_dev;
        f->ino = st.st_ino;
        f->size = (uint64_t)st.st_size;
        f->mode = st.st_mode;
        f->nlink = (uint32_t)st.st_nlink;
        return 0;
}

int openfile_facts(int fd, struct buf *path, struct openfacts *ret)
{
        struct openfacts f = {0};
        char link[64], target[PATH_MAX + 16];
        struct bytes text;
        ssize_t n;
        int r;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target));
        if (n < 0)
                return -errno;
        r = attributes(fd, &f);
        if (r < 0 && r != -EACCES)
                return r;
        if (r < 0) /* a user's FUSE answers nobody else: path and mount are the kernel's to tell */
                f.nlink = 1;
        if (f.mount == 0)
                f.mount = mount_of(fd);
        text = bytes_of(target, (size_t)n);
        if (bytes_has_suffix(text, DELETED)) {
                f.deleted = true;
                text.len -= DELETED.len;
        }
        buf_reset(path);
        buf_put(path, text.p, text.len);
        if (path->err)
                return path->err;
        *ret = f;
        return 0;
}

uint64_t openfile_memfd_dev(void)
{
        uint64_t dev = 0;
        struct stat st;
        int fd = (int)syscall(SYS_memfd_create, "tidemark", 1u /* MFD_CLOEXEC */);

        if (fd >= 0 && fstat(fd, &st) == 0)
                dev = st.st_dev;
        if (fd >= 0)
                close(fd);
        return dev;
}

/* The mount by which the process has the file. */
static int find_mount(const struct container *c, uint32_t pid, uint32_t id, struct buf *scratch,
                      struct procfs_mount *ret)
{
        _cleanup_buf_ struct buf text;
        int r;

        buf_init(&text, MOUNTINFO_MAX);
        r = pid ? procfs_read(pid, "mountinfo", &text) : -ESRCH;
        if (r < 0 && text.len == 0)
                r = procfs_read(c->init_pid, "mountinfo", &text);
        if (r < 0 && text.len == 0)
                return r;
        return procfs_parse_mount_id(buf_bytes(&text), id, scratch, ret);
}

static void replace(struct buf *path, struct bytes head, struct bytes tail)
{
        char copy[PATH_MAX];
        size_t n = tail.len < sizeof(copy) ? tail.len : sizeof(copy);

        memcpy(copy, tail.p, n);
        buf_reset(path);
        if (!(head.len == 1 && head.p[0] == '/'))
                buf_put(path, head.p, head.len);
        if (n == 0 || copy[0] != '/')
                buf_put_u8(path, '/');
        buf_put(path, copy, n);
}

/* A file under another mount of the root file system: from where it is mounted to what is mounted. */
static void through_mount(const struct procfs_mount *m, struct buf *path)
{
        struct bytes p = buf_bytes(path), tail;

        if (!bytes_has_prefix(p, m->point))
                return;
        tail = bytes_of(p.p + m->point.len, p.len - m->point.len);
        if (m->point.len > 1 && tail.len && tail.p[0] != '/')
                return;
        replace(path, m->root, tail);
}

/* What the host sees below ".../merged" the container sees at its root. */
static void strip_merged(const struct container *c, struct buf *path)
{
        struct bytes upper = bytes_str(c->upper), p = buf_bytes(path), tail;
        static const char merged[] = "/merged";
        int slash = bytes_rfind(upper, '/');
        size_t head;

        if (slash <= 0)
                return;
        head = (size_t)slash + strlen(merged);
        if (p.len < head || !bytes_has_prefix(p, bytes_of(upper.p, (size_t)slash)) ||
            memcmp(p.p + slash, merged, strlen(merged)) != 0 || (p.len > head && p.p[head] != '/'))
                return;
        tail = bytes_of(p.p + head, p.len - head);
        replace(path, bytes_of("", 0), tail);
}

void openfile_place_path(const struct container *c, struct bytes path, uint8_t *ret_layer, uint8_t *ret_change)
{
        struct layer_entry e;
        int r, in;

        *ret_layer = LAYER_UNKNOWN;
        *ret_change = CHANGE_UNKNOWN;
        if (!c->layer)
                return;
        r = layer_upper_stat(c->layer, path, &e);
        if (r == 0 && !e.whiteout) {
                in = layer_in_image(c->layer, path);
                if (in == 1 && layer_upper_is_metadata(c->layer, path)) {
                        *ret_layer = LAYER_IMAGE; /* what is read, and runs, is the image's */
                        return;
                }
                *ret_layer = LAYER_WRITE;
                *ret_change = in < 0 ? CHANGE_UNKNOWN : in ? CHANGE_MODIFIED : CHANGE_ADDED;
        } else if (r == -ENOENT) {
                *ret_layer = LAYER_IMAGE;
        }
}

void openfile_copy_runs(const struct container *c, struct bytes path, uint8_t *layer, uint8_t *change)
{
        struct layer_entry upper, image;

        if (*layer != LAYER_WRITE || *change != CHANGE_MODIFIED || !c || !c->layer ||
            layer_upper_stat(c->layer, path, &upper) < 0 || layer_image_stat(c->layer, path, &image) != 1)
                return;
        if (image.type == upper.type && layer_same_content(&upper, &image)) {
                *layer = LAYER_IMAGE;
                *change = CHANGE_UNKNOWN;
        }
}

/* Its root is not where ours is: what stands before it is none of its business. */
static void strip_seen_at(const struct container *c, struct buf *path)
{
        struct bytes at = c->seen_at ? bytes_str(c->seen_at) : bytes_of(NULL, 0), p = buf_bytes(path);

        if (at.len && p.len > at.len && bytes_has_prefix(p, at) && p.p[at.len] == '/')
                replace(path, bytes_of("", 0), bytes_of(p.p + at.len, p.len - at.len));
}

static void place_in_root(const struct container *c, const struct openfacts *f, struct buf *path, uint8_t *ret_layer,
                          uint8_t *ret_change)
{
        struct bytes p = buf_bytes(path);

        strip_seen_at(c, path);
        strip_merged(c, path);
        p = buf_bytes(path);
        if (f->deleted && f->nlink > 0 && c->layer) {
                struct layer_entry e;
                _cleanup_buf_ struct buf named;

                /* Removed from view, or a name that ends so? Only the directories can tell. */
                buf_init(&named, PATH_MAX + 64);
                buf_put(&named, p.p, p.len);
                buf_put(&named, DELETED.p, DELETED.len);
                if (!named.err && (layer_upper_stat(c->layer, buf_bytes(&named), &e) == 0 ||
                                   layer_in_image(c->layer, buf_bytes(&named)) == 1)) {
                        buf_put(path, DELETED.p, DELETED.len);
                        openfile_place_path(c, buf_bytes(path), ret_layer, ret_change);
                        return;
                }
        }
        if (f->deleted || f->nlink == 0) {
                int in = c->layer ? layer_in_image(c->layer, p) : -ENOENT;

                *ret_layer = LAYER_DELETED;
                *ret_change = in < 0 ? CHANGE_UNKNOWN : in ? CHANGE_MODIFIED : CHANGE_ADDED;
                return;
        }
        openfile_place_path(c, p, ret_layer, ret_change);
}

/*
 * A file of the root under a mount that is gone (a mount namespace that ended with its process): the path is from that
 * mount on, and may name another file of the root. Only the same inode makes it the image's.
 */
static void place_unvouched(const struct container *c, const struct openfacts *f, struct buf *path, uint8_t *ret_layer,
                            uint8_t *ret_change)
{
        const uint64_t plain = ((uint64_t)1 << 48) - 1; /* above it overlay may put the number of the layer's device */
        struct layer_entry e;

        place_in_root(c, f, path, ret_layer, ret_change);
        if (*ret_layer != LAYER_IMAGE)
                return;
        if (layer_image_stat(c->layer, buf_bytes(path), &e) == 1 && (e.ino & plain) == (f->ino & plain))
                return;
        *ret_layer = LAYER_WRITE;
        *ret_change = CHANGE_UNKNOWN;
}

void openfile_place(const struct container *c, uint32_t pid, const struct openfacts *f, struct buf *path,
                    uint8_t *ret_layer, uint8_t *ret_change)
{
        _cleanup_buf_ struct buf scratch;
        struct procfs_mount m;
        int r = -ENOENT;

        buf_init(&scratch, MOUNTINFO_MAX);
        *ret_layer = LAYER_UNKNOWN;
        *ret_change = CHANGE_UNKNOWN;
        /* a name may look so: the file system is what cannot be forged */
        if (bytes_has_prefix(buf_bytes(path), BYTES_LIT("/memfd:")) && f->dev == openfile_memfd_dev() && f->dev) {
                *ret_layer = LAYER_MEMFD;
                return;
        }
        if (!c) {
                *ret_layer = LAYER_HOST;
                return;
        }
        if (f->mount && f->mount == c->root_mount_id) {
                place_in_root(c, f, path, ret_layer, ret_change);
                return;
        }
        if (f->mount)
                r = find_mount(c, pid, f->mount, &scratch, &m);
        /* Of a file system that is not its own alone, another mount is a volume. */
        if (!c->layer && r == 0 && !bytes_eq(m.point, BYTES_LIT("/"))) {
                *ret_layer = bytes_eq(m.fstype, BYTES_LIT("tmpfs")) ? LAYER_TMPFS : LAYER_MOUNT;
                return;
        }
        if (f->dev == c->root_dev || (r == 0 && makedev(m.dev_major, m.dev_minor) == c->root_dev)) {
                if (r < 0 && f->mount) {
                        place_unvouched(c, f, path, ret_layer, ret_change);
                        return;
                }
                if (r == 0)
                        through_mount(&m, path);
                place_in_root(c, f, path, ret_layer, ret_change);
                return;
        }
        if (f->deleted && f->nlink == 0)
                *ret_layer = LAYER_DELETED;
        else
                *ret_layer = r == 0 && bytes_eq(m.fstype, BYTES_LIT("tmpfs")) ? LAYER_TMPFS : LAYER_MOUNT;
}

int openfile_root(const struct container *c, uint32_t pid, uint64_t start, uint64_t mntns)
{
        _cleanup_close_ int fd = -1;
        _cleanup_buf_ struct buf link;
        struct openfacts f, host = {0};
        struct procfs_stat st;
        struct stat root;
        char path[32];
        uint64_t ns;
        int r;

        buf_init(&link, PATH_MAX + 16);
        snprintf(path, sizeof(path), "/proc/%u/root", pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = openfile_facts(fd, &link, &f);
        if (r < 0)
                return r;
        if (stat("/", &root) == 0) {
                host.dev = root.st_dev;
                host.ino = root.st_ino;
        }
        if (f.dev != c->root_dev || (f.dev == host.dev && f.ino == host.ino))
                return -EXDEV;
        if (procfs_ns(pid, "mnt", &ns) < 0 || ns != mntns || procfs_stat(pid, &st) < 0 || st.start != start)
                return -ESTALE;
        r = fd;
        fd = -1;
        return r;
}

int openfile_read(const struct container *c, uint32_t pid, int fd, struct buf *scratch, struct openfile *ret)
{
        struct openfile of = {.layer = LAYER_UNKNOWN};
        struct openfacts f;
        int r = openfile_facts(fd, scratch, &f);

        if (r < 0)
                return r;
        openfile_place(c, pid, &f, scratch, &of.layer, &of.change);
        if (scratch->err)
                return scratch->err;
        if (of.layer != LAYER_MEMFD)
                of.path = buf_bytes(scratch);
        of.type = (uint8_t)IFTODT(f.mode);
        of.mode = f.mode;
        of.nlink = f.nlink;
        of.size = f.size;
        of.ino = f.ino;
        of.dev = f.dev;
        *ret = of;
        return 0;
}

struct container *openfile_container(const struct containers *cs, struct proctab *pt, int fd, uint32_t pid)
{
        struct container *c = NULL;
        struct openfacts f = {0};

        if (attributes(fd, &f) == 0)
                c = containers_by_dev(cs, f.dev);
        return c ? c : proctab_container(pt, pid);
}

void openfile_mapped(const struct container *c, uint32_t pid, const struct peek_mapped *m, struct buf *path,
                     uint8_t *ret_layer, uint8_t *ret_change)
{
        struct openfacts f = {.dev = m->dev,
                              .ino = m->ino,
                              .size = m->size,
                              .mode = m->mode,
                              .nlink = m->nlink,
                              .mount = m->mount,
                              .deleted = m->deleted != 0};

        buf_reset(path);
        buf_put(path, m->path.p, m->path.len);
        if (m->facts)
                openfile_place(c, pid, &f, path, ret_layer, ret_change);
        else
                openfile_place_path(c, m->path, ret_layer, ret_change);
        openfile_copy_runs(c, buf_bytes(path), ret_layer, ret_change);
}
