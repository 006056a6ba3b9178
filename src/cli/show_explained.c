/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of a finding's page: the best benign and the best malicious explanation, side by side, and the playbook's criteria.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/show-priv.h"
#include "tidemark/str.h"

#define COLUMN 46
#define GAP 5
#define LINES 64

/* The lines of one column: escaped text, cut between words. */
struct column {
        char line[LINES][COLUMN + 1];
        size_t n;
};

/* Bytes that the next line takes of text, at most width: a word is cut only if it is longer than a line. */
static size_t line_of(const char *text, size_t width)
{
        size_t len = strlen(text), end = width;

        if (len <= width)
                return len;
        while (end > 0 && text[end] != ' ')
                end--;
        return end ? end : width;
}

static void put(struct column *c, const char *mark, const char *text)
{
        size_t indent = strlen(mark);
        char shown[1024];
        const char *at = shown;

        str_print(bytes_str(text), shown, sizeof(shown));
        for (bool first = true; *at && c->n < LINES; first = false) {
                size_t take = line_of(at, COLUMN - indent);

                snprintf(c->line[c->n++], COLUMN + 1, "%*s%.*s", (int)indent, first ? mark : "", (int)take, at);
                at += take;
                while (*at == ' ')
                        at++;
        }
}

static void fill(struct column *c, const json_t *side)
{
        const json_t *facts = json_object_get(side, "facts");
        size_t i;
        json_t *o;

        put(c, "", cli_text(side, "text"));
        json_array_foreach(facts, i, o) put(c, "- ", json_string_value(o) ? json_string_value(o) : "");
        if (json_array_size(facts) == 0)
                put(c, "- ", "no fact of this finding speaks for it");
        if (*cli_text(side, "check"))
                put(c, "? ", cli_text(side, "check"));
}

static void print_criteria(const json_t *f)
{
        const json_t *book = json_object_get(f, "playbook"), *fit = json_object_get(f, "criteria");
        char text[900];
        size_t i;
        json_t *o;

        if (!json_is_object(book))
                return;
        putchar('\n');
        if (json_array_size(fit) == 0)
                printf("  No criterion of the playbook (version %s) fits.\n", cli_text(book, "version"));
        json_array_foreach(fit, i, o)
        {
                snprintf(text, sizeof(text), "playbook %s, \"%s\" (%s): %s", cli_text(book, "version"),
                         cli_text(o, "name"), cli_text(o, "verdict"), cli_text(o, "text"));
                fputs("  ", stdout);
                cli_wrap(stdout, text, 2, 4);
        }
}

void show_explained(const struct cli *c, const json_t *f)
{
        const json_t *both = json_object_get(f, "explanations");
        struct column *left = calloc(2, sizeof(*left)), *right = left + 1;

        if (!left || !json_is_object(both)) {
                free(left);
                return;
        }
        show_heading(c, "What it may be");
        fill(left, json_object_get(both, "benign"));
        fill(right, json_object_get(both, "malicious"));
        printf("  %-*s%s\n", COLUMN + GAP - 2, "IF BENIGN", "IF MALICIOUS");
        for (size_t i = 0; i < left->n || i < right->n; i++)
                printf("  %-*s%s\n", i < right->n ? COLUMN + GAP - 2 : 0, i < left->n ? left->line[i] : "",
                       i < right->n ? right->line[i] : "");
        free(left);
        print_criteria(f);
}
