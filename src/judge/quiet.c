/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what goes before what when it is decided whether an act is quiet. Must not: look at what a baseline or a rule
 * says in detail (baseline.c, rules_match.c), or act on it (judge.c). Pure.
 */
#include <stdio.h>
#include <string.h>

#include "judge/quiet-priv.h"

static void words(struct quiet *q, enum quiet_by by, struct rule *r, const char *text)
{
        q->by = by;
        q->rule = r;
        if (r)
                snprintf(q->words, sizeof(q->words), "%s R-%llu", text, (unsigned long long)r->id);
        else
                snprintf(q->words, sizeof(q->words), "%s", text);
}

/* Nothing that comes makes it known, or that is seen to where candidates are. */
static bool stays_waiting(const struct workload *w, const struct entry *e, const struct observation *o)
{
        if (w->dim[o->dim].state == DS_REVIEW)
                return true;
        if (w->dim[o->dim].state != DS_LEARNING)
                return false;
        return o->dim != DIM_NETWORK || (e->why != WHY_FOUND && e->why != WHY_UNPLACED && entry_names(e, o));
}

static bool is_raised(const struct workload *w, const struct observation *o, enum known known, const struct entry *e)
{
        return known == KNOWN_CANDIDATE || (known == KNOWN_WAITING && stays_waiting(w, e, o));
}

/* By a look at /proc: it ran already, and what called it may not be told any more. */
static bool is_found_running(const struct observation *o)
{
        return o->ev->kind == TIDE_EXEC && o->ev->sources == SRC_PROCFS;
}

/* Which process did it is not known, and the file is. */
static bool is_by_other_process(const struct workload *w, const struct observation *o, enum known known)
{
        if (joint_is_known(w, o, known))
                return true;
        return known == KNOWN_OTHER_EXE && !o->known_exe && (o->dim != DIM_PROCESS || is_found_running(o)) &&
               o->dim != DIM_PRIVILEGE && !o->never_silent;
}

static const char *excuse(const struct judge *j, const struct workload *w, const struct observation *o,
                          enum known known)
{
        struct observation judged = *o;

        judged.known = known;
        if (rollout_waits(j, w, &judged))
                return "waits: the new image is not read yet";
        return rollout_excuse(j, w, &judged);
}

/* Rows 5 and on: by the operators' rules, which only acts that nobody knows are held against. */
static void decide_new(const struct judge *j, const struct workload *w, const struct observation *o, enum known known,
                       const struct entry *e, bool learning, struct quiet *ret)
{
        bool silent = !o->never_silent;
        struct rule_act a;
        const char *why;
        struct rule *r;

        rule_act_of(w, o, &a);
        if ((r = rules_find(j, RULE_ALLOW, &a))) {
                words(ret, QUIET_ALLOW, r, "allowed by");
                return;
        }
        /* Of what is known nothing more is learned where learning is over: no window matters then. */
        if (known != KNOWN_YES || w->dim[o->dim].state == DS_LEARNING || !silent)
                ret->window = rules_find(j, RULE_SUPPRESS, &a);
        if (is_raised(w, o, known, e))
                words(ret, QUIET_RAISED, NULL, e->waiting ? "a candidate: not learned by itself" : "raised already");
        else if (ret->window)
                words(ret, QUIET_WINDOW, ret->window, "suppressed by");
        else if (learning && silent)
                words(ret, QUIET_LEARNED, NULL, "learned");
        else if (w->dim[o->dim].state == DS_REVIEW && silent)
                words(ret, QUIET_REVIEW, NULL, "a candidate: its baseline waits for review");
        else if ((why = excuse(j, w, o, known)))
                words(ret, QUIET_ROLLOUT, NULL, why);
        else
                words(ret, QUIET_NOT, NULL, "deviation");
}

/* What is known may be learned better, but in no window. */
struct rule *quiet_window_of_known(const struct judge *j, const struct workload *w, const struct observation *o)
{
        struct rule_act a;

