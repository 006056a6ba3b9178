/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the form of a line on standard error, and the promise never to wait for its reader. Must not: print bytes that
 * a container chose, unless they went through str_print.
 */
#include "tidemark/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The one piece of state of its kind, set once: every line needs it, and no caller should have to carry it. */
static struct {
        enum log_level max;
        char process[16];
        uint64_t dropped;
} self = {.max = LOG_LVL_INFO, .process = "tidemark"};

void log_setup(enum log_level max, const char *process)
{
        self.max = max;
        snprintf(self.process, sizeof(self.process), "%s", process);
}

uint64_t log_dropped(void)
{
        return self.dropped;
}

void log_line(enum log_level level, const char *module, const char *fmt, ...)
{
        static const char *const words[] = {"error", "warning", "info", "debug"};
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        char line[1024];
        va_list ap;
        size_t n;

        if (level > self.max)
                return;
        n = (size_t)snprintf(line, sizeof(line), "tidemarkd[%s] %s: %s: ", self.process, words[level], module);
        va_start(ap, fmt);
        vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
        va_end(ap);
        n = strlen(line);
        line[n++] = '\n';
        /* A pipe that polls writable takes PIPE_BUF (4096) bytes at once: pipe(7). */
        if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || write(STDERR_FILENO, line, n) != (ssize_t)n)
                self.dropped++;
}
