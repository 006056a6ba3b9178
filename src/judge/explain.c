/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: why an act is or is not quiet, for a person: entries of the baseline that are like it, rules that were tried,
 * and the rule that would hide it alone. Must not: decide anything (quiet.c), or change memory. Pure.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/quiet-priv.h"
#include "tidemark/err.h"
#include "tidemark/pattern.h"

#define SCAN_ENTRIES 4096u

/* ---- entries that are like it ---- */

struct like {
        enum dimension dim;
        struct bytes key, exe;
        enum finding_phase phase;
};

static struct bytes directory(struct bytes key)
{
        int at = bytes_rfind(key, '/');

        return bytes_of(key.p, at < 0 ? 0 : (size_t)at + 1);
}

static bool same_host(struct bytes a, struct bytes b)
{
        struct bytes x = net_host(a), y = net_host(b);

        return x.len && bytes_eq(x, y);
}

/* The nearer the smaller; 0: it is not like it. */
static unsigned nearness(const struct like *l, const struct judge_entry *e, const char **ret_why)
{
        bool key = bytes_eq(e->key, l->key), exe = bytes_eq(e->exe, l->exe);

        if (e->dim != l->dim)
                return 0;
        if (key && exe) {
                *ret_why = e->candidate ? e->rejected  ? "it was rejected: raised each time"
                                          : e->waiting ? "it was seen, and is told when learning ends: a candidate"
                                                       : "it was seen and told: a candidate, until somebody approves it"
                           : e->dim == DIM_NETWORK && l->phase && e->phases && !(e->phases & 1u << l->phase)
                                   ? "it is known, but not in this phase of the container's life"
                                   : "it is known";
                return 1;
        }
        if (key) {
                *ret_why = e->candidate ? "another program's, and a candidate" : "it is known of another program";
                return 2;
        }
        if (e->candidate)
                return 0;
        if (l->dim == DIM_NETWORK && same_host(e->key, l->key)) {
                *ret_why = "the same destination, at another port";
                return 3;
        }
        if (l->dim == DIM_NETWORK || !directory(l->key).len || !bytes_eq(directory(e->key), directory(l->key)))
                return 0;
        *ret_why = exe ? "by the same program, in the same directory" : "in the same directory, by another program";
        return exe ? 4 : 5;
}

static void find_near(const struct judge *j, const struct workload *w, const struct like *l, struct judge_why *ret)
{
        unsigned rank[JUDGE_NEAR];
        struct judge_entry e;
        unsigned seen = 0;

        for (size_t i = 0; seen++ < SCAN_ENTRIES && judge_entry_next(j, str_get(&w->id), &i, &e);) {
                const char *why = "";
                unsigned n = nearness(l, &e, &why);
                size_t at = ret->nnear;

                if ((n == 1 || (n == 2 && !ret->item)) && e.item && e.candidate)
                        ret->item = e.item;
                while (n && at > 0 && rank[at - 1] > n)
                        at--;
                if (!n || at == JUDGE_NEAR)
                        continue;
                if (ret->nnear < JUDGE_NEAR)
                        ret->nnear++;
                for (size_t k = ret->nnear - 1; k > at; k--) {
                        ret->near[k] = ret->near[k - 1];
                        rank[k] = rank[k - 1];
                }
                ret->near[at] = (struct judge_near){.entry = e, .why = why};
                rank[at] = n;
        }
}

/* ---- rules ---- */

static void try_rules(const struct judge *j, const struct rule_act *a, struct judge_why *ret)
{
        const struct rule *r;

        for (int pass = 0; pass < 2; pass++) /* those that fit go first */
                for (size_t i = 0; (r = rules_at(j, i)); i++) {
                        enum rule_why why = rule_fits(r, a);

                        if (r->ended_ns || (why == RULE_FITS) != (pass == 0))
                                continue;
                        if (ret->ntried == JUDGE_TRIED) {
                                ret->tried_more++;
                                continue;
                        }
                        ret->tried[ret->ntried++] = (struct judge_tried){
                                .rule = r->id, .kind = r->kind, .fits = why == RULE_FITS, .why = rule_why_words(why)};
                }
}

/* ---- the rule that would hide it alone ---- */

/* For a shell: in quotation marks where it needs them. */
static void put_word(struct buf *out, const char *option, struct bytes pattern)
{
        bool plain = pattern.len > 0;

        for (uint32_t i = 0; i < pattern.len; i++) {
                uint8_t c = pattern.p[i];

                plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                  strchr("/._-+:@%,=[]", c) != NULL);
        }
        buf_printf(out, "%s--%s %s", out->len ? " " : "", option, plain ? "" : "'");
        for (uint32_t i = 0; i < pattern.len; i++) {
                if (pattern.p[i] == '\'')
                        buf_put_str(out, "'\\'");
                buf_put_u8(out, pattern.p[i]);
        }
        buf_put_str(out, plain ? "" : "'");
}

