/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how descriptors travel in a datagram. Must not: know what they are. Hands over: each to exactly one owner, or
 * closed.
 */
#include "tidemark/passfd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
        char space[CMSG_SPACE(PASSFD_MAX * sizeof(int))];
        struct cmsghdr align;
};

int passfd_send(int sock, const void *p, size_t len, const int *fds, size_t nfds, int flags)
{
        union control control;
        struct iovec iov = {.iov_base = (void *)p, .iov_len = len};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        struct cmsghdr *c;

        if (nfds > PASSFD_MAX)
                return -EINVAL;
        if (nfds) {
                memset(&control, 0, sizeof(control));
                m.msg_control = control.space;
                m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
                c = CMSG_FIRSTHDR(&m);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
                memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
        }
        return sendmsg(sock, &m, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* All that came; the kernel gives no more than there was space for. */
static size_t collect(struct msghdr *m, int all[PASSFD_MAX])
{
        size_t n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; n < PASSFD_MAX && CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++)
                        memcpy(&all[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
        return n;
}

ssize_t passfd_recv(int sock, void *p, size_t size, int *fds, size_t max, size_t *ret_n, int flags)
{
        union control control;
        struct iovec iov = {.iov_base = p, .iov_len = size};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = sizeof(control.space)};
        ssize_t len = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
        int all[PASSFD_MAX];
        size_t n;

        if (len < 0)
                return -errno;
        n = collect(&m, all);
        if (n > max || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
                while (n > 0)
                        close(all[--n]);
                return -EMSGSIZE;
        }
        memcpy(fds, all, n * sizeof(int));
        *ret_n = n;
        return len;
}
