/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark contain: cut a container off, let it go again, end it; and what is cut off now. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli-priv.h"
#include "cli/when-priv.h"

#define ID_SHOWN 12
#define AGE 24

/* ---- what is said ---- */

/* "3 s", "5 min", "2 h", "4 d": of seconds. */
static char *span(json_int_t seconds, char dst[AGE])
{
        static const struct {
                json_int_t s;
                const char *unit;
        } units[] = {{172800, "d"}, {7200, "h"}, {120, "min"}, {0, "s"}};
        static const json_int_t each[] = {86400, 3600, 60, 1};
        size_t i = 0;

        if (seconds < 0)
                seconds = 0;
        while (units[i].s > seconds)
                i++;
        snprintf(dst, AGE, "%lld %s", (long long)(seconds / each[i]), units[i].unit);
        return dst;
}

static void print_lines(const json_t *lines, size_t indent)
{
        size_t i;
        json_t *v;

        json_array_foreach(lines, i, v)
        {
                printf("%*s", (int)indent, "");
                cli_wrap(stdout, json_string_value(v) ? json_string_value(v) : "", indent, indent + 2);
        }
}

static void print_result(const struct cli *c, const json_t *r, bool foresight)
{
        const json_t *facts = json_object_get(r, "facts");
        const char *state = cli_text(r, "state");
        bool bad = !strcmp(state, "failed") || !strcmp(state, "refused");

        cli_put(stdout, *cli_text(r, "name") ? cli_text(r, "name") : cli_text(r, "container"), 60);
        printf(" (%.*s): ", ID_SHOWN, cli_text(r, "container"));
        cli_colour(c, stdout, bad ? CLI_RED : CLI_BOLD);
        cli_wrap(stdout, cli_text(r, "words"), 30, 2);
        cli_colour(c, stdout, CLI_PLAIN);
        if (foresight)
                print_lines(json_object_get(facts, "foresight"), 2);
        print_lines(json_object_get(facts, "notes"), 2);
}

/* Exit status of it all: one that could not be done is a failure. */
static int print_results(const struct cli *c, const json_t *data, bool foresight)
{
        int r = CLI_DONE;
        size_t i;
        json_t *v;

        json_array_foreach(json_object_get(data, "results"), i, v)
        {
                const char *state = cli_text(v, "state");

                if (!c->json)
                        print_result(c, v, foresight);
                if (!strcmp(state, "failed") || !strcmp(state, "refused"))
                        r = CLI_FAILED;
        }
        return r;
}

/* ---- isolate, release, kill ---- */

struct words {
        const char *reason, *span, *name;
        bool all, now, keep_probes, dry_run;
};

static json_t *request(const char *verb, const char *target, const struct words *w, int64_t seconds)
{
        json_t *o = json_pack("{s:s}", "target", target);
        const struct {
                const char *name;
                bool value;
        } flags[] = {{"all", w->all}, {"now", w->now}, {"keep_probes", w->keep_probes}, {"dry_run", w->dry_run}};
        char cmd[32];

        snprintf(cmd, sizeof(cmd), "contain.%s", verb);
        json_object_set_new(o, "cmd", json_string(cmd));
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                if (flags[i].value)
                        json_object_set_new(o, flags[i].name, json_true());
        if (w->reason)
                json_object_set_new(o, "reason", json_string(w->reason));
        if (w->name)
                json_object_set_new(o, "yes_lose_state", json_string(w->name));
        if (seconds)
                json_object_set_new(o, "for", json_integer(seconds));
        return o;
}

/* What it will do is said before it is done: asked for first, as a dry run. */
static int say_before(const struct cli *c, const char *verb, const char *target, const struct words *w)
{
        struct words dry = *w;
        json_t *data = NULL;
        int r;

        dry.dry_run = true;
        r = cli_ask(c, CLI_ADMIN, request(verb, target, &dry, 0), &data);
        if (r == CLI_DONE)
                r = print_results(c, data, true);
        json_decref(data);
        if (r == CLI_DONE)
                fflush(stdout);
        return r;
}

static int act(struct cli *c, const char *verb, const struct cli_option *options, size_t n, struct words *w,
               bool before)
{
        json_t *data = NULL;
        int operands, r = cli_options(c, options, n, &operands);
        int64_t seconds = 0;

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("contain %s takes one container's name or id, or a finding's number such as F-12",
                                 verb);
        if (w->span && !when_span(w->span, &seconds))
                return cli_usage("--for needs a time such as 30m or 2h, not '%s'", w->span);
        before = before && !w->dry_run && !w->now && !c->json;
        r = before ? say_before(c, verb, c->argv[2], w) : CLI_DONE;
        if (r == CLI_DONE)
                r = cli_ask(c, CLI_ADMIN, request(verb, c->argv[2], w, seconds), &data);
        if (r != CLI_DONE)
                return r;
        r = c->json ? cli_print_json(data) : CLI_DONE;
        if (r == CLI_DONE)
                r = print_results(c, data, !before);
        json_decref(data);
        return r;
}

