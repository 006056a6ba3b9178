/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how far learning has come, and when it ends. Must not: look into entries beyond what is counted of them. Pure.
 *
 * Windows are hours (settable) of event time in which the workload ran (of connections: and they were watched), so that
 * one that does nothing of a dimension is learned as such; replicas in one hour are one window. T of them, Q1 entries
 * seen in exactly one: the chance that the next holds something new is p = 1 - exp(-(Q1 + 1/2) / (T + 1)).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

void learning_window(struct judge *j, struct dim_learning *d, int64_t wall_ns, int64_t *ret_window)
{
        int64_t window = wall_ns / (int64_t)j->p.window_ns;

        if (window > d->last_window) {
                d->windows++;
                d->last_window = window;
        }
        *ret_window = window;
}

/* By the sensor's own words (sensor_containers.c: coverage()). */
static bool has_files(const struct container_memory *c)
{
        return !bytes_has_prefix(str_get(&c->coverage), BYTES_LIT("files: not covered"));
}

static bool are_files_seen(const struct judge *j, const struct workload *w, const struct container_memory *by)
{
        void *value;

        if (by)
                return has_files(by);
        for (size_t i = 0; map_next(j->containers, &i, NULL, &value);) {
                const struct container_memory *c = value;

                if (c->workload == w && c->running && has_files(c))
                        return true;
        }
        return false;
}

void baseline_hour(struct judge *j, struct workload *w, const struct container_memory *c, int64_t wall_ns)
{
        bool changed = false;

        for (int i = 0; i < DIM__MAX; i++) {
                struct dim_learning *d = &w->dim[i];
                uint32_t before = d->windows;
                int64_t window;

                if (wall_ns / (int64_t)j->p.window_ns <= d->last_window ||
                    (i == DIM_NETWORK && (before == 0 || !w->lit)) || (i == DIM_FILE && !are_files_seen(j, w, c)))
                        continue;
                if (before == 0 && d->state == DS_LEARNING)
                        d->since_ns = wall_ns; /* at work from now on: before, nothing could be learned */
                learning_window(j, d, wall_ns, &window);
                changed = changed || d->windows != before;
        }
        if (changed)
                pieces_save_workload(j, w);
}

void baseline_count(struct workload *w, const struct container_memory *c, int step)
{
        uint32_t *of = c->flows == FLOWS_WATCHED ? &w->lit : c->flows == FLOWS_DARK ? &w->dark : NULL;

        if (step > 0 || w->running)
                w->running += (uint32_t)step;
        if (of && (step > 0 || *of))
                *of += (uint32_t)step;
}

/* It is back: what was stale is judged as it was. */
static void wake(struct judge *j, struct workload *w, int64_t wall_ns)
{
        for (int i = 0; i < DIM__MAX; i++) {
                if (w->dim[i].state != DS_STALE)
                        continue;
                w->dim[i].state = DS_ACTIVE;
                w->dim[i].since_ns = wall_ns;
                pieces_save_workload(j, w);
        }
}

/* It was away for this time. Where there are too many, one goes that is of no use any more, else the shortest. */
static void note_away(const struct judge *j, struct workload *w, struct away a)
{
        struct away *to = &w->away[0];

        if (a.to_ns <= a.from_ns)
                return;
        if (w->naway < AWAY_KEPT) {
                w->away[w->naway++] = a;
                return;
        }
        for (uint32_t i = 0; i < AWAY_KEPT; i++) {
                struct away *old = &w->away[i];

                if (old->to_ns < a.to_ns && (uint64_t)ns_apart(a.to_ns, old->to_ns) / 2 >= j->p.expire_ns) {
                        *old = a;
                        return;
                }
                if (ns_apart(old->to_ns, old->from_ns) < ns_apart(to->to_ns, to->from_ns))
                        to = old;
        }
        if (ns_apart(a.to_ns, a.from_ns) > ns_apart(to->to_ns, to->from_ns))
                *to = a;
}

