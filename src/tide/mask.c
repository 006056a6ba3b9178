/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: compiled patterns, and where the secrets of a text are. Must not: log, or let through what was not looked at.
 * Hands over: texts in which secrets are replaced. The patterns themselves are read by mask_pattern.c.
 */
#include "tidemark/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tide/mask-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

#define CUT_WORD_MAX 256u /* of an unfinished last word: more is no password */

struct span {
        uint32_t from, to;
};

struct mask {
        struct mask_pattern *patterns;
        size_t n;
        struct buf text;              /* what is looked at: newlines for NULs, a NUL behind it */
        struct buf args;              /* what events borrow */
        struct buf labels, image_labels;
        struct buf words[3]; /* of an image: entrypoint, command, health check */
        struct span spans[MASK_VALUES_MAX];
        size_t nspans;
        struct mask_stats stats;
};

int mask_new(struct mask **ret)
{
        struct mask *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        buf_init(&m->text, TIDE_RECORD_MAX + 1);
        buf_init(&m->args, TIDE_RECORD_MAX);
        buf_init(&m->labels, TIDE_RECORD_MAX);
        buf_init(&m->image_labels, TIDE_RECORD_MAX);
        for (size_t i = 0; i < ARRAY_LEN(m->words); i++)
                buf_init(&m->words[i], TIDE_ARGS_MAX);
        *ret = m;
        return 0;
}

struct mask *mask_free(struct mask *m)
{
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n; i++)
                mask_pattern_release(&m->patterns[i]);
        free(m->patterns);
        buf_release(&m->text);
        buf_release(&m->args);
        buf_release(&m->labels);
        buf_release(&m->image_labels);
        for (size_t i = 0; i < ARRAY_LEN(m->words); i++)
                buf_release(&m->words[i]);
        free(m);
        return NULL;
}

int mask_add(struct mask *m, const char *pattern)
{
        struct mask_pattern *more = realloc(m->patterns, (m->n + 1) * sizeof(*more));
        char why[128];
        int r;

        if (!more)
                return -ENOMEM;
        m->patterns = more;
        r = mask_pattern_compile(pattern, &more[m->n], why, sizeof(why));
        m->n += r == 0;
        return r;
}

void mask_stats(const struct mask *m, struct mask_stats *ret)
{
        *ret = m->stats;
}

/* ---- how far a secret goes ---- */

