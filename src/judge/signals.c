/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what a finding keeps of the acts that it holds: signals, processes, containers. Must not: decide which finding
 * an act belongs to (group.c), or score it. Pure.
 *
 * A finding, whole, must fit one record of a recording: what is kept of each name has a limit.
 */
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"

#define EXE_KEPT 200u
#define ARGS_KEPT 256u
#define NAMES_KEPT 400u

static struct bytes cut(struct bytes s, uint32_t max)
{
        return bytes_of(s.p, s.len < max ? s.len : max);
}

struct bytes signal_kept(struct bytes s, uint32_t max, char *dst)
{
        uint32_t tail, head;
        int n;

        if (s.len <= max)
                return s;
        tail = max / 3;
        head = max - tail - 56;
        memcpy(dst, s.p, head);
        n = snprintf(dst + head, 56, "...(%u bytes, %016llx)...", (unsigned)s.len,
                     (unsigned long long)map_hash((struct map_seed){0, 0}, s));
        memcpy(dst + head + n, s.p + s.len - tail, tail);
        return bytes_of(dst, head + (uint32_t)n + tail);
}

static int keep(struct str_owned *to, struct bytes s, uint32_t max)
{
        char text[NAME_KEPT];

        return str_set(to, signal_kept(s, max, text));
}

bool signal_is_kept(const struct str_owned *s, struct bytes whole, uint32_t max)
{
        char text[NAME_KEPT];

        return bytes_eq(str_get(s), signal_kept(whole, max, text));
}

void signal_lineage(const struct tide_actor *actor, struct lineage *ret)
{
        struct tide_ancestor a;
        struct rd r;

        ret->n = 0;
        rd_init(&r, actor->lineage.p, actor->lineage.len);
        while (ret->n < TIDE_LINEAGE_MAX && tide_lineage_next(&r, &a))
                ret->a[ret->n++] = a;
}

/* ---- what a finding knows of processes ---- */

bool signal_has_proc(const struct finding *f, uint32_t pid, uint64_t start)
{
        for (uint32_t i = 0; i < f->nprocs; i++)
                if (f->procs[i].pid == pid && f->procs[i].start == start)
                        return true;
        return false;
}

static void add_proc(struct finding *f, uint32_t pid, uint64_t start)
{
        if (pid == 0 || signal_has_proc(f, pid, start))
                return;
        f->procs[f->proc_next] = (struct finding_proc){.pid = pid, .start = start};
        f->proc_next = (f->proc_next + 1) % FINDING_PROCS;
        if (f->nprocs < FINDING_PROCS)
                f->nprocs++;
}

/* The actor, and its parent unless that is the init: everything descends from an init. */
static void add_actor(struct finding *f, const struct observation *o)
{
        struct lineage l;

        if (!(o->actor->flags & ACTOR_PID))
                return;
        add_proc(f, o->actor->pid, o->actor->start);
        signal_lineage(o->actor, &l);
        if (l.n && !is_init(o, l.a[l.n - 1].pid, l.a[l.n - 1].start))
                add_proc(f, l.a[l.n - 1].pid, l.a[l.n - 1].start);
}

static int set_proc(struct finding_proc *p, uint32_t pid, uint64_t start, struct bytes exe, struct bytes comm)
{
        int r = keep(&p->exe, exe, EXE_KEPT);

        p->pid = pid;
        p->start = start;
        return r < 0 ? r : str_set(&p->comm, cut(comm, 16));
}

/* The longest chain seen tells the most; an act with a known lineage replaces one without. */
static int set_lineage(struct finding *f, const struct observation *o)
{
        struct lineage l;
        int r = 0;

        if (!(o->actor->flags & ACTOR_PID))
                return 0;
        signal_lineage(o->actor, &l);
        if (l.n == FINDING_LINEAGE) { /* room for the actor: the outermost goes */
                memmove(l.a, l.a + 1, (l.n - 1) * sizeof(l.a[0]));
                l.n--;
        }
        if (f->nlineage > l.n + 1)
                return 0;
        for (f->nlineage = 0; f->nlineage < l.n && r == 0; f->nlineage++) {
                const struct tide_ancestor *a = &l.a[f->nlineage];

                r = set_proc(&f->lineage[f->nlineage], a->pid, a->start, a->exe, a->comm);
        }
        if (r == 0)
                r = set_proc(&f->lineage[f->nlineage++], o->actor->pid, o->actor->start, o->actor->exe, o->actor->comm);
        f->uid = o->actor->uid;
        f->login_uid = o->actor->login_uid;
        f->session = o->actor->session;
        f->actor_known = true;
        return r;
}

