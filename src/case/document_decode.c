/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * document_decode - a baseline's document, read.
 *
 * Owns:  what may stand in a document of this version, and saying where it does not: the line, the member, what was
 *        found, what was expected.
 * Never: decides what of it is taken (judge/transfer.c).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case/json-priv.h"
#include "tidemark/buf.h"
#include "tidemark/document.h"
#include "tidemark/event.h"

#define T(t) (1u << (t))
#define T_STRING T(JSON_STRING)
#define T_NULL T(JSON_NULL)
#define T_BOOL (T(JSON_TRUE) | T(JSON_FALSE))
#define T_NUMBER T(JSON_INTEGER)

struct reader {
        struct bytes text;
        struct document *d;
        char *why;
        const char *list; /* "entries", "candidates"; NULL: outside of both */
        size_t index;     /* in it */
};

/* ---- places ---- */

/* Behind a string that begins at i. */
static uint32_t skip_string(struct bytes text, uint32_t i)
{
        for (i++; i < text.len && text.p[i] != '"'; i++)
                i += text.p[i] == '\\';
        return i + 1;
}

/* Is the string at i this member's name? */
static bool is_name(struct bytes text, uint32_t i, const char *name)
{
        size_t n = strlen(name);

        return i + n + 1 < text.len && memcmp(text.p + i + 1, name, n) == 0 && text.p[i + 1 + n] == '"';
}

/*
 * The line on which the value with this index begins, of the list of this name in the outermost object; NULL: on which
 * the member itself stands. Of text that is JSON; 0: there is none.
 */
static unsigned line_of(struct bytes text, const char *name, const size_t *index)
{
        unsigned line = 1, depth = 0;
        bool inside = false, begins = false;
        uint8_t before = 0; /* the last one that is no space */
        size_t n = 0;

        for (uint32_t i = 0; i < text.len; i++) {
                uint8_t c = text.p[i];

                line += c == '\n';
                if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
                        continue;
                if (begins && c != ']' && n++ == *index)
                        return line;
                if (c == '"') {
                        if (depth == 1 && (before == '{' || before == ','))
                                inside = is_name(text, i, name);
                        if (inside && depth == 1 && !index)
                                return line;
                        i = skip_string(text, i) - 1;
                } else if (c == '{' || c == '[') {
                        depth++;
                } else if (c == '}' || c == ']') {
                        depth--;
                }
                before = c;
                begins = index && inside && depth == 2 && (c == '[' || c == ',');
        }
        return 0;
}

