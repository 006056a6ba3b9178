/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drops N DIR LOG: N times, every 20 ms: copy itself to DIR/drop-I and run that, which notes its path and the time of
 * its first deed (CLOCK_BOOTTIME, ns) in LOG. For bench_latency.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int noted(const char *path, const char *log)
{
        struct timespec t;
        char line[300];
        int n, fd;

        clock_gettime(CLOCK_BOOTTIME, &t);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        n = snprintf(line, sizeof(line), "%s %lld\n", path, (long long)t.tv_sec * 1000000000LL + t.tv_nsec);
        return fd >= 0 && write(fd, line, (size_t)n) == n ? 0 : 1;
}

static int drop(const char *path, const char *log)
{
        int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_CREAT | O_EXCL | O_WRONLY, 0755);
        struct stat st;
        pid_t pid;

        if (from < 0 || to < 0 || fstat(from, &st) < 0 || sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size)
                return 1;
        close(from);
        close(to);
        pid = fork();
        if (pid == 0) {
                execl(path, path, "note", log, (char *)NULL);
                _exit(127);
        }
        return pid < 0 || waitpid(pid, NULL, 0) != pid;
}

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "note") == 0)
                return noted(argv[0], argv[2]);
        if (argc != 4)
                return 2;
        for (int i = 0; i < atoi(argv[1]); i++) {
                char path[256];

                snprintf(path, sizeof(path), "%s/drop-%d", argv[2], i);
                if (drop(path, argv[3]))
                        return 1;
                usleep(20000);
        }
        return 0;
}
