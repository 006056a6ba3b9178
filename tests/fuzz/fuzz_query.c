/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines that clients send: any bytes as a request, over an engine that has seen a container drift. Always an answer, an
 * object that says whether it is one, below its limit; and a decision only of what was asked for in full.
 */
#include <jansson.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/query.h"

static struct query_env env;
static struct judge_params jp;

/* One container of one workload, and a program that it has dropped. */
static void world(void)
{
        static const struct pipeline_ops ops = {0};
        struct tide_event start = {.kind = TIDE_CTR_START}, content = {.kind = TIDE_CONTENT};
        struct tide_event exec = {.kind = TIDE_EXEC};
        struct fuse_params fp;
        struct pipeline *p = NULL;

        judge_params_default(&jp);
        fuse_params_default(&fp);
        if (pipeline_new(&jp, &fp, &ops, NULL, &p) < 0)
                abort();
        start.container = content.container = exec.container = BYTES_LIT("c1");
        start.ctr.runtime = BYTES_LIT("podman");
        start.ctr.init_pid = 7;
        content.content.name = BYTES_LIT("web");
        content.content.name_given = 1;
        content.content.image_ref = BYTES_LIT("docker.io/library/web:1");
        content.content.config_digest = BYTES_LIT("sha256:aa");
        exec.exec.actor.pid = 8;
        exec.exec.actor.flags = ACTOR_PID | ACTOR_EXE;
        exec.exec.actor.exe = exec.exec.program = BYTES_LIT("/opt/\x1b[2J\xff/upd");
        exec.exec.program_layer = LAYER_WRITE;
        exec.exec.program_change = CHANGE_ADDED;
        if (pipeline_event(p, &start) < 0 || pipeline_event(p, &content) < 0 || pipeline_event(p, &exec) < 0)
                abort();
        env = (struct query_env){.pipeline = p, .params = &jp};
}

static void check_answer(json_t *o)
{
        char *text = o ? json_dumps(o, QUERY_JSON_FLAGS) : NULL;
        json_t *ok = json_object_get(o, "ok");

        if (!text || strlen(text) > (4u << 20) || !json_is_boolean(ok))
                abort();
        if (json_is_false(ok) ? !json_is_string(json_object_get(o, "error")) : !json_object_get(o, "data"))
                abort();
        free(text);
        json_decref(o);
}

static void decide(const json_t *request)
{
        _cleanup_buf_ struct buf scratch;
        struct tide_event ev = {0};
        json_t *answer = NULL;

        buf_init(&scratch, 1 << 16);
        if (query_decision(&env, request, &scratch, &ev, &answer) < 0) {
                check_answer(answer);
                return;
        }
        /* Of that workload, of one of its findings, or of none: a rule. */
        if (!answer || ev.kind != TIDE_DECISION ||
            (ev.decision.target.len && !bytes_eq(ev.decision.target, BYTES_LIT("web@sha256:aa")) &&
             !bytes_has_prefix(ev.decision.target, BYTES_LIT("F-"))))
                abort();
        ev.wall_ns = 1767323045000000000;
        if (pipeline_try(env.pipeline, &ev) == 0 && query_outcome(&env, answer) < 0)
                abort();
        json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        json_t *request;

        if (!env.pipeline)
                world();
        request = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
        if (query_is_change(request))
                decide(request);
        else
                check_answer(query_run(&env, request));
        json_decref(request);
        return 0;
}

FUZZ_MAIN("query", "tests/fuzz/corpus/query")
