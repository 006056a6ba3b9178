/* SPDX-License-Identifier: GPL-2.0-or-later */
/* openfile-priv - the two halves of openfile: what a descriptor says by itself, and where it stands in a container. */
#ifndef TIDEMARK_TRACE_OPENFILE_PRIV_H
#define TIDEMARK_TRACE_OPENFILE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;
struct container;

struct openfacts {
        uint64_t dev, ino, size;
        uint32_t mode, nlink;
        uint32_t mount; /* number in mountinfo; 0: the kernel does not tell */
        bool deleted;   /* the link says so; a name may end in the same words */
        bool script;    /* begins with "#!" (only where asked for) */
};

/* path is emptied and filled with the link's text, " (deleted)" taken off. Never asks a file system's server. */
int openfile_facts(int fd, struct buf *path, struct openfacts *ret) TM_CHECK;
/*
 * Where the file stands in c, as process pid (0: the init) sees it. path may be rewritten: a file of the root reached
 * through another mount of it is told by its place in the root.
 */
void openfile_place(const struct container *c, uint32_t pid, const struct openfacts *f, struct buf *path,
                    uint8_t *ret_layer, uint8_t *ret_change);
/* The same for a path alone, which is known to be one of the root. */
void openfile_place_path(const struct container *c, struct bytes path, uint8_t *ret_layer, uint8_t *ret_change);
/*
 * Of what runs: a file of the image that was copied up for its owner or mode (chown -R at every start) is the image's
 * still, as its size and time say. Who puts those back after a change is told by the writing, and by the walker, which
 * compares what is in it.
 */
void openfile_copy_runs(const struct container *c, struct bytes path, uint8_t *layer, uint8_t *change);
/* The device number of memfds, from one of our own; 0 if there are none. */
uint64_t openfile_memfd_dev(void);

#endif
