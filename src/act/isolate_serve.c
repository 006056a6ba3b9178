/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_serve - one request to the helper that cuts containers off: what there is, and where it can be cut; the cut;
 * its end; whether it stands.
 *
 * Owns: the namespaces' descriptors for as long as one request takes. Must not: keep any, or be left in one: a process
 * that cannot come home ends. Hands over: the answer; the socket that hears of changes.
 *
 * The order of a cut: outside first, so that a packet of ours can be sent from inside and be seen to be dropped there;
 * then inside; then what flows is ended. From the first of these on nothing that is not allowed passes.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "isolate-priv.h"
#include "tidemark/clock.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/map.h"
#include "tidemark/nl.h"

#define SEEN_NS (40 * NSEC_PER_MSEC) /* a packet of ours is counted at once, or when the softirq has had its turn */
#define FLOWS_NS (150 * NSEC_PER_MSEC)
#define PAUSE_NS 500000L
#define PROBE_MS 50

/* One table, and where it is. */
struct spot {
        bool wanted, made, stood;
        struct nl *nl; /* in its namespace; borrowed */
        struct isolate_plan plan;
        struct isolate_print print;
};

struct job {
        struct isolate_worker *w;
        const struct isolate_ask *k;
        struct isolate_reply *rep;
        struct isolate_answer *a;
        uint64_t begun_ns;
        int ns, peer_ns; /* of the container, and of its host side; -1 */
        struct nl *inside, *outside, *home;
        struct isolate_links links;
        struct isolate_addresses near, own, hosts;
        struct isolate_ports ports;
        struct spot spots[ISOLATE__PRINTS];
        uint32_t probed; /* bits of devices: the host's side of them was to count a packet of ours */
};

static void TM_PRINTF(2, 3) say(struct job *j, const char *fmt, ...)
{
        va_list ap;

        if (j->a->why[0]) /* the first is the cause */
                return;
        va_start(ap, fmt);
        vsnprintf(j->a->why, sizeof(j->a->why), fmt, ap);
        va_end(ap);
}

static int fail(struct job *j, int error, const char *words)
{
        say(j, "%s", words);
        return error;
}

/* ---- where the process is ---- */

