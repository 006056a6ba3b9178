/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patterns: what they fit, what is wrong with them, that no text takes long, and that what is quoted means itself. */
#include "unit.h"

#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/pattern.h"

static void test_paths(void)
{
        static const struct {
                const char *pattern, *text;
                bool fits;
        } rows[] = {
                {"/srv/data", "/srv/data", true},
                {"/srv/data", "/srv/datb", false},
                {"/srv/data", "/srv/data/x", false},
                {"/srv/*", "/srv/data", true},
                {"/srv/*", "/srv/", true},
                {"/srv/*", "/srv/data/x", false}, /* not over a separator */
                {"/srv/*.log", "/srv/a.log", true},
                {"/srv/*.log", "/srv/a.log.1", false},
                {"/srv/*/x", "/srv/a/x", true},
                {"/srv/*/x", "/srv/a/b/x", false},
                {"/srv/**", "/srv/a/b/x", true},
                {"/srv/**", "/srv", false},
                {"/srv/**/x", "/srv/x", true}, /* no part at all */
                {"/srv/**/x", "/srv/a/x", true},
                {"/srv/**/x", "/srv/a/b/x", true},
                {"/srv/**/x", "/srv/ax", false},
                {"/srv/**x", "/srv/a/bx", true},
                {"**/x", "a/b/x", true},
                {"**/x", "x", true},
                {"/a/**/b/**/c", "/a/b/c", true},
                {"/a/**/b/**/c", "/a/1/b/2/3/c", true},
                {"/a/**/b/**/c", "/a/1/2/3/c", false},
                {"/s?v", "/srv", true},
                {"/s?v", "/s/v", false},
                {"/a*b*c", "/aXbYbZc", true},
                {"/a*b*c", "/aXbYbZ", false},
                {"/\\*", "/*", true},
                {"/\\*", "/a", false},
                {"/a\\\\b", "/a\\b", true},
                {"/a\\x01\\n", "/a\x01\n", true},
                {"/*/**/z", "/a/z", true},
                {"/srv/**/*", "/srv/a/b", true},
                {"/srv/**/*.log", "/srv/b.log", true},
                {"/srv/**/**/x", "/srv/x", true},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (pattern_fits(bytes_str(rows[i].pattern), '/', bytes_str(rows[i].text)) != rows[i].fits) {
                        printf("%s on %s\n", rows[i].pattern, rows[i].text);
                        CU_FAIL("pattern_fits");
                }
        CU_ASSERT_TRUE(pattern_fits(BYTES_LIT("*.example.com"), '.', BYTES_LIT("api.example.com")));
        CU_ASSERT_FALSE(pattern_fits(BYTES_LIT("*.example.com"), '.', BYTES_LIT("a.b.example.com")));
        CU_ASSERT_TRUE(pattern_fits(BYTES_LIT("**.example.com"), '.', BYTES_LIT("a.b.example.com")));
        CU_ASSERT_TRUE(pattern_fits(BYTES_LIT("shop/*"), 0, BYTES_LIT("shop/a/b")));
        CU_ASSERT_TRUE(pattern_fits(BYTES_LIT("/a*"), '/', bytes_of("/a\0b", 4))); /* bytes, not a C string */
}

static void test_wrong(void)
{
        static const char *const wrong[] = {"", "/a/***", "/a\\", "/a\\x1", "/a\\xzz"};
        char longest[PATTERN_MAX + 2];

        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                CU_ASSERT_PTR_NOT_NULL(pattern_check(bytes_str(wrong[i])));
                CU_ASSERT_FALSE(pattern_fits(bytes_str(wrong[i]), '/', bytes_str(wrong[i])));
        }
        memset(longest, 'a', sizeof(longest));
        CU_ASSERT_PTR_NOT_NULL(pattern_check(bytes_of(longest, PATTERN_MAX + 1)));
        CU_ASSERT_PTR_NULL(pattern_check(bytes_of(longest, PATTERN_MAX)));
        CU_ASSERT_TRUE(pattern_fits(bytes_of(longest, PATTERN_MAX), '/', bytes_of(longest, PATTERN_MAX)));
}

static void test_exact_and_quote(void)
{
        static const char *const texts[] = {"/srv/data", "/a*b?c", "/a\\b", "/\n\x01\xff", "/[x]"};
        _cleanup_buf_ struct buf b;

        buf_init(&b, 1000);
        CU_ASSERT_TRUE(pattern_is_exact(BYTES_LIT("/a\\*")));
        CU_ASSERT_FALSE(pattern_is_exact(BYTES_LIT("/a*")));
        CU_ASSERT_FALSE(pattern_is_exact(BYTES_LIT("/a?")));
        CU_ASSERT_FALSE(pattern_is_exact(BYTES_LIT("")));
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                buf_reset(&b);
                pattern_quote(bytes_str(texts[i]), &b);
                CU_ASSERT_TRUE(pattern_is_exact(buf_bytes(&b)));
                CU_ASSERT_TRUE(pattern_fits(buf_bytes(&b), '/', bytes_str(texts[i])));
        }
}

/* What makes a matcher that tries one way after the other go on for ages. */
static void test_hostile(void)
{
        char pattern[PATTERN_MAX], text[4096];

        for (size_t i = 0; i < sizeof(pattern); i++)
                pattern[i] = i % 2 ? '*' : 'a';
        pattern[sizeof(pattern) - 2] = 'b';
        memset(text, 'a', sizeof(text));
        CU_ASSERT_FALSE(pattern_fits(bytes_of(pattern, sizeof(pattern) - 1), '/', bytes_of(text, sizeof(text))));
        for (size_t i = 0; i + 2 < sizeof(pattern); i += 3)
                memcpy(pattern + i, "a**", 3);
        CU_ASSERT_FALSE(pattern_fits(bytes_of(pattern, 510), '/', BYTES_LIT("b")));
        text[4095] = 'b';
        CU_ASSERT_TRUE(pattern_fits(bytes_of(pattern, 510), '/', bytes_of(text, sizeof(text))));
}

static const struct unit_case cases[] = {
        {"paths and names", test_paths},
        {"what cannot be used", test_wrong},
        {"one text alone, and quoting", test_exact_and_quote},
        {"texts that were chosen", test_hostile},
};
UNIT_MAIN("pattern", cases)
