/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is held back for its other half, and per container the index of names that were told. Must not: judge, or
 * read a clock. Pure.
 *
 * The index is kept in buckets, by the top bits of a name's hash: a changed bucket is one piece, saved at a walk's end
 * and at a tick. A crash between brings back an older bucket; then the next walk tells a name again, which the judge
 * knows. A name that goes without an event is dropped silently at the end of the next complete walk: what it was is not
 * kept.
 */
#include "tidemark/fuse.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/map.h"

#define FORMAT 1u
#define BUCKETS 64u
#define BUCKET_META 255u
#define NAME_BYTES 28u                                     /* in a piece: hash, ctime, size, mode */
#define BUCKET_NAMES ((48u * 1024) / NAME_BYTES)           /* so that a bucket fits one record */
#define TOLD_NEAR_NS 1000000000u /* a walk that meets a name told so shortly before has nothing new */

static const struct map_seed seed = {0x746964656d61726b, 0x6675736566757365};

struct name { /* in the index */
        uint64_t hash, ctime_ns, size;
        uint32_t mode;
        uint32_t walk;      /* number of the walk that met it last */
        uint64_t told_boot; /* when an event told it; 0: a walk did */
};

struct bucket {
        struct name *names; /* in no order */
        uint32_t n, cap;
        bool dirty;
};

struct ctr {
        struct bytes id; /* owned */
        struct bucket buckets[BUCKETS];
        size_t names;
        uint32_t walk;
        bool walking, whole; /* a walk is under way; it is of everything */
        uint8_t reason;
        bool running_before, known_before; /* known_before: an earlier life of the agent knew it */
        bool meta_dirty;
        int64_t first_exec_ns; /* wall clock of its first program; 0: none yet */
        int64_t start_ns;
};

struct held { /* a file event that waits for its other half */
        struct held *next;
        uint64_t due;
        struct buf record;
        struct buf key;
};

struct fuse {
        struct fuse_params p;
        const struct fuse_ops *ops;
        void *arg;
        struct map *ctrs;
        struct map *by_path; /* container · path → struct held */
        struct held *first, *last;
        struct buf key, merged, blob;
        struct fuse_stats stats;
};

void fuse_params_default(struct fuse_params *p)
{
        *p = (struct fuse_params){.join_ns = 20000000, .pending_max = 4096, .index_max = 65536, .containers_max = 4096};
}

/* ---- the index ---- */

static void ctr_free(void *p)
{
        struct ctr *c = p;

        for (size_t i = 0; i < BUCKETS; i++)
                free(c->buckets[i].names);
        free((void *)c->id.p);
        free(c);
}

static struct ctr *ctr_get(struct fuse *f, struct bytes id)
{
        struct ctr *c = map_get(f->ctrs, id);
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
        if (map_put(f->ctrs, id, c) < 0) {
                ctr_free(c);
                return NULL;
        }
        return c;
}

static struct name *find(struct ctr *c, uint64_t hash)
{
        struct bucket *b = &c->buckets[hash >> 58];

        for (uint32_t i = 0; i < b->n; i++)
                if (b->names[i].hash == hash)
                        return &b->names[i];
        return NULL;
}

static void forget(struct ctr *c, struct name *n)
{
        struct bucket *b = &c->buckets[n->hash >> 58];

        *n = b->names[--b->n];
        b->dirty = true;
        c->names--;
}

/* Make it known. false: no room. */
static bool remember(struct fuse *f, struct ctr *c, uint64_t hash, const struct tide_file *e, uint64_t told_boot)
{
        struct bucket *b = &c->buckets[hash >> 58];
        struct name *n = find(c, hash);

        if (!n) {
                if (c->names >= f->p.index_max || b->n == BUCKET_NAMES) {
                        f->stats.index_refused++;
                        return false;
                }
                if (b->n == b->cap) {
                        uint32_t cap = b->cap ? 2 * b->cap : 4;
                        struct name *names = realloc(b->names, cap * sizeof(*names));

                        if (!names) {
                                f->stats.index_refused++;
                                return false;
                        }
                        b->names = names;
                        b->cap = cap;
                }
                n = &b->names[b->n++];
                c->names++;
                b->dirty = true;
        }
        b->dirty = b->dirty || n->ctime_ns != e->ctime_ns || n->size != e->size || n->mode != e->mode;
        *n = (struct name){.hash = hash,
                           .ctime_ns = e->ctime_ns,
                           .size = e->size,
                           .mode = e->mode,
                           .walk = c->walk,
                           .told_boot = told_boot};
        return true;
}

