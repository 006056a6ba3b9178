/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_enter - how a process comes to be in a container, and where it came from; processes that nobody told of.
 *
 * Never: guesses ancestry of a process whose fork was told. Hands over: registered containers to proctab_ops.
 */
#include <errno.h>
#include <string.h>

#include "container-priv.h"
#include "proctab-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define CANDIDATE_NS (10 * NSEC_PER_SEC)
#define CANDIDATE_PAUSE_NS (2 * NSEC_PER_MSEC)
#define EXPECT_NS (300 * NSEC_PER_MSEC) /* a runtime takes some ten to get from one of its programs to the next */
#define ANCESTORS_MAX 32u

/* ---- runtimes ---- */

static bool one_of(struct bytes exe, const char *const *names, size_t n)
{
        int slash = bytes_rfind(exe, '/');

        exe = bytes_of(exe.p + slash + 1, exe.len - (uint32_t)(slash + 1));
        for (size_t i = 0; i < n; i++)
                if (bytes_eq(exe, bytes_str(names[i])))
                        return true;
        return false;
}

bool proctab_makes_containers(struct bytes exe, bool after_runtime)
{
        static const char *const names[] = {"runc", "crun", "youki", "docker-runc", "runc.amd64", "libcontainer"};

        if (one_of(exe, names, ARRAY_LEN(names)))
                return true;
        /* A runtime runs a private copy of itself: a mount of its own, a memfd, a removed file; or it is gone. */
        return after_runtime && (exe.len == 0 || bytes_eq(exe, BYTES_LIT("/")) ||
                                 bytes_has_prefix(exe, BYTES_LIT("/memfd:")) ||
                                 bytes_has_suffix(exe, BYTES_LIT(" (deleted)")));
}

bool proctab_is_runtime(struct bytes exe)
{
        static const char *const names[] = {
                "conmon",         "conmonrs",           "podman",  "docker",  "dockerd",
                "dockerd-current", "containerd",        "crio",    "buildah", "nerdctl",
                "containerd-shim", "containerd-shim-runc-v1", "containerd-shim-runc-v2",
                "docker-containerd", "docker-containerd-shim", "docker-containerd-shim-current",
        };

        return proctab_makes_containers(exe, false) || one_of(exe, names, ARRAY_LEN(names));
}

void proctab_expect(struct proctab *pt, uint64_t now)
{
        pt->expected_ns = now + EXPECT_NS;
}

bool proctab_expects(const struct proctab *pt, uint64_t now)
{
        return now < pt->expected_ns;
}

void proctab_candidate(struct proctab *pt, uint32_t pid, uint64_t now)
{
        size_t i;

        proctab_expect(pt, now);
        for (i = 0; i < pt->candidates_count && pt->candidates[i].pid != pid; i++)
                ;
        if (i == CANDIDATES)
                return; /* its exec will tell, a little later */
        if (i == pt->candidates_count)
                pt->candidates_count++;
        pt->candidates[i] = (struct candidate){.pid = pid, .until_ns = now + CANDIDATE_NS};
}

/* While a runtime waits between create and start, its container can be found and marked before its first act. */
void proctab_ask_candidates(struct proctab *pt, uint64_t now)
{
        for (size_t i = 0; i < pt->candidates_count;) {
                struct candidate *a = &pt->candidates[i];
                struct proc *p = proctab_get(pt, a->pid);

                if (p && !p->exited && !p->c && p->runtime && now <= a->until_ns) {
                        if (a->asked_ns && now < a->asked_ns + CANDIDATE_PAUSE_NS) {
                                i++;
                                continue;
                        }
                        a->asked_ns = now;
                        proctab_enter(pt, p, 0, now);
                        if (!p->c) {
                                i++;
                                continue;
                        }
                }
                /* entering may have adopted others, never added candidates: a is still this one */
                *a = pt->candidates[--pt->candidates_count];
        }
}

/* ---- containers ---- */

void proctab_join(struct proc *p, struct container *c, bool stranger)
{
        p->c = c;
        p->stranger = stranger;
        if (p->exited)
                return;
        c->tasks++;
        c->strangers += stranger;
        if (!stranger)
                c->empty_boot_ns = 0;
}

static void emptied(struct proctab *pt, struct container *c, uint64_t now)
{
        if (c->empty_boot_ns)
                return;
        c->empty_boot_ns = now;
        if (pt->ops->emptied)
                pt->ops->emptied(c, pt->arg);
}