static int enter(int ns)
{
        return setns(ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

static void job_close(struct job *j)
{
        nl_close(j->inside);
        nl_close(j->outside);
        nl_close(j->home);
        if (j->ns >= 0)
                close(j->ns);
        if (j->peer_ns >= 0)
                close(j->peer_ns);
}

/* Opened, then compared: the process that had the pid then has it still, if its start is the one that is meant. */
static int open_container(struct job *j)
{
        const struct isolate_request *q = &j->k->q;
        char path[64];
        struct stat st, first;
        int64_t start;

        snprintf(path, sizeof(path), "/proc/%u/ns/net", q->pid);
        j->ns = open(path, O_RDONLY | O_CLOEXEC);
        if (j->ns < 0)
                return fail(j, errno == ENOENT ? -ESRCH : -errno, "its process has ended");
        start = isolate_start_of(q->pid);
        if (start < 0 || (q->start && (uint64_t)start != q->start))
                return fail(j, -ESRCH, "its process has ended");
        if (fstat(j->ns, &st) < 0)
                return -errno;
        j->a->netns = st.st_ino;
        if (q->netns && q->netns != st.st_ino)
                return fail(j, -ESTALE, "its process is in another network namespace than it was");
        if (st.st_ino == j->w->home_ino)
                j->a->facts |= ISOLATE_HOST_NETWORK;
        else if (stat("/proc/1/ns/net", &first) == 0 && first.st_ino == st.st_ino)
                return fail(j, -EOPNOTSUPP, "it has the network of the machine's first process, which is not this "
                            "agent's: the host would be cut off with it");
        return 0;
}

/* ---- what there is ---- */

static uint64_t owner_of(int ns)
{
        _cleanup_close_ int fd = ioctl(ns, COMPAT_NS_GET_USERNS);
        struct stat st;

        return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

struct own {
        struct isolate_answer *a;
        uint64_t owner;
};

static void on_own(uint32_t pid, void *arg)
{
        const struct own *o = arg;

        isolate_look_at_own(o->a, pid, o->owner);
}

/* What its tasks may. Where no cgroup tells who they are, they may all. */
static void look_at_own(struct job *j)
{
        struct own o = {.a = j->a, .owner = owner_of(j->ns)};
        struct isolate_cgroups c;

        if (isolate_cgroups_open(j->k->q.id, j->k->q.pid, "", &c) < 0) {
                j->a->facts |= ISOLATE_HAS_NET_ADMIN | ISOLATE_HAS_NET_RAW;
                return;
        }
        isolate_cgroups_each(&c, on_own, &o);
        isolate_cgroups_close(&c);
        if (j->a->facts & ISOLATE_HAS_NET_ADMIN)
                j->a->facts &= ~(uint32_t)ISOLATE_MAY_NET_ADMIN;
}

static void note_devices(struct job *j)
{
        for (uint32_t i = 0; i < j->links.n; i++) {
                const struct isolate_link *l = &j->links.of[i];
                struct isolate_device *d = &j->a->devices[j->a->ndevices];

                if (j->a->ndevices == ISOLATE_DEVICES) {
                        j->a->facts |= ISOLATE_SEARCH_CUT;
                        break;
                }
                memcpy(d->name, l->name, sizeof(d->name));
                memcpy(d->kind, l->kind, sizeof(d->kind));
                d->ifindex = l->ifindex;
                d->up = (l->flags & IFF_UP) != 0;
                j->a->ndevices++;
        }
        if (j->links.more)
                j->a->facts |= ISOLATE_SEARCH_CUT;
}

/* In the container's: its devices, and in which namespace their other ends are: the host's, else the first found. */
static void look_inside(struct job *j)
{
        int32_t home = isolate_nsid(j->w->home), nsid = -1;

        if (isolate_links(0, (uint32_t)(home + 1), &j->links) < 0)
                j->a->facts |= ISOLATE_SEARCH_CUT;
        note_devices(j);
        isolate_gateways(&j->near);
        isolate_host_addresses(&j->own);
        if (j->k->q.flags & ISOLATE_KEEP_PROBES || j->k->q.what == ISOLATE_LOOK)
                isolate_listeners(&j->ports);
        for (uint32_t i = 0; i < j->a->ndevices && nsid < 0; i++)
                if (strcmp(j->links.of[i].kind, "veth") == 0 && j->links.of[i].link)
                        nsid = j->links.of[i].nsid;
        if (nsid < 0)
                return;
        j->peer_ns = nsid == home ? fcntl(j->w->home, F_DUPFD_CLOEXEC, 0) : isolate_find_namespace(0, nsid);
        for (uint32_t i = 0; i < j->a->ndevices && j->peer_ns >= 0; i++)
                if (j->links.of[i].nsid == nsid && strcmp(j->links.of[i].kind, "veth") == 0)
                        j->a->devices[i].peer_ifindex = j->links.of[i].link;
}

/* There: the other end of a pair whose other end is this one, or it is another's. */
static void look_outside(struct job *j)
{
        struct isolate_links one;
        struct stat st;

        if (fstat(j->peer_ns, &st) < 0)
                return;
        for (uint32_t i = 0; i < j->a->ndevices; i++) {
                struct isolate_device *d = &j->a->devices[i];

                if (d->peer_ifindex == 0 || isolate_links(d->peer_ifindex, 0, &one) < 0 || one.n != 1 ||
                    strcmp(one.of[0].kind, "veth") != 0 || one.of[0].link != d->ifindex)
                        continue;
                memcpy(d->peer, one.of[0].name, sizeof(d->peer));
                d->peer_netns = st.st_ino;
                d->peer_is_host = st.st_ino == j->w->home_ino;
                j->a->places = st.st_ino;
        }
        isolate_host_addresses(&j->hosts);
}

/* Both, with a socket in each. The process is left where it is: whoever calls brings it home. */
static int look_around(struct job *j)
{
        int r = enter(j->ns);

        if (r < 0)
                return fail(j, r, "its network namespace cannot be entered");
        look_inside(j);
        r = nl_open(NETLINK_NETFILTER, 0, 0, &j->inside);
        if (r == 0 && j->peer_ns >= 0 && enter(j->peer_ns) == 0) {
                look_outside(j);
                r = nl_open(NETLINK_NETFILTER, 0, 0, &j->outside);
        }
        if (r == 0 && j->hosts.n == 0 && enter(j->w->home) == 0)
                isolate_host_addresses(&j->hosts);
        return r;
}

/* ---- the plans ---- */

static int plan_common(struct job *j, struct isolate_plan *p, enum isolate_place place)
{
        const struct isolate_request *q = &j->k->q;

        memset(p, 0, sizeof(*p));
        p->place = (uint8_t)place;
        p->nnets = q->nnets;
        memcpy(p->nets, q->nets, sizeof(p->nets));
        p->nnear = j->near.n;
        memcpy(p->near, j->near.of, sizeof(p->near));
        if (q->flags & ISOLATE_KEEP_PROBES) {
                p->nhosts = j->hosts.n;
                memcpy(p->hosts, j->hosts.of, sizeof(p->hosts));
                p->nports = j->ports.n;
                memcpy(p->ports, j->ports.of, sizeof(p->ports));
                if (j->hosts.more || j->ports.more)
                        j->a->facts |= ISOLATE_PROBES_CUT;
        }
        return isolate_plan_name(p, q->id, j->w->instance);
}

/* Devices with another end are cut there; those without, themselves. */
static int plan_devices(struct job *j, struct spot *s, bool outside)
{
        int r = plan_common(j, &s->plan, ISOLATE_PLACE_DEVICES);

        for (uint32_t i = 0; i < j->a->ndevices; i++) {
                const struct isolate_device *d = &j->a->devices[i];
                struct isolate_hooked h = {.inward = !outside, .ingress = true, .egress = true};

                if ((d->peer[0] != '\0') != outside)
                        continue;
                memcpy(h.device, outside ? d->peer : d->name, sizeof(h.device));
                s->plan.hooked[s->plan.nhooked++] = h;
        }
        s->nl = outside ? j->outside : j->inside;
        s->wanted = s->plan.nhooked && s->nl && (!outside || !(j->k->q.flags & ISOLATE_INSIDE_ONLY));
        return r;
}

static int plan_namespace(struct job *j)
{
        struct spot *in = &j->spots[ISOLATE_OF_INSIDE];
        int r = plan_common(j, &in->plan, ISOLATE_PLACE_INSIDE);

        in->nl = j->inside;
        in->wanted = true;
        if (r == 0)
                r = plan_devices(j, &j->spots[ISOLATE_OF_HOST_SIDE], true);
        if (r == 0)
                r = plan_devices(j, &j->spots[ISOLATE_OF_DEVICES], false);
        return r < 0 ? fail(j, r, "its id or this agent's name is none that a table can have") : 0;
}

static int plan_cgroup(struct job *j)
{
        struct spot *s = &j->spots[ISOLATE_OF_CGROUP];
        struct isolate_cgroups c;
        int r = isolate_cgroups_open(j->k->q.id, j->k->q.pid, "", &c);

        if (r == 0) {
                s->plan.cgroup = c.id;
                isolate_cgroups_close(&c);
        }
        if (r < 0 || c.v2 == 0 || c.id == 0)
                return fail(j, -EOPNOTSUPP, "it has the host's network, and no cgroup of version 2 by which its "
                            "packets could be told: freeze it, kill it, or cut the host off");
        r = plan_common(j, &s->plan, ISOLATE_PLACE_CGROUP);
        s->plan.cgroup = c.id;
        s->plan.level = c.level;
        if (r == 0)
                r = nl_open(NETLINK_NETFILTER, 0, 0, &j->home);
        s->nl = j->home;
        s->wanted = true;
        return r;
}

/* ---- the cut ---- */

static bool is_not_had(int r)
{
        return r == -EOPNOTSUPP || r == -EAFNOSUPPORT || r == -ENOENT || r == -EINVAL;
}

static void stamp(struct job *j, uint64_t *at)
{
        uint64_t now = clock_boot_ns();

        if (j->a->cut_ns == 0) {
                j->a->cut_ns = now - j->begun_ns;
                j->a->cut_at_ns = now;
        }
        if (at)
                *at = now - j->begun_ns;
}

static int make(struct job *j, struct spot *s)
{
        int r = isolate_make(s->nl, &s->plan, &s->stood);

        if (r < 0)
                return r;
        s->made = true;
        stamp(j, NULL);
        if (s->stood)
                j->a->facts |= ISOLATE_STOOD;
        return 0;
}

static void without_egress(struct spot *s)
{
        for (uint32_t i = 0; i < s->plan.nhooked; i++)
                s->plan.hooked[i].egress = false;
}

/* As much as this kernel has. */
static void make_devices(struct job *j, struct spot *s)
{
        int r = s->wanted ? make(j, s) : 0;

        if (is_not_had(r)) {
                without_egress(s);
                r = make(j, s);
        }
        if (r < 0)
                say(j, "not on %s: %s", s == &j->spots[ISOLATE_OF_HOST_SIDE] ? "the host side" : "its devices",
                    is_not_had(r) ? "this kernel has no hooks there" : err_str(r));
}

/* What the answer says of a device's hooks: those that were made, or that the plan has. */
static void note_hooks(struct job *j, const struct spot *s)
{
        for (uint32_t i = 0; s->made && i < s->plan.nhooked; i++)
                for (uint32_t d = 0; d < j->a->ndevices; d++) {
                        struct isolate_device *x = &j->a->devices[d];

                        if (strcmp(s->plan.hooked[i].inward ? x->name : x->peer, s->plan.hooked[i].device) != 0)
                                continue;
                        x->ingress = s->plan.hooked[i].ingress;
                        x->egress = s->plan.hooked[i].egress;
                }
}

/* There are devices that nobody looked at. */
static bool has_more_devices(const struct job *j)
{
        return j->links.more || j->links.n > j->a->ndevices;
}

static bool all_both_ways(const struct spot *s)
{
        for (uint32_t i = 0; i < s->plan.nhooked; i++)
                if (!s->plan.hooked[i].egress)
                        return false;
        return true;
}

static uint8_t way_of(const struct job *j)
{
        const struct spot *out = &j->spots[ISOLATE_OF_HOST_SIDE];

        if (j->spots[ISOLATE_OF_CGROUP].made)
                return ISOLATE_BY_CGROUP;
        if (!j->spots[ISOLATE_OF_INSIDE].made && !out->made)
                return ISOLATE_NOWHERE;
        if (!out->made || out->plan.nhooked < j->a->ndevices || has_more_devices(j)) /* some way lies in its reach */
                return ISOLATE_INSIDE;
        return all_both_ways(out) ? ISOLATE_BOTH : ISOLATE_ONE_WAY;
}

/* From inside, before anything inside is in the way: by each device whose outside, or which itself, shall count it. */
static void probe_outward(struct job *j)
{
        for (uint32_t i = 0; i < j->a->ndevices; i++) {
                const struct isolate_device *d = &j->a->devices[i];

                if (!d->up)
                        continue;
                isolate_probe(d->ifindex);
                j->probed |= 1u << i;
        }
}

static void probe_inside(const struct job *j)
{
        isolate_probe(0);
        for (uint32_t i = 0; i < j->a->ndevices; i++)
                if (j->a->devices[i].up)
                        isolate_probe(j->a->devices[i].ifindex);
}

/* At the host's side, towards the container. */
static void probe_inward(const struct job *j)
{
        for (uint32_t i = 0; i < j->a->ndevices; i++)
                if (j->a->devices[i].peer[0])
                        isolate_probe(j->a->devices[i].peer_ifindex);
}

static int cut_namespace(struct job *j, struct nl **ret_events)
{
        struct spot *in = &j->spots[ISOLATE_OF_INSIDE], *out = &j->spots[ISOLATE_OF_HOST_SIDE];
        struct isolate_print stood;
        int r;

        make_devices(j, out);
        make_devices(j, &j->spots[ISOLATE_OF_DEVICES]);
        r = enter(j->ns);
        if (r < 0)
                return r;
        if (isolate_read(j->inside, NFPROTO_INET, in->plan.name, &stood) == -ENOENT)
                probe_outward(j);
        r = make(j, in);
        if (r < 0)
                say(j, "not in its namespace: %s",
                    is_not_had(r) ? "this kernel's nf_tables cannot do it" : err_str(r));
        stamp(j, &j->a->stood_ns);
        if (in->made)
                probe_inside(j);
        j->a->flows_ended = isolate_flush_flows();
        if (nl_open(NETLINK_NETFILTER, 0, 0, ret_events) == 0 && nl_join(*ret_events, NFNLGRP_NFTABLES) < 0)
                *ret_events = nl_close(*ret_events);
        if (j->k->q.flags & ISOLATE_END_SOCKETS) {
                int n = isolate_end_sockets();

                j->a->sockets_ended = n > 0 ? (uint32_t)n : 0;
        }
        if (out->made && enter(j->peer_ns) == 0)
                probe_inward(j);
        return in->made || out->made ? 0 : r;
}

/*
 * A socket's cgroup is that of whoever made it: a process of ours joins for as long as it takes to send one datagram.
 * Where the container is frozen it freezes too: then it is killed.
 */
static void probe_by_cgroup(const struct job *j)
{
        struct isolate_cgroups c;
        struct pollfd p;
        int ends[2];
        pid_t own = getpid(), pid;

        if (isolate_cgroups_open(j->k->q.id, j->k->q.pid, "", &c) < 0)
                return;
        if (pipe2(ends, O_CLOEXEC) == 0) {
                pid = fork();
                if (pid == 0) {
                        struct isolate_links links = {0};

                        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != own || isolate_cgroups_join(&c) < 0 ||
                            isolate_links(0, 0, &links) < 0)
                                _exit(EXIT_FAILURE);
                        for (uint32_t i = 0; i < links.n; i++)
                                if (links.of[i].flags & IFF_UP)
                                        isolate_probe(links.of[i].ifindex);
                        _exit(EXIT_SUCCESS);
                }
                close(ends[1]);
                p = (struct pollfd){.fd = ends[0]};
                if (pid > 0 && poll(&p, 1, PROBE_MS) == 0) /* it lives */
                        kill(pid, SIGKILL);
                close(ends[0]);
        }
        isolate_cgroups_close(&c);
}

static int cut_cgroup(struct job *j)
{
        struct spot *s = &j->spots[ISOLATE_OF_CGROUP];
        int r = make(j, s);

        stamp(j, &j->a->stood_ns);
        if (r == -ENOMEM || is_not_had(r))
                return fail(j, -EOPNOTSUPP, "it has the host's network, and this kernel cannot tell packets by cgroup "
                            "(socket cgroupv2, Linux 5.13): freeze it, kill it, or cut the host off");
        if (r < 0)
                return fail(j, r, err_str(r));
        probe_by_cgroup(j);
        return 0;
}

/* ---- is it so? ---- */

static bool reads_the_same(struct job *j, unsigned i)
{
        struct spot *s = &j->spots[i];
        struct isolate_print made;

        if (isolate_read(s->nl, isolate_family(&s->plan), s->plan.name, &s->print) < 0 ||
            isolate_print_plan(&s->plan, &made) < 0)
                return false;
        j->rep->prints[i] = isolate_print_sum(&made);
        return j->rep->prints[i] && j->rep->prints[i] == isolate_print_sum(&s->print);
}

/* Has each chain of the host side counted? What leaves, only if a packet of ours could get there. */
static bool outside_counted(const struct job *j, const struct spot *s)
{
        for (uint32_t i = 0; i < s->print.nchains; i++) {
                const char *name = s->print.chains[i].name;
                bool from = strncmp(name, "from", 4) == 0, to = strncmp(name, "to", 2) == 0;

                if (s->print.chains[i].dropped == 0 && ((from && j->probed) || to))
                        return false;
        }
        return true;
}

static bool all_counted(const struct job *j)
{
        const struct spot *in = &j->spots[ISOLATE_OF_INSIDE], *out = &j->spots[ISOLATE_OF_HOST_SIDE];
        const struct spot *by = &j->spots[ISOLATE_OF_CGROUP];

        return (!in->made || in->print.dropped) && (!out->made || outside_counted(j, out)) &&
               (!by->made || by->print.dropped);
}

static void see(struct job *j)
{
        uint64_t end = clock_boot_ns() + SEEN_NS;

        for (;;) {
                j->a->stands = true;
                for (unsigned i = 0; i < ISOLATE__PRINTS; i++)
                        if (j->spots[i].made && !reads_the_same(j, i))
                                j->a->stands = false;
                j->a->seen = j->a->stands && all_counted(j);
                if (j->a->seen || !j->a->stands || clock_boot_ns() >= end)
                        break;
                nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        }
        j->a->seen_ns = j->a->seen ? clock_boot_ns() - j->begun_ns : 0;
        if (!j->a->stands)
                say(j, "the rules that were read back are not those that were made: somebody changes them");
}

static void add_up(struct job *j)
{
        const struct isolate_print *p[ISOLATE__PRINTS];

        for (unsigned i = 0; i < ISOLATE__PRINTS; i++) {
                p[i] = &j->spots[i].print;
                j->a->rules += p[i]->rules;
        }
        j->a->dropped = p[ISOLATE_OF_INSIDE]->dropped + p[ISOLATE_OF_CGROUP]->dropped;
        j->a->dropped_host = p[ISOLATE_OF_HOST_SIDE]->dropped;
}

/*
 * The host's conntrack knows the container's connections too. Its addresses are what it says they are: whoever could
 * have chosen others has none of the host's ended.
 */
static void end_outside_flows(struct job *j)
{
        bool left = false;

        look_at_own(j);
        if (!j->spots[ISOLATE_OF_HOST_SIDE].made || enter(j->peer_ns) < 0)
                return;
        if (j->a->facts & (ISOLATE_HAS_NET_ADMIN | ISOLATE_MAY_NET_ADMIN))
                left = true;
        else
                j->a->flows_ended += isolate_end_flows(&j->own, clock_boot_ns() + FLOWS_NS, &left);
        if (left)
                j->a->facts |= ISOLATE_FLOWS_LEFT;
}

/* Of all devices, in any order; never 0. */
static uint64_t devices_sum(const struct isolate_links *links)
{
        static const struct map_seed seed = {0x69736f6c, 0x64657673};
        uint64_t sum = 1 + links->n;

        for (uint32_t i = 0; i < links->n; i++) {
                const struct isolate_link *l = &links->of[i];
                const uint32_t words[] = {l->ifindex, l->link, (uint32_t)l->nsid, l->flags & IFF_UP};

                sum += map_hash(seed, bytes_of(words, sizeof(words)));
        }
        return sum ? sum : 1;
}

static int cut(struct job *j, struct nl **ret_events)
{
        bool host = (j->a->facts & ISOLATE_HOST_NETWORK) != 0;
        int r = host ? plan_cgroup(j) : look_around(j);

        if (r == 0 && !host)
                r = plan_namespace(j);
        if (r == 0)
                r = host ? cut_cgroup(j) : cut_namespace(j, ret_events);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < ISOLATE__PRINTS; i++)
                note_hooks(j, &j->spots[i]);
        j->a->way = way_of(j);
        j->rep->devices = host ? 0 : devices_sum(&j->links);
        see(j);
        add_up(j);
        end_outside_flows(j);
        return 0;
}

/* ---- what would be ---- */

/* In a namespace of its own: what this kernel can, and nothing else is touched. Once. */
static void try_kernel(struct isolate_worker *w)
{
        static const uint32_t facts[] = {ISOLATE_HAS_EGRESS, ISOLATE_HAS_INGRESS, ISOLATE_HAS_CGROUP};
        _cleanup_(nl_closep) struct nl *nl = NULL;
        bool stood;

        if (w->tried || unshare(CLONE_NEWNET) < 0 || nl_open(NETLINK_NETFILTER, 0, 0, &nl) < 0)
                return;
        w->tried = true;
        for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
                struct isolate_plan p = {.place = ISOLATE_PLACE_DEVICES, .name = "tidemark-try", .nhooked = 1};

                p.hooked[0] = (struct isolate_hooked){.device = "lo", .ingress = true};
                p.hooked[0].egress = facts[i] == ISOLATE_HAS_EGRESS;
                if (facts[i] == ISOLATE_HAS_CGROUP)
                        p.place = ISOLATE_PLACE_CGROUP, p.cgroup = p.level = 1;
                if (isolate_make(nl, &p, &stood) == 0)
                        w->kernel |= facts[i];
        }
        if (isolate_end_sockets() != -EOPNOTSUPP)
                w->kernel |= ISOLATE_HAS_DESTROY;
}

