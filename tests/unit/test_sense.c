/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoders of kernel records: what is there, what is too short, what is forged. */
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "sense/walk-priv.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/fan_source.h"
#include "tidemark/loop.h"
#include "tidemark/names_source.h"
#include "tidemark/proc_source.h"

static void put_cn(struct buf *b, uint32_t what, const uint32_t *body, size_t n)
{
        struct cn_msg cn = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .seq = 7, .len = (uint16_t)(16 + 4 * n)};

        buf_reset(b);
        buf_put(b, &cn, sizeof(cn));
        buf_put_u32(b, what);
        buf_put_u32(b, 3); /* cpu */
        buf_put_u64(b, 123456);
        buf_put(b, body, 4 * n);
}

static void test_proc(void)
{
        const uint32_t body[] = {10, 11, 20, 21, 30, 31};
        _cleanup_buf_ struct buf b;
        struct proc_msg m;

        buf_init(&b, 1000);
        put_cn(&b, 1, body, 4); /* fork */
        CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), 0);
        CU_ASSERT_EQUAL(m.what, PROC_FORK);
        CU_ASSERT_EQUAL(m.ptgid, 11);
        CU_ASSERT_EQUAL(m.pid, 20);
        CU_ASSERT_EQUAL(m.tgid, 21);
        CU_ASSERT_EQUAL(m.cpu, 3);
        CU_ASSERT_EQUAL(m.seq, 7);
        CU_ASSERT_EQUAL(m.mono_ns, 123456);
        put_cn(&b, 0x80000000u, body, 6); /* exit with parent; without (Linux 3.10) */
        CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), 0);
        CU_ASSERT_EQUAL(m.code, 20);
        CU_ASSERT_EQUAL(m.ptgid, 31);
        put_cn(&b, 0x80000000u, body, 4);
        CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), 0);
        CU_ASSERT_EQUAL(m.ptgid, 0);
        put_cn(&b, 0, body, 6);
        m.seq = 0;
        CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), -EAGAIN);
        CU_ASSERT_EQUAL(m.seq, 7); /* it counts in the same row as events: no gap stands behind it */
        put_cn(&b, 0x12345000u, body, 6);
        CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), 0);
        CU_ASSERT_EQUAL(m.what, PROC_OTHER);
}

static void test_proc_damage(void)
{
        static const uint32_t whats[] = {1, 2, 4, 0x40, 0x80, 0x100, 0x200, 0x40000000u, 0x80000000u};
        const uint32_t body[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        _cleanup_buf_ struct buf b;
        struct proc_msg m;

        buf_init(&b, 1000);
        for (size_t i = 0; i < ARRAY_LEN(whats); i++) {
                put_cn(&b, whats[i], body, 8);
                CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), 0);
                for (size_t n = 0; n < b.len; n++) /* whatever the header says of its length */
                        CU_ASSERT_EQUAL(proc_decode(b.p, n, &m), ERR_TRUNCATED);
                put_cn(&b, whats[i], body, 1); /* honest, but too short for its kind */
                CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), ERR_TRUNCATED);
        }
        put_cn(&b, 1, body, 8);
        b.p[0] ^= 1; /* another connector */
        CU_ASSERT_EQUAL(proc_decode(b.p, b.len, &m), ERR_SCHEMA);
}

