/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture_conntrack_decode - an entry of ctnetlink (linux/netfilter/nfnetlink_conntrack.h) as text:
 *
 *     6 src=10.0.0.2 dst=10.0.0.9 sport=4444 dport=80 packets=3 bytes=180 reply src=… status=398 timeout=431999
 *
 * Pure: a message in (whole, as nl gives it), text out. What has another length than it should is passed over.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "act/capture-priv.h"

#define ATTRS 32u

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

static bool nested(const struct attrs *all, unsigned type, struct attrs *ret)
{
        memset(ret, 0, sizeof(*ret));
        return all->at[type] && mnl_attr_parse_nested(all->at[type], keep, ret) == MNL_CB_OK;
}

static const void *with(const struct attrs *all, unsigned type, size_t len)
{
        const struct nlattr *a = all->at[type];

        return a && mnl_attr_get_payload_len(a) == len ? mnl_attr_get_payload(a) : NULL;
}

static void put16(const struct attrs *all, unsigned type, const char *name, struct buf *out)
{
        const void *p = with(all, type, 2);
        uint16_t v;

        if (!p)
                return;
        memcpy(&v, p, sizeof(v));
        buf_printf(out, " %s=%u", name, ntohs(v));
}

static void put32(const struct attrs *all, unsigned type, const char *name, struct buf *out)
{
        const void *p = with(all, type, 4);
        uint32_t v;

        if (!p)
                return;
        memcpy(&v, p, sizeof(v));
        buf_printf(out, " %s=%u", name, ntohl(v));
}

static void put64(const struct attrs *all, unsigned type, const char *name, struct buf *out)
{
        const void *p = with(all, type, 8);
        uint64_t v;

        if (!p)
                return;
        memcpy(&v, p, sizeof(v));
        buf_printf(out, " %s=%llu", name, (unsigned long long)be64toh(v));
}

static void put_address(const struct attrs *ip, unsigned v4, unsigned v6, const char *name, struct buf *out)
{
        const void *p4 = with(ip, v4, 4), *p6 = with(ip, v6, 16);
        char text[INET6_ADDRSTRLEN];

        if ((p4 && inet_ntop(AF_INET, p4, text, sizeof(text))) || (p6 && inet_ntop(AF_INET6, p6, text, sizeof(text))))
                buf_printf(out, " %s=%s", name, text);
}

static void put_tuple(const struct attrs *all, unsigned type, struct buf *out)
{
        struct attrs tuple, ip, proto;

        if (!nested(all, type, &tuple))
                return;
        if (nested(&tuple, CTA_TUPLE_IP, &ip)) {
                put_address(&ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, "src", out);
                put_address(&ip, CTA_IP_V4_DST, CTA_IP_V6_DST, "dst", out);
        }
        if (nested(&tuple, CTA_TUPLE_PROTO, &proto)) {
                put16(&proto, CTA_PROTO_SRC_PORT, "sport", out);
                put16(&proto, CTA_PROTO_DST_PORT, "dport", out);
                put16(&proto, CTA_PROTO_ICMP_ID, "id", out);
        }
}

static void put_protocol(const struct attrs *all, struct buf *out)
{
        struct attrs tuple, proto;
        const uint8_t *p = NULL;

        if (nested(all, CTA_TUPLE_ORIG, &tuple) && nested(&tuple, CTA_TUPLE_PROTO, &proto))
                p = with(&proto, CTA_PROTO_NUM, 1);
        buf_printf(out, "%d", p ? *p : -1);
}

static void put_counters(const struct attrs *all, unsigned type, struct buf *out)
{
        struct attrs c;

        if (!nested(all, type, &c))
                return;
        put64(&c, CTA_COUNTERS_PACKETS, "packets", out);
        put64(&c, CTA_COUNTERS_BYTES, "bytes", out);
}

int capture_conntrack_line(const struct nlmsghdr *h, void *arg)
{
        struct attrs all = {{NULL}};
        struct buf *out = arg;

        if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg) ||
            mnl_attr_parse(h, sizeof(struct nfgenmsg), keep, &all) != MNL_CB_OK)
                return 0;
        put_protocol(&all, out);
        put_tuple(&all, CTA_TUPLE_ORIG, out);
        put_counters(&all, CTA_COUNTERS_ORIG, out);
        buf_put_str(out, " reply");
        put_tuple(&all, CTA_TUPLE_REPLY, out);
        put_counters(&all, CTA_COUNTERS_REPLY, out);
        put32(&all, CTA_STATUS, "status", out);
        put32(&all, CTA_TIMEOUT, "timeout", out);
        put32(&all, CTA_MARK, "mark", out);
        buf_put_u8(out, '\n');
        return out->err;
}
