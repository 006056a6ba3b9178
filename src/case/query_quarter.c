/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_quarter - command report.quarter: what the owner of the playbook looks at when it is reviewed.
 *
 * Owns:  the counts: criteria that findings of the quarter fit, versions by which they were judged, causes judged
 *        benign for the first time, rules that end soon or never.
 * Never: changes the playbook or a rule.
 */
#include "case/query-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/playbook.h"

#define SECOND INT64_C(1000000000)
#define SOON_NS (92 * 86400 * SECOND)
#define CAUSES 256u
#define CAUSES_SHOWN 50u
#define VERSIONS 32u
#define TEXT 120
#define VERDICTS 5 /* the judge's, and none */

struct hits {
        uint64_t n, verdicts[VERDICTS];
};

struct cause {
        char workload[TEXT], what[TEXT];
        uint64_t findings;
        int64_t first_ns; /* when it was judged benign first, in any quarter */
};

struct version {
        char name[64];
        uint64_t verdicts;
        int64_t first_ns, last_ns;
};

struct quarter {
        const struct query_env *env;
        char name[8]; /* "2026Q4" */
        int64_t begin_ns, end_ns, now_ns;
        struct hits all, fit_none, criteria[PLAYBOOK_CRITERIA];
        struct cause *causes;
        size_t ncauses;
        struct version versions[VERSIONS];
        size_t nversions;
        uint64_t causes_more, versions_more;
};

/* ---- which quarter ---- */

static int64_t month_begin(int year, int month)
{
        struct tm tm = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = 1};

        return (int64_t)timegm(&tm) * SECOND;
}

static void set_quarter(struct quarter *q, int year, int n)
{
        snprintf(q->name, sizeof(q->name), "%04uQ%u", (unsigned)year % 10000u, (unsigned)n % 10u);
        q->begin_ns = month_begin(year, 3 * (n - 1));
        q->end_ns = month_begin(n == 4 ? year + 1 : year, n == 4 ? 0 : 3 * n);
}

static bool read_quarter(const char *text, struct quarter *q)
{
        struct tm tm;
        time_t t = (time_t)(q->now_ns / SECOND);
        int year, n, used = 0;

        if (!text) {
                gmtime_r(&t, &tm);
                set_quarter(q, tm.tm_year + 1900, tm.tm_mon / 3 + 1);
                return true;
        }
        if (sscanf(text, "%4dQ%1d%n", &year, &n, &used) != 2 || text[used] || used != 6 || year < 1970 || n < 1 ||
            n > 4)
                return false;
        set_quarter(q, year, n);
        return true;
}

/* ---- counting ---- */

static unsigned verdict_of(const struct finding *f)
{
        unsigned v = 0;

        while (v < JUDGE_VERDICTS && !bytes_eq(str_get(&f->verdict), bytes_str(judge_verdict_name(v))))
                v++;
        return v;
}

static void hit(struct hits *h, const struct finding *f)
{
        h->n++;
        h->verdicts[verdict_of(f)]++;
}

static void count_criteria(struct quarter *q, const struct finding *f)
{
        const struct playbook *p = q->env->playbook;
        bool one = false;

        hit(&q->all, f);
        for (uint32_t i = 0; p && i < p->n; i++)
                if (playbook_fits(&p->criteria[i], f)) {
                        hit(&q->criteria[i], f);
                        one = true;
                }
        if (!one)
                hit(&q->fit_none, f);
}

static void count_version(struct quarter *q, const struct finding *f)
{
        char name[64];
        struct version *v = q->versions;

        str_print(f->criteria.len ? str_get(&f->criteria) : BYTES_LIT("none"), name, sizeof(name));
        while (v < q->versions + q->nversions && strcmp(v->name, name) != 0)
                v++;
        if (v == q->versions + VERSIONS) {
                q->versions_more++;
                return;
        }
        if (v == q->versions + q->nversions) {
                q->nversions++;
                strcpy(v->name, name);
                v->first_ns = f->verdict_ns;
        }
        v->verdicts++;
        v->first_ns = f->verdict_ns < v->first_ns ? f->verdict_ns : v->first_ns;
        v->last_ns = f->verdict_ns > v->last_ns ? f->verdict_ns : v->last_ns;
}

/* Of every time: what is new is what was never judged benign before. */
static void count_benign(struct quarter *q, const struct finding *f)
{
        const struct finding_signal *s = query_headline(f);
        char workload[TEXT], what[TEXT];
        struct cause *c = q->causes;

        if (!s)
                return;
        str_print(str_get(&f->workload), workload, sizeof(workload));
        str_print(str_get(&s->key), what, sizeof(what));
        while (c < q->causes + q->ncauses && (strcmp(c->workload, workload) || strcmp(c->what, what)))
                c++;
        if (c == q->causes + CAUSES) {
                q->causes_more++;
                return;
        }
        if (c == q->causes + q->ncauses) {
                q->ncauses++;
                strcpy(c->workload, workload);
                strcpy(c->what, what);
                c->first_ns = f->verdict_ns;
        }
        c->findings++;
        c->first_ns = f->verdict_ns < c->first_ns ? f->verdict_ns : c->first_ns;
}

static int count(const struct finding *f, void *arg)
{
        struct quarter *q = arg;

        if (f->shown_ns >= q->begin_ns && f->shown_ns < q->end_ns && !f->suppressed)
                count_criteria(q, f);
        if (f->verdict.len && f->verdict_ns >= q->begin_ns && f->verdict_ns < q->end_ns)
                count_version(q, f);
        if (bytes_eq(str_get(&f->verdict), BYTES_LIT("benign")) && f->verdict_ns < q->end_ns)
                count_benign(q, f);
        return 0;
}

