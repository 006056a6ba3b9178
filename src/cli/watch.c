/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark watch: what passes, a line each, until interrupted or the daemon ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "tidemark/lineserver.h"

#define CONNECT_MS 15000

static void print_event(const struct cli *c, const json_t *e)
{
        const char *kind = cli_text(e, "kind"), *subject = cli_text(e, "program");
        char text[1024];

        if (!*subject)
                subject = *cli_text(e, "path")     ? cli_text(e, "path")
                          : *cli_text(e, "target") ? cli_text(e, "target")
                          : *cli_text(e, "what") ? cli_text(e, "what")
                          : *cli_text(e, "name") ? cli_text(e, "name")
                          : *cli_text(e, "executable") ? cli_text(e, "executable")
                                                 : cli_text(e, "reason");
        snprintf(text, sizeof(text), "%.8s %-15s %-16.16s %s%s%s%s%s",
                 strlen(cli_text(e, "time")) > 11 ? cli_text(e, "time") + 11 : "", kind,
                 *cli_text(e, "workload") ? cli_text(e, "workload") : "-",
                 *cli_text(e, "operation") ? cli_text(e, "operation") : "", *cli_text(e, "operation") ? " " : "",
                 subject, *cli_text(e, "verdict") ? "  : " : "", cli_text(e, "verdict"));
        cli_put(stdout, text, CLI_WIDTH);
        putchar('\n');
        (void)c;
}

static void print_watched_finding(const struct cli *c, const json_t *f)
{
        char text[512];

        cli_colour(c, stdout, CLI_RED);
        snprintf(text, sizeof(text), "%.8s FINDING %s  %s  %lld%% %s, count %lld",
                 strlen(cli_text(f, "last_seen")) > 11 ? cli_text(f, "last_seen") + 11 : "", cli_text(f, "id"),
                 cli_text(json_object_get(f, "workload"), "name"), (long long)cli_int(f, "confidence"),
                 cli_text(f, "severity"), (long long)cli_int(f, "count"));
        cli_put(stdout, text, CLI_WIDTH);
        cli_colour(c, stdout, CLI_PLAIN);
        putchar('\n');
}

static void print_line(const struct cli *c, struct bytes line)
{
        json_t *o = json_loadb((const char *)line.p, line.len, 0, NULL);

        if (c->json)
                printf("%.*s\n", (int)line.len, (const char *)line.p);
        else if (json_object_get(o, "event"))
                print_event(c, json_object_get(o, "event"));
        else if (json_object_get(o, "finding"))
                print_watched_finding(c, json_object_get(o, "finding"));
        else if (json_object_get(o, "lost"))
                printf("... %lld lines were not shown: this terminal reads too slowly\n",
                       (long long)cli_int(o, "lost"));
        json_decref(o);
        fflush(stdout);
}

int cli_watch(struct cli *c)
{
        _cleanup_(lineconn_closep) struct lineconn *conn = NULL;
        struct bytes line;
        char path[512];
        int operands, r = cli_options(c, NULL, 0, &operands);

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("watch takes no operand");
        snprintf(path, sizeof(path), "%s/control.sock", c->runtime_dir);
        r = lineconn_open(path, CONNECT_MS, &conn);
        if (r == 0)
                r = lineconn_send(conn, BYTES_LIT("{\"cmd\":\"watch\"}"));
        if (r == 0)
                r = lineconn_recv(conn, CONNECT_MS, &line); /* the daemon's "yes" */
        if (r < 0)
                return cli_no_socket(path, r);
        while ((r = lineconn_recv(conn, -1, &line)) == 0 && !ferror(stdout))
                print_line(c, line);
        if (r == -EPIPE)
                fputs("tidemark: the daemon has ended\n", stderr);
        return r == -EPIPE ? CLI_NOT_RUNNING : ferror(stdout) ? CLI_FAILED : cli_no_socket(path, r);
}
