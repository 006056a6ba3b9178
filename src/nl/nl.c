/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: a netlink socket and what is believed from it: whole datagrams of the kernel, with lengths that fit. Must not:
 * know any family. Hands over: each message to the caller's function.
 */
#include "tidemark/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>

#include "tidemark/clock.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"

#define DATAGRAM_MAX (64u * 1024) /* the kernel's own limit of one is 32 KiB: af_netlink.c */

struct nl {
        int fd;
        uint32_t port;
        struct nl_stats stats;
        uint8_t *inbox;
};

static int bind_to(int fd, uint32_t groups, int rcvbuf)
{
        struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = groups};

        if (rcvbuf > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) < 0 &&
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0)
                return -errno;
        return bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

int nl_open(int bus, uint32_t groups, int rcvbuf, struct nl **ret)
{
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, bus);
        int r;

        if (fd < 0)
                return -errno;
        r = bind_to(fd, groups, rcvbuf);
        if (r == 0)
                r = nl_adopt(fd, ret);
        if (r == 0)
                TAKE_FD(fd);
        return r;
}

int nl_adopt(int fd, struct nl **ret)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        struct sockaddr_nl own = {0};
        socklen_t len = sizeof(own);

        if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
                return -errno;
        if (len != sizeof(own) || own.nl_family != AF_NETLINK || own.nl_pid == 0)
                return -EPROTOTYPE;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        nl = calloc(1, sizeof(*nl));
        if (!nl)
                return -ENOMEM;
        nl->fd = -1;
        nl->inbox = malloc(DATAGRAM_MAX);
        if (!nl->inbox)
                return -ENOMEM;
        nl->fd = fd;
        nl->port = own.nl_pid;
        *ret = TAKE_PTR(nl);
        return 0;
}

int nl_join(struct nl *nl, unsigned group)
{
        return setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno : 0;
}

struct nl *nl_close(struct nl *nl)
{
        if (!nl)
                return NULL;
        if (nl->fd >= 0)
                close(nl->fd);
        free(nl->inbox);
        free(nl);
        return NULL;
}

int nl_fd(const struct nl *nl)
{
        return nl->fd;
}

uint32_t nl_port(const struct nl *nl)
{
        return nl->port;
}

int nl_send(struct nl *nl, const void *msg, size_t len)
{
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

        return sendto(nl->fd, msg, len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno : 0;
}

/* mnl_nlmsg_ok compares as int: a length from 2 GiB on would pass, and the next message would be this one again. */
static bool fits(const struct nlmsghdr *h, int left)
{
        return mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (uint32_t)left;
}

static int tell_messages(struct nl *nl, size_t len, nl_cb cb, void *arg)
{
        const struct nlmsghdr *h = (const struct nlmsghdr *)nl->inbox;
        int left = (int)len, r = 1;

        for (; fits(h, left); h = mnl_nlmsg_next(h, &left)) {
                nl->stats.messages++;
                r = cb(h, arg);
                if (r < 0)
                        return r;
        }
        if (left > 0)
                nl->stats.malformed++;
        return 1;
}

int nl_recv(struct nl *nl, nl_cb cb, void *arg)
{
        struct sockaddr_nl from = {0};
        struct iovec iov = {.iov_base = nl->inbox, .iov_len = DATAGRAM_MAX};
        struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
        ssize_t len = recvmsg(nl_fd(nl), &m, MSG_DONTWAIT);

        if (len < 0) {
                if (errno == EAGAIN || errno == EINTR)
                        return 0;
                if (errno != ENOBUFS)
                        return -errno;
                nl->stats.overruns++;
                return ERR_OVERRUN;
        }
        nl->stats.datagrams++;
        if (m.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0) {
                nl->stats.forged++;
                return 1;
        }
        if (m.msg_flags & MSG_TRUNC) {
                nl->stats.truncated++;
                return 1;
        }
        return tell_messages(nl, (size_t)len, cb, arg);
}

struct talk {
        uint32_t seq;
        nl_cb cb;
        void *arg;
        bool over;
        int error;
};

static int on_talk(const struct nlmsghdr *h, void *arg)
{
        struct talk *t = arg;
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

        if (h->nlmsg_seq == t->seq && h->nlmsg_type == NLMSG_DONE) {
                t->over = true;
        } else if (h->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(h) >= sizeof(*e)) {
                t->over = t->over || h->nlmsg_seq == t->seq;
                t->error = t->error ? t->error : e->error; /* of a batch, the first that was refused */
        } else if (t->cb) {
                return t->cb(h, t->arg);
        }
        return 0;
}

int nl_talk(struct nl *nl, const void *msg, size_t len, uint32_t seq, int timeout_ms, nl_cb cb, void *arg)
{
        struct talk t = {.seq = seq, .cb = cb, .arg = arg};
        uint64_t deadline = clock_boot_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC, now;
        struct pollfd p = {.fd = nl->fd, .events = POLLIN};
        int r = nl_send(nl, msg, len);

        while (r >= 0 && !t.over) {
                r = nl_recv(nl, on_talk, &t);
                now = clock_boot_ns();
                if (r != 0)
                        continue;
                if (t.error) /* nothing more is there: an acknowledgement does not follow a refused batch */
                        break;
                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        return -errno;
        }
        return r < 0 ? r : t.error;
}

void nl_stats(const struct nl *nl, struct nl_stats *ret)
{
        *ret = nl->stats;
}