void proctab_leave(struct proctab *pt, struct proc *p, uint64_t now)
{
        struct container *c = p->c;

        proctab_ns_leave(pt, p);
        c->tasks -= c->tasks > 0;
        c->strangers -= p->stranger && c->strangers > 0;
        if (c->tasks == c->strangers)
                emptied(pt, c, now);
}

static void registered(struct proctab *pt, struct container *c, uint64_t first_boot_ns, uint64_t now)
{
        c->running_before = pt->scanning && pt->at_start;
        if (pt->scanning && !first_boot_ns)
                first_boot_ns = c->init_start * (NSEC_PER_SEC / 100);
        c->first_boot_ns = c->running_before ? 0 : first_boot_ns;
        if (pt->ops->container)
                pt->ops->container(c, c->running_before, pt->arg);
        proctab_tell_container(pt, c, TIDE_CTR_START, c->first_boot_ns ? c->first_boot_ns : now,
                              pt->scanning ? SRC_PROCFS : SRC_PROC);
}

void proctab_enter(struct proctab *pt, struct proc *p, uint64_t first_boot_ns, uint64_t now)
{
        uint64_t mnt, pidns;
        struct container *c;
        bool is_new = false, stranger = false;
        int r;

        if (pt->sys.ns(p->pid, "mnt", &mnt, pt->sys.arg) < 0 || pt->sys.ns(p->pid, "pid", &pidns, pt->sys.arg) < 0)
                return;
        if (mnt == containers_own_mntns(pt->cs) && pidns == containers_own_pidns(pt->cs))
                return;
        r = pt->sys.of_pid(pt->cs, p->pid, &c, &is_new, pt->sys.arg);
        if (r == -ESTALE) {
                proctab_retire(pt, c, now);
                r = pt->sys.of_pid(pt->cs, p->pid, &c, &is_new, pt->sys.arg);
        }
        if (r == -ENOENT || (r == -EAGAIN && !p->runtime)) {
                c = containers_by_ns(pt->cs, mnt, pidns);
                stranger = true;
                r = c ? 0 : -ENOENT;
        }
        if (r == -ENOENT && !p->runtime && mnt != containers_own_mntns(pt->cs) && pidns != containers_own_pidns(pt->cs))
                containers_unnamed(pt->cs, mnt);
        if (r < 0)
                return;
        proctab_join(p, c, stranger);
        if (!is_new)
                return;
        registered(pt, c, first_boot_ns, now);
        if (c->init_pid != p->pid && !proctab_get(pt, c->init_pid))
                (void)!proctab_adopt(pt, c->init_pid, true, now);
}

/* ---- origin ---- */

static uint8_t take_from(struct proc *p, const struct proc *other)
{
        p->visit = visit_ref(other->visit);
        return other->origin;
}

/* Found in the init's tree. An orphan of an exec session hangs there too: its session tells, unless it made its own. */
static uint8_t origin_below_init(struct proctab *pt, struct proc *p, const struct proc *init)
{
        const struct proc *leader;
        struct procfs_stat st, of_init;

        if (pt->sys.stat(p->pid, &st, pt->sys.arg) < 0 || pt->sys.stat(init->pid, &of_init, pt->sys.arg) < 0)
                return ORIGIN_UNKNOWN;
        if (st.session == of_init.session || st.session == p->pid)
                return ORIGIN_ENTRYPOINT;
        leader = proctab_get(pt, st.session);
        return leader && leader->c == p->c && leader->acting ? take_from(p, leader) : (uint8_t)ORIGIN_UNKNOWN;
}

static uint8_t origin_found(struct proctab *pt, struct proc *p)
{
        const struct proc *parent = proctab_get(pt, p->ppid);

        if (parent && parent->c == p->c && parent->acting)
                return parent->pid == p->c->init_pid ? origin_below_init(pt, p, parent) : take_from(p, parent);
        if (parent && parent->runtime)
                return ORIGIN_EXEC;
        return p->stranger ? ORIGIN_FOREIGN : ORIGIN_UNKNOWN;
}

void proctab_classify(struct proctab *pt, struct proc *p)
{
        if (p->pid == p->c->init_pid && !p->stranger)
                p->origin = ORIGIN_ENTRYPOINT;
        else if (p->found)
                p->origin = origin_found(pt, p);
        else
                p->origin = p->runtime ? ORIGIN_EXEC : ORIGIN_FOREIGN;
        if (p->origin == ORIGIN_EXEC && !p->visit) /* without memory for one it stays exec */
                p->visit = visit_new(p->pid, ORIGIN_EXEC);
        p->acting = true;
        p->ids_known = false; /* the runtime changed them on the way */
        if (!p->link->up)
                p->link->complete = p->origin != ORIGIN_UNKNOWN;
}

