/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording with rules and without: which findings are left, whatever their numbers are there. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "case/tune-priv.h"
#include "tests/unit/pipeline_world.h"
#include "tidemark/record.h"
#include "tidemark/tune.h"

#define HOUR (3600 * SEC)

static char file[64], learned[64];

static void decide(struct pipeline *p, const char *verb, const char *target, const char *key, const char *value)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .decision = {.verb = bytes_str(verb)}};
        _cleanup_buf_ struct buf args;

        buf_init(&args, 4096);
        if (key) {
                tide_list_put(&args, bytes_str(key), bytes_str(value));
                tide_list_put(&args, BYTES_LIT("close"), BYTES_LIT("true"));
        }
        ev.decision.target = bytes_str(target);
        ev.decision.args = buf_bytes(&args);
        give(p, &ev);
}

/* A program of the write layer: nobody doubts that it is shown. Each in an hour of its own. */
static void run(struct pipeline *p, const char *path)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .sources = SRC_PROC, .container = BYTES_LIT("c1")};

        now += 3 * HOUR;
        ev.exec.actor =
                (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE, .pid = (uint32_t)(now / HOUR), .start = now};
        ev.exec.actor.origin = ORIGIN_ENTRYPOINT;
        ev.exec.actor.exe = ev.exec.program = bytes_str(path);
        ev.exec.caller = BYTES_LIT("/bin/sh");
        ev.exec.program_layer = LAYER_WRITE;
        ev.exec.program_change = CHANGE_ADDED;
        ev.exec.mode = S_IFREG | 0755;
        give(p, &ev);
}

static struct record_writer *writer(char name[64])
{
        struct record_writer *w = NULL;

        strcpy(name, "/tmp/tidemark-tune-XXXXXX");
        CU_ASSERT_EQUAL_FATAL(record_writer_new(mkstemp(name), &w), 0);
        return w;
}

/* F-1 is of /opt/x, F-2 of /opt/y, F-3 of /opt/y again, since F-2 was closed; F-4 of /opt/z. */
static void record_all(struct pipeline *p)
{
        run(p, "/opt/x");
        run(p, "/opt/y");
        decide(p, "triage", "F-2", "verdict", "benign");
        run(p, "/opt/y");
        run(p, "/opt/z");
}

/* base: learned goes into a recording of its own. */
static void make_recording(bool base)
{
        struct pipeline *p = make(NULL);
        struct record_writer *w;

        now = SEC;
        start(p);
        decide(p, "baseline.activate", "web@", NULL, NULL);
        if (base) {
                w = writer(learned);
                CU_ASSERT_EQUAL(pipeline_record(p, RECORDER_RING, w, BYTES_LIT("the configuration"), 7), 0);
                pipeline_record_end(p, RECORDER_RING);
                CU_ASSERT_EQUAL(record_writer_close(w), 0);
        }
        w = writer(file);
        CU_ASSERT_EQUAL(pipeline_record(p, RECORDER_FILE, w, BYTES_LIT("the configuration"), 7), 0);
        record_all(p);
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        pipeline_free(p);
}

#define RULES 4
static int play(const struct tune_setup *s, const char *const *texts, bool anybody, bool base, struct tune_played *ret)
{
        json_t *rules[RULES] = {NULL};
        struct tune_play t = {.fd = open(file, O_RDONLY),
                              .learned_fd = base ? open(learned, O_RDONLY) : -1,
                              .rules = (const json_t *const *)rules,
                              .anybody = anybody,
                              .as_json = true};
        int r;

        for (; t.n < RULES && texts[t.n]; t.n++)
                rules[t.n] = json_loads(texts[t.n], 0, NULL);
        memset(ret, 0, sizeof(*ret));
        r = tune_play(&t, s, ret);
        for (size_t i = 0; i < t.n; i++)
                json_decref(rules[i]);
        close(t.fd);
        if (base)
                close(t.learned_fd);
        return r;
}

static const struct tune_setup setup = {.make_params = make_params};

