/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: what may be shown of bytes that somebody else chose. Pure. */
#include "tidemark/str.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

#include "tidemark/buf.h"

char *str_hex(struct bytes s, char *dst)
{
        static const char digits[] = "0123456789abcdef";

        for (uint32_t i = 0; i < s.len; i++) {
                dst[2 * i] = digits[s.p[i] >> 4];
                dst[2 * i + 1] = digits[s.p[i] & 15];
        }
        dst[2 * s.len] = '\0';
        return dst;
}

static int digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool str_unhex(const char *hex, uint8_t *dst, size_t n)
{
        if (strlen(hex) != 2 * n)
                return false;
        for (size_t i = 0; i < n; i++) {
                int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                dst[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

bool bytes_eq(struct bytes a, struct bytes b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

int bytes_cmp(struct bytes a, struct bytes b)
{
        uint32_t n = a.len < b.len ? a.len : b.len;
        int r = n ? memcmp(a.p, b.p, n) : 0;

        if (r == 0 && a.len != b.len)
                r = a.len < b.len ? -1 : 1;
        return r;
}

bool bytes_has_prefix(struct bytes s, struct bytes prefix)
{
        return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

bool bytes_has_suffix(struct bytes s, struct bytes suffix)
{
        return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

bool str_list_fits(const struct str_list *list, const char *name)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (fnmatch(list->text[i], name, 0) == 0)
                        return true;
        return false;
}

int bytes_rfind(struct bytes s, uint8_t c)
{
        for (uint32_t i = s.len; i > 0; i--)
                if (s.p[i - 1] == c)
                        return (int)(i - 1);
        return -1;
}

char *bytes_dup(struct bytes s)
{
        char *p = malloc((size_t)s.len + 1);

        if (!p)
                return NULL;
        if (s.len)
                memcpy(p, s.p, s.len);
        p[s.len] = '\0';
        return p;
}

/*
 * Length of the well-formed UTF-8 sequence at the start of s (Unicode 15, table 3-7), and its code point; 0: none.
 */
static uint32_t utf8_take(struct bytes s, uint32_t *ret_cp)
{
        static const struct {
                uint8_t lo, hi, len, mask, min2, max2; /* range of the first byte; of the second */
        } rows[] = {
                {0x00, 0x7f, 1, 0x7f, 0, 0},       {0xc2, 0xdf, 2, 0x1f, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0x0f, 0xa0, 0xbf},
                {0xe1, 0xec, 3, 0x0f, 0x80, 0xbf}, {0xed, 0xed, 3, 0x0f, 0x80, 0x9f}, {0xee, 0xef, 3, 0x0f, 0x80, 0xbf},
                {0xf0, 0xf0, 4, 0x07, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x07, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x07, 0x80, 0x8f},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                uint32_t cp, n = rows[i].len;

                if (s.p[0] < rows[i].lo || s.p[0] > rows[i].hi)
                        continue;
                if (n > s.len || (n > 1 && (s.p[1] < rows[i].min2 || s.p[1] > rows[i].max2)))
                        return 0;
                cp = s.p[0] & rows[i].mask;
                for (uint32_t k = 1; k < n; k++) {
                        if ((s.p[k] & 0xc0) != 0x80)
                                return 0;
                        cp = cp << 6 | (s.p[k] & 0x3f);
                }
                *ret_cp = cp;
                return n;
        }
        return 0;
}

/* Characters that change what a terminal or a reader sees of the others, or that end a line. */
static bool harmful(uint32_t cp)
{
        static const struct {
                uint32_t lo, hi;
        } ranges[] = {
                {0x0000, 0x001f}, {0x007f, 0x009f}, {0x00ad, 0x00ad}, {0x061c, 0x061c}, {0x180e, 0x180e},
                {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xd800, 0xf8ff}, {0xfe00, 0xfe0f},
                {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff},
        };

        for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
                if (cp >= ranges[i].lo && cp <= ranges[i].hi)
                        return true;
        return false;
}

void str_escape(struct bytes s, struct buf *out)
{
        static const char hex[] = "0123456789abcdef";

        for (uint32_t i = 0; i < s.len;) {
                uint32_t cp = 0, n = utf8_take(bytes_of(s.p + i, s.len - i), &cp);

                if (n && !harmful(cp) && cp != '\\') {
                        buf_put(out, s.p + i, n);
                        i += n;
                        continue;
                }
                if (n == 1 && (cp == '\\' || cp == '\n' || cp == '\t')) {
                        buf_put_u8(out, '\\');
                        buf_put_u8(out, cp == '\n' ? 'n' : cp == '\t' ? 't' : '\\');
                        i++;
                        continue;
                }
                for (n = n ? n : 1; n > 0; n--, i++) {
                        buf_put_str(out, "\\x");
                        buf_put_u8(out, (uint8_t)hex[s.p[i] >> 4]);
                        buf_put_u8(out, (uint8_t)hex[s.p[i] & 15]);
                }
        }
}

static int hex_digit(uint8_t c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape behind its backslash: how many bytes of s it takes; 0: it is none. */
static uint32_t escape_take(struct bytes s, uint8_t *ret)
{
        static const char pairs[][2] = {{'\\', '\\'}, {'n', '\n'}, {'t', '\t'}};

        for (size_t i = 0; s.len && i < ARRAY_LEN(pairs); i++)
                if (s.p[0] == pairs[i][0]) {
                        *ret = (uint8_t)pairs[i][1];
                        return 1;
                }
        if (s.len < 3 || s.p[0] != 'x' || hex_digit(s.p[1]) < 0 || hex_digit(s.p[2]) < 0)
                return 0;
        *ret = (uint8_t)(hex_digit(s.p[1]) << 4 | hex_digit(s.p[2]));
        return 3;
}

void str_shell(struct bytes s, struct buf *out)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._:@%+=,-";
        bool is_plain = s.len > 0;

        for (uint32_t i = 0; i < s.len && is_plain; i++)
                is_plain = memchr(plain, s.p[i], sizeof(plain) - 1) != NULL;
        if (is_plain) {
                buf_put(out, s.p, s.len);
                return;
        }
        buf_put_u8(out, '\'');
        for (uint32_t i = 0; i < s.len; i++)
                if (s.p[i] == '\'')
                        buf_put_str(out, "'\\''");
                else
                        buf_put_u8(out, s.p[i]);
        buf_put_u8(out, '\'');
}

int str_unescape(struct bytes text, struct buf *out)
{
        _cleanup_buf_ struct buf again;
        size_t from = out->len;

        buf_init(&again, (size_t)text.len + 1);
        for (uint32_t i = 0; i < text.len;) {
                uint8_t c = text.p[i++];
                uint32_t n;

                if (c == '\\') {
                        n = escape_take(bytes_of(text.p + i, text.len - i), &c);
                        if (n == 0)
                                return -EINVAL;
                        i += n;
                }
                buf_put_u8(out, c);
        }
        if (out->err)
                return out->err;
        str_escape(bytes_of(out->p + from, out->len - from), &again);
        return again.err == 0 && bytes_eq(buf_bytes(&again), text) ? 0 : again.err == -ENOMEM ? -ENOMEM : -EINVAL;
}

/* Where to cut printable text of len bytes so that it fits max: not inside a character or an escape. */
static size_t cut_at(const uint8_t *p, size_t len, size_t max)
{
        size_t at = 0, next;

        while (at < len) {
                if (p[at] == '\\')
                        next = at + (at + 1 < len && p[at + 1] == 'x' ? 4 : 2);
                else
                        for (next = at + 1; next < len && (p[next] & 0xc0) == 0x80;)
                                next++;
                if (next > max)
                        break;
                at = next;
        }
        return at;
}

char *str_print(struct bytes s, char *dst, size_t size)
{
        _cleanup_buf_ struct buf b;
        uint32_t take = s.len < size ? s.len : (uint32_t)size; /* no byte becomes less than one */
        size_t n;

        buf_init(&b, 4 * (size_t)take + 1);
        if (size == 0)
                return dst;
        str_escape(bytes_of(s.p, take), &b);
        n = b.len;
        if (n >= size || take < s.len) {
                n = size > 4 ? cut_at(b.p, b.len, size - 4) : 0;
                snprintf(dst + n, size - n, "...");
        } else {
                dst[n] = '\0';
        }
        if (n)
                memcpy(dst, b.p, n);
        return dst;
}
