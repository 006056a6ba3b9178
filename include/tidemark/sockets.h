/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockets - which process has a socket: from its inode number to a process, by /proc/PID/fd of those that may.
 *
 * Owns:      what it remembers of sockets that were seen, and how much looking is done.
 * Never:     walks all descriptors for each flow: whoever opened the last ones is asked first, then the youngest; so
 *            many descriptors and processes at most, by call and by time.
 * Hands over: a process that had it open a moment ago.
 *
 * proc(5): /proc/PID/fd/N is a link to "socket:[INODE]".
 */
#ifndef TIDEMARK_SOCKETS_H
#define TIDEMARK_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct sockets;

struct sockets_process {
        uint32_t pid;
        uint64_t start; /* field 22 of /proc/PID/stat */
};

struct sockets_ops {
        /* The processes that may have a socket of this namespace, oldest first; at most n. Returns how many. */
        size_t (*candidates)(uint64_t netns, struct sockets_process *to, size_t n, void *arg);
        /* Does it still run? */
        int (*alive)(const struct sockets_process *p, void *arg);
};

int sockets_new(const struct sockets_ops *ops, void *arg, struct sockets **ret) TM_CHECK;
struct sockets *sockets_free(struct sockets *ss);
DEFINE_CLEANUP(struct sockets *, sockets_free)
/* -ENOENT: none of them has it (any more); -EBUSY: so much was looked at already that this one is not looked for. */
int sockets_find(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns,
                 struct sockets_process *ret) TM_CHECK;

struct sockets_stats {
        uint64_t asked, remembered, found, gone, refused; /* gone: -ENOENT; refused: -EBUSY */
        uint64_t processes, descriptors;                  /* looked at */
};
void sockets_stats(const struct sockets *ss, struct sockets_stats *ret);

#endif
