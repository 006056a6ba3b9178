/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The helper that enters network namespaces: it waits as it likes.
 *
 * Owns: its end of the pair, its home namespace, and for one request the namespace that it was given. Must not: read
 * anything in a namespace but the kernel's own messages and two numbers of /proc/sys. Hands over: one answer for every
 * request, with the sockets that it opened; it keeps none, and with them no namespace.
 *
 * It works in the namespace and comes home; a helper that cannot come home ends, and is replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "nettable-priv.h"
#include "nslook-priv.h"
#include "nsworker-priv.h"
#include "tidemark/nl.h"
#include "tidemark/nstry.h"
#include "tidemark/passfd.h"

#define TALK_MS 1000 /* the kernel answers at once, or is not to be waited for */
#define GROUPS 8u /* NFLOG groups that are tried */

struct child {
        int fd, home;
        const struct nsworker_child_setup *setup;
        char name[NETTABLE_NAME];
};

/* What a request opens; each is closed here, what was passed on lives in the sensor. */
struct opened {
        struct nl *events, *diag, *talk;
};

static void opened_close(struct opened *o)
{
        nl_close(o->events);
        nl_close(o->diag);
        nl_close(o->talk);
}

/* ---- the sockets ---- */

/*
 * The first group that nobody has in this namespace. Another program's is refused with EPERM (nfnetlink_log.c:
 * nfulnl_recv_config compares the owner first), one of this socket's own with EBUSY.
 */
static int bind_group(struct nl *nl, uint16_t first, uint16_t *ret)
{
        int r = -EBUSY;

        for (unsigned i = 0; i < GROUPS && first + i <= UINT16_MAX; i++) {
                r = nslook_bind_group(nl, (uint16_t)(first + i), NSWORKER_SNAPLEN, TALK_MS);
                if (r == 0) {
                        *ret = (uint16_t)(first + i);
                        return 0;
                }
                if (r != -EPERM && r != -EBUSY && r != -EEXIST)
                        break;
        }
        return r;
}

/* The group before the subscription: what comes while the kernel answers would be lost. */
static int open_events(const struct child *c, uint32_t flags, struct opened *o, struct nsworker_answer *a)
{
        int r = nl_open(NETLINK_NETFILTER, 0, c->setup->rcvbuf, &o->events);

        if (r == 0 && (flags & NSW_NAMES))
                r = bind_group(o->events, c->setup->group, &a->group);
        if (r == 0)
                r = nl_join(o->events, NFNLGRP_CONNTRACK_NEW);
        if (r == 0)
                r = nl_join(o->events, NFNLGRP_CONNTRACK_DESTROY);
        if (r == 0 && nl_open(NETLINK_SOCK_DIAG, 0, 0, &o->diag) < 0)
                o->diag = NULL; /* flows are told without it, only less of them */
        return r;
}

/* ---- the table ---- */

static int make(const struct child *c, uint32_t flags, struct opened *o, struct nsworker_answer *a)
{
        uint32_t parts = (flags & NSW_FLOWS ? NETTABLE_FLOWS : 0u) | (flags & NSW_NAMES ? NETTABLE_NAMES : 0u) |
                         (flags & NSW_PASSING ? NETTABLE_PASSING : 0u);
        struct nettable_plan p;
        bool stood;
        int r = nettable_plan(c->setup->instance, parts, a->group, NSWORKER_SNAPLEN, &p);

        if (r == 0)
                r = nettable_make(o->talk, &p, TALK_MS, &stood);
        if (r < 0)
                return r;
        a->made = true;
        a->adopted = a->adopted || stood;
        return 0;
}

/* Changes are subscribed to when the table stands, so as not to hear of our own; what came in between is mended. */
static int make_and_watch(const struct child *c, uint32_t flags, struct opened *o, struct nsworker_answer *a)
{
        int r = make(c, flags, o, a);

        if (r == 0 && o->events)
                r = nl_join(o->events, NFNLGRP_NFTABLES);
        if (r == 0)
                r = nettable_stands(o->talk, c->name, TALK_MS);
        if (r == 0)
                r = make(c, flags, o, a);
        return r < 0 ? r : 0;
}

/* Only the first question may fail it; the rules are read over a socket of their own, which may be left midway. */
static int look(const struct child *c, struct opened *o, struct nsworker_answer *a)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        int r = nettable_stands(o->talk, c->name, TALK_MS);

        if (r <= 0)
                return r;
        a->stands = true;
        if (nl_open(NETLINK_NETFILTER, 0, 0, &nl) < 0 ||
            nettable_look(nl, c->name, TALK_MS, &a->rules, &a->names_over) < 0)
                a->rules = 0; /* so many that nobody reads them: not the table that was made */
        return 0;
}

