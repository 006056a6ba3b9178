/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the narrowest pattern over several paths. Must not: cut a character or an escape in two, or make a star of a
 * directory's first part. Pure.
 */
#include <string.h>

#include "case/tune-priv.h"
#include "tidemark/buf.h"

#define WILD_PARTS 2u /* parts in which paths may differ */

/* What of a pattern means one character: an escape, a character of UTF-8, or a byte. */
static size_t unit(const char *p, size_t len)
{
        size_t n = 1;

        if (p[0] == '\\')
                n = len > 1 && p[1] == 'x' ? 4 : 2;
        else
                while (n < len && ((uint8_t)p[n] & 0xc0) == 0x80)
                        n++;
        return n < len ? n : len;
}

/* Bytes of the units at the end that both have, at most max. */
static size_t common_end(const char *a, size_t alen, const char *b, size_t blen, size_t max)
{
        size_t best = 0;

        for (size_t at = 0; at < alen; at += unit(a + at, alen - at)) {
                size_t left = alen - at;

                if (left <= max && left <= blen && memcmp(a + at, b + blen - left, left) == 0) {
                        best = left;
                        break;
                }
        }
        /* In b it must begin a unit, too. */
        for (size_t at = 0; best && at < blen - best; at += unit(b + at, blen - at))
                if (at + unit(b + at, blen - at) > blen - best)
                        return 0;
        return best;
}

static size_t common_begin(const char *a, size_t alen, const char *b, size_t blen)
{
        size_t at = 0;

        while (at < alen && at < blen) {
                size_t n = unit(a + at, alen - at);

                if (n != unit(b + at, blen - at) || memcmp(a + at, b + at, n) != 0)
                        break;
                at += n;
        }
        return at;
}

struct part {
        const char *p;
        size_t len;
};

/* The n-th part, from 0; empty where there are not so many. */
static struct part part_of(const char *path, size_t n)
{
        const char *p = path + 1;

        for (; n && p; n--) {
                p = strchr(p, '/');
                p = p ? p + 1 : NULL;
        }
        return p ? (struct part){p, strcspn(p, "/")} : (struct part){"", 0};
}

static size_t count_parts(const char *path)
{
        size_t n = 0;

        for (; *path; path++)
                n += *path == '/';
        return n;
}

enum class { CLASS_NONE, CLASS_LETTER, CLASS_NUMBER };

static enum class class_of(char c) {
        if (c >= '0' && c <= '9') return CLASS_NUMBER;
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (uint8_t)c & 0x80 ? CLASS_LETTER : CLASS_NONE;
}

/* Does a word or a number go on over this place, so many bytes from the begin or the end, in any of them? */
static bool goes_on(const char *const *exact, size_t n, size_t which, size_t from_begin, size_t from_end)
{
        for (size_t i = 0; i < n; i++) {
                struct part p = part_of(exact[i], which);
                size_t at = from_begin ? from_begin : p.len - from_end;

                if (at > 0 && at < p.len && class_of(p.p[at]) && class_of(p.p[at]) == class_of(p.p[at - 1]))
                        return true;
        }
        return false;
}

/* The last place up to at where a character begins, or the next one. */
static size_t to_unit(struct part p, size_t at, bool next)
{
        size_t i = 0, n = 0;

        while (i < p.len && i + (n = unit(p.p + i, p.len - i)) <= at)
                i += n;
        return i < at && next ? i + n : i;
}

/* Words and numbers are of chance as a whole: of 17 and 18 the next one may be 20. Where nothing else is left, letters
 * that all have are better than none. */
static void to_words(const char *const *exact, size_t n, size_t which, size_t *begin, size_t *end)
{
        struct part first = part_of(exact[0], which);
        size_t b = *begin, e = *end;

        while (b && goes_on(exact, n, which, b, 0))
                b--;
        while (e && goes_on(exact, n, which, 0, e))
                e--;
        b = to_unit(first, b, false);
        e = first.len - to_unit(first, first.len - e, true);
        if (b || e) {
                *begin = b;
                *end = e;
        }
}

/* *ret_wild: it needs a star. */
static void put_part(const char *const *exact, size_t n, size_t which, struct buf *out, bool *ret_wild)
{
        struct part first = part_of(exact[0], which), other;
        size_t begin, end, shortest;

        begin = shortest = first.len;
        *ret_wild = false;
        for (size_t i = 1; i < n; i++) {
                size_t same;

                other = part_of(exact[i], which);
                same = common_begin(first.p, first.len, other.p, other.len);
                *ret_wild = *ret_wild || same < first.len || same < other.len;
                begin = same < begin ? same : begin;
                shortest = other.len < shortest ? other.len : shortest;
        }
        if (!*ret_wild) {
                buf_put(out, first.p, first.len);
                return;
        }
        end = shortest - begin;
        for (size_t i = 1; i < n; i++) {
                other = part_of(exact[i], which);
                end = common_end(first.p, first.len, other.p, other.len, end);
        }
        to_words(exact, n, which, &begin, &end);
        buf_put(out, first.p, begin);
        buf_put_u8(out, '*');
        buf_put(out, first.p + first.len - end, end);
}

bool tune_pattern(const char *const *exact, size_t n, struct buf *out)
{
        size_t parts = count_parts(exact[0]), wild = 0;

        for (size_t i = 1; i < n; i++)
                if (count_parts(exact[i]) != parts)
                        return false;
        for (size_t k = 0; k < parts; k++) {
                bool star;

                buf_put_u8(out, '/');
                put_part(exact, n, k, out, &star);
                wild += star;
                if (star && (k == 0 || wild > WILD_PARTS))
                        return false;
        }
        return true;
}

void tune_quote(const char *escaped, struct buf *out)
{
        for (const char *p = escaped; *p; p++) {
                if (*p == '*' || *p == '?')
                        buf_put_u8(out, '\\');
                buf_put_u8(out, (uint8_t)*p);
        }
}
