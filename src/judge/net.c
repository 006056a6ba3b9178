/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which flows are judged and which only counted, what names a container was told, and what is counted of both.
 * Must not: score, or make findings. Pure.
 *
 * Judged are outbound flows that leave the namespace, and sockets that listen. Only counted: what others began, what
 * goes to a name server that the container is configured with, what stays within the namespace, ends.
 *
 * Names belong to containers, and are looked up in all that run in one network namespace: who asked cannot be told.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

#define MINUTE_NS 60000000000

/* ---- names ---- */

struct names *net_names_of(struct judge *j, struct container_memory *c)
{
        if (!c->names && names_new(j->p.max_names, &c->names) < 0)
                j->stats.names_refused++;
        return c->names;
}

struct dropping {
        struct judge *j;
        struct container_memory *c;
};

static void on_dropped(const struct name_fact *f, void *arg)
{
        struct dropping *d = arg;

        pieces_drop_name(d->j, d->c, f);
}

static int put_name(struct judge *j, struct container_memory *c, const struct name_fact *f)
{
        struct dropping d = {j, c};
        struct names *n = net_names_of(j, c);
        int r = n ? names_put(n, f, on_dropped, &d) : -ENOMEM;

        if (r == 1)
                pieces_save_name(j, c, f);
        if (r == -EINVAL)
                j->stats.names_refused++;
        return r == -ENOMEM ? r : 0;
}

/* Whoever forges answers may send any number of them, of any number of addresses: one more of those? */
static bool may_claim(struct judge *j, struct container_memory *c, uint8_t verdict, int64_t wall_ns)
{
        uint32_t *taken = &c->claims_taken[names_class(verdict) == NAMES_FOREIGN];
        int64_t minute = wall_ns / MINUTE_NS;

        if (minute != c->claims_minute)
                memset(c->claims_taken, 0, sizeof(c->claims_taken));
        c->claims_minute = minute;
        if (*taken < CLAIMS_A_MINUTE) {
                ++*taken;
                return true;
        }
        j->stats.names_refused++;
        return false;
}

static void count_answer(struct judge_stats *s, uint8_t verdict)
{
        uint64_t *const rows[NAME__MAX] = {[NAME_ANSWERED] = &s->names_answered, [NAME_UNASKED] = &s->names_unasked,
                                           [NAME_FOREIGN] = &s->names_foreign,   [NAME_MALFORMED] = &s->names_malformed,
                                           [NAME_UNOWNED] = &s->names_unowned,   [NAME_DOUBTED] = &s->names_doubted};

        if (verdict < NAME__MAX && rows[verdict])
                ++*rows[verdict];
}

/* The names that the question leads through: "cdn.example.net, edge7.example.org". */
static void put_chain(struct bytes chain, struct buf *out)
{
        struct bytes alias, canonical;
        struct rd r;

        rd_init(&r, chain.p, chain.len);
        while (tide_list_next(&r, &alias, &canonical)) {
                if (out->len + canonical.len + 2 > out->max)
                        return;
                buf_put_str(out, out->len ? ", " : "");
                buf_put(out, canonical.p, canonical.len);
        }
}

static uint32_t ttl_of(struct bytes b)
{
        struct rd r;

        rd_init(&r, b.p, b.len);
        return rd_u32(&r);
}

/* Its name is none any more: a claim, if its address is one of the first. */
struct doubting {
        struct judge *j;
        struct container_memory *c;
        int64_t wall_ns;
        uint32_t claimed;
        int error;
};

static void on_doubted(const struct name_fact *f, void *arg)
{
        struct doubting *d = arg;
        struct name_fact claim = *f;

        pieces_drop_name(d->j, d->c, f);
        if (d->claimed++ >= CLAIM_ADDRESSES || !may_claim(d->j, d->c, NAME_DOUBTED, d->wall_ns))
                return;
        claim.verdict = NAME_DOUBTED;
        claim.first_ns = claim.last_ns = d->wall_ns;
        if (d->error == 0)
                d->error = put_name(d->j, d->c, &claim);
}

static int take_back(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        struct doubting d = {.j = j, .c = c, .wall_ns = ev->wall_ns};
        int r = c->names ? names_doubt(c->names, ev->name.question, (int64_t)ev->name.answer_ns, on_doubted, &d) : 0;

        return r < 0 ? r : d.error;
}

