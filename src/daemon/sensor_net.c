/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which network namespaces are watched, and until when.
 *
 * Owns: one entry a namespace in which containers live, its descriptors, its guard. Must not: enter a namespace (the
 * worker does), or keep one alive once its last task is gone. Hands over: what happens in it to sensor_flows.c, what
 * waits in it to sensor_listen.c.
 *
 * A container's end, or the end of the agent, takes our table away again. What a crash leaves behind is adopted by the
 * next life, or taken away where its namespace is not to be watched any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensor_net-priv.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "network"
#define WORKER_DEADLINE_NS (2 * NSEC_PER_SEC)
#define NFLOG_GROUP 0x7469u /* the first that is tried: nothing registers these numbers */
#define REMAKE_NS (5 * NSEC_PER_SEC)
#define REMAKE_BURST 6u

static size_t containers_in(const struct sensor *s, const struct net *n, bool living, struct container **to, size_t max)
{
        struct container *c;
        size_t count = 0;

        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                if (c->netns != n->ns || (living && c->tasks == c->strangers))
                        continue;
                if (count < max)
                        to[count] = c;
                count++;
        }
        return count;
}

size_t net_containers(const struct sensor *s, const struct net *n, struct container **to, size_t max)
{
        return containers_in(s, n, true, to, max);
}

size_t net_owners(const struct sensor *s, const struct net *n, struct container **to, size_t max)
{
        size_t count = containers_in(s, n, true, to, max);

        return count ? count : containers_in(s, n, false, to, max);
}

bool net_is_local(const struct net *n, const struct flow_address *a)
{
        for (uint32_t i = 0; i < n->naddresses; i++)
                if (n->addresses[i].len == a->len && memcmp(n->addresses[i].bytes, a->bytes, a->len) == 0)
                        return true;
        return false;
}

static struct net *by_ns(const struct nets *nets, uint64_t ns)
{
        for (struct net *n = nets->first; n; n = n->next)
                if (n->ns == ns && n->state != NET_LEFT)
                        return n;
        return NULL;
}

static struct net *by_token(const struct nets *nets, uint64_t token)
{
        for (struct net *n = nets->first; n; n = n->next)
                if (n->token == token)
                        return n;
        return NULL;
}

/* ---- what is kept of one ---- */

static void add_sources(const struct net *n, struct nets_stats *to)
{
        struct flow_source_stats flows = {0};
        struct diag_source_stats diag = {0};

        if (n->flows)
                flow_source_stats(n->flows, &flows);
        if (n->diag)
                diag_source_stats(n->diag, &diag);
        to->forged += flows.forged;
        to->malformed += flows.malformed + diag.malformed;
}

void net_stats(const struct nets *nets, struct nets_stats *ret)
{
        *ret = nets->stats;
        for (const struct net *n = nets->first; n; n = n->next)
                add_sources(n, ret);
}

static void close_sources(struct net *n)
{
        add_sources(n, &n->s->nets->stats);
        n->flows = flow_source_close(n->flows);
        n->diag = diag_source_close(n->diag);
        n->entries = 0;
}

static void close_namespace(struct net *n)
{
        close_sources(n);
        if (n->fd >= 0)
                close(n->fd);
        n->fd = -1;
}

static void forget(struct nets *nets, struct net *gone)
{
        struct net **at = &nets->first;

        while (*at && *at != gone)
                at = &(*at)->next;
        if (*at)
                *at = gone->next;
        nets->count--;
        close_namespace(gone);
        nets->known -= seen_count(gone->known);
        seen_free(gone->known);
        seen_free(gone->fresh);
        free(gone);
}

static struct net *make(struct sensor *s, uint64_t ns, int fd)
{
        struct net *n = calloc(1, sizeof(*n));

