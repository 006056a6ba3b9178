/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name service: packets made by hand go in, what is told comes out. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse/dns-priv.h"
#include "tests/unit/unit.h"
#include "tidemark/dns.h"
#include "tidemark/err.h"
#include "tidemark/event.h"

#define SECOND UINT64_C(1000000000)
#define QUERY 0x0100u
#define ANSWER 0x8180u
enum { A = 1, CNAME = 5, MX = 15, AAAA = 28, ANY = 255, IN = 1 };

/* ---- messages and packets ---- */

struct bin {
        uint8_t p[70000];
        uint32_t len;
};

static struct bytes all(const struct bin *b)
{
        return bytes_of(b->p, b->len);
}

static void put8(struct bin *b, unsigned v)
{
        b->p[b->len++] = (uint8_t)v;
}

static void put16(struct bin *b, unsigned v)
{
        put8(b, v >> 8);
        put8(b, v);
}

static void put32(struct bin *b, uint32_t v)
{
        put16(b, v >> 16);
        put16(b, v);
}

static void put(struct bin *b, const void *p, size_t n)
{
        memcpy(b->p + b->len, p, n);
        b->len += (uint32_t)n;
}

/* "www.example"; "@12" at the end of one is a pointer to there. */
static void name(struct bin *b, const char *text)
{
        while (*text && *text != '@') {
                size_t n = strcspn(text, ".@");

                put8(b, (unsigned)n);
                put(b, text, n);
                text += n + (text[n] == '.');
        }
        if (*text)
                put16(b, 0xc000u | (unsigned)atoi(text + 1));
        else
                put8(b, 0);
}

static void header(struct bin *b, unsigned id, unsigned flags, unsigned questions, unsigned answers)
{
        b->len = 0;
        put16(b, id);
        put16(b, flags);
        put16(b, questions);
        put16(b, answers);
        put32(b, 0);
}

/* With its question, whose name stands at 12. */
static void message(struct bin *b, unsigned id, unsigned flags, unsigned answers, const char *question, unsigned type)
{
        header(b, id, flags, 1, answers);
        name(b, question);
        put16(b, type);
        put16(b, IN);
}

static void record(struct bin *b, const char *owner, unsigned type, uint32_t ttl, const void *data, unsigned len)
{
        name(b, owner);
        put16(b, type);
        put16(b, IN);
        put32(b, ttl);
        put16(b, len);
        put(b, data, len);
}

static void a_record(struct bin *b, const char *owner, uint32_t ttl, uint32_t address)
{
        uint32_t net = htonl(address);

        record(b, owner, A, ttl, &net, 4);
}

static void aaaa_record(struct bin *b, const char *owner, uint32_t ttl, uint8_t last)
{
        uint8_t raw[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};

        record(b, owner, AAAA, ttl, raw, 16);
}

static void cname(struct bin *b, const char *owner, const char *target, uint32_t ttl)
{
        struct bin data = {.len = 0};

        name(&data, target);
        record(b, owner, CNAME, ttl, data.p, data.len);
}

struct end {
        const char *address; /* 4 bytes, or 16 */
        uint8_t len;
        uint16_t port;
};
static const struct end server = {"\x0a\0\0\x35", 4, 53}, other = {"\x0a\0\0\x36", 4, 53},
                        client = {"\x0a\0\0\2", 4, 4000},
                        client2 = {"\x0a\0\0\2", 4, 4001}, mdns = {"\x0a\0\0\x35", 4, 5353};
static const struct end server6 = {"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x35", 16, 53},
                        client6 = {"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16, 4000};

static void ip_header(struct bin *b, const struct end *from, const struct end *to, unsigned proto, size_t payload)
{
        b->len = 0;
        if (from->len == 4) {
                put16(b, 0x4500);
                put16(b, (unsigned)payload + 20);
                put32(b, 0x00004000);
                put8(b, 64);
                put8(b, proto);
                put16(b, 0);
        } else {
                put32(b, 0x60000000);
                put16(b, (unsigned)payload);
                put8(b, proto);
                put8(b, 64);
        }
        put(b, from->address, from->len);
        put(b, to->address, to->len);
}

static void udp(struct bin *b, const struct end *from, const struct end *to, struct bytes payload)
{
        ip_header(b, from, to, IPPROTO_UDP, payload.len + 8);
        put16(b, from->port);
        put16(b, to->port);
        put16(b, payload.len + 8);
        put16(b, 0);
        put(b, payload.p, payload.len);
}

static void tcp(struct bin *b, const struct end *from, const struct end *to, uint32_t seq, unsigned flags,
                struct bytes payload)
{
        ip_header(b, from, to, IPPROTO_TCP, payload.len + 20);
        put16(b, from->port);
        put16(b, to->port);
        put32(b, seq);
        put32(b, 0);
        put8(b, 0x50);
        put8(b, flags);
        put16(b, 1000);
        put32(b, 0);
        if (payload.len)
                put(b, payload.p, payload.len);
}

/* ---- what is told ---- */

struct world {
        struct dns *n;
        uint64_t now;
        const char *container;
        uint64_t netns;
        uint16_t flags;
        uint8_t packet_flags;
        uint64_t wall, taken_back[8]; /* of what is told; times of doubted answers */
        unsigned told[NAME__MAX];
        uint8_t verdict;
        char question[1100], chain[20000], addresses[4000], reason[100];
        struct bin msg, packet;
};

static struct world w; /* each case makes it anew */

static void copy(struct bytes s, char *dst, size_t size)
{
        size_t n = s.len < size ? s.len : size - 1;

        if (n)
                memcpy(dst, s.p, n);
        dst[n] = '\0';
}

static void on_name(const struct tide_event *ev, void *arg)
{
        struct bytes key, value;
        struct rd r;

        CU_ASSERT_PTR_EQUAL(arg, &w);
        CU_ASSERT_EQUAL(ev->kind, TIDE_NAME);
        CU_ASSERT_EQUAL(ev->boot_ns, w.now);
        CU_ASSERT_EQUAL(ev->name.netns, w.netns);
        CU_ASSERT(bytes_eq(ev->container, bytes_str(w.container)));
        if (ev->name.verdict == NAME_DOUBTED)
                w.taken_back[w.told[NAME_DOUBTED] % 8] = ev->name.answer_ns;
        w.told[ev->name.verdict]++;
        w.verdict = ev->name.verdict;
        copy(ev->name.question, w.question, sizeof(w.question));
        copy(ev->name.reason, w.reason, sizeof(w.reason));
        w.chain[0] = w.addresses[0] = '\0';
        rd_init(&r, ev->name.chain.p, ev->name.chain.len);
        for (size_t n = 0; tide_list_next(&r, &key, &value);)
                n += (size_t)snprintf(w.chain + n, sizeof(w.chain) - n, "%s%.*s>%.*s", n ? " " : "", (int)key.len,
                                      (const char *)key.p, (int)value.len, (const char *)value.p);
        rd_init(&r, ev->name.addresses.p, ev->name.addresses.len);
        for (size_t n = 0; n < sizeof(w.addresses) && tide_list_next(&r, &key, &value);) {
                char text[TIDE_ADDRESS_TEXT];
                uint32_t ttl = (uint32_t)value.p[0] | (uint32_t)value.p[1] << 8 | (uint32_t)value.p[2] << 16 |
                               (uint32_t)value.p[3] << 24;

                n += (size_t)snprintf(w.addresses + n, sizeof(w.addresses) - n, "%s%s/%u", n ? " " : "",
                                      tide_address_text(key, text), ttl);
        }
}

static void world_new(void)
{
        static const struct dns_ops ops = {.name = on_name};

        memset(&w, 0, sizeof(w));
        w.now = 100 * SECOND;
        w.container = "aa";
        w.netns = 7;
        if (dns_new(&ops, &w, &w.n) < 0)
                abort();
}

static void packet_at(bool out, struct bytes ip)
{
        struct tide_event ev = {.kind = TIDE_PACKET, .sources = SRC_NFLOG, .boot_ns = w.now};

        ev.wall_ns = (int64_t)++w.wall;
        ev.packet.flags = w.packet_flags;
        ev.container = bytes_str(w.container);
        ev.flags = w.flags;
        ev.packet.netns = w.netns;
        ev.packet.out = out;
        ev.packet.ip = ip;
        dns_packet(w.n, &ev);
}

static void send_udp(bool out, const struct end *from, const struct end *to)
{
        udp(&w.packet, from, to, all(&w.msg));
        packet_at(out, all(&w.packet));
}

static void ask(unsigned id, const char *question, unsigned type)
{
        message(&w.msg, id, QUERY, 0, question, type);
        send_udp(true, &client, &server);
}

/* Past the time in which it may have asked unseen. */
static void settle(void)
{
        ask(0xffff, "first.example", A);
        w.now += 6 * SECOND;
}

static struct dns_stats stats(void)
{
        struct dns_stats st;

        dns_stats(w.n, &st);
        return st;
}

static void answer(unsigned id, const char *question, uint32_t address)
{
        message(&w.msg, id, ANSWER, 1, question, A);
        a_record(&w.msg, "@12", 60, address);
        send_udp(false, &server, &client);
}

static void test_answered(void)
{
        world_new();
        ask(1, "www.example.org", A);
        CU_ASSERT_EQUAL(stats().waiting, 1);
        answer(1, "www.example.org", 0x01020304);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_STRING_EQUAL(w.question, "www.example.org");
        CU_ASSERT_STRING_EQUAL(w.addresses, "1.2.3.4/60");
        CU_ASSERT_STRING_EQUAL(w.chain, "");
        CU_ASSERT_EQUAL(stats().waiting, 0);
        CU_ASSERT_EQUAL(stats().queries, 1);
        CU_ASSERT_EQUAL(stats().answers, 1);
        /* A host that serves names itself is asked, and answers: not told of. */
        w.now += 6 * SECOND;
        message(&w.msg, 9, QUERY, 0, "served.example", A);
        send_udp(false, &client, &server);
        message(&w.msg, 9, ANSWER, 0, "served.example", A);
        send_udp(true, &server, &client);
        CU_ASSERT_EQUAL(stats().queries, 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED] + w.told[NAME_UNASKED], 1);
        /* No answer to anything: a question from a server's port, an answer to one; and what is of other ports. */
        message(&w.msg, 9, QUERY, 0, "back.example", A);
        send_udp(false, &server, &client);
        message(&w.msg, 9, ANSWER, 0, "back.example", A);
        send_udp(true, &client, &server);
        send_udp(false, &mdns, &client);
        CU_ASSERT_EQUAL(stats().queries, 1);
        CU_ASSERT_EQUAL(stats().unasked, 0);
        dns_free(w.n);
}

