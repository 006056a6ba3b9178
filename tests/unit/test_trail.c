/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trail: its chain, its end after a crash, its damage, and the writer with its deadline. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/trail.h"

static char dir[64];

static void fresh_dir(void)
{
        snprintf(dir, sizeof(dir), "/tmp/tidemark-trail-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static const char *file_path(void)
{
        static char path[96];

        snprintf(path, sizeof(path), "%s/trail.jsonl", dir);
        return path;
}

static void remove_dir(void)
{
        unlink(file_path());
        rmdir(dir);
}

/* 0: it is whole, with that many records; else -EUCLEAN and the first one that is wrong. */
static int verify(uint64_t *ret_n)
{
        struct trail_verdict v;
        int r = trail_verify(dir, NULL, NULL, NULL, &v);

        if (r < 0)
                return r;
        *ret_n = v.wrong ? v.n : v.last;
        return v.wrong ? -EUCLEAN : 0;
}

static struct trail_entry entry(const char *kind, const char *text)
{
        return (struct trail_entry){.kind = kind, .command = 1, .uid = 0, .login_uid = 1000, .pid = 42,
                                    .wall_ns = 1767323045678000000, .text = bytes_str(text)};
}

static void append(const char *text, uint64_t want_n)
{
        struct trail_entry e = entry("asked", text);
        struct trail_file *f;
        const char *why;
        uint64_t n = 0;

        CU_ASSERT_EQUAL_FATAL(trail_file_open(dir, NULL, &f, &why), 0);
        CU_ASSERT_EQUAL(trail_file_append(f, &e, &n), 0);
        CU_ASSERT_EQUAL(n, want_n);
        trail_file_close(f);
}

static off_t size_now(void)
{
        struct stat st;

        return stat(file_path(), &st) == 0 ? st.st_size : -1;
}

static void test_chain(void)
{
        uint64_t n;
        struct stat st;

        fresh_dir();
        append("one", 1);
        append("two \"quoted\"\nnot a new line", 2);
        append("\xff\xfe bytes", 3);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 3);
        CU_ASSERT_EQUAL(stat(file_path(), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
        remove_dir();
}

/* Each single changed byte, and each removed line, breaks the chain at the right record or earlier. */
static void test_damage(void)
{
        char text[4096];
        int undetected = 0;
        uint64_t n;
        ssize_t len;
        int fd;

        fresh_dir();
        append("one", 1);
        append("two", 2);
        append("three", 3);
        fd = open(file_path(), O_RDWR);
        len = read(fd, text, sizeof(text));
        CU_ASSERT_FATAL(len > 0);
        for (ssize_t i = 0; i < len; i++) {
                char bad = (char)(text[i] ^ 1);

                CU_ASSERT_EQUAL(pwrite(fd, &bad, 1, i), 1);
                if (verify(&n) != -EUCLEAN)
                        undetected++;
                CU_ASSERT_EQUAL(pwrite(fd, &text[i], 1, i), 1);
        }
        CU_ASSERT_EQUAL(undetected, 0);
        CU_ASSERT_EQUAL(verify(&n), 0);
        /* Without its first line. */
        char *second = memchr(text, '\n', (size_t)len);
        second++;
        CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
        CU_ASSERT_EQUAL(pwrite(fd, second, (size_t)(text + len - second), 0), text + len - second);
        CU_ASSERT_EQUAL(verify(&n), -EUCLEAN);
        CU_ASSERT_EQUAL(n, 1);
        close(fd);
        remove_dir();
}

/* Cut at every byte of the last record: it goes, the ones before stay, and the cut is told. */
static void test_torn(void)
{
        off_t two, three;
        uint64_t n;

        fresh_dir();
        append("one", 1);
        append("two", 2);
        two = size_now();
        append("three", 3);
        three = size_now();
        for (off_t cut = two + 1; cut < three; cut += 7) {
                CU_ASSERT_EQUAL(truncate(file_path(), cut), 0);
                append("three again", 4); /* 3 tells of the cut */
                CU_ASSERT_EQUAL(verify(&n), 0);
                CU_ASSERT_EQUAL(n, 4);
                CU_ASSERT_EQUAL(truncate(file_path(), two), 0);
                append("three", 3);
                CU_ASSERT_EQUAL(size_now(), three);
        }
        remove_dir();
}

static void test_refused(void)
{
        struct trail_file *f;
        const char *why;
        int fd;

        fresh_dir();
        append("one", 1);
        fd = open(file_path(), O_WRONLY | O_APPEND);
        CU_ASSERT_EQUAL(write(fd, "garbage\n", 8), 8);
        close(fd);
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &f, &why), -EUCLEAN);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "damaged"));
        unlink(file_path());
        CU_ASSERT_EQUAL(symlink("/etc/passwd", file_path()), 0);
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &f, &why), -ELOOP);
        remove_dir();
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &f, &why), -ENOENT);
}

