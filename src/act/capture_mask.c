/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how texts of any length are masked with what mask.h does to short ones. Must not: parse: it runs with
 * privileges, and others wrote the text. Hands over: the text with marks, and how many.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "act/capture-priv.h"
#include "tidemark/mask.h"

#define STRETCH 8192u /* bytes masked at once: a text with very many secrets is masked whole, a stretch is less */

/* ---- arguments ---- */

/* Up to the last end of an argument within a stretch, if there is one. */
static uint32_t stretch(struct bytes text)
{
        uint32_t len = text.len < STRETCH ? text.len : STRETCH, at = len;

        if (len == text.len)
                return len;
        while (at > 0 && text.p[at - 1])
                at--;
        return at ? at : len;
}

/* How many secrets; negative: it could not be masked, and nothing was put. */
static int put(struct capture_run *r, struct bytes text, struct buf *out)
{
        size_t before = out->len;
        int values = mask_text(r->mask, text, out);

        if (values < 0) {
                out->len = before;
                capture_note(r->notes, CAPTURE_REFUSED, BYTES_LIT("a text"), "it could not be masked", values);
                return values;
        }
        r->masked += (uint64_t)values;
        return values;
}

void capture_mask(struct capture_run *r, struct bytes text, struct buf *out)
{
        while (text.len > 0) {
                uint32_t len = stretch(text);

                if (put(r, bytes_of(text.p, len), out) < 0)
                        return;
                text = bytes_of(text.p + len, text.len - len);
        }
}

/* ---- JSON: what stands between two texts becomes a NUL, and is put back afterwards ---- */

struct between {
        uint32_t at, len; /* of the text */
        bool colon;       /* a colon was put in front of the NUL */
};

struct flat {
        struct bytes text;
        struct buf words;
        struct between *list;
        size_t n, room;
        int error;
};

static void add_between(struct flat *f, uint32_t from, uint32_t to)
{
        struct between *more;
        bool colon = memchr(f->text.p + from, ':', to - from) != NULL;

        if (f->n == f->room) {
                f->room = f->room ? f->room * 2 : 256;
                more = realloc(f->list, f->room * sizeof(*more));
                if (!more) {
                        f->error = -ENOMEM;
                        return;
                }
                f->list = more;
        }
        f->list[f->n++] = (struct between){.at = from, .len = to - from, .colon = colon};
        if (colon)
                buf_put_u8(&f->words, ':');
        buf_put_u8(&f->words, 0);
}

/* The end of a text in quotation marks: where its closing one is. */
static uint32_t end_of_word(struct bytes t, uint32_t at)
{
        while (at < t.len && t.p[at] != '"')
                at += t.p[at] == '\\' ? 2 : 1;
        return at < t.len ? at : t.len;
}

/* Something between, a word, something between (its closing mark belongs to that), a word, … */
static void flatten(struct flat *f)
{
        uint32_t at = 0, len = f->text.len;

        while (at < len && !f->error) {
                uint32_t from = at ? at + 1 : 0, word, end; /* behind the closing mark */
                const uint8_t *quote = from < len ? memchr(f->text.p + from, '"', len - from) : NULL;

                word = quote ? (uint32_t)(quote - f->text.p) + 1 : len;
                add_between(f, at, word);
                end = end_of_word(f->text, word);
                for (uint32_t i = word; i < end; i++)
                        buf_put_u8(&f->words, f->text.p[i] ? f->text.p[i] : ' '); /* JSON has no NUL */
                at = end;
        }
}

static size_t nuls(const uint8_t *p, size_t len)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += p[i] == 0;
        return n;
}

/* *at: the number of what comes next in the list. */
static void put_back(const struct flat *f, struct bytes masked, size_t expected, size_t *at, struct buf *out)
{
        size_t first = *at;

        *at += expected;
        if (nuls(masked.p, masked.len) != expected) { /* so many secrets that all of it is masked */
                buf_put_str(out, MASK_MARK);
                return;
        }
        for (uint32_t i = 0; i < masked.len; i++) {
                const struct between *b = &f->list[first < f->n ? first : 0];

                if (masked.p[i]) {
                        buf_put_u8(out, masked.p[i]);
                        continue;
                }
                if (b->colon && i > 0 && masked.p[i - 1] == ':' && out->len > 0)
                        out->len--;
                buf_put(out, f->text.p + b->at, b->len);
                first++;
        }
}

void capture_mask_json(struct capture_run *r, struct bytes text, struct buf *out)
{
        struct flat f = {.text = text};
        _cleanup_buf_ struct buf masked;
        struct bytes left;
        size_t at = 0;

        buf_init(&f.words, (size_t)text.len * 2 + 16);
        buf_init(&masked, STRETCH * 16);
        flatten(&f);
        left = buf_bytes(&f.words);
        if (f.error || f.words.err) {
                capture_note(r->notes, CAPTURE_REFUSED, BYTES_LIT("a text"), "it could not be masked", -ENOMEM);
                left.len = 0;
        }
        while (left.len > 0) {
                uint32_t len = stretch(left);

                buf_reset(&masked);
                if (put(r, bytes_of(left.p, len), &masked) < 0)
                        break;
                put_back(&f, buf_bytes(&masked), nuls(left.p, len), &at, out);
                left = bytes_of(left.p + len, left.len - len);
        }
        buf_release(&f.words);
        free(f.list);
}
