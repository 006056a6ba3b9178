/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: reading nfnetlink's messages: conntrack's entries (ctnetlink), packets (nfnetlink_log), nftables' removals.
 * Must not: know whose they are. Pure.
 *
 * Attributes are read by type and length as the kernel's headers have them; what is of another length counts as absent.
 */
#include "tidemark/flow_source.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <string.h>

#include "tidemark/compat.h"
#include "tidemark/err.h"

#define LOOPBACK_INDEX 1u /* in every network namespace: net/core/dev.c, register_netdevice() asserts it */
#define ATTRS 32u /* types from here on are newer than anything that is read here */

struct attrs {
        const struct nlattr *at[ATTRS];
};

static int keep(const struct nlattr *a, void *arg)
{
        struct attrs *all = arg;
        uint16_t type = mnl_attr_get_type(a);

        if (type < ATTRS)
                all->at[type] = a;
        return MNL_CB_OK;
}

static const struct nlattr *with(const struct attrs *all, unsigned type, size_t len)
{
        const struct nlattr *a = all->at[type];

        return a && mnl_attr_get_payload_len(a) >= len ? a : NULL;
}

static bool nested(const struct attrs *all, unsigned type, struct attrs *ret)
{
        memset(ret, 0, sizeof(*ret));
        return all->at[type] && mnl_attr_parse_nested(all->at[type], keep, ret) == MNL_CB_OK;
}

static uint16_t be16(const struct attrs *all, unsigned type)
{
        const struct nlattr *a = with(all, type, 2);

        return a ? ntohs(mnl_attr_get_u16(a)) : 0;
}

static uint32_t be32(const struct attrs *all, unsigned type)
{
        const struct nlattr *a = with(all, type, 4);

        return a ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static uint64_t be64(const struct attrs *all, unsigned type)
{
        const struct nlattr *a = with(all, type, 8);

        return a ? be64toh(mnl_attr_get_u64(a)) : 0;
}

static uint8_t byte(const struct attrs *all, unsigned type)
{
        const struct nlattr *a = with(all, type, 1);

        return a ? mnl_attr_get_u8(a) : 0;
}

static void address(const struct attrs *all, unsigned v4, unsigned v6, struct flow_address *ret)
{
        const struct nlattr *a = with(all, v6, 16);

        ret->len = a ? 16 : 0;
        if (!a && (a = with(all, v4, 4)) != NULL)
                ret->len = 4;
        if (a)
                memcpy(ret->bytes, mnl_attr_get_payload(a), ret->len);
}

static void ports(const struct attrs *proto, struct flow_tuple *t)
{
        switch (t->proto) {
        case IPPROTO_ICMP:
                t->sport = be16(proto, CTA_PROTO_ICMP_ID);
                t->dport = (uint16_t)(byte(proto, CTA_PROTO_ICMP_TYPE) << 8 | byte(proto, CTA_PROTO_ICMP_CODE));
                break;
        case IPPROTO_ICMPV6:
                t->sport = be16(proto, CTA_PROTO_ICMPV6_ID);
                t->dport = (uint16_t)(byte(proto, CTA_PROTO_ICMPV6_TYPE) << 8 | byte(proto, CTA_PROTO_ICMPV6_CODE));
                break;
        default:
                t->sport = be16(proto, CTA_PROTO_SRC_PORT);
                t->dport = be16(proto, CTA_PROTO_DST_PORT);
                break;
        }
}

static bool tuple(const struct attrs *all, unsigned type, struct flow_tuple *t)
{
        struct attrs of, ip, proto;

        if (!nested(all, type, &of) || !nested(&of, CTA_TUPLE_IP, &ip) || !nested(&of, CTA_TUPLE_PROTO, &proto))
                return false;
        address(&ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &t->src);
        address(&ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &t->dst);
        t->proto = byte(&proto, CTA_PROTO_NUM);
        ports(&proto, t);
        return t->src.len && t->src.len == t->dst.len;
}

static void counters(const struct attrs *all, struct flow_msg *m)
{
        static const unsigned sides[] = {CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY};
        struct attrs c;

        for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
                if (!nested(all, sides[i], &c))
                        continue;
                m->counted = true;
                m->bytes[i] = be64(&c, CTA_COUNTERS_BYTES);
        }
}

