/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tide: every kind there and back, records of other ages, damage; the pair's classes and descriptors; recordings. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pair.h"
#include "tidemark/record.h"

/* An event of the kind with every byte of its body different from zero where numbers stand. */
static struct tide_event full(unsigned kind)
{
        struct tide_event ev = {.kind = (uint16_t)kind,
                                .sources = 3,
                                .flags = 1,
                                .seq = 9,
                                .boot_ns = 1000,
                                .wall_ns = 2000,
                                .container = BYTES_LIT("c1")};

        switch (kind) {
        case TIDE_EXEC:
                ev.exec.actor = (struct tide_actor){.flags = 15,
                                                    .pid = 42,
                                                    .start = 77,
                                                    .uid = 1,
                                                    .gid = 2,
                                                    .login_uid = 3,
                                                    .session = 4,
                                                    .origin = ORIGIN_EXEC,
                                                    .exe_layer = LAYER_WRITE,
                                                    .exe = BYTES_LIT("/bin/sh"),
                                                    .comm = BYTES_LIT("sh"),
                                                    .lineage = BYTES_LIT("")};
                ev.exec.program = BYTES_LIT("/tmp/\n\xff");
                ev.exec.args = BYTES_LIT("a\0b\0");
                ev.exec.interval_ns = 5;
                break;
        case TIDE_FILE:
                ev.file.path = BYTES_LIT("/etc/x");
                ev.file.ops = OP_CREATE | OP_WRITE;
                ev.file.ctime_ns = 123456789;
                ev.file.target = BYTES_LIT("../../etc/shadow");
                ev.file.flags = FILEF_OPAQUE | FILEF_CAPS;
                break;
        case TIDE_CTR_START:
        case TIDE_CTR_STOP:
                ev.ctr.upper = BYTES_LIT("/var/lib/x/diff");
                ev.ctr.bundle = BYTES_LIT("/run/b");
                break;
        case TIDE_PRIV:
                ev.priv.what = PRIV_PTRACE;
                ev.priv.where = WHERE_HOST;
                ev.priv.target_exe = BYTES_LIT("/usr/sbin/sshd");
                ev.priv.repeats = 1ull << 40;
                break;
        case TIDE_LOSS:
                ev.loss.what = BYTES_LIT("queue");
                ev.loss.count = 3;
                break;
        default:
                break;
        }
        return ev;
}

static void test_round(void)
{
        _cleanup_buf_ struct buf one, two;
        struct tide_event ev, back;
        size_t used;

        buf_init(&one, 1 << 16);
        buf_init(&two, 1 << 16);
        for (unsigned kind = 1; kind < TIDE__KIND_MAX; kind++) {
                ev = full(kind);
                buf_reset(&one);
                buf_reset(&two);
                CU_ASSERT_EQUAL(tide_encode(&ev, &one), 0);
                CU_ASSERT_EQUAL(tide_decode(one.p, one.len, &back, &used), 0);
                CU_ASSERT_EQUAL(used, one.len);
                CU_ASSERT_EQUAL(tide_encode(&back, &two), 0);
                CU_ASSERT_TRUE(bytes_eq(buf_bytes(&one), buf_bytes(&two)));
                CU_ASSERT_STRING_NOT_EQUAL(tide_kind_name(kind), "unknown");
        }
        ev = full(TIDE_EXEC);
        buf_reset(&one);
        CU_ASSERT_EQUAL(tide_encode(&ev, &one), 0);
        CU_ASSERT_EQUAL(tide_decode(one.p, one.len, &back, &used), 0);
        CU_ASSERT_EQUAL(back.exec.actor.session, 4);
        CU_ASSERT_EQUAL(back.exec.actor.origin, ORIGIN_EXEC);
        CU_ASSERT_EQUAL(back.exec.interval_ns, 5);
        CU_ASSERT_TRUE(bytes_eq(back.exec.program, ev.exec.program));
        CU_ASSERT_TRUE(bytes_eq(back.exec.args, ev.exec.args));
}

/* Fewer fields: the rest is zero. More bytes: passed over. A field cut in its middle, a future version: refused, length
 * known. */
