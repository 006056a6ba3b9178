/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipeline_world - a small world for tests of the pipeline: a container, all kinds of acts by number, and what is
 * compared: memory at the end, and every word on the way there. Included by one test file each.
 */
#ifndef TIDEMARK_TESTS_PIPELINE_WORLD_H
#define TIDEMARK_TESTS_PIPELINE_WORLD_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"

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

/* All kinds of acts: known and new, two halves of one, walks, an operator's word, losses, and names that come again. */
static void act(struct pipeline *p, unsigned i)
{
        static const uint16_t kinds[] = {TIDE_FILE, TIDE_EXEC, TIDE_FILE, TIDE_FILE, TIDE_EXEC, TIDE_FILE, TIDE_FILE};
        struct tide_event ev = {.kind = kinds[i % 7], .sources = SRC_PROC, .container = BYTES_LIT("c1")};
        struct tide_actor a = {.flags = ACTOR_PID | ACTOR_EXE, .pid = 100 + i % 7, .start = 5};
        char path[32];

        a.exe = BYTES_LIT("/bin/sh");
        a.origin = ORIGIN_ENTRYPOINT;
        snprintf(path, sizeof(path), "/opt/%c%s", 'a' + i % 11, i % 13 == 5 ? "/below" : "");
        if (i % 50 == 30 || i % 50 == 33) {
                ev.kind = TIDE_WALK;
                ev.walk.ended = i % 50 == 33;
                ev.walk.complete = 1;
                ev.walk.reason = WALK_ROUND;
        } else if (i == 400) {
                ev = (struct tide_event){.kind = TIDE_DECISION, .decision = {.verb = BYTES_LIT("baseline.activate")}};
                ev.decision.target = BYTES_LIT("nobody");
        } else if (i % 97 == 96) {
                ev = (struct tide_event){.kind = TIDE_LOSS, .loss = {.count = 3, .what = BYTES_LIT("a queue")}};
        } else if (i % 31 == 30) {
                ev = (struct tide_event){.kind = TIDE_TICK};
        } else if (ev.kind == TIDE_FILE) {
                ev.sources = i % 50 == 31 || i % 50 == 32 ? SRC_WALK : i % 2 ? SRC_CONTENT : SRC_NAMES;
                if (ev.sources == SRC_CONTENT)
                        ev.file.actor = a;
                ev.file.path = bytes_str(path);
                ev.file.ops = ev.sources == SRC_WALK ? OP_FOUND : ev.sources == SRC_NAMES ? OP_CREATE : OP_WRITE;
                ev.file.mode = S_IFREG | (i % 17 ? 0644 : 0755);
                ev.file.ctime_ns = T0 + i / 10;
        } else {
                ev.exec.actor = a;
                ev.exec.program = bytes_str(path);
                ev.exec.program_layer = i % 2 ? LAYER_WRITE : LAYER_IMAGE;
        }
        ev.boot_ns = now;
        ev.wall_ns = (int64_t)(T0 + now);
        now += 1000000;
        CU_ASSERT_EQUAL(pipeline_event(p, &ev), i == 400 ? -EINVAL : 0);
}

static inline void acts(struct pipeline *p, unsigned from, unsigned n)
{
        for (unsigned i = from; i < from + n; i++)
                act(p, i);
}

/* ---- what is compared: memory at the end, and every word on the way there ---- */

static int put_piece(int what, struct bytes key, struct bytes blob, struct buf *b)
{
        buf_put_u32(b, (uint32_t)what);
        buf_put_bytes(b, key);
        buf_put_bytes(b, blob);
        return b->err;
}

static int put_judge_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        return put_piece((int)what, key, blob, arg);
}

static inline void dump(struct pipeline *p, struct buf *b)
{
        buf_init(b, 1 << 22);
        CU_ASSERT_EQUAL(judge_each(pipeline_judge(p), put_judge_piece, b), 0);
}

static void on_event(const struct tide_event *ev, struct bytes workload, const char *verdict, uint64_t finding,
                     void *arg)
{
        struct buf *said = arg;

        buf_put_u64(said, ev->seq);
        buf_put_bytes(said, workload);
        buf_put_str(said, verdict);
        buf_put_u64(said, finding);
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        struct buf *said = arg;

        buf_put_u8(said, opened);
        CU_ASSERT_EQUAL(finding_encode(f, said), 0);
}

static const struct pipeline_ops hears = {.event = on_event, .finding = on_finding};

static struct pipeline *make(struct buf *said)
{
        struct judge_params jp;
        struct fuse_params fp;
        struct pipeline *p = NULL;

        judge_params_default(&jp);
        fuse_params_default(&fp);
        CU_ASSERT_EQUAL_FATAL(pipeline_new(&jp, &fp, said ? &hears : NULL, said, &p), 0);
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

#endif
