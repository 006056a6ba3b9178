/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said of a packet of the name service beside its bytes: where it was received, and in the host's namespace
 * whether it concerns a container at all.
 *
 * Owns: whose socket a query of the host's namespace left. Must not: read more of a packet than addresses and ports.
 * Hands over: enum tide_packet_flag, to sensor_flows.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/sensor_net-priv.h"
#include "tidemark/clock.h"

bool net_packet_addresses(struct bytes ip, struct flow_address *src, struct flow_address *dst)
{
        bool six = ip.len && ip.p[0] >> 4 == 6;
        size_t at = six ? 8 : 12, len = six ? 16 : 4;

        if (ip.len < at + 2 * len)
                return false;
        src->len = dst->len = (uint8_t)len;
        memcpy(src->bytes, ip.p + at, len);
        memcpy(dst->bytes, ip.p + at + len, len);
        return true;
}

/* Without extension headers of IPv6, which no resolver sends. */
static bool tuple_of(struct bytes ip, struct flow_tuple *ret)
{
        size_t at;

        if (!net_packet_addresses(ip, &ret->src, &ret->dst))
                return false;
        ret->proto = ip.p[ret->src.len == 4 ? 9 : 6];
        at = ret->src.len == 4 ? (ip.p[0] & 15u) * 4u : 40;
        if ((ret->proto != IPPROTO_UDP && ret->proto != IPPROTO_TCP) || ip.len < at + 4)
                return false;
        ret->sport = (uint16_t)(ip.p[at] << 8 | ip.p[at + 1]);
        ret->dport = (uint16_t)(ip.p[at + 2] << 8 | ip.p[at + 3]);
        return true;
}

/* Of a container that is watched? If it is not known any more, of one all the same. */
static bool is_watched(struct sensor *s, const struct sockets_process *p, uint64_t now)
{
        struct container *c = NULL;
        struct tide_actor actor;

        return proctab_actor(s->proctab, p->pid, now, &s->lineage, &actor, &c) < 0 || !c ||
               c->net_scope != NET_SCOPE_OFF;
}

/*
 * A query of the host's namespace: a container's, whose processes are the only ones that are asked for the socket. False:
 * it is none of theirs. A socket that lives for one question may be gone by now: then nobody can say.
 */
static bool is_containers(struct sensor *s, struct net *n, const struct flow_msg *m, uint8_t *flags)
{
        uint64_t now = clock_boot_ns();
        struct diag_sock d = {.inode = 0};
        struct flow_tuple t = {0};
        struct sockets_process p;
        int r = -EBUSY;

        if (n->diag && tuple_of(m->payload, &t) && diag_find(n->diag, &t, &d) == 0 && d.inode) {
                if (proc_source_drain(s->proc) < 0) /* who was forked a moment ago? */
                        s->stirred = true;          /* settle() says so, and ends */
                r = sockets_find(s->nets->sockets, n->ns, d.inode, now, &p);
                s->stirred = true; /* what came of the proc connector is to be told too */
        }
        if (r == -ENOENT || (r == 0 && !is_watched(s, &p, now)))
                return false;
        if (r < 0)
                *flags |= PACKETF_UNOWNED;
        return true;
}

/* An answer that came by the loopback interface was sent in here. */
static uint8_t received_flags(const struct net *n, const struct flow_msg *m)
{
        struct flow_address src = {0}, dst = {0};

        if (!m->loopback)
                return 0;
        /* Where there are more addresses than are known any may be its own. */
        if (n->naddresses == NSWORKER_ADDRESSES ||
            (net_packet_addresses(m->payload, &src, &dst) && net_is_local(n, &src)))
                return PACKETF_LOOPBACK | PACKETF_OWN;
        return PACKETF_LOOPBACK;
}

bool net_packet_flags(struct sensor *s, struct net *n, const struct flow_msg *m, uint8_t *ret)
{
        *ret = 0;
        if (m->passing)
                return true;
        if (!m->out)
                *ret = received_flags(n, m);
        if (!n->host)
                return true;
        *ret |= PACKETF_HOST;
        if (!m->out || is_containers(s, n, m, ret))
                return true;
        s->nets->stats.packets_host++;
        return false;
}
