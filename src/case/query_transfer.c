/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_transfer - a workload's baseline as a document: command baseline.export.
 *
 * Owns:  what of a baseline goes into its document, and where: known, or a candidate.
 * Never: lays it out (document.c), or changes anything.
 */
#include "case/query-priv.h"

#include <stdlib.h>
#include <string.h>

#include "tidemark/document.h"
#include "tidemark/err.h"
#include "tidemark/pipeline.h"

struct listed {
        struct transfer_entry e;
        bool candidate;
};

/* Known ones first, each list in the document's order. */
static int by_order(const void *a, const void *b)
{
        const struct listed *x = a, *y = b;

        return x->candidate != y->candidate ? x->candidate - y->candidate : document_order(&x->e, &y->e);
}

/* What is never learned silently is known elsewhere only as the very content that somebody has approved: what was
 * approved otherwise stays to be looked at where the document is imported. */
static bool is_bound_here(const struct judge_entry *e)
{
        return e->never_silent && (e->dim != DIM_PROCESS || !e->approved_by || e->bare || e->sha256.len == 0);
}

static void take_entry(const struct judge_entry *from, struct listed *to)
{
        to->candidate = from->candidate || is_bound_here(from);
        to->e = (struct transfer_entry){.dim = from->dim,
                                        .key = from->key,
                                        .exe = from->exe,
                                        .counted = true,
                                        .first_ns = from->first_ns,
                                        .last_ns = from->last_ns,
                                        .count = from->count,
                                        .windows = from->windows,
                                        .replicas = from->replicas,
                                        .phases = (uint8_t)from->phases,
                                        .several = from->several,
                                        .inherited = from->inherited,
                                        .approved = from->approved_by != NULL && !from->rejected,
                                        .rejected = from->rejected,
                                        .by = bytes_str(from->approved_by),
                                        .reason = from->approved_reason,
                                        .approved_ns = from->approved_ns,
                                        .sha256 = from->sha256,
                                        .raised = !from->waiting,
                                        .why = bytes_str(from->candidate ? from->why : "never-silent")};
}

/* All entries, sorted. *ret is the caller's to free. */
static int entries(const struct judge *j, struct bytes id, struct listed **ret, size_t *ret_n)
{
        struct judge_entry e;
        struct listed *all;
        size_t n = 0, i = 0;

        while (judge_entry_next(j, id, &i, &e))
                n++;
        all = calloc(n ? n : 1, sizeof(*all));
        if (!all)
                return -1;
        *ret_n = n;
        for (n = i = 0; judge_entry_next(j, id, &i, &e) && n < *ret_n; n++)
                take_entry(&e, &all[n]);
        if (n)
                qsort(all, n, sizeof(*all), by_order);
        *ret = all;
        return 0;
}

/* Who ended learning: an operator, or nobody. */
static void put_by(const char *state, const char *by, char dst[DOCUMENT_BY])
{
        static const char *const nobody[] = {"timer", "converged"};

        snprintf(dst, DOCUMENT_BY, "%s", by);
        for (size_t i = 0; strcmp(state, "active") == 0 && i < ARRAY_LEN(nobody); i++)
                if (strcmp(by, nobody[i]) == 0)
                        snprintf(dst, DOCUMENT_BY, "activated by %s, no reviewer", i ? "convergence" : "timer");
}

static json_t *head(const struct judge_workload *w)
{
        struct document d = {.name = w->name, .class = w->class, .image = w->image, .digest = w->digest};
        char by[DIM__MAX][DOCUMENT_BY];

        for (unsigned i = 0; i < DIM__MAX; i++) {
                put_by(w->dim[i].state, w->dim[i].by, by[i]);
                d.dim[i] = (struct document_dimension){.present = strcmp(w->dim[i].state, "off") != 0,
                                                       .state = w->dim[i].state,
                                                       .by = bytes_str(by[i]),
                                                       .since_ns = w->dim[i].since_ns,
                                                       .windows = w->dim[i].windows,
                                                       .declared = w->dim[i].declared};
        }
        return document_head_json(&d);
}

/* ---- pages ---- */

