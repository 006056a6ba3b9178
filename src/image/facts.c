/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is collected of one image: its files that can be run or loaded, its packages, and whose each file is.
 * Must not: open anything, or trust a path, a size or a database. Hands over: a view, once all has come.
 *
 * Databases may come before the files that they own: their texts are kept until the end, and then each path is looked
 * up among the files. Where directories are links (/bin → usr/bin) databases name files by either way: a path that is
 * not there is tried again with the image's own links followed in its directories, as text.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/image-priv.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define TEXTS_MAX 20000u
#define TEXT_BYTES ((uint64_t)32 << 20)   /* of one database */
#define TEXTS_BYTES ((uint64_t)128 << 20) /* of all of them */
#define LINKS_MAX 50000u
#define PACKAGES_MAX 16384u /* as the judge's */
#define FOLLOWED_MAX 16     /* links of one path */
#define NOTES_BYTES 1500u
#define SCAN_FACTOR 4u /* files that are looked at, to one that is told: those of the last resort go first */

struct text {
        uint8_t role;
        char *path;
        struct buf b;
};

struct facts {
        struct settings set;
        struct reader *rd;
        struct rpm *rpm;   /* NULL: rpm's databases are not read */
        struct map *files; /* path without its slash → number + 1 */
        struct fact_file *file;
        uint32_t nfiles, files_cap;
        struct map *links; /* path without its slash → text */
        struct map *names; /* of dpkg's packages → number + 1 */
        struct fact_package *package;
        uint32_t npackages, packages_cap;
        struct text *text;
        uint32_t ntexts, texts_cap;
        uint64_t text_bytes;
        uint32_t owner; /* whose paths are told now: number + 1 */
        uint64_t entries, unhashed, refused;
        bool complete, has_rpm, full; /* full: of packages, and said so */
        struct buf words;
        uint32_t untold; /* notes for which there was no room */
};

static void value_free(void *p)
{
        free(p);
}

struct facts *facts_free(struct facts *f)
{
        if (!f)
                return NULL;
        for (uint32_t i = 0; i < f->nfiles; i++) {
                free(f->file[i].path);
                free(f->file[i].interpreter);
        }
        for (uint32_t i = 0; i < f->npackages; i++) {
                free(f->package[i].name);
                free(f->package[i].version);
        }
        for (uint32_t i = 0; i < f->ntexts; i++) {
                free(f->text[i].path);
                buf_release(&f->text[i].b);
        }
        free(f->file);
        free(f->package);
        free(f->text);
        map_free(f->files);
        map_free(f->links);
        map_free(f->names);
        buf_release(&f->words);
        free(f);
        return NULL;
}

