/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the datagram by which it is tried whether connection tracking is on, and the helper for it. Must not: load it:
 * no netlink of netfilter's, no rule. Hands over: what the kernel counted.
 */
#include "tidemark/nstry.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tidemark/helper.h"

#define COUNT_PATH "/proc/sys/net/netfilter/nf_conntrack_count"

/* net/sysctl_net.c: net_ctl_header_lookup takes the reading task's namespace. */
static int64_t count(void)
{
        _cleanup_close_ int fd = open(COUNT_PATH, O_RDONLY | O_CLOEXEC);
        char text[32];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        return atoll(text);
}

static int switch_on(int fd)
{
        struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

        return ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
}

/* To itself: so nothing is refused. */
static int send_one(int fd)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(to);

        if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || getsockname(fd, (struct sockaddr *)&to, &len) < 0 ||
            sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
                return -errno;
        return 0;
}

int nstry_here(void)
{
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int64_t before = count(), after;
        int r = fd < 0 ? -errno : before < 0 ? (int)before : switch_on(fd);

        if (r == 0)
                r = send_one(fd);
        if (r < 0)
                return r;
        after = count();
        return after < 0 ? (int)after : after > before;
}

static int in_helper(int fd, void *arg)
{
        int r = unshare(CLONE_NEWNET) < 0 ? -errno : nstry_here();

        (void)arg;
        return send(fd, &r, sizeof(r), MSG_NOSIGNAL) == (ssize_t)sizeof(r) ? 0 : -EPIPE;
}

int nstry_everywhere(void)
{
        struct helper_stuck stuck = {{0}};
        int fd, answer, r;
        struct pollfd p;
        pid_t pid;

        r = helper_start("tidemark-try", HELPER_HAS_TIME, in_helper, NULL, NULL, 0, &fd, &pid);
        if (r < 0)
                return r;
        p = (struct pollfd){.fd = fd, .events = POLLIN};
        if (poll(&p, 1, NSTRY_MS) <= 0)
                r = -ETIMEDOUT;
        else if (recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) != (ssize_t)sizeof(answer))
                r = -EPIPE;
        else
                r = answer > 1 ? -EPROTO : answer;
        close(fd);
        if (r == -ETIMEDOUT) /* what it hangs in may take its time to let go of it */
                helper_leave(&stuck, &pid);
        else
                helper_end(&pid);
        return r;
}
