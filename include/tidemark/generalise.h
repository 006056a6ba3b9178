/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generalise - from a path as it was to a key that the next run will meet again: digits, hex strings, hashes, UUIDs,
 * pids and random temp-name parts become placeholders ("<n>", "<hex>", "<uuid>", "<rand>"). Deterministic, pure, local
 * to each component; never changes the number of components. An executable's path is never generalised by randomness
 * guesses, only by pid and digits below /proc: the caller says which.
 */
#ifndef TIDEMARK_GENERALISE_H
#define TIDEMARK_GENERALISE_H

#include <stdbool.h>

#include "tidemark/str.h"

struct buf;

enum generalise_kind { GENERALISE_DATA, GENERALISE_EXECUTABLE };
/* Appends the key to out. Bytes are kept as they are where no rule holds. */
void generalise_path(struct bytes path, enum generalise_kind kind, struct buf *out);

#endif
