/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the form of a recording, its checksums, and saying where one is damaged. Must not: interpret events. Pure apart
 * from reading and writing its descriptor.
 */
#include "tidemark/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"

#define MAGIC "TIDEMARK"
#define FORMAT 1u
#define HEADER_BYTES 16u
#define FRAME_BYTES 8u /* length, checksum */
#define WRITE_AT (64u * 1024)
#define WINDOW (256u * 1024) /* of the reader: holds at least one whole frame */
#define PACKED_AT (32u * 1024)
/* zlib.h, deflateInit2: little memory (about 100 KiB) and little time; 16 more bits say gzip, 32 more any of its forms.
 */
#define PACK_LEVEL 1
#define PACK_BITS (14 + 16)
#define PACK_MEMORY 7
#define UNPACK_BITS (15 + 32)

static uint32_t sum(const void *p, size_t len, uint32_t from)
{
        return (uint32_t)crc32(from, p, (uInt)len);
}

static uint32_t frame_sum(uint32_t len, const void *record)
{
        uint8_t le[4] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), (uint8_t)(len >> 24)};

        return sum(record, len, sum(le, sizeof(le), 0));
}

/* ---- writing ---- */

struct record_writer {
        int fd;
        int err;
        uint64_t written, bytes;
        struct buf out, one;
        z_stream *z;     /* NULL: not packed */
        uint8_t *packed; /* PACKED_AT bytes */
};

