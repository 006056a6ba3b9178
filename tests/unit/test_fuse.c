/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuse: two sides of one act are one; order is kept; what a walk meets is told once; the index survives. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/fuse.h"

#define MS 1000000ull
#define SEC 1000000000ull

struct world {
        struct fuse *f;
        uint64_t now;
        char told[1024]; /* "kind:path:ops " of what came out */
        struct tide_event last;
        unsigned n, saves;
        struct buf pieces;
};

static int on_event(const struct tide_event *ev, void *arg)
{
        struct world *w = arg;
        char ops[TIDE_OPS_TEXT];
        size_t n = strlen(w->told);

        w->n++;
        w->last = *ev;
        if (ev->kind == TIDE_FILE)
                snprintf(w->told + n, sizeof(w->told) - n, "%.*s:%s ", (int)ev->file.path.len,
                         (const char *)ev->file.path.p, tide_ops_text(ev->file.ops, ops));
        else
                snprintf(w->told + n, sizeof(w->told) - n, "%s ", tide_kind_name(ev->kind));
        return 0;
}

static void on_save(int what, struct bytes key, struct bytes blob, void *arg)
{
        struct world *w = arg;

        (void)key, (void)blob;
        CU_ASSERT_EQUAL(what, FUSE_PIECE);
        w->saves++;
}

static const struct fuse_ops ops = {.event = on_event, .save = on_save};

static void world_open(struct world *w)
{
        struct fuse_params p;

        memset(w, 0, sizeof(*w));
        fuse_params_default(&p);
        w->now = SEC;
        CU_ASSERT_EQUAL_FATAL(fuse_new(&p, &ops, w, &w->f), 0);
}

static void give(struct world *w, struct tide_event *ev)
{
        ev->boot_ns = w->now;
        ev->wall_ns = (int64_t)(1000 * SEC + w->now);
        ev->container = BYTES_LIT("c1");
        CU_ASSERT_EQUAL(fuse_event(w->f, ev), 0);
}

static void simple(struct world *w, uint16_t kind)
{
        struct tide_event ev = {.kind = kind};

        give(w, &ev);
}

static void walk(struct world *w, bool ended, uint8_t reason)
{
        struct tide_event ev = {.kind = TIDE_WALK, .walk = {.ended = ended, .complete = 1, .reason = reason}};

        give(w, &ev);
}

static void file(struct world *w, const char *path, uint16_t how, uint16_t sources, uint32_t pid, uint64_t ctime)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = sources};

        ev.file.path = bytes_str(path);
        ev.file.ops = how;
        ev.file.change = CHANGE_ADDED;
        ev.file.ctime_ns = ctime;
        ev.file.mode = S_IFREG | 0644;
        if (pid)
                ev.file.actor = (struct tide_actor){
                        .flags = ACTOR_PID | ACTOR_EXE, .pid = pid, .start = pid, .exe = BYTES_LIT("/bin/x")};
        give(w, &ev);
}

static void started(struct world *w, bool before)
{
        struct tide_event ev = {.kind = TIDE_CTR_START};

        ev.ctr.running_before = before;
        give(w, &ev);
        w->told[0] = '\0';
}

static void test_join(void)
{
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 5);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        CU_ASSERT_EQUAL(w.n, 0);
        CU_ASSERT_TRUE(fuse_due(w.f) > w.now);
        w.now += 30 * MS;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create+write tick ");
        CU_ASSERT_EQUAL(fuse_due(w.f), 0);
        /* Two processes are two acts; later is another act. */
        w.told[0] = '\0';
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 42, 6);
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 43, 7);
        w.now += 30 * MS;
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 43, 8);
        w.now += 30 * MS;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/b:write /b:write /b:write tick ");
        fuse_free(w.f);
}

static void test_actor(void)
{
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 0);
        simple(&w, TIDE_LOSS); /* lets go */
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create+write loss ");
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 0);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        w.now += SEC;
        file(&w, "/z", OP_WRITE, SRC_CONTENT, 1, 1);
        CU_ASSERT_EQUAL(w.last.sources, SRC_NAMES | SRC_CONTENT);
        fuse_free(w.f);
}

/* What was done to files comes before the program that did, or that they became. */
static void test_order(void)
{
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 5);
        file(&w, "/b", OP_CREATE, SRC_NAMES, 0, 5);
        simple(&w, TIDE_EXEC);
        file(&w, "/c", OP_CREATE, SRC_NAMES, 0, 5);
        file(&w, "/d", OP_RENAME, SRC_NAMES, 0, 5);
        simple(&w, TIDE_CTR_STOP);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create /b:create exec /c:create /d:rename container-stop ");
        fuse_free(w.f);
}

/* A container that starts under our eyes: the runtime's files are known, later ones are told, once. */
static void test_walk_start(void)
{
        struct world w;
        struct fuse_stats st;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC); /* wall clock 1001 s */
        w.told[0] = '\0';
        w.now += 5 * MS;
        walk(&w, false, WALK_START);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1000 * SEC);
        file(&w, "/opt/late", OP_FOUND, SRC_WALK, 0, 1001 * SEC + 3 * MS);
        walk(&w, true, WALK_START);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /opt/late:found walk ");
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.prepared, 1);
        CU_ASSERT_TRUE(w.saves > 0);
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1000 * SEC);
        file(&w, "/opt/late", OP_FOUND, SRC_WALK, 0, 1001 * SEC + 3 * MS);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk walk ");
        /* Changed without an event; gone without an event: forgotten, so that it is new when it comes again. */
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1005 * SEC);
        walk(&w, true, WALK_ROUND);
        walk(&w, false, WALK_ROUND);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1005 * SEC);
        file(&w, "/opt/late", OP_FOUND, SRC_WALK, 0, 1001 * SEC + 3 * MS);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /etc/hosts:found walk walk /opt/late:found walk ");
        fuse_free(w.f);
}

