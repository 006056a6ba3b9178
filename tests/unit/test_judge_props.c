/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be true of the judge whatever it is told: the order of independent events does not change the findings, the
 * same events give the same memory, also with a restart between them; confidence stays within 0 to 100, and prior and
 * factors are the sum that is shown. By random events of few words, so that they meet; seeded, so that they come again.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"

#define STREAMS 3u
#define ACTS 600u
#define TEXT (1u << 20)

/* ---- random events ---- */

struct source {
        uint64_t state, now;
        char text[8][64]; /* strings of the event at hand */
        uint8_t address[16];
        struct buf lineage, list;
};

static unsigned below(struct source *s, unsigned n)
{
        s->state ^= s->state << 13;
        s->state ^= s->state >> 7;
        s->state ^= s->state << 17;
        return (unsigned)((s->state >> 20) % n);
}

static void source_open(struct source *s, uint64_t seed)
{
        memset(s, 0, sizeof(*s));
        s->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        s->now = SEC;
        buf_init(&s->lineage, 4096);
        buf_init(&s->list, 4096);
}

static void source_close(struct source *s)
{
        buf_release(&s->lineage);
        buf_release(&s->list);
}

static struct bytes some_path(struct source *s, int slot)
{
        static const char *const roots[] = {"/usr/bin", "/tmp", "/var/cache/app/3b", "/var/lib/data",
                                            "/dev/shm", "/etc", "/opt/\xff\n",       ""};
        static const char *const names[] = {"tool", "x", "a-", "tmp.6b1f00", "17", "lib.so.", "..", ""};
        char name[32];

        snprintf(name, sizeof(name), "%s%.*s", names[below(s, ARRAY_LEN(names))], (int)below(s, 2),
                 "0123" + below(s, 4));
        snprintf(s->text[slot], sizeof(s->text[slot]), "%s/%s", roots[below(s, ARRAY_LEN(roots))], name);
        return bytes_str(s->text[slot]);
}

static struct tide_actor some_actor(struct source *s)
{
        struct tide_ancestor init = {.pid = INIT_PID, .start = 1, .exe = BYTES_LIT("/bin/init")};
        struct tide_ancestor parent = {.pid = 200 + below(s, 3), .start = 2, .exe = BYTES_LIT("/bin/sh")};
        struct tide_actor a = {
                .flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE, .login_uid = UINT32_MAX, .session = UINT32_MAX};

        buf_reset(&s->lineage);
        tide_lineage_put(&s->lineage, &init);
        tide_lineage_put(&s->lineage, &parent);
        a.pid = 300 + below(s, 6);
        a.start = a.pid;
        a.uid = below(s, 2) * 1000;
        a.origin = (uint8_t)below(s, ORIGIN__MAX + 1);
        a.exe_layer = (uint8_t)below(s, LAYER__MAX + 1);
        a.exe = some_path(s, 0);
        a.comm = BYTES_LIT("x");
        a.lineage = buf_bytes(&s->lineage);
        if (below(s, 4) == 0)
                a.flags = (uint32_t)s->state;
        return a;
}

static struct bytes some_address(struct source *s)
{
        static const uint8_t of[][4] = {
                {10, 77, 0, 5}, {203, 0, 113, 9}, {198, 18, 1, 2}, {127, 0, 0, 1}, {8, 8, 8, 8}};

        memcpy(s->address, of[below(s, ARRAY_LEN(of))], 4);
        return bytes_of(s->address, below(s, 20) ? 4 : below(s, 17));
}

static void be_exec(struct source *s, struct tide_event *ev)
{
        ev->kind = TIDE_EXEC;
        ev->exec.actor = some_actor(s);
        ev->exec.program = some_path(s, 1);
        ev->exec.program_layer = (uint8_t)below(s, LAYER__MAX + 1);
        ev->exec.program_change = (uint8_t)below(s, CHANGE__MAX + 1);
        ev->exec.caller = some_path(s, 2);
        ev->exec.args = BYTES_LIT("x\0-v\0");
        ev->exec.mode = S_IFREG | (below(s, 2) ? 0755 : 04755);
}

static void be_file(struct source *s, struct tide_event *ev)
{
        ev->kind = TIDE_FILE;
        ev->file.actor = some_actor(s);
        ev->file.ops = (uint16_t)(1u << below(s, 6));
        ev->file.change = (uint8_t)below(s, CHANGE__MAX + 1);
        ev->file.type = below(s, 4) ? DT_REG : DT_DIR;
        ev->file.path = some_path(s, 1);
        ev->file.old_path = below(s, 8) ? bytes_of(NULL, 0) : some_path(s, 2);
        ev->file.mode = S_IFREG | (below(s, 3) ? 0644 : below(s, 2) ? 0755 : 04755);
}

