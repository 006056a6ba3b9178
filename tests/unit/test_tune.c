/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proposals: which findings make one, how narrow its rule is, and over what there is none. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case/tune-priv.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/tune.h"

/* ---- findings, in few words ---- */

struct sig {
        const char *kind, *subject, *key, *exe, *origin, *layer; /* key NULL: the subject */
        const char *name, *address, *direction;                  /* of flows, by tcp */
        int port;
};
struct find {
        const char *verdict;
        int count;
        struct sig s[4];
};

static json_t *text(const char *s)
{
        return s ? json_string(s) : json_null();
}

static json_t *signal_of(const struct sig *s)
{
        json_t *o = json_object(), *names = json_array();

        json_object_set_new(o, "kind", text(s->kind));
        json_object_set_new(o, "subject", text(s->subject));
        json_object_set_new(o, "key", text(s->key ? s->key : s->subject));
        json_object_set_new(o, "operation", json_string("write"));
        json_object_set_new(o, "executable", text(s->exe));
        json_object_set_new(o, "origin", text(s->origin ? s->origin : "entrypoint"));
        json_object_set_new(o, "layer", text(s->layer ? s->layer : "image"));
        if (s->address) {
                if (s->name)
                        json_array_append_new(names, json_string(s->name));
                json_object_set(o, "names", names);
                json_object_set_new(o, "address", text(s->address));
                json_object_set_new(o, "protocol", json_string("tcp"));
                json_object_set_new(o, "direction", text(s->direction ? s->direction : "outbound"));
                json_object_set_new(o, "port", json_integer(s->port));
        }
        json_decref(names);
        return o;
}

static json_t *finding_of(const struct find *f, int id)
{
        json_t *o = json_object(), *signals = json_array();
        char name[16];

        snprintf(name, sizeof(name), "F-%d", id);
        for (size_t i = 0; i < ARRAY_LEN(f->s) && f->s[i].kind; i++)
                json_array_append_new(signals, signal_of(&f->s[i]));
        json_object_set_new(o, "id", json_string(name));
        json_object_set_new(o, "type", json_string("drift"));
        json_object_set_new(o, "verdict", text(f->verdict));
        json_object_set_new(o, "count", json_integer(f->count ? f->count : 1));
        json_object_set_new(o, "workload", json_pack("{s:s}", "name", "web"));
        json_object_set_new(o, "signals", signals);
        json_object_set_new(o, "signals_more", json_integer(0));
        return o;
}

static json_t *findings_of(const struct find *f, size_t n)
{
        json_t *a = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(a, finding_of(&f[i], (int)i + 1));
        return a;
}

/* ---- rules ---- */

#define WEB "tidemark allow add --workload web"
#define DATA(p)                                                                                                        \
        {                                                                                                              \
                "file", p, NULL, "/usr/bin/job", NULL, NULL, NULL, NULL, NULL, 0                                       \
        }
#define MARKED(p, m)                                                                                                   \
        {                                                                                                              \
                "file", p, p " [" m "]", "/usr/bin/job", NULL, NULL, NULL, NULL, NULL, 0                               \
        }
#define RAN(p)                                                                                                         \
        {                                                                                                              \
                "process", p, p " [write-layer]", "/bin/sh", NULL, "write-layer", NULL, NULL, NULL, 0                  \
        }
#define CALLED(n, a, p)                                                                                                \
        {                                                                                                              \
                "network", a, NULL, "/usr/bin/curl", NULL, NULL, n, a, NULL, p                                         \
        }

