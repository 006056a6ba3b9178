/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_priv - what processes do with their rights: ids gained, another process traced, another name taken, a crash.
 *
 * Owns: which of the connector's messages are an act of a container, and how many of a kind are told.
 * Never: judges. Hands over: waiting events, told in order with the executions by proctab_queue.c.
 *
 * An id is gained when it was none of the process's real, effective and saved ids, and root was none of them either:
 * a service that drops its rights, and one that takes back what it had kept, gain nothing. The message does not have
 * the saved id: where it was gone before it was read, only a setuid program can be told from what had been kept. The
 * kernel tells the ids of a setuid program before the execution itself: such a gain waits behind it. Attaching is told
 * for each thread, detaching as an attach by process 0, PTRACE_TRACEME not at all. A crash is told before the core is
 * written; the signal comes with the exit.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs-priv.h"
#include "proctab-priv.h"
#include "tidemark/clock.h"

/* Of one kind, one process has so many told (from its last execution on), then those that are a power of two. */
#define TOLD_EACH 8u

struct program {
        struct rstr *path;
        uint8_t layer, change;
        uint32_t mode;
        uint64_t size, ino;
};

struct privilege {
        struct link *link; /* the actor as it was; owns a reference */
        struct visit *visit;
        struct rstr *target_exe;
        struct program program; /* which gained an id */
        uint8_t what, where, origin;
        bool tty, at_exec, unsure;
        uint32_t flags, uid, gid, login_uid, session, target_pid;
        uint64_t from, to, target_start, repeats;
        char comm[16], old_comm[16], target_comm[16], target_container[CONTAINER_ID + 1];
};

/* What one process has had told, made when it first has something to tell. */
struct privs {
        uint32_t n[PRIV__MAX];
        uint64_t passed[PRIV__MAX];
        uint32_t target;
        uint64_t target_start;
};

void proctab_priv_free(struct privilege *v)
{
        if (!v)
                return;
        link_unref(v->link);
        visit_unref(v->visit);
        rstr_unref(v->target_exe);
        rstr_unref(v->program.path);
        free(v);
}

void proctab_privs_forget(struct proc *p)
{
        free(p->privs);
        p->privs = NULL;
}

/* ---- how many ---- */

/* May it be told? *ret_repeats: how many like it were not, since the last one that was. */
static bool worth_telling(struct proctab *pt, struct proc *p, struct container *c, unsigned what, enum priv_rate kind,
                          uint64_t now, uint64_t *ret_repeats)
{
        struct rate *rate = &c->priv_rate[kind];
        uint64_t refused = 0;
        uint32_t n;

        if (!p->privs)
                p->privs = calloc(1, sizeof(*p->privs));
        if (!p->privs)
                return false;
        rate->burst = 200; /* of a whole container: what is above is a storm, and its rest is counted */
        rate->interval_ns = 50 * NSEC_PER_MSEC;
        n = ++p->privs->n[what];
        if ((n > TOLD_EACH && (n & (n - 1)) != 0) || !rate_pass(rate, now, &refused)) {
                p->privs->passed[what]++;
                pt->stats.privileges_passed++;
                return false;
        }
        *ret_repeats = p->privs->passed[what] + refused;
        p->privs->passed[what] = 0;
        return true;
}

/* An event of p's that waits to be told; NULL: not to be told, or no memory. */
static struct privilege *add(struct proctab *pt, struct proc *p, struct container *c, unsigned what,
                             enum priv_rate kind, uint64_t boot, uint64_t now)
{
        struct privilege *v;
        struct waiting *w;
        uint64_t repeats;

        if (!worth_telling(pt, p, c, what, kind, now, &repeats))
                return NULL;
        v = calloc(1, sizeof(*v));
        w = v ? proctab_wait(pt, TIDE_PRIV, c, boot, now, SRC_PROC) : NULL;
        if (!w) {
                free(v);
                return NULL;
        }
        w->priv = v;
        w->pid = p->pid;
        w->start = p->start;
        v->what = (uint8_t)what;
        v->repeats = repeats;
        v->link = link_ref(p->link);
        v->origin = proctab_origin(p);
        v->visit = v->origin == ORIGIN_FOREIGN ? NULL : visit_ref(p->visit);
        v->tty = p->tty;
        v->uid = p->uid;
        v->gid = p->gid;
        v->login_uid = p->login_uid;
        v->session = p->session;
        memcpy(v->comm, p->comm, sizeof(v->comm));
        pt->stats.privileges++;
        return v;
}