static uint8_t way_foreseen(const struct job *j)
{
        uint32_t peers = 0;

        if (j->a->facts & ISOLATE_HOST_NETWORK)
                return j->a->facts & ISOLATE_HAS_CGROUP ? ISOLATE_BY_CGROUP : ISOLATE_NOWHERE;
        for (uint32_t i = 0; i < j->a->ndevices; i++)
                peers += j->a->devices[i].peer[0] != '\0';
        if (peers == 0 || peers < j->a->ndevices || has_more_devices(j) || !(j->a->facts & ISOLATE_HAS_INGRESS))
                return ISOLATE_INSIDE;
        return j->a->facts & ISOLATE_HAS_EGRESS ? ISOLATE_BOTH : ISOLATE_ONE_WAY;
}

static void foresee_hooks(struct job *j)
{
        for (uint32_t i = 0; i < j->a->ndevices; i++) {
                j->a->devices[i].ingress = (j->a->facts & ISOLATE_HAS_INGRESS) != 0;
                j->a->devices[i].egress = (j->a->facts & ISOLATE_HAS_EGRESS) != 0;
        }
}

static int look(struct job *j)
{
        struct isolate_cgroups c;
        int r = j->a->facts & ISOLATE_HOST_NETWORK ? 0 : look_around(j);

        if (r < 0)
                return r;
        j->a->nports = j->ports.n;
        memcpy(j->a->ports, j->ports.of, sizeof(j->a->ports));
        if (owner_of(j->ns) != owner_of(j->w->home))
                j->a->facts |= ISOLATE_OWN_USERNS;
        look_at_own(j);
        if (!(j->a->facts & ISOLATE_HOST_NETWORK)) /* whom all share is nobody's mate */
                isolate_look_at_mates(j->a, j->k->q.id);
        if (isolate_cgroups_open(j->k->q.id, j->k->q.pid, "", &c) == 0) {
                j->a->facts |= isolate_cgroups_facts(&c);
                isolate_cgroups_close(&c);
        }
        try_kernel(j->w);
        j->a->facts |= j->w->kernel;
        foresee_hooks(j);
        j->a->way = way_foreseen(j);
        if ((j->a->facts & ISOLATE_HOST_NETWORK) && plan_cgroup(j) < 0)
                j->a->way = ISOLATE_NOWHERE;
        if (j->a->way == ISOLATE_NOWHERE)
                say(j, "it has the host's network, and this kernel cannot tell packets by cgroup (socket cgroupv2, "
                    "Linux 5.13)");
        return 0;
}

