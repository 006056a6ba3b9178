/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bolt files: one that podman wrote, and others built here page by page, whole, damaged, and changing while they are
 * read.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "parse/bolt-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"

#define PAGE 1024u
#define ID "8eefbd2cc0824e257770b640bf4baf149f099a0c35ffbdf84ac64778e408833f"

/* A file in memory; reads are counted, and may change it. */
struct file {
        uint8_t *p;
        size_t len;
        unsigned reads;
        unsigned bumps; /* how many more times a read finds a new transaction committed */
};

static uint64_t sum(const uint8_t *p)
{
        uint64_t h = 0xcbf29ce484222325u;

        for (size_t i = 0; i < 56; i++)
                h = (h ^ p[i]) * 0x100000001b3u;
        return h;
}

static void put16(uint8_t *p, uint16_t v)
{
        memcpy(p, &v, 2);
}
static void put32(uint8_t *p, uint32_t v)
{
        memcpy(p, &v, 4);
}
static void put64(uint8_t *p, uint64_t v)
{
        memcpy(p, &v, 8);
}

static void put_meta(struct file *f, unsigned n, uint64_t root, uint64_t high, uint64_t txid)
{
        uint8_t *p = f->p + n * PAGE, *m = p + 16;

        memset(p, 0, PAGE);
        put64(p, n);
        put16(p + 8, 4);
        put32(m, 0xED0CDAED);
        put32(m + 4, 2);
        put32(m + 8, PAGE);
        put64(m + 16, root);
        put64(m + 40, high);
        put64(m + 48, txid);
        put64(m + 56, sum(m));
}

static void put_head(uint8_t *p, uint64_t id, uint16_t flags, uint16_t count, uint32_t overflow)
{
        put64(p, id);
        put16(p + 8, flags);
        put16(p + 10, count);
        put32(p + 12, overflow);
}

/* A leaf with one element, anywhere (also inline). Returns its length. */
static size_t put_leaf(uint8_t *p, uint64_t id, uint32_t flags, const char *key, const void *value, uint32_t len)
{
        uint32_t klen = (uint32_t)strlen(key);

        put_head(p, id, 2, 1, 0);
        put32(p + 16, flags);
        put32(p + 20, 16);
        put32(p + 24, klen);
        put32(p + 28, len);
        memcpy(p + 32, key, klen);
        memcpy(p + 32 + klen, value, len);
        return 32 + klen + len;
}

static void put_bucket(uint8_t v[16], uint64_t root)
{
        put64(v, root);
        put64(v + 8, 0);
}

/* Branch with two children; keys of at most 8 bytes. */
static void put_branch(uint8_t *p, uint64_t id, const char *k1, uint64_t c1, const char *k2, uint64_t c2)
{
        put_head(p, id, 1, 2, 0);
        put32(p + 16, 32);
        put32(p + 20, (uint32_t)strlen(k1));
        put64(p + 24, c1);
        put32(p + 32, 24);
        put32(p + 36, (uint32_t)strlen(k2));
        put64(p + 40, c2);
        memcpy(p + 48, k1, strlen(k1));
        memcpy(p + 56, k2, strlen(k2));
}

/*
 * pages 0, 1: meta; 2: root leaf "ctr" → bucket of page 3; 3: branch "a" → 4, "m" → 5; 5: leaf "web" → an
 * inline bucket with "config" → "value"; 4: leaf "db" → bucket of page 6; 6: leaf "config" → "other"
 */
static void build(struct file *f)
{
        uint8_t v[16], inl[256];
        size_t n;

        memset(f, 0, sizeof(*f));
        f->len = 8 * PAGE;
        f->p = calloc(1, f->len);
        put_meta(f, 0, 2, 8, 10);
        put_meta(f, 1, 7, 8, 9);
        put_bucket(v, 3);
        put_leaf(f->p + 2 * PAGE, 2, 1, "ctr", v, 16);
        put_branch(f->p + 3 * PAGE, 3, "a", 4, "m", 5);
        put_bucket(v, 6);
        put_leaf(f->p + 4 * PAGE, 4, 1, "db", v, 16);
        put_bucket(inl, 0);
        n = 16 + put_leaf(inl + 16, 0, 0, "config", "value", 5);
        put_leaf(f->p + 5 * PAGE, 5, 1, "web", inl, (uint32_t)n);
        put_leaf(f->p + 6 * PAGE, 6, 0, "config", "other", 5);
        put_leaf(f->p + 7 * PAGE, 7, 0, "old", "x", 1);
}

