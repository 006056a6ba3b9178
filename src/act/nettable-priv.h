/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nettable - the table of ours in a network namespace: what it holds (a plan, pure data), the plan as a transaction of
 * nf_tables, and the talk with the kernel that makes it stand, takes it away, or looks at it.
 *
 * Owns:      nothing: a plan is a value, the socket is the caller's.
 * Never:     drops, changes or accepts a packet for good: its verdicts are "go on" and "go back to the chain before".
 * Hands over: errors as the kernel gave them.
 *
 *   table inet tidemark-INSTANCE {
 *     chain output { type filter hook output priority -150; policy accept;
 *       ct state new counter                                     FLOWS
 *       udp dport 53 jump names                                  NAMES
 *       tcp dport 53 jump names
 *     }
 *     chain input { type filter hook input priority 300; policy accept;
 *       udp sport 53 jump names
 *       tcp sport 53 jump names
 *     }
 *     chain coming { type filter hook prerouting priority -150; policy accept;
 *       iif != lo udp dport 53 jump names                        PASSING
 *       iif != lo tcp dport 53 jump names
 *     }
 *     chain going { type filter hook postrouting priority 300; policy accept;
 *       oif != lo udp sport 53 jump names
 *       oif != lo tcp sport 53 jump names
 *     }
 *     chain names {
 *       limit rate 2000/second burst 1000 packets log group N snaplen S queue-threshold 1 return
 *       counter
 *     }
 *   }
 *
 * ct: that a rule asks for a packet's state is what switches conntrack on in a namespace (nft_ct.c: nft_ct_get_init),
 * in both directions; the rule counts what the namespace began. Priorities (linux/netfilter_ipv4.h): behind conntrack
 * (-200), which also joins fragments, and before the nat of Docker's embedded name server (127.0.0.11, -100); input
 * behind the nat of its answers (100). What others send through the host's namespace is seen as they see it: before a
 * query's destination is rewritten (-100: the address of a service, a resolver on another port), and behind the
 * answer's way back (100); so also what the host itself is asked, and answers. By its loopback interface it asks
 * itself.
 *
 * TCP: every segment. Those that open a connection say where its bytes begin: without, nobody could tell where a
 * message does. nf_tables cannot tell a segment with payload from a bare acknowledgement (it would take arithmetic on
 * two header lengths), and the push flag is not on each piece of a long answer; so the reader passes over these.
 */
#ifndef TIDEMARK_ACT_NETTABLE_PRIV_H
#define TIDEMARK_ACT_NETTABLE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"

struct nl;
struct nlmsghdr;

#define NETTABLE_NAME 32u /* with the NUL: the most that 3.10 takes (NFT_TABLE_MAXNAMELEN) */
#define NETTABLE_RULES 11u /* all parts together */
#define NETTABLE_RATE 2000u /* packets of the name service a second, and how many at once beyond that */
#define NETTABLE_BURST 1000u

enum nettable_part { NETTABLE_FLOWS = 1u << 0, NETTABLE_NAMES = 1u << 1, NETTABLE_PASSING = 1u << 2 };

#define NETTABLE_CHAIN_NAMES "names"
enum nettable_chain {
        NETTABLE_OUTPUT,
        NETTABLE_INPUT,
        NETTABLE_COMING,
        NETTABLE_GOING,
        NETTABLE_LOGGED,
        NETTABLE__CHAINS
};

/* What a rule looks for, and what it does; in this order it becomes expressions. */
enum nettable_act {
        NETTABLE_COUNT_NEW,  /* connections that begin */
        NETTABLE_GO_NAMES,   /* of the name service: on to NETTABLE_LOGGED */
        NETTABLE_LOG,        /* up to the rate: to the group, and back */
        NETTABLE_COUNT_REST,  /* what was too much */
};
struct nettable_rule {
        uint8_t chain; /* enum nettable_chain */
        uint8_t act;
        uint8_t proto;   /* GO_NAMES: IPPROTO_UDP or _TCP */
        bool by_source;  /* GO_NAMES: port 53 is the sender's */
};
struct nettable_plan {
        char name[NETTABLE_NAME];
        uint16_t group;
        uint32_t snaplen;
        bool chains[NETTABLE__CHAINS];
        uint32_t nrules;
        struct nettable_rule rules[NETTABLE_RULES];
};

/* The table's name. -EINVAL: the instance is empty, too long, or has other bytes than letters, digits and -. Pure. */
int nettable_name(const char *instance, char ret[NETTABLE_NAME]) TM_CHECK;
/* parts: enum nettable_part, at least one. -EINVAL: none, NAMES without a group, or as nettable_name. Pure. */
int nettable_plan(const char *instance, uint32_t parts, uint16_t group, uint32_t snaplen,
                  struct nettable_plan *ret) TM_CHECK;

/*
 * One transaction: NFNL_MSG_BATCH_BEGIN, messages, NFNL_MSG_BATCH_END (linux/netfilter/nfnetlink.h). The last message
 * before the end wants an acknowledgement, its number is *ret_last. size: NETTABLE_BATCH. Length, or -ENOMEM. Pure.
 *   FRESH   the table and what it holds; refused with EEXIST if one stands
 *   ANEW    whatever stands is gone, and the plan stands: no packet meets neither or both
 *   GONE    it is taken away; refused with ENOENT if none stands. Only the plan's name is used.
 */
enum nettable_how { NETTABLE_FRESH, NETTABLE_ANEW, NETTABLE_GONE };
#define NETTABLE_BATCH (16u * 1024)
struct nfbatch;
/* The table's own messages for that, whatever table it is; what it holds comes behind. */
void nettable_put_how(struct nfbatch *b, enum nettable_how how);
ssize_t nettable_batch(const struct nettable_plan *p, enum nettable_how how, void *out, size_t size,
                       uint32_t *ret_last) TM_CHECK;

/* nl: NETLINK_NETFILTER in the namespace that is meant, with nothing under way. The calls wait, timeout_ms at most. */
int nettable_make(struct nl *nl, const struct nettable_plan *p, int timeout_ms, bool *ret_stood) TM_CHECK;
/* 0 also when none stood. */
int nettable_remove(struct nl *nl, const char *name, int timeout_ms) TM_CHECK;
/* 1: a table of that name stands and is not dormant; 0: none. */
int nettable_stands(struct nl *nl, const char *name, int timeout_ms) TM_CHECK;
/*
 * How many rules the table of that name has, and how many packets its limit kept from the log since it was made (0
 * where it has no such rule). -E2BIG: the namespace has more rules than anybody reads for that; close the socket then,
 * as after any error: the rest of the answer still comes.
 */
int nettable_look(struct nl *nl, const char *name, int timeout_ms, uint32_t *ret_rules, uint64_t *ret_over) TM_CHECK;

/* What nettable_stands and nettable_look make of one message of the answer. 0, or -E2BIG. Pure. */
struct nettable_looked {
        const char *name; /* of the table that is looked for */
        uint32_t messages, rules;
        uint64_t over;
};
int nettable_parse_table(const struct nlmsghdr *h, void *dormant); /* bool: set if the table has flags */
int nettable_parse_rule(const struct nlmsghdr *h, void *looked);

#endif
