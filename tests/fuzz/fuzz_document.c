/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A baseline's document, as somebody may have changed it. What is taken is written again to what is taken as the same;
 * what is not is refused with words, on one line.
 */
#include <errno.h>
#include <jansson.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/document.h"

static void write_out(const struct document *d, struct buf *out)
{
        json_t *o = document_json(d);

        buf_init(out, 1 << 26);
        if (!o)
                abort();
        document_text(o, out);
        json_decref(o);
        if (out->err)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char why[DOCUMENT_WHY];
        _cleanup_buf_ struct buf first, second;
        struct document *d = NULL, *again = NULL;
        int r = document_decode(bytes_of(data, size), &d, why);

        buf_init(&first, 1);
        buf_init(&second, 1);
        if (r < 0) {
                if (r == -EINVAL && (why[0] == '\0' || strchr(why, '\n') || strlen(why) >= DOCUMENT_WHY))
                        abort();
                return 0;
        }
        write_out(d, &first);
        if (document_decode(buf_bytes(&first), &again, why) < 0)
                abort();
        write_out(again, &second);
        if (!bytes_eq(buf_bytes(&first), buf_bytes(&second)) || again->nentries != d->nentries)
                abort();
        document_free(d);
        document_free(again);
        return 0;
}

FUZZ_MAIN("document", "tests/fuzz/corpus/document")
