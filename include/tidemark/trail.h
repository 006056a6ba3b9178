/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trail - the append-only, hash-chained record of what was asked of the agent, by whom, what came of it, and what was
 * watched.
 *
 * DIR/trail.jsonl, one JSON object a line; tidemark-trail(5) says what each kind of record means:
 *
 *     {"n":7,"time":"…","boot_ns":…,"kind":"asked","source":"operator","command":3,"uid":0,"login_uid":1000,
 *      "pid":4711,"comm":"tidemark","container":"…","finding":"F-12","text":"…","prev":"…","hash":"…"}
 *
 * n counts from 1. hash is the SHA-256, in hexadecimal, of the line's bytes before `,"hash":`; prev is the hash of the
 * line before ("" for the first): whoever changes, removes or reorders a line breaks the chain behind it. text is
 * printable (str_escape). boot_id is in the first record of each writer; late where a record waited in memory; comm,
 * container and finding where there is one. Records of the agent's versions before had fewer members, and verify.
 *
 * A line that a crash left without its newline was never acknowledged: opening cuts it, and says so in a record of its
 * own. A file that is large or old enough becomes DIR/trail-NNNNNNNNNNNN.jsonl, by the number of its first record, and
 * the chain goes on in a new one. A file whose records are all older than they are kept is removed; before that, a
 * record
 * ("removed") names it, its last number and its last hash: so the chain may begin behind it.
 *
 * trail_file_* writes and blocks in fsync(2). The sensor's loop may not, so it uses trail_*: a forked writer, to which
 * requests go in order; what waits while it writes is written next, with one fsync for all. A writer that misses its
 * deadline is left and replaced.
 */
#ifndef TIDEMARK_TRAIL_H
#define TIDEMARK_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;
struct loop;
struct trail;
struct trail_file;

#define TRAIL_TEXT_MAX 16384u /* bytes of text kept of one entry; longer ones are cut and end in "..." */
#define TRAIL_KIND_MAX 32u
#define TRAIL_WHY 160u
#define TRAIL_HASH 64 /* hexadecimal digits */
#define TRAIL_NAME 40 /* of a file: fixed array */

/* Where what it says comes from. */
enum trail_source {
        TRAIL_AGENT,    /* the sensor itself: what it did, saw or refused */
        TRAIL_OPERATOR, /* who asked for something */
        TRAIL_ENGINE,   /* the engine's word: it may be wrong, and cannot be an operator's */
        TRAIL_KERNEL,   /* what a kernel interface said: losses */
        TRAIL_SOURCE__MAX
};
const char *trail_source_name(unsigned source); /* "agent", "operator", "engine", "kernel" */

struct trail_entry {
        const char *kind; /* "started", "asked", "outcome", "ended", … */
        enum trail_source source;
        struct bytes container; /* its id; empty: of none */
        uint64_t finding;       /* 0: none */
        struct bytes comm;      /* command name of pid */
        uint64_t command;       /* number of the command; asked and outcome share it; 0: none */
        uint32_t uid, login_uid, pid;
        int64_t wall_ns;
        uint64_t boot_ns; /* 0: not known */
        bool late;        /* it waited in memory: it is newer than the records before it say */
        struct bytes text;
};

/* ---- the file, for whoever may block ---- */

struct trail_limits {
        uint64_t segment; /* bytes of one file; 0: no limit */
        uint64_t keep_ns; /* how long records are kept at least; 0: for ever */
};

/* Open or create; checks the chain of the last record. -EUCLEAN: the file's end is not a record of ours; -EBUSY:
 * another process writes there. limits may be NULL: none. *ret_why: words, static. */
int trail_file_open(const char *dir, const struct trail_limits *limits, struct trail_file **ret,
                    const char **ret_why) TM_CHECK;
struct trail_file *trail_file_close(struct trail_file *f);
DEFINE_CLEANUP(struct trail_file *, trail_file_close)
/* Write one, which is not on the disk before trail_file_sync() says so. *ret_n is its number. On failure the
 * file is as before. */
int trail_file_put(struct trail_file *f, const struct trail_entry *e, uint64_t *ret_n,
                   char ret_hash[TRAIL_HASH + 1]) TM_CHECK;
/* All that was put is on the disk; or, on failure, nothing of it stands in the file since the last success. -ESTALE:
 * somebody has removed or moved the file. */
int trail_file_sync(struct trail_file *f) TM_CHECK;
/* Both. */
int trail_file_append(struct trail_file *f, const struct trail_entry *e, uint64_t *ret_n) TM_CHECK;
/* Number of the last record (0: none), and its hash. */
uint64_t trail_file_head(const struct trail_file *f, char ret_hash[TRAIL_HASH + 1]);

/* Give the files that are there to a group, which may read: those of an earlier configuration, or of an earlier agent.
 * Needs the privilege. */
int trail_set_group(const char *dir, gid_t group) TM_CHECK;

/* SHA-256 in hexadecimal. */
int trail_hash(struct bytes s, char ret[TRAIL_HASH + 1]) TM_CHECK;

/* A small file of ours beside the trail (at most 4 MiB), whole or not at all, on the disk when it returns. */
int trail_kept_read(const char *dir, const char *name, struct buf *out) TM_CHECK;
int trail_kept_write(const char *dir, const char *name, struct bytes text) TM_CHECK;

/* ---- reading ---- */

