/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lane of exec sessions: one item each, who and when, scored by a table of its own; it teaches nothing, counts in
 * no rate, and has limits. What may be a health check stays out of it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/err.h"

struct person {               /* a session, as the sensor tells of it */
        uint32_t leader, pid; /* pid 0: the leader */
        uint32_t login;
        bool tty, no_tty, unread;
        const char *in; /* which container; NULL: c1 */
        const char *args;
        size_t args_len;
        enum tide_origin origin; /* 0: exec */
};

static struct tide_actor person_actor(const struct person *p, const char *exe)
{
        static uint8_t space[256];
        struct buf b = {.p = space, .cap = sizeof(space), .max = sizeof(space) - 1};
        uint32_t pid = p->pid ? p->pid : p->leader;
        struct tide_ancestor leader = {
                .pid = p->leader, .start = p->leader, .exe = BYTES_LIT("/bin/sh"), .comm = BYTES_LIT("sh")};

        if (pid != p->leader)
                tide_lineage_put(&b, &leader);
        return (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE | (p->tty ? ACTOR_SESSION_TTY : 0) |
                                            (p->no_tty ? ACTOR_SESSION_NO_TTY : 0) | (p->unread ? ACTOR_UNREAD : 0),
                                   .pid = pid,
                                   .start = pid,
                                   .origin = p->origin ? (uint8_t)p->origin : ORIGIN_EXEC,
                                   .exe = bytes_str(exe),
                                   .login_uid = p->login ? p->login : UINT32_MAX,
                                   .session = UINT32_MAX,
                                   .leader = p->leader,
                                   .leader_start = p->leader,
                                   .lineage = buf_bytes(&b)};
}

