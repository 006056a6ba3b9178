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

#define SHAPED_MAX 16u /* so many directories on the way to a file may be covered by a pattern */

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
        map_free(w->phases);
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
        if (map_new(limit, seed, entry_free, &w->entries) < 0 || map_new(3 * limit, seed, NULL, &w->keys) < 0 ||
            map_new(limit, seed, NULL, &w->siblings) < 0 || map_new(limit, seed, NULL, &w->phases) < 0 ||
            str_set(&w->id, id) < 0) {
                baseline_free(w);
                return NULL;
        }
        for (int d = 0; d < DIM__MAX; d++) {
                w->dim[d].state = DS_LEARNING;
                w->dim[d].last_window = -1;
        }
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
        size_t had = number_get(m, key), n = had + (size_t)step;

        if (step < 0 && had == 0)
                return 0;
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

/* What siblings have in common: of a file its directory, of a listener its protocol. Empty: it has none. */
static struct bytes family(enum dimension dim, struct bytes key)
{
        int slash = bytes_rfind(key, '/');

        if (dim == DIM_FILE)
                return directory(key);
        if (dim == DIM_NETWORK && slash > 0 && bytes_has_prefix(key, BYTES_LIT("listen ")))
                return bytes_of(key.p + slash, key.len - (uint32_t)slash); /* "/udp", and what marks it */
        return bytes_of(NULL, 0);
}

/* A file that can be run, by the marks behind its path (observe.c): no pattern covers it. */
static bool is_program(enum dimension dim, struct bytes key)
{
        static const struct {
                const char *mark;
                bool program;
        } marks[] = {{" [probe]", false},     {" [replaced]", false}, {" [changed]", true},
                     {" [capabilities]", true}, {" [executable]", true}, {" [setuid]", true}};

        for (size_t i = 0; dim == DIM_FILE && i < ARRAY_LEN(marks); i++) { /* in the order in which they stand */
                struct bytes mark = bytes_str(marks[i].mark);

                if (!bytes_has_suffix(key, mark))
                        continue;
                if (marks[i].program)
                        return true;
                key.len -= mark.len;
        }
        return false;
}

static bool has_family(enum dimension dim, struct bytes key)
{
        if (dim == DIM_FILE)
                return key.len && key.p[key.len - 1] != '/' && !is_program(dim, key);
        return family(dim, key).len > 0;
}

/* What stands for all siblings: "DIRECTORY/" and a star, or "listen *" and the protocol; into out. */
static struct bytes pattern_of(enum dimension dim, struct bytes key, struct buf *out)
{
        struct bytes f = family(dim, key);

        buf_reset(out);
        buf_put_str(out, dim == DIM_NETWORK ? "listen *" : "");
        buf_put(out, f.p, f.len);
        buf_put_str(out, dim == DIM_NETWORK ? "" : "/*");
        return buf_bytes(out);
}

/* The entry of that pattern for this executable. */
static struct entry *find_pattern(const struct workload *w, enum dimension dim, struct bytes key, struct bytes exe,
                                  struct buf *scratch)
{
        _cleanup_buf_ struct buf text;
        struct bytes pattern;

        buf_init(&text, 16384);
        pattern = pattern_of(dim, key, &text);
        return text.err ? NULL : find(w, dim, pattern, exe, scratch);
}

/* None of the phases is known of what was approved as it was found: then it fits any, as what has none itself does. */
static bool fits_phase(const struct observation *o, size_t phases)
{
        return o->phase == PHASE_UNKNOWN || (phases & (PHASE_BIT(o->phase) | PHASE_BIT(PHASE_UNKNOWN)));
}

static size_t phases_of(const struct entry *e)
{
        return e->phases ? e->phases : PHASE_BIT(PHASE_UNKNOWN);
}

/* Does a pattern stand of this executable (NULL: of any)? */
static bool stands(const struct workload *w, struct bytes pattern, const struct bytes *exe, struct buf *scratch)
{
        if (exe)
                return find(w, DIM_FILE, pattern, *exe, scratch) != NULL;
        entry_key(DIM_FILE, pattern, bytes_of(NULL, 0), scratch);
        return !scratch->err && number_get(w->keys, buf_bytes(scratch)) > 0;
}

/*
 * Where a directory is one of many, which one it is does not matter for what is in it: "/cache/3b/index" is kept as
 * "/cache/", a star, "/index" if there is an entry "/cache/", a star, "/" that says so (interchangeable()). By those of
 * one executable, or of all (NULL). The key as it is, if there is none.
 */
