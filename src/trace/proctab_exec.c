/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_exec - what an execution was: read from /proc at its message, joined with the files that fanotify saw opened.
 *
 * The kernel opens, in this order: what was called; its interpreter, if that is a script (which may be a script again);
 * the dynamic loader. Openings of one process come in order, but without a time: the last of several executions that
 * wait is anchored by what /proc shows, the others take theirs from the front.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "procfs-priv.h"
#include "proctab-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define OPENINGS_MAX 32u
#define OPENING_AGE_NS (2 * NSEC_PER_SEC) /* an opening whose exec failed belongs to no later one */

static struct opening *opening_free(struct opening *o)
{
        struct opening *next = o->next;

        rstr_unref(o->path);
        free(o);
        return next;
}

void proctab_openings_free(struct proc *p)
{
        while (p->openings)
                p->openings = opening_free(p->openings);
        p->openings_count = 0;
}

void proctab_exec_free(struct exec *e)
{
        if (!e)
                return;
        link_unref(e->link);
        visit_unref(e->visit);
        link_unref(e->caller);
        rstr_unref(e->program);
        rstr_unref(e->cwd);
        rstr_unref(e->args);
        free(e);
}

/*
 * It was gone before /proc could say where it was, but what it ran lies in a container, and a runtime forked it: the
 * first program of an exec session.
 */
static void enter_by_opening(struct proctab *pt, struct proc *p, struct container *c, uint64_t now)
{
        uint64_t boot = p->missed_ns;

        p->missed_ns = 0;
        proctab_join(p, c, false);
        proctab_classify(pt, p);
        proctab_exec_read(pt, p, boot, now, SRC_PROC, 0);
        if (p->exited) /* before anybody knew where it was */
                proctab_tell_exit(pt, p, p->exited_ns, now);
}

void proctab_open_exec(struct proctab *pt, const struct fan_event *ev, uint64_t now)
{
        struct proc *p = ev->pid && ev->fd >= 0 ? proctab_get(pt, ev->pid) : NULL;
        struct opening *o, **end;
        struct container *c, *its;
        struct openfacts f;

        if (!p && ev->pid && ev->fd >= 0)
                p = proctab_adopt(pt, ev->pid, true, now);
        if (!p || pt->sys.opened(ev->fd, &pt->path, &f, pt->sys.arg) < 0)
                return;
        its = containers_by_dev(pt->cs, f.dev);
        c = its ? its : p->c;
        if (!c)
                return;
        if (!p->c && p->missed_ns)
                enter_by_opening(pt, p, c, now);
        while (p->openings && (p->openings_count >= OPENINGS_MAX || p->openings->at_ns + OPENING_AGE_NS < now)) {
                p->openings = opening_free(p->openings);
                p->openings_count--;
        }
        o = calloc(1, sizeof(*o));
        if (!o)
                return;
        o->facts = f;
        o->at_ns = now;
        o->tag = its ? its->tag : 0;
        pt->sys.place(c, p->pid, &f, &pt->path, &o->layer, &o->change, pt->sys.arg);
        o->path = rstr_new(buf_bytes(&pt->path));
        for (end = &p->openings; *end;)
                end = &(*end)->next;
        *end = o;
        p->openings_count++;
}

/* ---- at the message ---- */

/* Arguments are in the process's memory: somebody else reads them, who may hang. The sooner asked, the sooner read. */
static void ask_args(struct proctab *pt, const struct proc *p, struct waiting *w)
{
        struct exec *e = w->exec;

        e->args_state = ARGS_NONE;
        if (!pt->ops->want_args)
                return;
        e->token = ++pt->last_token;
        e->args_state = ARGS_ASKED;
        if (pt->ops->want_args(p->c, e->token, p->pid, p->start, pt->arg) == 0)
                return; /* and may have been answered already */
        e->args_state = ARGS_NONE;
        pt->stats.args_refused++;
}

static const struct waiting *by_token(const struct proctab *pt, uint64_t token)
{
        const struct waiting *w = pt->first;

        while (w && !(w->exec && w->exec->token == token))
                w = w->next;
        return w;
}

void proctab_args(struct proctab *pt, uint64_t token, int error, struct bytes args, uint32_t total)
{
        const struct waiting *w = by_token(pt, token);
        struct exec *e = w ? w->exec : NULL;

        if (!e || e->args_state != ARGS_ASKED)
                return;
        e->args_state = ARGS_NONE;
        if (error < 0) {
                pt->stats.args_gone += error == -ESRCH || error == -ENOENT;
                return;
        }
        e->args_state = ARGS_HAD;
        e->args = rstr_new(args);
        e->args_total = total;
        pt->stats.args_read++;
}

