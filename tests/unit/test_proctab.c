/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proctab: driven by messages as the kernel would send them, over a /proc that the test makes up. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "trace/container-priv.h"
#include "trace/proctab-priv.h"

#define SEC NSEC_PER_SEC
#define ROOT_DEV 77u

/* ---- a system ---- */

struct task {
        uint32_t pid, ppid, session;
        uint64_t start;
        const char *exe, *comm, *cwd, *args;
        size_t args_len;
        int ctr;      /* 0: the host; else number of the container whose namespaces it has */
        bool cgroup;  /* its cgroup names the container */
        bool pending; /* its root is still the host's */
        uint32_t uid;
        uint64_t mnt;        /* its mount namespace, if it is not its container's */
        const uint32_t *ids; /* real, effective, saved, where they differ */
        uint32_t mode;       /* more bits of what it runs */
};
struct file {
        int fd;
        const char *path;
        bool script;
};
static struct system {
        struct task tasks[64];
        size_t n;
        struct file files[32];
        size_t files_n;
        uint32_t init[4];
        struct containers *cs;
        uint64_t own_mnt, own_pid;
} sys;

static struct task *task(uint32_t pid)
{
        for (size_t i = 0; i < sys.n; i++)
                if (sys.tasks[i].pid == pid)
                        return &sys.tasks[i];
        return NULL;
}

static struct task *spawn(uint32_t pid, uint32_t ppid, const char *exe, int ctr)
{
        struct task *t = &sys.tasks[sys.n++];
        const char *slash = strrchr(exe, '/');

        *t = (struct task){.pid = pid, .ppid = ppid, .session = pid, .start = 1000 + pid, .exe = exe, .ctr = ctr,
                           .cgroup = ctr != 0, .cwd = "/", .args = exe, .args_len = strlen(exe) + 1};
        t->comm = slash ? slash + 1 : exe;
        return t;
}

static void vanish(uint32_t pid)
{
        struct task *t = task(pid);

        if (t)
                *t = sys.tasks[--sys.n];
}

/* A file's number is its name's, so that the same name is the same file. */
static struct openfacts facts_of(const char *path)
{
        struct openfacts f = {.dev = path[0] == '/' && strncmp(path, "/usr/", 5) ? ROOT_DEV : 1, .mode = 0100755,
                              .nlink = 1, .size = strlen(path)};

        for (const char *p = path; *p; p++)
                f.ino = f.ino * 31 + (uint8_t)*p;
        return f;
}

static int f_stat(uint32_t pid, struct procfs_stat *ret, void *arg)
{
        const struct task *t = task(pid);

        (void)arg;
        if (!t)
                return -ENOENT;
        *ret = (struct procfs_stat){.pid = pid, .ppid = t->ppid, .session = t->session, .start = t->start,
                                    .state = 'S'};
        strncpy(ret->comm, t->comm, sizeof(ret->comm) - 1);
        return 0;
}
static int f_status(uint32_t pid, struct procfs_status *ret, void *arg)
{
        const struct task *t = task(pid);

        (void)arg;
        if (!t)
                return -ENOENT;
        *ret = (struct procfs_status){.uid = t->uid, .euid = t->uid, .suid = t->uid};
        if (t->ids) {
                ret->uid = t->ids[0];
                ret->euid = t->ids[1];
                ret->suid = t->ids[2];
        }
        return 0;
}
static int f_read(uint32_t pid, const char *file, struct buf *out, void *arg)
{
        const struct task *t = task(pid);

        (void)arg;
        (void)file;
        buf_reset(out);
        if (!t)
                return -ENOENT;
        buf_put(out, t->args, t->args_len);
        return out->err;
}
static int f_link(uint32_t pid, const char *file, struct buf *out, void *arg)
{
        const struct task *t = task(pid);

        (void)arg;
        buf_reset(out);
        if (!t)
                return -ENOENT;
        buf_put_str(out, strcmp(file, "exe") ? t->cwd : t->exe);
        return 0;
}
static int f_number(uint32_t pid, const char *file, uint32_t *ret, void *arg)
{
        (void)arg;
        (void)file;
        *ret = 4242;
        return task(pid) ? 0 : -ENOENT;
}
static int f_ns(uint32_t pid, const char *name, uint64_t *ret, void *arg)
{
        const struct task *t = task(pid);
        bool mnt = !strcmp(name, "mnt");

        (void)arg;
        if (!t)
                return -ENOENT;
        if (t->mnt && strcmp(name, "pid") != 0)
                *ret = t->mnt;
        else if (t->ctr)
                *ret = (uint64_t)t->ctr * 10 + mnt;
        else
                *ret = mnt ? sys.own_mnt : sys.own_pid;
        return 0;
}
static int f_each(int (*cb)(uint32_t pid, void *arg), void *cb_arg, void *arg)
{
        (void)arg;
        for (size_t i = 0; i < sys.n; i++)
                if (cb(sys.tasks[i].pid, cb_arg) < 0)
                        return -EIO;
        return 0;
}
static int f_exe(uint32_t pid, struct buf *path, struct openfacts *ret, void *arg)
{
        const struct task *t = task(pid);

        (void)arg;
        buf_reset(path);
        if (!t)
                return -ENOENT;
        buf_put_str(path, t->exe);
        *ret = facts_of(t->exe);
        ret->mode |= t->mode;
        return 0;
}
static int f_opened(int fd, struct buf *path, struct openfacts *ret, void *arg)
{
        (void)arg;
        buf_reset(path);
        for (size_t i = 0; i < sys.files_n; i++)
                if (sys.files[i].fd == fd) {
                        buf_put_str(path, sys.files[i].path);
                        *ret = facts_of(sys.files[i].path);
                        ret->script = sys.files[i].script;
                        return 0;
                }
        return -EBADF;
}
static void f_place_path(const struct container *c, struct bytes path, uint8_t *layer, uint8_t *change, void *arg)
{
        bool tmp = bytes_has_prefix(path, BYTES_LIT("/tmp/"));

        (void)arg;
        *layer = !c ? LAYER_HOST : tmp ? LAYER_WRITE : LAYER_IMAGE;
        if (bytes_has_prefix(path, BYTES_LIT("/memfd:")))
                *layer = LAYER_MEMFD;
        *change = tmp ? CHANGE_ADDED : CHANGE_UNKNOWN;
}
static void f_place(const struct container *c, uint32_t pid, const struct openfacts *f, struct buf *path,
                    uint8_t *layer, uint8_t *change, void *arg)
{
        (void)pid;
        (void)f;
        f_place_path(c, buf_bytes(path), layer, change, arg);
}
static int f_of_pid(struct containers *cs, uint32_t pid, struct container **ret, bool *ret_new, void *arg)
{
        const struct task *t = task(pid);
        struct container proto = {.runtime = "podman", .root_dev = ROOT_DEV};
        struct container *c;

        (void)arg;
        if (!t)
                return -ESRCH;
        if (!t->cgroup)
                return -ENOENT;
        if (t->pending)
                return -EAGAIN;
        memset(proto.id, 'a' + t->ctr, CONTAINER_ID);
        c = containers_by_id(cs, bytes_str(proto.id));
        if (c && !task(c->init_pid)) {
                *ret = c;
                return -ESTALE;
        }
        *ret_new = !c;
        *ret = c;
        if (c)
                return 0;
        proto.init_pid = sys.init[t->ctr];
        proto.init_start = 1000 + proto.init_pid;
        proto.mntns = (uint64_t)t->ctr * 10 + 1;
        proto.pidns = (uint64_t)t->ctr * 10;
        return containers_insert(cs, &proto, ret);
}
static void f_offsets(int64_t *boot, int64_t *wall, void *arg)
{
        (void)arg;
        *boot = 0;
        *wall = 1000;
}

