/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deeds as the judge sees them: facts of findings, what stands of a containment, and the one item of what happens
 * around an isolation. */
#include "tests/unit/judge_world.h"

#include "tidemark/finding.h"

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"
#define ID3 "3333333333333333333333333333333333333333333333333333333333333333"

static void done(struct world *w, const char *id, enum tide_deed deed, enum tide_deed_state state,
                 enum tide_done_what what)
{
        struct tide_event ev = {.kind = TIDE_DONE, .container = bytes_str(id)};

        ev.done.deed = (uint8_t)deed;
        ev.done.state = (uint8_t)state;
        ev.done.last = 1;
        ev.done.what = (uint8_t)what;
        ev.done.words = BYTES_LIT("words");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* A second life of the judge, from what the first one saved. */
static void next_life(struct world *w)
{
        struct bytes key;
        void *value;

        judge_free(w->j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &ops, w, &w->j), 0);
        for (size_t i = 0; map_next(w->pieces, &i, &key, &value);)
                CU_ASSERT_EQUAL(judge_restore(w->j, (enum judge_piece)key.p[0], bytes_of(key.p + 1, key.len - 1),
                                              str_get(value)),
                                0);
}

static void test_replaced(void)
{
        struct world w;
        uint64_t id;

        world_open(&w);
        start_as(&w, ID1, "web", false);
        done(&w, ID1, DEED_ISOLATE, DEED_DONE, DONE_PLAIN);
        CU_ASSERT_EQUAL(w.opened, 0); /* that it was done is no item */
        start_as(&w, ID3, "other", false);
        CU_ASSERT_EQUAL(w.opened, 0);
        next_life(&w);
        start_as(&w, ID2, "web", false);
        CU_ASSERT_EQUAL_FATAL(w.opened, 1);
        CU_ASSERT(strstr(w.story,
                         "1 new container of it came since, in its place and not isolated: web (222222222222)") !=
                  NULL);
        CU_ASSERT(strstr(w.factors, "containment=24") != NULL);
        CU_ASSERT_EQUAL(w.total, w.sum);
        id = w.last_id;
        /* One item, however many come; it says so of each. */
        next_life(&w);
        start_as(&w, "4444444444444444444444444444444444444444444444444444444444444444", "web", false);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.last_id, id);
        CU_ASSERT_EQUAL(w.count, 2);
        CU_ASSERT(strstr(w.story, "2 new containers") != NULL && strstr(w.story, "444444444444") != NULL);
        world_close(&w);
}

/* The same container again is none in its place; nor what comes after the release, or much later, or was there. */
static void test_not_replaced(void)
{
        struct world w;
        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT(ID1)};

        world_open(&w);
        start_as(&w, ID1, "web", false);
        done(&w, ID1, DEED_ISOLATE, DEED_DONE, DONE_PLAIN);
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        start_as(&w, ID1, "web", false);
        CU_ASSERT_EQUAL(w.opened, 0);
        start_as(&w, ID3, "web", true); /* found running */
        CU_ASSERT_EQUAL(w.opened, 0);
        done(&w, ID1, DEED_RELEASE, DEED_CHANGED, DONE_PLAIN);
        start_as(&w, ID2, "web", false);
        CU_ASSERT_EQUAL(w.opened, 0);
        done(&w, ID1, DEED_ISOLATE, DEED_REFUSED, DONE_PLAIN);
        done(&w, ID1, DEED_ISOLATE, DEED_FAILED, DONE_PLAIN);
        start_as(&w, "4444444444444444444444444444444444444444444444444444444444444444", "web", false);
        CU_ASSERT_EQUAL(w.opened, 0);
        done(&w, ID1, DEED_ISOLATE, DEED_DONE, DONE_PLAIN);
        w.now += 25 * HOUR;
        start_as(&w, "5555555555555555555555555555555555555555555555555555555555555555", "web", false);
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
}

