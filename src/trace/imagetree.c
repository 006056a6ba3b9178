/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the merged view of layers, directory by directory. Must not: open a file, follow a link, go on for ever. Hands
 * over: each file once, as the topmost layer that has it has it.
 *
 * A directory that waits is a path and the layers in which it is to be seen: of a stack, so that memory follows depth.
 */
#include "tidemark/imagetree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tidemark/beneath.h"
#include "tidemark/err.h"
#include "tidemark/imagefile.h"
#include "tidemark/map.h"

#define NAMES_MAX 1000000u /* of one directory, in all layers */

struct todo {
        struct todo *next;
        char *path; /* "" for the root */
        unsigned n;
        uint16_t layer[]; /* topmost first */
};

struct tree {
        int base[IMAGETREE_LAYERS]; /* -1: it could not be opened */
        unsigned n;
        const struct imagetree_limits *limits;
        const struct imagetree_ops *ops;
        void *arg;
        struct todo *first;
        uint32_t waiting;
        struct imagetree_stats st;
        bool full; /* it was said that there are too many */
};

/* One directory of the merged view, while it is listed. */
struct listing {
        struct tree *t;
        const struct todo *at;
        int fd[IMAGETREE_LAYERS]; /* of at->layer[i], O_PATH-less: it is read; -1 */
        struct map *seen;         /* names that an upper layer has, or hides; NULL: there is one layer only */
};

static void note(struct tree *t, const char *what, const char *path, int error)
{
        char words[512], shown[300];

        t->st.complete = false;
        snprintf(words, sizeof(words), "%s: %s%s%s", str_print(bytes_str(*path ? path : "/"), shown, sizeof(shown)),
                 what, error ? ": " : "", error ? err_str(error) : "");
        t->ops->note(words, t->arg);
}

static bool has_mark(int fd, const char *const *names)
{
        char value = 0;

        for (; *names; names++)
                if (fgetxattr(fd, *names, &value, 1) == 1 && (value == 'y' || value == 'x'))
                        return true;
        return false;
}

/* Does this directory hide what lies in the layers below? */
static bool is_opaque(int fd)
{
        static const char *const names[] = {"trusted.overlay.opaque", "user.overlay.opaque", NULL};

        return has_mark(fd, names);
}

static bool is_whiteout(int dir, const char *name, const struct stat *st)
{
        static const char *const names[] = {"trusted.overlay.whiteout", "user.overlay.whiteout"};
        char path[64 + NAME_MAX];

        if (S_ISCHR(st->st_mode))
                return st->st_rdev == makedev(0, 0);
        if (!S_ISREG(st->st_mode) || st->st_size != 0)
                return false;
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (lgetxattr(path, names[i], NULL, 0) >= 0)
                        return true;
        return false;
}

static int open_dir(int base, const char *path)
{
        return beneath_open(base, bytes_str(path), O_RDONLY | O_DIRECTORY | O_NONBLOCK, BENEATH_ONE_MOUNT);
}

/* ---- what waits ---- */

static int push(struct tree *t, const char *path, const uint16_t *layer, unsigned n)
{
        struct todo *d;

        if (t->waiting >= t->limits->waiting) {
                if (!t->full)
                        note(t, "too many directories: this one and others are left out", path, 0);
                t->full = true;
                return 0;
        }
        d = malloc(sizeof(*d) + n * sizeof(layer[0]));
        if (!d)
                return -ENOMEM;
        d->path = strdup(path);
        if (!d->path) {
                free(d);
                return -ENOMEM;
        }
        memcpy(d->layer, layer, n * sizeof(layer[0]));
        d->n = n;
        d->next = t->first;
        t->first = d;
        t->waiting++;
        return 0;
}

static struct todo *pop(struct tree *t)
{
        struct todo *d = t->first;

        if (d) {
                t->first = d->next;
                t->waiting--;
        }
        return d;
}

static void todo_free(struct todo *d)
{
        free(d->path);
        free(d);
}

/* ---- one directory ---- */

