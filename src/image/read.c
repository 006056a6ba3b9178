/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how content is read: whole or not at all, once, no faster than this process may. Must not: look at what it
 * reads. Hands over: first bytes, hash, bytes.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "image/image-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define CHUNK (128u * 1024)
#define SLICE_NS (20 * NSEC_PER_MSEC) /* so long at once, then a pause */

struct reader {
        EVP_MD_CTX *ctx;
        uint32_t percent;
        uint64_t rested_cpu_ns; /* processor time at the end of the last pause */
        uint64_t bytes;
        uint8_t chunk[CHUNK];
};

static uint64_t cpu_ns(void)
{
        struct timespec t;

        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
                return 0;
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

struct reader *reader_free(struct reader *rd)
{
        if (!rd)
                return NULL;
        EVP_MD_CTX_destroy(rd->ctx);
        free(rd);
        return NULL;
}

int reader_new(uint32_t percent, struct reader **ret)
{
        _cleanup_(reader_freep) struct reader *rd = calloc(1, sizeof(*rd));
        uint8_t sum[EVP_MAX_MD_SIZE];

        if (!rd)
                return -ENOMEM;
        rd->percent = percent;
        rd->ctx = EVP_MD_CTX_create();
        if (!rd->ctx)
                return -ENOMEM;
        if (EVP_DigestInit_ex(rd->ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(rd->ctx, "", 0) != 1 ||
            EVP_DigestFinal_ex(rd->ctx, sum, NULL) != 1)
                return -EOPNOTSUPP;
        *ret = TAKE_PTR(rd);
        return 0;
}

void reader_rest(struct reader *rd)
{
        uint64_t used = cpu_ns() - rd->rested_cpu_ns, ns;
        struct timespec t;

        if (rd->percent >= 100 || used < SLICE_NS)
                return;
        ns = used * (100 - rd->percent) / rd->percent;
        t.tv_sec = (time_t)(ns / NSEC_PER_SEC);
        t.tv_nsec = (long)(ns % NSEC_PER_SEC);
        while (nanosleep(&t, &t) < 0 && errno == EINTR)
                ;
        rd->rested_cpu_ns = cpu_ns();
}

static ssize_t next_chunk(struct reader *rd, int fd, uint64_t at)
{
        ssize_t n;

        reader_rest(rd);
        do
                n = pread(fd, rd->chunk, sizeof(rd->chunk), (off_t)at);
        while (n < 0 && errno == EINTR);
        if (n > 0)
                rd->bytes += (uint64_t)n;
        return n < 0 ? -errno : n;
}

int reader_read(struct reader *rd, int fd, uint64_t max, struct content *ret)
{
        ssize_t n = next_chunk(rd, fd, 0);
        uint64_t at = 0;

        memset(ret, 0, sizeof(*ret));
        if (n < 0)
                return (int)n;
        ret->head_len = (size_t)n < sizeof(ret->head) ? (size_t)n : sizeof(ret->head);
        memcpy(ret->head, rd->chunk, ret->head_len);
        if (EVP_DigestInit_ex(rd->ctx, EVP_sha256(), NULL) != 1)
                return -EIO;
        while (n > 0) {
                at += (uint64_t)n;
                if (at > max) {
                        ret->size = at;
                        return 0;
                }
                if (EVP_DigestUpdate(rd->ctx, rd->chunk, (size_t)n) != 1)
                        return -EIO;
                n = next_chunk(rd, fd, at);
        }
        if (n < 0)
                return (int)n;
        if (EVP_DigestFinal_ex(rd->ctx, ret->sha256, NULL) != 1)
                return -EIO;
        ret->hashed = true;
        ret->size = at;
        return 0;
}

int reader_slurp(struct reader *rd, int fd, uint64_t max, struct buf *out)
{
        uint64_t at = 0;
        ssize_t n;

        while ((n = next_chunk(rd, fd, at)) > 0) {
                at += (uint64_t)n;
                if (at > max)
                        return ERR_LIMIT;
                buf_put(out, rd->chunk, (size_t)n);
        }
        return n < 0 ? (int)n : out->err;
}

uint64_t reader_bytes(const struct reader *rd)
{
        return rd->bytes;
}
