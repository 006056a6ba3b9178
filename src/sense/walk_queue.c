/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk_queue - the requests that wait for the walker, and whose turn it is: containers in turn, so that one which makes
 * directories without end keeps no other waiting.
 *
 * Owns: the requests and their descriptors. Must not: send anything. Pure but for closing.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sense/walk-priv.h"

int walk_queue_add(struct walk_queue *q, struct walk_queued *r)
{
        uint32_t same = 0;

        if (q->n >= WALK_QUEUE_MAX)
                return -ENOBUFS;
        for (const struct walk_queued *o = q->first; o; o = o->next) {
                if (o->rq.tag != r->rq.tag || o->sent)
                        continue;
                if (o->rq.how == r->rq.how && o->rq.subdir[0] == '\0' && r->rq.subdir[0] != '\0')
                        return 0; /* one of everything waits: it will see this too */
                same++;
        }
        if (same >= WALK_QUEUE_TAG && r->rq.subdir[0] != '\0')
                return -EDQUOT;
        r->next = NULL;
        if (q->last)
                q->last->next = r;
        else
                q->first = r;
        q->last = r;
        q->n++;
        return 1;
}

void walk_queued_close(struct walk_queued *r)
{
        if (r->fd >= 0)
                close(r->fd);
        if (r->other >= 0)
                close(r->other);
        r->fd = r->other = -1;
}

/* How far round from the one that was served last: its own next request comes after all others'. */
static uint32_t distance(const struct walk_queue *q, const struct walk_queued *r)
{
        return r->rq.tag - q->served - 1;
}

struct walk_queued *walk_queue_begin(struct walk_queue *q)
{
        struct walk_queued *before = NULL, *best = q->first, *best_before = NULL;

        if (!best || best->sent)
                return NULL;
        for (struct walk_queued *r = q->first; r; before = r, r = r->next)
                if (distance(q, r) < distance(q, best)) {
                        best = r;
                        best_before = before;
                }
        if (best_before) {
                best_before->next = best->next;
                if (q->last == best)
                        q->last = best_before;
                best->next = q->first;
                q->first = best;
        }
        q->served = best->rq.tag;
        return best;
}

void walk_queue_pop(struct walk_queue *q)
{
        struct walk_queued *r = q->first;

        if (!r)
                return;
        q->first = r->next;
        if (!q->first)
                q->last = NULL;
        q->n--;
        walk_queued_close(r);
        free(r);
}
