/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: what is written is read back, each mistake is named with its line, and nothing is half taken. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/config.h"

static void test_dump(void)
{
        _cleanup_buf_ struct buf a, b;
        struct cfg_mistakes ms = {0};
        struct cfg c, back;

        cfg_default(&c);
        c.judge.bits[FACTOR_RAN_TMPFS] = -13;
        c.judge.activated_p = 0.1 + 0.2; /* no short decimal */
        c.judge.calibration_ns = 90061000000000u;
        c.round_ns = 10000000001u; /* no whole unit */
        c.proc_rcvbuf = 65537;
        c.secrets_mask = false;
        c.secrets_patterns.n--;
        c.secrets_more.n = 1;
        snprintf(c.secrets_more.text[0], MASK_PATTERN_MAX, "a\\.\"b");
        c.disabled = 1u << FACILITY_NAMES | 1u << FACILITY_NSPID;
        snprintf(c.engine_user, sizeof(c.engine_user), "a\"b\\c");
        snprintf(c.judge.host, sizeof(c.judge.host), "other-host");
        buf_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        CU_ASSERT_EQUAL(cfg_dump(&c, &a), 0);
        cfg_default(&back);
        CU_ASSERT_EQUAL(cfg_load_text(buf_bytes(&a), "dump", &back, &ms), 0);
        for (size_t i = 0; i < ms.n; i++)
                printf("\n    %d: %s", ms.m[i].line, ms.m[i].text);
        CU_ASSERT_EQUAL(cfg_dump(&back, &b), 0);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&a), buf_bytes(&b)));
        CU_ASSERT_EQUAL(back.judge.bits[FACTOR_RAN_TMPFS], -13);
        CU_ASSERT_TRUE(back.judge.activated_p == c.judge.activated_p);
        CU_ASSERT_EQUAL(back.round_ns, c.round_ns);
        CU_ASSERT_FALSE(back.secrets_mask);
        CU_ASSERT_EQUAL(back.secrets_patterns.n, c.secrets_patterns.n);
        CU_ASSERT_STRING_EQUAL(back.secrets_more.text[0], "a\\.\"b");
        CU_ASSERT_EQUAL(back.disabled, c.disabled);
        CU_ASSERT_STRING_EQUAL(back.engine_user, "a\"b\\c");
        CU_ASSERT_STRING_EQUAL(back.judge.host, "other-host");
        cfg_mistakes_release(&ms);
}

/* What a file says counts; "auto" is what was tried. */
static void test_scope(void)
{
        static const struct {
                const char *text;
                enum net_scope scope, of_web;
                bool is_auto;
        } rows[] = {
                {"", NET_SCOPE_HOST, NET_SCOPE_HOST, true},
                {"network: { scope = \"auto\"; };", NET_SCOPE_HOST, NET_SCOPE_HOST, true},
                {"network: { scope = \"namespace\"; };", NET_SCOPE_NAMESPACE, NET_SCOPE_NAMESPACE, false},
                {"network: { scope = \"host\"; };", NET_SCOPE_HOST, NET_SCOPE_HOST, false},
                {"network: { scope = \"off\"; };", NET_SCOPE_OFF, NET_SCOPE_OFF, false},
                {"network: { namespace = [\"web\"]; };", NET_SCOPE_HOST, NET_SCOPE_NAMESPACE, true},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct cfg_mistakes ms = {0};
                struct cfg c;

                cfg_default(&c);
                CU_ASSERT_EQUAL(cfg_net_scope(&c), NET_SCOPE_NAMESPACE); /* nothing was tried */
                CU_ASSERT_EQUAL(cfg_load_text(bytes_str(rows[i].text), "text", &c, &ms), 0);
                c.net_auto = NET_SCOPE_HOST;
                CU_ASSERT_EQUAL(cfg_net_scope(&c), rows[i].scope);
                CU_ASSERT_EQUAL(cfg_net_scope_of(&c, "web"), rows[i].of_web);
                CU_ASSERT_EQUAL(cfg_net_scope_is_auto(&c), rows[i].is_auto);
                cfg_mistakes_release(&ms);
        }
}