static void test_no_addresses(void)
{
        world_new();
        ask(1, "nowhere.example", A);
        message(&w.msg, 1, ANSWER | 3, 0, "nowhere.example", A);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_STRING_EQUAL(w.question, "nowhere.example");
        CU_ASSERT_STRING_EQUAL(w.addresses, "");
        /* The truncated one is told with what it holds; then it is asked again by TCP. */
        ask(2, "long.example", A);
        message(&w.msg, 2, ANSWER | 0x0200, 9, "long.example", A);
        a_record(&w.msg, "@12", 60, 0x01020304);
        a_record(&w.msg, "@12", 60, 0x01020305);
        w.msg.len -= 3;
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_STRING_EQUAL(w.addresses, "1.2.3.4/60");
        /* A server that cannot read the question repeats none: nothing to be told. */
        header(&w.msg, 2, ANSWER | 1, 0, 0);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(w.told[NAME_MALFORMED], 0);
        CU_ASSERT_EQUAL(stats().malformed, 0);
        dns_free(w.n);
}

/* What does not fit what was asked. */
static void test_unasked(void)
{
        static const struct {
                const char *question;
                unsigned id, type;
                const struct end *from, *to;
                uint64_t netns;
                const char *reason;
        } wrong[] = {
                {"www.example", 2, A, &server, &client, 7, "it was asked with another id"},
                {"www.exampl", 1, A, &server, &client, 7, "something else was asked"},
                {"www.example", 1, AAAA, &server, &client, 7, "something else was asked"},
                {"www.example", 1, A, &other, &client, 7, "another server was asked"},
                {"www.example", 1, A, &server, &client2, 7, "nobody asked"},
                {"www.example", 1, A, &server, &client, 8, "nobody asked"},
        };

        world_new();
        settle();
        ask(1, "www.example", A);
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                w.netns = wrong[i].netns;
                message(&w.msg, wrong[i].id, ANSWER, 1, wrong[i].question, wrong[i].type);
                a_record(&w.msg, "@12", 60, 0x06060606);
                send_udp(false, wrong[i].from, wrong[i].to);
                CU_ASSERT_EQUAL(w.told[NAME_UNASKED], i + 1);
                CU_ASSERT_STRING_EQUAL(w.reason, wrong[i].reason);
                CU_ASSERT_STRING_EQUAL(w.addresses, wrong[i].type == A ? "6.6.6.6/60" : "");
        }
        w.netns = 7;
        w.container = "bb";
        answer(1, "www.example", 0x06060606);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 0);
        w.container = "aa";
        message(&w.msg, 1, ANSWER, 0, "www.example", A);
        w.msg.p[w.msg.len - 1] = 3; /* class */
        send_udp(false, &server, &client);
        CU_ASSERT_STRING_EQUAL(w.reason, "something else was asked");
        answer(1, "www.example", 0x01020304);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(stats().unasked, w.told[NAME_UNASKED]);
        dns_free(w.n);
}

static void test_same_id(void)
{
        world_new();
        ask(1, "a.example", A);
        message(&w.msg, 1, QUERY, 0, "b.example", A);
        send_udp(true, &client2, &server);
        message(&w.msg, 1, ANSWER, 1, "b.example", A);
        a_record(&w.msg, "@12", 60, 2);
        send_udp(false, &server, &client2);
        CU_ASSERT_STRING_EQUAL(w.question, "b.example");
        answer(1, "a.example", 1);
        CU_ASSERT_STRING_EQUAL(w.question, "a.example");
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        dns_free(w.n);
}

