/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which findings belong to one proposal, and the rule over them. Must not: be clever: findings are of one
 * proposal if a single rule that an operator would write is about all of them, and it is the narrowest such rule. Pure.
 */
#include "tidemark/tune.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "case/json-priv.h"
#include "case/tune-priv.h"
#include "tidemark/buf.h"
#include "tidemark/generalise.h"

#define KEY_MAX 4096u
#define ACTS_MIN 3u /* of one finding that nobody judged: what happens time and again is worth a rule */
#define DIRS_MIN 3u /* so many directories that differ in one part are one pattern */
#define EXTENSION_MAX 9u

struct item {
        const json_t *finding;
        struct tune_act first;
        enum tune_reach reach; /* of all its acts */
        char *key;             /* what it has in common with others of its group */
        char *above;           /* data: the same, with any one directory instead of its own; else NULL */
};

/* ---- what one rule can be about ---- */

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

/* The directory with its slash, of an escaped path: no escape holds a slash. */
static size_t dir_len(const char *path)
{
        return (size_t)(strrchr(path, '/') - path) + 1;
}

/* What a file is, by its name: with the dot; empty where it has none, or where that is but a number. */
static const char *extension(const char *path)
{
        const char *dot = strrchr(path + dir_len(path), '.');

        if (!dot || strlen(dot) > EXTENSION_MAX || strcspn(dot, "0123456789\\") < strlen(dot))
                return "";
        return dot;
}

static bool same_dir(const char *a, const char *b)
{
        return dir_len(a) == dir_len(b) && memcmp(a, b, dir_len(a)) == 0;
}

/* Of two acts of one finding: can one rule be about both? *reach: of both together. */
static bool together(const struct tune_act *a, const struct tune_act *b, enum tune_reach *reach)
{
        bool flow = a->dim == DIM_NETWORK;

        if (flow != (b->dim == DIM_NETWORK))
                return false;
        if (flow)
                return a->reach == b->reach && same(a->exe, b->exe) && a->port == b->port &&
                       same(a->protocol, b->protocol) &&
                       (a->reach == REACH_LISTENS || a->reach == REACH_SITE || same(a->name, b->name)) &&
                       (a->name || a->reach != REACH_ADDRESS || same(a->address, b->address));
        if (a->reach == REACH_RIGHTS || b->reach == REACH_RIGHTS)
                return a->reach == b->reach && same(a->exe, b->exe);
        if (a->reach == REACH_DATA && b->reach == REACH_DATA)
                return same_dir(a->path, b->path);
        *reach = REACH_PROGRAM; /* written and run: by one path */
        return same(a->path, b->path);
}

/* False: no one rule can be about all that it holds. */
static bool look_at(const json_t *finding, struct item *ret)
{
        const json_t *signals = json_object_get(finding, "signals");
        size_t i;
        json_t *s;

        if (json_array_size(signals) == 0 || json_integer_value(json_object_get(finding, "signals_more")) > 0)
                return false;
        ret->finding = finding;
        json_array_foreach(signals, i, s)
        {
                struct tune_act a;

                tune_act_of(s, &a);
                if (a.reach == REACH_NONE)
                        return false;
                if (i == 0) {
                        ret->first = a;
                        ret->reach = a.reach;
                } else if (!together(&ret->first, &a, &ret->reach)) {
                        return false;
                }
        }
        return true;
}

static void put_generalised_address(const char *text, struct buf *out)
{
        uint8_t raw[16];

        if (inet_pton(AF_INET, text, raw) == 1)
                generalise_address(bytes_of(raw, 4), out);
        else if (inet_pton(AF_INET6, text, raw) == 1)
                generalise_address(bytes_of(raw, 16), out);
}

static void put_place_key(const struct item *x, struct buf *out)
{
        const struct tune_act *a = &x->first;

        buf_printf(out, "%u/%s\n", a->port, a->protocol);
        switch (x->reach) {
        case REACH_NAME:
                generalise_name(bytes_str(a->name), out);
                break;
        case REACH_ONE_NAME:
                buf_put_str(out, a->name);
                break;
        case REACH_SITE:
                put_generalised_address(a->address, out);
                break;
        case REACH_ADDRESS:
                buf_put_str(out, a->name ? a->name : a->address);
                break;
        default:
                break;
        }
}