static void be_priv(struct source *s, struct tide_event *ev)
{
        ev->kind = TIDE_PRIV;
        ev->priv.actor = some_actor(s);
        ev->priv.what = (uint8_t)below(s, PRIV__MAX + 1);
        ev->priv.where = (uint8_t)below(s, WHERE__MAX + 1);
        ev->priv.layer = (uint8_t)below(s, LAYER__MAX + 1);
        ev->priv.change = (uint8_t)below(s, CHANGE__MAX + 1);
        ev->priv.flags = below(s, 32);
        ev->priv.target_pid = 300 + below(s, 6);
        ev->priv.path = some_path(s, 1);
        ev->priv.old_comm = BYTES_LIT("y");
}

static void be_flow(struct source *s, struct tide_event *ev)
{
        ev->kind = TIDE_FLOW;
        ev->flow.actor = some_actor(s);
        ev->flow.what = (uint8_t)below(s, FLOW__MAX + 1);
        ev->flow.direction = (uint8_t)below(s, 4);
        ev->flow.proto = below(s, 2) ? IPPROTO_TCP : IPPROTO_UDP;
        ev->flow.flags = below(s, 64);
        ev->flow.remote = some_address(s);
        ev->flow.local = BYTES_LIT("\x0a\x4d\x00\x63");
        ev->flow.rport = (uint16_t)(below(s, 3) ? 443 : below(s, 65536));
        ev->flow.lport = (uint16_t)below(s, 65536);
        ev->flow.id = below(s, 20);
        ev->flow.netns = 1 + below(s, 2);
}

static void be_name(struct source *s, struct tide_event *ev)
{
        static const char *const names[] = {"api.test", "db.test", "x\\000.test", "a.very.deep.name.test"};
        struct bytes address = some_address(s);

        ev->kind = TIDE_NAME;
        ev->name.verdict = (uint8_t)below(s, NAME__MAX + 1);
        ev->name.proto = IPPROTO_UDP;
        ev->name.server = BYTES_LIT("\x0a\x4d\x00\x35");
        ev->name.server_port = 53;
        ev->name.question = bytes_str(names[below(s, ARRAY_LEN(names))]);
        buf_reset(&s->list);
        buf_put_bytes(&s->list, address);
        buf_put_u32(&s->list, 30);
        ev->name.addresses = buf_bytes(&s->list);
        ev->name.netns = 1 + below(s, 2);
}

static void be_time(struct source *s, struct tide_event *ev)
{
        ev->kind = TIDE_TICK;
        ev->container = bytes_of(NULL, 0);
        s->now += below(s, 3) ? 60 * SEC : 5 * HOUR;
}

static void some_event(struct source *s, const char *id, struct tide_event *ev)
{
        static void (*const makers[])(struct source *, struct tide_event *) = {
                be_exec, be_exec, be_file, be_file, be_file, be_priv, be_flow, be_name, be_time};

        *ev = (struct tide_event){.sources = (uint16_t)(1u << below(s, 12)), .container = bytes_str(id)};
        if (below(s, 10) == 0)
                ev->flags = (uint16_t)below(s, 16);
        makers[below(s, ARRAY_LEN(makers))](s, ev);
        s->now += SEC / 50;
        ev->boot_ns = s->now;
        ev->wall_ns = (int64_t)(T0 + s->now);
}

/* ---- findings as text, without their numbers ---- */

static void on_nothing(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        (void)what, (void)key, (void)blob, (void)arg;
}

static void check_sum(const struct judge_params *p, const struct finding *f)
{
        int64_t sum = f->prior_quarters;
        double chance;

        for (uint32_t i = 0; i < f->nfactors; i++)
                sum += f->factors[i].quarters;
        CU_ASSERT_EQUAL(f->prior_quarters,
                        f->type == FINDING_SESSION ? p->session_prior_quarters : p->prior_quarters);
        CU_ASSERT_EQUAL(sum, f->sum_quarters);
        CU_ASSERT_TRUE(f->confidence <= 100);
        chance = 100.0 / (1.0 + exp2(-(double)sum / 4.0));
        CU_ASSERT_TRUE(f->confidence <= chance && (f->confidence > chance - 1.0 || f->confidence == 99));
}

