/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cgroup freezer, for the volatile part: freezer.state of version 1 (Linux 2.6.28), cgroup.freeze of version 2
 * (5.2).
 *
 * Owns: one word in one file of the kernel's, and a process that takes it back when the helper ends in any way, or does
 * not end in time: it is no child of the sensor's and outlives it too; and the mark by which the sensor, or its next
 * life, does that where all of them were killed. Must not: freeze or thaw what was frozen already. Hands over: nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define CGROUP_MAX 65536u
#define SETTLE_NS (100 * NSEC_PER_MSEC) /* most that is waited until all of them stand still */
#define GUARD_NS (5 * NSEC_PER_SEC)     /* beyond the volatile part's time: then it is thawed, whatever goes on */

struct way {
        const char *controller; /* as /proc/PID/cgroup names it, between the colons */
        const char *mount, *file, *freeze, *thaw, *state_file, *frozen;
};

static const struct way ways[] = {
        {"freezer", "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN"},
        {"", "/sys/fs/cgroup", "cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"},
        {"", "/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"},
};

static int write_word(const char *path, const char *word)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return -errno;
        return write(fd, word, strlen(word)) < 0 ? -errno : 0;
}

/* The container's own cgroup: the component with its id, not what it has made below. */
static bool own_path(struct buf *text, const struct way *w, const char *id, char *dst, size_t size)
{
        char *line, *rest, *path, *end;

        for (line = strtok_r((char *)text->p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *name = strchr(line, ':');

                path = name ? strchr(name + 1, ':') : NULL;
                if (!path)
                        continue;
                *path++ = '\0';
                if (strcmp(name + 1, w->controller) != 0 || path[0] != '/' || strstr(path, ".."))
                        continue;
                end = strstr(path, id);
                if (!end)
                        return false;
                end[strcspn(end, "/")] = '\0';
                return (size_t)snprintf(dst, size, "%s%s", w->mount, path) < size;
        }
        return false;
}

static bool says(const char *dir, const struct way *w)
{
        _cleanup_buf_ struct buf b;
        char path[CAPTURE_PATH];

        buf_init(&b, 4096);
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, w->state_file) >= sizeof(path))
                return false;
        return capture_read(path, 4096, &b) >= 0 && strstr(buf_cstr(&b), w->frozen);
}

/* ---- what stands frozen is written down: a service manager may kill all of us at once ---- */

#define MARK ".frozen" /* DIR/FILE.frozen: the file, and what is written to it, one a line */
#define MARK_MAX (CAPTURE_PATH + 64u)

static bool mark_path(const char *dir, const char *file, char *dst, size_t size)
{
        return (size_t)snprintf(dst, size, "%s/%s" MARK, dir, file) < size;
}

