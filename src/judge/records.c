/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: documents of the supply chain in memory and as pieces. Must not: compare with them, or believe that what comes
 * fits together. Pure.
 *
 * Keys: record: string digest · string document; paper: the same · u32 number of the part.
 */
#include "judge/records-priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

#define SEED ((struct map_seed){0x746964656d61726b, 0x7265636f7264736d})
#define HEAD_BYTES (16u * 1024) /* of one: its texts are bounded (TIDE_SUPPLY_TEXT) */
#define EVER (RECORDS_PAPERS + RECORDS_ADMISSIONS)

struct record {
        struct str_owned digest, document, head;
        uint8_t part, signature;
        bool whole;
        int64_t imported_ns;
        uint32_t packages, files, refused, parts;
};

/* Of one image: how many, and when something came last. */
struct image {
        uint32_t papers, admissions;
        int64_t last_ns;
};

static void record_free(void *p)
{
        struct record *k = p;

        if (!k)
                return;
        str_clear(&k->digest);
        str_clear(&k->document);
        str_clear(&k->head);
        free(k);
}

int records_open(struct judge *j)
{
        int r = map_new(j->p.max_records * EVER, SEED, record_free, &j->records.all);

        return r < 0 ? r : map_new(j->p.max_records, SEED, free, &j->records.images);
}

void records_close(struct judge *j)
{
        map_free(j->records.all);
        map_free(j->records.images);
}

static bool is_admission(const struct record *k)
{
        return k->part == SUPPLY_ADMISSION;
}

static struct bytes key_of(struct judge *j, struct bytes digest, struct bytes document)
{
        buf_reset(&j->key);
        buf_put_bytes(&j->key, digest);
        buf_put_bytes(&j->key, document);
        return buf_bytes(&j->key);
}

static struct bytes key(struct judge *j, const struct record *k)
{
        return key_of(j, str_get(&k->digest), str_get(&k->document));
}

void judge_paper_key(struct bytes digest, struct bytes document, uint32_t number, struct buf *out)
{
        buf_put_bytes(out, digest);
        buf_put_bytes(out, document);
        buf_put_u32(out, number);
}

/* ---- pieces ---- */

static void put(struct judge *j, const struct record *k)
{
        struct buf *b = &j->blob;

        pieces_begin(j);
        buf_put_u8(b, k->part);
        buf_put_u8(b, k->signature);
        buf_put_u8(b, k->whole);
        buf_put_u64(b, (uint64_t)k->imported_ns);
        buf_put_u32(b, k->packages);
        buf_put_u32(b, k->files);
        buf_put_u32(b, k->refused);
        buf_put_u32(b, k->parts);
        buf_put_bytes(b, str_get(&k->head));
}

static void save(struct judge *j, const struct record *k)
{
        put(j, k);
        pieces_put(j, PIECE_RECORD, key(j, k));
}

static void drop_papers(struct judge *j, const struct record *k)
{
        for (uint32_t i = 0; i < k->parts; i++) {
                buf_reset(&j->key);
                judge_paper_key(str_get(&k->digest), str_get(&k->document), i, &j->key);
                j->ops->save(PIECE_PAPER, buf_bytes(&j->key), bytes_of(NULL, 0), j->arg);
        }
}

static struct record *record_find(struct judge *j, struct bytes digest, struct bytes document)
{
        return map_get(j->records.all, key_of(j, digest, document));
}

/* One more or less of its kind. -ENOMEM, ERR_LIMIT. */
static int count(struct judge *j, const struct record *k, int by)
{
        struct bytes digest = str_get(&k->digest);
        struct image *im = map_get(j->records.images, digest);
        int r;

        if (!im && by > 0) {
                im = calloc(1, sizeof(*im));
                r = im ? map_put(j->records.images, digest, im) : -ENOMEM;
                if (r < 0) {
                        free(im);
                        return r;
                }
        }
        if (!im)
                return 0;
        *(is_admission(k) ? &im->admissions : &im->papers) += (uint32_t)by;
        if (k->imported_ns > im->last_ns)
                im->last_ns = k->imported_ns;
        return im->papers + im->admissions == 0 ? map_del(j->records.images, digest) : 0;
}