static int set_pattern(struct str_owned *to, struct bytes text)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, PATTERN_MAX);
        pattern_quote(text, &b);
        return b.err || b.len == 0 ? -EINVAL : str_set(to, buf_bytes(&b));
}

static int set_place(struct rule *r, const struct rule_act *a)
{
        char address[TIDE_ADDRESS_TEXT], proto[TIDE_PROTO_TEXT], port[16] = "";
        _cleanup_buf_ struct buf b;

        buf_init(&b, RULE_TEXT - 1);
        if (a->port)
                snprintf(port, sizeof(port), ":%u", a->port);
        if (a->listens)
                buf_printf(&b, "listen:%u", a->port);
        else if (a->nnames)
                pattern_quote(a->names[0].name, &b);
        else if (a->address.len == 16)
                buf_printf(&b, "[%s]", tide_address_text(a->address, address));
        else
                buf_put_str(&b, tide_address_text(a->address, address));
        buf_printf(&b, "%s/%s", a->listens ? "" : port, tide_proto_text(a->proto, proto));
        if (b.err || str_set(&r->place, buf_bytes(&b)) < 0)
                return -EINVAL;
        return rule_place(str_get(&r->place), r->where_name, &r->where) ? -EINVAL : 0;
}

/* Is shown only if it would hide the act: asked of the rules' own function. */
static void propose(const struct rule_act *a, struct judge_why *ret)
{
        struct rule *r = calloc(1, sizeof(*r));
        _cleanup_buf_ struct buf out;
        int err = r ? set_pattern(&r->workload, a->workload) : -ENOMEM;

        buf_init(&out, sizeof(ret->allow) - 1);
        if (err == 0 && a->flow)
                err = set_place(r, a);
        else if (err == 0 && a->dim != DIM_PRIVILEGE && a->path.len)
                err = set_pattern(&r->path, a->path);
        if (err == 0 && (a->dim == DIM_PRIVILEGE || (a->flow && a->never_silent)))
                err = set_pattern(&r->exe, a->exe);
        if (err == 0) {
                r->kind = RULE_ALLOW;
                r->dims = a->dim == DIM_PRIVILEGE ? 1u << DIM_PRIVILEGE : 0;
                r->from_ns = INT64_MIN;
                put_word(&out, "workload", str_get(&r->workload));
                if (r->path.len)
                        put_word(&out, "path", str_get(&r->path));
                if (r->exe.len)
                        put_word(&out, "executable", str_get(&r->exe));
                if (r->place.len)
                        put_word(&out, "destination", str_get(&r->place));
                if (r->dims)
                        put_word(&out, "signal", BYTES_LIT("privilege"));
                if (!out.err && (r->path.len || r->exe.len || r->place.len) && rule_fits(r, a) == RULE_FITS)
                        snprintf(ret->allow, sizeof(ret->allow), "%s", buf_cstr(&out));
        }
        rule_free(r);
}

/* ---- asked ---- */

static void explain(const struct judge *j, const struct workload *w, const struct rule_act *a, const struct like *l,
                    struct judge_why *ret)
{
        ret->dim = l->dim;
        ret->state = baseline_state_name(baseline_state(w, l->dim));
        ret->entries = w->dim[l->dim].entries;
        ret->p_new = baseline_p_new(w, l->dim);
        find_near(j, w, l, ret);
        try_rules(j, a, ret);
        if (l->dim != DIM_PRIVILEGE || !ret->item) /* a rule would quiet all that this program does with rights */
                propose(a, ret);
}

static bool has_mark(struct bytes key, const char *mark)
{
        struct bytes m = bytes_str(mark);

        for (uint32_t i = 0; i + m.len <= key.len; i++)
                if (memcmp(key.p + i, m.p, m.len) == 0)
                        return true;
        return false;
}

/* What a rule sees of it. names: room for FINDING_SIGNALS of them. */
static void act_of_signal(const struct workload *w, const struct finding *f, const struct finding_signal *s,
                          struct name_fact *names, struct rule_act *a)
{
        struct bytes subject = str_get(&s->subject), all = str_get(&s->args), key = str_get(&s->key);

        (void)f;
        *a = (struct rule_act){.workload = str_get(&w->name),
                               .workload_id = str_get(&w->id),
                               .of = w,
                               .wall_ns = s->last_ns,
                               .dim = s->kind,
                               .exe = str_get(&s->executable),
                               .origin = s->origin,
                               .layer = s->layer,
                               .exe_layer = s->kind == DIM_NETWORK ? s->layer : LAYER_UNKNOWN,
                               .program = s->kind == DIM_PROCESS || has_mark(key, " [executable]") ||
                                          has_mark(key, " [setuid]") || has_mark(key, " [capabilities]"),
                               .never_silent = observe_never_silent(s->kind, key),
                               .outside = has_mark(key, " [host]") || has_mark(key, " [other]") ||
                                          bytes_eq(key, BYTES_LIT("blinded"))};
        if (s->kind != DIM_NETWORK) {
                a->path = subject.len && subject.p[0] == '/' ? subject : bytes_of(NULL, 0);
                return;
        }
        a->flow = true;
        a->listens = s->flow.direction == DIRECTION_IN;
        a->port = s->flow.has_port ? s->flow.port : 0;
        a->proto = s->flow.proto;
        a->address = bytes_of(s->flow.address, s->flow.address_len);
        a->kind = address_kind(a->address);
        a->names = names;
        for (uint32_t at = 0; at < all.len && a->nnames < FINDING_SIGNALS;) { /* the last one is the way */
                const uint8_t *end = memchr(all.p + at, 0, all.len - at);
                uint32_t len = end ? (uint32_t)(end - (all.p + at)) : all.len - at;

                if (at + len + 1 >= all.len)
                        break;
                names[a->nnames++] =
                        (struct name_fact){.name = bytes_of(all.p + at, len), .key = bytes_of(all.p + at, len)};
                at += len + 1;
        }
}

