/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the reckoning of pace.h. Must not: know a clock or a source (sensor_pace.c does).
 */
#include "daemon/pace.h"

#include <string.h>

#define HOLD_MIN_NS NSEC_PER_MSEC
#define SPAN_MAX_NS (3600 * NSEC_PER_SEC) /* more fills the credit many times */

void pace_init(struct pace *p, unsigned percent, bool runs, uint64_t now, uint64_t cpu_ns)
{
        *p = (struct pace){.percent = percent, .runs = runs, .began_ns = now, .cpu_ns = cpu_ns};
        p->credit_ns = (int64_t)PACE_CREDIT_NS;
}

static void weigh_files(struct pace *p, uint64_t used, uint64_t most)
{
        uint64_t *hold = &p->hold_ns[PACE_FILES];

        if (used > most && *hold == 0) {
                *hold = HOLD_MIN_NS;
                p->times[PACE_FILES]++;
        } else if (used > most) {
                *hold = *hold * 2 < PACE_WINDOW_NS ? *hold * 2 : PACE_WINDOW_NS;
        } else if (used < most / 2) {
                *hold = *hold / 2 < HOLD_MIN_NS ? 0 : *hold / 2;
        }
}

/* What is owed is owed by those who were followed all the same: gathering itself makes no debt. */
static void weigh_runs(struct pace *p, uint64_t used, uint64_t most)
{
        const bool gathers = p->hold_ns[PACE_RUNS] != 0;
        const int64_t credit = p->credit_ns + (int64_t)most - (int64_t)used;

        if (credit > (int64_t)PACE_CREDIT_NS)
                p->credit_ns = (int64_t)PACE_CREDIT_NS;
        else if (!gathers || credit > p->credit_ns || p->credit_ns > 0)
                p->credit_ns = credit > -(int64_t)PACE_CREDIT_NS ? credit : -(int64_t)PACE_CREDIT_NS;
}

bool pace_due(const struct pace *p, uint64_t now)
{
        return p->percent < 100 && now - p->began_ns >= PACE_WINDOW_NS;
}

void pace_weigh(struct pace *p, uint64_t now, uint64_t cpu_ns, const uint64_t records[PACE__N])
{
        uint64_t span = now - p->began_ns, used = cpu_ns - p->cpu_ns, runs, all, most;

        runs = records[PACE_RUNS] - p->records[PACE_RUNS];
        all = runs + records[PACE_FILES] - p->records[PACE_FILES];
        most = (span < SPAN_MAX_NS ? span : SPAN_MAX_NS) / 100 * p->percent;
        p->began_ns = now;
        p->cpu_ns = cpu_ns;
        memcpy(p->records, records, sizeof(p->records));
        weigh_files(p, used, most);
        weigh_runs(p, all ? (uint64_t)((double)used * (double)runs / (double)all) : 0, most);
}

void pace_decide(struct pace *p, bool expected)
{
        uint64_t *hold = &p->hold_ns[PACE_RUNS];
        const int64_t least = expected ? -(int64_t)PACE_CREDIT_NS : *hold ? (int64_t)PACE_RESUME_NS : 0;

        if (!p->runs || p->credit_ns > least) {
                *hold = 0;
        } else if (*hold == 0) {
                *hold = PACE_RUNS_NS;
                p->times[PACE_RUNS]++;
        }
}
