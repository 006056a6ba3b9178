/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the judge must not be led to by what is rare: many rules of others, names that a health check writes,
 * directories that are renamed, days without work, a clock that leaps, programs that nobody saw. Each test failed once.
 */
#include "tests/unit/judge_world.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "judge/rules-priv.h"

#define WEB "web@sha256:aa"

/* ---- what the tests of this file do ---- */

struct arg {
        const char *key, *value;
};

static int say(struct world *w, const char *verb, const char *workload, const struct arg *args)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        struct buf b;
        int r;

        buf_init(&b, 4096);
        for (; args && args->key; args++)
                tide_list_put(&b, bytes_str(args->key), bytes_str(args->value));
        ev.decision.verb = bytes_str(verb);
        ev.decision.target = bytes_str(workload);
        ev.decision.login_uid = UINT32_MAX;
        ev.decision.args = buf_bytes(&b);
        r = give(w, &ev);
        buf_release(&b);
        return r;
}

static void suppress(struct world *w, const char *workload)
{
        char until[24];
        const struct arg args[] = {{"workload", workload}, {"until", until}, {"reason", "it is tried"}, {NULL, NULL}};

        snprintf(until, sizeof(until), "%llu", (unsigned long long)((T0 + w->now) / SEC + 86400));
        CU_ASSERT_EQUAL_FATAL(say(w, "suppress.add", "", args), 0);
}

/* ---- what an event costs ---- */

/* Rules of other workloads are held against no act; a known one is held against none at all, unless it is learned. */
static void test_many_rules(void)
{
        const struct arg gone[] = {{"rule", "R-491"}, {"reason", "it was tried"}, {NULL, NULL}};
        struct world w;
        uint64_t passed;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        for (int i = 0; i < 490; i++)
                suppress(&w, "other-*");
        passed = rules_passed(w.j);
        run(&w, "/bin/date", LAYER_IMAGE);
        run(&w, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_EQUAL(rules_passed(w.j), passed);
        suppress(&w, "web");
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(rules_passed(w.j), passed + 1);
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.verdict, "suppressed by R-491"));
        CU_ASSERT_EQUAL(say(&w, "suppress.remove", "", gone), 0);
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", WEB), 0);
        suppress(&w, "web");
        passed = rules_passed(w.j);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(rules_passed(w.j), passed);
        world_close(&w);
}

/* Names of the start, as a list that is looked through for each question. */
struct plain {
        struct writer w[WRITERS_START];
        size_t n;
};

static void plain_note(struct plain *p, const struct writer *by)
{
        size_t n = 0;

        for (size_t i = 0; i < p->n; i++) {
                const struct writer *o = &p->w[i];
                bool same_file = by->ino && o->ino == by->ino;
                bool alike = by->how == WRITTEN_AT_START && bytes_eq(o->exe, by->exe);

                if (o->path != by->path && (!same_file || alike))
                        p->w[n++] = *o;
        }
        p->n = n;
        if (by->how == WRITTEN_AT_START)
                p->w[p->n++] = *by;
}

static bool plain_has(const struct plain *p, const struct writer *by)
{
        for (size_t i = 0; i < p->n; i++)
                if (p->w[i].path == by->path && p->w[i].ino == by->ino && bytes_eq(p->w[i].exe, by->exe))
                        return true;
        return false;
}

/* By which names a file is known, whatever came and went. */
static void test_writers_by_inode(void)
{
        struct writers *w = writers_new();
        struct plain p = {.n = 0};
        uint32_t x = 1;

        for (int i = 0; i < 20000; i++) {
                struct writer by = {.how = WRITTEN_AT_START}, each;
                size_t n = 0;

                x = x * 1664525u + 1013904223u;
                by.path = 1 + (x >> 8) % 600;
                by.ino = (x >> 18) % 300;
                by.exe = x >> 30 ? BYTES_LIT("/bin/sh") : BYTES_LIT("/bin/cp");
                if ((x >> 28) % 3 == 0)
                        by.how = WRITTEN_OTHERWISE;
                writers_note(w, &by, NULL, NULL);
                plain_note(&p, &by);
                for (size_t k = 0; i % 50 == 0 && writers_next(w, &k, &each);) {
                        CU_ASSERT_TRUE(plain_has(&p, &each));
                        n++;
                }
                if (i % 50 == 0)
                        CU_ASSERT_EQUAL(n, p.n);
        }
        writers_free(w);
}

