/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the encoded form of images' tables. Must not: decide. Pure.
 *
 * Key: string digest · part · number, big-endian. PIECE_PRIOR: part 0 is the head, 1 packages, 2 files, each so many
 * that a piece fits a record. They may come back in any order: an image is whole once it has as many as its head says,
 * until then it is one that failed. PIECE_FACTS: part 0, as the event had them; they only lie in the store.
 */
#include <errno.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/prior-priv.h"
#include "tidemark/err.h"

enum part { PART_HEAD, PART_PACKAGES, PART_FILES, PART__MAX };

static void key_of(struct buf *b, struct bytes digest, uint8_t part, uint32_t number)
{
        buf_put_bytes(b, digest);
        buf_put_u8(b, part);
        for (int shift = 24; shift >= 0; shift -= 8)
                buf_put_u8(b, (uint8_t)(number >> shift));
}

void judge_facts_key(struct bytes digest, uint32_t number, struct buf *out)
{
        key_of(out, digest, 0, number);
}

static struct bytes set_key(struct judge *j, const struct prior_image *im, enum part part, uint32_t number)
{
        buf_reset(&j->key);
        key_of(&j->key, str_get(&im->digest), (uint8_t)part, number);
        return buf_bytes(&j->key);
}

static void put_head(struct judge *j, const struct prior_image *im)
{
        struct buf *b = &j->blob;

        pieces_begin(j);
        buf_put_u8(b, im->state);
        buf_put_bytes(b, str_get(&im->words));
        buf_put_bytes(b, str_get(&im->entrypoint));
        buf_put_bytes(b, str_get(&im->command));
        buf_put_bytes(b, str_get(&im->health));
        buf_put_bytes(b, str_get(&im->user));
        buf_put_bytes(b, str_get(&im->ports));
        buf_put_bytes(b, str_get(&im->volumes));
        buf_put_u64(b, (uint64_t)im->analysed_ns);
        buf_put_u64(b, (uint64_t)im->used_ns);
        buf_put_u64(b, im->read_bytes);
        buf_put_u64(b, im->entries);
        buf_put_u64(b, im->refused);
        buf_put_u32(b, im->packages.told);
        buf_put_u32(b, im->files_told);
        buf_put_u32(b, im->parts);
}

static uint32_t put_files(struct judge *j, const struct prior_image *im, uint32_t from)
{
        uint32_t to = im->nfiles - from > PRIOR_FILES_PIECE ? from + PRIOR_FILES_PIECE : im->nfiles;

        pieces_begin(j);
        for (uint32_t i = from; i < to; i++) {
                const struct prior_file *f = &im->files[i];

                buf_put_u64(&j->blob, f->path);
                buf_put_u32(&j->blob, f->content);
                buf_put_u16(&j->blob, f->package);
                buf_put_u8(&j->blob, f->kind);
                buf_put_u8(&j->blob, f->flags);
        }
        return to;
}

typedef int (*each_cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg);

static int each_piece(struct judge *j, const struct prior_image *im, each_cb cb, void *arg)
{
        uint32_t n = 0;
        int r;

        put_head(j, im);
        r = j->blob.err ? j->blob.err : cb(PIECE_PRIOR, set_key(j, im, PART_HEAD, 0), buf_bytes(&j->blob), arg);
        for (uint32_t from = 0; r >= 0 && from < im->packages.n; n++) {
                pieces_begin(j);
                from = package_list_put(&im->packages, from, &j->blob);
                r = j->blob.err ? j->blob.err
                                : cb(PIECE_PRIOR, set_key(j, im, PART_PACKAGES, n), buf_bytes(&j->blob), arg);
        }
        n = 0;
        for (uint32_t from = 0; r >= 0 && from < im->nfiles; n++) {
                from = put_files(j, im, from);
                r = j->blob.err ? j->blob.err
                                : cb(PIECE_PRIOR, set_key(j, im, PART_FILES, n), buf_bytes(&j->blob), arg);
        }
        return r;
}

int prior_each(struct judge *j, each_cb cb, void *arg)
{
        void *value;
        int r = 0;

        for (size_t i = 0; r >= 0 && map_next(j->prior.images, &i, NULL, &value);)
                r = each_piece(j, value, cb, arg);
        return r;
}