int facts_new(const struct settings *set, struct reader *rd, struct rpm *rpm, struct facts **ret)
{
        _cleanup_(facts_freep) struct facts *f = calloc(1, sizeof(*f));
        struct map_seed seed = map_seed_random();
        int r;

        if (!f)
                return -ENOMEM;
        f->set = *set;
        f->rd = rd;
        f->rpm = rpm;
        f->complete = true;
        buf_init(&f->words, NOTES_BYTES + 200); /* and how many more there are */
        r = map_new(SCAN_FACTOR * (size_t)set->max_files, seed, NULL, &f->files);
        if (r == 0)
                r = map_new(LINKS_MAX, seed, value_free, &f->links);
        if (r == 0)
                r = map_new(PACKAGES_MAX, seed, NULL, &f->names);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

/* The first ones; how many more there are is said at the end. */
static void add_words(struct facts *f, const char *words)
{
        if (f->words.len + strlen(words) + 3 > NOTES_BYTES) {
                f->untold++;
                return;
        }
        buf_put_str(&f->words, f->words.len ? "; " : "");
        buf_put_str(&f->words, words);
}

void facts_note(struct facts *f, const char *fmt, ...)
{
        char words[600];
        va_list ap;

        f->complete = false;
        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        add_words(f, words);
}

static int grow(void **array, uint32_t *cap, uint32_t n, size_t each)
{
        uint32_t more = *cap ? 2 * *cap : 128;
        void *p;

        if (n < *cap)
                return 0;
        p = realloc(*array, more * each);
        if (!p)
                return -ENOMEM;
        *array = p;
        *cap = more;
        return 0;
}

static struct bytes relative(struct bytes path)
{
        while (path.len && path.p[0] == '/') {
                path.p++;
                path.len--;
        }
        return path;
}

/* ---- what comes ---- */

static const char *shown(struct bytes path, char dst[200])
{
        return str_print(path, dst, 200);
}

static int keep_link(struct facts *f, const struct image_msg *m)
{
        char *text = bytes_dup(m->text);
        int r = text ? map_put(f->links, relative(m->path), text) : -ENOMEM;

        if (r < 0)
                free(text);
        return r == ERR_LIMIT ? 0 : r; /* some paths of databases will not be found: their files are nobody's */
}

static int keep_text(struct facts *f, const struct image_msg *m, int fd)
{
        struct text *t;
        char name[200];
        int r;

        if (f->ntexts == TEXTS_MAX || f->text_bytes >= TEXTS_BYTES) {
                facts_note(f, "too many databases of packages: %s is not read", shown(m->path, name));
                return 0;
        }
        r = grow((void **)&f->text, &f->texts_cap, f->ntexts, sizeof(*f->text));
        if (r < 0)
                return r;
        t = &f->text[f->ntexts];
        *t = (struct text){.role = m->role, .path = bytes_dup(m->path)};
        if (!t->path)
                return -ENOMEM;
        buf_init(&t->b, TEXT_BYTES + 1);
        f->ntexts++;
        r = reader_slurp(f->rd, fd, TEXT_BYTES, &t->b);
        f->text_bytes += t->b.len;
        if (r == 0)
                return 0;
        buf_release(&t->b);
        buf_init(&t->b, 0);
        if (r == -ENOMEM)
                return r;
        facts_note(f, "%s is not read: %s", shown(m->path, name),
                   r == ERR_LIMIT ? "it is larger than 32 MiB" : err_str(r));
        return 0;
}

static uint8_t flags_of(const struct image_msg *m)
{
        return (uint8_t)((m->mode & S_ISUID ? PRIORF_SETUID : 0) | (m->mode & S_ISGID ? PRIORF_SETGID : 0) |
                         (m->caps ? PRIORF_CAPS : 0) | (m->mode & 0111 ? PRIORF_RUNS : 0));
}

/* What is named like a library and is none, and cannot be run, is nothing. A program may be linked statically. */
static bool kind_of(const struct exehead *h, const struct image_msg *m, uint8_t *ret)
{
        static const uint8_t kinds[] = {[EXEHEAD_OTHER] = PRIOR_OTHER,
                                        [EXEHEAD_PROGRAM] = PRIOR_PROGRAM,
                                        [EXEHEAD_SHARED] = PRIOR_LIBRARY,
                                        [EXEHEAD_OBJECT] = PRIOR_OTHER,
                                        [EXEHEAD_SCRIPT] = PRIOR_SCRIPT};

        *ret = kinds[h->kind];
        if (m->role == IMAGE_SCRIPT)
                *ret = PRIOR_SCRIPT;
        if (h->kind == EXEHEAD_SHARED && m->role == IMAGE_RUNS && image_role(relative(m->path), 0) != IMAGE_LIBRARY)
                *ret = PRIOR_PROGRAM;
        return *ret != PRIOR_OTHER || (m->mode & 0111) || (m->mode & 06000);
}

static int read_file(struct facts *f, const struct image_msg *m, int fd, struct content *c)
{
        uint64_t read = reader_bytes(f->rd), left = read < f->set.max_bytes ? f->set.max_bytes - read : 0;
        uint64_t max = m->size > FILE_BYTES || m->size > left ? 0 : left < FILE_BYTES ? left : FILE_BYTES;
        int r = fd < 0 ? (m->error ? m->error : -EBADF) : reader_read(f->rd, fd, max, c);
        char name[200];

        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                facts_note(f, "%s cannot be read: %s", shown(m->path, name), err_str(r));
                memset(c, 0, sizeof(*c));
        }
        f->unhashed += r == 0 && !c->hashed;
        return 0;
}