static void test_fan(void)
{
        struct fanotify_event_metadata md[2] = {{.event_len = sizeof(md[0]),
                                                 .vers = FANOTIFY_METADATA_VERSION,
                                                 .metadata_len = sizeof(md[0]),
                                                 .mask = FAN_CLOSE_WRITE,
                                                 .fd = 5,
                                                 .pid = 42},
                                                {.event_len = sizeof(md[0]),
                                                 .vers = FANOTIFY_METADATA_VERSION,
                                                 .metadata_len = sizeof(md[0]),
                                                 .mask = FAN_Q_OVERFLOW,
                                                 .fd = -1}};
        struct fan_event ev;
        bool overflow;
        size_t used = 0;

        CU_ASSERT_EQUAL(fan_decode(md, sizeof(md), &ev, &overflow, &used), 1);
        CU_ASSERT_EQUAL(used, sizeof(md[0]));
        CU_ASSERT_EQUAL(ev.pid, 42);
        CU_ASSERT_EQUAL(ev.fd, 5);
        CU_ASSERT_FALSE(overflow);
        CU_ASSERT_EQUAL(fan_decode(&md[1], sizeof(md[1]), &ev, &overflow, &used), 1);
        CU_ASSERT_TRUE(overflow);
        CU_ASSERT_EQUAL(fan_decode(md, 0, &ev, &overflow, &used), 0);
        for (size_t n = 1; n < sizeof(md[0]); n++)
                CU_ASSERT_EQUAL(fan_decode(md, n, &ev, &overflow, &used), ERR_TRUNCATED);
        md[0].event_len = 1000;
        CU_ASSERT_EQUAL(fan_decode(md, sizeof(md), &ev, &overflow, &used), ERR_TRUNCATED);
        md[0].event_len = 0;
        CU_ASSERT_EQUAL(fan_decode(md, sizeof(md), &ev, &overflow, &used), ERR_TRUNCATED);
        md[0].vers++;
        CU_ASSERT_EQUAL(fan_decode(md, sizeof(md), &ev, &overflow, &used), ERR_SCHEMA);
}

/* A record with one DFID_NAME information record: handle of 8 bytes. */
static void put_name(struct buf *b, uint32_t handle_bytes, const char *name, size_t name_len)
{
        struct fanotify_event_metadata md = {
                .vers = FANOTIFY_METADATA_VERSION, .metadata_len = sizeof(md), .mask = FAN_CREATE, .fd = -1, .pid = 9};
        uint16_t info = (uint16_t)(4 + 8 + 8 + 8 + name_len);

        md.event_len = (uint32_t)sizeof(md) + info;
        buf_reset(b);
        buf_put(b, &md, sizeof(md));
        buf_put_u8(b, 2);
        buf_put_u8(b, 0);
        buf_put_u16(b, info);
        buf_put(b, "FSIDFSID", 8);
        buf_put_u32(b, handle_bytes);
        buf_put_u32(b, 1);
        buf_put(b, "HANDLE!!", 8);
        buf_put(b, name, name_len);
}

static void test_names(void)
{
        _cleanup_buf_ struct buf b;
        struct names_raw raw;
        size_t used = 0;

        buf_init(&b, 1000);
        put_name(&b, 8, "x\ny\0\0\0", 6);
        CU_ASSERT_EQUAL(names_decode(b.p, b.len, &raw, &used), 1);
        CU_ASSERT_EQUAL(used, b.len);
        CU_ASSERT_EQUAL(raw.pid, 9);
        CU_ASSERT_TRUE(bytes_eq(raw.name, BYTES_LIT("x\ny")));
        CU_ASSERT_TRUE(bytes_eq(raw.handle, BYTES_LIT("FSIDFSID\1\0\0\0HANDLE!!")));
        for (size_t n = 1; n < b.len; n++)
                CU_ASSERT_EQUAL(names_decode(b.p, n, &raw, &used), ERR_TRUNCATED);
        put_name(&b, 8, "no end", 6);
        CU_ASSERT_EQUAL(names_decode(b.p, b.len, &raw, &used), ERR_TRUNCATED);
        put_name(&b, 1000, "x", 2); /* a handle longer than the record */
        CU_ASSERT_EQUAL(names_decode(b.p, b.len, &raw, &used), ERR_TRUNCATED);
        put_name(&b, UINT32_MAX, "x", 2);
        CU_ASSERT_EQUAL(names_decode(b.p, b.len, &raw, &used), ERR_TRUNCATED);
}

