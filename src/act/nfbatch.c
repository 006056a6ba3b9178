/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a table, a chain, a rule and its expressions become messages of nf_tables. Must not: know what they are
 * for, or talk to the kernel. Hands over: bytes.
 */
#include "nfbatch-priv.h"

#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define COMMENT_TYPE 0u /* NFTNL_UDATA_RULE_COMMENT, which libnftnl 1.0.8 does not name: as nft writes it */
#define COMMENT_MAX 128u

/* ---- the transaction ---- */

static struct nlmsghdr *begin(struct nfbatch *b, uint16_t type, uint16_t flags)
{
        b->seq++;
        if (flags & NLM_F_ACK)
                b->last = b->seq;
        return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->b), type, b->family, flags, b->seq);
}

static void next(struct nfbatch *b)
{
        if (!mnl_nlmsg_batch_next(b->b))
                b->failed = true;
}

int nfbatch_start(struct nfbatch *b, uint8_t family, const char *table, void *out, size_t size)
{
        /* libmnl sees that a message was too long after it was built: half of the buffer is for that one. */
        *b = (struct nfbatch){.b = mnl_nlmsg_batch_start(out, size / 2), .family = family, .table = table};
        if (!b->b)
                return -ENOMEM;
        nftnl_batch_begin(mnl_nlmsg_batch_current(b->b), b->seq);
        next(b);
        return 0;
}

ssize_t nfbatch_end(struct nfbatch *b, uint32_t *ret_last)
{
        ssize_t len = -ENOMEM;

        nftnl_batch_end(mnl_nlmsg_batch_current(b->b), ++b->seq);
        next(b);
        if (!b->failed) {
                len = (ssize_t)mnl_nlmsg_batch_size(b->b);
                *ret_last = b->last;
        }
        mnl_nlmsg_batch_stop(b->b);
        b->b = NULL;
        return len;
}

void nfbatch_table(struct nfbatch *b, uint16_t type, uint16_t flags)
{
        struct nftnl_table *t = b->failed ? NULL : nftnl_table_alloc();

        b->failed = !t;
        if (!t)
                return;
        nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
        nftnl_table_nlmsg_build_payload(begin(b, type, flags), t);
        next(b);
        nftnl_table_free(t);
}

void nfbatch_chain(struct nfbatch *b, const struct nfbatch_chain *c)
{
        struct nftnl_chain *n = b->failed ? NULL : nftnl_chain_alloc();

        b->failed = !n;
        if (!n)
                return;
        nftnl_chain_set_str(n, NFTNL_CHAIN_TABLE, b->table);
        nftnl_chain_set_str(n, NFTNL_CHAIN_NAME, c->name);
        if (c->hooked) {
                nftnl_chain_set_str(n, NFTNL_CHAIN_TYPE, "filter");
                nftnl_chain_set_u32(n, NFTNL_CHAIN_HOOKNUM, c->hook);
                nftnl_chain_set_s32(n, NFTNL_CHAIN_PRIO, c->prio);
                nftnl_chain_set_u32(n, NFTNL_CHAIN_POLICY, c->policy);
        }
        if (c->device)
                nftnl_chain_set_str(n, NFTNL_CHAIN_DEV, c->device);
        nftnl_chain_nlmsg_build_payload(begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), n);
        next(b);
        nftnl_chain_free(n);
}

/* ---- a rule ---- */

static void comment_on(struct nftnl_rule *rule, const char *text)
{
        struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(COMMENT_MAX + 2);

        if (!u)
                return;
        if (nftnl_udata_put_strz(u, COMMENT_TYPE, text))
                nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(u), nftnl_udata_buf_len(u));
        nftnl_udata_buf_free(u);
}

