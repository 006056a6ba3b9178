/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge: generalised names, what learning takes and refuses, the bands of the shipped table, grouping, first sight,
 * decisions, and that what was saved makes the same judge again.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/generalise.h"
#include "tidemark/judge.h"
#include "tidemark/map.h"

static void write_in(struct world *w, const char *id, const char *path, uint32_t mode, enum tide_change change,
                     enum tide_origin origin, uint32_t pid)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = bytes_str(id)};

        ev.file.actor = actor(pid, origin, "/bin/cp");
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = (uint8_t)change;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | mode;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void put(struct world *w, const char *path, uint32_t mode)
{
        write_in(w, "c1", path, mode, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 300);
}

/* A workload that has done the same for long: many hours, nothing new. */
static void make_stable(struct world *w)
{
        start(w);
        for (int h = 0; h < 100; h++) {
                run(w, "/bin/date", LAYER_IMAGE);
                put(w, "/var/log/web.log", 0644);
                w->now += HOUR;
        }
        tick(w);
}

/* ---- generalise ---- */

static void test_generalise(void)
{
        static const struct {
                const char *path, *key;
        } rows[] = {
                {"/var/lib/app/data.db", "/var/lib/app/data.db"},
                {"/var/log/app-2026-01-02.log", "/var/log/app-<n>-<n>-<n>.log"},
                {"/tmp/tmp8Zk3Qw", "/tmp/tmp<rand>"},
                {"/run/app.12345.pid", "/run/app.<n>.pid"},
                {"/cache/0123456789abcdef0123", "/cache/<hex>"},
                {"/s/123e4567-e89b-12d3-a456-426614174000.json", "/s/<uuid>.json"},
                {"/tmp/sess_a8F3kQ9z", "/tmp/sess_<rand>"},
                /* Python's tempfile draws '_' too; mktemp(1) draws words that look less like chance. */
                {"/c/tmpo27_5kkg", "/c/tmp<rand>"},
                {"/c/tmpqtlr_4__", "/c/tmp<rand>"},
                {"/c/tmp_files_of_us", "/c/tmp_files_of_us"},
                {"/c/tmp_", "/c/tmp_"},
                {"/tmp/report.QJ8iwlsp", "/tmp/report.<rand>"},
                {"/tmp/report.KXpmBvJT", "/tmp/report.<rand>"},
                {"/tmp/tmp.gR5vKLbqpm", "/tmp/tmp.<rand>"},
                {"/tmp/a.8aaaaaa", "/tmp/a.<rand>"},
                {"/opt/report.QJ8iwlsp.txt", "/opt/report.QJ8iwlsp.txt"},
                {"/opt/a.properties", "/opt/a.properties"},
                {"/opt/a.Dockerfile", "/opt/a.Dockerfile"},
                {"/opt/a.BACKUP2", "/opt/a.BACKUP2"},
                {"/opt/a.backup12", "/opt/a.backup12"},
                {"/etc/*", "/etc/<star>"}, /* no name is a pattern */
                {"/etc/*/x*", "/etc/<star>/x*"},
                {"/usr/lib/python3/foo.py", "/usr/lib/python3/foo.py"},
                {"/etc/nginx/nginx.conf", "/etc/nginx/nginx.conf"},
                {"/opt/README", "/opt/README"},
                {"/var/decade/facade", "/var/decade/facade"},
                {"relative", "relative"},
                {"", ""},
        };
        _cleanup_buf_ struct buf b, again;

        buf_init(&b, 1000);
        buf_init(&again, 1000);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                buf_reset(&b);
                buf_reset(&again);
                generalise_path(bytes_str(rows[i].path), GENERALISE_DATA, &b);
                CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i].key);
                generalise_path(buf_bytes(&b), GENERALISE_DATA, &again); /* a key is its own key */
                CU_ASSERT_STRING_EQUAL(buf_cstr(&again), rows[i].key);
        }
        buf_reset(&b);
        generalise_path(BYTES_LIT("/tmp/a8F3kQ9z"), GENERALISE_EXECUTABLE, &b);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "/tmp/a8F3kQ9z");
        buf_reset(&b);
        generalise_path(BYTES_LIT("/proc/4711/exe"), GENERALISE_EXECUTABLE, &b);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "/proc/<n>/exe");
}

/* ---- learning ---- */

static void test_learning(void)
{
        struct tide_event found = {.kind = TIDE_FILE, .sources = SRC_WALK, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start(&w);
        CU_ASSERT_TRUE(bytes_eq(workload(&w).id, BYTES_LIT("web@sha256:aa")));
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        put(&w, "/var/lib/x", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        /* A person's session and a process from outside teach nothing. */
        run_in(&w, "c1", "/bin/vi", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_EXEC, 400);
        run_in(&w, "c1", "/bin/vi", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_FOREIGN, 401);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_PROCESS].entries, 1);
        /* Nor does a file of which nobody knows who made it. */
        found.file.path = BYTES_LIT("/opt/by-whom");
        found.file.ops = OP_FOUND;
        found.file.mode = S_IFREG | 0644;
        CU_ASSERT_EQUAL(give(&w, &found), 0);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 1);
        CU_ASSERT_EQUAL(w.opened, 1); /* the session's own item */
        CU_ASSERT_EQUAL(w.confidence, 0);
        world_close(&w);
}

static void test_converge(void)
{
        struct world w;

        world_open(&w);
        make_stable(&w);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_PROCESS].state, "active");
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_PROCESS].by, "converged");
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning"); /* nothing was told of it */
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
        /* Always something new: it ends by the timer, not before. */
        world_open(&w);
        start(&w);
        for (int h = 0; h < 80; h++) {
                char program[32];

                snprintf(program, sizeof(program), "/bin/job%c%c", 'a' + h / 26, 'a' + h % 26);
                run(&w, program, LAYER_IMAGE);
                tick(&w);
                CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_PROCESS].state, h < 72 ? "learning" : "active");
                w.now += HOUR;
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_PROCESS].by, "timer");
        world_close(&w);
}

