/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how entries of a baseline come and go, what is counted of them, and their phases. Must not: decide what is
 * learned (learning.c, judge.c). Hands over: what changed to pieces.c. Pure.
 */
#include <errno.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

uint8_t phase_bit(const struct observation *o)
{
        return o->phase == PHASE_UNKNOWN ? 0 : (uint8_t)PHASE_BIT(o->phase);
}

/* The phase it is called in, and by how many of how many. True: that is new of it. */
static bool note_caller(struct workload *w, struct entry *e, const struct observation *o, bool learning)
{
        bool another = o->c->hash != e->caller, more = w->running > e->replicas;
        uint8_t phases = e->phases;

        if (e->dim != DIM_NETWORK)
                return false;
        another = another && !e->several;
        e->several = e->several || another;
        if (more)
                e->replicas = w->running;
        if (learning || e->candidate) /* what an approval is for: all that was seen of it */
                e->phases |= phase_bit(o);
        return another || more || phases != e->phases;
}

int entry_note_phases(struct workload *w, const struct entry *e)
{
        _cleanup_buf_ struct buf scratch;
        size_t all;
        int r;

        buf_init(&scratch, 16384);
        if (e->dim != DIM_NETWORK || e->candidate)
                return 0;
        entry_key(e->dim, str_get(&e->key), bytes_of(NULL, 0), &scratch);
        if (scratch.err)
                return 0;
        all = number_get(w->phases, buf_bytes(&scratch)) | entry_phases(e);
        r = map_put(w->phases, buf_bytes(&scratch), (void *)(uintptr_t)all);
        return r == ERR_LIMIT ? 0 : r;
}

/* As they are when the entries are restored: without those of candidates. */
void entries_rebuild_phases(struct judge *j, struct workload *w)
{
        struct bytes key;
        void *value;

        for (size_t i = 0; map_next(w->phases, &i, &key, NULL);)
                if (map_del(w->phases, key) < 0)
                        j->stats.refused++;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);)
                if (entry_note_phases(w, value) < 0)
                        j->stats.refused++;
}

void baseline_touch(struct judge *j, struct workload *w, struct entry *e, const struct observation *o, bool learning)
{
        struct dim_learning *d = &w->dim[e->dim];
        int64_t window, wall_ns = o->ev->wall_ns;
        bool any_phase = e->phases == 0;

        e->count++;
        e->last_ns = wall_ns;
        learning_window(j, d, wall_ns, &window);
        if (e->candidate && written_keep(e, o, false))
                pieces_save_entry(j, w, e);
        if (note_caller(w, e, o, learning)) {
                if (any_phase && e->phases)
                        entries_rebuild_phases(j, w); /* it fits no other any more */
                if (entry_note_phases(w, e) < 0)
                        j->stats.refused++;
                pieces_save_entry(j, w, e);
        }
        if (e->inherited) { /* now it is this digest's own */
                e->inherited = false;
                pieces_save_entry(j, w, e);
        }
        if (window <= e->last_window)
                return; /* stored with the next window: a count of this hour is all that a crash can take back */
        e->last_window = window;
        if (e->windows++ == 1 && !e->candidate && d->once && !key_is_lasting(e->dim, str_get(&e->key)))
                d->once--;
        pieces_save_entry(j, w, e);
        pieces_save_workload(j, w);
}

unsigned key_depth(struct bytes dir)
{
        unsigned n = 0;

        for (uint32_t i = 0; i < dir.len; i++)
                n += dir.p[i] == '/';
        return n;
}

/* Names in it, and directories in it in which something is. */
static size_t content(const struct workload *w, struct bytes exe, struct bytes dir, struct bytes marks,
                      struct buf *scratch)
{
        size_t n;

        key_siblings(DIM_FILE, exe, dir, marks, scratch);
        n = scratch->err ? 0 : number_get(w->siblings, buf_bytes(scratch));
        key_below(exe, dir, marks, scratch);
        return n + (scratch->err ? 0 : number_get(w->siblings, buf_bytes(scratch)));
}