static const struct proctab_reader reader = {
        .stat = f_stat, .status = f_status, .read = f_read, .link = f_link, .number = f_number, .ns = f_ns,
        .each = f_each, .exe = f_exe, .opened = f_opened,
        .place = f_place, .place_path = f_place_path, .of_pid = f_of_pid,
        .offsets = f_offsets,
};

/* ---- what comes of it ---- */

struct told {
        uint16_t kind, flags, sources;
        uint32_t pid;
        uint8_t origin, program_layer, program_change, exe_layer;
        uint32_t actor_flags, uid, login_uid, args_total;
        uint64_t interval_ns, from, to;
        uint8_t what, where;
        uint32_t priv_flags;
        char exe[128], program[128], caller[128], lineage[1024];
        unsigned ancestors;
};
static struct told told[4096];
static size_t told_n;
static unsigned marked, gone;
static struct proctab *pt;
static uint64_t now;

static void text(char *dst, size_t size, struct bytes s)
{
        str_print(s, dst, size);
}

static void on_event(struct tide_event *ev, struct container *c, void *arg)
{
        struct told *t = &told[told_n < ARRAY_LEN(told) ? told_n++ : 0];
        struct tide_ancestor a;
        struct rd r;

        (void)arg;
        CU_ASSERT(bytes_eq(ev->container, bytes_str(c->id)));
        CU_ASSERT_EQUAL(ev->wall_ns, (int64_t)ev->boot_ns + 1000);
        *t = (struct told){.kind = ev->kind, .flags = ev->flags, .sources = ev->sources};
        if (ev->kind == TIDE_FORK)
                t->pid = ev->fork.pid;
        if (ev->kind == TIDE_EXIT)
                t->pid = ev->exit.pid;
        if (ev->kind == TIDE_PRIV) {
                t->pid = ev->priv.actor.pid;
                t->what = ev->priv.what;
                t->from = ev->priv.from;
                t->to = ev->priv.to;
                t->priv_flags = ev->priv.flags;
                t->where = ev->priv.where;
        }
        if (ev->kind != TIDE_EXEC)
                return;
        t->pid = ev->exec.actor.pid;
        t->origin = ev->exec.actor.origin;
        t->actor_flags = ev->exec.actor.flags;
        t->uid = ev->exec.actor.uid;
        t->login_uid = ev->exec.actor.login_uid;
        t->exe_layer = ev->exec.actor.exe_layer;
        t->program_layer = ev->exec.program_layer;
        t->program_change = ev->exec.program_change;
        t->interval_ns = ev->exec.interval_ns;
        t->args_total = ev->exec.args_total;
        CU_ASSERT(ev->exec.args.len <= TIDE_ARGS_MAX);
        text(t->exe, sizeof(t->exe), ev->exec.actor.exe);
        text(t->program, sizeof(t->program), ev->exec.program);
        text(t->caller, sizeof(t->caller), ev->exec.caller);
        rd_init(&r, ev->exec.actor.lineage.p, ev->exec.actor.lineage.len);
        while (tide_lineage_next(&r, &a) == 1) {
                char exe[64];

                t->ancestors++;
                snprintf(t->lineage + strlen(t->lineage), sizeof(t->lineage) - strlen(t->lineage), "%u:%s ", a.pid,
                         str_print(a.exe, exe, sizeof(exe)));
        }
}
static void on_container(struct container *c, bool before, void *arg)
{
        (void)arg;
        marked++;
        CU_ASSERT_EQUAL(before, c->running_before);
        c->marked_boot_ns = now;
}
static void on_gone(struct container *c, void *arg)
{
        (void)arg;
        CU_ASSERT(c->tasks == c->strangers);
        gone++;
}

/* Arguments come at once, or when the test says so. */
static struct {
        bool hold;
        int refuse;
        uint64_t token;
        uint32_t pid;
        unsigned asked;
} reading;

static void answer(uint64_t token, uint32_t pid)
{
        const struct task *t = task(pid);
        uint32_t len = t ? (uint32_t)t->args_len : 0;

        if (len && t->args[len - 1] == 0)
                len--;
        proctab_args(pt, token, t ? 0 : -ESRCH,
                     bytes_of(t ? t->args : "", len < TIDE_ARGS_MAX ? len : TIDE_ARGS_MAX), len);
}
static int on_want_args(struct container *c, uint64_t token, uint32_t pid, uint64_t start, void *arg)
{
        (void)arg;
        CU_ASSERT(c != NULL && start != 0);
        reading.asked++;
        reading.token = token;
        reading.pid = pid;
        if (reading.refuse == 0 && !reading.hold)
                answer(token, pid);
        return reading.refuse;
}
static struct {
        unsigned told, kept;
        uint32_t pid;
        uint64_t ns;
} spaces;
static void on_namespace(struct container *c, uint32_t pid, uint64_t start, uint64_t mntns, bool kept, void *arg)
{
        (void)arg;
        CU_ASSERT(c != NULL && start != 0);
        spaces.told++;
        spaces.kept += kept;
        spaces.pid = pid;
        spaces.ns = mntns;
}
static const struct proctab_ops ops = {.event = on_event, .container = on_container, .gone = on_gone,
                                       .want_args = on_want_args, .namespace = on_namespace};

static void begin_with(size_t limit)
{
        memset(&sys, 0, sizeof(sys));
        told_n = marked = gone = 0;
        memset(&spaces, 0, sizeof(spaces));
        memset(&reading, 0, sizeof(reading));
        now = 100 * SEC;
        CU_ASSERT_FATAL(containers_new(3, true, &sys.cs) == 0);
        sys.own_mnt = containers_own_mntns(sys.cs);
        sys.own_pid = containers_own_pidns(sys.cs);
        CU_ASSERT_FATAL(proctab_new_with(sys.cs, limit, 5 * SEC, &ops, NULL, &reader, &pt) == 0);
        spawn(1, 0, "/usr/lib/systemd", 0);
        spawn(50, 1, "/usr/bin/bash", 0);
}

/* A host with podman's monitor for container 1, whose init is 100, found running. */
static void begin(void)
{
        begin_with(1000);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(100, 60, "/bin/web", 1)->uid = 7;
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        CU_ASSERT_EQUAL(marked, 1);
}
static void end(void)
{
        proctab_free(pt);
        containers_free(sys.cs);
}

