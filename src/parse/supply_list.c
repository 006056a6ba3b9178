/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: packages and files of an SBOM, in two passes: packages first, for files name them by number. Must not: hold
 * more of it than numbers of what names what (SPDX), bounded. Pure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse/supply-priv.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define NAME_MAX_BYTES 1024u /* of a package's name, of its version */
#define PATH_MAX_BYTES 4096u
#define NESTED 32u
#define SEED ((struct map_seed){0x746964656d61726b, 0x7370647869647361})

enum row { ROW_COMPONENTS, ROW_PACKAGES, ROW_FILES, ROW_RELATIONS, ROW_PREDICATE, ROW_IN_COMPONENTS, ROW_IN_PACKAGES,
           ROW_IN_FILES, ROW_IN_RELATIONS, ROW__MAX };
static const struct jsonsplit_row rows[ROW__MAX] = {
        [ROW_COMPONENTS] = {-1, "components", JSONSPLIT_EACH},
        [ROW_PACKAGES] = {-1, "packages", JSONSPLIT_EACH},
        [ROW_FILES] = {-1, "files", JSONSPLIT_EACH},
        [ROW_RELATIONS] = {-1, "relationships", JSONSPLIT_EACH},
        [ROW_PREDICATE] = {-1, "predicate", JSONSPLIT_ENTER},
        [ROW_IN_COMPONENTS] = {ROW_PREDICATE, "components", JSONSPLIT_EACH},
        [ROW_IN_PACKAGES] = {ROW_PREDICATE, "packages", JSONSPLIT_EACH},
        [ROW_IN_FILES] = {ROW_PREDICATE, "files", JSONSPLIT_EACH},
        [ROW_IN_RELATIONS] = {ROW_PREDICATE, "relationships", JSONSPLIT_EACH},
};

/* SPDX names everything by an id, of which a hash is kept. */
struct link {
        uint64_t from, to; /* of a package: its id, its number + 1; of a file: its id, its package's id */
};
struct links {
        struct link *all;
        uint32_t n, cap;
        uint64_t left_out;
};

struct lists {
        struct supply *s;
        struct supply_document *d;
        bool files; /* the second pass */
        uint32_t npackages; /* passed, of this pass */
        struct links packages, owned;
        int err;
        char path[PATH_MAX_BYTES + 2];
};

static int add_link(struct links *l, uint32_t max, uint64_t from, uint64_t to)
{
        if (l->n >= max) {
                l->left_out++;
                return 0;
        }
        if (l->n == l->cap) {
                uint32_t more = l->cap ? 2 * l->cap : 1024;
                struct link *p = realloc(l->all, more * sizeof(*p));

                if (!p)
                        return -ENOMEM;
                l->all = p;
                l->cap = more;
        }
        l->all[l->n++] = (struct link){from, to};
        return 0;
}

static int by_from(const void *a, const void *b)
{
        const struct link *x = a, *y = b;

        if (x->from != y->from)
                return x->from < y->from ? -1 : 1;
        return x->to < y->to ? -1 : x->to > y->to;
}

static void sort_links(struct links *l)
{
        if (l->n)
                qsort(l->all, l->n, sizeof(l->all[0]), by_from);
}

