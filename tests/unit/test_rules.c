/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operators' rules: what each fits and how far it reaches, what goes before what, windows of time with zones and
 * changes of the clock, what is hidden and what breaks through, ends, limits, and that what was saved makes the same
 * rules.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "judge/quiet-priv.h"
#include "judge/rules-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"

#define DAY_NS (24 * HOUR)

/* ---- the world ---- */

static void write_by(struct world *w, const char *path, uint32_t mode, const char *exe, enum tide_origin origin)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1")};

        ev.file.actor = actor(300, origin, exe);
        ev.file.actor.exe_layer = LAYER_IMAGE;
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | mode;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void put(struct world *w, const char *path, uint32_t mode)
{
        write_by(w, path, mode, "/bin/cp", ORIGIN_ENTRYPOINT);
}

static struct bytes address(const char *text)
{
        static uint8_t space[8][16];
        static unsigned next;
        uint8_t *p = space[next++ % 8];
        int family = strchr(text, ':') ? AF_INET6 : AF_INET;

        CU_ASSERT_EQUAL(inet_pton(family, text, p), 1);
        return bytes_of(p, family == AF_INET ? 4 : 16);
}

static void flow(struct world *w, uint8_t what, const char *to, uint16_t port, const char *exe, enum tide_layer layer)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_CONNTRACK, .container = BYTES_LIT("c1")};

        ev.flow.actor = actor(200, ORIGIN_ENTRYPOINT, exe);
        ev.flow.actor.exe_layer = (uint8_t)layer;
        ev.flow.what = what;
        ev.flow.direction = what == FLOW_LISTENS ? DIRECTION_IN : DIRECTION_OUT;
        ev.flow.proto = IPPROTO_TCP;
        ev.flow.local = what == FLOW_LISTENS ? address(to) : address("10.88.0.2");
        ev.flow.lport = what == FLOW_LISTENS ? port : 45000;
        if (what != FLOW_LISTENS) {
                ev.flow.remote = address(to);
                ev.flow.rport = port;
        }
        ev.flow.netns = 77;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void call(struct world *w, const char *to, uint16_t port)
{
        flow(w, FLOW_BEGAN, to, port, "/usr/sbin/nginx", LAYER_IMAGE);
}

static void answer(struct world *w, const char *name, const char *to)
{
        struct tide_event ev = {.kind = TIDE_NAME, .sources = SRC_NFLOG, .container = BYTES_LIT("c1")};
        static const uint8_t ttl[4] = {60, 0, 0, 0};
        _cleanup_buf_ struct buf b;

        buf_init(&b, 200);
        tide_list_put(&b, address(to), bytes_of(ttl, 4));
        ev.name.verdict = NAME_ANSWERED;
        ev.name.proto = IPPROTO_UDP;
        ev.name.question = bytes_str(name);
        ev.name.addresses = buf_bytes(&b);
        ev.name.netns = 77;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* A workload whose baseline holds a little and is active. */
static void active(struct world *w)
{
        world_open(w);
        start(w);
        run(w, "/bin/date", LAYER_IMAGE);
        put(w, "/var/log/web.log", 0644);
        call(w, "10.1.1.1", 80);
        CU_ASSERT_EQUAL(decide(w, "baseline.activate", "web@sha256:aa"), 0);
}

/* "path=/x" and the like, up to NULL. */
static int decide_with(struct world *w, bool dry, const char *verb, va_list ap)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        _cleanup_buf_ struct buf b;
        const char *arg;

        buf_init(&b, 8192);
        while ((arg = va_arg(ap, const char *))) {
                const char *eq = strchr(arg, '=');

                tide_list_put(&b, bytes_of(arg, (size_t)(eq - arg)), bytes_str(eq + 1));
        }
        ev.decision.verb = bytes_str(verb);
        ev.decision.args = buf_bytes(&b);
        ev.decision.uid = 0;
        ev.decision.login_uid = 1000;
        ev.wall_ns = (int64_t)(T0 + w->now);
        return dry ? judge_try(w->j, &ev) : give(w, &ev);
}

static int rule(struct world *w, const char *verb, ...)
{
        va_list ap;
        int r;

        va_start(ap, verb);
        r = decide_with(w, false, verb, ap);
        va_end(ap);
        return r;
}

static int rule_dry(struct world *w, const char *verb, ...)
{
        va_list ap;
        int r;

        va_start(ap, verb);
        r = decide_with(w, true, verb, ap);
        va_end(ap);
        return r;
}

static const char *seconds(struct world *w, const char *name, int64_t ahead)
{
        static char text[4][48];
        static unsigned next;
        char *p = text[next++ % 4];

        snprintf(p, sizeof(text[0]), "%s=%lld", name, (long long)((int64_t)(T0 + w->now) / (int64_t)SEC + ahead));
        return p;
}

static struct judge_rule rule_of(const struct world *w, uint64_t id)
{
        struct judge_rule r = {0};

        for (size_t i = 0; judge_rule_next(w->j, &i, &r);)
                if (r.id == id)
                        return r;
        return (struct judge_rule){0};
}

#define VERDICT(w, words) CU_ASSERT_STRING_EQUAL((w)->verdict, words)

static bool begins(const struct world *w, const char *words)
{
        return strncmp(w->verdict, words, strlen(words)) == 0;
}

/* ---- allow: files and programs ---- */

