/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark tune: rules that past findings suggest, each with what it would have done; and adding one of them.
 *
 * Recordings are played in a process of their own, at a low priority, within bounds of time and memory, and as the user
 * whose recordings they are: what the engine wrote is read with no more rights than it was written with. Only what was
 * measured comes back from there: the rules are those that were made here.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/buf.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/tune.h"

#define SECONDS_DEFAULT 120
#define SECONDS_MAX 86400
#define GRACE_SECONDS 20
#define MEMORY_MAX (1024ull << 20)
#define ANSWER_MAX (16u << 20)

struct want {
        const char *apply, *reason, *attacks, *time;
        bool dry_run;
        long seconds;
};
struct work {
        struct tune_setup setup;
        uint64_t deadline;
        struct cfg cfg;
};

/* ---- in the process of its own ---- */

static bool is_late(void *arg)
{
        const struct work *w = arg;

        return clock_mono_ns() > w->deadline;
}

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        struct cfg_mistakes ms = {0};
        struct work *w = arg;
        int r;

        cfg_default(&w->cfg);
        r = cfg_load_text(text, "the recording's configuration", &w->cfg, &ms);
        cfg_mistakes_release(&ms);
        *jp = w->cfg.judge;
        *fp = w->cfg.fuse;
        return r;
}

static int become_owner(const char *dir)
{
        struct stat st;

        if (geteuid() != 0 || !dir)
                return 0;
        if (lstat(dir, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        return st.st_uid ? caps_become(st.st_uid, st.st_gid) : -EPERM;
}

static void bound(long seconds)
{
        struct rlimit cpu = {(rlim_t)seconds + GRACE_SECONDS, (rlim_t)seconds + GRACE_SECONDS};
        struct rlimit core = {0, 0};
        int bad = setpriority(PRIO_PROCESS, 0, 19) | setrlimit(RLIMIT_CPU, &cpu) | setrlimit(RLIMIT_CORE, &core);

#ifndef TM_SANITIZE /* which takes all addresses for itself */
        struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};

        bad |= setrlimit(RLIMIT_AS, &memory);
#endif
        if (bad)
                _exit(CLI_FAILED);
}

static void write_all(int fd, const char *p, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                p += n;
                len -= (size_t)n;
        }
}

static void measure(const struct want *want, struct work *w, json_t *proposals, const json_t *findings, int fd)
{
        json_t *about, *all = json_object();
        int r;
        char *text;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        r = become_owner(w->setup.ring);
        if (r < 0) {
                fprintf(stderr, "tidemark: %s: its owner's rights could not be taken (%s); going by stored findings\n",
                        w->setup.ring, err_str(r));
                w->setup.ring = NULL;
        }
        bound(want->seconds);
        about = tune_measure(proposals, findings, &w->setup);
        if (!about)
                _exit(CLI_FAILED);
        json_object_set(all, "proposals", proposals);
        json_object_set_new(all, "about", about);
        text = json_dumps(all, JSON_COMPACT);
        if (text)
                write_all(fd, text, strlen(text));
        _exit(text ? CLI_DONE : CLI_FAILED);
}

/* ---- waiting for it ---- */

static int read_answer(int fd, pid_t pid, long seconds, struct buf *out)
{
        uint64_t end = clock_mono_ns() + (uint64_t)(seconds + GRACE_SECONDS) * NSEC_PER_SEC;
        char part[65536];
        ssize_t n = 1;

        while (n > 0) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                uint64_t now = clock_mono_ns();
                int r = now < end ? poll(&p, 1, (int)((end - now) / NSEC_PER_MSEC) + 1) : 0;

                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0) {
                        kill(pid, SIGKILL);
                        return -ETIMEDOUT;
                }
                n = read(fd, part, sizeof(part));
                if (n > 0)
                        buf_put(out, part, (size_t)n);
        }
        return out->err;
}

static int run_measure(const struct want *want, struct work *w, json_t *proposals, const json_t *findings, json_t **ret)
{
        _cleanup_buf_ struct buf answer;
        int fds[2], status = 0, r;
        pid_t pid;

        buf_init(&answer, ANSWER_MAX);
        if (pipe(fds) < 0)
                return -errno;
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
                close(fds[0]);
                measure(want, w, proposals, findings, fds[1]);
        }
        close(fds[1]);
        r = pid < 0 ? -errno : read_answer(fds[0], pid, want->seconds, &answer);
        close(fds[0]);
        if (pid > 0)
                while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                        ;
        if (r == 0 && status != 0)
                r = -ECHILD;
        if (r == 0) {
                *ret = json_loadb((const char *)answer.p, answer.len, 0, NULL);
                r = *ret ? 0 : -EPROTO;
        }
        return r;
}

