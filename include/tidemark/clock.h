/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock - the only readers of time. Pure rooms (fuse, judge, decoders) take times as arguments. */
#ifndef TIDEMARK_CLOCK_H
#define TIDEMARK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/when.h"

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

uint64_t clock_boot_ns(void); /* CLOCK_BOOTTIME: deadlines, order */
uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC: what the proc connector stamps */
int64_t clock_wall_ns(void);  /* CLOCK_REALTIME: shown, never compared for deadlines */

#endif