static int TM_PRINTF(3, 4) fail(struct reader *r, const char *member, const char *fmt, ...)
{
        unsigned line = r->list ? line_of(r->text, r->list, &r->index) : line_of(r->text, member, NULL);
        int n = 0;
        va_list ap;

        if (line)
                n += snprintf(r->why, DOCUMENT_WHY, "line %u: ", line);
        if (r->list)
                n += snprintf(r->why + n, DOCUMENT_WHY - (size_t)n, "%s[%zu]: ", r->list, r->index);
        va_start(ap, fmt);
        vsnprintf(r->why + n, DOCUMENT_WHY - (size_t)n, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- values ---- */

/* Unescaped, into the document's space. */
static int get_bytes(struct reader *r, const char *member, const json_t *v, size_t max, struct bytes *ret)
{
        struct bytes text = bytes_of(json_string_value(v), json_string_length(v));
        _cleanup_buf_ struct buf b;
        char shown[80];
        int err;

        *ret = bytes_of(NULL, 0);
        buf_init(&b, (size_t)text.len + 1);
        if (!json_is_string(v)) /* null */
                return 0;
        err = str_unescape(text, &b);
        if (err == -ENOMEM)
                return err;
        if (err < 0)
                return fail(r, member,
                            "\"%s\": \"%s\" is not written as an export writes it: control characters, bytes that are "
                            "no UTF-8 and the backslash are \\n, \\t, \\xNN and \\\\",
                            member, str_print(text, shown, sizeof(shown)));
        if (b.len > max)
                return fail(r, member, "\"%s\" has %zu bytes: at most %zu", member, b.len, max);
        memcpy(r->d->space + r->d->used, b.len ? b.p : (const uint8_t *)"", b.len);
        *ret = bytes_of(r->d->space + r->d->used, b.len);
        r->d->used += b.len;
        return 0;
}

static int get_number(struct reader *r, const char *member, const json_t *v, json_int_t max, json_int_t *ret)
{
        json_int_t n = json_integer_value(v);

        if (n < 0 || n > max)
                return fail(r, member, "\"%s\": %" JSON_INTEGER_FORMAT " is not from 0 to %" JSON_INTEGER_FORMAT,
                            member, n, max);
        *ret = n;
        return 0;
}

static int get_time(struct reader *r, const char *member, const json_t *v, int64_t *ret)
{
        char shown[40];

        if (cj_time_read(v, ret) == 0)
                return 0;
        return fail(r, member, "\"%s\": \"%s\" is no time such as 2026-01-02T03:04:05.000000Z", member,
                    str_print(bytes_str(json_string_value(v)), shown, sizeof(shown)));
}

/* ---- objects: a table each ---- */

struct member {
        const char *name;
        unsigned types;
        bool required;
        const char *expected; /* in words */
        int (*take)(struct reader *r, const char *name, const json_t *v, void *to);
};

static const struct member *find_member(const struct member *all, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (!strcmp(all[i].name, name))
                        return &all[i];
        return NULL;
}

static int take_object(struct reader *r, const char *what, const json_t *o, const struct member *all, size_t n,
                       void *to)
{
        const char *key;
        char shown[80];
        json_t *v;

        if (!json_is_object(o))
                return fail(r, what, "%s must be an object", what);
        json_object_foreach((json_t *)(uintptr_t)o, key, v)
        {
                const struct member *m = find_member(all, n, key);
                int err;

                if (!m)
                        return fail(r, key,
                                    "%s has no member \"%s\" in version %d: a newer Tidemark may have written "
                                    "it; export it again with this version",
                                    what, str_print(bytes_str(key), shown, sizeof(shown)), DOCUMENT_VERSION);
                if (!(m->types & T(json_typeof(v))))
                        return fail(r, key, "%s: \"%s\" must be %s", what, key, m->expected);
                err = m->take(r, key, v, to);
                if (err < 0)
                        return err;
        }
        for (size_t i = 0; i < n; i++)
                if (all[i].required && !json_object_get(o, all[i].name))
                        return fail(r, what, "%s lacks \"%s\": %s", what, all[i].name, all[i].expected);
        return 0;
}

/* ---- entries ---- */

static int take_dimension(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct transfer_entry *e = to;
        char shown[40];

        for (unsigned d = 0; d < DIM__MAX; d++)
                if (!strcmp(json_string_value(v), dimension_name(d))) {
                        e->dim = (enum dimension)d;
                        return 0;
                }
        return fail(r, name, "there is no dimension \"%s\": it must be file, process, network or privilege",
                    str_print(bytes_str(json_string_value(v)), shown, sizeof(shown)));
}

static int take_key(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct transfer_entry *e = to;
        int err = get_bytes(r, name, v, DOCUMENT_KEY, &e->key);

        return err == 0 && e->key.len == 0 ? fail(r, name, "\"key\" is empty") : err;
}

static int take_exe(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_KEY, &((struct transfer_entry *)to)->exe);
}

static int take_first(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_time(r, name, v, &((struct transfer_entry *)to)->first_ns);
}

static int take_last(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_time(r, name, v, &((struct transfer_entry *)to)->last_ns);
}

static int take_count(struct reader *r, const char *name, const json_t *v, void *to)
{
        json_int_t n = 0;
        int err = get_number(r, name, v, INT64_MAX, &n);

        ((struct transfer_entry *)to)->count = (uint64_t)n;
        return err;
}

static int take_windows(struct reader *r, const char *name, const json_t *v, void *to)
{
        json_int_t n = 0;
        int err = get_number(r, name, v, UINT32_MAX, &n);

        ((struct transfer_entry *)to)->windows = (uint32_t)n;
        return err;
}

static int take_replicas(struct reader *r, const char *name, const json_t *v, void *to)
{
        json_int_t n = 0;
        int err = get_number(r, name, v, UINT32_MAX, &n);

        ((struct transfer_entry *)to)->replicas = (uint32_t)n;
        return err;
}

static int take_phases(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct transfer_entry *e = to;
        char shown[40];
        json_t *one;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)v, i, one)
        {
                const char *word = json_string_value(one);
                unsigned p = PHASE_STARTUP;

                while (word && p <= PHASE_SHUTDOWN && strcmp(word, finding_phase_name(p)) != 0)
                        p++;
                if (!word || p > PHASE_SHUTDOWN || (e->phases & 1u << p))
                        return fail(r, name,
                                    "\"phases\": \"%s\" is none of start-up, steady, shutdown, each once at most",
                                    str_print(bytes_str(word ? word : "(no text)"), shown, sizeof(shown)));
                e->phases |= (uint8_t)(1u << p);
        }
        return 0;
}