void nfrule_begin(struct nfrule *r, struct nfbatch *b, const char *chain, const char *comment)
{
        *r = (struct nfrule){.rule = b->failed ? NULL : nftnl_rule_alloc()};
        r->failed = !r->rule;
        if (!r->rule)
                return;
        nftnl_rule_set_u32(r->rule, NFTNL_RULE_FAMILY, b->family);
        nftnl_rule_set_str(r->rule, NFTNL_RULE_TABLE, b->table);
        nftnl_rule_set_str(r->rule, NFTNL_RULE_CHAIN, chain);
        comment_on(r->rule, comment);
}

void nfrule_end(struct nfrule *r, struct nfbatch *b, uint16_t flags)
{
        b->failed = b->failed || r->failed;
        if (!b->failed) {
                nftnl_rule_nlmsg_build_payload(begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags), r->rule);
                next(b);
        }
        if (r->rule)
                nftnl_rule_free(r->rule);
        r->rule = NULL;
}

struct nftnl_expr *nfrule_add(struct nfrule *r, const char *name, const struct nfrule_number *n)
{
        struct nftnl_expr *e = r->failed ? NULL : nftnl_expr_alloc(name);

        r->failed = !e;
        if (!e)
                return NULL;
        for (; n->bits; n++) {
                if (n->bits == 16)
                        nftnl_expr_set_u16(e, n->attr, (uint16_t)n->value);
                else if (n->bits == 32)
                        nftnl_expr_set_u32(e, n->attr, (uint32_t)n->value);
                else
                        nftnl_expr_set_u64(e, n->attr, n->value);
        }
        nftnl_rule_add_expr(r->rule, e);
        return e;
}

void nfrule_meta(struct nfrule *r, uint32_t key)
{
        NFRULE_ADD(r, "meta", NFRULE_U32(NFTNL_EXPR_META_DREG, NFT_REG_1) NFRULE_U32(NFTNL_EXPR_META_KEY, key));
}

void nfrule_payload(struct nfrule *r, uint32_t base, uint32_t at, uint32_t len)
{
        NFRULE_ADD(r, "payload", NFRULE_U32(NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1)
                   NFRULE_U32(NFTNL_EXPR_PAYLOAD_BASE, base)
                   NFRULE_U32(NFTNL_EXPR_PAYLOAD_OFFSET, at) NFRULE_U32(NFTNL_EXPR_PAYLOAD_LEN, len));
}

void nfrule_compare(struct nfrule *r, uint32_t op, const void *p, uint32_t len)
{
        struct nftnl_expr *e = NFRULE_ADD(r, "cmp", NFRULE_U32(NFTNL_EXPR_CMP_SREG, NFT_REG_1)
                                          NFRULE_U32(NFTNL_EXPR_CMP_OP, op));

        if (e)
                nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, p, len);
}

void nfrule_mask(struct nfrule *r, const void *mask, uint32_t len)
{
        static const uint8_t none[16];
        struct nftnl_expr *e = NFRULE_ADD(r, "bitwise", NFRULE_U32(NFTNL_EXPR_BITWISE_SREG, NFT_REG_1)
                                          NFRULE_U32(NFTNL_EXPR_BITWISE_DREG, NFT_REG_1)
                                          NFRULE_U32(NFTNL_EXPR_BITWISE_LEN, len));

        if (!e)
                return;
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, none, len);
}

void nfrule_count(struct nfrule *r)
{
        NFRULE_ADD(r, "counter", NFRULE_U64(NFTNL_EXPR_CTR_PACKETS, 0) NFRULE_U64(NFTNL_EXPR_CTR_BYTES, 0));
}

void nfrule_verdict(struct nfrule *r, int32_t code, const char *chain)
{
        struct nftnl_expr *e = NFRULE_ADD(r, "immediate", NFRULE_U32(NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT)
                                          NFRULE_U32(NFTNL_EXPR_IMM_VERDICT, (uint32_t)code));

        if (!e || !chain)
                return;
        nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
        r->failed = !nftnl_expr_is_set(e, NFTNL_EXPR_IMM_CHAIN);
}
