/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rate - a token bucket for log lines and repeated acts. Plain struct, zero-initialised by the owner; pure. */
#ifndef TIDEMARK_RATE_H
#define TIDEMARK_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
        uint64_t interval_ns; /* one token per interval */
        uint32_t burst;       /* tokens held at most; 0 counts as 1 */
        uint64_t last_ns;
        uint32_t used;
        uint64_t refused; /* how many were held back since the last that passed */
};

/* True if it may pass now. *ret_refused (may be NULL) is what was held back before it, reset by passing. */
bool rate_pass(struct rate *r, uint64_t now_ns, uint64_t *ret_refused);

#endif
