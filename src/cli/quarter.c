/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark report --quarter: what the owner of the playbook reviews. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "cli/trail-priv.h"
#include "tidemark/trail.h"

static void print_playbook(const json_t *data)
{
        const json_t *p = json_object_get(data, "playbook");
        json_int_t days = cli_int(p, "days");
        char text[700], due[120];

        if (!json_is_object(p)) {
                puts("There is no playbook.conf: findings are judged by no written criteria. See tidemark.conf(5).");
                return;
        }
        if (days < 0)
                snprintf(due, sizeof(due), "The review was due on %s: %lld days ago.", cli_text(p, "review"),
                         (long long)-days);
        else
                snprintf(due, sizeof(due), "The next review is due on %s, in %lld days.", cli_text(p, "review"),
                         (long long)days);
        snprintf(text, sizeof(text), "Playbook version %s, owner %s. %s", cli_text(p, "version"), cli_text(p, "owner"),
                 due);
        cli_wrap(stdout, text, 0, 0);
}

static void row(struct cli_table *t, const char *name, const char *suggests, const json_t *o)
{
        static const char *const verdicts[] = {"malicious", "misconfigured", "benign", "unsure", "none"};
        const json_t *v = json_object_get(o, "verdicts");
        const char *cells[3 + ARRAY_LEN(verdicts)];
        char n[1 + ARRAY_LEN(verdicts)][24];

        snprintf(n[0], sizeof(n[0]), "%lld", (long long)cli_int(o, "findings"));
        cells[0] = n[0];
        for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
                snprintf(n[i + 1], sizeof(n[0]), "%lld", (long long)cli_int(v, verdicts[i]));
                cells[i + 1] = n[i + 1];
        }
        cells[ARRAY_LEN(verdicts) + 1] = suggests;
        cells[ARRAY_LEN(verdicts) + 2] = name;
        cli_table_row(t, cells);
}

static void print_criteria(const json_t *data)
{
        static const char *const head[] = {"FINDINGS", "MALICIOUS", "MISCONF.", "BENIGN",
                                           "UNSURE",   "NONE",      "SUGGESTS", "CRITERION"};
        struct cli_table *t = cli_table_new(ARRAY_LEN(head), head);
        size_t i;
        json_t *o;

        json_array_foreach(json_object_get(data, "criteria"), i, o)
                row(t, cli_text(o, "name"), cli_text(o, "suggests"), o);
        row(t, "(fits none)", "-", json_object_get(data, "no_criterion"));
        row(t, "(all)", "-", json_object_get(data, "findings"));
        putchar('\n');
        cli_table_print(stdout, t);
}

static void print_versions(const json_t *data)
{
        const json_t *all = json_object_get(data, "judged_by");
        size_t i;
        json_t *o;

        printf("\nRevisions that verdicts were given by:%s\n", json_array_size(all) ? "" : " none was given");
        json_array_foreach(all, i, o)
                printf("  version %s: %lld verdicts, %.10s to %.10s\n", cli_text(o, "version"),
                       (long long)cli_int(o, "verdicts"), cli_text(o, "first"), cli_text(o, "last"));
}

static void print_benign(const json_t *data)
{
        const json_t *all = json_object_get(data, "new_benign");
        size_t i;
        json_t *o;

        printf("\nNew kinds of benign drift, judged so for the first time:%s\n", json_array_size(all) ? "" : " none");
        json_array_foreach(all, i, o)
        {
                char text[400];

                snprintf(text, sizeof(text), "%s: %s (%lld findings, first on %.10s)", cli_text(o, "workload"),
                         cli_text(o, "what"), (long long)cli_int(o, "findings"), cli_text(o, "first_judged"));
                fputs("  ", stdout);
                cli_wrap(stdout, text, 2, 4);
        }
}

static void print_rules(const json_t *data, const char *array, const char *heading)
{
        const json_t *all = json_object_get(data, array);
        size_t i;
        json_t *o;

        printf("\n%s:%s\n", heading, json_array_size(all) ? "" : " none");
        json_array_foreach(all, i, o)
        {
                char text[900];

                snprintf(text, sizeof(text), "%s %s: %s; because: %s; by %s%s%.10s; hid %lld", cli_text(o, "id"),
                         cli_text(o, "kind"), cli_text(o, "text"), cli_text(o, "reason"), cli_text(o, "by"),
                         *cli_text(o, "until") ? "; until " : "", cli_text(o, "until"),
                         (long long)cli_int(o, "hidden"));
                fputs("  ", stdout);
                cli_wrap(stdout, text, 2, 4);
        }
}

/* ---- revisions, by the trail ---- */

struct revisions {
        const char *from, *to;
        json_t *found;
};

