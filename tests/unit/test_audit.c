/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit: records as kernels and auditd word them, hostile ones; then what acts complete, and in which order. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/audit.h"
#include "tidemark/auditjoin.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

#define MS UINT64_C(1000000)
#define HEAD "audit(1795628557.113:41165): "
#define WALL (INT64_C(1795628557113) * 1000000)

/* ---- records ---- */

static struct {
        unsigned n;
        struct audit_act last;
        char exe[64], program[64], cwd[64], args[TIDE_ARGS_MAX], comm[64];
        uint8_t address[16];
} seen;

static void on_act(const struct audit_act *a, void *arg)
{
        (void)arg;
        seen.n++;
        seen.last = *a;
        snprintf(seen.exe, sizeof(seen.exe), "%.*s", (int)a->exe.len, (const char *)a->exe.p);
        snprintf(seen.comm, sizeof(seen.comm), "%.*s", (int)a->comm.len, (const char *)a->comm.p);
        snprintf(seen.program, sizeof(seen.program), "%.*s", (int)a->program.len, (const char *)a->program.p);
        snprintf(seen.cwd, sizeof(seen.cwd), "%.*s", (int)a->cwd.len, (const char *)a->cwd.p);
        if (a->args.len)
                memcpy(seen.args, a->args.p, a->args.len);
        if (a->address.len)
                memcpy(seen.address, a->address.p, a->address.len);
}

static struct audit *start(void)
{
        static const struct audit_ops ops = {.act = on_act};
        struct audit *a = NULL;

        memset(&seen, 0, sizeof(seen));
        CU_ASSERT_FATAL(audit_new(&ops, NULL, &a) == 0);
        return a;
}

#define SYSCALL_EXEC                                                                                                   \
        HEAD "arch=c000003e syscall=59 success=yes exit=0 a0=7f a1=7f a2=7f a3=8 items=2 ppid=21169 pid=21214 "        \
             "auid=1000 uid=0 gid=0 euid=5 suid=0 fsuid=0 egid=6 sgid=0 fsgid=0 tty=(none) ses=7 "                     \
             "comm=612062 exe=\"/bin/busybox\" key=\"tidemark-1\""

static void take(struct audit *a, uint16_t type, const char *text)
{
        audit_take(a, type, bytes_str(text), 1);
}

static void test_exec(void)
{
        struct audit *a = start();

        take(a, 1300, SYSCALL_EXEC);
        take(a, 1309, HEAD "argc=3 a0=\"true\" a1=612062 a2=\"\"");
        take(a, 1307, HEAD "cwd=\"/root\"");
        take(a, 1302, HEAD "item=0 name=\"/bin/true\" inode=1 nametype=NORMAL");
        take(a, 1302, HEAD "item=1 name=\"/lib/ld.so\" inode=2 nametype=NORMAL");
        take(a, 1327, HEAD "proctitle=00");
        CU_ASSERT(seen.n == 0);
        take(a, 1320, HEAD);
        CU_ASSERT_FATAL(seen.n == 1 && seen.last.kind == AUDIT_EXEC);
        CU_ASSERT(seen.last.pid == 21214 && seen.last.ppid == 21169 && seen.last.login_uid == 1000);
        CU_ASSERT(seen.last.uid == 5 && seen.last.gid == 6 && seen.last.session == 7 && seen.last.serial == 41165);
        CU_ASSERT(seen.last.wall_ns == WALL);
        CU_ASSERT_STRING_EQUAL(seen.exe, "/bin/busybox");
        CU_ASSERT_STRING_EQUAL(seen.comm, "a b");
        CU_ASSERT_STRING_EQUAL(seen.cwd, "/root");
        CU_ASSERT_STRING_EQUAL(seen.program, "/bin/true");
        CU_ASSERT(seen.last.args_known && seen.last.args.len == 10 && seen.last.args_total == 10);
        CU_ASSERT(memcmp(seen.args, "true\0a b\0\0", 10) == 0);
        audit_free(a);
}

static void test_failed_and_others(void)
{
        struct audit *a = start();
        struct audit_stats st;

        take(a, 1300, "audit(1.0:1): arch=c000003e syscall=59 success=no exit=-2 pid=5 comm=\"sh\" exe=\"/bin/sh\"");
        take(a, 1309, "audit(1.0:1): argc=1 a0=\"x\"");
        take(a, 1320, "audit(1.0:1): ");
        take(a, 1300, "audit(1.0:2): arch=c000003e syscall=49 success=yes exit=0 pid=5 comm=\"sh\" exe=\"/bin/sh\"");
        take(a, 1306, "audit(1.0:2): saddr=020001BBC0A80105");
        take(a, 1320, "audit(1.0:2): ");
        take(a, 1112, "audit(1.0:3): pid=1 uid=0 msg='x'");
        audit_stats(a, &st);
        CU_ASSERT(seen.n == 0 && st.other == 3 && st.malformed == 0 && st.open == 0);
        audit_free(a);
}

