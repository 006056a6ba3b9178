/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of a finding's page: what is known of the image, how its containers were watched, and what was done about it. */
#include <string.h>

#include "cli/show-priv.h"

void show_image(const struct cli *c, const json_t *f)
{
        const json_t *im = json_object_get(f, "image"), *w = json_object_get(f, "workload");
        char text[700];

        show_heading(c, "The image");
        if (!json_is_object(im))
                snprintf(text, sizeof(text), "%s is not analysed: what it holds is not known. See tidemark image list",
                         *cli_text(w, "image") ? cli_text(w, "image") : "it");
        else
                snprintf(text, sizeof(text),
                         "%s, read at %.16s: %lld packages; %lld programs, %lld libraries and %lld scripts, %lld of "
                         "them of no package%s%s",
                         strcmp(cli_text(im, "state"), "complete") == 0 ? "known whole" : cli_text(im, "state"),
                         cli_text(im, "analysed"), (long long)cli_int(im, "packages"),
                         (long long)cli_int(im, "program"), (long long)cli_int(im, "library"),
                         (long long)cli_int(im, "script"), (long long)cli_int(im, "unowned"),
                         *cli_text(im, "words") ? "; " : "", cli_text(im, "words"));
        fputs("  ", stdout);
        cli_wrap(stdout, text, 2, 2);
}

/* System calls by which each operation is done: what an audit rule would have to watch. */
static const struct {
        const char *operation, *calls;
} calls[] = {
        {"attribute", "chmod,fchmod,fchmodat,chown,fchownat,setxattr,fsetxattr"},
        {"delete", "unlink,unlinkat,rmdir"},
        {"rename", "rename,renameat,renameat2"},
        {"create", "open,openat,mkdir,mkdirat,symlinkat,linkat,mknodat"},
        {"write", "open,openat,truncate"},
};

/* Nobody told which process changed this file: what would, the next time. */
static bool print_unknown(const json_t *signal)
{
        const char *operation = cli_text(signal, "operation");

        if (strcmp(cli_text(signal, "kind"), "network") == 0 && json_is_null(json_object_get(signal, "pid"))) {
                fputs("  ", stdout);
                cli_wrap(stdout,
                         "which process called is not known: it was gone before its socket was looked up. With "
                         "audit.rules = \"exec+connect\" the kernel names it the next time: tidemark.conf(5) says what "
                         "that costs",
                         2, 2);
                return true;
        }
        if (strcmp(cli_text(signal, "kind"), "file") != 0 || json_is_integer(json_object_get(signal, "pid")))
                return false;
        for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
                char text[400];

                if (!strstr(operation, calls[i].operation))
                        continue;
                snprintf(text, sizeof(text),
                         "which process did this is not known: %s. An audit rule tells the next time: auditctl -a "
                         "always,exit -F arch=b64 -S %s -k drift",
                         cli_text(signal, "subject"), calls[i].calls);
                fputs("  ", stdout);
                cli_wrap(stdout, text, 2, 2);
                return true;
        }
        return false;
}

static void print_container(const json_t *o)
{
        char text[700], gap[80] = "";

        if (json_is_true(json_object_get(o, "running_before")))
                snprintf(gap, sizeof(gap), "; it ran before it was watched");
        else if (json_real_value(json_object_get(o, "gap_ms")) >= 0.1)
                snprintf(gap, sizeof(gap), "; its first %.1f ms were not",
                         json_real_value(json_object_get(o, "gap_ms")));
        snprintf(text, sizeof(text), "%.12s (%s) was watched by %s; connections %s%s", cli_text(o, "container"),
                 cli_text(o, "state"), *cli_text(o, "coverage") ? cli_text(o, "coverage") : "means not told",
                 json_is_true(json_object_get(o, "connections"))    ? "are watched"
                 : json_is_false(json_object_get(o, "connections")) ? "are not watched"
                                                                    : "may not be watched",
                 gap);
        fputs("  ", stdout);
        cli_wrap(stdout, text, 2, 4);
}

void show_watched(const struct cli *c, const json_t *f)
{
        size_t i;
        json_t *s;

        show_heading(c, "What was seen, and what not");
        json_array_foreach(json_object_get(f, "watched"), i, s) print_container(s);
        fputs("  ", stdout);
        cli_wrap(stdout, *cli_text(f, "loss") ? cli_text(f, "loss") : "no loss is known of this time", 2, 2);
        json_array_foreach(json_object_get(f, "signals"), i, s) if (print_unknown(s)) return; /* one shows it */
}

static void print_deed(const json_t *d)
{
        char text[900];

        snprintf(text, sizeof(text), "%.19s  %s %.12s %s%s%s%s%s", cli_text(d, "time"), cli_text(d, "act"),
                 cli_text(d, "container"), cli_text(d, "state"), *cli_text(d, "name") ? ": " : "", cli_text(d, "name"),
                 *cli_text(d, "words") ? ": " : "", cli_text(d, "words"));
        fputs("  ", stdout);
        cli_wrap(stdout, text, 2, 4);
}

void show_done(const struct cli *c, const json_t *f)
{
        const json_t *acts = json_object_get(json_object_get(f, "containment"), "acts");
        const json_t *evidence = json_object_get(f, "evidence");
        size_t i;
        json_t *d;

        if (json_array_size(acts) + json_array_size(evidence) == 0)
                return;
        show_heading(c, "What was done");
        json_array_foreach(evidence, i, d) print_deed(d);
        json_array_foreach(acts, i, d) print_deed(d);
}
