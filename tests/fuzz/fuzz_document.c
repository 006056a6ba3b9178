/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A baseline's document, as somebody may have changed it. What is taken is written again to what is taken as the same;
 * what is not is refused with words, on one line.
 */
#include <errno.h>
#include <jansson.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/document.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/query.h"

static void write_out(const struct document *d, struct buf *out)
{
        json_t *o = document_json(d);

        buf_init(out, 1 << 26);
        if (!o)
                abort();
        document_text(o, out);
        json_decref(o);
        if (out->err)
                abort();
}

static void back_again(const struct transfer_entry *e)
{
        _cleanup_buf_ struct buf b;
        struct transfer_entry again;

        buf_init(&b, TIDE_RECORD_MAX);
        transfer_entry_put(e, &b);
        if (b.err || transfer_entry_decode(buf_bytes(&b), &again) < 0 || document_order(e, &again) != 0 ||
            again.count != e->count || again.approved != e->approved || !bytes_eq(again.sha256, e->sha256))
                abort();
}

/* Any bytes as what a decision carries. */
static void pieces(struct bytes value)
{
        struct transfer_dimension d;
        struct transfer_entry e;

        if (transfer_entry_decode(value, &e) == 0)
                back_again(&e);
        if (transfer_dimension_decode(value, &d) == 0 && d.dim >= DIM__MAX)
                abort();
}

static int decide(struct tide_event *ev, void *arg)
{
        ev->wall_ns = 1767323045000000000;
        return pipeline_event(arg, ev);
}

/* Into a judge that knows little: all of it or nothing, and nothing that may not be learned silently. */
static void import(const struct document *d, struct bytes text)
{
        static const struct pipeline_ops ops = {0};
        struct query_import_source source = {.text = text, .sha256 = "00"};
        json_t *request = json_pack("{s:s,s:s,s:s}", "cmd", "baseline.import", "file", "x", "reason", "y"), *o = NULL;
        struct query_env env = {.params = NULL};
        struct judge_params jp;
        struct fuse_params fp;
        struct judge_workload w;
        struct judge_entry e;
        size_t i = 0, k = 0, n = 0;
        int r;

        judge_params_default(&jp);
        fuse_params_default(&fp);
        jp.max_entries = 10;
        jp.max_workloads = 4;
        if (pipeline_new(&jp, &fp, &ops, NULL, &env.pipeline) < 0)
                abort();
        r = query_import(&env, request, &source, decide, env.pipeline, &o);
        while (judge_workload_next(pipeline_judge(env.pipeline), &i, &w))
                for (k = 0; judge_entry_next(pipeline_judge(env.pipeline), w.id, &k, &e); n++)
                        if (e.candidate || (e.never_silent && (!e.approved_by || e.sha256.len == 0)))
                                abort();
        if (n != (r == 0 ? d->nentries : 0) || i > 1 || (r < 0 && i))
                abort();
        pipeline_free(env.pipeline);
        json_decref(request);
        json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char why[DOCUMENT_WHY];
        _cleanup_buf_ struct buf first, second;
        struct document *d = NULL, *again = NULL;
        int r = document_decode(bytes_of(data, size), &d, why);

        pieces(bytes_of(data, size));
        buf_init(&first, 1);
        buf_init(&second, 1);
        if (r < 0) {
                if (r == -EINVAL && (why[0] == '\0' || strchr(why, '\n') || strlen(why) >= DOCUMENT_WHY))
                        abort();
                return 0;
        }
        write_out(d, &first);
        if (document_decode(buf_bytes(&first), &again, why) < 0)
                abort();
        write_out(again, &second);
        if (!bytes_eq(buf_bytes(&first), buf_bytes(&second)) || again->nentries != d->nentries)
                abort();
        for (size_t i = 0; i < d->nentries; i++)
                back_again(&d->entries[i]);
        import(d, buf_bytes(&first));
        document_free(d);
        document_free(again);
        return 0;
}

FUZZ_MAIN("document", "tests/fuzz/corpus/document")