static const struct row {
        const char *what;
        struct find f[4];
        const char *rules[3]; /* all that there are, in order; none: nothing is proposed */
        size_t covered;       /* by the first */
} rows[] = {
        {"names that count up",
         {{.s = {DATA("/srv/out/run-17.csv")}},
          {.s = {DATA("/srv/out/run-18.csv")}},
          {.s = {DATA("/srv/out/run-209.csv")}}},
         {WEB " --path '/srv/out/run-*.csv' --executable /usr/bin/job --origin entrypoint"},
         3},
        {"one finding, seen once, judged by nobody, is nothing to make a rule of",
         {{.s = {DATA("/srv/out/a.csv")}}},
         {NULL},
         0},
        {"the same, judged benign",
         {{.verdict = "benign", .s = {DATA("/srv/out/a.csv")}}},
         {WEB " --path /srv/out/a.csv --executable /usr/bin/job --origin entrypoint"},
         1},
        {"the same, time and again",
         {{.count = 3, .s = {DATA("/srv/out/a.csv")}}},
         {WEB " --path /srv/out/a.csv --executable /usr/bin/job --origin entrypoint"},
         1},
        {"judged malicious: none, and none over others because of it",
         {{.verdict = "malicious", .count = 9, .s = {DATA("/srv/out/a.csv")}}},
         {NULL},
         0},
        {"other kinds of file in one directory are another rule",
         {{.s = {DATA("/srv/a.csv")}},
          {.s = {DATA("/srv/b.csv")}},
          {.s = {DATA("/srv/x.log")}},
          {.s = {DATA("/srv/y.log")}}},
         {WEB " --path '/srv/*.csv' --executable /usr/bin/job --origin entrypoint",
          WEB " --path '/srv/*.log' --executable /usr/bin/job --origin entrypoint"},
         2},
        {"directories beside each other",
         {{.s = {DATA("/srv/q/a1/x.tmp")}}, {.s = {DATA("/srv/q/b2/x.tmp")}}, {.s = {DATA("/srv/q/c3/x.tmp")}}},
         {WEB " --path '/srv/q/*/x.tmp' --executable /usr/bin/job --origin entrypoint"},
         3},
        {"two of them are two rules, if each is worth one",
         {{.count = 5, .s = {DATA("/srv/q/a1/x.tmp")}}, {.count = 5, .s = {DATA("/srv/q/b2/x.tmp")}}},
         {WEB " --path /srv/q/a1/x.tmp --executable /usr/bin/job --origin entrypoint",
          WEB " --path /srv/q/b2/x.tmp --executable /usr/bin/job --origin entrypoint"},
         1},
        {"nothing over first directories",
         {{.s = {DATA("/a1/x.tmp")}}, {.s = {DATA("/b2/x.tmp")}}, {.s = {DATA("/c3/x.tmp")}}},
         {NULL},
         0},
        {"never a pattern over what can be run",
         {{.s = {MARKED("/srv/out/run-1", "executable")}},
          {.s = {MARKED("/srv/out/run-2", "executable")}},
          {.s = {MARKED("/srv/out/run-3", "executable")}}},
         {NULL},
         0},
        {"nor over setuid files, but the path of one",
         {{.count = 4, .s = {MARKED("/srv/su", "setuid")}}, {.s = {MARKED("/srv/su2", "setuid")}}},
         {WEB " --path /srv/su --origin entrypoint"},
         1},
        {"nor over files by which something runs later",
         {{.s = {DATA("/etc/cron.d/a")}}, {.s = {DATA("/etc/cron.d/b")}}, {.count = 3, .s = {DATA("/etc/cron.d/c")}}},
         {WEB " --path /etc/cron.d/c --origin entrypoint"},
         1},
        {"a key with more marks than one",
         {{.count = 4,
           .s = {{"file", "/srv/p", "/srv/p [executable] [probe]", "/usr/bin/job", "probe", NULL, NULL, NULL, NULL,
                  0}}}},
         {WEB " --path /srv/p --origin probe"},
         1},
        {"written and run: the path of both",
         {{.count = 4, .s = {MARKED("/tmp/w", "executable"), RAN("/tmp/w")}}},
         {WEB " --path /tmp/w --origin entrypoint"},
         1},
        {"written and run, and called somebody: no one rule",
         {{.count = 4, .s = {RAN("/tmp/w"), CALLED("a.example.com", "203.0.113.1", 443)}}},
         {NULL},
         0},
        {"what ran from memory has no name",
         {{.count = 9, .s = {{"process", "memfd", "memfd [memfd]", "/bin/sh", NULL, "memfd", NULL, NULL, NULL, 0}}}},
         {NULL},
         0},
        {"stars in names are names",
         {{.count = 3, .s = {DATA("/srv/a*b?\\\\c\\n.csv")}}},
         {WEB " --path '/srv/a\\*b\\?\\\\c\\n.csv' --executable /usr/bin/job --origin entrypoint"},
         1},
        {"a name",
         {{.count = 3, .s = {CALLED("api.example.com", "203.0.113.1", 443)}}},
         {WEB " --executable /usr/bin/curl --destination api.example.com:443/tcp --origin entrypoint"},
         1},
        {"hosts of chance of one site",
         {{.s = {CALLED("node-1.pool.example.com", "203.0.113.1", 443)}},
          {.s = {CALLED("node-2.pool.example.com", "203.0.113.2", 443)}}},
         {WEB " --executable /usr/bin/curl --destination 'node-*.pool.example.com:443/tcp' --origin entrypoint"},
         2},
        {"other names of one owner are other rules, and two of them not worth one",
         {{.s = {CALLED("api.example.com", "203.0.113.1", 443)}},
          {.s = {CALLED("evil.example.com", "203.0.113.2", 443)}}},
         {NULL},
         0},
        {"raw addresses are never one network",
         {{.s = {CALLED(NULL, "203.0.113.1", 443)}},
          {.s = {CALLED(NULL, "203.0.113.2", 443)}},
          {.count = 5, .s = {CALLED(NULL, "203.0.113.3", 443)}}},
         {WEB " --executable /usr/bin/curl --destination 203.0.113.3:443/tcp --origin entrypoint"},
         1},
        {"addresses of the site may be",
         {{.s = {CALLED(NULL, "10.1.2.3", 5432)}}, {.s = {CALLED(NULL, "10.1.2.77", 5432)}}},
         {WEB " --executable /usr/bin/curl --destination 10.1.2.0/24:5432/tcp --origin entrypoint"},
         2},
        {"one of them is one",
         {{.count = 3, .s = {CALLED(NULL, "fd00::1", 5432)}}},
         {WEB " --executable /usr/bin/curl --destination '[fd00::1]:5432/tcp' --origin entrypoint"},
         1},
        {"another port is another rule",
         {{.count = 3, .s = {CALLED("a.example.com", "203.0.113.1", 443), CALLED("a.example.com", "203.0.113.1", 80)}}},
         {NULL},
         0},
        {"a program that the image lacks: its path and one name",
         {{.s = {{"network", "x", NULL, "/tmp/c", NULL, "write-layer", "n-1.p.example.com", "203.0.113.1", NULL, 443}}},
          {.count = 4,
           .s = {{"network", "x", NULL, "/tmp/c", NULL, "write-layer", "n-2.p.example.com", "203.0.113.1", NULL,
                  443}}}},
         {WEB " --executable /tmp/c --destination n-2.p.example.com:443/tcp --origin entrypoint"},
         1},
        {"where it listens",
         {{.count = 3, .s = {{"network", "x", NULL, "/usr/bin/job", NULL, NULL, NULL, "0.0.0.0", "inbound", 8080}}}},
         {WEB " --executable /usr/bin/job --destination listen:8080/tcp --origin entrypoint"},
         1},
        {"rights: only what was judged benign",
         {{.count = 9, .s = {{"privilege", "uid", "uid 33", "/usr/bin/su", NULL, NULL, NULL, NULL, NULL, 0}}}},
         {NULL},
         0},
        {"rights of an executable",
         {{.verdict = "benign", .s = {{"privilege", "uid", "uid 33", "/usr/bin/su", NULL, NULL, NULL, NULL, NULL, 0}}}},
         {WEB " --executable /usr/bin/su --origin entrypoint --signal privilege"},
         1},
        {"what reached out of the container",
         {{.verdict = "benign",
           .s = {{"privilege", "ptrace", "ptrace [host]", "/usr/bin/gdb", NULL, NULL, NULL, NULL, NULL, 0}}}},
         {NULL},
         0},
        {"who did it is not known, nor from where",
         {{.count = 3, .s = {{"file", "/srv/a", NULL, NULL, "unknown", NULL, NULL, NULL, NULL, 0}}}},
         {WEB " --path /srv/a"},
         1},
        {"judged benign goes first, to be mended goes last",
         {{.count = 90, .s = {DATA("/srv/a")}},
          {.verdict = "benign", .s = {DATA("/srv/b/b")}},
          {.verdict = "misconfigured", .count = 900, .s = {DATA("/srv/c/c")}}},
         {WEB " --path /srv/b/b --executable /usr/bin/job --origin entrypoint",
          WEB " --path /srv/a --executable /usr/bin/job --origin entrypoint",
          WEB " --path /srv/c/c --executable /usr/bin/job --origin entrypoint"},
         1},
};

