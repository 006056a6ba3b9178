/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark trail: the trail's files, read here and now: root, or a member of control.group, needs no daemon for it.
 *
 * Owns: which records are shown, and the words of a verdict. Must not: write. Hands over: to act/trail_read.c, which
 * follows the chain.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli-priv.h"
#include "cli/trail-priv.h"
#include "cli/when-priv.h"
#include "tidemark/buf.h"
#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/trail.h"
#include "tidemark/when.h"

#define ROTATED_MAX 999
#define IDS_MAX 256u /* containers that had one name */
#define ID_SHORT 12u /* digits of an id that people copy */
#define NO_LOGIN UINT32_MAX

int trail_place_find(const char *config, const char *state_dir, struct trail_place *ret)
{
        struct cfg_mistakes ms = {0};
        struct cfg *cfg = calloc(1, sizeof(*cfg));
        int r = cfg ? CLI_DONE : CLI_FAILED;

        if (cfg && !state_dir) {
                cfg_default(cfg);
                if (cfg_load(config ? config : cfg_default_path(), cfg, &ms) < 0) {
                        cfg_mistakes_print(&ms, stderr);
                        fputs("tidemark: where the trail is stands in the configuration: mend that, or give "
                              "--state-dir\n",
                              stderr);
                        r = CLI_FAILED;
                }
                cfg_mistakes_release(&ms);
        }
        if (r == CLI_DONE) {
                snprintf(ret->state, sizeof(ret->state), "%s", state_dir ? state_dir : cfg->state_dir);
                snprintf(ret->dir, sizeof(ret->dir), "%s/trail", ret->state);
        }
        free(cfg);
        return r;
}

int trail_place_unreadable(const struct trail_place *p, int err)
{
        fprintf(stderr, "tidemark: the trail in %s cannot be read: %s%s\n", p->dir, err_str(err),
                err == -EACCES   ? "; root and the group of control.group (tidemark) may"
                : err == -ENOENT ? "; name the daemon's state directory with --state-dir"
                                 : "");
        return CLI_FAILED;
}

/* ---- show ---- */

struct showing {
        const struct cli *c;
        const char *kind, *container, *finding;
        uint64_t finding_id;
        int64_t since_ns, until_ns; /* 0: not bounded */
        uint64_t shown;
        char ids[IDS_MAX][65]; /* of containers that were called as was asked for */
        size_t nids;
};

static bool is_of_container(const struct showing *s, const struct trail_record *r)
{
        bool by_id = s->nids == 0 || strlen(s->container) >= ID_SHORT; /* "db" is a name, where one has it */

        if (by_id && strncmp(r->container, s->container, strlen(s->container)) == 0 && r->container[0])
                return true;
        for (size_t i = 0; i < s->nids; i++)
                if (strcmp(s->ids[i], r->container) == 0)
                        return true;
        return false;
}

static bool is_wanted(const struct showing *s, const struct trail_record *r)
{
        if (s->kind && strcmp(s->kind, r->kind) != 0)
                return false;
        if (s->finding && r->finding != s->finding_id)
                return false;
        if ((s->since_ns && r->wall_ns < s->since_ns) || (s->until_ns && r->wall_ns > s->until_ns))
                return false;
        return !s->container || is_of_container(s, r);
}

static void print_who(const struct trail_record *r)
{
        if (r->pid == 0 && r->uid == 0 && strcmp(r->source, "operator") != 0 && !r->comm[0])
                return;
        printf("  by user %u", r->uid);
        if (r->login_uid != NO_LOGIN)
                printf(", login %u,", r->login_uid);
        printf(" ");
        cli_put(stdout, r->comm[0] ? r->comm : "process", 16);
        printf("[%u]", r->pid);
}

/* Text is given as it was, so it is escaped here. */
static void print_text(const struct trail_record *r)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 4 * TRAIL_TEXT_MAX + 64);
        str_escape(r->text, &b);
        if (r->text.len == 0)
                return;
        fputs("        ", stdout);
        cli_wrap(stdout, buf_cstr(&b), 8, 8);
}

