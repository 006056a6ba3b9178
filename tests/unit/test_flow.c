/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of conntrack, NFLOG and nftables as the kernel writes them, whole and damaged; sockets of sock_diag. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/diag_source.h"
#include "tidemark/err.h"
#include "tidemark/flow_source.h"

union space {
        struct nlmsghdr h;
        uint8_t bytes[1024];
};

static struct nlmsghdr *begin(union space *s, uint8_t subsystem, uint8_t message)
{
        struct nlmsghdr *h;
        struct nfgenmsg *g;

        memset(s, 0, sizeof(*s));
        h = mnl_nlmsg_put_header(s);
        h->nlmsg_type = (uint16_t)(subsystem << 8 | message);
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = AF_INET;
        return h;
}

static void put_tuple(struct nlmsghdr *h, uint16_t type, int family, const char *src, const char *dst, uint8_t proto,
                      uint16_t sport, uint16_t dport)
{
        struct nlattr *of = mnl_attr_nest_start(h, type), *in;
        size_t len = family == AF_INET ? 4 : 16;
        uint8_t a[16];

        in = mnl_attr_nest_start(h, CTA_TUPLE_IP);
        CU_ASSERT_EQUAL_FATAL(inet_pton(family, src, a), 1);
        mnl_attr_put(h, family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, len, a);
        CU_ASSERT_EQUAL_FATAL(inet_pton(family, dst, a), 1);
        mnl_attr_put(h, family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST, len, a);
        mnl_attr_nest_end(h, in);
        in = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
        mnl_attr_put_u8(h, CTA_PROTO_NUM, proto);
        if (proto == IPPROTO_ICMP) {
                mnl_attr_put_u16(h, CTA_PROTO_ICMP_ID, htons(sport));
                mnl_attr_put_u8(h, CTA_PROTO_ICMP_TYPE, (uint8_t)(dport >> 8));
                mnl_attr_put_u8(h, CTA_PROTO_ICMP_CODE, (uint8_t)dport);
        } else {
                mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(sport));
                mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(dport));
        }
        mnl_attr_nest_end(h, in);
        mnl_attr_nest_end(h, of);
}

static void put_counters(struct nlmsghdr *h, uint16_t type, uint64_t bytes)
{
        struct nlattr *of = mnl_attr_nest_start(h, type);

        mnl_attr_put_u64(h, CTA_COUNTERS_BYTES, htobe64(bytes));
        mnl_attr_nest_end(h, of);
}

static bool is(const struct flow_address *a, int family, const char *text)
{
        uint8_t want[16];

        return inet_pton(family, text, want) == 1 && a->len == (family == AF_INET ? 4 : 16) &&
               memcmp(a->bytes, want, a->len) == 0;
}

