/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: reading the clocks. Everything that must be replayable takes times as arguments instead. */
#include "tidemark/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
        struct timespec ts = {0};

        clock_gettime(id, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_boot_ns(void)
{
        return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_mono_ns(void)
{
        return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
        return (int64_t)read_clock(CLOCK_REALTIME);
}

char *clock_rfc3339(int64_t wall_ns, char dst[CLOCK_TEXT])
{
        const int64_t second = (int64_t)NSEC_PER_SEC;
        int64_t s = wall_ns / second, ns = wall_ns % second;
        struct tm tm = {0};
        time_t t;

        if (ns < 0) {
                ns += second;
                s--;
        }
        t = (time_t)s;
        gmtime_r(&t, &tm);
        if (strftime(dst, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm) > 0)
                snprintf(dst + strlen(dst), CLOCK_TEXT - strlen(dst), ".%03dZ", (int)(ns / 1000000));
        return dst;
}
