/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base: buffers and readers, bytes and their printed form, the map, the clock's text, the token bucket, error words. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/cidr.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/map.h"
#include "tidemark/rate.h"
#include "tidemark/str.h"

static void test_buf_round(void)
{
        _cleanup_buf_ struct buf b;
        struct rd r;

        buf_init(&b, 1000);
        buf_put_u8(&b, 0xfe);
        buf_put_u16(&b, 0xabcd);
        buf_put_u32(&b, 0x12345678);
        buf_put_u64(&b, 0x1122334455667788);
        buf_put_bytes(&b, BYTES_LIT("text"));
        CU_ASSERT_EQUAL(b.err, 0);
        CU_ASSERT_EQUAL(b.p[1], 0xcd); /* little-endian on every host */
        rd_init(&r, b.p, b.len);
        CU_ASSERT_EQUAL(rd_u8(&r), 0xfe);
        CU_ASSERT_EQUAL(rd_u16(&r), 0xabcd);
        CU_ASSERT_EQUAL(rd_u32(&r), 0x12345678);
        CU_ASSERT_EQUAL(rd_u64(&r), 0x1122334455667788);
        CU_ASSERT_TRUE(bytes_eq(rd_bytes(&r), BYTES_LIT("text")));
        CU_ASSERT_EQUAL(rd_left(&r), 0);
        CU_ASSERT_EQUAL(r.err, 0);
        CU_ASSERT_EQUAL(rd_u8(&r), 0);
        CU_ASSERT_EQUAL(r.err, ERR_TRUNCATED);
}

static void test_buf_limit(void)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 10);
        buf_put(&b, "0123456789", 10);
        CU_ASSERT_EQUAL(b.err, 0);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "0123456789");
        buf_put_u8(&b, 1);
        CU_ASSERT_EQUAL(b.err, ERR_LIMIT);
        CU_ASSERT_EQUAL(b.len, 10);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "");
        buf_reset(&b);
        buf_printf(&b, "%d-%s", 42, "abc");
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "42-abc");
        buf_printf(&b, "%s", "too long for it");
        CU_ASSERT_EQUAL(b.err, ERR_LIMIT);
        CU_ASSERT_EQUAL(b.len, 6);
}

/* A forged length reads nothing and allocates nothing. */
static void test_rd_forged(void)
{
        uint8_t forged[] = {0xff, 0xff, 0xff, 0xff, 'a'};
        struct rd r;

        rd_init(&r, forged, sizeof(forged));
        CU_ASSERT_EQUAL(rd_bytes(&r).len, 0);
        CU_ASSERT_EQUAL(r.err, ERR_TRUNCATED);
        CU_ASSERT_EQUAL(rd_left(&r), 0);
}

static const char *escaped(struct bytes s)
{
        static char text[256];
        _cleanup_buf_ struct buf b;

        buf_init(&b, sizeof(text) - 1);
        str_escape(s, &b);
        snprintf(text, sizeof(text), "%s", buf_cstr(&b));
        return text;
}

static void test_escape(void)
{
        static const struct {
                struct bytes in;
                const char *out;
        } rows[] = {
                {BYTES_LIT("/etc/passwd"), "/etc/passwd"},
                {BYTES_LIT("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f"},
                {BYTES_LIT("a\nb\tc\\d"), "a\\nb\\tc\\\\d"},
                {BYTES_LIT("\x1b[2J"), "\\x1b[2J"},
                {BYTES_LIT("\xff\xc3"), "\\xff\\xc3"},                           /* no UTF-8; cut short */
                {BYTES_LIT("\xc0\xaf"), "\\xc0\\xaf"},                           /* overlong */
                {BYTES_LIT("\xed\xa0\x80"), "\\xed\\xa0\\x80"},                  /* surrogate */
                {BYTES_LIT("\xe2\x80\xae" "txt.exe"), "\\xe2\\x80\\xaetxt.exe"}, /* right-to-left override */
                {BYTES_LIT("\xe2\x80\xa8"), "\\xe2\\x80\\xa8"},                  /* line separator */
                {BYTES_LIT("a\0b"), "a\\x00b"},
                {BYTES_LIT("\xc2\x85"), "\\xc2\\x85"},                           /* C1 control */
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                CU_ASSERT_STRING_EQUAL(escaped(rows[i].in), rows[i].out);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_buf_ struct buf back;

                buf_init(&back, 256);
                CU_ASSERT_EQUAL(str_unescape(bytes_str(rows[i].out), &back), 0);
                CU_ASSERT(bytes_eq(buf_bytes(&back), rows[i].in));
        }
}

/* Whatever a container is called, a line that somebody copies has no other command in it. */
static void test_shell(void)
{
        static const struct {
                const char *text, *want;
        } rows[] = {
                {"shop", "shop"},
                {"shop/web@sha256:00ff", "shop/web@sha256:00ff"},
                {"", "''"},
                {"two words", "'two words'"},
                {"x;reboot", "'x;reboot'"},
                {"$(reboot)", "'$(reboot)'"},
                {"`reboot`", "'`reboot`'"},
                {"a'b;reboot;'", "'a'\\''b;reboot;'\\'''"},
                {"*", "'*'"},
                {"~root", "'~root'"},
                {"gr\xc3\xbc\xc3\x9f", "'gr\xc3\xbc\xc3\x9f'"},
        };
        _cleanup_buf_ struct buf b;

        buf_init(&b, 64);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                buf_reset(&b);
                str_shell(bytes_str(rows[i].text), &b);
                CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i].want);
        }
}

