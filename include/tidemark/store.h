/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store - pieces of memory in SQLite: (what, key) → blob, in transactions. WAL, synchronous=NORMAL: what was committed
 * survives kill -9 of every process; a power cut may take back the last commits but never tears one (store_commit with
 * sync says: also that survives). SQL of SQLite 3.7.17.
 *
 * A file that is damaged, of another program, of a newer version or writable by others is refused and left as it is:
 * what it holds may be evidence. It is checked whole at the start (up to 64 MiB; what lies beyond when it is read).
 *
 * Only committed pieces are shown to anybody: what a client was told is stored.
 */
#ifndef TIDEMARK_STORE_H
#define TIDEMARK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct store;

/* Opens or creates DIR/tidemark.db (0600). *ret_why (static buffer in the store or literal; may be NULL) explains a
 * failure: of a newer version (ERR_SCHEMA), damaged or no database (-EUCLEAN), of another program (ERR_FOREIGN),
 * somebody else's or writable by others (ERR_UNTRUSTED), not writable (-EACCES, -EROFS), no directory (-ENOENT). */
int store_open(const char *dir, struct store **ret, const char **ret_why) TM_CHECK;
struct store *store_close(struct store *s); /* commits what is pending */
DEFINE_CLEANUP(struct store *, store_close)
/* Put (len > 0) or delete (len 0). Buffered in memory until the commit; the last word for a key counts. */
int store_put(struct store *s, int what, struct bytes key, struct bytes blob) TM_CHECK;
bool store_dirty(const struct store *s);
size_t store_pending(const struct store *s); /* pieces */
/* One transaction. sync: wait until it is on the disk. On failure nothing of it is stored, all of it stays pending. */
int store_commit(struct store *s, bool sync) TM_CHECK;
int store_each(struct store *s, int what, int (*cb)(struct bytes key, struct bytes blob, void *arg),
               void *arg) TM_CHECK; /* ordered by key */
int store_get(struct store *s, int what, struct bytes key,
              struct bytes *ret_blob) TM_CHECK; /* borrowed until the next call; -ENOENT */

#endif
