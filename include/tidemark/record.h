/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record - recordings: tide records in a file, with checksums.
 *
 *     header: "TIDEMARK" · u32 format (1) · u32 CRC-32 of these 12 bytes
 *     frame:  u32 length · u32 CRC-32 (zlib) of the length and the record · record (see event.h)
 *     last frame: a TIDE_END record. A file without it was cut.
 *
 * All of it may be packed as a gzip member (RFC 1952), which is what gzip(1) makes of such a file: the reader sees by
 * the first two bytes. A packed one is flushed so that what was written can be read, even if its end never comes.
 */
#ifndef TIDEMARK_RECORD_H
#define TIDEMARK_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct record_writer;
struct record_reader;
struct tide_event;

/* fd: taken over on success; the header is written at once (so: -ENOSPC and the like are told here). */
int record_writer_new(int fd, struct record_writer **ret) TM_CHECK;
int record_writer_new_packed(int fd, struct record_writer **ret) TM_CHECK;
/* Buffered: written when 64 KiB are full, at record_flush, and at close. An error is kept and returned by every later
 * call. */
int record_write(struct record_writer *w, const struct tide_event *ev) TM_CHECK;
int record_flush(struct record_writer *w) TM_CHECK;
uint64_t record_written(const struct record_writer *w); /* records */
uint64_t record_bytes(const struct record_writer *w);   /* of the file, as far as they are written */
/* Write TIDE_END, flush, close. */
int record_writer_close(struct record_writer *w);

/* fd stays the caller's. -ENOMEM, ERR_FOREIGN (no header of ours), ERR_SCHEMA (format of the future), ERR_TRUNCATED,
 * ERR_CHECKSUM. */
int record_reader_new(int fd, struct record_reader **ret) TM_CHECK;
struct record_reader *record_reader_free(struct record_reader *r);
DEFINE_CLEANUP(struct record_reader *, record_reader_free)
/*
 * Next record, borrowed until the next call. 1; 0 after TIDE_END was read and the file ended; ERR_TRUNCATED: the file
 * ends inside a frame or without TIDE_END; ERR_CHECKSUM; ERR_SCHEMA: sums right but not understood, or bytes behind
 * TIDE_END. record_offset() is then where the frame begins that could not be read. In a packed recording that is the
 * place in what it holds, and ERR_CHECKSUM also says that it cannot be unpacked.
 */
int record_next(struct record_reader *r, struct tide_event *ret) TM_CHECK;
uint64_t record_offset(const struct record_reader *r);

#endif
