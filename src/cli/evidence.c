/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark evidence: what a container is, taken before it changes; and what becomes of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/err.h"
#include "tidemark/evidence.h"

#define ID_SHOWN 12
#define SIZE 24

static char *put_size(json_int_t bytes, char dst[SIZE])
{
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
        double v = (double)bytes;
        size_t i = 0;

        for (; v >= 1024 && i + 1 < ARRAY_LEN(units); i++)
                v /= 1024;
        snprintf(dst, SIZE, i && v < 100 ? "%.1f %s" : "%.0f %s", v, units[i]);
        return dst;
}

static bool is_bad(const char *state)
{
        return !strcmp(state, "failed") || !strcmp(state, "refused");
}

/* ---- capture ---- */

struct capturing {
        const char *reason;
        bool all, freeze, no_wait, dry_run;
        /* while it is waited for */
        struct cli *c;
        char told[16][EVIDENCE_NAME]; /* whose volatile part was said to be done */
        size_t ntold;
};

static json_t *capture_request(const char *target, const struct capturing *w)
{
        json_t *o = json_pack("{s:s,s:s}", "cmd", "evidence.capture", "target", target);
        const struct {
                const char *name;
                bool value;
        } flags[] = {{"all", w->all}, {"freeze", w->freeze}, {"no_wait", w->no_wait}, {"dry_run", w->dry_run}};

        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                if (flags[i].value)
                        json_object_set_new(o, flags[i].name, json_true());
        if (w->reason)
                json_object_set_new(o, "reason", json_string(w->reason));
        return o;
}

static bool was_told(struct capturing *w, const char *name)
{
        for (size_t i = 0; i < w->ntold; i++)
                if (strcmp(w->told[i], name) == 0)
                        return true;
        if (w->ntold < ARRAY_LEN(w->told))
                snprintf(w->told[w->ntold++], EVIDENCE_NAME, "%s", name);
        return false;
}

/* Whoever waits is told when the container may change again. */
static void on_wait(void *arg)
{
        struct capturing *w = arg;
        json_t *data = NULL, *v;
        size_t i;

        if (w->c->json || cli_ask(w->c, CLI_CONTROL, json_pack("{s:s}", "cmd", "status"), &data) != CLI_DONE)
                return;
        json_array_foreach(json_object_get(json_object_get(data, "evidence"), "under_way"), i, v)
        {
                if (strcmp(cli_text(v, "state"), "volatile") == 0 || was_told(w, cli_text(v, "name")))
                        continue;
                fprintf(stderr, "volatile part of %.*s taken in %.0f ms; its files are being read ...\n", ID_SHOWN,
                        cli_text(v, "container"), json_number_value(json_object_get(v, "volatile_ms")));
        }
        json_decref(data);
}

static void print_piece_lines(const json_t *facts)
{
        char size[SIZE];

        if (!*cli_text(facts, "sha256"))
                return;
        printf("  %s on the disk, %lld member%s, %lld value%s masked%s\n", put_size(cli_int(facts, "size"), size),
               (long long)cli_int(facts, "members"), cli_int(facts, "members") == 1 ? "" : "s",
               (long long)cli_int(facts, "masked"), cli_int(facts, "masked") == 1 ? "" : "s",
               json_is_true(json_object_get(facts, "signed")) ? ", signed" : "");
        printf("  SHA-256 %.64s\n", cli_text(facts, "sha256"));
        if (*cli_text(facts, "not_signed")) {
                fputs("  ", stdout);
                cli_wrap(stdout, cli_text(facts, "not_signed"), 2, 4);
        }
}

static void print_result(const struct cli *c, const json_t *r)
{
        const char *state = cli_text(r, "state");

        cli_put(stdout, *cli_text(r, "name") ? cli_text(r, "name") : "container", 50);
        printf(" (%.*s)", ID_SHOWN, cli_text(r, "container"));
        if (*cli_text(r, "file")) {
                fputs(": ", stdout);
                cli_put(stdout, cli_text(r, "file"), EVIDENCE_NAME);
        }
        fputs("\n  ", stdout);
        if (is_bad(state))
                cli_colour(c, stdout, CLI_RED);
        cli_wrap(stdout, cli_text(r, "words"), 2, 4);
        if (is_bad(state))
                cli_colour(c, stdout, CLI_PLAIN);
        print_piece_lines(json_object_get(r, "facts"));
}

