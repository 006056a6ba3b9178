/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody asked for, step by step: look ▸ evidence ▸ cut ▸ the list ▸ said; or with --now cut first.
 *
 * Owns: the order of the steps, and that each request ends with one last word. Must not: wait; call anything isolated
 * that was not read back and seen to drop. Hands over: what stands to sensor_contain.c, words to sensor_contain_say.c.
 */
#include "daemon/sensor_contain-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "contain"
#define VOLATILE_NS (200 * NSEC_PER_MSEC)

static void begin(struct job *j, enum job_step step, enum isolate_what what, uint32_t flags);
static void cut(struct job *j);

static struct job *new_job(struct sensor *s, const struct sensor_deed *d)
{
        struct bytes v;

        for (size_t i = 0; i < CONTAIN_JOBS; i++) {
                struct job *j = &s->contain->jobs[i];

                if (j->s)
                        continue;
                *j = (struct job){.s = s, .d = *d, .began_ns = clock_boot_ns()};
                j->args = d->args.len ? bytes_dup(d->args) : NULL;
                j->d.args = bytes_of(j->args, j->args ? d->args.len : 0);
                j->d.name = bytes_of(NULL, 0);
                j->now = sensor_deed_flag(d, "now");
                j->keep_probes = sensor_deed_flag(d, "keep_probes");
                if (sensor_deed_arg(d, "reason", &v) == 0)
                        str_print(v, j->reason, sizeof(j->reason));
                snprintf(j->name, sizeof(j->name), "%s", contain_name(s->contain, d->container));
                return j;
        }
        return NULL;
}

static struct job *by_token(struct contain *k, uint64_t token)
{
        for (size_t i = 0; token && i < CONTAIN_JOBS; i++)
                if (k->jobs[i].s && k->jobs[i].token == token)
                        return &k->jobs[i];
        return NULL;
}

static uint32_t flags_of(const struct job *j)
{
        return j->keep_probes ? ISOLATE_KEEP_PROBES : 0;
}

static void begin(struct job *j, enum job_step step, enum isolate_what what, uint32_t flags)
{
        int r;

        j->step = step;
        j->token = contain_token(j->s->contain);
        r = contain_ask(j->s, j->token, what, j->d.container, flags);
        if (r < 0)
                contain_said(j, DEED_FAILED, "the helper that does it takes no request now: %s", err_str(r));
}

static const struct container *running(const struct sensor *s, const char *id)
{
        const struct container *c = containers_by_id(s->containers, bytes_str(id));

        return c && c->tasks ? c : NULL;
}

static double ms(uint64_t ns)
{
        return (double)ns / 1e6;
}

/* ---- evidence before ---- */

static void go_on(struct job *j)
{
        if (j->d.deed == DEED_KILL)
                begin(j, JOB_KILL, ISOLATE_KILL, 0);
        else
                cut(j);
}

static void on_taken(struct sensor *s, const struct sensor_evidence_taken *t, void *arg)
{
        struct job *j = by_token(s->contain, (uint64_t)(uintptr_t)arg);

        if (!j) /* cannot be: a job waits for it */
                return;
        snprintf(j->evidence_file, sizeof(j->evidence_file), "%s", t->name ? t->name : "");
        if (t->ok)
                snprintf(j->evidence, sizeof(j->evidence),
                         "Evidence %s: the volatile part was taken before, in %.0f ms, %llu of it missed; the rest "
                         "follows.",
                         t->name ? t->name : "", ms(t->ns), (unsigned long long)t->missed);
        else
                snprintf(j->evidence, sizeof(j->evidence), "NO volatile evidence was taken within 200 ms before: %s.",
                         t->words && *t->words ? t->words : "its deadline was over");
        go_on(j);
}

/* A failure to take any keeps nobody from being isolated: it is said. */
static void evidence(struct job *j)
{
        const struct container *c = running(j->s, j->d.container);
        struct sensor_deed d = j->d;
        int r;

        j->step = JOB_EVIDENCE;
        j->token = contain_token(j->s->contain);
        d.deed = DEED_CAPTURE;
        r = c ? sensor_evidence_before(j->s, &d, c, VOLATILE_NS, on_taken, (void *)(uintptr_t)j->token) : -ESRCH;
        if (r == 0)
                return;
        snprintf(j->evidence, sizeof(j->evidence), "NO evidence was taken before: %s.", err_str(r));
        go_on(j);
}

/* With --now: what is there yet, taken when the network is cut. It is told as a deed of its own. */
struct after {
        char id[ISOLATE_ID];
        uint64_t cut_at_ns;
};

