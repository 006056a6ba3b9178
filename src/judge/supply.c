/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: SBOMs' tables in memory: how events fill them, which of several counts, whose they are. Must not: say what they
 * mean to a finding (supply_match.c), nor believe that what comes fits together. Pure.
 */
#include "judge/supply-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

#define RECORDS_SEED ((struct map_seed){0x746964656d61726b, 0x737570706c797265})
#define NAMES_SEED ((struct map_seed){0x746964656d61726b, 0x6e616d6573737570})

/* ---- memory ---- */

struct supply_sbom *supply_sbom_new(struct bytes digest)
{
        struct supply_sbom *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        package_list_init(&s->packages);
        if (str_set(&s->digest, digest) < 0) {
                supply_sbom_free(s);
                return NULL;
        }
        return s;
}

void supply_sbom_free(void *p)
{
        struct supply_sbom *s = p;

        if (!s)
                return;
        str_clear(&s->digest);
        package_list_release(&s->packages);
        free(s->by_name);
        free(s->files);
        free(s);
}

int supply_open(struct judge *j)
{
        return map_new(j->p.max_records, RECORDS_SEED, supply_sbom_free, &j->supply.sboms);
}

static void drop_coming(struct judge *j)
{
        supply_sbom_free(j->supply.coming);
        j->supply.coming = NULL;
}

void supply_close(struct judge *j)
{
        drop_coming(j);
        map_free(j->supply.sboms);
}

size_t supply_bytes(const struct judge *j)
{
        size_t sum = 0;
        void *value;

        for (size_t i = 0; map_next(j->supply.sboms, &i, NULL, &value);) {
                const struct supply_sbom *s = value;

                sum += sizeof(*s) + s->files_cap * sizeof(s->files[0]) + package_list_bytes(&s->packages) +
                       s->packages.n * sizeof(s->by_name[0]);
        }
        return sum;
}

/* ---- an SBOM's tables ---- */

int supply_add_file(struct supply_sbom *s, const struct supply_file *f)
{
        int r = array_grow((void **)&s->files, &s->files_cap, s->nfiles, sizeof(*s->files));

        if (r < 0)
                return r;
        s->files[s->nfiles++] = *f;
        s->listed += !(f->package & SUPPLY_ALIAS);
        s->sorted = false;
        return 0;
}

/* Of one path: as told before by a link, and those with a content before those without. */
static int by_path(const void *a, const void *b)
{
        const struct supply_file *x = a, *y = b;
        int c;

        if (x->path != y->path)
                return x->path < y->path ? -1 : 1;
        if ((x->package ^ y->package) & SUPPLY_ALIAS)
                return x->package & SUPPLY_ALIAS ? 1 : -1;
        if ((x->package ^ y->package) & SUPPLY_HASHED)
                return x->package & SUPPLY_HASHED ? -1 : 1;
        c = memcmp(x->content, y->content, sizeof(x->content));
        return c ? c : x->package < y->package ? -1 : x->package > y->package;
}

struct named {
        uint64_t hash;
        uint32_t number;
};