static int read_file(void *arg, uint64_t off, void *p, size_t len)
{
        struct file *f = arg;

        f->reads++;
        if (off > f->len || len > f->len - off)
                return ERR_TRUNCATED;
        /* A page of data was asked for: somebody commits meanwhile. */
        if (f->bumps && off >= 2 * PAGE && len == PAGE) {
                uint64_t txid;

                memcpy(&txid, f->p + 16 + 48, 8);
                put_meta(f, 0, 2, 8, txid + 2);
                f->bumps--;
        }
        memcpy(p, f->p + off, len);
        return 0;
}

static int get(struct file *f, const char *a, const char *b, const char *c, struct buf *out)
{
        struct bolt_io io = {.read = read_file, .arg = f, .size = f->len};
        struct bytes keys[] = {bytes_str(a), bytes_str(b), bytes_str(c)};

        buf_reset(out);
        f->reads = 0;
        return bolt_get(&io, keys, c ? 3 : b ? 2 : 1, out);
}

static void check(struct file *f, const char *b, const char *expected)
{
        _cleanup_buf_ struct buf out;

        buf_init(&out, 4096);
        CU_ASSERT_EQUAL(get(f, "ctr", b, "config", &out), 0);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), expected);
}

static int result(struct file *f)
{
        _cleanup_buf_ struct buf out;

        buf_init(&out, 4096);
        return get(f, "ctr", "web", "config", &out);
}

static void test_built(void)
{
        _cleanup_buf_ struct buf out;
        struct file f;

        buf_init(&out, 4096);
        build(&f);
        check(&f, "web", "value");
        check(&f, "db", "other");
        CU_ASSERT_EQUAL(get(&f, "ctr", "none", "config", &out), -ENOENT);
        CU_ASSERT_EQUAL(get(&f, "other", "web", "config", &out), -ENOENT);
        CU_ASSERT_EQUAL(get(&f, "ctr", "web", "state", &out), -ENOENT);
        /* A bucket is no value, a value is no bucket. */
        CU_ASSERT_EQUAL(get(&f, "ctr", "web", NULL, &out), -ENOENT);
        put_meta(&f, 0, 7, 8, 11);
        CU_ASSERT_EQUAL(get(&f, "old", "web", NULL, &out), -ENOENT);
        CU_ASSERT_EQUAL(get(&f, "old", NULL, NULL, &out), 0);
        free(f.p);
}

static void test_metas(void)
{
        struct file f;

        build(&f);
        put_meta(&f, 1, 7, 8, 11); /* newer, another root */
        CU_ASSERT_EQUAL(result(&f), -ENOENT);
        f.p[PAGE + 16 + 20] ^= 1; /* its sum is wrong: the older one counts */
        CU_ASSERT_EQUAL(result(&f), 0);
        put_meta(&f, 1, 2, 8, 11);
        f.p[16 + 20] ^= 1; /* the first one is damaged: the second is found without it */
        CU_ASSERT_EQUAL(result(&f), 0);
        f.p[PAGE + 16 + 20] ^= 1;
        CU_ASSERT_EQUAL(result(&f), ERR_CHECKSUM);
        memset(f.p, 'x', 2 * PAGE);
        CU_ASSERT_EQUAL(result(&f), ERR_FOREIGN);
        f.len = 0;
        CU_ASSERT_EQUAL(result(&f), ERR_FOREIGN);
        free(f.p);
}

