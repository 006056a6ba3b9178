/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: whom of the servers in a container's file to believe, and joining what several containers have. Pure. */
#include "tidemark/resolvers.h"

#include <errno.h>
#include <stdlib.h>

#include "parse/dns-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/map.h"

struct servers {
        uint32_t n;
        struct dns_addr list[DNS_SERVERS_MAX];
};

struct one {
        uint64_t netns; /* 0: not known */
        enum { WAITING, KNOWN, UNKNOWN } state;
        bool changed;
        struct servers servers;
};

struct resolvers {
        const struct resolvers_ops *ops;
        void *arg;
        struct map *all; /* id → struct one */
};

static const uint8_t local4[4] = {127, 0, 0, 1}, local6[16] = {[15] = 1}, embedded4[4] = {127, 0, 0, 11};

/* ---- sets of servers ---- */

static bool holds(const struct servers *s, const struct dns_addr *a)
{
        for (uint32_t i = 0; i < s->n; i++)
                if (dns_addr_eq(&s->list[i], a))
                        return true;
        return false;
}

static void add(struct servers *s, const struct dns_addr *a)
{
        if (s->n < DNS_SERVERS_MAX && !holds(s, a))
                s->list[s->n++] = *a;
}

static void add_all(struct servers *s, const struct servers *of)
{
        for (uint32_t i = 0; i < of->n; i++)
                add(s, &of->list[i]);
}

static struct servers servers_of(struct bytes text)
{
        struct servers s = {0};

        s.n = dns_parse_resolv(text, s.list, DNS_SERVERS_MAX);
        return s;
}

static bool is_loopback(const struct dns_addr *a)
{
        struct dns_addr six = dns_addr_of(bytes_of(local6, sizeof(local6)));

        return a->len == 4 ? a->bytes[0] == 127 : dns_addr_eq(a, &six);
}

/* ---- whom to believe ---- */

static bool is_vouched(const struct resolvers *r, const struct resolvers_files *read, const struct dns_addr *a)
{
        struct dns_addr embedded = dns_addr_of(bytes_of(embedded4, sizeof(embedded4)));
        struct servers host = servers_of(read->host), given = servers_of(read->given);

        if (is_loopback(a))
                return read->embedded && dns_addr_eq(a, &embedded);
        return holds(&host, a) || holds(&given, a) || r->ops->is_hosts(dns_addr_bytes(a), r->arg);
}

static void believe_first(struct one *o, const struct servers *own)
{
        struct dns_addr four = dns_addr_of(bytes_of(local4, sizeof(local4))),
                        six = dns_addr_of(bytes_of(local6, sizeof(local6)));

        o->servers = *own;
        if (own->n)
                return;
        add(&o->servers, &four);
        add(&o->servers, &six);
}

static void believe_more(const struct resolvers *r, const struct resolvers_files *read, struct one *o,
                         const struct servers *own)
{
        o->changed = false;
        for (uint32_t i = 0; i < own->n; i++) {
                if (holds(&o->servers, &own->list[i]))
                        continue;
                if (is_vouched(r, read, &own->list[i]))
                        add(&o->servers, &own->list[i]);
                else
                        o->changed = true;
        }
}

static void take(const struct resolvers *r, const struct resolvers_files *read, struct one *o)
{
        struct dns_addr embedded = dns_addr_of(bytes_of(embedded4, sizeof(embedded4)));
        struct servers own = servers_of(read->own), given = servers_of(read->given), host = servers_of(read->host);

        if (o->state == KNOWN)
                believe_more(r, read, o, &own);
        else
                believe_first(o, &own);
        o->state = KNOWN;
        if (holds(&o->servers, &embedded))
                add_all(&o->servers, given.n ? &given : &host);
}

/* ---- telling ---- */

/* What all of a namespace may ask. False: of one of them that is not known, or of none it is. */
static bool join(const struct resolvers *r, uint64_t netns, const struct one *self, struct servers *ret)
{
        bool known = self->state == KNOWN, unknown = self->state == UNKNOWN;
        void *value;

        ret->n = 0;
        add_all(ret, &self->servers);
        for (size_t i = 0; netns && map_next(r->all, &i, NULL, &value);) {
                const struct one *o = value;

                if (o->netns != netns)
                        continue;
                known = known || o->state == KNOWN;
                unknown = unknown || o->state == UNKNOWN;
                add_all(ret, &o->servers);
        }
        return known && !unknown;
}

