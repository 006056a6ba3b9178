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

/* Room for n more and a NUL behind them, which buf_cstr needs. */
static bool room(struct buf *b, size_t n)
{
        size_t want, cap;
        uint8_t *p;

        if (b->err)
                return false;
        if (n > b->max || b->len > b->max - n) {
                b->err = ERR_LIMIT;
                return false;
        }
        want = b->len + n + 1;
        if (want <= b->cap)
                return true;
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

void buf_put(struct buf *b, const void *p, size_t len)
{
        if (len == 0 || !room(b, len))
                return;
        memcpy(b->p + b->len, p, len);
        b->len += len;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
        buf_put(b, &v, 1);
}

static void put_le(struct buf *b, uint64_t v, size_t n)
{
        uint8_t le[8];

        for (size_t i = 0; i < n; i++)
                le[i] = (uint8_t)(v >> (8 * i));
        buf_put(b, le, n);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
        put_le(b, v, 2);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
        put_le(b, v, 4);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
        put_le(b, v, 8);
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

void rd_init(struct rd *r, const void *p, size_t len)
{
        *r = (struct rd){.p = p, .len = len};
}

size_t rd_left(const struct rd *r)
{
        return r->err ? 0 : r->len - r->pos;
}

struct bytes rd_take(struct rd *r, size_t n)
{
        struct bytes out = {NULL, 0};

        if (r->err)
                return out;
        if (n > r->len - r->pos || n > UINT32_MAX) {
                r->err = ERR_TRUNCATED;
                return out;
        }
        out = bytes_of(r->p + r->pos, n);
        r->pos += n;
        return out;
}

/* Inline: with n known it is one load, and decoding is most of what a replay does. */
static inline uint64_t get_le(struct rd *r, size_t n)
{
        struct bytes s = rd_take(r, n);
        uint64_t v = 0;

        if (s.len == n)
                memcpy(&v, s.p, n);
        return le64toh(v);
}

uint8_t rd_u8(struct rd *r)
{
        return (uint8_t)get_le(r, 1);
}

uint16_t rd_u16(struct rd *r)
{
        return (uint16_t)get_le(r, 2);
}

uint32_t rd_u32(struct rd *r)
{
        return (uint32_t)get_le(r, 4);
}

uint64_t rd_u64(struct rd *r)
{
        return get_le(r, 8);
}

struct bytes rd_bytes(struct rd *r)
{
        return rd_take(r, rd_u32(r));
}
