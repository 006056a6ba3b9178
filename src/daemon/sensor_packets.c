/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said of a packet of the name service beside its bytes: where it was received, and in the host's namespace
 * whether it concerns a container at all.
 *
 * Owns: whose socket a query of the host's namespace left. Must not: read a packet (flow_ip_decode does, as far
 * as it goes here). Hands over: enum tide_packet_flag, to sensor_flows.c.
 */
#include <errno.h>

#include "daemon/sensor_net-priv.h"
#include "tidemark/clock.h"

/* Of a container that is watched? If it is not known any more, of one all the same. */
static bool is_watched(struct sensor *s, const struct sockets_process *p, uint64_t now)
{
        struct container *c = NULL;
        struct tide_actor actor;

        return proctab_actor(s->proctab, p->pid, now, &s->lineage, &actor, &c) < 0 || !c ||
               c->net_scope != NET_SCOPE_OFF;
}

/*
 * A query of the host's namespace: a container's? Only their processes are asked for the socket. False: it is none of
 * theirs. A socket that lives for one question may be gone by now: then nobody can say.
 */
static bool is_containers(struct sensor *s, struct net *n, const struct flow_msg *m, uint8_t *flags)
{
        uint64_t now = clock_boot_ns();
        struct diag_sock d = {.inode = 0};
        struct sockets_process p;
        struct flow_tuple t;
        int r = -EBUSY;

        if (n->diag && flow_ip_decode(m->payload, &t) == 0 && diag_find(n->diag, &t, &d) == 0 && d.inode) {
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
        struct flow_tuple t;

        if (!m->loopback)
                return 0;
        /* Where there are more addresses than are known any may be its own. */
        if (n->naddresses == NSWORKER_ADDRESSES ||
            (flow_ip_decode(m->payload, &t) == 0 && net_is_local(n, &t.src)))
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