static void test_ages(void)
{
        _cleanup_buf_ struct buf b;
        struct tide_event ev = full(TIDE_FILE), back;
        size_t used = 0, whole;

        buf_init(&b, 1 << 16);
        ev.file.actor.leader_start = 1; /* the last field */
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), 0);
        whole = b.len;
        /* as if target and all behind it did not exist yet */
        buf_patch_u32(&b, 0, (uint32_t)(whole - 12 - 5 - ev.file.target.len));
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), 0);
        CU_ASSERT_EQUAL(back.file.target.len, 0);
        CU_ASSERT_EQUAL(back.file.ctime_ns, 123456789);
        buf_patch_u32(&b, 0, (uint32_t)(whole - 2)); /* within it */
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), ERR_SCHEMA);
        CU_ASSERT_EQUAL(used, whole - 2);
        buf_put_str(&b, "from the future");
        buf_patch_u32(&b, 0, (uint32_t)b.len);
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), 0);
        CU_ASSERT_EQUAL(used, b.len);
        b.p[4] = 2;
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), ERR_SCHEMA);
}

static void test_refusals(void)
{
        _cleanup_buf_ struct buf b;
        static uint8_t big[TIDE_RECORD_MAX];
        struct tide_event ev = full(TIDE_FILE), back;
        size_t used = 0;

        buf_init(&b, 1 << 20);
        buf_put_str(&b, "kept");
        ev.file.path = bytes_of(big, sizeof(big));
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), ERR_LIMIT);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "kept");
        ev.kind = TIDE__KIND_MAX;
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), -EINVAL);
        ev = full(TIDE_EXEC);
        buf_reset(&b);
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), 0);
        for (size_t n = 0; n < b.len; n++)
                CU_ASSERT_EQUAL(tide_decode(b.p, n, &back, &used), ERR_TRUNCATED);
        CU_ASSERT_EQUAL(used, 0);
        buf_patch_u32(&b, 0, 5);
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), ERR_SCHEMA);
        buf_patch_u32(&b, 0, UINT32_MAX);
        CU_ASSERT_EQUAL(tide_decode(b.p, b.len, &back, &used), ERR_SCHEMA);
}

static void test_lists(void)
{
        _cleanup_buf_ struct buf b;
        struct tide_ancestor a = {.pid = 1, .start = 2, .exe = BYTES_LIT("/init"), .comm = BYTES_LIT("init")}, got;
        struct bytes k, v;
        char text[TIDE_OPS_TEXT];
        struct rd r;
        int n = 0;

        buf_init(&b, 1000);
        tide_lineage_put(&b, &a);
        tide_lineage_put(&b, &a);
        rd_init(&r, b.p, b.len);
        while (tide_lineage_next(&r, &got))
                n += bytes_eq(got.exe, a.exe) && got.start == 2;
        CU_ASSERT_EQUAL(n, 2);
        rd_init(&r, b.p, b.len - 1);
        for (n = 0; tide_lineage_next(&r, &got);)
                n++;
        CU_ASSERT_EQUAL(n, 1);
        buf_reset(&b);
        tide_list_put(&b, BYTES_LIT("k"), BYTES_LIT("v"));
        rd_init(&r, b.p, b.len);
        CU_ASSERT_EQUAL(tide_list_next(&r, &k, &v), 1);
        CU_ASSERT_EQUAL(tide_list_next(&r, &k, &v), 0);
        CU_ASSERT_STRING_EQUAL(tide_ops_text(OP_CREATE | OP_WRITE, text), "create+write");
        CU_ASSERT_STRING_EQUAL(tide_ops_text(0, text), "");
        CU_ASSERT_STRING_EQUAL(tide_layer_name(200), "unknown");
}

/* ---- pair ---- */

struct inbox {
        int n, last_kind, fds;
        char read[8];
};

static int on_record(const struct tide_event *ev, int *fd, void *arg)
{
        struct inbox *in = arg;

        in->n++;
        in->last_kind = ev->kind;
        if (*fd >= 0) {
                in->fds++;
                CU_ASSERT_EQUAL(read(*fd, in->read, 4), 4);
        }
        return 0;
}

