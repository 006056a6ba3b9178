/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dsse - Dead Simple Signing Envelope 1.0.2 (github.com/secure-systems-lab/dsse): base64 as its members hold it, and
 * what its signatures are over. Pure.
 */
#ifndef TIDEMARK_DSSE_H
#define TIDEMARK_DSSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

/* Base64 in pieces, standard or URL-safe (RFC 4648, sections 4 and 5; one of them throughout), with or without padding;
 * line ends are passed over. Begins as zeros. */
struct base64 {
        uint32_t bits;
        uint8_t held;     /* characters in bits */
        uint8_t padding;  /* characters seen */
        uint8_t alphabet; /* 0: not known yet */
};
/* Appended to out. 0; -EINVAL: it is none; or out's error. */
int base64_decode(struct base64 *b, struct bytes text, struct buf *out) TM_CHECK;
int base64_end(struct base64 *b, struct buf *out) TM_CHECK;

/* What goes before the payload in what is signed: "DSSEv1 28 application/vnd.in-toto+json 1234 ". Appended. */
void dsse_head(struct bytes type, uint64_t payload_len, struct buf *out);
/* Is a payload of this type taken: application/vnd.in-toto+json, or application/vnd.in-toto.PREDICATE+json? */
bool dsse_is_statement(struct bytes type);

#endif
