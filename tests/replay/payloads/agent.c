/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent HOST PORT [NAME [SECONDS]] - what an intruder brings along: takes another name, calls home, stays.
 * agent listen PORT [SECONDS]      - waits for whoever calls instead.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_to(const char *host, const char *port, int passive)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *to;
        int s, one = 1;

        hints.ai_flags = passive ? AI_PASSIVE : 0;
        if (getaddrinfo(passive ? NULL : host, port, &hints, &to))
                return -1;
        s = socket(to->ai_family, SOCK_STREAM, 0);
        if (s < 0)
                return -1;
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (passive)
                return bind(s, to->ai_addr, to->ai_addrlen) || listen(s, 5) ? -1 : s;
        return connect(s, to->ai_addr, to->ai_addrlen) ? -1 : s;
}

int main(int argc, char **argv)
{
        int passive = argc > 1 && strcmp(argv[1], "listen") == 0, s;
        char answer[256];

        if (argc < 3)
                return 2;
        if (!passive && argc > 3)
                prctl(PR_SET_NAME, argv[3]);
        s = open_to(argv[1], argv[2], passive);
        if (s < 0)
                return 1;
        if (!passive && (write(s, "hello\n", 6) != 6 || read(s, answer, sizeof(answer)) < 0))
                return 1;
        sleep((unsigned)atoi(argc > (passive ? 3 : 4) ? argv[passive ? 3 : 4] : "1"));
        return 0;
}
