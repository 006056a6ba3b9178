/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose socket is it: by this process's own descriptors, and a child's. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/sockets.h"

#define NETNS 4026531840u

struct world {
        struct sockets_process p[600];
        size_t n;
        unsigned asked;
        bool dead, any_netns;
        uint64_t mono_ns, step_ns; /* the time, and what it takes to ask for it */
};

static size_t candidates(uint64_t netns, struct sockets_process *to, size_t n, void *arg)
{
        struct world *w = arg;

        w->asked++;
        CU_ASSERT_TRUE(w->any_netns || netns == NETNS);
        n = n < w->n ? n : w->n;
        for (size_t i = 0; i < n; i++)
                to[i] = w->p[i];
        return n;
}

static int alive(const struct sockets_process *p, void *arg)
{
        const struct world *w = arg;

        return !w->dead && p->start == 1;
}

static uint64_t mono_ns(void *arg)
{
        struct world *w = arg;

        return w->mono_ns += w->step_ns;
}

static const struct sockets_ops ops = {.candidates = candidates, .alive = alive, .mono_ns = mono_ns};

static int a_socket(uint32_t *ret_inode)
{
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct stat st;

        CU_ASSERT_TRUE_FATAL(fd >= 0);
        CU_ASSERT_EQUAL_FATAL(fstat(fd, &st), 0);
        *ret_inode = (uint32_t)st.st_ino;
        return fd;
}

static void test_own(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        struct sockets_stats st;
        uint32_t first, second;
        int fd, other;

        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        fd = a_socket(&first);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, 1, &p), 0);
        CU_ASSERT_TRUE(p.pid == (uint32_t)getpid() && p.start == 1);
        CU_ASSERT_EQUAL(w.asked, 1);
        /* known from the look before: nobody is asked */
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, 1, &p), 0);
        CU_ASSERT_EQUAL(w.asked, 1);
        /* whoever had the last one is looked at first */
        other = a_socket(&second);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, second, 1, &p), 0);
        CU_ASSERT_EQUAL(w.asked, 1);
        sockets_stats(ss, &st);
        CU_ASSERT_TRUE(st.asked == 3 && st.found == 2 && st.remembered == 1 && st.gone == 0);
        close(fd);
        close(other);
        /* closed, but its process lives: what was known of it may be asked for a moment longer, a new one may not */
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, 1, &p), -ENOENT);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 0, 1, &p), -ENOENT);
        w.dead = true;
        w.n = 0;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, 1, &p), -ENOENT);
}

/* A child that has what this process has, in a table of its own that is not larger than that needs. */
static pid_t a_child(int hold[2])
{
        pid_t child;

        CU_ASSERT_EQUAL_FATAL(pipe(hold), 0);
        child = fork();
        CU_ASSERT_TRUE_FATAL(child >= 0);
        if (child == 0) {
                char c;

                close(hold[1]);
                _exit(read(hold[0], &c, 1) < 0);
        }
        return child;
}

static void end_child(pid_t child, const int hold[2])
{
        close(hold[0]);
        close(hold[1]);
        CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
}

/* The youngest that has it: a child that inherited nothing but this one. */
static void test_child(void)
{
        struct world w = {.n = 2};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        uint32_t inode;
        int fd = a_socket(&inode), hold[2];
        pid_t child;

        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        child = a_child(hold);
        close(fd);
        w.p[0] = (struct sockets_process){(uint32_t)getpid(), 1};
        w.p[1] = (struct sockets_process){(uint32_t)child, 1};
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 1, &p), 0);
        CU_ASSERT_EQUAL(p.pid, (uint32_t)child);
        end_child(child, hold);
}

/* ---- how much is looked at ---- */

#define SECOND 1000000000ull

static uint64_t looked_at(const struct sockets *ss)
{
        struct sockets_stats st;

        sockets_stats(ss, &st);
        return st.descriptors;
}

static void many_files(rlim_t n)
{
        struct rlimit lim;

        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &lim), 0);
        if (lim.rlim_cur < n)
                lim.rlim_cur = n;
        if (lim.rlim_max < n)
                lim.rlim_max = n;
        CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