/* In which layers from i on is this directory to be seen? A file, a whiteout or an opaque directory ends it. */
static int push_directory(struct listing *l, unsigned i, const char *name, const char *path)
{
        uint16_t layer[IMAGETREE_LAYERS];
        unsigned n = 0;

        for (; i < l->at->n; i++) {
                _cleanup_close_ int fd = -1;
                struct stat st;

                if (l->fd[i] < 0 || fstatat(l->fd[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (!S_ISDIR(st.st_mode))
                        break;
                layer[n++] = l->at->layer[i];
                fd = open_dir(l->fd[i], name);
                if (fd >= 0 && is_opaque(fd))
                        break;
        }
        return n ? push(l->t, path, layer, n) : 0;
}

static bool seen_before(struct listing *l, const char *name)
{
        return l->seen && map_get(l->seen, bytes_str(name));
}

static int visit(struct listing *l, unsigned i, const char *name)
{
        struct tree *t = l->t;
        struct imagetree_entry e = {.name = name, .dir = l->fd[i], .layer = l->at->layer[i]};
        char path[IMAGE_PATH_MAX];
        int r = 0;

        if (seen_before(l, name))
                return 0;
        if ((size_t)snprintf(path, sizeof(path), "%s%s%s", l->at->path, *l->at->path ? "/" : "", name) >=
            sizeof(path) - 1) {
                note(t, "a path that is too long below it is left out", l->at->path, 0);
                return 0;
        }
        if (fstatat(e.dir, name, &e.st, AT_SYMLINK_NOFOLLOW) < 0) {
                note(t, "vanished or cannot be looked at", path, -errno);
                return 0;
        }
        if (l->seen)
                r = map_put(l->seen, bytes_str(name), t);
        if (r < 0)
                return r == ERR_LIMIT ? 0 : r;
        if (is_whiteout(e.dir, name, &e.st))
                return 0;
        if (S_ISDIR(e.st.st_mode))
                return push_directory(l, i, name, path);
        if (!S_ISREG(e.st.st_mode) && !S_ISLNK(e.st.st_mode))
                return 0; /* devices, fifos, sockets: nothing of them is opened */
        e.path = bytes_str(path);
        return t->ops->entry(&e, t->arg);
}

/* The stream takes the descriptor; dirfd() of it is that of l->fd[i], a duplicate of which stays. */
static int list_layer(struct listing *l, unsigned i)
{
        struct tree *t = l->t;
        int dup = fcntl(l->fd[i], F_DUPFD_CLOEXEC, 3), r = 0;
        struct dirent *d;
        DIR *dir;

        if (dup < 0)
                return -errno;
        dir = fdopendir(dup);
        if (!dir) {
                close(dup);
                return -ENOMEM;
        }
        errno = 0;
        while (r == 0 && (d = readdir(dir))) {
                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                        continue;
                if (t->st.entries++ >= t->limits->entries)
                        break;
                r = visit(l, i, d->d_name);
                errno = 0;
        }
        if (r == 0 && !d && errno)
                note(t, "cannot be listed", l->at->path, -errno);
        closedir(dir);
        return r;
}

static void open_layers(struct listing *l)
{
        struct tree *t = l->t;

        for (unsigned i = 0; i < l->at->n; i++) {
                int base = t->base[l->at->layer[i]];

                l->fd[i] = base < 0 ? base : open_dir(base, l->at->path);
                if (l->fd[i] < 0 && base >= 0)
                        note(t, "a layer's directory cannot be opened", l->at->path, l->fd[i]);
        }
}

static int list(struct tree *t, const struct todo *at)
{
        static const struct map_seed seed = {0x696d616765, 0x74726565};
        struct listing l = {.t = t, .at = at};
        int r = at->n > 1 ? map_new(NAMES_MAX, seed, NULL, &l.seen) : 0;

        if (r < 0)
                return r;
        t->st.directories++;
        open_layers(&l);
        for (unsigned i = 0; i < at->n && r == 0 && t->st.entries <= t->limits->entries; i++)
                if (l.fd[i] >= 0)
                        r = list_layer(&l, i);
        for (unsigned i = 0; i < at->n; i++)
                if (l.fd[i] >= 0)
                        close(l.fd[i]);
        map_free(l.seen);
        return r;
}

static unsigned open_bases(struct tree *t, const char *const *lower)
{
        unsigned opened = 0;
        char what[64];

        for (unsigned i = 0; i < t->n; i++) {
                t->base[i] = open(lower[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
                opened += t->base[i] >= 0;
                if (t->base[i] >= 0)
                        continue;
                snprintf(what, sizeof(what), "layer %u of %u cannot be opened", i + 1, t->n);
                note(t, what, lower[i], -errno);
        }
        return opened;
}

int imagetree_walk(const char *const *lower, unsigned n, const struct imagetree_limits *limits,
                   const struct imagetree_ops *ops, void *arg, struct imagetree_stats *ret)
{
        struct tree t = {.n = n, .limits = limits, .ops = ops, .arg = arg, .st.complete = true};
        uint16_t all[IMAGETREE_LAYERS];
        struct todo *d;
        int r;

        if (n == 0 || n > IMAGETREE_LAYERS)
                return -EINVAL;
        for (unsigned i = 0; i < n; i++)
                all[i] = (uint16_t)i;
        r = open_bases(&t, lower) ? push(&t, "", all, n) : -ENOENT;
        while (r == 0 && t.st.entries <= limits->entries && (d = pop(&t))) {
                r = list(&t, d);
                todo_free(d);
        }
        if (r == 0 && t.st.entries > limits->entries)
                note(&t, "too many entries in the image: the rest is left out", "", 0);
        while ((d = pop(&t)))
                todo_free(d);
        for (unsigned i = 0; i < n; i++)
                if (t.base[i] >= 0)
                        close(t.base[i]);
        *ret = t.st;
        return r;
}
