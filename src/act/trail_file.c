/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the trail's file, its chain of hashes, and what is done with an end that a crash left unfinished. Must not: be
 * used in a poll loop (it waits for the disk), or change a finished record. Hands over: the record's number.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/trail.h"

#define HASH_HEX 64
#define HASH_FIELD ",\"hash\":\""
/* Longest line: text escaped by us (4 bytes each at worst) and by JSON (twice at worst), and the other fields. */
#define LINE_MAX_BYTES (8u * TRAIL_TEXT_MAX + 1024u)

struct trail_file {
        int fd;
        uint64_t n; /* of the last record */
        char prev[HASH_HEX + 1];
        off_t size;
};

static int hash_hex(const void *p, size_t len, char ret[HASH_HEX + 1])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_Digest(p, len, sum, &n, EVP_sha256(), NULL) != 1 || n * 2 != HASH_HEX)
                return -EIO;
        for (unsigned i = 0; i < n; i++)
                snprintf(ret + 2 * i, 3, "%02x", sum[i]);
        return 0;
}

/* One line without its newline: do its number, its hash and its link fit? */
static int check_line(const char *line, size_t len, uint64_t n, const char *prev, char ret_hash[HASH_HEX + 1])
{
        const size_t tail = strlen(HASH_FIELD) + HASH_HEX + strlen("\"}");
        char hash[HASH_HEX + 1];
        const char *text;
        json_t *o;
        int r = -EUCLEAN;

        if (len <= tail || memcmp(line + len - tail, HASH_FIELD, strlen(HASH_FIELD)) != 0)
                return -EUCLEAN;
        if (hash_hex(line, len - tail, hash) < 0)
                return -EIO;
        if (memcmp(line + len - tail + strlen(HASH_FIELD), hash, HASH_HEX) != 0)
                return -EUCLEAN;
        o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
        text = json_string_value(json_object_get(o, "prev"));
        if (text && (!prev || strcmp(text, prev) == 0) && (uint64_t)json_integer_value(json_object_get(o, "n")) == n) {
                memcpy(ret_hash, hash, sizeof(hash));
                r = 0;
        }
        json_decref(o);
        return r;
}

static uint64_t line_number(const char *line, size_t len)
{
        json_t *o = json_loadb(line, len, 0, NULL);
        json_int_t n = json_integer_value(json_object_get(o, "n"));

        json_decref(o);
        return n > 0 ? (uint64_t)n : 0;
}

/* Read the end of the file: the last finished record becomes prev and n; *ret_torn is what lies behind it. */
static int read_end(struct trail_file *f, size_t *ret_torn)
{
        _cleanup_free_ char *end = NULL;
        size_t want = f->size > (off_t)(2 * LINE_MAX_BYTES) ? 2 * LINE_MAX_BYTES : (size_t)f->size;
        const char *last, *line;
        ssize_t got;

        end = malloc(want + 1);
        if (!end)
                return -ENOMEM;
        got = pread(f->fd, end, want, f->size - (off_t)want);
        if (got < 0)
                return -errno;
        if ((size_t)got != want)
                return -EIO;
        last = memrchr(end, '\n', want);
        if (!last) { /* not one finished record */
                if ((off_t)want != f->size || want > LINE_MAX_BYTES)
                        return -EUCLEAN;
                *ret_torn = want;
                return 0;
        }
        line = memrchr(end, '\n', (size_t)(last - end));
        if (!line && (off_t)want != f->size)
                return -EUCLEAN;
        line = line ? line + 1 : end;
        f->n = line_number(line, (size_t)(last - line));
        *ret_torn = want - (size_t)(last + 1 - end);
        return f->n ? check_line(line, (size_t)(last - line), f->n, NULL, f->prev) : -EUCLEAN;
}

static int cut_torn(struct trail_file *f, size_t torn)
{
        char text[96];
        uint64_t n;
        struct trail_entry e = {.kind = "repaired", .wall_ns = clock_wall_ns(), .login_uid = UINT32_MAX};

        if (ftruncate(f->fd, f->size - (off_t)torn) < 0)
                return -errno;
        f->size -= (off_t)torn;
        snprintf(text, sizeof(text), "%zu bytes of an unfinished record were cut; it was never acknowledged", torn);
        e.text = bytes_str(text);
        return trail_file_append(f, &e, &n);
}