static int take_several(struct reader *r, const char *name, const json_t *v, void *to)
{
        (void)r, (void)name;
        ((struct transfer_entry *)to)->several = json_is_true(v);
        return 0;
}

static int take_inherited(struct reader *r, const char *name, const json_t *v, void *to)
{
        (void)r, (void)name;
        ((struct transfer_entry *)to)->inherited = json_is_true(v);
        return 0;
}

static int take_by(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_BY, &((struct transfer_entry *)to)->by);
}

static int take_reason(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_WORDS, &((struct transfer_entry *)to)->reason);
}

static int take_when(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_time(r, name, v, &((struct transfer_entry *)to)->approved_ns);
}

static int take_approved(struct reader *r, const char *name, const json_t *v, void *to)
{
        static const struct member members[] = {{"by", T_STRING, true, "who approved it", take_by},
                                                {"reason", T_STRING, true, "why", take_reason},
                                                {"when", T_STRING | T_NULL, true, "a time, or null", take_when}};
        struct transfer_entry *e = to;

        e->approved = true;
        return take_object(r, name, v, members, ARRAY_LEN(members), e);
}

static int take_rejected(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct transfer_entry *e = to;
        int err = take_approved(r, name, v, e);

        e->approved = false;
        e->rejected = true;
        return err;
}

