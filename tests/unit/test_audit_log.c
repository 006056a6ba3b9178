/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit_log: the text of a record, byte by byte; writers that fail, hang or die; a storm. No word to the kernel. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tidemark/audit_log.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/loop.h"

/* ---- the text ---- */

static struct buf out;
static uint16_t type;

static const char *text_of(const struct audit_note *n)
{
        buf_release(&out);
        buf_init(&out, 4096);
        type = 0;
        CU_ASSERT_EQUAL(audit_log_format(n, &type, &out), 0);
        return buf_cstr(&out);
}

static void test_every_field(void)
{
        static const uint8_t v4[] = {203, 0, 113, 66}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
        struct audit_note n = {
                .type = AUDIT_NOTE_EXEC,
                .ok = true,
                .finding = 12,
                .container = BYTES_LIT("0123456789abcdef0123"),
                .name = BYTES_LIT("web"),
                .image = BYTES_LIT("sha256:00ff"),
                .path = BYTES_LIT("/tmp/x"),
                .comm = BYTES_LIT("x"),
                .cmd = BYTES_LIT("/tmp/x\0-c\0"),
                .reason = BYTES_LIT("not-in-image"),
                .pid = 4711,
        };

        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=drift-exec finding=F-12 vm=\"web\" vm-pid=4711 ctr-id=0123456789ab "
                                            "path=\"/tmp/x\" reason=not-in-image comm=\"x\" img-digest=sha256:00ff "
                                            "cmd=2F746D702F78202D63");
        CU_ASSERT_EQUAL(type, 2112);
        n = (struct audit_note){.type = AUDIT_NOTE_NETWORK, .address = {v4, 4}, .port = 443, .proto = 6};
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=net-drift daddr=203.0.113.66 rport=443 proto=6");
        n.address = (struct bytes){v6, 16};
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=net-drift daddr=2001:db8::1 rport=443 proto=6");
        n.address = (struct bytes){v6, 5};
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=net-drift rport=443 proto=6");
        CU_ASSERT_EQUAL(type, 2200);
        n = (struct audit_note){.type = AUDIT_NOTE_CHECKPOINT, .n = 7, .hash = BYTES_LIT("00aa")};
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=trail-checkpoint n=7 hash=sha256:00aa");
        CU_ASSERT_EQUAL(type, 1121);
        n = (struct audit_note){.type = AUDIT_NOTE_RELEASED, .command = 3, .login_uid = UINT32_MAX};
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=release command=3 id=0 sauid=4294967295");
}

static void test_types(void)
{
        static const struct {
                enum audit_note_type type;
                bool timed;
                uint16_t is;
                const char *op;
        } rows[] = {
                {AUDIT_NOTE_EXECUTABLE, false, 2113, "op=drift-executable"},
                {AUDIT_NOTE_FILE, true, 2111, "op=drift-file"},
                {AUDIT_NOTE_PRIVILEGE, false, 2200, "op=privilege-drift"},
                {AUDIT_NOTE_SESSION, false, 2121, "op=exec-session"},
                {AUDIT_NOTE_PAGED, false, 2201, "op=page"},
                {AUDIT_NOTE_ISOLATED, false, 2213, "op=isolate"},
                {AUDIT_NOTE_ISOLATED, true, 2214, "op=isolate"},
                {AUDIT_NOTE_RELEASED, false, 2215, "op=release"},
                {AUDIT_NOTE_KILLED, false, 2202, "op=kill"},
                {AUDIT_NOTE_FROZEN, false, 2203, "op=freeze"},
                {AUDIT_NOTE_STARTED, false, 2500, "op=start"},
                {AUDIT_NOTE_COMPARED, false, 2503, "op=compare-image"},
                {AUDIT_NOTE_CONFIGURED, false, 1111, "op=config-change"},
                {AUDIT_NOTE_REFUSED, false, 1123, "op=refused id=0 sauid=0"},
                {AUDIT_NOTE_REMOVED, false, 2210, "op=evidence-remove"},
        };
        struct audit_note n = {0};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                n.type = rows[i].type;
                n.timed = rows[i].timed;
                CU_ASSERT_STRING_EQUAL(text_of(&n), rows[i].op);
                CU_ASSERT_EQUAL(type, rows[i].is);
        }
        n = (struct audit_note){.type = AUDIT_NOTE_ISOLATED, .op = "re-assert"};
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=re-assert");
        n.type = AUDIT_NOTE_NONE;
        CU_ASSERT_EQUAL(audit_log_format(&n, &type, &out), -EINVAL);
        n.type = AUDIT_NOTE__MAX;
        CU_ASSERT_EQUAL(audit_log_format(&n, &type, &out), -EINVAL);
}