/* ---- the end of it, and whether it stands ---- */

/* The namespace that the host side was in: the host's, or another that somebody keeps. */
static int open_place(struct job *j)
{
        if (j->k->q.places == 0 || j->k->q.places == j->w->home_ino)
                return fcntl(j->w->home, F_DUPFD_CLOEXEC, 0);
        return isolate_find_namespace(j->k->q.places, -1);
}

/* The container's; when it has ended, the one that it had, as others may live in it. Negative: it is no more. */
static int open_own(struct job *j)
{
        const struct isolate_request *q = &j->k->q;
        int r = q->pid ? open_container(j) : -ESRCH;

        j->a->why[0] = '\0'; /* a process that has ended is no hindrance */
        if (r == 0 || q->netns == 0)
                return r;
        if (j->ns >= 0)
                close(j->ns);
        j->ns = isolate_find_namespace(q->netns, -1);
        return j->ns < 0 ? j->ns : 0;
}

/* Both families'. *r: what went wrong before, or now. */
static void remove_in(struct job *j, int ns, const char *name, int *r)
{
        static const uint8_t families[] = {NFPROTO_INET, COMPAT_NFPROTO_NETDEV};
        _cleanup_(nl_closep) struct nl *nl = NULL;
        int one = enter(ns);

        if (one == 0)
                one = nl_open(NETLINK_NETFILTER, 0, 0, &nl);
        for (size_t i = 0; i < ARRAY_LEN(families); i++) {
                if (nl)
                        one = isolate_remove(nl, families[i], name);
                if (one > 0)
                        j->a->facts |= ISOLATE_STOOD;
                if (one < 0 && *r == 0)
                        *r = one;
        }
}

