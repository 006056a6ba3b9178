/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark probe: tried here and now, in this process. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/config.h"
#include "tidemark/probe.h"

#define ITEMS_MAX 32

/*
 * What would take all of ours off this host that outlives a daemon that was killed, and nothing else: the table in
 * every network namespace that a process is in or a name is bound to, each once, and audit rules. For root's shell.
 */
static const char remove_all[] =
        "find -L /proc/[0-9]*/ns/net /run/netns /run/docker/netns -maxdepth 1 -printf '%%i %%p\\n' \\\n"
        "  2>/dev/null | sort -u -k1,1 | while read -r inode path; do \\\n"
        "  nsenter --net=\"$path\" nft delete table inet tidemark-%s 2>/dev/null; done\n"
        "auditctl -D -k tidemark-%s\n";

static const char *state_of(const struct probe_item *it)
{
        return it->disabled ? "disabled" : it->used ? "used" : it->available ? "spare" : "no";
}

struct traces {
        char instance[CFG_INSTANCE];
        char command[sizeof(remove_all) + 2 * (size_t)CFG_INSTANCE];
};

static void traces_of(const char *state_dir, struct traces *ret)
{
        cfg_instance(state_dir, ret->instance);
        snprintf(ret->command, sizeof(ret->command), remove_all, ret->instance, ret->instance);
}

/* What the sensor of this host would do: by its configuration, or that of a file that was named. */
static int disabled_by(const char *path, const char *state_dir, uint32_t *ret, struct traces *ret_traces)
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
        traces_of(state_dir ? state_dir : cfg.state_dir, ret_traces);
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

/* The facilities, one element each, and one more: what outlives a daemon that was killed, and what removes it. */
static int print_json(const struct probe_item *items, size_t n, const struct traces *traces)
{
        json_t *all = json_array();
        char text[160];
        int r;

        for (size_t i = 0; i < n; i++) {
                words(&items[i], text, sizeof(text));
                json_array_append_new(all, json_pack("{s:s,s:b,s:b,s:b,s:s,s:s}", "facility", items[i].name,
                                                     "available", items[i].available, "disabled", items[i].disabled,
                                                     "in_use", items[i].used, "result", items[i].detail, "used", text));
        }
        snprintf(text, sizeof(text), "tables inet tidemark-%s, audit rules with the key tidemark-%s", traces->instance,
                 traces->instance);
        json_array_append_new(all, json_pack("{s:s,s:b,s:b,s:b,s:s,s:s,s:s}", "facility", "traces", "available", 1,
                                             "disabled", 0, "in_use", 1, "result", text, "used",
                                             "what a daemon that was killed leaves until its next start", "remove",
                                             traces->command));
        r = cli_print_json(all);
        json_decref(all);
        return r;
}

static void print_text(const struct probe_item *items, size_t n, const struct traces *traces)
{
        static const char *const head[] = {"FACILITY", "HERE", "RESULT", "WHAT IT IS FOR, OR WHAT IS USED INSTEAD"};
        struct cli_table *t = cli_table_new(ARRAY_LEN(head), head);
        char text[160];

        for (size_t i = 0; i < n; i++) {
                const char *const cells[] = {items[i].name, state_of(&items[i]), items[i].detail, text};

                words(&items[i], text, sizeof(text));
                cli_table_row(t, cells);
        }
        cli_table_print(stdout, t);
        if (geteuid() != 0)
                puts("\nNot root: what needs privileges reads \"no\" here. The daemon's own view: run this as root.");
        printf("\nA daemon that ends leaves nothing, and one that starts cleans up after one that was killed. Without\n"
               "another, this removes every trace that it left outside of its own directories (as root):\n\n%s",
               traces->command);
}

int cli_probe(struct cli *c)
{
        const char *config = NULL, *state_dir = NULL;
        const struct cli_option options[] = {{"--config", .value = &config}, {"--state-dir", .value = &state_dir}};
        struct probe_item items[ITEMS_MAX];
        struct traces traces;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);
        uint32_t off = 0;
        size_t n;

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("probe takes no operand");
        r = disabled_by(config, state_dir, &off, &traces);
        if (r != CLI_DONE)
                return r;
        n = probe_run(off, items, ITEMS_MAX);
        if (c->json)
                return print_json(items, n, &traces);
        print_text(items, n, &traces);
        return CLI_DONE;
}
