/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prior - what the judge keeps of images: which files can be run or loaded there, and which package owns each.
 *
 * Owns:      a compact table an image, by the digest of its configuration: 16 bytes a file (a hash of its path, the
 *            first bytes of its content's hash, its package), the packages' names and versions, what the image's
 *            configuration says. The facts whole (paths, SHA-256) are handed to the store as PIECE_FACTS, and not kept.
 * Limits:    judge_params.max_images and max_image_files; what is above is counted, and makes an image partial.
 * Lifetime:  of an image: until another one needs its place and no container of it runs.
 * Never:     guesses: what was not analysed, or not wholly, is said to be so.
 *
 * A path is asked for as the kernel names the file: no symbolic link on the way. Only files that can be run or loaded
 * are known (enum tide_prior_kind): of others nothing can be told, and "not in the image" means nothing.
 */
#ifndef TIDEMARK_PRIOR_PRIV_H
#define TIDEMARK_PRIOR_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/package_list-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"
#include "tidemark/str.h"

struct judge;
struct workload;
struct prior_image;

enum prior_verdict {
        PRIOR_NOT_ANALYSED, /* the image is not analysed; or something of it was cut, and the path is not in the rest */
        PRIOR_NOT_IN_IMAGE,
        PRIOR_OWNED,   /* in the image, and a package of it owns it */
        PRIOR_UNOWNED, /* in the image, and no package owns it (has_packages: there are some) */
};

struct prior_fact {
        enum prior_verdict verdict;
        uint8_t kind;         /* enum tide_prior_kind; of PRIOR_OWNED and PRIOR_UNOWNED, as the next */
        uint8_t flags;        /* set of enum tide_prior_flag */
        bool has_packages;    /* all of the image is known, and it has packages: that none owns a file says something */
        struct bytes package; /* its name and version; borrowed until the next event */
        struct bytes version;
        uint8_t db;           /* enum tide_package_db */
        uint32_t content;     /* the first bytes of its SHA-256, as prior_content() has them; 0: not known */
};

/* What is known of path in the image that the workload runs; or in the image of this digest. */
struct prior_fact prior_lookup(const struct judge *j, const struct workload *w, struct bytes path);
struct prior_fact prior_lookup_in(const struct judge *j, struct bytes digest, struct bytes path);

/* How a table knows a path, and a content: of SHA-256 whole, else 0. */
uint64_t prior_path(struct bytes path);
uint32_t prior_content(struct bytes sha256);

/* How path differs between two images. */
enum prior_change {
        PRIOR_CHANGE_UNKNOWN, /* one of them is not analysed, or not wholly */
        PRIOR_IN_NEITHER,
        PRIOR_SAME,
        PRIOR_NEW,     /* in the new one alone */
        PRIOR_CHANGED, /* in both, with another content, or its content was not read in one of them */
        PRIOR_DROPPED, /* in the old one alone */
};
enum prior_change prior_diff(const struct judge *j, struct bytes old_digest, struct bytes new_digest,
                             struct bytes path);
/* Does the difference of the two images explain that a program at path runs now and did not before: is it new or
 * changed in the new one, and owned by a package there? False where that cannot be told. ret_now may be NULL. */
bool prior_diff_explains(const struct judge *j, struct bytes old_digest, struct bytes new_digest, struct bytes path,
                         struct prior_fact *ret_now);
/* Did what the image starts (entrypoint or command) change? False where that cannot be told. */
bool prior_entrypoint_changed(const struct judge *j, struct bytes old_digest, struct bytes new_digest);
/* Is path the program that the image of this digest starts: the first word of its entrypoint, else of its command, as
 * an absolute path or by its last part? */
bool prior_is_entrypoint(const struct judge *j, struct bytes digest, struct bytes path);
/* Does the image's configuration declare that it listens there? proto: "tcp", "udp", "sctp". */
bool prior_declares_port(const struct judge *j, struct bytes digest, uint16_t port, const char *proto);
/* Is it analysed, at least partly? */
bool prior_is_analysed(const struct judge *j, struct bytes digest);
/* Words on a package, for a factor's text: "package coreutils 9.1-1"; "no package owns it"; "" for nothing known. */
#define PRIOR_WORDS 200
const char *prior_words(const struct prior_fact *f, char dst[PRIOR_WORDS]);

/* Its table, if it is analysed, at least partly; else NULL. Borrowed until the next event. */
const struct prior_image *prior_image_usable(const struct judge *j, struct bytes digest);

/* A TIDE_PRIOR. 0, or -ENOMEM: what does not fit together is counted (judge_stats.priors_malformed) and dropped. */
int prior_event(struct judge *j, const struct tide_event *ev);
/* A container of this image starts: it is in use. */
void prior_used(struct judge *j, struct bytes digest, int64_t wall_ns);
int prior_open(struct judge *j);
void prior_close(struct judge *j);
/* Memory of all of them, for status. */
size_t prior_bytes(const struct judge *j);

/* ---- within the room: prior.c and prior_pieces.c ---- */

struct prior_file {
        uint64_t path;    /* hash */
        uint32_t content; /* the first four bytes of its SHA-256; 0: not known. Whoever forges a collision only makes a
                           * changed file look like the old one, which explains nothing */
        uint16_t package; /* number + 1; 0: none */
        uint8_t kind, flags;
};

#define PRIOR_FILES_PIECE 2500u /* of them in one piece */
#define PRIOR_FACTS_MAX 256u /* parts of facts of one image */

struct prior_image {
        struct str_owned digest;
        uint8_t state; /* enum tide_prior_state */
        struct str_owned words, entrypoint, command, health, user, ports, volumes;
        int64_t analysed_ns, used_ns; /* wall clock */
        uint64_t read_bytes, entries, refused;
        struct prior_file *files; /* by path, once sorted */
        uint32_t nfiles, files_cap, files_told;
        bool sorted;
        struct package_list packages;
        uint32_t parts;          /* of facts, in the store */
        struct str_owned *facts; /* while they come; then NULL */
        uint32_t nfacts;
};

struct prior_memory {
        struct map *images; /* digest → struct prior_image */
        struct prior_image *coming;
};

void prior_image_free(void *image);
struct prior_image *prior_image_new(struct bytes digest);
int prior_add_file(struct prior_image *im, const struct prior_file *f);
void prior_sort(struct prior_image *im);
void prior_count(const struct prior_image *im, struct judge_image *ret);

void prior_save(struct judge *j, const struct prior_image *im);
void prior_save_head(struct judge *j, const struct prior_image *im);
void prior_save_facts(struct judge *j, struct prior_image *im);
void prior_drop(struct judge *j, const struct prior_image *im);
int prior_restore(struct judge *j, struct bytes key, struct rd *r, uint32_t format);
int prior_each(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
               void *arg);

#endif