        if (!n)
                return NULL;
        if (seen_new(NET_KNOWN, map_seed_random(), &n->known) < 0) {
                free(n);
                return NULL;
        }
        n->s = s;
        n->ns = ns;
        n->fd = fd;
        n->host = ns == s->nets->own_ns;
        n->inbound_rate = (struct rate){.interval_ns = NSEC_PER_SEC / 10, .burst = 50};
        n->packet_rate = (struct rate){.interval_ns = NSEC_PER_MSEC, .burst = 2000};
        /* Half of what the table lets through (act/nettable): this one is used up before that one is. */
        n->thick_rate = (struct rate){.interval_ns = NSEC_PER_MSEC, .burst = 500};
        n->remake_rate = (struct rate){.interval_ns = REMAKE_NS, .burst = REMAKE_BURST};
        n->next = s->nets->first;
        s->nets->first = n;
        s->nets->count++;
        return n;
}

/* ---- asking the worker ---- */

void net_ask(struct sensor *s, struct net *n, uint32_t flags)
{
        int r;

        if (n->asked || n->fd < 0) {
                n->again = n->asked;
                return;
        }
        n->token = ++s->nets->last_token;
        r = nsworker_ask(s->nets->worker, n->token, n->fd, flags, flags & NSW_LISTEN ? 0 : n->group);
        n->asked = r == 0;
        if (r < 0) {
                s->nets->stats.refused++;
                n->state = n->state == NET_ASKED ? NET_REFUSED : n->state;
        }
}

static uint32_t flags_of(const struct net *n)
{
        switch (n->scope) {
        case NET_SCOPE_NAMESPACE:
                return NSW_FLOWS | NSW_NAMES | NSW_LISTEN;
        case NET_SCOPE_HOST: /* seen from the host's: here only who has which socket */
                return n->host ? NSW_FLOWS | NSW_NAMES | NSW_PASSING | NSW_LISTEN : NSW_LISTEN;
        default:
                return NSW_TAKE_AWAY; /* of an earlier life that was configured otherwise */
        }
}

size_t net_tables(const struct nets *nets)
{
        size_t count = 0;

        for (const struct net *n = nets->first; n; n = n->next)
                count += n->state == NET_WATCHED && (flags_of(n) & NSW_FLOWS);
        return count;
}

/* The namespace of a process, if it still is the one that its container was found in. */
static int open_namespace(const struct container *c)
{
        char path[64];
        struct stat st;
        int fd;

        snprintf(path, sizeof(path), "/proc/%u/ns/net", c->init_pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) == 0 && st.st_ino == c->netns)
                return fd;
        close(fd);
        return -ESTALE;
}

static void watch(struct sensor *s, const struct container *c, enum net_scope scope)
{
        struct net *n;
        int fd;

        if (s->nets->ending)
                return;
        fd = open_namespace(c);
        n = fd >= 0 ? make(s, c->netns, fd) : NULL;
        if (!n) {
                if (fd >= 0)
                        close(fd);
                s->nets->stats.refused++;
                log_debug(MOD, "container %.12s: its network namespace cannot be opened (%s)", c->id,
                          fd < 0 ? err_str(fd) : "no memory");
                return;
        }
        n->scope = scope;
        net_ask(s, n, flags_of(n));
}

/* With scope host everything is seen from there. */
static void watch_host(struct sensor *s)
{
        struct container self = {.init_pid = (uint32_t)getpid(), .netns = s->nets->own_ns, .id = "host"};
        struct net *n = by_ns(s->nets, s->nets->own_ns);

        if (!n)
                watch(s, &self, NET_SCOPE_HOST);
}

/* ---- what is due ---- */

static void sooner(uint64_t *next, uint64_t due)
{
        if (due && (*next == 0 || due < *next))
                *next = due;
}

static void set_timer(struct sensor *s)
{
        uint64_t next = 0;

        for (struct net *n = s->nets->first; n; n = n->next) {
                sooner(&next, n->listen_due_ns);
                sooner(&next, n->remake_due_ns);
                sooner(&next, n->over_due_ns);
        }
        if (next)
                loop_timer_set(s->nets->timer, next);
}

void net_listen_later(struct sensor *s, struct net *n, uint64_t delay_ns)
{
        if (n->state != NET_WATCHED || n->listen_due_ns)
                return;
        n->listen_due_ns = loop_now(s->loop) + delay_ns;
        set_timer(s);
}

void net_count_later(struct sensor *s, struct net *n)
{
        if (n->over_due_ns)
                return;
        n->over_since_ns = loop_now(s->loop);
        n->over_due_ns = n->over_since_ns + NSEC_PER_SEC;
        set_timer(s);
}