static struct bytes shape_of(const struct workload *w, struct bytes key, const struct bytes *exe, struct buf *out)
{
        _cleanup_buf_ struct buf scratch;
        uint32_t at = 0;

        buf_init(&scratch, 16384);
        buf_reset(out);
        for (unsigned n = 0; n < SHAPED_MAX && at < key.len && key.p[at] == '/'; n++) {
                uint32_t end = at + 1;
                size_t had = out->len;

                while (end < key.len && key.p[end] != '/')
                        end++;
                if (end == key.len)
                        break;
                buf_put_str(out, "/*/");
                if (stands(w, buf_bytes(out), exe, &scratch)) {
                        out->len--;
                } else {
                        out->len = had;
                        buf_put(out, key.p + at, end - at);
                }
                at = end;
        }
        buf_put(out, key.p + at, key.len - at);
        return out->err ? key : buf_bytes(out);
}

/* The key under which it is kept, if it is. */
static struct bytes kept_as(const struct workload *w, const struct observation *o, struct buf *out)
{
        return o->dim == DIM_FILE && !o->executable ? shape_of(w, o->key, &o->exe, out) : o->key;
}

static enum known as_entry(const struct observation *o, const struct entry *e)
{
        if (e->candidate)
                return e->waiting ? KNOWN_WAITING : KNOWN_CANDIDATE;
        return o->dim == DIM_NETWORK && !o->net.listens && !fits_phase(o, phases_of(e)) ? KNOWN_OTHER_PHASE : KNOWN_YES;
}

/* By a pattern of any executable's; or, where that counts, as itself below one. */
static bool is_others_data(const struct workload *w, const struct observation *o, bool itself)
{
        _cleanup_buf_ struct buf scratch, shape, pattern;
        struct bytes key;

        buf_init(&scratch, 16384);
        buf_init(&shape, 16384);
        buf_init(&pattern, 16384);
        if (o->dim != DIM_FILE || o->executable)
                return false;
        key = shape_of(w, o->key, NULL, &shape);
        return (itself && stands(w, key, NULL, &scratch)) ||
               stands(w, pattern_of(DIM_FILE, key, &pattern), NULL, &scratch);
}

/* Some other executable does it. Where none is known now, by any of them will do, in this phase. */
static enum known as_others(const struct workload *w, const struct observation *o, struct bytes key)
{
        if (number_get(w->keys, key) == 0)
                return is_others_data(w, o, true) ? KNOWN_OTHER_EXE : KNOWN_NOT;
        if (o->dim == DIM_NETWORK && !o->known_exe && !o->net.listens &&
            !fits_phase(o, number_get(w->phases, key)))
                return KNOWN_OTHER_PHASE;
        return KNOWN_OTHER_EXE;
}

/* Beside the keys of what is known, so that these differ from all of them: programs are paths. */
static void candidate_key(enum dimension dim, struct bytes key, struct buf *out)
{
        entry_key(dim, key, BYTES_LIT("candidate"), out);
}

/* A candidate by where it goes, not by what calls: of these a call of nobody knows whom may be one. */
static bool is_destination(const struct entry *e)
{
        return e->dim == DIM_NETWORK && e->candidate && e->why != WHY_UNPLACED;
}

/* The first candidate of the key, by whomever. */
static struct entry *find_candidate(const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf scratch;
        void *value;

        buf_init(&scratch, 16384);
        candidate_key(o->dim, o->key, &scratch);
        if (scratch.err || number_get(w->keys, buf_bytes(&scratch)) == 0)
                return NULL;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim == o->dim && is_destination(e) && bytes_eq(str_get(&e->key), o->key))
                        return e;
        }
        return NULL;
}

/* Nobody knows who calls: any entry of the destination fits, a part of the baseline before a candidate. */
static enum known lookup_unnamed(const struct workload *w, const struct observation *o, struct bytes key,
                                 struct entry **e)
{
        if (*e && !(*e)->candidate)
                return o->net.listens || fits_phase(o, phases_of(*e) | number_get(w->phases, key)) ? KNOWN_YES
                                                                                                    : KNOWN_OTHER_PHASE;
        if (number_get(w->keys, key) > 0) {
                *e = NULL;
                return as_others(w, o, key);
        }
        if (!*e)
                *e = find_candidate(w, o);
        return *e ? as_entry(o, *e) : KNOWN_NOT;
}

