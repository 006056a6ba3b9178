/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_findings - the queue: commands findings and show.
 *
 * Owns:  which findings are listed, in what order, how many fit an answer.
 * Never: decides what a finding is worth; it only compares with the threshold it is given.
 */
#include "case/query-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/pipeline.h"
#include "tidemark/store.h"

/* Findings made into JSON for one answer: the tree of one may take some 100 KiB while it is made. */
#define PAGE 128

struct each {
        query_finding_cb cb;
        void *arg;
        uint64_t damaged;
};

static int each_blob(struct bytes blob, struct each *e)
{
        _cleanup_(finding_freep) struct finding *f = NULL;
        int r = finding_decode(blob, &f);

        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                e->damaged++;
                return 0;
        }
        return e->cb(f, e->arg);
}

static int each_stored(struct bytes key, struct bytes blob, void *arg)
{
        (void)key;
        return each_blob(blob, arg);
}

static int each_judged(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        (void)key;
        return what == PIECE_FINDING ? each_blob(blob, arg) : 0;
}

/* The store has what the judge has put down, closed ones among them; in replay there is no store. */
int query_each_finding(const struct query_env *env, query_finding_cb cb, void *arg, uint64_t *ret_damaged)
{
        struct each e = {.cb = cb, .arg = arg};
        int r = env->store ? store_each(env->store, PIECE_FINDING, each_stored, &e) :
                             judge_each(pipeline_judge(env->pipeline), each_judged, &e);

        if (r == 0 && !env->store)
                r = pipeline_each_closed(env->pipeline, each_stored, &e);

        *ret_damaged = e.damaged;
        return r;
}

struct filter {
        int state; /* -1: all but closed; -2: all */
        bool all, sessions, suppressed; /* suppressed: those alone */
        uint64_t after;
        const char *workload; /* NULL: any */
        bool whole;           /* somebody has exactly this name: beginnings do not count */
        struct str_owned name; /* the one name that a beginning fits */
        bool ambiguous, seen;
};

/* name, or name@digest, against what was typed. */
static enum query_match match_workload(const char *text, struct bytes name, struct bytes digest)
{
        enum query_match m = query_match(name, text), id;
        _cleanup_buf_ struct buf b;

        buf_init(&b, 64 * 1024);
        if (m == MATCH_WHOLE)
                return m;
        buf_put(&b, name.p, name.len);
        buf_put_str(&b, "@");
        buf_put(&b, digest.p, digest.len);
        id = b.err ? MATCH_NONE : query_match(buf_bytes(&b), text);
        return id;
}

static int note_workload(struct filter *flt, struct bytes name, struct bytes digest)
{
        switch (match_workload(flt->workload, name, digest)) {
        case MATCH_WHOLE:
                flt->whole = flt->seen = true;
                return 0;
        case MATCH_PREFIX:
                if (flt->seen && flt->name.p && !bytes_eq(str_get(&flt->name), name))
                        flt->ambiguous = true;
                flt->seen = true;
                return str_set(&flt->name, name);
        default:
                return 0;
        }
}

static int note_finding(const struct finding *f, void *arg)
{
        return note_workload(arg, str_get(&f->workload), str_get(&f->digest));
}

/* Which workload is meant: looked for among findings and among workloads, since either may have outlived the other. */
static json_t *resolve_filter(const struct query_env *env, struct filter *flt, int *ret_err)
{
        struct judge *j = pipeline_judge(env->pipeline);
        struct judge_workload w;
        char text[256];
        uint64_t damaged;
        size_t i = 0;
        int r = 0;

        *ret_err = 0;
        if (!flt->workload)
                return NULL;
        while (r == 0 && judge_workload_next(j, &i, &w))
                r = note_workload(flt, w.name, w.digest);
        if (r == 0)
                r = query_each_finding(env, note_finding, flt, &damaged);
        if (r < 0) {
                *ret_err = r;
                return NULL;
        }
        str_print(bytes_str(flt->workload), text, sizeof(text));
        if (!flt->seen)
                return query_fail(QUERY_FAILED, "no workload is called \"%s\": see tidemark baseline list", text);
        if (!flt->whole && flt->ambiguous)
                return query_fail(QUERY_USAGE,
                                  "more than one workload begins with \"%s\": see tidemark baseline list", text);
        return NULL;
}

static bool wanted(const struct finding *f, const struct filter *flt)
{
        enum query_match m;

        if (flt->state == -1 && f->state == FINDING_CLOSED)
                return false;
        if (flt->state >= 0 && f->state != (enum finding_state)flt->state)
                return false;
        if (!flt->workload)
                return true;
        m = match_workload(flt->workload, str_get(&f->workload), str_get(&f->digest));
        return m == MATCH_WHOLE || (m == MATCH_PREFIX && !flt->whole);
}