/* ---- what a health check does is its own ---- */

static void write_as(struct world *w, const char *path, const char *exe, enum tide_origin origin)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1")};

        ev.file.actor = actor(300, origin, exe);
        ev.file.actor.exe_layer = LAYER_IMAGE;
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | 0644;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static bool has_entry(const struct world *w, const char *key)
{
        struct judge_entry e;

        for (size_t i = 0; judge_entry_next(w->j, BYTES_LIT(WEB), &i, &e);)
                if (bytes_eq(e.key, bytes_str(key)))
                        return true;
        return false;
}

/* Names of its that become a pattern are one of its own: also after a restart, and so for directories. */
static void test_probe_patterns(void)
{
        static const char *const names[] = {"alba",   "berlin", "chile", "delhi",   "ezra",  "fargo",
                                            "geneva", "havana", "india", "jakarta", "kyoto", "lima"};
        char path[64];
        struct world w;

        world_open(&w);
        start(&w);
        write_as(&w, "/srv/one", "/bin/sh", ORIGIN_ENTRYPOINT);
        write_as(&w, "/srv/alba/state", "/bin/sh", ORIGIN_ENTRYPOINT);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", WEB), 0);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                snprintf(path, sizeof(path), "/srv/%s", names[i]);
                write_as(&w, path, "/bin/sh", ORIGIN_PROBE);
                CU_ASSERT_STRING_EQUAL(w.verdict, i < w.p.siblings ? "learned" : "known");
        }
        CU_ASSERT_TRUE(has_entry(&w, "/srv/* [probe]"));
        CU_ASSERT_FALSE(has_entry(&w, "/srv/*"));
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                snprintf(path, sizeof(path), "/srv/%s/state", names[i]);
                write_as(&w, path, "/bin/sh", ORIGIN_PROBE);
        }
        CU_ASSERT_TRUE(has_entry(&w, "/srv/*/ [probe]"));
        CU_ASSERT_TRUE(has_entry(&w, "/srv/*/state [probe]"));
        CU_ASSERT_TRUE(has_entry(&w, "/srv/alba/state"));
        for (int again = 0; again < 2; again++) {
                write_as(&w, "/srv/palermo", "/bin/sh", ORIGIN_PROBE);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known");
                write_as(&w, "/srv/one", "/bin/sh", ORIGIN_ENTRYPOINT);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known");
                write_as(&w, again ? "/srv/quito" : "/srv/oslo", "/bin/sh", ORIGIN_ENTRYPOINT);
                CU_ASSERT_TRUE(strncmp(w.verdict, "deviation", 9) == 0);
                write_as(&w, again ? "/srv/quito/state" : "/srv/oslo/state", "/bin/sh", ORIGIN_ENTRYPOINT);
                CU_ASSERT_TRUE(strncmp(w.verdict, "deviation", 9) == 0);
                restore(&w);
        }
        world_close(&w);
}

/* ---- who wrote it ---- */

static void change(struct world *w, const char *path, const char *old, uint8_t type, uint16_t done)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1")};

        ev.file.actor = actor(300, ORIGIN_ENTRYPOINT, "/bin/sh");
        ev.file.actor.exe_layer = LAYER_IMAGE;
        ev.file.ops = done;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = type;
        ev.file.mode = type == DT_DIR ? S_IFDIR | 0755 : S_IFREG | 0755;
        ev.file.path = bytes_str(path);
        ev.file.old_path = bytes_str(old);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static enum written written_as(const struct world *w, const char *path)
{
        const struct container_memory *c = map_get(w->j->containers, BYTES_LIT("c1"));
        struct writer by;

        return c->writers && writers_find(c->writers, writers_hash(bytes_str(path)), &by) ? by.how : WRITTEN_UNKNOWN;
}

