/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nettable: the plan, and the plan as messages. What the kernel makes of it: test_nsworker. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "act/nettable-priv.h"

static void test_instances(void)
{
        struct nettable_plan p;
        char name[NETTABLE_NAME];

        CU_ASSERT_EQUAL(nettable_name("a-B9", name), 0);
        CU_ASSERT_STRING_EQUAL(name, "tidemark-a-B9");
        CU_ASSERT_EQUAL(nettable_name("1234567890123456789012", name), 0); /* 22: with the NUL all 32 bytes */
        CU_ASSERT_EQUAL(strlen(name), NETTABLE_NAME - 1);
        CU_ASSERT_EQUAL(nettable_name("12345678901234567890123", name), -EINVAL);
        CU_ASSERT_EQUAL(nettable_name("", name), -EINVAL);
        CU_ASSERT_EQUAL(nettable_name("a b", name), -EINVAL);
        CU_ASSERT_EQUAL(nettable_name("\xc3\xa4", name), -EINVAL);
        CU_ASSERT_EQUAL(nettable_plan("a", 0, 1, 100, &p), -EINVAL);
        CU_ASSERT_EQUAL(nettable_plan("a", NETTABLE_NAMES, 0, 100, &p), -EINVAL);
        CU_ASSERT_EQUAL(nettable_plan("a", NETTABLE_FLOWS | NETTABLE_PASSING, 1, 100, &p), -EINVAL);
        CU_ASSERT_EQUAL(nettable_plan("a", NETTABLE_NAMES | NETTABLE_PASSING, 1, 100, &p), 0);
        CU_ASSERT(p.nrules == 10 && p.chains[NETTABLE_COMING] && p.chains[NETTABLE_GOING]);
        CU_ASSERT_EQUAL(nettable_plan("a", NETTABLE_FLOWS, 0, 100, &p), 0);
}

static void test_plans(void)
{
        struct nettable_plan p;
        unsigned passing = 0;

        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_FLOWS, 0, 100, &p), 0);
        CU_ASSERT(p.nrules == 1 && p.rules[0].act == NETTABLE_COUNT_NEW && p.rules[0].chain == NETTABLE_OUTPUT);
        CU_ASSERT(p.chains[NETTABLE_OUTPUT] && !p.chains[NETTABLE_INPUT] && !p.chains[NETTABLE_LOGGED]);
        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_NAMES, 5, 100, &p), 0);
        CU_ASSERT(p.nrules == 6 && p.chains[NETTABLE_INPUT] && p.chains[NETTABLE_LOGGED]);
        for (uint32_t i = 0; i < p.nrules; i++)
                CU_ASSERT(p.rules[i].act != NETTABLE_COUNT_NEW);
        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_FLOWS | NETTABLE_NAMES, 5, 100, &p), 0);
        CU_ASSERT(p.nrules == 7 && p.group == 5 && p.snaplen == 100);
        /* Queries before their destination is another one, answers when their source is the one that was asked. */
        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_NAMES | NETTABLE_PASSING, 5, 100, &p), 0);
        for (uint32_t i = 0; i < p.nrules; i++) {
                const struct nettable_rule *r = &p.rules[i];

                CU_ASSERT(r->act != NETTABLE_GO_NAMES ||
                          r->by_source == (r->chain == NETTABLE_INPUT || r->chain == NETTABLE_GOING));
                passing += r->chain == NETTABLE_COMING || r->chain == NETTABLE_GOING;
        }
        CU_ASSERT_EQUAL(passing, 4);
}

/* ---- messages ---- */

static uint8_t space[NETTABLE_BATCH] __attribute__((aligned(8)));

struct messages {
        unsigned n, acks;
        uint16_t type[32], flags[32];
        uint32_t seq[32], acked;
        const struct nlmsghdr *h[32];
};

static struct messages read_batch(const struct nettable_plan *p, enum nettable_how how, uint32_t *ret_last)
{
        struct messages m = {0};
        ssize_t len = nettable_batch(p, how, space, sizeof(space), ret_last);
        const struct nlmsghdr *h = (const struct nlmsghdr *)space;
        int left = (int)len;

