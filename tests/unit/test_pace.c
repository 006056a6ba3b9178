/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pace: bursts, storms, files beside programs, and what is expected. Time is what the test says it is. */
#include "unit.h"

#include <string.h>

#include "daemon/pace.h"

#define STEP (10 * NSEC_PER_MSEC)
#define US 1000u

/* A host on which so many programs and files come a second, and what each costs the sensor. */
struct host {
        struct pace p;
        uint64_t now, cpu, records[PACE__N];
        uint64_t followed, gathered; /* programs */
        bool expected;
};

static void start(struct host *h, unsigned percent, bool runs)
{
        memset(h, 0, sizeof(*h));
        h->now = 1000 * NSEC_PER_SEC;
        pace_init(&h->p, percent, runs, h->now, h->cpu);
}

static void pass(struct host *h, uint64_t ns, unsigned runs, unsigned run_us, unsigned files, unsigned file_us)
{
        for (uint64_t end = h->now + ns; h->now < end;) {
                const bool held = h->p.hold_ns[PACE_RUNS] != 0;

                h->now += STEP;
                h->records[PACE_RUNS] += 4 * runs / 100;
                h->records[PACE_FILES] += 2 * files / 100;
                /* being woken for each is most of it */
                h->cpu +=
                        (uint64_t)(runs / 100) * run_us * US / (held ? 2 : 1) + (uint64_t)(files / 100) * file_us * US;
                *(held ? &h->gathered : &h->followed) += runs / 100;
                if (pace_due(&h->p, h->now))
                        pace_weigh(&h->p, h->now, h->cpu, h->records);
                pace_decide(&h->p, h->expected);
        }
}

static void test_burst(void)
{
        struct host h;

        start(&h, 10, true);
        for (int i = 0; i < 20; i++) {
                pass(&h, NSEC_PER_SEC, 3000, 150, 0, 0);
                pass(&h, 8 * NSEC_PER_SEC, 0, 0, 0, 0);
        }
        CU_ASSERT_EQUAL(h.gathered, 0);
        CU_ASSERT_EQUAL(h.followed, 20 * 3000);
        CU_ASSERT_EQUAL(h.p.times[PACE_RUNS], 0);
}

static void test_storm(void)
{
        struct host h;
        uint64_t used;

        start(&h, 10, true);
        pass(&h, 20 * NSEC_PER_SEC, 2000, 150, 0, 0);
        CU_ASSERT(h.gathered > 10 * 2000);
        CU_ASSERT(h.followed > 3 * 2000);
        CU_ASSERT_EQUAL(h.p.hold_ns[PACE_RUNS], PACE_RUNS_NS);
        used = h.cpu;
        pass(&h, 600 * NSEC_PER_SEC, 2000, 150, 0, 0);
        CU_ASSERT(h.cpu - used <= 600 * NSEC_PER_SEC / 100 * 16); /* gathering costs 15: no debt grows, none is paid */
        pass(&h, 4 * NSEC_PER_SEC, 0, 0, 0, 0);
        CU_ASSERT_EQUAL(h.p.hold_ns[PACE_RUNS], 0);
        CU_ASSERT_EQUAL(h.p.times[PACE_RUNS], 1);
}

/* After a long sleep the first turn knows that there is credit again. */
static void test_sleep(void)
{
        struct host h;

        start(&h, 10, true);
        pass(&h, 20 * NSEC_PER_SEC, 2000, 150, 0, 0);
        CU_ASSERT(h.p.hold_ns[PACE_RUNS] != 0);
        h.now += 1000ull * 24 * 3600 * NSEC_PER_SEC;
        CU_ASSERT(pace_due(&h.p, h.now));
        pace_weigh(&h.p, h.now, h.cpu, h.records);
        pace_decide(&h.p, false);
        CU_ASSERT_EQUAL(h.p.hold_ns[PACE_RUNS], 0);
        CU_ASSERT_EQUAL(h.p.credit_ns, (int64_t)PACE_CREDIT_NS);
}

/* A little too much for good: by turns, at the ceiling, and mostly followed. */
static void test_over(void)
{
        struct host h;

        start(&h, 10, true);
        pass(&h, 600 * NSEC_PER_SEC, 800, 150, 0, 0);
        CU_ASSERT(h.cpu < 600 * NSEC_PER_SEC / 100 * 11);
        CU_ASSERT(h.followed > h.gathered);
        CU_ASSERT(h.p.times[PACE_RUNS] > 10);
}

static void test_files(void)
{
        struct host h;

        start(&h, 10, true);
        pass(&h, 600 * NSEC_PER_SEC, 100, 150, 20000, 30);
        CU_ASSERT_EQUAL(h.gathered, 0);
        CU_ASSERT_EQUAL(h.p.hold_ns[PACE_FILES], PACE_WINDOW_NS);
        pass(&h, NSEC_PER_SEC, 100, 150, 0, 0);
        CU_ASSERT_EQUAL(h.p.hold_ns[PACE_FILES], 0);
        CU_ASSERT_EQUAL(h.p.times[PACE_FILES], 1);
}

static void test_expected(void)
{
        struct host h;
        uint64_t before;

        start(&h, 10, true);
        pass(&h, 60 * NSEC_PER_SEC, 2000, 150, 0, 0);
        CU_ASSERT(h.p.hold_ns[PACE_RUNS] != 0);
        before = h.followed;
        h.expected = true;
        pace_decide(&h.p, true);
        CU_ASSERT_EQUAL(h.p.hold_ns[PACE_RUNS], 0);
        pass(&h, NSEC_PER_SEC, 2000, 150, 0, 0);
        CU_ASSERT_EQUAL(h.followed - before, 2000);
        pass(&h, 600 * NSEC_PER_SEC, 2000, 150, 0, 0); /* who is expected all the time is so on credit */
        CU_ASSERT(h.gathered > 500 * 2000);
        CU_ASSERT(h.p.credit_ns >= -(int64_t)PACE_CREDIT_NS);
}

static void test_never(void)
{
        struct host h;

        start(&h, 10, false);
        pass(&h, 60 * NSEC_PER_SEC, 5000, 150, 0, 0);
        CU_ASSERT_EQUAL(h.gathered, 0);
        start(&h, 100, true);
        CU_ASSERT(!pace_due(&h.p, h.now + NSEC_PER_SEC));
        pass(&h, 60 * NSEC_PER_SEC, 5000, 300, 5000, 100);
        CU_ASSERT(h.gathered == 0 && h.p.hold_ns[PACE_FILES] == 0);
}

static const struct unit_case cases[] = {
        {"a burst is followed at once", test_burst},
        {"a storm that lasts is gathered", test_storm},
        {"a long sleep pays every debt", test_sleep},
        {"a little too much for good", test_over},
        {"files do not make programs wait", test_files},
        {"what is expected is followed, on credit", test_expected},
        {"without openings, and without a ceiling", test_never},
};
UNIT_MAIN("pace", cases)