int net_name(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        const struct tide_name *t = &ev->name;
        bool claim = t->verdict == NAME_UNASKED || t->verdict == NAME_FOREIGN;
        _cleanup_buf_ struct buf chain;
        struct bytes address, ttl;
        struct rd rd;
        uint32_t n = 0;
        int r = 0;

        buf_init(&chain, NAMES_CHAIN_MAX);
        count_answer(&j->stats, t->verdict);
        if (c->workload)
                baseline_net_hour(j, c->workload, ev->wall_ns);
        if (t->verdict == NAME_DOUBTED)
                return take_back(j, c, ev);
        if ((t->verdict != NAME_ANSWERED && t->verdict != NAME_UNOWNED && !claim) || t->addresses.len == 0)
                return 0;
        put_chain(t->chain, &chain);
        rd_init(&rd, t->addresses.p, t->addresses.len);
        while (r == 0 && tide_list_next(&rd, &address, &ttl)) {
                struct name_fact f = {.address = address_plain(address),
                                      .name = t->question,
                                      .chain = buf_bytes(&chain),
                                      .first_ns = ev->wall_ns,
                                      .last_ns = ev->wall_ns,
                                      .ttl = ttl_of(ttl),
                                      .verdict = t->verdict};

                if (claim && n++ >= CLAIM_ADDRESSES)
                        j->stats.names_refused++;
                else if (!claim || may_claim(j, c, t->verdict, ev->wall_ns))
                        r = put_name(j, c, &f);
        }
        return r;
}

/* Not announced in this life: who was with it in the earlier one, and still runs there as it did. */
static struct container_memory *earlier_mate(const struct judge *j, const struct container_memory *c)
{
        void *value;

        for (size_t i = 0; c->earlier_netns && map_next(j->containers, &i, NULL, &value);) {
                struct container_memory *m = value;

                if (m->running && m->netns == c->earlier_netns && m->earlier_netns == c->earlier_netns)
                        return m;
        }
        return NULL;
}

int net_drop_names(struct judge *j, struct container_memory *c)
{
        struct container_memory *heir = c->netns ? net_container(j, c->netns) : earlier_mate(j, c);
        const void *at = NULL;
        struct name_fact f;
        int r = 0;

        while (c->names && names_next(c->names, &at, &f)) {
                if (heir && r == 0)
                        r = put_name(j, heir, &f);
                pieces_drop_name(j, c, &f);
        }
        c->names = names_free(c->names);
        return r;
}

/* ---- namespaces ---- */

struct container_memory *net_container(const struct judge *j, uint64_t netns)
{
        void *value;

        for (size_t i = 0; netns && map_next(j->containers, &i, NULL, &value);) {
                struct container_memory *c = value;

                if (c->running && c->netns == netns)
                        return c;
        }
        return NULL;
}

void net_mates(struct judge *j, uint64_t netns)
{
        struct container_memory *first = NULL;
        void *value;

        for (size_t i = 0; netns && map_next(j->containers, &i, NULL, &value);) {
                struct container_memory *c = value;

                if (!c->running || c->netns != netns)
                        continue;
                c->shares_netns = first != NULL;
                if (first)
                        first->shares_netns = true;
                else
                        first = c;
        }
}

void judge_new_life(struct judge *j)
{
        void *value;

        j->ticked_ns = 0; /* between two lives nobody looked */
        j->ticked_boot_ns = j->doubted_boot_ns = 0;
        for (size_t i = 0; map_next(j->containers, &i, NULL, &value);) {
                struct container_memory *c = value;

                if (c->netns == 0)
                        continue;
                c->earlier_netns = c->netns;
                c->netns = 0;
                c->shares_netns = false;
                pieces_save_container(j, c);
        }
}

/* The next that runs in c's namespace, c first: *i is 0 in the beginning. */
static struct container_memory *mate(const struct judge *j, const struct container_memory *c, size_t *i)
{
        void *value;

        if (!c->shares_netns)
                return (*i)++ == 0 ? (struct container_memory *)c : NULL;
        while (map_next(j->containers, i, NULL, &value)) {
                struct container_memory *other = value;

                if (other->running && other->netns == c->netns)
                        return other;
        }
        return NULL;
}

static int by_name(const void *a, const void *b)
{
        const struct name_fact *x = a, *y = b;
        int r = bytes_cmp(x->name, y->name);

        return r ? r : (y->last_ns > x->last_ns) - (y->last_ns < x->last_ns);
}

static int by_age(const void *a, const void *b)
{
        const struct name_fact *x = a, *y = b;
        int r = (y->last_ns > x->last_ns) - (y->last_ns < x->last_ns);

        return r ? r : bytes_cmp(x->name, y->name);
}

/* Of what several were told each name once, and what nobody is known to have asked for only if there is nothing else;
 * whatever the order in which they were asked. */