/* As long as the kernel lets it be: in pieces, over two records, cut at what is kept. */
static void test_long_arguments(void)
{
        struct audit *a = start();
        char text[9000], piece[7001];

        memset(piece, 'A', sizeof(piece));
        piece[7000] = '\0';
        take(a, 1300, SYSCALL_EXEC);
        take(a, 1309, HEAD "argc=3 a0=\"x\" a1_len=6 a1[0]=\"abc\"");
        take(a, 1309, HEAD "a1[1]=6465 a1[2]=\"f\"");
        snprintf(text, sizeof(text), HEAD "a2_len=7000 a2[0]=\"%s\"", piece);
        take(a, 1309, text);
        take(a, 1320, HEAD);
        CU_ASSERT_FATAL(seen.n == 1);
        CU_ASSERT(seen.last.args_known && seen.last.args.len == TIDE_ARGS_MAX && seen.last.args_total == 2 + 7 + 7001);
        CU_ASSERT(memcmp(seen.args, "x\0abcdef\0AAA", 12) == 0);
        audit_free(a);
}

static void test_missing_arguments(void)
{
        static const char *const bad[] = {
                HEAD "argc=3 a0=\"x\" a1=\"y\"",         /* fewer than are said */
                HEAD "argc=2 a0=\"x\" a2=\"y\"",         /* one is missing */
                HEAD "argc=2 a1=\"x\" a0=\"y\"",         /* out of order */
                HEAD "argc=1 a0[1]=\"x\"",               /* the first piece is missing */
                HEAD "argc=1 a0=xyz",                     /* neither quoted nor hexadecimal */
                HEAD "argc=1 a0=616",                     /* half a byte */
                HEAD "argc=1 a0=\"x",                    /* cut */
                HEAD "argc=18446744073709551617 a0=\"x\"", /* a number of another world */
                HEAD "a0=\"x\"",                         /* nobody says how many */
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct audit *a = start();

                take(a, 1300, SYSCALL_EXEC);
                take(a, 1309, bad[i]);
                take(a, 1320, HEAD);
                CU_ASSERT(seen.n == 1 && !seen.last.args_known);
                audit_free(a);
        }
}

static void test_connect(void)
{
        static const uint8_t v6[16] = {0x20, 1, [15] = 9};
        struct audit *a = start();

        take(a, 1300, "audit(1.005:7): arch=c000003e syscall=42 success=no exit=-115 pid=77 euid=33 comm=\"w\" "
                      "exe=\"/usr/bin/w\" key=(null)");
        take(a, 1306, "audit(1.005:7): saddr=020001BBC0A801050000000000000000");
        take(a, 1320, "audit(1.005:7): ");
        CU_ASSERT_FATAL(seen.n == 1 && seen.last.kind == AUDIT_CONNECT);
        CU_ASSERT(seen.last.address.len == 4 && memcmp(seen.address, "\300\250\1\5", 4) == 0 && seen.last.port == 443);
        CU_ASSERT(seen.last.exit == -115 && !seen.last.success && seen.last.key.len == 0);
        take(a, 1300, "audit(1.006:8): arch=40000003 syscall=102 success=yes exit=0 a0=3 pid=77 exe=\"/w\"");
        take(a, 1306, "audit(1.006:8): saddr=0A0000350000000020010000000000000000000000000009000000AA");
        take(a, 1320, "audit(1.006:8): ");
        CU_ASSERT(seen.n == 2 && seen.last.address.len == 16 && memcmp(seen.address, v6, 16) == 0);
        CU_ASSERT(seen.last.port == 53);
        take(a, 1300, "audit(1.007:9): arch=c00000b7 syscall=203 success=yes exit=0 pid=77 exe=\"/w\"");
        take(a, 1306, "audit(1.007:9): saddr=0A0000350000000000000000000000000000FFFF0A01020300000000");
        take(a, 1320, "audit(1.007:9): ");
        CU_ASSERT(seen.n == 3 && seen.last.address.len == 4 && memcmp(seen.address, "\12\1\2\3", 4) == 0);
        /* a UNIX socket, and what is cut short: no destination */
        take(a, 1300, "audit(1.008:10): arch=c000003e syscall=42 success=yes exit=0 pid=77 exe=\"/w\"");
        take(a, 1306, "audit(1.008:10): saddr=01002F72756E2F78");
        take(a, 1306, "audit(1.008:10): saddr=020001BB");
        take(a, 1320, "audit(1.008:10): ");
        CU_ASSERT(seen.n == 3);
        audit_free(a);
}

