/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: events that wait for their act, and the order in which they go on. Must not: keep an event beyond its time, or
 * let one pass another of its container. Hands over: each event to ops.event; questions to ops.who.
 */
#include "tidemark/auditjoin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse/auditjoin-priv.h"
#include "tidemark/map.h"

#define HELD_MAX 512u
#define NAMESPACES_MAX 4096u
#define ACTIVE_NS UINT64_C(60000000000) /* so long after an act others are expected */

enum held_state { HELD_READY, HELD_EXEC, HELD_FLOW }; /* waits only for those before it; for its act */

struct held {
        struct held *next;
        uint64_t until_ns;
        uint64_t container; /* hash of its id: two that have one wait for each other, and nothing else comes of it */
        uint8_t state;
        size_t len;
        uint8_t record[];
};

struct auditjoin {
        const struct auditjoin_ops *ops;
        void *arg;
        struct acts *acts;
        struct held *first, **last;
        struct map *namespaces; /* container id → its network namespace (heap uint64_t) */
        struct map_seed seed;
        struct buf record, scratch;
        bool expect_exec, expect_connect;
        uint64_t exec_seen_ns, connect_seen_ns; /* when audit last told of one; 0: never */
        struct auditjoin_stats stats;
};

int auditjoin_new(const struct auditjoin_ops *ops, void *arg, bool expect_exec, bool expect_connect,
                  struct auditjoin **ret)
{
        struct auditjoin *j = calloc(1, sizeof(*j));
        int r = j ? map_new(NAMESPACES_MAX, map_seed_random(), free, &j->namespaces) : -ENOMEM;

        if (r == 0) {
                j->acts = acts_new();
                r = j->acts ? 0 : -ENOMEM;
        }
        if (r < 0) {
                auditjoin_free(j);
                return r;
        }
        j->ops = ops;
        j->expect_exec = expect_exec;
        j->expect_connect = expect_connect;
        j->arg = arg;
        j->seed = map_seed_random();
        j->last = &j->first;
        buf_init(&j->record, TIDE_RECORD_MAX);
        buf_init(&j->scratch, 3 * 4096);
        *ret = j;
        return 0;
}

struct auditjoin *auditjoin_free(struct auditjoin *j)
{
        if (!j)
                return NULL;
        for (struct held *h = j->first, *next; h; h = next) {
                next = h->next;
                free(h);
        }
        acts_free(j->acts);
        map_free(j->namespaces);
        buf_release(&j->record);
        buf_release(&j->scratch);
        free(j);
        return NULL;
}

/* ---- which act is an event's ---- */

static bool in_namespace(const struct auditjoin *j, struct bytes container, uint64_t netns)
{
        const uint64_t *of = map_get(j->namespaces, container);

        return of && netns && *of == netns;
}

/* Is the process that called one of the containers that this flow can be of? */
static bool may_be(const struct auditjoin *j, const struct tide_event *ev, const struct tide_event *who)
{
        if (who->container.len == 0 || !(who->who.actor.flags & ACTOR_PID))
                return false;
        if (ev->container.len && bytes_eq(ev->container, who->container))
                return true;
        return (ev->container.len == 0 || (ev->flow.flags & (FLOWF_SHARED | FLOWF_HOST))) &&
               in_namespace(j, who->container, ev->flow.netns);
}

/*
 * Fill from the oldest call to where it goes, of a process of its own container. One that is asked about is waited for,
 * so that flows take their calls in turn; not so if it is the last chance.
 */
static bool try_flow(struct auditjoin *j, struct tide_event *ev, bool last)
{
        struct tide_event who;
        struct kept *k;
        size_t used;

        for (size_t i = 0; (k = acts_connect(j->acts, ev, &i));) {
                if (k->who == WHO_NOT_ASKED) {
                        k->who = WHO_ASKED;
                        j->stats.asked++;
                        j->ops->who(k->token, k->act.pid, j->arg);
                }
                if (k->who != WHO_KNOWN && !last)
                        return false;
                if (k->who != WHO_KNOWN || tide_decode(k->who_record, k->who_len, &who, &used) < 0 ||
                    !may_be(j, ev, &who))
                        continue;
                auditjoin_fill_flow(ev, &k->act, &who);
                j->stats.flows++;
                /* What it took is borrowed from the act: it goes on, or is copied, before another act comes. */
                k->used = true;
                return true;
        }
        return false;
}

/* Not for what it lacks alone: each execution uses up its own act, so that none takes another's. */
static bool try_exec(struct auditjoin *j, struct tide_event *ev)
{
        struct kept *k = acts_exec(j->acts, ev);

        if (!k)
                return false;
        if (auditjoin_lacks_exec(ev)) {
                auditjoin_fill_exec(ev, &k->act, &j->scratch);
                j->stats.execs++;
        }
        k->used = true;
        return true;
}