/* A link for what runs from now on; those who were forked before keep the old one. */
static bool renew_link(struct proc *p)
{
        struct link *l = link_new(p->pid, p->start, p->link->up);

        if (!l)
                return false;
        l->complete = p->link->complete;
        memcpy(l->comm, p->comm, sizeof(l->comm));
        link_unref(p->link);
        p->link = l;
        return true;
}

static void host_exec(struct proctab *pt, struct proc *p, uint64_t now)
{
        struct bytes exe;
        struct procfs_stat st;

        if (pt->sys.link(p->pid, "exe", &pt->path, pt->sys.arg) < 0)
                buf_reset(&pt->path);
        exe = buf_bytes(&pt->path);
        p->runtime = proctab_is_runtime(exe) || (p->runtime && proctab_makes_containers(exe, true));
        if (p->runtime)
                proctab_expect(pt, now);
        if (!renew_link(p))
                return;
        p->link->exe = exe.len ? rstr_new(exe) : NULL;
        p->link->exe_layer = LAYER_HOST;
        if (p->runtime && pt->sys.stat(p->pid, &st, pt->sys.arg) == 0)
                memcpy(p->comm, st.comm, sizeof(p->comm) - 1);
        if (p->runtime && proctab_makes_containers(exe, true)) {
                proctab_candidate(pt, p->pid, now);
                proctab_stop(pt, p);
        }
}

/* Everything that /proc says now; false: it is gone, or the pid is another's. */
static bool read_alive(struct proctab *pt, struct proc *p, struct exec *e)
{
        struct procfs_stat st;

        if (pt->sys.stat(p->pid, &st, pt->sys.arg) < 0 || st.state == 'Z' || st.state == 'X' ||
            (p->start && st.start > p->start + 1))
                return false;
        p->start = st.start;
        p->tty = st.tty != 0;
        memset(p->comm, 0, sizeof(p->comm));
        memcpy(p->comm, st.comm, sizeof(p->comm) - 1);
        if (!p->ids_known)
                proctab_ids(pt, p);
        if (pt->sys.link(p->pid, "cwd", &pt->path, pt->sys.arg) == 0)
                e->cwd = rstr_new(buf_bytes(&pt->path));
        return true;
}

void proctab_exec_read(struct proctab *pt, struct proc *p, uint64_t boot_ns, uint64_t now, unsigned sources,
                       uint64_t interval_ns)
{
        struct exec *e;
        struct waiting *w;
        uint8_t change;
        bool alive;

        if (!p->c) {
                host_exec(pt, p, now);
                return;
        }
        e = calloc(1, sizeof(*e));
        w = e ? proctab_wait(pt, TIDE_EXEC, p->c, boot_ns, now, sources) : NULL;
        if (!w) {
                free(e);
                return;
        }
        w->exec = e;
        e->serial = p->serial;
        w->start = p->start;
        if (p->start) /* else the request waits for it: a pid alone names nobody */
                ask_args(pt, p, w);
        if (p->last_exec)
                p->last_exec->exec->then = w;
        p->last_exec = w;
        if (!p->untold) /* its link is that of what it runs already: what ran before is not known any more */
                e->caller = p->origin == ORIGIN_FOREIGN || p->link->up || !p->runtime ? link_ref(p->link) : NULL;
        p->untold = false;
        p->runtime = false;
        alive = read_alive(pt, p, e);
        proctab_visit_read(p, alive);
        if (alive && pt->sys.exe(p->pid, &pt->path, &e->facts, pt->sys.arg) == 0)
                e->have_exe = true;
        if (renew_link(p) && e->have_exe) {
                pt->sys.place(p->c, p->pid, &e->facts, &pt->path, &p->link->exe_layer, &change, pt->sys.arg);
                e->program_change = change;
                p->link->exe = rstr_new(buf_bytes(&pt->path));
        }
        e->link = link_ref(p->link);
        e->uid = p->uid;
        e->gid = p->gid;
        e->login_uid = p->login_uid;
        e->session = p->session;
        e->origin = p->origin;
        e->visit = visit_ref(p->visit);
        e->tty = p->tty;
        e->interval_ns = interval_ns;
        w->pid = p->pid;
        if (!w->start && p->start)
                ask_args(pt, p, w);
        pt->stats.args_gone += p->start == 0;
        w->start = p->start;
        p->unresolved++;
        proctab_priv_exec(pt, p, now);
        pt->stats.execs++;
        if (p->c->first_boot_ns == 0 && !p->c->running_before)
                p->c->first_boot_ns = boot_ns;
}