static void test_allow_files(void)
{
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=its data", NULL), 0);
        put(&w, "/srv/a/b", 0644);
        VERDICT(&w, "allowed by R-1");
        put(&w, "/srv/a/b", 0644);
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden, 2);
        CU_ASSERT_EQUAL(rule_of(&w, 1).last_ns, (int64_t)(T0 + w.now - SEC / 1000));
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 1); /* not learned */
        put(&w, "/etc/passwd", 0644);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        /* Of what is never learned silently, and of what can be run, a pattern hides nothing. */
        put(&w, "/srv/a/tool", 0755);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        put(&w, "/srv/a/su", 04755);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        run(&w, "/srv/a/tool2", LAYER_WRITE);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        /* Nor of what makes something run later, or lets somebody in. */
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/etc/**", "reason=it is configured", NULL), 0);
        put(&w, "/etc/app.conf", 0644);
        VERDICT(&w, "allowed by R-2");
        put(&w, "/etc/cron.d/job", 0644);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.remove", "rule=R-2", NULL), 0);
        /* Its path alone does. */
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/a/tool3", "reason=it is ours", NULL), 0);
        put(&w, "/srv/a/tool3", 0755);
        VERDICT(&w, "allowed by R-3");
        run(&w, "/srv/a/tool3", LAYER_WRITE);
        VERDICT(&w, "allowed by R-3");
        run(&w, "/srv/a/tool3", LAYER_MEMFD); /* no file has that path */
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden, 2);
        CU_ASSERT_EQUAL(rule_of(&w, 3).hidden, 2);
        world_close(&w);
}

static void test_allow_fields(void)
{
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "executable=/usr/bin/rsync", "workload=we*", "origin=entrypoint",
                             "signal=file", "reason=backup", NULL),
                        0);
        write_by(&w, "/data/x", 0644, "/usr/bin/rsync", ORIGIN_ENTRYPOINT);
        VERDICT(&w, "allowed by R-1");
        write_by(&w, "/data/y", 0644, "/usr/bin/scp", ORIGIN_ENTRYPOINT);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        write_by(&w, "/data/z", 0644, "/usr/bin/rsync", ORIGIN_FOREIGN);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        write_by(&w, "/data/t", 0755, "/usr/bin/rsync", ORIGIN_ENTRYPOINT); /* it can be run */
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        flow(&w, FLOW_BEGAN, "10.9.9.9", 22, "/usr/bin/rsync", LAYER_IMAGE); /* another signal */
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/data/**", "workload=db*", "reason=of another", NULL), 0);
        write_by(&w, "/data/u", 0644, "/usr/bin/scp", ORIGIN_ENTRYPOINT);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/data/**", "workload=web@sha256:aa", "reason=by its id", NULL), 0);
        write_by(&w, "/data/v", 0644, "/usr/bin/scp", ORIGIN_ENTRYPOINT);
        VERDICT(&w, "allowed by R-3");
        world_close(&w);
}

/* ---- allow: destinations ---- */

static void test_places(void)
{
        static const struct {
                const char *text;
                bool listens, any;
                unsigned address_len, bits;
                const char *name;
                unsigned port, proto;
        } rows[] = {
                {"203.0.113.7", false, false, 4, 32, "", 0, 0},
                {"203.0.113.7:443", false, false, 4, 32, "", 443, 0},
                {"203.0.113.7:443/tcp", false, false, 4, 32, "", 443, IPPROTO_TCP},
                {"203.0.113.7/icmp", false, false, 4, 32, "", 0, IPPROTO_ICMP},
                {"10.0.0.0/8", false, false, 4, 8, "", 0, 0},
                {"10.0.0.0/8:5432/tcp", false, false, 4, 8, "", 5432, IPPROTO_TCP},
                {"2001:db8::1", false, false, 16, 128, "", 0, 0},
                {"2001:db8::/32", false, false, 16, 32, "", 0, 0},
                {"[2001:db8::1]:443/tcp", false, false, 16, 128, "", 443, IPPROTO_TCP},
                {"[2001:db8::/32]:443", false, false, 16, 32, "", 443, 0},
                {"API.example.com", false, false, 0, 0, "api.example.com", 0, 0},
                {"*.example.com:443/tcp", false, false, 0, 0, "*.example.com", 443, IPPROTO_TCP},
                {"db", false, false, 0, 0, "db", 0, 0},
                {"db-*", false, false, 0, 0, "db-*", 0, 0},
                {":5432/tcp", false, true, 0, 0, "", 5432, IPPROTO_TCP},
                {"listen:8080", true, false, 0, 0, "", 8080, 0},
        };

        static const char *const bad[] = {"",
                                          "*",
                                          "*.com",
                                          "a.*.com",
                                          "**",
                                          "10.0.0.0/33",
                                          "10.0.0.0/nonsense",
                                          "host:0",
                                          "host:70000",
                                          "host:x",
                                          "a b",
                                          "http://x.example.com",
                                          "listen:x",
                                          "[2001:db8::1]:",
                                          "2001:db8::/129"};
        char name[RULE_TEXT];
        struct rule_place p;

        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                if (!rule_place(bytes_str(bad[i]), name, &p)) {
                        printf("%s was taken\n", bad[i]);
                        CU_FAIL("rule_place");
                }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *wrong = rule_place(bytes_str(rows[i].text), name, &p);

                CU_ASSERT_PTR_NULL(wrong);
                if (wrong)
                        printf("%s: %s\n", rows[i].text, wrong);
                if (wrong)
                        continue;
                CU_ASSERT_EQUAL(p.listens, rows[i].listens);
                CU_ASSERT_EQUAL(p.any, rows[i].any);
                CU_ASSERT_EQUAL(p.address_len, rows[i].address_len);
                CU_ASSERT_EQUAL(p.bits, rows[i].bits);
                CU_ASSERT_TRUE(bytes_eq(p.name, bytes_str(rows[i].name)));
                CU_ASSERT_EQUAL(p.port, rows[i].port);
                CU_ASSERT_EQUAL(p.proto, rows[i].proto);
        }
}