static void test_tampered(void)
{
        struct world w;

        world_open(&w);
        start_as(&w, ID1, "web", false);
        done(&w, ID1, DEED_ISOLATE, DEED_DONE, DONE_PLAIN);
        done(&w, ID1, DEED_ISOLATE, DEED_CHANGED, DONE_PLAIN); /* once is no item */
        CU_ASSERT_EQUAL(w.opened, 0);
        done(&w, ID1, DEED_ISOLATE, DEED_CHANGED, DONE_REMOVED_AGAIN);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT(strstr(w.story, "removed again and again") != NULL);
        done(&w, ID1, DEED_ISOLATE, DEED_CHANGED, DONE_REMOVED_AGAIN);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* ---- what stands ---- */

static void add(struct finding *f, const char *id, enum tide_deed deed, enum tide_deed_state state)
{
        struct tide_event ev = {.kind = TIDE_DONE, .container = bytes_str(id)};

        ev.done.deed = (uint8_t)deed;
        ev.done.state = (uint8_t)state;
        CU_ASSERT_EQUAL(finding_deed_add(f, &ev), 0);
}

static void test_stands(void)
{
        static const struct {
                enum tide_deed deed;
                enum tide_deed_state state;
                enum finding_contained is; /* after it */
        } rows[] = {
                {DEED_CAPTURE, DEED_DONE, CONTAINED_NO},         {DEED_ISOLATE, DEED_BEGAN, CONTAINED_NO},
                {DEED_ISOLATE, DEED_REFUSED, CONTAINED_REFUSED}, {DEED_ISOLATE, DEED_DONE, CONTAINED_YES},
                {DEED_ISOLATE, DEED_REFUSED, CONTAINED_YES},     {DEED_ISOLATE, DEED_FAILED, CONTAINED_FAILED},
                {DEED_ISOLATE, DEED_CHANGED, CONTAINED_YES},     {DEED_RELEASE, DEED_FAILED, CONTAINED_YES},
                {DEED_RELEASE, DEED_DONE, CONTAINED_RELEASED},   {DEED_KILL, DEED_FAILED, CONTAINED_RELEASED},
                {DEED_KILL, DEED_DONE, CONTAINED_KILLED},
        };
        struct finding *f = finding_new();

        CU_ASSERT_EQUAL(finding_contained(f), CONTAINED_NO);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                add(f, ID1, rows[i].deed, rows[i].state);
                CU_ASSERT_EQUAL(finding_contained(f), rows[i].is);
        }
        add(f, ID2, DEED_ISOLATE, DEED_DONE); /* of several the one that is furthest */
        CU_ASSERT_EQUAL(finding_contained(f), CONTAINED_YES);
        CU_ASSERT_EQUAL(finding_contained_container(f, 0), CONTAINED_KILLED);
        CU_ASSERT_EQUAL(finding_contained_container(f, f->ndeeds - 1), CONTAINED_YES);
        finding_free(f);
}

static void on_news(const struct finding *f, unsigned news, void *arg)
{
        struct world *w = arg;

        (void)f;
        w->nsignals = (uint32_t)news;
}

/* A finding of a container that is isolated is news, once each time. */
static void test_news(void)
{
        static const struct judge_ops with_news = {
                .save = on_save, .finding = on_finding, .verdict = on_verdict, .news = on_news};
        struct world w;

        world_open(&w);
        judge_free(w.j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &with_news, &w, &w.j), 0);
        start_as(&w, ID1, "web", false);
        done(&w, ID1, DEED_ISOLATE, DEED_DONE, DONE_PLAIN);
        start_as(&w, ID2, "web", false);
        CU_ASSERT(w.nsignals & NEWS_OPENED);
        CU_ASSERT_FALSE(w.nsignals & NEWS_CONTAINED);
        done(&w, ID2, DEED_ISOLATE, DEED_DONE, DONE_PLAIN); /* the one in its place is of the item */
        CU_ASSERT(w.nsignals & NEWS_CONTAINED);
        w.nsignals = 0;
        done(&w, ID2, DEED_ISOLATE, DEED_CHANGED, DONE_PLAIN);
        CU_ASSERT_FALSE(w.nsignals & NEWS_CONTAINED);
        done(&w, ID2, DEED_RELEASE, DEED_DONE, DONE_PLAIN);
        w.nsignals = 0;
        done(&w, ID2, DEED_ISOLATE, DEED_DONE, DONE_PLAIN);
        CU_ASSERT(w.nsignals & NEWS_CONTAINED);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"a container that replaces an isolated one is one item, over restarts", test_replaced},
        {"what replaces nothing", test_not_replaced},
        {"rules that are removed again and again are an item", test_tampered},
        {"what stands of a containment is the last word on it", test_stands},
        {"that it was contained is news once each time", test_news},
};
UNIT_MAIN("deeds", cases)
