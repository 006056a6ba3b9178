/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What waits in a watched network namespace, and what was there before it was watched: by sock_diag(7).
 *
 * Owns: the looks at all sockets of a namespace. Must not: look at them for each flow. Hands over: TIDE_FLOW of what
 * was found and what listens.
 */
#include <netinet/in.h>
#include <string.h>

#include "daemon/sensor_net-priv.h"
#include "tidemark/clock.h"

#define SOCKETS_MAX 8192u /* of one look */

struct look {
        struct sensor *s;
        struct net *n;
        bool anew;   /* listeners that are known already are told too */
        bool before; /* it was there before anybody watched; else it began unseen */
};

static bool any(const struct flow_address *a)
{
        static const uint8_t zero[16];

        return memcmp(a->bytes, zero, a->len) == 0;
}

/* The same socket of an earlier look; a free place, if it is new; NULL: there is none. */
static struct net_listener *place(struct net *n, const struct diag_sock *d, bool *ret_new)
{
        for (uint32_t i = 0; i < n->nlisteners; i++) {
                struct net_listener *l = &n->listeners[i];

                if (l->port == d->tuple.sport && l->proto == d->tuple.proto && l->address.len == d->tuple.src.len &&
                    memcmp(l->address.bytes, d->tuple.src.bytes, l->address.len) == 0) {
                        *ret_new = false;
                        return l;
                }
        }
        *ret_new = true;
        return n->nlisteners < NET_LISTENERS ? &n->listeners[n->nlisteners++] : NULL;
}

static void tell_listener(struct sensor *s, struct net *n, const struct diag_sock *d, bool before)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_SOCKETS};
        struct container *c = NULL;
        struct tide_actor actor;

        ev.flow.what = FLOW_LISTENS;
        ev.flow.direction = DIRECTION_IN;
        ev.flow.proto = d->tuple.proto;
        ev.flow.netns = n->ns;
        ev.flow.local = bytes_of(d->tuple.src.bytes, d->tuple.src.len);
        ev.flow.lport = d->tuple.sport;
        ev.flow.flags = (n->host ? FLOWF_HOST : 0) | (net_is_loopback(&d->tuple) ? FLOWF_LOCAL : 0);
        if (net_actor_of_inode(s, n, d->inode, &actor, &c))
                ev.flow.actor = actor;
        if (before)
                ev.flags |= net_before(s, n, c);
        s->nets->stats.listeners++;
        net_tell(s, n, &ev, c);
}

static void on_listener(const struct diag_sock *d, void *arg)
{
        struct look *k = arg;
        struct net_listener *l;
        bool fresh;

        if (d->tuple.proto == IPPROTO_UDP && (d->tuple.sport >= NET_EPHEMERAL || d->state != DIAG_UNCONNECTED))
                return;
        if (d->tuple.proto == IPPROTO_TCP && d->state != DIAG_LISTEN)
                return;
        l = place(k->n, d, &fresh);
        if (l) {
                l->address = d->tuple.src;
                l->port = d->tuple.sport;
                l->proto = d->tuple.proto;
                l->seen = true;
        } else {
                k->s->nets->stats.untold++;
        }
        if (l && (fresh || k->anew))
                tell_listener(k->s, k->n, d, k->before);
}

/* Those that no longer listen make room, and are told anew should they come again. */
static void sweep(struct net *n)
{
        uint32_t kept = 0;

        for (uint32_t i = 0; i < n->nlisteners; i++)
                if (n->listeners[i].seen)
                        n->listeners[kept++] = n->listeners[i];
        n->nlisteners = kept;
}

static void look_for_listeners(struct look *k)
{
        struct sensor *s = k->s;
        struct net *n = k->n;

        if (!n->diag || n->state != NET_WATCHED)
                return;
        for (uint32_t i = 0; i < n->nlisteners; i++)
                n->listeners[i].seen = false;
        if (proc_source_drain(s->proc) < 0)
                s->stirred = true; /* settle() says so, and ends */
        if (diag_each(n->diag, 1u << DIAG_LISTEN | 1u << DIAG_UNCONNECTED, SOCKETS_MAX, on_listener, k) == 0)
                sweep(n);
        s->stirred = true;
}

void net_listen(struct sensor *s, struct net *n, bool anew)
{
        struct look k = {.s = s, .n = n, .anew = anew};

        look_for_listeners(&k);
}

/* ---- what was there before ---- */

