/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cidr - an address, or all that begin as it does: "10.0.0.7", "10.0.0.0/8", "fd00::/64" (RFC 4632, RFC 4291). Pure. */
#ifndef TIDEMARK_CIDR_H
#define TIDEMARK_CIDR_H

#include <stdint.h>

#include "tidemark/attr.h"

struct cidr {
        uint8_t len;       /* bytes of the address: 4 or 16 */
        uint8_t bits;      /* that count: 0 to 8 * len */
        uint8_t bytes[16]; /* network order; bits that do not count are 0 */
};

/* 0; -EINVAL: neither, or a bit beyond the prefix is set. */
int cidr_parse(const char *text, struct cidr *ret) TM_CHECK;

#endif