struct listing {
        const struct query_env *env;
        struct filter flt;
        uint64_t *ids; /* of those to list, sorted after the first pass */
        size_t n, cap;
        uint64_t hidden, suppressed, sessions;
        json_t *page[PAGE];
        size_t npage;
};

static int take_id(struct listing *l, uint64_t id)
{
        uint64_t *p;

        if (id <= l->flt.after)
                return 0;
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 256;

                p = realloc(l->ids, cap * sizeof(*p));
                if (!p)
                        return -ENOMEM;
                l->ids = p;
                l->cap = cap;
        }
        l->ids[l->n++] = id;
        return 0;
}

static int list_id(const struct finding *f, void *arg)
{
        struct listing *l = arg;

        if (!wanted(f, &l->flt))
                return 0;
        /* A lane of their own: of the queue are only those that somebody has to look at. */
        if (f->type == FINDING_SESSION && !l->flt.sessions && !(l->flt.suppressed && f->suppressed) &&
            (query_below_show(f, l->env->params->show) || (f->suppressed && !l->flt.all)))
                return l->sessions++, 0;
        if (f->type != FINDING_SESSION && l->flt.sessions)
                return 0;
        if (l->flt.sessions)
                return take_id(l, f->id);
        if (!l->flt.all && f->suppressed != l->flt.suppressed)
                return l->suppressed += f->suppressed, 0;
        if (!l->flt.all && !l->flt.suppressed && query_below_show(f, l->env->params->show))
                return l->hidden++, 0;
        return take_id(l, f->id);
}

