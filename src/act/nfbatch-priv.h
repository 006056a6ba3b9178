/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nfbatch - one transaction of nf_tables, built message by message by libnftnl: what the tables of ours have in common.
 *
 * Pure: bytes out. The first failure stays, and the end tells it: a rule without one of its expressions would be
 * another rule, so nothing of such a transaction is sent.
 */
#ifndef TIDEMARK_ACT_NFBATCH_PRIV_H
#define TIDEMARK_ACT_NFBATCH_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"

struct mnl_nlmsg_batch;
struct nftnl_expr;
struct nftnl_rule;

/* Numbers of address families, hooks, keys and operators: linux/netfilter.h, linux/netfilter/nf_tables.h. */
struct nfbatch {
        struct mnl_nlmsg_batch *b;
        uint8_t family;
        const char *table;
        uint32_t seq, last; /* last: of the message that wants an acknowledgement */
        bool failed;
};
/* out is the caller's, until the end. table is kept by pointer. -ENOMEM. */
int nfbatch_start(struct nfbatch *b, uint8_t family, const char *table, void *out, size_t size) TM_CHECK;
/* Length; *ret_last: number of the message that is acknowledged. -ENOMEM: something failed on the way. */
ssize_t nfbatch_end(struct nfbatch *b, uint32_t *ret_last) TM_CHECK;

/* type: NFT_MSG_NEWTABLE or _DELTABLE; flags: NLM_F_CREATE …; with NLM_F_ACK it is the one that is acknowledged. */
void nfbatch_table(struct nfbatch *b, uint16_t type, uint16_t flags);

struct nfbatch_chain {
        const char *name;
        bool hooked;
        uint32_t hook;
        int32_t prio;
        uint32_t policy;    /* NF_ACCEPT or NF_DROP */
        const char *device; /* of a chain of family netdev; else NULL */
};
void nfbatch_chain(struct nfbatch *b, const struct nfbatch_chain *c);

/* A rule that is being made. */
struct nfrule {
        struct nftnl_rule *rule;
        bool failed;
};
/* comment: as nft writes and reads it; at most 127 bytes; without one the rule is the same. */
void nfrule_begin(struct nfrule *r, struct nfbatch *b, const char *chain, const char *comment);
/* It becomes the next message of the transaction, behind the chain's other rules, and is freed. */
void nfrule_end(struct nfrule *r, struct nfbatch *b, uint16_t flags);

/* One expression: its numbers, by attribute; of 16, 32 or 64 bits, as libnftnl takes them. Ends with bits 0. */
struct nfrule_number {
        uint16_t attr;
        uint8_t bits;
        uint64_t value;
};
struct nftnl_expr *nfrule_add(struct nfrule *r, const char *name, const struct nfrule_number *n);
#define NFRULE_ADD(r, name, ...) nfrule_add(r, name, (const struct nfrule_number[]){__VA_ARGS__ {0, 0, 0}})
#define NFRULE_U16(attr, value) {attr, 16, value},
#define NFRULE_U32(attr, value) {attr, 32, value},
#define NFRULE_U64(attr, value) {attr, 64, value},

/* All by the first register. */
void nfrule_meta(struct nfrule *r, uint32_t key);
void nfrule_payload(struct nfrule *r, uint32_t base, uint32_t at, uint32_t len);
void nfrule_compare(struct nfrule *r, uint32_t op, const void *p, uint32_t len);
/* The bits of mask in what was loaded, and nothing else of it. len: 16 at most. */
void nfrule_mask(struct nfrule *r, const void *mask, uint32_t len);
void nfrule_count(struct nfrule *r);
/* chain: of a jump; else NULL. */
void nfrule_verdict(struct nfrule *r, int32_t code, const char *chain);

#endif
