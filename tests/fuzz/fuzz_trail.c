/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a trail, in two files where a NUL stands between: refused with words, or taken. What is taken can be
 * written to; a chain that was whole stays so, and one that was not is not mended by it. The same bytes as a line of an
 * audit log: a checkpoint, or none.
 */
#include <errno.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/trail.h"

static char dir[] = "/tmp/tidemark-fuzz-trail-XXXXXX", path[64], older[96];

static void leave(void)
{
        unlink(path);
        unlink(older);
        rmdir(dir);
}

static void put_file(const char *name, const uint8_t *data, size_t size)
{
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, data, size) != (ssize_t)size)
                exit(EXIT_FAILURE);
        close(fd);
}

static void put(const uint8_t *data, size_t size)
{
        const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
        size_t first = nul ? (size_t)(nul - data) : 0;

        if (!path[0]) {
                if (!mkdtemp(dir))
                        exit(EXIT_FAILURE);
                snprintf(path, sizeof(path), "%s/trail.jsonl", dir);
                snprintf(older, sizeof(older), "%s/trail-000000000001.jsonl", dir);
                atexit(leave);
        }
        unlink(older);
        if (nul)
                put_file(older, data, first);
        put_file(path, nul ? nul + 1 : data, nul ? size - first - 1 : size);
}

static int verify(uint64_t *ret_n)
{
        struct trail_verdict v;
        int r = trail_verify(dir, NULL, NULL, NULL, &v);

        if (r < 0 && r != -ENOENT)
                abort();
        if (r < 0)
                return r;
        if (v.wrong && (!v.words[0] || v.n == 0))
                abort();
        *ret_n = v.wrong ? v.n : v.last;
        return v.wrong ? -EUCLEAN : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct trail_entry e = {.kind = "asked", .command = 1, .text = {data, size < 200 ? (uint32_t)size : 200}};
        struct trail_checkpoint c;
        struct trail_file *f = NULL;
        const char *why = NULL;
        uint64_t before = 0, after = 0, n = 0;
        bool whole;
        int r;

        if (trail_checkpoint_parse(bytes_of(data, size), "i1", &c) && (c.n == 0 || strlen(c.hash) != TRAIL_HASH))
                abort();
        put(data, size);
        whole = verify(&before) == 0;
        r = trail_file_open(dir, NULL, &f, &why);
        if (r < 0) {
                if (whole || !why || !*why)
                        abort();
                return 0;
        }
        if (trail_file_append(f, &e, &n) < 0 || n == 0)
                abort();
        trail_file_close(f);
        r = verify(&after);
        if (whole && (r < 0 || after != before + 1 || n != after))
                abort();
        /* one that was broken before its last record is still: only an unfinished end is cut, and that is told */
        if (!whole && r < 0 && after > before)
                abort();
        return 0;
}

FUZZ_MAIN("trail", "tests/fuzz/corpus/trail")
