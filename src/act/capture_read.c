/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how small files are read, and how it is known that a process is still the same. Must not: open what a
 * container has named. Hands over: bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define STEP 65536u
#define STAT_MAX 4096u

bool capture_late(const struct capture_run *r)
{
        return clock_boot_ns() >= r->end_ns;
}

bool capture_volatile_late(const struct capture_run *r)
{
        return clock_boot_ns() >= r->volatile_end_ns;
}

int capture_read(const char *path, size_t max, struct buf *out)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        uint8_t block[STEP];
        size_t sum = 0;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n = read(fd, block, sizeof(block));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                if ((size_t)n > max - sum)
                        n = (ssize_t)(max - sum);
                buf_put(out, block, (size_t)n);
                sum += (size_t)n;
                if (out->err == ERR_LIMIT) {
                        out->err = 0;
                        return 1;
                }
                if (out->err)
                        return out->err;
                if (sum == max)
                        return 1;
        }
}

/* Field 22 of proc(5)'s stat: behind the name, which may hold anything, the fields are numbers. */
uint64_t capture_start_of(uint32_t pid)
{
        _cleanup_buf_ struct buf b;
        char path[64];
        const char *at;

        buf_init(&b, STAT_MAX);
        snprintf(path, sizeof(path), "/proc/%u/stat", pid);
        if (capture_read(path, STAT_MAX, &b) < 0)
                return 0;
        at = strrchr(buf_cstr(&b), ')');
        for (int i = 2; at && i < 22; i++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at + 1, NULL, 10) : 0;
}

bool capture_is(uint32_t pid, uint64_t start)
{
        return start != 0 && capture_start_of(pid) == start;
}

uint64_t capture_ns(uint32_t pid, const char *name)
{
        char path[64], text[64], *at;
        ssize_t n;

        if (pid)
                snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, name);
        else
                snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
        n = readlink(path, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = '\0';
        at = strchr(text, '[');
        return at ? strtoull(at + 1, NULL, 10) : 0;
}
