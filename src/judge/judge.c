/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the way of an event through the judge: which container and workload, known or not, learned or raised;
 * operators' decisions. Must not: read anything but the event and its memory. Pure.
 */
#include "judge/quiet-priv.h"

#include <errno.h>
#include <string.h>

#include "tidemark/err.h"

#define BLOB_MAX (256u * 1024)
#define RESULT_MAX (512u * 1024)
#define LEAP_NS 3600000000000 /* the wall clock against the boot clock, between two ticks */
#define CANDIDATE_WORDS "a candidate: not learned by itself"

int judge_new(const struct judge_params *p, const struct judge_ops *ops, void *arg, struct judge **ret)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x6a756467656a7564};
        _cleanup_(judge_freep) struct judge *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        j->p = *p;
        j->ops = ops;
        j->arg = arg;
        j->next_finding = 1;
        j->next_item = 1;
        buf_init(&j->blob, BLOB_MAX);
        buf_init(&j->key, TIDE_RECORD_MAX);
        buf_init(&j->path, 4 * TIDE_RECORD_MAX);
        buf_init(&j->subject, TIDE_RECORD_MAX);
        buf_init(&j->result, RESULT_MAX);
        r = map_new(p->max_workloads, seed, baseline_free, &j->workloads);
        if (r == 0)
                r = map_new(16u * p->max_workloads, seed, container_memory_free, &j->containers);
        if (r == 0)
                r = prior_open(j);
        if (r == 0)
                r = records_open(j);
        if (r == 0)
                r = supply_open(j);
        if (r == 0)
                r = rules_new(&j->rules);
        if (r == 0)
                r = map_new(p->max_workloads, seed, weeks_free, &j->weeks);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

struct judge *judge_free(struct judge *j)
{
        if (!j)
                return NULL;
        map_free(j->containers);
        map_free(j->workloads);
        transfer_free(j->import);
        prior_close(j);
        records_close(j);
        supply_close(j);
        rules_free(j->rules);
        for (size_t i = 0; i < j->nopen; i++)
                finding_free(j->open[i]);
        free(j->open);
        life_free(j);
        map_free(j->weeks);
        for (size_t i = 0; i < LOSSES_KEPT; i++) {
                str_clear(&j->losses[i].container);
                str_clear(&j->losses[i].words);
        }
        buf_release(&j->blob);
        buf_release(&j->key);
        buf_release(&j->path);
        buf_release(&j->subject);
        buf_release(&j->result);
        free(j->led);
        free(j);
        return NULL;
}

const char *judge_error(const struct judge *j)
{
        return j->error;
}

struct bytes judge_result(const struct judge *j)
{
        return buf_bytes(&j->result);
}

void judge_note(const struct judge *j, const struct workload *w, const char *words)
{
        if (j->ops->note)
                j->ops->note(str_get(&w->name), words, j->arg);
}

void judge_verdict(const struct judge *j, const struct tide_event *ev, const struct workload *w, const char *what,
                   uint64_t finding)
{
        if (j->ops->verdict)
                j->ops->verdict(ev, w ? str_get(&w->name) : bytes_of(NULL, 0), what, finding, j->arg);
}

/* ---- acts ---- */

/*
 * A container that starts makes directories and files in them sooner than these can be marked, and keeps logs open for
 * as long as it runs: nothing but a walk may ever tell of them.
 */
static bool is_starts_data(const struct observation *o)
{
        return o->dim == DIM_FILE && o->ev->sources == SRC_WALK && o->phase == PHASE_STARTUP && !o->executable &&
               !(o->actor->flags & ACTOR_PID) && !o->c->visited;
}

/* From the first session on what only a walk tells may be its doing, also what was told a moment before it was. One
 * whose start could not be read may be a health check. */
static void note_visit(struct judge *j, struct container_memory *c, const struct observation *o)
{
        if (c->visited || o->actor->origin != ORIGIN_EXEC || (o->actor->flags & ACTOR_UNREAD))
                return;
        c->visited = true;
        baseline_unlearn_walked(j, c->workload, o->ev->wall_ns);
        pieces_save_container(j, c);
}

/*
 * Who may teach: the entrypoint's own processes, and probes. What a walk found may be a session's as well; if it is
 * not known it is judged mildly, and by name: any executable that is known to make it will do. A flow of which nobody
 * knows the process teaches that somebody calls there.
 */
static bool teaches(const struct observation *o)
{
        if (o->unseen || (o->ev->flags & EVF_BEFORE))
                return false;
        if (is_starts_data(o))
                return true;
        if (o->dim == DIM_NETWORK && !(o->actor->flags & ACTOR_PID))
                return true;
        return is_workloads_own(o);
}

/* A connection that was open before we watched teaches nothing, but it may be approved. */
static bool may_be_candidate(const struct observation *o)
{
        return o->dim == DIM_NETWORK && (o->ev->flags & EVF_BEFORE) && !o->unseen &&
               (!(o->actor->flags & ACTOR_PID) || o->actor->origin == ORIGIN_ENTRYPOINT);
}

