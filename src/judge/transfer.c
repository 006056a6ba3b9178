/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: taking up a baseline that comes from outside: begun, filled, committed (transfer.h). Must not: read its
 * document or check its signature (the engine has, before), or change anything before all of it was found good. Pure.
 */
#include "tidemark/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

#define SHOWN 160 /* of a key */

struct import {
        struct str_owned id, name, image, digest;
        bool replace, inherited;
        char by[DIM_BY], approver[DECIDE_BY];
        struct str_owned reason;
        struct {
                bool present;
                struct transfer_dimension d;
        } dim[DIM__MAX];
        struct map *entries; /* as struct workload's */
};

struct import *transfer_free(struct import *im)
{
        if (!im)
                return NULL;
        str_clear(&im->id);
        str_clear(&im->name);
        str_clear(&im->image);
        str_clear(&im->digest);
        str_clear(&im->reason);
        map_free(im->entries);
        free(im);
        return NULL;
}

/* ---- begin ---- */

static bool is_said(const struct tide_decision *d, const char *name)
{
        return bytes_eq(decide_arg(d, name), BYTES_LIT("true"));
}

static struct bytes last_part(struct bytes path)
{
        int slash = bytes_rfind(path, '/');

        return bytes_of(path.p + slash + 1, path.len - (uint32_t)(slash + 1));
}

/* "import by operator uid 0 (file web.json, signed by release.pem)" */
static void put_by(struct import *im, const struct tide_event *ev)
{
        struct bytes file = last_part(decide_arg(&ev->decision, "file"));
        struct bytes key = last_part(decide_arg(&ev->decision, "signed"));
        char f[48], k[48];

        decide_by(ev, im->approver);
        snprintf(im->by, sizeof(im->by), "import by %s (file %s, %s%s)", im->approver, str_print(file, f, sizeof(f)),
                 key.len ? "signed by " : "unsigned", key.len ? str_print(key, k, sizeof(k)) : "");
}

static int take_dimensions(struct judge *j, struct import *im, const struct tide_decision *d)
{
        struct transfer_dimension dim;
        struct bytes value;

        for (size_t n = 0; (value = decide_arg_n(d, "dimension", n)).len; n++) {
                if (n >= DIM__MAX || transfer_dimension_decode(value, &dim) < 0 || im->dim[dim.dim].present)
                        return decide_refuse(j, "the import does not say of which dimensions it is");
                im->dim[dim.dim].present = true;
                im->dim[dim.dim].d = dim;
        }
        return 0;
}

/* Its id is made of its name and digest, as judge.c makes it of a container's. */
static bool fits_id(struct bytes id, struct bytes name, struct bytes digest)
{
        return name.len && id.len == name.len + 1 + digest.len && bytes_has_prefix(id, name) && id.p[name.len] == '@' &&
               bytes_has_suffix(id, digest);
}

static int check_place(struct judge *j, struct bytes id)
{
        const struct workload *w = map_get(j->workloads, id);
        char shown[SHOWN];

        if (w && w->class != CLASS_SERVICE)
                return decide_refuse(j,
                                     "'%s' is a %s here, which is not learned: name it in workloads.services to have "
                                     "it learned",
                                     str_print(id, shown, sizeof(shown)), tide_class_name(w->class));
        if (!w && map_count(j->workloads) >= j->p.max_workloads)
                return decide_refuse(j,
                                     "%u workloads are known, and limits.workloads allows no more: an import pushes "
                                     "none out",
                                     j->p.max_workloads);
        return 0;
}

static int fill(struct import *im, const struct tide_event *ev)
{
        const struct tide_decision *d = &ev->decision;
        int r = str_set(&im->id, d->target);

        if (r == 0)
                r = str_set(&im->name, decide_arg(d, "name"));
        if (r == 0)
                r = str_set(&im->image, decide_arg(d, "image"));
        if (r == 0)
                r = str_set(&im->digest, decide_arg(d, "digest"));
        if (r == 0)
                r = str_set(&im->reason, decide_arg(d, "reason"));
        im->replace = is_said(d, "replace");
        im->inherited = is_said(d, "inherited");
        put_by(im, ev);
        return r;
}

int transfer_begin(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x7472616e73666572};
        const struct tide_decision *d = &ev->decision;
        struct import *im;
        char shown[SHOWN];
        int r;

        (void)w;
        j->import = transfer_free(j->import);
        if (!fits_id(d->target, decide_arg(d, "name"), decide_arg(d, "digest")))
                return decide_refuse(j, "'%s' is no workload's name and digest",
                                     str_print(d->target, shown, sizeof(shown)));
        if (decide_arg(d, "reason").len == 0)
                return decide_refuse(j, "a reason is needed: --reason TEXT says to those who come later why");
        r = check_place(j, d->target);
        if (r < 0)
                return r;
        im = j->import = calloc(1, sizeof(*im));
        if (!im)
                return -ENOMEM;
        r = map_new((size_t)j->p.max_entries * DIM__MAX, seed, entry_free, &im->entries);
        if (r == 0)
                r = fill(im, ev);
        if (r == 0)
                r = take_dimensions(j, im, d);
        return r;
}

