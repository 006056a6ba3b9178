/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generalise - from a path as it was to a key that the next run will meet again: digits, hex strings, hashes, UUIDs,
 * pids and random temp-name parts become placeholders ("<n>", "<hex>", "<uuid>", "<rand>"), and so do times, names of
 * days and months ("<day>", "<month>"), and what Kubernetes appends to a pod's name ("<pod>"). Below a directory in
 * which names come and go ("tmp", "cache", "spool" and the like) less is needed to take one for drawn. Deterministic,
 * pure, local to each component but for that; never changes the number of components. An executable's path is never
 * generalised by randomness guesses, only by pid and digits below /proc: the caller says which.
 */
#ifndef TIDEMARK_GENERALISE_H
#define TIDEMARK_GENERALISE_H

#include <stdbool.h>

#include "tidemark/str.h"

struct buf;

enum generalise_kind { GENERALISE_DATA, GENERALISE_EXECUTABLE };
/* Appends the key to out. Bytes are kept as they are where no rule holds. */
void generalise_path(struct bytes path, enum generalise_kind kind, struct buf *out);

/*
 * A host's name: the labels left of the last two are generalised as the components of a path are, and a number at the
 * end of a word of four letters or more: "ec2-3-4.compute-1.amazonaws.com" is "ec2-<n>-<n>.compute-<n>.amazonaws.com".
 * What somebody registered is kept as it is, since nobody else can have it: three labels below "co.uk" and the like,
 * and one more below suffixes where anybody may have a name (a table: "d111.cloudfront.net").
 * Appends; a key is its own key.
 */
void generalise_name(struct bytes name, struct buf *out);

/* What an address is, by the table in generalise_address.c. */
enum address_kind {
        ADDRESS_NONE,      /* neither 4 nor 16 bytes */
        ADDRESS_PUBLIC,    /* of the Internet */
        ADDRESS_PRIVATE,   /* of a site: RFC 1918, RFC 6598, unique local */
        ADDRESS_LINK,      /* of this link alone: 169.254/16 (clouds' metadata services among them), fe80::/10 */
        ADDRESS_LOOPBACK,
        ADDRESS_GROUP,     /* multicast, broadcast */
        ADDRESS_SPECIAL,   /* "this host", reserved */
        ADDRESS__MAX
};
/* IPv4 in IPv6 (::ffff:a.b.c.d) as the IPv4 address that it is; any other as it is. Borrows from address. */
struct bytes address_plain(struct bytes address);
enum address_kind address_kind(struct bytes address);
/* Appends the address, or the network that stands for it: "198.51.100.7", "10.1.2.0/24", "2001:db8:1:2::/64". */
void generalise_address(struct bytes address, struct buf *out);

#endif
