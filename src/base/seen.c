/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: hashes in a table of a power of two, open addressing, linear probing; 0 is a free place. What is deleted leaves
 * no mark: what stands behind it moves up. Grows at three quarters, shrinks at an eighth. Pure.
 */
#include "tidemark/seen.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "tidemark/err.h"

#define ROOM_MIN 64u

struct seen {
        uint64_t *at;
        size_t room, count, limit;
        struct map_seed seed;
};

static uint64_t hash_of(const struct seen *s, struct bytes key)
{
        uint64_t h = map_hash(s->seed, key);

        return h ? h : 1;
}

/* Where it stands, or the free place where it would. */
static size_t place_of(const uint64_t *at, size_t room, uint64_t hash)
{
        size_t i = hash & (room - 1);

        while (at[i] && at[i] != hash)
                i = (i + 1) & (room - 1);
        return i;
}

static int resize(struct seen *s, size_t room)
{
        uint64_t *at = calloc(room, sizeof(*at));

        if (!at)
                return -ENOMEM;
        for (size_t i = 0; i < s->room; i++)
                if (s->at[i])
                        at[place_of(at, room, s->at[i])] = s->at[i];
        free(s->at);
        s->at = at;
        s->room = room;
        return 0;
}

int seen_new(size_t limit, struct map_seed seed, struct seen **ret)
{
        _cleanup_(seen_freep) struct seen *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->limit = limit;
        s->seed = seed;
        r = resize(s, ROOM_MIN);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct seen *seen_free(struct seen *s)
{
        if (!s)
                return NULL;
        free(s->at);
        free(s);
        return NULL;
}

bool seen_has(const struct seen *s, struct bytes key)
{
        return s->at[place_of(s->at, s->room, hash_of(s, key))] != 0;
}

int seen_put(struct seen *s, struct bytes key)
{
        uint64_t hash = hash_of(s, key);
        size_t i = place_of(s->at, s->room, hash);
        int r = 0;

        if (s->at[i])
                return 0;
        if (s->count >= s->limit)
                return ERR_LIMIT;
        if (s->count + 1 > s->room / 4 * 3)
                r = resize(s, 2 * s->room);
        if (r < 0)
                return r;
        s->at[place_of(s->at, s->room, hash)] = hash;
        s->count++;
        return 1;
}

/* Each that stands behind a hole, and would be looked for before it, moves into it. */
static void close_up(struct seen *s, size_t hole)
{
        size_t mask = s->room - 1;

        for (size_t i = (hole + 1) & mask; s->at[i]; i = (i + 1) & mask) {
                size_t home = s->at[i] & mask;

                if (((i - home) & mask) < ((i - hole) & mask))
                        continue;
                s->at[hole] = s->at[i];
                hole = i;
        }
        s->at[hole] = 0;
}

int seen_del(struct seen *s, struct bytes key)
{
        size_t i = place_of(s->at, s->room, hash_of(s, key));

        if (!s->at[i])
                return -ENOENT;
        close_up(s, i);
        s->count--;
        if (s->room > ROOM_MIN && s->count < s->room / 8 && resize(s, s->room / 2) < 0)
                return 0; /* it stays as large as it was */
        return 0;
}

size_t seen_count(const struct seen *s)
{
        return s ? s->count : 0;
}