static void test_auditd(void)
{
        struct audit *a = start();

        take(a, 0, "node=host.example type=SYSCALL msg=" HEAD "arch=c000003e syscall=42 success=yes exit=0 pid=9 "
                   "exe=\"/w\" key=\"x\"\035ARCH=x86_64 SYSCALL=connect pid=1 exe=\"/evil\"");
        take(a, 0, "node=host.example type=SOCKADDR msg=" HEAD "saddr=020000357F000001\035SADDR={ saddr_fam=inet }");
        take(a, 0, "node=host.example type=PROCTITLE msg=" HEAD "proctitle=\"x\"");
        take(a, 0, "node=host.example type=EOE msg=" HEAD);
        CU_ASSERT_FATAL(seen.n == 1);
        CU_ASSERT(seen.last.pid == 9 && seen.last.port == 53);
        CU_ASSERT_STRING_EQUAL(seen.exe, "/w");
        audit_free(a);
}

static void test_damaged(void)
{
        static const char *const bad[] = {"",
                                          "type=SYSCALL",
                                          "type=SYSCALL msg=audit(",
                                          "type=SYSCALL msg=audit(1.0)",
                                          "type=SYSCALL msg=audit(1.0:): pid=1",
                                          "type=SYSCALL msg=audit(1.1000:1): pid=1",
                                          "type=SYSCALL msg=audit(99999999999999999999.0:1): pid=1",
                                          "type=SYSCALL msg=audit(9007199254740993.0:1): pid=1",
                                          "xtype=SYSCALL msg=audit(1.0:1): pid=1"};
        struct audit *a = start();
        struct audit_stats st;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                take(a, 0, bad[i]);
        audit_stats(a, &st);
        CU_ASSERT(st.malformed == sizeof(bad) / sizeof(bad[0]) && st.open == 0);
        /* no process, and a number that is none */
        take(a, 1300, "audit(1.0:1): arch=c000003e syscall=42 pid=-5 exe=\"/w\"");
        take(a, 1306, "audit(1.0:1): saddr=020001BBC0A801050000000000000000");
        take(a, 1320, "audit(1.0:1): ");
        CU_ASSERT(seen.n == 0);
        audit_free(a);
}

static void test_many_and_late(void)
{
        struct audit *a = start();
        struct audit_stats st;
        char text[128];

        for (unsigned i = 0; i < 100; i++) {
                snprintf(text, sizeof(text), "audit(1.0:%u): arch=c000003e syscall=59 success=yes pid=%u", i, i + 1);
                take(a, 1300, text);
                snprintf(text, sizeof(text), "audit(1.0:%u): argc=0", i);
                take(a, 1309, text);
        }
        audit_stats(a, &st);
        CU_ASSERT(st.crowded == 36 && seen.n == 36 && st.open == 64);
        CU_ASSERT(audit_expire(a, 50 * MS) == 1 + 100 * MS && seen.n == 36);
        CU_ASSERT(audit_expire(a, 1 + 100 * MS) == 0 && seen.n == 100);
        audit_stats(a, &st);
        CU_ASSERT(st.late == 64 && st.open == 0);
        take(a, 1320, "audit(1.0:99): "); /* comes when it is over: of nothing */
        audit_stats(a, &st);
        CU_ASSERT(seen.n == 100 && st.open == 0);
        audit_free(a);
}

/* ---- joining ---- */

#define TOLD 64u
static struct {
        unsigned n;
        struct {
                uint16_t kind, sources, flags;
                uint32_t pid, uid;
                char container[16], exe[64], program[64], args[64];
                uint32_t args_len, flow_flags;
                uint8_t origin;
        } ev[TOLD];
        unsigned asked;
        uint64_t token;
        uint32_t who_pid;
} told;

static int on_event(struct tide_event *ev, void *arg)
{
        const struct tide_actor *a = ev->kind == TIDE_FLOW ? &ev->flow.actor : &ev->exec.actor;
        unsigned i = told.n++ % TOLD;

        (void)arg;
        memset(&told.ev[i], 0, sizeof(told.ev[i]));
        told.ev[i].kind = ev->kind;
        told.ev[i].sources = ev->sources;
        told.ev[i].flags = ev->flags;
        snprintf(told.ev[i].container, sizeof(told.ev[i].container), "%.*s", (int)ev->container.len,
                 (const char *)ev->container.p);
        if (ev->kind != TIDE_EXEC && ev->kind != TIDE_FLOW)
                return 0;
        told.ev[i].pid = a->pid;
        told.ev[i].uid = a->uid;
        told.ev[i].origin = a->origin;
        snprintf(told.ev[i].exe, sizeof(told.ev[i].exe), "%.*s", (int)a->exe.len, (const char *)a->exe.p);
        if (ev->kind == TIDE_FLOW) {
                told.ev[i].flow_flags = ev->flow.flags;
                return 0;
        }
        snprintf(told.ev[i].program, sizeof(told.ev[i].program), "%.*s", (int)ev->exec.program.len,
                 (const char *)ev->exec.program.p);
        told.ev[i].args_len = ev->exec.args.len;
        if (ev->exec.args.len && ev->exec.args.len <= sizeof(told.ev[i].args))
                memcpy(told.ev[i].args, ev->exec.args.p, ev->exec.args.len);
        return 0;
}

