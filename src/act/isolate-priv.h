/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate-priv - the tables that cut a container off: what they hold (a plan, pure data), the plan as a transaction,
 * and what was read back told from what was made.
 *
 *   table inet tidemark-ID-INSTANCE {                        inside; chains of the same rules are written once here
 *     chain prerouting, input { priority -350; policy drop;
 *       iif lo accept
 *       jump coming
 *       counter drop }
 *     chain output, postrouting { priority -350; policy drop;
 *       ip daddr 127.0.0.11 counter drop       Docker's name server in there asks the world for the container
 *       oif lo accept
 *       jump going
 *       counter drop }
 *     chain coming {
 *       ip saddr 192.0.2.7 tcp sport 22 accept              what is allowed
 *       icmpv6 … accept                                     its neighbours, where an IPv6 address is allowed
 *       ip saddr 172.17.0.1 jump probes }                   keep-probes: the host's addresses
 *     chain probes { tcp dport 8080 accept }                the listening ports
 *     chain going, answers: the same the other way; answers pass no segment that only begins a connection
 *   }
 *   table netdev tidemark-ID-INSTANCE {                      on a device: from0 and to0, as seen from the container
 *     chain from0 { type filter hook ingress device veth1 priority -350; policy drop; jump going; counter drop }
 *     chain to0 { type filter hook egress device veth1 …; jump coming; counter drop }
 *     … and in coming and going: arp, of addresses that are allowed and of the gateways to them
 *   }
 *   table inet tidemark-ID-INSTANCE {                        by cgroup, in the host's namespace
 *     chain output { priority -350; policy accept; socket cgroupv2 level 2 ID jump out }
 *     chain out { oif lo accept; jump going; counter drop }
 *     chain input, in: the same
 *   }
 *
 * Priority: behind defragmentation (-400), which conntrack brings, and before all else of linux/netfilter_ipv4.h.
 * A device has no defragmentation: a fragment without its ports passes no rule that has some.
 */
#ifndef TIDEMARK_ACT_ISOLATE_PRIV_H
#define TIDEMARK_ACT_ISOLATE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nettable-priv.h"
#include "tidemark/attr.h"
#include "tidemark/isolate.h"

struct nl;
struct nlmsghdr;

#define ISOLATE_PRIO (-350)
#define ISOLATE_NEAR 24u  /* gateways, and addresses of the host */
#define ISOLATE_BATCH (256u * 1024)
#define ISOLATE_CHAINS 24u

enum isolate_place { ISOLATE_PLACE_INSIDE, ISOLATE_PLACE_DEVICES, ISOLATE_PLACE_CGROUP };

struct isolate_address {
        uint8_t len; /* 4 or 16 */
        uint8_t bytes[16];
};

struct isolate_hooked {
        char device[16];
        bool inward;         /* it is the container's own: what it gets comes in by ingress */
        bool ingress, egress;
};

struct isolate_plan {
        uint8_t place;
        char name[NETTABLE_NAME]; /* of the table */
        char comment[128];        /* for whoever lists the rules */
        uint32_t nnets;
        struct isolate_net nets[ISOLATE_NETS];
        uint32_t nnear; /* gateways: found by ARP and ND alone */
        struct isolate_address near[ISOLATE_NEAR];
        uint32_t nhosts, nports; /* keep-probes: both, or neither */
        struct isolate_address hosts[ISOLATE_NEAR];
        uint16_t ports[ISOLATE_PORTS];
        uint32_t nhooked; /* of ISOLATE_PLACE_DEVICES */
        struct isolate_hooked hooked[ISOLATE_DEVICES];
        uint64_t cgroup; /* of ISOLATE_PLACE_CGROUP: inode of its directory, and how deep it lies (1: below the root) */
        uint32_t level;
};

/* name and comment. -EINVAL: the id has fewer than 12 hexadecimal digits, or instance other bytes than digits. Pure. */
int isolate_plan_name(struct isolate_plan *p, const char *id, const char *instance) TM_CHECK;
/* As nettable_batch(). out: ISOLATE_BATCH. Pure. */
ssize_t isolate_batch(const struct isolate_plan *p, enum nettable_how how, void *out, size_t size,
                      uint32_t *ret_last) TM_CHECK;
/* Family of the table: NFPROTO_INET or NFPROTO_NETDEV. */
uint8_t isolate_family(const struct isolate_plan *p);

/* ---- what stands ---- */

