/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evidence that lies there: names, which of it goes, what its helper says of the directory, signatures. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/clock.h"
#include "tidemark/evidence.h"
#include "tidemark/loop.h"
#include "tidemark/signature.h"

#define HOUR ((int64_t)3600 * 1000000000)
#define DAY (24 * HOUR)
#define NOW (20000 * DAY)
#define MIB ((uint64_t)1 << 20)
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- names ---- */

static bool is(const char *text)
{
        return evidence_is_name(bytes_str(text), NULL);
}

static void test_names(void)
{
        char name[EVIDENCE_NAME], whole[EVIDENCE_NAME + 16];
        int64_t wall = 0;

        evidence_name(name, 1795789501678000000, ID, 7);
        CU_ASSERT_STRING_EQUAL(name, "E-20261127T142501Z-0123456789ab-7");
        snprintf(whole, sizeof(whole), "%s.tar.zst", name);
        CU_ASSERT(evidence_is_name(bytes_str(whole), &wall));
        CU_ASSERT_EQUAL(wall, 1795789501000000000);
        CU_ASSERT(is("E-20261127T142501Z-0123456789ab-7.tar.gz"));
        CU_ASSERT(is("E-20261127T142501Z-0123456789ab-7.tar.zst.partial"));
        CU_ASSERT(!is(name)); /* no ending */
        CU_ASSERT(!is(""));
        CU_ASSERT(!is("E-20261127T142501Z-0123456789ab-7.tar.zst.json"));
        CU_ASSERT(!is("../E-20261127T142501Z-0123456789ab-7.tar.zst"));
        CU_ASSERT(!is("E-20261127T142501Z-../../ab-7.tar.zst"));
        CU_ASSERT(!is("E-20261127T142501Z-0123456789ab-.tar.zst"));
        CU_ASSERT(!is("E-20261127T142501Z--7.tar.zst"));
        CU_ASSERT(!is("E-2026x127T142501Z-0123456789ab-7.tar.zst"));
        CU_ASSERT(!is("E-20269927T142501Z-0123456789ab-7.tar.zst"));
        CU_ASSERT(!is("E-20261127T142501Z-0123456789ab-77777777777777777777777777777777777777.tar.zst"));
        CU_ASSERT(!evidence_is_name(bytes_of("E-20261127T142501Z-0123456789ab-7\0.tar.zst", 42), NULL));
}

/* ---- which goes ---- */

static struct evidence_plan plan;

static const struct evidence_rules rules = {.keep_size = 100 * MIB, .keep_age_ns = 400 * DAY, .min_free = 50 * MIB};

static void decide(const struct evidence_piece *p, size_t n, uint64_t wanted, uint64_t free_bytes)
{
        evidence_plan(p, n, &rules, NOW, wanted, free_bytes, &plan);
}

static void test_age(void)
{
        const struct evidence_piece p[] = {
                {.name = "a", .wall_ns = NOW - 400 * DAY, .size = MIB},
                {.name = "b", .wall_ns = NOW - 400 * DAY + 1, .size = MIB},
                {.name = "held", .wall_ns = NOW - 500 * DAY, .size = MIB, .held = true},
                {.name = "busy", .wall_ns = NOW - 500 * DAY, .size = MIB, .busy = true},
                {.name = "of a clock that was wrong", .wall_ns = NOW + 900 * DAY, .size = MIB},
        };

        decide(p, ARRAY_LEN(p), 0, 0);
        CU_ASSERT_EQUAL(plan.n, 1);
        CU_ASSERT_EQUAL(plan.verdict[0], EVIDENCE_TOO_OLD);
        CU_ASSERT_EQUAL(plan.bytes, 5 * MIB);
        CU_ASSERT_EQUAL(plan.freed, MIB);
        decide(NULL, 0, 0, 0);
        CU_ASSERT_EQUAL(plan.n, 0);
}

