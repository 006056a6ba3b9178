/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supplywire - what the worker that reads documents of the supply chain (tidemark-image record) is told and tells, one
 * datagram each, over the socket pair with whoever started it. Pure.
 *
 * It is told its keys (KEY), then what to read (GO, with the file's descriptor). It tells of each document how its
 * signature stands (DOCUMENT), all of them before anything signed is parsed: later ones are not to be believed. Then
 * TIDE_RECORD events (EVENT), each of a document by its number, or of an admission; documents that are not taken
 * (REFUSED); and one END.
 */
#ifndef TIDEMARK_SUPPLYWIRE_H
#define TIDEMARK_SUPPLYWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"
#include "tidemark/supply.h"

#define SUPPLYWIRE_MAX (64u * 1024) /* bytes of a datagram */
#define SUPPLYWIRE_PEM (56u * 1024) /* of a key */
#define SUPPLYWIRE_NO_KEY UINT32_MAX

struct buf;

enum supplywire_kind {
        SUPPLYWIRE_NONE,
        SUPPLYWIRE_KEY,      /* name: its file; text: PEM */
        SUPPLYWIRE_GO,       /* name: the file, in words; text: digest of an image, or empty; number: most entries */
        SUPPLYWIRE_DOCUMENT, /* number, signature, key, flags, sha256, bytes; text: why it is not verified */
        SUPPLYWIRE_EVENT,    /* number; text: an encoded TIDE_RECORD */
        SUPPLYWIRE_REFUSED,  /* number; text: why */
        SUPPLYWIRE_END,      /* status: 0 or a negative error; text: why; result */
        SUPPLYWIRE__MAX
};
enum supplywire_flag { SUPPLYWIRE_ENVELOPE = 1u << 0 };

struct supplywire {
        uint8_t kind;
        uint32_t number;
        uint8_t signature; /* enum tide_supply_signature */
        uint8_t flags;     /* set of enum supplywire_flag */
        uint32_t key;      /* in the order in which they were told */
        uint64_t bytes;
        int32_t status;
        struct bytes name, text, sha256;
        struct supply_result result;
};

/* Into out, which is emptied before. 0; ERR_LIMIT: longer than SUPPLYWIRE_MAX; -ENOMEM. */
int supplywire_encode(const struct supplywire *m, struct buf *out) TM_CHECK;
/* Borrowed. ERR_SCHEMA. */
int supplywire_decode(const void *p, size_t len, struct supplywire *ret) TM_CHECK;

#endif