static bool is_space(uint8_t c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A flag or a name, up to where its value begins. */
static bool is_name(const uint8_t *p, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (!(p[i] >= '0' && p[i] <= '9') && !((p[i] | 32) >= 'a' && (p[i] | 32) <= 'z') && p[i] != '-' &&
                    p[i] != '_' && p[i] != '.' && p[i] != '=' && p[i] != ':' && p[i] != '%')
                        return false;
        return true;
}

/* Is the argument that begins at `at` a script: does a flag such as -c or -lc stand before it? */
static bool is_script(struct bytes t, uint32_t at)
{
        uint32_t end = at ? at - 1 : 0, from = end;

        while (from > 0 && t.p[from - 1])
                from--;
        return end - from >= 2 && end - from <= 8 && t.p[from] == '-' && t.p[from + 1] != '-' && t.p[end - 1] == 'c';
}

/* Does a word end behind this quotation mark? */
static bool closes(struct bytes t, uint32_t at, uint32_t end)
{
        return at + 1 >= end || is_space(t.p[at + 1]) || memchr(";|&)}],\\\"'", t.p[at + 1], 9) != NULL;
}

static struct span quoted(struct bytes t, uint32_t from, uint32_t end, bool escaped)
{
        uint32_t at = from + 1;

        while (at < end && t.p[at] != t.p[from])
                at += !escaped && t.p[from] == '"' && t.p[at] == '\\' ? 2 : 1;
        if (at >= end)
                return (struct span){from, end};
        return (struct span){from + 1, escaped && at > from + 1 && t.p[at - 1] == '\\' ? at - 1 : at};
}

/* A word of a shell: a blank in quotation marks or behind a backslash does not end it. */
static struct span word(struct bytes t, uint32_t from, uint32_t end)
{
        uint32_t at = from;
        uint8_t open = 0;

        for (; at < end && (open || !is_space(t.p[at])); at++) {
                uint8_t c = t.p[at];

                if (c == open && closes(t, at, end))
                        return (struct span){from, at};
                if (c == open)
                        open = 0;
                else if (!open && (c == '"' || c == '\'') && closes(t, at, end))
                        return (struct span){from, at};
                else if (!open && (c == '"' || c == '\'') && memchr(t.p + at + 1, c, end - at - 1))
                        open = c;
                else if (c == '\\' && at + 1 < end)
                        at++;
        }
        return (struct span){from, at < end ? at : end};
}

/* The secret that begins at from. */
static struct span value_at(struct bytes t, uint32_t from)
{
        uint32_t begin = from, end = from, at = from;

        while (begin > 0 && t.p[begin - 1])
                begin--;
        while (end < t.len && t.p[end])
                end++;
        if (begin == from || (is_name(t.p + begin, from - begin) && !is_script(t, begin)))
                return (struct span){from, end};
        while (at < end && t.p[at] == '\\')
                at++;
        if (at < end && (t.p[at] == '"' || t.p[at] == '\''))
                return quoted(t, at, end, at > from);
        return word(t, from, end);
}

/* ---- where secrets are ---- */

/* false: there are too many. */
static bool found(struct mask *m, struct span s)
{
        if (s.to <= s.from)
                return true;
        if (m->nspans == MASK_VALUES_MAX)
                return false;
        m->spans[m->nspans++] = s;
        return true;
}

static bool match(const regex_t *re, const struct buf *text, uint32_t from, size_t n, regmatch_t *at)
{
        at[0].rm_so = (regoff_t)from;
        at[0].rm_eo = (regoff_t)text->len;
        return regexec(re, (const char *)text->p, n, at, REG_STARTEND) == 0;
}

static bool look(struct mask *m, const struct mask_pattern *p, struct bytes t)
{
        regmatch_t at[MASK_GROUPS_MAX + 1];
        bool more = true;

        if (p->has_context && !match(&p->context, &m->text, 0, 1, at))
                return true;
        for (uint32_t from = 0; more && from < t.len && match(&p->re, &m->text, from, p->group + 1u, at);) {
                uint32_t begin = (uint32_t)at[0].rm_so, end = (uint32_t)at[0].rm_eo;
                struct span s = {(uint32_t)at[p->group].rm_so, (uint32_t)at[p->group].rm_eo};

                if (p->group == 0) {
                        while (end > begin && end < t.len && is_space(t.p[end]) &&
                               (is_space(t.p[end - 1]) || t.p[end - 1] == '\0'))
                                end++;
                        s = value_at(t, end);
                } else if (at[p->group].rm_so < 0) {
                        s = (struct span){end, end};
                }
                more = found(m, s);
                from = s.to > end || p->group ? s.to : end;
                from = from > begin ? from : begin + 1;
        }
        return more;
}

static int by_place(const void *a, const void *b)
{
        const struct span *x = a, *y = b;

        return x->from != y->from ? (x->from < y->from ? -1 : 1) : x->to != y->to ? (x->to < y->to ? -1 : 1) : 0;
}

/* All secrets of the text, in order, none in another. */
static int find(struct mask *m, struct bytes t)
{
        size_t kept = 0;

        buf_reset(&m->text);
        m->nspans = 0;
        if (t.len > TIDE_RECORD_MAX)
                return -EINVAL;
        buf_put(&m->text, t.p, t.len);
        buf_put_u8(&m->text, 0);
        if (m->text.err)
                return m->text.err;
        m->text.len--;
        for (size_t i = 0; i < t.len; i++)
                if (m->text.p[i] == '\0')
                        m->text.p[i] = '\n';
        for (size_t i = 0; i < m->n; i++)
                if (!look(m, &m->patterns[i], t)) { /* nobody may be made to look for ever, nor to let the rest pass */
                        m->stats.full++;
                        m->spans[0] = (struct span){0, t.len};
                        m->nspans = 1;
                        return 0;
                }
        qsort(m->spans, m->nspans, sizeof(m->spans[0]), by_place);
        for (size_t i = 0; i < m->nspans; i++) {
                if (kept && m->spans[i].from <= m->spans[kept - 1].to) {
                        if (m->spans[i].to > m->spans[kept - 1].to)
                                m->spans[kept - 1].to = m->spans[i].to;
                } else {
                        m->spans[kept++] = m->spans[i];
                }
        }
        m->nspans = kept;
        return 0;
}

/* ---- texts and events ---- */

/* Append bytes from..to of the text, with marks for the secrets in it. */
static void put(struct mask *m, struct bytes t, uint32_t from, struct buf *out)
{
        for (size_t i = 0; i < m->nspans; i++) {
                const struct span *s = &m->spans[i];

                if (s->to <= from)
                        continue;
                if (s->from > from)
                        buf_put(out, t.p + from, s->from - from);
                buf_put_str(out, MASK_MARK);
                from = s->to;
                m->stats.values++;
        }
        buf_put(out, t.p + from, t.len - from);
}

int mask_text(struct mask *m, struct bytes text, struct buf *out)
{
        uint64_t before = m->stats.values;
        int r = find(m, text);

        if (r < 0)
                return r;
        put(m, text, 0, out);
        return out->err ? out->err : (int)(m->stats.values - before);
}

static struct bytes without_cut_word(struct bytes args)
{
        uint32_t len = args.len;

        while (len > 0 && args.len - len < CUT_WORD_MAX && args.p[len - 1] && !is_space(args.p[len - 1]))
                len--;
        return (struct bytes){args.p, args.len - len < CUT_WORD_MAX ? len : args.len};
}

static struct bytes masked(struct mask *m, struct bytes text, uint32_t max)
{
        int r;

        buf_reset(&m->args);
        r = text.len ? mask_text(m, text, &m->args) : 0;
        if (r < 0) {
                m->stats.failed++;
                return BYTES_LIT(MASK_MARK);
        }
        if (r == 0)
                return text;
        return (struct bytes){m->args.p, m->args.len < max ? (uint32_t)m->args.len : max};
}

static void put_label(struct mask *m, struct bytes key, struct bytes value, struct buf *out)
{
        struct bytes text = buf_bytes(&m->args);

        if (m->nspans == 0 || m->spans[m->nspans - 1].to <= key.len + 1) {
                tide_list_put(out, key, value);
                return;
        }
        buf_reset(&m->text); /* nothing is looked for in it any more */
        put(m, text, key.len + 1, &m->text);
        tide_list_put(out, key, m->text.err ? BYTES_LIT(MASK_MARK) : buf_bytes(&m->text));
}

/* A label is looked at as key=value; only of the value anything is replaced. */
static struct bytes masked_labels(struct mask *m, struct bytes list, struct buf *out)
{
        struct bytes key, value;
        struct rd r;

        buf_reset(out);
        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &key, &value) == 1) {
                buf_reset(&m->args);
                buf_put(&m->args, key.p, key.len);
                buf_put_u8(&m->args, '=');
                buf_put(&m->args, value.p, value.len);
                if (m->args.err || find(m, buf_bytes(&m->args)) < 0) {
                        m->stats.failed++;
                        tide_list_put(out, key, BYTES_LIT(MASK_MARK));
                        continue;
                }
                put_label(m, key, value, out);
        }
        if (out->err) { /* marks made it longer than an event takes */
                m->stats.failed++;
                return (struct bytes){0};
        }
        return buf_bytes(out);
}

