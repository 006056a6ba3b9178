/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: where in the JSON it is, and the one value that is collected. Must not: know what values mean, or keep one that
 * was handed over. Pure.
 */
#include "tidemark/jsonsplit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define LEVELS 6u /* of objects that are entered */
#define LITERAL 64u
#define NO_ROW -1
#define PASSED -2 /* a value that nobody asked for */
#define KEY_SEED ((struct map_seed){0x746964656d61726b, 0x6a736f6e6b657973})

/* What may come next. */
enum state {
        BETWEEN, /* outermost objects */
        VALUE,
        VALUE_OR_END, /* an array has just begun */
        KEY,
        KEY_OR_END, /* an object has just begun */
        COLON,
        COMMA_OR_END,
        STRING,
        LITERAL_TEXT,
};

/* Within a string. */
struct string {
        bool key;
        bool escape;
        uint8_t hex_left; /* digits of \uXXXX */
        uint16_t unit;
        uint16_t high;   /* surrogate that waits for its other half; 0: none */
        uint8_t more;    /* bytes of a UTF-8 sequence that are missing */
        uint8_t low, up; /* bounds of the next one */
};

/* An object that was entered, or an array of which each element is asked for. */
struct level {
        unsigned depth;
        int row; /* NO_ROW: the outermost object */
        bool each;
        uint32_t nkeys;
        uint64_t keys[JSONSPLIT_MEMBERS];
};

struct jsonsplit {
        const struct jsonsplit_row *rows;
        size_t nrows;
        const struct jsonsplit_ops *ops;
        void *arg;
        enum state state;
        unsigned depth;
        uint8_t is_object[JSONSPLIT_DEPTH];
        struct level levels[LEVELS];
        unsigned nlevels;
        struct string string;
        char literal[LITERAL + 1];
        unsigned literal_len;
        struct buf key;
        int next; /* row of the member whose value comes next; PASSED */
        /* What is collected: */
        bool collecting, streaming;
        unsigned collect_depth;
        int row;
        struct buf value;
        uint64_t at, began;
        int err;
        char why[JSONSPLIT_WHY];
        struct jsonsplit_stats stats;
};

int jsonsplit_new(const struct jsonsplit_row *rows, size_t nrows, const struct jsonsplit_ops *ops, void *arg,
                  struct jsonsplit **ret)
{
        struct jsonsplit *s;

        if (nrows > JSONSPLIT_ROWS)
                return -EINVAL;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->rows = rows;
        s->nrows = nrows;
        s->ops = ops;
        s->arg = arg;
        s->next = PASSED;
        buf_init(&s->key, 256);
        buf_init(&s->value, JSONSPLIT_VALUE);
        *ret = s;
        return 0;
}

struct jsonsplit *jsonsplit_free(struct jsonsplit *s)
{
        if (!s)
                return NULL;
        buf_release(&s->key);
        buf_release(&s->value);
        free(s);
        return NULL;
}

const char *jsonsplit_why(const struct jsonsplit *s)
{
        return s->why;
}

void jsonsplit_stats(const struct jsonsplit *s, struct jsonsplit_stats *ret)
{
        *ret = s->stats;
}

static int fail(struct jsonsplit *s, int err, const char *why)
{
        if (s->err == 0)
                snprintf(s->why, sizeof(s->why), "byte %llu: %s", (unsigned long long)s->at, why);
        s->err = s->err ? s->err : err;
        return s->err;
}

/* What an op said. */
static int told(struct jsonsplit *s, int r)
{
        if (r < 0 && s->err == 0)
                s->err = r;
        return r;
}

/* ---- values that are asked for ---- */

static void collect(struct jsonsplit *s, int row)
{
        s->collecting = true;
        s->collect_depth = s->depth;
        s->row = row;
        buf_reset(&s->value);
}

/* Bytes of the text go along with what is collected. */
static void keep(struct jsonsplit *s, const uint8_t *p, size_t n)
{
        if (s->collecting)
                buf_put(&s->value, p, n);
}

static struct level *level(struct jsonsplit *s)
{
        return s->nlevels ? &s->levels[s->nlevels - 1] : NULL;
}

/* Does the innermost level hold what comes now itself, not something deeper that is passed over? */
static struct level *here(struct jsonsplit *s)
{
        struct level *l = level(s);

        return l && l->depth == s->depth ? l : NULL;
}

static int enter(struct jsonsplit *s, int row, bool each)
{
        struct level *l = &s->levels[s->nlevels];

        if (s->nlevels == LEVELS)
                return fail(s, ERR_LIMIT, "more objects within each other than are looked into");
        s->nlevels++;
        l->depth = s->depth + 1;
        l->row = row;
        l->each = each;
        l->nkeys = 0;
        return 0;
}

