/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens in a watched network namespace, as events.
 *
 * Owns: direction, who opened a flow, what is passed over and how that is counted. Must not: judge where it went, or
 * read a packet (flow_ip_decode reads whose it is, the engine the rest). Hands over: TIDE_FLOW and TIDE_PACKET on
 * the pair.
 *
 * Outbound is what begins at one of the namespace's own addresses; inbound what ends there. An entry that conntrack
 * makes in the midst of a connection says nothing of who began it: it is counted and passed over. So are, for a minute,
 * datagrams of ports that were in use when the watching began.
 */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sensor_net-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define RESUMED_NS                                                                                                     \
        (60 * NSEC_PER_SEC)  /* conntrack forgets a datagram's flow after at most so long without an answer            \
                              */
#define LOOK_NS NSEC_PER_SEC /* between two looks at a namespace's addresses */
#define LOOK_MAX_NS (60 * NSEC_PER_SEC)
#define KNOWN_TOTAL 262144u /* tuples remembered, of all namespaces: some 4 MiB */
#define LISTEN_SOON_NS (100 * NSEC_PER_MSEC)
#define PACKET_MAX (TIDE_RECORD_MAX - 1024u)

static bool loopback(const struct flow_address *a)
{
        static const uint8_t six[16] = {[15] = 1};

        return a->len == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, six, sizeof(six)) == 0;
}

bool net_is_loopback(const struct flow_tuple *t)
{
        return loopback(&t->src) || loopback(&t->dst);
}

static struct bytes address_bytes(const struct flow_address *a)
{
        return bytes_of(a->bytes, a->len);
}

struct bytes net_tuple_key(const struct flow_tuple *t, uint8_t dst[40])
{
        size_t at = 0;

        dst[at++] = t->proto;
        memcpy(dst + at, t->src.bytes, t->src.len);
        at += t->src.len;
        memcpy(dst + at, t->dst.bytes, t->dst.len);
        at += t->dst.len;
        memcpy(dst + at, &t->sport, sizeof(t->sport));
        memcpy(dst + at + 2, &t->dport, sizeof(t->dport));
        return bytes_of(dst, at + 4);
}

/* ---- who ---- */

bool net_actor_of_inode(struct sensor *s, struct net *n, uint32_t inode, struct tide_actor *ret,
                        struct container **ret_c)
{
        uint64_t now = clock_boot_ns();
        struct sockets_process p;

        return sockets_find(s->nets->sockets, n->ns, inode, now, &p) == 0 &&
               proctab_actor(s->proctab, p.pid, now, &s->lineage, ret, ret_c) == 0;
}

bool net_actor(struct sensor *s, struct net *n, const struct flow_tuple *t, bool listening, struct tide_actor *ret,
               struct container **ret_c)
{
        struct diag_sock d;

        if (!n->diag || diag_find(n->diag, t, &d) < 0 || (!listening && d.state == DIAG_LISTEN))
                return false;
        return net_actor_of_inode(s, n, d.inode, ret, ret_c);
}

/* The namespace's flows are seen from the host's: whose address is it? */
static struct net *of_address(struct sensor *s, const struct flow_address *a)
{
        for (struct net *n = s->nets->first; n; n = n->next)
                if (!n->host && n->state == NET_WATCHED && n->scope == NET_SCOPE_HOST && net_is_local(n, a))
                        return n;
        return NULL;
}

/* ---- which way ---- */

/* A datagram from outside to a port: who sends there is answered, however late, and is not called. */
static struct bytes peer_key(const struct flow_address *peer, uint16_t peer_port, uint16_t own_port, uint8_t dst[24])
{
        memcpy(dst, peer->bytes, peer->len);
        memcpy(dst + peer->len, &peer_port, 2);
        memcpy(dst + peer->len + 2, &own_port, 2);
        return bytes_of(dst, (size_t)peer->len + 4);
}

/* Does a socket wait for datagrams there, from anybody? */
static bool waits_at(struct net *n, const struct flow_tuple *own)
{
        struct diag_sock d;

        return net_listens_on(n, own) || (n->diag && diag_find(n->diag, own, &d) == 0 && d.state == DIAG_UNCONNECTED);
}

