/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what was asked, by whom and when; the servers of each container; verdicts. Must not: know the layout of packets
 * and messages (dns_packet.c, dns_message.c, dns_stream.c). Pure. Hands over: TIDE_NAME events.
 *
 * A packet ▸ from whom to whom ▸ (TCP: stream ▸) message ▸ a query is kept, an answer looks for its query.
 */
#include "tidemark/dns.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "parse/dns-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/map.h"

struct query {
        TAILQ_ENTRY(query) all, of; /* of its container; both: the one sent last is last */
        struct asker *c;
        uint64_t sent;
        struct dns_ends ends;
        uint16_t id, qtype, qclass;
        uint32_t asked, answered; /* how often */
        uint64_t said;            /* digest of the first answer that said where the name leads */
        bool saying, differ;      /* there was one; another one said otherwise */
        bool unowned;             /* who sent it is not known */
        uint8_t ntold;
        int64_t told[DNS_ANSWERS_MAX]; /* wall clock of those that were told as answers */
        uint8_t len;
        uint8_t name[]; /* as in struct dns_name */
};
TAILQ_HEAD(query_list, query);

/* A container, or the network namespace that it owns. */
struct asker {
        struct query_list queries;
        size_t nqueries;
        bool seen;         /* a packet of it: */
        uint64_t first;    /* the first one's time */
        uint64_t unsure;   /* until then it may have asked what is not known here */
        uint64_t told_from; /* unasked and malformed answers told since then */
        uint32_t told;
        bool configured; /* its servers are known */
        uint32_t nservers;
        struct dns_addr servers[DNS_SERVERS_MAX];
};

struct dns {
        const struct dns_ops *ops;
        void *arg;
        struct map *containers;
        struct query_list queries;
        size_t nqueries;
        struct dns_streams streams;
        bool lost;
        uint64_t lost_at;
        struct dns_stats stats;
        struct dns_message message; /* the one that is being looked at */
        struct buf question, chain, addresses;
};

/* A packet on its way through. */
struct passage {
        struct dns *n;
        const struct tide_event *ev;
        struct asker *c;
        struct dns_ends ends;
};

enum { RCODE_NONE = 0, RCODE_NO_NAME = 3 };

#define TEXT_MAX (4u * DNS_NAME_MAX)
#define CHAIN_MAX ((2 * TEXT_MAX + 8) * DNS_CHAIN_MAX)
#define ADDRESSES_MAX ((16u + 4u + 8u) * DNS_ADDRESSES_MAX)

/* ---- queries that are kept ---- */

static void query_free(struct dns *n, struct query *q)
{
        TAILQ_REMOVE(&n->queries, q, all);
        TAILQ_REMOVE(&q->c->queries, q, of);
        n->nqueries--;
        q->c->nqueries--;
        if (!q->answered)
                n->stats.waiting--;
        free(q);
}

/* Its room is needed. If nobody has answered it yet its answer will find nothing. */
static void push_out(struct dns *n, struct query *q, uint64_t now)
{
        if (!q->answered) {
                n->stats.refused++;
                q->c->unsure = now + DNS_QUERY_NS;
        }
        query_free(n, q);
}

static bool is_old(uint64_t then, uint64_t now, uint64_t age)
{
        return now > then && now - then > age;
}

static void forget_old(struct dns *n, uint64_t now)
{
        struct query *q;

        while ((q = TAILQ_FIRST(&n->queries)) && is_old(q->sent, now, DNS_QUERY_NS))
                query_free(n, q);
}

/* What of an answer is as in a query. */
enum { FITS_SERVER = 1, FITS_CLIENT = 2, FITS_ID = 4, FITS_QUESTION = 8, FITS_ALL = 15 };

static unsigned fits(const struct query *q, const struct dns_ends *e, const struct dns_message *m)
{
        unsigned f = 0;

        if (dns_addr_eq(&q->ends.server, &e->server) && q->ends.server_port == e->server_port)
                f |= FITS_SERVER;
        if (dns_addr_eq(&q->ends.client, &e->client) && q->ends.client_port == e->client_port &&
            q->ends.proto == e->proto && q->ends.netns == e->netns)
                f |= FITS_CLIENT;
        if (q->id == m->id)
                f |= FITS_ID;
        if (q->qtype == m->qtype && q->qclass == m->qclass && q->len == m->question.len &&
            memcmp(q->name, m->question.wire, q->len) == 0)
                f |= FITS_QUESTION;
        return f;
}

static struct query *find(const struct asker *c, const struct dns_ends *e, const struct dns_message *m)
{
        struct query *q;

