/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: workloads, the keys of what they are known to do, and the question whether an act is known. Must not: score, or
 * change an entry (entries.c). Pure.
 */
#include <string.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

/* Pure rooms draw no random numbers: the maps' order is that of insertion, and their limits bound what a collision
 * costs. */
static const struct map_seed seed = {0x746964656d61726b, 0x626173656c696e65};

void entry_free(void *p)
{
        struct entry *e = p;

        str_clear(&e->key);
        str_clear(&e->exe);
        approval_free(e->approval);
        sighting_free(e->seen);
        free(e->offered);
        free(e->content);
        str_clear(&e->written_by);
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
        str_clear(&w->manifest);
        str_clear(&w->roll.from);
        for (uint32_t i = 0; i < PENDING; i++)
                str_clear(&w->roll.pending[i]);
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

const char *baseline_state_name(enum dim_state state)
{
        static const char *const words[DS__MAX] = {"off", "learning", "active", "review", "stale"};

        return state < DS__MAX ? words[state] : "unknown";
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

size_t number_get(const struct map *m, struct bytes key)
{
        return (size_t)(uintptr_t)map_get(m, key);
}

int number_add(struct map *m, struct bytes key, int step)
{
        size_t had = number_get(m, key), n = had + (size_t)step;

        if (step < 0 && had == 0)
                return 0;
        return n == 0 ? map_del(m, key) : map_put(m, key, (void *)(uintptr_t)n);
}

struct bytes key_directory(struct bytes key)
{
        int at = bytes_rfind(key, '/');

        return bytes_of(key.p, at < 0 ? 0 : (size_t)at);
}

struct entry *entry_find(const struct workload *w, enum dimension dim, struct bytes key, struct bytes exe,
                         struct buf *scratch)
{
        entry_key(dim, key, exe, scratch);
        return scratch->err ? NULL : map_get(w->entries, buf_bytes(scratch));
}

/* What siblings have in common: of a file its directory, of a listener its protocol. Empty: it has none. */
struct bytes key_family(enum dimension dim, struct bytes key)
{
        int slash = bytes_rfind(key, '/');

        if (dim == DIM_FILE)
                return key_directory(key);
        if (dim == DIM_NETWORK && slash > 0 && bytes_has_prefix(key, BYTES_LIT("listen ")))
                return bytes_of(key.p + slash, key.len - (uint32_t)slash); /* "/udp", and what marks it */
        return bytes_of(NULL, 0);
}

/* A file that can be run, by the marks behind its path (observe.c): no pattern covers it. */
bool key_is_program(enum dimension dim, struct bytes key)
{
        static const struct {
                const char *mark;
                bool program;
        } marks[] = {{" [probe]", false},       {" [replaced]", false},  {" [changed]", true},
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

struct bytes key_marks(enum dimension dim, struct bytes key)
{
        static const char *const marks[] = {" [probe]", " [replaced]"}; /* in the order in which they stand */
        uint32_t from = key.len;

        if (dim != DIM_FILE || key.len == 0 || key.p[key.len - 1] != ']')
                return bytes_of(NULL, 0); /* most have none */
        for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
                struct bytes mark = bytes_str(marks[i]);

                if (bytes_has_suffix(bytes_of(key.p, from), mark))
                        from -= mark.len;
        }
        return bytes_of(key.p + from, key.len - from);
}

/* It says of directories that they are many: pattern_shape(). */
static bool is_of_directories(struct bytes key)
{
        uint32_t len = key.len - key_marks(DIM_FILE, key).len;

        return len && key.p[len - 1] == '/';
}

bool key_has_family(enum dimension dim, struct bytes key)
{
        if (dim == DIM_FILE)
                return key.len && !is_of_directories(key) && !key_is_program(dim, key);
        return key_family(dim, key).len > 0;
}

struct bytes key_pattern(enum dimension dim, struct bytes key, struct buf *out)
{
        struct bytes f = key_family(dim, key), marks = key_marks(dim, key);

        buf_reset(out);
        buf_put_str(out, dim == DIM_NETWORK ? "listen *" : "");
        buf_put(out, f.p, f.len);
        buf_put_str(out, dim == DIM_NETWORK ? "" : "/*");
        buf_put(out, marks.p, marks.len);
        return buf_bytes(out);
}

/* No path holds a NUL: marks behind one are no part of a directory's name. */
static void put_marks(struct bytes marks, struct buf *out)
{
        if (marks.len == 0)
                return;
        buf_put_u8(out, 0);
        buf_put(out, marks.p, marks.len);
}

void key_siblings(enum dimension dim, struct bytes exe, struct bytes family, struct bytes marks, struct buf *out)
{
        entry_key(dim, exe, family, out);
        put_marks(marks, out);
}

/* Beside the names in it, whose key has no slash at its end. */
void key_below(struct bytes exe, struct bytes dir, struct bytes marks, struct buf *out)
{
        entry_key(DIM_FILE, exe, dir, out);
        buf_put_u8(out, '/');
        put_marks(marks, out);
}

/* The entry of that pattern for this executable. */
static struct entry *find_pattern(const struct workload *w, enum dimension dim, struct bytes key, struct bytes exe,
                                  struct buf *scratch)
{
        _cleanup_buf_ struct buf text;
        struct bytes pattern;

        buf_init(&text, 16384);
        pattern = key_pattern(dim, key, &text);
        return text.err ? NULL : entry_find(w, dim, pattern, exe, scratch);
}

/* None of the phases is known of what was approved as it was found: then it fits any, as what has none itself does. */
static bool fits_phase(const struct observation *o, size_t phases)
{
        return o->phase == PHASE_UNKNOWN || (phases & (PHASE_BIT(o->phase) | PHASE_BIT(PHASE_UNKNOWN)));
}

size_t entry_phases(const struct entry *e)
{
        return e->phases ? e->phases : PHASE_BIT(PHASE_UNKNOWN);
}

/* Does a pattern stand of this executable (NULL: of any)? */
bool pattern_stands(const struct workload *w, struct bytes pattern, const struct bytes *exe, struct buf *scratch)
{
        if (exe)
                return entry_find(w, DIM_FILE, pattern, *exe, scratch) != NULL;
        entry_key(DIM_FILE, pattern, bytes_of(NULL, 0), scratch);
        return !scratch->err && number_get(w->keys, buf_bytes(scratch)) > 0;
}

/*
 * Where a directory is one of many, which one it is does not matter for what is in it: "/cache/3b/index" is kept as
 * "/cache/", a star, "/index" if there is an entry "/cache/", a star, "/" that says so (interchangeable()). By those of
 * one executable, or of all (NULL), with the marks of the key. The key as it is, if there is none.
 */
struct bytes pattern_shape(const struct workload *w, struct bytes key, const struct bytes *exe, struct buf *out)
{
        struct bytes marks = key_marks(DIM_FILE, key);
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
                buf_put(out, marks.p, marks.len);
                if (pattern_stands(w, buf_bytes(out), exe, &scratch)) {
                        out->len = had + 2;
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
struct bytes pattern_kept_as(const struct workload *w, const struct observation *o, struct buf *out)
{
        return o->dim == DIM_FILE && !o->executable ? pattern_shape(w, o->key, &o->exe, out) : o->key;
}

static enum known as_entry(const struct observation *o, const struct entry *e)
{
        if (e->candidate)
                return e->waiting ? KNOWN_WAITING : KNOWN_CANDIDATE;
        return o->dim == DIM_NETWORK && !o->net.listens && !fits_phase(o, entry_phases(e)) ? KNOWN_OTHER_PHASE
                                                                                           : KNOWN_YES;
}

/* By a pattern of any executable's; or, where that counts, as itself below one. */
bool pattern_of_others(const struct workload *w, const struct observation *o, bool itself)
{
        _cleanup_buf_ struct buf scratch, shape, pattern;
        struct bytes key;

        buf_init(&scratch, 16384);
        buf_init(&shape, 16384);
        buf_init(&pattern, 16384);
        if (o->dim != DIM_FILE || o->executable)
                return false;
        key = pattern_shape(w, o->key, NULL, &shape);
        return (itself && pattern_stands(w, key, NULL, &scratch)) ||
               pattern_stands(w, key_pattern(DIM_FILE, key, &pattern), NULL, &scratch);
}

/* Some other executable does it. Where none is known now, by any of them will do, in this phase. */
static enum known as_others(const struct workload *w, const struct observation *o, struct bytes key)
{
        if (number_get(w->keys, key) == 0)
                return pattern_of_others(w, o, true) ? KNOWN_OTHER_EXE : KNOWN_NOT;
        if (o->dim == DIM_NETWORK && !o->known_exe && !o->net.listens && !fits_phase(o, number_get(w->phases, key)))
                return KNOWN_OTHER_PHASE;
        return KNOWN_OTHER_EXE;
}

/* Beside the keys of what is known, so that these differ from all of them: programs are paths. */
void key_candidate(enum dimension dim, struct bytes key, struct buf *out)
{
        entry_key(dim, key, BYTES_LIT("candidate"), out);
}

/* A candidate by where it goes, not by what calls: of these a call of nobody knows whom may be one. */
bool entry_is_destination(const struct entry *e)
{
        return e->dim == DIM_NETWORK && e->candidate && e->why != WHY_UNPLACED;
}

/* The first candidate of the key, by whomever. */
static struct entry *find_candidate(const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf scratch;
        void *value;

        buf_init(&scratch, 16384);
        key_candidate(o->dim, o->key, &scratch);
        if (scratch.err || number_get(w->keys, buf_bytes(&scratch)) == 0)
                return NULL;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim == o->dim && entry_is_destination(e) && bytes_eq(str_get(&e->key), o->key))
                        return e;
        }
        return NULL;
}

/* Nobody knows who calls: any entry of the destination fits, a part of the baseline before a candidate. */
static enum known lookup_unnamed(const struct workload *w, const struct observation *o, struct bytes key,
                                 struct entry **e)
{
        if (*e && !(*e)->candidate)
                return o->net.listens || fits_phase(o, entry_phases(*e) | number_get(w->phases, key))
                               ? KNOWN_YES
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
        key = pattern_kept_as(w, o, &shape);
        if (bytes_eq(key, o->key))
                return NULL;
        e = entry_find(w, o->dim, key, o->exe, scratch);
        return e ? e : find_pattern(w, o->dim, key, o->exe, scratch);
}

enum known baseline_lookup(const struct workload *w, const struct observation *o, struct entry **ret)
{
        _cleanup_buf_ struct buf scratch;
        struct entry *e;

        buf_init(&scratch, 16384);
        e = entry_find(w, o->dim, o->key, o->exe, &scratch);
        if (!e && !o->executable && key_has_family(o->dim, o->key))
                e = find_data(w, o, &scratch);
        if (!e && o->known_exe && o->dim == DIM_FILE && !o->executable)
                e = entry_find(w, o->dim, o->key, bytes_of(NULL, 0), &scratch); /* of nobody knows whom: of this one? */
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
void key_host(enum dimension dim, struct bytes key, struct buf *out)
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
        key_host(DIM_NETWORK, key, &scratch);
        return scratch.len && !scratch.err && number_get(w->keys, buf_bytes(&scratch)) > 0;
}

/* A listener is told once, when it begins, and is there in every window from then on: it is no rare thing. Nor is what
 * says of directories that they are many. */
bool key_is_lasting(enum dimension dim, struct bytes key)
{
        return dim == DIM_NETWORK ? key_family(dim, key).len > 0 : is_of_directories(key);
}
