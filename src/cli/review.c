/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark baseline review, approve, reject, refresh: candidates, and a person's word on them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "cli/when-priv.h"

#define ITEMS_LINE 30

/* ---- review ---- */

static const struct {
        const char *why, *words;
} whys[] = {
        {"never-silent", "never learned silently"},
        {"raw-address", "a raw public address"},
        {"one-replica", "called once, by one of several replicas"},
        {"found-running", "was there before this host was watched"},
        {"unplaced-program", "by a program that audit alone has told of"},
        {"new", "not seen while learning"},
        {"roll-out", "new with this image, excused by its roll-out"},
        {"suppressed", "seen in a suppression window"},
        {"other-content", "approved, but with another content"},
        {"other-phase", "known, but not in this phase of its life"},
};

static const char *why_words(const char *why)
{
        for (size_t i = 0; i < ARRAY_LEN(whys); i++)
                if (strcmp(whys[i].why, why) == 0)
                        return whys[i].words;
        return why;
}

/* "B-3", "B-3, B-4", "B-3 and 11 more". */
static void items_of(const json_t *g, char *dst, size_t size)
{
        const json_t *items = json_object_get(g, "items");
        json_int_t all = cli_int(g, "candidates");
        const char *first = json_string_value(json_array_get(items, 0)),
                   *second = json_string_value(json_array_get(items, 1));

        if (all == 2 && second)
                snprintf(dst, size, "%s, %s", first ? first : "", second);
        else if (all > 1)
                snprintf(dst, size, "%s and %lld more", first ? first : "", (long long)all - 1);
        else
                snprintf(dst, size, "%s", first ? first : "");
}

struct line {
        char text[900];
        size_t n;
};

static void TM_PRINTF(2, 3) put(struct line *l, const char *fmt, ...)
{
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, ap);
        va_end(ap);
        if (n > 0)
                l->n += (size_t)n < sizeof(l->text) - l->n ? (size_t)n : sizeof(l->text) - l->n - 1;
}

static void put_who(const json_t *g, struct line *l)
{
        const json_t *who = json_object_get(g, "who");

        if (*cli_text(g, "executable"))
                put(l, "; by %s", cli_text(g, "executable"));
        if (*cli_text(who, "origin"))
                put(l, " (%s", cli_text(who, "origin"));
        if (*cli_text(who, "origin") && json_is_integer(json_object_get(who, "uid")))
                put(l, ", uid %lld", (long long)cli_int(who, "uid"));
        put(l, "%s", *cli_text(who, "origin") ? ")" : "");
}

/* "3x, 11-27 06:11 to 11-27 09:00". */
static void put_times(const json_t *g, struct line *l)
{
        const char *first = cli_text(g, "first_seen"), *last = cli_text(g, "last_seen");

        put(l, "; %lldx", (long long)cli_int(g, "count"));
        if (strlen(first) < 16 || strlen(last) < 16)
                return;
        put(l, ", %.5s %.5s", first + 5, first + 11);
        if (strncmp(first, last, 16) != 0)
                put(l, " to %.5s %.5s", last + 5, last + 11);
}

static void print_group(const struct cli *c, const json_t *g)
{
        const json_t *sure = json_object_get(g, "confidence");
        struct line l = {.n = 0};
        char items[64], place[300] = "";
        size_t i;
        json_t *v;

        items_of(g, items, sizeof(items));
        cli_colour(c, stdout, json_is_true(json_object_get(g, "bulk")) ? CLI_BOLD : CLI_RED);
        printf("  %-*s", ITEMS_LINE - 6, items);
        cli_colour(c, stdout, CLI_PLAIN);
        printf(" %-9s ", cli_text(g, "dimension"));
        if (cli_int(g, "candidates") > 1 && json_is_string(json_object_get(g, "place")))
                snprintf(place, sizeof(place), "%s/...", cli_text(g, "place"));
        cli_put(stdout, *place ? place : cli_text(g, cli_int(g, "candidates") > 1 ? "key" : "subject"),
                CLI_WIDTH - ITEMS_LINE - 8);
        put(&l, "    %s%s", json_is_true(json_object_get(g, "rejected")) ? "rejected; " : "",
            why_words(cli_text(g, "why")));
        put_who(g, &l);
        put_times(g, &l);
        if (json_is_integer(sure))
                put(&l, "; %lld%% sure", (long long)json_integer_value(sure));
        json_array_foreach(json_object_get(g, "containers"), i, v)
                put(&l, "%s%s", i ? ", " : "; on ", json_string_value(v));
        putchar('\n');
        cli_put(stdout, l.text, CLI_WIDTH);
        putchar('\n');
}

static void print_review(const struct cli *c, const json_t *w)
{
        size_t i;
        json_t *g;

        cli_put(stdout, cli_text(w, "id"), CLI_WIDTH - 40);
        printf(": %lld candidate%s, riskiest first\n", (long long)cli_int(w, "candidates"),
               cli_int(w, "candidates") == 1 ? "" : "s");
        json_array_foreach(json_object_get(w, "groups"), i, g) print_group(c, g);
        if (cli_int(w, "more"))
                printf("  ... and %lld more groups (--all)\n", (long long)cli_int(w, "more"));
}

static void print_reviews(const struct cli *c, json_t *data)
{
        size_t i;
        json_t *w;

        if (json_array_size(data) == 0) {
                puts("Nothing to review: no workload has candidates.");
                return;
        }
        json_array_foreach(data, i, w)
        {
                if (i)
                        putchar('\n');
                print_review(c, w);
        }
        puts("\ntidemark baseline approve WORKLOAD B-1 ... --reason TEXT makes it known; reject keeps it out.");
}