static int write_all(struct record_writer *w, const uint8_t *p, size_t len)
{
        while (len > 0) {
                ssize_t n = write(w->fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
                w->bytes += (uint64_t)n;
        }
        return 0;
}

/* flush: Z_SYNC_FLUSH, or Z_FINISH at the end. */
static int write_packed(struct record_writer *w, int flush)
{
        w->z->next_in = w->out.p;
        w->z->avail_in = (uInt)w->out.len;
        do {
                int r;

                w->z->next_out = w->packed;
                w->z->avail_out = PACKED_AT;
                if (deflate(w->z, flush) == Z_STREAM_ERROR)
                        return -EIO;
                r = write_all(w, w->packed, PACKED_AT - w->z->avail_out);
                if (r < 0)
                        return r;
        } while (w->z->avail_out == 0);
        return 0;
}

int record_flush(struct record_writer *w)
{
        if (w->err == 0 && w->out.len) {
                w->err = w->z ? write_packed(w, Z_SYNC_FLUSH) : write_all(w, w->out.p, w->out.len);
                buf_reset(&w->out);
        }
        return w->err;
}

static void writer_free(struct record_writer *w)
{
        if (w->z)
                deflateEnd(w->z);
        free(w->z);
        free(w->packed);
        buf_release(&w->out);
        buf_release(&w->one);
        free(w);
}

static int pack(struct record_writer *w)
{
        w->packed = malloc(PACKED_AT);
        w->z = calloc(1, sizeof(*w->z));
        if (!w->packed || !w->z ||
            deflateInit2(w->z, PACK_LEVEL, Z_DEFLATED, PACK_BITS, PACK_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
                return -ENOMEM;
        return 0;
}

static int writer_new(int fd, bool packed, struct record_writer **ret)
{
        struct record_writer *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->fd = fd;
        buf_init(&w->out, WRITE_AT + TIDE_RECORD_MAX + FRAME_BYTES);
        buf_init(&w->one, TIDE_RECORD_MAX);
        buf_put_str(&w->out, MAGIC);
        buf_put_u32(&w->out, FORMAT);
        buf_put_u32(&w->out, w->out.err ? 0 : sum(w->out.p, w->out.len, 0));
        r = packed ? pack(w) : 0;
        if (r == 0)
                r = w->out.err ? w->out.err : record_flush(w);
        if (r < 0) {
                writer_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

int record_writer_new(int fd, struct record_writer **ret)
{
        return writer_new(fd, false, ret);
}

int record_writer_new_packed(int fd, struct record_writer **ret)
{
        return writer_new(fd, true, ret);
}

int record_write(struct record_writer *w, const struct tide_event *ev)
{
        int r;

        if (w->err)
                return w->err;
        buf_reset(&w->one);
        r = tide_encode(ev, &w->one);
        if (r == 0) {
                buf_put_u32(&w->out, (uint32_t)w->one.len);
                buf_put_u32(&w->out, frame_sum((uint32_t)w->one.len, w->one.p));
                buf_put(&w->out, w->one.p, w->one.len);
                r = w->out.err;
        }
        if (r < 0) {
                w->err = r;
                return r;
        }
        w->written++;
        return w->out.len >= WRITE_AT ? record_flush(w) : 0;
}

uint64_t record_written(const struct record_writer *w)
{
        return w->written;
}

uint64_t record_bytes(const struct record_writer *w)
{
        return w->bytes;
}

int record_writer_close(struct record_writer *w)
{
        struct tide_event end = {.kind = TIDE_END};
        int r = record_write(w, &end);

        if (r == 0)
                r = w->z ? write_packed(w, Z_FINISH) : record_flush(w);
        if (close(w->fd) < 0 && r == 0)
                r = -errno;
        writer_free(w);
        return r;
}

/* ---- reading ---- */

struct record_reader {
        int fd;
        uint8_t *window;
        size_t from, to; /* what of the window is read and not yet told */
        uint64_t offset; /* of the next frame, in what is not packed; after an error, of the one that could not be read
                          */
        bool eof, ended;
        z_stream *z;   /* NULL: not packed */
        bool unpacked; /* all of it */
        uint8_t *packed;
};

static ssize_t read_some(struct record_reader *r, uint8_t *p, size_t len)
{
        ssize_t got;

        do {
                got = read(r->fd, p, len);
        } while (got < 0 && errno == EINTR);
        return got < 0 ? -errno : got;
}

/* As read_some(). 0: there is no more, or not yet: what was packed was cut. */
static ssize_t read_packed(struct record_reader *r, uint8_t *p, size_t len)
{
        r->z->next_out = p;
        r->z->avail_out = (uInt)len;
        while (r->z->avail_out == len && !r->unpacked) {
                int z;

                if (r->z->avail_in == 0) {
                        ssize_t got = read_some(r, r->packed, WINDOW);

                        if (got <= 0)
                                return got;
                        r->z->next_in = r->packed;
                        r->z->avail_in = (uInt)got;
                }
                z = inflate(r->z, Z_NO_FLUSH);
                if (z == Z_MEM_ERROR)
                        return -ENOMEM;
                if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
                        return ERR_CHECKSUM;
                r->unpacked = z == Z_STREAM_END;
        }
        return (ssize_t)(len - r->z->avail_out);
}

/* Make n bytes available. 1; 0: the file has fewer; or an error. */
static int want(struct record_reader *r, size_t n)
{
        while (r->to - r->from < n && !r->eof) {
                ssize_t got;

                if (r->from > 0) {
                        memmove(r->window, r->window + r->from, r->to - r->from);
                        r->to -= r->from;
                        r->from = 0;
                }
                got = r->z ? read_packed(r, r->window + r->to, WINDOW - r->to)
                           : read_some(r, r->window + r->to, WINDOW - r->to);
                if (got < 0)
                        return (int)got;
                if (got == 0)
                        r->eof = true;
                r->to += (size_t)got;
        }
        return r->to - r->from >= n;
}

/* Is it packed? Then what was read so far is what is packed. */
static int look_packed(struct record_reader *r)
{
        int got = want(r, 2);

        if (got <= 0 || r->window[0] != 0x1f || r->window[1] != 0x8b)
                return got < 0 ? got : 0;
        r->packed = malloc(WINDOW);
        r->z = calloc(1, sizeof(*r->z));
        if (!r->packed || !r->z || inflateInit2(r->z, UNPACK_BITS) != Z_OK)
                return -ENOMEM;
        memcpy(r->packed, r->window, r->to);
        r->z->next_in = r->packed;
        r->z->avail_in = (uInt)r->to;
        r->to = 0;
        return 0;
}

static int read_header(struct record_reader *r)
{
        struct rd rd;
        uint32_t format, crc;
        int got = want(r, HEADER_BYTES);

        if (got < 0)
                return got;
        rd_init(&rd, r->window, r->to);
        if (r->to < strlen(MAGIC) || memcmp(rd_take(&rd, strlen(MAGIC)).p, MAGIC, strlen(MAGIC)) != 0)
                return ERR_FOREIGN;
        if (got == 0)
                return ERR_TRUNCATED;
        format = rd_u32(&rd);
        crc = rd_u32(&rd);
        if (crc != sum(r->window, HEADER_BYTES - 4, 0))
                return ERR_CHECKSUM;
        if (format != FORMAT)
                return ERR_SCHEMA;
        r->from = HEADER_BYTES;
        r->offset = HEADER_BYTES;
        return 0;
}

int record_reader_new(int fd, struct record_reader **ret)
{
        _cleanup_(record_reader_freep) struct record_reader *r = calloc(1, sizeof(*r));
        int err;

        if (!r)
                return -ENOMEM;
        r->fd = fd;
        r->window = malloc(WINDOW);
        if (!r->window)
                return -ENOMEM;
        err = look_packed(r);
        if (err == 0)
                err = read_header(r);
        if (err < 0)
                return err;
        *ret = TAKE_PTR(r);
        return 0;
}

struct record_reader *record_reader_free(struct record_reader *r)
{
        if (!r)
                return NULL;
        if (r->z)
                inflateEnd(r->z);
        free(r->z);
        free(r->packed);
        free(r->window);
        free(r);
        return NULL;
}

uint64_t record_offset(const struct record_reader *r)
{
        return r->offset;
}

int record_next(struct record_reader *r, struct tide_event *ret)
{
        uint32_t len, crc;
        size_t used = 0;
        struct rd rd;
        int got = want(r, FRAME_BYTES);

        if (got < 0)
                return got;
        if (r->ended)
                return r->to == r->from ? 0 : ERR_SCHEMA;
        if (got == 0)
                return ERR_TRUNCATED;
        rd_init(&rd, r->window + r->from, r->to - r->from);
        len = rd_u32(&rd);
        crc = rd_u32(&rd);
        if (len > TIDE_RECORD_MAX) /* no frame of ours is so long: the length itself was changed */
                return ERR_CHECKSUM;
        got = want(r, FRAME_BYTES + len);
        if (got <= 0)
                return got < 0 ? got : ERR_TRUNCATED;
        if (crc != frame_sum(len, r->window + r->from + FRAME_BYTES))
                return ERR_CHECKSUM;
        if (tide_decode(r->window + r->from + FRAME_BYTES, len, ret, &used) < 0 || used != len)
                return ERR_SCHEMA;
        r->from += FRAME_BYTES + len;
        r->offset += FRAME_BYTES + len;
        if (ret->kind == TIDE_END)
                r->ended = true;
        return ret->kind == TIDE_END ? record_next(r, ret) : 1;
}