/* What has no cgroup any more is not frozen. */
static int thaw(struct job *j)
{
        const struct isolate_request *q = &j->k->q;
        struct isolate_cgroups c;
        int r;

        if (isolate_cgroups_open(q->id, q->pid, q->cgroup, &c) < 0)
                return 0;
        r = isolate_freeze(&c, false, j->begun_ns + j->w->deadline_ns / 2);
        isolate_cgroups_close(&c);
        return r == -EOPNOTSUPP ? 0 : r;
}

static int release(struct job *j)
{
        struct isolate_plan p = {0};
        int r = isolate_plan_name(&p, j->k->q.id, j->w->instance), one;

        if (r < 0)
                return r;
        j->peer_ns = open_place(j);
        remove_in(j, j->w->home, p.name, &r);
        if (j->peer_ns >= 0)
                remove_in(j, j->peer_ns, p.name, &r);
        if (open_own(j) == 0)
                remove_in(j, j->ns, p.name, &r);
        if (r < 0)
                say(j, "its tables could not all be taken away: %s", err_str(r));
        one = j->k->q.flags & ISOLATE_AND_THAW ? thaw(j) : 0;
        if (one < 0)
                say(j, "it cannot be thawed: %s", err_str(one));
        return r < 0 ? r : one;
}

static bool stands_in(struct job *j, unsigned i, struct nl *nl, const char *name)
{
        static const uint8_t families[ISOLATE__PRINTS] = {NFPROTO_INET, COMPAT_NFPROTO_NETDEV, COMPAT_NFPROTO_NETDEV,
                                                          NFPROTO_INET};
        struct isolate_print *p = &j->spots[i].print;

        return nl && isolate_read(nl, families[i], name, p) == 0 && isolate_print_sum(p) == j->k->prints[i];
}