static void print_record(const struct cli *c, const struct trail_record *r)
{
        cli_colour(c, stdout, CLI_BOLD);
        printf("%6" PRIu64 "  ", r->n);
        cli_put(stdout, r->time, 24);
        fputs("  ", stdout);
        cli_put(stdout, r->kind, TRAIL_KIND_MAX);
        cli_colour(c, stdout, CLI_PLAIN);
        if (r->source[0] && strcmp(r->source, "agent") != 0) {
                fputs(", ", stdout);
                cli_put(stdout, r->source, 16);
        }
        if (r->command)
                printf("  command %" PRIu64, r->command);
        print_who(r);
        if (r->container[0]) {
                fputs("  container ", stdout);
                cli_put(stdout, r->container, strlen(r->container) == 64 ? 67 : 64);
        }
        if (r->finding)
                printf("  F-%" PRIu64, r->finding);
        fputs(r->late ? "  late\n" : "\n", stdout);
        print_text(r);
}

static int on_record(const struct trail_record *r, void *arg)
{
        struct showing *s = arg;

        if (!is_wanted(s, r))
                return 0;
        if (s->c->json)
                printf("%s%.*s", s->shown ? ",\n" : "", (int)r->raw.len, (const char *)r->raw.p);
        else
                print_record(s->c, r);
        s->shown++;
        return ferror(stdout) ? -EIO : 0;
}

/* Which containers had that name: the engine's word of them. */
static int on_identity(const struct trail_record *r, void *arg)
{
        struct showing *s = arg;
        json_t *o;

        if (strcmp(r->kind, "identified") != 0 || s->nids == IDS_MAX || strlen(r->container) >= sizeof(s->ids[0]))
                return 0;
        for (size_t i = 0; i < s->nids; i++) /* each start identifies it anew */
                if (strcmp(s->ids[i], r->container) == 0)
                        return 0;
        o = json_loadb((const char *)r->text.p, r->text.len, 0, NULL);
        if (strcmp(cli_text(o, "name"), s->container) == 0)
                strcpy(s->ids[s->nids++], r->container);
        json_decref(o);
        return 0;
}

/* A time, or how long ago. */
static int read_time(const char *option, const char *text, int64_t *ret_ns)
{
        const struct when_zone here = {.fixed = false};
        int64_t now = (int64_t)time(NULL), span, at;

        if (!text)
                return CLI_DONE;
        if (when_span(text, &span))
                at = now - span;
        else if (!when_time(text, &here, now, &at))
                return cli_usage("trail show: %s takes a time such as \"2026-12-24 06:00\", or how long ago, such as "
                                 "2h",
                                 option);
        *ret_ns = at * 1000000000;
        return CLI_DONE;
}

static void say_wrong(const struct trail_verdict *v)
{
        fprintf(stderr, "tidemark: the trail is wrong at record %" PRIu64 ": ", v->n);
        if (v->file[0])
                fprintf(stderr, "%s, line %" PRIu64 ": ", v->file, v->line);
        fprintf(stderr, "%s\n", v->words);
}

static int show_all(const struct cli *c, const struct trail_place *p, struct showing *s)
{
        struct trail_verdict v;
        int r = 0;

        if (s->container)
                r = trail_verify(p->dir, NULL, on_identity, s, &v);
        if (r == 0 && c->json)
                fputs("[", stdout);
        if (r == 0)
                r = trail_verify(p->dir, NULL, on_record, s, &v);
        if (r < 0)
                return trail_place_unreadable(p, r);
        if (c->json)
                fputs("]\n", stdout);
        if (!v.wrong)
                return CLI_DONE;
        fflush(stdout);
        say_wrong(&v);
        return CLI_FOUND;
}

static int show(struct cli *c, const struct trail_place *p, struct showing *s, const char *since, const char *until)
{
        unsigned long long n = 0;
        char rest;
        int r = read_time("--since", since, &s->since_ns);

        if (r == CLI_DONE)
                r = read_time("--until", until, &s->until_ns);
        if (r == CLI_DONE && s->finding && sscanf(s->finding, "F-%20llu%c", &n, &rest) != 1)
                r = cli_usage("trail show: --finding takes an id such as F-12");
        s->finding_id = n;
        return r == CLI_DONE ? show_all(c, p, s) : r;
}