static int isolate(struct cli *c)
{
        struct words w = {0};
        const struct cli_option options[] = {{"--all", NULL, &w.all},       {"--now", NULL, &w.now},
                                             {"--for", &w.span, NULL},      {"--keep-probes", NULL, &w.keep_probes},
                                             {"--reason", &w.reason, NULL}, {"--dry-run", NULL, &w.dry_run}};

        return act(c, "isolate", options, ARRAY_LEN(options), &w, true);
}

/* Of one that has ended only the list knows the name: its id is asked for then. NULL: it names none, or several. */
static char *ended_id(const struct cli *c, const char *name)
{
        json_t *data = NULL, *v, *found = NULL;
        char *id = NULL;
        size_t i, n = 0;

        if (cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", "status"), &data) != CLI_DONE)
                return NULL;
        json_array_foreach(json_object_get(data, "contained"), i, v)
        {
                if (strcmp(cli_text(v, "name"), name) == 0 && ++n)
                        found = v;
        }
        if (n == 1 && json_is_false(json_object_get(found, "running")))
                id = strdup(cli_text(found, "container"));
        json_decref(data);
        return id;
}

static int release(struct cli *c)
{
        struct words w = {0};
        const struct cli_option options[] = {
                {"--all", NULL, &w.all}, {"--reason", &w.reason, NULL}, {"--dry-run", NULL, &w.dry_run}};
        char *id = NULL;
        int r;

        for (int i = 2; i < c->argc && !id; i++)
                if (strncmp(c->argv[i], "--", 2) != 0 && (id = ended_id(c, c->argv[i])))
                        c->argv[i] = id;
        r = act(c, "release", options, ARRAY_LEN(options), &w, false);
        free(id);
        return r;
}

static int kill_it(struct cli *c)
{
        struct words w = {0};
        const struct cli_option options[] = {
                {"--yes-lose-state", &w.name, NULL}, {"--reason", &w.reason, NULL}, {"--dry-run", NULL, &w.dry_run}};

        return act(c, "kill", options, ARRAY_LEN(options), &w, true);
}

/* ---- list ---- */

static void print_list(const json_t *list)
{
        static const char *const head[] = {"CONTAINER", "NAME", "AGE", "BY", "UNTIL", "DROPPED", "AGAIN", "STANDS"};
        struct cli_table *t;
        size_t i;
        json_t *v;

        if (json_array_size(list) == 0) {
                puts("No container is isolated.");
                return;
        }
        t = cli_table_new(ARRAY_LEN(head), head);
        json_array_foreach(list, i, v)
        {
                char id[ID_SHOWN + 1], age[AGE], until[AGE + 4] = "released", left[AGE], dropped[AGE], again[AGE];
                const char *cells[] = {id,    cli_text(v, "name"),  age, cli_text(v, "by"), until, dropped,
                                       again, cli_text(v, "stands")};

                snprintf(id, sizeof(id), "%.*s", ID_SHOWN, cli_text(v, "container"));
                span(cli_int(v, "age_s"), age);
                if (json_is_integer(json_object_get(v, "left_s")))
                        snprintf(until, sizeof(until), "in %s", span(cli_int(v, "left_s"), left));
                snprintf(dropped, sizeof(dropped), "%lld", (long long)cli_int(v, "dropped"));
                snprintf(again, sizeof(again), "%lld", (long long)cli_int(v, "reasserted"));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
}

static int list(struct cli *c)
{
        json_t *data = NULL, *contained;
        int operands, r = cli_options(c, NULL, 0, &operands);

        if (r != CLI_DONE || operands != 1)
                return r != CLI_DONE ? r : cli_usage("contain list takes no operand");
        r = cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", "status"), &data);
        if (r != CLI_DONE)
                return r;
        contained = json_object_get(data, "contained");
        if (c->json) {
                json_t *none = json_array();

                r = cli_print_json(json_is_array(contained) ? contained : none);
                json_decref(none);
        } else {
                print_list(contained);
        }
        json_decref(data);
        return r;
}

int cli_contain(struct cli *c)
{
        static const struct {
                const char *verb;
                int (*run)(struct cli *c);
        } verbs[] = {{"isolate", isolate}, {"release", release}, {"kill", kill_it}, {"list", list}};
        const char *verb = c->argc > 1 ? c->argv[1] : "";

        for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
                if (strcmp(verb, verbs[i].verb) == 0)
                        return verbs[i].run(c);
        return cli_usage("contain takes isolate, release, kill or list");
}
