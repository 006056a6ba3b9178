/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets are masked, names stay, what is no secret stays, and no text takes long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/mask.h"

static struct mask *shipped(void)
{
        size_t n;
        const char *const *p = mask_shipped(&n);
        struct mask *m = NULL;

        if (mask_new(&m) < 0)
                abort();
        for (size_t i = 0; i < n; i++)
                if (mask_add(m, p[i]) < 0)
                        abort();
        return m;
}

#define A(s) s, sizeof(s) - 1
static const struct {
        const char *in;
        size_t in_len;
        const char *out;
        size_t out_len;
} cases[] = {
        /* each flag's value, whichever way it comes */
        {A("prog\0--password\0my secret\0-v"), A("prog\0--password\0[masked]\0-v")},
        {A("prog\0--password=my secret\0-v"), A("prog\0--password=[masked]\0-v")},
        {A("prog\0--db-password=s3cret"), A("prog\0--db-password=[masked]")},
        {A("prog\0--password\0"), A("prog\0--password\0")},
        {A("prog\0--password-file=/run/secret"), A("prog\0--password-file=/run/secret")},
        {A("sh\0-c\0prog --password  s3cret -v; ls"), A("sh\0-c\0prog --password  [masked] -v; ls")},
        {A("sh\0-c\0prog --password='my secret' -v"), A("sh\0-c\0prog --password='[masked]' -v")},
        {A("sh\0-c\0prog --password=\"a\\\"b c\" -v"), A("sh\0-c\0prog --password=\"[masked]\" -v")},
        {A("sh\0-c\0prog --password=ab\\ cd -v"), A("sh\0-c\0prog --password=[masked] -v")},
        {A("sh\0-c\0prog --password=ab'c d'e -v"), A("sh\0-c\0prog --password=[masked] -v")},
        {A("sh\0-c\0echo don't; prog --password=ab'c -v"), A("sh\0-c\0echo don't; prog --password=[masked] -v")},
        {A("sh\0-c\0(prog '--token=abc')|x"), A("sh\0-c\0(prog '--token=[masked]')|x")},
        {A("openssl\0rsa\0-passin\0pass:s3cret\0-text"), A("openssl\0rsa\0-passin\0pass:[masked]\0-text")},
        /* names */
        {A("env\0PGPASSWORD=s3 cret\0psql"), A("env\0PGPASSWORD=[masked]\0psql")},
        {A("sh\0-c\0GITHUB_TOKEN=s3cret curl evil.example"), A("sh\0-c\0GITHUB_TOKEN=[masked] curl evil.example")},
        {A("sh\0-lc\0MY_SECRET=\"a b\" run"), A("sh\0-lc\0MY_SECRET=\"[masked]\" run")},
        {A("x\0AWS_SECRET_ACCESS_KEY=abc/def+g"), A("x\0AWS_SECRET_ACCESS_KEY=[masked]")},
        {A("x\0{\"password\": \"a b\", \"user\": \"u\"}"), A("x\0{\"password\": \"[masked]\", \"user\": \"u\"}")},
        {A("x\0{\\\"token\\\":\\\"ab\\\",\\\"u\\\":1}"), A("x\0{\\\"token\\\":\\\"[masked]\\\",\\\"u\\\":1}")},
        {A("mount\0-o\0user=u,password=s3cret"), A("mount\0-o\0user=u,password=[masked]")},
        {A("x\0MYSQL_PWD=s3cret"), A("x\0MYSQL_PWD=[masked]")},
        {A("x\0PWD=/home/me"), A("x\0PWD=/home/me")},
        /* short flags, of the programs that have them */
        {A("mysql\0-uroot\0-ps3cret\0db"), A("mysql\0-uroot\0-p[masked]\0db")},
        {A("mysql\0-u\0root\0-p\0db"), A("mysql\0-u\0root\0-p\0db")},
        {A("sh\0-c\0mysqldump -u root -ps3cret db > x"), A("sh\0-c\0mysqldump -u root -p[masked] db > x")},
        {A("mkdir\0-p\0/x/y"), A("mkdir\0-p\0/x/y")},
        {A("cp\0-pr\0a\0b"), A("cp\0-pr\0a\0b")},
        {A("sshpass\0-p\0s3 cret\0ssh\0h"), A("sshpass\0-p\0[masked]\0ssh\0h")},
        {A("sshpass\0-ps3cret\0ssh\0h"), A("sshpass\0-p[masked]\0ssh\0h")},
        {A("docker\0login\0-u\0me\0-p\0s3cret"), A("docker\0login\0-u\0me\0-p\0[masked]")},
        {A("docker\0run\0-p\080:80\0x"), A("docker\0run\0-p\080:80\0x")},
        {A("redis-cli\0-a\0s3cret\0ping"), A("redis-cli\0-a\0[masked]\0ping")},
        {A("curl\0-u\0me:s3 cret\0http://h:8080/x"), A("curl\0-u\0me:[masked]\0http://h:8080/x")},
        {A("ldapsearch\0-x\0-w\0s3cret"), A("ldapsearch\0-x\0-w\0[masked]")},
        /* headers, URLs, keys */
        {A("curl\0-H\0Authorization: Bearer abc.def\0h"), A("curl\0-H\0Authorization: Bearer [masked]\0h")},
        {A("sh\0-c\0curl -H 'Authorization: Basic YWI=' h"), A("sh\0-c\0curl -H 'Authorization: Basic [masked]' h")},
        {A("curl\0-H\0X-Api-Key: abc\0h"), A("curl\0-H\0X-Api-Key: [masked]\0h")},
        {A("git\0clone\0https://me:s3/c@ret@h.example/r"), A("git\0clone\0https://me:s3/c@ret@h.example/r")},
        {A("git\0clone\0https://me:s3c@ret@h.example/r"), A("git\0clone\0https://me:[masked]@h.example/r")},
        {A("x\0postgres://u:p@h:5432/d\0redis://:q@h"), A("x\0postgres://u:[masked]@h:5432/d\0redis://:[masked]@h")},
        {A("x\0http://h.example:8080/a@b"), A("x\0http://h.example:8080/a@b")},
        {A("x\0id AKIAIOSFODNN7EXAMPLE end"), A("x\0id [masked] end")},
        {A("x\0ghp_0123456789abcdefghij0123456789abcdef"), A("x\0[masked]")},
        {A("x\0eyJhbGciOiJIUzI1NiIsInR5cCI6.eyJzdWIi.c2ln"), A("x\0[masked]")},
        {A("x\0-----BEGIN RSA PRIVATE KEY-----\nMII\nEpA\n-----END RSA PRIVATE KEY-----\0y"),
         A("x\0-----BEGIN RSA PRIVATE KEY-----[masked]-----END RSA PRIVATE KEY-----\0y")},
        {A("x\0-----BEGIN PRIVATE KEY-----\nMIIEpA"), A("x\0-----BEGIN PRIVATE KEY-----[masked]")},
        {A("mysql\0-e\0CREATE USER u IDENTIFIED BY 'a b'"), A("mysql\0-e\0CREATE USER u IDENTIFIED BY '[masked]'")},
        /* two, and nothing */
        {A("x\0--token\0a\0--secret=b"), A("x\0--token\0[masked]\0--secret=[masked]")},
        {A(""), A("")},
        {A("ls\0-l\0/etc"), A("ls\0-l\0/etc")},
        {A("\xff\xfe\0--token\0\xff\x01\x02"), A("\xff\xfe\0--token\0[masked]")},
};