/* One spelling a name: what str_escape does not make is no name. */
static void test_unescape(void)
{
        static const char *const rows[] = {"\\",   "a\\q",  "\\x4",   "\\xZ1",         "\\x41", "\\x0A",
                                           "\\XFF", "\\xFF", "a\nb", "\\xc3\\xbc", "\xff"};
        _cleanup_buf_ struct buf b;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                buf_init(&b, 256);
                CU_ASSERT_EQUAL(str_unescape(bytes_str(rows[i]), &b), -EINVAL);
                buf_release(&b);
        }
        buf_init(&b, 2);
        CU_ASSERT_EQUAL(str_unescape(BYTES_LIT("abc"), &b), ERR_LIMIT);
}

static void test_print(void)
{
        char small[8], one[1];

        CU_ASSERT_STRING_EQUAL(str_print(BYTES_LIT("1234567"), small, sizeof(small)), "1234567");
        CU_ASSERT_STRING_EQUAL(str_print(BYTES_LIT("12345678"), small, sizeof(small)), "1234...");
        CU_ASSERT_STRING_EQUAL(str_print(BYTES_LIT("ab\xff\xff\xff"), small, sizeof(small)),
                               "ab..."); /* no half escape */
        CU_ASSERT_STRING_EQUAL(str_print(BYTES_LIT("abc\xc3\xbc" "defgh"), small, sizeof(small)), "abc...");
        CU_ASSERT_STRING_EQUAL(str_print(BYTES_LIT("abc"), one, sizeof(one)), "");
}

static void test_bytes(void)
{
        CU_ASSERT_TRUE(bytes_cmp(BYTES_LIT("a"), BYTES_LIT("ab")) < 0);
        CU_ASSERT_TRUE(bytes_cmp(BYTES_LIT("b"), BYTES_LIT("ab")) > 0);
        CU_ASSERT_EQUAL(bytes_cmp(bytes_of(NULL, 0), BYTES_LIT("")), 0);
        CU_ASSERT_TRUE(bytes_has_prefix(BYTES_LIT("abc"), BYTES_LIT("ab")));
        CU_ASSERT_FALSE(bytes_has_prefix(BYTES_LIT("a"), BYTES_LIT("ab")));
        CU_ASSERT_TRUE(bytes_has_suffix(BYTES_LIT("abc"), BYTES_LIT("bc")));
        CU_ASSERT_EQUAL(bytes_rfind(BYTES_LIT("a/b/c"), '/'), 3);
        CU_ASSERT_EQUAL(bytes_rfind(BYTES_LIT("abc"), '/'), -1);
}

/* SipHash-2-4 with key 00..0f: vectors 0, 1 and 15 of the paper's reference table. */
static void test_siphash(void)
{
        const struct map_seed seed = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
        uint8_t in[15];

        for (uint8_t i = 0; i < sizeof(in); i++)
                in[i] = i;
        CU_ASSERT_EQUAL(map_hash(seed, bytes_of(in, 0)), 0x726fdb47dd0e0e31);
        CU_ASSERT_EQUAL(map_hash(seed, bytes_of(in, 1)), 0x74f839c593dc67fd);
        CU_ASSERT_EQUAL(map_hash(seed, bytes_of(in, 15)), 0xa129ca6149be45e5);
}