/* Of one table: chains and rules, in the order in which the kernel, or a batch, has them; what they count aside. */
struct isolate_print {
        const char *name; /* of the table; family: the messages' */
        uint8_t family;
        uint32_t messages, rules, nchains;
        struct {
                char name[32];
                uint64_t print, dropped;
        } chains[ISOLATE_CHAINS];
        bool odd; /* more chains than we make, or a message that cannot be read */
        uint64_t dropped; /* packets, by rules that count and drop */
};
/* NFT_MSG_NEWCHAIN and NFT_MSG_NEWRULE; others are passed over. 0, or -E2BIG. Pure. */
int isolate_print_message(const struct nlmsghdr *h, void *print);
/* Of what a batch would make. 0 or -ENOMEM. Pure. */
int isolate_print_plan(const struct isolate_plan *p, struct isolate_print *ret) TM_CHECK;
/* One number for all of it; 0: odd. */
uint64_t isolate_print_sum(const struct isolate_print *p);

/* ---- the table and the kernel: nl is a NETLINK_NETFILTER socket in the namespace; all may wait ---- */

#define ISOLATE_TALK_MS 1000
/* Whatever stood of that name, the plan stands then: one transaction. *ret_stood: something did. */
int isolate_make(struct nl *nl, const struct isolate_plan *p, bool *ret_stood) TM_CHECK;
/* 1; 0: none stood, or the kernel has no such family. */
int isolate_remove(struct nl *nl, uint8_t family, const char *name) TM_CHECK;
/* What stands of that name. -ENOENT: none; -ENOLINK: it is dormant. */
int isolate_read(struct nl *nl, uint8_t family, const char *name, struct isolate_print *ret) TM_CHECK;

/* ---- what a namespace has ---- */

struct isolate_link {
        char name[16], kind[16];
        uint32_t ifindex, link, master, flags;
        int32_t nsid; /* of the namespace that the other end is in; -1: not told */
};
struct isolate_links {
        uint32_t n;
        bool more;      /* than there is room for */
        uint32_t first; /* given: 1 + nsid of the host; pairs with it come first, and have room before others */
        uint32_t nfirst;
        struct isolate_link of[ISOLATE_DEVICES + 1];
};
struct isolate_addresses {
        uint32_t n;
        bool more;
        struct isolate_address of[ISOLATE_NEAR];
};
struct isolate_ports {
        uint32_t n;
        bool more;
        uint16_t of[ISOLATE_PORTS];
};

/* One message each; others, and attributes of odd lengths, are passed over. 0. Pure: isolate_decode.c. */
int isolate_parse_link(const struct nlmsghdr *h, void *links);         /* RTM_NEWLINK */
int isolate_parse_address(const struct nlmsghdr *h, void *addresses);  /* RTM_NEWADDR; not of loopback or one link */
int isolate_parse_gateway(const struct nlmsghdr *h, void *addresses);  /* RTM_NEWROUTE */
int isolate_parse_nsid(const struct nlmsghdr *h, void *nsid);          /* RTM_NEWNSID; an int32_t */
int isolate_parse_listener(const struct nlmsghdr *h, void *ports);     /* inet_diag */
/* The part of /proc/PID/cgroup's path up to the component that has the id; controller "": that of version 2. *ret is
 * borrowed from text. -ENOENT: none, or one with ".." in it. Pure. */
int isolate_parse_cgroup(struct bytes text, const char *controller, const char *id, struct bytes *ret) TM_CHECK;
/* The first id (64 hexadecimal digits) of any line. -ENOENT. Pure. */
int isolate_parse_id(struct bytes text, char ret[ISOLATE_ID]) TM_CHECK;
/* "CapEff:\t…" of /proc/PID/status. 0 if there is none. Pure. */
uint64_t isolate_parse_caps(struct bytes text, const char *name);

/* In the namespace that this process is in; all may wait. */
/* ifindex 0: all; first: as there. */
int isolate_links(uint32_t ifindex, uint32_t first, struct isolate_links *ret) TM_CHECK;
void isolate_host_addresses(struct isolate_addresses *ret);
void isolate_gateways(struct isolate_addresses *ret);
void isolate_listeners(struct isolate_ports *ret);
/* The number that the namespace of a descriptor has in this one; -1: none, or not told. */
int32_t isolate_nsid(int ns);
/* Conntrack, where it is loaded: everything of the namespace; or what is from or to one of these addresses, until the
 * deadline. How many; *ret_left: there may be more. */
uint32_t isolate_flush_flows(void);
uint32_t isolate_end_flows(const struct isolate_addresses *of, uint64_t deadline_ns, bool *ret_left);
/* TCP connections beyond loopback are aborted. How many, or -EOPNOTSUPP. */
int isolate_end_sockets(void);
/* A datagram for nobody by that device; 0: by loopback, to Docker's name server. */
void isolate_probe(uint32_t ifindex);

/* ---- processes and cgroups: isolate_tasks.c, isolate_cgroup.c ---- */

