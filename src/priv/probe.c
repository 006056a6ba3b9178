/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the list of facilities and how each is tried. Must not: leave a socket, group or mark behind, or judge by a
 * version. Hands over: lines for 'tidemark probe'.
 */
#include "tidemark/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/fan_source.h"
#include "tidemark/loop.h"
#include "tidemark/names_source.h"
#include "tidemark/proc_source.h"
#include "tidemark/procfs.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

struct tried {
        const struct probe_disabled *off;
        struct fan_features fan;
        int proc_err, fan_err, names_err;
};

static void say(struct probe_item *it, int err)
{
        it->available = err == 0;
        snprintf(it->detail, sizeof(it->detail), "%s", err == 0 ? "works" : err_str(err));
}

static void try_proc(const struct tried *t, struct probe_item *it)
{
        say(it, t->proc_err);
}
static void try_content(const struct tried *t, struct probe_item *it)
{
        say(it, t->fan_err);
}
static void try_filesystem(const struct tried *t, struct probe_item *it)
{
        say(it, t->fan.mark_filesystem ? 0 : -EOPNOTSUPP);
        it->disabled = t->off && t->off->filesystem_mark;
}
static void try_exec(const struct tried *t, struct probe_item *it)
{
        say(it, t->fan.open_exec ? 0 : -EOPNOTSUPP);
        it->disabled = t->off && t->off->open_exec;
}
static void try_names(const struct tried *t, struct probe_item *it)
{
        say(it, t->names_err);
        it->disabled = t->off && t->off->names;
}

static void try_nspid(const struct tried *t, struct probe_item *it)
{
        struct procfs_status st;
        int r = procfs_status((uint32_t)getpid(), &st);

        (void)t;
        say(it, r < 0 ? r : st.nspid_count > 0 ? 0 : -EOPNOTSUPP);
}

static void try_openat2(const struct tried *t, struct probe_item *it)
{
        (void)t;
        /* No arguments at all: a kernel that knows the call says EINVAL. */
        say(it, syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno == ENOSYS ? -ENOSYS : 0);
}

struct row {
        const char *name, *used;
        void (*try)(const struct tried *t, struct probe_item *it);
};
static const struct row rows[] = {
        {"proc connector", "every fork, exec and exit; without it nothing can be watched", try_proc},
        {"fanotify", "contents written and programs run; else the walk alone finds files", try_content},
        {"fanotify filesystem mark", "whole root of a container; else a mark on its root mount", try_filesystem},
        {"fanotify open-exec", "what ran, even if the process is gone; else /proc alone", try_exec},
        {"fanotify names", "create, delete, rename, attributes; else the walk alone finds them", try_names},
        {"NSpid", "a container's init; else the first task of its cgroup", try_nspid},
        {"openat2", "paths below a write layer in one call; else component by component", try_openat2},
};

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

        t->proc_err = t->fan_err = t->names_err = loop_new(&loop);
        if (!loop)
                return;
        t->proc_err = proc_source_open(loop, &proc_ops, NULL, 64 * 1024, &proc);
        proc_source_close(proc);
        t->fan_err = fan_source_open(loop, &t->fan, &fan_ops, NULL, &fan);
        fan_source_close(fan);
        t->names_err = names_source_open(loop, 16, &names_ops, NULL, &names);
        names_source_close(names);
}

size_t probe_run(const struct probe_disabled *off, struct probe_item *ret, size_t max)
{
        struct tried t = {.off = off};
        size_t n = max < ARRAY_LEN(rows) ? max : ARRAY_LEN(rows);

        fan_probe(&t.fan);
        open_sources(&t);
        for (size_t i = 0; i < n; i++) {
                memset(&ret[i], 0, sizeof(ret[i]));
                ret[i].name = rows[i].name;
                ret[i].used = rows[i].used;
                rows[i].try(&t, &ret[i]);
        }
        return n;
}