static void put_data_key(const struct tune_act *a, size_t dir, struct buf *out)
{
        buf_put(out, a->path, dir);
        buf_put_u8(out, '\n');
        buf_put_str(out, extension(a->path));
}

static size_t parent_len(const char *path)
{
        size_t n = dir_len(path) - 1;

        while (n && path[n - 1] != '/')
                n--;
        return n;
}

static size_t depth(const char *path)
{
        size_t n = 0;

        for (; *path; path++)
                n += *path == '/';
        return n;
}

static char *key_text(const struct buf *b)
{
        return b->err ? NULL : bytes_dup(buf_bytes(b));
}

/* What all of a group have in common. False: out of memory, or it is too long for any rule. */
static bool make_keys(struct item *x)
{
        const char *workload = tune_text(json_object_get(x->finding, "workload"), "name");
        _cleanup_buf_ struct buf b;
        size_t head;

        buf_init(&b, KEY_MAX);
        buf_printf(&b, "%u\n%s\n%s\n", (unsigned)x->reach, workload ? workload : "",
                   x->reach != REACH_PROGRAM && x->first.exe ? x->first.exe : "");
        head = b.len;
        if (x->reach == REACH_PROGRAM)
                buf_put_str(&b, x->first.path);
        else if (x->reach == REACH_DATA)
                put_data_key(&x->first, dir_len(x->first.path), &b);
        else if (x->first.dim == DIM_NETWORK)
                put_place_key(x, &b);
        x->key = key_text(&b);
        if (x->reach == REACH_DATA && parent_len(x->first.path) > 1) {
                b.len = head;
                buf_printf(&b, "%zu ", depth(x->first.path));
                put_data_key(&x->first, parent_len(x->first.path), &b);
                x->above = key_text(&b);
        }
        return x->key != NULL;
}

/* ---- the rule over a group ---- */

/* The same of all acts of all, or NULL. */
static const char *common(struct item *const *group, size_t n, const char *(*of)(const struct tune_act *a))
{
        const char *word = NULL;

        for (size_t i = 0; i < n; i++) {
                size_t k;
                json_t *s;

                json_array_foreach(json_object_get(group[i]->finding, "signals"), k, s)
                {
                        struct tune_act a;

                        tune_act_of(s, &a);
                        if (!of(&a) || (word && strcmp(word, of(&a)) != 0))
                                return NULL;
                        word = of(&a);
                }
        }
        return word;
}

static const char *exe_of(const struct tune_act *a)
{
        return a->exe;
}

static const char *origin_of(const struct tune_act *a)
{
        return a->origin && strcmp(a->origin, "unknown") != 0 ? a->origin : NULL;
}

static int set_text(json_t *rule, const char *field, const char *text)
{
        return text ? json_object_set_new(rule, field, json_string(text)) : 0;
}

static int set_quoted(json_t *rule, const char *field, const char *escaped)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, KEY_MAX);
        if (!escaped)
                return 0;
        tune_quote(escaped, &b);
        return b.err ? -1 : set_text(rule, field, buf_cstr(&b));
}

struct paths {
        char **p;
        size_t n, cap;
};

static void paths_release(struct paths *v)
{
        for (size_t i = 0; i < v->n; i++)
                free(v->p[i]);
        free(v->p);
}

static int paths_add(struct paths *v, const char *escaped)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, KEY_MAX);
        tune_quote(escaped, &b);
        for (size_t i = 0; i < v->n && !b.err; i++)
                if (strcmp(v->p[i], buf_cstr(&b)) == 0)
                        return 0;
        if (v->n == v->cap) {
                size_t cap = v->cap ? 2 * v->cap : 16;
                char **p = realloc(v->p, cap * sizeof(*p));

                if (!p)
                        return -1;
                v->p = p;
                v->cap = cap;
        }
        v->p[v->n] = b.err ? NULL : strdup(buf_cstr(&b));
        return v->p[v->n] ? (int)(v->n++, 0) : -1;
}

