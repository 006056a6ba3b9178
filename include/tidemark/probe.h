/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - what this kernel gives each sensor, tried and not guessed from its version, and what is used instead of what
 * it does not give.
 */
#ifndef TIDEMARK_PROBE_H
#define TIDEMARK_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct probe_item {
        const char *name; /* of the facility, static */
        const char *use;     /* what it is used for; static */
        const char *instead; /* and what is used where it is not to be had; static */
        bool available;
        bool disabled; /* by configuration */
        bool used; /* by the sensor of this host, with this configuration */
        char detail[160];
};

/*
 * Try each facility; nothing stays behind. off: set of enum facility (probe.disable). Needs root for the true answer.
 * Returns how many were filled, at most max.
 */
size_t probe_run(uint32_t off, struct probe_item *ret, size_t max);

#endif
