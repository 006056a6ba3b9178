/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate - a container cut off the network, and what else holds it: the helpers that do it, the list of whom it was
 * done to (a file), and what stands where.
 *
 * Owns:      two helper processes, the requests that wait for them, and the sockets that hear of changed rules.
 * Never:     decides whom and how long (daemon/sensor_contain.c), waits in the sensor, or touches a rule that is not of
 *            this agent and this container.
 * Hands over: exactly one answer for every request, later; the news that rules were changed, which a CHECK then sorts.
 *
 * Where it is cut, all by nf_tables, names tidemark-ID-INSTANCE (the first 12 digits of the container's id):
 *   inside     table inet in the container's namespace: prerouting, input, output, postrouting. All but loopback and
 *              what is allowed is dropped, established connections too (no rule asks conntrack). The policy is drop,
 *              so that chains whose rules are flushed stay shut: only the container lives in this namespace. A task
 *              with CAP_NET_ADMIN there could undo it, and one with CAP_NET_RAW could go past it (packet(7)).
 *   host side  table netdev where the other end of its veth lives (as a rule the host's namespace): ingress and, from
 *              Linux 5.16 on, egress of that device; frames of every kind (ARP too). Out of the container's reach.
 *   its own device, where there is no other end (macvlan, ipvlan, a physical one): the same inside, beyond inet.
 *   by cgroup  for a container that has the host's network: table inet in the host's namespace, policy accept, that
 *              drops what its sockets send and get and nothing else; `socket cgroupv2` (5.13) alone does it.
 *
 * A request names the container by its id and its init (pid and start). A namespace is entered only after its inode
 * was compared, and nothing in the helpers keeps it. The socket that hears of changes inside does keep it: it is closed
 * by RELEASE, by isolator_forget(), which is to be called with the container's end, and by isolator_stop().
 */
#ifndef TIDEMARK_ISOLATE_H
#define TIDEMARK_ISOLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct isolator;
struct loop;

#define ISOLATE_ID 65u       /* a container's id, 64 hexadecimal digits, with its NUL */
#define ISOLATE_WAITING 64u  /* requests */
#define ISOLATE_HELD 64u     /* containers whose changes are listened to; entries of the list */
#define ISOLATE_NETS 32u     /* addresses that stay reachable */
#define ISOLATE_DEVICES 8u   /* of one namespace that are looked at */
#define ISOLATE_MATES 16u    /* other containers in it that are told by their ids */
#define ISOLATE_PORTS 32u    /* listening ports that probes may reach */
#define ISOLATE_WHY 200u
#define ISOLATE_POLICY 100u /* isolations by policy that are remembered */

/* An address that stays reachable, both ways. */
struct isolate_net {
        uint8_t len;    /* 4 or 16 bytes */
        uint8_t prefix; /* bits that count */
        uint8_t proto;  /* IPPROTO_TCP or _UDP, where a port is given; 0: everything */
        uint8_t spare;
        uint16_t port; /* of the address, not of the container; 0: all */
        uint8_t bytes[16];
};
/*
 * "192.0.2.7", "192.0.2.0/24", "fd00::/64", with a port "192.0.2.7:22", "192.0.2.7:514/udp", "[fd00::7]:22" (TCP where
 * nothing is said). 0; -EINVAL: none of these, or bits beyond the prefix. Pure.
 */
int isolate_parse_net(const char *text, struct isolate_net *ret) TM_CHECK;
/* As above, so that it can be read again. dst: ISOLATE_NET_TEXT. Returns dst. Pure. */
#define ISOLATE_NET_TEXT 64u
char *isolate_print_net(const struct isolate_net *net, char dst[ISOLATE_NET_TEXT]);

enum isolate_what {
        ISOLATE_LOOK,    /* what would be done, what stands, who shares it: nothing is changed */
        ISOLATE_CUT,     /* make it stand everywhere, at once; then end what flows; then see that it counts */
        ISOLATE_RELEASE, /* our tables of this container are gone, wherever they were; also when it has ended, and
                          * others live in its namespace still. facts: ISOLATE_STOOD, if there were any */
        ISOLATE_CHECK,   /* do all rules stand as CUT made them, and what did they count */
        ISOLATE_FREEZE,  /* by the cgroup freezer, v1 or v2; done when the kernel says that all are frozen */
        ISOLATE_THAW,
        ISOLATE_KILL, /* SIGKILL to every task of the container's cgroup, until it is empty */
        ISOLATE_SAVE, /* the list, to the disk */
        ISOLATE__WHATS
};

enum isolate_flag {
        ISOLATE_KEEP_PROBES = 1u << 0, /* CUT, LOOK: connections that the host begins to a listening TCP port pass */
        ISOLATE_END_SOCKETS = 1u << 1, /* CUT: TCP connections are aborted where the kernel can (SOCK_DESTROY) */
        ISOLATE_INSIDE_ONLY = 1u << 2, /* CUT, CHECK: not on the host's side, though there is one */
        ISOLATE_AND_THAW = 1u << 3,    /* RELEASE: thawed as well, if it has a cgroup still */
};

struct isolate_request {
        uint64_t token;
        uint8_t what;       /* enum isolate_what */
        uint32_t flags;
        char id[ISOLATE_ID];
        uint32_t pid;       /* its init, or any task of it; 0: it has ended (RELEASE alone) */
        uint64_t start;     /* of pid, clock ticks (field 22 of /proc/PID/stat); 0: not compared */
        uint64_t netns;     /* inode that pid's must have; 0: not compared. RELEASE: what it had, if it has ended */
        char cgroup[256];   /* its path in /proc/PID/cgroup, to FREEZE, THAW and KILL what has no pid; "": by pid */
        uint32_t nnets;     /* CUT */
        struct isolate_net nets[ISOLATE_NETS];
        uint64_t places;    /* RELEASE, CHECK: as CUT told them; 0: as it told this isolator; else the host's */
};

/* Where a container is, or would be, cut. */
enum isolate_way {
        ISOLATE_NOWHERE,   /* why says what stands in the way */
        ISOLATE_BOTH,      /* inside, and on its host side, both directions: out of its reach */
        ISOLATE_ONE_WAY,   /* inside, and what it sends on its host side too: this kernel has no egress hook */
        ISOLATE_INSIDE,    /* inside alone */
        ISOLATE_BY_CGROUP, /* it has the host's network */
        ISOLATE__WAYS
};
/* A few words, static: "inside and on the host side". */
const char *isolate_way_words(uint8_t way);

enum isolate_fact {
        ISOLATE_HOST_NETWORK = 1u << 0,   /* its network namespace is the host's */
        ISOLATE_HAS_NET_ADMIN = 1u << 1,  /* a task of it has CAP_NET_ADMIN over the namespace: it can undo "inside" */
        ISOLATE_MAY_NET_ADMIN = 1u << 2,  /* none has, but one could come by it (bounding set) */
        ISOLATE_HAS_NET_RAW = 1u << 3,    /* CAP_NET_RAW: it can go past "inside", not past a device's own hooks */
        ISOLATE_OWN_USERNS = 1u << 4,     /* the namespace belongs to a user namespace that is not the host's */
        ISOLATE_HAS_INGRESS = 1u << 5,    /* this kernel: netdev ingress, egress, socket cgroupv2, SOCK_DESTROY */
        ISOLATE_HAS_EGRESS = 1u << 6,
        ISOLATE_HAS_CGROUP = 1u << 7,
        ISOLATE_HAS_DESTROY = 1u << 8,
        ISOLATE_FREEZER_V1 = 1u << 9,     /* the container's cgroup has a freezer, of this version */
        ISOLATE_FREEZER_V2 = 1u << 10,
        ISOLATE_CGROUP_KILL = 1u << 11,
        ISOLATE_STOOD = 1u << 12,         /* a table of ours for it stood already; RELEASE: and is gone now */
        ISOLATE_PROBES_CUT = 1u << 13,    /* keep-probes was asked for, but some ports or addresses were too many */
        ISOLATE_FLOWS_LEFT = 1u << 14,    /* the host's conntrack entries of it were not (all) deleted */
        ISOLATE_SEARCH_CUT = 1u << 15,    /* not everything was looked at: too many processes, devices, mates */
        ISOLATE_IN_HOST = 1u << 16,       /* LOOK, CUT: a task of it has the host's network, though its init has not */
};

struct isolate_device {
        char name[16], peer[16]; /* inside; its other end, "" if there is none or it is not known */
        char kind[16];           /* "veth", "macvlan", …; "" for hardware */
        uint32_t ifindex, peer_ifindex;
        uint64_t peer_netns; /* inode; 0: not known */
        bool up, peer_is_host, ingress, egress; /* hooks at the other end, or at the device itself without one */
};

struct isolate_answer {
        uint64_t token;
        uint8_t what;
        uint8_t way;  /* LOOK: would be; CUT, CHECK: is */
        bool stands;  /* CUT, CHECK: all that way says was read back, rule for rule, as it was made */
        bool devices_changed; /* CHECK: it has others than CUT found: cut it again */
        bool seen;    /* CUT: a packet of ours was sent where it may not pass, and each place's drop counted it */
        int error;    /* 0; -ESRCH: no such task any more; -ESTALE: another namespace; -ETIMEDOUT; -EOPNOTSUPP … */
        char why[ISOLATE_WHY]; /* words for error, or for what is less than wanted; "" */
        uint32_t facts;        /* enum isolate_fact */
        uint64_t netns;        /* inode of the container's; the host's */
        uint64_t host_netns;
        uint64_t places;       /* inode of the namespace that its host side is in; 0: it has none */
        uint32_t ndevices;
        struct isolate_device devices[ISOLATE_DEVICES]; /* without loopback */
        uint32_t nmates, other_tasks; /* LOOK: containers in the same namespace, but the host's; tasks in none there */
        char mates[ISOLATE_MATES][ISOLATE_ID];
        uint32_t tasks;        /* LOOK: of the container; KILL: that were there */
        uint32_t elsewhere;    /* LOOK, CUT: tasks of it in other network namespaces than its init's: not cut there */
        uint32_t nports;       /* LOOK: listening TCP ports, which probes could reach */
        uint16_t ports[ISOLATE_PORTS];
        uint64_t dropped, dropped_host; /* CUT, CHECK: packets, inside (or by cgroup), and on the host side */
        uint32_t flows_ended, sockets_ended;
        uint32_t rules;        /* CUT, CHECK: that were read back */
        uint64_t cut_ns;       /* CUT: from the request's arrival in the helper until the first place stood, … */
        uint64_t stood_ns;     /* … all did, … */
        uint64_t seen_ns;      /* … and were seen to drop */
        uint64_t cut_at_ns;    /* CLOCK_BOOTTIME of the first */
        uint8_t left;          /* KILL: 1: some are left (unkillable, or in the kernel) */
};

struct isolator_ops {
        void (*answer)(const struct isolate_answer *a, void *arg);
        /*
         * nf_tables was changed where a container is cut, by somebody else: in its namespace (id), or where host sides
         * are ("": ask for all). Gathered: at most one call in ISOLATE_GATHER_NS for each. A CHECK says whether it was
         * about ours; so does one every second or so, for what is not heard of (a socket that overran).
         */
        void (*changed)(const char *id, void *arg);
};
#define ISOLATE_GATHER_NS 20000000ULL

struct isolator_setup {
        const char *instance;     /* cfg_instance(): 8 digits */
        const char *state_dir;    /* the list's; root's alone. NULL: none is kept */
        uint64_t deadline_ns;     /* for one request, from when the helper has it; KILL: three times as long */
        int (*confine)(void);     /* in the helper: caps_reduce(caps_isolator()). NULL: it keeps what it has */
        int (*confine_killer)(void); /* in the other: caps_keep(caps_killer()) */
};

/*
 * Starts both helpers. Before this process gives up CAP_KILL: the one that kills is not started again; the other is,
 * whenever it hangs or dies, and needs what the sensor keeps.
 */
int isolator_start(struct loop *loop, const struct isolator_setup *setup, const struct isolator_ops *ops, void *arg,
                   struct isolator **ret) TM_CHECK;
struct isolator *isolator_stop(struct isolator *w);
DEFINE_CLEANUP(struct isolator *, isolator_stop)

/*
 * Copied. CUT, FREEZE and THAW go before LOOK and CHECK that wait. -ENOBUFS: too many wait; -EINVAL: no id, no pid.
 * A helper that dies of a request is replaced, and that answered -EPIPE: ask again; CUT and RELEASE may be repeated at
 * any time, and then make what is there whole.
 */
int isolator_ask(struct isolator *w, const struct isolate_request *q) TM_CHECK;
/* The container has ended: what hears of its namespace lets go of it. */
void isolator_forget(struct isolator *w, const char *id);
/* Waits, bounded, until all that was asked is answered: at the end. */
void isolator_finish(struct isolator *w);
/* 0: none runs. NFTA_GEN_PROC_PID of what it changes. */
pid_t isolator_pid(const struct isolator *w);
pid_t isolator_killer_pid(const struct isolator *w);

/* ---- the list: whom, since when, how long ---- */

struct isolate_entry {
        char id[ISOLATE_ID];
        char name[128], workload[256];
        char image[128];
        char cgroup[256];
        uint32_t pid, uid, login_uid, flags;
        uint64_t start, netns, places, finding;
        uint64_t command;
        int64_t since_wall_ns, until_wall_ns; /* until 0: no end */
        uint8_t way;
        bool by_policy, held; /* held: a restart of it is frozen until the rules stand */
        uint32_t nnets;
        struct isolate_net nets[ISOLATE_NETS];
        char note[256];
};
struct isolate_list {
        uint32_t n;
        char boot_id[40]; /* of the boot in which it was written: pid, start and inodes count in that one alone */
        uint32_t npolicy; /* when something was isolated by policy, within the last hour; wall clock */
        int64_t policy_wall_ns[ISOLATE_POLICY];
        struct isolate_entry of[ISOLATE_HELD];
};
/*
 * Written anew, to the disk, by the helper: DIR/isolated, 0600. Copied; the answer is of ISOLATE_SAVE with that token.
 * A list that waits still is replaced by a later one: then both are answered when that is written.
 */
int isolator_save(struct isolator *w, uint64_t token, const struct isolate_list *list) TM_CHECK;
/*
 * At the start, before the loop. 0, also when there is none; ERR_CHECKSUM, ERR_SCHEMA (a newer version), ERR_TRUNCATED,
 * ERR_UNTRUSTED (not root's alone): *ret then holds what could be read and believed, and why says what is wrong.
 */
int isolate_load(const char *state_dir, struct isolate_list *ret, char why[ISOLATE_WHY]) TM_CHECK;
/* This boot's. dst: 40 bytes. Returns dst; "" if it is not told. */
char *isolate_boot_id(char dst[40]);

#endif
