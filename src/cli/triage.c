/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark triage: what somebody makes of findings, one decision each. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"

struct what {
        const char *verdict, *note;
        bool close, reopen, dry_run;
};

static json_t *request(const char *id, const struct what *what)
{
        json_t *o = json_pack("{s:s,s:s}", "cmd", "triage", "id", id);

        if (what->verdict)
                json_object_set_new(o, "verdict", json_string(what->verdict));
        if (what->note)
                json_object_set_new(o, "note", json_string(what->note));
        if (what->close)
                json_object_set_new(o, "close", json_true());
        if (what->reopen)
                json_object_set_new(o, "reopen", json_true());
        if (what->dry_run)
                json_object_set_new(o, "dry_run", json_true());
        return o;
}

/* The n-th word that the judge said under this name; "" if there is none. */
static const char *said(const json_t *answer, const char *name, size_t n)
{
        const char *text =
                json_string_value(json_array_get(json_object_get(json_object_get(answer, "outcome"), name), n));

        return text ? text : "";
}

static void print_done(const json_t *answer, const struct what *what)
{
        const char *advice;

        if (what->dry_run)
                fputs("would be ", stdout);
        printf("%s: %s", said(answer, "finding", 0), said(answer, "state", 0));
        if (strcmp(said(answer, "was", 0), said(answer, "state", 0)) != 0)
                printf(", was %s", said(answer, "was", 0));
        if (*said(answer, "verdict", 0))
                printf("; verdict: %s", said(answer, "verdict", 0));
        putchar('\n');
        for (size_t i = 0; *(advice = said(answer, "advice", i)); i++) {
                fputs(i ? "      " : "  ", stdout);
                cli_wrap(stdout,
                         i ? advice : "a verdict alone silences nothing; what would, once it is known to be normal:",
                         i ? 6 : 2, i ? 8 : 2);
        }
}

int cli_triage(struct cli *c)
{
        struct what what = {0};
        const struct cli_option options[] = {{"--verdict", &what.verdict, NULL},
                                             {"--note", &what.note, NULL},
                                             {"--close", NULL, &what.close},
                                             {"--reopen", NULL, &what.reopen},
                                             {"--dry-run", NULL, &what.dry_run}};
        json_t *all = json_array();
        int operands, worst = CLI_DONE, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE || operands < 1) {
                json_decref(all);
                return r != CLI_DONE ? r : cli_usage("triage takes findings' numbers, such as F-12");
        }
        for (int i = 1; i <= operands; i++) { /* one that cannot be done keeps none of the others back */
                json_t *data = NULL;

                r = cli_ask(c, CLI_ADMIN, request(c->argv[i], &what), &data);
                if (r > worst)
                        worst = r;
                if (r == CLI_DONE && !c->json)
                        print_done(data, &what);
                if (r == CLI_DONE)
                        json_array_append(all, data);
                json_decref(data);
                if (r == CLI_NOT_RUNNING)
                        break;
        }
        if (c->json && json_array_size(all) && cli_print_json(all) != CLI_DONE)
                worst = CLI_FAILED;
        json_decref(all);
        return worst;
}
