/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipeline - the engine's core, live and in replay: event ▸ sequence number ▸ recording ▸ fuse ▸ judge ▸ pieces.
 *
 * Owns:   fuse and judge; borrows a store (NULL in replay) and a recorder (NULL if none).
 * Never:  reads a clock: times are the events'.
 * Exactly what enters here is what a recording holds, after a snapshot of what was in memory before.
 */
#ifndef TIDEMARK_PIPELINE_H
#define TIDEMARK_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/fuse.h"
#include "tidemark/judge.h"

struct pipeline;
struct store;
struct record_writer;
struct record_reader;
struct tide_event;

struct pipeline_ops {
        void (*event)(const struct tide_event *ev, struct bytes workload, const char *verdict, uint64_t finding,
                      void *arg);                                         /* for watch; may be NULL */
        void (*finding)(const struct finding *f, bool opened, void *arg); /* may be NULL */
};

int pipeline_new(const struct judge_params *jp, const struct fuse_params *fp, const struct pipeline_ops *ops, void *arg,
                 struct pipeline **ret) TM_CHECK;
struct pipeline *pipeline_free(struct pipeline *p);
DEFINE_CLEANUP(struct pipeline *, pipeline_free)
/* Load all pieces from the store, and put changed ones there from now on (the owner commits). */
int pipeline_use_store(struct pipeline *p, struct store *s) TM_CHECK;
uint64_t pipeline_damaged(const struct pipeline *p); /* pieces that could not be taken up: they stay in the store */
/*
 * Write the snapshot (config_text in a TIDE_SNAPSHOT, then every piece as TIDE_STATE) and record every event from now
 * on: before the first event, or in a pause, for a walk that is under way is in no piece. An error of the recorder ends
 * the recording, is kept, and does not end the judging.
 */
int pipeline_record(struct pipeline *p, struct record_writer *w, struct bytes config_text, int64_t wall_ns) TM_CHECK;
int pipeline_record_error(const struct pipeline *p);

/* One event: ev->seq is set here. Kinds that are only for the pair are refused with -EINVAL. Result of judge_event for
 * decisions. */
int pipeline_event(struct pipeline *p, struct tide_event *ev) TM_CHECK;
/* What a decision would do (judge_try): nothing is recorded, stored or changed. */
int pipeline_try(struct pipeline *p, const struct tide_event *ev) TM_CHECK;
/* Judge and store what waits for its other half: before the end. A replay does the same at its own. */
int pipeline_flush(struct pipeline *p) TM_CHECK;
uint64_t pipeline_due(const struct pipeline *p); /* when a tick is due; 0 none */
struct judge *pipeline_judge(struct pipeline *p); /* borrowed */
void pipeline_fuse_stats(const struct pipeline *p, struct fuse_stats *ret);

/*
 * Replay: reads the snapshot, asks make_params to turn its configuration text into parameters, feeds everything.
 * *ret is the pipeline at the end. On damage: the reader's error, *ret_offset where; *ret is NULL then unless partial.
 */
struct pipeline_replay {
        uint64_t events, offset;
        char why[256]; /* words for the error */
};
int pipeline_replay(struct record_reader *r,
                    int (*make_params)(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg),
                    const struct pipeline_ops *ops, void *arg, struct pipeline_replay *ret_info,
                    struct pipeline **ret) TM_CHECK;

#endif
