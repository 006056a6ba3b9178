/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quiet-priv - what decides about an act: the one table of precedence, in quiet.c. */
#ifndef TIDEMARK_JUDGE_QUIET_PRIV_H
#define TIDEMARK_JUDGE_QUIET_PRIV_H

#include "judge/judge-priv.h"
#include "judge/rules-priv.h"

/* In the order of the table. */
enum quiet_by {
        QUIET_DECLARED,      /* quiet: the image declares that it listens there */
        QUIET_KNOWN,         /* quiet: an entry of the baseline, in *ret of baseline_lookup() */
        QUIET_CLASS,         /* quiet: of a job or a session, which are not learned */
        QUIET_OTHER_PROCESS, /* quiet: known, and which process did it this time is not */
        QUIET_ALLOW,         /* quiet: an operator's rule; counted by it */
        QUIET_RAISED,        /* told already, or told when learning ends */
        QUIET_WINDOW,        /* kept out of the queue, counted, not learned: a suppress rule */
        QUIET_LEARNED,       /* learned, and not raised */
        QUIET_REVIEW,        /* kept for the review that its baseline waits for */
        QUIET_ROLLOUT,       /* into the item of a roll-out: the difference of the images explains it */
        QUIET_NOT            /* raised */
};
struct quiet {
        enum quiet_by by;
        struct rule *rule;   /* of QUIET_ALLOW and QUIET_WINDOW: by which */
        /* The suppress rule in whose times it was; NULL: none, or it decides nothing. */
        struct rule *window;
        char words[160];     /* for watch and explain */
};
/* known, e: what baseline_lookup() said; learning: what is new is learned now. */
void quiet_decide(const struct judge *j, const struct workload *w, const struct observation *o, enum known known,
                  const struct entry *e, bool learning, struct quiet *ret);
/* Of an act that is known, and would be learned better: the suppress rule in whose times it was; NULL: none, or its
 * dimension is not learning. */
struct rule *quiet_window_of_known(const struct judge *j, const struct workload *w, const struct observation *o);
/* It is raised all the same: as it would have been without what was told before. */
void quiet_again(struct quiet *q);
/* Nothing of it is learned, and what is raised is kept out of the queue. */
static inline bool quiet_hides(const struct quiet *q)
{
        return q && q->by == QUIET_WINDOW;
}
/* Of the finding that such an act (q NULL: one that nothing keeps quiet) has become a part of: is it shown? *opened:
 * it is there for a person from now on. */
int quiet_settle(struct judge *j, struct finding *f, const struct quiet *q, int64_t wall_ns, bool *opened);

#endif