/* ---- ids ---- */

/* Which user of the host is the container's root: "inside outside count" of its init's map. */
static uint32_t root_of(struct proctab *pt, struct container *c)
{
        if (c->root_known)
                return c->root_uid;
        c->root_known = true;
        c->root_uid = 0;
        if (pt->sys.read(c->init_pid, "uid_map", &pt->text, pt->sys.arg) == 0)
                c->root_uid = procfs_parse_root_id(buf_bytes(&pt->text));
        return c->root_uid;
}

static bool holds(const struct proc_ids *ids, uint32_t id)
{
        return ids->real == id || ids->saved == id;
}

/* What runs now: for a setuid program that was just called, that program already. */
static void read_program(struct proctab *pt, const struct proc *p, struct program *v)
{
        struct openfacts f;

        if (pt->sys.exe(p->pid, &pt->path, &f, pt->sys.arg) < 0)
                return;
        pt->sys.place(p->c, p->pid, &f, &pt->path, &v->layer, &v->change, pt->sys.arg);
        v->path = rstr_new(buf_bytes(&pt->path));
        v->mode = f.mode;
        v->size = f.size;
        v->ino = f.ino;
}

/* A setuid program of the image: everybody may call it, as often as he likes. */
static bool lends(const struct program *v, bool uid)
{
        return v->layer == LAYER_IMAGE && (v->mode & (uid ? S_ISUID : S_ISGID));
}

/* The message has real and effective ids; the saved one is read, if the process is still as the message says. */
static void take_ids(struct proctab *pt, const struct proc_msg *m, bool uid, struct proc_ids *ids)
{
        struct procfs_status st;

        ids->real = m->rid;
        if (pt->sys.status(m->pid, &st, pt->sys.arg) == 0 && (uid ? st.uid : st.gid) == m->rid &&
            (uid ? st.euid : st.egid) == m->eid)
                ids->saved = uid ? st.suid : st.sgid;
        else {
                if (m->rid == m->eid) /* as setuid(2) leaves it */
                        ids->saved = m->eid;
                ids->unsure = true;
                return;
        }
        ids->unsure = false;
}

void proctab_priv_ids(struct proctab *pt, struct proc *p, const struct proc_msg *m, uint64_t boot, uint64_t now)
{
        bool uid = m->what == PROC_UID, gained = false, unsure;
        uint32_t *effective = uid ? &p->uid : &p->gid, from = *effective, root = 0;
        struct proc_ids *ids = uid ? &p->uids : &p->gids;

        if (p->c && p->acting && !p->exited) {
                root = root_of(pt, p->c);
                gained = m->eid != from && !holds(ids, m->eid) && p->uid != root && !holds(&p->uids, root);
        }
        /* The ids of a thread that changes them alone are not those of the process, unless it has gained by it. */
        if (m->pid != m->tgid && !gained)
                return;
        *effective = m->eid;
        unsure = p->uids.unsure || ids->unsure;
        if (p->c)
                take_ids(pt, m, uid, ids);
        if (gained) {
                struct program program = {0};
                struct privilege *v;

                read_program(pt, p, &program);
                v = add(pt, p, p->c, uid ? PRIV_UID : PRIV_GID,
                        lends(&program, uid) ? PRIV_RATE_LENT : PRIV_RATE_IDS, boot, now);
                if (!v) {
                        rstr_unref(program.path);
                        return;
                }
                v->program = program;
                v->unsure = unsure;
                v->from = from;
                v->to = m->eid;
                v->flags = m->eid == root ? PRIVF_ROOT : 0;
                p->gains++;
        }
}

