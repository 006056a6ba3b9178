/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark record: documents of the supply chain. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "cli/record-priv.h"
#include "tidemark/err.h"

#define SHOWN 20u /* of each list; --json has all */

static void line(const char *what, const char *text)
{
        if (!text || !*text)
                return;
        printf("    %-11s ", what);
        cli_put(stdout, text, CLI_WIDTH - 16);
        putchar('\n');
}

/* "2026-01-02T03:04:05.…Z" to the second. */
static void time_line(const char *what, const json_t *o, const char *key)
{
        char text[32];

        snprintf(text, sizeof(text), "%.19s", cli_text(o, key));
        if (*text) {
                strcat(text, "Z");
                line(what, text);
        }
}

static const char *signature_words(const json_t *o, char *dst, size_t size)
{
        const char *state = cli_text(o, "signature");

        if (strcmp(state, "verified") == 0)
                snprintf(dst, size, "verified, by %s", cli_text(o, "key"));
        else if (strcmp(state, "unsigned") == 0)
                snprintf(dst, size, "unsigned: %s", cli_text(o, "why_not"));
        else
                snprintf(dst, size, "NOT verified (%s): %s", strcmp(state, "bad") == 0 ? "badly signed" : "unknown key",
                         cli_text(o, "why_not"));
        return dst;
}

static void wrapped(const char *what, const char *text)
{
        if (!*text)
                return;
        printf("    %-11s ", what);
        cli_wrap(stdout, text, 16, 16);
}

static void print_numbers(const json_t *o)
{
        char text[200];

        snprintf(text, sizeof(text), "%lld packages, %lld files%s", (long long)cli_int(o, "packages"),
                 (long long)cli_int(o, "files"),
                 json_is_false(json_object_get(o, "whole")) ? "; its import did not end: import it again" : "");
        if (cli_int(o, "left_out") > 0)
                snprintf(text + strlen(text), sizeof(text) - strlen(text),
                         "; %lld left out (limits.record_entries, or not to be understood)",
                         (long long)cli_int(o, "left_out"));
        wrapped("holds", text);
}

void record_print(const json_t *o, bool with_digest)
{
        const char *kind = cli_text(o, "kind");
        char text[700];

        printf("  %s, ", strcmp(kind, "sbom") == 0 ? "SBOM" : strcmp(kind, "provenance") == 0 ? "Provenance"
                                                                                              : "Admission");
        cli_put(stdout, cli_text(o, "format"), 40);
        printf(", %.12s\n", cli_text(o, "document"));
        if (with_digest) {
                line("image", cli_text(o, "digest"));
                line("named by", cli_text(o, "named_by"));
        }
        line("name", cli_text(o, "image"));
        if (strcmp(kind, "admission") == 0) {
                line("decision", cli_text(o, "decision"));
                line("by", cli_text(o, "by"));
                time_line("at", o, "time");
                line("for", cli_text(o, "place"));
                wrapped("reason", cli_text(o, "words"));
        } else {
                wrapped("signature", signature_words(o, text, sizeof(text)));
                line("builder", cli_text(o, "builder"));
                line("source", cli_text(o, "repository"));
                line("commit", cli_text(o, "commit"));
                line("build type", cli_text(o, "build_type"));
                time_line("began", o, "began");
                time_line("ended", o, "ended");
                line("made by", cli_text(o, "tool"));
                time_line("made", o, "created");
                if (json_object_get(o, "packages"))
                        print_numbers(o);
                wrapped("note", cli_text(o, "words"));
        }
        line("file", cli_text(o, "source"));
        time_line("imported", o, "imported");
}

/* ---- list ---- */

static json_t *list_request(json_int_t after)
{
        return json_pack("{s:s,s:I}", "cmd", "record.list", "after", after);
}

