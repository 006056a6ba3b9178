/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a process of tidemark-image is made of this one, which has no privileges to give. Must not: know what it
 * does. Hands over: our end of its socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "tidemark/helper.h"

#define WORKER_FD 3 /* as the worker knows them */
#define FILES_FD 4
#define ABOVE_FD 16
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13) /* class idle: ioprio_set(2) */

struct worker {
        int program, files;
        bool idle;
        char *const *argv;
};

/* In the child: its sockets get the numbers that it knows; everything else is closed already, or by its exec. */
static int become_worker(int fd, void *arg)
{
        char locale[] = "LC_ALL=C", path[] = "PATH=/usr/bin:/bin", *const env[] = {locale, path, NULL};
        struct worker *w = arg;
        int program = fcntl(w->program, F_DUPFD_CLOEXEC, ABOVE_FD), engine = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_FD);
        int files = w->files < 0 ? -1 : fcntl(w->files, F_DUPFD_CLOEXEC, ABOVE_FD);

        if (program < 0 || engine < 0 || dup2(engine, WORKER_FD) < 0 || (files >= 0 && dup2(files, FILES_FD) < 0))
                return -errno;
        if (w->idle) {
                setpriority(PRIO_PROCESS, 0, 19);
                syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
        }
        fexecve(program, w->argv, env);
        return -errno;
}

int engine_worker(int program, char *const *argv, int files, bool idle, int *ret_fd, pid_t *ret_pid)
{
        struct worker w = {.program = program, .files = files, .idle = idle, .argv = argv};
        int keep[2] = {program, files};

        return helper_start("tidemark-image", HELPER_HAS_TIME, become_worker, &w, keep, 2, ret_fd, ret_pid);
}

const char *engine_worker_end(int status, char dst[ENGINE_WORKER_END])
{
        if (status >= 0 && WIFSIGNALED(status))
                snprintf(dst, ENGINE_WORKER_END, "its worker was ended by signal %d (%s)%s", WTERMSIG(status),
                         strsignal(WTERMSIG(status)),
                         WTERMSIG(status) == SIGSYS ? ": it asked for what it may not" : "");
        else
                snprintf(dst, ENGINE_WORKER_END, "its worker ended with status %d",
                         status >= 0 ? WEXITSTATUS(status) : -1);
        return dst;
}
