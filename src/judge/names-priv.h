/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names-priv - which names led one container to an address.
 *
 * Three kinds, each with its own limit, so that none pushes out another: names that count (NAME_ANSWERED; NAME_UNOWNED
 * where there is no such one); and claims,
 * which are no names: forged ones, and those of servers that the container is not configured with (NAME_FOREIGN). A
 * name never expires: one that was asked for long before it is used counts all the same. Its time to live only ranks:
 * names that are alive go before the others. A claim counts for a day.
 * When there is no room the one that was not told of for longest goes. Order is that of last_ns, ties by arrival; it
 * depends on what was put only, so that what is saved in that order and put again makes the same.
 */
#ifndef TIDEMARK_JUDGE_NAMES_PRIV_H
#define TIDEMARK_JUDGE_NAMES_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define NAMES_CLAIM_SHARE 8u          /* claims kept of each kind: so many times fewer than names */
#define NAMES_CLAIM_NS 86400000000000 /* so long does a claim count */
#define NAMES_TEXT_MAX 1024u          /* a name of RFC 1035's 255 bytes, each escaped as \\DDD */
#define NAMES_CHAIN_MAX 300u          /* bytes kept of a chain, in words */
#define NAMES_ALIVE_NS 300000000000   /* so long at least: whoever asked may use it, however short it was to live */
#define NAMES_SHOWN 8u                /* names of one address that are shown; all are judged … */
#define NAMES_JUDGED 4096u            /* … up to so many, the latest */
#define NAMES_SAVE_NS 3600000000000   /* that a name was told again is stored once in so long */

struct names;

enum names_class { NAMES_ANSWERED, NAMES_FORGED, NAMES_FOREIGN, NAMES__CLASSES }; /* stored: never renumber */
enum names_class names_class(uint8_t verdict);

/* Borrowed, in and out. */
struct name_fact {
        struct bytes address; /* 4 or 16 bytes */
        struct bytes name;    /* that was asked for */
        struct bytes key;     /* out only: the name as generalise_name() has it */
        struct bytes chain;   /* canonical names on the way, in words; may be empty */
        int64_t first_ns;     /* wall clock: told for the first time; of one that is told again the first stays */
        int64_t last_ns;      /* told last */
        uint32_t ttl;         /* seconds */
        uint8_t verdict;      /* enum tide_name_verdict */
};

/* limit: names kept, at least 1. */
int names_new(uint32_t limit, struct names **ret) TM_CHECK;
struct names *names_free(struct names *n);

/*
 * Told, or told again. 1: new, of another verdict, or not stored for NAMES_SAVE_NS; 0: told again; -EINVAL: no address,
 * an empty name or one beyond NAMES_TEXT_MAX; -ENOMEM. What has to make room is given to dropped first (borrowed, for
 * that call).
 */
int names_put(struct names *n, const struct name_fact *f, void (*dropped)(const struct name_fact *f, void *arg),
              void *arg) TM_CHECK;
/* What an answer brought is taken out, and given to dropped first: names that count, told first at first_ns. */
int names_doubt(struct names *n, struct bytes name, int64_t first_ns,
                void (*dropped)(const struct name_fact *f, void *arg), void *arg) TM_CHECK;
/* How many names ever led to the address. */
size_t names_led(const struct names *n, struct bytes address);
/* Names that led to the address, the latest first: those alive at now, or when the latest was told if now is later. At
 * most max; their number. */
size_t names_find(const struct names *n, struct bytes address, int64_t now, struct name_fact *ret, size_t max);
/* The next claim about the address, in no order that says anything; *at is NULL in the beginning. 0: there is none. */
int names_claims(const struct names *n, struct bytes address, const void **at, struct name_fact *ret);
/* Did an answer that counts lead from the name to the address? */
bool names_answered(const struct names *n, struct bytes address, struct bytes name);
/* All, claims behind names, each in its order. */
int names_next(const struct names *n, const void **at, struct name_fact *ret);
size_t names_count(const struct names *n);

#endif
