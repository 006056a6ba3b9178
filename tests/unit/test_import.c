/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An import as a request and a document, over a pipeline: for which workload and image it is, in how many decisions it
 * comes, and what is exported again.
 */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/document.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/query.h"

#define T0 1767323045000000000ll
#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct world {
        struct query_env env;
        unsigned decisions, largest;
        bool dry;
        int fail_at; /* the decision that fails: 1, 2, …; 0: none */
        json_t *answer;
};

static void world_open(struct world *w)
{
        static const struct pipeline_ops ops = {0};
        struct judge_params jp;
        struct fuse_params fp;

        memset(w, 0, sizeof(*w));
        judge_params_default(&jp);
        fuse_params_default(&fp);
        CU_ASSERT_EQUAL_FATAL(pipeline_new(&jp, &fp, &ops, NULL, &w->env.pipeline), 0);
}

static void world_close(struct world *w)
{
        json_decref(w->answer);
        pipeline_free(w->env.pipeline);
}

static void run(struct world *w, const char *id, const char *digest)
{
        struct tide_event start = {.kind = TIDE_CTR_START, .wall_ns = T0},
                          content = {.kind = TIDE_CONTENT, .wall_ns = T0};

        start.container = content.container = bytes_str(id);
        start.ctr.runtime = BYTES_LIT("podman");
        start.ctr.init_pid = 7;
        content.content.name = BYTES_LIT("web");
        content.content.name_given = 1;
        content.content.config_digest = bytes_str(digest);
        CU_ASSERT_EQUAL(pipeline_event(w->env.pipeline, &start), 0);
        CU_ASSERT_EQUAL(pipeline_event(w->env.pipeline, &content), 0);
}

static int decide(struct tide_event *ev, void *arg)
{
        struct world *w = arg;
        _cleanup_buf_ struct buf b;

        buf_init(&b, TIDE_RECORD_MAX);
        w->decisions++;
        CU_ASSERT_EQUAL(tide_encode(ev, &b), 0); /* it fits a record */
        if (b.len > w->largest)
                w->largest = (unsigned)b.len;
        if (w->fail_at && (int)w->decisions == w->fail_at)
                return -EIO;
        ev->wall_ns = T0;
        return w->dry ? pipeline_try(w->env.pipeline, ev) : pipeline_event(w->env.pipeline, ev);
}

/* n files, and one program, of web with digest A. */
static void put_document(unsigned n, struct buf *out)
{
        struct transfer_entry *e = calloc(n + 1, sizeof(*e));
        char(*keys)[64] = calloc(n, sizeof(*keys));
        struct document d = {.name = BYTES_LIT("web"),
                             .class = BYTES_LIT("service"),
                             .image = BYTES_LIT("web:1"),
                             .digest = BYTES_LIT(A),
                             .entries = e,
                             .nentries = n + 1};
        json_t *o;

        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
        for (unsigned i = 0; i < n; i++) {
                snprintf(keys[i], sizeof(keys[i]), "/srv/%05u/\x1b\xff", i);
                e[i] = (struct transfer_entry){.dim = DIM_FILE,
                                               .key = bytes_str(keys[i]),
                                               .exe = BYTES_LIT("/bin/web"),
                                               .counted = true,
                                               .first_ns = T0,
                                               .last_ns = T0,
                                               .count = i,
                                               .windows = 2};
        }
        e[n] = (struct transfer_entry){.dim = DIM_PROCESS,
                                       .key = BYTES_LIT("/bin/web"),
                                       .exe = BYTES_LIT("/bin/sh"),
                                       .counted = true,
                                       .first_ns = T0,
                                       .last_ns = T0,
                                       .count = 1,
                                       .windows = 2};
        for (int i = 0; i < DIM__MAX; i++)
                d.dim[i] = (struct document_dimension){
                        .present = true, .state = "active", .by = BYTES_LIT("x"), .windows = 9};
        o = document_json(&d);
        document_text(o, out);
        json_decref(o);
        free(e);
        free(keys);
}