static void merge_names(struct judge *j)
{
        bool answered = false;
        uint32_t n = 0;

        for (uint32_t i = 0; i < j->nled; i++)
                answered = answered || j->led[i].verdict == NAME_ANSWERED;
        qsort(j->led, j->nled, sizeof(*j->led), by_name);
        for (uint32_t i = 0; i < j->nled; i++)
                if ((!answered || j->led[i].verdict == NAME_ANSWERED) &&
                    (n == 0 || !bytes_eq(j->led[n - 1].name, j->led[i].name)))
                        j->led[n++] = j->led[i];
        j->nled = n;
        qsort(j->led, j->nled, sizeof(*j->led), by_age);
}

/* Room for so many more, as far as there may be and is. */
static uint32_t room_for(struct judge *j, size_t more)
{
        size_t want = j->nled + more > NAMES_JUDGED ? NAMES_JUDGED : j->nled + more;
        struct name_fact *p;

        if (want > j->led_cap) {
                p = realloc(j->led, want * sizeof(*p));
                if (p) {
                        j->led = p;
                        j->led_cap = (uint32_t)want;
                }
        }
        return (j->led_cap < NAMES_JUDGED ? j->led_cap : NAMES_JUDGED) - j->nled;
}

void net_names(struct judge *j, const struct container_memory *c, struct bytes address, int64_t wall_ns)
{
        const struct container_memory *m;
        unsigned of = 0;

        j->nled = 0;
        for (size_t i = 0; (m = mate(j, c, &i));) {
                size_t more = names_led(m->names, address), room = more ? room_for(j, more) : 0;

                j->stats.names_refused += more > room;
                if (room)
                        j->nled += (uint32_t)names_find(m->names, address, wall_ns, j->led + j->nled, room);
                of += more > 0;
        }
        if (of > 1)
                merge_names(j);
}

static bool is_answered(const struct judge *j, const struct container_memory *c, const struct name_fact *f)
{
        const struct container_memory *m;

        for (size_t i = 0; (m = mate(j, c, &i));)
                if (names_answered(m->names, f->address, f->name))
                        return true;
        return false;
}

/* A forged one before a foreign server's; the latest of one kind; ties by name, as mates come in no order. */
static bool weighs_more(const struct name_fact *a, const struct name_fact *b)
{
        enum names_class ca = names_class(a->verdict), cb = names_class(b->verdict);

        if (ca != cb)
                return ca < cb;
        return a->last_ns != b->last_ns ? a->last_ns > b->last_ns : bytes_cmp(a->name, b->name) < 0;
}

bool net_claimed(const struct judge *j, const struct container_memory *c, struct bytes address, int64_t wall_ns,
                 struct name_fact *ret)
{
        const struct container_memory *m;
        bool found = false;

        for (size_t i = 0; (m = mate(j, c, &i));) {
                const void *at = NULL;
                struct name_fact f;

                while (names_claims(m->names, address, &at, &f)) {
                        if (ns_apart(wall_ns, f.last_ns) >= NAMES_CLAIM_NS || (found && !weighs_more(&f, ret)) ||
                            is_answered(j, c, &f))
                                continue;
                        *ret = f;
                        found = true;
                }
        }
        return found;
}

/* How well m knows a flow of which nobody knows the process: by whichever of its programs. */
static enum known known_to(struct judge *j, struct container_memory *m, const struct tide_event *ev)
{
        struct observation o;
        struct entry *e;
        enum known known;

        if (!m->workload || observe(j, m, ev, &o) < 0)
                return KNOWN_NOT;
        known = baseline_lookup(m->workload, &o, &e);
        return known == KNOWN_OTHER_EXE ? KNOWN_YES : known;
}

/*
 * Whoever knows it best, even as a candidate. What nobody knows is raised if it is new to anybody whose learning is
 * over: that another one has just begun makes it no less strange there.
 */
struct container_memory *net_judged(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        struct container_memory *m, *best = c, *of[2] = {NULL, NULL}; /* the first that is active, that learns */
        enum known least = KNOWN_NOT;

        if (!(ev->flow.flags & FLOWF_SHARED) || !c->shares_netns)
                return c;
        for (size_t i = 0; least != KNOWN_YES && (m = mate(j, c, &i));) {
                enum dim_state state = m->workload ? baseline_state(m->workload, DIM_NETWORK) : DS_OFF;
                enum known known = known_to(j, m, ev);

                if (known < least) {
                        least = known;
                        best = m;
                }
                if (state != DS_OFF && !of[state == DS_LEARNING])
                        of[state == DS_LEARNING] = m;
        }
        if (least != KNOWN_NOT)
                return best;
        return of[0] ? of[0] : of[1] ? of[1] : c;
}