static bool own_connect(struct auditjoin *j, const struct tide_event *ev)
{
        struct kept *k;

        for (size_t i = 0; (k = acts_connect(j->acts, ev, &i));)
                if (k->act.pid == ev->flow.actor.pid) {
                        k->used = true;
                        return true;
                }
        return false;
}

static bool is_active(bool expected, uint64_t seen_ns, uint64_t now_ns)
{
        return expected || (seen_ns && now_ns - seen_ns < ACTIVE_NS);
}

/* What must be waited for. An event that lacks nothing is never held for its act: that is remembered as its. */
static enum held_state look(struct auditjoin *j, struct tide_event *ev, uint64_t now_ns)
{
        if (ev->kind == TIDE_EXEC && !try_exec(j, ev)) {
                if (auditjoin_lacks_exec(ev))
                        return is_active(j->expect_exec, j->exec_seen_ns, now_ns) ? HELD_EXEC : HELD_READY;
                if (ev->exec.interval_ns == 0)
                        acts_owe(j->acts, AUDIT_EXEC, ev->exec.actor.pid, 0, ev->wall_ns);
        }
        if (ev->kind != TIDE_FLOW || ev->flow.what != FLOW_BEGAN || ev->flow.direction != DIRECTION_OUT)
                return HELD_READY;
        if (!auditjoin_lacks_flow(ev)) {
                if (!own_connect(j, ev))
                        acts_owe(j->acts, AUDIT_CONNECT, ev->flow.actor.pid, ev->flow.rport, ev->wall_ns);
                return HELD_READY;
        }
        if (!is_active(j->expect_connect, j->connect_seen_ns, now_ns) || try_flow(j, ev, false))
                return HELD_READY;
        return HELD_FLOW;
}

/* ---- the order ---- */

static bool decode(const struct held *h, struct tide_event *ret)
{
        size_t used;

        return tide_decode(h->record, h->len, ret, &used) == 0;
}

/* Is something of this container held, before end (NULL: anywhere)? */
static bool holds(const struct auditjoin *j, uint64_t container, const struct held *end)
{
        for (const struct held *h = j->first; h != end; h = h->next)
                if (h->container == container)
                        return true;
        return false;
}

static struct held *take(struct auditjoin *j, struct held **at)
{
        struct held *h = *at;

        *at = h->next;
        if (!h->next)
                j->last = at;
        j->stats.held--;
        return h;
}

static int go_on(struct auditjoin *j, struct held *h)
{
        struct tide_event ev;
        int r = decode(h, &ev) ? j->ops->event(&ev, j->arg) : 0;

        free(h);
        return r;
}

static int let_go(struct auditjoin *j)
{
        int r = 0;

        for (struct held **at = &j->first; *at && r >= 0;) {
                if ((*at)->state != HELD_READY || holds(j, (*at)->container, *at))
                        at = &(*at)->next;
                else
                        r = go_on(j, take(j, at));
        }
        return r;
}

/* Replace what is held by what it has become. */
static int rewrite(struct auditjoin *j, struct held **at, const struct tide_event *ev)
{
        struct held *h = *at, *n;
        int r;

        buf_reset(&j->record);
        r = tide_encode(ev, &j->record);
        n = r == 0 ? malloc(sizeof(*n) + j->record.len) : NULL;
        if (!n)
                return r < 0 ? r : -ENOMEM;
        *n = (struct held){
                .next = h->next, .until_ns = h->until_ns, .container = h->container, .len = j->record.len};
        memcpy(n->record, j->record.p, j->record.len);
        if (!h->next)
                j->last = &n->next;
        *at = n;
        free(h);
        return 0;
}

static int look_again(struct auditjoin *j, uint8_t state)
{
        struct tide_event ev;
        bool some = false;

        for (struct held **at = &j->first; *at; at = &(*at)->next) {
                if ((*at)->state != state || !decode(*at, &ev))
                        continue;
                if (!(state == HELD_EXEC ? try_exec(j, &ev) : try_flow(j, &ev, false)))
                        continue;
                if (rewrite(j, at, &ev) < 0) /* no memory: as it was */
                        (*at)->state = HELD_READY;
                some = true;
        }
        return some ? let_go(j) : 0;
}

static int hold(struct auditjoin *j, const struct tide_event *ev, enum held_state state, uint64_t now_ns)
{
        struct held *h;
        int r;

        buf_reset(&j->record);
        r = tide_encode(ev, &j->record);
        h = r == 0 ? malloc(sizeof(*h) + j->record.len) : NULL;
        if (!h)
                return r < 0 ? r : -ENOMEM;
        *h = (struct held){.state = (uint8_t)state, .len = j->record.len};
        h->container = map_hash(j->seed, ev->container);
        h->until_ns = now_ns + (state == HELD_FLOW ? AUDITJOIN_FLOW_NS : AUDITJOIN_EXEC_NS);
        memcpy(h->record, j->record.p, j->record.len);
        *j->last = h;
        j->last = &h->next;
        j->stats.held++;
        j->stats.waited += state != HELD_READY;
        return 0;
}