/* ---- JSON ---- */

static json_t *hits_json(const struct hits *h)
{
        _cleanup_json_ json_t *v = json_object();
        int bad = 0;

        for (unsigned i = 0; i < VERDICTS; i++)
                bad |= json_object_set_new(v, i < JUDGE_VERDICTS ? judge_verdict_name(i) : "none",
                                           cj_u64(h->verdicts[i]));
        return bad ? NULL : json_pack("{s:o,s:O}", "findings", cj_u64(h->n), "verdicts", v);
}

static json_t *criteria_json(const struct quarter *q)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; q->env->playbook && i < q->env->playbook->n; i++) {
                const struct playbook_criterion *c = &q->env->playbook->criteria[i];
                json_t *o = hits_json(&q->criteria[i]);
                int bad = json_object_set_new(o, "name", json_string(c->name));

                bad |= json_object_set_new(o, "suggests", json_string(c->verdict));
                if (json_array_append_new(a, o) < 0 || bad)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *versions_json(const struct quarter *q)
{
        _cleanup_json_ json_t *a = json_array();

        for (size_t i = 0; i < q->nversions; i++)
                if (json_array_append_new(a, json_pack("{s:s,s:o,s:o,s:o}", "version", q->versions[i].name, "verdicts",
                                                       cj_u64(q->versions[i].verdicts), "first",
                                                       cj_time(q->versions[i].first_ns), "last",
                                                       cj_time(q->versions[i].last_ns))) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

static json_t *benign_json(const struct quarter *q)
{
        _cleanup_json_ json_t *a = json_array();

        for (size_t i = 0; i < q->ncauses && json_array_size(a) < CAUSES_SHOWN; i++) {
                const struct cause *c = &q->causes[i];

                if (c->first_ns >= q->begin_ns &&
                    json_array_append_new(a,
                                          json_pack("{s:o,s:o,s:o,s:o}", "workload", cj_words(bytes_str(c->workload)),
                                                    "what", cj_words(bytes_str(c->what)), "findings",
                                                    cj_u64(c->findings), "first_judged", cj_time(c->first_ns))) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *rule_json(const struct quarter *q, const struct judge_rule *r)
{
        _cleanup_buf_ struct buf words;
        char id[32];

        buf_init(&words, 65536);
        judge_rule_words(pipeline_judge(q->env->pipeline), r->id, &words);
        snprintf(id, sizeof(id), "R-%llu", (unsigned long long)r->id);
        return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o}", "id", id, "kind",
                         r->kind == RULE_ALLOW ? "allow" : "suppress", "text", cj_words(buf_bytes(&words)), "reason",
                         cj_text(r->reason), "by", cj_words(r->by), "until",
                         r->until_ns ? cj_time(r->until_ns) : json_null(), "hidden", cj_u64(r->hidden));
}

/* Rules in force that end soon; or those that never do. */
static json_t *rules_json(const struct quarter *q, bool endless)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_rule r;

        for (size_t i = 0; judge_rule_next(pipeline_judge(q->env->pipeline), &i, &r);) {
                bool its = endless ? r.until_ns == 0 : r.until_ns > q->now_ns && r.until_ns <= q->now_ns + SOON_NS;

                if (r.ended_ns == 0 && its && json_array_size(a) < CAUSES_SHOWN &&
                    json_array_append_new(a, rule_json(q, &r)) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *answer(const struct quarter *q, uint64_t damaged)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "schema", json_string("tidemark.quarter.1"));
        bad |= json_object_set_new(o, "host", cj_text(bytes_str(q->env->params->host)));
        bad |= json_object_set_new(o, "quarter", json_string(q->name));
        bad |= json_object_set_new(o, "from", cj_time(q->begin_ns));
        bad |= json_object_set_new(o, "to", cj_time(q->end_ns));
        bad |= json_object_set_new(o, "playbook", query_playbook_json(q->env->playbook, q->now_ns));
        bad |= json_object_set_new(o, "findings", hits_json(&q->all));
        bad |= json_object_set_new(o, "criteria", criteria_json(q));
        bad |= json_object_set_new(o, "no_criterion", hits_json(&q->fit_none));
        bad |= json_object_set_new(o, "judged_by", versions_json(q));
        bad |= json_object_set_new(o, "new_benign", benign_json(q));
        bad |= json_object_set_new(o, "not_counted", cj_u64(q->causes_more + q->versions_more));
        bad |= json_object_set_new(o, "rules_ending", rules_json(q, false));
        bad |= json_object_set_new(o, "rules_endless", rules_json(q, true));
        bad |= json_object_set_new(o, "damaged", cj_u64(damaged));
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

json_t *query_quarter(const struct query_env *env, const json_t *request)
{
        const char *text = json_string_value(json_object_get(request, "quarter"));
        _cleanup_free_ struct quarter *q = calloc(1, sizeof(*q));
        uint64_t damaged = 0;
        json_t *a;
        int r;

        if (!q)
                return NULL;
        q->env = env;
        q->now_ns = env->now_ns ? env->now_ns : judge_now(pipeline_judge(env->pipeline));
        if (!read_quarter(text, q))
                return query_fail(QUERY_USAGE, "quarter must be such as \"2026Q4\"");
        q->causes = calloc(CAUSES, sizeof(*q->causes));
        if (!q->causes)
                return NULL;
        r = query_each_finding(env, count, q, &damaged);
        a = r < 0 ? query_fail(QUERY_FAILED, "the findings could not be read: %s", err_str(r)) : answer(q, damaged);
        free(q->causes);
        return a;
}