/* ---- flows ---- */

/* Both the sum and the workload's own, if it is known already. */
struct counters {
        struct judge_net *rows[2];
};
#define COUNT(counters, field)                                                                                         \
        do {                                                                                                           \
                for (size_t i_ = 0; i_ < ARRAY_LEN((counters)->rows); i_++)                                            \
                        if ((counters)->rows[i_])                                                                      \
                                (counters)->rows[i_]->field++;                                                         \
        } while (0)

/* Within the namespace, and not sent on from there. */
static bool is_local(const struct tide_flow *t)
{
        return address_kind(t->remote) == ADDRESS_LOOPBACK &&
               (t->real.len == 0 || address_kind(t->real) == ADDRESS_LOOPBACK);
}

static int take_outbound(const struct tide_flow *t, const struct counters *n, const char **ret_words)
{
        COUNT(n, outbound);
        if (t->flags & FLOWF_RESOLVER) {
                COUNT(n, resolver);
                *ret_words = "to its name server";
                return 0;
        }
        if (is_local(t)) {
                COUNT(n, local);
                *ret_words = "within the container";
                return 0;
        }
        if (!(t->actor.flags & ACTOR_EXE))
                COUNT(n, process_unknown);
        return 1;
}

void net_count(struct judge *j, const struct observation *o)
{
        struct counters n = {{&j->stats.net, &o->c->workload->net}};

        if (o->net.nnames)
                COUNT(&n, named);
        if (o->net.claimed && o->net.claim.verdict == NAME_FOREIGN)
                COUNT(&n, foreign);
        else if (o->net.claimed)
                COUNT(&n, forged);
}

/* ---- what was raised, by the id of its flow ---- */

static struct bytes told_key(uint64_t flow, uint8_t dst[8])
{
        for (int b = 0; b < 8; b++)
                dst[b] = (uint8_t)(flow >> 8 * b);
        return bytes_of(dst, 8);
}

static uint64_t told_of(const struct container_memory *c, uint64_t flow)
{
        uint8_t key[8];

        return c->told ? (uint64_t)(uintptr_t)map_get(c->told, told_key(flow, key)) : 0;
}

static void forget_told(struct judge *j, struct container_memory *c, uint64_t flow)
{
        uint8_t key[8];

        pieces_drop_told(j, c, flow);
        if (map_del(c->told, told_key(flow, key)) < 0)
                j->stats.refused++;
}

static uint64_t oldest_told(const struct container_memory *c)
{
        struct bytes key;
        struct rd r;
        size_t i = 0;

        if (!map_next(c->told, &i, &key, NULL))
                return 0;
        rd_init(&r, key.p, key.len);
        return rd_u64(&r);
}

int net_keep_told(struct container_memory *c, uint64_t flow, uint64_t finding)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x746f6c64746f6c64};
        uint8_t key[8];
        int r = 0;

        if (flow == 0 || finding == 0)
                return 0;
        if (!c->told)
                r = map_new(TOLD_KEPT, seed, NULL, &c->told);
        return r < 0 ? r : map_put(c->told, told_key(flow, key), (void *)(uintptr_t)finding);
}

void net_told(struct judge *j, const struct observation *o, uint64_t finding)
{
        struct container_memory *c = o->c;
        uint64_t flow = o->net.flow->id;

        if (o->net.listens || flow == 0)
                return;
        if (c->told && map_count(c->told) >= TOLD_KEPT && told_of(c, flow) == 0)
                forget_told(j, c, oldest_told(c));
        if (net_keep_told(c, flow, finding) == 0)
                pieces_save_told(j, c, flow, finding);
        else
                j->stats.refused++;
}

void net_drop_told(struct judge *j, struct container_memory *c)
{
        while (c->told && map_count(c->told))
                forget_told(j, c, oldest_told(c));
}

/* Its end: what went is told with what was raised. Whose it was in a namespace of several is not told again. */
static void take_end(struct judge *j, struct container_memory *c, const struct tide_flow *t)
{
        struct container_memory *m;

        for (size_t k = 0; t->id && (m = mate(j, c, &k));) {
                uint64_t finding = told_of(m, t->id);

                if (finding == 0)
                        continue;
                group_ended(j, m, t, finding);
                forget_told(j, m, t->id);
                return;
        }
}

