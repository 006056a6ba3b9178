/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * selfname SERVER NAME ADDRESS - ask SERVER for NAME, and answer it at once with ADDRESS, as if SERVER had: by a raw
 * packet to our own address, which goes by the loopback interface. Then wait for the server's own answer; "answered"
 * and 0 when both came.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ID 0x7469

static size_t put_question(const char *name, uint8_t *p)
{
        size_t len = 0;

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

static size_t message(const char *name, const struct in_addr *address, uint8_t *p)
{
        uint8_t head[12] = {ID >> 8, ID & 255, 1, 0, 0, 1};
        size_t len;

        if (address) {
                head[2] = 0x81;
                head[3] = 0x80;
                head[7] = 1;
        }
        memcpy(p, head, sizeof(head));
        len = sizeof(head) + put_question(name, p + sizeof(head));
        if (!address)
                return len;
        memcpy(p + len, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
        memcpy(p + len + 12, address, 4);
        return len + 16;
}

int main(int argc, char **argv)
{
        struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)}, own = {0};
        struct pollfd p = {.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
        int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), answers = 0;
        uint8_t query[600], packet[700] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, IPPROTO_UDP}, answer[600];
        socklen_t size = sizeof(own);
        struct in_addr address;
        size_t len;

        if (argc != 4 || strlen(argv[2]) > 250 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 ||
            inet_pton(AF_INET, argv[3], &address) != 1)
                return 2;
        if (raw < 0 || connect(p.fd, (struct sockaddr *)&server, sizeof(server)) < 0 ||
            getsockname(p.fd, (struct sockaddr *)&own, &size) < 0) {
                perror("socket");
                return 3;
        }
        len = message(argv[2], &address, packet + 28);
        memcpy(packet + 12, &server.sin_addr, 4);
        memcpy(packet + 16, &own.sin_addr, 4);
        memcpy(packet + 20, &server.sin_port, 2);
        memcpy(packet + 22, &own.sin_port, 2);
        packet[24] = (uint8_t)((len + 8) >> 8);
        packet[25] = (uint8_t)(len + 8);
        if (send(p.fd, query, message(argv[2], NULL, query), 0) < 0 ||
            sendto(raw, packet, len + 28, 0, (struct sockaddr *)&own, sizeof(own)) < 0) {
                perror("send");
                return 3;
        }
        while (answers < 2 && poll(&p, 1, 5000) == 1 && recv(p.fd, answer, sizeof(answer), 0) > 0)
                answers++;
        printf("%s\n", answers == 2 ? "answered" : "an answer is missing");
        return answers != 2;
}
