/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hangargs FILE MADE: become a process whose memory's lock is held for as long as FILE's FUSE server answers nothing,
 * so that whoever reads its /proc/PID/cmdline waits. MADE is made when the files are open; when MADE.go exists (and the
 * server is silent), one process waits for a page of FILE, and this one for that page within mmap(2).
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        char go[4096], byte;
        int plain, direct;

        if (argc != 3)
                return 2;
        plain = open(argv[1], O_RDONLY);
        direct = open(argv[1], O_RDONLY | O_SYNC);
        if (plain < 0 || direct < 0 || creat(argv[2], 0644) < 0) {
                perror(argv[1]);
                return 1;
        }
        snprintf(go, sizeof(go), "%s.go", argv[2]);
        while (access(go, F_OK) < 0)
                usleep(5000);
        if (fork() == 0) {
                if (pread(plain, &byte, 1, 0) < 0)
                        return 1;
                return 0;
        }
        usleep(50000);
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, direct, 0);
        for (;;)
                pause();
}
