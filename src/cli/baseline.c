/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark baseline: what workloads are known to do, and the operator's word on it. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

struct what {
        const char *dimension;
        bool dry_run;
};

static void put_when(const json_t *d, char *dst, size_t size)
{
        if (strcmp(cli_text(d, "dimension"), "network") == 0 && strcmp(cli_text(d, "state"), "learning") == 0 &&
            cli_int(d, "windows") == 0)
                snprintf(dst, size, "nothing seen yet");
        else if (strcmp(cli_text(d, "state"), "learning") == 0)
                snprintf(dst, size, "by %.16s", cli_text(d, *cli_text(d, "expected") ? "expected" : "due"));
        else
                snprintf(dst, size, "since %.16s", cli_text(d, "since"));
}

/* What keeps learning from its end, and what would help. */
static void print_hindrances(const json_t *w)
{
        size_t i, k;
        json_t *d, *key;

        json_array_foreach(json_object_get(w, "dimensions"), i, d)
        {
                char text[1000];
                size_t n;

                if (!*cli_text(d, "why_not") && !*cli_text(d, "proposed_pattern") &&
                    json_array_size(json_object_get(d, "keeps_from_converging")) == 0)
                        continue;
                n = (size_t)snprintf(text, sizeof(text), "%s, %s:", cli_text(w, "name"), cli_text(d, "dimension"));
                if (*cli_text(d, "why_not"))
                        n += (size_t)snprintf(text + n, sizeof(text) - n, " learning has not ended: %s.",
                                              cli_text(d, "why_not"));
                json_array_foreach(json_object_get(d, "keeps_from_converging"), k, key) if (n < sizeof(text)) n +=
                        (size_t)snprintf(text + n, sizeof(text) - n, "%s %s", k ? "," : " seen in one hour only:",
                                         json_string_value(key));
                if (n < sizeof(text) && *cli_text(d, "proposed_pattern"))
                        snprintf(text + n, sizeof(text) - n, "; a pattern that covers most of it: %s",
                                 cli_text(d, "proposed_pattern"));
                putchar('\n');
                cli_wrap(stdout, text, 0, 2);
        }
}

/* How far it is: "learning, 12%". */
static void put_state(const json_t *d, char *dst, size_t size)
{
        if (json_is_integer(json_object_get(d, "progress")))
                snprintf(dst, size, "%s, %lld%%", cli_text(d, "state"), (long long)cli_int(d, "progress"));
        else
                snprintf(dst, size, "%s", cli_text(d, "state"));
}

static int list(struct cli *c, const struct what *what)
{
        static const char *const head[] = {"WORKLOAD", "DIMENSION", "STATE", "WHEN (UTC)",
                                           "ENTRIES",  "HOURS",     "NEW",   "BY"};
        struct cli_table *t;
        json_t *data = NULL, *w, *d;
        size_t i, k;
        int r = cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", "baseline.list"), &data);

        (void)what;
        if (r != CLI_DONE)
                return r;
        if (c->json) {
                r = cli_print_json(data);
                json_decref(data);
                return r;
        }
        if (json_array_size(data) == 0)
                puts("No workloads yet: a container must run.");
        t = json_array_size(data) ? cli_table_new(ARRAY_LEN(head), head) : NULL;
        cli_table_keep(t, 3);
        json_array_foreach(data, i, w)
                json_array_foreach(json_object_get(w, "dimensions"), k, d) {
                        char when[40], entries[24], hours[24], chance[24], state[32];
                        const char *const cells[] = {k ? "" : cli_text(w, "id"),
                                                     cli_text(d, "dimension"),
                                                     state,
                                                     when,
                                                     entries,
                                                     hours,
                                                     chance,
                                                     cli_text(d, "by")};

                        if (strcmp(cli_text(d, "state"), "off") == 0)
                                continue;
                        put_when(d, when, sizeof(when));
                        put_state(d, state, sizeof(state));
                        snprintf(entries, sizeof(entries), "%lld", (long long)cli_int(d, "entries"));
                        snprintf(hours, sizeof(hours), "%lld", (long long)cli_int(d, "windows"));
                        snprintf(chance, sizeof(chance), "%.0f%%",
                                 100 * json_number_value(json_object_get(d, "p_new")));
                        cli_table_row(t, cells);
                }
        cli_table_print(stdout, t);
        json_array_foreach(data, i, w)
                print_hindrances(w);
        if (json_array_size(data))
                puts("\nNEW: the chance that the next window (an hour) holds something that was never seen.");
        json_decref(data);
        return CLI_DONE;
}

/* What is not in the baseline: raised already, or to be raised when it is seen after learning. */
static const char *candidate_words(const json_t *e)
{
        if (!json_is_true(json_object_get(e, "candidate")))
                return "";
        return json_is_false(json_object_get(e, "raised")) ? " (not learned)" : " (raised)";
}

/* Of the container's life, in which it was called: "start-up, steady". */
static void phases_of(const json_t *e, char *dst, size_t size)
{
        size_t i, n = 0;
        json_t *p;

        dst[0] = '\0';
        json_array_foreach(json_object_get(e, "phases"), i, p)
                if (n < size)
                        n += (size_t)snprintf(dst + n, size - n, "%s%s", n ? ", " : "", json_string_value(p));
}

