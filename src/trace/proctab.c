/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab - the process table: entries, messages of the proc connector, ageing, and who is asked for.
 *
 * Owns:      the entries; exited ones in the order of their end.
 * Never:     opens a netlink socket or a fanotify group (sense/ does), judges.
 * Hands over: events through proctab_queue.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proctab-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define STOP_DELAY_NS NSEC_PER_SEC /* events of the last moments still find their container */
#define TEXT_MAX (128u * 1024)
#define EXPIRE_PAUSE_NS (250 * NSEC_PER_MSEC) /* nobody is woken for each that ended */

/* ---- the system ---- */

static int sys_stat(uint32_t pid, struct procfs_stat *ret, void *arg)
{
        (void)arg;
        return procfs_stat(pid, ret);
}

static int sys_status(uint32_t pid, struct procfs_status *ret, void *arg)
{
        (void)arg;
        return procfs_status(pid, ret);
}

static int sys_read(uint32_t pid, const char *file, struct buf *out, void *arg)
{
        (void)arg;
        return procfs_read(pid, file, out);
}

static int sys_link(uint32_t pid, const char *file, struct buf *out, void *arg)
{
        (void)arg;
        return procfs_link(pid, file, out);
}

static int sys_number(uint32_t pid, const char *file, uint32_t *ret, void *arg)
{
        (void)arg;
        return procfs_number(pid, file, ret);
}

static int sys_ns(uint32_t pid, const char *name, uint64_t *ret, void *arg)
{
        (void)arg;
        return procfs_ns(pid, name, ret);
}

static int sys_each(int (*cb)(uint32_t pid, void *arg), void *cb_arg, void *arg)
{
        (void)arg;
        return procfs_each(cb, cb_arg);
}

static int sys_exe(uint32_t pid, struct buf *path, struct openfacts *ret, void *arg)
{
        _cleanup_close_ int fd = -1;
        char link[32];

        (void)arg;
        snprintf(link, sizeof(link), "/proc/%u/exe", pid);
        fd = open(link, O_PATH | O_CLOEXEC);
        return fd < 0 ? -errno : openfile_facts(fd, path, ret);
}

/* Two bytes of a file that the kernel has just read to run it: only whether it is a script. */
static int sys_opened(int fd, struct buf *path, struct openfacts *ret, void *arg)
{
        char head[2];
        int r = openfile_facts(fd, path, ret);

        (void)arg;
        if (r == 0)
                ret->script = pread(fd, head, 2, 0) == 2 && head[0] == '#' && head[1] == '!';
        return r;
}

static void sys_place(const struct container *c, uint32_t pid, const struct openfacts *f, struct buf *path,
                      uint8_t *ret_layer, uint8_t *ret_change, void *arg)
{
        (void)arg;
        openfile_place(c, pid, f, path, ret_layer, ret_change);
        openfile_copy_runs(c, buf_bytes(path), ret_layer, ret_change);
}

static void sys_place_path(const struct container *c, struct bytes path, uint8_t *ret_layer, uint8_t *ret_change,
                           void *arg)
{
        (void)arg;
        openfile_place_path(c, path, ret_layer, ret_change);
        openfile_copy_runs(c, path, ret_layer, ret_change);
}

static int sys_of_pid(struct containers *cs, uint32_t pid, struct container **ret, bool *ret_new, void *arg)
{
        (void)arg;
        return containers_of_pid(cs, pid, ret, ret_new);
}

static void sys_offsets(int64_t *ret_boot, int64_t *ret_wall, void *arg)
{
        uint64_t boot = clock_boot_ns();

        (void)arg;
        *ret_boot = (int64_t)(boot - clock_mono_ns());
        *ret_wall = clock_wall_ns() - (int64_t)boot;
}

const struct proctab_reader proctab_reader_system = {
        .stat = sys_stat, .status = sys_status, .read = sys_read, .link = sys_link, .number = sys_number,
        .ns = sys_ns, .each = sys_each, .exe = sys_exe, .opened = sys_opened, .place = sys_place,
        .place_path = sys_place_path, .of_pid = sys_of_pid, .offsets = sys_offsets,
};

/* ---- entries ---- */

static void proc_free(void *arg)
{
        struct proc *p = arg;

        proctab_openings_free(p);
        proctab_privs_forget(p);
        link_unref(p->link);
        visit_unref(p->visit);
        free(p);
}

