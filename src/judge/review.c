/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: operators' words on candidates: approve, reject, and learning again for a time. Must not: list them (case/).
 * Pure. Everything is checked before anything is changed.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "tidemark/err.h"

#define ITEMS_MAX 1024u
#define SAID_MAX 200u /* so many are told one by one */
#define REFRESH_MAX_S (365 * 24 * 3600)

struct choice {
        struct judge *j;
        struct workload *w;
        const struct tide_event *ev;
        enum dimension dim;  /* DIM__MAX: any */
        const char *pattern; /* NULL: none */
        bool all, known, path_only;
        char by[DECIDE_BY];
        struct bytes reason;
        uint32_t done, skipped;
};

static bool is_said(const struct tide_decision *d, const char *name)
{
        return bytes_eq(decide_arg(d, name), BYTES_LIT("true"));
}

/* "B-17" or "17"; 0: it is no such thing. */
static uint32_t item_number(struct bytes s)
{
        uint64_t n = 0;
        uint32_t i = s.len > 2 && (s.p[0] == 'B' || s.p[0] == 'b') && s.p[1] == '-' ? 2 : 0;

        for (; i < s.len && n < UINT32_MAX; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return 0;
                n = 10 * n + (uint64_t)(s.p[i] - '0');
        }
        return n < UINT32_MAX ? (uint32_t)n : 0;
}

static bool is_open(const struct entry *e)
{
        return e->candidate || e->asked || e->offered;
}

/* Never learned silently, by what it is: each is answered by itself. */
static bool is_silent(const struct entry *e)
{
        return e->offered || observe_never_silent(e->dim, str_get(&e->key)) ||
               (e->candidate && e->why == WHY_NEVER_SILENT);
}

static struct entry *find_item(const struct workload *w, uint32_t number)
{
        void *value;

        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->item == number && number && is_open(e))
                        return e;
        }
        return NULL;
}

static void say(struct choice *c, const char *what, const struct entry *e, const char *words)
{
        char key[300], exe[200];
        bool by = e->exe.len > 0;

        if (c->done + c->skipped > SAID_MAX)
                return;
        decide_say(c->j, what, "B-%u %s %s%s%s%s%s", e->item, dimension_name(e->dim),
                   str_print(str_get(&e->key), key, sizeof(key)), by ? " by " : "",
                   by ? str_print(str_get(&e->exe), exe, sizeof(exe)) : "", *words ? ": " : "", words);
}

/* ---- what is meant ---- */

static int choose(struct judge *j, struct workload *w, const struct tide_event *ev, struct choice *c,
                  char **ret_pattern)
{
        const struct tide_decision *d = &ev->decision;
        struct bytes pattern = decide_arg(d, "pattern"), only = decide_arg(d, "dimension");
        bool items = decide_arg(d, "item").len > 0;

        *c = (struct choice){.j = j,
                             .w = w,
                             .ev = ev,
                             .dim = DIM__MAX,
                             .all = is_said(d, "all"),
                             .known = is_said(d, "known"),
                             .path_only = is_said(d, "path_only"),
                             .reason = decide_arg(d, "reason")};
        decide_by(ev, c->by);
        if (c->reason.len == 0)
                return decide_refuse(j, "a reason is needed: --reason TEXT says to those who come later why");
        if (items + c->all + (pattern.len > 0) != 1)
                return decide_refuse(j, "which ones? Name items (B-17), or a pattern (--pattern), or all (--all)");
        for (int i = 0; i < DIM__MAX; i++)
                if (bytes_eq(only, bytes_str(dimension_name((unsigned)i))))
                        c->dim = (enum dimension)i;
        if (only.len && c->dim == DIM__MAX)
                return decide_refuse(j, "the dimension must be file, process, network or privilege");
        *ret_pattern = pattern.len ? bytes_dup(pattern) : NULL;
        c->pattern = *ret_pattern;
        return pattern.len && !c->pattern ? -ENOMEM : 0;
}

