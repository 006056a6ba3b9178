/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storm: work of which the truth is known. N processes at once, each does COUNT of one thing, as fast as it can:
 *
 *     storm exec N COUNT             each runs /bin/true with an argument, one after another
 *     storm keep N COUNT DIR         each makes files DIR/k-W-I and writes a byte into each: they stay
 *     storm pass N COUNT DIR         each makes, writes and removes files DIR/t-W-I: nothing stays
 *     storm dirs N COUNT DIR         each makes directories DIR/d-W-I with a file f in each
 *     storm mixed N COUNT DIR        by turns: exec, keep, pass
 *
 * With two words more, RATE and PROGRAM: RATE acts a second in all (0: as fast as it can), and what exec runs.
 *
 * Prints one line of JSON: what was really done (a failed act is not counted), and how long it took.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct truth {
        long execs, keep, pass, dirs, failed;
};

struct load {
        const char *what, *dir, *program;
        int processes, count, rate;
};

static void do_exec(struct truth *t, const char *program, int w, int i)
{
        char number[32];
        int status;
        pid_t pid;

        snprintf(number, sizeof(number), "e-%d-%d", w, i);
        pid = vfork();
        if (pid == 0) {
                execl(program, "true", number, (char *)NULL);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
                t->failed++;
        else
                t->execs++;
}

static int make(const char *path)
{
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644), r;

        if (fd < 0)
                return -1;
        r = write(fd, "x", 1) == 1 ? 0 : -1;
        close(fd);
        return r;
}

static void do_keep(struct truth *t, const char *dir, int w, int i)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/k-%d-%d", dir, w, i);
        *(make(path) == 0 ? &t->keep : &t->failed) += 1;
}

static void do_pass(struct truth *t, const char *dir, int w, int i)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/t-%d-%d", dir, w, i);
        *(make(path) == 0 && unlink(path) == 0 ? &t->pass : &t->failed) += 1;
}

static void do_dirs(struct truth *t, const char *dir, int w, int i)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/d-%d-%d", dir, w, i);
        if (mkdir(path, 0755) < 0) {
                t->failed++;
                return;
        }
        strcat(path, "/f");
        *(make(path) == 0 ? &t->dirs : &t->failed) += 1;
}

/* Until this process's act i is due. */
static void await(const struct load *l, const struct timespec *began, int w, int i)
{
        long long ns = ((long long)i * l->processes + w) * (1000000000LL / l->rate) + began->tv_nsec;
        struct timespec due = {.tv_sec = began->tv_sec + (time_t)(ns / 1000000000LL), .tv_nsec = ns % 1000000000LL};

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void work(struct truth *t, const struct load *l, int w)
{
        const char *what = l->what, *dir = l->dir;
        struct timespec began;

        clock_gettime(CLOCK_MONOTONIC, &began);
        for (int i = 0; i < l->count; i++) {
                if (l->rate > 0)
                        await(l, &began, w, i);
                if (strcmp(what, "exec") == 0)
                        do_exec(t, l->program, w, i);
                else if (strcmp(what, "keep") == 0)
                        do_keep(t, dir, w, i);
                else if (strcmp(what, "pass") == 0)
                        do_pass(t, dir, w, i);
                else if (strcmp(what, "dirs") == 0)
                        do_dirs(t, dir, w, i);
                else if (i % 3 == 0)
                        do_exec(t, l->program, w, i);
                else if (i % 3 == 1)
                        do_keep(t, dir, w, i);
                else
                        do_pass(t, dir, w, i);
        }
}

static double now(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
        struct load l = {.what = argc > 3 ? argv[1] : "",
                         .processes = argc > 3 ? atoi(argv[2]) : 0,
                         .count = argc > 3 ? atoi(argv[3]) : 0,
                         .dir = argc > 4 ? argv[4] : "/opt/storm",
                         .rate = argc > 5 ? atoi(argv[5]) : 0,
                         .program = argc > 6 ? argv[6] : "/bin/true"};
        const int n = l.processes;
        struct truth *each, sum = {0};
        double began;

        if (n < 1 || n > 64 || l.count < 1 || l.rate < 0) {
                fprintf(stderr, "usage: storm exec|keep|pass|dirs|mixed N COUNT [DIR [RATE [PROGRAM]]]\n");
                return 2;
        }
        each = mmap(NULL, sizeof(*each) * (size_t)n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (each == MAP_FAILED || (mkdir(l.dir, 0755) < 0 && errno != EEXIST))
                return 1;
        began = now();
        for (int w = 0; w < n; w++) {
                pid_t pid = fork();

                if (pid == 0) {
                        work(&each[w], &l, w);
                        _exit(0);
                }
                if (pid < 0)
                        return 1;
        }
        while (wait(NULL) > 0)
                ;
        for (int w = 0; w < n; w++) {
                sum.execs += each[w].execs;
                sum.keep += each[w].keep;
                sum.pass += each[w].pass;
                sum.dirs += each[w].dirs;
                sum.failed += each[w].failed;
        }
        printf("{\"execs\": %ld, \"keep\": %ld, \"pass\": %ld, \"dirs\": %ld, \"failed\": %ld, \"seconds\": %.3f}\n",
               sum.execs, sum.keep, sum.pass, sum.dirs, sum.failed, now() - began);
        return sum.failed ? 1 : 0;
}
