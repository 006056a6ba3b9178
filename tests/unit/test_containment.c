/* SPDX-License-Identifier: GPL-2.0-or-later */
/* containment: what a policy may do, when rules are made again, when it ends, and what is said before. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "daemon/containment.h"
#include "tidemark/buf.h"

#define S NSEC_PER_SEC

static void test_may(void)
{
        static const struct {
                struct containment_ask a;
                enum containment_grant g;
        } rows[] = {
                {{CONTAINMENT_ON, true, false, false, 1}, CONTAINMENT_GRANTED},
                {{CONTAINMENT_DRY_RUN, true, false, false, 1}, CONTAINMENT_WOULD},
                {{CONTAINMENT_OFF, true, false, false, 1}, CONTAINMENT_IS_OFF},
                {{CONTAINMENT_ON, false, false, false, 1}, CONTAINMENT_NONE},
                {{CONTAINMENT_ON, true, true, false, 1}, CONTAINMENT_SHARED},
                {{CONTAINMENT_DRY_RUN, true, true, false, 1}, CONTAINMENT_SHARED},
                {{CONTAINMENT_ON, true, false, true, 1}, CONTAINMENT_ALREADY},
        };
        char words[200];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct containment_rate r = {.n = 0};

                CU_ASSERT_EQUAL(containment_may(&rows[i].a, &r, 5 * S), rows[i].g);
                containment_grant_words(rows[i].g, 1, words, sizeof(words));
                CU_ASSERT(words[0] != '\0');
        }
        CU_ASSERT_EQUAL(containment_auto_of("on"), CONTAINMENT_ON);
        CU_ASSERT_EQUAL(containment_auto_of("dry-run"), CONTAINMENT_DRY_RUN);
        CU_ASSERT_EQUAL(containment_auto_of("off"), CONTAINMENT_OFF);
        CU_ASSERT_EQUAL(containment_auto_of("On"), CONTAINMENT_OFF); /* what is not understood allows nothing */
}

/* A rule that pages for a fleet at once. */
static void test_fleet(void)
{
        struct containment_ask a = {CONTAINMENT_ON, true, false, false, 3};
        struct containment_rate r = {.n = 0};
        unsigned granted = 0, refused = 0;
        char words[200];

        for (int i = 0; i < 10; i++) {
                enum containment_grant g = containment_may(&a, &r, (uint64_t)(100 + i) * S);

                granted += g == CONTAINMENT_GRANTED;
                refused += g == CONTAINMENT_TOO_MANY;
                if (g == CONTAINMENT_GRANTED)
                        containment_count(&r, (uint64_t)(100 + i) * S, (uint64_t)(100 + i) * S);
        }
        CU_ASSERT_EQUAL(granted, 3);
        CU_ASSERT_EQUAL(refused, 7);
        CU_ASSERT_EQUAL(r.refused, 7);
        containment_grant_words(CONTAINMENT_TOO_MANY, 3, words, sizeof(words));
        CU_ASSERT(strstr(words, "3 containers were isolated") != NULL && strstr(words, "contain.per_hour") != NULL);
        /* an hour after the first one there is room for one */
        CU_ASSERT_EQUAL(containment_may(&a, &r, 3699 * S), CONTAINMENT_TOO_MANY);
        CU_ASSERT_EQUAL(containment_may(&a, &r, 3700 * S), CONTAINMENT_GRANTED);
        containment_count(&r, 3700 * S, 3700 * S);
        CU_ASSERT_EQUAL(containment_may(&a, &r, 3700 * S), CONTAINMENT_TOO_MANY);
}

/* What earlier lives of the agent did counts, in whatever order it is read. */
static void test_counted(void)
{
        struct containment_rate r = {.n = 0};

        containment_count(&r, 5000 * S, 6000 * S);
        containment_count(&r, 4000 * S, 6000 * S);
        containment_count(&r, 5500 * S, 6000 * S);
        CU_ASSERT_EQUAL(r.at_ns[0], 4000 * S);
        CU_ASSERT_EQUAL(r.at_ns[2], 5500 * S);
        CU_ASSERT_EQUAL(containment_recent(&r, 7600 * S), 2);
        CU_ASSERT_EQUAL(containment_recent(&r, 9100 * S), 0);
        containment_count(&r, 9200 * S, 9100 * S); /* ahead of the clock: not forgotten for that */
        CU_ASSERT_EQUAL(containment_recent(&r, 9100 * S), 1);
        for (unsigned i = 0; i < 3 * CONTAINMENT_PER_HOUR; i++)
                containment_count(&r, (10000 + i) * S, (10000 + i) * S);
        CU_ASSERT_EQUAL(containment_recent(&r, (10000 + 3 * CONTAINMENT_PER_HOUR) * S), CONTAINMENT_PER_HOUR);
        CU_ASSERT_EQUAL(r.at_ns[CONTAINMENT_PER_HOUR - 1], (10000 + 3 * CONTAINMENT_PER_HOUR - 1) * S);
}

