/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config-priv - the one table of options; the loader, the dump, the shipped file and the check of the manual use it. */
#ifndef TIDEMARK_CONFIG_CONFIG_PRIV_H
#define TIDEMARK_CONFIG_CONFIG_PRIV_H

#include "tidemark/config.h"

enum option_form {
        OPT_TEXT,     /* char array */
        OPT_WORD,     /* char array: one of words */
        OPT_COUNT,    /* uint32_t */
        OPT_COUNT64,  /* uint64_t */
        OPT_PERCENT,  /* uint32_t */
        OPT_BYTES,    /* uint32_t; "4M" */
        OPT_TIME,     /* uint64_t, nanoseconds; "72h" */
        OPT_CHANCE,   /* double, 0 to 1 */
        OPT_BITS,     /* int32_t, quarters of a bit */
        OPT_DISABLE,  /* uint32_t: list of words, a set of enum facility */
        OPT_SIZE,     /* size_t */
        OPT_YES,      /* bool */
        OPT_PATTERNS, /* struct str_list, of mask.h's expressions */
        OPT_NAMES,    /* struct str_list, of names in which * stands for anything */
        OPT_PATHS,    /* struct str_list, of absolute paths */
        OPT_PLACES,   /* struct str_list, of addresses and networks: cidr.h */
        OPT_BYTES64,  /* uint64_t; "20G" */
        OPT_PATH,     /* char array: an absolute path, or nothing */
};

struct option_row {
        const char *name; /* group.name */
        enum option_form form;
        size_t offset, size; /* in struct cfg; size of a char array */
        double min, max;     /* in the unit of the form */
        const char *const *words;
        const char *help;
};

/* Options in the order of the shipped file; *ret_n of them. scoring.* come from the judge's table of factors. */
const struct option_row *config_options(size_t *ret_n);

/* An option's present value, as it is written in a file; indent begins each further line of it. */
void config_put_value(const struct cfg *c, const struct option_row *o, const char *indent, struct buf *out);

/* Note one, with line 0 for none; -EINVAL. */
int config_mistake(struct cfg_mistakes *ms, const char *file, int line, const char *fmt, ...) TM_PRINTF(4, 5);
/* A file of root's, whole; -EINVAL: why not is noted. */
int config_take_file(const char *path, struct buf *out, struct cfg_mistakes *ms) TM_CHECK;

struct time_unit {
        const char *suffix;
        double ns;
};
extern const struct time_unit config_time_units[]; /* largest first; suffix NULL ends */

#endif
