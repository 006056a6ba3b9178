/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who wrote what then runs or is loaded: DESIGN 4.2, "the same path written by the same image executable at start-up",
 * as candidates keep it and as it is asked for.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/err.h"

struct act { /* of a process of c1 on a file */
        const char *path, *old, *exe;
        uint16_t ops;
        uint64_t ino;
        enum tide_origin origin;
        enum tide_layer layer; /* of the executable */
};

static void file(struct world *w, const char *id, const struct act *a)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = bytes_str(id)};

        ev.file.actor = actor(300, a->origin ? a->origin : ORIGIN_ENTRYPOINT, a->exe ? a->exe : "/bin/sh");
        ev.file.actor.exe_layer = (uint8_t)(a->layer ? a->layer : LAYER_IMAGE);
        ev.file.ops = a->ops ? a->ops : OP_CREATE | OP_WRITE;
        if (ev.file.ops == OP_FOUND) {
                ev.sources = SRC_WALK;
                ev.file.actor = (struct tide_actor){.flags = 0};
        }
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | 0755;
        ev.file.path = bytes_str(a->path);
        ev.file.old_path = bytes_str(a->old ? a->old : "");
        ev.file.ino = a->ino;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void map_in(struct world *w, const char *id, const char *path)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .container = bytes_str(id)};

        ev.priv.actor = actor(310, ORIGIN_ENTRYPOINT, "/usr/bin/python3");
        ev.priv.what = PRIV_MAPPED;
        ev.priv.layer = LAYER_WRITE;
        ev.priv.change = CHANGE_ADDED;
        ev.priv.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* The one candidate of the process dimension whose key begins so. */
static struct entry *candidate(const struct world *w, const char *prefix)
{
        struct workload *wl = map_get(w->j->workloads, BYTES_LIT("web@sha256:aa"));
        struct entry *found = NULL;
        void *value;

        CU_ASSERT_PTR_NOT_NULL_FATAL(wl);
        for (size_t i = 0; map_next(wl->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim != DIM_PROCESS || !e->candidate || !bytes_has_prefix(str_get(&e->key), bytes_str(prefix)))
                        continue;
                CU_ASSERT_PTR_NULL(found);
                found = e;
        }
        return found;
}

static void check_entry(const struct world *w, const char *prefix, enum written how, const char *exe)
{
        const struct entry *e = candidate(w, prefix);

        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        CU_ASSERT_EQUAL(e->written, how);
        CU_ASSERT_TRUE(bytes_eq(str_get(&e->written_by), bytes_str(exe)));
}

static void run_opt(struct world *w, const char *id, const char *path)
{
        run_in(w, id, path, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 301);
}

