/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pipeline: live, stored and taken up again, recorded and replayed: the same, to the byte. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/pipeline_world.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/record.h"
#include "tidemark/store.h"

static char file[] = "/tmp/tidemark-pipeline-XXXXXX", dir[] = "/tmp/tidemark-pipeline-dir-XXXXXX";

static int fresh_file(void)
{
        strcpy(file + strlen(file) - 6, "XXXXXX");
        return mkstemp(file);
}

static void fresh_dir(void)
{
        strcpy(dir + strlen(dir) - 6, "XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void remove_dir(void)
{
        char path[64];

        snprintf(path, sizeof(path), "%s/tidemark.db", dir);
        unlink(path);
        rmdir(dir);
}

static int replay(struct buf *said, struct pipeline_replay *info, struct pipeline **ret)
{
        int fd = open(file, O_RDONLY), r;
        struct record_reader *reader = NULL;

        memset(info, 0, sizeof(*info));
        r = record_reader_new(fd, &reader);
        if (r == 0)
                r = pipeline_replay(reader, make_params, said ? &hears : NULL, said, info, ret);
        record_reader_free(reader);
        close(fd);
        return r;
}

/*
 * A pipeline with a past in a store, taken up by a new life of the agent and recorded from there on. said: what it told
 * since; end: what it knew at the end.
 */
static void record_some(struct buf *said, struct buf *end)
{
        struct pipeline *p = make(NULL);
        struct record_writer *w;
        struct store *s;
        const char *why;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(store_open(dir, &s, &why), 0);
        CU_ASSERT_EQUAL(pipeline_use_store(p, s), 0);
        now = SEC;
        start(p);
        acts(p, 0, 310);
        CU_ASSERT_EQUAL(store_commit(s, false), 0);
        pipeline_free(p); /* killed: what was held back is gone */
        p = make(said);
        CU_ASSERT_EQUAL(pipeline_use_store(p, s), 0);
        CU_ASSERT_EQUAL_FATAL(record_writer_new(fresh_file(), &w), 0);
        CU_ASSERT_EQUAL(pipeline_record(p, RECORDER_FILE, w, BYTES_LIT("the configuration"), 5), 0);
        start(p);
        acts(p, 320, 680);
        CU_ASSERT_EQUAL(pipeline_flush(p), 0);
        CU_ASSERT_EQUAL(pipeline_record_error(p, RECORDER_FILE), 0);
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        dump(p, end);
        pipeline_free(p);
        store_close(s);
        remove_dir();
}

static void test_replay(void)
{
        struct buf live, live_said, again, said;
        struct pipeline_replay info;
        struct pipeline *p = NULL;
        struct judge_stats st;

        buf_init(&live_said, 1 << 26);
        record_some(&live_said, &live);
        for (int twice = 0; twice < 2; twice++) {
                buf_init(&said, 1 << 26);
                CU_ASSERT_EQUAL_FATAL(replay(&said, &info, &p), 0);
                CU_ASSERT_EQUAL(info.events, 682);
                judge_stats(pipeline_judge(p), &st);
                CU_ASSERT_TRUE(st.findings > 0);
                CU_ASSERT_TRUE(st.known > 0);
                dump(p, &again);
                pipeline_free(p);
                CU_ASSERT_EQUAL(live_said.err | said.err | live.err | again.err, 0);
                CU_ASSERT_TRUE(live.len > 1000);
                CU_ASSERT_TRUE(bytes_eq(buf_bytes(&live), buf_bytes(&again)));
                CU_ASSERT_TRUE(live_said.len > 10000);
                CU_ASSERT_TRUE(bytes_eq(buf_bytes(&live_said), buf_bytes(&said)));
                buf_release(&again);
                buf_release(&said);
        }
        buf_release(&live);
        buf_release(&live_said);
        unlink(file);
}

static void test_damage(void)
{
        struct pipeline_replay info;
        struct pipeline *p = NULL;
        struct stat st;
        struct buf live;
        uint8_t byte;
        int fd;

        record_some(NULL, &live);
        buf_release(&live);
        fd = open(file, O_RDWR);
        CU_ASSERT_EQUAL(fstat(fd, &st), 0);
        for (off_t at = 16; at < st.st_size; at += st.st_size / 97) { /* behind the file's header */
                int r;

                CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
                byte ^= (uint8_t)(1 << at % 8);
                CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
                r = replay(NULL, &info, &p);
                CU_ASSERT_TRUE(r == ERR_CHECKSUM || r == ERR_TRUNCATED || r == ERR_SCHEMA); /* also in a length */
                CU_ASSERT_TRUE(info.offset <= (uint64_t)at);
                CU_ASSERT_TRUE(info.offset + 65536 > (uint64_t)at);
                CU_ASSERT_TRUE(strlen(info.why) > 0);
                if (r == ERR_CHECKSUM)
                        CU_ASSERT_PTR_NOT_NULL(strstr(info.why, "changed after it was written"));
                byte ^= (uint8_t)(1 << at % 8);
                CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
        }
        for (off_t cut = st.st_size - 1; cut >= 16; cut -= st.st_size / 53) {
                CU_ASSERT_EQUAL(ftruncate(fd, cut), 0);
                CU_ASSERT_EQUAL(replay(NULL, &info, &p), ERR_TRUNCATED);
                CU_ASSERT_TRUE(info.offset <= (uint64_t)cut);
                CU_ASSERT_PTR_NULL(p);
        }
        close(fd);
        unlink(file);
}

static int write_events(const struct tide_event *ev, size_t n, struct pipeline_replay *info)
{
        struct record_writer *w = NULL;
        struct pipeline *p = NULL;
        int r;

        CU_ASSERT_EQUAL_FATAL(record_writer_new(fresh_file(), &w), 0);
        for (size_t i = 0; i < n; i++)
                CU_ASSERT_EQUAL(record_write(w, &ev[i]), 0);
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        r = replay(NULL, info, &p);
        pipeline_free(p);
        unlink(file);
        return r;
}

/* Sums are right, and yet it is no recording of ours. */
static void test_strange(void)
{
        struct tide_event snapshot = {.kind = TIDE_SNAPSHOT, .state = {.text = BYTES_LIT("the configuration")}};
        struct tide_event other = {.kind = TIDE_SNAPSHOT, .state = {.text = BYTES_LIT("another")}};
        struct tide_event tick = {.kind = TIDE_TICK}, ping = {.kind = TIDE_PING};
        struct tide_event piece = {.kind = TIDE_STATE, .container = BYTES_LIT("k"), .state = {.what = PIECE_ENTRY}};
        struct pipeline_replay info;

        CU_ASSERT_EQUAL(write_events((struct tide_event[]){snapshot, tick}, 2, &info), 0);
        CU_ASSERT_EQUAL(write_events(NULL, 0, &info), ERR_TRUNCATED);
        CU_ASSERT_EQUAL(write_events(&tick, 1, &info), ERR_SCHEMA);
        CU_ASSERT_EQUAL(info.offset, 16);
        CU_ASSERT_EQUAL(write_events(&other, 1, &info), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(info.why, "configuration"));
        CU_ASSERT_EQUAL(write_events((struct tide_event[]){snapshot, ping}, 2, &info), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(info.why, "cannot be taken up"));
        CU_ASSERT_EQUAL(write_events((struct tide_event[]){snapshot, snapshot}, 2, &info), -EINVAL);
        CU_ASSERT_TRUE(write_events((struct tide_event[]){snapshot, piece}, 2, &info) < 0);
        CU_ASSERT_EQUAL(write_events((struct tide_event[]){snapshot, tick, piece}, 3, &info), ERR_SCHEMA);
        CU_ASSERT_TRUE(info.offset > 16);
}

/* The recording's disk is full: that is kept and told, and judging goes on as if nothing was. */
static void test_record_error(void)
{
        struct pipeline *p = make(NULL), *q = make(NULL);
        struct record_writer *w = NULL;
        struct rlimit limit;
        struct buf a, b;
        rlim_t was;

        signal(SIGXFSZ, SIG_IGN);
        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
        was = limit.rlim_cur;
        CU_ASSERT_EQUAL_FATAL(record_writer_new(fresh_file(), &w), 0);
        CU_ASSERT_EQUAL(pipeline_record(p, RECORDER_FILE, w, BYTES_LIT("the configuration"), 5), 0);
        limit.rlim_cur = 100000;
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
        now = SEC;
        start(p);
        acts(p, 0, 1000);
        CU_ASSERT_EQUAL(pipeline_record_error(p, RECORDER_FILE), -EFBIG);
        limit.rlim_cur = was;
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
        CU_ASSERT_EQUAL(record_writer_close(w), -EFBIG);
        signal(SIGXFSZ, SIG_DFL);
        now = SEC;
        start(q);
        acts(q, 0, 1000);
        dump(p, &a);
        dump(q, &b);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&a), buf_bytes(&b)));
        buf_release(&a);
        buf_release(&b);
        pipeline_free(p);
        pipeline_free(q);
        unlink(file);
}

