/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buf - a growable byte buffer with a hard maximum, and a bounded reader. Both keep the first error ("sticky"): a
 * sequence of puts or reads is checked once at its end.
 *
 * All integers are little-endian, of fixed width. A counted string is a 32-bit length and that many bytes.
 */
#ifndef TIDEMARK_BUF_H
#define TIDEMARK_BUF_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tidemark/attr.h"
#include "tidemark/err.h"
#include "tidemark/str.h"

struct buf {
        uint8_t *p;
        size_t len;
        size_t cap;
        size_t max; /* never grows beyond */
        int err;    /* 0, -ENOMEM, or ERR_LIMIT; sticky until buf_reset */
};

void buf_init(struct buf *b, size_t max); /* owns nothing yet */
void buf_release(struct buf *b);          /* frees; the buffer may be initialised again */
void buf_reset(struct buf *b);            /* empties, keeps memory, clears the error */
struct bytes buf_bytes(const struct buf *b);

void buf_put(struct buf *b, const void *p, size_t len);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_bytes(struct buf *b, struct bytes s); /* counted string */
void buf_put_str(struct buf *b, const char *s);    /* the characters alone, no count */
void buf_printf(struct buf *b, const char *fmt, ...) TM_PRINTF(2, 3);
/* Overwrite four bytes already written at off. */
void buf_patch_u32(struct buf *b, size_t off, uint32_t v);
/* Terminated C string of the content (a NUL is kept behind the end); "" on error. Valid until the next change. */
const char *buf_cstr(struct buf *b);

struct rd {
        const uint8_t *p;
        size_t len;
        size_t pos;
        int err; /* 0 or ERR_TRUNCATED; once set every read yields zero */
};

/* Here, because every event of a recording is read by them, field by field. */
static inline TM_UNUSED void rd_init(struct rd *r, const void *p, size_t len)
{
        *r = (struct rd){.p = p, .len = len};
}

static inline TM_UNUSED size_t rd_left(const struct rd *r)
{
        return r->err ? 0 : r->len - r->pos;
}

static inline TM_UNUSED struct bytes rd_take(struct rd *r, size_t n)
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

/* The next n bytes into dst; or zeros, and the error. */
static inline TM_UNUSED void rd_get(struct rd *r, void *dst, size_t n)
{
        if (r->err || n > r->len - r->pos) {
                r->err = ERR_TRUNCATED;
                memset(dst, 0, n);
                return;
        }
        memcpy(dst, r->p + r->pos, n);
        r->pos += n;
}

static inline TM_UNUSED uint8_t rd_u8(struct rd *r)
{
        uint8_t v;

        rd_get(r, &v, sizeof(v));
        return v;
}

static inline TM_UNUSED uint16_t rd_u16(struct rd *r)
{
        uint16_t v;

        rd_get(r, &v, sizeof(v));
        return le16toh(v);
}

static inline TM_UNUSED uint32_t rd_u32(struct rd *r)
{
        uint32_t v;

        rd_get(r, &v, sizeof(v));
        return le32toh(v);
}

static inline TM_UNUSED uint64_t rd_u64(struct rd *r)
{
        uint64_t v;

        rd_get(r, &v, sizeof(v));
        return le64toh(v);
}

/* Counted string, borrowed from the input. */
static inline TM_UNUSED struct bytes rd_bytes(struct rd *r)
{
        return rd_take(r, rd_u32(r));
}

static inline TM_UNUSED void buf_releasep(struct buf *b)
{
        buf_release(b);
}
#define _cleanup_buf_ _cleanup_(buf_releasep)

#endif
