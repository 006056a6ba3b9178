/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose socket is it: by this process's own descriptors, and a child's. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/sockets.h"

#define NETNS 4026531840u

struct world {
        struct sockets_process p[4];
        size_t n;
        unsigned asked;
        bool dead;
};

static size_t candidates(uint64_t netns, struct sockets_process *to, size_t n, void *arg)
{
        struct world *w = arg;

        w->asked++;
        CU_ASSERT_EQUAL(netns, NETNS);
        CU_ASSERT_TRUE_FATAL(n >= w->n);
        for (size_t i = 0; i < w->n; i++)
                to[i] = w->p[i];
        return w->n;
}

static int alive(const struct sockets_process *p, void *arg)
{
        const struct world *w = arg;

        return !w->dead && p->start == 1;
}

static const struct sockets_ops ops = {.candidates = candidates, .alive = alive};

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
        CU_ASSERT_EQUAL(p.pid, (uint32_t)getpid());
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
        CU_ASSERT_EQUAL_FATAL(pipe(hold), 0);
        child = fork();
        CU_ASSERT_TRUE_FATAL(child >= 0);
        if (child == 0) {
                char c;

                close(hold[1]);
                _exit(read(hold[0], &c, 1) < 0);
        }
        close(fd);
        w.p[0] = (struct sockets_process){(uint32_t)getpid(), 1};
        w.p[1] = (struct sockets_process){(uint32_t)child, 1};
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, inode, 1, &p), 0);
        CU_ASSERT_EQUAL(p.pid, (uint32_t)child);
        close(hold[0]);
        close(hold[1]);
        CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
}

/* A flood of sockets that nobody has does not make us look without an end. */
static void test_bounded(void)
{
        struct world w = {.p = {{(uint32_t)getpid(), 1}}, .n = 1};
        _cleanup_(sockets_freep) struct sockets *ss = NULL;
        struct sockets_process p = {0};
        struct sockets_stats st;
        uint32_t busy = 0;

        CU_ASSERT_EQUAL_FATAL(sockets_new(&ops, &w, &ss), 0);
        for (uint32_t i = 1; i <= 10000; i++)
                busy += sockets_find(ss, NETNS, i, 1, &p) == -EBUSY;
        sockets_stats(ss, &st);
        CU_ASSERT_TRUE(busy > 5000 && st.refused == busy);
        CU_ASSERT_TRUE(st.processes < 5000);
        CU_ASSERT_EQUAL(sockets_find(ss, NETNS, 1, 1000000000, &p), -ENOENT); /* later it is looked for again */
}

static const struct unit_case cases[] = {
        {"one's own sockets", test_own},
        {"a child's", test_child},
        {"looking has a bound", test_bounded},
};
UNIT_MAIN("sockets", cases)
