/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_queue - events in the order of the kernel's messages, until the openings of their executions are known.
 *
 * Owns: the queue, its bound (what is over is told with what is known). Hands over: tide events to proctab_ops.
 */
#include "proctab-priv.h"

#include <limits.h>

#include "tidemark/clock.h"

#define WAITING_MAX 32768u /* more than a full receive buffer of the proc connector holds */
/*
 * Arguments are mostly there within a tenth of a millisecond. On a host whose cores are all busy the reader is only let
 * run after some slices of others: until then it is worth waiting.
 */
#define ARGS_WAIT_NS (50 * NSEC_PER_MSEC)
#define LINEAGE_MAX (TIDE_LINEAGE_MAX * (PATH_MAX + 64u))

struct waiting *proctab_wait(struct proctab *pt, uint16_t kind, struct container *c, uint64_t boot_ns, uint64_t now,
                             unsigned sources)
{
        struct waiting *w;

        if (pt->waiting >= WAITING_MAX)
                proctab_flush_all(pt, now);
        w = calloc(1, sizeof(*w));
        if (!w)
                return NULL;
        w->kind = kind;
        w->c = c;
        w->boot_ns = boot_ns;
        w->arrived_ns = now;
        w->sources = (uint16_t)sources;
        if (pt->at_start && pt->scanning)
                w->flags |= EVF_BEFORE;
        if (pt->last)
                pt->last->next = w;
        else
                pt->first = w;
        pt->last = w;
        if (!pt->unresolved)
                pt->unresolved = w;
        pt->waiting++;
        return w;
}

static void tell(struct proctab *pt, const struct waiting *w, struct buf *lineage)
{
        struct tide_event ev = {.kind = w->kind, .sources = w->sources, .flags = w->flags, .boot_ns = w->boot_ns};
        const struct proc *p = w->kind == TIDE_EXIT ? proctab_get(pt, w->pid) : NULL;

        ev.wall_ns = (int64_t)w->boot_ns + pt->wall_offset;
        ev.container = bytes_str(w->c->id);
        switch (w->kind) {
        case TIDE_FORK:
                ev.fork = (struct tide_fork){.pid = w->pid, .ppid = w->ppid, .start = w->start, .pstart = w->pstart};
                break;
        case TIDE_EXIT:
                ev.exit = (struct tide_exit){.pid = w->pid, .start = w->start, .code = w->code};
                if (p && p->start == w->start && proctab_visit_ends(p)) {
                        ev.exit.leader = 1;
                        ev.exit.start = p->visit->start;
                }
                break;
        case TIDE_PRIV:
                if (!proctab_priv_told(pt, w, &ev, lineage))
                        return;
                break;
        default:
                proctab_exec_told(pt, w, &ev, lineage);
                if (w->exec->args_state != ARGS_HAD)
                        ev.flags |= EVF_NO_ARGS;
                break;
        }
        if (!w->c->running_before && (w->c->marked_boot_ns == 0 || w->boot_ns < w->c->marked_boot_ns))
                ev.flags |= EVF_GAP;
        pt->ops->event(&ev, w->c, pt->arg);
}

static void resolve_all(struct proctab *pt, uint64_t now)
{
        for (struct waiting *w = pt->unresolved; w; w = w->next) {
                struct proc *p = w->exec ? proctab_get(pt, w->pid) : NULL;

                if (w->exec)
                        proctab_exec_resolve(pt, p && (p->serial == w->exec->serial || p->earlier) ? p : NULL, w, now);
        }
        pt->unresolved = NULL;
}

static bool asked(const struct waiting *w)
{
        return w && w->exec && w->exec->args_state == ARGS_ASKED;
}

/*
 * For its arguments, and those of the same process's next program: they may be the ones that were read; a gain of
 * rights for the execution that seems to have brought it.
 */
static bool must_wait(const struct waiting *w, uint64_t now)
{
        bool waits = w->exec ? asked(w) || asked(w->exec->then) : w->priv && proctab_priv_waits(w->priv);

        return waits && now < w->arrived_ns + ARGS_WAIT_NS;
}

static void tell_first(struct proctab *pt, struct buf *lineage)
{
        struct waiting *w = pt->first;
        struct proc *p = w->exec ? proctab_get(pt, w->pid) : NULL;

        if (p && p->last_exec == w)
                p->last_exec = NULL;
        if (asked(w))
                pt->stats.args_late++;
        if (w->exec) {
                proctab_exec_finish(pt, w);
                proctab_visit_exec(pt, w);
                proctab_priv_program(w);
        }
        pt->first = w->next;
        if (!pt->first)
                pt->last = NULL;
        pt->waiting--;
        tell(pt, w, lineage);
        proctab_exec_free(w->exec);
        proctab_priv_free(w->priv);
        free(w);
}

static void tell_until(struct proctab *pt, uint64_t now, bool wait)
{
        _cleanup_buf_ struct buf lineage;

        buf_init(&lineage, LINEAGE_MAX);
        while (pt->first && pt->first != pt->unresolved && !(wait && must_wait(pt->first, now)))
                tell_first(pt, &lineage);
}

void proctab_flush(struct proctab *pt, uint64_t now)
{
        resolve_all(pt, now);
        tell_until(pt, now, true);
}

void proctab_flush_all(struct proctab *pt, uint64_t now)
{
        resolve_all(pt, now);
        tell_until(pt, now, false);
}

uint64_t proctab_tell_ready(struct proctab *pt, uint64_t now)
{
        tell_until(pt, now, true);
        return pt->first && pt->first != pt->unresolved ? pt->first->arrived_ns + ARGS_WAIT_NS : 0;
}

void proctab_resolve_waiting(struct proctab *pt, struct proc *p, uint64_t now)
{
        if (p->unresolved == 0)
                return;
        for (struct waiting *w = pt->first; w; w = w->next)
                if (w->exec && !w->exec->resolved && w->pid == p->pid &&
                    (w->exec->serial == p->serial || p->earlier))
                        proctab_exec_resolve(pt, p, w, now);
}

void proctab_tell_container(struct proctab *pt, const struct container *c, uint16_t kind, uint64_t boot_ns,
                            unsigned sources)
{
        struct tide_event ev;

        container_event(c, kind, &ev);
        ev.boot_ns = boot_ns;
        ev.wall_ns = (int64_t)boot_ns + pt->wall_offset;
        ev.sources = (uint16_t)sources;
        if (kind == TIDE_CTR_START && c->running_before)
                ev.flags |= EVF_BEFORE;
        /* The table is the owner's; the callback may note what it did in it. */
        pt->ops->event(&ev, containers_by_tag(pt->cs, c->tag), pt->arg);
}