/* It is not known to call. Where nobody is, a call of nobody knows whom may have been its. */
static enum known lookup_stranger(const struct workload *w, const struct observation *o, struct bytes key,
                                  struct entry **e)
{
        size_t callers = number_get(w->keys, key);

        *e = map_get(w->entries, key); /* the key without an executable is that entry's own */
        if (callers > (*e && !(*e)->candidate ? 1 : 0)) {
                *e = NULL;
                return KNOWN_OTHER_EXE;
        }
        return *e ? as_entry(o, *e) : KNOWN_NOT;
}

/* As it is; as one of many; and so for each directory on the way to it. */
static struct entry *find_data(const struct workload *w, const struct observation *o, struct buf *scratch)
{
        struct entry *e = find_pattern(w, o->dim, o->key, o->exe, scratch);
        _cleanup_buf_ struct buf shape;
        struct bytes key;

        buf_init(&shape, 16384);
        if (e || o->dim != DIM_FILE)
                return e;
        key = kept_as(w, o, &shape);
        if (bytes_eq(key, o->key))
                return NULL;
        e = find(w, o->dim, key, o->exe, scratch);
        return e ? e : find_pattern(w, o->dim, key, o->exe, scratch);
}

enum known baseline_lookup(const struct workload *w, const struct observation *o, struct entry **ret)
{
        _cleanup_buf_ struct buf scratch;
        struct entry *e;

        buf_init(&scratch, 16384);
        e = find(w, o->dim, o->key, o->exe, &scratch);
        if (!e && !o->executable && has_family(o->dim, o->key))
                e = find_data(w, o, &scratch);
        if (!e && o->known_exe && o->dim == DIM_FILE && !o->executable)
                e = find(w, o->dim, o->key, bytes_of(NULL, 0), &scratch); /* of nobody knows whom: of this one? */
        *ret = e;
        if (e && (o->dim != DIM_NETWORK || o->known_exe))
                return as_entry(o, e);
        entry_key(o->dim, o->key, bytes_of(NULL, 0), &scratch);
        if (scratch.err)
                return KNOWN_NOT;
        if (o->dim != DIM_NETWORK)
                return as_others(w, o, buf_bytes(&scratch));
        return o->known_exe ? lookup_stranger(w, o, buf_bytes(&scratch), ret)
                            : lookup_unnamed(w, o, buf_bytes(&scratch), ret);
}

/* Beside the keys of flows, which have a protocol, so that these differ from all of them. */
static void host_key(enum dimension dim, struct bytes key, struct buf *out)
{
        struct bytes host = dim == DIM_NETWORK ? net_host(key) : bytes_of(NULL, 0);

        buf_reset(out);
        if (host.len)
                entry_key(DIM_NETWORK, host, BYTES_LIT("host"), out);
}

static bool knows(const struct workload *w, enum dimension dim, struct bytes key)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        entry_key(dim, key, bytes_of(NULL, 0), &scratch);
        return !scratch.err && number_get(w->keys, buf_bytes(&scratch)) > 0;
}

bool baseline_knows_key(const struct workload *w, struct bytes key)
{
        return knows(w, DIM_NETWORK, key);
}

bool baseline_runs(const struct workload *w, struct bytes exe)
{
        return knows(w, DIM_PROCESS, exe);
}

bool baseline_knows_host(const struct workload *w, struct bytes key)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        host_key(DIM_NETWORK, key, &scratch);
        return scratch.len && !scratch.err && number_get(w->keys, buf_bytes(&scratch)) > 0;
}

/* A listener is told once, when it begins, and is there in every window from then on: it is no rare thing. Nor is what
 * says of directories that they are many. */
static bool is_lasting(enum dimension dim, struct bytes key)
{
        return dim == DIM_NETWORK ? family(dim, key).len > 0 : key.len && key.p[key.len - 1] == '/';
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
        struct dim_learning *d = &w->dim[DIM_PRIVILEGE], *net = &w->dim[DIM_NETWORK];
        uint32_t before = d->windows + net->windows;
        int64_t window;

        see_window(j, d, wall_ns, &window);
        if (net->windows && w->lit)
                see_window(j, net, wall_ns, &window);
        if (d->windows + net->windows != before)
                pieces_save_workload(j, w);
}

