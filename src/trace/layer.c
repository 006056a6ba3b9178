/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layer - questions to an overlay's upper and lower directories. Kernel's Documentation/filesystems/overlayfs.rst.
 *
 * Owns:      the paths of the directories; no descriptor outlives a call, or the turn of whoever asked to keep them
 *            for it, so that the runtime can unmount and remove.
 * Never:     follows a link below those directories, enters another mount there, reads content.
 * The directories themselves are the runtime's and are opened by name (its short names for layers are links).
 */
#include "tidemark/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "procfs-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define LOWER_MAX 512u

#define WARM_MAX 32u

#define ABSENT_MAX 256u

/*
 * The directories, open for one turn. And a directory that the image does not hold, nor what lies in it: for good,
 * since nobody writes to lower directories. Whoever makes many files makes them in one place.
 */
struct warm {
        bool on;
        int upper, lower[WARM_MAX]; /* -1: not yet */
        char absent[ABSENT_MAX];    /* with a slash at its end; empty: none is known */
        char missed[ABSENT_MAX];    /* where the last name was that the image does not hold */
        bool asked;                 /* for that directory */
};

struct layer {
        struct warm *warm;
        char *upper;
        char **lower; /* topmost first */
        size_t lower_count;
        size_t unknown; /* relative, or more than LOWER_MAX */
};

struct layer *layer_free(struct layer *l)
{
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->lower_count; i++)
                free(l->lower[i]);
        layer_rest(l);
        free(l->warm);
        free(l->lower);
        free(l->upper);
        free(l);
        return NULL;
}

static int add_lower(struct layer *l, const char *path)
{
        if (path[0] == '\0')
                return 0;
        if (path[0] != '/' || l->lower_count >= LOWER_MAX) {
                l->unknown++;
                return 0;
        }
        if (l->lower_count % 16 == 0) {
                char **more = realloc(l->lower, (l->lower_count + 16) * sizeof(*more));

                if (!more)
                        return -ENOMEM;
                l->lower = more;
        }
        l->lower[l->lower_count] = strdup(path);
        if (!l->lower[l->lower_count])
                return -ENOMEM;
        l->lower_count++;
        return 0;
}

static int split_lower(struct layer *l, struct bytes lower)
{
        char one[PATH_MAX];
        size_t n = 0;
        int r;

        for (uint32_t i = 0; i <= lower.len; i++) {
                if (i == lower.len || lower.p[i] == ':') {
                        one[n < sizeof(one) ? n : 0] = '\0';
                        r = add_lower(l, one);
                        if (r < 0)
                                return r;
                        n = 0;
                        continue;
                }
                if (lower.p[i] == '\\' && i + 1 < lower.len)
                        i++;
                if (n < sizeof(one))
                        one[n++] = (char)lower.p[i];
        }
        return 0;
}

