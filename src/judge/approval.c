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

#define TOLD_WITHIN_NS 60000000000 /* the sensor's own deadline is shorter: after that it tells that it was late */

static bool is_code(const struct entry *e)
{
        return e->dim == DIM_PROCESS || e->dim == DIM_PRIVILEGE;
}

const char *approval_basis(const struct entry *e, char *dst, size_t size)
{
        static const char digits[] = "0123456789abcdef";
        char hex[2 * 6 + 1], exe[200];

        if (is_code(e) && e->written == WRITTEN_AT_START && e->written_by.len) {
                snprintf(dst, size, "what %s writes there at start-up",
                         str_print(str_get(&e->written_by), exe, sizeof(exe)));
                return dst;
        }
        if (e->dim == DIM_PROCESS && e->content && e->content->state == HASH_KNOWN) {
                for (size_t i = 0; i < 6; i++) {
                        hex[2 * i] = digits[e->content->sha256[i] >> 4];
                        hex[2 * i + 1] = digits[e->content->sha256[i] & 15];
                }
                hex[12] = '\0';
                snprintf(dst, size, "its content, sha256 %s...", hex);
                return dst;
        }
        if (e->dim == DIM_FILE && e->exe.len) {
                snprintf(dst, size, "its path, written by %s", str_print(str_get(&e->exe), exe, sizeof(exe)));
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

int approval_await(struct judge *j, const struct observation *o)
{
        struct container_memory *c = o->c;
        struct str_owned *slot = &c->awaiting[c->next_awaiting];
        int r;

        buf_reset(&j->blob);
        if (slot->len || tide_encode(o->ev, &j->blob) < 0 || j->blob.len > AWAITING_BYTES)
                return 1; /* too many at once, or too long: raised */
        r = str_set(slot, buf_bytes(&j->blob));
        if (r < 0)
                return r;
        c->next_awaiting = (c->next_awaiting + 1) % AWAITING;
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

static bool is_at(const struct str_owned *kept, struct bytes path, struct tide_event *ev)
{
        size_t used;

        return kept->len && tide_decode(kept->p, kept->len, ev, &used) == 0 && ev->kind == TIDE_EXEC &&
               bytes_eq(ev->exec.program.len ? ev->exec.program : ev->exec.actor.exe, path);
}

/* Is it the content that was approved for this exec? */
static int is_approved(struct judge *j, struct container_memory *c, const struct tide_event *exec,
                       const struct content *v, bool *ret)
{
        struct observation o;
        struct entry *e;
        int r = observe(j, c, exec, &o);

        if (r < 0)
                return r;
        *ret = v && baseline_lookup(c->workload, &o, &e) == KNOWN_YES && e && e->content && content_same(e->content, v);
        return 0;
}

static int settle(struct judge *j, struct container_memory *c, size_t i, const struct content *v)
{
        _cleanup_buf_ struct buf hold;
        struct tide_event exec;
        bool same = false;
        int r;

        buf_init(&hold, TIDE_RECORD_MAX);
        r = take(j, c, i, &hold, &exec);
        if (r == 0)
                r = is_approved(j, c, &exec, v, &same);
        if (r == 0 && !same)
                r = judge_raise_again(j, c, &exec);
        return r == -ENOMEM ? r : 0;
}

int approval_told(struct judge *j, struct container_memory *c, struct bytes path, const struct content *v)
{
        struct tide_event exec;
        int r = 0;

        for (size_t i = 0; i < AWAITING && r == 0; i++)
                if (is_at(&c->awaiting[i], path, &exec))
                        r = settle(j, c, i, v);
        return r;
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