static void remake(struct sensor *s, struct net *n)
{
        net_ask(s, n, flags_of(n) & ~(uint32_t)NSW_LISTEN);
}

static void on_due(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        uint64_t now = loop_now(s->loop);

        (void)t;
        for (struct net *n = s->nets->first; n; n = n->next) {
                if (n->listen_due_ns && n->listen_due_ns <= now) {
                        n->listen_due_ns = 0;
                        n->listened_ns = now;
                        net_listen(s, n);
                }
                if (n->remake_due_ns && n->remake_due_ns <= now) {
                        n->remake_due_ns = 0;
                        remake(s, n);
                }
                if (n->over_due_ns && n->over_due_ns <= now) {
                        n->over_due_ns = 0;
                        net_ask(s, n, 0); /* a look: made anew it would count from 0 */
                }
        }
        set_timer(s);
}

/* ---- its answers ---- */

static void take_addresses(struct net *n, const struct nsworker_answer *a)
{
        n->naddresses = a->naddresses;
        for (uint32_t i = 0; i < a->naddresses; i++) {
                n->addresses[i].len = a->addresses[i].len;
                memcpy(n->addresses[i].bytes, a->addresses[i].bytes, sizeof(n->addresses[i].bytes));
        }
        n->max = a->conntrack_max;
        n->entries = a->conntrack_count;
        n->group = a->group ? a->group : n->group;
}

static int open_sources(struct sensor *s, struct net *n, struct nsworker_answer *a)
{
        int r = 0;

        if (a->diag >= 0 && !n->diag) {
                r = diag_source_open(a->diag, &n->diag);
                if (r == 0)
                        a->diag = -1;
        }
        if (r == 0 && a->events >= 0 && !n->flows) {
                r = flow_source_open(s->loop, a->events, &net_flow_ops, n, &n->flows);
                if (r == 0)
                        a->events = -1;
        }
        return r;
}

static void refused(struct sensor *s, struct net *n, int error)
{
        struct container *c = NULL;

        if (n->state != NET_REFUSED) /* once, not on each round */
                log_warn(MOD, "container %.12s: the flows of its network namespace cannot be watched: %s",
                         net_owners(s, n, &c, 1) ? c->id : "(gone)", err_str(error));
        n->state = NET_REFUSED;
        close_sources(n);
        s->nets->stats.refused++;
}

/* A process of the container that takes it away is told as an act of its own; for the others it is a gap. */
static void tell_removed(struct sensor *s, struct net *n, uint32_t pid)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .sources = SRC_CONNTRACK};
        struct container *c = NULL;

        if (pid && proctab_actor(s->proctab, pid, clock_boot_ns(), &s->lineage, &ev.priv.actor, &c) == 0 && c) {
                ev.container = bytes_str(c->id);
                ev.priv.what = PRIV_BLINDED;
                sensor_send(s, PAIR_EXEC, &ev, -1);
        }
        if (!c && !net_owners(s, n, &c, 1))
                return;
        ev = (struct tide_event){.kind = TIDE_LOSS, .sources = SRC_CONNTRACK, .container = bytes_str(c->id)};
        ev.loss.lost_source = SRC_CONNTRACK;
        ev.loss.from_ns = ev.loss.to_ns = clock_boot_ns();
        ev.loss.what = BYTES_LIT("our nftables table was removed or changed in its namespace, and is made anew");
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

/* Whoever takes it away again and again does not make us make it without an end. */
void net_removed(struct sensor *s, struct net *n, uint32_t pid)
{
        n->removed++;
        s->nets->stats.removed++;
        tell_removed(s, n, pid);
        if (n->remake_due_ns)
                return;
        if (rate_pass(&n->remake_rate, loop_now(s->loop), NULL)) {
                remake(s, n);
                return;
        }
        n->remake_due_ns = loop_now(s->loop) + REMAKE_NS;
        set_timer(s);
}

