/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_report - command report: is the queue worth reading? Findings that somebody had to look at, and those that were
 * judged to be nothing, in a week in which a workload ran and was judged.
 *
 * Owns:  sums, rates and bands over the judge's weeks; the causes that made most findings.
 * Never: counts what is not known: time in which nobody looked is told beside, as not watched.
 */
#include "case/query-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/pipeline.h"

#define WEEK_NS 604800000000000.0
#define HOUR_NS 3600000000000.0
#define DAY_NS (24 * HOUR_NS)
#define HEALTHY_BELOW 1.0
#define UNSUSTAINABLE_ABOVE 5.0
#define WEEKS_DEFAULT 4
#define CAUSES 512u
#define CAUSES_SHOWN 10u
#define CAUSE_TEXT 160u
#define VERDICT_BENIGN 2

struct report {
        const struct query_env *env;
        const char *workload; /* NULL: all */
        int64_t from, now;    /* numbers of weeks */
        int64_t begin_ns, end_ns;
        struct judge_week total, by_week[WEEKS_KEPT];
        uint64_t asked_ns; /* of the spans of all workloads */
        struct cause {
                char workload[80], what[CAUSE_TEXT];
                uint64_t findings, acts, benign;
                int64_t last_ns;
        } * causes;
        size_t ncauses;
        uint64_t causes_more;
};

static void add(struct judge_week *to, const struct judge_week *k)
{
        to->observed_ns += k->observed_ns;
        to->unjudged_ns += k->unjudged_ns;
        to->dark_ns += k->dark_ns;
        to->findings += k->findings;
        to->pages += k->pages;
        to->learning += k->learning;
        to->first_sights += k->first_sights;
        to->sessions += k->sessions;
        to->sessions_shown += k->sessions_shown;
        to->suppressed += k->suppressed;
        for (unsigned v = 0; v < JUDGE_VERDICTS; v++)
                to->verdicts[v] += k->verdicts[v];
}

static const char *band_of(uint64_t findings, uint64_t observed_ns)
{
        double weeks = (double)observed_ns / WEEK_NS, rate;

        if (observed_ns == 0)
                return "not judged";
        if ((double)observed_ns < DAY_NS)
                return "too early";
        rate = (double)findings / weeks;
        return rate < HEALTHY_BELOW ? "healthy" : rate > UNSUSTAINABLE_ABOVE ? "unsustainable" : "watch";
}

static json_t *rate(uint64_t n, uint64_t observed_ns)
{
        return observed_ns ? cj_real((double)n / ((double)observed_ns / WEEK_NS)) : json_null();
}

static json_t *hours(uint64_t ns)
{
        return cj_real((double)ns / HOUR_NS);
}

/* span: of what was to be watched; 0: not known. */
static int put_numbers(json_t *o, const struct judge_week *k, uint64_t span_ns)
{
        uint64_t seen = k->observed_ns + k->unjudged_ns;
        uint32_t judged = 0, benign = k->verdicts[VERDICT_BENIGN];
        _cleanup_json_ json_t *verdicts = json_object();
        int bad = 0;

        for (unsigned v = 0; v < JUDGE_VERDICTS; v++) {
                judged += k->verdicts[v];
                bad |= json_object_set_new(verdicts, judge_verdict_name(v), cj_u64(k->verdicts[v]));
        }
        bad |= json_object_set_new(verdicts, "none", cj_u64(k->findings > judged ? k->findings - judged : 0));
        bad |= json_object_set_new(o, "observed_weeks", cj_real((double)k->observed_ns / WEEK_NS));
        bad |= json_object_set_new(o, "observed_hours", hours(k->observed_ns));
        bad |= json_object_set_new(o, "less_than_a_week", json_boolean((double)k->observed_ns < WEEK_NS));
        bad |= json_object_set_new(o, "findings", cj_u64(k->findings));
        bad |= json_object_set_new(o, "per_week", rate(k->findings, k->observed_ns));
        bad |= json_object_set_new(o, "band", json_string(band_of(k->findings, k->observed_ns)));
        bad |= json_object_set_new(o, "pages", cj_u64(k->pages));
        bad |= json_object_set_new(o, "false_positives", cj_u64(benign));
        bad |= json_object_set_new(o, "false_positives_per_week", rate(benign, k->observed_ns));
        bad |= json_object_set(o, "verdicts", verdicts);
        bad |= json_object_set_new(o, "while_learning", cj_u64(k->learning));
        bad |= json_object_set_new(o, "first_sights", cj_u64(k->first_sights));
        bad |= json_object_set_new(o, "sessions", cj_u64(k->sessions));
        bad |= json_object_set_new(o, "sessions_shown", cj_u64(k->sessions_shown));
        bad |= json_object_set_new(o, "suppressed", cj_u64(k->suppressed));
        bad |= json_object_set_new(o, "not_judged_hours", hours(k->unjudged_ns));
        bad |= json_object_set_new(o, "connections_not_watched_hours", hours(k->dark_ns));
        bad |= json_object_set_new(o, "not_watched_hours",
                                   span_ns ? hours(span_ns > seen ? span_ns - seen : 0) : json_null());
        return bad;
}