/* The first one from there; NULL: none. */
static const struct link *find_link(const struct links *l, uint64_t from)
{
        uint32_t low = 0, high = l->n;

        while (low < high) {
                uint32_t mid = low + (high - low) / 2;

                if (l->all[mid].from < from)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low < l->n && l->all[low].from == from ? &l->all[low] : NULL;
}

static uint64_t id_of(const char *id)
{
        return map_hash(SEED, bytes_str(id));
}

/* ---- telling ---- */

static uint8_t db_of(const char *purl)
{
        static const struct {
                const char *prefix;
                uint8_t db;
        } kinds[] = {{"pkg:deb/", PACKAGE_DPKG}, {"pkg:apk/", PACKAGE_APK}, {"pkg:rpm/", PACKAGE_RPM}};

        for (size_t i = 0; purl && i < ARRAY_LEN(kinds); i++)
                if (strncmp(purl, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
                        return kinds[i].db;
        return PACKAGE_UNKNOWN;
}

/* False: it is none that is taken. Counted in both passes alike, so that numbers fit. */
static bool tell_package(struct lists *l, const char *name, const char *version, const char *purl)
{
        struct tide_prior_package p = {.db = db_of(purl), .name = bytes_str(name), .version = bytes_str(version)};

        if (p.name.len == 0 || p.name.len > NAME_MAX_BYTES || p.version.len > NAME_MAX_BYTES ||
            l->npackages >= l->s->set->max_entries) {
                l->d->entries_refused += !l->files;
                return false;
        }
        l->npackages++;
        if (l->files)
                return true;
        l->d->packages++;
        if (l->s->ops->package && l->err == 0)
                l->err = l->s->ops->package(&p, l->s->arg);
        return true;
}

/* As the container sees it: absolute, without "." and "..". */
static bool set_path(struct lists *l, const char *name)
{
        size_t n = 0;

        while (name && (strncmp(name, "./", 2) == 0 || *name == '/'))
                name += *name == '/' ? 1 : 2;
        if (!name || !*name || strlen(name) > PATH_MAX_BYTES)
                return false;
        for (const char *p = name; *p;) {
                size_t part = strcspn(p, "/");

                if (part == 0 || (part == 1 && *p == '.') || (part == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                l->path[n++] = '/';
                memcpy(l->path + n, p, part);
                n += part;
                p += part;
                if (*p == '/')
                        p++;
        }
        l->path[n] = '\0';
        return true;
}

static void tell_file(struct lists *l, const char *name, const char *sha256, uint32_t package)
{
        struct tide_prior_file f = {.package = package, .flags = PRIORF_UNHASHED};
        uint8_t sum[TIDE_SHA256];

        if (!set_path(l, name) || l->d->files >= l->s->set->max_entries) {
                l->d->entries_refused++;
                return;
        }
        f.path = bytes_str(l->path);
        if (supply_sha256(sha256, sum)) {
                f.flags = 0;
                f.sha256 = bytes_of(sum, sizeof(sum));
        }
        l->d->files++;
        if (l->s->ops->file && l->err == 0)
                l->err = l->s->ops->file(&f, l->s->arg);
}

/* ---- CycloneDX ---- */

/* Of {"alg": "SHA-256", "content": …}, and of SPDX's {"algorithm": "SHA256", "checksumValue": …}. */
static const char *find_sha256(const json_t *list, const char *alg, const char *want, const char *value)
{
        const json_t *o;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)list, i, o)
        {
                const char *is = json_string_value(json_object_get(o, alg));

                if (is && strcmp(is, want) == 0)
                        return json_string_value(json_object_get(o, value));
        }
        return NULL;
}

static void occurrences(struct lists *l, const json_t *o, uint32_t package)
{
        const json_t *list = json_object_get(json_object_get(o, "evidence"), "occurrences"), *one;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)list, i, one)
        {
                const char *at = json_string_value(json_object_get(one, "location"));

                if (at && *at == '/') /* some name a line of a manifest, or what is no path at all */
                        tell_file(l, at, NULL, package);
        }
}

/* package: of the component that this one is within. */
static void component(struct lists *l, const json_t *o, uint32_t package, unsigned depth)
{
        const char *type = json_string_value(json_object_get(o, "type"));
        const char *name = json_string_value(json_object_get(o, "name"));
        const json_t *inner = json_object_get(o, "components"), *c;
        char full[NAME_MAX_BYTES + 2];
        size_t i;

        if (!type || !name || depth == NESTED) {
                l->d->entries_refused += !l->files;
                return;
        }
        if (strcmp(type, "file") == 0) {
                if (l->files)
                        tell_file(l, name, find_sha256(json_object_get(o, "hashes"), "alg", "SHA-256", "content"),
                                  package);
        } else {
                const char *group = json_string_value(json_object_get(o, "group"));

                if (group && *group && strlen(group) + strlen(name) < NAME_MAX_BYTES) {
                        strcpy(full, group); /* there is room */
                        strcat(full, "/");
                        strcat(full, name);
                        name = full;
                }
                if (tell_package(l, name, json_string_value(json_object_get(o, "version")),
                                 json_string_value(json_object_get(o, "purl"))))
                        package = l->npackages;
                if (l->files)
                        occurrences(l, o, package);
        }
        json_array_foreach((json_t *)(uintptr_t)inner, i, c) component(l, c, package, depth + 1);
}

/* ---- SPDX ---- */

static bool is_image(const json_t *o)
{
        const char *purpose = json_string_value(json_object_get(o, "primaryPackagePurpose"));

        return purpose && strcmp(purpose, "CONTAINER") == 0;
}

static const char *purl_of(const json_t *o)
{
        const json_t *list = json_object_get(o, "externalRefs"), *ref;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)list, i, ref)
        {
                const char *type = json_string_value(json_object_get(ref, "referenceType"));

                if (type && strcmp(type, "purl") == 0)
                        return json_string_value(json_object_get(ref, "referenceLocator"));
        }
        return NULL;
}