static void test_rows(void)
{
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct row *r = &rows[i];
                size_t n = 0, expected = 0;
                json_t *f, *p;

                while (n < ARRAY_LEN(r->f) && r->f[n].s[0].kind)
                        n++;
                while (expected < ARRAY_LEN(r->rules) && r->rules[expected])
                        expected++;
                f = findings_of(r->f, n);
                p = tune_propose(f);
                if (json_array_size(p) != expected)
                        fprintf(stderr, "\n%s: %zu proposals\n", r->what, json_array_size(p));
                CU_ASSERT_EQUAL(json_array_size(p), expected);
                for (size_t k = 0; k < expected && k < json_array_size(p); k++) {
                        const char *line = json_string_value(json_object_get(json_array_get(p, k), "command"));

                        if (strcmp(line, r->rules[k]) != 0)
                                fprintf(stderr, "\n%s: %s\n", r->what, line);
                        CU_ASSERT_STRING_EQUAL(line, r->rules[k]);
                }
                if (json_array_size(p))
                        CU_ASSERT_EQUAL(json_array_size(json_object_get(json_array_get(p, 0), "findings")), r->covered);
                json_decref(p);
                json_decref(f);
        }
}

/* ---- does a rule cover a finding? ---- */

static void test_covers(void)
{
        static const struct find data = {.s = {DATA("/srv/out/a-1.csv")}};
        static const struct find program = {.s = {MARKED("/srv/out/a-1.csv", "executable")}};
        static const struct find raw = {.s = {CALLED(NULL, "203.0.113.7", 443)}};
        static const struct find named = {.s = {CALLED("api.example.com", "203.0.113.7", 443)}};
        static const struct find both = {
                .s = {DATA("/srv/out/a-1.csv"), CALLED("api.example.com", "203.0.113.7", 443)}};
        static const struct {
                const struct find *f;
                const char *rule;
                bool covers;
        } cases[] = {
                {&data, "{\"workload\": \"web\", \"path\": \"/srv/out/*.csv\"}", true},
                {&data, "{\"workload\": \"we?\", \"path\": \"/srv/**\"}", true},
                {&data, "{\"workload\": \"other\", \"path\": \"/srv/out/*.csv\"}", false},
                {&data, "{\"path\": \"/srv/*.csv\"}", false},
                {&data, "{\"path\": \"/srv/out/*\", \"executable\": \"/usr/bin/job\"}", true},
                {&data, "{\"path\": \"/srv/out/*\", \"executable\": \"/bin/sh\"}", false},
                {&data, "{\"path\": \"/srv/out/*\", \"origin\": \"exec\"}", false},
                {&data, "{\"path\": \"/srv/out/*\", \"signal\": \"process\"}", false},
                {&data, "{\"destination\": \"api.example.com:443/tcp\"}", false},
                {&program, "{\"path\": \"/srv/out/*.csv\"}", false},
                {&program, "{\"path\": \"/srv/out/a-1.csv\"}", true},
                {&raw, "{\"destination\": \"203.0.113.0/24:443/tcp\"}", false},
                {&raw, "{\"destination\": \"203.0.113.7:443/tcp\"}", true},
                {&raw, "{\"destination\": \"203.0.113.7:80/tcp\"}", false},
                {&raw, "{\"executable\": \"/usr/bin/curl\"}", false},
                {&named, "{\"destination\": \"*.example.com:443/tcp\"}", true},
                {&named, "{\"destination\": \"203.0.113.7:443/tcp\"}", false},
                {&both, "{\"path\": \"/srv/out/*.csv\"}", false},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                json_t *f = finding_of(cases[i].f, 1), *rule = json_loads(cases[i].rule, 0, NULL);

                if (tune_covers(rule, f) != cases[i].covers)
                        fprintf(stderr, "\n%s\n", cases[i].rule);
                CU_ASSERT_EQUAL(tune_covers(rule, f), cases[i].covers);
                json_decref(f);
                json_decref(rule);
        }
}