struct seen {
        const struct judge_params *p;
        struct finding_text {
                uint64_t id;
                char text[3000];
        } of[400];
        size_t n;
        bool full;
};

static void on_seen(const struct finding *f, bool opened, void *arg)
{
        struct seen *s = arg;
        size_t i = 0, n;

        (void)opened;
        check_sum(s->p, f);
        while (i < s->n && s->of[i].id != f->id)
                i++;
        if (i == ARRAY_LEN(s->of)) {
                s->full = true;
                return;
        }
        s->n += i == s->n;
        s->of[i].id = f->id;
        n = (size_t)snprintf(s->of[i].text, sizeof(s->of[i].text), "%.*s %u%% %u x%llu", (int)f->workload.len,
                             f->workload.p, f->confidence, f->severity, (unsigned long long)f->count);
        for (uint32_t k = 0; k < f->nfactors && n < sizeof(s->of[i].text) - 100; k++)
                n += (size_t)snprintf(s->of[i].text + n, sizeof(s->of[i].text) - n, " %s=%d", f->factors[k].name.p,
                                      f->factors[k].quarters);
        for (uint32_t k = 0; k < f->nsignals && n < sizeof(s->of[i].text) - 300; k++)
                n += (size_t)snprintf(s->of[i].text + n, sizeof(s->of[i].text) - n, " | %u %.*s x%llu",
                                      f->signals[k].kind, (int)f->signals[k].subject.len,
                                      f->signals[k].subject.p ? f->signals[k].subject.p : "",
                                      (unsigned long long)f->signals[k].count);
}

static int by_text(const void *a, const void *b)
{
        return strcmp(((const struct finding_text *)a)->text, ((const struct finding_text *)b)->text);
}

static const struct judge_ops seen_ops = {.save = on_nothing, .finding = on_seen};

static struct judge *fresh(struct judge_params *p, struct seen *s)
{
        struct judge *j = NULL;

        memset(s, 0, sizeof(*s));
        s->p = p;
        CU_ASSERT_EQUAL_FATAL(judge_new(p, &seen_ops, s, &j), 0);
        return j;
}

static void begin(struct judge *j, const char *id, const char *name, uint64_t now)
{
        struct tide_event ev = {
                .kind = TIDE_CTR_START, .container = bytes_str(id), .boot_ns = now, .wall_ns = (int64_t)(T0 + now)};

        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        CU_ASSERT_EQUAL(judge_event(j, &ev), 0);
        ev = (struct tide_event){
                .kind = TIDE_CONTENT, .container = bytes_str(id), .boot_ns = now, .wall_ns = (int64_t)(T0 + now)};
        ev.content.name = bytes_str(name);
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("localhost/web:1");
        ev.content.config_digest = BYTES_LIT("sha256:aa");
        CU_ASSERT_EQUAL(judge_event(j, &ev), 0);
}

/* As it comes from a recording: what the decoder does not take is 0. */
static int give_event(struct judge *j, const struct tide_event *ev)
{
        _cleanup_buf_ struct buf wire;
        struct tide_event decoded;
        size_t used;
        int r;

        buf_init(&wire, TIDE_RECORD_MAX);
        CU_ASSERT_EQUAL_FATAL(tide_encode(ev, &wire), 0);
        CU_ASSERT_EQUAL_FATAL(tide_decode(wire.p, wire.len, &decoded, &used), 0);
        r = judge_event(j, &decoded);
        return r == -EINVAL ? 0 : r;
}

/* ---- order ---- */

static const char *const ids[STREAMS] = {"c-one", "c-two", "c-three"};
static const char *const names_of[STREAMS] = {"one", "two", "three"};

/*
 * Streams of workloads that have nothing in common, put together in an order drawn by seed; each stream's own order and
 * times stay. Time stands still for all at ticks of one of them, so those are left out.
 */