/*
 * A probe runs nothing but the image's files, by a command that was configured or has come back for long: the programs
 * and data of its own are learned whenever they are first seen, apart from those of the workload. Everything else that
 * it does is judged as anybody's.
 */
static bool is_probes_own(const struct observation *o)
{
        return o->actor->origin == ORIGIN_PROBE && teaches(o) && !o->never_silent &&
               ((o->dim == DIM_PROCESS && o->ev->kind == TIDE_EXEC) || (o->dim == DIM_FILE && !o->executable));
}

/* What is new is learned now, if it may be. */
static bool is_learning(const struct workload *w, const struct observation *o)
{
        return w->dim[o->dim].state == DS_LEARNING || is_probes_own(o);
}

/* ret_quarters: what this act alone is worth, the prior with it; may be NULL. */
static int raise(struct judge *j, struct workload *w, const struct observation *o, enum known known,
                 const struct finding **ret, int32_t *ret_quarters)
{
        struct observation judged = *o;
        struct score s;
        int r;

        judged.known = known;
        if (o->dim == DIM_NETWORK && observe_net_subject(j, &judged) < 0)
                return 0; /* no name is so long */
        r = score_observation(j, w, &judged, known, &s);
        if (r < 0)
                return r;
        j->stats.deviations++;
        if (o->never_silent)
                j->stats.never_silent++;
        j->stats.unseen += o->unseen;
        r = group_deviation(j, w, &judged, &s, ret);
        if (ret_quarters)
                *ret_quarters = score_total(j, &s);
        score_release(&s);
        if (r == 0 && o->dim == DIM_NETWORK)
                net_told(j, o, (*ret)->id);
        return r;
}

/*
 * A program that is written while learning is learned as a file; if it then runs, the writing is a part of what is
 * raised. The last few of each container are remembered for that.
 */
static int keep_written(struct judge *j, const struct observation *o)
{
        struct container_memory *c = o->c;
        int r;

        if (o->dim != DIM_FILE || !o->executable || o->ev->file.path.len > WRITTEN_PATH)
                return 0;
        buf_reset(&j->blob);
        if (tide_encode(o->ev, &j->blob) < 0 || j->blob.len > WRITTEN_BYTES)
                return 0;
        r = str_set(&c->written[c->next_written], buf_bytes(&j->blob));
        c->next_written = (c->next_written + 1) % WRITTEN_KEPT;
        pieces_save_container(j, c);
        return r;
}

static int raise_written(struct judge *j, struct workload *w, const struct observation *ran)
{
        struct container_memory *c = ran->c;
        const struct finding *f;
        _cleanup_buf_ struct buf path; /* observing another event takes the judge's own */
        struct bytes subject;
        int r = 0;

        buf_init(&path, TIDE_RECORD_MAX);
        buf_put(&path, ran->subject.p, ran->subject.len);
        subject = buf_bytes(&path);
        for (uint32_t i = 0; i < WRITTEN_KEPT && r == 0; i++) {
                struct str_owned *kept = &c->written[(c->next_written + i) % WRITTEN_KEPT];
                struct observation o;
                struct tide_event ev;
                size_t used;

                if (kept->len == 0 || tide_decode(kept->p, kept->len, &ev, &used) < 0 ||
                    !bytes_eq(ev.file.path, subject))
                        continue;
                r = observe(j, c, &ev, &o);
                o.quiet = ran->quiet;
                if (r == 0)
                        r = raise(j, w, &o, KNOWN_NOT, &f, NULL);
                str_clear(kept);
                pieces_save_container(j, c);
        }
        return r;
}

static const char *learned_words(const struct workload *w, const struct observation *o)
{
        struct entry *e;

        if (baseline_lookup(w, o, &e) == KNOWN_WAITING)
                return CANDIDATE_WORDS;
        return teaches(o) ? "learned" : "not learned: by no process of the entrypoint";
}

/* Nobody knows it, and it is the time of learning. */
static int learn_act(struct judge *j, struct workload *w, const struct observation *o)
{
        enum learn how = is_probes_own(o) ? LEARN_KNOWN : baseline_lesson(w);
        int r = 0;

        if (teaches(o) || may_be_candidate(o))
                r = o->dim == DIM_NETWORK ? net_learn(j, w, o) : baseline_learn(j, w, o, how);
        if (r == 0 && how != LEARN_KNOWN)
                r = candidate_note(j, w, o, KNOWN_NOT, how, NULL);
        else if (r == 0 && o->dim == DIM_NETWORK) /* such as a raw address: a reviewer wants to know who called it */
                r = candidate_seen(j, w, o);
        if (r == 0)
                r = keep_written(j, o);
        judge_verdict(j, o->ev, w, learned_words(w, o), 0);
        return r;
}

