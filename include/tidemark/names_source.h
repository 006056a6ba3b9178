/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names_source - the kernel's interface for names: create, delete, rename, attribute in the upper directories. Two
 * forms of it, with the same events:
 *
 *   fanotify  FAN_REPORT_DFID_NAME with one inode mark per directory (Linux 5.9); names a directory by file handle
 *   inotify   one watch per directory (every kernel), of which a quarter of the host's at most; names a directory by
 *             the watch's number, and no process
 *
 * The table from what names a directory to its path is kept here, and follows renames of directories.
 *
 * Owns:      the descriptor and the table. The marks are made by the walker (walk.h). fanotify: it tells each directory
 *            BEFORE it marks it and lists it AFTER: so no handle comes that is not in the table once the walker was
 *            drained. inotify: the number is only known once the watch is there, so it is told after it; events that
 *            come in between are kept until then (names_source_round() ends that).
 * Hands over: one name_event per name; a rename as one event with both names where the two halves stand side by side.
 */
#ifndef TIDEMARK_NAMES_SOURCE_H
#define TIDEMARK_NAMES_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct names_source;

struct name_event {
        uint64_t mask; /* FAN_CREATE, FAN_DELETE, FAN_MOVED_FROM, FAN_MOVED_TO, FAN_ATTRIB, FAN_ONDIR; both MOVED bits:
                          one rename; FAN_CLOSE_WRITE where it was asked for */
        uint32_t pid;      /* 0: not told (inotify) */
        uint32_t tag;      /* whose upper directory: as given with names_source_dir */
        struct bytes path; /* relative to the upper directory, no leading slash; the new name for a rename; valid during
                              the call */
        struct bytes old_path;
        bool again; /* FAN_CREATE, of a name whose moving away was told: only if it is there was it made again */
};

struct names_ops {
        void (*before)(void *arg);
        void (*event)(const struct name_event *ev, void *arg);
        /* A handle that is not in the table: drain the walker, then it is looked up once more. */
        void (*unknown)(void *arg);
        void (*loss)(void *arg); /* overflow, or a handle that is not in the table */
};
struct names_stats {
        uint64_t delivered, own, overflows, unknown, malformed;
        uint64_t early;        /* inotify: came before their directory was told */
        size_t dirs;           /* in the table */
        uint64_t dirs_refused; /* by the limit */
};

enum names_by { NAMES_FANOTIFY, NAMES_INOTIFY };

/* What the walker marks directories with; inotify's bits have the same values (linux/inotify.h, linux/fanotify.h). */
#define NAMES_MASK                                                                                                     \
        (0x00000004 /* FAN_ATTRIB */ | 0x00000040 /* FAN_MOVED_FROM */ | 0x00000080 /* FAN_MOVED_TO */ |               \
         0x00000100 /* FAN_CREATE */ | 0x00000200 /* FAN_DELETE */ | 0x00000400 /* FAN_DELETE_SELF */ |                \
         0x08000000 /* FAN_EVENT_ON_CHILD */ | 0x40000000 /* FAN_ONDIR */)

/* dirs_max: directories known at most, over all tags; of inotify also a quarter of fs.inotify.max_user_watches.
 * -EINVAL/-ENOSYS: not to be had on this kernel. */
int names_source_open(struct loop *loop, enum names_by by, size_t dirs_max, const struct names_ops *ops, void *arg,
                      struct names_source **ret) TM_CHECK;
size_t names_source_limit(const struct names_source *s); /* of directories, as it was cut */
struct names_source *names_source_close(struct names_source *s);
DEFINE_CLEANUP(struct names_source *, names_source_close)
int names_source_fd(const struct names_source *s); /* for the walker, which adds the marks */
enum names_by names_source_by(const struct names_source *s);
void names_source_ignore(struct names_source *s, uint32_t pid);
/* A directory is about to be marked, or (inotify) has been. handle: file system id, type and bytes; or the watch's
 * number: as walk.h gives them. 0, ERR_LIMIT, -ENOMEM. */
int names_source_dir(struct names_source *s, uint32_t tag, struct bytes handle, struct bytes path) TM_CHECK;
/* A directory of this tag has no mark any more; what it had told may still be in the queue, and is let pass. */
void names_source_undir(struct names_source *s, uint32_t tag, struct bytes handle);
/*
 * Forget all directories of a tag: nothing is told of them any more. Watches end; marks stay until the walker takes
 * them away, or the directories are deleted, or told again (for a container that was started again), and until then so
 * does what is needed to know them as nobody's.
 */
void names_source_forget(struct names_source *s, uint32_t tag);
size_t names_source_count(const struct names_source *s, uint32_t tag);
/* A walk has ended: what came early and belongs to no directory that was told is a loss after the next one. */
void names_source_round(struct names_source *s);
/* Deliver what is queued now (bounded by what one full queue holds). */
int names_source_drain(struct names_source *s);
/* At most so many reads: 1 when there may be more, 0 when it is empty. */
int names_source_read(struct names_source *s, unsigned reads) TM_CHECK;
void names_source_stats(const struct names_source *s, struct names_stats *ret);

/* Pure: iterate the records of one read. handle points at fsid(8 bytes) · handle type (u32 LE) · handle bytes, rebuilt
 * in scratch. 1, 0 at the end, ERR_TRUNCATED, ERR_SCHEMA. */
struct names_raw {
        uint64_t mask;
        uint32_t pid;
        uint32_t cookie; /* inotify: of the two halves of a rename */
        struct bytes handle;
        struct bytes name; /* empty or ".": the directory itself */
        bool overflow;
        bool ended; /* inotify: the watch is no more */
        uint8_t scratch[160];
};
int names_decode(const void *p, size_t len, struct names_raw *ret, size_t *ret_used) TM_CHECK;
/* The same for inotify(7); handle is the watch's number (4 bytes, as the machine has them). */
int inotify_decode(const void *p, size_t len, struct names_raw *ret, size_t *ret_used) TM_CHECK;

#endif
