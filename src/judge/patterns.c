/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how what is learned becomes patterns: names of one directory, directories of one kind, ports of one program.
 * Must not: cover what can be run by a pattern. Pure.
 */
#include <errno.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

static bool is_one_of(const struct entry *e, const struct observation *o)
{
        return e->dim == o->dim && !e->candidate && key_has_family(e->dim, str_get(&e->key)) &&
               bytes_eq(str_get(&e->exe), o->exe);
}

/* Bytes in order: the shorter first. */
static int by_length(struct bytes a, struct bytes b)
{
        if (a.len != b.len)
                return a.len < b.len ? -1 : 1;
        return a.len ? memcmp(a.p, b.p, a.len) : 0;
}

/* 0: both are of one family. */
static int by_family(enum dimension dim, struct bytes a, struct bytes b)
{
        int order = by_length(key_family(dim, a), key_family(dim, b));

        return order ? order : by_length(key_marks(dim, a), key_marks(dim, b));
}

/* How many siblings of this key the executable has made. */
static size_t siblings(const struct workload *w, enum dimension dim, struct bytes exe, struct bytes key)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        key_siblings(dim, exe, key_family(dim, key), key_marks(dim, key), &scratch);
        return scratch.err ? 0 : number_get(w->siblings, buf_bytes(&scratch));
}

/* The pattern of a family in its members' place. 1: it has none that is short enough. */
static int merge_siblings(struct judge *j, struct workload *w, const struct observation *o, struct bytes member,
                          int64_t window)
{
        _cleanup_buf_ struct buf text, like;
        struct entry *e, *fresh;
        struct bytes pattern;
        void *value;
        int r;

        buf_init(&text, 16384);
        buf_init(&like, 16384);
        buf_put(&like, member.p, member.len); /* it may be one that goes */
        pattern = key_pattern(o->dim, member, &text);
        if (text.err || like.err)
                return 1;
        fresh = entry_new(o, pattern, LEARN_KNOWN, window);
        if (!fresh)
                return -ENOMEM;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                e = value;
                if (!is_one_of(e, o) || by_family(e->dim, str_get(&e->key), buf_bytes(&like)) != 0)
                        continue;
                entry_absorb(fresh, e);
                entry_forget(j, w, e);
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
        other = entry_find(w, e->dim, key, str_get(&e->exe), &scratch);
        if (other) {
                r = entry_count(w, other, -1);
                entry_absorb(other, e);
                if (r == 0)
                        r = entry_count(w, other, 1);
                pieces_save_entry(j, w, other);
                entry_forget(j, w, e);
                return r;
        }
        pieces_drop_entry(j, w, e);
        r = entry_count(w, e, -1);
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

        buf_init(&shape, 16384);
        if (!all)
                return -ENOMEM;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);)
                if (is_one_of(value, o))
                        all[n++] = value;
        for (size_t i = 0; i < n && r == 0; i++) { /* each goes at most by itself */
                struct bytes had = str_get(&all[i]->key), key = pattern_shape(w, had, &o->exe, &shape);

                if (!bytes_eq(had, key))
                        r = rename_entry(j, w, all[i], key);
        }
        return r;
}

/* A member of the first family of this executable, by its name, that has too many. */
static struct entry *crowded(const struct judge *j, const struct workload *w, const struct observation *o)
{
        struct entry *found = NULL;
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (!is_one_of(e, o) || (found && by_family(e->dim, str_get(&e->key), str_get(&found->key)) >= 0))
                        continue;
                if (siblings(w, e->dim, o->exe, str_get(&e->key)) >= j->p.siblings)
                        found = e;
        }
        return found;
}

static bool is_crowded(const struct judge *j, const struct workload *w, const struct observation *o, struct bytes key)
{
        return key_has_family(o->dim, key) && siblings(w, o->dim, o->exe, key) >= j->p.siblings;
}

/*
 * A directory on the way to this key in which the executable made so many names that they are a pattern, and so many
 * of them directories in which something is: what is in one of them may be in any. Its pattern and a slash into out.
 * The root is none: what lies there has a meaning each. The marks of the key stand at its end.
 */
static bool interchangeable(const struct judge *j, const struct workload *w, const struct observation *o,
                            struct bytes key, struct buf *out)
{
        struct bytes marks = key_marks(o->dim, key);
        _cleanup_buf_ struct buf scratch, names;

        buf_init(&scratch, 16384);
        buf_init(&names, 16384);
        for (struct bytes dir = key_directory(key); dir.len; dir = key_directory(dir)) {
                if (key_depth(dir) > SHAPED_MAX)
                        continue;
                key_below(o->exe, dir, marks, &scratch);
                if (scratch.err || number_get(w->siblings, buf_bytes(&scratch)) < j->p.siblings)
                        continue;
                buf_reset(&names);
                buf_put(&names, dir.p, dir.len);
                buf_put_str(&names, "/*");
                buf_reset(out);
                buf_put(out, names.p, names.len);
                buf_put_u8(out, '/');
                buf_put(out, marks.p, marks.len);
                buf_put(&names, marks.p, marks.len);
                if (names.err || !pattern_stands(w, buf_bytes(&names), &o->exe, &scratch))
                        continue;
                if (!out->err && !pattern_stands(w, buf_bytes(out), &o->exe, &scratch))
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
                        key = pattern_shape(w, o->key, &o->exe, &shape);
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

        if (candidate)
                candidate_number(j, e);
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
        learning_window(j, d, o->ev->wall_ns, &window);
        if (!has_room(j, d, how != LEARN_KNOWN))
                return 0;
        e = entry_new(o, pattern_kept_as(w, o, &shape), how, window);
        return e ? take_fresh(j, w, o, e) : -ENOMEM;
}

int baseline_name(struct judge *j, struct workload *w, struct entry *e, const struct observation *o, enum learn how)
{
        struct dim_learning *d = &w->dim[o->dim];
        struct entry *fresh;
        int64_t window;

        learning_window(j, d, o->ev->wall_ns, &window);
        if (e->candidate && how == LEARN_KNOWN && !has_room(j, d, false))
                return 0;
        fresh = entry_new(o, o->key, how, window);
        if (!fresh)
                return -ENOMEM;
        entry_absorb(fresh, e);
        fresh->approval = e->approval; /* an operator's word on nobody's call is one on this one's */
        e->approval = NULL;
        fresh->asked = e->asked;
        if (fresh->candidate || fresh->asked)
                fresh->item = e->item;
        fresh->windows = e->windows + (window > e->last_window);
        if (e->replicas > fresh->replicas)
                fresh->replicas = e->replicas;
        entry_forget(j, w, e);
        return take_fresh(j, w, o, fresh);
}

bool baseline_varies(const struct judge *j, const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf text;

        buf_init(&text, 16384);
        if (siblings(w, DIM_FILE, o->exe, pattern_kept_as(w, o, &text)) * 2 >= j->p.siblings)
                return true;
        return pattern_of_others(w, o, false); /* or by another executable's pattern */
}
