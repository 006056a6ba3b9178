/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the archive under its partial name, libarchive's state, the hashes of what goes in, the list of members (in a
 * file without a name: memory does not follow the number of files). Must not: read anything of a container, or rename.
 * Hands over: nothing before all is on the disk; the first error ends it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <openssl/evp.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define HOLE_STEP (1u << 30) /* bytes of a hole that libarchive is told at once: it does not look at them */

struct capture_out {
        struct archive *a;
        int fd;
        uint64_t size; /* of the file */
        int error;     /* of writing it */
        char why[CAPTURE_WORDS];
        EVP_MD_CTX *whole, *content, *list;
        FILE *lines; /* members.jsonl */
        uint64_t lines_size;
        void *nothing; /* HOLE_STEP bytes of address space without memory */
        uint64_t sum, members;
        /* the member under way */
        json_t *line;
        const struct capture_piece *pieces;
        size_t npieces, piece;
        uint64_t at, left, in_piece;
        bool has_content;
};

static int failed(struct capture_out *o, const char *what)
{
        if (!o->error)
                o->error = -EIO;
        if (!o->why[0])
                snprintf(o->why, sizeof(o->why), "%s: %s", what, err_str(o->error));
        return o->error;
}

static int archive_failed(struct capture_out *o)
{
        const char *text = archive_error_string(o->a);

        if (!o->error && !o->why[0] && text)
                snprintf(o->why, sizeof(o->why), "the archive cannot be written: %s", text);
        return failed(o, "the archive cannot be written");
}

static ssize_t on_write(struct archive *a, void *arg, const void *p, size_t len)
{
        struct capture_out *o = arg;
        size_t done = 0;

        while (done < len) {
                ssize_t n = write(o->fd, (const char *)p + done, len - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        o->error = n < 0 ? -errno : -ENOSPC;
                        archive_set_error(a, -o->error, "%s", err_str(o->error));
                        return -1;
                }
                done += (size_t)n;
        }
        if (EVP_DigestUpdate(o->whole, p, len) != 1)
                return -1;
        o->size += len;
        return (ssize_t)len;
}

/* zstd within the process or not at all: libarchive would run a program for it. */
static bool add_zstd(struct archive *a)
{
#ifdef HAVE_ARCHIVE_WRITE_ADD_FILTER_ZSTD
        return archive_write_add_filter_zstd(a) == ARCHIVE_OK;
#else
        (void)a;
        return false;
#endif
}

const char *capture_ending(void)
{
        struct archive *a = archive_write_new();
        bool zstd = a && add_zstd(a);

        if (a)
                archive_write_free(a);
        return zstd ? ".tar.zst" : ".tar.gz";
}

static EVP_MD_CTX *start_hash(void)
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_create(); /* by the name that 1.0.2 has, too */

        if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
                return ctx;
        if (ctx)
                EVP_MD_CTX_destroy(ctx);
        return NULL;
}

static void end_hash(EVP_MD_CTX *ctx, char ret[CAPTURE_HASH])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_DigestFinal_ex(ctx, sum, &n) != 1)
                n = 0;
        str_hex(bytes_of(sum, n), ret);
}

