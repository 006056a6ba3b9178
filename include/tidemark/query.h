/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query - the reading commands, JSON in, JSON out, over a pipeline: what control.sock answers and what replay prints.
 * Also finding → JSON, in the stable shape of DESIGN section 6.
 */
#ifndef TIDEMARK_QUERY_H
#define TIDEMARK_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/finding.h"

struct pipeline;
struct store;
struct judge_params;

/* Flags for json_dumpb and the like: sorted nothing, compact, stable order; real numbers print exactly. */
#define QUERY_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(9))

struct query_env {
        struct pipeline *pipeline;
        struct store *store;              /* NULL: findings come from the pipeline's judge alone (replay) */
        const struct judge_params *params;
        json_t *(*status)(void *arg);     /* the daemon's own part of status: sensors, losses, memory; may be NULL */
        void *arg;
};

/* New reference. show: threshold to tell "below_show". */
json_t *finding_json(const struct finding *f, uint32_t show) TM_CHECK;

/*
 * request: {"cmd": "findings", …}. Always returns an object (new reference): {"ok": true, "data": …} or
 * {"ok": false, "error": "…", "code": exit code}. Commands and their data:
 *   status                          one object
 *   findings {state, workload, all} {"findings": [finding…], "hidden": below show and not listed, "not_judged": workloads
 *                                   still learning}; the command line prints the inner array for --json
 *   show {id}                       one finding
 *   baseline.list                   array of workloads, each with "dimensions": [{dimension, state, …}…]
 *   baseline.show {workload}        one workload with "entries": […]
 * Unique prefixes are resolved here. NULL only when out of memory.
 */
json_t *query_run(const struct query_env *env, const json_t *request) TM_CHECK;

/*
 * A changing command: {"cmd": "baseline.activate"|"baseline.learn", "workload": full name, "dimension": optional, "dry_run": bool}.
 * Resolves the target to a full workload id and fills ev (kind TIDE_DECISION; strings borrowed from *ret_hold, which
 * the caller json_decref()s after use). 0 with *ret_answer = what it resolved to (new reference, "data" of the answer);
 * negative with *ret_answer an {"ok": false…} object.
 */
struct tide_event;
struct buf;
int query_decision(const struct query_env *env, const json_t *request, struct buf *scratch, struct tide_event *ev, json_t **ret_answer) TM_CHECK;
bool query_is_change(const json_t *request); /* is cmd a changing one (belongs to admin.sock) */

/* One line of watch for an event; NULL when out of memory or when the event is not shown. */
json_t *query_watch_event(const struct tide_event *ev, struct bytes workload, const char *verdict, uint64_t finding) TM_CHECK;

#endif
