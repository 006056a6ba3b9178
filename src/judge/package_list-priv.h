/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_list - names and versions of packages, by number: those of an image (prior.c), those of an SBOM (supply.c).
 *
 * Owns:      one buffer of them as tide_prior_package_put() wrote them, and where each begins.
 * Limits:    PACKAGE_LIST_MAX of them, PACKAGE_LIST_BYTES in all; what is above is counted.
 */
#ifndef TIDEMARK_PACKAGE_LIST_PRIV_H
#define TIDEMARK_PACKAGE_LIST_PRIV_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

#define PACKAGE_LIST_MAX 16384u
#define PACKAGE_LIST_BYTES (1u << 20)
#define PACKAGE_LIST_PIECE (40u * 1024) /* bytes of it in one piece */

struct package_list {
        struct buf all;
        uint32_t *at; /* where each begins */
        uint32_t n, cap;
        uint32_t told; /* also those for which there was no room */
        uint64_t refused;
};

void package_list_init(struct package_list *l);
void package_list_release(struct package_list *l);
size_t package_list_bytes(const struct package_list *l);
/* Append what the list holds. 0 or -ENOMEM. */
int package_list_add(struct package_list *l, struct bytes list) TM_CHECK;
/* Number n, from 0; its strings are borrowed until the next one is added. False: there is none. */
bool package_list_get(const struct package_list *l, uint32_t n, struct tide_prior_package *ret);
/* Appended: from the package of this number on, as many as fit a piece, behind that number; the number of the next. */
uint32_t package_list_put(const struct package_list *l, uint32_t from, struct buf *out);
/* Pieces must come in their order, for files name packages by number; the store and snapshots give them so.
 * ERR_SCHEMA, -ENOMEM. */
int package_list_take(struct package_list *l, struct rd *r) TM_CHECK;

/* An array for one more: doubled, so that adding many is not quadratic. 0 or -ENOMEM. */
int array_grow(void **array, uint32_t *cap, uint32_t n, size_t each) TM_CHECK;

#endif