/* Those of long ago go when there are too many: then a late answer may be taken for a call. */
static void remember_peer(struct net *n, const struct flow_tuple *t, const struct flow_tuple *own)
{
        struct bytes key;
        uint8_t space[24];

        if (t->proto != IPPROTO_UDP || !waits_at(n, own))
                return;
        key = peer_key(&t->src, t->sport, t->dport, space);
        if (n->peers[0] && seen_put(n->peers[0], key) != ERR_LIMIT)
                return;
        seen_free(n->peers[1]);
        n->peers[1] = TAKE_PTR(n->peers[0]);
        if (seen_new(NET_PEERS, map_seed_random(), &n->peers[0]) < 0 || seen_put(n->peers[0], key) < 0)
                n->s->nets->stats.untold++;
}

static bool is_peer(const struct net *n, const struct flow_tuple *t)
{
        uint8_t space[24];
        struct bytes key = peer_key(&t->dst, t->dport, t->sport, space);

        return (n->peers[0] && seen_has(n->peers[0], key)) || (n->peers[1] && seen_has(n->peers[1], key));
}

static bool was_bound(const struct net *n, uint16_t port)
{
        for (uint32_t i = 0; i < n->nbound; i++)
                if (n->bound[i] == port)
                        return true;
        return false;
}

static bool is_established(const struct flow_msg *m)
{
        return m->tcp_state != TCP_CONNTRACK_SYN_SENT && m->tcp_state != TCP_CONNTRACK_SYN_RECV &&
               m->tcp_state != TCP_CONNTRACK_NONE;
}

static struct flow_tuple turned(const struct flow_tuple *t)
{
        return (struct flow_tuple){
                .src = t->dst, .dst = t->src, .proto = t->proto, .sport = t->dport, .dport = t->sport};
}

/*
 * Of an entry that comes in: is it the other end's packet of a connection that was begun from here, before anybody saw
 * it? TCP: it is first seen established, or in a dump from a port that is drawn, and nobody waits at the own port; UDP:
 * a connected socket is there. It is told as what it is, if it was not yet.
 */
static bool was_begun_here(struct sensor *s, struct net *n, struct net *of, const struct flow_msg *m)
{
        struct flow_tuple own = turned(&m->orig);
        struct diag_sock d;
        uint8_t space[40];

        if (own.proto == IPPROTO_TCP ? !is_established(m) || (m->dumped && own.sport < NET_EPHEMERAL)
                                     : own.proto != IPPROTO_UDP)
                return false;
        if (!of->diag || net_listens_on(of, &own) || diag_find(of->diag, &own, &d) < 0 || d.state != DIAG_ESTABLISHED)
                return false;
        d.tuple = own;
        net_found(s, of, &d);
        if (n->fresh && seen_put(n->fresh, net_tuple_key(&own, space)) < 0)
                s->nets->stats.untold++;
        return true;
}

/*
 * Of an entry that goes out: was the connection there before the entry, which then says nothing of who began it? TCP:
 * it is first seen established; or, in a dump, it leaves from a port where a socket waits. UDP: it leaves from such a
 * port, and its other end has sent there before; or that port was in use before anybody watched.
 */
static bool is_resumed(const struct net *n, const struct flow_msg *m)
{
        if (m->orig.proto == IPPROTO_TCP)
                return m->dumped ? net_listens_on(n, &m->orig) : is_established(m);
        if (m->orig.proto != IPPROTO_UDP)
                return false;
        if (is_peer(n, &m->orig))
                return true;
        return m->orig.sport < NET_EPHEMERAL && clock_boot_ns() <= n->watched_ns + RESUMED_NS &&
               was_bound(n, m->orig.sport);
}

/* A datagram's socket that was open before us, and waits for nobody: where it sends was not begun now. */
static bool is_found(const struct net *n, const struct flow_msg *m)
{
        return m->orig.proto == IPPROTO_UDP && m->orig.sport >= NET_EPHEMERAL &&
               clock_boot_ns() <= n->watched_ns + RESUMED_NS && was_bound(n, m->orig.sport);
}

