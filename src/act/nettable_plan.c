/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nettable_plan - what our table holds, and the same as messages of nf_tables, built by libnftnl.
 *
 * Pure: a plan in, bytes out. Must not: talk to the kernel.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "nettable-priv.h"

#define NAME_PORT 53u
#define LOOPBACK 1u /* the index of lo in every namespace: LOOPBACK_IFINDEX of the kernel's net_namespace.h */
#define COMMENT_TYPE 0u /* NFTNL_UDATA_RULE_COMMENT, which libnftnl 1.0.8 does not name: as nft writes it */
#define COMMENT_MAX 128u

static const struct chain {
        const char *name;
        bool hooked;
        uint32_t hook;
        int32_t prio;
        uint32_t not_loopback; /* enum nft_meta_keys: the interface whose packets are passed over; 0: none */
} chains[NETTABLE__CHAINS] = {
        [NETTABLE_OUTPUT] = {"output", true, NF_INET_LOCAL_OUT, -150, 0},
        [NETTABLE_INPUT] = {"input", true, NF_INET_LOCAL_IN, 300, 0},
        [NETTABLE_COMING] = {"coming", true, NF_INET_PRE_ROUTING, -150, NFT_META_IIF},
        [NETTABLE_GOING] = {"going", true, NF_INET_POST_ROUTING, 300, NFT_META_OIF},
        [NETTABLE_LOGGED] = {NETTABLE_CHAIN_NAMES, false, 0, 0, 0},
};

/* ---- the plan ---- */

static const struct {
        uint32_t part;
        struct nettable_rule rule;
} all_rules[] = {
        {NETTABLE_FLOWS, {NETTABLE_OUTPUT, NETTABLE_COUNT_NEW, 0, false}},
        {NETTABLE_NAMES, {NETTABLE_OUTPUT, NETTABLE_GO_NAMES, IPPROTO_UDP, false}},
        {NETTABLE_NAMES, {NETTABLE_OUTPUT, NETTABLE_GO_NAMES, IPPROTO_TCP, false}},
        {NETTABLE_NAMES, {NETTABLE_INPUT, NETTABLE_GO_NAMES, IPPROTO_UDP, true}},
        {NETTABLE_NAMES, {NETTABLE_INPUT, NETTABLE_GO_NAMES, IPPROTO_TCP, true}},
        {NETTABLE_PASSING, {NETTABLE_COMING, NETTABLE_GO_NAMES, IPPROTO_UDP, false}},
        {NETTABLE_PASSING, {NETTABLE_COMING, NETTABLE_GO_NAMES, IPPROTO_TCP, false}},
        {NETTABLE_PASSING, {NETTABLE_GOING, NETTABLE_GO_NAMES, IPPROTO_UDP, true}},
        {NETTABLE_PASSING, {NETTABLE_GOING, NETTABLE_GO_NAMES, IPPROTO_TCP, true}},
        {NETTABLE_NAMES, {NETTABLE_LOGGED, NETTABLE_LOG, 0, false}},
        {NETTABLE_NAMES, {NETTABLE_LOGGED, NETTABLE_COUNT_REST, 0, false}},
};

typedef char all_rules_fit[ARRAY_LEN(all_rules) <= NETTABLE_RULES ? 1 : -1];

int nettable_name(const char *instance, char ret[NETTABLE_NAME])
{
        size_t n = strlen(instance);

        if (n == 0 || n + sizeof("tidemark-") > NETTABLE_NAME)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (!isascii(instance[i]) || (!isalnum((unsigned char)instance[i]) && instance[i] != '-'))
                        return -EINVAL;
        snprintf(ret, NETTABLE_NAME, "tidemark-%s", instance);
        return 0;
}

int nettable_plan(const char *instance, uint32_t parts, uint16_t group, uint32_t snaplen, struct nettable_plan *ret)
{
        struct nettable_plan p = {.group = group, .snaplen = snaplen};
        int r = nettable_name(instance, p.name);

        if (r < 0)
                return r;
        if (!(parts & (NETTABLE_FLOWS | NETTABLE_NAMES)) || ((parts & NETTABLE_NAMES) && group == 0) ||
            ((parts & NETTABLE_PASSING) && !(parts & NETTABLE_NAMES)))
                return -EINVAL;
        for (size_t i = 0; i < ARRAY_LEN(all_rules); i++) {
                if (!(parts & all_rules[i].part))
                        continue;
                p.rules[p.nrules++] = all_rules[i].rule;
                p.chains[all_rules[i].rule.chain] = true;
        }
        *ret = p;
        return 0;
}

/* ---- expressions ---- */

/* The first failure stays: a rule without one of its expressions would be another rule. */
struct making {
        struct nftnl_rule *rule;
        bool failed;
};

/* One expression: its numbers, by attribute; of 16, 32 or 64 bits, as libnftnl takes them. Ends with bits 0. */
struct number {
        uint16_t attr;
        uint8_t bits;
        uint64_t value;
};

static struct nftnl_expr *add(struct making *m, const char *name, const struct number *n)
{
        struct nftnl_expr *e = m->failed ? NULL : nftnl_expr_alloc(name);

