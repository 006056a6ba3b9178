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
struct tune_setup;

/* How far a rule may reach over an act. */
enum tune_reach {
        REACH_NONE,     /* no rule can be about it */
        REACH_DATA,     /* patterns of its path */
        REACH_PROGRAM,  /* its path alone: it can be run, ran, was loaded, gives rights, or makes such */
        REACH_NAME,     /* flows that a name led to: patterns of it */
        REACH_ONE_NAME, /* the same of a program that the image lacks: that name alone */
        REACH_SITE,     /* an address within the site: its network */
        REACH_ADDRESS,  /* that address alone */
        REACH_LISTENS,  /* where it listens */
        REACH_RIGHTS,   /* that executable alone */
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
        bool unsure;   /* its path is not kept whole: what a rule would make of it is not known */
};
void tune_act_of(const json_t *signal, struct tune_act *ret);
/* The other way round, for what must not be hidden: is there no act that the rule surely leaves to be seen? */
bool tune_may_hide(const json_t *rule, const json_t *finding);
/* Is the rule about any act of the finding, or may it be of one that is not kept, or not whole? */
bool tune_concerns(const json_t *rule, const json_t *finding);
const char *tune_text(const json_t *o, const char *key); /* NULL: it is none */

/* An escaped path as the pattern that means it alone. */
void tune_quote(const char *escaped, struct buf *out);
/*
 * Patterns that mean one text each (as tune_quote makes them), of the same number of parts between slashes: the
 * narrowest one over all of them, with a star in each part in which they differ, for whole words and numbers. False:
 * they differ in the first part, in more than two, or in their number.
 */
bool tune_pattern(const char *const *exact, size_t n, struct buf *out);

/* ---- one recording, with rules and without ---- */

#define TUNE_SIDES 20u /* rules that are played beside each other, at most */

struct tune_found { /* a finding of drift or a session that the recording opened or changed, and that was shown */
        uint64_t id;
        bool left[TUNE_SIDES]; /* with that rule there is a shown finding all the same, of some of its acts */
        json_t *as_json;       /* if it was asked for, and it is open at the end; else NULL */
};
struct tune_played {
        struct tune_found *found; /* by tune_played_release() */
        size_t n, cap;
        int64_t from_ns;               /* wall clock of its snapshot */
        char refused[TUNE_SIDES][256]; /* why the judge does not take the rule; empty: it does */
        bool late, cut;
        uint64_t events;
};
void tune_played_release(struct tune_played *p);
struct tune_play {
        int fd;
        int learned_fd; /* a recording that this one goes on from: what it begins with is read there; -1: from its own
                         */
        const json_t *const *rules;
        size_t n;     /* of them, at most TUNE_SIDES */
        bool anybody; /* of whatever workload, whatever the rules say */
        bool as_json; /* findings are wanted */
};
/* Both descriptors from their beginning. 0; -ENOMEM, or the reader's error: what was played until then is told all the
 * same. */
int tune_play(const struct tune_play *t, const struct tune_setup *s, struct tune_played *ret) TM_CHECK;
/* How much a recording begins with, in bytes of its records, and when: wall clock. */
int tune_snapshot(int fd, uint64_t *ret_bytes, int64_t *ret_from_ns) TM_CHECK;

#endif