static void person_runs(struct world *w, const struct person *p, const char *program, enum tide_layer layer)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .container = bytes_str(p->in ? p->in : "c1")};

        ev.exec.actor = person_actor(p, program);
        ev.exec.program = bytes_str(program);
        ev.exec.program_layer = (uint8_t)layer;
        ev.exec.program_change = layer == LAYER_WRITE ? CHANGE_ADDED : CHANGE_UNKNOWN;
        ev.exec.caller = BYTES_LIT("/bin/sh");
        ev.exec.args = p->args ? bytes_of(p->args, p->args_len) : BYTES_LIT("sh\0");
        ev.exec.args_total = ev.exec.args.len;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void person_writes(struct world *w, const struct person *p, const char *path, uint32_t mode,
                          enum tide_change change)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1")};

        ev.file.actor = person_actor(p, "/bin/cp");
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = (uint8_t)change;
        ev.file.flags = change == CHANGE_MODIFIED ? FILEF_CONTENT : 0;
        ev.file.mode = S_IFREG | mode;
        ev.file.path = bytes_str(path);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void person_calls(struct world *w, const struct person *p, const uint8_t to[4])
{
        static const uint8_t own[] = {10, 0, 0, 2};
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_CONNTRACK, .container = BYTES_LIT("c1")};

        ev.flow.actor = person_actor(p, "/usr/bin/curl");
        ev.flow.what = FLOW_BEGAN;
        ev.flow.direction = DIRECTION_OUT;
        ev.flow.proto = IPPROTO_TCP;
        ev.flow.local = bytes_of(own, 4);
        ev.flow.remote = bytes_of(to, 4);
        ev.flow.lport = 40000;
        ev.flow.rport = 443;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void person_leaves(struct world *w, uint32_t leader, uint32_t status)
{
        struct tide_event ev = {.kind = TIDE_EXIT, .container = BYTES_LIT("c1")};

        ev.exit = (struct tide_exit){.pid = leader, .start = leader, .code = status, .leader = 1};
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static struct finding *item(const struct world *w)
{
        struct finding *f = group_by_id(w->j, w->last_id);

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        return f;
}

/* What an operator does is far below; what no image is for is a page, each by itself. */
static void test_bands(void)
{
        static const uint8_t raw[] = {203, 0, 113, 9};
        static const struct {
                const char *what;
                int act; /* 0 runs, 1 writes, 2 calls */
                const char *path;
                enum tide_layer layer;
                uint32_t mode;
                enum tide_change change;
                uint32_t low, high;
        } rows[] = {
                {"ls", 0, "/bin/ls", LAYER_IMAGE, 0, 0, 0, 5},
                {"cat", 0, "/bin/cat", LAYER_IMAGE, 0, 0, 0, 5},
                {"psql", 0, "/usr/bin/psql", LAYER_IMAGE, 0, 0, 0, 5},
                {"a script of a volume", 0, "/data/x", LAYER_MOUNT, 0, 0, 0, 5},
                {"a data file", 1, "/srv/dump.sql", 0, 0644, CHANGE_ADDED, 0, 5},
                {"configuration edited", 1, "/etc/app.conf", 0, 0644, CHANGE_MODIFIED, 0, 20},
                {"a script written", 1, "/opt/fix.sh", 0, 0755, CHANGE_ADDED, 0, 30},
                {"a program of the image changed", 1, "/bin/ls", 0, 0755, CHANGE_MODIFIED, 95, 100},
                {"setuid", 1, "/opt/root", 0, 04755, CHANGE_ADDED, 95, 100},
                {"a dropped program run", 0, "/opt/x", LAYER_WRITE, 0, 0, 95, 100},
                {"from memory", 0, "memfd:x", LAYER_MEMFD, 0, 0, 95, 100},
                {"from a tmpfs", 0, "/dev/shm/x", LAYER_TMPFS, 0, 0, 95, 100},
                {"a raw address", 2, NULL, 0, 0, 0, 95, 100},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct person p = {.leader = 500, .pid = 501, .tty = true};
                struct world w;

                world_open(&w);
                start(&w);
                if (rows[i].act == 0)
                        person_runs(&w, &p, rows[i].path, rows[i].layer);
                else if (rows[i].act == 1)
                        person_writes(&w, &p, rows[i].path, rows[i].mode, rows[i].change);
                else
                        person_calls(&w, &p, raw);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_EQUAL(item(&w)->type, FINDING_SESSION);
                if (w.confidence < rows[i].low || w.confidence > rows[i].high)
                        printf("\n    %s: %u%% is not in %u..%u (%s)\n", rows[i].what, w.confidence, rows[i].low,
                               rows[i].high, w.factors);
                CU_ASSERT_TRUE(w.confidence >= rows[i].low && w.confidence <= rows[i].high);
                CU_ASSERT_EQUAL(w.total, w.sum);
                CU_ASSERT_EQUAL(w.prior, w.p.session_prior_quarters);
                world_close(&w);
        }
}

/* One item, with who, when, how, what; it teaches nothing and counts in no rate. */
static void test_one_item(void)
{
        const struct person lead = {.leader = 500, .tty = true, .login = 1000, .args = "bash\0-l\0", .args_len = 8};
        const struct person child = {.leader = 500, .pid = 501, .tty = true, .login = 1000};
        struct judge_stats st;
        struct world w;
        int64_t last;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        last = workload(&w).last_ns;
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.observations, 1);
        w.now += 3 * HOUR;
        person_runs(&w, &lead, "/bin/bash", LAYER_IMAGE);
        person_runs(&w, &child, "/bin/ls", LAYER_IMAGE);
        person_runs(&w, &child, "/bin/ls", LAYER_IMAGE);
        person_writes(&w, &child, "/srv/a", 0644, CHANGE_ADDED);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_STRING_EQUAL(w.verdict, "of a session");
        CU_ASSERT_EQUAL(w.count, 4);
        CU_ASSERT_EQUAL(w.nsignals, 3);
        CU_ASSERT_TRUE(w.confidence < 5);
        CU_ASSERT_TRUE(bytes_eq(str_get(&item(&w)->command), bytes_of("bash\0-l\0", 8)));
        CU_ASSERT_EQUAL(item(&w)->terminal, TERMINAL_YES);
        CU_ASSERT_EQUAL(item(&w)->login_uid, 1000);
        CU_ASSERT_EQUAL(item(&w)->runs, 3);
        CU_ASSERT_FALSE(item(&w)->ended);
        /* Nothing of it in the baseline, in its hours, in the numbers of the workload. */
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_PROCESS].entries, 1);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_FILE].entries, 0);
        CU_ASSERT_EQUAL(workload(&w).last_ns, last);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.observations, 1);
        CU_ASSERT_EQUAL(st.deviations, 0);
        CU_ASSERT_EQUAL(st.sessions, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "A session with a terminal"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "bash -l"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "logged in as uid 1000"));
        person_leaves(&w, 501, 0); /* not its first process */
        person_leaves(&w, 500, 0x300);
        CU_ASSERT_TRUE(item(&w)->ended && item(&w)->ended_ns && item(&w)->exit_status == 0x300);
        /* What it has left behind is still its own, and worth more. */
        person_runs(&w, &child, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "session_left_running"));
        /* Another one at a terminal is another item, whatever it is called. */
        person_runs(&w, &(struct person){.leader = 600, .tty = true, .args = "bash\0-l\0", .args_len = 8}, "/bin/bash",
                    LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 2);
        restore(&w);
        CU_ASSERT_EQUAL(item(&w)->leader.pid, 600);
        world_close(&w);
}

