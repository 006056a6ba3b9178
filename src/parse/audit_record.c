/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: reading one audit record: its head, its fields, what a value says. Must not: keep anything, or take a length or
 * number for what it is not. Hands over: borrowed pieces of the text.
 */
#include "tidemark/audit.h"

#include <errno.h>

#include "tidemark/buf.h"

#define ENRICHED 0x1d /* auditd's own words begin here: AUDIT_INTERP_SEPARATOR of its libaudit.h */

/* Words of auditd for the types, from its msg_typetab.h. */
static const struct {
        uint16_t type;
        const char *word;
} types[] = {
        {AUDIT_REC_SYSCALL, "SYSCALL"}, {AUDIT_REC_PATH, "PATH"},     {AUDIT_REC_SOCKADDR, "SOCKADDR"},
        {AUDIT_REC_CWD, "CWD"},         {AUDIT_REC_EXECVE, "EXECVE"}, {AUDIT_REC_EOE, "EOE"},
};

static uint16_t type_of(uint16_t number, struct bytes word)
{
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if (types[i].type == number || (number == 0 && bytes_eq(word, bytes_str(types[i].word))))
                        return types[i].type;
        return AUDIT_REC_NONE;
}

static void skip(struct bytes *s, uint32_t n)
{
        s->p += n;
        s->len -= n;
}

static bool take_word(struct bytes *s, const char *word)
{
        struct bytes w = bytes_str(word);

        if (!bytes_has_prefix(*s, w))
                return false;
        skip(s, w.len);
        return true;
}

/* Up to the next space, which is taken too. */
static struct bytes take_token(struct bytes *s)
{
        struct bytes t = {s->p, 0};

        while (t.len < s->len && s->p[t.len] != ' ')
                t.len++;
        skip(s, t.len);
        if (s->len)
                skip(s, 1);
        return t;
}

/* Decimal, at least one digit, below 2^53: no sum of these overflows. */
static bool take_number(struct bytes *s, uint64_t *ret)
{
        uint64_t v = 0;
        uint32_t n = 0;

        for (; n < s->len && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
                if (v >= UINT64_C(1) << 53)
                        return false;
                v = v * 10 + (uint64_t)(s->p[n] - '0');
        }
        if (n == 0)
                return false;
        skip(s, n);
        *ret = v;
        return true;
}

static struct bytes trimmed(struct bytes s)
{
        for (uint32_t i = 0; i < s.len; i++)
                if (s.p[i] == ENRICHED || s.p[i] == '\n' || s.p[i] == '\0')
                        s.len = i;
        while (s.len && s.p[s.len - 1] == ' ')
                s.len--;
        return s;
}

int audit_record_decode(uint16_t type, struct bytes text, struct audit_record *ret)
{
        struct audit_record r = {0};
        struct bytes s = trimmed(text), word = BYTES_LIT("");
        uint64_t sec, ms;

        if (type == 0) {
                if (take_word(&s, "node="))
                        take_token(&s);
                if (!take_word(&s, "type="))
                        return -EINVAL;
                word = take_token(&s);
                if (!take_word(&s, "msg="))
                        return -EINVAL;
        }
        r.type = type_of(type, word);
        if (r.type == AUDIT_REC_NONE)
                return -ENOMSG;
        if (!take_word(&s, "audit(") || !take_number(&s, &sec) || !take_word(&s, ".") || !take_number(&s, &ms) ||
            !take_word(&s, ":") || !take_number(&s, &r.serial) || !take_word(&s, "):"))
                return -EINVAL;
        if (ms > 999 || sec > INT64_MAX / 1000000000 - 1)
                return -EINVAL;
        r.wall_ns = (int64_t)sec * 1000000000 + (int64_t)ms * 1000000;
        while (s.len && s.p[0] == ' ')
                skip(&s, 1);
        r.fields = s;
        *ret = r;
        return 0;
}

bool audit_field_next(struct bytes *rest, struct audit_field *ret)
{
        while (rest->len) {
                struct audit_field f = {.name = {rest->p, 0}};

                while (f.name.len < rest->len && rest->p[f.name.len] != '=' && rest->p[f.name.len] != ' ')
                        f.name.len++;
                skip(rest, f.name.len);
                if (rest->len == 0)
                        return false;
                skip(rest, 1);
                if (rest->p[-1] == ' ' || f.name.len == 0)
                        continue;
                f.quoted = rest->len && rest->p[0] == '"';
                if (f.quoted)
                        skip(rest, 1);
                f.value = (struct bytes){rest->p, 0};
                while (f.value.len < rest->len && rest->p[f.value.len] != (f.quoted ? '"' : ' '))
                        f.value.len++;
                if (f.quoted && f.value.len == rest->len) { /* cut within it: what is there may be half a word */
                        skip(rest, rest->len);
                        return false;
                }
                skip(rest, f.value.len);
                if (rest->len)
                        skip(rest, 1);
                *ret = f;
                return true;
        }
        return false;
}

static int digit(uint8_t c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int audit_field_text(const struct audit_field *f, struct buf *out)
{
        struct bytes v = f->value;

        if (f->quoted) {
                buf_put(out, v.p, v.len);
                return 0;
        }
        if (bytes_eq(v, BYTES_LIT("(null)")) || bytes_eq(v, BYTES_LIT("(none)")) || bytes_eq(v, BYTES_LIT("?")))
                return 0;
        for (uint32_t i = 0; i < v.len; i++)
                if (digit(v.p[i]) < 0)
                        return -EINVAL;
        if (v.len % 2)
                return -EINVAL;
        for (uint32_t i = 0; i < v.len; i += 2)
                buf_put_u8(out, (uint8_t)(digit(v.p[i]) << 4 | digit(v.p[i + 1])));
        return 0;
}
