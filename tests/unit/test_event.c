/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event: each field of each kind crosses by itself, at its place and in its width. The lists here are written apart
 * from the tables in event.c: a field that is missing there, or stands twice, is found here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"

/* N: number, E: number of an enum (only small values live), S: string. In the order of the wire. */
#define ACTOR(N, E, S, a)                                                                                              \
        N(a.flags) N(a.pid) N(a.start) N(a.uid) N(a.gid) N(a.login_uid) N(a.session) E(a.origin) E(a.exe_layer)        \
                S(a.exe) S(a.comm) S(a.lineage)
#define LEADER(N, E, S, a) N(a.leader) N(a.leader_start)
#define EXEC(N, E, S)                                                                                                  \
        ACTOR(N, E, S, exec.actor)                                                                                     \
        S(exec.program) E(exec.program_layer) E(exec.program_change) S(exec.caller) S(exec.args) N(exec.args_total)    \
                S(exec.cwd) N(exec.mode) N(exec.size) N(exec.ino) N(exec.interval_ns)    \
                LEADER(N, E, S, exec.actor)
#define FORK(N, E, S) N(fork.pid) N(fork.ppid) N(fork.start) N(fork.pstart)
#define EXIT(N, E, S) N(exit.pid) N(exit.start) N(exit.code) N(exit.leader)
#define FILE_(N, E, S)                                                                                                 \
        ACTOR(N, E, S, file.actor)                                                                                     \
        N(file.ops) E(file.change) N(file.type) S(file.path) S(file.old_path) N(file.mode) N(file.size) N(file.ino)    \
                N(file.mtime_ns) N(file.ctime_ns) S(file.target) N(file.flags) LEADER(N, E, S, file.actor)
#define CTR(N, E, S)                                                                                                   \
        S(ctr.runtime) N(ctr.init_pid) N(ctr.init_start) S(ctr.cgroup) S(ctr.root_fstype) S(ctr.upper) S(ctr.lower)    \
                N(ctr.netns) N(ctr.mntns) N(ctr.pidns) N(ctr.running_before) N(ctr.gap_ns) S(ctr.coverage)             \
                S(ctr.rootdir) S(ctr.bundle) N(ctr.stopping) E(ctr.flows)
#define WALK(N, E, S) N(walk.ended) N(walk.complete) E(walk.reason) N(walk.entries)
#define CONTENT(N, E, S)                                                                                               \
        S(content.runtime) S(content.name) N(content.name_given) S(content.image_ref) S(content.config_digest)         \
                S(content.config_source) S(content.manifest_digest) S(content.manifest_source) S(content.labels)       \
                S(content.image_labels) S(content.created) S(content.health)
#define DECISION(N, E, S)                                                                                              \
        N(decision.id) N(decision.uid) N(decision.login_uid) N(decision.pid) S(decision.verb) S(decision.target)       \
                S(decision.args)
#define LOSS(N, E, S) N(loss.lost_source) N(loss.count) N(loss.from_ns) N(loss.to_ns) S(loss.what)
#define STATE(N, E, S) N(state.what) S(state.host) S(state.text)
#define ACT(N, E, S) N(act.act) N(act.id) N(act.uid) N(act.pid) N(act.login_uid) S(act.name) S(act.text)
#define PRIV(N, E, S)                                                                                                  \
        ACTOR(N, E, S, priv.actor)                                                                                     \
        E(priv.what) E(priv.where) E(priv.layer) E(priv.change) N(priv.flags) N(priv.from) N(priv.to)                  \
                N(priv.target_pid) N(priv.target_start) S(priv.target_exe) S(priv.target_comm)                         \
                S(priv.target_container) S(priv.old_comm) S(priv.path) N(priv.mode) N(priv.size) N(priv.ino)           \
                N(priv.repeats) LEADER(N, E, S, priv.actor)