static void on_taken_after(struct sensor *s, const struct sensor_evidence_taken *t, void *arg)
{
        struct after *a = arg;

        if (!t->ok)
                log_warn(MOD, "container %.12s: the volatile evidence could not be taken after its isolation: %s",
                         a->id, t->words ? t->words : "");
        sensor_evidence_contained(s, a->id, a->cut_at_ns);
        free(a);
}

static void evidence_after(struct job *j)
{
        const struct container *c = running(j->s, j->d.container);
        struct after *a = c ? calloc(1, sizeof(*a)) : NULL;
        struct sensor_deed d = j->d;
        int r = c ? -ENOMEM : -ESRCH;

        d.deed = DEED_CAPTURE;
        if (a) {
                snprintf(a->id, sizeof(a->id), "%s", c->id);
                a->cut_at_ns = j->cut.cut_at_ns;
                r = sensor_evidence_before(j->s, &d, c, VOLATILE_NS, on_taken_after, a);
        }
        if (r < 0)
                free(a);
        snprintf(j->evidence, sizeof(j->evidence),
                 r == 0 ? "Evidence is taken AFTER containment, as --now asked.%s" : "NO evidence is taken: %s.",
                 r == 0 ? "" : err_str(r));
}

/* ---- isolate ---- */

/* It is in the list, by another request: what is known of it now. */
static void say_already(struct job *j, const struct hold *h, const char *more)
{
        bool dry = j->d.flags & DEEDF_DRY_RUN;

        if (h->state == HOLD_NEW || h->releasing)
                contain_said(j, DEED_REFUSED, "another request is %s it just now, try again",
                             h->releasing ? "releasing" : "isolating");
        else if (h->state == HOLD_AWAY)
                contain_said(j, dry ? DEED_PLANNED : DEED_DONE, "it does not run: it is isolated if it comes again%s",
                             more);
        else if (h->state == HOLD_BROKEN)
                contain_said(j, DEED_FAILED, "NOT isolated now, though it was: %s; it is tried again by itself%s",
                             h->why[0] ? h->why : "its rules do not stand", more);
        else if (!h->seen || h->facts & ISOLATE_IN_HOST)
                contain_said(j, DEED_FAILED, "its rules stand (%s), but %s: so it is not called isolated%s",
                             contain_stands(h),
                             h->seen ? "processes of it are in the host's own network namespace, and are not cut off"
                                     : "no packet was seen to be dropped",
                             more);
        else
                contain_said(j, dry ? DEED_PLANNED : DEED_DONE, "isolated already: %s%s", contain_stands(h), more);
}

static void cut(struct job *j)
{
        struct sensor *s = j->s;
        const struct container *c = running(s, j->d.container);
        struct hold *h = c ? contain_find(s->contain, c->id) : NULL;
        bool policy = j->d.flags & DEEDF_POLICY;

        if (h) { /* another request was faster */
                say_already(j, h, "");
                return;
        }
        h = c ? contain_hold(s, c) : NULL;
        if (!h) {
                contain_said(j, DEED_FAILED, c ? "too many containers are isolated" : "it has ended meanwhile");
                return;
        }
        h->e.flags = flags_of(j);
        h->e.uid = j->d.uid;
        h->e.login_uid = j->d.login_uid;
        h->e.by_policy = policy;
        h->e.finding = j->d.finding;
        h->e.command = j->d.command;
        h->until_ns = j->until_ns;
        if (h->until_ns)
                h->e.until_wall_ns = clock_wall_ns() + (int64_t)(h->until_ns - clock_boot_ns());
        snprintf(h->e.note, sizeof(h->e.note), "%s", j->reason);
        begin(j, JOB_CUT, ISOLATE_CUT, flags_of(j) | ISOLATE_END_SOCKETS);
        if (!j->s)
                contain_drop(s, h);
}

static void on_cut(struct job *j, const struct isolate_answer *a)
{
        struct sensor *s = j->s;
        struct hold *h = contain_find(s->contain, j->d.container);

        j->cut = *a;
        if (!h) {
                contain_said(j, DEED_FAILED, "it was released meanwhile");
                return;
        }
        contain_take(s, h, a);
        if (!j->now)
                sensor_evidence_contained(s, j->d.container, a->error == 0 ? a->cut_at_ns : 0);
        if (a->error < 0 || !a->stands || a->way == ISOLATE_NOWHERE) {
                /* what stands of it, if anything does, is taken back: it is not half isolated */
                contain_ask(s, contain_token(s->contain), ISOLATE_RELEASE, h->e.id, 0);
                contain_drop(s, h);
                contain_said(j, DEED_FAILED, "NOT isolated: %s%s%s",
                             a->error ? err_str(a->error) : "its rules do not stand", a->why[0] ? ": " : "", a->why);
                return;
        }
        h->state = HOLD_STANDS;
        s->contain->stats.isolated++;
        contain_wake(s);
        j->step = JOB_SAVE;
        j->token = contain_token(s->contain);
        if (contain_save(s, j->token) < 0)
                contain_job_answer(
                        s, &(struct isolate_answer){.token = j->token, .what = ISOLATE_SAVE, .error = -ENOBUFS});
}

