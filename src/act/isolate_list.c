/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_list - the list of isolated containers as a file, so that it outlives the agent.
 *
 *     "tidemark isolated\n", u32 version, u32 entries, string boot id,
 *     entries: u32 length, fields in the order of put_entry(); later versions add fields at an entry's end
 *     from version 2: u32 n, n times i64: when something was isolated by policy, wall clock
 *     u64 hash of all before it
 *
 * Owns: DIR/isolated, from its making until it is renamed into place. Must not: believe what it reads. Hands over: the
 * entries that are whole, and what is wrong with the file.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "isolate-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define MAGIC "tidemark isolated\n"
#define FORMAT 2u
#define NAME "isolated"
#define NAME_NEW "isolated.new"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static uint64_t hash_of(const void *p, size_t len)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x69736f6c61746564};

        return map_hash(seed, bytes_of(p, len));
}

/* ---- writing ---- */

static void put_entry(struct buf *b, const struct isolate_entry *e)
{
        size_t at = b->len;

        buf_put_u32(b, 0);
        buf_put_bytes(b, bytes_str(e->id));
        buf_put_bytes(b, bytes_str(e->name));
        buf_put_bytes(b, bytes_str(e->workload));
        buf_put_bytes(b, bytes_str(e->image));
        buf_put_bytes(b, bytes_str(e->cgroup));
        buf_put_bytes(b, bytes_str(e->note));
        buf_put_u32(b, e->pid);
        buf_put_u32(b, e->uid);
        buf_put_u32(b, e->login_uid);
        buf_put_u32(b, e->flags);
        buf_put_u64(b, e->start);
        buf_put_u64(b, e->netns);
        buf_put_u64(b, e->places);
        buf_put_u64(b, e->finding);
        buf_put_u64(b, e->command);
        buf_put_u64(b, (uint64_t)e->since_wall_ns);
        buf_put_u64(b, (uint64_t)e->until_wall_ns);
        buf_put_u8(b, e->way);
        buf_put_u8(b, e->by_policy);
        buf_put_u8(b, e->held);
        buf_put_u32(b, e->nnets);
        for (uint32_t i = 0; i < e->nnets; i++) {
                const struct isolate_net *n = &e->nets[i];

                buf_put_u8(b, n->len);
                buf_put_u8(b, n->prefix);
                buf_put_u8(b, n->proto);
                buf_put_u16(b, n->port);
                buf_put(b, n->bytes, sizeof(n->bytes));
        }
        buf_patch_u32(b, at, (uint32_t)(b->len - at - sizeof(uint32_t)));
}

void isolate_list_encode(const struct isolate_list *list, struct buf *out)
{
        buf_put_str(out, MAGIC);
        buf_put_u32(out, FORMAT);
        buf_put_u32(out, list->n);
        buf_put_bytes(out, bytes_str(list->boot_id));
        for (uint32_t i = 0; i < list->n && i < ISOLATE_HELD; i++)
                put_entry(out, &list->of[i]);
        buf_put_u32(out, list->npolicy);
        for (uint32_t i = 0; i < list->npolicy && i < ISOLATE_POLICY; i++)
                buf_put_u64(out, (uint64_t)list->policy_wall_ns[i]);
        if (!out->err)
                buf_put_u64(out, hash_of(out->p, out->len));
}

