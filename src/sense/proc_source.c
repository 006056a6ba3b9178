/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the subscription to the proc connector, its receive buffer, and counting what the kernel dropped. Must not:
 * look into /proc. Hands over: messages in the order of the queue; losses as soon as they are known.
 *
 * Two signs of loss: ENOBUFS from the socket, and a gap in the numbers, which count per CPU. The first says that, the
 * second how many.
 */
#include "tidemark/proc_source.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"

#define CPUS_MAX 4096u
#define TURN_BUDGET 256      /* datagrams, each one message */
#define DRAIN_BUDGET 200000  /* more than a full receive buffer holds */
#define ACK_WAIT_MS 200

struct cpu_seq {
        uint32_t last;
        bool seen;
        uint64_t at_ns; /* CLOCK_MONOTONIC of the last one */
};

struct proc_source {
        struct nl *nl;
        struct loop_src *src;
        const struct proc_source_ops *ops;
        void *arg;
        struct cpu_seq *cpus; /* CPUS_MAX */
        struct proc_source_stats stats;
        uint64_t last_ns; /* of the last message of any CPU */
        bool acked, overrun;
};

static int subscribe(struct proc_source *s, enum proc_cn_mcast_op op)
{
        char space[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct cn_msg) + sizeof(op))] = {0};
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct cn_msg cn = {.id = {.idx = CN_IDX_PROC, .val = CN_VAL_PROC}, .len = sizeof(op)};
        uint8_t *body;

        h->nlmsg_type = NLMSG_DONE;
        body = mnl_nlmsg_put_extra_header(h, sizeof(cn) + sizeof(op));
        memcpy(body, &cn, sizeof(cn));
        memcpy(body + sizeof(cn), &op, sizeof(op));
        return nl_send(s->nl, space, h->nlmsg_len);
}

/* How many of this CPU's messages are missing before this one. */
static uint32_t gap_before(struct proc_source *s, const struct proc_msg *m, uint64_t *ret_since)
{
        struct cpu_seq *c = m->cpu < CPUS_MAX ? &s->cpus[m->cpu] : NULL;
        uint32_t gap;

        if (!c)
                return 0;
        gap = c->seen ? m->seq - c->last - 1 : 0;
        *ret_since = c->at_ns;
        c->at_ns = m->mono_ns ? m->mono_ns : c->at_ns;
        c->seen = true;
        c->last = m->seq;
        return gap < 1u << 31 ? gap : 0; /* going back is no gap: the counter was read by two events at once */
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
        struct proc_source *s = arg;
        struct proc_msg m;
        uint64_t since = 0;
        uint32_t gap;
        int r = proc_decode(mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h), &m);

        if (r < 0 && r != -EAGAIN) {
                s->stats.malformed++;
                return 0;
        }
        gap = gap_before(s, &m, &since);
        if (gap) {
                s->stats.lost += gap;
                s->overrun = false; /* told now, with a number */
                s->ops->loss(gap, since, s->arg);
        }
        if (r == -EAGAIN) {
                s->acked = true;
                return 0;
        }
        s->stats.delivered++;
        s->last_ns = m.mono_ns;
        s->ops->msg(&m, s->arg);
        return 0;
}

/* 1: something was read; 0: nothing is left; else an error that ends the source. */
static int receive(struct proc_source *s)
{
        int r = nl_recv(s->nl, on_message, s);

        if (r == ERR_OVERRUN) {
                s->overrun = true;
                return 1;
        }
        if (r == 0 && s->overrun) { /* the queue is empty and no gap gave a number */
                s->overrun = false;
                s->ops->loss(0, s->last_ns, s->arg);
        }
        return r;
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct proc_source *s = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int n = 0; n < TURN_BUDGET && r > 0; n++)
                r = receive(s);
        return r < 0 ? r : r > 0 ? LOOP_MORE : LOOP_DONE;
}

int proc_source_drain(struct proc_source *s)
{
        int r = 1;

        for (int n = 0; n < DRAIN_BUDGET && r > 0; n++)
                r = receive(s);
        return r < 0 ? r : 0;
}

static int await_ack(struct proc_source *s)
{
        uint64_t deadline = clock_boot_ns() + ACK_WAIT_MS * NSEC_PER_MSEC, now;
        struct pollfd p = {.fd = nl_fd(s->nl), .events = POLLIN};

        while (!s->acked && (now = clock_boot_ns()) < deadline) {
                int r = poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1);

                if (r > 0)
                        r = receive(s);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return s->acked ? 0 : -ETIMEDOUT;
}

int proc_source_open(struct loop *loop, const struct proc_source_ops *ops, void *arg, int rcvbuf,
                     struct proc_source **ret)
{
        _cleanup_(proc_source_closep) struct proc_source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->ops = ops;
        s->arg = arg;
        s->cpus = calloc(CPUS_MAX, sizeof(*s->cpus));
        if (!s->cpus)
                return -ENOMEM;
        r = nl_open(NETLINK_CONNECTOR, CN_IDX_PROC, rcvbuf, &s->nl);
        if (r == 0)
                r = subscribe(s, PROC_CN_MCAST_LISTEN);
        if (r == 0)
                r = await_ack(s);
        if (r == 0)
                r = loop_add(loop, nl_fd(s->nl), POLLIN, LOOP_KERNEL, "proc", on_ready, s, &s->src);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct proc_source *proc_source_close(struct proc_source *s)
{
        if (!s)
                return NULL;
        loop_src_del(s->src);
        /* Before Linux 6.6 the kernel goes on producing for as long as one listener did not say this. */
        if (s->nl && subscribe(s, PROC_CN_MCAST_IGNORE) < 0)
                s->stats.malformed++; /* closing says the same to newer kernels */
        nl_close(s->nl);
        free(s->cpus);
        free(s);
        return NULL;
}

void proc_source_stats(const struct proc_source *s, struct proc_source_stats *ret)
{
        struct nl_stats st;

        nl_stats(s->nl, &st);
        *ret = s->stats;
        ret->forged = st.forged;
        ret->malformed += st.malformed + st.truncated;
}