/* In bulk: what the pattern fits of what a reviewer is shown. */
static bool fits(const struct choice *c, const struct entry *e)
{
        _cleanup_free_ char *key = NULL;

        if (c->dim != DIM__MAX && e->dim != c->dim)
                return false;
        if (!is_open(e) && !(c->known && c->pattern))
                return false;
        if (!c->pattern)
                return true;
        key = bytes_dup(str_get(&e->key));
        return key && fnmatch(c->pattern, key, 0) == 0;
}

typedef int (*choice_act)(struct choice *c, struct entry *e);

static int by_items(struct choice *c, choice_act check, choice_act act)
{
        const struct tide_decision *d = &c->ev->decision;
        struct bytes text;
        char shown[64];
        int r = 0;

        for (size_t n = 0; r == 0 && (text = decide_arg_n(d, "item", n)).len; n++) {
                struct entry *e = find_item(c->w, item_number(text));

                if (n >= ITEMS_MAX)
                        return decide_refuse(c->j, "more than %u items at once", ITEMS_MAX);
                if (!e)
                        return decide_refuse(c->j, "no candidate %s of this workload: see tidemark baseline review",
                                             str_print(text, shown, sizeof(shown)));
                r = check ? check(c, e) : 0;
        }
        for (size_t n = 0; r == 0 && (text = decide_arg_n(d, "item", n)).len; n++) {
                struct entry *e = find_item(c->w, item_number(text));

                if (e) /* named twice: done already */
                        r = act(c, e);
        }
        return r;
}

/* The entries first: acting moves them. */
static int by_bulk(struct choice *c, bool skip_silent, choice_act act)
{
        size_t n = 0, all = map_count(c->w->entries);
        _cleanup_free_ struct entry **of = all ? calloc(all, sizeof(struct entry *)) : NULL;
        void *value;
        int r = 0;

        if (all && !of)
                return -ENOMEM;
        for (size_t i = 0; map_next(c->w->entries, &i, NULL, &value);)
                if (fits(c, value))
                        of[n++] = value;
        for (size_t i = 0; i < n && r == 0; i++) {
                if (skip_silent && (is_silent(of[i]) || of[i]->rejected)) {
                        c->skipped++;
                        say(c, "skipped", of[i],
                            of[i]->rejected ? "an operator rejected it: name it by its number"
                                            : "never learned in bulk: name it by its number");
                        continue;
                }
                r = act(c, of[i]);
        }
        return r;
}

static int choose_and(struct judge *j, struct workload *w, const struct tide_event *ev, bool skip_silent,
                      choice_act check, choice_act act)
{
        _cleanup_free_ char *pattern = NULL;
        struct choice c;
        int r = choose(j, w, ev, &c, &pattern);

        if (r == 0)
                r = c.all || c.pattern ? by_bulk(&c, skip_silent, act) : by_items(&c, check, act);
        if (r < 0)
                return r;
        decide_say(j, "count", "%u", c.done);
        if (c.skipped)
                decide_say(j, "skipped_count", "%u", c.skipped);
        if (c.done == 0 && c.skipped == 0)
                return decide_refuse(j, "nothing fits: see tidemark baseline review");
        if (!j->dry)
                entries_rebuild_phases(j, w);
        return 0;
}

/* ---- approve ---- */

/* A key that stands for many names. */
static bool is_general(struct bytes key)
{
        return key.len && memchr(key.p, '<', key.len) != NULL;
}

static int may_approve(struct choice *c, struct entry *e)
{
        char basis[300];

        if (!is_silent(e))
                return 0;
        if (c->path_only && is_general(str_get(&e->key)))
                return decide_refuse(c->j,
                                     "B-%u stands for many names: --path-only would approve whatever is at any of them",
                                     e->item);
        if (c->path_only || approval_basis(e, basis, sizeof(basis)))
                return 0;
        return decide_refuse(c->j,
                             "B-%u is never learned silently, and neither its content nor who wrote it at start-up is "
                             "known: --path-only approves whatever is there",
                             e->item);
}