static int write_all(int fd, struct bytes b)
{
        while (b.len) {
                ssize_t n = write(fd, b.p, b.len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                b.p += n;
                b.len -= (uint32_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

int isolate_list_write(int dir, struct bytes file)
{
        _cleanup_close_ int fd = -1;
        int r;

        unlinkat(dir, NAME_NEW, 0); /* of a life that ended in the middle */
        fd = openat(dir, NAME_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (fd < 0)
                return -errno;
        r = write_all(fd, file);
        if (r == 0 && renameat(dir, NAME_NEW, dir, NAME) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(dir, NAME_NEW, 0);
        else if (fsync(dir) < 0)
                r = -errno;
        return r;
}

/* ---- reading ---- */

static void get_text(struct rd *r, char *dst, size_t size)
{
        struct bytes b = rd_bytes(r);

        if (b.len >= size || (b.len && memchr(b.p, '\0', b.len)))
                r->err = ERR_TRUNCATED;
        else if (b.len)
                memcpy(dst, b.p, b.len);
}

static bool id_is_sound(const char *id)
{
        size_t n = strspn(id, "0123456789abcdef");

        return n == ISOLATE_ID - 1 && id[n] == '\0';
}

static bool net_is_sound(const struct isolate_net *n)
{
        return (n->len == 4 || n->len == 16) && n->prefix <= 8 * n->len &&
               (n->proto == 0 ? n->port == 0 : n->proto == IPPROTO_TCP || n->proto == IPPROTO_UDP);
}

static bool get_entry(struct bytes b, struct isolate_entry *e)
{
        struct rd r;

        memset(e, 0, sizeof(*e));
        rd_init(&r, b.p, b.len);
        get_text(&r, e->id, sizeof(e->id));
        get_text(&r, e->name, sizeof(e->name));
        get_text(&r, e->workload, sizeof(e->workload));
        get_text(&r, e->image, sizeof(e->image));
        get_text(&r, e->cgroup, sizeof(e->cgroup));
        get_text(&r, e->note, sizeof(e->note));
        e->pid = rd_u32(&r);
        e->uid = rd_u32(&r);
        e->login_uid = rd_u32(&r);
        e->flags = rd_u32(&r);
        e->start = rd_u64(&r);
        e->netns = rd_u64(&r);
        e->places = rd_u64(&r);
        e->finding = rd_u64(&r);
        e->command = rd_u64(&r);
        e->since_wall_ns = (int64_t)rd_u64(&r);
        e->until_wall_ns = (int64_t)rd_u64(&r);
        e->way = rd_u8(&r);
        e->by_policy = rd_u8(&r) != 0;
        e->held = rd_u8(&r) != 0;
        e->nnets = rd_u32(&r);
        if (r.err || e->nnets > ISOLATE_NETS || e->way >= ISOLATE__WAYS || !id_is_sound(e->id))
                return false;
        for (uint32_t i = 0; i < e->nnets; i++) {
                struct isolate_net *n = &e->nets[i];

                n->len = rd_u8(&r);
                n->prefix = rd_u8(&r);
                n->proto = rd_u8(&r);
                n->port = rd_u16(&r);
                rd_get(&r, n->bytes, sizeof(n->bytes));
                if (r.err || !net_is_sound(n))
                        return false;
        }
        return true;
}

static bool has_entry(const struct isolate_list *list, const char *id)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (strcmp(list->of[i].id, id) == 0)
                        return true;
        return false;
}

/* Entries that are whole and sound; how many were not. */
static uint32_t get_entries(struct rd *r, uint32_t n, struct isolate_list *list)
{
        uint32_t bad = 0;

        for (uint32_t i = 0; i < n && !r->err; i++) {
                struct bytes b = rd_bytes(r);

                if (r->err)
                        return bad + n - i;
                if (list->n == ISOLATE_HELD || !get_entry(b, &list->of[list->n]) ||
                    has_entry(list, list->of[list->n].id))
                        bad++;
                else
                        list->n++;
        }
        return bad;
}

static void get_policy(struct rd *r, struct isolate_list *list)
{
        uint32_t n = rd_u32(r);

        if (n > ISOLATE_POLICY)
                r->err = ERR_TRUNCATED;
        for (uint32_t i = 0; i < n && !r->err; i++)
                list->policy_wall_ns[list->npolicy++] = (int64_t)rd_u64(r);
}

int isolate_list_decode(struct bytes file, struct isolate_list *ret, char why[ISOLATE_WHY])
{
        uint32_t version, n, bad;
        uint64_t hash;
        struct rd r;

        memset(ret, 0, sizeof(*ret));
        why[0] = '\0';
        rd_init(&r, file.p, file.len);
        if (!bytes_eq(rd_take(&r, strlen(MAGIC)), bytes_str(MAGIC))) {
                snprintf(why, ISOLATE_WHY, "it is not a list of isolated containers");
                return ERR_FOREIGN;
        }
        version = rd_u32(&r);
        n = rd_u32(&r);
        get_text(&r, ret->boot_id, sizeof(ret->boot_id));
        bad = r.err ? 0 : get_entries(&r, n, ret);
        if (version > 1 && !r.err)
                get_policy(&r, ret);
        if (ret->n < ISOLATE_HELD) /* what was tried there */
                memset(&ret->of[ret->n], 0, sizeof(ret->of[0]));
        hash = r.pos <= file.len ? hash_of(file.p, r.pos) : 0;
        if (r.err || rd_u64(&r) != hash || r.err) {
                snprintf(why, ISOLATE_WHY, "it ends early or was changed since it was written: %u of %u entries can be "
                         "read", ret->n, n);
                return r.err ? ERR_TRUNCATED : ERR_CHECKSUM;
        }
        if (version > FORMAT || bad) {
                snprintf(why, ISOLATE_WHY, "it was written by another version (%u): %u of %u entries can be read",
                         version, ret->n, n);
                return ERR_SCHEMA;
        }
        return 0;
}

static int load(int fd, struct isolate_list *ret, char why[ISOLATE_WHY])
{
        _cleanup_free_ uint8_t *p = malloc(ISOLATE_LIST_BYTES);
        size_t len = 0;
        ssize_t n;
        struct stat st;

        if (!p)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) {
                snprintf(why, ISOLATE_WHY, "it is not a file that root alone can write: nothing in it is believed");
                return ERR_UNTRUSTED;
        }
        while (len < ISOLATE_LIST_BYTES && (n = read(fd, p + len, ISOLATE_LIST_BYTES - len)) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                len += n > 0 ? (size_t)n : 0;
        }
        return isolate_list_decode(bytes_of(p, len), ret, why);
}

int isolate_load(const char *state_dir, struct isolate_list *ret, char why[ISOLATE_WHY])
{
        _cleanup_close_ int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

        memset(ret, 0, sizeof(*ret));
        why[0] = '\0';
        fd = dir < 0 ? -errno : beneath_open(dir, bytes_str(NAME), O_RDONLY | O_NONBLOCK, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return load(fd, ret, why);
}

char *isolate_boot_id(char dst[40])
{
        _cleanup_close_ int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, dst, 39);

        dst[n > 0 ? n : 0] = '\0';
        dst[strcspn(dst, "\n")] = '\0';
        return dst;
}