static json_t *of_playbook(const json_t *changes)
{
        json_t *some = json_array(), *o;
        size_t i;

        json_array_foreach(changes, i, o) if (strncmp(cli_text(o, "option"), "playbook.", 9) == 0 &&
                                              strcmp(cli_text(o, "option"), "playbook.file") != 0)
                json_array_append(some, o);
        return some;
}

/* Times of one form and zone: in the order of their texts. */
static int on_record(const struct trail_record *r, void *arg)
{
        struct revisions *v = arg;
        json_t *text, *changes;

        if (strcmp(r->kind, "configured") != 0 || strncmp(r->time, v->from, 19) < 0 || strncmp(r->time, v->to, 19) >= 0)
                return 0;
        text = json_loadb((const char *)r->text.p, r->text.len, 0, NULL);
        changes = of_playbook(json_object_get(text, "changes"));
        if (json_array_size(changes))
                json_array_append_new(v->found, json_pack("{s:I,s:s,s:O}", "record", (json_int_t)r->n, "time", r->time,
                                                          "changes", changes));
        json_decref(changes);
        json_decref(text);
        return 0;
}

/* Null where the trail is not to be read from here: then nothing is claimed. */
static json_t *find_revisions(const struct trail_place *p, const json_t *data)
{
        struct revisions v = {cli_text(data, "from"), cli_text(data, "to"), json_array()};
        struct trail_verdict verdict;

        if (trail_verify(p->dir, NULL, on_record, &v, &verdict) == 0)
                return v.found;
        json_decref(v.found);
        return json_null();
}

static void print_revisions(const json_t *data)
{
        const json_t *all = json_object_get(data, "revisions");
        size_t i, k;
        json_t *o, *ch;

        if (!json_is_array(all)) {
                puts("\nRevisions of the playbook: the trail cannot be read from here (--state-dir).");
                return;
        }
        printf("\nRevisions of the playbook, by the trail:%s\n", json_array_size(all) ? "" : " none");
        json_array_foreach(all, i, o)
        {
                printf("  record %lld, %.19s\n", (long long)cli_int(o, "record"), cli_text(o, "time"));
                json_array_foreach(json_object_get(o, "changes"), k, ch)
                {
                        const char *old = cli_text(ch, "old"), *now = cli_text(ch, "new");
                        char text[1400];

                        snprintf(text, sizeof(text), "%s %s%.500s%s%.500s", cli_text(ch, "option") + 9,
                                 *old && *now ? "was "
                                 : *now       ? "is new: "
                                              : "is gone: ",
                                 old, *old && *now ? "; is " : "", now);
                        fputs("    ", stdout);
                        cli_wrap(stdout, text, 4, 6);
                }
        }
}

/* What a list leaves out is no reason to take it for all there is. */
static void print_left_out(const json_t *data)
{
        if (cli_int(data, "not_counted") > 0)
                printf("\n%lld verdicts are in no list above: there are more kinds of benign drift, or versions,\n"
                       "than are kept while counting.\n",
                       (long long)cli_int(data, "not_counted"));
        if (cli_int(data, "damaged") > 0)
                printf("\n%lld findings are damaged, and were not counted.\n", (long long)cli_int(data, "damaged"));
}

static void print_all(const json_t *data)
{
        printf("Host %.64s, quarter %s: %.10s to %.10s (UTC).\n", cli_text(data, "host"), cli_text(data, "quarter"),
               cli_text(data, "from"), cli_text(data, "to"));
        print_playbook(data);
        print_criteria(data);
        print_revisions(data);
        print_versions(data);
        print_benign(data);
        print_left_out(data);
        print_rules(data, "rules_ending", "Exceptions that end within 92 days");
        print_rules(data, "rules_endless", "Exceptions without an end");
}

int cli_quarter(struct cli *c)
{
        const char *quarter = NULL, *state_dir = NULL, *config = NULL;
        const struct cli_option options[] = {
                {"--quarter", &quarter, NULL}, {"--state-dir", &state_dir, NULL}, {"--config", &config, NULL}};
        json_t *request, *data = NULL;
        struct trail_place place;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("report --quarter takes no operand");
        r = trail_place_find(config, state_dir, &place);
        if (r != CLI_DONE)
                return r;
        request = json_pack("{s:s}", "cmd", "report.quarter");
        if (strcmp(quarter, "now") != 0)
                json_object_set_new(request, "quarter", json_string(quarter));
        r = cli_ask(c, CLI_CONTROL, request, &data);
        if (r != CLI_DONE)
                return r;
        json_object_set_new(data, "revisions", find_revisions(&place, data));
        if (c->json)
                r = cli_print_json(data);
        else
                print_all(data);
        json_decref(data);
        return r;
}
