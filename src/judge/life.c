/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the life of a finding: what of it is told once, an operator's verdict, closing, opening again, expiry, and what
 * is remembered of closed ones: by what causes they would come again. Must not: decide which finding an act is of
 * (group.c). Pure.
 *
 * A closed finding leaves memory; its piece stays in the store for as long as its entry of the past is kept here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"
#include "tidemark/pattern.h"
#include "tidemark/when.h"

#define DOUBLED_FIRST 10u
#define NOTE_MAX 1000u

/* ---- what is told, once each ---- */

/* Somebody is to look at it. What a container was found with, and what a new image did, is so however sure it is. */
static bool is_shown(const struct judge *j, const struct finding *f)
{
        return !f->suppressed &&
               (f->type == FINDING_FIRST_SIGHT || f->type == FINDING_ROLLOUT || f->type == FINDING_CONTAINMENT ||
                f->confidence >= j->p.show);
}

static unsigned say(struct finding *f, unsigned news)
{
        news &= ~f->told;
        f->told |= news;
        return news;
}

static unsigned say_doubled(struct finding *f)
{
        uint64_t next = f->told_count ? 2 * f->told_count : DOUBLED_FIRST;

        if (f->count < next)
                return 0;
        while (f->count / 2 >= next)
                next *= 2;
        f->told_count = next;
        return NEWS_DOUBLED; /* again and again: not of those that are said once */
}

/* It is more than it was judged to be. */
static unsigned say_anew(struct finding *f)
{
        f->told &= ~(unsigned)NEWS_PAGED;
        return f->told & NEWS_OPENED ? NEWS_REOPENED : 0;
}

static unsigned say_paged(struct judge *j, struct finding *f)
{
        if (!f->paged)
                weeks_paged(j, f);
        f->paged = true;
        f->state = FINDING_OPEN;
        return say(f, NEWS_PAGED);
}

unsigned life_news(struct judge *j, struct finding *f)
{
        bool anew = f->anew;
        unsigned news = 0;

        f->anew = false;
        if (anew)
                f->state = FINDING_OPEN;

        if (f->state == FINDING_CLOSED)
                return f->told & NEWS_OPENED
                               ? say(f, f->closed_by.len && bytes_eq(str_get(&f->closed_by), BYTES_LIT(LIFE_EXPIRED))
                                                ? NEWS_EXPIRED
                                                : NEWS_CLOSED)
                               : 0;
        if (f->told & (NEWS_CLOSED | NEWS_EXPIRED)) {
                f->told &= ~(unsigned)(NEWS_CLOSED | NEWS_EXPIRED);
                news = NEWS_REOPENED;
        }
        if (f->suppressed)
                weeks_suppressed(j, f);
        if (!is_shown(j, f))
                return news;
        if (f->shown_ns == 0) {
                f->shown_ns = f->last_ns;
                weeks_shown(j, f);
        }
        if (anew)
                news |= say_anew(f);
        news |= say(f, NEWS_OPENED);
        if (finding_contained(f) == CONTAINED_YES)
                news |= say(f, NEWS_CONTAINED);
        else if (finding_contained(f) == CONTAINED_RELEASED) /* a second time is news again */
                f->told &= ~(unsigned)NEWS_CONTAINED;
        if (f->confidence >= j->p.page && (anew || !f->paged))
                news |= say_paged(j, f);
        return news | say_doubled(f);
}

/* ---- the past ---- */

static void past_free(struct past *p)
{
        str_clear(&p->words);
        free(p);
}

void life_free(struct judge *j)
{
        for (size_t i = 0; i < j->npast; i++)
                past_free(j->past[i]);
        free(j->past);
}

static uint64_t workload_hash(struct bytes name)
{
        return map_hash((struct map_seed){0x70617374, 1}, name);
}

struct past *life_past_new(uint64_t id, uint32_t n)
{
        struct past *p = n <= PAST_CAUSES ? calloc(1, sizeof(*p) + n * sizeof(p->causes[0])) : NULL;