int proctab_new_with(struct containers *cs, size_t limit, uint64_t grace_ns, const struct proctab_ops *ops, void *arg,
                     const struct proctab_reader *sys, struct proctab **ret)
{
        struct proctab *pt = calloc(1, sizeof(*pt));
        int r;

        if (!pt)
                return -ENOMEM;
        r = map_new(limit, map_seed_random(), proc_free, &pt->by_pid);
        if (r < 0) {
                free(pt);
                return r;
        }
        pt->cs = cs;
        pt->limit = limit;
        pt->grace_ns = grace_ns;
        pt->ops = ops;
        pt->arg = arg;
        pt->sys = *sys;
        buf_init(&pt->path, PATH_MAX + 64);
        buf_init(&pt->text, TEXT_MAX);
        pt->sys.offsets(&pt->boot_offset, &pt->wall_offset, pt->sys.arg);
        *ret = pt;
        return 0;
}

int proctab_new(struct containers *cs, size_t limit, uint64_t grace_ns, const struct proctab_ops *ops, void *arg,
                struct proctab **ret)
{
        return proctab_new_with(cs, limit, grace_ns, ops, arg, &proctab_reader_system, ret);
}

struct proctab *proctab_free(struct proctab *pt)
{
        if (!pt)
                return NULL;
        while (pt->first) {
                struct waiting *w = pt->first;

                pt->first = w->next;
                proctab_exec_free(w->exec);
                proctab_priv_free(w->priv);
                free(w);
        }
        map_free(pt->by_pid);
        buf_release(&pt->path);
        buf_release(&pt->text);
        free(pt);
        return NULL;
}

static struct bytes key_of(const uint32_t *pid)
{
        return bytes_of(pid, sizeof(*pid));
}

struct proc *proctab_get(const struct proctab *pt, uint32_t pid)
{
        return map_get(pt->by_pid, key_of(&pid));
}

static void exited_unlink(struct proctab *pt, struct proc *p)
{
        *(p->older ? &p->older->newer : &pt->oldest) = p->newer;
        *(p->newer ? &p->newer->older : &pt->newest) = p->older;
        p->older = p->newer = NULL;
}

void proctab_revive(struct proctab *pt, struct proc *p)
{
        exited_unlink(pt, p);
        p->exited = false;
        pt->stats.exited--;
        if (p->c) {
                p->c->tasks++;
                p->c->strangers += p->stranger;
                p->c->empty_boot_ns = 0;
        }
}

void proctab_drop(struct proctab *pt, struct proc *p)
{
        uint32_t pid = p->pid;

        if (p->exited) {
                exited_unlink(pt, p);
                pt->stats.exited--;
        }
        if (map_del(pt->by_pid, key_of(&pid)) < 0)
                return; /* every entry is in the map */
}

struct proc *proctab_add(struct proctab *pt, uint32_t pid, struct link *up)
{
        struct proc *p;

        p = calloc(1, sizeof(*p));
        if (!p)
                return NULL;
        p->pid = pid;
        p->serial = ++pt->last_serial;
        p->login_uid = p->session = UNSET;
        p->link = link_new(pid, 0, up);
        /* The living are worth more than the memory of the dead. */
        if (p->link && map_count(pt->by_pid) >= pt->limit && pt->oldest)
                proctab_drop(pt, pt->oldest);
        if (!p->link || map_put(pt->by_pid, key_of(&pid), p) < 0) {
                pt->stats.refused++;
                link_unref(p->link);
                free(p);
                return NULL;
        }
        return p;
}

void proctab_tell_exit(struct proctab *pt, const struct proc *p, uint64_t boot_ns, uint64_t now)
{
        struct waiting *w =
                proctab_wait(pt, TIDE_EXIT, p->c, boot_ns, now, pt->scanning ? SRC_PROCFS : SRC_PROC);

        if (!w)
                return;
        w->pid = p->pid;
        w->start = p->start;
        w->code = p->code;
}

void proctab_exited(struct proctab *pt, struct proc *p, uint32_t code, uint64_t boot_ns, uint64_t now)
{
        if (p->crashed)
                proctab_priv_crashed(pt, p, code, boot_ns, now);
        p->code = code;
        if (p->c && p->acting)
                proctab_tell_exit(pt, p, boot_ns, now);
        p->exited = true;
        p->exited_ns = now;
        p->older = pt->newest;
        p->newer = NULL;
        *(pt->newest ? &pt->newest->newer : &pt->oldest) = p;
        pt->newest = p;
        pt->stats.exited++;
        if (p->c)
                proctab_leave(pt, p, now);
}

/* ---- messages ---- */

static uint64_t boot_of(const struct proctab *pt, uint64_t mono_ns)
{
        return (uint64_t)((int64_t)mono_ns + pt->boot_offset);
}

