/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark explain: why a finding is there, what decided about an event, what would decide about an act. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

static void line(size_t indent, const char *text)
{
        printf("%*s", (int)indent, "");
        cli_wrap(stdout, text, indent, indent + 2);
}

static void print_near(const json_t *n)
{
        char text[1400], phases[64] = "";
        size_t i, len = 0;
        json_t *p;

        json_array_foreach(json_object_get(n, "phases"), i, p) if (len < sizeof(phases)) len +=
                (size_t)snprintf(phases + len, sizeof(phases) - len, "%s%s", i ? ", " : " in ", json_string_value(p));
        snprintf(text, sizeof(text), "%.500s%s%.200s%s: %s", cli_text(n, "key"),
                 *cli_text(n, "executable") ? " by " : "", cli_text(n, "executable"), phases, cli_text(n, "why"));
        line(6, text);
}

static void print_baseline(const json_t *b)
{
        const json_t *near = json_object_get(b, "near");
        char text[1400];
        size_t i;
        json_t *n;

        snprintf(text, sizeof(text),
                 "baseline: %s, %lld entries of dimension %s, %.1f %% chance of something new in an hour",
                 cli_text(b, "state"), (long long)cli_int(b, "entries"), cli_text(b, "dimension"),
                 100 * json_number_value(json_object_get(b, "p_new")));
        line(4, text);
        if (*cli_text(b, "entry")) {
                snprintf(text, sizeof(text), "the entry that decides: %.600s%s%.300s", cli_text(b, "entry"),
                         *cli_text(b, "entry_executable") ? " by " : "", cli_text(b, "entry_executable"));
                line(4, text);
                return;
        }
        if (json_array_size(near) == 0)
                line(4, "nothing in it is like this");
        else
                line(4, "what is like it:");
        json_array_foreach(near, i, n) print_near(n);
}

static void print_rules(const json_t *o)
{
        const json_t *rules = json_object_get(o, "rules");
        char text[1400];
        size_t i;
        json_t *r;

        if (json_array_size(rules) == 0)
                line(4, "rules: there are none");
        json_array_foreach(rules, i, r)
        {
                snprintf(text, sizeof(text), "rule %s (%s, %.500s): %s", cli_text(r, "id"), cli_text(r, "kind"),
                         cli_text(r, "text"), cli_text(r, "why"));
                line(4, text);
        }
        if (cli_int(o, "rules_more"))
                printf("    ... and %lld more that do not fit\n", (long long)cli_int(o, "rules_more"));
}

/* Lines to be typed are not wrapped: they are to be copied. */
static void print_quiet(const json_t *o)
{
        const json_t *quiet = json_object_get(o, "quiet");
        size_t i;
        json_t *q;

        if (json_is_null(quiet))
                return;
        if (json_array_size(quiet) == 0) {
                line(4, "no rule and no approval can quiet this");
                return;
        }
        line(4, "would be quiet by:");
        json_array_foreach(quiet, i, q)
        {
                fputs("      ", stdout);
                cli_put(stdout, json_string_value(q) ? json_string_value(q) : "", 4000);
                putchar('\n');
        }
}

static void print_why(const json_t *o, bool decided)
{
        char text[400];

        if (decided) {
                snprintf(text, sizeof(text), "decided: %s", cli_text(o, "decided"));
                line(4, text);
        }
        if (!json_object_get(o, "baseline"))
                return;
        print_baseline(json_object_get(o, "baseline"));
        print_rules(o);
        print_quiet(o);
}

static void print_score(const json_t *f)
{
        long long sure = (long long)cli_int(f, "confidence"), show = (long long)cli_int(f, "show"),
                  page = (long long)cli_int(f, "page");
        char text[600];
        size_t i;
        json_t *x;

        snprintf(text, sizeof(text), "%lld %% sure: %s (queue.show %lld, queue.page %lld)", sure,
                 sure < show   ? "below what is shown"
                 : sure < page ? "shown"
                               : "shown, and worth waking somebody",
                 show, page);
        line(2, text);
        snprintf(text, sizeof(text), "%+.2f bits before anything is known",
                 json_number_value(json_object_get(f, "prior_bits")));
        line(4, text);
        json_array_foreach(json_object_get(f, "factors"), i, x)
        {
                snprintf(text, sizeof(text), "%+.2f %.500s", json_number_value(json_object_get(x, "bits")),
                         cli_text(x, "text"));
                line(4, text);
        }
        snprintf(text, sizeof(text), "= %+.2f", json_number_value(json_object_get(f, "sum_bits")));
        line(4, text);
}

