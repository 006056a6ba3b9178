/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our table in the network namespaces that are watched: asked for, looked at, made anew, withdrawn.
 *
 * Owns: what is asked of the helper, and what its answers mean; the guard. Must not: decide which namespaces are
 * watched (sensor_net.c), or wait for an answer. Hands over: sockets to sensor_flows.c; the first look to
 * sensor_listen.c.
 *
 * One request a namespace at a time. What is wanted meanwhile is asked when the answer has come, as it is wanted then.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/sensor_net-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "network"
#define REMAKE_NS (5 * NSEC_PER_SEC)
#define REMAKE_BURST 6u
#define RETRY_NS (60 * NSEC_PER_SEC) /* what could not be watched, or taken away */

void net_table_init(struct net *n)
{
        n->remake_rate = (struct rate){.interval_ns = REMAKE_NS, .burst = REMAKE_BURST};
}

uint32_t net_flags(const struct net *n)
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

/* The sockets are opened once: what the table logs to is theirs. Once it is asked what switching conntrack on does. */
static uint32_t wanted(const struct net *n)
{
        uint32_t flags = n->flows ? net_flags(n) & ~(uint32_t)NSW_LISTEN : net_flags(n);
        struct nets *nets = n->s->nets;

        bool try = (flags & NSW_FLOWS) && !nets->tried && !nets->trying && cfg_net_scope_is_auto(n->s->cfg);

        return try ? flags | NSW_TRY : flags;
}

static void ask(struct sensor *s, struct net *n, uint32_t flags)
{
        int r;

        if (n->asked || n->fd < 0)
                return;
        n->token = ++s->nets->last_token;
        r = nsworker_ask(s->nets->worker, n->token, n->fd, flags, flags & NSW_LISTEN ? 0 : n->group);
        n->asked = r == 0;
        if (r == 0) {
                s->nets->trying = s->nets->trying || (flags & NSW_TRY);
                return;
        }
        s->nets->stats.refused++;
        n->state = n->state == NET_ASKED ? NET_REFUSED : n->state;
        net_due(s, &n->retry_due_ns, RETRY_NS);
}

/* Of making it and taking it away the last word counts, whatever was to be tried again. */
void net_make(struct sensor *s, struct net *n)
{
        n->away_wanted = false;
        n->away_due_ns = 0;
        n->make_wanted = n->asked;
        ask(s, n, wanted(n));
}

void net_look(struct sensor *s, struct net *n)
{
        n->look_wanted = n->asked;
        ask(s, n, 0);
}

void net_take_away(struct sensor *s, struct net *n)
{
        n->make_wanted = false;
        n->remake_due_ns = 0;
        n->away_wanted = n->asked;
        ask(s, n, NSW_TAKE_AWAY);
        if (!n->asked)
                net_due(s, &n->away_due_ns, RETRY_NS);
}

/* What was wanted while the last request was under way. */
static void ask_again(struct sensor *s, struct net *n)
{
        bool make = n->make_wanted, look = n->look_wanted, away = n->away_wanted;

        n->make_wanted = n->look_wanted = n->away_wanted = false;
        if (away)
                ask(s, n, NSW_TAKE_AWAY);
        else if (make)
                ask(s, n, wanted(n));
        else if (look)
                ask(s, n, 0);
}

size_t net_tables(const struct nets *nets)
{
        size_t count = 0;

        for (const struct net *n = nets->first; n; n = n->next)
                count += n->state == NET_WATCHED && (net_flags(n) & NSW_FLOWS);
        return count;
}

/* ---- telling ---- */

/* Of flows, from a moment on: for its containers that is a gap in what is watched. */
static void tell_gap(struct sensor *s, struct net *n, uint64_t from_ns, uint64_t to_ns, const char *what)
{
        struct tide_event ev = {.kind = TIDE_LOSS, .sources = SRC_CONNTRACK};
        struct container *c = NULL;

        if (!net_owners(s, n, &c, 1))
                return;
        ev.container = bytes_str(c->id);
        ev.loss.lost_source = SRC_CONNTRACK;
        ev.loss.from_ns = from_ns;
        ev.loss.to_ns = to_ns;
        ev.loss.what = bytes_str(what);
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

static const char *owner_id(const struct sensor *s, const struct net *n)
{
        struct container *c = NULL;

        return net_owners(s, n, &c, 1) ? c->id : n->host ? "(the host's)" : "(gone)";
}

/* A process of the container that takes it away is told as an act of its own; for the others it is a gap. */
static void tell_removed(struct sensor *s, struct net *n, uint32_t pid)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .sources = SRC_CONNTRACK};
        struct container *c = NULL;
        uint64_t now = clock_boot_ns();

        if (pid && proctab_actor(s->proctab, pid, now, &s->lineage, &ev.priv.actor, &c) == 0 && c) {
                ev.container = bytes_str(c->id);
                ev.priv.what = PRIV_BLINDED;
                sensor_send(s, PAIR_EXEC, &ev, -1);
        }
        tell_gap(s, n, now, now, "our nftables table was removed or changed in its namespace, and is made anew");
}

