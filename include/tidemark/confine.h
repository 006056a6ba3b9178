/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confine - what a worker that reads foreign bytes may ask of the kernel: a list of system calls (libseccomp,
 * seccomp(2)), and limits (setrlimit(2)). For good, and proven: a filter that does not load ends the worker.
 *
 * The only user of libseccomp.
 */
#ifndef TIDEMARK_CONFINE_H
#define TIDEMARK_CONFINE_H

#include <stdint.h>

#include "tidemark/attr.h"

enum confine_as {
        /* Descriptors that come through a socket, memory, time. Nothing is opened: that fails with EPERM; what has no
         * business here at all (exec, sockets, other processes) kills. */
        CONFINE_READER,
        /* A library that opens files by name: for reading only, nothing is made, changed or taken away. Whatever else
         * fails with EPERM. */
        CONFINE_FILE_READER,
};

/* Memory (address space; 0: no limit) and processor time of this process, no core, few descriptors. */
int confine_limits(uint64_t memory, uint64_t cpu_seconds) TM_CHECK;
/* The filter, with no new privileges. What libraries prepare at their first use must be done before. */
int confine(enum confine_as as) TM_CHECK;

#endif
