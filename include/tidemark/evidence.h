/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evidence - the directory in which evidence of containers lies: names, what is known of each, how long it is kept.
 *
 *     E-20261127T142501Z-0123456789ab-1.tar.zst        the evidence (capture.h), 0600; .tar.gz where there is no zstd;
 *                                                      with .partial behind it until it is whole
 *     E-20261127T142501Z-0123456789ab-1.tar.zst.json   what is known of it: one JSON object, written when it is whole
 *     E-20261127T142501Z-0123456789ab-1.tar.zst.sig    its signature, if it is signed: what
 *                                                      `openssl dgst -sha256 -sign KEY` makes of the file
 *
 * evidence_plan() is pure. evidence_open() and all below block: the loop asks by struct evidence_desk, which forks a
 * helper for each request, one after the other, each with a deadline.
 */
#ifndef TIDEMARK_EVIDENCE_H
#define TIDEMARK_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;

#define EVIDENCE_NAME 64u    /* bytes of a name, with its NUL */
#define EVIDENCE_MAX 4096u   /* pieces that are looked at in one directory */
#define EVIDENCE_FACTS 8192u /* bytes of what is known of one */
#define EVIDENCE_WORDS 256u
#define EVIDENCE_SIGNATURE 2048u /* bytes */

/* ---- names, and what is kept: pure ---- */

/* Of evidence that is begun now, of this container (its id), the n-th since the start. Without an ending. */
void evidence_name(char dst[EVIDENCE_NAME], int64_t wall_ns, const char *container, unsigned n);
/* Is it such a name, with its ending? *ret_wall_ns (may be NULL): when it was begun. */
bool evidence_is_name(struct bytes name, int64_t *ret_wall_ns);

struct evidence_piece {
        char name[EVIDENCE_NAME];
        int64_t wall_ns; /* when it was begun, by its name */
        uint64_t size;   /* bytes on the disk, with what lies beside it */
        bool held;       /* an open finding names it */
        bool busy;       /* it is being written */
};
struct evidence_rules {
        uint64_t keep_size, keep_age_ns;
        uint64_t min_free; /* bytes of the disk */
};
#define EVIDENCE_LEAST (16u << 20) /* with less room than this none is begun */
#define EVIDENCE_YOUNG_NS (3600 * 1000000000ull) /* younger ones never make room */
enum evidence_verdict {
        EVIDENCE_KEEP,
        EVIDENCE_TOO_OLD,
        EVIDENCE_NO_ROOM,
        EVIDENCE_WAS_GONE, /* found by a sweep: what lay beside it was there, and it was not */
};
struct evidence_plan {
        uint8_t verdict[EVIDENCE_MAX]; /* enum evidence_verdict, of each piece */
        size_t n;                      /* that go */
        uint64_t bytes, freed;         /* of all; of those that go */
        uint64_t granted;              /* of what is wanted: so much has room afterwards; 0: none is begun */
        bool by_disk;                  /* it is less for evidence.min_free's sake, not for keep_size's */
};
/*
 * Which of the pieces go, so that nothing is too old and what is wanted (bytes at most; 0: nothing new) has room: the
 * oldest, none that is young, and what an open finding names only if there is not even room for EVIDENCE_LEAST (or all
 * that is wanted) else. If there is not even so, none goes for its sake. free_bytes: of the disk, now.
 */
void evidence_plan(const struct evidence_piece *p, size_t n, const struct evidence_rules *rules, int64_t now_wall_ns,
                   uint64_t wanted, uint64_t free_bytes, struct evidence_plan *ret);

/* ---- for helpers, tests and the command line ---- */

/* The SHA-256 of what fd holds from its beginning, in hexadecimal. */
int evidence_hash(int fd, char ret_hex[65]) TM_CHECK;
/*
 * Sign what has this SHA-256 with the private key of a file in PEM form. -EINVAL, -EPERM and what open(2) says:
 * *ret_why are words (static).
 */
int evidence_sign(const char *key_file, const uint8_t sha256[32], uint8_t ret_sig[EVIDENCE_SIGNATURE], size_t *ret_len,
                  const char **ret_why) TM_CHECK;
/* Is the file a key that can sign? NULL: yes; else why not, in words (static). */
const char *evidence_key_wrong(const char *key_file);

/* ---- the loop's way to the directory ---- */

enum evidence_job {
        EVIDENCE_SWEEP,  /* what is too old goes, and more until `wanted` has room; then ops.granted */
        EVIDENCE_LIST,   /* ops.piece of each, from the newest; at most `most`, those before `name` if there is one */
        EVIDENCE_LOOK,   /* ops.piece of `name` alone */
        EVIDENCE_REMOVE, /* `name` */
        EVIDENCE_FINISH, /* `name` is whole: its signature, and `facts` beside it */
        EVIDENCE__JOBS
};
struct evidence_ask {
        enum evidence_job job;
        struct evidence_rules rules;
        uint64_t wanted;        /* sweep */
        unsigned most;          /* list */
        const char *name;       /* copied, as all texts here */
        const char *facts;      /* finish: one JSON object */
        const char *sign_key;   /* finish: file; NULL or empty: it is not signed */
        const char *sha256;     /* finish: of the whole file, hexadecimal */
        struct bytes held;      /* sweep: names, one a line, of what open findings name */
        struct bytes busy;      /* names, one a line, of what is being written */
        bool keep;              /* sweep: say what would go, and let nothing go */
};
/* What there is, after the job. */
struct evidence_totals {
        uint64_t pieces, bytes, disk_free;
        bool writable; /* as far as that can be told without writing */
        bool more; /* list: there are older ones */
        uint64_t granted; /* sweep: as in struct evidence_plan */
        bool by_disk;
        char words[EVIDENCE_WORDS]; /* what went wrong, or is to be known; empty: nothing */
};
struct evidence_ops {
        /* One piece: its facts, or what can be said without: {"name", "began", "size", "whole": false}. */
        void (*piece)(const char *name, struct bytes facts, void *arg);
        /* It went (or would): its facts, and why. */
        void (*removed)(const char *name, enum evidence_verdict why, struct bytes facts, void *arg);
        /* sweep: there is room for so much; what goes for it goes now. May be NULL. */
        void (*granted)(uint64_t bytes, void *arg);
        /* Always, and last. err: 0, -ENOENT (no such piece), -ENOSPC (no room), -ETIMEDOUT, -EBUSY (it is being
         * written), or what else went wrong. */
        void (*done)(int err, const struct evidence_totals *totals, void *arg);
};
struct evidence_desk;
/* confine: in each helper, before it looks at anything. dir: a path. */
int evidence_desk_new(struct loop *loop, const char *dir, uint64_t deadline_ns, int (*confine)(void),
                      struct evidence_desk **ret) TM_CHECK;
/* Requests that wait are dropped without a word. */
struct evidence_desk *evidence_desk_free(struct evidence_desk *d);
DEFINE_CLEANUP(struct evidence_desk *, evidence_desk_free)
/* Callbacks come later, never from within. -ENOBUFS: too many wait. */
int evidence_desk_ask(struct evidence_desk *d, const struct evidence_ask *a, const struct evidence_ops *ops,
                      void *arg) TM_CHECK;
uint32_t evidence_desk_pid(const struct evidence_desk *d); /* of the helper now; 0: none */

#endif
