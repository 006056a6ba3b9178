/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the layout of DNS messages (RFC 1035 4), names and the chain of CNAMEs. Must not: know who asked, or whether
 * anybody did. Pure; no allocation. Hands over: a struct dns_message.
 *
 * Bounded: a pointer leads only to before the run of labels in which it stands, so that no name can lead in a circle;
 * names, pointers, records, aliases and addresses have limits of their own (dns-priv.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse/dns-priv.h"
#include "tidemark/err.h"

enum {
        HEADER = 12,
        RECORD = 10, /* behind its owner's name: type, class, TTL, length */
        TYPE_A = 1,
        TYPE_CNAME = 5,
        TYPE_AAAA = 28, /* RFC 3596 */
        TYPE_ANY = 255,
        CLASS_IN = 1,
        CLASS_ANY = 255,
};
#define TTL_MAX 0x7fffffffu /* RFC 2181 8: above it is 0 */

struct record {
        struct dns_name owner;
        uint16_t type, class;
        uint32_t ttl;
        uint32_t data; /* offset in the message */
        uint16_t len;
};

struct alias {
        struct dns_name owner, target;
        uint32_t ttl;
};

/* What one pass over the records collects. */
struct pass {
        struct bytes msg;
        struct dns_message *m;
        struct alias aliases[DNS_CHAIN_MAX];
        uint32_t naliases;
        uint32_t ttl; /* the least of the chain's */
};

static uint16_t get16(const uint8_t *p)
{
        return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
        return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint8_t lower(uint8_t c)
{
        return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* A label of n octets, with the length before it, at p. */
static int put_label(struct dns_name *to, const uint8_t *p, unsigned n)
{
        if (to->len + n + 1u > DNS_NAME_MAX)
                return ERR_SCHEMA;
        to->wire[to->len++] = (uint8_t)n;
        for (unsigned i = 1; i <= n; i++)
                to->wire[to->len++] = lower(p[i]);
        return 0;
}

/* The name at *at, which then is behind it. */
static int read_name(struct bytes msg, uint32_t *at, struct dns_name *ret)
{
        uint32_t pos = *at, run = pos, end = 0;
        unsigned n, pointers = 0;

        ret->len = 0;
        do {
                if (pos >= msg.len)
                        return ERR_TRUNCATED;
                n = msg.p[pos];
                if ((n & 0xc0) == 0xc0) {
                        if (msg.len - pos < 2)
                                return ERR_TRUNCATED;
                        if (!end)
                                end = pos + 2;
                        pos = get16(msg.p + pos) & 0x3fffu;
                        if (pos >= run || pos < HEADER || ++pointers > DNS_POINTERS_MAX)
                                return ERR_SCHEMA;
                        run = pos;
                        continue;
                }
                if (n & 0xc0)
                        return ERR_SCHEMA;
                if (msg.len - pos < n + 1)
                        return ERR_TRUNCATED;
                if (put_label(ret, msg.p + pos, n) < 0)
                        return ERR_SCHEMA;
                pos += n + 1;
        } while (n);
        *at = end ? end : pos;
        return 0;
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
        return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

static void put_character(uint8_t c, struct buf *out)
{
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
                buf_put_u8(out, c);
        else
                buf_printf(out, "\\%03u", c);
}

void dns_name_text(const struct dns_name *n, struct buf *out)
{
        uint32_t at = 0;

        if (n->len <= 1)
                buf_put_u8(out, '.');
        while (at < n->len && n->wire[at]) {
                uint32_t end = at + 1 + n->wire[at];

                if (at)
                        buf_put_u8(out, '.');
                for (at++; at < end; at++)
                        put_character(n->wire[at], out);
        }
}

static int read_record(struct bytes msg, uint32_t *at, struct record *ret)
{
        const uint8_t *p;
        int r = read_name(msg, at, &ret->owner);

        if (r < 0)
                return r;
        if (msg.len - *at < RECORD)
                return ERR_TRUNCATED;
        p = msg.p + *at;
        *at += RECORD;
        ret->type = get16(p);
        ret->class = get16(p + 2);
        ret->ttl = get32(p + 4) > TTL_MAX ? 0 : get32(p + 4);
        ret->len = get16(p + 8);
        ret->data = *at;
        if (msg.len - *at < ret->len)
                return ERR_TRUNCATED;
        *at += ret->len;
        return 0;
}

/* First pass. NULL, or what is wrong. */
static const char *take_alias(struct pass *ps, const struct record *rec)
{
        struct alias *a;
        struct dns_name target;
        uint32_t at = rec->data;

        if (rec->type != TYPE_CNAME)
                return NULL;
        if (read_name(ps->msg, &at, &target) < 0 || at != rec->data + rec->len)
                return "a canonical name that cannot be read";
        for (uint32_t i = 0; i < ps->naliases; i++) {
                if (!dns_name_eq(&ps->aliases[i].owner, &rec->owner))
                        continue;
                return dns_name_eq(&ps->aliases[i].target, &target) ? NULL : "two canonical names of one name";
        }
        if (ps->naliases == DNS_CHAIN_MAX)
                return "too many aliases";
        a = &ps->aliases[ps->naliases++];
        a->owner = rec->owner;
        a->target = target;
        a->ttl = rec->ttl;
        return NULL;
}

/* Second pass, when the end of the chain is known. */
static const char *take_address(struct pass *ps, const struct record *rec)
{
        struct dns_message *m = ps->m;
        const struct dns_name *end = m->nchain ? &m->chain[m->nchain - 1] : &m->question;
        bool at_end = dns_name_eq(&rec->owner, end);
        uint16_t len = rec->type == TYPE_A ? 4 : rec->type == TYPE_AAAA ? 16 : 0;
        struct dns_address *a;

        if (!len || (m->qtype != rec->type && m->qtype != TYPE_ANY))
                return NULL;
        if (rec->len != len)
                return "an address of another length";
        if (!at_end && !dns_name_eq(&rec->owner, &m->question))
                return NULL;
        if (m->naddresses == DNS_ADDRESSES_MAX) {
                m->cut = true;
                return NULL;
        }
        a = &m->addresses[m->naddresses++];
        a->addr = dns_addr_of(bytes_of(ps->msg.p + rec->data, len));
        a->ttl = at_end && ps->ttl < rec->ttl ? ps->ttl : rec->ttl;
        return NULL;
}

static const char *each_record(struct pass *ps, uint32_t at, uint32_t n,
                               const char *(*take)(struct pass *, const struct record *))
{
        struct record rec;
        const char *fault = NULL;

        if (n > DNS_RECORDS_MAX) {
                ps->m->cut = true;
                n = DNS_RECORDS_MAX;
        }
        for (uint32_t i = 0; i < n && !fault; i++) {
                int r = read_record(ps->msg, &at, &rec);

                if (r == ERR_TRUNCATED && ps->m->truncated)
                        return NULL;
                if (r < 0)
                        return r == ERR_TRUNCATED ? "fewer records than it says" : "a name that cannot be read";
                if (rec.class == CLASS_IN)
                        fault = take(ps, &rec);
        }
        return fault;
}

static const char *follow(struct pass *ps)
{
        struct dns_message *m = ps->m;
        const struct dns_name *now = &m->question;

        for (uint32_t i = 0; i < ps->naliases; i++) {
                const struct alias *a = &ps->aliases[i];

                if (!dns_name_eq(&a->owner, now))
                        continue;
                /* Each alias is used once at most, unless they lead in a circle. */
                if (m->nchain == ps->naliases)
                        return "aliases that lead in a circle";
                m->chain[m->nchain] = a->target;
                now = &m->chain[m->nchain++];
                ps->ttl = a->ttl < ps->ttl ? a->ttl : ps->ttl;
                i = UINT32_MAX; /* from the first again: they come in any order */
        }
        return NULL;
}

static const char *read_answers(struct bytes msg, uint32_t at, uint32_t n, struct dns_message *m)
{
        struct pass ps;
        const char *fault;

        if (m->qclass != CLASS_IN && m->qclass != CLASS_ANY)
                return NULL;
        ps.msg = msg;
        ps.m = m;
        ps.naliases = 0;
        ps.ttl = TTL_MAX;
        fault = each_record(&ps, at, n, take_alias);
        if (!fault)
                fault = follow(&ps);
        if (!fault)
                fault = each_record(&ps, at, n, take_address);
        if (fault)
                m->nchain = m->naddresses = 0;
        return fault;
}

int dns_message_decode(struct bytes msg, struct dns_message *ret)
{
        uint32_t at = HEADER, questions, answers;
        int r;

        if (msg.len < HEADER)
                return ERR_TRUNCATED;
        ret->id = get16(msg.p);
        ret->response = msg.p[2] & 0x80;
        ret->opcode = msg.p[2] >> 3 & 15;
        ret->truncated = msg.p[2] & 2;
        ret->rcode = msg.p[3] & 15;
        ret->cut = false;
        ret->fault = NULL;
        ret->nchain = ret->naddresses = 0;
        questions = get16(msg.p + 4);
        answers = get16(msg.p + 6);
        if (!questions && !answers && ret->response && ret->rcode)
                return -ENODATA;
        if (questions != 1)
                return ERR_SCHEMA;
        r = read_name(msg, &at, &ret->question);
        if (r < 0)
                return r;
        if (msg.len - at < 4)
                return ERR_TRUNCATED;
        ret->qtype = get16(msg.p + at);
        ret->qclass = get16(msg.p + at + 2);
        if (ret->response)
                ret->fault = read_answers(msg, at + 4, answers, ret);
        return 0;
}