static struct bytes masked_words(struct mask *m, struct bytes text, struct buf *out)
{
        struct bytes words = masked(m, text, TIDE_ARGS_MAX);

        buf_reset(out);
        buf_put(out, words.p, words.len < TIDE_ARGS_MAX ? words.len : TIDE_ARGS_MAX);
        return out->err ? BYTES_LIT(MASK_MARK) : buf_bytes(out);
}

void mask_event(struct mask *m, struct tide_event *ev)
{
        if (ev->kind == TIDE_EXEC) {
                struct bytes args = ev->exec.args;

                if (ev->exec.args_total > args.len)
                        args = without_cut_word(args);
                ev->exec.args = masked(m, args, TIDE_ARGS_MAX);
        } else if (ev->kind == TIDE_CONTENT) {
                ev->content.labels = masked_labels(m, ev->content.labels, &m->labels);
                ev->content.image_labels = masked_labels(m, ev->content.image_labels, &m->image_labels);
                ev->content.health = masked(m, ev->content.health, TIDE_ARGS_MAX);
        } else if (ev->kind == TIDE_PRIOR && ev->prior.part == PRIOR_BEGIN) {
                ev->prior.entrypoint = masked_words(m, ev->prior.entrypoint, &m->words[0]);
                ev->prior.command = masked_words(m, ev->prior.command, &m->words[1]);
                ev->prior.health = masked_words(m, ev->prior.health, &m->words[2]);
        }
}
