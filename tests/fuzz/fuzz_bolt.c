/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bolt files: any bytes, with the sums of the meta pages made right so that what lies behind them is reached. */
#include "fuzz.h"

#include "parse/bolt-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"

struct file {
        const uint8_t *p;
        size_t len;
        unsigned reads;
};

static int read_file(void *arg, uint64_t off, void *p, size_t len)
{
        struct file *f = arg;

        /* Three buckets deep, with all retries and both meta pages each time. */
        if (++f->reads > 4 * BOLT_RETRIES * (2 * BOLT_DEPTH_MAX + 8))
                abort();
        if (off > f->len || len > f->len - off)
                return ERR_TRUNCATED;
        memcpy(p, f->p + off, len);
        return 0;
}

static void mend(uint8_t *p, size_t len, size_t page)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        if (len < page + 80)
                return;
        for (size_t i = 0; i < 56; i++)
                h = (h ^ p[page + 16 + i]) * UINT64_C(0x100000001b3);
        memcpy(p + page + 72, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const ids[] = {"web", "8eefbd2cc0824e257770b640bf4baf149f099a0c35ffbdf84ac64778e408833f"};
        uint8_t *copy = malloc(size ? size : 1);

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        mend(copy, size, 0);
        mend(copy, size, 1024);
        mend(copy, size, 4096);
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
                struct bytes keys[] = {BYTES_LIT("ctr"), bytes_str(ids[i]), BYTES_LIT("config")};
                struct file f = {.p = copy, .len = size};
                struct bolt_io io = {.read = read_file, .arg = &f, .size = size};
                struct buf out;
                int r;

                buf_init(&out, FUZZ_INPUT_MAX);
                r = bolt_get(&io, keys, ARRAY_LEN(keys), &out);
                if (r > 0 || (r < 0 && out.len) || out.len > size)
                        abort();
                buf_release(&out);
        }
        free(copy);
        return 0;
}

FUZZ_MAIN("bolt", "tests/fuzz/corpus/bolt", "tests/fixtures/podman")