static void print_workload(const json_t *w)
{
        static const char *const head[] = {"DIMENSION", "WHAT", "BY", "COUNT", "HOURS", "PHASES", "FIRST SEEN (UTC)"};
        struct cli_table *t = cli_table_new(ARRAY_LEN(head), head);
        size_t i;
        json_t *e;

        cli_table_keep(t, 6);
        cli_put(stdout, cli_text(w, "id"), CLI_WIDTH);
        putchar('\n');
        json_array_foreach(json_object_get(w, "entries"), i, e) {
                char count[24], hours[40], phases[64], first[24];
                const char *const cells[] = {cli_text(e, "dimension"),
                                             cli_text(e, "key"),
                                             cli_text(e, "executable"),
                                             count,
                                             hours,
                                             phases,
                                             first};

                snprintf(count, sizeof(count), "%lld", (long long)cli_int(e, "count"));
                snprintf(hours, sizeof(hours), "%lld%s", (long long)cli_int(e, "windows"), candidate_words(e));
                phases_of(e, phases, sizeof(phases));
                snprintf(first, sizeof(first), "%.16s", cli_text(e, "first_seen"));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        if (cli_int(w, "more") > 0)
                printf("... and %lld more (--json has them all)\n", (long long)cli_int(w, "more"));
}

static int show(struct cli *c, const struct what *what)
{
        json_t *data = NULL, *all = json_array();
        int r;

        (void)what;
        do { /* pages: "after" is the number of the last entry told */
                json_t *o = json_pack("{s:s,s:s,s:I}", "cmd", "baseline.show", "workload", c->argv[1], "after",
                                      (json_int_t)json_array_size(all));

                json_decref(data);
                data = NULL;
                r = cli_ask(c, CLI_CONTROL, o, &data);
                json_array_extend(all, json_object_get(data, "entries"));
        } while (r == CLI_DONE && cli_int(data, "more") > 0 && json_array_size(json_object_get(data, "entries")) > 0);
        if (r == CLI_DONE) {
                json_object_set(data, "entries", all);
                if (c->json)
                        r = cli_print_json(data);
                else
                        print_workload(data);
        }
        json_decref(all);
        json_decref(data);
        return r;
}

static int change(struct cli *c, const struct what *what, const char *verb, const char *done)
{
        json_t *data = NULL,
               *request = json_pack("{s:s,s:s,s:b}", "cmd", verb, "workload", c->argv[1], "dry_run", what->dry_run);
        int r;

        if (what->dimension)
                json_object_set_new(request, "dimension", json_string(what->dimension));
        r = cli_ask(c, CLI_ADMIN, request, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json) {
                r = cli_print_json(data);
        } else {
                fputs(what->dry_run ? "would be " : "", stdout);
                printf("%s: ", done);
                cli_put(stdout, cli_text(data, "workload"), CLI_WIDTH - 24);
                printf("%s%s\n", what->dimension ? ", dimension " : "", what->dimension ? what->dimension : "");
        }
        json_decref(data);
        return r;
}

static int activate(struct cli *c, const struct what *what)
{
        return change(c, what, "baseline.activate", "activated");
}

static int learn(struct cli *c, const struct what *what)
{
        return change(c, what, "baseline.learn", "learning again");
}

static const struct {
        const char *name;
        int operands;
        int (*run)(struct cli *c, const struct what *what);
} verbs[] = {{"list", 0, list}, {"show", 1, show}, {"activate", 1, activate}, {"learn", 1, learn}};

/* What has options of its own. */
static const struct {
        const char *name;
        int (*run)(struct cli *c);
} apart[] = {{"review", cli_baseline_review},
             {"approve", cli_baseline_approve},
             {"reject", cli_baseline_reject},
             {"refresh", cli_baseline_refresh},
             {"export", cli_baseline_export},
             {"import", cli_baseline_import}};

int cli_baseline(struct cli *c)
{
        struct what what = {0};
        const struct cli_option options[] = {{"--dimension", &what.dimension, NULL},
                                             {"--dry-run", NULL, &what.dry_run}};
        int operands, r;

        for (size_t i = 0; c->argc > 1 && i < ARRAY_LEN(apart); i++)
                if (strcmp(c->argv[1], apart[i].name) == 0)
                        return apart[i].run(c);
        r = cli_options(c, options, ARRAY_LEN(options), &operands);
        if (r != CLI_DONE)
                return r;
        for (size_t i = 0; operands > 0 && i < ARRAY_LEN(verbs); i++) {
                if (strcmp(c->argv[1], verbs[i].name) != 0)
                        continue;
                if (operands != 1 + verbs[i].operands)
                        return cli_usage(verbs[i].operands
                                                 ? "baseline %s takes one workload (see tidemark baseline list)"
                                                 : "baseline %s takes no operand",
                                         verbs[i].name);
                c->argv++; /* the workload is the first operand now */
                return verbs[i].run(c, &what);
        }
        return cli_usage("baseline takes list, show, learn, activate, review, approve, reject, refresh, export or "
                         "import");
}
