/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk-priv - what the sensor (walk.c) and its walker (walk_worker.c) say to each other. Both are the same program,
 * forked: a request is a struct, with the directory's descriptor (the two files') beside it. Answers are packed,
 * several a datagram:
 *
 *     DIR    u32 tag · string handle (inotify: number of the watch) · string path
 *     ENTRY  u32 tag · string path · u8 type · u8 flags (1 whiteout, 2 opaque, 4 capabilities) · u32 mode, uid, gid,
 *            nlink · u64 size, ino, mtime, ctime · string target
 *     GONE   u32 tag · string handle (a mark was taken away)
 *     VERDICT u32 tag · u64 cookie · u8 enum walk_verdict (instead of END)
 *     END    u32 tag · u64 cookie · u64 entries · u8 complete · u32 marks refused
 */
#ifndef TIDEMARK_SENSE_WALK_PRIV_H
#define TIDEMARK_SENSE_WALK_PRIV_H

#include <stdint.h>

#include "tidemark/names_source.h"
#include "tidemark/walk.h"

#define WALK_PATH_MAX 4096u
#define WALK_DATAGRAM 16384u

enum { WALK_MSG_DIR = 1, WALK_MSG_ENTRY, WALK_MSG_GONE, WALK_MSG_VERDICT, WALK_MSG_END };

struct walk_said {
        uint8_t what;
        uint32_t tag;
        struct bytes handle, path; /* DIR; GONE: the handle */
        struct walk_entry entry;   /* ENTRY */
        uint64_t cookie, entries;  /* END; VERDICT: the cookie */
        enum walk_verdict verdict;
        uint32_t refused;
        bool complete;
};
/* The first message of what is left of a datagram. -EPROTO: none. */
int walk_decode(const void *p, size_t len, struct walk_said *ret, size_t *ret_used) TM_CHECK;

struct walk_request {
        uint64_t cookie, entries_max; /* of a comparison: bytes */
        uint32_t tag, marks_max, how; /* how: enum walk_how */
        char subdir[WALK_PATH_MAX];
};

#define WALK_QUEUE_MAX 1024u
#define WALK_QUEUE_TAG 64u /* of one container */

struct walk_queued {
        struct walk_queued *next;
        int fd, other; /* the directory, -1; or the two that are compared. -1 once they are sent */
        bool sent;
        struct walk_request rq;
};
struct walk_queue {
        struct walk_queued *first, *last; /* the first is under way once it is sent */
        size_t n;
        uint32_t served; /* tag of the last one that began */
};
/*
 * 1: queued, the queue's. 0: not needed, a walk of everything of that container waits already; the caller's. -EDQUOT:
 * so many of one container wait that a walk of everything should take their place. -ENOBUFS: too many of all.
 */
int walk_queue_add(struct walk_queue *q, struct walk_queued *r) TM_CHECK;
/* Whose turn it is is first now, and counts as served. NULL: one is under way, or none waits. */
struct walk_queued *walk_queue_begin(struct walk_queue *q);
void walk_queued_close(struct walk_queued *r);
/* The first is over: freed. */
void walk_queue_pop(struct walk_queue *q);

struct walk_worker_setup {
        int names_fd;
        enum names_by names_by;
        uint32_t mask; /* of marks and watches */
};

int walk_worker(int fd, void *arg);

#endif
