/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What belongs together: a hundred acts of one cause are one finding, two causes of one minute are two. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"

/* A process with its ancestors below the init, outermost first; started at these seconds since boot. */
struct chain {
        uint32_t pid[4]; /* the last one that is not 0 acts */
        double began[4];
};

static struct tide_actor who(const struct chain *c, const char *exe)
{
        static uint8_t space[512];
        struct tide_ancestor init = {
                .pid = INIT_PID, .start = 1, .exe = BYTES_LIT("/bin/init"), .comm = BYTES_LIT("init")};
        struct buf b = {.p = space, .cap = sizeof(space), .max = sizeof(space) - 1};
        struct tide_actor a = {.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE,
                               .origin = ORIGIN_ENTRYPOINT,
                               .exe = bytes_str(exe),
                               .login_uid = UINT32_MAX,
                               .session = UINT32_MAX};

        tide_lineage_put(&b, &init);
        for (int i = 0; i < 4 && c->pid[i]; i++) {
                uint64_t start = (uint64_t)(c->began[i] * 100);

                if (i == 3 || c->pid[i + 1] == 0) {
                        a.pid = c->pid[i];
                        a.start = start;
                } else {
                        struct tide_ancestor up = {
                                .pid = c->pid[i], .start = start, .exe = BYTES_LIT("/bin/sh"), .comm = BYTES_LIT("sh")};

                        tide_lineage_put(&b, &up);
                }
        }
        a.lineage = buf_bytes(&b);
        return a;
}

static double seconds(const struct world *w)
{
        return (double)w->now / (double)SEC;
}

static void drops(struct world *w, const struct chain *c, const char *path)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1")};

        ev.file.actor = who(c, "/bin/cp");
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.mode = S_IFREG | 0755;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void runs(struct world *w, const struct chain *c, const char *path)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .container = BYTES_LIT("c1")};

        ev.exec.actor = who(c, path);
        ev.exec.program = bytes_str(path);
        ev.exec.program_layer = LAYER_WRITE;
        ev.exec.program_change = CHANGE_ADDED;
        ev.exec.caller = BYTES_LIT("/bin/sh");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void active(struct world *w)
{
        world_open(w);
        start(w);
        run(w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(w, "baseline.activate", "web@sha256:aa"), 0);
        w->now += 24 * HOUR;
}

/* One script, names of chance, some seconds between them: by the entrypoint itself, or by a script that it started. */
static void test_hundred(void)
{
        for (int nested = 0; nested < 2; nested++) {
                struct world w;
                double script;
                char path[64];

                active(&w);
                script = seconds(&w);
                for (uint32_t i = 0; i < 100; i++) {
                        struct chain c = {{0}, {0}};
                        int n = 0;

                        if (nested) {
                                c.pid[n] = 500;
                                c.began[n++] = script;
                        }
                        c.pid[n] = 1000 + 2 * i;
                        c.began[n] = seconds(&w);
                        snprintf(path, sizeof(path), "/tmp/drop%03u%c%c", i * 7919 % 1000, 'a' + (int)(i * 31 % 26),
                                 'A' + (int)(i * 17 % 26));
                        drops(&w, &c, path);
                        w.now += SEC / 10;
                        c.pid[n] = 1001 + 2 * i;
                        c.began[n] = seconds(&w);
                        runs(&w, &c, path);
                        w.now += 3 * SEC;
                }
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_EQUAL(w.count, 200);
                CU_ASSERT_TRUE(finding_rate(group_by_id(w.j, w.last_id)) > 2000); /* an hour */
                world_close(&w);
        }
}

/* Services that have run for long beside each other, each broken into in the same minute. */
static void test_apart(void)
{
        static const struct {
                const char *what;
                struct chain a, b;
        } rows[] = {
                {"children of the init, themselves", {{700}, {60}}, {{800}, {61}}},
                {"what children of the init start", {{700, 7001}, {60, 90000}}, {{800, 8001}, {61, 90000}}},
                {"children of a wrapper, themselves", {{400, 700}, {50, 60}}, {{400, 800}, {50, 61}}},
                {"what children of a wrapper start",
                 {{400, 700, 7001}, {50, 60, 90000}},
                 {{400, 800, 8001}, {50, 61, 90000}}},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;

                active(&w);
                runs(&w, &rows[i].a, "/opt/one");
                w.now += 5 * SEC;
                runs(&w, &rows[i].b, "/srv/two");
                if (w.opened != 2)
                        printf("\n    %s: %u\n", rows[i].what, w.opened);
                CU_ASSERT_EQUAL(w.opened, 2);
                /* Each goes on where it belongs. */
                w.now += 20 * SEC;
                drops(&w, &rows[i].a, "/opt/more");
                CU_ASSERT_EQUAL(w.last_id, 1);
                drops(&w, &rows[i].b, "/srv/else");
                CU_ASSERT_EQUAL(w.last_id, 2);
                CU_ASSERT_EQUAL(w.opened, 2);
                world_close(&w);
        }
}

static void saves(struct world *w, const char *container, const char *exe, uint32_t pid, const char *path)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = bytes_str(container)};
        const struct chain c = {{pid}, {60}};

        ev.file.actor = who(&c, exe);
        if (pid == INIT_PID)
                ev.file.actor.start = 1, ev.file.actor.lineage = bytes_of(NULL, 0);
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.mode = S_IFREG | 0644;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* One burst of one program into one directory is one cause, also when the init itself is the writer. */
static void test_burst(void)
{
        struct world w;
        char path[64];

        active(&w);
        start_as(&w, "c2", "web", false);
        w.now += 120 * SEC;
        for (int i = 1; i <= 5; i++) {
                snprintf(path, sizeof(path), "/srv/new%c", 'a' + i * 5);
                saves(&w, "c1", "/bin/sh", INIT_PID, path);
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 5);
        saves(&w, "c1", "/bin/sh", INIT_PID, "/opt/new"); /* another directory */
        CU_ASSERT_EQUAL(w.opened, 2);
        saves(&w, "c1", "/bin/sh", INIT_PID, "/srv/deep/new");
        CU_ASSERT_EQUAL(w.opened, 3);
        saves(&w, "c1", "/usr/bin/perl", 700, "/srv/other"); /* another program */
        CU_ASSERT_EQUAL(w.opened, 4);
        saves(&w, "c2", "/bin/sh", INIT_PID, "/srv/fresh"); /* another container */
        CU_ASSERT_EQUAL(w.opened, 5);
        w.now += 120 * SEC;
        saves(&w, "c1", "/bin/sh", INIT_PID, "/srv/later"); /* another burst */
        CU_ASSERT_EQUAL(w.opened, 6);
        world_close(&w);
}

/* One finding over the signals, told in the order of what happened. */
static void test_story(void)
{
        const struct chain c = {{500, 600}, {70000, 80000}};
        struct world w;
        const char *wrote, *ran;

        active(&w);
        drops(&w, &c, "/opt/x");
        w.now += SEC;
        runs(&w, &c, "/opt/x");
        CU_ASSERT_EQUAL(w.opened, 1);
        wrote = strstr(w.story, "created and wrote /opt/x");
        ran = strstr(w.story, "ran /opt/x");
        CU_ASSERT_TRUE(wrote && ran && wrote < ran);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"a hundred of one cause", test_hundred},
        {"two causes of one minute", test_apart},
        {"one burst into one directory", test_burst},
        {"one story", test_story},
};

UNIT_MAIN("group", cases)
