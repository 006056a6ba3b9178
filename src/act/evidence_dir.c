/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the directory of evidence, in helpers: what is there, what goes, what lies beside a piece. Must not: run in the
 * loop, or follow what is not a name of ours. Hands over: messages of evidence-priv.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "act/evidence-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define FACTS ".json"
#define SIGNATURE ".sig"
#define LIST ".list" /* of what is being written: capture_out.c */
#define BESIDE (EVIDENCE_NAME + 8)

struct work {
        int fd, dir;
        const char *path;
        const struct evidence_ask *ask;
        struct evidence_piece *pieces;
        size_t n;
        bool too_many;
        struct evidence_totals totals;
};

/* ---- what is there ---- */

static uint64_t size_of(const struct work *w, const char *name)
{
        struct stat st;

        return fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static char *beside(const char *name, const char *ending, char dst[BESIDE])
{
        if (snprintf(dst, BESIDE, "%.63s%s", name, ending) >= (int)BESIDE)
                dst[0] = '\0'; /* no ending of ours is so long */
        return dst;
}

/* Is it one of the lines? */
static bool is_listed(struct bytes lines, const char *name)
{
        size_t len = strlen(name);

        for (size_t at = 0; at + len <= lines.len;) {
                const uint8_t *end = memchr(lines.p + at, '\n', lines.len - at);
                size_t n = end ? (size_t)(end - (lines.p + at)) : lines.len - at;

                if (n == len && memcmp(lines.p + at, name, len) == 0)
                        return true;
                at += n + 1;
        }
        return false;
}

/* What is written is known by the name that it will have, too. */
static bool is_busy(const struct work *w, const char *name)
{
        char whole[EVIDENCE_NAME];
        size_t len = strlen(name), tail = strlen(".partial");

        snprintf(whole, sizeof(whole), "%.63s", name);
        if (len > tail && strcmp(name + len - tail, ".partial") == 0)
                whole[len - tail] = '\0';
        return is_listed(w->ask->busy, name) || is_listed(w->ask->busy, whole);
}

static void add_piece(struct work *w, const char *name, int64_t wall_ns)
{
        struct evidence_piece *p = &w->pieces[w->n];
        char other[BESIDE];

        if (w->n == EVIDENCE_MAX) {
                w->too_many = true;
                return;
        }
        memset(p, 0, sizeof(*p));
        snprintf(p->name, sizeof(p->name), "%.63s", name);
        p->wall_ns = wall_ns;
        p->size = size_of(w, name) + size_of(w, beside(name, FACTS, other));
        p->size += size_of(w, beside(name, SIGNATURE, other));
        p->held = is_listed(w->ask->held, name);
        p->busy = is_busy(w, name);
        w->n++;
}

static int scan(struct work *w)
{
        DIR *d = opendir(w->path);
        struct dirent *e;
        int64_t wall;

        if (!d)
                return -errno;
        w->n = 0;
        errno = 0;
        while ((e = readdir(d)))
                if (evidence_is_name(bytes_str(e->d_name), &wall))
                        add_piece(w, e->d_name, wall);
        closedir(d);
        return 0;
}

static uint64_t disk_free(const struct work *w)
{
        struct statvfs v;

        return fstatvfs(w->dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

static int read_beside(const struct work *w, const char *name, const char *ending, char *dst, size_t size,
                       size_t *ret_len)
{
        char other[BESIDE];
        _cleanup_close_ int fd = -1;
        ssize_t n;

        beside(name, ending, other);
        fd = beneath_open(w->dir, bytes_str(other), O_RDONLY, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        n = read(fd, dst, size);
        if (n < 0)
                return -errno;
        *ret_len = (size_t)n;
        return (size_t)n == size ? ERR_LIMIT : 0;
}

/* What is known of a piece, in one line; caller frees. NULL: out of memory. */
static char *facts_of(const struct work *w, const char *name)
{
        char text[EVIDENCE_FACTS], when[CLOCK_TEXT] = "";
        int64_t wall = 0;
        size_t len = 0;
        json_t *o = NULL;
        char *line;

        if (read_beside(w, name, FACTS, text, sizeof(text), &len) == 0)
                o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(o)) { /* a crash came between, or it is being written */
                json_decref(o);
                o = json_pack("{s:s,s:b,s:b}", "name", name, "whole", 0, "busy", is_busy(w, name));
                if (evidence_is_name(bytes_str(name), &wall))
                        json_object_set_new(o, "began", json_string(clock_rfc3339(wall, when)));
                json_object_set_new(o, "size", json_integer((json_int_t)size_of(w, name)));
        }
        line = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        return line;
}

/* ---- what is said ---- */

static int say(const struct work *w, const struct buf *b)
{
        if (b->err)
                return b->err;
        return send(w->fd, b->p, b->len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int say_piece(const struct work *w, const char *name)
{
        _cleanup_buf_ struct buf b;
        _cleanup_free_ char *facts = facts_of(w, name);

        buf_init(&b, EVIDENCE_MESSAGE);
        buf_put_u8(&b, EVIDENCE_SAYS_PIECE);
        buf_put_bytes(&b, bytes_str(name));
        buf_put_bytes(&b, bytes_str(facts ? facts : "{}"));
        return say(w, &b);
}

static int say_removed(const struct work *w, const char *name, enum evidence_verdict why, const char *facts)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, EVIDENCE_MESSAGE);
        buf_put_u8(&b, EVIDENCE_SAYS_REMOVED);
        buf_put_bytes(&b, bytes_str(name));
        buf_put_u8(&b, (uint8_t)why);
        buf_put_bytes(&b, bytes_str(facts));
        return say(w, &b);
}

static int say_granted(const struct work *w, uint64_t bytes)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, EVIDENCE_MESSAGE);
        buf_put_u8(&b, EVIDENCE_SAYS_GRANTED);
        buf_put_u64(&b, bytes);
        return say(w, &b);
}

static int say_done(struct work *w, int err)
{
        struct evidence_totals *t = &w->totals;
        _cleanup_buf_ struct buf b;

        if (w->dir >= 0 && scan(w) == 0) {
                t->pieces = w->n;
                for (size_t i = 0; i < w->n; i++)
                        t->bytes += w->pieces[i].size;
                t->disk_free = disk_free(w);
                t->writable = access(w->path, W_OK) == 0;
        }
        if (w->too_many && !t->words[0])
                snprintf(t->words, sizeof(t->words), "%s holds more than %u pieces: the others are not looked at",
                         w->path, EVIDENCE_MAX);
        buf_init(&b, EVIDENCE_MESSAGE);
        buf_put_u8(&b, EVIDENCE_SAYS_DONE);
        buf_put_u32(&b, (uint32_t)err);
        buf_put_u64(&b, t->pieces);
        buf_put_u64(&b, t->bytes);
        buf_put_u64(&b, t->disk_free);
        buf_put_u8(&b, t->writable);
        buf_put_u8(&b, t->more);
        buf_put_u64(&b, t->granted);
        buf_put_u8(&b, t->by_disk);
        buf_put_bytes(&b, bytes_str(t->words));
        return say(w, &b);
}

/* ---- jobs ---- */

static int remove_piece(struct work *w, const char *name, enum evidence_verdict why)
{
        _cleanup_free_ char *facts = facts_of(w, name);
        char other[BESIDE];

        if (!w->ask->keep) {
                if (unlinkat(w->dir, name, 0) < 0)
                        return -errno;
                if ((unlinkat(w->dir, beside(name, FACTS, other), 0) < 0 && errno != ENOENT) ||
                    (unlinkat(w->dir, beside(name, SIGNATURE, other), 0) < 0 && errno != ENOENT) || fsync(w->dir) < 0)
                        snprintf(w->totals.words, sizeof(w->totals.words), "%s is gone, but what lay beside it: %s",
                                 name, err_str(-errno));
        }
        return say_removed(w, name, why, facts ? facts : "{}");
}

/* What lies beside a piece that is not there: somebody deleted it, or the agent ended as it did. It is told now. */
static int tell_gone(struct work *w, const char *name)
{
        _cleanup_free_ char *facts = facts_of(w, name);
        char other[BESIDE];

        if (faccessat(w->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
                return 0;
        if (unlinkat(w->dir, beside(name, FACTS, other), 0) < 0)
                return 0; /* as before: it is told when it can be forgotten */
        (void)!unlinkat(w->dir, beside(name, SIGNATURE, other), 0);
        return say_removed(w, name, EVIDENCE_WAS_GONE, facts ? facts : "{}");
}

/* Of a helper that was killed between making its list of members and taking the name away from it. */
static void drop_list(struct work *w, const char *name)
{
        char list[BESIDE];

        if (!is_busy(w, name))
                (void)!unlinkat(w->dir, beside(name, LIST, list), 0);
}

static bool is_beside(const char *name, const char *ending, char dst[EVIDENCE_NAME])
{
        size_t len = strlen(name), tail = strlen(ending);

        if (len <= tail || len - tail >= EVIDENCE_NAME || strcmp(name + len - tail, ending) != 0)
                return false;
        memcpy(dst, name, len - tail);
        dst[len - tail] = '\0';
        return evidence_is_name(bytes_str(dst), NULL);
}

static int sweep_strays(struct work *w)
{
        DIR *d = opendir(w->path);
        char name[EVIDENCE_NAME];
        struct dirent *e;
        int r = 0;

        if (!d)
                return -errno;
        while (r == 0 && (e = readdir(d)))
                if (is_beside(e->d_name, FACTS, name))
                        r = tell_gone(w, name);
                else if (is_beside(e->d_name, LIST, name))
                        drop_list(w, name);
        closedir(d);
        return r;
}

static int job_sweep(struct work *w)
{
        const struct evidence_ask *a = w->ask;
        struct evidence_plan *plan = calloc(1, sizeof(*plan));
        size_t before = w->n;
        int r = plan ? 0 : -ENOMEM;

        if (r == 0) {
                evidence_plan(w->pieces, w->n, &a->rules, clock_wall_ns(), a->wanted, disk_free(w), plan);
                w->totals.granted = plan->granted;
                w->totals.by_disk = plan->by_disk;
                if (plan->granted)
                        r = say_granted(w, plan->granted);
        }
        for (size_t i = 0; i < before && r == 0; i++)
                if (plan->verdict[i] != EVIDENCE_KEEP)
                        r = remove_piece(w, w->pieces[i].name, (enum evidence_verdict)plan->verdict[i]);
        if (r == 0 && !a->keep)
                r = sweep_strays(w);
        if (r == 0 && a->wanted && plan->granted == 0)
                r = -ENOSPC;
        free(plan);
        return r;
}

/* The newest first. */
static int by_time(const void *a, const void *b)
{
        const struct evidence_piece *x = a, *y = b;

        if (x->wall_ns != y->wall_ns)
                return x->wall_ns < y->wall_ns ? 1 : -1;
        return strcmp(y->name, x->name);
}

static int job_list(struct work *w)
{
        struct evidence_piece after = {.wall_ns = 0};
        unsigned told = 0;
        int r = 0;

        if (w->ask->name && !evidence_is_name(bytes_str(w->ask->name), &after.wall_ns))
                return -EINVAL;
        if (w->ask->name)
                snprintf(after.name, sizeof(after.name), "%s", w->ask->name);
        qsort(w->pieces, w->n, sizeof(w->pieces[0]), by_time);
        for (size_t i = 0; i < w->n && r == 0; i++) {
                if (w->ask->name && by_time(&after, &w->pieces[i]) >= 0)
                        continue;
                if (told == w->ask->most) {
                        w->totals.more = true;
                        break;
                }
                r = say_piece(w, w->pieces[i].name);
                told++;
        }
        return r;
}

static const struct evidence_piece *find(const struct work *w)
{
        for (size_t i = 0; w->ask->name && i < w->n; i++)
                if (strcmp(w->pieces[i].name, w->ask->name) == 0)
                        return &w->pieces[i];
        return NULL;
}

static int job_look(struct work *w)
{
        return find(w) ? say_piece(w, w->ask->name) : -ENOENT;
}

static int job_remove(struct work *w)
{
        const struct evidence_piece *p = find(w);

        if (!p)
                return -ENOENT;
        return p->busy ? -EBUSY : remove_piece(w, w->ask->name, EVIDENCE_KEEP);
}

static int write_beside(const struct work *w, const char *name, const char *ending, const void *p, size_t len)
{
        char path[1024];
        _cleanup_close_ int fd = -1;
        int r = 0;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s%s", w->path, name, ending) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        for (size_t at = 0; at < len && r == 0;) {
                ssize_t n = write(fd, (const uint8_t *)p + at, len - at);

                if (n < 0)
                        r = -errno;
                else
                        at += (size_t)n;
        }
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                unlink(path);
        return r;
}

/* 1: it is signed; 0: it is not to be; negative, and why is in totals.words. */
static int sign_piece(struct work *w)
{
        uint8_t sum[32], sig[EVIDENCE_SIGNATURE];
        const char *key = w->ask->sign_key, *why = "";
        size_t len = 0;
        int r;

        if (!key || !*key)
                return 0;
        if (!w->ask->sha256 || !str_unhex(w->ask->sha256, sum, sizeof(sum)))
                return -EINVAL;
        r = evidence_sign(key, sum, sig, &len, &why);
        if (r == 0) {
                why = "its signature cannot be written";
                r = write_beside(w, w->ask->name, SIGNATURE, sig, len);
        }
        if (r < 0)
                snprintf(w->totals.words, sizeof(w->totals.words), "not signed: %s: %s (%s)", key, why, err_str(r));
        return r < 0 ? r : 1;
}

static int job_finish(struct work *w)
{
        json_t *o = json_loads(w->ask->facts ? w->ask->facts : "", JSON_REJECT_DUPLICATES, NULL);
        char *text = NULL;
        int is_signed, r;

        if (!json_is_object(o) || !find(w)) {
                json_decref(o);
                return find(w) ? -EINVAL : -ENOENT;
        }
        is_signed = sign_piece(w);
        json_object_set_new(o, "signed", json_boolean(is_signed > 0));
        if (is_signed < 0)
                json_object_set_new(o, "not_signed", json_string(w->totals.words));
        text = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        r = text ? write_beside(w, w->ask->name, FACTS, text, strlen(text)) : -ENOMEM;
        if (r == 0 && fsync(w->dir) < 0)
                r = -errno;
        if (r < 0)
                snprintf(w->totals.words, sizeof(w->totals.words), "what is known of %s cannot be written beside it",
                         w->ask->name);
        free(text);
        if (r == 0)
                r = say_piece(w, w->ask->name);
        return r;
}

int evidence_work(int fd, const char *dir, const struct evidence_ask *ask)
{
        static int (*const jobs[EVIDENCE__JOBS])(struct work *) = {
                [EVIDENCE_SWEEP] = job_sweep,   [EVIDENCE_LIST] = job_list,     [EVIDENCE_LOOK] = job_look,
                [EVIDENCE_REMOVE] = job_remove, [EVIDENCE_FINISH] = job_finish,
        };
        struct work w = {.fd = fd, .path = dir, .ask = ask, .dir = -1};
        int r;

        w.pieces = calloc(EVIDENCE_MAX, sizeof(*w.pieces));
        w.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = !w.pieces ? -ENOMEM : w.dir < 0 ? -errno : scan(&w);
        if (r < 0)
                snprintf(w.totals.words, sizeof(w.totals.words), "the evidence directory %s: %s", dir, err_str(r));
        if (r == 0)
                r = jobs[ask->job](&w);
        r = w.pieces ? say_done(&w, r) : r;
        if (w.dir >= 0)
                close(w.dir);
        free(w.pieces);
        return r;
}

int evidence_hash(int fd, char ret_hex[65])
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_create(); /* by the name that 1.0.2 has, too */
        bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
        static uint8_t p[1 << 16];
        uint8_t sum[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        ssize_t n = 0;
        off_t at = 0;

        while (ok && (n = pread(fd, p, sizeof(p), at)) > 0) {
                ok = EVP_DigestUpdate(ctx, p, (size_t)n) == 1;
                at += n;
        }
        if (n < 0) {
                int r = -errno;

                EVP_MD_CTX_destroy(ctx);
                return r;
        }
        ok = ok && EVP_DigestFinal_ex(ctx, sum, &len) == 1 && len == 32;
        EVP_MD_CTX_destroy(ctx);
        if (ok)
                str_hex(bytes_of(sum, len), ret_hex);
        return ok ? 0 : -EIO;
}
