/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: open findings, and which one a deviation belongs to. Must not: score (score.c). Pure.
 *
 * A deviation joins the newest open finding of its workload with
 *   1. the same cause: a signal of the same dimension, key and executable (however long ago);
 *   2. the same file: a signal of that very path in the same container, as when what was written is then run; or,
 * within a minute, of a directory on the way to it;
 *   3. for a flow: the program that calls is one whose run or file the finding holds, and the other way round; or the
 *      process called before, within group.join; or nobody knows who called, there or here, within a minute;
 *   4. for data files: one that the same program wrote into the same directory, in the same container, within a minute;
 *   5. the same lineage, within group.join: its process, or an ancestor short of the container's init, is one that the
 *      finding already knows; or both are steps of one parent, only just begun, within a minute; or, if nothing of that
 *      holds,
 *   6. the same moment, where nobody knows who called.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/quiet-priv.h"
#include "tidemark/err.h"
#include "tidemark/when.h"

#define MOMENT_NS 2000000000
#define PLACES 1024u /* by which findings of one workload are counted */

/* ---- the table ---- */

static void take_out(struct judge *j, size_t i)
{
        memmove(j->open + i, j->open + i + 1, (--j->nopen - i) * sizeof(struct finding *));
}

static void drop(struct judge *j, size_t i)
{
        pieces_drop_finding(j, j->open[i]->id);
        finding_free(j->open[i]);
        take_out(j, i);
        j->stats.refused++;
}

void group_remove(struct judge *j, struct finding *f)
{
        for (size_t i = 0; i < j->nopen; i++)
                if (j->open[i] == f) {
                        take_out(j, i);
                        return;
                }
}

static uint32_t place_of(const struct finding *f)
{
        return (uint32_t)map_hash((struct map_seed){0, 0}, str_get(&f->workload)) % PLACES;
}

/*
 * The table is full. A workload that floods it pays for that itself: of the one with the most findings the least sure
 * goes, and of those that are equally so the middle one, so that neither how it began nor what it does now is lost.
 * (Workloads that fall into one place count as one.)
 */
static bool is_spared(const struct judge *j, size_t i)
{
        return i + 1 == j->nopen || (j->open[i]->type == FINDING_ROLLOUT && j->open[i]->suppressed);
}

static void make_room(struct judge *j)
{
        uint32_t count[PLACES] = {0}, most = 0, least = UINT32_MAX, n = 0;
        size_t i;

        for (i = 0; i < j->nopen; i++)
                if (++count[place_of(j->open[i])] > most)
                        most = count[place_of(j->open[i])];
        for (i = 0; i < j->nopen; i++) {
                if (count[place_of(j->open[i])] != most || j->open[i]->confidence > least || is_spared(j, i))
                        continue;
                n = j->open[i]->confidence < least ? 1 : n + 1;
                least = j->open[i]->confidence;
        }
        n = n / 2 + 1;
        for (i = 0; i < j->nopen; i++)
                if (count[place_of(j->open[i])] == most && j->open[i]->confidence == least && !is_spared(j, i) &&
                    --n == 0)
                        break;
        drop(j, i < j->nopen ? i : 0);
}

int group_take(struct judge *j, struct finding *f)
{
        size_t at;

        if (j->nopen == j->open_cap) {
                size_t cap = j->open_cap ? 2 * j->open_cap : 16;
                struct finding **open = realloc(j->open, cap * sizeof(struct finding *));

                if (!open)
                        return -ENOMEM;
                j->open = open;
                j->open_cap = cap;
        }
        for (at = j->nopen; at > 0 && j->open[at - 1]->id > f->id; at--)
                j->open[at] = j->open[at - 1];
        j->open[at] = f;
        j->nopen++;
        if (f->id >= j->next_finding)
                j->next_finding = f->id + 1;
        return 0;
}

int group_take_room(struct judge *j, struct finding *f)
{
        if (j->nopen >= j->p.max_findings)
                make_room(j);
        return group_take(j, f);
}

struct workload *group_workload(const struct judge *j, const struct finding *f)
{
        _cleanup_buf_ struct buf id;

        buf_init(&id, 1u << 16);
        buf_put(&id, f->workload.p, f->workload.len);
        buf_put_u8(&id, '@');
        buf_put(&id, f->digest.p, f->digest.len);
        return id.err ? NULL : map_get(j->workloads, buf_bytes(&id));
}

