/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peek_line - one line of /proc/PID/maps. proc(5).
 *
 * Pure: bytes in, numbers out. The path is a container's: everything behind the inode number, spaces and all; the
 * kernel writes a newline in it as \012.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "peek-priv.h"

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
            line.p[4] != ' ')
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
        l.dev = makedev((unsigned)major, (unsigned)minor);
        l.path = line;
        *ret = l;
        return 1;
}
