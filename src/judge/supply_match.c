/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what records of an image say of the paths of a finding. Must not: weigh it (score_supply.c), or change
 * anything. Pure.
 *
 * A path is one that was run, loaded or changed, as the kernel names it. What is not known is said to be so: a record
 * that lists few files says nothing by what it lacks, one whose signature does not fit says nothing at all.
 */
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/supply-priv.h"
#include "tidemark/err.h"

/* ---- the SBOM that counts ---- */

struct supply_sbom *supply_sbom_of(const struct judge *j, struct bytes config, struct bytes manifest)
{
        struct supply_sbom *a = config.len ? map_get(j->supply.sboms, config) : NULL,
                           *b = manifest.len ? map_get(j->supply.sboms, manifest) : NULL;

        if (!a || !b)
                return a ? a : b;
        return supply_is_better(a, b) ? a : b;
}

bool supply_has_sbom(const struct judge *j, const struct finding *f)
{
        const struct workload *w = map_count(j->supply.sboms) ? group_workload(j, f) : NULL;

        return w && supply_sbom_of(j, str_get(&f->digest), str_get(&w->manifest)) != NULL;
}

static enum judge_tri tri(bool yes)
{
        return yes ? TRI_YES : TRI_NO;
}

/* Some documents have a path twice. */
static enum judge_tri fits_run(const struct supply_sbom *s, const struct supply_file *f, const uint8_t *sha256)
{
        const struct supply_file *end = s->files + s->nfiles;

        if (!(f->package & SUPPLY_HASHED))
                return TRI_UNKNOWN;
        for (const struct supply_file *x = f; x < end && x->path == f->path; x++)
                if (x->package & SUPPLY_HASHED && memcmp(x->content, sha256, SUPPLY_CONTENT) == 0)
                        return TRI_YES;
        return TRI_NO;
}

/* Of the image's own file less is known. */
static enum judge_tri fits_image(const struct supply_sbom *s, const struct supply_file *f, uint32_t content)
{
        const struct supply_file *end = s->files + s->nfiles;
        struct rd r;

        if (content == 0 || !(f->package & SUPPLY_HASHED))
                return TRI_UNKNOWN;
        for (const struct supply_file *x = f; x < end && x->path == f->path; x++) {
                rd_init(&r, x->content, sizeof(x->content));
                if (x->package & SUPPLY_HASHED && rd_u32(&r) == content)
                        return TRI_YES;
        }
        return TRI_NO;
}

/* Both tables are sorted by the hashes of their paths. */
static struct judge_cover count_cover(const struct supply_sbom *s, const struct prior_image *im)
{
        struct judge_cover c = {.files = im->nfiles};
        const struct supply_file *f = s->files, *end = s->files + s->nfiles;

        for (uint32_t i = 0; i < im->nfiles; i++) {
                while (f < end && f->path < im->files[i].path)
                        f++;
                if (f == end || f->path != im->files[i].path)
                        continue;
                c.listed++;
                c.differ += fits_image(s, f, im->files[i].content) == TRI_NO;
        }
        return c;
}

static struct judge_cover cover_of(const struct judge *j, struct supply_sbom *s, struct bytes config)
{
        const struct prior_image *im = prior_image_usable(j, config);

        if (!im)
                return (struct judge_cover){.files = 0};
        if (s->covered_of != im || s->covered_ns != im->analysed_ns) {
                s->cover = count_cover(s, im);
                s->covered_of = im;
                s->covered_ns = im->analysed_ns;
        }
        return s->cover;
}

static enum judge_sbom_state state_of(const struct supply_sbom *s, const struct judge_cover *c)
{
        if (s->signature == SIGNATURE_BAD)
                return SBOM_BAD_SIGNATURE;
        if (!supply_is_usable(s))
                return SBOM_PARTIAL;
        if (s->listed == 0)
                return SBOM_NO_FILES;
        if (s->refused)
                return SBOM_PARTIAL;
        return c->files && c->listed < c->files - c->listed ? SBOM_FEW_FILES : SBOM_FILES;
}

/* ---- paths ---- */

/* Only whole: the middle of a very long one is not kept. */
static bool has_path(const struct finding_signal *s)
{
        struct bytes path = str_get(&s->subject);

        if (s->kind != DIM_PROCESS && s->kind != DIM_FILE &&
            !(s->kind == DIM_PRIVILEGE && bytes_eq(str_get(&s->operation), BYTES_LIT("mapped"))))
                return false;
        return path.len && path.p[0] == '/' && path.len < NAME_KEPT - 56;
}

static struct judge_compared *path_of(struct judge_comparison *c, struct bytes path)
{
        for (uint32_t i = 0; i < c->npaths; i++)
                if (bytes_eq(c->paths[i].path, path))
                        return &c->paths[i];
        c->paths[c->npaths] = (struct judge_compared){.path = path};
        return &c->paths[c->npaths++];
}

