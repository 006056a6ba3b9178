/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the datagram socket to the service manager. Must not: wait for it. Hands over: nothing. */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct notify {
        int fd; /* -1: nobody listens */
        struct sockaddr_un to;
        socklen_t len;
        uint64_t watchdog_ns;
};

static int open_socket(struct notify *n, const char *path)
{
        size_t len = strlen(path);

        if (len < 2 || len >= sizeof(n->to.sun_path) || (path[0] != '/' && path[0] != '@'))
                return -EINVAL;
        n->to.sun_family = AF_UNIX;
        memcpy(n->to.sun_path, path, len);
        if (path[0] == '@') /* abstract: unix(7) */
                n->to.sun_path[0] = '\0';
        n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return n->fd < 0 ? -errno : 0;
}

static uint64_t read_watchdog(void)
{
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

        if (!usec || (pid && strtoll(pid, NULL, 10) != (long long)getpid()))
                return 0;
        return strtoull(usec, NULL, 10) * 1000;
}

int notify_open(struct notify **ret)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct notify *n = calloc(1, sizeof(*n));
        int r = 0;

        if (!n)
                return -ENOMEM;
        n->fd = -1;
        if (path && *path)
                r = open_socket(n, path);
        if (r < 0) {
                free(n);
                return r;
        }
        if (n->fd >= 0)
                n->watchdog_ns = read_watchdog();
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        *ret = n;
        return 0;
}

struct notify *notify_close(struct notify *n)
{
        if (!n)
                return NULL;
        if (n->fd >= 0)
                close(n->fd);
        free(n);
        return NULL;
}

void notify_send(struct notify *n, const char *text)
{
        if (n->fd >= 0 && sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&n->to, n->len) < 0)
                return; /* the manager is gone or full: it will act by its own time-outs */
}

uint64_t notify_watchdog_ns(const struct notify *n)
{
        return n->watchdog_ns;
}