void prior_save(struct judge *j, const struct prior_image *im)
{
        if (each_piece(j, im, pieces_keep_each, j) < 0)
                j->stats.refused++;
}

void prior_save_head(struct judge *j, const struct prior_image *im)
{
        put_head(j, im);
        set_key(j, im, PART_HEAD, 0);
        pieces_put(j, PIECE_PRIOR, buf_bytes(&j->key));
}

void prior_drop(struct judge *j, const struct prior_image *im)
{
        if (each_piece(j, im, pieces_drop_each, j) < 0)
                j->stats.refused++;
        for (uint32_t i = 0; i < im->parts; i++)
                j->ops->save(PIECE_FACTS, set_key(j, im, PART_HEAD, i), bytes_of(NULL, 0), j->arg);
}

void prior_save_facts(struct judge *j, struct prior_image *im)
{
        for (uint32_t i = 0; i < im->nfacts; i++) {
                j->ops->save(PIECE_FACTS, set_key(j, im, PART_HEAD, i), str_get(&im->facts[i]), j->arg);
                str_clear(&im->facts[i]);
        }
        free(im->facts);
        im->facts = NULL;
        im->parts = im->nfacts;
        im->nfacts = 0;
}

/* ---- taking up ---- */

static int get(struct rd *r, struct str_owned *s)
{
        struct bytes v = rd_bytes(r);

        return r->err ? r->err : str_set(s, v);
}

static int get_head(struct prior_image *im, struct rd *r)
{
        struct str_owned *const strings[] = {&im->words, &im->entrypoint, &im->command, &im->health,
                                             &im->user,  &im->ports,      &im->volumes};
        uint8_t state = rd_u8(r);
        int err = 0;

        for (size_t i = 0; i < ARRAY_LEN(strings) && err == 0; i++)
                err = get(r, strings[i]);
        im->state = state < PRIOR__STATE_MAX ? state : PRIOR_FAILED;
        im->analysed_ns = (int64_t)rd_u64(r);
        im->used_ns = (int64_t)rd_u64(r);
        im->read_bytes = rd_u64(r);
        im->entries = rd_u64(r);
        im->refused = rd_u64(r);
        im->packages.told = rd_u32(r);
        im->files_told = rd_u32(r);
        im->parts = rd_u32(r);
        if (im->parts > PRIOR_FACTS_MAX)
                im->parts = PRIOR_FACTS_MAX;
        return err;
}

static int get_files(struct judge *j, struct prior_image *im, struct rd *r)
{
        int err = 0;

        while (err == 0 && rd_left(r) >= 16) {
                struct prior_file f = {.path = rd_u64(r)};

                f.content = rd_u32(r);
                f.package = rd_u16(r);
                f.kind = rd_u8(r);
                f.flags = rd_u8(r);
                f.kind = f.kind < PRIOR__KIND_MAX ? f.kind : PRIOR_OTHER;
                err = im->nfiles < j->p.max_image_files ? prior_add_file(im, &f) : ERR_LIMIT;
        }
        prior_sort(im);
        return err < 0 ? err : rd_left(r) ? ERR_SCHEMA : 0;
}

static struct prior_image *image_make(struct judge *j, struct bytes digest)
{
        struct prior_image *im = map_get(j->prior.images, digest);

        if (im)
                return im;
        im = prior_image_new(digest);
        if (im && map_put(j->prior.images, digest, im) < 0) {
                prior_image_free(im);
                return NULL;
        }
        return im;
}

int prior_restore(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct prior_image *im;
        struct bytes digest;
        uint8_t part;
        struct rd rk;

        (void)format;
        rd_init(&rk, key.p, key.len);
        digest = rd_bytes(&rk);
        part = rd_u8(&rk);
        if (rk.err || digest.len == 0 || part >= PART__MAX)
                return ERR_SCHEMA;
        im = image_make(j, digest);
        if (!im)
                return ERR_LIMIT;
        if (part == PART_HEAD)
                return get_head(im, r);
        return part == PART_PACKAGES ? package_list_take(&im->packages, r) : get_files(j, im, r);
}