/* DESIGN 4.2: raised even while learning, each once. */
static void test_never_silent(void)
{
        static const struct {
                enum tide_layer layer;
                enum tide_change change;
        } rows[] = {{LAYER_WRITE, CHANGE_ADDED},
                    {LAYER_WRITE, CHANGE_MODIFIED},
                    {LAYER_MEMFD, CHANGE_UNKNOWN},
                    {LAYER_DELETED, CHANGE_UNKNOWN}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;

                world_open(&w);
                start(&w);
                run(&w, "/usr/bin/tool", LAYER_IMAGE); /* known by this name as the image has it */
                run_in(&w, "c1", "/usr/bin/tool", rows[i].layer, rows[i].change, ORIGIN_ENTRYPOINT, 301);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_TRUE(w.confidence >= w.p.page);
                CU_ASSERT_TRUE(w.severity >= SEVERITY_HIGH);
                for (int n = 0; n < 99; n++)
                        run_in(&w, "c1", "/usr/bin/tool", rows[i].layer, rows[i].change, ORIGIN_ENTRYPOINT,
                               301 + (uint32_t)n);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_EQUAL(w.count, 100);
                CU_ASSERT_EQUAL(w.nsignals, 1);
                world_close(&w);
        }
        struct world w;

        world_open(&w);
        start(&w);
        put(&w, "/usr/bin/su2", 04755);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        world_close(&w);
}

static void put_flags(struct world *w, const char *path, uint32_t mode, uint8_t flags)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_NAMES, .container = BYTES_LIT("c1")};

        ev.file.actor = actor(300, ORIGIN_ENTRYPOINT, "/bin/cp");
        ev.file.ops = OP_ATTR;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | mode;
        ev.file.path = bytes_str(path);
        ev.file.flags = flags;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* A capability is as good as a setuid bit; each is raised, and no file of another name can stand for one. */
static void test_rights_of_files(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        put(&w, "/opt/a [setuid]", 0644);
        put(&w, "/opt/a [capabilities]", 0644);
        put(&w, "/opt/a [executable]", 0644);
        put_flags(&w, "/opt/a", 0755, 0);
        CU_ASSERT_EQUAL(w.opened, 0);
        put_flags(&w, "/opt/a", 0755, FILEF_CAPS);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "setuid_file"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "/opt/a, which the image does not hold, with capabilities"));
        put_flags(&w, "/opt/a", 04755, FILEF_CAPS);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        put_flags(&w, "/opt/a", 04755, FILEF_CAPS);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        world_close(&w);
}

/* Written, replaced or found to be another: raised while learning. A new owner or mode alone is learned. */
static void test_image_programs(void)
{
        static const struct {
                uint16_t ops;
                uint8_t flags, change;
                uint32_t mode;
                bool raised;
        } rows[] = {
                {OP_ATTR, 0, CHANGE_MODIFIED, 0755, false},
                {OP_FOUND, 0, CHANGE_MODIFIED, 0755, false},
                {OP_WRITE, 0, CHANGE_MODIFIED, 0755, false}, /* opened for it, or not known yet */
                {OP_WRITE, FILEF_CONTENT, CHANGE_MODIFIED, 0644, false},
                {OP_WRITE, FILEF_CONTENT, CHANGE_ADDED, 0755, false},
                {OP_WRITE, FILEF_CONTENT, CHANGE_MODIFIED, 0755, true},
                {OP_RENAME, FILEF_CONTENT, CHANGE_MODIFIED, 0755, true},
                {OP_FOUND, FILEF_CONTENT, CHANGE_MODIFIED, 0755, true},
        };
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_NAMES, .container = BYTES_LIT("c1")};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;

                world_open(&w);
                start(&w);
                ev.file.actor = actor(300, ORIGIN_ENTRYPOINT, "/bin/cp");
                ev.file.ops = OP_ATTR; /* known by its attributes before */
                ev.file.change = CHANGE_MODIFIED;
                ev.file.mode = S_IFREG | 0755;
                ev.file.path = BYTES_LIT("/bin/web");
                ev.file.flags = 0;
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                ev.file.ops = rows[i].ops;
                ev.file.change = rows[i].change;
                ev.file.mode = S_IFREG | rows[i].mode;
                ev.file.flags = rows[i].flags;
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                CU_ASSERT_EQUAL(w.opened, rows[i].raised);
                CU_ASSERT(!rows[i].raised || (w.confidence >= w.p.show && w.severity >= SEVERITY_HIGH));
                world_close(&w);
        }
}

/* Dropped and run while it learns: the finding has both signals, although the file alone was learned. */
static void test_poisoned(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        put(&w, "/opt/other", 0755);
        put(&w, "/opt/upd", 0644);
        put(&w, "/opt/upd", 0755);
        CU_ASSERT_EQUAL(w.opened, 0);
        run(&w, "/opt/upd", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "wrote_then_ran"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "created and wrote /opt/upd"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "ran /opt/upd, from the write layer"));
        CU_ASSERT_PTR_NULL(strstr(w.story, "/opt/other"));
        world_close(&w);
}

/* First found by a walk, then told by the content mark: the signal names the process as soon as it is known. */
static void test_known_later(void)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_WALK, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start(&w);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        ev.file.path = BYTES_LIT("/opt/upd");
        ev.file.ops = OP_FOUND;
        ev.file.change = CHANGE_ADDED;
        ev.file.mode = S_IFREG | 0755;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "was found by a walk"));
        put(&w, "/opt/upd", 0755);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "/bin/cp (pid 300, uid 0, entrypoint) created and wrote /opt/upd"));
        world_close(&w);
}

/* Running when somebody looked: what called it is not known, or its parent may be it. */
static void test_found_running_known(void)
{
        static const struct {
                const char *program, *caller, *verdict;
                uint16_t sources;
        } rows[] = {{"/usr/bin/postgres", "", "known, by another process", SRC_PROCFS},
                    {"/usr/bin/postgres", "", "deviation", SRC_PROC},
                    {"/usr/bin/postgres", "/bin/other", "deviation", SRC_PROCFS},
                    {"/usr/bin/nc", "", "deviation", SRC_PROCFS}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct tide_event ev = {.kind = TIDE_EXEC, .sources = rows[i].sources, .container = BYTES_LIT("c1")};
                struct world w;

                world_open(&w);
                start(&w);
                for (int h = 0; h < 100; h++) {
                        run(&w, "/usr/bin/postgres", LAYER_IMAGE);
                        w.now += HOUR;
                }
                tick(&w);
                ev.exec.actor = actor(300, ORIGIN_ENTRYPOINT, rows[i].program);
                ev.exec.program = bytes_str(rows[i].program);
                ev.exec.program_layer = LAYER_IMAGE;
                ev.exec.caller = bytes_str(rows[i].caller);
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, rows[i].verdict);
                world_close(&w);
        }
}