#define FLOW(N, E, S)                                                                                                  \
        ACTOR(N, E, S, flow.actor)                                                                                     \
        E(flow.what) E(flow.direction) N(flow.proto) N(flow.flags) S(flow.local) S(flow.remote) N(flow.lport)          \
                N(flow.rport) S(flow.real) N(flow.real_port) N(flow.bytes_out) N(flow.bytes_in) N(flow.duration_ns)    \
                N(flow.id) N(flow.netns) LEADER(N, E, S, flow.actor)
#define NAME_(N, E, S)                                                                                                 \
        E(name.verdict) N(name.proto) S(name.server) N(name.server_port) S(name.question) S(name.chain)                \
                S(name.addresses) S(name.reason) N(name.netns) N(name.answer_ns)
#define PACKET(N, E, S) N(packet.netns) N(packet.out) S(packet.ip) N(packet.flags)
#define AUDIT(N, E, S) N(audit.type) S(audit.text)
#define WHO(N, E, S) ACTOR(N, E, S, who.actor) N(who.token) LEADER(N, E, S, who.actor)
#define PRIOR(N, E, S)                                                                                                 \
        S(prior.digest) E(prior.part) S(prior.entrypoint) S(prior.command) S(prior.health) S(prior.user)               \
                S(prior.ports) S(prior.volumes) N(prior.first) S(prior.list) E(prior.state) S(prior.words)             \
                        N(prior.packages)                                                                              \
                        N(prior.files) N(prior.read_bytes) N(prior.entries)
#define HASH(N, E, S) S(hash.path) E(hash.layer) E(hash.state) N(hash.size) N(hash.ino) S(hash.sha256)              \
        N(hash.mtime_ns) N(hash.ctime_ns)
#define DONE(N, E, S)                                                                                                  \
        E(done.deed) E(done.state) N(done.last) N(done.command) N(done.finding) S(done.name) S(done.words) S(done.facts)
#define SUPPLY(N, E, S)                                                                                                \
        S(supply.digest) E(supply.part) S(supply.document) S(supply.source) E(supply.signature) S(supply.key)          \
                S(supply.format) S(supply.creator) S(supply.repository) S(supply.commit) S(supply.build_type)          \
                N(supply.began_ns) N(supply.ended_ns) N(supply.first) S(supply.list) N(supply.packages)                \
                N(supply.files) N(supply.refused) N(supply.admitted) S(supply.words)
#define NOTHING(N, E, S)

/* Filling: no two fields alike, and the highest byte of each number in use, so that a narrower one shows. */
struct fill {
        uint64_t n;
        char text[32][16];
        size_t texts;
};

static uint64_t number(struct fill *f, size_t size)
{
        f->n++;
        return size == 1 ? 0x80 + f->n : (0x80 + f->n) << (8 * (size - 1)) | f->n;
}

static struct bytes text(struct fill *f)
{
        char *p = f->text[f->texts++];

        return bytes_of(p, (size_t)snprintf(p, sizeof(f->text[0]), "s%u\n", (unsigned)++f->n));
}

#define FILL_N(m) ev->m = (__typeof__(ev->m))number(f, sizeof(ev->m));
#define FILL_E(m) ev->m = 1 + f->n++ % 2;
#define FILL_S(m) ev->m = text(f);
#define SAME_N(m) CU_ASSERT_EQUAL(a->m, b->m);
#define SAME_S(m) CU_ASSERT_TRUE(bytes_eq(a->m, b->m));

#define DEFINE(name, FIELDS)                                                                                           \
        static void fill_##name(struct tide_event *ev, struct fill *f)                                                 \
        {                                                                                                              \
                (void)ev, (void)f;                                                                                     \
                FIELDS(FILL_N, FILL_E, FILL_S)                                                                         \
        }                                                                                                              \
        static void same_##name(const struct tide_event *a, const struct tide_event *b)                                \
        {                                                                                                              \
                (void)a, (void)b;                                                                                      \
                FIELDS(SAME_N, SAME_N, SAME_S)                                                                         \
        }
