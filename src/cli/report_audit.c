/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark report --audit: what the trail shows of a period, for an auditor who has never seen the program. Reads the
 * files of the trail; of the running agent only what is not of the past: rules in force, whether a workload is learned.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/audited-priv.h"
#include "cli/cli-priv.h"
#include "cli/trail-priv.h"
#include "cli/when-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/trail.h"

#define SECOND INT64_C(1000000000)
#define ROWS 40u /* of a list, for people; --json has all */

/* ---- reading ---- */

/* "2026-11-01", "2026-11-01 06:00", "now", "30d" (ago); a day as the end is within the period. UTC. */
static bool read_time(const char *text, bool end, int64_t *ret)
{
        const struct when_zone utc = {.fixed = true};
        int64_t now = clock_wall_ns() / SECOND, seconds;

        if (strcmp(text, "now") == 0)
                seconds = now + 1;
        else if (when_span(text, &seconds))
                seconds = now - seconds;
        else if (when_time(text, &utc, now, &seconds))
                seconds += end && strlen(text) == strlen("2026-11-01") ? 24 * 3600 : 0;
        else
                return false;
        *ret = seconds * SECOND;
        return true;
}

struct audit_report {
        int64_t from, to;
        bool running;
        const char *log;
        struct trail_place place;
        json_t *notes;
        struct audited *audited;
        struct audited_chain chain;
};

static int on_record(const struct trail_record *r, void *arg)
{
        struct audit_report *rd = arg;

        rd->chain.records++;
        if (rd->chain.first_ns == 0)
                rd->chain.first_ns = r->wall_ns;
        return audited_record(rd->audited, r);
}

/* The audit log may be unreadable for who runs this, or not be there: then nothing vouches for the trail from outside.
 */
static void read_checkpoints(const struct audit_report *ar, struct trail_checkpoints *cs)
{
        int err = trail_place_checkpoints(&ar->place, ar->log, cs);
        char words[400];

        if (err == 0)
                return;
        snprintf(words, sizeof(words), "The audit log %s cannot be read: %s.", ar->log, err_str(err));
        json_array_append_new(ar->notes, json_string(words));
}

static json_t *time_json(int64_t ns)
{
        char text[CLOCK_TEXT];

        return ns ? json_string(clock_rfc3339(ns, text)) : json_null();
}

static json_t *verdict_json(const char *dir, const struct trail_verdict *v, json_t *notes)
{
        return json_pack("{s:s,s:b,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:I,s:I,s:o,s:O}", "directory", dir, "verifies",
                         v->wrong == TRAIL_WHOLE, "verdict", trail_wrong_name(v->wrong), "words", v->words, "file",
                         v->file, "first", (json_int_t)v->first, "last", (json_int_t)v->last, "records",
                         (json_int_t)v->records, "removed", (json_int_t)v->removed, "head", v->head, "checkpoints",
                         (json_int_t)v->checkpoints, "last_checkpoint", (json_int_t)v->last_checkpoint.n,
                         "last_checkpoint_at", time_json(v->last_checkpoint.wall_ns), "notes", notes);
}

