/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: names by address, in the order in which they were last told of. Must not: know of flows, of baselines. Pure. */
#include "judge/names-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"
#include "tidemark/generalise.h"
#include "tidemark/map.h"

struct entry {
        struct entry *next, *prev; /* of its class, by last_ns */
        struct entry *same;        /* of the same address and class, the latest put first */
        uint8_t address[17];       /* class, address: the key */
        uint8_t length;            /* of the key */
        uint8_t verdict;
        uint32_t ttl;
        int64_t first_ns, last_ns, saved_ns;
        struct str_owned name, key, chain; /* key: asked for with each flow */
};

struct list {
        struct entry *first, *last;
        uint32_t n, limit;
};

struct names {
        struct list lists[NAMES__CLASSES];
        struct map *by_address; /* class, address → the first of its entries */
};

enum names_class names_class(uint8_t verdict)
{
        if (verdict == NAME_ANSWERED || verdict == NAME_UNOWNED)
                return NAMES_ANSWERED;
        return verdict == NAME_FOREIGN ? NAMES_FOREIGN : NAMES_FORGED;
}

int names_new(uint32_t limit, struct names **ret)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x6e616d65736e616d};
        struct names *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        n->lists[NAMES_ANSWERED].limit = limit;
        n->lists[NAMES_FORGED].limit = n->lists[NAMES_FOREIGN].limit = limit / NAMES_CLAIM_SHARE + 1;
        r = map_new((size_t)limit + 2 * (size_t)n->lists[NAMES_FORGED].limit, seed, NULL, &n->by_address);
        if (r < 0) {
                free(n);
                return r;
        }
        *ret = n;
        return 0;
}

static void entry_free(struct entry *e)
{
        str_clear(&e->name);
        str_clear(&e->key);
        str_clear(&e->chain);
        free(e);
}

struct names *names_free(struct names *n)
{
        if (!n)
                return NULL;
        for (unsigned c = 0; c < NAMES__CLASSES; c++)
                for (struct entry *e = n->lists[c].first, *next; e; e = next) {
                        next = e->next;
                        entry_free(e);
                }
        map_free(n->by_address);
        free(n);
        return NULL;
}

/* ---- order ---- */

static void unlink_entry(struct list *l, struct entry *e)
{
        *(e->prev ? &e->prev->next : &l->first) = e->next;
        *(e->next ? &e->next->prev : &l->last) = e->prev;
        l->n--;
}

/* Behind all that are not later. */
static void link_entry(struct list *l, struct entry *e)
{
        struct entry *before = l->last;

        while (before && before->last_ns > e->last_ns)
                before = before->prev;
        e->prev = before;
        e->next = before ? before->next : l->first;
        *(e->prev ? &e->prev->next : &l->first) = e;
        *(e->next ? &e->next->prev : &l->last) = e;
        l->n++;
}

static struct bytes key_of(const struct entry *e)
{
        return bytes_of(e->address, e->length);
}

static struct entry *first_of(const struct names *n, unsigned class, struct bytes address)
{
        uint8_t key[17] = {(uint8_t) class};

        if (address.len != 4 && address.len != 16)
                return NULL;
        memcpy(key + 1, address.p, address.len);
        return map_get(n->by_address, bytes_of(key, 1 + address.len));
}

static struct name_fact fact_of(const struct entry *e)
{
        return (struct name_fact){.address = bytes_of(e->address + 1, e->length - 1u),
                                  .name = str_get(&e->name),
                                  .key = str_get(&e->key),
                                  .chain = str_get(&e->chain),
                                  .first_ns = e->first_ns,
                                  .last_ns = e->last_ns,
                                  .ttl = e->ttl,
                                  .verdict = e->verdict};
}

/* Out of the chain of its address. */
static int unchain(struct names *n, struct entry *e)
{
        struct entry *head = map_get(n->by_address, key_of(e));

        if (head == e) /* replaced, no room is asked for */
                return e->same ? map_put(n->by_address, key_of(e), e->same) : map_del(n->by_address, key_of(e));
        for (struct entry *at = head; at; at = at->same)
                if (at->same == e) {
                        at->same = e->same;
                        break;
                }
        return 0;
}

static int enchain(struct names *n, struct entry *e)
{
        e->same = map_get(n->by_address, key_of(e));
        return map_put(n->by_address, key_of(e), e);
}

static int forget(struct names *n, struct entry *e)
{
        int r = unchain(n, e);

        unlink_entry(&n->lists[e->address[0]], e);
        entry_free(e);
        return r;
}

/* ---- in ---- */

static int set_name(struct entry *e, struct bytes name)
{
        _cleanup_buf_ struct buf key;
        int r;

        buf_init(&key, 4 * NAMES_TEXT_MAX);
        generalise_name(name, &key);
        r = key.err ? key.err : str_set(&e->name, name);
        return r < 0 ? r : str_set(&e->key, buf_bytes(&key));
}

static struct bytes kept_chain(const struct name_fact *f)
{
        return bytes_of(f->chain.p, f->chain.len < NAMES_CHAIN_MAX ? f->chain.len : NAMES_CHAIN_MAX);
}

static struct entry *entry_new(const struct name_fact *f)
{
        struct entry *e = calloc(1, sizeof(*e));
        if (!e)
                return NULL;
        e->address[0] = (uint8_t)names_class(f->verdict);
        memcpy(e->address + 1, f->address.p, f->address.len);
        e->length = (uint8_t)(1 + f->address.len);
        if (set_name(e, f->name) < 0 || str_set(&e->chain, kept_chain(f)) < 0) {
                entry_free(e);
                return NULL;
        }
        return e;
}

static bool is_saved(const struct entry *e)
{
        return e->last_ns >= e->saved_ns && (uint64_t)e->last_ns - (uint64_t)e->saved_ns < NAMES_SAVE_NS;
}

