/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory of which what is put there is imported by itself (records.drop): for each file a command of the agent's
 * own, which takes the way of every command: trail, engine, trail.
 *
 * Owns: watching the directory, the helper that opens its files and moves them away, one at a time. Must not: read a
 * byte of a file (the engine's worker does), or take one that others than root could have written. Hands over: the
 * descriptor with a command to sensor_admin.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/log.h"
#include "tidemark/passfd.h"

#define MOD "records"
#define DONE_DIR "imported"
#define REFUSED_DIR "refused"
#define SAME_NAMES 1000u
#define AGAIN_NS (30 * NSEC_PER_SEC)  /* after no helper could be started, or no command taken */
#define LATER_NS (300 * NSEC_PER_SEC) /* after one that was not done, as on a full disk: each try is in the trail */

/* What the helper is told of a file that it has handed over. */
enum outcome { LEFT, IMPORTED, REFUSED };

struct sensor_drop {
        char path[512];
        int dir, inotify; /* -1: none */
        struct loop_src *inotify_src;
        struct loop_timer *again;
        pid_t pid;
        int helper; /* -1: none runs */
        struct loop_src *helper_src;
        struct helper_stuck stuck;
        uint64_t command; /* under way; 0: none */
        bool more;        /* something came while the helper ran */
};

/* ---- in the helper ---- */

/* Nobody has it open for writing (fcntl(2), leases); where a filesystem has none that is not known. */
static bool is_closed(int fd)
{
        if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
                return errno != EAGAIN;
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return true;
}

/* Under a name that is not taken there. */
static int move(int dir, const char *name, const char *to)
{
        char target[sizeof(((struct dirent *)0)->d_name) + 32];

        if (mkdirat(dir, to, 0700) < 0 && errno != EEXIST)
                return -errno;
        for (unsigned i = 0; i < SAME_NAMES; i++) {
                if (i == 0)
                        snprintf(target, sizeof(target), "%s/%s", to, name);
                else
                        snprintf(target, sizeof(target), "%s/%s.%u", to, name, i);
                if (faccessat(dir, target, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
                        return renameat(dir, name, dir, target) < 0 ? -errno : 0;
        }
        return -EEXIST;
}

/* It is in the directory itself: run_helper(). */
static int hand_over(int sock, int dir, const char *name)
{
        _cleanup_close_ int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        uint8_t outcome = LEFT;
        struct stat st;
        ssize_t n;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_closed(fd))
                return 0;
        if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH)) {
                log_warn(MOD, "%s is not taken: it must be root's, and written by nobody else", name);
                return 0;
        }
        r = passfd_send(sock, name, strlen(name), &fd, 1, 0);
        if (r < 0)
                return r;
        do
                n = recv(sock, &outcome, 1, 0);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -EPIPE;
        if (outcome != LEFT)
                r = move(dir, name, outcome == IMPORTED ? DONE_DIR : REFUSED_DIR);
        if (r < 0)
                log_warn(MOD, "%s cannot be moved away: %s; it is imported again at the next start", name, err_str(r));
        return 0;
}

static int has_name(const struct dirent *d)
{
        return d->d_name[0] != '.' && (d->d_type == DT_REG || d->d_type == DT_UNKNOWN);
}

static int run_helper(int sock, void *arg)
{
        const struct sensor_drop *k = arg;
        struct dirent **names = NULL;
        int n, r = 0;

        signal(SIGIO, SIG_IGN); /* of a lease */
        if (caps_none() < 0 || fchdir(k->dir) < 0)
                return 1;
        n = scandir(".", &names, has_name, alphasort);
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = hand_over(sock, k->dir, names[i]->d_name);
                free(names[i]);
        }
        free(names);
        return r < 0 || n < 0;
}

/* ---- in the sensor ---- */

static void start(struct sensor *s);

static void end_helper(struct sensor *s)
{
        struct sensor_drop *k = s->drop;

        k->helper_src = loop_src_del(k->helper_src);
        if (k->helper >= 0)
                close(k->helper);
        k->helper = -1;
        k->command = 0;
        helper_leave(&k->stuck, &k->pid);
        helper_reap(&k->stuck);
        if (k->more)
                start(s);
}

