/* SPDX-License-Identifier: GPL-2.0-or-later */
/* many N: run /bin/true N times, one after another, each with its number as argument: as short-lived as processes get.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        int n = argc > 1 ? atoi(argv[1]) : 1;
        char number[16];

        for (int i = 0; i < n; i++) {
                pid_t pid = fork();

                if (pid == 0) {
                        snprintf(number, sizeof(number), "n%d", i);
                        execl("/bin/true", "true", number, (char *)NULL);
                        _exit(1);
                }
                waitpid(pid, NULL, 0);
        }
        return 0;
}