/* A flood of sockets that nobody has does not make us look without an end, and leaves something for other namespaces;
 * later they are looked for again. */
static void test_bounded(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        struct sockets_stats st;
        uint32_t busy = 0, inode;
        uint64_t before;
        int r, fd;

        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        w.any_netns = true;
        for (uint32_t i = 1; i <= 10000; i++)
                busy += sockets_find(ss, NETNS, i, 1, &p) == -EBUSY;
        sockets_stats(ss, &st);
        CU_ASSERT_TRUE(busy > 5000 && st.refused == busy);
        CU_ASSERT_TRUE(st.descriptors <= SOCKETS_BURST / 2);
        fd = a_socket(&inode);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 1, &p), -EBUSY);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS + 1, inode, 1, &p), 0);
        before = looked_at(ss);
        for (uint64_t i = 1; i <= 10000; i++)
                r = sockets_find(ss, NETNS, (uint32_t)(20000 + i), SECOND + i * SECOND / 1000, &p);
        CU_ASSERT_TRUE(looked_at(ss) - before <= 11 * SOCKETS_RATE && looked_at(ss) - before > 1000);
        CU_ASSERT_TRUE(r == -EBUSY || r == -ENOENT);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, 100 * SECOND, &p), -ENOENT);
        close(fd);
}

/* Nobody has it: that is known for a moment. */
static void test_missed(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        uint64_t before;

        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, SECOND, &p), -ENOENT);
        before = looked_at(ss);
        CU_ASSERT_TRUE(before > 0);
        for (int i = 0; i < 1000; i++)
                CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, SECOND + 1, &p), -ENOENT);
        CU_ASSERT_EQUAL(looked_at(ss), before);
        w.any_netns = true;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS + 1, 1, SECOND + 1, &p), -ENOENT); /* elsewhere it is another's */
        CU_ASSERT_TRUE(looked_at(ss) > before);
        before = looked_at(ss);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS + 1, 1, SECOND + 2 + SOCKETS_MISS_NS, &p), -ENOENT);
        CU_ASSERT_TRUE(looked_at(ss) > before);
}

/* A proxy with hundreds of connections that makes and ends one after the other: a look at one descriptor each. */
static void test_loops(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        int held[800], fd, next;
        uint32_t inode;
        uint64_t before;

        many_files(1024);
        for (size_t i = 0; i < 800; i++)
                held[i] = a_socket(&inode);
        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        fd = a_socket(&inode);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, SECOND, &p), 0);
        before = looked_at(ss);
        for (int i = 0; i < 2000; i++) {
                close(fd);
                fd = a_socket(&inode);
                CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, SECOND, &p), 0);
        }
        CU_ASSERT_TRUE(looked_at(ss) - before <= 2000);
        before = looked_at(ss); /* some at a time */
        for (int i = 0; i < 500; i++) {
                next = a_socket(&inode);
                CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, SECOND, &p), 0);
                if (i % 3 == 2) {
                        close(fd);
                        close(next);
                        fd = a_socket(&inode);
                } else {
                        close(fd);
                        fd = next;
                }
        }
        CU_ASSERT_TRUE(looked_at(ss) - before <= 500 * (2 * SOCKETS_NEAR + 1));
        close(fd);
        for (size_t i = 0; i < 800; i++)
                close(held[i]);
}

/* More descriptors than are looked at for one socket, and one more with a number far above: the new ones are found. */
static void test_large(void)
{
        enum { MANY = 5000 };
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        static int held[MANY];
        uint32_t inode;
        int far;

        many_files(20000);
        for (size_t i = 0; i < MANY; i++) {
                held[i] = a_socket(&inode);
        }
        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, SECOND, &p), 0);
        CU_ASSERT_TRUE(looked_at(ss) <= 2);
        close(held[3000]); /* and in the midst of the others */
        held[3000] = a_socket(&inode);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 10 * SECOND, &p), 0);
        CU_ASSERT_TRUE(looked_at(ss) <= SOCKETS_SEARCH);
        far = fcntl(held[0], F_DUPFD, 19000);
        CU_ASSERT_EQUAL(far, 19000);
        close(held[MANY - 1]);
        held[MANY - 1] = a_socket(&inode);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 20 * SECOND, &p), 0);
        /* not all were looked at, so nobody can say that none has it: not now, and not a moment later */
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, 30 * SECOND, &p), -EBUSY);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, 30 * SECOND + 1, &p), -EBUSY);
        close(far);
        for (size_t i = 0; i < MANY; i++)
                close(held[i]);
}

