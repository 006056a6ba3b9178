/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop: order, timers, deletion from within, signals, and helper processes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/clock.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

struct world {
        struct loop *loop;
        char order[64];
        struct loop_src *other;
        int calls;
};

static void note(struct world *w, char c)
{
        size_t n = strlen(w->order);

        if (n + 1 < sizeof(w->order))
                w->order[n] = c;
}

static int on_low(struct loop_src *src, int fd, short revents, void *arg)
{
        struct world *w = arg;

        (void)src, (void)fd, (void)revents;
        note(w, 'l');
        if (++w->calls == 3)
                loop_stop(w->loop, 7);
        return w->calls < 3 ? LOOP_MORE : LOOP_DONE;
}

static int on_high(struct loop_src *src, int fd, short revents, void *arg)
{
        char c;

        (void)revents;
        note(arg, 'h');
        CU_ASSERT_EQUAL(read(fd, &c, 1), 1);
        loop_src_del(src);
        return LOOP_DONE;
}

static void test_priority(void)
{
        struct world w = {0};
        struct loop_src *a, *b;
        int p[2], q[2];

        CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
        CU_ASSERT_EQUAL_FATAL(pipe(p) | pipe(q), 0);
        CU_ASSERT_EQUAL(write(p[1], "x", 1) + write(q[1], "x", 1), 2);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_WORK, "low", on_low, &w, &a), 0);
        CU_ASSERT_EQUAL(loop_add(w.loop, q[0], POLLIN, LOOP_ACT, "high", on_high, &w, &b), 0);
        CU_ASSERT_EQUAL(loop_run(w.loop), 7);
        CU_ASSERT_STRING_EQUAL(w.order, "hlll");
        loop_free(w.loop);
        close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

static int on_killer(struct loop_src *src, int fd, short revents, void *arg)
{
        struct world *w = arg;

        (void)fd, (void)revents;
        note(w, 'k');
        w->other = loop_src_del(w->other); /* ready in this very turn, yet not to be called */
        loop_src_del(src);
        loop_stop(w->loop, 0);
        return LOOP_DONE;
}

static int on_victim(struct loop_src *src, int fd, short revents, void *arg)
{
        (void)src, (void)fd, (void)revents;
        note(arg, 'v');
        return LOOP_DONE;
}

static void test_delete(void)
{
        struct world w = {0};
        struct loop_src *a;
        int p[2];

        CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
        CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
        CU_ASSERT_EQUAL(write(p[1], "x", 1), 1);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_ACT, "killer", on_killer, &w, &a), 0);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_WORK, "victim", on_victim, &w, &w.other), 0);
        CU_ASSERT_EQUAL(loop_run(w.loop), 0);
        CU_ASSERT_STRING_EQUAL(w.order, "k");
        loop_free(w.loop);
        close(p[0]), close(p[1]);
}

static int on_seen(struct loop_src *src, int fd, short revents, void *arg)
{
        struct world *w = arg;

        (void)fd, (void)revents;
        note(w, src == w->other ? 'h' : 'o');
        loop_src_del(src);
        if (++w->calls == 2)
                loop_stop(w->loop, 0);
        return LOOP_DONE;
}

/* What is held waits, though it comes first; the others do not; and time alone ends it. */
static void test_hold(void)
{
        struct world w = {0};
        struct loop_src *src;
        uint64_t began = clock_boot_ns(), by_time;
        int p[2];

        CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
        CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
        CU_ASSERT_EQUAL(write(p[1], "x", 1), 1);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_KERNEL, "held", on_seen, &w, &w.other), 0);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_FILES, "free", on_seen, &w, &src), 0);
        loop_hold(w.loop, LOOP_KERNEL, began + 20 * NSEC_PER_MSEC);
        CU_ASSERT_EQUAL(loop_run(w.loop), 0);
        CU_ASSERT_STRING_EQUAL(w.order, "oh");
        CU_ASSERT(clock_boot_ns() >= began + 20 * NSEC_PER_MSEC);
        CU_ASSERT_EQUAL(loop_wakeups(w.loop, &by_time), 3);
        CU_ASSERT_EQUAL(by_time, 1);
        loop_free(w.loop);
        close(p[0]), close(p[1]);
}

static int on_error(struct loop_src *src, int fd, short revents, void *arg)
{
        (void)src, (void)fd, (void)revents, (void)arg;
        return -EBADMSG;
}

static void test_error(void)
{
        struct world w = {0};
        struct loop_src *a;
        int p[2];

        CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
        CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
        CU_ASSERT_EQUAL(write(p[1], "x", 1), 1);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_ACT, "error", on_error, &w, &a), 0);
        CU_ASSERT_EQUAL(loop_run(w.loop), -EBADMSG);
        loop_free(w.loop);
        close(p[0]), close(p[1]);
}