/* What a script does time and again, with nobody at a terminal, is one item; so is what it does wrong. */
static void test_same_command(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        for (uint32_t i = 0; i < 100; i++) {
                struct person p = {.leader = 1000 + 2 * i, .no_tty = true, .args = "sh\0-c\0/opt/x\0", .args_len = 13};

                person_runs(&w, &p, "/bin/sh", LAYER_IMAGE);
                p.pid = p.leader + 1;
                person_runs(&w, &p, "/opt/x", LAYER_WRITE);
                person_leaves(&w, p.leader, 0);
                w.now += 60 * SEC;
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(item(&w)->visits, 100);
        CU_ASSERT_EQUAL(w.count, 200);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        /* Of another login, with other words, or much later: another one. */
        person_runs(&w,
                    &(struct person){
                            .leader = 2000, .no_tty = true, .login = 7, .args = "sh\0-c\0/opt/x\0", .args_len = 13},
                    "/bin/sh", LAYER_IMAGE);
        person_runs(&w, &(struct person){.leader = 2001, .no_tty = true, .args = "sh\0-c\0/opt/y\0", .args_len = 13},
                    "/bin/sh", LAYER_IMAGE);
        w.now += 2 * HOUR;
        person_runs(&w, &(struct person){.leader = 2002, .no_tty = true, .args = "sh\0-c\0/opt/x\0", .args_len = 13},
                    "/bin/sh", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 4);
        world_close(&w);
}

static void triage_benign(struct world *w, uint64_t id)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        _cleanup_buf_ struct buf b;
        char target[32];

        snprintf(target, sizeof(target), "F-%llu", (unsigned long long)id);
        buf_init(&b, 200);
        tide_list_put(&b, BYTES_LIT("verdict"), BYTES_LIT("benign"));
        ev.decision.verb = BYTES_LIT("triage");
        ev.decision.target = bytes_str(target);
        ev.decision.args = buf_bytes(&b);
        ev.decision.login_uid = UINT32_MAX;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* A verdict is of the sessions that were: the next one of the same command is another item. */
static void test_triaged_anew(void)
{
        struct person p = {.leader = 1000, .no_tty = true, .args = "sh\0-c\0/opt/x\0", .args_len = 13};
        struct world w;
        uint64_t first;

        world_open(&w);
        start(&w);
        person_runs(&w, &p, "/bin/sh", LAYER_IMAGE);
        p.pid = 1001;
        person_runs(&w, &p, "/opt/x", LAYER_WRITE);
        first = w.last_id;
        triage_benign(&w, first);
        person_runs(&w, &p, "/opt/x", LAYER_WRITE); /* what it did before */
        CU_ASSERT_EQUAL(item(&w)->state, FINDING_TRIAGED);
        person_runs(&w, &p, "/opt/y", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(item(&w)->state, FINDING_OPEN);
        triage_benign(&w, first);
        for (p.leader = 2000; p.leader < 2020; p.leader += 10) {
                p.pid = 0;
                person_runs(&w, &p, "/bin/sh", LAYER_IMAGE);
                p.pid = p.leader + 1;
                person_runs(&w, &p, "/opt/x", LAYER_WRITE);
                CU_ASSERT_EQUAL(w.opened, 2);
                CU_ASSERT_NOT_EQUAL(w.last_id, first);
                CU_ASSERT_EQUAL(item(&w)->state, FINDING_OPEN);
        }
        world_close(&w);
}

/* The entrypoint does the same afterwards: nobody has got used to it. */
static void test_teaches_nothing(void)
{
        const struct person p = {.leader = 500, .pid = 501, .tty = true};
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        person_runs(&w, &p, "/opt/x", LAYER_WRITE);
        person_runs(&w, &p, "/usr/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        run(&w, "/opt/x", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 2);
        CU_ASSERT_EQUAL(item(&w)->type, FINDING_DRIFT);
        w.now += 2 * HOUR;
        run_in(&w, "c1", "/usr/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 900);
        CU_ASSERT_EQUAL(w.opened, 3);
        world_close(&w);
}

static unsigned sessions_of_weeks(const struct world *w)
{
        struct judge_weeks all;
        unsigned n = 0;

        for (size_t i = 0; judge_weeks_next(w->j, &i, &all);)
                for (size_t k = 0; k < WEEKS_KEPT; k++)
                        n += all.of[k].sessions;
        return n;
}

/* Health checks: known as such, not known as such yet, and not to be read. */
static void test_probes(void)
{
        static const uint8_t to[] = {10, 1, 1, 1};
        struct person p = {.leader = 500, .no_tty = true, .unread = true};
        struct judge_stats st;
        struct world w;

        world_open(&w);
        start(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        /* Its first act came before its arguments were read. */
        person_calls(&w, &(struct person){.leader = 400, .no_tty = true}, to);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.sessions, 1);
        person_runs(&w, &(struct person){.leader = 400, .no_tty = true, .origin = ORIGIN_PROBE}, "/bin/check",
                    LAYER_IMAGE);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.sessions, 0);
        CU_ASSERT_EQUAL(st.findings, 0);
        CU_ASSERT_EQUAL(sessions_of_weeks(&w), 0);
        /* One that could not be read, by a program that health checks run. */
        w.opened = 0;
        person_runs(&w, &p, "/bin/check", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 0);
        p.pid = 501;
        person_writes(&w, &p, "/tmp/x", 0644, CHANGE_ADDED);
        CU_ASSERT_EQUAL(w.opened, 0);
        /* By another program: a person's. */
        p = (struct person){.leader = 600, .no_tty = true, .unread = true};
        person_runs(&w, &p, "/usr/bin/vi", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(item(&w)->type, FINDING_SESSION);
        world_close(&w);
}

/* One command in two replicas is one item: it is not over with one of them. */
static void test_replicas(void)
{
        struct person one = {.leader = 1000, .no_tty = true, .args = "sh\0-c\0work\0", .args_len = 10},
                      two = {.leader = 2000, .no_tty = true, .args = "sh\0-c\0work\0", .args_len = 10, .in = "c2"};
        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start(&w);
        start_as(&w, "c2", "web", false);
        person_runs(&w, &one, "/bin/sh", LAYER_IMAGE);
        person_runs(&w, &two, "/bin/sh", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        CU_ASSERT_FALSE(item(&w)->ended);
        two.pid = 2001;
        person_runs(&w, &two, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "session_left_running"));
        stop.container = BYTES_LIT("c2");
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        CU_ASSERT_TRUE(item(&w)->ended);
        world_close(&w);
        /* Two at once in one container: what the one does is not left by the other. */
        world_open(&w);
        start(&w);
        one.pid = 0;
        two.in = NULL;
        two.pid = 0;
        person_runs(&w, &one, "/bin/sh", LAYER_IMAGE);
        person_runs(&w, &two, "/bin/sh", LAYER_IMAGE);
        person_leaves(&w, 2000, 0);
        one.pid = 1001;
        person_runs(&w, &one, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "session_left_running"));
        two.pid = 2001;
        person_runs(&w, &two, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "session_left_running"));
        world_close(&w);
}

/* What a window keeps quiet is new to nobody, until it is shown. */
static void test_window_told(void)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        struct person p = {.leader = 1000, .tty = true};
        _cleanup_buf_ struct buf b;
        struct world w;
        char until[32];

        world_open(&w);
        start(&w);
        snprintf(until, sizeof(until), "%llu", (unsigned long long)((T0 + w.now) / SEC + 3600));
        buf_init(&b, 200);
        tide_list_put(&b, BYTES_LIT("until"), bytes_str(until));
        tide_list_put(&b, BYTES_LIT("reason"), BYTES_LIT("maintenance"));
        ev.decision.verb = BYTES_LIT("suppress.add");
        ev.decision.args = buf_bytes(&b);
        ev.decision.login_uid = UINT32_MAX;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        person_runs(&w, &p, "/bin/sh", LAYER_IMAGE);
        CU_ASSERT_TRUE(item(&w)->suppressed);
        CU_ASSERT_EQUAL(w.opened, 0);
        p.pid = 1001;
        person_runs(&w, &p, "/opt/x", LAYER_WRITE);
        CU_ASSERT_FALSE(item(&w)->suppressed);
        CU_ASSERT_EQUAL(w.opened, 1);
        person_runs(&w, &p, "/opt/x", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* Sessions push out sessions, never what is drift; those that matter last. */
static void test_limits(void)
{
        const struct person bad = {.leader = 100000, .tty = true};
        struct judge_stats st;
        struct world w;
        uint64_t kept;

        world_open(&w);
        w.p.max_sessions = 20;
        judge_free(w.j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &w.j), 0);
        start(&w);
        run(&w, "/opt/drift", LAYER_WRITE);
        person_runs(&w, &bad, "/opt/x", LAYER_WRITE);
        kept = w.last_id;
        person_leaves(&w, 100000, 0);
        for (uint32_t i = 0; i < 100; i++) {
                person_runs(&w, &(struct person){.leader = 1000 + i, .tty = true}, "/bin/ls", LAYER_IMAGE);
                person_leaves(&w, 1000 + i, 0);
        }
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.findings, 21);
        CU_ASSERT_EQUAL(st.sessions_dropped, 81);
        CU_ASSERT_TRUE(is_kept(&w, 1) && is_kept(&w, kept));
        world_close(&w);
}

static void suppress(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        _cleanup_buf_ struct buf b;
        char until[32];

        buf_init(&b, 1000);
        snprintf(until, sizeof(until), "%llu", (unsigned long long)((T0 + w->now) / SEC + 7200));
        tide_list_put(&b, BYTES_LIT("workload"), BYTES_LIT("web"));
        tide_list_put(&b, BYTES_LIT("reason"), BYTES_LIT("an update"));
        tide_list_put(&b, BYTES_LIT("until"), bytes_str(until));
        ev.decision.verb = BYTES_LIT("suppress.add");
        ev.decision.args = buf_bytes(&b);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* A declared window: quiet, but for what is never learned silently. */
static void test_window(void)
{
        static const uint8_t raw[] = {203, 0, 113, 9};
        const struct person p = {.leader = 500, .pid = 501, .tty = true}, q = {.leader = 600, .pid = 601, .tty = true};
        struct world w;

        world_open(&w);
        start(&w);
        suppress(&w);
        person_writes(&w, &p, "/etc/app.conf", 0644, CHANGE_MODIFIED);
        person_writes(&w, &p, "/opt/fix.sh", 0755, CHANGE_ADDED);
        person_calls(&w, &p, raw);
        CU_ASSERT_TRUE(w.confidence >= w.p.show && item(&w)->suppressed);
        CU_ASSERT_STRING_EQUAL(item(&w)->suppressed_by.p, "R-1");
        CU_ASSERT_EQUAL(item(&w)->shown_ns, 0);
        person_runs(&w, &p, "/opt/x", LAYER_WRITE);
        CU_ASSERT_FALSE(item(&w)->suppressed);
        CU_ASSERT_TRUE(item(&w)->broke_through);
        /* When it is over it is over. */
        w.now += 3 * HOUR;
        tick(&w);
        person_calls(&w, &q, raw);
        CU_ASSERT_FALSE(item(&w)->suppressed);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"what an operator does is below, what nobody should is a page", test_bands},
        {"one item, with who, when and what", test_one_item},
        {"the same command again and again is one item", test_same_command},
        {"judged, and run again", test_triaged_anew},
        {"sessions teach nothing", test_teaches_nothing},
        {"health checks are none", test_probes},
        {"one command in two replicas", test_replicas},
        {"a window keeps a session quiet", test_window_told},
        {"limits", test_limits},
        {"a declared window", test_window},
};

UNIT_MAIN("session", cases)
