/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jsonsplit - JSON (RFC 8259) that may be far larger than memory, taken apart on its way: it comes in pieces of any
 * size, its whole form is checked (strings, UTF-8, escapes, numbers, nesting), and what was asked for is handed over
 * one value after the other, each small enough for a parser that builds trees. Pure.
 *
 * Limits: JSONSPLIT_DEPTH levels; a value that was asked for and is longer than JSONSPLIT_VALUE is counted (refused)
 * and passed over; an object that is entered has at most JSONSPLIT_MEMBERS members, each name once.
 */
#ifndef TIDEMARK_JSONSPLIT_H
#define TIDEMARK_JSONSPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define JSONSPLIT_DEPTH 256u
#define JSONSPLIT_VALUE (1u << 20)
#define JSONSPLIT_MEMBERS 256u
#define JSONSPLIT_ROWS 64u
#define JSONSPLIT_WHY 120u

enum jsonsplit_take {
        JSONSPLIT_WHOLE,  /* its text */
        JSONSPLIT_EACH,   /* of an array the text of each element */
        JSONSPLIT_ENTER,  /* an object: its members are looked up */
        JSONSPLIT_STREAM, /* a string of any length: its characters without the escapes, in pieces */
};

/* What is asked for. A value of another type than its row says is passed over and counted (unfit). */
struct jsonsplit_row {
        int parent; /* number of the row (of JSONSPLIT_ENTER, before this one); -1: the outermost object */
        const char *name;
        enum jsonsplit_take take;
};

struct jsonsplit_ops {
        /* WHOLE and EACH; row -1: an outermost object, where nothing was asked for. Borrowed. */
        int (*value)(int row, struct bytes text, void *arg);
        /* STREAM. */
        int (*text)(int row, struct bytes part, void *arg);
        /* An outermost object has ended; from, to: its place. */
        int (*end)(uint64_t from, uint64_t to, void *arg);
};

struct jsonsplit_stats {
        uint64_t refused; /* longer than JSONSPLIT_VALUE */
        uint64_t unfit;
        uint64_t objects; /* outermost ones */
};

struct jsonsplit;

/* rows, ops: borrowed. nrows 0: each outermost object is handed over whole. Any op may be NULL. */
int jsonsplit_new(const struct jsonsplit_row *rows, size_t nrows, const struct jsonsplit_ops *ops, void *arg,
                  struct jsonsplit **ret) TM_CHECK;
struct jsonsplit *jsonsplit_free(struct jsonsplit *s);
DEFINE_CLEANUP(struct jsonsplit *, jsonsplit_free)
/* -EINVAL: it is no JSON, or not a sequence of objects; ERR_LIMIT: nested too deep, too many members; -ENOMEM; what an
 * op returned. Each for good. */
int jsonsplit_feed(struct jsonsplit *s, struct bytes part) TM_CHECK;
/* Nothing more comes: -EINVAL where something is missing, or nothing came at all. */
int jsonsplit_end(struct jsonsplit *s) TM_CHECK;
/* After an error: where and why, "byte 17: a control character within a string". */
const char *jsonsplit_why(const struct jsonsplit *s);
void jsonsplit_stats(const struct jsonsplit *s, struct jsonsplit_stats *ret);

#endif