/* One that is not known. -ENOMEM, ERR_LIMIT. */
static int record_make(struct judge *j, struct bytes digest, struct bytes document, uint8_t part, int64_t imported_ns,
                       struct record **ret)
{
        struct record *k = calloc(1, sizeof(*k));
        int r = k ? str_set(&k->digest, digest) : -ENOMEM;

        if (r == 0)
                r = str_set(&k->document, document);
        if (r == 0) {
                k->part = part;
                k->imported_ns = imported_ns;
                r = count(j, k, 1);
        }
        if (r == 0) {
                r = map_put(j->records.all, key(j, k), k);
                if (r < 0 && count(j, k, -1) < 0)
                        j->stats.refused++;
        }
        if (r < 0) {
                record_free(k);
                return r;
        }
        *ret = k;
        return 0;
}

int records_restore(struct judge *j, struct bytes piece_key, struct rd *r, uint32_t format)
{
        struct bytes digest, document;
        struct record *k = NULL;
        struct rd rk;
        uint8_t part, signature, whole;
        int64_t imported_ns;
        int err;

        (void)format;
        rd_init(&rk, piece_key.p, piece_key.len);
        digest = rd_bytes(&rk);
        document = rd_bytes(&rk);
        if (rk.err || digest.len == 0 || document.len != TIDE_SHA256)
                return ERR_SCHEMA;
        part = rd_u8(r);
        signature = rd_u8(r);
        whole = rd_u8(r);
        imported_ns = (int64_t)rd_u64(r);
        if (part >= SUPPLY__PART_MAX || signature >= SIGNATURE__MAX || record_find(j, digest, document))
                return ERR_SCHEMA;
        err = record_make(j, digest, document, part, imported_ns, &k);
        if (err < 0)
                return err;
        k->signature = signature;
        k->whole = whole;
        k->packages = rd_u32(r);
        k->files = rd_u32(r);
        k->refused = rd_u32(r);
        k->parts = rd_u32(r);
        if (k->parts > RECORDS_PARTS)
                k->parts = RECORDS_PARTS;
        return str_set(&k->head, rd_bytes(r));
}

int records_each(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
                 void *arg)
{
        void *value;
        int r = 0;

        for (size_t i = 0; r >= 0 && map_next(j->records.all, &i, NULL, &value);) {
                put(j, value);
                r = j->blob.err ? j->blob.err : cb(PIECE_RECORD, key(j, value), buf_bytes(&j->blob), arg);
        }
        return r;
}

/* ---- limits ---- */

/* Whoever compares with it has to learn of it here: all that is forgotten, is forgotten here. */
static void forget(struct judge *j, struct record *k)
{
        drop_papers(j, k);
        supply_forget(j, str_get(&k->digest), str_get(&k->document));
        j->ops->save(PIECE_RECORD, key(j, k), bytes_of(NULL, 0), j->arg);
        if (j->records.coming == k)
                j->records.coming = NULL;
        if (count(j, k, -1) < 0 || map_del(j->records.all, key(j, k)) < 0)
                j->stats.refused++;
}

/* Does a make room before b? Ties are broken so that it is the same in every life. */
static bool is_older(const struct record *a, const struct record *b)
{
        int c;

        if (a->imported_ns != b->imported_ns)
                return a->imported_ns < b->imported_ns;
        c = bytes_cmp(str_get(&a->digest), str_get(&b->digest));
        return c ? c < 0 : bytes_cmp(str_get(&a->document), str_get(&b->document)) < 0;
}

static struct record *oldest_of(const struct judge *j, struct bytes digest, bool admission)
{
        struct record *oldest = NULL;
        void *value;

        for (size_t i = 0; map_next(j->records.all, &i, NULL, &value);) {
                struct record *k = value;

                if (is_admission(k) == admission && bytes_eq(str_get(&k->digest), digest) &&
                    (!oldest || is_older(k, oldest)))
                        oldest = k;
        }
        return oldest;
}