static void msg(enum proc_what what, uint32_t pid, uint32_t ptgid)
{
        struct proc_msg m = {.what = what, .pid = pid, .tgid = pid, .ppid = ptgid, .ptgid = ptgid, .mono_ns = now};

        proctab_msg(pt, &m, now);
}
static void forks(uint32_t parent, uint32_t child)
{
        struct task *p = task(parent), *t = task(child);

        if (!t && p) {
                t = spawn(child, parent, p->exe, p->ctr);
                t->cgroup = p->cgroup;
                t->session = p->session;
        }
        msg(PROC_FORK, child, parent);
}
static void execs(uint32_t pid, const char *exe)
{
        struct task *t = task(pid);
        const char *slash = strrchr(exe, '/');

        if (t) {
                t->exe = exe;
                t->comm = slash ? slash + 1 : exe;
                t->args = exe;
                t->args_len = strlen(exe) + 1;
        }
        msg(PROC_EXEC, pid, 0);
}
static void exits(uint32_t pid)
{
        vanish(pid);
        msg(PROC_EXIT, pid, 0);
}
static void opens(uint32_t pid, const char *path, bool script)
{
        struct fan_event ev = {.pid = pid, .fd = (int)(200 + sys.files_n)};

        sys.files[sys.files_n++] = (struct file){ev.fd, path, script};
        proctab_open_exec(pt, &ev, now);
}
static void settle(void)
{
        now += NSEC_PER_MSEC;
        proctab_settle(pt, now);
}
static const struct told *last_exec(uint32_t pid)
{
        static const struct told none;
        const struct told *t = NULL;

        for (size_t i = 0; i < told_n; i++)
                if (told[i].kind == TIDE_EXEC && told[i].pid == pid)
                        t = &told[i];
        CU_ASSERT_PTR_NOT_NULL(t);
        return t ? t : &none;
}
static unsigned count(uint16_t kind)
{
        unsigned n = 0;

        for (size_t i = 0; i < told_n; i++)
                n += told[i].kind == kind;
        return n;
}

/* ---- cases ---- */

static void test_found(void)
{
        const struct told *t;

        begin_with(1000);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(101, 100, "/bin/worker", 1)->session = 100;     /* in the init's tree */
        spawn(100, 60, "/bin/web", 1);                        /* listed after its child */
        spawn(61, 1, "/usr/bin/conmon", 0);
        spawn(130, 61, "/bin/sh", 1);                         /* an exec session */
        spawn(131, 130, "/bin/top", 1);
        spawn(132, 100, "/bin/orphan", 1)->session = 130;     /* its orphan */
        spawn(133, 100, "/bin/lost", 1)->session = 129;       /* an orphan of a session that is gone */
        spawn(140, 1, "/bin/odd", 1);                         /* parent outside, no runtime */
        spawn(150, 50, "/usr/bin/nsenter", 1)->cgroup = false; /* by namespaces alone */
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        CU_ASSERT(marked == 1 && count(TIDE_CTR_START) == 1 && count(TIDE_EXEC) == 8);
        CU_ASSERT_EQUAL(told[0].kind, TIDE_CTR_START);
        for (size_t i = 0; i < told_n; i++)
                CU_ASSERT(told[i].flags & EVF_BEFORE && told[i].sources == SRC_PROCFS);
        t = last_exec(100);
        CU_ASSERT(t->origin == ORIGIN_ENTRYPOINT && t->ancestors == 0 && t->interval_ns == now - 11 * SEC);
        CU_ASSERT(t->actor_flags & ACTOR_LINEAGE && t->login_uid == 4242);
        CU_ASSERT_STRING_EQUAL(t->program, "/bin/web");
        CU_ASSERT_STRING_EQUAL(t->caller, "");
        t = last_exec(101);
        CU_ASSERT(t->origin == ORIGIN_ENTRYPOINT);
        CU_ASSERT_STRING_EQUAL(t->lineage, "100:/bin/web ");
        CU_ASSERT_EQUAL(last_exec(130)->origin, ORIGIN_EXEC);
        CU_ASSERT_EQUAL(last_exec(131)->origin, ORIGIN_EXEC);
        CU_ASSERT_EQUAL(last_exec(132)->origin, ORIGIN_EXEC);
        CU_ASSERT_EQUAL(last_exec(133)->origin, ORIGIN_UNKNOWN);
        CU_ASSERT_EQUAL(last_exec(140)->origin, ORIGIN_UNKNOWN);
        CU_ASSERT(!(last_exec(140)->actor_flags & ACTOR_LINEAGE));
        CU_ASSERT_EQUAL(last_exec(150)->origin, ORIGIN_FOREIGN);
        end();
}

static void test_descent(void)
{
        const struct told *t;

        begin();
        forks(100, 101);
        execs(101, "/bin/sh");
        forks(101, 102);
        execs(101, "/bin/other"); /* the parent becomes something else: the child's ancestry stays */
        execs(102, "/tmp/evil");
        exits(101);
        settle();
        t = last_exec(102);
        CU_ASSERT(t->origin == ORIGIN_ENTRYPOINT && t->program_layer == LAYER_WRITE);
        CU_ASSERT_EQUAL(t->program_change, CHANGE_ADDED);
        CU_ASSERT(t->uid == 7 && t->actor_flags & ACTOR_LINEAGE && !(t->flags & EVF_GAP));
        CU_ASSERT_STRING_EQUAL(t->lineage, "100:/bin/web 101:/bin/sh ");
        CU_ASSERT_STRING_EQUAL(t->caller, "/bin/sh");
        CU_ASSERT_STRING_EQUAL(last_exec(101)->caller, "/bin/sh");
        CU_ASSERT(count(TIDE_FORK) == 2 && count(TIDE_EXIT) == 1);
        end();
}

/* podman exec: conmon, runc, runc's copy of itself, two stages, the command */
static void test_exec_session(void)
{
        struct task *t;

        begin();
        forks(50, 200);
        execs(200, "/usr/bin/podman");
        forks(200, 201);
        execs(201, "/usr/bin/conmon");
        forks(201, 202);
        execs(202, "/usr/sbin/runc");
        execs(202, "/");
        forks(202, 203);
        execs(203, "/memfd:runc_cloned:/proc/self/exe");
        forks(203, 204);
        t = task(204); /* stage 2 enters the container */
        t->ctr = 1;
        t->cgroup = true;
        settle();
        CU_ASSERT(told_n == 2 && proctab_container(pt, 204) != NULL); /* nothing of that is the container's act */
        execs(204, "/bin/sh");
        msg(PROC_UID, 204, 0);
        settle();
        CU_ASSERT_EQUAL(told_n, 3);
        CU_ASSERT_EQUAL(last_exec(204)->origin, ORIGIN_EXEC);
        CU_ASSERT_STRING_EQUAL(last_exec(204)->caller, "");
        CU_ASSERT(last_exec(204)->ancestors == 0 && last_exec(204)->actor_flags & ACTOR_LINEAGE);
        forks(204, 205);
        execs(205, "/bin/id");
        settle();
        CU_ASSERT_EQUAL(last_exec(205)->origin, ORIGIN_EXEC);
        CU_ASSERT_STRING_EQUAL(last_exec(205)->lineage, "204:/bin/sh ");
        end();
}

static void test_foreign(void)
{
        struct task *t;

        begin();
        forks(50, 210);
        execs(210, "/usr/bin/nsenter");
        t = task(210);
        t->ctr = 1; /* its cgroup stays the host's */
        t->cgroup = false;
        execs(210, "/bin/sh");
        forks(210, 211);
        execs(211, "/bin/ls");
        settle();
        CU_ASSERT_EQUAL(last_exec(210)->origin, ORIGIN_FOREIGN);
        CU_ASSERT_STRING_EQUAL(last_exec(210)->caller, "/usr/bin/nsenter");
        CU_ASSERT_EQUAL(last_exec(211)->origin, ORIGIN_FOREIGN);
        /* such a one does not keep the container */
        exits(100);
        now += 2 * SEC;
        proctab_expire(pt, now);
        CU_ASSERT(gone == 1 && count(TIDE_CTR_STOP) == 1);
        CU_ASSERT_PTR_NULL(proctab_container(pt, 210));
        exits(210);
        end();
}