/* ---- pieces ---- */

static void piece_key(const struct ctr *c, uint8_t bucket, struct buf *out)
{
        buf_reset(out);
        buf_put_bytes(out, c->id);
        buf_put_u8(out, bucket);
}

static void put_bucket(const struct bucket *b, struct buf *out)
{
        buf_reset(out);
        buf_put_u32(out, FORMAT);
        for (uint32_t i = 0; i < b->n; i++) {
                buf_put_u64(out, b->names[i].hash);
                buf_put_u64(out, b->names[i].ctime_ns);
                buf_put_u64(out, b->names[i].size);
                buf_put_u32(out, b->names[i].mode);
        }
}

static void put_meta(const struct ctr *c, struct buf *out)
{
        buf_reset(out);
        buf_put_u32(out, FORMAT);
        buf_put_u64(out, (uint64_t)c->first_exec_ns);
        buf_put_u64(out, (uint64_t)c->start_ns);
        buf_put_u8(out, c->running_before);
}

static void save(struct fuse *f, struct ctr *c)
{
        for (uint8_t i = 0; i < BUCKETS; i++) {
                struct bucket *b = &c->buckets[i];

                if (!b->dirty)
                        continue;
                b->dirty = false;
                piece_key(c, i, &f->key);
                put_bucket(b, &f->blob);
                f->ops->save(FUSE_PIECE, buf_bytes(&f->key), b->n ? buf_bytes(&f->blob) : bytes_of(NULL, 0), f->arg);
        }
        if (c->meta_dirty) {
                c->meta_dirty = false;
                piece_key(c, BUCKET_META, &f->key);
                put_meta(c, &f->blob);
                f->ops->save(FUSE_PIECE, buf_bytes(&f->key), buf_bytes(&f->blob), f->arg);
        }
}

static void drop(struct fuse *f, struct ctr *c)
{
        for (uint8_t i = 0; i < BUCKETS; i++) {
                if (c->buckets[i].n == 0 && !c->buckets[i].dirty)
                        continue;
                piece_key(c, i, &f->key);
                f->ops->save(FUSE_PIECE, buf_bytes(&f->key), bytes_of(NULL, 0), f->arg);
        }
        piece_key(c, BUCKET_META, &f->key);
        f->ops->save(FUSE_PIECE, buf_bytes(&f->key), bytes_of(NULL, 0), f->arg);
        if (map_del(f->ctrs, c->id) < 0)
                f->stats.index_refused++;
}

static int restore_names(struct fuse *f, struct ctr *c, struct rd *r)
{
        while (rd_left(r)) {
                struct tide_file e = {0};
                uint64_t hash = rd_u64(r);

                e.ctime_ns = rd_u64(r);
                e.size = rd_u64(r);
                e.mode = rd_u32(r);
                if (r->err)
                        return r->err;
                remember(f, c, hash, &e, 0);
        }
        return 0;
}

int fuse_restore(struct fuse *f, struct bytes key, struct bytes blob)
{
        struct rd k, r;
        struct bytes id;
        struct ctr *c;
        uint8_t bucket;
        int err = 0;

        rd_init(&k, key.p, key.len);
        id = rd_bytes(&k);
        bucket = rd_u8(&k);
        rd_init(&r, blob.p, blob.len);
        if (rd_u32(&r) != FORMAT || k.err || (bucket >= BUCKETS && bucket != BUCKET_META))
                return ERR_SCHEMA;
        c = ctr_get(f, id);
        if (!c)
                return ERR_LIMIT;
        c->known_before = true;
        if (bucket == BUCKET_META) {
                c->first_exec_ns = (int64_t)rd_u64(&r);
                c->start_ns = (int64_t)rd_u64(&r);
                c->running_before = rd_u8(&r) != 0;
                return r.err;
        }
        err = restore_names(f, c, &r);
        for (size_t i = 0; i < BUCKETS; i++)
                c->buckets[i].dirty = false;
        return err;
}