static int hex_digit(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_sha256(struct reader *r, const char *name, const json_t *v, void *to)
{
        const char *text = json_string_value(v);
        uint8_t *p = r->d->space + r->d->used;

        if (json_string_length(v) == 2 * (size_t)TIDE_SHA256)
                for (size_t i = 0; i <= TIDE_SHA256; i++) {
                        if (i == TIDE_SHA256) {
                                ((struct transfer_entry *)to)->sha256 = bytes_of(p, TIDE_SHA256);
                                r->d->used += TIDE_SHA256;
                                return 0;
                        }
                        if (hex_digit(text[2 * i]) < 0 || hex_digit(text[2 * i + 1]) < 0)
                                break;
                        p[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
                }
        return fail(r, name, "\"sha256\" must be 64 digits of 0-9 and a-f");
}

static int take_raised(struct reader *r, const char *name, const json_t *v, void *to)
{
        (void)r, (void)name;
        ((struct transfer_entry *)to)->raised = json_is_true(v);
        return 0;
}

static int take_why(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_WORDS, &((struct transfer_entry *)to)->why);
}

static const struct member entry_members[] = {
        {"dimension", T_STRING, true, "\"file\", \"process\", \"network\" or \"privilege\"", take_dimension},
        {"key", T_STRING, true, "what is done, as text", take_key},
        {"executable", T_STRING | T_NULL, true, "who does it, as text, or null", take_exe},
        {"first_seen", T_STRING | T_NULL, false, "a time, or null", take_first},
        {"last_seen", T_STRING | T_NULL, false, "a time, or null", take_last},
        {"count", T_NUMBER, false, "a whole number", take_count},
        {"windows", T_NUMBER, false, "a whole number", take_windows},
        {"phases", T(JSON_ARRAY), false, "a list of phases", take_phases},
        {"replicas", T_NUMBER, false, "a whole number", take_replicas},
        {"several", T_BOOL, false, "true or false", take_several},
        {"inherited", T(JSON_TRUE), false, "true, or left out", take_inherited},
        {"approved", T(JSON_OBJECT), false, "an object with \"by\", \"reason\", \"when\"", take_approved},
        {"rejected", T(JSON_OBJECT), false, "an object with \"by\", \"reason\", \"when\"", take_rejected},
        {"sha256", T_STRING, false, "the program's SHA-256, as text", take_sha256},
        {"raised", T_BOOL, false, "true or false", take_raised},
        {"why", T_STRING, false, "a word", take_why},
};

/* What belongs together must be there together, or not at all. */
static int check_entry(struct reader *r, const json_t *v, struct transfer_entry *e, bool candidate)
{
        static const char *const of_counts[] = {"first_seen", "last_seen", "count", "windows"};
        static const char *const of_network[] = {"phases", "replicas", "several"}, *const of_candidates[] = {"raised",
                                                                                                             "why"};

        e->counted = json_object_get(v, of_counts[0]) != NULL;
        for (size_t i = 0; i < ARRAY_LEN(of_counts); i++)
                if ((json_object_get(v, of_counts[i]) != NULL) != e->counted)
                        return fail(r, "",
                                    "\"first_seen\", \"last_seen\", \"count\" and \"windows\" are there together, or "
                                    "none of them is");
        for (size_t i = 0; i < ARRAY_LEN(of_network); i++)
                if ((json_object_get(v, of_network[i]) != NULL) != (e->dim == DIM_NETWORK))
                        return fail(r, "", "\"%s\" belongs to entries of dimension network, and to these alone",
                                    of_network[i]);
        for (size_t i = 0; i < ARRAY_LEN(of_candidates); i++)
                if ((json_object_get(v, of_candidates[i]) != NULL) != candidate)
                        return fail(r, "",
                                    "\"%s\" belongs to candidates, and to these alone: an entry of the baseline "
                                    "is neither raised nor waiting",
                                    of_candidates[i]);
        if (json_object_get(v, "approved") && json_object_get(v, "rejected"))
                return fail(r, "", "it is both \"approved\" and \"rejected\"");
        return json_object_get(v, "rejected") && !candidate
                       ? fail(r, "", "\"rejected\" belongs to candidates: what an operator does not want is no entry")
                       : 0;
}

static int take_entries(struct reader *r, const char *name, const json_t *v, struct transfer_entry **ret, size_t *ret_n)
{
        size_t n = json_array_size(v);
        int err = 0;
        json_t *one;

        if (n > DOCUMENT_ENTRIES)
                return fail(r, name, "\"%s\" holds %zu: at most %u", name, n, DOCUMENT_ENTRIES);
        *ret = calloc(n ? n : 1, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        *ret_n = n;
        r->list = name;
        json_array_foreach((json_t *)(uintptr_t)v, r->index, one)
        {
                struct transfer_entry *e = *ret + r->index;

                err = take_object(r, "the entry", one, entry_members, ARRAY_LEN(entry_members), e);
                if (err == 0)
                        err = check_entry(r, one, e, !strcmp(name, "candidates"));
                if (err < 0)
                        return err;
        }
        r->list = NULL;
        return 0;
}

/* ---- the document ---- */

static int take_schema(struct reader *r, const char *name, const json_t *v, void *to)
{
        char shown[80];

        (void)to;
        if (!strcmp(json_string_value(v), DOCUMENT_SCHEMA))
                return 0;
        return fail(r, name, "\"schema\" is \"%s\", and must be \"" DOCUMENT_SCHEMA "\": this is no baseline",
                    str_print(bytes_str(json_string_value(v)), shown, sizeof(shown)));
}

static int take_version(struct reader *r, const char *name, const json_t *v, void *to)
{
        (void)to;
        if (json_integer_value(v) == DOCUMENT_VERSION)
                return 0;
        return fail(r, name,
                    "\"version\" is %" JSON_INTEGER_FORMAT ", and this Tidemark reads %d: import it where a newer one "
                    "runs, or export it again with this one",
                    json_integer_value(v), DOCUMENT_VERSION);
}

static int take_name(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct document *d = to;
        int err = get_bytes(r, name, v, DOCUMENT_WORDS, &d->name);

        return err == 0 && d->name.len == 0 ? fail(r, name, "\"workload\" is empty") : err;
}

static int take_class(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct document *d = to;
        int err = get_bytes(r, name, v, DOCUMENT_WORDS, &d->class);

        if (err == 0 && !bytes_eq(d->class, bytes_str(tide_class_name(CLASS_SERVICE))))
                return fail(r, name, "\"class\" must be \"service\": nothing else is learned");
        return err;
}

static int take_reference(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_WORDS, &((struct document *)to)->image);
}

static int take_digest(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_WORDS, &((struct document *)to)->digest);
}

