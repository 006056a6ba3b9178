/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a helper process is made and ended. Must not: know what it does. Hands over: one end of the pair to each
 * side.
 */
#include "tidemark/helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static bool kept(int fd, const int *keep, size_t nkeep)
{
        for (size_t i = 0; i < nkeep; i++)
                if (keep[i] == fd)
                        return true;
        return false;
}

/* By the list of what is open: the limit on descriptors may have been lowered below what is open, or be very high. */
static int close_others(int own, const int *keep, size_t nkeep)
{
        DIR *d = opendir("/proc/self/fd");
        struct dirent *e;

        if (!d)
                return -errno;
        while ((e = readdir(d))) {
                int fd = atoi(e->d_name);

                if (e->d_name[0] != '.' && fd > STDERR_FILENO && fd != own && fd != dirfd(d) && !kept(fd, keep, nkeep))
                        close(fd);
        }
        closedir(d);
        return 0;
}

static void __attribute__((noreturn))
become(const char *name, enum helper_haste haste, helper_main run, void *arg, int fd, const int *keep, size_t nkeep,
       pid_t parent)
{
        sigset_t none;

        for (int sig = 1; sig < NSIG; sig++) /* refused for SIGKILL and SIGSTOP, as it must be */
                signal(sig, sig == SIGINT || sig == SIGTERM ? SIG_IGN : SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_NAME, name);
        if (haste == HELPER_HAS_TIME && getpriority(PRIO_PROCESS, 0) < 0 && setpriority(PRIO_PROCESS, 0, 0) < 0)
                _exit(EXIT_FAILURE);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || close_others(fd, keep, nkeep) < 0)
                _exit(EXIT_FAILURE);
        _exit(run(fd, arg) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int helper_start(const char *name, enum helper_haste haste, helper_main run, void *arg, const int *keep, size_t nkeep,
                 int *ret_fd, pid_t *ret_pid)
{
        pid_t parent = getpid(), pid;
        int sv[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
                return -errno;
        pid = fork();
        if (pid < 0) {
                int r = -errno;

                close(sv[0]);
                close(sv[1]);
                return r;
        }
        if (pid == 0)
                become(name, haste, run, arg, sv[1], keep, nkeep, parent);
        close(sv[1]);
        *ret_fd = sv[0];
        *ret_pid = pid;
        return 0;
}

void helper_end(pid_t *pid)
{
        if (*pid > 0) {
                kill(*pid, SIGKILL);
                while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        *pid = 0;
}

/* One that is at its end has its status already: a signal changes nothing of that. */
int helper_gone(pid_t *pid)
{
        int status = 0;
        pid_t r;

        if (*pid <= 0)
                return -1;
        kill(*pid, SIGKILL);
        do
                r = waitpid(*pid, &status, 0);
        while (r < 0 && errno == EINTR);
        *pid = 0;
        return r < 0 ? -1 : status;
}

void helper_leave(struct helper_stuck *s, pid_t *pid)
{
        if (*pid > 0)
                kill(*pid, SIGKILL);
        for (unsigned i = 0; *pid > 0 && i < HELPER_STUCK; i++)
                if (s->pid[i] == 0) {
                        s->pid[i] = *pid;
                        break;
                }
        *pid = 0;
}

unsigned helper_reap(struct helper_stuck *s)
{
        unsigned left = 0;

        for (unsigned i = 0; i < HELPER_STUCK; i++) {
                if (s->pid[i] && waitpid(s->pid[i], NULL, WNOHANG) != 0)
                        s->pid[i] = 0;
                left += s->pid[i] != 0;
        }
        return left;
}
