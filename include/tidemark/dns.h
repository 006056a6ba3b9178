/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - what the name service told a container: packets as NFLOG gave them in, TIDE_NAME events out.
 *
 * Owns:      queries that wait for their answer, pieces of TCP streams, the name servers of each container: bounded.
 * Never:     believes a name that nobody asked for; sees a clock (events have times), a descriptor or a log.
 * Hands over: one event for each answer that can be read, with its verdict (enum tide_name_verdict).
 *
 * RFC 1035 (messages, 4.2.2: over TCP), RFC 3596 (AAAA), RFC 2308 (answers without addresses are told, with none).
 * Everything in a packet is chosen by a container or by whoever answers it: hostile.
 *
 * A query is what a namespace sends to port 53, an answer what it receives from there; the other two directions (it
 * serves names itself) are passed over. An answer belongs to a query if protocol, both addresses and ports, id and
 * question (name without regard to case, type, class) are the same, in the same namespace, and the query is not older
 * than 30 seconds. As many answers are taken as the query was sent, the first ones (8 at most). A further one is passed
 * over if all lead to the same addresses (the network repeats, a resolver asks again); if not, it is unasked, and those
 * that were taken before are taken back, since nobody can tell which one is the server's. Answers of other servers, as
 * where several are asked at once, are answers to other queries.
 *
 * An answer that comes by the loopback interface is unasked, unless its server is there: at a loopback address, or at
 * one of the namespace's own. A container that may send raw packets can make any other one itself.
 *
 * In the host's namespace (PACKETF_HOST) only the queries of containers are known: what answers none of them is
 * nobody's business here, and not forged. A query of which nobody could see whose it was is answered NAME_UNOWNED.
 *
 * An answer whose query may have been sent unseen is not told at all: in the first 5 seconds of a container (so long a
 * resolver waits: resolv.conf(5)), and for 30 seconds after packets were lost or its queries were pushed out.
 *
 * Addresses count whose owner is the question, or the end of the chain of CNAMEs that leads from it, whatever the order
 * of the records; of the type that was asked for. IPv4 addresses mapped into IPv6 (RFC 4291 2.5.5.2) are IPv4
 * everywhere. Additional records and those of other types are passed over.
 */
#ifndef TIDEMARK_DNS_H
#define TIDEMARK_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct dns;
struct tide_event;

struct dns_ops {
        /*
         * A TIDE_NAME event of the packet's container, namespace and time; strings are borrowed until the call returns.
         * Not to call back into dns. The root is ".". reason is for all verdicts but NAME_ANSWERED. An answer that is
         * unasked or foreign has its addresses too: they are what somebody wanted to be believed. A malformed one has
         * none; its question is empty if that could not be read either. A doubted one has its question alone, and the
         * time of the answer that is taken back. Of unasked and malformed ones at most 32 are told in 10 seconds for
         * one container, the others are counted (untold).
         */
        void (*name)(const struct tide_event *ev, void *arg);
};

int dns_new(const struct dns_ops *ops, void *arg, struct dns **ret) TM_CHECK;
struct dns *dns_free(struct dns *n);
DEFINE_CLEANUP(struct dns *, dns_free)

/*
 * The servers of a container as lines of resolv.conf(5), in place of what was told before. Until they are told any
 * server that was asked counts; from then on only these. At most 32, of the first 64 KiB; with none in it, it is the
 * local machine: 127.0.0.1 and ::1. Containers that share a network namespace send under the id of its owner, so that
 * each must have the servers of all (resolvers.h). 0, -ENOMEM, ERR_LIMIT (too many containers).
 */
int dns_resolvers(struct dns *n, struct bytes container, struct bytes resolv_conf) TM_CHECK;
/* They are not known any more: any counts. */
void dns_any_server(struct dns *n, struct bytes container);
/* Is this address (port 53) a server that the container is configured with? Not so while that is not known. */
bool dns_is_resolver(const struct dns *n, struct bytes container, struct bytes address);
/* ev: TIDE_PACKET. Never an error: what cannot be read is counted. EVF_LOSS_NEAR: others of its namespace were lost. */
void dns_packet(struct dns *n, const struct tide_event *ev);
/* Packets were lost at about this time, of whichever container. */
void dns_lost(struct dns *n, uint64_t boot_ns);
void dns_gone(struct dns *n, struct bytes container);

struct dns_stats {
        uint64_t packets;
        uint64_t queries, answers; /* answers: told with NAME_ANSWERED */
        uint64_t unasked, foreign, malformed; /* malformed: queries too, which are not told */
        uint64_t untold;     /* unasked and malformed answers beyond what is told of one container */
        uint64_t doubted;    /* answers taken back */
        uint64_t unowned;    /* told with NAME_UNOWNED */
        uint64_t others;     /* of the host's namespace, and to nobody whose queries are told */
        uint64_t repeated;   /* answers that came again, the same */
        uint64_t unsure;     /* answers to what may have been asked unseen */
        uint64_t cut;        /* answers of which not all addresses were taken: more than 512, or 1024 records */
        uint64_t refused;    /* by the limits: queries that waited and streams pushed out, containers not taken */
        uint64_t incomplete; /* packets and TCP streams of which something is missing */
        size_t waiting, streams, containers;
};
void dns_stats(const struct dns *n, struct dns_stats *ret);

#endif
