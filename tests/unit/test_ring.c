/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of recordings: each segment gives by itself what live judging gave; bounds, other files, crashes, errors. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/pipeline_world.h"
#include "tidemark/record.h"
#include "tidemark/ring.h"

#define CONFIG BYTES_LIT("the configuration")
#define MAX_SEGMENTS 64

static char dir[64];

static void fresh_dir(void)
{
        strcpy(dir, "/tmp/tidemark-ring-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        strcat(dir, "/ring");
}

static void remove_dir(void)
{
        DIR *d = opendir(dir);
        struct dirent *e;

        while (d && (e = readdir(d)))
                unlinkat(dirfd(d), e->d_name, 0);
        if (d)
                closedir(d);
        rmdir(dir);
        *strrchr(dir, '/') = '\0';
        rmdir(dir);
}

static struct ring *open_ring(uint64_t size, uint64_t segment)
{
        struct ring_params p = {.dir = dir, .size = size, .segment = segment, .period_ns = 1000 * SEC};
        struct ring *r = NULL;

        CU_ASSERT_EQUAL_FATAL(ring_open(&p, &r), 0);
        return r;
}

static void settle(struct pipeline *p)
{
        struct tide_event ev = {.kind = TIDE_TICK, .flags = EVF_SETTLE};

        give(p, &ev);
}

static int replay_segment(const char *name, struct buf *said, struct pipeline_replay *info, struct pipeline **ret)
{
        struct record_reader *reader = NULL;
        char path[128];
        int fd, r;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        fd = open(path, O_RDONLY);
        memset(info, 0, sizeof(*info));
        r = record_reader_new(fd, &reader);
        if (r == 0)
                r = pipeline_replay(reader, make_params, said ? &hears : NULL, said, info, ret);
        record_reader_free(reader);
        close(fd);
        return r;
}

static struct ring_segment *list(size_t expected)
{
        struct ring_segment *all = NULL;
        size_t n;

        CU_ASSERT_EQUAL_FATAL(ring_list(dir, &all, &n), 0);
        CU_ASSERT_EQUAL_FATAL(n, expected);
        return all;
}

/* From whatever moment a segment begins: the same words and findings as live, although there was a life before it. */
static void test_each_alone(void)
{
        static struct buf live[MAX_SEGMENTS], live_said[MAX_SEGMENTS];
        struct buf said;
        struct pipeline *p;
        struct ring *r;
        struct ring_segment *all;
        size_t n = 0;

        fresh_dir();
        buf_init(&said, 1 << 24);
        p = make(&said);
        r = open_ring(1 << 26, 1 << 20);
        now = SEC;
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        start(p);
        for (unsigned i = 0; i < 1400; i++) {
                act(p, i);
                if (i % 37 != 36 || !pipeline_settled(p))
                        continue;
                settle(p);
                CU_ASSERT_EQUAL_FATAL(n < MAX_SEGMENTS, true);
                dump(p, &live[n]);
                buf_init(&live_said[n], 1 << 24);
                buf_put(&live_said[n++], said.p, said.len);
                buf_reset(&said);
                CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        }
        CU_ASSERT_TRUE(n > 25);
        ring_close(r, p);
        pipeline_free(p);
        all = list(n + 1);
        for (size_t i = 0; i < n; i++) {
                struct pipeline_replay info;
                struct buf again;

                buf_reset(&said);
                CU_ASSERT_EQUAL_FATAL(replay_segment(all[i].name, &said, &info, &p), 0);
                dump(p, &again);
                CU_ASSERT_TRUE(bytes_eq(buf_bytes(&again), buf_bytes(&live[i])));
                CU_ASSERT_TRUE(said.len > 0);
                CU_ASSERT_TRUE(bytes_eq(buf_bytes(&said), buf_bytes(&live_said[i])));
                buf_release(&again);
                buf_release(&live[i]);
                buf_release(&live_said[i]);
                pipeline_free(p);
        }
        buf_release(&said);
        free(all);
        remove_dir();
}

static uint64_t bytes_there(void)
{
        struct ring_segment *all;
        uint64_t sum = 0;
        size_t n;

        CU_ASSERT_EQUAL_FATAL(ring_list(dir, &all, &n), 0);
        for (size_t i = 0; i < n; i++)
                sum += all[i].bytes;
        free(all);
        return sum;
}

static void next_if_due(struct ring *r, struct pipeline *p)
{
        if (!ring_due(r, now) || !(pipeline_settled(p) || ring_overdue(r, now)))
                return;
        settle(p);
        CU_ASSERT_EQUAL_FATAL(ring_begin(r, p, CONFIG, now, 1), 0);
}

static void test_bounds(void)
{
        struct pipeline *p = make(NULL);
        struct ring_stats st;
        struct ring_segment *all;
        struct ring *r;
        uint64_t first;
        char other[128];
        size_t n;

        fresh_dir();
        r = open_ring(200000, 20000);
        snprintf(other, sizeof(other), "%s/000000001.tide.gz", dir); /* a digit is missing: none of ours */
        close(open(other, O_CREAT | O_WRONLY, 0600));
        now = SEC;
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        start(p);
        for (unsigned i = 0; i < 30000; i++) {
                act(p, i + 401);
                if (i % 10 == 0) {
                        CU_ASSERT_EQUAL_FATAL(ring_keep(r, p, i % 1000 == 0), 0);
                        next_if_due(r, p);
                }
        }
        ring_stats(r, &st);
        CU_ASSERT_TRUE(st.removed > 3);
        CU_ASSERT_TRUE(st.segments > 3);
        CU_ASSERT_TRUE(st.events > 30000);
        CU_ASSERT_TRUE(st.bytes <= 200000);
        CU_ASSERT_TRUE(bytes_there() <= 200000);
        CU_ASSERT_TRUE(bytes_there() > 100000);
        ring_close(r, p);
        all = list(st.segments);
        first = all[0].number;
        CU_ASSERT_EQUAL(first, st.removed + 1); /* the oldest went */
        n = (size_t)(all[st.segments - 1].number - first + 1);
        CU_ASSERT_EQUAL(n, st.segments);
        free(all);
        CU_ASSERT_EQUAL(access(other, F_OK), 0);
        r = open_ring(100000, 20000); /* restarted, with less: it goes on behind the last one */
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        CU_ASSERT_TRUE(bytes_there() <= 100000);
        ring_stats(r, &st);
        all = list(st.segments);
        CU_ASSERT_TRUE(all[0].number > first);
        CU_ASSERT_EQUAL(all[st.segments - 1].number, first + n);
        free(all);
        ring_close(r, p);
        pipeline_free(p);
        unlink(other);
        remove_dir();
}

/* By time, too; and a moment at which a walk is under way is waited over, but not for ever. */
static void test_time(void)
{
        struct tide_event walk = {.kind = TIDE_WALK, .container = BYTES_LIT("c1"), .walk = {.reason = WALK_ROUND}};
        struct pipeline *p = make(NULL);
        struct ring *r;

        fresh_dir();
        r = open_ring(1 << 20, 1 << 16);
        now = SEC;
        start(p);
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        CU_ASSERT_FALSE(ring_due(r, now + 999 * SEC));
        CU_ASSERT_TRUE(ring_due(r, now + 1000 * SEC));
        CU_ASSERT_FALSE(ring_overdue(r, now + 1059 * SEC));
        CU_ASSERT_TRUE(ring_overdue(r, now + 1060 * SEC));
        CU_ASSERT_TRUE(pipeline_settled(p));
        give(p, &walk);
        CU_ASSERT_FALSE(pipeline_settled(p));
        walk.walk.ended = walk.walk.complete = 1;
        give(p, &walk);
        CU_ASSERT_TRUE(pipeline_settled(p));
        ring_close(r, p);
        pipeline_free(p);
        remove_dir();
}

static int count_event(const struct tide_event *ev, void *arg)
{
        (void)ev;
        ++*(unsigned *)arg;
        return 0;
}

/* What was flushed before kill -9 is there, and the next life goes on with another segment. */
static void test_killed(void)
{
        struct pipeline *p = make(NULL);
        struct ring *r;
        struct ring_segment *all;
        struct record_reader *reader = NULL;
        struct tide_event ev;
        unsigned n = 0;
        char path[128];
        pid_t child;
        int fd, status;

        fresh_dir();
        child = fork();
        if (child == 0) {
                struct ring_params rp = {.dir = dir, .size = 1 << 20, .segment = 1 << 16, .period_ns = SEC};

                now = SEC;
                if (ring_open(&rp, &r) < 0 || ring_begin(r, p, CONFIG, now, 1) < 0)
                        _exit(1);
                start(p);
                acts(p, 0, 100);
                if (ring_keep(r, p, true) < 0)
                        _exit(1);
                acts(p, 100, 50); /* in memory only */
                raise(SIGKILL);
        }
        CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
        CU_ASSERT_TRUE(WIFSIGNALED(status));
        all = list(1);
        snprintf(path, sizeof(path), "%s/%s", dir, all[0].name);
        free(all);
        fd = open(path, O_RDONLY);
        CU_ASSERT_EQUAL_FATAL(record_reader_new(fd, &reader), 0);
        while (record_next(reader, &ev) == 1)
                if (tide_kind_is_event(ev.kind))
                        CU_ASSERT_EQUAL(count_event(&ev, &n), 0);
        CU_ASSERT_EQUAL(record_next(reader, &ev), ERR_TRUNCATED);
        CU_ASSERT_EQUAL(n, 102);
        record_reader_free(reader);
        close(fd);
        r = open_ring(1 << 20, 1 << 16);
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        ring_close(r, p);
        free(list(2));
        pipeline_free(p);
        remove_dir();
}

/* The disk is full: said once, the ring is over, and nothing else is. */
static void test_full(void)
{
        struct pipeline *p = make(NULL), *q = make(NULL);
        struct rlimit limit;
        struct ring_stats st;
        struct ring *r;
        struct buf a, b;
        rlim_t was;
        int told = 0;

        fresh_dir();
        signal(SIGXFSZ, SIG_IGN);
        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
        was = limit.rlim_cur;
        r = open_ring(1 << 20, 1 << 18);
        now = SEC;
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), 0);
        limit.rlim_cur = 12000;
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
        start(p);
        for (unsigned i = 0; i < 3000; i++) {
                act(p, i);
                if (i % 100 == 99)
                        told += ring_keep(r, p, true) < 0;
        }
        limit.rlim_cur = was;
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
        signal(SIGXFSZ, SIG_DFL);
        CU_ASSERT_EQUAL(told, 1);
        ring_stats(r, &st);
        CU_ASSERT_EQUAL(st.err, -EFBIG);
        CU_ASSERT_EQUAL(st.errors, 1);
        CU_ASSERT_FALSE(ring_due(r, now + 1000000 * SEC));
        ring_close(r, p);
        now = SEC;
        start(q);
        acts(q, 0, 3000);
        dump(p, &a);
        dump(q, &b);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&a), buf_bytes(&b)));
        buf_release(&a);
        buf_release(&b);
        pipeline_free(p);
        pipeline_free(q);
        remove_dir();
}