static void test_version_and_page_size(void)
{
        static const uint32_t sizes[] = {0, 1, 512, 1023, 1025, 131072, 0xffffffff};
        struct file f;

        build(&f);
        memset(f.p + PAGE, 0, PAGE);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                put32(f.p + 16 + 8, sizes[i]);
                put64(f.p + 16 + 56, sum(f.p + 16));
                CU_ASSERT_EQUAL(result(&f), ERR_SCHEMA);
        }
        put_meta(&f, 0, 2, 8, 10);
        put32(f.p + 16 + 4, 3);
        put64(f.p + 16 + 56, sum(f.p + 16));
        CU_ASSERT_EQUAL(result(&f), ERR_SCHEMA);
        free(f.p);
}

static void test_loop(void)
{
        struct file f;

        build(&f);
        put_branch(f.p + 5 * PAGE, 5, "a", 3, "m", 3); /* 3 → 5 → 3 … */
        CU_ASSERT_EQUAL(result(&f), ERR_SCHEMA);
        CU_ASSERT(f.reads < 2 * BOLT_DEPTH_MAX + 32);
        put_branch(f.p + 3 * PAGE, 3, "a", 3, "m", 3);
        CU_ASSERT_EQUAL(result(&f), ERR_SCHEMA);
        CU_ASSERT(f.reads < 2 * BOLT_DEPTH_MAX + 32);
        free(f.p);
}

/* One field of one page, changed: each must be refused. */
static void test_damage(void)
{
        static const struct {
                size_t at;
                uint64_t value;
                size_t width;
                int expected;
        } damage[] = {
                {2 * PAGE, 3, 8, ERR_SCHEMA},                  /* a page that is not the one it should be */
                {2 * PAGE + 8, 0, 2, ERR_SCHEMA},              /* of no kind */
                {2 * PAGE + 8, 3, 2, ERR_SCHEMA},              /* of two kinds */
                {2 * PAGE + 8, 4, 2, ERR_SCHEMA},              /* a meta page */
                {2 * PAGE + 10, 0xffff, 2, ERR_SCHEMA},        /* more elements than fit */
                {2 * PAGE + 12, 6, 4, ERR_SCHEMA},             /* overflow behind the end of the file */
                {2 * PAGE + 12, 0xffffffff, 4, ERR_SCHEMA},
                {2 * PAGE + 20, 0xffffffff, 4, ERR_SCHEMA},    /* key's place */
                {2 * PAGE + 20, PAGE - 16, 4, ERR_SCHEMA},
                {2 * PAGE + 24, 0xffffffff, 4, ERR_SCHEMA},    /* key's length */
                {2 * PAGE + 28, 0xffffffff, 4, ERR_SCHEMA},    /* value's length */
                {2 * PAGE + 28, PAGE, 4, ERR_SCHEMA},
                {2 * PAGE + 28, 15, 4, ERR_SCHEMA},            /* too short for a bucket */
                {2 * PAGE + 35, 1, 8, ERR_SCHEMA},             /* bucket's root: a meta page */
                {2 * PAGE + 35, 8, 8, ERR_SCHEMA},             /* behind the last page */
                {2 * PAGE + 35, UINT64_MAX, 8, ERR_SCHEMA},
                {2 * PAGE + 16, 0, 4, -ENOENT},                /* no bucket after all */
                {3 * PAGE + 10, 0, 2, ERR_SCHEMA},             /* branch without children */
                {3 * PAGE + 16, 0xffffffff, 4, ERR_SCHEMA},    /* key of a branch */
                {3 * PAGE + 40, 0, 8, ERR_SCHEMA},             /* child 0 */
                {3 * PAGE + 40, UINT64_MAX / PAGE, 8, ERR_SCHEMA},
                {5 * PAGE + 28, 16, 4, ERR_SCHEMA},            /* inline bucket without a page in it */
                {5 * PAGE + 35 + 16 + 10, 9, 2, ERR_SCHEMA},   /* inline: more elements than fit */
                {5 * PAGE + 35 + 16 + 28, 6, 4, ERR_SCHEMA},   /* inline: value longer than it */
        };

        for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
                struct file f;
                int r;

                build(&f);
                memcpy(f.p + damage[i].at, &damage[i].value, damage[i].width);
                r = result(&f);
                CU_ASSERT_EQUAL(r, damage[i].expected);
                if (r != damage[i].expected)
                        printf("damage %zu: %d\n", i, r);
                free(f.p);
        }
}