static int print_results(const struct cli *c, const json_t *data)
{
        size_t i;
        json_t *v;
        int r = CLI_DONE;

        json_array_foreach(json_object_get(data, "results"), i, v)
        {
                bool bad = is_bad(cli_text(v, "state"));

                if (bad)
                        r = CLI_FAILED;
                if (!c->json)
                        print_result(c, v);
        }
        return r;
}

static int capture(struct cli *c)
{
        struct capturing w = {.c = c};
        const struct cli_option options[] = {{"--all", NULL, &w.all},         {"--freeze", NULL, &w.freeze},
                                             {"--no-wait", NULL, &w.no_wait}, {"--reason", &w.reason, NULL},
                                             {"--dry-run", NULL, &w.dry_run}};
        json_t *data = NULL;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("evidence capture takes one finding's number such as F-12, or a container's name or "
                                 "id");
        r = cli_ask_long(c, capture_request(c->argv[2], &w), on_wait, &w, &data);
        if (r != CLI_DONE)
                return r;
        r = c->json ? cli_print_json(data) : CLI_DONE;
        if (r == CLI_DONE)
                r = print_results(c, data);
        if (r == CLI_DONE && !c->json && !w.dry_run)
                puts(w.no_wait ? "The rest is being taken: see tidemark status, tidemark evidence list."
                               : "See tidemark evidence list; copy it off this host with tidemark evidence copy.");
        json_decref(data);
        return r;
}

/* ---- list ---- */

/* The first result of a deed that is of no container; an exit status if it was not done. */
static int only_result(const json_t *data, const char *verb, const json_t **ret)
{
        const json_t *v = json_array_get(json_object_get(data, "results"), 0);

        if (!v || is_bad(cli_text(v, "state"))) {
                fprintf(stderr, "tidemark: evidence %s: ", verb);
                cli_wrap(stderr, *cli_text(v, "words") ? cli_text(v, "words") : "the sensor gave no answer", 20, 2);
                return CLI_FAILED;
        }
        *ret = v;
        return CLI_DONE;
}

/* Page after page into one. */
static int fetch_list(struct cli *c, json_t **ret)
{
        json_t *all = json_array(), *last = NULL;
        bool more = true;
        int r = CLI_DONE;

        while (more && r == CLI_DONE) {
                json_t *request = json_pack("{s:s}", "cmd", "evidence.list"), *data = NULL;
                json_t *end = json_array_get(all, json_array_size(all) - 1), *page;
                const json_t *result = NULL;

                if (end)
                        json_object_set(request, "after", json_object_get(end, "name"));
                r = cli_ask_long(c, request, NULL, NULL, &data);
                if (r == CLI_DONE)
                        r = only_result(data, "list", &result);
                page = json_object_get(json_object_get(result, "facts"), "evidence");
                json_array_extend(all, page);
                more = json_is_true(json_object_get(json_object_get(result, "facts"), "more")) &&
                       json_array_size(page) > 0;
                json_decref(last);
                last = json_incref(json_object_get(result, "facts"));
                json_decref(data);
        }
        if (r == CLI_DONE) {
                *ret = json_copy(last);
                json_object_set(*ret, "evidence", all);
                json_object_del(*ret, "more");
        }
        json_decref(last);
        json_decref(all);
        return r;
}

static const char *condition(const json_t *piece)
{
        if (json_is_true(json_object_get(piece, "busy")))
                return "being written";
        if (!json_is_true(json_object_get(piece, "whole")))
                return "broken off";
        return json_is_true(json_object_get(piece, "signed")) ? "signed" : "whole";
}

