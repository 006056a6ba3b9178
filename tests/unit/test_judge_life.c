/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a baseline: states, candidates and an operator's word on them, learning again, a new image with its
 * roll-out, and what grows old.
 */
#include "tests/unit/judge_world.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define WEB "web@sha256:aa"
#define WEB2 "web@sha256:bb"

/* ---- what the tests of this file do ---- */

static void start_image(struct world *w, const char *id, const char *digest)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = bytes_str(id)};

        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = w->now;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .container = bytes_str(id)};
        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("localhost/web:2");
        ev.content.config_digest = bytes_str(digest);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        w->now += 120 * SEC;
}

static void stop(struct world *w, const char *id)
{
        struct tide_event ev = {.kind = TIDE_CTR_STOP, .container = bytes_str(id)};

        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void write_in(struct world *w, const char *id, const char *path, uint32_t mode, const char *exe)
{
        struct tide_event ev = {.kind = TIDE_FILE, .container = bytes_str(id)};

        ev.file.actor = actor(301, ORIGIN_ENTRYPOINT, exe);
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = mode;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static struct judge_workload of(const struct world *w, const char *id)
{
        struct judge_workload v = {.containers = 0};

        for (size_t i = 0; judge_workload_next(w->j, &i, &v);)
                if (bytes_eq(v.id, bytes_str(id)))
                        return v;
        CU_FAIL("no such workload");
        return v;
}

/* The first entry whose key begins so. */
static struct judge_entry entry_of(const struct world *w, const char *id, const char *key)
{
        struct judge_entry e = {.count = 0};

        for (size_t i = 0; judge_entry_next(w->j, bytes_str(id), &i, &e);)
                if (bytes_has_prefix(e.key, bytes_str(key)))
                        return e;
        return (struct judge_entry){.why = "", .approved_by = ""};
}

struct arg {
        const char *key, *value;
};

static int say(struct world *w, bool dry, const char *verb, const char *workload, const struct arg *args)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR, .wall_ns = (int64_t)(T0 + w->now)};
        struct buf b;
        int r;

        buf_init(&b, 4096);
        for (; args && args->key; args++)
                tide_list_put(&b, bytes_str(args->key), bytes_str(args->value));
        ev.decision.verb = bytes_str(verb);
        ev.decision.target = bytes_str(workload);
        ev.decision.login_uid = UINT32_MAX;
        ev.decision.args = buf_bytes(&b);
        r = dry ? judge_try(w->j, &ev) : give(w, &ev);
        buf_release(&b);
        return r;
}

static int approve(struct world *w, const char *workload, uint32_t item)
{
        char number[16];
        const struct arg args[] = {{"item", number}, {"reason", "it is ours"}, {NULL, NULL}};

        snprintf(number, sizeof(number), "B-%u", item);
        return say(w, false, "baseline.approve", workload, args);
}

/* Does what the decision said hold the words? */
static bool said(const struct world *w, const char *name, const char *words)
{
        struct bytes all = judge_result(w->j), key, value;
        struct rd r;

        rd_init(&r, all.p, all.len);
        while (tide_list_next(&r, &key, &value)) {
                char text[2048];

                if (bytes_eq(key, bytes_str(name)) && strstr(str_print(value, text, sizeof(text)), words))
                        return true;
        }
        return false;
}

/* Of all pieces; but who wrote what of late is in recordings alone. What is counted within an hour is stored later, and
 * as long. */
static uint64_t lengths(const struct judge *j)
{
        uint64_t sum = 0;
        struct buf b;
        struct rd r;

        dump(j, &b);
        rd_init(&r, b.p, b.len);
        while (rd_left(&r)) {
                uint32_t what = rd_u32(&r);
                struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                if (what != PIECE_WRITER)
                        sum += map_hash((struct map_seed){what, blob.len}, key);
        }
        buf_release(&b);
        return sum;
}

/* The judge, made again of what it saved, must be the same. */
static void restored(struct world *w)
{
        struct judge *j;
        struct bytes key;
        void *value;

        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &ops, w, &j), 0);
        for (int pass = PIECE_META; pass <= 32; pass++)
                for (size_t i = 0; map_next(w->pieces, &i, &key, &value);)
                        if (key.p[0] == pass && pass != PIECE_FACTS) /* those are the store's alone */
                                CU_ASSERT_EQUAL(judge_restore(j, (enum judge_piece)pass,
                                                              bytes_of(key.p + 1, key.len - 1), str_get(value)),
                                                0);
        CU_ASSERT_EQUAL(lengths(w->j), lengths(j));
        judge_free(w->j);
        w->j = j;
}

