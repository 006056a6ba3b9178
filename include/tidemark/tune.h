/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune - allow rules that past findings suggest, and what each of them would have done.
 *
 * Owns:  which findings one rule can be about, the narrowest rule over them, its order among others; playing recordings
 *        with and without it.
 * Never: adds a rule (that is an operator's decision), or proposes one that is wider than a path over what can be run,
 *        wider than an address over what has no name, or any over what left the container.
 *
 * A rule is an object with the fields of the command allow.add: "workload" and, as needed, "path", "executable",
 * "destination", "origin", "signal". Findings are in the shape of finding_json(), texts escaped as there.
 */
#ifndef TIDEMARK_TUNE_H
#define TIDEMARK_TUNE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/pipeline.h"

#define TUNE_PROPOSALS 20 /* at most: nobody reads more */

/*
 * findings: array, open ones and others. Returns an array of at most TUNE_PROPOSALS, those first whose findings were
 * judged benign, then those that would have removed most:
 *   {"id": "T-1", "rule", "command": the line that adds it, but for its reason, "findings": [ids that the rule covers
 *    whole], "judged_benign", "judged_misconfigured": how many of them, "acts": their counts in sum}
 * NULL: out of memory.
 */
json_t *tune_propose(const json_t *findings) TM_CHECK;
/* Is the finding one of those that count: shown, of drift, and not judged malicious? Or is it one judged so? */
bool tune_counts(const json_t *finding);
bool tune_is_malicious(const json_t *finding);
/* Would the rule keep back every act of the finding, as far as what is kept of it says? */
bool tune_covers(const json_t *rule, const json_t *finding);

/* ---- by recordings ---- */

struct tune_setup {
        const char *ring;    /* directory of segments; NULL: none */
        const char *attacks; /* directory of attack recordings: NAME.tide, NAME.tide.gz, each a case that stands alone;
                              * and KIND/NAME.tide.gz, which go on from KIND/learned.tide.gz. NULL: none */
        pipeline_params_cb make_params;
        bool (*late)(void *arg); /* is it time to end? NULL: never */
        void *arg;               /* of both */
};
/*
 * Play what was recorded with each of the rules: fills into each proposal
 *   "removed"      findings that count, and would have been gone; of these "removed_by_replay": by the ring,
 *                  "removed_by_stored": by what is stored of those that the ring does not hold
 *   "span"         {"from", "to"} of the findings that count
 *   "malicious"    {"findings": judged so, "findings_replayed": of them, by the ring, "attacks": shipped ones that are
 *                  found without the rule, "hidden": of both, "hidden_cases": [their names]}
 *   "proof"        "none": no finding was judged malicious; else "findings"
 *   "disqualified" why the rule must not be added; null: it may be
 * and returns an object about all: {"findings": how many count, "malicious": judged so, "recordings": played,
 * "recordings_late": not played, for want of time, "recordings_damaged", "attacks": played, "errors": [words]}.
 * NULL: out of memory.
 */
json_t *tune_measure(json_t *proposals, const json_t *findings, const struct tune_setup *s) TM_CHECK;

#endif