static const char *raised_words(const struct judge *j, const struct observation *o, const struct finding *f)
{
        if (f && f->suppressed && quiet_hides(o->quiet))
                return o->quiet->words;
        if (f && f->broke_through && quiet_hides(o->quiet))
                return "deviation, shown although it was to be suppressed";
        return f && f->confidence < j->p.show ? "deviation, below show" : "deviation";
}

/* Into the queue, and among the candidates for review; what is suppressed is remembered by nobody. */
static int raise_act(struct judge *j, struct workload *w, const struct observation *o, enum known known)
{
        const struct quiet *q = o->quiet;
        const struct finding *f = NULL;
        int32_t quarters = INT32_MIN;
        struct observation again;
        const char *words;
        uint64_t id;
        int r = 0;

        if (o->never_silent && o->dim == DIM_PROCESS) {
                again = *o;
                r = raise_written(j, w, o);
                if (r == 0)
                        r = observe(j, o->c, o->ev, &again); /* its key was in the judge's own buffer */
                again.changed = o->changed;
                again.other_content = o->other_content;
                again.rejected = o->rejected;
                again.quiet = q;
                o = &again;
        }
        if (r == 0)
                r = raise(j, w, o, known, &f, &quarters);
        words = raised_words(j, o, f);
        id = f ? f->id : 0; /* making room for the roll-out's item may take the finding itself */
        if (o->dim == DIM_NETWORK && r == 0) {
                again = *o;
                o = &again;
                r = observe_net_subject(j, &again) < 0 ? 0 : r;
        }
        if (r == 0 && f && !quiet_hides(q))
                r = candidate_note(j, w, o, known, o->never_silent ? LEARN_RAISED : LEARN_NEW, &quarters);
        if (r == 0 && w->roll.open) /* what a window hides is a part of it, too */
                r = rollout_note(j, w, o, false);
        judge_verdict(j, o->ev, w, words, id);
        return r;
}

static int excuse_act(struct judge *j, struct workload *w, struct observation *o, enum known known, struct quiet *q)
{
        int r = rollout_waits(j, w, o) ? rollout_wait(j, w, o) : 2;

        if (r <= 0) {
                judge_verdict(j, o->ev, w, q->words, 0);
                return r;
        }
        if (r == 1) { /* no room for it */
                quiet_again(q);
                return raise_act(j, w, o, known);
        }
        r = candidate_note(j, w, o, known, LEARN_EXCUSED, NULL);

        if (r == 0)
                r = rollout_note(j, w, o, true);
        judge_verdict(j, o->ev, w, o->quiet->words, w->roll.item);
        return r;
}

static int review_act(struct judge *j, struct workload *w, const struct observation *o, enum known known)
{
        int r = candidate_note(j, w, o, known, LEARN_REVIEW, NULL);

        judge_verdict(j, o->ev, w, o->quiet->words, 0);
        return r;
}

/* An operator's rule: counted by it, and learned by nobody. If it then runs, and that is not allowed, both are told. */
static int allow_act(struct judge *j, struct workload *w, const struct observation *o)
{
        rules_hid(j, o->quiet->rule, o->ev->wall_ns);
        judge_verdict(j, o->ev, w, o->quiet->words, 0);
        return keep_written(j, o);
}

/* What would only have been learned is no finding; if it then runs, its writing is a part of what is told. */
static int suppress_act(struct judge *j, struct workload *w, const struct observation *o, enum known known,
                        bool learning)
{
        if (o->never_silent || (!learning && state_judges(w->dim[o->dim].state)))
                return raise_act(j, w, o, known);
        rules_hid(j, o->quiet->rule, o->ev->wall_ns);
        judge_verdict(j, o->ev, w, o->quiet->words, 0);
        return keep_written(j, o);
}

static int judge_known(struct judge *j, struct workload *w, const struct observation *o, struct entry *e)
{
        bool learned = teaches(o) && o->c->class == CLASS_SERVICE;
        bool learning = learned && w->dim[o->dim].state == DS_LEARNING && !quiet_window_of_known(j, w, o);
        int r = 0;

        j->stats.known++;
        if (learned && o->dim == DIM_NETWORK && (o->net.nnames > 1 || !entry_names(e, o)) && learning)
                r = net_learn(j, w, o);
        else if (learned)
                baseline_touch(j, w, e, o, learning);
        judge_verdict(j, o->ev, w, o->quiet->words, 0);
        return r;
}

/*
 * Learning has been taken up again, or what kept it from being learned is over. What is shown in an open finding is
 * for a person to answer, and what would not be learned by itself is not learned by being raised before.
 */