static void test_cases(void)
{
        _cleanup_(mask_freep) struct mask *m = shipped();
        _cleanup_buf_ struct buf out;

        buf_init(&out, 1 << 16);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[512];
                bool same;

                buf_reset(&out);
                CU_ASSERT_TRUE(mask_text(m, bytes_of(cases[i].in, cases[i].in_len), &out) >= 0);
                same = bytes_eq(buf_bytes(&out), bytes_of(cases[i].out, cases[i].out_len));
                CU_ASSERT_TRUE(same);
                if (!same)
                        printf("\n    case %zu: %s", i, str_print(buf_bytes(&out), text, sizeof(text)));
        }
}

static void test_own(void)
{
        _cleanup_(mask_freep) struct mask *m = NULL;
        _cleanup_buf_ struct buf out;

        buf_init(&out, 1 << 16);
        CU_ASSERT_EQUAL_FATAL(mask_new(&m), 0);
        CU_ASSERT_EQUAL(mask_text(m, BYTES_LIT("x\0--token\0a"), &out), 0); /* no pattern, nothing masked */
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&out), BYTES_LIT("x\0--token\0a")));
        CU_ASSERT_EQUAL(mask_add(m, "vault|safe :: (a|b)<[0-9]+>(c|d)"), 0);
        buf_reset(&out);
        CU_ASSERT_EQUAL(mask_text(m, BYTES_LIT("safe a12d b3c a4e"), &out), 2);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&out), BYTES_LIT("safe a[masked]d b[masked]c a4e")));
        buf_reset(&out);
        CU_ASSERT_EQUAL(mask_text(m, BYTES_LIT("open a12d"), &out), 0);
}

