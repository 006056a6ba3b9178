/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark allow, tidemark suppress: operators' rules. Times and zones are reckoned here; the daemon knows no zone. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli-priv.h"
#include "cli/when-priv.h"
#include "tidemark/clock.h"

#define OFFSETS 32

struct rule {
        const char *workload, *path, *executable, *destination, *origin, *signal, *from, *until, *reason;
        const char *on, *at, *length, *zone, *bar;
        bool all, dry_run;
};
struct kind {
        const char *name;
        const char *hides; /* what a rule of it does with acts */
};
static const struct kind allow = {"allow", "hidden"}, suppress = {"suppress", "suppressed"};

/* ---- asking ---- */

static bool put_text(json_t *o, const char *name, const char *text)
{
        return !text || json_object_set_new(o, name, json_string(text)) == 0;
}

static int put_time(json_t *o, const char *name, const char *text, const struct when_zone *zone, int64_t *ret)
{
        int64_t now = clock_wall_ns() / (int64_t)NSEC_PER_SEC;

        if (!text)
                return CLI_DONE;
        if (!when_time(text, zone, now, ret))
                return cli_usage("--%s \"%s\" is no time: expected such as 2d, 36h, 2026-12-24 or \"2026-12-24 06:00\"",
                                 name, text);
        json_object_set_new(o, name, json_integer(*ret));
        return CLI_DONE;
}

/* What the zone's clock shows, from a week and a day before: a window may have begun then. */
static int put_offsets(json_t *o, const struct rule *r, const struct when_zone *zone, int64_t until)
{
        struct when_offset at[OFFSETS];
        int64_t from = clock_wall_ns() / (int64_t)NSEC_PER_SEC - 8 * 86400;
        size_t n = when_offsets(zone, from, until, at, OFFSETS);
        json_t *a = json_array();

        if (n > OFFSETS) {
                json_decref(a);
                return cli_usage("--until \"%s\" is too far ahead for --zone %s: its clock changes more than %d times "
                                 "until then",
                                 r->until, r->zone, OFFSETS - 1);
        }
        for (size_t i = 0; i < n; i++) {
                char text[64];

                snprintf(text, sizeof(text), "%lld %d", (long long)at[i].from, (int)at[i].seconds);
                json_array_append_new(a, json_string(text));
        }
        json_object_set_new(o, "offset", a);
        return CLI_DONE;
}

static int put_window(json_t *o, const struct rule *r, const struct when_zone *zone, int64_t until)
{
        int64_t length;

        put_text(o, "at", r->at);
        put_text(o, "on", r->on);
        put_text(o, "zone", r->zone);
        if (r->bar) {
                char *end;
                long percent = strtol(r->bar, &end, 10);

                if (*end || end == r->bar || percent < 50 || percent > 100)
                        return cli_usage("--break-through \"%s\": expected a percentage from 50 to 100, such as 100",
                                         r->bar);
                json_object_set_new(o, "break_through", json_integer(percent));
        }
        if (r->length) {
                if (!when_span(r->length, &length))
                        return cli_usage("--for \"%s\" is no duration: expected such as 90m, 2h or 1d", r->length);
                json_object_set_new(o, "for", json_integer(length));
        }
        return r->zone && until ? put_offsets(o, r, zone, until) : CLI_DONE;
}

static int make_request(const struct kind *k, const struct rule *r, json_t *o)
{
        struct when_zone zone = {.fixed = true};
        int64_t until = 0, from = 0;
        int code;

        if (!r->reason)
                return cli_usage(
                        "%s add needs --reason: some words for whoever reads this rule later, such as --reason "
                        "\"nightly backup\"",
                        k->name);
        if (k == &suppress && !r->until)
                return cli_usage("suppress add needs --until: nothing is suppressed for good; such as --until 2d or "
                                 "--until 2026-12-24");
        if (r->zone && when_zone(r->zone, &zone) < 0)
                return cli_usage(
                        "--zone \"%s\" is not known here: expected UTC, an offset such as +02:00, or a name below "
                        "/usr/share/zoneinfo such as Europe/Berlin",
                        r->zone);
        put_text(o, "workload", r->workload);
        put_text(o, "path", r->path);
        put_text(o, "executable", r->executable);
        put_text(o, "destination", r->destination);
        put_text(o, "origin", r->origin);
        put_text(o, "signal", r->signal);
        put_text(o, "reason", r->reason);
        json_object_set_new(o, "dry_run", json_boolean(r->dry_run));
        code = put_time(o, "from", r->from, &zone, &from);
        if (code == CLI_DONE)
                code = put_time(o, "until", r->until, &zone, &until);
        return code == CLI_DONE && k == &suppress ? put_window(o, r, &zone, until) : code;
}