static int fetch_list(struct cli *c, json_t **ret)
{
        json_t *data = NULL, *all = json_array();
        json_int_t after = 0;
        int r;

        do {
                json_decref(data);
                data = NULL;
                r = cli_ask(c, CLI_CONTROL, list_request(after), &data);
                json_array_extend(all, json_object_get(data, "records"));
                after = cli_int(data, "after");
        } while (r == CLI_DONE && cli_int(data, "more") > 0);
        json_decref(data);
        if (r == CLI_DONE)
                *ret = all;
        else
                json_decref(all);
        return r;
}

static int list(struct cli *c)
{
        static const char *const head[] = {"DOCUMENT", "KIND", "FORMAT", "SIGNATURE", "HERE", "IMPORTED", "IMAGE"};
        struct cli_table *t;
        json_t *all = NULL, *o;
        size_t i;
        int r = fetch_list(c, &all);

        if (r != CLI_DONE)
                return r;
        if (c->json) {
                r = cli_print_json(all);
                json_decref(all);
                return r;
        }
        if (json_array_size(all) == 0)
                puts("No record was imported.");
        t = json_array_size(all) ? cli_table_new(ARRAY_LEN(head), head) : NULL;
        json_array_foreach(all, i, o)
        {
                char document[16], imported[24], digest[24];
                const char *const cells[] = {document,
                                             cli_text(o, "kind"),
                                             cli_text(o, "format"),
                                             cli_text(o, "signature"),
                                             json_is_true(json_object_get(o, "known_here")) ? "yes" : "no",
                                             imported,
                                             digest};

                snprintf(document, sizeof(document), "%.12s", cli_text(o, "document"));
                snprintf(imported, sizeof(imported), "%.16s", cli_text(o, "imported"));
                snprintf(digest, sizeof(digest), "%.19s", cli_text(o, "digest"));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        json_decref(all);
        return CLI_DONE;
}

/* ---- show ---- */

static void print_kind(const json_t *data, const char *member)
{
        const json_t *list = json_object_get(data, member), *o;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)list, i, o)
        {
                if (i < SHOWN)
                        record_print(o, false);
        }
        if (i > SHOWN)
                printf("  ... and %zu more (--json has them all)\n", i - SHOWN);
}

static void print_seen(const json_t *data)
{
        const json_t *list = json_object_get(data, "containers"), *o;
        size_t i, running = 0;

        json_array_foreach((json_t *)(uintptr_t)list, i, o) running += json_is_true(json_object_get(o, "running"));
        if (!*cli_text(data, "first_seen")) {
                puts("Never seen on this host.");
                return;
        }
        printf("First seen on this host %.19sZ; %zu container%s known, %zu running\n", cli_text(data, "first_seen"),
               json_array_size(list), json_array_size(list) == 1 ? "" : "s", running);
        json_array_foreach((json_t *)(uintptr_t)list, i, o)
        {
                if (i >= SHOWN)
                        break;
                printf("  %.12s %s since %.19sZ ", cli_text(o, "id"),
                       json_is_true(json_object_get(o, "running")) ? "runs" : "ran ", cli_text(o, "started"));
                cli_put(stdout, cli_text(o, "name"), CLI_WIDTH - 50);
                putchar('\n');
        }
}

static void print_lists(const json_t *data)
{
        const json_t *packages = json_object_get(data, "package_list"), *o;
        size_t i;

        if (!json_is_array(packages))
                return;
        printf("Packages of %.12s:\n", cli_text(data, "of_document"));
        json_array_foreach((json_t *)(uintptr_t)packages, i, o)
        {
                fputs("  ", stdout);
                cli_put(stdout, cli_text(o, "name"), 60);
                putchar(' ');
                cli_put(stdout, cli_text(o, "version"), CLI_WIDTH - 64);
                putchar('\n');
        }
}

static void print_shown(const json_t *data)
{
        const json_t *list = json_object_get(data, "digests"), *o;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)list, i, o)
        {
                const char *of = cli_text(o, "of");

                printf("%s", cli_text(o, "digest"));
                if (*of)
                        printf("  (%s)", strcmp(of, "config") == 0 ? "configuration" : of);
                putchar('\n');
        }
        print_seen(data);
        print_kind(data, "provenance");
        print_kind(data, "sbom");
        print_kind(data, "admissions");
        list = json_object_get(data, "missing");
        json_array_foreach((json_t *)(uintptr_t)list, i, o)
        {
                fputs("  ", stdout);
                cli_put(stdout, json_string_value(o), CLI_WIDTH - 4);
                putchar('\n');
        }
        print_lists(data);
}