static void test_late(void)
{
        world_new();
        settle();
        ask(1, "a.example", A);
        w.now += 30 * SECOND;
        answer(1, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        ask(2, "a.example", A);
        w.now += 30 * SECOND + 1;
        answer(2, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        CU_ASSERT_EQUAL(stats().waiting, 0);
        dns_free(w.n);
}

/* What may have been asked unseen is not called forged. */
static void test_unsure(void)
{
        world_new();
        answer(1, "before.example", 1);
        w.now += 5 * SECOND;
        answer(2, "before.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 0);
        CU_ASSERT_EQUAL(stats().unsure, 2);
        w.now += 1;
        answer(3, "before.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        dns_lost(w.n, w.now);
        w.now += 30 * SECOND;
        answer(4, "lost.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        w.now += 1;
        answer(5, "lost.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 2);
        /* Lost of this one's alone. */
        w.flags = EVF_LOSS_NEAR;
        ask(6, "lost.example", A);
        w.flags = 0;
        answer(7, "lost.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 2);
        CU_ASSERT_EQUAL(stats().unsure, 4);
        dns_free(w.n);
}

static void test_second_answer(void)
{
        world_new();
        settle();
        ask(1, "a.example", A);
        message(&w.msg, 1, ANSWER, 2, "a.example", A);
        a_record(&w.msg, "@12", 60, 1);
        a_record(&w.msg, "@12", 60, 2);
        send_udp(false, &server, &client);
        /* The same in another order, with another TTL: repeated on its way. */
        message(&w.msg, 1, ANSWER, 2, "a.example", A);
        a_record(&w.msg, "@12", 59, 2);
        a_record(&w.msg, "@12", 59, 1);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(stats().repeated, 1);
        CU_ASSERT_EQUAL(w.told[NAME_DOUBTED], 0);
        /* Otherwise: which of the two is the server's cannot be told. */
        answer(1, "a.example", 0x06060606);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        CU_ASSERT_STRING_EQUAL(w.reason, "it was answered before, otherwise");
        CU_ASSERT_EQUAL(w.told[NAME_DOUBTED], 1);
        CU_ASSERT_EQUAL(w.taken_back[0], w.wall - 2); /* the first of the three */
        /* A resolver that asks again gets another answer. */
        ask(1, "a.example", A);
        answer(1, "a.example", 3);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        answer(1, "a.example", 4);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 2);
        CU_ASSERT_EQUAL(w.told[NAME_DOUBTED], 2);
        dns_free(w.n);
}

/* Where more answers come than were asked for, in whatever order: all of them are doubted, or all are the same. */
static void test_doubted(void)
{
        static const struct {
                unsigned asked;
                const char *answers; /* each another address; 0: there is no such name; f: the server fails */
                unsigned answered, doubted, unasked;
        } rows[] = {
                {1, "a", 1, 0, 0},    {1, "aaa", 1, 0, 0},  {1, "ab", 1, 1, 1},  {1, "aba", 1, 1, 2},
                {2, "aa", 2, 0, 0},   {2, "ab", 2, 0, 0},   {2, "aab", 2, 2, 1}, {2, "baa", 2, 2, 1},
                {2, "aba", 2, 2, 1},  {3, "abc", 3, 0, 0},  {3, "abcd", 3, 3, 1},
                {1, "a0", 1, 1, 1},   {1, "0a", 1, 0, 1},   {1, "00", 1, 0, 0},
                {1, "af", 1, 0, 0},   {1, "fa", 1, 0, 1},   {1, "faa", 1, 0, 1}, {2, "fa", 2, 0, 0},
                {9, "aaaaaaaaa", 8, 0, 0}, {9, "aaaaaaaab", 8, 8, 1},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                world_new();
                settle();
                for (unsigned n = 0; n < rows[i].asked; n++)
                        ask(1, "a.example", A);
                for (const char *c = rows[i].answers; *c; c++) {
                        message(&w.msg, 1, ANSWER | (*c == '0' ? 3u : *c == 'f' ? 2u : 0u), *c >= 'a' && *c < 'f',
                                "a.example", A);
                        if (*c >= 'a' && *c < 'f')
                                a_record(&w.msg, "@12", 60, (uint32_t)*c);
                        send_udp(false, &server, &client);
                }
                CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], rows[i].answered);
                CU_ASSERT_EQUAL(w.told[NAME_DOUBTED], rows[i].doubted);
                CU_ASSERT_EQUAL(w.told[NAME_UNASKED], rows[i].unasked);
                if (w.told[NAME_ANSWERED] != rows[i].answered || w.told[NAME_DOUBTED] != rows[i].doubted ||
                    w.told[NAME_UNASKED] != rows[i].unasked)
                        printf("\n    asked %u, %s: %u answered, %u doubted, %u unasked\n", rows[i].asked,
                               rows[i].answers, w.told[NAME_ANSWERED], w.told[NAME_DOUBTED], w.told[NAME_UNASKED]);
                dns_free(w.n);
        }
        /* Servers that are asked at once may say what they like. */
        world_new();
        settle();
        ask(1, "a.example", A);
        send_udp(true, &client, &other);
        answer(1, "a.example", 1);
        message(&w.msg, 1, ANSWER, 1, "a.example", A);
        a_record(&w.msg, "@12", 60, 2);
        send_udp(false, &other, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(w.told[NAME_DOUBTED] + w.told[NAME_UNASKED], 0);
        /* Where a query may have been lost nothing is doubted. */
        dns_lost(w.n, w.now);
        answer(1, "a.example", 3);
        CU_ASSERT_EQUAL(w.told[NAME_DOUBTED] + w.told[NAME_UNASKED], 0);
        CU_ASSERT_EQUAL(stats().unsure, 1);
        dns_free(w.n);
}

/* An answer that a container sent to itself by the loopback interface. */
static void test_self_made(void)
{
        static const struct end local = {"\x7f\0\0\x0b", 4, 53},
                                local6 = {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, 53};

        world_new();
        ask(1, "a.example", A);
        w.packet_flags = PACKETF_LOOPBACK;
        answer(1, "a.example", 0x06060606); /* in the first moments too */
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 0);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        CU_ASSERT_STRING_EQUAL(w.reason, "it came by the loopback interface, where its server is not");
        CU_ASSERT_STRING_EQUAL(w.addresses, "6.6.6.6/60");
        w.packet_flags = 0;
        answer(1, "a.example", 0x01020304);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED] + w.told[NAME_DOUBTED], 1);
        /* A server within the namespace: at an address of its own, or a loopback address. */
        ask(2, "a.example", A);
        w.packet_flags = PACKETF_LOOPBACK | PACKETF_OWN;
        answer(2, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        message(&w.msg, 3, QUERY, 0, "a.example", A);
        send_udp(true, &client, &local);
        message(&w.msg, 3, ANSWER, 0, "a.example", A);
        w.packet_flags = PACKETF_LOOPBACK;
        send_udp(false, &local, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 3);
        message(&w.msg, 4, QUERY, 0, "a.example", A);
        send_udp(true, &client6, &local6);
        message(&w.msg, 4, ANSWER, 0, "a.example", A);
        send_udp(false, &local6, &client6);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 4);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        dns_free(w.n);
}

static void test_foreign(void)
{
        world_new();
        CU_ASSERT_FALSE(dns_is_resolver(w.n, bytes_str("aa"), bytes_of(server.address, 4)));
        CU_ASSERT_EQUAL(dns_resolvers(w.n, bytes_str("aa"), bytes_str("nameserver 10.0.0.54\n")), 0);
        CU_ASSERT_FALSE(dns_is_resolver(w.n, bytes_str("aa"), bytes_of(server.address, 4)));
        CU_ASSERT(dns_is_resolver(w.n, bytes_str("aa"), bytes_of(other.address, 4)));
        CU_ASSERT_FALSE(dns_is_resolver(w.n, bytes_str("aa"), bytes_of(other.address, 3)));
        CU_ASSERT_FALSE(dns_is_resolver(w.n, bytes_str("bb"), bytes_of(other.address, 4)));
        ask(1, "a.example", A);
        answer(1, "a.example", 5);
        CU_ASSERT_EQUAL(w.told[NAME_FOREIGN], 1);
        CU_ASSERT_STRING_EQUAL(w.addresses, "0.0.0.5/60");
        CU_ASSERT_STRING_EQUAL(w.reason, "the container is not configured with this server");
        CU_ASSERT_EQUAL(stats().foreign, 1);
        CU_ASSERT_EQUAL(dns_resolvers(w.n, bytes_str("aa"), bytes_str("nameserver ::ffff:10.0.0.53")), 0);
        ask(2, "a.example", A);
        answer(2, "a.example", 5);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(w.told[NAME_FOREIGN], 1);
        /* None at all: the local machine. */
        CU_ASSERT_EQUAL(dns_resolvers(w.n, bytes_str("aa"), bytes_str("search example\n")), 0);
        CU_ASSERT(dns_is_resolver(w.n, bytes_str("aa"), bytes_of("\x7f\0\0\1", 4)));
        CU_ASSERT(dns_is_resolver(w.n, bytes_str("aa"), bytes_of("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16)));
        ask(3, "a.example", A);
        dns_any_server(w.n, bytes_str("aa"));
        dns_any_server(w.n, bytes_str("bb"));
        answer(3, "a.example", 5);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(dns_resolvers(w.n, bytes_str("aa"), bytes_str("")), 0);
        dns_gone(w.n, bytes_str("aa"));
        CU_ASSERT_FALSE(dns_is_resolver(w.n, bytes_str("aa"), bytes_of("\x7f\0\0\1", 4)));
        CU_ASSERT_EQUAL(stats().containers, 0);
        dns_free(w.n);
}

static void test_resolv(void)
{
        static const struct {
                const char *text;
                size_t len;
                const char *servers;
        } cases[] = {
#define T(s) s, sizeof(s) - 1
                {T(""), ""},
                {T("nameserver 1.2.3.4"), "1.2.3.4"},
                {T("# nameserver 1.1.1.1\n;nameserver 2.2.2.2\nnameserver\t \t3.3.3.3 \t\n"), "3.3.3.3"},
                {T("nameserver 1.2.3.4\r\nnameserver ::1\r\n"), "1.2.3.4 ::1"},
                {T("nameserver fe80::1%eth0\nnameserver fe80::1%1\n"), "fe80::1"},
                {T("nameserver 1.2.3.4#53\nnameserver 5.6.7.8 ; x\n"), "1.2.3.4 5.6.7.8"},
                {T("nameservers 1.2.3.4\nnameserver\nnameserver \nnameserver x\nname server 1.1.1.1\n"), ""},
                {T("nameserver 1.2.3.4.5\nnameserver 300.1.1.1\nnameserver 1.2.3.4 5.6.7.8\n"), "1.2.3.4"},
                {T("nameserver 1.2.3.4\0\nnameserver 1.2.3.4\0x\n\0nameserver 4.4.4.4\nnameserver ::ffff:9.9.9.9\n"),
                 "9.9.9.9"},
                {T("nameserver 12345678901234567890123456789012345678901234567890\n\n\n\nnameserver ::2\n"), "::2"},
                {T("options ndots:5\nnameserver 127.0.0.11\nsearch a b\n"), "127.0.0.11"},
#undef T
        };
        struct dns_addr list[DNS_SERVERS_MAX];
        char text[TIDE_ADDRESS_TEXT], *many = malloc(100000);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint32_t n = dns_parse_resolv(bytes_of(cases[i].text, cases[i].len), list, DNS_SERVERS_MAX);
                char got[1000] = "";

                for (uint32_t k = 0; k < n; k++)
                        sprintf(got + strlen(got), "%s%s", k ? " " : "",
                                tide_address_text(dns_addr_bytes(&list[k]), text));
                CU_ASSERT_STRING_EQUAL(got, cases[i].servers);
        }
        many[0] = '\0';
        for (unsigned i = 0, at = 0; i < 40; i++)
                at += (unsigned)sprintf(many + at, "nameserver 10.0.0.%u\n", i);
        CU_ASSERT_EQUAL(dns_parse_resolv(bytes_str(many), list, DNS_SERVERS_MAX), DNS_SERVERS_MAX);
        memset(many, ' ', 100000);
        memcpy(many + DNS_RESOLV_MAX - 1, "\nnameserver 1.1.1.1\n", 20);
        CU_ASSERT_EQUAL(dns_parse_resolv(bytes_of(many, 100000), list, DNS_SERVERS_MAX), 0);
        memcpy(many + DNS_RESOLV_MAX - 20, "\nnameserver 1.1.1.1\n", 20);
        CU_ASSERT_EQUAL(dns_parse_resolv(bytes_of(many, 100000), list, DNS_SERVERS_MAX), 1);
        free(many);
}

/* ---- messages ---- */

static struct dns_message dm;

static int decode(void)
{
        /* In memory of its size: what is read behind it shows. */
        uint8_t *exact = malloc(w.msg.len + 1u);
        int r;

        memcpy(exact, w.msg.p, w.msg.len);
        exact = realloc(exact, w.msg.len ? w.msg.len : 1);
        r = dns_message_decode(bytes_of(exact, w.msg.len), &dm);
        free(exact);
        return r;
}

static const char *question(void)
{
        static char text[2000];
        struct buf b;

        buf_init(&b, 1999);
        dns_name_text(&dm.question, &b);
        copy(buf_bytes(&b), text, sizeof(text));
        buf_release(&b);
        return text;
}

static void test_names(void)
{
        char label[70];
        uint32_t at;

        memset(label, 'x', sizeof(label));
        label[63] = '\0';
        message(&w.msg, 1, QUERY, 0, "WWW.ExAmPlE.Org", A);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(question(), "www.example.org");
        message(&w.msg, 1, QUERY, 0, "_a-1.b c\\d\xff\x01*.e", A);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(question(), "_a-1.b\\032c\\092d\\255\\001\\042.e");
        message(&w.msg, 1, QUERY, 0, "a.b", A);
        w.msg.p[13] = '.'; /* a dot within a label is no end of it */
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(question(), "\\046.b");
        message(&w.msg, 1, QUERY, 0, "", A);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(question(), ".");
        /* 255 with all lengths, not 256 */
        header(&w.msg, 1, QUERY, 1, 0);
        for (unsigned i = 0; i < 3; i++)
                put8(&w.msg, 63), put(&w.msg, label, 63);
        at = w.msg.len;
        put8(&w.msg, 61), put(&w.msg, label, 61), put8(&w.msg, 0), put32(&w.msg, 0x00010001);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_EQUAL(dm.question.len, 255);
        w.msg.len = at;
        put8(&w.msg, 62), put(&w.msg, label, 62), put8(&w.msg, 0), put32(&w.msg, 0x00010001);
        CU_ASSERT_EQUAL(decode(), ERR_SCHEMA);
        w.msg.len = at;
        put8(&w.msg, 61), put(&w.msg, label, 61), put8(&w.msg, 1), put8(&w.msg, 'x'), put8(&w.msg, 0);
        CU_ASSERT_EQUAL(decode(), ERR_SCHEMA);
        /* lengths of 64 to 191 are none */
        for (unsigned n = 64; n < 192; n++) {
                header(&w.msg, 1, QUERY, 1, 0);
                put8(&w.msg, n);
                w.msg.len += 300;
                CU_ASSERT_EQUAL(decode(), ERR_SCHEMA);
        }
}

static void test_compression(void)
{
        static const char *const bad[] = {"@12", "@14", "@13", "@0", "@11", "@16383", "x@12"};
        uint16_t target;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                header(&w.msg, 1, QUERY, 1, 0);
                name(&w.msg, bad[i]);
                name(&w.msg, "after.example");
                put32(&w.msg, 0x00010001);
                CU_ASSERT_EQUAL(decode(), ERR_SCHEMA);
        }
        header(&w.msg, 1, QUERY, 1, 0);
        put8(&w.msg, 0xc0);
        CU_ASSERT_EQUAL(decode(), ERR_TRUNCATED);
        /* A pointer to a name that ends in a pointer, and so on: as many as are followed, and one more. */
        for (unsigned more = 0; more < 2; more++) {
                message(&w.msg, 1, ANSWER, 2, "a.b", CNAME);
                name(&w.msg, "@12"); /* no CNAME: its data is a ladder of pointers */
                put16(&w.msg, MX), put16(&w.msg, IN), put32(&w.msg, 60), put16(&w.msg, 2 * DNS_POINTERS_MAX);
                target = 12;
                for (unsigned i = 0; i < DNS_POINTERS_MAX; i++) {
                        put16(&w.msg, 0xc000u | target);
                        target = (uint16_t)(w.msg.len - 2);
                }
                target = (uint16_t)(target - (more ? 0 : 2));
                put16(&w.msg, 0xc000u | target);
                put16(&w.msg, CNAME), put16(&w.msg, IN), put32(&w.msg, 60), put16(&w.msg, 3);
                put8(&w.msg, 1), put8(&w.msg, 'c'), put8(&w.msg, 0);
                CU_ASSERT_EQUAL(decode(), 0);
                CU_ASSERT_EQUAL(dm.fault != NULL, more);
                CU_ASSERT_EQUAL(dm.nchain, !more);
        }
        /* Two names that point at each other, in the data of a CNAME. */
        message(&w.msg, 1, ANSWER, 1, "a.b", A);
        name(&w.msg, "@12");
        put16(&w.msg, CNAME), put16(&w.msg, IN), put32(&w.msg, 60), put16(&w.msg, 4);
        target = (uint16_t)w.msg.len;
        put16(&w.msg, 0xc000u | (target + 2u)), put16(&w.msg, 0xc000u | target);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_PTR_NOT_NULL(dm.fault);
}

static void test_every_cut(void)
{
        struct bin whole;

        message(&w.msg, 1, ANSWER, 3, "www.example", A);
        cname(&w.msg, "@12", "web.example", 60);
        a_record(&w.msg, "web@16", 60, 1);
        a_record(&w.msg, "web@16", 60, 2);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_PTR_NULL(dm.fault);
        CU_ASSERT_EQUAL(dm.naddresses, 2);
        whole = w.msg;
        for (uint32_t n = 0; n < whole.len; n++) {
                w.msg.len = n;
                if (decode() == 0) {
                        CU_ASSERT_PTR_NOT_NULL(dm.fault);
                        CU_ASSERT_EQUAL(dm.naddresses + dm.nchain, 0);
                } else {
                        CU_ASSERT(n < 29);
                }
                w.msg.p[2] |= 2; /* truncated, and says so */
                if (decode() == 0)
                        CU_ASSERT_PTR_NULL(dm.fault);
                w.msg = whole;
        }
}

static void test_counts(void)
{
        message(&w.msg, 1, ANSWER, 65535, "www.example", A);
        a_record(&w.msg, "@12", 60, 1);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(dm.fault, "fewer records than it says");
        CU_ASSERT_EQUAL(dm.naddresses, 0);
        /* Questions: one. */
        for (unsigned n = 0; n < 3; n++) {
                message(&w.msg, 1, ANSWER, 0, "www.example", A);
                w.msg.p[5] = (uint8_t)n;
                CU_ASSERT_EQUAL(decode(), n == 1 ? 0 : ERR_SCHEMA);
        }
        /* 64 KiB of addresses: what is taken of them, and that there were more. */
        message(&w.msg, 1, ANSWER, 4000, "www.example", A);
        for (unsigned i = 0; i < 4000; i++)
                a_record(&w.msg, "@12", 60, i);
        CU_ASSERT(w.msg.len > 64000);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_EQUAL(dm.naddresses, DNS_ADDRESSES_MAX);
        CU_ASSERT(dm.cut);
        CU_ASSERT_PTR_NULL(dm.fault);
        /* Additional records are not looked at, however many. */
        message(&w.msg, 1, ANSWER, 1, "www.example", A);
        a_record(&w.msg, "@12", 60, 1);
        a_record(&w.msg, "@12", 60, 2);
        w.msg.p[11] = 200;
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_EQUAL(dm.naddresses, 1);
        /* An address of a length that is none. */
        message(&w.msg, 1, ANSWER, 1, "www.example", A);
        record(&w.msg, "@12", A, 60, "12345", 5);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(dm.fault, "an address of another length");
        message(&w.msg, 1, ANSWER, 2, "www.example", A);
        a_record(&w.msg, "@12", 60, 1);
        record(&w.msg, "@12", A, 60, "123", 3);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_EQUAL(dm.naddresses, 0);
        /* A canonical name with something behind it. */
        message(&w.msg, 1, ANSWER, 1, "www.example", A);
        record(&w.msg, "@12", CNAME, 60, "\1a\0x", 4);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(dm.fault, "a canonical name that cannot be read");
        /* TTL with the highest bit is 0. */
        message(&w.msg, 1, ANSWER, 1, "www.example", A);
        a_record(&w.msg, "@12", 0x80000000u, 1);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_EQUAL(dm.addresses[0].ttl, 0);
}

static void test_chain(void)
{
        world_new();
        ask(1, "www.example", A);
        message(&w.msg, 1, ANSWER, 7, "Www.Example", A);
        a_record(&w.msg, "c.example", 60, 3); /* the end comes first, */
        a_record(&w.msg, "nobody.example", 60, 0x06060606);
        cname(&w.msg, "b.example", "C.example", 10);
        a_record(&w.msg, "b.example", 60, 0x06060607); /* not at the end */
        aaaa_record(&w.msg, "c.example", 60, 1);       /* not asked for */
        cname(&w.msg, "wWw.example", "b.example", 300);
        a_record(&w.msg, "c.example", 5, 4);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_STRING_EQUAL(w.chain, "www.example>b.example b.example>c.example");
        CU_ASSERT_STRING_EQUAL(w.addresses, "0.0.0.3/10 0.0.0.4/5");
        dns_free(w.n);
}

static void aliases(unsigned n, bool backwards)
{
        char from[20], to[20];

        message(&w.msg, 1, ANSWER, n + 1, "n0", A);
        for (unsigned k = 0; k < n; k++) {
                unsigned i = backwards ? n - 1 - k : k;

                sprintf(from, "n%u", i);
                sprintf(to, "n%u", i + 1);
                cname(&w.msg, from, to, 60);
        }
        sprintf(to, "n%u", n);
        a_record(&w.msg, to, 60, 1);
}

static void test_chain_limits(void)
{
        for (unsigned backwards = 0; backwards < 2; backwards++) {
                aliases(DNS_CHAIN_MAX, backwards);
                CU_ASSERT_EQUAL(decode(), 0);
                CU_ASSERT_EQUAL(dm.nchain, DNS_CHAIN_MAX);
                CU_ASSERT_EQUAL(dm.naddresses, 1);
                aliases(DNS_CHAIN_MAX + 1, backwards);
                CU_ASSERT_EQUAL(decode(), 0);
                CU_ASSERT_STRING_EQUAL(dm.fault, "too many aliases");
                CU_ASSERT_EQUAL(dm.nchain + dm.naddresses, 0);
        }
        static const char *const circles[][3] = {
                {"n0", NULL, NULL}, {"n1", "n0", NULL}, {"n1", "n1", NULL}, {"n1", "n2", "n1"}, {"n1", "n2", "n0"}};
        for (size_t i = 0; i < sizeof(circles) / sizeof(circles[0]); i++) {
                unsigned n = 0;

                message(&w.msg, 1, ANSWER, 0, "n0", A);
                for (; n < 3 && circles[i][n]; n++)
                        cname(&w.msg, n == 0 ? "n0" : n == 1 ? "n1" : "n2", circles[i][n], 60);
                w.msg.p[7] = (uint8_t)n;
                CU_ASSERT_EQUAL(decode(), 0);
                CU_ASSERT_STRING_EQUAL(dm.fault, "aliases that lead in a circle");
        }
        message(&w.msg, 1, ANSWER, 2, "n0", A);
        cname(&w.msg, "n0", "n1", 60);
        cname(&w.msg, "n0", "n1", 60);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_PTR_NULL(dm.fault);
        CU_ASSERT_EQUAL(dm.nchain, 1);
        message(&w.msg, 1, ANSWER, 2, "n0", A);
        cname(&w.msg, "n0", "n1", 60);
        cname(&w.msg, "n0", "n2", 60);
        CU_ASSERT_EQUAL(decode(), 0);
        CU_ASSERT_STRING_EQUAL(dm.fault, "two canonical names of one name");
}

static void test_types(void)
{
        static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 9, [13] = 8, [14] = 7, [15] = 6};

        world_new();
        ask(1, "six.example", AAAA);
        message(&w.msg, 1, ANSWER, 3, "six.example", AAAA);
        aaaa_record(&w.msg, "@12", 60, 5);
        record(&w.msg, "@12", AAAA, 60, mapped, 16);
        a_record(&w.msg, "@12", 60, 1);
        send_udp(false, &server, &client);
        CU_ASSERT_STRING_EQUAL(w.addresses, "2001:db8::5/60 9.8.7.6/60");
        ask(2, "mail.example", MX);
        message(&w.msg, 2, ANSWER, 2, "mail.example", MX);
        record(&w.msg, "@12", MX, 60, "\0\1\1m\0", 5);
        a_record(&w.msg, "@12", 60, 1);
        send_udp(false, &server, &client);
        CU_ASSERT_STRING_EQUAL(w.question, "mail.example");
        CU_ASSERT_STRING_EQUAL(w.addresses, "");
        ask(3, "any.example", ANY);
        message(&w.msg, 3, ANSWER, 2, "any.example", ANY);
        aaaa_record(&w.msg, "@12", 60, 5);
        a_record(&w.msg, "@12", 60, 1);
        send_udp(false, &server, &client);
        CU_ASSERT_STRING_EQUAL(w.addresses, "2001:db8::5/60 0.0.0.1/60");
        /* A record of another class is none of an address. */
        ask(4, "chaos.example", A);
        message(&w.msg, 4, ANSWER, 1, "chaos.example", A);
        a_record(&w.msg, "@12", 60, 1);
        w.msg.p[w.msg.len - 11] = 3;
        send_udp(false, &server, &client);
        CU_ASSERT_STRING_EQUAL(w.question, "chaos.example");
        CU_ASSERT_STRING_EQUAL(w.addresses, "");
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 4);
        dns_free(w.n);
}

static void test_malformed(void)
{
        world_new();
        settle();
        ask(1, "a.example", A);
        message(&w.msg, 1, ANSWER, 2, "a.example", A);
        a_record(&w.msg, "@12", 60, 1);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_MALFORMED], 1);
        CU_ASSERT_STRING_EQUAL(w.question, "a.example");
        CU_ASSERT_STRING_EQUAL(w.addresses, "");
        CU_ASSERT_STRING_EQUAL(w.reason, "fewer records than it says");
        w.msg.len = 5;
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_MALFORMED], 2);
        CU_ASSERT_STRING_EQUAL(w.question, "");
        CU_ASSERT_STRING_EQUAL(w.reason, "it ends in its question");
        /* It spoils nothing: the right one still answers. */
        answer(1, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        /* Malformed queries are counted alone. */
        w.msg.len = 5;
        send_udp(true, &client, &server);
        CU_ASSERT_EQUAL(w.told[NAME_MALFORMED], 2);
        CU_ASSERT_EQUAL(stats().malformed, 3);
        /* Other operations are passed over. */
        message(&w.msg, 1, 0xa000, 0, "a.example", A);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 0);
        dns_free(w.n);
}

