/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pipeline: live, stored and taken up again, recorded and replayed: the same, to the byte. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/record.h"
#include "tidemark/store.h"

#define SEC 1000000000ull
#define T0 1767323045000000000ull

static uint64_t now;

static void give(struct pipeline *p, struct tide_event *ev)
{
        ev->boot_ns = now;
        ev->wall_ns = (int64_t)(T0 + now);
        now += 1000000;
        CU_ASSERT_EQUAL(pipeline_event(p, ev), 0);
}

static void start(struct pipeline *p)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};

        ev.ctr.init_pid = 1;
        give(p, &ev);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .container = BYTES_LIT("c1")};
        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        give(p, &ev);
}

static void acts(struct pipeline *p, unsigned from, unsigned n)
{
        for (unsigned i = from; i < from + n; i++) {
                struct tide_event ev = {.kind = i % 3 ? TIDE_FILE : TIDE_EXEC, .container = BYTES_LIT("c1")};
                struct tide_actor a = {.flags = ACTOR_PID | ACTOR_EXE,
                                       .pid = 100 + i % 7,
                                       .start = 5,
                                       .origin = ORIGIN_ENTRYPOINT,
                                       .exe = BYTES_LIT("/bin/sh")};
                char path[32];

                snprintf(path, sizeof(path), "/opt/%c", 'a' + i % 11);
                if (ev.kind == TIDE_FILE) {
                        ev.sources = SRC_CONTENT;
                        ev.file.actor = a;
                        ev.file.path = bytes_str(path);
                        ev.file.ops = OP_WRITE;
                        ev.file.mode = S_IFREG | 0644;
                } else {
                        ev.exec.actor = a;
                        ev.exec.program = bytes_str(path);
                        ev.exec.program_layer = i % 2 ? LAYER_WRITE : LAYER_IMAGE;
                }
                give(p, &ev);
        }
}

static int put_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        struct buf *b = arg;

        buf_put_u32(b, what);
        buf_put_bytes(b, key);
        buf_put_bytes(b, blob);
        return b->err;
}

static void dump(struct pipeline *p, struct buf *b)
{
        buf_init(b, 1 << 22);
        CU_ASSERT_EQUAL(judge_each(pipeline_judge(p), put_piece, b), 0);
}

static struct pipeline *make(void)
{
        struct judge_params jp;
        struct fuse_params fp;
        struct pipeline *p = NULL;

        judge_params_default(&jp);
        fuse_params_default(&fp);
        CU_ASSERT_EQUAL_FATAL(pipeline_new(&jp, &fp, NULL, NULL, &p), 0);
        return p;
}

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        (void)arg;
        if (!bytes_eq(text, BYTES_LIT("the configuration")))
                return -EINVAL;
        judge_params_default(jp);
        fuse_params_default(fp);
        return 0;
}

static char file[] = "/tmp/tidemark-pipeline-XXXXXX";

static int replay(struct pipeline_replay *info, struct pipeline **ret)
{
        int fd = open(file, O_RDONLY), r;
        struct record_reader *reader = NULL;

        memset(info, 0, sizeof(*info));
        r = record_reader_new(fd, &reader);
        if (r == 0)
                r = pipeline_replay(reader, make_params, NULL, NULL, info, ret);
        record_reader_free(reader);
        close(fd);
        return r;
}

/* A pipeline with a past, recorded from its middle on. Returns what it knew at the end. */
static void record_some(struct buf *end)
{
        struct pipeline *p = make();
        struct record_writer *w;

        strcpy(file + strlen(file) - 6, "XXXXXX");
        now = SEC;
        start(p);
        acts(p, 0, 500);
        CU_ASSERT_EQUAL_FATAL(record_writer_new(mkstemp(file), &w), 0);
        CU_ASSERT_EQUAL(pipeline_record(p, w, BYTES_LIT("the configuration"), 5), 0);
        acts(p, 500, 500);
        CU_ASSERT_EQUAL(pipeline_record_error(p), 0);
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        dump(p, end);
        pipeline_free(p);
}