static int entry(const struct nlmsghdr *h, struct flow_msg *m)
{
        struct attrs all = {{NULL}}, info, of;

        if (mnl_attr_parse(h, sizeof(struct nfgenmsg), keep, &all) != MNL_CB_OK ||
            !tuple(&all, CTA_TUPLE_ORIG, &m->orig) || !tuple(&all, CTA_TUPLE_REPLY, &m->reply))
                return ERR_SCHEMA;
        m->id = be32(&all, CTA_ID);
        m->status = be32(&all, CTA_STATUS);
        if (nested(&all, CTA_PROTOINFO, &info) && nested(&info, CTA_PROTOINFO_TCP, &of))
                m->tcp_state = byte(&of, CTA_PROTOINFO_TCP_STATE);
        counters(&all, m);
        if (nested(&all, CTA_TIMESTAMP, &of)) {
                m->start_ns = be64(&of, CTA_TIMESTAMP_START);
                m->stop_ns = be64(&of, CTA_TIMESTAMP_STOP);
        }
        return 0;
}

/* libmnl takes what an attribute says as long as it ends in the message's padding. */
static bool inside(const struct nlmsghdr *h, struct bytes b)
{
        return b.p + b.len <= (const uint8_t *)h + h->nlmsg_len;
}

static int packet(const struct nlmsghdr *h, struct flow_msg *m)
{
        const struct nfulnl_msg_packet_hdr *hook;
        struct attrs all = {{NULL}};
        const struct nlattr *a;

        if (mnl_attr_parse(h, sizeof(struct nfgenmsg), keep, &all) != MNL_CB_OK)
                return ERR_SCHEMA;
        a = with(&all, NFULA_PACKET_HDR, sizeof(*hook));
        if (!a || !all.at[NFULA_PAYLOAD])
                return ERR_SCHEMA;
        hook = mnl_attr_get_payload(a);
        m->out = hook->hook == NF_INET_LOCAL_OUT || hook->hook == NF_INET_PRE_ROUTING;
        m->passing = hook->hook == NF_INET_PRE_ROUTING || hook->hook == NF_INET_POST_ROUTING;
        m->loopback = be32(&all, NFULA_IFINDEX_INDEV) == LOOPBACK_INDEX;
        a = all.at[NFULA_PAYLOAD];
        m->payload = bytes_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
        m->numbered = with(&all, NFULA_SEQ, 4) != NULL;
        m->seq = be32(&all, NFULA_SEQ);
        return inside(h, m->payload) ? 0 : ERR_SCHEMA;
}

/* The name of a table is the first attribute of a table, a chain and a rule alike. */
static int removed(const struct nlmsghdr *h, struct flow_msg *m)
{
        struct attrs all = {{NULL}};
        const struct nlattr *a;

        if (mnl_attr_parse(h, sizeof(struct nfgenmsg), keep, &all) != MNL_CB_OK)
                return ERR_SCHEMA;
        a = all.at[NFTA_TABLE_NAME];
        if (!a)
                return ERR_SCHEMA;
        m->table = bytes_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
        if (!inside(h, m->table))
                return ERR_SCHEMA;
        m->table.len = strnlen((const char *)m->table.p, m->table.len);
        return 0;
}

static int generation(const struct nlmsghdr *h, struct flow_msg *m)
{
        struct attrs all = {{NULL}};

        if (mnl_attr_parse(h, sizeof(struct nfgenmsg), keep, &all) != MNL_CB_OK)
                return ERR_SCHEMA;
        m->pid = be32(&all, COMPAT_NFTA_GEN_PROC_PID);
        m->port = h->nlmsg_pid;
        return 0;
}

