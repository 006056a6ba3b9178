/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what was done about containers (TIDE_DONE) as facts of findings, which workloads have an isolated container,
 * and the one item of what then happens around it: a container comes in its place, which is not isolated; its rules are
 * removed again and again. Must not: do, or decide, any of it. Pure.
 */
#include <errno.h>
#include <string.h>

#include "judge/judge-priv.h"

#define REPLACED_NS 86400000000000 /* so long after an isolation a new container of the workload is one in its place   \
                                    */
#define ID_SHOWN 12u

static uint64_t id_hash(struct bytes id)
{
        return map_hash((struct map_seed){0x636f6e74, 2}, id);
}

/* ---- which workloads have an isolated container ---- */

static bool has(const struct workload *w, uint64_t hash)
{
        for (uint32_t i = 0; i < w->contained.n; i++)
                if (w->contained.ids[i] == hash)
                        return true;
        return false;
}

static void add(struct judge *j, struct workload *w, uint64_t hash, int64_t wall_ns)
{
        if (!has(w, hash)) {
                if (w->contained.n == CONTAINED_KEPT) { /* the oldest is forgotten: a restart of it is told as new */
                        memmove(&w->contained.ids[0], &w->contained.ids[1],
                                (CONTAINED_KEPT - 1) * sizeof(w->contained.ids[0]));
                        w->contained.n--;
                }
                w->contained.ids[w->contained.n++] = hash;
        }
        w->contained.ns = wall_ns;
        pieces_save_workload(j, w);
}

/* What comes after a release is no business of an isolation. The item stays, for whoever looks at it. */
static void forget(struct judge *j, uint64_t hash)
{
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                struct workload *w = value;

                for (uint32_t k = 0; k < w->contained.n; k++) {
                        if (w->contained.ids[k] != hash)
                                continue;
                        memmove(&w->contained.ids[k], &w->contained.ids[k + 1],
                                (w->contained.n - k - 1) * sizeof(w->contained.ids[0]));
                        w->contained.n--;
                        pieces_save_workload(j, w);
                        break;
                }
        }
}

/* ---- the item ---- */

static struct finding *item_of(struct judge *j, struct workload *w, int64_t wall_ns)
{
        const struct judge_factor *t = &judge_factors()[FACTOR_CONTAINMENT];
        struct finding *f = w->contained.item ? group_by_id(j, w->contained.item) : NULL;
        struct score s = {.n = 0, .severity = SEVERITY_HIGH};
        int r;

        if (f)
                return f;
        f = group_new(j, w, FINDING_CONTAINMENT, wall_ns);
        if (!f)
                return NULL;
        w->contained.item = f->id;
        pieces_save_workload(j, w);
        r = score_add(&s, t->name, j->p.bits[FACTOR_CONTAINMENT], "%s", t->help);
        if (r == 0)
                r = score_merge(j, f, &s, true);
        score_release(&s);
        if (r < 0)
                j->stats.refused++;
        j->stats.findings = j->nopen;
        return f;
}

static void told(struct judge *j, struct finding *f, int64_t wall_ns)
{
        bool opened = f->count == 0;

        f->count++;
        f->last_ns = wall_ns;
        f->anew = f->state == FINDING_TRIAGED; /* it did not hold this when it was judged */
        group_changed(j, f, opened);
}

static int add_container(struct finding *f, const struct container_memory *c)
{
        struct finding_container *k;

        for (uint32_t i = 0; i < f->ncontainers; i++)
                if (bytes_eq(str_get(&f->containers[i].id), str_get(&c->id)))
                        return 0;
        if (f->ncontainers == FINDING_CONTAINERS)
                return 0;
        k = &f->containers[f->ncontainers++];
        k->count = 1;
        if (str_set(&k->id, str_get(&c->id)) < 0 || str_set(&k->name, str_get(&c->name)) < 0)
                return -ENOMEM;
        return str_set(&k->runtime, str_get(&c->runtime));
}

/* In whose place it may have come: a workload of the same name, of whatever image, with an isolated container. */
static struct workload *in_place_of(const struct judge *j, const struct container_memory *c, uint64_t hash)
{
        void *value;

        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);) {
                struct workload *o = value;

                if (o->contained.n == 0 || !bytes_eq(str_get(&o->name), str_get(&c->workload->name)))
                        continue;
                if (c->started_ns >= o->contained.ns && c->started_ns - o->contained.ns <= REPLACED_NS && !has(o, hash))
                        return o;
        }
        return NULL;
}

int deeds_container(struct judge *j, struct container_memory *c, int64_t wall_ns)
{
        struct workload *w = c->workload && !c->running_before ? in_place_of(j, c, id_hash(str_get(&c->id))) : NULL;
        struct finding *f = w ? item_of(j, w, wall_ns) : NULL;
        int r;

        if (!w)
                return 0;
        if (!f)
                return -ENOMEM;
        r = add_container(f, c);
        f->inventory.added++;
        if (r == 0)
                told(j, f, wall_ns);
        return r;
}

/* ---- facts ---- */

static bool is_of(const struct finding *f, const struct tide_event *ev)
{
        if (f->id == ev->done.finding && ev->done.finding)
                return true;
        for (uint32_t i = 0; ev->container.len && i < f->ncontainers; i++)
                if (bytes_eq(str_get(&f->containers[i].id), ev->container))
                        return true;
        return false;
}

static struct workload *workload_of(const struct judge *j, struct bytes container, uint64_t hash)
{
        const struct container_memory *c = map_get(j->containers, container);
        void *value;

        if (c && c->workload)
                return c->workload;
        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);)
                if (has(value, hash))
                        return value;
        return NULL;
}

static int around(struct judge *j, const struct tide_event *ev)
{
        bool is = ev->done.state == DEED_DONE || ev->done.state == DEED_CHANGED;
        uint64_t hash = id_hash(ev->container);
        struct workload *w = ev->container.len ? workload_of(j, ev->container, hash) : NULL;
        struct finding *f;

        if (ev->done.deed == DEED_RELEASE && is)
                forget(j, hash);
        if (!w || ev->done.deed != DEED_ISOLATE)
                return 0;
        if (ev->done.state == DEED_DONE || (ev->done.state == DEED_CHANGED && !has(w, hash)))
                add(j, w, hash, ev->wall_ns);
        if (ev->done.what != DONE_REMOVED_AGAIN)
                return 0;
        f = item_of(j, w, ev->wall_ns);
        if (!f)
                return -ENOMEM;
        f->inventory.modified++;
        told(j, f, ev->wall_ns);
        return 0;
}

int deeds_done(struct judge *j, const struct tide_event *ev)
{
        int r = around(j, ev);

        for (size_t i = 0; i < j->nopen && r == 0; i++) {
                struct finding *f = j->open[i];

                if (!is_of(f, ev))
                        continue;
                r = finding_deed_add(f, ev);
                if (r == 0)
                        group_changed(j, f, false);
        }
        return r;
}