static void path_is(struct bytes path, const char *expected)
{
        struct audit_note n = {.type = AUDIT_NOTE_FILE, .path = path};
        char want[1024];

        snprintf(want, sizeof(want), "op=drift-file path=%s", expected);
        CU_ASSERT_STRING_EQUAL(text_of(&n), want);
}

/* As audit_encode_nv_string(3), and stricter. */
static void test_hostile(void)
{
        struct audit_note n = {.type = AUDIT_NOTE_FILE, .reason = BYTES_LIT("a b=c'\""), .image = BYTES_LIT("\xff\n")};

        path_is(BYTES_LIT("/a!~=x"), "\"/a!~=x\"");
        path_is(BYTES_LIT("/a b"), "2F612062");
        path_is(BYTES_LIT("/a\"b"), "2F612262");
        path_is(BYTES_LIT("/a\nb"), "2F610A62");
        path_is(BYTES_LIT("/a'b"), "2F612762");
        path_is(BYTES_LIT("/\xc3\xa9"), "2FC3A9");
        path_is(BYTES_LIT("/\x7f"), "2F7F");
        path_is(BYTES_LIT("/\0x"), "2F0078");
        CU_ASSERT_STRING_EQUAL(text_of(&n), "op=drift-file reason=a-b_c__ img-digest=__");
}

static void test_long(void)
{
        static uint8_t plain[5000], wild[5000];
        struct audit_note n = {.type = AUDIT_NOTE_EXEC, .path = {plain, sizeof(plain)}};
        const char *text;

        memset(plain, 'a', sizeof(plain));
        memset(wild, 0xff, sizeof(wild));
        text = text_of(&n);
        CU_ASSERT(strlen(text) > 400 && strlen(text) < 450 && strstr(text, "a\" cut=yes"));
        n.path.p = wild;
        text = text_of(&n);
        CU_ASSERT(strlen(text) > 400 && strlen(text) < 450 && strstr(text, "FF cut=yes"));
        n.path.len = 200;
        CU_ASSERT_PTR_NULL(strstr(text_of(&n), "cut"));
        n.path.len = 201;
        CU_ASSERT_PTR_NOT_NULL(strstr(text_of(&n), "cut"));
        n = (struct audit_note){.type = AUDIT_NOTE_EXEC,
                                .name = {wild, 5000},
                                .container = {plain, 5000},
                                .image = {plain, 5000},
                                .path = {wild, 5000},
                                .comm = {wild, 5000},
                                .cmd = {wild, 5000},
                                .reason = {plain, 5000},
                                .hash = {plain, 5000},
                                .address = {plain, 16},
                                .pid = UINT32_MAX,
                                .port = 65535,
                                .proto = 255,
                                .finding = UINT64_MAX,
                                .n = UINT64_MAX};
        text = text_of(&n);
        CU_ASSERT(strlen(text) <= AUDIT_LOG_TEXT_MAX && strstr(text, " cut=yes") && strstr(text, "path=FFFF"));
}

/* ---- the helper, with a kernel that is played ---- */

enum play { PLAY_WELL, PLAY_REFUSED, PLAY_HANGS, PLAY_DIES };
static struct {
        volatile enum play play;
        volatile unsigned n;
        char last[AUDIT_LOG_TEXT_MAX + 1];
} * seen; /* where both processes see it */