static int import_text(struct world *w, const char *more, struct bytes text)
{
        struct query_import_source source = {.text = text, .sha256 = "5a"};
        char request[1024];
        json_t *o;
        int r;

        snprintf(request, sizeof(request), "{'cmd':'baseline.import','file':'web.json','reason':'why'%s}", more);
        for (char *p = request; *p; p++)
                if (*p == '\'')
                        *p = '"';
        o = json_loads(request, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(o);
        json_decref(w->answer);
        w->answer = NULL;
        w->decisions = w->largest = 0;
        r = query_import(&w->env, o, &source, decide, w, &w->answer);
        json_decref(o);
        return r;
}

static int import(struct world *w, const char *more)
{
        _cleanup_buf_ struct buf text;

        buf_init(&text, DOCUMENT_MAX);
        put_document(3, &text);
        return import_text(w, more, buf_bytes(&text));
}

static const char *says(const struct world *w, const char *key)
{
        const char *text = json_string_value(json_object_get(w->answer, key));

        return text ? text : "";
}

static size_t known(struct world *w, const char *id, bool inherited)
{
        struct judge_entry e;
        size_t i = 0, n = 0;

        while (judge_entry_next(pipeline_judge(w->env.pipeline), bytes_str(id), &i, &e))
                n += e.inherited == inherited;
        return n;
}

static void refused(struct world *w, const char *more, const char *a, const char *b)
{
        CU_ASSERT(import(w, more) < 0);
        CU_ASSERT(json_is_false(json_object_get(w->answer, "ok")));
        CU_ASSERT_PTR_NOT_NULL(strstr(says(w, "error"), a));
        CU_ASSERT_PTR_NOT_NULL(strstr(says(w, "error"), b));
        if (!strstr(says(w, "error"), a) || !strstr(says(w, "error"), b))
                printf("\n%s: %s\n", more, says(w, "error"));
        CU_ASSERT_EQUAL(w->decisions, 0);
}

static void test_for_whom(void)
{
        struct world w;

        world_open(&w);
        refused(&w, ",'inherit':true", "no workload is called \"web\"", "before it runs");
        refused(&w, ",'for_digest':'sha256:zz'", "is no digest", "baseline list");
        refused(&w, ",'workload':'a\\\\q'", "is no workload's name", "");
        refused(&w, ",'colour':1", "has no field", "colour");
        CU_ASSERT_EQUAL(import(&w, ",'for_digest':'" B "'"), 0); /* not seen here yet, and another one */
        CU_ASSERT_STRING_EQUAL(says(&w, "workload"), "web@" B);
        CU_ASSERT(json_is_true(json_object_get(w.answer, "inherited")));
        CU_ASSERT_EQUAL(known(&w, "web@" B, true), 4);
        refused(&w, "", A, B); /* now web is known, and with another digest */
        CU_ASSERT_EQUAL(import(&w, ",'inherit':true"), 0);
        CU_ASSERT_STRING_EQUAL(says(&w, "digest"), B);
        CU_ASSERT_EQUAL(import(&w, ",'for_digest':'" A "'"), 0); /* its own, all the same */
        CU_ASSERT(json_is_false(json_object_get(w.answer, "inherited")));
        CU_ASSERT_EQUAL(known(&w, "web@" A, false), 4);
        CU_ASSERT_EQUAL(import(&w, ""), 0); /* it is known with its digest now */
        CU_ASSERT_STRING_EQUAL(says(&w, "digest"), A);
        refused(&w, ",'inherit':true", "several digests", "--for-digest");
        CU_ASSERT_EQUAL(import(&w, ",'workload':'shop\\\\x1b'"), 0);
        CU_ASSERT_STRING_EQUAL(says(&w, "workload"), "shop\\x1b@" A);
        CU_ASSERT_EQUAL(known(&w, "shop\x1b@" A, false), 4);
        world_close(&w);

        world_open(&w);
        run(&w, "c1", "sha256:short"); /* whatever a runtime calls it: it is known here */
        CU_ASSERT_EQUAL(import(&w, ",'for_digest':'sha256:short'"), 0);
        CU_ASSERT_EQUAL(known(&w, "web@sha256:short", true), 4);
        world_close(&w);
}

/* Thousands of entries come in decisions that each fit a record, and are exported as they were imported. */
static void test_large(void)
{
        _cleanup_buf_ struct buf text, again;
        json_t *request = json_pack("{s:s,s:s}", "cmd", "baseline.export", "workload", "web"), *answer;
        struct world w;

        world_open(&w);
        buf_init(&text, DOCUMENT_MAX);
        buf_init(&again, DOCUMENT_MAX);
        put_document(1990, &text);
        w.dry = true;
        CU_ASSERT_EQUAL(import_text(&w, ",'dry_run':true", buf_bytes(&text)), 0);
        CU_ASSERT_EQUAL(known(&w, "web@" A, false), 0);
        w.dry = false;
        CU_ASSERT_EQUAL(import_text(&w, "", buf_bytes(&text)), 0);
        CU_ASSERT(w.decisions > 4);
        CU_ASSERT(w.largest <= TIDE_RECORD_MAX);
        CU_ASSERT_EQUAL(known(&w, "web@" A, false), 1991);
        answer = query_run(&w.env, request);
        document_text(json_object_get(json_object_get(answer, "data"), "document"), &again);
        /* The first line of what differs is who activated it. */
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&again), "\"by\": \"import by operator uid"));
        CU_ASSERT_STRING_EQUAL(strstr(buf_cstr(&again), "  \"entries\""), strstr(buf_cstr(&text), "  \"entries\""));
        json_decref(answer);
        json_decref(request);
        world_close(&w);
}

/* Whichever decision fails: nothing is known. */
static void test_cut(void)
{
        _cleanup_buf_ struct buf text;
        unsigned all;
        struct world w;

        buf_init(&text, DOCUMENT_MAX);
        put_document(1500, &text);
        world_open(&w);
        w.dry = true;
        CU_ASSERT_EQUAL(import_text(&w, "", buf_bytes(&text)), 0);
        w.dry = false;
        all = w.decisions;
        for (unsigned n = 1; n <= all; n++) {
                struct judge_workload jw;
                size_t i = 0;

                w.fail_at = (int)n;
                CU_ASSERT_EQUAL(import_text(&w, "", buf_bytes(&text)), -EIO);
                CU_ASSERT_EQUAL(judge_workload_next(pipeline_judge(w.env.pipeline), &i, &jw), 0);
        }
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"for which workload and image it is", test_for_whom},
        {"a large one comes in pieces", test_large},
        {"cut anywhere it changes nothing", test_cut},
};
UNIT_MAIN("import", cases)
