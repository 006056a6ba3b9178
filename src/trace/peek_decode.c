/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peek_decode - what the helper says, answer by answer; and one line of /proc/PID/maps, proc(5).
 *
 * Pure: bytes in, numbers out. The path is a container's: everything behind the inode number, spaces and all; the
 * kernel writes a newline in it as \012.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "peek-priv.h"
#include "tidemark/buf.h"

/* Digits of a base, then the byte that must end them. */
static int number(struct bytes *s, unsigned base, char end, uint64_t *ret)
{
        uint64_t v = 0;
        uint32_t i;

        for (i = 0; i < s->len && s->p[i] != end; i++) {
                char ch = s->p[i];
                unsigned digit = ch >= '0' && ch <= '9' ? (unsigned)(ch - '0')
                                 : ch >= 'a' && ch <= 'f' ? (unsigned)(ch - 'a') + 10
                                                          : 99;

                if (digit >= base || v > UINT64_MAX / base - base)
                        return -EINVAL;
                v = v * base + digit;
        }
        if (i == 0 || i == s->len)
                return -EINVAL;
        *s = bytes_of(s->p + i + 1, s->len - i - 1);
        *ret = v;
        return 0;
}

int peek_parse_line(struct bytes line, struct peek_line *ret)
{
        struct peek_line l = {0};
        uint64_t offset, major, minor;
        bool exec;

        if (number(&line, 16, '-', &l.from) < 0 || number(&line, 16, ' ', &l.to) < 0 || line.len < 5 ||
            line.p[4] != ' ' || l.from >= l.to)
                return -EINVAL;
        exec = line.p[2] == 'x';
        line = bytes_of(line.p + 5, line.len - 5);
        if (number(&line, 16, ' ', &offset) < 0 || number(&line, 16, ':', &major) < 0 ||
            number(&line, 16, ' ', &minor) < 0)
                return -EINVAL;
        if (number(&line, 10, ' ', &l.ino) < 0)
                return line.len ? 0 : -EINVAL; /* "0" and nothing behind it: no file */
        if (!exec || l.ino == 0)
                return 0;
        while (line.len && line.p[0] == ' ')
                line = bytes_of(line.p + 1, line.len - 1);
        if (line.len == 0)
                return 0;
        l.dev = makedev((unsigned)major, (unsigned)minor);
        l.path = line;
        *ret = l;
        return 1;
}

static void mapped(struct rd *r, struct peek_mapped *m)
{
        m->dev = rd_u64(r);
        m->ino = rd_u64(r);
        m->size = rd_u64(r);
        m->mode = rd_u32(r);
        m->nlink = rd_u32(r);
        m->mount = rd_u32(r);
        m->deleted = rd_u8(r);
        m->facts = rd_u8(r);
        m->path = rd_bytes(r);
}

int peek_decode(const void *p, size_t len, struct peek_said *ret, size_t *ret_used)
{
        struct peek_said s = {0};
        struct rd r;

        rd_init(&r, p, len);
        s.kind = rd_u8(&r);
        s.token = rd_u64(&r);
        if (s.kind == PEEK_A_END) {
                s.error = rd_u32(&r);
                s.total = rd_u32(&r);
                s.args = rd_bytes(&r);
        } else if (s.kind == PEEK_A_MAPPED) {
                mapped(&r, &s.mapped);
        } else {
                return -EPROTO;
        }
        if (r.err || s.error > 4095)
                return -EPROTO;
        *ret = s;
        *ret_used = len - rd_left(&r);
        return 0;
}
