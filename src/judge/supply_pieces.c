/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the encoded form of SBOMs' tables. Must not: decide. Pure.
 *
 * Key: string digest · part · number, big-endian. Part 0 is the head, 1 packages, 2 files, each so many that a piece
 * fits a record. They may come back in any order: a table counts once it has as much as its head says. Each blob begins
 * with the format's number, which is this file's own.
 */
#include <errno.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/supply-priv.h"
#include "tidemark/err.h"

#define FORMAT 1u

enum part { PART_HEAD, PART_PACKAGES, PART_FILES, PART__MAX };
#define FILE_BYTES (8u + SUPPLY_CONTENT + 4u)

static struct bytes set_key(struct judge *j, const struct supply_sbom *s, enum part part, uint32_t number)
{
        buf_reset(&j->key);
        buf_put_bytes(&j->key, str_get(&s->digest));
        buf_put_u8(&j->key, (uint8_t)part);
        for (int shift = 24; shift >= 0; shift -= 8)
                buf_put_u8(&j->key, (uint8_t)(number >> shift));
        return buf_bytes(&j->key);
}

static struct buf *begin(struct judge *j)
{
        buf_reset(&j->blob);
        buf_put_u32(&j->blob, FORMAT);
        return &j->blob;
}

static void put_head(struct judge *j, const struct supply_sbom *s)
{
        struct buf *b = begin(j);

        buf_put(b, s->document, sizeof(s->document));
        buf_put_u8(b, s->signature);
        buf_put_u64(b, (uint64_t)s->told_ns);
        buf_put_u32(b, s->refused);
        buf_put_u32(b, s->packages.told);
        buf_put_u32(b, s->files_told);
}

static uint32_t put_files(struct judge *j, const struct supply_sbom *s, uint32_t from)
{
        uint32_t to = s->nfiles - from > SUPPLY_FILES_PIECE ? from + SUPPLY_FILES_PIECE : s->nfiles;
        struct buf *b = begin(j);

        for (uint32_t i = from; i < to; i++) {
                buf_put_u64(b, s->files[i].path);
                buf_put(b, s->files[i].content, SUPPLY_CONTENT);
                buf_put_u32(b, s->files[i].package);
        }
        return to;
}

typedef int (*each_cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg);

static int tell(struct judge *j, const struct supply_sbom *s, enum part part, uint32_t number, each_cb cb, void *arg)
{
        struct bytes key = set_key(j, s, part, number);

        if (j->blob.err || j->key.err)
                return j->blob.err ? j->blob.err : j->key.err;
        return cb(PIECE_SUPPLY, key, buf_bytes(&j->blob), arg);
}

static int each_piece(struct judge *j, const struct supply_sbom *s, each_cb cb, void *arg)
{
        uint32_t n = 0;
        int r;

        put_head(j, s);
        r = tell(j, s, PART_HEAD, 0, cb, arg);
        for (uint32_t from = 0; r >= 0 && from < s->packages.n; n++) {
                from = package_list_put(&s->packages, from, begin(j));
                r = tell(j, s, PART_PACKAGES, n, cb, arg);
        }
        n = 0;
        for (uint32_t from = 0; r >= 0 && from < s->nfiles; n++) {
                from = put_files(j, s, from);
                r = tell(j, s, PART_FILES, n, cb, arg);
        }
        return r;
}

int supply_each(struct judge *j, each_cb cb, void *arg)
{
        void *value;
        int r = 0;

        for (size_t i = 0; r >= 0 && map_next(j->supply.sboms, &i, NULL, &value);)
                r = each_piece(j, value, cb, arg);
        return r;
}

void supply_save(struct judge *j, const struct supply_sbom *s)
{
        if (each_piece(j, s, pieces_keep_each, j) < 0)
                j->stats.refused++;
}

void supply_drop(struct judge *j, const struct supply_sbom *s)
{
        if (each_piece(j, s, pieces_drop_each, j) < 0)
                j->stats.refused++;
}

/* ---- taking up ---- */

static int get_head(struct supply_sbom *s, struct rd *r)
{
        rd_get(r, s->document, sizeof(s->document));
        s->signature = rd_u8(r);
        if (s->signature >= SIGNATURE__MAX)
                s->signature = SIGNATURE_BAD; /* of the future: nothing that we could believe */
        s->told_ns = (int64_t)rd_u64(r);
        s->refused = rd_u32(r);
        s->packages.told = rd_u32(r);
        s->files_told = rd_u32(r);
        return r->err;
}

static int get_files(struct judge *j, struct supply_sbom *s, struct rd *r)
{
        int err = 0;

        while (err == 0 && rd_left(r) >= FILE_BYTES) {
                struct supply_file f = {.path = rd_u64(r)};

                rd_get(r, f.content, sizeof(f.content));
                f.package = rd_u32(r);
                err = s->nfiles / 2 < j->p.max_record_entries ? supply_add_file(s, &f) : ERR_LIMIT;
        }
        return err < 0 ? err : rd_left(r) ? ERR_SCHEMA : 0;
}

static bool has_all(const struct supply_sbom *s)
{
        return s->nfiles == s->files_told && s->packages.n == s->packages.told;
}

static struct supply_sbom *make(struct judge *j, struct bytes digest)
{
        struct supply_sbom *s = map_get(j->supply.sboms, digest);

        if (s)
                return s;
        s = supply_sbom_new(digest);
        if (s && map_put(j->supply.sboms, digest, s) < 0) {
                supply_sbom_free(s);
                return NULL;
        }
        return s;
}

static int take(struct judge *j, struct supply_sbom *s, enum part part, struct rd *r)
{
        if (part == PART_HEAD)
                return get_head(s, r);
        return part == PART_PACKAGES ? package_list_take(&s->packages, r) : get_files(j, s, r);
}

int supply_restore(struct judge *j, struct bytes key, struct bytes blob)
{
        struct supply_sbom *s;
        struct bytes digest;
        struct rd r, rk;
        uint32_t format;
        uint8_t part;
        int err;

        rd_init(&rk, key.p, key.len);
        digest = rd_bytes(&rk);
        part = rd_u8(&rk);
        rd_init(&r, blob.p, blob.len);
        format = rd_u32(&r);
        if (r.err || rk.err || format != FORMAT || digest.len == 0 || digest.len > SUPPLY_DIGEST || part >= PART__MAX)
                return r.err ? r.err : ERR_SCHEMA;
        s = make(j, digest);
        if (!s)
                return ERR_LIMIT;
        s->sorted = false; /* and not used before all of it is there */
        err = take(j, s, (enum part)part, &r);
        if (err < 0 || r.err)
                return err < 0 ? err : r.err;
        return has_all(s) ? supply_sort(s) : 0;
}