static struct workload *workload_of(const struct judge *j, const struct finding *f)
{
        _cleanup_buf_ struct buf id;

        buf_init(&id, 1u << 16);
        buf_put(&id, f->workload.p, f->workload.len);
        buf_put_u8(&id, '@');
        buf_put(&id, f->digest.p, f->digest.len);
        return id.err ? NULL : map_get(j->workloads, buf_bytes(&id));
}

int judge_explain_signal(const struct judge *j, const struct finding *f, const struct finding_signal *s,
                         struct judge_why *ret)
{
        struct name_fact names[FINDING_SIGNALS];
        const struct workload *w = workload_of(j, f);
        struct rule_act a;
        struct like l = {.dim = s->kind, .key = str_get(&s->key), .exe = str_get(&s->executable), .phase = s->phase};

        memset(ret, 0, sizeof(*ret));
        if (!w)
                return -ENOENT;
        act_of_signal(w, f, s, names, &a);
        explain(j, w, &a, &l, ret);
        snprintf(ret->decided, sizeof(ret->decided), "%s",
                 ret->ntried && ret->tried[0].fits ? "raised; now a rule fits it" : "raised");
        return 0;
}

/* One that nobody has seen: of the workload, at work. */
static struct container_memory *stand_in(const struct workload *w)
{
        struct container_memory *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->workload = (struct workload *)w; /* is not changed by what follows */
        c->class = w->class;
        c->running = c->running_before = true;
        return c;
}

static int ask(struct judge *j, struct workload *w, struct container_memory *c, const struct tide_event *ev,
               struct judge_why *ret)
{
        struct observation o;
        struct rule_act a;
        struct quiet q;
        struct entry *e;
        enum known known;
        struct like l;
        int r = observe(j, c, ev, &o);

        if (r < 0)
                return r == ERR_LIMIT ? -EAGAIN : r;
        known = baseline_lookup(w, &o, &e);
        if (known == KNOWN_YES && o.never_silent && e && approval_fits(e, &o) == FIT_NO)
                known = KNOWN_NOT;
        quiet_decide(j, w, &o, known, known == KNOWN_NOT ? NULL : e, w->dim[o.dim].state == DS_LEARNING, &q);
        rule_act_of(w, &o, &a);
        l = (struct like){.dim = o.dim, .key = o.key, .exe = o.known_exe ? o.exe : bytes_of(NULL, 0), .phase = o.phase};
        explain(j, w, &a, &l, ret);
        if (e && (q.by == QUIET_KNOWN || q.by == QUIET_RAISED)) {
                ret->entry_key = str_get(&e->key);
                ret->entry_exe = str_get(&e->exe);
        }
        ret->quiet = q.by <= QUIET_ALLOW || q.by == QUIET_LEARNED || q.by == QUIET_REVIEW;
        snprintf(ret->decided, sizeof(ret->decided), "%s", q.by == QUIET_NOT ? "raised" : q.words);
        return 0;
}

int judge_explain_event(const struct judge *cj, struct bytes workload_id, const struct tide_event *ev,
                        struct bytes name, struct judge_why *ret)
{
        struct judge *j = (struct judge *)cj; /* its scratch buffers change, its memory does not */
        struct workload *w = map_get(j->workloads, workload_id);
        struct container_memory *c = ev->container.len ? map_get(j->containers, ev->container) : NULL, *own = NULL;
        int r = 0;

        memset(ret, 0, sizeof(*ret));
        if (!w)
                return -ENOENT;
        if (!c || c->workload != w)
                c = own = stand_in(w);
        if (!c)
                return -ENOMEM;
        if (name.len && c == own) {
                struct name_fact f = {.address = observe_net_address(&ev->flow),
                                      .name = name,
                                      .last_ns = ev->wall_ns,
                                      .ttl = 60,
                                      .verdict = NAME_ANSWERED};

                r = names_new(8, &c->names);
                if (r == 0)
                        r = names_put(c->names, &f, NULL, NULL);
        }
        if (r >= 0)
                r = ask(j, w, c, ev, ret);
        j->led_of = NULL;
        if (own)
                container_memory_free(own);
        return r;
}