/* ---- signals ---- */

bool signal_same_cause(const struct finding_signal *s, const struct observation *o)
{
        return s->kind == o->dim && signal_is_kept(&s->key, o->key, NAME_KEPT) &&
               (signal_is_kept(&s->executable, o->exe, EXE_KEPT) || !o->known_exe || s->executable.len == 0);
}

static int container_index(struct finding *f, const struct container_memory *c, uint32_t *ret)
{
        struct finding_container *fc;
        int r;

        for (uint32_t i = 0; i < f->ncontainers; i++)
                if (bytes_eq(str_get(&f->containers[i].id), str_get(&c->id))) {
                        f->containers[i].count++;
                        *ret = i;
                        return 0;
                }
        if (f->ncontainers == FINDING_CONTAINERS) {
                *ret = FINDING_CONTAINERS; /* none of those kept */
                return 0;
        }
        fc = &f->containers[f->ncontainers];
        r = str_set(&fc->id, str_get(&c->id));
        if (r == 0)
                r = keep(&fc->name, str_get(&c->name), EXE_KEPT);
        if (r == 0)
                r = str_set(&fc->runtime, str_get(&c->runtime));
        fc->count = 1;
        *ret = f->ncontainers++;
        return r;
}

static void set_actor(struct finding_signal *s, const struct observation *o)
{
        s->pid = o->actor->flags & ACTOR_PID ? o->actor->pid : 0;
        s->start = o->actor->start;
        s->uid = o->actor->uid;
        s->origin = o->actor->origin;
}

static int set_parts(struct finding_signal *s, const struct tide_event *ev)
{
        _cleanup_buf_ struct buf parts;

        buf_init(&parts, ARGS_KEPT);
        observe_priv_parts(&ev->priv, &parts);
        return str_set(&s->args, buf_bytes(&parts));
}

static int set_names(struct finding_signal *s, const struct observation *o)
{
        _cleanup_buf_ struct buf parts;

        buf_init(&parts, NAMES_KEPT);
        observe_net_parts(&o->net, &parts);
        return str_set(&s->args, buf_bytes(&parts));
}

static void set_flow(const struct workload *w, struct finding_signal *s, const struct observation *o)
{
        const struct net_facts *n = &o->net;

        s->flow = (struct finding_flow){.proto = n->flow->proto,
                                        .direction = n->listens ? DIRECTION_IN : DIRECTION_OUT,
                                        .port = n->port,
                                        .has_port = n->has_port};
        if (n->kind != ADDRESS_NONE) {
                memcpy(s->flow.address, n->address.p, n->address.len);
                s->flow.address_len = (uint8_t)n->address.len;
        }
        if (!n->listens)
                s->flow.novelty = (uint8_t)net_novelty(w, o);
}

static int fill_signal(struct finding_signal *s, const struct observation *o)
{
        const struct tide_event *ev = o->ev;
        char ops[TIDE_OPS_TEXT];
        int r;

        s->kind = o->dim;
        set_actor(s, o);
        s->layer = o->layer;
        s->change = o->change;
        s->phase = (uint8_t)o->phase;
        s->flags = ev->flags;
        s->first_ns = ev->wall_ns;
        r = keep(&s->subject, o->subject, NAME_KEPT);
        if (r == 0)
                r = keep(&s->key, o->key, NAME_KEPT);
        if (r == 0)
                r = str_set(&s->operation, bytes_str(o->operation ? o->operation : tide_ops_text(o->ops, ops)));
        if (r == 0)
                r = keep(&s->executable, o->exe, EXE_KEPT);
        if (r == 0 && ev->kind == TIDE_EXEC)
                r = str_set(&s->args, cut(ev->exec.args, ARGS_KEPT));
        if (r == 0 && ev->kind == TIDE_PRIV)
                r = set_parts(s, ev);
        if (o->dim == DIM_NETWORK) {
                set_flow(o->c->workload, s, o);
                if (r == 0)
                        r = keep(&s->where, o->where, NAME_KEPT);
                if (r == 0)
                        r = set_names(s, o);
        }
        return r;
}

