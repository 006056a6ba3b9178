/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what each workload is known to do, how far learning has come, and when it ends. Must not: score. Pure.
 *
 * Windows are hours (settable) of event time in which the workload did anything of a dimension (for rights, which most
 * never touch: in which it ran); replicas in one hour are one window. T of them, Q1 entries seen in exactly one: the
 * chance that the next holds something new is p = 1 - exp(-(Q1 + 1/2) / (T + 1)).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

/* Pure rooms draw no random numbers: the maps' order is that of insertion, and their limits bound what a collision
 * costs. */
static const struct map_seed seed = {0x746964656d61726b, 0x626173656c696e65};

static void entry_free(void *p)
{
        struct entry *e = p;

        str_clear(&e->key);
        str_clear(&e->exe);
        free(e);
}

void baseline_free(void *p)
{
        struct workload *w = p;

        map_free(w->entries);
        map_free(w->keys);
        map_free(w->siblings);
        str_clear(&w->id);
        str_clear(&w->name);
        str_clear(&w->image);
        str_clear(&w->digest);
        free(w);
}

/* Make room: of the workloads that do not run, the one unseen for longest goes. */
static void expire_one(struct judge *j)
{
        struct workload *oldest = NULL;
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                struct workload *w = value;

                if (w->running == 0 && (!oldest || w->last_ns < oldest->last_ns))
                        oldest = w;
        }
        if (!oldest)
                return;
        for (size_t i = 0; map_next(oldest->entries, &i, NULL, &value);)
                pieces_drop_entry(j, oldest, value);
        for (size_t i = 0; map_next(j->containers, &i, NULL, &value);) {
                struct container_memory *c = value;

                if (c->workload == oldest)
                        c->workload = NULL;
        }
        j->ops->save(PIECE_WORKLOAD, str_get(&oldest->id), bytes_of(NULL, 0), j->arg);
        if (map_del(j->workloads, str_get(&oldest->id)) < 0)
                j->stats.refused++;
}

static struct workload *make(struct judge *j, struct bytes id)
{
        struct workload *w = calloc(1, sizeof(*w));
        size_t limit = (size_t)j->p.max_entries * DIM__MAX;

        if (!w)
                return NULL;
        if (map_new(limit, seed, entry_free, &w->entries) < 0 || map_new(limit, seed, NULL, &w->keys) < 0 ||
            map_new(limit, seed, NULL, &w->siblings) < 0 || str_set(&w->id, id) < 0) {
                baseline_free(w);
                return NULL;
        }
        w->dim[DIM_FILE].state = w->dim[DIM_PROCESS].state = w->dim[DIM_PRIVILEGE].state = DS_LEARNING;
        for (int d = 0; d < DIM__MAX; d++)
                w->dim[d].last_window = -1;
        return w;
}

enum dim_state baseline_state(const struct workload *w, unsigned dim)
{
        return w->class == CLASS_SERVICE ? w->dim[dim].state : DS_OFF;
}

struct workload *baseline_workload(struct judge *j, struct bytes id)
{
        struct workload *w = map_get(j->workloads, id);

        if (w)
                return w;
        if (map_count(j->workloads) >= j->p.max_workloads)
                expire_one(j);
        w = make(j, id);
        if (w && map_put(j->workloads, id, w) < 0) {
                baseline_free(w);
                w = NULL;
        }
        if (!w)
                j->stats.refused++;
        return w;
}

/* ---- keys ---- */

void entry_key(enum dimension dim, struct bytes key, struct bytes exe, struct buf *out)
{
        buf_reset(out);
        buf_put_u8(out, (uint8_t)dim);
        buf_put_bytes(out, key);
        buf_put(out, exe.p, exe.len);
}

static size_t number_get(const struct map *m, struct bytes key)
{
        return (size_t)(uintptr_t)map_get(m, key);
}

static int number_add(struct map *m, struct bytes key, int step)
{
        size_t n = number_get(m, key) + (size_t)step;

        return n == 0 ? map_del(m, key) : map_put(m, key, (void *)(uintptr_t)n);
}

static struct bytes directory(struct bytes key)
{
        int at = bytes_rfind(key, '/');

        return bytes_of(key.p, at < 0 ? 0 : (size_t)at);
}

static struct entry *find(const struct workload *w, enum dimension dim, struct bytes key, struct bytes exe,
                          struct buf *scratch)
{
        entry_key(dim, key, exe, scratch);
        return scratch->err ? NULL : map_get(w->entries, buf_bytes(scratch));
}

/* What stands for all names beside this one: "DIRECTORY/" and a star, into out. */
static struct bytes pattern_of(struct bytes key, struct buf *out)
{
        struct bytes dir = directory(key);

