/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transfer - a baseline that comes from outside, on its way into the judge: as decisions of bounded size, so that a
 * replay takes it up as it was taken up live.
 *
 *     baseline.import.begin    target: the workload's id, "name@digest"
 *                              name, image, digest; document: its SHA-256 in hexadecimal; file; reason;
 *                              signed: by which key (none: unsigned); replace, inherited: "true";
 *                              dimension: transfer_dimension_put(), once for each
 *     baseline.import.entries  the same target; entry: transfer_entry_put(), once for each
 *     baseline.import.commit   the same target; count: of all entries
 *
 * Only the commit changes the baseline, and all of it: what was begun and not committed is forgotten with the next
 * beginning, and with the end of the process. What may never be learned silently is taken only with the approval of an
 * operator for its content.
 */
#ifndef TIDEMARK_TRANSFER_H
#define TIDEMARK_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/finding.h"
#include "tidemark/str.h"

struct buf;
struct rd;

#define TRANSFER_BEGIN "baseline.import.begin"
#define TRANSFER_ENTRIES "baseline.import.entries"
#define TRANSFER_COMMIT "baseline.import.commit"
#define TRANSFER_KEY 8192u /* bytes of a key, and of an executable */

struct transfer_entry {
        enum dimension dim;
        struct bytes key, exe;
        bool counted; /* how often and when it was seen is told: the next four; else it is as if always, until now */
        int64_t first_ns, last_ns;
        uint64_t count;
        uint32_t windows, replicas; /* replicas, several, phases: of NETWORK */
        uint8_t phases;             /* set of 1 << enum finding_phase */
        bool several, inherited;
        bool approved; /* by an operator: */
        struct bytes by, reason;
        int64_t approved_ns;
        struct bytes sha256; /* of a program that is not the image's: 32 bytes; empty: not known */
        /* Of candidates, which are shown and never taken: */
        bool raised, rejected; /* rejected: by, reason and time are of that */
        struct bytes why;
};

struct transfer_dimension {
        enum dimension dim;
        bool active, declared; /* declared: an operator said that it is complete */
        uint32_t windows;
};

/* Encoded, as one value of a decision's arguments; out's error is left in it. */
void transfer_entry_put(const struct transfer_entry *e, struct buf *out);
void transfer_dimension_put(const struct transfer_dimension *d, struct buf *out);
/* Borrowed from value. 0, ERR_SCHEMA, ERR_TRUNCATED. */
int transfer_entry_decode(struct bytes value, struct transfer_entry *ret) TM_CHECK;
int transfer_dimension_decode(struct bytes value, struct transfer_dimension *ret) TM_CHECK;

#endif