static int check(struct job *j)
{
        struct isolate_plan p = {0};
        struct nl *in[ISOLATE__PRINTS];
        int r = isolate_plan_name(&p, j->k->q.id, j->w->instance);

        j->peer_ns = open_place(j);
        if (r == 0)
                r = enter(j->ns);
        if (r == 0)
                r = nl_open(NETLINK_NETFILTER, 0, 0, &j->inside);
        if (r == 0 && j->k->devices && isolate_links(0, (uint32_t)(isolate_nsid(j->w->home) + 1), &j->links) == 0)
                j->a->devices_changed = devices_sum(&j->links) != j->k->devices;
        if (r == 0 && j->peer_ns >= 0 && enter(j->peer_ns) == 0)
                r = nl_open(NETLINK_NETFILTER, 0, 0, &j->outside);
        if (r == 0 && enter(j->w->home) == 0)
                r = nl_open(NETLINK_NETFILTER, 0, 0, &j->home);
        if (r < 0)
                return r;
        in[ISOLATE_OF_INSIDE] = in[ISOLATE_OF_DEVICES] = j->inside;
        in[ISOLATE_OF_HOST_SIDE] = j->outside;
        in[ISOLATE_OF_CGROUP] = j->home;
        j->a->stands = true;
        for (unsigned i = 0; i < ISOLATE__PRINTS; i++) {
                j->rep->prints[i] = j->k->prints[i];
                j->spots[i].made = j->k->prints[i] != 0;
                if (j->spots[i].made && !stands_in(j, i, in[i], p.name))
                        j->a->stands = false;
        }
        if (!j->spots[ISOLATE_OF_INSIDE].made && !j->spots[ISOLATE_OF_CGROUP].made)
                j->a->stands = false; /* nobody of this life has made it */
        if (!j->a->stands)
                say(j, "its rules are gone, or are not those that were made");
        add_up(j);
        return 0;
}

