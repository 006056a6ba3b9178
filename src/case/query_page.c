/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person on call needs of a finding beside the finding: explanations, criteria, the image, how it was watched.
 *
 * Owns: those members of "show". Must not: be part of what is stored or listed: it is as of now. Hands over: JSON.
 */
#include "case/query-priv.h"

#include <string.h>

#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/playbook.h"

json_t *query_playbook_json(const struct playbook *p, int64_t now_ns)
{
        if (!p)
                return json_null();
        return json_pack("{s:s,s:s,s:s,s:o,s:I}", "version", p->version, "owner", p->owner, "review", p->review, "days",
                         now_ns ? json_integer(playbook_days(p, now_ns)) : json_null(), "criteria", (json_int_t)p->n);
}

static json_t *criteria_json(const struct playbook *p, const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; p && i < p->n; i++) {
                const struct playbook_criterion *c = &p->criteria[i];

                if (playbook_fits(c, f) &&
                    json_array_append_new(a, json_pack("{s:s,s:s,s:o}", "name", c->name, "verdict", c->verdict, "text",
                                                       cj_words(bytes_str(c->words)))) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *watched_json(const struct judge_container *c)
{
        return json_pack("{s:o,s:o,s:o,s:o,s:b,s:s}", "container", cj_text(c->id), "coverage", cj_words(c->coverage),
                         "connections", cj_watched(c->flows), "gap_ms",
                         c->running_before || !c->gap_ns ? json_null() : cj_real((double)c->gap_ns / 1e6),
                         "running_before", c->running_before, "state", c->running ? "running" : "stopped");
}

static json_t *all_watched(const struct judge *j, const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->ncontainers; i++) {
                struct judge_container c;
                size_t at = 0;

                while (judge_container_next(j, &at, &c))
                        if (bytes_eq(c.id, str_get(&f->containers[i].id)) &&
                            json_array_append_new(a, watched_json(&c)) < 0)
                                return NULL;
        }
        return TAKE_PTR(a);
}

int query_put_page(const struct query_env *env, const struct finding *f, json_t *o)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        struct judge_image im;
        int bad = 0;

        bad |= json_object_set_new(o, "explanations", query_explanations(f));
        bad |= json_object_set_new(o, "criteria", criteria_json(env->playbook, f));
        bad |= json_object_set_new(o, "playbook", query_playbook_json(env->playbook, env->now_ns));
        bad |= json_object_set_new(
                o, "image", judge_image_get(j, str_get(&f->digest), &im) ? query_image_json(j, &im) : json_null());
        bad |= json_object_set_new(o, "watched", all_watched(j, f));
        return bad ? -1 : 0;
}