/* ---- entries ---- */

static struct import *under_way(struct judge *j, const struct tide_event *ev)
{
        struct import *im = j->import;

        return im && bytes_eq(str_get(&im->id), ev->decision.target) ? im : NULL;
}

static int check_entry(struct judge *j, const struct import *im, const struct transfer_entry *t)
{
        char shown[SHOWN];

        str_print(t->key, shown, sizeof(shown));
        if (!im->dim[t->dim].present)
                return decide_refuse(j, "%s %s: the import is not of that dimension", dimension_name(t->dim), shown);
        if (t->dim == DIM_FILE && bytes_has_prefix(t->key, BYTES_LIT("/*/")))
                return decide_refuse(j, "file %s: a pattern of the root covers everything, and is none: take it out",
                                     shown);
        if (!observe_never_silent(t->dim, t->key))
                return 0;
        if (t->dim != DIM_PROCESS || !t->approved || t->sha256.len == 0)
                return decide_refuse(j,
                                     "%s %s is never learned silently: an import takes it only with the approval of an "
                                     "operator for its content (\"approved\" and \"sha256\"); take it out, and approve "
                                     "it here when it is seen",
                                     dimension_name(t->dim), shown);
        return 0;
}

static int set_content(struct entry *e, struct bytes sha256, int64_t wall_ns)
{
        struct content c = {.state = HASH_KNOWN, .wall_ns = wall_ns};

        if (sha256.len != TIDE_SHA256)
                return 0;
        memcpy(c.sha256, sha256.p, TIDE_SHA256);
        return content_set(&e->content, &c);
}

static int approve_as(struct entry *e, const struct transfer_entry *t)
{
        char by[DECIDE_BY];

        return t->approved ? approval_set(e, str_print(t->by, by, sizeof(by)), t->reason, t->approved_ns) : 0;
}

/* Nothing is said of when: in every window of its dimension, and so in more than one. */
static void set_seen(struct entry *e, const struct import *im, const struct transfer_entry *t, int64_t wall_ns)
{
        uint32_t all = im->dim[t->dim].d.windows;

        e->first_ns = t->counted && t->first_ns < wall_ns ? t->first_ns : wall_ns;
        e->last_ns = t->counted && t->last_ns < wall_ns ? t->last_ns : wall_ns;
        e->count = t->counted ? t->count : 0;
        e->windows = t->counted ? t->windows : all > 2 ? all : 2;
        if (e->windows == 0)
                e->windows = 1;
}

/* Of the entry in the document. What was seen in the future was not: clocks differ. */
static struct entry *make(const struct judge *j, const struct import *im, const struct transfer_entry *t,
                          int64_t wall_ns)
{
        struct entry *e = calloc(1, sizeof(*e));
        bool net = t->dim == DIM_NETWORK;

        if (!e)
                return NULL;
        e->dim = t->dim;
        set_seen(e, im, t, wall_ns);
        e->last_window = e->last_ns / (int64_t)j->p.window_ns;
        e->inherited = im->inherited || t->inherited;
        e->phases =
                net ? t->phases & (PHASE_BIT(PHASE_STARTUP) | PHASE_BIT(PHASE_STEADY) | PHASE_BIT(PHASE_SHUTDOWN)) : 0;
        e->replicas = net ? t->replicas : 0;
        e->several = net && t->several;
        if (str_set(&e->key, t->key) == 0 && str_set(&e->exe, t->exe) == 0 && approve_as(e, t) == 0 &&
            set_content(e, t->sha256, wall_ns) == 0)
                return e;
        entry_free(e);
        return NULL;
}

static int take_entry(struct judge *j, struct import *im, struct bytes value, int64_t wall_ns)
{
        struct transfer_entry t;
        struct entry *e;
        char shown[SHOWN];
        int r = transfer_entry_decode(value, &t);

        if (r < 0)
                return decide_refuse(j, "an entry of the import %s", err_str(r));
        r = check_entry(j, im, &t);
        if (r < 0)
                return r;
        str_print(t.key, shown, sizeof(shown));
        entry_key(t.dim, t.key, t.exe, &j->key);
        if (j->key.err || map_get(im->entries, buf_bytes(&j->key)))
                return decide_refuse(j, "%s %s %s", dimension_name(t.dim), shown,
                                     j->key.err ? "is too long" : "is there twice");
        e = make(j, im, &t, wall_ns);
        if (!e)
                return -ENOMEM;
        r = map_put(im->entries, buf_bytes(&j->key), e);
        if (r < 0)
                entry_free(e);
        return r == ERR_LIMIT ? decide_refuse(j, "it has more entries than limits.entries (%u a dimension) allows",
                                              j->p.max_entries)
                              : r;
}

