/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any text, by the shipped patterns and by a pattern of the input itself (its first line). Promises: what is masked
 * holds no secret that is known by itself, a second masking finds what is no mark no more, spans stay inside.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/mask.h"

static struct mask *shipped(void)
{
        size_t n;
        const char *const *p = mask_shipped(&n);
        struct mask *m = NULL;

        if (mask_new(&m) < 0)
                abort();
        for (size_t i = 0; i < n; i++)
                if (mask_add(m, p[i]) < 0)
                        abort();
        return m;
}

/* Text less its secrets, more its marks. */
static void run(struct mask *m, struct bytes text)
{
        _cleanup_buf_ struct buf out;
        int n;

        buf_init(&out, 4 * TIDE_RECORD_MAX);
        n = mask_text(m, text, &out);
        if (text.len <= TIDE_ARGS_MAX && (n < 0 || (unsigned)n > MASK_VALUES_MAX))
                abort();
        if (n == 0 && !bytes_eq(buf_bytes(&out), text))
                abort();
        if (n > 0 && (out.len > text.len + (size_t)n * (sizeof(MASK_MARK) - 2) ||
                      !memmem(out.p, out.len, MASK_MARK, sizeof(MASK_MARK) - 1)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(mask_freep) struct mask *m = shipped();
        _cleanup_(mask_freep) struct mask *own = NULL;
        const uint8_t *end = memchr(data, '\n', size);
        struct tide_event ev = {.kind = TIDE_EXEC};
        char pattern[MASK_PATTERN_MAX + 10], why[128];

        size = size < TIDE_ARGS_MAX ? size : TIDE_ARGS_MAX;
        run(m, bytes_of(data, size));
        ev.exec.args = bytes_of(data, size);
        ev.exec.args_total = (uint32_t)size + (size % 2);
        mask_event(m, &ev);
        if (ev.exec.args.len > TIDE_ARGS_MAX)
                abort();
        ev = (struct tide_event){.kind = TIDE_CONTENT};
        ev.content.labels = ev.content.health = bytes_of(data, size);
        mask_event(m, &ev);
        if (!end || (size_t)(end - data) >= sizeof(pattern) || (size_t)(end - data) >= size || mask_new(&own) < 0)
                return 0;
        memcpy(pattern, data, (size_t)(end - data));
        pattern[end - data] = '\0';
        if (mask_check(pattern, why, sizeof(why)) == 0) {
                if (mask_add(own, pattern) < 0)
                        abort();
                run(own, bytes_of(end, size - (size_t)(end - data) < 512 ? size - (size_t)(end - data) : 512));
        }
        return 0;
}

FUZZ_MAIN("mask", "tests/fuzz/corpus/mask")
