/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a file's content comes into the archive: where it has bytes, how much of it, at which pace, and that it
 * changes meanwhile. Must not: open by name. Hands over: a whole member, whatever the file does.
 */
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define BLOCK (128u * 1024)
#define HOLES_MAX (1ull << 45) /* bytes of holes in one file: libarchive passes over them 1 GiB at a time */

struct content {
        struct capture_run *r;
        int fd;
        struct bytes name;
        struct stat before;
        struct capture_piece pieces[CAPTURE_PIECES_MAX];
        size_t n;
        bool holes;    /* pieces are not all of it */
        uint64_t size; /* of the member */
        bool zeros;    /* the rest is filled up */
        uint8_t block[BLOCK];
};

int capture_reopen(int at)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
        if (fd < 0 && errno == EPERM) /* the owner's right: CAP_FOWNER is more than we want to have */
                fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

struct archive_entry *capture_entry(struct bytes path, const struct stat *st)
{
        _cleanup_free_ char *name = bytes_dup(path);
        struct archive_entry *e = archive_entry_new();

        if (!e || !name) {
                if (e)
                        archive_entry_free(e);
                return NULL;
        }
        archive_entry_copy_pathname(e, name);
        archive_entry_set_filetype(e, st->st_mode & S_IFMT);
        archive_entry_set_perm(e, st->st_mode & 07777);
        archive_entry_set_uid(e, st->st_uid);
        archive_entry_set_gid(e, st->st_gid);
        archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        archive_entry_set_atime(e, st->st_atim.tv_sec, st->st_atim.tv_nsec);
        archive_entry_set_ctime(e, st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
        archive_entry_set_size(e, 0);
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
                archive_entry_set_rdevmajor(e, major(st->st_rdev));
                archive_entry_set_rdevminor(e, minor(st->st_rdev));
        }
        return e;
}

/* ---- where it has bytes ---- */

static void cut_at(struct content *c, uint64_t size, const char *why)
{
        char words[128];

        snprintf(words, sizeof(words), "%s: %llu of its %llu bytes are left out", why,
                 (unsigned long long)((uint64_t)c->before.st_size - size), (unsigned long long)c->before.st_size);
        capture_note(c->r->notes, CAPTURE_CUT, c->name, words, 0);
        c->size = size;
}

/* A file system that cannot tell, or a file full of holes, is read through. */
static void find_pieces(struct content *c)
{
        uint64_t size = (uint64_t)c->before.st_size, at = 0;

        c->n = 0;
        while (at < size) {
                off_t from = lseek(c->fd, (off_t)at, SEEK_DATA), to;

                if (from < 0 && errno == ENXIO)
                        break; /* nothing but a hole up to the end */
                to = from < 0 ? -1 : lseek(c->fd, from, SEEK_HOLE);
                if (to <= from || c->n == CAPTURE_PIECES_MAX - 1) {
                        from = from < 0 ? (off_t)at : from;
                        to = (off_t)size;
                }
                if ((uint64_t)to > size)
                        to = (off_t)size;
                if ((uint64_t)from >= size)
                        break;
                c->pieces[c->n++] = (struct capture_piece){(uint64_t)from, (uint64_t)(to - from)};
                at = (uint64_t)to;
        }
        c->holes = c->n != 1 || c->pieces[0].at != 0 || c->pieces[0].len != size;
        if (size == 0)
                c->holes = false;
}

/* No more content than max, no more hole than can be passed over in time. */
static void bound(struct content *c, uint64_t max, const char *why)
{
        uint64_t sum = 0, hole = 0, at = 0;

        for (size_t i = 0; i < c->n; i++) {
                struct capture_piece *p = &c->pieces[i];

                hole += p->at - at;
                at = p->at + p->len;
                if (hole > HOLES_MAX) {
                        c->n = i;
                        cut_at(c, p->at, "too large a hole");
                        return;
                }
                if (sum + p->len > max) {
                        p->len = max - sum;
                        c->n = i + (p->len > 0);
                        cut_at(c, p->at + p->len, why);
                        return;
                }
                sum += p->len;
        }
}

static uint64_t allowed(const struct capture_run *r, const char **ret_why)
{
        uint64_t sum = capture_out_content(r->out), all = sum < r->spec->limits.bytes ? r->spec->limits.bytes - sum : 0;

        *ret_why = all < r->spec->limits.file_bytes ? "the limit of all content" : "the limit of one file";
        return all < r->spec->limits.file_bytes ? all : r->spec->limits.file_bytes;
}

/* ---- the bytes ---- */

