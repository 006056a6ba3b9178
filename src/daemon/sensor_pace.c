/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ceiling on the sensor's CPU (sensor.cpu_max), and what is given up above it.
 *
 * Owns: what the reckoning (pace.c) is told, and what follows from its answer. Must not: leave anything unread (the
 * queues hold much more than comes in that time), or wait itself. Most of what watching costs is being woken for every
 * act and asking /proc about processes that are gone a moment later. Above the ceiling acts are gathered: each is told
 * all the same, with its program (the opening has it); arguments and working directory of what ended meanwhile are not.
 */
#include <time.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/log.h"

#define MOD "sensor"
#define SAY_AGAIN_NS (3600 * NSEC_PER_SEC)

static uint64_t cpu_ns(void)
{
        struct timespec t;

        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
                return 0;
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static uint64_t delivered(const struct fan_source *f)
{
        struct fan_stats st = {0};

        if (f)
                fan_source_stats(f, &st);
        return st.delivered;
}

static void count(const struct sensor *s, uint64_t records[PACE__N])
{
        struct proc_source_stats proc;
        struct names_stats names = {0};

        proc_source_stats(s->proc, &proc);
        if (s->names)
                names_source_stats(s->names, &names);
        records[PACE_RUNS] = proc.delivered + delivered(s->execs);
        records[PACE_FILES] = delivered(s->fan) + names.delivered;
}

/* Without openings a program that is gone is not known: then being late would cost what must be told. */
int sensor_pace_start(struct sensor *s)
{
        pace_init(&s->pace, s->cfg->cpu_max, s->execs != NULL, loop_now(s->loop), cpu_ns());
        count(s, s->pace.records);
        return 0;
}

static void say(struct sensor *s, uint64_t now)
{
        if (s->paced_said_ns && now - s->paced_said_ns < SAY_AGAIN_NS)
                return;
        s->paced_said_ns = now;
        log_info(MOD,
                 "more runs for longer than %u%% of a processor can follow (sensor.cpu_max): programs are "
                 "gathered; those that end within %llu ms are told without arguments",
                 s->cfg->cpu_max, (unsigned long long)(PACE_RUNS_NS / NSEC_PER_MSEC));
}

void sensor_pace(struct sensor *s)
{
        static const enum loop_prio prio[PACE__N] = {[PACE_FILES] = LOOP_FILES, [PACE_RUNS] = LOOP_KERNEL};
        uint64_t now = loop_now(s->loop), records[PACE__N];

        if (pace_due(&s->pace, now)) {
                count(s, records);
                pace_weigh(&s->pace, now, cpu_ns(), records);
        }
        pace_decide(&s->pace, proctab_expects(s->proctab, now));
        for (size_t i = 0; i < PACE__N; i++)
                loop_hold(s->loop, prio[i], s->pace.hold_ns[i] ? now + s->pace.hold_ns[i] : 0);
        if (s->pace.hold_ns[PACE_RUNS])
                say(s, now);
}
