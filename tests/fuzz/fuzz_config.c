/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text as configuration: refused with words, or taken, dumped and taken again to the same. */
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/config.h"

/* libconfig 1.5 loses its scanner's buffer when a text ends inside a string: the library's leak, not ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
        return "leak:libconfig";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf once, twice;
        struct cfg_mistakes ms = {0};
        struct cfg c;

        buf_init(&once, 1 << 20);
        buf_init(&twice, 1 << 20);
        cfg_default(&c);
        if (cfg_load_text(bytes_of(data, size), "fuzz", &c, &ms) < 0) {
                if (ms.n == 0)
                        abort();
        } else if (cfg_dump(&c, &once) < 0 || cfg_load_text(buf_bytes(&once), "dump", &c, &ms) < 0 ||
                   cfg_dump(&c, &twice) < 0 || !bytes_eq(buf_bytes(&once), buf_bytes(&twice))) {
                abort();
        }
        cfg_mistakes_release(&ms);
        return 0;
}

FUZZ_MAIN("config", "tests/fuzz/corpus/config")