static bool may_be_taken(const struct judge *j, const struct workload *w, const struct entry *e,
                         const struct observation *o)
{
        if (w->dim[o->dim].state != DS_LEARNING || e->why < WHY_NEW || e->rejected || o->never_silent || !teaches(o) ||
            o->c->class != CLASS_SERVICE || !entry_names(e, o) || o->quiet->window)
                return false;
        if (o->dim == DIM_NETWORK ? net_lesson(w, o) != LEARN_KNOWN : baseline_lesson(w) != LEARN_KNOWN)
                return false;
        return !group_shows(j, w, o);
}

/* Counted where it was raised, and worth there what it is worth now; anew, if that finding is closed. */
static int judge_raised(struct judge *j, struct workload *w, struct observation *o, struct entry *e, struct quiet *q)
{
        enum known known = e->why == WHY_NEVER_SILENT || e->why >= WHY_NEW ? KNOWN_NOT : KNOWN_WAITING;
        struct finding *f = NULL;
        int r = o->dim == DIM_NETWORK ? observe_net_subject(j, o) : 0;

        o->known = known;
        o->rejected = e->rejected;
        if (r == 0)
                r = candidate_sighted(j, w, e, o, NULL);
        if (r == 0 && o->dim == DIM_PROCESS && e->content && e->content->state == HASH_KNOWN && approval_room(o->c) &&
            approval_await(j, o) < 0) /* with another content it is another thing */
                r = -ENOMEM;
        quiet_again(q);
        if (r == 0)
                r = group_repeat(j, w, o, e->why == WHY_ROLLOUT, &f);
        if (r == 0 && e->why == WHY_ROLLOUT && !e->rejected && !o->never_silent) {
                judge_verdict(j, o->ev, w, "excused by its roll-out: for the review", w->roll.item);
                return 0; /* the images explain it, however long ago */
        }
        if (r == 0) /* none is open that holds it */
                return raise_act(j, w, o, known);
        if (f && o->dim == DIM_NETWORK)
                net_told(j, o, f->id);
        judge_verdict(j, o->ev, w, "raised already", f ? f->id : 0);
        return r < 0 ? r : 0;
}

/* Seen before, and not in the baseline: raised once, or not before learning has ended. */
static int judge_candidate(struct judge *j, struct workload *w, struct observation *o, struct entry *e, struct quiet *q)
{
        int r;

        baseline_touch(j, w, e, o, w->dim[o->dim].state == DS_LEARNING);
        if (may_be_taken(j, w, e, o)) {
                r = baseline_take(j, w, e);
                judge_verdict(j, o->ev, w, "learned", 0);
                return r;
        }
        if (!e->waiting)
                return judge_raised(j, w, o, e, q);
        r = candidate_sighted(j, w, e, o, NULL);
        judge_verdict(j, o->ev, w, q->words, 0);
        return r;
}

static int judge_approved(struct judge *j, struct workload *w, struct observation *o, struct entry *e);

/* What was decided is done: one row a case. */
static int judge_as(struct judge *j, struct workload *w, struct observation *o, enum known known, struct entry *e,
                    struct quiet *q)
{
        bool learning = is_learning(w, o);

        o->quiet = q;
        switch (q->by) {
        case QUIET_KNOWN:
                return o->never_silent && e ? judge_approved(j, w, o, e) : judge_known(j, w, o, e);
        case QUIET_DECLARED:
        case QUIET_OTHER_PROCESS:
                j->stats.known++;
                judge_verdict(j, o->ev, w, q->words, 0);
                return 0;
        case QUIET_CLASS:
                judge_verdict(j, o->ev, w, q->words, 0);
                return 0;
        case QUIET_ALLOW:
                return allow_act(j, w, o);
        case QUIET_RAISED:
                return judge_candidate(j, w, o, e, q);
        case QUIET_WINDOW:
                return suppress_act(j, w, o, known, learning);
        case QUIET_LEARNED:
                return learn_act(j, w, o);
        case QUIET_REVIEW:
                return review_act(j, w, o, known);
        case QUIET_ROLLOUT:
                return excuse_act(j, w, o, known, q);
        case QUIET_NOT:
                break;
        }
        return raise_act(j, w, o, known);
}

/* What was approved is, or may be, another thing now: decided on as what nobody knows. */
static int judge_changed(struct judge *j, struct workload *w, struct observation *o, bool changed)
{
        struct quiet q;

        o->changed = changed;
        quiet_decide(j, w, o, KNOWN_NOT, NULL, is_learning(w, o), &q);
        return judge_as(j, w, o, KNOWN_NOT, NULL, &q);
}

/* What is never learned silently, and an operator has approved: this very thing? */
static int judge_approved(struct judge *j, struct workload *w, struct observation *o, struct entry *e)
{
        enum approval_fit fit = approval_fits(e, o);
        int r = fit == FIT_LATER ? approval_await(j, o) : 0;

        if (r < 0)
                return r;
        return fit == FIT_NO || r > 0 ? judge_changed(j, w, o, fit == FIT_NO) : judge_known(j, w, o, e);
}

