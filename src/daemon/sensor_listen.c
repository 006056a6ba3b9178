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

#define SOCKETS_MAX 8192u      /* of one look */
#define EPHEMERAL 32768u       /* net.ipv4.ip_local_port_range begins there: a datagram's socket above is a client's */

struct look {
        struct sensor *s;
        struct net *n;
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

static void tell_listener(struct sensor *s, struct net *n, const struct diag_sock *d)
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
        s->nets->stats.listeners++;
        net_tell(s, n, &ev, c);
}

static void on_listener(const struct diag_sock *d, void *arg)
{
        struct look *k = arg;
        struct net_listener *l;
        bool fresh;

        if (d->tuple.proto == IPPROTO_UDP && (d->tuple.sport >= EPHEMERAL || d->state != DIAG_UNCONNECTED))
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
        if (fresh && l)
                tell_listener(k->s, k->n, d);
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

void net_listen(struct sensor *s, struct net *n)
{
        struct look k = {.s = s, .n = n};

        if (!n->diag || n->state != NET_WATCHED)
                return;
        for (uint32_t i = 0; i < n->nlisteners; i++)
                n->listeners[i].seen = false;
        if (proc_source_drain(s->proc) < 0)
                s->stirred = true; /* settle() says so, and ends */
        if (diag_each(n->diag, 1u << DIAG_LISTEN | 1u << DIAG_UNCONNECTED, SOCKETS_MAX, on_listener, &k) == 0)
                sweep(n);
        s->stirred = true;
}

/* ---- what was there before ---- */

static bool listens_on(const struct net *n, const struct flow_tuple *t)
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
        struct container *c = NULL, *of = NULL;
        struct tide_actor actor;
        uint8_t key[40];

        on_bound(d, arg);
        if (net_is_loopback(&d->tuple) || any(&d->tuple.dst))
                return;
        if (seen_put(k->n->known, net_tuple_key(&d->tuple, key)) == 1)
                k->s->nets->known++;
        if (listens_on(k->n, &d->tuple))
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
        of = c;
        if (of || net_owners(k->s, k->n, &of, 1))
                ev.flags = of->running_before ? EVF_BEFORE : EVF_GAP;
        k->s->nets->stats.found++;
        net_tell(k->s, k->n, &ev, c);
}

void net_begin(struct sensor *s, struct net *n)
{
        struct look k = {.s = s, .n = n};

        if (!n->diag)
                return;
        net_listen(s, n);
        n->nbound = 0;
        if (diag_each(n->diag, 1u << DIAG_UNCONNECTED, SOCKETS_MAX, on_bound, &k) < 0 ||
            diag_each(n->diag, 1u << DIAG_ESTABLISHED | 1u << DIAG_SYN_SENT, SOCKETS_MAX, on_open, &k) < 0)
                s->nets->stats.untold++; /* there are more than are told, or the kernel does not tell */
}
