/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the way through all files of a trail, from the first record to the last, and what is found wrong on it. Must
 * not: write, or trust any byte of it. Hands over: records that fit to the caller, and a verdict with the first that
 * does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "act/trail-priv.h"

const char *trail_wrong_name(unsigned wrong)
{
        static const char *const names[] = {"whole",     "changed",    "missing", "unlinked",
                                            "beginning", "unfinished", "cut",     "rewritten"};

        return wrong < TRAIL_WRONG__MAX ? names[wrong] : "?";
}

/* One reading. */
struct reading {
        int (*each)(const struct trail_record *r, void *arg);
        void *arg;
        struct trail_checkpoints *cs;
        size_t cp; /* the next checkpoint to come by */
        struct trail_verdict v;
        char prev[TRAIL_HASH + 1];   /* hash of the last record */
        char before[TRAIL_HASH + 1]; /* what the first record says it follows */
        struct {                     /* where the last record stood */
                char file[TRAIL_NAME];
                uint64_t line;
        } last;
        bool anchored; /* a record names what was before the first one */
        bool ended;    /* by a verdict, or by the caller */
        struct buf text;
};

static void find(struct reading *rd, enum trail_wrong wrong, const char *file, uint64_t line, uint64_t n,
                 const char *fmt, ...) TM_PRINTF(6, 7);
static void find(struct reading *rd, enum trail_wrong wrong, const char *file, uint64_t line, uint64_t n,
                 const char *fmt, ...)
{
        va_list ap;

        rd->ended = true;
        rd->v.wrong = wrong;
        snprintf(rd->v.file, sizeof(rd->v.file), "%s", file);
        rd->v.line = line;
        rd->v.n = n;
        va_start(ap, fmt);
        vsnprintf(rd->v.words, sizeof(rd->v.words), fmt, ap);
        va_end(ap);
}

/* ---- one record ---- */

