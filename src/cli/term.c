/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: how texts reach a terminal: escaped, cut, wrapped, in columns. Must not: know what they mean. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "tidemark/buf.h"
#include "tidemark/str.h"

const char *cli_text(const json_t *o, const char *key)
{
        const char *text = json_string_value(json_object_get(o, key));

        return text ? text : "";
}

json_int_t cli_int(const json_t *o, const char *key)
{
        return json_integer_value(json_object_get(o, key));
}

int cli_print_json(const json_t *o)
{
        if (json_dumpf(o, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) < 0)
                return CLI_FAILED;
        putchar('\n');
        return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
}

/* The daemon has escaped it once; its backslashes are not escaped again, anything else that a terminal obeys is. */
static void escape(const char *text, struct buf *out)
{
        while (*text) {
                const char *end = strchr(text, '\\');
                size_t len = end ? (size_t)(end - text) : strlen(text);

                str_escape(bytes_of(text, len), out);
                text += len;
                if (*text == '\\') {
                        buf_put_u8(out, '\\');
                        text++;
                }
        }
}

/* Columns: characters of well-formed UTF-8. */
static size_t columns(const char *s, size_t len)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += ((unsigned char)s[i] & 0xc0) != 0x80;
        return n;
}

/* Bytes of the first n characters. */
static size_t bytes_for(const char *s, size_t n)
{
        size_t i = 0;

        while (s[i]) {
                if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0)
                        break;
                i++;
        }
        return i;
}

void cli_put(FILE *out, const char *text, size_t width)
{
        _cleanup_buf_ struct buf b;
        const char *s;

        buf_init(&b, 1u << 20);
        escape(text, &b);
        s = buf_cstr(&b);
        if (columns(s, strlen(s)) <= width)
                fputs(s, out);
        else if (width > 3)
                fprintf(out, "%.*s...", (int)bytes_for(s, width - 3), s);
}

void cli_colour(const struct cli *c, FILE *out, enum cli_colour k)
{
        static const char *const codes[] = {"\033[0m", "\033[1m", "\033[31m", "\033[33m", "\033[32m", "\033[2m"};

        if (c->colour)
                fputs(codes[k], out);
}

void cli_wrap(FILE *out, const char *text, size_t first, size_t indent)
{
        _cleanup_buf_ struct buf b;
        size_t at = first;
        bool begins = true; /* nothing stands in this line yet but what the caller put there */
        const char *s;

        buf_init(&b, 1u << 20);
        escape(text, &b);
        s = buf_cstr(&b);
        while (*s) {
                size_t len = strcspn(s, " "), wide = columns(s, len), room = CLI_WIDTH - indent;

                if (!begins && at + 1 + wide > CLI_WIDTH) {
                        fprintf(out, "\n%*s", (int)indent, "");
                        at = indent;
                } else if (!begins) {
                        fputc(' ', out);
                        at++;
                }
                begins = false;
                for (; wide > room; wide = columns(s, len)) { /* a word longer than a line */
                        size_t take = bytes_for(s, CLI_WIDTH - at);

                        fprintf(out, "%.*s\n%*s", (int)take, s, (int)indent, "");
                        s += take;
                        len -= take;
                        at = indent;
                }
                fprintf(out, "%.*s", (int)len, s);
                at += wide;
                s += len;
                s += strspn(s, " ");
        }
        fputc('\n', out);
}

struct cli_table {
        size_t ncols, nrows, cap;
        size_t *width;
        uint32_t kept; /* bits: columns that are not cut */
        char **cells;  /* owned, escaped */
};

struct cli_table *cli_table_new(size_t ncols, const char *const *head)
{
        struct cli_table *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->ncols = ncols;
        t->width = calloc(ncols, sizeof(*t->width));
        if (!t->width) {
                free(t);
                return NULL;
        }
        cli_table_row(t, head);
        return t;
}

void cli_table_row(struct cli_table *t, const char *const *cells)
{
        if (!t)
                return;
        if (t->nrows == t->cap) {
                size_t cap = t->cap ? 2 * t->cap : 16;
                char **grown = realloc(t->cells, cap * t->ncols * sizeof(char *));

                if (!grown)
                        return;
                t->cells = grown;
                t->cap = cap;
        }
        for (size_t i = 0; i < t->ncols; i++) {
                _cleanup_buf_ struct buf b;
                size_t wide;

                buf_init(&b, 1u << 16);
                escape(cells[i] ? cells[i] : "", &b);
                t->cells[t->nrows * t->ncols + i] = strdup(buf_cstr(&b));
                wide = columns(buf_cstr(&b), b.len);
                if (wide > t->width[i])
                        t->width[i] = wide;
        }
        t->nrows++;
}

void cli_table_keep(struct cli_table *t, size_t col)
{
        if (t)
                t->kept |= 1u << col;
}

/* The widest gives way until the line fits. */
static void fit(struct cli_table *t)
{
        for (;;) {
                size_t sum = 2 * (t->ncols - 1), widest = t->ncols;

                for (size_t i = 0; i < t->ncols; i++) {
                        sum += t->width[i];
                        if (!(t->kept & 1u << i) && (widest == t->ncols || t->width[i] > t->width[widest]))
                                widest = i;
                }
                if (sum <= CLI_WIDTH || widest == t->ncols || t->width[widest] <= 8)
                        return;
                t->width[widest]--;
        }
}

void cli_table_print(FILE *out, struct cli_table *t)
{
        if (!t)
                return;
        fit(t);
        for (size_t r = 0; r < t->nrows; r++)
                for (size_t i = 0; i < t->ncols; i++) {
                        char *cell = t->cells[r * t->ncols + i];
                        size_t wide = cell ? columns(cell, strlen(cell)) : 0;
                        bool last = i + 1 == t->ncols;

                        if (wide > t->width[i]) {
                                fprintf(out, "%.*s...", (int)bytes_for(cell, t->width[i] - 3), cell);
                                wide = t->width[i];
                        } else {
                                fputs(cell ? cell : "", out);
                        }
                        fprintf(out, "%*s", last ? 0 : (int)(t->width[i] - wide + 2), "");
                        if (last)
                                fputc('\n', out);
                        free(cell);
                }
        free(t->cells);
        free(t->width);
        free(t);
}
