/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writers - who wrote the files of one container's write layer, in this life of it: so that, when one of them is run,
 * loaded or interpreted, it can be told where it came from.
 *
 * DESIGN 4.2: what is never learned silently is, once approved, quiet for "the same path written by the same image
 * executable at start-up". WRITTEN_AT_START is that: the latest content under that name came, while the container was
 * starting, from a process of its entrypoint whose executable is the image's own. How to use it:
 *
 *     observe() puts it into the observation of an execution or mapping from the write layer: o->written, o->written_by
 *     baseline_learn() and baseline_touch() keep it with the candidate: e->written, e->written_by
 *     entry_written_alike(e, o) says whether the second half of the rule holds for an approved entry.
 *
 * The key of what was written so is generalised as data are, so that a name drawn anew at every start is the same key.
 *
 * Bounded: WRITERS_START names of the start-up, kept over restarts of the agent (pieces); of all else the latest
 * WRITERS_LATER. What is not known is WRITTEN_UNKNOWN, which is never quiet by that rule. A name is taken out of those
 * of the start when it is written otherwise, by another name of the same file too, when it goes, when a directory on
 * the way to it is renamed (it, or another one to its name), and when a walk finds what no event told. What is renamed
 * holds what it held: of a name that is not known the new one is not known either.
 */
#ifndef TIDEMARK_JUDGE_WRITERS_PRIV_H
#define TIDEMARK_JUDGE_WRITERS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/str.h"

#define WRITERS_START 768u
#define WRITERS_LATER 64u
#define WRITERS_EXES 32u
#define WRITERS_EXE_LEN 400u /* an executable with a longer name is not known */
#define WRITERS_DIRS 8u      /* directories on the way to a name of the start, each by 32 bits of its hash */

/* Stored: never renumber. */
enum written {
        WRITTEN_UNKNOWN,
        WRITTEN_AT_START,  /* while it was starting, by its entrypoint's own processes, with an executable of the image
                            */
        WRITTEN_OTHERWISE, /* later, by a session, or by an executable that is not the image's */
        WRITTEN__MAX
};

/* The directories that a name lies in, without the root; 0: there are no more. */
struct writer_place {
        uint32_t dirs[WRITERS_DIRS];
};

struct writer {
        uint64_t path;          /* writers_hash() of its name */
        struct writer_place in; /* of those of the start */
        uint64_t ino;           /* of the file, 0: not known */
        enum written how;
        struct bytes exe; /* borrowed until the next change; may be empty if it is WRITTEN_OTHERWISE */
};

struct writers;
/* NULL: no memory. */
struct writers *writers_new(void);
struct writers *writers_free(struct writers *w); /* NULL is fine */

uint64_t writers_hash(struct bytes path);
/* Of a name; empty, or in more directories than can be told: as if it were in each. */
struct writer_place writers_place(struct bytes path);
/* What was one of the start and is no more, for its piece. */
typedef void (*writers_gone)(uint64_t path, void *arg);
/* The latest that is known of the name. True: it is one of the start, and was not as such before: to be saved. */
bool writers_note(struct writers *w, const struct writer *by, writers_gone gone, void *arg);
/* The name is no more, or what it holds came from nobody knows where. */
void writers_forget(struct writers *w, uint64_t path, writers_gone gone, void *arg);
/* A directory is, or was, under this name and is another one now: what lay in it is not known any more. */
void writers_moved(struct writers *w, struct bytes dir, writers_gone gone, void *arg);
/* False: it is not known who wrote it. */
bool writers_find(const struct writers *w, uint64_t path, struct writer *ret);
/* Those of the start, in order of their hashes. i begins at 0. */
bool writers_next(const struct writers *w, size_t *i, struct writer *ret);
/* All others, as one blob that writers_take() reads. */
void writers_put(const struct writers *w, struct buf *out);
/* ERR_TRUNCATED. */
int writers_take(struct writers *w, struct rd *r) TM_CHECK;

#endif
