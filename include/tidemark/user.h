/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user - the users and directories that the daemon is set up with, before it gives up its privileges.
 */
#ifndef TIDEMARK_USER_H
#define TIDEMARK_USER_H

#include <sys/types.h>

#include "tidemark/attr.h"

/* Look up a user, or a group. -ENOENT: there is none of this name. */
int user_find(const char *name, uid_t *ret_uid, gid_t *ret_gid) TM_CHECK;
int user_find_group(const char *name, gid_t *ret_gid) TM_CHECK;

/*
 * Make sure that path is a directory of uid:gid with this mode, and of nobody else's making: it is created (its parent
 * must exist) or taken as it is if owner already fits; the mode is set. -ENOTDIR: something else, a symbolic link too,
 * is there. -EPERM: it belongs to another user.
 */
int user_dir(const char *path, mode_t mode, uid_t uid, gid_t gid) TM_CHECK;

#endif