static void test_directory_moves(void)
{
        static const char deep[] = "/run/1/2/3/4/5/6/7/8/9/a";

        for (int again = 0; again < 2; again++) {
                struct world w;

                world_open(&w);
                start_as(&w, "c1", "web", false);
                change(&w, "/run/d/start-me", "", DT_REG, OP_CREATE | OP_WRITE);
                change(&w, "/run/d/in/start-me", "", DT_REG, OP_CREATE | OP_WRITE);
                change(&w, "/run/dd/start-me", "", DT_REG, OP_CREATE | OP_WRITE);
                change(&w, "/start-me", "", DT_REG, OP_CREATE | OP_WRITE);
                change(&w, deep, "", DT_REG, OP_CREATE | OP_WRITE);
                if (again)
                        restore(&w);
                change(&w, "/run/d", "", DT_DIR, OP_ATTR);
                CU_ASSERT_EQUAL(written_as(&w, "/run/d/start-me"), WRITTEN_AT_START);
                CU_ASSERT_EQUAL(written_as(&w, deep), WRITTEN_AT_START);
                change(&w, "/run/d2", "/run/d", DT_DIR, OP_RENAME);
                CU_ASSERT_EQUAL(written_as(&w, "/run/d/start-me"), WRITTEN_UNKNOWN);
                CU_ASSERT_EQUAL(written_as(&w, "/run/d/in/start-me"), WRITTEN_UNKNOWN);
                CU_ASSERT_EQUAL(written_as(&w, deep), WRITTEN_UNKNOWN); /* it may lie there: too deep to be told */
                CU_ASSERT_EQUAL(written_as(&w, "/run/dd/start-me"), WRITTEN_AT_START);
                CU_ASSERT_EQUAL(written_as(&w, "/start-me"), WRITTEN_AT_START);
                change(&w, "/run/dd", "", DT_DIR, OP_RENAME); /* from outside */
                CU_ASSERT_EQUAL(written_as(&w, "/run/dd/start-me"), WRITTEN_UNKNOWN);
                world_close(&w);
        }
}

/* A piece that says nothing of where the name lies. */
static void test_old_writer(void)
{
        struct buf key, blob;
        struct world w;

        buf_init(&key, 100);
        buf_init(&blob, 100);
        world_open(&w);
        start_as(&w, "c1", "web", false);
        change(&w, "/start-me", "", DT_REG, OP_CREATE | OP_WRITE);
        buf_put_bytes(&key, BYTES_LIT("c1"));
        buf_put_u64(&key, writers_hash(BYTES_LIT("/run/d/start-me")));
        buf_put_u32(&blob, 11);
        buf_put_u64(&blob, 7);
        buf_put_bytes(&blob, BYTES_LIT("/bin/sh"));
        CU_ASSERT_EQUAL(judge_restore(w.j, PIECE_WRITER, buf_bytes(&key), buf_bytes(&blob)), 0);
        CU_ASSERT_EQUAL(written_as(&w, "/run/d/start-me"), WRITTEN_AT_START);
        change(&w, "/var/x", "/var/y", DT_DIR, OP_RENAME);
        CU_ASSERT_EQUAL(written_as(&w, "/run/d/start-me"), WRITTEN_UNKNOWN);
        CU_ASSERT_EQUAL(written_as(&w, "/start-me"), WRITTEN_AT_START);
        buf_release(&key);
        buf_release(&blob);
        world_close(&w);
}

/* Nobody knows what it held before. */
static void test_unknown_renamed(void)
{
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        change(&w, "/opt/known", "", DT_REG, OP_CREATE | OP_WRITE);
        change(&w, "/opt/one", "/opt/known", DT_REG, OP_RENAME);
        CU_ASSERT_EQUAL(written_as(&w, "/opt/one"), WRITTEN_AT_START);
        change(&w, "/opt/one", "/opt/strange", DT_REG, OP_RENAME);
        CU_ASSERT_EQUAL(written_as(&w, "/opt/one"), WRITTEN_UNKNOWN);
        change(&w, "/opt/two", "", DT_REG, OP_RENAME);
        CU_ASSERT_EQUAL(written_as(&w, "/opt/two"), WRITTEN_UNKNOWN);
        world_close(&w);
}

