/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fan_source - the fanotify group for content: what was written and closed, and what was executed, on the root mounts
 * of containers. fanotify(7). Notification class only: it never holds anybody up.
 *
 * Owns:      one fanotify group with descriptors (O_RDONLY, close-on-exec), its marks, the events' descriptors.
 * Never:     looks into files, knows containers.
 * Hands over: an event with its descriptor, which is closed after the call.
 * Own process's events (and those of the pids in ignore) are dropped.
 */
#ifndef TIDEMARK_FAN_SOURCE_H
#define TIDEMARK_FAN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/kmsg.h"

struct loop;
struct fan_source;

struct fan_ops {
        void (*before)(void *arg); /* before the events of one read are told: drain what must be known first */
        void (*event)(const struct fan_event *ev, void *arg);
        void (*loss)(void *arg); /* FAN_Q_OVERFLOW */
};
struct fan_stats {
        uint64_t delivered, own, overflows, malformed;
};

/* Pure: one event record from a buffer read from the group. 1 (ret_used set), 0 at the end, ERR_TRUNCATED, ERR_SCHEMA
 * (metadata version unknown). */
int fan_decode(const void *p, size_t len, struct fan_event *ret, bool *ret_overflow, size_t *ret_used) TM_CHECK;

struct fan_features {
        bool open_exec, mark_filesystem, report_dfid_name;
};
/* Try each on a private file system or directory; nothing stays behind. */
void fan_probe(struct fan_features *ret);

/* What a group tells of. One each: a storm of files then drowns no execution. */
enum fan_what { FAN_WHAT_WRITES, FAN_WHAT_EXECS };
int fan_source_open(struct loop *loop, const struct fan_features *use, enum fan_what what, const struct fan_ops *ops,
                    void *arg, struct fan_source **ret) TM_CHECK;
struct fan_source *fan_source_close(struct fan_source *s);
DEFINE_CLEANUP(struct fan_source *, fan_source_close)
void fan_source_ignore(struct fan_source *s, uint32_t pid);
/*
 * Mark the root at path ("/proc/PID/root/."): with whole the file system, where the kernel can, else the mount alone.
 * whole is for a file system that is the container's own (overlay). The caller has made sure that it is not the host's
 * root and not a network or FUSE file system. ret_how says which it became.
 */
int fan_source_mark(struct fan_source *s, const char *path, bool whole, enum fan_how *ret_how) TM_CHECK;
/* Be told (or no longer) who opens the one file that fd is of: FAN_OPEN. The mark goes with the file or its system. */
int fan_source_watch_open(struct fan_source *s, int fd, bool on);
/* Deliver what is queued now (bounded by what one full queue holds). */
int fan_source_drain(struct fan_source *s);
/* At most so many reads (of some dozen events): 1 when there may be more, 0 when it is empty. */
int fan_source_read(struct fan_source *s, unsigned reads) TM_CHECK;
void fan_source_stats(const struct fan_source *s, struct fan_stats *ret);

#endif