/* ---- packets ---- */

static void test_ipv6(void)
{
        world_new();
        message(&w.msg, 1, QUERY, 0, "a.example", A);
        send_udp(true, &client6, &server6);
        message(&w.msg, 1, ANSWER, 1, "a.example", A);
        a_record(&w.msg, "@12", 60, 1);
        send_udp(false, &server6, &client6);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        dns_free(w.n);
}

/* Extension headers of these kinds before UDP. */
static int extended(const uint8_t *kinds, unsigned n, unsigned offset)
{
        static struct dns_packet pk;
        struct bin *b = &w.packet;

        ip_header(b, &client6, &server6, n ? kinds[0] : IPPROTO_UDP, 8u * n + 8u + 3u);
        for (unsigned i = 0; i < n; i++) {
                put8(b, i + 1 < n ? kinds[i + 1] : IPPROTO_UDP);
                put8(b, 0);
                put16(b, kinds[i] == IPPROTO_FRAGMENT ? offset : 0);
                put32(b, 0);
        }
        put16(b, 1), put16(b, 53), put16(b, 11), put16(b, 0);
        put(b, "abc", 3);
        int r = dns_packet_decode(all(b), &pk);
        if (r == 0) {
                CU_ASSERT(bytes_eq(pk.payload, BYTES_LIT("abc")));
                CU_ASSERT_EQUAL(pk.sport, 1);
                CU_ASSERT_EQUAL(pk.dport, 53);
        }
        return r;
}

