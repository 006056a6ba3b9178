/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map - byte string → pointer, with a limit. Iteration is in order of insertion, so that what comes out depends on
 * what went in and never on the hash. Keys are copied. SipHash-2-4 with the caller's seed: a container that chooses
 * names cannot choose collisions, if the seed is secret.
 */
#ifndef TIDEMARK_MAP_H
#define TIDEMARK_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct map;
struct map_seed {
        uint64_t k0, k1;
};

/* limit: most entries held. free_value (may be NULL) is called for values deleted, replaced, or left at map_free. */
int map_new(size_t limit, struct map_seed seed, void (*free_value)(void *), struct map **ret) TM_CHECK;
struct map *map_free(struct map *m);
DEFINE_CLEANUP(struct map *, map_free)

/* Insert or replace. 0, -ENOMEM, or ERR_LIMIT (counted; the value stays the caller's). */
int map_put(struct map *m, struct bytes key, void *value) TM_CHECK;
void *map_get(const struct map *m, struct bytes key); /* borrowed, NULL if absent */
int map_del(struct map *m, struct bytes key);         /* 0 or -ENOENT */
/* Take a value out without freeing it. NULL if absent. */
void *map_take(struct map *m, struct bytes key) TM_CHECK;
size_t map_count(const struct map *m);
uint64_t map_refused(const struct map *m); /* puts refused by the limit */

/*
 * for (size_t i = 0; map_next(m, &i, &key, &value);) … in order of insertion. The current entry may be deleted in the
 * loop; nothing may be inserted. key and value may be NULL.
 */
int map_next(const struct map *m, size_t *i, struct bytes *key, void **value);

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t map_hash(struct map_seed seed, struct bytes key);
/* A seed from getrandom(2). */
struct map_seed map_seed_random(void);

#endif
