/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: entries in order of insertion, and an index into them (open addressing, linear probing). Deleting leaves a hole
 * among the entries and a tombstone in the index; both go when the table is next rebuilt. Pure but for map_seed_random.
 */
#include "tidemark/map.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tidemark/compat.h"
#include "tidemark/err.h"

struct entry {
        uint8_t *key; /* NULL: deleted */
        uint32_t len;
        uint64_t hash;
        void *value;
};

#define SLOT_FREE UINT32_MAX
#define SLOT_GONE (UINT32_MAX - 1)

struct map {
        struct entry *e;
        size_t n, cap;     /* entries used, holes included; room */
        uint32_t *slots;   /* index into e */
        size_t nslots;     /* power of two */
        size_t count, limit;
        uint64_t refused;
        struct map_seed seed;
        void (*free_value)(void *);
};

static uint64_t rotl(uint64_t x, int b)
{
        return x << b | x >> (64 - b);
}

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
        v[0] += v[1];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[0] = rotl(v[0], 32);
        v[2] += v[3];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[2] = rotl(v[2], 32);
}

static inline uint64_t load_le(const uint8_t *p, size_t n)
{
        uint64_t v = 0;

        memcpy(&v, p, n);
        return le64toh(v);
}

uint64_t map_hash(struct map_seed seed, struct bytes key)
{
        uint64_t v[4] = {seed.k0 ^ 0x736f6d6570736575, seed.k1 ^ 0x646f72616e646f6d, seed.k0 ^ 0x6c7967656e657261,
                         seed.k1 ^ 0x7465646279746573};
        size_t whole = key.len & ~(size_t)7;
        uint64_t m;

        for (size_t i = 0; i < whole; i += 8) {
                m = load_le(key.p + i, 8);
                v[3] ^= m;
                sip_round(v);
                sip_round(v);
                v[0] ^= m;
        }
        m = (uint64_t)key.len << 56;
        if (key.len > whole)
                m |= load_le(key.p + whole, key.len - whole);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
        v[2] ^= 0xff;
        for (int i = 0; i < 4; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map_seed map_seed_random(void)
{
        struct map_seed s = {0};
        int fd;

        if (syscall(SYS_getrandom, &s, sizeof(s), 0) == (long)sizeof(s))
                return s;
        fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC); /* before Linux 3.17 */
        if (fd >= 0) {
                if (read(fd, &s, sizeof(s)) != (ssize_t)sizeof(s))
                        s.k0 ^= (uintptr_t)&s;
                close(fd);
        }
        return s;
}

int map_new(size_t limit, struct map_seed seed, void (*free_value)(void *), struct map **ret)
{
        struct map *m;

        if (limit > SLOT_GONE / 2)
                return -EINVAL;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->limit = limit;
        m->seed = seed;
        m->free_value = free_value;
        *ret = m;
        return 0;
}

static void drop_value(const struct map *m, void *value)
{
        if (m->free_value && value)
                m->free_value(value);
}

struct map *map_free(struct map *m)
{
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n; i++) {
                if (!m->e[i].key)
                        continue;
                free(m->e[i].key);
                drop_value(m, m->e[i].value);
        }
        free(m->e);
        free(m->slots);
        free(m);
        return NULL;
}

/* Slot of the key, or SIZE_MAX. */
static size_t find(const struct map *m, struct bytes key, uint64_t hash)
{
        if (m->nslots == 0)
                return SIZE_MAX;
        for (size_t i = hash & (m->nslots - 1);; i = (i + 1) & (m->nslots - 1)) {
                uint32_t at = m->slots[i];
                const struct entry *e;

                if (at == SLOT_FREE)
                        return SIZE_MAX;
                if (at == SLOT_GONE)
                        continue;
                e = &m->e[at];
                if (e->hash == hash && e->len == key.len && (key.len == 0 || memcmp(e->key, key.p, key.len) == 0))
                        return i;
        }
}