/* 1: there is such a pattern. */
static int set_pattern(json_t *rule, struct item *const *group, size_t n)
{
        _cleanup_buf_ struct buf b;
        struct paths v = {0};
        int bad = 0, found = 0;

        buf_init(&b, KEY_MAX);
        for (size_t i = 0; i < n && !bad; i++) {
                size_t k;
                json_t *s;

                json_array_foreach(json_object_get(group[i]->finding, "signals"), k, s)
                {
                        struct tune_act a;

                        tune_act_of(s, &a);
                        bad |= paths_add(&v, a.path);
                }
        }
        if (!bad && tune_pattern((const char *const *)v.p, v.n, &b) && !b.err)
                found = set_text(rule, "path", buf_cstr(&b)) < 0 ? -1 : 1;
        paths_release(&v);
        return bad ? -1 : found;
}

/* "<n>" and the like, as the judge generalises names, are stars. */
static void put_name_pattern(const char *key, struct buf *out)
{
        for (; *key; key++) {
                const char *end = *key == '<' ? strchr(key, '>') : NULL;

                buf_put_u8(out, end ? '*' : (uint8_t)*key);
                key = end ? end : key;
        }
}

static bool all_same(struct item *const *group, size_t n, const char *(*of)(const struct tune_act *a))
{
        for (size_t i = 1; i < n; i++)
                if (!same(of(&group[i]->first), of(&group[0]->first)))
                        return false;
        return true;
}

static const char *name_of(const struct tune_act *a)
{
        return a->name;
}

static const char *address_of(const struct tune_act *a)
{
        return a->address;
}

static bool one_address(const struct item *x)
{
        size_t k;
        json_t *s;

        json_array_foreach(json_object_get(x->finding, "signals"), k, s)
        {
                if (!same(tune_text(s, "address"), x->first.address))
                        return false;
        }
        return true;
}

static void put_host(struct item *const *group, size_t n, struct buf *out)
{
        const struct tune_act *a = &group[0]->first;
        _cleanup_buf_ struct buf key;

        buf_init(&key, KEY_MAX);
        if (a->name && all_same(group, n, name_of)) {
                buf_put_str(out, a->name);
        } else if (a->name) {
                generalise_name(bytes_str(a->name), &key);
                if (key.err)
                        out->err = key.err;
                else
                        put_name_pattern(buf_cstr(&key), out);
        } else {
                bool one = all_same(group, n, address_of), six = strchr(a->address, ':') != NULL;

                for (size_t i = 0; i < n; i++)
                        one = one && one_address(group[i]);
                buf_put_str(out, six ? "[" : "");
                if (one)
                        buf_put_str(out, a->address);
                else
                        put_generalised_address(a->address, out);
                buf_put_str(out, six ? "]" : "");
        }
}

static int set_place(json_t *rule, struct item *const *group, size_t n)
{
        const struct tune_act *a = &group[0]->first;
        _cleanup_buf_ struct buf b;

        buf_init(&b, KEY_MAX);
        if (a->reach == REACH_LISTENS)
                buf_put_str(&b, "listen");
        else
                put_host(group, n, &b);
        if (a->port)
                buf_printf(&b, ":%u", a->port);
        buf_printf(&b, "/%s", a->protocol);
        return b.err ? -1 : set_text(rule, "destination", buf_cstr(&b));
}

/* NULL: out of memory, or none is narrow enough (then *ret_bad is false). */
static json_t *make_rule(struct item *const *group, size_t n, bool *ret_bad)
{
        const struct item *x = group[0];
        _cleanup_json_ json_t *rule = json_object();
        int bad = set_quoted(rule, "workload", tune_text(json_object_get(x->finding, "workload"), "name")), found = 1;

        if (x->reach == REACH_PROGRAM)
                bad |= set_quoted(rule, "path", x->first.path);
        else if (x->reach == REACH_DATA)
                found = set_pattern(rule, group, n);
        else if (x->first.dim == DIM_NETWORK)
                bad |= set_place(rule, group, n);
        if (x->reach != REACH_PROGRAM)
                bad |= set_quoted(rule, "executable", common(group, n, exe_of));
        bad |= set_text(rule, "origin", common(group, n, origin_of));
        if (x->reach == REACH_RIGHTS)
                bad |= set_text(rule, "signal", "privilege");
        *ret_bad = bad || found < 0;
        return *ret_bad || found == 0 ? NULL : TAKE_PTR(rule);
}

