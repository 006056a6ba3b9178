/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: a finding's strings and its encoded form. Pure. Must not: decide anything about it. */
#include "tidemark/finding.h"

#include <errno.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"

/* 1: without flows; 2: the way before the names, and not how many more there were, nor what of flows came later;
 * 3: nothing of rules, verdicts, closing, sessions; 4: nor of what was told of it, its past in words, a session's end;
 * 5: nor what was done about it, and by which criteria it was judged; 6: nor of the contents of what ran
 */
#define FORMAT 7u

/* Of a deed: a finding must fit a record of a recording, and all that was done about it is in the trail. */
#define DEED_TEXT 160u
#define DEED_WORDS 400u

#define FINDING_WAY 512u /* more than was ever kept of it */

void finding_flow_text(const struct finding_flow *w, struct buf *out)
{
        char address[TIDE_ADDRESS_TEXT], proto[TIDE_PROTO_TEXT];
        bool six = w->address_len == 16;

        buf_printf(out, "%s%s%s", six ? "[" : "", tide_address_text(bytes_of(w->address, w->address_len), address),
                   six ? "]" : "");
        if (w->has_port)
                buf_printf(out, ":%u", w->port);
        buf_printf(out, "/%s", tide_proto_text(w->proto, proto));
}

double finding_rate(const struct finding *f)
{
        double seconds = (double)((uint64_t)f->last_ns - (uint64_t)f->first_ns) / 1e9;

        if (f->count < 2 || f->last_ns <= f->first_ns || (f->count < 10 && seconds < 60))
                return 0;
        return (double)(f->count - 1) * 3600 / (seconds > 1 ? seconds : 1);
}

struct finding *finding_new(void)
{
        struct finding *f = calloc(1, sizeof(*f));

        if (f)
                f->login_uid = f->session = UINT32_MAX;
        return f;
}

void str_clear(struct str_owned *s)
{
        free(s->p);
        *s = (struct str_owned){NULL, 0};
}

static void deed_release(struct finding_deed *d)
{
        str_clear(&d->container);
        str_clear(&d->name);
        str_clear(&d->words);
}

int str_set(struct str_owned *s, struct bytes v)
{
        char *p = NULL;

        if (v.len) {
                p = bytes_dup(v);
                if (!p)
                        return -ENOMEM;
        }
        free(s->p);
        *s = (struct str_owned){p, v.len};
        return 0;
}

void signal_release(struct finding_signal *s)
{
        str_clear(&s->subject);
        str_clear(&s->where);
        str_clear(&s->key);
        str_clear(&s->operation);
        str_clear(&s->executable);
        str_clear(&s->args);
}

struct finding *finding_free(struct finding *f)
{
        if (!f)
                return NULL;
        str_clear(&f->host);
        str_clear(&f->workload);
        str_clear(&f->image);
        str_clear(&f->digest);
        str_clear(&f->class);
        str_clear(&f->baseline_state);
        str_clear(&f->loss);
        str_clear(&f->verdict);
        str_clear(&f->suppressed_by);
        str_clear(&f->note);
        str_clear(&f->verdict_by);
        str_clear(&f->closed_by);
        str_clear(&f->command);
        str_clear(&f->past_words);
        str_clear(&f->leader.exe);
        str_clear(&f->leader.comm);
        for (size_t i = 0; i < FINDING_CONTAINERS; i++) {
                str_clear(&f->containers[i].id);
                str_clear(&f->containers[i].name);
                str_clear(&f->containers[i].runtime);
        }
        for (size_t i = 0; i < FINDING_SIGNALS; i++) {
                signal_release(&f->signals[i]);
        }
        for (size_t i = 0; i < FINDING_FACTORS; i++) {
                str_clear(&f->factors[i].name);
                str_clear(&f->factors[i].text);
        }
        for (size_t i = 0; i < FINDING_LINEAGE; i++) {
                str_clear(&f->lineage[i].exe);
                str_clear(&f->lineage[i].comm);
        }
        for (size_t i = 0; i < FINDING_INVENTORY; i++)
                str_clear(&f->inventory.names[i]);
        for (size_t i = 0; i < FINDING_NET; i++)
                str_clear(&f->inventory.net[i]);
        for (size_t i = 0; i < FINDING_DEEDS; i++)
                deed_release(&f->deeds[i]);
        str_clear(&f->criteria);
        free(f);
        return NULL;
}