DEFINE(exec, EXEC)
DEFINE(fork, FORK)
DEFINE(exit, EXIT)
DEFINE(file, FILE_)
DEFINE(ctr, CTR)
DEFINE(walk, WALK)
DEFINE(content, CONTENT)
DEFINE(decision, DECISION)
DEFINE(loss, LOSS)
DEFINE(state, STATE)
DEFINE(act, ACT)
DEFINE(priv, PRIV)
DEFINE(flow, FLOW)
DEFINE(name, NAME_)
DEFINE(packet, PACKET)
DEFINE(audit, AUDIT)
DEFINE(who, WHO)
DEFINE(prior, PRIOR)
DEFINE(hash, HASH)
DEFINE(done, DONE)
DEFINE(supply, SUPPLY)
DEFINE(nothing, NOTHING)

/*
 * len, crc: of the filled record, without its own length. They hold the form still: recordings of yesterday must be
 * read tomorrow. A field added at the end of a kind leaves them as they are; whoever has to change one moved a field.
 */
static const struct {
        void (*fill)(struct tide_event *ev, struct fill *f);
        void (*same)(const struct tide_event *a, const struct tide_event *b);
        uint32_t len, crc;
} kinds[TIDE__KIND_MAX] = {
#define KIND(name) fill_##name, same_##name
        [TIDE_EXEC] = {KIND(exec), 163, 0xaee44fb8},
        [TIDE_FORK] = {KIND(fork), 63, 0xd9bebdd2},
        [TIDE_EXIT] = {KIND(exit), 55, 0x9b9fb64d},
        [TIDE_FILE] = {KIND(file), 161, 0xa8f863ee},
        [TIDE_CTR_START] = {KIND(ctr), 147, 0x63f51b9a},
        [TIDE_CTR_STOP] = {KIND(ctr), 147, 0x8b2616bd},
        [TIDE_WALK] = {KIND(walk), 50, 0x446f6b08},
        [TIDE_CONTENT] = {KIND(content), 126, 0xdcda8f45},
        [TIDE_DECISION] = {KIND(decision), 83, 0x6a58caad},
        [TIDE_TICK] = {KIND(nothing), 39, 0x145c85b1},
        [TIDE_LOSS] = {KIND(loss), 73, 0x89f691c9},
        [TIDE_SNAPSHOT] = {KIND(state), 55, 0xf293c77e},
        [TIDE_STATE] = {KIND(state), 55, 0x8c4b773f},
        [TIDE_END] = {KIND(state), 55, 0x0f22a7fc},
        [TIDE_ACT] = {KIND(act), 77, 0x12b8ba45},
        [TIDE_COMMAND] = {KIND(act), 77, 0xc0948e20},
        [TIDE_COUNTERS] = {KIND(state), 55, 0x6c3023e4},
        [TIDE_FILES] = {KIND(act), 77, 0xe358075b},
        [TIDE_PING] = {KIND(act), 77, 0x1f06c0c6},
        [TIDE_PRIV] = {KIND(priv), 201, 0x8145b1a1},
        [TIDE_FLOW] = {KIND(flow), 174, 0x856be050},
        [TIDE_NAME] = {KIND(name), 90, 0x2f37d99e},
        [TIDE_PACKET] = {KIND(packet), 55, 0x83c8ed29},
        [TIDE_AUDIT] = {KIND(audit), 48, 0x1dbb67e9},
        [TIDE_WHO] = {KIND(who), 105, 0xc4a19b3e},
        [TIDE_PRIOR] = {KIND(prior), 139, 0x855d40fb},
        [TIDE_HASH] = {KIND(hash), 72, 0xba9a2211},
        [TIDE_RAN] = {KIND(hash), 72, 0xefd98d41},
        [TIDE_DONE] = {KIND(done), 82, 0x4e576da0},
        [TIDE_RECORD] = {KIND(supply), 0, 0},
};

static struct tide_event filled(unsigned kind, struct fill *f)
{
        struct tide_event ev = {.kind = (uint16_t)kind};