void proctab_ids(struct proctab *pt, struct proc *p)
{
        struct procfs_status st;
        uint32_t v;

        if (pt->sys.status(p->pid, &st, pt->sys.arg) < 0)
                return;
        p->uid = st.euid;
        p->gid = st.egid;
        p->uids = (struct proc_ids){.real = st.uid, .saved = st.suid};
        p->gids = (struct proc_ids){.real = st.gid, .saved = st.sgid};
        p->login_uid = pt->sys.number(p->pid, "loginuid", &v, pt->sys.arg) == 0 ? v : UNSET;
        p->session = pt->sys.number(p->pid, "sessionid", &v, pt->sys.arg) == 0 ? v : UNSET;
        p->ids_known = true;
}

/* ---- found running ---- */

/*
 * A runtime's process that waits inside its container for the word to start. The name is its own to choose, and so is a
 * program in memory: it is believed for as long as it does nothing (proctab_unmask).
 */
static bool is_waiting_runtime(const struct proc *p, struct bytes exe)
{
        return proctab_makes_containers(exe, true) && !strncmp(p->comm, "runc:[", 6) &&
               p->pid == p->c->init_pid && p->link->exe_layer != LAYER_IMAGE && p->link->exe_layer != LAYER_WRITE &&
               p->link->exe_layer != LAYER_TMPFS;
}

void proctab_unmask(struct proctab *pt, struct proc *p, uint64_t now)
{
        if (!p || !p->c || !p->found || !p->runtime || p->acting || p->pid != p->c->init_pid)
                return;
        p->runtime = false;
        proctab_classify(pt, p);
        proctab_ids(pt, p);
        p->link->exe = rstr_unref(p->link->exe);
        proctab_exec_read(pt, p, now, now, SRC_PROCFS, 0);
}

static void adopt_in_container(struct proctab *pt, struct proc *p, const struct proc *parent)
{
        struct openfacts f;
        uint8_t change;

        if (parent && parent->c == p->c && parent->acting) {
                struct link *l = link_new(p->pid, p->start, parent->link);

                if (l) {
                        memcpy(l->comm, p->comm, sizeof(l->comm));
                        link_unref(p->link);
                        p->link = l;
                }
        }
        if (pt->sys.exe(p->pid, &pt->path, &f, pt->sys.arg) == 0) {
                pt->sys.place(p->c, p->pid, &f, &pt->path, &p->link->exe_layer, &change, pt->sys.arg);
                p->runtime = is_waiting_runtime(p, buf_bytes(&pt->path));
                p->link->exe = rstr_new(buf_bytes(&pt->path));
        }
        if (!p->runtime)
                proctab_classify(pt, p);
}

static uint64_t ran_for(const struct procfs_stat *st, uint64_t now)
{
        uint64_t began = st->start * (NSEC_PER_SEC / 100);

        return now > began ? now - began : 0;
}

static struct proc *adopt(struct proctab *pt, uint32_t pid, bool tell, uint64_t now, unsigned depth)
{
        struct proc *p = proctab_get(pt, pid), *parent = NULL;
        struct procfs_stat st;

        if (p)
                return p;
        if (pid == 0 || depth > ANCESTORS_MAX || pt->sys.stat(pid, &st, pt->sys.arg) < 0 || st.state == 'Z')
                return NULL;
        if (st.ppid > 1)
                parent = adopt(pt, st.ppid, true, now, depth + 1);
        p = proctab_get(pt, pid); /* with its parent a container may have been found, and in it this process */
        if (p)
                return p;
        p = proctab_add(pt, pid, NULL);
        if (!p)
                return NULL;
        p->found = true;
        p->seen = true;
        p->ppid = st.ppid;
        p->start = p->link->start = st.start;
        p->tty = st.tty != 0;
        memcpy(p->comm, st.comm, sizeof(p->comm) - 1);
        memcpy(p->link->comm, p->comm, sizeof(p->comm));
        if (pt->sys.link(pid, "exe", &pt->path, pt->sys.arg) == 0) {
                p->runtime = proctab_is_runtime(buf_bytes(&pt->path));
                p->link->exe = rstr_new(buf_bytes(&pt->path));
                p->link->exe_layer = LAYER_HOST;
        }
        proctab_enter(pt, p, tell ? 0 : now, now);
        if (!p->c)
                return p;
        p->link->exe = rstr_unref(p->link->exe);
        p->runtime = false;
        parent = proctab_get(pt, st.ppid);
        proctab_unmask(pt, parent && parent->c == p->c ? parent : NULL, now);
        adopt_in_container(pt, p, parent);
        proctab_ids(pt, p);
        if (!p->acting || !tell)
                return p;
        p->link->exe = rstr_unref(p->link->exe); /* what it ran before is not known: what it runs is read below */
        proctab_exec_read(pt, p, now, now, SRC_PROCFS, ran_for(&st, now));
        proctab_ns_look(pt, p, now, now);
        return p;
}

