/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-priv - what the files of the reading commands share. A command gets a request whose fields have been checked
 * against its table, and gives the answer: query_ok() or query_fail(). NULL: out of memory.
 */
#ifndef TIDEMARK_CASE_QUERY_PRIV_H
#define TIDEMARK_CASE_QUERY_PRIV_H

#include "case/json-priv.h"
#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/judge.h"
#include "tidemark/query.h"

#define QUERY_ANSWER_MAX (3u * 1024 * 1024) /* bytes of one answer's list; a line of 4 MiB is what a client is given */
#define QUERY_NAMES_SHOWN 5                 /* candidates named when a prefix fits several */

enum query_code { QUERY_USAGE = 2, QUERY_FAILED = 4 }; /* exit codes of the command line */

json_t *query_ok(json_t *data) TM_CHECK; /* takes data */
json_t *query_fail(enum query_code code, const char *fmt, ...) TM_CHECK TM_PRINTF(2, 3);

json_t *query_status(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_findings(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_show(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_baseline_list(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_baseline_review(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_baseline_show(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_baseline_export(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_image_list(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_image_show(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_record_list(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_record_show(const struct query_env *env, const json_t *request) TM_CHECK;

json_t *query_explain(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_allow_list(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_suppress_list(const struct query_env *env, const json_t *request) TM_CHECK;
/* Rules in numbers, and those that end soon: for status. */
json_t *query_rules_json(const struct judge *j) TM_CHECK;
/* NULL: the request is of that command, and its fields are as the table wants them. */
json_t *query_check(const json_t *request, const char *command) TM_CHECK;

json_t *query_report(const struct query_env *env, const json_t *request) TM_CHECK;
json_t *query_quarter(const struct query_env *env, const json_t *request) TM_CHECK;
/* The signal by which people name a finding: what ran, else the first. NULL: it has none. */
const struct finding_signal *query_headline(const struct finding *f);
/* "check" of status, of what else it says. 0; else out of memory. */
int query_put_check(json_t *status);

/* Every finding that is kept, open and closed, in no promised order. cb's negative result ends it and is returned. */
typedef int (*query_finding_cb)(const struct finding *f, void *arg);
int query_each_finding(const struct query_env *env, query_finding_cb cb, void *arg, uint64_t *ret_damaged) TM_CHECK;
uint64_t query_finding_id(const char *text); /* "F-12" or "12"; 0: it is no such thing */
bool query_below_show(const struct finding *f, uint32_t show);

/* Does the text, as somebody typed it from what was shown (so: escaped), name these bytes? */
enum query_match { MATCH_NONE, MATCH_PREFIX, MATCH_WHOLE };
enum query_match query_match(struct bytes s, const char *text);

/*
 * The workload that text names: its id or, if only one has it, its name; with prefix also the beginning of its id, if
 * no other begins so. 0; else a negative errno and *ret_answer says why (NULL: out of memory).
 */
int query_workload(const struct judge *j, const char *text, bool prefix, struct judge_workload *ret,
                   json_t **ret_answer) TM_CHECK;
/* One workload without its entries. */
json_t *query_net_json(const struct judge_net *n);
json_t *query_workload_json(const struct judge *j, const struct judge_workload *w) TM_CHECK;
/* A container as status shows it. */
json_t *query_container_json(const struct judge_container *c) TM_CHECK;
/* One analysed image without its facts. */
json_t *query_image_json(const struct judge *j, const struct judge_image *im) TM_CHECK;
/* Of a deed: fills containers and finding from the request's target, if it has one. NULL, or the refusal. */
json_t *query_deed_target(const struct query_env *env, const json_t *request, struct query_deed *ret);
/* What the page of a finding has beside the finding: query_page.c. 0; else out of memory. */
int query_put_page(const struct query_env *env, const struct finding *f, json_t *o) TM_CHECK;
/* {"version", "owner", "review", "days"} or null */
json_t *query_playbook_json(const struct playbook *p, int64_t now_ns) TM_CHECK;
/* {"benign": {"text", "facts" [], "check"}, "malicious": …}: explanation.c */
json_t *query_explanations(const struct finding *f) TM_CHECK;
/* The n-th factor that an explanation rests on; NULL: there are no more. For the test that each exists. */
const char *query_explanation_factor(size_t n);

#endif
