/* SPDX-License-Identifier: GPL-2.0-or-later */
/* visit: health checks and schedules. Time is what the test says it is. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/clock.h"
#include "trace/visit-priv.h"

#define SEC NSEC_PER_SEC
#define ARGS(s) bytes_of(s, sizeof(s) - 1)

static bool run(struct visits **v, const char *command, uint64_t ns)
{
        return visits_run(v, bytes_str(command), BYTES_LIT("/bin/program"), ns);
}

static void test_health(void)
{
        struct visits *v = NULL;

        CU_ASSERT(!visits_is_health(v, ARGS("/bin/sh\0-c\0true")));
        CU_ASSERT(visits_set_health(&v, ARGS("sh\0-c\0true")) == 0);
        CU_ASSERT(visits_is_health(v, ARGS("/bin/sh\0-c\0true")));
        CU_ASSERT(visits_is_health(v, ARGS("sh\0-c\0true")));
        CU_ASSERT(!visits_is_health(v, ARGS("sh\0-c\0true\0more")));
        CU_ASSERT(!visits_is_health(v, ARGS("sh\0-c\0/tru")));
        CU_ASSERT(!visits_is_health(v, ARGS("bash\0-c\0true")));
        CU_ASSERT(!visits_is_health(v, ARGS("sh")));
        CU_ASSERT(!visits_is_health(v, ARGS("")));
        CU_ASSERT(visits_set_health(&v, ARGS("")) == 0);
        CU_ASSERT(!visits_is_health(v, ARGS("")));
        visits_free(v);
}

static void test_schedule(void)
{
        struct visits *v = NULL;
        uint64_t t = 1000 * SEC;

        for (unsigned i = 1; i < VISIT_RUNS; i++, t += 10 * SEC)
                CU_ASSERT(!run(&v, "ok", t));
        CU_ASSERT(run(&v, "ok", t));
        CU_ASSERT(run(&v, "ok", t + 11 * SEC));
        CU_ASSERT(run(&v, "ok", t + 31 * SEC)); /* one was left out */
        CU_ASSERT(!run(&v, "ok", t + 35 * SEC)); /* somebody else's */
        CU_ASSERT(run(&v, "ok", t + 41 * SEC));
        CU_ASSERT(!visits_run(&v, BYTES_LIT("ok"), BYTES_LIT("/bin/other"), t + 51 * SEC));
        visits_free(v);
}

static void test_no_schedule(void)
{
        static const unsigned irregular[] = {0, 10, 12, 30, 31, 60, 90, 91, 150, 155, 200, 300, 303};
        struct visits *v = NULL;

        for (size_t i = 0; i < sizeof(irregular) / sizeof(irregular[0]); i++)
                CU_ASSERT(!run(&v, "by hand", (1000 + irregular[i]) * SEC));
        for (uint64_t i = 0; i < 50; i++) /* a loop is no schedule */
                CU_ASSERT(!run(&v, "loop", 5000 * SEC + i * 50 * NSEC_PER_MSEC));
        for (uint64_t i = 0; i < 10; i++) /* nor once a day */
                CU_ASSERT(!run(&v, "daily", i * 86400 * SEC));
        CU_ASSERT(!run(&v, "back", 9000 * SEC));
        for (int i = 0; i < 20; i++) /* a clock that stands */
                CU_ASSERT(!run(&v, "back", 8000 * SEC));
        visits_free(v);
}

/* Two in a row beside it leave the schedule; a third makes it begin anew. */
static void test_astray(void)
{
        struct visits *v = NULL;
        uint64_t t = 1000 * SEC;

        for (unsigned i = 0; i < VISIT_RUNS; i++, t += 10 * SEC)
                (void)run(&v, "ok", t);
        t -= 10 * SEC;
        CU_ASSERT(!run(&v, "ok", t + SEC) && !run(&v, "ok", t + 2 * SEC));
        CU_ASSERT(run(&v, "ok", t + 10 * SEC));
        t += 10 * SEC;
        CU_ASSERT(!run(&v, "ok", t + SEC) && !run(&v, "ok", t + 2 * SEC) && !run(&v, "ok", t + 3 * SEC));
        CU_ASSERT(!run(&v, "ok", t + 10 * SEC));
        visits_free(v);
}

/* More commands than are kept: the one that was not run for the longest goes. */
static void test_limit(void)
{
        struct visits *v = NULL;
        uint64_t t = 1000 * SEC;
        char name[16];

        for (unsigned i = 0; i < VISIT_RUNS; i++, t += 10 * SEC)
                (void)run(&v, "ok", t);
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(name, sizeof(name), "n%u", i);
                CU_ASSERT(!run(&v, name, t - 5 * SEC + i));
        }
        CU_ASSERT(!run(&v, "ok", t)); /* it has gone: learned anew */
        visits_free(v);
}

static void test_shared(void)
{
        struct visit *a = visit_new(7, 2), *b = visit_ref(a);

        CU_ASSERT_PTR_NOT_NULL_FATAL(a);
        CU_ASSERT(b == a && a->refs == 2 && a->pid == 7 && a->origin == 2 && !a->settled);
        CU_ASSERT_PTR_NULL(visit_unref(a));
        CU_ASSERT(b->refs == 1);
        visit_unref(b);
        CU_ASSERT_PTR_NULL(visit_unref(NULL));
        CU_ASSERT_PTR_NULL(visit_ref(NULL));
}

static const struct unit_case cases[] = {
        {"the health check's command", test_health},
        {"a schedule", test_schedule},
        {"what is no schedule", test_no_schedule},
        {"runs beside a schedule", test_astray},
        {"more commands than are kept", test_limit},
        {"one session of many processes", test_shared},
};
UNIT_MAIN("visit", cases)