static const struct {
        const char *pattern, *why;
} wrong[] = {
        {"", "is empty"},
        {" :: x", "is empty"},
        {"x :: ", "is empty"},
        {"(", "Unmatched ("},
        {"[a", "is not closed"},
        {"a**(", "Unmatched"},
        {"(a)\\1", "back reference"},
        {"a{32}b{32}", "repeats too often"},
        {"((a{99}){99}){99}", "repeats too often"},
        {"a{0,2000}", "repeats too often"},
        {"a*", "matches the empty text"},
        {"x :: a|", "matches the empty text"},
        {"<a>b<c>", "only one part"},
        {"<a", "without its >"},
        {"a>", "without its <"},
        {"(<a)>", "without its <"},
        {"<a> :: b", "cannot be in the part before"},
        {"(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)", "too many groups"},
};

static void test_wrong(void)
{
        char why[128], longest[300];

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                bool refused = mask_check(wrong[i].pattern, why, sizeof(why)) < 0;

                CU_ASSERT_TRUE(refused);
                if (!refused || !strstr(why, wrong[i].why))
                        printf("\n    %s: %s", wrong[i].pattern, refused ? why : "taken");
                CU_ASSERT_PTR_NOT_NULL(refused ? strstr(why, wrong[i].why) : NULL);
        }
        memset(longest, 'a', sizeof(longest));
        longest[MASK_PATTERN_MAX] = '\0';
        CU_ASSERT_TRUE(mask_check(longest, why, sizeof(why)) < 0);
        longest[MASK_PATTERN_MAX - 1] = '\0';
        CU_ASSERT_EQUAL(mask_check(longest, why, sizeof(why)), 0);
}

