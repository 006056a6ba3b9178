/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trail-priv - where the trail of this host's daemon is, and what the audit log knows of it; for those who read it. */
#ifndef TIDEMARK_CLI_TRAIL_PRIV_H
#define TIDEMARK_CLI_TRAIL_PRIV_H

#include "tidemark/attr.h"

struct trail_checkpoints;

struct trail_place {
        char state[256], dir[300];
};

#define TRAIL_AUDIT_LOG "/var/log/audit/audit.log"
#define TRAIL_UNFINISHED_TRIES 5 /* a record may just be being written */
#define TRAIL_UNFINISHED_MS 100

/* By state_dir, else by the configuration of this host's daemon (config; NULL: where it is by default). CLI_DONE, or an
 * exit status after saying why. */
int trail_place_find(const char *config, const char *state_dir, struct trail_place *ret) TM_CHECK;
/* Say that it cannot be read. Returns the exit status. */
int trail_place_unreadable(const struct trail_place *p, int err);
/* The audit log at path and its rotated ones. 0: some could be read. */
int trail_place_checkpoints(const struct trail_place *p, const char *path, struct trail_checkpoints *cs) TM_CHECK;

#endif