static void test_room(void)
{
        struct evidence_piece p[] = {
                {.name = "new", .wall_ns = NOW - 2 * HOUR, .size = 30 * MIB},
                {.name = "oldest, held", .wall_ns = NOW - 9 * DAY, .size = 30 * MIB, .held = true},
                {.name = "old", .wall_ns = NOW - 8 * DAY, .size = 30 * MIB},
                {.name = "young", .wall_ns = NOW - HOUR + 1, .size = 10 * MIB},
        };

        decide(p, ARRAY_LEN(p), 0, 0); /* it fits just so, and a full disk alone lets nothing go */
        CU_ASSERT_EQUAL(plan.n, 0);
        decide(p, ARRAY_LEN(p), 20 * MIB, 1000 * MIB);
        CU_ASSERT_EQUAL(plan.n, 1);
        CU_ASSERT_EQUAL(plan.verdict[2], EVIDENCE_NO_ROOM); /* the oldest that nobody needs */
        CU_ASSERT_EQUAL(plan.granted, 20 * MIB);
        decide(p, ARRAY_LEN(p), 90 * MIB, 1000 * MIB); /* what is held stays while there is room for something */
        CU_ASSERT_EQUAL(plan.n, 2);
        CU_ASSERT_EQUAL(plan.verdict[1], EVIDENCE_KEEP);
        CU_ASSERT_EQUAL(plan.granted, 60 * MIB);
        p[1].size = 90 * MIB; /* … and goes where nothing else helps */
        decide(p, ARRAY_LEN(p), 90 * MIB, 1000 * MIB);
        CU_ASSERT_EQUAL(plan.verdict[1], EVIDENCE_NO_ROOM);
        CU_ASSERT_EQUAL(plan.verdict[3], EVIDENCE_KEEP);
        CU_ASSERT_EQUAL(plan.granted, 90 * MIB);
        p[3].size = 95 * MIB; /* a young one never goes: refused, and nothing goes in vain */
        decide(p, ARRAY_LEN(p), 20 * MIB, 1000 * MIB);
        CU_ASSERT_EQUAL(plan.granted, 0);
        CU_ASSERT(!plan.by_disk);
        CU_ASSERT_EQUAL(plan.n, 0);
}

static void test_disk(void)
{
        const struct evidence_piece p[] = {
                {.name = "old", .wall_ns = NOW - 8 * DAY, .size = 10 * MIB},
                {.name = "young", .wall_ns = NOW, .size = 10 * MIB},
        };

        decide(p, ARRAY_LEN(p), 30 * MIB, 80 * MIB);
        CU_ASSERT_EQUAL(plan.granted, 30 * MIB);
        CU_ASSERT_EQUAL(plan.n, 0);
        decide(p, ARRAY_LEN(p), 30 * MIB, 75 * MIB); /* five are missing: the old one goes */
        CU_ASSERT_EQUAL(plan.granted, 30 * MIB);
        CU_ASSERT_EQUAL(plan.n, 1);
        decide(p, ARRAY_LEN(p), 30 * MIB, 60 * MIB); /* less than was wanted */
        CU_ASSERT_EQUAL(plan.granted, 20 * MIB);
        CU_ASSERT(plan.by_disk);
        decide(p, ARRAY_LEN(p), 30 * MIB, 20 * MIB);
        CU_ASSERT_EQUAL(plan.granted, 0);
        CU_ASSERT(plan.by_disk);
        CU_ASSERT_EQUAL(plan.n, 0);
        decide(p, ARRAY_LEN(p), 1, 0); /* a byte has no room either */
        CU_ASSERT_EQUAL(plan.granted, 0);
}

/* ---- the directory ---- */

static char dir[64];
static struct loop *loop;
static struct evidence_desk *desk;

static const char *path_of(const char *name)
{
        static char path[400];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return path;
}

static void put(const char *name, size_t len)
{
        FILE *f = fopen(path_of(name), "we");

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        for (size_t i = 0; i < len; i++)
                fputc('x', f);
        fclose(f);
}

static bool there(const char *name)
{
        return access(path_of(name), F_OK) == 0;
}

/* What was said of the last request. */
static struct {
        char pieces[8][EVIDENCE_NAME], removed[8][EVIDENCE_NAME];
        size_t npieces, nremoved;
        char facts[1024];
        enum evidence_verdict why;
        uint64_t granted;
        int err;
        bool over;
        struct evidence_totals totals;
} said;

static void on_piece(const char *name, struct bytes facts, void *arg)
{
        (void)arg;
        snprintf(said.pieces[said.npieces++], EVIDENCE_NAME, "%s", name);
        snprintf(said.facts, sizeof(said.facts), "%.*s", (int)facts.len, (const char *)facts.p);
}

static void on_removed(const char *name, enum evidence_verdict why, struct bytes facts, void *arg)
{
        (void)arg;
        snprintf(said.removed[said.nremoved++], EVIDENCE_NAME, "%s", name);
        snprintf(said.facts, sizeof(said.facts), "%.*s", (int)facts.len, (const char *)facts.p);
        said.why = why;
}