static int fetch_shown(struct cli *c, const char *image, bool lists, json_t **ret)
{
        json_t *data = NULL, *packages = json_array(), *files = json_array();
        json_int_t after = 0;
        int r;

        do {
                json_decref(data);
                data = NULL;
                r = cli_ask(c, CLI_CONTROL,
                            json_pack("{s:s,s:s,s:b,s:I}", "cmd", "record.show", "image", image, "lists", lists,
                                      "after", after),
                            &data);
                json_array_extend(packages, json_object_get(data, "package_list"));
                json_array_extend(files, json_object_get(data, "file_list"));
                after = cli_int(data, "parts");
        } while (r == CLI_DONE && cli_int(data, "more") > 0);
        if (r == CLI_DONE && json_object_get(data, "package_list")) {
                json_object_set(data, "package_list", packages);
                json_object_set(data, "file_list", files);
                json_object_del(data, "parts");
                json_object_del(data, "more");
        }
        json_decref(packages);
        json_decref(files);
        if (r == CLI_DONE)
                *ret = data;
        else
                json_decref(data);
        return r;
}

static int show(struct cli *c)
{
        bool packages = false;
        const struct cli_option options[] = {{"--packages", NULL, &packages}};
        json_t *data = NULL;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("record show takes an image's digest or a workload");
        r = fetch_shown(c, c->argv[2], packages, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                print_shown(data);
        json_decref(data);
        return r;
}

/* ---- import ---- */

struct importing {
        struct cli *c;
        const char *image;
        bool dry_run;
        json_t *answers; /* --json */
        int worst;
        size_t files;
};

static void print_import(const char *path, const json_t *data)
{
        const json_t *records = json_object_get(data, "records"), *refused = json_object_get(data, "refused"), *o;
        bool dry = json_is_true(json_object_get(data, "dry_run"));
        size_t i;

        cli_put(stdout, path, CLI_WIDTH - 30);
        printf(": %lld record%s %s\n", (long long)(json_array_size(records) + cli_int(data, "more")),
               json_array_size(records) == 1 ? "" : "s", dry ? "would be imported" : "imported");
        json_array_foreach((json_t *)(uintptr_t)records, i, o)
        {
                if (i >= SHOWN)
                        break;
                record_print(o, true);
                if (json_is_true(json_object_get(o, "elsewhere")))
                        puts("    WRONG DIGEST: it names another image than --image");
                else if (json_is_false(json_object_get(o, "known_here")))
                        puts("    no image of this digest was seen on this host yet");
        }
        if (json_array_size(records) - i + (size_t)cli_int(data, "more") > 0)
                printf("  ... and %zu more\n", json_array_size(records) - i + (size_t)cli_int(data, "more"));
        json_array_foreach((json_t *)(uintptr_t)refused, i, o)
        {
                printf("  document %lld was NOT taken: ", (long long)cli_int(o, "number"));
                cli_wrap(stdout, cli_text(o, "why"), 29, 4);
        }
        if (cli_int(data, "refused_more") > 0)
                printf("  ... and %lld more documents were NOT taken\n", (long long)cli_int(data, "refused_more"));
        if (cli_int(data, "lines_without_digest") + cli_int(data, "lines_refused") + cli_int(data, "lines_passed") > 0)
                printf("  passed over: %lld about no start of a container, %lld whose image has no digest, %lld not "
                       "understood\n",
                       (long long)cli_int(data, "lines_passed"), (long long)cli_int(data, "lines_without_digest"),
                       (long long)cli_int(data, "lines_refused"));
}

static void note_result(struct importing *im, int r)
{
        if (r > im->worst)
                im->worst = r;
}

static int import_file(struct importing *im, const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        const char *slash = strrchr(path, '/');
        json_t *request, *data = NULL;
        struct stat st;
        int r;

        im->files++;
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                fprintf(stderr, "tidemark: %s: %s\n", path, fd < 0 ? err_str(-errno) : "it is no regular file");
                return CLI_FAILED;
        }
        request = json_pack("{s:s,s:s,s:b}", "cmd", "record.import", "file", slash ? slash + 1 : path, "dry_run",
                            im->dry_run);
        if (!request) {
                fprintf(stderr, "tidemark: %s: a name must be UTF-8 to be written into the trail\n", path);
                return CLI_FAILED;
        }
        if (im->image)
                json_object_set_new(request, "image", json_string(im->image));
        r = cli_ask_with(im->c, request, fd, &data);
        if (r != CLI_DONE)
                return r;
        if (im->c->json)
                json_array_append(im->answers, data);
        else
                print_import(path, data);
        json_decref(data);
        return CLI_DONE;
}