void baseline_count(struct workload *w, const struct container_memory *c, int step)
{
        uint32_t *of = c->flows == FLOWS_WATCHED ? &w->lit : c->flows == FLOWS_DARK ? &w->dark : NULL;

        if (step > 0 || w->running)
                w->running += (uint32_t)step;
        if (of && (step > 0 || *of))
                *of += (uint32_t)step;
}

/* Learning stands still while it is in the dark. */
void baseline_runs_in(struct judge *j, struct workload *w, const struct container_memory *c, int step, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[DIM_NETWORK];
        int64_t had = w->dark_since_ns, from = had > d->since_ns ? had : d->since_ns;
        bool dark;

        baseline_count(w, c, step);
        dark = w->dark && !w->lit;
        if (dark == (had != 0))
                return;
        w->dark_since_ns = dark ? wall_ns : 0;
        if (!dark && d->state == DS_LEARNING && wall_ns > from)
                d->since_ns = ns_plus(d->since_ns, (uint64_t)ns_apart(wall_ns, from));
        pieces_save_workload(j, w);
}

void baseline_net_hour(struct judge *j, struct workload *w, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[DIM_NETWORK];
        uint32_t before = d->windows;
        int64_t window;

        if (before == 0 && d->state == DS_LEARNING)
                d->since_ns = wall_ns; /* watched from now on */
        see_window(j, d, wall_ns, &window);
        if (d->windows != before)
                pieces_save_workload(j, w);
}

static uint8_t phase_bit(const struct observation *o)
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
        if (learning)
                e->phases |= phase_bit(o);
        return another || more || phases != e->phases;
}

static int note_phases(struct workload *w, const struct entry *e)
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
        all = number_get(w->phases, buf_bytes(&scratch)) | phases_of(e);
        r = map_put(w->phases, buf_bytes(&scratch), (void *)(uintptr_t)all);
        return r == ERR_LIMIT ? 0 : r;
}

/* As they are when the entries are restored: without those of candidates. */
static void rebuild_phases(struct judge *j, struct workload *w)
{
        struct bytes key;
        void *value;

        for (size_t i = 0; map_next(w->phases, &i, &key, NULL);)
                if (map_del(w->phases, key) < 0)
                        j->stats.refused++;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);)
                if (note_phases(w, value) < 0)
                        j->stats.refused++;
}

void baseline_touch(struct judge *j, struct workload *w, struct entry *e, const struct observation *o, bool learning)
{
        struct dim_learning *d = &w->dim[e->dim];
        int64_t window, wall_ns = o->ev->wall_ns;
        bool any_phase = e->phases == 0;

        e->count++;
        e->last_ns = wall_ns;
        see_window(j, d, wall_ns, &window);
        if (note_caller(w, e, o, learning)) {
                if (any_phase && e->phases)
                        rebuild_phases(j, w); /* it fits no other any more */
                if (note_phases(w, e) < 0)
                        j->stats.refused++;
                pieces_save_entry(j, w, e);
        }
        if (window <= e->last_window)
                return; /* stored with the next window: a count of this hour is all that a crash can take back */
        e->last_window = window;
        if (e->windows++ == 1 && !e->candidate && d->once && !is_lasting(e->dim, str_get(&e->key)))
                d->once--;
        pieces_save_entry(j, w, e);
        pieces_save_workload(j, w);
}

static unsigned depth_of(struct bytes dir)
{
        unsigned n = 0;

        for (uint32_t i = 0; i < dir.len; i++)
                n += dir.p[i] == '/';
        return n;
}

/* Of directories in dir in which something is: beside the names in it, whose key has no slash at its end. */
static void below_key(struct bytes exe, struct bytes dir, struct buf *out)
{
        entry_key(DIM_FILE, exe, dir, out);
        buf_put_u8(out, '/');
}

/* Names in it, and directories in it in which something is. */
static size_t content(const struct workload *w, struct bytes exe, struct bytes dir, struct buf *scratch)
{
        size_t n;

        entry_key(DIM_FILE, exe, dir, scratch);
        n = scratch->err ? 0 : number_get(w->siblings, buf_bytes(scratch));
        below_key(exe, dir, scratch);
        return n + (scratch->err ? 0 : number_get(w->siblings, buf_bytes(scratch)));
}