#define TIMERS 200
struct timed {
        struct loop *loop;
        struct loop_timer *t[TIMERS];
        uint64_t deadline[TIMERS], last;
        unsigned fired, left;
        int early, disorder;
};

static void on_timed(struct loop_timer *t, void *arg)
{
        struct timed *w = arg;
        unsigned i = 0;

        while (w->t[i] != t)
                i++;
        w->early += clock_boot_ns() < w->deadline[i];
        w->disorder += w->deadline[i] < w->last;
        w->last = w->deadline[i];
        w->fired++;
        if (--w->left == 0)
                loop_stop(w->loop, 0);
}

/* Two hundred timers in no order, half of them moved or stopped: they come in order and never early. */
static void test_timers(void)
{
        struct timed w = {0};
        uint64_t now = clock_boot_ns();
        uint32_t x = 12345;

        CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
        for (unsigned i = 0; i < TIMERS; i++) {
                CU_ASSERT_EQUAL_FATAL(loop_timer_new(w.loop, on_timed, &w, &w.t[i]), 0);
                x = x * 1664525 + 1013904223;
                w.deadline[i] = now + x % (50 * NSEC_PER_MSEC);
                loop_timer_set(w.t[i], now + 3600 * NSEC_PER_SEC);
                loop_timer_set(w.t[i], w.deadline[i]);
        }
        for (unsigned i = 0; i < TIMERS; i += 4)
                loop_timer_stop(w.t[i]);
        w.left = TIMERS - TIMERS / 4;
        CU_ASSERT_EQUAL(loop_run(w.loop), 0);
        CU_ASSERT_EQUAL(w.fired, TIMERS - TIMERS / 4);
        CU_ASSERT_EQUAL(w.early, 0);
        CU_ASSERT_EQUAL(w.disorder, 0);
        for (unsigned i = 0; i < TIMERS; i++)
                loop_timer_free(w.t[i]);
        loop_free(w.loop);
}

struct again {
        struct loop *loop;
        struct loop_timer *t[2];
        int fired, reads, hooks;
        char order[8];
};

/* Due again at once, for ever: descriptors must have their turn all the same. */
static void on_greedy(struct loop_timer *t, void *arg)
{
        struct again *w = arg;

        w->fired++;
        loop_timer_set(t, 0);
}

/* Frees itself and another that is due in this very turn. */
static void on_freeing(struct loop_timer *t, void *arg)
{
        struct again *w = arg;

        w->fired += 1000;
        CU_ASSERT_PTR_EQUAL(t, w->t[0]);
        loop_timer_free(t);
        w->t[1] = loop_timer_free(w->t[1]);
}

static int on_second(struct loop_src *src, int fd, short revents, void *arg)
{
        struct again *w = arg;

        (void)src, (void)fd, (void)revents;
        if (++w->reads == 10)
                loop_stop(w->loop, 0);
        return LOOP_DONE;
}

/* Adds a source from within, ready at once, and of higher priority than itself. */
static int on_first(struct loop_src *src, int fd, short revents, void *arg)
{
        struct again *w = arg;
        struct loop_src *added;

        (void)revents;
        loop_src_del(src);
        CU_ASSERT_EQUAL(loop_add(w->loop, fd, POLLIN, LOOP_ACT, "second", on_second, w, &added), 0);
        return LOOP_DONE;
}

static void first_hook(struct loop *loop, void *arg)
{
        struct again *w = arg;

        (void)loop;
        if (w->hooks < 4)
                w->order[w->hooks++] = 'a';
}

static void second_hook(struct loop *loop, void *arg)
{
        struct again *w = arg;

        (void)loop;
        if (w->hooks < 4)
                w->order[w->hooks++] = 'b';
}

static void test_from_within(void)
{
        struct again w = {0};
        struct loop_timer *greedy;
        struct loop_src *src;
        uint64_t by_time;
        int p[2];

        CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
        CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
        CU_ASSERT_EQUAL(write(p[1], "x", 1), 1);
        CU_ASSERT_EQUAL(loop_timer_new(w.loop, on_greedy, &w, &greedy), 0);
        CU_ASSERT_EQUAL(loop_timer_new(w.loop, on_freeing, &w, &w.t[0]), 0);
        CU_ASSERT_EQUAL(loop_timer_new(w.loop, on_freeing, &w, &w.t[1]), 0);
        loop_timer_set(greedy, 0);
        loop_timer_set(w.t[0], 1);
        loop_timer_set(w.t[1], 2);
        CU_ASSERT_EQUAL(loop_hook(w.loop, first_hook, &w) | loop_hook(w.loop, second_hook, &w), 0);
        CU_ASSERT_EQUAL(loop_add(w.loop, p[0], POLLIN, LOOP_WORK, "first", on_first, &w, &src), 0);
        CU_ASSERT_EQUAL(loop_run(w.loop), 0);
        CU_ASSERT_EQUAL(w.reads, 10);
        CU_ASSERT_TRUE(w.fired >= 1000 + 11 && w.fired < 2000);
        CU_ASSERT_STRING_EQUAL(w.order, "abab");
        CU_ASSERT_EQUAL(loop_wakeups(w.loop, &by_time), 11);
        CU_ASSERT_EQUAL(by_time, 0);
        loop_timer_free(greedy);
        loop_free(w.loop);
        close(p[0]), close(p[1]);
}

