/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what an operator must say of a rule, and what is wrong with what was said. Must not: add one that is not whole,
 * or change anything while a decision is only tried. Pure: "now" is the decision's own time.
 *
 * Arguments, each a text: workload, path, executable, destination, origin…, signal…, until, from (seconds since 1970),
 * reason; of a suppress rule also on… (mon to sun), at ("HH:MM"), for (seconds), zone (its name), offset… ("FROM
 * SECONDS": what the zone's clock is ahead of UTC from that moment on), break_through (percent).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/err.h"
#include "tidemark/pattern.h"
#include "tidemark/when.h"

#define SECOND 1000000000ll
#define REASON_MIN 3u

/* What is said to whoever asked, and in the journal of decisions: why not. */
static int wrong(struct judge *j, const char *option, struct bytes text, const char *what)
{
        char shown[160];

        return decide_refuse(j, "--%s \"%s\" %s", option, str_print(text, shown, sizeof(shown)), what);
}

/* A whole number, perhaps negative. */
static bool number(struct bytes s, int64_t *ret)
{
        uint64_t v = 0;
        uint32_t i = s.len && s.p[0] == '-';

        if (s.len == i || s.len > 18)
                return false;
        for (uint32_t k = i; k < s.len; k++) {
                if (s.p[k] < '0' || s.p[k] > '9')
                        return false;
                v = v * 10 + (uint64_t)(s.p[k] - '0');
        }
        *ret = i ? -(int64_t)v : (int64_t)v;
        return true;
}

static int take_text(struct judge *j, const struct tide_decision *d, const char *option, struct str_owned *to)
{
        struct bytes text = decide_arg(d, option);

        if (text.len > RULE_TEXT)
                return wrong(j, option, text, "is longer than 512 bytes");
        return str_set(to, text);
}

static int take_pattern(struct judge *j, const struct tide_decision *d, const char *option, bool path,
                        struct str_owned *to)
{
        struct bytes text = decide_arg(d, option);
        const char *bad = text.len ? pattern_check(text) : NULL;

        if (bad)
                return wrong(j, option, text, bad);
        if (path && text.len && text.p[0] != '/')
                return wrong(j, option, text, "must begin with a slash, such as /srv/data/*.tmp");
        return take_text(j, d, option, to);
}

/* A directory must be written out: a rule over everything is none. */
static int check_wide(struct judge *j, const struct rule *r)
{
        struct bytes path = str_get(&r->path);
        uint32_t end = 1;

        if (r->kind != RULE_ALLOW || path.len == 0)
                return 0;
        while (end < path.len && path.p[end] != '/' && path.p[end] != '*' && path.p[end] != '?')
                end++;
        if (end == 1 || (end < path.len && path.p[end] != '/'))
                return wrong(j, "path", path, "is too wide: the first directory must be written out, such as /srv/**");
        return 0;
}

static int take_place(struct judge *j, const struct tide_decision *d, struct rule *r)
{
        struct bytes text = decide_arg(d, "destination");
        const char *bad;
        int err;

        if (text.len == 0)
                return 0;
        err = take_text(j, d, "destination", &r->place);
        if (err < 0)
                return err;
        bad = rule_place(str_get(&r->place), r->where_name, &r->where);
        if (bad)
                return wrong(j, "destination", text, bad);
        return 0;
}

/* A set of words, given one by one or with commas between. */
static int take_set(struct judge *j, const struct tide_decision *d, const char *option, unsigned max,
                    const char *(*word)(unsigned), const char *expected, uint8_t *ret)
{
        struct bytes text;

        for (size_t n = 0; (text = decide_arg_n(d, option, n)).len; n++) {
                uint32_t from = 0;

                for (uint32_t i = 0; i <= text.len; i++) {
                        struct bytes one = bytes_of(text.p + from, i - from);
                        unsigned k = 0;

                        if (i < text.len && text.p[i] != ',')
                                continue;
                        while (k < max && !bytes_eq(one, bytes_str(word(k))))
                                k++;
                        if (k == max)
                                return wrong(j, option, one, expected);
                        *ret |= (uint8_t)(1u << k);
                        from = i + 1;
                }
        }
        return 0;
}

static const char *origin_word(unsigned i)
{
        return tide_origin_name((uint8_t)i);
}

static const char *day_word(unsigned i)
{
        static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

        return days[i];
}

static int take_time(struct judge *j, const struct tide_decision *d, const char *option, int64_t *ret_ns)
{
        struct bytes text = decide_arg(d, option);
        int64_t v;

        if (text.len == 0)
                return 0;
        if (!number(text, &v) || v <= 0 || v > INT64_MAX / SECOND)
                return wrong(j, option, text,
                             "is no time: expected seconds since 1970 (tidemark reckons them from 2d "
                             "or 2026-12-24)");
        *ret_ns = v * SECOND;
        return 0;
}

static void put_span(uint64_t ns, char *dst, size_t size)
{
        uint64_t minutes = ns / SECOND / 60;

        if (minutes % 1440 == 0)
                snprintf(dst, size, "%llud", (unsigned long long)(minutes / 1440));
        else if (minutes % 60 == 0)
                snprintf(dst, size, "%lluh", (unsigned long long)(minutes / 60));
        else
                snprintf(dst, size, "%llum", (unsigned long long)minutes);
}

static int check_times(struct judge *j, const struct tide_event *ev, const struct rule *r)
{
        char until[CLOCK_TEXT], from[CLOCK_TEXT], most[32];

        if (r->until_ns && r->until_ns <= ev->wall_ns)
                return decide_refuse(j, "--until %s is over already: expected a time to come, such as 2d",
                                     clock_rfc3339(r->until_ns, until));
        if (r->until_ns && r->from_ns >= r->until_ns)
                return decide_refuse(j, "--from %s is not before --until %s", clock_rfc3339(r->from_ns, from),
                                     clock_rfc3339(r->until_ns, until));
        if (r->kind == RULE_SUPPRESS && ns_apart(r->until_ns, ev->wall_ns) > (int64_t)j->p.suppress_max_ns) {
                put_span(j->p.suppress_max_ns, most, sizeof(most));
                return decide_refuse(j,
                                     "--until %s is further ahead than suppress.max allows (%s): what is normal for "
                                     "longer is allowed (tidemark allow add)",
                                     clock_rfc3339(r->until_ns, until), most);
        }
        return 0;
}

/* What both kinds have. */
static int take_rule(struct judge *j, const struct tide_event *ev, struct rule *r)
{
        const struct tide_decision *d = &ev->decision;
        char by[DECIDE_BY];
        int err = take_pattern(j, d, "workload", false, &r->workload);

        if (err == 0)
                err = take_pattern(j, d, "path", true, &r->path);
        if (err == 0)
                err = take_pattern(j, d, "executable", true, &r->exe);
        if (err == 0)
                err = take_place(j, d, r);
        if (err == 0)
                err = take_set(j, d, "origin", ORIGIN__MAX, origin_word,
                               "is no origin: expected entrypoint, exec, probe, foreign or unknown", &r->origins);
        if (err == 0)
                err = take_set(j, d, "signal", DIM__MAX, dimension_name,
                               "is no signal: expected file, process, network or privilege", &r->dims);
        if (err == 0)
                err = take_time(j, d, "until", &r->until_ns);
        r->from_ns = r->added_ns = ev->wall_ns;
        if (err == 0)
                err = take_time(j, d, "from", &r->from_ns);
        if (err == 0)
                err = check_times(j, ev, r);
        if (err == 0)
                err = take_text(j, d, "reason", &r->reason);
        if (err == 0 && r->reason.len < REASON_MIN)
                err = decide_refuse(j, "--reason is needed: some words for whoever reads this rule later, such as "
                                       "--reason \"nightly backup\"");
        if (err == 0)
                err = str_set(&r->by, bytes_str(decide_by(ev, by)));
        return err ? err : check_wide(j, r);
}

/* ---- recurring windows ---- */

static int take_at(struct judge *j, struct bytes text, struct rule *r)
{
        unsigned hour, minute;

        if (text.len != 5 || text.p[2] != ':')
                return wrong(j, "at", text, "is no time of day: expected HH:MM, such as 02:00");
        for (int i = 0; i < 5; i++)
                if (i != 2 && (text.p[i] < '0' || text.p[i] > '9'))
                        return wrong(j, "at", text, "is no time of day: expected HH:MM, such as 02:00");
        hour = 10u * (unsigned)(text.p[0] - '0') + (unsigned)(text.p[1] - '0');
        minute = 10u * (unsigned)(text.p[3] - '0') + (unsigned)(text.p[4] - '0');
        if (hour > 23 || minute > 59)
                return wrong(j, "at", text, "is no time of day: expected 00:00 to 23:59");
        r->at = 60 * (60 * hour + minute);
        return 0;
}

static int take_offsets(struct judge *j, const struct tide_decision *d, struct rule *r)
{
        struct bytes text;

        for (size_t n = 0; (text = decide_arg_n(d, "offset", n)).len; n++) {
                struct rule_offset *o = &r->offsets[r->noffsets];
                int space = bytes_rfind(text, ' ');
                int64_t seconds;

                if (r->noffsets == RULE_OFFSETS)
                        return decide_refuse(j,
                                             "--zone changes its offset more than %u times until then: choose a "
                                             "nearer --until",
                                             RULE_OFFSETS);
                if (space < 1 || !number(bytes_of(text.p, (size_t)space), &o->from) ||
                    !number(bytes_of(text.p + space + 1, text.len - (uint32_t)space - 1), &seconds) ||
                    seconds < -86400 || seconds > 86400 || (n && o->from <= r->offsets[n - 1].from))
                        return wrong(j, "offset", text,
                                     "is none: expected the second since 1970 from which it holds, "
                                     "and the seconds ahead of UTC, in order of time");
                o->seconds = (int32_t)seconds;
                r->noffsets++;
        }
        return 0;
}

static int take_window(struct judge *j, const struct tide_event *ev, struct rule *r)
{
        const struct tide_decision *d = &ev->decision;
        struct bytes at = decide_arg(d, "at"), on = decide_arg(d, "on"), length = decide_arg(d, "for"), bar;
        int64_t v;
        int err = 0;

        if (!r->until_ns)
                return decide_refuse(j, "--until is needed: nothing is suppressed for good; such as --until 2d or "
                                        "--until 2026-12-24 (what is normal is allowed: tidemark allow add)");
        if ((at.len || on.len || length.len) && (!at.len || !length.len))
                return decide_refuse(j, "a window that comes back needs --at and --for, such as --on sun --at 02:00 "
                                        "--for 2h");
        if (at.len)
                err = take_at(j, at, r);
        if (err == 0 && at.len) {
                if (!number(length, &v) || v < 60 || v > RULE_LENGTH_MAX)
                        return wrong(j, "for", length, "must be from 1m to 7d");
                r->length = (uint32_t)v;
                err = take_set(j, d, "on", 7, day_word, "is no day: expected mon, tue, wed, thu, fri, sat or sun",
                               &r->days);
                if (on.len == 0)
                        r->days = 0x7f;
        }
        if (err == 0)
                err = take_text(j, d, "zone", &r->zone);
        if (err == 0)
                err = take_offsets(j, d, r);
        if (err == 0 && r->zone.len && r->noffsets == 0 && !bytes_eq(str_get(&r->zone), BYTES_LIT("UTC")))
                return wrong(j, "zone", str_get(&r->zone), "came without its offsets (\"offset\")");
        bar = decide_arg(d, "break_through");
        if (err == 0 && bar.len) {
                if (!number(bar, &v) || v < 50 || v > 100)
                        return wrong(j, "break-through", bar, "must be from 50 to 100 percent (100: nothing does)");
                r->break_through = (uint32_t)v;
        }
        return err;
}

/* ---- verbs ---- */

static void say(struct judge *j, const struct rule *r)
{
        _cleanup_buf_ struct buf words;
        char time[CLOCK_TEXT];

        buf_init(&words, 4096);
        rule_words(r, &words);
        decide_say(j, "rule", "R-%llu", (unsigned long long)r->id);
        decide_say(j, "of", "%s", buf_cstr(&words));
        decide_say(j, "covers", "%s", rule_reach(r));
        if (r->until_ns)
                decide_say(j, "until", "%s", clock_rfc3339(r->until_ns, time));
        if (r->workload.len == 0)
                decide_say(j, "note", "it is of every workload: --workload NAME makes it one's");
        if (r->kind == RULE_SUPPRESS)
                decide_say(j, "note", "from %u %% sure on a finding is shown all the same",
                           r->break_through ? r->break_through : j->p.suppress_break_through);
}

static int refuse_full(struct judge *j)
{
        return decide_refuse(j,
                             "there are %u rules already, as many as limits.rules allows: remove one (tidemark allow "
                             "list, tidemark suppress list)",
                             j->p.max_rules);
}

static int add(struct judge *j, struct rule *r, int err)
{
        if (err == 0 && rules_full(j)) {
                j->stats.rules_refused += !j->dry;
                err = refuse_full(j);
        }
        if (err == 0) {
                r->id = rules_next_id(j);
                say(j, r);
        }
        if (err == 0 && !j->dry)
                err = rules_add(j, r);
        if (err < 0 || j->dry)
                rule_free(r);
        return err;
}

static struct rule *draft(enum judge_rule_kind kind)
{
        struct rule *r = calloc(1, sizeof(*r));

        if (r)
                r->kind = kind;
        return r;
}

int rules_allow_add(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        struct rule *r = draft(RULE_ALLOW);
        int err;

        (void)w;
        if (!r)
                return -ENOMEM;
        err = take_rule(j, ev, r);
        if (err == 0 && !r->path.len && !r->exe.len && !r->place.len)
                err = decide_refuse(j, "an allow rule needs --path, --executable or --destination, such as --path "
                                       "/srv/data/*.tmp");
        if (err == 0 && r->path.len && r->place.len)
                err = decide_refuse(j,
                                    "--path and --destination fit no act together: a flow has no path; add two rules");
        return add(j, r, err);
}

int rules_suppress_add(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        struct rule *r = draft(RULE_SUPPRESS);
        int err;

        (void)w;
        if (!r)
                return -ENOMEM;
        err = take_rule(j, ev, r);
        if (err == 0)
                err = take_window(j, ev, r);
        return add(j, r, err);
}

static int remove_rule(struct judge *j, const struct tide_event *ev, enum judge_rule_kind kind)
{
        struct bytes text = decide_arg(&ev->decision, "rule");
        const char *word = kind == RULE_ALLOW ? "allow" : "suppress";
        struct rule *r = NULL;
        char shown[80], by[DECIDE_BY];
        int64_t id;

        if (bytes_has_prefix(text, BYTES_LIT("R-")) && number(bytes_of(text.p + 2, text.len - 2), &id) && id > 0)
                r = rules_by_id(j, (uint64_t)id);
        if (!r || r->kind != kind)
                return decide_refuse(j, "there is no %s rule \"%s\": expected one such as R-3 (tidemark %s list)", word,
                                     str_print(text, shown, sizeof(shown)), word);
        if (r->ended_ns)
                return decide_refuse(j, "%s rule %s has ended already", word, str_print(text, shown, sizeof(shown)));
        say(j, r);
        decide_say(j, "hidden", "%llu", (unsigned long long)r->hidden);
        if (!j->dry)
                rules_end(j, r, bytes_str(decide_by(ev, by)), ev->wall_ns);
        return 0;
}

int rules_allow_remove(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        (void)w;
        return remove_rule(j, ev, RULE_ALLOW);
}

int rules_suppress_remove(struct judge *j, struct workload *w, const struct tide_event *ev)
{
        (void)w;
        return remove_rule(j, ev, RULE_SUPPRESS);
}