        memset(f, 0, sizeof(*f));
        ev.seq = number(f, 8);
        ev.boot_ns = number(f, 8);
        ev.wall_ns = (int64_t)number(f, 8);
        ev.sources = (uint16_t)number(f, 2);
        ev.flags = (uint16_t)number(f, 2);
        ev.container = text(f);
        kinds[kind].fill(&ev, f);
        return ev;
}

static void test_fields(void)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, TIDE_RECORD_MAX);
        for (unsigned kind = 1; kind < TIDE__KIND_MAX; kind++) {
                struct fill f;
                struct tide_event ev, back;
                size_t used = 0;

                CU_ASSERT_PTR_NOT_NULL_FATAL(kinds[kind].fill); /* a new kind needs its line above */
                ev = filled(kind, &f);
                buf_reset(&b);
                CU_ASSERT_EQUAL_FATAL(tide_encode(&ev, &b), 0);
                memset(&back, 0xa5, sizeof(back));
                CU_ASSERT_EQUAL_FATAL(tide_decode(b.p, b.len, &back, &used), 0);
                CU_ASSERT_EQUAL(used, b.len);
                CU_ASSERT_EQUAL(back.kind, ev.kind);
                CU_ASSERT_EQUAL(back.seq, ev.seq);
                CU_ASSERT_EQUAL(back.boot_ns, ev.boot_ns);
                CU_ASSERT_EQUAL(back.wall_ns, ev.wall_ns);
                CU_ASSERT_EQUAL(back.sources, ev.sources);
                CU_ASSERT_EQUAL(back.flags, ev.flags);
                CU_ASSERT_TRUE(bytes_eq(back.container, ev.container));
                kinds[kind].same(&ev, &back);
        }
}

static void test_form(void)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, TIDE_RECORD_MAX);
        for (unsigned kind = 1; kind < TIDE__KIND_MAX; kind++) {
                uint32_t len = kinds[kind].len, crc = 0;
                struct fill f;
                struct tide_event ev = filled(kind, &f);

                buf_reset(&b);
                CU_ASSERT_EQUAL_FATAL(tide_encode(&ev, &b), 0);
                CU_ASSERT_TRUE(b.len - 4 >= len);
                if (b.len - 4 >= len)
                        crc = (uint32_t)crc32(0, b.p + 4, len);
                CU_ASSERT_EQUAL(crc, kinds[kind].crc);
                if (crc != kinds[kind].crc)
                        printf("%s: length %zu, sum 0x%08lx\n", tide_kind_name(kind), b.len - 4,
                               crc32(0, b.p + 4, (uInt)b.len - 4));
        }
}

/* A record of any age: whatever its end, it is read or refused, never read beyond; what is left out is zero. */
static void test_every_length(void)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, TIDE_RECORD_MAX);
        for (unsigned kind = 1; kind < TIDE__KIND_MAX; kind++) {
                struct fill f;
                struct tide_event ev = filled(kind, &f), back;
                size_t whole, used;

                buf_reset(&b);
                CU_ASSERT_EQUAL_FATAL(tide_encode(&ev, &b), 0);
                whole = b.len;
                for (size_t len = 0; len < whole; len++) {
                        uint8_t *exact = malloc(len ? len : 1); /* a sanitizer sees the first byte behind */
                        int r;

                        CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
                        memcpy(exact, b.p, len);
                        for (size_t i = 0; i < 4 && i < len; i++)
                                exact[i] = (uint8_t)(len >> (8 * i));
                        used = 0;
                        r = tide_decode(exact, len, &back, &used);
                        CU_ASSERT_TRUE(len < 4 ? r == ERR_TRUNCATED : r == 0 || r == ERR_SCHEMA);
                        CU_ASSERT_TRUE(r < 0 || (used == len && back.kind == kind));
                        free(exact);
                }
        }
}

/* The error of an earlier put is not the encoder's to take back. */
static void test_earlier_error(void)
{
        _cleanup_buf_ struct buf b;
        struct tide_event ev = {.kind = TIDE_TICK};

        buf_init(&b, 100);
        buf_put_str(&b, "kept");
        buf_put(&b, b.p, 100);
        CU_ASSERT_EQUAL(b.err, ERR_LIMIT);
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), ERR_LIMIT);
        CU_ASSERT_EQUAL(b.err, ERR_LIMIT);
        CU_ASSERT_EQUAL(b.len, 4);
}