/* Into each proposal what was measured of it. *ret_all: both together. */
static int merge(json_t *proposals, const json_t *measured, json_t **ret_all)
{
        static const char *const fields[] = {"removed", "removed_by_replay", "removed_by_stored", "span", "malicious",
                                             "proof",   "disqualified"};
        const json_t *list = json_object_get(measured, "proposals"), *about = json_object_get(measured, "about");
        size_t i;
        json_t *p;

        if (json_array_size(list) != json_array_size(proposals) || !json_is_object(about))
                return -EPROTO;
        json_array_foreach(proposals, i, p) for (size_t k = 0; k < ARRAY_LEN(fields); k++)
        {
                json_t *v = json_object_get(json_array_get(list, i), fields[k]);

                if (!v || json_object_set(p, fields[k], v) < 0)
                        return -EPROTO;
        }
        *ret_all = json_pack("{s:O,s:O}", "proposals", proposals, "about", about);
        return *ret_all ? 0 : -ENOMEM;
}

/* ---- what is asked of the daemon ---- */

static json_t *request(void *arg, json_t *after)
{
        json_t *o = json_pack("{s:s,s:b,s:s}", "cmd", "findings", "all", 1, "state", "all");

        (void)arg;
        if (after)
                json_object_set(o, "after", json_object_get(after, "id"));
        return o;
}

/* "proposals" and "about", as tune_measure() has them. */
static int make_proposals(const struct cli *c, const struct want *want, json_t **ret)
{
        json_t *status = NULL, *data = NULL, *proposals = NULL, *measured = NULL;
        struct work *w = calloc(1, sizeof(*w));
        int r = w ? cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", "status"), &status) : CLI_FAILED, err;

        if (r == CLI_DONE)
                r = cli_ask_all(c, request, NULL, "findings", &data);
        if (r == CLI_DONE) {
                w->setup = (struct tune_setup){
                        .ring = json_string_value(json_object_get(json_object_get(status, "ring"), "dir")),
                        .attacks = want->attacks,
                        .make_params = make_params,
                        .late = is_late,
                        .arg = w};
                w->deadline = clock_mono_ns() + (uint64_t)want->seconds * NSEC_PER_SEC;
                proposals = tune_propose(json_object_get(data, "findings"));
                err = proposals ? run_measure(want, w, proposals, json_object_get(data, "findings"), &measured)
                                : -ENOMEM;
                if (err == 0)
                        err = merge(proposals, measured, ret);
                if (err < 0) {
                        fprintf(stderr, "tidemark: proposals could not be measured: %s\n",
                                err == -ECHILD ? "the process that plays recordings ended (it is given 1 GiB of memory)"
                                               : err_str(err));
                        r = CLI_FAILED;
                }
        }
        json_decref(measured);
        json_decref(proposals);
        json_decref(data);
        json_decref(status);
        free(w);
        return r;
}

/* ---- showing ---- */

static void say(size_t indent, const char *text)
{
        printf("%*s", (int)indent, "");
        cli_wrap(stdout, text, indent, indent);
}

static void print_malicious(const json_t *p, const json_t *about)
{
        const json_t *m = json_object_get(p, "malicious");
        long long findings = (long long)cli_int(m, "findings"), attacks = (long long)cli_int(m, "attacks");
        char text[400];

        snprintf(text, sizeof(text),
                 "malicious: %lld finding%s of the span (%lld replayed)%s; %lld shipped attack%s replayed; %lld hidden",
                 findings, findings == 1 ? "" : "s", (long long)cli_int(m, "findings_replayed"),
                 findings ? "" : ": no proof", attacks, attacks == 1 ? "" : "s", (long long)cli_int(m, "hidden"));
        (void)about;
        say(5, text);
}

static void print_ids(const json_t *p)
{
        const json_t *ids = json_object_get(p, "findings");
        char text[600];
        size_t i, n;
        json_t *id;

        n = (size_t)snprintf(text, sizeof(text), "of ");
        json_array_foreach(ids, i, id)
        {
                if (i == 12) {
                        n += (size_t)snprintf(text + n, sizeof(text) - n, " and %zu others", json_array_size(ids) - i);
                        break;
                }
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.24s", i ? ", " : "", json_string_value(id));
        }
        if (cli_int(p, "judged_benign"))
                n += (size_t)snprintf(text + n, sizeof(text) - n, "; judged benign: %lld",
                                      (long long)cli_int(p, "judged_benign"));
        if (cli_int(p, "judged_misconfigured"))
                snprintf(text + n, sizeof(text) - n, "; judged misconfigured, so to be mended rather: %lld",
                         (long long)cli_int(p, "judged_misconfigured"));
        say(5, text);
}

static void print_proposal(const struct cli *c, const json_t *p, const json_t *about)
{
        const json_t *span = json_object_get(p, "span");
        long long replay = (long long)cli_int(p, "removed_by_replay"),
                  stored = (long long)cli_int(p, "removed_by_stored");
        char text[400], how[120] = "";

        if (stored && replay)
                snprintf(how, sizeof(how), " (%lld by replay, %lld by stored findings)", replay, stored);
        else if (stored || replay)
                snprintf(how, sizeof(how), " (by %s)", replay ? "replay" : "stored findings");
        cli_colour(c, stdout, CLI_BOLD);
        snprintf(text, sizeof(text), "%-4s removes %lld of %lld finding%s, %.10s to %.10s%s", cli_text(p, "id"),
                 (long long)cli_int(p, "removed"), (long long)cli_int(about, "findings"),
                 cli_int(about, "findings") == 1 ? "" : "s", cli_text(span, "from"), cli_text(span, "to"), how);
        cli_wrap(stdout, text, 0, 5);
        cli_colour(c, stdout, CLI_PLAIN);
        say(5, cli_text(p, "command"));
        print_ids(p);
        print_malicious(p, about);
        if (*cli_text(p, "disqualified")) {
                snprintf(text, sizeof(text), "NOT TO BE ADDED: %.300s", cli_text(p, "disqualified"));
                cli_colour(c, stdout, CLI_RED);
                say(5, text);
                cli_colour(c, stdout, CLI_PLAIN);
        }
}