        if (p) {
                p->id = id;
                p->n = n;
        }
        return p;
}

/* Taken over on success. In the order in which they were closed. */
int life_past_take(struct judge *j, struct past *p)
{
        size_t at;

        if (j->npast == j->past_cap) {
                size_t cap = j->past_cap ? 2 * j->past_cap : 16;
                struct past **past = realloc(j->past, cap * sizeof(*past));

                if (!past)
                        return -ENOMEM;
                j->past = past;
                j->past_cap = cap;
        }
        for (at = j->npast; at > 0 && (j->past[at - 1]->closed_ns > p->closed_ns ||
                                       (j->past[at - 1]->closed_ns == p->closed_ns && j->past[at - 1]->id > p->id));
             at--)
                j->past[at] = j->past[at - 1];
        j->past[at] = p;
        j->npast++;
        return 0;
}

static void forget(struct judge *j, size_t i, bool finding)
{
        struct past *p = j->past[i];

        pieces_drop_past(j, p);
        if (finding)
                pieces_drop_finding(j, p->id);
        past_free(p);
        memmove(j->past + i, j->past + i + 1, (--j->npast - i) * sizeof(*j->past));
}

/* A finding that is deleted is told, by its number: some in one note. */
#define TOLD_TOGETHER 20u
struct forgotten {
        char ids[TOLD_TOGETHER * 24];
        unsigned n;
};

static void tell_forgotten(struct judge *j, struct forgotten *w, const char *why)
{
        char words[sizeof(w->ids) + 160];

        if (w->n == 0 || !j->ops->note)
                return;
        snprintf(words, sizeof(words), "closed finding%s deleted (%s): %s", w->n == 1 ? "" : "s", why, w->ids);
        j->ops->note(bytes_of(NULL, 0), words, j->arg);
        *w = (struct forgotten){.n = 0};
}

/* The one that was closed first. */
static void forget_oldest(struct judge *j, struct forgotten *w, const char *why)
{
        size_t at = strlen(w->ids);

        snprintf(w->ids + at, sizeof(w->ids) - at, "%sF-%llu", at ? ", " : "", (unsigned long long)j->past[0]->id);
        forget(j, 0, true);
        j->stats.closed_dropped++;
        if (++w->n == TOLD_TOGETHER)
                tell_forgotten(j, w, why);
}

static void forget_above_limit(struct judge *j)
{
        struct forgotten w = {.n = 0};

        while (j->npast > j->p.max_closed)
                forget_oldest(j, &w, "limits.closed_findings");
        tell_forgotten(j, &w, "limits.closed_findings");
}

static void forget_old(struct judge *j, int64_t wall_ns)
{
        struct forgotten w = {.n = 0};

        while (j->npast && ns_apart(wall_ns, j->past[0]->closed_ns) >= (int64_t)j->p.finding_keep_ns)
                forget_oldest(j, &w, "queue.keep");
        tell_forgotten(j, &w, "queue.keep");
}

static void forget_id(struct judge *j, uint64_t id)
{
        for (size_t i = 0; i < j->npast; i++)
                if (j->past[i]->id == id) {
                        forget(j, i, false);
                        return;
                }
}

static int past_words(struct past *p, const struct finding *f)
{
        char text[300], by[120], when[CLOCK_TEXT], verdict[32];
        bool expired = bytes_eq(str_get(&f->closed_by), BYTES_LIT(LIFE_EXPIRED));

        str_print(str_get(&f->verdict), verdict, sizeof(verdict));
        clock_rfc3339(f->closed_ns, when);
        if (expired)
                snprintf(text, sizeof(text), "F-%llu, %s%swhich closed by itself on %.10s, not seen for long",
                         (unsigned long long)f->id, f->verdict.len ? "judged " : "", f->verdict.len ? verdict : "",
                         when);
        else
                snprintf(text, sizeof(text), "F-%llu, closed as %s by %s on %.10s", (unsigned long long)f->id,
                         f->verdict.len ? verdict : "unsure", str_print(str_get(&f->closed_by), by, sizeof(by)), when);
        if (expired && f->verdict.len)
                snprintf(text, sizeof(text), "F-%llu, judged %s, which closed by itself on %.10s, not seen for long",
                         (unsigned long long)f->id, verdict, when);
        return str_set(&p->words, bytes_str(text));
}