static int keep_file(struct facts *f, const struct image_msg *m, int fd)
{
        struct fact_file x = {.role = m->role, .size = m->size, .flags = flags_of(m)};
        struct content *c;
        struct exehead h;
        int r;

        if (f->nfiles >= SCAN_FACTOR * (uint64_t)f->set.max_files) {
                f->refused++;
                return 0;
        }
        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        r = read_file(f, m, fd, c);
        h = exehead_decode(c->head, r == 0 ? c->head_len : 0);
        if (r < 0 || !kind_of(&h, m, &x.kind) || map_get(f->files, relative(m->path))) {
                free(c);
                return r;
        }
        if (c->hashed)
                memcpy(x.sha256, c->sha256, sizeof(x.sha256));
        else
                x.flags |= PRIORF_UNHASHED;
        x.path = bytes_dup(m->path);
        if (x.kind == PRIOR_SCRIPT && h.kind == EXEHEAD_SCRIPT && h.interpreter.len)
                x.interpreter = bytes_dup(h.interpreter);
        free(c);
        r = x.path ? grow((void **)&f->file, &f->files_cap, f->nfiles, sizeof(*f->file)) : -ENOMEM;
        if (r == 0)
                r = map_put(f->files, relative(m->path), (void *)(uintptr_t)(f->nfiles + 1));
        if (r < 0) {
                free(x.path);
                free(x.interpreter);
                return r;
        }
        f->file[f->nfiles++] = x;
        return 0;
}

static int keep_rpm(struct facts *f, const struct image_msg *m, int fd)
{
        f->has_rpm = true;
        return f->rpm ? rpm_take(f->rpm, m->path, fd) : 0;
}

static int take_file(struct facts *f, const struct image_msg *m, int fd)
{
        char name[200];

        switch (m->role) {
        case IMAGE_RUNS:
        case IMAGE_LIBRARY:
        case IMAGE_SCRIPT:
                return keep_file(f, m, fd);
        case IMAGE_NONE:
                return 0;
        default:
                break;
        }
        if (fd < 0) {
                facts_note(f, "%s cannot be opened: %s", shown(m->path, name), err_str(m->error ? m->error : -EBADF));
                return 0;
        }
        return m->role == IMAGE_RPM ? keep_rpm(f, m, fd) : keep_text(f, m, fd);
}

int facts_take(struct facts *f, const struct image_msg *m, int fd)
{
        char *words;

        reader_rest(f->rd);
        switch (m->kind) {
        case IMAGE_MSG_FILE:
                return take_file(f, m, fd);
        case IMAGE_MSG_LINK:
                return keep_link(f, m);
        case IMAGE_MSG_NOTE:
                words = bytes_dup(m->text);
                if (!words)
                        return -ENOMEM;
                facts_note(f, "%s", words);
                free(words);
                return 0;
        default:
                f->entries = m->entries;
                f->complete = f->complete && m->complete;
                return 1;
        }
}

/* ---- whose files they are ---- */

/* path with its directory of length i replaced by that link's text. */
static bool replace(struct buf *path, size_t i, const char *text)
{
        _cleanup_buf_ struct buf next;
        size_t dir = i;

        buf_init(&next, IMAGE_PATH_MAX);
        while (dir > 0 && path->p[dir - 1] != '/')
                dir--;
        if (text[0] != '/')
                buf_put(&next, path->p, dir); /* relative to where the link lies */
        while (*text == '/')
                text++;
        while (text[0] == '.' && text[1] == '.' && (text[2] == '/' || text[2] == '\0')) { /* up again */
                while (next.len && next.p[next.len - 1] == '/')
                        next.len--;
                while (next.len && next.p[next.len - 1] != '/')
                        next.len--;
                text += text[2] ? 3 : 2;
        }
        buf_put_str(&next, text);
        buf_put(&next, path->p + i, path->len - i);
        buf_reset(path);
        buf_put(path, next.p, next.err ? 0 : next.len);
        return next.err == 0 && path->err == 0;
}