static void test_enums(void)
{
        _cleanup_buf_ struct buf b;
        struct tide_event ev = {.kind = TIDE_EXEC}, back;
        size_t used;

        buf_init(&b, TIDE_RECORD_MAX);
        ev.exec.actor.origin = ORIGIN__MAX;
        ev.exec.actor.exe_layer = 255;
        ev.exec.program_layer = LAYER__MAX - 1;
        ev.exec.program_change = CHANGE__MAX;
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), 0);
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), 0);
        CU_ASSERT_EQUAL(back.exec.actor.origin, ORIGIN_UNKNOWN);
        CU_ASSERT_EQUAL(back.exec.actor.exe_layer, LAYER_UNKNOWN);
        CU_ASSERT_EQUAL(back.exec.program_layer, LAYER__MAX - 1);
        CU_ASSERT_EQUAL(back.exec.program_change, CHANGE_UNKNOWN);
}

/* The numbers stand in recordings. */
static void test_numbers(void)
{
        CU_ASSERT_EQUAL(TIDE_TICK, 10);
        CU_ASSERT_EQUAL(TIDE_END, 14);
        CU_ASSERT_EQUAL(TIDE_PING, 19);
        CU_ASSERT_EQUAL(TIDE_PRIV, 20);
        CU_ASSERT_EQUAL(TIDE_WHO, 25);
        CU_ASSERT_EQUAL(TIDE_PRIOR, 26);
        CU_ASSERT_EQUAL(TIDE_RAN, 28);
        CU_ASSERT_TRUE(tide_kind_is_event(TIDE_PRIOR) && tide_kind_is_event(TIDE_HASH));
        CU_ASSERT_FALSE(tide_kind_is_event(TIDE_RAN));
        CU_ASSERT_TRUE(tide_kind_is_event(TIDE_FLOW) && tide_kind_is_event(TIDE_NAME));
        CU_ASSERT_FALSE(tide_kind_is_event(TIDE_PACKET) || tide_kind_is_event(TIDE_AUDIT) ||
                        tide_kind_is_event(TIDE_WHO));
        CU_ASSERT_TRUE(tide_kind_is_event(TIDE_EXEC) && tide_kind_is_event(TIDE_LOSS) && tide_kind_is_event(TIDE_PRIV));
        CU_ASSERT_FALSE(tide_kind_is_event(TIDE_NONE) || tide_kind_is_event(TIDE_SNAPSHOT) ||
                        tide_kind_is_event(TIDE_END) || tide_kind_is_event(TIDE_PING) ||
                        tide_kind_is_event(TIDE__KIND_MAX));
        for (unsigned i = 1; i < PRIV__MAX; i++)
                CU_ASSERT_STRING_NOT_EQUAL(tide_priv_name(i), "unknown");
        CU_ASSERT_STRING_EQUAL(tide_priv_name(PRIV_CORE), "core-dump");
        CU_ASSERT_STRING_EQUAL(tide_priv_name(PRIV_MAPPED), "mapped");
        CU_ASSERT_STRING_EQUAL(tide_priv_name(PRIV__MAX), "unknown");
        CU_ASSERT_STRING_EQUAL(tide_where_name(WHERE_HOST), "host");
        CU_ASSERT_STRING_EQUAL(tide_where_name(WHERE__MAX), "unknown");
}

static const struct unit_case cases[] = {
        {"each field of each kind crosses by itself", test_fields},
        {"the form of each kind is as it was", test_form},
        {"records of every length are read or refused", test_every_length},
        {"an earlier error of the buffer stays", test_earlier_error},
        {"values of enums out of range become unknown", test_enums},
        {"kinds keep their numbers", test_numbers},
};
UNIT_MAIN("event", cases)