static void on_granted(uint64_t bytes, void *arg)
{
        (void)arg;
        CU_ASSERT_EQUAL(said.nremoved, 0); /* first, so that nobody waits for what goes */
        said.granted = bytes;
}

static void on_done(int err, const struct evidence_totals *totals, void *arg)
{
        (void)arg;
        said.err = err;
        said.totals = *totals;
        said.over = true;
        loop_stop(loop, 0);
}

static const struct evidence_ops ops = {on_piece, on_removed, on_granted, on_done};

static int ask(const struct evidence_ask *a)
{
        memset(&said, 0, sizeof(said));
        CU_ASSERT_EQUAL_FATAL(evidence_desk_ask(desk, a, &ops, NULL), 0);
        CU_ASSERT(!said.over);
        CU_ASSERT_EQUAL(loop_run(loop), 0);
        CU_ASSERT(said.over);
        return said.err;
}

static void begin(void)
{
        snprintf(dir, sizeof(dir), "/tmp/tidemark-evidence-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
        CU_ASSERT_EQUAL_FATAL(evidence_desk_new(loop, dir, 10 * NSEC_PER_SEC, NULL, &desk), 0);
}

static void finish(void)
{
        DIR *d = opendir(dir);
        struct dirent *e;

        while (d && (e = readdir(d)))
                unlink(path_of(e->d_name));
        if (d)
                closedir(d);
        rmdir(dir);
        desk = evidence_desk_free(desk);
        loop = loop_free(loop);
}

#define OLD "E-20200101T000000Z-0123456789ab-1.tar.zst"
#define HELD "E-20200102T000000Z-0123456789ab-2.tar.zst"
#define NEWER "E-20200103T000000Z-0123456789ab-3.tar.gz"

static void test_sweep(void)
{
        struct evidence_ask a = {.job = EVIDENCE_SWEEP,
                                 .rules = {.keep_size = 2500, .keep_age_ns = 36500 * (uint64_t)DAY}, .wanted = 400,
                                 .held = BYTES_LIT(HELD "\n"), .keep = true};

        begin();
        put(OLD, 1000);
        put(OLD ".json", 10);
        put(OLD ".sig", 10);
        put(HELD, 1000);
        put(NEWER, 500);
        put("notes", 5000);              /* nothing of ours: not counted, not touched */
        put("E-what.tar.zst", 5000);
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.totals.pieces, 3);
        CU_ASSERT_EQUAL(said.totals.bytes, 2520);
        CU_ASSERT_EQUAL(said.nremoved, 1);
        CU_ASSERT(there(OLD)); /* only looked */
        a.keep = false;
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.granted, 400);
        CU_ASSERT_EQUAL(said.nremoved, 1);
        CU_ASSERT_STRING_EQUAL(said.removed[0], OLD);
        CU_ASSERT_EQUAL(said.why, EVIDENCE_NO_ROOM);
        CU_ASSERT(!there(OLD) && !there(OLD ".json") && !there(OLD ".sig") && there(HELD) && there("notes"));
        CU_ASSERT_EQUAL(said.totals.pieces, 2);
        a.wanted = 10000;
        a.rules.keep_size = 0;
        CU_ASSERT_EQUAL(ask(&a), -ENOSPC);
        CU_ASSERT_EQUAL(said.nremoved, 0);
        CU_ASSERT(there(HELD) && there(NEWER));
        a.wanted = 0;
        a.rules = (struct evidence_rules){.keep_size = 1u << 30, .keep_age_ns = (uint64_t)DAY};
        a.busy = BYTES_LIT("nothing\n" NEWER);
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.nremoved, 0); /* one is held, one is being written */
        a.held = a.busy = BYTES_LIT("");
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.nremoved, 2);
        CU_ASSERT_EQUAL(said.why, EVIDENCE_TOO_OLD);
        CU_ASSERT_EQUAL(said.totals.pieces, 0);
        finish();
}

