/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading side: an archive from anywhere, also a hostile one.
 *
 * Owns: what was read of each member, by its name, until the list of members says what it should be. Must not: write,
 * unpack, or believe a number of the archive before it was counted. Hands over: problems one by one, and the manifest.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

#include "act/capture-priv.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define MEMBERS_MAX 1000000u
#define LINE_MAX_BYTES (1024u * 1024)
#define MANIFEST_MAX (64u * 1024 * 1024)
#define NAMES_MAX (512u * 1024 * 1024) /* of memory for names */
#define CONTENT_MAX (1ull << 38)       /* of all members: what is packed so tightly is no evidence */
#define LIST_NAME "members.jsonl"
#define MANIFEST_NAME "manifest.json"

struct member {
        char sha[CAPTURE_HASH], head[CAPTURE_HASH];
        const char *type; /* static */
        uint64_t size;
        bool listed;
};

struct reading {
        const struct capture_verify_ops *ops;
        void *arg;
        struct capture_verdict *v;
        int fd;
        EVP_MD_CTX *whole, *content;
        struct map *members;
        uint64_t names, content_sum;
        struct buf line, manifest;
        bool has_list, has_manifest;
        char list_sha[CAPTURE_HASH];
        uint64_t listed;
        uint8_t block[65536];
        int error;
};

static void problem(struct reading *r, struct bytes member, const char *format, ...) TM_PRINTF(3, 4);

static void problem(struct reading *r, struct bytes member, const char *format, ...)
{
        struct capture_problem p;
        va_list args;

        if (r->v->problems++ >= CAPTURE_PROBLEMS_MAX || !r->ops->problem)
                return;
        str_print(member, p.member, sizeof(p.member));
        va_start(args, format);
        vsnprintf(p.words, sizeof(p.words), format, args);
        va_end(args);
        r->ops->problem(&p, r->arg);
}

static void end_hash(EVP_MD_CTX *ctx, char ret[CAPTURE_HASH])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_DigestFinal_ex(ctx, sum, &n) != 1)
                n = 0;
        str_hex(bytes_of(sum, n), ret);
}

/* ---- one line of the list ---- */

