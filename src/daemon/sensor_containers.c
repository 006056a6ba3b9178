/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is done when a container comes, is covered, and goes. Must not: mark a root that is not a container's own,
 * or keep anything of it once it is gone. Hands over: events of its processes and its start and stop to the pair.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/openfile.h"

#define MOD "containers"
#define NAMESPACE_WALKS_NS (5 * NSEC_PER_SEC) /* between two walks of one container for the sake of its namespaces */

/* File systems whose marks can be answered without asking a server: DESIGN section 1, "never be harmed". */
static const char *const safe_types[] = {"overlay", "ext4", "ext3", "ext2", "xfs", "btrfs", "tmpfs", "f2fs"};

static bool is_safe(const char *fstype)
{
        for (size_t i = 0; i < ARRAY_LEN(safe_types); i++)
                if (fstype && strcmp(fstype, safe_types[i]) == 0)
                        return true;
        return false;
}

/* A root as one of its processes has it: that of another mount namespace is another mount. */
static int mark_root(struct sensor *s, struct container *c, uint32_t pid, uint64_t start, uint64_t mntns)
{
        _cleanup_close_ int root = -1;
        enum fan_how how = FAN_HOW_NONE;
        char path[32];
        int r;

        if (!s->fan || !is_safe(c->fstype))
                return -EOPNOTSUPP;
        root = openfile_root(c, pid, start, mntns);
        if (root < 0)
                return root;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", root);
        r = fan_source_mark(s->fan, path, strcmp(c->fstype, "overlay") == 0, &how);
        if (r == 0)
                c->how = how;
        if (r == 0 && s->execs)
                r = fan_source_mark(s->execs, path, how == FAN_HOW_FILESYSTEM, &how);
        return r;
}

static void on_container(struct container *c, bool before, void *arg)
{
        struct sensor *s = arg;
        int r;

        (void)before;
        sensor_contain_container(s, c); /* first: it may be one that has to be held */
        r = mark_root(s, c, c->init_pid, c->init_start, c->mntns);
        sensor_net_container(s, c);
        if (r < 0)
                log_warn(MOD, "container %.12s: contents of its files cannot be watched (%s)", c->id, err_str(r));
        if (!c->layer)
                log_warn(MOD, "container %.12s: root on %s without a usable upper directory: its files are not covered",
                         c->id, c->fstype ? c->fstype : "an unknown file system");
}

static void coverage(const struct sensor *s, const struct container *c, char *dst, size_t size)
{
        static const char *const contents[] = {[FAN_HOW_NONE] = "not watched",
                                               [FAN_HOW_FILESYSTEM] = "filesystem mark",
                                               [FAN_HOW_MOUNT] = "mount mark"};
        const char *inotify = s->names && names_source_by(s->names) == NAMES_INOTIFY ? " by inotify" : "";
        /* a word, no number: whoever makes and ends them in turn does not make us tell it each time */
        bool some = c->how == FAN_HOW_MOUNT && c->others_refused;
        const char *others = some ? " (not in all of its mount namespaces)" : "";
        char content[80];

        snprintf(content, sizeof(content), "content: %s%s", contents[c->how], others);
        if (!c->layer)
                snprintf(dst, size, "files: not covered: %s%s", c->fstype,
                         is_safe(c->fstype) ? ", no upper directory" : " root");
        else if (c->marked_boot_ns == 0) /* the first walk is not over */
                snprintf(dst, size, "%s; names: not yet", content);
        else if (!s->names)
                snprintf(dst, size, "%s; names: walks only", content);
        else if (c->dirs_refused)
                snprintf(dst, size, "%s; names: %zu directories%s, %u more by walks only", content,
                         names_source_count(s->names, c->tag), inotify, c->dirs_refused);
        else
                snprintf(dst, size, "%s; names: %zu directories%s", content, names_source_count(s->names, c->tag),
                         inotify);
}

void sensor_container_tell(struct sensor *s, struct container *c)
{
        struct tide_event ev;
        char words[COVERAGE_MAX];

        container_event(c, TIDE_CTR_START, &ev);
        ev.sources = SRC_PROCFS;
        coverage(s, c, words, sizeof(words));
        ev.ctr.coverage = bytes_str(words);
        ev.ctr.flows = c->flows_told = (uint8_t)sensor_net_flows(s, c);
        if (!c->running_before && c->marked_boot_ns && !ev.ctr.gap_ns)
                ev.ctr.gap_ns = 1; /* the marks stood before its first act: measured, and none */
        sensor_send(s, PAIR_CONTROL, &ev, -1);
        sensor_coverage_look(s, c);
}

