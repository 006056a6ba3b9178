/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what of a member's header counts, and its hash. Must not: know where the entry comes from. Hands over: the same
 * for an entry that is written and for what was read of it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <openssl/evp.h>

#include "act/capture-priv.h"

#define NAMES_MAX CAPTURE_XATTRS_NUMBER

struct xattr {
        const char *name;
        const void *value;
        size_t len;
};

void capture_hash(struct bytes data, char ret[CAPTURE_HASH])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_Digest(data.p ? data.p : (const uint8_t *)"", data.len, sum, &n, EVP_sha256(), NULL) != 1)
                n = 0; /* no hash is equal to an empty one */
        str_hex(bytes_of(sum, n), ret);
}

const char *capture_head_type(struct archive_entry *e)
{
        if (archive_entry_hardlink(e))
                return "hardlink";
        switch (archive_entry_filetype(e)) {
        case AE_IFREG:
                return "file";
        case AE_IFDIR:
                return "directory";
        case AE_IFLNK:
                return "link";
        case AE_IFCHR:
                return "char";
        case AE_IFBLK:
                return "block";
        case AE_IFIFO:
                return "fifo";
        default:
                return NULL;
        }
}

struct bytes capture_head_path(struct archive_entry *e)
{
        struct bytes path = bytes_str(archive_entry_pathname(e));

        while (path.len > 1 && path.p[path.len - 1] == '/')
                path.len--;
        return path;
}

static void put_time(struct buf *b, int set, int64_t sec, long nsec)
{
        buf_put_u8(b, set != 0);
        buf_put_u64(b, set ? (uint64_t)sec : 0);
        buf_put_u32(b, set ? (uint32_t)nsec : 0);
}

static int by_name(const void *a, const void *b)
{
        const struct xattr *x = a, *y = b;

        return strcmp(x->name, y->name);
}

/* One attribute may be in a header by two of its ways of writing it: it counts once. */
static void put_xattrs(struct archive_entry *e, struct buf *b)
{
        struct xattr x[NAMES_MAX];
        size_t n = 0;

        archive_entry_xattr_reset(e);
        while (n < NAMES_MAX && archive_entry_xattr_next(e, &x[n].name, &x[n].value, &x[n].len) == ARCHIVE_OK)
                n += x[n].name != NULL;
        qsort(x, n, sizeof(x[0]), by_name);
        for (size_t i = 0; i < n; i++) {
                if (i && strcmp(x[i].name, x[i - 1].name) == 0 && x[i].len == x[i - 1].len &&
                    memcmp(x[i].value, x[i - 1].value, x[i].len) == 0)
                        continue;
                buf_put_bytes(b, bytes_str(x[i].name));
                buf_put_bytes(b, bytes_of(x[i].value, x[i].len));
        }
}

/* Pieces of no length are the form's own, at the end. */
static void put_pieces(struct archive_entry *e, struct buf *b)
{
        int64_t at, len;

        archive_entry_sparse_reset(e);
        while (archive_entry_sparse_next(e, &at, &len) == ARCHIVE_OK)
                if (len > 0) {
                        buf_put_u64(b, (uint64_t)at);
                        buf_put_u64(b, (uint64_t)len);
                }
}

int capture_head_hash(struct archive_entry *e, char ret[CAPTURE_HASH])
{
        bool device = archive_entry_filetype(e) == AE_IFCHR || archive_entry_filetype(e) == AE_IFBLK;
        bool file = archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e);
        _cleanup_buf_ struct buf b;

        buf_init(&b, 4 * CAPTURE_XATTRS_MAX);
        buf_put_bytes(&b, bytes_str(capture_head_type(e)));
        buf_put_bytes(&b, capture_head_path(e));
        buf_put_bytes(&b, bytes_str(archive_entry_hardlink(e)));
        buf_put_bytes(&b, bytes_str(archive_entry_hardlink(e) ? NULL : archive_entry_symlink(e)));
        buf_put_u32(&b, (uint32_t)archive_entry_perm(e));
        buf_put_u64(&b, (uint64_t)archive_entry_uid(e));
        buf_put_u64(&b, (uint64_t)archive_entry_gid(e));
        put_time(&b, archive_entry_mtime_is_set(e), archive_entry_mtime(e), archive_entry_mtime_nsec(e));
        put_time(&b, archive_entry_atime_is_set(e), archive_entry_atime(e), archive_entry_atime_nsec(e));
        put_time(&b, archive_entry_ctime_is_set(e), archive_entry_ctime(e), archive_entry_ctime_nsec(e));
        buf_put_u64(&b, file ? (uint64_t)archive_entry_size(e) : 0);
        buf_put_u32(&b, device ? (uint32_t)archive_entry_rdevmajor(e) : 0);
        buf_put_u32(&b, device ? (uint32_t)archive_entry_rdevminor(e) : 0);
        put_pieces(e, &b);
        put_xattrs(e, &b);
        if (b.err)
                return b.err;
        capture_hash(buf_bytes(&b), ret);
        return 0;
}
