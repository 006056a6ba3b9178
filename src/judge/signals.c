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

#define TICK_NS 10000000u /* field 22 of /proc/PID/stat: USER_HZ is 100 everywhere */
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

/*
 * Is it a step of what its parent does, as the commands of a script are? A service that has run for long does its own
 * things, however many others have the same parent.
 */
bool signal_is_step(const struct observation *o)
{
        uint64_t began = o->actor->start * TICK_NS;

        return began > o->ev->boot_ns || o->ev->boot_ns - began < BURST_NS;
}

/* The actor, and its parent, if it is a step of that one and that is not the init: everything descends from an init. */
static void add_actor(struct finding *f, const struct observation *o)
{
        struct lineage l;

        if (!(o->actor->flags & ACTOR_PID))
                return;
        add_proc(f, o->actor->pid, o->actor->start);
        if (!signal_is_step(o))
                return;
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
        s->flow.names_more = observe_net_parts(&o->net, &parts);
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

/* It is told once of a file: perhaps when this program ran before. */
static void set_content(struct finding_signal *s, const struct observation *o)
{
        const struct content *v = o->c->workload ? content_of(o->c->workload, s) : NULL;

        s->hashed = v != NULL;
        if (v)
                memcpy(s->sha256, v->sha256, sizeof(s->sha256));
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
        if (r == 0 && ev->kind == TIDE_EXEC)
                set_content(s, o);
        if (r == 0 && ev->kind == TIDE_PRIV)
                r = set_parts(s, ev);
        if (o->dim == DIM_NETWORK) {
                set_flow(o->c->workload, s, o);
                if (r == 0)
                        r = keep(&s->where, o->where, WHERE_KEPT);
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

/* ---- where there are too many ---- */

static uint64_t cause_of(uint8_t kind, struct bytes key, struct bytes exe)
{
        uint64_t of_exe = map_hash((struct map_seed){1, kind}, exe);
        uint64_t h = map_hash((struct map_seed){2, of_exe}, key);

        return h ? h : 1;
}

uint64_t signal_cause_of(const struct finding_signal *s)
{
        return cause_of((uint8_t)s->kind, str_get(&s->key), str_get(&s->executable));
}

uint64_t signal_cause(const struct observation *o)
{
        char key[NAME_KEPT], exe[EXE_KEPT];

        return cause_of((uint8_t)o->dim, signal_kept(o->key, NAME_KEPT, key), signal_kept(o->exe, EXE_KEPT, exe));
}

bool signal_is_gone(const struct finding *f, uint64_t cause)
{
        for (uint32_t i = 0; f->signals_more && i < FINDING_GONE; i++)
                if (f->gone[i] == cause)
                        return true;
        return false;
}

static bool is_outbound(const struct finding_signal *s)
{
        return s->kind == DIM_NETWORK && s->flow.direction == DIRECTION_OUT;
}

/* Where flows that are not kept are counted. NULL: there are too many ports. */
static struct finding_rest *rest_of(struct finding *f, uint8_t proto, bool has_port, uint16_t port, bool make)
{
        struct finding_rest *x = f->rest;

        for (; x < f->rest + f->nrest; x++)
                if (x->to.proto == proto && x->to.has_port == has_port && x->to.port == port)
                        return x;
        if (!make || f->nrest == FINDING_REST)
                return NULL;
        f->nrest++;
        *x = (struct finding_rest){
                .to = {.proto = proto, .direction = DIRECTION_OUT, .port = port, .has_port = has_port}};
        return x;
}

static void add_traffic(struct finding_flow *to, const struct finding_flow *w)
{
        to->counted = to->counted || w->counted;
        to->bytes_out += w->bytes_out;
        to->bytes_in += w->bytes_in;
        to->ended += w->ended;
        if (w->duration_ns > to->duration_ns)
                to->duration_ns = w->duration_ns;
}

static void count_rest(struct finding *f, const struct finding_signal *s)
{
        struct finding_rest *x =
                is_outbound(s) ? rest_of(f, s->flow.proto, s->flow.has_port, s->flow.port, true) : NULL;

        f->signals_more++;
        if (!x)
                return;
        if (x->flows == 0 || s->first_ns < x->first_ns)
                x->first_ns = s->first_ns;
        if (s->last_ns > x->last_ns)
                x->last_ns = s->last_ns;
        x->n++;
        x->flows += s->count;
        add_traffic(&x->to, &s->flow);
}

/* It is one of those again that are kept. */
static void uncount_rest(struct finding *f, uint64_t cause, const struct finding_signal *s)
{
        struct finding_rest *x =
                is_outbound(s) ? rest_of(f, s->flow.proto, s->flow.has_port, s->flow.port, false) : NULL;

        for (uint32_t i = 0; i < FINDING_GONE; i++)
                if (f->gone[i] == cause)
                        f->gone[i] = 0;
        f->signals_more -= f->signals_more > 0;
        if (x && x->n)
                x->n--;
}

/* Of what a signal tells: a flow to an address without a name, by a program of the image, is the first to go. */
static bool says_little(const struct finding_signal *s)
{
        return is_outbound(s) && s->args.len == 0 && s->layer != LAYER_WRITE && s->layer != LAYER_TMPFS &&
               s->layer != LAYER_MEMFD && s->layer != LAYER_DELETED;
}

/* The oldest that says little, of those behind the first; else the oldest of them. */
static void push_out(struct finding *f)
{
        struct finding_signal *s = &f->signals[FINDING_FIRST];

        for (uint32_t i = FINDING_FIRST; i < f->nsignals; i++)
                if (says_little(&f->signals[i])) {
                        s = &f->signals[i];
                        break;
                }
        count_rest(f, s);
        f->gone[f->gone_next] = signal_cause_of(s);
        f->gone_next = (f->gone_next + 1) % FINDING_GONE;
        signal_release(s);
        f->nsignals--;
        memmove(s, s + 1, (size_t)(f->signals + f->nsignals - s) * sizeof(*s));
        memset(&f->signals[f->nsignals], 0, sizeof(*s));
}

static int add_new(struct finding *f, const struct observation *o, uint32_t container, struct finding_signal **ret)
{
        uint64_t cause = signal_cause(o);
        bool again = signal_is_gone(f, cause);
        struct finding_signal *s;
        int r;

        if (f->nsignals == FINDING_SIGNALS)
                push_out(f);
        *ret = s = &f->signals[f->nsignals++];
        s->container = container;
        r = fill_signal(s, o);
        if (r == 0)
                r = set_lineage(f, o);
        if (again)
                uncount_rest(f, cause, s);
        return r;
}

/* A verdict is of what was there: a cause that the finding did not hold, or another content, is not judged yet. */
static bool is_anew(const struct finding *f, const struct observation *o, const struct finding_signal *held)
{
        return f->state == FINDING_TRIAGED &&
               ((!held && !signal_is_gone(f, signal_cause(o))) || o->changed || o->other_content);
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
        f->anew = is_anew(f, o, s);
        if (r < 0)
                return r;
        if (!s) {
                r = add_new(f, o, container, &s);
        } else {
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
        bool rewritten = address_kind(t->remote) == ADDRESS_LOOPBACK && t->real.len, has_port;
        struct bytes address = address_plain(rewritten ? t->real : t->remote);
        uint16_t port = rewritten ? t->real_port : t->rport;
        struct finding_flow went = {.duration_ns = t->duration_ns};
        struct finding_rest *x;

        if (t->flags & FLOWF_COUNTED)
                went = (struct finding_flow){.counted = true,
                                             .bytes_out = t->bytes_out,
                                             .bytes_in = t->bytes_in,
                                             .ended = 1,
                                             .duration_ns = t->duration_ns};
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (is_flow_of(f, &f->signals[i], c, t, address, port)) {
                        add_traffic(&f->signals[i].flow, &went);
                        return true;
                }
        has_port = tide_proto_has_port(t->proto);
        x = rest_of(f, t->proto, has_port, port, false);
        if (x)
                add_traffic(&x->to, &went);
        return x != NULL;
}
