/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: file events that wait for their other half, in order, and what two halves make together. Must not: know of
 * walks or of the index. Pure. Hands over: what leaves, to fuse_tell().
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fuse-priv.h"
#include "tidemark/err.h"

static void held_free(struct held *h)
{
        buf_release(&h->record);
        free(h);
}

static bool is_of(const struct held *h, uint64_t hash, const struct tide_event *ev)
{
        return h->hash == hash && bytes_eq(bytes_of(h->name, h->id_len), ev->container) &&
               bytes_eq(bytes_of(h->name + h->id_len, h->path_len), ev->file.path);
}

static struct held *find(const struct fuse *f, uint64_t hash, const struct tide_event *ev)
{
        struct held *h = f->by_path[hash % HELD_SLOTS];

        while (h && !is_of(h, hash, ev))
                h = h->chain;
        return h;
}

static struct held *held_new(uint64_t hash, const struct tide_event *ev)
{
        struct held *h = calloc(1, sizeof(*h) + ev->container.len + ev->file.path.len);

        if (!h)
                return NULL;
        h->hash = hash;
        h->id_len = ev->container.len;
        h->path_len = ev->file.path.len;
        if (h->id_len)
                memcpy(h->name, ev->container.p, h->id_len);
        if (h->path_len)
                memcpy(h->name + h->id_len, ev->file.path.p, h->path_len);
        buf_init(&h->record, TIDE_RECORD_MAX);
        return h;
}

static void append(struct fuse *f, struct lane *lane, struct held *h)
{
        struct held **slot = &f->by_path[h->hash % HELD_SLOTS];

        h->lane = lane;
        h->prev = f->last;
        h->lane_prev = lane->last;
        *(f->last ? &f->last->next : &f->first) = h;
        *(lane->last ? &lane->last->lane_next : &lane->first) = h;
        f->last = lane->last = h;
        h->chain = *slot;
        *slot = h;
        f->stats.pending++;
}

static void take_out(struct fuse *f, struct held *h)
{
        struct held **at = &f->by_path[h->hash % HELD_SLOTS];

        *(h->prev ? &h->prev->next : &f->first) = h->next;
        *(h->next ? &h->next->prev : &f->last) = h->prev;
        *(h->lane_prev ? &h->lane_prev->lane_next : &h->lane->first) = h->lane_next;
        *(h->lane_next ? &h->lane_next->lane_prev : &h->lane->last) = h->lane_prev;
        while (*at != h)
                at = &(*at)->chain;
        *at = h->chain;
        f->stats.pending--;
}

static int release(struct fuse *f, struct held *h)
{
        struct tide_event ev;
        size_t used;
        int r;

        take_out(f, h);
        r = tide_decode(h->record.p, h->record.len, &ev, &used);
        if (r == 0)
                r = fuse_tell(f, h->lane->ctr, h->hash, &ev);
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

int hold_event(struct fuse *f, struct lane *lane, uint64_t hash, const struct tide_event *ev)
{
        struct held *h;
        int r = 0;

        while (r >= 0 && f->first && f->stats.pending >= f->p.pending_max)
                r = release(f, f->first);
        if (r < 0)
                return r;
        h = held_new(hash, ev);
        if (!h)
                return -ENOMEM;
        h->due = ev->boot_ns + f->p.join_ns;
        r = tide_encode(ev, &h->record);
        if (r == 0) {
                append(f, lane, h);
                return 0;
        }
        held_free(h);
        if (r != ERR_LIMIT)
                return r;
        /* Too large to be held: in its order, but alone. */
        r = hold_release_lane(f, lane);
        return r < 0 ? r : fuse_tell(f, lane->ctr, hash, ev);
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

/* The same process, which has become another program between them: who writes is who did it. */
static bool is_writers(const struct tide_file *to, const struct tide_file *from)
{
        return to->actor.flags & from->actor.flags & ACTOR_PID && from->ops & OP_WRITE && !(to->ops & OP_WRITE);
}

/* Two sides of one act: both sources, all operations, the better-known process, the newer facts of the file. */
static void unite(struct tide_event *to, const struct tide_event *from)
{
        struct tide_file *a = &to->file;
        const struct tide_file *b = &from->file;
        bool writers = is_writers(a, b);

        unite_ops(to, from);
        if (b->change == CHANGE_REMOVED && b->ops & OP_DELETE) {
                /* To remove a directory of the image, overlayfs first puts an empty one that hides it in its place. */
                if (a->flags & FILEF_OPAQUE)
                        a->ops &= (uint16_t)~OP_CREATE;
                a->flags = 0;
        }
        to->sources |= from->sources;
        if (knows(&b->actor) > knows(&a->actor) || (writers && knows(&b->actor) == knows(&a->actor)))
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
                a->flags = b->flags;
        }
        if (b->target.len)
                a->target = b->target;
}

int hold_join(struct fuse *f, uint64_t hash, const struct tide_event *ev)
{
        struct held *h = find(f, hash, ev);
        struct tide_event both;
        struct buf swap;
        size_t used;

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
