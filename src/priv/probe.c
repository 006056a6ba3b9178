/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the list of facilities and how each is tried. Must not: leave a socket, group or mark behind, or judge by a
 * version. Hands over: lines for 'tidemark probe'.
 */
#include "tidemark/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/facility.h"
#include "tidemark/fan_source.h"
#include "tidemark/loop.h"
#include "tidemark/names_source.h"
#include "tidemark/nstry.h"
#include "tidemark/proc_source.h"
#include "tidemark/procfs.h"

struct tried {
        uint32_t off;
        struct fan_features fan;
        int proc_err, fan_err, names_err, inotify_err;
};

static int try_proc(const struct tried *t)
{
        return t->proc_err;
}
static int try_content(const struct tried *t)
{
        return t->fan_err;
}
static int try_filesystem(const struct tried *t)
{
        return t->fan.mark_filesystem ? 0 : -EOPNOTSUPP;
}
static int try_exec(const struct tried *t)
{
        return t->fan.open_exec ? 0 : -EOPNOTSUPP;
}
static int try_names(const struct tried *t)
{
        return t->names_err;
}
static int try_inotify(const struct tried *t)
{
        return t->inotify_err;
}

static int try_nspid(const struct tried *t)
{
        struct procfs_status st;
        int r = procfs_status((uint32_t)getpid(), &st);

        (void)t;
        return r < 0 ? r : st.nspid_count > 0 ? 0 : -EOPNOTSUPP;
}

static int try_openat2(const struct tried *t)
{
        (void)t;
        /* No arguments at all: a kernel that knows the call says EINVAL. */
        return syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno == ENOSYS ? -ENOSYS : 0;
}

/* Unknown is no reason to do without. */
static int try_conntrack(const struct tried *t)
{
        int r = nstry_everywhere();

        (void)t;
        return r == 1 ? -EEXIST : r;
}

struct row {
        const char *name;
        int facility; /* enum facility; -1: cannot be switched off */
        int (*try)(const struct tried *t);
        const char *use, *instead;
        const char *needs; /* another row, without which this one is not used; NULL: none */
        const char *spare; /* another row, beside which this one is not used; NULL: none */
};
static const struct row rows[] = {
        {"proc connector", -1, try_proc, "every fork, exec and exit", "nothing: tidemarkd does not start", NULL, NULL},
        {"fanotify", FACILITY_CONTENT, try_content, "contents written and programs run",
         "names and the walk find files; /proc tells what ran", NULL, NULL},
        {"fanotify filesystem mark", FACILITY_FILESYSTEM_MARK, try_filesystem, "whole root of a container",
         "a mark on each mount of its root", "fanotify", NULL},
        {"fanotify open-exec", FACILITY_OPEN_EXEC, try_exec, "what ran, even if the process is gone", "/proc alone",
         "fanotify", NULL},
        {"fanotify names", FACILITY_NAMES, try_names, "create, delete, rename, attributes", "inotify", NULL, NULL},
        {"inotify", FACILITY_INOTIFY, try_inotify, "create, delete, rename, attributes, without the process",
         "the walk alone finds them", NULL, "fanotify names"},
        {"NSpid", FACILITY_NSPID, try_nspid, "a container's init", "the oldest task of its cgroup and namespace", NULL,
         NULL},
        {"openat2", -1, try_openat2, "paths below a write layer in one call", "component by component", NULL, NULL},
        {"conntrack where asked for", -1, try_conntrack, "flows, in each container's network namespace",
         "flows are watched in the host's (network.scope)", NULL, NULL},
};

/* What an error means, where it is not what err_str() says. */
static const struct {
        int (*try)(const struct tried *t);
        int err;
        bool available; /* it may be had, as far as is known */
        const char *text;
} meanings[] = {
        {try_conntrack, -ENOENT, true, "not loaded yet"},
        {try_conntrack, -EEXIST, false, "on everywhere"},
};

static void say(struct probe_item *it, const struct row *row, int err)
{
        const char *text = err == 0 ? "works" : err_str(err);

        it->available = err == 0;
        for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
                if (meanings[i].try == row->try && meanings[i].err == err) {
                        text = meanings[i].text;
                        it->available = meanings[i].available;
                }
        snprintf(it->detail, sizeof(it->detail), "%s", text);
}

static bool is_used(const struct probe_item *items, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (!strcmp(items[i].name, name))
                        return items[i].used;
        return false;
}

static void no_msg(const struct proc_msg *m, void *arg)
{
        (void)m, (void)arg;
}
static void no_loss(uint64_t count, uint64_t since, void *arg)
{
        (void)count, (void)since, (void)arg;
}
static void no_file(const struct fan_event *ev, void *arg)
{
        (void)ev, (void)arg;
}
static void no_name(const struct name_event *ev, void *arg)
{
        (void)ev, (void)arg;
}
static void nothing(void *arg)
{
        (void)arg;
}

/* Each source is opened as the sensor opens it, and closed again. */
static void open_sources(struct tried *t)
{
        static const struct proc_source_ops proc_ops = {.msg = no_msg, .loss = no_loss};
        static const struct fan_ops fan_ops = {.before = nothing, .event = no_file, .loss = nothing};
        static const struct names_ops names_ops = {.before = nothing, .event = no_name, .loss = nothing};
        _cleanup_(loop_freep) struct loop *loop = NULL;
        struct proc_source *proc = NULL;
        struct fan_source *fan = NULL;
        struct names_source *names = NULL;

        t->proc_err = t->fan_err = t->names_err = t->inotify_err = loop_new(&loop);
        if (!loop)
                return;
        t->proc_err = proc_source_open(loop, &proc_ops, NULL, 64 * 1024, &proc);
        proc_source_close(proc);
        t->fan_err = fan_source_open(loop, &t->fan, FAN_WHAT_WRITES, &fan_ops, NULL, &fan);
        fan_source_close(fan);
        t->names_err = names_source_open(loop, NAMES_FANOTIFY, 16, &names_ops, NULL, &names);
        names_source_close(names);
        names = NULL;
        t->inotify_err = names_source_open(loop, NAMES_INOTIFY, 16, &names_ops, NULL, &names);
        names_source_close(names);
}

size_t probe_run(uint32_t off, struct probe_item *ret, size_t max)
{
        struct tried t = {.off = off};
        size_t n = max < ARRAY_LEN(rows) ? max : ARRAY_LEN(rows);

        fan_probe(&t.fan);
        open_sources(&t);
        for (size_t i = 0; i < n; i++) {
                const struct row *row = &rows[i];
                struct probe_item *it = &ret[i];

                memset(it, 0, sizeof(*it));
                it->name = row->name;
                it->use = row->use;
                it->instead = row->instead;
                it->disabled = row->facility >= 0 && facility_in(off, (enum facility)row->facility);
                say(it, row, row->try(&t));
                it->used = it->available && !it->disabled && (!row->needs || is_used(ret, i, row->needs)) &&
                           (!row->spare || !is_used(ret, i, row->spare));
        }
        return n;
}
