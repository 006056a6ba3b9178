/* SPDX-License-Identifier: GPL-2.0-or-later */
/* asks SERVER NAME TIMES - so many queries for an address, as fast as answers come; says how many were answered. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AHEAD 32 /* queries without their answer */

static size_t query(unsigned id, const char *name, uint8_t *p)
{
        const uint8_t head[12] = {(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1};
        size_t len = sizeof(head);

        memcpy(p, head, sizeof(head));
        while (*name) {
                size_t n = strcspn(name, ".");

                p[len++] = (uint8_t)n;
                memcpy(p + len, name, n);
                len += n;
                name += n + (name[n] == '.');
        }
        memcpy(p + len, "\0\0\1\0\1", 5);
        return len + 5;
}

int main(int argc, char **argv)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
        struct pollfd p = {.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
        uint8_t packet[600], answer[600];
        int times, sent = 0, answered = 0, missed = 0;

        if (argc != 4 || strlen(argv[2]) > 250 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
            connect(p.fd, (struct sockaddr *)&to, sizeof(to)) < 0)
                return 2;
        times = atoi(argv[3]);
        while (answered + missed < times) {
                while (sent < times && sent < answered + missed + AHEAD) {
                        size_t len = query((unsigned)sent++, argv[2], packet);

                        if (send(p.fd, packet, len, 0) < 0)
                                return 1;
                }
                if (poll(&p, 1, 1000) == 1 && recv(p.fd, answer, sizeof(answer), 0) > 0)
                        answered++;
                else
                        missed++;
        }
        printf("%d answered\n", answered);
        return 0;
}