static int open_lines(struct capture_out *o, const char *partial)
{
        char path[PATH_MAX];
        int fd;

        if ((size_t)snprintf(path, sizeof(path), "%s.list", partial) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        unlink(path);
        o->lines = fdopen(fd, "w+");
        if (o->lines)
                return 0;
        close(fd);
        return -ENOMEM;
}

static int open_archive(struct capture_out *o)
{
        if (!add_zstd(o->a) && archive_write_add_filter_gzip(o->a) != ARCHIVE_OK)
                return archive_failed(o);
        if (archive_write_set_format_pax(o->a) != ARCHIVE_OK ||
            archive_write_set_bytes_per_block(o->a, 65536) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(o->a, 1) != ARCHIVE_OK)
                return archive_failed(o);
        /* Names are bytes: in the locale "C" what is no ASCII is written as such (hdrcharset=BINARY), since it cannot
         * be converted. One way of writing attributes is enough; older libraries know the other alone, and not the
         * option. */
        (void)archive_write_set_format_option(o->a, "pax", "xattrheader", "SCHILY");
        if (archive_write_open(o->a, o, NULL, on_write, NULL) != ARCHIVE_OK)
                return archive_failed(o);
        return 0;
}

int capture_out_open(const char *partial, struct capture_out **ret)
{
        _cleanup_(capture_out_freep) struct capture_out *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;
        o->fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (o->fd < 0)
                return -errno;
        o->nothing = mmap(NULL, HOLE_STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (o->nothing == MAP_FAILED)
                o->nothing = NULL;
        o->a = archive_write_new();
        o->whole = start_hash();
        o->list = start_hash();
        o->content = start_hash();
        if (!o->a || !o->whole || !o->list || !o->content || !o->nothing) {
                unlink(partial);
                return -ENOMEM;
        }
        r = open_lines(o, partial);
        if (r == 0)
                r = open_archive(o);
        if (r == 0)
                *ret = TAKE_PTR(o);
        else
                unlink(partial);
        return r;
}

struct capture_out *capture_out_free(struct capture_out *o)
{
        if (!o)
                return NULL;
        if (o->a)
                archive_write_free(o->a); /* after an error it writes no more */
        if (o->fd >= 0)
                close(o->fd);
        if (o->lines)
                fclose(o->lines);
        if (o->nothing)
                munmap(o->nothing, HOLE_STEP);
        if (o->whole)
                EVP_MD_CTX_destroy(o->whole);
        if (o->list)
                EVP_MD_CTX_destroy(o->list);
        if (o->content)
                EVP_MD_CTX_destroy(o->content);
        json_decref(o->line);
        free(o);
        return NULL;
}

const char *capture_out_why(const struct capture_out *o)
{
        return o->why;
}

uint64_t capture_out_content(const struct capture_out *o)
{
        return o->sum;
}

uint64_t capture_out_members(const struct capture_out *o)
{
        return o->members;
}

/* ---- one member ---- */

static json_t *line_of(struct archive_entry *e, const struct capture_piece *pieces, size_t n)
{
        _cleanup_buf_ struct buf path;
        char head[CAPTURE_HASH];
        json_t *line, *list;

        buf_init(&path, 64u * 1024);
        str_escape(capture_head_path(e), &path);
        if (path.err || capture_head_hash(e, head) < 0)
                return NULL;
        line = json_pack("{s:s, s:s, s:I, s:s}", "path", buf_cstr(&path), "type", capture_head_type(e), "size",
                         archive_entry_hardlink(e) ? (json_int_t)0 : (json_int_t)archive_entry_size(e), "head", head);
        if (!line || !pieces)
                return line;
        list = json_array();
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, json_pack("[I,I]", (json_int_t)pieces[i].at, (json_int_t)pieces[i].len));
        json_object_set_new(line, "pieces", list);
        return line;
}

int capture_out_begin(struct capture_out *o, struct archive_entry *e, const struct capture_piece *pieces, size_t n)
{
        bool content = archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e);
        uint64_t size = content ? (uint64_t)archive_entry_size(e) : 0;

        if (o->error)
                return o->error;
        for (size_t i = 0; pieces && i < n; i++)
                archive_entry_sparse_add_entry(e, (int64_t)pieces[i].at, (int64_t)pieces[i].len);
        if (pieces && n == 0)
                archive_entry_sparse_add_entry(e, 0, 0); /* nothing but a hole */
        json_decref(o->line);
        o->line = line_of(e, pieces, n);
        if (!o->line) {
                o->error = -ENOMEM;
                return failed(o, "a member's line");
        }
        if (archive_write_header(o->a, e) < ARCHIVE_WARN || o->error)
                return archive_failed(o);
        if (content && EVP_DigestInit_ex(o->content, EVP_sha256(), NULL) != 1)
                return failed(o, "SHA-256");
        o->has_content = content;
        o->pieces = pieces;
        o->npieces = n;
        o->piece = 0;
        o->at = o->in_piece = 0;
        o->left = size;
        return 0;
}

/* To libarchive, all of it. */
static int put(struct capture_out *o, const void *p, uint64_t len)
{
        while (len > 0) {
                size_t step = len < HOLE_STEP ? (size_t)len : HOLE_STEP;
                ssize_t n = archive_write_data(o->a, p, step);

                if (n <= 0 || o->error)
                        return archive_failed(o);
                if (p != o->nothing)
                        p = (const char *)p + n;
                len -= (uint64_t)n;
        }
        return 0;
}

/* The bytes of a hole are passed to libarchive, which counts them and writes none. */
static int skip_to(struct capture_out *o, uint64_t at)
{
        uint64_t hole = at - o->at;

        o->at = at;
        return put(o, o->nothing, hole);
}

int capture_out_data(struct capture_out *o, const void *p, size_t len)
{
        if (o->error)
                return o->error;
        if (EVP_DigestUpdate(o->content, p, len) != 1)
                return failed(o, "SHA-256");
        o->sum += len;
        while (len > 0) {
                size_t n = len;
                int r = 0;

                if (o->pieces) {
                        const struct capture_piece *x = &o->pieces[o->piece];

                        if (o->piece >= o->npieces)
                                return failed(o, "more content than pieces");
                        if (o->in_piece == 0)
                                r = skip_to(o, x->at);
                        if (n > x->len - o->in_piece)
                                n = (size_t)(x->len - o->in_piece);
                        o->in_piece += n;
                        if (o->in_piece == x->len) {
                                o->piece++;
                                o->in_piece = 0;
                        }
                }
                if (r == 0)
                        r = put(o, p, n);
                if (r < 0)
                        return r;
                o->at += n;
                p = (const char *)p + n;
                len -= n;
        }
        return 0;
}