int judge_raise_again(struct judge *j, struct container_memory *c, const struct tide_event *exec, bool approved)
{
        struct observation o;
        int r = c->workload ? observe(j, c, exec, &o) : -EAGAIN;

        if (r < 0)
                return r == -EAGAIN || r == ERR_LIMIT ? 0 : r;
        o.other_content = !approved;
        return judge_changed(j, c->workload, &o, approved);
}

static int judge_act(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        struct workload *w = c->workload;
        struct observation o;
        struct quiet q;
        struct entry *e;
        enum known known;
        int r = observe(j, c, ev, &o);

        if (r < 0)
                return r == -EAGAIN || r == ERR_LIMIT ? 0 : r;
        note_visit(j, c, &o);
        if (o.dim == DIM_FILE)
                written_note(j, &o);
        if (o.dim == DIM_FILE && o.never_silent)
                written_self(&o);
        if (o.dim == DIM_NETWORK)
                net_count(j, &o);
        r = session_act(j, w, &o);
        if (r != 0)
                return r < 0 ? r : 0;
        j->stats.observations++;
        w->last_ns = ev->wall_ns;
        baseline_hour(j, w, c, ev->wall_ns);
        known = baseline_lookup(w, &o, &e);
        quiet_decide(j, w, &o, known, e, is_learning(w, &o), &q);
        if (known == KNOWN_WAITING && state_judges(w->dim[o.dim].state) && q.by >= QUIET_LEARNED)
                baseline_raised(j, w, e);
        return judge_as(j, w, &o, known, e, &q);
}

int judge_again(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        return judge_act(j, c, ev);
}

/* ---- containers and their workloads ---- */

static int hold(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        int r;

        if (c->nheld == HELD_MAX) {
                j->stats.refused++;
                return 0;
        }
        if (c->nheld == 0)
                c->held_since = ev->boot_ns;
        r = tide_encode(ev, &c->held);
        if (r == 0)
                c->nheld++;
        else
                j->stats.refused++;
        return r == -ENOMEM ? r : 0;
}

static int on_act(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        int r = sight_event(j, c, ev);

        if (r != 0)
                return r < 0 ? r : 0;
        if (ev->kind == TIDE_FLOW)
                c = net_judged(j, c, ev);
        return c->workload ? judge_act(j, c, ev) : hold(j, c, ev);
}

static int on_flow(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        const char *words;
        int r = net_take(j, c, ev, &words);

        if (r > 0)
                r = sight_net(j, c, ev) < 0 ? -ENOMEM : on_act(j, c, ev);
        else if (r == 0)
                judge_verdict(j, ev, c->workload, words, 0);
        return r;
}

static int let_go(struct judge *j, struct container_memory *c, int64_t wall_ns)
{
        struct buf held = c->held;
        int r = 0;

        buf_init(&c->held, held.max);
        c->nheld = 0;
        for (size_t at = 0, used = 0; at < held.len && r == 0; at += used) {
                struct tide_event ev;

                if (tide_decode(held.p + at, held.len - at, &ev, &used) < 0)
                        break;
                r = ev.kind == TIDE_HASH ? content_event(j, c, &ev) : on_act(j, c, &ev);
        }
        buf_release(&held);
        return r == 0 ? sight_finish(j, c, wall_ns) : r;
}

static struct bytes label(const struct tide_content *t, const char *name)
{
        struct bytes key, value;
        struct rd r;

        rd_init(&r, t->labels.p, t->labels.len);
        while (tide_list_next(&r, &key, &value))
                if (bytes_eq(key, bytes_str(name)))
                        return value;
        return bytes_of(NULL, 0);
}

static bool put_pair(const struct tide_content *t, const char *a, const char *b, const char *joint, struct buf *out)
{
        struct bytes first = label(t, a), second = label(t, b);

        if (first.len == 0 || second.len == 0)
                return false;
        buf_put(out, first.p, first.len);
        buf_put_str(out, joint);
        buf_put(out, second.p, second.len);
        return true;
}

/* Without its tag: the image may be newer next week, the workload is the same. */
static void put_image(struct bytes ref, struct buf *out)
{
        int slash = bytes_rfind(ref, '/'), colon = bytes_rfind(ref, ':');

        buf_put(out, ref.p, colon > slash && colon > 0 ? (size_t)colon : ref.len);
}

/* DESIGN section 2, workload: what an orchestrator says, else a name that a person gave, else the image. */
static void put_name(const struct tide_content *t, struct bytes container, struct buf *out)
{
        static const struct {
                const char *a, *b, *joint;
        } rows[] = {
                {"com.docker.compose.project", "com.docker.compose.service", "/"},
                {"io.podman.compose.project", "com.docker.compose.service", "/"},
        };

        if (t->workload.len) {
                buf_put(out, t->workload.p, t->workload.len);
                return;
        }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (put_pair(t, rows[i].a, rows[i].b, rows[i].joint, out))
                        return;
        if (t->name.len && t->name_given)
                buf_put(out, t->name.p, t->name.len);
        else if (t->image_ref.len)
                put_image(t->image_ref, out);
        else {
                buf_put_str(out, "unknown-");
                buf_put(out, container.p, container.len < 12 ? container.len : 12);
        }
}