static void print_finding(const json_t *f)
{
        const json_t *w = json_object_get(f, "workload");
        char text[1400];
        size_t i;
        json_t *s;

        snprintf(text, sizeof(text), "%s in %.300s, %s", cli_text(f, "id"), cli_text(w, "name"), cli_text(f, "state"));
        line(0, text);
        print_score(f);
        if (*cli_text(f, "suppressed_by")) {
                snprintf(text, sizeof(text), "suppressed by %s: %s", cli_text(f, "suppressed_by"),
                         json_is_true(json_object_get(f, "suppressed")) ? "kept out of the queue, and counted"
                         : json_is_true(json_object_get(f, "broke_through"))
                                 ? "shown all the same, since it is so sure (suppress.break_through)"
                                 : "shown all the same, since some of it was not in its times");
                line(2, text);
        }
        if (*cli_text(f, "verdict")) {
                snprintf(text, sizeof(text), "the verdict \"%s\" silences nothing: one of the lines below does",
                         cli_text(f, "verdict"));
                line(2, text);
        }
        json_array_foreach(json_object_get(f, "signals"), i, s)
        {
                putchar('\n');
                snprintf(text, sizeof(text), "%s %.200s %.400s%s%.200s (%s, %s, count %lld)", cli_text(s, "kind"),
                         cli_text(s, "operation"), cli_text(s, "subject"), *cli_text(s, "executable") ? " by " : "",
                         cli_text(s, "executable"), cli_text(s, "origin"), cli_text(s, "phase"),
                         (long long)cli_int(s, "count"));
                line(2, text);
                print_why(s, true);
        }
}

static void print_event(const json_t *o)
{
        const json_t *e = json_object_get(o, "event"), *now = json_object_get(o, "now");
        const char *subject = *cli_text(e, "program")  ? cli_text(e, "program")
                              : *cli_text(e, "path")   ? cli_text(e, "path")
                              : *cli_text(e, "remote") ? cli_text(e, "remote")
                                                       : cli_text(e, "executable");
        char text[900];

        snprintf(text, sizeof(text), "E-%lld at %.19s in %.200s: %s %s %.400s", (long long)cli_int(e, "seq"),
                 cli_text(e, "time"), *cli_text(e, "workload") ? cli_text(e, "workload") : "no workload",
                 cli_text(e, "kind"), cli_text(e, "operation"), subject);
        line(0, text);
        snprintf(text, sizeof(text), "decided: %.400s%s%s", cli_text(o, "decided"),
                 *cli_text(e, "finding") ? ", finding " : "", cli_text(e, "finding"));
        line(2, text);
        if (!now)
                return;
        snprintf(text, sizeof(text), "if it came now: %.400s", cli_text(now, "decided"));
        line(2, text);
        print_why(now, false);
}

void cli_print_explanation(const struct cli *c, const json_t *data)
{
        char text[600];

        (void)c;
        if (strcmp(cli_text(data, "of"), "finding") == 0) {
                print_finding(data);
        } else if (strcmp(cli_text(data, "of"), "event") == 0) {
                print_event(data);
        } else {
                snprintf(text, sizeof(text), "in %.400s, if it came now: %.100s", cli_text(data, "workload"),
                         cli_text(data, "decided"));
                line(0, text);
                print_why(data, false);
        }
}

struct question {
        const char *workload, *path, *executable, *destination, *origin;
        bool runs;
};

static json_t *request(const struct cli *c, const struct question *q, int operands)
{
        const struct {
                const char *name, *value;
        } rows[] = {{"workload", q->workload},       {"path", q->path},     {"executable", q->executable},
                    {"destination", q->destination}, {"origin", q->origin}, {"id", operands ? c->argv[1] : NULL}};
        json_t *o = json_pack("{s:s}", "cmd", "explain");

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (rows[i].value)
                        json_object_set_new(o, rows[i].name, json_string(rows[i].value));
        if (q->runs)
                json_object_set_new(o, "runs", json_true());
        return o;
}

int cli_explain(struct cli *c)
{
        struct question q = {0};
        const struct cli_option options[] = {
                {"--workload", &q.workload, NULL},     {"--path", &q.path, NULL},
                {"--executable", &q.executable, NULL}, {"--destination", &q.destination, NULL},
                {"--origin", &q.origin, NULL},         {"--runs", NULL, &q.runs}};
        json_t *data = NULL;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands > 1 || (operands == 1) == (q.workload != NULL))
                return cli_usage("explain takes a finding (F-12) or an event (E-1234), or --workload with --path or "
                                 "--destination");
        r = cli_ask(c, CLI_CONTROL, request(c, &q, operands), &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                cli_print_explanation(c, data);
        json_decref(data);
        return r;
}