static int put_mark(const struct capture_run *r, const char *path, const char *thaw)
{
        char mark[PATH_MAX], text[MARK_MAX];
        _cleanup_close_ int fd = -1;
        int n = snprintf(text, sizeof(text), "%s\n%s\n", path, thaw);

        if (!mark_path(r->spec->dir, r->spec->file, mark, sizeof(mark)) || (size_t)n >= sizeof(text))
                return -ENAMETOOLONG;
        fd = open(mark, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return write(fd, text, (size_t)n) == n ? 0 : -EIO;
}

static void drop_mark(const struct capture_run *r)
{
        char mark[PATH_MAX];

        if (mark_path(r->spec->dir, r->spec->file, mark, sizeof(mark)))
                unlink(mark);
}

/* Is it the freezer's file of a cgroup, and what takes its word back? */
static bool may_thaw(const char *path, const char *word)
{
        const char *name = strrchr(path, '/');

        if (strncmp(path, "/sys/fs/cgroup/", 15) != 0 || strstr(path, "/../"))
                return false;
        for (size_t i = 0; i < ARRAY_LEN(ways); i++)
                if (strcmp(name + 1, ways[i].file) == 0 && strcmp(word, ways[i].thaw) == 0)
                        return true;
        return false;
}

int capture_thaw_left(const char *dir, const char *file)
{
        _cleanup_buf_ struct buf b;
        char mark[PATH_MAX], *word, *end;
        int result;

        buf_init(&b, MARK_MAX);
        if (!mark_path(dir, file, mark, sizeof(mark)) || capture_read(mark, MARK_MAX - 1, &b) < 0)
                return 0;
        word = strchr(buf_cstr(&b), '\n');
        end = word ? strchr(word + 1, '\n') : NULL;
        if (!end) { /* it is written before anything is frozen */
                unlink(mark);
                return 0;
        }
        *word++ = *end = '\0';
        if (!may_thaw((const char *)b.p, word))
                return -EINVAL;
        result = write_word((const char *)b.p, word);
        if (result == 0 || result == -ENOENT || result == -ENODEV)
                unlink(mark);
        return result == 0 ? 1 : result;
}

unsigned capture_thaw_all(const char *dir)
{
        DIR *d = opendir(dir);
        struct dirent *e;
        unsigned n = 0;

        while (d && (e = readdir(d))) {
                char *tail = strstr(e->d_name, MARK);

                if (!tail || tail[sizeof(MARK) - 1])
                        continue;
                *tail = '\0';
                n += capture_thaw_left(dir, e->d_name) > 0;
        }
        if (d)
                closedir(d);
        return n;
}

/* Waits for the end of the helper, or for the time, and takes the word back. */
static void __attribute__((noreturn))
guard(const struct capture_run *r, const char *path, const char *thaw, int fd, uint64_t until_ns)
{
        int result;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now;

        prctl(PR_SET_PDEATHSIG, 0);
        prctl(PR_SET_NAME, "tidemark-thaw");
        setsid();
        for (int sig = 1; sig < NSIG; sig++)
                signal(sig, SIG_IGN);
        while ((now = clock_boot_ns()) < until_ns && poll(&p, 1, (int)((until_ns - now) / NSEC_PER_MSEC) + 1) < 0 &&
               errno == EINTR)
                ;
        result = write_word(path, thaw);
        if (result == 0 || result == -ENOENT)
                drop_mark(r);
        _exit(result < 0);
}

static int start_guard(struct capture_run *r, struct capture_freeze *f, const char *thaw)
{
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        f->guard = fork();
        if (f->guard < 0) {
                int error = -errno;

                close(fds[0]);
                close(fds[1]);
                f->guard = 0;
                return error;
        }
        if (f->guard == 0) {
                close(r->sock); /* its end tells the sensor that the helper has ended */
                close(fds[1]);
                guard(r, f->path, thaw, fds[0], r->volatile_end_ns + GUARD_NS);
        }
        close(fds[0]);
        f->guard_fd = fds[1];
        return 0;
}

static int try_way(struct capture_run *r, const struct way *w, struct capture_freeze *f)
{
        _cleanup_buf_ struct buf text;
        char dir[CAPTURE_PATH - 32], path[64];
        int result;

        buf_init(&text, CGROUP_MAX + 1);
        snprintf(path, sizeof(path), "/proc/%u/cgroup", r->spec->init_pid);
        if (capture_read(path, CGROUP_MAX, &text) < 0)
                return -ENOENT;
        buf_cstr(&text);
        if (!own_path(&text, w, r->spec->id, dir, sizeof(dir)))
                return -ENOENT;
        snprintf(f->path, sizeof(f->path), "%s/%s", dir, w->file);
        if (access(f->path, F_OK) < 0)
                return -ENOENT;
        if (says(dir, w))
                return -EALREADY;
        result = put_mark(r, f->path, w->thaw);
        if (result == 0)
                result = start_guard(r, f, w->thaw);
        if (result == 0)
                result = write_word(f->path, w->freeze);
        if (result < 0) {
                drop_mark(r);
                return result;
        }
        f->thaw = w->thaw;
        for (uint64_t end = clock_boot_ns() + SETTLE_NS; !says(dir, w) && clock_boot_ns() < end;)
                poll(NULL, 0, 1);
        if (!says(dir, w))
                capture_note(r->notes, CAPTURE_MISSED, bytes_str(f->path), "not all of its processes stood still", 0);
        return 0;
}

void capture_freeze(struct capture_run *r, struct capture_freeze *f)
{
        int result = -ENOENT;

        for (size_t i = 0; result == -ENOENT && i < ARRAY_LEN(ways); i++)
                result = try_way(r, &ways[i], f);
        if (result == -EALREADY)
                capture_note(r->notes, CAPTURE_TOLD, BYTES_LIT("freezer"), "it was frozen already, and stays so", 0);
        else if (result < 0)
                capture_note(r->notes, CAPTURE_MISSED, BYTES_LIT("freezer"),
                             "it could not be frozen: its processes went on while they were read", result);
        else
                capture_note(r->notes, CAPTURE_TOLD, bytes_str(f->path), "frozen for the volatile part", 0);
}

void capture_thaw(struct capture_run *r, struct capture_freeze *f)
{
        int result = f->thaw ? write_word(f->path, f->thaw) : 0;

        if (result < 0 && result != -ENOENT)
                capture_note(r->notes, CAPTURE_MISSED, bytes_str(f->path), "it could not be thawed", result);
        if (f->thaw && (result == 0 || result == -ENOENT))
                drop_mark(r);
        if (f->guard > 0) {
                if (result == 0)
                        kill(f->guard, SIGKILL); /* else it tries again */
                close(f->guard_fd);
                while (waitpid(f->guard, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        f->thaw = NULL;
        f->guard = 0;
}
