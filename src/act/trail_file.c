/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the trail's files, the head of their chain, what is done with an end that a crash left unfinished, and when a
 * file is full, old, or too old. Must not: be used in a poll loop (it waits for the disk), or change a finished record.
 * Hands over: each record's number.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "act/trail-priv.h"
#include "tidemark/clock.h"

#define AGE_SHARE 16u /* a file holds at most this part of what is kept, so that it goes when most of it is too old */
#define LOOK_NS (3600 * (int64_t)NSEC_PER_SEC)
#define REMOVED_AT_ONCE 64u
#define LOCK_TRIES 40
#define LOCK_TRY_MS 25

/* The end of one file. */
struct end {
        uint64_t n;
        char hash[TRAIL_HASH + 1];
        int64_t wall_ns;
};

struct trail_file {
        int dirfd, fd;
        struct trail_limits limits;
        struct end head;   /* of the chain: what the next record follows */
        struct end synced; /* … as it is on the disk */
        off_t size, synced_size;
        bool named;     /* it was found by its name when it was opened */
        uint64_t first; /* number of this file's first record; 0: it has none yet */
        int64_t first_ns;
        int64_t looked_ns; /* when it was last looked for what is too old */
        char boot_id[40];
        bool boot_said;
};

/* ---- what stands in a file ---- */

/* The last finished record of a file of this size becomes *ret (n 0: there is none); what lies behind it: *ret_torn. */
static int read_end(int fd, off_t size, struct end *ret, size_t *ret_torn)
{
        _cleanup_free_ char *end = NULL;
        size_t want = size > (off_t)(2 * TRAIL_LINE_MAX) ? 2 * TRAIL_LINE_MAX : (size_t)size;
        const char *last, *line;
        struct end found = {0};
        json_t *o;
        ssize_t got;
        int r;

        end = malloc(want + 1);
        if (!end)
                return -ENOMEM;
        got = pread(fd, end, want, size - (off_t)want);
        if (got < 0)
                return -errno;
        if ((size_t)got != want)
                return -EIO;
        last = memrchr(end, '\n', want);
        if (!last) { /* not one finished record */
                if ((off_t)want != size || want > TRAIL_LINE_MAX)
                        return -EUCLEAN;
                *ret = found;
                *ret_torn = want;
                return 0;
        }
        line = memrchr(end, '\n', (size_t)(last - end));
        if (!line && (off_t)want != size)
                return -EUCLEAN;
        line = line ? line + 1 : end;
        r = trail_line_check(line, (size_t)(last - line), &o, found.hash);
        if (r < 0)
                return r;
        found.n = trail_line_n(o);
        found.wall_ns = trail_time(json_string_value(json_object_get(o, "time")));
        json_decref(o);
        *ret = found;
        *ret_torn = want - (size_t)(last + 1 - end);
        return 0;
}

static void read_first(struct trail_file *f)
{
        _cleanup_free_ char *p = malloc(TRAIL_LINE_MAX);
        ssize_t got = p ? pread(f->fd, p, TRAIL_LINE_MAX, 0) : -1;
        const char *end = got > 0 ? memchr(p, '\n', (size_t)got) : NULL;
        char hash[TRAIL_HASH + 1];
        json_t *o;

        if (!end || trail_line_check(p, (size_t)(end - p), &o, hash) < 0)
                return; /* verify says so; it is not given another name then */
        f->first = trail_line_n(o);
        f->first_ns = trail_time(json_string_value(json_object_get(o, "time")));
        json_decref(o);
}