/* ---- a proposal ---- */

static json_t *command_line(const json_t *rule)
{
        static const char *const fields[] = {"workload", "path", "executable", "destination", "origin", "signal"};
        _cleanup_buf_ struct buf b;

        buf_init(&b, 4 * KEY_MAX);
        buf_put_str(&b, "tidemark allow add");
        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
                const char *text = tune_text(rule, fields[i]);

                if (!text)
                        continue;
                buf_printf(&b, " --%s ", fields[i]);
                str_shell(bytes_str(text), &b);
        }
        return b.err ? NULL : json_string(buf_cstr(&b));
}

static bool is_verdict(const json_t *finding, const char *verdict)
{
        const char *v = tune_text(finding, "verdict");

        return v && strcmp(v, verdict) == 0;
}

/* Over all findings: it may cover others than those it was made of. NULL: out of memory. */
static json_t *make_proposal(json_t *rule, const json_t *findings)
{
        _cleanup_json_ json_t *o = json_object(), *ids = json_array();
        json_int_t benign = 0, misconfigured = 0, acts = 0;
        int bad = 0;
        size_t i;
        json_t *f;

        json_array_foreach((json_t *)(uintptr_t)findings, i, f)
        {
                if (!tune_counts(f) || !tune_covers(rule, f))
                        continue;
                bad |= json_array_append(ids, json_object_get(f, "id"));
                benign += is_verdict(f, "benign");
                misconfigured += is_verdict(f, "misconfigured");
                acts += json_integer_value(json_object_get(f, "count"));
        }
        bad |= json_object_set(o, "rule", rule);
        bad |= json_object_set_new(o, "command", command_line(rule));
        bad |= json_object_set(o, "findings", ids);
        bad |= json_object_set_new(o, "judged_benign", json_integer(benign));
        bad |= json_object_set_new(o, "judged_misconfigured", json_integer(misconfigured));
        bad |= json_object_set_new(o, "acts", json_integer(acts));
        return bad ? NULL : TAKE_PTR(o);
}

/* Worth an operator's time: judged so, or more than once. Rights are no matter of counting. */
static bool is_worth(const json_t *p, enum tune_reach reach)
{
        bool benign = json_integer_value(json_object_get(p, "judged_benign")) > 0;
        size_t n = json_array_size(json_object_get(p, "findings"));

        if (reach == REACH_RIGHTS)
                return n && benign;
        return n > 1 || (n == 1 && (benign || json_integer_value(json_object_get(p, "acts")) >= ACTS_MIN));
}

static int propose(struct item *const *group, size_t n, const json_t *findings, json_t *to)
{
        _cleanup_json_ json_t *rule = NULL, *p = NULL;
        size_t i;
        json_t *other;
        bool bad;

        rule = make_rule(group, n, &bad);
        if (!rule)
                return bad ? -1 : 0;
        json_array_foreach(to, i, other)
        {
                if (json_equal(json_object_get(other, "rule"), rule))
                        return 0;
        }
        p = make_proposal(rule, findings);
        if (!p)
                return -1;
        return is_worth(p, group[0]->reach) ? json_array_append(to, p) : 0;
}

/* ---- groups ---- */

static int by_key(const void *a, const void *b)
{
        const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

        return strcmp(x->key, y->key);
}

static int by_above(const void *a, const void *b)
{
        const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
        int r = strcmp(x->above ? x->above : "", y->above ? y->above : "");

        return r ? r : strcmp(x->key, y->key);
}

/* Data in directories beside each other: those of one key are of one directory. Their items are of no other group then.
 */