static const char *text_of(json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

static void compare(struct reading *r, struct bytes name, struct member *m, json_t *o)
{
        if (m->listed) {
                problem(r, name, "it is listed twice");
                return;
        }
        m->listed = true;
        if (strcmp(m->type, text_of(o, "type")) != 0)
                problem(r, name, "it is a %s, and was a %.40s", m->type, text_of(o, "type"));
        else if ((uint64_t)json_integer_value(json_object_get(o, "size")) != m->size)
                problem(r, name, "it has %llu bytes, and had %lld", (unsigned long long)m->size,
                        (long long)json_integer_value(json_object_get(o, "size")));
        else if (strcmp(m->sha, text_of(o, "sha256")) != 0)
                problem(r, name, "its content was changed: SHA-256 is not what is listed");
        else if (!m->head[0] || strcmp(m->head, text_of(o, "head")) != 0)
                problem(r, name,
                        "its header was changed: mode, owner, time, link or attributes are not what is listed");
        else
                r->v->members++;
}

static void on_line(struct reading *r)
{
        json_t *o = json_loadb((const char *)r->line.p, r->line.len, JSON_REJECT_DUPLICATES, NULL);
        _cleanup_buf_ struct buf name;
        struct member *m;

        r->listed++;
        buf_init(&name, LINE_MAX_BYTES);
        if (!json_is_object(o) || str_unescape(bytes_str(text_of(o, "path")), &name) < 0)
                problem(r, BYTES_LIT(LIST_NAME), "line %llu is not about a member", (unsigned long long)r->listed);
        else if (!(m = map_get(r->members, buf_bytes(&name))))
                problem(r, buf_bytes(&name), "it is listed, and missing (or stands behind the list)");
        else
                compare(r, buf_bytes(&name), m, o);
        json_decref(o);
}

static void feed_list(struct reading *r, const uint8_t *p, size_t len)
{
        while (len > 0) {
                const uint8_t *end = memchr(p, '\n', len);
                size_t n = end ? (size_t)(end - p) : len;

                buf_put(&r->line, p, n);
                if (end && r->line.err)
                        problem(r, BYTES_LIT(LIST_NAME), "a line of it is too long");
                else if (end)
                        on_line(r);
                if (end)
                        buf_reset(&r->line);
                n += end != NULL;
                p += n;
                len -= n;
        }
}

/* ---- members ---- */

struct target {
        bool list, manifest;
        uint64_t size; /* of the content that came */
};

static void feed(struct reading *r, struct target *t, const void *p, size_t len)
{
        if (EVP_DigestUpdate(r->content, p, len) != 1)
                r->error = -EIO;
        t->size += len;
        r->content_sum += len;
        if (r->content_sum > CONTENT_MAX)
                r->error = ERR_LIMIT;
        if (t->list)
                feed_list(r, p, len);
        if (t->manifest)
                buf_put(&r->manifest, p, len);
}

/* Content, of a file with holes what is between them. 0, or 1: the archive ends or is broken in it. */
static int read_content(struct reading *r, struct archive *a, struct target *t)
{
        const void *p;
        size_t len;
        int64_t at;
        int n;

        while ((n = archive_read_data_block(a, &p, &len, &at)) == ARCHIVE_OK || n == ARCHIVE_WARN)
                if (len) {
                        feed(r, t, p, len);
                        if (r->error)
                                return 1;
                }
        return n == ARCHIVE_EOF ? 0 : 1;
}

static int add_member(struct reading *r, struct archive_entry *e, struct bytes name, const char *sha)
{
        struct member *m = map_get(r->members, name);
        int result;

        if (m) {
                problem(r, name, "it is there twice");
                return 0;
        }
        r->names += name.len + sizeof(*m);
        if (r->names > NAMES_MAX)
                return ERR_LIMIT;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->type = capture_head_type(e);
        m->size = strcmp(m->type, "file") == 0 ? (uint64_t)archive_entry_size(e) : 0;
        if (strcmp(m->type, "file") == 0)
                memcpy(m->sha, sha, sizeof(m->sha));
        if (capture_head_hash(e, m->head) < 0)
                m->head[0] = '\0';
        result = map_put(r->members, name, m);
        if (result < 0)
                free(m);
        return result;
}

static int on_entry(struct reading *r, struct archive *a, struct archive_entry *e)
{
        struct bytes name = capture_head_path(e);
        struct target t = {.list = bytes_eq(name, BYTES_LIT(LIST_NAME)),
                           .manifest = bytes_eq(name, BYTES_LIT(MANIFEST_NAME))};
        char sha[CAPTURE_HASH];
        int broken;

        if (name.len == 0 || !capture_head_type(e)) {
                problem(r, name, "a member without a name or of an unknown kind");
                return 0;
        }
        if ((t.list && r->has_list) || (t.manifest && r->has_manifest)) {
                problem(r, name, "it is there twice");
                t.list = t.manifest = false;
        }
        if (r->has_manifest)
                problem(r, name, "it stands behind the manifest");
        if (EVP_DigestInit_ex(r->content, EVP_sha256(), NULL) != 1)
                return -EIO;
        broken = read_content(r, a, &t);
        end_hash(r->content, sha);
        if (broken)
                problem(r, name, "the archive is broken in it");
        if (t.list) {
                r->has_list = true;
                memcpy(r->list_sha, sha, sizeof(sha));
        } else if (t.manifest) {
                r->has_manifest = true;
                memcpy(r->v->manifest, sha, sizeof(sha));
        } else {
                return r->error ? r->error : add_member(r, e, name, sha);
        }
        return r->error;
}

/* ---- the file ---- */

static ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
        struct reading *r = arg;
        ssize_t n;

        do
                n = read(r->fd, r->block, sizeof(r->block));
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                r->error = -errno;
                archive_set_error(a, errno, "read");
                return -1;
        }
        if (n > 0 && EVP_DigestUpdate(r->whole, r->block, (size_t)n) != 1)
                return -1;
        r->v->size += (uint64_t)n;
        *ret = r->block;
        return n;
}

static int read_all(struct reading *r, struct archive *a)
{
        struct archive_entry *e;
        const void *rest;
        int n, result = 0;

        while (result == 0 && ((n = archive_read_next_header(a, &e)) == ARCHIVE_OK || n == ARCHIVE_WARN))
                result = on_entry(r, a, e);
        if (result == 0 && n != ARCHIVE_EOF)
                problem(r, bytes_of(NULL, 0), "it is no archive, or broken: %.120s",
                        archive_error_string(a) ? archive_error_string(a) : "no more is known");
        while (on_read(a, r, &rest) > 0) /* what the archive's end left unread counts for the hash of the file */
                ;
        return r->error ? r->error : result;
}