int trail_file_open(const char *dir, struct trail_file **ret, const char **ret_why)
{
        _cleanup_(trail_file_closep) struct trail_file *f = calloc(1, sizeof(*f));
        _cleanup_close_ int dirfd = -1;
        struct stat st;
        size_t torn = 0;
        int r;

        *ret_why = "out of memory";
        if (!f)
                return -ENOMEM;
        f->fd = -1;
        *ret_why = "its directory cannot be opened";
        dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dirfd < 0)
                return -errno;
        *ret_why = "trail.jsonl cannot be opened";
        f->fd = openat(dirfd, "trail.jsonl", O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (f->fd < 0 || fstat(f->fd, &st) < 0)
                return -errno;
        *ret_why = "trail.jsonl is no regular file";
        if (!S_ISREG(st.st_mode))
                return -EUCLEAN;
        f->size = st.st_size;
        *ret_why =
                "the last record of trail.jsonl is damaged: keep the file as evidence, move it away, and start again";
        if (f->size > 0) {
                r = read_end(f, &torn);
                if (r < 0)
                        return r;
        }
        *ret_why = "trail.jsonl cannot be written";
        if (fsync(dirfd) < 0) /* its name, too */
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
        free(f);
        return NULL;
}

/* The line up to its hash. */
static int build_line(const struct trail_file *f, const struct trail_entry *e, struct buf *line)
{
        _cleanup_buf_ struct buf text;
        char when[CLOCK_TEXT];
        bool cut = e->text.len > TRAIL_TEXT_MAX;
        json_t *o;
        char *dump;

        buf_init(&text, 4 * TRAIL_TEXT_MAX + 16);
        str_escape(bytes_of(e->text.p, cut ? TRAIL_TEXT_MAX : e->text.len), &text);
        if (cut)
                buf_put_str(&text, "...");
        if (text.err)
                return text.err;
        o = json_pack("{s:I,s:s,s:s,s:I,s:I,s:I,s:I,s:s%,s:s}", "n", (json_int_t)(f->n + 1), "time",
                      clock_rfc3339(e->wall_ns, when), "kind", e->kind, "command", (json_int_t)e->command, "uid",
                      (json_int_t)e->uid, "login_uid", (json_int_t)e->login_uid, "pid", (json_int_t)e->pid, "text",
                      (const char *)(text.p ? text.p : (const uint8_t *)""), text.len, "prev", f->prev);
        dump = o ? json_dumps(o, JSON_COMPACT) : NULL;
        json_decref(o);
        if (!dump)
                return -ENOMEM;
        buf_put(line, dump, strlen(dump) - 1); /* without the closing brace */
        free(dump);
        return line->err;
}

int trail_file_append(struct trail_file *f, const struct trail_entry *e, uint64_t *ret_n)
{
        _cleanup_buf_ struct buf line;
        char hash[HASH_HEX + 1];
        ssize_t put;
        int r;

        buf_init(&line, LINE_MAX_BYTES);
        r = build_line(f, e, &line);
        if (r < 0)
                return r;
        r = hash_hex(line.p, line.len, hash);
        if (r < 0)
                return r;
        buf_printf(&line, HASH_FIELD "%s\"}\n", hash);
        if (line.err)
                return line.err;
        put = write(f->fd, line.p, line.len);
        r = put < 0 ? -errno : (size_t)put != line.len ? -ENOSPC : 0;
        if (r == 0 && fdatasync(f->fd) < 0)
                r = -errno;
        if (r < 0) { /* half a record, or one that is not on the disk, may not stay */
                if (ftruncate(f->fd, f->size) < 0)
                        return -EIO;
                return r;
        }
        f->size += put;
        f->n++;
        memcpy(f->prev, hash, sizeof(hash));
        *ret_n = f->n;
        return 0;
}

int trail_file_verify(const char *dir, uint64_t *ret_n)
{
        _cleanup_free_ char *path = NULL, *line = NULL;
        char prev[HASH_HEX + 1] = "";
        size_t cap = 0;
        uint64_t n = 0;
        ssize_t len;
        FILE *in;
        int r = 0;

        if (asprintf(&path, "%s/trail.jsonl", dir) < 0)
                return -ENOMEM;
        in = fopen(path, "re");
        if (!in)
                return -errno;
        while (r == 0 && (len = getline(&line, &cap, in)) > 0) {
                n++;
                r = line[len - 1] == '\n' ? check_line(line, (size_t)len - 1, n, prev, prev) : -EUCLEAN;
        }
        if (r == 0 && ferror(in))
                r = -EIO;
        fclose(in);
        *ret_n = n;
        return r;
}