bool net_listens_on(const struct net *n, const struct flow_tuple *t)
{
        for (uint32_t i = 0; i < n->nlisteners; i++) {
                const struct net_listener *l = &n->listeners[i];

                if (l->port == t->sport && l->proto == t->proto &&
                    (any(&l->address) || memcmp(l->address.bytes, t->src.bytes, l->address.len) == 0))
                        return true;
        }
        return false;
}

static void on_bound(const struct diag_sock *d, void *arg)
{
        struct look *k = arg;

        if (d->tuple.proto != IPPROTO_UDP)
                return;
        if (k->n->nbound < NET_BOUND)
                k->n->bound[k->n->nbound++] = d->tuple.sport;
        else
                k->s->nets->stats.untold++;
}

static void on_open(const struct diag_sock *d, void *arg)
{
        struct look *k = arg;
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_SOCKETS};
        struct flow_tuple back = {.src = d->tuple.dst,
                                  .dst = d->tuple.src,
                                  .proto = d->tuple.proto,
                                  .sport = d->tuple.dport,
                                  .dport = d->tuple.sport};
        struct net *of = net_stream(k->s, k->n);
        struct container *c = NULL;
        struct tide_actor actor;
        uint8_t key[40];

        if (k->before)
                on_bound(d, arg);
        if (net_is_loopback(&d->tuple) || any(&d->tuple.dst))
                return;
        /* The same connection reads the other way round in conntrack where others began it. */
        if (seen_has(of->known, net_tuple_key(&back, key)) || seen_put(of->known, net_tuple_key(&d->tuple, key)) != 1)
                return;
        k->s->nets->known++;
        if (net_listens_on(k->n, &d->tuple))
                return; /* inbound: who called is not asked */
        ev.flow.what = FLOW_FOUND;
        ev.flow.direction = DIRECTION_OUT;
        ev.flow.proto = d->tuple.proto;
        ev.flow.netns = k->n->ns;
        ev.flow.local = bytes_of(d->tuple.src.bytes, d->tuple.src.len);
        ev.flow.remote = bytes_of(d->tuple.dst.bytes, d->tuple.dst.len);
        ev.flow.lport = d->tuple.sport;
        ev.flow.rport = d->tuple.dport;
        if (net_actor_of_inode(k->s, k->n, d->inode, &actor, &c))
                ev.flow.actor = actor;
        ev.flags = k->before ? net_before(k->s, k->n, c) : EVF_GAP;
        k->s->nets->stats.found++;
        net_tell(k->s, k->n, &ev, c);
}

void net_found(struct sensor *s, struct net *n, const struct diag_sock *d)
{
        struct look k = {.s = s, .n = n};

        on_open(d, &k);
}

/* What has begun since is told as what it is: by conntrack, before it is found open. */
static void look_for_open(struct look *k)
{
        struct net *of = net_stream(k->s, k->n);

        if (of->flows)
                flow_source_drain(of->flows);
        if (diag_each(k->n->diag, 1u << DIAG_ESTABLISHED | 1u << DIAG_SYN_SENT, SOCKETS_MAX, on_open, k) < 0)
                k->s->nets->stats.untold++; /* there are more than are told, or the kernel does not tell */
}

void net_begin(struct sensor *s, struct net *n)
{
        struct look k = {.s = s, .n = n, .before = true};

        if (!n->diag)
                return;
        look_for_listeners(&k);
        n->nbound = 0;
        if (diag_each(n->diag, 1u << DIAG_UNCONNECTED, SOCKETS_MAX, on_bound, &k) < 0)
                s->nets->stats.untold++;
        look_for_open(&k);
}

void net_catch_up(struct sensor *s, struct net *n)
{
        struct look k = {.s = s, .n = n};

        if (!n->diag)
                return;
        look_for_listeners(&k);
        look_for_open(&k);
}

void net_called(struct sensor *s, struct net *n, const struct flow_tuple *t)
{
        struct look k = {.s = s, .n = n};
        struct diag_sock d;

        if (t->proto != IPPROTO_TCP || !n->diag || net_listens_on(n, t) || diag_find(n->diag, t, &d) < 0)
                return;
        if (d.state != DIAG_LISTEN) { /* it waited for this one alone */
                d.tuple.dst = (struct flow_address){.len = d.tuple.src.len};
                d.tuple.dport = 0;
                d.state = DIAG_LISTEN;
        }
        on_listener(&d, &k);
}