/* A session of which nobody could read how it was started: a health check, if those run this program. */
static void test_maybe_probe(void)
{
        static const struct {
                const char *program, *caller;
                enum tide_origin origin;
                bool unread, maybe;
                const char *verdict;
        } rows[] = {{"/bin/sh", "/bin/sh", ORIGIN_EXEC, true, true, "deviation, below show"},
                    {"/bin/sh", "", ORIGIN_EXEC, true, true, "deviation, below show"},
                    {"/bin/sh", "/bin/other", ORIGIN_EXEC, true, false, "deviation"},
                    {"/bin/sh", "/bin/sh", ORIGIN_EXEC, false, false, "of a session"},
                    {"/bin/sh", "/bin/sh", ORIGIN_FOREIGN, true, false, "deviation"},
                    {"/bin/nc", "/bin/sh", ORIGIN_EXEC, true, false, "deviation"}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct tide_event ev = {.kind = TIDE_EXEC, .sources = SRC_PROC, .container = BYTES_LIT("c1")};
                struct world w;

                world_open(&w);
                start(&w);
                for (int h = 0; h < 300; h++) {
                        run(&w, "/bin/date", LAYER_IMAGE);
                        run_in(&w, "c1", "/bin/sh", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_PROBE, 500);
                        w.now += HOUR;
                }
                tick(&w);
                ev.exec.actor = actor(600, rows[i].origin, rows[i].program);
                ev.exec.actor.flags |= rows[i].unread ? ACTOR_UNREAD : 0;
                ev.exec.program = bytes_str(rows[i].program);
                ev.exec.program_layer = LAYER_IMAGE;
                ev.exec.caller = bytes_str(rows[i].caller); /* run_in() has /bin/sh */
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, rows[i].verdict);
                CU_ASSERT_EQUAL(strstr(w.factors, "maybe_probe") != NULL, rows[i].maybe);
                world_close(&w);
        }
}

