/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory - what a process of ours costs: its proportional set size, from /proc/PID/smaps_rollup, else smaps (proc(5)).
 */
#ifndef TIDEMARK_DAEMON_MEMORY_H
#define TIDEMARK_DAEMON_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

/* KiB; pid 0: this process. 0 when it cannot be read. */
uint64_t memory_pss_kib(pid_t pid);

#endif