        m->failed = !e;
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
        nftnl_rule_add_expr(m->rule, e);
        return e;
}

#define ADD(m, name, ...) add(m, name, (const struct number[]){__VA_ARGS__ {0, 0, 0}})
#define U16(attr, value) {attr, 16, value},
#define U32(attr, value) {attr, 32, value},
#define U64(attr, value) {attr, 64, value},

static void compare(struct making *m, uint32_t op, const void *p, uint32_t len)
{
        struct nftnl_expr *e = ADD(m, "cmp", U32(NFTNL_EXPR_CMP_SREG, NFT_REG_1) U32(NFTNL_EXPR_CMP_OP, op));

        if (e)
                nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, p, len);
}

/* The bits of mask in what was loaded, and nothing else of it. */
static void mask_with(struct making *m, const void *mask, uint32_t len)
{
        static const uint8_t none[4];
        struct nftnl_expr *e = ADD(m, "bitwise", U32(NFTNL_EXPR_BITWISE_SREG, NFT_REG_1)
                                   U32(NFTNL_EXPR_BITWISE_DREG, NFT_REG_1) U32(NFTNL_EXPR_BITWISE_LEN, len));

        if (!e)
                return;
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, none, len);
}

static void load_transport(struct making *m, uint32_t at, uint32_t len)
{
        ADD(m, "payload", U32(NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1)
            U32(NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER)
            U32(NFTNL_EXPR_PAYLOAD_OFFSET, at) U32(NFTNL_EXPR_PAYLOAD_LEN, len));
}

static void verdict(struct making *m, int32_t code, const char *chain)
{
        struct nftnl_expr *e = ADD(m, "immediate", U32(NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT)
                                   U32(NFTNL_EXPR_IMM_VERDICT, (uint32_t)code));

        if (!e || !chain)
                return;
        nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
        m->failed = !nftnl_expr_is_set(e, NFTNL_EXPR_IMM_CHAIN);
}

static void count(struct making *m)
{
        ADD(m, "counter", U64(NFTNL_EXPR_CTR_PACKETS, 0) U64(NFTNL_EXPR_CTR_BYTES, 0));
}

/* ---- what a rule does ---- */

static void count_new(struct making *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        static const uint32_t new = NF_CT_STATE_BIT(IP_CT_NEW), none;

        (void)p, (void)r;
        ADD(m, "ct", U32(NFTNL_EXPR_CT_DREG, NFT_REG_1) U32(NFTNL_EXPR_CT_KEY, NFT_CT_STATE));
        mask_with(m, &new, sizeof(new));
        compare(m, NFT_CMP_NEQ, &none, sizeof(none));
        count(m);
}

static void go_names(struct making *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        static const uint32_t loopback = LOOPBACK;
        const uint16_t port = htons(NAME_PORT);
        uint32_t interface = chains[r->chain].not_loopback;

        (void)p;
        if (interface) {
                ADD(m, "meta", U32(NFTNL_EXPR_META_DREG, NFT_REG_1) U32(NFTNL_EXPR_META_KEY, interface));
                compare(m, NFT_CMP_NEQ, &loopback, sizeof(loopback));
        }
        ADD(m, "meta", U32(NFTNL_EXPR_META_DREG, NFT_REG_1) U32(NFTNL_EXPR_META_KEY, NFT_META_L4PROTO));
        compare(m, NFT_CMP_EQ, &r->proto, sizeof(r->proto));
        load_transport(m, r->by_source ? 0 : 2, sizeof(port)); /* UDP's and TCP's ports lie alike */
        compare(m, NFT_CMP_EQ, &port, sizeof(port));
        verdict(m, NFT_JUMP, chains[NETTABLE_LOGGED].name);
}

static void log_some(struct making *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        (void)r;
        ADD(m, "limit", U64(NFTNL_EXPR_LIMIT_RATE, NETTABLE_RATE) U64(NFTNL_EXPR_LIMIT_UNIT, 1 /* second */)
            U32(NFTNL_EXPR_LIMIT_BURST, NETTABLE_BURST));
        ADD(m, "log", U16(NFTNL_EXPR_LOG_GROUP, p->group) U32(NFTNL_EXPR_LOG_SNAPLEN, p->snaplen)
            U16(NFTNL_EXPR_LOG_QTHRESHOLD, 1));
        verdict(m, NFT_RETURN, NULL);
}

static void count_rest(struct making *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        (void)p, (void)r;
        count(m);
}

static const struct {
        void (*make)(struct making *m, const struct nettable_plan *p, const struct nettable_rule *r);
        const char *comment; /* for whoever lists the rules; at most 127 bytes */
} acts[] = {
        [NETTABLE_COUNT_NEW] = {count_new, "tidemark: switches connection tracking on"},
        [NETTABLE_GO_NAMES] = {go_names, "tidemark: queries and answers of the name service"},
        [NETTABLE_LOG] = {log_some, "tidemark: copied to the agent"},
        [NETTABLE_COUNT_REST] = {count_rest, "tidemark: too many to be copied"},
};