/* What is known takes more than half of the ring: not begun, and said so; no file stays that is of no use. */
static void test_too_small(void)
{
        struct pipeline *p = make(NULL);
        struct ring_stats st;
        struct ring *r;

        fresh_dir();
        now = SEC;
        start(p);
        acts(p, 0, 600);
        r = open_ring(2000, 1000);
        CU_ASSERT_EQUAL(ring_begin(r, p, CONFIG, now, 1), -EFBIG);
        ring_stats(r, &st);
        CU_ASSERT_EQUAL(st.errors, 1);
        acts(p, 601, 10);
        ring_close(r, p);
        r = NULL;
        CU_ASSERT_EQUAL(ring_open(&(struct ring_params){.dir = "/nowhere/at/all", .size = 1}, &r), -ENOENT);
        CU_ASSERT_EQUAL(ring_open(&(struct ring_params){.dir = "/etc/passwd", .size = 1}, &r), -ENOTDIR);
        CU_ASSERT_PTR_NULL(r);
        pipeline_free(p);
        remove_dir();
}

static const struct unit_case cases[] = {
        {"each segment alone gives what live judging gave", test_each_alone},
        {"the ring stays within its bounds, over restarts", test_bounds},
        {"a segment ends by time, in a quiet moment", test_time},
        {"after kill -9 what was flushed is there", test_killed},
        {"a full disk ends the ring and nothing else", test_full},
        {"a ring that is too small for what is known is not begun", test_too_small},
};
UNIT_MAIN("ring", cases)