static void test_left(void)
{
        static const char *const rules[] = {"{\"workload\": \"web\", \"path\": \"/opt/x\"}",
                                            "{\"workload\": \"web\", \"path\": \"/opt/y\"}",
                                            "{\"workload\": \"web\", \"path\": \"/opt/*\"}", /* none over programs */
                                            "{\"workload\": \"other\", \"path\": \"/opt/x\"}"};
        static const bool left[4][RULES] = {{false, true, true, true},
                                            {true, false, true, true},
                                            {true, false, true, true},
                                            {true, true, true, true}};
        struct tune_played out;

        for (int base = 0; base < 2; base++) {
                make_recording(base);
                CU_ASSERT_EQUAL(play(&setup, rules, false, base, &out), 0);
                CU_ASSERT_EQUAL_FATAL(out.n, 4);
                CU_ASSERT_EQUAL(out.from_ns, 7);
                for (size_t i = 0; i < 4; i++) {
                        CU_ASSERT_EQUAL(out.found[i].id, i + 1);
                        CU_ASSERT_EQUAL(memcmp(out.found[i].left, left[i], sizeof(left[i])), 0);
                }
                CU_ASSERT_PTR_NULL(out.found[1].as_json); /* closed */
                CU_ASSERT_TRUE(tune_covers(NULL, out.found[0].as_json) == false);
                CU_ASSERT_STRING_EQUAL(tune_text(out.found[3].as_json, "id"), "F-4");
                tune_played_release(&out);
                CU_ASSERT_EQUAL(play(&setup, rules, true, base, &out), 0); /* whatever workload they say */
                CU_ASSERT_FALSE(out.found[0].left[3]);
                CU_ASSERT_TRUE(out.found[1].left[3]);
                tune_played_release(&out);
                unlink(file);
        }
        unlink(learned);
}

/* A rule that the judge does not take changes nothing, and says why. */
static void test_refused(void)
{
        static const char *const rules[] = {"{\"workload\": \"web\"}", "{\"path\": \"/opt/x\"}", NULL};
        struct tune_played out;

        make_recording(false);
        CU_ASSERT_EQUAL(play(&setup, rules, false, false, &out), 0);
        CU_ASSERT_TRUE(out.refused[0][0] != '\0');
        CU_ASSERT_TRUE(out.refused[1][0] == '\0');
        CU_ASSERT_EQUAL_FATAL(out.n, 4);
        CU_ASSERT_TRUE(out.found[0].left[0]);
        CU_ASSERT_FALSE(out.found[0].left[1]);
        tune_played_release(&out);
        unlink(file);
}

static bool at_once(void *arg)
{
        (void)arg;
        return true;
}

static void test_ends(void)
{
        static const char *const rules[] = {"{\"path\": \"/opt/x\"}", NULL};
        struct tune_setup late = {.make_params = make_params, .late = at_once};
        struct tune_played out;
        int fd;

        make_recording(false);
        fd = open(file, O_RDWR);
        CU_ASSERT_EQUAL(ftruncate(fd, lseek(fd, 0, SEEK_END) - 10), 0); /* within its last record */
        CU_ASSERT_EQUAL(play(&setup, rules, false, false, &out), 0);
        CU_ASSERT_TRUE(out.cut);
        CU_ASSERT_EQUAL(out.n, 4);
        tune_played_release(&out);
        CU_ASSERT_EQUAL(play(&late, rules, false, false, &out), 0);
        CU_ASSERT_TRUE(out.late);
        tune_played_release(&out);
        CU_ASSERT_EQUAL(ftruncate(fd, 5), 0);
        CU_ASSERT_TRUE(play(&setup, rules, false, false, &out) < 0);
        CU_ASSERT_EQUAL(out.n, 0);
        tune_played_release(&out);
        close(fd);
        unlink(file);
}

static const struct unit_case cases[] = {
        {"what is left with a rule", test_left},
        {"a rule that is refused", test_refused},
        {"a recording that was cut, and one that takes too long", test_ends},
};
UNIT_MAIN("tune_replay", cases)
