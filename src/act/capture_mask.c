/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how texts of any length are masked with what mask.h does to short ones. Must not: parse: it runs with
 * privileges, and others wrote the text. Hands over: the text with marks, and how many.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "act/capture-priv.h"
#include "tidemark/event.h"
#include "tidemark/mask.h"

#define STRETCH 8192u /* bytes masked at once: a text with very many secrets is masked whole, a stretch is less */
#define BEFORE_MAX 1024u /* a flag is shorter */

/* ---- arguments ---- */

/* Up to the last end of an argument within a stretch, if there is one; else that argument, as far as one text goes. */
static uint32_t stretch(struct bytes text)
{
        uint32_t len = text.len < STRETCH ? text.len : STRETCH, at = len;

        if (len == text.len)
                return len;
        while (at > 0 && text.p[at - 1])
                at--;
        if (at)
                return at;
        while (len < text.len && len < TIDE_RECORD_MAX && text.p[len - 1])
                len++;
        return len;
}

/* Bytes of the last argument of a stretch, which may say that the next one is a secret; 0: it is too long for that. */
static uint32_t last_argument(const uint8_t *p, uint32_t len)
{
        uint32_t at = len - 1;

        if (p[at])
                return 0;
        while (at > 0 && p[at - 1])
                at--;
        return len - at <= BEFORE_MAX && len < TIDE_RECORD_MAX - BEFORE_MAX ? len - at : 0;
}

static size_t nuls(const uint8_t *p, size_t len)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += p[i] == 0;
        return n;
}

/* Looked at with the argument that stands before it, of which nothing is put. */
static int mask_behind(struct capture_run *r, struct bytes text, uint32_t before, struct buf *out)
{
        _cleanup_buf_ struct buf both, alone;
        const uint8_t *end = NULL;
        int values, others;

        buf_init(&both, 4 * TIDE_RECORD_MAX);
        buf_init(&alone, 4 * TIDE_RECORD_MAX);
        if (before && text.len + before <= TIDE_RECORD_MAX) {
                values = mask_text(r->mask, bytes_of(text.p - before, text.len + before), &both);
                others = mask_text(r->mask, bytes_of(text.p - before, before), &alone);
                if (values >= 0 && others >= 0 && nuls(both.p, both.len) == nuls(text.p, text.len) + 1)
                        end = memchr(both.p, 0, both.len);
        }
        if (!end) /* nothing stands before it, or a secret goes over both */
                return mask_text(r->mask, text, out);
        buf_put(out, end + 1, both.len - (size_t)(end + 1 - both.p));
        return out->err ? out->err : values > others ? values - others : 0;
}

/* How many secrets; negative: it could not be masked, and nothing was put. */
static int put(struct capture_run *r, struct bytes text, uint32_t before, struct buf *out)
{
        size_t len = out->len;
        int values = mask_behind(r, text, before, out);

        if (values < 0) {
                out->len = len;
                capture_note(r->notes, CAPTURE_REFUSED, BYTES_LIT("a text"), "it could not be masked", values);
                return values;
        }
        r->masked += (uint64_t)values;
        return values;
}

void capture_mask(struct capture_run *r, struct bytes text, struct buf *out)
{
        uint32_t before = 0;

        while (text.len > 0) {
                uint32_t len = stretch(text);

                if (put(r, bytes_of(text.p, len), before, out) < 0)
                        return;
                before = last_argument(text.p, len);
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
        uint32_t before = 0;
        size_t at = 0;

        buf_init(&f.words, (size_t)text.len * 2 + 16);
        buf_init(&masked, 4 * TIDE_RECORD_MAX);
        flatten(&f);
        left = buf_bytes(&f.words);
        if (f.error || f.words.err) {
                capture_note(r->notes, CAPTURE_REFUSED, BYTES_LIT("a text"), "it could not be masked", -ENOMEM);
                left.len = 0;
        }
        while (left.len > 0) {
                uint32_t len = stretch(left);

                buf_reset(&masked);
                if (put(r, bytes_of(left.p, len), before, &masked) < 0)
                        break;
                put_back(&f, buf_bytes(&masked), nuls(left.p, len), &at, out);
                before = last_argument(left.p, len);
                left = bytes_of(left.p + len, left.len - len);
        }
        buf_release(&f.words);
        free(f.list);
}