        if (w->dim[o->dim].state != DS_LEARNING)
                return NULL;
        rule_act_of(w, o, &a);
        return rules_find(j, RULE_SUPPRESS, &a);
}

/*
 * The first row that holds decides (tidemark(1), PRECEDENCE, is the same table):
 *
 *     1 a listener that the image declares            quiet
 *     2 an entry of the baseline holds it             quiet     learned or approved; in this phase, by this program
 *     3 of a job or a session                         quiet     but not what is never learned silently
 *     4 known, and which process did it is not        quiet     but no program that runs, and no change of rights
 *     5 an allow rule                                 quiet     as far as it reaches: never a wide one over what is
 *                                                               never learned silently (rules_match.c)
 *     6 told before (a candidate)                     counted   in the finding that told of it, or for the review
 *     7 a suppress rule, in its times                 hidden    counted, listed, never learned; broken through from
 *                                                               suppress.break_through on
 *     8 it is learned now                             quiet     but not what is never learned silently
 *     9 its baseline waits for review                 quiet     a candidate; but not what is never learned silently
 *    10 a roll-out                                    hidden    what the difference of the two images explains alone
 *    11 nothing of these                              raised
 *
 * A verdict is in no row: it silences nothing. Acts of people's sessions do not come here: they have an item of their
 * own (session.c), in which what an allow rule covers weighs nothing, and which a suppress rule hides as long as
 * nothing is done in it that is never learned silently.
 */
void quiet_decide(const struct judge *j, const struct workload *w, const struct observation *o, enum known known,
                  const struct entry *e, bool learning, struct quiet *ret)
{
        bool silent = !o->never_silent;

        *ret = (struct quiet){.by = QUIET_NOT};
        if (o->dim == DIM_NETWORK && net_declared(o->c, &o->net) && silent) {
                words(ret, QUIET_DECLARED, NULL, "known: the image declares it");
        } else if (known == KNOWN_YES) {
                words(ret, QUIET_KNOWN, NULL, "known");
        } else if (o->c->class != CLASS_SERVICE && silent && !is_raised(w, o, known, e)) {
                words(ret, QUIET_CLASS, NULL,
                      o->c->class == CLASS_JOB ? "not judged: of a job" : "not judged: of a session");
        } else if (is_by_other_process(w, o, known)) {
                words(ret, QUIET_OTHER_PROCESS, NULL, "known, by another process");
        } else {
                decide_new(j, w, o, known, e, learning, ret);
        }
}

void quiet_again(struct quiet *q)
{
        if (q->window)
                words(q, QUIET_WINDOW, q->window, "suppressed by");
        else
                words(q, QUIET_NOT, NULL, "deviation");
}

static int note_by(struct finding *f, const struct quiet *q)
{
        char text[32];

        snprintf(text, sizeof(text), "R-%llu", (unsigned long long)q->rule->id);
        return str_set(&f->suppressed_by, bytes_str(text));
}

/*
 * Hidden is a finding all of whose acts were in a window, and that is not too sure: one act outside of it, and it is
 * shown with all that it holds.
 */
int quiet_settle(struct judge *j, struct finding *f, const struct quiet *q, int64_t wall_ns, bool *opened)
{
        bool hides = quiet_hides(q);
        int r = 0;

        if (hides && f->confidence < rules_bar(j, q->rule))
                f->anew = false;
        if (f->type != FINDING_DRIFT)
                return 0;
        if (hides && *opened) {
                f->suppressed = true;
                r = note_by(f, q);
        } else if (f->suppressed && !hides) {
                f->suppressed = false;
                *opened = true;
        }
        if (f->suppressed && f->confidence >= rules_bar(j, q->rule)) {
                f->suppressed = false;
                f->broke_through = *opened = true;
                rules_broke(j, q->rule);
        }
        if (hides && f->suppressed)
                rules_hid(j, q->rule, wall_ns);
        *opened = *opened && !f->suppressed;
        return r;
}
