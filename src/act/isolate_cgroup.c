/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_cgroup - a container's cgroup: frozen, thawed, killed. cgroups(7); Documentation/admin-guide/cgroup-v2.rst.
 *
 * Owns: the directories' descriptors, for one request. Must not: touch a cgroup whose path has not the container's id.
 * Hands over: whether the kernel says that it is so.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#include "isolate-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/clock.h"
#include "tidemark/compat.h"

#define DIRS_DEEP 32u
#define DIRS_MAX 1024u
#define PAUSE_NS 1000000L

/* ---- which ---- */

struct mounts {
        char v1[256], v2[256]; /* where the freezer and version 2 are mounted; "" where not */
};

/* "… - cgroup cgroup rw,freezer": a mount of the hierarchy's root, the first of each. */
static void take_mount(struct mounts *m, char *line)
{
        char root[256], point[256], *tail = strstr(line, " - ");

        if (!tail || sscanf(line, "%*s %*s %*s %255s %255s", root, point) != 2 || strcmp(root, "/") != 0 ||
            strchr(point, '\\'))
                return;
        if (!m->v2[0] && strncmp(tail, " - cgroup2 ", 11) == 0)
                strcpy(m->v2, point);
        else if (!m->v1[0] && strncmp(tail, " - cgroup ", 10) == 0 && strstr(tail, ",freezer"))
                strcpy(m->v1, point);
}

static void find_mounts(struct mounts *m)
{
        FILE *f = fopen("/proc/self/mountinfo", "re");
        char *line = NULL;
        size_t size = 0;

        memset(m, 0, sizeof(*m));
        while (f && getline(&line, &size, f) > 0)
                take_mount(m, line);
        free(line);
        if (f)
                fclose(f);
}

static int open_below(const char *mount, struct bytes path)
{
        _cleanup_close_ int root = mount[0] ? open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

        return root < 0 ? -ENOENT : beneath_open(root, path, O_RDONLY | O_DIRECTORY, BENEATH_ANY_MOUNT);
}

static uint32_t depth(struct bytes path)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i + 1 < path.len; i++)
                n += path.p[i] == '/' && path.p[i + 1] != '/';
        return n;
}

static int path_of(const char *id, uint32_t pid, const char *given, const char *controller, char *text, size_t size,
                   struct bytes *ret)
{
        ssize_t n = -1;

        if (pid == 0) {
                n = snprintf(text, size, "0:%s:%s\n", controller, given);
        } else {
                char path[64];
                _cleanup_close_ int fd = -1;

                snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                n = fd < 0 ? -1 : read(fd, text, size);
        }
        if (n <= 0 || (size_t)n > size)
                return -ESRCH;
        return isolate_parse_cgroup(bytes_of(text, (size_t)n), controller, id, ret);
}

static int open_by(const char *id, uint32_t pid, const char *path, struct isolate_cgroups *ret)
{
        struct isolate_cgroups c = {.v1 = -1, .v2 = -1};
        struct mounts m;
        struct bytes p;
        struct stat st;
        char text[4096];

        find_mounts(&m);
        if (path_of(id, pid, path, "freezer", text, sizeof(text), &p) == 0)
                c.v1 = open_below(m.v1, p);
        if (path_of(id, pid, path, "", text, sizeof(text), &p) == 0) {
                c.v2 = open_below(m.v2, p);
                c.level = depth(p);
        }
        if (c.v2 >= 0 && fstat(c.v2, &st) == 0)
                c.id = st.st_ino;
        if (c.v1 < 0 && c.v2 < 0)
                return -ENOENT;
        *ret = c;
        return 0;
}

/* A task that has ended, or was moved, is in none of it. */
int isolate_cgroups_open(const char *id, uint32_t pid, const char *path, struct isolate_cgroups *ret)
{
        int r = open_by(id, pid, path, ret);

        return r < 0 && pid && path[0] ? open_by(id, 0, path, ret) : r;
}

void isolate_cgroups_close(struct isolate_cgroups *c)
{
        if (c->v1 >= 0)
                close(c->v1);
        if (c->v2 >= 0)
                close(c->v2);
        c->v1 = c->v2 = -1;
}

static int file_of(int dir, const char *name, int flags)
{
        return dir < 0 ? -ENOENT : beneath_open(dir, bytes_str(name), flags, BENEATH_ONE_MOUNT);
}

static bool has_file(int dir, const char *name)
{
        _cleanup_close_ int fd = file_of(dir, name, O_PATH);

        return fd >= 0;
}

uint32_t isolate_cgroups_facts(const struct isolate_cgroups *c)
{
        return (has_file(c->v1, "freezer.state") ? ISOLATE_FREEZER_V1 : 0u) |
               (has_file(c->v2, "cgroup.freeze") ? ISOLATE_FREEZER_V2 : 0u) |
               (has_file(c->v2, "cgroup.kill") ? ISOLATE_CGROUP_KILL : 0u);
}

/* ---- the freezer ---- */