/* What people do in sessions, and what was there before us, is no cause that comes again. */
static uint32_t causes_of(const struct finding *f)
{
        return f->type == FINDING_DRIFT ? f->nsignals : 0;
}

static int remember(struct judge *j, const struct finding *f)
{
        struct past *p;
        int r;

        forget_id(j, f->id);
        p = life_past_new(f->id, causes_of(f));
        if (!p)
                return -ENOMEM;
        p->closed_ns = f->closed_ns;
        p->workload = workload_hash(str_get(&f->workload));
        for (uint32_t i = 0; i < p->n; i++)
                p->causes[i] = signal_cause_of(&f->signals[i]);
        r = past_words(p, f);
        if (r == 0)
                r = life_past_take(j, p);
        if (r < 0) {
                past_free(p);
                return r;
        }
        pieces_save_past(j, p);
        forget_above_limit(j);
        return 0;
}

int life_link(const struct judge *j, struct finding *f, uint64_t cause)
{
        uint64_t workload = workload_hash(str_get(&f->workload));

        for (size_t i = j->npast; i > 0 && f->past == 0; i--) {
                const struct past *p = j->past[i - 1];

                for (uint32_t k = 0; k < p->n && p->workload == workload; k++)
                        if (p->causes[k] == cause) {
                                f->past = p->id;
                                return str_set(&f->past_words, str_get(&p->words));
                        }
        }
        return 0;
}

/* ---- closing ---- */

/* f is freed. */
static int close_it(struct judge *j, struct finding *f, struct bytes by, int64_t wall_ns)
{
        int r = str_set(&f->closed_by, by);

        if (r < 0)
                return r;
        f->state = FINDING_CLOSED;
        f->closed_ns = wall_ns;
        r = remember(j, f);
        group_changed(j, f, false);
        group_remove(j, f);
        finding_free(f);
        return r;
}

void life_tick(struct judge *j, int64_t wall_ns)
{
        for (size_t i = 0; i < j->nopen;) {
                struct finding *f = j->open[i];

                if (ns_apart(wall_ns, f->last_ns) < (int64_t)j->p.finding_expire_ns ||
                    close_it(j, f, BYTES_LIT(LIFE_EXPIRED), wall_ns) < 0)
                        i++;
                else
                        j->stats.expired++;
        }
        forget_above_limit(j);
        forget_old(j, wall_ns);
}

/* ---- an operator's verdict ---- */

struct triage {
        uint64_t id;
        struct bytes verdict, note, criteria;
        bool close, reopen;
};

static bool is_set(const struct tide_decision *d, const char *name)
{
        return bytes_eq(decide_arg(d, name), BYTES_LIT("true"));
}

static bool is_verdict(struct bytes v)
{
        for (unsigned i = 0; i < JUDGE_VERDICTS; i++)
                if (bytes_eq(v, bytes_str(judge_verdict_name(i))))
                        return true;
        return false;
}

/* "F-12". 0: it is none. */
static uint64_t number_of(struct bytes target)
{
        uint64_t id = 0;

        if (target.len < 3 || target.len > 20 || !bytes_has_prefix(target, BYTES_LIT("F-")))
                return 0;
        for (uint32_t i = 2; i < target.len; i++) {
                if (target.p[i] < '0' || target.p[i] > '9')
                        return 0;
                id = 10 * id + (uint64_t)(target.p[i] - '0');
        }
        return id;
}

