/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener PID DIR...: reads the same kernel interfaces as the sensor and does nothing with what it reads: the proc
 * connector; contents and executions of the root of process PID (file system mark, else mount mark); names in each DIR.
 * What watching costs at least. Prints "ready", then, at SIGTERM, how much it read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tidemark/compat.h"
#include "tidemark/names_source.h"

static volatile sig_atomic_t over;

static void on_term(int sig)
{
        (void)sig;
        over = 1;
}

static void die(const char *what)
{
        fprintf(stderr, "listener: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static int proc_open(void)
{
        struct {
                struct nlmsghdr h;
                struct cn_msg cn;
                enum proc_cn_mcast_op op;
        } __attribute__((packed, aligned(NLMSG_ALIGNTO))) m = {
                .h = {.nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_DONE},
                .cn = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof(m.op)},
                .op = PROC_CN_MCAST_LISTEN};
        struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
        int size = 4 << 20, fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_CONNECTOR);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
            bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || send(fd, &m, sizeof(m), 0) < 0)
                die("the proc connector");
        return fd;
}

static int content_open(const char *pid)
{
        int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC | O_LARGEFILE);
        uint64_t mask = FAN_CLOSE_WRITE | FAN_OPEN_EXEC;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%s/root/.", pid);
        if (fd < 0 || (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, path) < 0 &&
                       fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, mask, AT_FDCWD, path) < 0))
                die(path);
        return fd;
}

static int names_open(char **dirs)
{
        int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DIR_FID | FAN_REPORT_NAME,
                               O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die("fanotify with names");
        for (; *dirs; dirs++)
                if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, NAMES_MASK, AT_FDCWD, *dirs) < 0)
                        die(*dirs);
        return fd;
}

static uint64_t read_events(int fd)
{
        union {
                struct fanotify_event_metadata align;
                uint8_t b[8192];
        } in;
        struct fanotify_event_metadata *m;
        uint64_t n = 0;
        ssize_t len;

        while ((len = read(fd, in.b, sizeof(in.b))) > 0)
                for (m = &in.align; FAN_EVENT_OK(m, len); m = FAN_EVENT_NEXT(m, len)) {
                        if (m->fd >= 0)
                                close(m->fd);
                        n++;
                }
        return n;
}

int main(int argc, char **argv)
{
        struct sigaction sa = {.sa_handler = on_term};
        uint64_t n[3] = {0};
        struct pollfd p[3];
        char message[4096];

        if (argc < 2) {
                fprintf(stderr, "usage: listener PID DIR...\n");
                return 2;
        }
        sigaction(SIGTERM, &sa, NULL);
        p[0] = (struct pollfd){.fd = proc_open(), .events = POLLIN};
        p[1] = (struct pollfd){.fd = content_open(argv[1]), .events = POLLIN};
        p[2] = (struct pollfd){.fd = names_open(argv + 2), .events = POLLIN};
        puts("ready");
        fflush(stdout);
        while (!over) {
                if (poll(p, 3, -1) < 0)
                        continue;
                while (recv(p[0].fd, message, sizeof(message), 0) > 0)
                        n[0]++;
                n[1] += read_events(p[1].fd);
                n[2] += read_events(p[2].fd);
        }
        printf("{\"processes\": %llu, \"contents\": %llu, \"names\": %llu}\n", (unsigned long long)n[0],
               (unsigned long long)n[1], (unsigned long long)n[2]);
        return 0;
}
