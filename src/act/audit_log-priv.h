/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit_log-priv - what the processes of audit_log.c share: types that old headers lack, and the writing itself. */
#ifndef TIDEMARK_ACT_AUDIT_LOG_PRIV_H
#define TIDEMARK_ACT_AUDIT_LOG_PRIV_H

#include <libaudit.h>

#include "tidemark/audit_log.h"

/* Of audit 3.x: the kernel passes all of 2100 to 2999, an older ausearch shows them as UNKNOWN[2213]. */
#ifndef AUDIT_ANOM_SESSION
#define AUDIT_ANOM_SESSION 2121
#endif
#ifndef AUDIT_RESP_ORIGIN_BLOCK
#define AUDIT_RESP_ORIGIN_BLOCK 2213
#endif
#ifndef AUDIT_RESP_ORIGIN_BLOCK_TIMED
#define AUDIT_RESP_ORIGIN_BLOCK_TIMED 2214
#endif
#ifndef AUDIT_RESP_ORIGIN_UNBLOCK_TIMED
#define AUDIT_RESP_ORIGIN_UNBLOCK_TIMED 2215
#endif
#ifndef AUDIT_VIRT_INTEGRITY_CHECK
#define AUDIT_VIRT_INTEGRITY_CHECK 2503
#endif

/* Is it an act of ours or a word about the trail, which no storm of findings may hold up? */
bool audit_log_is_act(enum audit_note_type type);

/* Write one record by libaudit. It may wait. 0, or negative. */
int audit_log_write(uint16_t type, const char *text, bool ok);

#endif
