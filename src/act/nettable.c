/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nettable - our table and the kernel: made, taken away, looked at, over a netlink socket in the namespace.
 *
 * Owns: nothing. Must not: enter a namespace, or open a socket. Hands over: the kernel's own errors.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nettable-priv.h"
#include "tidemark/nl.h"

#define LOOK_SEQ 1u
#define LOOK_MAX 10000u /* rules; kernels before 4.7 give those of every table */

static int apply(struct nl *nl, const struct nettable_plan *p, enum nettable_how how, int timeout_ms)
{
        _cleanup_free_ void *batch = malloc(NETTABLE_BATCH);
        uint32_t last;
        ssize_t len = batch ? nettable_batch(p, how, batch, NETTABLE_BATCH, &last) : -ENOMEM;

        return len < 0 ? (int)len : nl_talk(nl, batch, (size_t)len, last, timeout_ms, NULL, NULL);
}

/*
 * Mostly none stands: asking first would cost as much as trying. Where one does, taking it away is a part of the same
 * transaction as the new one, so whoever listens for changes hears of a deletion only then.
 */
int nettable_make(struct nl *nl, const struct nettable_plan *p, int timeout_ms, bool *ret_stood)
{
        int r = apply(nl, p, NETTABLE_FRESH, timeout_ms);
        bool stood = r == -EEXIST;

        if (stood)
                r = apply(nl, p, NETTABLE_ANEW, timeout_ms);
        if (r < 0)
                return r;
        *ret_stood = stood;
        return 0;
}

int nettable_remove(struct nl *nl, const char *name, int timeout_ms)
{
        struct nettable_plan p = {0};
        int r;

        strncpy(p.name, name, sizeof(p.name) - 1);
        r = apply(nl, &p, NETTABLE_GONE, timeout_ms);
        return r == -ENOENT ? 0 : r;
}

/* ---- looking ---- */

static struct nlmsghdr *question(char *space, uint16_t type, uint16_t flags)
{
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;

        h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
        h->nlmsg_flags = NLM_F_REQUEST | flags;
        h->nlmsg_seq = LOOK_SEQ;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = NFPROTO_INET;
        g->version = NFNETLINK_V0;
        return h;
}

static int on_table(const struct nlmsghdr *h, void *arg)
{
        const struct nlattr *a;
        bool *dormant = arg;

        if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
                return 0;
        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
                if (mnl_attr_get_type(a) == NFTA_TABLE_FLAGS && mnl_attr_get_payload_len(a) == sizeof(uint32_t))
                        *dormant = (ntohl(mnl_attr_get_u32(a)) & NFT_TABLE_F_DORMANT) != 0;
        return 0;
}

int nettable_stands(struct nl *nl, const char *name, int timeout_ms)
{
        char space[256] __attribute__((aligned(8)));
        struct nlmsghdr *h = question(space, NFT_MSG_GETTABLE, NLM_F_ACK);
        bool dormant = false;
        int r;

        mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
        r = nl_talk(nl, h, h->nlmsg_len, LOOK_SEQ, timeout_ms, on_table, &dormant);
        return r == -ENOENT ? 0 : r < 0 ? r : !dormant;
}

struct looked {
        const char *name;
        uint32_t messages, rules;
        uint64_t over;
};

static const struct nlattr *find(const struct nlattr *in, uint16_t type)
{
        const struct nlattr *a;

        mnl_attr_for_each_nested(a, in)
                if (mnl_attr_get_type(a) == type)
                        return a;
        return NULL;
}

static bool is_text(const struct nlattr *a, const char *text)
{
        return a && mnl_attr_get_payload_len(a) == strlen(text) + 1 &&
               memcmp(mnl_attr_get_payload(a), text, strlen(text) + 1) == 0;
}

/*
 * The rule that has a counter and nothing else: an array of expressions with one element. Whoever may change our table
 * may put another there; the number is for status alone.
 */
static void read_counter(const struct nlattr *exprs, struct looked *l)
{
        const struct nlattr *first = find(exprs, NFTA_LIST_ELEM), *data, *packets;

        if (!first || !is_text(find(first, NFTA_EXPR_NAME), "counter"))
                return;
        data = find(first, NFTA_EXPR_DATA);
        packets = data ? find(data, NFTA_COUNTER_PACKETS) : NULL;
        if (!packets || mnl_attr_get_payload_len(packets) != sizeof(uint64_t))
                return;
        l->over = be64toh(mnl_attr_get_u64(packets));
}

static int on_rule(const struct nlmsghdr *h, void *arg)
{
        const struct nlattr *a, *table = NULL, *chain = NULL, *exprs = NULL;
        struct looked *l = arg;

        if (l->messages++ == LOOK_MAX)
                return -E2BIG;
        if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
                return 0;
        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) == NFTA_RULE_TABLE)
                        table = a;
                else if (mnl_attr_get_type(a) == NFTA_RULE_CHAIN)
                        chain = a;
                else if (mnl_attr_get_type(a) == NFTA_RULE_EXPRESSIONS)
                        exprs = a;
        }
        /* Older kernels dump the rules of all tables, whatever was asked. */
        if (!is_text(table, l->name))
                return 0;
        l->rules++;
        if (exprs && is_text(chain, NETTABLE_CHAIN_NAMES))
                read_counter(exprs, l);
        return 0;
}

int nettable_look(struct nl *nl, const char *name, int timeout_ms, uint32_t *ret_rules, uint64_t *ret_over)
{
        char space[256] __attribute__((aligned(8)));
        struct nlmsghdr *h = question(space, NFT_MSG_GETRULE, NLM_F_DUMP);
        struct looked l = {.name = name};
        int r;

        mnl_attr_put_strz(h, NFTA_RULE_TABLE, name);
        r = nl_talk(nl, h, h->nlmsg_len, LOOK_SEQ, timeout_ms, on_rule, &l);
        if (r < 0)
                return r;
        *ret_rules = l.rules;
        *ret_over = l.over;
        return 0;
}