/* The table counts from when it was made. */
static void take_over(struct sensor *s, struct net *n, const struct nsworker_answer *a)
{
        uint64_t before = a->made || a->names_over < n->over ? 0 : n->over;

        n->over = a->names_over;
        if (n->over == before)
                return;
        sensor_lost(s, LOST_PACKETS, n->over - before, n->over_since_ns);
        net_count_later(s, n);
}

bool net_is_filling(const struct sensor *s, const struct net *n)
{
        return n->max && n->entries >= n->max / 100 * s->cfg->net_guard;
}

static void stands(struct sensor *s, struct net *n, struct nsworker_answer *a)
{
        bool anew = n->state != NET_WATCHED;
        int r = open_sources(s, n, a);

        if (r < 0) {
                refused(s, n, r);
                return;
        }
        take_addresses(n, a);
        take_over(s, n, a);
        n->state = NET_WATCHED;
        if (!anew)
                return;
        n->watched_ns = clock_boot_ns();
        net_begin(s, n);
        if (net_is_filling(s, n)) /* others have switched conntrack on already, and use it */
                net_withdraw(s, n);
}

static void on_answer(struct nsworker_answer *a, void *arg)
{
        struct sensor *s = arg;
        struct net *n = by_token(s->nets, a->token);
        bool again;

        if (!n)
                return;
        again = n->again;
        n->asked = n->again = false;
        if (n->state == NET_LEFT || (a->flags & NSW_TAKE_AWAY)) {
                if (a->error < 0 && n->state == NET_LEFT)
                        log_warn(MOD, "our nftables table could not be taken away from a network namespace: %s",
                                 err_str(a->error));
                if (n->state == NET_LEFT && !(a->flags & NSW_TAKE_AWAY)) /* it was left while this was under way */
                        net_ask(s, n, NSW_TAKE_AWAY);
                else if (n->state != NET_WITHDRAWN)
                        forget(s->nets, n);
                return;
        }
        if (a->error < 0)
                refused(s, n, a->error);
        else
                stands(s, n, a);
        if (again && n->state == NET_WATCHED)
                net_ask(s, n, flags_of(n) & ~(uint32_t)NSW_LISTEN);
}

static const struct nsworker_ops worker_ops = {.answer = on_answer};

/* ---- the guard ---- */

/* Long before the table is full: what is in it ends by itself once nothing new comes in. */
void net_withdraw(struct sensor *s, struct net *n)
{
        struct container *c = NULL;
        struct tide_event ev = {.kind = TIDE_LOSS, .sources = SRC_CONNTRACK};
        char what[160];

        if (n->state != NET_WATCHED || n->asked || !(flags_of(n) & NSW_FLOWS))
                return;
        s->nets->stats.withdrawn++;
        snprintf(what, sizeof(what),
                 "%llu of %llu entries of conntrack are in use: flows are not watched, so that they do not fill it",
                 (unsigned long long)n->entries, (unsigned long long)n->max);
        log_warn(MOD, "container %.12s: %s", net_owners(s, n, &c, 1) ? c->id : "(gone)", what);
        if (c) {
                ev.container = bytes_str(c->id);
                ev.loss.lost_source = SRC_CONNTRACK;
                ev.loss.from_ns = clock_boot_ns();
                ev.loss.to_ns = ev.loss.from_ns + s->cfg->round_ns;
                ev.loss.what = bytes_str(what);
                sensor_send(s, PAIR_CONTROL, &ev, -1);
        }
        n->state = NET_WITHDRAWN;
        net_ask(s, n, NSW_TAKE_AWAY);
}

/* ---- containers that come and go ---- */

static void leave(struct sensor *s, struct net *n)
{
        uint32_t flags = flags_of(n);

        if (n->flows)
                flow_source_drain(n->flows); /* what its last tasks did */
        close_sources(n);
        n->state = NET_LEFT;
        if (!(flags & NSW_FLOWS)) {
                if (!n->asked)
                        forget(s->nets, n);
                return;
        }
        net_ask(s, n, NSW_TAKE_AWAY);
        if (!n->asked) /* there are too many requests: the namespace is gone with its tasks, as a rule */
                forget(s->nets, n);
}

