/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: nothing; the arithmetic of a token bucket. Pure. */
#include "tidemark/rate.h"

#include <stddef.h>

bool rate_pass(struct rate *r, uint64_t now_ns, uint64_t *ret_refused)
{
        uint32_t burst = r->burst ? r->burst : 1;
        uint64_t back;

        if (r->used == 0 || now_ns < r->last_ns) {
                r->last_ns = now_ns; /* nothing spent, or a clock that was set back: begin anew from here */
        } else if (r->interval_ns) {
                back = (now_ns - r->last_ns) / r->interval_ns;
                r->last_ns += back * r->interval_ns;
                r->used = back >= r->used ? 0 : r->used - (uint32_t)back;
                if (r->used == 0)
                        r->last_ns = now_ns;
        }
        if (r->used >= burst) {
                r->refused++;
                return false;
        }
        r->used++;
        if (ret_refused)
                *ret_refused = r->refused;
        r->refused = 0;
        return true;
}
