/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records and recordings from anybody: decoding never reads beyond, and what was decoded encodes to what decodes the
 * same. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/pair.h"
#include "tidemark/record.h"

static void one_record(const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf once, twice;
        struct tide_event ev, back;
        size_t used = 0;

        buf_init(&once, TIDE_RECORD_MAX);
        buf_init(&twice, TIDE_RECORD_MAX);
        if (tide_decode(data, size, &ev, &used) < 0)
                return;
        if (used > size)
                abort();
        if (tide_encode(&ev, &once) < 0)
                return; /* an older, shorter record may grow beyond the limit */
        if (tide_decode(once.p, once.len, &back, &used) < 0 || used != once.len || tide_encode(&back, &twice) < 0 ||
            !bytes_eq(buf_bytes(&once), buf_bytes(&twice)))
                abort();
}

static int count(const struct tide_event *ev, int *fd, void *arg)
{
        (void)ev, (void)fd;
        *(size_t *)arg += 1;
        return 0;
}

/* The same as one datagram of the pair: as many events as it counts, and never an end of the pair. */
static void one_datagram(const uint8_t *data, size_t size)
{
        struct pair_stats st;
        struct pair *p = NULL;
        int fds[2];
        size_t n = 0;

        if (size == 0 || size > 60000)
                return;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 || pair_new(fds[0], 1 << 20, &p) < 0 ||
            send(fds[1], data, size, 0) != (ssize_t)size || pair_recv(p, count, &n) != 1)
                abort();
        pair_stats(p, &st);
        if (st.received != n || (n == 0 && st.malformed == 0) || pair_recv(p, count, &n) != 0)
                abort();
        pair_free(p);
        close(fds[1]);
}

static void whole_recording(const uint8_t *data, size_t size)
{
        struct record_reader *r = NULL;
        struct tide_event ev;
        FILE *file = tmpfile();
        int fd = file ? fileno(file) : -1;

        if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
                abort();
        if (record_reader_new(fd, &r) == 0)
                while (record_next(r, &ev) == 1)
                        if (record_offset(r) > size && (data[0] != 0x1f || data[1] != 0x8b)) /* gzip's */
                                abort();
        record_reader_free(r);
        fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        one_record(data, size);
        one_datagram(data, size);
        for (size_t at = 24; at < size; at += 97) /* a recording's first frame, and places that nobody aligned */
                one_record(data + at, size - at);
        whole_recording(data, size);
        return 0;
}

FUZZ_MAIN("tide", "tests/fuzz/corpus/tide")
