/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit_rules-priv - what the helper that asks libaudit does for audit_rules.c. All of it may wait. */
#ifndef TIDEMARK_ACT_AUDIT_RULES_PRIV_H
#define TIDEMARK_ACT_AUDIT_RULES_PRIV_H

#include "tidemark/audit_rules.h"

#define AUDIT_RULES_KEY 48u /* with its NUL */

/* Remove what has the key, then add what is wanted; all of it is told in *ret. Its result is also in ret->error. */
int audit_rules_set(enum audit_rules_want want, const char *key, struct audit_rules_state *ret);
/* st: as it was told last. If fewer than these stand, all are set anew; want AUDIT_RULES_NONE: the numbers alone. */
int audit_rules_again(enum audit_rules_want want, const char *key, struct audit_rules_state *st);

#endif