static void run_mixed(struct judge *j, uint64_t content, uint64_t order)
{
        struct source streams[STREAMS], mix;
        unsigned left[STREAMS], total = STREAMS * ACTS;

        source_open(&mix, order);
        for (unsigned i = 0; i < STREAMS; i++) {
                source_open(&streams[i], content * 10 + i);
                streams[i].now = 300 * SEC;
                begin(j, ids[i], names_of[i], SEC);
                left[i] = ACTS;
        }
        for (unsigned i = 0; i < STREAMS; i++) {
                struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR, .boot_ns = 2 * SEC};
                char target[32];

                snprintf(target, sizeof(target), "%s@sha256:aa", names_of[i]);
                ev.wall_ns = (int64_t)(T0 + 2 * SEC);
                ev.decision.verb = BYTES_LIT("baseline.activate");
                ev.decision.target = bytes_str(target);
                CU_ASSERT_EQUAL(judge_event(j, &ev), 0);
        }
        while (total > 0) {
                unsigned i = below(&mix, STREAMS);
                struct tide_event ev;

                if (left[i] == 0)
                        continue;
                some_event(&streams[i], ids[i], &ev);
                if (ev.kind != TIDE_TICK)
                        CU_ASSERT_EQUAL(give_event(j, &ev), 0);
                left[i]--;
                total--;
        }
        for (unsigned i = 0; i < STREAMS; i++)
                source_close(&streams[i]);
        source_close(&mix);
}

static void test_order_of_workloads(void)
{
        static struct seen first, other;
        struct judge_params p;

        judge_params_default(&p);
        for (uint64_t content = 1; content <= 6; content++) {
                struct judge *j = fresh(&p, &first);

                run_mixed(j, content, 1);
                judge_free(j);
                CU_ASSERT_TRUE(first.n > 10 && !first.full);
                qsort(first.of, first.n, sizeof(first.of[0]), by_text);
                for (uint64_t order = 2; order < 5; order++) {
                        j = fresh(&p, &other);
                        run_mixed(j, content, order);
                        judge_free(j);
                        qsort(other.of, other.n, sizeof(other.of[0]), by_text);
                        CU_ASSERT_EQUAL(first.n, other.n);
                        for (size_t i = 0; i < first.n && i < other.n; i++)
                                CU_ASSERT_STRING_EQUAL(first.of[i].text, other.of[i].text);
                }
        }
}

/* Acts of one container that have no lineage, directory, program nor time in common. */
static void far_apart(struct judge *j, unsigned n)
{
        char path[64], exe[64];
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c-one")};
        struct tide_ancestor init = {.pid = INIT_PID, .start = 1, .exe = BYTES_LIT("/bin/init")};
        struct tide_ancestor parent = {.pid = 600 + n, .start = 9, .exe = BYTES_LIT("/bin/sh")};
        _cleanup_buf_ struct buf lineage;

        buf_init(&lineage, 1024);
        tide_lineage_put(&lineage, &init);
        tide_lineage_put(&lineage, &parent);
        snprintf(path, sizeof(path), "/srv-%c/%c", 'a' + (int)n, 'k' + (int)n);
        snprintf(exe, sizeof(exe), "/opt-%c/run", 'a' + (int)n);
        ev.file.actor =
                (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE, .pid = 500 + n, .start = n + 10};
        ev.file.actor.origin = ORIGIN_ENTRYPOINT;
        ev.file.actor.exe = bytes_str(exe);
        ev.file.actor.lineage = buf_bytes(&lineage);
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = CHANGE_ADDED;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | (n % 2 ? 0755 : 0644);
        ev.file.path = bytes_str(path);
        ev.boot_ns = 300 * SEC;
        ev.wall_ns = (int64_t)(T0 + 300 * SEC);
        CU_ASSERT_EQUAL(judge_event(j, &ev), 0);
}

static void run_apart(struct judge_params *p, struct seen *s, const unsigned *order, unsigned n)
{
        struct tide_event ev = {
                .kind = TIDE_DECISION, .sources = SRC_OPERATOR, .boot_ns = 2 * SEC, .wall_ns = (int64_t)(T0 + 2 * SEC)};
        struct judge *j = fresh(p, s);

        begin(j, "c-one", "one", SEC);
        far_apart(j, 20); /* learned, and known when it comes again: so the hour is one that was seen */
        ev.decision.verb = BYTES_LIT("baseline.activate");
        ev.decision.target = BYTES_LIT("one@sha256:aa");
        CU_ASSERT_EQUAL(judge_event(j, &ev), 0);
        far_apart(j, 20);
        for (unsigned i = 0; i < n; i++)
                far_apart(j, order[i]);
        judge_free(j);
        qsort(s->of, s->n, sizeof(s->of[0]), by_text);
}