        TAILQ_FOREACH_REVERSE(q, &c->queries, query_list, of)
                if (fits(q, e, m) == FITS_ALL)
                        break;
        return q;
}

static const char *why_unasked(const struct asker *c, const struct dns_ends *e, const struct dns_message *m)
{
        static const struct {
                unsigned fits;
                const char *words;
        } nearly[] = {
                {FITS_ALL & ~FITS_SERVER, "another server was asked"},
                {FITS_ALL & ~FITS_ID, "it was asked with another id"},
                {FITS_ALL & ~FITS_QUESTION, "something else was asked"},
        };
        const struct query *q;

        for (size_t i = 0; i < ARRAY_LEN(nearly); i++)
                TAILQ_FOREACH(q, &c->queries, of)
                        if (fits(q, e, m) == nearly[i].fits)
                                return nearly[i].words;
        return "nobody asked";
}

static struct query *query_new(struct passage *p, const struct dns_message *m)
{
        struct dns *n = p->n;
        uint64_t now = p->ev->boot_ns;
        struct query *q;

        if (p->c->nqueries >= DNS_QUERIES_CONTAINER_MAX)
                push_out(n, TAILQ_FIRST(&p->c->queries), now);
        if (n->nqueries >= DNS_QUERIES_MAX)
                push_out(n, TAILQ_FIRST(&n->queries), now);
        q = calloc(1, sizeof(*q) + m->question.len);
        if (!q) {
                n->stats.refused++;
                p->c->unsure = now + DNS_QUERY_NS;
                return NULL;
        }
        q->c = p->c;
        q->ends = p->ends;
        q->id = m->id;
        q->qtype = m->qtype;
        q->qclass = m->qclass;
        q->len = m->question.len;
        memcpy(q->name, m->question.wire, q->len);
        n->nqueries++;
        n->stats.waiting++;
        p->c->nqueries++;
        return q;
}

static void on_query(struct passage *p, const struct dns_message *m)
{
        struct query *q = find(p->c, &p->ends, m);

        p->n->stats.queries++;
        if (q) {
                TAILQ_REMOVE(&p->n->queries, q, all);
                TAILQ_REMOVE(&p->c->queries, q, of);
        } else {
                q = query_new(p, m);
        }
        if (!q)
                return;
        q->unowned = (q->unowned || !q->asked) && (p->ev->packet.flags & PACKETF_UNOWNED);
        q->asked++;
        q->sent = p->ev->boot_ns;
        TAILQ_INSERT_TAIL(&p->n->queries, q, all);
        TAILQ_INSERT_TAIL(&p->c->queries, q, of);
}

/* ---- answers ---- */

static void put_addresses(const struct dns_message *m, struct buf *out)
{
        for (uint32_t i = 0; i < m->naddresses; i++) {
                const struct dns_address *a = &m->addresses[i];
                uint8_t ttl[4] = {(uint8_t)a->ttl, (uint8_t)(a->ttl >> 8), (uint8_t)(a->ttl >> 16),
                                  (uint8_t)(a->ttl >> 24)};

                tide_list_put(out, dns_addr_bytes(&a->addr), bytes_of(ttl, sizeof(ttl)));
        }
}

static void put_chain(const struct dns_message *m, struct buf *out)
{
        const struct dns_name *from = &m->question;
        struct buf a, b;

        buf_init(&a, TEXT_MAX);
        buf_init(&b, TEXT_MAX);
        for (uint32_t i = 0; i < m->nchain; i++) {
                buf_reset(&a);
                buf_reset(&b);
                dns_name_text(from, &a);
                dns_name_text(&m->chain[i], &b);
                tide_list_put(out, buf_bytes(&a), buf_bytes(&b));
                if (a.err || b.err)
                        out->err = -ENOMEM;
                from = &m->chain[i];
        }
        buf_release(&a);
        buf_release(&b);
}