/* A namespace that ended with its container: the kernel gives its number to the next that is made. */
static void test_numbers_again(void)
{
        struct task *t;

        begin();
        exits(100);
        forks(50, 220);
        execs(220, "/usr/bin/unshare");
        t = task(220);
        t->ctr = 1;
        t->cgroup = false;
        execs(220, "/bin/sh");
        settle();
        CU_ASSERT_PTR_NULL(proctab_container(pt, 220));
        CU_ASSERT_EQUAL(count(TIDE_EXEC), 1);
        end();
}

/* podman run: the container is found and marked while the runtime waits, and what the runtime does is not told */
static void test_start(void)
{
        struct task *t;

        begin_with(1000);
        forks(50, 300);
        execs(300, "/usr/sbin/runc");
        forks(300, 301);
        t = task(301);
        t->ctr = 1;
        t->cgroup = true;
        t->pending = true; /* not pivoted */
        sys.init[1] = 301;
        settle();
        CU_ASSERT(marked == 0 && told_n == 0);
        t->pending = false;
        now += 5 * NSEC_PER_MSEC;
        settle();
        CU_ASSERT(marked == 1 && count(TIDE_CTR_START) == 1 && told_n == 1);
        now += SEC;
        execs(301, "/bin/web");
        opens(301, "/bin/web", false);
        settle();
        CU_ASSERT_EQUAL(last_exec(301)->origin, ORIGIN_ENTRYPOINT);
        CU_ASSERT(!(last_exec(301)->flags & EVF_GAP));
        CU_ASSERT_EQUAL(last_exec(301)->sources, SRC_PROC | SRC_CONTENT);
        exits(301);
        settle();
        CU_ASSERT(gone == 0 && proctab_container(pt, 301) != NULL); /* late file events still find it */
        CU_ASSERT(proctab_expire(pt, now) > now);
        now += SEC;
        proctab_expire(pt, now);
        CU_ASSERT(gone == 1 && count(TIDE_CTR_STOP) == 1 && containers_count(sys.cs) == 0);
        CU_ASSERT_PTR_NULL(proctab_container(pt, 301));
        end();
}

/* Found by its first exec only: what came before the marks is marked as such. */
static void test_gap(void)
{
        begin_with(1000);
        spawn(310, 50, "/bin/web", 2);
        sys.init[2] = 310;
        now += SEC;
        {
                struct proc_msg m = {.what = PROC_EXEC, .pid = 310, .tgid = 310, .mono_ns = now - NSEC_PER_MSEC};

                proctab_msg(pt, &m, now);
        }
        settle();
        CU_ASSERT(marked == 1 && last_exec(310)->flags == EVF_GAP);
        end();
}

static void test_gone_early(void)
{
        struct proctab_stats st;
        const struct told *t;

        begin();
        forks(100, 101);
        vanish(101);
        msg(PROC_EXEC, 101, 0);
        msg(PROC_EXIT, 101, 0);
        opens(101, "/bin/quick", false);
        opens(101, "/lib/ld-linux-x86-64.so.2", false);
        settle();
        t = last_exec(101);
        CU_ASSERT_STRING_EQUAL(t->exe, "/bin/quick");
        CU_ASSERT_STRING_EQUAL(t->program, "/bin/quick");
        CU_ASSERT_STRING_EQUAL(t->lineage, "100:/bin/web ");
        CU_ASSERT(t->origin == ORIGIN_ENTRYPOINT && t->actor_flags & ACTOR_PID);
        /* Gone too, what called another: it is known by its opening before either is told. */
        forks(100, 103);
        msg(PROC_FORK, 104, 103);
        vanish(103);
        vanish(104);
        msg(PROC_EXEC, 103, 0);
        msg(PROC_FORK, 105, 103);
        msg(PROC_EXEC, 104, 0);
        msg(PROC_EXEC, 105, 0);
        opens(103, "/bin/xargs", false);
        opens(104, "/bin/before", false);
        opens(105, "/bin/behind", false);
        settle();
        CU_ASSERT_STRING_EQUAL(last_exec(103)->caller, "/bin/web");
        CU_ASSERT_STRING_EQUAL(last_exec(104)->caller, "/bin/web");
        CU_ASSERT_STRING_EQUAL(last_exec(105)->caller, "/bin/xargs");
        /* without fanotify: unknown, and said so */
        forks(100, 102);
        vanish(102);
        msg(PROC_EXEC, 102, 0);
        msg(PROC_EXIT, 102, 0);
        settle();
        t = last_exec(102);
        CU_ASSERT(!(t->actor_flags & ACTOR_EXE) && t->origin == ORIGIN_ENTRYPOINT && t->ancestors == 1);
        proctab_stats(pt, &st);
        CU_ASSERT(st.exe_from_fanotify == 4 && st.exe_unknown == 1);
        end();
}

/* An exec session's only program, gone before anybody looked: the opening names the container. */
static void test_session_gone_early(void)
{
        begin();
        forks(50, 200);
        execs(200, "/usr/sbin/runc");
        forks(200, 201);
        vanish(201);
        msg(PROC_EXEC, 201, 0);
        msg(PROC_EXIT, 201, 0);
        opens(201, "/bin/true", false);
        settle();
        CU_ASSERT_EQUAL(last_exec(201)->origin, ORIGIN_EXEC);
        CU_ASSERT_STRING_EQUAL(last_exec(201)->exe, "/bin/true");
        now += 10 * SEC;
        proctab_expire(pt, now);
        CU_ASSERT(gone == 0 && proctab_container(pt, 100)->tasks == 1);
        end();
}

static void test_script(void)
{
        const struct told *t;

        begin();
        forks(100, 101);
        execs(101, "/bin/sh");
        opens(101, "/tmp/run.sh", true);
        opens(101, "/bin/sh", false);
        opens(101, "/lib/ld-musl-x86_64.so.1", false);
        settle();
        t = last_exec(101);
        CU_ASSERT_STRING_EQUAL(t->exe, "/bin/sh");
        CU_ASSERT_STRING_EQUAL(t->program, "/tmp/run.sh");
        CU_ASSERT(t->program_layer == LAYER_WRITE && t->exe_layer == LAYER_IMAGE);
        /* an attempt that failed lies before */
        forks(100, 102);
        opens(102, "/tmp/noexec", false);
        execs(102, "/bin/ls");
        opens(102, "/bin/ls", false);
        settle();
        CU_ASSERT_STRING_EQUAL(last_exec(102)->program, "/bin/ls");
        /* no openings: the name and the arguments tell */
        forks(100, 103);
        execs(103, "/bin/sh");
        task(103)->comm = "job.sh";
        task(103)->cwd = "/tmp";
        task(103)->args = "/bin/sh\0./job.sh\0x";
        task(103)->args_len = sizeof("/bin/sh\0./job.sh\0x");
        msg(PROC_EXEC, 103, 0);
        settle();
        CU_ASSERT_STRING_EQUAL(last_exec(103)->program, "/tmp/job.sh");
        CU_ASSERT(last_exec(103)->program_layer == LAYER_WRITE && last_exec(103)->args_total == 18);
        end();
}

