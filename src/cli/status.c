/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark status: is it watching, what, and what did it miss? */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

static void print_sensors(const json_t *data)
{
        static const char *const head[] = {"SENSOR", "STATE", "DELIVERED", "LOST", "REPAIRED"};
        struct cli_table *t = cli_table_new(ARRAY_LEN(head), head);
        size_t i;
        json_t *o;

        json_array_foreach(json_object_get(data, "sensors"), i, o)
        {
                char n[3][32];
                const char *const cells[] = {cli_text(o, "name"), cli_text(o, "state"), n[0], n[1], n[2]};

                snprintf(n[0], sizeof(n[0]), "%lld", (long long)cli_int(o, "delivered"));
                snprintf(n[1], sizeof(n[1]), "%lld", (long long)cli_int(o, "lost"));
                snprintf(n[2], sizeof(n[2]), "%lld", (long long)cli_int(o, "repaired"));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
}

static void print_containers(const json_t *data)
{
        static const char *const head[] = {"CONTAINER", "NAME", "RUNTIME", "IMAGE", "COVERAGE"};
        struct cli_table *t;
        size_t i;
        json_t *o;

        if (json_array_size(json_object_get(data, "containers")) == 0) {
                puts("No container runs.");
                return;
        }
        t = cli_table_new(ARRAY_LEN(head), head);
        json_array_foreach(json_object_get(data, "containers"), i, o)
        {
                char id[13];
                const char *const cells[] = {id, cli_text(o, "name"), cli_text(o, "runtime"), cli_text(o, "image"),
                                             cli_text(o, "coverage")};

                snprintf(id, sizeof(id), "%.12s", cli_text(o, "id"));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
}

/* Of late: the totals are in the table. */
static void print_losses(const json_t *data)
{
        size_t i;
        json_t *o;

        if (json_array_size(json_object_get(data, "losses")))
                puts("\nLost of late, and repaired by walks and scans as far as it left a trace:");
        json_array_foreach(json_object_get(data, "losses"), i, o)
        {
                fputs("  ", stdout);
                cli_wrap(stdout, cli_text(o, "what"), 2, 4);
        }
}

/* Records of images: only where there are any. */
static void print_records(const json_t *data)
{
        const json_t *k = json_object_get(data, "records");

        if (cli_int(k, "documents") == 0)
                return;
        printf("Records of images: %lld; images that no container had yet: %lld", (long long)cli_int(k, "documents"),
               (long long)cli_int(k, "waiting"));
        if (cli_int(k, "dropped") || cli_int(k, "refused"))
                printf("; beyond limits.records: %lld",
                       (long long)cli_int(k, "dropped") + (long long)cli_int(k, "refused"));
        puts(".");
}

static void print_bounds(const json_t *data)
{
        long long walks = (long long)cli_int(json_object_get(data, "repair"), "walks_incomplete");
        long long names = (long long)cli_int(json_object_get(data, "index"), "refused");
        long long scripts = (long long)cli_int(json_object_get(data, "index"), "scripts_unknown");

        if (walks)
                printf("Walks that were incomplete: %lld (files.walk_entries, files.walk_deadline).\n", walks);
        if (names)
                printf("Names that were not remembered, and are told by each walk again: %lld (files.index).\n", names);
        if (scripts)
                printf("Interpreters that ran what nobody knows, as their arguments were not read: %lld.\n", scripts);
}

/* Evidence: how much there is, what is being taken, what went wrong last. */
static void print_evidence(const json_t *data)
{
        const json_t *ev = json_object_get(data, "evidence"), *last = json_object_get(ev, "last_failure");
        size_t busy = json_array_size(json_object_get(ev, "under_way"));
        char text[600];

        if (!ev)
                return;
        printf("Evidence: %lld piece%s, %.1f MiB of %lld MiB", (long long)cli_int(ev, "pieces"),
               cli_int(ev, "pieces") == 1 ? "" : "s", (double)cli_int(ev, "bytes") / 1048576,
               (long long)cli_int(ev, "keep_size") >> 20);
        if (busy)
                printf("; being taken: %zu", busy);
        if (cli_int(ev, "failed"))
                printf("; failed: %lld", (long long)cli_int(ev, "failed"));
        puts(".");
        if (*cli_text(last, "words")) {
                snprintf(text, sizeof(text), "the last failure, %s: %s", cli_text(last, "time"),
                         cli_text(last, "words"));
                fputs("  ", stdout);
                cli_wrap(stdout, text, 2, 4);
        }
        if (*cli_text(ev, "problem")) {
                fputs("  ", stdout);
                cli_wrap(stdout, cli_text(ev, "problem"), 2, 4);
        }
}

/* The interval between a container's first act and our marks: what was done in it is found by the first walk only. */
/* Images: how many are known, and the first one that is not, with its reason. */
static void print_images(const json_t *data)
{
        const json_t *im = json_object_get(data, "images"), *worker = json_object_get(data, "image_worker");
        const json_t *first = json_array_get(json_object_get(im, "not_complete"), 0);
        char text[1024];
        bool off;

        if (!im)
                return;
        printf("Images: %lld known whole, %lld in part, %lld could not be read, %lld waiting",
               (long long)cli_int(im, "complete"), (long long)cli_int(im, "partial"), (long long)cli_int(im, "failed"),
               (long long)(cli_int(worker, "waiting") + json_is_true(json_object_get(worker, "reading"))));
        off = worker && json_is_false(json_object_get(worker, "on"));
        puts(off ? "; reading is switched off or not installed." : ".");
        if (!first)
                return;
        snprintf(text, sizeof(text), "%.19s: %s (tidemark image list)", cli_text(first, "digest"),
                 cli_text(first, "words"));
        fputs("  ", stdout);
        cli_wrap(stdout, text, 2, 4);
}

static void print_unobserved(const json_t *u)
{
        if (cli_int(u, "started") == 0)
                return;
        printf("Containers started since: %lld; before their marks stood: %.1f ms on average, %.1f ms at most",
               (long long)cli_int(u, "started"), json_number_value(json_object_get(u, "mean_ms")),
               json_number_value(json_object_get(u, "longest_ms")));
        if (cli_int(u, "ended_before_marks"))
                printf("; %lld ended before that", (long long)cli_int(u, "ended_before_marks"));
        puts(".");
}

/* network: of that dimension alone, where anything was told of it; else of the others. */
static bool is_learning(const json_t *workload, bool network)
{
        size_t i;
        json_t *d;

        json_array_foreach(json_object_get(workload, "dimensions"), i, d)
        {
                bool net = strcmp(cli_text(d, "dimension"), "network") == 0;

                if (net == network && strcmp(cli_text(d, "state"), "learning") == 0 &&
                    (!net || cli_int(d, "windows") > 0))
                        return true;
        }
        return false;
}

static void print_learning(const json_t *data)
{
        size_t i, learning = 0, network = 0;
        json_t *w;

        json_array_foreach(json_object_get(data, "workloads"), i, w)
        {
                learning += is_learning(w, false);
                network += !is_learning(w, false) && is_learning(w, true);
        }
        if (learning)
                printf("%zu workload%s not judged yet; only what is never learned silently raises now (tidemark "
                       "baseline list)\n\n",
                       learning, learning == 1 ? "" : "s");
        if (network)
                printf("Of %zu workload%s it is still learned whom %s (tidemark baseline list)\n\n", network,
                       network == 1 ? "" : "s", network == 1 ? "it calls" : "they call");
}

/* What of ours stands in network namespaces, what it costs, and how to have it otherwise: DESIGN 1, no surprise. */
static void print_tables(const json_t *network)
{
        const json_t *of = json_object_get(network, "namespaces");
        long long watched = (long long)cli_int(of, "watched"), refused = (long long)cli_int(of, "refused"),
                  withdrawn = (long long)cli_int(of, "withdrawn"), tables = (long long)cli_int(of, "tables");
        char text[640];
        int n;

        if (watched + refused + withdrawn + tables == 0)
                return;
        n = snprintf(text, sizeof(text),
                     "Network namespaces: %lld hold our nftables table (%s), which switches conntrack on there: %lld "
                     "entries now, and some microseconds a connection. network.scope = \"host\" or \"off\", for all or "
                     "by workload, has it otherwise; tidemark probe prints what removes every trace.",
                     tables, cli_text(network, "table"), (long long)cli_int(of, "conntrack_entries"));
        if (refused && n > 0 && (size_t)n < sizeof(text))
                n += snprintf(text + n, sizeof(text) - (size_t)n, " %lld could not be watched (see the log).", refused);
        if (withdrawn && n > 0 && (size_t)n < sizeof(text))
                snprintf(text + n, sizeof(text) - (size_t)n,
                         " From %lld it was taken away, so that conntrack's table is not filled (network.guard).",
                         withdrawn);
        cli_wrap(stdout, text, 0, 2);
}

/* Rules in force, what they keep from the queue, and which of them end soon. */
/* By which criteria findings are judged, and when these are to be looked at again. */
static void print_playbook(const json_t *p)
{
        long long days = (long long)cli_int(p, "days");
        char text[500], due[80];

        if (!json_is_object(p))
                return;
        if (days < 0)
                snprintf(due, sizeof(due), "was due on %s, %lld days ago", cli_text(p, "review"), -days);
        else
                snprintf(due, sizeof(due), "is due on %s, in %lld days", cli_text(p, "review"), days);
        snprintf(text, sizeof(text), "Playbook: version %s, %lld criteria, owner %s; its review %s.",
                 cli_text(p, "version"), (long long)cli_int(p, "criteria"), cli_text(p, "owner"), due);
        cli_wrap(stdout, text, 0, 0);
}

static void print_rules(const json_t *rules)
{
        long long allow = (long long)cli_int(rules, "allow"), suppress = (long long)cli_int(rules, "suppress");
        char text[700];
        size_t i;
        json_t *r;

        if (allow + suppress == 0)
                return;
        snprintf(text, sizeof(text),
                 "Rules: %lld allow (acts hidden: %lld), %lld suppress (acts hidden: %lld, findings shown all the "
                 "same: %lld).",
                 allow, (long long)cli_int(rules, "hidden_by_allow"), suppress,
                 (long long)cli_int(rules, "hidden_by_suppress"), (long long)cli_int(rules, "broke_through"));
        cli_wrap(stdout, text, 0, 2);
        json_array_foreach(json_object_get(rules, "ending"), i, r)
        {
                snprintf(text, sizeof(text), "  %s ends at %.16s: %.500s", cli_text(r, "id"), cli_text(r, "until"),
                         cli_text(r, "text"));
                cli_wrap(stdout, text, 0, 4);
        }
}

/* Whose connections reach us, and how well they are known. */
static void print_flows(const json_t *n)
{
        const json_t *names = json_object_get(n, "names"), *share = json_object_get(n, "process_known_share");

        if (cli_int(n, "outbound") + cli_int(n, "inbound") + cli_int(n, "listeners") == 0)
                return;
        printf("Connections: %lld outbound (%lld to name servers, %lld led to by a name), %lld inbound",
               (long long)cli_int(n, "outbound"), (long long)cli_int(n, "resolver"), (long long)cli_int(n, "named"),
               (long long)cli_int(n, "inbound"));
        if (json_is_number(share))
                printf("; process known: %.1f%%", 100 * json_number_value(share));
        printf(".\nNames: %lld known, %lld answers; %lld that do not count (unasked, foreign, malformed, "
               "doubted), %lld refused.\n",
               (long long)cli_int(names, "kept"), (long long)cli_int(names, "answered"),
               (long long)(cli_int(names, "unasked") + cli_int(names, "foreign") + cli_int(names, "malformed") +
                           cli_int(names, "doubted")),
               (long long)cli_int(names, "refused"));
}

/* Where it is not as it should be whom containers may ask for names. */
static void print_name_servers(const json_t *n)
{
        long long unknown = (long long)cli_int(n, "unknown"), changed = (long long)cli_int(n, "changed");
        char text[400];

        if (unknown) {
                snprintf(text, sizeof(text),
                         "Name servers: of %lld container%s no /etc/resolv.conf of the runtime was found: whatever "
                         "server is asked from %s network namespace%s, what it answers counts.",
                         unknown, unknown == 1 ? "" : "s", unknown == 1 ? "its" : "their", unknown == 1 ? "" : "s");
                cli_wrap(stdout, text, 0, 2);
        }
        if (changed) {
                snprintf(text, sizeof(text),
                         "Name servers: in %lld container%s /etc/resolv.conf has come to name others, for which "
                         "nothing outside of the container vouches: what they answer counts as foreign.",
                         changed, changed == 1 ? "" : "s");
                cli_wrap(stdout, text, 0, 2);
        }
}

/* What an auditor will find there, and what he will not. */
static void print_trail(const json_t *trail)
{
        if (json_is_true(json_object_get(trail, "writing")))
                printf("Trail: record %lld; ", (long long)cli_int(trail, "head"));
        else if (trail)
                printf("Trail: CANNOT BE WRITTEN (%s): %lld records wait in memory; ", cli_text(trail, "why"),
                       (long long)cli_int(trail, "late"));
        else
                return;
        if (cli_int(trail, "unwritten"))
                printf("%lld ARE MISSING; ", (long long)cli_int(trail, "unwritten"));
        if (cli_int(trail, "checkpoint"))
                printf("last checkpoint known to be in the audit log: of record %lld.\n",
                       (long long)cli_int(trail, "checkpoint"));
        else
                puts("no checkpoint of it is known to be in the audit log.");
}

static void print_audit_log(const json_t *log)
{
        long long missed = (long long)(cli_int(log, "failed") + cli_int(log, "refused"));
        char text[500];
        size_t n;

        if (!log)
                return;
        snprintf(text, sizeof(text), "Audit log: %.150s; %lld records written", cli_text(log, "state"),
                 (long long)cli_int(log, "written"));
        n = strlen(text);
        if (cli_int(log, "not_kept"))
                n += (size_t)snprintf(text + n, sizeof(text) - n, ", %lld while audit was switched off",
                                      (long long)cli_int(log, "not_kept"));
        if (missed)
                n += (size_t)snprintf(text + n, sizeof(text) - n, ", %lld not", missed);
        if (cli_int(log, "withheld"))
                snprintf(text + n, sizeof(text) - n, ", %lld withheld in storms", (long long)cli_int(log, "withheld"));
        strcat(text, ".");
        cli_wrap(stdout, text, 0, 2);
}

/* One line; 1 where something is wrong. */
static int check(struct cli *c, const json_t *data)
{
        const json_t *o = json_object_get(data, "check");
        bool ok = json_is_true(json_object_get(o, "ok"));
        size_t i;
        json_t *v;

        if (c->json) {
                int r = cli_print_json(o);

                return r != CLI_DONE || ok ? r : CLI_FOUND;
        }
        fputs(ok ? "ok" : "not as it should be: ", stdout);
        json_array_foreach(json_object_get(o, "problems"), i, v)
        {
                fputs(i ? "; " : "", stdout);
                cli_put(stdout, json_string_value(v), 400);
        }
        putchar('\n');
        return ok ? CLI_DONE : CLI_FOUND;
}

/* Where nothing is recorded for tune any more, and that is nobody's wish. */
static void print_ring(const json_t *ring)
{
        char text[300];

        if (strcmp(cli_text(ring, "state"), "ended") != 0)
                return;
        snprintf(text, sizeof(text),
                 "Recordings for tidemark tune have ended until the next start: %.150s (record.ring_size).",
                 cli_text(ring, "error"));
        cli_wrap(stdout, text, 0, 2);
}

int cli_status(struct cli *c)
{
        bool only_check = false;
        const struct cli_option options[] = {{"--check", NULL, &only_check}};
        json_t *data = NULL, *memory, *findings, *secrets;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("status takes no operand");
        r = cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", "status"), &data);
        if (r != CLI_DONE)
                return r;
        if (only_check) {
                r = check(c, data);
                json_decref(data);
                return r;
        }
        if (c->json) {
                r = cli_print_json(data);
                json_decref(data);
                return r;
        }
        print_learning(data);
        print_sensors(data);
        print_losses(data);
        putchar('\n');
        print_containers(data);
        print_bounds(data);
        findings = json_object_get(data, "findings");
        memory = json_object_get(data, "memory");
        printf("\nFindings: %lld open, %lld below the show threshold. Workloads: %zu.\n",
               (long long)cli_int(findings, "open"), (long long)cli_int(findings, "below_show"),
               json_array_size(json_object_get(data, "workloads")));
        print_images(data);
        print_records(data);
        print_evidence(data);
        print_unobserved(json_object_get(data, "unobserved"));
        print_tables(json_object_get(data, "network"));
        print_rules(json_object_get(data, "rules"));
        print_playbook(json_object_get(data, "playbook"));
        print_flows(json_object_get(data, "flows"));
        print_name_servers(json_object_get(data, "name_servers"));
        print_ring(json_object_get(data, "ring"));
        print_audit_log(json_object_get(data, "audit_log"));
        print_trail(json_object_get(data, "trail"));
        if (cli_int(data, "not_identified"))
                printf("Not watched: programs in %lld namespaces that no container's id belongs to (builds, rootless "
                       "containers on cgroup v1).\n",
                       (long long)cli_int(data, "not_identified"));
        secrets = json_object_get(data, "secrets");
        if (json_is_true(json_object_get(secrets, "masking")))
                printf("Secrets masked: %lld.\n", (long long)cli_int(secrets, "masked"));
        else
                puts("Secrets are not masked (secrets.mask).");
        printf("Memory (proportional): sensor %lld KiB, its helpers %lld KiB, engine %lld KiB.\n",
               (long long)cli_int(memory, "sensor_pss_kib"), (long long)cli_int(memory, "helpers_pss_kib"),
               (long long)cli_int(memory, "engine_pss_kib"));
        json_decref(data);
        return CLI_DONE;
}