static void isolated(struct job *j)
{
        const struct isolate_answer *a = &j->cut;

        if (a->facts & ISOLATE_IN_HOST)
                contain_said(j, DEED_FAILED,
                             "its rules stand (%s), but processes of it are in the host's own network namespace, and "
                             "are not cut off: so it is not called isolated. They stay until tidemark contain release; "
                             "tidemark contain kill ends all of it",
                             isolate_way_words(a->way));
        else if (a->seen)
                contain_said(
                        j, DEED_DONE,
                        "isolated: %s; %u rules were read back, and a packet of ours was seen to be dropped at each "
                        "place. The first place stood %.1f ms after it was asked for, all after %.1f ms%s",
                        isolate_way_words(a->way), a->rules,
                        ms(a->cut_at_ns > j->began_ns ? a->cut_at_ns - j->began_ns : 0),
                        ms(a->stood_ns - a->cut_ns + (a->cut_at_ns > j->began_ns ? a->cut_at_ns - j->began_ns : 0)),
                        a->facts & ISOLATE_HAS_NET_ADMIN && a->way == ISOLATE_INSIDE
                                ? ". It has CAP_NET_ADMIN, and could undo it: what it undoes is made again and told"
                                : "");
        else
                contain_said(j, DEED_FAILED,
                             "its rules stand (%s, %u read back), but no packet was seen to be dropped (%s): so it is "
                             "not called "
                             "isolated. They stay until tidemark contain release",
                             isolate_way_words(a->way), a->rules, a->why[0] ? a->why : "nothing could be sent");
}

static void on_saved(struct job *j, const struct isolate_answer *a)
{
        if (a->error < 0)
                snprintf(j->save_error, sizeof(j->save_error),
                         "The list could not be written (%s): not known to a next start.", err_str(a->error));
        if (!j->now) {
                isolated(j);
                return;
        }
        evidence_after(j);
        begin(j, JOB_LOOK_AFTER, ISOLATE_LOOK, flags_of(j));
}

static void on_looked_after(struct job *j, const struct isolate_answer *a)
{
        if (a->error == 0)
                j->foresight = contain_foresee(j->s, j->d.container, a, j->keep_probes, false);
        isolated(j);
}

static void say_refused(struct job *j, const struct isolate_answer *a)
{
        const char *first = json_string_value(json_array_get(j->foresight, 0));

        if (a->facts & ISOLATE_HOST_NETWORK && first)
                contain_said(j, DEED_REFUSED, "not isolated. %.400s%s%s", first, a->why[0] ? " " : "", a->why);
        else
                contain_said(j, DEED_REFUSED, "not isolated: it can be cut nowhere: %s", a->why);
}

/* What is said before it is done goes into the trail before it is done. */
static void note_foresight(struct job *j)
{
        char *text = json_dumps(j->foresight, JSON_COMPACT);

        if (text)
                contain_note(j, "contain-foresight", text);
        free(text);
}

static void on_looked(struct job *j, const struct isolate_answer *a)
{
        bool kill = j->d.deed == DEED_KILL, dry = j->d.flags & DEEDF_DRY_RUN, policy = j->d.flags & DEEDF_POLICY;

        if (a->error < 0) {
                contain_said(j, DEED_FAILED, "it could not be looked at: %s%s%s", err_str(a->error),
                             a->why[0] ? ": " : "", a->why);
                return;
        }
        j->foresight = contain_foresee(j->s, j->d.container, a, j->keep_probes, kill);
        if (!kill && a->way == ISOLATE_NOWHERE) {
                say_refused(j, a);
        } else if (policy && a->facts & ISOLATE_HOST_NETWORK) {
                contain_said(j, DEED_REFUSED,
                             "not isolated by itself: it has the host's own network: this one is for a person to "
                             "decide");
        } else if (dry && policy) {
                note_foresight(j);
                contain_said(j, DEED_REFUSED, "contain.auto is dry-run: it would be isolated now: %s",
                             isolate_way_words(a->way));
        } else if (dry && kill) {
                contain_said(j, DEED_PLANNED, "would be killed: %u process%s", a->tasks,
                             a->tasks == 1 ? "" : "es");
        } else if (dry) {
                contain_said(j, DEED_PLANNED, "would be isolated: %s", isolate_way_words(a->way));
        } else {
                note_foresight(j);
                evidence(j);
        }
}

