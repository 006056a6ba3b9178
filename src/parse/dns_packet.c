/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the layouts of IP, UDP and TCP headers. Must not: know what the payload is. Pure. Hands over: addresses, ports,
 * payload.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "parse/dns-priv.h"
#include "tidemark/err.h"

enum {
        IPV4_HEADER = 20,
        IPV6_HEADER = 40,
        UDP_HEADER = 8,
        TCP_HEADER = 20,
        EXTENSIONS_MAX = 8,
};
#define IPV4_FRAGMENT 0x3fffu /* MF and the offset */
#define IPV6_FRAGMENT 0xfff9u /* the offset and M */

/* What is left to be read, of a packet that may have been longer. */
struct rest {
        const uint8_t *p;
        size_t len;    /* here */
        size_t stated; /* by the headers that were read; >= len */
};

static uint16_t get16(const uint8_t *p)
{
        return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
        return (uint32_t)get16(p) << 16 | get16(p + 2);
}

struct dns_addr dns_addr_of(struct bytes b)
{
        static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        struct dns_addr a = {0};

        if (b.len == 16 && memcmp(b.p, mapped, sizeof(mapped)) == 0)
                b = bytes_of(b.p + 12, 4);
        if (b.len != 4 && b.len != 16)
                return a;
        a.len = (uint8_t)b.len;
        memcpy(a.bytes, b.p, b.len);
        return a;
}

bool dns_addr_eq(const struct dns_addr *a, const struct dns_addr *b)
{
        return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static int skip(struct rest *r, size_t n)
{
        if (n > r->stated)
                return ERR_SCHEMA;
        if (n > r->len)
                return ERR_TRUNCATED;
        r->p += n;
        r->len -= n;
        r->stated -= n;
        return 0;
}

/* The headers read so far say that so much follows; what is behind it is padding. */
static void state(struct rest *r, size_t stated)
{
        r->stated = stated;
        if (r->len > stated)
                r->len = stated;
}

static int read_ipv4(struct rest *r, struct dns_packet *pk)
{
        const uint8_t *p = r->p;
        size_t header;

        if (r->len < IPV4_HEADER)
                return ERR_TRUNCATED;
        header = (p[0] & 15u) * 4u;
        if (header < IPV4_HEADER)
                return ERR_SCHEMA;
        if (get16(p + 6) & IPV4_FRAGMENT)
                return ERR_TRUNCATED;
        pk->proto = p[9];
        pk->src = dns_addr_of(bytes_of(p + 12, 4));
        pk->dst = dns_addr_of(bytes_of(p + 16, 4));
        state(r, get16(p + 2));
        return skip(r, header);
}

/* Length of the extension header at p (8 bytes are there); 0: it is none. RFC 8200 4, AH: RFC 4302 2.2. */
static size_t extension(uint8_t kind, const uint8_t *p)
{
        switch (kind) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
                return (p[1] + 1u) * 8u;
        case IPPROTO_AH:
                return (p[1] + 2u) * 4u;
        case IPPROTO_FRAGMENT:
                return 8;
        default:
                return 0;
        }
}

static int read_ipv6(struct rest *r, struct dns_packet *pk)
{
        const uint8_t *p = r->p;
        int err;

        if (r->len < IPV6_HEADER)
                return ERR_TRUNCATED;
        pk->proto = p[6];
        pk->src = dns_addr_of(bytes_of(p + 8, 16));
        pk->dst = dns_addr_of(bytes_of(p + 24, 16));
        state(r, IPV6_HEADER + (size_t)get16(p + 4));
        err = skip(r, IPV6_HEADER);
        for (unsigned n = 0; err == 0 && pk->proto != IPPROTO_UDP && pk->proto != IPPROTO_TCP; n++) {
                const uint8_t *head = r->p;
                size_t len;

                if (r->len < 8)
                        return r->len < r->stated ? ERR_TRUNCATED : ERR_SCHEMA;
                len = extension(pk->proto, head);
                if (!len || n == EXTENSIONS_MAX)
                        return ERR_SCHEMA;
                if (pk->proto == IPPROTO_FRAGMENT && (get16(head + 2) & IPV6_FRAGMENT))
                        return ERR_TRUNCATED;
                pk->proto = head[0];
                err = skip(r, len);
        }
        return err;
}

static int read_udp(struct rest *r)
{
        size_t len;

        if (r->len < UDP_HEADER)
                return r->len < r->stated ? ERR_TRUNCATED : ERR_SCHEMA;
        len = get16(r->p + 4);
        if (len < UDP_HEADER || len > r->stated)
                return ERR_SCHEMA;
        state(r, len);
        return skip(r, UDP_HEADER);
}

static int read_tcp(struct rest *r, struct dns_packet *pk)
{
        size_t header;

        if (r->len < TCP_HEADER)
                return r->len < r->stated ? ERR_TRUNCATED : ERR_SCHEMA;
        header = (r->p[12] >> 4) * 4u;
        if (header < TCP_HEADER)
                return ERR_SCHEMA;
        pk->seq = get32(r->p + 4);
        pk->flags = r->p[13];
        return skip(r, header);
}

int dns_packet_decode(struct bytes ip, struct dns_packet *ret)
{
        struct rest r = {ip.p, ip.len, ip.len};
        const uint8_t *ports;
        int err;

        memset(ret, 0, sizeof(*ret));
        if (ip.len == 0)
                return ERR_TRUNCATED;
        switch (ip.p[0] >> 4) {
        case 4:
                err = read_ipv4(&r, ret);
                break;
        case 6:
                err = read_ipv6(&r, ret);
                break;
        default:
                err = ERR_SCHEMA;
        }
        if (err < 0)
                return err;
        ports = r.p;
        if (ret->proto == IPPROTO_UDP)
                err = read_udp(&r);
        else
                err = ret->proto == IPPROTO_TCP ? read_tcp(&r, ret) : ERR_SCHEMA;
        if (err < 0)
                return err;
        ret->sport = get16(ports);
        ret->dport = get16(ports + 2);
        ret->payload = bytes_of(r.p, r.len);
        ret->cut = r.len < r.stated;
        return 0;
}