/* The value that begins with c: is it asked for? */
static int begin_asked(struct jsonsplit *s, int row, uint8_t c)
{
        enum jsonsplit_take take = s->rows[row].take;

        if (take == JSONSPLIT_WHOLE) {
                collect(s, row);
        } else if (take == JSONSPLIT_EACH && c == '[') {
                return enter(s, row, true);
        } else if (take == JSONSPLIT_ENTER && c == '{') {
                return enter(s, row, false);
        } else if (take == JSONSPLIT_STREAM && c == '"') {
                s->streaming = true;
                s->row = row;
        } else {
                s->stats.unfit++;
        }
        return 0;
}

static int begin_value(struct jsonsplit *s, uint8_t c)
{
        struct level *l = here(s);
        int row = s->next;

        s->next = PASSED;
        if (s->collecting)
                return 0;
        if (s->depth == 0) {
                s->began = s->at;
                if (s->nrows)
                        return enter(s, NO_ROW, false);
                collect(s, NO_ROW);
        } else if (l && l->each) {
                collect(s, l->row);
        } else if (l && row >= 0) {
                return begin_asked(s, row, c);
        }
        return 0;
}

static int end_value(struct jsonsplit *s)
{
        int r = 0;

        s->state = s->depth ? COMMA_OR_END : BETWEEN;
        s->streaming = false;
        if (s->collecting && s->collect_depth == s->depth) {
                s->collecting = false;
                if (s->value.err == ERR_LIMIT)
                        s->stats.refused++;
                else if (s->value.err)
                        return fail(s, s->value.err, "out of memory");
                else if (s->ops->value)
                        r = told(s, s->ops->value(s->row, buf_bytes(&s->value), s->arg));
        }
        if (r >= 0 && s->depth == 0) {
                s->stats.objects++;
                if (s->ops->end)
                        r = told(s, s->ops->end(s->began, s->at + 1, s->arg));
        }
        return r < 0 ? r : 0;
}

/* ---- members ---- */

static int find_row(const struct jsonsplit *s, int parent)
{
        for (size_t i = 0; i < s->nrows; i++)
                if (s->rows[i].parent == parent && s->key.err == 0 &&
                    bytes_eq(buf_bytes(&s->key), bytes_str(s->rows[i].name)))
                        return (int)i;
        return PASSED;
}

/* The name of a member has ended. */
static int end_key(struct jsonsplit *s)
{
        struct level *l = here(s);
        uint64_t hash;

        s->state = COLON;
        s->next = PASSED;
        if (!l || l->each || s->collecting)
                return 0;
        hash = map_hash(KEY_SEED, buf_bytes(&s->key));
        for (uint32_t i = 0; i < l->nkeys && s->key.err == 0; i++)
                if (l->keys[i] == hash)
                        return fail(s, -EINVAL, "a member's name stands there twice");
        if (l->nkeys == JSONSPLIT_MEMBERS)
                return fail(s, ERR_LIMIT, "an object with more members than are taken");
        if (s->key.err == 0)
                l->keys[l->nkeys++] = hash;
        s->next = find_row(s, l->row);
        return 0;
}

/* ---- strings ---- */

/* Characters without escapes: of a member's name, or of what is streamed. */
static int characters(struct jsonsplit *s, const uint8_t *p, size_t n)
{
        int r = 0;

        if (s->string.key)
                buf_put(&s->key, p, n);
        else if (s->streaming && s->ops->text)
                r = told(s, s->ops->text(s->row, bytes_of(p, n), s->arg));
        return r < 0 ? r : 0;
}

static int put_char(struct jsonsplit *s, uint32_t c)
{
        uint8_t p[4];
        size_t n;

        if (c < 0x80) {
                p[0] = (uint8_t)c;
                n = 1;
        } else if (c < 0x800) {
                p[0] = (uint8_t)(0xc0 | c >> 6);
                p[1] = (uint8_t)(0x80 | (c & 0x3f));
                n = 2;
        } else if (c < 0x10000) {
                p[0] = (uint8_t)(0xe0 | c >> 12);
                p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
                p[2] = (uint8_t)(0x80 | (c & 0x3f));
                n = 3;
        } else {
                p[0] = (uint8_t)(0xf0 | c >> 18);
                p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
                p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
                p[3] = (uint8_t)(0x80 | (c & 0x3f));
                n = 4;
        }
        return characters(s, p, n);
}

static void begin_string(struct jsonsplit *s, bool key)
{
        s->state = STRING;
        s->string = (struct string){.key = key};
        if (key)
                buf_reset(&s->key);
}

