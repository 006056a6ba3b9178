/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pidmix NAME N: run /bin/leaf-NAME N times, four at once, as "leaf-NAME NAME-0", "leaf-NAME NAME-1", ...: processes so
 * short that on a host with few pids each pid is reused at once. With one argument: the leaf, which ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        char path[64], word[64];
        int running = 0;

        if (argc != 3)
                return 0;
        snprintf(path, sizeof(path), "/bin/leaf-%s", argv[1]);
        for (int i = 0; i < atoi(argv[2]);) {
                pid_t pid = fork();

                if (pid == 0) {
                        snprintf(word, sizeof(word), "%s-%d", argv[1], i);
                        execl(path, path + 5, word, (char *)NULL);
                        _exit(1);
                }
                running += pid > 0;
                i += pid > 0; /* no pid is free: as soon as one is */
                while (running > 0 && (running >= 4 || pid < 0)) {
                        running -= waitpid(-1, NULL, 0) > 0;
                        pid = 0;
                }
        }
        while (wait(NULL) > 0)
                ;
        return 0;
}
