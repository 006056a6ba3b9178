/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fixture - files of tests/fixtures, read whole. A fixture that is missing fails the test that wants it. */
#ifndef TIDEMARK_TESTS_FIXTURE_H
#define TIDEMARK_TESTS_FIXTURE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* TOP_SRCDIR is set by make check; a program started by hand in the source tree does without. */
static inline const char *fixture_path(const char *name, char path[512])
{
        const char *top = getenv("TOP_SRCDIR");

        snprintf(path, 512, "%s/tests/fixtures/%s", top ? top : ".", name);
        return path;
}

static inline int fixture_open(const char *name)
{
        char path[512];

        return open(fixture_path(name, path), O_RDONLY | O_CLOEXEC);
}

/* Heap, NUL-terminated; NULL when it is not there. */
static inline uint8_t *fixture_read(const char *name, size_t *ret_len)
{
        int fd = fixture_open(name);
        uint8_t *p = NULL;
        struct stat st;

        if (fd < 0)
                return NULL;
        if (fstat(fd, &st) == 0 && (p = malloc((size_t)st.st_size + 1)) != NULL) {
                if (read(fd, p, (size_t)st.st_size) != st.st_size) {
                        free(p);
                        p = NULL;
                } else {
                        p[st.st_size] = 0;
                        *ret_len = (size_t)st.st_size;
                }
        }
        close(fd);
        return p;
}

#endif