/* What a killed helper and other hands leave. */
static void test_strays(void)
{
        struct evidence_ask a = {.job = EVIDENCE_SWEEP,
                                 .rules = {.keep_size = 1u << 30, .keep_age_ns = 36500 * (uint64_t)DAY},
                                 .busy = BYTES_LIT(NEWER "\n"), .keep = true};

        begin();
        put(OLD ".json", 10); /* of what somebody deleted */
        put(OLD ".sig", 10);
        put(HELD, 10);
        put(HELD ".json", 10);
        put(OLD ".partial.list", 10);
        put(NEWER ".partial.list", 10); /* under way */
        put("notes.list", 10);
        put("notes.json", 10);
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT(said.nremoved == 0 && there(OLD ".json") && there(OLD ".partial.list"));
        a.keep = false;
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.nremoved, 1);
        CU_ASSERT_STRING_EQUAL(said.removed[0], OLD);
        CU_ASSERT_EQUAL(said.why, EVIDENCE_WAS_GONE);
        CU_ASSERT(!there(OLD ".json") && !there(OLD ".sig") && !there(OLD ".partial.list"));
        CU_ASSERT(there(HELD) && there(HELD ".json") && there(NEWER ".partial.list") && there("notes.list") &&
                  there("notes.json"));
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.nremoved, 0);
        finish();
}

static void test_list(void)
{
        struct evidence_ask a = {.job = EVIDENCE_LIST, .most = 2};

        begin();
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.npieces, 0);
        put(OLD, 1);
        put(HELD, 1);
        put(NEWER, 7);
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.npieces, 2);
        CU_ASSERT(said.totals.more);
        CU_ASSERT_STRING_EQUAL(said.pieces[0], NEWER);
        a.name = said.pieces[1];
        CU_ASSERT_STRING_EQUAL(a.name, HELD);
        a.name = HELD;
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_EQUAL(said.npieces, 1);
        CU_ASSERT_STRING_EQUAL(said.pieces[0], OLD);
        CU_ASSERT(!said.totals.more);
        a = (struct evidence_ask){.job = EVIDENCE_LOOK, .name = NEWER};
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.facts, "\"whole\":false"));
        CU_ASSERT_PTR_NOT_NULL(strstr(said.facts, "\"size\":7"));
        a.name = "../../etc/passwd";
        CU_ASSERT_EQUAL(ask(&a), -ENOENT);
        a = (struct evidence_ask){.job = EVIDENCE_LIST, .most = 2, .name = "/etc"};
        CU_ASSERT_EQUAL(ask(&a), -EINVAL);
        finish();
}

static void test_remove(void)
{
        struct evidence_ask a = {.job = EVIDENCE_REMOVE, .name = OLD, .busy = BYTES_LIT(OLD)};

        begin();
        put(OLD, 1);
        put(OLD ".json", 1);
        CU_ASSERT_EQUAL(ask(&a), -EBUSY);
        a.busy = BYTES_LIT("");
        a.keep = true;
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT(there(OLD));
        a.keep = false;
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT(!there(OLD) && !there(OLD ".json"));
        CU_ASSERT_EQUAL(ask(&a), -ENOENT);
        CU_ASSERT_EQUAL(symlink("/etc/passwd", path_of(NEWER)), 0); /* a link is a name, and goes as one */
        a.name = NEWER;
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT(access("/etc/passwd", F_OK) == 0);
        finish();
}

static void make_key(const char *path, mode_t mode)
{
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
        EVP_PKEY *key = NULL;
        FILE *f = fopen(path, "we"), *pub;
        char other[420];

        snprintf(other, sizeof(other), "%s.pub", path);
        pub = fopen(other, "we");
        CU_ASSERT_FATAL(ctx && f && pub && EVP_PKEY_keygen_init(ctx) == 1 &&
                        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) > 0 &&
                        EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_NAMED_CURVE) > 0 &&
                        EVP_PKEY_keygen(ctx, &key) == 1);
        CU_ASSERT_EQUAL(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
        CU_ASSERT_EQUAL(PEM_write_PUBKEY(pub, key), 1);
        fclose(f);
        fclose(pub);
        CU_ASSERT_EQUAL(chmod(path, mode), 0);
        EVP_PKEY_free(key);
        EVP_PKEY_CTX_free(ctx);
}

static size_t slurp(const char *name, char *dst, size_t size)
{
        FILE *f = fopen(path_of(name), "re");
        size_t n;

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        n = fread(dst, 1, size, f);
        fclose(f);
        return n;
}

