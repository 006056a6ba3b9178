/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audited - what the records of a trail say of a period, for an auditor: computed from the records alone.
 *
 * Owns:  which record counts for what, and the table of controls: each a query over these records, with how many there
 *        are and the numbers of the first. Never: says anything that no record says; what is not shown is called so.
 * Pure: no clock, no file. Records come in their order, from the first one of the trail on: what began before the
 * period counts from its beginning.
 */
#ifndef TIDEMARK_CLI_AUDITED_PRIV_H
#define TIDEMARK_CLI_AUDITED_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/trail.h"

/* What a record counts for; it may be several. */
enum audited_what {
        AUDITED_ALL,
        AUDITED_STARTED, /* the agent */
        AUDITED_ENDED,
        AUDITED_CONFIGURED,
        AUDITED_WATCHED, /* containers: watching, coverage, watched */
        AUDITED_COMPARED,
        AUDITED_FINDING, /* opened */
        AUDITED_FILE,    /* … of files, or of programs that ran */
        AUDITED_EXEC,    /* … of programs that ran */
        AUDITED_NETWORK,
        AUDITED_PRIVILEGE,
        AUDITED_PAGED,
        AUDITED_CLOSED,
        AUDITED_DECIDED, /* triage */
        AUDITED_ASKED,   /* what changes something, by whomever */
        AUDITED_OUTCOME,
        AUDITED_EXCEPTION,
        AUDITED_APPROVAL,
        AUDITED_CONTAINED, /* containment: asked for, and what became of it */
        AUDITED_EVIDENCE,
        AUDITED_LOST,
        AUDITED_GAP,     /* the agent did not run: told by the start behind it */
        AUDITED_LATE,    /* records that waited for the disk */
        AUDITED_REFUSED, /* attempts */
        AUDITED_ENGINE,  /* what the engine decided by itself */
        AUDITED__MAX
};

struct audited;

/* Times: ns since 1970. running: the agent answers now, so that what it began to watch, it watches; else nothing is
 * known beyond the last record. */
struct audited *audited_new(int64_t from, int64_t to, int64_t now, bool running);
struct audited *audited_free(struct audited *a);
DEFINE_CLEANUP(struct audited *, audited_free)
/* The next one. 0, -ENOMEM. */
int audited_record(struct audited *a, const struct trail_record *r) TM_CHECK;

/* How the trail itself stands, for the controls that rest on it. */
struct audited_chain {
        bool whole;
        uint64_t records, checkpoints; /* checkpoints of its head elsewhere, that fit */
        int64_t first_ns;              /* of its first record */
        int64_t keep_days;
};
/*
 * All of it: {"period", "coverage", "findings", "exceptions", "approvals", "acts", "configuration", "losses", "gaps",
 * "refused", "kinds", "controls"}. baselines: of baseline.list, or NULL: whether a workload was being
 * learned is then not known. NULL: out of memory. Once.
 */
json_t *audited_json(struct audited *a, const struct audited_chain *chain, const json_t *baselines);

#endif