/* The operator's word before the runtime's. */
static enum tide_class class_of(const struct judge *j, const char *name, uint8_t by_runtime)
{
        for (int class = 0; class < CLASS__MAX; class ++)
                if (str_list_fits(&j->p.of_class[class], name))
                        return (enum tide_class) class;
        return (enum tide_class)by_runtime;
}

static int attach(struct judge *j, struct container_memory *c, const struct tide_content *t, int64_t wall_ns)
{
        _cleanup_buf_ struct buf name, id;
        _cleanup_free_ char *text = NULL;
        struct workload *w;
        bool fresh, first = !c->workload;
        int r;

        buf_init(&name, 1024);
        buf_init(&id, 2048);
        put_name(t, str_get(&c->id), &name);
        buf_put(&id, name.p, name.len);
        buf_put_u8(&id, '@');
        buf_put(&id, t->config_digest.p, t->config_digest.len);
        if (name.err || id.err)
                return 0; /* names of kilobytes: not a workload that anybody runs; its acts stay held, bounded */
        w = baseline_workload(j, buf_bytes(&id));
        if (!w)
                return 0;
        text = bytes_dup(buf_bytes(&name)); /* a NUL in it ends it: patterns match less then */
        if (!text)
                return -ENOMEM;
        c->class = class_of(j, text, t->class);
        if (w->first_ns == 0 || c->class == CLASS_SERVICE)
                w->class = c->class;
        fresh = w->first_ns == 0;
        if (fresh) {
                w->first_ns = wall_ns;
                for (int d = 0; d < DIM__MAX; d++)
                        w->dim[d].since_ns = w->dim[d].state == DS_OFF ? 0 : wall_ns;
        }
        r = str_set(&w->name, buf_bytes(&name));
        if (r == 0)
                r = str_set(&w->image, t->image_ref);
        if (r == 0)
                r = str_set(&w->digest, t->config_digest);
        w->last_ns = wall_ns;
        c->workload = w;
        prior_used(j, t->config_digest, wall_ns);
        if (r == 0)
                r = supply_joined(j, w, t->manifest_digest);
        if (r > 0)
                r = 0; /* it is saved below */
        if (r == 0 && fresh)
                r = rollout_begin(j, w, wall_ns);
        if (c->running)
                baseline_runs_in(j, w, c, 1, wall_ns);
        pieces_save_workload(j, w);
        pieces_save_container(j, c);
        if (r == 0 && first)
                r = deeds_container(j, c, wall_ns);
        return r < 0 ? r : let_go(j, c, wall_ns);
}

static int on_content(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        const struct tide_content *t = &ev->content;
        int r = str_set(&c->name, t->name);

        if (r == 0)
                r = str_set(&c->image_ref, t->image_ref);
        if (r == 0)
                r = str_set(&c->config_digest, t->config_digest);
        if (r == 0)
                r = str_set(&c->config_source, t->config_source);
        if (r == 0)
                r = str_set(&c->manifest_digest, t->manifest_digest);
        if (r == 0)
                r = str_set(&c->manifest_source, t->manifest_source);
        if (r == 0)
                r = str_set(&c->labels, t->labels);
        if (r == 0)
                r = str_set(&c->image_labels, t->image_labels);
        if (r == 0)
                r = str_set(&c->ports, t->ports);
        if (r == 0 && t->runtime.len)
                r = str_set(&c->runtime, t->runtime);
        if (r < 0)
                return r;
        if (c->workload) { /* told again: the workload is what it was when its acts were judged */
                pieces_save_container(j, c);
                r = supply_joined(j, c->workload, t->manifest_digest);
                if (r > 0)
                        pieces_save_workload(j, c->workload);
                return r < 0 ? r : 0;
        }
        return attach(j, c, t, ev->wall_ns);
}

/* Its metadata does not come: judged under a name that says so. */
static int attach_unknown(struct judge *j, struct container_memory *c, int64_t wall_ns)
{
        struct tide_content none = {.runtime = str_get(&c->runtime)};

        return attach(j, c, &none, wall_ns);
}

/* The interval between a container's first act and our marks. */
static void measure_gap(struct judge *j, struct container_memory *c, const struct tide_ctr *t)
{
        if (t->gap_ns && !c->gap_ns && !t->running_before) {
                j->stats.gaps++;
                j->stats.gap_sum_ns += t->gap_ns;
                if (t->gap_ns > j->stats.gap_max_ns)
                        j->stats.gap_max_ns = t->gap_ns;
        }
        c->gap_ns = t->gap_ns;
}

