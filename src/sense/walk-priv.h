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

struct walk_worker_setup {
        int names_fd;
        enum names_by names_by;
        uint32_t mask; /* of marks and watches */
};

int walk_worker(int fd, void *arg);

#endif
