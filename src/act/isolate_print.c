/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_print - does what was read back say the same as what was made? Each chain, and each of its rules in order, is
 * written as text by libnftnl, which knows what of a message counts, and hashed; the order of chains does not matter.
 *
 * Pure: messages in. A container with CAP_NET_ADMIN chooses what stands in its namespace: bounded, and a table that
 * does not fit is another one. Attributes of lengths that no kernel sends end the process, by libnftnl: the helper,
 * which is replaced.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "isolate-priv.h"
#include "tidemark/map.h"
#include "tidemark/str.h"

#define MESSAGES_MAX 10000u /* kernels before 4.7 give the rules of every table */
#define TEXT 4096u
#define NFT(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))

static uint64_t mix(uint64_t before, const char *text)
{
        struct map_seed seed = {before, 0x69736f6c617465};

        return map_hash(seed, bytes_str(text));
}

static int chain_of(struct isolate_print *p, const char *name)
{
        for (uint32_t i = 0; i < p->nchains; i++)
                if (strcmp(p->chains[i].name, name) == 0)
                        return (int)i;
        if (p->nchains == ISOLATE_CHAINS || strlen(name) >= sizeof(p->chains[0].name)) {
                p->odd = true;
                return -1;
        }
        memcpy(p->chains[p->nchains].name, name, strlen(name) + 1);
        p->chains[p->nchains].print = p->chains[p->nchains].dropped = 0;
        return (int)p->nchains++;
}

/* ---- a rule ---- */

struct telling {
        char text[TEXT];
        size_t len;
        bool drops;
        uint64_t counted;
};

static int tell_expr(struct nftnl_expr *e, void *arg)
{
        struct telling *t = arg;
        const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
        int n;

        if (name && strcmp(name, "counter") == 0) {
                t->counted = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
                nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_PACKETS, 0);
                nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_BYTES, 0);
        }
        if (name && strcmp(name, "immediate") == 0 && nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT))
                t->drops = nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT) == NF_DROP;
        n = snprintf(t->text + t->len, TEXT - t->len, "[%s ", name ? name : "?");
        if (n > 0 && (size_t)n < TEXT - t->len)
                t->len += (size_t)n;
        n = nftnl_expr_snprintf(t->text + t->len, TEXT - t->len, e, NFTNL_OUTPUT_DEFAULT, 0);
        if (n < 0 || (size_t)n >= TEXT - t->len)
                return -1; /* longer than any of ours */
        t->len += (size_t)n;
        return 0;
}

static void add_rule(struct isolate_print *p, const struct nlmsghdr *h)
{
        struct nftnl_rule *rule = nftnl_rule_alloc();
        struct telling *t = calloc(1, sizeof(*t));
        const char *chain = NULL;
        int at;

        p->rules++;
        if (rule && t && nftnl_rule_nlmsg_parse(h, rule) == 0)
                chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
        at = chain ? chain_of(p, chain) : -1;
        if (at < 0 || nftnl_expr_foreach(rule, tell_expr, t) < 0) {
                p->odd = true;
        } else {
                p->chains[at].print = mix(p->chains[at].print, t->text);
                p->chains[at].dropped += t->drops ? t->counted : 0;
                p->dropped += t->drops ? t->counted : 0;
        }
        free(t);
        if (rule)
                nftnl_rule_free(rule);
}

/* ---- a chain ---- */

static void add_chain(struct isolate_print *p, const struct nlmsghdr *h)
{
        struct nftnl_chain *c = nftnl_chain_alloc();
        const char *name = NULL, *device = NULL;
        char text[256];
        int at = -1;

        if (c && nftnl_chain_nlmsg_parse(h, c) == 0)
                name = nftnl_chain_get_str(c, NFTNL_CHAIN_NAME);
        if (name)
                at = chain_of(p, name);
        if (at < 0) {
                p->odd = true;
        } else {
                bool hooked = nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM);

                if (nftnl_chain_is_set(c, NFTNL_CHAIN_DEV))
                        device = nftnl_chain_get_str(c, NFTNL_CHAIN_DEV);
                snprintf(text, sizeof(text), "%d %u %d %u %s", hooked,
                         hooked ? nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) : 0,
                         hooked ? nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO) : 0,
                         hooked ? nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) : 0, device ? device : "-");
                p->chains[at].print = mix(p->chains[at].print, text);
        }
        if (c)
                nftnl_chain_free(c);
}

/* ---- messages ---- */

/* NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are the same number. */
static bool is_of(const struct nlmsghdr *h, const struct isolate_print *p)
{
        const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
        const struct nlattr *a;

        if (g->nfgen_family != p->family)
                return false;
        mnl_attr_for_each(a, h, sizeof(*g))
                if (mnl_attr_get_type(a) == NFTA_RULE_TABLE)
                        return mnl_attr_get_payload_len(a) == strlen(p->name) + 1 &&
                               memcmp(mnl_attr_get_payload(a), p->name, strlen(p->name) + 1) == 0;
        return false;
}

int isolate_print_message(const struct nlmsghdr *h, void *arg)
{
        struct isolate_print *p = arg;

        if (p->messages++ == MESSAGES_MAX)
                return -E2BIG;
        if ((h->nlmsg_type != NFT(NFT_MSG_NEWCHAIN) && h->nlmsg_type != NFT(NFT_MSG_NEWRULE)) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg) || !is_of(h, p))
                return 0;
        if (h->nlmsg_type == NFT(NFT_MSG_NEWCHAIN))
                add_chain(p, h);
        else
                add_rule(p, h);
        return 0;
}

int isolate_print_plan(const struct isolate_plan *plan, struct isolate_print *ret)
{
        _cleanup_free_ void *batch = malloc(ISOLATE_BATCH);
        struct isolate_print p = {.name = plan->name, .family = isolate_family(plan)};
        uint32_t last;
        ssize_t len = batch ? isolate_batch(plan, NETTABLE_FRESH, batch, ISOLATE_BATCH, &last) : -ENOMEM;
        const struct nlmsghdr *h = batch;
        int left = (int)len;

        if (len < 0)
                return (int)len;
        for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                int r = isolate_print_message(h, &p);

                if (r < 0)
                        return r;
        }
        *ret = p;
        return 0;
}

uint64_t isolate_print_sum(const struct isolate_print *p)
{
        uint64_t sum = p->rules;

        if (p->odd)
                return 0;
        for (uint32_t i = 0; i < p->nchains; i++)
                sum += mix(p->chains[i].print, p->chains[i].name);
        return sum ? sum : 1;
}