static void active(struct world *w)
{
        world_open(w);
        start(w);
        run(w, "/bin/date", LAYER_IMAGE);
        write_in(w, "c1", "/var/log/web.log", S_IFREG | 0644, "/bin/web");
        CU_ASSERT_EQUAL(decide(w, "baseline.activate", WEB), 0);
}

/* ---- candidates and words on them ---- */

static void test_candidates(void)
{
        struct judge_entry e;
        struct world w;

        active(&w);
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        e = entry_of(&w, WEB, "/bin/nc");
        CU_ASSERT_TRUE(e.candidate && !e.waiting && e.item == 1 && e.seen);
        CU_ASSERT_STRING_EQUAL(e.why, "new");
        CU_ASSERT_EQUAL(e.containers, 1);
        CU_ASSERT_TRUE(bytes_eq(e.container[0], BYTES_LIT("web")));
        CU_ASSERT_TRUE(bytes_eq(e.parent, BYTES_LIT("/bin/sh")));
        CU_ASSERT_EQUAL(e.quarters, w.sum);
        run(&w, "/bin/nc", LAYER_IMAGE); /* counted there */
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 2);
        CU_ASSERT_EQUAL(entry_of(&w, WEB, "/bin/nc").count, 2);
        restored(&w);
        e = entry_of(&w, WEB, "/bin/nc");
        CU_ASSERT_TRUE(e.item == 1 && e.quarters == w.sum && bytes_eq(e.container[0], BYTES_LIT("web")));
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), 0);
        CU_ASSERT_TRUE(said(&w, "approved", "B-1 process /bin/nc by /bin/sh"));
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        e = entry_of(&w, WEB, "/bin/nc");
        CU_ASSERT_FALSE(e.candidate);
        CU_ASSERT_STRING_EQUAL(e.approved_by, "operator uid 0");
        CU_ASSERT_TRUE(bytes_eq(e.approved_reason, BYTES_LIT("it is ours")));
        restored(&w);
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB, "/bin/nc").approved_by, "operator uid 0");
        world_close(&w);
}

/* A session's act is its own: it makes nothing a candidate, nor known. */
static void test_session_is_apart(void)
{
        struct world w;

        active(&w);
        run_in(&w, "c1", "/bin/vi", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_EXEC, 900);
        CU_ASSERT_EQUAL(entry_of(&w, WEB, "/bin/vi").count, 0);
        world_close(&w);
}

static void test_bulk(void)
{
        const struct arg all[] = {{"all", "true"}, {"reason", "r"}, {NULL, NULL}},
                         etc[] = {{"pattern", "/etc/*"}, {"reason", "r"}, {NULL, NULL}},
                         none[] = {{"pattern", "/srv/*"}, {"reason", "r"}, {NULL, NULL}},
                         mute[] = {{"all", "true"}, {NULL, NULL}},
                         both[] = {{"all", "true"}, {"item", "B-1"}, {"reason", "r"}, {NULL, NULL}},
                         odd[] = {{"item", "B-99"}, {"reason", "r"}, {NULL, NULL}};
        struct world w;

        active(&w);
        run(&w, "/tmp/x", LAYER_WRITE); /* never learned silently */
        write_in(&w, "c1", "/etc/a.conf", S_IFREG | 0644, "/bin/web");
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, mute), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "--reason"));
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, both), -EINVAL);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, odd), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "no candidate B-99"));
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, none), -EINVAL);
        CU_ASSERT_EQUAL(say(&w, true, "baseline.approve", WEB, all), 0); /* only tried */
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").candidate);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, etc), 0);
        CU_ASSERT_FALSE(entry_of(&w, WEB, "/etc/a.conf").candidate);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").candidate);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, all), 0);
        CU_ASSERT_TRUE(said(&w, "skipped", "/tmp/x") && said(&w, "count", "1") && said(&w, "skipped_count", "1"));
        CU_ASSERT_FALSE(entry_of(&w, WEB, "/bin/nc").candidate);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/tmp/x").candidate);
        world_close(&w);
}

