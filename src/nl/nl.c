/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: a netlink socket and what is believed from it: whole datagrams of the kernel, with lengths that fit. Must not:
 * know any family. Hands over: each message to the caller's function.
 */
#include "tidemark/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "tidemark/err.h"

#define DATAGRAM_MAX (64u * 1024) /* the kernel's own limit of one is 32 KiB: af_netlink.c */

struct nl {
        struct mnl_socket *sock;
        struct nl_stats stats;
        uint8_t *inbox;
};

static int set_up(struct nl *nl, uint32_t groups, int rcvbuf)
{
        int fd = mnl_socket_get_fd(nl->sock);

        /* libmnl 1.0.3 has no mnl_socket_open2(). */
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        if (rcvbuf > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) < 0 &&
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0)
                return -errno;
        return mnl_socket_bind(nl->sock, groups, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

int nl_open(int bus, uint32_t groups, int rcvbuf, struct nl **ret)
{
        _cleanup_(nl_closep) struct nl *nl = calloc(1, sizeof(*nl));
        int r;

        if (!nl)
                return -ENOMEM;
        nl->inbox = malloc(DATAGRAM_MAX);
        if (!nl->inbox)
                return -ENOMEM;
        nl->sock = mnl_socket_open(bus);
        if (!nl->sock)
                return -errno;
        r = set_up(nl, groups, rcvbuf);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(nl);
        return 0;
}

struct nl *nl_close(struct nl *nl)
{
        if (!nl)
                return NULL;
        if (nl->sock)
                mnl_socket_close(nl->sock);
        free(nl->inbox);
        free(nl);
        return NULL;
}

int nl_fd(const struct nl *nl)
{
        return mnl_socket_get_fd(nl->sock);
}

int nl_send(struct nl *nl, const void *msg, size_t len)
{
        return mnl_socket_sendto(nl->sock, msg, len) < 0 ? -errno : 0;
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

void nl_stats(const struct nl *nl, struct nl_stats *ret)
{
        *ret = nl->stats;
}