static void test_allow_flows(void)
{
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=10.7.0.0/16:5432/tcp", "reason=the database", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=198.51.0.0/16", "reason=a partner", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=203.0.113.7", "reason=one address", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=*.example.com:443", "reason=by name", NULL), 0);
        call(&w, "10.7.3.3", 5432);
        VERDICT(&w, "allowed by R-1");
        call(&w, "10.7.3.3", 5433);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        call(&w, "10.8.3.3", 5432);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        /* A raw public address needs its own. */
        call(&w, "198.51.100.9", 443);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        call(&w, "203.0.113.7", 9999);
        VERDICT(&w, "allowed by R-3");
        answer(&w, "partner.example.net", "198.51.100.10"); /* a name led there: the network covers it */
        call(&w, "198.51.100.10", 443);
        VERDICT(&w, "allowed by R-2");
        answer(&w, "api.example.com", "192.0.2.20");
        call(&w, "192.0.2.20", 443);
        VERDICT(&w, "allowed by R-4");
        call(&w, "192.0.2.20", 80);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        /* Whatever host: within the site, but not what hands out a cloud's credentials. */
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=:8088/tcp", "reason=metrics of all", NULL), 0);
        call(&w, "10.20.3.3", 8088);
        VERDICT(&w, "allowed by R-5");
        call(&w, "169.254.169.254", 8088);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        call(&w, "198.51.100.77", 8088);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.remove", "rule=R-5", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=169.254.169.254:8088", "reason=its own role", NULL), 0);
        call(&w, "169.254.169.254", 8088);
        VERDICT(&w, "allowed by R-6");
        /* Behind a name that is allowed no other hides. */
        answer(&w, "evil.example.org", "192.0.2.20");
        call(&w, "192.0.2.20", 443);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        /* A program that the image lacks: both must be written out. */
        answer(&w, "web.example.com", "192.0.2.30");
        flow(&w, FLOW_BEGAN, "192.0.2.30", 443, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=web.example.com", "executable=/tmp/y", "reason=ours", NULL),
                        0);
        flow(&w, FLOW_BEGAN, "192.0.2.30", 443, "/tmp/y", LAYER_WRITE);
        VERDICT(&w, "allowed by R-7");
        /* What it offers. */
        flow(&w, FLOW_LISTENS, "0.0.0.0", 8080, "/usr/sbin/nginx", LAYER_IMAGE);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=listen:8081/tcp", "reason=metrics", NULL), 0);
        flow(&w, FLOW_LISTENS, "0.0.0.0", 8081, "/usr/sbin/nginx", LAYER_IMAGE);
        VERDICT(&w, "allowed by R-8");
        world_close(&w);
}

/* A change of rights must be meant; what leaves the container never is. */
static void test_allow_rights(void)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .container = BYTES_LIT("c1")};
        struct world w;

        active(&w);
        ev.priv.actor = actor(300, ORIGIN_ENTRYPOINT, "/usr/bin/gdb");
        ev.priv.what = PRIV_PTRACE;
        ev.priv.where = WHERE_SAME;
        ev.priv.target_exe = BYTES_LIT("/usr/sbin/nginx");
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "executable=/usr/bin/gdb", "reason=a debugger", NULL), 0);
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "executable=/usr/bin/gdb", "signal=privilege", "reason=meant", NULL), 0);
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        VERDICT(&w, "allowed by R-2");
        ev.priv.where = WHERE_HOST;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        ev.priv.what = PRIV_BLINDED;
        ev.priv.where = WHERE_SAME;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        world_close(&w);
}

/* ---- what goes before what ---- */

static void test_precedence(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        put(&w, "/var/a", 0644);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=normal", NULL), 0);
        CU_ASSERT_EQUAL(
                rule(&w, "suppress.add", "path=/srv/x/**", "reason=never asked", seconds(&w, "until", 3600), NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "path=/var/w/**", "reason=a window", seconds(&w, "until", 3600), NULL),
                        0);
        /* While learning: 4 before 6, 6 before 7, 7 before 10. */
        put(&w, "/srv/x/1", 0644);
        VERDICT(&w, "allowed by R-1");
        put(&w, "/var/w/1", 0644);
        VERDICT(&w, "suppressed by R-3");
        put(&w, "/var/b", 0644);
        VERDICT(&w, "learned");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 2);
        CU_ASSERT_EQUAL(w.opened, 0);
        /* 2 before all: what is known stays so. */
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/var/**", "reason=too much", NULL), 0);
        put(&w, "/var/a", 0644);
        VERDICT(&w, "known");
        CU_ASSERT_EQUAL(rule(&w, "allow.remove", "rule=R-4", NULL), 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        /* 5 before 6: what was told stays in its finding, and that is shown. */
        put(&w, "/var/v/1", 0644);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "path=/var/v/**", "reason=late", seconds(&w, "until", 3600), NULL), 0);
        put(&w, "/var/v/1", 0644);
        VERDICT(&w, "raised already");
        CU_ASSERT_EQUAL(w.count, 2);
        /* 4 before 5: what is allowed later is quiet from then on. */
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/var/v/**", "reason=normal after all", NULL), 0);
        put(&w, "/var/v/1", 0644);
        VERDICT(&w, "allowed by R-6");
        CU_ASSERT_EQUAL(w.count, 2);
        /* 10. */
        put(&w, "/var/u", 0644);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        world_close(&w);
}

