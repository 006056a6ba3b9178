/* SPDX-License-Identifier: GPL-2.0-or-later */
/* news: what the sensor takes of the engine's words about a finding, and which record of audit they are. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "daemon/news.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"

static struct buf args;
static struct tide_event act;
static struct news n;

static void begin(unsigned bits)
{
        buf_release(&args);
        buf_init(&args, 1u << 20);
        act = (struct tide_event){.kind = TIDE_ACT, .container = BYTES_LIT("0123456789abcdef")};
        act.act.act = ACT_NEWS;
        act.act.finding = 12;
        act.act.flags = bits;
        act.act.name = BYTES_LIT("web-1");
}

static void put(const char *key, const char *value)
{
        tide_list_put(&args, bytes_str(key), bytes_str(value));
}

static int take(void)
{
        act.act.args = buf_bytes(&args);
        memset(&n, 0, sizeof(n));
        return news_read(&act, &n);
}

static struct audit_note note(unsigned bit)
{
        struct audit_note got;

        news_note(&n, bit, &got);
        return got;
}

static void test_taken(void)
{
        struct audit_note got;

        begin(NEWS_OPENED | NEWS_PAGED);
        put("what", "exec");
        put("subject", "/tmp/x");
        put("reason", "write-layer");
        put("pid", "4711");
        put("workload", "web");
        put("image", "sha256:00");
        CU_ASSERT_EQUAL_FATAL(take(), 0);
        got = note(NEWS_OPENED);
        CU_ASSERT(got.type == AUDIT_NOTE_EXEC && got.pid == 4711 && got.finding == 12 && got.ok);
        CU_ASSERT(bytes_eq(got.path, BYTES_LIT("/tmp/x")) && bytes_eq(got.name, BYTES_LIT("web-1")));
        CU_ASSERT(bytes_eq(got.image, BYTES_LIT("sha256:00")) && bytes_eq(got.reason, BYTES_LIT("write-layer")));
        CU_ASSERT_EQUAL(note(NEWS_PAGED).type, AUDIT_NOTE_PAGED);
        CU_ASSERT_EQUAL(note(NEWS_CONTAINED).type, AUDIT_NOTE_NONE);
        CU_ASSERT_EQUAL(note(NEWS_DOUBLED).type, AUDIT_NOTE_NONE);
        begin(NEWS_CLOSED);
        put("what", "network");
        put("verdict", "benign");
        put("subject", "api.example.com (203.0.113.66):443/tcp");
        put("executable", "/usr/bin/curl");
        put("port", "443");
        put("proto", "6");
        CU_ASSERT_EQUAL_FATAL(take(), 0);
        CU_ASSERT(note(NEWS_CLOSED).type == AUDIT_NOTE_CLOSED &&
                  bytes_eq(note(NEWS_CLOSED).reason, BYTES_LIT("benign")));
        CU_ASSERT(bytes_eq(note(NEWS_EXPIRED).reason, BYTES_LIT("expired")));
        got = note(NEWS_OPENED);
        CU_ASSERT(got.type == AUDIT_NOTE_NETWORK && got.port == 443 && got.proto == 6);
        CU_ASSERT(bytes_eq(got.path, BYTES_LIT("/usr/bin/curl")));
        CU_ASSERT_EQUAL(note(NEWS_REOPENED).type, AUDIT_NOTE_REOPENED);
}

static void test_numbers(void)
{
        static const struct {
                const char *text;
                uint64_t is;
        } rows[] = {{"0", 0},  {"7", 7},  {"65535", 65535}, {"65536", 0},  {"99999", 0},
                    {"-1", 0}, {"1x", 0}, {" 1", 0},        {"00443", 443}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                begin(NEWS_OPENED);
                put("port", rows[i].text);
                CU_ASSERT_EQUAL_FATAL(take(), 0);
                CU_ASSERT_EQUAL(news_number(&n, KEY_PORT, UINT16_MAX), rows[i].is);
        }
}

/* As a whole: who says one thing that he may not say has said nothing. */
static void test_refused(void)
{
        static const char long_id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0";
        static char longer[5000];

        memset(longer, 'a', sizeof(longer) - 1);
        begin(0);
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(1u << NEWS_BITS);
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        act.act.finding = 0;
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        act.container = BYTES_LIT("../../etc");
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        act.container = bytes_str(long_id);
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        act.act.name = bytes_str(longer);
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        put("what", "exec");
        put("what", "file");
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        put("exe", "/usr/sbin/tidemarkd");
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        put("subject", longer);
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        put("pid", "");
        CU_ASSERT_EQUAL(take(), -EINVAL);
        begin(NEWS_OPENED);
        put("what", "exec");
        args.len--;
        CU_ASSERT(take() < 0 || n.of[KEY_WHAT].len < 4);
        begin(NEWS_OPENED);
        CU_ASSERT_EQUAL(take(), 0); /* nothing is known of it: still news */
        CU_ASSERT_EQUAL(note(NEWS_OPENED).type, AUDIT_NOTE_FINDING);
        buf_release(&args);
}

static const struct unit_case cases[] = {
        {"what is taken, and its records", test_taken},
        {"numbers", test_numbers},
        {"what is refused", test_refused},
};

UNIT_MAIN("news", cases)