/* None of the image, and none of a volume's, which no SBOM is about. */
static bool is_written(uint8_t layer)
{
        return layer == LAYER_WRITE || layer == LAYER_TMPFS || layer == LAYER_MEMFD || layer == LAYER_DELETED;
}

static const struct supply_file *find_in(const struct judge *j, const struct supply_sbom *s, struct bytes config,
                                         struct bytes path)
{
        const struct supply_file *f = supply_find_file(s, path);

        /* By the link's name: only if the image has it there. */
        if (f && f->package & SUPPLY_ALIAS && prior_image_usable(j, config) &&
            prior_lookup_in(j, config, path).verdict < PRIOR_OWNED)
                return NULL;
        return f;
}

/* "1:2.3-4" and "2.3-4" are one version: not everybody writes the epoch. */
static struct bytes without_epoch(struct bytes v)
{
        for (uint32_t i = 0; i < v.len; i++) {
                if (v.p[i] == ':')
                        return i ? bytes_of(v.p + i + 1, v.len - i - 1) : v;
                if (v.p[i] < '0' || v.p[i] > '9')
                        break;
        }
        return v;
}

static bool same_version(struct bytes a, struct bytes b)
{
        struct bytes x = without_epoch(a), y = without_epoch(b);

        return bytes_eq(a, b) || ((x.len == a.len || y.len == b.len) && bytes_eq(x, y));
}

static void compare_package(const struct supply_sbom *s, const struct prior_fact *fact, struct judge_compared *c)
{
        struct tide_prior_package p;
        struct supply_names at;

        c->package = fact->package;
        c->version = fact->version;
        supply_names(s, fact->package, &at);
        while (supply_next_named(s, &at, &p)) {
                if (same_version(p.version, fact->version)) {
                        c->package_in_sbom = TRI_YES;
                        c->sbom_version = bytes_of(NULL, 0);
                        return;
                }
                c->package_in_sbom = TRI_NO;
                c->sbom_version = p.version;
        }
        /* One that lists none of this kind of package is about something else. */
        if (c->package_in_sbom == TRI_UNKNOWN && s->refused == 0 && fact->db < PACKAGE__MAX && s->dbs[fact->db])
                c->package_in_sbom = TRI_NO;
}

static void compare_path(const struct judge *j, const struct supply_sbom *s, enum judge_sbom_state state,
                         struct bytes config, const struct finding_signal *ran, struct judge_compared *c)
{
        struct prior_fact fact = prior_lookup_in(j, config, c->path);
        const struct supply_file *f = s ? find_in(j, s, config, c->path) : NULL;
        struct tide_prior_package p;

        if (fact.verdict != PRIOR_NOT_ANALYSED)
                c->in_image = tri(fact.verdict != PRIOR_NOT_IN_IMAGE);
        if (!s || c->layer == LAYER_MOUNT)
                return;
        if (fact.verdict == PRIOR_OWNED)
                compare_package(s, &fact, c);
        if (!f) {
                if (state == SBOM_FILES)
                        c->in_sbom = TRI_NO;
                return;
        }
        c->in_sbom = TRI_YES;
        c->image_fits = fits_image(s, f, fact.content);
        if (ran)
                c->run_fits = fits_run(s, f, ran->sha256);
        c->mixed = ran && c->run_fits == TRI_YES && ran->flags & SIGNAL_MIXED;
        if (c->mixed)
                c->run_fits = TRI_UNKNOWN;
        if (c->package.len == 0 && package_list_get(&s->packages, (f->package & SUPPLY_PACKAGE) - 1, &p)) {
                c->package = p.name;
                c->version = p.version;
                c->package_by_sbom = true;
                c->package_in_sbom = TRI_YES;
        }
}

static void compare_paths(const struct judge *j, const struct finding *f, struct supply_sbom *s, struct bytes config,
                          struct judge_comparison *ret)
{
        const struct finding_signal *ran[FINDING_SIGNALS] = {NULL};
        const struct supply_sbom *used = supply_is_usable(s) ? s : NULL;

        for (uint32_t i = 0; i < f->nsignals; i++) {
                const struct finding_signal *x = &f->signals[i];
                struct judge_compared *c;

                if (!has_path(x))
                        continue;
                c = path_of(ret, str_get(&x->subject));
                if (x->kind == DIM_FILE)
                        continue;
                c->ran = true;
                c->layer = x->layer;
                if (is_written(x->layer) && x->hashed)
                        ran[c - ret->paths] = x;
        }
        for (uint32_t i = 0; i < ret->npaths; i++)
                compare_path(j, used, ret->sbom.state, config, ran[i], &ret->paths[i]);
}

/* ---- documents ---- */

