/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * call tcp|udp HOST PORT [MILLISECONDS [TIMES]] - connect, say a line, print what comes back, stay connected for so
 * long, end; so many times. HOST: a name too. Says "failed: WHY" where it cannot.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 10000

static int fail(const char *why)
{
        printf("failed: %s\n", why);
        return 1;
}

static int once(const struct addrinfo *to, int ms)
{
        static const char line[] = "GET / HTTP/1.0\r\n\r\n";
        char answer[4096];
        int s = socket(to->ai_family, to->ai_socktype, 0);
        struct pollfd p = {.fd = s, .events = POLLIN};
        ssize_t n;

        if (s < 0 || connect(s, to->ai_addr, to->ai_addrlen) < 0 || send(s, line, sizeof(line) - 1, 0) < 0)
                return fail(strerror(errno));
        if (poll(&p, 1, WAIT_MS) != 1)
                return fail("no answer");
        n = recv(s, answer, sizeof(answer), 0);
        if (n < 0)
                return fail(strerror(errno));
        fwrite(answer, 1, (size_t)n, stdout);
        usleep((useconds_t)ms * 1000);
        close(s);
        return 0;
}

int main(int argc, char **argv)
{
        struct addrinfo hints = {0}, *to;
        int ms = argc > 4 ? atoi(argv[4]) : 0, times = argc > 5 ? atoi(argv[5]) : 1, r;

        if (argc < 4)
                return fail("call tcp|udp HOST PORT [MILLISECONDS [TIMES]]");
        hints.ai_socktype = strcmp(argv[1], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
        r = getaddrinfo(argv[2], argv[3], &hints, &to);
        if (r)
                return fail(gai_strerror(r));
        for (r = 0; times > 0 && r == 0; times--)
                r = once(to, ms);
        return r;
}
