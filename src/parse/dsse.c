/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: base64, and the form of what is signed. Must not: check a signature (signature.c). Pure. */
#include "tidemark/dsse.h"

#include <errno.h>

#include "tidemark/buf.h"

enum alphabet { ANY, STANDARD, URL_SAFE };

/* 0 to 63; -1: no character of base64. *ret_alphabet: which one alone has it. */
static int value_of(uint8_t c, enum alphabet *ret_alphabet)
{
        *ret_alphabet = ANY;
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        *ret_alphabet = c == '+' || c == '/' ? STANDARD : URL_SAFE;
        if (c == '+' || c == '-')
                return 62;
        return c == '/' || c == '_' ? 63 : -1;
}

/* What is decoded, before it goes into a buffer: many bytes at once. */
struct piece {
        uint8_t p[1536];
        size_t n;
};

static int one(struct base64 *b, uint8_t c, struct piece *piece)
{
        enum alphabet alphabet;
        int v;

        if (c == '\n' || c == '\r')
                return 0;
        if (c == '=') {
                b->padding++;
                return b->held + b->padding <= 4 && b->held >= 2 ? 0 : -EINVAL;
        }
        v = value_of(c, &alphabet);
        if (v < 0 || b->padding || (alphabet && b->alphabet && alphabet != b->alphabet))
                return -EINVAL;
        if (alphabet)
                b->alphabet = (uint8_t)alphabet;
        b->bits = b->bits << 6 | (uint32_t)v;
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