int fuse_each(const struct fuse *cf, int (*cb)(int what, struct bytes key, struct bytes blob, void *arg), void *arg)
{
        struct fuse *f = (struct fuse *)cf; /* its scratch buffers change, its memory does not */
        void *value;
        int r = 0;

        for (size_t i = 0; r >= 0 && map_next(f->ctrs, &i, NULL, &value);) {
                struct ctr *c = value;

                for (uint8_t b = 0; b < BUCKETS && r >= 0; b++) {
                        if (c->buckets[b].n == 0)
                                continue;
                        piece_key(c, b, &f->key);
                        put_bucket(&c->buckets[b], &f->blob);
                        r = cb(FUSE_PIECE, buf_bytes(&f->key), buf_bytes(&f->blob), arg);
                }
                if (r < 0)
                        break;
                piece_key(c, BUCKET_META, &f->key);
                put_meta(c, &f->blob);
                r = cb(FUSE_PIECE, buf_bytes(&f->key), buf_bytes(&f->blob), arg);
        }
        return r < 0 ? r : 0;
}

/* ---- what is held back ---- */

static void path_key(struct bytes container, struct bytes path, struct buf *out)
{
        buf_reset(out);
        buf_put_bytes(out, container);
        buf_put(out, path.p, path.len);
}

static void held_free(struct held *h)
{
        buf_release(&h->record);
        buf_release(&h->key);
        free(h);
}

static int pass(struct fuse *f, const struct tide_event *ev)
{
        f->stats.out++;
        return f->ops->event(ev, f->arg);
}

static int release_first(struct fuse *f)
{
        struct held *h = f->first;
        struct tide_event ev;
        size_t used;
        int r = 0;

        f->first = h->next;
        if (!f->first)
                f->last = NULL;
        f->stats.pending--;
        /* Unless a later act on the same path, by another process, has taken its place. */
        if (map_get(f->by_path, buf_bytes(&h->key)) == h && map_del(f->by_path, buf_bytes(&h->key)) < 0)
                f->stats.index_refused++;
        if (tide_decode(h->record.p, h->record.len, &ev, &used) == 0)
                r = pass(f, &ev);
        held_free(h);
        return r;
}

static int release_due(struct fuse *f, uint64_t now)
{
        int r = 0;

        while (r >= 0 && f->first && f->first->due <= now)
                r = release_first(f);
        return r;
}

static int release_all(struct fuse *f)
{
        return release_due(f, UINT64_MAX);
}

int fuse_flush(struct fuse *f)
{
        return release_all(f);
}

static int hold(struct fuse *f, const struct tide_event *ev)
{
        struct held *h;
        int r = 0;

        if (f->stats.pending >= f->p.pending_max)
                r = release_first(f);
        if (r < 0)
                return r;
        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->due = ev->boot_ns + f->p.join_ns;
        buf_init(&h->record, TIDE_RECORD_MAX);
        buf_init(&h->key, TIDE_RECORD_MAX);
        path_key(ev->container, ev->file.path, &h->key);
        r = tide_encode(ev, &h->record);
        if (r == 0)
                r = h->key.err ? h->key.err : map_put(f->by_path, buf_bytes(&h->key), h);
        if (r < 0) {
                held_free(h);
                return r == ERR_LIMIT ? pass(f, ev) : r;
        }
        if (f->last)
                f->last->next = h;
        else
                f->first = h;
        f->last = h;
        f->stats.pending++;
        return 0;
}

static unsigned knows(const struct tide_actor *a)
{
        return (a->flags & ACTOR_PID ? 4u : 0u) + (a->flags & ACTOR_EXE ? 2u : 0u) +
               (a->flags & ACTOR_LINEAGE ? 1u : 0u);
}

