/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a pattern is written (mask.h), and which ones are refused because a hostile text could make them slow or
 * large. Must not: look at texts. Hands over: compiled expressions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tide/mask-priv.h"
#include "tidemark/mask.h"

#define REPEATS_MAX 1000u /* product of the upper bounds of all {n,m} */

struct reading {
        char out[MASK_PATTERN_MAX + 2];
        size_t len;
        unsigned groups, secret, open_at, depth;
        unsigned long repeats;
        char *why;
        size_t size;
};

static int refuse(struct reading *r, const char *why)
{
        snprintf(r->why, r->size, "%s", why);
        return -EINVAL;
}

static void put(struct reading *r, const char *p, size_t n)
{
        memcpy(r->out + r->len, p, n); /* never longer than the pattern, which is shorter than out */
        r->len += n;
}

/* Length of the bracket expression at p, 0 if it does not end. */
static size_t bracket(const char *p)
{
        size_t i = 1;

        i += p[i] == '^';
        i += p[i] == ']';
        while (p[i] && p[i] != ']') {
                if (p[i] == '[' && (p[i + 1] == ':' || p[i + 1] == '.' || p[i + 1] == '=')) {
                        const char end[] = {p[i + 1], ']', '\0'}, *close = strstr(p + i + 2, end);

                        if (!close)
                                return 0;
                        i = (size_t)(close - p) + 2;
                } else {
                        i++;
                }
        }
        return p[i] ? i + 1 : 0;
}

static int repeat(struct reading *r, const char *p)
{
        const char *comma = strchr(p, ','), *end = strchr(p, '}');
        unsigned long n = end && comma && comma < end && comma + 1 < end ? strtoul(comma + 1, NULL, 10)
                                                                         : strtoul(p + 1, NULL, 10);

        if (n == 0)
                n = 1;
        if (n > REPEATS_MAX || r->repeats * n > REPEATS_MAX)
                return refuse(r, "it repeats too often: the numbers in {} may make 1000 together");
        r->repeats *= n;
        return 0;
}

/* One piece of the pattern; its length. */
static int piece(struct reading *r, const char *p)
{
        size_t n = 1;

        switch (*p) {
        case '\\':
                if (p[1] >= '1' && p[1] <= '9')
                        return refuse(r, "a back reference (\\1) is not taken: a hostile text could make it very slow");
                n = p[1] ? 2 : 1;
                break;
        case '[':
                n = bracket(p);
                if (n == 0)
                        return refuse(r, "a [ is not closed");
                break;
        case '{':
                if (repeat(r, p) < 0)
                        return -EINVAL;
                break;
        case '(':
                r->groups++;
                r->depth++;
                break;
        case ')':
                r->depth -= r->depth > 0;
                break;
        case '<':
                if (r->secret)
                        return refuse(r, "only one part can be between < and > (a < itself is written [<])");
                r->secret = ++r->groups;
                r->open_at = ++r->depth;
                put(r, "(", 1);
                return 1;
        case '>':
                if (!r->secret || r->open_at == 0 || r->open_at != r->depth)
                        return refuse(r, "a > without its < (a > itself is written [>])");
                r->open_at = 0;
                r->depth--;
                put(r, ")", 1);
                return 1;
        default:
                break;
        }
        put(r, p, n);
        return (int)n;
}

static int compile(struct reading *r, const char *p, size_t len, bool context, regex_t *ret)
{
        char copy[MASK_PATTERN_MAX];
        regmatch_t at[1];
        int n, err;

        memcpy(copy, p, len);
        copy[len] = '\0';
        r->len = r->groups = r->secret = r->open_at = r->depth = 0;
        r->repeats = 1;
        for (const char *c = copy; *c; c += n) {
                n = piece(r, c);
                if (n < 0)
                        return n;
        }
        r->out[r->len] = '\0';
        if (r->open_at)
                return refuse(r, "a < without its > (a < itself is written [<])");
        if (context && r->secret)
                return refuse(r, "the secret cannot be in the part before ::");
        if (r->groups > MASK_GROUPS_MAX)
                return refuse(r, "too many groups: at most 16");
        err = regcomp(ret, r->out, REG_EXTENDED | REG_ICASE);
        if (err) {
                regerror(err, ret, r->why, r->size);
                return -EINVAL;
        }
        if (regexec(ret, "", 1, at, 0) == 0) {
                regfree(ret);
                return refuse(r, "it matches the empty text, and so everything");
        }
        return 0;
}

int mask_pattern_compile(const char *pattern, struct mask_pattern *ret, char *why, size_t size)
{
        const char *sep = strstr(pattern, " :: "), *rest = sep ? sep + 4 : pattern;
        struct mask_pattern p = {.has_context = sep != NULL};
        struct reading r = {.why = why, .size = size};

        if (!*rest || sep == pattern)
                return refuse(&r, "it is empty");
        if (strlen(pattern) >= MASK_PATTERN_MAX)
                return refuse(&r, "it is too long: at most 199 characters");
        if (sep && compile(&r, pattern, (size_t)(sep - pattern), true, &p.context) < 0)
                return -EINVAL;
        if (compile(&r, rest, strlen(rest), false, &p.re) < 0) {
                if (sep)
                        regfree(&p.context);
                return -EINVAL;
        }
        p.group = r.secret;
        *ret = p;
        return 0;
}

void mask_pattern_release(struct mask_pattern *p)
{
        regfree(&p->re);
        if (p->has_context)
                regfree(&p->context);
}

int mask_check(const char *pattern, char *why, size_t size)
{
        struct mask_pattern p;
        int r = mask_pattern_compile(pattern, &p, why, size);

        if (r == 0)
                mask_pattern_release(&p);
        return r;
}
