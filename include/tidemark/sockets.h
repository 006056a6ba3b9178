/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockets - which process has a socket: from its inode number to a process, by /proc/PID/fd of those that may.
 *
 * Owns:      what it remembers of sockets that were seen, and how much looking is done.
 * Never:     opens a descriptor of anybody, or looks on where the budget is used up: it says -EBUSY.
 * Hands over: a process that had it open a moment ago.
 *
 * proc(5): /proc/PID/fd/N is a link to "socket:[INODE]". In this order, until it is found:
 *   1. what earlier looks saw on their way, and what they did not find (for SOCKETS_MISS_NS);
 *   2. the number at which each of the last processes had its last one, then SOCKETS_NEAR numbers on both sides: the
 *      kernel gives the lowest that is free (fs/file.c: alloc_fd), so whoever opens and closes in a loop gets the same
 *      again;
 *   3. the descriptors of these processes, then of the youngest ones, from the highest number down: new ones are there,
 *      as long as none was closed.
 *
 * The budget counts descriptors looked at, one to some microseconds each; opening a process's list, reading its
 * numbers and asking for the processes are counted in, by what they cost. For the numbers that is the size of the
 * table (FDSize in /proc/PID/status), which never shrinks and all of which the kernel goes through, however few are in
 * use: a list that would cost more than is left is not read. SOCKETS_SEARCH for one socket, and whatever that takes,
 * no more than SOCKETS_SEARCH_NS: of a process with more the lowest are not seen, and it is -EBUSY then. SOCKETS_RATE
 * a second for all, and a credit of SOCKETS_BURST beyond that. Of its upper half everybody may take; of the lower half
 * one network namespace gets half, as of the rate, so that the host's own, most of whose sockets nobody has that is
 * known here, does not use up all of it. The last quarter is left for 2.
 */
#ifndef TIDEMARK_SOCKETS_H
#define TIDEMARK_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct sockets;

#define SOCKETS_SEARCH 4096u
#define SOCKETS_SEARCH_NS 20000000u
#define SOCKETS_RATE 16384u
#define SOCKETS_BURST 32768u
#define SOCKETS_NEAR 4u
#define SOCKETS_MISS_NS 1000000000u

struct sockets_process {
        uint32_t pid;
        uint64_t start; /* field 22 of /proc/PID/stat */
};

struct sockets_ops {
        /* The processes that may have a socket of this namespace, oldest first; at most n. Returns how many. */
        size_t (*candidates)(uint64_t netns, struct sockets_process *to, size_t n, void *arg);
        /* Does it still run? Asked before it is looked at, and before what is remembered of it counts. */
        int (*alive)(const struct sockets_process *p, void *arg);
        uint64_t (*mono_ns)(void *arg); /* NULL: clock_mono_ns(); for how long one search takes */
};

int sockets_new(const struct sockets_ops *ops, void *arg, struct sockets **ret) TM_CHECK;
struct sockets *sockets_free(struct sockets *ss);
DEFINE_CLEANUP(struct sockets *, sockets_free)
/* -ENOENT: all were looked at, and none of them has it (any more); -EBUSY: not all were, for the budget is used up, it
 * took too long or there are too many: it may be one of them. That is not remembered. */
int sockets_find(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns,
                 struct sockets_process *ret) TM_CHECK;

struct sockets_stats {
        uint64_t asked, remembered, found, gone, refused; /* gone: -ENOENT; refused: -EBUSY */
        uint64_t processes, descriptors;                  /* whose list was read; links looked at */
};
void sockets_stats(const struct sockets *ss, struct sockets_stats *ret);

#endif