#define TYPE(subsystem, message) (NFNL_SUBSYS_##subsystem << 8 | (message))

static const struct {
        uint16_t type;
        enum flow_msg_kind kind;
        int (*read)(const struct nlmsghdr *h, struct flow_msg *m);
} rows[] = {
        {TYPE(CTNETLINK, IPCTNL_MSG_CT_NEW), FLOW_MSG_NEW, entry},
        {TYPE(CTNETLINK, IPCTNL_MSG_CT_DELETE), FLOW_MSG_DESTROY, entry},
        {TYPE(ULOG, NFULNL_MSG_PACKET), FLOW_MSG_PACKET, packet},
        {TYPE(NFTABLES, NFT_MSG_NEWTABLE), FLOW_MSG_REMOVED, removed}, /* its flags: dormant */
        {TYPE(NFTABLES, NFT_MSG_NEWCHAIN), FLOW_MSG_REMOVED, removed},
        {TYPE(NFTABLES, NFT_MSG_NEWRULE), FLOW_MSG_REMOVED, removed}, /* one that ends the way before ours */
        {TYPE(NFTABLES, NFT_MSG_DELTABLE), FLOW_MSG_REMOVED, removed},
        {TYPE(NFTABLES, NFT_MSG_DELCHAIN), FLOW_MSG_REMOVED, removed},
        {TYPE(NFTABLES, NFT_MSG_DELRULE), FLOW_MSG_REMOVED, removed},
        {TYPE(NFTABLES, COMPAT_NFT_MSG_NEWGEN), FLOW_MSG_RULES, generation},
};

static int control(const struct nlmsghdr *h, struct flow_msg *m)
{
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

        if (h->nlmsg_type == NLMSG_DONE) {
                m->kind = m->dumped ? FLOW_MSG_DUMPED : FLOW_MSG_OTHER;
                return 0;
        }
        if (h->nlmsg_type != NLMSG_ERROR)
                return 0;
        if (mnl_nlmsg_get_payload_len(h) < sizeof(*e))
                return ERR_SCHEMA;
        m->kind = FLOW_MSG_ERROR;
        m->error = e->error;
        return 0;
}

int flow_decode(const struct nlmsghdr *h, uint32_t dump_seq, struct flow_msg *ret)
{
        struct flow_msg m = {.kind = FLOW_MSG_OTHER};
        int r = 0;

        m.dumped = dump_seq && h->nlmsg_seq == dump_seq;
        if (h->nlmsg_type < NLMSG_MIN_TYPE) {
                r = control(h, &m);
        } else {
                if (mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
                        return ERR_SCHEMA;
                for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                        if (rows[i].type != h->nlmsg_type)
                                continue;
                        m.kind = rows[i].kind;
                        r = rows[i].read(h, &m);
                }
        }
        if (r == 0)
                *ret = m;
        return r;
}

int flow_ip_decode(struct bytes ip, struct flow_tuple *ret)
{
        bool six = ip.len && ip.p[0] >> 4 == 6;
        size_t at = six ? 8 : 12, len = six ? 16 : 4, header = six ? 40 : ip.len ? (ip.p[0] & 15u) * 4u : 0;
        struct flow_tuple t = {.src.len = (uint8_t)len, .dst.len = (uint8_t)len};
        uint8_t proto;

        if (ip.len < at + 2 * len || ip.len < header || header < at + 2 * len)
                return ERR_TRUNCATED;
        memcpy(t.src.bytes, ip.p + at, len);
        memcpy(t.dst.bytes, ip.p + at + len, len);
        proto = ip.p[six ? 6 : 9];
        if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && ip.len >= header + 4 &&
            (six || ((ip.p[6] & 0x1f) | ip.p[7]) == 0)) {
                t.proto = proto;
                t.sport = (uint16_t)(ip.p[header] << 8 | ip.p[header + 1]);
                t.dport = (uint16_t)(ip.p[header + 2] << 8 | ip.p[header + 3]);
        }
        *ret = t;
        return 0;
}