/* Counts and times of what is known already are stored by the hour (judge/baseline.c), time that passes by some minutes
 * (judge/weeks.c), all else at once. */
static bool by_the_hour(enum judge_piece what)
{
        return what == PIECE_ENTRY || what == PIECE_WORKLOAD || what == PIECE_META || what == PIECE_WEEKS;
}

/* Who wrote what later than at the start is remembered for a while, and not stored (judge/writers-priv.h); nor are
 * losses of late. */
static bool is_passing(enum judge_piece what, struct bytes key)
{
        struct rd r;

        rd_init(&r, key.p, key.len);
        rd_bytes(&r);
        return what == PIECE_LOSS || (what == PIECE_WRITER && rd_left(&r) == 0);
}

static int compare_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        struct bytes stored;

        if (is_passing(what, key))
                return 0;
        CU_ASSERT_EQUAL(store_get(arg, (int)what, key, &stored), 0);
        CU_ASSERT_TRUE(by_the_hour(what) ? stored.len == blob.len : bytes_eq(stored, blob));
        return 0;
}

static int count_piece(struct bytes key, struct bytes blob, void *arg)
{
        (void)key, (void)blob;
        ++*(unsigned *)arg;
        return 0;
}

static int count_judge_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        return is_passing(what, key) ? 0 : count_piece(key, blob, arg);
}