/* ---- messages ---- */

struct batch {
        struct mnl_nlmsg_batch *b;
        uint32_t seq;
        bool failed;
};

static struct nlmsghdr *begin(struct batch *b, uint16_t type, uint16_t flags)
{
        return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->b), type, NFPROTO_INET, flags, ++b->seq);
}

static void next(struct batch *b)
{
        if (!mnl_nlmsg_batch_next(b->b))
                b->failed = true;
}

static void put_table(struct batch *b, const struct nettable_plan *p, uint16_t type, uint16_t flags)
{
        struct nftnl_table *t = b->failed ? NULL : nftnl_table_alloc();

        b->failed = !t;
        if (!t)
                return;
        nftnl_table_set_str(t, NFTNL_TABLE_NAME, p->name);
        nftnl_table_nlmsg_build_payload(begin(b, type, flags), t);
        next(b);
        nftnl_table_free(t);
}

static void put_chain(struct batch *b, const struct nettable_plan *p, const struct chain *c)
{
        struct nftnl_chain *n = b->failed ? NULL : nftnl_chain_alloc();

        b->failed = !n;
        if (!n)
                return;
        nftnl_chain_set_str(n, NFTNL_CHAIN_TABLE, p->name);
        nftnl_chain_set_str(n, NFTNL_CHAIN_NAME, c->name);
        if (c->hooked) {
                nftnl_chain_set_str(n, NFTNL_CHAIN_TYPE, "filter");
                nftnl_chain_set_u32(n, NFTNL_CHAIN_HOOKNUM, c->hook);
                nftnl_chain_set_s32(n, NFTNL_CHAIN_PRIO, c->prio);
                nftnl_chain_set_u32(n, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        }
        nftnl_chain_nlmsg_build_payload(begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), n);
        next(b);
        nftnl_chain_free(n);
}

/* As nft writes and reads it. Without one the rule is the same. */
static void comment(struct nftnl_rule *rule, const char *text)
{
        struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(COMMENT_MAX + 2);

        if (!u)
                return;
        if (nftnl_udata_put_strz(u, COMMENT_TYPE, text))
                nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(u), nftnl_udata_buf_len(u));
        nftnl_udata_buf_free(u);
}

static void put_rule(struct batch *b, const struct nettable_plan *p, const struct nettable_rule *r, uint16_t flags)
{
        struct making m = {.rule = b->failed ? NULL : nftnl_rule_alloc()};

        b->failed = !m.rule;
        if (!m.rule)
                return;
        nftnl_rule_set_u32(m.rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
        nftnl_rule_set_str(m.rule, NFTNL_RULE_TABLE, p->name);
        nftnl_rule_set_str(m.rule, NFTNL_RULE_CHAIN, chains[r->chain].name);
        comment(m.rule, acts[r->act].comment);
        acts[r->act].make(&m, p, r);
        b->failed = m.failed;
        if (!m.failed) {
                nftnl_rule_nlmsg_build_payload(begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags), m.rule);
                next(b);
        }
        nftnl_rule_free(m.rule);
}

static void put_all(struct batch *b, const struct nettable_plan *p)
{
        for (unsigned i = 0; i < NETTABLE__CHAINS; i++)
                if (p->chains[i])
                        put_chain(b, p, &chains[i]);
        for (uint32_t i = 0; i < p->nrules; i++)
                put_rule(b, p, &p->rules[i], i + 1 == p->nrules ? NLM_F_ACK : 0);
}

static void put_how(struct batch *b, const struct nettable_plan *p, enum nettable_how how)
{
        if (how == NETTABLE_GONE) {
                put_table(b, p, NFT_MSG_DELTABLE, NLM_F_ACK);
                return;
        }
        if (how == NETTABLE_ANEW) { /* making what stands is no error, taking away what does not would be */
                put_table(b, p, NFT_MSG_NEWTABLE, NLM_F_CREATE);
                put_table(b, p, NFT_MSG_DELTABLE, 0);
        }
        put_table(b, p, NFT_MSG_NEWTABLE, how == NETTABLE_FRESH ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE);
        put_all(b, p);
}

ssize_t nettable_batch(const struct nettable_plan *p, enum nettable_how how, void *out, size_t size, uint32_t *ret_last)
{
        struct batch b = {0};
        ssize_t len = -ENOMEM;
        uint32_t last;

        /* libmnl sees that a message was too long after it was built: half of the buffer is for that one. */
        b.b = size < NETTABLE_BATCH ? NULL : mnl_nlmsg_batch_start(out, size / 2);
        if (!b.b)
                return -ENOMEM;
        nftnl_batch_begin(mnl_nlmsg_batch_current(b.b), b.seq);
        next(&b);
        put_how(&b, p, how);
        last = b.seq;
        nftnl_batch_end(mnl_nlmsg_batch_current(b.b), ++b.seq);
        next(&b);
        if (!b.failed) {
                len = (ssize_t)mnl_nlmsg_batch_size(b.b);
                *ret_last = last;
        }
        mnl_nlmsg_batch_stop(b.b);
        return len;
}