static void test_mend(void)
{
        struct containment_again a = {.n = 0};

        CU_ASSERT_EQUAL(containment_mend(&a, 4, 10 * S), CONTAINMENT_MEND);
        CU_ASSERT_EQUAL(containment_mend(&a, 4, 11 * S), CONTAINMENT_MEND);
        CU_ASSERT_EQUAL(containment_mend(&a, 4, 12 * S), CONTAINMENT_MEND_TELL); /* no accident any more; said once */
        CU_ASSERT_EQUAL(containment_mend(&a, 4, 13 * S), CONTAINMENT_MEND);
        CU_ASSERT_EQUAL(containment_mend(&a, 4, 14 * S), CONTAINMENT_MEND_LATER);
        CU_ASSERT_EQUAL(containment_mend_at(&a), 70 * S);
        CU_ASSERT_EQUAL(containment_mend(&a, 4, 70 * S), CONTAINMENT_MEND);
        CU_ASSERT_EQUAL(a.n, 1);
        CU_ASSERT_EQUAL(a.total, 6);
        /* now and then is no purpose */
        memset(&a, 0, sizeof(a));
        for (unsigned i = 0; i < 10; i++)
                CU_ASSERT_EQUAL(containment_mend(&a, 4, i * 61 * S), CONTAINMENT_MEND);
}

static void test_until(void)
{
        static const char *const wrong[] = {"", "0", "-1", "1h", "99999999999", "315360001", "1 ", "0x10"};
        uint64_t until = 7;

        CU_ASSERT_EQUAL(containment_until(BYTES_LIT("60"), 5 * S, &until), 0);
        CU_ASSERT_EQUAL(until, 65 * S);
        CU_ASSERT_FALSE(containment_expired(until, 65 * S - 1));
        CU_ASSERT_TRUE(containment_expired(until, 65 * S));
        CU_ASSERT_FALSE(containment_expired(0, UINT64_MAX));
        until = 7;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                CU_ASSERT_EQUAL(containment_until(bytes_str(wrong[i]), 5 * S, &until), -EINVAL);
        CU_ASSERT_EQUAL(until, 7);
}

/* ---- words ---- */

static bool says(void (*say)(const struct containment_facts *, struct buf *), const struct containment_facts *f,
                 const char *text)
{
        _cleanup_buf_ struct buf b;
        bool found, closed;

        buf_init(&b, 16384);
        say(f, &b);
        CU_ASSERT_EQUAL(b.err, 0);
        closed = b.len > 0 && b.p[b.len - 1] == '\n';
        CU_ASSERT(closed);
        found = strstr(buf_cstr(&b), text) != NULL;
        return found;
}

