/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what was gathered, as one object for an auditor: what came in the period, with its people and times. Pure.
 */
#include "cli/audited_inside-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tidemark/when.h"

#define SECOND INT64_C(1000000000)
#define HOUR 3600e9
#define SHOWN_MAX 2000u

int64_t audited_time(const char *text)
{
        struct tm tm = {0};
        int ms = 0, used = 0;

        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                   &tm.tm_min, &tm.tm_sec, &ms, &used) != 7 ||
            text[used] != '\0' || tm.tm_year < 1970 || tm.tm_year > 2200)
                return 0;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        return (int64_t)timegm(&tm) * SECOND + (int64_t)ms * (SECOND / 1000);
}

static json_t *time_json(int64_t ns)
{
        char text[CLOCK_TEXT];

        return ns > 0 ? json_string(clock_rfc3339(ns, text)) : json_null();
}

/* ---- findings ---- */

static int64_t ns_of(const json_t *f, const char *key)
{
        return (int64_t)json_integer_value(json_object_get(f, key));
}

static bool touches(const struct audited *a, int64_t ns)
{
        return ns >= a->from && ns < a->to;
}

static int compare_numbers(const void *x, const void *y)
{
        double a = *(const double *)x, b = *(const double *)y;

        return a < b ? -1 : a > b;
}

struct decided {
        double *hours;
        size_t n;
        uint64_t opened, closed, undecided;
};

static int put_finding(const struct audited *a, json_t *list, json_t *f, struct decided *d)
{
        int64_t opened = ns_of(f, "opened_ns"), decided = ns_of(f, "decided_ns"), closed = ns_of(f, "closed_ns");
        bool waits = opened && opened < a->to && !decided && !closed; /* however old it is */
        json_t *o;

        if (!waits && !touches(a, opened) && !touches(a, decided) && !touches(a, closed))
                return 0;
        d->opened += touches(a, opened);
        d->closed += touches(a, closed);
        d->undecided += waits;
        o = json_copy(f);
        if (!o)
                return -ENOMEM;
        json_object_del(o, "opened_ns");
        json_object_del(o, "decided_ns");
        json_object_del(o, "closed_ns");
        json_object_set_new(o, "opened", time_json(opened));
        json_object_set_new(o, "decided", time_json(decided));
        json_object_set_new(o, "closed", time_json(closed));
        json_object_set_new(o, "hours_to_decision",
                            opened && decided >= opened ? json_real((double)(decided - opened) / HOUR) : json_null());
        if (opened && decided >= opened && touches(a, decided))
                d->hours[d->n++] = (double)(decided - opened) / HOUR;
        if (json_array_size(list) < SHOWN_MAX)
                return json_array_append_new(list, o) < 0 ? -ENOMEM : 0;
        json_decref(o);
        return 0;
}

static json_t *findings_json(const struct audited *a)
{
        json_t *list = json_array(), *f;
        struct decided d = {.hours = calloc(json_object_size(a->findings) + 1, sizeof(double))};
        const char *key;
        int r = d.hours && list ? 0 : -ENOMEM;

        json_object_foreach(a->findings, key, f) if (r == 0) r = put_finding(a, list, f, &d);
        if (r == 0)
                qsort(d.hours, d.n, sizeof(double), compare_numbers);
        if (r < 0)
                json_decref(list);
        f = r < 0 ? NULL
                  : json_pack("{s:I,s:I,s:I,s:I,s:o,s:o,s:I,s:o}", "opened", (json_int_t)d.opened, "decided",
                              (json_int_t)d.n, "closed", (json_int_t)d.closed, "undecided", (json_int_t)d.undecided,
                              "hours_to_decision_median", d.n ? json_real(d.hours[d.n / 2]) : json_null(),
                              "hours_to_decision_longest", d.n ? json_real(d.hours[d.n - 1]) : json_null(),
                              "not_listed", (json_int_t)a->more[LIST_FINDINGS], "list", list);
        free(d.hours);
        return f;
}

/* ---- coverage ---- */

/* Since when all of it is judged: the latest of the dimensions of files and programs; 0: it is learned still; -1: the
 * agent does not know it. */