static uint8_t trust(uint8_t signature)
{
        static const uint8_t rank[SIGNATURE__MAX] = {
                [SIGNATURE_BAD] = 0, [SIGNATURE_UNKNOWN] = 1, [SIGNATURE_NONE] = 1, [SIGNATURE_VERIFIED] = 2};

        return signature < SIGNATURE__MAX ? rank[signature] : 0;
}

static bool is_before(const struct judge_statement *a, const struct judge_statement *b, bool by_trust)
{
        if (by_trust && trust(a->signature) != trust(b->signature))
                return trust(a->signature) > trust(b->signature);
        return a->when_ns != b->when_ns ? a->when_ns > b->when_ns : a->imported_ns > b->imported_ns;
}

/* In its order; the last one goes where there is no room. */
static void insert(struct judge_statement *all, uint32_t *n, uint32_t max, uint32_t *more,
                   const struct judge_statement *t, bool by_trust)
{
        uint32_t at = *n;

        while (at > 0 && is_before(t, &all[at - 1], by_trust))
                at--;
        *more += *n == max;
        if (at == max)
                return;
        *n -= *n == max;
        memmove(&all[at + 1], &all[at], (*n - at) * sizeof(*all));
        all[at] = *t;
        ++*n;
}

static int64_t when_of(const struct judge_record *k)
{
        struct tide_event ev;
        size_t used;

        if (tide_decode(k->head.p, k->head.len, &ev, &used) < 0)
                return 0;
        return ev.supply.ended_ns ? ev.supply.ended_ns : ev.supply.began_ns;
}

static void take_record(const struct judge_record *k, struct supply_sbom *s, struct judge_comparison *ret)
{
        const struct judge_statement t = {.digest = k->digest,
                                          .head = k->head,
                                          .signature = k->signature,
                                          .when_ns = when_of(k),
                                          .imported_ns = k->imported_ns};

        switch (k->part) {
        case SUPPLY_PROVENANCE:
                insert(ret->builds, &ret->nbuilds, JUDGE_BUILDS, &ret->builds_more, &t, true);
                break;
        case SUPPLY_ADMISSION:
                insert(ret->admissions, &ret->nadmissions, JUDGE_ADMISSIONS, &ret->admissions_more, &t, false);
                break;
        case SUPPLY_BEGIN:
                if (!k->whole)
                        break;
                if (!s || !bytes_eq(k->digest, str_get(&s->digest)) ||
                    memcmp(k->document.p, s->document, sizeof(s->document)) != 0) {
                        ret->sbom.others++;
                        break;
                }
                ret->sbom.digest = k->digest;
                ret->sbom.head = k->head;
                ret->sbom.signature = k->signature;
                ret->sbom.imported_ns = k->imported_ns;
                break;
        default:
                break;
        }
}

static bool is_of(struct bytes digest, struct bytes config, struct bytes manifest)
{
        return digest.len && (bytes_eq(digest, config) || bytes_eq(digest, manifest));
}

static void take_records(const struct judge *j, struct bytes config, struct bytes manifest, struct supply_sbom *s,
                         struct judge_comparison *ret)
{
        struct judge_record k;

        for (size_t i = 0; judge_record_next(j, &i, &k);)
                if (k.document.len == TIDE_SHA256 && (is_of(k.digest, config, manifest)))
                        take_record(&k, s, ret);
}

/* ---- questions ---- */

/* A table without its document is none: nobody could say whose word it is. */
static void take_table(const struct judge *j, struct supply_sbom *s, struct bytes config, struct judge_sbom *ret)
{
        if (!s || ret->head.len == 0) {
                ret->state = ret->others ? SBOM_NOT_KEPT : SBOM_NONE;
                return;
        }
        if (supply_is_usable(s))
                ret->cover = cover_of(j, s, config);
        ret->state = state_of(s, &ret->cover);
        ret->packages = s->packages.n;
        ret->files = s->listed;
        ret->refused = s->refused;
}

void judge_compare(const struct judge *j, const struct finding *f, struct judge_comparison *ret)
{
        const struct workload *w = group_workload(j, f);
        struct bytes config = str_get(&f->digest), manifest = w ? str_get(&w->manifest) : bytes_of(NULL, 0);
        struct supply_sbom *s = supply_sbom_of(j, config, manifest);

        memset(ret, 0, sizeof(*ret));
        ret->manifest = manifest;
        if (config.len || manifest.len)
                take_records(j, config, manifest, s, ret);
        take_table(j, s, config, &ret->sbom);
        compare_paths(j, f, ret->sbom.head.len ? s : NULL, config, ret);
}

const char *judge_sbom_state_name(unsigned v)
{
        static const char *const words[SBOM__STATE_MAX] = {"none",      "not-kept", "bad-signature", "no-files",
                                                           "few-files", "partial",  "files"};

        return v < SBOM__STATE_MAX ? words[v] : "none";
}
