/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what a report is made of: of each workload, by its name, the last weeks in numbers: for how long it ran and was
 * judged, what had to be looked at, and what came of it. Must not: read a clock (ticks bring the time). Pure.
 *
 * Time passes from tick to tick. Where none came for long nobody looked: that time is nobody's.
 */
#include <stdlib.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

#define WEEK_NS 604800000000000
#define MONDAY_NS 345600000000000 /* 1970-01-05, in UTC */
#define TICK_MAX_NS 600000000000  /* a longer pause was one of this agent */
#define SAVE_NS 600000000000u     /* time that may be lost when the agent is killed */

struct weeks {
        struct str_owned name;
        struct judge_week of[WEEKS_KEPT]; /* by their number, in a ring */
        int64_t first_ns;                 /* wall clock of the first tick at which it ran; 0: none yet */
        uint64_t unsaved_ns;
        bool running, judged, dark; /* at the tick that is looked at */
};

void weeks_free(void *p)
{
        struct weeks *w = p;

        str_clear(&w->name);
        free(w);
}

static int64_t week_of(int64_t wall_ns)
{
        int64_t since = ns_apart(wall_ns, MONDAY_NS);

        return since < 0 ? 0 : since / WEEK_NS;
}

static int64_t last_of(const struct weeks *w)
{
        int64_t last = 0;

        for (size_t i = 0; i < WEEKS_KEPT; i++)
                if (w->of[i].number > last)
                        last = w->of[i].number;
        return last;
}

/* There are too many: the one of which nothing was seen for longest goes. */
static void make_room(struct judge *j)
{
        struct weeks *oldest = NULL;
        void *value;

        for (size_t i = 0; map_next(j->weeks, &i, NULL, &value);)
                if (!oldest || last_of(value) < last_of(oldest))
                        oldest = value;
        if (!oldest)
                return;
        j->ops->save(PIECE_WEEKS, str_get(&oldest->name), bytes_of(NULL, 0), j->arg);
        if (map_del(j->weeks, str_get(&oldest->name)) < 0)
                j->stats.refused++;
}

static struct weeks *weeks_of(struct judge *j, struct bytes name)
{
        struct weeks *w = map_get(j->weeks, name);

        if (w)
                return w;
        if (map_count(j->weeks) >= j->p.max_workloads)
                make_room(j);
        w = calloc(1, sizeof(*w));
        if (w && (str_set(&w->name, name) < 0 || map_put(j->weeks, name, w) < 0)) {
                weeks_free(w);
                w = NULL;
        }
        if (!w)
                j->stats.refused++;
        return w;
}

/* NULL: it is longer ago than is kept. */
static struct judge_week *at(struct weeks *w, int64_t number)
{
        struct judge_week *k = &w->of[number % WEEKS_KEPT];

        if (k->number == number)
                return k;
        if (k->number > number)
                return NULL;
        *k = (struct judge_week){.number = number};
        return k;
}

/* ---- pieces ---- */

static uint32_t *counter(struct judge_week *k, size_t i)
{
        static const size_t rows[] = {
                offsetof(struct judge_week, findings),    offsetof(struct judge_week, pages),
                offsetof(struct judge_week, learning),    offsetof(struct judge_week, first_sights),
                offsetof(struct judge_week, sessions),    offsetof(struct judge_week, sessions_shown),
                offsetof(struct judge_week, suppressed),  offsetof(struct judge_week, verdicts[0]),
                offsetof(struct judge_week, verdicts[1]), offsetof(struct judge_week, verdicts[2]),
                offsetof(struct judge_week, verdicts[3]),
        };

        return i < ARRAY_LEN(rows) ? (uint32_t *)((char *)k + rows[i]) : NULL;
}

