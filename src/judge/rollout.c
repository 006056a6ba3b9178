/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what becomes of a baseline when a new image of its workload appears: inheritance, the window in which the
 * difference of the two images excuses, the item at its end; and which entries and baselines have grown too old.
 * Must not: excuse what is never learned silently, or whom a workload calls. Pure.
 *
 * The window is open while containers of the old image run, but at least rollout.least (the old ones are often gone
 * before the new ones come) and at most rollout.limit.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "judge/prior-priv.h"
#include "tidemark/err.h"

#define DIGEST_SHOWN 19u /* "sha256:" and 12 digits */

/* ---- inheritance ---- */

/* The digest of this name that ran last. */
static struct workload *predecessor(const struct judge *j, const struct workload *w)
{
        struct workload *best = NULL;
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                struct workload *o = value;

                if (o == w || o->class != CLASS_SERVICE || !bytes_eq(str_get(&o->name), str_get(&w->name)) ||
                    map_count(o->entries) == 0)
                        continue;
                if (!best || o->last_ns > best->last_ns || (o->last_ns == best->last_ns && o->running > best->running))
                        best = o;
        }
        return best;
}

static int copy_entry(const struct entry *from, struct entry **ret)
{
        struct entry *e = malloc(sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        *e = *from;
        e->key = e->exe = e->written_by = (struct str_owned){NULL, 0};
        e->approval = NULL;
        e->seen = NULL;
        e->content = e->offered = NULL;
        e->inherited = true;
        r = str_set(&e->key, str_get(&from->key));
        if (r == 0)
                r = str_set(&e->exe, str_get(&from->exe));
        if (r == 0)
                r = str_set(&e->written_by, str_get(&from->written_by));
        if (r == 0 && from->approval) {
                r = approval_set(e, from->approval->by, str_get(&from->approval->reason), from->approval->ns);
                if (r == 0)
                        e->approval->bare = from->approval->bare;
        }
        if (r == 0 && from->content)
                r = content_set(&e->content, from->content);
        if (r < 0) {
                entry_free(e);
                return r;
        }
        *ret = e;
        return 0;
}

/* What was raised and nobody has answered is not inherited: the new image is raised for it once more. What an earlier
 * roll-out excused stays excused: this image has it from that one. */
static bool is_inherited(const struct entry *e)
{
        return !e->candidate || e->rejected || (e->why == WHY_ROLLOUT && !e->waiting);
}

static int inherit_entries(struct judge *j, struct workload *w, const struct workload *from)
{
        void *value;

        for (size_t i = 0; map_next(from->entries, &i, NULL, &value);) {
                struct entry *e;
                int r;

                if (!is_inherited(value))
                        continue;
                r = copy_entry(value, &e);
                if (r < 0)
                        return r;
                r = baseline_insert(w, e);
                if (r < 0) {
                        entry_free(e);
                        j->stats.refused++;
                        if (r != ERR_LIMIT)
                                return r;
                        continue;
                }
                pieces_save_entry(j, w, e);
        }
        return 0;
}

static void inherit_state(struct workload *w, const struct workload *from)
{
        uint32_t len = from->digest.len < DIGEST_SHOWN ? from->digest.len : DIGEST_SHOWN;

        for (int i = 0; i < DIM__MAX; i++) {
                struct dim_learning *d = &w->dim[i];
                const struct dim_learning *o = &from->dim[i];

                d->state = o->state == DS_STALE ? DS_ACTIVE : o->state;
                d->declared = o->declared;
                d->since_ns = o->since_ns;
                d->windows = o->windows;
                d->last_window = o->last_window;
                d->refresh_ns = o->refresh_ns;
                if (state_judges(d->state))
                        snprintf(d->by, sizeof(d->by), "inherited from %.*s", (int)len,
                                 from->digest.p ? from->digest.p : "");
                else
                        memcpy(d->by, o->by, sizeof(d->by));
        }
}

static bool has_judged(const struct workload *w)
{
        for (int i = 0; i < DIM__MAX; i++)
                if (state_judges(w->dim[i].state) || w->dim[i].state == DS_REVIEW)
                        return true;
        return false;
}

int rollout_begin(struct judge *j, struct workload *w, int64_t wall_ns)
{
        struct workload *from = w->class == CLASS_SERVICE && w->digest.len ? predecessor(j, w) : NULL;
        char words[160];
        int r;

        if (!from)
                return 0;
        r = str_set(&w->roll.from, str_get(&from->id));
        if (r == 0)
                r = inherit_entries(j, w, from);
        if (r < 0)
                return r;
        inherit_state(w, from);
        w->roll.since_ns = wall_ns;
        w->roll.open = has_judged(w); /* one that only learns goes on learning */
        w->roll.read = prior_is_analysed(j, str_get(&w->digest));
        snprintf(words, sizeof(words), "a new image: the baseline of the last one is inherited%s",
                 w->roll.open ? ", and a roll-out begins" : "");
        judge_note(j, w, words);
        return 0;
}

/* ---- what is excused ---- */

static struct bytes old_digest(const struct workload *w)
{
        struct bytes id = str_get(&w->roll.from);

        return id.len > w->name.len + 1 ? bytes_of(id.p + w->name.len + 1, id.len - w->name.len - 1)
                                        : bytes_of(NULL, 0);
}

/*
 * What the difference of the two images explains of a program: that it runs although it never did, if it is new there,
 * and that a program which ran before does things otherwise, if it is another one now. New or changed counts where a
 * package brings it, or where it is what the image is started by.
 */
static bool is_new_or_changed(const struct judge *j, const struct workload *w, struct bytes program, bool known,
                              bool *ret_packaged)
{
        struct bytes old = old_digest(w), new = str_get(&w->digest);
        enum prior_change change = program.len ? prior_diff(j, old, new, program) : PRIOR_CHANGE_UNKNOWN;

        *ret_packaged = program.len && prior_diff_explains(j, old, new, program, NULL);
        if (change != PRIOR_NEW && !(change == PRIOR_CHANGED && known))
                return false;
        return *ret_packaged || prior_is_entrypoint(j, new, program);
}

static const char *program_excused(const struct judge *j, const struct workload *w, struct bytes program, bool known)
{
        bool packaged;

        if (!is_new_or_changed(j, w, program, known, &packaged))
                return NULL;
        return packaged ? "excused by the roll-out: a package of the new image brings the program"
                        : "excused by the roll-out: the image is started by another program now";
}

/* The container's own first program, where the image says another one than before. */
static bool is_new_start(const struct judge *j, const struct workload *w, const struct observation *o)
{
        return is_init(o, o->actor->pid, o->actor->start) && prior_is_entrypoint(j, str_get(&w->digest), o->subject) &&
               prior_entrypoint_changed(j, old_digest(w), str_get(&w->digest));
}

/* A file that only holds data, where it makes nothing run later and is none of the image's own. Of rights only a name
 * that a process gives itself: what it may do is no matter of its package. */
static bool is_harmless(const struct observation *o)
{
        if (o->dim == DIM_PRIVILEGE)
                return o->what == PRIV_COMM;
        return o->dim == DIM_FILE && !o->executable && !o->setuid && o->change != CHANGE_MODIFIED &&
               o->change != CHANGE_REMOVED && !score_is_lasting_place(o->subject);
}

static bool is_declared(const struct judge *j, const struct workload *w, const struct observation *o)
{
        char proto[TIDE_PROTO_TEXT];

        return o->net.listens &&
               prior_declares_port(j, str_get(&w->digest), o->net.port, tide_proto_text(o->net.flow->proto, proto));
}

static const char *exec_excused(const struct judge *j, const struct workload *w, const struct observation *o)
{
        if (o->ev->kind != TIDE_EXEC || o->layer != LAYER_IMAGE)
                return NULL;
        if (is_new_start(j, w, o))
                return "excused by the roll-out: the image is started by another program now";
        return program_excused(j, w, o->subject, o->known == KNOWN_OTHER_EXE);
}

const char *rollout_excuse(const struct judge *j, const struct workload *w, const struct observation *o)
{
        if (!w->roll.open || o->never_silent || o->unseen)
                return NULL;
        if (o->dim == DIM_NETWORK)
                return is_declared(j, w, o) ? "excused by the roll-out: the new image declares the port" : NULL;
        if (!is_workloads_own(o))
                return NULL;
        if (o->dim == DIM_PROCESS)
                return exec_excused(j, w, o);
        return is_harmless(o) && o->known_exe ? program_excused(j, w, o->exe, baseline_runs(w, o->exe)) : NULL;
}

/* ---- what waits for the image to be read ---- */

bool rollout_waits(const struct judge *j, const struct workload *w, const struct observation *o)
{
        if (!w->roll.open || w->roll.read || o->never_silent || o->unseen || !is_workloads_own(o) ||
            o->dim == DIM_NETWORK)
                return false;
        if (!prior_is_analysed(j, old_digest(w)) || ns_apart(o->ev->wall_ns, w->roll.since_ns) > PENDING_NS)
                return false;
        return o->dim == DIM_PROCESS ? o->ev->kind == TIDE_EXEC && o->layer == LAYER_IMAGE
                                     : is_harmless(o) && o->known_exe;
}

int rollout_wait(struct judge *j, struct workload *w, const struct observation *o)
{
        int r;

        buf_reset(&j->blob);
        if (w->roll.npending == PENDING || tide_encode(o->ev, &j->blob) < 0 || j->blob.len > PENDING_BYTES)
                return 1;
        r = str_set(&w->roll.pending[w->roll.npending], buf_bytes(&j->blob));
        if (r < 0)
                return r;
        w->roll.npending++;
        pieces_save_workload(j, w);
        return 0;
}

/* Judged as if they came now. only: those of one container, which is there still; NULL: of all. */
static int judge_pending(struct judge *j, struct workload *w, const struct container_memory *only)
{
        _cleanup_buf_ struct buf all;
        uint32_t n = w->roll.npending;
        int r = 0;

        buf_init(&all, (size_t)(PENDING_BYTES + 8) * PENDING);
        for (uint32_t i = 0; i < n; i++) /* judging takes the judge's buffers, and may save the workload */
                buf_put(&all, w->roll.pending[i].p, w->roll.pending[i].len);
        w->roll.npending = 0;
        for (size_t at = 0, used = 0; at < all.len && r == 0; at += used) {
                struct container_memory *c;
                struct tide_event ev;

                if (tide_decode(all.p + at, all.len - at, &ev, &used) < 0)
                        break;
                c = map_get(j->containers, ev.container);
                if (!c || c->workload != w)
                        continue;
                if (!only || c == only) {
                        r = judge_again(j, c, &ev);
                } else { /* it waits on */
                        r = str_set(&w->roll.pending[w->roll.npending], bytes_of(all.p + at, used));
                        w->roll.npending += r == 0;
                }
        }
        pieces_save_workload(j, w);
        return r;
}

static int give_up_waiting(struct judge *j, struct workload *w)
{
        w->roll.read = true;
        return judge_pending(j, w, NULL);
}

int rollout_image_read(struct judge *j, struct bytes digest)
{
        void *value;
        int r = 0;

        for (size_t i = 0; r == 0 && map_next(j->workloads, &i, NULL, &value);) {
                struct workload *w = value;

                if (!bytes_eq(str_get(&w->digest), digest) || w->roll.read)
                        continue;
                w->roll.read = true;
                r = judge_pending(j, w, NULL);
        }
        return r;
}

int rollout_container_ends(struct judge *j, struct container_memory *c)
{
        struct workload *w = c->workload;
        bool read;
        int r;

        if (!w || w->roll.npending == 0)
                return 0;
        read = w->roll.read;
        w->roll.read = true;
        r = judge_pending(j, w, c);
        w->roll.read = read;
        return r;
}

/* ---- the item ---- */

static struct finding *item_of(struct judge *j, struct workload *w, int64_t wall_ns)
{
        struct finding *f = w->roll.item ? group_by_id(j, w->roll.item) : NULL;

        if (f)
                return f;
        f = group_new(j, w, FINDING_ROLLOUT, wall_ns);
        if (!f)
                return NULL;
        w->roll.item = f->id;
        f->suppressed = true; /* until the window is over */
        if (str_set(&f->suppressed_by, BYTES_LIT("roll-out")) < 0 || str_set(&f->inventory.names[0], old_digest(w)) < 0)
                j->stats.refused++;
        f->inventory.nnames = f->inventory.names[0].len > 0;
        pieces_save_workload(j, w);
        return f;
}

int rollout_note(struct judge *j, struct workload *w, const struct observation *o, bool excused)
{
        struct finding *f = item_of(j, w, o->ev->wall_ns);
        int r;

        if (!f)
                return -ENOMEM;
        if (excused)
                w->roll.excused++;
        else
                w->roll.raised++;
        f->inventory.added = w->roll.excused;
        f->inventory.modified = w->roll.raised;
        r = signal_add(f, o);
        pieces_save_workload(j, w);
        group_changed(j, f, false);
        return r;
}

static int show_item(struct judge *j, struct finding *f, int64_t wall_ns)
{
        const struct judge_factor *t = &judge_factors()[FACTOR_ROLLOUT];
        struct score s = {.n = 0};
        int r = score_add(&s, t->name, j->p.bits[FACTOR_ROLLOUT], "%s", t->help);

        if (r == 0)
                r = score_merge(j, f, &s, true);
        score_release(&s);
        f->suppressed = false;
        f->last_ns = wall_ns;
        group_changed(j, f, true);
        return r;
}

/* ---- the passing of time ---- */

static bool is_over(const struct judge *j, const struct workload *w, int64_t wall_ns)
{
        const struct workload *old = map_get(j->workloads, str_get(&w->roll.from));
        uint64_t open = wall_ns > w->roll.since_ns ? (uint64_t)ns_apart(wall_ns, w->roll.since_ns) : 0;

        if (open >= j->p.rollout_limit_ns)
                return true;
        return open >= j->p.rollout_least_ns && (!old || old->running == 0);
}

static void make_stale(struct judge *j, struct workload *w, int64_t wall_ns)
{
        bool changed = false;

        for (int i = 0; i < DIM__MAX; i++)
                if (w->dim[i].state == DS_ACTIVE) {
                        w->dim[i].state = DS_STALE;
                        w->dim[i].since_ns = wall_ns;
                        changed = true;
                }
        if (changed)
                pieces_save_workload(j, w);
}

static int end_rollout(struct judge *j, struct workload *w, int64_t wall_ns)
{
        struct workload *old = map_get(j->workloads, str_get(&w->roll.from));
        struct finding *f;
        char words[160];
        int r;

        w->roll.open = false; /* what waits still is judged without */
        r = judge_pending(j, w, NULL);
        if (old && old->running == 0)
                make_stale(j, old, wall_ns);
        snprintf(words, sizeof(words), "the roll-out is over: %llu acts excused, %llu raised",
                 (unsigned long long)w->roll.excused, (unsigned long long)w->roll.raised);
        judge_note(j, w, words);
        f = w->roll.item ? group_by_id(j, w->roll.item) : NULL; /* judging may have made or moved it */
        return f && r == 0 ? show_item(j, f, wall_ns) : r;
}

/* Too long ago that it was seen, in the time in which the workload ran. */
static bool is_expired(const struct judge *j, const struct workload *w, const struct entry *e, int64_t wall_ns)
{
        int64_t since = e->inherited && w->roll.since_ns > e->last_ns ? w->roll.since_ns : e->last_ns;
        int64_t stood = w->dim[e->dim].since_ns; /* what was imported may not have been seen for long */
        uint64_t most = e->inherited ? j->p.inherited_ns : j->p.expire_ns;

        if (stood > since)
                since = stood;
        return !e->approval && !e->rejected && wall_ns > since && baseline_ran(w, since, wall_ns) >= most;
}

static int expire_entries(struct judge *j, struct workload *w, int64_t wall_ns)
{
        size_t n = 0, all = map_count(w->entries);
        _cleanup_free_ struct entry **old = all ? calloc(all, sizeof(struct entry *)) : NULL;
        void *value;

        if (all && !old)
                return -ENOMEM;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);)
                if (is_expired(j, w, value, wall_ns))
                        old[n++] = value;
        for (size_t i = 0; i < n; i++)
                entry_forget(j, w, old[i]);
        if (n) {
                entries_rebuild_phases(j, w);
                pieces_save_workload(j, w);
        }
        return 0;
}

static int keep(struct judge *j, struct workload *w, int64_t wall_ns)
{
        if (w->running)
                return expire_entries(j, w, wall_ns);
        if (wall_ns > w->last_ns && (uint64_t)ns_apart(wall_ns, w->last_ns) >= j->p.stale_ns)
                make_stale(j, w, wall_ns);
        return 0;
}

int rollout_tick(struct judge *j, int64_t wall_ns)
{
        int64_t window = wall_ns / (int64_t)j->p.window_ns;
        bool hour = window > j->kept_window;
        void *value;
        int r = 0;

        for (size_t i = 0; r == 0 && map_next(j->workloads, &i, NULL, &value);) {
                struct workload *w = value;

                if (w->roll.open && is_over(j, w, wall_ns))
                        r = end_rollout(j, w, wall_ns);
                else if (w->roll.npending && ns_apart(wall_ns, w->roll.since_ns) > PENDING_NS)
                        r = give_up_waiting(j, w);
                if (r == 0 && hour)
                        r = keep(j, w, wall_ns);
        }
        if (hour) {
                j->kept_window = window;
                pieces_save_meta(j);
        }
        return r;
}
