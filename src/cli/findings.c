/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark findings: the queue, one line an item. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

/* "session at a terminal: bash -l" */
static const char *session_line(const json_t *f, char *dst, size_t size)
{
        const json_t *s = json_object_get(f, "session"), *a;
        const char *terminal = cli_text(s, "terminal");
        size_t i;
        int n = snprintf(dst, size, "session%s", strcmp(terminal, "yes") == 0 ? " at a terminal" : "");

        if (cli_int(s, "sessions") > 1 && n > 0)
                n += snprintf(dst + n, size - (size_t)n, ", %lld times", (long long)cli_int(s, "sessions"));
        json_array_foreach(json_object_get(s, "command"), i, a)
                if (n > 0 && (size_t)n < size)
                        n += snprintf(dst + n, size - (size_t)n, "%s%s", i ? " " : ": ",
                                      json_string_value(a) ? json_string_value(a) : "");
        return dst;
}

/* What the item is about: the first program that ran, else the first subject. */
static const char *headline(const json_t *f, char *dst, size_t size)
{
        const char *first = NULL;
        size_t i;
        json_t *s;

        if (strcmp(cli_text(f, "type"), "first-sight") == 0)
                return "first sight: it ran before this host was watched";
        if (strcmp(cli_text(f, "type"), "containment") == 0)
                return "an isolated container: what happened around it";
        if (strcmp(cli_text(f, "type"), "session") == 0)
                return session_line(f, dst, size);
        json_array_foreach(json_object_get(f, "signals"), i, s) {
                if (strcmp(cli_text(s, "kind"), "process") == 0)
                        return cli_text(s, "subject");
                if (!first)
                        first = cli_text(s, *cli_text(s, "where") ? "where" : "subject");
        }
        return first ? first : "";
}

static void signal_kinds(const json_t *f, char *dst, size_t size)
{
        size_t i, n = 0;
        json_t *s;

        dst[0] = '\0';
        json_array_foreach(json_object_get(f, "signals"), i, s)
                if (!strstr(dst, cli_text(s, "kind")) && n < size)
                        n += (size_t)snprintf(dst + n, size - n, "%s%s", n ? "+" : "", cli_text(s, "kind"));
}

void cli_rate(const json_t *f, char *dst, size_t size)
{
        double hour = json_number_value(json_object_get(f, "rate"));

        dst[0] = '\0';
        if (hour >= 60)
                snprintf(dst, size, "%.*f/min", hour < 600 ? 1 : 0, hour / 60);
        else if (hour >= 1)
                snprintf(dst, size, "%.*f/h", hour < 10 ? 1 : 0, hour);
        else if (hour > 0)
                snprintf(dst, size, "%.*f/day", hour < 10.0 / 24 ? 1 : 0, hour * 24);
}

/* All that is listed is suppressed: then by what is of more use than how bad it would be. */
static bool all_suppressed(const json_t *list)
{
        size_t i;
        json_t *f;

        json_array_foreach(list, i, f) if (!json_is_true(json_object_get(f, "suppressed"))) return false;
        return json_array_size(list) > 0;
}

void cli_print_findings(const struct cli *c, const json_t *data, bool all)
{
        const json_t *list = json_object_get(data, "findings");
        bool by = all_suppressed(list);
        const char *const head[] = {"ID",       "LAST SEEN (UTC)", "SURE",    by ? "BY" : "SEVERITY",
                                    "WORKLOAD", "COUNT",           "SIGNALS", "WHAT"};
        struct cli_table *t;
        json_int_t hidden = cli_int(data, "hidden"), learning = cli_int(data, "not_judged");
        size_t i;
        json_t *f;

        (void)c;
        if (json_array_size(list) == 0)
                puts("No findings.");
        t = json_array_size(list) ? cli_table_new(ARRAY_LEN(head), head) : NULL;
        cli_table_keep(t, 1);
        json_array_foreach(list, i, f) {
                char what[160], when[20], sure[8], count[48], kinds[64], rate[20];
                const char *const cells[] = {cli_text(f, "id"),
                                             when,
                                             sure,
                                             cli_text(f, by ? "suppressed_by" : "severity"),
                                             cli_text(json_object_get(f, "workload"), "name"),
                                             count,
                                             kinds,
                                             headline(f, what, sizeof(what))};

                snprintf(when, sizeof(when), "%.10s %.8s", cli_text(f, "last_seen"),
                         strlen(cli_text(f, "last_seen")) > 11 ? cli_text(f, "last_seen") + 11 : "");
                snprintf(sure, sizeof(sure), "%lld%%", (long long)cli_int(f, "confidence"));
                cli_rate(f, rate, sizeof(rate));
                snprintf(count, sizeof(count), "%lld%s%s%s", (long long)cli_int(f, "count"), *rate ? " (" : "", rate,
                         *rate ? ")" : "");
                signal_kinds(f, kinds, sizeof(kinds));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        if (cli_int(data, "sessions") > 0)
                printf("%lld exec session%s in which nothing stood out (tidemark findings --sessions)\n",
                       (long long)cli_int(data, "sessions"), cli_int(data, "sessions") == 1 ? "" : "s");
        if (hidden > 0 && !all)
                printf("%lld below the show threshold (tidemark findings --all)\n", (long long)hidden);
        if (cli_int(data, "suppressed") > 0 && !all)
                printf("%lld suppressed (tidemark findings --suppressed)\n", (long long)cli_int(data, "suppressed"));
        if (learning > 0)
                printf("%lld workload%s not judged yet; only what is never learned silently raises now\n",
                       (long long)learning, learning == 1 ? "" : "s");
}

struct filter {
        const char *state, *workload;
        bool all, suppressed, sessions;
};

static json_t *request(void *arg, json_t *after)
{
        const struct filter *q = arg;
        json_t *o = json_pack("{s:s,s:b}", "cmd", "findings", "all", q->all);

        if (q->suppressed) /* of a daemon that does not know it only who asks for it is told so */
                json_object_set_new(o, "suppressed", json_true());
        if (q->sessions)
                json_object_set_new(o, "sessions", json_true());
        if (q->state)
                json_object_set_new(o, "state", json_string(q->state));
        if (q->workload)
                json_object_set_new(o, "workload", json_string(q->workload));
        if (after)
                json_object_set(o, "after", json_object_get(after, "id"));
        return o;
}

int cli_findings(struct cli *c)
{
        struct filter q = {0};
        const struct cli_option options[] = {
                {"--state", &q.state, NULL}, {"--workload", &q.workload, NULL}, {"--all", NULL, &q.all},
                {"--suppressed", NULL, &q.suppressed},
                {"--sessions", NULL, &q.sessions}};
        json_t *data = NULL;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("findings takes no operand");
        r = cli_ask_all(c, request, &q, "findings", &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(json_object_get(data, "findings"));
        else
                cli_print_findings(c, data, q.all || q.suppressed);
        json_decref(data);
        return r;
}