static int on_start(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        const struct tide_ctr *t = &ev->ctr;
        bool known = c->started_ns != 0, was = c->running;
        int r = str_set(&c->runtime, t->runtime);
        uint64_t left = c->netns;

        if (c->workload && (!was || c->flows != t->flows)) {
                if (was)
                        baseline_count(c->workload, c, -1);
                c->flows = t->flows;
                baseline_runs_in(j, c->workload, c, 1, ev->wall_ns);
        }
        c->flows = t->flows;
        c->running = true;
        c->netns = t->netns;
        if (left != c->netns || !was) {
                c->shares_netns = false; /* also where its namespace is not known */
                net_mates(j, left);
                net_mates(j, c->netns);
        }

        if (r == 0)
                r = str_set(&c->upper, t->upper);
        if (r == 0)
                r = str_set(&c->coverage, t->coverage);
        if (was && c->init_pid == t->init_pid && c->init_start == t->init_start) {
                if (t->stopping && !c->stopping_ns)
                        c->stopping_ns = ev->wall_ns;
                measure_gap(j, c, t); /* its marks stand now */
                pieces_save_container(j, c);
                return r;
        }
        c->init_pid = t->init_pid;
        c->init_start = t->init_start;
        c->earlier_netns = 0;
        c->gap_ns = 0;
        c->stopping_ns = t->stopping ? ev->wall_ns : 0;
        measure_gap(j, c, t);
        j->stats.starts += !t->running_before;
        c->running_before = t->running_before;
        c->started_ns = ev->wall_ns;
        /* One that an earlier life of the agent knew is no first sight. */
        c->sight.open = c->sight.net = t->running_before && !known;
        c->sight.item = 0;
        pieces_save_container(j, c);
        return r;
}

/* Nothing more is told of it. */
static void forget(struct judge *j, struct container_memory *c)
{
        written_drop(j, c);
        j->ops->save(PIECE_CONTAINER, str_get(&c->id), bytes_of(NULL, 0), j->arg);
        if (map_del(j->containers, str_get(&c->id)) < 0)
                j->stats.refused++;
}

/* What a program of it held is told a moment later. */
static int on_hash(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        int r = c->workload || c->leaving ? content_event(j, c, ev) : hold(j, c, ev);

        if (c->leaving && !approval_waits(c))
                forget(j, c);
        return r;
}

static int on_stop(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        int r = 0;

        if (!c->workload && c->nheld)
                r = attach_unknown(j, c, ev->wall_ns);
        j->stats.ended_unmarked += !c->running_before && !c->gap_ns && c->upper.len > 0;
        c->sight.walked = true; /* nothing more will be found */
        if (r == 0)
                r = sight_finish(j, c, ev->wall_ns);
        if (r == 0)
                r = rollout_container_ends(j, c);
        session_stop(j, c, ev->wall_ns);
        if (c->running && c->workload)
                baseline_runs_in(j, c->workload, c, -1, ev->wall_ns);
        c->running = false;
        c->shares_netns = false;
        net_mates(j, c->netns);
        if (r == 0)
                r = net_drop_names(j, c);
        net_drop_told(j, c);
        c->leaving = approval_waits(c);
        if (c->leaving)
                pieces_save_container(j, c);
        else
                forget(j, c);
        return r;
}

static int on_walk(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        if (!ev->walk.ended || ev->walk.reason == WALK_SUBTREE)
                return 0;
        c->sight.walked = true;
        return sight_finish(j, c, ev->wall_ns);
}

/* The wall clock has leapt since the last tick of this life. */
static bool has_leapt(const struct judge *j, const struct tide_event *ev)
{
        int64_t wall, boot;

        if (j->ticked_ns == 0)
                return false;
        wall = ns_apart(ev->wall_ns, j->ticked_ns);
        boot = ns_apart((int64_t)ev->boot_ns, (int64_t)j->ticked_boot_ns);
        return ns_apart(wall, boot) > LEAP_NS || ns_apart(boot, wall) > LEAP_NS;
}

/*
 * A clock that is far ahead for a moment would end what nobody could bring back: entries, findings, rules. What has
 * leapt counts once it has held for so long.
 */
static bool is_doubted(struct judge *j, const struct tide_event *ev)
{
        if (has_leapt(j, ev))
                j->doubted_boot_ns = ev->boot_ns + LEAP_NS;
        else if (ev->boot_ns >= j->doubted_boot_ns)
                j->doubted_boot_ns = 0;
        j->ticked_boot_ns = ev->boot_ns;
        if (j->doubted_boot_ns)
                j->ticked_ns = ev->wall_ns;
        return j->doubted_boot_ns != 0;
}

/* What is over by now. */
static int pass_time(struct judge *j, int64_t wall_ns)
{
        baseline_tick(j, wall_ns);
        weeks_tick(j, wall_ns);
        life_tick(j, wall_ns);
        rules_tick(j, wall_ns);
        return rollout_tick(j, wall_ns);
}