static void test_reject(void)
{
        const struct arg item[] = {{"item", "B-1"}, {"reason", "no"}, {NULL, NULL}},
                         known[] = {{"pattern", "/bin/date"}, {"known", "true"}, {"reason", "no"}, {NULL, NULL}};
        struct world w;

        active(&w);
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.reject", WEB, item), 0);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").rejected);
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", WEB), 0); /* not even then is it learned */
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").candidate);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", WEB), 0);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").candidate);
        restored(&w);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").rejected);
        /* What was learned by mistake. */
        CU_ASSERT_FALSE(entry_of(&w, WEB, "/bin/date").candidate);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.reject", WEB, known), 0);
        run_in(&w, "c1", "/bin/date", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 777);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "rejected=8"));
        CU_ASSERT_EQUAL(w.total, w.sum);
        world_close(&w);
}

/* ---- what is never learned silently ---- */

static void told_hash(struct world *w, const char *path, uint8_t state, uint8_t first)
{
        struct tide_event ev = {.kind = TIDE_HASH, .container = BYTES_LIT("c1")};
        uint8_t sum[TIDE_SHA256] = {first};

        ev.hash.path = bytes_str(path);
        ev.hash.layer = LAYER_WRITE;
        ev.hash.state = state;
        ev.hash.size = 10;
        if (state == HASH_KNOWN)
                ev.hash.sha256 = bytes_of(sum, sizeof(sum));
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void test_approve_content(void)
{
        const struct arg bare[] = {{"item", "B-1"}, {"reason", "r"}, {"path_only", "true"}, {NULL, NULL}};
        struct world w;

        active(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), -EINVAL); /* nothing is known of it that could be told apart */
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "--path-only"));
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), 0);
        CU_ASSERT_TRUE(said(&w, "approved", "its content, sha256 070000000000"));
        w.now += 2 * HOUR;
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        restored(&w);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        tick(&w);
        w.now += 120 * SEC;
        tick(&w);
        CU_ASSERT_EQUAL(w.opened, 1);
        /* Another content. */
        w.now += 2 * HOUR;
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 8);
        CU_ASSERT_EQUAL(w.count, 2); /* the finding is still open */
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "changed_approved="));
        /* And again the old one: the word still holds. */
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        CU_ASSERT_EQUAL(w.count, 2);
        /* None is told. */
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_GONE, 0);
        CU_ASSERT_EQUAL(w.count, 3);
        run(&w, "/tmp/x", LAYER_WRITE);
        w.now += 120 * SEC;
        tick(&w);
        CU_ASSERT_EQUAL(w.count, 4);
        world_close(&w);
        /* By its path alone: said to be so. */
        active(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, bare), 0);
        CU_ASSERT_TRUE(said(&w, "approved", "its path alone"));
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/tmp/x").bare);
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        world_close(&w);
}

/* One content is told for each run: what was put there meanwhile does not go by that of the first. */
static void test_content_of_each_run(void)
{
        struct world w;

        active(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), 0);
        run(&w, "/tmp/x", LAYER_WRITE);
        run(&w, "/tmp/x", LAYER_WRITE); /* another one */
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        CU_ASSERT_EQUAL(w.count, 1);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 8);
        CU_ASSERT_EQUAL(w.count, 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "changed_approved="));
        /* Now that is there for the review, and approving it is approving that content. */
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/tmp/x").offered);
        restored(&w);
        CU_ASSERT_EQUAL(approve(&w, WEB, entry_of(&w, WEB, "/tmp/x").item), 0);
        CU_ASSERT_TRUE(said(&w, "approved", "its content now, sha256 080000000000"));
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 8);
        CU_ASSERT_EQUAL(w.count, 2);
        world_close(&w);
}