static void test_extensions(void)
{
        static const uint8_t some[] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT},
                             many[] = {60, 60, 60, 60, 60, 60, 60, 60, 60}, unknown[] = {IPPROTO_HOPOPTS, 50};

        CU_ASSERT_EQUAL(extended(some, 0, 0), 0);
        CU_ASSERT_EQUAL(extended(some, 4, 0), 0); /* a fragment that is all of it */
        CU_ASSERT_EQUAL(extended(some, 4, 1), ERR_TRUNCATED);
        CU_ASSERT_EQUAL(extended(some, 4, 8), ERR_TRUNCATED);
        CU_ASSERT_EQUAL(extended(many, 8, 0), 0);
        CU_ASSERT_EQUAL(extended(many, 9, 0), ERR_SCHEMA);
        CU_ASSERT_EQUAL(extended(unknown, 2, 0), ERR_SCHEMA);
}

static void test_packets(void)
{
        static struct dns_packet pk;
        struct bin *b = &w.packet, whole;
        struct bytes text = BYTES_LIT("payload");

        udp(b, &client, &server, text);
        CU_ASSERT_EQUAL(dns_packet_decode(all(b), &pk), 0);
        CU_ASSERT(bytes_eq(pk.payload, text) && !pk.cut);
        whole = *b;
        put32(b, 0); /* padding behind it */
        CU_ASSERT_EQUAL(dns_packet_decode(all(b), &pk), 0);
        CU_ASSERT(bytes_eq(pk.payload, text));
        for (uint32_t n = 0; n < whole.len; n++) {
                int r = dns_packet_decode(bytes_of(whole.p, n), &pk);

                CU_ASSERT_EQUAL(r, n < 28 ? ERR_TRUNCATED : 0);
                CU_ASSERT(r < 0 || pk.cut);
        }
#define BAD(at, value, error)                                                                                          \
        do {                                                                                                           \
                *b = whole;                                                                                            \
                b->p[at] = value;                                                                                      \
                CU_ASSERT_EQUAL(dns_packet_decode(all(b), &pk), error);                                                \
        } while (0)
        BAD(0, 0x55, ERR_SCHEMA);     /* version */
        BAD(0, 0x44, ERR_SCHEMA);     /* header of 16 */
        BAD(3, 19, ERR_SCHEMA);       /* shorter than its header */
        BAD(6, 0x20, ERR_TRUNCATED);  /* more fragments */
        BAD(7, 1, ERR_TRUNCATED);     /* a later one */
        BAD(9, 1, ERR_SCHEMA);        /* ICMP */
        BAD(25, 7, ERR_SCHEMA);       /* UDP shorter than its header */
        BAD(25, 16, ERR_SCHEMA);      /* and longer than what there is */
        BAD(3, 24, ERR_SCHEMA);       /* no room for UDP */
        *b = whole;
        b->p[0] = 0x44; /* what then would be UDP's length is one that could be */
        b->p[20] = 0, b->p[21] = 15;
        CU_ASSERT_EQUAL(dns_packet_decode(all(b), &pk), ERR_SCHEMA);
        tcp(b, &client, &server, 0x01020304, DNS_SYN, text);
        whole = *b;
        CU_ASSERT_EQUAL(dns_packet_decode(all(b), &pk), 0);
        CU_ASSERT(pk.seq == 0x01020304 && pk.flags == DNS_SYN && bytes_eq(pk.payload, text));
        BAD(32, 0x40, ERR_SCHEMA);
        BAD(32, 0x90, ERR_SCHEMA);
#undef BAD
        world_new();
        *b = whole;
        packet_at(true, all(b));
        b->p[7] = 1;
        packet_at(true, all(b));
        b->p[9] = 1, b->p[7] = 0;
        packet_at(true, all(b));
        CU_ASSERT_EQUAL(stats().packets, 3);
        CU_ASSERT_EQUAL(stats().incomplete, 1);
        CU_ASSERT_EQUAL(stats().malformed, 1);
        dns_free(w.n);
}