/* A name came to be in a directory, or went: with the first and the last one the directory itself counts in its own. */
static int count_name(struct workload *w, struct bytes exe, struct bytes dir, int step)
{
        _cleanup_buf_ struct buf scratch;
        size_t had = 0;
        int r = 0;

        buf_init(&scratch, 16384);
        had = content(w, exe, dir, &scratch);
        entry_key(DIM_FILE, exe, dir, &scratch);
        while (r == 0 && !scratch.err) {
                r = number_add(w->siblings, buf_bytes(&scratch), step);
                if (dir.len == 0 || depth_of(dir) > SHAPED_MAX || (had == 0) == (content(w, exe, dir, &scratch) == 0))
                        break;
                dir = directory(dir);
                had = content(w, exe, dir, &scratch);
                below_key(exe, dir, &scratch);
        }
        return r;
}

/* In or out of what is counted of the workload: step is 1 or -1. */
static int count_entry(struct workload *w, const struct entry *e, int step)
{
        struct dim_learning *d = &w->dim[e->dim];
        _cleanup_buf_ struct buf scratch;
        bool siblings;
        int r = 0, r2 = 0;

        buf_init(&scratch, 16384);
        if (e->candidate) {
                d->candidates += (uint32_t)step;
                candidate_key(e->dim, str_get(&e->key), &scratch);
                if (is_destination(e) && !scratch.err)
                        r = number_add(w->keys, buf_bytes(&scratch), step);
                return r == ERR_LIMIT || r == -ENOENT ? 0 : r;
        }
        if (step > 0 || d->entries)
                d->entries += (uint32_t)step;
        if (e->windows == 1 && (step > 0 || d->once) && !is_lasting(e->dim, str_get(&e->key)))
                d->once += (uint32_t)step;
        entry_key(e->dim, str_get(&e->key), bytes_of(NULL, 0), &scratch);
        if (!scratch.err)
                r = number_add(w->keys, buf_bytes(&scratch), step);
        siblings = has_family(e->dim, str_get(&e->key));
        if (siblings)
                entry_key(e->dim, str_get(&e->exe), family(e->dim, str_get(&e->key)), &scratch);
        else
                host_key(e->dim, str_get(&e->key), &scratch);
        if (siblings && e->dim == DIM_FILE)
                r2 = count_name(w, str_get(&e->exe), family(e->dim, str_get(&e->key)), step);
        else if (!scratch.err && scratch.len)
                r2 = number_add(siblings ? w->siblings : w->keys, buf_bytes(&scratch), step);
        if (r == 0 && step > 0)
                r = note_phases(w, e);
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
        r = count_entry(w, e, 1);
        if (r < 0) { /* the caller's again */
                entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
                e = map_take(w->entries, buf_bytes(&scratch));
        }
        return e ? r : -ENOENT;
}

static void forget_entry(struct judge *j, struct workload *w, struct entry *e)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        pieces_drop_entry(j, w, e);
        if (count_entry(w, e, -1) < 0)
                j->stats.refused++;
        entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
        if (map_del(w->entries, buf_bytes(&scratch)) < 0)
                j->stats.refused++;
}

static struct entry *entry_new(const struct observation *o, struct bytes key, enum learn how, int64_t window)
{
        static const uint8_t whys[] = {[LEARN_KNOWN] = WHY_NEVER_SILENT,   [LEARN_RAISED] = WHY_NEVER_SILENT,
                                       [LEARN_WAITING] = WHY_RAW_ADDRESS,  [LEARN_FOUND] = WHY_FOUND,
                                       [LEARN_UNPLACED] = WHY_UNPLACED};
        struct entry *e = calloc(1, sizeof(*e));

        if (!e)
                return NULL;
        e->dim = o->dim;
        e->first_ns = e->last_ns = o->ev->wall_ns;
        e->count = 1;
        e->windows = 1;
        e->last_window = window;
        e->candidate = how != LEARN_KNOWN;
        e->waiting = e->candidate && how != LEARN_RAISED;
        e->why = whys[how];
        if (o->dim == DIM_NETWORK) {
                e->phases = phase_bit(o);
                e->caller = o->c->hash;
                e->replicas = o->c->workload ? o->c->workload->running : 0;
        }
        if (str_set(&e->key, key) < 0 || str_set(&e->exe, o->exe) < 0) {
                entry_free(e);
                return NULL;
        }
        return e;
}

/* What was seen of one is seen of the other. In two windows at least, if their last ones differ. */
static void absorb(struct entry *to, const struct entry *e)
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

static bool is_one_of(const struct entry *e, const struct observation *o)
{
        return e->dim == o->dim && !e->candidate && has_family(e->dim, str_get(&e->key)) &&
               bytes_eq(str_get(&e->exe), o->exe);
}

