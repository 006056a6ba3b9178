/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when-priv - how people write times and zones. One zone at a time: a named one is this process's own from then on. */
#ifndef TIDEMARK_CLI_WHEN_PRIV_H
#define TIDEMARK_CLI_WHEN_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tidemark/attr.h"

/* "90s", "30m", "2h", "2d", "1w": seconds. */
bool when_span(const char *text, int64_t *ret);

struct when_zone {
        bool fixed;
        int32_t seconds; /* ahead of UTC, of a fixed one */
};
/* "UTC", "+02:00", or a name such as "Europe/Berlin", of this host's zoneinfo (TZDIR). -EINVAL: there is no such. */
int when_zone(const char *name, struct when_zone *ret) TM_CHECK;
struct when_offset {
        int64_t from; /* seconds since 1970 */
        int32_t seconds;
};
/* What its clock is ahead of UTC at from, and every change until then; their number, max + 1 if there are more. */
size_t when_offsets(const struct when_zone *z, int64_t from, int64_t until, struct when_offset *ret, size_t max);

/* A span from now on, or a date in the zone ("2026-12-24", "2026-12-24 06:00", with "Z" in UTC): seconds since 1970. */
bool when_time(const char *text, const struct when_zone *z, int64_t now, int64_t *ret);

#endif
