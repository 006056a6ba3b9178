/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuse - the same act seen twice becomes one. Pure: events in, events out, in order.
 *
 * Joins:  name events and content events of one path of one container within params.join_ns into one TIDE_FILE event
 *         (operations united, sources united, the better-known actor kept); an exec told twice; a walk's entry that an
 *         event told already (by the index of told names) is dropped.
 * Orders: what is held back is let go before an exec, stop, decision or loss of the same container passes, and when its
 *         time is over (by the time of later events or ticks).
 * Walks:  entries of a walk at container start that are older than its first program are the runtime's own preparation:
 *         indexed, not told. Entries of a container found running go on with EVF_BEFORE; of a container known from an
 *         earlier life of the agent only what changed since goes on.
 * Owns:   per container the index path hash → change time, size, mode (bounded; refusals counted and the walk that
 *         meets them says incomplete).
 */
#ifndef TIDEMARK_FUSE_H
#define TIDEMARK_FUSE_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct fuse;
struct tide_event;

#define FUSE_PIECE 16 /* of the store and of recordings, beside enum judge_piece: never renumber */

struct fuse_params {
        uint64_t join_ns;     /* default 20 ms */
        size_t pending_max;   /* events held back at most, default 4096 */
        size_t index_max;     /* names per container, default 65536 */
        size_t containers_max;
};
void fuse_params_default(struct fuse_params *p);

struct fuse_ops {
        int (*event)(const struct tide_event *ev, void *arg); /* downstream; its result is returned by fuse_event */
        void (*save)(int what, struct bytes key, struct bytes blob,
                     void *arg); /* as judge_ops.save, what = FUSE_PIECE */
};
struct fuse_stats {
        uint64_t in, out, merged, known, prepared, index_refused;
        size_t pending, index;
};

int fuse_new(const struct fuse_params *p, const struct fuse_ops *ops, void *arg, struct fuse **ret) TM_CHECK;
struct fuse *fuse_free(struct fuse *f);
DEFINE_CLEANUP(struct fuse *, fuse_free)
int fuse_restore(struct fuse *f, struct bytes key, struct bytes blob) TM_CHECK;
int fuse_each(const struct fuse *f, int (*cb)(int what, struct bytes key, struct bytes blob, void *arg),
              void *arg) TM_CHECK;
int fuse_event(struct fuse *f, const struct tide_event *ev) TM_CHECK;
/* Let go of all that is held back: before a snapshot, which does not hold it. */
int fuse_flush(struct fuse *f);
/* Boot time at which something held back becomes due; 0: nothing is. The owner then sends a TIDE_TICK. */
uint64_t fuse_due(const struct fuse *f);
void fuse_stats(const struct fuse *f, struct fuse_stats *ret);

#endif