/* A name came to be in a directory, or went: with the first and the last one the directory itself counts in its own. */
static int count_name(struct workload *w, struct bytes exe, struct bytes dir, struct bytes marks, int step)
{
        _cleanup_buf_ struct buf scratch;
        size_t had = 0;
        int r = 0;

        buf_init(&scratch, 16384);
        had = content(w, exe, dir, marks, &scratch);
        key_siblings(DIM_FILE, exe, dir, marks, &scratch);
        while (r == 0 && !scratch.err) {
                r = number_add(w->siblings, buf_bytes(&scratch), step);
                if (dir.len == 0 || key_depth(dir) > SHAPED_MAX ||
                    (had == 0) == (content(w, exe, dir, marks, &scratch) == 0))
                        break;
                dir = key_directory(dir);
                had = content(w, exe, dir, marks, &scratch);
                key_below(exe, dir, marks, &scratch);
        }
        return r;
}

/* In or out of what is counted of the workload: step is 1 or -1. */
int entry_count(struct workload *w, const struct entry *e, int step)
{
        struct dim_learning *d = &w->dim[e->dim];
        _cleanup_buf_ struct buf scratch;
        bool siblings;
        int r = 0, r2 = 0;

        buf_init(&scratch, 16384);
        if (e->candidate) {
                d->candidates += (uint32_t)step;
                key_candidate(e->dim, str_get(&e->key), &scratch);
                if (entry_is_destination(e) && !scratch.err)
                        r = number_add(w->keys, buf_bytes(&scratch), step);
                return r == ERR_LIMIT || r == -ENOENT ? 0 : r;
        }
        if (step > 0 || d->entries)
                d->entries += (uint32_t)step;
        if (e->windows == 1 && (step > 0 || d->once) && !key_is_lasting(e->dim, str_get(&e->key)))
                d->once += (uint32_t)step;
        entry_key(e->dim, str_get(&e->key), bytes_of(NULL, 0), &scratch);
        if (!scratch.err)
                r = number_add(w->keys, buf_bytes(&scratch), step);
        siblings = key_has_family(e->dim, str_get(&e->key));
        if (siblings)
                key_siblings(e->dim, str_get(&e->exe), key_family(e->dim, str_get(&e->key)),
                             key_marks(e->dim, str_get(&e->key)), &scratch);
        else
                key_host(e->dim, str_get(&e->key), &scratch);
        if (siblings && e->dim == DIM_FILE)
                r2 = count_name(w, str_get(&e->exe), key_family(e->dim, str_get(&e->key)),
                                key_marks(e->dim, str_get(&e->key)), step);
        else if (!scratch.err && scratch.len)
                r2 = number_add(siblings ? w->siblings : w->keys, buf_bytes(&scratch), step);
        if (r == 0 && step > 0)
                r = entry_note_phases(w, e);
        r = r == 0 ? r2 : r;
        return r == ERR_LIMIT || r == -ENOENT ? 0 : r; /* then only a count is short */
}

int baseline_insert(struct workload *w, struct entry *e)
{
        _cleanup_buf_ struct buf scratch;
        int r;

        buf_init(&scratch, 16384);
        entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
        r = scratch.err ? scratch.err : map_put(w->entries, buf_bytes(&scratch), e);
        if (r < 0)
                return r;
        r = entry_count(w, e, 1);
        if (r < 0) { /* the caller's again */
                entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
                e = map_take(w->entries, buf_bytes(&scratch));
        }
        return e ? r : -ENOENT;
}

void entry_forget(struct judge *j, struct workload *w, struct entry *e)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        pieces_drop_entry(j, w, e);
        if (entry_count(w, e, -1) < 0)
                j->stats.refused++;
        entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
        if (map_del(w->entries, buf_bytes(&scratch)) < 0)
                j->stats.refused++;
}

