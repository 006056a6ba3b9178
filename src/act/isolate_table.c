/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_table - a table that cuts a container off and the kernel: made, read back, taken away.
 *
 * Owns: nothing. Must not: enter a namespace. Hands over: the kernel's own errors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "isolate-priv.h"
#include "nfbatch-priv.h"
#include "tidemark/nl.h"

#define SEQ 1u

static int apply(struct nl *nl, const struct isolate_plan *p, enum nettable_how how)
{
        _cleanup_free_ void *batch = malloc(ISOLATE_BATCH);
        uint32_t last;
        ssize_t len = batch ? isolate_batch(p, how, batch, ISOLATE_BATCH, &last) : -ENOMEM;

        return len < 0 ? (int)len : nl_talk(nl, batch, (size_t)len, last, ISOLATE_TALK_MS, NULL, NULL);
}

static int ask(struct nl *nl, uint8_t family, uint16_t type, uint16_t flags, const char *name, const char *chain,
               nl_cb cb, void *arg)
{
        char space[512] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;

        h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
        h->nlmsg_flags = NLM_F_REQUEST | flags;
        h->nlmsg_seq = SEQ;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = family;
        g->version = NFNETLINK_V0;
        mnl_attr_put_strz(h, NFTA_TABLE_NAME, name); /* NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are the same number */
        if (chain)
                mnl_attr_put_strz(h, NFTA_CHAIN_NAME, chain);
        return nl_talk(nl, h, h->nlmsg_len, SEQ, ISOLATE_TALK_MS, cb, arg);
}

/* Asked first: a transaction that is refused costs the kernel milliseconds, a question none. */
int isolate_make(struct nl *nl, const struct isolate_plan *p, bool *ret_stood)
{
        bool dormant = false, stood;
        int r = ask(nl, isolate_family(p), NFT_MSG_GETTABLE, NLM_F_ACK, p->name, NULL, nettable_parse_table, &dormant);

        stood = r == 0;
        if (!stood) { /* whatever the reason: making it says what is wrong */
                r = apply(nl, p, NETTABLE_FRESH);
                stood = r == -EEXIST;
        }
        if (stood)
                r = apply(nl, p, NETTABLE_ANEW);
        if (r < 0)
                return r;
        *ret_stood = stood;
        return 0;
}

int isolate_remove(struct nl *nl, uint8_t family, const char *name)
{
        struct nfbatch b;
        char space[4096] __attribute__((aligned(8)));
        uint32_t last = 0;
        bool dormant;
        ssize_t len;
        int r = ask(nl, family, NFT_MSG_GETTABLE, NLM_F_ACK, name, NULL, nettable_parse_table, &dormant);

        if (r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
                return 0;
        if (nfbatch_start(&b, family, name, space, sizeof(space)) < 0)
                return -ENOMEM;
        nettable_put_how(&b, NETTABLE_GONE);
        len = nfbatch_end(&b, &last);
        r = len < 0 ? (int)len : nl_talk(nl, space, (size_t)len, last, ISOLATE_TALK_MS, NULL, NULL);
        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/*
 * By their names: a namespace can have any number of others, which a dump would bring along. Another chain in our table
 * undoes nothing: no verdict takes a drop back.
 */
static const struct {
        const char *name;
        bool numbered; /* one for each device */
} names[] = {
        {"prerouting", false}, {"input", false}, {"output", false}, {"postrouting", false}, {"coming", false},
        {"going", false}, {"probes", false}, {"answers", false}, {"in", false}, {"out", false}, {"from", true},
        {"to", true},
};

int isolate_read(struct nl *nl, uint8_t family, const char *name, struct isolate_print *ret)
{
        struct isolate_print p = {.name = name, .family = family};
        bool dormant = false;
        char chain[32];
        int r = ask(nl, family, NFT_MSG_GETTABLE, NLM_F_ACK, name, NULL, nettable_parse_table, &dormant);

        if (r == 0 && dormant)
                r = -ENOLINK;
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++)
                for (unsigned n = 0; r == 0 && n < (names[i].numbered ? ISOLATE_DEVICES : 1); n++) {
                        snprintf(chain, sizeof(chain), names[i].numbered ? "%s%u" : "%s", names[i].name, n);
                        r = ask(nl, family, NFT_MSG_GETCHAIN, NLM_F_ACK, name, chain, isolate_print_message, &p);
                        r = r == -ENOENT ? 0 : r;
                }
        if (r == 0)
                r = ask(nl, family, NFT_MSG_GETRULE, NLM_F_DUMP, name, NULL, isolate_print_message, &p);
        if (r == 0)
                *ret = p;
        return r;
}
