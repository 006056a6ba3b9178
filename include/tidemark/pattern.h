/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern - what an operator writes to mean several paths or names, matched against bytes that anybody may have chosen.
 *
 *     *      any bytes but the separator, also none          ?     one byte that is not the separator
 *     **     any bytes; between separators ("a", separator, two stars, separator, "b") also no part at all
 *     \c     that byte itself (of *, ?, \); \n, \t, \xNN as str_escape() shows them, so that what is shown can be typed
 *
 * The separator is '/' for paths, '.' for names of hosts, 0 where there is none (then * is any bytes). Nothing is
 * folded. Time is at most that of one step per byte of the pattern and byte of the text, whatever either holds. Pure.
 */
#ifndef TIDEMARK_PATTERN_H
#define TIDEMARK_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

#define PATTERN_MAX 512u /* bytes of a pattern */

/* NULL: it can be used. Else what is wrong with it, in words that follow its name. */
const char *pattern_check(struct bytes pattern) TM_CHECK;
/* Does the whole text fit? A pattern that cannot be used fits nothing. */
bool pattern_fits(struct bytes pattern, uint8_t separator, struct bytes text);
/* It means one text only: no star, no question mark. */
bool pattern_is_exact(struct bytes pattern);
/* Append text as the pattern that means it alone: printable, and quoted where it must be. */
void pattern_quote(struct bytes text, struct buf *out);

#endif