/* Two executions of one process before anybody looked: /proc shows the last, the openings both. */
static void test_twice(void)
{
        begin();
        forks(100, 101);
        task(101)->exe = "/bin/second";
        msg(PROC_EXEC, 101, 0);
        msg(PROC_EXEC, 101, 0);
        opens(101, "/tmp/first.sh", true);
        opens(101, "/bin/sh", false);
        opens(101, "/lib/ld-linux.so.2", false);
        opens(101, "/bin/second", false);
        settle();
        for (size_t i = 0, n = 0; i < told_n; i++) {
                if (told[i].kind != TIDE_EXEC || told[i].pid != 101)
                        continue;
                CU_ASSERT_STRING_EQUAL(told[i].program, n == 0 ? "/tmp/first.sh" : "/bin/second");
                CU_ASSERT_STRING_EQUAL(told[i].exe, n == 0 ? "/bin/sh" : "/bin/second");
                CU_ASSERT_EQUAL(told[i].args_total, n == 0 ? 0 : strlen("/bin/web")); /* the first's are not known */
                n++;
        }
        CU_ASSERT_EQUAL(count(TIDE_EXEC), 3);
        end();
}

static void test_threads_and_reuse(void)
{
        struct proc_msg m = {.what = PROC_FORK, .pid = 999, .tgid = 100, .ppid = 100, .ptgid = 100, .mono_ns = now};
        struct proctab_stats st;
        uint32_t tasks;

        begin();
        tasks = proctab_container(pt, 100)->tasks;
        m.mono_ns = now;
        proctab_msg(pt, &m, now);
        m.what = PROC_EXIT;
        proctab_msg(pt, &m, now);
        CU_ASSERT_EQUAL(proctab_container(pt, 100)->tasks, tasks);
        CU_ASSERT_PTR_NULL(proctab_container(pt, 999));
        /* exited, and the pid comes again on the host within the grace */
        forks(100, 101);
        exits(101);
        forks(50, 101);
        execs(101, "/usr/bin/ls");
        CU_ASSERT_PTR_NULL(proctab_container(pt, 101));
        /* its end was never told */
        forks(100, 102);
        vanish(102);
        forks(100, 102);
        proctab_stats(pt, &st);
        CU_ASSERT_EQUAL(st.reused, 1);
        CU_ASSERT_EQUAL(proctab_container(pt, 100)->tasks, tasks + 1);
        settle();
        CU_ASSERT_EQUAL(count(TIDE_EXIT), 2);
        end();
}

static void test_grace(void)
{
        _cleanup_buf_ struct buf scratch;
        struct tide_actor a;
        struct container *c;
        uint64_t due;

        begin();
        buf_init(&scratch, 1 << 16);
        forks(100, 101);
        execs(101, "/bin/sh");
        exits(101);
        settle();
        CU_ASSERT_EQUAL_FATAL(proctab_actor(pt, 101, now, &scratch, &a, &c), 0);
        CU_ASSERT(c && bytes_eq(a.exe, BYTES_LIT("/bin/sh")) && a.origin == ORIGIN_ENTRYPOINT && a.lineage.len > 0);
        due = proctab_expire(pt, now);
        CU_ASSERT(due > now && due <= now + 5 * SEC);
        proctab_expire(pt, due);
        CU_ASSERT_EQUAL(proctab_actor(pt, 101, now, &scratch, &a, &c), -ESRCH);
        /* a host process */
        CU_ASSERT_EQUAL_FATAL(proctab_actor(pt, 50, now, &scratch, &a, &c), 0);
        CU_ASSERT(!c && a.origin == ORIGIN_FOREIGN && a.exe_layer == LAYER_HOST && a.start == 1050);
        end();
}

static void test_limits(void)
{
        struct proctab_stats st;
        uint32_t pid = 1000;

        begin_with(8);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(100, 60, "/bin/web", 1);
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        for (unsigned i = 0; i < 10; i++)
                forks(100, pid + i);
        proctab_stats(pt, &st);
        CU_ASSERT(st.processes <= 8 && st.crowded_out > 0);
        for (unsigned i = 0; i < 10; i++)
                exits(pid + i);
        forks(100, 2000); /* the dead make room */
        CU_ASSERT_PTR_NOT_NULL(proctab_container(pt, 2000));
        end();
        /* one container is many: another one's processes are told as ever, and its own when they do something */
        begin_with(40);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(100, 60, "/bin/many", 1);
        sys.init[2] = 300;
        spawn(300, 60, "/bin/web", 2);
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        settle();
        for (unsigned i = 0; i < 50; i++) {
                forks(100, pid + i);
                task(pid + i)->session = 100;
        }
        forks(300, 301);
        execs(301, "/tmp/upd");
        settle();
        CU_ASSERT(last_exec(301)->origin == ORIGIN_ENTRYPOINT && last_exec(301)->ancestors == 1);
        execs(pid + 49, "/tmp/own");
        execs(pid + 10, "/tmp/own");
        settle();
        CU_ASSERT(last_exec(pid + 10)->origin == ORIGIN_ENTRYPOINT && last_exec(pid + 49)->origin == ORIGIN_ENTRYPOINT);
        proctab_stats(pt, &st);
        CU_ASSERT(st.processes <= 40 && st.refused == 0 && gone == 0);
        for (unsigned i = 0; i < 50; i++)
                exits(pid + i);
        exits(100);
        now += 2 * SEC;
        proctab_expire(pt, now);
        CU_ASSERT_EQUAL(gone, 1); /* and ends with its init */
        end();
        /* a chain of forks whose parents end: bounded, and said to be cut */
        begin();
        forks(100, pid);
        for (unsigned i = 0; i < 500; i++, pid++) {
                forks(pid, pid + 1);
                exits(pid);
                now += SEC;
                proctab_expire(pt, now);
        }
        execs(pid, "/bin/deep");
        settle();
        CU_ASSERT_EQUAL(last_exec(pid)->ancestors, TIDE_LINEAGE_MAX);
        CU_ASSERT(!(last_exec(pid)->actor_flags & ACTOR_LINEAGE));
        CU_ASSERT(strstr(last_exec(pid)->lineage, ":/bin/web ") != NULL);
        end();
}

static void test_after_loss(void)
{
        const struct told *t;

        begin();
        forks(100, 101);
        execs(101, "/bin/sh");
        forks(100, 102);
        settle();
        told_n = 0;
        now += 10 * SEC;
        /* not told: 101 ran something, 102 ended, 103 came, and a container started */
        task(101)->exe = "/tmp/evil";
        vanish(102);
        spawn(103, 101, "/bin/new", 1);
        sys.init[2] = 400;
        spawn(400, 60, "/bin/db", 2);
        CU_ASSERT_EQUAL(proctab_scan(pt, now, false), 0);
        t = last_exec(101);
        CU_ASSERT(t->program_layer == LAYER_WRITE && t->interval_ns > 0 && t->sources == SRC_PROCFS);
        CU_ASSERT_STRING_EQUAL(t->caller, "/bin/sh");
        CU_ASSERT_STRING_EQUAL(last_exec(103)->lineage, "100:/bin/web 101:/tmp/evil ");
        CU_ASSERT(count(TIDE_EXIT) == 1 && count(TIDE_CTR_START) == 1 && count(TIDE_EXEC) == 3);
        for (size_t i = 0; i < told_n; i++)
                CU_ASSERT(!(told[i].flags & EVF_BEFORE));
        /* the whole container ended unheard */
        vanish(400);
        CU_ASSERT_EQUAL(proctab_scan(pt, now, false), 0);
        now += 2 * SEC;
        proctab_expire(pt, now);
        CU_ASSERT(gone == 1 && count(TIDE_CTR_STOP) == 1);
        end();
}

