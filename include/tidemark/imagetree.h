/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * imagetree - the files of an image as a container sees them, from its overlay's lower directories: upper layers win,
 * whiteouts and opaque directories hide what lies below (the kernel's Documentation/filesystems/overlayfs.rst).
 *
 * Opens directories beneath the layers only, follows no link, enters no other mount. May block on a slow disk: for a
 * helper. Bounded: entries, depth and directories that wait; what was cut is told in words.
 */
#ifndef TIDEMARK_IMAGETREE_H
#define TIDEMARK_IMAGETREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define IMAGETREE_LAYERS 512u

struct imagetree_entry {
        struct bytes path; /* without a slash at its beginning */
        const char *name;  /* its last part, within dir */
        int dir;           /* the directory, in its layer */
        unsigned layer;
        struct stat st;
};

struct imagetree_ops {
        /* A regular file or a symbolic link. Negative ends the walk. */
        int (*entry)(const struct imagetree_entry *e, void *arg);
        /* Something could not be read, or was cut. */
        void (*note)(const char *words, void *arg);
};

struct imagetree_limits {
        uint64_t entries; /* of directories, of all layers */
        uint32_t waiting; /* directories that are still to be listed */
};

struct imagetree_stats {
        uint64_t entries, directories;
        bool complete;
};

/* lower: absolute paths, topmost first. 0, or what ops.entry or memory said; -ENOENT: no layer can be opened. */
int imagetree_walk(const char *const *lower, unsigned n, const struct imagetree_limits *limits,
                   const struct imagetree_ops *ops, void *arg, struct imagetree_stats *ret) TM_CHECK;

#endif
