/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines over a socket: whole, half, too long, too many, never read; who may connect, and who is there already. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/lineserver-priv.h"
#include "tests/unit/unit.h"
#include "tidemark/clock.h"
#include "tidemark/lineserver.h"
#include "tidemark/loop.h"
#include "tidemark/passfd.h"

struct world {
        char dir[64], path[96];
        struct loop *loop;
        struct lineserver *server;
        struct loop_timer *tick;
        bool (*until)(struct world *w);
        uint64_t deadline;
        bool late;
        unsigned lines, gone;
        char last[128];
        size_t answer; /* bytes of an answer; 0: the line itself */
        int passed[4]; /* what came with each line; -1: nothing */
};

static void on_line(struct lineclient *c, struct bytes line, void *arg)
{
        struct world *w = arg;
        char *big;

        w->passed[w->lines++ % ARRAY_LEN(w->passed)] = lineclient_take_fd(c);
        str_print(line, w->last, sizeof(w->last));
        if (bytes_eq(line, BYTES_LIT("watch"))) {
                lineclient_watch(c);
        } else if (w->answer) {
                big = calloc(1, w->answer);
                memset(big, 'x', w->answer);
                lineclient_send(c, bytes_of(big, w->answer));
                free(big);
        } else {
                lineclient_send(c, line);
        }
}

static void on_gone(struct lineclient *c, void *arg)
{
        (void)c;
        ((struct world *)arg)->gone++;
}

static const struct lineserver_ops ops = {.line = on_line, .gone = on_gone};
static const struct lineserver_ops takes_ops = {.line = on_line, .gone = on_gone, .descriptors = true};

/* Looked at again and again, while the loop turns. */
static void on_tick(struct loop_timer *t, void *arg)
{
        struct world *w = arg;

        if (w->until(w) || (w->late = loop_now(w->loop) > w->deadline))
                loop_stop(w->loop, 0);
        else
                loop_timer_set(t, loop_now(w->loop) + NSEC_PER_MSEC);
}

static bool turn_until(struct world *w, bool (*until)(struct world *w))
{
        w->until = until;
        w->late = false;
        w->deadline = clock_boot_ns() + 10 * NSEC_PER_SEC;
        loop_timer_set(w->tick, 0);
        CU_ASSERT_EQUAL(loop_run(w->loop), 0);
        return !w->late;
}

static void world_open_as(struct world *w, const struct lineserver_ops *as)
{
        int fd = -1;

        memset(w, 0, sizeof(*w));
        snprintf(w->dir, sizeof(w->dir), "/tmp/tidemark-line-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->dir));
        snprintf(w->path, sizeof(w->path), "%s/sock", w->dir);
        CU_ASSERT_EQUAL_FATAL(lineserver_listen(w->path, 0660, getgid(), &fd), 0);
        CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
        CU_ASSERT_EQUAL_FATAL(lineserver_new(w->loop, fd, as, w, &w->server), 0);
        CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->loop, on_tick, w, &w->tick), 0);
}

static void world_open(struct world *w)
{
        world_open_as(w, &ops);
}

static void world_close(struct world *w)
{
        lineserver_free(w->server);
        loop_timer_free(w->tick);
        loop_free(w->loop);
        unlink(w->path);
        rmdir(w->dir);
}

static int dial(const struct world *w)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

        memcpy(addr.sun_path, w->path, strlen(w->path));
        CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        return fd;
}