/* What the last act on the file says of what then runs. */
static void test_who_wrote_it(void)
{
        static const struct {
                const char *what;
                bool late; /* the start is over */
                struct act acts[3];
                enum written how;
                const char *exe;
        } rows[] = {
                {"nobody was seen to", false, {{.path = "/opt/other"}}, WRITTEN_UNKNOWN, ""},
                {"at start", false, {{.path = "/opt/run"}}, WRITTEN_AT_START, "/bin/sh"},
                {"at start, run later", true, {{.path = "/opt/run", .exe = "/bin/cp"}}, WRITTEN_OTHERWISE, "/bin/cp"},
                {"by a session", false, {{.path = "/opt/run", .origin = ORIGIN_EXEC}}, WRITTEN_OTHERWISE, "/bin/sh"},
                {"by a health check",
                 false,
                 {{.path = "/opt/run", .origin = ORIGIN_PROBE}},
                 WRITTEN_OTHERWISE,
                 "/bin/sh"},
                {"by what the image does not hold",
                 false,
                 {{.path = "/opt/run", .exe = "/opt/dropper", .layer = LAYER_WRITE}},
                 WRITTEN_OTHERWISE,
                 "/opt/dropper"},
                {"by what runs from a volume",
                 false,
                 {{.path = "/opt/run", .exe = "/vol/dropper", .layer = LAYER_MOUNT}},
                 WRITTEN_OTHERWISE,
                 "/vol/dropper"},
                {"again, by another one",
                 false,
                 {{.path = "/opt/run"}, {.path = "/opt/run", .exe = "/bin/dd"}},
                 WRITTEN_AT_START,
                 "/bin/dd"},
                {"then attributes only",
                 false,
                 {{.path = "/opt/run"}, {.path = "/opt/run", .exe = "/bin/chmod", .ops = OP_ATTR}},
                 WRITTEN_AT_START,
                 "/bin/sh"},
                {"then by a session",
                 false,
                 {{.path = "/opt/run"}, {.path = "/opt/run", .ops = OP_WRITE, .origin = ORIGIN_EXEC}},
                 WRITTEN_OTHERWISE,
                 "/bin/sh"},
                {"under another name of the same file",
                 false,
                 {{.path = "/opt/run", .ino = 7},
                  {.path = "/opt/alias", .ino = 7, .ops = OP_WRITE, .origin = ORIGIN_EXEC}},
                 WRITTEN_UNKNOWN,
                 ""},
                {"another file",
                 false,
                 {{.path = "/opt/run", .ino = 7},
                  {.path = "/opt/alias", .ino = 8, .ops = OP_WRITE, .origin = ORIGIN_EXEC}},
                 WRITTEN_AT_START,
                 "/bin/sh"},
                {"renamed by its own",
                 false,
                 {{.path = "/opt/new"}, {.path = "/opt/run", .old = "/opt/new", .exe = "/bin/mv", .ops = OP_RENAME}},
                 WRITTEN_AT_START,
                 "/bin/sh"},
                {"of a session, renamed by its own",
                 false,
                 {{.path = "/opt/new", .origin = ORIGIN_EXEC},
                  {.path = "/opt/run", .old = "/opt/new", .exe = "/bin/mv", .ops = OP_RENAME}},
                 WRITTEN_OTHERWISE,
                 "/bin/sh"},
                {"its own, renamed by a session",
                 false,
                 {{.path = "/opt/new"},
                  {.path = "/opt/run", .old = "/opt/new", .exe = "/bin/mv", .ops = OP_RENAME, .origin = ORIGIN_EXEC}},
                 WRITTEN_OTHERWISE,
                 "/bin/sh"},
                {"deleted, and there again",
                 false,
                 {{.path = "/opt/run"}, {.path = "/opt/run", .ops = OP_DELETE}},
                 WRITTEN_UNKNOWN,
                 ""},
                {"a walk finds it changed",
                 false,
                 {{.path = "/opt/run"}, {.path = "/opt/run", .ops = OP_FOUND}},
                 WRITTEN_UNKNOWN,
                 ""},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;

                world_open(&w);
                start_as(&w, "c1", "web", false);
                if (rows[i].late)
                        w.now += 120 * SEC;
                for (size_t k = 0; k < ARRAY_LEN(rows[i].acts) && rows[i].acts[k].path; k++)
                        file(&w, "c1", &rows[i].acts[k]);
                run_opt(&w, "c1", "/opt/run");
                CU_ASSERT_TRUE(w.opened >= 1); /* whoever wrote it: raised */
                check_entry(&w, "/opt/run", rows[i].how, rows[i].exe);
                if (candidate(&w, "/opt/run")->written != rows[i].how)
                        printf("\n    %s", rows[i].what);
                world_close(&w);
        }
}

/* Written at the start under a name of chance, and loaded or run: one candidate, whichever the name. */
static void test_drawn_names(void)
{
        static const char *const libraries[] = {"/tmp/libnative-8Zk3Qw.so", "/tmp/libnative-Q1w9Xz.so"},
                                 *const wrappers[] = {"/tmp/run.QJ8iwlsp", "/tmp/run.KXpmBvJT"};
        struct world w;

        world_open(&w);
        for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
                const char *id = i ? "c2" : "c1";

                start_as(&w, id, "web", false);
                file(&w, id, &(struct act){.path = libraries[i], .exe = "/usr/bin/python3"});
                map_in(&w, id, libraries[i]);
                file(&w, id, &(struct act){.path = wrappers[i]});
                run_opt(&w, id, wrappers[i]);
                w.now += 120 * SEC;
        }
        check_entry(&w, "/tmp/libnative", WRITTEN_AT_START, "/usr/bin/python3");
        check_entry(&w, "/tmp/run", WRITTEN_AT_START, "/bin/sh");
        CU_ASSERT_EQUAL(candidate(&w, "/tmp/run")->count, 2);
        CU_ASSERT_EQUAL(candidate(&w, "/tmp/libnative")->count, 2);
        /* What is dropped later is what its whole name says. */
        file(&w, "c1", &(struct act){.path = "/tmp/run.Zz8iwlsp"});
        run_opt(&w, "c1", "/tmp/run.Zz8iwlsp");
        check_entry(&w, "/tmp/run.Zz8iwlsp", WRITTEN_OTHERWISE, "/bin/sh");
        world_close(&w);
}