static int end_of_named(struct trail_file *f, const char *name, struct end *ret)
{
        _cleanup_close_ int fd = openat(f->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        size_t torn = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return read_end(fd, st.st_size, ret, &torn);
}

/* The chain goes on behind the newest of the files that are full. */
static int head_of_older(struct trail_file *f)
{
        _cleanup_free_ uint64_t *firsts = NULL;
        char name[TRAIL_NAME];
        size_t n = 0;
        int r = trail_names(f->dirfd, &firsts, &n);

        if (r < 0 || n == 0)
                return r;
        trail_name_of(firsts[n - 1], name);
        return end_of_named(f, name, &f->head);
}

/* ---- writing ---- */

static int put(struct trail_file *f, const struct trail_entry *e)
{
        _cleanup_buf_ struct buf line;
        struct end next = {.n = f->head.n + 1, .wall_ns = e->wall_ns};
        ssize_t done;
        int r;

        buf_init(&line, TRAIL_LINE_MAX);
        r = trail_line_build(e, next.n, f->head.hash, f->boot_said ? NULL : f->boot_id, &line);
        if (r == 0)
                r = trail_line_seal(&line, next.hash);
        if (r < 0)
                return r;
        done = write(f->fd, line.p, line.len);
        if (done < 0 || (size_t)done != line.len) { /* half a record may not stay */
                r = done < 0 ? -errno : -ENOSPC;
                return ftruncate(f->fd, f->size) < 0 ? -EIO : r;
        }
        if (f->size == 0) {
                f->first = next.n;
                f->first_ns = e->wall_ns;
        }
        f->size += done;
        f->head = next;
        f->boot_said = true;
        return 0;
}

static bool is_same_file(const struct trail_file *f, const char *name)
{
        struct stat a, b;

        return fstat(f->fd, &a) == 0 && fstatat(f->dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
}

/* A file that somebody has removed or moved takes records that nobody will find. first 0: it goes on under its number,
 * or its first record is damaged. */
static bool is_in_place(const struct trail_file *f)
{
        struct stat st;

        return fstat(f->fd, &st) == 0 && st.st_nlink > 0 &&
               (!f->named || f->first == 0 || is_same_file(f, TRAIL_CURRENT));
}

int trail_file_sync(struct trail_file *f)
{
        int r = !is_in_place(f) ? -ESTALE : fdatasync(f->fd) < 0 ? -errno : 0;

        if (r == 0) {
                f->synced = f->head;
                f->synced_size = f->size;
                return 0;
        }
        f->head = f->synced; /* what is not on the disk may not stay */
        f->size = f->synced_size;
        return ftruncate(f->fd, f->size) < 0 ? -EIO : r;
}

static int append(struct trail_file *f, const struct trail_entry *e)
{
        int r = put(f, e);

        return r == 0 ? trail_file_sync(f) : r;
}

/* ---- opening ---- */

static int cut_torn(struct trail_file *f, size_t torn)
{
        char text[96];
        struct trail_entry e = {
                .kind = "repaired", .wall_ns = clock_wall_ns(), .boot_ns = clock_boot_ns(), .login_uid = UINT32_MAX};

        if (ftruncate(f->fd, f->size - (off_t)torn) < 0)
                return -errno;
        f->size -= (off_t)torn;
        f->synced_size = f->size;
        snprintf(text, sizeof(text), "%zu bytes of an unfinished record were cut; it was never acknowledged", torn);
        e.text = bytes_str(text);
        return append(f, &e);
}

/* One that was killed has it until it is gone. */
static int lock(int fd)
{
        for (int i = 0; i < LOCK_TRIES; i++) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno != EWOULDBLOCK)
                        return -errno;
                poll(NULL, 0, LOCK_TRY_MS);
        }
        return -EBUSY;
}

/* Make it, or take it as it is. Its group is the directory's, whose members may read. */
static int open_current(struct trail_file *f, struct stat *ret)
{
        f->fd = openat(f->dirfd, TRAIL_CURRENT, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                       0640);
        if (f->fd < 0 || fstat(f->fd, ret) < 0)
                return -errno;
        if (!S_ISREG(ret->st_mode))
                return -EUCLEAN;
        if ((ret->st_mode & 07777) != 0640 && fchmod(f->fd, 0640) < 0)
                return -errno;
        f->named = is_same_file(f, TRAIL_CURRENT); /* not where numbers of files do not last */
        return lock(f->fd);
}

