/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connects PROTO ADDRESS PORT COUNT [HOLD_US [PAUSE_US]] - opens COUNT flows to ADDRESS, one after the other, each from
 * a port of its own: tcp connects, sends a byte and closes after HOLD_US; udp sends one. "tcp-range" and "udp-range" go
 * to PORT, PORT + 1, … instead. Prints how many were begun and how many connects were answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        struct sockaddr_storage to = {0};
        struct sockaddr_in *four = (struct sockaddr_in *)&to;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&to;
        long count, hold = argc > 5 ? atol(argv[5]) : 0, rest = argc > 6 ? atol(argv[6]) : 0, begun = 0, answered = 0;
        int stream, range, is_six;

        if (argc < 5)
                return 2;
        stream = strncmp(argv[1], "tcp", 3) == 0;
        range = strstr(argv[1], "-range") != NULL;
        is_six = inet_pton(AF_INET6, argv[2], &six->sin6_addr) == 1;
        to.ss_family = is_six ? AF_INET6 : AF_INET;
        if (!is_six && inet_pton(AF_INET, argv[2], &four->sin_addr) != 1)
                return 2;
        count = atol(argv[4]);
        for (long i = 0; i < count; i++) {
                int fd = socket(to.ss_family, stream ? SOCK_STREAM : SOCK_DGRAM, 0), r;
                unsigned short port = htons((unsigned short)(atol(argv[3]) + (range ? i : 0)));

                if (fd < 0)
                        break;
                if (is_six)
                        six->sin6_port = port;
                else
                        four->sin_port = port;
                r = connect(fd, (struct sockaddr *)&to, is_six ? sizeof(*six) : sizeof(*four));
                begun += r == 0 || errno == ECONNREFUSED;
                answered += r == 0;
                if (r == 0 && write(fd, "x", 1) < 0)
                        begun -= !stream;
                if (hold)
                        usleep((useconds_t)hold);
                close(fd);
                if (rest)
                        usleep((useconds_t)rest);
        }
        printf("%ld %ld\n", begun, answered);
        return 0;
}
