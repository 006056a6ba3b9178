/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what an operator's approval of something that is never learned silently covers later: the same content, or what
 * the same program of the image writes at start-up (DESIGN 4.2). Must not: decide what is approved (review.c). Pure.
 *
 * A program's content is told a moment after it ran (TIDE_HASH): until then its exec waits here, and is raised if the
 * content is another one, cannot be told, or is not told in time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

#define SUM_SHOWN 6u               /* bytes of a hash */
#define TOLD_WITHIN_NS 60000000000 /* the sensor's own deadline is shorter: after that it tells that it was late */

/* Told apart by who wrote it, or by its content: what runs, is loaded, or gives rights. */
static bool is_code(const struct entry *e)
{
        return e->dim != DIM_NETWORK;
}

const char *approval_basis(const struct entry *e, char *dst, size_t size)
{
        char hex[2 * SUM_SHOWN + 1], exe[200];

        if (e->offered && e->offered->state == HASH_KNOWN) {
                snprintf(dst, size, "its content now, sha256 %s...",
                         str_hex(bytes_of(e->offered->sha256, SUM_SHOWN), hex));
                return dst;
        }
        if (is_code(e) && e->written == WRITTEN_AT_START && e->written_by.len) {
                snprintf(dst, size, "what %s writes there at start-up",
                         str_print(str_get(&e->written_by), exe, sizeof(exe)));
                return dst;
        }
        if (e->dim == DIM_PROCESS && e->content && e->content->state == HASH_KNOWN) {
                snprintf(dst, size, "its content, sha256 %s...", str_hex(bytes_of(e->content->sha256, SUM_SHOWN), hex));
                return dst;
        }
        if (e->dim == DIM_NETWORK) {
                snprintf(dst, size, "that destination, called by that program");
                return dst;
        }
        return NULL;
}

enum approval_fit approval_fits(const struct entry *e, const struct observation *o)
{
        if (!e->approval)
                return FIT_NO;
        if (e->approval->bare || !is_code(e) || entry_written_alike(e, o))
                return FIT_YES;
        return e->dim == DIM_PROCESS && e->content && e->content->state == HASH_KNOWN ? FIT_LATER : FIT_NO;
}

bool approval_waits(const struct container_memory *c)
{
        for (size_t i = 0; i < AWAITING; i++)
                if (c->awaiting[i].len)
                        return true;
        return false;
}

bool approval_room(const struct container_memory *c)
{
        size_t n = 0;

        for (size_t i = 0; i < AWAITING; i++)
                n += c->awaiting[i].len > 0;
        return n < AWAITING / 2;
}

/* As it must be raised later, without what is long. */
static int encode(struct judge *j, const struct observation *o)
{
        struct tide_event ev = *o->ev;

        for (int part = 0; part < 2; part++) {
                ev.exec.args = bytes_of(NULL, 0);
                buf_reset(&j->blob);
                if (tide_encode(&ev, &j->blob) == 0 && j->blob.len <= AWAITING_BYTES)
                        return 0;
                ev.exec.actor.lineage = bytes_of(NULL, 0);
        }
        return 1;
}

int approval_await(struct judge *j, const struct observation *o)
{
        struct container_memory *c = o->c;
        size_t i = 0;
        int r;

        while (i < AWAITING && c->awaiting[i].len)
                i++;
        if (i == AWAITING || o->ev->kind != TIDE_EXEC || encode(j, o))
                return 1; /* too many at once, or too long: raised */
        r = str_set(&c->awaiting[i], buf_bytes(&j->blob));
        if (r < 0)
                return r;
        pieces_save_container(j, c);
        return 0;
}

/* Out of its place, into hold: raising takes the judge's buffers. */
static int take(struct judge *j, struct container_memory *c, size_t i, struct buf *hold, struct tide_event *ret)
{
        size_t used;

        buf_reset(hold);
        buf_put(hold, c->awaiting[i].p, c->awaiting[i].len);
        str_clear(&c->awaiting[i]);
        pieces_save_container(j, c);
        return hold->err ? hold->err : tide_decode(hold->p, hold->len, ret, &used);
}

static bool is_of(const struct str_owned *kept, const struct tide_hash *t, struct tide_event *ev)
{
        size_t used;

        if (kept->len == 0 || tide_decode(kept->p, kept->len, ev, &used) < 0 || ev->kind != TIDE_EXEC)
                return false;
        return bytes_eq(ev->exec.program.len ? ev->exec.program : ev->exec.actor.exe, t->path) &&
               (ev->exec.ino == 0 || t->ino == 0 || ev->exec.ino == t->ino);
}

static int offer(struct judge *j, struct workload *w, struct entry *e, const struct content *v)
{
        int r = content_set(&e->offered, v);

        if (r < 0)
                return r;
        candidate_number(j, e);
        pieces_save_entry(j, w, e);
        return 0;
}

/* v NULL: it was not told. */
static int settle(struct judge *j, struct container_memory *c, size_t i, const struct content *v)
{
        _cleanup_buf_ struct buf hold;
        struct tide_event exec;
        struct observation o;
        struct entry *e = NULL;
        bool approved, differs;
        int r;

        buf_init(&hold, TIDE_RECORD_MAX);
        r = take(j, c, i, &hold, &exec);
        if (r == 0)
                r = observe(j, c, &exec, &o);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        approved = baseline_lookup(c->workload, &o, &e) == KNOWN_YES && e && e->approval;
        differs = !v || !e || !e->content || !content_same(e->content, v);
        if (!differs || (!approved && (!v || v->state != HASH_KNOWN)))
                return 0; /* of what was only raised an untold content says nothing */
        if (approved && v && v->state == HASH_KNOWN)
                r = offer(j, c->workload, e, v);
        return r == 0 ? judge_raise_again(j, c, &exec, approved) : r;
}

int approval_told(struct judge *j, struct container_memory *c, const struct tide_hash *t, const struct content *v)
{
        size_t oldest = AWAITING;
        uint64_t since = 0;

        for (size_t i = 0; i < AWAITING; i++) {
                struct tide_event exec;

                if (!is_of(&c->awaiting[i], t, &exec) || (oldest < AWAITING && exec.boot_ns >= since))
                        continue;
                oldest = i;
                since = exec.boot_ns;
        }
        return oldest < AWAITING ? settle(j, c, oldest, v) : 0;
}

int approval_tick(struct judge *j, struct container_memory *c, int64_t wall_ns)
{
        int r = 0;

        for (size_t i = 0; i < AWAITING && r == 0; i++) {
                struct tide_event ev;
                size_t used;

                if (c->awaiting[i].len == 0)
                        continue;
                if (tide_decode(c->awaiting[i].p, c->awaiting[i].len, &ev, &used) < 0 ||
                    ns_apart(wall_ns, ev.wall_ns) > TOLD_WITHIN_NS)
                        r = settle(j, c, i, NULL);
        }
        return r;
}
