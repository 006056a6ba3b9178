/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * document - a workload's baseline as a file that people keep in a repository, review and sign. Pure: text in, a
 * structure out, and back; no descriptor, no clock.
 *
 * JSON, one entry a line, sorted by dimension, key and executable, so that two exports of the same baseline are the
 * same bytes and two of different ones differ in the lines that changed:
 *
 *     {
 *       "schema": "tidemark-baseline",
 *       "version": 1,
 *       "workload": "web",
 *       "class": "service",
 *       "image": {"reference": "docker.io/library/web:1", "digest": "sha256:…"},
 *       "dimensions": {
 *         "file": {"state": "active", "by": "operator uid 0", "since": time, "windows": 30, "declared": true},
 *         …
 *       },
 *       "entries": [
 *         {"dimension": "file", "key": "/var/log/web.log", "executable": "/usr/sbin/web", "first_seen": time,
 *          "last_seen": time, "count": 12, "windows": 3},                          (on one line)
 *         {"dimension": "network", …, "phases": ["start-up"], "replicas": 2, "several": true},
 *         {…, "inherited": true, "approved": {"by": …, "reason": …, "when": time}, "sha256": "…"}
 *       ],
 *       "candidates": [
 *         {…, "raised": true, "why": "never-silent"},                               (for the reader; never imported)
 *         {…, "rejected": {"by": …, "reason": …, "when": time}, …}
 *       ]
 *     }
 *
 * Without "first_seen", "last_seen", "count" and "windows" (all four of an entry) it is as if it had been seen always:
 * so a document in a repository changes only where the baseline does.
 *
 * Bytes that a container chose are written as str_escape() makes them, and there is one spelling of each: what
 * document_decode() has read, document_json() and document_text() give back to the byte. Times are those of cj_time(),
 * or null. What this version does not know in a document of its version is refused, not passed over: it may say that
 * less is allowed than it seems.
 */
#ifndef TIDEMARK_DOCUMENT_H
#define TIDEMARK_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/finding.h"
#include "tidemark/str.h"
#include "tidemark/transfer.h"

struct buf;

#define DOCUMENT_SCHEMA "tidemark-baseline"
#define DOCUMENT_VERSION 1
#define DOCUMENT_MAX (8u << 20) /* bytes of one */
#define DOCUMENT_ENTRIES 65536u /* of one list */
#define DOCUMENT_KEY TRANSFER_KEY
#define DOCUMENT_WORDS 1024u    /* bytes of a name, a digest, a reason */
#define DOCUMENT_BY 160u
#define DOCUMENT_WHY 512u

struct document_dimension {
        bool present;
        const char *state; /* "learning", "review", "active", "stale" */
        struct bytes by;
        int64_t since_ns;
        uint32_t windows;
        bool declared; /* an operator said that it is complete */
};

struct document {
        struct bytes name, class, image, digest;
        struct document_dimension dim[DIM__MAX];
        struct transfer_entry *entries, *candidates;
        size_t nentries, ncandidates;
        uint8_t *space; /* all bytes of it lie here */
        size_t used;
};

/*
 * 0 with *ret (free it with document_free). -EINVAL: it is not such a document, and why names the place (line, member),
 * what was found, what was expected; -ENOMEM.
 */
int document_decode(struct bytes text, struct document **ret, char why[DOCUMENT_WHY]) TM_CHECK;
struct document *document_free(struct document *d);
DEFINE_CLEANUP(struct document *, document_free)

/* New references; NULL: out of memory. The document's entries need not be sorted; document_order() is the order. */
json_t *document_entry_json(const struct transfer_entry *e, bool candidate) TM_CHECK;
/* All of it but its entries, which stand in two empty lists. */
json_t *document_head_json(const struct document *d) TM_CHECK;
json_t *document_json(const struct document *d) TM_CHECK;
int document_order(const struct transfer_entry *a, const struct transfer_entry *b);
/* As a file has it. out's error is left in it. */
void document_text(const json_t *document, struct buf *out);

#endif