/* Two sides of one act: both sources, all operations, the better-known process, the newer facts of the file. */
static void unite(struct tide_event *to, const struct tide_event *from)
{
        struct tide_file *a = &to->file;
        const struct tide_file *b = &from->file;

        to->sources |= from->sources;
        to->flags |= from->flags;
        if (a->ops != OP_FOUND || b->ops == OP_FOUND)
                a->ops |= b->ops;
        else
                a->ops = b->ops;
        if (a->ops != OP_FOUND)
                a->ops &= (uint16_t)~OP_FOUND;
        if (knows(&b->actor) > knows(&a->actor))
                a->actor = b->actor;
        if (b->change != CHANGE_UNKNOWN)
                a->change = b->change;
        if (b->type != DT_UNKNOWN)
                a->type = b->type;
        if (b->mode || b->ctime_ns) {
                a->mode = b->mode;
                a->size = b->size;
                a->ino = b->ino;
                a->mtime_ns = b->mtime_ns;
                a->ctime_ns = b->ctime_ns;
        }
        if (b->target.len)
                a->target = b->target;
}

/* 1: joined to one that is held. */
static int join(struct fuse *f, const struct tide_event *ev)
{
        struct held *h;
        struct tide_event both;
        struct buf swap;
        size_t used;

        path_key(ev->container, ev->file.path, &f->key);
        h = f->key.err ? NULL : map_get(f->by_path, buf_bytes(&f->key));
        if (!h || tide_decode(h->record.p, h->record.len, &both, &used) < 0)
                return 0;
        if (knows(&both.file.actor) && knows(&ev->file.actor) &&
            (both.file.actor.pid != ev->file.actor.pid || both.file.actor.start != ev->file.actor.start))
                return 0; /* two processes: two acts */
        unite(&both, ev);
        buf_reset(&f->merged);
        if (tide_encode(&both, &f->merged) < 0)
                return 0;
        swap = h->record;
        h->record = f->merged;
        f->merged = swap;
        f->stats.merged++;
        return 1;
}

/* ---- events ---- */

static uint64_t hash_of(const struct tide_event *ev)
{
        return map_hash(seed, ev->file.path);
}

/* What an event told, the index knows. */
static void note_told(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = ctr_get(f, ev->container);
        struct name *n;

        if (!c)
                return;
        if (ev->file.old_path.len) {
                n = find(c, map_hash(seed, ev->file.old_path));
                if (n)
                        forget(c, n);
        }
        if (ev->file.ops & OP_DELETE && ev->file.change != CHANGE_REMOVED) {
                n = find(c, hash_of(ev));
                if (n)
                        forget(c, n);
                return;
        }
        remember(f, c, hash_of(ev), &ev->file, ev->boot_ns);
}

/* A name that a walk met. 1: nothing new. flags: what the event must carry if it goes on. */
static int note_found(struct fuse *f, const struct tide_event *ev, uint16_t *flags)
{
        struct ctr *c = ctr_get(f, ev->container);
        struct name *n = c ? find(c, hash_of(ev)) : NULL;
        const struct tide_file *e = &ev->file;
        int64_t begun;

        *flags = 0;
        if (!c)
                return 0;
        if (n && ((n->ctime_ns == e->ctime_ns && n->size == e->size && n->mode == e->mode) ||
                  (n->told_boot && ev->boot_ns - n->told_boot < TOLD_NEAR_NS))) {
                n->walk = c->walk;
                f->stats.known++;
                return 1;
        }
        remember(f, c, hash_of(ev), e, 0);
        begun = c->first_exec_ns ? c->first_exec_ns : c->start_ns;
        if (c->walking && c->reason == WALK_START && !c->running_before && !n && (int64_t)e->ctime_ns < begun) {
                f->stats.prepared++;
                return 1;
        }
        if (c->running_before && !c->known_before)
                *flags = EVF_BEFORE;
        return 0;
}

static int on_file(struct fuse *f, const struct tide_event *in)
{
        struct tide_event ev = *in;
        uint16_t flags = 0;
        int r;

        if (ev.sources == SRC_WALK) {
                if (note_found(f, &ev, &flags))
                        return 0;
                ev.flags |= flags;
        } else {
                note_told(f, &ev);
        }
        r = join(f, &ev);
        if (r != 0)
                return r < 0 ? r : 0;
        if (!(ev.file.ops & OP_RENAME))
                return hold(f, &ev);
        /* The names before and after it must come before and after it. */
        r = release_all(f);
        return r < 0 ? r : pass(f, &ev);
}