/* Its container ends at once: the content is waited for all the same. */
static void test_content_of_the_last_run(void)
{
        for (int other = 0; other < 2; other++) {
                struct world w;
                struct judge_container c;
                size_t i = 0;

                active(&w);
                run(&w, "/tmp/x", LAYER_WRITE);
                told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
                CU_ASSERT_EQUAL(approve(&w, WEB, 1), 0);
                run(&w, "/tmp/x", LAYER_WRITE);
                stop(&w, "c1");
                restored(&w);
                CU_ASSERT_EQUAL(w.count, 1);
                told_hash(&w, "/tmp/x", HASH_KNOWN, (uint8_t)(7 + other));
                CU_ASSERT_EQUAL(w.count, 1u + (unsigned)other);
                CU_ASSERT_EQUAL(judge_container_next(w.j, &i, &c), 0); /* forgotten then */
                world_close(&w);
        }
}

/* Raised, and nobody has answered: another content is not counted silently. */
static void test_other_content_of_a_candidate(void)
{
        struct world w;

        active(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "other_content="));
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 9);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "other_content="));
        CU_ASSERT_EQUAL(w.total, w.sum);
        world_close(&w);
}

/* Told before anybody knows whose container it is. */
static void test_content_is_held(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c9")};
        uint8_t sum[TIDE_SHA256] = {7};
        struct world w;

        active(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        told_hash(&w, "/tmp/x", HASH_KNOWN, 7);
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), 0);
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = w.now;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        run_in(&w, "c9", "/tmp/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 301);
        ev = (struct tide_event){.kind = TIDE_HASH, .container = BYTES_LIT("c9")};
        ev.hash.path = BYTES_LIT("/tmp/x");
        ev.hash.layer = LAYER_WRITE;
        ev.hash.state = HASH_KNOWN;
        ev.hash.sha256 = bytes_of(sum, sizeof(sum));
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .container = BYTES_LIT("c9")};
        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        ev.content.config_digest = BYTES_LIT("sha256:aa");
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        w.now += 120 * SEC;
        tick(&w);
        CU_ASSERT_EQUAL(w.count, 1);
        world_close(&w);
}

/* A file that gives rights: approved is what is written at start, not whatever is put there later. */
static void test_approve_setuid(void)
{
        const struct arg bare[] = {{"item", "B-1"}, {"reason", "r"}, {"path_only", "true"}, {NULL, NULL}};
        struct world w;

        active(&w);
        write_in(&w, "c1", "/opt/helper", S_IFREG | 04755, "/bin/sh");
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), -EINVAL);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, bare), 0);
        write_in(&w, "c1", "/opt/helper", S_IFREG | 04755, "/bin/sh");
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        /* Many names are none. */
        write_in(&w, "c1", "/opt/h-4711-0815", S_IFREG | 04755, "/bin/sh");
        CU_ASSERT_PTR_NOT_NULL(memchr(entry_of(&w, WEB, "/opt/h-").key.p, '<', entry_of(&w, WEB, "/opt/h-").key.len));
        {
                char number[16];
                const struct arg many[] = {{"item", number}, {"reason", "r"}, {"path_only", "true"}, {NULL, NULL}};

                snprintf(number, sizeof(number), "B-%u", entry_of(&w, WEB, "/opt/h-").item);
                CU_ASSERT_EQUAL(say(&w, false, "baseline.approve", WEB, many), -EINVAL);
                CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "stands for many names"));
        }
        world_close(&w);
}

/* Written and run at every start: by the same program of the image. */
static void start_with_wrapper(struct world *w, const char *id, uint8_t layer, const char *exe)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = bytes_str(id)};

        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = w->now;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .container = bytes_str(id)};
        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        ev.content.config_digest = BYTES_LIT("sha256:aa");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_FILE, .container = bytes_str(id)};
        ev.file.actor = actor(301, ORIGIN_ENTRYPOINT, exe);
        ev.file.actor.exe_layer = layer;
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | 0755;
        ev.file.path = BYTES_LIT("/run/start-me");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        run_in(w, id, "/run/start-me", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 301);
}

static void test_approve_wrapper(void)
{
        struct world w;

        active(&w);
        start_with_wrapper(&w, "c2", LAYER_IMAGE, "/bin/sh");
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(approve(&w, WEB, entry_of(&w, WEB, "/run/start-me [write-layer]").item), 0);
        CU_ASSERT_TRUE(said(&w, "approved", "what /bin/sh writes there at start-up"));
        stop(&w, "c2");
        w.now += 2 * HOUR;
        start_with_wrapper(&w, "c3", LAYER_IMAGE, "/bin/sh");
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        stop(&w, "c3");
        start_with_wrapper(&w, "c4", LAYER_WRITE, "/tmp/sh"); /* somebody else's */
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "changed_approved="));
        world_close(&w);
}

