/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_review - command baseline.review: candidates, grouped by cause, the riskiest first.
 *
 * Owns:  which candidates belong together, in what order, and how few lines are enough.
 * Never: decides on one; a word on it is a decision (baseline.approve, baseline.reject).
 *
 * A group is what one program did for one reason in one place. Where that makes more groups than a person reads, places
 * are left out, then programs.
 */
#include "case/query-priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/map.h"
#include "tidemark/pipeline.h"

#define GROUPS 12u      /* of one workload: with two lines each and the head not more than thirty lines */
#define ITEMS_SHOWN 64u /* numbers of one group */
#define CANDIDATES_MAX 20000u
#define PLACE_DEPTH 2u

struct cause {
        struct judge_entry first; /* the riskiest of them */
        unsigned risk;
        uint32_t n;
        uint64_t count;
        int64_t first_ns, last_ns;
        int32_t quarters;
        json_t *items, *keys, *containers;
};

struct review {
        const struct judge *j;
        struct judge_workload w;
        struct map *by_cause; /* → struct cause, borrowed from groups */
        struct cause *groups;
        size_t n, cap;
        unsigned coarse; /* 0: by place; 1: by program; 2: by dimension */
};

/* How much it would matter, should it be no ordinary thing: only for the order. */
static unsigned risk_of(const struct judge_entry *e)
{
        static const unsigned dims[] = {[DIM_FILE] = 20, [DIM_PROCESS] = 50, [DIM_NETWORK] = 60, [DIM_PRIVILEGE] = 70};

        if (!strcmp(e->why, "never-silent") || e->offered)
                return 100;
        if (e->rejected)
                return 90;
        if (!strcmp(e->why, "raw-address"))
                return 80;
        if (e->dim == DIM_PRIVILEGE && bytes_has_prefix(e->key, BYTES_LIT("comm ")))
                return 5; /* a name that a process gave itself */
        if (e->dim == DIM_FILE && e->key.len && e->key.p[e->key.len - 1] == ']')
                return 55; /* something that can be run */
        return dims[e->dim] - (e->candidate ? 0 : 10) - (strcmp(e->why, "roll-out") ? 0 : 15);
}

static struct bytes place(const struct judge_entry *e)
{
        int end = bytes_rfind(e->key, '/');
        uint32_t depth = 0, i = 0;

        if (e->dim != DIM_FILE)
                return e->dim == DIM_PRIVILEGE ? e->key : bytes_of(NULL, 0);
        for (; end > 0 && i < (uint32_t)end; i++)
                if (e->key.p[i] == '/' && ++depth > PLACE_DEPTH)
                        break;
        return bytes_of(e->key.p, i);
}

static void cause_key(const struct review *v, const struct judge_entry *e, struct buf *out)
{
        buf_reset(out);
        buf_put_u8(out, (uint8_t)e->dim);
        buf_put_u8(out, e->candidate);
        buf_put_u8(out, e->rejected);
        buf_put_bytes(out, bytes_str(e->why));
        if (v->coarse < 2)
                buf_put_bytes(out, e->exe);
        if (v->coarse < 1)
                buf_put_bytes(out, place(e));
        if (e->rejected || e->offered || !strcmp(e->why, "never-silent"))
                buf_put_bytes(out, e->key); /* each is answered by itself, so each is shown */
}

static struct cause *new_group(struct review *v, const struct judge_entry *e)
{
        struct cause *g;

        if (v->n == v->cap) {
                size_t cap = v->cap ? 2 * v->cap : 64;

                g = realloc(v->groups, cap * sizeof(*g));
                if (!g)
                        return NULL;
                v->groups = g;
                v->cap = cap;
        }
        g = &v->groups[v->n++];
        *g = (struct cause){.first = *e,
                            .risk = risk_of(e),
                            .first_ns = e->first_ns,
                            .last_ns = e->last_ns,
                            .quarters = INT32_MIN,
                            .items = json_array(),
                            .keys = json_array(),
                            .containers = json_array()};
        return g;
}

static bool has_text(const json_t *a, const json_t *text)
{
        const json_t *v;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)a, i, v) if (json_equal(v, text)) return true;
        return false;
}