static void on_who(uint64_t token, uint32_t pid, void *arg)
{
        (void)arg;
        told.asked++;
        told.token = token;
        told.who_pid = pid;
}

static struct auditjoin *begin(void)
{
        static const struct auditjoin_ops ops = {.event = on_event, .who = on_who};
        struct auditjoin *j = NULL;

        memset(&told, 0, sizeof(told));
        CU_ASSERT_FATAL(auditjoin_new(&ops, NULL, false, false, &j) == 0);
        return j;
}

static struct audit_act ran(uint32_t pid, const char *exe, int64_t wall)
{
        return (struct audit_act){.kind = AUDIT_EXEC, .success = true, .pid = pid, .wall_ns = wall, .uid = 33,
                                  .exe = bytes_str(exe), .program = bytes_str(exe), .comm = BYTES_LIT("c"),
                                  .cwd = BYTES_LIT("/w"), .args = bytes_of("a\0b", 4), .args_total = 4,
                                  .args_known = true};
}

static struct tide_event runs(uint32_t pid, const char *exe, int64_t wall, const char *container)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .sources = SRC_PROC, .flags = EVF_NO_ARGS, .wall_ns = wall,
                                .container = bytes_str(container)};

        ev.exec.actor.pid = pid;
        ev.exec.actor.flags = ACTOR_PID | (exe ? ACTOR_EXE : 0);
        ev.exec.actor.exe = ev.exec.program = bytes_str(exe ? exe : "");
        return ev;
}

static void event(struct auditjoin *j, struct tide_event ev, uint64_t now)
{
        CU_ASSERT_FATAL(auditjoin_event(j, &ev, now) == 0);
}

static void act(struct auditjoin *j, struct audit_act a, uint64_t now)
{
        CU_ASSERT_FATAL(auditjoin_act(j, &a, now) == 0);
}

static void test_nothing_waits_without_audit(void)
{
        struct auditjoin *j = begin();

        event(j, runs(5, NULL, WALL, "c1"), MS);
        CU_ASSERT(told.n == 1 && told.ev[0].sources == SRC_PROC);
        auditjoin_free(j);
}

static void test_act_first(void)
{
        struct auditjoin *j = begin();

        act(j, ran(5, "/bin/x", WALL), MS);
        event(j, runs(5, NULL, WALL + 3000000, "c1"), 2 * MS);
        CU_ASSERT_FATAL(told.n == 1);
        CU_ASSERT_STRING_EQUAL(told.ev[0].exe, "/bin/x");
        CU_ASSERT_STRING_EQUAL(told.ev[0].program, "/bin/x");
        CU_ASSERT(told.ev[0].uid == 33 && told.ev[0].flags == 0 && told.ev[0].sources == (SRC_PROC | SRC_AUDIT));
        CU_ASSERT(told.ev[0].args_len == 4 && memcmp(told.ev[0].args, "a\0b", 4) == 0);
        auditjoin_free(j);
}

static void test_event_first(void)
{
        struct auditjoin *j = begin();
        struct auditjoin_stats st;
        uint64_t due;

        act(j, ran(1, "/bin/other", WALL), MS);
        event(j, runs(5, "/bin/x", WALL, "c1"), 2 * MS);
        event(j, runs(6, NULL, WALL, "c1"), 3 * MS);
        CU_ASSERT(told.n == 0);
        act(j, ran(6, "/bin/y", WALL), 4 * MS); /* its own is known, but the one before it waits */
        CU_ASSERT(told.n == 0);
        act(j, ran(5, "/bin/x", WALL), 5 * MS);
        CU_ASSERT_FATAL(told.n == 2 && told.ev[0].pid == 5 && told.ev[1].pid == 6);
        CU_ASSERT(told.ev[0].args_len == 4);
        CU_ASSERT_STRING_EQUAL(told.ev[1].exe, "/bin/y");
        event(j, runs(7, NULL, WALL, "c1"), 6 * MS);
        CU_ASSERT(auditjoin_expire(j, 205 * MS, &due) == 0 && due == 206 * MS && told.n == 2);
        CU_ASSERT(auditjoin_expire(j, 206 * MS, &due) == 0 && due == 0 && told.n == 3);
        CU_ASSERT(told.ev[2].flags == EVF_NO_ARGS && told.ev[2].sources == SRC_PROC);
        auditjoin_stats(j, &st);
        CU_ASSERT(st.execs == 2 && st.in_vain == 1 && st.held == 0 && st.waited == 3);
        auditjoin_free(j);
}

