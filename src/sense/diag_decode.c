/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: reading one socket of sock_diag(7). Must not: ask. Pure. */
#include "tidemark/diag_source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "tidemark/err.h"

static void address(uint8_t family, const uint32_t *from, struct flow_address *ret)
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        const uint8_t *p = (const uint8_t *)from;

        ret->len = family == AF_INET ? 4 : 16;
        if (family == AF_INET6 && memcmp(p, mapped, sizeof(mapped)) == 0) { /* IPv4 by a socket of IPv6: RFC 4291 */
                ret->len = 4;
                p += sizeof(mapped);
        }
        memcpy(ret->bytes, p, ret->len);
}

int diag_decode(const struct nlmsghdr *h, uint8_t proto, struct diag_sock *ret)
{
        struct inet_diag_msg m;
        struct diag_sock d = {.state = 0};

        if (h->nlmsg_type < NLMSG_MIN_TYPE)
                return -EAGAIN;
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(h) < sizeof(m))
                return ERR_SCHEMA;
        memcpy(&m, mnl_nlmsg_get_payload(h), sizeof(m));
        if (m.idiag_family != AF_INET && m.idiag_family != AF_INET6)
                return ERR_SCHEMA;
        d.tuple.proto = proto;
        address(m.idiag_family, m.id.idiag_src, &d.tuple.src);
        address(m.idiag_family, m.id.idiag_dst, &d.tuple.dst);
        d.tuple.sport = ntohs(m.id.idiag_sport);
        d.tuple.dport = ntohs(m.id.idiag_dport);
        d.state = m.idiag_state;
        d.inode = m.idiag_inode;
        d.uid = m.idiag_uid;
        *ret = d;
        return 0;
}