        CU_ASSERT_FATAL(len > 0);
        for (; m.n < 32 && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                m.type[m.n] = h->nlmsg_type, m.flags[m.n] = h->nlmsg_flags, m.seq[m.n] = h->nlmsg_seq;
                if (h->nlmsg_flags & NLM_F_ACK)
                        m.acks++, m.acked = h->nlmsg_seq;
                m.h[m.n++] = h;
        }
        CU_ASSERT_EQUAL(left, 0);
        return m;
}

#define NFT(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))

static void expect(const struct messages *m, const uint16_t *types, unsigned n)
{
        CU_ASSERT_EQUAL_FATAL(m->n, n);
        for (unsigned i = 0; i < n; i++) {
                CU_ASSERT_EQUAL(m->type[i], types[i]);
                CU_ASSERT(i == 0 || m->seq[i] == m->seq[i - 1] + 1);
        }
}

static void test_batches(void)
{
        static const uint16_t fresh[] = {NFNL_MSG_BATCH_BEGIN, NFT(NFT_MSG_NEWTABLE), NFT(NFT_MSG_NEWCHAIN),
                                         NFT(NFT_MSG_NEWRULE), NFNL_MSG_BATCH_END};
        static const uint16_t anew[] = {NFNL_MSG_BATCH_BEGIN,  NFT(NFT_MSG_NEWTABLE), NFT(NFT_MSG_DELTABLE),
                                        NFT(NFT_MSG_NEWTABLE), NFT(NFT_MSG_NEWCHAIN), NFT(NFT_MSG_NEWRULE),
                                        NFNL_MSG_BATCH_END};
        static const uint16_t gone[] = {NFNL_MSG_BATCH_BEGIN, NFT(NFT_MSG_DELTABLE), NFNL_MSG_BATCH_END};
        struct nettable_plan p;
        struct messages m;
        uint32_t last;

        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_FLOWS, 0, 100, &p), 0);
        m = read_batch(&p, NETTABLE_FRESH, &last);
        expect(&m, fresh, ARRAY_LEN(fresh));
        CU_ASSERT(m.flags[1] & NLM_F_EXCL);
        CU_ASSERT(m.acks == 1 && m.acked == last && m.seq[3] == last);
        m = read_batch(&p, NETTABLE_ANEW, &last);
        expect(&m, anew, ARRAY_LEN(anew));
        CU_ASSERT(!(m.flags[1] & NLM_F_EXCL) && !(m.flags[3] & NLM_F_EXCL));
        CU_ASSERT(m.acks == 1 && m.acked == last && m.seq[5] == last);
        m = read_batch(&p, NETTABLE_GONE, &last);
        expect(&m, gone, ARRAY_LEN(gone));
        CU_ASSERT(m.acks == 1 && m.acked == last && m.seq[1] == last);
        CU_ASSERT_EQUAL(nettable_batch(&p, NETTABLE_GONE, space, sizeof(space) - 1, &last), -ENOMEM);
}

static const struct nlattr *inside(const struct nlattr *in, uint16_t type)
{
        const struct nlattr *a;

        mnl_attr_for_each_nested(a, in)
                if (mnl_attr_get_type(a) == type)
                        return a;
        return NULL;
}

static uint32_t number(const struct nlattr *in, uint16_t type)
{
        const struct nlattr *a = inside(in, type);

        return a ? ntohl(mnl_attr_get_u32(a)) : UINT32_MAX;
}

static int32_t priority_at(uint32_t hook)
{
        return hook == NF_INET_LOCAL_OUT || hook == NF_INET_PRE_ROUTING ? -150 : 300; /* around all nat */
}