/* 3: of a job nothing is judged but what is never learned silently, and a rule is not asked. */
static void test_precedence_class(void)
{
        struct world w;

        world_open(&w);
        w.p.of_class[CLASS_JOB].n = 1;
        snprintf(w.p.of_class[CLASS_JOB].text[0], STR_LIST_TEXT, "web");
        judge_free(w.j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=normal", NULL), 0);
        put(&w, "/srv/1", 0644);
        VERDICT(&w, "not judged: of a job");
        run(&w, "/srv/2", LAYER_WRITE);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden, 0);
        world_close(&w);
}

/* ---- suppress ---- */

static void test_suppress_once(void)
{
        struct judge_stats s;
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "workload=web", "reason=an update", seconds(&w, "from", 600),
                             seconds(&w, "until", 7200), NULL),
                        0);
        put(&w, "/opt/early", 0644); /* not yet */
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(w.opened, 1);
        w.now += 3600 * SEC;
        run(&w, "/bin/new", LAYER_IMAGE);
        VERDICT(&w, "suppressed by R-1");
        run(&w, "/bin/new", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1); /* nobody is told */
        CU_ASSERT_EQUAL(w.changed, 3);
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden, 2);
        judge_stats(w.j, &s);
        CU_ASSERT_EQUAL(s.suppressed, 2);
        CU_ASSERT_EQUAL(s.rules, 1);
        /* It is over: nothing of it was learned, and the same act shows the whole finding. */
        w.now += 7200 * SEC;
        run(&w, "/bin/new", LAYER_IMAGE);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        CU_ASSERT_EQUAL(w.opened, 2);
        CU_ASSERT_EQUAL(w.count, 3);
        world_close(&w);
}

/* What it saw in a window is not told before that is over, nor is what it was told before that forgotten. */
static void test_suppress_phases(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "signal=network", "reason=a move", seconds(&w, "until", 3600), NULL),
                        0);
        call(&w, "10.1.1.1", 80);
        VERDICT(&w, "suppressed by R-1");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 0);
        w.now += 2 * HOUR;
        call(&w, "10.1.1.1", 80);
        VERDICT(&w, "learned");
        world_close(&w);
}

static void test_break_through(void)
{
        struct world w;
        uint64_t n;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "reason=an update", seconds(&w, "until", 7200), NULL), 0);
        run(&w, "/opt/a", LAYER_WRITE); /* 5.5 bits, and some of a baseline of an hour: below */
        VERDICT(&w, "suppressed by R-1");
        CU_ASSERT_TRUE(w.confidence >= w.p.page && w.confidence < 99);
        CU_ASSERT_EQUAL(w.opened, 0);
        put(&w, "/opt/b", 0755); /* while it is learned no finding … */
        VERDICT(&w, "suppressed by R-1");
        run(&w, "/opt/b", LAYER_WRITE); /* … but written and run: that is an attack's */
        VERDICT(&w, "deviation, shown although it was to be suppressed");
        CU_ASSERT_EQUAL(w.confidence, 99);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        CU_ASSERT_EQUAL(rule_of(&w, 1).broke, 1);
        n = rule_of(&w, 1).hidden;
        run(&w, "/opt/b", LAYER_WRITE); /* shown already: nothing of it is counted as hidden */
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden, n);
        world_close(&w);
        /* 100: nothing does. */
        active(&w);
        CU_ASSERT_EQUAL(
                rule(&w, "suppress.add", "reason=a big update", "break_through=100", seconds(&w, "until", 7200), NULL),
                0);
        put(&w, "/opt/a", 0755);
        run(&w, "/opt/a", LAYER_WRITE);
        VERDICT(&w, "suppressed by R-1");
        CU_ASSERT_EQUAL(w.confidence, 99);
        CU_ASSERT_EQUAL(w.opened, 0);
        /* It was not remembered as raised: outside of the window it is told. */
        w.now += 3 * HOUR;
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* Of several windows the one that lets most through counts. */
static void test_lowest_bar(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "reason=big", "break_through=100", seconds(&w, "until", 7200), NULL),
                        0);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "reason=small", "break_through=60", seconds(&w, "until", 7200), NULL),
                        0);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(rule_of(&w, 2).broke, 1);
        world_close(&w);
}

/* A program that may be written, and may not be run: its writing is a part of what is told. */
static void test_allowed_and_run(void)
{
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/opt/b", "signal=file", "reason=an upload", NULL), 0);
        put(&w, "/opt/b", 0755);
        VERDICT(&w, "allowed by R-1");
        CU_ASSERT_EQUAL(w.opened, 0);
        run(&w, "/opt/b", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        world_close(&w);
}

/* What a window hides is listed all the same in the item of a roll-out. */
static void test_window_in_rollout(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c2")};
        const struct finding *item = NULL;
        struct world w;

        active(&w);
        w.now += HOUR;
        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = 400;
        ev.ctr.init_start = 1;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .container = BYTES_LIT("c2")};
        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("localhost/web:2");
        ev.content.config_digest = BYTES_LIT("sha256:bb");
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "reason=big", "break_through=100", seconds(&w, "until", 7200), NULL),
                        0);
        run_in(&w, "c2", "/opt/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 301);
        CU_ASSERT_TRUE(begins(&w, "suppressed by R-1"));
        for (size_t i = 0; i < w.j->nopen; i++)
                if (w.j->open[i]->type == FINDING_ROLLOUT)
                        item = w.j->open[i];
        CU_ASSERT_TRUE(item && item->nsignals == 1 && item->inventory.modified == 1);
        world_close(&w);
}

