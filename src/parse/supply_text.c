/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: how texts, digests and times are taken out of JSON. Must not: know what they are of. Pure. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "parse/supply-priv.h"

#define NSEC_PER_SEC 1000000000

json_t *supply_json(struct bytes text)
{
        return json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

bool supply_copy(const char *text, char *dst, size_t size)
{
        size_t n = text ? strlen(text) : 0;

        dst[0] = '\0';
        if (n >= size) {
                n = size - 1;
                while (n && ((uint8_t)text[n] & 0xc0) == 0x80) /* not within a character */
                        n--;
        }
        if (n)
                memcpy(dst, text, n);
        dst[n] = '\0';
        return n > 0;
}

bool supply_text(const json_t *o, const char *name, char *dst, size_t size)
{
        return supply_copy(json_string_value(json_object_get(o, name)), dst, size);
}

bool supply_is_digest(const char *text)
{
        if (!text || strncmp(text, "sha256:", 7) != 0 || strlen(text) != SUPPLY_DIGEST - 1)
                return false;
        return strspn(text + 7, "0123456789abcdef") == 64;
}

bool supply_find_digest(const char *text, char dst[SUPPLY_DIGEST])
{
        const char *p = text ? strrchr(text, '@') : NULL;
        char found[SUPPLY_DIGEST] = "sha256:";

        p = p ? p + 1 : text;
        if (!p)
                return false;
        if (strncmp(p, "sha256:", 7) == 0)
                p += 7;
        else if (strncmp(p, "sha256%3A", 9) == 0 || strncmp(p, "sha256%3a", 9) == 0)
                p += 9;
        else
                return false;
        if (strspn(p, "0123456789abcdef") != 64 || (p[64] && p[64] != '?' && p[64] != '#'))
                return false;
        memcpy(found + 7, p, 64);
        found[SUPPLY_DIGEST - 1] = '\0';
        memcpy(dst, found, SUPPLY_DIGEST);
        return true;
}

static int digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool supply_sha256(const char *hex, uint8_t dst[TIDE_SHA256])
{
        uint8_t sum[TIDE_SHA256];

        if (!hex || strlen(hex) != (size_t)2 * TIDE_SHA256)
                return false;
        for (unsigned i = 0; i < TIDE_SHA256; i++) {
                int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                sum[i] = (uint8_t)(high << 4 | low);
        }
        memcpy(dst, sum, sizeof(sum));
        return true;
}

void supply_say(char *words, size_t size, const char *fmt, ...)
{
        size_t n = strlen(words);
        char one[SUPPLY_WHY];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(one, sizeof(one), fmt, ap);
        va_end(ap);
        if (n + strlen(one) + 3 <= size)
                snprintf(words + n, size - n, "%s%s", n ? "; " : "", one);
}

/* Digits, so many; advances. -1: they are not there. */
static int number(const char **p, int n)
{
        int v = 0;

        while (n-- > 0) {
                if (**p < '0' || **p > '9')
                        return -1;
                v = 10 * v + (*(*p)++ - '0');
        }
        return v;
}

static bool expect(const char **p, const char *any)
{
        if (!**p || !strchr(any, **p))
                return false;
        ++*p;
        return true;
}

static int64_t fraction(const char **p)
{
        int64_t ns = 0, unit = NSEC_PER_SEC / 10;

        if (!expect(p, "."))
                return 0;
        for (; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
                ns += (**p - '0') * unit;
        return ns;
}

/* Seconds ahead of UTC; false: no offset is there. */
static bool offset(const char **p, int *ret)
{
        int sign = **p == '-' ? -1 : 1, hours, minutes;

        *ret = 0;
        if (expect(p, "zZ"))
                return true;
        if (!expect(p, "+-"))
                return false;
        hours = number(p, 2);
        if (hours < 0 || hours > 23 || !expect(p, ":"))
                return false;
        minutes = number(p, 2);
        *ret = sign * (hours * 3600 + minutes * 60);
        return minutes >= 0 && minutes < 60;
}

int64_t supply_time(const char *text)
{
        struct tm tm = {.tm_year = 0};
        const char *p = text;
        int ahead = 0;
        int64_t ns;
        time_t t;

        if (!p)
                return 0;
        tm.tm_year = number(&p, 4) - 1900;
        if (tm.tm_year < 70 || tm.tm_year > 300 || !expect(&p, "-"))
                return 0;
        tm.tm_mon = number(&p, 2) - 1;
        if (!expect(&p, "-"))
                return 0;
        tm.tm_mday = number(&p, 2);
        if (!expect(&p, "Tt "))
                return 0;
        tm.tm_hour = number(&p, 2);
        if (!expect(&p, ":"))
                return 0;
        tm.tm_min = number(&p, 2);
        if (!expect(&p, ":"))
                return 0;
        tm.tm_sec = number(&p, 2);
        ns = fraction(&p);
        if (!offset(&p, &ahead) || *p || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
            tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
                return 0;
        t = timegm(&tm) - ahead;
        return t > 0 && t < INT64_MAX / (int64_t)NSEC_PER_SEC - 1 ? (int64_t)t * (int64_t)NSEC_PER_SEC + ns : 0;
}

int supply_add_subject(struct supply_doc *doc, const char *digest, const char *image, const char *from)
{
        struct supply_document *d = &doc->d;
        struct supply_subject *k;

        for (uint32_t i = 0; i < d->nsubjects; i++)
                if (strcmp(d->subjects[i].digest, digest) == 0)
                        return 0;
        if (d->nsubjects == SUPPLY_SUBJECTS) {
                d->subjects_left_out++;
                return 0;
        }
        k = &d->subjects[d->nsubjects++];
        supply_copy(digest, k->digest, sizeof(k->digest));
        supply_copy(image, k->image, sizeof(k->image));
        k->from = from;
        return 1;
}