static int propose_above(struct item **all, size_t *n, const json_t *findings, json_t *to)
{
        size_t kept = 0;

        qsort(all, *n, sizeof(*all), by_above);
        for (size_t i = 0, end; i < *n; i = end) {
                size_t dirs = 1;

                for (end = i + 1; end < *n && all[i]->above && same(all[i]->above, all[end]->above); end++)
                        dirs += strcmp(all[end]->key, all[end - 1]->key) != 0;
                if (dirs >= DIRS_MIN) {
                        size_t before = json_array_size(to);

                        if (propose(all + i, end - i, findings, to) < 0)
                                return -1;
                        if (json_array_size(to) > before)
                                continue;
                }
                memmove(all + kept, all + i, (end - i) * sizeof(*all));
                kept += end - i;
        }
        *n = kept;
        return 0;
}

static int propose_groups(struct item **all, size_t n, const json_t *findings, json_t *to)
{
        if (n == 0)
                return 0;
        if (propose_above(all, &n, findings, to) < 0)
                return -1;
        qsort(all, n, sizeof(*all), by_key);
        for (size_t i = 0, end; i < n; i = end) {
                for (end = i + 1; end < n && strcmp(all[i]->key, all[end]->key) == 0;)
                        end++;
                if (propose(all + i, end - i, findings, to) < 0)
                        return -1;
        }
        return 0;
}

/* ---- order ---- */

static int compare(const json_t *a, const json_t *b)
{
        static const char *const by[] = {"judged_benign", NULL, "acts"};

        for (size_t i = 0; i < ARRAY_LEN(by); i++) {
                json_int_t x = by[i] ? json_integer_value(json_object_get(a, by[i]))
                                     : (json_int_t)json_array_size(json_object_get(a, "findings"));
                json_int_t y = by[i] ? json_integer_value(json_object_get(b, by[i]))
                                     : (json_int_t)json_array_size(json_object_get(b, "findings"));

                if (x != y)
                        return x > y ? -1 : 1;
        }
        return strcmp(tune_text(a, "command"), tune_text(b, "command"));
}

static int by_worth(const void *a, const void *b)
{
        const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
        /* A true drift that somebody is to mend comes last. */
        int wx = json_integer_value(json_object_get(x, "judged_misconfigured")) > 0,
            wy = json_integer_value(json_object_get(y, "judged_misconfigured")) > 0;

        return wx != wy ? wx - wy : compare(x, y);
}

static json_t *in_order(const json_t *proposals)
{
        size_t n = json_array_size(proposals);
        _cleanup_json_ json_t *a = json_array();
        json_t **all = calloc(n ? n : 1, sizeof(json_t *));
        int bad = !all;

        for (size_t i = 0; i < n && !bad; i++)
                all[i] = json_array_get(proposals, i);
        if (n && !bad)
                qsort(all, n, sizeof(*all), by_worth);
        for (size_t i = 0; i < n && i < TUNE_PROPOSALS && !bad; i++) {
                char id[24];

                snprintf(id, sizeof(id), "T-%zu", i + 1);
                bad |= json_object_set_new(all[i], "id", json_string(id));
                bad |= json_array_append(a, all[i]);
        }
        free(all);
        return bad ? NULL : TAKE_PTR(a);
}

json_t *tune_propose(const json_t *findings)
{
        size_t n = json_array_size(findings), used = 0, i;
        struct item *items = calloc(n ? n : 1, sizeof(*items)), **all = calloc(n ? n : 1, sizeof(*all));
        _cleanup_json_ json_t *found = json_array();
        int bad = !items || !all || !found;
        json_t *f;

        json_array_foreach((json_t *)(uintptr_t)findings, i, f)
        {
                struct item *x = bad ? NULL : &items[used];

                if (!x || !tune_counts(f) || !look_at(f, x))
                        continue;
                if (!make_keys(x)) {
                        free(x->above);
                        memset(x, 0, sizeof(*x));
                        continue;
                }
                all[used++] = x;
        }
        if (!bad)
                bad = propose_groups(all, used, findings, found);
        for (i = 0; items && i < n; i++) {
                free(items[i].key);
                free(items[i].above);
        }
        free(items);
        free(all);
        return bad ? NULL : in_order(found);
}