static void make_pair(struct pair **a, struct pair **b, size_t max)
{
        int sv[2];

        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
        CU_ASSERT_EQUAL_FATAL(pair_new(sv[0], max, a), 0);
        CU_ASSERT_EQUAL_FATAL(pair_new(sv[1], max, b), 0);
}

static void test_pair(void)
{
        struct tide_event ev = full(TIDE_EXEC), files = full(TIDE_FILES);
        struct inbox in = {0};
        struct pair *a, *b;
        int fd = open("/proc/self/stat", O_RDONLY), r;

        make_pair(&a, &b, 1 << 22);
        for (int i = 0; i < 5000; i++)
                CU_ASSERT_EQUAL(pair_send(a, PAIR_EXEC, &ev, -1), 0);
        CU_ASSERT_EQUAL(pair_send(a, PAIR_CONTROL, &files, fd), 0);
        CU_ASSERT_EQUAL(pair_send(a, PAIR_EXEC, &ev, -1), 0);
        close(fd);
        do { /* more than the socket holds: in turns */
                r = pair_flush(a);
                while (pair_recv(b, on_record, &in) > 0)
                        ;
        } while (r == 1);
        CU_ASSERT_EQUAL(r, 0);
        CU_ASSERT_EQUAL(in.n, 5002);
        CU_ASSERT_EQUAL(in.last_kind, TIDE_EXEC);
        CU_ASSERT_EQUAL(in.fds, 1);
        pair_free(a);
        CU_ASSERT_EQUAL(pair_recv(b, on_record, &in), -EPIPE);
        CU_ASSERT_EQUAL(pair_send(b, PAIR_CONTROL, &ev, -1), 0);
        CU_ASSERT_EQUAL(pair_flush(b), -EPIPE);
        pair_free(b);
}

/* The least important are refused first, and what an operator says still passes. */
static void test_pair_full(void)
{
        static const enum pair_class order[] = {PAIR_WALK, PAIR_FILE, PAIR_FLOW, PAIR_EXEC, PAIR_CONTROL};
        struct tide_event ev = full(TIDE_EXEC);
        struct pair_stats st;
        struct pair *a, *b;
        size_t before = 0;

        make_pair(&a, &b, 100000);
        for (size_t i = 0; i < ARRAY_LEN(order); i++) {
                while (pair_send(a, order[i], &ev, -1) == 0)
                        ;
                pair_stats(a, &st);
                CU_ASSERT_EQUAL(st.refused[order[i]], 1);
                CU_ASSERT_TRUE(st.queued > before);
                CU_ASSERT_TRUE(st.queued <= 100000);
                before = st.queued;
        }
        pair_free(a);
        pair_free(b);
}

static void test_pair_damage(void)
{
        struct inbox in = {0};
        struct pair_stats st;
        struct pair *a, *b;

        make_pair(&a, &b, 100000);
        CU_ASSERT_EQUAL(send(pair_fd(a), "garbage garbage garbage", 23, 0), 23);
        CU_ASSERT_EQUAL(pair_recv(b, on_record, &in), 1);
        CU_ASSERT_EQUAL(pair_recv(b, on_record, &in), 0);
        pair_stats(b, &st);
        CU_ASSERT_EQUAL(st.malformed, 1);
        CU_ASSERT_EQUAL(in.n, 0);
        pair_free(a);
        pair_free(b);
}