int transfer_entries(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        struct import *im = under_way(j, ev);
        struct bytes name, value;
        struct rd args;
        int r = 0;

        (void)w;
        if (!im)
                return decide_refuse(j, "no import of this workload has begun");
        rd_init(&args, ev->decision.args.p, ev->decision.args.len);
        while (r == 0 && tide_list_next(&args, &name, &value))
                if (bytes_eq(name, BYTES_LIT("entry")))
                        r = take_entry(j, im, value, ev->wall_ns);
        if (r < 0)
                j->import = transfer_free(im);
        return r;
}

/* ---- commit ---- */

/* What it comes to: by dimension how many are known then, and of the entries what becomes of them. */
struct tally {
        uint32_t known[DIM__MAX], fresh, merged, taken, rejected, forgotten;
};

static struct entry *had(const struct workload *w, const struct entry *e, struct buf *scratch)
{
        return w ? entry_find(w, e->dim, str_get(&e->key), str_get(&e->exe), scratch) : NULL;
}

static bool goes(const struct import *im, const struct entry *e)
{
        return im->replace && im->dim[e->dim].present && !e->candidate;
}

static int count(struct judge *j, const struct import *im, const struct workload *w, struct tally *t)
{
        _cleanup_buf_ struct buf scratch;
        void *value;

        memset(t, 0, sizeof(*t));
        buf_init(&scratch, 16384);
        for (size_t i = 0; w && map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                t->forgotten += goes(im, e);
                t->known[e->dim] += !e->candidate && !goes(im, e);
        }
        for (size_t i = 0; map_next(im->entries, &i, NULL, &value);) {
                const struct entry *e = value, *here = had(w, e, &scratch);

                if (here && here->rejected) {
                        t->rejected++;
                } else if (here && here->candidate) {
                        t->taken++;
                        t->known[e->dim]++;
                } else if (here && !goes(im, here)) {
                        t->merged++;
                } else {
                        t->fresh++;
                        t->known[e->dim]++;
                }
        }
        for (int d = 0; d < DIM__MAX; d++)
                if (t->known[d] > j->p.max_entries)
                        return decide_refuse(j,
                                             "dimension %s would have %u entries, and limits.entries allows %u: raise "
                                             "it, or import less",
                                             dimension_name((unsigned)d), t->known[d], j->p.max_entries);
        return 0;
}

/* What is known of both. The same import once more changes nothing. */
static void join(struct entry *to, const struct entry *e)
{
        to->phases = to->phases && e->phases ? to->phases | e->phases : 0; /* none: any */
        if (e->count == 0)                                                 /* nothing was said of when */
                return;
        if (e->first_ns < to->first_ns)
                to->first_ns = e->first_ns;
        if (e->last_ns > to->last_ns)
                to->last_ns = e->last_ns;
        if (e->last_window > to->last_window)
                to->last_window = e->last_window;
        if (e->count > to->count)
                to->count = e->count;
        if (e->windows > to->windows)
                to->windows = e->windows;
        if (e->replicas > to->replicas)
                to->replicas = e->replicas;
        to->several = to->several || e->several;
}

static int take_approval(struct entry *to, struct entry *e, const struct import *im, int64_t wall_ns)
{
        if (e->content && content_set(&to->content, e->content) < 0)
                return -ENOMEM;
        if (!e->approval)
                return approval_set(to, im->approver, str_get(&im->reason), wall_ns);
        approval_free(to->approval);
        to->approval = TAKE_PTR(e->approval);
        return 0;
}

static int merge(struct judge *j, struct workload *w, struct entry *to, struct entry *e, const struct import *im,
                 int64_t wall_ns)
{
        int r = 0;

        if (to->rejected)
                return 0;
        if (to->candidate) {
                r = take_approval(to, e, im, wall_ns);
                if (r == 0)
                        r = entry_set_candidate(j, w, to, false);
        }
        if (!to->approval)
                to->approval = TAKE_PTR(e->approval);
        if (r == 0)
                r = entry_count(w, to, -1);
        if (r == 0) {
                join(to, e);
                r = entry_count(w, to, 1);
        }
        pieces_save_entry(j, w, to);
        return r;
}

