/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records and recordings from anybody: decoding never reads beyond, and what was decoded encodes to what decodes the
 * same. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
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
                        if (record_offset(r) > size)
                                abort();
        record_reader_free(r);
        fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        one_record(data, size);
        for (size_t at = 24; at < size; at += 97) /* a recording's first frame, and places that nobody aligned */
                one_record(data + at, size - at);
        whole_recording(data, size);
        return 0;
}

FUZZ_MAIN("tide", "tests/fuzz/corpus/tide")