int cli_baseline_review(struct cli *c)
{
        bool all = false;
        const struct cli_option options[] = {{"--all", NULL, &all}};
        json_t *data = NULL, *request;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands > 2)
                return cli_usage("baseline review takes one workload at most");
        request = json_pack("{s:s,s:b}", "cmd", "baseline.review", "all", all);
        if (operands == 2)
                json_object_set_new(request, "workload", json_string(c->argv[2]));
        r = cli_ask(c, CLI_CONTROL, request, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                print_reviews(c, data);
        json_decref(data);
        return r;
}

/* ---- a word ---- */

static void print_said(const json_t *outcome, const char *name, const char *before)
{
        size_t i;
        json_t *v;

        json_array_foreach(json_object_get(outcome, name), i, v)
        {
                printf("%s", before);
                cli_wrap(stdout, json_string_value(v), strlen(before), 6);
        }
}

static int print_outcome(const struct cli *c, json_t *data, bool dry_run, const char *done)
{
        const json_t *outcome = json_object_get(data, "outcome");
        char before[40];
        int r = CLI_DONE;

        if (c->json) {
                r = cli_print_json(data);
        } else {
                cli_put(stdout, cli_text(data, "workload"), CLI_WIDTH);
                putchar('\n');
                snprintf(before, sizeof(before), "  %s%s: ", dry_run ? "would be " : "", done);
                print_said(outcome, done, before);
                print_said(outcome, "skipped", "  skipped: ");
        }
        json_decref(data);
        return r;
}

static json_t *numbers(struct cli *c, int operands)
{
        json_t *a = json_array();

        for (int i = 3; i <= operands; i++)
                json_array_append_new(a, json_string(c->argv[i]));
        return a;
}

struct words {
        const char *pattern, *reason, *dimension, *span;
        bool all, known, path_only, dry_run;
};

static void put_words(json_t *request, const struct words *v)
{
        const struct {
                const char *name, *value;
        } texts[] = {{"pattern", v->pattern}, {"reason", v->reason}, {"dimension", v->dimension}};
        const struct {
                const char *name;
                bool value;
        } flags[] = {{"all", v->all}, {"known", v->known}, {"path_only", v->path_only}, {"dry_run", v->dry_run}};

        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (texts[i].value)
                        json_object_set_new(request, texts[i].name, json_string(texts[i].value));
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                if (flags[i].value)
                        json_object_set_new(request, flags[i].name, json_true());
}

static int word(struct cli *c, const char *verb, const char *done, const struct cli_option *options, size_t n,
                struct words *v)
{
        char cmd[40];
        json_t *data = NULL, *request;
        int operands, r = cli_options(c, options, n, &operands);

        if (r != CLI_DONE)
                return r;
        if (operands < 2)
                return cli_usage("baseline %s takes a workload, and which candidates (see tidemark baseline review)",
                                 verb);
        if (!v->reason)
                return cli_usage("baseline %s needs --reason TEXT: those who come later want to know why", verb);
        snprintf(cmd, sizeof(cmd), "baseline.%s", verb);
        request = json_pack("{s:s,s:s}", "cmd", cmd, "workload", c->argv[2]);
        if (operands > 2)
                json_object_set_new(request, "item", numbers(c, operands));
        put_words(request, v);
        r = cli_ask(c, CLI_ADMIN, request, &data);
        return r == CLI_DONE ? print_outcome(c, data, v->dry_run, done) : r;
}

int cli_baseline_approve(struct cli *c)
{
        struct words v = {0};
        const struct cli_option options[] = {{"--pattern", &v.pattern, NULL},     {"--reason", &v.reason, NULL},
                                             {"--dimension", &v.dimension, NULL}, {"--all", NULL, &v.all},
                                             {"--path-only", NULL, &v.path_only}, {"--dry-run", NULL, &v.dry_run}};

        return word(c, "approve", "approved", options, ARRAY_LEN(options), &v);
}

int cli_baseline_reject(struct cli *c)
{
        struct words v = {0};
        const struct cli_option options[] = {{"--pattern", &v.pattern, NULL},     {"--reason", &v.reason, NULL},
                                             {"--dimension", &v.dimension, NULL}, {"--all", NULL, &v.all},
                                             {"--known", NULL, &v.known},         {"--dry-run", NULL, &v.dry_run}};

        return word(c, "reject", "rejected", options, ARRAY_LEN(options), &v);
}

/* ---- refresh ---- */

int cli_baseline_refresh(struct cli *c)
{
        struct words v = {0};
        const struct cli_option options[] = {{"--for", &v.span, NULL},
                                             {"--dimension", &v.dimension, NULL},
                                             {"--reason", &v.reason, NULL},
                                             {"--dry-run", NULL, &v.dry_run}};
        json_t *data = NULL, *request;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);
        int64_t seconds = 0;

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("baseline refresh takes one workload (see tidemark baseline list)");
        if (v.span && !when_span(v.span, &seconds))
                return cli_usage("--for needs a time such as 12h or 2d, not '%s'", v.span);
        request = json_pack("{s:s,s:s}", "cmd", "baseline.refresh", "workload", c->argv[2]);
        if (seconds)
                json_object_set_new(request, "seconds", json_integer(seconds));
        put_words(request, &v);
        r = cli_ask(c, CLI_ADMIN, request, &data);
        return r == CLI_DONE ? print_outcome(c, data, v.dry_run, "refreshed") : r;
}
