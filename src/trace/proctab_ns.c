/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_ns - processes of a container in another mount namespace than its init's: unshare(1), setns(2).
 *
 * No message of the kernel tells of it: it is looked at when a process calls exec, and when one is found. What it does
 * there before that is seen by name marks and the walk alone.
 *
 * Owns: which such namespaces each container has, while a task that is known lives in them. Must not: keep one from
 * ending, or take the host's or another container's for its. Hands over: an act (proctab_priv.c) and
 * proctab_ops.namespace.
 */
#include <string.h>

#include "container-priv.h"
#include "proctab-priv.h"

void proctab_ns_leave(struct proctab *pt, struct proc *p)
{
        struct container *c = p->c;
        uint64_t ns = p->mntns;

        p->mntns = 0;
        for (size_t i = 0; ns && i < c->nothers; i++) {
                struct container_ns *o = &c->others[i];

                if (o->mntns != ns || --o->tasks > 0)
                        continue;
                *o = c->others[--c->nothers]; /* its number may be another's from now on */
                pt->stats.namespaces--;
                return;
        }
}

/* Is there room to keep it in mind? *ret_new: it was not known. */
static bool enter(struct proctab *pt, struct proc *p, uint64_t ns, bool *ret_new)
{
        struct container *c = p->c;

        for (size_t i = 0; i < c->nothers; i++)
                if (c->others[i].mntns == ns) {
                        c->others[i].tasks++;
                        *ret_new = false;
                        return true;
                }
        if (c->nothers == CONTAINER_NAMESPACES || pt->stats.namespaces >= PROCTAB_NAMESPACES) {
                c->others_refused++;
                pt->stats.namespaces_refused++;
                return false;
        }
        c->others[c->nothers++] = (struct container_ns){.mntns = ns, .tasks = 1};
        pt->stats.namespaces++;
        *ret_new = true;
        return true;
}

void proctab_ns_inherit(struct proc *p, const struct proc *parent)
{
        for (size_t i = 0; parent->mntns && i < p->c->nothers; i++)
                if (p->c->others[i].mntns == parent->mntns) {
                        p->c->others[i].tasks++;
                        p->mntns = parent->mntns;
                }
}

static bool other_user(const struct proctab *pt, const struct proc *p)
{
        uint64_t its, init;

        return pt->sys.ns(p->pid, "user", &its, pt->sys.arg) == 0 &&
               pt->sys.ns(p->c->init_pid, "user", &init, pt->sys.arg) == 0 && its != init;
}

static uint8_t where_is(const struct proctab *pt, const struct proc *p, uint64_t ns)
{
        const struct container *c;

        if (containers_is_host_mntns(pt->cs, ns))
                return WHERE_HOST;
        c = containers_by_ns(pt->cs, ns, 0);
        return c && c != p->c ? WHERE_OTHER : WHERE_SAME;
}

void proctab_ns_look(struct proctab *pt, struct proc *p, uint64_t boot, uint64_t now)
{
        uint64_t ns, from = p->mntns;
        bool is_new = false, kept;
        uint8_t where;

        if (!p->c || !p->acting || p->stranger || p->exited || !p->c->mntns ||
            pt->sys.ns(p->pid, "mnt", &ns, pt->sys.arg) < 0)
                return;
        if (ns == p->c->mntns)
                ns = 0;
        if (ns == from)
                return;
        proctab_ns_leave(pt, p);
        if (ns == 0)
                return;
        where = where_is(pt, p, ns);
        if (where == WHERE_SAME) {
                kept = enter(pt, p, ns, &is_new);
                if (kept)
                        p->mntns = ns;
                if ((is_new || !kept) && pt->ops->namespace)
                        pt->ops->namespace(p->c, p->pid, p->start, ns, kept, pt->arg);
        }
        proctab_priv_namespace(pt, p, from ? from : p->c->mntns, ns, where, other_user(pt, p), boot, now);
}

void proctab_ns_due(struct proctab *pt, uint64_t now)
{
        for (size_t i = 0; i < pt->ns_due_count; i++) {
                const struct ns_due *d = &pt->ns_due[i];
                struct proc *p = proctab_get(pt, d->pid);

                if (p && p->serial == d->serial)
                        proctab_ns_look(pt, p, d->boot_ns, now);
        }
        pt->ns_due_count = 0;
}

void proctab_ns_later(struct proctab *pt, struct proc *p, uint64_t boot, uint64_t now)
{
        if (!p->c || !p->acting || p->stranger)
                return;
        if (pt->ns_due_count == NS_DUE)
                proctab_ns_due(pt, now);
        pt->ns_due[pt->ns_due_count++] = (struct ns_due){.pid = p->pid, .serial = p->serial, .boot_ns = boot};
}