/* ---- days without work ---- */

static void hours(struct world *w, unsigned n)
{
        while (n--) {
                w->now += HOUR;
                tick(w);
        }
}

/* A service that writes nothing is known to write nothing: what it writes after that is no lesson. Also one that ran
 * before us; not before it has run for as long as anything is learned. */
static void test_nothing_is_learned(void)
{
        for (int before = 0; before < 2; before++) {
                struct world w;

                world_open(&w);
                start_as(&w, "c1", "web", before);
                w.now += 120 * SEC;
                tick(&w);
                run(&w, "/bin/date", LAYER_IMAGE);
                hours(&w, 20);
                CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "learning");
                CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].windows, 21);
                hours(&w, 60);
                CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "active");
                CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_PROCESS].state, "active");
                write_as(&w, "/srv/late", "/bin/sh", ORIGIN_ENTRYPOINT);
                CU_ASSERT_TRUE(strncmp(w.verdict, "deviation", 9) == 0);
                world_close(&w);
        }
}

/* It did not run: its time begins when it does, and what it does first is not what ends it. */
static void test_period_begins_at_work(void)
{
        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        hours(&w, 100);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "learning");
        start_as(&w, "c1", "web", false);
        tick(&w);
        write_as(&w, "/srv/one", "/bin/sh", ORIGIN_ENTRYPOINT);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        hours(&w, 20);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "learning");
        hours(&w, 60);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "active");
        world_close(&w);
}

/* Of whose files nobody sees anything nothing is known. */
static void test_not_covered(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        ev.ctr.coverage = BYTES_LIT("files: not covered: btrfs root");
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        run(&w, "/bin/date", LAYER_IMAGE);
        hours(&w, 80);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_FILE].state, "learning");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].windows, 0);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_PROCESS].state, "active");
        world_close(&w);
}

static void end_c1(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};

        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* What grows old does so while its workload runs; also over a restart of the agent. */
static void test_age_is_time_run(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        hours(&w, 80);
        for (unsigned n = 0; n < 5; n++) {
                end_c1(&w);
                w.now += 20 * 24 * HOUR;
                tick(&w);
                restore(&w);
                start(&w);
                hours(&w, 24);
                CU_ASSERT_TRUE(has_entry(&w, "/bin/date"));
        }
        hours(&w, 90 * 24 - 5 * 24 - 20);
        CU_ASSERT_TRUE(has_entry(&w, "/bin/date"));
        hours(&w, 24);
        CU_ASSERT_FALSE(has_entry(&w, "/bin/date"));
        world_close(&w);
}

