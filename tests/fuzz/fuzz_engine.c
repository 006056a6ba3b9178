/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's core with any events and any stored pieces. Whatever comes: no crash, prior and factors make the sum,
 * and what it hands out to be stored it takes back.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"

/* What records say of it: no more paths than signals, nothing of an SBOM that says nothing. */
static void check_compared(struct pipeline *p, const struct finding *f)
{
        struct judge_comparison c;

        judge_compare(pipeline_judge(p), f, &c);
        if (c.npaths > f->nsignals || c.nbuilds > JUDGE_BUILDS || c.nadmissions > JUDGE_ADMISSIONS)
                abort();
        for (uint32_t i = 0; i < c.npaths; i++)
                if ((c.sbom.state < SBOM_FEW_FILES && c.paths[i].in_sbom != TRI_UNKNOWN) ||
                    (c.paths[i].in_sbom != TRI_YES && c.paths[i].run_fits != TRI_UNKNOWN))
                        abort();
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        _cleanup_buf_ struct buf blob, text;
        struct finding *back = NULL;
        int32_t sum = f->prior_quarters;

        (void)opened;
        check_compared(*(struct pipeline **)arg, f);
        buf_init(&blob, 1 << 20);
        buf_init(&text, 1 << 20);
        for (uint32_t i = 0; i < f->nfactors; i++)
                sum += f->factors[i].quarters;
        if (sum != f->sum_quarters || f->confidence > 99)
                abort();
        if (finding_encode(f, &blob) < 0 || blob.len > TIDE_RECORD_MAX || finding_decode(buf_bytes(&blob), &back) < 0)
                abort();
        for (size_t n = 0; finding_story(back, n, &text); n++)
                if (n > 1000)
                        abort();
        finding_free(back);
}

/* From the input: records one after another, each begun wherever one decodes. */
static void feed(struct pipeline *p, const uint8_t *data, size_t size)
{
        struct tide_event ev;
        size_t used;

        for (size_t at = 0; at < size; at += used ? used : 1) {
                used = 0;
                if (tide_decode(data + at, size - at, &ev, &used) < 0) {
                        used = 0;
                        continue;
                }
                if (ev.kind == TIDE_STATE &&
                    judge_restore(pipeline_judge(p), (enum judge_piece)ev.state.what, ev.container, ev.state.text) < 0)
                        continue;
                if (pipeline_event(p, &ev) < 0)
                        continue;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct pipeline_ops ops = {.finding = on_finding};
        struct judge_params jp;
        struct fuse_params fp;
        struct pipeline *p = NULL;
        struct finding *f = NULL;

        judge_params_default(&jp);
        fuse_params_default(&fp);
        jp.max_workloads = 20;
        jp.max_entries = 50;
        jp.max_findings = 5;
        jp.max_names = 8;
        jp.max_records = 2;
        jp.max_record_entries = 4;
        fp.pending_max = 8;
        fp.index_max = 100;
        if (pipeline_new(&jp, &fp, &ops, &p, &p) < 0)
                abort();
        feed(p, data, size);
        pipeline_free(p);
        if (finding_decode((struct bytes){data, (uint32_t)size}, &f) == 0)
                finding_free(f);
        return 0;
}

FUZZ_MAIN("engine", "tests/fuzz/corpus/engine", "tests/fuzz/corpus/tide")