int layer_new(struct bytes upper, struct bytes lower, struct layer **ret)
{
        _cleanup_(layer_freep) struct layer *l = NULL;
        int r;

        if (upper.len == 0 || upper.p[0] != '/' || memchr(upper.p, 0, upper.len))
                return -EINVAL;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->upper = bytes_dup(upper);
        l->warm = calloc(1, sizeof(*l->warm));
        if (!l->upper || !l->warm)
                return -ENOMEM;
        r = split_lower(l, lower);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

size_t layer_lower(const struct layer *l, const char **ret, size_t max, size_t *ret_unknown)
{
        size_t n = l->lower_count < max ? l->lower_count : max;

        for (size_t i = 0; i < n; i++)
                ret[i] = l->lower[i];
        *ret_unknown = l->unknown + l->lower_count - n;
        return n;
}

int layer_upper_fd(const struct layer *l)
{
        int fd = open(l->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

void layer_keep(const struct layer *l)
{
        if (l->warm->on)
                return;
        l->warm->on = true;
        l->warm->upper = -1;
        for (size_t i = 0; i < WARM_MAX; i++)
                l->warm->lower[i] = -1;
}

void layer_rest(const struct layer *l)
{
        if (!l->warm || !l->warm->on)
                return;
        l->warm->on = false;
        if (l->warm->upper >= 0)
                close(l->warm->upper);
        for (size_t i = 0; i < WARM_MAX; i++)
                if (l->warm->lower[i] >= 0)
                        close(l->warm->lower[i]);
}

/* A directory of the layers. *ret_own: to be closed by the caller. */
static int base_fd(const char *path, int *kept, int *ret_own)
{
        int fd = kept ? *kept : -1;

        if (fd >= 0)
                return fd;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *(kept ? kept : ret_own) = fd;
        return fd;
}

static int upper_base(const struct layer *l, int *ret_own)
{
        return base_fd(l->upper, l->warm->on ? &l->warm->upper : NULL, ret_own);
}

static int lower_base(const struct layer *l, size_t i, int *ret_own)
{
        return base_fd(l->lower[i], l->warm->on && i < WARM_MAX ? &l->warm->lower[i] : NULL, ret_own);
}

static uint64_t stamp_ns(struct timespec t)
{
        return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static bool is_whiteout(const struct stat *st)
{
        return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Does this directory hide what lies in the layers below? An O_PATH descriptor does not give extended attributes. */
static bool is_opaque(int fd)
{
        static const char *const names[] = {"trusted.overlay.opaque", "user.overlay.opaque"};
        char path[64], value;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (getxattr(path, names[i], &value, 1) == 1 && value == 'y')
                        return true;
        return false;
}

/* Only what can be run gives rights by it. */
static bool has_caps(int fd, const struct stat *st)
{
        char path[64];

        if (!S_ISREG(st->st_mode) || !(st->st_mode & 0111))
                return false;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return getxattr(path, "security.capability", NULL, 0) > 0;
}

static struct layer_entry entry_of(int fd, const struct stat *st)
{
        return (struct layer_entry){
                .type = (uint8_t)IFTODT(st->st_mode),
                .whiteout = is_whiteout(st),
                .opaque = S_ISDIR(st->st_mode) && is_opaque(fd),
                .caps = has_caps(fd, st),
                .mode = st->st_mode,
                .uid = st->st_uid,
                .gid = st->st_gid,
                .nlink = (uint32_t)st->st_nlink,
                .size = (uint64_t)st->st_size,
                .ino = st->st_ino,
                .mtime_ns = stamp_ns(st->st_mtim),
                .ctime_ns = stamp_ns(st->st_ctim),
        };
}

int layer_upper_stat(const struct layer *l, struct bytes path, struct layer_entry *ret)
{
        _cleanup_close_ int own = -1, fd = -1;
        struct stat st;
        int base;

        base = upper_base(l, &own);
        if (base < 0)
                return base;
        fd = beneath_open(base, path, O_PATH, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret = entry_of(fd, &st);
        return 0;
}

int layer_upper_open(const struct layer *l, struct bytes path, struct layer_entry *ret)
{
        _cleanup_close_ int own = -1, at = -1;
        int base = upper_base(l, &own), fd;
        struct stat st;
        char link[64];

        at = base < 0 ? base : beneath_open(base, path, O_PATH, BENEATH_ONE_MOUNT);
        if (at < 0)
                return at;
        if (fstat(at, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
        fd = open(link, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = entry_of(at, &st);
        return fd;
}

/* By the attribute that overlayfs keeps for itself: user.overlay.* could be a container's own. */
bool layer_upper_is_metadata(const struct layer *l, struct bytes path)
{
        _cleanup_close_ int own = -1, fd = -1;
        char link[64];
        int base = upper_base(l, &own);

        fd = base < 0 ? base : beneath_open(base, path, O_PATH, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return false;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        return getxattr(link, "trusted.overlay.metacopy", NULL, 0) >= 0;
}

/* The path in this one layer: a descriptor, -ENOENT, or what is wrong. */
static int layer_open(const struct layer *l, size_t i, struct bytes path)
{
        _cleanup_close_ int own = -1;
        int base = lower_base(l, i, &own), fd;

        if (base < 0)
                return base == -ENOENT ? -ESTALE : base; /* without the layer nothing can be told */
        fd = beneath_open(base, path, O_PATH, BENEATH_ONE_MOUNT);
        return fd == -ENOTDIR || fd == -ELOOP ? -ENOENT : fd;
}

/* Does this layer hide path in the layers below it: by a whiteout, another kind of file or an opaque directory? */
static bool layer_hides(const struct layer *l, size_t i, struct bytes path)
{
        _cleanup_close_ int own = -1, at = -1;
        int base = lower_base(l, i, &own);
        struct bytes name;
        bool hides = false;

        while (base >= 0 && !hides && procfs_take_field(&path, '/', &name)) {
                struct stat st;
                int next;

                if (name.len == 0)
                        continue;
                next = beneath_open(at < 0 ? base : at, name, O_PATH, BENEATH_ONE_MOUNT);
                if (next < 0)
                        break;
                hides = fstat(next, &st) == 0 && (!S_ISDIR(st.st_mode) || is_opaque(next));
                if (at >= 0)
                        close(at);
                at = next;
        }
        return hides;
}

static bool is_absent(const struct warm *w, struct bytes path)
{
        return w->absent[0] && bytes_has_prefix(path, bytes_str(w->absent));
}

/* What of the image is seen at path: a descriptor, -ENOENT: nothing, or what is wrong. */
static int image_open(const struct layer *l, struct bytes path)
{
        int unsure = -ENOENT;

        for (size_t i = 0; i < l->lower_count; i++) {
                int fd = layer_open(l, i, path);
                bool hidden = false;
                struct stat st;

                if (fd < 0) {
                        unsure = fd == -ENOENT ? unsure : fd;
                        continue;
                }
                if (fstat(fd, &st) < 0 || is_whiteout(&st)) {
                        close(fd);
                        continue;
                }
                for (size_t above = 0; above < i && !hidden; above++)
                        hidden = layer_hides(l, above, path);
                if (!hidden)
                        return fd;
                close(fd);
                return -ENOENT;
        }
        return l->unknown && unsure == -ENOENT ? -ESTALE : unsure;
}

static int look_in_image(const struct layer *l, struct bytes path, struct layer_entry *ret)
{
        _cleanup_close_ int fd = image_open(l, path);
        struct stat st;

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret = entry_of(fd, &st);
        return 1;
}

int layer_both(const struct layer *l, struct bytes path, int ret[2])
{
        _cleanup_close_ int own = -1;
        int base = upper_base(l, &own);

        ret[0] = base < 0 ? base : beneath_open(base, path, O_PATH, BENEATH_ONE_MOUNT);
        if (ret[0] < 0)
                return ret[0];
        ret[1] = image_open(l, path);
        if (ret[1] >= 0)
                return 0;
        close(ret[0]);
        return ret[1];
}

/* The image does not hold path. The second time in one directory it is asked for the directory itself. */
static void note_absent(const struct layer *l, struct bytes path)
{
        struct warm *w = l->warm;
        int slash = bytes_rfind(path, '/');
        struct bytes dir = bytes_of(path.p, slash < 0 ? 0 : (uint32_t)slash + 1);
        struct layer_entry e;

        if (dir.len < 2 || dir.len >= ABSENT_MAX || memchr(dir.p, 0, dir.len))
                return;
        if (!bytes_eq(dir, bytes_str(w->missed))) {
                memcpy(w->missed, dir.p, dir.len);
                w->missed[dir.len] = '\0';
                w->asked = false;
                return;
        }
        if (w->asked)
                return;
        w->asked = true;
        if (look_in_image(l, bytes_of(dir.p, dir.len - 1), &e) == 0)
                memcpy(w->absent, w->missed, sizeof(w->absent));
}

int layer_image_stat(const struct layer *l, struct bytes path, struct layer_entry *ret)
{
        int r;

        if (is_absent(l->warm, path))
                return 0;
        r = look_in_image(l, path, ret);
        if (r == 0)
                note_absent(l, path);
        return r;
}

int layer_in_image(const struct layer *l, struct bytes path)
{
        struct layer_entry e;

        return layer_image_stat(l, path, &e);
}

bool layer_same_content(const struct layer_entry *a, const struct layer_entry *b)
{
        return a->size == b->size && a->mtime_ns == b->mtime_ns;
}