/* Where it stands that it began: what came of it takes that place. */
static struct finding_deed *begun(struct finding *f, const struct finding_deed *d)
{
        for (uint32_t i = 0; i < f->ndeeds; i++) {
                struct finding_deed *had = &f->deeds[i];

                if (had->state == DEED_BEGAN && had->deed == d->deed && had->command == d->command &&
                    bytes_eq(str_get(&had->container), str_get(&d->container)))
                        return had;
        }
        return NULL;
}

static struct bytes cut(struct bytes s, uint32_t max)
{
        return bytes_of(s.p, s.len < max ? s.len : max);
}

int finding_deed_add(struct finding *f, const struct tide_event *done)
{
        struct finding_deed d = {.deed = done->done.deed, .state = done->done.state, .wall_ns = done->wall_ns,
                                 .command = done->done.command};
        struct finding_deed *had;

        if (str_set(&d.container, cut(done->container, DEED_TEXT)) < 0 ||
            str_set(&d.name, cut(done->done.name, DEED_TEXT)) < 0 ||
            str_set(&d.words, cut(done->done.words, DEED_WORDS)) < 0) {
                deed_release(&d);
                return -ENOMEM;
        }
        had = begun(f, &d);
        if (had) {
                deed_release(had);
                *had = d;
                return 0;
        }
        if (f->ndeeds == FINDING_DEEDS) { /* the oldest of the second half goes */
                deed_release(&f->deeds[FINDING_DEEDS / 2]);
                memmove(&f->deeds[FINDING_DEEDS / 2], &f->deeds[FINDING_DEEDS / 2 + 1],
                        (FINDING_DEEDS / 2 - 1) * sizeof(f->deeds[0]));
                f->ndeeds--;
                f->deeds_more++;
        }
        f->deeds[f->ndeeds++] = d;
        return 0;
}

/*
 * One walk over all fields serves both directions: with w it is written, with r it is read. So the two cannot differ.
 */
struct codec {
        struct buf *w;
        struct rd *r;
        uint32_t format;
        int err;
};

static void c_u64(struct codec *c, uint64_t *v)
{
        if (c->w)
                buf_put_u64(c->w, *v);
        else
                *v = rd_u64(c->r);
}

static void c_u32(struct codec *c, uint32_t *v)
{
        if (c->w)
                buf_put_u32(c->w, *v);
        else
                *v = rd_u32(c->r);
}

static void c_i64(struct codec *c, int64_t *v)
{
        uint64_t u = (uint64_t)*v;

        c_u64(c, &u);
        *v = (int64_t)u;
}

static void c_i32(struct codec *c, int32_t *v)
{
        uint32_t u = (uint32_t)*v;

        c_u32(c, &u);
        *v = (int32_t)u;
}

static void c_u8(struct codec *c, uint8_t *v)
{
        if (c->w)
                buf_put_u8(c->w, *v);
        else
                *v = rd_u8(c->r);
}

static void c_bool(struct codec *c, bool *v)
{
        uint8_t u = *v;

        c_u8(c, &u);
        *v = u != 0;
}

/* An enumeration below max. */
static uint32_t c_enum(struct codec *c, uint32_t v, uint32_t max)
{
        uint8_t u = (uint8_t)v;

        c_u8(c, &u);
        if (u >= max)
                c->err = ERR_SCHEMA;
        return u < max ? u : 0;
}

/* How many elements follow, at most max. */
static void c_count(struct codec *c, uint32_t *n, uint32_t max)
{
        c_u32(c, n);
        if (*n > max) {
                c->err = ERR_SCHEMA;
                *n = 0;
        }
}

static void c_str(struct codec *c, struct str_owned *s)
{
        if (c->w)
                buf_put_bytes(c->w, str_get(s));
        else if (c->err == 0)
                c->err = str_set(s, rd_bytes(c->r));
}

static void c_flow(struct codec *c, struct finding_flow *w)
{
        uint32_t port = w->port;

        for (size_t i = 0; i < sizeof(w->address); i++)
                c_u8(c, &w->address[i]);
        c_u8(c, &w->address_len);
        if (w->address_len != 0 && w->address_len != 4 && w->address_len != 16)
                c->err = ERR_SCHEMA;
        c_u8(c, &w->proto);
        c_u8(c, &w->direction);
        w->novelty = (uint8_t)c_enum(c, w->novelty, FLOW_NOVELTY__MAX);
        c_u32(c, &port);
        w->port = (uint16_t)port;
        c_bool(c, &w->has_port);
        c_bool(c, &w->counted);
        c_u64(c, &w->bytes_out);
        c_u64(c, &w->bytes_in);
        c_u64(c, &w->duration_ns);
        if (c->format < 3)
                return;
        c_u32(c, &w->names_more);
        c_u64(c, &w->ended);
}

