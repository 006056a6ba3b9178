/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_child - the two helpers: the one that cuts off and keeps the list, and the one that kills.
 *
 * Owns: its end of the pair, the home namespace, the list's directory. Must not: decide anything. Hands over: one
 * answer for every request, in order.
 *
 * The one that kills has a right that nobody can be given later, so it does nothing itself: for each request it forks
 * a process that may hang, and goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "isolate-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/nl.h"
#include "tidemark/passfd.h"

#define MESSAGE (sizeof(struct isolate_ask) + ISOLATE_LIST_BYTES)
#define KILL_TIMES 3u /* deadlines */

/* One request: 1; 0: the sensor is gone; or negative. */
static int receive(int fd, struct isolate_ask *k, size_t *ret_len)
{
        ssize_t n;

        do
                n = recv(fd, k, MESSAGE, 0);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        if ((size_t)n < sizeof(*k) || (size_t)n != sizeof(*k) + k->list_len)
                return -EPROTO;
        *ret_len = (size_t)n;
        return 1;
}

static void begin_reply(struct isolate_reply *rep, const struct isolate_ask *k)
{
        memset(rep, 0, sizeof(*rep));
        rep->serial = k->serial;
        rep->a.token = k->q.token;
        rep->a.what = k->q.what;
}

/* In a process of its own: the disk may take its time, and a cut may not wait for it. Or what forking failed with. */
static int apart(int fd, const struct isolate_ask *k, void (*run)(int fd, const struct isolate_ask *k, const void *arg),
                 const void *arg)
{
        struct isolate_reply rep;
        pid_t own = getpid(), pid = fork();

        if (pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == own)
                        run(fd, k, arg);
                _exit(EXIT_SUCCESS);
        }
        if (pid > 0)
                return 0;
        begin_reply(&rep, k);
        rep.a.error = -errno;
        snprintf(rep.a.why, sizeof(rep.a.why), "no process can be made for it: %s", err_str(rep.a.error));
        return passfd_send(fd, &rep, sizeof(rep), NULL, 0, 0);
}

struct list_dir {
        const char *name;
        int fd; /* or why there is none */
};

static void save(int fd, const struct isolate_ask *k, const void *arg)
{
        const struct list_dir *dir = arg;
        struct isolate_reply rep;

        begin_reply(&rep, k);
        rep.a.error = dir->fd < 0 ? dir->fd : isolate_list_write(dir->fd, bytes_of(k + 1, k->list_len));
        if (rep.a.error < 0)
                snprintf(rep.a.why, sizeof(rep.a.why), "the list of isolated containers in %.80s cannot be written: "
                         "%s", dir->name ? dir->name : "(none)", err_str(rep.a.error));
        (void)!passfd_send(fd, &rep, sizeof(rep), NULL, 0, 0);
}

static int one_request(struct isolate_worker *w, int fd, const struct isolate_ask *k)
{
        _cleanup_(nl_closep) struct nl *events = NULL;
        struct isolate_reply rep;
        int r = isolate_serve(w, k, &rep, &events), sock;

        if (r < 0)
                return r;
        rep.listens = events != NULL;
        sock = events ? nl_fd(events) : -1;
        return passfd_send(fd, &rep, sizeof(rep), &sock, events != NULL, 0);
}

int isolate_child(int fd, void *arg)
{
        const struct isolate_child_setup *setup = arg;
        struct isolate_worker w = {.instance = setup->instance, .deadline_ns = setup->deadline_ns};
        struct isolate_ask *k = malloc(MESSAGE);
        struct stat st;
        struct list_dir dir = {.name = setup->state_dir, .fd = -ENOENT};
        size_t len;
        int r = 0;

        if (setup->state_dir)
                dir.fd = open(setup->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (setup->state_dir && dir.fd < 0)
                dir.fd = -errno;
        signal(SIGCHLD, SIG_IGN); /* nobody waits for what is done apart */
        umask(S_IRWXG | S_IRWXO);
        w.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (!k || w.home < 0 || fstat(w.home, &st) < 0)
                return -ENOMEM;
        w.home_ino = st.st_ino;
        if (setup->confine)
                r = setup->confine();
        while (r == 0) {
                r = receive(fd, k, &len);
                if (r <= 0)
                        break;
                r = k->q.what == ISOLATE_SAVE ? apart(fd, k, save, &dir) : one_request(&w, fd, k);
        }
        free(k);
        return r;
}

/* ---- the one that kills ---- */

static void kill_and_tell(int fd, const struct isolate_ask *k, const void *arg)
{
        const struct isolate_child_setup *setup = arg;
        uint64_t deadline_ns = clock_boot_ns() + KILL_TIMES * setup->deadline_ns - setup->deadline_ns / 2;
        struct isolate_reply rep;
        struct isolate_cgroups c;

        begin_reply(&rep, k);
        rep.a.error = isolate_cgroups_open(k->q.id, k->q.pid, k->q.cgroup, &c);
        if (rep.a.error == 0) {
                rep.a.facts = isolate_cgroups_facts(&c);
                rep.a.error = isolate_kill(&c, k->q.id, deadline_ns, &rep.a.tasks);
                rep.a.left = rep.a.error != 0;
                isolate_cgroups_close(&c);
        }
        if (rep.a.error == -ETIMEDOUT)
                snprintf(rep.a.why, sizeof(rep.a.why), "some of its tasks are left: they are in the kernel, or are "
                         "made anew");
        else if (rep.a.error < 0)
                snprintf(rep.a.why, sizeof(rep.a.why), "no cgroup of it is found: %s", err_str(rep.a.error));
        (void)!passfd_send(fd, &rep, sizeof(rep), NULL, 0, 0);
}

int isolate_killer(int fd, void *arg)
{
        const struct isolate_child_setup *setup = arg;
        struct isolate_ask *k = malloc(MESSAGE);
        size_t len;
        int r = k ? 0 : -ENOMEM;

        signal(SIGCHLD, SIG_IGN);
        if (r == 0 && setup->confine)
                r = setup->confine();
        while (r == 0) {
                r = receive(fd, k, &len);
                if (r <= 0)
                        break;
                r = apart(fd, k, kill_and_tell, setup);
        }
        free(k);
        return r;
}