static void print_all(const struct cli *c, const struct want *want, const json_t *all)
{
        const json_t *about = json_object_get(all, "about"), *proposals = json_object_get(all, "proposals");
        long long late = (long long)cli_int(about, "recordings_late");
        size_t i;
        json_t *p, *e;

        if (json_array_size(proposals) == 0)
                printf("No proposals: of %lld finding%s none repeats, or no one rule is about it.\n",
                       (long long)cli_int(about, "findings"), cli_int(about, "findings") == 1 ? "" : "s");
        json_array_foreach(proposals, i, p) print_proposal(c, p, about);
        json_array_foreach(json_object_get(about, "errors"), i, e)
        {
                fputs("not replayed: ", stdout);
                cli_wrap(stdout, json_string_value(e), 14, 2);
        }
        if (late)
                printf("%lld recording%s not replayed within %ld s: findings of then go by what is stored (--time)\n",
                       late, late == 1 ? " was" : "s were", want->seconds);
        if (json_array_size(proposals))
                puts("\nOne is added by: tidemark tune --apply N --reason TEXT (N of T-N, as they are numbered then)");
}

/* ---- adding one ---- */

static const json_t *find(const json_t *all, const char *text)
{
        size_t i;
        json_t *p;

        json_array_foreach(json_object_get(all, "proposals"), i, p)
        {
                const char *id = cli_text(p, "id");

                if (strcmp(id, text) == 0 || strcmp(id + 2, text) == 0)
                        return p;
        }
        return NULL;
}

static int refuse(const char *id, const char *why)
{
        fprintf(stderr, "tidemark: %s is not added: ", id);
        cli_wrap(stderr, why, 10, 2);
        return CLI_FAILED;
}

static int apply(struct cli *c, const struct want *want, const json_t *all)
{
        const json_t *p = find(all, want->apply), *about = json_object_get(all, "about");
        json_t *o, *data = NULL;
        int r;

        if (!p) {
                fprintf(stderr, "tidemark: there is no proposal \"%s\": see tidemark tune\n", want->apply);
                return CLI_FAILED;
        }
        if (*cli_text(p, "disqualified"))
                return refuse(cli_text(p, "id"), cli_text(p, "disqualified"));
        if (cli_int(about, "recordings_late"))
                return refuse(cli_text(p, "id"), "not all that was recorded could be replayed in time: give it more "
                                                 "(--time SECONDS), or add the rule by tidemark allow add");
        o = json_copy(json_object_get(p, "rule"));
        json_object_set_new(o, "cmd", json_string("allow.add"));
        json_object_set_new(o, "reason", json_string(want->reason));
        json_object_set_new(o, "dry_run", json_boolean(want->dry_run));
        r = cli_ask(c, CLI_ADMIN, o, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json) {
                json_object_set(data, "proposal", (json_t *)(uintptr_t)p);
                r = cli_print_json(data);
        } else {
                print_proposal(c, p, about);
                cli_print_rule_added("allow", data, want->dry_run);
        }
        json_decref(data);
        return r;
}

static int check(struct want *w)
{
        char *end;

        w->seconds = w->time ? strtol(w->time, &end, 10) : SECONDS_DEFAULT;
        if (w->time && (*end || end == w->time || w->seconds < 1 || w->seconds > SECONDS_MAX))
                return cli_usage("--time \"%s\": expected seconds, from 1 to %d", w->time, SECONDS_MAX);
        if (w->apply && !w->reason)
                return cli_usage("tune --apply needs --reason: some words for whoever reads the rule later, such as "
                                 "--reason \"nightly backup\"");
        if (!w->apply && (w->reason || w->dry_run))
                return cli_usage("--reason and --dry-run belong to tune --apply N");
        return CLI_DONE;
}

int cli_tune(struct cli *c)
{
        struct want want = {.attacks = TM_DATADIR "/attacks"};
        const struct cli_option options[] = {{"--apply", &want.apply, NULL},
                                             {"--reason", &want.reason, NULL},
                                             {"--attacks", &want.attacks, NULL},
                                             {"--time", &want.time, NULL},
                                             {"--dry-run", NULL, &want.dry_run}};
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);
        json_t *all = NULL;

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("tune takes options only");
        r = check(&want);
        if (r == CLI_DONE)
                r = make_proposals(c, &want, &all);
        if (r != CLI_DONE)
                return r;
        if (want.apply)
                r = apply(c, &want, all);
        else if (c->json)
                r = cli_print_json(all);
        else
                print_all(c, &want, all);
        json_decref(all);
        return r;
}
