/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of a finding's page: what records of its image say, and what the playbook concludes of that. */
#include <string.h>

#include "cli/show-priv.h"

#define PATHS_SHOWN 8u

static void line(const char *text)
{
        fputs("  ", stdout);
        cli_wrap(stdout, text, 2, 4);
}

static void field(const char *name, const char *text)
{
        printf("  %-12s", name);
        cli_wrap(stdout, text, 14, 14);
}

static void print_paths(const json_t *paths)
{
        char text[1200];
        size_t i;
        json_t *p;

        json_array_foreach(paths, i, p) {
                if (i == PATHS_SHOWN) {
                        snprintf(text, sizeof(text), "and %zu more: tidemark show --json has them",
                                 json_array_size(paths) - i);
                        line(text);
                        return;
                }
                snprintf(text, sizeof(text), "%.300s: %s", cli_text(p, "path"), cli_text(p, "words"));
                line(text);
        }
}

static void print_admissions(const json_t *f)
{
        const json_t *all = json_object_get(f, "admissions"), *a = json_array_get(all, 0);
        char text[900];

        if (!a)
                return;
        snprintf(text, sizeof(text), "%s%s%s at %.19s%s%s%s (%zu known)",
                 json_is_true(json_object_get(a, "admitted")) ? "admitted" : "refused",
                 *cli_text(a, "by") ? " by " : "", cli_text(a, "by"),
                 *cli_text(a, "time") ? cli_text(a, "time") : "a time that is not said",
                 *cli_text(a, "place") ? ", for " : "", cli_text(a, "place"),
                 json_is_true(json_object_get(a, "verified")) ? ", signed" : "", json_array_size(all));
        field("admission", text);
}

/* With nothing recorded two lines are enough. */
static bool knows_something(const json_t *f)
{
        return strcmp(cli_text(json_object_get(f, "sbom"), "state"), "none") != 0 ||
               strcmp(cli_text(json_object_get(f, "provenance"), "state"), "none") != 0 ||
               json_array_size(json_object_get(f, "admissions")) > 0;
}

void show_supply(const struct cli *c, const json_t *f)
{
        const json_t *sbom = json_object_get(f, "sbom"), *end = json_object_get(f, "conclusion");
        size_t i;
        json_t *s;

        if (!json_is_object(end))
                return; /* of an older daemon */
        show_heading(c, "Where the image comes from");
        if (knows_something(f)) {
                field("provenance", cli_text(json_object_get(f, "provenance"), "words"));
                field("SBOM", cli_text(sbom, "words"));
                print_admissions(f);
                print_paths(json_object_get(sbom, "paths"));
        }
        line(cli_text(end, "words"));
        json_array_foreach(json_object_get(end, "missing"), i, s) {
                char text[700];

                snprintf(text, sizeof(text), "missing: %s", json_string_value(s) ? json_string_value(s) : "");
                line(text);
        }
}