/* Field 22 as it must be for a process forked at this time, where it is too late to read it. */
static uint64_t ticks_of(uint64_t boot_ns)
{
        long hz = sysconf(_SC_CLK_TCK);

        return boot_ns / (NSEC_PER_SEC / (uint64_t)(hz > 0 ? hz : 100));
}

static void forked_start(struct proctab *pt, struct proc *p, uint64_t boot_ns)
{
        struct procfs_stat st;
        uint64_t told = ticks_of(boot_ns);

        /* A later owner of the same pid has a later start. */
        if (pt->sys.stat(p->pid, &st, pt->sys.arg) == 0 && st.start <= told + 1)
                p->start = st.start;
        else
                p->start = told;
        p->link->start = p->start;
}

static void on_fork(struct proctab *pt, const struct proc_msg *m, uint64_t now)
{
        struct proc *parent, *p = proctab_get(pt, m->tgid), before = {0};
        uint64_t boot = boot_of(pt, m->mono_ns);
        struct waiting *w;
        bool pid_is_met = false;

        if (m->pid != m->tgid)
                return; /* a thread */
        if (p) {
                if (!p->exited) {
                        pt->stats.reused++;
                        proctab_exited(pt, p, 0, boot, now);
                }
                /* What its executions opened may still be in fanotify's queue, and names the pid alone. */
                before.openings = p->openings;
                before.openings_count = p->openings_count;
                before.earlier = p->earlier + p->unresolved;
                before.muddled = p->muddled;
                p->openings = NULL;
                proctab_drop(pt, p);
        }
        parent = proctab_get(pt, m->ptgid);
        if (!parent)
                parent = proctab_adopt(pt, m->ptgid, true, now);
        proctab_unmask(pt, parent, now);
        p = proctab_get(pt, m->tgid); /* a scan of its parent's container may have met it */
        if (!p)
                p = proctab_add(pt, m->tgid, parent && parent->acting ? parent->link : NULL);
        else
                pid_is_met = true;
        if (before.earlier == 0 || !p || pid_is_met)
                proctab_openings_free(&before);
        if (!p || pid_is_met)
                return;
        p->openings = before.openings;
        p->openings_count = before.openings_count;
        p->earlier = before.earlier;
        p->muddled = before.earlier && before.muddled;
        p->ppid = m->ptgid;
        p->forked = ticks_of(boot);
        parent = proctab_get(pt, m->ptgid); /* room may have been made */
        if (!parent)
                return; /* its exec will tell */
        memcpy(p->comm, parent->comm, sizeof(p->comm));
        memcpy(p->link->comm, parent->comm, sizeof(p->comm));
        p->comm_ns = parent->comm_ns;
        p->uid = parent->uid;
        p->gid = parent->gid;
        p->uids = parent->uids;
        p->gids = parent->gids;
        p->login_uid = parent->login_uid;
        p->session = parent->session;
        p->ids_known = parent->ids_known;
        p->tty = parent->tty;
        p->runtime = parent->runtime;
        if (!parent->acting) {
                p->link->exe = rstr_ref(link_exe(parent->link));
                p->link->exe_layer = LAYER_HOST;
                if (p->runtime && !parent->c && proctab_makes_containers(rstr_bytes(p->link->exe), true))
                        proctab_candidate(pt, p->pid, now);
        } else {
                p->link->inherited = true;
        }
        if (!parent->c)
                return;
        p->c = parent->c;
        p->origin = parent->origin;
        p->visit = visit_ref(parent->visit);
        p->acting = parent->acting;
        p->stranger = parent->stranger;
        p->c->tasks++;
        p->c->strangers += p->stranger;
        proctab_ns_inherit(p, parent);
        forked_start(pt, p, boot);
        w = p->acting ? proctab_wait(pt, TIDE_FORK, p->c, boot, now, SRC_PROC) : NULL;
        if (w) {
                w->pid = p->pid;
                w->start = p->start;
                w->ppid = parent->pid;
                w->pstart = parent->start;
        }
}

static void on_exec(struct proctab *pt, const struct proc_msg *m, uint64_t now)
{
        struct proc *p = proctab_get(pt, m->tgid);
        uint64_t boot = boot_of(pt, m->mono_ns);
        struct procfs_stat st;

        if (p && p->exited) {
                if (pt->sys.stat(m->tgid, &st, pt->sys.arg) == 0 && st.start == p->start && st.state != 'Z') {
                        proctab_revive(pt, p); /* its first thread had ended before */
                } else {
                        proctab_flush(pt, now);
                        proctab_drop(pt, p);
                        p = NULL;
                }
        }
        if (!p)
                p = proctab_adopt(pt, m->tgid, false, now);
        if (!p)
                return;
        if (!p->c)
                proctab_enter(pt, p, boot, now);
        if (p->c && !p->acting) {
                proctab_classify(pt, p);
                if (p->runtime)
                        proctab_expect(pt, now); /* what it runs first runs others */
        }
        p->missed_ns = p->c || !p->runtime ? 0 : boot;
        proctab_exec_read(pt, p, boot, now, SRC_PROC, 0);
        proctab_ns_later(pt, p, boot, now);
}

