/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tables - nftables tables of the network namespace it runs in, a line each: "FAMILY NAME RULES", FAMILY a number. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "tidemark/err.h"
#include "tidemark/nl.h"

#define TABLES 64
#define WAIT_MS 10000

struct tables {
        size_t n;
        struct {
                uint8_t family;
                char name[256];
                unsigned rules;
        } of[TABLES];
};

static int on_message(const struct nlmsghdr *h, void *arg)
{
        const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
        const char *name = NULL;
        struct tables *t = arg;
        struct nlattr *a;

        mnl_attr_for_each(a, h, sizeof(*g))
                if (mnl_attr_get_type(a) == NFTA_TABLE_NAME) /* NFTA_RULE_TABLE is the same number */
                        name = mnl_attr_get_str(a);
        if (!name)
                return 0;
        if ((h->nlmsg_type & 0xff) == NFT_MSG_NEWTABLE && t->n < TABLES) {
                t->of[t->n].family = g->nfgen_family;
                snprintf(t->of[t->n++].name, sizeof(t->of[0].name), "%s", name);
        }
        for (size_t i = 0; i < t->n && (h->nlmsg_type & 0xff) == NFT_MSG_NEWRULE; i++)
                if (t->of[i].family == g->nfgen_family && !strcmp(t->of[i].name, name))
                        t->of[i].rules++;
        return 0;
}

static int ask(struct nl *nl, uint16_t what, struct tables *t)
{
        uint8_t space[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg))] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;

        h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = what;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->version = NFNETLINK_V0;
        return nl_talk(nl, h, h->nlmsg_len, what, WAIT_MS, on_message, t);
}

int main(void)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        struct tables t = {0};
        int r = nl_open(NETLINK_NETFILTER, 0, 0, &nl);

        if (r == 0)
                r = ask(nl, NFT_MSG_GETTABLE, &t);
        if (r == 0)
                r = ask(nl, NFT_MSG_GETRULE, &t);
        for (size_t i = 0; r == 0 && i < t.n; i++)
                printf("%u %s %u\n", t.of[i].family, t.of[i].name, t.of[i].rules);
        if (r < 0)
                fprintf(stderr, "tables: %s\n", err_str(r));
        return r < 0;
}
