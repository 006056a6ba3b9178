/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli-priv - what the commands share: asking the daemon, and showing it to people. Every text that came from the daemon
 * is escaped again before it reaches a terminal.
 */
#ifndef TIDEMARK_CLI_CLI_PRIV_H
#define TIDEMARK_CLI_CLI_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "tidemark/attr.h"

#define CLI_WIDTH 100

enum { CLI_DONE = 0, CLI_FOUND = 1, CLI_USAGE = 2, CLI_NOT_RUNNING = 3, CLI_FAILED = 4 };
enum cli_colour { CLI_PLAIN, CLI_BOLD, CLI_RED, CLI_YELLOW, CLI_GREEN, CLI_DIM };

struct cli {
        const char *runtime_dir;
        bool json, colour;
        int argc; /* of the command, its name first; global options are taken out */
        char **argv;
};

struct cli_command {
        const char *name;
        const char *usage; /* behind the name */
        const char *help;
        int (*run)(struct cli *c);
};

int cli_audit_plugin(struct cli *c);
int cli_probe(struct cli *c);
int cli_status(struct cli *c);
int cli_findings(struct cli *c);
int cli_show(struct cli *c);
int cli_watch(struct cli *c);
int cli_baseline(struct cli *c);
int cli_baseline_review(struct cli *c); /* review.c: the same; approve, reject, refresh */
int cli_baseline_approve(struct cli *c);
int cli_baseline_reject(struct cli *c);
int cli_baseline_refresh(struct cli *c);
int cli_baseline_export(struct cli *c); /* transfer.c: of baseline, with options of their own */
int cli_baseline_import(struct cli *c);
int cli_contain(struct cli *c);
int cli_evidence(struct cli *c);
int cli_evidence_verify(struct cli *c); /* evidence_verify.c: of evidence, without a daemon */
int cli_image(struct cli *c);
int cli_record(struct cli *c); /* record.c */
int cli_replay(struct cli *c);
int cli_allow(struct cli *c);
int cli_explain(struct cli *c);
int cli_suppress(struct cli *c);
int cli_report(struct cli *c);
int cli_report_audit(struct cli *c); /* of report, with options of its own */
int cli_quarter(struct cli *c); /* report --quarter, with options of its own */
int cli_trail(struct cli *c);
int cli_triage(struct cli *c);
int cli_tune(struct cli *c);

/* ---- options of a command: one table each ---- */

struct cli_option {
        const char *name;   /* "--state" */
        const char **value; /* where its value goes; NULL: takes none */
        bool *flag;         /* what it sets, for one without value */
};
/* Take the options out of argv from 1 on; what is left are operands, *ret_n of them, in argv[1…]. CLI_DONE, or
 * CLI_USAGE after saying why. */
int cli_options(struct cli *c, const struct cli_option *options, size_t n, int *ret_n);
int cli_usage(const char *fmt, ...) TM_PRINTF(1, 2);

/* ---- asking ---- */

enum cli_socket { CLI_CONTROL, CLI_ADMIN };
/* Send a request (taken over), give back "data" (new reference). CLI_DONE, or an exit status after saying why on
 * standard error. */
int cli_ask(const struct cli *c, enum cli_socket socket, json_t *request, json_t **ret_data);
/* The same on admin.sock, a descriptor along with it, which stays the caller's. */
int cli_ask_with(const struct cli *c, json_t *request, int fd, json_t **ret_data);
/* The same for what may take long: tick (may be NULL) is called now and then until the answer comes. */
int cli_ask_long(const struct cli *c, json_t *request, void (*tick)(void *arg), void *arg, json_t **ret_data);
/* What cannot be had of a socket, in words. Returns the exit status. */
int cli_no_socket(const char *path, int err);
/* A page after the other of findings or entries: the named array, whole, with the other members of the last page. */
int cli_ask_all(const struct cli *c, json_t *(*request)(void *arg, json_t *after), void *arg, const char *array,
                json_t **ret_data);

/* ---- showing ---- */

int cli_print_json(const json_t *o); /* CLI_DONE or CLI_FAILED */
const char *cli_text(const json_t *o, const char *key); /* "" when it is none */
json_int_t cli_int(const json_t *o, const char *key);
/* Print len bytes at most, escaped; longer ones end in "...". */
void cli_put(FILE *out, const char *text, size_t width);
void cli_colour(const struct cli *c, FILE *out, enum cli_colour k);
/* Escaped, wrapped at CLI_WIDTH between words, each line after the first indented. first: columns already used. */
void cli_wrap(FILE *out, const char *text, size_t first, size_t indent);
/* A table: head and rows of ncols texts (borrowed); columns as wide as they need, the last one cut at CLI_WIDTH. */
struct cli_table;
struct cli_table *cli_table_new(size_t ncols, const char *const *head);
void cli_table_row(struct cli_table *t, const char *const *cells);
void cli_table_keep(struct cli_table *t, size_t col); /* a column that is of no use when cut: a time */
void cli_table_print(FILE *out, struct cli_table *t); /* and frees it */

/* "12/min", "3/h", "1/day": "" where there is none. */
void cli_rate(const json_t *finding, char *dst, size_t size);

/* Pages that live and replayed findings share. */
void cli_print_findings(const struct cli *c, const json_t *data, bool all);
void cli_print_finding(const struct cli *c, const json_t *finding);
/* The answer to allow.add or suppress.add; kind: "allow", "suppress". */
void cli_print_rule_added(const char *kind, const json_t *data, bool dry_run);
void cli_print_explanation(const struct cli *c, const json_t *data);

#endif
