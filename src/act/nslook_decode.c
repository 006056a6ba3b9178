/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nslook_decode - what the kernel says of a namespace, where a container may have chosen the content: addresses,
 * counts, tables and rules, one netlink message each.
 *
 * Pure: a message in (whole, as nl gives it), fields of the caller's out. Attributes of another length than they should
 * have are passed over.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>

#include "nettable-priv.h"
#include "nslook-priv.h"
#include "tidemark/compat.h"
#include "tidemark/nsworker.h"

#define LOOK_MAX 10000u /* rules; kernels before 4.7 give those of every table */

int nslook_parse_address(const struct nlmsghdr *h, void *arg)
{
        struct nsworker_answer *a = arg;
        const struct nlattr *at, *local = NULL, *address = NULL;
        uint16_t len;

        if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(struct ifaddrmsg))
                return 0;
        mnl_attr_for_each(at, h, sizeof(struct ifaddrmsg)) {
                if (mnl_attr_get_type(at) == IFA_LOCAL)
                        local = at;
                else if (mnl_attr_get_type(at) == IFA_ADDRESS)
                        address = at;
        }
        if (local) /* of a point-to-point link IFA_ADDRESS is the other end's: linux/if_addr.h */
                address = local;
        len = address ? mnl_attr_get_payload_len(address) : 0;
        if (len != 4 && len != 16)
                return 0;
        if (a->naddresses == NSWORKER_ADDRESSES)
                return -E2BIG;
        a->addresses[a->naddresses].len = (uint8_t)len;
        memcpy(a->addresses[a->naddresses++].bytes, mnl_attr_get_payload(address), len);
        return 0;
}

int nslook_parse_counts(const struct nlmsghdr *h, void *arg)
{
        struct nsworker_answer *a = arg;
        const struct nlattr *at;

        if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
                return 0;
        mnl_attr_for_each(at, h, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_payload_len(at) != sizeof(uint32_t))
                        continue;
                if (mnl_attr_get_type(at) == CTA_STATS_GLOBAL_ENTRIES)
                        a->conntrack_count = ntohl(mnl_attr_get_u32(at));
                else if (mnl_attr_get_type(at) == COMPAT_CTA_STATS_GLOBAL_MAX_ENTRIES)
                        a->conntrack_max = ntohl(mnl_attr_get_u32(at));
        }
        return 0;
}

int nettable_parse_table(const struct nlmsghdr *h, void *arg)
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
static void read_counter(const struct nlattr *exprs, struct nettable_looked *l)
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

int nettable_parse_rule(const struct nlmsghdr *h, void *arg)
{
        const struct nlattr *a, *table = NULL, *chain = NULL, *exprs = NULL;
        struct nettable_looked *l = arg;

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