static void put_inotify(struct buf *b, int wd, uint32_t mask, uint32_t cookie, const char *name, uint32_t room)
{
        struct inotify_event e = {.wd = wd, .mask = mask, .cookie = cookie, .len = room};
        char padded[64] = {0};

        memcpy(padded, name, strlen(name));
        buf_put(b, &e, sizeof(e));
        buf_put(b, padded, room);
}

static void test_inotify(void)
{
        _cleanup_buf_ struct buf b;
        struct names_raw raw;
        size_t used;
        int wd = 7;

        buf_init(&b, 1000);
        put_inotify(&b, wd, IN_MOVED_TO | IN_ISDIR, 99, "two", 16);
        put_inotify(&b, wd, IN_ATTRIB, 0, "", 0);
        put_inotify(&b, -1, IN_Q_OVERFLOW, 0, "", 0);
        put_inotify(&b, wd, IN_IGNORED, 0, "", 0);
        CU_ASSERT_EQUAL(inotify_decode(b.p, b.len, &raw, &used), 1);
        CU_ASSERT_EQUAL(used, sizeof(struct inotify_event) + 16);
        CU_ASSERT_EQUAL(raw.mask, FAN_MOVED_TO | FAN_ONDIR); /* the same bits */
        CU_ASSERT_EQUAL(raw.cookie, 99);
        CU_ASSERT_TRUE(bytes_eq(raw.name, BYTES_LIT("two")));
        CU_ASSERT_TRUE(bytes_eq(raw.handle, bytes_of(&wd, sizeof(wd))));
        buf_reset(&b);
        put_inotify(&b, wd, IN_ATTRIB, 0, "", 0);
        CU_ASSERT_EQUAL(inotify_decode(b.p, b.len, &raw, &used), 1);
        CU_ASSERT_EQUAL(raw.name.len, 0);
        for (size_t n = 1; n < b.len; n++)
                CU_ASSERT_EQUAL(inotify_decode(b.p, n, &raw, &used), ERR_TRUNCATED);
        buf_reset(&b);
        put_inotify(&b, -1, IN_Q_OVERFLOW, 0, "", 0);
        CU_ASSERT_EQUAL(inotify_decode(b.p, b.len, &raw, &used), 1);
        CU_ASSERT_TRUE(raw.overflow && !raw.ended);
        buf_reset(&b);
        put_inotify(&b, wd, IN_IGNORED, 0, "", 0);
        CU_ASSERT_EQUAL(inotify_decode(b.p, b.len, &raw, &used), 1);
        CU_ASSERT_TRUE(raw.ended && !raw.overflow);
        buf_reset(&b);
        put_inotify(&b, wd, IN_CREATE, 0, "no end here at all!!", 16); /* a name that fills its room */
        CU_ASSERT_EQUAL(inotify_decode(b.p, b.len, &raw, &used), ERR_SCHEMA);
}

/* ---- the table, on the kernel's own inotify ---- */

struct told {
        unsigned events, losses, before;
        uint64_t mask;
        char path[64], old[64];
};

static void put_text(char dst[64], struct bytes s)
{
        snprintf(dst, 64, "%.*s", (int)s.len, (const char *)s.p);
}

static void on_before(void *arg)
{
        ((struct told *)arg)->before++;
}

static void on_event(const struct name_event *ev, void *arg)
{
        struct told *t = arg;

        t->events++;
        t->mask = ev->mask;
        put_text(t->path, ev->path);
        put_text(t->old, ev->old_path);
}

static void on_loss(void *arg)
{
        ((struct told *)arg)->losses++;
}

static const struct names_ops names_ops = {.before = on_before, .event = on_event, .loss = on_loss};

