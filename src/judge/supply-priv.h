/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supply - what an image's SBOM says, as a table; and what all records of an image say of a finding.
 *
 * Owns:      of each digest that records name one table, of one SBOM, 24 bytes a file (a hash of its path, the first
 *            bytes of its content's hash, its package), and the names and versions of packages. Which documents there
 *            are, what they say at their beginning, and how many there may be, is records.c's.
 * Joins:     a workload knows the digest of its image's configuration and, once a container told it, of the manifest:
 *            records of either are its. Those that no workload has wait.
 * Never:     makes an act quiet, or known. Verifies nothing: what a signature is worth is told with the record.
 *
 * Of several SBOMs of one digest one counts: whose signature is verified before others, that lists files before one
 * that does not, the later one of equals. Of a digest of a configuration and one of a manifest the same decides. The
 * tables of the others are not kept: if the one that counts is removed, another counts once it is imported again.
 */
#ifndef TIDEMARK_SUPPLY_PRIV_H
#define TIDEMARK_SUPPLY_PRIV_H

#include "judge/package_list-priv.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"
#include "tidemark/judge.h"

struct judge;
struct workload;
struct prior_image;

#define SUPPLY_DIGEST 256u       /* bytes of one at most */
#define SUPPLY_CONTENT 12u       /* bytes of a content's hash: nobody finds another content for them */
#define SUPPLY_FILES_PIECE 2000u /* of them in one piece */

struct supply_file {
        uint64_t path; /* prior_path() */
        uint8_t content[SUPPLY_CONTENT];
        uint32_t package; /* number + 1; 0: none; with SUPPLY_HASHED, SUPPLY_ALIAS */
};
#define SUPPLY_HASHED (1u << 31)
/* Told of /bin, /sbin or /lib, which is a link to the same below /usr in most images: as what lies there. */
#define SUPPLY_ALIAS (1u << 30)
#define SUPPLY_PACKAGE (SUPPLY_ALIAS - 1)

struct supply_sbom {
        struct str_owned digest;
        uint8_t document[TIDE_SHA256];
        uint8_t signature; /* enum tide_supply_signature */
        int64_t told_ns;   /* wall clock: when its end came */
        uint32_t refused;  /* files and packages that are not in it, by limits: what is missing may be among them */
        struct package_list packages;
        uint32_t *by_name; /* numbers of packages, by name */
        uint32_t dbs[PACKAGE__MAX];
        struct supply_file *files; /* by path, once sorted */
        uint32_t nfiles, files_cap;
        uint32_t files_told; /* so many are in its pieces; before its end: in what came */
        uint32_t listed;     /* without those that are told twice for the sake of a link */
        bool sorted;
        /* The image's own files against it, as last counted: */
        const struct prior_image *covered_of;
        int64_t covered_ns;
        struct judge_cover cover;
};

struct supply_memory {
        struct map *sboms; /* digest → struct supply_sbom */
        struct supply_sbom *coming;
};

int supply_open(struct judge *j);
void supply_close(struct judge *j);
/* A TIDE_RECORD, behind records_event(), which has looked at it: changed says that something is whole, or gone. 0, or
 * -ENOMEM: what does not fit together is dropped. */
int supply_event(struct judge *j, const struct tide_event *ev, bool changed);
/* A document is forgotten. Findings are weighed anew when the event that did it is over. */
void supply_forget(struct judge *j, struct bytes digest, struct bytes document);
/* A container of the workload names the manifest of its image: records that waited for that are joined. 1: it is
 * another one, and the workload is to be saved; 0; -ENOMEM. */
int supply_joined(struct judge *j, struct workload *w, struct bytes manifest);
/* 2: a container of an image of this digest runs; 1: a workload has it; 0: its records wait for one. */
int supply_use_of(const struct judge *j, struct bytes digest);
size_t supply_bytes(const struct judge *j);

/* ---- what they say of a finding ---- */

/* Factors of this room are weighed by supply_weigh() alone: what an act brings is merged without a look at them. */
bool supply_is_factor(const struct finding_factor *x);
/* How: */
#define SUPPLY_ANEW 1u /* those that it has are weighed again; else one that spoke against it stays, also where its
                        * signal is kept no longer */
/* A suppress rule hides the act at hand: nothing takes bits of what it may be too sure to hide. */
#define SUPPLY_HIDES 2u
/*
 * What records say of the finding's programs and files, as factors; its sum with them. True: something changed. Where
 * nothing is known of its image nothing does.
 */
bool supply_weigh(const struct judge *j, struct finding *f, unsigned how);
/* All open findings of the workload are weighed again, and saved. */
void supply_reweigh(struct judge *j, const struct workload *w);

/* ---- within the room: supply.c, supply_pieces.c, supply_match.c, score_supply.c ---- */

/* Of the image of these two digests; NULL: none is known. */
struct supply_sbom *supply_sbom_of(const struct judge *j, struct bytes config, struct bytes manifest);
bool supply_has_sbom(const struct judge *j, const struct finding *f);
/* Is a better than b, of one image? */
bool supply_is_better(const struct supply_sbom *a, const struct supply_sbom *b);
/* What its content is worth: one whose signature does not fit says nothing. */
bool supply_is_usable(const struct supply_sbom *s);
const struct supply_file *supply_find_file(const struct supply_sbom *s, struct bytes path);

/* Its packages of one name: at what supply_names() begins; the next; false: there is none. */
struct supply_names {
        uint32_t at;
        struct bytes name;
};
void supply_names(const struct supply_sbom *s, struct bytes name, struct supply_names *ret);
bool supply_next_named(const struct supply_sbom *s, struct supply_names *at, struct tide_prior_package *ret);

void supply_sbom_free(void *sbom);
struct supply_sbom *supply_sbom_new(struct bytes digest);
int supply_add_file(struct supply_sbom *s, const struct supply_file *f) TM_CHECK;
/* Sorted, and found by name. 0 or -ENOMEM. */
int supply_sort(struct supply_sbom *s) TM_CHECK;

void supply_save(struct judge *j, const struct supply_sbom *s);
void supply_drop(struct judge *j, const struct supply_sbom *s); /* all its pieces */
int supply_restore(struct judge *j, struct bytes key, struct bytes blob);
int supply_each(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
                void *arg);

#endif
