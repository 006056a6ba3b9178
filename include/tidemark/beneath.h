/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * beneath - open what a name says below a directory, where somebody else chose the name and shapes the tree: never
 * through a symbolic link, never above the directory, and (asked for) never into another mount. By openat2(2), Linux
 * 5.6; component by component where there is none, with the same answers.
 */
#ifndef TIDEMARK_BENEATH_H
#define TIDEMARK_BENEATH_H

#include "tidemark/attr.h"
#include "tidemark/str.h"

enum beneath_how {
        BENEATH_ANY_MOUNT,
        BENEATH_ONE_MOUNT, /* stay in the mount that base is in */
};

/*
 * path: leading slashes are passed over; empty: base itself. flags: as for open(2); O_NOFOLLOW and O_CLOEXEC are always
 * set, so with O_PATH a link at the end is opened as such. Returns a descriptor, or
 *   -EXDEV         a ".." (anywhere), or another mount
 *   -ELOOP         a link on the way; at the end without O_PATH
 *   -ENOTDIR, -ENOENT, -ENAMETOOLONG (also: PATH_MAX bytes or more), -EINVAL (a NUL within), what open(2) says
 */
int beneath_open(int base, struct bytes path, int flags, enum beneath_how how) TM_CHECK;
/* The same without openat2, as old kernels have it. */
int beneath_open_stepwise(int base, struct bytes path, int flags, enum beneath_how how) TM_CHECK;

#endif