int capture_out_end(struct capture_out *o)
{
        char sha[CAPTURE_HASH], *text;
        size_t len;
        bool wrong;

        if (o->error)
                return o->error;
        if (o->has_content && (o->pieces ? o->piece < o->npieces : o->at < o->left))
                return failed(o, "less content than the header says");
        if (o->pieces && o->at == 0 && o->left > 0) { /* with its first byte libarchive writes where the holes are */
                int r = put(o, o->nothing, o->left < HOLE_STEP ? o->left : HOLE_STEP);

                if (r < 0)
                        return r;
        }
        if (archive_write_finish_entry(o->a) < ARCHIVE_WARN || o->error)
                return archive_failed(o);
        if (o->has_content) {
                end_hash(o->content, sha);
                json_object_set_new(o->line, "sha256", json_string(sha));
        }
        text = json_dumps(o->line, JSON_COMPACT);
        if (!text) {
                o->error = -ENOMEM;
                return failed(o, "a member's line");
        }
        len = strlen(text);
        text[len] = '\n';
        wrong = fwrite(text, 1, len + 1, o->lines) != len + 1 || EVP_DigestUpdate(o->list, text, len + 1) != 1;
        free(text);
        if (wrong) {
                o->error = errno ? -errno : -EIO;
                return failed(o, "the list of members cannot be written");
        }
        o->lines_size += len + 1;
        o->members++;
        return 0;
}

static struct archive_entry *own_entry(const char *path, uint64_t size)
{
        struct archive_entry *e = archive_entry_new();

        if (!e)
                return NULL;
        archive_entry_copy_pathname(e, path);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0600);
        archive_entry_set_size(e, (int64_t)size);
        archive_entry_set_mtime(e, (time_t)(clock_wall_ns() / (int64_t)NSEC_PER_SEC), 0);
        return e;
}

int capture_out_text(struct capture_out *o, const char *path, struct bytes text)
{
        struct archive_entry *e = own_entry(path, text.len);
        int r;

        if (!e)
                return -ENOMEM;
        r = capture_out_begin(o, e, NULL, 0);
        if (r == 0)
                r = capture_out_data(o, text.p, text.len);
        if (r == 0)
                r = capture_out_end(o);
        archive_entry_free(e);
        return r;
}

/* ---- the end ---- */

static int copy_lines(struct capture_out *o)
{
        uint8_t block[16384];
        uint64_t left = o->lines_size;

        if (fflush(o->lines) != 0 || fseek(o->lines, 0, SEEK_SET) != 0) {
                o->error = -errno;
                return failed(o, "the list of members cannot be written");
        }
        while (left > 0) {
                size_t n = fread(block, 1, left < sizeof(block) ? (size_t)left : sizeof(block), o->lines);
                int r = n ? put(o, block, n) : failed(o, "the list of members cannot be read back");

                if (r < 0)
                        return r;
                left -= n;
        }
        return archive_write_finish_entry(o->a) < ARCHIVE_WARN || o->error ? archive_failed(o) : 0;
}

int capture_out_list(struct capture_out *o, char ret_sha[CAPTURE_HASH], uint64_t *ret_size)
{
        struct archive_entry *e = own_entry("members.jsonl", o->lines_size);
        int r = 0;

        if (!e)
                return -ENOMEM;
        if (o->error || archive_write_header(o->a, e) < ARCHIVE_WARN)
                r = archive_failed(o);
        archive_entry_free(e);
        if (r == 0)
                r = copy_lines(o);
        if (r < 0)
                return r;
        end_hash(o->list, ret_sha);
        *ret_size = o->lines_size;
        return 0;
}

int capture_out_finish(struct capture_out *o, struct bytes manifest, struct capture_summary *ret)
{
        struct archive_entry *e = own_entry("manifest.json", manifest.len);
        int r = 0;

        if (!e)
                return -ENOMEM;
        if (o->error || archive_write_header(o->a, e) < ARCHIVE_WARN)
                r = archive_failed(o);
        archive_entry_free(e);
        if (r == 0)
                r = put(o, manifest.p, manifest.len);
        if (r == 0 && (archive_write_close(o->a) != ARCHIVE_OK || o->error))
                r = archive_failed(o);
        if (r == 0 && (fsync(o->fd) < 0 || close(TAKE_FD(o->fd)) < 0)) {
                o->error = -errno;
                r = failed(o, "the archive cannot be brought to the disk");
        }
        if (r < 0)
                return r;
        end_hash(o->whole, ret->sha256);
        capture_hash(manifest, ret->manifest);
        ret->size = o->size;
        ret->content = o->sum;
        ret->members = o->members;
        return 0;
}