static int forget_known(struct judge *j, const struct import *im, struct workload *w)
{
        void *value;

        for (size_t i = 0; im->replace && map_next(w->entries, &i, NULL, &value);)
                if (goes(im, value))
                        entry_forget(j, w, value);
        return 0;
}

static int put_entries(struct judge *j, struct import *im, struct workload *w, int64_t wall_ns)
{
        _cleanup_buf_ struct buf scratch;
        struct bytes key;
        void *value;
        int r = 0;

        buf_init(&scratch, 16384);
        for (size_t i = 0; r == 0 && map_next(im->entries, &i, &key, &value);) {
                struct entry *e = value, *here = had(w, e, &scratch);

                if (here) {
                        r = merge(j, w, here, e, im, wall_ns);
                        continue;
                }
                e = map_take(im->entries, key);
                if (!e)
                        return -ENOENT;
                r = baseline_insert(w, e);
                if (r == 0)
                        pieces_save_entry(j, w, e);
                else
                        entry_free(e);
        }
        return r;
}

static void put_state(const struct import *im, struct dim_learning *d, const struct transfer_dimension *t,
                      int64_t wall_ns)
{
        if (im->replace || t->windows > d->windows)
                d->windows = t->windows;
        if (t->active) {
                d->declared = t->declared || (state_judges(d->state) && d->declared && !im->replace);
                d->state = DS_ACTIVE;
                d->refresh_ns = 0;
                d->since_ns = wall_ns; /* what it holds is not too old before that is so long ago: rollout.c */
                snprintf(d->by, sizeof(d->by), "%s", im->by);
        } else if (im->replace) {
                d->state = DS_LEARNING;
                d->refresh_ns = 0;
                d->declared = false;
                d->since_ns = wall_ns;
                d->by[0] = '\0';
        }
}

static struct workload *place(struct judge *j, const struct import *im, int64_t wall_ns)
{
        struct workload *w = baseline_workload(j, str_get(&im->id));

        if (!w || w->first_ns)
                return w;
        w->class = CLASS_SERVICE;
        w->first_ns = w->last_ns = wall_ns;
        for (int d = 0; d < DIM__MAX; d++)
                w->dim[d].since_ns = wall_ns;
        if (str_set(&w->name, str_get(&im->name)) < 0 || str_set(&w->image, str_get(&im->image)) < 0 ||
            str_set(&w->digest, str_get(&im->digest)) < 0)
                return NULL;
        return w;
}

static int apply(struct judge *j, struct import *im, int64_t wall_ns)
{
        struct workload *w = place(j, im, wall_ns);
        int r = w ? forget_known(j, im, w) : -ENOMEM;

        if (r == 0)
                r = put_entries(j, im, w, wall_ns);
        if (r < 0)
                return r;
        for (int d = 0; d < DIM__MAX; d++)
                if (im->dim[d].present && w->dim[d].state != DS_OFF)
                        put_state(im, &w->dim[d], &im->dim[d].d, wall_ns);
        entries_rebuild_phases(j, w);
        pieces_save_workload(j, w);
        return 0;
}

static void say(struct judge *j, const struct import *im, const struct workload *w, const struct tally *t)
{
        const struct {
                const char *name;
                uint32_t n;
        } rows[] = {{"new", t->fresh},
                    {"known_before", t->merged},
                    {"were_candidates", t->taken},
                    {"left_rejected", t->rejected},
                    {"forgotten", t->forgotten}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                decide_say(j, rows[i].name, "%u", rows[i].n);
        for (int d = 0; d < DIM__MAX; d++) {
                bool active = w && state_judges(w->dim[d].state) && !im->replace;

                if (im->dim[d].present)
                        decide_say(j, "dimension", "%s: %s, %u entries", dimension_name((unsigned)d),
                                   active || im->dim[d].d.active ? "active" : "learning", t->known[d]);
        }
        decide_say(j, "by", "%s", im->by);
}

int transfer_commit(struct judge *j, struct workload *none, const struct tide_event *ev)
{
        struct import *im = under_way(j, ev);
        const struct workload *w;
        struct tally t;
        char all[24];
        int r;

        (void)none;
        if (!im)
                return decide_refuse(j, "no import of this workload has begun");
        snprintf(all, sizeof(all), "%zu", map_count(im->entries));
        w = map_get(j->workloads, ev->decision.target);
        r = check_place(j, ev->decision.target);
        if (r == 0 && !bytes_eq(decide_arg(&ev->decision, "count"), bytes_str(all)))
                r = decide_refuse(j, "the import has %s entries, and not as many as were to come", all);
        if (r == 0)
                r = count(j, im, w, &t);
        if (r == 0) {
                say(j, im, w, &t);
                if (!j->dry)
                        r = apply(j, im, ev->wall_ns);
        }
        j->import = transfer_free(im);
        return r;
}