/* Rules that cannot be about an act cost it nothing, nor does any of them an act that would not be learned. */
static void test_cheap(void)
{
        struct world w;
        uint64_t n;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        for (int i = 0; i < 50; i++) {
                CU_ASSERT_EQUAL(
                        rule(&w, "suppress.add", "signal=network", "reason=a move", seconds(&w, "until", 7200), NULL),
                        0);
                CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=10.9.9.9", "reason=a host", NULL), 0);
        }
        n = rules_passed(w.j);
        run(&w, "/bin/date", LAYER_IMAGE); /* known */
        run(&w, "/bin/ls", LAYER_IMAGE);   /* new */
        put(&w, "/srv/a", 0644);
        CU_ASSERT_EQUAL(rules_passed(w.j), n);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "reason=all", seconds(&w, "until", 7200), NULL), 0);
        run_in(&w, "c1", "/bin/date", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_FOREIGN, 400); /* teaches nothing */
        VERDICT(&w, "known");
        CU_ASSERT_EQUAL(rules_passed(w.j), n);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(rules_passed(w.j), n + 1);
        world_close(&w);
}

/* ---- times ---- */

/* 2026-03-29 01:00 UTC clocks go from +1 to +2, 2026-10-25 01:00 UTC back. */
#define BERLIN_2026                                                                                                    \
        {                                                                                                              \
                {1761440400, 3600}, {1774746000, 7200},                                                                \
                {                                                                                                      \
                        1792890000, 3600                                                                               \
                }                                                                                                      \
        }
#define AT(s) ((int64_t)(s)*1000000000)

static void test_recurring(void)
{
        struct rule r = {.kind = RULE_SUPPRESS,
                         .until_ns = AT(1900000000),
                         .days = 1u << 6,
                         .at = 23 * 3600,
                         .length = 2 * 3600};

        /* Sundays at 23:00 UTC for two hours; 2026-03-01 was a Sunday, 23:00 is 1772406000. */
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1772405999)));
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1772406000)));
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1772406000 + 3600))); /* Monday by now */
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1772406000 + 7199)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1772406000 + 7200)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1772406000 + 86400)));
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1772406000 + 604800)));
        /* A week long: always; its own end ends it. */
        r.length = RULE_LENGTH_MAX;
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1772405999)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1900000000)));
        r.from_ns = AT(1800000000);
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1772406000)));
        /* Before 1970 and far away: no more than false or true. */
        r.until_ns = 0;
        r.from_ns = INT64_MIN;
        (void)rule_is_now(&r, INT64_MIN);
        (void)rule_is_now(&r, INT64_MAX);
}

static void test_zones(void)
{
        struct rule r = {.kind = RULE_SUPPRESS,
                         .until_ns = AT(1900000000),
                         .days = 0x7f,
                         .at = 2 * 3600 + 1800,
                         .length = 3600,
                         .noffsets = 3,
                         .offsets = BERLIN_2026};

        /* Winter: 02:30 there is 01:30 UTC (2026-01-15: 1768440600). */
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1768440600)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1768440599)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1768440600 + 3600)));
        /* Summer: 00:30 UTC (2026-07-15: 1784075400). */
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1784075400)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1784075400 - 1)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1784075400 + 3600)));
        /* On 2026-03-29 there is no 02:30: when it would have been, 01:30 UTC, the clock shows 03:30. */
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1774747799)));
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1774747800)));
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1774747800 + 3599)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1774747800 + 3600)));
        /* On 2026-10-25 it is there twice: the first one, 00:30 UTC, and only that. */
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1792888200)));
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1792888200 + 3599)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1792888200 + 3600)));
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1792888200 + 7199)));
        /* A day east of UTC: Monday there is Sunday here. */
        r = (struct rule){.kind = RULE_SUPPRESS,
                          .days = 1u << 0,
                          .at = 3600,
                          .length = 60,
                          .noffsets = 1,
                          .offsets = {{0, 14 * 3600}}};
        CU_ASSERT_TRUE(rule_is_now(&r, AT(1772406000 - 12 * 3600))); /* Sunday 11:00 UTC */
        CU_ASSERT_FALSE(rule_is_now(&r, AT(1772406000 + 12 * 3600)));
}

static char told[4096];

static void on_note(struct bytes workload, const char *words, void *arg)
{
        (void)workload, (void)arg;
        snprintf(told, sizeof(told), "%s", words);
}

