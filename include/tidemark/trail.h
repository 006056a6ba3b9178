/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trail - the append-only, hash-chained record of what was asked of the agent, by whom, and what came of it.
 *
 * DIR/trail.jsonl, one JSON object a line:
 *
 *     {"n":7,"time":"…","kind":"asked","command":3,"uid":0,"login_uid":1000,"pid":4711,"text":"…",
 *      "prev":"…","hash":"…"}
 *
 * n counts from 1. hash is the SHA-256, in hexadecimal, of the line's bytes before `,"hash":`; prev is the hash of the
 * line before ("" for the first): whoever changes, removes or reorders a line breaks the chain behind it. text is
 * printable (str_escape). A line that a crash left without its newline was never acknowledged: opening cuts it, and
 * says so in a record of its own.
 *
 * trail_file_* writes and blocks in fsync(2). The sensor's loop may not, so it uses trail_*: a forked writer, one
 * request after another, each with a deadline. A writer that misses it is killed and replaced at the next request.
 */
#ifndef TIDEMARK_TRAIL_H
#define TIDEMARK_TRAIL_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct trail;
struct trail_file;

#define TRAIL_TEXT_MAX 16384u /* bytes of text kept of one entry; longer ones are cut and end in "..." */
#define TRAIL_KIND_MAX 32u
#define TRAIL_WHY 160u

/* Where what it says comes from. */
enum trail_source {
        TRAIL_AGENT,    /* the sensor itself: what it did, saw or refused */
        TRAIL_OPERATOR, /* who asked for something */
        TRAIL_ENGINE,   /* the engine's word: it may be wrong, and cannot be an operator's */
        TRAIL_KERNEL,   /* what a kernel interface said: losses */
        TRAIL_SOURCE__MAX
};

struct trail_entry {
        const char *kind; /* "started", "asked", "outcome", "ended", … */
        enum trail_source source;
        struct bytes container; /* its id; empty: of none */
        uint64_t finding;       /* 0: none */
        struct bytes comm;      /* command name of pid */
        uint64_t command; /* number of the command; asked and outcome share it; 0: none */
        uint32_t uid, login_uid, pid;
        int64_t wall_ns;
        struct bytes text;
};

/* Open or create; checks the chain of the last record. -EUCLEAN: the file's end is not a record of ours. *ret_why:
 * words, static. */
int trail_file_open(const char *dir, struct trail_file **ret, const char **ret_why) TM_CHECK;
struct trail_file *trail_file_close(struct trail_file *f);
DEFINE_CLEANUP(struct trail_file *, trail_file_close)
/* Append and wait until it is on the disk. *ret_n is its number. On failure the file is as before. */
int trail_file_append(struct trail_file *f, const struct trail_entry *e, uint64_t *ret_n) TM_CHECK;
/* Follow the chain from the first record: 0; -EUCLEAN with the number of the first record that does not fit (1 + the
 * last good one). */
int trail_file_verify(const char *dir, uint64_t *ret_n) TM_CHECK;

struct trail_ops {
        /* An entry is on the disk with number n (err 0), or is not (err negative: nothing may be done on its strength).
         */
        void (*done)(uint64_t cookie, uint64_t n, int err, void *arg);
        /* In the writer, before it opens anything: give up what it does not need. A failure ends it. */
        int (*confine)(void);
};

/*
 * Fork the writer and wait until it has opened the file (bounded by deadline_ns). ret_why: words, empty if there are
 * none beyond the error. deadline_ns: for one entry.
 */
int trail_start(struct loop *loop, const char *dir, uint64_t deadline_ns, const struct trail_ops *ops, void *arg,
                struct trail **ret, char ret_why[TRAIL_WHY]) TM_CHECK;
/* Waits for entries under way until their deadline, then ends the writer. */
struct trail *trail_stop(struct trail *t);
DEFINE_CLEANUP(struct trail *, trail_stop)
/* Queue an entry; ops.done comes later, never from within. -ENOBUFS: 64 wait already. */
int trail_append(struct trail *t, uint64_t cookie, const struct trail_entry *e) TM_CHECK;
uint32_t trail_pid(const struct trail *t); /* of the writer; 0: none now */

#endif
