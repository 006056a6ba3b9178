/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bolt - read one value from a BoltDB file that somebody else may be writing. Only reads, takes no lock (a lock of ours
 * would make the owner wait), allocates one node at a time.
 */
#ifndef TIDEMARK_PARSE_BOLT_PRIV_H
#define TIDEMARK_PARSE_BOLT_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

struct bolt_io {
        /* Exactly len bytes at off. 0 or a negative errno; ERR_TRUNCATED at the end of the file. */
        int (*read)(void *arg, uint64_t off, void *p, size_t len);
        void *arg;
        uint64_t size; /* of the file */
};

#define BOLT_NODE_MAX (8u * 1024 * 1024) /* one node with its overflow pages */
#define BOLT_DEPTH_MAX 24                /* levels of one bucket's tree: also what ends a loop of pages */
#define BOLT_RETRIES 4

/*
 * Append the value at keys[n - 1] in the buckets keys[0] … keys[n - 2], from the root, to ret_value.
 * -ENOENT: no such bucket or key. ERR_FOREIGN: not a Bolt file. ERR_CHECKSUM: neither of its meta pages is whole.
 * ERR_SCHEMA: a page is damaged, or its version is unknown. ERR_LIMIT: a node or the value is larger than the limit.
 * -EAGAIN: was written to all the time. -ENOMEM, -EIO, ERR_TRUNCATED.
 */
int bolt_get(const struct bolt_io *io, const struct bytes *keys, size_t n, struct buf *ret_value) TM_CHECK;

#endif
