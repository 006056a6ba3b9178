/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * procfs - the parser of /proc/PID/mountinfo. proc(5).
 *
 * Pure. A line is: number, parent, major:minor, root, mount point, options, optional fields, "-", type, source, super
 * options; blanks, tabs, newlines, backslashes (and, in options, commas) inside a field are \ooo.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "procfs-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/procfs.h"

struct line {
        uint32_t id, major, minor;
        struct bytes root, point, fstype, super;
};

static bool number32(struct bytes *s, uint32_t *ret)
{
        uint64_t v;

        if (!procfs_take_number(s, &v) || v > UINT32_MAX)
                return false;
        *ret = (uint32_t)v;
        return true;
}

static bool split(struct bytes text, struct line *ret)
{
        struct bytes field, skip;

        if (!number32(&text, &ret->id) || !procfs_take_field(&text, ' ', &skip) || skip.len)
                return false;
        if (!procfs_take_field(&text, ' ', &skip) || !procfs_take_field(&text, ' ', &field))
                return false;
        if (!number32(&field, &ret->major) || field.len == 0 || field.p[0] != ':')
                return false;
        field.p++;
        field.len--;
        if (!number32(&field, &ret->minor) || field.len)
                return false;
        if (!procfs_take_field(&text, ' ', &ret->root) || !procfs_take_field(&text, ' ', &ret->point) ||
            !procfs_take_field(&text, ' ', &skip))
                return false;
        do {
                if (!procfs_take_field(&text, ' ', &field))
                        return false;
        } while (!bytes_eq(field, BYTES_LIT("-")));
        if (!procfs_take_field(&text, ' ', &ret->fstype) || !procfs_take_field(&text, ' ', &skip))
                return false;
        ret->super = text;
        return true;
}

int procfs_parse_mount_dev(struct bytes line, uint64_t *ret)
{
        struct bytes skip, field;
        uint32_t major, minor;

        if (!procfs_take_field(&line, ' ', &skip) || !procfs_take_field(&line, ' ', &skip) ||
            !procfs_take_field(&line, ' ', &field) || !number32(&field, &major) || field.len == 0 || field.p[0] != ':')
                return ERR_SCHEMA;
        field.p++;
        field.len--;
        if (!number32(&field, &minor) || field.len)
                return ERR_SCHEMA;
        *ret = makedev(major, minor);
        return 0;
}

static bool octal(const uint8_t *p, uint8_t *ret)
{
        unsigned v = 0;

        for (int i = 0; i < 3; i++) {
                if (p[i] < '0' || p[i] > '7')
                        return false;
                v = v * 8 + (unsigned)(p[i] - '0');
        }
        *ret = (uint8_t)v;
        return v <= 255;
}

static void unescape(struct bytes s, struct buf *out)
{
        for (uint32_t i = 0; i < s.len; i++) {
                uint8_t c;

                if (s.p[i] == '\\' && s.len - i >= 4 && octal(s.p + i + 1, &c)) {
                        buf_put_u8(out, c);
                        i += 3;
                } else {
                        buf_put_u8(out, s.p[i]);
                }
        }
}

/* Where a string lies in scratch, which may move while it grows. */
struct span {
        size_t off, len;
};

static struct span put(struct bytes s, struct buf *out)
{
        struct span sp = {out->len, 0};

        unescape(s, out);
        sp.len = out->len - sp.off;
        return sp;
}

static struct bytes span_bytes(struct span s, const struct buf *b)
{
        return s.len ? bytes_of(b->p + s.off, s.len) : bytes_of("", 0);
}

static bool option_value(struct bytes option, struct bytes key, struct bytes *ret)
{
        if (!bytes_has_prefix(option, key))
                return false;
        *ret = bytes_of(option.p + key.len, option.len - key.len);
        return true;
}

/* Options of overlay. Layers added one by one ("lowerdir+=") are joined as the old option would have named them. */
static void overlay_options(struct bytes options, struct buf *out, struct span *upper, struct span *lower, bool *vol)
{
        struct bytes left = options, one, value;

        while (procfs_take_field(&left, ',', &one)) {
                if (option_value(one, BYTES_LIT("upperdir="), &value))
                        *upper = put(value, out);
                else if (bytes_eq(one, BYTES_LIT("volatile")))
                        *vol = true;
        }
        lower->off = out->len;
        left = options;
        while (procfs_take_field(&left, ',', &one)) {
                if (option_value(one, BYTES_LIT("lowerdir="), &value) ||
                    option_value(one, BYTES_LIT("lowerdir+="), &value)) {
                        if (out->len > lower->off)
                                buf_put_u8(out, ':');
                        unescape(value, out);
                }
        }
        lower->len = out->len - lower->off;
}

static int finish(const struct line *l, struct buf *scratch, struct procfs_mount *ret)
{
        struct span root, point, fstype, upper = {0, 0}, lower = {0, 0};
        struct procfs_mount m = {.id = l->id, .dev_major = l->major, .dev_minor = l->minor};

        buf_reset(scratch);
        root = put(l->root, scratch);
        point = put(l->point, scratch);
        fstype = put(l->fstype, scratch);
        overlay_options(l->super, scratch, &upper, &lower, &m.volatile_mount);
        if (scratch->err)
                return scratch->err;
        m.root = span_bytes(root, scratch);
        m.point = span_bytes(point, scratch);
        m.fstype = span_bytes(fstype, scratch);
        m.upper = span_bytes(upper, scratch);
        m.lower = span_bytes(lower, scratch);
        *ret = m;
        return 0;
}

int procfs_parse_mount_at(struct bytes text, struct bytes point, struct buf *scratch, struct procfs_mount *ret)
{
        struct bytes line;
        struct line l, last;
        bool found = false;

        while (procfs_take_field(&text, '\n', &line))
                if (split(line, &l) && bytes_eq(l.point, point)) {
                        last = l;
                        found = true;
                }
        return found ? finish(&last, scratch, ret) : -ENOENT;
}

int procfs_parse_root_mount(struct bytes text, struct buf *scratch, struct procfs_mount *ret)
{
        return procfs_parse_mount_at(text, BYTES_LIT("/"), scratch, ret);
}

static bool holds(struct bytes dir, struct bytes path)
{
        return bytes_eq(dir, BYTES_LIT("/")) ||
               (bytes_has_prefix(path, dir) && path.len > dir.len && path.p[dir.len] == '/');
}

int procfs_parse_mount_of(struct bytes text, uint32_t dev_major, uint32_t dev_minor, struct bytes path,
                          struct buf *scratch, struct procfs_mount *ret)
{
        struct procfs_mount m;
        struct bytes line;
        struct line l;

        while (procfs_take_field(&text, '\n', &line))
                if (split(line, &l) && l.major == dev_major && l.minor == dev_minor && finish(&l, scratch, &m) == 0 &&
                    holds(m.root, path)) {
                        *ret = m;
                        return 0;
                }
        return -ENOENT;
}

int procfs_parse_mount_id(struct bytes text, uint32_t id, struct buf *scratch, struct procfs_mount *ret)
{
        struct bytes line;
        struct line l;

        while (procfs_take_field(&text, '\n', &line))
                if (split(line, &l) && l.id == id)
                        return finish(&l, scratch, ret);
        return -ENOENT;
}