static void read_boot_id(struct trail_file *f)
{
        _cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, f->boot_id, sizeof(f->boot_id) - 1) : 0;

        f->boot_id[n > 0 ? n : 0] = '\0';
        f->boot_id[strcspn(f->boot_id, "\n")] = '\0';
        f->boot_said = f->boot_id[0] == '\0';
}

static const char *why_not(int r)
{
        return r == -EBUSY     ? "another process writes to trail.jsonl: a second tidemarkd, or a writer that hangs"
               : r == -EUCLEAN ? "trail.jsonl is no regular file"
                               : "trail.jsonl cannot be opened";
}

static int find_head(struct trail_file *f, off_t size, size_t *ret_torn)
{
        int r = size > 0 ? read_end(f->fd, size, &f->head, ret_torn) : 0;

        f->size = f->synced_size = size;
        if (r == 0 && f->head.n)
                read_first(f);
        else if (r == 0)
                r = head_of_older(f);
        f->synced = f->head;
        return r;
}

int trail_file_open(const char *dir, const struct trail_limits *limits, struct trail_file **ret, const char **ret_why)
{
        _cleanup_(trail_file_closep) struct trail_file *f = calloc(1, sizeof(*f));
        struct stat st;
        size_t torn = 0;
        int r;

        *ret_why = "out of memory";
        if (!f)
                return -ENOMEM;
        f->fd = -1;
        if (limits)
                f->limits = *limits;
        *ret_why = "its directory cannot be opened";
        f->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (f->dirfd < 0)
                return -errno;
        r = open_current(f, &st);
        if (r < 0) {
                *ret_why = why_not(r);
                return r;
        }
        *ret_why =
                "the last record of trail.jsonl is damaged: keep the file as evidence, move it away, and start again";
        r = find_head(f, st.st_size, &torn);
        if (r < 0)
                return r;
        read_boot_id(f);
        *ret_why = "trail.jsonl cannot be written";
        if (fsync(f->dirfd) < 0) /* its name, too */
                return -errno;
        if (torn > 0) {
                r = cut_torn(f, torn);
                if (r < 0)
                        return r;
        }
        *ret_why = NULL;
        *ret = TAKE_PTR(f);
        return 0;
}

struct trail_file *trail_file_close(struct trail_file *f)
{
        if (!f)
                return NULL;
        if (f->fd >= 0)
                close(f->fd);
        if (f->dirfd >= 0)
                close(f->dirfd);
        free(f);
        return NULL;
}

/* ---- files that are full, and files that are too old ---- */

static bool is_full(const struct trail_file *f, int64_t now_ns)
{
        if (f->first == 0 || f->size == 0)
                return false;
        if (f->limits.segment && (uint64_t)f->size >= f->limits.segment)
                return true;
        return f->limits.keep_ns && f->first_ns && now_ns - f->first_ns > (int64_t)(f->limits.keep_ns / AGE_SHARE);
}

/* Give the file at hand its number for a name: never over one that is there, unless a crash came in between. */
static int number_it(struct trail_file *f, char name[TRAIL_NAME])
{
        trail_name_of(f->first, name);
        if (linkat(f->dirfd, TRAIL_CURRENT, f->dirfd, name, 0) < 0 && (errno != EEXIST || !is_same_file(f, name)))
                return -errno;
        return unlinkat(f->dirfd, TRAIL_CURRENT, 0) < 0 ? -errno : 0;
}

/* On failure all goes on in the file at hand. */
static void begin_next(struct trail_file *f)
{
        struct trail_file next = *f;
        char name[TRAIL_NAME];
        struct stat st;

        if (number_it(f, name) < 0)
                return;
        next.fd = -1;
        if (open_current(&next, &st) < 0) {
                if (next.fd >= 0)
                        close(next.fd);
                if (renameat(f->dirfd, name, f->dirfd, TRAIL_CURRENT) < 0)
                        f->first = 0; /* it goes on under its number, until the next start */
                return;
        }
        close(f->fd);
        next.size = next.synced_size = 0;
        next.first = 0;
        next.first_ns = 0;
        *f = next;
        if (fsync(f->dirfd) < 0)
                return; /* the names come to the disk later: the records themselves are there */
}