static int write_file(int dir, const char *name, const char *text)
{
        _cleanup_close_ int fd = file_of(dir, name, O_WRONLY);

        if (fd < 0)
                return fd;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int isolate_cgroups_join(const struct isolate_cgroups *c)
{
        return write_file(c->v2, "cgroup.procs", "0");
}

static bool file_says(int dir, const char *name, const char *word)
{
        _cleanup_close_ int fd = file_of(dir, name, O_RDONLY);
        char text[256];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (n < 0)
                return false;
        text[n] = '\0';
        return strstr(text, word) != NULL;
}

static void pause_a_little(void)
{
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

/* Of version 2 where there is one: a killed task leaves it, and a runtime that thaws version 1 does not undo it. */
int isolate_freeze(const struct isolate_cgroups *c, bool frozen, uint64_t deadline_ns)
{
        bool two = has_file(c->v2, "cgroup.freeze");
        int r;

        if (!two && !has_file(c->v1, "freezer.state"))
                return -EOPNOTSUPP;
        for (;;) {
                if (two)
                        r = write_file(c->v2, "cgroup.freeze", frozen ? "1" : "0");
                else /* asked again, as the kernel wants it while some are on their way */
                        r = write_file(c->v1, "freezer.state", frozen ? "FROZEN" : "THAWED");
                if (r < 0 && r != -EBUSY)
                        return r;
                if (two ? file_says(c->v2, "cgroup.events", frozen ? "frozen 1" : "frozen 0")
                        : file_says(c->v1, "freezer.state", frozen ? "FROZEN" : "THAWED"))
                        return 0;
                if (clock_boot_ns() >= deadline_ns)
                        return -ETIMEDOUT;
                pause_a_little();
        }
}

/* ---- its tasks ---- */

struct tasks {
        void (*cb)(uint32_t pid, void *arg);
        void *arg;
        uint32_t n, dirs;
};

static void each_of_file(struct tasks *t, int dir)
{
        int fd = file_of(dir, "cgroup.procs", O_RDONLY);
        FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
        unsigned pid;

        if (!f && fd >= 0)
                close(fd);
        while (f && fscanf(f, "%u", &pid) == 1) {
                t->n++;
                if (t->cb && pid)
                        t->cb(pid, t->arg);
        }
        if (f)
                fclose(f);
}

static void each_below(struct tasks *t, int dir, unsigned deep)
{
        int again = file_of(dir, "", O_RDONLY | O_DIRECTORY);
        DIR *d = again < 0 ? NULL : fdopendir(again);
        struct dirent *e;

        each_of_file(t, dir);
        if (!d && again >= 0)
                close(again);
        while (d && deep < DIRS_DEEP && (e = readdir(d))) {
                _cleanup_close_ int sub = -1;

                if (e->d_type != DT_DIR || e->d_name[0] == '.' || ++t->dirs > DIRS_MAX)
                        continue;
                sub = file_of(dir, e->d_name, O_RDONLY | O_DIRECTORY);
                if (sub >= 0)
                        each_below(t, sub, deep + 1);
        }
        if (d)
                closedir(d);
}

/* By the one hierarchy, or the other where the first has none. */
uint32_t isolate_cgroups_each(const struct isolate_cgroups *c, void (*cb)(uint32_t pid, void *arg), void *arg)
{
        struct tasks t = {.cb = cb, .arg = arg};

        if (c->v2 >= 0)
                each_below(&t, c->v2, 0);
        if (t.n == 0 && c->v1 >= 0)
                each_below(&t, c->v1, 0);
        if (t.n == 0 && c->v2 >= 0 && file_says(c->v2, "cgroup.events", "populated 1"))
                t.n = 1; /* deeper than anybody looks */
        return t.n;
}

/* By a descriptor of the process, where the kernel has them, so that it is the one that was looked at. */
static void kill_one(uint32_t pid, void *arg)
{
        _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        const char *id = arg;
        struct bytes path;
        char text[4096];

        if (path_of(id, pid, "", "freezer", text, sizeof(text), &path) < 0 &&
            path_of(id, pid, "", "", text, sizeof(text), &path) < 0)
                return;
        if (fd < 0 || syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
                kill((pid_t)pid, SIGKILL);
}

/* One go: all at once where the kernel does that, else each while none can fork. */
static void kill_round(const struct isolate_cgroups *c, const char *id)
{
        uint64_t soon = clock_boot_ns() + 100 * NSEC_PER_MSEC;
        char text[ISOLATE_ID];

        if (write_file(c->v2, "cgroup.kill", "1") == 0 && isolate_cgroups_each(c, NULL, NULL) == 0)
                return;
        snprintf(text, sizeof(text), "%s", id);
        (void)!isolate_freeze(c, true, soon);
        isolate_cgroups_each(c, kill_one, text);
        (void)!isolate_freeze(c, false, soon);
        if (c->v1 >= 0) /* whoever else had it frozen: a task that is does not die */
                (void)!write_file(c->v1, "freezer.state", "THAWED");
}

int isolate_kill(const struct isolate_cgroups *c, const char *id, uint64_t deadline_ns, uint32_t *ret_tasks)
{
        uint32_t there = isolate_cgroups_each(c, NULL, NULL);

        *ret_tasks = there;
        while (there) {
                if (clock_boot_ns() >= deadline_ns)
                        return -ETIMEDOUT;
                kill_round(c, id);
                there = isolate_cgroups_each(c, NULL, NULL);
                if (there)
                        pause_a_little();
        }
        return 0;
}