/* Called when an execution of p was put into the queue: what it gained before goes behind it. */
void proctab_priv_exec(struct proctab *pt, struct proc *p, uint64_t now)
{
        struct waiting *exec = pt->last, *w, **at = &pt->first;

        proctab_privs_forget(p);
        p->uids = (struct proc_ids){.real = p->uids.real, .saved = p->uid}; /* execve(2) */
        p->gids = (struct proc_ids){.real = p->gids.real, .saved = p->gid};
        p->comm_ns = now + NSEC_PER_MSEC; /* it was read since */
        if (!exec || !exec->exec || exec->pid != p->pid)
                return;
        while (p->gains && (w = *at) && w != exec) {
                if (!w->priv || w->priv->at_exec || w->pid != p->pid || w->start != p->start ||
                    (w->priv->what != PRIV_UID && w->priv->what != PRIV_GID)) {
                        at = &w->next;
                        continue;
                }
                w->priv->at_exec = true;
                link_unref(w->priv->link);
                w->priv->link = link_ref(exec->exec->link);
                memcpy(w->priv->comm, p->comm, sizeof(p->comm));
                *at = w->next;
                if (pt->unresolved == w)
                        pt->unresolved = w->next;
                w->next = NULL;
                w->boot_ns = exec->boot_ns;
                pt->last->next = w;
                pt->last = w;
        }
}

/* An execution is about to be told: the program is known now. */
void proctab_priv_program(const struct waiting *exec)
{
        const struct exec *e = exec->exec;

        for (struct waiting *w = exec->next; w && w->priv && w->priv->at_exec && w->pid == exec->pid; w = w->next) {
                struct program *v = &w->priv->program;

                if (w->start != exec->start || !e->program || !(e->program_facts.mode & (S_ISUID | S_ISGID)))
                        continue;
                rstr_unref(v->path);
                v->path = rstr_ref(e->program);
                v->layer = e->program_layer;
                v->change = e->program_change;
                v->mode = e->program_facts.mode;
                v->size = e->program_facts.size;
                v->ino = e->program_facts.ino;
        }
}

/* ---- names, tracing, crashes ---- */

void proctab_priv_comm(struct proctab *pt, struct proc *p, const struct proc_msg *m, uint64_t boot, uint64_t now)
{
        struct privilege *v = NULL;
        char old[sizeof(p->comm)] = "";

        if (m->pid != m->tgid || memcmp(p->comm, m->comm, strnlen(m->comm, sizeof(m->comm) - 1) + 1) == 0)
                return;
        if (p->comm_ns <= boot) /* else it was read too late: what it had been before is not known */
                memcpy(old, p->comm, sizeof(old));
        memcpy(p->comm, m->comm, sizeof(p->comm));
        p->comm_ns = boot;
        if (p->c && p->acting)
                v = add(pt, p, p->c, PRIV_COMM, PRIV_RATE_NAMES, boot, now);
        if (v)
                memcpy(v->old_comm, old, sizeof(old));
}

static uint8_t where_is(const struct proc *target, const struct container *c)
{
        if (!target)
                return WHERE_UNKNOWN;
        if (!target->c || !target->acting)
                return WHERE_HOST; /* a runtime's process on its way in is the host's */
        return target->c == c ? WHERE_SAME : WHERE_OTHER;
}

static enum priv_rate rate_of(uint8_t where)
{
        return where == WHERE_HOST || where == WHERE_OTHER ? PRIV_RATE_OUTSIDE : PRIV_RATE_OTHERS;
}

static void known(struct proctab *pt, struct proc *p)
{
        struct procfs_stat st;

        if (p->start == 0 && !p->exited && pt->sys.stat(p->pid, &st, pt->sys.arg) == 0)
                p->start = p->link->start = st.start;
        if (!p->ids_known && !p->exited)
                proctab_ids(pt, p);
}

void proctab_priv_ptrace(struct proctab *pt, const struct proc_msg *m, uint64_t boot, uint64_t now)
{
        struct proc *tracer, *target;
        struct container *c;
        struct privilege *v;
        uint8_t where;

        if (m->ptgid == 0)
                return; /* detached */
        if ((!proctab_get(pt, m->ptgid) && !proctab_adopt(pt, m->ptgid, true, now)) ||
            (!proctab_get(pt, m->tgid) && !proctab_adopt(pt, m->tgid, true, now)))
                pt->stats.privileges_passed++;
        tracer = proctab_get(pt, m->ptgid); /* to make room for one, the other may have been dropped */
        target = proctab_get(pt, m->tgid);
        c = tracer && tracer->acting ? tracer->c : target && target->acting ? target->c : NULL;
        if (!tracer || !c)
                return;
        known(pt, tracer);
        if (tracer->privs && target && tracer->privs->target == target->pid &&
            tracer->privs->target_start == target->start)
                return; /* another thread of it, or once more */
        where = where_is(target, c);
        v = add(pt, tracer, c, PRIV_PTRACE, rate_of(where), boot, now);
        if (!v)
                return;
        v->where = where;
        v->target_pid = m->tgid;
        if (!target)
                return;
        known(pt, target);
        tracer->privs->target = target->pid;
        v->target_start = tracer->privs->target_start = target->start;
        v->target_exe = rstr_ref(link_exe(target->link));
        memcpy(v->target_comm, target->comm, sizeof(v->target_comm));
        v->flags = target->ppid == tracer->pid ? PRIVF_CHILD : 0;
        if (v->where == WHERE_OTHER)
                snprintf(v->target_container, sizeof(v->target_container), "%s", target->c->id);
}

