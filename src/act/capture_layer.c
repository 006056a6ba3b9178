/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write layer, entry by entry, as it is on the disk. The kernel's Documentation/filesystems/overlayfs.rst.
 *
 * Owns: the walk, with directories that wait on a stack (so its depth is memory's, and bounded), and hard links. Must
 * not: follow a link, enter another mount, open anything but directories and regular files. Hands over: members below
 * layer/, and a note for whatever is not one.
 */
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define PREFIX "layer"
#define WAITING_MAX 65536u
#define LINKS_MAX 262144u
#define NAMES_MAX 1048576u /* more than limits.entries can be asked for: beyond it names are not compared */
#define PATHS_BYTES (64u << 20) /* of memory for paths that are kept */
#define LINK_KEY 5u
#define LIST_MAX 65536u /* bytes of names of attributes: XATTR_LIST_MAX */

struct todo {
        struct todo *next;
        char path[]; /* below the layer, "" for itself */
};

struct walk {
        struct capture_run *r;
        int upper;
        struct todo *first;
        uint32_t waiting;
        uint64_t entries;
        struct map *links; /* which file (link_key) → path of the member that has the content */
        size_t link_bytes, waiting_bytes;
        struct map_seed seed[2];
        struct map *names; /* of members: a name that comes twice while its directory changes is one member */
        bool over;         /* no more of it: limit or time */
        char *value;       /* of an attribute */
};

/* One entry of a directory that is open. */
struct item {
        struct walk *w;
        int dir;
        const char *name;
        struct bytes path; /* below the layer */
        struct stat st;
        bool metacopy; /* its content is the image's */
        size_t room;   /* what its attributes may still take */
        unsigned attributes;
};

/* ---- attributes ---- */

static bool named(const char *name, const char *what)
{
        return strcmp(name, what) == 0 ||
               (strncmp(name, "user.overlay.", 13) == 0 && strcmp(name + 13, what + 16) == 0);
}

/* A name with "=" or bytes that are no text cannot be told in a header so that everybody reads the same. */
static bool writable(const char *name)
{
        for (; *name; name++)
                if (*name == '=' || *name <= ' ' || *name > '~')
                        return false;
        return true;
}

static void xattr(struct item *i, struct archive_entry *e, const char *at, const char *name)
{
        ssize_t n = lgetxattr(at, name, i->w->value, CAPTURE_XATTRS_MAX);
        char words[96], shown[64];

        if (n < 0)
                return;
        if (i->attributes == CAPTURE_XATTRS_NUMBER || strlen(name) + (size_t)n > i->room) {
                snprintf(words, sizeof(words), "attribute %s and its %zd bytes are left out: too many",
                         str_print(bytes_str(name), shown, sizeof(shown)), n);
                capture_note(i->w->r->notes, CAPTURE_CUT, i->path, words, 0);
                return;
        }
        if (!writable(name)) {
                snprintf(words, sizeof(words), "attribute %s cannot be told in a header",
                         str_print(bytes_str(name), shown, sizeof(shown)));
                capture_note(i->w->r->notes, CAPTURE_REFUSED, i->path, words, 0);
                return;
        }
        if (named(name, "trusted.overlay.metacopy"))
                i->metacopy = S_ISREG(i->st.st_mode);
        i->attributes++;
        i->room -= strlen(name) + (size_t)n;
        archive_entry_xattr_add_entry(e, name, i->w->value, (size_t)n);
}

static void xattrs(struct item *i, struct archive_entry *e)
{
        char at[64 + NAME_MAX], list[LIST_MAX];
        ssize_t n, step;

        snprintf(at, sizeof(at), "/proc/self/fd/%d/%s", i->dir, i->name);
        n = llistxattr(at, list, sizeof(list));
        if (n < 0 && errno != ENOTSUP && errno != ENOENT)
                capture_note(i->w->r->notes, CAPTURE_MISSED, i->path, "its attributes", -errno);
        i->room = CAPTURE_XATTRS_MAX;
        i->attributes = 0;
        for (const char *name = list; n > 0; name += step, n -= step) {
                step = (ssize_t)strnlen(name, (size_t)n) + 1;
                if (step <= n)
                        xattr(i, e, at, name);
        }
}

/* The member has the content itself: its header must not say that the image has it. */
static void without_metacopy(struct item *i, struct archive_entry *e)
{
        _cleanup_buf_ struct buf words;
        const char *name;
        const void *value;
        size_t len;
        struct archive_entry *old = archive_entry_clone(e);

        buf_init(&words, 4096);
        if (!old)
                return;
        buf_put_str(&words, "content by the merged view; left out of the header:");
        archive_entry_xattr_clear(e);
        archive_entry_xattr_reset(old);
        while (archive_entry_xattr_next(old, &name, &value, &len) == 0) {
                if (!named(name, "trusted.overlay.metacopy") && !named(name, "trusted.overlay.redirect")) {
                        archive_entry_xattr_add_entry(e, name, value, len);
                        continue;
                }
                buf_printf(&words, " %s=", name);
                str_escape(bytes_of(value, len), &words);
        }
        archive_entry_free(old);
        capture_note(i->w->r->notes, CAPTURE_TOLD, i->path, words.err ? "metacopy" : buf_cstr(&words), 0);
}

/* ---- content ---- */

static int open_plain(struct item *i)
{
        _cleanup_close_ int at = beneath_open(i->dir, bytes_str(i->name), O_PATH, BENEATH_ONE_MOUNT);
        struct stat st;

        if (at < 0)
                return at;
        if (fstat(at, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != i->st.st_ino)
                return -ESTALE;
        return capture_reopen(at);
}

/* As the container sees it, while it lives. */
static int open_merged(struct item *i)
{
        const struct capture_spec *s = i->w->r->spec;
        _cleanup_close_ int root = -1, at = -1;
        char path[64];
        struct stat st;

        if (!capture_is(s->init_pid, s->init_start))
                return -ESRCH;
        snprintf(path, sizeof(path), "/proc/%u/root", s->init_pid);
        root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return -errno;
        at = beneath_open(root, i->path, O_PATH, BENEATH_ONE_MOUNT);
        if (at < 0)
                return at;
        if (fstat(at, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != i->st.st_size)
                return -ESTALE;
        return capture_reopen(at);
}

static int regular(struct item *i, struct archive_entry *e)
{
        _cleanup_close_ int fd = i->metacopy ? open_merged(i) : open_plain(i);

        if (fd >= 0 && i->metacopy)
                without_metacopy(i, e);
        if (fd < 0 && i->metacopy) { /* as it is on the disk: a hole */
                capture_note(i->w->r->notes, CAPTURE_MISSED, i->path, "its content, which is the image's", fd);
                fd = open_plain(i);
        }
        if (fd < 0) {
                capture_note(i->w->r->notes, fd == -ENOENT || fd == -ESTALE ? CAPTURE_VANISHED : CAPTURE_MISSED,
                             i->path, "cannot be opened", fd);
                return 0;
        }
        return capture_file(i->w->r, fd, e, i->path);
}

/* A number is given anew when its file is gone: what was changed since, or has another size, is another file. */
static struct bytes link_key(const struct stat *st, uint64_t key[LINK_KEY])
{
        key[0] = st->st_dev;
        key[1] = st->st_ino;
        key[2] = (uint64_t)st->st_ctim.tv_sec;
        key[3] = (uint64_t)st->st_ctim.tv_nsec;
        key[4] = (uint64_t)st->st_size;
        return bytes_of(key, LINK_KEY * sizeof(key[0]));
}

static int header(struct walk *w, struct archive_entry *e)
{
        int r = capture_out_begin(w->r->out, e, NULL, 0);

        return r == 0 ? capture_out_end(w->r->out) : r;
}

/* The first name has the content, the others say which that is. */
static int linked(struct item *i, struct archive_entry *e)
{
        const char *path = archive_entry_pathname(e), *first;
        uint64_t before = capture_out_members(i->w->r->out), key[LINK_KEY];
        struct bytes k = link_key(&i->st, key);
        char *copy;
        int r;

        first = map_get(i->w->links, k);
        if (first) {
                archive_entry_copy_hardlink(e, first);
                archive_entry_xattr_clear(e);
                return header(i->w, e);
        }
        copy = strdup(path);
        r = copy ? regular(i, e) : -ENOMEM;
        if (r < 0 || capture_out_members(i->w->r->out) == before || i->w->link_bytes > PATHS_BYTES ||
            map_put(i->w->links, k, copy) < 0)
                free(copy); /* without room its other names have the content, too */
        else
                i->w->link_bytes += strlen(copy);
        return r;
}

static int symlink_text(struct item *i, struct archive_entry *e)
{
        char text[PATH_MAX + 1];
        ssize_t n = readlinkat(i->dir, i->name, text, PATH_MAX);

        if (n < 0) {
                capture_note(i->w->r->notes, CAPTURE_VANISHED, i->path, "a link", -errno);
                return 0;
        }
        text[n] = '\0';
        archive_entry_copy_symlink(e, text);
        return header(i->w, e);
}

/* ---- the walk ---- */

static int push(struct walk *w, struct bytes path)
{
        struct todo *t;

        if (w->waiting == WAITING_MAX || w->waiting_bytes > PATHS_BYTES) {
                capture_note(w->r->notes, CAPTURE_CUT, path, "too many directories wait: what is in it is left out", 0);
                return 0;
        }
        t = malloc(sizeof(*t) + path.len + 1);
        if (!t)
                return -ENOMEM;
        memcpy(t->path, path.p, path.len);
        t->path[path.len] = '\0';
        t->next = w->first;
        w->first = t;
        w->waiting++;
        w->waiting_bytes += path.len;
        return 0;
}

static int take(struct item *i, struct archive_entry *e)
{
        xattrs(i, e);
        switch (i->st.st_mode & S_IFMT) {
        case S_IFREG:
                return i->st.st_nlink > 1 ? linked(i, e) : regular(i, e);
        case S_IFLNK:
                return symlink_text(i, e);
        case S_IFCHR:
        case S_IFBLK:
        case S_IFIFO:
                return header(i->w, e);
        default:
                capture_note(i->w->r->notes, CAPTURE_REFUSED, i->path,
                             S_ISSOCK(i->st.st_mode) ? "a socket: tar has no word for it" : "of an unknown kind", 0);
                return 0;
        }
}

/* A directory that is written to while it is listed may tell a name again: the first one was taken. */
static bool came_before(struct walk *w, struct bytes path)
{
        static char there;

        const uint64_t sums[] = {map_hash(w->seed[0], path), map_hash(w->seed[1], path)};
        struct bytes key = bytes_of((const uint8_t *)sums, sizeof(sums)); /* memory does not follow long names */

        if (map_get(w->names, key)) {
                capture_note(w->r->notes, CAPTURE_CHANGED, path,
                             "it came twice while its directory was read: as it was the first time", 0);
                return true;
        }
        if (map_put(w->names, key, &there) < 0)
                capture_note(w->r->notes, CAPTURE_TOLD, path, "no room to know its name again", 0);
        return false;
}

static int visit(struct walk *w, int dir, dev_t dev, const char *parent, const char *name)
{
        struct item i = {.w = w, .dir = dir, .name = name};
        char path[PATH_MAX + sizeof(PREFIX) + 1];
        struct archive_entry *e;
        int n = snprintf(path, sizeof(path), PREFIX "/%s%s%s", parent, *parent ? "/" : "", name), r;

        i.path = bytes_of(path + sizeof(PREFIX), (size_t)n < sizeof(path) ? (size_t)n - sizeof(PREFIX) : PATH_MAX);
        if (i.path.len >= PATH_MAX - 1) {
                capture_note(w->r->notes, CAPTURE_REFUSED, bytes_str(parent), "too long a path below it", 0);
                return 0;
        }
        if (fstatat(dir, name, &i.st, AT_SYMLINK_NOFOLLOW) < 0) {
                capture_note(w->r->notes, errno == ENOENT ? CAPTURE_VANISHED : CAPTURE_MISSED, i.path,
                             "cannot be looked at", -errno);
                return 0;
        }
        if (i.st.st_dev != dev) {
                capture_note(w->r->notes, CAPTURE_REFUSED, i.path, "another file system is mounted there", 0);
                return 0;
        }
        if (came_before(w, i.path))
                return 0;
        if (S_ISDIR(i.st.st_mode)) /* its header stands in front of what it holds, as tar expects it */
                return push(w, i.path);
        e = capture_entry(bytes_of(path, (size_t)n), &i.st);
        if (!e)
                return -ENOMEM;
        r = take(&i, e);
        archive_entry_free(e);
        return r;
}

/* Has it an end here? Then that is told once. */
static bool over(struct walk *w, const char *path)
{
        const char *why = w->entries >= w->r->spec->limits.entries ? "the limit of entries: what follows is left out"
                          : capture_late(w->r)                     ? "the time was over: what follows is left out"
                                                                   : NULL;
        char words[120];

        if (!why)
                return false;
        if (!w->over) {
                snprintf(words, sizeof(words), "%s; %u directories waited", why, w->waiting);
                capture_note(w->r->notes, CAPTURE_CUT, bytes_str(*path ? path : "layer"), words, 0);
        }
        w->over = true;
        return true;
}

/* The header of a directory that is open, also of the layer's own, which can be opaque too. */
static int directory(struct walk *w, const char *path, int fd)
{
        struct item i = {.w = w, .dir = fd, .name = ".", .path = bytes_str(path)};
        char member[PATH_MAX + sizeof(PREFIX) + 1];
        struct archive_entry *e;
        int r;

        if (fstat(fd, &i.st) < 0)
                return -errno;
        snprintf(member, sizeof(member), PREFIX "%s%s", *path ? "/" : "", path);
        e = capture_entry(bytes_str(member), &i.st);
        if (!e)
                return -ENOMEM;
        xattrs(&i, e);
        r = header(w, e);
        archive_entry_free(e);
        return r;
}

/* The stream takes the descriptor. */
static int list(struct walk *w, const char *path, int fd)
{
        struct dirent *d;
        struct stat st;
        DIR *dir = fdopendir(fd);
        int r = 0;

        if (!dir) {
                close(fd);
                return -ENOMEM;
        }
        if (fstat(fd, &st) < 0)
                r = -errno;
        errno = 0;
        while (r == 0 && (d = readdir(dir))) {
                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                        continue;
                if (over(w, path))
                        break;
                w->entries++;
                r = visit(w, dirfd(dir), st.st_dev, path, d->d_name);
                errno = 0;
        }
        if (r == 0 && !w->over && errno)
                capture_note(w->r->notes, CAPTURE_MISSED, bytes_str(path), "cannot be listed further", -errno);
        closedir(dir);
        return r;
}

static int open_directory(struct walk *w, const char *path, int fd)
{
        int r = directory(w, path, fd);

        if (r == 0)
                return list(w, path, fd);
        close(fd);
        return r;
}

static int walk(struct walk *w)
{
        int r = 0;

        while (r == 0 && w->first && !over(w, w->first->path)) {
                struct todo *t = w->first;
                int fd = beneath_open(w->upper, bytes_str(t->path), O_RDONLY | O_DIRECTORY | O_NONBLOCK,
                                      BENEATH_ONE_MOUNT);

                w->first = t->next;
                w->waiting--;
                w->waiting_bytes -= strlen(t->path);
                if (fd < 0)
                        capture_note(w->r->notes, fd == -ENOENT ? CAPTURE_VANISHED : CAPTURE_MISSED, bytes_str(t->path),
                                     "a directory that cannot be opened", fd);
                else
                        r = open_directory(w, t->path, fd);
                free(t);
        }
        while (w->first) {
                struct todo *t = w->first;

                w->first = t->next;
                free(t);
        }
        return r;
}

int capture_layer(struct capture_run *r)
{
        struct walk w = {.r = r, .seed = {map_seed_random(), map_seed_random()}}; /* the container chooses the names */
        int result;

        if (!r->spec->upper) {
                capture_note(r->notes, CAPTURE_REFUSED, BYTES_LIT("layer"),
                             "the container has no write layer that can be read", 0);
                return 0;
        }
        w.upper = open(r->spec->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (w.upper < 0) {
                capture_note(r->notes, errno == ENOENT ? CAPTURE_VANISHED : CAPTURE_MISSED, bytes_str(r->spec->upper),
                             "the write layer cannot be opened", -errno);
                return 0;
        }
        w.value = malloc(CAPTURE_XATTRS_MAX);
        result = w.value ? map_new(LINKS_MAX, w.seed[0], free, &w.links) : -ENOMEM;
        if (result == 0)
                result = map_new(NAMES_MAX, w.seed[0], NULL, &w.names);
        if (result == 0)
                result = push(&w, bytes_str(""));
        if (result == 0)
                result = walk(&w);
        map_free(w.links);
        map_free(w.names);
        free(w.value);
        close(w.upper);
        return result;
}
