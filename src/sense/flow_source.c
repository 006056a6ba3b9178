/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: one network namespace's socket of netfilter, and counting what the kernel dropped. Must not: know whose the
 * namespace is. Hands over: messages in the order of the queue; losses as soon as they are known.
 *
 * Two signs of loss: ENOBUFS from the socket, which says that, not how many; and a gap in the packets' numbers.
 */
#include "tidemark/flow_source.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"

#define TURN_BUDGET 256   /* datagrams */
#define DRAIN_BUDGET 8192 /* more than a buffer of the usual size holds */

struct flow_source {
        struct nl *nl;
        struct loop_src *src;
        const struct flow_source_ops *ops;
        void *arg;
        struct flow_source_stats stats;
        uint32_t last_dump, dump; /* numbers of our requests; dump 0: none is under way */
        uint64_t empty_ns;        /* boot time at which nothing was left to read */
        bool overrun;             /* since then the kernel had no room: told when it has some again */
        uint32_t next_packet;
        bool numbered; /* next_packet is known */
};

static void gap_before(struct flow_source *s, const struct flow_msg *m)
{
        uint32_t gap = s->numbered ? m->seq - s->next_packet : 0;

        if (!m->numbered)
                return;
        s->numbered = true;
        s->next_packet = m->seq + 1;
        if (gap == 0 || gap >= 1u << 31)
                return;
        s->stats.lost_packets += gap;
        s->ops->loss(gap, true, s->empty_ns, s->arg);
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
        struct flow_source *s = arg;
        struct flow_msg m;

        if (flow_decode(h, s->dump, &m) < 0) {
                s->stats.malformed++;
                return 0;
        }
        if (m.kind == FLOW_MSG_OTHER)
                return 0;
        s->stats.delivered++;
        if (m.kind == FLOW_MSG_PACKET) {
                s->stats.packets++;
                gap_before(s, &m);
        }
        if (m.kind == FLOW_MSG_DUMPED || m.kind == FLOW_MSG_ERROR)
                s->dump = 0;
        s->ops->msg(&m, s->arg);
        return 0;
}

/*
 * Once it had no room the kernel drops all that it would tell, without another word, until the queue is empty
 * (af_netlink.c: NETLINK_S_CONGESTED). So what is asked for before would not hold what begins meanwhile: the loss is
 * told now.
 */
static void emptied(struct flow_source *s)
{
        uint64_t since = s->empty_ns;

        s->empty_ns = clock_boot_ns();
        if (!s->overrun)
                return;
        s->overrun = false;
        s->ops->loss(0, false, since, s->arg);
}

static int receive(struct flow_source *s, int budget)
{
        int r = 1;

        for (int n = 0; n < budget && (r > 0 || r == ERR_OVERRUN); n++) {
                r = nl_recv(s->nl, on_message, s);
                if (r < 0) { /* of a netlink socket there is no error that the next reading would not go on after */
                        s->overrun = true;
                        r = ERR_OVERRUN;
                }
        }
        if (r == 0)
                emptied(s);
        return r;
}

void flow_source_drain(struct flow_source *s)
{
        receive(s, DRAIN_BUDGET);
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct flow_source *s = arg;
        int r = receive(s, TURN_BUDGET);

        (void)src, (void)fd, (void)revents;
        return r == 0 ? LOOP_DONE : LOOP_MORE;
}

int flow_source_open(struct loop *loop, int fd, const struct flow_source_ops *ops, void *arg, struct flow_source **ret)
{
        _cleanup_(flow_source_closep) struct flow_source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->ops = ops;
        s->arg = arg;
        s->empty_ns = clock_boot_ns();
        r = loop_add(loop, fd, POLLIN, LOOP_KERNEL, "flows", on_ready, s, &s->src);
        if (r == 0)
                r = nl_adopt(fd, &s->nl);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct flow_source *flow_source_close(struct flow_source *s)
{
        if (!s)
                return NULL;
        loop_src_del(s->src);
        nl_close(s->nl);
        free(s);
        return NULL;
}

int flow_source_dump(struct flow_source *s)
{
        char space[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg))] = {0};
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;
        uint32_t seq = s->last_dump + 1 ? s->last_dump + 1 : 1;
        int r;

        if (s->dump)
                return -EBUSY;
        h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = seq;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = AF_UNSPEC;
        g->version = NFNETLINK_V0;
        r = nl_send(s->nl, space, h->nlmsg_len);
        if (r < 0)
                return r;
        s->last_dump = s->dump = seq;
        return 0;
}

void flow_source_stats(const struct flow_source *s, struct flow_source_stats *ret)
{
        struct nl_stats st;

        nl_stats(s->nl, &st);
        *ret = s->stats;
        ret->overruns = st.overruns;
        ret->forged = st.forged;
        ret->malformed += st.malformed + st.truncated;
}
