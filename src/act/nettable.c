/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nettable - our table and the kernel: made, taken away, looked at, over a netlink socket in the namespace.
 *
 * Owns: nothing. Must not: enter a namespace, or open a socket. Hands over: the kernel's own errors.
 */
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

static int apply(struct nl *nl, const struct nettable_plan *p, enum nettable_how how, int timeout_ms)
{
        _cleanup_free_ void *batch = malloc(NETTABLE_BATCH);
        uint32_t last;
        ssize_t len = batch ? nettable_batch(p, how, batch, NETTABLE_BATCH, &last) : -ENOMEM;

        return len < 0 ? (int)len : nl_talk(nl, batch, (size_t)len, last, timeout_ms, NULL, NULL);
}

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

/* -ENOENT: there is none. */
static int ask_table(struct nl *nl, const char *name, int timeout_ms, bool *ret_dormant)
{
        char space[256] __attribute__((aligned(8)));
        struct nlmsghdr *h = question(space, NFT_MSG_GETTABLE, NLM_F_ACK);

        *ret_dormant = false;
        mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
        return nl_talk(nl, h, h->nlmsg_len, LOOK_SEQ, timeout_ms, nettable_parse_table, ret_dormant);
}

/*
 * Asked first, because a transaction that is refused costs the kernel milliseconds, and a question none. Where a table
 * stands, taking it away is a part of the same transaction as the new one; only then does whoever listens for changes
 * hear of a deletion.
 */
int nettable_make(struct nl *nl, const struct nettable_plan *p, int timeout_ms, bool *ret_stood)
{
        bool stood, dormant;
        int r = ask_table(nl, p->name, timeout_ms, &dormant);

        stood = r == 0;
        if (!stood) { /* whatever the reason: making it says what is wrong */
                r = apply(nl, p, NETTABLE_FRESH, timeout_ms);
                stood = r == -EEXIST;
        }
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

int nettable_stands(struct nl *nl, const char *name, int timeout_ms)
{
        bool dormant;
        int r = ask_table(nl, name, timeout_ms, &dormant);

        return r == -ENOENT ? 0 : r < 0 ? r : !dormant;
}

int nettable_look(struct nl *nl, const char *name, int timeout_ms, uint32_t *ret_rules, uint64_t *ret_over)
{
        char space[256] __attribute__((aligned(8)));
        struct nlmsghdr *h = question(space, NFT_MSG_GETRULE, NLM_F_DUMP);
        struct nettable_looked l = {.name = name};
        int r;

        mnl_attr_put_strz(h, NFTA_RULE_TABLE, name);
        r = nl_talk(nl, h, h->nlmsg_len, LOOK_SEQ, timeout_ms, nettable_parse_rule, &l);
        if (r < 0)
                return r;
        *ret_rules = l.rules;
        *ret_over = l.over;
        return 0;
}
