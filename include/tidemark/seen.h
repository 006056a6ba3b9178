/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen - a set of byte strings that remembers nothing of them but that they were there: eight bytes each, twice to four
 * times that with the room between them, where map(3) takes some eighty. For sets of hundreds of thousands.
 *
 * By SipHash-2-4 with the caller's seed: two strings are taken for one with a chance of n / 2^64, and a container that
 * chooses them cannot choose that, if the seed is secret.
 */
#ifndef TIDEMARK_SEEN_H
#define TIDEMARK_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "tidemark/attr.h"
#include "tidemark/map.h"

struct seen;

/* limit: most members. */
int seen_new(size_t limit, struct map_seed seed, struct seen **ret) TM_CHECK;
struct seen *seen_free(struct seen *s);
DEFINE_CLEANUP(struct seen *, seen_free)

/* 1: it is new; 0: it was there. ERR_LIMIT, -ENOMEM: it is not, and is not kept. */
int seen_put(struct seen *s, struct bytes key) TM_CHECK;
bool seen_has(const struct seen *s, struct bytes key);
int seen_del(struct seen *s, struct bytes key); /* 0 or -ENOENT */
size_t seen_count(const struct seen *s);        /* of NULL: 0 */

#endif
