/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nettable_plan - what our table holds, and the same as messages of nf_tables.
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
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "nettable-priv.h"
#include "nfbatch-priv.h"

#define NAME_PORT 53u
#define LOOPBACK 1u /* the index of lo in every namespace: LOOPBACK_IFINDEX of the kernel's net_namespace.h */

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

/* ---- what a rule does ---- */

static void count_new(struct nfrule *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        static const uint32_t new = NF_CT_STATE_BIT(IP_CT_NEW), none;

        (void)p, (void)r;
        NFRULE_ADD(m, "ct", NFRULE_U32(NFTNL_EXPR_CT_DREG, NFT_REG_1) NFRULE_U32(NFTNL_EXPR_CT_KEY, NFT_CT_STATE));
        nfrule_mask(m, &new, sizeof(new));
        nfrule_compare(m, NFT_CMP_NEQ, &none, sizeof(none));
        nfrule_count(m);
}

static void go_names(struct nfrule *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        static const uint32_t loopback = LOOPBACK;
        const uint16_t port = htons(NAME_PORT);
        uint32_t interface = chains[r->chain].not_loopback;

        (void)p;
        if (interface) {
                nfrule_meta(m, interface);
                nfrule_compare(m, NFT_CMP_NEQ, &loopback, sizeof(loopback));
        }
        nfrule_meta(m, NFT_META_L4PROTO);
        nfrule_compare(m, NFT_CMP_EQ, &r->proto, sizeof(r->proto));
        /* UDP's and TCP's ports lie alike */
        nfrule_payload(m, NFT_PAYLOAD_TRANSPORT_HEADER, r->by_source ? 0 : 2, sizeof(port));
        nfrule_compare(m, NFT_CMP_EQ, &port, sizeof(port));
        nfrule_verdict(m, NFT_JUMP, chains[NETTABLE_LOGGED].name);
}

static void log_some(struct nfrule *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        (void)r;
        NFRULE_ADD(m, "limit", NFRULE_U64(NFTNL_EXPR_LIMIT_RATE, NETTABLE_RATE)
                   NFRULE_U64(NFTNL_EXPR_LIMIT_UNIT, 1 /* second */)
                   NFRULE_U32(NFTNL_EXPR_LIMIT_BURST, NETTABLE_BURST));
        NFRULE_ADD(m, "log", NFRULE_U16(NFTNL_EXPR_LOG_GROUP, p->group)
                   NFRULE_U32(NFTNL_EXPR_LOG_SNAPLEN, p->snaplen)
                   NFRULE_U16(NFTNL_EXPR_LOG_QTHRESHOLD, 1));
        nfrule_verdict(m, NFT_RETURN, NULL);
}

static void count_rest(struct nfrule *m, const struct nettable_plan *p, const struct nettable_rule *r)
{
        (void)p, (void)r;
        nfrule_count(m);
}

static const struct {
        void (*make)(struct nfrule *m, const struct nettable_plan *p, const struct nettable_rule *r);
        const char *comment; /* for whoever lists the rules; at most 127 bytes */
} acts[] = {
        [NETTABLE_COUNT_NEW] = {count_new, "tidemark: switches connection tracking on"},
        [NETTABLE_GO_NAMES] = {go_names, "tidemark: queries and answers of the name service"},
        [NETTABLE_LOG] = {log_some, "tidemark: copied to the agent"},
        [NETTABLE_COUNT_REST] = {count_rest, "tidemark: too many to be copied"},
};

/* ---- messages ---- */

static void put_all(struct nfbatch *b, const struct nettable_plan *p)
{
        for (unsigned i = 0; i < NETTABLE__CHAINS; i++)
                if (p->chains[i])
                        nfbatch_chain(b, &(struct nfbatch_chain){.name = chains[i].name,
                                                                 .hooked = chains[i].hooked,
                                                                 .hook = chains[i].hook,
                                                                 .prio = chains[i].prio,
                                                                 .policy = NF_ACCEPT});
        for (uint32_t i = 0; i < p->nrules; i++) {
                const struct nettable_rule *rule = &p->rules[i];
                struct nfrule r;

                nfrule_begin(&r, b, chains[rule->chain].name, acts[rule->act].comment);
                acts[rule->act].make(&r, p, rule);
                nfrule_end(&r, b, i + 1 == p->nrules ? NLM_F_ACK : 0);
        }
}

void nettable_put_how(struct nfbatch *b, enum nettable_how how)
{
        if (how == NETTABLE_GONE) {
                nfbatch_table(b, NFT_MSG_DELTABLE, NLM_F_ACK);
                return;
        }
        if (how == NETTABLE_ANEW) { /* making what stands is no error, taking away what does not would be */
                nfbatch_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
                nfbatch_table(b, NFT_MSG_DELTABLE, 0);
        }
        nfbatch_table(b, NFT_MSG_NEWTABLE, how == NETTABLE_FRESH ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE);
}

ssize_t nettable_batch(const struct nettable_plan *p, enum nettable_how how, void *out, size_t size, uint32_t *ret_last)
{
        struct nfbatch b;

        if (size < NETTABLE_BATCH || nfbatch_start(&b, NFPROTO_INET, p->name, out, size) < 0)
                return -ENOMEM;
        nettable_put_how(&b, how);
        if (how != NETTABLE_GONE)
                put_all(&b, p);
        return nfbatch_end(&b, ret_last);
}