/* Whoever takes it away again and again does not make us make it, or tell of it, without an end. */
void net_removed(struct sensor *s, struct net *n, uint32_t pid)
{
        n->removed++;
        s->nets->stats.removed++;
        if (n->remake_due_ns)
                return;
        tell_removed(s, n, pid);
        if (rate_pass(&n->remake_rate, loop_now(s->loop), NULL))
                net_make(s, n);
        else
                net_due(s, &n->remake_due_ns, REMAKE_NS);
}

/* ---- the guard ---- */

bool net_is_filling(const struct sensor *s, const struct net *n)
{
        return n->max && n->entries * 100 >= n->max * s->cfg->net_guard;
}

/* Long before conntrack's table is full: what is in it ends by itself once nothing new comes in. */
static void withdraw(struct sensor *s, struct net *n)
{
        uint64_t now = clock_boot_ns();
        char what[160];

        s->nets->stats.withdrawn++;
        snprintf(what, sizeof(what),
                 "%llu of %llu entries of conntrack are in use: flows are not watched, so that they do not fill it",
                 (unsigned long long)n->entries, (unsigned long long)n->max);
        log_warn(MOD, "container %.12s: %s", owner_id(s, n), what);
        tell_gap(s, n, now, now + s->cfg->round_ns, what);
        n->state = NET_WITHDRAWN;
        net_changed(s, n);
        net_take_away(s, n);
}

/* ---- answers ---- */

/* True: it has some that it had not before. */
static bool take_addresses(struct net *n, const struct nsworker_answer *a)
{
        bool more = false;

        for (uint32_t i = 0; i < a->naddresses; i++) {
                struct flow_address address = {.len = a->addresses[i].len};

                memcpy(address.bytes, a->addresses[i].bytes, sizeof(address.bytes));
                more = more || !net_is_local(n, &address);
        }
        n->naddresses = a->naddresses;
        for (uint32_t i = 0; i < a->naddresses; i++) {
                n->addresses[i].len = a->addresses[i].len;
                memcpy(n->addresses[i].bytes, a->addresses[i].bytes, sizeof(n->addresses[i].bytes));
        }
        return more;
}