/* m: NULL if not even its question could be read. What is taken back is named by its question and its time. */
static void tell_of(struct passage *p, enum tide_name_verdict verdict, const struct dns_message *m, const char *reason,
                    int64_t answer_ns)
{
        struct dns *n = p->n;
        const struct tide_event *ev = p->ev;
        struct tide_event e = {.kind = TIDE_NAME,
                               .sources = ev->sources | SRC_NFLOG,
                               .flags = ev->flags,
                               .boot_ns = ev->boot_ns,
                               .wall_ns = ev->wall_ns,
                               .container = ev->container};

        buf_reset(&n->question);
        buf_reset(&n->chain);
        buf_reset(&n->addresses);
        if (m)
                dns_name_text(&m->question, &n->question);
        if (m && verdict != NAME_DOUBTED) {
                put_chain(m, &n->chain);
                put_addresses(m, &n->addresses);
        }
        if (n->question.err || n->chain.err || n->addresses.err) {
                n->stats.refused++;
                return;
        }
        e.name.verdict = (uint8_t)verdict;
        e.name.proto = p->ends.proto;
        e.name.server = dns_addr_bytes(&p->ends.server);
        e.name.server_port = p->ends.server_port;
        e.name.question = buf_bytes(&n->question);
        e.name.chain = buf_bytes(&n->chain);
        e.name.addresses = buf_bytes(&n->addresses);
        e.name.reason = bytes_str(reason);
        e.name.netns = p->ends.netns;
        e.name.answer_ns = (uint64_t)answer_ns;
        n->ops->name(&e, n->arg);
}

static void tell(struct passage *p, enum tide_name_verdict verdict, const struct dns_message *m, const char *reason)
{
        tell_of(p, verdict, m, reason, 0);
}

/* Anybody who reaches the container can send these: told up to a limit. */
static void tell_some(struct passage *p, enum tide_name_verdict verdict, const struct dns_message *m,
                      const char *reason)
{
        struct asker *c = p->c;
        uint64_t now = p->ev->boot_ns;

        if (!c->told || is_old(c->told_from, now, DNS_TOLD_NS)) {
                c->told_from = now;
                c->told = 0;
        }
        if (c->told >= DNS_TOLD_MAX) {
                p->n->stats.untold++;
                return;
        }
        c->told++;
        tell(p, verdict, m, reason);
}

/* May it have been asked, or asked more often, unseen? */
static bool is_unsure(struct passage *p)
{
        uint64_t now = p->ev->boot_ns;
        bool unsure = now < p->c->unsure || !is_old(p->c->first, now, DNS_GRACE_NS) ||
                      (p->n->lost && !is_old(p->n->lost_at, now, DNS_QUERY_NS));

        p->n->stats.unsure += unsure;
        return unsure;
}

static void unasked(struct passage *p, const struct dns_message *m, const char *reason)
{
        p->n->stats.unasked++;
        tell_some(p, NAME_UNASKED, m, reason);
}

static void malformed(struct passage *p, bool out, const struct dns_message *m, const char *reason)
{
        p->n->stats.malformed++;
        if (!out)
                tell_some(p, NAME_MALFORMED, m, reason);
}

static uint64_t digest_of(struct bytes b)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (uint32_t i = 0; i < b.len; i++)
                h = (h ^ b.p[i]) * UINT64_C(0x100000001b3);
        return h;
}

/* The same for what leads to the same: the addresses, in whatever order, by whatever way and for however long. */
static uint64_t digest(const struct dns_message *m)
{
        uint64_t sum = 0;

        for (uint32_t i = 0; i < m->naddresses; i++)
                sum += digest_of(dns_addr_bytes(&m->addresses[i].addr));
        return sum;
}

static bool is_server(const struct asker *c, const struct dns_addr *a)
{
        for (uint32_t i = 0; i < c->nservers; i++)
                if (dns_addr_eq(&c->servers[i], a))
                        return true;
        return false;
}

/* A server that fails or refuses says nothing of where the name leads: RFC 1035 4.1.1. */
static bool says(const struct dns_message *m)
{
        return m->rcode == RCODE_NONE || m->rcode == RCODE_NO_NAME;
}

/* Does it say where the name leads, and otherwise than all that came before? Remembered. */
static bool differs(struct query *q, const struct dns_message *m)
{
        uint64_t said = digest(m);

        if (!says(m))
                return false;
        if (!q->saying)
                q->said = said;
        q->saying = true;
        q->differ |= said != q->said;
        return q->differ;
}

/* More answers than were asked for: where not all say the same, nobody can tell which of them are the server's. */
static void surplus(struct passage *p, struct query *q, const struct dns_message *m)
{
        bool first = !q->saying;

        if (!differs(q, m) && !(first && m->naddresses)) {
                p->n->stats.repeated++;
                return;
        }
        if (is_unsure(p))
                return;
        for (unsigned i = 0; i < q->ntold; i++) {
                p->n->stats.doubted++;
                tell_of(p, NAME_DOUBTED, m, "the same query was answered again, otherwise", q->told[i]);
        }
        q->ntold = 0;
        unasked(p, m, "it was answered before, otherwise");
}

static bool is_loopback(const struct dns_addr *a)
{
        static const uint8_t six[16] = {[15] = 1};

        return a->len == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, six, sizeof(six)) == 0;
}

