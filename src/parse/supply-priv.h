/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supply-priv - reading documents of the supply chain:
 *
 *     supply.c            passes over the file, what there is, signatures
 *     supply_head.c       what a document says of itself: statements, provenance, SBOMs' beginnings
 *     supply_list.c       packages and files of an SBOM
 *     supply_admission.c  admissions
 *     supply_text.c       texts, digests and times out of JSON
 */
#ifndef TIDEMARK_SUPPLY_PRIV_H
#define TIDEMARK_SUPPLY_PRIV_H

#include <jansson.h>

#include "tidemark/buf.h"
#include "tidemark/dsse.h"
#include "tidemark/jsonsplit.h"
#include "tidemark/signature.h"
#include "tidemark/supply.h"

#define SIGNATURES 8u /* of one envelope */

static inline void supply_json_unref(json_t **v)
{
        json_decref(*v);
}
#define _cleanup_json_ _cleanup_(supply_json_unref)

/* One signature of an envelope. */
struct supply_sig {
        char keyid[129];
        uint8_t bytes[SIGNATURE_MAX];
        uint32_t len; /* 0: it is no base64, or too long */
};

/* A document on its way. */
struct supply_doc {
        struct supply_document d;
        uint64_t from, to; /* in the file */
        bool bundle;
        struct supply_sig sigs[SIGNATURES];
        uint32_t nsigs, sigs_left_out;
        char hint[129]; /* of a sigstore bundle: which key */
        uint64_t payload_len;
};

struct supply {
        const struct supply_source *source;
        const struct supply_settings *set;
        const struct supply_ops *ops;
        void *arg;
        struct supply_result *result;
        char *why;
        struct signature_summer *summer, *with_head;
        struct supply_doc *docs;
        unsigned ndocs;
        uint8_t form; /* of a file of admissions; else SUPPLY_UNKNOWN */
        bool event_list;
        uint8_t chunk[64 * 1024];
};

/* ---- supply.c ---- */

typedef int (*supply_sink)(struct bytes part, void *arg);
/* What is signed of an envelope, or a bare document: into sink, in pieces. ERR_CHECKSUM: not what it was. */
int supply_pass(struct supply *s, struct supply_doc *doc, supply_sink sink, void *arg) TM_CHECK;
/* The same into a splitter; what is wrong with it into doc->d.refused, with 1. */
int supply_split(struct supply *s, struct supply_doc *doc, const struct jsonsplit_row *rows, size_t nrows,
                 const struct jsonsplit_ops *ops, void *arg, uint64_t *ret_refused) TM_CHECK;
/* Bytes of the file, from … to (UINT64_MAX: its end), into sink. */
int supply_range(struct supply *s, uint64_t from, uint64_t to, supply_sink sink, void *arg) TM_CHECK;

/* ---- the others: 0, 1 (nothing more is to be done with this document: d.refused), or an error that ends all ---- */

int supply_head(struct supply *s, struct supply_doc *doc) TM_CHECK;
int supply_lists(struct supply *s, struct supply_doc *doc) TM_CHECK;
int supply_admissions(struct supply *s) TM_CHECK;

/* ---- supply_text.c ---- */

/* One small value. NULL: it is none that is taken (duplicate members, NULs in texts). */
json_t *supply_json(struct bytes text);
/* A member's text into dst, cut at its size between characters; empty: there is none. True: there is one. */
bool supply_text(const json_t *o, const char *name, char *dst, size_t size);
bool supply_copy(const char *text, char *dst, size_t size);
/* "sha256:…" out of text: all of it, or what follows an @ (as %3A too). */
bool supply_find_digest(const char *text, char dst[SUPPLY_DIGEST]);
/* From hexadecimal digits. */
bool supply_sha256(const char *hex, uint8_t dst[TIDE_SHA256]);
/* A sentence more in words, if there is room. */
void supply_say(char *words, size_t size, const char *fmt, ...) TM_PRINTF(3, 4);
int supply_add_subject(struct supply_doc *doc, const char *digest, const char *image, const char *from);

#endif