static void pace(struct capture_run *r, size_t len)
{
        uint64_t now = clock_boot_ns();

        if (r->spec->limits.rate == 0)
                return;
        if (r->paced_ns < now)
                r->paced_ns = now;
        r->paced_ns += (uint64_t)len * NSEC_PER_SEC / r->spec->limits.rate;
        if (r->paced_ns > now + 10 * NSEC_PER_MSEC)
                poll(NULL, 0, (int)((r->paced_ns - now) / NSEC_PER_MSEC));
}

/* The header has said how much comes: what is not there is made up of zeros, and that is told. */
static size_t fetch(struct content *c, uint64_t at, size_t want)
{
        ssize_t n = -1;

        if (!c->zeros && capture_late(c->r)) {
                capture_note(c->r->notes, CAPTURE_CUT, c->name, "the time was over: zeros from there on", 0);
                c->zeros = true;
        }
        if (!c->zeros) {
                pace(c->r, want);
                do
                        n = pread(c->fd, c->block, want, (off_t)at);
                while (n < 0 && errno == EINTR);
                if (n < 0)
                        capture_note(c->r->notes, CAPTURE_MISSED, c->name, "cannot be read: zeros from there on",
                                     -errno);
                else if (n == 0)
                        capture_note(c->r->notes, CAPTURE_CHANGED, c->name,
                                     "it became shorter while it was read: zeros from there on", 0);
        }
        if (n > 0)
                return (size_t)n;
        c->zeros = true;
        memset(c->block, 0, want);
        return want;
}

static int copy_piece(struct content *c, const struct capture_piece *p)
{
        uint64_t done = 0;
        int result = 0;

        while (result == 0 && done < p->len) {
                size_t want = p->len - done < BLOCK ? (size_t)(p->len - done) : BLOCK;
                size_t n = fetch(c, p->at + done, want);

                result = capture_out_data(c->r->out, c->block, n);
                done += n;
        }
        return result;
}

static void compare(const struct content *c)
{
        struct stat after;

        if (fstat(c->fd, &after) < 0 ||
            (after.st_size == c->before.st_size && after.st_mtim.tv_sec == c->before.st_mtim.tv_sec &&
             after.st_mtim.tv_nsec == c->before.st_mtim.tv_nsec))
                return;
        capture_note(c->r->notes, CAPTURE_CHANGED, c->name, "it was written to while it was read", 0);
}

static int copy(struct content *c, struct archive_entry *e)
{
        int result;

        archive_entry_set_size(e, (int64_t)c->size);
        result = capture_out_begin(c->r->out, e, c->holes ? c->pieces : NULL, c->holes ? c->n : 0);
        for (size_t i = 0; result == 0 && i < c->n; i++)
                result = copy_piece(c, &c->pieces[i]);
        if (result == 0)
                compare(c);
        return result == 0 ? capture_out_end(c->r->out) : result;
}

static struct content *content_new(struct capture_run *r, int fd, struct bytes name)
{
        struct content *c = malloc(sizeof(*c));

        if (!c)
                return NULL;
        memset(c, 0, offsetof(struct content, pieces));
        c->r = r;
        c->fd = fd;
        c->name = name;
        c->n = 0;
        c->holes = c->zeros = false;
        if (fstat(fd, &c->before) < 0)
                memset(&c->before, 0, sizeof(c->before));
        c->size = (uint64_t)c->before.st_size;
        return c;
}

int capture_file(struct capture_run *r, int fd, struct archive_entry *e, struct bytes name)
{
        _cleanup_free_ struct content *c = content_new(r, fd, name);
        const char *why;
        uint64_t max = allowed(r, &why);

        if (!c)
                return -ENOMEM;
        find_pieces(c);
        bound(c, max, why);
        return copy(c, e);
}

int capture_file_end(struct capture_run *r, int fd, struct archive_entry *e, struct bytes name, uint64_t max)
{
        _cleanup_free_ struct content *c = content_new(r, fd, name);
        const char *why;
        uint64_t most = allowed(r, &why), size;
        char words[96];

        if (!c)
                return -ENOMEM;
        size = c->size;
        if (max > most)
                max = most;
        if (size > max) {
                snprintf(words, sizeof(words), "its first %llu bytes are left out", (unsigned long long)(size - max));
                capture_note(r->notes, CAPTURE_CUT, name, words, 0);
                c->size = max;
        }
        c->pieces[0] = (struct capture_piece){size - c->size, c->size};
        c->n = c->size > 0;
        return copy(c, e);
}