/* A record that names it, on the disk; then it goes. */
static int remove_file(struct trail_file *f, uint64_t first, const struct end *end)
{
        char name[TRAIL_NAME], until[CLOCK_TEXT], text[320];
        struct trail_entry e = {
                .kind = "removed", .wall_ns = clock_wall_ns(), .boot_ns = clock_boot_ns(), .login_uid = UINT32_MAX};
        int r;

        trail_name_of(first, name);
        snprintf(text, sizeof(text), "{\"file\":\"%s\",\"first\":%llu,\"last\":%llu,\"hash\":\"%s\",\"until\":\"%s\"}",
                 name, (unsigned long long)first, (unsigned long long)end->n, end->hash,
                 clock_rfc3339(end->wall_ns, until));
        e.text = bytes_str(text);
        r = append(f, &e);
        if (r == 0 && unlinkat(f->dirfd, name, 0) < 0)
                r = -errno;
        return r;
}

/* The oldest go first, and none before its elder. */
static void remove_old(struct trail_file *f, int64_t now_ns)
{
        _cleanup_free_ uint64_t *firsts = NULL;
        char name[TRAIL_NAME];
        size_t n = 0;
        int r = trail_names(f->dirfd, &firsts, &n);

        for (size_t i = 0; r == 0 && i < n && i < REMOVED_AT_ONCE; i++) {
                struct end end = {0};

                trail_name_of(firsts[i], name);
                if (end_of_named(f, name, &end) < 0 || end.n == 0 || end.wall_ns == 0 ||
                    now_ns - end.wall_ns < (int64_t)f->limits.keep_ns)
                        break; /* a damaged one stays: it is evidence */
                r = remove_file(f, firsts[i], &end);
        }
}

/* Before something is written, while all that was is on the disk. What fails here is no reason not to write. */
static void keep_house(struct trail_file *f)
{
        int64_t now_ns = clock_wall_ns();

        if (f->size != f->synced_size)
                return;
        if (is_full(f, now_ns))
                begin_next(f);
        if (f->limits.keep_ns == 0 || (f->looked_ns && now_ns - f->looked_ns < LOOK_NS && now_ns >= f->looked_ns))
                return;
        f->looked_ns = now_ns;
        remove_old(f, now_ns);
}

int trail_file_put(struct trail_file *f, const struct trail_entry *e, uint64_t *ret_n, char ret_hash[TRAIL_HASH + 1])
{
        int r;

        keep_house(f);
        r = put(f, e);
        if (r < 0)
                return r;
        *ret_n = f->head.n;
        memcpy(ret_hash, f->head.hash, TRAIL_HASH + 1);
        return 0;
}

int trail_file_append(struct trail_file *f, const struct trail_entry *e, uint64_t *ret_n)
{
        char hash[TRAIL_HASH + 1];
        uint64_t n;
        int r = trail_file_put(f, e, &n, hash);

        if (r == 0)
                r = trail_file_sync(f);
        if (r == 0)
                *ret_n = n;
        return r;
}

static int set_group(int dirfd, const char *name, gid_t group)
{
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &st) < 0 || (st.st_gid != group && fchown(fd, (uid_t)-1, group) < 0) || fchmod(fd, 0640) < 0)
                return -errno;
        return 0;
}

int trail_set_group(const char *dir, gid_t group)
{
        _cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ uint64_t *firsts = NULL;
        char name[TRAIL_NAME];
        size_t n = 0;
        int r = dirfd < 0 ? -errno : trail_names(dirfd, &firsts, &n);

        for (size_t i = 0; r == 0 && i < n; i++) {
                trail_name_of(firsts[i], name);
                r = set_group(dirfd, name, group);
        }
        return r == 0 ? set_group(dirfd, TRAIL_CURRENT, group) : r;
}

uint64_t trail_file_head(const struct trail_file *f, char ret_hash[TRAIL_HASH + 1])
{
        memcpy(ret_hash, f->synced.hash, TRAIL_HASH + 1);
        return f->synced.n;
}