static int id_cmp(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static int list_json(const struct finding *f, void *arg)
{
        struct listing *l = arg;
        uint64_t *at = bsearch(&f->id, l->ids, l->npage, sizeof(*l->ids), id_cmp);

        if (!at || l->page[at - l->ids])
                return 0;
        l->page[at - l->ids] =
                finding_json_compared(pipeline_judge(l->env->pipeline), f, l->env->params->show);
        return l->page[at - l->ids] ? 0 : -ENOMEM;
}

static uint64_t count_learning(const struct judge *j)
{
        struct judge_workload w;
        uint64_t n = 0;
        size_t i = 0;

        while (judge_workload_next(j, &i, &w)) {
                bool learning = false;

                for (unsigned d = 0; d < DIM__MAX; d++)
                        learning |= !strcmp(w.dim[d].state, "learning") && (d != DIM_NETWORK || w.dim[d].windows);
                n += learning;
        }
        return n;
}

static json_t *listing_answer(struct listing *l, uint64_t damaged)
{
        _cleanup_json_ json_t *o = json_object(), *a = json_array();
        size_t used = 0, i;
        int bad = 0;

        for (i = 0; i < l->npage; i++) {
                if (!l->page[i])
                        continue; /* gone since the first pass: it cannot, between two passes of one turn */
                used += query_size(l->page[i]) + 1;
                if (used > QUERY_ANSWER_MAX && i > 0)
                        break;
                bad |= json_array_append(a, l->page[i]);
        }
        bad |= json_object_set(o, "findings", a);
        bad |= json_object_set_new(o, "hidden", cj_u64(l->hidden));
        bad |= json_object_set_new(o, "suppressed", cj_u64(l->suppressed));
        bad |= json_object_set_new(o, "sessions", cj_u64(l->sessions));
        bad |= json_object_set_new(o, "not_judged", cj_u64(count_learning(pipeline_judge(l->env->pipeline))));
        bad |= json_object_set_new(o, "more", cj_u64(l->n - i));
        if (damaged)
                bad |= json_object_set_new(o, "damaged", cj_u64(damaged));
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

/* "F-12" or "12"; 0 if it is no such thing. *ret_digits: where the number begins. */
static uint64_t parse_id(const char *text, const char **ret_digits)
{
        const char *d = (text[0] == 'F' || text[0] == 'f') && text[1] == '-' ? text + 2 : text;
        uint64_t v = 0;

        *ret_digits = d;
        if (*d < '1' || *d > '9' || strlen(d) > 18)
                return 0;
        for (; *d; d++) {
                if (*d < '0' || *d > '9')
                        return 0;
                v = v * 10 + (uint64_t)(*d - '0');
        }
        return v;
}

uint64_t query_finding_id(const char *text)
{
        const char *digits;

        return parse_id(text, &digits);
}

static json_t *no_id(const char *text)
{
        char shown[64];

        return query_fail(QUERY_USAGE, "\"%s\" is no finding's id: it must look like F-12",
                          str_print(bytes_str(text), shown, sizeof(shown)));
}

static json_t *read_filter(const json_t *request, struct filter *flt)
{
        const char *state = json_string_value(json_object_get(request, "state"));
        const char *after = json_string_value(json_object_get(request, "after")), *digits;

        flt->state = -1;
        flt->all = json_is_true(json_object_get(request, "all"));
        flt->suppressed = json_is_true(json_object_get(request, "suppressed"));
        flt->sessions = json_is_true(json_object_get(request, "sessions"));
        flt->workload = json_string_value(json_object_get(request, "workload"));
        if (after) {
                flt->after = parse_id(after, &digits);
                if (!flt->after)
                        return no_id(after);
        }
        if (!state)
                return NULL;
        if (!strcmp(state, "all")) {
                flt->state = -2;
                return NULL;
        }
        for (unsigned s = FINDING_OPEN; s <= FINDING_CLOSED; s++)
                if (!strcmp(state, finding_state_name(s)))
                        flt->state = (int)s;
        return flt->state >= 0 ? NULL : query_fail(QUERY_USAGE, "state must be open, triaged, closed or all");
}

json_t *query_findings(const struct query_env *env, const json_t *request)
{
        struct listing l = {.env = env};
        uint64_t damaged = 0, ignored;
        json_t *answer = read_filter(request, &l.flt);
        int r = 0;

        if (!answer)
                answer = resolve_filter(env, &l.flt, &r);
        if (answer || r < 0)
                goto out;
        r = query_each_finding(env, list_id, &l, &damaged);
        if (r < 0)
                goto out;
        if (l.n)
                qsort(l.ids, l.n, sizeof(*l.ids), id_cmp);
        l.npage = l.n < PAGE ? l.n : PAGE;
        if (l.npage)
                r = query_each_finding(env, list_json, &l, &ignored);
        if (r == 0)
                answer = listing_answer(&l, damaged);
out:
        if (!answer && r < 0 && r != -ENOMEM)
                answer = query_fail(QUERY_FAILED, "the findings could not be read: %s", err_str(r));
        for (size_t i = 0; i < l.npage; i++)
                json_decref(l.page[i]);
        str_clear(&l.flt.name);
        free(l.ids);
        return answer;
}

struct lookup {
        uint64_t id;
        const char *digits;
        uint64_t exact, prefix; /* findings that fit */
        uint64_t fits;          /* the one */
        const struct query_env *env;
        json_t *found;
};

static int look_id(const struct finding *f, void *arg)
{
        struct lookup *l = arg;
        char text[32];

        if (f->id == l->id) {
                l->exact++;
                l->fits = f->id;
                return 0;
        }
        snprintf(text, sizeof(text), "%llu", (unsigned long long)f->id);
        if (strncmp(text, l->digits, strlen(l->digits)) != 0)
                return 0;
        l->prefix++;
        if (!l->exact)
                l->fits = f->id;
        return 0;
}

static int look_json(const struct finding *f, void *arg)
{
        struct lookup *l = arg;

        if (f->id != l->fits || l->found)
                return 0;
        l->found = finding_json_compared(pipeline_judge(l->env->pipeline), f, l->env->params->show);
        return l->found && query_put_page(l->env, f, l->found) == 0 ? 0 : -ENOMEM;
}

json_t *query_show(const struct query_env *env, const json_t *request)
{
        const char *text = json_string_value(json_object_get(request, "id"));
        struct lookup l = {.env = env};
        uint64_t damaged;
        int r;

        l.id = parse_id(text, &l.digits);
        if (!l.id)
                return no_id(text);
        r = query_each_finding(env, look_id, &l, &damaged);
        if (r == 0 && !l.exact && l.prefix > 1)
                return query_fail(QUERY_USAGE, "the ids of %llu findings begin with F-%s: say the whole id",
                                  (unsigned long long)l.prefix, l.digits);
        if (r == 0 && !l.fits)
                return query_fail(QUERY_FAILED, "there is no finding F-%s: see tidemark findings --all", l.digits);
        if (r == 0)
                r = query_each_finding(env, look_json, &l, &damaged);
        if (r < 0) {
                json_decref(l.found);
                return r == -ENOMEM ? NULL : query_fail(QUERY_FAILED, "the findings could not be read: %s", err_str(r));
        }
        return query_ok(l.found);
}