/* ---- release, kill ---- */

static void on_released(struct job *j, const struct isolate_answer *a)
{
        struct sensor *s = j->s;
        struct hold *h = contain_find(s->contain, j->d.container);

        if (a->error < 0) {
                if (h)
                        h->releasing = false;
                contain_said(j, DEED_FAILED, "not released: %s%s%s", err_str(a->error), a->why[0] ? ": " : "", a->why);
                return;
        }
        if (!h && !(a->facts & ISOLATE_STOOD)) {
                contain_said(j, DEED_REFUSED, "it is not isolated: see tidemark contain list");
                return;
        }
        j->listed = h != NULL;
        if (h)
                contain_drop(s, h);
        s->contain->stats.released++;
        j->step = JOB_SAVE_RELEASED;
        j->token = contain_token(s->contain);
        if (contain_save(s, j->token) < 0)
                contain_job_answer(
                        s, &(struct isolate_answer){.token = j->token, .what = ISOLATE_SAVE, .error = -ENOBUFS});
}

static void on_saved_released(struct job *j, const struct isolate_answer *a)
{
        if (a->error < 0)
                snprintf(j->save_error, sizeof(j->save_error), "The list could not be written (%s): it still names it.",
                         err_str(a->error));
        contain_said(j, DEED_DONE,
                     "released: its packets go their way as before; connections that were cut do not come back%s",
                     j->listed ? "" : ". It was not in the list, but rules of this agent's stood for it");
}

static void on_killed(struct job *j, const struct isolate_answer *a)
{
        j->cut = *a;
        sensor_evidence_contained(j->s, j->d.container, 0);
        if (a->error < 0 || a->left) {
                contain_said(j, DEED_FAILED, "not killed, or not all of it: %s%s%s",
                             a->error ? err_str(a->error) : "some tasks do not end", a->why[0] ? ": " : "", a->why);
                return;
        }
        j->s->contain->stats.killed++;
        contain_said(j, DEED_DONE, "killed: %u process%s ended", a->tasks, a->tasks == 1 ? " was" : "es were");
}

static void (*const steps[])(struct job *, const struct isolate_answer *) = {
        [JOB_LOOK] = on_looked,      [JOB_CUT] = on_cut,
        [JOB_SAVE] = on_saved,       [JOB_LOOK_AFTER] = on_looked_after,
        [JOB_RELEASE] = on_released, [JOB_SAVE_RELEASED] = on_saved_released,
        [JOB_KILL] = on_killed,      [JOB_EVIDENCE] = NULL,
};

bool contain_job_answer(struct sensor *s, const struct isolate_answer *a)
{
        struct job *j = by_token(s->contain, a->token);

        if (!j)
                return false;
        if (steps[j->step])
                steps[j->step](j, a);
        return true;
}

/* ---- what is asked for ---- */

/* NULL after the request has been answered. */
static struct job *take(struct sensor *s, const struct sensor_deed *d)
{
        struct job *j = new_job(s, d);
        struct sensor_said busy = {
                .state = DEED_REFUSED, .last = true, .words = "too much of this kind is under way, try again"};

        if (!j)
                sensor_deed_say(s, d, &busy);
        return j;
}

/* Of a policy: within limits that this process holds, whatever the engine says. True: it may go on. */
static bool by_policy(struct job *j)
{
        struct sensor *s = j->s;
        const struct container *c = running(s, j->d.container);
        const struct hold *h = contain_find(s->contain, j->d.container);
        /* which workload it is of, and how sure that is, only the engine knows; that there are none is known here */
        bool none = s->cfg->contain_workloads.n == 0;
        struct containment_ask a = {.mode = none ? CONTAINMENT_OFF : containment_auto_of(s->cfg->contain_auto),
                                    .known = c != NULL,
                                    .host_net = c && c->netns == s->contain->own_netns,
                                    .isolated = h != NULL,
                                    .per_hour = s->cfg->contain_per_hour};
        enum containment_grant g = containment_may(&a, &s->contain->rate, clock_boot_ns());
        char words[240];

        containment_grant_words(g, a.per_hour, words, sizeof(words));
        j->now = j->keep_probes = false; /* what the engine says of these counts for nothing */
        j->until_ns = 0;
        snprintf(j->reason, sizeof(j->reason), "policy: contain.auto, for F-%llu", (unsigned long long)j->d.finding);
        if (g == CONTAINMENT_WOULD)
                j->d.flags |= DEEDF_DRY_RUN;
        if (g == CONTAINMENT_GRANTED) {
                containment_count(&s->contain->rate, clock_boot_ns(), clock_boot_ns());
                (void)!contain_save(s, 0); /* a next life counts it, too */
        }
        if (g == CONTAINMENT_GRANTED || g == CONTAINMENT_WOULD)
                return true;
        contain_said(j, DEED_REFUSED, "not isolated by itself: %s", words);
        return false;
}

