/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * index - which names of one container's write layer were told, and as what: path hash → change time, size, mode.
 *
 * In buckets by the top bits of the hash, each sorted by it: a change costs one bucket, and what a bucket's blob holds
 * depends on what is known and never on the order in which it came to be known.
 */
#ifndef TIDEMARK_FUSE_INDEX_PRIV_H
#define TIDEMARK_FUSE_INDEX_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

#define INDEX_BUCKETS 64u
#define INDEX_NAME_BYTES 28u                                       /* in a blob: hash, ctime, size, mode */
#define INDEX_BUCKET_NAMES ((48u * 1024) / INDEX_NAME_BYTES)       /* so that a bucket fits one record */

/* What is known of a name beside its mode; not compared, as not everything that tells of a name says it. */
#define INDEX_MODE 0x1fffffffu
#define INDEX_REMOVED (1u << 29)  /* of the image, and gone */
#define INDEX_MODIFIED (1u << 30) /* the image has one too */
#define INDEX_PREPARED (1u << 31) /* by the runtime, before the first program ran: mount points among them */

struct index_name {
        uint64_t hash, ctime_ns, size;
        uint32_t mode; /* and above INDEX_MODE: */
        uint32_t walk;     /* number of the walk that met it last; not stored */
        uint64_t told_boot; /* when an event told it; 0: a walk did, or an earlier life. Not stored */
        int64_t told_wall;
};

struct index_bucket {
        struct index_name *names;
        uint32_t n, cap;
};

struct index {
        struct index_bucket buckets[INDEX_BUCKETS];
        size_t names;
        uint64_t dirty; /* set of buckets that changed since index_clean() */
};

void index_release(struct index *ix);
struct index_name *index_find(const struct index *ix, uint64_t hash); /* borrowed until the next change; NULL */
/* Add or replace. ERR_LIMIT: limit names there already, or too many of them in one bucket; -ENOMEM. */
int index_put(struct index *ix, size_t limit, const struct index_name *name) TM_CHECK;
void index_del(struct index *ix, uint64_t hash); /* absent: nothing happens */
/* Forget what the walk of this number did not meet. How many. */
size_t index_sweep(struct index *ix, uint32_t walk);

/* The blob of one bucket; empty if it holds nothing. */
void index_encode(const struct index *ix, unsigned bucket, struct buf *out);
/* ERR_SCHEMA: format of the future, or names that belong into another bucket; ERR_TRUNCATED, ERR_LIMIT, -ENOMEM. */
int index_decode(struct index *ix, unsigned bucket, size_t limit, struct bytes blob) TM_CHECK;

#endif
