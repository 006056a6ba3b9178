/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark probe: tried here and now, in this process. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/config.h"
#include "tidemark/probe.h"

#define ITEMS_MAX 32

static const char *state_of(const struct probe_item *it)
{
        return it->disabled ? "disabled" : it->used ? "used" : it->available ? "spare" : "no";
}

/* What the sensor of this host would do: by its configuration, or that of a file that was named. */
static int disabled_by(const char *path, uint32_t *ret)
{
        struct cfg_mistakes ms = {0};
        struct cfg cfg;
        int r;

        cfg_default(&cfg);
        r = cfg_load(path ? path : cfg_default_path(), &cfg, &ms);
        cfg_mistakes_print(&ms, stderr);
        cfg_mistakes_release(&ms);
        if (r < 0) {
                fputs("tidemark: the configuration has mistakes: see tidemarkd --check-config\n", stderr);
                return CLI_FAILED;
        }
        *ret = cfg.disabled;
        return CLI_DONE;
}

static void words(const struct probe_item *it, char *dst, size_t size)
{
        if (it->used)
                snprintf(dst, size, "%s", it->use);
        else if (it->available && !it->disabled)
                snprintf(dst, size, "not needed: %s", it->use);
        else
                snprintf(dst, size, "instead: %s", it->instead);
}

int cli_probe(struct cli *c)
{
        static const char *const head[] = {"FACILITY", "HERE", "RESULT", "WHAT IT IS FOR, OR WHAT IS USED INSTEAD"};
        const char *config = NULL;
        const struct cli_option options[] = {{"--config", .value = &config}};
        struct probe_item items[ITEMS_MAX];
        struct cli_table *t;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);
        uint32_t off = 0;
        char text[160];
        json_t *all;
        size_t n;

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("probe takes no operand");
        r = disabled_by(config, &off);
        if (r != CLI_DONE)
                return r;
        n = probe_run(off, items, ITEMS_MAX);
        if (c->json) {
                all = json_array();
                for (size_t i = 0; i < n; i++) {
                        words(&items[i], text, sizeof(text));
                        json_array_append_new(all, json_pack("{s:s,s:b,s:b,s:b,s:s,s:s}", "facility", items[i].name,
                                                             "available", items[i].available, "disabled",
                                                             items[i].disabled, "in_use", items[i].used, "result",
                                                             items[i].detail, "used", text));
                }
                r = cli_print_json(all);
                json_decref(all);
                return r;
        }
        t = cli_table_new(ARRAY_LEN(head), head);
        for (size_t i = 0; i < n; i++) {
                const char *const cells[] = {items[i].name, state_of(&items[i]), items[i].detail, text};

                words(&items[i], text, sizeof(text));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        if (geteuid() != 0)
                puts("\nNot root: what needs privileges reads \"no\" here. The daemon's own view: run this as root.");
        return CLI_DONE;
}