struct proc *proctab_adopt(struct proctab *pt, uint32_t pid, bool tell, uint64_t now)
{
        return adopt(pt, pid, tell, now, 0);
}

/* ---- scan ---- */

struct scan {
        struct proctab *pt;
        uint64_t now;
        uint32_t *pids;
        size_t n, cap;
};

static int collect(uint32_t pid, void *arg)
{
        struct scan *s = arg;

        if (s->n == s->cap) {
                size_t cap = s->cap ? s->cap * 2 : 1024;
                uint32_t *more = realloc(s->pids, cap * sizeof(*more));

                if (!more)
                        return -ENOMEM;
                s->pids = more;
                s->cap = cap;
        }
        s->pids[s->n++] = pid;
        return 0;
}

/* Known, but did it run something since that nobody told of? */
static void look_again(struct proctab *pt, struct proc *p, const struct procfs_stat *st, uint64_t now)
{
        struct openfacts f;
        uint8_t layer, change;

        if (!p->c) {
                proctab_enter(pt, p, 0, now);
                if (!p->c || p->runtime)
                        return;
                proctab_classify(pt, p);
                proctab_exec_read(pt, p, now, now, SRC_PROCFS, ran_for(st, now));
                return;
        }
        proctab_ns_look(pt, p, now, now);
        if (!p->acting || p->unresolved || pt->sys.exe(p->pid, &pt->path, &f, pt->sys.arg) < 0)
                return;
        pt->sys.place(p->c, p->pid, &f, &pt->path, &layer, &change, pt->sys.arg);
        if (p->untold || !bytes_eq(buf_bytes(&pt->path), rstr_bytes(link_exe(p->link))))
                proctab_exec_read(pt, p, now, now, SRC_PROCFS, ran_for(st, now));
}

static void scan_one(struct proctab *pt, uint32_t pid, uint64_t now)
{
        struct proc *p = proctab_get(pt, pid);
        struct procfs_stat st;

        if (pt->sys.stat(pid, &st, pt->sys.arg) < 0)
                return;
        if (p && (p->exited || (p->start && p->start != st.start))) {
                proctab_flush(pt, now);
                if (!p->exited)
                        proctab_exited(pt, p, 0, now, now);
                proctab_flush(pt, now);
                if (st.state == 'Z' && p->start == st.start)
                        return;
                proctab_drop(pt, p);
                p = NULL;
        }
        if (!p)
                p = proctab_adopt(pt, pid, true, now);
        else if (st.state != 'Z' && !p->seen)
                look_again(pt, p, &st, now);
        if (!p)
                return;
        p->seen = true;
        if (p->start == 0)
                p->start = p->link->start = st.start;
}

static void end_unseen(struct proctab *pt, uint64_t now)
{
        struct container *c;
        void *value;

        for (size_t i = 0; map_next(pt->by_pid, &i, NULL, &value);) {
                struct proc *p = value;

                if (!p->seen && !p->exited)
                        proctab_exited(pt, p, 0, now, now);
        }
        for (size_t i = 0; containers_next(pt->cs, &i, &c);)
                if (c->tasks == c->strangers)
                        emptied(pt, c, now);
}

void proctab_untold(struct proctab *pt, uint32_t pid, uint64_t start)
{
        struct proc *p = proctab_get(pt, pid);

        if (p && p->start == start && !p->exited)
                p->untold = true;
}

int proctab_scan(struct proctab *pt, uint64_t now, bool at_start)
{
        struct scan s = {.pt = pt, .now = now};
        void *value;
        int r;

        for (size_t i = 0; map_next(pt->by_pid, &i, NULL, &value);)
                ((struct proc *)value)->seen = false;
        pt->sys.offsets(&pt->boot_offset, &pt->wall_offset, pt->sys.arg);
        r = pt->sys.each(collect, &s, pt->sys.arg);
        if (r == 0) {
                pt->scanning = true;
                pt->at_start = at_start;
                for (size_t i = 0; i < s.n; i++)
                        scan_one(pt, s.pids[i], now);
                end_unseen(pt, now);
                proctab_flush(pt, now);
                pt->scanning = false;
        }
        free(s.pids);
        return r;
}