static int end_string(struct jsonsplit *s)
{
        if (s->string.high)
                return fail(s, -EINVAL, "half of a surrogate pair");
        return s->string.key ? end_key(s) : end_value(s);
}

/* A UTF-16 unit of \uXXXX. */
static int unit(struct jsonsplit *s, uint16_t u)
{
        struct string *t = &s->string;
        uint32_t c;

        if (t->high) {
                if (u < 0xdc00 || u > 0xdfff)
                        return fail(s, -EINVAL, "half of a surrogate pair");
                c = 0x10000u + ((uint32_t)(t->high - 0xd800) << 10) + (u - 0xdc00u);
                t->high = 0;
                return put_char(s, c);
        }
        if (u >= 0xdc00 && u <= 0xdfff)
                return fail(s, -EINVAL, "half of a surrogate pair");
        if (u >= 0xd800 && u <= 0xdbff) {
                t->high = u;
                return 0;
        }
        return put_char(s, u);
}

static int hex_value(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int escaped(struct jsonsplit *s, uint8_t c)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        struct string *t = &s->string;
        const char *k;

        t->escape = false;
        if (c == 'u') {
                t->hex_left = 4;
                t->unit = 0;
                return 0;
        }
        k = c ? strchr(from, c) : NULL;
        if (!k || t->high)
                return fail(s, -EINVAL, t->high ? "half of a surrogate pair" : "no such escape");
        return put_char(s, (uint8_t)to[k - from]);
}

/* The first byte of a UTF-8 sequence: how many follow, and within which bounds the next one is (RFC 3629). */
static int lead(struct jsonsplit *s, uint8_t c)
{
        struct string *t = &s->string;

        t->low = 0x80;
        t->up = 0xbf;
        if (c >= 0xc2 && c <= 0xdf) {
                t->more = 1;
        } else if (c >= 0xe0 && c <= 0xef) {
                t->more = 2;
                t->low = c == 0xe0 ? 0xa0 : 0x80;
                t->up = c == 0xed ? 0x9f : 0xbf;
        } else if (c >= 0xf0 && c <= 0xf4) {
                t->more = 3;
                t->low = c == 0xf0 ? 0x90 : 0x80;
                t->up = c == 0xf4 ? 0x8f : 0xbf;
        } else {
                return fail(s, -EINVAL, "no UTF-8");
        }
        return characters(s, &c, 1);
}

static int in_string(struct jsonsplit *s, uint8_t c)
{
        struct string *t = &s->string;

        if (t->more) {
                if (c < t->low || c > t->up)
                        return fail(s, -EINVAL, "no UTF-8");
                t->more--;
                t->low = 0x80;
                t->up = 0xbf;
                return characters(s, &c, 1);
        }
        if (t->hex_left) {
                int v = hex_value(c);

                if (v < 0)
                        return fail(s, -EINVAL, "\\u without four hexadecimal digits");
                t->unit = (uint16_t)(t->unit << 4 | v);
                return --t->hex_left ? 0 : unit(s, t->unit);
        }
        if (t->escape)
                return escaped(s, c);
        if (c == '\\') {
                t->escape = true;
                return 0;
        }
        if (c == '"')
                return end_string(s);
        if (c < 0x20)
                return fail(s, -EINVAL, "a control character within a string");
        if (t->high)
                return fail(s, -EINVAL, "half of a surrogate pair");
        return c < 0x80 ? characters(s, &c, 1) : lead(s, c);
}