static int on_walk(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = ctr_get(f, ev->container);
        int r;

        if (c && !ev->walk.ended) {
                c->walk++;
                c->walking = true;
                c->whole = ev->walk.reason != WALK_SUBTREE;
                c->reason = ev->walk.reason;
        }
        r = release_all(f);
        if (r < 0 || !c || !ev->walk.ended)
                return r < 0 ? r : pass(f, ev);
        if (c->whole && ev->walk.complete)
                for (size_t b = 0; b < BUCKETS; b++)
                        for (uint32_t i = c->buckets[b].n; i > 0; i--)
                                if (c->buckets[b].names[i - 1].walk != c->walk)
                                        forget(c, &c->buckets[b].names[i - 1]);
        c->walking = false;
        if (c->whole)
                c->known_before = true; /* from here on only what changes is told */
        save(f, c);
        return pass(f, ev);
}

static int on_start(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = ctr_get(f, ev->container);
        int r = release_all(f);

        if (c && c->start_ns == 0) {
                c->start_ns = ev->wall_ns;
                c->running_before = ev->ctr.running_before;
                c->meta_dirty = true;
        }
        return r < 0 ? r : pass(f, ev);
}

static int on_stop(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = map_get(f->ctrs, ev->container);
        int r = release_all(f);

        if (c)
                drop(f, c);
        return r < 0 ? r : pass(f, ev);
}

static int on_exec(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = ctr_get(f, ev->container);
        int r = release_all(f);

        if (c && c->first_exec_ns == 0 && !(ev->flags & EVF_BEFORE)) {
                c->first_exec_ns = ev->wall_ns;
                c->meta_dirty = true;
        }
        return r < 0 ? r : pass(f, ev);
}

static int on_tick(struct fuse *f, const struct tide_event *ev)
{
        int r = release_due(f, ev->boot_ns);
        void *value;

        for (size_t i = 0; map_next(f->ctrs, &i, NULL, &value);)
                save(f, value);
        return r < 0 ? r : pass(f, ev);
}

static int on_other(struct fuse *f, const struct tide_event *ev)
{
        int r = release_all(f);

        return r < 0 ? r : pass(f, ev);
}

int fuse_event(struct fuse *f, const struct tide_event *ev)
{
        static int (*const rows[TIDE__KIND_MAX])(struct fuse *, const struct tide_event *) = {
                [TIDE_EXEC] = on_exec,     [TIDE_FILE] = on_file, [TIDE_CTR_START] = on_start,
                [TIDE_CTR_STOP] = on_stop, [TIDE_WALK] = on_walk, [TIDE_TICK] = on_tick};
        int r;

        f->stats.in++;
        if (ev->kind >= TIDE__KIND_MAX)
                return -EINVAL;
        r = ev->kind == TIDE_TICK ? 0 : release_due(f, ev->boot_ns);
        if (r < 0)
                return r;
        return rows[ev->kind] ? rows[ev->kind](f, ev) : on_other(f, ev);
}

uint64_t fuse_due(const struct fuse *f)
{
        return f->first ? f->first->due : 0;
}

void fuse_stats(const struct fuse *f, struct fuse_stats *ret)
{
        void *value;

        *ret = f->stats;
        ret->index = 0;
        for (size_t i = 0; map_next(f->ctrs, &i, NULL, &value);)
                ret->index += ((struct ctr *)value)->names;
}

int fuse_new(const struct fuse_params *p, const struct fuse_ops *ops, void *arg, struct fuse **ret)
{
        _cleanup_(fuse_freep) struct fuse *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        f->p = *p;
        f->ops = ops;
        f->arg = arg;
        buf_init(&f->key, TIDE_RECORD_MAX);
        buf_init(&f->merged, TIDE_RECORD_MAX);
        buf_init(&f->blob, TIDE_RECORD_MAX);
        r = map_new(p->containers_max, seed, ctr_free, &f->ctrs);
        if (r == 0)
                r = map_new(p->pending_max, seed, NULL, &f->by_path);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

struct fuse *fuse_free(struct fuse *f)
{
        if (!f)
                return NULL;
        while (f->first) {
                struct held *h = f->first;

                f->first = h->next;
                held_free(h);
        }
        map_free(f->by_path);
        map_free(f->ctrs);
        buf_release(&f->key);
        buf_release(&f->merged);
        buf_release(&f->blob);
        free(f);
        return NULL;
}
