/* SPDX-License-Identifier: GPL-2.0-or-later */
/* late PORT FILE - waits for one datagram at PORT, answers it when FILE is there, and stays. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        struct sockaddr_in own = {.sin_family = AF_INET}, from;
        socklen_t len = sizeof(from);
        int s = socket(AF_INET, SOCK_DGRAM, 0);
        char text[512];
        ssize_t n;

        if (argc != 3)
                return 2;
        own.sin_port = htons((unsigned short)atoi(argv[1]));
        if (bind(s, (struct sockaddr *)&own, sizeof(own)) < 0)
                return 1;
        n = recvfrom(s, text, sizeof(text), 0, (struct sockaddr *)&from, &len);
        while (access(argv[2], F_OK) < 0)
                usleep(10000);
        if (n < 0 || sendto(s, text, (size_t)n, 0, (struct sockaddr *)&from, len) < 0)
                return 1;
        pause();
        return 0;
}