/* ---- TCP ---- */

static struct bin framed; /* messages with their lengths */

static void frame(void)
{
        put16(&framed, w.msg.len);
        put(&framed, w.msg.p, w.msg.len);
}

#define START 0xfffffff0u /* the numbers begin anew on the way */

static void segment(bool out, uint32_t seq, unsigned flags, struct bytes payload)
{
        tcp(&w.packet, out ? &client : &server, out ? &server : &client, seq, flags, payload);
        packet_at(out, all(&w.packet));
}

static void handshake(void)
{
        segment(true, START - 1, DNS_SYN, bytes_of(NULL, 0));
        segment(false, START - 1, DNS_SYN, bytes_of(NULL, 0));
        segment(true, START, 0, bytes_of(NULL, 0));
}

/* Two questions. Then in framed: two answers. */
static void ask_by_tcp(void)
{
        framed.len = 0;
        message(&w.msg, 1, QUERY, 0, "a.example", A);
        frame();
        message(&w.msg, 2, QUERY, 0, "b.example", AAAA);
        frame();
        segment(true, START, 0, all(&framed));
        framed.len = 0;
        message(&w.msg, 1, ANSWER, 1, "a.example", A);
        a_record(&w.msg, "@12", 60, 1);
        frame();
        message(&w.msg, 2, ANSWER, 1, "b.example", AAAA);
        aaaa_record(&w.msg, "@12", 60, 1);
        frame();
}

static struct bytes piece(uint32_t from, uint32_t to)
{
        return bytes_of(framed.p + from, to - from);
}