int net_take(struct judge *j, struct container_memory *c, const struct tide_event *ev, const char **ret_words)
{
        const struct tide_flow *t = &ev->flow;
        struct counters n = {{&j->stats.net, c->workload ? &c->workload->net : NULL}};

        *ret_words = "";
        if (c->workload)
                baseline_net_hour(j, c->workload, ev->wall_ns);
        switch (t->what) {
        case FLOW_ENDED:
                COUNT(&n, ended);
                take_end(j, c, t);
                return 0;
        case FLOW_LISTENS:
                if (t->flags & FLOWF_GONE)
                        return 0;
                COUNT(&n, listeners);
                return 1;
        case FLOW_BEGAN:
        case FLOW_FOUND:
                break;
        default:
                return 0;
        }
        if (t->direction == DIRECTION_OUT)
                return take_outbound(t, &n, ret_words);
        if (t->direction == DIRECTION_IN) {
                COUNT(&n, inbound);
                *ret_words = "inbound";
                return 0;
        }
        COUNT(&n, undirected);
        *ret_words = "who began it is not known";
        return 0;
}

/* ---- listeners ---- */

bool net_declared(const struct container_memory *c, const struct net_facts *n)
{
        char port[8], proto[TIDE_PROTO_TEXT];
        struct bytes p, name;
        struct rd r;

        if (!n->listens)
                return false;
        snprintf(port, sizeof(port), "%u", n->port);
        tide_proto_text(n->flow->proto, proto);
        rd_init(&r, c->ports.p, c->ports.len);
        while (tide_list_next(&r, &p, &name))
                if (bytes_eq(p, bytes_str(port)) && bytes_eq(name, bytes_str(proto)))
                        return true;
        return false;
}

/* ---- learning ---- */

/* DESIGN 4.2: a raw public address that no name led to is not learned by being called. */
static bool is_raw_public(const struct net_facts *n)
{
        return !n->listens && n->nnames == 0 && n->kind == ADDRESS_PUBLIC;
}

/* Where there is no write layer that is known none ever is told apart. */
bool net_unplaced(const struct workload *w, const struct observation *o)
{
        return o->known_exe && o->layer == LAYER_UNKNOWN && (o->ev->sources & SRC_AUDIT) && o->c->upper.len &&
               !baseline_runs(w, o->exe);
}

/* Not learned by itself: by what it is, or because it was open before anybody watched, which proves nothing. */
enum learn net_lesson(const struct workload *w, const struct observation *o)
{
        if (baseline_lesson(w) != LEARN_KNOWN)
                return baseline_lesson(w);
        if (is_raw_public(&o->net))
                return LEARN_WAITING;
        if (o->ev->flags & EVF_BEFORE)
                return LEARN_FOUND;
        return net_unplaced(w, o) ? LEARN_UNPLACED : LEARN_KNOWN;
}

/* What made it a candidate is over: it was found open and is seen to be called, or it is known now what calls. */
static bool is_cleared(const struct workload *w, const struct entry *e, const struct observation *o)
{
        if (!e->waiting || (o->ev->flags & EVF_BEFORE))
                return false;
        return e->why == WHY_FOUND || (e->why == WHY_UNPLACED && !net_unplaced(w, o));
}

static int learn_as(struct judge *j, struct workload *w, const struct observation *o)
{
        struct entry *e;
        enum known known = baseline_lookup(w, o, &e);

        if (e && !entry_names(e, o) && !(o->ev->flags & EVF_BEFORE) && (!e->candidate || e->waiting) &&
            !net_unplaced(w, o))
                return baseline_name(j, w, e, o, e->candidate ? net_lesson(w, o) : LEARN_KNOWN);
        if (e) {
                baseline_touch(j, w, e, o, true);
                return is_cleared(w, e, o) && baseline_lesson(w) == LEARN_KNOWN ? baseline_take(j, w, e) : 0;
        }
        if (known == KNOWN_OTHER_PHASE && !o->known_exe)
                baseline_lend_phase(j, w, o);
        if ((known == KNOWN_OTHER_EXE || known == KNOWN_OTHER_PHASE) && !o->known_exe)
                return 0;
        return baseline_learn(j, w, o, net_lesson(w, o));
}

int net_learn(struct judge *j, struct workload *w, const struct observation *o)
{
        struct observation each = *o;
        int r = 0;

        for (uint32_t i = 0; r == 0 && (i == 0 || i < o->net.nnames); i++) {
                observe_net_as(j, &each, i);
                r = j->path.err ? 0 : learn_as(j, w, &each);
        }
        observe_net_as(j, &each, 0); /* o's own key stands in the same buffer again */
        return r;
}