static int read_triage(struct judge *j, const struct tide_decision *d, struct triage *t)
{
        char shown[64];

        *t = (struct triage){.id = number_of(d->target),
                             .verdict = decide_arg(d, "verdict"),
                             .criteria = decide_arg(d, "criteria"),
                             .note = decide_arg(d, "note"),
                             .close = is_set(d, "close"),
                             .reopen = is_set(d, "reopen")};
        if (t->id == 0)
                return decide_refuse(j, "'%s' is no finding's id: expected one such as F-12",
                                     str_print(d->target, shown, sizeof(shown)));
        if (t->verdict.len && !is_verdict(t->verdict))
                return decide_refuse(j, "verdict '%s' is not one of: malicious, misconfigured, benign, unsure",
                                     str_print(t->verdict, shown, sizeof(shown)));
        if (t->note.len > NOTE_MAX)
                return decide_refuse(j, "the note is too long: %u bytes, at most %u", (unsigned)t->note.len, NOTE_MAX);
        if (t->close && t->reopen)
                return decide_refuse(j, "close or reopen: not both");
        if (!t->verdict.len && !t->close && !t->reopen && !t->note.len)
                return decide_refuse(j, "nothing to do: give a verdict (malicious, misconfigured, benign, unsure), a "
                                        "note, close or reopen");
        return 0;
}

static int check_triage(struct judge *j, const struct triage *t, const struct finding *f)
{
        if (t->reopen && f->state == FINDING_OPEN)
                return decide_refuse(j, "F-%llu is open already", (unsigned long long)f->id);
        if (t->close && f->state == FINDING_CLOSED)
                return decide_refuse(j, "F-%llu is closed already", (unsigned long long)f->id);
        if (t->close && !t->verdict.len && !f->verdict.len)
                return decide_refuse(j,
                                     "F-%llu has no verdict: give one to close it (malicious, misconfigured, "
                                     "benign, unsure)",
                                     (unsigned long long)f->id);
        if (t->note.len && !t->verdict.len && !f->verdict.len)
                return decide_refuse(j, "F-%llu has no verdict that the note could go with", (unsigned long long)f->id);
        return 0;
}

/* A word of a line that somebody copies, of what a container chose: never more than that word to a shell, nor, as a
 * pattern, anything but that text. */
static void put_word(struct bytes text, bool as_pattern, struct buf *out)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 2048);
        if (as_pattern)
                pattern_quote(text, &b);
        else
                str_escape(text, &b);
        str_shell(buf_bytes(&b), out);
        if (b.err && out->err == 0)
                out->err = b.err;
}

/* What would quiet it, since no verdict does. */
static void advise(struct judge *j, const struct finding *f)
{
        const struct finding_signal *s = f->nsignals ? &f->signals[0] : NULL;
        _cleanup_buf_ struct buf allow, review;

        buf_init(&allow, 1800);
        buf_init(&review, 1800);
        decide_say(j, "advice", "a verdict alone silences nothing");
        if (!s || f->type == FINDING_SESSION)
                return;
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (f->signals[i].kind == DIM_PROCESS) {
                        s = &f->signals[i];
                        break;
                }
        put_word(str_get(&f->workload), true, &allow);
        buf_put_str(&allow, s->kind == DIM_NETWORK ? " --destination " : " --path ");
        put_word(str_get(&s->subject), s->kind != DIM_NETWORK, &allow);
        put_word(str_get(&f->workload), false, &review);
        if (allow.err == 0)
                decide_say(j, "advice", "tidemark allow add --workload %s --reason TEXT", buf_cstr(&allow));
        if (review.err == 0)
                decide_say(j, "advice", "tidemark baseline review %s", buf_cstr(&review));
}

