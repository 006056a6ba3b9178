/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: TCP streams to name servers: what of each direction is not yet a whole message. Must not: look into messages.
 * Pure. Hands over: messages, as RFC 1035 4.2.2 divides a stream.
 *
 * A stream begins with the client's SYN; one that was under way is passed over. What was seen first counts: a segment
 * that comes again with other bytes changes nothing. A direction in which more comes before its turn than is kept has
 * lost something: the stream is broken, and counted once.
 */
#include <stdlib.h>
#include <string.h>

#include "parse/dns-priv.h"

struct early {
        uint32_t seq;
        struct buf data; /* empty: none here */
};

struct side {
        bool begun; /* its SYN was seen */
        bool ended;
        uint32_t first, next; /* sequence numbers: of the SYN, of what comes next */
        struct buf data;      /* the message that is not whole yet, with its length */
        struct early early[DNS_EARLY_MAX];
};

struct dns_stream {
        TAILQ_ENTRY(dns_stream) link;
        const void *owner;
        struct dns_ends ends;
        bool broken;
        size_t bytes;
        struct side sides[2]; /* [out] */
};

bool dns_ends_eq(const struct dns_ends *a, const struct dns_ends *b)
{
        return a->client_port == b->client_port && a->server_port == b->server_port && a->proto == b->proto &&
               a->netns == b->netns && dns_addr_eq(&a->client, &b->client) && dns_addr_eq(&a->server, &b->server);
}

static void side_release(struct side *d)
{
        buf_release(&d->data);
        for (unsigned i = 0; i < DNS_EARLY_MAX; i++)
                buf_release(&d->early[i].data);
}

static void side_init(struct side *d)
{
        memset(d, 0, sizeof(*d));
        buf_init(&d->data, DNS_MESSAGE_MAX + 2);
        for (unsigned i = 0; i < DNS_EARLY_MAX; i++)
                buf_init(&d->early[i].data, DNS_EARLY_BYTES_MAX);
}

static void stream_free(struct dns_streams *s, struct dns_stream *st)
{
        TAILQ_REMOVE(&s->list, st, link);
        s->n--;
        s->bytes -= st->bytes;
        side_release(&st->sides[0]);
        side_release(&st->sides[1]);
        free(st);
}

/* It is over, or its room is needed: what had begun is missing its end. */
static void stream_end(struct dns_streams *s, struct dns_stream *st)
{
        if (!st->broken && (st->sides[0].data.len || st->sides[1].data.len))
                s->incomplete++;
        stream_free(s, st);
}

/* What it keeps now, in whole buffers. */
static void account(struct dns_streams *s, struct dns_stream *st)
{
        size_t bytes = sizeof(*st);

        for (unsigned out = 0; out < 2; out++) {
                bytes += st->sides[out].data.cap;
                for (unsigned i = 0; i < DNS_EARLY_MAX; i++)
                        bytes += st->sides[out].early[i].data.cap;
        }
        s->bytes += bytes - st->bytes;
        st->bytes = bytes;
}

static void stream_break(struct dns_streams *s, struct dns_stream *st)
{
        if (st->broken)
                return;
        st->broken = true;
        s->incomplete++;
        side_release(&st->sides[0]);
        side_release(&st->sides[1]);
        account(s, st);
}

static struct dns_stream *find(struct dns_streams *s, const void *owner, const struct dns_ends *ends)
{
        struct dns_stream *st;

        TAILQ_FOREACH(st, &s->list, link)
                if (st->owner == owner && dns_ends_eq(&st->ends, ends))
                        break;
        return st;
}

/* The owner's least recently used, if it has as many as it may; else the least of all, if there are too many. */
static struct dns_stream *surplus(const struct dns_streams *s, const void *owner)
{
        struct dns_stream *st, *first = NULL;
        unsigned n = 0;

        TAILQ_FOREACH(st, &s->list, link)
                if (st->owner == owner && n++ == 0)
                        first = st;
        if (n >= DNS_STREAMS_CONTAINER_MAX)
                return first;
        return s->n >= DNS_STREAMS_MAX ? TAILQ_FIRST(&s->list) : NULL;
}

static struct dns_stream *stream_new(struct dns_streams *s, const void *owner, const struct dns_ends *ends)
{
        struct dns_stream *st = surplus(s, owner);

        if (st) {
                s->refused++;
                stream_end(s, st);
        }
        st = calloc(1, sizeof(*st));
        if (!st) {
                s->refused++;
                return NULL;
        }
        st->owner = owner;
        st->ends = *ends;
        side_init(&st->sides[0]);
        side_init(&st->sides[1]);
        TAILQ_INSERT_TAIL(&s->list, st, link);
        s->n++;
        account(s, st);
        return st;
}

/* Cut into messages what comes next. */
static void take(struct dns_streams *s, struct side *d, bool out, struct bytes b, void *arg)
{
        d->next += b.len;
        while (b.len && !d->data.err) {
                size_t want = 2, n;

                if (d->data.len >= 2)
                        want += (size_t)(d->data.p[0] << 8 | d->data.p[1]);
                n = want - d->data.len < b.len ? want - d->data.len : b.len;
                buf_put(&d->data, b.p, n);
                b = bytes_of(b.p + n, b.len - n);
                if (d->data.len == 2 && (d->data.p[0] | d->data.p[1]))
                        continue;
                if (d->data.len == want && !d->data.err) {
                        s->message(bytes_of(d->data.p + 2, want - 2), out, arg);
                        buf_release(&d->data);
                }
        }
}

