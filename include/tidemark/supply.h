/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supply - documents of the supply chain, from a file of any size, in bounded memory:
 *
 *     provenance   SLSA 0.2 and 1 in in-toto statements; only in DSSE envelopes or sigstore bundles, or bare
 *     SBOM         CycloneDX 1.4 to 1.6 and SPDX 2.2, 2.3, JSON; bare, or as a statement's predicate
 *     admissions   Kubernetes audit events (audit.k8s.io/v1: JSON lines, or one EventList), and JSON lines
 *                  {"time", "image", "digest", "decision", "by", "reason"}
 *
 * Several documents may stand one after the other. The file is read several times, never whole into memory: first what
 * there is, then each signature, and only then what was signed is looked into; that it is the same bytes is seen to. A
 * signature is that of DSSE 1.0.2: over PAE(type, payload); a key's id only says whose it is said to be.
 * Pure: who calls reads.
 */
#ifndef TIDEMARK_SUPPLY_H
#define TIDEMARK_SUPPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/event.h"
#include "tidemark/str.h"

struct signature_key;

#define SUPPLY_DOCUMENTS 64u /* of one file */
#define SUPPLY_SUBJECTS 8u   /* images that one document names */
#define SUPPLY_DIGEST 72u    /* "sha256:", 64 digits, NUL */
#define SUPPLY_WHY 240u
#define SUPPLY_KEYS STR_LIST_MAX

enum supply_form {
        SUPPLY_UNKNOWN, /* nothing that is taken: refused says why */
        SUPPLY_SLSA,
        SUPPLY_CYCLONEDX,
        SUPPLY_SPDX,
        SUPPLY_AUDIT, /* Kubernetes */
        SUPPLY_LINE,
        SUPPLY__FORM_MAX
};
const char *supply_form_name(unsigned form); /* "provenance", "CycloneDX", … */

struct supply_source {
        /* As pread(2): bytes read, 0 at the end, a negative errno. */
        ssize_t (*read)(uint64_t at, void *p, size_t n, void *arg);
        void *arg;
};

struct supply_settings {
        const struct signature_key *keys[SUPPLY_KEYS];
        const char *names[SUPPLY_KEYS]; /* their files */
        size_t nkeys;
        const char *image;    /* digest that the operator names; NULL: none */
        uint32_t max_entries; /* packages, and files, of one SBOM */
};

struct supply_subject {
        char digest[SUPPLY_DIGEST];
        char image[TIDE_SUPPLY_TEXT]; /* its name there; empty: none */
        const char *from;             /* "subject", "component", "operator" */
};

struct supply_document {
        uint8_t form;                 /* enum supply_form */
        bool envelope;                /* DSSE */
        bool elsewhere;               /* it names images, and none is the one that the operator names */
        uint8_t signature;            /* enum tide_supply_signature */
        int key;                      /* verified: number of the key; else -1 */
        uint8_t sha256[TIDE_SHA256];  /* of the payload; of the document itself, if it is bare */
        uint64_t bytes;               /* its length */
        uint64_t at;                  /* where it stands in the file */
        char refused[SUPPLY_WHY];     /* empty: it is taken */
        char why[SUPPLY_WHY];         /* of the signature: why it is not verified */
        char payload_type[128], predicate_type[128];
        char format[64];
        char creator[TIDE_SUPPLY_TEXT], repository[TIDE_SUPPLY_TEXT], commit[129], build_type[TIDE_SUPPLY_TEXT];
        int64_t began_ns, ended_ns;
        struct supply_subject subjects[SUPPLY_SUBJECTS];
        uint32_t nsubjects, subjects_left_out;
        char words[SUPPLY_WHY]; /* what is doubtful or left out */
        uint32_t packages, files, entries_refused;
};

struct supply_admission {
        uint8_t form; /* SUPPLY_AUDIT, SUPPLY_LINE */
        bool admitted;
        uint8_t sha256[TIDE_SHA256]; /* of its text */
        char digest[SUPPLY_DIGEST];
        char image[TIDE_SUPPLY_TEXT], by[TIDE_SUPPLY_TEXT], reason[TIDE_SUPPLY_TEXT], place[TIDE_SUPPLY_TEXT];
        int64_t at_ns;
};

/* Whatever they return below 0 ends it. Each may be NULL. */
struct supply_ops {
        /* Of each document, before anything signed is looked into: form is SUPPLY_UNKNOWN still, signature, key, sha256
         * and refused are set. */
        int (*document)(const struct supply_document *d, unsigned number, void *arg);
        /* Of each document that is taken, once for each subject; an SBOM's entries follow, and end(). d->refused may be
         * set at the end: then nothing of it counts. */
        int (*begin)(const struct supply_document *d, unsigned number, const struct supply_subject *subject, void *arg);
        int (*package)(const struct tide_prior_package *p, void *arg);
        int (*file)(const struct tide_prior_file *f, void *arg);
        int (*end)(const struct supply_document *d, unsigned number, const struct supply_subject *subject, void *arg);
        /* Of each document that is not taken after all: d->refused. */
        int (*refused)(const struct supply_document *d, unsigned number, void *arg);
        int (*admission)(const struct supply_admission *a, void *arg);
};

struct supply_result {
        uint32_t documents, refused;
        uint64_t admissions;
        uint64_t lines_passed;    /* audit events that are about no image that starts */
        uint64_t lines_undigested; /* about images that are named without a digest */
        uint64_t lines_refused;   /* not to be understood, or longer than 1 MiB */
};

/* 0; -EINVAL: it is nothing that is known here, or damaged: why says so; ERR_LIMIT: nested too deep, or more than
 * SUPPLY_DOCUMENTS; ERR_CHECKSUM: it changed meanwhile; -ENOMEM; what was returned by an op or the source. */
int supply_read(const struct supply_source *source, const struct supply_settings *set, const struct supply_ops *ops,
                void *arg, struct supply_result *ret, char why[SUPPLY_WHY]) TM_CHECK;

/* "sha256:" and 64 lower-case digits? */
bool supply_is_digest(const char *text);
/* RFC 3339, as nanoseconds since 1970; 0: it is none. */
int64_t supply_time(const char *text);

#endif