struct entry *entry_new(const struct observation *o, struct bytes key, enum learn how, int64_t window)
{
        static const uint8_t whys[] = {[LEARN_KNOWN] = WHY_NEVER_SILENT,  [LEARN_RAISED] = WHY_NEVER_SILENT,
                                       [LEARN_WAITING] = WHY_RAW_ADDRESS, [LEARN_FOUND] = WHY_FOUND,
                                       [LEARN_UNPLACED] = WHY_UNPLACED,   [LEARN_NEW] = WHY_NEW,
                                       [LEARN_REVIEW] = WHY_NEW,          [LEARN_EXCUSED] = WHY_ROLLOUT,
                                       [LEARN_ROLLOUT] = WHY_ROLLOUT,     [LEARN_SUPPRESSED] = WHY_SUPPRESSED};
        bool raised = how == LEARN_RAISED || how == LEARN_NEW || how == LEARN_EXCUSED;
        struct entry *e = calloc(1, sizeof(*e));

        if (!e)
                return NULL;
        e->dim = o->dim;
        e->first_ns = e->last_ns = o->ev->wall_ns;
        e->count = 1;
        e->windows = 1;
        e->last_window = window;
        e->candidate = how != LEARN_KNOWN;
        e->waiting = e->candidate && !raised;
        e->why = whys[how];
        if (o->dim == DIM_NETWORK) {
                e->phases = phase_bit(o);
                e->caller = o->c->hash;
                e->replicas = o->c->workload ? o->c->workload->running : 0;
        }
        written_keep(e, o, true);
        if (str_set(&e->key, key) < 0 || str_set(&e->exe, o->exe) < 0) {
                entry_free(e);
                return NULL;
        }
        return e;
}

/* What was seen of one is seen of the other. In two windows at least, if their last ones differ. */
void entry_absorb(struct entry *to, const struct entry *e)
{
        bool apart = e->last_window != to->last_window;

        to->phases |= e->phases;
        to->several = to->several || e->several || e->caller != to->caller;
        to->count += e->count;
        if (e->windows > to->windows)
                to->windows = e->windows;
        if (to->windows < 2 && apart)
                to->windows = 2;
        if (e->first_ns < to->first_ns)
                to->first_ns = e->first_ns;
        if (e->last_ns > to->last_ns)
                to->last_ns = e->last_ns;
        if (e->last_window > to->last_window)
                to->last_window = e->last_window;
}

void baseline_unlearn_walked(struct judge *j, struct workload *w, int64_t since_ns)
{
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim == DIM_FILE && !e->candidate && str_get(&e->exe).len == 0 && e->first_ns >= since_ns)
                        entry_forget(j, w, e);
        }
}

void baseline_lend_phase(struct judge *j, struct workload *w, const struct observation *o)
{
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim != o->dim || e->candidate || e->phases == 0 || !bytes_eq(str_get(&e->key), o->key))
                        continue;
                e->phases |= phase_bit(o);
                if (entry_note_phases(w, e) < 0)
                        j->stats.refused++;
                pieces_save_entry(j, w, e);
        }
}

void baseline_raised(struct judge *j, struct workload *w, struct entry *e)
{
        e->waiting = false;
        pieces_save_entry(j, w, e);
}

/* From a candidate to a part of the baseline, or back. */
int entry_set_candidate(struct judge *j, struct workload *w, struct entry *e, bool candidate)
{
        int r = entry_count(w, e, -1);

        e->candidate = e->waiting = candidate;
        if (!candidate)
                e->why = WHY_NEVER_SILENT; /* as it is where there is none */
        if (r == 0)
                r = entry_count(w, e, 1);
        pieces_save_entry(j, w, e);
        return r;
}

int baseline_take(struct judge *j, struct workload *w, struct entry *e)
{
        return entry_set_candidate(j, w, e, false);
}

int baseline_approve(struct judge *j, struct workload *w, enum dimension dim)
{
        void *value;
        int r = 0;

        for (size_t i = 0; r == 0 && map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim == dim && e->candidate && e->why != WHY_NEVER_SILENT && !e->rejected &&
                    (e->waiting || e->why < WHY_NEW))
                        r = entry_set_candidate(j, w, e, false);
        }
        return r;
}
