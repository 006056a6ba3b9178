/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's part in evidence: what it knows of a container goes along with the request; which findings still need
 * what was taken; and, by policy, that a finding which crossed queue.page wants some.
 *
 * Must not: decide that any is taken, or goes (the sensor does). Hands over: ACT_DEED by policy, ACT_FACTS
 * "evidence-held".
 */
#include <errno.h>
#include <string.h>

#include "daemon/engine-priv.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/query.h"

#define MOD "engine"
#define ENGINE_TEXT_MAX (40u * 1024) /* of one record's 60 KiB */
#define HELD_MAX (48u * 1024)

static json_t *known(struct engine *e, struct bytes container, uint64_t finding)
{
        const struct query_env env = {.pipeline = e->pipeline, .store = e->store, .params = &e->cfg->judge};

        return query_evidence(&env, container, finding);
}

void engine_evidence_args(struct engine *e, struct bytes container, uint64_t finding, struct buf *args)
{
        json_t *o = known(e, container, finding);
        char *text = o ? json_dumps(o, QUERY_JSON_FLAGS) : NULL;
        const char *name = json_string_value(json_object_get(json_object_get(o, "container"), "name"));

        if (text && strlen(text) > ENGINE_TEXT_MAX) { /* a finding with everything: its number is told anyway */
                free(text);
                json_object_set_new(o, "finding", json_string("larger than what goes along: see tidemark show"));
                text = json_dumps(o, QUERY_JSON_FLAGS);
        }
        if (text && strlen(text) <= ENGINE_TEXT_MAX)
                tide_list_put(args, BYTES_LIT("engine"), bytes_str(text));
        if (name)
                tide_list_put(args, BYTES_LIT("container_name"), bytes_str(name));
        free(text);
        json_decref(o);
}

static void ask(struct engine *e, const struct finding *f, struct bytes container)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = container};
        _cleanup_buf_ struct buf args;
        int r;

        buf_init(&args, TIDE_RECORD_MAX - 4096);
        engine_evidence_args(e, container, f->id, &args);
        ev.act.act = ACT_DEED;
        ev.act.deed = DEED_CAPTURE;
        ev.act.flags = DEEDF_POLICY;
        ev.act.finding = f->id;
        ev.act.args = buf_bytes(&args);
        r = args.err ? args.err : engine_send(e, &ev);
        if (r < 0)
                log_warn(MOD, "evidence for F-%llu cannot be asked for: %s", (unsigned long long)f->id, err_str(r));
}

void engine_evidence_news(struct engine *e, const struct finding *f, unsigned news)
{
        const struct cfg_evidence *c = &e->cfg->evidence;
        _cleanup_free_ char *workload = NULL;

        if (news & (NEWS_CLOSED | NEWS_EXPIRED | NEWS_REOPENED))
                e->evidence_stale = true;
        if (!(news & NEWS_PAGED) || strcmp(c->by_policy, "page") != 0)
                return;
        workload = bytes_dup(str_get(&f->workload));
        if (!workload || !str_list_fits(&c->workloads, workload))
                return;
        for (uint32_t i = 0; i < f->ncontainers; i++)
                ask(e, f, str_get(&f->containers[i].id));
}

void engine_evidence_done(struct engine *e, const struct tide_event *ev)
{
        if (ev->done.deed == DEED_CAPTURE || ev->done.deed == DEED_REMOVE)
                e->evidence_stale = true;
}

/* After a commit, if something has changed about it; and once the sensor is there. */
void engine_evidence_committed(struct engine *e)
{
        struct tide_event ev = {.kind = TIDE_ACT, .act = {.act = ACT_FACTS, .name = BYTES_LIT("evidence-held")}};
        _cleanup_buf_ struct buf names;

        buf_init(&names, HELD_MAX);
        if (!e->evidence_stale || !e->up)
                return;
        query_evidence_held(pipeline_judge(e->pipeline), &names);
        if (names.err)
                log_warn(MOD, "more evidence is named by open findings than can be told: %s", err_str(names.err));
        ev.act.text = buf_bytes(&names);
        if (engine_send(e, &ev) == 0)
                e->evidence_stale = false;
}