/* What came before its turn and is due now. */
static struct early *due(struct side *d)
{
        for (unsigned i = 0; i < DNS_EARLY_MAX; i++)
                if (d->early[i].data.len && (int32_t)(d->next - d->early[i].seq) >= 0)
                        return &d->early[i];
        return NULL;
}

static bool keep_early(struct side *d, uint32_t seq, struct bytes b)
{
        struct early *place = NULL;
        size_t kept = 0;

        for (unsigned i = 0; i < DNS_EARLY_MAX; i++) {
                struct early *e = &d->early[i];

                kept += e->data.len;
                if (!e->data.len && !place)
                        place = e;
                if (e->data.len >= b.len && e->seq == seq)
                        return true;
        }
        if (!place || kept + b.len > DNS_EARLY_BYTES_MAX)
                return false;
        place->seq = seq;
        buf_put(&place->data, b.p, b.len);
        return !place->data.err;
}

/* The part of b, which begins at seq, that was not there before. */
static struct bytes fresh(const struct side *d, uint32_t seq, struct bytes b)
{
        uint32_t known = d->next - seq;

        return known < b.len ? bytes_of(b.p + known, b.len - known) : bytes_of(NULL, 0);
}

static bool feed(struct dns_streams *s, struct side *d, bool out, uint32_t seq, struct bytes b, void *arg)
{
        struct early *e;

        if (b.len == 0)
                return true;
        if ((int32_t)(d->next - seq) < 0)
                return keep_early(d, seq, b);
        take(s, d, out, fresh(d, seq, b), arg);
        while ((e = due(d))) {
                take(s, d, out, fresh(d, e->seq, buf_bytes(&e->data)), arg);
                buf_release(&e->data);
        }
        return !d->data.err;
}

/* A SYN: the client's makes the stream, or makes it anew; the same one again does nothing. */
static struct dns_stream *begin(struct dns_streams *s, struct dns_stream *st, const void *owner,
                                const struct dns_ends *ends, bool out, uint32_t seq)
{
        struct side *d;

        if (st && !st->broken && st->sides[out].begun && st->sides[out].first == seq)
                return st;
        if (out) {
                if (st)
                        stream_free(s, st);
                st = stream_new(s, owner, ends);
        }
        if (!st || st->broken)
                return st;
        d = &st->sides[out];
        /* A second, other answer to the same SYN: the first one stands. */
        if (d->begun)
                return st;
        d->begun = true;
        d->first = seq;
        d->next = seq + 1;
        return st;
}

/* Others can send RST too: only one in its turn ends a stream (RFC 5961 3.2). */
static bool resets(const struct dns_stream *st, const struct side *d, const struct dns_packet *pk)
{
        return (pk->flags & DNS_RST) && (st->broken || !d->begun || pk->seq == d->next);
}

/* The stream of a segment; one whose beginning was not seen is broken from the start. NULL: nothing to be read. */
static struct dns_stream *stream_of(struct dns_streams *s, const void *owner, const struct dns_ends *ends, bool out,
                                    const struct dns_packet *pk)
{
        struct dns_stream *st = find(s, owner, ends);

        if (pk->flags & DNS_SYN)
                return begin(s, st, owner, ends, out, pk->seq);
        if (!st && pk->payload.len) {
                st = stream_new(s, owner, ends);
                if (st)
                        stream_break(s, st);
        }
        return st;
}

/* False: something is missing. */
static bool segment(struct dns_streams *s, struct dns_stream *st, bool out, uint32_t seq, const struct dns_packet *pk,
                    void *arg)
{
        struct side *d = &st->sides[out];

        if (!d->begun)
                return pk->payload.len == 0;
        if (!feed(s, d, out, seq, pk->payload, arg) || pk->cut)
                return false;
        if ((pk->flags & DNS_FIN) && seq + pk->payload.len == d->next)
                d->ended = true;
        return true;
}

void dns_streams_segment(struct dns_streams *s, const void *owner, const struct dns_ends *ends, bool out,
                         const struct dns_packet *pk, void *arg)
{
        uint32_t seq = pk->flags & DNS_SYN ? pk->seq + 1 : pk->seq;
        struct dns_stream *st;

        if (pk->flags & DNS_RST) {
                st = find(s, owner, ends);
                if (st && resets(st, &st->sides[out], pk))
                        stream_end(s, st);
                return;
        }
        st = stream_of(s, owner, ends, out, pk);
        if (!st)
                return;
        TAILQ_REMOVE(&s->list, st, link);
        TAILQ_INSERT_TAIL(&s->list, st, link);
        if (!st->broken && !segment(s, st, out, seq, pk, arg))
                stream_break(s, st);
        account(s, st);
        if (st->sides[0].ended && st->sides[1].ended)
                stream_end(s, st);
        while (s->bytes > DNS_STREAM_BYTES_MAX) {
                s->refused++;
                stream_end(s, TAILQ_FIRST(&s->list));
        }
}

bool dns_streams_has(struct dns_streams *s, const void *owner, const struct dns_ends *ends)
{
        return find(s, owner, ends) != NULL;
}

void dns_streams_gone(struct dns_streams *s, const void *owner)
{
        struct dns_stream *st = TAILQ_FIRST(&s->list), *next;

        for (; st; st = next) {
                next = TAILQ_NEXT(st, link);
                if (st->owner == owner)
                        stream_free(s, st);
        }
}

void dns_streams_init(struct dns_streams *s, void (*message)(struct bytes msg, bool out, void *arg))
{
        memset(s, 0, sizeof(*s));
        TAILQ_INIT(&s->list);
        s->message = message;
}

void dns_streams_release(struct dns_streams *s)
{
        while (!TAILQ_EMPTY(&s->list))
                stream_free(s, TAILQ_FIRST(&s->list));
}
