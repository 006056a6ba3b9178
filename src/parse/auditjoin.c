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
#define BUCKETS 256u
#define CONTAINERS 1024u /* places by which containers are counted of which something is held: more than are held */
#define ACTIVE_NS UINT64_C(60000000000) /* so long after an act others are expected */

enum held_state { HELD_READY, HELD_EXEC, HELD_FLOW }; /* waits only for those before it; for its act */

struct held {
        struct held *next, *prev;
        struct held *next_peer, *prev_peer; /* that wait for acts of the same key, or of another in the same bucket */
        uint64_t until_ns;
        uint64_t container; /* hash of its id: two that have one wait for each other, and nothing else comes of it */
        uint64_t key;       /* of its act: acts_key() */
        uint64_t netns;
        int64_t wall_ns;
        bool several; /* a flow that may be of any container in its namespace */
        uint8_t state;
        size_t len;
        uint8_t record[];
};

struct bucket {
        struct held *first, *last;
};

struct auditjoin {
        const struct auditjoin_ops *ops;
        void *arg;
        struct acts *acts;
        struct held *first, *last;
        struct bucket buckets[BUCKETS]; /* those that wait for an act, in the order in which they came */
        uint16_t of_container[CONTAINERS];
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
        uint64_t key = acts_key_of(j->acts, ev);
        struct tide_event who;
        struct kept *k;
        size_t used;

