/* SPDX-License-Identifier: GPL-2.0-or-later */
/* finding_sample - a finding with something in every field, for the tests of its JSON form. */
#ifndef TIDEMARK_TESTS_FINDING_SAMPLE_H
#define TIDEMARK_TESTS_FINDING_SAMPLE_H

#include "tidemark/event.h"
#include "tidemark/finding.h"

#define SAMPLE_NS INT64_C(1795519167123456789) /* 2026-11-24T11:19:27 */

static inline void sample_set(struct str_owned *s, struct bytes v)
{
        if (str_set(s, v) < 0)
                abort();
}
#define SAMPLE(s, text) sample_set(&(s), BYTES_LIT(text))

static inline void sample_signals(struct finding *f)
{
        struct finding_signal *s = &f->signals[0];

        f->nsignals = 2;
        s->kind = DIM_FILE;
        SAMPLE(s->subject, "/tmp/x\xff\n");
        SAMPLE(s->key, "/tmp/*");
        SAMPLE(s->operation, "create+write");
        SAMPLE(s->executable, "/bin/sh");
        s->pid = 4242;
        s->start = 777;
        s->uid = 0;
        s->origin = ORIGIN_ENTRYPOINT;
        s->layer = LAYER_WRITE;
        s->change = CHANGE_ADDED;
        s->phase = PHASE_STEADY;
        s->first_ns = SAMPLE_NS;
        s->last_ns = SAMPLE_NS + 1000;
        s->count = 2;
        s = &f->signals[1];
        s->kind = DIM_PROCESS;
        SAMPLE(s->subject, "/tmp/x");
        SAMPLE(s->key, "/tmp/x");
        SAMPLE(s->operation, "exec");
        SAMPLE(s->args, "/tmp/x\0-v\0");
        s->origin = ORIGIN_EXEC;
        s->layer = LAYER_WRITE;
        s->flags = EVF_LOSS_NEAR | EVF_GAP;
        s->container = 99; /* none of those kept */
        s->first_ns = s->last_ns = SAMPLE_NS + 2000000000;
        s->count = UINT64_MAX;
}

static inline struct finding *finding_sample(uint64_t id)
{
        struct finding *f = finding_new();

        if (!f)
                abort();
        f->id = id;
        f->state = FINDING_OPEN;
        f->severity = SEVERITY_HIGH;
        SAMPLE(f->host, "host1");
        SAMPLE(f->workload, "web");
        SAMPLE(f->image, "localhost/web:1");
        SAMPLE(f->digest, "sha256:00ff");
        SAMPLE(f->class, "service");
        SAMPLE(f->baseline_state, "active");
        f->ncontainers = 1;
        SAMPLE(f->containers[0].id, "0123456789abcdef");
        SAMPLE(f->containers[0].name, "web1");
        SAMPLE(f->containers[0].runtime, "podman");
        f->containers[0].count = 3;
        sample_signals(f);
        f->signals_more = 5;
        f->nlineage = 2;
        f->lineage[0].pid = 4000;
        f->lineage[0].start = 700;
        SAMPLE(f->lineage[0].exe, "/usr/sbin/nginx");
        SAMPLE(f->lineage[0].comm, "nginx");
        SAMPLE(f->lineage[1].exe, "/bin/sh");
        f->nfactors = 2;
        SAMPLE(f->factors[0].name, "ran_write_layer");
        f->factors[0].quarters = 38;
        SAMPLE(f->factors[0].text, "ran /tmp/x\\xff from the write layer");
        SAMPLE(f->factors[1].name, "origin_exec");
        f->factors[1].quarters = -1;
        SAMPLE(f->factors[1].text, "raw \x1b[31m");
        f->uid = 0;
        f->login_uid = 1000;
        f->session = UINT32_MAX;
        f->actor_known = true;
        f->prior_quarters = -24;
        f->sum_quarters = 13;
        f->confidence = 90;
        f->count = 3;
        f->first_ns = SAMPLE_NS;
        f->last_ns = SAMPLE_NS + 2000000000;
        SAMPLE(f->loss, "2 events were lost in this time");
        return f;
}

#endif