static void test_limits(void)
{
        struct file f = {.len = 0};
        _cleanup_buf_ struct buf out;
        uint8_t v[16];

        /* A node of more than BOLT_NODE_MAX in a file that is long enough. */
        f.len = BOLT_NODE_MAX + 16 * PAGE;
        f.p = calloc(1, f.len);
        put_meta(&f, 0, 2, f.len / PAGE, 10);
        put_bucket(v, 3);
        put_leaf(f.p + 2 * PAGE, 2, 1, "ctr", v, 16);
        put_head(f.p + 3 * PAGE, 3, 2, 0, BOLT_NODE_MAX / PAGE);
        CU_ASSERT_EQUAL(result(&f), ERR_LIMIT);
        free(f.p);

        /* A value of more than the buffer may hold. */
        build(&f);
        buf_init(&out, 4);
        CU_ASSERT_EQUAL(get(&f, "ctr", "web", "config", &out), ERR_LIMIT);
        free(f.p);
}

static void test_changing(void)
{
        struct file f;

        build(&f);
        f.bumps = 1;
        CU_ASSERT_EQUAL(result(&f), 0);
        CU_ASSERT_EQUAL(f.bumps, 0);
        f.bumps = UINT32_MAX;
        CU_ASSERT_EQUAL(result(&f), -EAGAIN);
        CU_ASSERT(f.reads < 20 * BOLT_RETRIES);
        free(f.p);
}

static void test_real(void)
{
        _cleanup_buf_ struct buf out;
        struct file f = {.len = 0};

        buf_init(&out, 1 << 20);
        f.p = fixture_read("podman/bolt_state.db", &f.len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f.p);
        CU_ASSERT_EQUAL(get(&f, "ctr", ID, "config", &out), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&out), "\"id\":\"" ID "\",\"name\":\"web1\""));
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&out), "\"team\":\"blue\""));
        CU_ASSERT_EQUAL(get(&f, "ctr", ID, "nothing", &out), -ENOENT);
        CU_ASSERT_EQUAL(get(&f, "runtime-config", "static-dir", NULL, &out), 0);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), "/var/lib/containers/storage/libpod");
        free(f.p);
}

/* Whatever is cut or flipped: an answer, no longer than the file, after a bounded number of reads. */
static void test_real_damaged(void)
{
        _cleanup_buf_ struct buf out;
        struct file f = {.len = 0};
        size_t whole = 0, bad = 0;

        buf_init(&out, 1 << 20);
        f.p = fixture_read("podman/bolt_state.db", &whole);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f.p);
        for (f.len = 0; f.len < whole; f.len += 509) {
                int r = get(&f, "ctr", ID, "config", &out);

                bad += r > 0 || out.len > whole || f.reads > 400;
        }
        f.len = whole;
        for (size_t i = 0; i < whole; i += 3) {
                uint8_t saved = f.p[i];
                int r;

                f.p[i] = (uint8_t)(i % 2 ? saved ^ 0x80 : 0xff);
                r = get(&f, "ctr", ID, "config", &out);
                bad += r > 0 || out.len > whole || f.reads > 400;
                f.p[i] = saved;
        }
        CU_ASSERT_EQUAL(bad, 0);
        CU_ASSERT_EQUAL(get(&f, "ctr", ID, "config", &out), 0);
        free(f.p);
}

static const struct unit_case cases[] = {
        {"values in nested, inline and branched buckets are found, nothing else is", test_built},
        {"the newest whole meta page counts, either may be damaged", test_metas},
        {"unknown versions and impossible page sizes are refused", test_version_and_page_size},
        {"a loop of pages ends", test_loop},
        {"each damaged field is refused", test_damage},
        {"nodes and values over their limits are refused", test_limits},
        {"a file that changes is read again, a few times", test_changing},
        {"a database that podman wrote", test_real},
        {"cuts and flipped bits of it never do more than fail", test_real_damaged},
};
UNIT_MAIN("bolt", cases)