/* ---- the writer ---- */

struct seen {
        struct loop *loop;
        uint64_t cookie[100], n[100];
        int err[100];
        size_t count, want;
};

static void on_done(uint64_t cookie, uint64_t n, int err, void *arg)
{
        struct seen *s = arg;

        s->cookie[s->count] = cookie;
        s->n[s->count] = n;
        s->err[s->count++] = err;
        if (s->count == s->want)
                loop_stop(s->loop, 0);
}
static const struct trail_ops ops = {.done = on_done};

static void test_writer(void)
{
        struct trail_entry e = entry("asked", "baseline.activate web");
        struct seen s = {.want = 10};
        char why[TRAIL_WHY];
        struct trail *t;
        uint64_t n;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), 0);
        for (uint64_t i = 0; i < 10; i++)
                CU_ASSERT_EQUAL(trail_append(t, 100 + i, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        for (uint64_t i = 0; i < 10; i++) {
                CU_ASSERT_EQUAL(s.cookie[i], 100 + i);
                CU_ASSERT_EQUAL(s.n[i], i + 1);
                CU_ASSERT_EQUAL(s.err[i], 0);
        }
        trail_stop(t);
        loop_free(s.loop);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 10);
        remove_dir();
}

/* A writer that hangs costs its entries, not the loop; a killed one too; the next entry gets a new writer. */
static void test_writer_lost(void)
{
        struct trail_entry e = entry("asked", "x");
        struct seen s = {.want = 2};
        char why[TRAIL_WHY];
        struct trail *t;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 500 * NSEC_PER_MSEC, &ops, &s, &t, why), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGSTOP), 0);
        CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0);
        CU_ASSERT_EQUAL(trail_append(t, 2, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_EQUAL(s.err[0], -ETIMEDOUT);
        CU_ASSERT_EQUAL(s.err[1], -ETIMEDOUT);
        s.want = 3;
        CU_ASSERT_EQUAL(trail_append(t, 3, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_EQUAL(s.err[2], 0);
        s.want = 4;
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGSTOP), 0);
        CU_ASSERT_EQUAL(trail_append(t, 4, &e), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGKILL), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_NOT_EQUAL(s.err[3], 0);
        trail_stop(t);
        loop_free(s.loop);
        remove_dir();
}

/* It is gone when the next entry comes, and nobody has noticed: that entry is written all the same. */
static void test_writer_gone(void)
{
        struct trail_entry e = entry("ended", "as asked");
        struct seen s = {.want = 1};
        char why[TRAIL_WHY];
        struct trail *t;
        siginfo_t si;
        uint64_t n;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGKILL), 0);
        CU_ASSERT_EQUAL(waitid(P_PID, trail_pid(t), &si, WEXITED | WNOWAIT), 0);
        CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0);
        trail_stop(t);
        CU_ASSERT(s.count == 1 && s.err[0] == 0 && s.n[0] == 1);
        loop_free(s.loop);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 1);
        remove_dir();
}

static void test_writer_refused(void)
{
        struct seen s = {.want = 1};
        char why[TRAIL_WHY];
        struct trail *t;

        fresh_dir();
        append("one", 1);
        int fd = open(file_path(), O_WRONLY | O_APPEND);
        CU_ASSERT_EQUAL(write(fd, "garbage\n", 8), 8);
        close(fd);
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), -EUCLEAN);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "damaged"));
        loop_free(s.loop);
        remove_dir();
}

static const struct unit_case cases[] = {
        {"records are numbered and chained", test_chain},
        {"every changed byte and a removed record are found", test_damage},
        {"an unfinished record is cut and told", test_torn},
        {"a damaged end, a link and a missing directory are refused", test_refused},
        {"the writer answers in order", test_writer},
        {"a hanging or killed writer costs its entries only", test_writer_lost},
        {"a writer that is gone is replaced for the next entry", test_writer_gone},
        {"the writer's refusal reaches the caller in words", test_writer_refused},
};
UNIT_MAIN("trail", cases)