/* NULL: it does not answer. */
static json_t *ask(const struct cli *c, const char *cmd)
{
        json_t *data = NULL;

        if (cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", cmd), &data) != CLI_DONE)
                return NULL;
        return data;
}

/* Rules in force are no record of this period: they may be older than it. */
static json_t *rules_now(const struct cli *c, bool running)
{
        static const char *const cmds[] = {"allow.list", "suppress.list"};
        json_t *all = json_array(), *data, *rule;
        size_t i;

        for (size_t k = 0; running && k < ARRAY_LEN(cmds); k++) {
                data = ask(c, cmds[k]);
                json_array_foreach(data, i, rule) if (json_is_null(json_object_get(rule, "ended")))
                        json_array_append(all, rule);
                json_decref(data);
        }
        return all;
}

/* ---- text ---- */

static const char *short_time(const json_t *o, const char *key, char dst[20])
{
        const char *text = cli_text(o, key);

        if (!*text)
                return "-";
        snprintf(dst, 20, "%.10s %.5s", text, strlen(text) > 11 ? text + 11 : "");
        return dst;
}

static const char *number(const json_t *o, const char *key, char dst[24])
{
        const json_t *v = json_object_get(o, key);

        if (json_is_real(v))
                snprintf(dst, 24, "%.1f", json_real_value(v));
        else if (json_is_integer(v))
                snprintf(dst, 24, "%lld", (long long)json_integer_value(v));
        else
                return "-";
        return dst;
}

/* The kernel knows numbers: uid, and who logged in. */
static const char *who(const json_t *o, char dst[48])
{
        const json_t *login = json_object_get(o, "login_uid");

        if (!json_is_object(o))
                return "-";
        if (json_is_integer(login))
                snprintf(dst, 48, "uid %lld (login %lld)", (long long)cli_int(o, "uid"),
                         (long long)json_integer_value(login));
        else
                snprintf(dst, 48, "uid %lld", (long long)cli_int(o, "uid"));
        return dst;
}

static void head(const char *title, const char *words)
{
        printf("\n%s\n", title);
        for (const char *p = title; *p; p++)
                putchar('-');
        putchar('\n');
        if (words)
                cli_wrap(stdout, words, 0, 0);
}

static const json_t *list_of(const json_t *o, const char *name, const char *none)
{
        const json_t *list = json_object_get(json_object_get(o, name), "list");

        if (json_array_size(list) == 0)
                puts(none);
        return list;
}

static void print_more(const json_t *list, const json_t *of)
{
        long long more = (long long)cli_int(of, "not_listed") +
                         (long long)(json_array_size(list) > ROWS ? json_array_size(list) - ROWS : 0);

        if (more > 0)
                printf("... and %lld more (--json has %s)\n", more, cli_int(of, "not_listed") ? "2000 of them" : "all");
}

static void print_trail(const json_t *data)
{
        const json_t *t = json_object_get(data, "trail"), *p = json_object_get(data, "period");
        char text[900], at[20];
        size_t i;
        json_t *note;

        head("1. The records, and whether they can be believed", NULL);
        snprintf(text, sizeof(text),
                 "Everything below is read from %.200s: %lld records, of which %lld are of this period. Each carries "
                 "the hash of the one before it.",
                 cli_text(t, "directory"), (long long)cli_int(t, "records"), (long long)cli_int(p, "records"));
        cli_wrap(stdout, text, 0, 0);
        if (json_is_true(json_object_get(t, "verifies")))
                snprintf(text, sizeof(text), "The trail verifies: no record was changed, removed or moved.");
        else
                snprintf(text, sizeof(text),
                         "THE TRAIL DOES NOT VERIFY (%s): %.400s What is behind that place is not read, and nothing "
                         "below is proof.",
                         cli_text(t, "verdict"), cli_text(t, "words"));
        cli_wrap(stdout, text, 0, 0);
        if (cli_int(t, "checkpoints"))
                snprintf(text, sizeof(text),
                         "From outside it is vouched for by %lld entries of the kernel's audit log, the last at record "
                         "%lld (%s UTC). What is newer is as safe as this host.",
                         (long long)cli_int(t, "checkpoints"), (long long)cli_int(t, "last_checkpoint"),
                         short_time(t, "last_checkpoint_at", at));
        else
                snprintf(text, sizeof(text),
                         "No entry of the audit log vouches for it from outside: it is as safe as this host.");
        cli_wrap(stdout, text, 0, 0);
        json_array_foreach(json_object_get(t, "notes"), i, note) cli_wrap(stdout, json_string_value(note), 0, 2);
}

static void print_coverage(const json_t *data)
{
        static const char *const title[] = {"HOURS",     "FILES",    "PROGRAMS",   "CONNECTIONS",
                                            "UNCOVERED", "LEARNING", "CONTAINERS", "WORKLOAD"};
        static const char *const keys[] = {"hours",           "files_hours",    "programs_hours", "connections_hours",
                                           "uncovered_hours", "learning_hours", "containers"};
        const json_t *cov = json_object_get(data, "coverage"), *list = json_object_get(cov, "workloads");
        struct cli_table *t;
        size_t i, k;

        head("2. What was watched",
             "Hours that containers ran under watch, and of these the hours in which changes of their files, programs "
             "and connections were seen. Uncovered: hours in which changes of files were not seen, or in which the "
             "agent did not run between two times that it watched the container. Learning: hours in which the "
             "workload was still being learned, so that only the gravest changes were told; this is what the agent "
             "says today, no record.");
        if (json_array_size(list) == 0) {
                puts("No record: no container was watched.");
                return;
        }
        t = cli_table_new(ARRAY_LEN(title), title);
        for (i = 0; i <= json_array_size(list); i++) {
                const json_t *o = i < json_array_size(list) ? json_array_get(list, i) : json_object_get(cov, "total");
                char n[ARRAY_LEN(keys)][24];
                const char *cells[ARRAY_LEN(title)];

                if (i >= ROWS && i < json_array_size(list))
                        continue;
                for (k = 0; k < ARRAY_LEN(keys); k++)
                        cells[k] = number(o, keys[k], n[k]);
                cells[k] = i < json_array_size(list) ? cli_text(o, "workload") : "(all)";
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        print_more(list, cov);
}

static void print_gaps(const json_t *data)
{
        const json_t *list;
        char a[20], b[20], text[500];
        size_t i;
        json_t *o;

        head("3. What was not watched, and what was lost", NULL);
        list = list_of(data, "gaps", "No record of a time in which the agent did not run.");
        json_array_foreach(list, i, o)
        {
                if (i >= ROWS)
                        break;
                snprintf(text, sizeof(text), "Not running from %s to %s (%.1f h): %s.", short_time(o, "from", a),
                         short_time(o, "to", b), json_number_value(json_object_get(o, "hours")), cli_text(o, "why"));
                cli_wrap(stdout, text, 0, 2);
        }
        print_more(list, json_object_get(data, "gaps"));
        list = list_of(data, "losses", "No record of an event that was lost.");
        json_array_foreach(list, i, o)
        {
                char n[24];

                if (i >= ROWS)
                        break;
                snprintf(text, sizeof(text), "Lost at %s: %s, %s (%.200s); record %lld.", short_time(o, "time", a),
                         cli_text(o, "source"), number(o, "count", n), cli_text(o, "what"),
                         (long long)cli_int(o, "record"));
                cli_wrap(stdout, text, 0, 2);
        }
        print_more(list, json_object_get(data, "losses"));
}

static void print_findings(const json_t *data)
{
        static const char *const title[] = {"FINDING", "OPENED", "HOURS", "VERDICT", "DECIDED BY", "RECORD", "WHAT"};
        const json_t *f = json_object_get(data, "findings"), *list;
        struct cli_table *t;
        char text[400], n[2][24];
        size_t i;
        json_t *o;

        head("4. Findings, and what was decided", NULL);
        snprintf(text, sizeof(text),
                 "%lld opened, %lld decided, %lld closed; %lld neither decided nor closed yet. Hours from opening to "
                 "the "
                 "decision: %s in the middle, %s at most.",
                 (long long)cli_int(f, "opened"), (long long)cli_int(f, "decided"), (long long)cli_int(f, "closed"),
                 (long long)cli_int(f, "undecided"), number(f, "hours_to_decision_median", n[0]),
                 number(f, "hours_to_decision_longest", n[1]));
        cli_wrap(stdout, text, 0, 0);
        list = list_of(data, "findings", "No record of a finding.");
        if (json_array_size(list) == 0)
                return;
        t = cli_table_new(ARRAY_LEN(title), title);
        json_array_foreach(list, i, o)
        {
                char at[20], by[48], hours[24], record[24];
                const char *const cells[] = {cli_text(o, "id"),
                                             short_time(o, "opened", at),
                                             number(o, "hours_to_decision", hours),
                                             *cli_text(o, "verdict") ? cli_text(o, "verdict") : "-",
                                             who(json_object_get(o, "decided_by"), by),
                                             number(o, "opened_record", record),
                                             text};

                if (i >= ROWS)
                        break;
                snprintf(text, sizeof(text), "%.60s: %.200s", cli_text(o, "workload"),
                         *cli_text(o, "subject") ? cli_text(o, "subject") : cli_text(o, "type"));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        print_more(list, f);
}

/* What of a request a person wants to know. */
static void put_request(const json_t *request, char *dst, size_t size)
{
        const char *key;
        json_t *v;
        size_t n = 0;

        dst[0] = '\0';
        json_object_foreach((json_t *)(uintptr_t)request, key, v)
        {
                char *dumped = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

                n += (size_t)snprintf(dst + n, size - n, "%s%s %.120s", n ? ", " : "", key,
                                      dumped              ? dumped
                                      : json_is_string(v) ? json_string_value(v)
                                                          : "");
                free(dumped);
                if (n >= size)
                        return;
        }
}

static void print_commands(const json_t *data, const char *name, const char *none)
{
        const json_t *list = list_of(data, name, none);
        char at[20], by[48], request[500], text[1200];
        size_t i;
        json_t *o;

        json_array_foreach(list, i, o)
        {
                if (i >= ROWS)
                        break;
                put_request(json_object_get(o, "request"), request, sizeof(request));
                snprintf(text, sizeof(text), "%s  %s: %.400s; by %s; reason: %.200s; %s%s%.150s (record %lld)",
                         short_time(o, "time", at), cli_text(o, "command"), request, who(json_object_get(o, "who"), by),
                         *cli_text(o, "reason") ? cli_text(o, "reason") : "none given", cli_text(o, "outcome"),
                         *cli_text(o, "error") ? ": " : "", cli_text(o, "error"), (long long)cli_int(o, "record"));
                cli_wrap(stdout, text, 0, 4);
        }
        print_more(list, json_object_get(data, name));
}

static void print_rules(const json_t *data)
{
        const json_t *rules = json_object_get(data, "rules_now");
        char text[900], at[20];
        size_t i;
        json_t *o;

        if (!json_is_array(rules)) {
                puts("Which exceptions are in force now is not known: the agent does not run.");
                return;
        }
        printf("In force now, as the agent says (no record of this period): %zu.\n", json_array_size(rules));
        json_array_foreach(rules, i, o)
        {
                if (i >= ROWS)
                        break;
                snprintf(text, sizeof(text), "%s  %.300s; until %s; reason: %.300s", cli_text(o, "id"),
                         cli_text(o, "text"), short_time(o, "until", at), cli_text(o, "reason"));
                cli_wrap(stdout, text, 0, 4);
        }
}

static void print_done(const json_t *data)
{
        const json_t *list = json_object_get(json_object_get(data, "done"), "list");
        size_t i;
        json_t *o;

        json_array_foreach(list, i, o)
        {
                char at[20], text[700], *says = json_dumps(json_object_get(o, "says"), JSON_ENCODE_ANY | JSON_COMPACT);

                if (i < ROWS) {
                        snprintf(text, sizeof(text), "%s  %s: container %.12s: %.400s (record %lld)",
                                 short_time(o, "time", at), cli_text(o, "kind"),
                                 *cli_text(o, "container") ? cli_text(o, "container") : "-", says ? says : "",
                                 (long long)cli_int(o, "record"));
                        cli_wrap(stdout, text, 0, 4);
                }
                free(says);
        }
        print_more(list, json_object_get(data, "done"));
}

static void print_configuration(const json_t *data)
{
        const json_t *list;
        char at[20], text[900];
        size_t i;
        json_t *o;

        head("7. Changes of the agent's configuration", NULL);
        list = list_of(data, "configuration", "No record of one.");
        json_array_foreach(list, i, o)
        {
                if (i >= ROWS)
                        break;
                snprintf(text, sizeof(text), "%s  %.80s: %.200s, was %.200s (record %lld)", short_time(o, "time", at),
                         cli_text(o, "option"),
                         json_is_string(json_object_get(o, "new")) ? cli_text(o, "new") : "(gone)",
                         json_is_string(json_object_get(o, "old")) ? cli_text(o, "old") : "(none)",
                         (long long)cli_int(o, "record"));
                cli_wrap(stdout, text, 0, 4);
        }
        print_more(list, json_object_get(data, "configuration"));
}

static void print_refused(const json_t *data)
{
        const json_t *list;
        char at[20], by[48], text[500];
        size_t i;
        json_t *o;

        head("8. Attempts that were refused", NULL);
        list = list_of(data, "refused", "No record of one.");
        json_array_foreach(list, i, o)
        {
                if (i >= ROWS)
                        break;
                snprintf(text, sizeof(text), "%s  by %s: %.300s (record %lld)", short_time(o, "time", at),
                         who(json_object_get(o, "who"), by), cli_text(o, "request"), (long long)cli_int(o, "record"));
                cli_wrap(stdout, text, 0, 4);
        }
        print_more(list, json_object_get(data, "refused"));
}

static void print_control(const json_t *o)
{
        long long records = (long long)cli_int(o, "records");
        char text[700], list[160] = "";
        size_t k, len = 0;
        json_t *n;

        snprintf(text, sizeof(text), "%s %s: %s.", cli_text(o, "standard"), cli_text(o, "control"),
                 cli_text(o, "asks"));
        cli_wrap(stdout, text, 0, 2);
        json_array_foreach(json_object_get(o, "first"), k, n) len += (size_t)snprintf(
                list + len, sizeof(list) - len, "%s%lld", k ? ", " : "", (long long)json_integer_value(n));
        if (records)
                snprintf(text, sizeof(text), "%lld record%s (%s%s): %s. %s", records, records == 1 ? "" : "s", list,
                         records > (long long)k ? ", …" : "", cli_text(o, "shown_by"), cli_text(o, "says"));
        else
                snprintf(text, sizeof(text), "%s (%s)", cli_text(o, "says"), cli_text(o, "shown_by"));
        fputs("    ", stdout);
        cli_wrap(stdout, text, 4, 4);
}

static void print_controls(const json_t *data)
{
        size_t i;
        json_t *o;

        head("9. Controls", "Each control counts records of this period, and names the first ones by their numbers "
                            "(tidemark trail show "
                            "prints them). What a control asks is put in our words; whether this is enough is for the "
                            "auditor to say.");
        json_array_foreach(json_object_get(data, "controls"), i, o) print_control(o);
}

static void print(const json_t *data)
{
        const json_t *p = json_object_get(data, "period");
        char from[20], to[20], begins[20];

        printf("Tidemark: what the records of host %s show\nPeriod: %s to %s (UTC, as all times here)\n",
               cli_text(data, "host"), short_time(p, "from", from), short_time(p, "to", to));
        puts("Tidemark watches containers of this host, and tells when one does what its image and its past do\n"
             "not explain: a finding.");
        if (strcmp(cli_text(p, "trail_begins"), cli_text(p, "from")) > 0)
                printf("The records begin at %s: of the time before that nothing is shown.\n",
                       short_time(p, "trail_begins", begins));
        print_trail(data);
        print_coverage(data);
        print_gaps(data);
        print_findings(data);
        head("5. Exceptions, and what was approved", NULL);
        print_commands(data, "exceptions", "No record of an exception that was made or ended.");
        print_rules(data);
        print_commands(data, "approvals", "No record of an approval.");
        head("6. Acts: containment, evidence, and others", NULL);
        print_commands(data, "acts", "No record of an act that somebody asked for.");
        print_done(data);
        print_configuration(data);
        print_refused(data);
        print_controls(data);
}

/* ---- the command ---- */

static json_t *make(const struct cli *c, struct audit_report *rd, const struct trail_verdict *v)
{
        json_t *baselines = rd->running ? ask(c, "baseline.list") : NULL, *o;
        char host[256] = "";

        rd->chain.whole = v->wrong == TRAIL_WHOLE;
        rd->chain.checkpoints = v->checkpoints;
        o = audited_json(rd->audited, &rd->chain, baselines);
        json_decref(baselines);
        if (!o)
                return NULL;
        gethostname(host, sizeof(host) - 1);
        json_object_set_new(o, "host", json_string(host));
        json_object_set_new(o, "trail", verdict_json(rd->place.dir, v, rd->notes));
        json_object_set_new(o, "rules_now", rd->running ? rules_now(c, rd->running) : json_null());
        return o;
}

/* Again, where the last record was just being written. */
static int read_trail(struct audit_report *rd, struct trail_verdict *ret)
{
        struct trail_checkpoints cs = {0};
        int r = 0;

        read_checkpoints(rd, &cs);
        for (int i = 0; r == 0 && i < TRAIL_UNFINISHED_TRIES && (i == 0 || ret->wrong == TRAIL_UNFINISHED); i++) {
                if (i)
                        poll(NULL, 0, TRAIL_UNFINISHED_MS);
                audited_free(rd->audited);
                rd->audited = audited_new(rd->from, rd->to, clock_wall_ns(), rd->running);
                rd->chain = (struct audited_chain){0};
                r = rd->audited ? trail_verify(rd->place.dir, &cs, on_record, rd, ret) : -ENOMEM;
        }
        trail_checkpoints_release(&cs);
        return r;
}

static int read_and_print(struct cli *c, struct audit_report *rd)
{
        struct trail_verdict v = {0};
        json_t *data;
        int r = read_trail(rd, &v);

        if (r < 0)
                return trail_place_unreadable(&rd->place, r);
        data = make(c, rd, &v);
        if (!data) {
                fprintf(stderr, "tidemark: out of memory\n");
                return CLI_FAILED;
        }
        r = CLI_DONE;
        if (c->json)
                r = cli_print_json(data);
        else
                print(data);
        json_decref(data);
        return r == CLI_DONE && v.wrong != TRAIL_WHOLE ? CLI_FOUND : r;
}

int cli_report_audit(struct cli *c)
{
        const char *config = NULL, *state_dir = NULL;
        struct audit_report rd = {.log = TRAIL_AUDIT_LOG};
        bool audit = false;
        const struct cli_option options[] = {{"--audit", .flag = &audit},
                                             {"--config", .value = &config},
                                             {"--state-dir", .value = &state_dir},
                                             {"--audit-log", .value = &rd.log}};
        json_t *alive;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2 || !read_time(c->argv[1], false, &rd.from) || !read_time(c->argv[2], true, &rd.to))
                return cli_usage("report --audit takes two times, such as 2026-10-01 2026-12-31, \"2026-10-01 06:00\", "
                                 "90d (ago) or now");
        if (rd.from >= rd.to)
                return cli_usage("report --audit: %s is not before %s", c->argv[1], c->argv[2]);
        r = trail_place_find(config, state_dir, &rd.place);
        if (r != CLI_DONE)
                return r;
        alive = ask(c, "status"); /* says itself why not */
        rd.running = alive != NULL;
        rd.notes = json_array();
        r = rd.notes ? read_and_print(c, &rd) : CLI_FAILED;
        json_decref(alive);
        json_decref(rd.notes);
        audited_free(rd.audited);
        return r;
}
