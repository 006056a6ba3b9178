/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recent-priv - the latest acts that were judged, with what became of them: a ring of bounded size, in memory alone,
 * for explain. Kept in the pipeline, so that a replay has it too.
 */
#ifndef TIDEMARK_CASE_RECENT_PRIV_H
#define TIDEMARK_CASE_RECENT_PRIV_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/event.h"
#include "tidemark/str.h"

#define RECENT_KEPT 1024u

struct recent;
int recent_new(struct recent **ret) TM_CHECK;
struct recent *recent_free(struct recent *r);
/* Executions, files, flows and changes of rights; anything else is passed over. Without arguments and lineage. */
void recent_put(struct recent *r, const struct tide_event *ev, struct bytes workload, const char *words,
                uint64_t finding);
struct recent_act {
        struct tide_event ev; /* borrowed, as all of it, until the next event */
        struct bytes workload, words;
        uint64_t finding;
};
/* The act with this number; the latest word on it. false: it is kept no longer, or never was. */
bool recent_find(const struct recent *r, uint64_t seq, struct recent_act *ret);
/* Numbers of the first and the last that are kept; false: none is. */
bool recent_span(const struct recent *r, uint64_t *ret_first, uint64_t *ret_last);

#endif
