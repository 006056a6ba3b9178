/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forge FILE      - change the last byte of a file and put its times back
 * forge open FILE - open it for writing, and write nothing
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        const char *path = argc > 1 ? argv[argc - 1] : "";
        struct stat st;
        unsigned char byte;
        int fd;

        if (stat(path, &st) < 0 || (fd = open(path, O_RDWR)) < 0) {
                perror("forge");
                return 1;
        }
        if (argc == 3 && strcmp(argv[1], "open") == 0)
                return 0;
        if (pread(fd, &byte, 1, st.st_size - 1) != 1)
                return 1;
        byte ^= 1;
        if (pwrite(fd, &byte, 1, st.st_size - 1) != 1)
                return 1;
        return futimens(fd, (struct timespec[2]){st.st_atim, st.st_mtim}) < 0;
}