/* ---- states ---- */

static void test_review_state(void)
{
        struct world w;

        world_open(&w);
        judge_free(w.j);
        w.p.review = true;
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        w.now += 73 * HOUR;
        run(&w, "/bin/date", LAYER_IMAGE);
        tick(&w);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_PROCESS].state, "review");
        run(&w, "/bin/nc", LAYER_IMAGE); /* neither learned nor raised */
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").waiting);
        run(&w, "/tmp/x", LAYER_WRITE); /* but this is */
        CU_ASSERT_EQUAL(w.opened, 1);
        restored(&w);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", WEB), 0);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_PROCESS].state, "active");
        world_close(&w);
}

static void test_refresh(void)
{
        const struct arg hours[] = {{"seconds", "7200"}, {NULL, NULL}}, odd[] = {{"seconds", "never"}, {NULL, NULL}};
        struct world w;

        active(&w);
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.refresh", WEB, odd), -EINVAL);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.refresh", WEB, hours), 0);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_PROCESS].state, "learning");
        CU_ASSERT_TRUE(of(&w, WEB).dim[DIM_PROCESS].refresh_ns > 0);
        run(&w, "/bin/date", LAYER_IMAGE); /* nothing is forgotten */
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        run(&w, "/bin/nc", LAYER_IMAGE); /* what was raised is learned, seen again */
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        restored(&w);
        w.now += 2 * HOUR;
        tick(&w);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_PROCESS].state, "active");
        run(&w, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 2);
        world_close(&w);
}

static void test_stale(void)
{
        struct world w;

        active(&w);
        stop(&w, "c1");
        w.now += 31 * 24 * HOUR;
        tick(&w);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_FILE].state, "stale");
        restored(&w);
        start_as(&w, "c2", "web", false);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_FILE].state, "active");
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB, "/bin/date").why, "");
        world_close(&w);
}

static void test_expiry(void)
{
        struct world w;

        active(&w);
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(approve(&w, WEB, 1), 0);
        for (int day = 0; day < 91; day++) {
                w.now += 24 * HOUR;
                write_in(&w, "c1", "/var/log/web.log", S_IFREG | 0644, "/bin/web");
                tick(&w);
        }
        CU_ASSERT_EQUAL(entry_of(&w, WEB, "/bin/date").count, 0); /* forgotten */
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/var/log/web.log").count > 0);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").count > 0); /* an operator's word lasts */
        restored(&w);
        world_close(&w);
}

/* ---- a new image ---- */

static void image_is(struct world *w, const char *digest, const char *entrypoint, const char *owned, uint8_t sum)
{
        struct tide_prior_package p = {.name = BYTES_LIT("tools"), .version = BYTES_LIT("1.0")};
        struct tide_prior_file f = {.path = bytes_str(owned), .kind = PRIOR_PROGRAM, .package = 0};
        uint8_t sha[TIDE_SHA256] = {sum};
        struct tide_event ev = {.kind = TIDE_PRIOR};
        struct buf list;

        buf_init(&list, 4096);
        ev.prior.digest = bytes_str(digest);
        ev.prior.part = PRIOR_BEGIN;
        tide_list_put(&list, bytes_str(entrypoint), bytes_of(NULL, 0));
        ev.prior.entrypoint = bytes_str(entrypoint);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        buf_reset(&list);
        ev = (struct tide_event){.kind = TIDE_PRIOR};
        ev.prior.digest = bytes_str(digest);
        ev.prior.part = PRIOR_PACKAGES;
        tide_prior_package_put(&list, &p);
        ev.prior.list = buf_bytes(&list);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        buf_reset(&list);
        ev.prior.part = PRIOR_FILES;
        f.sha256 = bytes_of(sha, sizeof(sha));
        f.package = 1;
        tide_prior_file_put(&list, &f);
        ev.prior.list = buf_bytes(&list);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_PRIOR};
        ev.prior.digest = bytes_str(digest);
        ev.prior.part = PRIOR_END;
        ev.prior.state = PRIOR_COMPLETE;
        ev.prior.packages = ev.prior.files = 1;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        buf_release(&list);
}