/* Operations of later acts on the same path join those of the first. */
static int add_ops(struct finding_signal *s, const struct observation *o)
{
        char now[TIDE_OPS_TEXT];
        unsigned all = o->ops;

        for (unsigned bit = 0; bit < 6; bit++) {
                const char *word = tide_ops_text(1u << bit, now),
                           *at = s->operation.p ? strstr(s->operation.p, word) : NULL;

                if (at)
                        all |= 1u << bit;
        }
        return str_set(&s->operation, bytes_str(tide_ops_text(all, now)));
}

int signal_add(struct finding *f, const struct observation *o)
{
        struct finding_signal *s = NULL;
        uint32_t container;
        int r = container_index(f, o->c, &container);

        f->count++;
        if (o->ev->wall_ns > f->last_ns)
                f->last_ns = o->ev->wall_ns;
        if (o->ev->wall_ns < f->first_ns)
                f->first_ns = o->ev->wall_ns; /* a file's act waits for its other half, a flow does not */
        add_actor(f, o);
        for (uint32_t i = 0; i < f->nsignals && !s; i++)
                if (signal_same_cause(&f->signals[i], o))
                        s = &f->signals[i];
        if (!s && f->nsignals == FINDING_SIGNALS) {
                f->signals_more++;
                return r;
        }
        if (!s) {
                s = &f->signals[f->nsignals++];
                s->container = container;
                if (r == 0)
                        r = fill_signal(s, o);
                if (r == 0)
                        r = set_lineage(f, o);
        } else if (r == 0) {
                r = o->dim == DIM_FILE ? add_ops(s, o) : 0;
                if (r == 0 && s->pid == 0 && (o->actor->flags & ACTOR_PID)) { /* now it is known who */
                        set_actor(s, o);
                        r = keep(&s->executable, o->exe, EXE_KEPT);
                        if (r == 0)
                                r = set_lineage(f, o);
                }
        }
        s->last_ns = o->ev->wall_ns;
        s->count++;
        return r;
}

static bool is_flow_of(const struct finding *f, const struct finding_signal *s, const struct container_memory *c,
                       const struct tide_flow *t, struct bytes address, uint16_t port)
{
        return s->kind == DIM_NETWORK && s->flow.direction == DIRECTION_OUT && s->flow.proto == t->proto &&
               (!s->flow.has_port || s->flow.port == port) && s->container < f->ncontainers &&
               bytes_eq(bytes_of(s->flow.address, s->flow.address_len), address) &&
               bytes_eq(str_get(&f->containers[s->container].id), str_get(&c->id));
}

bool signal_ended(struct finding *f, const struct container_memory *c, const struct tide_flow *t)
{
        bool rewritten = address_kind(t->remote) == ADDRESS_LOOPBACK && t->real.len;
        struct bytes address = address_plain(rewritten ? t->real : t->remote);

        for (uint32_t i = 0; i < f->nsignals; i++) {
                struct finding_flow *w = &f->signals[i].flow;

                if (!is_flow_of(f, &f->signals[i], c, t, address, rewritten ? t->real_port : t->rport))
                        continue;
                if (t->flags & FLOWF_COUNTED) {
                        w->counted = true;
                        w->bytes_out += t->bytes_out;
                        w->bytes_in += t->bytes_in;
                        w->ended++;
                }
                if (t->duration_ns > w->duration_ns)
                        w->duration_ns = t->duration_ns;
                return true;
        }
        return false;
}