static struct nlmsghdr *tcp_new(union space *s)
{
        struct nlmsghdr *h = begin(s, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
        struct nlattr *info, *tcp;

        put_tuple(h, CTA_TUPLE_ORIG, AF_INET, "10.88.0.2", "192.0.2.7", IPPROTO_TCP, 40000, 443);
        put_tuple(h, CTA_TUPLE_REPLY, AF_INET, "10.0.0.9", "10.88.0.2", IPPROTO_TCP, 8443, 40000);
        mnl_attr_put_u32(h, CTA_ID, htonl(77));
        mnl_attr_put_u32(h, CTA_STATUS, htonl(0x100));
        info = mnl_attr_nest_start(h, CTA_PROTOINFO);
        tcp = mnl_attr_nest_start(h, CTA_PROTOINFO_TCP);
        mnl_attr_put_u8(h, CTA_PROTOINFO_TCP_STATE, 3);
        mnl_attr_nest_end(h, tcp);
        mnl_attr_nest_end(h, info);
        put_counters(h, CTA_COUNTERS_ORIG, 1000);
        put_counters(h, CTA_COUNTERS_REPLY, 1ull << 40);
        return h;
}

static void test_tcp(void)
{
        union space s;
        struct nlmsghdr *h = tcp_new(&s);
        struct flow_msg m;

        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_EQUAL(m.kind, FLOW_MSG_NEW);
        CU_ASSERT_FALSE(m.dumped);
        CU_ASSERT_TRUE(is(&m.orig.src, AF_INET, "10.88.0.2") && is(&m.orig.dst, AF_INET, "192.0.2.7"));
        CU_ASSERT_TRUE(m.orig.sport == 40000 && m.orig.dport == 443 && m.orig.proto == IPPROTO_TCP);
        CU_ASSERT_TRUE(is(&m.reply.src, AF_INET, "10.0.0.9") && m.reply.sport == 8443);
        CU_ASSERT_TRUE(m.id == 77 && m.status == 0x100 && m.tcp_state == 3);
        CU_ASSERT_TRUE(m.counted && m.bytes[0] == 1000 && m.bytes[1] == 1ull << 40);
        h->nlmsg_seq = 9;
        CU_ASSERT_EQUAL(flow_decode(h, 9, &m), 0);
        CU_ASSERT_TRUE(m.dumped);
        CU_ASSERT_EQUAL(flow_decode(h, 8, &m), 0);
        CU_ASSERT_FALSE(m.dumped); /* of another request */
}

static void test_six_and_icmp(void)
{
        union space s;
        struct nlmsghdr *h = begin(&s, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE);
        struct flow_msg m;

        put_tuple(h, CTA_TUPLE_ORIG, AF_INET6, "fd00::2", "2001:db8::7", IPPROTO_UDP, 5000, 53);
        put_tuple(h, CTA_TUPLE_REPLY, AF_INET6, "2001:db8::7", "fd00::2", IPPROTO_UDP, 53, 5000);
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_EQUAL(m.kind, FLOW_MSG_DESTROY);
        CU_ASSERT_TRUE(is(&m.orig.dst, AF_INET6, "2001:db8::7") && m.orig.dport == 53);
        CU_ASSERT_FALSE(m.counted);
        h = begin(&s, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
        put_tuple(h, CTA_TUPLE_ORIG, AF_INET, "10.88.0.2", "192.0.2.7", IPPROTO_ICMP, 5, 8 << 8);
        put_tuple(h, CTA_TUPLE_REPLY, AF_INET, "192.0.2.7", "10.88.0.2", IPPROTO_ICMP, 5, 0);
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_TRUE(m.orig.sport == 5 && m.orig.dport == 8 << 8);
}

static void test_packet(void)
{
        static const struct {
                uint8_t hook;
                bool out, passing;
        } hooks[] = {{NF_INET_LOCAL_OUT, true, false},
                     {NF_INET_LOCAL_IN, false, false},
                     {NF_INET_PRE_ROUTING, true, true},
                     {NF_INET_POST_ROUTING, false, true}};
        struct nfulnl_msg_packet_hdr hook = {.hw_protocol = htons(0x0800), .hook = NF_INET_LOCAL_OUT};
        union space s;
        struct nlmsghdr *h = begin(&s, NFNL_SUBSYS_ULOG, NFULNL_MSG_PACKET);
        struct flow_msg m;

        mnl_attr_put(h, NFULA_PACKET_HDR, sizeof(hook), &hook);
        CU_ASSERT_EQUAL(flow_decode(h, 0, &m), ERR_SCHEMA); /* a packet without its bytes is none */
        mnl_attr_put(h, NFULA_PAYLOAD, 5, "bytes");
        mnl_attr_put_u32(h, NFULA_SEQ, htonl(3));
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_TRUE(m.kind == FLOW_MSG_PACKET && m.out && !m.passing && m.numbered && m.seq == 3);
        CU_ASSERT_TRUE(bytes_eq(m.payload, BYTES_LIT("bytes")));
        CU_ASSERT_FALSE(m.loopback);
        mnl_attr_put_u32(h, NFULA_IFINDEX_INDEV, htonl(2));
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_FALSE(m.loopback);
        mnl_attr_put_u32(h, NFULA_IFINDEX_INDEV, htonl(1)); /* the last one counts */
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_TRUE(m.loopback);
        for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
                h = begin(&s, NFNL_SUBSYS_ULOG, NFULNL_MSG_PACKET);
                hook.hook = hooks[i].hook;
                mnl_attr_put(h, NFULA_PACKET_HDR, sizeof(hook), &hook);
                mnl_attr_put(h, NFULA_PAYLOAD, 5, "bytes");
                CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
                CU_ASSERT_TRUE(m.out == hooks[i].out && m.passing == hooks[i].passing);
        }
        h = begin(&s, NFNL_SUBSYS_ULOG, NFULNL_MSG_PACKET);
        mnl_attr_put(h, NFULA_PACKET_HDR, sizeof(hook), &hook);
        mnl_attr_put(h, NFULA_PAYLOAD, 6, "sixsix");
        CU_ASSERT_EQUAL(flow_decode(h, 0, &m), 0);
        h->nlmsg_len -= 3; /* the last of its bytes is in the padding */
        CU_ASSERT_EQUAL(flow_decode(h, 0, &m), ERR_SCHEMA);
}

static void test_ip(void)
{
        static const uint8_t four[] = {0x46, 0, 0, 40, 0, 0, 0x40, 0, 64, IPPROTO_UDP, 0, 0, 10, 0, 0, 2, 10, 0, 0, 53,
                                       1, 1, 1, 1, 0xa0, 0x01, 0, 53, 0, 8, 0, 0},
                             six[44] = {0x60, [6] = IPPROTO_TCP, [8] = 0xfd, [23] = 2, [24] = 0xfd, [39] = 0x53,
                                        [41] = 80, [43] = 53};
        uint8_t bytes[sizeof(four)];
        struct flow_tuple t;

        CU_ASSERT_EQUAL_FATAL(flow_ip_decode(bytes_of(four, sizeof(four)), &t), 0);
        CU_ASSERT_TRUE(t.proto == IPPROTO_UDP && t.sport == 0xa001 && t.dport == 53);
        CU_ASSERT_TRUE(t.src.len == 4 && memcmp(t.src.bytes, "\x0a\0\0\2", 4) == 0 && t.dst.bytes[3] == 53);
        CU_ASSERT_EQUAL_FATAL(flow_ip_decode(bytes_of(six, sizeof(six)), &t), 0);
        CU_ASSERT_TRUE(t.proto == IPPROTO_TCP && t.sport == 80 && t.dport == 53);
        CU_ASSERT_TRUE(t.src.len == 16 && t.src.bytes[15] == 2 && t.dst.bytes[15] == 0x53);
        for (size_t n = 0; n < sizeof(four); n++) { /* in memory of its size */
                uint8_t *exact = malloc(n + 1);

                memcpy(exact, four, n);
                exact = realloc(exact, n ? n : 1);
                CU_ASSERT_EQUAL(flow_ip_decode(bytes_of(exact, n), &t), n < 24 ? ERR_TRUNCATED : 0);
                CU_ASSERT_TRUE(n < 24 || t.proto == (n < 28 ? 0 : IPPROTO_UDP));
                free(exact);
        }
        /* A later fragment has no ports; another protocol neither; a header shorter than any is none. */
        memcpy(bytes, four, sizeof(four));
        bytes[7] = 1;
        CU_ASSERT_EQUAL(flow_ip_decode(bytes_of(bytes, sizeof(bytes)), &t), 0);
        CU_ASSERT_TRUE(t.proto == 0 && t.sport == 0 && t.src.len == 4);
        bytes[7] = 0;
        bytes[9] = IPPROTO_ICMP;
        CU_ASSERT_EQUAL(flow_ip_decode(bytes_of(bytes, sizeof(bytes)), &t), 0);
        CU_ASSERT_EQUAL(t.proto, 0);
        bytes[0] = 0x44;
        CU_ASSERT_EQUAL(flow_ip_decode(bytes_of(bytes, sizeof(bytes)), &t), ERR_TRUNCATED);
}

static void test_removed(void)
{
        union space s;
        struct nlmsghdr *h = begin(&s, NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE);
        struct flow_msg m;

        mnl_attr_put_strz(h, NFTA_TABLE_NAME, "tidemark-x");
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_EQUAL(m.kind, FLOW_MSG_REMOVED);
        CU_ASSERT_TRUE(bytes_eq(m.table, BYTES_LIT("tidemark-x")));
        h = begin(&s, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE); /* new flags: it may be dormant */
        CU_ASSERT_EQUAL(flow_decode(h, 0, &m), ERR_SCHEMA);
        mnl_attr_put_strz(h, NFTA_TABLE_NAME, "tidemark-y");
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_TRUE(m.kind == FLOW_MSG_REMOVED && bytes_eq(m.table, BYTES_LIT("tidemark-y")));
        h = begin(&s, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWSET);
        CU_ASSERT_EQUAL_FATAL(flow_decode(h, 0, &m), 0);
        CU_ASSERT_EQUAL(m.kind, FLOW_MSG_OTHER);
}

static void test_control(void)
{
        union space s = {.h = {.nlmsg_len = NLMSG_HDRLEN + 4, .nlmsg_type = NLMSG_DONE, .nlmsg_seq = 4}};
        struct nlmsgerr e = {.error = -EPERM};
        struct flow_msg m;

        CU_ASSERT_EQUAL_FATAL(flow_decode(&s.h, 4, &m), 0);
        CU_ASSERT_EQUAL(m.kind, FLOW_MSG_DUMPED);
        CU_ASSERT_EQUAL_FATAL(flow_decode(&s.h, 0, &m), 0);
        CU_ASSERT_EQUAL(m.kind, FLOW_MSG_OTHER);
        s.h.nlmsg_type = NLMSG_ERROR;
        CU_ASSERT_EQUAL(flow_decode(&s.h, 4, &m), ERR_SCHEMA); /* shorter than an error is */
        s.h.nlmsg_len = NLMSG_HDRLEN + sizeof(e);
        memcpy(s.bytes + NLMSG_HDRLEN, &e, sizeof(e));
        CU_ASSERT_EQUAL_FATAL(flow_decode(&s.h, 4, &m), 0);
        CU_ASSERT_TRUE(m.kind == FLOW_MSG_ERROR && m.error == -EPERM);
}

/* Whatever its end, and whatever a byte of it says: read or refused, never beyond. */
static void test_damaged(void)
{
        union space whole, s;
        struct nlmsghdr *h = tcp_new(&whole);
        struct flow_msg m;
        unsigned read = 0, refused = 0;

        for (uint32_t len = NLMSG_HDRLEN; len <= h->nlmsg_len; len++) {
                memset(&s, 0xa5, sizeof(s));
                memcpy(&s, &whole, len);
                s.h.nlmsg_len = len;
                *(flow_decode(&s.h, 0, &m) == 0 ? &read : &refused) += 1;
        }
        for (uint32_t at = NLMSG_HDRLEN; at < h->nlmsg_len; at++) {
                s = whole;
                s.bytes[at] = 0xff;
                *(flow_decode(&s.h, 0, &m) == 0 ? &read : &refused) += 1;
        }
        CU_ASSERT_TRUE(read > 0 && refused > 0);
}

static void test_no_address(void)
{
        union space s;
        struct nlmsghdr *h = begin(&s, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
        struct flow_msg m;

        CU_ASSERT_EQUAL(flow_decode(h, 0, &m), ERR_SCHEMA);
        put_tuple(h, CTA_TUPLE_ORIG, AF_INET, "10.88.0.2", "192.0.2.7", IPPROTO_TCP, 1, 2);
        CU_ASSERT_EQUAL(flow_decode(h, 0, &m), ERR_SCHEMA); /* one direction alone */
}

static struct nlmsghdr *diag(union space *s, uint8_t family, const char *src, const char *dst)
{
        struct inet_diag_msg d = {.idiag_family = family, .idiag_state = 1, .idiag_inode = 4711, .idiag_uid = 33,
                                  .id = {.idiag_sport = htons(40000), .idiag_dport = htons(443)}};
        struct nlmsghdr *h;

        CU_ASSERT_EQUAL_FATAL(inet_pton(family, src, d.id.idiag_src), 1);
        CU_ASSERT_EQUAL_FATAL(inet_pton(family, dst, d.id.idiag_dst), 1);
        memset(s, 0, sizeof(*s));
        h = mnl_nlmsg_put_header(s);
        h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        memcpy(mnl_nlmsg_put_extra_header(h, sizeof(d)), &d, sizeof(d));
        return h;
}

static void test_diag(void)
{
        union space s;
        struct diag_sock d;

        CU_ASSERT_EQUAL_FATAL(diag_decode(diag(&s, AF_INET, "10.88.0.2", "192.0.2.7"), IPPROTO_TCP, &d), 0);
        CU_ASSERT_TRUE(is(&d.tuple.src, AF_INET, "10.88.0.2") && is(&d.tuple.dst, AF_INET, "192.0.2.7"));
        CU_ASSERT_TRUE(d.tuple.sport == 40000 && d.tuple.dport == 443 && d.inode == 4711 && d.uid == 33);
        /* IPv4 by a socket of IPv6 is IPv4: conntrack has it so */
        CU_ASSERT_EQUAL_FATAL(diag_decode(diag(&s, AF_INET6, "::ffff:10.88.0.2", "::ffff:192.0.2.7"), IPPROTO_TCP, &d),
                              0);
        CU_ASSERT_TRUE(is(&d.tuple.dst, AF_INET, "192.0.2.7"));
        CU_ASSERT_EQUAL_FATAL(diag_decode(diag(&s, AF_INET6, "fd00::2", "2001:db8::7"), IPPROTO_UDP, &d), 0);
        CU_ASSERT_TRUE(is(&d.tuple.dst, AF_INET6, "2001:db8::7"));
        s.h.nlmsg_len--;
        CU_ASSERT_EQUAL(diag_decode(&s.h, IPPROTO_UDP, &d), ERR_SCHEMA);
        s.h.nlmsg_type = NLMSG_DONE;
        CU_ASSERT_EQUAL(diag_decode(&s.h, IPPROTO_UDP, &d), -EAGAIN);
}

static void count(const struct diag_sock *d, void *arg)
{
        size_t *n = arg;

        *n += d->state == DIAG_UNCONNECTED;
}

static int diag_socket(void)
{
        struct sockaddr_nl any = {.nl_family = AF_NETLINK};
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

        CU_ASSERT_TRUE_FATAL(fd >= 0);
        CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
        return fd;
}

/* More sockets than are wanted: the request after that is answered as if there had been no other. */
static void test_diag_limit(void)
{
        enum { MANY = 4000 };
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        _cleanup_(diag_source_closep) struct diag_source *s = NULL;
        struct rlimit lim;
        static int held[MANY];
        size_t n = 0;

        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &lim), 0);
        lim.rlim_cur = lim.rlim_max;
        CU_ASSERT_TRUE_FATAL(setrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur > MANY + 64);
        CU_ASSERT_EQUAL_FATAL(diag_source_open(diag_socket(), &s), 0);
        for (size_t i = 0; i < MANY; i++) {
                held[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                CU_ASSERT_EQUAL(bind(held[i], (const struct sockaddr *)&here, sizeof(here)), 0);
        }
        for (int i = 0; i < 3; i++) {
                n = 0;
                CU_ASSERT_EQUAL(diag_each(s, 1u << DIAG_UNCONNECTED, 10, count, &n), ERR_LIMIT);
                CU_ASSERT_EQUAL(n, 10);
        }
        n = 0;
        CU_ASSERT_EQUAL(diag_each(s, 1u << DIAG_UNCONNECTED, 4 * MANY, count, &n), 0);
        CU_ASSERT_TRUE(n >= MANY);
        for (size_t i = 0; i < MANY; i++)
                close(held[i]);
}

static const struct unit_case cases[] = {
        {"a TCP entry: both directions, state, bytes, and whose dump it is of", test_tcp},
        {"IPv6, ICMP, and an end", test_six_and_icmp},
        {"a packet of NFLOG", test_packet},
        {"a packet's addresses and ports", test_ip},
        {"a table that is gone", test_removed},
        {"ends of dumps, and errors", test_control},
        {"damaged at every byte", test_damaged},
        {"an entry without addresses is refused", test_no_address},
        {"sockets", test_diag},
        {"more sockets than are wanted", test_diag_limit},
};
UNIT_MAIN("flow", cases)