/* Of what must stay to be seen the unknown counts as hidden. */
static void test_may_hide(void)
{
        char path[500];
        struct find cut = {.s = {{.kind = "file", .exe = "/usr/bin/job"}}}, two = {.s = {DATA("/srv/b.csv")}};
        json_t *rule = json_pack("{s:s}", "path", "/srv/*"), *f;

        snprintf(path, sizeof(path), "/srv/%0450d", 7);
        cut.s[0].subject = two.s[1].subject = path;
        two.s[1].kind = "file";
        f = finding_of(&cut, 1);
        CU_ASSERT_FALSE(tune_covers(rule, f));
        CU_ASSERT_TRUE(tune_may_hide(rule, f));
        json_decref(f);
        f = finding_of(&two, 1);
        CU_ASSERT_TRUE(tune_may_hide(rule, f));
        json_object_set_new(rule, "path", json_string("/srv/c.csv"));
        CU_ASSERT_FALSE(tune_may_hide(rule, f));
        json_decref(f);
        json_decref(rule);
}

/* ---- patterns ---- */

static void test_pattern(void)
{
        static const struct {
                const char *paths[3], *pattern; /* NULL: none */
        } cases[] = {
                {{"/a/b", "/a/b"}, "/a/b"},
                {{"/a/b1c", "/a/b22c"}, "/a/b*c"},
                {{"/a/aa", "/a/aaa"}, "/a/aa*"},
                {{"/a/x.y", "/a/x.y.z"}, "/a/x.y*"},
                {{"/a/2026-01-02.log", "/a/2026-11-12.log"}, "/a/2026-*.log"},
                {{"/a/day-alpha.csv", "/a/day-beta.csv"}, "/a/day-*.csv"},
                {{"/a/sess_ab12", "/a/sess_ab99"}, "/a/sess_ab*"},
                {{"/a/node1", "/a/node23"}, "/a/node*"},
                {{"/a/x\\xffab.c", "/a/x\\xfeab.c"}, "/a/x*.c"},
                {{"/a/\xc3\xa4"
                  "b.x",
                  "/a/\xc3\xa4"
                  "c.x"},
                 "/a/*.x"},
                {{"/a/b/c", "/a/b"}, NULL},
                {{"/a/b", "/c/b"}, NULL},
                {{"/s/a/b/c", "/s/d/e/f"}, NULL},
                {{"/s/a/b/c", "/s/d/b/f"}, "/s/*/b/*"},
                {{"/s/\\xffa", "/s/\\xfeb"}, "/s/*"},
                {{"/s/\\xffa", "/s/\\x0fa"}, "/s/*a"},
                {{"/s/\xc3\xa4.x", "/s/\xc3\xb6.x"}, "/s/*.x"},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                _cleanup_buf_ struct buf b;
                bool found;

                buf_init(&b, 4096);
                found = tune_pattern(cases[i].paths, 2, &b);
                CU_ASSERT_EQUAL(found, cases[i].pattern != NULL);
                if (found && cases[i].pattern && strcmp(buf_cstr(&b), cases[i].pattern) != 0)
                        fprintf(stderr, "\n%s: %s\n", cases[i].paths[0], buf_cstr(&b));
                if (found && cases[i].pattern)
                        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), cases[i].pattern);
        }
}