/* A directory of many names becomes a pattern; a program under it is not covered. */
static void test_pattern(void)
{
        static const char *const names[] = {"alpha", "beta", "gamma", "delta", "epsilon",
                                            "zeta",  "eta",  "theta", "iota",  "kappa"};
        struct world w;
        char path[64];

        world_open(&w);
        start(&w);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                snprintf(path, sizeof(path), "/var/cache/app/%s", names[i]);
                put(&w, path, 0644);
        }
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 1);
        put(&w, "/var/cache/app/lambda", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        put(&w, "/var/cache/app/mu", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        put(&w, "/var/cache/app/nu", 0755);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        run(&w, "/var/cache/app/nu", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        world_close(&w);
}

static void walk_ended(struct world *w);

/* Found by a walk, so that nobody knows who did it. */
static void found(struct world *w, const char *path, uint32_t mode)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_WALK, .container = BYTES_LIT("c1")};

        ev.file.path = bytes_str(path);
        ev.file.ops = OP_FOUND;
        ev.file.change = CHANGE_ADDED;
        ev.file.mode = S_IFREG | mode;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* What a walk finds of a container's start is learned as nobody's: then whoever does it is known. */
static void test_found_at_start(void)
{
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        found(&w, "/var/log/app/app.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        found(&w, "/var/log/app/tool", 0755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "not learned: by no process of the entrypoint");
        w.now += HOUR;
        found(&w, "/var/log/app/later.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "not learned: by no process of the entrypoint");
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        put(&w, "/var/log/app/app.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        found(&w, "/var/log/app/app.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(w.opened, 0);
        put(&w, "/var/log/app/later.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        put(&w, "/var/log/app/app.log", 0755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation");
        world_close(&w);
        /* Running before us: it was there, or a session has just made it. */
        world_open(&w);
        start_as(&w, "c1", "web", true);
        walk_ended(&w);
        found(&w, "/var/log/app/app.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "not learned: by no process of the entrypoint");
        world_close(&w);
}

/* A session began, which is told a moment after a walk has found what it wrote: nothing of that is learned. */
static void test_visited_at_start(void)
{
        struct world w;
        uint64_t began;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        found(&w, "/var/log/app/app.log", 0644);
        w.now += SEC;
        began = w.now;
        w.now += SEC / 100;
        found(&w, "/opt/by-hand", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 2);
        w.now = began;
        run_in(&w, "c1", "/bin/sh", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_EXEC, 600);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 1);
        w.now += SEC / 50;
        found(&w, "/opt/another", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "not learned: by no process of the entrypoint");
        put(&w, "/var/log/app/app.log", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        world_close(&w);
}

/* What an executable is known to make, one by one or by a pattern, a walk may find. */
static void test_pattern_of_another(void)
{
        static const char *const names[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"};
        struct world w;
        char path[64];

        world_open(&w);
        start(&w);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                snprintf(path, sizeof(path), "/var/cache/app/%s", names[i]);
                put(&w, path, 0644);
        }
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        found(&w, "/var/cache/app/alpha", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        found(&w, "/var/cache/app/lambda", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        found(&w, "/var/cache/app/mu", 0755);
        CU_ASSERT_EQUAL(w.opened, 1);
        found(&w, "/var/cache/nu", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        world_close(&w);
}

static void create_by(struct world *w, const char *path, const char *exe, uint16_t how, uint32_t mode)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_NAMES, .container = BYTES_LIT("c1")};

        ev.file.actor = actor(300, ORIGIN_ENTRYPOINT, exe);
        ev.file.ops = how;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | mode;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* "cp x > y" by a shell that always runs cp: its child opens what cp then writes. What it writes itself is its own. */
static void test_redirection(void)
{
        struct world w;
        char path[64];

        world_open(&w);
        start(&w);
        run(&w, "/bin/cp", LAYER_IMAGE); /* by /bin/sh */
        put(&w, "/opt/y", 0644);         /* by /bin/cp */
        for (int i = 0; i < 9; i++) {
                snprintf(path, sizeof(path), "/opt/d/%c", 'g' + i);
                put(&w, path, 0644);
        }
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        create_by(&w, "/opt/y", "/bin/sh", OP_CREATE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        create_by(&w, "/opt/d/another", "/bin/sh", OP_CREATE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        create_by(&w, "/opt/y", "/bin/vi", OP_CREATE, 0644); /* never runs cp */
        CU_ASSERT_EQUAL(w.opened, 1);
        create_by(&w, "/opt/y", "/bin/sh", OP_CREATE | OP_WRITE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        create_by(&w, "/opt/d/more", "/bin/sh", OP_CREATE, 0755);
        CU_ASSERT_STRING_NOT_EQUAL(w.verdict, "known, by another process");
        world_close(&w);
}

/* The same, learned when the shell's child was taken for who wrote it. */
static void test_redirection_late(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/cp", LAYER_IMAGE); /* by /bin/sh */
        create_by(&w, "/opt/y", "/bin/sh", OP_CREATE | OP_WRITE, 0644);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        create_by(&w, "/opt/y", "/bin/cp", OP_CREATE | OP_WRITE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        create_by(&w, "/opt/y", "/bin/vi", OP_CREATE | OP_WRITE, 0644); /* which sh never ran */
        CU_ASSERT_EQUAL(w.opened, 1);
        create_by(&w, "/opt/y", "/bin/cp", OP_CREATE | OP_WRITE, 0755);
        CU_ASSERT_STRING_NOT_EQUAL(w.verdict, "known, by another process");
        create_by(&w, "/opt/y", "/bin/cp", OP_DELETE, 0644);
        CU_ASSERT_STRING_NOT_EQUAL(w.verdict, "known, by another process");
        world_close(&w);
}

/* A script is written and then made executable, by two programs: when its writing is looked at it may be so already. */
static void test_executable_by_two(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        create_by(&w, "/opt/run", "/bin/sh", OP_CREATE | OP_WRITE, 0644);
        create_by(&w, "/opt/run", "/bin/chmod", OP_ATTR, 0755);
        create_by(&w, "/opt/late", "/bin/sh", OP_CREATE | OP_WRITE, 0755);
        create_by(&w, "/opt/late", "/bin/chmod", OP_ATTR, 0755);
        create_by(&w, "/opt/data", "/bin/sh", OP_CREATE | OP_WRITE, 0644);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        create_by(&w, "/opt/run", "/bin/sh", OP_CREATE | OP_WRITE, 0755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        create_by(&w, "/opt/late", "/bin/sh", OP_CREATE | OP_WRITE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        create_by(&w, "/opt/data", "/bin/sh", OP_CREATE | OP_WRITE, 0755); /* never was a program */
        CU_ASSERT_EQUAL(w.opened, 1);
        w.now += 2 * HOUR;
        create_by(&w, "/opt/run", "/bin/vi", OP_WRITE, 0755); /* never wrote it */
        CU_ASSERT_EQUAL(w.opened, 2);
        w.now += 2 * HOUR;
        create_by(&w, "/opt/run", "/bin/sh", OP_WRITE, 04755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation");
        world_close(&w);
}

/* What is written beside a file and then renamed to it may be looked at when it has the other name already. */
static void test_renamed_meanwhile(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        create_by(&w, "/srv/app/state.tmp", "/bin/app", OP_CREATE | OP_WRITE, 0644);
        create_by(&w, "/srv/app/state", "/bin/mv", OP_RENAME, 0644);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        create_by(&w, "/srv/app/state", "/bin/app", OP_WRITE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        create_by(&w, "/srv/app/state", "/bin/other", OP_WRITE, 0644); /* never wrote there */
        CU_ASSERT_EQUAL(w.opened, 1);
        create_by(&w, "/srv/app/state", "/bin/app", OP_CREATE | OP_WRITE, 0644); /* it made it itself */
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        create_by(&w, "/srv/app/unknown", "/bin/app", OP_WRITE, 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        world_close(&w);
}

static void put_cached(struct world *w, unsigned i)
{
        static const char letters[] = "abcdefghijklmnop";
        char a = letters[i * 7 % 16], b = letters[i * 5 % 16], c = letters[i / 16 % 16], path[80];

        snprintf(path, sizeof(path), "/var/cache/nginx/%c", a);
        put(w, path, 0644);
        snprintf(path, sizeof(path), "/var/cache/nginx/%c/%c%c", a, b, c);
        put(w, path, 0644);
        snprintf(path, sizeof(path), "/var/cache/nginx/%c/%c%c/0123456789abcdef0123456789ab%04x", a, b, c, i);
        put(w, path, 0644);
        if (i == 300)
                put(w, "/var/cache/nginx/k/tool", 0755);
}

/* A cache as web servers keep it: where directories are one of many, so is what is in them, however deep. */
static void test_pattern_of_directories(void)
{
        static uint64_t one[1000], two[1000];
        struct judge_entry e;
        struct world w, again;
        size_t k = 0, n;

        world_open(&w);
        world_open(&again);
        start(&w);
        start(&again);
        put(&w, "/var/cache/app/index", 0644);
        put(&again, "/var/cache/app/index", 0644);
        for (unsigned i = 0; i < 400; i++) {
                put_cached(&w, i);
                put_cached(&again, i);
                if (i % 10 == 0)
                        restore(&again);
        }
        n = digest(w.j, one, ARRAY_LEN(one));
        CU_ASSERT_EQUAL(digest(again.j, two, ARRAY_LEN(two)), n);
        CU_ASSERT_EQUAL(memcmp(one, two, n * sizeof(one[0])), 0);
        world_close(&again);
        /* index, the program, one of each depth, and that directories are many in two of them */
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 7);
        while (judge_entry_next(w.j, workload(&w).id, &k, &e))
                CU_ASSERT_TRUE(bytes_eq(e.key, BYTES_LIT("/var/cache/app/index")) ||
                               bytes_eq(e.key, BYTES_LIT("/var/cache/nginx/*")) ||
                               bytes_eq(e.key, BYTES_LIT("/var/cache/nginx/*/")) ||
                               bytes_eq(e.key, BYTES_LIT("/var/cache/nginx/*/*")) ||
                               bytes_eq(e.key, BYTES_LIT("/var/cache/nginx/*/*/")) ||
                               bytes_eq(e.key, BYTES_LIT("/var/cache/nginx/*/*/<hex>")) ||
                               bytes_eq(e.key, BYTES_LIT("/var/cache/nginx/k/tool [executable]")));
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        put(&w, "/var/cache/nginx/m/zz/0123456789abcdef0123456789abcdef", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        put(&w, "/var/cache/nginx/k/tool", 0755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        found(&w, "/var/cache/nginx/m/zy/0123456789abcdef0123456789abcdef", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        /* Another kind of name in there, deeper than ever, or a program: none is covered. */
        put(&w, "/var/cache/nginx/m/zz/notes", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        put(&w, "/var/cache/nginx/m/zz/x/0123456789abcdef0123456789abcdef", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        put(&w, "/var/cache/nginx/m/zz/0123456789abcdef0123456789abcdef", 0755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation");
        world_close(&w);
}

/* Files that are many, beside a directory, say nothing of other directories. */
static void test_pattern_of_files(void)
{
        struct world w;
        char path[64];

        world_open(&w);
        start(&w);
        for (char c = 'a'; c < 'z'; c++) {
                snprintf(path, sizeof(path), "/etc/%c%c", c, c);
                put(&w, path, 0644);
                snprintf(path, sizeof(path), "/etc/app/%c%c", c, c);
                put(&w, path, 0644);
                snprintf(path, sizeof(path), "/%c%c/index", c, c); /* nor do those of the root */
                put(&w, path, 0644);
                snprintf(path, sizeof(path), "/%c%c", c, c);
                put(&w, path, 0644);
        }
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        put(&w, "/etc/zz", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        put(&w, "/etc/app/zz", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        put(&w, "/etc/other.d/zz", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        put(&w, "/zz/index", 0644);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        put(&w, "/etc/cron.d/zz", 0644); /* and this is run by somebody */
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation");
        world_close(&w);
}

/* Programs among data that become one: what is known of them stays. */
static void test_pattern_beside_program(void)
{
        struct world w;
        char path[64];

        world_open(&w);
        start(&w);
        put(&w, "/opt/plugins/run", 0755);
        for (char c = 'a'; c < 'z'; c++) {
                snprintf(path, sizeof(path), "/opt/plugins/%c%c", c, c);
                put(&w, path, 0644);
        }
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        put(&w, "/opt/plugins/run", 0755);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        world_close(&w);
}

/* ---- the bands of the shipped table ---- */

struct act {
        const char *what;
        bool exec;
        const char *path;
        uint32_t mode;
        enum tide_layer layer;
        enum tide_change change;
        enum tide_origin origin;
        uint32_t low, high; /* percent; 100 high: at least low. 0,0: nothing is raised */
};

static const struct act stable_acts[] = {
        {"ran from the write layer by the entrypoint", true, "/opt/x", 0, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT,
         95, 100},
        {"ran from memory", true, "memfd:x", 0, LAYER_MEMFD, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 95, 100},
        {"ran a changed image file", true, "/bin/ls", 0, LAYER_WRITE, CHANGE_MODIFIED, ORIGIN_ENTRYPOINT, 95, 100},
        {"ran from the write layer by a session", true, "/opt/x", 0, LAYER_WRITE, CHANGE_ADDED, ORIGIN_EXEC, 95, 100},
        {"a new program of the image", true, "/usr/bin/nc", 0, LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 50, 94},
        {"a new program of the image by a session", true, "/usr/bin/nc", 0, LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_EXEC,
         0, 5},
        {"a new program from a tmpfs", true, "/dev/shm/x", 0, LAYER_TMPFS, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 95, 100},
        {"a new program from a volume", true, "/data/x", 0, LAYER_MOUNT, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 50, 94},
        {"a new executable file", false, "/opt/y", 0755, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 50, 94},
        {"a setuid file", false, "/opt/z", 04755, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 95, 100},
        {"a changed configuration file of the image", false, "/etc/app.conf", 0644, LAYER_WRITE, CHANGE_MODIFIED,
         ORIGIN_ENTRYPOINT, 50, 94},
        {"a data file in a new place", false, "/srv/notes", 0644, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 30, 70},
        {"a data file in a new place by a session", false, "/srv/notes", 0644, LAYER_WRITE, CHANGE_ADDED, ORIGIN_EXEC,
         0, 5},
};

static void test_bands(void)
{
        for (size_t i = 0; i < ARRAY_LEN(stable_acts); i++) {
                const struct act *a = &stable_acts[i];
                struct world w;

                world_open(&w);
                make_stable(&w);
                if (a->exec)
                        run_in(&w, "c1", a->path, a->layer, a->change, a->origin, 500);
                else
                        write_in(&w, "c1", a->path, a->mode, a->change, a->origin, 500);
                CU_ASSERT_EQUAL(w.opened, 1);
                if (w.confidence < a->low || w.confidence > a->high)
                        printf("\n    %s: %u%% is not in %u..%u (%s)\n", a->what, w.confidence, a->low, a->high,
                               w.factors);
                CU_ASSERT_TRUE(w.confidence >= a->low && w.confidence <= a->high);
                CU_ASSERT_EQUAL(w.total, w.sum); /* prior + factors = the sum shown */
                world_close(&w);
        }
}

/* A new data file under a directory that already varies: below show. */
static void test_band_varying(void)
{
        static const char *const names[] = {"alpha", "beta", "gamma", "delta", "omega"};
        struct world w;
        char path[64];

        world_open(&w);
        start(&w);
        for (int h = 0; h < 100; h++) {
                for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                        snprintf(path, sizeof(path), "/var/spool/%s", names[i]);
                        put(&w, path, 0644);
                }
                w.now += HOUR;
        }
        tick(&w);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "active");
        put(&w, "/var/spool/psi", 0644);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        CU_ASSERT_STRING_EQUAL(w.verdict, "deviation, below show");
        world_close(&w);
}

/* ---- grouping ---- */

/* The demo: a shell makes a directory, copies a program into it, makes it executable, runs it. One finding, both
 * signals. */
static void drop_and_run(struct world *w, const char *id, uint32_t pid)
{
        write_in(w, id, "/tmp/.x/upd", 0644, CHANGE_ADDED, ORIGIN_ENTRYPOINT, pid);
        write_in(w, id, "/tmp/.x/upd", 0755, CHANGE_ADDED, ORIGIN_ENTRYPOINT, pid + 1);
        run_in(w, id, "/tmp/.x/upd", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, pid + 2);
}

static int factor(const struct world *w, const char *name)
{
        const char *at = strstr(w->factors, name);

        return at ? atoi(at + strlen(name) + 1) : 0;
}

#define STEP 4000000000u /* began later than anything here: a step of its parent */

/* Of two dimensions, one of them stable and the other declared so: how rare it is counts once. */
static void test_rare_once(void)
{
        int alone;
        struct world w;
        char path[32];

        world_open(&w);
        start(&w);
        for (int h = 0; h < 30; h++) {
                put(&w, "/var/log/web.log", 0644);
                snprintf(path, sizeof(path), "/usr/bin/once-%c%c", 'a' + h % 26, 'a' + h / 26);
                run(&w, path, LAYER_IMAGE);
                w.now += HOUR;
        }
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        write_in(&w, "c1", "/srv/notes", 0644, CHANGE_ADDED, ORIGIN_ENTRYPOINT, STEP);
        alone = factor(&w, "novelty") + factor(&w, "declared_complete");
        CU_ASSERT_TRUE(alone > 20 && factor(&w, "declared_complete") == 0);
        run_in(&w, "c1", "/usr/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, STEP + 1);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        CU_ASSERT_EQUAL(factor(&w, "novelty") + factor(&w, "declared_complete"), alone);
        CU_ASSERT_EQUAL(w.total, w.sum);
        world_close(&w);
        /* The rarer of them, whichever came first. */
        world_open(&w);
        start(&w);
        run(&w, "/usr/bin/one", LAYER_IMAGE);
        run(&w, "/usr/bin/two", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        run_in(&w, "c1", "/usr/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, STEP + 1);
        alone = factor(&w, "novelty") + factor(&w, "declared_complete");
        CU_ASSERT_TRUE(factor(&w, "declared_complete") > 0);
        write_in(&w, "c1", "/srv/notes", 0644, CHANGE_ADDED, ORIGIN_ENTRYPOINT, STEP);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        CU_ASSERT_EQUAL(factor(&w, "novelty") + factor(&w, "declared_complete"), alone);
        world_close(&w);
}

static void test_drop_and_run(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        drop_and_run(&w, "c1", 600);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        CU_ASSERT_EQUAL(w.severity, SEVERITY_HIGH);
        CU_ASSERT_EQUAL(w.total, w.sum);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "wrote_then_ran"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "ran_write_layer"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "declared_complete"));
        CU_ASSERT_PTR_NULL(strstr(w.factors, "data_file")); /* what ran is no mere data */
        CU_ASSERT_PTR_NOT_NULL(strstr(
                w.story,
                "/bin/cp (pid 600, uid 0, entrypoint) created and wrote /tmp/.x/upd, which the image does not hold"));
        CU_ASSERT_PTR_NOT_NULL(
                strstr(w.story, "/bin/sh (pid 602, uid 0, entrypoint) ran /tmp/.x/upd, from the write layer"));
        for (uint32_t i = 0; i < 100; i++)
                drop_and_run(&w, "c1", 700 + 10 * i);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 303);
        /* A replica of the same workload does the same: the same item. */
        start_as(&w, "c2", "web", false);
        drop_and_run(&w, "c2", 5000);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* As no clock tells them, but a recording may: nothing overflows (what a sanitizer sees). */
static void test_times_far_apart(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        w.now = INT64_MIN + 10;
        run(&w, "/opt/a", LAYER_WRITE);
        w.now = INT64_MAX - 10;
        run(&w, "/opt/b", LAYER_WRITE);
        w.now = INT64_MIN + 20;
        run(&w, "/opt/c", LAYER_WRITE);
        CU_ASSERT_TRUE(w.opened >= 1);
        world_close(&w);
}

/* Two names that begin and end alike are two, however long they are. */
static void test_long_names(void)
{
        char one[3001], two[3001], kept[400];
        struct bytes a, b;
        struct world w;

        memset(one, 'd', sizeof(one) - 1);
        memcpy(one, "/opt/", 5);
        one[3000] = '\0';
        memcpy(two, one, sizeof(two));
        two[1500] = 'x';
        a = signal_kept(bytes_str(one), 400, kept);
        CU_ASSERT(a.len > 300 && a.len <= 400 && bytes_has_prefix(a, BYTES_LIT("/opt/ddd")));
        CU_ASSERT(bytes_has_suffix(a, BYTES_LIT("ddd")) && memmem(a.p, a.len, "...(3000 bytes, ", 16));
        b = signal_kept(bytes_of(one, 400), 400, kept);
        CU_ASSERT(b.len == 400 && b.p == (const uint8_t *)one); /* whole */
        b = signal_kept(bytes_of(one, 151), 150, kept);
        CU_ASSERT(b.len > 100 && b.len <= 150);
        world_open(&w);
        start(&w);
        run(&w, one, LAYER_WRITE);
        w.now += 5 * HOUR;
        run(&w, two, LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 2);
        run(&w, two, LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 2);
        world_close(&w);
}

/* Acts of unrelated processes, hours apart, are two items; of another workload too. */
static void test_apart(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/opt/a", LAYER_WRITE);
        w.now += 5 * HOUR;
        run_in(&w, "c1", "/opt/b", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 900);
        CU_ASSERT_EQUAL(w.opened, 2);
        start_as(&w, "c9", "db", false);
        run_in(&w, "c9", "/opt/a", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 901);
        CU_ASSERT_EQUAL(w.opened, 3);
        world_close(&w);
}

static void test_loss(void)
{
        struct tide_event ev = {.kind = TIDE_LOSS};
        struct world w;

        world_open(&w);
        start(&w);
        ev.loss.what = BYTES_LIT("the queue overflowed");
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.loss, "the queue overflowed"));
        w.now += 2 * HOUR;
        run_in(&w, "c1", "/opt/b", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 900);
        CU_ASSERT_STRING_EQUAL(w.loss, "");
        world_close(&w);
}

/* Found an hour after the blind moment, by a scan that says since when it may run: that decides. */
static void found_running(struct world *w, const char *program, uint64_t interval_ns)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .sources = SRC_PROCFS, .container = BYTES_LIT("c1")};

        ev.exec.actor = actor(interval_ns ? 700 : 701, ORIGIN_ENTRYPOINT, program);
        ev.exec.program = bytes_str(program);
        ev.exec.program_layer = LAYER_WRITE;
        ev.exec.program_change = CHANGE_ADDED;
        ev.exec.interval_ns = interval_ns;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void test_loss_window(void)
{
        struct tide_event ev = {.kind = TIDE_LOSS};
        struct judge_loss l;
        struct world w;
        size_t i = 0;

        world_open(&w);
        start(&w);
        ev.loss.what = BYTES_LIT("the queue overflowed");
        ev.loss.count = 7;
        ev.loss.from_ns = w.now - 40 * SEC;
        ev.loss.to_ns = w.now - 20 * SEC;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_EQUAL(judge_loss_next(w.j, &i, &l), 1);
        CU_ASSERT_EQUAL(l.to_ns - l.from_ns, (int64_t)(20 * SEC));
        CU_ASSERT_EQUAL(l.count, 7);
        CU_ASSERT_EQUAL(judge_loss_next(w.j, &i, &l), 0);
        w.now += HOUR;
        found_running(&w, "/opt/late", 0);
        CU_ASSERT_STRING_EQUAL(w.loss, "");
        found_running(&w, "/opt/b", HOUR + 30 * SEC);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.loss, "the queue overflowed between "));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.loss, "(7 events)"));
        world_close(&w);
}

/* ---- containers ---- */

static void test_held(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
        struct world w;

        /* Acts before the metadata are judged when it comes, or when it was waited for long enough. */
        world_open(&w);
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 0);
        w.now += SEC;
        tick(&w);
        CU_ASSERT_EQUAL(w.opened, 0);
        w.now += 10 * SEC;
        tick(&w);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(bytes_has_prefix(workload(&w).id, BYTES_LIT("unknown-c1@")));
        world_close(&w);
}

static void test_names(void)
{
        static const struct {
                const char *name;
                bool given;
                const char *key, *value, *key2, *value2, *want;
        } rows[] = {
                {"db", true, "", "", "", "", "db@sha256:aa"},
                {"happy_turing", false, "", "", "", "", "localhost/web@sha256:aa"},
                {"p_db_1", true, "com.docker.compose.project", "p", "com.docker.compose.service", "db",
                 "p/db@sha256:aa"},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct tide_event ev = {.kind = TIDE_CONTENT, .container = BYTES_LIT("c1")};
                _cleanup_buf_ struct buf labels;
                struct world w;

                world_open(&w);
                buf_init(&labels, 1000);
                tide_list_put(&labels, bytes_str(rows[i].key), bytes_str(rows[i].value));
                tide_list_put(&labels, bytes_str(rows[i].key2), bytes_str(rows[i].value2));
                ev.content.name = bytes_str(rows[i].name);
                ev.content.name_given = rows[i].given;
                ev.content.image_ref = BYTES_LIT("localhost/web:1");
                ev.content.config_digest = BYTES_LIT("sha256:aa");
                ev.content.labels = buf_bytes(&labels);
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                CU_ASSERT_TRUE(bytes_eq(workload(&w).id, bytes_str(rows[i].want)));
                /* The same as a label of the image means nothing. */
                world_close(&w);
        }
}

/* What Kubernetes calls it goes before all; a class that is not learned is raised only for what is never silent. */
static void test_classes(void)
{
        static const struct {
                uint8_t by_runtime;
                const char *job, *service, *class;
                unsigned learned;
        } rows[] = {
                {CLASS_SERVICE, NULL, NULL, "service", 1}, {CLASS_JOB, NULL, NULL, "job", 0},
                {CLASS_SESSION, NULL, NULL, "session", 0}, {CLASS_SERVICE, "ns/ci-*", NULL, "job", 0},
                {CLASS_SERVICE, "*/x", NULL, "service", 1}, {CLASS_JOB, "ns/*", "ns/ci-1/*", "service", 1},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
                struct tide_event told = {.kind = TIDE_CONTENT, .container = BYTES_LIT("c1")};
                struct judge_workload jw;
                struct world w;

                world_open(&w);
                judge_free(w.j);
                if (rows[i].job)
                        snprintf(w.p.of_class[CLASS_JOB].text[w.p.of_class[CLASS_JOB].n++], 20, "%s", rows[i].job);
                if (rows[i].service)
                        snprintf(w.p.of_class[CLASS_SERVICE].text[w.p.of_class[CLASS_SERVICE].n++], 20, "%s",
                                 rows[i].service);
                CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
                ev.ctr.init_pid = INIT_PID;
                ev.ctr.init_start = 1;
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                told.content.workload = BYTES_LIT("ns/ci-1/run");
                told.content.name = BYTES_LIT("k8s_run");
                told.content.name_given = 1;
                told.content.config_digest = BYTES_LIT("sha256:aa");
                told.content.class = rows[i].by_runtime;
                CU_ASSERT_EQUAL(give(&w, &told), 0);
                w.now += 120 * SEC;
                run(&w, "/bin/date", LAYER_IMAGE);
                jw = workload(&w);
                CU_ASSERT_TRUE(bytes_eq(jw.id, BYTES_LIT("ns/ci-1/run@sha256:aa")));
                CU_ASSERT_TRUE(bytes_eq(jw.class, bytes_str(rows[i].class)));
                CU_ASSERT_EQUAL(jw.dim[DIM_PROCESS].entries, rows[i].learned);
                CU_ASSERT_EQUAL(w.opened, 0);
                CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "ns/ci-1/run@sha256:aa") == 0, rows[i].learned);
                run(&w, "/opt/a", LAYER_WRITE);
                CU_ASSERT_EQUAL(w.opened, 1);
                world_close(&w);
        }
}

static void found_before(struct world *w, const char *path, uint32_t mode)
{
        struct tide_event ev = {
                .kind = TIDE_FILE, .sources = SRC_WALK, .flags = EVF_BEFORE, .container = BYTES_LIT("c1")};

        ev.file.path = bytes_str(path);
        ev.file.ops = OP_FOUND;
        ev.file.mode = S_IFREG | mode;
        ev.file.change = CHANGE_ADDED;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void walk_ended(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_WALK,
                                .container = BYTES_LIT("c1"),
                                .walk = {.ended = 1, .complete = 1, .reason = WALK_FOUND}};

        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void test_first_sight(void)
{
        struct tide_event ev = {
                .kind = TIDE_EXEC, .sources = SRC_PROCFS, .flags = EVF_BEFORE, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", true);
        found_before(&w, "/opt/tool", 0755);
        found_before(&w, "/var/log/x", 0644);
        ev.exec.actor = actor(300, ORIGIN_ENTRYPOINT, "/opt/tool");
        ev.exec.program = BYTES_LIT("/opt/tool");
        ev.exec.program_layer = LAYER_WRITE;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_EQUAL(w.opened, 0);
        walk_ended(&w);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "held 2 added, 0 changed and 0 removed names, 1 of them executable: "
                                               "/opt/tool; 1 running program came from it"));
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 0); /* nothing of it was learned */
        walk_ended(&w);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
        /* Nothing differed: no item. */
        world_open(&w);
        start_as(&w, "c1", "web", true);
        walk_ended(&w);
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
}

static void test_decisions(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "nobody@x"), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "no workload 'nobody@x'"));
        CU_ASSERT_EQUAL(decide(&w, "baseline.burn", "web@sha256:aa"), -EINVAL);
        CU_ASSERT_EQUAL(judge_try(w.j, &(struct tide_event){.kind = TIDE_TICK}), -EINVAL);
        CU_ASSERT_EQUAL(try_decision(&w, "baseline.activate", "nobody@x"), -EINVAL);
        CU_ASSERT_EQUAL(try_decision(&w, "baseline.activate", "web@sha256:aa"), 0);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "learning");
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "active");
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].by, "operator uid 0 (login uid 1000)");
        run(&w, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        world_close(&w);
}

/* ---- what was saved makes the same judge ---- */

static void random_act(struct world *w, uint32_t x)
{
        static const char *const paths[] = {"/opt/a", "/opt/b",   "/var/log/x", "/bin/ls",
                                            "/tmp/1", "/srv/d/e", "/srv/d/f",   "/srv/d/g"};
        const char *path = paths[x % ARRAY_LEN(paths)];
        uint32_t pid = 300 + x / 8 % 20;

        if (x / 200 % 3 == 0)
                run_in(w, "c1", path, x / 600 % 4 == 0 ? LAYER_WRITE : LAYER_IMAGE, CHANGE_ADDED,
                       (enum tide_origin)(1 + x / 2400 % 3), pid);
        else
                write_in(w, "c1", path, x / 600 % 5 == 0 ? 0755 : 0644, CHANGE_ADDED,
                         (enum tide_origin)(1 + x / 2400 % 3), pid);
        if (x % 17 == 0)
                w->now += HOUR;
        if (x % 29 == 0)
                tick(w);
}

static void test_restore(void)
{
        static uint64_t one[20000], two[20000];
        struct world a, b;
        uint32_t x = 42;
        size_t n;

        world_open(&a);
        world_open(&b);
        start(&a);
        start(&b);
        for (int i = 0; i < 3000; i++) {
                x = x * 1664525 + 1013904223;
                random_act(&a, x >> 8);
                random_act(&b, x >> 8);
                if (i == 1500) {
                        CU_ASSERT_EQUAL(decide(&a, "baseline.activate", "web@sha256:aa"), 0);
                        CU_ASSERT_EQUAL(decide(&b, "baseline.activate", "web@sha256:aa"), 0);
                }
                if ((x >> 8) % 97 == 0)
                        restore(&b);
        }
        n = digest(a.j, one, ARRAY_LEN(one));
        CU_ASSERT_EQUAL(digest(b.j, two, ARRAY_LEN(two)), n);
        CU_ASSERT_EQUAL(memcmp(one, two, n * sizeof(one[0])), 0);
        CU_ASSERT_EQUAL(a.opened, b.opened);
        CU_ASSERT_TRUE(a.opened >= 2);
        world_close(&a);
        world_close(&b);
}

/* Damaged pieces are refused, whatever is wrong with them. */
static void test_damaged_pieces(void)
{
        struct world w;
        struct judge *fresh;
        struct buf b;
        struct rd r;

        world_open(&w);
        start(&w);
        drop_and_run(&w, "c1", 600);
        dump(w.j, &b);
        rd_init(&r, b.p, b.len);
        while (rd_left(&r)) {
                uint32_t what = rd_u32(&r);
                struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                for (uint32_t cut = 0; cut < blob.len; cut++) {
                        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &fresh), 0);
                        CU_ASSERT_TRUE(judge_restore(fresh, (enum judge_piece)what, key, bytes_of(blob.p, cut)) < 0);
                        judge_free(fresh);
                }
        }
        CU_ASSERT_EQUAL(judge_restore(w.j, (enum judge_piece)99, BYTES_LIT("x"), BYTES_LIT("\1\0\0\0")), ERR_SCHEMA);
        buf_release(&b);
        world_close(&w);
}

/* A workload that makes findings without end loses its own, and of these neither the first nor the last. */
static void test_flood(void)
{
        uint64_t quiet, first = 0;
        char text[32];
        struct world w;

        world_open(&w);
        judge_free(w.j);
        w.p.max_findings = 10;
        w.p.prior_quarters = 0; /* all are equally sure */
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start_as(&w, "quiet", "quiet", false);
        run_in(&w, "quiet", "/opt/known", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 299);
        run_in(&w, "quiet", "/opt/upd", LAYER_TMPFS, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 300);
        quiet = w.last_id;
        start(&w);
        for (int i = 0; i < 50; i++) {
                w.now += 3 * HOUR;
                snprintf(text, sizeof(text), "/opt/%c%c", 'a' + i / 26, 'a' + i % 26);
                run_in(&w, "c1", text, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 301 + (uint32_t)i);
                if (i == 0)
                        first = w.last_id;
        }
        CU_ASSERT_EQUAL(w.opened, 51);
        CU_ASSERT_TRUE(is_kept(&w, quiet) && is_kept(&w, first) && is_kept(&w, w.last_id));
        CU_ASSERT_FALSE(is_kept(&w, w.last_id - 20));
        world_close(&w);
}

/* Every table has a limit, and counts what it refused. */
static void test_limits(void)
{
        struct judge_stats st;
        struct world w;
        char text[32];

        world_open(&w);
        judge_free(w.j);
        w.p.max_workloads = 5;
        w.p.max_entries = 10;
        w.p.max_findings = 3;
        w.p.siblings = 1000;
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        for (int i = 0; i < 50; i++) {
                snprintf(text, sizeof(text), "/srv/%c%c", 'a' + i / 26, 'a' + i % 26);
                put(&w, text, 0644);
        }
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 10);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].refused, 40);
        for (int i = 0; i < 10; i++) {
                snprintf(text, sizeof(text), "/opt/%c", 'a' + i);
                run_in(&w, "c1", text, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 300 + (uint32_t)i);
                w.now += 3 * HOUR;
        }
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.findings, 3);
        CU_ASSERT_TRUE(st.refused >= 47);
        for (int i = 0; i < 20; i++) {
                snprintf(text, sizeof(text), "w%d", i);
                start_as(&w, text, text, false);
        }
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.workloads, 5);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"long names are cut so that they stay apart", test_long_names},
        {"times as far apart as can be", test_times_far_apart},
        {"who floods the queue loses its own", test_flood},
        {"names are generalised", test_generalise},
        {"the entrypoint teaches, sessions do not", test_learning},
        {"learning ends by convergence or by time", test_converge},
        {"what is never learned silently is raised once", test_never_silent},
        {"files that give rights", test_rights_of_files},
        {"programs of the image that were changed", test_image_programs},
        {"a program dropped while learning is raised with its writing", test_poisoned},
        {"a process that becomes known is named", test_known_later},
        {"a known program found running needs no caller", test_found_running_known},
        {"data of a container's start is learned though nobody is known", test_found_at_start},
        {"a session of which is told after what a walk found of it", test_visited_at_start},
        {"a session whose start could not be read may be a health check", test_maybe_probe},
        {"a pattern covers data, never a program", test_pattern},
        {"a pattern covers what a walk finds", test_pattern_of_another},
        {"a file that a shell opens for what it runs is of what it runs", test_redirection},
        {"a file that was taken for the shell's own is of what it runs", test_redirection_late},
        {"what one program writes and another gives its name", test_renamed_meanwhile},
        {"what one program writes and another makes executable", test_executable_by_two},
        {"a pattern covers what lies in directories of many", test_pattern_of_directories},
        {"a pattern of files says nothing of directories", test_pattern_of_files},
        {"a pattern forgets no program", test_pattern_beside_program},
        {"the bands of the shipped table hold", test_bands},
        {"a data file where many vary is below show", test_band_varying},
        {"how rare an act is counts once", test_rare_once},
        {"drop and run is one finding with its story", test_drop_and_run},
        {"what does not belong together is apart", test_apart},
        {"a loss is told on findings of its time", test_loss},
        {"a loss is told on what was done inside its window and found later", test_loss_window},
        {"acts wait for their container's name", test_held},
        {"workloads are named as the design says", test_names},
        {"jobs and sessions are not learned", test_classes},
        {"first sight is one item that teaches nothing", test_first_sight},
        {"decisions are done, or refused with words", test_decisions},
        {"what was saved makes the same judge again", test_restore},
        {"damaged pieces are refused", test_damaged_pieces},
        {"every table has a limit", test_limits},
};
UNIT_MAIN("judge", cases)