/* What an event told, the next walk does not tell again. */
static void test_walk_after_event(void)
{
        struct world w;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 2000 * SEC);
        w.now += 10 * SEC;
        simple(&w, TIDE_TICK);
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/a", OP_FOUND, SRC_WALK, 0, 2000 * SEC);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk walk ");
        /* The walk is there first: the two meet, and the event's word counts. */
        w.told[0] = '\0';
        file(&w, "/b", OP_FOUND, SRC_WALK, 0, 2001 * SEC);
        file(&w, "/b", OP_CREATE, SRC_NAMES, 42, 2001 * SEC);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/b:create tick ");
        fuse_free(w.f);
}

static int take_piece(int what, struct bytes key, struct bytes blob, void *arg)
{
        struct world *w = arg;

        (void)what;
        buf_put_bytes(&w->pieces, key);
        buf_put_bytes(&w->pieces, blob);
        return w->pieces.err;
}

/* Found running: told as before us. After a restart of the agent: only what changed since, and not as before us. */
static void test_before(void)
{
        struct world w, again;
        struct rd r;

        world_open(&w);
        buf_init(&w.pieces, 1 << 20);
        started(&w, true);
        walk(&w, false, WALK_FOUND);
        file(&w, "/a", OP_FOUND, SRC_WALK, 0, 5);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        walk(&w, true, WALK_FOUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /a:found tick walk ");
        w.told[0] = '\0';
        file(&w, "/late", OP_FOUND, SRC_WALK, 0, 7);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/late:found tick ");
        CU_ASSERT_EQUAL(fuse_each(w.f, take_piece, &w), 0);
        world_open(&again);
        rd_init(&r, w.pieces.p, w.pieces.len);
        while (rd_left(&r)) {
                struct bytes key = rd_bytes(&r);

                CU_ASSERT_EQUAL(fuse_restore(again.f, key, rd_bytes(&r)), 0);
        }
        started(&again, true);
        walk(&again, false, WALK_FOUND);
        file(&again, "/a", OP_FOUND, SRC_WALK, 0, 5);
        file(&again, "/late", OP_FOUND, SRC_WALK, 0, 7);
        file(&again, "/new", OP_FOUND, SRC_WALK, 0, 9);
        simple(&again, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(again.told, "walk /new:found loss ");
        fuse_free(w.f);
        fuse_free(again.f);
        buf_release(&w.pieces);
}

static int flags_event(const struct tide_event *ev, void *arg)
{
        if (ev->kind == TIDE_FILE)
                *(unsigned *)arg = ev->flags;
        return 0;
}

static void test_before_flag(void)
{
        static const struct fuse_ops flag_ops = {.event = flags_event, .save = on_save};
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
        struct fuse_params p;
        struct fuse *f;
        unsigned flags = 99;

        fuse_params_default(&p);
        CU_ASSERT_EQUAL_FATAL(fuse_new(&p, &flag_ops, &flags, &f), 0);
        ev.ctr.running_before = 1;
        CU_ASSERT_EQUAL(fuse_event(f, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_FILE, .sources = SRC_WALK, .container = BYTES_LIT("c1")};
        ev.file.path = BYTES_LIT("/a");
        ev.file.ops = OP_FOUND;
        CU_ASSERT_EQUAL(fuse_event(f, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_TICK, .boot_ns = SEC};
        CU_ASSERT_EQUAL(fuse_event(f, &ev), 0);
        CU_ASSERT_EQUAL(flags, EVF_BEFORE);
        fuse_free(f);
}

/* A flood of names: bounded, counted, and nothing is lost on the way. */
static void test_limits(void)
{
        struct fuse_params p = {.join_ns = SEC, .pending_max = 10, .index_max = 50, .containers_max = 4};
        struct fuse_stats st;
        struct world w;
        char path[32];

        world_open(&w);
        fuse_free(w.f);
        CU_ASSERT_EQUAL_FATAL(fuse_new(&p, &ops, &w, &w.f), 0);
        for (int i = 0; i < 500; i++) {
                snprintf(path, sizeof(path), "/f/%d", i);
                w.told[0] = '\0';
                file(&w, path, OP_CREATE, SRC_NAMES, 0, 5);
        }
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.pending, 10);
        CU_ASSERT_EQUAL(st.index, 50);
        CU_ASSERT_EQUAL(st.index_refused, 450);
        CU_ASSERT_EQUAL(st.out + st.pending, 500);
        fuse_free(w.f);
}

static const struct unit_case cases[] = {
        {"two sides of one act are one", test_join},
        {"the better-known process stays", test_actor},
        {"order is kept", test_order},
        {"the runtime's preparation is not drift", test_walk_start},
        {"a walk does not tell what an event told", test_walk_after_event},
        {"a restart tells only what changed", test_before},
        {"what was there before us is marked so", test_before_flag},
        {"floods are bounded and counted", test_limits},
};
UNIT_MAIN("fuse", cases)
