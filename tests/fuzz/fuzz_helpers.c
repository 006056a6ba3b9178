/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the helpers say: the walker, and the readers of processes. They are the same program, but what they have at
 * hand was a container's. Each decoder stays inside, always goes forward, and takes nothing that ends in the midst.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "sense/walk-priv.h"
#include "trace/peek-priv.h"

static void inside(const uint8_t *data, size_t size, struct bytes s)
{
        if (s.len && (s.p < data || s.p + s.len > data + size))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct walk_said w;
        struct peek_said p;
        size_t used = 0;

        for (size_t at = 0; at < size && walk_decode(data + at, size - at, &w, &used) == 0; at += used) {
                if (used == 0 || used > size - at || walk_decode(data + at, used - 1, &w, &used) == 0)
                        abort();
                if (walk_decode(data + at, size - at, &w, &used) < 0)
                        abort();
                inside(data, size, w.handle);
                inside(data, size, w.path);
                inside(data, size, w.entry.path);
                inside(data, size, w.entry.target);
        }
        for (size_t at = 0; at < size && peek_decode(data + at, size - at, &p, &used) == 0; at += used) {
                if (used == 0 || used > size - at || peek_decode(data + at, used - 1, &p, &used) == 0)
                        abort();
                if (peek_decode(data + at, size - at, &p, &used) < 0 || p.error > 4095)
                        abort();
                inside(data, size, p.args);
                inside(data, size, p.mapped.path);
        }
        return 0;
}

FUZZ_MAIN("helpers", "tests/fuzz/corpus/helpers")
