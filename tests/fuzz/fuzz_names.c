/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names that a container chose, on their way to people and baselines: what is shown is one line that no terminal
 * obeys, what is kept has its limit and tells two names apart, and a key is never longer than it may be.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "judge/judge-priv.h"
#include "tidemark/buf.h"
#include "tidemark/generalise.h"

static void hold(bool promise)
{
        if (!promise)
                abort();
}

/* UTF-8, whole, of what may be printed. */
static void check_shown(const uint8_t *p, size_t len)
{
        for (size_t i = 0; i < len;) {
                unsigned more = p[i] < 0x80 ? 0 : p[i] >= 0xf0 ? 3 : p[i] >= 0xe0 ? 2 : 1;
                uint32_t c = more == 0 ? p[i] : p[i] & (0x3fu >> more);

                hold(p[i] < 0x80 || p[i] >= 0xc2);
                hold(len - i > more);
                for (unsigned k = 1; k <= more; k++) {
                        hold((p[i + k] & 0xc0) == 0x80);
                        c = c << 6 | (p[i + k] & 0x3f);
                }
                hold(c >= 0x20 && (c < 0x7f || c >= 0xa0)); /* no control character, of either set */
                hold(c < 0x202a || c > 0x202e);             /* nor a turn of the writing's direction */
                hold(c < 0x2066 || c > 0x2069);
                hold(c != 0x2028 && c != 0x2029); /* nor a line's end */
                i += more + 1;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes name = bytes_of(data, size < 8192 ? size : 8192), a, b;
        _cleanup_buf_ struct buf out, again;
        char shown[100], one[400], two[400];
        uint8_t *other = malloc(name.len + 1u);

        hold(other != NULL);
        buf_init(&out, 1 << 20);
        buf_init(&again, 1 << 20);
        str_escape(name, &out);
        hold(out.err == 0 && out.len >= name.len);
        check_shown(out.p, out.len);
        str_print(name, shown, sizeof(shown));
        check_shown((const uint8_t *)shown, strlen(shown));
        for (int how = 0; how < 2; how++) {
                buf_reset(&out);
                buf_reset(&again);
                generalise_path(name, how ? GENERALISE_EXECUTABLE : GENERALISE_DATA, &out);
                generalise_path(name, how ? GENERALISE_EXECUTABLE : GENERALISE_DATA, &again);
                hold(out.err == 0 && bytes_eq(buf_bytes(&out), buf_bytes(&again)));
        }
        buf_reset(&out);
        buf_reset(&again);
        generalise_name(name, &out);
        generalise_name(buf_bytes(&out), &again); /* a key is its own key */
        hold(out.err == 0 && bytes_eq(buf_bytes(&out), buf_bytes(&again)));
        buf_reset(&out);
        generalise_address(name, &out);
        hold(out.err == 0 && out.len > 0 && out.len < TIDE_ADDRESS_TEXT + 4);
        hold(net_host(name).len <= name.len);
        a = signal_kept(name, sizeof(one), one);
        hold(a.len <= sizeof(one));
        if (name.len) {
                memcpy(other, name.p, name.len);
                other[name.len / 2] ^= 1;
                b = signal_kept(bytes_of(other, name.len), sizeof(two), two);
                hold(!bytes_eq(a, b));
        }
        free(other);
        return 0;
}

FUZZ_MAIN("names", "tests/fuzz/corpus/names", "tests/fuzz/corpus/mask")