/* Of another program, of another time, of another process: nothing is completed by it. */
static void test_not_its_act(void)
{
        struct auditjoin *j = begin();
        uint64_t due;

        act(j, ran(5, "/bin/y", WALL - 3 * AUDITJOIN_EXEC_APART_NS), MS);
        act(j, ran(6, "/bin/x", WALL), MS);
        act(j, ran(5, "/bin/a", WALL), MS);
        act(j, ran(5, "/bin/b", WALL), MS);
        event(j, runs(5, "/bin/x", WALL, "c1"), 2 * MS);
        CU_ASSERT(auditjoin_expire(j, 500 * MS, &due) == 0 && told.n == 1 && told.ev[0].args_len == 0);
        auditjoin_free(j);
}

/* One process runs one program after the other: each execution has its own act, also where it needs none. */
static void test_chain(void)
{
        struct auditjoin *j = begin();
        struct tide_event whole = runs(5, "/bin/x", WALL, "c1");
        struct audit_act second = ran(5, "/bin/x", WALL);

        act(j, ran(1, "/bin/other", WALL), MS);
        whole.flags = 0;
        event(j, whole, MS); /* its act comes late, and is not the next one's */
        event(j, runs(5, "/bin/x", WALL + 1, "c1"), 2 * MS);
        CU_ASSERT(told.n == 1);
        second.args = bytes_of("z", 2);
        act(j, ran(5, "/bin/x", WALL), 3 * MS);
        CU_ASSERT(told.n == 1);
        act(j, second, 3 * MS);
        CU_ASSERT(told.n == 2 && told.ev[1].args_len == 2 && told.ev[1].args[0] == 'z');
        auditjoin_free(j);
}

static void test_script(void)
{
        static const struct {
                const char *called, *expect;
        } rows[] = {{"./x/../run.sh", "/w/run.sh"}, {"/opt//run.sh", "/opt/run.sh"}, {"../../..", "/"}, {"r", "/w/r"}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct auditjoin *j = begin();
                struct audit_act a = ran(5, "/bin/sh", WALL);
                char args[64];
                int n = snprintf(args, sizeof(args), "/bin/sh%c%s%cx", 0, rows[i].called, 0);

                a.program = bytes_str(rows[i].called);
                a.args = bytes_of(args, (size_t)n + 1);
                act(j, a, MS);
                event(j, runs(5, NULL, WALL, "c1"), 2 * MS);
                CU_ASSERT_FATAL(told.n == 1);
                CU_ASSERT_STRING_EQUAL(told.ev[0].exe, "/bin/sh");
                if (rows[i].expect[1])
                        CU_ASSERT_STRING_EQUAL(told.ev[0].program, rows[i].expect);
                auditjoin_free(j);
        }
}

static void test_order(void)
{
        struct auditjoin *j = begin();
        struct tide_event file = {.kind = TIDE_FILE, .sources = SRC_NAMES, .container = BYTES_LIT("c1")};
        struct tide_event walked = {.kind = TIDE_FILE, .sources = SRC_WALK, .container = BYTES_LIT("c1")};
        struct tide_event other = {.kind = TIDE_FILE, .container = BYTES_LIT("c2")}, tick = {.kind = TIDE_TICK};
        struct tide_event end = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};

        act(j, ran(1, "/bin/other", WALL), MS);
        event(j, runs(5, NULL, WALL, "c1"), MS);
        event(j, file, MS);
        event(j, end, MS);
        event(j, other, MS);
        event(j, tick, MS);
        event(j, walked, MS);
        CU_ASSERT(told.n == 3 && told.ev[0].container[1] == '2' && told.ev[1].kind == TIDE_TICK);
        CU_ASSERT(told.ev[2].sources == SRC_WALK);
        act(j, ran(5, "/bin/x", WALL), 2 * MS);
        CU_ASSERT(told.n == 6 && told.ev[3].kind == TIDE_EXEC && told.ev[4].kind == TIDE_FILE);
        CU_ASSERT(told.ev[5].kind == TIDE_CTR_STOP);
        auditjoin_free(j);
}