static void test_say(void)
{
        struct containment_facts f = {
                .name = BYTES_LIT("web"), .peer = BYTES_LIT("veth12"), .ingress = true, .egress = true};

        CU_ASSERT(says(containment_say_isolate, &f, "outside of it at veth12, both ways"));
        CU_ASSERT(says(containment_say_isolate, &f, "restart policy is not known"));
        CU_ASSERT_FALSE(says(containment_say_isolate, &f, "share"));
        CU_ASSERT_FALSE(says(containment_say_isolate, &f, "stay reachable"));
        f.cgroup = true;
        CU_ASSERT(says(containment_say_isolate, &f, "by its cgroup, and nothing of the host"));
        f.cgroup = f.egress = false;
        CU_ASSERT(says(containment_say_isolate, &f, "for what comes out of it"));
        f.peer = bytes_of(NULL, 0);
        f.why_not = BYTES_LIT("its device is a macvlan");
        CU_ASSERT(says(containment_say_isolate, &f,
                       "network namespace alone, because its device is a macvlan: a container with CAP_NET_ADMIN could "
                       "undo it."));
        f.net_admin = true;
        CU_ASSERT(says(containment_say_isolate, &f, "THIS ONE HAS IT"));
        f.mates[0] = BYTES_LIT("side\ncar");
        f.mates[1] = BYTES_LIT("log");
        f.nmates = 2;
        f.mates_more = 3;
        CU_ASSERT(says(containment_say_isolate, &f, "cut off with it: side\\ncar, log and 3 more."));
        f.others = 1;
        CU_ASSERT(says(containment_say_isolate, &f, "1 process of this host that is in no container uses its network"));
        f.elsewhere = 2;
        CU_ASSERT(says(containment_say_isolate, &f, "2 of its processes are in other network namespaces"));
        f.in_host = true;
        CU_ASSERT(says(containment_say_isolate, &f, "THEY ARE NOT CUT OFF"));
        f.nallow = 1;
        f.allow = BYTES_LIT("10.0.0.7");
        CU_ASSERT(says(containment_say_isolate, &f, "stay reachable: 10.0.0.7."));
        f.health = bytes_of("curl\0-f\0http://db", 17);
        f.unhealthy = BYTES_LIT("restart");
        CU_ASSERT(says(containment_say_isolate, &f, "(curl -f http://db) runs inside"));
        CU_ASSERT(says(containment_say_isolate, &f, "its runtime will restart it"));
        f.restart = BYTES_LIT("always");
        CU_ASSERT(says(containment_say_isolate, &f, "Restart policy always: if it ends it comes again, and is held"));
        CU_ASSERT(says(containment_say_isolate, &f, "replaces it (new, of the same workload) is not isolated"));
        f.restart = BYTES_LIT("no");
        CU_ASSERT(says(containment_say_isolate, &f, "Restart policy no"));
        f.kube = true;
        CU_ASSERT(says(containment_say_isolate, &f, "kubelet's probes over the network will fail"));
        f.keep_probes = true;
        CU_ASSERT_FALSE(says(containment_say_isolate, &f, "will fail:"));
        CU_ASSERT(says(containment_say_isolate, &f, "keeps a way in"));
}

static void test_say_kill(void)
{
        struct containment_facts f = {.name = BYTES_LIT("web"), .restart = BYTES_LIT("no")};

        CU_ASSERT(says(containment_say_kill, &f, "Its write layer stays"));
        CU_ASSERT_FALSE(says(containment_say_kill, &f, "start it again"));
        f.removed = true;
        CU_ASSERT(says(containment_say_kill, &f, "made with --rm"));
        f.restart = BYTES_LIT("on-failure");
        CU_ASSERT(says(containment_say_kill, &f, "will start it again (it ends by a signal)"));
        f.restart = bytes_of(NULL, 0);
        CU_ASSERT(says(containment_say_kill, &f, "may come again"));
        f.kube = true;
        CU_ASSERT(says(containment_say_kill, &f, "kubelet will start a new container"));
        CU_ASSERT(says(containment_say_host, &f, "would cut off the host"));
}

/* Names and commands of any length and kind cost no more than their share. */
static void test_say_long(void)
{
        static uint8_t junk[4096];
        struct containment_facts f = {.name = bytes_of(junk, sizeof(junk)),
                                      .health = bytes_of(junk, sizeof(junk)),
                                      .nmates = CONTAINMENT_MATES};
        _cleanup_buf_ struct buf b;

        memset(junk, 0xff, sizeof(junk));
        for (size_t i = 0; i < CONTAINMENT_MATES; i++)
                f.mates[i] = bytes_of(junk, sizeof(junk));
        buf_init(&b, 16384);
        containment_say_isolate(&f, &b);
        CU_ASSERT_EQUAL(b.err, 0);
        CU_ASSERT(b.len < 8192);
}

static const struct unit_case cases[] = {
        {"what a policy may do", test_may},
        {"a rule that pages for a fleet isolates contain.per_hour of it", test_fleet},
        {"the hour is counted over lives of the agent", test_counted},
        {"rules that are removed are made again, at a bounded rate", test_mend},
        {"the end of a containment", test_until},
        {"what isolating will do, in words", test_say},
        {"what killing will do, in words", test_say_kill},
        {"names and commands that were chosen", test_say_long},
};
UNIT_MAIN("containment", cases)
