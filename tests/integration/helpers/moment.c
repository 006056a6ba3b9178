/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moment: processes that live for a moment, one after another, each with a number of its own.
 *
 *     moment runs N              N times: run oneself with the words "noop nI"
 *     moment calls N ADDR PORT   N times: run oneself with the words "call ADDR PORT nI": one connect(2), and the end
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int call(const char *address, const char *port)
{
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)atoi(port))};
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
        int is_four = inet_pton(AF_INET, address, &four.sin_addr) == 1;
        int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM, 0);

        if (!is_four && inet_pton(AF_INET6, address, &six.sin6_addr) != 1)
                return 2;
        return connect(fd, is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six,
                       is_four ? sizeof(four) : sizeof(six)) < 0;
}

int main(int argc, char **argv)
{
        char number[16];
        int n = argc > 2 ? atoi(argv[2]) : 0;

        if (argc > 1 && strcmp(argv[1], "noop") == 0)
                return 0;
        if (argc > 3 && strcmp(argv[1], "call") == 0)
                return call(argv[2], argv[3]);
        for (int i = 0; i < n; i++) {
                pid_t pid = fork();

                snprintf(number, sizeof(number), "n%d", i);
                if (pid == 0 && argc > 4)
                        execl("/bin/moment", "moment", "call", argv[3], argv[4], number, (char *)NULL);
                if (pid == 0) {
                        execl("/bin/moment", "moment", "noop", number, (char *)NULL);
                        _exit(127);
                }
                waitpid(pid, NULL, 0);
        }
        return 0;
}