/* The chains: where they hang, and that all goes on by itself. */
static void test_chains(void)
{
        struct nettable_plan p;
        struct messages m;
        unsigned hooked = 0, hooks = 0;
        uint32_t last;

        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_FLOWS | NETTABLE_NAMES | NETTABLE_PASSING, 9, 100, &p), 0);
        m = read_batch(&p, NETTABLE_FRESH, &last);
        for (unsigned i = 0; i < m.n; i++) {
                const struct nlattr *a, *hook = NULL, *policy = NULL;

                if (m.type[i] != NFT(NFT_MSG_NEWCHAIN))
                        continue;
                mnl_attr_for_each(a, m.h[i], sizeof(struct nfgenmsg)) {
                        hook = mnl_attr_get_type(a) == NFTA_CHAIN_HOOK ? a : hook;
                        policy = mnl_attr_get_type(a) == NFTA_CHAIN_POLICY ? a : policy;
                }
                if (!hook)
                        continue;
                hooked++;
                CU_ASSERT(policy && ntohl(mnl_attr_get_u32(policy)) == NF_ACCEPT);
                CU_ASSERT_EQUAL((int32_t)number(hook, NFTA_HOOK_PRIORITY),
                                priority_at(number(hook, NFTA_HOOK_HOOKNUM)));
                hooks |= 1u << number(hook, NFTA_HOOK_HOOKNUM);
        }
        CU_ASSERT_EQUAL(hooked, 4);
        CU_ASSERT_EQUAL(hooks, 1u << NF_INET_LOCAL_OUT | 1u << NF_INET_LOCAL_IN | 1u << NF_INET_PRE_ROUTING |
                                       1u << NF_INET_POST_ROUTING);
}

/* Verdicts of one rule: what its immediate expressions say. */
static void verdicts(const struct nlmsghdr *h, unsigned *jumps, unsigned *returns, unsigned *others)
{
        const struct nlattr *a, *e, *data, *v;

        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) != NFTA_RULE_EXPRESSIONS)
                        continue;
                mnl_attr_for_each_nested(e, a) {
                        if (strcmp(mnl_attr_get_str(inside(e, NFTA_EXPR_NAME)), "immediate") != 0)
                                continue;
                        data = inside(inside(e, NFTA_EXPR_DATA), NFTA_IMMEDIATE_DATA);
                        v = inside(data, NFTA_DATA_VERDICT);
                        switch ((int32_t)number(v, NFTA_VERDICT_CODE)) {
                        case NFT_JUMP:
                                ++*jumps;
                                CU_ASSERT_STRING_EQUAL(mnl_attr_get_str(inside(v, NFTA_VERDICT_CHAIN)), "names");
                                break;
                        case NFT_RETURN:
                                ++*returns;
                                break;
                        default:
                                ++*others;
                        }
                }
        }
}

static void test_harmless(void)
{
        unsigned jumps = 0, returns = 0, others = 0, rules = 0;
        struct nettable_plan p;
        struct messages m;
        uint32_t last;

        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_FLOWS | NETTABLE_NAMES | NETTABLE_PASSING, 9, 100, &p), 0);
        m = read_batch(&p, NETTABLE_ANEW, &last);
        for (unsigned i = 0; i < m.n; i++) {
                if (m.type[i] != NFT(NFT_MSG_NEWRULE))
                        continue;
                rules++;
                verdicts(m.h[i], &jumps, &returns, &others);
        }
        CU_ASSERT_EQUAL(rules, 11);
        CU_ASSERT(jumps == 8 && returns == 1 && others == 0);
}

/* What is looked at is what was made: the rules' messages are of one form, both ways. */
static void test_looked_at(void)
{
        struct nettable_looked ours = {.name = "tidemark-a"}, others = {.name = "tidemark-ab"};
        struct nettable_plan p;
        struct messages m;
        uint32_t last;

        CU_ASSERT_EQUAL_FATAL(nettable_plan("a", NETTABLE_FLOWS | NETTABLE_NAMES, 9, 100, &p), 0);
        m = read_batch(&p, NETTABLE_FRESH, &last);
        for (unsigned i = 0; i < m.n; i++) {
                CU_ASSERT_EQUAL(nettable_parse_rule(m.h[i], &ours), 0);
                CU_ASSERT_EQUAL(nettable_parse_rule(m.h[i], &others), 0);
        }
        CU_ASSERT(ours.rules == p.nrules && ours.over == 0 && others.rules == 0);
        ours.messages = 10000;
        CU_ASSERT_EQUAL(nettable_parse_rule(m.h[0], &ours), -E2BIG);
}

static const struct unit_case cases[] = {
        {"instances", test_instances},
        {"plans", test_plans},
        {"transactions", test_batches},
        {"chains hang where they should", test_chains},
        {"no rule ends a packet's way", test_harmless},
        {"rules are found again", test_looked_at},
};
UNIT_MAIN("nettable", cases)
