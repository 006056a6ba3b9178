/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: nothing. Reads only our own processes' files in /proc. Hands over: one number for status. */
#include "daemon/memory.h"

#include <stdio.h>

static FILE *open_maps(pid_t pid, const char *file)
{
        char path[64];

        if (pid == 0)
                snprintf(path, sizeof(path), "/proc/self/%s", file);
        else
                snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
        return fopen(path, "re");
}

uint64_t memory_pss_kib(pid_t pid)
{
        FILE *in = open_maps(pid, "smaps_rollup"); /* Linux 4.14 */
        unsigned long long kib;
        uint64_t sum = 0;
        char line[512];

        if (!in)
                in = open_maps(pid, "smaps");
        if (!in)
                return 0;
        while (fgets(line, sizeof(line), in))
                if (sscanf(line, "Pss: %llu kB", &kib) == 1)
                        sum += kib;
        fclose(in);
        return sum;
}
