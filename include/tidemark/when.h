/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when - the printed form of a time. Pure: apart from clock.h, so that rooms without a clock may show times. */
#ifndef TIDEMARK_WHEN_H
#define TIDEMARK_WHEN_H

#include <stdint.h>

/* RFC 3339, UTC, milliseconds: 2026-01-02T03:04:05.678Z. dst must hold CLOCK_TEXT bytes. Returns dst. Pure. */
#define CLOCK_TEXT 40
char *clock_rfc3339(int64_t wall_ns, char dst[CLOCK_TEXT]);

#endif