/* Sent within the namespace, as by a server that is elsewhere: whoever may send raw packets there can do that. */
static bool is_self_made(const struct passage *p)
{
        uint8_t flags = p->ev->packet.flags;

        return (flags & PACKETF_LOOPBACK) && !(flags & PACKETF_OWN) && !is_loopback(&p->ends.server);
}

/* To somebody of the host's namespace whose queries were not passed on: a query that is kept is none of those. */
static bool is_others(struct passage *p, const struct query *q)
{
        bool others = !q && (p->ev->packet.flags & PACKETF_HOST);

        p->n->stats.others += others;
        return others;
}

static void on_answer(struct passage *p, const struct dns_message *m)
{
        struct query *q = find(p->c, &p->ends, m);
        struct dns *n = p->n;

        if (is_others(p, q))
                return;
        if (is_self_made(p)) { /* whether it was asked for or not */
                unasked(p, m, "it came by the loopback interface, where its server is not");
                return;
        }
        if (!q) {
                if (!is_unsure(p))
                        unasked(p, m, why_unasked(p->c, &p->ends, m));
                return;
        }
        if (m->fault) {
                malformed(p, false, m, m->fault);
                return;
        }
        if (q->answered >= q->asked || q->answered >= DNS_ANSWERS_MAX) {
                surplus(p, q, m);
                return;
        }
        if (!q->answered++)
                n->stats.waiting--;
        (void)differs(q, m);
        if (m->cut)
                n->stats.cut++;
        if (p->c->configured && !is_server(p->c, &p->ends.server)) {
                n->stats.foreign++;
                tell(p, NAME_FOREIGN, m, "the container is not configured with this server");
                return;
        }
        n->stats.answers += !q->unowned;
        n->stats.unowned += q->unowned;
        if (m->naddresses) /* else there is nothing to be taken back */
                q->told[q->ntold++] = p->ev->wall_ns;
        if (q->unowned)
                tell(p, NAME_UNOWNED, m, "which process of the host's namespace asked is not known");
        else
                tell(p, NAME_ANSWERED, m, "");
}

static void on_message(struct bytes msg, bool out, void *arg)
{
        struct passage *p = arg;
        struct dns_message *m = &p->n->message;
        int r = dns_message_decode(msg, m);

        if (r == -ENODATA)
                return;
        if (r < 0 && !out && is_others(p, NULL))
                return;
        if (r < 0) {
                malformed(p, out, NULL, r == ERR_TRUNCATED ? "it ends in its question" : "its question cannot be read");
                return;
        }
        if (m->opcode != 0 || m->response == out)
                return;
        if (out)
                on_query(p, m);
        else
                on_answer(p, m);
}

/* ---- containers and packets ---- */

static void asker_drop(struct dns *n, struct asker *c)
{
        while (!TAILQ_EMPTY(&c->queries))
                query_free(n, TAILQ_FIRST(&c->queries));
        dns_streams_gone(&n->streams, c);
}

static int asker_get(struct dns *n, struct bytes id, struct asker **ret)
{
        struct asker *c = map_get(n->containers, id);
        int r;

        if (!c) {
                c = calloc(1, sizeof(*c));
                if (!c)
                        return -ENOMEM;
                TAILQ_INIT(&c->queries);
                r = map_put(n->containers, id, c);
                if (r < 0) {
                        free(c);
                        return r;
                }
        }
        *ret = c;
        return 0;
}

/* Who asks whom, if it is between a client here and a server elsewhere. */
static bool ends_of(const struct dns_packet *pk, const struct tide_packet *from, struct dns_ends *ret)
{
        bool out = from->out;

        if ((out ? pk->dport : pk->sport) != DNS_PORT)
                return false;
        *ret = (struct dns_ends){.netns = from->netns,
                                 .server = out ? pk->dst : pk->src,
                                 .client = out ? pk->src : pk->dst,
                                 .server_port = DNS_PORT,
                                 .client_port = out ? pk->sport : pk->dport,
                                 .proto = pk->proto};
        return true;
}

/* Not for the stream, which it would change: by itself, if it is whole. */
static void self_made_segment(struct passage *p, const struct dns_packet *pk)
{
        struct bytes b = pk->payload;

        if (b.len > 2 && !pk->cut && (uint32_t)(b.p[0] << 8 | b.p[1]) == b.len - 2)
                on_message(bytes_of(b.p + 2, b.len - 2), false, p);
        else
                p->n->stats.incomplete += b.len > 0;
}