static int64_t judged_since(const json_t *baselines, const char *workload)
{
        int64_t since = -1;
        size_t i, k;
        json_t *w, *d;

        json_array_foreach(baselines, i, w)
        {
                const char *name = json_string_value(json_object_get(w, "name"));

                if (!name || strcmp(name, workload) != 0)
                        continue;
                json_array_foreach(json_object_get(w, "dimensions"), k, d)
                {
                        const char *dim = json_string_value(json_object_get(d, "dimension")),
                                   *state = json_string_value(json_object_get(d, "state")),
                                   *at = json_string_value(json_object_get(d, "since"));
                        int64_t ns = at ? audited_time(at) : 0;

                        if (!dim || (strcmp(dim, "file") != 0 && strcmp(dim, "process") != 0))
                                continue;
                        if (state && strcmp(state, "learning") == 0)
                                return 0;
                        since = ns > since ? ns : since;
                }
        }
        return since;
}

static double hours_before(const json_t *segments, int64_t since)
{
        double hours = 0;
        size_t i;
        json_t *s;

        json_array_foreach(segments, i, s)
        {
                int64_t from = (int64_t)json_integer_value(json_array_get(s, 0)),
                        to = (int64_t)json_integer_value(json_array_get(s, 1));

                if (since > 0 && to > since)
                        to = since;
                if (to > from)
                        hours += (double)(to - from) / HOUR;
        }
        return hours;
}

static const char *const hour_keys[] = {"hours", "files_hours", "programs_hours", "connections_hours",
                                        "not_whole_hours", "uncovered_hours"};

static json_t *coverage_json(const struct audited *a, const json_t *baselines)
{
        double sums[ARRAY_LEN(hour_keys)] = {0}, learning = 0, known = 0;
        json_t *list = json_array(), *total = json_object(), *w;
        size_t containers = 0;
        const char *name;

        json_object_foreach(a->workloads, name, w)
        {
                int64_t since = judged_since(baselines, name);
                double own = hours_before(json_object_get(w, "segments"), since);
                json_t *o = json_pack("{s:s,s:I,s:o}", "workload", name, "containers",
                                      (json_int_t)json_object_size(json_object_get(w, "containers")), "learning_hours",
                                      since < 0 ? json_null() : json_real(own));

                for (size_t k = 0; o && k < ARRAY_LEN(hour_keys); k++) {
                        json_object_set(o, hour_keys[k], json_object_get(w, hour_keys[k]));
                        sums[k] += json_real_value(json_object_get(w, hour_keys[k]));
                }
                containers += json_object_size(json_object_get(w, "containers"));
                learning += since < 0 ? 0 : own;
                known += since < 0 ? 0 : json_real_value(json_object_get(w, "hours"));
                if (json_array_append_new(list, o) < 0)
                        break;
        }
        for (size_t k = 0; k < ARRAY_LEN(hour_keys); k++)
                json_object_set_new(total, hour_keys[k], json_real(sums[k]));
        json_object_set_new(total, "containers", json_integer((json_int_t)containers));
        json_object_set_new(total, "learning_hours", known > 0 ? json_real(learning) : json_null());
        return json_pack("{s:o,s:o,s:s}", "total", total, "workloads", list, "learning_source",
                         "the agent's baselines as they are now; no record of the trail");
}

/* ---- all ---- */

static json_t *list_json(struct audited *a, enum audited_list l)
{
        json_t *o = json_pack("{s:I,s:O}", "not_listed", (json_int_t)a->more[l], "list", a->lists[l]);

        return o;
}

json_t *audited_json(struct audited *a, const struct audited_chain *chain, const json_t *baselines)
{
        static const struct {
                const char *name;
                enum audited_list list;
        } rows[] = {{"exceptions", LIST_EXCEPTIONS},
                    {"approvals", LIST_APPROVALS},
                    {"acts", LIST_ACTS},
                    {"done", LIST_DONE},
                    {"configuration", LIST_CONFIGURATION},
                    {"losses", LIST_LOSSES},
                    {"gaps", LIST_GAPS},
                    {"refused", LIST_REFUSED}};
        json_t *o = json_object();
        int bad = o && audited_finish(a) == 0 ? 0 : -1;

        if (bad) {
                json_decref(o);
                return NULL;
        }
        bad |= json_object_set_new(o, "period",
                                   json_pack("{s:o,s:o,s:I,s:o}", "from", time_json(a->from), "to", time_json(a->to),
                                             "records", (json_int_t)a->of[AUDITED_ALL].n, "trail_begins",
                                             time_json(chain->first_ns)));
        bad |= json_object_set_new(o, "coverage", coverage_json(a, baselines));
        bad |= json_object_set_new(o, "findings", findings_json(a));
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                bad |= json_object_set_new(o, rows[i].name, list_json(a, rows[i].list));
        bad |= json_object_set(o, "kinds", a->kinds);
        bad |= json_object_set_new(o, "controls", audited_controls(a, chain));
        if (!bad)
                return o;
        json_decref(o);
        return NULL;
}