/* ---- joining ---- */

static bool is_loader(const struct opening *o)
{
        struct bytes s = rstr_bytes(o->path);
        int slash = bytes_rfind(s, '/');

        s = bytes_of(s.p + slash + 1, s.len - (uint32_t)(slash + 1));
        return bytes_has_prefix(s, BYTES_LIT("ld-")) || bytes_has_prefix(s, BYTES_LIT("ld.so")) ||
               bytes_has_prefix(s, BYTES_LIT("ld64.so"));
}

/* The executable that a chain of openings ends in: past scripts. */
static struct opening *chain_end(struct opening *o)
{
        while (o->facts.script && o->next)
                o = o->next;
        return o;
}

static bool same_file(const struct opening *o, const struct exec *e)
{
        return e->have_exe && o->facts.ino == e->facts.ino &&
               (o->facts.dev == e->facts.dev || bytes_eq(rstr_bytes(o->path), rstr_bytes(e->link->exe)));
}

/* How many programs the openings can be of: loaders come with one, and the interpreter with its script. */
static unsigned count_programs(struct opening *o)
{
        unsigned n = 0;

        for (; o; o = chain_end(o)->next)
                n += n == 0 || !is_loader(o);
        return n;
}

/*
 * Which opening was the program of e. The last execution that waits is the one that /proc shows. What was read for an
 * earlier one may show a later one already: it takes from the front, if there are openings for all of them.
 */
static struct opening *find_program(struct proc *p, const struct exec *e)
{
        uint32_t waiting = p->unresolved + p->earlier;
        bool last = waiting <= 1;

        /* Of owners of one pid in turn: only if there is one for each of them is the first the first one's. */
        if (p->earlier && count_programs(p->openings) < waiting)
                p->muddled = true;
        if (p->muddled && (p->earlier || !e->have_exe))
                return NULL;
        if (!e->have_exe)
                return p->openings;
        if (!last && count_programs(p->openings) >= waiting)
                return p->openings;
        for (struct opening *o = p->openings; o; o = last ? o->next : NULL)
                if (same_file(chain_end(o), e))
                        return o;
        return NULL; /* opened before our mark stood */
}

static void forget_through(struct proc *p, const struct opening *last)
{
        bool more = true;

        while (p->openings && more) {
                more = p->openings != last;
                p->openings = opening_free(p->openings);
                p->openings_count--;
        }
        if (p->openings && is_loader(p->openings)) {
                p->openings = opening_free(p->openings);
                p->openings_count--;
        }
}

static void from_opening(struct proctab *pt, struct proc *p, struct exec *e, struct opening *program)
{
        struct opening *end = chain_end(program);

        e->program = rstr_ref(program->path);
        e->program_facts = program->facts;
        e->program_layer = program->layer;
        e->program_change = program->change;
        if (!same_file(end, e)) {
                rstr_unref(e->link->exe);
                e->link->exe = rstr_ref(end->path);
                e->link->exe_layer = end->layer;
                pt->stats.exe_from_fanotify++;
        } else {
                pt->stats.exe_from_proc++;
        }
        forget_through(p, end);
}

/*
 * Without openings: a script is known by its name being the process's (the kernel sets it from what was called) while
 * the executable has another, and by its path among the first arguments.
 */
static bool script_of_args(struct proctab *pt, const struct exec *e, struct bytes comm)
{
        struct bytes exe = rstr_bytes(e->link->exe), args = rstr_bytes(e->args), arg;
        int slash = bytes_rfind(exe, '/');

        exe = bytes_of(exe.p + slash + 1, exe.len - (uint32_t)(slash + 1));
        if (comm.len == 0 || bytes_has_prefix(exe, comm) || !procfs_take_field(&args, 0, &arg))
                return false;
        for (int i = 0; i < 2 && procfs_take_field(&args, 0, &arg); i++) {
                struct bytes name;

                slash = bytes_rfind(arg, '/');
                name = bytes_of(arg.p + slash + 1, arg.len - (uint32_t)(slash + 1));
                if (slash < 0 || !bytes_has_prefix(name, comm))
                        continue;
                buf_reset(&pt->path);
                if (arg.p[0] != '/') {
                        struct bytes cwd = rstr_bytes(e->cwd);

                        if (arg.len > 2 && arg.p[0] == '.' && arg.p[1] == '/')
                                arg = bytes_of(arg.p + 2, arg.len - 2);
                        if (cwd.len > 1)
                                buf_put(&pt->path, cwd.p, cwd.len);
                        buf_put_u8(&pt->path, '/');
                }
                buf_put(&pt->path, arg.p, arg.len);
                return !pt->path.err;
        }
        return false;
}

