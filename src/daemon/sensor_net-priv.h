/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sensor_net-priv - the network namespaces that are watched: what sensor_net.c (which are watched, and until when),
 * sensor_nettable.c (our table in them), sensor_flows.c (what happens in them) and sensor_listen.c (what waits in them,
 * and what was there before) share.
 */
#ifndef TIDEMARK_DAEMON_SENSOR_NET_PRIV_H
#define TIDEMARK_DAEMON_SENSOR_NET_PRIV_H

#include "daemon/sensor-priv.h"
#include "tidemark/diag_source.h"
#include "tidemark/flow_source.h"
#include "tidemark/nsworker.h"
#include "tidemark/rate.h"
#include "tidemark/seen.h"
#include "tidemark/sockets.h"

#define NET_BOUND 256u     /* UDP ports that were in use when the watching began */
#define NET_EPHEMERAL 32768u /* net.ipv4.ip_local_port_range begins there: a datagram's socket above is a client's */
#define NET_PEERS 8192u    /* who has sent datagrams to ports that wait for them, of one namespace */
#define NET_KNOWN 131072u  /* tuples remembered of one namespace: half of what conntrack holds by default */
#define NET_LISTENERS 256u /* sockets that wait, of one namespace */

enum net_state {
        NET_ASKED,     /* the worker is on its way */
        NET_WATCHED,
        NET_REFUSED,   /* it could not be watched: said, and tried again on the slow round */
        NET_WITHDRAWN, /* the guard has taken the table away: tried again on the slow round */
        NET_LEFT,      /* its last task is gone, or it is not to be watched: freed when the worker has answered */
};

struct net_listener {
        struct flow_address address;
        uint16_t port;
        uint8_t proto;
        bool seen; /* by the look that is under way */
};

struct net {
        struct net *next;
        struct sensor *s; /* the sources know the namespace alone */
        uint64_t ns, token;
        enum net_state state;
        enum net_scope scope;
        bool host;  /* the host's own namespace */
        bool asked; /* an answer of the worker is still to come; then is wanted: */
        bool make_wanted, look_wanted, away_wanted;
        bool rules_gone; /* of our table, by the transaction that is being told */
        uint32_t rules;  /* that our table had when it was made */
        /* What is due when, 0: nothing. The table is taken away all the time: not made anew before; it could not be
         * watched, or was withdrawn; it could not be taken away. */
        uint64_t remake_due_ns, retry_due_ns, away_due_ns;
        bool away_failed; /* that was said */
        int fd;     /* of the namespace; kept as long as its sockets are, which keep it alive as well. -1: closed */
        struct flow_source *flows; /* NULL: not watched */
        struct diag_source *diag;
        struct flow_address addresses[NSWORKER_ADDRESSES];
        uint32_t naddresses;
        uint64_t looked_ns;   /* when the addresses were asked for last, because of one that is not known … */
        uint64_t look_gap_ns; /* … and not again before so long: longer each time that brings none */
        uint64_t max;       /* conntrack's table: most entries; 0: not known */
        uint64_t entries;   /* that are in it, as the stream has it */
        uint64_t dumped;    /* entries told by the dump under way */
        bool dump_again;
        bool untold; /* the pair has refused flows: they are to be told by a dump */
        uint64_t watched_ns; /* since when; 0: not yet */
        struct seen *known;  /* tuples that were told or passed over, so that a dump tells none twice */
        struct seen *peers[2]; /* of datagrams from outside: port, and who sent them; the latest, and those before */
        struct seen *fresh;  /* those of the dump under way: what it does not tell has ended */
        uint16_t bound[NET_BOUND];
        uint32_t nbound;
        struct net_listener listeners[NET_LISTENERS];
        uint32_t nlisteners;
        uint64_t listen_due_ns, listened_ns; /* the next look, 0: none is wanted; the last */
        bool listen_anew; /* the next is the slow round's */
        struct rate inbound_rate, packet_rate, remake_rate, guard_rate;
        struct rate thick_rate;    /* packets of the name service: above it the table may keep some from us */
        uint64_t over;             /* how many it has kept from us, by the last look */
        uint64_t over_due_ns;      /* the next look at that; 0: none is wanted */
        uint64_t over_since_ns;    /* since when it may have kept some that are not counted yet */
        uint16_t group;   /* of NFLOG, that the socket is bound to */
        uint64_t removed; /* how often something took the table away */
};

struct nets_stats {
        uint64_t outbound, inbound, inbound_passed, loopback, local, forwarded, resumed, ended;
        uint64_t named, unnamed, shared; /* outbound: with a process; without; without, in a shared namespace */
        uint64_t host_own;               /* in the host's namespace and of none of its containers */
        uint64_t found, listeners, packets, packets_passed;
        uint64_t packets_host; /* of packets: queries in the host's namespace, and of none of its containers */
        uint64_t dumps, overruns, withdrawn, refused, removed, untold;
        uint64_t forged, malformed; /* messages that were no kernel's, or not as the kernel makes them */
};