static const struct {
        const char *text;
        int line;
        const char *words;
} mistakes[] = {
        {"queue: { show = 101; };", 1, "queue.show: out of range: expected 0 to 100"},
        {"queue: { show = \"much\"; };", 1, "queue.show: expected a whole number from 0 to 100"},
        {"queue: { show = 1.5; };", 1, "queue.show: expected a whole number"},
        {"\n\nqueue: { shw = 5; };", 3, "unknown option queue.shw; did you mean queue.show?"},
        {"completely = 5;", 1, "unknown option completely; see tidemarkd --print-defaults"},
        {"learn: { period = 72; };", 1, "learn.period: expected a duration with its unit"},
        {"learn: { period = \"72\"; };", 1, "learn.period: expected a duration with its unit"},
        {"learn: { period = \"-1h\"; };", 1, "learn.period: expected a duration with its unit"},
        {"learn: { period = \"400d\"; };", 1, "learn.period: out of range: expected 1s to 365d"},
        {"learn: { converged_p = 2.0; };", 1, "learn.converged_p: out of range"},
        {"scoring: { prior = 0.1; };", 1, "scoring.prior: expected bits in steps of a quarter"},
        {"scoring: { ran_memfd = 100.0; };", 1, "scoring.ran_memfd: out of range"},
        {"sensor: { queue = \"4X\"; };", 1, "sensor.queue: expected a number of bytes"},
        {"sensor: { queue = 10; };", 1, "sensor.queue: out of range: expected 64K to 256M"},
        {"probe: { disable = [\"magic\"]; };", 1, "probe.disable: unknown facility \"magic\""},
        {"probe: { disable = \"names\"; };", 1, "probe.disable: expected a list of words"},
        {"log: { level = \"loud\"; };", 1, "log.level: unknown word \"loud\""},
        {"engine: { user = \"\"; };", 1, "engine.user: expected a text"},
        {"engine: { user = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"; };", 1,
         "engine.user: too long: at most 63"},
        {"secrets: { mask = 1; };", 1, "secrets.mask: expected true or false"},
        {"secrets: { more = \"x\"; };", 1, "secrets.more: expected a list of texts"},
        {"secrets: { more = [1]; };", 1, "secrets.more: expected a list of texts"},
        {"secrets: { more = [\"--pin=\",\n\"(\"]; };", 2, "secrets.more: the pattern \"(\" cannot be used: Unmatched"},
        {"secrets:\n{ patterns = (\"a*\"); };", 2, "secrets.patterns: the pattern \"a*\" cannot be used: it matches"},
        {"workloads: { jobs = [\"ci-*\", \"\"]; };", 1, "workloads.jobs: the name \"\" cannot be used: it must have"},
        {"workloads: { jobs = \"x\"; };", 1, "workloads.jobs: expected a list of names"},
        {"queue = 5;", 1, "queue: expected a group"},
        {"queue: { show = 5; show = 6; };", 1, "duplicate"},
        {"queue: { show = };", 1, "syntax error"},
        {"queue: { show = 96; page = 95; };", 0, "queue.show (96) is above queue.page (95)"},
        {"paths: { state = \"relative\"; };", 0, "must begin with /"},
        {"a = 1;\n@include \"x\"", 2, "@include is not taken"},
};

static void test_mistakes(void)
{
        for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
                struct cfg_mistakes ms = {0};
                struct cfg c, before;

                cfg_default(&c);
                before = c;
                CU_ASSERT_EQUAL(cfg_load_text(bytes_str(mistakes[i].text), "file", &c, &ms), -EINVAL);
                CU_ASSERT_TRUE_FATAL(ms.n >= 1);
                if (ms.m[0].line != mistakes[i].line || !strstr(ms.m[0].text, mistakes[i].words))
                        printf("\n    %s gave %d: %s", mistakes[i].text, ms.m[0].line, ms.m[0].text);
                CU_ASSERT_EQUAL(ms.m[0].line, mistakes[i].line);
                CU_ASSERT_PTR_NOT_NULL(strstr(ms.m[0].text, mistakes[i].words));
                CU_ASSERT_EQUAL(memcmp(&c, &before, sizeof(c)), 0);
                cfg_mistakes_release(&ms);
        }
}