static void test_tcp_split(void)
{
        for (uint32_t at = 0; at == 0 || at <= framed.len; at++) {
                world_new();
                handshake();
                ask_by_tcp();
                segment(false, START, 0, piece(0, at));
                segment(false, START + at, 0, piece(at, framed.len));
                CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
                CU_ASSERT_STRING_EQUAL(w.question, "b.example");
                CU_ASSERT_STRING_EQUAL(w.addresses, "2001:db8::1/60");
                CU_ASSERT_EQUAL(stats().incomplete, 0);
                dns_free(w.n);
        }
        /* Byte by byte, both ways. */
        world_new();
        handshake();
        framed.len = 0;
        message(&w.msg, 1, QUERY, 0, "a.example", A);
        frame();
        for (uint32_t i = 0; i < framed.len; i++)
                segment(true, START + i, 0, piece(i, i + 1));
        CU_ASSERT_EQUAL(stats().queries, 1);
        framed.len = 0;
        message(&w.msg, 1, ANSWER, 0, "a.example", A);
        frame();
        for (uint32_t i = 0; i < framed.len; i++)
                segment(false, START + i, 0, piece(i, i + 1));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        dns_free(w.n);
}

static void test_tcp_order(void)
{
        world_new();
        handshake();
        ask_by_tcp();
        segment(false, START + 40, 0, piece(40, framed.len));
        segment(false, START + 20, 0, piece(20, 50));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 0);
        segment(false, START, 0, piece(0, 25));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(stats().incomplete, 0);
        dns_free(w.n);
        /* What was seen first counts, early or not. */
        world_new();
        handshake();
        ask_by_tcp();
        segment(false, START, 0, piece(0, 30));
        segment(false, START + 60, 0, piece(60, framed.len));
        struct bin good = framed;
        memset(framed.p, 0xee, framed.len);
        segment(false, START, 0, piece(0, 30));
        for (unsigned i = 0; i < 2 * DNS_EARLY_MAX; i++)
                segment(false, START + 60, 0, piece(60, framed.len));
        framed = good;
        segment(false, START + 10, 0, piece(10, 60));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(w.told[NAME_MALFORMED], 0);
        /* Keep-alives, and all of it once more. */
        segment(false, START - 1, 0, piece(0, 1));
        segment(false, START, 0, piece(0, framed.len));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(stats().repeated, 0);
        dns_free(w.n);
}

static void test_tcp_gap(void)
{
        uint8_t *much = calloc(1, 20000);

        /* More pieces before their turn than are kept; more bytes. */
        for (unsigned bytes = 0; bytes < 2; bytes++) {
                world_new();
                handshake();
                ask_by_tcp();
                for (uint32_t i = 0; i < DNS_EARLY_MAX && !bytes; i++)
                        segment(false, START + 100 + i, 0, piece(i, i + 1));
                CU_ASSERT_EQUAL(stats().incomplete, 0);
                if (bytes)
                        segment(false, START + 20000, 0, bytes_of(much, DNS_EARLY_BYTES_MAX));
                CU_ASSERT_EQUAL(stats().incomplete, 0);
                segment(false, START + 300, 0, piece(0, 1));
                CU_ASSERT_EQUAL(stats().incomplete, 1);
                segment(false, START, 0, all(&framed));
                CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 0);
                CU_ASSERT_EQUAL(stats().incomplete, 1);
                /* The next connection between the same ends is another one. */
                handshake();
                ask_by_tcp();
                segment(false, START, 0, all(&framed));
                CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
                CU_ASSERT_EQUAL(stats().streams, 1);
                dns_free(w.n);
        }
        free(much);
        /* A packet that was cut. */
        world_new();
        handshake();
        ask_by_tcp();
        tcp(&w.packet, &server, &client, START, 0, all(&framed));
        packet_at(false, bytes_of(w.packet.p, w.packet.len - 1));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_EQUAL(stats().incomplete, 1);
        dns_free(w.n);
}

static void test_tcp_begin_end(void)
{
        world_new();
        /* Under way when it was first seen. */
        ask_by_tcp();
        segment(false, START, 0, all(&framed));
        CU_ASSERT_EQUAL(stats().queries, 0);
        CU_ASSERT_EQUAL(stats().incomplete, 1);
        segment(false, 1, DNS_RST, bytes_of(NULL, 0));
        CU_ASSERT_EQUAL(stats().streams, 0);
        /* An end that nobody saw begin, and an answer to a SYN that nobody saw. */
        segment(true, START, DNS_FIN, bytes_of(NULL, 0));
        segment(false, START, DNS_SYN, bytes_of(NULL, 0));
        CU_ASSERT_EQUAL(stats().streams, 0);
        /* SYNs again change nothing, with other numbers neither. */
        handshake();
        handshake();
        segment(false, 77, DNS_SYN, bytes_of(NULL, 0));
        ask_by_tcp();
        segment(true, START - 1, DNS_SYN, bytes_of(NULL, 0));
        /* A reset that is not in its turn does not either. */
        segment(false, START + 5, DNS_RST, bytes_of(NULL, 0));
        segment(false, START, DNS_FIN, all(&framed));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        CU_ASSERT_EQUAL(stats().streams, 1);
        segment(true, START + 60, DNS_FIN, bytes_of(NULL, 0)); /* not where it ends */
        CU_ASSERT_EQUAL(stats().streams, 1);
        segment(true, START + 58, DNS_FIN, bytes_of(NULL, 0));
        CU_ASSERT_EQUAL(stats().streams, 0);
        CU_ASSERT_EQUAL(stats().incomplete, 1);
        /* Reset in the midst of a message. */
        handshake();
        segment(true, START, 0, piece(0, 20));
        segment(true, START + 20, DNS_RST, bytes_of(NULL, 0));
        CU_ASSERT_EQUAL(stats().streams, 0);
        CU_ASSERT_EQUAL(stats().incomplete, 2);
        /* Data in the SYN (RFC 7413), and messages of no length. */
        framed.len = 0;
        put16(&framed, 0);
        message(&w.msg, 1, QUERY, 0, "fast.example", A);
        frame();
        segment(true, 5, DNS_SYN, all(&framed));
        CU_ASSERT_EQUAL(stats().queries, 3);
        CU_ASSERT_EQUAL(stats().malformed, 1);
        dns_free(w.n);
}

static void test_tcp_limits(void)
{
        struct end many = client;
        struct dns_stats st;
        uint8_t *big = calloc(1, 60000);

        world_new();
        for (unsigned c = 0; c < 20; c++) {
                char id[8];

                sprintf(id, "c%u", c);
                w.container = id;
                for (unsigned i = 0; i <= DNS_STREAMS_CONTAINER_MAX; i++) {
                        many.port = (uint16_t)(1000 + i);
                        tcp(&w.packet, &many, &server, 0, DNS_SYN, bytes_of(NULL, 0));
                        packet_at(true, all(&w.packet));
                }
                st = stats();
                CU_ASSERT(c > 6 || st.refused == c + 1);
                CU_ASSERT(st.streams <= DNS_STREAMS_MAX);
        }
        CU_ASSERT_EQUAL(stats().streams, DNS_STREAMS_MAX);
        dns_free(w.n);
        /* Messages of 64 KiB that are never whole. */
        world_new();
        memset(big, 0xff, 2);
        for (unsigned i = 0; i < DNS_STREAMS_CONTAINER_MAX; i++) {
                many.port = (uint16_t)(1000 + i);
                tcp(&w.packet, &many, &server, 0, DNS_SYN, bytes_of(NULL, 0));
                packet_at(true, all(&w.packet));
                tcp(&w.packet, &many, &server, 1, 0, bytes_of(big, 60000));
                packet_at(true, all(&w.packet));
        }
        CU_ASSERT(stats().streams < DNS_STREAM_BYTES_MAX / 60000);
        CU_ASSERT(stats().streams > 10);
        CU_ASSERT_EQUAL(stats().streams + stats().refused, DNS_STREAMS_CONTAINER_MAX);
        CU_ASSERT_EQUAL(stats().incomplete, stats().refused);
        dns_gone(w.n, bytes_str("aa"));
        CU_ASSERT_EQUAL(stats().streams, 0);
        dns_free(w.n);
        free(big);
}