uint64_t baseline_ran(const struct workload *w, int64_t since_ns, int64_t wall_ns)
{
        uint64_t ran = wall_ns > since_ns ? (uint64_t)ns_apart(wall_ns, since_ns) : 0;

        for (uint32_t i = 0; i < w->naway; i++) {
                int64_t from = w->away[i].from_ns > since_ns ? w->away[i].from_ns : since_ns;
                int64_t to = w->away[i].to_ns < wall_ns ? w->away[i].to_ns : wall_ns;
                uint64_t away = to > from ? (uint64_t)ns_apart(to, from) : 0;

                ran -= away < ran ? away : ran; /* a clock that was put back may have made them overlap */
        }
        return ran;
}

/* The first one that runs again, or the last one that did. */
static void note_run(struct judge *j, struct workload *w, bool ran, int64_t wall_ns)
{
        if (ran == (w->running > 0))
                return;
        if (ran) {
                w->stopped_ns = wall_ns;
        } else {
                if (w->stopped_ns)
                        note_away(j, w, (struct away){w->stopped_ns, wall_ns});
                w->stopped_ns = 0;
        }
        pieces_save_workload(j, w);
}

/* Learning stands still while it is in the dark. */
void baseline_runs_in(struct judge *j, struct workload *w, const struct container_memory *c, int step, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[DIM_NETWORK];
        int64_t had = w->dark_since_ns, from = had > d->since_ns ? had : d->since_ns;
        bool dark, ran = w->running > 0;

        baseline_count(w, c, step);
        note_run(j, w, ran, wall_ns);
        if (step > 0)
                wake(j, w, wall_ns);
        dark = w->dark && !w->lit;
        if (dark == (had != 0))
                return;
        w->dark_since_ns = dark ? wall_ns : 0;
        if (!dark && d->state == DS_LEARNING && wall_ns > from)
                d->since_ns = ns_plus(d->since_ns, (uint64_t)ns_apart(wall_ns, from));
        pieces_save_workload(j, w);
}

void baseline_net_hour(struct judge *j, struct workload *w, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[DIM_NETWORK];
        uint32_t before = d->windows;
        int64_t window;

        if (before == 0 && d->state == DS_LEARNING)
                d->since_ns = wall_ns; /* watched from now on */
        learning_window(j, d, wall_ns, &window);
        if (d->windows != before)
                pieces_save_workload(j, w);
}

double baseline_p_new(const struct workload *w, enum dimension dim)
{
        const struct dim_learning *d = &w->dim[dim];

        return 1.0 - exp(-((double)d->once + 0.5) / ((double)d->windows + 1.0));
}

/* DESIGN 4.2: what one of several replicas called in one window only does not activate by itself. */
static void hold_back(struct judge *j, struct workload *w)
{
        bool some = false;
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim != DIM_NETWORK || e->candidate || e->approval || e->windows > 1 || e->several ||
                    e->replicas < 2 || key_is_lasting(e->dim, str_get(&e->key)))
                        continue;
                e->why = WHY_ONE_REPLICA;
                candidate_number(j, e);
                if (entry_set_candidate(j, w, e, true) < 0)
                        j->stats.refused++;
                some = true;
        }
        if (some)
                entries_rebuild_phases(j, w);
}

uint64_t baseline_period(const struct judge *j, unsigned dim)
{
        return dim == DIM_NETWORK ? j->p.network_ns : j->p.calibration_ns;
}

/* Of connections time alone is no proof: who was watched for some hours only has not been seen. */
static bool was_seen(const struct judge *j, const struct workload *w, enum dimension dim)
{
        uint64_t least = j->p.converge_min_ns < j->p.network_ns ? j->p.converge_min_ns : j->p.network_ns;

        return dim != DIM_NETWORK || (w->dark_since_ns == 0 && w->dim[dim].windows * j->p.window_ns >= least);
}

/* Learning was taken up again for a time: it ends with that, whatever was seen. */
static bool end_refresh(struct dim_learning *d, int64_t wall_ns)
{
        if (d->refresh_ns == 0 || wall_ns < d->refresh_ns)
                return false;
        d->refresh_ns = 0;
        d->state = DS_ACTIVE;
        return true;
}