static int make_file(const char *dir, const char *name)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void test_inotify_table(void)
{
        char dir[] = "/tmp/tidemark-names-XXXXXX", from[64], to[64];
        struct names_source *s = NULL;
        struct loop *loop = NULL;
        struct told t = {0};
        struct names_stats st;
        int wd;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
        CU_ASSERT_EQUAL_FATAL(names_source_open(loop, NAMES_INOTIFY, 100, &names_ops, &t, &s), 0);
        wd = inotify_add_watch(names_source_fd(s), dir, NAMES_MASK & ~(uint32_t)(FAN_EVENT_ON_CHILD | FAN_ONDIR));
        CU_ASSERT_TRUE_FATAL(wd >= 0);
        CU_ASSERT_EQUAL(make_file(dir, "one"), 0);
        CU_ASSERT_EQUAL(names_source_drain(s), 0);
        CU_ASSERT_EQUAL(t.events, 0); /* it came before its directory was told: it waits */
        CU_ASSERT_EQUAL(t.losses, 0);
        CU_ASSERT_EQUAL(names_source_dir(s, 5, bytes_of(&wd, sizeof(wd)), BYTES_LIT("d")), 0);
        CU_ASSERT_EQUAL(t.events, 1);
        CU_ASSERT_STRING_EQUAL(t.path, "d/one");
        CU_ASSERT_EQUAL(names_source_count(s, 5), 1);
        CU_ASSERT_EQUAL(names_source_dir(s, 5, bytes_of(&wd, sizeof(wd)), BYTES_LIT("d")), 0); /* told once more */
        CU_ASSERT_EQUAL(names_source_count(s, 5), 1);
        snprintf(from, sizeof(from), "%s/one", dir);
        snprintf(to, sizeof(to), "%s/two", dir);
        CU_ASSERT_EQUAL(rename(from, to), 0);
        CU_ASSERT_EQUAL(names_source_drain(s), 0);
        CU_ASSERT_EQUAL(t.events, 2);
        CU_ASSERT_STRING_EQUAL(t.path, "d/two");
        CU_ASSERT_STRING_EQUAL(t.old, "d/one");
        names_source_forget(s, 5);
        CU_ASSERT_EQUAL(names_source_count(s, 5), 0);
        CU_ASSERT_EQUAL(make_file(dir, "three"), 0);
        CU_ASSERT_EQUAL(names_source_drain(s), 0);
        CU_ASSERT_EQUAL(t.events, 2); /* nobody's any more */
        names_source_stats(s, &st);
        CU_ASSERT_EQUAL(st.dirs, 0); /* the kernel said that the watch has ended */
        CU_ASSERT_EQUAL(st.unknown, 0);
        unlink(to);
        snprintf(to, sizeof(to), "%s/three", dir);
        unlink(to);
        rmdir(dir);
        names_source_close(s);
        loop_free(loop);
}

/* A watch that nobody tells of: kept over one whole walk, then a loss. */
static void test_inotify_unknown(void)
{
        char dir[] = "/tmp/tidemark-names-XXXXXX", path[64];
        struct names_source *s = NULL;
        struct loop *loop = NULL;
        struct told t = {0};

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
        CU_ASSERT_EQUAL_FATAL(names_source_open(loop, NAMES_INOTIFY, 100, &names_ops, &t, &s), 0);
        CU_ASSERT_TRUE_FATAL(inotify_add_watch(names_source_fd(s), dir, IN_CREATE) >= 0);
        CU_ASSERT_EQUAL(make_file(dir, "one"), 0);
        CU_ASSERT_EQUAL(names_source_drain(s), 0);
        names_source_round(s);
        CU_ASSERT_EQUAL(t.losses, 0);
        names_source_round(s);
        CU_ASSERT_EQUAL(t.losses, 1);
        CU_ASSERT_EQUAL(t.events, 0);
        snprintf(path, sizeof(path), "%s/one", dir);
        unlink(path);
        rmdir(dir);
        names_source_close(s);
        loop_free(loop);
}