static const char *text_of(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

static uint64_t number_of(const json_t *o, const char *key)
{
        json_int_t n = json_integer_value(json_object_get(o, key));

        return n > 0 ? (uint64_t)n : 0;
}

static int fill(struct reading *rd, const json_t *o, struct bytes raw, struct trail_record *r)
{
        const char *text = text_of(o, "text");
        unsigned long long finding = 0;
        int err;

        r->n = trail_line_n(o);
        r->command = number_of(o, "command");
        r->boot_ns = number_of(o, "boot_ns");
        r->uid = (uint32_t)number_of(o, "uid");
        r->login_uid = (uint32_t)number_of(o, "login_uid");
        r->pid = (uint32_t)number_of(o, "pid");
        r->late = json_is_true(json_object_get(o, "late"));
        r->time = text_of(o, "time");
        r->wall_ns = trail_time(r->time);
        r->boot_id = text_of(o, "boot_id");
        r->kind = text_of(o, "kind");
        r->source = text_of(o, "source");
        r->comm = text_of(o, "comm");
        r->container = text_of(o, "container");
        r->finding = sscanf(text_of(o, "finding"), "F-%20llu", &finding) == 1 ? finding : 0;
        r->prev = text_of(o, "prev");
        r->hash = text_of(o, "hash");
        r->raw = raw;
        buf_reset(&rd->text);
        err = str_unescape(bytes_str(text), &rd->text);
        r->text = err < 0 ? bytes_str(text) : buf_bytes(&rd->text);
        return err == -ENOMEM ? err : 0;
}

/* {"last": N, "hash": …} of a record that names what was removed before. */
static void look_for_anchor(struct reading *rd, const struct trail_record *r)
{
        json_t *o;

        if (rd->anchored || strcmp(r->kind, "removed") != 0)
                return;
        o = json_loadb((const char *)r->text.p, r->text.len, JSON_REJECT_DUPLICATES, NULL);
        rd->anchored = number_of(o, "last") + 1 == rd->v.first && strcmp(text_of(o, "hash"), rd->before) == 0;
        json_decref(o);
}

/* What stands elsewhere about this record. */
static void look_at_checkpoints(struct reading *rd, const struct trail_record *r)
{
        while (!rd->ended && rd->cs && rd->cp < rd->cs->n && rd->cs->at[rd->cp].n <= r->n) {
                const struct trail_checkpoint *c = &rd->cs->at[rd->cp++];

                if (c->n < r->n)
                        continue; /* of before the first record that is kept */
                if (strcmp(c->hash, r->hash) == 0) {
                        rd->v.checkpoints++;
                        rd->v.last_checkpoint = *c;
                        continue;
                }
                find(rd, TRAIL_REWRITTEN, r->file, r->line, r->n,
                     "the audit log has another hash of record %" PRIu64 ": what lies behind record %" PRIu64
                     " up to it was written anew",
                     r->n, rd->v.last_checkpoint.n);
        }
}

/* Does it follow the one before? */
static bool follows(struct reading *rd, const struct trail_record *r)
{
        uint64_t want = rd->v.last + 1;

        if (rd->v.records == 0) {
                rd->v.first = r->n;
                snprintf(rd->before, sizeof(rd->before), "%s", r->prev);
                rd->anchored = r->n == 1 && r->prev[0] == '\0';
                return true;
        }
        if (r->n != want)
                find(rd, TRAIL_MISSING, r->file, r->line, want,
                     "record %" PRIu64 " should stand here and %" PRIu64 " does: records were removed, or moved", want,
                     r->n);
        else if (strcmp(r->prev, rd->prev) != 0)
                find(rd, TRAIL_UNLINKED, rd->last.file, rd->last.line, r->n - 1,
                     "record %" PRIu64 " does not follow it: one of the two was changed, and its hash made anew", r->n);
        return !rd->ended;
}

/* A line without its newline. */
static int take(struct reading *rd, const char *file, uint64_t line, const char *p, size_t len)
{
        struct trail_record r = {.line = line};
        char hash[TRAIL_HASH + 1];
        json_t *o = NULL;
        int err = trail_line_check(p, len, &o, hash);

        if (err == -EUCLEAN) {
                find(rd, TRAIL_CHANGED, file, line, rd->v.last + 1,
                     "its hash is not that of what stands there: it was changed, or is no record");
                return 0;
        }
        if (err < 0)
                return err;
        snprintf(r.file, sizeof(r.file), "%s", file);
        err = fill(rd, o, bytes_of(p, len), &r);
        if (err == 0 && follows(rd, &r)) {
                rd->v.records++;
                rd->v.last = r.n;
                rd->v.last_ns = r.wall_ns;
                if (rd->v.records == 1)
                        rd->v.first_ns = r.wall_ns;
                memcpy(rd->prev, hash, sizeof(hash));
                memcpy(rd->last.file, r.file, sizeof(r.file));
                rd->last.line = line;
                look_for_anchor(rd, &r);
                look_at_checkpoints(rd, &r);
                if (!rd->ended && rd->each) {
                        err = rd->each(&r, rd->arg);
                        rd->ended = err != 0;
                }
        }
        json_decref(o);
        return err;
}

/* ---- files ---- */

/* To its end. The descriptor is taken over. */
static int read_file(struct reading *rd, int fd, const char *name)
{
        _cleanup_free_ char *line = malloc(TRAIL_LINE_MAX + 2);
        FILE *in = fdopen(fd, "r");
        uint64_t count = 0;
        int r = 0;

        if (!in || !line) {
                if (in)
                        fclose(in);
                else
                        close(fd);
                return -ENOMEM;
        }
        rd->v.files++;
        while (r == 0 && !rd->ended) {
                size_t len = 0;
                int c;

                while (len <= TRAIL_LINE_MAX && (c = getc_unlocked(in)) != EOF && c != '\n')
                        line[len++] = (char)c;
                count++;
                if (len <= TRAIL_LINE_MAX && c == EOF) {
                        if (ferror(in))
                                r = -EIO;
                        else if (len)
                                find(rd, TRAIL_UNFINISHED, name, count, rd->v.last + 1,
                                     "the last record has no end: a crash leaves such a one, and so does whoever cuts");
                        break;
                }
                r = take(rd, name, count, line, len);
        }
        fclose(in);
        return r;
}

/* The file at hand is opened first: a rotation meanwhile gives it another name, and no record is missed. */
static int read_all(struct reading *rd, int dirfd)
{
        _cleanup_close_ int current = openat(dirfd, TRAIL_CURRENT, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_free_ uint64_t *firsts = NULL;
        struct stat now = {0}, st;
        char name[TRAIL_NAME];
        size_t n = 0;
        int r;

        if (current < 0 && errno != ENOENT)
                return -errno;
        if (current >= 0 && (fstat(current, &now) < 0 || !S_ISREG(now.st_mode)))
                return -EUCLEAN;
        r = trail_names(dirfd, &firsts, &n);
        if (r == 0 && n == 0 && current < 0)
                return -ENOENT;
        for (size_t i = 0; r == 0 && i < n && !rd->ended; i++) {
                int fd;

                trail_name_of(firsts[i], name);
                fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                if (fd < 0 && errno == ENOENT)
                        continue; /* it was too old, and went just now: what follows says so */
                if (fd < 0)
                        return -errno;
                if (fstat(fd, &st) < 0 || (current >= 0 && st.st_ino == now.st_ino && st.st_dev == now.st_dev)) {
                        close(fd);
                        continue;
                }
                r = read_file(rd, fd, name);
        }
        if (r == 0 && current >= 0 && !rd->ended)
                r = read_file(rd, TAKE_FD(current), TRAIL_CURRENT);
        return r;
}

/* What only the whole tells. */
static void look_at_whole(struct reading *rd)
{
        const struct trail_checkpoint *c = rd->cs && rd->cs->n ? &rd->cs->at[rd->cs->n - 1] : NULL;

        if (rd->v.records && !rd->anchored)
                find(rd, TRAIL_BEGINNING, "", 0, 1,
                     "the trail begins with record %" PRIu64 ", and no record says that those before it were removed",
                     rd->v.first);
        else if (c && c->n > rd->v.last)
                find(rd, TRAIL_CUT, "", 0, rd->v.last + 1,
                     "the audit log knows record %" PRIu64 ", and the trail ends with %" PRIu64 ": its end was cut off",
                     c->n, rd->v.last);
}

int trail_verify(const char *dir, struct trail_checkpoints *cs, int (*each)(const struct trail_record *r, void *arg),
                 void *arg, struct trail_verdict *ret)
{
        struct reading rd = {.each = each, .arg = arg, .cs = cs};
        _cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (dirfd < 0)
                return -errno;
        buf_init(&rd.text, TRAIL_LINE_MAX);
        r = read_all(&rd, dirfd);
        if (r == 0 && (!rd.ended || (rd.v.wrong == TRAIL_UNFINISHED &&
                                     (!rd.anchored || strcmp(rd.v.file, TRAIL_CURRENT) == 0))))
                look_at_whole(&rd);
        buf_release(&rd.text);
        if (r != 0)
                return r;
        memcpy(rd.v.head, rd.prev, sizeof(rd.v.head));
        rd.v.removed = rd.anchored && rd.v.first ? rd.v.first - 1 : 0;
        *ret = rd.v;
        return 0;
}