        buf_reset(out);
        buf_put(out, dir.p, dir.len);
        buf_put_str(out, "/*");
        return buf_bytes(out);
}

/* The entry of that pattern for this executable. */
static struct entry *find_pattern(const struct workload *w, struct bytes key, struct bytes exe, struct buf *scratch)
{
        _cleanup_buf_ struct buf text;
        struct bytes pattern;

        buf_init(&text, 16384);
        pattern = pattern_of(key, &text);
        return text.err ? NULL : find(w, DIM_FILE, pattern, exe, scratch);
}

enum known baseline_lookup(const struct workload *w, const struct observation *o, struct entry **ret)
{
        _cleanup_buf_ struct buf scratch;
        struct entry *e;
        bool other;

        buf_init(&scratch, 16384);
        e = find(w, o->dim, o->key, o->exe, &scratch);
        if (!e && o->dim == DIM_FILE && !o->executable)
                e = find_pattern(w, o->key, o->exe, &scratch);
        *ret = e;
        if (e)
                return e->candidate ? KNOWN_CANDIDATE : KNOWN_YES;
        entry_key(o->dim, o->key, bytes_of(NULL, 0), &scratch);
        other = !scratch.err && number_get(w->keys, buf_bytes(&scratch)) > 0;
        return other ? KNOWN_OTHER_EXE : KNOWN_NOT;
}

/* ---- learning ---- */

static void see_window(struct judge *j, struct dim_learning *d, int64_t wall_ns, int64_t *ret_window)
{
        int64_t window = wall_ns / (int64_t)j->p.window_ns;

        if (window > d->last_window) {
                d->windows++;
                d->last_window = window;
        }
        *ret_window = window;
}

void baseline_hour(struct judge *j, struct workload *w, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[DIM_PRIVILEGE];
        uint32_t before = d->windows;
        int64_t window;

        see_window(j, d, wall_ns, &window);
        if (d->windows != before)
                pieces_save_workload(j, w);
}

void baseline_touch(struct judge *j, struct workload *w, struct entry *e, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[e->dim];
        int64_t window;

        e->count++;
        e->last_ns = wall_ns;
        see_window(j, d, wall_ns, &window);
        if (window <= e->last_window)
                return; /* stored with the next window: a count of this hour is all that a crash can take back */
        e->last_window = window;
        if (e->windows++ == 1 && !e->candidate && d->once)
                d->once--;
        pieces_save_entry(j, w, e);
        pieces_save_workload(j, w);
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
        if (e->candidate)
                return 0;
        w->dim[e->dim].entries++;
        if (e->windows == 1)
                w->dim[e->dim].once++;
        entry_key(e->dim, str_get(&e->key), bytes_of(NULL, 0), &scratch);
        if (!scratch.err)
                r = number_add(w->keys, buf_bytes(&scratch), 1);
        if (e->dim != DIM_FILE)
                return 0;
        entry_key(DIM_FILE, str_get(&e->exe), directory(str_get(&e->key)), &scratch);
        if (!scratch.err)
                r = number_add(w->siblings, buf_bytes(&scratch), 1);
        return r == ERR_LIMIT ? 0 : r; /* then only the count of siblings is short */
}

static void forget_entry(struct judge *j, struct workload *w, struct entry *e)
{
        _cleanup_buf_ struct buf scratch;
        struct dim_learning *d = &w->dim[e->dim];

        buf_init(&scratch, 16384);
        pieces_drop_entry(j, w, e);
        entry_key(e->dim, str_get(&e->key), bytes_of(NULL, 0), &scratch);
        if (number_add(w->keys, buf_bytes(&scratch), -1) < 0)
                j->stats.refused++;
        entry_key(DIM_FILE, str_get(&e->exe), directory(str_get(&e->key)), &scratch);
        if (e->dim == DIM_FILE && number_add(w->siblings, buf_bytes(&scratch), -1) < 0)
                j->stats.refused++;
        if (d->entries)
                d->entries--;
        if (e->windows == 1 && d->once)
                d->once--;
        entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
        if (map_del(w->entries, buf_bytes(&scratch)) < 0)
                j->stats.refused++;
}

static struct entry *entry_new(const struct observation *o, struct bytes key, bool candidate, int64_t window)
{
        struct entry *e = calloc(1, sizeof(*e));

        if (!e)
                return NULL;
        e->dim = o->dim;
        e->first_ns = e->last_ns = o->ev->wall_ns;
        e->count = 1;
        e->windows = 1;
        e->last_window = window;
        e->candidate = candidate;
        if (str_set(&e->key, key) < 0 || str_set(&e->exe, o->exe) < 0) {
                entry_free(e);
                return NULL;
        }
        return e;
}