/* Close the holes, and make the index at least twice as large as what is in it. */
static int rebuild(struct map *m, size_t room)
{
        size_t nslots = 16, n = 0;
        uint32_t *slots;
        struct entry *e;

        while (nslots < 2 * room)
                nslots *= 2;
        slots = malloc(nslots * sizeof(*slots));
        e = malloc(room * sizeof(*e));
        if (!slots || !e) {
                free(slots);
                free(e);
                return -ENOMEM;
        }
        memset(slots, 0xff, nslots * sizeof(*slots)); /* SLOT_FREE */
        for (size_t i = 0; i < m->n; i++) {
                size_t s;

                if (!m->e[i].key)
                        continue;
                for (s = m->e[i].hash & (nslots - 1); slots[s] != SLOT_FREE;)
                        s = (s + 1) & (nslots - 1);
                slots[s] = (uint32_t)n;
                e[n++] = m->e[i];
        }
        free(m->slots);
        free(m->e);
        m->slots = slots;
        m->nslots = nslots;
        m->e = e;
        m->n = n;
        m->cap = room;
        return 0;
}

static int insert(struct map *m, struct bytes key, uint64_t hash, void *value)
{
        uint8_t *copy;
        size_t s;
        int r;

        if (m->n == m->cap) {
                r = rebuild(m, m->count < 8 ? 16 : 2 * m->count);
                if (r < 0)
                        return r;
        }
        copy = malloc(key.len ? key.len : 1);
        if (!copy)
                return -ENOMEM;
        if (key.len)
                memcpy(copy, key.p, key.len);
        for (s = hash & (m->nslots - 1); m->slots[s] != SLOT_FREE && m->slots[s] != SLOT_GONE;)
                s = (s + 1) & (m->nslots - 1);
        m->slots[s] = (uint32_t)m->n;
        m->e[m->n++] = (struct entry){.key = copy, .len = key.len, .hash = hash, .value = value};
        m->count++;
        return 0;
}

int map_put(struct map *m, struct bytes key, void *value)
{
        uint64_t hash = map_hash(m->seed, key);
        size_t s = find(m, key, hash);
        struct entry *e;

        if (s != SIZE_MAX) {
                e = &m->e[m->slots[s]];
                if (e->value != value)
                        drop_value(m, e->value);
                e->value = value;
                return 0;
        }
        if (m->count >= m->limit) {
                m->refused++;
                return ERR_LIMIT;
        }
        return insert(m, key, hash, value);
}

void *map_get(const struct map *m, struct bytes key)
{
        size_t s = m->count ? find(m, key, map_hash(m->seed, key)) : SIZE_MAX;

        return s == SIZE_MAX ? NULL : m->e[m->slots[s]].value;
}

/* Remove; the value is the caller's. -ENOENT if it is not there. */
static int take(struct map *m, struct bytes key, void **ret)
{
        size_t s = m->count ? find(m, key, map_hash(m->seed, key)) : SIZE_MAX;
        struct entry *e;

        if (s == SIZE_MAX)
                return -ENOENT;
        e = &m->e[m->slots[s]];
        *ret = e->value;
        free(e->key);
        e->key = NULL;
        e->value = NULL;
        m->slots[s] = SLOT_GONE;
        m->count--;
        return 0;
}

int map_del(struct map *m, struct bytes key)
{
        void *value;
        int r = take(m, key, &value);

        if (r == 0)
                drop_value(m, value);
        return r;
}

void *map_take(struct map *m, struct bytes key)
{
        void *value = NULL;

        return take(m, key, &value) == 0 ? value : NULL;
}

size_t map_count(const struct map *m)
{
        return m->count;
}

uint64_t map_refused(const struct map *m)
{
        return m->refused;
}

int map_next(const struct map *m, size_t *i, struct bytes *key, void **value)
{
        while (*i < m->n) {
                const struct entry *e = &m->e[(*i)++];

                if (!e->key)
                        continue;
                if (key)
                        *key = bytes_of(e->key, e->len);
                if (value)
                        *value = e->value;
                return 1;
        }
        return 0;
}