static struct bytes key_of(unsigned i)
{
        static char text[16];

        snprintf(text, sizeof(text), "key-%u", i);
        return bytes_str(text);
}

static void test_map_many(void)
{
        const struct map_seed seed = {1, 2};
        struct map *m;
        struct bytes key;
        void *value;
        uintptr_t want = 1;

        CU_ASSERT_EQUAL_FATAL(map_new(5000, seed, NULL, &m), 0);
        for (unsigned round = 0; round < 3; round++) { /* fill, thin out, fill again: holes must not lose anything */
                for (unsigned i = 0; i < 5000; i++)
                        CU_ASSERT_EQUAL(map_put(m, key_of(i), (void *)(uintptr_t)(i + 1)), 0);
                CU_ASSERT_EQUAL(map_put(m, BYTES_LIT("one more"), m), ERR_LIMIT);
                for (unsigned i = 0; i < 5000; i += 2)
                        CU_ASSERT_EQUAL(map_del(m, key_of(i)), 0);
                CU_ASSERT_EQUAL(map_count(m), 2500);
                CU_ASSERT_EQUAL(map_del(m, key_of(0)), -ENOENT);
                for (unsigned i = 0; i < 5000; i++)
                        CU_ASSERT_EQUAL((uintptr_t)map_get(m, key_of(i)), i % 2 ? i + 1 : 0);
        }
        CU_ASSERT_EQUAL(map_refused(m), 3);
        for (size_t i = 0; map_next(m, &i, &key, &value);) { /* in order of insertion */
                want += (uintptr_t)value == want + 1 ? 0 : 1;
                CU_ASSERT_EQUAL((uintptr_t)value % 2, 0);
        }
        map_free(m);
}

static void count_free(void *p)
{
        (*(int *)p)++;
}

static void test_map_values(void)
{
        int a = 0, b = 0, c = 0;
        struct map *m;
        void *value;
        struct bytes key;

        CU_ASSERT_EQUAL_FATAL(map_new(2, (struct map_seed){3, 4}, count_free, &m), 0);
        CU_ASSERT_EQUAL(map_put(m, BYTES_LIT("x"), &a), 0);
        CU_ASSERT_EQUAL(map_put(m, BYTES_LIT("x"), &a), 0); /* itself again: not freed */
        CU_ASSERT_EQUAL(a, 0);
        CU_ASSERT_EQUAL(map_put(m, BYTES_LIT("x"), &b), 0);
        CU_ASSERT_EQUAL(a, 1);
        CU_ASSERT_EQUAL(map_put(m, BYTES_LIT(""), &c), 0); /* the empty key is a key */
        CU_ASSERT_PTR_EQUAL(map_take(m, BYTES_LIT("")), &c);
        CU_ASSERT_EQUAL(c, 0);
        CU_ASSERT_EQUAL(map_put(m, BYTES_LIT("y"), &c), 0);
        for (size_t i = 0; map_next(m, &i, &key, &value);)
                CU_ASSERT_EQUAL(map_del(m, key), 0); /* the current one may go */
        CU_ASSERT_EQUAL(b, 1);
        CU_ASSERT_EQUAL(c, 1);
        CU_ASSERT_EQUAL(map_count(m), 0);
        map_free(m);
}

static void test_rfc3339(void)
{
        char t[CLOCK_TEXT];

        CU_ASSERT_STRING_EQUAL(clock_rfc3339(0, t), "1970-01-01T00:00:00.000Z");
        CU_ASSERT_STRING_EQUAL(clock_rfc3339(1767323045678000000, t), "2026-01-02T03:04:05.678Z");
        CU_ASSERT_STRING_EQUAL(clock_rfc3339(-1, t), "1969-12-31T23:59:59.999Z");
        CU_ASSERT_STRING_EQUAL(clock_rfc3339(INT64_MAX, t), "2262-04-11T23:47:16.854Z");
}