static int take_image(struct reader *r, const char *name, const json_t *v, void *to)
{
        static const struct member members[] = {
                {"reference", T_STRING, true, "the image's name, as text", take_reference},
                {"digest", T_STRING, true, "the digest of the image's configuration, as text", take_digest}};

        (void)name;
        return take_object(r, "\"image\"", v, members, ARRAY_LEN(members), to);
}

static int take_state(struct reader *r, const char *name, const json_t *v, void *to)
{
        static const char *const states[] = {"learning", "review", "active", "stale"};
        struct document_dimension *d = to;
        char shown[40];

        for (size_t i = 0; i < ARRAY_LEN(states); i++)
                if (!strcmp(json_string_value(v), states[i]))
                        d->state = states[i];
        if (d->state)
                return 0;
        return fail(r, "dimensions", "\"%s\": \"%s\" is none of learning, review, active, stale", name,
                    str_print(bytes_str(json_string_value(v)), shown, sizeof(shown)));
}

static int take_dim_by(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_bytes(r, name, v, DOCUMENT_BY, &((struct document_dimension *)to)->by);
}

static int take_since(struct reader *r, const char *name, const json_t *v, void *to)
{
        return get_time(r, name, v, &((struct document_dimension *)to)->since_ns);
}

static int take_dim_windows(struct reader *r, const char *name, const json_t *v, void *to)
{
        json_int_t n = 0;
        int err = get_number(r, name, v, UINT32_MAX, &n);

        ((struct document_dimension *)to)->windows = (uint32_t)n;
        return err;
}

static int take_declared(struct reader *r, const char *name, const json_t *v, void *to)
{
        (void)r, (void)name;
        ((struct document_dimension *)to)->declared = json_is_true(v);
        return 0;
}

static int take_one_dimension(struct reader *r, const char *name, const json_t *v, void *to)
{
        static const struct member members[] = {
                {"state", T_STRING, true, "\"learning\", \"review\", \"active\" or \"stale\"", take_state},
                {"by", T_STRING, true, "who ended learning, as text", take_dim_by},
                {"since", T_STRING | T_NULL, true, "a time, or null", take_since},
                {"windows", T_NUMBER, true, "a whole number", take_dim_windows},
                {"declared", T_BOOL, true, "true or false", take_declared}};
        struct document *d = to;
        unsigned i = 0;

        while (strcmp(name, dimension_name(i)) != 0)
                i++;
        d->dim[i].present = true;
        return take_object(r, "the dimension", v, members, ARRAY_LEN(members), &d->dim[i]);
}

static int take_dimensions(struct reader *r, const char *name, const json_t *v, void *to)
{
        static const struct member members[] = {{"file", T(JSON_OBJECT), false, "an object", take_one_dimension},
                                                {"process", T(JSON_OBJECT), false, "an object", take_one_dimension},
                                                {"network", T(JSON_OBJECT), false, "an object", take_one_dimension},
                                                {"privilege", T(JSON_OBJECT), false, "an object", take_one_dimension}};

        (void)name;
        return take_object(r, "\"dimensions\"", v, members, ARRAY_LEN(members), to);
}

static int take_known(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct document *d = to;

        return d->entries ? -EINVAL : take_entries(r, name, v, &d->entries, &d->nentries);
}

static int take_candidates(struct reader *r, const char *name, const json_t *v, void *to)
{
        struct document *d = to;

        return d->candidates ? -EINVAL : take_entries(r, name, v, &d->candidates, &d->ncandidates);
}

