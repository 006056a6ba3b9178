/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trail-priv - a line of the trail and its files' names, shared by whoever writes and whoever reads. */
#ifndef TIDEMARK_ACT_TRAIL_PRIV_H
#define TIDEMARK_ACT_TRAIL_PRIV_H

#include <jansson.h>

#include "tidemark/buf.h"
#include "tidemark/trail.h"

#define TRAIL_CURRENT "trail.jsonl"
#define TRAIL_HASH_FIELD ",\"hash\":\""
#define TRAIL_COMM 64u /* bytes kept of a command name, a container's id */
/* Longest line: text escaped by us (4 bytes each at worst) and by JSON (twice at worst), and the other fields. */
#define TRAIL_LINE_MAX (8u * TRAIL_TEXT_MAX + 4096u)

/* The line of e up to its hash, as number n behind prev. boot_id: NULL where it is not said. */
int trail_line_build(const struct trail_entry *e, uint64_t n, const char *prev, const char *boot_id,
                     struct buf *out) TM_CHECK;
/* Add the hash and the newline. */
int trail_line_seal(struct buf *line, char ret_hash[TRAIL_HASH + 1]) TM_CHECK;
/* A line without its newline: its object (new reference), with the hash checked. -EUCLEAN: it is no record, or its hash
 * is another one; -ENOMEM. */
int trail_line_check(const char *line, size_t len, json_t **ret, char ret_hash[TRAIL_HASH + 1]) TM_CHECK;
uint64_t trail_line_n(const json_t *o); /* 0: it has none */

/* trail-NNNNNNNNNNNN.jsonl, by the number of its first record. */
void trail_name_of(uint64_t first, char ret[TRAIL_NAME]);
bool trail_name_parse(const char *name, uint64_t *ret_first);
/* Numbers of the first records of all such files in the directory of this descriptor (stays the caller's), in order.
 * *ret is the caller's to free. */
int trail_names(int dirfd, uint64_t **ret, size_t *ret_n) TM_CHECK;
/* "2026-01-02T03:04:05.678Z" to nanoseconds since 1970; 0: it is no such. */
int64_t trail_time(const char *text);

#endif