/* The same id again while the old one is still waiting to be forgotten (podman restart). */
/* Arguments come later than the message: the event waits for them, and those behind it wait with it. */
static void test_late_arguments(void)
{
        struct proctab_stats st;

        begin();
        told_n = 0;
        forks(100, 101);
        reading.hold = true;
        execs(101, "/bin/one");
        forks(100, 102);
        proctab_settle(pt, now);
        CU_ASSERT(told_n == 1 && told[0].kind == TIDE_FORK);
        answer(reading.token, 101);
        CU_ASSERT(told_n == 1);
        CU_ASSERT(proctab_expire(pt, now) > 0 || told_n == 3);
        CU_ASSERT_FATAL(told_n == 3);
        CU_ASSERT(told[1].kind == TIDE_EXEC && told[1].pid == 101 && told[1].args_total > 0);
        CU_ASSERT(!(told[1].flags & EVF_NO_ARGS) && told[2].kind == TIDE_FORK);
        execs(101, "/bin/two"); /* never answered: told all the same, once the time is over */
        proctab_settle(pt, now);
        CU_ASSERT(told_n == 3 && proctab_expire(pt, now) <= now + 50 * NSEC_PER_MSEC);
        now += 100 * NSEC_PER_MSEC;
        proctab_expire(pt, now);
        CU_ASSERT_FATAL(told_n == 4);
        CU_ASSERT(told[3].args_total == 0 && (told[3].flags & EVF_NO_ARGS) && !strcmp(told[3].exe, "/bin/two"));
        answer(reading.token, 101); /* too late: nobody's */
        proctab_args(pt, 12345, 0, BYTES_LIT("x"), 1);
        proctab_settle(pt, now);
        CU_ASSERT(told_n == 4);
        reading.refuse = -ENOBUFS;
        execs(101, "/bin/three");
        proctab_settle(pt, now);
        CU_ASSERT(told_n == 5 && (told[4].flags & EVF_NO_ARGS));
        proctab_stats(pt, &st);
        CU_ASSERT(st.args_late == 1 && st.args_refused == 1 && st.args_read == 2);
        end();
}

/* Read after the next program began: they are that one's, and not told of the first. */
static void test_arguments_of_the_next(void)
{
        uint64_t first;

        begin();
        told_n = 0;
        forks(100, 101);
        reading.hold = true;
        execs(101, "/bin/one");
        first = reading.token;
        execs(101, "/bin/two");
        proctab_settle(pt, now);
        answer(first, 101);
        proctab_settle(pt, now);
        CU_ASSERT_EQUAL(told_n, 1); /* the fork: the first program waits for the second's too */
        answer(reading.token, 101);
        proctab_settle(pt, now);
        CU_ASSERT_FATAL(told_n == 3);
        CU_ASSERT((told[1].flags & EVF_NO_ARGS) && told[1].args_total == 0);
        CU_ASSERT(!(told[2].flags & EVF_NO_ARGS) && told[2].args_total == strlen("/bin/two"));
        end();
}

/* The conmon of an exec session, what it starts, and the arguments that its program has. */
static void session(uint32_t pid, const char *exe, const char *args, size_t len)
{
        struct task *t;

        forks(60, pid);
        t = task(pid);
        t->ctr = 1;
        t->cgroup = true;
        t->exe = exe;
        t->comm = strrchr(exe, '/') + 1;
        t->args = args;
        t->args_len = len;
        msg(PROC_EXEC, pid, 0);
}

static void test_probes(void)
{
        static const char check[] = "/bin/sh\0-c\0curl x", other[] = "/bin/sh\0-c\0id";
        struct container *c;

        begin();
        c = proctab_container(pt, 100);
        CU_ASSERT(proctab_set_health(c, bytes_of("\0x", 2)) == -EINVAL);
        CU_ASSERT(proctab_set_health(c, bytes_of(check, sizeof(check) - 1)) == 0);
        session(200, "/bin/sh", check, sizeof(check));
        forks(200, 201);
        execs(201, "/bin/curl");
        settle();
        CU_ASSERT(last_exec(200)->origin == ORIGIN_PROBE && last_exec(201)->origin == ORIGIN_PROBE);
        execs(201, "/tmp/dropped"); /* and with that its whole session is none any more */
        settle();
        CU_ASSERT(last_exec(201)->origin == ORIGIN_EXEC && (last_exec(201)->actor_flags & ACTOR_NOT_PROBE));
        forks(200, 202);
        execs(202, "/bin/curl");
        settle();
        CU_ASSERT(last_exec(202)->origin == ORIGIN_EXEC && (last_exec(202)->actor_flags & ACTOR_NOT_PROBE));
        session(210, "/bin/sh", other, sizeof(other));
        session(220, "/tmp/sh", check, sizeof(check));
        settle();
        CU_ASSERT(last_exec(210)->origin == ORIGIN_EXEC && !(last_exec(210)->actor_flags & ACTOR_NOT_PROBE));
        CU_ASSERT(last_exec(220)->origin == ORIGIN_EXEC && (last_exec(220)->actor_flags & ACTOR_NOT_PROBE));
        reading.refuse = -ENOBUFS; /* without its arguments it is a session */
        session(230, "/bin/sh", check, sizeof(check));
        settle();
        CU_ASSERT(last_exec(230)->origin == ORIGIN_EXEC && (last_exec(230)->actor_flags & ACTOR_UNREAD));
        reading.refuse = 0;
        forks(230, 231);
        execs(231, "/bin/curl"); /* that its own are known says nothing of the session */
        settle();
        CU_ASSERT(last_exec(231)->origin == ORIGIN_EXEC && (last_exec(231)->actor_flags & ACTOR_UNREAD));
        CU_ASSERT(!(last_exec(210)->actor_flags & ACTOR_UNREAD) && !(last_exec(200)->actor_flags & ACTOR_UNREAD));
        end();
}

/* Messages first, openings behind them, as when much happens: one pid of two processes, each with its own program. */
static void test_owners_in_turn(void)
{
        begin();
        forks(100, 101);
        execs(101, "/bin/one");
        vanish(101);
        msg(PROC_EXIT, 101, 0);
        forks(100, 101);
        task(101)->start = 5000;
        msg(PROC_EXEC, 101, 0);
        vanish(101);
        msg(PROC_EXIT, 101, 0);
        forks(100, 101);
        opens(101, "/bin/first", false);
        opens(101, "/lib/ld-linux.so.2", false);
        opens(101, "/tmp/second", false);
        told_n = 0;
        settle();
        CU_ASSERT_EQUAL_FATAL(count(TIDE_EXEC), 2);
        for (size_t i = 0, n = 0; i < told_n; i++)
                if (told[i].kind == TIDE_EXEC)
                        CU_ASSERT_STRING_EQUAL(told[i].program, n++ == 0 ? "/bin/first" : "/tmp/second");
        /* One opening for two executions: whose it was cannot be said, so of neither. */
        told_n = 0;
        forks(100, 102);
        vanish(102);
        msg(PROC_EXEC, 102, 0);
        msg(PROC_EXIT, 102, 0);
        forks(100, 102);
        vanish(102);
        msg(PROC_EXEC, 102, 0);
        opens(102, "/bin/whose", false);
        settle();
        for (size_t i = 0; i < told_n; i++)
                CU_ASSERT(told[i].kind != TIDE_EXEC || told[i].pid != 102 || told[i].program[0] == 0);
        end();
}