static int approve(struct choice *c, struct entry *e)
{
        bool silent = is_silent(e);
        char basis[300] = "";
        int r;

        c->done++;
        if (silent && (c->path_only || !approval_basis(e, basis, sizeof(basis))))
                snprintf(basis, sizeof(basis), "its path alone, whatever is there");
        say(c, "approved", e, basis);
        if (c->j->dry)
                return 0;
        r = approval_set(e, c->by, c->reason, c->ev->wall_ns);
        if (r < 0)
                return r;
        e->approval->bare = silent && c->path_only;
        e->rejected = false;
        e->phases |= e->asked;
        e->asked = 0;
        if (e->offered) {
                free(e->content);
                e->content = e->offered;
                e->offered = NULL;
        }
        if (e->candidate)
                return entry_set_candidate(c->j, c->w, e, false);
        pieces_save_entry(c->j, c->w, e);
        return 0;
}

int review_approve(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        return choose_and(j, w, ev, true, may_approve, approve);
}

/* ---- reject ---- */

/* It stays, as what is never learned; what was asked of a phase is answered by no. */
static int reject(struct choice *c, struct entry *e)
{
        int r;

        if (e->item == 0 && !c->j->dry) { /* it was known: a number to approve it by, should that be wrong */
                e->item = c->j->next_item++;
                pieces_save_meta(c->j);
        }
        c->done++;
        say(c, "rejected", e,
            e->candidate ? ""
            : e->asked   ? "stays known in the other phases only"
            : e->offered ? "the content that was approved stays so"
                         : "it was known");
        if (c->j->dry)
                return 0;
        if (!e->candidate && (e->asked || e->offered)) {
                e->asked = 0;
                free(e->offered);
                e->offered = NULL;
                pieces_save_entry(c->j, c->w, e);
                return 0;
        }
        r = approval_set(e, c->by, c->reason, c->ev->wall_ns);
        if (r < 0)
                return r;
        e->rejected = true;
        if (!e->candidate) {
                r = entry_set_candidate(c->j, c->w, e, true);
                e->why = WHY_NEW;
        }
        e->waiting = false;
        pieces_save_entry(c->j, c->w, e);
        return r;
}

int review_reject(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        return choose_and(j, w, ev, false, NULL, reject);
}

/* ---- refresh ---- */

static bool refresh_seconds(struct bytes text, uint64_t *ret)
{
        char digits[16];
        char *end;

        if (text.len == 0 || text.len >= sizeof(digits))
                return false;
        memcpy(digits, text.p, text.len);
        digits[text.len] = '\0';
        *ret = strtoull(digits, &end, 10);
        return *end == '\0' && *ret > 0 && *ret <= REFRESH_MAX_S;
}

int review_refresh(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        struct bytes only = decide_arg(&ev->decision, "dimension"), span = decide_arg(&ev->decision, "seconds");
        uint64_t seconds = 0;
        uint32_t n = 0;

        if (span.len && !refresh_seconds(span, &seconds))
                return decide_refuse(j, "learning again must be for 1 to %u seconds", REFRESH_MAX_S);
        for (int i = 0; i < DIM__MAX; i++) {
                struct dim_learning *d = &w->dim[i];
                uint64_t ns = seconds ? seconds * 1000000000u : baseline_period(j, (unsigned)i);

                if ((only.len && !bytes_eq(only, bytes_str(dimension_name((unsigned)i)))) || d->state == DS_OFF ||
                    (d->state == DS_LEARNING && d->refresh_ns == 0))
                        continue;
                n++;
                decide_say(j, "refreshed", "%s", dimension_name((unsigned)i));
                if (j->dry)
                        continue;
                d->state = DS_LEARNING;
                d->since_ns = ev->wall_ns;
                d->refresh_ns = ns_plus(ev->wall_ns, ns);
                decide_by(ev, d->by);
        }
        if (n == 0)
                return decide_refuse(j, "nothing to take up again: it learns already");
        return 0;
}