/* It has more addresses than are known: where a socket is, there is one of them. */
static void by_socket(struct net *n, const struct flow_msg *m, bool *ret_from, bool *ret_to)
{
        struct flow_tuple own = turned(&m->orig);
        struct diag_sock d;

        *ret_from = n->diag && diag_find(n->diag, &m->orig, &d) == 0;
        *ret_to = !*ret_from && n->diag && diag_find(n->diag, &own, &d) == 0;
}

/*
 * Whose it is, and which of its ends are there. What the host's namespace tells is its containers' where an end is
 * theirs, behind a rewritten address too; else its own. NULL: it passes, from somebody unknown to somebody unknown.
 */
static struct net *whose(struct sensor *s, struct net *n, const struct flow_msg *m, bool *ret_from, bool *ret_to)
{
        struct net *of = NULL;

        *ret_from = *ret_to = false;
        if (n->host && n->scope == NET_SCOPE_HOST) {
                of = of_address(s, &m->orig.src);
                *ret_from = of != NULL;
                if (!of && ((of = of_address(s, &m->orig.dst)) || (of = of_address(s, &m->reply.src))))
                        *ret_to = true;
        }
        if (of)
                return of;
        *ret_from = net_is_local(n, &m->orig.src);
        *ret_to = net_is_local(n, &m->orig.dst);
        if (!*ret_from && !*ret_to && n->naddresses == NSWORKER_ADDRESSES)
                by_socket(n, m, ret_from, ret_to);
        return *ret_from || *ret_to ? n : NULL;
}

/* An address that somebody got meanwhile? What is told of it then is asked for again. */
static void look_for_addresses(struct sensor *s, struct net *n)
{
        uint64_t now = loop_now(s->loop);

        if (now < n->looked_ns + n->look_gap_ns)
                return;
        n->looked_ns = now;
        n->look_gap_ns = n->look_gap_ns < LOOK_NS       ? LOOK_NS
                         : n->look_gap_ns < LOOK_MAX_NS ? 2 * n->look_gap_ns
                                                        : LOOK_MAX_NS;
        net_look(s, n);
        if (!n->host || n->scope != NET_SCOPE_HOST)
                return;
        for (struct net *other = s->nets->first; other; other = other->next)
                if (!other->host && other->state == NET_WATCHED && other->scope == NET_SCOPE_HOST)
                        net_look(s, other);
}

/* ---- telling ---- */

static void fill(struct tide_event *ev, const struct net *n, enum tide_flow_what what, enum tide_direction direction,
                 const struct flow_tuple *t)
{
        bool out = direction != DIRECTION_IN;

        ev->kind = TIDE_FLOW;
        ev->flow.what = (uint8_t)what;
        ev->flow.direction = (uint8_t)direction;
        ev->flow.proto = t->proto;
        ev->flow.netns = n->ns;
        ev->flow.flags |= n->host ? FLOWF_HOST : 0;
        ev->flow.local = address_bytes(out ? &t->src : &t->dst);
        ev->flow.remote = address_bytes(out ? &t->dst : &t->src);
        ev->flow.lport = out ? t->sport : t->dport;
        ev->flow.rport = out ? t->dport : t->sport;
        if (out && (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6)) {
                ev->flow.lport = t->sport;
                ev->flow.rport = t->dport;
        }
}

void net_tell(struct sensor *s, struct net *n, struct tide_event *ev, struct container *c)
{
        struct container *of[2];
        size_t count = c ? 1 : net_owners(s, n, of, 2);

        if (count == 0 || (!c && n->host)) { /* the host's own, as far as can be told here */
                s->nets->stats.host_own += n->host;
                if (count && sensor_audit_tells_calls(s) && ev->flow.direction == DIRECTION_OUT)
                        sensor_send(s, PAIR_FLOW, ev, -1); /* audit may name one that lives here; else it is dropped */
                return;
        }
        if (c && c->net_scope == NET_SCOPE_OFF)
                return;
        if (!c && count > 1) {
                ev->flow.flags |= FLOWF_SHARED;
                s->nets->stats.shared++;
        }
        ev->container = bytes_str((c ? c : of[0])->id);
        sensor_send(s, PAIR_FLOW, ev, -1);
}

/* Whose it was is not looked for: who was told that it began knows it by its number. */
static void net_tell_end(struct sensor *s, struct net *n, struct tide_event *ev)
{
        struct container *c;

        if (!net_owners(s, n, &c, 1))
                return;
        ev->container = bytes_str(c->id);
        sensor_send(s, PAIR_FLOW, ev, -1);
}

