/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * facility - what a kernel may give or not, by the words that probe.disable takes. A set of them is a uint32_t of bits
 * 1u << enum facility.
 */
#ifndef TIDEMARK_FACILITY_H
#define TIDEMARK_FACILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/str.h"

enum facility {
        FACILITY_CONTENT,         /* "content": fanotify with descriptors: contents and executions */
        FACILITY_FILESYSTEM_MARK, /* "filesystem-mark": FAN_MARK_FILESYSTEM */
        FACILITY_OPEN_EXEC,       /* "open-exec": FAN_OPEN_EXEC */
        FACILITY_NAMES,           /* "names": FAN_REPORT_DFID_NAME */
        FACILITY_INOTIFY,         /* "inotify": watches on directories */
        FACILITY_NSPID,           /* "nspid": NSpid in /proc/PID/status */
        FACILITY_FLOWS,           /* "flows": conntrack's events and packets, by a table of nftables */
        FACILITY__MAX
};

static inline bool facility_in(uint32_t set, enum facility f)
{
        return set >> f & 1u;
}

const char *facility_word(unsigned f); /* "" for a number out of range */
/* The number of the word, or FACILITY__MAX. */
unsigned facility_find(struct bytes word);

#endif