static void test_crowd(void)
{
        struct auditjoin *j = begin();
        struct auditjoin_stats st;

        act(j, ran(1, "/bin/other", WALL), MS);
        for (uint32_t i = 0; i < 600; i++)
                event(j, runs(10 + i, NULL, WALL, "c1"), MS);
        auditjoin_stats(j, &st);
        CU_ASSERT(st.held == 512 && st.crowded == 88 && told.n == 88);
        for (uint32_t i = 0; i < 2000; i++)
                act(j, ran(5000 + i, "/bin/x", WALL), MS);
        auditjoin_stats(j, &st);
        CU_ASSERT(st.kept == 1024 && st.crowded > 88);
        CU_ASSERT(auditjoin_flush(j) == 0 && told.n == 600);
        auditjoin_free(j);
}

/* ---- flows ---- */

static struct tide_event flow(const char *container, int64_t wall, uint32_t flags)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_CONNTRACK, .wall_ns = wall,
                                .container = bytes_str(container)};

        ev.flow.what = FLOW_BEGAN;
        ev.flow.direction = DIRECTION_OUT;
        ev.flow.remote = bytes_of("\12\0\0\1", 4);
        ev.flow.rport = 443;
        ev.flow.flags = flags;
        ev.flow.netns = 77;
        return ev;
}

static struct audit_act called(uint32_t pid, const char *exe, int64_t wall)
{
        return (struct audit_act){.kind = AUDIT_CONNECT, .pid = pid, .wall_ns = wall, .uid = 33,
                                  .exe = bytes_str(exe), .comm = BYTES_LIT("c"),
                                  .address = bytes_of("\12\0\0\1", 4), .port = 443};
}

static void answer(struct auditjoin *j, uint64_t token, uint32_t pid, const char *container)
{
        struct tide_event ev = {.kind = TIDE_WHO, .container = bytes_str(container)};

        ev.who.token = token;
        if (*container || pid) {
                ev.who.actor = (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE, .pid = pid,
                                                   .start = 9, .exe = BYTES_LIT("/bin/w"), .exe_layer = LAYER_IMAGE,
                                                   .origin = ORIGIN_ENTRYPOINT};
        }
        CU_ASSERT_FATAL(auditjoin_who(j, &ev, MS) == 0);
}

static void test_flow(void)
{
        struct auditjoin *j = begin();
        uint64_t due;

        act(j, called(5, "/bin/w", WALL), MS);
        event(j, flow("c1", WALL + 1000000, 0), 2 * MS);
        CU_ASSERT_FATAL(told.asked == 1 && told.who_pid == 5 && told.n == 0);
        answer(j, told.token + 1, 5, "c1"); /* of another question */
        CU_ASSERT(told.n == 0);
        answer(j, told.token, 5, "c1");
        CU_ASSERT_FATAL(told.n == 1);
        CU_ASSERT(told.ev[0].pid == 5 && told.ev[0].uid == 33 && told.ev[0].origin == ORIGIN_ENTRYPOINT);
        CU_ASSERT(told.ev[0].sources == (SRC_CONNTRACK | SRC_AUDIT));
        CU_ASSERT_STRING_EQUAL(told.ev[0].exe, "/bin/w");
        event(j, flow("c1", WALL + 1000000, 0), 3 * MS); /* each act is used once */
        CU_ASSERT(told.n == 1 && told.asked == 1);
        CU_ASSERT(auditjoin_expire(j, 303 * MS, &due) == 0 && told.n == 2 && told.ev[1].pid == 0);
        auditjoin_free(j);
}

/* Of several calls at about the same time each flow takes its own: also where the answers come in another order. */
static void test_flows_in_turn(void)
{
        struct auditjoin *j = begin();
        struct audit_act nowhere = called(9, "/bin/w", WALL);
        uint64_t due;

        nowhere.exit = -ENETUNREACH; /* nothing was sent: no flow is its */
        act(j, nowhere, MS);
        act(j, called(5, "/bin/w", WALL), MS);
        act(j, called(6, "/bin/w", WALL), MS);
        act(j, called(7, "/bin/w", WALL + 4000000), MS);
        event(j, flow("c1", WALL + 6000000, 0), 2 * MS); /* stamped when it was read */
        event(j, flow("c1", WALL + 6000000, 0), 2 * MS);
        event(j, flow("c1", WALL + 6000000, 0), 2 * MS);
        CU_ASSERT_FATAL(told.asked == 1 && told.n == 0 && told.who_pid == 5);
        answer(j, told.token, 5, "c1");
        CU_ASSERT_FATAL(told.asked == 2 && told.n == 1 && told.ev[0].pid == 5);
        answer(j, told.token + 5, 7, "c1");
        CU_ASSERT(told.n == 1);
        answer(j, told.token, 6, "c1");
        CU_ASSERT_FATAL(told.n == 2 && told.ev[1].pid == 6 && told.asked == 3);
        act(j, called(8, "/bin/w", WALL), 3 * MS);
        CU_ASSERT(auditjoin_expire(j, 302 * MS, &due) == 0 && told.n == 3 && told.ev[2].pid == 0);
        auditjoin_free(j);
}