/* The first of the texts becomes the last one. */
static void first_to_end(struct str_owned *s)
{
        const char *end = s->len ? memchr(s->p, 0, s->len) : NULL;
        uint32_t first = end ? (uint32_t)(end - s->p) + 1 : 0;
        char way[FINDING_WAY];

        if (!first || first > sizeof(way))
                return;
        memcpy(way, s->p, first);
        memmove(s->p, s->p + first, s->len - first);
        memcpy(s->p + s->len - first, way, first);
}

/* Before format 3 the subject was what a person reads. */
static void part_subject(struct codec *c, struct finding_signal *s)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 256);
        str_clear(&s->where);
        s->where = s->subject;
        s->subject = (struct str_owned){NULL, 0};
        finding_flow_text(&s->flow, &b);
        if (c->err == 0)
                c->err = b.err ? b.err : str_set(&s->subject, buf_bytes(&b));
}

static void c_content(struct codec *c, struct finding_signal *s)
{
        c_bool(c, &s->hashed);
        for (size_t i = 0; s->hashed && i < sizeof(s->sha256); i++)
                c_u8(c, &s->sha256[i]);
}

static void c_signal(struct codec *c, struct finding_signal *s)
{
        uint32_t flags = s->flags;

        s->kind = (enum dimension)c_enum(c, s->kind, DIM__MAX);
        c_str(c, &s->subject);
        c_str(c, &s->key);
        c_str(c, &s->operation);
        c_str(c, &s->executable);
        c_str(c, &s->args);
        c_u32(c, &s->pid);
        c_u64(c, &s->start);
        c_u32(c, &s->uid);
        c_u8(c, &s->origin);
        c_u8(c, &s->layer);
        c_u8(c, &s->change);
        c_u8(c, &s->phase);
        c_u32(c, &flags);
        s->flags = (uint16_t)flags;
        c_u32(c, &s->container);
        c_i64(c, &s->first_ns);
        c_i64(c, &s->last_ns);
        c_u64(c, &s->count);
        if (c->format > 1 && s->kind == DIM_NETWORK)
                c_flow(c, &s->flow);
        if (c->format == 2 && s->kind == DIM_NETWORK)
                first_to_end(&s->args);
        if (c->format > 2 && s->kind == DIM_NETWORK)
                c_str(c, &s->where);
        else if (s->kind == DIM_NETWORK)
                part_subject(c, s);
        if (c->format > 6 && s->kind == DIM_PROCESS)
                c_content(c, s);
}

static void c_rest(struct codec *c, struct finding *f)
{
        uint32_t used = FINDING_GONE;

        if (c->format < 3)
                return;
        c_count(c, &f->nrest, FINDING_REST);
        for (uint32_t i = 0; i < f->nrest; i++) {
                c_flow(c, &f->rest[i].to);
                c_u64(c, &f->rest[i].n);
                c_u64(c, &f->rest[i].flows);
                c_i64(c, &f->rest[i].first_ns);
                c_i64(c, &f->rest[i].last_ns);
        }
        while (used > 0 && f->gone[used - 1] == 0)
                used--;
        c_count(c, &used, FINDING_GONE);
        for (uint32_t i = 0; i < used; i++)
                c_u64(c, &f->gone[i]);
        c_u32(c, &f->gone_next);
        f->gone_next %= FINDING_GONE;
}

static void c_proc(struct codec *c, struct finding_proc *p)
{
        c_u32(c, &p->pid);
        c_u64(c, &p->start);
        c_str(c, &p->exe);
        c_str(c, &p->comm);
}

static void c_inventory(struct codec *c, struct finding_inventory *v)
{
        c_u64(c, &v->added);
        c_u64(c, &v->modified);
        c_u64(c, &v->removed);
        c_u64(c, &v->executables);
        c_u64(c, &v->running);
        c_count(c, &v->nnames, FINDING_INVENTORY);
        for (uint32_t i = 0; i < v->nnames; i++)
                c_str(c, &v->names[i]);
        if (c->format < 2)
                return;
        c_u64(c, &v->listeners);
        c_u64(c, &v->flows);
        c_count(c, &v->nnet, FINDING_NET);
        for (uint32_t i = 0; i < v->nnet; i++)
                c_str(c, &v->net[i]);
}

