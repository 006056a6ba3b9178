/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bolt - a bounded reader of BoltDB files, for one key at a time.
 *
 * Owns:  the page format: two meta pages with a checksum each, branch and leaf nodes, buckets as values (with a root
 *        page of their own, or inline in the value).
 * Never: locks, writes, maps the file, follows a page twice as deep as a tree can be.
 *
 * The file may change while it is read. Bolt never overwrites a page that the last committed transaction can reach
 * before the next one has been committed. So: what was read under a meta page that is still the newest afterwards was
 * whole; else all of it is read again.
 *
 * Numbers are in the byte order of the machine that wrote them, which is this one.
 */
#include "parse/bolt-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"

enum {
        PAGE_HEADER = 16,
        META_LEN = 64,        /* with its checksum */
        META_SUMMED = 56,     /* what the checksum covers */
        ELEMENT = 16,         /* of a branch and of a leaf */
        BUCKET_HEADER = 16,
        FLAG_BRANCH = 1,
        FLAG_LEAF = 2,
        FLAG_META = 4,
        LEAF_IS_BUCKET = 1,
};
#define BOLT_MAGIC 0xED0CDAEDu
#define BOLT_VERSION 2u
#define PAGE_SIZE_MIN 1024u
#define PAGE_SIZE_MAX 65536u

struct meta_page {
        uint32_t page_size;
        uint64_t root, high, txid;
};

struct bolt {
        const struct bolt_io *io;
        struct meta_page meta;
        uint8_t *mem; /* the node that is being looked at */
        const uint8_t *node;
        size_t node_len;
};