/* The pattern of a family in its members' place. 1: it has none that is short enough. */
static int merge_siblings(struct judge *j, struct workload *w, const struct observation *o, struct bytes member,
                          int64_t window)
{
        _cleanup_buf_ struct buf text, dir;
        struct entry *e, *fresh;
        struct bytes pattern;
        void *value;
        int r;

        buf_init(&text, 16384);
        buf_init(&dir, 16384);
        buf_put(&dir, family(o->dim, member).p, family(o->dim, member).len); /* member may be one that goes */
        pattern = pattern_of(o->dim, member, &text);
        if (text.err || dir.err)
                return 1;
        fresh = entry_new(o, pattern, LEARN_KNOWN, window);
        if (!fresh)
                return -ENOMEM;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                e = value;
                if (!is_one_of(e, o) || !bytes_eq(family(e->dim, str_get(&e->key)), buf_bytes(&dir)))
                        continue;
                absorb(fresh, e);
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

/* Under another key, or with the one that is there already. */
static int rename_entry(struct judge *j, struct workload *w, struct entry *e, struct bytes key)
{
        _cleanup_buf_ struct buf scratch;
        struct entry *other;
        int r;

        buf_init(&scratch, 16384);
        other = find(w, e->dim, key, str_get(&e->exe), &scratch);
        if (other) {
                r = count_entry(w, other, -1);
                absorb(other, e);
                if (r == 0)
                        r = count_entry(w, other, 1);
                pieces_save_entry(j, w, other);
                forget_entry(j, w, e);
                return r;
        }
        pieces_drop_entry(j, w, e);
        r = count_entry(w, e, -1);
        entry_key(e->dim, str_get(&e->key), str_get(&e->exe), &scratch);
        e = map_take(w->entries, buf_bytes(&scratch));
        if (!e)
                return -ENOENT;
        if (r == 0)
                r = str_set(&e->key, key);
        if (r == 0)
                r = baseline_insert(w, e);
        if (r < 0) {
                entry_free(e);
                return r;
        }
        pieces_save_entry(j, w, e);
        return 0;
}

/* What was learned in directories that a new pattern covers. */
static int reshape(struct judge *j, struct workload *w, const struct observation *o)
{
        _cleanup_free_ struct entry **all = calloc(map_count(w->entries), sizeof(struct entry *));
        _cleanup_buf_ struct buf shape;
        size_t n = 0;
        void *value;
        int r = 0;

        if (!all)
                return -ENOMEM;
        buf_init(&shape, 16384);
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);)
                if (is_one_of(value, o))
                        all[n++] = value;
        for (size_t i = 0; i < n && r == 0; i++) { /* each goes at most by itself */
                struct bytes had = str_get(&all[i]->key), key = shape_of(w, had, &o->exe, &shape);

                if (!bytes_eq(had, key))
                        r = rename_entry(j, w, all[i], key);
        }
        return r;
}

/* A member of the first family of this executable, by its name, that has too many. */
static struct entry *crowded(const struct judge *j, const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf scratch;
        struct entry *found = NULL;
        void *value;

        buf_init(&scratch, 16384);
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;
                struct bytes f, had;

                if (!is_one_of(e, o))
                        continue;
                f = family(e->dim, str_get(&e->key));
                had = found ? family(e->dim, str_get(&found->key)) : f;
                if (f.len > had.len || (f.len == had.len && found && memcmp(f.p, had.p, f.len) >= 0))
                        continue;
                entry_key(e->dim, o->exe, f, &scratch);
                if (!scratch.err && number_get(w->siblings, buf_bytes(&scratch)) >= j->p.siblings)
                        found = e;
        }
        return found;
}

static bool is_crowded(const struct judge *j, const struct workload *w, const struct observation *o, struct bytes key)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        entry_key(o->dim, o->exe, family(o->dim, key), &scratch);
        return has_family(o->dim, key) && !scratch.err &&
               number_get(w->siblings, buf_bytes(&scratch)) >= j->p.siblings;
}

/*
 * A directory on the way to this key in which the executable made so many names that they are a pattern, and so many
 * of them directories in which something is: what is in one of them may be in any. Its pattern and a slash into out.
 * The root is none: what lies there has a meaning each.
 */