static int describe(const struct judge *j, const struct workload *w, enum dimension dim, struct finding *f)
{
        int r = str_set(&f->host, bytes_str(j->p.host));

        if (r == 0)
                r = str_set(&f->workload, str_get(&w->name));
        if (r == 0)
                r = str_set(&f->image, str_get(&w->image));
        if (r == 0)
                r = str_set(&f->digest, str_get(&w->digest));
        if (r == 0)
                r = str_set(&f->class, bytes_str(tide_class_name(w->class)));
        if (r == 0)
                r = str_set(&f->baseline_state, bytes_str(baseline_state_name(baseline_state(w, dim))));
        return r;
}

struct finding *group_new(struct judge *j, struct workload *w, enum finding_type type, int64_t wall_ns)
{
        struct finding *f = finding_new();

        if (!f)
                return NULL;
        f->id = j->next_finding;
        f->type = type;
        f->first_ns = f->last_ns = wall_ns;
        if (describe(j, w, DIM_PROCESS, f) < 0 || group_take_room(j, f) < 0)
                return finding_free(f);
        pieces_save_meta(j);
        return f;
}

/* ---- which finding ---- */

static bool joins_by_cause(const struct finding *f, const struct observation *o, uint64_t cause)
{
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (signal_same_cause(&f->signals[i], o))
                        return true;
        return signal_is_gone(f, cause);
}

/* dir is a directory on the way to path. */
static bool leads_to(struct bytes dir, struct bytes path)
{
        return dir.len > 1 && path.len > dir.len && path.p[dir.len] == '/' && bytes_has_prefix(path, dir);
}

/* Of changes of rights, only an id is gained by a file: what is traced, or crashes, may be any program of the image. */
static bool is_of_file(enum dimension dim, struct bytes operation)
{
        return dim != DIM_PRIVILEGE || bytes_eq(operation, BYTES_LIT("uid")) || bytes_eq(operation, BYTES_LIT("gid"));
}

/* The very path, or the very name and address; or, at about the same time, what lies in a directory that is itself
 * new. */
static bool same_place(const struct finding *f, const struct finding_signal *s, const struct observation *o)
{
        char text[NAME_KEPT];
        struct bytes there = str_get(s->kind == DIM_NETWORK ? &s->where : &s->subject),
                     here = o->dim == DIM_NETWORK ? signal_kept(o->where, WHERE_KEPT, text)
                                                  : signal_kept(o->subject, NAME_KEPT, text);

        if (!is_of_file(s->kind, str_get(&s->operation)) || !is_of_file(o->dim, bytes_str(o->operation)))
                return false;
        if (bytes_eq(there, here))
                return true;
        return ns_apart(o->ev->wall_ns, f->last_ns) < BURST_NS && (leads_to(there, here) || leads_to(here, there));
}

static bool joins_by_path(const struct finding *f, const struct observation *o)
{
        for (uint32_t i = 0; i < f->nsignals; i++) {
                const struct finding_signal *s = &f->signals[i];

                if (s->container < f->ncontainers && same_place(f, s, o) &&
                    bytes_eq(str_get(&f->containers[s->container].id), str_get(&o->c->id)))
                        return true;
        }
        return false;
}

static bool is_of_container(const struct finding *f, const struct finding_signal *s, const struct observation *o)
{
        return s->container < f->ncontainers && bytes_eq(str_get(&f->containers[s->container].id), str_get(&o->c->id));
}

/* A file or a run of what called, or a call of what was found as such: which of them is told first is chance. */
static bool is_of_program(const struct finding_signal *s, const struct observation *o)
{
        if (o->dim == DIM_NETWORK)
                return o->never_silent && (s->kind == DIM_PROCESS || s->kind == DIM_FILE) &&
                       signal_is_kept(&s->subject, o->exe, NAME_KEPT);
        return (o->dim == DIM_PROCESS || o->dim == DIM_FILE) && s->kind == DIM_NETWORK && net_foreign_code(s->layer) &&
               signal_is_kept(&s->executable, o->subject, EXE_KEPT);
}

static bool joins_by_program(const struct finding *f, const struct observation *o)
{
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (is_of_container(f, &f->signals[i], o) && is_of_program(&f->signals[i], o))
                        return true;
        return false;
}

static struct bytes directory_of(struct bytes path)
{
        int slash = bytes_rfind(path, '/');

        return bytes_of(path.p, slash > 0 ? (uint32_t)slash : 0);
}