/* Of the containers that share a namespace the one that is to be seen best counts. */
static enum net_scope scope_of(const struct sensor *s, uint64_t ns)
{
        enum net_scope best = NET_SCOPE_OFF;
        struct container *c;

        for (size_t i = 0; containers_next(s->containers, &i, &c);)
                if (c->netns == ns && c->net_scope < best)
                        best = (enum net_scope)c->net_scope;
        return best;
}

/* Watch it as its containers ask for, and no longer as they asked before. */
static void watch_as_asked(struct sensor *s, const struct container *c)
{
        struct net *n = by_ns(s->nets, c->netns);
        enum net_scope scope = scope_of(s, c->netns);

        if (n && (n->scope == scope || n->host))
                return;
        if (n)
                leave(s, n);
        if (scope != NET_SCOPE_OFF)
                watch(s, c, scope);
        if (scope == NET_SCOPE_HOST)
                watch_host(s);
}

/* Where it depends on the workload nothing is done before that is known; what an earlier life left behind is taken away
 * where it is not to be watched. */
void sensor_net_container(struct sensor *s, struct container *c)
{
        if (!s->nets || !c->netns)
                return;
        c->net_scope = (uint8_t)(cfg_net_scope_differs(s->cfg) ? NET_SCOPE_OFF : s->nets->scope);
        if (s->nets->scope == NET_SCOPE_OFF && c->running_before && !by_ns(s->nets, c->netns))
                watch(s, c, NET_SCOPE_OFF);
        else if (!cfg_net_scope_differs(s->cfg))
                watch_as_asked(s, c);
}

int sensor_net_scope(struct sensor *s, struct container *c, struct bytes word)
{
        static const char *const words[] = {"namespace", "host", "off"};
        unsigned i = 0;

        while (i < ARRAY_LEN(words) && !bytes_eq(word, bytes_str(words[i])))
                i++;
        if (i == ARRAY_LEN(words))
                return -EINVAL;
        if (!s->nets || !c->netns)
                return 0;
        c->net_scope = (uint8_t)i;
        if (i == NET_SCOPE_OFF && c->running_before && !by_ns(s->nets, c->netns))
                watch(s, c, NET_SCOPE_OFF);
        else
                watch_as_asked(s, c);
        return 0;
}

void sensor_net_emptied(struct sensor *s)
{
        struct net *next;

        if (!s->nets)
                return;
        for (struct net *n = s->nets->first; n; n = next) {
                next = n->next;
                if (n->state != NET_LEFT && !(n->host && n->scope == NET_SCOPE_HOST) &&
                    net_containers(s, n, NULL, 0) == 0)
                        leave(s, n);
        }
}

void sensor_net_exec(struct sensor *s, struct container *c)
{
        struct net *n = s->nets ? by_ns(s->nets, c->netns) : NULL;
        uint64_t now = loop_now(s->loop), delay = NSEC_PER_SEC;

        if (!n) { /* it was empty for a moment, or could not be opened */
                if (s->nets && c->netns && c->net_scope != NET_SCOPE_OFF && !cfg_net_scope_differs(s->cfg))
                        watch_as_asked(s, c);
                return;
        }
        if (n->listened_ns && n->listened_ns + 5 * NSEC_PER_SEC > now + delay)
                delay = n->listened_ns + 5 * NSEC_PER_SEC - now;
        net_listen_later(s, n, delay);
}

/* What could not be watched is tried again; what is there is counted anew, and made anew where it is not whole. */
void sensor_net_round(struct sensor *s)
{
        if (!s->nets)
                return;
        for (struct net *n = s->nets->first; n; n = n->next) {
                if (n->state == NET_LEFT)
                        continue;
                if (n->state == NET_WITHDRAWN || n->state == NET_REFUSED)
                        net_ask(s, n, flags_of(n));
                else
                        net_ask(s, n, flags_of(n) & ~(uint32_t)NSW_LISTEN);
                net_listen_later(s, n, 0);
        }
}

/* ---- begin and end ---- */

static int alive(const struct sockets_process *p, void *arg)
{
        struct sensor *s = arg;
        uint64_t start;

        return proctab_start(s->proctab, p->pid, &start) == 0 && start == p->start;
}