static int by_hash(const void *a, const void *b)
{
        const struct named *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

static int index_names(struct supply_sbom *s)
{
        struct named *all = s->packages.n ? malloc(s->packages.n * sizeof(*all)) : NULL;
        uint32_t *numbers = s->packages.n ? malloc(s->packages.n * sizeof(*numbers)) : NULL;
        struct tide_prior_package p;

        if (s->packages.n && (!all || !numbers)) {
                free(all);
                free(numbers);
                return -ENOMEM;
        }
        memset(s->dbs, 0, sizeof(s->dbs));
        for (uint32_t i = 0; i < s->packages.n && package_list_get(&s->packages, i, &p); i++) {
                all[i] = (struct named){map_hash(NAMES_SEED, p.name), i};
                s->dbs[p.db]++;
        }
        if (s->packages.n)
                qsort(all, s->packages.n, sizeof(*all), by_hash);
        for (uint32_t i = 0; i < s->packages.n; i++)
                numbers[i] = all[i].number;
        free(all);
        free(s->by_name);
        s->by_name = numbers;
        return 0;
}

static uint64_t name_at(const struct supply_sbom *s, uint32_t i, struct tide_prior_package *ret)
{
        *ret = (struct tide_prior_package){.db = 0};
        package_list_get(&s->packages, s->by_name[i], ret);
        return map_hash(NAMES_SEED, ret->name);
}

void supply_names(const struct supply_sbom *s, struct bytes name, struct supply_names *ret)
{
        uint64_t want = map_hash(NAMES_SEED, name);
        uint32_t low = 0, high = s->packages.n;
        struct tide_prior_package p;

        while (low < high) {
                uint32_t mid = low + (high - low) / 2;

                if (name_at(s, mid, &p) < want)
                        low = mid + 1;
                else
                        high = mid;
        }
        *ret = (struct supply_names){.at = low, .name = name};
}

bool supply_next_named(const struct supply_sbom *s, struct supply_names *at, struct tide_prior_package *ret)
{
        if (at->at >= s->packages.n)
                return false;
        name_at(s, at->at++, ret);
        return bytes_eq(ret->name, at->name);
}

/* Also the array is made as small as what it holds. */
int supply_sort(struct supply_sbom *s)
{
        struct supply_file *p;

        if (s->nfiles && !s->sorted) {
                qsort(s->files, s->nfiles, sizeof(s->files[0]), by_path);
                p = realloc(s->files, s->nfiles * sizeof(s->files[0]));
                if (p) {
                        s->files = p;
                        s->files_cap = s->nfiles;
                }
        }
        s->sorted = true;
        s->covered_of = NULL;
        return index_names(s);
}

const struct supply_file *supply_find_file(const struct supply_sbom *s, struct bytes path)
{
        uint64_t want = prior_path(path);
        uint32_t low = 0, high = s->nfiles;

        while (low < high) {
                uint32_t mid = low + (high - low) / 2;

                if (s->files[mid].path < want)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low < s->nfiles && s->files[low].path == want ? &s->files[low] : NULL;
}

bool supply_is_usable(const struct supply_sbom *s)
{
        return s && s->signature != SIGNATURE_BAD && s->sorted && s->nfiles == s->files_told &&
               s->packages.n == s->packages.told;
}

bool supply_is_better(const struct supply_sbom *a, const struct supply_sbom *b)
{
        static const uint8_t rank[SIGNATURE__MAX] = {
                [SIGNATURE_BAD] = 0, [SIGNATURE_UNKNOWN] = 1, [SIGNATURE_NONE] = 1, [SIGNATURE_VERIFIED] = 2};

        if (rank[a->signature] != rank[b->signature])
                return rank[a->signature] > rank[b->signature];
        if ((a->listed > 0) != (b->listed > 0))
                return a->listed > 0;
        return a->told_ns >= b->told_ns;
}

/* ---- whose it is ---- */

static bool has_digest(const struct workload *w, struct bytes digest)
{
        return bytes_eq(str_get(&w->digest), digest) || bytes_eq(str_get(&w->manifest), digest);
}

int supply_use_of(const struct judge *j, struct bytes digest)
{
        void *value;
        int use = 0;

        for (size_t i = 0; use < 2 && map_next(j->workloads, &i, NULL, &value);) {
                const struct workload *w = value;

                if (has_digest(w, digest))
                        use = w->running ? 2 : 1;
        }
        return use;
}

/* digest empty: of all. */
static void weigh_digest(struct judge *j, struct bytes digest)
{
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);)
                if (digest.len == 0 || has_digest(value, digest))
                        supply_reweigh(j, value);
}

int supply_joined(struct judge *j, struct workload *w, struct bytes manifest)
{
        int r;

        if (manifest.len == 0 || bytes_eq(str_get(&w->manifest), manifest))
                return 0;
        r = str_set(&w->manifest, manifest);
        if (r < 0)
                return r;
        supply_reweigh(j, w);
        return 1;
}

/* ---- events ---- */

static int begin(struct judge *j, const struct tide_event *ev)
{
        const struct tide_supply *t = &ev->supply;

        drop_coming(j);
        if (t->digest.len > SUPPLY_DIGEST)
                return 0;
        j->supply.coming = supply_sbom_new(t->digest);
        if (!j->supply.coming)
                return -ENOMEM;
        memcpy(j->supply.coming->document, t->document.p, TIDE_SHA256);
        j->supply.coming->signature = t->signature;
        return 0;
}

static int packages(struct judge *j, const struct tide_event *ev)
{
        struct supply_sbom *s = j->supply.coming;

        return ev->supply.first == s->packages.told ? package_list_add(&s->packages, ev->supply.list) : 0;
}

/* The same file under the name that it has where /bin is a link. */
static int add_alias(struct judge *j, struct supply_sbom *s, const struct supply_file *f, struct bytes path)
{
        static const char *const links[] = {"/bin/", "/sbin/", "/lib/", "/lib64/"};
        struct supply_file alias = *f;

        for (size_t i = 0; i < ARRAY_LEN(links); i++) {
                if (!bytes_has_prefix(path, bytes_str(links[i])))
                        continue;
                buf_reset(&j->subject);
                buf_put_str(&j->subject, "/usr");
                buf_put(&j->subject, path.p, path.len);
                if (j->subject.err)
                        return j->subject.err == -ENOMEM ? -ENOMEM : 0;
                alias.path = prior_path(buf_bytes(&j->subject));
                alias.package |= SUPPLY_ALIAS;
                return supply_add_file(s, &alias);
        }
        return 0;
}