/* One step: the first directory of path that is a link. */
static bool follow_one(const struct facts *f, struct buf *path)
{
        for (size_t i = 0; i < path->len; i++) {
                const char *text = path->p[i] == '/' ? map_get(f->links, bytes_of(path->p, i)) : NULL;

                if (text)
                        return replace(path, i, text);
        }
        return false;
}

static uint32_t find_file(const struct facts *f, struct bytes path)
{
        uint32_t n = (uint32_t)(uintptr_t)map_get(f->files, path);
        _cleanup_buf_ struct buf b;

        buf_init(&b, IMAGE_PATH_MAX);
        if (n || path.len > IMAGE_PATH_MAX / 2)
                return n;
        buf_put(&b, path.p, path.len);
        for (int i = 0; i < FOLLOWED_MAX && n == 0 && follow_one(f, &b); i++)
                n = (uint32_t)(uintptr_t)map_get(f->files, relative(buf_bytes(&b)));
        return n;
}

static int on_path(struct bytes path, void *arg)
{
        struct facts *f = arg;
        uint32_t n = f->owner ? find_file(f, relative(path)) : 0;

        if (n && f->file[n - 1].package == 0)
                f->file[n - 1].package = f->owner;
        return 0;
}

static int add_package(struct facts *f, uint8_t db, struct bytes name, struct bytes version)
{
        struct fact_package p = {.db = db, .name = NULL};
        int r;

        f->owner = 0;
        if (f->npackages == PACKAGES_MAX) {
                if (!f->full)
                        facts_note(f, "more than %u packages: the rest is left out", PACKAGES_MAX);
                f->full = true;
                return 0;
        }
        r = grow((void **)&f->package, &f->packages_cap, f->npackages, sizeof(*f->package));
        if (r < 0)
                return r;
        p.name = bytes_dup(name);
        p.version = bytes_dup(version);
        if (!p.name || !p.version) {
                free(p.name);
                free(p.version);
                return -ENOMEM;
        }
        f->package[f->npackages++] = p;
        f->owner = f->npackages;
        return 0;
}

static int on_dpkg(struct bytes name, struct bytes version, void *arg)
{
        struct facts *f = arg;
        int r = add_package(f, PACKAGE_DPKG, name, version);

        if (r == 0 && f->owner && !map_get(f->names, name))
                r = map_put(f->names, name, (void *)(uintptr_t)f->owner);
        return r == ERR_LIMIT ? 0 : r;
}

static int on_apk(struct bytes name, struct bytes version, void *arg)
{
        return add_package(arg, PACKAGE_APK, name, version);
}

static int on_rpm(struct bytes name, struct bytes version, void *arg)
{
        return add_package(arg, PACKAGE_RPM, name, version);
}

static void on_rpm_note(const char *words, void *arg)
{
        facts_note(arg, "%s", words);
}

static int ignore_path(struct bytes path, void *arg)
{
        (void)path, (void)arg;
        return 0;
}

static int join_text(struct facts *f, const struct text *t, struct packages_stats *st)
{
        static const struct packages_ops dpkg = {on_dpkg, ignore_path}, lists = {NULL, on_path},
                                         apk = {on_apk, on_path};
        struct bytes text = buf_bytes(&t->b);

        switch (t->role) {
        case IMAGE_DPKG:
        case IMAGE_DPKG_D:
                return dpkg_parse_status(text, &dpkg, f, st);
        case IMAGE_DPKG_LIST:
        case IMAGE_DPKG_SUMS:
                f->owner = (uint32_t)(uintptr_t)map_get(f->names, dpkg_list_owner(bytes_str(t->path)));
                return t->role == IMAGE_DPKG_LIST ? dpkg_parse_list(text, &lists, f, st)
                                                  : dpkg_parse_sums(text, &lists, f, st);
        default:
                return apk_parse_installed(text, &apk, f, st);
        }
}

