/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the ring's files: their names, their number, their bounds. Must not: wait for the disk, or know what is in
 * them. Hands over: a writer to the pipeline, which puts the snapshot and the events there.
 */
#include "tidemark/ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/pipeline.h"
#include "tidemark/record.h"

#define SUFFIX ".tide.gz"
#define DIGITS 10
#define BLOCK 4096u       /* what a small file takes */
#define SNAPSHOT_SHARE 4u /* a segment is at least so many times its snapshot */
#define PATIENCE_NS 60000000000u
#define LIST_MAX 65536u

struct ring {
        int fd; /* of the directory */
        uint64_t size, segment, period_ns;
        struct ring_segment *old; /* the oldest first; the one under way is none of them */
        size_t n;
        uint64_t bytes; /* of them */
        uint64_t next;
        struct record_writer *w;          /* NULL: nothing is under way */
        uint64_t number, limit, begun_ns; /* of the one under way */
        struct ring_stats stats;
};

static uint64_t rounded(uint64_t bytes)
{
        return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static void put_name(uint64_t number, char dst[RING_NAME])
{
        snprintf(dst, RING_NAME, "%0*" PRIu64 SUFFIX, DIGITS, number);
}

/* 0: it is no segment's name. */
static uint64_t number_of(const char *name)
{
        char again[RING_NAME];
        uint64_t n = strtoull(name, NULL, 10);

        put_name(n, again);
        return strcmp(name, again) == 0 ? n : 0;
}

static int by_number(const void *a, const void *b)
{
        uint64_t x = ((const struct ring_segment *)a)->number, y = ((const struct ring_segment *)b)->number;

        return x < y ? -1 : x > y;
}

static int list_dir(DIR *d, struct ring_segment **ret, size_t *ret_n)
{
        struct ring_segment *all = NULL;
        size_t n = 0, cap = 0;
        struct dirent *e;

        while ((e = readdir(d)) && n < LIST_MAX) {
                uint64_t number = number_of(e->d_name);
                struct stat st;

                if (number == 0 || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                        continue;
                if (n == cap) {
                        size_t more = cap ? 2 * cap : 64;
                        struct ring_segment *p = realloc(all, more * sizeof(*p));

                        if (!p) {
                                free(all);
                                return -ENOMEM;
                        }
                        all = p;
                        cap = more;
                }
                all[n] = (struct ring_segment){.number = number, .bytes = (uint64_t)st.st_size};
                put_name(number, all[n++].name);
        }
        if (n)
                qsort(all, n, sizeof(*all), by_number);
        *ret = all;
        *ret_n = n;
        return 0;
}

int ring_list(const char *dir, struct ring_segment **ret, size_t *ret_n)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;
        DIR *d;

        *ret = NULL;
        *ret_n = 0;
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                close(fd);
                return r;
        }
        r = list_dir(d, ret, ret_n);
        closedir(d);
        return r;
}

/* ---- the bounds ---- */

static uint64_t under_way(const struct ring *r)
{
        return r->w ? rounded(record_bytes(r->w)) : 0;
}

static void remove_oldest(struct ring *r)
{
        if (r->n == 0)
                return;
        unlinkat(r->fd, r->old[0].name, 0); /* one that cannot be removed is left behind: the next start counts it */
        r->bytes -= rounded(r->old[0].bytes);
        memmove(r->old, r->old + 1, --r->n * sizeof(*r->old));
        r->stats.removed++;
}

static void keep_bounds(struct ring *r, uint64_t room)
{
        while (r->n && (r->bytes + under_way(r) + room > r->size || r->n >= RING_SEGMENTS_MAX))
                remove_oldest(r);
}

