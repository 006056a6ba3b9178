/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmsg - what the kernel said, as sense/ hands it to trace/: plain structs of numbers, before anybody has asked which
 * container it concerns. In tide/, because the two rooms stand side by side and may not include each other.
 */
#ifndef TIDEMARK_KMSG_H
#define TIDEMARK_KMSG_H

#include <stdint.h>

#include "tidemark/compat.h"

/* One message of the proc connector. linux/cn_proc.h */
enum proc_what {
        PROC_OTHER,
        PROC_FORK,
        PROC_EXEC,
        PROC_EXIT,
        PROC_UID,
        PROC_GID,
        PROC_SID,
        PROC_PTRACE,
        PROC_COMM,
        PROC_COREDUMP
};

struct proc_msg {
        enum proc_what what;
        uint32_t cpu, seq;   /* seq counts per CPU */
        uint64_t mono_ns;    /* CLOCK_MONOTONIC at the act */
        uint32_t pid, tgid;  /* who it happened to; for fork: the child. pid != tgid: a thread */
        uint32_t ppid, ptgid; /* fork: the parent; exit: parent where the kernel tells (else 0); ptrace: the tracer */
        uint32_t rid, eid;   /* uid, gid: real and effective */
        uint32_t code;       /* exit: wait status */
        char comm[16];       /* comm */
};

/* How the root of a container is marked for content. */
enum fan_how { FAN_HOW_NONE, FAN_HOW_FILESYSTEM, FAN_HOW_MOUNT };

/* One event of the fanotify group for content. fanotify(7) */
struct fan_event {
        uint64_t mask; /* FAN_CLOSE_WRITE, FAN_OPEN_EXEC of sys/fanotify.h */
        uint32_t pid;  /* host pid of the process (thread group); 0 if it cannot be seen */
        int fd;        /* the file; -1 if the kernel gave none */
};

#endif
