/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: containers' indices as pieces: one per bucket that holds names, and one of facts, under (id, bucket); in a
 * snapshot also when names were told of which that decides. Must not: decide what is known. Pure.
 *
 * Pieces are saved behind what they tell of: after a crash an older one comes back, and the next walk tells again.
 * The other way round, a name would be known that nobody was told of.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fuse-priv.h"
#include "tidemark/err.h"

#define FORMAT 1u
#define FACTS 255u /* in place of a bucket */
#define TOLD 254u  /* the same; in snapshots only, and several of one container */
#define TOLD_BYTES (48u * 1024)
#define SAVE_AT_ONCE 1024u /* names: a smaller index is saved as soon as it changes, a larger one more seldom */

void ctr_free(void *ctr)
{
        struct ctr *c = ctr;

        index_release(&c->index);
        free((void *)c->id.p);
        free(c);
}

struct ctr *ctr_get(struct fuse *f, struct bytes id)
{
        struct ctr *c = f->latest;

        if (c && bytes_eq(c->id, id))
                return c;
        c = map_get(f->ctrs, id);
        f->latest = c ? c : f->latest;
        return c;
}

struct ctr *ctr_make(struct fuse *f, struct bytes id)
{
        struct ctr *c = ctr_get(f, id);
        char *copy;

        if (c)
                return c;
        c = calloc(1, sizeof(*c));
        copy = bytes_dup(id);
        if (!c || !copy) {
                free(c);
                free(copy);
                return NULL;
        }
        c->id = bytes_of(copy, id.len);
        c->lane.ctr = c;
        if (map_put(f->ctrs, id, c) < 0) {
                ctr_free(c);
                f->stats.index_refused++;
                return NULL;
        }
        return c;
}

static void put_key(const struct ctr *c, uint8_t bucket, struct buf *out)
{
        buf_reset(out);
        buf_put_bytes(out, c->id);
        buf_put_u8(out, bucket);
}

static void put_facts(const struct ctr *c, struct buf *out)
{
        buf_reset(out);
        buf_put_u32(out, FORMAT);
        buf_put_u64(out, (uint64_t)c->first_exec_ns);
        buf_put_u64(out, (uint64_t)c->start_ns);
        buf_put_u8(out, c->running_before);
        buf_put_u8(out, c->known);
}

void pieces_save(struct fuse *f, struct ctr *c)
{
        for (unsigned i = 0; c->index.dirty && i < INDEX_BUCKETS; i++) {
                if (!(c->index.dirty & UINT64_C(1) << i))
                        continue;
                put_key(c, (uint8_t)i, &f->key);
                index_encode(&c->index, i, &f->blob);
                f->ops->save(FUSE_PIECE, buf_bytes(&f->key), buf_bytes(&f->blob), f->arg);
        }
        c->index.dirty = 0;
        if (!c->meta_dirty)
                return;
        c->meta_dirty = false;
        put_key(c, FACTS, &f->key);
        put_facts(c, &f->blob);
        f->ops->save(FUSE_PIECE, buf_bytes(&f->key), buf_bytes(&f->blob), f->arg);
}

void pieces_save_all(struct fuse *f)
{
        void *value;

        for (size_t i = 0; map_next(f->ctrs, &i, NULL, &value);)
                pieces_save(f, value);
        f->save_due = 0;
}

void pieces_changed(struct fuse *f, const struct ctr *c, uint64_t boot_ns)
{
        uint64_t due = boot_ns + f->p.join_ns * (c->index.names / SAVE_AT_ONCE);

        if (!c->index.dirty && !c->meta_dirty)
                return;
        if (f->save_due == 0 || due < f->save_due)
                f->save_due = due ? due : 1;
}

void pieces_drop(struct fuse *f, struct ctr *c)
{
        for (unsigned i = 0; i < INDEX_BUCKETS; i++) {
                if (c->index.buckets[i].n == 0 && !(c->index.dirty & UINT64_C(1) << i))
                        continue;
                put_key(c, (uint8_t)i, &f->key);
                f->ops->save(FUSE_PIECE, buf_bytes(&f->key), bytes_of(NULL, 0), f->arg);
        }
        put_key(c, FACTS, &f->key);
        f->ops->save(FUSE_PIECE, buf_bytes(&f->key), bytes_of(NULL, 0), f->arg);
        f->latest = NULL;
        if (map_del(f->ctrs, c->id) < 0)
                f->stats.index_refused++;
}

