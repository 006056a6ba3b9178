/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune-priv - what the files of tune share:
 *
 *     tune.c          findings into groups, a proposal of each
 *     tune_acts.c     what one finding's acts are to a rule, and whether a rule covers them
 *     tune_pattern.c  the narrowest pattern over several paths
 *     tune_replay.c   one recording, with rules and without
 *     tune_measure.c  all recordings, and what came of each rule
 */
#ifndef TIDEMARK_CASE_TUNE_PRIV_H
#define TIDEMARK_CASE_TUNE_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/finding.h"

struct buf;

/* How far a rule may reach over an act. */
enum tune_reach {
        REACH_NONE,    /* no rule can be about it */
        REACH_DATA,    /* patterns of its path */
        REACH_PROGRAM, /* its path alone: it can be run, ran, was loaded, or gives rights */
        REACH_NAME,    /* flows that a name led to: patterns of it */
        REACH_ONE_NAME, /* the same of a program that the image lacks: that name alone */
        REACH_SITE,    /* an address within the site: its network */
        REACH_ADDRESS, /* that address alone */
        REACH_LISTENS, /* where it listens */
        REACH_RIGHTS,  /* that executable alone */
        REACH__MAX
};

struct tune_act {
        enum tune_reach reach;
        enum dimension dim;
        const char *path; /* borrowed from the finding, as are the others; escaped. NULL: none */
        const char *exe, *origin;
        const char *name; /* that led there, the least known; NULL: none */
        const char *address, *protocol;
        unsigned port; /* 0: none */
};
void tune_act_of(const json_t *signal, struct tune_act *ret);
const char *tune_text(const json_t *o, const char *key); /* NULL: it is none */

/* An escaped path as the pattern that means it alone. */
void tune_quote(const char *escaped, struct buf *out);
/*
 * Patterns that mean one text each (as tune_quote makes them), of the same number of parts between slashes: the
 * narrowest one over all of them, with a star in each part in which they differ, digits about it taken in. False: they
 * differ in the first part, in more than two, or in their number.
 */
bool tune_pattern(const char *const *exact, size_t n, struct buf *out);

#endif
