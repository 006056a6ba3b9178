/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containment, as far as the engine has to do with it.
 *
 * Owns: telling the sensor what was read of a container and is said before it is isolated; asking, where the
 * configuration wants that, for what a finding pages for to be isolated. Must not: decide that it may (the sensor holds
 * the limits), or ask twice for one container of one finding. Hands over: ACT_FACTS, ACT_DEED.
 */
#include "daemon/engine-priv.h"

#include <stdio.h>
#include <string.h>

#include "daemon/containment.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/meta.h"
#include "tidemark/seen.h"

#define MOD "engine"
#define ASKED_MAX 65536u

static void put(struct buf *b, const char *key, struct bytes value)
{
        if (value.len)
                tide_list_put(b, bytes_str(key), value);
}

/* As findings call its workload. */
static struct bytes workload_of(const struct engine *e, struct bytes container)
{
        const struct judge *j = pipeline_judge(e->pipeline);
        struct judge_container jc;
        struct judge_workload w;

        for (size_t i = 0; judge_container_next(j, &i, &jc);)
                for (size_t k = 0; bytes_eq(jc.id, container) && judge_workload_next(j, &k, &w);)
                        if (bytes_eq(w.id, jc.workload_id))
                                return w.name;
        return bytes_of(NULL, 0);
}

void engine_contain_told(struct engine *e, struct bytes container, struct meta *m)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = container, .act = {.act = ACT_FACTS}}, content;
        _cleanup_buf_ struct buf b;
        struct meta_fate fate;

        buf_init(&b, TIDE_RECORD_MAX / 2);
        meta_content(m, &content);
        meta_fate(m, &fate);
        put(&b, "name", content.content.name);
        put(&b, "workload", workload_of(e, container));
        put(&b, "image", content.content.config_digest);
        put(&b, "restart", fate.restart);
        put(&b, "unhealthy", fate.unhealthy);
        if (content.content.health.len) /* what is secret in it is for nobody's trail */
                put(&b, "health",
                    bytes_of(content.content.health.p,
                             strnlen((const char *)content.content.health.p, content.content.health.len)));
        put(&b, "removed", fate.removed ? BYTES_LIT("true") : bytes_of(NULL, 0));
        put(&b, "kube", fate.kube ? BYTES_LIT("true") : bytes_of(NULL, 0));
        ev.act.name = BYTES_LIT("contain");
        ev.act.text = buf_bytes(&b);
        if (b.err || engine_send(e, &ev) < 0)
                log_warn(MOD,
                         "what was read of a container could not be passed on: less is said before it is isolated");
}

/* ---- by policy ---- */

static bool is_wanted(const struct engine *e, const struct finding *f)
{
        char name[512];

        if (containment_auto_of(e->cfg->contain_auto) == CONTAINMENT_OFF || e->cfg->contain_workloads.n == 0)
                return false;
        if (!f->paged || f->confidence < e->cfg->contain_confidence || f->state != FINDING_OPEN || f->suppressed)
                return false;
        if (f->workload.len == 0 || f->workload.len >= sizeof(name))
                return false;
        memcpy(name, f->workload.p, f->workload.len);
        name[f->workload.len] = '\0';
        return strlen(name) == f->workload.len && str_list_fits(&e->cfg->contain_workloads, name);
}

/* Whatever came of it: an operator who released it is not overruled. */
static bool was_asked(const struct finding *f, struct bytes container)
{
        for (uint32_t i = 0; i < f->ndeeds; i++)
                if ((f->deeds[i].deed == DEED_ISOLATE || f->deeds[i].deed == DEED_RELEASE) &&
                    bytes_eq(str_get(&f->deeds[i].container), container))
                        return true;
        return false;
}

static void ask(struct engine *e, const struct finding *f, struct bytes container)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = container};
        _cleanup_buf_ struct buf args;
        char key[100];
        int r;

        buf_init(&args, TIDE_RECORD_MAX - 4096);
        snprintf(key, sizeof(key), "%llu %.*s", (unsigned long long)f->id, (int)container.len,
                 (const char *)container.p);
        if (!e->contain_asked && seen_new(ASKED_MAX, map_seed_random(), &e->contain_asked) < 0)
                return;
        r = seen_put(e->contain_asked, bytes_str(key));
        if (r <= 0) /* asked, and the answer is not a fact of the finding yet; or no room to remember: not without */
                return;
        ev.act.act = ACT_DEED;
        ev.act.deed = DEED_ISOLATE;
        ev.act.flags = DEEDF_POLICY;
        ev.act.finding = f->id;
        engine_evidence_args(e, container, f->id, &args); /* for the evidence that is taken before */
        if (args.err == 0)
                ev.act.args = buf_bytes(&args);
        log_warn(MOD, "F-%llu (%u%%): contain.workloads asks for its container %.*s to be isolated",
                 (unsigned long long)f->id, f->confidence, (int)(container.len < 12 ? container.len : 12),
                 (const char *)container.p);
        if (engine_send(e, &ev) < 0)
                log_error(MOD, "the sensor does not take requests now: not isolated by itself");
}

void engine_contain_finding(struct engine *e, const struct finding *f)
{
        if (!is_wanted(e, f))
                return;
        for (uint32_t i = 0; i < f->ncontainers; i++) {
                struct bytes id = str_get(&f->containers[i].id);

                if (id.len && id.len <= 64 && !was_asked(f, id))
                        ask(e, f, id);
        }
}

void engine_contain_close(struct engine *e)
{
        e->contain_asked = seen_free(e->contain_asked);
}
