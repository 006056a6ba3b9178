/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark show ID: the page for somebody who was just woken. */
#include <stdlib.h>
#include <string.h>

#include "cli/show-priv.h"

static void field(const char *name, const char *text)
{
        printf("  %-12s", name);
        cli_wrap(stdout, *text ? text : "not known", 14, 14);
}

void show_heading(const struct cli *c, const char *text)
{
        putchar('\n');
        cli_colour(c, stdout, CLI_BOLD);
        puts(text);
        cli_colour(c, stdout, CLI_PLAIN);
}

/* What became of it. */
static void print_case(const json_t *f)
{
        char text[512];

        if (*cli_text(f, "verdict")) {
                const char *version = cli_text(f, "criteria_version");

                snprintf(text, sizeof(text), "%s, by %s at %s%s%s", cli_text(f, "verdict"), cli_text(f, "verdict_by"),
                         cli_text(f, "verdict_at"), *version ? ", by playbook " : "", version);
                field("verdict", text);
        }
        if (*cli_text(f, "note"))
                field("note", cli_text(f, "note"));
        if (*cli_text(f, "closed_by")) {
                snprintf(text, sizeof(text), "%s, at %s", cli_text(f, "closed_by"), cli_text(f, "closed_at"));
                field("closed", text);
        }
        if (*cli_text(f, "suppressed_by")) {
                snprintf(text, sizeof(text), "by %s%s", cli_text(f, "suppressed_by"),
                         json_is_true(json_object_get(f, "broke_through")) ? ", but it is too sure to be kept quiet"
                                                                           : "");
                field("suppressed", text);
        }
}

static void print_head(const struct cli *c, const json_t *f)
{
        const json_t *w = json_object_get(f, "workload");
        json_int_t sure = cli_int(f, "confidence");
        char text[512], rate[20];

        cli_colour(c, stdout, CLI_BOLD);
        cli_colour(c, stdout,
                   strcmp(cli_text(f, "severity"), "high") == 0 || strcmp(cli_text(f, "severity"), "critical") == 0
                           ? CLI_RED
                           : CLI_YELLOW);
        printf("%s  ", cli_text(f, "id"));
        snprintf(text, sizeof(text), "%s drifted: %lld%% sure, severity %s, %s", cli_text(w, "name"), (long long)sure,
                 cli_text(f, "severity"), cli_text(f, "state"));
        if (strcmp(cli_text(f, "type"), "session") == 0)
                snprintf(text, sizeof(text), "a session in %s: %lld%% sure that it is no ordinary work, severity %s, "
                         "%s",
                         cli_text(w, "name"), (long long)sure, cli_text(f, "severity"), cli_text(f, "state"));
        if (strcmp(cli_text(f, "type"), "first-sight") == 0)
                snprintf(text, sizeof(text), "%s was there before this host was watched: first sight, %lld%% sure, %s",
                         cli_text(w, "name"), (long long)sure, cli_text(f, "state"));
        cli_wrap(stdout, text, strlen(cli_text(f, "id")) + 2, 2);
        cli_colour(c, stdout, CLI_PLAIN);
        field("workload", cli_text(w, "name"));
        field("image", cli_text(w, "image"));
        field("digest", cli_text(w, "digest"));
        snprintf(text, sizeof(text), "%s (class %s)", cli_text(w, "baseline_state"), cli_text(w, "class"));
        field("baseline", text);
        field("host", cli_text(f, "host"));
        cli_rate(f, rate, sizeof(rate));
        snprintf(text, sizeof(text), "%s to %s, %lld act%s%s%s", cli_text(f, "first_seen"), cli_text(f, "last_seen"),
                 (long long)cli_int(f, "count"), cli_int(f, "count") == 1 ? "" : "s", *rate ? ", " : "", rate);
        field("when", text);
        print_case(f);
}

static void print_containers(const json_t *f)
{
        size_t i;
        json_t *o;

        json_array_foreach(json_object_get(f, "containers"), i, o) {
                char text[512];

                snprintf(text, sizeof(text), "%s %.12s (%s), %lld acts", cli_text(o, "name"), cli_text(o, "id"),
                         cli_text(o, "runtime"), (long long)cli_int(o, "count"));
                field(i ? "" : "container", text);
        }
}

static void print_story(const struct cli *c, const json_t *f)
{
        size_t i;
        json_t *s;

        show_heading(c, "What happened");
        json_array_foreach(json_object_get(f, "story"), i, s) {
                fputs("  ", stdout);
                cli_wrap(stdout, json_string_value(s) ? json_string_value(s) : "", 2, 4);
        }
}

static void print_lineage(const struct cli *c, const json_t *f)
{
        size_t i;
        json_t *p;

        if (json_array_size(json_object_get(f, "lineage")) == 0)
                return;
        show_heading(c, "Who did it");
        json_array_foreach(json_object_get(f, "lineage"), i, p) {
                const char *exe = cli_text(p, "executable"), *comm = cli_text(p, "comm");
                char text[400];

                snprintf(text, sizeof(text), "%s%s%s%s", *exe ? exe : "executable not known", *comm ? " [" : "", comm,
                         *comm ? "]" : "");
                printf("  %*s%s", (int)(2 * i), "", i ? "`- " : "");
                if (json_is_integer(json_object_get(p, "pid")))
                        printf("%lld ", (long long)cli_int(p, "pid"));
                cli_put(stdout, text, CLI_WIDTH - 16 - 2 * i);
                putchar('\n');
        }
        p = json_object_get(f, "actor");
        if (json_is_integer(json_object_get(p, "uid"))) {
                printf("  as uid %lld", (long long)cli_int(p, "uid"));
                if (json_is_integer(json_object_get(p, "login_uid")))
                        printf(", logged in as uid %lld", (long long)cli_int(p, "login_uid"));
                putchar('\n');
        }
}

static void print_factors(const struct cli *c, const json_t *f)
{
        size_t i;
        json_t *x;

        show_heading(c, "Why it is here (bits)");
        printf("  %+7.2f  before anything is known\n", json_number_value(json_object_get(f, "prior_bits")));
        json_array_foreach(json_object_get(f, "factors"), i, x) {
                printf("  %+7.2f  ", json_number_value(json_object_get(x, "bits")));
                cli_wrap(stdout, cli_text(x, "text"), 11, 11);
        }
        printf("  %+7.2f  in sum: %lld%%\n", json_number_value(json_object_get(f, "sum_bits")),
               (long long)cli_int(f, "confidence"));
}

void cli_print_finding(const struct cli *c, const json_t *f)
{
        print_head(c, f);
        print_containers(f);
        print_story(c, f);
        print_lineage(c, f);
        show_explained(c, f);
        print_factors(c, f);
        show_image(c, f);
        show_supply(c, f);
        show_watched(c, f);
        show_done(c, f);
        show_next(c, f);
}

int cli_show(struct cli *c)
{
        json_t *data = NULL;
        int operands, r = cli_options(c, NULL, 0, &operands);

        if (r != CLI_DONE || operands != 1)
                return r != CLI_DONE ? r : cli_usage("show takes one finding's number, such as F-12");
        r = cli_ask(c, CLI_CONTROL, json_pack("{s:s,s:s}", "cmd", "show", "id", c->argv[1]), &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                cli_print_finding(c, data);
        json_decref(data);
        return r;
}