static void test_rate(void)
{
        struct rate r = {.interval_ns = 100, .burst = 2};
        uint64_t held = 99;

        CU_ASSERT_TRUE(rate_pass(&r, 1000, &held));
        CU_ASSERT_EQUAL(held, 0);
        CU_ASSERT_TRUE(rate_pass(&r, 1000, NULL));
        CU_ASSERT_FALSE(rate_pass(&r, 1050, NULL));
        CU_ASSERT_FALSE(rate_pass(&r, 1099, NULL));
        CU_ASSERT_TRUE(rate_pass(&r, 1100, &held));
        CU_ASSERT_EQUAL(held, 2);
        CU_ASSERT_FALSE(rate_pass(&r, 1101, NULL));
        CU_ASSERT_TRUE(rate_pass(&r, 5000, NULL));
        CU_ASSERT_TRUE(rate_pass(&r, 5000, NULL));
        CU_ASSERT_FALSE(rate_pass(&r, 5000, NULL));
        CU_ASSERT_FALSE(rate_pass(&r, 10, NULL)); /* a clock that goes back gives nothing, */
        CU_ASSERT_TRUE(rate_pass(&r, 110, NULL)); /* but locks nothing for ever */
}

static void test_err(void)
{
        CU_ASSERT_STRING_EQUAL(err_str(0), "no error");
        CU_ASSERT_STRING_EQUAL(err_str(-ENOENT), strerror(ENOENT));
        for (int e = ERR_FOREIGN; e <= ERR_OVERRUN; e++)
                CU_ASSERT_PTR_NULL(strstr(err_str(e), "nknown error"));
}

/* ---- addresses ---- */

static void test_cidr(void)
{
        static const struct {
                const char *text;
                unsigned len, bits;
        } rows[] = {{"10.0.0.7", 4, 32}, {"10.0.0.0/8", 4, 8},      {"0.0.0.0/0", 4, 0},
                    {"::1", 16, 128},    {"fd00::/64", 16, 64},     {"10.0.0.128/25", 4, 25}};
        static const char *const wrong[] = {"",           "10.0.0",      "10.0.0.7/8", "10.0.0.0/33", "10.0.0.0/",
                                            "10.0.0.0/08", "fd00::/129", "host",       "10.0.0.0/-1", " 10.0.0.7",
                                            "10.0.0.7/32/32", "fe80::1%eth0", "10.0.0.0/99999999999999999999"};
        struct cidr c = {.len = 7};

        for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
                CU_ASSERT_EQUAL(cidr_parse(wrong[i], &c), -EINVAL);
        CU_ASSERT_EQUAL(c.len, 7);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                CU_ASSERT_EQUAL(cidr_parse(rows[i].text, &c), 0);
                CU_ASSERT_EQUAL(c.len, rows[i].len);
                CU_ASSERT_EQUAL(c.bits, rows[i].bits);
        }
}

static void test_unhex(void)
{
        uint8_t p[3] = {0};

        CU_ASSERT_TRUE(str_unhex("00fFa9", p, 3) && p[0] == 0 && p[1] == 0xff && p[2] == 0xa9);
        CU_ASSERT_FALSE(str_unhex("00ffa", p, 3) || str_unhex("00ffa900", p, 3) || str_unhex("", p, 3));
        CU_ASSERT_FALSE(str_unhex("00f g9", p, 3) || str_unhex("0x00ff", p, 3) || str_unhex(" 0 0 0", p, 3));
        CU_ASSERT_TRUE(str_unhex("", p, 0));
}

static const struct unit_case cases[] = {
        {"what was put is read back", test_buf_round},
        {"a full buffer keeps its error and its content", test_buf_limit},
        {"a forged length reads nothing", test_rd_forged},
        {"untrusted bytes are escaped, and come back", test_escape},
        {"there is one spelling of a name", test_unescape},
        {"a word for a shell is that word alone", test_shell},
        {"printing cuts between characters and escapes", test_print},
        {"bytes compare and search", test_bytes},
        {"SipHash gives the reference values", test_siphash},
        {"a map fills, thins out and fills again", test_map_many},
        {"a map frees what it owns, once", test_map_values},
        {"times are shown as RFC 3339", test_rfc3339},
        {"a bucket passes, holds back and tells", test_rate},
        {"every error of ours has words", test_err},
        {"addresses with a prefix", test_cidr},
        {"hexadecimal is read as it is written", test_unhex},
};
UNIT_MAIN("base", cases)