static json_t *trend(const struct report *r, const struct judge_week by_week[WEEKS_KEPT])
{
        _cleanup_json_ json_t *a = json_array();

        for (int64_t n = r->from; n <= r->now; n++) {
                const struct judge_week *k = &by_week[n - r->from];
                _cleanup_json_ json_t *o = json_object();
                int bad = json_object_set_new(o, "week", cj_time(judge_week_begin(n)));

                bad |= put_numbers(o, k, 0);
                if (bad || json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static bool in_span(const struct report *r, int64_t number)
{
        return number >= r->from && number <= r->now;
}

/* From its first week on: before that it was not there, or not known to be. */
static uint64_t span_of(const struct report *r, const struct judge_weeks *w)
{
        int64_t first = r->now, begin;

        for (size_t i = 0; i < WEEKS_KEPT; i++)
                if (w->of[i].number && in_span(r, w->of[i].number) && w->of[i].number < first)
                        first = w->of[i].number;
        begin = judge_week_begin(first);
        if (w->first_ns > begin)
                begin = w->first_ns;
        return r->end_ns > begin ? (uint64_t)(r->end_ns - begin) : 0;
}

static json_t *workload_json(struct report *r, const struct judge_weeks *w)
{
        struct judge_week sum = {0}, by_week[WEEKS_KEPT] = {{0}};
        _cleanup_json_ json_t *o = json_object();
        uint64_t span = span_of(r, w);
        int bad;

        for (size_t i = 0; i < WEEKS_KEPT; i++) {
                int64_t number = w->of[i].number;

                if (number == 0 || !in_span(r, number))
                        continue;
                add(&sum, &w->of[i]);
                add(&by_week[number - r->from], &w->of[i]);
                add(&r->by_week[number - r->from], &w->of[i]);
        }
        add(&r->total, &sum);
        r->asked_ns += span;
        bad = json_object_set_new(o, "workload", cj_text(w->name));
        bad |= put_numbers(o, &sum, span);
        bad |= json_object_set_new(o, "weeks", trend(r, by_week));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *workloads_json(struct report *r)
{
        const struct judge *j = pipeline_judge(r->env->pipeline);
        _cleanup_json_ json_t *a = json_array();
        struct judge_weeks w;

        for (size_t i = 0; judge_weeks_next(j, &i, &w);) {
                if (!in_span(r, w.last) || (r->workload && query_match(w.name, r->workload) == MATCH_NONE))
                        continue;
                if (json_array_append_new(a, workload_json(r, &w)) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

/* ---- causes ---- */

const struct finding_signal *query_headline(const struct finding *f)
{
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (f->signals[i].kind == DIM_PROCESS)
                        return &f->signals[i];
        return f->nsignals ? &f->signals[0] : NULL;
}

static int note_cause(const struct finding *f, void *arg)
{
        const struct finding_signal *s = query_headline(f);
        struct report *r = arg;
        char workload[80], what[CAUSE_TEXT];
        struct cause *c = r->causes;

        if (!s || f->type == FINDING_SESSION || f->suppressed || !f->shown_ns || f->shown_ns < r->begin_ns ||
            (r->workload && query_match(str_get(&f->workload), r->workload) == MATCH_NONE))
                return 0;
        str_print(str_get(&f->workload), workload, sizeof(workload));
        str_print(str_get(&s->key), what, sizeof(what));
        while (c < r->causes + r->ncauses && (strcmp(c->workload, workload) || strcmp(c->what, what)))
                c++;
        if (c == r->causes + CAUSES)
                return r->causes_more++, 0;
        if (c == r->causes + r->ncauses) {
                r->ncauses++;
                memset(c, 0, sizeof(*c));
                strcpy(c->workload, workload);
                strcpy(c->what, what);
        }
        c->findings++;
        c->acts += f->count;
        c->benign += bytes_eq(str_get(&f->verdict), BYTES_LIT("benign"));
        if (f->last_ns > c->last_ns)
                c->last_ns = f->last_ns;
        return 0;
}

static int cause_cmp(const void *a, const void *b)
{
        const struct cause *x = a, *y = b;

        if (x->findings != y->findings)
                return x->findings < y->findings ? 1 : -1;
        if (x->acts != y->acts)
                return x->acts < y->acts ? 1 : -1;
        return strcmp(x->what, y->what);
}

static json_t *causes_json(struct report *r)
{
        _cleanup_json_ json_t *a = json_array();

        qsort(r->causes, r->ncauses, sizeof(*r->causes), cause_cmp);
        for (size_t i = 0; i < r->ncauses && i < CAUSES_SHOWN; i++) {
                const struct cause *c = &r->causes[i];
                _cleanup_json_ json_t *o = json_object();
                int bad = json_object_set_new(o, "workload", cj_words(bytes_str(c->workload)));

                bad |= json_object_set_new(o, "what", cj_words(bytes_str(c->what)));
                bad |= json_object_set_new(o, "findings", cj_u64(c->findings));
                bad |= json_object_set_new(o, "false_positives", cj_u64(c->benign));
                bad |= json_object_set_new(o, "acts", cj_u64(c->acts));
                bad |= json_object_set_new(o, "last_seen", cj_time(c->last_ns));
                if (bad || json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

/* ---- all of it ---- */

static json_t *answer(struct report *r)
{
        _cleanup_json_ json_t *o = json_object(), *total = json_object();
        uint64_t damaged = 0;
        json_t *workloads = workloads_json(r);
        int bad = workloads ? 0 : -1, err = query_each_finding(r->env, note_cause, r, &damaged);

        if (err < 0)
                return json_decref(workloads),
                       err == -ENOMEM ? NULL
                                      : query_fail(QUERY_FAILED, "the findings could not be read: %s", err_str(err));
        bad |= json_object_set_new(o, "schema", json_string("tidemark.report.1"));
        bad |= json_object_set_new(o, "host", cj_text(bytes_str(r->env->params->host)));
        bad |= json_object_set_new(o, "from", cj_time(r->begin_ns));
        bad |= json_object_set_new(o, "to", cj_time(r->end_ns));
        bad |= json_object_set_new(o, "weeks", cj_u64((uint64_t)(r->now - r->from + 1)));
        bad |= json_object_set_new(
                o, "bands",
                json_pack("{s:f,s:f}", "healthy_below", HEALTHY_BELOW, "unsustainable_above", UNSUSTAINABLE_ABOVE));
        bad |= put_numbers(total, &r->total, r->asked_ns);
        bad |= json_object_set_new(total, "weeks", trend(r, r->by_week));
        bad |= json_object_set(o, "total", total);
        bad |= workloads ? json_object_set_new(o, "workloads", workloads) : -1;
        bad |= json_object_set_new(o, "causes", causes_json(r));
        bad |= json_object_set_new(
                o, "causes_more", cj_u64(r->causes_more + (r->ncauses > CAUSES_SHOWN ? r->ncauses - CAUSES_SHOWN : 0)));
        bad |= json_object_set_new(o, "damaged", cj_u64(damaged));
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

json_t *query_report(const struct query_env *env, const json_t *request)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        const json_t *weeks = json_object_get(request, "weeks");
        json_int_t n = weeks ? json_integer_value(weeks) : WEEKS_DEFAULT;
        struct report r = {.env = env, .workload = json_string_value(json_object_get(request, "workload"))};
        json_t *a;

        if (n < 1 || n > WEEKS_KEPT)
                return query_fail(QUERY_USAGE, "weeks must be 1 to %d: so many are kept", WEEKS_KEPT);
        r.end_ns = judge_now(j);
        if (r.end_ns == 0)
                return query_fail(QUERY_FAILED, "the agent has only just been started: ask again in ten seconds");
        r.now = judge_week_now(j);
        r.from = r.now - n + 1 > 0 ? r.now - n + 1 : 0;
        r.begin_ns = judge_week_begin(r.from);
        r.causes = calloc(CAUSES, sizeof(*r.causes));
        if (!r.causes)
                return NULL;
        a = answer(&r);
        free(r.causes);
        return a;
}