/* Data that one program writes into one directory in one burst, the init itself, too: one cause of many names. */
static bool joins_by_burst(const struct judge *j, const struct finding *f, const struct observation *o)
{
        int64_t most = j->p.join_ns < BURST_NS ? (int64_t)j->p.join_ns : BURST_NS;

        if (o->dim != DIM_FILE || o->executable || o->never_silent || !o->known_exe || o->exe.len == 0)
                return false;
        for (uint32_t i = 0; i < f->nsignals; i++) {
                const struct finding_signal *s = &f->signals[i];
                int64_t apart = ns_apart(o->ev->wall_ns, s->last_ns);

                if (s->kind == DIM_FILE && apart < most && apart > -most && is_of_container(f, s, o) &&
                    signal_is_kept(&s->executable, o->exe, EXE_KEPT) &&
                    bytes_eq(directory_of(str_get(&s->subject)), directory_of(o->subject)))
                        return true;
        }
        return false;
}

/* Whom a process calls that called before; or nobody knows who calls, time and again. */
static bool joins_by_caller(const struct judge *j, const struct finding *f, const struct observation *o)
{
        int64_t apart = ns_apart(o->ev->wall_ns, f->last_ns);
        bool known = (o->actor->flags & ACTOR_PID) != 0, unknown = !known && apart < BURST_NS;

        if (o->dim != DIM_NETWORK)
                return false;
        for (uint32_t i = 0; i < f->nsignals; i++) {
                const struct finding_signal *s = &f->signals[i];

                if (!is_of_container(f, s, o))
                        continue;
                if (unknown && s->kind == DIM_NETWORK && s->pid == 0)
                        return true;
                if (known && s->kind == DIM_NETWORK && s->pid == o->actor->pid && s->start == o->actor->start &&
                    apart < (int64_t)j->p.join_ns)
                        return true; /* an init, too: everything descends from it, but here it acts itself */
        }
        return false;
}

/*
 * The last resort, of a flow of which nobody knows the process: what was found in that container in the same moment, as
 * when a program calls and is gone. It says that they are of one time, not that they are of one process.
 */
static bool joins_by_moment(const struct finding *f, const struct observation *o)
{
        bool unknown = o->dim == DIM_NETWORK && !(o->actor->flags & ACTOR_PID);

        for (uint32_t i = 0; i < f->nsignals; i++) {
                const struct finding_signal *s = &f->signals[i];
                int64_t apart = ns_apart(o->ev->wall_ns, s->last_ns);

                if (apart > -MOMENT_NS && apart < MOMENT_NS && is_of_container(f, s, o) &&
                    (unknown || (s->kind == DIM_NETWORK && s->pid == 0)))
                        return true;
        }
        return false;
}

static bool joins_by_lineage(const struct judge *j, const struct finding *f, const struct observation *o)
{
        int64_t apart = ns_apart(o->ev->wall_ns, f->last_ns);
        struct lineage l;

        if (!(o->actor->flags & ACTOR_PID) || apart > (int64_t)j->p.join_ns)
                return false;
        if (!is_init(o, o->actor->pid, o->actor->start) && signal_has_proc(f, o->actor->pid, o->actor->start))
                return true;
        signal_lineage(o->actor, &l);
        for (uint32_t i = l.n; i > 0; i--)
                if (!is_init(o, l.a[i - 1].pid, l.a[i - 1].start) &&
                    signal_has_proc(f, l.a[i - 1].pid, l.a[i - 1].start))
                        return true;
        if (l.n == 0 || f->nlineage < 2 || apart > BURST_NS || !signal_is_step(o))
                return false;
        /* Children of one parent, whatever it is: its steps of the same minute. */
        return f->lineage[f->nlineage - 2].pid == l.a[l.n - 1].pid &&
               f->lineage[f->nlineage - 2].start == l.a[l.n - 1].start;
}

static bool is_of_workload(const struct finding *f, const struct workload *w)
{
        return f->type == FINDING_DRIFT && f->state != FINDING_CLOSED &&
               bytes_eq(str_get(&f->workload), str_get(&w->name)) && bytes_eq(str_get(&f->digest), str_get(&w->digest));
}

static struct finding *find(struct judge *j, const struct workload *w, const struct observation *o)
{
        uint64_t cause = signal_cause(o);

        for (size_t i = j->nopen; i > 0; i--) {
                struct finding *f = j->open[i - 1];

                if (is_of_workload(f, w) &&
                    (joins_by_cause(f, o, cause) || joins_by_path(f, o) || joins_by_program(f, o) ||
                     joins_by_caller(j, f, o) || joins_by_burst(j, f, o) || joins_by_lineage(j, f, o)))
                        return f;
        }
        for (size_t i = j->nopen; i > 0; i--)
                if (is_of_workload(j->open[i - 1], w) && joins_by_moment(j->open[i - 1], o))
                        return j->open[i - 1];
        return NULL;
}