static int read_file(struct reading *r)
{
        struct archive *a = archive_read_new();
        int result = 0;

        if (!a)
                return -ENOMEM;
#ifdef HAVE_ARCHIVE_WRITE_ADD_FILTER_ZSTD
        archive_read_support_filter_zstd(a);
#endif
        archive_read_support_filter_gzip(a);
        archive_read_support_format_tar(a);
        if (archive_read_open(a, r, NULL, on_read, NULL) == ARCHIVE_OK)
                result = read_all(r, a);
        else if (r->error)
                result = r->error;
        else
                problem(r, bytes_of(NULL, 0), "it is no compressed tar archive");
        archive_read_free(a);
        return result;
}

/* ---- all of it together ---- */

static void check_list(struct reading *r, json_t *manifest)
{
        json_t *m = json_object_get(manifest, "members");

        if (json_integer_value(json_object_get(manifest, "schema")) != CAPTURE_SCHEMA)
                problem(r, BYTES_LIT(MANIFEST_NAME), "it is of another version than this program knows");
        if (strcmp(text_of(m, "sha256"), r->list_sha) != 0)
                problem(r, BYTES_LIT(LIST_NAME), "it was changed: SHA-256 is not what the manifest says");
        if ((uint64_t)json_integer_value(json_object_get(m, "count")) != r->listed)
                problem(r, BYTES_LIT(LIST_NAME), "it lists %llu members, the manifest says %lld",
                        (unsigned long long)r->listed, (long long)json_integer_value(json_object_get(m, "count")));
}

static void check(struct reading *r)
{
        struct member *m;
        struct bytes name;
        json_t *o;
        void *value;

        if (!r->has_list)
                problem(r, BYTES_LIT(LIST_NAME), "it is missing: no member can be compared");
        else if (r->line.len)
                problem(r, BYTES_LIT(LIST_NAME), "its last line has no end");
        for (size_t i = 0; map_next(r->members, &i, &name, &value);) {
                m = value;
                if (!m->listed)
                        problem(r, name, "it is there, and not listed");
        }
        if (!r->has_manifest) {
                problem(r, BYTES_LIT(MANIFEST_NAME), "it is missing: the archive is not whole");
                return;
        }
        o = r->manifest.err ? NULL
                            : json_loadb((const char *)r->manifest.p, r->manifest.len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(o))
                problem(r, BYTES_LIT(MANIFEST_NAME), "it is no JSON object");
        else
                check_list(r, o);
        json_decref(o);
        if (r->ops->manifest && !r->manifest.err)
                r->ops->manifest(buf_bytes(&r->manifest), r->arg);
}

static EVP_MD_CTX *start_hash(void)
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_create();

        if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
                return ctx;
        if (ctx)
                EVP_MD_CTX_destroy(ctx);
        return NULL;
}

static struct reading *reading_free(struct reading *r)
{
        if (!r)
                return NULL;
        if (r->whole)
                EVP_MD_CTX_destroy(r->whole);
        if (r->content)
                EVP_MD_CTX_destroy(r->content);
        map_free(r->members);
        buf_release(&r->line);
        buf_release(&r->manifest);
        free(r);
        return NULL;
}
DEFINE_CLEANUP(struct reading *, reading_free)

int capture_verify(int fd, const struct capture_verify_ops *ops, void *arg, struct capture_verdict *ret)
{
        _cleanup_(reading_freep) struct reading *r = calloc(1, sizeof(*r));
        struct capture_verdict v = {.members = 0};
        int result;

        if (!r)
                return -ENOMEM;
        r->ops = ops;
        r->arg = arg;
        r->v = &v;
        r->fd = fd;
        buf_init(&r->line, LINE_MAX_BYTES);
        buf_init(&r->manifest, MANIFEST_MAX);
        r->whole = start_hash();
        r->content = start_hash();
        if (!r->whole || !r->content)
                return -ENOMEM;
        result = map_new(MEMBERS_MAX, map_seed_random(), free, &r->members);
        if (result == 0)
                result = read_file(r);
        if (result == ERR_LIMIT) {
                problem(r, bytes_of(NULL, 0), "it holds more than any evidence does");
                result = 0;
        }
        if (result < 0)
                return result;
        end_hash(r->whole, v.sha256);
        check(r);
        *ret = v;
        return 0;
}
