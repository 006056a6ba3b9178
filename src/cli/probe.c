/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark probe: tried here and now, in this process. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/probe.h"

#define ITEMS_MAX 32

static const char *state_of(const struct probe_item *it)
{
        return it->disabled ? "disabled" : it->available ? "yes" : "no";
}

int cli_probe(struct cli *c)
{
        static const char *const head[] = {"FACILITY", "HERE", "RESULT", "WHAT IT IS FOR"};
        struct probe_item items[ITEMS_MAX];
        struct cli_table *t;
        int operands, r = cli_options(c, NULL, 0, &operands);
        json_t *all;
        size_t n;

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("probe takes no operand");
        n = probe_run(NULL, items, ITEMS_MAX);
        if (c->json) {
                all = json_array();
                for (size_t i = 0; i < n; i++)
                        json_array_append_new(all,
                                              json_pack("{s:s,s:b,s:b,s:s,s:s}", "facility", items[i].name, "available",
                                                        items[i].available, "disabled", items[i].disabled, "result",
                                                        items[i].detail, "used", items[i].used));
                r = cli_print_json(all);
                json_decref(all);
                return r;
        }
        t = cli_table_new(ARRAY_LEN(head), head);
        for (size_t i = 0; i < n; i++) {
                const char *const cells[] = {items[i].name, state_of(&items[i]), items[i].detail, items[i].used};

                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        if (geteuid() != 0)
                puts("\nNot root: what needs privileges reads \"no\" here. The daemon's own view: run this as root.");
        return CLI_DONE;
}