static int walk_of(struct walk_queue *q, uint32_t tag, const char *subdir)
{
        struct walk_queued *w = calloc(1, sizeof(*w));
        int r;

        CU_ASSERT_PTR_NOT_NULL_FATAL(w);
        w->fd = w->other = -1;
        w->rq = (struct walk_request){.tag = tag, .how = WALK_MARK};
        snprintf(w->rq.subdir, sizeof(w->rq.subdir), "%s", subdir);
        r = walk_queue_add(q, w);
        if (r <= 0)
                free(w);
        return r;
}

/* Tag and place of the next walk; it is over at once. */
static bool walk_is(struct walk_queue *q, uint32_t tag, const char *subdir)
{
        struct walk_queued *w = walk_queue_begin(q);
        bool same = w && w == q->first && w->rq.tag == tag && !strcmp(w->rq.subdir, subdir);

        if (w)
                w->sent = true;
        CU_ASSERT_PTR_NULL(walk_queue_begin(q)); /* one at a time */
        walk_queue_pop(q);
        return same;
}

/* One that makes directories without end has its turn, and no more. */
static void test_walks_in_turn(void)
{
        struct walk_queue q = {0};
        char name[16];

        CU_ASSERT_EQUAL(walk_of(&q, 5, "a"), 1);
        CU_ASSERT_EQUAL(walk_of(&q, 5, "b"), 1);
        CU_ASSERT_EQUAL(walk_of(&q, 9, ""), 1);
        CU_ASSERT_EQUAL(walk_of(&q, 2, "x"), 1);
        CU_ASSERT_EQUAL(walk_of(&q, 9, "y"), 0); /* one of everything waits */
        CU_ASSERT_TRUE(walk_is(&q, 2, "x"));
        CU_ASSERT_TRUE(walk_is(&q, 5, "a"));
        CU_ASSERT_EQUAL(walk_of(&q, 3, "late"), 1);
        CU_ASSERT_TRUE(walk_is(&q, 9, ""));
        CU_ASSERT_TRUE(walk_is(&q, 3, "late"));
        CU_ASSERT_TRUE(walk_is(&q, 5, "b"));
        CU_ASSERT_TRUE(q.n == 0 && !q.first && !q.last && !walk_queue_begin(&q));
        for (unsigned i = 0; i < WALK_QUEUE_TAG; i++) {
                snprintf(name, sizeof(name), "d%u", i);
                CU_ASSERT_EQUAL(walk_of(&q, 7, name), 1);
        }
        CU_ASSERT_EQUAL(walk_of(&q, 7, "more"), -EDQUOT);
        CU_ASSERT_EQUAL(walk_of(&q, 7, ""), 1);
        CU_ASSERT_EQUAL(walk_of(&q, 7, "more"), 0);
        CU_ASSERT_EQUAL(walk_of(&q, 8, "other"), 1);
        CU_ASSERT_TRUE(walk_is(&q, 7, "d0"));
        CU_ASSERT_TRUE(walk_is(&q, 8, "other"));
        for (uint32_t tag = 100; q.n < WALK_QUEUE_MAX; tag++)
                CU_ASSERT_EQUAL_FATAL(walk_of(&q, tag, ""), 1);
        CU_ASSERT_EQUAL(walk_of(&q, 1, ""), -ENOBUFS);
        while (q.first)
                walk_queue_pop(&q);
        CU_ASSERT_EQUAL(q.n, 0);
}

static const struct unit_case cases[] = {
        {"proc connector messages of every kind", test_proc},
        {"proc connector messages that are too short or another's", test_proc_damage},
        {"fanotify records with descriptors", test_fan},
        {"fanotify records with names", test_names},
        {"inotify records", test_inotify},
        {"inotify: early events, renames, an end", test_inotify_table},
        {"inotify: a watch that nobody tells of", test_inotify_unknown},
        {"walks: containers in turn, and bounded", test_walks_in_turn},
};
UNIT_MAIN("sense", cases)
