/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_baseline - workloads and what their baselines hold: commands baseline.list and baseline.show.
 *
 * Owns:  how far a baseline is, in JSON.
 * Never: decides when one is done; it shows what the judge says of itself.
 */
#include "case/query-priv.h"

#include <string.h>

#include "tidemark/pipeline.h"

#define KEEPS_SHOWN 5

/* Keys seen in one window only: what keeps a dimension from converging. */
static json_t *keeps_json(const struct judge *j, const struct judge_workload *w, unsigned dim)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_entry e;
        size_t i = 0;

        if (strcmp(w->dim[dim].state, "learning"))
                return TAKE_PTR(a);
        while (json_array_size(a) < KEEPS_SHOWN && judge_entry_next(j, w->id, &i, &e)) {
                if ((unsigned)e.dim != dim || e.windows > 1 || e.candidate)
                        continue;
                if (json_array_append_new(a, cj_text(e.key)) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

/* Connections are learned from when the first of them is told: until then there is no date. */
static json_t *due_json(const struct judge_workload *w, unsigned dim)
{
        return dim == DIM_NETWORK && w->dim[dim].windows == 0 ? json_null() : cj_time(w->dim[dim].due_ns);
}

#define PLACES 64u

/* The directory, or the domain, that most of what was seen once only has in common. */
static struct bytes place_of(const struct judge_entry *e)
{
        int at;

        if (e->dim == DIM_FILE) {
                at = bytes_rfind(e->key, '/');
                return bytes_of(e->key.p, at > 0 ? (size_t)at : 0);
        }
        if (e->dim != DIM_NETWORK)
                return bytes_of(NULL, 0);
        for (uint32_t i = 0; i < e->key.len && e->key.p[i] != ':' && e->key.p[i] != ' '; i++)
                if (e->key.p[i] == '.' && i > 0 && memchr(e->key.p + i + 1, '.', e->key.len - i - 1))
                        return bytes_of(
                                e->key.p + i,
                                (size_t)((const uint8_t *)memchr(e->key.p, ':', e->key.len)
                                                 ? (const uint8_t *)memchr(e->key.p, ':', e->key.len) - (e->key.p + i)
                                                 : e->key.len - i));
        return bytes_of(NULL, 0);
}

static json_t *pattern_json(const struct judge *j, const struct judge_workload *w, unsigned dim)
{
        struct {
                struct bytes place;
                uint32_t n;
        } places[PLACES], *best = NULL;
        _cleanup_buf_ struct buf text;
        struct judge_entry e;
        size_t n = 0, k, i = 0;

        buf_init(&text, 64 * 1024);
        if (strcmp(w->dim[dim].state, "learning"))
                return json_null();
        while (judge_entry_next(j, w->id, &i, &e)) {
                struct bytes place = place_of(&e);

                if ((unsigned)e.dim != dim || e.windows > 1 || e.candidate || place.len == 0)
                        continue;
                for (k = 0; k < n && !bytes_eq(places[k].place, place); k++)
                        ;
                if (k == n && n < PLACES) {
                        places[n].place = place;
                        places[n++].n = 0;
                }
                if (k < n && ++places[k].n >= 2 && (!best || places[k].n > best->n))
                        best = &places[k];
        }
        if (!best)
                return json_null();
        buf_put_str(&text, dim == DIM_FILE ? "" : "*");
        buf_put(&text, best->place.p, best->place.len);
        buf_put_str(&text, dim == DIM_FILE ? "/*" : "");
        return text.err ? NULL : cj_text(buf_bytes(&text));
}

/* Of the time until learning should end so much is over. */
static json_t *progress_json(const struct judge_workload *w, unsigned dim)
{
        int64_t since = w->dim[dim].since_ns, end = w->dim[dim].expected_ns, now = w->last_ns;

        if (end == 0 || end <= since || now < since)
                return json_null();
        return json_integer(now >= end ? 99 : (json_int_t)((double)(now - since) * 100.0 / (double)(end - since)));
}

static json_t *rollout_json(const struct judge_workload *w)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "open", json_boolean(w->rollout));
        bad |= json_object_set_new(o, "from", cj_text_or_null(w->from));
        bad |= json_object_set_new(o, "since", cj_time(w->rollout_since_ns));
        bad |= json_object_set_new(o, "until", w->rollout ? cj_time(w->rollout_until_ns) : json_null());
        bad |= json_object_set_new(o, "excused", cj_u64(w->rollout_excused));
        bad |= json_object_set_new(o, "raised", cj_u64(w->rollout_raised));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *dimension_json(const struct judge *j, const struct judge_workload *w, unsigned dim)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "dimension", json_string(dimension_name(dim)));
        bad |= json_object_set_new(o, "state", json_string(w->dim[dim].state));
        bad |= json_object_set_new(o, "by", json_string(w->dim[dim].by));
        bad |= json_object_set_new(o, "since", cj_time(w->dim[dim].since_ns));
        bad |= json_object_set_new(o, "due", due_json(w, dim));
        bad |= json_object_set_new(o, "entries", json_integer(w->dim[dim].entries));
        bad |= json_object_set_new(o, "windows", json_integer(w->dim[dim].windows));
        bad |= json_object_set_new(o, "once", json_integer(w->dim[dim].once));
        bad |= json_object_set_new(o, "p_new", cj_real(w->dim[dim].p_new));
        bad |= json_object_set_new(o, "refused", cj_u64(w->dim[dim].refused));
        bad |= json_object_set_new(o, "keeps_from_converging", keeps_json(j, w, dim));
        bad |= json_object_set_new(o, "proposed_pattern", pattern_json(j, w, dim));
        bad |= json_object_set_new(o, "expected", cj_time(w->dim[dim].expected_ns));
        bad |= json_object_set_new(o, "progress", progress_json(w, dim));
        bad |= json_object_set_new(o, "refresh_until", cj_time(w->dim[dim].refresh_ns));
        bad |= json_object_set_new(o, "why_not", json_string(w->dim[dim].why_not ? w->dim[dim].why_not : ""));
        return bad ? NULL : TAKE_PTR(o);
}