static void test_events(void)
{
        _cleanup_(mask_freep) struct mask *m = shipped();
        _cleanup_buf_ struct buf labels;
        struct tide_event ev = {.kind = TIDE_EXEC};
        struct bytes key, value;
        struct mask_stats s;
        struct rd r;

        ev.exec.args = BYTES_LIT("x\0--token=abc");
        ev.exec.args_total = ev.exec.args.len;
        mask_event(m, &ev);
        CU_ASSERT_TRUE(bytes_eq(ev.exec.args, BYTES_LIT("x\0--token=[masked]")));
        /* cut in the middle of a secret that would only be known by what follows it */
        ev.exec.args = BYTES_LIT("git\0clone\0https://me:secr");
        ev.exec.args_total = 5000;
        mask_event(m, &ev);
        CU_ASSERT_TRUE(bytes_eq(ev.exec.args, BYTES_LIT("git\0clone\0")));
        buf_init(&labels, 4096);
        tide_list_put(&labels, BYTES_LIT("app"), BYTES_LIT("web"));
        tide_list_put(&labels, BYTES_LIT("db.password"), BYTES_LIT("a b c"));
        tide_list_put(&labels, BYTES_LIT("url"), BYTES_LIT("x http://u:p@h/"));
        ev = (struct tide_event){.kind = TIDE_CONTENT};
        ev.content.labels = buf_bytes(&labels);
        ev.content.image_labels = buf_bytes(&labels);
        ev.content.health = BYTES_LIT("sh\0-c\0redis-cli -a s3cret ping");
        mask_event(m, &ev);
        CU_ASSERT_TRUE(bytes_eq(ev.content.health, BYTES_LIT("sh\0-c\0redis-cli -a [masked] ping")));
        CU_ASSERT_TRUE(bytes_eq(ev.content.labels, ev.content.image_labels));
        rd_init(&r, ev.content.labels.p, ev.content.labels.len);
        CU_ASSERT_EQUAL(tide_list_next(&r, &key, &value), 1);
        CU_ASSERT_TRUE(bytes_eq(value, BYTES_LIT("web")));
        CU_ASSERT_EQUAL(tide_list_next(&r, &key, &value), 1);
        CU_ASSERT_TRUE(bytes_eq(key, BYTES_LIT("db.password")) && bytes_eq(value, BYTES_LIT("[masked]")));
        CU_ASSERT_EQUAL(tide_list_next(&r, &key, &value), 1);
        CU_ASSERT_TRUE(bytes_eq(value, BYTES_LIT("x http://u:[masked]@h/")));
        CU_ASSERT_EQUAL(tide_list_next(&r, &key, &value), 0);
        mask_stats(m, &s);
        CU_ASSERT_EQUAL(s.values, 6);
        CU_ASSERT_EQUAL(s.full + s.failed, 0);
}

/* Texts made of each pattern's own words, again and again: no time that grows with the square. */
static void test_hostile(void)
{
        static const char *const words[] = {
                "-", "-token", "-token ", "token", "token ", "token=", "pass:", "authorization:", "bearer ", "cookie:",
                "mysql -p", "mysql -pa ", "sshpass -p ", "redis-cli -a", "curl -u ", "curl -u a:", "smb -U a", "://",
                "://a:", "://a:b", "AKIA", "ghp_", "eyJ", "eyJa.", "sk-", "PRIVATE KEY-----", "x", " ", "\"", "'", "\\",
                "identified by ", "token\"", "TOKEN='", "-p\"", "ldap -w\\", "://:@",
        };
        _cleanup_(mask_freep) struct mask *m = shipped();
        _cleanup_buf_ struct buf out;
        static uint8_t text[TIDE_ARGS_MAX];
        struct mask_stats s;
        struct timespec a, b;
        double worst = 0;

        buf_init(&out, 1 << 20);
        for (size_t i = 0; i < 2 * sizeof(words) / sizeof(words[0]); i++) {
                const char *w = words[i / 2];
                size_t len = strlen(w);
                double took;

                for (size_t k = 0; k < sizeof(text); k++)
                        text[k] = i % 2 && k % (len + 1) == len ? 0 : (uint8_t)w[k % (len + i % 2)];
                buf_reset(&out);
                clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
                CU_ASSERT_TRUE(mask_text(m, bytes_of(text, sizeof(text)), &out) >= 0);
                clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
                took = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
                if (took > 10)
                        printf("\n    %.1f ms: %s", took, w);
                worst = took > worst ? took : worst;
        }
        printf("\n    longest: %.2f ms of a processor for 4096 hostile bytes ", worst);
        CU_ASSERT_TRUE(worst < 200); /* a square would be seconds */
        mask_stats(m, &s);
        CU_ASSERT_TRUE(s.full > 0 && s.failed == 0);
}

static const struct unit_case unit_cases[] = {
        {"secrets are masked, and nothing else", test_cases},
        {"patterns of one's own: a part, a context", test_own},
        {"a pattern that is none, or could be slow, is refused with words", test_wrong},
        {"events: arguments, what was cut, labels, health checks", test_events},
        {"hostile arguments take no long time", test_hostile},
};
UNIT_MAIN("mask", unit_cases)