/* Start of a process (field 22 of its stat), or negative: -ESRCH. */
int64_t isolate_start_of(uint32_t pid);
/* Who else is in the namespace a->netns: fills mates and other_tasks. */
void isolate_look_at_mates(struct isolate_answer *a, const char *id);
/* One of its tasks: what it may, to facts; one more of them. owner: inode of the user namespace that the network
 * namespace belongs to; 0: not told. */
void isolate_look_at_own(struct isolate_answer *a, uint32_t pid, uint64_t owner);
/* A descriptor of the network namespace with this inode, or of the one that has this number in the namespace that this
 * process is in (inode 0): of any process, or below /run/netns and /run/docker/netns. -ENOENT. */
int isolate_find_namespace(uint64_t ino, int32_t nsid) TM_CHECK;

struct isolate_cgroups {
        int v1, v2;       /* the container's directories: of the freezer, and of version 2; -1: none */
        uint64_t id;      /* of v2: what `socket cgroupv2` compares */
        uint32_t level;
};
/* By pid, else by path, if that is not ""; only where the path has the id in it. -ENOENT: neither. */
int isolate_cgroups_open(const char *id, uint32_t pid, const char *path, struct isolate_cgroups *ret) TM_CHECK;
void isolate_cgroups_close(struct isolate_cgroups *c);
/* Each of its tasks, also of cgroups below. How many. */
uint32_t isolate_cgroups_each(const struct isolate_cgroups *c, void (*cb)(uint32_t pid, void *arg), void *arg);
/* This process becomes one of it (version 2). */
int isolate_cgroups_join(const struct isolate_cgroups *c) TM_CHECK;
/* enum isolate_fact: what these can. */
uint32_t isolate_cgroups_facts(const struct isolate_cgroups *c);
/* Until the kernel says that it is so. -ETIMEDOUT, -EOPNOTSUPP, … */
int isolate_freeze(const struct isolate_cgroups *c, bool frozen, uint64_t deadline_ns) TM_CHECK;
/* Until it is empty. *ret_tasks: that were there; 0, or -ETIMEDOUT: some are left. */
int isolate_kill(const struct isolate_cgroups *c, const char *id, uint64_t deadline_ns, uint32_t *ret_tasks) TM_CHECK;

/* ---- between the sensor and its helpers: of one binary, so plain structs ---- */

enum isolate_print_of {
        ISOLATE_OF_INSIDE,
        ISOLATE_OF_HOST_SIDE,
        ISOLATE_OF_DEVICES,
        ISOLATE_OF_CGROUP,
        ISOLATE__PRINTS
};
struct isolate_ask {
        uint64_t serial; /* by which its answer is known: tokens are the caller's */
        struct isolate_request q;
        uint64_t prints[ISOLATE__PRINTS]; /* CHECK: as CUT told them; 0: it was not made there */
        uint64_t devices;                 /* the same of its devices; 0: not told */
        uint32_t list_len;                /* SAVE: so many bytes follow */
};
struct isolate_reply {
        uint64_t serial;
        struct isolate_answer a;
        uint64_t prints[ISOLATE__PRINTS], devices;
        uint8_t listens; /* CUT: a socket that hears of changes in the namespace comes along */
};
#define ISOLATE_LIST_BYTES (192u * 1024)

struct isolate_child_setup {
        char instance[32];
        const char *state_dir;
        int (*confine)(void);
        uint64_t deadline_ns;
};
/* The helpers' mains: setup is a struct isolate_child_setup. */
int isolate_child(int fd, void *setup);
int isolate_killer(int fd, void *setup);
/* One request, answered; negative: this process cannot come home. events: -1, or the socket that comes along. */
struct isolate_worker {
        int home;
        uint64_t home_ino;
        const char *instance;
        uint64_t deadline_ns;
        uint32_t kernel; /* enum isolate_fact, once tried */
        bool tried;
};
int isolate_serve(struct isolate_worker *w, const struct isolate_ask *k, struct isolate_reply *rep,
                  struct nl **ret_events) TM_CHECK;
/* Is it one that can be believed, with so many descriptors? Pure. */
bool isolate_reply_is_sound(const struct isolate_reply *rep, size_t len, size_t nfds);
/* Of changes in a namespace: what one message says. Pure. */
struct isolate_news {
        uint32_t own;  /* pid of the helper: what it changes is no news */
        bool pending;  /* something changed, and nobody has said yet who it was */
        bool foreign;  /* somebody else did */
};
int isolate_hear(const struct nlmsghdr *h, void *news);

/* ---- the list as bytes ---- */

struct buf;
void isolate_list_encode(const struct isolate_list *list, struct buf *out);
/* As isolate_load(). Pure. */
int isolate_list_decode(struct bytes file, struct isolate_list *ret, char why[ISOLATE_WHY]) TM_CHECK;
/* DIR/isolated is that, on the disk. */
int isolate_list_write(int dir, struct bytes file) TM_CHECK;

#endif