/* A new image that was away at once: what it has inherited has its time still. */
static void test_inherited_away(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
        struct workload *wl;
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        hours(&w, 80);
        end_c1(&w);
        for (int again = 0; again < 2; again++) {
                ev = (struct tide_event){.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
                ev.ctr.runtime = BYTES_LIT("podman");
                ev.ctr.init_pid = INIT_PID;
                ev.ctr.init_start = w.now;
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                ev = (struct tide_event){.kind = TIDE_CONTENT, .container = BYTES_LIT("c1")};
                ev.content.name = BYTES_LIT("web");
                ev.content.name_given = 1;
                ev.content.image_ref = BYTES_LIT("localhost/web:2");
                ev.content.config_digest = BYTES_LIT("sha256:bb");
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                hours(&w, 2);
                wl = map_get(w.j->workloads, BYTES_LIT("web@sha256:bb"));
                CU_ASSERT_PTR_NOT_NULL_FATAL(wl);
                CU_ASSERT_EQUAL(map_count(wl->entries), 1);
                end_c1(&w);
                w.now += 15 * 24 * HOUR;
        }
        world_close(&w);
}

/* It was away more often than is kept: the longest times count, or those that are of use. */
static void test_away_is_bounded(void)
{
        struct workload *wl;
        struct world w;

        world_open(&w);
        start(&w);
        end_c1(&w);
        for (unsigned n = 1; n <= AWAY_KEPT + 4; n++) {
                w.now += n * HOUR;
                start(&w);
                end_c1(&w);
        }
        wl = map_get(w.j->workloads, BYTES_LIT(WEB));
        CU_ASSERT_EQUAL(wl->naway, AWAY_KEPT);
        for (unsigned i = 0; i < wl->naway; i++)
                CU_ASSERT_TRUE(ns_apart(wl->away[i].to_ns, wl->away[i].from_ns) >= (int64_t)(5 * HOUR));
        w.now += 200 * 24 * HOUR;
        start(&w);
        end_c1(&w);
        w.now += HOUR;
        start(&w);
        CU_ASSERT_EQUAL(baseline_ran(wl, (int64_t)(T0 + w.now - 10 * HOUR), (int64_t)(T0 + w.now)) / SEC, 240);
        world_close(&w);
}

/* ---- what nobody saw ---- */

static void run_unseen(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .container = BYTES_LIT("c1")};

        ev.exec.actor = actor(301, ORIGIN_ENTRYPOINT, "");
        ev.exec.caller = BYTES_LIT("/bin/sh");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* Programs that were gone are counted and not shown, whatever the baseline; what else was done is shown beside them. */
static void test_unseen(void)
{
        struct judge_stats s;
        struct world w;

        world_open(&w);
        start(&w);
        for (int i = 0; i < 400; i++) {
                run(&w, "/bin/date", LAYER_IMAGE);
                hours(&w, 1);
        }
        for (int i = 0; i < 3; i++)
                run_unseen(&w);
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "unseen_program=-16"));
        judge_stats(w.j, &s);
        CU_ASSERT_EQUAL(s.unseen, 3);
        CU_ASSERT_EQUAL(w.count, 3);
        run(&w, "/opt/dropped", LAYER_WRITE);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "unseen_program"));
        world_close(&w);
}

/* ---- a clock that leaps ---- */

static void tick_at(struct world *w, uint64_t ahead)
{
        struct tide_event ev = {.kind = TIDE_TICK, .boot_ns = w->now, .wall_ns = (int64_t)(T0 + w->now + ahead)};

        CU_ASSERT_EQUAL(judge_event(w->j, &ev), 0);
        w->now += 60 * SEC;
}

/* One tick, or some, of a clock far ahead end nothing; one that stays so does. */
static void test_clock_leaps(void)
{
        const uint64_t year = 400 * 24 * HOUR;
        uint64_t finding;
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        run(&w, "/opt/x", LAYER_WRITE);
        finding = w.last_id;
        hours(&w, 80);
        suppress(&w, "web");
        tick_at(&w, 0);
        for (int i = 0; i < 30; i++) {
                tick_at(&w, year);
                if (i == 10)
                        restore(&w);
        }
        for (int i = 0; i < 70; i++)
                tick_at(&w, 0);
        CU_ASSERT_TRUE(has_entry(&w, "/bin/date"));
        CU_ASSERT_PTR_NOT_NULL(group_by_id(w.j, finding));
        CU_ASSERT_EQUAL(rules_in_force(w.j), 1);
        for (int i = 0; i < 70; i++)
                tick_at(&w, year);
        CU_ASSERT_FALSE(has_entry(&w, "/bin/date"));
        CU_ASSERT_PTR_NULL(group_by_id(w.j, finding));
        CU_ASSERT_EQUAL(rules_in_force(w.j), 0);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"rules of others cost nothing", test_many_rules},
        {"names of one file", test_writers_by_inode},
        {"a health check's patterns are its own", test_probe_patterns},
        {"what lay in a directory that is another one now", test_directory_moves},
        {"names of the start, as they were kept", test_old_writer},
        {"renamed from a name of nobody knows whom", test_unknown_renamed},
        {"who does nothing is known to do nothing", test_nothing_is_learned},
        {"of files that are not covered nothing is learned", test_not_covered},
        {"age is time run", test_age_is_time_run},
        {"what is inherited is so for time run", test_inherited_away},
        {"times away are bounded", test_away_is_bounded},
        {"a program that nobody saw is counted, and not shown", test_unseen},
        {"a clock that leaps ends nothing", test_clock_leaps},
        {"learning begins when it is at work", test_period_begins_at_work},
};
UNIT_MAIN("judge_mend", cases)
