/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mask - secrets in what containers and images wrote (arguments, labels, health checks) are replaced by MASK_MARK, on
 * entry: before the pipeline, the recording, the store and whoever watches. Names stay, so that what was done can still
 * be read. Pure.
 *
 * A pattern is a POSIX extended regular expression, taken without regard to case. Arguments are matched as one text in
 * which a newline stands between two of them. What FOLLOWS a match is the secret:
 *   - the whole next argument, if the match ends with the one before;
 *   - the rest of the argument, if what is before it there is a flag or a name alone ("--password=", "-p", "TOKEN=")
 *     and the argument is no script (behind "-c");
 *   - else the word, or what stands in quotation marks.
 * With < and > around a part of the pattern ("://[^/:@]*:<[^/]+>@") it is that part instead (a "<" itself: "[<]").
 * "CONTEXT :: PATTERN" counts only where CONTEXT matches anywhere in the same text ("mysql :: [[:space:]]-p").
 *
 * Bounded: text up to TIDE_RECORD_MAX, MASK_VALUES_MAX secrets of one text (with more, all of it is masked), no back
 * references, few repetitions; everything is compiled once.
 */
#ifndef TIDEMARK_MASK_H
#define TIDEMARK_MASK_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define MASK_MARK "[masked]"
#define MASK_PATTERN_MAX STR_LIST_TEXT /* characters of one pattern, with its end */
#define MASK_PATTERNS_MAX STR_LIST_MAX /* of one list */
#define MASK_VALUES_MAX 64u

struct mask;
struct buf;
struct tide_event;

/* The shipped patterns; *ret_n of them. */
const char *const *mask_shipped(size_t *ret_n);
/* Is it a pattern? 0, or -EINVAL with words in why. */
int mask_check(const char *pattern, char *why, size_t size) TM_CHECK;

int mask_new(struct mask **ret) TM_CHECK;
struct mask *mask_free(struct mask *m);
DEFINE_CLEANUP(struct mask *, mask_free)
/* 0; -EINVAL: no pattern; -ENOMEM. */
int mask_add(struct mask *m, const char *pattern) TM_CHECK;

/* Append text (NUL-separated arguments, or any) to out, masked. Returns how many secrets; -ENOMEM or out's error. */
int mask_text(struct mask *m, struct bytes text, struct buf *out) TM_CHECK;

/*
 * Mask what an event says: arguments of an exec, labels and health check of a content. Its strings are then borrowed
 * from m, until the next call. Where arguments were cut (args_total is more), an unfinished last word goes too: half a
 * secret would not be known for one. Never fails: what cannot be masked is left out.
 */
void mask_event(struct mask *m, struct tide_event *ev);

struct mask_stats {
        uint64_t values; /* secrets masked */
        uint64_t full;   /* texts with more than MASK_VALUES_MAX: masked as a whole */
        uint64_t failed; /* texts left out for want of memory */
};
void mask_stats(const struct mask *m, struct mask_stats *ret);

#endif