static bool interchangeable(const struct judge *j, const struct workload *w, const struct observation *o,
                            struct bytes key, struct buf *out)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        for (struct bytes dir = directory(key); dir.len; dir = directory(dir)) {
                if (depth_of(dir) > SHAPED_MAX)
                        continue;
                below_key(o->exe, dir, &scratch);
                if (scratch.err || number_get(w->siblings, buf_bytes(&scratch)) < j->p.siblings)
                        continue;
                buf_reset(out);
                buf_put(out, dir.p, dir.len);
                buf_put_str(out, "/*");
                if (!stands(w, buf_bytes(out), &o->exe, &scratch))
                        continue;
                buf_put_u8(out, '/');
                if (!out->err && !stands(w, buf_bytes(out), &o->exe, &scratch))
                        return true;
        }
        return false;
}

static int mark_directories(struct judge *j, struct workload *w, const struct observation *o, struct bytes key,
                            int64_t window)
{
        struct entry *e = entry_new(o, key, LEARN_KNOWN, window);
        int r;

        if (!e)
                return -ENOMEM;
        r = baseline_insert(w, e);
        if (r < 0) {
                entry_free(e);
                return r;
        }
        pieces_save_entry(j, w, e);
        return reshape(j, w, o);
}

/* So many names of one executable in one directory, or ports of one: what they have in common is what counts. And so
 * on, where what lies in such directories is much alike. */
static int merge(struct judge *j, struct workload *w, const struct observation *o, int64_t window)
{
        _cleanup_buf_ struct buf shape, dirs;
        struct bytes key = o->key;
        int r = 0;

        buf_init(&shape, 16384);
        buf_init(&dirs, 16384);
        while (r == 0) {
                struct entry *e = NULL;

                if (o->dim == DIM_FILE)
                        key = shape_of(w, o->key, &o->exe, &shape);
                if (is_crowded(j, w, o, key) || dirs.len)
                        e = crowded(j, w, o);
                if (e)
                        r = merge_siblings(j, w, o, str_get(&e->key), window);
                else if (o->dim == DIM_FILE && interchangeable(j, w, o, key, &dirs))
                        r = mark_directories(j, w, o, buf_bytes(&dirs), window);
                else
                        break;
        }
        return r < 0 ? r : 0;
}

static bool has_room(struct judge *j, struct dim_learning *d, bool candidate)
{
        if ((candidate ? d->candidates : d->entries) < j->p.max_entries)
                return true;
        d->refused++;
        j->stats.refused++;
        return false;
}

/* Owned by the baseline then, or freed. */
static int take_fresh(struct judge *j, struct workload *w, const struct observation *o, struct entry *e)
{
        int64_t window = e->last_window;
        bool candidate = e->candidate;
        int r;

        r = baseline_insert(w, e);
        if (r < 0) {
                entry_free(e);
                w->dim[o->dim].refused++;
                j->stats.refused++;
                return r == ERR_LIMIT ? 0 : r;
        }
        if (!candidate)
                j->stats.learned++;
        pieces_save_entry(j, w, e);
        if (!candidate && !o->executable)
                r = merge(j, w, o, window);
        pieces_save_workload(j, w);
        return r;
}

int baseline_learn(struct judge *j, struct workload *w, const struct observation *o, enum learn how)
{
        struct dim_learning *d = &w->dim[o->dim];
        _cleanup_buf_ struct buf shape;
        struct entry *e;
        int64_t window;

        buf_init(&shape, 16384);
        see_window(j, d, o->ev->wall_ns, &window);
        if (!has_room(j, d, how != LEARN_KNOWN))
                return 0;
        e = entry_new(o, kept_as(w, o, &shape), how, window);
        return e ? take_fresh(j, w, o, e) : -ENOMEM;
}

int baseline_name(struct judge *j, struct workload *w, struct entry *e, const struct observation *o, enum learn how)
{
        struct dim_learning *d = &w->dim[o->dim];
        struct entry *fresh;
        int64_t window;

        see_window(j, d, o->ev->wall_ns, &window);
        if (e->candidate && how == LEARN_KNOWN && !has_room(j, d, false))
                return 0;
        fresh = entry_new(o, o->key, how, window);
        if (!fresh)
                return -ENOMEM;
        absorb(fresh, e);
        fresh->windows = e->windows + (window > e->last_window);
        if (e->replicas > fresh->replicas)
                fresh->replicas = e->replicas;
        forget_entry(j, w, e);
        return take_fresh(j, w, o, fresh);
}

