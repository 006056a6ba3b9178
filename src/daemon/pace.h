/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace - how soon what happens is read, so that the sensor keeps to its share of a processor. Pure: it is told the
 * time, the processor time used, and how many records were read; it answers how long each kind of source may be left
 * alone.
 *
 * Files first: nothing but time is lost by gathering them, so they are gathered as soon as a moment was too dear, and a
 * little more or less as it goes. Programs last: what ends meanwhile is told without arguments. So they have a credit,
 * which fills as long as they stay below their share: a burst of thousands is followed at once, and only a storm that
 * lasts is gathered. The first programs of containers and of exec sessions are worth more than others: where they are
 * expected the credit may be overdrawn, as far as it could be filled.
 */
#ifndef TIDEMARK_DAEMON_PACE_H
#define TIDEMARK_DAEMON_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/clock.h"

#define PACE_WINDOW_NS (50 * NSEC_PER_MSEC)   /* looked at so often, and the longest that files wait */
#define PACE_RUNS_NS (20 * NSEC_PER_MSEC)     /* programs wait so long; what lives longer has its arguments */
#define PACE_CREDIT_NS (1000 * NSEC_PER_MSEC) /* of processor time: the most that programs may take at once */
#define PACE_RESUME_NS (PACE_CREDIT_NS / 4)   /* after a storm they are followed again with so much in hand */

enum pace_class { PACE_FILES, PACE_RUNS, PACE__N };

struct pace {
        unsigned percent;          /* of a processor; 100: nothing is gathered */
        bool runs;                 /* programs may be gathered: openings tell what ran */
        uint64_t began_ns, cpu_ns; /* of the window under way */
        uint64_t records[PACE__N]; /* counted up to it */
        int64_t credit_ns;         /* of programs */
        uint64_t hold_ns[PACE__N]; /* leave alone so long; 0: do not */
        uint64_t times[PACE__N];   /* it began to gather */
};

void pace_init(struct pace *p, unsigned percent, bool runs, uint64_t now, uint64_t cpu_ns);
/* Is the window over? */
bool pace_due(const struct pace *p, uint64_t now);
/* It is: what was used in it, by records read so far of each kind. */
void pace_weigh(struct pace *p, uint64_t now, uint64_t cpu_ns, const uint64_t records[PACE__N]);
/* After each turn: hold_ns of programs. expected: first programs are about to run. */
void pace_decide(struct pace *p, bool expected);

#endif
