/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the descriptors of a container's metadata while they are coming, and what is asked for next. Must not: parse
 * (parse/meta), or hold a descriptor longer than one call. Hands over: one TIDE_CONTENT to the pipeline.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "daemon/engine-priv.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/meta.h"

#define MOD "engine"

static struct bytes runtime_of(struct engine *e, struct bytes container)
{
        struct judge_container jc;

        for (size_t i = 0; judge_container_next(pipeline_judge(e->pipeline), &i, &jc);)
                if (bytes_eq(jc.id, container))
                        return jc.runtime;
        return BYTES_LIT("unknown");
}

/* Ask for a file that the files read so far have named: one at a time, each answer ends as the first ones did. */
static bool ask_more(struct engine *e, struct bytes container, struct meta *m)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = container};
        struct metafile_want want;

        if (meta_wants(m, &want, 1) == 0)
                return false;
        ev.act.act = ACT_OPEN;
        ev.act.id = want.kind;
        ev.act.name = bytes_str(want.path);
        return engine_send(e, &ev) == 0;
}

/* The sensor tells probes by it; as it is, before anything in it is masked. One that is too long for that is none. */
static bool tell_health(struct engine *e, struct bytes container, struct bytes health)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = container};

        ev.act.act = ACT_FACTS;
        ev.act.name = BYTES_LIT("health");
        ev.act.text = health;
        return health.len <= TIDE_ARGS_MAX && engine_send(e, &ev) == 0;
}

static json_t *states_of(struct engine *e, struct bytes workload)
{
        json_t *o = json_object();
        struct judge_workload w;

        for (size_t i = 0; judge_workload_next(pipeline_judge(e->pipeline), &i, &w);)
                for (unsigned d = 0; bytes_eq(w.id, workload) && d < DIM__MAX; d++)
                        json_object_set_new(o, dimension_name(d), json_string(w.dim[d].state));
        return o;
}

static json_t *shown(struct bytes s)
{
        char text[512];

        return json_string(str_print(s, text, sizeof(text)));
}

/* For the trail, whose other records know the container by its id alone. */
static void tell_identity(struct engine *e, struct bytes container)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = container};
        struct judge_container jc;
        char *text = NULL;
        json_t *o = NULL;

        for (size_t i = 0; !o && judge_container_next(pipeline_judge(e->pipeline), &i, &jc);)
                if (bytes_eq(jc.id, container))
                        o = json_pack("{s:o,s:o,s:o,s:o,s:s,s:o}", "name", shown(jc.name), "workload",
                                      shown(jc.workload_id), "image", shown(jc.image_ref), "digest",
                                      shown(jc.config_digest), "class", tide_class_name(jc.class), "baselines",
                                      states_of(e, jc.workload_id));
        if (o)
                text = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        if (!text)
                return;
        ev.act.act = ACT_TRAIL;
        ev.act.name = BYTES_LIT("identified");
        ev.act.text = bytes_str(text);
        if (engine_send(e, &ev) < 0)
                log_error(MOD, "a container's name could not be handed to the trail");
        free(text);
}

static int finish(struct engine *e, struct bytes container, struct meta *m)
{
        struct tide_event ev = {.kind = TIDE_CONTENT, .container = container};
        char runtime[16], id[16], name[96], image[160];
        int r;

        meta_content(m, &ev);
        log_info(MOD, "watching %s container %s (%s), image %s",
                 str_print(ev.content.runtime, runtime, sizeof(runtime)),
                 str_print(bytes_of(container.p, container.len < 12 ? container.len : 12), id, sizeof(id)),
                 ev.content.name.len ? str_print(ev.content.name, name, sizeof(name)) : "name unknown",
                 ev.content.image_ref.len ? str_print(ev.content.image_ref, image, sizeof(image)) : "unknown");
        if (ev.content.health.len && !tell_health(e, container, ev.content.health))
                log_warn(MOD, "a container's health check could not be passed on: its runs count as exec sessions");
        r = engine_inject(e, &ev);
        engine_image_want(e, container, m, ev.content.config_digest);
        engine_net_scope(e, container);
        tell_identity(e, container);
        engine_contain_told(e, container, m);
        engine_meta_drop(e, container);
        return r == -EINVAL ? 0 : r;
}

int engine_meta_file(struct engine *e, const struct tide_event *ev, int fd)
{
        struct meta *m = map_get(e->metas, ev->container);
        int r;

        if (!m) {
                r = meta_new(ev->container, runtime_of(e, ev->container), &m);
                if (r == 0) {
                        r = map_put(e->metas, ev->container, m);
                        if (r < 0)
                                meta_free(m);
                }
                if (r < 0)
                        return r == -ENOMEM ? r : 0; /* more containers than the limit: counted by the map */
        }
        if (ev->act.id != METAFILE_END) {
                if (ev->act.id < METAFILE__MAX && fd >= 0)
                        meta_file(m, (enum metafile)ev->act.id, fd, ev->act.name);
                return 0;
        }
        return ask_more(e, ev->container, m) ? 0 : finish(e, ev->container, m);
}

void engine_meta_drop(struct engine *e, struct bytes container)
{
        if (map_del(e->metas, container) < 0)
                return; /* nothing was coming for it */
}
