/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring - the last recordings, for tune: segments of bounded number and size in one directory, the oldest removed first.
 *
 * Owns:  the directory and the segment that is written; which are there, and how large all of them are.
 * Never: waits for the disk (no fsync), reads a clock, touches a file there that is not named as a segment.
 * A segment is a packed recording (record.h) of its own, 0600, named by a number that grows: "0000000012.tide.gz".
 * After a crash the last one has no end: what was flushed can be read.
 * Errors end the ring until the next start: it is a luxury, and judging goes on without it.
 */
#ifndef TIDEMARK_RING_H
#define TIDEMARK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct ring;
struct pipeline;

#define TM_RING "ring" /* its directory, in the engine's */
#define RING_SEGMENTS_MAX 1024u /* however small they are */

struct ring_params {
        const char *dir;    /* is made, 0700, if its parent is there */
        uint64_t size;      /* bytes of all segments, at most */
        uint64_t segment;   /* bytes of one, about; more where the snapshot that it opens with is large */
        uint64_t period_ns; /* how long one is written, about */
};

/* -EINVAL (size 0), -ENOMEM, or what the directory says. */
int ring_open(const struct ring_params *p, struct ring **ret) TM_CHECK;
/* Ends the segment under way, if any, as RECORDER_RING of this pipeline. */
struct ring *ring_close(struct ring *r, struct pipeline *p);

/*
 * The next segment, in the place of the one under way: for when pipeline_record() may be called. An error ends the
 * ring: also -EFBIG, if the snapshot alone takes more than half of it.
 */
int ring_begin(struct ring *r, struct pipeline *p, struct bytes config_text, uint64_t boot_ns,
               int64_t wall_ns) TM_CHECK;
/* Is the segment under way full or old enough? */
bool ring_due(const struct ring *r, uint64_t boot_ns);
/* … and by so much that it is no use to wait any longer for a quiet moment? */
bool ring_overdue(const struct ring *r, uint64_t boot_ns);
/* Keep within the bounds, and notice errors; flush: hand to the kernel what is recorded. An error ended the ring, and
 * is returned this once; -ENOSPC has removed the oldest segment, for those who need room more. */
int ring_keep(struct ring *r, struct pipeline *p, bool flush) TM_CHECK;
/* Records of the segment under way: to see whether anything came. */
uint64_t ring_written(const struct ring *r);

struct ring_stats {
        size_t segments;
        uint64_t bytes, max;     /* of all of them */
        uint64_t events;         /* recorded since the start, snapshots included */
        uint64_t snapshot_bytes; /* of the latest one */
        uint64_t removed;        /* segments, since the start */
        uint64_t errors;
        int err; /* what ended it; 0: it goes on */
};
void ring_stats(const struct ring *r, struct ring_stats *ret);

/* ---- reading ---- */

#define RING_NAME 32
struct ring_segment {
        uint64_t number;
        uint64_t bytes;
        char name[RING_NAME];
};
/* What is in a directory, the oldest first. *ret is the caller's, by free(). 0 segments where there is no directory. */
int ring_list(const char *dir, struct ring_segment **ret, size_t *ret_n) TM_CHECK;

#endif