void proctab_priv_namespace(struct proctab *pt, struct proc *p, uint64_t from, uint64_t to, uint8_t where, bool user,
                            uint64_t boot, uint64_t now)
{
        struct privilege *v = add(pt, p, p->c, PRIV_MOUNTNS, rate_of(where), boot, now);

        if (!v)
                return;
        v->from = from;
        v->to = to;
        v->where = where;
        v->flags = user ? PRIVF_USERNS : 0;
}

void proctab_priv_crashed(struct proctab *pt, struct proc *p, uint32_t code, uint64_t boot, uint64_t now)
{
        struct privilege *v = p->c && p->acting ? add(pt, p, p->c, PRIV_CORE, PRIV_RATE_OTHERS, boot, now) : NULL;

        p->crashed = false;
        if (!v)
                return;
        v->to = code & 0x7f;
        v->flags = code & 0x80 ? PRIVF_DUMPED : 0;
}

/* ---- telling ---- */

bool proctab_priv_waits(const struct privilege *v)
{
        return !v->at_exec && (v->unsure || (v->program.mode & (S_ISUID | S_ISGID)));
}

static struct bytes text(const char *s, size_t size)
{
        return bytes_of(s, strnlen(s, size));
}

static void tell_actor(const struct waiting *w, const struct privilege *v, struct buf *lineage, struct tide_actor *a)
{
        struct rstr *exe = link_exe(v->link);

        a->pid = w->pid;
        a->start = w->start;
        a->flags = (w->start ? ACTOR_PID : 0) | (exe ? ACTOR_EXE : 0) | (v->tty ? ACTOR_TTY : 0);
        a->uid = v->uid;
        a->gid = v->gid;
        a->login_uid = v->login_uid;
        a->session = v->session;
        a->origin = v->visit ? v->visit->origin : v->origin; /* by now it may be known to be a probe's */
        proctab_visit_told(v->visit, a);
        a->exe = rstr_bytes(exe);
        a->exe_layer = link_layer(v->link);
        a->comm = text(v->comm, sizeof(v->comm));
        buf_reset(lineage);
        if (v->origin != ORIGIN_FOREIGN && link_lineage(v->link, lineage))
                a->flags |= ACTOR_LINEAGE;
        if (!lineage->err)
                a->lineage = buf_bytes(lineage);
}

bool proctab_priv_told(struct proctab *pt, const struct waiting *w, struct tide_event *ev, struct buf *lineage)
{
        const struct privilege *v = w->priv;
        struct proc *p = proctab_get(pt, w->pid);
        struct tide_priv *t = &ev->priv;
        bool ids = v->what == PRIV_UID || v->what == PRIV_GID;

        if (ids && p && p->start == w->start && p->gains)
                p->gains--;
        if (v->unsure && !v->at_exec && !(v->program.mode & (S_ISUID | S_ISGID))) {
                pt->stats.privileges--;
                return false;
        }
        tell_actor(w, v, lineage, &t->actor);
        t->what = v->what;
        t->where = v->where;
        t->layer = v->program.layer;
        t->change = v->program.change;
        t->flags = v->flags;
        if (ids && lends(&v->program, v->what == PRIV_UID))
                t->flags |= PRIVF_SETUID_FILE;
        t->from = v->from;
        t->to = v->to;
        t->target_pid = v->target_pid;
        t->target_start = v->target_start;
        t->target_exe = rstr_bytes(v->target_exe);
        t->target_comm = text(v->target_comm, sizeof(v->target_comm));
        t->target_container = text(v->target_container, sizeof(v->target_container));
        t->old_comm = text(v->old_comm, sizeof(v->old_comm));
        t->path = rstr_bytes(v->program.path);
        t->mode = v->program.mode;
        t->size = v->program.size;
        t->ino = v->program.ino;
        t->repeats = v->repeats;
        return true;
}
