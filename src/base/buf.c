/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: growth within a limit, and bounds of reading. Never asserts on input: the first error stays and is asked for.
 */
#include "tidemark/buf.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/err.h"

void buf_init(struct buf *b, size_t max)
{
        memset(b, 0, sizeof(*b));
        b->max = max;
}

void buf_release(struct buf *b)
{
        size_t max = b->max;

        free(b->p);
        buf_init(b, max);
}

void buf_reset(struct buf *b)
{
        b->len = 0;
        b->err = 0;
}

struct bytes buf_bytes(const struct buf *b)
{
        return bytes_of(b->p, b->len);
}

/* More memory, so that n more fit. */
static bool grow(struct buf *b, size_t n)
{
        size_t want, cap;
        uint8_t *p;

        if (n > b->max || b->len > b->max - n) {
                b->err = ERR_LIMIT;
                return false;
        }
        want = b->len + n + 1;
        for (cap = b->cap ? b->cap : 64; cap < want;)
                cap *= 2;
        if (cap > b->max + 1)
                cap = b->max + 1;
        p = realloc(b->p, cap);
        if (!p) {
                b->err = -ENOMEM;
                return false;
        }
        b->p = p;
        b->cap = cap;
        return true;
}

/* Room for n more and a NUL behind them, which buf_cstr needs. The memory never exceeds what max allows. */
static inline bool room(struct buf *b, size_t n)
{
        if (b->err)
                return false;
        return (b->len < b->cap && n < b->cap - b->len) || grow(b, n);
}

void buf_put(struct buf *b, const void *p, size_t len)
{
        if (len == 0 || !room(b, len))
                return;
        memcpy(b->p + b->len, p, len);
        b->len += len;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
        buf_put(b, &v, sizeof(v));
}

/* Whole words, not byte by byte: an event is some thirty of these, and a replay a million events a second. */
void buf_put_u16(struct buf *b, uint16_t v)
{
        v = htole16(v);
        buf_put(b, &v, sizeof(v));
}

void buf_put_u32(struct buf *b, uint32_t v)
{
        v = htole32(v);
        buf_put(b, &v, sizeof(v));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
        v = htole64(v);
        buf_put(b, &v, sizeof(v));
}

void buf_put_bytes(struct buf *b, struct bytes s)
{
        buf_put_u32(b, s.len);
        buf_put(b, s.p, s.len);
}

void buf_put_str(struct buf *b, const char *s)
{
        buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0 || !room(b, (size_t)n))
                return;
        va_start(ap, fmt);
        vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
        b->len += (size_t)n;
}

void buf_patch_u32(struct buf *b, size_t off, uint32_t v)
{
        if (b->err || off > b->len || b->len - off < 4)
                return;
        for (size_t i = 0; i < 4; i++)
                b->p[off + i] = (uint8_t)(v >> (8 * i));
}

const char *buf_cstr(struct buf *b)
{
        if (b->err || !room(b, 0))
                return "";
        b->p[b->len] = '\0';
        return (const char *)b->p;
}