void baseline_unlearn_walked(struct judge *j, struct workload *w, int64_t since_ns)
{
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim == DIM_FILE && !e->candidate && str_get(&e->exe).len == 0 && e->first_ns >= since_ns)
                        forget_entry(j, w, e);
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
                if (note_phases(w, e) < 0)
                        j->stats.refused++;
                pieces_save_entry(j, w, e);
        }
}

bool baseline_varies(const struct judge *j, const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf scratch, text;

        buf_init(&scratch, 16384);
        buf_init(&text, 16384);
        entry_key(DIM_FILE, o->exe, directory(kept_as(w, o, &text)), &scratch);
        if (!scratch.err && number_get(w->siblings, buf_bytes(&scratch)) * 2 >= j->p.siblings)
                return true;
        return is_others_data(w, o, false); /* or by another executable's pattern */
}

double baseline_p_new(const struct workload *w, enum dimension dim)
{
        const struct dim_learning *d = &w->dim[dim];

        return 1.0 - exp(-((double)d->once + 0.5) / ((double)d->windows + 1.0));
}

void baseline_raised(struct judge *j, struct workload *w, struct entry *e)
{
        e->waiting = false;
        pieces_save_entry(j, w, e);
}

/* From a candidate to a part of the baseline, or back. */
static int change_candidate(struct judge *j, struct workload *w, struct entry *e, bool candidate)
{
        int r = count_entry(w, e, -1);

        e->candidate = e->waiting = candidate;
        if (!candidate)
                e->why = WHY_NEVER_SILENT; /* as it is where there is none */
        if (r == 0)
                r = count_entry(w, e, 1);
        pieces_save_entry(j, w, e);
        return r;
}

int baseline_take(struct judge *j, struct workload *w, struct entry *e)
{
        return change_candidate(j, w, e, false);
}

int baseline_approve(struct judge *j, struct workload *w, enum dimension dim)
{
        void *value;
        int r = 0;

        for (size_t i = 0; r == 0 && map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim == dim && e->candidate && e->why != WHY_NEVER_SILENT)
                        r = change_candidate(j, w, e, false);
        }
        return r;
}

/* DESIGN 4.2: what one of several replicas called in one window only does not activate by itself. */
static void hold_back(struct judge *j, struct workload *w)
{
        bool some = false;
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim != DIM_NETWORK || e->candidate || e->windows > 1 || e->several || e->replicas < 2 ||
                    is_lasting(e->dim, str_get(&e->key)))
                        continue;
                e->why = WHY_ONE_REPLICA;
                if (change_candidate(j, w, e, true) < 0)
                        j->stats.refused++;
                some = true;
        }
        if (some)
                rebuild_phases(j, w);
}

uint64_t baseline_period(const struct judge *j, unsigned dim)
{
        return dim == DIM_NETWORK ? j->p.network_ns : j->p.calibration_ns;
}

/* Of connections time alone is no proof: who was watched for some hours only has not been seen. */
static bool was_seen(const struct judge *j, const struct workload *w, enum dimension dim)
{
        uint64_t least = j->p.converge_min_ns < j->p.network_ns ? j->p.converge_min_ns : j->p.network_ns;

        return dim != DIM_NETWORK || (w->dark_since_ns == 0 && w->dim[dim].windows * j->p.window_ns >= least);
}

static void end_learning(struct judge *j, struct workload *w, enum dimension dim, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[dim];
        uint64_t since;

        if (d->state != DS_LEARNING || d->windows == 0 || wall_ns <= d->since_ns || !was_seen(j, w, dim))
                return;
        since = (uint64_t)ns_apart(wall_ns, d->since_ns);
        if (since >= j->p.converge_min_ns && baseline_p_new(w, dim) <= j->p.converged_p)
                snprintf(d->by, sizeof(d->by), "converged");
        else if (since >= baseline_period(j, dim))
                snprintf(d->by, sizeof(d->by), "timer");
        else
                return;
        d->state = DS_ACTIVE;
        d->since_ns = wall_ns;
        if (dim == DIM_NETWORK)
                hold_back(j, w);
        pieces_save_workload(j, w);
}

void baseline_tick(struct judge *j, int64_t wall_ns)
{
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                if (((struct workload *)value)->running)
                        baseline_hour(j, value, wall_ns);
                for (int dim = 0; dim < DIM__MAX; dim++)
                        end_learning(j, value, (enum dimension)dim, wall_ns);
        }
}