static int put_finding(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        return what == PIECE_FINDING ? put_piece((int)what, key, blob, arg) : 0;
}

static void dump_findings(struct pipeline *p, struct buf *b)
{
        buf_init(b, 1 << 22);
        CU_ASSERT_EQUAL(judge_each(pipeline_judge(p), put_finding, b), 0);
}

/* What is stored is what is known, no more and no less; and four lives end with the findings of one. */
static void test_store(void)
{
        static const int kinds[] = {PIECE_META, PIECE_WORKLOAD, PIECE_ENTRY, PIECE_FINDING, PIECE_CONTAINER,
                                    PIECE_WRITER, PIECE_PAST, PIECE_WEEKS};
        struct buf whole, parts;
        struct pipeline *p = make(NULL);
        const char *why;
        struct store *s;

        now = SEC;
        start(p);
        for (unsigned part = 0; part < 4; part++) {
                acts(p, part * 250, 250);
                CU_ASSERT_EQUAL(pipeline_flush(p), 0);
        }
        dump_findings(p, &whole);
        pipeline_free(p);
        fresh_dir();
        now = SEC;
        for (unsigned part = 0; part < 4; part++) {
                unsigned known = 0, stored = 0;

                CU_ASSERT_EQUAL_FATAL(store_open(dir, &s, &why), 0);
                p = make(NULL);
                CU_ASSERT_EQUAL_FATAL(pipeline_use_store(p, s), 0);
                CU_ASSERT_EQUAL(pipeline_damaged(p), 0);
                if (part == 0)
                        start(p);
                acts(p, part * 250, 250);
                CU_ASSERT_EQUAL(pipeline_flush(p), 0);
                CU_ASSERT_EQUAL(store_commit(s, false), 0);
                CU_ASSERT_EQUAL(judge_each(pipeline_judge(p), compare_piece, s), 0);
                CU_ASSERT_EQUAL(judge_each(pipeline_judge(p), count_judge_piece, &known), 0);
                for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
                        CU_ASSERT_EQUAL(store_each(s, kinds[i], count_piece, &stored), 0);
                CU_ASSERT_EQUAL(known, stored);
                if (part == 3)
                        dump_findings(p, &parts);
                pipeline_free(p);
                store_close(s);
        }
        CU_ASSERT_TRUE(whole.len > 1000);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&whole), buf_bytes(&parts)));
        remove_dir();
        buf_release(&whole);
        buf_release(&parts);
}

/* Pieces that cannot be read are left out, counted, and left where they are. */
static void test_damaged_pieces(void)
{
        struct pipeline *p = make(NULL);
        struct bytes blob;
        const char *why;
        struct store *s;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(store_open(dir, &s, &why), 0);
        CU_ASSERT_EQUAL(store_put(s, PIECE_FINDING, BYTES_LIT("x"), BYTES_LIT("y")), 0);
        CU_ASSERT_EQUAL(store_put(s, FUSE_PIECE, BYTES_LIT("x"), BYTES_LIT("y")), 0);
        CU_ASSERT_EQUAL(store_commit(s, false), 0);
        CU_ASSERT_EQUAL(pipeline_use_store(p, s), 0);
        CU_ASSERT_EQUAL(pipeline_damaged(p), 2);
        CU_ASSERT_EQUAL(store_get(s, FUSE_PIECE, BYTES_LIT("x"), &blob), 0);
        pipeline_free(p);
        store_close(s);
        remove_dir();
}

static void test_refused(void)
{
        static const uint16_t kinds[] = {TIDE_NONE, TIDE_SNAPSHOT, TIDE_STATE,    TIDE_END,
                                         TIDE_ACT,  TIDE_COMMAND,  TIDE__KIND_MAX};
        struct pipeline *p = make(NULL);

        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                struct tide_event ev = {.kind = kinds[i]};

                CU_ASSERT_EQUAL(pipeline_event(p, &ev), -EINVAL);
        }
        pipeline_free(p);
}

static const struct unit_case cases[] = {
        {"a replay is the same twice, and the same as live", test_replay},
        {"a damaged recording is told with its offset", test_damage},
        {"a recording of strange records is refused", test_strange},
        {"a recording that fails does not end the judging", test_record_error},
        {"damaged pieces are left out and counted", test_damaged_pieces},
        {"what was stored is taken up again", test_store},
        {"kinds of the pair are refused", test_refused},
};
UNIT_MAIN("pipeline", cases)