/* ---- showing ---- */

static const char *said(const json_t *data, const char *name)
{
        const char *text =
                json_string_value(json_array_get(json_object_get(json_object_get(data, "outcome"), name), 0));

        return text ? text : "";
}

static void print_done(const struct kind *k, const json_t *data, bool dry_run, const char *done)
{
        const json_t *notes = json_object_get(json_object_get(data, "outcome"), "note");
        char text[1200];
        size_t i;
        json_t *n;

        snprintf(text, sizeof(text), "%s%s rule %s: %.900s", dry_run ? "would be " : "", done, said(data, "rule"),
                 said(data, "of"));
        (void)k;
        cli_wrap(stdout, text, 0, 2);
        if (*said(data, "hidden")) {
                printf("  it has hidden %s\n", said(data, "hidden"));
                return;
        }
        snprintf(text, sizeof(text), "covers %.900s", said(data, "covers"));
        fputs("  ", stdout);
        cli_wrap(stdout, text, 2, 2);
        if (*said(data, "until"))
                printf("  until %.19s UTC\n", said(data, "until"));
        json_array_foreach(notes, i, n)
        {
                fputs("  ", stdout);
                cli_wrap(stdout, json_string_value(n) ? json_string_value(n) : "", 2, 2);
        }
}

void cli_print_rule_added(const char *kind, const json_t *data, bool dry_run)
{
        char done[32];

        snprintf(done, sizeof(done), "added %s", kind);
        print_done(strcmp(kind, "allow") == 0 ? &allow : &suppress, data, dry_run, done);
}

static int change(struct cli *c, const struct kind *k, json_t *o, bool dry_run, const char *done)
{
        json_t *data = NULL;
        int r = cli_ask(c, CLI_ADMIN, o, &data);

        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                print_done(k, data, dry_run, done);
        json_decref(data);
        return r;
}

static int add(struct cli *c, const struct kind *k, const struct rule *rule)
{
        char cmd[32], done[32];
        json_t *o;
        int r;

        snprintf(cmd, sizeof(cmd), "%s.add", k->name);
        snprintf(done, sizeof(done), "added %s", k->name);
        o = json_pack("{s:s}", "cmd", cmd);
        r = make_request(k, rule, o);
        if (r == CLI_DONE)
                return change(c, k, o, rule->dry_run, done);
        json_decref(o);
        return r;
}

static int drop(struct cli *c, const struct kind *k, const struct rule *rule)
{
        char cmd[32], done[32];
        json_t *o;

        snprintf(cmd, sizeof(cmd), "%s.remove", k->name);
        snprintf(done, sizeof(done), "removed %s", k->name);
        o = json_pack("{s:s,s:s,s:b}", "cmd", cmd, "rule", c->argv[1], "dry_run", rule->dry_run);
        put_text(o, "reason", rule->reason);
        return change(c, k, o, rule->dry_run, done);
}

