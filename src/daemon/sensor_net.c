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
#define ROUND_STEP_NS (20 * NSEC_PER_MSEC)
#define NFLOG_GROUP 0x7469u /* the first that is tried: nothing registers these numbers */

static size_t containers_in(const struct sensor *s, const struct net *n, bool living, struct container **to, size_t max)
{
        struct container *c;
        size_t count = 0;

        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                if (c->netns != n->ns || (living && c->tasks == c->strangers))
                        continue;
                if (c->net_scope == NET_SCOPE_OFF && n->scope != NET_SCOPE_OFF)
                        continue; /* nothing is told of it, whoever else lives there */
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

uint32_t net_before(const struct sensor *s, const struct net *n, const struct container *c)
{
        struct container *of = NULL;

        if (!c && net_owners(s, n, &of, 1))
                c = of;
        return c && c->running_before ? EVF_BEFORE : EVF_GAP;
}

struct net *net_by_ns(const struct nets *nets, uint64_t ns)
{
        for (struct net *n = nets->first; n; n = n->next)
                if (n->ns == ns && n->state != NET_LEFT)
                        return n;
        return NULL;
}

struct net *net_stream(const struct sensor *s, struct net *n)
{
        struct net *host = n->scope == NET_SCOPE_HOST && !n->host ? net_by_ns(s->nets, s->nets->own_ns) : NULL;

        return host ? host : n;
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

void net_close_sources(struct net *n)
{
        add_sources(n, &n->s->nets->stats);
        n->flows = flow_source_close(n->flows);
        n->diag = diag_source_close(n->diag);
        n->entries = 0;
}

static void close_namespace(struct net *n)
{
        net_close_sources(n);
        if (n->fd >= 0)
                close(n->fd);
        n->fd = -1;
}

void net_forget(struct nets *nets, struct net *gone)
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
        seen_free(gone->peers[0]);
        seen_free(gone->peers[1]);
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
        n->guard_rate = (struct rate){.interval_ns = NSEC_PER_SEC / 10, .burst = 1};
        net_table_init(n);
        n->next = s->nets->first;
        s->nets->first = n;
        s->nets->count++;
        return n;
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
        net_make(s, n);
}

/* The table is exchanged where it stands, or made where it was not wanted. */
static void change(struct sensor *s, struct net *n, enum net_scope scope)
{
        n->scope = scope;
        net_make(s, n);
}

/* With scope host everything is seen from there. */
static void watch_host(struct sensor *s)
{
        struct container self = {.init_pid = (uint32_t)getpid(), .netns = s->nets->own_ns, .id = "host"};
        struct net *n = net_by_ns(s->nets, s->nets->own_ns);

        if (!n)
                watch(s, &self, NET_SCOPE_HOST);
        else if (n->scope != NET_SCOPE_HOST)
                change(s, n, NET_SCOPE_HOST);
}

/* ---- what is due ---- */

static void set_timer(struct sensor *s)
{
        uint64_t next = 0;

        for (const struct net *n = s->nets->first; n; n = n->next) {
                const uint64_t all[] = {n->listen_due_ns, n->remake_due_ns, n->retry_due_ns, n->away_due_ns,
                                        n->over_due_ns};

                for (size_t i = 0; i < ARRAY_LEN(all) && n->state != NET_LEFT; i++)
                        if (all[i] && (next == 0 || all[i] < next))
                                next = all[i];
        }
        if (next)
                loop_timer_set(s->nets->timer, next);
}

void net_due(struct sensor *s, uint64_t *due, uint64_t delay_ns)
{
        uint64_t at = loop_now(s->loop) + delay_ns;

        if (*due && *due <= at)
                return;
        *due = at;
        set_timer(s);
}

bool net_was_due(uint64_t *due, uint64_t now)
{
        if (*due == 0 || *due > now)
                return false;
        *due = 0;
        return true;
}

void net_listen_later(struct sensor *s, struct net *n, uint64_t delay_ns)
{
        if (n->state == NET_WATCHED)
                net_due(s, &n->listen_due_ns, delay_ns);
}

static void on_due(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        uint64_t now = loop_now(s->loop);

        (void)t;
        for (struct net *n = s->nets->first; n; n = n->next) {
                if (n->state == NET_LEFT)
                        continue;
                if (net_was_due(&n->listen_due_ns, now)) {
                        n->listened_ns = now;
                        net_listen(s, n, n->listen_anew);
                        n->listen_anew = false;
                }
                net_table_due(s, n, now);
        }
        set_timer(s);
}

/* ---- containers that come and go ---- */

/* What an earlier life left in the host's own namespace. */
static void clean_host(struct sensor *s)
{
        struct container self = {.init_pid = (uint32_t)getpid(), .netns = s->nets->own_ns, .id = "host"};

        watch(s, &self, NET_SCOPE_OFF);
}

static void leave(struct sensor *s, struct net *n)
{
        n->state = NET_LEFT; /* before anything is told: who comes meanwhile makes his own */
        n->listen_due_ns = n->remake_due_ns = n->retry_due_ns = n->away_due_ns = n->over_due_ns = 0;
        if (n->flows)
                flow_source_drain(n->flows); /* what its last tasks did */
        net_close_sources(n);
        if ((net_flags(n) & NSW_FLOWS) && !net_by_ns(s->nets, n->ns))
                net_take_away(s, n);
        if (!n->asked) /* or there are too many requests: the namespace is gone with its tasks, as a rule */
                net_forget(s->nets, n);
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
        struct net *n = net_by_ns(s->nets, c->netns);
        enum net_scope scope = scope_of(s, c->netns);

        if (n && n->scope == NET_SCOPE_OFF && scope != NET_SCOPE_OFF) {
                change(s, n, scope); /* only what was left there was to be taken away */
        } else if (n && n->scope != scope && !(n->host && n->scope == NET_SCOPE_HOST)) {
                leave(s, n);
                n = NULL;
        }
        if (!n && scope != NET_SCOPE_OFF)
                watch(s, c, scope);
        if (scope == NET_SCOPE_HOST)
                watch_host(s);
}

enum tide_flows sensor_net_flows(const struct sensor *s, const struct container *c)
{
        const struct net *n = s->nets && c->net_scope != NET_SCOPE_OFF ? net_by_ns(s->nets, c->netns) : NULL;
        bool watched = n && n->state == NET_WATCHED;

        if (watched && n->scope == NET_SCOPE_HOST && !n->host) { /* told from there */
                n = net_by_ns(s->nets, s->nets->own_ns);
                watched = n && n->state == NET_WATCHED;
        }
        return watched ? FLOWS_WATCHED : FLOWS_DARK;
}

static void tell_flows(struct sensor *s, struct container *c)
{
        if (c->flows_told != FLOWS_UNTOLD && c->flows_told != sensor_net_flows(s, c))
                sensor_container_tell(s, c);
}

void net_changed(struct sensor *s, const struct net *n)
{
        struct container *c;

        for (size_t i = 0; containers_next(s->containers, &i, &c);)
                if (c->netns == n->ns || (n->host && c->net_scope == NET_SCOPE_HOST))
                        tell_flows(s, c);
}

void net_turn_to_host(struct sensor *s)
{
        struct container *c;

        log_info(MOD,
                 "conntrack is on in every network namespace of this kernel, now that it is loaded: flows are watched "
                 "in the host's (network.scope = \"auto\")");
        s->nets->scope = NET_SCOPE_HOST;
        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                if (!c->netns || c->net_scope != NET_SCOPE_NAMESPACE)
                        continue;
                c->net_scope = NET_SCOPE_HOST;
                watch_as_asked(s, c);
                tell_flows(s, c);
                i = 0; /* what is told meanwhile may have changed the list */
        }
}