static int on_tick(struct judge *j, const struct tide_event *ev)
{
        void *value;
        int r = is_doubted(j, ev) ? 0 : pass_time(j, ev->wall_ns);

        for (size_t i = 0; r == 0 && map_next(j->containers, &i, NULL, &value);) {
                struct container_memory *c = value;

                if (!c->workload && c->nheld && ev->boot_ns > c->held_since + HELD_NS)
                        r = attach_unknown(j, c, ev->wall_ns);
                if (r == 0)
                        r = approval_tick(j, c, ev->wall_ns);
                if (c->leaving && !approval_waits(c)) {
                        forget(j, c);
                        i = 0;
                }
        }
        return r;
}

static int on_prior(struct judge *j, const struct tide_event *ev)
{
        int r = prior_event(j, ev);

        if (r == 0 && ev->prior.part == PRIOR_END)
                r = rollout_image_read(j, ev->prior.digest);
        if (r == 0 && ev->prior.part == PRIOR_END)
                judge_verdict(j, ev, NULL, "", 0);
        return r;
}

/* What counts of it is told further when it is whole. */
static int on_record(struct judge *j, const struct tide_event *ev)
{
        int r = records_event(j, ev), err = r < 0 ? r : supply_event(j, ev, r == 1);

        if (r == 1)
                judge_verdict(j, ev, NULL, "", 0);
        return err;
}

static int on_loss(struct judge *j, const struct tide_event *ev)
{
        j->stats.losses++;
        group_loss(j, ev);
        return 0;
}

/* ---- events ---- */

/* What is told of a namespace that several share may name none of them. */
static struct container_memory *named_container(const struct judge *j, const struct tide_event *ev)
{
        if (ev->container.len)
                return map_get(j->containers, ev->container);
        if (ev->kind == TIDE_NAME)
                return net_container(j, ev->name.netns);
        return ev->kind == TIDE_FLOW ? net_container(j, ev->flow.netns) : NULL;
}

static int on_container_event(struct judge *j, const struct tide_event *ev)
{
        static int (*const rows[])(struct judge *, struct container_memory *, const struct tide_event *) = {
                [TIDE_EXEC] = on_act,      [TIDE_FILE] = on_act,       [TIDE_CTR_START] = on_start,
                [TIDE_CTR_STOP] = on_stop, [TIDE_WALK] = on_walk,      [TIDE_CONTENT] = on_content,
                [TIDE_PRIV] = on_act,      [TIDE_FLOW] = on_flow,      [TIDE_NAME] = net_name,
                [TIDE_HASH] = on_hash,     [TIDE_EXIT] = session_exit,
        };
        struct container_memory *c;
        bool gone;
        int r;

        if (ev->kind >= ARRAY_LEN(rows) || !rows[ev->kind])
                return 0;
        c = named_container(j, ev);
        if (!c && ev->container.len == 0)
                return 0;
        if (!c &&
            (ev->kind == TIDE_CTR_STOP || ev->kind == TIDE_WALK || ev->kind == TIDE_HASH || ev->kind == TIDE_EXIT))
                return 0;
        if (!c)
                c = container_make(j, ev->container);
        if (!c) {
                j->stats.refused++;
                return 0;
        }
        gone = ev->kind == TIDE_CTR_STOP || ev->kind == TIDE_HASH; /* perhaps forgotten with that */
        r = rows[ev->kind](j, c, ev);
        if (r == 0 && rows[ev->kind] != on_act && rows[ev->kind] != on_flow)
                judge_verdict(j, ev, gone ? NULL : c->workload, "", 0);
        return r;
}

static int on_event(struct judge *j, const struct tide_event *ev)
{
        switch (ev->kind) {
        case TIDE_TICK:
                return on_tick(j, ev);
        case TIDE_LOSS:
                return on_loss(j, ev);
        case TIDE_DECISION:
                return decide_run(j, ev);
        case TIDE_PRIOR:
                return on_prior(j, ev);
        case TIDE_RECORD:
                return on_record(j, ev);
        case TIDE_DONE:
                return deeds_done(j, ev);
        default:
                return on_container_event(j, ev);
        }
}

int judge_try(struct judge *j, const struct tide_event *ev)
{
        int r;

        if (ev->kind != TIDE_DECISION)
                return -EINVAL;
        j->error[0] = '\0';
        buf_reset(&j->result);
        j->dry = true;
        r = decide_run(j, ev);
        j->dry = false;
        return r;
}

int judge_event(struct judge *j, const struct tide_event *ev)
{
        int r;

        j->stats.events++;
        j->error[0] = '\0';
        buf_reset(&j->result);
        r = on_event(j, ev);
        j->led_of = NULL; /* another event may lie where this one lay */
        return r;
}
