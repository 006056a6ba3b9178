/* SPDX-License-Identifier: GPL-2.0-or-later */
/* procfs-priv - what the parsers of procfs share. Pure. */
#ifndef TIDEMARK_TRACE_PROCFS_PRIV_H
#define TIDEMARK_TRACE_PROCFS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/str.h"

/* Decimal number at the beginning of *s, which is moved behind it. */
bool procfs_take_number(struct bytes *s, uint64_t *ret);
/* What stands before the next separator; *s is moved behind it. False at the end. */
bool procfs_take_field(struct bytes *s, uint8_t separator, struct bytes *ret);

#endif
