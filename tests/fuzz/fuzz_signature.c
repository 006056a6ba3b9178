/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A key's file, as somebody may have damaged it, and the same bytes as a signature: refused with words, or a key. */
#include <errno.h>

#include "fuzz.h"
#include "tidemark/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes all = bytes_of(data, size), half = bytes_of(data, size / 2);
        struct signature_key *k = NULL;
        const char *why = NULL;
        int r = signature_parse_key(all, &k, &why);

        if (r == -EINVAL && (!why || !*why))
                abort();
        if (r == 0 &&
            (strlen(signature_key_id(k)) != 64 || signature_fits(k, all, half) || signature_fits(k, half, all)))
                abort();
        signature_key_free(k);
        return 0;
}

FUZZ_MAIN("signature", "tests/fuzz/corpus/signature")