static void say_done(struct judge *j, const struct triage *t, const struct finding *f)
{
        unsigned now = t->close ? FINDING_CLOSED : t->reopen ? FINDING_OPEN : f->state;
        char verdict[32];

        if (!t->close && !t->reopen && f->state == FINDING_OPEN && t->verdict.len)
                now = FINDING_TRIAGED;
        decide_say(j, "finding", "F-%llu", (unsigned long long)f->id);
        decide_say(j, "was", "%s", finding_state_name(f->state));
        decide_say(j, "state", "%s", finding_state_name(now));
        if (t->verdict.len || f->verdict.len)
                decide_say(j, "verdict", "%s",
                           str_print(t->verdict.len ? t->verdict : str_get(&f->verdict), verdict, sizeof(verdict)));
        if (t->verdict.len)
                advise(j, f);
}

static int judge_it(struct judge *j, const struct triage *t, struct finding *f, const struct tide_event *ev)
{
        char by[DECIDE_BY];
        int r = 0;

        if (t->verdict.len) {
                weeks_verdict(j, f, t->verdict);
                r = str_set(&f->verdict, t->verdict);
                if (r == 0)
                        r = str_set(&f->criteria, t->criteria);
                if (r == 0)
                        r = str_set(&f->verdict_by, bytes_str(decide_by(ev, by)));
                f->verdict_ns = ev->wall_ns;
                if (f->state == FINDING_OPEN)
                        f->state = FINDING_TRIAGED;
        }
        if (r == 0 && (t->verdict.len || t->note.len))
                r = str_set(&f->note, t->note);
        return r;
}

/* It is one of the open ones again. */
static int open_again(struct judge *j, struct finding *f)
{
        int r = group_take_room(j, f);

        if (r < 0)
                return r;
        forget_id(j, f->id);
        return 0;
}

static int reopen(struct judge *j, struct finding *f, bool kept)
{
        int r = kept ? open_again(j, f) : 0;

        if (r < 0)
                return r;
        f->state = FINDING_OPEN;
        str_clear(&f->closed_by);
        f->closed_ns = 0;
        group_changed(j, f, false);
        return 0;
}

/* f: open, or, kept: a closed one that the decision brought along. On success it is the judge's, or freed. */
static int triage_it(struct judge *j, const struct triage *t, struct finding *f, bool kept, const struct tide_event *ev)
{
        char by[DECIDE_BY];
        int r = judge_it(j, t, f, ev);

        if (r < 0)
                return r;
        if (t->close)
                return close_it(j, f, bytes_str(decide_by(ev, by)), ev->wall_ns);
        if (t->reopen)
                return reopen(j, f, kept);
        if (kept) { /* it stays closed, under another verdict */
                r = remember(j, f);
                if (r == 0) {
                        group_changed(j, f, false);
                        finding_free(f);
                }
                return r;
        }
        group_changed(j, f, false);
        return 0;
}

/* Closed ones are not in memory: whoever asks brings them along, so that a recording holds what is needed. */
static int find_closed(struct judge *j, const struct tide_decision *d, uint64_t id, struct finding **ret)
{
        struct bytes blob = decide_arg(d, "kept");
        struct finding *f = NULL;

        if (blob.len && finding_decode(blob, &f) < 0)
                return decide_refuse(j, "F-%llu is kept, but damaged", (unsigned long long)id);
        if (!f || f->id != id || f->state != FINDING_CLOSED) {
                finding_free(f);
                return decide_refuse(j, "there is no finding F-%llu: see tidemark findings --all --state all",
                                     (unsigned long long)id);
        }
        *ret = f;
        return 0;
}

int life_triage(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        struct finding *f, *kept = NULL;
        struct triage t;
        int r = read_triage(j, &ev->decision, &t);

        (void)w;
        if (r < 0)
                return r;
        f = group_by_id(j, t.id);
        if (!f) {
                r = find_closed(j, &ev->decision, t.id, &kept);
                f = kept;
        }
        if (r == 0)
                r = check_triage(j, &t, f);
        if (r == 0)
                say_done(j, &t, f);
        if (r == 0 && !j->dry) {
                r = triage_it(j, &t, f, kept != NULL, ev);
                if (r == 0)
                        kept = NULL;
        }
        finding_free(kept);
        j->stats.findings = j->nopen;
        return r;
}