/* More processes than are looked at for one socket, or than are told of. */
static void test_many_processes(void)
{
        struct world w = {.n = 64};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        uint32_t inode;
        int fd = a_socket(&inode), hold[2];
        pid_t child = a_child(hold);

        for (size_t i = 0; i < ARRAY_LEN(w.p); i++)
                w.p[i] = (struct sockets_process){(uint32_t)child, 1};
        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, SECOND, &p), -ENOENT);
        w.n = 65;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 2, 10 * SECOND, &p), -EBUSY);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 2, 10 * SECOND + 1, &p), -EBUSY);
        w.n = 64;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 2, 10 * SECOND + 2, &p), -ENOENT);
        /* once it had the last one, it is not looked at again: all that are told of are seen */
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 20 * SECOND, &p), 0);
        w.n = 500;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 3, 30 * SECOND, &p), -ENOENT);
        w.n = ARRAY_LEN(w.p);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 4, 40 * SECOND, &p), -EBUSY);
        end_child(child, hold);
        close(fd);
}

/* A table of descriptors does not shrink, and the kernel goes through all of it, however few are in use. */
static void test_emptied(void)
{
        struct world w = {.n = 64};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        uint32_t inode;
        int fd, far, hold[2];
        pid_t child;

        many_files(20000);
        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        fd = a_socket(&inode);
        child = a_child(hold);
        for (size_t i = 0; i < ARRAY_LEN(w.p); i++)
                w.p[i] = (struct sockets_process){(uint32_t)child, 1};
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, SECOND, &p), -ENOENT);
        far = fcntl(fd, F_DUPFD, 19000);
        CU_ASSERT_EQUAL(far, 19000);
        close(far);
        for (size_t i = 0; i < ARRAY_LEN(w.p); i++)
                w.p[i] = (struct sockets_process){(uint32_t)getpid(), 1};
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, 10 * SECOND, &p), -EBUSY);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 20 * SECOND, &p), 0); /* of one it is not too much */
        end_child(child, hold);
        close(fd);
}

/* Whatever takes so long: one search is over after a time. */
static void test_slow(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1, .mono_ns = SECOND};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        int held[50];
        uint32_t first, inode;

        for (size_t i = 0; i < ARRAY_LEN(held); i++)
                held[i] = a_socket(i ? &inode : &first);
        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        w.step_ns = SOCKETS_SEARCH_NS / 10;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, SECOND, &p), -EBUSY);
        CU_ASSERT_TRUE(looked_at(ss) > 0 && looked_at(ss) < 10);
        w.step_ns = SOCKETS_SEARCH_NS / 1000;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, SECOND + 1, &p), 0);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, SECOND + 1, &p), -ENOENT);
        for (size_t i = 0; i < ARRAY_LEN(held); i++)
                close(held[i]);
}

/* A number that was another's: what is remembered of a process that is gone counts for nothing. */
static void test_other_process(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        uint32_t first, second;
        int fd, other;

        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        fd = a_socket(&first);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, SECOND, &p), 0);
        other = a_socket(&second);
        w.dead = true; /* its pid may be another's by now */
        w.n = 0;
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, first, SECOND, &p), -ENOENT);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, second, SECOND, &p), -ENOENT);
        close(fd);
        close(other);
}

static const struct unit_case cases[] = {
        {"one's own sockets", test_own},
        {"a child's", test_child},
        {"looking has a bound", test_bounded},
        {"what nobody has", test_missed},
        {"who opens and closes in a loop", test_loops},
        {"more descriptors than are looked at", test_large},
        {"more processes than are looked at", test_many_processes},
        {"a table that was large once", test_emptied},
        {"a search that takes long", test_slow},
        {"a process that is gone", test_other_process},
};
UNIT_MAIN("sockets", cases)