/* ---- one request ---- */

static int listen_and_make(const struct child *c, uint32_t flags, struct opened *o, struct nsworker_answer *a)
{
        int r = 0;

        if (flags & NSW_LISTEN)
                r = open_events(c, flags, o, a);
        if (r == 0 && (flags & (NSW_FLOWS | NSW_NAMES)))
                r = make_and_watch(c, flags, o, a);
        else if (r == 0 && o->events)
                r = nl_join(o->events, NFNLGRP_NFTABLES);
        if (r == 0)
                r = look(c, o, a);
        return r;
}

static int work(const struct child *c, uint32_t flags, struct opened *o, struct nsworker_answer *a)
{
        int r = nl_open(NETLINK_NETFILTER, 0, 0, &o->talk);

        if (r < 0)
                return r;
        if (flags & NSW_TAKE_AWAY)
                return nettable_remove(o->talk, c->name, TALK_MS);
        r = listen_and_make(c, flags, o, a);
        if (r < 0 && o->events && a->made && nettable_remove(o->talk, c->name, TALK_MS) < 0)
                a->stands = true; /* nobody will listen, and it cannot be taken away: that is told */
        if (r < 0)
                return r;
        nslook_addresses(a, TALK_MS);
        nslook_counts(o->talk, TALK_MS, a);
        return 0;
}

static int answer(const struct child *c, struct opened *o, const struct nsworker_answer *a)
{
        struct nsworker_reply reply = {.a = *a};
        int fds[2];
        size_t n = 0;

        reply.a.events = reply.a.diag = -1;
        if (a->error == 0 && o->events) {
                reply.a.events = 0;
                fds[n++] = nl_fd(o->events);
        }
        if (a->error == 0 && o->diag) {
                reply.a.diag = 0;
                fds[n++] = nl_fd(o->diag);
        }
        return passfd_send(c->fd, &reply, sizeof(reply), fds, n, 0);
}

/* There and back. Negative: not back. */
static int visit(const struct child *c, const struct nsworker_request *q, int ns, struct opened *o,
                 struct nsworker_answer *a)
{
        struct stat st;

        if (fstat(ns, &st) < 0 || setns(ns, CLONE_NEWNET) < 0) {
                a->error = -errno;
                return 0;
        }
        a->netns = st.st_ino;
        a->group = q->flags & NSW_LISTEN ? 0 : q->group;
        a->error = work(c, q->flags, o, a);
        o->talk = nl_close(o->talk);
        if (setns(c->home, CLONE_NEWNET) < 0)
                return -errno;
        if (a->error == 0 && a->conntrack_max == 0 && !(q->flags & NSW_TAKE_AWAY))
                a->conntrack_max = nslook_max();
        return 0;
}

/* In a namespace of its own, behind the request: what our table needs is loaded then. Negative: not back. */
static int try_elsewhere(const struct child *c, struct nsworker_answer *a)
{
        a->everywhere = unshare(CLONE_NEWNET) < 0 ? -errno : nstry_here();
        return setns(c->home, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* When it is answered nothing here keeps the namespace but what is handed over with that. */
static int serve(const struct child *c, const struct nsworker_request *q, int ns)
{
        struct nsworker_answer a = {.token = q->token, .flags = q->flags};
        struct opened o = {0};
        int r = visit(c, q, ns, &o, &a);

        close(ns);
        if (r == 0 && (q->flags & NSW_TRY))
                r = try_elsewhere(c, &a);
        if (r == 0)
                r = answer(c, &o, &a);
        opened_close(&o);
        return r;
}

int nsworker_child(int fd, void *arg)
{
        struct child c = {.fd = fd, .setup = arg};
        struct nsworker_request q;
        ssize_t len;
        size_t n;
        int ns, r = nettable_name(c.setup->instance, c.name);

        c.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (c.home < 0)
                return -errno;
        if (r == 0 && c.setup->confine)
                r = c.setup->confine();
        while (r == 0) {
                len = passfd_recv(fd, &q, sizeof(q), &ns, 1, &n, 0);
                if (len == -EINTR)
                        continue;
                if (len <= 0)
                        return (int)len;
                if (len != (ssize_t)sizeof(q) || n != 1)
                        return -EPROTO;
                r = serve(&c, &q, ns);
        }
        return r;
}
