/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_rules - operators' rules: commands allow.list and suppress.list, and their part of status.
 *
 * Owns:  how a rule looks in JSON.
 * Never: decides whether one fits; adding and removing are decisions, which the judge takes.
 */
#include "case/query-priv.h"

#include <stdio.h>
#include <string.h>

#include "tidemark/event.h"
#include "tidemark/pipeline.h"

static json_t *rule_id(uint64_t id)
{
        char text[32];

        snprintf(text, sizeof(text), "R-%llu", (unsigned long long)id);
        return json_string(text);
}

static const char *origin_name(unsigned i)
{
        return tide_origin_name((uint8_t)i);
}

static const char *day_name(unsigned i)
{
        static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

        return days[i];
}

static json_t *set_json(uint32_t set, unsigned max, const char *(*name)(unsigned))
{
        _cleanup_json_ json_t *a = json_array();

        for (unsigned i = 0; i < max; i++)
                if (set & 1u << i && json_array_append_new(a, json_string(name(i))) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

static json_t *words_json(const struct judge *j, uint64_t id)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 65536);
        judge_rule_words(j, id, &b);
        return b.err ? NULL : cj_words(buf_bytes(&b));
}

static int put_window(json_t *o, const struct judge_rule *r)
{
        char at[8];
        int bad = 0;

        snprintf(at, sizeof(at), "%02u:%02u", r->at_s / 3600 % 24, r->at_s / 60 % 60);
        bad |= json_object_set_new(o, "recurring", json_boolean(r->length_s != 0));
        bad |= json_object_set_new(o, "on", set_json(r->length_s ? r->days : 0, 7, day_name));
        bad |= json_object_set_new(o, "at", r->length_s ? json_string(at) : json_null());
        bad |= json_object_set_new(o, "for", cj_u64_or_null(r->length_s != 0, r->length_s));
        bad |= json_object_set_new(o, "zone", r->zone.len ? cj_text(r->zone) : json_string("UTC"));
        bad |= json_object_set_new(o, "break_through", json_integer(r->break_through));
        bad |= json_object_set_new(o, "broke_through", cj_u64(r->broke));
        return bad;
}

static json_t *rule_json(const struct judge *j, const struct judge_rule *r)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "id", rule_id(r->id));
        bad |= json_object_set_new(o, "kind", json_string(r->kind == RULE_ALLOW ? "allow" : "suppress"));
        bad |= json_object_set_new(o, "state",
                                   json_string(!r->ended_ns      ? "active"
                                               : r->ended_by.len ? "removed"
                                                                 : "ended"));
        bad |= json_object_set_new(o, "text", words_json(j, r->id));
        bad |= json_object_set_new(o, "workload", cj_text_or_null(r->workload));
        bad |= json_object_set_new(o, "path", cj_words_or_null(r->path));
        bad |= json_object_set_new(o, "executable", cj_words_or_null(r->executable));
        bad |= json_object_set_new(o, "destination", cj_words_or_null(r->destination));
        bad |= json_object_set_new(o, "origin", set_json(r->origins, ORIGIN__MAX, origin_name));
        bad |= json_object_set_new(o, "signal", set_json(r->signals, DIM__MAX, dimension_name));
        bad |= json_object_set_new(o, "covers", json_string(r->reach));
        bad |= json_object_set_new(o, "reason", cj_text(r->reason));
        bad |= json_object_set_new(o, "by", cj_text(r->by));
        bad |= json_object_set_new(o, "added", cj_time(r->added_ns));
        bad |= json_object_set_new(o, "from", cj_time(r->from_ns));
        bad |= json_object_set_new(o, "until", cj_time(r->until_ns));
        bad |= json_object_set_new(o, "ends_soon", json_boolean(r->told && !r->ended_ns));
        bad |= json_object_set_new(o, "ended", cj_time(r->ended_ns));
        bad |= json_object_set_new(o, "ended_by", cj_text_or_null(r->ended_by));
        bad |= json_object_set_new(o, "hidden", cj_u64(r->hidden));
        bad |= json_object_set_new(o, "last_hidden", cj_time(r->last_ns));
        if (r->kind == RULE_SUPPRESS)
                bad |= put_window(o, r);
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *list(const struct query_env *env, const json_t *request, enum judge_rule_kind kind)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        bool all = json_is_true(json_object_get(request, "all"));
        _cleanup_json_ json_t *a = json_array();
        struct judge_rule r;

        for (size_t i = 0; judge_rule_next(j, &i, &r);)
                if (r.kind == kind && (all || !r.ended_ns) && json_array_append_new(a, rule_json(j, &r)) < 0)
                        return NULL;
        return query_ok(TAKE_PTR(a));
}

json_t *query_allow_list(const struct query_env *env, const json_t *request)
{
        return list(env, request, RULE_ALLOW);
}

json_t *query_suppress_list(const struct query_env *env, const json_t *request)
{
        return list(env, request, RULE_SUPPRESS);
}

json_t *query_rules_json(const struct judge *j)
{
        _cleanup_json_ json_t *o = json_object(), *soon = json_array();
        uint64_t n[2] = {0}, hidden[2] = {0}, broke = 0;
        struct judge_stats s;
        struct judge_rule r;
        int bad = 0;

        judge_stats(j, &s);
        for (size_t i = 0; judge_rule_next(j, &i, &r);) {
                if (r.ended_ns)
                        continue;
                n[r.kind == RULE_SUPPRESS]++;
                hidden[r.kind == RULE_SUPPRESS] += r.hidden;
                broke += r.broke;
                if (r.told)
                        bad |= json_array_append_new(soon, rule_json(j, &r));
        }
        bad |= json_object_set_new(o, "allow", cj_u64(n[0]));
        bad |= json_object_set_new(o, "suppress", cj_u64(n[1]));
        bad |= json_object_set_new(o, "hidden_by_allow", cj_u64(hidden[0]));
        bad |= json_object_set_new(o, "hidden_by_suppress", cj_u64(hidden[1]));
        bad |= json_object_set_new(o, "broke_through", cj_u64(broke));
        bad |= json_object_set_new(o, "refused", cj_u64(s.rules_refused));
        bad |= json_object_set(o, "ending", soon);
        return bad ? NULL : TAKE_PTR(o);
}
