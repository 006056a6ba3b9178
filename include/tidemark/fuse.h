/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuse - the same act seen twice becomes one. Pure: events in, events out, in order.
 *
 * Joins:  name events and content events of one path of one container within params.join_ns into one TIDE_FILE event
 *         (operations united, sources united, the better-known actor kept); a walk's entry and an event of one path
 *         (the event's word counts). Acts of two known processes are two acts, and what comes to a name after its
 *         deletion is another file. Executions come joined: the sensor's process table knows all of one.
 * Orders: what is held back is let go before an exec, stop, decision, loss, walk's mark or rename of the same container
 *         passes (before one of no container: all of it), and when its time is over (by the time of later events or
 *         ticks). Between containers only each one's own order is kept. A tick with EVF_SETTLE lets all of it go.
 * Walks:  entries that were told before (by an event or a walk) and have not changed since are dropped. Entries of a
 *         walk at container start that are older than its first program are the runtime's own preparation: indexed, not
 *         told. Entries of a container found running go on with EVF_BEFORE until its first walk of everything ended;
 *         from then on, over restarts of the agent too, only what changed since goes on, without it.
 *         A name that is gone without an event is forgotten at the end of the next complete walk and not told: only its
 *         hash is known. (An image's file that was removed leaves a whiteout, which is an entry of its own.) So it is
 *         with names below a renamed directory: the sensor walks the directory under its new name, which tells them as
 *         found there, and the old names are forgotten.
 * Scripts: an interpreter of the image that is asked to run a file of the write layer is told as that: ev.exec.script
 *         (script-priv.h in src/fuse says what is seen by arguments and what is not). A file below a link of the write
 *         layer counts as one of it. Links of the image are not followed, but for those that all distributions have.
 * Owns:   per container, from its start to its stop, the index path hash → change time, size, mode (bounded; refusals
 *         are counted, and the walk that meets them goes on as incomplete).
 * Stored: one piece per container and bucket of names (1/64 of its index), and one of facts. A name enters the index
 *         when its event leaves here, and the index is saved behind that, at ticks: fuse_due() asks for one, at once
 *         for a small index, up to a second later for a full one. So a crash may bring back an index that lacks names
 *         that were judged, never one that holds names that were not. The next walk tells those once more, as found:
 *         the judge knows them, or counts one more act of the same finding.
 */
#ifndef TIDEMARK_FUSE_H
#define TIDEMARK_FUSE_H

#include <stdbool.h>
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
        size_t containers_max; /* whose names are remembered, default 4096 */
};
void fuse_params_default(struct fuse_params *p);

struct fuse_ops {
        int (*event)(const struct tide_event *ev, void *arg); /* downstream; its result is returned by fuse_event */
        void (*save)(int what, struct bytes key, struct bytes blob,
                     void *arg); /* as judge_ops.save, what = FUSE_PIECE */
};
struct fuse_stats {
        /* in = out + merged + known + prepared + pending, unless an event was answered with an error. */
        uint64_t in, out, merged, known, prepared;
        uint64_t index_refused; /* names that the index had no room for */
        uint64_t vanished;      /* names that were gone without an event */
        uint64_t scripts;       /* that interpreters ran from write layers */
        uint64_t scripts_unknown; /* executions of interpreters of which nobody knows what they run */
        size_t pending, index;
};

int fuse_new(const struct fuse_params *p, const struct fuse_ops *ops, void *arg, struct fuse **ret) TM_CHECK;
struct fuse *fuse_free(struct fuse *f);
DEFINE_CLEANUP(struct fuse *, fuse_free)
int fuse_restore(struct fuse *f, struct bytes key, struct bytes blob) TM_CHECK;
int fuse_each(const struct fuse *f, int (*cb)(int what, struct bytes key, struct bytes blob, void *arg),
              void *arg) TM_CHECK;
int fuse_event(struct fuse *f, const struct tide_event *ev) TM_CHECK;
/* Let go of all that is held back, and save: before a snapshot, which does not hold it, and before the end. */
int fuse_flush(struct fuse *f);
/* Is no walk under way? A snapshot holds none. */
bool fuse_settled(const struct fuse *f);
/* Boot time at which something held back is due or is to be saved; 0: nothing is. The owner then sends a TIDE_TICK. */
uint64_t fuse_due(const struct fuse *f);
void fuse_stats(const struct fuse *f, struct fuse_stats *ret);

#endif
