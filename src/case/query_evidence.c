/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_evidence - what the engine knows of a container whose evidence is taken, for the evidence itself.
 *
 * Owns: the choice of what goes along. Must not: ask anybody. Hands over: one JSON object.
 */
#include "case/query-priv.h"

#include <string.h>

#include "tidemark/pipeline.h"

/* Without its entries, with how far each dimension is. */
static json_t *workload_of(const struct judge *j, struct bytes id)
{
        struct judge_workload w;
        size_t i = 0;

        while (id.len && judge_workload_next(j, &i, &w))
                if (bytes_eq(w.id, id))
                        return query_workload_json(j, &w);
        return json_null();
}

static const struct finding *open_finding(const struct judge *j, uint64_t id)
{
        const struct finding *f = NULL;

        for (size_t i = 0; id && (f = judge_open_finding(j, i)); i++)
                if (f->id == id)
                        return f;
        return NULL;
}

json_t *query_evidence(const struct query_env *env, struct bytes container, uint64_t finding)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        const struct finding *f = open_finding(j, finding);
        _cleanup_json_ json_t *o = json_object();
        struct judge_container c, found = {.running = false};
        size_t i = 0;
        int bad = 0;

        while (judge_container_next(j, &i, &c))
                if (bytes_eq(c.id, container))
                        found = c;
        bad |= json_object_set_new(o, "container", found.id.len ? query_container_json(&found) : json_null());
        bad |= json_object_set_new(o, "workload", found.id.len ? workload_of(j, found.workload_id) : json_null());
        bad |= json_object_set_new(o, "finding",
                                   f ? finding_json_compared(j, f, env->params->show) : json_null());
        return bad ? NULL : TAKE_PTR(o);
}

void query_evidence_held(const struct judge *j, struct buf *out)
{
        const struct finding *f;

        for (size_t i = 0; (f = judge_open_finding(j, i)); i++)
                for (uint32_t k = 0; k < f->ndeeds; k++) {
                        const struct finding_deed *d = &f->deeds[k];

                        if (d->deed != DEED_CAPTURE || d->name.len == 0 || d->state == DEED_FAILED)
                                continue;
                        buf_put(out, d->name.p, d->name.len);
                        buf_put_u8(out, '\n');
                }
}
