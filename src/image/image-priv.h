/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image-priv - the worker that reads an image's files (tidemark-image):
 *
 *     main.c       command line, what is given up, the two ways of working
 *     read.c       content: first bytes, SHA-256, at a pace
 *     facts.c      what is collected of an image, and how files find their packages
 *     tell.c       facts as TIDE_PRIOR records
 *     record.c     documents of the supply chain
 *     rpm.c        packages of rpm's database, by librpm, in a process of its own (rpm_none.c without librpm)
 */
#ifndef TIDEMARK_IMAGE_PRIV_H
#define TIDEMARK_IMAGE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/exehead.h"
#include "tidemark/imagefile.h"
#include "tidemark/packages.h"
#include "tidemark/str.h"

#define FD_ENGINE 3 /* what was found goes there */
#define FD_FILES 4  /* what the sensor's helper opens comes from there */

#define MEMORY ((uint64_t)1 << 30) /* of each process */
#define CPU_SECONDS 600

struct settings {
        uint32_t max_files;   /* facts of files */
        uint64_t max_bytes;   /* of contents, altogether */
        uint32_t percent;     /* of one processor */
        const char *scratch;  /* directory of our own, for copies of rpm's database; NULL: none */
};

/* ---- main.c ---- */

bool image_is_regular(int fd);

/* ---- record.c ---- */

/* give_up: called once all keys and the file have come, before it is read. */
int record_run(int (*give_up)(void)) TM_CHECK;

/* ---- read.c ---- */

#define FILE_BYTES ((uint64_t)256 << 20) /* a larger one is not read */

struct content {
        uint8_t head[EXEHEAD_BYTES];
        size_t head_len;
        bool hashed;
        uint8_t sha256[TIDE_SHA256];
        uint64_t size; /* that was read */
};

struct reader;
/* Prepares what libcrypto loads at its first use: before the filter. percent: as of settings; 100: without a pace. */
int reader_new(uint32_t percent, struct reader **ret) TM_CHECK;
struct reader *reader_free(struct reader *rd);
DEFINE_CLEANUP(struct reader *, reader_free)
/* First bytes, and the hash if it ends before max. 0, or what read(2) said; content that is longer is not hashed. */
int reader_read(struct reader *rd, int fd, uint64_t max, struct content *ret) TM_CHECK;
/* All of it, up to max; the caller's. ERR_LIMIT: it is longer. */
int reader_slurp(struct reader *rd, int fd, uint64_t max, struct buf *out) TM_CHECK;
/* Where more than its share was used: wait. */
void reader_rest(struct reader *rd);
uint64_t reader_bytes(const struct reader *rd);

/* ---- facts.c ---- */

struct facts;
struct rpm;

int facts_new(const struct settings *set, struct reader *rd, struct rpm *rpm, struct facts **ret) TM_CHECK;
struct facts *facts_free(struct facts *f);
DEFINE_CLEANUP(struct facts *, facts_free)
/* One message of the sensor's helper; fd: -1, or the file, borrowed. 1: it was the last one; 0; -ENOMEM. */
int facts_take(struct facts *f, const struct image_msg *m, int fd) TM_CHECK;
/* All has come, or (cut) nothing more will: files find their packages. */
int facts_join(struct facts *f, bool cut) TM_CHECK;
/* Something is missing, in words. */
void facts_note(struct facts *f, const char *fmt, ...) TM_PRINTF(2, 3);

struct fact_file {
        char *path; /* absolute */
        uint8_t kind, flags, role;
        uint32_t package; /* number + 1 */
        uint64_t size;
        uint8_t sha256[TIDE_SHA256];
        char *interpreter; /* NULL: none */
};
struct fact_package {
        uint8_t db;
        char *name, *version;
};

/* ---- tell.c ---- */

/* How whoever wants them gets records, one a datagram. */
typedef int (*tell_cb)(struct bytes record, void *arg);
int facts_tell(const struct facts *f, tell_cb cb, void *arg) TM_CHECK;

/* What tell.c sees of facts. */
struct facts_view {
        const struct fact_file *files;
        const struct fact_package *packages;
        uint32_t nfiles, npackages;
        uint64_t read_bytes, entries;
        bool complete;
        struct bytes words;
};
void facts_view(const struct facts *f, struct facts_view *ret);

/* ---- rpm.c ---- */

struct rpm_ops {
        int (*package)(struct bytes name, struct bytes version, void *arg);
        int (*path)(struct bytes path, void *arg); /* of the package told last, absolute */
        void (*note)(const char *words, void *arg);
};
/* What this build reads rpm's databases with: "librpm 4.18.0"; "" for not at all. */
const char *rpm_version(void);
/* Start the process that reads them, before the filter. scratch: where copies lie; NULL: they cannot be read. */
int rpm_new(const char *scratch, struct rpm **ret) TM_CHECK;
struct rpm *rpm_free(struct rpm *r);
DEFINE_CLEANUP(struct rpm *, rpm_free)
/* A file of the database; fd is borrowed. */
int rpm_take(struct rpm *r, struct bytes path, int fd) TM_CHECK;
/* What it holds. Failures are notes. */
int rpm_tell(struct rpm *r, const struct rpm_ops *ops, void *arg) TM_CHECK;

#endif
