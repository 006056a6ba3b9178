/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ceiling on the sensor's CPU (sensor.cpu_max), and what is given up above it.
 *
 * Owns: how long what happens is left in the kernel's queues before it is read. Must not: leave anything unread (the
 * queues hold much more than comes in that time), or wait itself. Most of what watching costs is being woken for every
 * act and asking /proc about processes that are gone a moment later. Above the ceiling acts are gathered: each is told
 * all the same, with its program (the opening has it); arguments and working directory of what ended meanwhile are not.
 */
#include <time.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/log.h"

#define MOD "sensor"
#define WINDOW_NS (50 * NSEC_PER_MSEC)
#define HOLD_MIN_NS NSEC_PER_MSEC
#define HOLD_MAX_NS (50 * NSEC_PER_MSEC)
#define SAY_AGAIN_NS (3600 * NSEC_PER_SEC)

static uint64_t cpu_ns(void)
{
        struct timespec t;

        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
                return 0;
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* Without openings a program that is gone is not known: then being late would cost what must be told. */
static bool may_gather(const struct sensor *s)
{
        return s->cfg->cpu_max < 100 && s->execs;
}

static void say(struct sensor *s, uint64_t now)
{
        struct sensor_pace *p = &s->pace;

        p->times++;
        if (p->said_ns && now - p->said_ns < SAY_AGAIN_NS)
                return;
        p->said_ns = now;
        log_info(MOD, "more happens than %u%% of a processor can follow (sensor.cpu_max): acts are gathered; programs "
                      "that end within %llu ms are told without arguments",
                 s->cfg->cpu_max, (unsigned long long)(HOLD_MAX_NS / NSEC_PER_MSEC));
}

static void weigh(struct sensor *s, uint64_t now)
{
        struct sensor_pace *p = &s->pace;
        uint64_t cpu = cpu_ns(), used = cpu - p->cpu_ns, span = now - p->began_ns, most = span / 100 * s->cfg->cpu_max;

        p->began_ns = now;
        p->cpu_ns = cpu;
        if (used > most && p->hold_ns == 0) {
                p->hold_ns = HOLD_MIN_NS;
                say(s, now);
        } else if (used > most) {
                p->hold_ns = p->hold_ns * 2 < HOLD_MAX_NS ? p->hold_ns * 2 : HOLD_MAX_NS;
        } else if (used < most / 2) {
                p->hold_ns = p->hold_ns / 2 < HOLD_MIN_NS ? 0 : p->hold_ns / 2;
        }
}

void sensor_pace(struct sensor *s)
{
        struct sensor_pace *p = &s->pace;
        uint64_t now = loop_now(s->loop);

        if (!may_gather(s))
                return;
        if (now - p->began_ns >= WINDOW_NS)
                weigh(s, now);
        if (p->hold_ns) {
                p->held++;
                loop_hold(s->loop, now + p->hold_ns);
        }
}