#define ROOM_PAUSE_NS (10 * NSEC_PER_MSEC) /* where little can go: not a look at all of them for each message */

/* Whose processes are the most: of one container, or (NULL) of the host. */
static struct container *most_crowded(const struct proctab *pt)
{
        size_t host = map_count(pt->by_pid);
        struct container *c, *most = NULL;

        for (size_t i = 0; containers_next(pt->cs, &i, &c);) {
                host -= c->tasks < host ? c->tasks : host;
                if (!most || c->tasks > most->tasks)
                        most = c;
        }
        return most && most->tasks >= host ? most : NULL;
}

/* Nothing of it waits, and it is found again by /proc when it does something. */
static bool can_go(const struct proc *p, const struct container *c)
{
        return !p->exited && p->c == c && !p->unresolved && !p->last_exec && !p->openings && !p->gains &&
               (c ? p->pid != c->init_pid : !p->runtime);
}

/*
 * All places are taken by the living. Who has the most pays for it, so that nobody can hide others by being many: the
 * last that came are forgotten, a sixteenth of all at once. Only between messages: nobody holds one of them then.
 */
static void make_room(struct proctab *pt, uint64_t now)
{
        struct container *c = most_crowded(pt);
        size_t want = pt->limit / 16 + 1, n = 0;
        void *value;

        for (size_t i = 0; map_next(pt->by_pid, &i, NULL, &value);)
                n += can_go(value, c);
        if (n < want)
                pt->room_ns = now + ROOM_PAUSE_NS;
        for (size_t i = 0; map_next(pt->by_pid, &i, NULL, &value);) {
                if (!can_go(value, c) || n-- > want)
                        continue;
                if (c)
                        proctab_leave(pt, value, now);
                proctab_drop(pt, value);
                pt->stats.crowded_out++;
        }
}

void proctab_msg(struct proctab *pt, const struct proc_msg *m, uint64_t now)
{
        struct proc *p;

        if (map_count(pt->by_pid) >= pt->limit && !pt->oldest && now >= pt->room_ns)
                make_room(pt, now);
        switch (m->what) {
        case PROC_FORK:
                on_fork(pt, m, now);
                break;
        case PROC_EXEC:
                on_exec(pt, m, now);
                break;
        case PROC_EXIT:
                p = m->pid == m->tgid ? proctab_get(pt, m->tgid) : NULL;
                if (p && !p->exited)
                        proctab_exited(pt, p, m->code, boot_of(pt, m->mono_ns), now);
                break;
        case PROC_UID:
        case PROC_GID:
                p = proctab_get(pt, m->tgid);
                if (p)
                        proctab_priv_ids(pt, p, m, boot_of(pt, m->mono_ns), now);
                break;
        case PROC_COMM:
                p = proctab_get(pt, m->tgid);
                if (p)
                        proctab_priv_comm(pt, p, m, boot_of(pt, m->mono_ns), now);
                break;
        case PROC_PTRACE:
                proctab_priv_ptrace(pt, m, boot_of(pt, m->mono_ns), now);
                break;
        case PROC_COREDUMP:
                p = proctab_get(pt, m->tgid);
                if (p)
                        p->crashed = true;
                break;
        default:
                break;
        }
}

/* ---- time ---- */

void proctab_settle(struct proctab *pt, uint64_t now)
{
        pt->sys.offsets(&pt->boot_offset, &pt->wall_offset, pt->sys.arg);
        proctab_ask_candidates(pt, now);
        proctab_ns_due(pt, now);
        proctab_flush(pt, now);
}

static void forget_container(struct proctab *pt, const struct container *c)
{
        void *value;

        for (size_t i = 0; map_next(pt->by_pid, &i, NULL, &value);) {
                struct proc *p = value;

                if (p->c == c) {
                        p->c = NULL;
                        p->mntns = 0;
                        p->acting = false;
                }
        }
}