static int add_containers(struct cause *g, const struct judge_entry *e)
{
        for (uint32_t i = 0; e->seen && i < e->containers; i++) {
                _cleanup_json_ json_t *name = cj_text(e->container[i]);

                if (!name)
                        return -ENOMEM;
                if (!has_text(g->containers, name) && json_array_size(g->containers) < 4 &&
                    json_array_append(g->containers, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add(struct cause *g, const struct judge_entry *e)
{
        char number[16];

        snprintf(number, sizeof(number), "B-%u", e->item);
        if (g->n++ < ITEMS_SHOWN && (json_array_append_new(g->items, json_string(number)) < 0 ||
                                     json_array_append_new(g->keys, cj_text(e->key)) < 0))
                return -ENOMEM;
        g->count += e->count;
        if (e->first_ns < g->first_ns)
                g->first_ns = e->first_ns;
        if (e->last_ns > g->last_ns)
                g->last_ns = e->last_ns;
        if (risk_of(e) > g->risk) {
                g->risk = risk_of(e);
                g->first = *e;
        }
        if (e->seen && e->quarters > g->quarters)
                g->quarters = e->quarters;
        return add_containers(g, e);
}

static void release(struct review *v)
{
        for (size_t i = 0; i < v->n; i++) {
                json_decref(v->groups[i].items);
                json_decref(v->groups[i].keys);
                json_decref(v->groups[i].containers);
        }
        free(v->groups);
        v->groups = NULL;
        v->n = v->cap = 0;
        v->by_cause = map_free(v->by_cause);
}

static int collect(struct review *v)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x7265766965777265};
        _cleanup_buf_ struct buf key;
        struct judge_entry e;
        int r = map_new(CANDIDATES_MAX, seed, NULL, &v->by_cause);

        buf_init(&key, 64 * 1024);
        for (size_t i = 0; r == 0 && judge_entry_next(v->j, v->w.id, &i, &e);) {
                size_t at;

                if (e.item == 0)
                        continue;
                cause_key(v, &e, &key);
                at = (size_t)(uintptr_t)map_get(v->by_cause, buf_bytes(&key)); /* number + 1 */
                if (at == 0) {
                        if (!new_group(v, &e))
                                return -ENOMEM;
                        at = v->n;
                        r = key.err ? key.err : map_put(v->by_cause, buf_bytes(&key), (void *)(uintptr_t)at);
                }
                if (r == 0)
                        r = add(&v->groups[at - 1], &e);
        }
        return r;
}

static int by_risk(const void *a, const void *b)
{
        const struct cause *x = a, *y = b;

        if (x->risk != y->risk)
                return x->risk < y->risk ? 1 : -1;
        if (x->quarters != y->quarters)
                return x->quarters < y->quarters ? 1 : -1;
        if (x->last_ns != y->last_ns)
                return x->last_ns < y->last_ns ? 1 : -1;
        return x->first.item < y->first.item ? -1 : x->first.item > y->first.item;
}

/* ---- as JSON ---- */

static json_t *confidence_json(int32_t quarters)
{
        if (quarters == INT32_MIN)
                return json_null();
        return json_integer((json_int_t)floor(100.0 / (1.0 + exp2(-(double)quarters / 4.0))));
}

static json_t *who_json(const struct judge_entry *e)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        if (!e->seen)
                return json_null();
        bad |= json_object_set_new(o, "origin", json_string(tide_origin_name(e->origin)));
        bad |= json_object_set_new(o, "uid", cj_id_or_null(e->uid));
        bad |= json_object_set_new(o, "login_uid", cj_id_or_null(e->login_uid));
        bad |= json_object_set_new(o, "parent", cj_text_or_null(e->parent));
        return bad ? NULL : TAKE_PTR(o);
}

static const char *why_of(const struct judge_entry *e)
{
        return e->candidate ? e->why : e->offered ? "other-content" : "other-phase";
}

static json_t *group_json(const struct review *v, const struct cause *g)
{
        const struct judge_entry *e = &g->first;
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set(o, "items", g->items);
        bad |= json_object_set(o, "keys", g->keys);
        bad |= json_object_set_new(o, "candidates", json_integer(g->n));
        bad |= json_object_set_new(o, "dimension", json_string(dimension_name(e->dim)));
        bad |= json_object_set_new(o, "key", cj_text(e->key));
        bad |= json_object_set_new(o, "subject", cj_text(e->seen ? e->subject : e->key));
        bad |= json_object_set_new(o, "executable", v->coarse < 2 ? cj_text_or_null(e->exe) : json_null());
        bad |= json_object_set_new(o, "place", v->coarse < 1 && e->dim == DIM_FILE ? cj_text(place(e)) : json_null());
        bad |= json_object_set_new(o, "why", json_string(why_of(e)));
        bad |= json_object_set_new(o, "rejected", json_boolean(e->rejected));
        bad |= json_object_set_new(o, "raised", json_boolean(!e->candidate || !e->waiting));
        bad |= json_object_set_new(o, "phases", cj_phases(e->candidate ? e->phases : e->asked));
        bad |= json_object_set_new(o, "confidence", confidence_json(g->quarters));
        bad |= json_object_set_new(o, "count", cj_u64(g->count));
        bad |= json_object_set_new(o, "first_seen", cj_time(g->first_ns));
        bad |= json_object_set_new(o, "last_seen", cj_time(g->last_ns));
        bad |= json_object_set(o, "containers", g->containers);
        bad |= json_object_set_new(o, "who", who_json(e));
        bad |= json_object_set_new(o, "bulk",
                                   json_boolean(strcmp(e->why, "never-silent") && !e->rejected && !e->offered));
        return bad ? NULL : TAKE_PTR(o);
}

/* NULL: out of memory, or *ret_none: it has no candidate. */
static json_t *review_json(const struct judge *j, const struct judge_workload *w, bool all, bool *ret_none)
{
        struct review v = {.j = j, .w = *w};
        _cleanup_json_ json_t *o = json_object(), *groups = json_array();
        uint64_t candidates = 0;
        int bad = collect(&v) < 0;

        while (!bad && !all && v.n > GROUPS && v.coarse < 2) {
                release(&v);
                v.coarse++;
                bad = collect(&v) < 0;
        }
        *ret_none = !bad && v.n == 0;
        if (v.n)
                qsort(v.groups, v.n, sizeof(v.groups[0]), by_risk);
        for (size_t i = 0; i < v.n; i++) {
                candidates += v.groups[i].n;
                if (!bad && (all || i < GROUPS))
                        bad |= json_array_append_new(groups, group_json(&v, &v.groups[i]));
        }
        bad |= json_object_set_new(o, "id", cj_text(w->id));
        bad |= json_object_set_new(o, "name", cj_text(w->name));
        bad |= json_object_set_new(o, "candidates", cj_u64(candidates));
        bad |= json_object_set_new(o, "more", cj_u64(v.n > GROUPS && !all ? v.n - GROUPS : 0));
        bad |= json_object_set(o, "groups", groups);
        release(&v);
        return bad || *ret_none ? NULL : TAKE_PTR(o);
}

static int add_workload(json_t *a, const struct judge *j, const struct judge_workload *w, bool all)
{
        bool none = false;
        json_t *o = review_json(j, w, all, &none);

        if (none)
                return 0;
        return json_array_append_new(a, o);
}

json_t *query_baseline_review(const struct query_env *env, const json_t *request)
{
        const char *text = json_string_value(json_object_get(request, "workload"));
        const struct judge *j = pipeline_judge(env->pipeline);
        bool all = json_is_true(json_object_get(request, "all"));
        _cleanup_json_ json_t *a = json_array();
        struct judge_workload w;
        json_t *answer = NULL;

        if (text) {
                if (query_workload(j, text, true, &w, &answer) < 0)
                        return answer;
                return add_workload(a, j, &w, all) < 0 ? NULL : query_ok(TAKE_PTR(a));
        }
        for (size_t i = 0; judge_workload_next(j, &i, &w);)
                if (add_workload(a, j, &w, all) < 0)
                        return NULL;
        return query_ok(TAKE_PTR(a));
}