static void say(int fd, const char *text)
{
        CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static const char *hear(int fd)
{
        static char text[4096];
        ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

        text[n > 0 ? n : 0] = '\0';
        /* Closed with bytes of ours unread: the kernel says so by a reset. */
        return n == 0 || (n < 0 && errno == ECONNRESET) ? "(closed)" : text;
}

static bool one_line(struct world *w)
{
        return w->lines >= 1;
}
static bool three_lines(struct world *w)
{
        return w->lines >= 3;
}
static bool one_gone(struct world *w)
{
        return w->gone >= 1;
}
static struct lineserver_stats stats(const struct world *w)
{
        struct lineserver_stats st;

        lineserver_stats(w->server, &st);
        return st;
}
static bool all_accepted(struct world *w)
{
        return stats(w).accepted == LINESERVER_CLIENTS && stats(w).refused == 1;
}
static bool answered_one_more(struct world *w)
{
        bool more = stats(w).accepted + stats(w).refused > w->gone + w->lines;

        w->lines += more; /* counted here, nobody speaks */
        return more;
}
static bool one_accepted(struct world *w)
{
        return stats(w).accepted == 1;
}

static void test_lines(void)
{
        struct world w;
        int fd;

        world_open(&w);
        fd = dial(&w);
        say(fd, "half");
        CU_ASSERT_TRUE(turn_until(&w, one_accepted));
        CU_ASSERT_EQUAL(w.lines, 0);
        say(fd, " and half\nsecond\n\n");
        CU_ASSERT_TRUE(turn_until(&w, three_lines));
        CU_ASSERT_STRING_EQUAL(hear(fd), "half and half\nsecond\n\n");
        CU_ASSERT_EQUAL(send(fd, "\0\xff\n", 3, 0), 3);
        w.lines = 0;
        CU_ASSERT_TRUE(turn_until(&w, one_line));
        CU_ASSERT_STRING_EQUAL(w.last, "\\x00\\xff");
        close(fd);
        CU_ASSERT_TRUE(turn_until(&w, one_gone));
        CU_ASSERT_EQUAL(stats(&w).clients, 0);
        world_close(&w);
}

static void test_too_long(void)
{
        static char big[LINESERVER_LINE_MAX + 10];
        struct world w;
        int fd;

        world_open(&w);
        memset(big, 'x', sizeof(big) - 1);
        fd = dial(&w);
        CU_ASSERT_EQUAL(send(fd, big, sizeof(big) - 1, MSG_NOSIGNAL), (ssize_t)sizeof(big) - 1);
        CU_ASSERT_TRUE(turn_until(&w, one_gone));
        CU_ASSERT_PTR_NOT_NULL(strstr(hear(fd), "too long"));
        CU_ASSERT_STRING_EQUAL(hear(fd), "(closed)");
        CU_ASSERT_EQUAL(stats(&w).too_long, 1);
        CU_ASSERT_EQUAL(w.lines, 0);
        close(fd);
        world_close(&w);
}

static void test_crowd(void)
{
        int fds[LINESERVER_CLIENTS + 1];
        struct world w;
        unsigned told = 0;

        world_open(&w);
        for (size_t i = 0; i <= LINESERVER_CLIENTS;
             i++) { /* the kernel's own queue is shorter: each is let in at once */
                fds[i] = dial(&w);
                turn_until(&w, answered_one_more);
        }
        CU_ASSERT_TRUE(turn_until(&w, all_accepted));
        for (size_t i = 0; i <= LINESERVER_CLIENTS; i++) {
                told += strstr(hear(fds[i]), "too many clients") != NULL;
                close(fds[i]);
        }
        CU_ASSERT_EQUAL(told, 1);
        world_close(&w);
}

/* It asks for megabytes and reads nothing: closed at a limit, and nobody waits. */
static void test_never_reads(void)
{
        struct world w;
        int fd;

        world_open(&w);
        w.answer = 1 << 20;
        fd = dial(&w);
        for (int i = 0; i < 40; i++)
                say(fd, "more\n");
        CU_ASSERT_TRUE(turn_until(&w, one_gone));
        CU_ASSERT_EQUAL(stats(&w).slow_closed, 1);
        close(fd);
        world_close(&w);
}

static bool dropped(struct world *w)
{
        static char line[65536];

        memset(line, 'x', sizeof(line));
        lineserver_broadcast(w->server, bytes_of(line, sizeof(line)));
        return stats(w).watch_dropped > 5;
}

static bool some_turns(struct world *w)
{
        return ++w->lines > 4;
}

static void test_slow_watcher(void)
{
        static char sink[1 << 20];
        struct world w;
        size_t heard = 0;
        bool told = false;
        int fd;

        world_open(&w);
        fd = dial(&w);
        say(fd, "watch\n");
        CU_ASSERT_TRUE(turn_until(&w, one_line));
        CU_ASSERT_EQUAL(lineserver_watchers(w.server), 1);
        CU_ASSERT_TRUE(turn_until(&w, dropped));
        CU_ASSERT_EQUAL(stats(&w).clients, 1); /* lines are lost to it, it is not closed */
        for (int i = 0; i < 200 && !told; i++) { /* reads at last: it is told how many it missed */
                ssize_t n;

                while ((n = recv(fd, sink, sizeof(sink) - 1, 0)) > 0) {
                        heard += (size_t)n;
                        sink[n] = '\0';
                        told = told || strstr(sink, "{\"lost\":");
                }
                w.lines = 0;
                turn_until(&w, some_turns);
                CU_ASSERT_TRUE(dropped(&w)); /* one line more is broadcast */
        }
        CU_ASSERT_TRUE(told);
        CU_ASSERT_TRUE(heard > LINESERVER_WATCH_MAX / 2);
        close(fd);
        world_close(&w);
}

static void test_place(void)
{
        char long_path[200];
        struct world w;
        struct stat st;
        int fd;

        world_open(&w);
        CU_ASSERT_EQUAL(stat(w.path, &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
        CU_ASSERT_EQUAL(lineserver_listen(w.path, 0660, getgid(), &fd), -EADDRINUSE);
        lineserver_free(w.server);
        w.server = NULL;
        CU_ASSERT_EQUAL(lineserver_listen(w.path, 0600, getgid(), &fd), 0); /* a file that nobody listens on */
        CU_ASSERT_EQUAL(stat(w.path, &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
        close(fd);
        unlink(w.path);
        CU_ASSERT_EQUAL(symlink("/etc/passwd", w.path), 0);
        CU_ASSERT_EQUAL(lineserver_listen(w.path, 0600, getgid(), &fd), -EEXIST);
        memset(long_path, 'x', sizeof(long_path) - 1);
        long_path[sizeof(long_path) - 1] = '\0';
        CU_ASSERT_EQUAL(lineserver_listen(long_path, 0600, getgid(), &fd), -ENAMETOOLONG);
        world_close(&w);
}

/* Are they the same open file? Of a pipe's two ends each has its own way. */
static bool same(int a, int b)
{
        int fa = a < 0 ? -1 : fcntl(a, F_GETFL), fb = fcntl(b, F_GETFL);
        struct stat sa, sb;

        return fa >= 0 && fa == fb && fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino;
}

static bool gone(int fd)
{
        return fcntl(fd, F_GETFD) < 0;
}

/* With its line, to whoever takes it; what nobody takes is closed; more than one at once is no client of ours. */
static void test_descriptors(void)
{
        int fds[2], both[2], fd, first;
        struct lineconn *conn = NULL;
        struct world w;

        signal(SIGPIPE, SIG_IGN);
        world_open_as(&w, &takes_ops);
        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        CU_ASSERT_EQUAL_FATAL(lineconn_open(w.path, 1000, &conn), 0);
        CU_ASSERT_EQUAL(lineconn_send_fd(conn, BYTES_LIT("take"), fds[0]), 0);
        CU_ASSERT_EQUAL(lineconn_send(conn, BYTES_LIT("none")), 0);
        CU_ASSERT_EQUAL(lineconn_send_fd(conn, BYTES_LIT("again"), fds[1]), 0);
        CU_ASSERT(turn_until(&w, three_lines));
        CU_ASSERT(same(w.passed[0], fds[0]));
        CU_ASSERT_EQUAL(w.passed[1], -1);
        CU_ASSERT(same(w.passed[2], fds[1]));
        first = w.passed[0];
        close(w.passed[2]);
        lineconn_close(conn);
        fd = dial(&w);
        both[0] = both[1] = fds[0];
        CU_ASSERT_EQUAL(passfd_send(fd, "x\n", 2, both, 2, 0), 0);
        w.gone = 0;
        CU_ASSERT(turn_until(&w, one_gone));
        close(fd);
        fd = dial(&w); /* not with a line's end */
        CU_ASSERT_EQUAL(passfd_send(fd, "x", 1, fds, 1, 0), 0);
        close(fd);
        w.gone = 0;
        CU_ASSERT(turn_until(&w, one_gone));
        close(fds[0]);
        CU_ASSERT(!gone(first));
        close(first);
        CU_ASSERT(write(fds[1], "x", 1) < 0 && errno == EPIPE); /* nobody has its other end any more */
        close(fds[1]);
        world_close(&w);
}

/* A server that takes none is passed none. */
static void test_no_descriptors(void)
{
        struct lineconn *conn = NULL;
        int fds[2];
        struct world w;

        signal(SIGPIPE, SIG_IGN);
        world_open(&w);
        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        CU_ASSERT_EQUAL_FATAL(lineconn_open(w.path, 1000, &conn), 0);
        CU_ASSERT_EQUAL(lineconn_send_fd(conn, BYTES_LIT("take"), fds[0]), 0);
        CU_ASSERT(turn_until(&w, one_line));
        CU_ASSERT_EQUAL(w.passed[0], -1);
        close(fds[0]);
        CU_ASSERT(write(fds[1], "x", 1) < 0 && errno == EPIPE);
        close(fds[1]);
        lineconn_close(conn);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"whole and half lines, any bytes", test_lines},
        {"a line without end is ended", test_too_long},
        {"one client too many is told so", test_crowd},
        {"a client that never reads is closed", test_never_reads},
        {"a watcher that does not read loses lines and is told", test_slow_watcher},
        {"the socket's mode, and who is there already", test_place},
        {"a descriptor comes along with its line", test_descriptors},
        {"and not where none are taken", test_no_descriptors},
};
UNIT_MAIN("lineserver", cases)