static void take_counts(struct net *n, const struct nsworker_answer *a)
{
        n->max = a->conntrack_max;
        n->entries = a->conntrack_count;
        n->group = a->group ? a->group : n->group;
        if (a->made)
                n->rules = a->rules;
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

/* Nothing of it is watched: said once, and tried again. */
static void refused(struct sensor *s, struct net *n, int error)
{
        uint64_t now = clock_boot_ns();

        s->nets->stats.refused++;
        if (n->state != NET_REFUSED) {
                log_warn(MOD, "container %.12s: the flows of its network namespace cannot be watched: %s",
                         owner_id(s, n), err_str(error));
                tell_gap(s, n, now, now + s->cfg->round_ns, "the flows of its network namespace cannot be watched");
        }
        n->state = NET_REFUSED;
        net_changed(s, n);
        net_close_sources(n);
        net_due(s, &n->retry_due_ns, RETRY_NS);
}

/* A look, or making it anew, has failed: what was open stays open, and it is tried again. */
static void failed(struct sensor *s, struct net *n, const struct nsworker_answer *a)
{
        uint64_t now = clock_boot_ns();

        if (!n->flows) {
                refused(s, n, a->error);
                return;
        }
        s->nets->stats.refused++;
        log_warn(MOD, "container %.12s: our nftables table in its network namespace cannot be %s: %s", owner_id(s, n),
                 a->flags ? "made anew" : "looked at", err_str(a->error));
        if (a->flags)
                tell_gap(s, n, now, now + RETRY_NS, "our nftables table cannot be made anew in its namespace");
        net_due(s, &n->retry_due_ns, RETRY_NS);
}

/* Is what stands there what was made? Where nothing of ours should stand, an earlier life may have left it. */
static void mend(struct sensor *s, struct net *n, const struct nsworker_answer *a)
{
        bool should = net_flags(n) & NSW_FLOWS;

        if (should && !a->made && !a->stands)
                net_removed(s, n, 0);
        else if (should && !a->made && a->rules != n->rules && rate_pass(&n->remake_rate, loop_now(s->loop), NULL))
                net_make(s, n);
        else if (!should && a->stands)
                net_take_away(s, n);
}

/* A look has told how full conntrack's table is since ours was withdrawn. */
static void come_back(struct sensor *s, struct net *n)
{
        if (net_is_filling(s, n))
                net_due(s, &n->retry_due_ns, s->cfg->round_ns);
        else
                net_make(s, n);
}

static void stands(struct sensor *s, struct net *n, struct nsworker_answer *a)
{
        bool away = n->state == NET_WITHDRAWN, more = take_addresses(n, a), filling;
        int r = open_sources(s, n, a);

        if (r < 0) {
                refused(s, n, r);
                return;
        }
        take_counts(n, a);
        filling = net_is_filling(s, n); /* by the kernel's number, which holds what is still to be read */
        take_over(s, n, a);
        if (away && !a->made) {
                come_back(s, n);
                return;
        }
        n->state = NET_WATCHED;
        net_changed(s, n);
        n->look_gap_ns = more ? 0 : n->look_gap_ns;
        if (!n->watched_ns) {
                n->watched_ns = clock_boot_ns();
                net_begin(s, n);
        } else if (a->made) {
                net_catch_up(s, n); /* what was connected while it was away */
        }
        if (more && (!a->made || net_stream(s, n) != n))
                net_dump(s, net_stream(s, n)); /* what was told of an address that was not known yet */
        if (filling && (net_flags(n) & NSW_FLOWS))
                withdraw(s, n);
        else
                mend(s, n, a);
}

/* Its last task is gone, or it is not to be watched; who lives there now may have asked for it anew. */
static void left(struct sensor *s, struct net *n, const struct nsworker_answer *a)
{
        bool taken = a->flags & NSW_TAKE_AWAY;

        if (taken && a->error < 0)
                log_warn(MOD, "our nftables table could not be taken away from a network namespace: %s",
                         err_str(a->error));
        if (!taken && n->away_wanted && !net_by_ns(s->nets, n->ns))
                ask(s, n, NSW_TAKE_AWAY);
        if (!n->asked)
                net_forget(s->nets, n);
}

static void taken_away(struct sensor *s, struct net *n, const struct nsworker_answer *a)
{
        if (a->error < 0) {
                if (!n->away_failed)
                        log_warn(MOD,
                                 "container %.12s: our nftables table could not be taken away from its network "
                                 "namespace, this is tried again: %s",
                                 owner_id(s, n), err_str(a->error));
                net_due(s, &n->away_due_ns, n->away_failed ? RETRY_NS : REMAKE_NS);
                n->away_failed = true;
        } else if (n->state != NET_WITHDRAWN && net_flags(n) == NSW_TAKE_AWAY) {
                net_forget(s->nets, n); /* that was all */
                return;
        }
        if (n->state == NET_ASKED ? net_flags(n) != NSW_TAKE_AWAY
                                  : n->state == NET_WATCHED && (net_flags(n) & NSW_FLOWS))
                net_make(s, n); /* meanwhile it is to be watched */
}

static struct net *by_token(const struct nets *nets, uint64_t token)
{
        for (struct net *n = nets->first; n; n = n->next)
                if (n->token == token)
                        return n;
        return NULL;
}

static void answered(struct sensor *s, struct net *n, struct nsworker_answer *a)
{
        n->asked = false;
        if (n->state == NET_LEFT) {
                left(s, n, a);
                return;
        }
        if (a->flags & NSW_TAKE_AWAY)
                taken_away(s, n, a);
        else if (a->error < 0)
                failed(s, n, a);
        else
                stands(s, n, a);
        n = by_token(s->nets, a->token);
        if (n && !n->asked)
                ask_again(s, n);
}

void net_on_answer(struct nsworker_answer *a, void *arg)
{
        struct sensor *s = arg;
        struct net *n = by_token(s->nets, a->token);

        if (a->flags & NSW_TRY) {
                s->nets->trying = false;
                s->nets->tried = s->nets->tried || (a->error == 0 && a->everywhere >= 0);
        }
        if (n)
                answered(s, n, a);
        if (a->everywhere == 1 && s->nets->scope == NET_SCOPE_NAMESPACE)
                net_turn_to_host(s);
}
/* ---- what is due ---- */

void net_table_due(struct sensor *s, struct net *n, uint64_t now)
{
        if (net_was_due(&n->remake_due_ns, now))
                net_make(s, n);
        if (net_was_due(&n->away_due_ns, now))
                net_take_away(s, n);
        if (net_was_due(&n->over_due_ns, now))
                net_look(s, n); /* made anew it would count from 0 */
        if (!net_was_due(&n->retry_due_ns, now))
                return;
        if (n->state == NET_WITHDRAWN) /* is there room again? */
                net_look(s, n);
        else
                net_make(s, n);
}

void net_count_later(struct sensor *s, struct net *n)
{
        if (n->over_due_ns)
                return;
        n->over_since_ns = loop_now(s->loop);
        net_due(s, &n->over_due_ns, NSEC_PER_SEC);
}
