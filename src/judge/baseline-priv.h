/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * baseline-priv - what the files of the baseline ask of each other:
 *
 *     baseline.c   workloads; keys; is it known?
 *     entries.c    entries come and go, and what is counted of them
 *     patterns.c   what is learned becomes patterns
 *     learning.c   windows, states, the end of learning
 */
#ifndef TIDEMARK_BASELINE_PRIV_H
#define TIDEMARK_BASELINE_PRIV_H

#include "judge/judge-priv.h"

#define SHAPED_MAX 16u /* so many directories on the way to a file may be covered by a pattern */

/* ---- keys ---- */

/* Maps from keys to numbers. Added to: 0, ERR_LIMIT, -ENOMEM. */
size_t number_get(const struct map *m, struct bytes key);
int number_add(struct map *m, struct bytes key, int step);
/* Empty in the root. */
struct bytes key_directory(struct bytes key);
unsigned key_depth(struct bytes dir);
/* What siblings have in common: of a file its directory, of a listener its protocol. Empty: it has none. Of files the
 * marks behind their paths, too: what a probe makes is apart from what the workload makes. */
struct bytes key_family(enum dimension dim, struct bytes key);
struct bytes key_marks(enum dimension dim, struct bytes key);
/* A file that can be run, by the marks behind its path (observe.c): no pattern covers it. */
bool key_is_program(enum dimension dim, struct bytes key);
bool key_has_family(enum dimension dim, struct bytes key);
/* What stands for all siblings: "DIRECTORY/" and a star, or "listen *" and the protocol, with their marks; into out. */
struct bytes key_pattern(enum dimension dim, struct bytes key, struct buf *out);
/* How many siblings one executable has made is kept under: */
void key_siblings(enum dimension dim, struct bytes exe, struct bytes family, struct bytes marks, struct buf *out);
/* Beside the keys of what is known: of candidates, of a flow's host, of directories in dir in which something is. */
void key_candidate(enum dimension dim, struct bytes key, struct buf *out);
void key_host(enum dimension dim, struct bytes key, struct buf *out);
void key_below(struct bytes exe, struct bytes dir, struct bytes marks, struct buf *out);
/* A listener is told once, when it begins, and is there in every window from then on: it is no rare thing. Nor is what
 * says of directories that they are many. */
bool key_is_lasting(enum dimension dim, struct bytes key);

/* ---- entries ---- */

void entry_free(void *entry);
struct entry *entry_find(const struct workload *w, enum dimension dim, struct bytes key, struct bytes exe,
                         struct buf *scratch);
struct entry *entry_new(const struct observation *o, struct bytes key, enum learn how, int64_t window);
/* In or out of what is counted of the workload: step is 1 or -1. */
int entry_count(struct workload *w, const struct entry *e, int step);
/* Gone, and freed. */
void entry_forget(struct judge *j, struct workload *w, struct entry *e);
/* A candidate's number, if it has none. */
void candidate_number(struct judge *j, struct entry *e);
/* What was seen of e is seen of to. */
void entry_absorb(struct entry *to, const struct entry *e);
/* From a candidate to a part of the baseline, or back. */
int entry_set_candidate(struct judge *j, struct workload *w, struct entry *e, bool candidate);
/* A candidate by where it goes, not by what calls. */
bool entry_is_destination(const struct entry *e);
/* Set of PHASE_BIT; that of PHASE_UNKNOWN where none is known. */
size_t entry_phases(const struct entry *e);
uint8_t phase_bit(const struct observation *o);
int entry_note_phases(struct workload *w, const struct entry *e);
void entries_rebuild_phases(struct judge *j, struct workload *w);

/* ---- patterns ---- */

/* Does a pattern stand of this executable (NULL: of any)? */
bool pattern_stands(const struct workload *w, struct bytes pattern, const struct bytes *exe, struct buf *scratch);
/* The key by the patterns of directories on the way to it, of one executable or of all (NULL). */
struct bytes pattern_shape(const struct workload *w, struct bytes key, const struct bytes *exe, struct buf *out);
/* The key under which it is kept, if it is. */
struct bytes pattern_kept_as(const struct workload *w, const struct observation *o, struct buf *out);
/* By a pattern of any executable's; or, where that counts, as itself below one. */
bool pattern_of_others(const struct workload *w, const struct observation *o, bool itself);

/* ---- learning ---- */

/* Why learning has not ended although learn.limit is over; "": it is not so. */
const char *learning_why_not(const struct judge *j, const struct workload *w, enum dimension dim, int64_t wall_ns);
/* When learning should end, if it goes on as it did; 0: it does not learn, or nothing can be said yet. */
int64_t learning_expected(const struct judge *j, const struct workload *w, enum dimension dim);
/* The window of this moment, counted if it is a new one. */
void learning_window(struct judge *j, struct dim_learning *d, int64_t wall_ns, int64_t *ret_window);

#endif
