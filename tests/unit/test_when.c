/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How people write times, and what a zone's clock shows: spans, dates, fixed offsets, changes of the clock. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/when-priv.h"
#include "tests/unit/unit.h"

static void test_spans(void)
{
        static const struct {
                const char *text;
                int64_t seconds; /* 0: it is none */
        } rows[] = {{"90s", 90}, {"30m", 1800}, {"2h", 7200}, {"2d", 172800}, {"1w", 604800}, {"2", 0},
                    {"d", 0},    {"2x", 0},     {"", 0},      {"2d3h", 0},    {"-2d", 0},     {"1234567d", 0}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                int64_t got = 0;

                CU_ASSERT_EQUAL(when_span(rows[i].text, &got), rows[i].seconds != 0);
                CU_ASSERT_EQUAL(got, rows[i].seconds);
        }
}

static void test_fixed(void)
{
        static const struct {
                const char *text;
                int seconds;
        } rows[] = {{"UTC", 0}, {"Z", 0}, {"+02:00", 7200}, {"+0200", 7200}, {"+02", 7200}, {"-03:30", -12600}};
        static const char *const bad[] = {"", "+15:00", "+2", "+02:60", "+02:0", "Mars/Olympus", "../../etc/passwd",
                                          "/etc/passwd", "Europe/Berlin;", "posix/../UTC"};
        struct when_offset at[4];
        struct when_zone z;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                CU_ASSERT_EQUAL(when_zone(rows[i].text, &z), 0);
                CU_ASSERT_TRUE(z.fixed);
                CU_ASSERT_EQUAL(z.seconds, rows[i].seconds);
                CU_ASSERT_EQUAL(when_offsets(&z, 1000, 2000000000, at, 4), 1);
                CU_ASSERT_EQUAL(at[0].seconds, rows[i].seconds);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CU_ASSERT_EQUAL(when_zone(bad[i], &z), -EINVAL);
}

static void test_dates(void)
{
        static const struct {
                const char *text;
                int64_t want; /* 0: it is none */
        } rows[] = {
                {"2026-01-02", 1767312000},
                {"2026-01-02 03:04", 1767323040},
                {"2026-01-02T03:04:05", 1767323045},
                {"2026-01-02T03:04:05Z", 1767323045},
                {"2h", 1000007200},
                {"2026-02-30", 0},
                {"2026-13-01", 0},
                {"2026-1-2", 0},
                {"2026-01-02 24:00", 0},
                {"2026-01-02 03", 0},
                {"tomorrow", 0},
                {"", 0},
        };
        struct when_zone utc, east;
        int64_t got;

        CU_ASSERT_EQUAL(when_zone("UTC", &utc), 0);
        CU_ASSERT_EQUAL(when_zone("+02:00", &east), 0);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                got = 0;
                CU_ASSERT_EQUAL(when_time(rows[i].text, &utc, 1000000000, &got), rows[i].want != 0);
                CU_ASSERT_EQUAL(got, rows[i].want);
        }
        CU_ASSERT_TRUE(when_time("2026-01-02 03:04", &east, 0, &got));
        CU_ASSERT_EQUAL(got, 1767323040 - 7200);
        CU_ASSERT_TRUE(when_time("2026-01-02T03:04:05Z", &east, 0, &got)); /* UTC is said */
        CU_ASSERT_EQUAL(got, 1767323045);
}

/* A zone of our own, so that the test needs none of the host's: version 1 of tzfile(5), with two changes as Berlin has
 * them in 2026, and times before 2038. */
static void put32(FILE *f, int32_t v)
{
        for (int shift = 24; shift >= 0; shift -= 8)
                fputc((int)((uint32_t)v >> shift & 0xff), f);
}

static void write_zone(const char *path)
{
        static const int32_t counts[] = {0, 0, 0, 3, 2, 8}; /* isut, isstd, leap, times, types, characters */
        static const int32_t times[] = {1761440400, 1774746000, 1792890000};
        FILE *f = fopen(path, "wb");

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        fwrite("TZif\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1, 20, f);
        for (size_t i = 0; i < 6; i++)
                put32(f, counts[i]);
        for (size_t i = 0; i < 3; i++)
                put32(f, times[i]);
        fwrite("\0\1\0", 1, 3, f);
        put32(f, 3600);
        fwrite("\0\0", 1, 2, f);
        put32(f, 7200);
        fwrite("\1\4", 1, 2, f);
        fwrite("CET\0CES\0", 1, 8, f);
        CU_ASSERT_EQUAL(fclose(f), 0);
}

static void test_named(void)
{
        char dir[] = "/tmp/tidemark-zone-XXXXXX", path[64];
        struct when_offset at[4];
        struct when_zone z;
        int64_t got;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/Test", dir);
        write_zone(path);
        setenv("TZDIR", dir, 1);
        CU_ASSERT_EQUAL(when_zone("Test", &z), 0);
        CU_ASSERT_FALSE(z.fixed);
        CU_ASSERT_EQUAL(when_offsets(&z, 1767225600, 1798761600, at, 4), 3);
        CU_ASSERT_EQUAL(at[0].from, 1767225600);
        CU_ASSERT_EQUAL(at[0].seconds, 3600);
        CU_ASSERT_EQUAL(at[1].from, 1774746000); /* to the second */
        CU_ASSERT_EQUAL(at[1].seconds, 7200);
        CU_ASSERT_EQUAL(at[2].from, 1792890000);
        CU_ASSERT_EQUAL(at[2].seconds, 3600);
        CU_ASSERT_EQUAL(when_offsets(&z, 1767225600, 1798761600, at, 2), 3); /* more than there is room for */
        CU_ASSERT_EQUAL(when_offsets(&z, 1767225600, 1767225601, at, 4), 1);
        CU_ASSERT_TRUE(when_time("2026-01-15 02:30", &z, 0, &got));
        CU_ASSERT_EQUAL(got, 1768440600);
        CU_ASSERT_TRUE(when_time("2026-07-15 02:30", &z, 0, &got));
        CU_ASSERT_EQUAL(got, 1784075400);
        CU_ASSERT_EQUAL(when_zone("None", &z), -EINVAL);
        unlink(path);
        rmdir(dir);
}

static const struct unit_case cases[] = {
        {"spans", test_spans},
        {"fixed offsets, and what is no zone", test_fixed},
        {"dates", test_dates},
        {"a named zone and its changes", test_named},
};
UNIT_MAIN("when", cases)
