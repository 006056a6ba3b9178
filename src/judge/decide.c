/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: operators' decisions: the table of verbs, and what every one of them needs. Must not: do what a verb says
 * itself beyond the baseline's state (its file does). Hands over: to one function a verb. Pure.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/transfer.h"

int decide_refuse(struct judge *j, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(j->error, sizeof(j->error), fmt, ap);
        va_end(ap);
        return -EINVAL;
}

void decide_say(struct judge *j, const char *name, const char *fmt, ...)
{
        char text[2048];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        tide_list_put(&j->result, bytes_str(name), bytes_str(text));
}

struct bytes decide_arg_n(const struct tide_decision *d, const char *name, size_t n)
{
        struct bytes key, value;
        struct rd r;

        rd_init(&r, d->args.p, d->args.len);
        while (tide_list_next(&r, &key, &value))
                if (bytes_eq(key, bytes_str(name)) && n-- == 0)
                        return value;
        return bytes_of(NULL, 0);
}

struct bytes decide_arg(const struct tide_decision *d, const char *name)
{
        return decide_arg_n(d, name, 0);
}

const char *decide_by(const struct tide_event *ev, char dst[DECIDE_BY])
{
        const struct tide_decision *d = &ev->decision;

        if (d->login_uid != UINT32_MAX)
                snprintf(dst, DECIDE_BY, "operator uid %u (login uid %u)", d->uid, d->login_uid);
        else
                snprintf(dst, DECIDE_BY, "operator uid %u", d->uid);
        return dst;
}

/* ---- the baseline's state, by dimension ---- */

static int activate(struct judge *j, struct workload *w, enum dimension dim, const struct tide_event *ev)
{
        struct dim_learning *d = &w->dim[dim];

        d->state = DS_ACTIVE;
        d->declared = true;
        d->refresh_ns = 0;
        d->since_ns = ev->wall_ns;
        decide_by(ev, d->by);
        return baseline_approve(j, w, dim);
}

static int learn(struct judge *j, struct workload *w, enum dimension dim, const struct tide_event *ev)
{
        struct dim_learning *d = &w->dim[dim];

        (void)j;
        d->state = DS_LEARNING;
        d->declared = false;
        d->refresh_ns = 0;
        d->since_ns = ev->wall_ns;
        d->by[0] = '\0';
        return 0;
}

/* What is done with each of the dimensions that are meant. */
static int each_dimension(struct judge *j, struct workload *w, const struct tide_event *ev,
                          int (*act)(struct judge *, struct workload *, enum dimension, const struct tide_event *))
{
        struct bytes only = decide_arg(&ev->decision, "dimension");
        char shown[128];
        bool done = false;
        int r = 0;

        for (int dim = 0; dim < DIM__MAX; dim++) {
                if (w->dim[dim].state == DS_OFF ||
                    (only.len && !bytes_eq(only, bytes_str(dimension_name((unsigned)dim)))))
                        continue;
                if (r == 0 && !j->dry)
                        r = act(j, w, (enum dimension)dim, ev);
                done = true;
        }
        if (!done)
                return decide_refuse(j, "dimension '%s' is not one of: file, process, network, privilege",
                                     str_print(only, shown, sizeof(shown)));
        return r;
}

static int on_activate(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        return each_dimension(j, w, ev, activate);
}

static int on_learn(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        return each_dimension(j, w, ev, learn);
}

/* ---- verbs ---- */

enum decide_target {
        OF_WORKLOAD, /* target: the id of a workload that is learned */
        OF_NONE,     /* target: whatever the verb makes of it; w is NULL */
};
static const struct {
        const char *verb;
        enum decide_target of;
        int (*act)(struct judge *j, struct workload *w, const struct tide_event *ev);
} verbs[] = {
        {"baseline.activate", OF_WORKLOAD, on_activate},   {"baseline.learn", OF_WORKLOAD, on_learn},
        {"baseline.approve", OF_WORKLOAD, review_approve}, {"baseline.reject", OF_WORKLOAD, review_reject},
        {"baseline.refresh", OF_WORKLOAD, review_refresh},
        {"allow.add", OF_NONE, rules_allow_add},
        {"allow.remove", OF_NONE, rules_allow_remove},
        {"suppress.add", OF_NONE, rules_suppress_add},
        {"suppress.remove", OF_NONE, rules_suppress_remove},
        {"triage", OF_NONE, life_triage},
        {TRANSFER_BEGIN, OF_NONE, transfer_begin},
        {TRANSFER_ENTRIES, OF_NONE, transfer_entries},
        {TRANSFER_COMMIT, OF_NONE, transfer_commit},
};

static int find_workload(struct judge *j, struct bytes id, struct workload **ret)
{
        struct workload *w = map_get(j->workloads, id);
        char shown[128];

        if (!w)
                return decide_refuse(j, "no workload '%s': see tidemark baseline list",
                                     str_print(id, shown, sizeof(shown)));
        if (w->class != CLASS_SERVICE)
                return decide_refuse(j,
                                     "'%s' is a %s, which is not learned: name it in workloads.services to have it "
                                     "learned",
                                     str_print(id, shown, sizeof(shown)), tide_class_name(w->class));
        *ret = w;
        return 0;
}

int decide_run(struct judge *j, const struct tide_event *ev)
{
        const struct tide_decision *d = &ev->decision;
        struct workload *w = NULL;
        char shown[128];
        size_t v = 0;
        int r = 0;

        while (v < ARRAY_LEN(verbs) && !bytes_eq(d->verb, bytes_str(verbs[v].verb)))
                v++;
        if (v == ARRAY_LEN(verbs))
                return decide_refuse(j, "unknown decision '%s'", str_print(d->verb, shown, sizeof(shown)));
        if (verbs[v].of == OF_WORKLOAD)
                r = find_workload(j, d->target, &w);
        if (r == 0)
                r = verbs[v].act(j, w, ev);
        if (r < 0 || j->dry)
                return r;
        if (w)
                pieces_save_workload(j, w);
        judge_verdict(j, ev, w, "decided", 0);
        return 0;
}