/* The image of which something came longest ago: of those that wait for a container, else of those none of which runs,
 * else of all; before them what only admissions are known of. spare: one of which more is known stays. */
static void forget_oldest_image(struct judge *j, bool spare)
{
        struct bytes digest = {NULL, 0}, at;
        int64_t last = INT64_MAX;
        int least = INT_MAX;
        uint8_t copy[256];
        void *value;

        for (size_t i = 0; map_next(j->records.images, &i, &at, &value);) {
                const struct image *im = value;
                int use = 2 * supply_use_of(j, at) + (im->papers > 0);

                if (use > least || (spare && im->papers))
                        continue;
                if (use < least || im->last_ns < last || (im->last_ns == last && bytes_cmp(at, digest) < 0)) {
                        least = use;
                        last = im->last_ns;
                        digest = at;
                }
        }
        if (digest.len == 0 || digest.len > sizeof(copy))
                return;
        memcpy(copy, digest.p, digest.len);
        digest.p = copy;
        for (size_t i = 0; map_next(j->records.all, &i, NULL, &value);) {
                struct record *k = value;

                if (!bytes_eq(str_get(&k->digest), digest))
                        continue;
                forget(j, k);
                j->stats.records_dropped++;
        }
}

static void make_room(struct judge *j, const struct tide_supply *t)
{
        const struct image *im = map_get(j->records.images, t->digest);
        bool admission = t->part == SUPPLY_ADMISSION;

        if (!im) { /* a cluster's admissions are of many images that never come here: those that may come are kept */
                if (map_count(j->records.images) >= j->p.max_records)
                        forget_oldest_image(j, admission && supply_use_of(j, t->digest) == 0);
                return;
        }
        if (admission ? im->admissions < RECORDS_ADMISSIONS : im->papers < RECORDS_PAPERS)
                return;
        forget(j, oldest_of(j, t->digest, admission));
        j->stats.records_dropped++;
}

/* ---- events ---- */

static int malformed(struct judge *j)
{
        j->stats.records_malformed++;
        return 0;
}

/* What is encoded of the event: without what the pipeline gave it. */
static int set_head(struct judge *j, struct record *k, const struct tide_event *ev)
{
        struct tide_event head = {.kind = TIDE_RECORD, .sources = ev->sources};
        int r;

        head.supply = ev->supply;
        head.supply.list = bytes_of(NULL, 0);
        buf_reset(&j->blob);
        r = tide_encode(&head, &j->blob);
        if (r < 0 || j->blob.len > HEAD_BYTES)
                return r < 0 ? r : ERR_LIMIT;
        return str_set(&k->head, buf_bytes(&j->blob));
}

/* One that is known is told again: its parts of before go. 1; 0: it was not taken. */
static int take_head(struct judge *j, const struct tide_event *ev, struct record **ret)
{
        const struct tide_supply *t = &ev->supply;
        struct record *k = record_find(j, t->digest, t->document);
        int r;

        if (k)
                forget(j, k);
        make_room(j, t);
        r = record_make(j, t->digest, t->document, t->part, ev->wall_ns, &k);
        if (r == ERR_LIMIT)
                j->stats.records_refused++;
        if (r < 0)
                return r == ERR_LIMIT ? 0 : r;
        r = set_head(j, k, ev);
        if (r < 0) {
                forget(j, k);
                return r == -ENOMEM ? r : malformed(j);
        }
        k->signature = t->signature;
        k->whole = t->part != SUPPLY_BEGIN;
        *ret = k;
        return 1;
}

static int begin(struct judge *j, const struct tide_event *ev)
{
        struct record *k = NULL;
        int r;

        j->records.coming = NULL;
        r = take_head(j, ev, &k);
        if (r <= 0)
                return r;
        k->parts = RECORDS_PARTS; /* whatever comes of it is found again if this is the last that does */
        save(j, k);
        k->parts = 0;
        j->records.coming = k;
        return 0;
}