/* Segments that a container sends to itself by the loopback interface are no part of its stream. */
static void test_tcp_self_made(void)
{
        world_new();
        handshake();
        message(&w.msg, 1, QUERY, 0, "a.example", A);
        framed.len = 0;
        frame();
        segment(true, START, 0, all(&framed));
        message(&w.msg, 1, ANSWER, 1, "a.example", A);
        a_record(&w.msg, "@12", 60, 0x06060606);
        framed.len = 0;
        frame();
        w.packet_flags = PACKETF_LOOPBACK;
        segment(false, START, 0, piece(0, framed.len));
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        CU_ASSERT_STRING_EQUAL(w.addresses, "6.6.6.6/60");
        segment(false, START, 0, piece(0, framed.len - 1)); /* for the server's own answer to complete */
        CU_ASSERT_EQUAL(stats().incomplete, 1);
        segment(false, START, DNS_RST, bytes_of(NULL, 0));
        w.packet_flags = 0;
        message(&w.msg, 1, ANSWER, 1, "a.example", A);
        a_record(&w.msg, "@12", 60, 0x01020304);
        framed.len = 0;
        frame();
        segment(false, START, 0, all(&framed));
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        CU_ASSERT_STRING_EQUAL(w.addresses, "1.2.3.4/60");
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED] + w.told[NAME_DOUBTED], 1);
        dns_free(w.n);
}

/* The host's namespace: only queries of containers are passed on, answers of all. */
static void test_host(void)
{
        world_new();
        settle();
        w.packet_flags = PACKETF_HOST;
        answer(1, "hosts.example", 1); /* to somebody of the host, who is nobody's business */
        message(&w.msg, 1, ANSWER | 0x0100, 3, "hosts.example", A); /* cut off */
        send_udp(false, &server, &client);
        header(&w.msg, 1, ANSWER, 9, 9);
        send_udp(false, &server, &client);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED] + w.told[NAME_MALFORMED], 0);
        CU_ASSERT_EQUAL(stats().others, 3);
        CU_ASSERT_EQUAL(stats().malformed + stats().unasked, 0);
        ask(2, "a.example", A);
        answer(2, "a.example", 2);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        /* A query of which nobody knows who sent it; sent again by one that is known, it is that one's. */
        w.packet_flags = PACKETF_HOST | PACKETF_UNOWNED;
        ask(3, "b.example", A);
        w.packet_flags = PACKETF_HOST;
        answer(3, "b.example", 3);
        CU_ASSERT_EQUAL(w.told[NAME_UNOWNED], 1);
        CU_ASSERT_STRING_EQUAL(w.reason, "which process of the host's namespace asked is not known");
        CU_ASSERT_EQUAL(stats().unowned, 1);
        ask(3, "b.example", A);
        answer(3, "b.example", 3);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 2);
        answer(3, "b.example", 4); /* one too many: that is said of it all the same, and both are taken back */
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        CU_ASSERT_EQUAL(w.told[NAME_DOUBTED], 2);
        /* By TCP: streams whose beginning was not passed on. */
        tcp(&w.packet, &server, &client, 7, DNS_SYN, bytes_of(NULL, 0));
        packet_at(false, all(&w.packet));
        message(&w.msg, 9, ANSWER, 0, "hosts.example", A);
        framed.len = 0;
        frame();
        tcp(&w.packet, &server, &client, 8, 0, all(&framed));
        packet_at(false, all(&w.packet));
        tcp(&w.packet, &client, &server, 8, 0, all(&framed));
        packet_at(true, all(&w.packet));
        CU_ASSERT_EQUAL(stats().streams + stats().incomplete, 0);
        CU_ASSERT_EQUAL(stats().others, 6);
        dns_free(w.n);
}

/* ---- limits ---- */

static void test_many_queries(void)
{
        world_new();
        settle();
        for (unsigned i = 0; i < DNS_QUERIES_CONTAINER_MAX + 10; i++)
                ask(i, "a.example", A);
        CU_ASSERT_EQUAL(stats().waiting, DNS_QUERIES_CONTAINER_MAX);
        CU_ASSERT_EQUAL(stats().refused, 11); /* and the first one, of settle() */
        answer(0, "a.example", 1); /* pushed out: not called forged */
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 0);
        CU_ASSERT_EQUAL(stats().unsure, 1);
        answer(20, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        w.now += 31 * SECOND;
        answer(21, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], 1);
        CU_ASSERT_EQUAL(stats().waiting, 0);
        /* Those that were answered make room unnoticed. */
        for (unsigned i = 0; i < 3 * DNS_QUERIES_CONTAINER_MAX; i++) {
                ask(i, "b.example", A);
                answer(i, "b.example", 1);
        }
        CU_ASSERT_EQUAL(stats().refused, 11);
        dns_free(w.n);
}

static void test_many_containers(void)
{
        char id[16];
        int refused = 0;

        world_new();
        w.container = id;
        for (unsigned c = 0; c < 100; c++) {
                sprintf(id, "c%u", c);
                for (unsigned i = 0; i < 100; i++)
                        ask(i, "a.example", A);
        }
        CU_ASSERT_EQUAL(stats().waiting, DNS_QUERIES_MAX);
        CU_ASSERT_EQUAL(stats().refused, 100 * 100 - DNS_QUERIES_MAX);
        answer(99, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        for (unsigned c = 0; c < DNS_CONTAINERS_MAX + 5; c++) {
                sprintf(id, "c%u", c);
                refused += dns_resolvers(w.n, bytes_str(id), bytes_str("")) == ERR_LIMIT;
        }
        CU_ASSERT_EQUAL(refused, 5);
        CU_ASSERT_EQUAL(stats().containers, DNS_CONTAINERS_MAX);
        CU_ASSERT_EQUAL(stats().refused, 100 * 100 - DNS_QUERIES_MAX + 5);
        ask(1, "a.example", A);
        CU_ASSERT_EQUAL(stats().refused, 100 * 100 - DNS_QUERIES_MAX + 6);
        for (unsigned c = 0; c < DNS_CONTAINERS_MAX; c++) {
                sprintf(id, "c%u", c);
                dns_gone(w.n, bytes_str(id));
        }
        CU_ASSERT_EQUAL(stats().containers + stats().waiting, 0);
        dns_free(w.n);
}

static void test_flood(void)
{
        world_new();
        settle();
        for (unsigned i = 0; i < 100; i++)
                answer(i, "flood.example", i);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], DNS_TOLD_MAX);
        CU_ASSERT_EQUAL(stats().unasked, 100);
        CU_ASSERT_EQUAL(stats().untold, 100 - DNS_TOLD_MAX);
        /* What was asked is told all the same. */
        ask(1, "a.example", A);
        answer(1, "a.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_ANSWERED], 1);
        w.now += 11 * SECOND;
        answer(1, "flood.example", 1);
        CU_ASSERT_EQUAL(w.told[NAME_UNASKED], DNS_TOLD_MAX + 1);
        dns_free(w.n);
}

static const struct unit_case cases[] = {
        {"an answer to what was asked is told; others' answers are not ours", test_answered},
        {"answers without addresses, and truncated ones", test_no_addresses},
        {"unasked: another server, client, port, id, question, namespace, container", test_unasked},
        {"two clients with the same id", test_same_id},
        {"late answers", test_late},
        {"unsure: before the beginning, and after a loss", test_unsure},
        {"a second answer: the same, another one, asked again", test_second_answer},
        {"more answers than were asked for: none counts unless all say the same", test_doubted},
        {"an answer by the loopback interface, from a server that is elsewhere", test_self_made},
        {"servers that the container is not configured with", test_foreign},
        {"resolv.conf", test_resolv},
        {"names: case, other bytes, lengths", test_names},
        {"compression: forwards, in circles, too often", test_compression},
        {"messages cut at every byte", test_every_cut},
        {"forged counts, 64 KiB", test_counts},
        {"chains of CNAMEs in any order", test_chain},
        {"chains: circles, too long, two ways", test_chain_limits},
        {"AAAA, other types and classes", test_types},
        {"malformed answers", test_malformed},
        {"IPv6", test_ipv6},
        {"IPv6 extension headers, fragments", test_extensions},
        {"packets: lengths that lie, cuts, fragments", test_packets},
        {"TCP: split at every byte, several messages", test_tcp_split},
        {"TCP: out of order, again, with other bytes", test_tcp_order},
        {"TCP: gaps", test_tcp_gap},
        {"TCP: beginning and end", test_tcp_begin_end},
        {"TCP: what a container sends to itself", test_tcp_self_made},
        {"TCP: limits", test_tcp_limits},
        {"the host's namespace: what others ask", test_host},
        {"limits: queries", test_many_queries},
        {"limits: containers, all queries", test_many_containers},
        {"limits: a flood of what nobody asked", test_flood},
};

UNIT_MAIN("dns", cases)