static void c_arrays(struct codec *c, struct finding *f)
{
        c_count(c, &f->ncontainers, FINDING_CONTAINERS);
        for (uint32_t i = 0; i < f->ncontainers; i++) {
                c_str(c, &f->containers[i].id);
                c_str(c, &f->containers[i].name);
                c_str(c, &f->containers[i].runtime);
                c_u64(c, &f->containers[i].count);
        }
        c_count(c, &f->nsignals, FINDING_SIGNALS);
        for (uint32_t i = 0; i < f->nsignals; i++)
                c_signal(c, &f->signals[i]);
        c_u64(c, &f->signals_more);
        c_rest(c, f);
        c_count(c, &f->nfactors, FINDING_FACTORS);
        for (uint32_t i = 0; i < f->nfactors; i++) {
                c_str(c, &f->factors[i].name);
                c_i32(c, &f->factors[i].quarters);
                c_str(c, &f->factors[i].text);
        }
        c_count(c, &f->nlineage, FINDING_LINEAGE);
        for (uint32_t i = 0; i < f->nlineage; i++)
                c_proc(c, &f->lineage[i]);
        c_count(c, &f->nprocs, FINDING_PROCS);
        for (uint32_t i = 0; i < f->nprocs; i++) {
                c_u32(c, &f->procs[i].pid);
                c_u64(c, &f->procs[i].start);
        }
        c_u32(c, &f->proc_next);
        f->proc_next %= FINDING_PROCS;
}

/* What became of it, and what is of sessions only. */
static void c_case(struct codec *c, struct finding *f)
{
        c_str(c, &f->suppressed_by);
        c_bool(c, &f->broke_through);
        c_u64(c, &f->past);
        c_str(c, &f->note);
        c_str(c, &f->verdict_by);
        c_i64(c, &f->verdict_ns);
        c_str(c, &f->closed_by);
        c_i64(c, &f->closed_ns);
        c_bool(c, &f->paged);
        c_str(c, &f->command);
        c_proc(c, &f->leader);
        f->terminal = (uint8_t)c_enum(c, f->terminal, TERMINAL_NO + 1);
        c_bool(c, &f->ended);
        if (c->format < 5)
                return;
        c_i64(c, &f->shown_ns);
        c_u32(c, &f->told);
        c_u64(c, &f->told_count);
        c_str(c, &f->past_words);
        c_i64(c, &f->ended_ns);
        c_u32(c, &f->exit_status);
        c_u64(c, &f->visits);
        c_u64(c, &f->runs);
}

static void c_deeds(struct codec *c, struct finding *f)
{
        c_count(c, &f->ndeeds, FINDING_DEEDS);
        for (uint32_t i = 0; i < f->ndeeds; i++) {
                struct finding_deed *d = &f->deeds[i];

                d->deed = (uint8_t)c_enum(c, d->deed, DEED__MAX);
                d->state = (uint8_t)c_enum(c, d->state, DEED__STATE_MAX);
                c_i64(c, &d->wall_ns);
                c_u64(c, &d->command);
                c_str(c, &d->container);
                c_str(c, &d->name);
                c_str(c, &d->words);
        }
        c_u64(c, &f->deeds_more);
        c_str(c, &f->criteria);
}

static void c_finding(struct codec *c, struct finding *f)
{
        c_u64(c, &f->id);
        f->type = (enum finding_type)c_enum(c, f->type, FINDING__TYPE_MAX);
        f->state = (enum finding_state)c_enum(c, f->state, FINDING_CLOSED + 1);
        f->severity = (enum finding_severity)c_enum(c, f->severity, SEVERITY_CRITICAL + 1);
        c_str(c, &f->host);
        c_str(c, &f->workload);
        c_str(c, &f->image);
        c_str(c, &f->digest);
        c_str(c, &f->class);
        c_str(c, &f->baseline_state);
        c_arrays(c, f);
        c_inventory(c, &f->inventory);
        c_u32(c, &f->uid);
        c_u32(c, &f->login_uid);
        c_u32(c, &f->session);
        c_bool(c, &f->actor_known);
        c_i32(c, &f->prior_quarters);
        c_i32(c, &f->sum_quarters);
        c_u32(c, &f->confidence);
        c_u64(c, &f->count);
        c_i64(c, &f->first_ns);
        c_i64(c, &f->last_ns);
        c_str(c, &f->loss);
        c_str(c, &f->verdict);
        c_bool(c, &f->suppressed);
        if (c->format > 3)
                c_case(c, f);
        if (c->format > 5)
                c_deeds(c, f);
}

int finding_encode(const struct finding *f, struct buf *out)
{
        struct codec c = {.w = out, .format = FORMAT};
        struct finding copy = *f; /* the walk takes what it may change; a writer changes nothing that is owned */

        buf_put_u32(out, FORMAT);
        c_finding(&c, &copy);
        return out->err ? out->err : c.err;
}

