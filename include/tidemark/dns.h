/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - what the name service told a container: packets as NFLOG gave them in, TIDE_NAME events out.
 *
 * Owns:      queries that wait for their answer, pieces of TCP streams, the name servers of each container. All bounded.
 * Never:     believes a name that nobody asked for; sees a clock (events have times), a descriptor or a log.
 * Hands over: one event for each answer that can be read, with its verdict (enum tide_name_verdict).
 *
 * RFC 1035 (messages, 4.2.2: over TCP), RFC 3596 (AAAA), RFC 2308 (answers without addresses are told, with none).
 * Everything in a packet is chosen by a container or by whoever answers it: hostile.
 */
#ifndef TIDEMARK_DNS_H
#define TIDEMARK_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct dns;
struct tide_event;

struct dns_ops {
        /* A TIDE_NAME event of the packet's container and time; strings are borrowed until the call returns. */
        void (*name)(const struct tide_event *ev, void *arg);
};

int dns_new(const struct dns_ops *ops, void *arg, struct dns **ret) TM_CHECK;
struct dns *dns_free(struct dns *n);
DEFINE_CLEANUP(struct dns *, dns_free)

/* The text of a container's /etc/resolv.conf (resolv.conf(5)) as its runtime made it. Until it is told, any server that
 * was asked counts; from then on only these. At most 16 servers. */
int dns_resolvers(struct dns *n, struct bytes container, struct bytes resolv_conf) TM_CHECK;
/* Is this address (port 53) a server that the container is configured with? Not so while that is not known. */
int dns_is_resolver(const struct dns *n, struct bytes container, struct bytes address);
/* ev: TIDE_PACKET. Never an error: what cannot be read is counted. */
void dns_packet(struct dns *n, const struct tide_event *ev);
void dns_gone(struct dns *n, struct bytes container);

struct dns_stats {
        uint64_t packets, queries, answers; /* answers: told with NAME_ANSWERED */
        uint64_t unasked, foreign, malformed;
        uint64_t refused;    /* by the limits: queries and streams pushed out before they ended */
        uint64_t incomplete; /* TCP streams of which something is missing */
        size_t waiting, streams, containers;
};
void dns_stats(const struct dns *n, struct dns_stats *ret);

#endif