/* The oldest goes on as it is, and what waited behind it alone. */
static int make_room(struct auditjoin *j)
{
        j->stats.crowded++;
        j->first->state = HELD_READY;
        return let_go(j);
}

/* ---- containers ---- */

static void note_namespace(struct auditjoin *j, const struct tide_event *ev)
{
        uint64_t *netns;

        if (ev->kind == TIDE_CTR_STOP && map_del(j->namespaces, ev->container) < 0)
                return; /* it was not known */
        if (ev->kind != TIDE_CTR_START || ev->ctr.netns == 0)
                return;
        netns = malloc(sizeof(*netns));
        if (!netns)
                return;
        *netns = ev->ctr.netns;
        if (map_put(j->namespaces, ev->container, netns) < 0)
                free(netns); /* its flows in a shared namespace are not completed */
}

/* ---- what comes ---- */

/* What a walk lists has no order among acts, and is much. */
static bool keeps_order(const struct tide_event *ev)
{
        return ev->container.len && ev->kind != TIDE_WALK && !(ev->kind == TIDE_FILE && ev->sources == SRC_WALK);
}

int auditjoin_event(struct auditjoin *j, const struct tide_event *ev, uint64_t now_ns)
{
        struct tide_event own = *ev;
        enum held_state state;
        int r = 0;

        note_namespace(j, ev);
        acts_expire(j->acts, now_ns);
        state = look(j, &own, now_ns);
        if (state == HELD_READY && !(j->first && keeps_order(&own) && holds(j, map_hash(j->seed, own.container), NULL)))
                return j->ops->event(&own, j->arg);
        if (j->stats.held >= HELD_MAX)
                r = make_room(j);
        if (r >= 0 && hold(j, &own, state, now_ns) == 0)
                return 0;
        return r < 0 ? r : j->ops->event(&own, j->arg);
}

/* A connect(2) that failed like this, or did not fail, has sent something: only these become flows. */
static bool has_sent(const struct audit_act *act)
{
        static const int errors[] = {0, EINPROGRESS, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ECONNRESET, EINTR, EAGAIN,
                                     512 /* ERESTARTSYS: interrupted, and called again */};

        for (size_t i = 0; i < ARRAY_LEN(errors); i++)
                if (act->exit == -errors[i])
                        return true;
        return false;
}

int auditjoin_act(struct auditjoin *j, const struct audit_act *act, uint64_t now_ns)
{
        bool exec = act->kind == AUDIT_EXEC;

        if ((act->kind != AUDIT_EXEC && act->kind != AUDIT_CONNECT) || (!exec && !has_sent(act)))
                return 0;
        *(exec ? &j->exec_seen_ns : &j->connect_seen_ns) = now_ns ? now_ns : 1;
        if (!acts_add(j->acts, act, now_ns))
                return 0;
        return j->first ? look_again(j, exec ? HELD_EXEC : HELD_FLOW) : 0;
}

int auditjoin_who(struct auditjoin *j, const struct tide_event *ev, uint64_t now_ns)
{
        struct kept *k = acts_asked(j->acts, ev->who.token);

        (void)now_ns;
        if (!k)
                return 0; /* too late, or never asked */
        buf_reset(&j->record);
        if (tide_encode(ev, &j->record) < 0)
                return 0;
        k->who_record = malloc(j->record.len);
        if (!k->who_record)
                return 0;
        memcpy(k->who_record, j->record.p, j->record.len);
        k->who_len = j->record.len;
        k->who = WHO_KNOWN;
        return j->first ? look_again(j, HELD_FLOW) : 0;
}

/* Its time is over: a flow takes what is known by now. */
static struct held *give_up(struct auditjoin *j, struct held **at)
{
        struct tide_event ev;

        if ((*at)->state == HELD_FLOW && decode(*at, &ev) && try_flow(j, &ev, true) && rewrite(j, at, &ev) == 0)
                return *at;
        (*at)->state = HELD_READY;
        j->stats.in_vain++;
        return *at;
}

int auditjoin_expire(struct auditjoin *j, uint64_t now_ns, uint64_t *ret_due)
{
        uint64_t due = 0;
        int r;

        acts_expire(j->acts, now_ns);
        for (struct held **at = &j->first; *at; at = &(*at)->next) {
                struct held *h = *at;

                if (h->state != HELD_READY && h->until_ns <= now_ns)
                        h = give_up(j, at);
                if (h->state != HELD_READY && (due == 0 || h->until_ns < due))
                        due = h->until_ns;
        }
        r = let_go(j);
        *ret_due = due;
        return r;
}

int auditjoin_flush(struct auditjoin *j)
{
        for (struct held *h = j->first; h; h = h->next)
                h->state = HELD_READY;
        return let_go(j);
}

void auditjoin_stats(const struct auditjoin *j, struct auditjoin_stats *ret)
{
        *ret = j->stats;
        ret->crowded += j->acts->crowded;
        ret->kept = j->acts->n;
}