int finding_decode(struct bytes blob, struct finding **ret)
{
        _cleanup_(finding_freep) struct finding *f = finding_new();
        struct rd r;
        struct codec c = {.r = &r};

        if (!f)
                return -ENOMEM;
        rd_init(&r, blob.p, blob.len);
        c.format = rd_u32(&r);
        if (c.format < 1 || c.format > FORMAT)
                return r.err ? r.err : ERR_SCHEMA;
        c_finding(&c, f);
        if (r.err || c.err)
                return r.err ? r.err : c.err;
        if (rd_left(&r))
                return ERR_SCHEMA;
        *ret = TAKE_PTR(f);
        return 0;
}

static const char *word(const char *const *words, size_t n, unsigned v)
{
        return v < n ? words[v] : "unknown";
}

const char *finding_type_name(unsigned v)
{
        static const char *const words[] = {"drift", "first-sight", "session", "roll-out", "containment"};

        return word(words, ARRAY_LEN(words), v);
}

/* What stands of it now: the last word on each container, those that say nothing of it passed over. */
static enum finding_contained last_word(const struct finding *f, struct bytes container)
{
        static const enum finding_contained words[DEED__MAX][DEED__STATE_MAX] = {
                [DEED_ISOLATE] = {[DEED_FAILED] = CONTAINED_FAILED,
                                  [DEED_REFUSED] = CONTAINED_REFUSED,
                                  [DEED_DONE] = CONTAINED_YES,
                                  [DEED_CHANGED] = CONTAINED_YES},
                [DEED_RELEASE] = {[DEED_DONE] = CONTAINED_RELEASED, [DEED_CHANGED] = CONTAINED_RELEASED},
                [DEED_KILL] = {[DEED_DONE] = CONTAINED_KILLED},
        };
        enum finding_contained said = CONTAINED_NO;

        for (uint32_t i = 0; i < f->ndeeds; i++) {
                const struct finding_deed *d = &f->deeds[i];
                enum finding_contained v = words[d->deed][d->state];

                if (!bytes_eq(str_get(&d->container), container) || v == CONTAINED_NO)
                        continue;
                if (v == CONTAINED_REFUSED && said == CONTAINED_YES) /* it is so already */
                        continue;
                said = v;
        }
        return said;
}

enum finding_contained finding_contained_container(const struct finding *f, uint32_t deed)
{
        return last_word(f, str_get(&f->deeds[deed].container));
}

enum finding_contained finding_contained(const struct finding *f)
{
        enum finding_contained best = CONTAINED_NO;

        for (uint32_t i = 0; i < f->ndeeds; i++) {
                enum finding_contained v = last_word(f, str_get(&f->deeds[i].container));

                if (v > best)
                        best = v;
        }
        return best;
}

const char *finding_contained_name(unsigned v)
{
        static const char *const words[] = {"none", "refused", "failed", "released", "killed", "isolated"};

        return word(words, ARRAY_LEN(words), v);
}

const char *finding_state_name(unsigned v)
{
        static const char *const words[] = {"open", "triaged", "closed"};

        return word(words, ARRAY_LEN(words), v);
}

const char *finding_news_name(unsigned bit)
{
        static const char *const words[NEWS_BITS] = {"opened",  "page",   "count",   "contained",
                                                     "expired", "closed", "reopened"};
        unsigned i = 0;

        while (i < NEWS_BITS && bit != 1u << i)
                i++;
        return word(words, NEWS_BITS, i);
}

const char *finding_severity_name(unsigned v)
{
        static const char *const words[] = {"low", "medium", "high", "critical"};

        return word(words, ARRAY_LEN(words), v);
}

const char *finding_phase_name(unsigned v)
{
        static const char *const words[] = {"unknown", "start-up", "steady", "shutdown"};

        return word(words, ARRAY_LEN(words), v);
}

const char *dimension_name(unsigned v)
{
        static const char *const words[] = {"file", "process", "network", "privilege"};

        return word(words, ARRAY_LEN(words), v);
}

const char *flow_novelty_name(unsigned v)
{
        static const char *const words[] = {"known",
                                            "new-destination",
                                            "new-port",
                                            "new-phase",
                                            "new-executable",
                                            "unapproved-raw",
                                            "unapproved-one-replica",
                                            "unapproved-found-running",
                                            "unapproved-unplaced-program"};

        return word(words, ARRAY_LEN(words), v);
}