/* ---- loss ---- */

/* A loss is noted on what happened in its window or near it. [from, to]: between them the act lies. */
static int note_loss(const struct judge *j, struct finding *f, struct bytes container, int64_t from_ns, int64_t to_ns)
{
        for (size_t i = 0; i < LOSSES_KEPT && f->loss.len == 0; i++) {
                const struct known_loss *l = &j->losses[i];

                if (l->to_ns && from_ns < ns_plus(l->to_ns, LOSS_NEAR_NS) &&
                    to_ns > ns_apart(l->from_ns, LOSS_NEAR_NS) &&
                    (l->container.len == 0 || bytes_eq(str_get(&l->container), container)))
                        return str_set(&f->loss, str_get(&l->words));
        }
        return 0;
}

/* What a walk or a scan found was done before: a file at its change time at the latest, a program since it was seen. */
static int64_t earliest(const struct tide_event *ev)
{
        if (ev->kind == TIDE_FILE && ev->file.ops & OP_FOUND && ev->file.ctime_ns &&
            (int64_t)ev->file.ctime_ns < ev->wall_ns)
                return (int64_t)ev->file.ctime_ns;
        if (ev->kind == TIDE_EXEC && ev->exec.interval_ns < (uint64_t)INT64_MAX &&
            (int64_t)ev->exec.interval_ns < ev->wall_ns)
                return ns_apart(ev->wall_ns, (int64_t)ev->exec.interval_ns);
        return ev->wall_ns;
}

int group_note_loss(const struct judge *j, struct finding *f, const struct observation *o)
{
        return note_loss(j, f, str_get(&o->c->id), earliest(o->ev), o->ev->wall_ns);
}

static int loss_words(struct known_loss *l, struct bytes what)
{
        char words[400], text[200], from[CLOCK_TEXT], to[CLOCK_TEXT], number[64];

        if (l->unknown)
                snprintf(number, sizeof(number), "how many is not known");
        else
                snprintf(number, sizeof(number), "%llu events", (unsigned long long)l->count);
        snprintf(words, sizeof(words), "%s between %s and %s (%s)", str_print(what, text, sizeof(text)),
                 clock_rfc3339(l->from_ns, from), clock_rfc3339(l->to_ns, to), number);
        return str_set(&l->words, bytes_str(words));
}

/* The window is one of boot time, the event holds both clocks. One without a window is a loss of its own moment. */
static int64_t wall_of(const struct tide_event *ev, uint64_t boot_ns)
{
        if (boot_ns == 0 || boot_ns > ev->boot_ns || ev->boot_ns - boot_ns > (uint64_t)ev->wall_ns)
                return ev->wall_ns;
        return ns_apart(ev->wall_ns, (int64_t)(ev->boot_ns - boot_ns));
}

void group_loss(struct judge *j, const struct tide_event *ev)
{
        struct known_loss *l = &j->losses[j->next_loss];

        j->next_loss = (j->next_loss + 1) % LOSSES_KEPT;
        l->from_ns = wall_of(ev, ev->loss.from_ns);
        l->to_ns = wall_of(ev, ev->loss.to_ns);
        l->count = ev->loss.count;
        l->unknown = ev->loss.count == 0;
        if (str_set(&l->container, ev->container) < 0 || loss_words(l, ev->loss.what) < 0) {
                l->to_ns = 0;
                return;
        }
        for (size_t i = 0; i < j->nopen; i++) {
                struct finding *f = j->open[i];
                bool its = ev->container.len == 0;

                for (uint32_t c = 0; c < f->ncontainers; c++)
                        its = its || bytes_eq(str_get(&f->containers[c].id), ev->container);
                if (its && f->loss.len == 0 && note_loss(j, f, ev->container, f->last_ns, f->last_ns) == 0 &&
                    f->loss.len)
                        group_changed(j, f, false);
        }
}

/* ---- in ---- */

void group_changed(struct judge *j, struct finding *f, bool opened)
{
        unsigned news = life_news(j, f);

        pieces_save_finding(j, f);
        j->ops->finding(f, opened, j->arg);
        if (news && j->ops->news)
                j->ops->news(f, news, j->arg);
}

static bool wrote_it(const struct finding *f, const struct observation *o)
{
        for (uint32_t i = 0; i < f->nsignals; i++) {
                const struct finding_signal *s = &f->signals[i];

                if (s->kind != o->dim && (s->kind == DIM_FILE || o->dim == DIM_FILE) &&
                    signal_is_kept(&s->subject, o->subject, NAME_KEPT))
                        return true;
        }
        return false;
}