static int spdx_package(struct lists *l, const json_t *o)
{
        const char *id = json_string_value(json_object_get(o, "SPDXID"));
        const json_t *has = json_object_get(o, "hasFiles"), *file;
        uint32_t max = l->s->set->max_entries;
        int r = 0;
        size_t i;

        if (is_image(o) || l->files)
                return 0;
        if (!tell_package(l, json_string_value(json_object_get(o, "name")),
                          json_string_value(json_object_get(o, "versionInfo")), purl_of(o)) ||
            !id)
                return 0;
        r = add_link(&l->packages, max, id_of(id), l->npackages);
        json_array_foreach((json_t *)(uintptr_t)has, i, file) if (r == 0 && json_string_value(file)) r =
                add_link(&l->owned, 4 * max, id_of(json_string_value(file)), id_of(id));
        return r;
}

static int relation(struct lists *l, const json_t *o)
{
        const char *from = json_string_value(json_object_get(o, "spdxElementId"));
        const char *to = json_string_value(json_object_get(o, "relatedSpdxElement"));
        const char *type = json_string_value(json_object_get(o, "relationshipType"));

        if (!from || !to || !type)
                return 0;
        if (strcmp(type, "CONTAINS") == 0)
                return add_link(&l->owned, 4 * l->s->set->max_entries, id_of(to), id_of(from));
        if (strcmp(type, "CONTAINED_BY") == 0)
                return add_link(&l->owned, 4 * l->s->set->max_entries, id_of(from), id_of(to));
        return 0;
}

static void spdx_file(struct lists *l, const json_t *o)
{
        const char *id = json_string_value(json_object_get(o, "SPDXID"));
        const struct link *k = id ? find_link(&l->owned, id_of(id)) : NULL, *end = l->owned.all + l->owned.n;
        uint32_t package = 0;

        for (uint64_t from = k ? k->from : 0; k && k < end && k->from == from && package == 0; k++) {
                const struct link *p = find_link(&l->packages, k->to);

                package = p ? (uint32_t)p->to : 0;
        }
        tell_file(l, json_string_value(json_object_get(o, "fileName")),
                  find_sha256(json_object_get(o, "checksums"), "algorithm", "SHA256", "checksumValue"), package);
}

/* ---- both ---- */

static bool of_spdx(const struct lists *l)
{
        return l->d->form == SUPPLY_SPDX;
}

static int on_value(int row, struct bytes text, void *arg)
{
        struct lists *l = arg;
        _cleanup_json_ json_t *o = NULL;
        int r = 0;

        row = row > ROW_PREDICATE ? row - ROW_PREDICATE - 1 : row;
        if ((row == ROW_COMPONENTS) == of_spdx(l) || (l->files ? row == ROW_RELATIONS : row == ROW_FILES))
                return 0;
        if (l->files && row == ROW_PACKAGES)
                return 0;
        o = supply_json(text);
        if (!json_is_object(o)) {
                l->d->entries_refused += !l->files || row == ROW_FILES;
                return 0;
        }
        if (row == ROW_COMPONENTS)
                component(l, o, 0, 0);
        else if (row == ROW_PACKAGES)
                r = spdx_package(l, o);
        else if (row == ROW_RELATIONS)
                r = relation(l, o);
        else
                spdx_file(l, o);
        return r < 0 ? r : l->err;
}

int supply_lists(struct supply *s, struct supply_doc *doc)
{
        static const struct jsonsplit_ops ops = {.value = on_value};
        struct lists *l = calloc(1, sizeof(*l));
        uint64_t refused = 0, again = 0;
        int r = l ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        l->s = s;
        l->d = &doc->d;
        doc->d.packages = doc->d.files = doc->d.entries_refused = 0;
        r = supply_split(s, doc, rows, ARRAY_LEN(rows), &ops, l, &refused);
        sort_links(&l->packages);
        sort_links(&l->owned);
        l->files = true;
        l->npackages = 0;
        if (r == 0)
                r = supply_split(s, doc, rows, ARRAY_LEN(rows), &ops, l, &again);
        doc->d.entries_refused += (uint32_t)refused;
        free(l->packages.all);
        free(l->owned.all);
        free(l);
        return r;
}