/* What is signed from its hash alone fits the file itself, as anybody's openssl checks it. */
static void check_signature(const char *name)
{
        char sig[EVIDENCE_SIGNATURE], pem[4096], content[64], hex[65];
        struct bytes s = bytes_of(sig, slurp(OLD ".sig", sig, sizeof(sig)));
        struct bytes data = bytes_of(content, slurp(name, content, sizeof(content)));
        struct signature_key *k = NULL;
        const char *why;
        uint8_t sum[32];
        unsigned n = 0;
        int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);

        CU_ASSERT_EQUAL(evidence_hash(fd, hex), 0);
        close(fd);
        CU_ASSERT_EQUAL_FATAL(signature_parse_key(bytes_of(pem, slurp("key.pub", pem, sizeof(pem))), &k, &why), 0);
        CU_ASSERT(signature_fits(k, data, s));
        CU_ASSERT_EQUAL(EVP_Digest(data.p, data.len, sum, &n, EVP_sha256(), NULL), 1);
        CU_ASSERT(signature_fits_sha256(k, bytes_of(sum, n), s));
        sum[3] ^= 1;
        CU_ASSERT(!signature_fits_sha256(k, bytes_of(sum, n), s));
        CU_ASSERT(!signature_fits_sha256(k, bytes_of(sum, 31), s));
        signature_key_free(k);
}

static void test_finish(void)
{
        char hex[65], text[1024];
        char key[400];
        struct evidence_ask a = {.job = EVIDENCE_FINISH, .name = OLD, .facts = "{\"name\":\"" OLD "\",\"whole\":true}",
                                 .sha256 = hex, .sign_key = key};
        struct stat st;
        int fd;

        begin();
        snprintf(key, sizeof(key), "%s", path_of("key"));
        make_key(key, 0600);
        put(OLD, 33);
        fd = open(path_of(OLD), O_RDONLY | O_CLOEXEC);
        CU_ASSERT_EQUAL(evidence_hash(fd, hex), 0);
        close(fd);
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.facts, "\"signed\":true"));
        check_signature(OLD);
        CU_ASSERT_EQUAL(stat(path_of(OLD ".json"), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
        CU_ASSERT_EQUAL(ask(&a), -EEXIST); /* what is known is never written over */
        /* A key that others may read signs nothing, and the evidence is kept all the same. */
        put(HELD, 1);
        a.name = HELD;
        CU_ASSERT_EQUAL(chmod(key, 0644), 0);
        CU_ASSERT_EQUAL(ask(&a), 0);
        CU_ASSERT(!there(HELD ".sig"));
        text[slurp(HELD ".json", text, sizeof(text) - 1)] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"signed\":false"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "root alone"));
        CU_ASSERT_PTR_NOT_NULL(evidence_key_wrong(key));
        CU_ASSERT_EQUAL(chmod(key, 0600), 0);
        CU_ASSERT_PTR_NULL(evidence_key_wrong(key));
        CU_ASSERT_PTR_NOT_NULL(evidence_key_wrong(path_of("key.pub")));
        CU_ASSERT_PTR_NOT_NULL(evidence_key_wrong("/nowhere"));
        CU_ASSERT_PTR_NOT_NULL(evidence_key_wrong("/"));
        finish();
}

static void test_unreadable(void)
{
        struct evidence_ask a = {.job = EVIDENCE_LIST, .most = 9};

        begin();
        finish();
        CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
        CU_ASSERT_EQUAL_FATAL(evidence_desk_new(loop, dir, 10 * NSEC_PER_SEC, NULL, &desk), 0);
        CU_ASSERT_EQUAL(ask(&a), -ENOENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.totals.words, dir));
        finish();
}

static int hang(void)
{
        pause();
        return 0;
}

static void test_hangs(void)
{
        struct evidence_ask a = {.job = EVIDENCE_LIST, .most = 9};

        begin();
        evidence_desk_free(desk);
        CU_ASSERT_EQUAL_FATAL(evidence_desk_new(loop, dir, 20 * NSEC_PER_MSEC, hang, &desk), 0);
        CU_ASSERT_EQUAL(ask(&a), -ETIMEDOUT);
        finish();
}

static const struct unit_case cases[] = {
        {"names", test_names},
        {"what is too old goes", test_age},
        {"the oldest make room, what is held last, a young one never", test_room},
        {"a full disk refuses", test_disk},
        {"the directory is swept", test_sweep},
        {"what is left over goes, and what others deleted is told", test_strays},
        {"the directory is listed", test_list},
        {"one piece is removed", test_remove},
        {"what is whole is signed, and its facts lie beside it", test_finish},
        {"a directory that is gone", test_unreadable},
        {"a disk that hangs", test_hangs},
};

UNIT_MAIN("evidence", cases)