static void print_list(const json_t *data)
{
        static const char *const head[] = {"NAME", "SIZE", "FINDING", "OF", "STATE"};
        const json_t *list = json_object_get(data, "evidence");
        char bytes[SIZE], most[SIZE], left[SIZE], text[600];
        struct cli_table *t;
        size_t i;
        json_t *v;

        if (json_array_size(list) == 0) {
                printf("No evidence in ");
                cli_put(stdout, cli_text(data, "directory"), 80);
                puts(".");
                return;
        }
        t = cli_table_new(ARRAY_LEN(head), head);
        json_array_foreach(list, i, v)
        {
                char size[SIZE], finding[24] = "";
                const char *cells[] = {cli_text(v, "name"), size, finding, cli_text(v, "container_name"), condition(v)};

                put_size(cli_int(v, "size"), size);
                if (cli_int(v, "finding"))
                        snprintf(finding, sizeof(finding), "F-%lld", (long long)cli_int(v, "finding"));
                cli_table_row(t, cells);
        }
        cli_table_keep(t, 0);
        cli_table_print(stdout, t);
        snprintf(text, sizeof(text), "%s of %s (evidence.keep_size), %s of the disk free, in %.400s",
                 put_size(cli_int(data, "bytes"), bytes), put_size(cli_int(data, "keep_size"), most),
                 put_size(cli_int(data, "disk_free"), left), cli_text(data, "directory"));
        cli_wrap(stdout, text, 0, 2);
}