static unsigned open_fds(void)
{
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* One datagram with n descriptors, as a peer that keeps to nothing would send it. */
static void send_fds(int to, const struct buf *b, size_t n)
{
        union {
                char space[CMSG_SPACE(20 * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec iov = {.iov_base = b->p, .iov_len = b->len};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space};
        struct cmsghdr *c;
        int fds[20];

        memset(&control, 0, sizeof(control));
        for (size_t i = 0; i < n; i++)
                fds[i] = 2;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        CU_ASSERT_EQUAL(sendmsg(to, &m, 0), (ssize_t)b->len);
}

static int keep_fd(const struct tide_event *ev, int *fd, void *arg)
{
        (void)ev;
        *(int *)arg = TAKE_FD(*fd);
        return 0;
}

static int refuse(const struct tide_event *ev, int *fd, void *arg)
{
        (void)ev, (void)fd, (void)arg;
        return -EPERM;
}

/* However many come along, and whatever becomes of the record: one is offered, none stays open unasked. */
static void test_pair_stray_fds(void)
{
        static const size_t counts[] = {1, 2, 8, 9, 20};
        struct tide_event files = full(TIDE_FILES);
        _cleanup_buf_ struct buf b;
        struct pair_stats st;
        struct pair *a, *z;
        unsigned before;
        int kept = -1;

        buf_init(&b, TIDE_RECORD_MAX);
        CU_ASSERT_EQUAL(tide_encode(&files, &b), 0);
        make_pair(&a, &z, 100000);
        before = open_fds();
        for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
                send_fds(pair_fd(a), &b, counts[i]);
                CU_ASSERT_EQUAL(pair_recv(z, refuse, NULL), -EPERM);
                CU_ASSERT_EQUAL(open_fds(), before);
                send_fds(pair_fd(a), &b, counts[i]);
                CU_ASSERT_EQUAL(pair_recv(z, keep_fd, &kept), 1);
                CU_ASSERT_TRUE(kept >= 0);
                CU_ASSERT_EQUAL(fcntl(kept, F_GETFD), FD_CLOEXEC);
                CU_ASSERT_EQUAL(open_fds(), before + 1);
                close(kept);
        }
        b.p[6] = 0xff; /* a kind that nobody knows: told to nobody, and its descriptor goes with it */
        send_fds(pair_fd(a), &b, 1);
        CU_ASSERT_EQUAL(pair_recv(z, keep_fd, &kept), 1);
        CU_ASSERT_EQUAL(open_fds(), before);
        pair_stats(z, &st);
        CU_ASSERT_EQUAL(st.malformed, 2 * 2 + 1);
        pair_free(a);
        pair_free(z);
}

/* Longer than any of ours: told to nobody, counted, and the next is whole. */
static void test_pair_too_long(void)
{
        static uint8_t big[PAIR_DATAGRAM + 1];
        struct tide_event ev = full(TIDE_EXEC);
        _cleanup_buf_ struct buf one;
        struct inbox in = {0};
        struct pair_stats st;
        struct pair *a, *b;

        buf_init(&one, TIDE_RECORD_MAX);
        CU_ASSERT_EQUAL(tide_encode(&ev, &one), 0);
        memcpy(big, one.p, one.len); /* begins well: not even that is told */
        make_pair(&a, &b, 100000);
        CU_ASSERT_EQUAL(send(pair_fd(a), big, sizeof(big), 0), (ssize_t)sizeof(big));
        CU_ASSERT_EQUAL(pair_send(a, PAIR_EXEC, &ev, -1), 0);
        CU_ASSERT_EQUAL(pair_flush(a), 0);
        CU_ASSERT_EQUAL(pair_recv(b, on_record, &in), 1);
        CU_ASSERT_EQUAL(in.n, 0);
        CU_ASSERT_EQUAL(pair_recv(b, on_record, &in), 1);
        CU_ASSERT_EQUAL(in.n, 1);
        pair_stats(b, &st);
        CU_ASSERT_EQUAL(st.malformed, 1);
        pair_free(a);
        pair_free(b);
}

/* ---- recordings ---- */

static char path[] = "/tmp/tidemark-record-XXXXXX";

static int (*const makers[])(int fd, struct record_writer **ret) = {record_writer_new, record_writer_new_packed};

static struct record_writer *new_recording(int packed)
{
        struct record_writer *w = NULL;
        int fd;

        strcpy(path + strlen(path) - 6, "XXXXXX");
        fd = mkstemp(path);
        CU_ASSERT_TRUE_FATAL(fd >= 0);
        CU_ASSERT_EQUAL_FATAL(makers[packed](fd, &w), 0);
        return w;
}

static size_t file_bytes(uint8_t *copy, size_t size)
{
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, copy, size);

        close(fd);
        return n > 0 ? (size_t)n : 0;
}

static size_t make_recording(uint8_t *copy, size_t size)
{
        struct tide_event ev = full(TIDE_EXEC), file = full(TIDE_FILE);
        struct record_writer *w = new_recording(0);
        ssize_t n;
        int fd;

        CU_ASSERT_EQUAL(record_write(w, &ev), 0);
        CU_ASSERT_EQUAL(record_write(w, &file), 0);
        CU_ASSERT_EQUAL(record_written(w), 2);
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        fd = open(path, O_RDONLY);
        n = read(fd, copy, size);
        close(fd);
        return n > 0 ? (size_t)n : 0;
}

/* Read all of it: how many events, the result that ended it, where. */
static int read_all(const uint8_t *p, size_t len, int *ret_n, uint64_t *ret_offset)
{
        struct record_reader *r = NULL;
        struct tide_event ev;
        int fd = open(path, O_RDWR | O_TRUNC), err;

        CU_ASSERT_EQUAL(write(fd, p, len), (ssize_t)len);
        lseek(fd, 0, SEEK_SET);
        *ret_n = 0;
        *ret_offset = 0;
        err = record_reader_new(fd, &r);
        while (err == 0 && (err = record_next(r, &ev)) == 1) {
                ++*ret_n;
                err = 0;
        }
        if (r)
                *ret_offset = record_offset(r);
        record_reader_free(r);
        close(fd);
        return err;
}

/* Which frame a byte belongs to; -1: the header. */
static int frame_of(const size_t *starts, size_t at)
{
        int i = -1;

        while (i < 2 && at >= starts[i + 1])
                i++;
        return i;
}

static void test_recording(void)
{
        uint8_t p[4096];
        size_t len = make_recording(p, sizeof(p)), starts[8];
        uint64_t offset;
        int n, bad = 0;

        CU_ASSERT_EQUAL(read_all(p, len, &n, &offset), 0);
        CU_ASSERT_EQUAL(n, 2);
        CU_ASSERT_EQUAL(offset, len);
        for (n = 0, starts[0] = 16; starts[n] < len; n++) /* two events and the end */
                starts[n + 1] = starts[n] + 8 + (p[starts[n]] | (size_t)p[starts[n] + 1] << 8);
        CU_ASSERT_EQUAL_FATAL(n, 3);
        for (size_t cut = 0; cut < len; cut++) {
                int whole = frame_of(starts, cut), r = read_all(p, cut, &n, &offset);

                bad += r != (cut < 8 ? ERR_FOREIGN : ERR_TRUNCATED) || n != (whole < 0 ? 0 : whole) ||
                       offset != (whole < 0 ? 0 : starts[whole]);
        }
        CU_ASSERT_EQUAL(bad, 0);
        for (size_t bit = 0; bit < 8 * len; bit++) { /* named: the very frame that was changed */
                int hit = frame_of(starts, bit / 8), r;

                p[bit / 8] ^= (uint8_t)(1 << bit % 8);
                r = read_all(p, len, &n, &offset);
                bad += r >= 0 || n != (hit < 0 ? 0 : hit) || offset != (hit < 0 ? 0 : starts[hit]);
                p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        CU_ASSERT_EQUAL(bad, 0);
        p[len] = 'x'; /* something behind the end */
        CU_ASSERT_EQUAL(read_all(p, len + 1, &n, &offset), ERR_SCHEMA);
        CU_ASSERT_EQUAL(offset, len);
        CU_ASSERT_EQUAL(read_all((const uint8_t *)"#!/bin/sh\necho hello", 20, &n, &offset), ERR_FOREIGN);
        unlink(path);
}

/* Many times the reader's window, records of all sizes up to the largest: each comes back whole and in order. */
static void test_recording_long(int packed)
{
        static uint8_t big[TIDE_RECORD_MAX - 1024];
        struct record_reader *r = NULL;
        struct record_writer *w = new_recording(packed);
        struct tide_event ev;
        uint64_t size = 0;
        int n = 0, bad = 0, fd;

        memset(big, 0, sizeof(big));
        for (size_t i = 0; i < 2000; i++) {
                ev = full(TIDE_FILE);
                ev.seq = i;
                big[i % 97] = (uint8_t)i;
                ev.file.path = bytes_of(big, i % 50 == 49 ? sizeof(big) : i * 37 % 4096);
                bad += record_write(w, &ev) != 0;
        }
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        memset(big, 0, sizeof(big));
        fd = open(path, O_RDONLY);
        CU_ASSERT_EQUAL_FATAL(record_reader_new(fd, &r), 0);
        for (size_t i = 0; record_next(r, &ev) == 1; i++, n++) {
                size_t len = i % 50 == 49 ? sizeof(big) : i * 37 % 4096;

                big[i % 97] = (uint8_t)i;
                bad += ev.seq != i || !bytes_eq(ev.file.path, bytes_of(big, len));
                size += ev.file.path.len;
        }
        CU_ASSERT_EQUAL(record_next(r, &ev), 0); /* asked again, it says the same */
        CU_ASSERT_EQUAL(n, 2000);
        CU_ASSERT_EQUAL(bad, 0);
        CU_ASSERT_TRUE(size > 4 * 256 * 1024);
        record_reader_free(r);
        close(fd);
        unlink(path);
}

static void test_recording_longer(void)
{
        test_recording_long(0);
        test_recording_long(1);
}

/* Packed: what was flushed can be read although its end never came; of one that is damaged nothing wrong is told. */
static void test_recording_packed(void)
{
        struct tide_event ev = full(TIDE_EXEC);
        struct record_writer *w = new_recording(1);
        uint8_t p[4096];
        uint64_t offset;
        size_t len;
        int n, bad = 0, most = 0;

        for (int i = 0; i < 3; i++)
                CU_ASSERT_EQUAL(record_write(w, &ev), 0);
        CU_ASSERT_EQUAL(record_flush(w), 0);
        len = file_bytes(p, sizeof(p));
        CU_ASSERT_EQUAL(record_bytes(w), len);
        CU_ASSERT_EQUAL(record_write(w, &ev), 0); /* this one is not on the disk yet */
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        CU_ASSERT_EQUAL(read_all(p, len, &n, &offset), ERR_TRUNCATED); /* as after kill -9 */
        CU_ASSERT_EQUAL(n, 3);
        unlink(path);

        w = new_recording(1);
        for (int i = 0; i < 3; i++)
                CU_ASSERT_EQUAL(record_write(w, &ev), 0);
        CU_ASSERT_EQUAL(record_writer_close(w), 0);
        len = file_bytes(p, sizeof(p));
        CU_ASSERT_EQUAL(read_all(p, len, &n, &offset), 0);
        CU_ASSERT_EQUAL(n, 3);
        for (size_t cut = 0; cut + 8 < len; cut++) { /* behind it gzip's own sum and length */
                int r = read_all(p, cut, &n, &offset);

                bad += (n < 3 && r != ERR_FOREIGN && r != ERR_TRUNCATED) || n < most;
                most = n;
        }
        CU_ASSERT_EQUAL(bad, 0);
        for (size_t bit = 0; bit < 8 * len; bit++) { /* a time in gzip's header is of no meaning */
                int r;

                p[bit / 8] ^= (uint8_t)(1 << bit % 8);
                r = read_all(p, len, &n, &offset);
                bad += n > 3 || (r == 0 && n != 3);
                p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        CU_ASSERT_EQUAL(bad, 0);
        unlink(path);
}

static void test_recording_full_disk(void)
{
        struct record_writer *w = NULL;
        int fd = open("/dev/full", O_WRONLY);

        CU_ASSERT_EQUAL(record_writer_new(fd, &w), -ENOSPC);
        CU_ASSERT_EQUAL(record_writer_new_packed(fd, &w), -ENOSPC);
        CU_ASSERT_PTR_NULL(w);
        close(fd);
}

static const struct unit_case cases[] = {
        {"every kind goes there and back", test_round},
        {"older and newer records are read, cut ones are not", test_ages},
        {"too long, unknown and short records are refused", test_refusals},
        {"lists and words", test_lists},
        {"the pair keeps order and passes descriptors", test_pair},
        {"a full pair refuses by class", test_pair_full},
        {"the pair counts what is no record", test_pair_damage},
        {"no descriptor stays open that nobody took", test_pair_stray_fds},
        {"a datagram too long is passed over", test_pair_too_long},
        {"every cut and every flipped bit of a recording is found", test_recording},
        {"a recording longer than the window comes back whole", test_recording_longer},
        {"a packed recording that was cut or damaged tells what is whole", test_recording_packed},
        {"a recording says at once that it cannot be written", test_recording_full_disk},
};
UNIT_MAIN("tide", cases)