static int play_write(uint16_t t, const char *text, bool ok)
{
        (void)t, (void)ok;
        seen->n++;
        snprintf(seen->last, sizeof(seen->last), "%s", text);
        if (seen->play == PLAY_HANGS) {
                seen->play = PLAY_WELL;
                pause();
        }
        if (seen->play == PLAY_DIES) {
                seen->play = PLAY_WELL;
                _exit(1);
        }
        return seen->play == PLAY_REFUSED ? -EPERM : 0;
}

static int may_not(void)
{
        return -EPERM;
}

static struct {
        struct loop *loop;
        struct audit_log *log;
        unsigned await;
        uint64_t checkpoint; /* that was taken last */
} on;

static void on_taken(int err, enum audit_note_type t, uint64_t n, void *arg)
{
        (void)arg;
        if (err == 0 && t == AUDIT_NOTE_CHECKPOINT)
                on.checkpoint = n;
        if (on.await && --on.await == 0)
                loop_stop(on.loop, 0);
}

static const struct audit_log_ops ops = {.taken = on_taken, .write = play_write};
static const struct audit_log_ops unfit = {.taken = on_taken, .write = play_write, .confine = may_not};

static void begin(enum play play, const struct audit_log_ops *how)
{
        if (!seen)
                seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CU_ASSERT_FATAL(seen != MAP_FAILED);
        memset(seen, 0, sizeof(*seen));
        seen->play = play;
        CU_ASSERT_FATAL(loop_new(&on.loop) == 0);
        CU_ASSERT_FATAL(audit_log_start(on.loop, 200 * NSEC_PER_MSEC, how, NULL, &on.log) == 0);
}

static struct audit_log_stats stats(void)
{
        struct audit_log_stats st;

        audit_log_stats(on.log, &st);
        return st;
}

static void put(enum audit_note_type t, unsigned times)
{
        struct audit_note n = {.type = t, .ok = true, .path = BYTES_LIT("/x")};

        for (unsigned i = 0; i < times; i++)
                CU_ASSERT_EQUAL(audit_log_put(on.log, &n), 0);
}

static void await(unsigned answers)
{
        on.await = answers;
        CU_ASSERT_EQUAL(loop_run(on.loop), 0);
}

static void end(void)
{
        on.log = audit_log_stop(on.log, 5000);
        CU_ASSERT_PTR_NULL(on.log);
        on.loop = loop_free(on.loop);
}

static void test_written(void)
{
        begin(PLAY_WELL, &ops);
        put(AUDIT_NOTE_FILE, 3);
        CU_ASSERT_EQUAL(stats().waiting, 3);
        await(3);
        CU_ASSERT(stats().taken == 3 && stats().failed == 0 && stats().waiting == 0 && audit_log_pid(on.log) != 0);
        CU_ASSERT_STRING_EQUAL(seen->last, "op=drift-file path=\"/x\"");
        seen->play = PLAY_REFUSED;
        put(AUDIT_NOTE_FILE, 1);
        await(1);
        CU_ASSERT(stats().failed == 1 && stats().error == -EPERM);
        seen->play = PLAY_WELL;
        put(AUDIT_NOTE_KILLED, 1);
        await(1);
        CU_ASSERT(stats().failed == 1 && stats().error == 0 && stats().taken == 4);
        put(AUDIT_NOTE_FILE, 5); /* what waits at the end is written */
        end();
        CU_ASSERT_EQUAL(seen->n, 10);
}

/* Which it was is told with the answer, also where others were refused, or the ring has gone round. */
static void test_which(void)
{
        struct audit_note n = {.type = AUDIT_NOTE_CHECKPOINT, .ok = true};

        begin(PLAY_WELL, &ops);
        on.checkpoint = 0;
        for (n.n = 1; n.n <= 50; n.n++) {
                CU_ASSERT_EQUAL(audit_log_put(on.log, &n), 0);
                if (n.n <= 30)
                        put(AUDIT_NOTE_FILE, 1);
                await(n.n <= 30 ? 2 : 1);
                CU_ASSERT_EQUAL(on.checkpoint, n.n);
        }
        seen->play = PLAY_REFUSED;
        CU_ASSERT_EQUAL(audit_log_put(on.log, &n), 0);
        await(1);
        CU_ASSERT_EQUAL(on.checkpoint, 50);
        end();
}

