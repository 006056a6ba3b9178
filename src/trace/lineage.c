/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lineage - shared links between processes and their ancestors, and shared strings.
 *
 * Pure memory: no /proc, no clock. Freed without recursion, because a container chooses how deep it forks.
 */
#include "lineage-priv.h"

#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"

#define DEPTH_MAX 64u /* then a chain is cut to what is ever shown */

struct rstr *rstr_new(struct bytes s)
{
        struct rstr *r = malloc(sizeof(*r) + s.len);

        if (!r)
                return NULL;
        r->refs = 1;
        r->len = s.len;
        if (s.len)
                memcpy(r->data, s.p, s.len);
        return r;
}

struct rstr *rstr_ref(struct rstr *s)
{
        if (s)
                s->refs++;
        return s;
}

struct rstr *rstr_unref(struct rstr *s)
{
        if (s && --s->refs == 0)
                free(s);
        return NULL;
}

struct bytes rstr_bytes(const struct rstr *s)
{
        return s ? bytes_of(s->data, s->len) : bytes_of("", 0);
}

struct link *link_ref(struct link *l)
{
        if (l)
                l->refs++;
        return l;
}

struct link *link_unref(struct link *l)
{
        while (l && --l->refs == 0) {
                struct link *up = l->up;

                rstr_unref(l->exe);
                free(l);
                l = up;
        }
        return NULL;
}

struct rstr *link_exe(const struct link *l)
{
        while (l && l->inherited && l->up)
                l = l->up;
        return l ? l->exe : NULL;
}

uint8_t link_layer(const struct link *l)
{
        while (l && l->inherited && l->up)
                l = l->up;
        return l ? l->exe_layer : (uint8_t)LAYER_UNKNOWN;
}

/* A copy of the innermost links of a chain, which is the caller's. NULL when out of memory: then ancestry ends here. */
static struct link *copy_innermost(const struct link *l)
{
        struct link *first = NULL, *last = NULL;

        for (unsigned n = 0; l && n < TIDE_LINEAGE_MAX; n++, l = l->up) {
                struct link *copy = malloc(sizeof(*copy));

                if (!copy)
                        break;
                *copy = *l;
                copy->refs = 1;
                copy->depth = TIDE_LINEAGE_MAX - n;
                copy->exe = rstr_ref(link_exe(l));
                copy->exe_layer = link_layer(l);
                copy->inherited = false;
                copy->complete = false;
                copy->up = NULL;
                if (last)
                        last->up = copy;
                else
                        first = copy;
                last = copy;
        }
        return first;
}

struct link *link_new(uint32_t pid, uint64_t start, struct link *up)
{
        struct link *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        l->refs = 1;
        l->pid = pid;
        l->start = start;
        if (up && up->depth >= DEPTH_MAX)
                l->up = copy_innermost(up);
        else
                l->up = link_ref(up);
        if (l->up) {
                l->depth = l->up->depth + 1;
                l->complete = l->up->complete;
        }
        return l;
}

bool link_lineage(const struct link *l, struct buf *out)
{
        const struct link *shown[TIDE_LINEAGE_MAX];
        bool complete = l && l->complete;
        unsigned n = 0;

        for (l = l ? l->up : NULL; l && n < TIDE_LINEAGE_MAX; l = l->up)
                shown[n++] = l;
        if (l)
                complete = false;
        while (n > 0) {
                const struct link *a = shown[--n];
                struct tide_ancestor ta = {.pid = a->pid, .start = a->start};

                ta.exe = rstr_bytes(link_exe(a));
                ta.comm = bytes_of(a->comm, strnlen(a->comm, sizeof(a->comm)));
                tide_lineage_put(out, &ta);
        }
        return complete;
}