struct nets {
        struct nsworker *worker;
        struct sockets *sockets;
        struct net *first;
        size_t count;
        uint64_t last_token, own_ns;
        size_t known; /* tuples, of all */
        struct loop_timer *timer;
        struct nets_stats stats;
        char instance[CFG_INSTANCE];
        enum net_scope scope;
        bool ending;
        bool tried, trying; /* what conntrack in one namespace does to the others: asked; being asked */
};

/* The containers that live in it, oldest first: at most max. Returns how many there are. */
size_t net_containers(const struct sensor *s, const struct net *n, struct container **to, size_t max);
/* The same; where none lives any more, those that did a moment ago. */
size_t net_owners(const struct sensor *s, const struct net *n, struct container **to, size_t max);
bool net_is_local(const struct net *n, const struct flow_address *a);
/* Of what was there when the watching began: EVF_BEFORE of a container (NULL: of whoever lives there) that ran before
 * us, else EVF_GAP. */
uint32_t net_before(const struct sensor *s, const struct net *n, const struct container *c);
/* All that was counted, of namespaces that are there and of those that were. */
void net_stats(const struct nets *nets, struct nets_stats *ret);

/* sensor_net.c */
/* It is watched now, or no longer: whose flows these are is told anew. */
void net_changed(struct sensor *s, const struct net *n);
/* Conntrack is on in every namespace, now that it is loaded: from here on all is watched in the host's. */
void net_turn_to_host(struct sensor *s);
/* The one that is watched, or will be. */
struct net *net_by_ns(const struct nets *nets, uint64_t ns);
/* By whose conntrack it is told what happens in it: with scope host the host's. */
struct net *net_stream(const struct sensor *s, struct net *n);
void net_close_sources(struct net *n);
void net_forget(struct nets *nets, struct net *gone);
/* This shall be done so much later, if it is not done before; *due is a member of some n. */
void net_due(struct sensor *s, uint64_t *due, uint64_t delay_ns);
/* Is it time? Then it is no longer due. */
bool net_was_due(uint64_t *due, uint64_t now);
/* The look at listening sockets is wanted soon. */
void net_listen_later(struct sensor *s, struct net *n, uint64_t delay_ns);

/* sensor_nettable.c */
/* Namespaces in which our table stands now, or is about to. */
size_t net_tables(const struct nets *nets);
void net_table_init(struct net *n);
/* What is asked of the worker for it: enum nsworker_flag. */
uint32_t net_flags(const struct net *n);
/* Our table shall stand as it is wanted now; be looked at; be taken away. */
void net_make(struct sensor *s, struct net *n);
void net_look(struct sensor *s, struct net *n);
void net_take_away(struct sensor *s, struct net *n);
/* Packets come thick: soon look how many the table has kept from us. */
void net_count_later(struct sensor *s, struct net *n);
/* Our table, or some of it, was taken away by process pid (0: not known): make it anew. */
void net_removed(struct sensor *s, struct net *n, uint32_t pid);
/* Is so much of conntrack's table in use that ours must go, as far as the stream tells? */
bool net_is_filling(const struct sensor *s, const struct net *n);
void net_on_answer(struct nsworker_answer *a, void *arg);
void net_table_due(struct sensor *s, struct net *n, uint64_t now);

/* sensor_flows.c */
/* Ask for what is there; one at a time. */
void net_dump(struct sensor *s, struct net *n);
extern const struct flow_source_ops net_flow_ops;
/* Who opened it, by its socket; false: not known. The actor's strings are in s->lineage and proctab's until the next
 * question. */
bool net_actor(struct sensor *s, struct net *n, const struct flow_tuple *t, bool listening, struct tide_actor *ret,
               struct container **ret_c);
bool net_actor_of_inode(struct sensor *s, struct net *n, uint32_t inode, struct tide_actor *ret,
                        struct container **ret_c);
/* Tell it, of c, or of whoever the namespace belongs to. */
void net_tell(struct sensor *s, struct net *n, struct tide_event *ev, struct container *c);
struct bytes net_tuple_key(const struct flow_tuple *t, uint8_t dst[40]);
bool net_is_loopback(const struct flow_tuple *t);

/* sensor_packets.c */
/* What is told of it beside its bytes. False: it concerns no container. */
bool net_packet_flags(struct sensor *s, struct net *n, const struct flow_msg *m, uint8_t *ret);

/* sensor_listen.c */
/* What is there when the watching begins. */
void net_begin(struct sensor *s, struct net *n);
/* What was opened while nothing was watched, or nobody was told. */
void net_catch_up(struct sensor *s, struct net *n);
/* anew: what was there before is told again. */
void net_listen(struct sensor *s, struct net *n, bool anew);
/* Somebody calls this address and port of the namespace: does a socket wait there that is not known yet? */
void net_called(struct sensor *s, struct net *n, const struct flow_tuple *t);
/* Does a socket wait at t's source? */
bool net_listens_on(const struct net *n, const struct flow_tuple *t);
/* A connection that was begun from here before anybody saw it: told as found, if it was not yet. */
void net_found(struct sensor *s, struct net *n, const struct diag_sock *d);

#endif
