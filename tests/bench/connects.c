/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connects refused|accepted N: so many TCP connections over loopback, one after the other, to a port where nobody
 * listens, or to this process itself, which accepts and closes each. Prints {"seconds": …, "cpu": …, "done": …}: the
 * clock, and the processor time that it took itself, which other work on the machine hardly changes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool once(const struct sockaddr_in *to, int listener)
{
        int c = socket(AF_INET, SOCK_STREAM, 0), s = -1, r = connect(c, (const struct sockaddr *)to, sizeof(*to));
        bool ok = listener < 0 ? r < 0 && errno == ECONNREFUSED : r == 0 && (s = accept(listener, NULL, NULL)) >= 0;

        if (s >= 0)
                close(s);
        close(c);
        return ok;
}

static double cpu(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
        int n = argc == 3 ? atoi(argv[2]) : 0, done = 0, listener = -1, on = 1;
        double began, used;

        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (n == 0)
                return 2;
        if (strcmp(argv[1], "accepted") == 0) {
                to.sin_port = htons(9999);
                listener = socket(AF_INET, SOCK_STREAM, 0);
                if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                    bind(listener, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(listener, 16) < 0)
                        return 1;
        }
        began = now();
        used = cpu();
        for (int i = 0; i < n; i++)
                done += once(&to, listener);
        printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"done\": %d}\n", now() - began, cpu() - used, done);
        return done == n ? 0 : 1;
}