/* What sightings have in common stays; what they do not is gone for good. */
static void test_sightings(void)
{
        struct observation o = {.written = WRITTEN_AT_START, .written_by = BYTES_LIT("/bin/sh")};
        struct entry e = {.candidate = true};

        CU_ASSERT_TRUE(written_keep(&e, &o, true));
        CU_ASSERT_FALSE(written_keep(&e, &o, false));
        CU_ASSERT_TRUE(entry_written_alike(&e, &o));
        o.written_by = BYTES_LIT("/bin/cp");
        CU_ASSERT_FALSE(entry_written_alike(&e, &o));
        o.written = WRITTEN_UNKNOWN;
        o.written_by = bytes_of(NULL, 0);
        CU_ASSERT_FALSE(entry_written_alike(&e, &o));
        CU_ASSERT_FALSE(written_keep(&e, &o, false)); /* not seen: it says nothing */
        o.written = WRITTEN_AT_START;
        o.written_by = BYTES_LIT("/bin/cp");
        CU_ASSERT_TRUE(written_keep(&e, &o, false));
        CU_ASSERT_EQUAL(e.written, WRITTEN_OTHERWISE);
        CU_ASSERT_EQUAL(e.written_by.len, 0);
        CU_ASSERT_FALSE(written_keep(&e, &o, false));
        CU_ASSERT_FALSE(entry_written_alike(&e, &o));
        str_clear(&e.written_by);
}

/* A restart of the agent forgets none of the start, and a container's end all. */
static void test_kept(void)
{
        uint64_t one[200], two[200];
        char path[32];
        struct world w;
        struct bytes key;
        size_t n;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        for (int i = 0; i < 20; i++) {
                snprintf(path, sizeof(path), "/opt/run%c", 'a' + i);
                file(&w, "c1",
                     &(struct act){.path = path, .exe = i & 1 ? "/bin/cp" : "/bin/sh", .ino = (uint64_t)i + 1});
        }
        file(&w, "c1", &(struct act){.path = "/opt/runc", .ops = OP_DELETE});
        w.now += 120 * SEC;
        file(&w, "c1", &(struct act){.path = "/opt/rune"});
        n = digest(w.j, one, ARRAY_LEN(one));
        restore(&w);
        CU_ASSERT_EQUAL(digest(w.j, two, ARRAY_LEN(two)), n);
        CU_ASSERT_EQUAL(memcmp(one, two, n * sizeof(one[0])), 0);
        run_opt(&w, "c1", "/opt/runs");
        check_entry(&w, "/opt/runs", WRITTEN_AT_START, "/bin/sh");
        run_opt(&w, "c1", "/opt/runc");
        check_entry(&w, "/opt/runc", WRITTEN_UNKNOWN, "");
        run_opt(&w, "c1", "/opt/rune");
        check_entry(&w, "/opt/rune", WRITTEN_OTHERWISE, "/bin/sh");
        n = 0;
        for (size_t i = 0; map_next(w.pieces, &i, &key, NULL);)
                n += key.p[0] == PIECE_WRITER;
        CU_ASSERT_EQUAL(n, 18); /* without what went, and what was written again later */
        CU_ASSERT_EQUAL(give(&w, &(struct tide_event){.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")}), 0);
        for (size_t i = 0; map_next(w.pieces, &i, &key, NULL);)
                CU_ASSERT_NOT_EQUAL(key.p[0], PIECE_WRITER);
        world_close(&w);
}

/* Neither names nor executables without end. */
static void test_bounds(void)
{
        struct writers *t = writers_new();
        struct writer by, found;
        char exe[32];
        size_t n = 0;

        CU_ASSERT_PTR_NOT_NULL_FATAL(t);
        for (uint64_t i = 1; i <= 2 * WRITERS_START; i++) {
                by = (struct writer){.path = i * 7919, .how = WRITTEN_AT_START, .exe = BYTES_LIT("/bin/sh")};
                writers_note(t, &by, NULL, NULL);
        }
        for (size_t i = 0; writers_next(t, &i, &by);)
                n++;
        CU_ASSERT_EQUAL(n, WRITERS_START);
        CU_ASSERT_FALSE(writers_find(t, 2 * WRITERS_START * 7919, &found)); /* not known is not quiet */
        for (uint64_t i = 0; i < 10 * WRITERS_LATER; i++) {
                snprintf(exe, sizeof(exe), "/bin/%llu", (unsigned long long)i);
                by = (struct writer){.path = i * 7919 + 1, .how = WRITTEN_OTHERWISE, .exe = bytes_str(exe)};
                writers_note(t, &by, NULL, NULL);
        }
        CU_ASSERT_FALSE(writers_find(t, 1, &found));
        CU_ASSERT_TRUE(writers_find(t, (10 * WRITERS_LATER - 1) * 7919 + 1, &found));
        CU_ASSERT_EQUAL(found.how, WRITTEN_OTHERWISE);
        CU_ASSERT_TRUE(writers_find(t, 7919, &found));
        CU_ASSERT_TRUE(found.how == WRITTEN_AT_START && bytes_eq(found.exe, BYTES_LIT("/bin/sh")));
        writers_free(t);
}

static const struct unit_case cases[] = {
        {"who wrote what runs", test_who_wrote_it},
        {"names drawn anew at every start are one candidate", test_drawn_names},
        {"what sightings have in common stays with the candidate", test_sightings},
        {"what was written at the start survives a restart of the agent", test_kept},
        {"names and executables are bounded", test_bounds},
};
UNIT_MAIN("written", cases)