static struct tide_event flow_to(uint32_t n)
{
        static uint8_t address[4];
        struct tide_event ev = flow("c1", WALL, 0);

        address[0] = 10;
        address[2] = (uint8_t)(n >> 8);
        address[3] = (uint8_t)n;
        ev.flow.remote = bytes_of(address, 4);
        return ev;
}

static struct audit_act called_at(uint32_t n)
{
        struct audit_act a = called(1000 + n, "/bin/w", WALL);

        a.address = flow_to(n).flow.remote;
        return a;
}

static struct auditjoin_stats stats_of(const struct auditjoin *j)
{
        struct auditjoin_stats st;

        auditjoin_stats(j, &st);
        return st;
}

/* However many wait, an act is looked at by those that go where it went; and what stays within is no act at all. */
static void test_crowd_of_flows(void)
{
        static const struct {
                const char *address;
                uint32_t len;
        } within[] = {{"\177\0\0\1", 4},
                      {"\177\0\0\13", 4},
                      {"\0\0\0\0", 4},
                      {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16},
                      {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
                      {"\0\0\0\0\0\0\0\0\0\0\377\377\177\0\0\1", 16}};
        struct auditjoin *j = begin();
        struct audit_act a = called(1, "/bin/w", WALL);
        struct tide_event ev;

        a.kind = AUDIT_CONNECT;
        for (size_t i = 0; i < ARRAY_LEN(within); i++) {
                a.address = bytes_of(within[i].address, within[i].len);
                act(j, a, MS); /* audit tells of calls, so flows wait for theirs */
        }
        CU_ASSERT_EQUAL(stats_of(j).kept, 0);
        for (uint32_t i = 0; i < 512; i++)
                event(j, flow_to(i), MS);
        CU_ASSERT_EQUAL(stats_of(j).held, 512);
        for (uint32_t i = 0; i < 1024; i++)
                act(j, called_at(600 + i), 2 * MS);
        CU_ASSERT_EQUAL(stats_of(j).looked, 0);
        CU_ASSERT_EQUAL(told.asked, 0);
        act(j, called_at(77), 3 * MS);
        CU_ASSERT(stats_of(j).looked == 1 && told.asked == 1 && told.who_pid == 1077);
        answer(j, told.token, 1077, "c1");
        CU_ASSERT_EQUAL(stats_of(j).looked, 2);
        CU_ASSERT_EQUAL(stats_of(j).flows, 1);
        CU_ASSERT(auditjoin_flush(j) == 0 && told.n == 512 && stats_of(j).held == 0);
        auditjoin_free(j);
        /* Nor does each of those that wait for one place look at what another container calls there. */
        j = begin();
        act(j, called(1, "/bin/other", WALL - 5 * AUDITJOIN_FLOW_APART_NS), MS);
        ev = flow("c1", WALL, 0);
        for (uint32_t i = 0; i < 500; i++)
                event(j, ev, MS);
        for (uint32_t i = 0; i < 50; i++) {
                act(j, called(2000 + i, "/bin/w", WALL), 2 * MS);
                answer(j, told.token, 2000 + i, "c2");
        }
        CU_ASSERT(told.asked == 50 && told.n == 0);
        CU_ASSERT(stats_of(j).looked <= 150);
        /* Each that is its own container's is taken in turn. */
        for (uint32_t i = 0; i < 50; i++)
                act(j, called(3000 + i, "/bin/w", WALL), 3 * MS);
        for (uint32_t i = 0; i < 50; i++)
                answer(j, told.token, told.who_pid, "c1");
        CU_ASSERT_EQUAL(stats_of(j).flows, 50);
        CU_ASSERT(stats_of(j).looked <= 400);
        auditjoin_free(j);
}

/* Where rules are set the first is waited for too. */
static void test_expected(void)
{
        static const struct auditjoin_ops ops = {.event = on_event, .who = on_who};
        struct auditjoin *j = NULL;

        memset(&told, 0, sizeof(told));
        CU_ASSERT_FATAL(auditjoin_new(&ops, NULL, true, true, &j) == 0);
        event(j, runs(5, NULL, WALL, "c1"), MS);
        event(j, flow("c2", WALL, 0), MS);
        CU_ASSERT(told.n == 0);
        act(j, ran(5, "/bin/x", WALL), MS);
        CU_ASSERT(told.n == 1);
        auditjoin_free(j);
}

/* The flow first, then the record; what the process runs now is not what called. */
static void test_flow_first(void)
{
        struct auditjoin *j = begin();

        act(j, called(1, "/bin/other", WALL - 5 * AUDITJOIN_FLOW_APART_NS), MS);
        event(j, flow("c1", WALL, 0), MS);
        CU_ASSERT(told.n == 0 && told.asked == 0);
        act(j, called(5, "/bin/then", WALL), 2 * MS);
        CU_ASSERT_FATAL(told.asked == 1);
        answer(j, told.token, 5, "c1");
        CU_ASSERT_FATAL(told.n == 1 && told.ev[0].pid == 5);
        CU_ASSERT_STRING_EQUAL(told.ev[0].exe, "/bin/then");
        auditjoin_free(j);
}

static void test_flow_of_another(void)
{
        struct auditjoin *j = begin();
        struct tide_event ctr = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c2")};
        uint64_t due;

        act(j, called(5, "/bin/w", WALL), MS);
        event(j, flow("c1", WALL, 0), MS);
        answer(j, told.token, 5, "c2"); /* another container's process, same destination, same time */
        CU_ASSERT(told.n == 0);
        CU_ASSERT(auditjoin_expire(j, 400 * MS, &due) == 0 && told.n == 1 && told.ev[0].pid == 0);
        event(j, flow("c2", WALL, 0), 401 * MS); /* its own takes it, and nobody is asked again */
        CU_ASSERT(told.n == 2 && told.ev[1].pid == 5 && told.asked == 1);
        /* a shared namespace: it is said whose it is, if that one is in the namespace */
        act(j, called(6, "/bin/w", WALL), 402 * MS);
        event(j, flow("c1", WALL, FLOWF_SHARED), 402 * MS);
        answer(j, told.token, 6, "c2");
        CU_ASSERT(told.n == 2);
        CU_ASSERT(auditjoin_expire(j, 800 * MS, &due) == 0 && told.n == 3 && told.ev[2].flow_flags == FLOWF_SHARED);
        ctr.ctr.netns = 77;
        event(j, ctr, 801 * MS);
        event(j, flow("c1", WALL, FLOWF_SHARED), 802 * MS);
        CU_ASSERT_FATAL(told.n == 5 && told.ev[4].pid == 6 && told.ev[4].flow_flags == 0);
        CU_ASSERT_STRING_EQUAL(told.ev[4].container, "c2");
        auditjoin_free(j);
}

/* A process that is known by other means uses up its act, whichever comes first. */
static void test_flow_known(void)
{
        struct auditjoin *j = begin();
        struct tide_event known = flow("c1", WALL, 0);

        known.flow.actor.flags = ACTOR_PID;
        known.flow.actor.pid = 5;
        act(j, called(5, "/bin/w", WALL), MS);
        event(j, known, MS);
        event(j, known, MS);
        act(j, called(5, "/bin/w", WALL), MS);
        CU_ASSERT(told.n == 2 && told.asked == 0);
        event(j, flow("c1", WALL, 0), MS);
        CU_ASSERT(told.n == 2 && told.asked == 0);
        auditjoin_free(j);
}

static void test_flow_behind_its_exec(void)
{
        struct auditjoin *j = begin();

        act(j, ran(1, "/bin/other", WALL), MS);
        event(j, runs(5, NULL, WALL, "c1"), MS);
        event(j, flow("c1", WALL, 0), MS);
        CU_ASSERT(told.n == 0);
        act(j, ran(5, "/bin/w", WALL), MS);
        CU_ASSERT(told.n == 2 && told.ev[0].kind == TIDE_EXEC && told.ev[1].kind == TIDE_FLOW);
        auditjoin_free(j);
}

static const struct unit_case cases[] = {
        {"an execution's records become one act", test_exec},
        {"failed executions and other calls are none", test_failed_and_others},
        {"long arguments in pieces", test_long_arguments},
        {"arguments that are not all there are not told as if", test_missing_arguments},
        {"destinations of connect, whatever the machine", test_connect},
        {"auditd's words: node, type, enriched", test_auditd},
        {"damaged records are counted", test_damaged},
        {"too many, and too late", test_many_and_late},
        {"nothing waits where audit tells nothing", test_nothing_waits_without_audit},
        {"an act that came before its execution", test_act_first},
        {"an execution waits for its act, in order, and not for ever", test_event_first},
        {"another's act completes nothing", test_not_its_act},
        {"one process, one program after the other", test_chain},
        {"a script is known by its own name", test_script},
        {"what passes what", test_order},
        {"too many that wait", test_crowd},
        {"a flow's process", test_flow},
        {"flows in turn, each its own call", test_flows_in_turn},
        {"however many flows wait, an act is looked at by its own", test_crowd_of_flows},
        {"the first is waited for where rules are set", test_expected},
        {"a flow that came before its record", test_flow_first},
        {"another container's call", test_flow_of_another},
        {"a flow whose process is known", test_flow_known},
        {"a flow does not pass its process's execution", test_flow_behind_its_exec},
};

UNIT_MAIN("audit", cases)