static void tell(const struct resolvers *r, struct bytes id, const struct one *o)
{
        _cleanup_buf_ struct buf text;
        char address[TIDE_ADDRESS_TEXT];
        struct servers all;
        struct bytes lines;

        buf_init(&text, DNS_SERVERS_MAX * 64);
        if (!join(r, o->netns, o, &all)) {
                r->ops->servers(id, NULL, r->arg);
                return;
        }
        for (uint32_t i = 0; i < all.n; i++)
                buf_printf(&text, "nameserver %s\n", tide_address_text(dns_addr_bytes(&all.list[i]), address));
        lines = buf_bytes(&text);
        r->ops->servers(id, text.err ? NULL : &lines, r->arg);
}

static void tell_all(const struct resolvers *r, uint64_t netns)
{
        struct bytes id;
        void *value;

        for (size_t i = 0; netns && map_next(r->all, &i, &id, &value);)
                if (((const struct one *)value)->netns == netns)
                        tell(r, id, value);
}

/* ---- in ---- */

static int get(struct resolvers *r, struct bytes id, struct one **ret)
{
        struct one *o = map_get(r->all, id);
        int e;

        if (!o) {
                o = calloc(1, sizeof(*o));
                if (!o)
                        return -ENOMEM;
                e = map_put(r->all, id, o);
                if (e < 0) {
                        free(o);
                        return e;
                }
        }
        *ret = o;
        return 0;
}

int resolvers_container(struct resolvers *r, struct bytes container, uint64_t netns)
{
        uint64_t left;
        struct one *o;
        int e = get(r, container, &o);

        if (e < 0 || o->netns == netns)
                return e;
        left = o->netns;
        o->netns = netns;
        tell_all(r, left);
        tell_all(r, netns);
        return 0;
}

int resolvers_read(struct resolvers *r, struct bytes container, const struct resolvers_files *read)
{
        struct one *o;
        int e = get(r, container, &o);

        if (e < 0)
                return e;
        if (read->found)
                take(r, read, o);
        else if (o->state == WAITING)
                o->state = UNKNOWN;
        if (o->netns)
                tell_all(r, o->netns);
        else
                tell(r, container, o);
        return 0;
}

void resolvers_gone(struct resolvers *r, struct bytes container)
{
        struct one *o = map_get(r->all, container);
        uint64_t netns = o ? o->netns : 0;

        if (map_del(r->all, container) == 0)
                tell_all(r, netns);
}

/* ---- begin, end, out ---- */

int resolvers_new(size_t limit, const struct resolvers_ops *ops, void *arg, struct resolvers **ret)
{
        struct resolvers *r = calloc(1, sizeof(*r));
        int e;

        if (!r)
                return -ENOMEM;
        r->ops = ops;
        r->arg = arg;
        e = map_new(limit, map_seed_random(), free, &r->all);
        if (e < 0) {
                free(r);
                return e;
        }
        *ret = r;
        return 0;
}

struct resolvers *resolvers_free(struct resolvers *r)
{
        if (!r)
                return NULL;
        map_free(r->all);
        free(r);
        return NULL;
}

void resolvers_stats(const struct resolvers *r, struct resolvers_stats *ret)
{
        void *value;

        *ret = (struct resolvers_stats){0};
        for (size_t i = 0; map_next(r->all, &i, NULL, &value);) {
                const struct one *o = value;

                ret->known += o->state == KNOWN;
                ret->unknown += o->state == UNKNOWN;
                ret->changed += o->changed;
        }
}

int resolvers_odd_next(const struct resolvers *r, size_t *i, struct bytes *ret_container, bool *ret_changed)
{
        void *value;

        while (map_next(r->all, i, ret_container, &value)) {
                const struct one *o = value;

                *ret_changed = o->changed;
                if (o->changed || o->state == UNKNOWN)
                        return 1;
        }
        return 0;
}