/* Where it depends on the workload nothing is done before that is known; what an earlier life left behind is taken away
 * where it is not to be watched. */
void sensor_net_container(struct sensor *s, struct container *c)
{
        if (!s->nets || s->nets->ending || !c->netns)
                return;
        c->net_scope = (uint8_t)(cfg_net_scope_differs(s->cfg) ? NET_SCOPE_OFF : s->nets->scope);
        if (s->nets->scope == NET_SCOPE_OFF && c->running_before && !net_by_ns(s->nets, c->netns))
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
        if (!s->nets || s->nets->ending || !c->netns)
                return 0;
        c->net_scope = (uint8_t)i;
        if (i == NET_SCOPE_OFF && c->running_before && !net_by_ns(s->nets, c->netns))
                watch(s, c, NET_SCOPE_OFF);
        else
                watch_as_asked(s, c);
        tell_flows(s, c);
        return 0;
}

/* One in which nobody lives any more. Of the host's nothing is left behind that is seen from there. */
static struct net *emptied(const struct sensor *s)
{
        for (struct net *n = s->nets->first; n; n = n->next)
                if (n->state != NET_LEFT && !(n->host && n->scope != NET_SCOPE_NAMESPACE) &&
                    net_containers(s, n, NULL, 0) == 0)
                        return n;
        return NULL;
}

/* From the beginning each time: what is told in leaving one may change the list. */
void sensor_net_emptied(struct sensor *s)
{
        struct net *n;

        while (s->nets && !s->nets->ending && (n = emptied(s)))
                leave(s, n);
}

void sensor_net_exec(struct sensor *s, struct container *c)
{
        bool on = s->nets && !s->nets->ending && c->netns && c->net_scope != NET_SCOPE_OFF;
        struct net *n = on ? net_by_ns(s->nets, c->netns) : NULL;
        uint64_t now = loop_now(s->loop), delay = NSEC_PER_SEC;

        if (!n) { /* it was empty for a moment, or could not be opened */
                if (on)
                        watch_as_asked(s, c);
                return;
        }
        if (n->listened_ns && n->listened_ns + 5 * NSEC_PER_SEC > now + delay)
                delay = n->listened_ns + 5 * NSEC_PER_SEC - now;
        net_listen_later(s, n, delay);
}

/* What could not be watched is tried again; what is there is looked at, and made anew where it is not whole. Not all at
 * once: a look at the sockets of a namespace takes its time. */
void sensor_net_round(struct sensor *s)
{
        uint64_t delay = 0;

        for (struct net *n = s->nets ? s->nets->first : NULL; n; n = n->next) {
                if (n->state == NET_WATCHED || n->state == NET_WITHDRAWN)
                        net_look(s, n);
                else if (n->state == NET_REFUSED)
                        net_make(s, n);
                n->listen_anew = true;
                net_listen_later(s, n, delay += ROUND_STEP_NS);
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

static const struct nsworker_ops worker_ops = {.answer = net_on_answer};

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
        else
                clean_host(s);
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
                net_forget(s->nets, s->nets->first);
        nsworker_stop(s->nets->worker);
        sockets_free(s->nets->sockets);
        loop_timer_free(s->nets->timer);
        free(s->nets);
        s->nets = NULL;
}