static void test_replay(void)
{
        struct buf live, first, second;
        struct pipeline_replay info;
        struct pipeline *p = NULL;

        record_some(&live);
        CU_ASSERT_TRUE(live.len > 1000);
        CU_ASSERT_EQUAL_FATAL(replay(&info, &p), 0);
        CU_ASSERT_EQUAL(info.events, 500);
        dump(p, &first);
        pipeline_free(p);
        CU_ASSERT_EQUAL_FATAL(replay(&info, &p), 0);
        dump(p, &second);
        pipeline_free(p);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&live), buf_bytes(&first)));
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
        buf_release(&live);
        buf_release(&first);
        buf_release(&second);
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

        record_some(&live);
        buf_release(&live);
        fd = open(file, O_RDWR);
        CU_ASSERT_EQUAL(fstat(fd, &st), 0);
        CU_ASSERT_EQUAL(pread(fd, &byte, 1, st.st_size / 2), 1);
        byte ^= 4;
        CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, st.st_size / 2), 1);
        CU_ASSERT_EQUAL(replay(&info, &p), ERR_CHECKSUM);
        CU_ASSERT_TRUE(info.offset <= (uint64_t)st.st_size / 2);
        CU_ASSERT_TRUE(info.offset > (uint64_t)st.st_size / 2 - 1000);
        CU_ASSERT_TRUE(strlen(info.why) > 0);
        byte ^= 4;
        CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, st.st_size / 2), 1);
        CU_ASSERT_EQUAL(ftruncate(fd, st.st_size - 1), 0);
        CU_ASSERT_EQUAL(replay(&info, &p), ERR_TRUNCATED);
        CU_ASSERT_PTR_NULL(p);
        close(fd);
        unlink(file);
}

/* What was stored is taken up again, and goes on as if nothing had been. */
static void test_store(void)
{
        char dir[] = "/tmp/tidemark-pipeline-dir-XXXXXX", path[64];
        struct buf whole, parts;
        struct pipeline *p = make();
        const char *why;
        struct store *s;

        now = SEC;
        start(p);
        acts(p, 0, 1000);
        dump(p, &whole);
        pipeline_free(p);
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        now = SEC;
        for (unsigned part = 0; part < 4; part++) {
                CU_ASSERT_EQUAL_FATAL(store_open(dir, &s, &why), 0);
                p = make();
                CU_ASSERT_EQUAL_FATAL(pipeline_use_store(p, s), 0);
                if (part == 0)
                        start(p);
                acts(p, part * 250, 250);
                if (part == 3) {
                        struct judge_stats a;

                        dump(p, &parts);
                        judge_stats(pipeline_judge(p), &a);
                        CU_ASSERT_TRUE(a.findings > 0);
                }
                now += part < 3 ? 0 : 1;
                pipeline_free(p);
                store_close(s);
        }
        CU_ASSERT_TRUE(parts.len > 0 && whole.len > 0);
        snprintf(path, sizeof(path), "%s/tidemark.db", dir);
        unlink(path);
        rmdir(dir);
        buf_release(&whole);
        buf_release(&parts);
}

static void test_refused(void)
{
        static const uint16_t kinds[] = {TIDE_NONE, TIDE_SNAPSHOT, TIDE_STATE,    TIDE_END,
                                         TIDE_ACT,  TIDE_COMMAND,  TIDE__KIND_MAX};
        struct pipeline *p = make();

        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                struct tide_event ev = {.kind = kinds[i]};

                CU_ASSERT_EQUAL(pipeline_event(p, &ev), -EINVAL);
        }
        pipeline_free(p);
}

static const struct unit_case cases[] = {
        {"a replay is the same twice, and the same as live", test_replay},
        {"a damaged recording is told with its offset", test_damage},
        {"what was stored is taken up again", test_store},
        {"kinds of the pair are refused", test_refused},
};
UNIT_MAIN("pipeline", cases)
