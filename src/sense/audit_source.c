/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the membership in the kernel's audit group, and the rate of what is passed on. Must not: look into a record, or
 * ask the kernel's audit for anything. Hands over: records as they came; losses once the queue is empty.
 */
#include "tidemark/audit_source.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "tidemark/clock.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"

#define TURN_BUDGET 256 /* datagrams, each one record */

struct audit_source {
        struct nl *nl;
        struct loop_src *src;
        const struct audit_source_ops *ops;
        void *arg;
        struct rate rate;
        uint64_t empty_ns; /* boot time at which nothing was left to read */
        uint64_t refused;  /* not told yet */
        bool overrun;
        struct audit_source_stats stats;
};

/* What the engine reads: parse/audit.c. Of a program's PROCTITLE it has all in EXECVE. */
bool audit_source_wants(uint16_t type)
{
        static const uint16_t types[] = {AUDIT_SYSCALL, AUDIT_PATH, AUDIT_SOCKADDR, AUDIT_CWD, AUDIT_EXECVE,
                                         AUDIT_EOE};

        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if (types[i] == type)
                        return true;
        return false;
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
        struct audit_source *s = arg;
        size_t len = mnl_nlmsg_get_payload_len(h);

        if (h->nlmsg_type == AUDIT_CONFIG_CHANGE && s->ops->changed)
                s->ops->changed(s->arg);
        if (!audit_source_wants(h->nlmsg_type)) {
                s->stats.passed_over++;
                return 0;
        }
        if (len == 0 || len > AUDIT_SOURCE_TEXT_MAX) {
                s->stats.malformed++;
                return 0;
        }
        if (!rate_pass(&s->rate, clock_boot_ns(), NULL)) {
                s->stats.refused++;
                s->refused++;
                return 0;
        }
        s->stats.delivered++;
        s->ops->record(h->nlmsg_type, bytes_of(mnl_nlmsg_get_payload(h), len), s->arg);
        return 0;
}

static void tell_loss(struct audit_source *s)
{
        if (s->overrun)
                s->ops->loss(0, s->empty_ns, s->arg);
        if (s->refused)
                s->ops->loss(s->refused, s->empty_ns, s->arg);
        s->overrun = false;
        s->refused = 0;
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct audit_source *s = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int n = 0; n < TURN_BUDGET && r > 0; n++) {
                r = nl_recv(s->nl, on_message, s);
                if (r == ERR_OVERRUN) {
                        s->overrun = true;
                        r = 1;
                }
        }
        if (r == 0) {
                tell_loss(s);
                s->empty_ns = clock_boot_ns();
        }
        return r < 0 ? r : r > 0 ? LOOP_MORE : LOOP_DONE;
}

int audit_source_open(struct loop *loop, const struct audit_source_ops *ops, void *arg, int rcvbuf,
                      struct audit_source **ret)
{
        _cleanup_(audit_source_closep) struct audit_source *s = NULL;
        int r;

        if (prctl(PR_CAPBSET_READ, COMPAT_CAP_AUDIT_READ, 0, 0, 0) < 0)
                return -EPROTONOSUPPORT;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->ops = ops;
        s->arg = arg;
        s->rate = (struct rate){.interval_ns = NSEC_PER_SEC / AUDIT_SOURCE_RATE, .burst = AUDIT_SOURCE_RATE};
        s->empty_ns = clock_boot_ns();
        r = nl_open(NETLINK_AUDIT, 1u << (COMPAT_AUDIT_NLGRP_READLOG - 1), rcvbuf, &s->nl);
        if (r == 0)
                r = loop_add(loop, nl_fd(s->nl), POLLIN, LOOP_KERNEL, "audit", on_ready, s, &s->src);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct audit_source *audit_source_close(struct audit_source *s)
{
        if (!s)
                return NULL;
        loop_src_del(s->src);
        nl_close(s->nl);
        free(s);
        return NULL;
}

void audit_source_stats(const struct audit_source *s, struct audit_source_stats *ret)
{
        struct nl_stats st;

        nl_stats(s->nl, &st);
        *ret = s->stats;
        ret->overruns = st.overruns;
        ret->forged = st.forged;
        ret->malformed += st.malformed + st.truncated;
}