static uint16_t get16(const uint8_t *p)
{
        uint16_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint32_t get32(const uint8_t *p)
{
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint64_t get64(const uint8_t *p)
{
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* FNV-1a, 64 bits. */
static uint64_t fnv(const uint8_t *p, size_t len)
{
        uint64_t h = 0xcbf29ce484222325u;

        for (size_t i = 0; i < len; i++)
                h = (h ^ p[i]) * 0x100000001b3u;
        return h;
}

static int read_meta_at(const struct bolt_io *io, uint64_t off, struct meta_page *ret)
{
        uint8_t page[PAGE_HEADER + META_LEN], *m = page + PAGE_HEADER;
        uint32_t size;
        int r;

        if (off > io->size || io->size - off < sizeof(page))
                return ERR_FOREIGN;
        r = io->read(io->arg, off, page, sizeof(page));
        if (r < 0)
                return r;
        if (!(get16(page + 8) & FLAG_META) || get32(m) != BOLT_MAGIC)
                return ERR_FOREIGN;
        if (get64(m + META_SUMMED) != fnv(m, META_SUMMED))
                return ERR_CHECKSUM;
        size = get32(m + 8);
        if (get32(m + 4) != BOLT_VERSION || size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)))
                return ERR_SCHEMA;
        *ret = (struct meta_page){size, get64(m + 16), get64(m + 40), get64(m + 48)};
        return 0;
}

/* The newer of the two that are whole. The second lies one page behind the first, whose size only a whole one tells. */
static int read_meta(const struct bolt_io *io, struct meta_page *ret)
{
        struct meta_page other;
        int r = read_meta_at(io, 0, ret);

        if (r == 0) {
                if (read_meta_at(io, ret->page_size, &other) == 0 && other.page_size == ret->page_size &&
                    other.txid > ret->txid)
                        *ret = other;
                return 0;
        }
        for (uint32_t size = PAGE_SIZE_MIN; size <= PAGE_SIZE_MAX; size *= 2)
                if (read_meta_at(io, size, &other) == 0 && other.page_size == size) {
                        *ret = other;
                        return 0;
                }
        return r;
}

/* Make page pgid the current node. */
static int load(struct bolt *b, uint64_t pgid)
{
        uint8_t head[PAGE_HEADER];
        uint64_t size = b->meta.page_size, pages = b->io->size / size, overflow;
        uint8_t *mem;
        int r;

        if (pgid < 2 || pgid >= b->meta.high || pgid >= pages)
                return ERR_SCHEMA;
        r = b->io->read(b->io->arg, pgid * size, head, sizeof(head));
        if (r < 0)
                return r;
        overflow = get32(head + 12);
        if (get64(head) != pgid || overflow >= pages - pgid)
                return ERR_SCHEMA;
        if ((overflow + 1) * size > BOLT_NODE_MAX)
                return ERR_LIMIT;
        mem = realloc(b->mem, (overflow + 1) * size);
        if (!mem)
                return -ENOMEM;
        b->mem = mem;
        b->node = mem;
        b->node_len = (overflow + 1) * size;
        return b->io->read(b->io->arg, pgid * size, mem, b->node_len);
}

/* A slice of the node, by an element at `at` and its own offset from there. */
static int slice(const struct bolt *b, size_t at, uint32_t pos, uint32_t len, struct bytes *ret)
{
        size_t room = b->node_len - at;

        if (pos > room || len > room - pos)
                return ERR_SCHEMA;
        *ret = bytes_of(b->node + at + pos, len);
        return 0;
}

/* Where the elements of a node end; 0 if there is no room for so many. */
static size_t elements_end(const struct bolt *b)
{
        size_t end = PAGE_HEADER + (size_t)get16(b->node + 10) * ELEMENT;

        return end <= b->node_len ? end : 0;
}

/* The child that would hold key: the last one whose first key is not behind it; before the first, the first. */
static int branch_child(const struct bolt *b, struct bytes key, uint64_t *ret_pgid)
{
        size_t end = elements_end(b);
        struct bytes k;

        if (end < PAGE_HEADER + ELEMENT)
                return ERR_SCHEMA;
        *ret_pgid = get64(b->node + PAGE_HEADER + 8);
        for (size_t at = PAGE_HEADER; at < end; at += ELEMENT) {
                int c, r = slice(b, at, get32(b->node + at), get32(b->node + at + 4), &k);

                if (r < 0)
                        return r;
                c = memcmp(k.p, key.p, k.len < key.len ? k.len : key.len);
                if (c > 0 || (c == 0 && k.len > key.len))
                        break;
                *ret_pgid = get64(b->node + at + 8);
        }
        return 0;
}

static int leaf_find(const struct bolt *b, struct bytes key, uint32_t *ret_flags, struct bytes *ret)
{
        size_t end = elements_end(b);
        struct bytes k;

        if (!end)
                return ERR_SCHEMA;
        for (size_t at = PAGE_HEADER; at < end; at += ELEMENT) {
                uint32_t pos = get32(b->node + at + 4), klen = get32(b->node + at + 8);
                int r = slice(b, at, pos, klen, &k);

                if (r < 0)
                        return r;
                if (!bytes_eq(k, key))
                        continue;
                *ret_flags = get32(b->node + at);
                /* pos + klen fits: the key did. */
                return slice(b, at, pos + klen, get32(b->node + at + 12), ret);
        }
        return -ENOENT;
}

/* From the current node, a bucket's root, to the leaf element with key. */
static int search(struct bolt *b, struct bytes key, uint32_t *ret_flags, struct bytes *ret)
{
        for (unsigned depth = 0; depth < BOLT_DEPTH_MAX; depth++) {
                uint64_t child;
                uint16_t flags;
                int r;

                if (b->node_len < PAGE_HEADER)
                        return ERR_SCHEMA;
                flags = get16(b->node + 8);
                if (flags == FLAG_LEAF)
                        return leaf_find(b, key, ret_flags, ret);
                if (flags != FLAG_BRANCH)
                        return ERR_SCHEMA;
                r = branch_child(b, key, &child);
                if (r == 0)
                        r = load(b, child);
                if (r < 0)
                        return r;
        }
        return ERR_SCHEMA;
}

/* A bucket's value is its root page's number, or 0 and the root itself. */
static int enter(struct bolt *b, uint32_t flags, struct bytes value)
{
        uint64_t root;

        if (!(flags & LEAF_IS_BUCKET))
                return -ENOENT;
        if (value.len < BUCKET_HEADER)
                return ERR_SCHEMA;
        root = get64(value.p);
        if (root)
                return load(b, root);
        b->node = value.p + BUCKET_HEADER;
        b->node_len = value.len - BUCKET_HEADER;
        return 0;
}

static int get_once(struct bolt *b, const struct bytes *keys, size_t n, struct bytes *ret)
{
        struct bytes v = {NULL, 0};
        uint32_t flags = 0;
        int r = load(b, b->meta.root);

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (i > 0)
                        r = enter(b, flags, v);
                if (r == 0)
                        r = search(b, keys[i], &flags, &v);
        }
        if (r == 0 && (flags & LEAF_IS_BUCKET))
                r = -ENOENT;
        if (r == 0)
                *ret = v;
        return r;
}

int bolt_get(const struct bolt_io *io, const struct bytes *keys, size_t n, struct buf *ret_value)
{
        struct bolt b = {.io = io};
        struct meta_page after;
        struct bytes v = {NULL, 0};
        int r = -ENOENT, m;

        for (unsigned i = 0; n && i < BOLT_RETRIES; i++) {
                r = read_meta(io, &b.meta);
                if (r < 0)
                        break;
                r = get_once(&b, keys, n, &v);
                if (r == -ENOMEM)
                        break;
                m = read_meta(io, &after);
                if (m == 0 && after.txid == b.meta.txid)
                        break;
                r = m < 0 ? m : -EAGAIN;
        }
        if (r == 0) {
                buf_put(ret_value, v.p, v.len);
                r = ret_value->err;
        }
        free(b.mem);
        return r;
}