/* The segment under way becomes one of the old ones. */
static int retire(struct ring *r, struct pipeline *p)
{
        struct ring_segment s = {.number = r->number};
        struct ring_segment *all;
        struct stat st;
        int err;

        if (!r->w)
                return 0;
        pipeline_record_end(p, RECORDER_RING);
        r->stats.events += record_written(r->w);
        put_name(s.number, s.name);
        err = record_writer_close(r->w);
        r->w = NULL;
        s.bytes = fstatat(r->fd, s.name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
        all = realloc(r->old, (r->n + 1) * sizeof(*all));
        if (!all)
                return -ENOMEM;
        r->old = all;
        all[r->n++] = s;
        r->bytes += rounded(s.bytes);
        return err;
}

static int end(struct ring *r, struct pipeline *p, int err)
{
        int ignored = retire(r, p);

        r->stats.errors++;
        r->stats.err = err < 0 ? err : ignored;
        if (r->stats.err == -ENOSPC)
                remove_oldest(r);
        return r->stats.err;
}

/* ---- writing ---- */

int ring_open(const struct ring_params *p, struct ring **ret)
{
        struct ring *r;
        int err;

        if (p->size == 0)
                return -EINVAL;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->size = r->stats.max = p->size;
        r->segment = p->segment;
        r->period_ns = p->period_ns;
        r->fd = -1;
        err = mkdir(p->dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
        if (err == 0) {
                r->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                err = r->fd < 0 ? -errno : ring_list(p->dir, &r->old, &r->n);
        }
        if (err < 0) {
                ring_close(r, NULL);
                return err;
        }
        for (size_t i = 0; i < r->n; i++)
                r->bytes += rounded(r->old[i].bytes);
        r->next = r->n ? r->old[r->n - 1].number + 1 : 1;
        *ret = r;
        return 0;
}

struct ring *ring_close(struct ring *r, struct pipeline *p)
{
        if (!r)
                return NULL;
        if (r->w && retire(r, p) < 0)
                r->stats.errors++; /* it has no end, and can be read as far as it goes */
        if (r->fd >= 0)
                close(r->fd);
        free(r->old);
        free(r);
        return NULL;
}

static int open_next(struct ring *r)
{
        char name[RING_NAME];
        int fd, err;

        put_name(r->next, name);
        fd = openat(r->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r->number = r->next++;
        err = record_writer_new_packed(fd, &r->w);
        if (err < 0) {
                close(fd);
                unlinkat(r->fd, name, 0);
        }
        return err;
}

int ring_begin(struct ring *r, struct pipeline *p, struct bytes config_text, uint64_t boot_ns, int64_t wall_ns)
{
        int err = retire(r, p);

        if (err == 0) {
                keep_bounds(r, r->segment < r->size / 2 ? r->segment : r->size / 2);
                err = open_next(r);
        }
        if (err == 0)
                err = pipeline_record(p, RECORDER_RING, r->w, config_text, wall_ns);
        if (err == 0) {
                r->stats.snapshot_bytes = record_bytes(r->w);
                r->begun_ns = boot_ns;
                r->limit = SNAPSHOT_SHARE * r->stats.snapshot_bytes;
                r->limit = r->limit > r->segment ? r->limit : r->segment;
                r->limit = r->limit < r->size / 2 ? r->limit : r->size / 2;
                err = r->stats.snapshot_bytes > r->size / 2 ? -EFBIG : 0;
        }
        if (err == 0)
                keep_bounds(r, 0);
        return err < 0 ? end(r, p, err) : 0;
}

bool ring_due(const struct ring *r, uint64_t boot_ns)
{
        return r->w && (record_bytes(r->w) >= r->limit || boot_ns - r->begun_ns >= r->period_ns);
}

bool ring_overdue(const struct ring *r, uint64_t boot_ns)
{
        return r->w && (record_bytes(r->w) >= 2 * r->limit || boot_ns - r->begun_ns >= r->period_ns + PATIENCE_NS);
}

int ring_keep(struct ring *r, struct pipeline *p, bool flush)
{
        int err;

        if (!r->w)
                return 0;
        err = pipeline_record_error(p, RECORDER_RING);
        if (err == 0 && flush)
                err = record_flush(r->w);
        if (err < 0)
                return end(r, p, err);
        keep_bounds(r, 0);
        return 0;
}

uint64_t ring_written(const struct ring *r)
{
        return r->w ? record_written(r->w) : 0;
}

void ring_stats(const struct ring *r, struct ring_stats *ret)
{
        *ret = r->stats;
        ret->segments = r->n + (r->w != NULL);
        ret->bytes = r->bytes + under_way(r);
        ret->events += ring_written(r);
}