static void answer(struct sensor *s, enum outcome outcome)
{
        uint8_t word = (uint8_t)outcome;

        s->drop->command = 0;
        if (s->drop->helper >= 0 && send(s->drop->helper, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                end_helper(s);
}

void sensor_drop_answered(struct sensor *s, uint64_t command, bool ok)
{
        struct sensor_drop *k = s->drop;

        if (!k || command == 0 || command != k->command)
                return;
        answer(s, ok ? IMPORTED : REFUSED);
}

void sensor_drop_left(struct sensor *s, uint64_t command)
{
        struct sensor_drop *k = s->drop;

        if (!k || command == 0 || command != k->command)
                return;
        log_warn(MOD, "what lies in %s could not be imported now: it stays there, and is taken again later", k->path);
        k->more = false;
        loop_timer_set(k->again, loop_now(s->loop) + LATER_NS);
        end_helper(s); /* the others would fare no better */
}

static char *command_of(const char *name)
{
        json_t *o = json_pack("{s:s,s:s,s:b}", "cmd", "record.import", "file", name, "dropped", 1);
        char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

        json_decref(o);
        return line;
}

static int on_helper(struct loop_src *src, int fd, short revents, void *arg)
{
        struct sensor *s = arg;
        struct sensor_drop *k = s->drop;
        _cleanup_close_ int file = -1;
        _cleanup_free_ char *line = NULL;
        char name[NAME_MAX + 1];
        size_t nfds = 0;
        ssize_t n = passfd_recv(fd, name, sizeof(name) - 1, &file, 1, &nfds, MSG_DONTWAIT);

        (void)src, (void)revents;
        if (n == -EAGAIN || n == -EINTR)
                return LOOP_DONE;
        if (n <= 0 || nfds != 1) {
                if (n == 0) /* it has ended: nothing can hold it up any more */
                        helper_end(&k->pid);
                end_helper(s);
                return LOOP_DONE;
        }
        name[n] = '\0';
        line = command_of(name); /* a name that is no UTF-8 has none */
        if (!line || sensor_admin_own(s, line, TAKE_FD(file), &k->command) < 0) {
                log_warn(MOD, "a file in %s is left alone: %s", k->path,
                         line ? "too many commands are under way" : "its name is no UTF-8");
                if (line)
                        loop_timer_set(k->again, loop_now(s->loop) + AGAIN_NS);
                answer(s, LEFT);
        }
        return LOOP_DONE;
}

static void start(struct sensor *s)
{
        struct sensor_drop *k = s->drop;
        int r;

        if (k->helper >= 0) {
                k->more = true;
                return;
        }
        k->more = false;
        r = helper_reap(&k->stuck) == HELPER_STUCK ? -EBUSY : 0;
        if (r == 0)
                r = helper_start("tidemark-drop", HELPER_HAS_TIME, run_helper, k, &k->dir, 1, &k->helper, &k->pid);
        if (r == 0)
                r = loop_add(s->loop, k->helper, POLLIN, LOOP_WORK, "records dropped", on_helper, s, &k->helper_src);
        if (r == 0)
                return;
        log_error(MOD, "what lies in %s cannot be looked at: %s", k->path, err_str(r));
        loop_timer_set(k->again, loop_now(s->loop) + AGAIN_NS);
}

static void on_again(struct loop_timer *t, void *arg)
{
        (void)t;
        start(arg);
}

static int on_inotify(struct loop_src *src, int fd, short revents, void *arg)
{
        char events[4096];
        ssize_t n = read(fd, events, sizeof(events));

        (void)src, (void)revents;
        if (n > 0) /* whatever came: all of it is looked at */
                start(arg);
        return LOOP_DONE;
}

static int watch(struct sensor *s)
{
        struct sensor_drop *k = s->drop;
        struct stat st;

        k->dir = open(k->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (k->dir < 0 || fstat(k->dir, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
                return ERR_UNTRUSTED;
        k->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (k->inotify < 0 || inotify_add_watch(k->inotify, k->path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0)
                return -errno;
        return loop_add(s->loop, k->inotify, POLLIN, LOOP_WORK, "records.drop", on_inotify, s, &k->inotify_src);
}

/* What keeps it from being watched keeps nothing else from working. */
int sensor_drop_start(struct sensor *s)
{
        const char *word = s->cfg->records_drop;
        struct sensor_drop *k;
        int r;

        if (strcmp(word, "none") == 0)
                return 0;
        s->drop = k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        k->dir = k->inotify = k->helper = -1;
        r = loop_timer_new(s->loop, on_again, s, &k->again);
        if (r < 0)
                return r;
        if (strcmp(word, "auto") == 0) {
                snprintf(k->path, sizeof(k->path), "%s/records", s->setup->state_dir);
                if (mkdir(k->path, 0700) < 0 && errno != EEXIST)
                        log_warn(MOD, "%s cannot be made: %s", k->path, err_str(-errno));
        } else {
                snprintf(k->path, sizeof(k->path), "%s", word);
        }
        r = watch(s);
        if (r < 0)
                log_warn(MOD, "records.drop: %s: %s%s: nothing that is put there is imported", k->path, err_str(r),
                         r == ERR_UNTRUSTED ? ", it must be root's, and written by nobody else" : "");
        else
                start(s);
        return 0;
}

void sensor_drop_stop(struct sensor *s)
{
        struct sensor_drop *k = s->drop;

        if (!k)
                return;
        k->more = false;
        end_helper(s);
        k->inotify_src = loop_src_del(k->inotify_src);
        loop_timer_free(k->again);
        if (k->inotify >= 0)
                close(k->inotify);
        if (k->dir >= 0)
                close(k->dir);
        free(k);
        s->drop = NULL;
}