static bool end_by_itself(const struct judge *j, const struct workload *w, enum dimension dim, struct dim_learning *d,
                          int64_t wall_ns)
{
        uint64_t since;

        if (d->refresh_ns || d->windows == 0 || wall_ns <= d->since_ns || !was_seen(j, w, dim))
                return false;
        since = (uint64_t)ns_apart(wall_ns, d->since_ns);
        if (since >= j->p.converge_min_ns && baseline_p_new(w, dim) <= j->p.converged_p)
                snprintf(d->by, sizeof(d->by), "converged");
        else if (since >= baseline_period(j, dim) || since >= j->p.limit_ns)
                snprintf(d->by, sizeof(d->by), "timer");
        else
                return false;
        d->state = j->p.review ? DS_REVIEW : DS_ACTIVE;
        return true;
}

static void end_learning(struct judge *j, struct workload *w, enum dimension dim, int64_t wall_ns)
{
        struct dim_learning *d = &w->dim[dim];
        char words[160];

        if (d->state != DS_LEARNING || (!end_refresh(d, wall_ns) && !end_by_itself(j, w, dim, d, wall_ns)))
                return;
        d->since_ns = wall_ns;
        if (dim == DIM_NETWORK)
                hold_back(j, w);
        pieces_save_workload(j, w);
        snprintf(words, sizeof(words), "baseline, %s: %s by %s, no reviewer", dimension_name(dim),
                 d->state == DS_REVIEW ? "learned, and waits for review; ended" : "activated", d->by);
        judge_note(j, w, words);
}

/* Connections that nobody watches, or hardly ever: time alone does not end that. */
const char *learning_why_not(const struct judge *j, const struct workload *w, enum dimension dim, int64_t wall_ns)
{
        const struct dim_learning *d = &w->dim[dim];

        if (d->state == DS_REVIEW)
                return "an operator's review is waited for: activate it (learn.review)";
        if (d->state != DS_LEARNING || w->class != CLASS_SERVICE || d->refresh_ns || wall_ns <= d->since_ns ||
            (uint64_t)ns_apart(wall_ns, d->since_ns) < j->p.limit_ns)
                return "";
        if (d->windows == 0)
                return dim == DIM_NETWORK ? "none of its connections was told" : "nothing of it was seen";
        if (w->dark_since_ns && dim == DIM_NETWORK)
                return "its connections are not watched";
        return was_seen(j, w, dim) ? "" : "its connections were watched for too few hours";
}

int64_t learning_expected(const struct judge *j, const struct workload *w, enum dimension dim)
{
        const struct dim_learning *d = &w->dim[dim];
        int64_t due = ns_plus(d->since_ns, baseline_period(j, dim)), least, elapsed, at;
        double windows;

        if (d->refresh_ns)
                return d->refresh_ns;
        if (d->state != DS_LEARNING || w->class != CLASS_SERVICE || d->windows == 0)
                return 0;
        elapsed = ns_apart(w->last_ns, d->since_ns);
        if (elapsed <= 0 || j->p.converged_p >= 1.0)
                return due;
        /* So many windows would be enough, had it nothing new any more; and they come as fast as they came. */
        windows = ((double)d->once + 0.5) / -log1p(-j->p.converged_p) - 1.0 - (double)d->windows;
        least = ns_plus(d->since_ns, j->p.converge_min_ns);
        at = windows > 0 ? w->last_ns + (int64_t)fmin(windows / (double)d->windows * (double)elapsed, 9e17) : least;
        at = at < least ? least : at;
        return at < due ? at : due;
}

enum learn baseline_lesson(const struct workload *w)
{
        return w->roll.open ? LEARN_ROLLOUT : LEARN_KNOWN;
}

void baseline_tick(struct judge *j, int64_t wall_ns)
{
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                if (((struct workload *)value)->running)
                        baseline_hour(j, value, NULL, wall_ns);
                for (int dim = 0; dim < DIM__MAX; dim++)
                        end_learning(j, value, (enum dimension)dim, wall_ns);
        }
}
