/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the text forms of dpkg's and apk's databases. Must not: keep anything. Pure. */
#include "tidemark/packages.h"

#include <string.h>

static bool next_line(struct bytes *text, struct bytes *ret)
{
        const uint8_t *end;
        size_t n;

        if (text->len == 0)
                return false;
        end = memchr(text->p, '\n', text->len);
        n = end ? (size_t)(end - text->p) : text->len;
        *ret = bytes_of(text->p, n);
        n += end != NULL;
        *text = bytes_of(text->p + n, text->len - n);
        return true;
}

static struct bytes trimmed(struct bytes b)
{
        while (b.len && (b.p[0] == ' ' || b.p[0] == '\t')) {
                b.p++;
                b.len--;
        }
        while (b.len && (b.p[b.len - 1] == ' ' || b.p[b.len - 1] == '\t' || b.p[b.len - 1] == '\r'))
                b.len--;
        return b;
}

static struct bytes cut(struct bytes b)
{
        return bytes_of(b.p, b.len < PACKAGES_TEXT ? b.len : PACKAGES_TEXT);
}

static struct bytes relative(struct bytes path)
{
        while (path.len && (path.p[0] == '/' || (path.p[0] == '.' && path.len > 1 && path.p[1] == '/'))) {
                path.p++;
                path.len--;
        }
        return path;
}

static int tell_path(struct bytes path, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        path = relative(path);
        if (path.len == 0 || (path.len == 1 && path.p[0] == '.') || memchr(path.p, 0, path.len))
                return 0; /* "/." begins each list */
        st->paths++;
        return ops->path(path, arg);
}

/* ---- dpkg ---- */

struct paragraph {
        struct bytes name, version, status;
        bool any;
};

/* "install ok installed"; an image without a package manager says nothing. */
static bool is_installed(struct bytes status)
{
        return status.len == 0 || bytes_has_suffix(status, BYTES_LIT(" installed"));
}

static int end_paragraph(struct paragraph *p, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        struct paragraph was = *p;

        memset(p, 0, sizeof(*p));
        if (!was.any || !is_installed(was.status))
                return 0;
        if (was.name.len == 0 || was.version.len == 0) {
                st->malformed++;
                return 0;
        }
        st->packages++;
        return ops->package(cut(was.name), cut(was.version), arg);
}

/* deb-control(5): of US-ASCII without control characters, space and colon. */
static bool is_field_name(struct bytes b)
{
        for (uint32_t i = 0; i < b.len; i++)
                if (b.p[i] < '!' || b.p[i] > '~')
                        return false;
        return b.len > 0;
}

static void take_field(struct paragraph *p, struct bytes line, struct packages_stats *st)
{
        static const struct {
                const char *name;
                size_t offset;
        } fields[] = {{"Package", offsetof(struct paragraph, name)},
                      {"Version", offsetof(struct paragraph, version)},
                      {"Status", offsetof(struct paragraph, status)}};
        const uint8_t *colon = memchr(line.p, ':', line.len);
        struct bytes name;

        p->any = true;
        if (line.p[0] == ' ' || line.p[0] == '\t')
                return; /* the field before goes on */
        if (!colon || !is_field_name(bytes_of(line.p, (size_t)(colon - line.p)))) {
                st->malformed++;
                return;
        }
        name = bytes_of(line.p, (size_t)(colon - line.p));
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                if (bytes_eq(name, bytes_str(fields[i].name)))
                        *(struct bytes *)((char *)p + fields[i].offset) =
                                trimmed(bytes_of(colon + 1, line.len - name.len - 1));
}

int dpkg_parse_status(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        struct paragraph p = {.any = false};
        struct bytes line;
        int r = 0;

        while (r == 0 && next_line(&text, &line)) {
                if (trimmed(line).len == 0)
                        r = end_paragraph(&p, ops, arg, st);
                else
                        take_field(&p, line, st);
        }
        return r < 0 ? r : end_paragraph(&p, ops, arg, st);
}

int dpkg_parse_list(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        struct bytes line;
        int r = 0;

        while (r == 0 && next_line(&text, &line))
                r = tell_path(line, ops, arg, st);
        return r;
}

int dpkg_parse_sums(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        struct bytes line;
        int r = 0;

        while (r == 0 && next_line(&text, &line)) {
                if (line.len == 0)
                        continue;
                if (line.len < 35 || line.p[32] != ' ') { /* MD5 in hex, two blanks, the path */
                        st->malformed++;
                        continue;
                }
                r = tell_path(bytes_of(line.p + 34, line.len - 34), ops, arg, st);
        }
        return r;
}

struct bytes dpkg_list_owner(struct bytes file)
{
        int slash = bytes_rfind(file, '/'), dot, colon;

        file = bytes_of(file.p + slash + 1, file.len - (uint32_t)(slash + 1));
        dot = bytes_rfind(file, '.');
        if (dot > 0)
                file.len = (uint32_t)dot;
        colon = bytes_rfind(file, ':');
        if (colon > 0)
                file.len = (uint32_t)colon;
        return file;
}

/* ---- apk ---- */

struct apk {
        struct bytes name, version, dir;
        bool told;
};

/* Before its first file, or at its end. */
static int apk_package(struct apk *a, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        if (a->told || (a->name.len == 0 && a->version.len == 0))
                return 0;
        a->told = true;
        if (a->name.len == 0 || a->version.len == 0) {
                st->malformed++;
                return 0;
        }
        st->packages++;
        return ops->package(cut(a->name), cut(a->version), arg);
}

static int apk_file(struct apk *a, struct bytes name, const struct packages_ops *ops, void *arg,
                    struct packages_stats *st)
{
        uint8_t path[4096];
        int r = apk_package(a, ops, arg, st);

        if (r < 0)
                return r;
        if (a->name.len == 0 || name.len == 0 || a->dir.len + 1 + name.len > sizeof(path)) {
                st->malformed++;
                return 0;
        }
        if (a->dir.len == 0)
                return tell_path(name, ops, arg, st);
        memcpy(path, a->dir.p, a->dir.len);
        path[a->dir.len] = '/';
        memcpy(path + a->dir.len + 1, name.p, name.len);
        return tell_path(bytes_of(path, a->dir.len + 1 + name.len), ops, arg, st);
}

int apk_parse_installed(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st)
{
        struct apk a = {.told = false};
        struct bytes line;
        int r = 0;

        while (r == 0 && next_line(&text, &line)) {
                struct bytes value;

                if (line.len == 0) { /* the package ends */
                        r = apk_package(&a, ops, arg, st);
                        memset(&a, 0, sizeof(a));
                        continue;
                }
                if (line.len < 2 || line.p[1] != ':') {
                        st->malformed++;
                        continue;
                }
                value = bytes_of(line.p + 2, line.len - 2);
                switch (line.p[0]) {
                case 'P':
                        a.name = value;
                        break;
                case 'V':
                        a.version = value;
                        break;
                case 'F':
                        a.dir = value;
                        break;
                case 'R':
                        r = apk_file(&a, value, ops, arg, st);
                        break;
                default: /* what else is known of it */
                        break;
                }
        }
        return r < 0 ? r : apk_package(&a, ops, arg, st);
}