int names_put(struct names *n, const struct name_fact *f, void (*dropped)(const struct name_fact *f, void *arg),
              void *arg)
{
        struct list *l = &n->lists[names_class(f->verdict)];
        struct entry *e = first_of(n, names_class(f->verdict), f->address);
        bool fresh, another;
        int r = 0;

        if ((f->address.len != 4 && f->address.len != 16) || f->name.len == 0 || f->name.len > NAMES_TEXT_MAX)
                return -EINVAL;
        while (e && !bytes_eq(str_get(&e->name), f->name))
                e = e->same;
        fresh = !e;
        if (e && e->verdict == NAME_ANSWERED && f->verdict == NAME_UNOWNED)
                return 0; /* that somebody else asks for it too says nothing */
        if (e)
                r = str_set(&e->chain, kept_chain(f));
        while (fresh && l->n >= l->limit && r == 0) {
                struct name_fact out = fact_of(l->first);

                dropped(&out, arg);
                r = forget(n, l->first);
        }
        if (r < 0)
                return r;
        if (fresh) {
                e = entry_new(f);
                if (e)
                        e->first_ns = f->first_ns;
        } else { /* to the front: what is put in the same order again is found in the same order */
                r = unchain(n, e);
                unlink_entry(l, e);
        }
        if (e && r == 0)
                r = enchain(n, e);
        if (!e || r < 0) {
                if (e)
                        entry_free(e);
                return e ? r : -ENOMEM;
        }
        e->last_ns = f->last_ns;
        e->ttl = f->ttl;
        another = e->verdict != f->verdict;
        e->verdict = f->verdict;
        link_entry(l, e);
        if (!fresh && !another && is_saved(e))
                return 0;
        e->saved_ns = e->last_ns;
        return 1;
}

int names_doubt(struct names *n, struct bytes name, int64_t first_ns,
                void (*dropped)(const struct name_fact *f, void *arg), void *arg)
{
        int r = 0;

        for (struct entry *e = n->lists[NAMES_ANSWERED].first, *next; e && r == 0; e = next) {
                struct name_fact out = fact_of(e);

                next = e->next;
                if (e->first_ns != first_ns || !bytes_eq(out.name, name))
                        continue;
                dropped(&out, arg);
                r = forget(n, e);
        }
        return r;
}

/* ---- out ---- */

static bool is_alive(const struct entry *e, int64_t now)
{
        uint64_t ttl = (uint64_t)e->ttl * 1000000000u;

        if (e->last_ns >= now)
                return true;
        return (uint64_t)now - (uint64_t)e->last_ns < (ttl > NAMES_ALIVE_NS ? ttl : NAMES_ALIVE_NS);
}

static void put_sorted(const struct entry *e, struct name_fact *ret, size_t *n, size_t max)
{
        size_t at = *n < max ? (*n)++ : max;

        while (at > 0 && ret[at - 1].last_ns < e->last_ns) {
                if (at < max)
                        ret[at] = ret[at - 1];
                at--;
        }
        if (at < max)
                ret[at] = fact_of(e);
}

size_t names_led(const struct names *n, struct bytes address)
{
        size_t count = 0;

        for (const struct entry *e = n ? first_of(n, NAMES_ANSWERED, address) : NULL; e; e = e->same)
                count++;
        return count;
}

/* Those of one verdict: alive at now; else those that were when the latest was told. */
static size_t find_of(const struct entry *first, uint8_t verdict, int64_t now, struct name_fact *ret, size_t max)
{
        int64_t latest = INT64_MIN;
        size_t found = 0;

        for (const struct entry *e = first; e; e = e->same)
                if (e->verdict == verdict && e->last_ns > latest)
                        latest = e->last_ns;
        for (const struct entry *e = first; e; e = e->same)
                if (e->verdict == verdict && is_alive(e, now))
                        put_sorted(e, ret, &found, max);
        for (const struct entry *e = found ? NULL : first; e; e = e->same)
                if (e->verdict == verdict && is_alive(e, latest))
                        put_sorted(e, ret, &found, max);
        return found;
}

size_t names_find(const struct names *n, struct bytes address, int64_t now, struct name_fact *ret, size_t max)
{
        const struct entry *first = n ? first_of(n, NAMES_ANSWERED, address) : NULL;
        size_t found = find_of(first, NAME_ANSWERED, now, ret, max);

        return found ? found : find_of(first, NAME_UNOWNED, now, ret, max);
}

int names_claims(const struct names *n, struct bytes address, const void **at, struct name_fact *ret)
{
        const struct entry *e = *at, *next = e ? e->same : NULL;
        unsigned class = e ? e->address[0] : NAMES_ANSWERED;

        while (n && !next && ++class < NAMES__CLASSES)
                next = first_of(n, class, address);
        if (!next)
                return 0;
        *ret = fact_of(next);
        *at = next;
        return 1;
}

bool names_answered(const struct names *n, struct bytes address, struct bytes name)
{
        const struct entry *e = n ? first_of(n, NAMES_ANSWERED, address) : NULL;

        while (e && !bytes_eq(str_get(&e->name), name))
                e = e->same;
        return e != NULL;
}

int names_next(const struct names *n, const void **at, struct name_fact *ret)
{
        const struct entry *e = *at, *next;

        unsigned class = e ? e->address[0] : NAMES_ANSWERED;

        next = e ? e->next : n->lists[NAMES_ANSWERED].first;
        while (!next && ++class < NAMES__CLASSES)
                next = n->lists[class].first;
        if (!next)
                return 0;
        *ret = fact_of(next);
        *at = next;
        return 1;
}

size_t names_count(const struct names *n)
{
        return n->lists[NAMES_ANSWERED].n;
}
