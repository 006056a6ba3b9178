/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is kept of a candidate for its reviewer, and an operator's word on an entry. Must not: decide what becomes
 * a candidate (judge.c, net.c), or what the word is (review.c). Pure.
 */
#include <errno.h>
#include <stdio.h>

#include "judge/baseline-priv.h"

void approval_free(struct approval *a)
{
        if (!a)
                return;
        str_clear(&a->reason);
        free(a);
}

void sighting_free(struct sighting *s)
{
        if (!s)
                return;
        str_clear(&s->subject);
        str_clear(&s->parent);
        for (uint32_t i = 0; i < SIGHTING_CONTAINERS; i++)
                str_clear(&s->container[i]);
        free(s);
}

int approval_set(struct entry *e, const char *by, struct bytes reason, int64_t ns)
{
        struct approval *a = calloc(1, sizeof(*a));

        if (!a || str_set(&a->reason, reason) < 0) {
                free(a);
                return -ENOMEM;
        }
        snprintf(a->by, sizeof(a->by), "%s", by);
        a->ns = ns;
        approval_free(e->approval);
        e->approval = a;
        return 0;
}

static int keep(struct str_owned *to, struct bytes s)
{
        char text[SIGHTING_TEXT];

        return str_set(to, signal_kept(s, SIGHTING_TEXT, text));
}

static struct bytes parent_of(const struct observation *o)
{
        struct lineage l;

        signal_lineage(o->actor, &l);
        return l.n ? l.a[l.n - 1].exe : bytes_of(NULL, 0);
}

static int first_sighting(struct entry *e, const struct observation *o)
{
        struct sighting *s = e->seen = calloc(1, sizeof(*s));
        bool known = (o->actor->flags & ACTOR_PID) != 0;
        int r;

        if (!s)
                return -ENOMEM;
        r = keep(&s->subject, o->where.len ? o->where : o->subject);
        if (r == 0)
                r = keep(&s->parent, known ? parent_of(o) : bytes_of(NULL, 0));
        s->origin = known ? o->actor->origin : ORIGIN_UNKNOWN;
        s->layer = o->layer;
        s->change = o->change;
        s->uid = known ? o->actor->uid : UINT32_MAX;
        s->login_uid = known ? o->actor->login_uid : UINT32_MAX;
        s->quarters = INT32_MIN;
        return r;
}

/* True: it was not known of it. */
static bool note_container(struct sighting *s, const struct container_memory *c, int *err)
{
        struct bytes name = str_get(c->name.len ? &c->name : &c->id);

        for (uint32_t i = 0; i < s->containers; i++)
                if (bytes_eq(str_get(&s->container[i]), name))
                        return false;
        if (s->containers == SIGHTING_CONTAINERS) {
                bool had = s->more;

                s->more = true;
                return !had;
        }
        *err = str_set(&s->container[s->containers], name);
        if (*err == 0)
                s->containers++;
        return true;
}

void candidate_number(struct judge *j, struct entry *e)
{
        if (e->item)
                return;
        e->item = j->next_item++;
        pieces_save_meta(j);
}

int candidate_sighted(struct judge *j, struct workload *w, struct entry *e, const struct observation *o,
                      const int32_t *quarters)
{
        bool changed = false;
        int r = 0;

        if (!e->seen) {
                r = first_sighting(e, o);
                changed = true;
        }
        if (r < 0)
                return r;
        if (e->item == 0) {
                candidate_number(j, e);
                changed = true;
        }
        if (note_container(e->seen, o->c, &r))
                changed = true;
        if (quarters && *quarters > e->seen->quarters) {
                e->seen->quarters = *quarters;
                changed = true;
        }
        if (r == 0 && changed)
                pieces_save_entry(j, w, e);
        return r;
}

/* Known, but not in this phase. */
static int note_phase(struct judge *j, struct workload *w, struct entry *e, const struct observation *o)
{
        uint8_t bit = phase_bit(o);

        if (bit == 0 || (e->asked & bit))
                return 0;
        e->asked |= bit;
        candidate_number(j, e);
        pieces_save_entry(j, w, e);
        return 0;
}

/* A person's session is judged by itself: what it did once is no excuse for the workload. */
static bool is_sessions(const struct observation *o)
{
        return (o->actor->flags & ACTOR_PID) && o->actor->origin == ORIGIN_EXEC;
}

int candidate_seen(struct judge *j, struct workload *w, const struct observation *o)
{
        struct observation named = *o;
        struct entry *e;

        if (is_sessions(o) || (baseline_lookup(w, o, &e) != KNOWN_WAITING) || !e || e->seen)
                return 0;
        if (observe_net_subject(j, &named) < 0)
                return 0;
        return candidate_sighted(j, w, e, &named, NULL);
}

int candidate_note(struct judge *j, struct workload *w, const struct observation *o, enum known known, enum learn how,
                   const int32_t *quarters)
{
        struct entry *e;
        int r = 0;

        if (o->unseen || is_sessions(o) || baseline_state(w, o->dim) == DS_OFF)
                return 0;
        if (known == KNOWN_NOT || known == KNOWN_OTHER_EXE) {
                known = baseline_lookup(w, o, &e);
                if (known == KNOWN_NOT || known == KNOWN_OTHER_EXE)
                        r = baseline_learn(j, w, o, how);
        }
        if (r == 0)
                known = baseline_lookup(w, o, &e);
        if (r < 0 || !e)
                return r; /* there was no room: counted */
        if (known == KNOWN_OTHER_PHASE)
                return note_phase(j, w, e, o);
        return e->candidate ? candidate_sighted(j, w, e, o, quarters) : 0;
}