static void test_inherits(void)
{
        struct judge_entry e;
        struct world w;

        active(&w);
        run(&w, "/bin/nc", LAYER_IMAGE);
        run(&w, "/bin/ps", LAYER_IMAGE);
        CU_ASSERT_EQUAL(approve(&w, WEB, entry_of(&w, WEB, "/bin/ps").item), 0);
        start_image(&w, "c2", "sha256:bb");
        CU_ASSERT_STRING_EQUAL(of(&w, WEB2).dim[DIM_PROCESS].state, "active");
        CU_ASSERT_STRING_EQUAL(of(&w, WEB2).dim[DIM_PROCESS].by, "inherited from sha256:aa");
        CU_ASSERT_TRUE(of(&w, WEB2).rollout);
        CU_ASSERT_TRUE(bytes_eq(of(&w, WEB2).from, BYTES_LIT(WEB)));
        CU_ASSERT_EQUAL(entry_of(&w, WEB2, "/bin/nc").count, 0); /* nobody has answered */
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/ps").approved_by, "operator uid 0");
        e = entry_of(&w, WEB2, "/bin/date");
        CU_ASSERT_TRUE(e.inherited && !e.candidate);
        run_in(&w, "c2", "/bin/date", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_FALSE(entry_of(&w, WEB2, "/bin/date").inherited); /* confirmed */
        CU_ASSERT_TRUE(entry_of(&w, WEB2, "/var/log/web.log").inherited);
        restored(&w);
        /* What is not seen again goes, in the time in which the workload runs. */
        for (int day = 0; day < 15; day++) {
                w.now += 24 * HOUR;
                run_in(&w, "c2", "/bin/date", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
                tick(&w);
        }
        CU_ASSERT_EQUAL(entry_of(&w, WEB2, "/var/log/web.log").count, 0);
        CU_ASSERT_TRUE(entry_of(&w, WEB2, "/bin/ps").count > 0);
        world_close(&w);
}

static void test_rollout(void)
{
        struct world w;
        unsigned opened;

        active(&w);
        image_is(&w, "sha256:aa", "/bin/web", "/bin/older", 1);
        image_is(&w, "sha256:bb", "/bin/web", "/bin/tool", 2);
        start_image(&w, "c2", "sha256:bb");
        opened = w.opened;
        /* A package of the new image brings it: excused, not learned. */
        run_in(&w, "c2", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_EQUAL(w.opened, opened);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.verdict, "excused by the roll-out"));
        CU_ASSERT_EQUAL(of(&w, WEB2).rollout_excused, 1);
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/tool").why, "roll-out");
        /* What it writes, too. */
        write_in(&w, "c2", "/var/lib/tool.db", S_IFREG | 0644, "/bin/tool");
        CU_ASSERT_EQUAL(w.opened, opened);
        /* But not where something is started later, and not by a session. */
        write_in(&w, "c2", "/etc/cron.d/x", S_IFREG | 0644, "/bin/tool");
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/etc/cron.d/x").why, "new");
        CU_ASSERT_EQUAL(of(&w, WEB2).rollout_excused, 2);
        opened = w.opened;
        /* No package knows that one. */
        run_in(&w, "c2", "/bin/other", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/other").why, "new");
        /* Never excused, whoever does it. */
        run_in(&w, "c2", "/tmp/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 700);
        CU_ASSERT_TRUE(w.most >= w.p.page);
        opened = w.opened;
        restored(&w);
        w.now += 2 * HOUR;
        tick(&w); /* the old image still runs */
        CU_ASSERT_TRUE(of(&w, WEB2).rollout);
        stop(&w, "c1");
        tick(&w);
        CU_ASSERT_FALSE(of(&w, WEB2).rollout);
        CU_ASSERT_EQUAL(w.opened, opened + 1); /* one item */
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "A new image of this workload (sha256:bb, before it sha256:aa) did what "
                                               "the old one did not: 2 acts"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "/bin/tool"));
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_EQUAL(w.total, w.sum);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_FILE].state, "stale");
        run_in(&w, "c2", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_EQUAL(w.opened, opened + 1); /* known to the reviewer already */
        CU_ASSERT_EQUAL(approve(&w, WEB2, entry_of(&w, WEB2, "/bin/tool").item), 0);
        run_in(&w, "c2", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        world_close(&w);
}

/* A package's program that is another one now, and never ran: its package is no reason why it should. */
static void test_rollout_changed(void)
{
        struct world w;

        active(&w);
        image_is(&w, "sha256:aa", "/bin/web", "/bin/nc", 1);
        image_is(&w, "sha256:bb", "/bin/web", "/bin/nc", 2);
        start_image(&w, "c2", "sha256:bb");
        run_in(&w, "c2", "/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/nc").why, "new");
        world_close(&w);
}

