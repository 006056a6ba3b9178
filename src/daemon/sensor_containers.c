/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is done when a container comes, is covered, and goes. Must not: mark a root that is not a container's own,
 * or keep anything of it once it is gone. Hands over: events of its processes and its start and stop to the pair.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "containers"

/* File systems whose marks can be answered without asking a server: DESIGN section 1, "never be harmed". */
static const char *const safe_types[] = {"overlay", "ext4", "ext3", "ext2", "xfs", "btrfs", "tmpfs", "f2fs"};

static bool is_safe(const char *fstype)
{
        for (size_t i = 0; i < ARRAY_LEN(safe_types); i++)
                if (fstype && strcmp(fstype, safe_types[i]) == 0)
                        return true;
        return false;
}

/* Its root, looked at once more before it is marked: the pid may be another's by now. */
static int mark_content(struct sensor *s, struct container *c)
{
        enum fan_how how = FAN_HOW_NONE;
        struct stat st, host;
        char path[64];
        int r;

        if (!s->fan || !is_safe(c->fstype))
                return -EOPNOTSUPP;
        snprintf(path, sizeof(path), "/proc/%u/root/.", c->init_pid);
        if (stat(path, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_dev != c->root_dev ||
            (stat("/", &host) == 0 && host.st_dev == st.st_dev && host.st_ino == st.st_ino))
                return -EXDEV;
        r = fan_source_mark(s->fan, path, strcmp(c->fstype, "overlay") == 0, &how);
        c->how = how;
        if (r == 0 && s->execs)
                r = fan_source_mark(s->execs, path, how == FAN_HOW_FILESYSTEM, &how);
        return r;
}

static void on_container(struct container *c, bool before, void *arg)
{
        struct sensor *s = arg;
        int r = mark_content(s, c);

        (void)before;
        if (r < 0)
                log_warn(MOD, "container %.12s: contents of its files cannot be watched (%s)", c->id, err_str(r));
        if (!c->layer)
                log_warn(MOD, "container %.12s: root on %s without a usable upper directory: its files are not covered",
                         c->id, c->fstype ? c->fstype : "an unknown file system");
}

static void coverage(const struct sensor *s, const struct container *c, char *dst, size_t size)
{
        static const char *const content[] = {[FAN_HOW_NONE] = "not watched",
                                              [FAN_HOW_FILESYSTEM] = "filesystem mark",
                                              [FAN_HOW_MOUNT] = "mount mark"};
        const char *inotify = s->names && names_source_by(s->names) == NAMES_INOTIFY ? " by inotify" : "";

        if (!c->layer)
                snprintf(dst, size, "files: not covered");
        else if (!s->names)
                snprintf(dst, size, "content: %s; names: walks only", content[c->how]);
        else if (c->dirs_refused)
                snprintf(dst, size, "content: %s; names: %zu directories%s, %u more by walks only", content[c->how],
                         names_source_count(s->names, c->tag), inotify, c->dirs_refused);
        else
                snprintf(dst, size, "content: %s; names: %zu directories%s", content[c->how],
                         names_source_count(s->names, c->tag), inotify);
}

void sensor_container_tell(struct sensor *s, struct container *c)
{
        struct tide_event ev;
        char words[COVERAGE_MAX];

        container_event(c, TIDE_CTR_START, &ev);
        ev.sources = SRC_PROCFS;
        coverage(s, c, words, sizeof(words));
        ev.ctr.coverage = bytes_str(words);
        if (!c->running_before && c->marked_boot_ns && !ev.ctr.gap_ns)
                ev.ctr.gap_ns = 1; /* the marks stood before its first act: measured, and none */
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

void sensor_container_covered(struct sensor *s, struct container *c)
{
        char words[COVERAGE_MAX];

        coverage(s, c, words, sizeof(words));
        if (c->marked_boot_ns && strcmp(words, c->covered) == 0)
                return;
        if (c->marked_boot_ns == 0)
                c->marked_boot_ns = clock_boot_ns();
        snprintf(c->covered, sizeof(c->covered), "%s", words);
        sensor_container_tell(s, c);
}

static void on_event(struct tide_event *ev, struct container *c, void *arg)
{
        struct sensor *s = arg;

        switch (ev->kind) {
        case TIDE_CTR_START:
                sensor_container_tell(s, c);
                sensor_meta_send(s, c);
                sensor_walk(s, c, c->running_before ? WALK_FOUND : WALK_START);
                break;
        case TIDE_EXEC:
                sensor_mapped_exec(s, c, ev->exec.actor.pid, ev->exec.actor.start);
                sensor_send(s, PAIR_EXEC, ev, -1);
                break;
        case TIDE_PRIV: /* names are worth the least */
                sensor_send(s, ev->priv.what == PRIV_COMM ? PAIR_FILE : PAIR_EXEC, ev, -1);
                break;
        case TIDE_CTR_STOP:
                sensor_send(s, PAIR_CONTROL, ev, -1);
                break;
        default: /* forks and exits are the process table's: the engine judges what ran */
                break;
        }
}

static void on_gone(struct container *c, void *arg)
{
        struct sensor *s = arg;

        sensor_mapped_gone(s, c);
        sensor_keep(s, NULL);
        if (s->names)
                names_source_forget(s->names, c->tag);
}

const struct proctab_ops sensor_proctab_ops = {.event = on_event, .container = on_container, .gone = on_gone,
                                                .want_args = sensor_want_args};
