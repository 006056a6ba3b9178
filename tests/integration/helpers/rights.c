/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rights ACT… - one act with a process's rights, then PROGRAM ARG… if the act takes one.
 *
 *   as UID PROGRAM…      become a user for good (needs root) and run
 *   gain PROGRAM…        become root: this file is a setuid copy
 *   keep, keep-saved, keep-real
 *                        as root: take uid 1000 and go back, root being kept as the real and saved id, as the saved
 *                        one alone, as the real one alone
 *   serve COUNT          as a server: so many children that become another user for good, take a name, and end
 *   capable              as root: take uid 1000 for good but keep CAP_SETUID; 200 ms later become root by it
 *   trace                a process attaches to its brother
 *   trace-child          a process attaches to its own child
 *   trace-pid PID        attach to that process
 *   name WORD…           one name after the other, each after 50 ms
 *   names COUNT          so many names
 *   crash                abort(3), with no limit to the core
 *   map FILE             map it executable and wait
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
        perror(what);
        return 1;
}

static int as(int argc, char **argv)
{
        int uid = argc > 1 ? atoi(argv[0]) : -1;

        if (uid < 0 || setgid(uid) < 0 || setuid(uid) < 0)
                return fail("setuid");
        execv(argv[1], argv + 1);
        return fail(argv[1]);
}

static int gain(int argc, char **argv)
{
        if (geteuid() != 0 || setuid(0) < 0)
                return fail("not setuid");
        if (argc == 0)
                return 0;
        execv(argv[0], argv);
        return fail(argv[0]);
}

static int back_and_forth(uid_t real, uid_t saved)
{
        for (int i = 0; i < 20; i++) {
                if (setresuid(real, 1000, saved) < 0 || setresuid(-1, 0, -1) < 0 || setresuid(0, 0, 0) < 0)
                        return fail("setresuid");
        }
        return 0;
}

static int keep(int argc, char **argv)
{
        (void)argc, (void)argv;
        return back_and_forth(0, 0);
}

static int keep_saved(int argc, char **argv)
{
        (void)argc, (void)argv;
        return back_and_forth(1000, 0);
}

static int keep_real(int argc, char **argv)
{
        (void)argc, (void)argv;
        return back_and_forth(0, 1000);
}

static int serve(int argc, char **argv)
{
        int status, bad = 0;

        for (int i = 0, n = argc > 0 ? atoi(argv[0]) : 0; i < n; i++) {
                char word[16];

                if (fork() > 0)
                        continue;
                snprintf(word, sizeof(word), "worker: %d", i);
                _exit(setgroups(0, NULL) < 0 || setgid(33) < 0 || setuid(33) < 0 || prctl(PR_SET_NAME, word) < 0 ||
                      usleep(20000) < 0);
        }
        while (wait(&status) > 0)
                bad |= status;
        return bad != 0;
}

static int capable(int argc, char **argv)
{
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        (void)argc, (void)argv;
        memset(data, 0, sizeof(data));
        data[0].effective = data[0].permitted = 1u << CAP_SETUID;
        if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(1000, 1000, 1000) < 0 || syscall(SYS_capset, &head, data) < 0 ||
            usleep(200000) < 0 || setuid(0) < 0)
                return fail("capable");
        return 0;
}

static int attach(pid_t pid)
{
        if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0 || waitpid(pid, NULL, __WALL) != pid ||
            ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0)
                return fail("ptrace");
        return 0;
}

static pid_t sleeper(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                alarm(30);
                pause();
                _exit(0);
        }
        return pid;
}

static int trace(int argc, char **argv)
{
        pid_t brother = sleeper(), tracer = fork();
        int status = 1;

        (void)argc, (void)argv;
        if (tracer == 0)
                _exit(attach(brother));
        waitpid(tracer, &status, 0);
        kill(brother, SIGKILL);
        waitpid(brother, NULL, 0);
        return status != 0;
}

static int trace_child(int argc, char **argv)
{
        pid_t child = sleeper();
        int r = attach(child);

        (void)argc, (void)argv;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return r;
}

static int trace_pid(int argc, char **argv)
{
        return argc == 1 ? attach(atoi(argv[0])) : 1;
}

static int name(int argc, char **argv)
{
        for (int i = 0; i < argc; i++)
                if (usleep(50000) < 0 || prctl(PR_SET_NAME, argv[i]) < 0)
                        return fail("prctl");
        return 0;
}

static int names(int argc, char **argv)
{
        char word[16];

        for (int i = 0, n = argc > 0 ? atoi(argv[0]) : 0; i < n; i++) {
                snprintf(word, sizeof(word), "n%d", i);
                prctl(PR_SET_NAME, word);
        }
        return 0;
}

static int crash(int argc, char **argv)
{
        struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

        (void)argc, (void)argv;
        setrlimit(RLIMIT_CORE, &r);
        abort();
}

static int map(int argc, char **argv)
{
        int fd = argc > 0 ? open(argv[0], O_RDONLY) : -1;

        if (fd < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
                return fail("mmap");
        pause();
        return 0;
}

int main(int argc, char **argv)
{
        static const struct {
                const char *word;
                int (*act)(int, char **);
        } acts[] = {{"as", as},       {"gain", gain}, {"keep", keep}, {"keep-saved", keep_saved},
                    {"keep-real", keep_real}, {"serve", serve}, {"capable", capable}, {"trace", trace},
                    {"trace-child", trace_child}, {"trace-pid", trace_pid}, {"name", name},
                    {"names", names}, {"crash", crash}, {"map", map}};

        for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
                if (strcmp(acts[i].word, argv[1]) == 0)
                        return acts[i].act(argc - 2, argv + 2);
        fprintf(stderr, "rights: which act?\n");
        return 2;
}