/* In the host's namespace: not of one that a container was seen to begin. */
static bool is_others_stream(const struct passage *p, const struct dns_packet *pk)
{
        bool begins = p->ev->packet.out && (pk->flags & DNS_SYN);

        return (p->ev->packet.flags & PACKETF_HOST) && !begins && !dns_streams_has(&p->n->streams, p->c, &p->ends);
}

static void passage(struct passage *p, const struct dns_packet *pk)
{
        bool out = p->ev->packet.out;

        if (!p->c->seen) {
                p->c->seen = true;
                p->c->first = p->ev->boot_ns;
        }
        if (p->ev->flags & EVF_LOSS_NEAR)
                p->c->unsure = p->ev->boot_ns + DNS_QUERY_NS;
        if (pk->proto == IPPROTO_TCP && is_others_stream(p, pk))
                p->n->stats.others++;
        else if (pk->proto == IPPROTO_TCP && !out && is_self_made(p))
                self_made_segment(p, pk);
        else if (pk->proto == IPPROTO_TCP)
                dns_streams_segment(&p->n->streams, p->c, &p->ends, out, pk, p);
        else if (pk->cut)
                p->n->stats.incomplete++;
        else
                on_message(pk->payload, out, p);
}

void dns_packet(struct dns *n, const struct tide_event *ev)
{
        struct passage p = {.n = n, .ev = ev};
        struct dns_packet pk;
        int r = dns_packet_decode(ev->packet.ip, &pk);

        n->stats.packets++;
        forget_old(n, ev->boot_ns);
        if (r == ERR_TRUNCATED)
                n->stats.incomplete++;
        else if (r < 0)
                n->stats.malformed++;
        else if (!ends_of(&pk, &ev->packet, &p.ends))
                return;
        else if (asker_get(n, ev->container, &p.c) < 0)
                n->stats.refused++;
        else
                passage(&p, &pk);
}

void dns_lost(struct dns *n, uint64_t boot_ns)
{
        if (!n->lost || boot_ns > n->lost_at)
                n->lost_at = boot_ns;
        n->lost = true;
}

int dns_resolvers(struct dns *n, struct bytes container, struct bytes resolv_conf)
{
        static const uint8_t local4[4] = {127, 0, 0, 1}, local6[16] = {[15] = 1};
        struct asker *c;
        int r = asker_get(n, container, &c);

        if (r < 0) {
                n->stats.refused++;
                return r;
        }
        c->configured = true;
        c->nservers = dns_parse_resolv(resolv_conf, c->servers, DNS_SERVERS_MAX);
        if (c->nservers == 0) {
                c->servers[c->nservers++] = dns_addr_of(bytes_of(local4, sizeof(local4)));
                c->servers[c->nservers++] = dns_addr_of(bytes_of(local6, sizeof(local6)));
        }
        return 0;
}

void dns_any_server(struct dns *n, struct bytes container)
{
        struct asker *c = map_get(n->containers, container);

        if (c)
                c->configured = false;
}

bool dns_is_resolver(const struct dns *n, struct bytes container, struct bytes address)
{
        const struct asker *c = map_get(n->containers, container);
        struct dns_addr a = dns_addr_of(address);

        return c && c->configured && a.len && is_server(c, &a);
}

void dns_gone(struct dns *n, struct bytes container)
{
        struct asker *c = map_get(n->containers, container);

        if (!c)
                return;
        asker_drop(n, c);
        map_del(n->containers, container);
}

int dns_new(const struct dns_ops *ops, void *arg, struct dns **ret)
{
        struct dns *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        n->ops = ops;
        n->arg = arg;
        TAILQ_INIT(&n->queries);
        dns_streams_init(&n->streams, on_message);
        buf_init(&n->question, TEXT_MAX);
        buf_init(&n->chain, CHAIN_MAX);
        buf_init(&n->addresses, ADDRESSES_MAX);
        r = map_new(DNS_CONTAINERS_MAX, map_seed_random(), free, &n->containers);
        if (r < 0) {
                dns_free(n);
                return r;
        }
        *ret = n;
        return 0;
}

struct dns *dns_free(struct dns *n)
{
        if (!n)
                return NULL;
        while (!TAILQ_EMPTY(&n->queries))
                query_free(n, TAILQ_FIRST(&n->queries));
        dns_streams_release(&n->streams);
        map_free(n->containers);
        buf_release(&n->question);
        buf_release(&n->chain);
        buf_release(&n->addresses);
        free(n);
        return NULL;
}

void dns_stats(const struct dns *n, struct dns_stats *ret)
{
        *ret = n->stats;
        ret->refused += n->streams.refused;
        ret->incomplete += n->streams.incomplete;
        ret->streams = n->streams.n;
        ret->containers = map_count(n->containers);
}