json_t *query_workload_json(const struct judge *j, const struct judge_workload *w)
{
        _cleanup_json_ json_t *o = json_object(), *dims = json_array();
        int bad = 0;

        for (unsigned d = 0; d < DIM__MAX; d++)
                bad |= json_array_append_new(dims, dimension_json(j, w, d));
        bad |= json_object_set_new(o, "id", cj_text(w->id));
        bad |= json_object_set_new(o, "name", cj_text(w->name));
        bad |= json_object_set_new(o, "image", cj_text(w->image));
        bad |= json_object_set_new(o, "digest", cj_text(w->digest));
        bad |= json_object_set_new(o, "class", cj_text(w->class));
        bad |= json_object_set_new(o, "containers", json_integer(w->containers));
        bad |= json_object_set_new(o, "first_seen", cj_time(w->first_ns));
        bad |= json_object_set_new(o, "last_seen", cj_time(w->last_ns));
        bad |= json_object_set(o, "dimensions", dims);
        bad |= json_object_set_new(o, "rollout", rollout_json(w));
        bad |= json_object_set_new(o, "network", query_net_json(&w->net));
        return bad ? NULL : TAKE_PTR(o);
}

json_t *query_baseline_list(const struct query_env *env, const json_t *request)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *a = json_array();
        struct judge_workload w;
        size_t i = 0;

        (void)request;
        while (judge_workload_next(j, &i, &w))
                if (json_array_append_new(a, query_workload_json(j, &w)) < 0)
                        return NULL;
        return query_ok(TAKE_PTR(a));
}

static json_t *item_json(uint32_t item)
{
        char text[16];

        if (item == 0)
                return json_null();
        snprintf(text, sizeof(text), "B-%u", item);
        return json_string(text);
}

static json_t *entry_json(const struct judge_entry *e)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "dimension", json_string(dimension_name(e->dim)));
        bad |= json_object_set_new(o, "key", cj_text(e->key));
        bad |= json_object_set_new(o, "executable", cj_text_or_null(e->exe));
        bad |= json_object_set_new(o, "first_seen", cj_time(e->first_ns));
        bad |= json_object_set_new(o, "last_seen", cj_time(e->last_ns));
        bad |= json_object_set_new(o, "count", cj_u64(e->count));
        bad |= json_object_set_new(o, "windows", json_integer(e->windows));
        bad |= json_object_set_new(o, "candidate", json_boolean(e->candidate));
        bad |= json_object_set_new(o, "raised", json_boolean(e->candidate && !e->waiting));
        bad |= json_object_set_new(o, "why", e->candidate ? json_string(e->why) : json_null());
        bad |= json_object_set_new(o, "phases", cj_phases(e->phases));
        bad |= json_object_set_new(o, "inherited", json_boolean(e->inherited));
        bad |= json_object_set_new(o, "rejected", json_boolean(e->rejected));
        bad |= json_object_set_new(o, "item", item_json(e->item));
        bad |= json_object_set_new(o, "approved_by", e->approved_by ? json_string(e->approved_by) : json_null());
        bad |= json_object_set_new(o, "approved_reason", cj_text_or_null(e->approved_reason));
        bad |= json_object_set_new(o, "approved_at", cj_time(e->approved_ns));
        bad |= json_object_set_new(o, "path_only", json_boolean(e->bare));
        return bad ? NULL : TAKE_PTR(o);
}

/* Entries behind the first `after` ones, as many as fit. *ret_more: those behind them. */
static json_t *entries_json(const struct judge *j, struct bytes id, json_int_t after, uint64_t *ret_more)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_entry e;
        json_int_t n = 0;
        size_t used = 0, i = 0;

        *ret_more = 0;
        while (judge_entry_next(j, id, &i, &e)) {
                _cleanup_json_ json_t *o = NULL;

                if (n++ < after)
                        continue;
                if (*ret_more) {
                        ++*ret_more;
                        continue;
                }
                o = entry_json(&e);
                if (!o)
                        return NULL;
                used += query_size(o) + 1;
                if (used > QUERY_ANSWER_MAX && json_array_size(a))
                        ++*ret_more;
                else if (json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

json_t *query_baseline_show(const struct query_env *env, const json_t *request)
{
        const char *text = json_string_value(json_object_get(request, "workload"));
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *o = NULL;
        struct judge_workload w;
        json_t *answer = NULL;
        uint64_t more;
        int bad;

        if (query_workload(j, text, true, &w, &answer) < 0)
                return answer;
        o = query_workload_json(j, &w);
        bad = json_object_set_new(o, "entries",
                                  entries_json(j, w.id, json_integer_value(json_object_get(request, "after")), &more));
        bad |= json_object_set_new(o, "more", cj_u64(more));
        return bad ? NULL : query_ok(TAKE_PTR(o));
}