static void from_proc(struct proctab *pt, struct exec *e)
{
        if (!e->have_exe) {
                pt->stats.exe_unknown++;
                return;
        }
        pt->stats.exe_from_proc++;
        e->program = rstr_ref(e->link->exe);
        e->program_layer = e->link->exe_layer;
        e->program_facts = e->facts;
}

/* Arguments that the next execution has too were read after that one: they are its own. */
static void drop_later_args(struct exec *e)
{
        const struct waiting *n = e->then;

        if (!n || !e->args || !bytes_eq(rstr_bytes(e->args), rstr_bytes(n->exec->args)))
                return;
        e->args = rstr_unref(e->args);
        e->args_total = 0;
        e->args_state = ARGS_NONE;
}

void proctab_exec_finish(struct proctab *pt, struct waiting *w)
{
        struct exec *e = w->exec;
        struct bytes comm = bytes_of(e->link->comm, strnlen(e->link->comm, sizeof(e->link->comm)));

        drop_later_args(e);
        if ((w->sources & SRC_CONTENT) || !e->have_exe || !script_of_args(pt, e, comm))
                return;
        pt->sys.place_path(w->c, buf_bytes(&pt->path), &e->program_layer, &e->program_change, pt->sys.arg);
        rstr_unref(e->program);
        e->program = rstr_new(buf_bytes(&pt->path));
        memset(&e->program_facts, 0, sizeof(e->program_facts));
}

void proctab_exec_resolve(struct proctab *pt, struct proc *p, struct waiting *w, uint64_t now)
{
        struct exec *e = w->exec;
        struct opening *program = NULL;

        if (e->resolved)
                return;
        e->resolved = true;
        while (p && p->openings && p->openings->at_ns + OPENING_AGE_NS < (w->arrived_ns < now ? w->arrived_ns : now)) {
                p->openings = opening_free(p->openings);
                p->openings_count--;
        }
        if (p && p->openings)
                program = find_program(p, e);
        if (program && program->tag && program->tag != w->c->tag) {
                p->muddled = true; /* another container's: the pid's owners cannot be told apart any more */
                program = NULL;
        }
        if (p && p->serial != e->serial)
                p->earlier -= p->earlier > 0;
        else if (p && p->unresolved)
                p->unresolved--;
        if (p && !program && p->muddled && p->earlier + p->unresolved == 0) {
                proctab_openings_free(p); /* nobody's any more: from here on they are its own again */
                p->muddled = false;
        }
        if (program) {
                from_opening(pt, p, e, program);
                w->sources |= SRC_CONTENT;
        } else {
                from_proc(pt, e);
        }
}

void proctab_exec_told(struct proctab *pt, const struct waiting *w, struct tide_event *ev, struct buf *lineage)
{
        const struct exec *e = w->exec;
        struct tide_exec *x = &ev->exec;
        struct rstr *exe = link_exe(e->link);

        (void)pt;
        x->actor.pid = w->pid;
        x->actor.start = w->start;
        x->actor.flags = (w->start ? ACTOR_PID : 0) | (exe ? ACTOR_EXE : 0) | (e->tty ? ACTOR_TTY : 0);
        x->actor.uid = e->uid;
        x->actor.gid = e->gid;
        x->actor.login_uid = e->login_uid;
        x->actor.session = e->session;
        x->actor.origin = e->visit ? e->visit->origin : e->origin;
        proctab_visit_told(e->visit, &x->actor);
        x->actor.exe = rstr_bytes(exe);
        x->actor.exe_layer = e->link->exe_layer;
        x->actor.comm = bytes_of(e->link->comm, strnlen(e->link->comm, sizeof(e->link->comm)));
        buf_reset(lineage);
        if (link_lineage(e->link, lineage))
                x->actor.flags |= ACTOR_LINEAGE;
        if (!lineage->err)
                x->actor.lineage = buf_bytes(lineage);
        x->program = rstr_bytes(e->program);
        x->program_layer = e->program_layer;
        x->program_change = e->program_change;
        x->caller = rstr_bytes(link_exe(e->caller)); /* its own opening may have come meanwhile */
        x->args = rstr_bytes(e->args);
        x->args_total = e->args_total;
        x->cwd = rstr_bytes(e->cwd);
        x->mode = e->program_facts.mode;
        x->size = e->program_facts.size;
        x->ino = e->program_facts.ino;
        x->interval_ns = e->interval_ns;
}