void weeks_put(struct weeks *w, struct buf *out)
{
        uint32_t n = 0;

        for (size_t i = 0; i < WEEKS_KEPT; i++)
                n += w->of[i].number > 0;
        buf_put_u32(out, n);
        for (size_t i = 0; i < WEEKS_KEPT; i++) {
                struct judge_week *k = &w->of[i];
                uint32_t *v;

                if (k->number == 0)
                        continue;
                buf_put_u64(out, (uint64_t)k->number);
                buf_put_u64(out, k->observed_ns);
                buf_put_u64(out, k->unjudged_ns);
                buf_put_u64(out, k->dark_ns);
                for (size_t c = 0; (v = counter(k, c)); c++)
                        buf_put_u32(out, *v);
        }
        buf_put_u64(out, (uint64_t)w->first_ns);
}

static void save(struct judge *j, struct weeks *w)
{
        w->unsaved_ns = 0;
        pieces_save_weeks(j, w);
}

struct bytes weeks_name(const struct weeks *w)
{
        return str_get(&w->name);
}

int weeks_restore(struct judge *j, struct bytes key, struct rd *r, bool since)
{
        struct weeks *w = weeks_of(j, key);
        uint32_t n = rd_u32(r);

        if (!w)
                return ERR_LIMIT;
        if (n > WEEKS_KEPT)
                return ERR_SCHEMA;
        while (n-- > 0) {
                struct judge_week k = {.number = (int64_t)rd_u64(r)}, *to;
                uint32_t *v;

                k.observed_ns = rd_u64(r);
                k.unjudged_ns = rd_u64(r);
                k.dark_ns = rd_u64(r);
                for (size_t c = 0; (v = counter(&k, c)); c++)
                        *v = rd_u32(r);
                if (r->err || k.number < 0)
                        return ERR_SCHEMA;
                to = at(w, k.number);
                if (to)
                        *to = k;
        }
        w->first_ns = since ? (int64_t)rd_u64(r) : 0;
        return 0;
}

/* ---- time ---- */

bool weeks_judged(const struct workload *w)
{
        return baseline_state(w, DIM_FILE) == DS_ACTIVE && baseline_state(w, DIM_PROCESS) == DS_ACTIVE;
}

static void note(struct judge *j, const struct workload *w)
{
        struct weeks *k = w->running ? weeks_of(j, str_get(&w->name)) : NULL;

        if (!k)
                return;
        if (k->first_ns == 0)
                k->first_ns = j->ticked_ns;
        if (!k->running)
                k->dark = true;
        k->running = true;
        k->judged = k->judged || weeks_judged(w);
        k->dark = k->dark && w->dark && !w->lit;
}

static void pass(struct judge *j, struct weeks *w, int64_t wall_ns, uint64_t ns)
{
        struct judge_week *k = w->running ? at(w, week_of(wall_ns)) : NULL;
        bool first = k && k->observed_ns + k->unjudged_ns == 0;

        if (k) {
                *(w->judged ? &k->observed_ns : &k->unjudged_ns) += ns;
                k->dark_ns += w->judged && w->dark ? ns : 0;
                w->unsaved_ns += ns;
        }
        w->running = w->judged = w->dark = false;
        if (first || w->unsaved_ns >= SAVE_NS)
                save(j, w);
}

/* What is older than all that is kept. */
static void forget_old(struct judge *j, int64_t now)
{
        struct bytes key;
        void *value;

        for (size_t i = 0; map_next(j->weeks, &i, &key, &value);) {
                if (last_of(value) + WEEKS_KEPT >= now)
                        continue;
                j->ops->save(PIECE_WEEKS, key, bytes_of(NULL, 0), j->arg);
                if (map_del(j->weeks, key) < 0)
                        return;
                i = 0; /* the order may be another one */
        }
}

void weeks_tick(struct judge *j, int64_t wall_ns)
{
        int64_t passed = j->ticked_ns ? ns_apart(wall_ns, j->ticked_ns) : 0, before = week_of(j->ticked_ns);
        void *value;

        j->ticked_ns = wall_ns;
        if (week_of(wall_ns) != before)
                forget_old(j, week_of(wall_ns));
        if (passed <= 0 || passed > TICK_MAX_NS)
                return;
        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);)
                note(j, value);
        for (size_t i = 0; map_next(j->weeks, &i, NULL, &value);)
                pass(j, value, wall_ns, (uint64_t)passed);
}

/* ---- what is counted ---- */

