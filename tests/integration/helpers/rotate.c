/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rotate PATH HOW: make PATH, move it away and make it again in one go, as loggers do, and keep the new one open. HOW:
 * one, to PATH.1; or two, with PATH.1 moved to PATH.2 before. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        char one[4096], two[4096];

        if (argc != 3)
                return 2;
        snprintf(one, sizeof(one), "%s.1", argv[1]);
        snprintf(two, sizeof(two), "%s.2", argv[1]);
        close(open(argv[1], O_WRONLY | O_CREAT, 0644));
        close(open(one, O_WRONLY | O_CREAT, 0644));
        sleep(1); /* these are told */
        if (strcmp(argv[2], "two") == 0 && rename(one, two) < 0)
                return 1;
        if (rename(argv[1], one) < 0 || open(argv[1], O_WRONLY | O_CREAT | O_EXCL, 0644) < 0)
                return 1;
        printf("rotated\n");
        fflush(stdout);
        pause();
        return 0;
}