static int restore_facts(struct ctr *c, struct bytes blob)
{
        struct ctr facts = {.meta_dirty = false};
        struct rd r;

        rd_init(&r, blob.p, blob.len);
        if (rd_u32(&r) != FORMAT)
                return r.err ? r.err : ERR_SCHEMA;
        facts.first_exec_ns = (int64_t)rd_u64(&r);
        facts.start_ns = (int64_t)rd_u64(&r);
        facts.running_before = rd_u8(&r) != 0;
        facts.known = rd_u8(&r) != 0;
        if (r.err)
                return r.err;
        c->first_exec_ns = facts.first_exec_ns;
        c->start_ns = facts.start_ns;
        c->running_before = facts.running_before;
        c->known = facts.known;
        return 0;
}

/* Of names that another life need not know: see is_told(). */
static bool is_told_of_use(const struct fuse *f, const struct index_name *n)
{
        return n->told_boot && (n->ctime_ns == 0 || n->told_boot + TOLD_NEAR_NS > f->now);
}

static int each_told(const struct fuse *f, const struct ctr *c, struct buf *key, struct buf *blob,
                     int (*cb)(int what, struct bytes key, struct bytes blob, void *arg), void *arg)
{
        int r = 0;

        put_key(c, TOLD, key);
        buf_reset(blob);
        for (unsigned b = 0; b < INDEX_BUCKETS; b++)
                for (uint32_t i = 0; r >= 0 && i < c->index.buckets[b].n; i++) {
                        const struct index_name *n = &c->index.buckets[b].names[i];

                        if (!is_told_of_use(f, n))
                                continue;
                        if (blob->len == 0)
                                buf_put_u32(blob, FORMAT);
                        buf_put_u64(blob, n->hash);
                        buf_put_u64(blob, n->told_boot);
                        buf_put_u64(blob, (uint64_t)n->told_wall);
                        if (blob->len < TOLD_BYTES)
                                continue;
                        r = cb(FUSE_PIECE, buf_bytes(key), buf_bytes(blob), arg);
                        buf_reset(blob);
                }
        return r >= 0 && blob->len ? cb(FUSE_PIECE, buf_bytes(key), buf_bytes(blob), arg) : r;
}

static int restore_told(struct ctr *c, struct bytes blob)
{
        struct rd r;

        rd_init(&r, blob.p, blob.len);
        if (rd_u32(&r) != FORMAT)
                return r.err ? r.err : ERR_SCHEMA;
        while (rd_left(&r)) {
                uint64_t hash = rd_u64(&r), boot = rd_u64(&r), wall = rd_u64(&r);
                struct index_name *n = r.err ? NULL : index_find(&c->index, hash);

                if (r.err)
                        return r.err;
                if (!n) /* it had no room */
                        continue;
                n->told_boot = boot;
                n->told_wall = (int64_t)wall;
        }
        return 0;
}

int fuse_restore(struct fuse *f, struct bytes key, struct bytes blob)
{
        uint64_t dirty;
        struct bytes id;
        struct ctr *c;
        uint8_t bucket;
        struct rd k;
        int r;

        rd_init(&k, key.p, key.len);
        id = rd_bytes(&k);
        bucket = rd_u8(&k);
        if (k.err || rd_left(&k) || id.len == 0 || (bucket >= INDEX_BUCKETS && bucket != FACTS && bucket != TOLD))
                return ERR_SCHEMA;
        c = ctr_make(f, id);
        if (!c)
                return ERR_LIMIT;
        if (bucket == FACTS)
                return restore_facts(c, blob);
        if (bucket == TOLD)
                return restore_told(c, blob);
        dirty = c->index.dirty;
        r = index_decode(&c->index, bucket, f->p.index_max, blob);
        c->index.dirty = dirty; /* what comes from the store is in the store */
        return r;
}

int fuse_each(const struct fuse *f, int (*cb)(int what, struct bytes key, struct bytes blob, void *arg), void *arg)
{
        _cleanup_buf_ struct buf key, blob;
        void *value;
        int r = 0;

        buf_init(&key, TIDE_RECORD_MAX);
        buf_init(&blob, TIDE_RECORD_MAX);
        for (size_t i = 0; r >= 0 && map_next(f->ctrs, &i, NULL, &value);) {
                struct ctr *c = value;

                put_key(c, FACTS, &key);
                put_facts(c, &blob);
                r = cb(FUSE_PIECE, buf_bytes(&key), buf_bytes(&blob), arg);
                for (unsigned b = 0; b < INDEX_BUCKETS && r >= 0; b++) {
                        if (c->index.buckets[b].n == 0)
                                continue;
                        put_key(c, (uint8_t)b, &key);
                        index_encode(&c->index, b, &blob);
                        r = cb(FUSE_PIECE, buf_bytes(&key), buf_bytes(&blob), arg);
                }
                if (r >= 0)
                        r = each_told(f, c, &key, &blob, cb, arg);
        }
        return r < 0 ? r : 0;
}