static void test_all_at_once(void)
{
        static const char text[] = "queue: { show = 101; page = -1; };\nlog: { level = \"x\"; };\nnonsense = "
                                   "1;\nlearn: { period = 1; };\n";
        static const int lines[] = {1, 1, 2, 3, 4};
        struct cfg_mistakes ms = {0};
        struct cfg c;

        cfg_default(&c);
        CU_ASSERT_EQUAL(cfg_load_text(bytes_str(text), "file", &c, &ms), -EINVAL);
        CU_ASSERT_EQUAL_FATAL(ms.n, ARRAY_LEN(lines));
        for (size_t i = 0; i < ms.n; i++) {
                CU_ASSERT_EQUAL(ms.m[i].line, lines[i]);
                CU_ASSERT_STRING_EQUAL(ms.m[i].file, "file");
        }
        cfg_mistakes_release(&ms);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        fchmod(fd, mode);
        close(fd);
}

static void test_files(void)
{
        char dir[] = "/tmp/tidemark-config-XXXXXX", main_path[64], drop_in[64], a[96], b[96];
        struct cfg_mistakes ms = {0};
        struct cfg c;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        snprintf(main_path, sizeof(main_path), "%s/tidemark.conf", dir);
        snprintf(drop_in, sizeof(drop_in), "%s/conf.d", dir);
        snprintf(a, sizeof(a), "%s/10-a.conf", drop_in);
        snprintf(b, sizeof(b), "%s/20-b.conf", drop_in);
        cfg_default(&c);
        CU_ASSERT_EQUAL(cfg_load(main_path, &c, &ms), -EINVAL); /* named, and not there */
        cfg_mistakes_release(&ms);
        put_file(main_path, "", 0644);
        CU_ASSERT_EQUAL(cfg_load(main_path, &c, &ms), 0);
        put_file(main_path, "queue: { show = 41; page = 91; };", 0644);
        CU_ASSERT_EQUAL(mkdir(drop_in, 0755), 0);
        put_file(b, "queue: { show = 43; };", 0644); /* the later name has the later word */
        put_file(a, "queue: { show = 42; };", 0644);
        CU_ASSERT_EQUAL(cfg_load(main_path, &c, &ms), 0);
        CU_ASSERT_EQUAL(c.judge.show, 43);
        CU_ASSERT_EQUAL(c.judge.page, 91);
        put_file(a, "queue: { show = 42; }; x = 1;", 0644);
        put_file(b, "y = 1;", 0644);
        CU_ASSERT_EQUAL(cfg_load(main_path, &c, &ms), -EINVAL);
        CU_ASSERT_EQUAL_FATAL(ms.n, 2);
        CU_ASSERT_STRING_EQUAL(ms.m[0].file, a);
        CU_ASSERT_STRING_EQUAL(ms.m[1].file, b);
        CU_ASSERT_EQUAL(c.judge.show, 43); /* untouched */
        cfg_mistakes_release(&ms);
        put_file(a, "queue: { show = 42; };", 0666);
        put_file(b, "", 0644);
        CU_ASSERT_EQUAL(cfg_load(main_path, &c, &ms), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(ms.m[0].text, "written by anybody"));
        cfg_mistakes_release(&ms);
        unlink(a), unlink(b), rmdir(drop_in), unlink(main_path), rmdir(dir);
}

static const struct unit_case cases[] = {
        {"a dump is read back to the same", test_dump},
        {"each kind of mistake is named with its line", test_mistakes},
        {"all mistakes are told at once", test_all_at_once},
        {"files and drop-ins: order, owners, and all or nothing", test_files},
        {"where flows are watched", test_scope},
};
UNIT_MAIN("config", cases)
