/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark image: what is known of images. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

#define SHOWN 20u /* of each list; --json has all */

static int list(struct cli *c)
{
        static const char *const head[] = {"IMAGE",     "STATE",   "PACKAGES", "PROGRAMS",
                                           "LIBRARIES", "SCRIPTS", "UNOWNED",  "WORKLOADS"};
        struct cli_table *t;
        json_t *data = NULL, *o;
        size_t i;
        int r = cli_ask(c, CLI_CONTROL, json_pack("{s:s}", "cmd", "image.list"), &data);

        if (r != CLI_DONE)
                return r;
        if (c->json) {
                r = cli_print_json(data);
                json_decref(data);
                return r;
        }
        if (json_array_size(data) == 0)
                puts("No image is analysed yet.");
        t = json_array_size(data) ? cli_table_new(ARRAY_LEN(head), head) : NULL;
        json_array_foreach(data, i, o)
        {
                static const char *const keys[] = {"packages", "program", "library", "script", "unowned"};
                json_t *workloads = json_object_get(o, "workloads");
                char digest[24], n[ARRAY_LEN(keys)][24], first[100];
                const char *const cells[] = {digest, cli_text(o, "state"), n[0], n[1], n[2], n[3], n[4], first};

                snprintf(digest, sizeof(digest), "%.19s", cli_text(o, "digest"));
                for (size_t k = 0; k < ARRAY_LEN(keys); k++)
                        snprintf(n[k], sizeof(n[k]), "%lld", (long long)cli_int(o, keys[k]));
                snprintf(first, sizeof(first), "%zu", json_array_size(workloads));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        json_decref(data);
        return CLI_DONE;
}

/* Words in one line: a command. */
static void print_words(const char *what, const json_t *words)
{
        size_t i;
        json_t *w;

        if (json_array_size(words) == 0)
                return;
        printf("%s:", what);
        json_array_foreach(words, i, w)
        {
                putchar(' ');
                cli_put(stdout, json_string_value(w), CLI_WIDTH - 20);
        }
        putchar('\n');
}

static bool is_unowned(const json_t *f)
{
        return json_is_null(json_object_get(f, "package"));
}

static bool gives_rights(const json_t *f)
{
        return json_is_true(json_object_get(f, "gives_rights"));
}

static void print_some(const json_t *files, const char *what, bool (*is)(const json_t *))
{
        size_t i, n = 0;
        json_t *f;

        json_array_foreach(files, i, f)
        {
                if (!is(f))
                        continue;
                if (n == 0)
                        printf("\n%s\n", what);
                if (n++ < SHOWN) {
                        printf("  %-8s ", cli_text(f, "kind"));
                        cli_put(stdout, cli_text(f, "path"), CLI_WIDTH - 12);
                        putchar('\n');
                }
        }
        if (n > SHOWN)
                printf("  ... and %zu more (--json has them all)\n", n - SHOWN);
}

static void print_image(const json_t *o)
{
        const json_t *files = json_object_get(o, "file_list");
        char numbers[300];

        snprintf(numbers, sizeof(numbers),
                 "%s, %.16s UTC: %lld packages, %lld programs, %lld libraries, %lld scripts, %lld others that can be "
                 "run",
                 cli_text(o, "state"), cli_text(o, "analysed"), (long long)cli_int(o, "packages"),
                 (long long)cli_int(o, "program"), (long long)cli_int(o, "library"), (long long)cli_int(o, "script"),
                 (long long)cli_int(o, "other"));
        puts(cli_text(o, "digest"));
        cli_wrap(stdout, numbers, 0, 4);
        if (*cli_text(o, "words")) {
                fputs("What was cut or could not be read: ", stdout);
                cli_wrap(stdout, cli_text(o, "words"), 35, 4);
        }
        print_words("Entrypoint", json_object_get(o, "entrypoint"));
        print_words("Command", json_object_get(o, "command"));
        print_words("Health check", json_object_get(o, "health"));
        if (*cli_text(o, "user")) {
                fputs("User: ", stdout);
                cli_put(stdout, cli_text(o, "user"), CLI_WIDTH - 10);
                putchar('\n');
        }
        print_words("Ports", json_object_get(o, "ports"));
        print_words("Volumes", json_object_get(o, "volumes"));
        print_words("Workloads", json_object_get(o, "workloads"));
        print_some(files, "Owned by no package:", is_unowned);
        print_some(files, "Gives rights to whoever runs it:", gives_rights);
}

static int show(struct cli *c)
{
        json_t *data = NULL, *all = json_array();
        json_int_t after = 0;
        int r;

        do { /* pages: "after" is the number of the next part */
                json_t *o = json_pack("{s:s,s:s,s:I}", "cmd", "image.show", "image", c->argv[2], "after", after);

                json_decref(data);
                data = NULL;
                r = cli_ask(c, CLI_CONTROL, o, &data);
                json_array_extend(all, json_object_get(data, "file_list"));
                after = cli_int(data, "parts");
        } while (r == CLI_DONE && cli_int(data, "more") > 0);
        if (r == CLI_DONE) {
                json_object_set(data, "file_list", all);
                json_object_del(data, "parts");
                json_object_del(data, "more");
                if (c->json)
                        r = cli_print_json(data);
                else
                        print_image(data);
        }
        json_decref(all);
        json_decref(data);
        return r;
}

int cli_image(struct cli *c)
{
        if (c->argc == 2 && strcmp(c->argv[1], "list") == 0)
                return list(c);
        if (c->argc == 3 && strcmp(c->argv[1], "show") == 0)
                return show(c);
        return cli_usage("image takes: list, or show and an image's digest or a workload");
}