static void on_signal(struct loop *loop, const struct signalfd_siginfo *si, void *arg)
{
        *(uint32_t *)arg = si->ssi_signo;
        loop_stop(loop, 0);
}

static void test_signal(void)
{
        struct loop *loop;
        uint32_t seen = 0;
        sigset_t set;

        CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        CU_ASSERT_EQUAL(loop_signals(loop, &set, on_signal, &seen), 0);
        CU_ASSERT_EQUAL(kill(getpid(), SIGUSR1), 0);
        CU_ASSERT_EQUAL(loop_run(loop), 0);
        CU_ASSERT_EQUAL(seen, SIGUSR1);
        CU_ASSERT_EQUAL(loop_signals(loop, &set, on_signal, &seen), -EBUSY);
        loop_free(loop);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* In the helper: which of two descriptors is open, and whether SIGUSR1 is free again; that it says so at all, that
 * being asked to end does not end it. */
static int report(int fd, void *arg)
{
        const int *fds = arg;
        sigset_t mask;
        char said[3];

        raise(SIGTERM);
        raise(SIGINT);
        sigprocmask(SIG_SETMASK, NULL, &mask);
        said[0] = fcntl(fds[0], F_GETFD) >= 0 ? 'k' : '-';
        said[1] = fcntl(fds[1], F_GETFD) >= 0 ? 'o' : '-';
        said[2] = sigismember(&mask, SIGUSR1) ? 'b' : '-';
        if (send(fd, said, sizeof(said), 0) != sizeof(said))
                return -1;
        return recv(fd, said, sizeof(said), 0) == 0 ? 0 : -1; /* until the parent closes its end */
}

static void test_helper(void)
{
        int fds[2], fd;
        char said[4] = "";
        sigset_t set;
        pid_t pid;

        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        CU_ASSERT_EQUAL_FATAL(helper_start("test-helper", HELPER_HAS_TIME, report, fds, &fds[0], 1, &fd, &pid), 0);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        CU_ASSERT_EQUAL(recv(fd, said, 3, 0), 3);
        CU_ASSERT_STRING_EQUAL(said, "k--");
        helper_end(&pid);
        CU_ASSERT_EQUAL(pid, 0);
        CU_ASSERT_EQUAL(recv(fd, said, 3, 0), 0); /* it is gone, and with it its end */
        CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
        close(fd), close(fds[0]), close(fds[1]);
}

static int lets_go(int fd, void *arg)
{
        (void)arg;
        close(fd);
        for (;;)
                pause();
        return 0;
}

static int ends(int fd, void *arg)
{
        (void)fd, (void)arg;
        _exit(7);
}

/* Who has closed its end may live on all the same, if what it reads has taken it over: that holds nobody up. */
static void test_helper_gone(void)
{
        static const helper_main mains[] = {lets_go, ends};
        char said[4];

        for (int i = 0; i < 2; i++) {
                pid_t pid;
                int fd, status;

                CU_ASSERT_EQUAL_FATAL(helper_start("test-helper", HELPER_HAS_TIME, mains[i], NULL, NULL, 0, &fd, &pid),
                                      0);
                CU_ASSERT_EQUAL(recv(fd, said, 3, 0), 0);
                alarm(20);
                status = helper_gone(&pid);
                alarm(0);
                CU_ASSERT_EQUAL(pid, 0);
                CU_ASSERT_TRUE(i == 0 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                                      : WIFEXITED(status) && WEXITSTATUS(status) == 7);
                CU_ASSERT_EQUAL(helper_gone(&pid), -1);
                close(fd);
        }
}

static const struct unit_case cases[] = {
        {"sources that are held", test_hold},
        {"handlers run by priority, and again when they ask for more", test_priority},
        {"a deleted source is not called in the same turn", test_delete},
        {"a handler's error ends the loop", test_error},
        {"timers come in order and never early", test_timers},
        {"timers and sources change from within, and none starves another", test_from_within},
        {"signals are read by the loop", test_signal},
        {"a helper has its descriptors and signals, is not ended by being asked to, and has an end", test_helper},
        {"a helper that has let go of its end is gone, whether it wants to or not", test_helper_gone},
};
UNIT_MAIN("loop", cases)