static int freeze(struct job *j)
{
        const struct isolate_request *q = &j->k->q;
        struct isolate_cgroups c;
        int r = isolate_cgroups_open(q->id, q->pid, q->cgroup, &c);

        if (r < 0)
                return fail(j, r, "no cgroup of it with a freezer is found");
        j->a->facts |= isolate_cgroups_facts(&c);
        r = isolate_freeze(&c, q->what == ISOLATE_FREEZE, j->begun_ns + j->w->deadline_ns / 2);
        if (r < 0 && q->what == ISOLATE_FREEZE) /* not half: what is on its way there would arrive when nobody waits */
                (void)!isolate_freeze(&c, false, 0);
        isolate_cgroups_close(&c);
        if (r < 0)
                say(j, "it cannot be %s: %s", q->what == ISOLATE_FREEZE ? "frozen" : "thawed", err_str(r));
        return r;
}

/* ---- requests ---- */

static int do_request(struct job *j, struct nl **ret_events)
{
        const struct isolate_request *q = &j->k->q;

        if (q->what == ISOLATE_RELEASE)
                return release(j);
        if (q->what == ISOLATE_FREEZE || q->what == ISOLATE_THAW)
                return freeze(j);
        j->a->error = open_container(j);
        if (j->a->error < 0)
                return j->a->error;
        switch (q->what) {
        case ISOLATE_LOOK:
                return look(j);
        case ISOLATE_CUT:
                return cut(j, ret_events);
        case ISOLATE_CHECK:
                return check(j);
        default:
                return -EINVAL;
        }
}

int isolate_serve(struct isolate_worker *w, const struct isolate_ask *k, struct isolate_reply *rep,
                  struct nl **ret_events)
{
        struct job *j = calloc(1, sizeof(*j));
        int r;

        memset(rep, 0, sizeof(*rep));
        rep->serial = k->serial;
        rep->a.token = k->q.token;
        rep->a.what = k->q.what;
        rep->a.host_netns = w->home_ino;
        if (!j) {
                rep->a.error = -ENOMEM;
                return 0;
        }
        *j = (struct job){.w = w, .k = k, .rep = rep, .a = &rep->a, .ns = -1, .peer_ns = -1};
        j->begun_ns = clock_boot_ns();
        rep->a.error = do_request(j, ret_events);
        if (rep->a.error < 0)
                say(j, "%s", err_str(rep->a.error));
        r = enter(w->home);
        job_close(j);
        free(j);
        return r;
}
