/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile ACT…: what a container does that fights back.
 *
 *   deep DIR N           below DIR a chain of N directories with names of 250 bytes; at its end a file, and a copy of
 *                        busybox that runs
 *   args BYTES           run /bin/sleep with arguments of so many bytes
 *   entries DIR N        make N files in DIR
 *   forks N              N processes that do nothing, a hundred at once
 *   crowd N              N processes that live until this one is killed
 *   swap A B N           exchange the names A and B, N times, each time with a run of /bin/true between
 *   runtime WORD PROG…   take a runtime's name WORD, and run PROG in a child
 *   call NAME PROG ARG…  run PROG, whose first argument is NAME, in a child: "call '' /bin/x" gives an empty one
 *   cgroup DIR PROG…     make the cgroup DIR, move into it and run
 *   uring FILE           make FILE and write it, by io_uring
 *   mapped FILE          write FILE by a shared mapping alone, a second after it was closed
 *   pivot DIR PROG…      DIR becomes the root, in a mount namespace of its own, and PROG of it runs
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
        perror(what);
        return 1;
}

static int run(const char *name, const char *program, char **argv)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                if (name)
                        argv[0] = (char *)name;
                execv(program, argv);
                _exit(127);
        }
        return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

static int copy(const char *from, const char *to)
{
        int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
        char data[65536];
        ssize_t n;

        while (in >= 0 && out >= 0 && (n = read(in, data, sizeof(data))) > 0)
                if (write(out, data, (size_t)n) != n)
                        return -1;
        close(in);
        return out < 0 || close(out) < 0 ? -1 : 0;
}

static int deep(int argc, char **argv)
{
        char name[251], *args[] = {"busybox", "sleep", "0.1", NULL};
        int fd;

        if (argc != 2 || chdir(argv[0]) < 0)
                return fail("chdir");
        memset(name, 'd', sizeof(name) - 1);
        name[250] = '\0';
        for (int i = 0; i < atoi(argv[1]); i++)
                if (mkdir(name, 0755) < 0 || chdir(name) < 0)
                        return fail("mkdir");
        fd = open("bottom", O_WRONLY | O_CREAT, 0644);
        if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0 || copy("/bin/busybox", "busybox") < 0)
                return fail("bottom");
        return run(NULL, "./busybox", args);
}

static int args(int argc, char **argv)
{
        size_t left = argc > 0 ? strtoul(argv[0], NULL, 10) : 0, n = 0, one = 100000;
        char **v = calloc(left / one + 8, sizeof(*v));

        v[n++] = "sleep";
        v[n++] = "0.1";
        v[n++] = "0";
        while (left > one) { /* sleep(1) adds them up */
                v[n] = malloc(one);
                memset(v[n], '0', one);
                v[n++][one - 1] = '\0';
                left -= one;
        }
        return run(NULL, "/bin/sleep", v);
}

static int entries(int argc, char **argv)
{
        char name[32];

        if (argc != 2 || chdir(argv[0]) < 0)
                return fail("chdir");
        for (int i = 0; i < atoi(argv[1]); i++) {
                snprintf(name, sizeof(name), "entry-%d", i);
                if (mknod(name, S_IFREG | 0644, 0) < 0)
                        return fail("mknod");
        }
        return 0;
}

static int forks(int argc, char **argv)
{
        int n = argc > 0 ? atoi(argv[0]) : 0, alive = 0;

        for (int i = 0; i < n; i++) {
                pid_t pid = fork();

                if (pid == 0)
                        _exit(0);
                if (pid < 0)
                        return fail("fork");
                if (++alive == 100)
                        for (; alive > 0 && wait(NULL) > 0; alive--)
                                ;
        }
        while (wait(NULL) > 0)
                ;
        return 0;
}

static int crowd(int argc, char **argv)
{
        for (int i = 0, n = argc > 0 ? atoi(argv[0]) : 0; i < n; i++)
                if (fork() == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        pause();
                }
        pause();
        return 0;
}

static int swap(int argc, char **argv)
{
        char *v[] = {"true", NULL};

        for (int i = 0, n = argc == 3 ? atoi(argv[2]) : 0; i < n; i++)
                if (syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1], 2 /* RENAME_EXCHANGE */) < 0 ||
                    run(NULL, "/bin/true", v))
                        return fail("renameat2");
        return 0;
}

static int runtime(int argc, char **argv)
{
        return argc < 2 || prctl(PR_SET_NAME, argv[0]) < 0 || run(NULL, argv[1], argv + 1);
}

static int call(int argc, char **argv)
{
        return argc < 2 || run(argv[0], argv[1], argv + 1);
}

static int cgroup(int argc, char **argv)
{
        char path[4096], pid[16];
        int fd;

        if (argc < 2 || (mkdir(argv[0], 0755) < 0 && errno != EEXIST))
                return fail("mkdir");
        snprintf(path, sizeof(path), "%s/cgroup.procs", argv[0]);
        snprintf(pid, sizeof(pid), "%d\n", getpid());
        fd = open(path, O_WRONLY);
        if (fd < 0 || write(fd, pid, strlen(pid)) < 0)
                return fail(path);
        close(fd);
        execv(argv[1], argv + 1);
        return fail(argv[1]);
}

/* One operation by a ring of its own. */
static int ring(const struct io_uring_sqe *what)
{
        struct io_uring_params p = {0};
        int fd = (int)syscall(SYS_io_uring_setup, 2, &p), r;
        char *sq, *cq;
        struct io_uring_sqe *sqes;

        if (fd < 0)
                return -1;
        sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
        cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED,
                  fd, IORING_OFF_CQ_RING);
        sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
        if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
                return -1;
        sqes[0] = *what;
        *(unsigned *)(sq + p.sq_off.array) = 0;
        __atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
        if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
                return -1;
        r = ((struct io_uring_cqe *)(cq + p.cq_off.cqes))->res;
        close(fd);
        errno = r < 0 ? -r : 0;
        return r;
}

static int uring(int argc, char **argv)
{
        struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .len = 0644};
        int fd;

        sqe.addr = argc == 1 ? (uintptr_t)argv[0] : 0;
        sqe.open_flags = O_CREAT | O_WRONLY;
        fd = ring(&sqe);
        if (fd < 0)
                return fail("io_uring");
        sqe = (struct io_uring_sqe){.opcode = IORING_OP_WRITE, .fd = fd, .addr = (uintptr_t) "written", .len = 7};
        if (ring(&sqe) != 7)
                return fail("io_uring write");
        sqe = (struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = fd};
        return ring(&sqe) < 0;
}

static int mapped(int argc, char **argv)
{
        int fd = argc == 1 ? open(argv[0], O_RDWR) : -1;
        char *p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED)
                return fail("mmap");
        close(fd);
        sleep(1);
        p[0] = '#';
        return munmap(p, 4096) < 0;
}

static int pivot(int argc, char **argv)
{
        if (argc < 2 || unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            chdir(argv[0]) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
            chdir("/") < 0)
                return fail("pivot");
        execv(argv[1], argv + 1);
        return fail(argv[1]);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *word;
                int (*act)(int, char **);
        } acts[] = {{"deep", deep}, {"args", args},       {"entries", entries}, {"forks", forks}, {"swap", swap},
                    {"call", call}, {"runtime", runtime}, {"cgroup", cgroup},   {"pivot", pivot},
                    {"uring", uring}, {"mapped", mapped}, {"crowd", crowd}};

        for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
                if (strcmp(acts[i].word, argv[1]) == 0)
                        return acts[i].act(argc - 2, argv + 2);
        fprintf(stderr, "hostile: which act?\n");
        return 2;
}