static void print_rule(const struct cli *c, const struct kind *k, const json_t *r)
{
        char text[1600];
        int n;

        cli_colour(c, stdout, CLI_BOLD);
        snprintf(text, sizeof(text), "%-5s %.1200s", cli_text(r, "id"), cli_text(r, "text"));
        cli_wrap(stdout, text, 0, 6);
        cli_colour(c, stdout, CLI_PLAIN);
        n = snprintf(text, sizeof(text), "%s %lld", k->hides, (long long)cli_int(r, "hidden"));
        if (*cli_text(r, "last_hidden"))
                n += snprintf(text + n, sizeof(text) - (size_t)n, " (last %.16s)", cli_text(r, "last_hidden"));
        if (cli_int(r, "broke_through"))
                n += snprintf(text + n, sizeof(text) - (size_t)n, ", shown all the same %lld",
                              (long long)cli_int(r, "broke_through"));
        if (strcmp(cli_text(r, "state"), "active") != 0)
                n += snprintf(text + n, sizeof(text) - (size_t)n, "; %s %.16s %s", cli_text(r, "state"),
                              cli_text(r, "ended"), cli_text(r, "ended_by"));
        else if (strcmp(cli_text(r, "from"), cli_text(r, "added")) > 0)
                n += snprintf(text + n, sizeof(text) - (size_t)n, "; from %.16s", cli_text(r, "from"));
        if (strcmp(cli_text(r, "state"), "active") == 0 && *cli_text(r, "until"))
                n += snprintf(text + n, sizeof(text) - (size_t)n, "; until %.16s%s", cli_text(r, "until"),
                              json_is_true(json_object_get(r, "ends_soon")) ? " (ends soon)" : "");
        fputs("      ", stdout);
        cli_wrap(stdout, text, 6, 6);
        snprintf(text, sizeof(text), "%.600s (%s, %.16s)", cli_text(r, "reason"), cli_text(r, "by"),
                 cli_text(r, "added"));
        fputs("      ", stdout);
        cli_wrap(stdout, text, 6, 6);
        snprintf(text, sizeof(text), "covers %s", cli_text(r, "covers"));
        fputs("      ", stdout);
        cli_wrap(stdout, text, 6, 6);
}

static int list(struct cli *c, const struct kind *k, const struct rule *rule)
{
        json_t *data = NULL, *r;
        char cmd[32];
        size_t i;
        int code;

        snprintf(cmd, sizeof(cmd), "%s.list", k->name);
        code = cli_ask(c, CLI_CONTROL, json_pack("{s:s,s:b}", "cmd", cmd, "all", rule->all), &data);
        if (code != CLI_DONE)
                return code;
        if (c->json) {
                code = cli_print_json(data);
        } else {
                if (json_array_size(data) == 0)
                        printf("No %s rules%s.\n", k->name,
                               rule->all ? "" : " in force (--all: also those that have ended)");
                json_array_foreach(data, i, r) print_rule(c, k, r);
                if (json_array_size(data))
                        puts("Times are UTC. What was approved one by one is in tidemark baseline show.");
        }
        json_decref(data);
        return code;
}

/* ---- the table ---- */

static const struct {
        const char *name;
        int operands;
        int (*run)(struct cli *c, const struct kind *k, const struct rule *rule);
} verbs[] = {{"list", 0, list}, {"add", 0, add}, {"remove", 1, drop}};

static int run_verb(struct cli *c, const struct kind *k, const struct rule *rule, int operands)
{
        for (size_t i = 0; operands > 0 && i < ARRAY_LEN(verbs); i++) {
                if (strcmp(c->argv[1], verbs[i].name) != 0)
                        continue;
                if (operands != 1 + verbs[i].operands)
                        return cli_usage(verbs[i].operands ? "%s %s takes one rule, such as R-3 (see tidemark %s list)"
                                                           : "%s %s takes options only",
                                         k->name, verbs[i].name, k->name);
                c->argv++;
                return verbs[i].run(c, k, rule);
        }
        return cli_usage("%s takes add, list or remove", k->name);
}

#define EITHER(r)                                                                                                      \
        {"--workload", &r.workload, NULL}, {"--path", &r.path, NULL}, {"--executable", &r.executable, NULL},           \
                {"--destination", &r.destination, NULL}, {"--origin", &r.origin, NULL}, {"--signal", &r.signal, NULL}, \
                {"--from", &r.from, NULL}, {"--until", &r.until, NULL}, {"--reason", &r.reason, NULL},                 \
                {"--all", NULL, &r.all},                                                                               \
        {                                                                                                              \
                "--dry-run", NULL, &r.dry_run                                                                          \
        }

int cli_allow(struct cli *c)
{
        struct rule rule = {0};
        const struct cli_option options[] = {EITHER(rule)};
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        return r == CLI_DONE ? run_verb(c, &allow, &rule, operands) : r;
}

int cli_suppress(struct cli *c)
{
        struct rule rule = {0};
        const struct cli_option options[] = {EITHER(rule),
                                             {"--on", &rule.on, NULL},
                                             {"--at", &rule.at, NULL},
                                             {"--for", &rule.length, NULL},
                                             {"--zone", &rule.zone, NULL},
                                             {"--break-through", &rule.bar, NULL}};
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        return r == CLI_DONE ? run_verb(c, &suppress, &rule, operands) : r;
}