/* Remember it, so that a dump does not tell it again. False: it was told already; or nobody can say, for there are too
 * many: then what the dump tells is passed over, and what is new by its own word is told. */
static bool remember(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        uint8_t space[40];
        struct bytes key = net_tuple_key(&m->orig, space);
        int r;

        if (n->fresh && seen_put(n->fresh, key) < 0)
                s->nets->stats.untold++;
        r = s->nets->known < KNOWN_TOTAL || seen_has(n->known, key) ? seen_put(n->known, key) : ERR_LIMIT;
        s->nets->known += r == 1;
        s->nets->stats.untold += r < 0;
        return r < 0 ? !m->dumped : r == 1;
}

/* Where it really goes, if something in the namespace has rewritten the address: a redirecting proxy, as a rule. */
static void fill_real(struct tide_event *ev, const struct flow_msg *m)
{
        bool icmp = m->orig.proto == IPPROTO_ICMP || m->orig.proto == IPPROTO_ICMPV6;

        if (icmp ||
            (m->reply.src.len == m->orig.dst.len &&
             memcmp(m->reply.src.bytes, m->orig.dst.bytes, m->orig.dst.len) == 0 && m->reply.sport == m->orig.dport))
                return;
        ev->flow.real = address_bytes(&m->reply.src);
        ev->flow.real_port = m->reply.sport;
}

/* Up to n, whichever of them has the socket: n is the one whose address it is where the host's namespace tells. */
static void outbound(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        struct tide_event ev = {.sources = SRC_CONNTRACK, .flags = m->dumped ? EVF_LOSS_NEAR : 0};
        struct container *c = NULL;
        struct tide_actor actor;

        s->nets->stats.outbound++;
        fill(&ev, n, is_found(n, m) ? FLOW_FOUND : FLOW_BEGAN, DIRECTION_OUT, &m->orig);
        fill_real(&ev, m);
        ev.flow.id = m->id;
        if (proc_source_drain(s->proc) < 0) /* who was forked a moment ago? */
                s->stirred = true;          /* settle() says so, and ends */
        if (net_actor(s, n, &m->orig, false, &actor, &c)) {
                ev.flow.actor = actor;
                ev.sources |= SRC_SOCKETS;
                s->nets->stats.named++;
                s->stirred = true; /* what came of the proc connector is to be told too */
        } else {
                s->nets->stats.unnamed++;
        }
        if (ev.flow.what == FLOW_FOUND)
                ev.flags |= net_before(s, n, c);
        net_tell(s, n, &ev, c);
}

/* Counted all; told some, so that it can be seen who calls. */
static void inbound(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        struct tide_event ev = {.sources = SRC_CONNTRACK};
        struct container *c = NULL;
        struct tide_actor actor;
        struct flow_tuple own = turned(&m->orig);

        s->nets->stats.inbound++;
        remember_peer(n, &m->orig, &own);
        if (!rate_pass(&n->inbound_rate, loop_now(s->loop), NULL)) {
                s->nets->stats.inbound_passed++;
                return;
        }
        net_called(s, n, &own);
        if (!net_listens_on(n, &own))
                net_listen_later(s, n, LISTEN_SOON_NS);
        fill(&ev, n, FLOW_BEGAN, DIRECTION_IN, &m->orig);
        ev.flow.id = m->id;
        if (net_actor(s, n, &own, true, &actor, &c)) {
                ev.flow.actor = actor;
                ev.sources |= SRC_SOCKETS;
        }
        net_tell(s, n, &ev, c);
}

static void began(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        bool from, to;
        struct net *of = whose(s, n, m, &from, &to);

        if (!of) {
                s->nets->stats.forwarded++;
                look_for_addresses(s, n);
                return;
        }
        if (to && !from && was_begun_here(s, n, of, m)) {
                s->nets->stats.resumed++;
                return;
        }
        if (!remember(s, n, m))
                return;
        if (from && to)
                s->nets->stats.local++;
        else if (from && is_resumed(of, m))
                s->nets->stats.resumed++;
        else if (from)
                outbound(s, of, m);
        else
                inbound(s, of, m);
}