/* A record as it stands in its file. Borrowed until the next one. */
struct trail_record {
        char file[TRAIL_NAME];
        uint64_t line; /* of the file, from 1 */
        uint64_t n, command, finding, boot_ns;
        int64_t wall_ns; /* of "time"; 0: it is none */
        uint32_t uid, login_uid, pid;
        bool late;
        const char *time, *boot_id, *kind, *source, *comm, *container; /* "" where there is none */
        struct bytes text; /* as it was given: JSON, where the kind says so */
        const char *prev, *hash;
        struct bytes raw; /* the line without its newline */
};

/* What is wrong with a trail, where it is found first. */
enum trail_wrong {
        TRAIL_WHOLE,
        TRAIL_CHANGED,   /* the hash is not that of the line, or the line is no record */
        TRAIL_MISSING,   /* records are not where they belong: removed, or moved */
        TRAIL_UNLINKED,  /* its own hash fits, but the next one follows from another: it was changed, and hashed anew */
        TRAIL_BEGINNING, /* the first ones are missing, and no record says that they were removed */
        TRAIL_UNFINISHED, /* the last line has no end */
        TRAIL_CUT,        /* the audit log knows records behind the last one */
        TRAIL_REWRITTEN,  /* the chain holds, but the audit log knows another hash */
        TRAIL_WRONG__MAX
};
const char *trail_wrong_name(unsigned wrong); /* "whole", "changed", … */

/* A checkpoint of the chain's head that stands elsewhere. */
struct trail_checkpoint {
        uint64_t n;
        char hash[TRAIL_HASH + 1];
        int64_t wall_ns;
};
#define TRAIL_CHECKPOINTS_MAX 65536u
struct trail_checkpoints {
        struct trail_checkpoint *at; /* owned; sorted by n once they are all there */
        size_t n, cap;
        uint64_t refused;
};
/* Add those of an audit log: its lines of our checkpoints of the trail with this name (cfg_instance()). Only when the
 * file cannot be opened or read: negative errno. Others' lines, and ones that are cut or wrong, are passed over. */
int trail_checkpoints_read(const char *path, const char *instance, struct trail_checkpoints *cs) TM_CHECK;
/* One line of it: true if it is one. Pure. */
bool trail_checkpoint_parse(struct bytes line, const char *instance, struct trail_checkpoint *ret);
void trail_checkpoints_release(struct trail_checkpoints *cs);

struct trail_verdict {
        enum trail_wrong wrong;
        char file[TRAIL_NAME]; /* where; "": at the end, or nowhere */
        uint64_t line, n;      /* of the first record that is wrong or missing */
        char words[240];
        uint64_t first, last, records, files; /* that were read, up to there */
        int64_t first_ns, last_ns;
        char head[TRAIL_HASH + 1];
        uint64_t removed;                        /* records before the first one that were removed, and are named */
        size_t checkpoints;                      /* that fit */
        struct trail_checkpoint last_checkpoint; /* of those; n 0: none */
};

/*
 * Read all files of dir from the first record to the last, and follow the chain; each (may be NULL) is called for every
 * record that fits, and ends the reading by returning other than 0, which is then returned. cs may be NULL. 0: *ret
 * says what was found. Negative errno: it could not be read; -ENOENT: there is no trail.
 */
int trail_verify(const char *dir, struct trail_checkpoints *cs, int (*each)(const struct trail_record *r, void *arg),
                 void *arg, struct trail_verdict *ret) TM_CHECK;

/* ---- the writer, for a loop that may not block ---- */

struct trail_ops {
        /* An entry is on the disk with number n (err 0), or is not (err negative: nothing may be done on its strength).
         */
        void (*done)(uint64_t cookie, uint64_t n, int err, void *arg);
        /* One more is on the disk: the head of the chain. May be NULL. */
        void (*head)(uint64_t n, const char *hash, void *arg);
        /* The writer can write again, or no more (err negative). May be NULL. */
        void (*state)(int err, void *arg);
        /* In the writer, before it opens anything: give up what it does not need. A failure ends it. */
        int (*confine)(void);
};

struct trail_stats {
        uint64_t written, written_late, dropped, failures;
        uint64_t head; /* number of the last record; 0: there is none */
        char hash[TRAIL_HASH + 1];
        size_t waiting, late; /* late: of those that wait, because it could not be written */
        int err;              /* why it cannot be written now; 0: it can */
};

/*
 * Fork the writer and wait until it has opened the file (bounded by deadline_ns). ret_why: words, empty if there are
 * none beyond the error. deadline_ns: for one entry, from when it is the writer's.
 */
int trail_start(struct loop *loop, const char *dir, const struct trail_limits *limits, uint64_t deadline_ns,
                const struct trail_ops *ops, void *arg, struct trail **ret, char ret_why[TRAIL_WHY]) TM_CHECK;
/* Waits for entries that wait until their deadline, then ends the writer. How many were not written: *ret_left, may be
 * NULL. */
void trail_flush(struct trail *t, size_t *ret_left);
struct trail *trail_stop(struct trail *t);
DEFINE_CLEANUP(struct trail *, trail_stop)
/* Queue an entry; ops.done comes later, never from within. If it cannot be written it is given up, and done says so.
 * cookie: not 0. -ENOBUFS: too many wait already. */
int trail_append(struct trail *t, uint64_t cookie, const struct trail_entry *e) TM_CHECK;
/* Queue an entry that is not given up: if it cannot be written now, it waits, keeps its place before all that come
 * later, and is written late. cookie 0: nobody waits; else ops.done is called once, also if it only failed for now.
 * When there is no room any more it is counted, and a record says how many were not written: -ENOBUFS. */
int trail_keep(struct trail *t, uint64_t cookie, const struct trail_entry *e);
void trail_stats(const struct trail *t, struct trail_stats *ret);
uint32_t trail_pid(const struct trail *t); /* of the writer; 0: none now */

#endif