/* Provenance, admission. */
static int single(struct judge *j, const struct tide_event *ev)
{
        struct record *k = NULL;
        int r = take_head(j, ev, &k);

        if (r > 0)
                save(j, k);
        return r;
}

static struct record *coming(const struct judge *j, const struct tide_supply *t)
{
        struct record *k = j->records.coming;

        return k && bytes_eq(str_get(&k->digest), t->digest) && bytes_eq(str_get(&k->document), t->document) ? k : NULL;
}

static uint32_t count_list(const struct tide_supply *t)
{
        struct tide_prior_package p;
        struct tide_prior_file f;
        uint32_t n = 0;
        struct rd r;

        rd_init(&r, t->list.p, t->list.len);
        while (t->part == SUPPLY_PACKAGES ? tide_prior_package_next(&r, &p) : tide_prior_file_next(&r, &f))
                n++;
        return n;
}

static int list(struct judge *j, const struct tide_event *ev)
{
        const struct tide_supply *t = &ev->supply;
        struct record *k = coming(j, t);
        uint32_t *told, n;

        if (!k)
                return malformed(j);
        told = t->part == SUPPLY_PACKAGES ? &k->packages : &k->files;
        n = count_list(t);
        if (t->first != *told || k->parts == RECORDS_PARTS || n > j->p.max_record_entries - *told)
                return malformed(j);
        *told += n;
        buf_reset(&j->blob);
        buf_put_u8(&j->blob, t->part);
        buf_put_u32(&j->blob, t->first);
        buf_put(&j->blob, t->list.p, t->list.len);
        buf_reset(&j->key);
        judge_paper_key(t->digest, t->document, k->parts, &j->key);
        if (j->blob.err || j->key.err)
                return malformed(j);
        j->ops->save(PIECE_PAPER, buf_bytes(&j->key), buf_bytes(&j->blob), j->arg);
        k->parts++;
        return 0;
}

static int end(struct judge *j, const struct tide_event *ev)
{
        struct record *k = coming(j, &ev->supply);

        if (!k)
                return malformed(j);
        j->records.coming = NULL;
        k->whole = true;
        k->refused = ev->supply.refused;
        save(j, k);
        return 1;
}

static int removed(struct judge *j, const struct tide_event *ev)
{
        const struct tide_supply *t = &ev->supply;
        void *value;
        int n = 0;

        for (size_t i = 0; map_next(j->records.all, &i, NULL, &value);) {
                struct record *k = value;

                if (!bytes_eq(str_get(&k->document), t->document) ||
                    (t->digest.len && !bytes_eq(str_get(&k->digest), t->digest)))
                        continue;
                forget(j, k);
                n++;
        }
        return n > 0;
}

int records_event(struct judge *j, const struct tide_event *ev)
{
        static int (*const parts[SUPPLY__PART_MAX])(struct judge *, const struct tide_event *) = {
                [SUPPLY_BEGIN] = begin,     [SUPPLY_PACKAGES] = list,    [SUPPLY_FILES] = list,      [SUPPLY_END] = end,
                [SUPPLY_PROVENANCE] = single, [SUPPLY_ADMISSION] = single, [SUPPLY_REMOVED] = removed};
        const struct tide_supply *t = &ev->supply;

        if (t->part >= SUPPLY__PART_MAX || !parts[t->part] || t->document.len != TIDE_SHA256 ||
            (t->digest.len == 0 && t->part != SUPPLY_REMOVED))
                return malformed(j);
        return parts[t->part](j, ev);
}

/* ---- questions ---- */

int judge_record_next(const struct judge *j, size_t *i, struct judge_record *ret)
{
        const struct record *k;
        void *value;

        if (!map_next(j->records.all, i, NULL, &value))
                return 0;
        k = value;
        *ret = (struct judge_record){.digest = str_get(&k->digest), .document = str_get(&k->document),
                                     .head = str_get(&k->head), .part = k->part, .signature = k->signature,
                                     .imported_ns = k->imported_ns, .whole = k->whole, .packages = k->packages,
                                     .files = k->files, .refused = k->refused, .parts = k->parts};
        return 1;
}