static const struct member document_members[] = {
        {"schema", T_STRING, true, "\"" DOCUMENT_SCHEMA "\"", take_schema},
        {"version", T_NUMBER, true, "a whole number", take_version},
        {"workload", T_STRING, true, "the workload's name, as text", take_name},
        {"class", T_STRING, true, "\"service\"", take_class},
        {"image", T(JSON_OBJECT), true, "an object with \"reference\" and \"digest\"", take_image},
        {"dimensions", T(JSON_OBJECT), true, "an object", take_dimensions},
        {"entries", T(JSON_ARRAY), true, "a list", take_known},
        {"candidates", T(JSON_ARRAY), true, "a list", take_candidates},
};

static int by_order(const void *a, const void *b)
{
        const struct transfer_entry *const *x = a, *const *y = b;

        return document_order(*x, *y);
}

/* Each once, and of a dimension that the document speaks of. */
static int check_list(struct reader *r, const char *list, const struct transfer_entry *e, size_t n)
{
        _cleanup_free_ const struct transfer_entry **sorted = calloc(n ? n : 1, sizeof(struct transfer_entry *));
        char shown[120];

        if (!sorted)
                return -ENOMEM;
        r->list = list;
        for (r->index = 0; r->index < n; r->index++) {
                sorted[r->index] = &e[r->index];
                if (!r->d->dim[e[r->index].dim].present)
                        return fail(r, "", "it is of dimension %s, of which \"dimensions\" says nothing",
                                    dimension_name(e[r->index].dim));
        }
        qsort(sorted, n, sizeof(*sorted), by_order);
        for (size_t i = 1; i < n; i++) {
                size_t a = (size_t)(sorted[i - 1] - e), b = (size_t)(sorted[i] - e);

                if (document_order(sorted[i - 1], sorted[i]) != 0)
                        continue;
                r->index = a > b ? a : b;
                return fail(r, "", "%s %s is there twice, also in %s[%zu]: take one of them out",
                            dimension_name(e[a].dim), str_print(e[a].key, shown, sizeof(shown)), list, a < b ? a : b);
        }
        r->list = NULL;
        return 0;
}

/* The schema and the version first: in a document of another one, other members are no mistake. */
static int take_document(struct reader *r, const json_t *o)
{
        const json_t *schema = json_object_get(o, "schema"), *version = json_object_get(o, "version");
        int err = 0;

        if (!json_is_object(o))
                return fail(r, "", "it must be one JSON object, as tidemark baseline export writes it");
        if (!json_is_string(schema))
                return fail(r, "schema", "there is no \"schema\": \"" DOCUMENT_SCHEMA "\": this is no baseline");
        err = take_schema(r, "schema", schema, r->d);
        if (err == 0 && json_is_integer(version))
                err = take_version(r, "version", version, r->d);
        if (err == 0)
                err = take_object(r, "the document", o, document_members, ARRAY_LEN(document_members), r->d);
        if (err == 0)
                err = check_list(r, "entries", r->d->entries, r->d->nentries);
        if (err == 0)
                err = check_list(r, "candidates", r->d->candidates, r->d->ncandidates);
        return err;
}

struct document *document_free(struct document *d)
{
        if (!d)
                return NULL;
        free(d->entries);
        free(d->candidates);
        free(d->space);
        free(d);
        return NULL;
}

int document_decode(struct bytes text, struct document **ret, char why[DOCUMENT_WHY])
{
        _cleanup_(document_freep) struct document *d = calloc(1, sizeof(*d));
        struct reader r = {.text = text, .d = d, .why = why};
        _cleanup_json_ json_t *o = NULL;
        json_error_t at;
        char shown[160];
        int err;

        why[0] = '\0';
        if (!d)
                return -ENOMEM;
        if (text.len > DOCUMENT_MAX)
                return snprintf(why, DOCUMENT_WHY, "it has %u bytes: at most %u", text.len, DOCUMENT_MAX) < 0 ? -ENOMEM
                                                                                                              : -EINVAL;
        /* What is unescaped is never longer than its text. */
        d->space = malloc((size_t)text.len + 1);
        if (!d->space)
                return -ENOMEM;
        o = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &at);
        if (!o) {
                snprintf(why, DOCUMENT_WHY, "line %d, column %d: it is no JSON: %s", at.line, at.column,
                         str_print(bytes_str(at.text), shown, sizeof(shown)));
                return -EINVAL;
        }
        err = take_document(&r, o);
        if (err < 0)
                return err;
        *ret = TAKE_PTR(d);
        return 0;
}