static void on_new(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        if (m->dumped)
                n->dumped++;
        else
                n->entries++;
        if (n->state == NET_WATCHED && net_is_filling(s, n) && rate_pass(&n->guard_rate, loop_now(s->loop), NULL))
                net_look(s, n); /* as far as was counted: asked before it is acted upon */
        if (net_is_loopback(&m->orig))
                s->nets->stats.loopback++;
        else
                began(s, n, m);
}

static void on_destroy(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        struct tide_event ev = {.sources = SRC_CONNTRACK};
        bool from, to;
        struct net *of = whose(s, n, m, &from, &to);
        uint8_t key[40];

        n->entries -= n->entries > 0;
        if (n->fresh && seen_del(n->fresh, net_tuple_key(&m->orig, key)) == 0)
                n->dumped -= n->dumped > 0;
        if (net_is_loopback(&m->orig) || seen_del(n->known, net_tuple_key(&m->orig, key)) < 0)
                return;
        s->nets->known--;
        s->nets->stats.ended++;
        if (!of || !from || to || !m->counted)
                return; /* nothing is said that its beginning did not say */
        fill(&ev, of, FLOW_ENDED, DIRECTION_OUT, &m->orig);
        ev.flow.flags |= FLOWF_COUNTED;
        ev.flow.id = m->id;
        ev.flow.bytes_out = m->bytes[0];
        ev.flow.bytes_in = m->bytes[1];
        if (m->stop_ns > m->start_ns && m->start_ns)
                ev.flow.duration_ns = m->stop_ns - m->start_ns;
        net_tell_end(s, of, &ev);
}

/* Of a packet that passes through the host's namespace: whose it is. NULL: none of a container that is known. */
static struct net *passes(struct sensor *s, const struct flow_msg *m, bool *ret_out)
{
        struct flow_tuple t;

        if (flow_ip_decode(m->payload, &t) < 0)
                return NULL;
        *ret_out = m->out;
        return of_address(s, m->out ? &t.src : &t.dst);
}

static void on_packet(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        struct tide_event ev = {.kind = TIDE_PACKET, .sources = SRC_NFLOG};
        struct container *c = NULL;
        bool out = m->out;

        if (m->passing && (n = passes(s, m, &out)) == NULL)
                return;

        if (!rate_pass(&n->packet_rate, loop_now(s->loop), NULL)) {
                s->nets->stats.packets_passed++;
                sensor_lost(s, LOST_PACKETS, 1, 0);
                return;
        }
        s->nets->stats.packets++;
        if (!net_owners(s, n, &c, 1) || !net_packet_flags(s, n, m, &ev.packet.flags))
                return;
        ev.container = bytes_str(c->id);
        /* What is lost is told when it is calm again: too late for whoever looks for the query to an answer. */
        if (!rate_pass(&n->thick_rate, loop_now(s->loop), NULL)) {
                ev.flags |= EVF_LOSS_NEAR;
                net_count_later(s, n);
        }
        if (s->repair.lost[LOST_PACKETS].pending || s->repair.lost[LOST_PAIR].pending)
                ev.flags |= EVF_LOSS_NEAR;
        if (out)
                sensor_resolv_query(s, n->ns);
        ev.packet.netns = n->ns;
        ev.packet.out = out;
        ev.packet.ip = m->payload;
        if (ev.packet.ip.len > PACKET_MAX)
                ev.packet.ip.len = PACKET_MAX; /* the engine sees by the headers that it is cut */
        sensor_send(s, PAIR_FLOW, &ev, -1);
}

/* A table of nftables is gone or changed, or some of it: was it ours? Who did it is told when all of it is done. */
static void on_removed(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        char own[64];

        snprintf(own, sizeof(own), "tidemark-%s", s->nets->instance);
        if (!bytes_eq(m->table, bytes_str(own)) || n->state != NET_WATCHED)
                return;
        n->rules_gone = true;
}

static void on_rules(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        uint32_t own = (uint32_t)nsworker_pid(s->nets->worker);

        if (n->rules_gone && (m->pid ? m->pid : m->port) != own)
                net_removed(s, n, m->pid);
        n->rules_gone = false;
}