static int list(struct cli *c)
{
        json_t *data = NULL;
        int operands, r = cli_options(c, NULL, 0, &operands);

        if (r != CLI_DONE || operands != 1)
                return r != CLI_DONE ? r : cli_usage("evidence list takes no operand");
        r = fetch_list(c, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                print_list(data);
        json_decref(data);
        return r;
}

/* ---- copy ---- */

/* DEST, or the piece's name in it if it is a directory. */
static void destination(const char *to, const char *name, char *dst, size_t size)
{
        struct stat st;

        if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
                snprintf(dst, size, "%s/%s", to, name);
        else
                snprintf(dst, size, "%s", to);
}

static int copy_bytes(int from, int to)
{
        static char p[1 << 18];
        ssize_t n;

        while ((n = read(from, p, sizeof(p))) > 0)
                for (ssize_t at = 0; at < n;) {
                        ssize_t w = write(to, p + at, (size_t)(n - at));

                        if (w < 0)
                                return -errno;
                        at += w;
                }
        return n < 0 || fsync(to) < 0 ? -errno : 0;
}

/* What was recorded in the trail is what arrives. */
static int copy_file(const char *path, const char *want, int to, char ret_hex[65])
{
        _cleanup_close_ int from = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int r = from < 0 ? -errno : copy_bytes(from, to);

        if (r == 0)
                r = evidence_hash(to, ret_hex);
        if (r == 0 && *want && strcmp(want, ret_hex) != 0)
                r = ERR_CHECKSUM;
        return r;
}

/* Its signature goes along. */
static void copy_signature(const char *path, const char *dest)
{
        char from_path[4096 + 8], to_path[4096 + 8];
        _cleanup_close_ int from = -1, to = -1;

        snprintf(from_path, sizeof(from_path), "%s.sig", path);
        snprintf(to_path, sizeof(to_path), "%s.sig", dest);
        from = open(from_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (from < 0)
                return;
        to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (to < 0 || copy_bytes(from, to) < 0)
                fprintf(stderr, "tidemark: %s: its signature could not be written: %s\n", to_path, err_str(-errno));
}

static int do_copy(struct cli *c, const json_t *result, const char *dest, int to)
{
        const json_t *facts = json_object_get(result, "facts"), *piece = json_object_get(facts, "piece");
        const char *path = cli_text(facts, "path"), *want = cli_text(piece, "sha256");
        char hex[65] = "";
        json_t *o;
        int r = copy_file(path, want, to, hex);

        if (r < 0) {
                fprintf(stderr, "tidemark: %s to %s: %s%s\n", path, dest, err_str(r),
                        r == ERR_CHECKSUM ? ": it is not what was written down when it was taken: see tidemark "
                                            "evidence verify"
                                          : "");
                unlink(dest);
                return r == ERR_CHECKSUM ? CLI_FOUND : CLI_FAILED;
        }
        copy_signature(path, dest);
        if (c->json) {
                o = json_pack("{s:s,s:s,s:s,s:b}", "name", cli_text(result, "file"), "to", dest, "sha256", hex, "fits",
                              *want != '\0');
                r = cli_print_json(o);
                json_decref(o);
                return r;
        }
        cli_put(stdout, dest, CLI_WIDTH);
        printf("\n  SHA-256 %s%s\n", hex,
               *want ? ", as when it was taken" : "; it is not whole, so nothing is known of it");
        return CLI_DONE;
}

static int copy(struct cli *c)
{
        bool dry_run = false;
        const struct cli_option options[] = {{"--dry-run", NULL, &dry_run}};
        char dest[4096];
        json_t *data = NULL, *request;
        const json_t *result;
        _cleanup_close_ int to = -1;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 3)
                return cli_usage("evidence copy takes a name (see tidemark evidence list) and where it goes");
        destination(c->argv[3], c->argv[2], dest, sizeof(dest));
        request = json_pack("{s:s,s:s,s:s,s:b}", "cmd", "evidence.copy", "name", c->argv[2], "to", dest, "dry_run",
                            dry_run);
        if (!request)
                return cli_usage("evidence copy: a path must be UTF-8 to be written into the trail");
        if (!dry_run) {
                to = open(dest, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (to < 0) {
                        r = -errno;
                        fprintf(stderr, "tidemark: %s: %s%s\n", dest, err_str(r),
                                r == -EEXIST ? "; it is never overwritten: give a new name" : "");
                        json_decref(request);
                        return CLI_FAILED;
                }
        }
        r = cli_ask_long(c, request, NULL, NULL, &data);
        if (r == CLI_DONE)
                r = only_result(data, "copy", &result);
        if (r != CLI_DONE && to >= 0)
                unlink(dest);
        if (r == CLI_DONE && !dry_run)
                r = do_copy(c, result, dest, to);
        else if (r == CLI_DONE && c->json)
                r = cli_print_json(result);
        else if (r == CLI_DONE)
                printf("would be copied to %s\n", dest);
        json_decref(data);
        return r;
}

/* ---- remove ---- */

static int remove_one(struct cli *c)
{
        const char *reason = NULL;
        bool dry_run = false;
        const struct cli_option options[] = {{"--reason", &reason, NULL}, {"--dry-run", NULL, &dry_run}};
        json_t *data = NULL;
        const json_t *result;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("evidence remove takes one name in full: see tidemark evidence list");
        if (!reason || !*reason)
                return cli_usage("evidence remove needs --reason TEXT: it says to those who come later why");
        r = cli_ask_long(c,
                         json_pack("{s:s,s:s,s:s,s:b}", "cmd", "evidence.remove", "name", c->argv[2], "reason", reason,
                                   "dry_run", dry_run),
                         NULL, NULL, &data);
        if (r == CLI_DONE)
                r = only_result(data, "remove", &result);
        if (r == CLI_DONE && c->json) {
                r = cli_print_json(result);
        } else if (r == CLI_DONE) {
                cli_put(stdout, cli_text(result, "file"), EVIDENCE_NAME);
                fputs(": ", stdout);
                cli_wrap(stdout, cli_text(result, "words"), 2 + strlen(cli_text(result, "file")), 2);
        }
        json_decref(data);
        return r;
}

int cli_evidence(struct cli *c)
{
        static const struct {
                const char *verb;
                int (*run)(struct cli *c);
        } verbs[] = {{"capture", capture}, {"list", list},        {"copy", copy},
                     {"remove", remove_one}, {"verify", cli_evidence_verify}};
        const char *verb = c->argc > 1 ? c->argv[1] : "";

        for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
                if (strcmp(verb, verbs[i].verb) == 0)
                        return verbs[i].run(c);
        return cli_usage("evidence takes capture, list, copy, remove or verify");
}