/* NULL: longer ago than is kept, or no room. */
static struct judge_week *of_finding(struct judge *j, const struct finding *f, int64_t wall_ns, struct weeks **ret)
{
        *ret = weeks_of(j, str_get(&f->workload));
        return *ret ? at(*ret, week_of(wall_ns)) : NULL;
}

void weeks_shown(struct judge *j, struct finding *f)
{
        const struct workload *w = group_workload(j, f);
        struct weeks *of;
        struct judge_week *k = of_finding(j, f, f->shown_ns, &of);

        if (w && weeks_judged(w) && (f->type == FINDING_DRIFT || f->type == FINDING_ROLLOUT))
                f->told |= TOLD_JUDGED;
        if (!k)
                return;
        if (f->type == FINDING_SESSION)
                k->sessions_shown++;
        else if (f->type == FINDING_FIRST_SIGHT)
                k->first_sights++;
        else if (f->told & TOLD_JUDGED)
                k->findings++;
        else
                k->learning++;
        save(j, of);
}

void weeks_paged(struct judge *j, const struct finding *f)
{
        struct weeks *of;
        struct judge_week *k = of_finding(j, f, f->last_ns, &of);

        if (!k || f->type == FINDING_SESSION)
                return;
        k->pages++;
        save(j, of);
}

void weeks_suppressed(struct judge *j, struct finding *f)
{
        struct weeks *of;
        struct judge_week *k = f->told & TOLD_SUPPRESSED ? NULL : of_finding(j, f, f->last_ns, &of);

        f->told |= TOLD_SUPPRESSED;
        if (!k)
                return;
        k->suppressed++;
        save(j, of);
}

void weeks_session(struct judge *j, const struct finding *f)
{
        struct weeks *of;
        struct judge_week *k = of_finding(j, f, f->last_ns, &of);

        if (!k)
                return;
        k->sessions++;
        save(j, of);
}

void weeks_no_session(struct judge *j, const struct finding *f)
{
        struct weeks *of;
        struct judge_week *k = of_finding(j, f, f->first_ns, &of);

        if (!k || k->sessions == 0)
                return;
        k->sessions--;
        save(j, of);
}

static uint32_t *verdict_of(struct judge_week *k, struct bytes verdict)
{
        for (unsigned v = 0; v < JUDGE_VERDICTS; v++)
                if (bytes_eq(verdict, bytes_str(judge_verdict_name(v))))
                        return &k->verdicts[v];
        return NULL;
}

void weeks_verdict(struct judge *j, const struct finding *f, struct bytes verdict)
{
        struct weeks *of;
        struct judge_week *k = f->told & TOLD_JUDGED ? of_finding(j, f, f->shown_ns, &of) : NULL;
        uint32_t *was = k ? verdict_of(k, str_get(&f->verdict)) : NULL, *now = k ? verdict_of(k, verdict) : NULL;

        if (was && *was > 0)
                --*was;
        if (now)
                ++*now;
        if (k)
                save(j, of);
}

/* ---- views ---- */

const char *judge_verdict_name(unsigned v)
{
        static const char *const words[JUDGE_VERDICTS] = {"malicious", "misconfigured", "benign", "unsure"};

        return v < JUDGE_VERDICTS ? words[v] : "unsure";
}

int64_t judge_week_begin(int64_t number)
{
        return (int64_t)(MONDAY_NS + (uint64_t)number * WEEK_NS);
}

int judge_weeks_next(const struct judge *j, size_t *i, struct judge_weeks *ret)
{
        const struct weeks *w;
        void *value;

        if (!map_next(j->weeks, i, NULL, &value))
                return 0;
        w = value;
        *ret = (struct judge_weeks){.name = str_get(&w->name), .first_ns = w->first_ns, .last = last_of(w)};
        for (size_t k = 0, n = 0; k < WEEKS_KEPT; k++)
                if (w->of[k].number + WEEKS_KEPT > week_of(j->ticked_ns))
                        ret->of[n++] = w->of[k];
        return 1;
}

int64_t judge_now(const struct judge *j)
{
        return j->ticked_ns;
}

int64_t judge_week_now(const struct judge *j)
{
        return week_of(j->ticked_ns);
}