void net_dump(struct sensor *s, struct net *n)
{
        if (flow_source_dump(n->flows) < 0) {
                n->dump_again = true;
                return;
        }
        s->nets->stats.dumps++;
        n->dump_again = false;
        n->dumped = 0;
        n->fresh = seen_free(n->fresh);
        if (seen_new(NET_KNOWN, map_seed_random(), &n->fresh) < 0)
                s->nets->stats.untold++; /* what ended unseen is remembered for longer than need be */
}

static void on_dumped(struct sensor *s, struct net *n, const struct flow_msg *m)
{
        (void)m;
        n->entries = n->dumped;
        net_look(s, n); /* how many are there, and does our table stand: nobody tells of it whose message is lost */
        if (n->fresh) {
                s->nets->known += seen_count(n->fresh);
                s->nets->known -= seen_count(n->known);
                seen_free(n->known);
                n->known = TAKE_PTR(n->fresh);
        }
        if (n->dump_again)
                net_dump(s, n);
}

static void on_msg(const struct flow_msg *m, void *arg)
{
        static void (*const rows[])(struct sensor *, struct net *, const struct flow_msg *) = {
                [FLOW_MSG_NEW] = on_new,         [FLOW_MSG_DESTROY] = on_destroy, [FLOW_MSG_PACKET] = on_packet,
                [FLOW_MSG_REMOVED] = on_removed, [FLOW_MSG_DUMPED] = on_dumped,   [FLOW_MSG_RULES] = on_rules,
        };
        struct net *n = arg;

        /* Somebody else may have switched conntrack on where all is told by the host's: that is not told twice. */
        if ((m->kind == FLOW_MSG_NEW || m->kind == FLOW_MSG_DESTROY) && !(net_flags(n) & NSW_FLOWS))
                return;
        if ((size_t)m->kind < ARRAY_LEN(rows) && rows[m->kind])
                rows[m->kind](n->s, n, m);
}

/* The pair had no room for it: it is told by a dump when there is. */
void sensor_net_untold(struct sensor *s, const struct tide_event *ev)
{
        bool out = ev->flow.direction == DIRECTION_OUT;
        struct flow_tuple t = {.proto = ev->flow.proto};
        struct bytes src = out ? ev->flow.local : ev->flow.remote, dst = out ? ev->flow.remote : ev->flow.local;
        uint8_t space[40];

        if (!s->nets || ev->flow.what == FLOW_ENDED || src.len > 16 || dst.len > 16)
                return;
        t.src.len = (uint8_t)src.len;
        t.dst.len = (uint8_t)dst.len;
        memcpy(t.src.bytes, src.p, src.len);
        memcpy(t.dst.bytes, dst.p, dst.len);
        t.sport = out ? ev->flow.lport : ev->flow.rport;
        t.dport = out ? ev->flow.rport : ev->flow.lport;
        for (struct net *n = s->nets->first; n; n = n->next)
                if (seen_del(n->known, net_tuple_key(&t, space)) == 0) {
                        s->nets->known--;
                        n->untold = true;
                        if (n->fresh) /* it may be there too: what the dump that is under way has told */
                                (void)!seen_del(n->fresh, net_tuple_key(&t, space));
                }
}

void sensor_net_repair(struct sensor *s)
{
        for (struct net *n = s->nets ? s->nets->first : NULL; n; n = n->next) {
                if (!n->untold || !n->flows || n->state == NET_LEFT)
                        continue;
                n->untold = false;
                for (struct net *of = s->nets->first; of; of = of->next)
                        if (of->state == NET_WATCHED && net_stream(s, of) == n)
                                net_catch_up(s, of);
                net_dump(s, n);
        }
}

/* What still lives is found by the dump; what came and went meanwhile is lost, and that is said. */
static void on_loss(uint64_t count, bool packets, uint64_t since_ns, void *arg)
{
        struct net *n = arg;
        struct sensor *s = n->s;

        sensor_lost(s, packets ? LOST_PACKETS : LOST_FLOWS, count, since_ns);
        if (packets)
                return;
        s->nets->stats.overruns++;
        net_dump(s, n);
}

const struct flow_source_ops net_flow_ops = {.msg = on_msg, .loss = on_loss};