static void test_order_within_one(void)
{
        static const unsigned orders[][6] = {{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {3, 0, 5, 1, 4, 2}};
        static struct seen first, other;
        struct judge_params p;

        judge_params_default(&p);
        run_apart(&p, &first, orders[0], 6);
        CU_ASSERT_EQUAL(first.n, 6);
        for (size_t o = 1; o < ARRAY_LEN(orders); o++) {
                run_apart(&p, &other, orders[o], 6);
                CU_ASSERT_EQUAL(first.n, other.n);
                for (size_t i = 0; i < first.n && i < other.n; i++) {
                        CU_ASSERT_STRING_EQUAL(first.of[i].text, other.of[i].text);
                        if (strcmp(first.of[i].text, other.of[i].text) != 0)
                                printf("\n    %s\n    %s\n", first.of[i].text, other.of[i].text);
                }
        }
}

/* ---- the same again ---- */

/* What is in memory goes through its pieces, as over a restart. */
static struct judge *reborn(struct judge *j, struct judge_params *p, struct seen *s)
{
        struct judge *next = NULL;
        struct buf b;
        struct rd r;

        dump(j, &b);
        judge_free(j);
        CU_ASSERT_EQUAL_FATAL(judge_new(p, &seen_ops, s, &next), 0);
        rd_init(&r, b.p, b.len);
        while (rd_left(&r)) {
                uint32_t what = rd_u32(&r);
                struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                CU_ASSERT_EQUAL(judge_restore(next, (enum judge_piece)what, key, blob), 0);
        }
        buf_release(&b);
        return next;
}

static struct judge *run_random(struct judge_params *p, struct seen *s, uint64_t seed, unsigned restart_at)
{
        struct judge *j = fresh(p, s);
        struct source src;

        source_open(&src, seed);
        begin(j, "c-one", "one", SEC);
        begin(j, "c-two", "one", SEC);
        for (unsigned n = 0; n < 4 * ACTS; n++) {
                struct tide_event ev;

                if (n == restart_at)
                        j = reborn(j, p, s);
                some_event(&src, ids[below(&src, 2)], &ev);
                CU_ASSERT_EQUAL(give_event(j, &ev), 0);
        }
        source_close(&src);
        return j;
}

static void test_twice(void)
{
        static uint64_t one[20000], two[20000];
        static struct seen s;
        struct judge_params p;

        judge_params_default(&p);
        for (uint64_t seed = 1; seed <= 8; seed++) {
                struct judge *j = run_random(&p, &s, seed, UINT32_MAX);
                struct buf first, again;
                size_t n, m;

                dump(j, &first);
                n = digest(j, one, ARRAY_LEN(one));
                judge_free(j);
                j = run_random(&p, &s, seed, UINT32_MAX);
                dump(j, &again);
                CU_ASSERT_TRUE(first.len > 1000 && bytes_eq(buf_bytes(&first), buf_bytes(&again)));
                judge_free(j);
                j = run_random(&p, &s, seed, 2 * ACTS);
                m = digest(j, two, ARRAY_LEN(two));
                CU_ASSERT_TRUE(n == m && memcmp(one, two, n * sizeof(one[0])) == 0);
                judge_free(j);
                buf_release(&first);
                buf_release(&again);
        }
}

/* ---- sums ---- */

static void test_sums(void)
{
        static struct seen s;
        unsigned checked = 0;

        for (uint64_t seed = 1; seed <= 24; seed++) {
                struct source bits;
                struct judge_params p;

                judge_params_default(&p);
                source_open(&bits, 1000 + seed);
                for (int i = 0; seed > 4 && i < FACTOR__MAX; i++) /* whatever the configuration allows */
                        p.bits[i] = (int32_t)below(&bits, 513) - 256;
                if (seed > 12) {
                        p.prior_quarters = (int32_t)below(&bits, 513) - 256;
                        p.novelty_cap_quarters = (int32_t)below(&bits, 257);
                        p.activated_p = (below(&bits, 1000) + 1) / 1000.0;
                }
                source_close(&bits);
                judge_free(run_random(&p, &s, seed, UINT32_MAX));
                checked += (unsigned)s.n;
        }
        CU_ASSERT_TRUE(checked > 500);
}

static const struct unit_case cases[] = {
        {"the order of what other workloads do changes no finding", test_order_of_workloads},
        {"the order of acts that are far apart changes no finding", test_order_within_one},
        {"the same events give the same memory, also over a restart", test_twice},
        {"confidence is within bounds, and prior and factors are the sum", test_sums},
};

UNIT_MAIN("judge: what is always true", cases)
