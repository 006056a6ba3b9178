/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netplace - a network namespace with a process in it that connects and sends when it is told to. The process ends with
 * the test. Needs root; without, netplace_open says so, and the test fails only where TIDEMARK_REQUIRE_KERNEL is set.
 */
#ifndef TIDEMARK_TESTS_NETPLACE_H
#define TIDEMARK_TESTS_NETPLACE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct netplace {
        pid_t pid;
        int ns, home, talk;
};

enum netplace_do {
        NETPLACE_CONNECT = 'c', /* TCP to a port of loopback where nobody listens */
        NETPLACE_UDP = 'u',     /* one query to 127.0.0.1:53, and its answer from there */
        NETPLACE_TCP = 't',     /* the same over TCP */
        NETPLACE_FLOOD = 'f',   /* 8000 packets to port 53 */
};
#define NETPLACE_QUERY "a query of the name service"
#define NETPLACE_ANSWER "and what was answered"

static inline struct sockaddr_in netplace_port(uint16_t port)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return a;
}

static inline bool netplace_up(void)
{
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct ifreq lo = {.ifr_name = "lo"};
        bool ok;

        lo.ifr_flags = IFF_UP;
        ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
        close(fd);
        return ok;
}

static inline bool netplace_connect(void)
{
        struct sockaddr_in to = netplace_port(9);
        int fd = socket(AF_INET, SOCK_STREAM, 0), r = connect(fd, (struct sockaddr *)&to, sizeof(to));

        close(fd);
        return r < 0;
}

static inline bool netplace_say(int fd, const char *text, const struct sockaddr_in *to)
{
        return sendto(fd, text, strlen(text), 0, (const struct sockaddr *)to, sizeof(*to)) > 0;
}

static inline bool netplace_udp(void)
{
        struct sockaddr_in server = netplace_port(53), client = netplace_port(40053);
        int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
        char text[64];
        bool ok = bind(s, (struct sockaddr *)&server, sizeof(server)) == 0 &&
                  bind(c, (struct sockaddr *)&client, sizeof(client)) == 0 &&
                  netplace_say(c, NETPLACE_QUERY, &server) && recv(s, text, sizeof(text), 0) > 0 &&
                  netplace_say(s, NETPLACE_ANSWER, &client) && recv(c, text, sizeof(text), 0) > 0;

        close(s);
        close(c);
        return ok;
}

static inline bool netplace_tcp(void)
{
        struct sockaddr_in server = netplace_port(53);
        int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s = -1, on = 1;
        char text[64];
        bool ok = setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                  bind(l, (struct sockaddr *)&server, sizeof(server)) == 0 && listen(l, 1) == 0 &&
                  connect(c, (struct sockaddr *)&server, sizeof(server)) == 0 && (s = accept(l, NULL, NULL)) >= 0 &&
                  send(c, NETPLACE_QUERY, sizeof(NETPLACE_QUERY), 0) > 0 && recv(s, text, sizeof(text), 0) > 0 &&
                  send(s, NETPLACE_ANSWER, sizeof(NETPLACE_ANSWER), 0) > 0 && recv(c, text, sizeof(text), 0) > 0;

        close(s);
        close(c);
        close(l);
        return ok;
}

static inline bool netplace_flood(void)
{
        struct sockaddr_in to = netplace_port(53);
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        for (int i = 0; i < 8000; i++)
                (void)!sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)); /* refused by nobody's listening */
        close(fd);
        return true;
}

static inline int netplace_live(int talk, int more)
{
        char what, ok = unshare(CLONE_NEWNET | more) == 0 && netplace_up();

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (send(talk, &ok, 1, MSG_NOSIGNAL) == 1 && recv(talk, &what, 1, 0) == 1)
                ok = what == NETPLACE_CONNECT ? netplace_connect()
                     : what == NETPLACE_UDP   ? netplace_udp()
                     : what == NETPLACE_TCP   ? netplace_tcp()
                                              : netplace_flood();
        return 0;
}

/* It has done it: true if it could. */
static inline bool netplace_done(const struct netplace *p)
{
        char ok = 0;

        return recv(p->talk, &ok, 1, 0) == 1 && ok;
}

static inline bool netplace_do(const struct netplace *p, char what)
{
        return send(p->talk, &what, 1, MSG_NOSIGNAL) == 1 && netplace_done(p);
}

/* more: CLONE_NEWUSER, for a namespace as a container of a user without rights has it; or 0. */
static inline bool netplace_open(struct netplace *p, int more)
{
        char path[64];
        int sv[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
                return false;
        p->pid = fork();
        if (p->pid == 0) {
                close(sv[0]);
                _exit(netplace_live(sv[1], more));
        }
        close(sv[1]);
        p->talk = sv[0];
        snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)p->pid);
        p->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (netplace_done(p)) {
                p->ns = open(path, O_RDONLY | O_CLOEXEC);
                return p->ns >= 0;
        }
        p->ns = -1;
        return false;
}

static inline void netplace_close(struct netplace *p)
{
        close(p->talk);
        close(p->home);
        if (p->ns >= 0)
                close(p->ns);
        waitpid(p->pid, NULL, 0);
}

/* This process goes there, and comes home. */
static inline bool netplace_enter(const struct netplace *p)
{
        return setns(p->ns, CLONE_NEWNET) == 0;
}

static inline bool netplace_leave(const struct netplace *p)
{
        return setns(p->home, CLONE_NEWNET) == 0;
}

#endif
