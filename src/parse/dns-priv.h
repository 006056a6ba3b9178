/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns-priv - the parts of dns: packet (IP, UDP, TCP) ▸ stream (TCP) ▸ message (RFC 1035) ▸ dns.c (who asked for it).
 *
 * packet, message and resolv are pure decoders: they borrow, allocate nothing and know no other packet. Numbers of the
 * network are big-endian; here they are in host order, addresses in network order.
 */
#ifndef TIDEMARK_PARSE_DNS_PRIV_H
#define TIDEMARK_PARSE_DNS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/str.h"

#define DNS_PORT 53u
#define DNS_SERVERS_MAX 32u
#define DNS_RESOLV_MAX (64u * 1024) /* bytes of resolv.conf that are read */
#define DNS_NAME_MAX 255u           /* octets of a name with its lengths and its end, RFC 1035 2.3.4 */
#define DNS_POINTERS_MAX 32u        /* followed for one name; RFC 1035 4.1.4 names no limit */
#define DNS_CHAIN_MAX 16u           /* CNAMEs; resolvers give up at 8 to 17 */
#define DNS_ADDRESSES_MAX 512u      /* of one answer: as an event of 14 KiB */
#define DNS_RECORDS_MAX 1024u       /* looked at in one answer: bounds the time for 64 KiB of compressed names */
#define DNS_QUERY_NS (30 * UINT64_C(1000000000))
#define DNS_GRACE_NS (5 * UINT64_C(1000000000))
#define DNS_QUERIES_MAX 8192u          /* kept, of all containers: at most 4 MiB */
#define DNS_ANSWERS_MAX 8u             /* taken of one query, however often it was sent */
#define DNS_QUERIES_CONTAINER_MAX 256u
#define DNS_CONTAINERS_MAX 4096u
#define DNS_TOLD_MAX 32u /* unasked and malformed answers told of one container in … */
#define DNS_TOLD_NS (10 * UINT64_C(1000000000))
#define DNS_STREAMS_MAX 256u
#define DNS_STREAMS_CONTAINER_MAX 32u
#define DNS_STREAM_BYTES_MAX (1024u * 1024) /* kept, of all streams */
#define DNS_MESSAGE_MAX 65535u              /* RFC 1035 4.2.2: the length has two octets */
#define DNS_EARLY_MAX 8u                    /* segments that came before their turn, of one direction … */
#define DNS_EARLY_BYTES_MAX (16u * 1024)    /* … and their bytes */

struct dns_addr {
        uint8_t len; /* 4 or 16 */
        uint8_t bytes[16];
};
/* From 4 or 16 bytes; what is mapped into IPv6 becomes IPv4. Other lengths: no address (len 0). */
struct dns_addr dns_addr_of(struct bytes b);
bool dns_addr_eq(const struct dns_addr *a, const struct dns_addr *b);
static inline struct bytes dns_addr_bytes(const struct dns_addr *a)
{
        return bytes_of(a->bytes, a->len);
}

/* ---- packets ---- */

enum dns_tcp_flag { DNS_FIN = 1u << 0, DNS_SYN = 1u << 1, DNS_RST = 1u << 2 }; /* as RFC 9293 3.1 has them */

struct dns_packet {
        uint8_t proto; /* IPPROTO_UDP, IPPROTO_TCP */
        struct dns_addr src, dst;
        uint16_t sport, dport;
        struct bytes payload; /* borrowed */
        bool cut;             /* the payload was longer on the wire */
        uint32_t seq;         /* TCP */
        uint8_t flags;        /* TCP: enum dns_tcp_flag and others */
};
/*
 * From the IP header on: IPv4 (RFC 791), IPv6 (RFC 8200, up to 8 extension headers); UDP (RFC 768), TCP (RFC 9293).
 * 0; ERR_TRUNCATED: a fragment, or ends within its headers; ERR_SCHEMA: something else, or lengths that cannot be.
 * *ret is only of use after 0. Checksums are not looked at: those of a local sender are filled in by hardware, or
 * never.
 */
int dns_packet_decode(struct bytes ip, struct dns_packet *ret) TM_CHECK;

/* ---- messages ---- */

/* As on the wire, without compression and in lower case, up to and with the empty label at the end. */
struct dns_name {
        uint8_t len;
        uint8_t wire[DNS_NAME_MAX];
};
bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);
/* Letters, digits, '-' and '_' stay; others are \DDD (RFC 1035 5.1). Dots between labels, none at the end; the root
 * is ".". */
void dns_name_text(const struct dns_name *n, struct buf *out);

struct dns_address {
        struct dns_addr addr;
        uint32_t ttl; /* seconds; the least of its own and of the CNAMEs that lead to it */
};

struct dns_message {
        uint16_t id, qtype, qclass;
        bool response, truncated; /* QR, TC */
        bool cut;                 /* it holds more than is taken here */
        uint8_t opcode, rcode;
        struct dns_name question;
        /* Of a response: */
        const char *fault; /* NULL, or what is wrong with its answers: then there is neither chain nor address */
        uint32_t nchain, naddresses;
        struct dns_name chain[DNS_CHAIN_MAX]; /* where the question leads, step by step */
        struct dns_address addresses[DNS_ADDRESSES_MAX];
};
/*
 * 0; -ENODATA: a response that has no question and no answer, as servers send that cannot read one; ERR_TRUNCATED,
 * ERR_SCHEMA: header or question cannot be read, or are not of one question. *ret is only of use after 0.
 * A truncated response has what is whole of it.
 */
int dns_message_decode(struct bytes msg, struct dns_message *ret) TM_CHECK;

/* ---- resolv.conf ---- */

/* The servers, without scopes and doubles, at most max; how many. */
uint32_t dns_parse_resolv(struct bytes text, struct dns_addr *ret, uint32_t max);

/* ---- TCP ---- */

/* Who asks whom. */
struct dns_ends {
        uint64_t netns;
        struct dns_addr server, client;
        uint16_t server_port, client_port;
        uint8_t proto;
};
bool dns_ends_eq(const struct dns_ends *a, const struct dns_ends *b);

struct dns_stream;
TAILQ_HEAD(dns_stream_list, dns_stream);
struct dns_streams {
        struct dns_stream_list list; /* least recently used first */
        size_t n, bytes;
        uint64_t refused, incomplete;
        void (*message)(struct bytes msg, bool out, void *arg);
};
void dns_streams_init(struct dns_streams *s, void (*message)(struct bytes msg, bool out, void *arg));
void dns_streams_release(struct dns_streams *s);
/* A segment of owner's (an address, never looked into); message() is called with arg for each message that it
 * completes, and must not call back. Streams whose beginning was not seen are incomplete, and passed over. */
void dns_streams_segment(struct dns_streams *s, const void *owner, const struct dns_ends *ends, bool out,
                         const struct dns_packet *pk, void *arg);
bool dns_streams_has(struct dns_streams *s, const void *owner, const struct dns_ends *ends);
void dns_streams_gone(struct dns_streams *s, const void *owner);

#endif