static int add_wrote_then_ran(const struct judge *j, const struct observation *o, struct score *s)
{
        const struct judge_factor *t = &judge_factors()[FACTOR_WROTE_THEN_RAN];
        char path[300];

        return score_add(s, t->name, j->p.bits[FACTOR_WROTE_THEN_RAN], "%s: %s", t->help,
                         str_print(o->subject, path, sizeof(path)));
}

int group_deviation(struct judge *j, struct workload *w, const struct observation *o, const struct score *s,
                    const struct finding **ret)
{
        struct finding *f = find(j, w, o);
        struct score extra = {.n = 0};
        bool opened = !f;
        int r;

        if (!f)
                f = group_new(j, w, FINDING_DRIFT, o->ev->wall_ns);
        if (!f)
                return -ENOMEM;
        r = score_merge(j, f, s, opened);
        if (r == 0 && wrote_it(f, o)) {
                r = add_wrote_then_ran(j, o, &extra);
                for (uint32_t i = 0; i < s->n && r == 0; i++) /* and what speaks against this act */
                        if (s->factors[i].quarters < 0)
                                r = score_add(&extra, s->factors[i].name.p, s->factors[i].quarters, "%s",
                                              s->factors[i].text.p);
                if (r == 0)
                        r = score_merge(j, f, &extra, false);
        }
        score_release(&extra);
        if (r == 0)
                r = signal_add(f, o);
        if (r == 0)
                r = group_note_loss(j, f, o);
        if (r == 0)
                r = describe(j, w, o->dim, f);
        if (r == 0)
                supply_weigh(j, f, quiet_hides(o->quiet) ? SUPPLY_HIDES : 0);
        if (r == 0)
                r = quiet_settle(j, f, o->quiet, o->ev->wall_ns, &opened);
        if (r == 0)
                r = life_link(j, f, signal_cause(o));
        *ret = f;
        group_changed(j, f, opened);
        if (f->confidence < j->p.show)
                j->stats.below_show++;
        j->stats.findings = j->nopen;
        return r;
}

/* What was excused is counted there. */
static bool is_rollout(const struct finding *f, const struct workload *w)
{
        return f->type == FINDING_ROLLOUT && f->state != FINDING_CLOSED && f->id == w->roll.item;
}

/* What it is worth now: a phase that spoke against it, and does no more, must not keep it down. */
static int rescore(struct judge *j, struct workload *w, struct finding *f, const struct observation *o)
{
        struct score s;
        int r = score_observation(j, w, o, o->known, &s);

        if (r < 0)
                return r;
        r = score_merge(j, f, &s, false);
        score_release(&s);
        return r;
}

int group_repeat(struct judge *j, struct workload *w, const struct observation *o, bool rollout, struct finding **ret)
{
        uint64_t cause = signal_cause(o);

        for (size_t i = j->nopen; i > 0; i--) {
                struct finding *f = j->open[i - 1];
                bool opened = false;
                int r;

                if (!(is_of_workload(f, w) || (rollout && is_rollout(f, w))) || !joins_by_cause(f, o, cause))
                        continue;
                r = f->type == FINDING_DRIFT ? rescore(j, w, f, o) : 0;
                if (r == 0)
                        r = signal_add(f, o);
                if (r == 0)
                        supply_weigh(j, f, quiet_hides(o->quiet) ? SUPPLY_HIDES : 0);
                if (r == 0)
                        r = quiet_settle(j, f, o->quiet, o->ev->wall_ns, &opened);
                group_changed(j, f, opened);
                *ret = f;
                return r < 0 ? r : 1;
        }
        return 0;
}

bool group_shows(const struct judge *j, const struct workload *w, const struct observation *o)
{
        uint64_t cause = signal_cause(o);

        for (size_t i = 0; i < j->nopen; i++) {
                const struct finding *f = j->open[i];

                if (f->confidence >= j->p.show && !f->suppressed && is_of_workload(f, w) && joins_by_cause(f, o, cause))
                        return true;
        }
        return false;
}

/* ---- the end of a flow ---- */

struct finding *group_by_id(struct judge *j, uint64_t id)
{
        for (size_t i = 0; i < j->nopen; i++)
                if (j->open[i]->id == id)
                        return j->open[i];
        return NULL;
}

void group_ended(struct judge *j, const struct container_memory *c, const struct tide_flow *t, uint64_t finding)
{
        struct finding *f = group_by_id(j, finding);

        if (f && signal_ended(f, c, t))
                group_changed(j, f, false);
}