/* Where the last page ended: list, dimension, key, executable, as they were shown. Not by number: what is learned
 * between two pages shifts nothing. */
static int take_after(const json_t *after, struct buf *space, struct listed *ret)
{
        const char *text[4];
        size_t key_end;

        for (size_t i = 0; i < ARRAY_LEN(text); i++)
                text[i] = json_string_value(json_array_get(after, i));
        if (json_array_size(after) != ARRAY_LEN(text) || !text[0] || !text[1] || !text[2] || !text[3])
                return -1;
        memset(ret, 0, sizeof(*ret));
        ret->candidate = strcmp(text[0], "candidates") == 0;
        while (ret->e.dim < DIM__MAX && strcmp(text[1], dimension_name(ret->e.dim)) != 0)
                ret->e.dim++;
        if (ret->e.dim == DIM__MAX || str_unescape(bytes_str(text[2]), space) < 0)
                return -1;
        key_end = space->len;
        if (str_unescape(bytes_str(text[3]), space) < 0)
                return -1;
        ret->e.key = bytes_of(space->p, key_end);
        ret->e.exe = bytes_of(space->p + key_end, space->len - key_end);
        return 0;
}

static json_t *after_json(const struct listed *last)
{
        _cleanup_json_ json_t *a = json_array();
        int bad = 0;

        bad |= json_array_append_new(a, json_string(last->candidate ? "candidates" : "entries"));
        bad |= json_array_append_new(a, json_string(dimension_name(last->e.dim)));
        bad |= json_array_append_new(a, cj_text(last->e.key));
        bad |= json_array_append_new(a, cj_text(last->e.exe));
        return bad ? NULL : TAKE_PTR(a);
}

/* Into the document's lists, as many as fit. How many of n were taken; negative: out of memory. */
static ssize_t put_page(json_t *document, const struct listed *all, size_t n)
{
        json_t *lists[] = {json_object_get(document, "entries"), json_object_get(document, "candidates")};
        size_t used = 0, i;

        for (i = 0; i < n; i++) {
                _cleanup_json_ json_t *o = document_entry_json(&all[i].e, all[i].candidate);

                if (!o)
                        return -1;
                used += query_size(o) + 1;
                if (used > QUERY_ANSWER_MAX && i)
                        break;
                if (json_array_append(lists[all[i].candidate], o) < 0)
                        return -1;
        }
        return (ssize_t)i;
}

static json_t *page(const struct judge_workload *w, const struct listed *all, size_t n)
{
        _cleanup_json_ json_t *o = json_object(), *document = head(w);
        ssize_t took = document ? put_page(document, all, n) : -1;
        int bad = took < 0;

        bad |= json_object_set(o, "document", document);
        bad |= json_object_set_new(o, "more", json_integer(bad ? 0 : (json_int_t)n - took));
        bad |= json_object_set_new(o, "after", took > 0 ? after_json(&all[took - 1]) : json_null());
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

json_t *query_baseline_export(const struct query_env *env, const json_t *request)
{
        const char *text = json_string_value(json_object_get(request, "workload"));
        const json_t *after = json_object_get(request, "after");
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_free_ struct listed *all = NULL;
        _cleanup_buf_ struct buf space;
        struct judge_workload w;
        json_t *answer = NULL;
        struct listed last;
        size_t n, from = 0;

        buf_init(&space, 4 * DOCUMENT_KEY);
        if (query_workload(j, text, true, &w, &answer) < 0)
                return answer;
        if (w.class.len && !bytes_eq(w.class, BYTES_LIT("service"))) {
                char id[256], class[32];

                return query_fail(QUERY_FAILED, "'%s' is a %s, which is not learned: it has no baseline to export",
                                  str_print(w.id, id, sizeof(id)), str_print(w.class, class, sizeof(class)));
        }
        if (after && take_after(after, &space, &last) < 0)
                return query_fail(QUERY_USAGE, "field \"after\" must be what the page before said as \"after\"");
        if (entries(j, w.id, &all, &n) < 0)
                return NULL;
        while (after && from < n && by_order(&all[from], &last) <= 0)
                from++;
        return page(&w, all + from, n - from);
}