static int add_file(struct judge *j, struct supply_sbom *s, const struct tide_prior_file *t)
{
        struct supply_file f = {.path = prior_path(t->path)};
        int r;

        s->files_told++;
        if (s->listed >= j->p.max_record_entries) {
                s->refused++;
                return 0;
        }
        if (t->package && t->package <= s->packages.n)
                f.package = t->package;
        if (t->sha256.len == TIDE_SHA256) {
                memcpy(f.content, t->sha256.p, sizeof(f.content));
                f.package |= SUPPLY_HASHED;
        }
        r = supply_add_file(s, &f);
        return r < 0 ? r : add_alias(j, s, &f, t->path);
}

static int files(struct judge *j, const struct tide_event *ev)
{
        struct supply_sbom *s = j->supply.coming;
        struct tide_prior_file t;
        struct rd r;
        int err = 0;

        if (ev->supply.first != s->files_told)
                return 0;
        rd_init(&r, ev->supply.list.p, ev->supply.list.len);
        while (err == 0 && tide_prior_file_next(&r, &t))
                err = add_file(j, s, &t);
        return err;
}

/* What was told and did not come along is missing. */
static uint32_t missing(const struct supply_sbom *s, const struct tide_supply *t)
{
        uint32_t packages_missing = t->packages > s->packages.told ? t->packages - s->packages.told : 0,
                 files_missing = t->files > s->files_told ? t->files - s->files_told : 0;

        return packages_missing + files_missing + (uint32_t)s->packages.refused;
}

static int take(struct judge *j, struct supply_sbom *s)
{
        struct supply_sbom *old = map_get(j->supply.sboms, str_get(&s->digest));
        int r;

        if (old && !supply_is_better(s, old)) {
                supply_sbom_free(s);
                return 0;
        }
        if (old)
                supply_drop(j, old);
        r = map_put(j->supply.sboms, str_get(&s->digest), s);
        if (r < 0) {
                supply_sbom_free(s);
                return r == ERR_LIMIT ? 0 : r; /* records.c holds the same limit */
        }
        supply_save(j, s);
        return 0;
}

static int end(struct judge *j, const struct tide_event *ev)
{
        struct supply_sbom *s = j->supply.coming;
        int r;

        j->supply.coming = NULL;
        s->told_ns = ev->wall_ns;
        s->refused += ev->supply.refused + missing(s, &ev->supply);
        s->packages.refused = 0;
        s->packages.told = s->packages.n;
        s->files_told = s->nfiles;
        r = supply_sort(s);
        if (r < 0) {
                supply_sbom_free(s);
                return r;
        }
        return take(j, s);
}

void supply_forget(struct judge *j, struct bytes digest, struct bytes document)
{
        struct supply_sbom *s = map_get(j->supply.sboms, digest), *coming = j->supply.coming;

        if (document.len != TIDE_SHA256)
                return;
        if (coming && bytes_eq(str_get(&coming->digest), digest) &&
            memcmp(coming->document, document.p, TIDE_SHA256) == 0)
                drop_coming(j);
        if (!s || memcmp(s->document, document.p, TIDE_SHA256) != 0)
                return;
        supply_drop(j, s);
        if (map_del(j->supply.sboms, digest) < 0)
                j->stats.refused++;
}

static bool is_of_coming(const struct judge *j, const struct tide_supply *t)
{
        const struct supply_sbom *s = j->supply.coming;

        return s && bytes_eq(t->digest, str_get(&s->digest)) && t->document.len == TIDE_SHA256 &&
               memcmp(s->document, t->document.p, TIDE_SHA256) == 0;
}

int supply_event(struct judge *j, const struct tide_event *ev, bool changed)
{
        static int (*const parts[SUPPLY__PART_MAX])(struct judge *, const struct tide_event *) = {
                [SUPPLY_BEGIN] = begin, [SUPPLY_PACKAGES] = packages, [SUPPLY_FILES] = files, [SUPPLY_END] = end};
        const struct tide_supply *t = &ev->supply;
        int r = 0;

        if (t->part == SUPPLY_BEGIN ? j->records.coming != NULL
                                    : t->part < SUPPLY__PART_MAX && parts[t->part] && is_of_coming(j, t))
                r = parts[t->part](j, ev);
        if (r == 0 && changed && t->part != SUPPLY_ADMISSION) /* of which many come at once, and none weighs anything */
                weigh_digest(j, t->digest);
        return r;
}