static void test_restart(void)
{
        struct task *t;
        uint32_t tag;

        begin();
        tag = proctab_container(pt, 100)->tag;
        exits(100);
        forks(50, 500);
        execs(500, "/usr/sbin/runc");
        forks(500, 501);
        t = task(501);
        t->ctr = 1;
        t->cgroup = true;
        sys.init[1] = 501;
        execs(501, "/bin/web");
        settle();
        CU_ASSERT(gone == 1 && count(TIDE_CTR_STOP) == 1 && count(TIDE_CTR_START) == 2);
        CU_ASSERT_EQUAL(last_exec(501)->origin, ORIGIN_ENTRYPOINT);
        CU_ASSERT(proctab_container(pt, 501)->tag != tag);
        CU_ASSERT_PTR_NULL(proctab_container(pt, 100));
        end();
}

/* Found with a runtime's name for itself in its own init: believed until it does something. */
static void test_disguised_init(void)
{
        begin_with(1000);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(100, 60, "/memfd:runc", 1)->comm = "runc:[2:INIT]";
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        settle();
        CU_ASSERT_EQUAL(count(TIDE_EXEC), 0); /* one that waits for the word to start, as far as can be seen */
        forks(100, 101);
        execs(101, "/bin/web");
        settle();
        CU_ASSERT_EQUAL(last_exec(101)->origin, ORIGIN_ENTRYPOINT);
        CU_ASSERT(last_exec(101)->ancestors == 1 && last_exec(100)->origin == ORIGIN_ENTRYPOINT);
        end();
        begin_with(1000);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(100, 60, "/tmp/runc", 1)->comm = "runc:[2:INIT]"; /* no runtime lies in its own container */
        spawn(101, 100, "/bin/web", 1);
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        settle();
        CU_ASSERT(last_exec(100)->origin == ORIGIN_ENTRYPOINT && last_exec(101)->origin == ORIGIN_ENTRYPOINT);
        end();
}

/* A message of ids, and what /proc shows by the time it is read. */
static void ids(uint32_t pid, uint32_t rid, uint32_t eid, const uint32_t *now_ids)
{
        struct proc_msg m = {.what = PROC_UID, .pid = pid, .tgid = pid, .rid = rid, .eid = eid, .mono_ns = now};

        task(pid)->ids = now_ids;
        proctab_msg(pt, &m, now);
}

static const struct told *last_priv(void)
{
        for (size_t i = told_n; i > 0; i--)
                if (told[i - 1].kind == TIDE_PRIV)
                        return &told[i - 1];
        return NULL;
}

static void test_ids(void)
{
        static const uint32_t root[] = {0, 0, 0}, dropped[] = {33, 33, 33}, kept[] = {33, 33, 0}, lent[] = {33, 0, 0},
                              taken[] = {33, 0, 33};

        begin();
        forks(100, 101);
        execs(101, "/bin/server");
        ids(101, 0, 0, root); /* 7 and nothing else before */
        settle();
        CU_ASSERT_FATAL(count(TIDE_PRIV) == 1);
        CU_ASSERT(last_priv()->pid == 101 && last_priv()->what == PRIV_UID && last_priv()->from == 7 &&
                  last_priv()->to == 0 && last_priv()->priv_flags == PRIVF_ROOT);
        ids(101, 33, 33, kept);
        ids(101, 33, 0, lent); /* what was kept */
        ids(101, 33, 33, lent);
        ids(101, 33, 0, root); /* the same, and each read after the next change */
        ids(101, 0, 0, root);
        ids(101, 33, 33, root);
        ids(101, 0, 0, root);
        settle();
        now += SEC; /* no execution comes that would have brought it */
        settle();
        CU_ASSERT_EQUAL(count(TIDE_PRIV), 1);
        ids(101, 33, 33, dropped);
        ids(101, 33, 0, taken); /* nothing was kept: by a capability */
        settle();
        CU_ASSERT(count(TIDE_PRIV) == 2 && last_priv()->from == 33);
        ids(101, 33, 33, dropped);
        settle();
        CU_ASSERT_EQUAL(count(TIDE_PRIV), 2);
        end();
}

/* The ids of a setuid program come before its execution, and are told behind it. */
static void test_setuid(void)
{
        static const uint32_t root[] = {0, 0, 0}, dropped[] = {33, 33, 33}, lent[] = {33, 0, 0};

        for (int late = 0; late < 2; late++) {
                begin();
                forks(100, 101);
                execs(101, "/bin/sh");
                ids(101, 0, 0, root);
                ids(101, 33, 33, late ? lent : dropped); /* read after the execution, or before */
                ids(101, 33, 0, lent);
                execs(101, "/tmp/su");
                settle();
                CU_ASSERT_FATAL(count(TIDE_PRIV) == 2);
                CU_ASSERT(told[told_n - 1].kind == TIDE_PRIV && last_priv()->from == 33 && last_priv()->to == 0);
                end();
                begin();
                forks(100, 101);
                execs(101, "/bin/sh");
                ids(101, 0, 0, root);
                ids(101, 33, 33, late ? lent : dropped);
                task(101)->mode = 04000;
                ids(101, 33, 0, lent);
                settle(); /* the execution's own message is not there yet */
                CU_ASSERT_EQUAL(count(TIDE_PRIV), 1);
                if (late)
                        execs(101, "/tmp/su");
                else
                        now += SEC; /* and never comes */
                settle();
                CU_ASSERT(count(TIDE_PRIV) == 2 &&
                          last_priv()->priv_flags == (PRIVF_ROOT | (late ? 0 : PRIVF_SETUID_FILE)));
                end();
        }
}

/* What anybody may do as often as he likes hides nothing. */
static void test_ids_storm(void)
{
        static const uint32_t user[] = {33, 33, 33}, root[] = {0, 0, 0};

        begin();
        for (uint32_t pid = 101; pid < 500; pid++) {
                forks(100, pid);
                execs(pid, "/bin/sh");
                task(pid)->mode = 04000;
                ids(pid, 33, 0, root);
                settle();
                exits(pid);
                settle();
        }
        CU_ASSERT(count(TIDE_PRIV) >= 200 && count(TIDE_PRIV) < 300);
        forks(100, 600);
        execs(600, "/bin/sh");
        ids(600, 33, 33, user);
        ids(600, 0, 0, root);
        now += SEC;
        settle();
        CU_ASSERT(last_priv()->pid == 600 && last_priv()->priv_flags == PRIVF_ROOT);
        end();
}

