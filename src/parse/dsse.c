/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: base64, and the form of what is signed. Must not: check a signature (signature.c). Pure. */
#include "tidemark/dsse.h"

#include <errno.h>

#include "tidemark/buf.h"

enum alphabet { ANY, STANDARD, URL_SAFE };

#define NO 255

static const uint8_t values[256] = {
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  62,  NO,  62,  NO,  63,
         52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,   0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,  14,
         15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  NO,  NO,  NO,  NO,  63,
         NO,  26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
         41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
         NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,  NO,
};

/* Which one alone has it. */
static enum alphabet alphabet_of(uint8_t c)
{
        return c == '+' || c == '/' ? STANDARD : c == '-' || c == '_' ? URL_SAFE : ANY;
}

/* What is decoded, before it goes into a buffer: many bytes at once. */
struct piece {
        uint8_t p[1536];
        size_t n;
};

static int one(struct base64 *b, uint8_t c, struct piece *piece)
{
        enum alphabet alphabet;
        uint8_t v;

        if (c == '\n' || c == '\r')
                return 0;
        if (c == '=') {
                b->padding++;
                return b->held + b->padding <= 4 && b->held >= 2 ? 0 : -EINVAL;
        }
        v = values[c];
        alphabet = v > 61 ? alphabet_of(c) : ANY;
        if (v == NO || b->padding || (alphabet && b->alphabet && alphabet != b->alphabet))
                return -EINVAL;
        if (alphabet)
                b->alphabet = (uint8_t)alphabet;
        b->bits = b->bits << 6 | v;
        if (++b->held < 4)
                return 0;
        piece->p[piece->n++] = (uint8_t)(b->bits >> 16);
        piece->p[piece->n++] = (uint8_t)(b->bits >> 8);
        piece->p[piece->n++] = (uint8_t)b->bits;
        b->bits = 0;
        b->held = 0;
        return 0;
}

int base64_decode(struct base64 *b, struct bytes text, struct buf *out)
{
        struct piece piece = {.n = 0};
        int r = 0;

        for (uint32_t i = 0; i < text.len && r == 0; i++) {
                r = one(b, text.p[i], &piece);
                if (piece.n + 3 > sizeof(piece.p)) {
                        buf_put(out, piece.p, piece.n);
                        piece.n = 0;
                }
        }
        buf_put(out, piece.p, piece.n);
        return r < 0 ? r : out->err;
}

/* Bits that no byte is made of must be zero: so that bytes have one spelling. */
int base64_end(struct base64 *b, struct buf *out)
{
        if (b->padding && b->held + b->padding != 4)
                return -EINVAL;
        if (b->held == 1 || (b->held == 2 && b->bits & 0xf) || (b->held == 3 && b->bits & 0x3))
                return -EINVAL;
        if (b->held == 2)
                buf_put_u8(out, (uint8_t)(b->bits >> 4));
        if (b->held == 3) {
                buf_put_u8(out, (uint8_t)(b->bits >> 10));
                buf_put_u8(out, (uint8_t)(b->bits >> 2));
        }
        *b = (struct base64){0};
        return out->err;
}

void dsse_head(struct bytes type, uint64_t payload_len, struct buf *out)
{
        buf_printf(out, "DSSEv1 %u ", type.len);
        buf_put(out, type.p, type.len);
        buf_printf(out, " %llu ", (unsigned long long)payload_len);
}

bool dsse_is_statement(struct bytes type)
{
        static const struct bytes plain = BYTES_LIT("application/vnd.in-toto+json");

        if (bytes_eq(type, plain))
                return true;
        return bytes_has_prefix(type, BYTES_LIT("application/vnd.in-toto.")) &&
               bytes_has_suffix(type, BYTES_LIT("+json")) && type.len > 24 + 5;
}
