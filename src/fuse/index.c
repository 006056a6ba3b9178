/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the form of an index in memory and in its blobs. Must not: know what a walk or an event is. Pure. */
#include "fuse/index-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"

#define FORMAT 1u

static unsigned bucket_of(uint64_t hash)
{
        return (unsigned)(hash >> 58);
}

/* Where the hash is, or where it would be. */
static uint32_t place(const struct index_bucket *b, uint64_t hash)
{
        uint32_t from = 0, to = b->n;

        while (from < to) {
                uint32_t mid = from + (to - from) / 2;

                if (b->names[mid].hash < hash)
                        from = mid + 1;
                else
                        to = mid;
        }
        return from;
}

void index_release(struct index *ix)
{
        for (unsigned i = 0; i < INDEX_BUCKETS; i++)
                free(ix->buckets[i].names);
        memset(ix, 0, sizeof(*ix));
}

struct index_name *index_find(const struct index *ix, uint64_t hash)
{
        const struct index_bucket *b = &ix->buckets[bucket_of(hash)];
        uint32_t at = place(b, hash);

        return at < b->n && b->names[at].hash == hash ? &b->names[at] : NULL;
}

static int make_room(struct index_bucket *b)
{
        uint32_t cap = b->cap ? 2 * b->cap : 4;
        struct index_name *names;

        if (b->n < b->cap)
                return 0;
        names = realloc(b->names, cap * sizeof(*names));
        if (!names)
                return -ENOMEM;
        b->names = names;
        b->cap = cap;
        return 0;
}

int index_put(struct index *ix, size_t limit, const struct index_name *name)
{
        unsigned bucket = bucket_of(name->hash);
        struct index_bucket *b = &ix->buckets[bucket];
        uint32_t at = place(b, name->hash);
        struct index_name *n;
        int r;

        if (at == b->n || b->names[at].hash != name->hash) {
                if (ix->names >= limit || b->n >= INDEX_BUCKET_NAMES)
                        return ERR_LIMIT;
                r = make_room(b);
                if (r < 0)
                        return r;
                memmove(b->names + at + 1, b->names + at, (b->n - at) * sizeof(*b->names));
                memset(&b->names[at], 0, sizeof(b->names[at]));
                b->n++;
                ix->names++;
                ix->dirty |= UINT64_C(1) << bucket;
        }
        n = &b->names[at];
        if (n->ctime_ns != name->ctime_ns || n->size != name->size || n->mode != name->mode)
                ix->dirty |= UINT64_C(1) << bucket;
        *n = *name;
        return 0;
}

void index_del(struct index *ix, uint64_t hash)
{
        struct index_bucket *b = &ix->buckets[bucket_of(hash)];
        uint32_t at = place(b, hash);

        if (at == b->n || b->names[at].hash != hash)
                return;
        b->n--;
        memmove(b->names + at, b->names + at + 1, (b->n - at) * sizeof(*b->names));
        ix->names--;
        ix->dirty |= UINT64_C(1) << bucket_of(hash);
}

size_t index_sweep(struct index *ix, uint32_t walk)
{
        size_t before = ix->names;

        for (unsigned i = 0; i < INDEX_BUCKETS; i++) {
                struct index_bucket *b = &ix->buckets[i];
                uint32_t kept = 0;

                for (uint32_t k = 0; k < b->n; k++)
                        if (b->names[k].walk == walk)
                                b->names[kept++] = b->names[k];
                if (kept != b->n)
                        ix->dirty |= UINT64_C(1) << i;
                ix->names -= b->n - kept;
                b->n = kept;
        }
        return before - ix->names;
}

void index_encode(const struct index *ix, unsigned bucket, struct buf *out)
{
        const struct index_bucket *b = &ix->buckets[bucket];

        buf_reset(out);
        if (b->n == 0)
                return;
        buf_put_u32(out, FORMAT);
        for (uint32_t i = 0; i < b->n; i++) {
                buf_put_u64(out, b->names[i].hash);
                buf_put_u64(out, b->names[i].ctime_ns);
                buf_put_u64(out, b->names[i].size);
                buf_put_u32(out, b->names[i].mode);
        }
}

int index_decode(struct index *ix, unsigned bucket, size_t limit, struct bytes blob)
{
        struct rd r;
        int err;

        rd_init(&r, blob.p, blob.len);
        if (rd_u32(&r) != FORMAT)
                return r.err ? r.err : ERR_SCHEMA;
        while (rd_left(&r)) {
                struct index_name n = {.hash = rd_u64(&r)};

                n.ctime_ns = rd_u64(&r);
                n.size = rd_u64(&r);
                n.mode = rd_u32(&r);
                if (r.err)
                        return r.err;
                if (bucket_of(n.hash) != bucket)
                        return ERR_SCHEMA;
                err = index_put(ix, limit, &n);
                if (err < 0)
                        return err;
        }
        return 0;
}
