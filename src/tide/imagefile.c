/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: which files of an image are wanted, and the form in which they are told. Pure. */
#include "tidemark/imagefile.h"

#include "tidemark/buf.h"
#include "tidemark/err.h"

/* A directory's files that end so. */
static const struct place {
        const char *dir, *end;
        bool whole; /* dir is the file itself */
        enum image_role role;
} places[] = {
        {"var/lib/dpkg/status", "", true, IMAGE_DPKG},
        {"var/lib/dpkg/info/", ".list", false, IMAGE_DPKG_LIST},
        {"var/lib/dpkg/status.d/", ".md5sums", false, IMAGE_DPKG_SUMS},
        {"var/lib/dpkg/status.d/", "", false, IMAGE_DPKG_D},
        {"lib/apk/db/installed", "", true, IMAGE_APK},
        {"usr/lib/apk/db/installed", "", true, IMAGE_APK},
        {"var/lib/rpm/rpmdb.sqlite", "", true, IMAGE_RPM},
        {"var/lib/rpm/rpmdb.sqlite-wal", "", true, IMAGE_RPM},
        {"var/lib/rpm/Packages.db", "", true, IMAGE_RPM},
        {"var/lib/rpm/Packages", "", true, IMAGE_RPM},
        {"usr/lib/sysimage/rpm/rpmdb.sqlite", "", true, IMAGE_RPM},
        {"usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "", true, IMAGE_RPM},
        {"usr/lib/sysimage/rpm/Packages.db", "", true, IMAGE_RPM},
        {"usr/lib/sysimage/rpm/Packages", "", true, IMAGE_RPM},
};

static const char *const script_ends[] = {".sh",  ".bash", ".py",  ".pl",  ".rb", ".js",
                                          ".mjs", ".cjs",  ".php", ".lua", ".tcl"};

static struct bytes last_part(struct bytes path)
{
        int slash = bytes_rfind(path, '/');

        return bytes_of(path.p + slash + 1, path.len - (uint32_t)(slash + 1));
}

static bool is_at(const struct place *k, struct bytes path)
{
        struct bytes dir = bytes_str(k->dir);

        if (k->whole)
                return bytes_eq(path, dir);
        /* in the directory itself, not below it */
        return bytes_has_prefix(path, dir) && bytes_has_suffix(path, bytes_str(k->end)) &&
               last_part(path).len == path.len - dir.len && path.len > dir.len;
}

/* libc.so, libc.so.6, libssl.so.1.1: ".so" at the end, or digits and dots behind it. */
static bool is_library_name(struct bytes name)
{
        uint32_t n = name.len;

        while (n && ((name.p[n - 1] >= '0' && name.p[n - 1] <= '9') || name.p[n - 1] == '.'))
                n--;
        return n > 3 && bytes_has_suffix(bytes_of(name.p, n), BYTES_LIT(".so"));
}

enum image_role image_role(struct bytes path, uint32_t mode)
{
        struct bytes name = last_part(path);

        for (size_t i = 0; i < ARRAY_LEN(places); i++)
                if (is_at(&places[i], path))
                        return places[i].role;
        if (mode & 0111)
                return IMAGE_RUNS;
        if (is_library_name(name))
                return IMAGE_LIBRARY;
        for (size_t i = 0; i < ARRAY_LEN(script_ends); i++)
                if (bytes_has_suffix(name, bytes_str(script_ends[i])))
                        return IMAGE_SCRIPT;
        return mode & 06000 ? IMAGE_RUNS : IMAGE_NONE;
}

void image_msg_put(struct buf *b, const struct image_msg *m)
{
        buf_put_u8(b, m->kind);
        buf_put_u8(b, m->role);
        buf_put_u8(b, m->caps);
        buf_put_u16(b, m->layer);
        buf_put_u32(b, m->mode);
        buf_put_u32(b, m->uid);
        buf_put_u32(b, m->gid);
        buf_put_u64(b, m->size);
        buf_put_u32(b, (uint32_t)m->error);
        buf_put_bytes(b, m->path);
        buf_put_bytes(b, m->text);
        buf_put_u64(b, m->entries);
        buf_put_u8(b, m->complete);
}

int image_msg_decode(const void *p, size_t len, struct image_msg *ret)
{
        struct image_msg m;
        struct rd r;

        rd_init(&r, p, len);
        m.kind = rd_u8(&r);
        m.role = rd_u8(&r);
        m.caps = rd_u8(&r);
        m.layer = rd_u16(&r);
        m.mode = rd_u32(&r);
        m.uid = rd_u32(&r);
        m.gid = rd_u32(&r);
        m.size = rd_u64(&r);
        m.error = (int32_t)rd_u32(&r);
        m.path = rd_bytes(&r);
        m.text = rd_bytes(&r);
        m.entries = rd_u64(&r);
        m.complete = rd_u8(&r);
        if (r.err)
                return r.err;
        if (m.kind == IMAGE_MSG_NONE || m.kind >= IMAGE_MSG__MAX || m.role >= IMAGE__ROLE_MAX || rd_left(&r))
                return ERR_SCHEMA;
        if ((m.kind == IMAGE_MSG_FILE || m.kind == IMAGE_MSG_LINK) &&
            (m.path.len < 2 || m.path.p[0] != '/' || m.path.len > IMAGE_PATH_MAX))
                return ERR_SCHEMA;
        *ret = m;
        return 0;
}