static int no_dot(const struct dirent *d)
{
        return d->d_name[0] != '.';
}

/* Its files, in the order of their names; what it holds deeper is not looked at. */
static int import_directory(struct importing *im, const char *path)
{
        struct dirent **names = NULL;
        int n = scandir(path, &names, no_dot, alphasort);

        if (n < 0) {
                fprintf(stderr, "tidemark: %s: %s\n", path, err_str(-errno));
                return CLI_FAILED;
        }
        for (int i = 0; i < n; i++) {
                char file[PATH_MAX];
                struct stat st;

                if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) < sizeof(file) &&
                    stat(file, &st) == 0 && S_ISREG(st.st_mode))
                        note_result(im, import_file(im, file));
                free(names[i]);
        }
        free(names);
        if (im->files == 0)
                return cli_usage("record import: there is no file in %s", path);
        return im->worst;
}

static int import(struct cli *c)
{
        struct importing im = {.c = c};
        const struct cli_option options[] = {{"--image", &im.image, NULL}, {"--dry-run", NULL, &im.dry_run}};
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);
        struct stat st;

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("record import takes one file or directory");
        im.answers = json_array();
        if (stat(c->argv[2], &st) == 0 && S_ISDIR(st.st_mode))
                r = import_directory(&im, c->argv[2]);
        else
                r = import_file(&im, c->argv[2]);
        if (c->json && (r == CLI_DONE || json_array_size(im.answers)) && cli_print_json(im.answers) != CLI_DONE)
                r = CLI_FAILED;
        json_decref(im.answers);
        return r;
}

/* ---- remove ---- */

static int remove_record(struct cli *c)
{
        const char *reason = NULL;
        bool dry_run = false;
        const struct cli_option options[] = {{"--reason", &reason, NULL}, {"--dry-run", NULL, &dry_run}};
        json_t *request, *data = NULL, *list, *o;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);
        size_t i;

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("record remove takes a document: 12 digits or more, as record list shows them");
        request = json_pack("{s:s,s:s,s:b}", "cmd", "record.remove", "document", c->argv[2], "dry_run", dry_run);
        if (reason)
                json_object_set_new(request, "reason", json_string(reason));
        r = cli_ask(c, CLI_ADMIN, request, &data);
        if (r != CLI_DONE)
                return r;
        list = json_object_get(data, "records");
        if (c->json)
                r = cli_print_json(data);
        else
                puts(dry_run ? "would be removed:" : "removed:");
        json_array_foreach(list, i, o) if (!c->json) record_print(o, true);
        json_decref(data);
        return r;
}

int cli_record(struct cli *c)
{
        static const struct {
                const char *name;
                int (*run)(struct cli *c);
        } verbs[] = {{"import", import}, {"list", list}, {"show", show}, {"verify", record_verify},
                     {"remove", remove_record}};

        for (size_t i = 0; c->argc > 1 && i < ARRAY_LEN(verbs); i++)
                if (strcmp(c->argv[1], verbs[i].name) == 0)
                        return verbs[i].run(c);
        return cli_usage("record takes: import, list, show, verify or remove");
}