        for (size_t i = 0; (k = acts_connect(j->acts, ev, key, &i));) {
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
                acts_use(j->acts, k);
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
        acts_use(j->acts, k);
        return true;
}

static bool own_connect(struct auditjoin *j, const struct tide_event *ev)
{
        uint64_t key = acts_key_of(j->acts, ev);
        struct kept *k;

        for (size_t i = 0; (k = acts_connect(j->acts, ev, key, &i));)
                if (k->act.pid == ev->flow.actor.pid) {
                        acts_use(j->acts, k);
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

/* ---- those that wait for an act ---- */

static struct bucket *bucket_of(struct auditjoin *j, uint64_t key)
{
        return &j->buckets[key % BUCKETS];
}

static void await(struct auditjoin *j, struct held *h)
{
        struct bucket *b = bucket_of(j, h->key);

        h->prev_peer = b->last;
        *(b->last ? &b->last->next_peer : &b->first) = h;
        b->last = h;
}

/* It waits for those before it alone. */
static void make_ready(struct auditjoin *j, struct held *h)
{
        struct bucket *b = bucket_of(j, h->key);

        if (h->state == HELD_READY)
                return;
        h->state = HELD_READY;
        *(h->prev_peer ? &h->prev_peer->next_peer : &b->first) = h->next_peer;
        *(h->next_peer ? &h->next_peer->prev_peer : &b->last) = h->prev_peer;
        h->next_peer = h->prev_peer = NULL;
}

/* ---- all that are held ---- */

static void append(struct auditjoin *j, struct held *h)
{
        h->prev = j->last;
        *(j->last ? &j->last->next : &j->first) = h;
        j->last = h;
        j->of_container[h->container % CONTAINERS]++;
        j->stats.held++;
}

static void take(struct auditjoin *j, struct held *h)
{
        make_ready(j, h);
        *(h->prev ? &h->prev->next : &j->first) = h->next;
        *(h->next ? &h->next->prev : &j->last) = h->prev;
        j->of_container[h->container % CONTAINERS]--;
        j->stats.held--;
}

/* Is something of this container held? */
static bool holds(const struct auditjoin *j, uint64_t container)
{
        if (j->of_container[container % CONTAINERS] == 0)
                return false;
        for (const struct held *h = j->first; h; h = h->next)
                if (h->container == container)
                        return true;
        return false;
}

static int go_on(struct auditjoin *j, struct held *h)
{
        struct tide_event ev;
        int r = decode(h, &ev) ? j->ops->event(&ev, j->arg) : 0;

        free(h);
        return r;
}

/* Containers of which something stays: a set as large as it can become, twice over. */
struct staying {
        uint64_t places[2 * CONTAINERS]; /* 0: free */
};

/* True if it was in it. */
static bool stays(struct staying *s, uint64_t container, bool add)
{
        size_t i = container % ARRAY_LEN(s->places);

        container += container == 0;
        for (; s->places[i]; i = (i + 1) % ARRAY_LEN(s->places))
                if (s->places[i] == container)
                        return true;
        if (add)
                s->places[i] = container;
        return false;
}

/* What waits for nothing any more, and stands behind nothing of its container that does. */
static int let_go(struct auditjoin *j)
{
        struct staying staying;
        int r = 0;

        if (!j->first)
                return 0;
        memset(&staying, 0, sizeof(staying));
        for (struct held *h = j->first, *next; h && r >= 0; h = next) {
                next = h->next;
                if (stays(&staying, h->container, h->state != HELD_READY) || h->state != HELD_READY)
                        continue;
                take(j, h);
                r = go_on(j, h);
        }
        return r;
}

/* It is complete: what is held is what it has become. No memory: as it was. */
static void complete(struct auditjoin *j, struct held *h, const struct tide_event *ev)
{
        struct held *n;

        make_ready(j, h);
        buf_reset(&j->record);
        n = tide_encode(ev, &j->record) == 0 ? malloc(sizeof(*n) + j->record.len) : NULL;
        if (!n)
                return;
        *n = *h;
        n->len = j->record.len;
        memcpy(n->record, j->record.p, j->record.len);
        *(n->prev ? &n->prev->next : &j->first) = n;
        *(n->next ? &n->next->prev : &j->last) = n;
        free(h);
}

/* Is the act, of which it is known whose it is, perhaps this flow's? */
static bool may_take(const struct held *h, const struct kept *k)
{
        return k->who == WHO_KNOWN && (k->who_container == h->container || (h->several && h->netns == k->who_netns));
}

static bool try_again(struct auditjoin *j, struct held *h)
{
        struct tide_event ev;

        j->stats.looked++;
        if (!decode(h, &ev) || !(h->state == HELD_EXEC ? try_exec(j, &ev) : try_flow(j, &ev, false)))
                return false;
        complete(j, h, &ev);
        return true;
}

static bool look_at_execs(struct auditjoin *j, const struct kept *k, uint64_t key)
{
        bool some = false;

        for (struct held *h = bucket_of(j, key)->first, *next; h && !k->used; h = next) {
                next = h->next_peer;
                if (h->key == key && h->state == HELD_EXEC)
                        some = try_again(j, h) || some;
        }
        return some;
}

/*
 * Flows take their calls in turn, so what is known before this act was offered to all of them already: it is offered to
 * the first that may take it; and the first that is left asks for the next.
 */
static bool look_at_flows(struct auditjoin *j, const struct kept *k, uint64_t key)
{
        bool some = false;

        for (struct held *h = bucket_of(j, key)->first, *next; h && !k->used; h = next) {
                next = h->next_peer;
                if (h->key != key || h->state != HELD_FLOW || !acts_near(k, h->wall_ns) || !may_take(h, k))
                        continue;
                if (!try_again(j, h))
                        break;
                some = true;
        }
        for (struct held *h = bucket_of(j, key)->first, *next; h; h = next) {
                next = h->next_peer;
                if (h->key != key || h->state != HELD_FLOW || !acts_near(k, h->wall_ns))
                        continue;
                if (!try_again(j, h))
                        break;
                some = true;
        }
        return some;
}

/* An act has come, or it is known whose it is. */
static int look_again(struct auditjoin *j, const struct kept *k)
{
        uint64_t key = acts_key(j->acts, &k->act);
        bool some = k->act.kind == AUDIT_EXEC ? look_at_execs(j, k, key) : look_at_flows(j, k, key);

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
        *h = (struct held){.state = (uint8_t)state, .len = j->record.len, .wall_ns = ev->wall_ns};
        h->container = map_hash(j->seed, ev->container);
        h->until_ns = now_ns + (state == HELD_FLOW ? AUDITJOIN_FLOW_NS : AUDITJOIN_EXEC_NS);
        if (state == HELD_FLOW) {
                h->netns = ev->flow.netns;
                h->several = ev->container.len == 0 || (ev->flow.flags & (FLOWF_SHARED | FLOWF_HOST));
        }
        memcpy(h->record, j->record.p, j->record.len);
        append(j, h);
        if (state != HELD_READY) {
                h->key = acts_key_of(j->acts, ev);
                await(j, h);
                j->stats.waited++;
        }
        return 0;
}

/* The oldest goes on as it is, and what waited behind it alone. */
static int make_room(struct auditjoin *j)
{
        j->stats.crowded++;
        make_ready(j, j->first);
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
        if (state == HELD_READY && !(j->first && keeps_order(&own) && holds(j, map_hash(j->seed, own.container))))
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

/* It stays in the namespace, and is told as no flow: loopback, and "any", which the kernel takes for that. */
static bool is_within(struct bytes address)
{
        static const uint8_t zero[16], mapped[12] = {[10] = 0xff, [11] = 0xff};

        if (address.len == 16 && memcmp(address.p, mapped, sizeof(mapped)) == 0)
                address = bytes_of(address.p + sizeof(mapped), 4);
        if (address.len == 4)
                return address.p[0] == 127 || memcmp(address.p, zero, 4) == 0;
        return address.len == 16 && memcmp(address.p, zero, 15) == 0 && address.p[15] <= 1;
}

int auditjoin_act(struct auditjoin *j, const struct audit_act *act, uint64_t now_ns)
{
        bool exec = act->kind == AUDIT_EXEC;
        struct kept *k;

        if ((act->kind != AUDIT_EXEC && act->kind != AUDIT_CONNECT) || (!exec && !has_sent(act)))
                return 0;
        *(exec ? &j->exec_seen_ns : &j->connect_seen_ns) = now_ns ? now_ns : 1;
        if (!exec && is_within(act->address))
                return 0;
        k = acts_add(j->acts, act, now_ns);
        return k && j->first ? look_again(j, k) : 0;
}

int auditjoin_who(struct auditjoin *j, const struct tide_event *ev, uint64_t now_ns)
{
        struct kept *k = acts_asked(j->acts, ev->who.token);
        const uint64_t *netns;

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
        k->who_container = map_hash(j->seed, ev->container);
        netns = map_get(j->namespaces, ev->container);
        k->who_netns = netns ? *netns : 0;
        return j->first ? look_again(j, k) : 0;
}

/* Its time is over: a flow takes what is known by now. */
static void give_up(struct auditjoin *j, struct held *h)
{
        struct tide_event ev;

        if (h->state == HELD_FLOW && decode(h, &ev) && try_flow(j, &ev, true)) {
                complete(j, h, &ev);
                return;
        }
        make_ready(j, h);
        j->stats.in_vain++;
}

int auditjoin_expire(struct auditjoin *j, uint64_t now_ns, uint64_t *ret_due)
{
        uint64_t due = 0;
        int r;

        acts_expire(j->acts, now_ns);
        for (struct held *h = j->first, *next; h; h = next) {
                next = h->next;
                if (h->state == HELD_READY)
                        continue;
                if (h->until_ns <= now_ns)
                        give_up(j, h);
                else if (due == 0 || h->until_ns < due)
                        due = h->until_ns;
        }
        r = let_go(j);
        *ret_due = due;
        return r;
}

int auditjoin_flush(struct auditjoin *j)
{
        for (struct held *h = j->first; h; h = h->next)
                make_ready(j, h);
        return let_go(j);
}

void auditjoin_stats(const struct auditjoin *j, struct auditjoin_stats *ret)
{
        *ret = j->stats;
        ret->crowded += j->acts->crowded;
        ret->kept = j->acts->n;
}
