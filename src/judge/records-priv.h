/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * records - which documents of the supply chain were imported, of which images: an SBOM, provenance, admissions.
 *
 * Owns:      which there are, their limits, and their pieces in the store. What a document says at its beginning is
 *            kept here, encoded, for who shows it; its lists are handed to the store as PIECE_PAPER, and not kept.
 * Limits:    judge_params.max_records images; of one image RECORDS_PAPERS SBOMs and provenances and RECORDS_ADMISSIONS
 *            admissions; judge_params.max_record_entries packages and files of one SBOM. The oldest goes; of images
 *            those first of which only admissions are known, and no other for the admission of one that is not here.
 * Hands over: nothing: whoever compares with a document takes the events that records_event() took, and learns where
 *            all that is forgotten is forgotten (forget(), in records.c).
 */
#ifndef TIDEMARK_RECORDS_PRIV_H
#define TIDEMARK_RECORDS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"
#include "tidemark/map.h"
#include "tidemark/str.h"

#define RECORDS_PAPERS 16u
#define RECORDS_ADMISSIONS 64u
#define RECORDS_PARTS 1024u /* of one document's lists */

struct judge;
struct record;

struct record_memory {
        struct map *all;       /* digest, document → struct record */
        struct map *images;    /* digest → how many of it there are */
        struct record *coming; /* of all: an SBOM whose end has not come */
};

int records_open(struct judge *j);
void records_close(struct judge *j);
/* A TIDE_RECORD. 1: something is whole, or gone; 0; -ENOMEM: what does not fit together is counted and dropped. */
int records_event(struct judge *j, const struct tide_event *ev);
int records_restore(struct judge *j, struct bytes key, struct rd *r, uint32_t format);
int records_each(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
                 void *arg);

#endif