static void test_ends(void)
{
        static const struct judge_ops noting = {
                .save = on_save, .finding = on_finding, .verdict = on_verdict, .note = on_note};
        struct world w;

        world_open(&w);
        judge_free(w.j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &noting, &w, &w.j), 0);
        start(&w);
        told[0] = '\0';
        CU_ASSERT_EQUAL(
                rule(&w, "suppress.add", "path=/srv/**", "reason=for long", seconds(&w, "until", 10 * 86400), NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=for now", seconds(&w, "until", 3 * 86400), NULL),
                        0);
        tick(&w);
        CU_ASSERT_STRING_EQUAL(told, "");
        w.now += 2 * DAY_NS + HOUR;
        tick(&w);
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "allow rule R-2 ends at 2026-01-05T"));
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "path /srv/**"));
        told[0] = '\0';
        tick(&w); /* once */
        CU_ASSERT_STRING_EQUAL(told, "");
        CU_ASSERT_TRUE(rule_of(&w, 2).told);
        put(&w, "/srv/1", 0644);
        VERDICT(&w, "allowed by R-2");
        w.now += DAY_NS;
        put(&w, "/srv/1", 0644); /* its time is over, whether a tick has come or not */
        VERDICT(&w, "suppressed by R-1");
        tick(&w);
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "allow rule R-2 has ended"));
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "it has hidden 1 act"));
        CU_ASSERT_NOT_EQUAL(rule_of(&w, 2).ended_ns, 0);
        CU_ASSERT_EQUAL(rule_of(&w, 2).ended_by.len, 0);
        /* Listed for a week, then gone; its number is not given again. */
        w.now += 6 * DAY_NS;
        tick(&w);
        CU_ASSERT_EQUAL(rule_of(&w, 2).id, 2);
        w.now += 2 * DAY_NS;
        tick(&w);
        CU_ASSERT_EQUAL(rule_of(&w, 2).id, 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/x/**", "reason=another", NULL), 0);
        CU_ASSERT_EQUAL(rule_of(&w, 3).id, 3);
        world_close(&w);
}

/* ---- decisions ---- */

static void test_wrong(void)
{
        static const struct {
                const char *verb, *args[6], *words;
        } rows[] = {
                {"allow.add", {"path=/srv/**"}, "--reason is needed"},
                {"allow.add", {"reason=because"}, "needs --path, --executable or --destination"},
                {"allow.add", {"reason=because", "path=srv"}, "must begin with a slash"},
                {"allow.add", {"reason=because", "path=/**"}, "too wide"},
                {"allow.add", {"reason=because", "path=/*/x"}, "too wide"},
                {"allow.add", {"reason=because", "path=/srv***"}, "more than two stars"},
                {"allow.add", {"reason=because", "path=/srv/x", "destination=db"}, "add two rules"},
                {"allow.add", {"reason=because", "destination=*"}, "too wide"},
                {"allow.add", {"reason=because", "path=/srv/x", "origin=nobody"}, "is no origin"},
                {"allow.add", {"reason=because", "path=/srv/x", "signal=file,noise"}, "is no signal"},
                {"allow.add", {"reason=because", "path=/srv/x", "until=1000"}, "is over already"},
                {"allow.add", {"reason=because", "path=/srv/x", "until=2d"}, "is no time"},
                {"suppress.add", {"reason=because"}, "--until is needed"},
                {"suppress.add", {"reason=because", "until=1999999999"}, "suppress.max allows (90d)"},
                {"suppress.add", {"reason=because", "until=1767400000", "at=02:00"}, "needs --at and --for"},
                {"suppress.add", {"reason=because", "until=1767400000", "for=7200"}, "needs --at and --for"},
                {"suppress.add", {"reason=because", "until=1767400000", "at=24:00", "for=60"}, "00:00 to 23:59"},
                {"suppress.add", {"reason=because", "until=1767400000", "at=2 am", "for=60"}, "HH:MM"},
                {"suppress.add", {"reason=because", "until=1767400000", "at=02:00", "for=8640000"}, "from 1m to 7d"},
                {"suppress.add",
                 {"reason=because", "until=1767400000", "at=02:00", "for=60", "on=someday"},
                 "is no day"},
                {"suppress.add", {"reason=because", "until=1767400000", "at=02:00", "for=60", "zone=Mars"}, "offsets"},
                {"suppress.add", {"reason=because", "until=1767400000", "offset=x"}, "is none"},
                {"suppress.add", {"reason=because", "until=1767400000", "from=1767500000"}, "is not before"},
                {"suppress.add", {"reason=because", "until=1767400000", "break_through=30"}, "50 to 100"},
                {"allow.remove", {"rule=R-9"}, "there is no allow rule"},
                {"allow.remove", {"rule=nonsense"}, "expected one such as R-3"},
                {"suppress.remove", {"rule=R-1"}, "there is no suppress rule"}, /* that one allows */
        };
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=good", NULL), 0);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *const *a = rows[i].args;
                int r = rule(&w, rows[i].verb, a[0], a[1], a[2], a[3], a[4], a[5], NULL);

                CU_ASSERT_EQUAL(r, -EINVAL);
                if (r == 0 || !strstr(judge_error(w.j), rows[i].words)) {
                        printf("\n    %zu: \"%s\", not \"%s\"\n", i, judge_error(w.j), rows[i].words);
                        CU_FAIL("words");
                }
        }
        CU_ASSERT_EQUAL(rule_of(&w, 2).id, 0);
        world_close(&w);
}

