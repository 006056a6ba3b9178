/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow_source - what happens in one network namespace: conntrack's entries that begin and end, packets of the name
 * service, and changes of nftables, all by one NETLINK_NETFILTER socket, so that they come in the order in which they
 * happened. linux/netfilter/nfnetlink*.h, nf_tables.h.
 *
 * Owns:      the socket (opened in the namespace by whoever could enter it), its place in the loop, dumps under way.
 * Never:     knows containers or processes; enters a namespace.
 * Hands over: one struct flow_msg a message.
 *
 * The socket keeps its namespace alive: close the source with the namespace's last task.
 */
#ifndef TIDEMARK_FLOW_SOURCE_H
#define TIDEMARK_FLOW_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct nlmsghdr;
struct flow_source;

struct flow_address {
        uint8_t len; /* 4, 16; 0: none */
        uint8_t bytes[16];
};

/* Ports in host order; ICMP: sport is the identifier, dport type · 256 + code. */
struct flow_tuple {
        struct flow_address src, dst;
        uint8_t proto;
        uint16_t sport, dport;
};

enum flow_msg_kind {
        FLOW_MSG_OTHER, /* nothing that concerns us */
        FLOW_MSG_NEW,   /* an entry began, or (dumped) is there */
        FLOW_MSG_DESTROY,
        FLOW_MSG_PACKET,
        FLOW_MSG_REMOVED, /* a table, chain or rule of nftables is gone, new or another: table has its name */
        FLOW_MSG_RULES,   /* the transaction that did so, or did something else, is over: pid, port */
        FLOW_MSG_DUMPED,  /* the dump is over */
        FLOW_MSG_ERROR,   /* the kernel refused a request of ours: error */
};

struct flow_msg {
        enum flow_msg_kind kind;
        bool dumped; /* in answer to flow_source_dump */
        /* entries */
        struct flow_tuple orig, reply;
        uint32_t id, status; /* of linux/netfilter/nf_conntrack_common.h: IPS_* */
        uint8_t tcp_state;   /* TCP_CONNTRACK_* of nf_conntrack_tcp.h; 0: not told */
        bool counted;
        uint64_t bytes[2]; /* of orig and reply direction */
        uint64_t start_ns, stop_ns; /* wall clock; 0: not kept */
        /* packets */
        bool out;          /* of the output hook, or passing and before it is routed: it comes from its source's */
        bool passing;      /* of another namespace: before it is routed, or behind that, on its way to whom it is for */
        bool loopback;     /* received over the loopback interface */
        struct bytes payload; /* from the IP header on; borrowed */
        bool numbered;
        uint32_t seq; /* of its group's packets */
        struct bytes table; /* borrowed */
        uint32_t pid;       /* who asked for the transaction, as the host numbers it; 0: before Linux 4.15 */
        uint32_t port;      /* by which socket: mostly a pid too, but whoever opens one may choose it */
        int error;
};

/* Pure. h: one message, of a length that was looked at. dump_seq: the number of our own dump's messages, 0: none is
 * under way. 0; ERR_SCHEMA: not of that form. */
int flow_decode(const struct nlmsghdr *h, uint32_t dump_seq, struct flow_msg *ret) TM_CHECK;

/* Pure. A packet from the IP header on, as the kernel has routed by it: RFC 791, RFC 8200. 0; ERR_TRUNCATED. Of other
 * protocols than TCP and UDP, of fragments and behind extension headers protocol and ports are 0. */
int flow_ip_decode(struct bytes ip, struct flow_tuple *ret) TM_CHECK;

struct flow_source_ops {
        void (*msg)(const struct flow_msg *m, void *arg);
        /* The kernel dropped messages, since boot time since_ns at the earliest, and takes new ones again; count 0: it
         * does not say how many. packets: those of the name service. */
        void (*loss)(uint64_t count, bool packets, uint64_t since_ns, void *arg);
};
struct flow_source_stats {
        uint64_t delivered, packets, lost_packets, overruns, forged, malformed;
};

/* fd: taken over on success. */
int flow_source_open(struct loop *loop, int fd, const struct flow_source_ops *ops, void *arg,
                     struct flow_source **ret) TM_CHECK;
struct flow_source *flow_source_close(struct flow_source *s);
DEFINE_CLEANUP(struct flow_source *, flow_source_close)
/* Deliver all that is queued now (bounded at what a full receive buffer holds): before the source is closed. */
void flow_source_drain(struct flow_source *s);
/* Ask for all entries that are there: they come as dumped ones, then FLOW_MSG_DUMPED. -EBUSY: one is under way. */
int flow_source_dump(struct flow_source *s) TM_CHECK;
void flow_source_stats(const struct flow_source *s, struct flow_source_stats *ret);

#endif
