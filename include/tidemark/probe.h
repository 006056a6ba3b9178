/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - what this kernel gives each sensor, tried and not guessed from its version, and what is used instead of what
 * it does not give.
 */
#ifndef TIDEMARK_PROBE_H
#define TIDEMARK_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "tidemark/attr.h"

/* What the configuration says not to use (probe.disable). */
struct probe_disabled {
        bool filesystem_mark, names, open_exec;
};

struct probe_item {
        const char *name; /* of the facility, static */
        const char *used; /* what it is used for, or what is used instead; static */
        bool available;
        bool disabled; /* by configuration */
        char detail[160];
};

/*
 * Try each facility; nothing stays behind. off may be NULL. Needs root for the true answer. Returns how many were
 * filled, at most max.
 */
size_t probe_run(const struct probe_disabled *off, struct probe_item *ret, size_t max);

#endif