static size_t plain_run(const uint8_t *p, size_t n)
{
        size_t i = 0;

        while (i < n && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
                i++;
        return i;
}

/* ---- literals ---- */

static bool is_literal(uint8_t c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' ||
               c == '.';
}

static const char *digits(const char *p)
{
        while (*p >= '0' && *p <= '9')
                p++;
        return p;
}

/* RFC 8259, section 6. */
static bool is_number(const char *p)
{
        const char *q;

        if (*p == '-')
                p++;
        q = digits(p);
        if (q == p || (*p == '0' && q > p + 1))
                return false;
        p = q;
        if (*p == '.') {
                q = digits(++p);
                if (q == p)
                        return false;
                p = q;
        }
        if (*p == 'e' || *p == 'E') {
                p++;
                if (*p == '+' || *p == '-')
                        p++;
                q = digits(p);
                if (q == p)
                        return false;
                p = q;
        }
        return *p == '\0';
}

static int end_literal(struct jsonsplit *s)
{
        static const char *const words[] = {"true", "false", "null"};

        s->literal[s->literal_len] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (strcmp(s->literal, words[i]) == 0)
                        return end_value(s);
        return is_number(s->literal) ? end_value(s)
                                     : fail(s, -EINVAL, "neither a value nor anything else that may stand here");
}

/* ---- structure ---- */

static int open_bracket(struct jsonsplit *s, uint8_t c)
{
        if (s->depth == JSONSPLIT_DEPTH)
                return fail(s, ERR_LIMIT, "nested deeper than 256 levels");
        s->is_object[s->depth++] = c == '{';
        s->state = c == '{' ? KEY_OR_END : VALUE_OR_END;
        return 0;
}

static int close_bracket(struct jsonsplit *s, uint8_t c)
{
        if (s->depth == 0 || s->is_object[s->depth - 1] != (c == '}'))
                return fail(s, -EINVAL, "a bracket that closes what was not opened");
        if (here(s))
                s->nlevels--;
        s->depth--;
        return end_value(s);
}

static int value_begins(struct jsonsplit *s, uint8_t c)
{
        int r;

        if (c != '{' && c != '[' && c != '"' && !is_literal(c))
                return fail(s, -EINVAL, "a value was expected");
        r = begin_value(s, c);
        if (r < 0)
                return r;
        if (c == '{' || c == '[')
                return open_bracket(s, c);
        if (c == '"') {
                begin_string(s, false);
                return 0;
        }
        s->state = LITERAL_TEXT;
        s->literal[0] = (char)c;
        s->literal_len = 1;
        return 0;
}

static int structure(struct jsonsplit *s, uint8_t c)
{
        switch (s->state) {
        case BETWEEN:
                return c == '{' ? value_begins(s, c) : fail(s, -EINVAL, "an object was expected");
        case VALUE_OR_END:
                return c == ']' ? close_bracket(s, c) : value_begins(s, c);
        case VALUE:
                return value_begins(s, c);
        case KEY_OR_END:
        case KEY:
                if (c == '}' && s->state == KEY_OR_END)
                        return close_bracket(s, c);
                if (c != '"')
                        return fail(s, -EINVAL, "the name of a member was expected");
                begin_string(s, true);
                return 0;
        case COLON:
                s->state = VALUE;
                return c == ':' ? 0 : fail(s, -EINVAL, "a colon was expected");
        case COMMA_OR_END:
                if (c == '}' || c == ']')
                        return close_bracket(s, c);
                s->state = s->is_object[s->depth - 1] ? KEY : VALUE;
                return c == ',' ? 0 : fail(s, -EINVAL, "a comma or the end was expected");
        case STRING:
        case LITERAL_TEXT:
                break;
        }
        return 0;
}

static int one(struct jsonsplit *s, uint8_t c)
{
        int r = 0;

        if (s->state == STRING) {
                keep(s, &c, 1); /* before: its end hands it over */
                return in_string(s, c);
        }
        if (s->state == LITERAL_TEXT) {
                if (is_literal(c)) {
                        keep(s, &c, 1);
                        if (s->literal_len == LITERAL)
                                return fail(s, -EINVAL, "a number with more than 64 characters");
                        s->literal[s->literal_len++] = (char)c;
                        return 0;
                }
                r = end_literal(s);
        }
        if (r < 0)
                return r;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
                keep(s, &c, 1);
                return 0;
        }
        if (s->state == VALUE || s->state == VALUE_OR_END || s->state == BETWEEN) {
                bool before = s->collecting;

                if (before)
                        keep(s, &c, 1);
                r = structure(s, c);
                if (r == 0 && !before)
                        keep(s, &c, 1); /* it may have begun with this byte */
                return r;
        }
        keep(s, &c, 1);
        return structure(s, c);
}

int jsonsplit_feed(struct jsonsplit *s, struct bytes part)
{
        for (uint32_t i = 0; i < part.len && s->err == 0;) {
                if (s->state == STRING && !s->string.escape && s->string.hex_left == 0 && s->string.more == 0 &&
                    s->string.high == 0) {
                        size_t n = plain_run(part.p + i, part.len - i);

                        keep(s, part.p + i, n);
                        if (n && characters(s, part.p + i, n) < 0)
                                return s->err;
                        i += (uint32_t)n;
                        s->at += n;
                        if (i == part.len)
                                break;
                }
                if (one(s, part.p[i]) < 0)
                        return s->err;
                i++;
                s->at++;
        }
        return s->err;
}

int jsonsplit_end(struct jsonsplit *s)
{
        if (s->err)
                return s->err;
        if (s->state != BETWEEN)
                return fail(s, -EINVAL, "it ends in the midst of a value");
        return s->stats.objects ? 0 : fail(s, -EINVAL, "it holds nothing");
}
