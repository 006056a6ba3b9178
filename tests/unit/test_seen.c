/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of what was seen, held against a plain array of flags. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tidemark/err.h"
#include "tidemark/seen.h"

#define NUMBERS 5000u

static struct bytes key_of(const uint32_t *n)
{
        return bytes_of(n, sizeof(*n));
}

static void test_one(void)
{
        _cleanup_(seen_freep) struct seen *s = NULL;

        CU_ASSERT_EQUAL(seen_count(NULL), 0);
        CU_ASSERT_EQUAL_FATAL(seen_new(2, map_seed_random(), &s), 0);
        CU_ASSERT_EQUAL(seen_has(s, BYTES_LIT("a")), false);
        CU_ASSERT_EQUAL(seen_del(s, BYTES_LIT("a")), -ENOENT);
        CU_ASSERT_EQUAL(seen_put(s, BYTES_LIT("a")), 1);
        CU_ASSERT_EQUAL(seen_put(s, BYTES_LIT("a")), 0);
        CU_ASSERT_EQUAL(seen_put(s, BYTES_LIT("")), 1);
        CU_ASSERT_EQUAL(seen_put(s, BYTES_LIT("b")), ERR_LIMIT);
        CU_ASSERT_EQUAL(seen_put(s, BYTES_LIT("a")), 0); /* what is there is no matter of room */
        CU_ASSERT_EQUAL(seen_has(s, BYTES_LIT("b")), false);
        CU_ASSERT_EQUAL(seen_del(s, BYTES_LIT("a")), 0);
        CU_ASSERT_EQUAL(seen_put(s, BYTES_LIT("b")), 1);
        CU_ASSERT_EQUAL(seen_count(s), 2);
}

/* Grows, shrinks, closes up: at every step what is there is what should be, whatever order it came and goes in. */
static void test_many(void)
{
        _cleanup_(seen_freep) struct seen *s = NULL;
        static bool there[NUMBERS];
        size_t count = 0;

        srand(7);
        memset(there, 0, sizeof(there));
        CU_ASSERT_EQUAL_FATAL(seen_new(NUMBERS, (struct map_seed){1, 2}, &s), 0);
        for (unsigned turn = 0; turn < 200000; turn++) {
                uint32_t n = (uint32_t)rand() % NUMBERS;
                bool fill = turn / 20000 % 2 == 0; /* tides: mostly in, then mostly out */

                if (rand() % 8 == 0)
                        fill = !fill;
                if (fill) {
                        CU_ASSERT_EQUAL_FATAL(seen_put(s, key_of(&n)), there[n] ? 0 : 1);
                        count += !there[n];
                        there[n] = true;
                } else {
                        CU_ASSERT_EQUAL_FATAL(seen_del(s, key_of(&n)), there[n] ? 0 : -ENOENT);
                        count -= there[n];
                        there[n] = false;
                }
                CU_ASSERT_EQUAL_FATAL(seen_count(s), count);
        }
        for (uint32_t n = 0; n < NUMBERS; n++)
                CU_ASSERT_EQUAL_FATAL(seen_has(s, key_of(&n)), there[n]);
}

static const struct unit_case cases[] = {
        {"one", test_one},
        {"many, against an array", test_many},
};
UNIT_MAIN("seen", cases)
