/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark watch: what passes, a line each, until interrupted or the daemon ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "tidemark/lineserver.h"

#define CONNECT_MS 15000

/* "name (address)", or the address. */
static void put_host(const json_t *e, const char *field, char *dst, size_t size)
{
        const char *name = json_string_value(json_array_get(json_object_get(e, "names"), 0));
        const char *address = cli_text(e, field);

        if (name)
                snprintf(dst, size, "%.200s (%s)", name, address);
        else
                snprintf(dst, size, strchr(address, ':') ? "[%s]" : "%s", address);
}

/* An address of the namespace itself stands for another one: that one is called, and has the name. */
static bool is_redirected(const json_t *e)
{
        const char *remote = cli_text(e, "remote");

        return *cli_text(e, "real") && (strncmp(remote, "127.", 4) == 0 || strcmp(remote, "::1") == 0);
}

/* As a person reads a flow: where to, or where from; who; how much. */
static void put_flow(const json_t *e, char *dst, size_t size)
{
        bool in = strcmp(cli_text(e, "direction"), "inbound") == 0, listens = !*cli_text(e, "remote");
        bool redirected = !in && !listens && is_redirected(e);
        const json_t *port =
                json_object_get(e, in || listens ? "local_port" : redirected ? "real_port" : "remote_port");
        const char *exe = cli_text(e, "executable");
        char host[300], at[16] = "", who[300] = "", traffic[80] = "";

        put_host(e, listens ? "local" : redirected ? "real" : "remote", host, sizeof(host));
        if (*exe)
                snprintf(who, sizeof(who), "  %.200s %lld %s", exe, (long long)cli_int(e, "pid"),
                         cli_text(e, "origin"));
        else if (!in && strcmp(cli_text(e, "operation"), "ended") != 0)
                snprintf(who, sizeof(who), "  process unknown");
        if (json_is_integer(port))
                snprintf(at, sizeof(at), ":%lld", (long long)json_integer_value(port));
        if (json_is_integer(json_object_get(e, "bytes_out")))
                snprintf(traffic, sizeof(traffic), "  %lld out %lld in", (long long)cli_int(e, "bytes_out"),
                         (long long)cli_int(e, "bytes_in"));
        if (in && !listens) /* the other side's port is drawn: ours says what is served */
                snprintf(dst, size, "from %s to %s/%s%s%s", host, at, cli_text(e, "protocol"), who, traffic);
        else
                snprintf(dst, size, "%s%s%s/%s%s%s", listens ? "on " : "to ", host, at, cli_text(e, "protocol"), who,
                         traffic);
}

/* "name is at address, address, by server" */
static void put_answer(const json_t *e, char *dst, size_t size)
{
        size_t i, len = (size_t)snprintf(dst, size, "%.250s:", cli_text(e, "name"));
        json_t *a;

        json_array_foreach(json_object_get(e, "addresses"), i, a) if (len < size && json_is_string(a)) len +=
                (size_t)snprintf(dst + len, size - len, " %s", json_string_value(a));
        if (len < size)
                snprintf(dst + len, size - len, "  by %s", cli_text(e, "server"));
}

static void print_event(const struct cli *c, const json_t *e)
{
        const char *kind = cli_text(e, "kind"), *subject = cli_text(e, "program");
        char text[1024], net[900];

        if (strcmp(kind, "flow") == 0)
                put_flow(e, net, sizeof(net));
        else if (strcmp(kind, "name") == 0)
                put_answer(e, net, sizeof(net));
        if (strcmp(kind, "flow") == 0 || strcmp(kind, "name") == 0)
                subject = net;
        if (!*subject)
                subject = *cli_text(e, "path")         ? cli_text(e, "path")
                          : *cli_text(e, "target")     ? cli_text(e, "target")
                          : *cli_text(e, "what")       ? cli_text(e, "what")
                          : *cli_text(e, "name")       ? cli_text(e, "name")
                          : *cli_text(e, "executable") ? cli_text(e, "executable")
                                                       : cli_text(e, "reason");
        snprintf(text, sizeof(text), "%.8s E-%-5lld %-9.15s %-16.16s %s%s%s%s%s",
                 strlen(cli_text(e, "time")) > 11 ? cli_text(e, "time") + 11 : "", (long long)cli_int(e, "seq"), kind,
                 *cli_text(e, "workload") ? cli_text(e, "workload") : "-",
                 *cli_text(e, "operation") ? cli_text(e, "operation") : "", *cli_text(e, "operation") ? " " : "",
                 subject, *cli_text(e, "verdict") ? "  : " : "", cli_text(e, "verdict"));
        cli_put(stdout, text, CLI_WIDTH);
        putchar('\n');
        (void)c;
}

static void print_watched_finding(const struct cli *c, const json_t *f)
{
        bool quiet = json_is_true(json_object_get(f, "suppressed"));
        char text[600];

        cli_colour(c, stdout, quiet ? CLI_DIM : CLI_RED);
        snprintf(text, sizeof(text), "%.8s %s %s  %s  %lld%% %s, count %lld%s%s",
                 strlen(cli_text(f, "last_seen")) > 11 ? cli_text(f, "last_seen") + 11 : "",
                 quiet ? "finding" : "FINDING", cli_text(f, "id"), cli_text(json_object_get(f, "workload"), "name"),
                 (long long)cli_int(f, "confidence"), cli_text(f, "severity"), (long long)cli_int(f, "count"),
                 quiet ? ", suppressed by " : "", quiet ? cli_text(f, "suppressed_by") : "");
        cli_put(stdout, text, CLI_WIDTH);
        cli_colour(c, stdout, CLI_PLAIN);
        putchar('\n');
}

/* What the agent did by itself, or is about to: of a workload or a rule. */
static void print_note(const json_t *n)
{
        char text[1200];

        snprintf(text, sizeof(text), "note: %.200s%s%.900s", cli_text(n, "workload"),
                 *cli_text(n, "workload") ? ": " : "", cli_text(n, "text"));
        cli_wrap(stdout, text, 0, 6);
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
        else if (json_object_get(o, "note"))
                print_note(json_object_get(o, "note"));
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
