/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mask-priv - a pattern, read and compiled. */
#ifndef TIDEMARK_TIDE_MASK_PRIV_H
#define TIDEMARK_TIDE_MASK_PRIV_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "tidemark/attr.h"

#define MASK_GROUPS_MAX 16u

struct mask_pattern {
        regex_t re, context;
        bool has_context;
        unsigned group; /* the one that is the secret; 0: what follows */
};

/* 0; -EINVAL with words in why: nothing is owned then. */
int mask_pattern_compile(const char *pattern, struct mask_pattern *ret, char *why, size_t size) TM_CHECK;
void mask_pattern_release(struct mask_pattern *p);

#endif
