/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: which entries a program's hash belongs to. Must not: judge by it. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "judge/judge-priv.h"

int content_set(struct content **ret, const struct content *v)
{
        struct content *c = *ret ? *ret : malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = *v;
        *ret = c;
        return 0;
}

/* Where a sum is known it says all: of one that was imported the size is not told. */
bool content_same(const struct content *a, const struct content *b)
{
        if (a->state != b->state)
                return false;
        return a->state == HASH_KNOWN ? memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0 : a->size == b->size;
}

/* Also what a probe has run of it. */
static bool has_key(const struct entry *e, struct bytes key)
{
        struct bytes own = str_get(&e->key);

        if (e->dim != DIM_PROCESS || !bytes_has_prefix(own, key))
                return false;
        return own.len == key.len || bytes_eq(bytes_of(own.p + key.len, own.len - key.len), BYTES_LIT(" [probe]"));
}

/* The key is that of its exec, which was told by the same words. */
static int observe_again(struct judge *j, struct container_memory *c, const struct tide_event *ev,
                         struct observation *o)
{
        struct tide_event exec = {.kind = TIDE_EXEC, .wall_ns = ev->wall_ns, .container = ev->container};

        exec.exec.program = ev->hash.path;
        exec.exec.program_layer = ev->hash.layer;
        return observe(j, c, &exec, o);
}

static bool is_of(const struct finding_signal *s, const struct tide_hash *t)
{
        return s->kind == DIM_PROCESS && s->layer == t->layer && signal_is_kept(&s->subject, t->path, NAME_KEPT);
}

/* Into what open findings of the workload hold of that program. */
static void note_in_findings(struct judge *j, const struct workload *w, const struct tide_hash *t,
                             const struct content *v)
{
        for (size_t i = 0; i < j->nopen; i++) {
                struct finding *f = j->open[i];
                bool its = false;

                if (!group_is_of(f, w))
                        continue;
                for (uint32_t k = 0; k < f->nsignals; k++) {
                        struct finding_signal *s = &f->signals[k];

                        if (!is_of(s, t))
                                continue;
                        /* One that puts back what is expected once the other has run is not what ran. */
                        if (v->state != HASH_KNOWN || (s->hashed && memcmp(s->sha256, v->sha256, sizeof(s->sha256))))
                                s->flags |= SIGNAL_MIXED;
                        s->hashed = v->state == HASH_KNOWN;
                        memcpy(s->sha256, v->sha256, sizeof(s->sha256));
                        its = true;
                }
                if (its && supply_weigh(j, f, 0))
                        group_changed(j, f, false);
                else if (its)
                        pieces_save_finding(j, f);
        }
}

const struct content *content_of(const struct workload *w, const struct finding_signal *s)
{
        _cleanup_buf_ struct buf scratch;
        struct bytes subject = str_get(&s->subject), key = str_get(&s->key);
        struct entry *e;

        buf_init(&scratch, 4 * NAME_KEPT);
        if (s->kind != DIM_PROCESS || !bytes_has_prefix(key, subject) || key.len < subject.len + 2 ||
            key.p[subject.len] != ' ' || key.p[subject.len + 1] != '[')
                return NULL; /* a key of several names, or of the image's program */
        e = entry_find(w, DIM_PROCESS, key, str_get(&s->executable), &scratch);
        return e && e->content && e->content->state == HASH_KNOWN ? e->content : NULL;
}

int content_event(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        const struct tide_hash *t = &ev->hash;
        struct content v = {.state = t->state, .size = t->size, .wall_ns = ev->wall_ns};
        struct observation o;
        void *value;
        int r;

        if (!c->workload || t->path.len == 0)
                return 0;
        if (t->state == HASH_KNOWN && t->sha256.len == TIDE_SHA256)
                memcpy(v.sha256, t->sha256.p, TIDE_SHA256);
        else if (t->state == HASH_KNOWN)
                v.state = HASH_UNREADABLE;
        r = observe_again(j, c, ev, &o);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        j->stats.contents++;
        note_in_findings(j, c->workload, t, &v);
        r = approval_told(j, c, t, &v); /* before what was there is another one */
        for (size_t i = 0; r == 0 && map_next(c->workload->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (!has_key(e, o.key) || (e->content && content_same(e->content, &v)) ||
                    (!e->candidate && e->approval))
                        continue; /* what was approved stays that */
                j->stats.contents_changed += e->content != NULL;
                r = content_set(&e->content, &v);
                pieces_save_entry(j, c->workload, e);
        }
        return r;
}
