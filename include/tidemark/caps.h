/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * caps - giving up privileges for good, and proof that they are gone. libcap-ng; capabilities(7).
 *
 * The only user of libcap-ng. Each function reads back from the kernel what it did: a result of 0 means that it was
 * seen to be so, not that a call succeeded. A failed drop must end the start: the caller may not go on.
 */
#ifndef TIDEMARK_CAPS_H
#define TIDEMARK_CAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"

/* A feature that is switched on, and the capability that it needs. */
struct caps_need {
        int cap;         /* CAP_* of linux/capability.h */
        const char *why; /* for the log and the manual page */
};

/* What the sensor needs with all of this version's features on. *ret_n entries, static. */
const struct caps_need *caps_sensor(size_t *ret_n);

/*
 * Reduce this process to the capabilities of needs: permitted, effective and bounding set become exactly these,
 * inheritable and ambient become empty. -EPERM when one of them is not there to begin with (*ret_missing, may be NULL,
 * names it: static text) or when reading back shows another set.
 */
int caps_keep(const struct caps_need *needs, size_t n, const char **ret_missing) TM_CHECK;

/* What the helper needs that sets and removes audit rules; it has it before the sensor gives it up. */
const struct caps_need *caps_auditor(size_t *ret_n);
/* What the helper needs that writes records of audit; it has it before the sensor gives it up. */
const struct caps_need *caps_audit_writer(size_t *ret_n);
/* What a helper needs that reads other processes' memory. */
const struct caps_need *caps_reader(size_t *ret_n);

/* What a helper needs that enters network namespaces and makes our table there. */
const struct caps_need *caps_enterer(size_t *ret_n);

/* What the helper needs that cuts containers off the network. */
const struct caps_need *caps_isolator(size_t *ret_n);
/* What the helper needs that kills a container's tasks; it has it before the sensor gives it up. */
const struct caps_need *caps_killer(size_t *ret_n);
/* What the helper needs that takes evidence of a container. */
const struct caps_need *caps_capturer(size_t *ret_n);

/* What a helper needs that opens the files of images. */
const struct caps_need *caps_opener(size_t *ret_n);

/*
 * Keep only the capabilities of needs, permitted and effective, and no way to more: for a helper of a process that has
 * reduced its bounding set already. Those that are not there stay away. -EPERM when reading back shows others left.
 */
int caps_reduce(const struct caps_need *needs, size_t n) TM_CHECK;

/*
 * Keep no capability, and no way to one: for a helper of a process that has dropped already, and so can no longer
 * change its bounding set. The user stays. -EPERM when reading back shows anything left.
 */
int caps_none(void) TM_CHECK;

/*
 * Become uid and gid for good with no supplementary groups, no capability in any set (bounding set included) and no
 * new privileges. -EPERM when reading back shows anything left.
 */
int caps_become(uid_t uid, gid_t gid) TM_CHECK;

#endif