/* ---- verify ---- */

int trail_place_checkpoints(const struct trail_place *p, const char *path, struct trail_checkpoints *cs)
{
        char instance[CFG_INSTANCE], name[512];
        int r;

        cfg_instance(p->state, instance);
        r = trail_checkpoints_read(path, instance, cs);
        for (int i = 1; i <= ROTATED_MAX; i++) {
                int one;

                snprintf(name, sizeof(name), "%s.%d", path, i);
                one = trail_checkpoints_read(name, instance, cs);
                if (one == -ENOENT)
                        break;
                if (one == 0 && r == -ENOENT) /* just rotated */
                        r = 0;
        }
        return r;
}

static void print_age(int64_t ns, char *dst, size_t size)
{
        long long s = ns / 1000000000;

        if (s < 120)
                snprintf(dst, size, "%lld s", s);
        else if (s < 7200)
                snprintf(dst, size, "%lld min", s / 60);
        else if (s < 172800)
                snprintf(dst, size, "%lld h", s / 3600);
        else
                snprintf(dst, size, "%lld days", s / 86400);
}

struct outside {
        const char *path;
        int err;
        int64_t age_ns;
};

static int print_json(const struct trail_place *p, const struct trail_verdict *v, const struct outside *o)
{
        const struct trail_checkpoint *last = &v->last_checkpoint;
        char from[CLOCK_TEXT], to[CLOCK_TEXT], at[CLOCK_TEXT];
        json_t *log = json_pack("{s:s,s:b,s:s,s:I}", "file", o->path, "read", o->err == 0, "why",
                                o->err ? err_str(o->err) : "", "checkpoints", (json_int_t)v->checkpoints);
        json_t *all;
        int r;

        if (last->n) {
                json_object_set_new(log, "last",
                                    json_pack("{s:I,s:s,s:s,s:I}", "n", (json_int_t)last->n, "hash", last->hash, "time",
                                              clock_rfc3339(last->wall_ns, at), "age_seconds",
                                              (json_int_t)(o->age_ns / 1000000000)));
        }
        json_object_set_new(log, "records_after", json_integer((json_int_t)(v->last - last->n)));
        all = json_pack("{s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:I,s:o}", "trail", p->dir, "whole", !v->wrong,
                        "result", trail_wrong_name(v->wrong), "records", (json_int_t)v->records, "files",
                        (json_int_t)v->files, "first", (json_int_t)v->first, "last", (json_int_t)v->last, "from",
                        clock_rfc3339(v->first_ns, from), "to", clock_rfc3339(v->last_ns, to), "head", v->head,
                        "removed_for_age", (json_int_t)v->removed, "audit_log", log);
        if (v->wrong)
                json_object_set_new(all, "wrong",
                                    json_pack("{s:I,s:s,s:I,s:s}", "n", (json_int_t)v->n, "file", v->file, "line",
                                              (json_int_t)v->line, "words", v->words));
        r = cli_print_json(all);
        json_decref(all);
        return r;
}

static void print_outside(const struct trail_verdict *v, const struct outside *o)
{
        const struct trail_checkpoint *last = &v->last_checkpoint;
        char text[400], at[CLOCK_TEXT], age[32];

        fputs("  ", stdout);
        if (o->err) {
                snprintf(
                        text, sizeof(text),
                        "the audit log %s cannot be read (%s): a cut end, and a chain that was made anew, would not be "
                        "seen; all of it is only as safe as this host",
                        o->path, err_str(o->err));
        } else if (!last->n) {
                snprintf(text, sizeof(text),
                         "no checkpoint of it stands in the audit log %s: a cut end, and a chain that was made anew, "
                         "would "
                         "not be seen; all of it is only as safe as this host",
                         o->path);
        } else {
                print_age(o->age_ns, age, sizeof(age));
                snprintf(text, sizeof(text),
                         "the last checkpoint in the audit log is of record %" PRIu64 ", %s, %s ago; the %" PRIu64
                         " record%s behind it %s only as safe as this host",
                         last->n, clock_rfc3339(last->wall_ns, at), age, v->last - last->n,
                         v->last - last->n == 1 ? "" : "s", v->last - last->n == 1 ? "is" : "are");
        }
        cli_wrap(stdout, text, 2, 2);
}

