/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json - values of ours as JSON values.
 *
 * Owns:  how a time, a number of bits, and bytes that a container chose look in JSON.
 * Never: decides what is shown; that is finding_json.c's and query.c's.
 */
#include "case/json-priv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"

/* Escaping makes at most four bytes of one. */
#define TEXT_MAX (4u * 1024 * 1024)

json_t *cj_text(struct bytes s)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, TEXT_MAX);
        str_escape(s, &b);
        if (b.err)
                return NULL;
        return json_stringn_nocheck(b.len ? (const char *)b.p : "", b.len);
}

json_t *cj_text_or_null(struct bytes s)
{
        return s.len ? cj_text(s) : json_null();
}

/* Would escaping change nothing but the backslashes? Then they are escapes made before. */
static bool is_printable(struct bytes s)
{
        _cleanup_buf_ struct buf b;
        uint32_t from = 0;

        buf_init(&b, TEXT_MAX);
        for (uint32_t i = 0; i <= s.len; i++) {
                struct bytes run;

                if (i < s.len && s.p[i] != '\\')
                        continue;
                run = bytes_of(s.p + from, i - from);
                buf_reset(&b);
                str_escape(run, &b);
                if (b.err || b.len != run.len)
                        return false;
                from = i + 1;
        }
        return true;
}

json_t *cj_words(struct bytes s)
{
        if (s.len == 0)
                return json_string("");
        if (!is_printable(s))
                return cj_text(s);
        return json_stringn_nocheck((const char *)s.p, s.len);
}

json_t *cj_words_or_null(struct bytes s)
{
        return s.len ? cj_words(s) : json_null();
}

json_t *cj_time(int64_t wall_ns)
{
        int64_t ns = wall_ns % 1000000000, s = wall_ns / 1000000000;
        char text[64];
        struct tm tm;
        time_t t;

        if (wall_ns == 0)
                return json_null();
        if (ns < 0) {
                ns += 1000000000;
                s--;
        }
        t = (time_t)s;
        if (!gmtime_r(&t, &tm))
                return json_null();
        snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ns / 1000));
        return json_string(text);
}

int cj_time_read(const json_t *v, int64_t *ret)
{
        const char *text = json_string_value(v);
        _cleanup_json_ json_t *again = NULL;
        int year, month, us;
        struct tm tm = {0};
        int64_t ns;

        *ret = 0;
        if (json_is_null(v))
                return 0;
        if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ", &year, &month, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                            &tm.tm_sec, &us) != 7)
                return -EINVAL;
        if (year < 1970 || year > 2261) /* what 64 bits of nanoseconds hold */
                return -EINVAL;
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        ns = (int64_t)timegm(&tm) * 1000000000 + (int64_t)us * 1000;
        again = cj_time(ns);
        if (!again || !json_is_string(again) || strcmp(json_string_value(again), text) != 0)
                return -EINVAL;
        *ret = ns;
        return 0;
}

json_t *cj_u64(uint64_t v)
{
        return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

json_t *cj_u64_or_null(bool known, uint64_t v)
{
        return known ? cj_u64(v) : json_null();
}

json_t *cj_id_or_null(uint32_t v)
{
        return v == UINT32_MAX ? json_null() : json_integer(v);
}

json_t *cj_watched(uint8_t flows)
{
        return flows == FLOWS_UNTOLD ? json_null() : json_boolean(flows == FLOWS_WATCHED);
}

json_t *cj_bits(int32_t quarters)
{
        return json_real(quarters / 4.0);
}

json_t *cj_real(double v)
{
        return isfinite(v) ? json_real(v) : json_null();
}

json_t *cj_split(struct bytes s)
{
        _cleanup_json_ json_t *a = json_array();
        uint32_t from = 0;

        if (!a)
                return NULL;
        for (uint32_t i = 0; i <= s.len; i++) {
                if (i < s.len && s.p[i] != 0)
                        continue;
                /* A NUL at the very end closes the last string, it does not open another. */
                if (i == s.len && from == s.len)
                        break;
                if (json_array_append_new(a, cj_text(bytes_of(s.p + from, i - from))) < 0)
                        return NULL;
                from = i + 1;
        }
        return TAKE_PTR(a);
}

json_t *cj_list(struct bytes list)
{
        _cleanup_json_ json_t *o = json_object();
        _cleanup_buf_ struct buf name;
        struct bytes k, v;
        struct rd r;

        buf_init(&name, TEXT_MAX);
        if (!o)
                return NULL;
        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &k, &v)) {
                buf_reset(&name);
                str_escape(k, &name);
                if (name.err)
                        return NULL;
                if (json_object_get(o, buf_cstr(&name)))
                        continue;
                if (json_object_set_new(o, buf_cstr(&name), cj_text(v)) < 0)
                        return NULL;
        }
        return TAKE_PTR(o);
}

json_t *cj_phases(uint32_t phases)
{
        _cleanup_json_ json_t *a = json_array();

        for (unsigned p = PHASE_STARTUP; p <= PHASE_SHUTDOWN; p++)
                if ((phases & 1u << p) && json_array_append_new(a, json_string(finding_phase_name(p))) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

json_t *cj_flags(unsigned flags)
{
        static const struct {
                unsigned flag;
                const char *word;
        } words[] = {
                {EVF_LOSS_NEAR, "loss-near"},
                {EVF_BEFORE, "before-watch"},
                {EVF_GAP, "in-gap"},
                {EVF_NO_ARGS, "no-arguments"},
        };
        _cleanup_json_ json_t *a = json_array();

        for (size_t i = 0; a && i < ARRAY_LEN(words); i++)
                if ((flags & words[i].flag) && json_array_append_new(a, json_string(words[i].word)) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

json_t *cj_finding_id(uint64_t id)
{
        char text[32];

        if (id == 0)
                return json_null();
        snprintf(text, sizeof(text), "F-%llu", (unsigned long long)id);
        return json_string(text);
}