/* Nobody reads more than some, however many there are; and a queue of thousands is no matter of minutes. */
static void test_many(void)
{
        json_t *f = json_array(), *p;

        for (int i = 0; i < 3000; i++) {
                struct find one = {.count = 3 + i % 7};
                char path[64];

                snprintf(path, sizeof(path), "/srv/%c%c%d/file-%d.dat", 'a' + i % 26, 'a' + i / 26 % 26, i % 10, i);
                one.s[0] = (struct sig){.kind = "file", .subject = path, .exe = "/usr/bin/job"};
                json_array_append_new(f, finding_of(&one, i + 1));
        }
        p = tune_propose(f);
        CU_ASSERT_TRUE(json_array_size(p) > 0);
        CU_ASSERT_TRUE(json_array_size(p) <= TUNE_PROPOSALS);
        json_decref(p);
        json_decref(f);
}

/* What has not the promised shape is passed over. */
static void test_strange(void)
{
        static const char *const texts[] = {
                "[1, null, \"x\", {}]",
                "[{\"type\": \"drift\", \"signals\": [1, {}]}]",
                "[{\"type\": \"drift\", \"signals\": [{\"kind\": \"file\"}]}]",
                "[{\"type\": \"drift\", \"count\": 9, \"signals\": [{\"kind\": \"network\", \"address\": \"x\"}]}]",
                "{}",
        };

        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                json_t *f = json_loads(texts[i], 0, NULL), *p = tune_propose(f);

                CU_ASSERT_PTR_NOT_NULL(p);
                CU_ASSERT_EQUAL(json_array_size(p), 0);
                json_decref(p);
                json_decref(f);
        }
}

static const struct unit_case cases[] = {
        {"the narrowest rule over what belongs together", test_rows},
        {"a rule covers what the judge would let it", test_covers},
        {"what is not kept whole may be hidden", test_may_hide},
        {"the narrowest pattern over paths", test_pattern},
        {"thousands of findings", test_many},
        {"findings of another shape", test_strange},
};
UNIT_MAIN("tune", cases)
