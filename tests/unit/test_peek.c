/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peek: lines of maps; then a real helper that reads real processes, is killed, and is replaced. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tidemark/clock.h"
#include "tidemark/loop.h"
#include "tidemark/peek.h"
#include "tidemark/procfs.h"
#include "trace/peek-priv.h"

static int parse(const char *line, struct peek_line *ret)
{
        return peek_parse_line(bytes_str(line), ret);
}

static void test_lines(void)
{
        struct peek_line l;

        CU_ASSERT_FATAL(parse("7f0000001000-7f0000003000 r-xp 00002000 fd:12 123456    /usr/lib/a b.so", &l) == 1);
        CU_ASSERT(l.from == 0x7f0000001000 && l.to == 0x7f0000003000 && l.ino == 123456 && l.dev != 0);
        CU_ASSERT(bytes_eq(l.path, BYTES_LIT("/usr/lib/a b.so")));
        CU_ASSERT_FATAL(parse("1000-2000 --xs 0 0:1 1 /memfd:x (deleted)", &l) == 1);
        CU_ASSERT(bytes_eq(l.path, BYTES_LIT("/memfd:x (deleted)")));
        CU_ASSERT(parse("1000-2000 r--p 00002000 fd:12 123456 /usr/lib/a.so", &l) == 0);
        CU_ASSERT(parse("1000-2000 r-xp 00000000 00:00 0 ", &l) == 0);
        CU_ASSERT(parse("1000-2000 r-xp 00000000 00:00 0                  [vdso]", &l) == 0);
}

static void test_damaged_lines(void)
{
        static const char whole[] = "7f0000001000-7f0000003000 r-xp 00002000 fd:12 123456    /usr/lib/a.so";
        struct peek_line l;

        CU_ASSERT(parse("", &l) == -EINVAL);
        CU_ASSERT(parse("x", &l) == -EINVAL);
        CU_ASSERT(parse("1000-2000 r-xp", &l) == -EINVAL);
        CU_ASSERT(parse("1000-11112222333344445 r-xp 0 0:1 1 /a", &l) == -EINVAL);
        CU_ASSERT(parse("1000-2000 r-xp 0 0:1 99999999999999999999999 /a", &l) != 1);
        for (uint32_t n = 0; n < sizeof(whole); n++) {
                char cut[sizeof(whole)];

                memcpy(cut, whole, n);
                if (peek_parse_line(bytes_of(cut, n), &l) == 1)
                        CU_ASSERT(l.path.len <= n);
        }
}

/* ---- a real helper ---- */

static struct {
        uint64_t token;
        int error;
        uint32_t total, len, ends, mapped;
        bool own; /* this program was among the files */
        char args[64];
} got;
static struct loop *loop;

static void on_end(uint64_t token, int error, struct bytes args, uint32_t total, void *arg)
{
        (void)arg;
        got.ends++;
        got.token = token;
        got.error = error;
        got.total = total;
        got.len = args.len;
        memcpy(got.args, args.p, args.len < sizeof(got.args) ? args.len : sizeof(got.args));
}
static void on_mapped(uint64_t token, const struct peek_mapped *m, void *arg)
{
        (void)arg;
        CU_ASSERT(token == 7 && m->ino != 0 && m->path.len > 0);
        got.mapped++;
        got.own |= bytes_has_suffix(m->path, BYTES_LIT("/test_peek"));
}
static const struct peek_ops ops = {.end = on_end, .mapped = on_mapped};

static struct peek *begin(void)
{
        struct peek *p = NULL;

        memset(&got, 0, sizeof(got));
        CU_ASSERT_FATAL(loop_new(&loop) == 0);
        CU_ASSERT_FATAL(peek_start(loop, "peek-test", 2 * NSEC_PER_SEC, &ops, NULL, &p) == 0);
        return p;
}

static void end(struct peek *p)
{
        peek_stop(p);
        loop_free(loop);
}

static uint64_t start_of(pid_t pid)
{
        struct procfs_stat st = {0};

        CU_ASSERT(procfs_stat((uint32_t)pid, &st) == 0);
        return st.start;
}

static void test_arguments(void)
{
        struct peek *p = begin();
        pid_t pid;

        CU_ASSERT(peek_args(p, 5, (uint32_t)getpid(), start_of(getpid())) == 0);
        peek_wait(p);
        CU_ASSERT(got.ends == 1 && got.token == 5 && got.error == 0 && got.len > 0 && got.total >= got.len);
        CU_ASSERT(peek_args(p, 6, (uint32_t)getpid(), 1) == 0); /* an earlier owner of the pid */
        peek_wait(p);
        CU_ASSERT(got.ends == 2 && got.token == 6 && got.error == -ESRCH && got.len == 0);
        pid = fork();
        if (pid == 0)
                _exit(0);
        waitpid(pid, NULL, 0);
        CU_ASSERT(peek_args(p, 8, (uint32_t)pid, 0) == 0);
        peek_wait(p);
        CU_ASSERT(got.ends == 3 && got.error == -ESRCH);
        end(p);
}

static void test_mappings(void)
{
        struct peek *p = begin();

        CU_ASSERT(peek_maps(p, 7, (uint32_t)getpid(), start_of(getpid())) == 0);
        peek_wait(p);
        CU_ASSERT(got.ends == 1 && got.error == 0 && got.mapped >= 2 && got.mapped == got.total && got.own);
        end(p);
}

static void test_limit(void)
{
        struct peek *p = begin();
        struct peek_stats st;
        pid_t helper = (pid_t)peek_pid(p);
        unsigned sent = 0;

        kill(helper, SIGSTOP);
        while (sent < 2 * PEEK_WAITING && peek_args(p, sent + 1, (uint32_t)getpid(), 0) == 0)
                sent++;
        CU_ASSERT(sent > 0 && sent <= PEEK_WAITING);
        peek_stats(p, &st);
        CU_ASSERT(st.refused == 1 && st.waiting == sent);
        kill(helper, SIGCONT);
        peek_wait(p);
        peek_stats(p, &st);
        CU_ASSERT(got.ends == sent && got.token == sent && st.answered == sent && st.waiting == 0);
        end(p);
}

static void test_killed(void)
{
        struct peek *p = begin();
        struct peek_stats st;

        CU_ASSERT(peek_args(p, 1, (uint32_t)getpid(), 0) == 0);
        peek_wait(p);
        kill((pid_t)peek_pid(p), SIGSTOP);
        CU_ASSERT(peek_args(p, 2, (uint32_t)getpid(), 0) == 0);
        kill((pid_t)peek_pid(p), SIGKILL);
        peek_wait(p); /* the end of it is told, and a new one is there */
        CU_ASSERT(got.ends == 2 && got.token == 2 && got.error == -ECANCELED);
        CU_ASSERT(peek_args(p, 3, (uint32_t)getpid(), 0) == 0);
        peek_wait(p);
        CU_ASSERT(got.ends == 3 && got.token == 3 && got.error == 0);
        peek_stats(p, &st);
        CU_ASSERT(st.restarts == 1 && st.hung == 0);
        end(p);
}

static const struct unit_case cases[] = {
        {"maps: lines", test_lines},
        {"maps: damaged lines", test_damaged_lines},
        {"arguments: of a process, of none, of an earlier one", test_arguments},
        {"mappings of a process", test_mappings},
        {"more than the limit is refused, and counted", test_limit},
        {"a helper that is gone is replaced", test_killed},
};
UNIT_MAIN("peek", cases)