/* It is isolated already: a time that was given now counts from now on. */
static void already(struct job *j, struct hold *h)
{
        bool dry = j->d.flags & DEEDF_DRY_RUN, until = j->until_ns && !dry && !h->releasing;

        j->no_act = !until;
        if (until) {
                h->until_ns = j->until_ns;
                h->e.until_wall_ns = clock_wall_ns() + (int64_t)(h->until_ns - clock_boot_ns());
                contain_save(j->s, 0);
        }
        say_already(j, h, until ? "; its end is the one that was given now" : "");
}

int sensor_contain_isolate(struct sensor *s, const struct sensor_deed *d)
{
        struct job *j = take(s, d);
        struct hold *h = contain_find(s->contain, d->container);
        struct bytes v;

        if (!j)
                return 0;
        if (sensor_deed_arg(d, "for", &v) == 0 && containment_until(v, clock_boot_ns(), &j->until_ns) < 0)
                contain_said(j, DEED_REFUSED,
                             "not isolated: the time that was given is none from a second to ten years");
        else if (d->flags & DEEDF_POLICY && !by_policy(j))
                return 0;
        else if (h && h->state != HOLD_NEW)
                already(j, h);
        else if (h)
                contain_said(j, DEED_REFUSED, "another request is isolating it just now");
        else if (!running(s, d->container))
                contain_said(j, DEED_REFUSED, "not isolated: no container of this id runs");
        else if (j->now && !(j->d.flags & DEEDF_DRY_RUN))
                cut(j);
        else
                begin(j, JOB_LOOK, ISOLATE_LOOK, flags_of(j));
        return 0;
}

int sensor_contain_release(struct sensor *s, const struct sensor_deed *d)
{
        struct job *j = d->flags & DEEDF_POLICY ? NULL : take(s, d);
        struct hold *h = contain_find(s->contain, d->container);

        if (d->flags & DEEDF_POLICY)
                return -EPERM;
        if (!j)
                return 0;
        if (h && (h->state == HOLD_NEW || h->releasing))
                contain_said(j, DEED_REFUSED, "it is being %s just now, try again",
                             h->releasing ? "released" : "isolated");
        else if (!h && j->d.flags & DEEDF_DRY_RUN)
                contain_said(j, DEED_REFUSED, "it is not isolated: see tidemark contain list");
        else if (j->d.flags & DEEDF_DRY_RUN)
                contain_said(j, DEED_PLANNED, "would be released: %s", contain_stands(h));
        else { /* also what is in no list: of a life that ended before it was written, or whose list was damaged */
                if (h)
                        h->releasing = true;
                begin(j, JOB_RELEASE, ISOLATE_RELEASE, 0);
                if (!j->s && h)
                        h->releasing = false;
        }
        return 0;
}

int sensor_contain_kill(struct sensor *s, const struct sensor_deed *d)
{
        struct job *j = d->flags & DEEDF_POLICY ? NULL : take(s, d);
        struct bytes typed = bytes_of(NULL, 0);

        if (d->flags & DEEDF_POLICY)
                return -EPERM;
        if (!j)
                return 0;
        if (sensor_deed_arg(d, "yes_lose_state", &typed) < 0)
                typed = bytes_of(NULL, 0);
        if (!running(s, d->container))
                contain_said(j, DEED_REFUSED, "not killed: no container of this id runs");
        else if (!(j->d.flags & DEEDF_DRY_RUN) && !bytes_eq(typed, bytes_str(j->name)))
                contain_said(j, DEED_REFUSED,
                             "not killed: what is in its memory would be lost. Say so by --yes-lose-state and its "
                             "name, %.128s; "
                             "--dry-run says what would be lost",
                             j->name);
        else
                begin(j, JOB_LOOK, ISOLATE_LOOK, 0);
        return 0;
}
