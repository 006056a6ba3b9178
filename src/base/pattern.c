/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: patterns of paths and names. Must not: try ways one after the other, for a text could be chosen so that there
 * are too many of them: all places of the pattern that the text so far may have led to are kept, as a set.
 */
#include "tidemark/pattern.h"

#include <string.h>

#include "tidemark/buf.h"

/* What stands at one place of a pattern. */
enum op { OP_BYTE, OP_ONE, OP_STAR, OP_ANY, OP_PARTS, OP_IN_PART };
struct token {
        uint8_t op, byte;
};
struct tokens {
        struct token t[PATTERN_MAX + 1]; /* "**" and a separator become two */
        unsigned n;
        bool exact;
};

static int hex(uint8_t c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte behind a backslash at p; how many bytes it takes, 0: it is none. */
static uint32_t escaped(struct bytes p, uint32_t at, uint8_t *ret)
{
        uint8_t c = at < p.len ? p.p[at] : 0;

        if (at >= p.len)
                return 0;
        *ret = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        if (c != 'x')
                return 1;
        if (at + 2 >= p.len || hex(p.p[at + 1]) < 0 || hex(p.p[at + 2]) < 0)
                return 0;
        *ret = (uint8_t)(hex(p.p[at + 1]) << 4 | hex(p.p[at + 2]));
        return 3;
}

static void put(struct tokens *t, enum op op, uint8_t byte)
{
        t->exact = t->exact && op == OP_BYTE;
        t->t[t->n++] = (struct token){(uint8_t)op, byte};
}

/* Stars from at on; how many bytes they take. */
static uint32_t put_stars(struct tokens *t, struct bytes p, uint32_t at, uint8_t separator)
{
        uint8_t before = t->n ? t->t[t->n - 1].byte : separator;

        if (at + 1 >= p.len || p.p[at + 1] != '*') {
                put(t, OP_STAR, 0);
                return 1;
        }
        if (separator && before == separator && at + 2 < p.len && p.p[at + 2] == separator) {
                put(t, OP_PARTS, 0);
                put(t, OP_IN_PART, separator);
                return 3;
        }
        put(t, OP_ANY, 0);
        return 2;
}

static const char *read_pattern(struct bytes p, uint8_t separator, struct tokens *t)
{
        uint32_t at = 0;

        t->n = 0;
        t->exact = true;
        if (p.len == 0)
                return "is empty";
        if (p.len > PATTERN_MAX)
                return "is longer than 512 bytes";
        while (at < p.len) {
                uint8_t c = p.p[at];
                uint32_t used = 1;

                if (c == '*') {
                        used = put_stars(t, p, at, separator);
                        if (at + used < p.len && p.p[at + used] == '*' && p.p[at + used - 1] == '*')
                                return "has more than two stars side by side";
                } else if (c == '?') {
                        put(t, OP_ONE, 0);
                } else if (c == '\\') {
                        used = 1 + escaped(p, at + 1, &c);
                        if (used == 1)
                                return "ends in a backslash, or has \\x without two hexadecimal digits in lower case";
                        put(t, OP_BYTE, c);
                } else {
                        put(t, OP_BYTE, c);
                }
                at += used;
        }
        return NULL;
}

const char *pattern_check(struct bytes pattern)
{
        struct tokens t;

        return read_pattern(pattern, 0, &t);
}

bool pattern_is_exact(struct bytes pattern)
{
        struct tokens t;

        return !read_pattern(pattern, 0, &t) && t.exact;
}

/* Places that are reached without another byte, up from those that are set. */
static void spread(const struct tokens *t, bool *set)
{
        for (unsigned i = 0; i < t->n; i++) {
                if (!set[i])
                        continue;
                if (t->t[i].op == OP_STAR || t->t[i].op == OP_ANY)
                        set[i + 1] = true;
                else if (t->t[i].op == OP_PARTS)
                        set[i + 2] = true;
        }
}

static bool step(const struct tokens *t, uint8_t separator, uint8_t c, const bool *set, bool *next)
{
        bool any = false, part = !separator || c != separator;

        memset(next, 0, t->n + 1);
        for (unsigned i = 0; i < t->n; i++) {
                const struct token *k = &t->t[i];

                if (!set[i])
                        continue;
                switch (k->op) {
                case OP_BYTE:
                        next[i + 1] |= c == k->byte;
                        break;
                case OP_ONE:
                        next[i + 1] |= part;
                        break;
                case OP_STAR:
                        next[i] |= part;
                        break;
                case OP_ANY:
                        next[i] = true;
                        break;
                case OP_PARTS: /* in a first part now */
                        next[i + 1] = true;
                        break;
                case OP_IN_PART: /* a separator may end the last of them */
                        next[i] = true;
                        next[i + 1] |= !part;
                        break;
                }
        }
        spread(t, next);
        for (unsigned i = 0; i <= t->n; i++)
                any |= next[i];
        return any;
}

/* What stands before the first star is another text: most patterns of a table are ruled out by that. */
static bool begins_otherwise(struct bytes pattern, struct bytes text)
{
        uint32_t i = 0;

        while (i < pattern.len && i < text.len && pattern.p[i] == text.p[i] && pattern.p[i] != '\\' &&
               pattern.p[i] != '*' && pattern.p[i] != '?')
                i++;
        return i < pattern.len && pattern.p[i] != '*' && pattern.p[i] != '?' && pattern.p[i] != '\\';
}

bool pattern_fits(struct bytes pattern, uint8_t separator, struct bytes text)
{
        bool a[PATTERN_MAX + 2] = {true}, b[PATTERN_MAX + 2], *set = a, *next = b;
        struct tokens t;

        if (begins_otherwise(pattern, text) || read_pattern(pattern, separator, &t))
                return false;
        if (t.exact && t.n != text.len)
                return false;
        spread(&t, set);
        for (uint32_t i = 0; i < text.len; i++) {
                bool *was = set;

                if (!step(&t, separator, text.p[i], set, next))
                        return false;
                set = next;
                next = was;
        }
        return set[t.n];
}

void pattern_quote(struct bytes text, struct buf *out)
{
        _cleanup_buf_ struct buf shown;

        buf_init(&shown, 4u * text.len + 1);
        str_escape(text, &shown);
        for (size_t i = 0; i < shown.len; i++) {
                if (shown.p[i] == '*' || shown.p[i] == '?')
                        buf_put_u8(out, '\\');
                buf_put_u8(out, shown.p[i]);
        }
        if (shown.err && !out->err)
                out->err = shown.err;
}