static void test_decisions(void)
{
        struct judge_rule r;
        struct world w;

        active(&w);
        CU_ASSERT_EQUAL(rule_dry(&w, "allow.add", "path=/srv/**", "reason=to see", NULL), 0);
        CU_ASSERT_EQUAL(rule_of(&w, 1).id, 0); /* only tried */
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=for good", NULL), 0);
        r = rule_of(&w, 1);
        CU_ASSERT_TRUE(bytes_eq(r.by, BYTES_LIT("operator uid 0 (login uid 1000)")));
        CU_ASSERT_TRUE(bytes_eq(r.reason, BYTES_LIT("for good")));
        CU_ASSERT_PTR_NOT_NULL(strstr(r.reach, "data files"));
        CU_ASSERT_EQUAL(rule_dry(&w, "allow.remove", "rule=R-1", NULL), 0);
        CU_ASSERT_EQUAL(rule_of(&w, 1).ended_ns, 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.remove", "rule=R-1", NULL), 0);
        CU_ASSERT_NOT_EQUAL(rule_of(&w, 1).ended_ns, 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.remove", "rule=R-1", NULL), -EINVAL);
        put(&w, "/srv/1", 0644);
        CU_ASSERT_TRUE(begins(&w, "deviation"));
        world_close(&w);
}

static void test_limits(void)
{
        struct judge_stats s;
        struct world w;

        world_open(&w);
        w.p.max_rules = 2;
        judge_free(w.j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        for (int i = 0; i < 2; i++)
                CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=one more", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=one more", NULL), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "limits.rules"));
        judge_stats(w.j, &s);
        CU_ASSERT_EQUAL(s.rules_refused, 1);
        /* However many have ended, they take no more room than as many again. */
        for (int i = 0; i < 20; i++) {
                char text[32];

                snprintf(text, sizeof(text), "rule=R-%d", i + 1);
                CU_ASSERT_EQUAL(rule(&w, "allow.remove", text, NULL), 0);
                CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=one more", NULL), 0);
        }
        {
                struct judge_rule r;
                size_t n = 0;

                for (size_t i = 0; judge_rule_next(w.j, &i, &r);)
                        n++;
                CU_ASSERT_TRUE(n <= 4);
        }
        world_close(&w);
}

static void test_restored(void)
{
        uint64_t before[200], after[200];
        struct judge_rule r;
        struct world w;
        size_t n;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "executable=/bin/c?",
                             "destination=", "origin=entrypoint,exec", "reason=\"all\"", NULL),
                        0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "destination=*.example.com:443/tcp", "reason=a name", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "at=02:00", "for=7200", "on=mon", "on=sun", "zone=Europe/Berlin",
                             "offset=1767000000 3600", "offset=1774746000 7200", "break_through=100",
                             seconds(&w, "until", 86400), "reason=nightly", NULL),
                        0);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/x/**", "reason=gone", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "allow.remove", "rule=R-4", NULL), 0);
        put(&w, "/srv/1", 0644);
        n = digest(w.j, before, ARRAY_LEN(before));
        restore(&w);
        CU_ASSERT_EQUAL(digest(w.j, after, ARRAY_LEN(after)), n);
        CU_ASSERT_EQUAL(memcmp(before, after, n * sizeof(before[0])), 0);
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden, 1);
        put(&w, "/srv/2", 0644);
        VERDICT(&w, "allowed by R-1");
        answer(&w, "api.example.com", "192.0.2.20"); /* what is made of the text is made again */
        call(&w, "192.0.2.20", 443);
        VERDICT(&w, "allowed by R-2");
        r = rule_of(&w, 3);
        CU_ASSERT_EQUAL(r.days, 1u << 0 | 1u << 6);
        CU_ASSERT_EQUAL(r.at_s, 7200);
        CU_ASSERT_EQUAL(r.break_through, 100);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/y/**", "reason=the next", NULL), 0);
        CU_ASSERT_EQUAL(rule_of(&w, 5).id, 5); /* no number twice */
        /* What is damaged is refused. */
        CU_ASSERT_EQUAL(judge_restore(w.j, PIECE_RULE, bytes_of("\0\0\0\0\0\0\0\11", 8), BYTES_LIT("\1\0\0\0\7")),
                        ERR_SCHEMA);
        CU_ASSERT_EQUAL(judge_restore(w.j, PIECE_RULE, bytes_of("\0\0\0\0\0\0\0\11", 8), BYTES_LIT("\1\0\0\0\1")),
                        ERR_TRUNCATED);
        CU_ASSERT_EQUAL(judge_restore(w.j, PIECE_RULE, BYTES_LIT("xx"), BYTES_LIT("\1\0\0\0\1")), ERR_SCHEMA);
        CU_ASSERT_EQUAL(judge_restore(w.j, PIECE_RULE, bytes_of(NULL, 0), BYTES_LIT("\2\0\0\0\1")), ERR_SCHEMA);
        world_close(&w);
}

/* ---- why ---- */

static struct tide_event wrote(const char *path, const char *exe, int64_t at)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1"), .wall_ns = at};

        ev.file.actor = actor(300, ORIGIN_ENTRYPOINT, exe);
        ev.file.actor.exe_layer = LAYER_IMAGE;
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | 0644;
        ev.file.path = bytes_str(path);
        return ev;
}