struct collect {
        uint64_t ns;
        struct sockets_process *to;
        size_t n, max;
};

static void collect(uint32_t pid, uint64_t start, struct container *c, void *arg)
{
        struct collect *k = arg;

        if (c->netns != k->ns)
                return;
        if (k->n == k->max) /* the youngest are kept */
                memmove(&k->to[0], &k->to[1], --k->n * sizeof(k->to[0]));
        k->to[k->n++] = (struct sockets_process){.pid = pid, .start = start};
}

static size_t candidates(uint64_t netns, struct sockets_process *to, size_t n, void *arg)
{
        struct sensor *s = arg;
        struct collect k = {.ns = netns, .to = to, .max = n};

        proctab_each_acting(s->proctab, collect, &k);
        return k.n;
}

static const struct sockets_ops sockets_ops = {.candidates = candidates, .alive = alive};

static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_enterer(&n);

        return caps_reduce(needs, n);
}

int sensor_net_start(struct sensor *s)
{
        struct nsworker_setup setup = {.group = NFLOG_GROUP,
                                       .rcvbuf = (int)s->cfg->net_rcvbuf,
                                       .deadline_ns = WORKER_DEADLINE_NS,
                                       .confine = confine};
        struct stat st;
        int r;

        if (facility_in(s->cfg->disabled, FACILITY_FLOWS))
                return 0;
        s->nets = calloc(1, sizeof(*s->nets));
        if (!s->nets)
                return -ENOMEM;
        s->nets->scope = cfg_net_scope(s->cfg);
        setup.instance = cfg_instance(s->setup->state_dir, s->nets->instance);
        r = stat("/proc/self/ns/net", &st) < 0 ? -errno : 0;
        s->nets->own_ns = r == 0 ? st.st_ino : 0;
        if (r == 0)
                r = nsworker_start(s->loop, &setup, &worker_ops, s, &s->nets->worker);
        if (r == 0)
                r = sockets_new(&sockets_ops, s, &s->nets->sockets);
        if (r == 0)
                r = loop_timer_new(s->loop, on_due, s, &s->nets->timer);
        if (r < 0) {
                log_error(MOD, "the helper for network namespaces cannot be started: %s", err_str(r));
                return r;
        }
        if (s->nets->scope == NET_SCOPE_HOST)
                watch_host(s);
        return 0;
}

/* The containers that run are found by now: their namespaces are watched before anybody is told that we are ready. */
void sensor_net_settle(struct sensor *s)
{
        if (s->nets)
                nsworker_finish(s->nets->worker);
}

/* Nobody is to be surprised by what stands in the namespaces of his containers. */
void sensor_net_say(const struct sensor *s)
{
        static const char otherwise[] = "network.scope has it otherwise: tidemark.conf(5)";

        if (!s->nets || s->nets->scope == NET_SCOPE_OFF)
                log_info(MOD, "connections are not watched (network.scope)");
        else if (s->nets->scope == NET_SCOPE_HOST)
                log_info(MOD,
                         "connections: a table of ours (inet tidemark-%s) switches conntrack on in the host's "
                         "namespace; %s",
                         s->nets->instance, otherwise);
        else
                log_info(MOD,
                         "connections: a table of ours (inet tidemark-%s) switches conntrack on in each container's "
                         "network namespace, %zu now; %s",
                         s->nets->instance, net_tables(s->nets), otherwise);
}

void sensor_net_stop(struct sensor *s)
{
        struct net *next;

        if (!s->nets)
                return;
        s->nets->ending = true;
        for (struct net *n = s->nets->first; n; n = next) {
                next = n->next;
                if (n->state != NET_LEFT)
                        leave(s, n);
        }
        if (s->nets->worker)
                nsworker_finish(s->nets->worker);
        if (s->nets->first)
                log_warn(MOD, "%zu network namespaces may still hold our nftables table: %s", s->nets->count,
                         "tidemark probe prints what would remove it");
        while (s->nets->first)
                forget(s->nets, s->nets->first);
        nsworker_stop(s->nets->worker);
        sockets_free(s->nets->sockets);
        loop_timer_free(s->nets->timer);
        free(s->nets);
        s->nets = NULL;
}
