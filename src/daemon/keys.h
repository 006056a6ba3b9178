/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys - the public keys of import.keys and records.keys. Their files are read once, at the start, by who may read them
 * (root, before the fork); what is in them is parsed by the engine alone, and by --check-config.
 */
#ifndef TIDEMARK_DAEMON_KEYS_H
#define TIDEMARK_DAEMON_KEYS_H

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct keys;

#define KEYS_MAX STR_LIST_MAX

/* Whatever is wrong with a file is kept with it. -ENOMEM alone. A directory: its files *.pem and *.pub, in the order of
 * their names; above KEYS_MAX keys none is taken, and the directory is said to be wrong. */
int keys_read(const struct str_list *paths, struct keys **ret) TM_CHECK;
int keys_parse(struct keys *k) TM_CHECK;
struct keys *keys_free(struct keys *k);
DEFINE_CLEANUP(struct keys *, keys_free)
size_t keys_count(const struct keys *k);
/* The n-th: its file; and what is wrong with it, NULL: nothing. */
const char *keys_path(const struct keys *k, size_t n);
const char *keys_wrong(const struct keys *k, size_t n);
/* What is in its file; empty: it could not be read. */
struct bytes keys_pem(const struct keys *k, size_t n);
/* Its own SHA-256; NULL: it is wrong, or not parsed. */
const char *keys_id(const struct keys *k, size_t n);
/* Which one a signature over data is of; -1: none. *ret_id: the key's own SHA-256. */
int keys_fit(const struct keys *k, struct bytes data, struct bytes signature, const char **ret_id);

#endif