/* Packages before the lists of their files. A database with hardly a line that is understood is damaged, or of another
 * form: what it says is taken, and that is said. */
static int join_role(struct facts *f, bool lists)
{
        int r = 0;

        for (uint32_t i = 0; i < f->ntexts && r == 0; i++) {
                const struct text *t = &f->text[i];
                bool list = t->role == IMAGE_DPKG_LIST || t->role == IMAGE_DPKG_SUMS;
                struct packages_stats st = {0};
                char name[200];

                if (list != lists)
                        continue;
                r = join_text(f, t, &st);
                reader_rest(f->rd);
                if (r == 0 && st.malformed)
                        facts_note(f, "%s: %llu lines or packages are not understood", shown(bytes_str(t->path), name),
                                   (unsigned long long)st.malformed);
                else if (r == 0 && !lists && t->b.len && st.packages == 0)
                        facts_note(f, "%s names no package that is installed", shown(bytes_str(t->path), name));
        }
        return r;
}

static int join_rpm(struct facts *f)
{
        static const struct rpm_ops ops = {on_rpm, on_path, on_rpm_note};

        if (!f->has_rpm)
                return 0;
        if (!f->rpm) {
                facts_note(f, "rpm's database is not read: %s",
                           *rpm_version() ? "there is no place for a copy" : "this tidemark is built without librpm");
                return 0;
        }
        return rpm_tell(f->rpm, &ops, f);
}

/* What is only named like a script goes last: where there is too much it is left out. */
static int order(struct facts *f)
{
        struct fact_file *sorted = calloc(f->nfiles ? f->nfiles : 1, sizeof(*sorted));
        uint32_t n = 0;

        if (!sorted)
                return -ENOMEM;
        for (int last = 0; last < 2; last++)
                for (uint32_t i = 0; i < f->nfiles; i++)
                        if ((f->file[i].role == IMAGE_SCRIPT) == last)
                                sorted[n++] = f->file[i];
        free(f->file);
        f->file = sorted;
        f->files_cap = n;
        return 0;
}

static void say_what_is_cut(struct facts *f, bool cut)
{
        uint64_t over = f->nfiles > f->set.max_files ? f->nfiles - f->set.max_files : 0;
        char words[200];

        if (cut)
                facts_note(f, "whoever opens the image's files ended before its end");
        if (f->refused + over)
                facts_note(f, "%llu of its files are left out: there are more than %u that can be run or loaded",
                           (unsigned long long)(f->refused + over), f->set.max_files);
        if (f->unhashed) { /* they are told, but not what they hold */
                snprintf(words, sizeof(words),
                         "%llu files are not hashed: larger than 256 MiB, or all of them together "
                         "than image.max_mib",
                         (unsigned long long)f->unhashed);
                add_words(f, words);
        }
        if (f->untold)
                buf_printf(&f->words, "; and %u more like that", f->untold);
}

int facts_join(struct facts *f, bool cut)
{
        int r = join_role(f, false);

        if (r == 0)
                r = join_role(f, true);
        if (r == 0)
                r = join_rpm(f);
        if (r == 0)
                r = order(f); /* from here on no path is looked up */
        if (r == 0)
                say_what_is_cut(f, cut);
        return r;
}

void facts_view(const struct facts *f, struct facts_view *ret)
{
        *ret = (struct facts_view){.files = f->file,
                                   .packages = f->package,
                                   .nfiles = f->nfiles < f->set.max_files ? f->nfiles : f->set.max_files,
                                   .npackages = f->npackages,
                                   .read_bytes = reader_bytes(f->rd),
                                   .entries = f->entries,
                                   .complete = f->complete,
                                   .words = buf_bytes(&f->words)};
}
