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
        void (*news)(const struct finding *f, unsigned news, void *arg);  /* as judge_ops; may be NULL */
        void (*note)(struct bytes workload, const char *words, void *arg); /* judge_ops.note; may be NULL */
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
 * on, in that recorder's place: before the first event, or when pipeline_settled() and a tick with EVF_SETTLE was the
 * last event, so that other recordings do the same. An error of a recorder ends its recording, is kept,
 * and does not end the judging nor the other one.
 */
enum pipeline_recorder { RECORDER_FILE, RECORDER_RING, RECORDER__MAX };
int pipeline_record(struct pipeline *p, enum pipeline_recorder which, struct record_writer *w, struct bytes config_text,
                    int64_t wall_ns) TM_CHECK;
void pipeline_record_end(struct pipeline *p, enum pipeline_recorder which);
int pipeline_record_error(const struct pipeline *p, enum pipeline_recorder which);
/* Would a snapshot of now, behind a tick with EVF_SETTLE, hold all that is known? Not so while walks are under way. */
bool pipeline_settled(const struct pipeline *p);

/* One event: ev->seq is set here. Kinds that are only for the pair are refused with -EINVAL. Result of judge_event for
 * decisions. */
int pipeline_event(struct pipeline *p, struct tide_event *ev) TM_CHECK;
/* What a decision would do (judge_try): nothing is recorded, stored or changed. */
int pipeline_try(struct pipeline *p, const struct tide_event *ev) TM_CHECK;
/* Judge and store what waits for its other half: before the end. A replay does the same at its own. */
int pipeline_flush(struct pipeline *p) TM_CHECK;
uint64_t pipeline_due(const struct pipeline *p); /* when a tick is due; 0 none */
struct recent; /* the latest acts that were judged: case/recent-priv.h, for explain */
const struct recent *pipeline_recent(const struct pipeline *p);
struct judge *pipeline_judge(struct pipeline *p); /* borrowed */
/* Findings that were closed, of a pipeline without a store: the judge forgets them. cb's negative result ends it and is
 * returned. */
int pipeline_each_closed(struct pipeline *p, int (*cb)(struct bytes key, struct bytes blob, void *arg),
                         void *arg) TM_CHECK;
void pipeline_fuse_stats(const struct pipeline *p, struct fuse_stats *ret);

/*
 * Replay: reads the snapshot, asks make_params to turn its configuration text into parameters, feeds everything.
 * *ret is the pipeline at the end. On damage: the reader's error, info->offset where; *ret is untouched then. With
 * info->partial, which the caller sets, a recording that was cut ends where it is cut, and info->cut says so.
 */
typedef int (*pipeline_params_cb)(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg);
struct pipeline_replay {
        bool partial, cut;
        uint64_t events, offset;
        char why[256]; /* words for the error */
};
int pipeline_replay(struct record_reader *r, pipeline_params_cb make_params, const struct pipeline_ops *ops, void *arg,
                    struct pipeline_replay *info, struct pipeline **ret) TM_CHECK;

/*
 * The same by single records, for those who play one recording into several pipelines: one from the first record (the
 * snapshot's configuration), then each other record into it. ERR_SCHEMA: no recording has such a record there. A
 * decision that could not be done live is passed over.
 */
int pipeline_from(const struct tide_event *snapshot, pipeline_params_cb make_params, const struct pipeline_ops *ops,
                  void *arg, struct pipeline **ret) TM_CHECK;
int pipeline_play(struct pipeline *p, struct tide_event *record) TM_CHECK;

#endif
