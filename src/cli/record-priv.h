/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record-priv - what record.c and record_verify.c share. */
#ifndef TIDEMARK_CLI_RECORD_PRIV_H
#define TIDEMARK_CLI_RECORD_PRIV_H

#include <jansson.h>
#include <stdbool.h>

struct cli;

/* One record as the daemon's JSON has it, for people. */
void record_print(const json_t *o, bool with_digest);
/* tidemark record verify: without a daemon. */
int record_verify(struct cli *c);

#endif