/* So many names of one executable in one directory: what they have in common is the directory. */
static int merge_siblings(struct judge *j, struct workload *w, const struct observation *o, int64_t window)
{
        _cleanup_buf_ struct buf text;
        struct bytes dir = directory(o->key), pattern;
        struct entry *e, *fresh;
        void *value;
        int r;

        buf_init(&text, 16384);
        pattern = pattern_of(o->key, &text);
        if (text.err)
                return 0;
        fresh = entry_new(o, pattern, false, window);
        if (!fresh)
                return -ENOMEM;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                e = value;
                if (e->dim != DIM_FILE || e->candidate || !bytes_eq(str_get(&e->exe), o->exe) ||
                    !bytes_eq(directory(str_get(&e->key)), dir))
                        continue;
                fresh->count += e->count;
                if (e->windows > fresh->windows)
                        fresh->windows = e->windows;
                if (e->first_ns < fresh->first_ns)
                        fresh->first_ns = e->first_ns;
                forget_entry(j, w, e);
        }
        r = baseline_insert(w, fresh);
        if (r < 0) {
                entry_free(fresh);
                return r;
        }
        pieces_save_entry(j, w, fresh);
        return 0;
}

int baseline_learn(struct judge *j, struct workload *w, const struct observation *o, bool candidate)
{
        _cleanup_buf_ struct buf scratch;
        struct dim_learning *d = &w->dim[o->dim];
        struct entry *e;
        int64_t window;
        int r;

        buf_init(&scratch, 16384);
        see_window(j, d, o->ev->wall_ns, &window);
        if (d->entries >= j->p.max_entries) {
                d->refused++;
                j->stats.refused++;
                return 0;
        }
        e = entry_new(o, o->key, candidate, window);
        if (!e)
                return -ENOMEM;
        r = baseline_insert(w, e);
        if (r < 0) {
                entry_free(e);
                d->refused++;
                j->stats.refused++;
                return r == ERR_LIMIT ? 0 : r;
        }
        if (!candidate)
                j->stats.learned++;
        pieces_save_entry(j, w, e);
        entry_key(DIM_FILE, o->exe, directory(o->key), &scratch);
        if (o->dim == DIM_FILE && !candidate && !o->executable && !scratch.err &&
            number_get(w->siblings, buf_bytes(&scratch)) >= j->p.siblings)
                r = merge_siblings(j, w, o, window);
        pieces_save_workload(j, w);
        return r;
}

bool baseline_varies(const struct judge *j, const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf scratch, text;
        struct bytes pattern;

        buf_init(&scratch, 16384);
        buf_init(&text, 16384);
        entry_key(DIM_FILE, o->exe, directory(o->key), &scratch);
        if (!scratch.err && number_get(w->siblings, buf_bytes(&scratch)) * 2 >= j->p.siblings)
                return true;
        pattern = pattern_of(o->key, &text); /* or by another executable's pattern */
        entry_key(DIM_FILE, pattern, bytes_of(NULL, 0), &scratch);
        return !text.err && !scratch.err && number_get(w->keys, buf_bytes(&scratch)) > 0;
}

double baseline_p_new(const struct workload *w, enum dimension dim)
{
        const struct dim_learning *d = &w->dim[dim];

        return 1.0 - exp(-((double)d->once + 0.5) / ((double)d->windows + 1.0));
}

static void end_learning(struct judge *j, struct workload *w, enum dimension dim, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[dim];
        uint64_t since;

        if (d->state != DS_LEARNING || d->windows == 0 || wall_ns <= d->since_ns)
                return;
        since = (uint64_t)ns_apart(wall_ns, d->since_ns);
        if (since >= j->p.converge_min_ns && baseline_p_new(w, dim) <= j->p.converged_p)
                snprintf(d->by, sizeof(d->by), "converged");
        else if (since >= j->p.calibration_ns)
                snprintf(d->by, sizeof(d->by), "timer");
        else
                return;
        d->state = DS_ACTIVE;
        d->since_ns = wall_ns;
        pieces_save_workload(j, w);
}

void baseline_tick(struct judge *j, int64_t wall_ns)
{
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                if (((struct workload *)value)->running)
                        baseline_hour(j, value, wall_ns);
                end_learning(j, value, DIM_FILE, wall_ns);
                end_learning(j, value, DIM_PROCESS, wall_ns);
                end_learning(j, value, DIM_PRIVILEGE, wall_ns);
        }
}