static void print_verdict(const struct cli *c, const struct trail_place *p, const struct trail_verdict *v,
                          const struct outside *o)
{
        char from[CLOCK_TEXT], to[CLOCK_TEXT];

        printf("The trail in %s: ", p->dir);
        cli_colour(c, stdout, v->wrong ? CLI_RED : CLI_GREEN);
        fputs(v->wrong ? "WRONG" : "whole", stdout);
        cli_colour(c, stdout, CLI_PLAIN);
        if (v->wrong) {
                printf(" at record %" PRIu64, v->n);
                if (v->file[0])
                        printf(" (%s, line %" PRIu64 ")", v->file, v->line);
                fputs("\n  ", stdout);
                cli_wrap(stdout, v->words, 2, 2);
        } else {
                putchar('\n');
        }
        if (v->records)
                printf("  %s %" PRIu64 " to %" PRIu64 " in %" PRIu64 " file%s, %s to %s\n",
                       v->wrong ? "what fits: records" : "records", v->first, v->last, v->files,
                       v->files == 1 ? "" : "s", clock_rfc3339(v->first_ns, from), clock_rfc3339(v->last_ns, to));
        if (v->removed)
                printf("  records 1 to %" PRIu64 " were removed for their age; a record names them\n", v->removed);
        if (v->records && !v->wrong)
                printf("  head: %s\n", v->head);
        print_outside(v, o);
}

static int verify(struct cli *c, const struct trail_place *p, const char *log)
{
        struct outside o = {.path = log ? log : TRAIL_AUDIT_LOG};
        struct trail_checkpoints cs = {0};
        struct trail_verdict v;
        int r;

        o.err = trail_place_checkpoints(p, o.path, &cs);
        r = trail_verify(p->dir, &cs, NULL, NULL, &v);
        for (int i = 0; r == 0 && v.wrong == TRAIL_UNFINISHED && i < TRAIL_UNFINISHED_TRIES; i++) {
                poll(NULL, 0, TRAIL_UNFINISHED_MS);
                r = trail_verify(p->dir, &cs, NULL, NULL, &v);
        }
        trail_checkpoints_release(&cs);
        if (r < 0)
                return trail_place_unreadable(p, r);
        if (v.last_checkpoint.n)
                o.age_ns = (int64_t)time(NULL) * 1000000000 - v.last_checkpoint.wall_ns;
        if (o.age_ns < 0)
                o.age_ns = 0;
        if (c->json)
                r = print_json(p, &v, &o);
        else
                print_verdict(c, p, &v, &o);
        return r != CLI_DONE ? r : v.wrong ? CLI_FOUND : CLI_DONE;
}

int cli_trail(struct cli *c)
{
        const char *config = NULL, *state_dir = NULL, *log = NULL, *since = NULL, *until = NULL;
        struct showing s = {.c = c};
        const struct cli_option show_options[] = {
                {"--kind", .value = &s.kind},        {"--container", .value = &s.container},
                {"--finding", .value = &s.finding},  {"--since", .value = &since},
                {"--until", .value = &until},        {"--config", .value = &config},
                {"--state-dir", .value = &state_dir}};
        const struct cli_option verify_options[] = {
                {"--audit-log", .value = &log}, {"--config", .value = &config}, {"--state-dir", .value = &state_dir}};
        bool showing = c->argc > 1 && strcmp(c->argv[1], "show") == 0;
        struct trail_place p;
        int operands, r;

        if (!showing && (c->argc < 2 || strcmp(c->argv[1], "verify") != 0))
                return cli_usage("trail takes show or verify");
        r = showing ? cli_options(c, show_options, ARRAY_LEN(show_options), &operands)
                    : cli_options(c, verify_options, ARRAY_LEN(verify_options), &operands);
        if (r == CLI_DONE && operands != 1)
                r = cli_usage("trail %s takes no operand", showing ? "show" : "verify");
        if (r == CLI_DONE)
                r = trail_place_find(config, state_dir, &p);
        if (r != CLI_DONE)
                return r;
        return showing ? show(c, &p, &s, since, until) : verify(c, &p, log);
}
