/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: file events that wait for their other half, in order, and what two halves make together. Must not: know of
 * walks or of the index. Pure. Hands over: what leaves, to fuse_pass().
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "fuse/fuse-priv.h"
#include "tidemark/err.h"

static void held_free(struct held *h)
{
        buf_release(&h->record);
        buf_release(&h->key);
        free(h);
}

static void path_key(const struct tide_event *ev, struct buf *out)
{
        buf_reset(out);
        buf_put_bytes(out, ev->container);
        buf_put(out, ev->file.path.p, ev->file.path.len);
}

static void append(struct fuse *f, struct lane *lane, struct held *h)
{
        h->lane = lane;
        h->prev = f->last;
        h->lane_prev = lane->last;
        *(f->last ? &f->last->next : &f->first) = h;
        *(lane->last ? &lane->last->lane_next : &lane->first) = h;
        f->last = lane->last = h;
        f->stats.pending++;
}

static void take_out(struct fuse *f, struct held *h)
{
        *(h->prev ? &h->prev->next : &f->first) = h->next;
        *(h->next ? &h->next->prev : &f->last) = h->prev;
        *(h->lane_prev ? &h->lane_prev->lane_next : &h->lane->first) = h->lane_next;
        *(h->lane_next ? &h->lane_next->lane_prev : &h->lane->last) = h->lane_prev;
        f->stats.pending--;
        /* Unless a later act on the same path, by another process, has taken its place. */
        if (map_get(f->by_path, buf_bytes(&h->key)) == h && map_del(f->by_path, buf_bytes(&h->key)) < 0)
                f->stats.index_refused++;
}

static int release(struct fuse *f, struct held *h)
{
        struct tide_event ev;
        size_t used;
        int r;

        take_out(f, h);
        r = tide_decode(h->record.p, h->record.len, &ev, &used);
        if (r == 0)
                r = fuse_pass(f, &ev);
        held_free(h);
        return r;
}

int hold_release_due(struct fuse *f, uint64_t now)
{
        int r = 0;

        while (r >= 0 && f->first && f->first->due <= now)
                r = release(f, f->first);
        return r;
}

int hold_release_lane(struct fuse *f, struct lane *lane)
{
        int r = 0;

        while (r >= 0 && lane->first)
                r = release(f, lane->first);
        return r;
}

int hold_release_all(struct fuse *f)
{
        int r = 0;

        while (r >= 0 && f->first)
                r = release(f, f->first);
        return r;
}

void hold_free(struct fuse *f)
{
        while (f->first) {
                struct held *h = f->first;

                f->first = h->next;
                held_free(h);
        }
}

int hold_event(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = map_get(f->ctrs, ev->container);
        struct held *h;
        int r = 0;

        while (r >= 0 && f->first && f->stats.pending >= f->p.pending_max)
                r = release(f, f->first);
        if (r < 0)
                return r;
        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->due = ev->boot_ns + f->p.join_ns;
        buf_init(&h->record, TIDE_RECORD_MAX);
        buf_init(&h->key, TIDE_RECORD_MAX);
        path_key(ev, &h->key);
        r = tide_encode(ev, &h->record);
        if (r == 0)
                r = h->key.err ? h->key.err : map_put(f->by_path, buf_bytes(&h->key), h);
        if (r == 0) {
                append(f, c ? &c->lane : &f->stray, h);
                return 0;
        }
        held_free(h);
        if (r != ERR_LIMIT)
                return r;
        /* Nothing can be held: in its order, but alone. */
        r = hold_release_lane(f, c ? &c->lane : &f->stray);
        return r < 0 ? r : fuse_pass(f, ev);
}

static unsigned knows(const struct tide_actor *a)
{
        return (a->flags & ACTOR_PID ? 4u : 0u) | (a->flags & ACTOR_EXE ? 2u : 0u) |
               (a->flags & ACTOR_LINEAGE ? 1u : 0u);
}

/* Can the later one be of the same act? */
static bool one_act(const struct tide_file *held, const struct tide_file *later)
{
        /* A name that went and came again is another file: what it is now must not hide behind its going. */
        if (held->ops & OP_DELETE && !(later->ops & OP_DELETE))
                return false;
        /* Two processes: two acts. */
        return !(held->actor.flags & later->actor.flags & ACTOR_PID) ||
               (held->actor.pid == later->actor.pid && held->actor.start == later->actor.start);
}

/* What a walk met, and an event tells: the event's word counts, and it is no thing of before us. */
static void unite_ops(struct tide_event *to, const struct tide_event *from)
{
        bool to_found = to->file.ops == OP_FOUND, from_found = from->file.ops == OP_FOUND;
        uint16_t flags = from->flags;

        to->file.ops |= from->file.ops;
        if (to_found != from_found) {
                to->file.ops &= (uint16_t)~OP_FOUND;
                *(to_found ? &to->flags : &flags) &= (uint16_t)~EVF_BEFORE;
        }
        to->flags |= flags;
}

/* Two sides of one act: both sources, all operations, the better-known process, the newer facts of the file. */
static void unite(struct tide_event *to, const struct tide_event *from)
{
        struct tide_file *a = &to->file;
        const struct tide_file *b = &from->file;

        unite_ops(to, from);
        to->sources |= from->sources;
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

int hold_join(struct fuse *f, const struct tide_event *ev)
{
        struct tide_event both;
        struct held *h;
        struct buf swap;
        size_t used;

        path_key(ev, &f->key);
        h = f->key.err ? NULL : map_get(f->by_path, buf_bytes(&f->key));
        if (!h || tide_decode(h->record.p, h->record.len, &both, &used) < 0 || !one_act(&both.file, &ev->file))
                return 0;
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
