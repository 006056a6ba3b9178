/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peek-priv - what passes between the sensor and the helper that reads processes: of one binary, so plain structs. */
#ifndef TIDEMARK_TRACE_PEEK_PRIV_H
#define TIDEMARK_TRACE_PEEK_PRIV_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/peek.h"
#include "tidemark/str.h"

struct buf;

enum peek_what { PEEK_NONE, PEEK_ARGS, PEEK_MAPS };

struct peek_request {
        uint64_t token, start;
        uint32_t pid, what;
};

/* Shared memory: which request the helper is at, told before it can hang. */
struct peek_shared {
        volatile uint64_t token;
};

/* A datagram holds some of: u8 kind · u64 token · what the kind has. */
enum peek_answer {
        PEEK_A_NONE,
        PEEK_A_END,    /* u32 error (positive errno) · u32 total · counted args */
        PEEK_A_MAPPED, /* u64 dev, ino, size · u32 mode, nlink, mount · u8 deleted, facts · counted path */
        PEEK_A__MAX
};
struct peek_said {
        uint8_t kind;
        uint64_t token;
        uint32_t error, total; /* END */
        struct bytes args;
        struct peek_mapped mapped; /* MAPPED */
};
/* The first answer of what is left of a datagram; strings are borrowed from it. -EPROTO: none. Pure. */
int peek_decode(const void *p, size_t len, struct peek_said *ret, size_t *ret_used) TM_CHECK;
#define PEEK_DATAGRAM (64u * 1024)

struct peek_worker_setup {
        int (*confine)(void);
        struct peek_shared *shared;
};
int peek_worker(int fd, void *setup);

/* One line of /proc/PID/maps. 1: a file mapped executable, with its range, device and path (borrowed from line); 0: any
 * other mapping; -EINVAL: no such line. Pure. */
struct peek_line {
        uint64_t from, to, dev, ino;
        struct bytes path;
};
int peek_parse_line(struct bytes line, struct peek_line *ret) TM_CHECK;

#endif