/* Mount namespaces beside the container's own: each is told of and kept while a task lives in it, so many at most. */
static void test_namespaces(void)
{
        struct proctab_stats st;

        begin();
        forks(100, 101);
        execs(101, "/bin/sh");
        settle();
        CU_ASSERT(spaces.told == 0 && count(TIDE_PRIV) == 0);
        task(101)->mnt = 9001; /* unshare(2), and nobody knows */
        execs(101, "/bin/busybox");
        settle();
        CU_ASSERT(spaces.told == 1 && spaces.pid == 101 && spaces.ns == 9001 && spaces.kept == 1);
        CU_ASSERT(count(TIDE_PRIV) == 1 && last_priv()->what == PRIV_MOUNTNS && last_priv()->to == 9001 &&
                  last_priv()->from == 11 && last_priv()->priv_flags == PRIVF_USERNS);
        forks(101, 102); /* inherits it: nothing new */
        task(102)->mnt = 9001;
        execs(102, "/bin/sh");
        settle();
        proctab_stats(pt, &st);
        CU_ASSERT(spaces.told == 1 && count(TIDE_PRIV) == 1 && st.namespaces == 1);
        exits(101);
        settle();
        proctab_stats(pt, &st);
        CU_ASSERT_EQUAL(st.namespaces, 1);
        exits(102);
        settle();
        proctab_stats(pt, &st);
        CU_ASSERT_EQUAL(st.namespaces, 0);
        forks(100, 103); /* the number comes again: another namespace */
        task(103)->mnt = 9001;
        execs(103, "/bin/sh");
        settle();
        CU_ASSERT_EQUAL(spaces.told, 2);
        for (uint32_t n = 0; n < 2 * CONTAINER_NAMESPACES; n++) {
                forks(100, 200 + n);
                task(200 + n)->mnt = 9100 + n;
                execs(200 + n, "/bin/sh");
                settle();
        }
        proctab_stats(pt, &st);
        CU_ASSERT_EQUAL(st.namespaces, CONTAINER_NAMESPACES);
        CU_ASSERT_EQUAL(st.namespaces_refused, CONTAINER_NAMESPACES + 1);
        CU_ASSERT(spaces.kept == CONTAINER_NAMESPACES + 1 && spaces.told == 2 + 2 * CONTAINER_NAMESPACES);
        task(103)->mnt = sys.own_mnt; /* out to the host's: told, never kept */
        execs(103, "/bin/sh");
        settle();
        proctab_stats(pt, &st);
        CU_ASSERT(st.namespaces == CONTAINER_NAMESPACES - 1 && last_priv()->to == sys.own_mnt);
        for (uint32_t pid = 100; pid < 300; pid++)
                if (task(pid))
                        exits(pid);
        now += 10 * SEC;
        proctab_expire(pt, now);
        proctab_stats(pt, &st);
        CU_ASSERT(gone == 1 && st.namespaces == 0);
        end();
}

/* Found in one at the start: marked as well. */
/* Out of the container: told each time, and nothing there is taken for the container's. */
static void test_namespaces_outside(void)
{
        begin();
        sys.init[2] = 300;
        spawn(300, 60, "/bin/db", 2);
        CU_ASSERT_EQUAL(proctab_scan(pt, now, false), 0);
        forks(100, 101);
        task(101)->mnt = sys.own_mnt;
        execs(101, "/bin/sh");
        settle();
        CU_ASSERT(last_priv() && last_priv()->what == PRIV_MOUNTNS && last_priv()->where == WHERE_HOST);
        forks(100, 102);
        task(102)->mnt = 21;
        execs(102, "/bin/sh");
        settle();
        CU_ASSERT(count(TIDE_PRIV) == 2 && last_priv()->pid == 102 && last_priv()->where == WHERE_OTHER);
        CU_ASSERT_EQUAL(spaces.told, 0);
        end();
}

static void test_namespaces_found(void)
{
        begin_with(1000);
        spawn(60, 1, "/usr/bin/conmon", 0);
        sys.init[1] = 100;
        spawn(100, 60, "/bin/web", 1);
        spawn(101, 100, "/bin/sh", 1)->mnt = 9001;
        CU_ASSERT_EQUAL(proctab_scan(pt, now, true), 0);
        CU_ASSERT(spaces.told == 1 && spaces.pid == 101 && spaces.ns == 9001);
        end();
}

/* What a runtime is asked for: the end of a container, by a signal that ends. */
static void test_stop_args(void)
{
        static const struct {
                struct bytes args;
                const char *id; /* NULL: no end is asked for */
        } rows[] = {
                {BYTES_LIT("runc\0kill\0abc\0TERM\0"), "abc"},
                {BYTES_LIT("/usr/sbin/runc\0--root\0/run/runc\0kill\0--all\0abc\0" "9"), "abc"},
                {BYTES_LIT("runc\0kill\0abc"), "abc"},
                {BYTES_LIT("runc\0kill\0abc\0SIGKILL\0"), "abc"},
                {BYTES_LIT("runc\0kill\0abc\0HUP\0"), NULL}, /* a reload */
                {BYTES_LIT("runc\0kill\0abc\0" "1\0"), NULL},
                {BYTES_LIT("runc\0exec\0abc\0kill\0"), NULL}, /* kill without anything to kill */
                {BYTES_LIT("runc\0state\0abc\0"), NULL},
                {BYTES_LIT("kill"), NULL},
                {BYTES_LIT(""), NULL},
                {BYTES_LIT("\0\0\0"), NULL},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct bytes id = {0};
                bool asked = proctab_stop_args(rows[i].args, &id);

                CU_ASSERT_EQUAL(asked, rows[i].id != NULL);
                if (asked && rows[i].id)
                        CU_ASSERT_TRUE(bytes_eq(id, bytes_str(rows[i].id)));
        }
}

static const struct unit_case cases[] = {
        {"what asks a container to end", test_stop_args},
        {"a container's own init that is called like a runtime", test_disguised_init},
        {"other mount namespaces", test_namespaces},
        {"other mount namespaces, found", test_namespaces_found},
        {"other mount namespaces: the host's, another container's", test_namespaces_outside},
        {"rights: what is gained, and what was kept", test_ids},
        {"rights: setuid programs", test_setuid},
        {"rights: a storm of setuid programs hides nothing", test_ids_storm},
        {"found running: origins and ancestry", test_found},
        {"descent: ancestors are as they were at the fork", test_descent},
        {"exec session: the runtime's own steps are not told", test_exec_session},
        {"foreign: entered by namespaces alone", test_foreign},
        {"a namespace's number comes again", test_numbers_again},
        {"start: marked before the first act; stop after the last", test_start},
        {"gap: an exec before the marks says so", test_gap},
        {"gone before /proc: openings and the parent tell", test_gone_early},
        {"gone before /proc: an exec session's only program", test_session_gone_early},
        {"script: program and executable", test_script},
        {"two executions before anybody looked", test_twice},
        {"threads are no processes; pids come again", test_threads_and_reuse},
        {"exited ones are known for a grace", test_grace},
        {"limits: processes, lineage", test_limits},
        {"after a loss: what was missed is found", test_after_loss},
        {"the same container again", test_restart},
        {"exec sessions that are probes", test_probes},
        {"owners of a pid in turn", test_owners_in_turn},
        {"arguments that come late, or never", test_late_arguments},
        {"arguments that are the next program's", test_arguments_of_the_next},
};
UNIT_MAIN("proctab", cases)
