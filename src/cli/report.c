/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark report: is the queue worth reading? For whoever runs it, and for whoever checks that. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

static double real(const json_t *o, const char *key)
{
        return json_number_value(json_object_get(o, key));
}

/* "0.25", or "-" where nothing was judged. */
static const char *rate(const json_t *o, const char *key, char dst[24])
{
        if (json_is_null(json_object_get(o, key)) || strcmp(cli_text(o, "band"), "too early") == 0)
                return "-";
        snprintf(dst, 24, "%.2f", real(o, key));
        return dst;
}

static const char *number(const json_t *o, const char *key, char dst[24])
{
        snprintf(dst, 24, "%lld", (long long)cli_int(o, key));
        return dst;
}

static const char *duration(double hours, char dst[24])
{
        snprintf(dst, 24, hours < 48 ? "%.1f h" : "%.1f d", hours < 48 ? hours : hours / 24);
        return dst;
}

static void row(struct cli_table *t, const char *name, const json_t *o)
{
        char n[6][24];
        const char *const cells[] = {name,
                                     duration(real(o, "observed_hours"), n[0]),
                                     number(o, "findings", n[1]),
                                     rate(o, "per_week", n[2]),
                                     cli_text(o, "band"),
                                     number(o, "false_positives", n[3]),
                                     rate(o, "false_positives_per_week", n[4])};

        cli_table_row(t, cells);
}

static void print_workloads(const json_t *data)
{
        static const char *const head[] = {"WORKLOAD", "JUDGED FOR", "FINDINGS", "A WEEK", "BAND", "FALSE", "A WEEK"};
        struct cli_table *t = cli_table_new(ARRAY_LEN(head), head);
        size_t i;
        json_t *w;

        json_array_foreach(json_object_get(data, "workloads"), i, w) row(t, cli_text(w, "workload"), w);
        row(t, "all of them", json_object_get(data, "total"));
        cli_table_print(stdout, t);
}

static void print_trend(const json_t *total)
{
        static const char *const head[] = {"WEEK OF", "JUDGED FOR", "FINDINGS", "A WEEK", "BAND", "FALSE", "A WEEK"};
        struct cli_table *t = cli_table_new(ARRAY_LEN(head), head);
        size_t i;
        json_t *w;

        json_array_foreach(json_object_get(total, "weeks"), i, w)
        {
                char day[11];

                snprintf(day, sizeof(day), "%.10s", cli_text(w, "week"));
                row(t, day, w);
        }
        putchar('\n');
        cli_table_print(stdout, t);
}

static void print_causes(const json_t *data)
{
        static const char *const head[] = {"FINDINGS", "FALSE", "ACTS", "WORKLOAD", "CAUSE"};
        struct cli_table *t;
        size_t i;
        json_t *o;

        if (json_array_size(json_object_get(data, "causes")) == 0)
                return;
        putchar('\n');
        t = cli_table_new(ARRAY_LEN(head), head);
        json_array_foreach(json_object_get(data, "causes"), i, o)
        {
                char n[3][24];
                const char *const cells[] = {number(o, "findings", n[0]), number(o, "false_positives", n[1]),
                                             number(o, "acts", n[2]), cli_text(o, "workload"), cli_text(o, "what")};

                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        if (cli_int(data, "causes_more"))
                printf("... and %lld more causes\n", (long long)cli_int(data, "causes_more"));
}

static void print_beside(const json_t *total)
{
        const json_t *v = json_object_get(total, "verdicts");
        char text[500], a[24], b[24], c[24];

        putchar('\n');
        printf("Verdicts: %lld malicious, %lld misconfigured (true drift), %lld benign, %lld unsure, %lld without.\n",
               (long long)cli_int(v, "malicious"), (long long)cli_int(v, "misconfigured"),
               (long long)cli_int(v, "benign"), (long long)cli_int(v, "unsure"), (long long)cli_int(v, "none"));
        printf("Beside them: %lld pages; %lld exec sessions, %lld of them shown; %lld findings suppressed.\n",
               (long long)cli_int(total, "pages"), (long long)cli_int(total, "sessions"),
               (long long)cli_int(total, "sessions_shown"), (long long)cli_int(total, "suppressed"));
        printf("Of workloads that were not judged yet: %lld findings, %lld first sights; in no rate.\n",
               (long long)cli_int(total, "while_learning"), (long long)cli_int(total, "first_sights"));
        snprintf(text, sizeof(text),
                 "Not judged, of the workloads' time together: %s while they were learned or are of a class that is "
                 "not; "
                 "%s in which they did not run, or this agent did not. Connections were not watched for %s of what was "
                 "judged.",
                 duration(real(total, "not_judged_hours"), a), duration(real(total, "not_watched_hours"), b),
                 duration(real(total, "connections_not_watched_hours"), c));
        cli_wrap(stdout, text, 0, 0);
        if (json_is_true(json_object_get(total, "less_than_a_week")))
                puts("Less than a workload's week was judged: the rates say little yet.");
}

static void print(const json_t *data)
{
        const json_t *bands = json_object_get(data, "bands");
        char text[240];

        snprintf(text, sizeof(text),
                 "Host %.64s, %.10s to %.16s (UTC). A workload's week: 168 h in which it ran and was judged.",
                 cli_text(data, "host"), cli_text(data, "from"), cli_text(data, "to"));
        cli_wrap(stdout, text, 0, 0);
        printf("Findings a week: below %.0f is healthy, above %.0f unsustainable.\n\n", real(bands, "healthy_below"),
               real(bands, "unsustainable_above"));
        print_workloads(data);
        print_trend(json_object_get(data, "total"));
        print_causes(data);
        print_beside(json_object_get(data, "total"));
}

/* Which of the reports is it? Each has options of its own. */
static bool has(const struct cli *c, const char *option)
{
        for (int i = 1; i < c->argc; i++)
                if (strcmp(c->argv[i], option) == 0)
                        return true;
        return false;
}

int cli_report(struct cli *c)
{
        const char *weeks = NULL, *workload = NULL;
        const struct cli_option options[] = {{"--weeks", &weeks, NULL}, {"--workload", &workload, NULL}};
        json_t *request, *data = NULL;
        char *end = NULL;
        long n = 0;
        int operands, r;

        if (has(c, "--audit"))
                return cli_report_audit(c);
        if (has(c, "--quarter"))
                return cli_quarter(c);
        r = cli_options(c, options, ARRAY_LEN(options), &operands);
        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("report takes no operand");
        if (weeks)
                n = strtol(weeks, &end, 10);
        if (weeks && (*end || n < 1 || n > 1000))
                return cli_usage("--weeks: '%s' is no number of weeks", weeks);
        request = json_pack("{s:s}", "cmd", "report");
        if (weeks)
                json_object_set_new(request, "weeks", json_integer(n));
        if (workload)
                json_object_set_new(request, "workload", json_string(workload));
        r = cli_ask(c, CLI_CONTROL, request, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                print(data);
        json_decref(data);
        return r;
}