void sensor_container_covered(struct sensor *s, struct container *c)
{
        char words[COVERAGE_MAX];

        if (c->marked_boot_ns == 0)
                c->marked_boot_ns = clock_boot_ns();
        coverage(s, c, words, sizeof(words));
        if (strcmp(words, c->covered) == 0)
                return;
        snprintf(c->covered, sizeof(c->covered), "%s", words);
        sensor_container_tell(s, c);
}

static void on_event(struct tide_event *ev, struct container *c, void *arg)
{
        struct sensor *s = arg;

        switch (ev->kind) {
        case TIDE_CTR_START:
                sensor_auditlog_container(s, c, true);
                sensor_container_tell(s, c);
                sensor_meta_send(s, c);
                sensor_walk(s, c, c->running_before ? WALK_FOUND : WALK_START);
                break;
        case TIDE_EXEC:
                sensor_mapped_exec(s, c, ev->exec.actor.pid, ev->exec.actor.start);
                sensor_net_exec(s, c);
                sensor_send(s, PAIR_EXEC, ev, -1);
                sensor_ran(s, c, ev);
                break;
        case TIDE_PRIV: /* names are worth the least */
                sensor_send(s, ev->priv.what == PRIV_COMM ? PAIR_FILE : PAIR_EXEC, ev, -1);
                break;
        case TIDE_CTR_STOP:
                sensor_auditlog_container(s, c, false);
                sensor_send(s, PAIR_CONTROL, ev, -1);
                break;
        case TIDE_EXIT: /* where a session is over; else forks and exits are the process table's alone */
                if (ev->exit.leader)
                        sensor_send(s, PAIR_EXEC, ev, -1);
                break;
        default:
                break;
        }
}

/* ---- other mount namespaces ---- */

void sensor_on_walks_due(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        uint64_t now = loop_now(s->loop), next = 0;
        struct container *c;

        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                if (c->walk_due_ns && c->walk_due_ns <= now) {
                        c->walk_due_ns = 0;
                        c->walked_ns = now;
                        sensor_walk(s, c, WALK_NAMESPACE);
                }
                if (c->walk_due_ns && (next == 0 || c->walk_due_ns < next))
                        next = c->walk_due_ns;
        }
        if (next)
                loop_timer_set(t, next);
}

/*
 * What was done there before the mark stood, and what is done by a mount that has none, is for the walk: soon, but one
 * container does not make us walk without an end. The mark needs no taking away: it goes with its mount.
 */
static void on_namespace(struct container *c, uint32_t pid, uint64_t start, uint64_t mntns, bool kept, void *arg)
{
        struct sensor *s = arg;
        uint64_t now = loop_now(s->loop), due = c->walked_ns ? c->walked_ns + NAMESPACE_WALKS_NS : now;

        if (c->how == FAN_HOW_FILESYSTEM)
                return; /* sees every mount of it */
        if (kept && mark_root(s, c, pid, start, mntns) == 0)
                s->namespaces_marked++;
        else
                s->namespaces_unmarked++;
        if (c->walk_due_ns == 0) {
                c->walk_due_ns = due > now ? due : now;
                sensor_on_walks_due(s->walks_timer, s);
        }
}

static void on_stopping(struct container *c, void *arg)
{
        c->stopping = true;
        sensor_container_tell(arg, c);
}

static void on_emptied(struct container *c, void *arg)
{
        struct sensor *s = arg;

        (void)c;
        s->emptied = true;
}

static void on_gone(struct container *c, void *arg)
{
        struct sensor *s = arg;

        sensor_coverage_ended(s, c, "the container has ended");
        sensor_contain_gone(s, c);
        sensor_mapped_gone(s, c);
        sensor_resolv_gone(s, c);
        sensor_keep(s, NULL);
        sensor_files_gone(s, c);
}

const struct proctab_ops sensor_proctab_ops = {.event = on_event,
                                               .container = on_container,
                                               .gone = on_gone,
                                               .namespace = on_namespace,
                                               .stopping = on_stopping,
                                               .emptied = on_emptied,
                                               .want_args = sensor_want_args};