static void test_explained(void)
{
        struct tide_event ev;
        struct judge_why why;
        struct world w;
        int64_t now;

        active(&w);
        CU_ASSERT_EQUAL(rule(&w, "allow.add", "path=/srv/**", "reason=its data", NULL), 0);
        CU_ASSERT_EQUAL(rule(&w, "suppress.add", "path=/opt/**", "reason=not now", seconds(&w, "until", 3600), NULL),
                        0);
        now = (int64_t)(T0 + w.now);
        /* By whom it is decided, and by which entry. */
        ev = wrote("/var/log/web.log", "/bin/cp", now);
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.decided, "known");
        CU_ASSERT_TRUE(why.quiet && bytes_eq(why.entry_key, BYTES_LIT("/var/log/web.log")));
        CU_ASSERT_STRING_EQUAL(why.state, "active");
        ev = wrote("/srv/x", "/bin/cp", now);
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.decided, "allowed by R-1");
        CU_ASSERT_EQUAL(why.ntried, 2);
        CU_ASSERT_TRUE(why.tried[0].fits && why.tried[0].rule == 1);
        CU_ASSERT_STRING_EQUAL(why.tried[1].why, "it is of another path");
        ev = wrote("/opt/x", "/bin/cp", now);
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.decided, "suppressed by R-2");
        ev.wall_ns += 7200 * (int64_t)SEC; /* by its own time */
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.decided, "raised");
        CU_ASSERT_STRING_EQUAL(why.tried[0].why, "it is of another path");
        CU_ASSERT_STRING_EQUAL(why.tried[1].why, "it has ended");
        /* What is like it: the nearest first. */
        ev = wrote("/var/log/web.log", "/bin/mv", now);
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.near[0].why, "it is known of another program");
        ev = wrote("/var/log/it's new?", "/bin/cp", now);
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.near[0].why, "by the same program, in the same directory");
        /* For a shell, and meaning this name alone. */
        CU_ASSERT_STRING_EQUAL(why.allow, "--workload web --path '/var/log/it'\\''s new\\?'");
        /* A destination by name; nothing that could be called is changed by asking. */
        ev = (struct tide_event){.kind = TIDE_FLOW, .wall_ns = now};
        ev.flow.actor = actor(200, ORIGIN_ENTRYPOINT, "/usr/sbin/nginx");
        ev.flow.what = FLOW_BEGAN;
        ev.flow.direction = DIRECTION_OUT;
        ev.flow.proto = IPPROTO_TCP;
        ev.flow.remote = address("192.0.2.1");
        ev.flow.rport = 443;
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, BYTES_LIT("api.example.com"), &why),
                        0);
        CU_ASSERT_STRING_EQUAL(why.allow, "--workload web --destination api.example.com:443/tcp");
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("web@sha256:aa"), &ev, bytes_of(NULL, 0), &why), 0);
        CU_ASSERT_STRING_EQUAL(why.allow, "--workload web --destination 192.0.2.1:443/tcp");
        CU_ASSERT_EQUAL(judge_explain_event(w.j, BYTES_LIT("nobody"), &ev, bytes_of(NULL, 0), &why), -ENOENT);
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_EQUAL(rule_of(&w, 1).hidden + rule_of(&w, 2).hidden, 0);
        world_close(&w);
}

/* What ran from memory no rule can name: none is proposed. */
static void test_explained_signals(void)
{
        struct finding *f = finding_new();
        struct judge_why why;
        struct world w;

        active(&w);
        run(&w, "memfd", LAYER_MEMFD);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        CU_ASSERT_EQUAL(str_set(&f->workload, BYTES_LIT("web")), 0);
        CU_ASSERT_EQUAL(str_set(&f->digest, BYTES_LIT("sha256:aa")), 0);
        f->nsignals = 1;
        f->signals[0].kind = DIM_PROCESS;
        f->signals[0].layer = LAYER_MEMFD;
        f->signals[0].last_ns = (int64_t)(T0 + w.now);
        CU_ASSERT_EQUAL(str_set(&f->signals[0].subject, BYTES_LIT("memfd")), 0);
        CU_ASSERT_EQUAL(str_set(&f->signals[0].key, BYTES_LIT("memfd [memfd]")), 0);
        CU_ASSERT_EQUAL(str_set(&f->signals[0].executable, BYTES_LIT("/bin/sh")), 0);
        CU_ASSERT_EQUAL(judge_explain_signal(w.j, f, &f->signals[0], &why), 0);
        CU_ASSERT_STRING_EQUAL(why.decided, "raised");
        CU_ASSERT_STRING_EQUAL(why.allow, "");
        CU_ASSERT_NOT_EQUAL(why.item, 0); /* it may be approved */
        CU_ASSERT_EQUAL(str_set(&f->digest, BYTES_LIT("sha256:bb")), 0);
        CU_ASSERT_EQUAL(judge_explain_signal(w.j, f, &f->signals[0], &why), -ENOENT);
        finding_free(f);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"files and programs: patterns cover data alone", test_allow_files},
        {"workload, executable, origin, signal", test_allow_fields},
        {"how destinations are written", test_places},
        {"flows: networks, names, raw addresses, programs that the image lacks", test_allow_flows},
        {"changes of rights must be meant", test_allow_rights},
        {"what goes before what, row by row", test_precedence},
        {"of a job no rule is asked", test_precedence_class},
        {"a window: hidden, counted, not learned, and over", test_suppress_once},
        {"in a window nothing is learned", test_suppress_phases},
        {"what is too sure breaks through", test_break_through},
        {"the lowest bar of several windows", test_lowest_bar},
        {"written by leave, and run", test_allowed_and_run},
        {"a window in a roll-out", test_window_in_rollout},
        {"what rules cost", test_cheap},
        {"windows that come back, over midnight", test_recurring},
        {"zones, and when the clock is changed", test_zones},
        {"ends are told, come, and are listed for a while", test_ends},
        {"what is wrong with a rule is said", test_wrong},
        {"a dry run, who and why, removing", test_decisions},
        {"limits", test_limits},
        {"what was saved makes the same rules", test_restored},
        {"why: what decides, what is like it, which rules were tried, which would hide it", test_explained},
        {"why: no rule is proposed that could not hide it", test_explained_signals},
};
UNIT_MAIN("rules", cases)