/* What an earlier roll-out excused is of the next image, too; and it is not raised when its item is closed. */
static void test_rollout_again(void)
{
        struct world w;
        unsigned opened;

        active(&w);
        image_is(&w, "sha256:aa", "/bin/web", "/bin/older", 1);
        image_is(&w, "sha256:bb", "/bin/web", "/bin/tool", 2);
        image_is(&w, "sha256:cc", "/bin/web", "/bin/tool", 2);
        start_image(&w, "c2", "sha256:bb");
        run_in(&w, "c2", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        stop(&w, "c1");
        w.now += 2 * HOUR;
        tick(&w);
        opened = w.opened;
        start_image(&w, "c3", "sha256:cc");
        run_in(&w, "c3", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_EQUAL(w.opened, opened);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.verdict, "excused by its roll-out"));
        world_close(&w);
}

/* Raised in a roll-out: what comes again is counted where it was raised, not in the item that is hidden. */
static void test_rollout_counts_apart(void)
{
        struct world w;

        active(&w);
        start_image(&w, "c2", "sha256:bb");
        run_in(&w, "c2", "/tmp/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 700);
        CU_ASSERT_TRUE(w.most >= w.p.page);
        run_in(&w, "c2", "/tmp/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 700);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        CU_ASSERT_EQUAL(w.count, 2);
        world_close(&w);
}

/* The table of findings is full: the item takes the place of another one, never of what is just raised. */
static void test_rollout_full(void)
{
        struct world w;

        world_open(&w);
        judge_free(w.j);
        w.p.max_findings = 1;
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", WEB), 0);
        start_image(&w, "c2", "sha256:bb");
        for (uint32_t i = 0; i < 20; i++) {
                char path[32];

                snprintf(path, sizeof(path), "/tmp/x%c", 'a' + (char)i);
                run_in(&w, "c2", path, LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 700 + i);
        }
        CU_ASSERT_TRUE(w.most >= w.p.page);
        world_close(&w);
}

/* What a person is shown is for that person to answer: learning again does not. */
static void test_refresh_leaves_what_is_shown(void)
{
        const struct arg hours[] = {{"seconds", "7200"}, {NULL, NULL}};
        struct world w;

        world_open(&w);
        judge_free(w.j);
        w.p.show = 10;
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", WEB), 0);
        run_in(&w, "c1", "/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.refresh", WEB, hours), 0);
        run_in(&w, "c1", "/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_TRUE(entry_of(&w, WEB, "/bin/nc").candidate);
        world_close(&w);
}

/* Below show while it starts; the same at work is worth more. */
static void test_seen_again_is_worth_more(void)
{
        struct world w;
        uint32_t first;

        active(&w);
        start_image(&w, "c2", "sha256:aa");
        w.now -= 110 * SEC; /* it is starting up */
        run_in(&w, "c2", "/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "startup="));
        first = w.confidence;
        w.now += 600 * SEC;
        run_in(&w, "c2", "/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "startup="));
        CU_ASSERT_TRUE(w.confidence > first);
        CU_ASSERT_EQUAL(w.total, w.sum);
        world_close(&w);
}

/* The new image is read only after its container has started: what waits for that is judged then. */
static void test_rollout_waits(void)
{
        struct world w;
        unsigned opened;

        active(&w);
        image_is(&w, "sha256:aa", "/bin/web", "/bin/older", 1);
        start_image(&w, "c2", "sha256:bb");
        opened = w.opened;
        run_in(&w, "c2", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.verdict, "waits"));
        run_in(&w, "c2", "/bin/other", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 302);
        run_in(&w, "c2", "/tmp/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 700); /* that never waits */
        CU_ASSERT_EQUAL(w.opened, opened + 1);
        restored(&w);
        image_is(&w, "sha256:bb", "/bin/web", "/bin/tool", 2);
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/tool").why, "roll-out");
        CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/other").why, "new");
        world_close(&w);
        /* It is never read; or the container is gone first: judged without. */
        for (int gone = 0; gone < 2; gone++) {
                active(&w);
                image_is(&w, "sha256:aa", "/bin/web", "/bin/older", 1);
                start_image(&w, "c2", "sha256:bb");
                run_in(&w, "c2", "/bin/tool", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
                CU_ASSERT_EQUAL(w.opened, 0);
                if (gone)
                        stop(&w, "c2");
                w.now += 700 * SEC;
                tick(&w);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_STRING_EQUAL(entry_of(&w, WEB2, "/bin/tool").why, "new");
                world_close(&w);
        }
}

/* The limit ends it although the old one still runs; nothing new: no item. */
static void test_rollout_limit(void)
{
        struct world w;

        active(&w);
        start_image(&w, "c2", "sha256:bb");
        w.now += 25 * HOUR;
        tick(&w);
        CU_ASSERT_FALSE(of(&w, WEB2).rollout);
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB).dim[DIM_FILE].state, "active"); /* it runs */
        world_close(&w);
}

/* Who learns goes on learning, and without a window. */
static void test_learner_goes_on(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        start_image(&w, "c2", "sha256:bb");
        CU_ASSERT_FALSE(of(&w, WEB2).rollout);
        CU_ASSERT_STRING_EQUAL(of(&w, WEB2).dim[DIM_FILE].state, "learning");
        CU_ASSERT_TRUE(of(&w, WEB2).dim[DIM_FILE].since_ns == of(&w, WEB).dim[DIM_FILE].since_ns);
        run_in(&w, "c2", "/bin/ls", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        world_close(&w);
}

/* One dimension learns still: in the window it does not. */
static void test_rollout_teaches_nothing(void)
{
        const struct arg only[] = {{"dimension", "file"}, {NULL, NULL}};
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(say(&w, false, "baseline.activate", WEB, only), 0);
        start_image(&w, "c2", "sha256:bb");
        CU_ASSERT_TRUE(of(&w, WEB2).rollout);
        run_in(&w, "c2", "/bin/ls", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_TRUE(entry_of(&w, WEB2, "/bin/ls").waiting);
        stop(&w, "c1");
        w.now += 2 * HOUR;
        tick(&w);
        run_in(&w, "c2", "/bin/ls", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_FALSE(entry_of(&w, WEB2, "/bin/ls").candidate);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"what is raised is a candidate, and an operator's word makes it known", test_candidates},
        {"what a session does is no candidate", test_session_is_apart},
        {"many at once, but never what is not learned silently", test_bulk},
        {"what is rejected is never learned", test_reject},
        {"approved is a content", test_approve_content},
        {"or what the same program writes at every start", test_approve_wrapper},
        {"waiting for a review", test_review_state},
        {"learning again for a time", test_refresh},
        {"stale, and back", test_stale},
        {"what is not seen for long is forgotten", test_expiry},
        {"a new image inherits", test_inherits},
        {"what the difference of the images explains is excused, and listed", test_rollout},
        {"a roll-out has a limit", test_rollout_limit},
        {"a roll-out waits for the image to be read", test_rollout_waits},
        {"one content a run", test_content_of_each_run},
        {"the content of what ran last", test_content_of_the_last_run},
        {"another content of what was raised", test_other_content_of_a_candidate},
        {"a content that comes too early", test_content_is_held},
        {"approved is not whatever gives rights there", test_approve_setuid},
        {"a changed package is no reason to run what never ran", test_rollout_changed},
        {"excused is excused by the next image, too", test_rollout_again},
        {"what is raised in a roll-out is counted there", test_rollout_counts_apart},
        {"a roll-out with no room for findings", test_rollout_full},
        {"learning again leaves what is shown", test_refresh_leaves_what_is_shown},
        {"seen again is worth what it is worth then", test_seen_again_is_worth_more},
        {"who learns goes on learning", test_learner_goes_on},
        {"nothing is learned in a roll-out", test_rollout_teaches_nothing},
};
UNIT_MAIN("judge_life", cases)
