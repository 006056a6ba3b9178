/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock - the only readers of time, and its printed form. Pure rooms (fuse, judge, decoders) take times as arguments. */
#ifndef TIDEMARK_CLOCK_H
#define TIDEMARK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

uint64_t clock_boot_ns(void); /* CLOCK_BOOTTIME: deadlines, order */
uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC: what the proc connector stamps */
int64_t clock_wall_ns(void);  /* CLOCK_REALTIME: shown, never compared for deadlines */

/* RFC 3339, UTC, milliseconds: 2026-01-02T03:04:05.678Z. dst must hold CLOCK_TEXT bytes. Returns dst. Pure. */
#define CLOCK_TEXT 40
char *clock_rfc3339(int64_t wall_ns, char dst[CLOCK_TEXT]);

#endif
