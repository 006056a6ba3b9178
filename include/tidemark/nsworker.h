/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nsworker - the helper that enters network namespaces, so that the sensor never does: it makes our table stand there,
 * opens the sockets by which the sensor then listens, and takes the table away again.
 *
 * Owns:      the helper process, its requests and their deadline.
 * Never:     waits in the sensor: every answer comes by a call later. The helper may wait.
 * Hands over: descriptors, as they are opened, to whoever asked; they belong to the namespace that was asked for, and
 *            keep it alive until they are closed (netlink sockets do): close them with the last task of it.
 *
 * One request after the other, in the order in which they were made. A helper that does not answer in time is replaced,
 * and its request answered -ETIMEDOUT; what waited behind that is asked of the next helper. So is, once, what a helper
 * had that died. A namespace's descriptor is kept until its request is answered, and no longer.
 *
 * The table, family inet, is named tidemark-INSTANCE; it has no verdict but to go on. What the events' socket tells of
 * its own making: nothing when it is first made (it subscribes to nftables' changes last, and looks again). When it is
 * made anew where it stood (re-asserted after a rule of it was deleted) NFT_MSG_DELTABLE and NFT_MSG_NEWTABLE of its
 * name come in one transaction, which NFT_MSG_NEWGEN ends; NFTA_GEN_PROC_PID there is nsworker_pid() (3.10 has none).
 * What counts is what is there when the transaction ends; a table can also be made dormant (NFT_MSG_NEWTABLE with its
 * flags) or lose rules. Whoever has CAP_NET_ADMIN there can own the name (NFT_TABLE_F_OWNER): then -EPERM is answered.
 */
#ifndef TIDEMARK_NSWORKER_H
#define TIDEMARK_NSWORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct nsworker;
struct loop;

#define NSWORKER_WAITING 1024u      /* requests, each with a descriptor of its namespace; more are refused */
#define NSWORKER_ADDRESSES 64u      /* told of one namespace at most: the first */
#define NSWORKER_SNAPLEN (16u * 1024) /* bytes of a packet that NFLOG hands over, from its IP header on */

/*
 * What a request asks for. FLOWS and NAMES: the table shall stand with just these, whatever stood before; the exchange
 * is one transaction, so nothing is missed between. Neither: it is left as it is, and looked at.
 */
enum nsworker_flag {
        NSW_FLOWS = 1u << 0,     /* the table switches conntrack on */
        NSW_NAMES = 1u << 1,     /* and logs queries and answers of the name service */
        NSW_LISTEN = 1u << 2,    /* open the sockets, and subscribe the first before the table is made */
        NSW_TAKE_AWAY = 1u << 3, /* the table is taken away, if it is there, and nothing else is done */
        NSW_PASSING = 1u << 4,   /* with NAMES: those of packets that others send through it or to it, as well */
        NSW_TRY = 1u << 5,       /* when that is done: is conntrack on where nobody asked for it? nstry.h */
};

struct nsworker_answer {
        uint64_t token;
        int error;      /* 0, or why the table does not stand (taken away: is there still), or no sockets are had */
        uint32_t flags; /* of the request */
        uint64_t netns; /* inode number of the namespace that was entered; 0: not entered */
        bool stands;    /* a table of our name stands and works (is not dormant), made by whom it may */
        uint32_t rules; /* it has so many; fewer or more than when it was made: somebody changed it */
        bool adopted;   /* it stood already: of an earlier life of ours, or changed by somebody: made anew */
        bool made;      /* it was made, or made anew */
        uint16_t group; /* NFLOG group that the events' socket is bound to (or that the request named); 0: none */
        /*
         * NETLINK_NETFILTER, subscribed to conntrack's new and destroyed entries and to changes of nftables, bound to
         * the NFLOG group; NETLINK_SOCK_DIAG. -1: not asked for, or not had. Taken with TAKE_FD, else closed.
         */
        int events, diag;
        struct {
                uint8_t len; /* 4 or 16 */
                uint8_t bytes[16];
        } addresses[NSWORKER_ADDRESSES]; /* of its interfaces, loopback's included */
        uint32_t naddresses;
        uint64_t conntrack_max, conntrack_count; /* the most that the namespace may have, and has; max 0: not known */
        int everywhere; /* with TRY: as nstry_everywhere(); else 0 */
        uint64_t names_over; /* packets of the name service that the table's limit kept from us since it was made */
};

struct nsworker_ops {
        void (*answer)(struct nsworker_answer *a, void *arg);
};

struct nsworker_setup {
        const char *instance; /* of the table's name: letters, digits and -, at most 22 bytes: 3.10 takes no more */
        uint16_t group;       /* NFLOG group to begin with; a few after it are tried where another program has it */
        int rcvbuf;           /* of the events' socket, bytes */
        uint64_t deadline_ns; /* for one request, from when the helper is given it */
        int (*confine)(void); /* in the helper: caps_reduce(caps_enterer()). NULL: it keeps what the sensor has */
};

int nsworker_start(struct loop *loop, const struct nsworker_setup *setup, const struct nsworker_ops *ops, void *arg,
                   struct nsworker **ret) TM_CHECK;
/*
 * ns: a descriptor of a network namespace (/proc/PID/ns/net); the caller keeps its own. flags: enum nsworker_flag.
 * group: where the table shall log to when no socket is opened: of the answer that brought the socket that listens
 * there; 0 with NSW_LISTEN. -ENOBUFS: too many requests wait. -EINVAL: NSW_NAMES with neither socket nor group.
 */
int nsworker_ask(struct nsworker *w, uint64_t token, int ns, uint32_t flags, uint16_t group) TM_CHECK;
/*
 * Waits until all that was asked is done; answers come meanwhile. One that hangs costs its deadline, all of them at
 * most NSWORKER_FINISH deadlines: what is left then is answered -ETIMEDOUT. Taking a table away takes the kernel some
 * 10 ms (it waits until no processor uses it any more), making one anew as long, making a first one 0.2 ms.
 */
#define NSWORKER_FINISH 8u
void nsworker_finish(struct nsworker *w);
struct nsworker *nsworker_stop(struct nsworker *w);
DEFINE_CLEANUP(struct nsworker *, nsworker_stop)
/* 0: none runs. */
pid_t nsworker_pid(const struct nsworker *w);

struct nsworker_stats {
        uint64_t asked, failed, replaced, refused;
};
void nsworker_stats(const struct nsworker *w, struct nsworker_stats *ret);

#endif
