/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk - the walker: a forked helper of the sensor that lists upper directories and puts name marks on them. Walking
 * can hang (NFS below, a dying disk), so it is not done in the loop; a request that misses its deadline is ended, the
 * walker is killed and replaced, and the walk counts as incomplete.
 *
 * Requests are served one after another. For each directory: it is told (ops.dir, with its handle) and marked if asked
 * (with inotify: watched, and told with the watch's number), then listed (ops.entry for each name in it, in no order).
 * Symbolic links are never followed; nothing outside the directory that was passed is opened; other mounts are not
 * entered. ops.end comes once per request.
 */
#ifndef TIDEMARK_WALK_H
#define TIDEMARK_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct names_source;
struct walker;

struct walk_entry {
        struct bytes path; /* relative to the upper directory, no leading slash */
        uint8_t type;      /* DT_* */
        bool whiteout;     /* character device 0:0, or the overlay.whiteout xattr */
        bool opaque;       /* directory with overlay.opaque = y */
        bool caps;         /* executable regular file with security.capability */
        uint32_t mode, uid, gid, nlink;
        uint64_t size, ino, mtime_ns, ctime_ns;
        struct bytes target; /* symlink's text, cut at 1024 */
};

/* What a comparison came to. UNSURE: one cannot be read, is too large, or it took too long. */
enum walk_verdict { WALK_UNSURE, WALK_SAME, WALK_DIFFERS };

struct walk_ops {
        void (*dir)(uint32_t tag, struct bytes handle, struct bytes path, void *arg);
        void (*entry)(uint32_t tag, const struct walk_entry *e, void *arg);
        /* A directory that was above the bound, in a walk of everything, has no mark any more. */
        void (*unmarked)(uint32_t tag, struct bytes handle, void *arg);
        /* The walk is about to begin: how many directories may it mark? */
        uint32_t (*marks)(uint32_t tag, uint64_t cookie, void *arg);
        void (*compared)(uint32_t tag, uint64_t cookie, enum walk_verdict verdict, void *arg);
        void (*end)(uint32_t tag, uint64_t cookie, uint64_t entries, bool complete, uint32_t marks_refused, void *arg);
};
struct walk_stats {
        uint64_t requests, compared, entries, incomplete, restarts;
        size_t queued;
};

/*
 * Fork the walker. names: where marks are put, NULL: list only; with_writes: their mask has FAN_CLOSE_WRITE too. A
 * worker process is single-threaded, closes every other descriptor, and dies with its parent. deadline_ns: for one
 * request.
 */
int walker_start(struct loop *loop, const struct names_source *names, bool with_writes, uint64_t deadline_ns,
                 const struct walk_ops *ops, void *arg, struct walker **ret) TM_CHECK;
struct walker *walker_stop(struct walker *w);
DEFINE_CLEANUP(struct walker *, walker_stop)
uint32_t walker_pid(const struct walker *w);
enum walk_how {
        WALK_LIST,   /* tell what is there */
        WALK_MARK,   /* and mark each directory */
        WALK_UNMARK, /* tell nothing, and take marks away */
        WALK_COMPARE, /* walker_compare's */
};
/*
 * Queue a request: list below upper_fd (a directory, O_PATH will do; duplicated, the caller keeps its own) at the
 * relative path subdir (empty: all of it). entries_max bounds the entries; what bounds the marks is asked when the walk
 * begins (ops.marks). A walk of everything takes marks away from what is above that bound. cookie comes back in end.
 * 0, -ENOBUFS when 1024 requests wait (then the caller must ask for a whole walk later).
 */
int walker_request(struct walker *w, uint32_t tag, uint64_t cookie, int upper_fd, struct bytes subdir,
                   enum walk_how how, uint64_t entries_max) TM_CHECK;
/*
 * Queue a comparison of two regular files (O_PATH descriptors, duplicated) of at most bytes_max bytes: one
 * ops.compared comes of it. As walker_request().
 */
int walker_compare(struct walker *w, uint32_t tag, uint64_t cookie, int a, int b, uint64_t bytes_max) TM_CHECK;
/* Stop and go on reading what it tells: it waits meanwhile, and its deadline does not run. For when the pair is full.
 * May be called from ops: the rest of a message then waits for walker_rest(). */
void walker_pause(struct walker *w, bool paused);
/* Tell what a pause held back of the last message; false: there is nothing more of it, or it is paused again. */
bool walker_rest(struct walker *w);
/* Deliver what the walker has told up to now. */
int walker_drain(struct walker *w);
void walker_stats(const struct walker *w, struct walk_stats *ret);

#endif