/* One that hangs costs its record and its time; the next is written by another. */
static void test_hangs(void)
{
        begin(PLAY_HANGS, &ops);
        put(AUDIT_NOTE_FILE, 2);
        await(2);
        CU_ASSERT(stats().failed == 1 && stats().late == 1 && stats().taken == 1 && stats().error == 0);
        seen->play = PLAY_DIES;
        put(AUDIT_NOTE_FILE, 2);
        await(2);
        CU_ASSERT(stats().failed == 2 && stats().late == 1 && stats().taken == 2 && !stats().gone);
        end();
}

static void test_gone(void)
{
        begin(PLAY_WELL, &unfit);
        put(AUDIT_NOTE_FILE, 1);
        await(1);
        CU_ASSERT(stats().failed == 1 && stats().error == -EPERM && seen->n == 0);
        end();
        begin(PLAY_HANGS, &ops);
        put(AUDIT_NOTE_FILE, 2);
        kill((pid_t)audit_log_pid(on.log), SIGKILL);
        await(2);
        CU_ASSERT(stats().gone && stats().failed == 2 && stats().error == -EPIPE && audit_log_pid(on.log) == 0);
        CU_ASSERT_EQUAL(audit_log_put(on.log, &(struct audit_note){.type = AUDIT_NOTE_KILLED}), -EPIPE);
        CU_ASSERT_EQUAL(stats().refused, 1);
        end();
}

/* Findings by the hundred are held back and told as one number; what is done about them is written all the same. */
static void test_storm(void)
{
        uint64_t withheld;

        begin(PLAY_WELL, &ops);
        put(AUDIT_NOTE_FILE, 500);
        withheld = stats().withheld;
        CU_ASSERT(withheld >= 400 && withheld < 500 && stats().refused == 0);
        put(AUDIT_NOTE_ISOLATED, 3);
        await((unsigned)(500 - withheld) + 3);
        CU_ASSERT_STRING_EQUAL(seen->last, "op=isolate path=\"/x\"");
        await(1);
        {
                char want[64];

                snprintf(want, sizeof(want), "op=records-withheld n=%llu", (unsigned long long)withheld);
                CU_ASSERT_STRING_EQUAL(seen->last, want);
        }
        end();
}

/* The queue is bounded: what has no room is counted, and nobody waits. */
static void test_full(void)
{
        struct audit_note n = {.type = AUDIT_NOTE_ISOLATED, .ok = true};
        uint64_t began = clock_boot_ns();
        unsigned put_in = 0;

        begin(PLAY_HANGS, &ops);
        put(AUDIT_NOTE_FILE, 40);
        while (put_in < 60 && audit_log_put(on.log, &n) == 0)
                put_in++;
        CU_ASSERT_EQUAL(put_in, 24);
        CU_ASSERT(audit_log_put(on.log, &n) == -ENOBUFS && stats().refused == 2 && stats().waiting == 64);
        CU_ASSERT(clock_boot_ns() - began < 5 * NSEC_PER_SEC);
        await(64);
        CU_ASSERT(stats().taken == 63 && stats().failed == 1);
        end();
        buf_release(&out);
}

static const struct unit_case cases[] = {
        {"every field", test_every_field},
        {"types of records", test_types},
        {"what a container chose is quoted or in digits", test_hostile},
        {"what is too long is cut, and that is said", test_long},
        {"notes are written, failures are counted", test_written},
        {"which note an answer is of", test_which},
        {"a writer that hangs or dies is replaced", test_hangs},
        {"without a helper nothing is written, and that is counted", test_gone},
        {"a storm is one record", test_storm},
        {"a full queue", test_full},
};

UNIT_MAIN("audit log", cases)