void proctab_retire(struct proctab *pt, struct container *c, uint64_t now)
{
        proctab_flush_all(pt, now); /* they hold c */
        proctab_tell_container(pt, c, TIDE_CTR_STOP, c->empty_boot_ns ? c->empty_boot_ns : now, SRC_PROC);
        if (pt->ops->gone)
                pt->ops->gone(c, pt->arg);
        forget_container(pt, c);
        pt->stats.namespaces -= c->nothers;
        containers_remove(pt->cs, c);
}

static uint64_t stop_delay(const struct proctab *pt)
{
        return pt->grace_ns < STOP_DELAY_NS ? pt->grace_ns : STOP_DELAY_NS;
}

static void soonest(uint64_t *due, uint64_t t)
{
        if (*due == 0 || t < *due)
                *due = t;
}

uint64_t proctab_expire(struct proctab *pt, uint64_t now)
{
        struct container *c;
        uint64_t due = proctab_tell_ready(pt, now);

        for (size_t i = 0; containers_next(pt->cs, &i, &c);) {
                if (c->empty_boot_ns == 0)
                        continue;
                if (c->empty_boot_ns + stop_delay(pt) <= now)
                        proctab_retire(pt, c, now);
                else
                        soonest(&due, c->empty_boot_ns + stop_delay(pt));
        }
        if (pt->oldest && pt->oldest->exited_ns + pt->grace_ns <= now)
                proctab_flush(pt, now);
        while (pt->oldest && pt->oldest->exited_ns + pt->grace_ns <= now)
                proctab_drop(pt, pt->oldest);
        if (pt->oldest) {
                uint64_t grace_ends = pt->oldest->exited_ns + pt->grace_ns;

                soonest(&due, grace_ends > now + EXPIRE_PAUSE_NS ? grace_ends : now + EXPIRE_PAUSE_NS);
        }
        return due;
}

/* ---- questions ---- */

struct container *proctab_container(const struct proctab *pt, uint32_t pid)
{
        const struct proc *p = proctab_get(pt, pid);

        return p ? p->c : NULL;
}

/* What is not needed until somebody asks. */
static void complete(struct proctab *pt, struct proc *p, uint64_t now)
{
        struct procfs_stat st;

        proctab_resolve_waiting(pt, p, now);
        if (p->start == 0 && !p->exited && pt->sys.stat(p->pid, &st, pt->sys.arg) == 0)
                p->start = p->link->start = st.start;
        if (p->start == 0 && p->exited)
                p->start = p->link->start = p->forked;
        if (!p->ids_known && !p->exited)
                proctab_ids(pt, p);
}

int proctab_actor(struct proctab *pt, uint32_t pid, uint64_t now, struct buf *scratch, struct tide_actor *ret,
                  struct container **ret_c)
{
        struct proc *p = proctab_get(pt, pid);
        struct tide_actor a = {0};
        struct rstr *exe;

        if (!p)
                p = proctab_adopt(pt, pid, true, now);
        if (!p)
                return -ESRCH;
        complete(pt, p, now);
        buf_reset(scratch);
        exe = link_exe(p->link);
        a.pid = p->pid;
        a.start = p->start;
        a.flags = (p->start ? ACTOR_PID : 0) | (exe ? ACTOR_EXE : 0) | (p->tty ? ACTOR_TTY : 0);
        a.uid = p->uid;
        a.gid = p->gid;
        a.login_uid = p->login_uid;
        a.session = p->session;
        a.exe = rstr_bytes(exe);
        a.exe_layer = link_layer(p->link);
        a.comm = bytes_of(p->comm, strnlen(p->comm, sizeof(p->comm)));
        a.origin = proctab_origin(p);
        proctab_visit_told(p->visit, &a);
        if (p->c && link_lineage(p->link, scratch))
                a.flags |= ACTOR_LINEAGE;
        if (!scratch->err)
                a.lineage = buf_bytes(scratch);
        *ret = a;
        *ret_c = p->c;
        return 0;
}

void proctab_each_acting(const struct proctab *pt,
                         void (*cb)(uint32_t pid, uint64_t start, struct container *c, void *arg), void *arg)
{
        void *value;

        for (size_t i = 0; map_next(pt->by_pid, &i, NULL, &value);) {
                struct proc *p = value;

                if (p->c && p->acting && !p->exited)
                        cb(p->pid, p->start, p->c, arg);
        }
}

int proctab_start(const struct proctab *pt, uint32_t pid, uint64_t *ret)
{
        const struct proc *p = proctab_get(pt, pid);

        if (!p || p->exited || !p->start)
                return -ESRCH;
        *ret = p->start;
        return 0;
}

void proctab_stats(const struct proctab *pt, struct proctab_stats *ret)
{
        *ret = pt->stats;
        ret->processes = map_count(pt->by_pid);
        ret->waiting = pt->waiting;
}
