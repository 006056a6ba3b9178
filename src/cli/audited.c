/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what each record of the trail counts for, and what is gathered from them. Pure. Must not: trust the engine's
 * words beyond showing them as that. Hands over: lists and tallies; the controls are audited_controls.c's.
 */
#include "cli/audited_inside-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/when.h"

#define ROWS_MAX 2000u /* of each list; more are counted */
#define CUT_SHOWN 200u /* bytes of a request that is not whole */
#define HOUR 3600e9
#define SECOND INT64_C(1000000000)

/* ---- small things ---- */

static bool in_period(const struct audited *a, int64_t ns)
{
        return ns >= a->from && ns < a->to;
}

static void tally_number(struct audited *a, enum audited_what what, int64_t ns, uint64_t n)
{
        struct audited_tally *t = &a->of[what];

        if (!in_period(a, ns))
                return;
        if (t->n < AUDITED_FIRST)
                t->first[t->n] = n;
        t->n++;
}

static void tally(struct audited *a, enum audited_what what, const struct trail_record *r)
{
        tally_number(a, what, r->wall_ns, r->n);
}

static const char *text_of(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

static int64_t time_of(const char *s)
{
        return audited_time(s);
}

static json_t *time_json(int64_t ns)
{
        char text[CLOCK_TEXT];

        return ns ? json_string(clock_rfc3339(ns, text)) : json_null();
}

/* Takes row. */
static int add(struct audited *a, enum audited_list list, json_t *row)
{
        if (!row)
                return -ENOMEM;
        if (json_array_size(a->lists[list]) >= ROWS_MAX) {
                a->more[list]++;
                json_decref(row);
                return 0;
        }
        return json_array_append_new(a->lists[list], row) < 0 ? -ENOMEM : 0;
}

/* Who, as the kernel told it of the one who asked. */
static json_t *who_json(const struct trail_record *r)
{
        return json_pack("{s:I,s:o,s:I,s:s}", "uid", (json_int_t)r->uid, "login_uid",
                         r->login_uid == UINT32_MAX ? json_null() : json_integer(r->login_uid), "pid",
                         (json_int_t)r->pid, "command", r->comm);
}

/* ---- coverage: segments in which a container was watched by the same means ---- */

static bool is_watched(const json_t *means, const char *key)
{
        const char *how = text_of(means, key);

        return *how && strcmp(how, "none") != 0;
}

static json_t *workload_row(struct audited *a, const char *container)
{
        const json_t *name = json_object_get(a->names, container);
        const char *workload = json_is_string(name) ? json_string_value(name) : "(not identified)";
        json_t *row = json_object_get(a->workloads, workload);

        if (row)
                return row;
        if (json_object_size(a->workloads) >= ROWS_MAX)
                workload = "(others)";
        row = json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:{},s:[]}", "hours", 0.0, "files_hours", 0.0, "programs_hours", 0.0,
                        "connections_hours", 0.0, "not_whole_hours", 0.0, "uncovered_hours", 0.0, "containers",
                        "segments");
        if (!row || json_object_set_new(a->workloads, workload, row) < 0)
                return NULL;
        return row;
}

static void more_hours(json_t *row, const char *key, double hours)
{
        json_t *v = json_object_get(row, key);

        json_real_set(v, json_real_value(v) + hours);
}

/* So long it was without a comparison, at that time: since the last one, or since it is watched. */
static void look_apart(struct audited *a, const char *container, int64_t at)
{
        int64_t since = (int64_t)json_integer_value(json_object_get(a->compared, container));

        if (since && at - since > a->compared_apart)
                a->compared_apart = at - since;
}

/* One segment, cut at the period's ends. */
static int cover(struct audited *a, const char *container, int64_t from, int64_t to, const json_t *means)
{
        json_t *row;
        double hours;

        if (json_object_set_new(a->until, container, json_integer((json_int_t)to)) < 0)
                return -ENOMEM;
        from = from < a->from ? a->from : from;
        to = to > a->to ? a->to : to;
        if (to <= from)
                return 0;
        look_apart(a, container, to);
        row = workload_row(a, container);
        if (!row)
                return -ENOMEM;
        hours = (double)(to - from) / HOUR;
        more_hours(row, "hours", hours);
        if (is_watched(means, "contents") || is_watched(means, "names"))
                more_hours(row, "files_hours", hours);
        else
                more_hours(row, "uncovered_hours", hours);
        if (is_watched(means, "processes"))
                more_hours(row, "programs_hours", hours);
        if (is_watched(means, "flows"))
                more_hours(row, "connections_hours", hours);
        if (json_is_true(json_object_get(means, "names_partial")) ||
            json_is_true(json_object_get(means, "contents_partial")))
                more_hours(row, "not_whole_hours", hours);
        if (json_array_append_new(json_object_get(row, "segments"),
                                  json_pack("[I,I]", (json_int_t)from, (json_int_t)to)) < 0)
                return -ENOMEM;
        return json_object_set_new(json_object_get(row, "containers"), container, json_true()) < 0 ? -ENOMEM : 0;
}

/* It ran before the agent did, and had been watched until some time ago: nobody watched it in between. */
static int uncover(struct audited *a, const char *container, int64_t to)
{
        int64_t from = (int64_t)json_integer_value(json_object_get(a->until, container));
        json_t *row;

        if (from == 0)
                return 0;
        from = from < a->from ? a->from : from;
        to = to > a->to ? a->to : to;
        if (to <= from)
                return 0;
        row = workload_row(a, container);
        if (!row)
                return -ENOMEM;
        more_hours(row, "uncovered_hours", (double)(to - from) / HOUR);
        return 0;
}

static int begin_segment(struct audited *a, const char *container, int64_t from, json_t *means)
{
        if (!json_object_get(a->compared, container) &&
            json_object_set_new(a->compared, container, json_integer((json_int_t)from)) < 0)
                return -ENOMEM;
        return json_object_set_new(a->open, container,
                                   json_pack("{s:I,s:O}", "from", (json_int_t)from, "means", means)) < 0
                       ? -ENOMEM
                       : 0;
}

static int end_segment(struct audited *a, const char *container, int64_t to)
{
        json_t *o = json_incref(json_object_get(a->open, container));
        int r = o ? cover(a, container, (int64_t)json_integer_value(json_object_get(o, "from")), to,
                          json_object_get(o, "means"))
                  : 0;

        json_object_del(a->open, container);
        json_decref(o);
        return r;
}

static int end_all_segments(struct audited *a, int64_t to)
{
        const char *container;
        void *next;
        json_t *o;
        int r = 0;

        json_object_foreach_safe(a->open, next, container, o)
        {
                (void)o;
                if (r == 0)
                        r = end_segment(a, container, to);
        }
        return r;
}

static int on_watching(struct audited *a, const struct trail_record *r, const json_t *text)
{
        int64_t from = time_of(text_of(text, "from"));
        json_t *means = json_object_get(text, "means");
        bool first = strcmp(r->kind, "watching") == 0;

        tally(a, AUDITED_WATCHED, r);
        if (!*r->container || !json_is_object(means))
                return 0;
        if (!first && end_segment(a, r->container, r->wall_ns) < 0)
                return -ENOMEM;
        if (first && json_is_true(json_object_get(text, "running_before")) &&
            uncover(a, r->container, from ? from : r->wall_ns) < 0)
                return -ENOMEM;
        return begin_segment(a, r->container, first && from ? from : r->wall_ns, means);
}

static int on_watched(struct audited *a, const struct trail_record *r, const json_t *text)
{
        int64_t from = time_of(text_of(text, "from")), to = time_of(text_of(text, "to"));

        tally(a, AUDITED_WATCHED, r);
        if (!*r->container)
                return 0;
        to = to ? to : r->wall_ns;
        if (json_object_get(a->open, r->container))
                return end_segment(a, r->container, to);
        return cover(a, r->container, from ? from : r->wall_ns, to, json_object_get(text, "means"));
}

static int on_identified(struct audited *a, const struct trail_record *r, const json_t *text)
{
        const char *name = text_of(text, "workload");

        if (!*name)
                name = text_of(text, "name");
        if (!*name || !*r->container || json_object_size(a->names) > 16 * ROWS_MAX)
                return 0;
        /* without the image's digest: a workload is what its images have in common */
        return json_object_set_new(a->names, r->container, json_stringn(name, strcspn(name, "@"))) < 0 ? -ENOMEM : 0;
}

/* ---- the agent's own life ---- */

static int on_started(struct audited *a, const struct trail_record *r, const json_t *text)
{
        bool crashed = a->last_ns && !a->ended;
        struct trail_record gap = *r;

        tally(a, AUDITED_STARTED, r);
        a->starts++;
        if (a->last_ns && r->wall_ns > a->last_ns && r->wall_ns >= a->from && a->last_ns < a->to) {
                if (r->wall_ns >= a->to) /* it lasted until then */
                        gap.wall_ns = a->last_ns > a->from ? a->last_ns : a->from;
                tally(a, AUDITED_GAP, &gap);
                if (add(a, LIST_GAPS,
                        json_pack("{s:o,s:o,s:f,s:s,s:I}", "from", time_json(a->last_ns), "to", time_json(r->wall_ns),
                                  "hours", (double)(r->wall_ns - a->last_ns) / HOUR, "why",
                                  crashed ? "it ended without a last word (the time of its last record is shown)"
                                          : "it was ended",
                                  "record", (json_int_t)r->n)) < 0)
                        return -ENOMEM;
        }
        a->ended = false;
        (void)text;
        return end_all_segments(a, a->last_ns);
}

static int on_ended(struct audited *a, const struct trail_record *r, const json_t *text)
{
        (void)text;
        tally(a, AUDITED_ENDED, r);
        a->ended = true;
        return end_all_segments(a, r->wall_ns);
}

static int on_configured(struct audited *a, const struct trail_record *r, const json_t *text)
{
        size_t i;
        json_t *c;

        tally(a, AUDITED_CONFIGURED, r);
        if (!in_period(a, r->wall_ns))
                return 0;
        json_array_foreach(json_object_get(text, "changes"), i, c)
        {
                if (add(a, LIST_CONFIGURATION,
                        json_pack("{s:o,s:s,s:O?,s:O?,s:s,s:I}", "time", time_json(r->wall_ns), "option",
                                  text_of(c, "option"), "old", json_object_get(c, "old"), "new",
                                  json_object_get(c, "new"), "since", text_of(text, "since"), "record",
                                  (json_int_t)r->n)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int on_lost(struct audited *a, const struct trail_record *r, const json_t *text)
{
        tally(a, AUDITED_LOST, r);
        if (!in_period(a, r->wall_ns))
                return 0;
        return add(a, LIST_LOSSES,
                   json_pack("{s:o,s:s,s:s,s:O?,s:O?,s:O?,s:O?,s:I}", "time", time_json(r->wall_ns), "source",
                             *text_of(text, "source") ? text_of(text, "source") : text_of(text, "of"), "what",
                             strcmp(r->kind, "withheld") == 0 ? "records over the limit" : text_of(text, "what"),
                             "from", json_object_get(text, "from"), "to", json_object_get(text, "to"), "count",
                             json_object_get(text, "records") ? json_object_get(text, "records")
                                                              : json_object_get(text, "count"),
                             "bursts", json_object_get(text, "bursts"), "record", (json_int_t)r->n));
}

/* Records that could not be kept until the disk took them. */
static int on_unwritten(struct audited *a, const struct trail_record *r, const json_t *text)
{
        tally(a, AUDITED_LATE, r);
        return on_lost(a, r, text);
}

static int on_refused(struct audited *a, const struct trail_record *r, const json_t *text)
{
        json_t *words = text ? json_string(text_of(text, "request")) : NULL;

        tally(a, AUDITED_REFUSED, r);
        if (!words || json_string_length(words) == 0) {
                json_decref(words);
                words = json_stringn((const char *)r->text.p, r->text.len);
        }
        if (!in_period(a, r->wall_ns)) {
                json_decref(words);
                return 0;
        }
        return add(a, LIST_REFUSED,
                   json_pack("{s:o,s:o,s:s,s:o,s:I}", "time", time_json(r->wall_ns), "who", who_json(r), "where",
                             text_of(text, "where"), "request", words ? words : json_string("?"), "record",
                             (json_int_t)r->n));
}

static int on_compared(struct audited *a, const struct trail_record *r, const json_t *text)
{
        if (!json_is_true(json_object_get(text, "complete")) || !*r->container)
                return 0;
        tally(a, AUDITED_COMPARED, r);
        if (in_period(a, r->wall_ns))
                look_apart(a, r->container, r->wall_ns);
        return json_object_set_new(a->compared, r->container, json_integer((json_int_t)r->wall_ns)) < 0 ? -ENOMEM : 0;
}

static int on_engine(struct audited *a, const struct trail_record *r, const json_t *text)
{
        (void)text;
        tally(a, AUDITED_ENGINE, r);
        return 0;
}

/* ---- findings ---- */

static json_t *finding_of(struct audited *a, uint64_t id)
{
        char key[24];
        json_t *f;

        snprintf(key, sizeof(key), "F-%llu", (unsigned long long)id);
        f = json_object_get(a->findings, key);
        if (f)
                return f;
        if (json_object_size(a->findings) >= 16 * ROWS_MAX) {
                a->more[LIST_FINDINGS]++;
                return NULL;
        }
        f = json_pack("{s:s,s:I,s:I,s:I}", "id", key, "opened_ns", (json_int_t)0, "decided_ns", (json_int_t)0,
                      "closed_ns", (json_int_t)0);
        if (f && json_object_set_new(a->findings, key, f) < 0)
                return NULL;
        return f;
}

static void set_ns(json_t *f, const char *key, int64_t ns)
{
        json_integer_set(json_object_get(f, key), (json_int_t)ns);
}

static void copy(json_t *to, const json_t *from, const char *const *keys, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (json_object_get(from, keys[i]))
                        json_object_set(to, keys[i], json_object_get(from, keys[i]));
}

static void tally_kind(struct audited *a, const struct trail_record *r, const char *what)
{
        static const struct {
                const char *what;
                enum audited_what as[2];
        } rows[] = {{"exec", {AUDITED_FILE, AUDITED_EXEC}},
                    {"executable", {AUDITED_FILE, AUDITED_FILE}},
                    {"file", {AUDITED_FILE, AUDITED_FILE}},
                    {"network", {AUDITED_NETWORK, AUDITED_NETWORK}},
                    {"privilege", {AUDITED_PRIVILEGE, AUDITED_PRIVILEGE}}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (strcmp(rows[i].what, what) != 0)
                        continue;
                tally(a, rows[i].as[0], r);
                if (rows[i].as[1] != rows[i].as[0])
                        tally(a, rows[i].as[1], r);
        }
}

static int on_finding(struct audited *a, const struct trail_record *r, const json_t *text)
{
        static const char *const shown[] = {"type",    "workload", "name",       "what", "reason",
                                            "subject", "severity", "confidence", "image"};
        const char *event = text_of(text, "event"), *what = text_of(text, "what");
        bool opened = strcmp(event, "opened") == 0, grew;
        json_t *f = r->finding ? finding_of(a, r->finding) : NULL;

        if (strcmp(event, "withheld") == 0)
                return on_lost(a, r, text);
        if (!f)
                return r->finding && a->more[LIST_FINDINGS] == 0 ? -ENOMEM : 0;
        if (*r->container && on_identified(a, r, text) < 0)
                return -ENOMEM;
        grew = strcmp(event, "page") == 0 && strcmp(what, text_of(f, "what")) != 0; /* what was a file has been run */
        copy(f, text, shown, ARRAY_LEN(shown));                                     /* as it was told last */
        if (opened || grew)
                tally_kind(a, r, what);
        if (opened) {
                tally(a, AUDITED_FINDING, r);
                set_ns(f, "opened_ns", r->wall_ns);
                json_object_set_new(f, "opened_record", json_integer((json_int_t)r->n));
        } else if (strcmp(event, "page") == 0) {
                tally(a, AUDITED_PAGED, r);
                json_object_set_new(f, "paged", json_true());
        } else if (strcmp(event, "closed") == 0 || strcmp(event, "expired") == 0) {
                tally(a, AUDITED_CLOSED, r);
                set_ns(f, "closed_ns", r->wall_ns);
                json_object_set_new(f, "closed_record", json_integer((json_int_t)r->n));
                json_object_set_new(f, "closed_how", json_string(event));
        } else if (strcmp(event, "reopened") == 0) {
                set_ns(f, "closed_ns", 0);
                set_ns(f, "decided_ns", 0);
        }
        return 0;
}

/* ---- what was asked ---- */

static bool begins(const char *s, const char *with)
{
        return strncmp(s, with, strlen(with)) == 0;
}

/* A command is asked, and counts once its outcome says so. */
static char *command_key(const struct audited *a, uint64_t command, char dst[48])
{
        snprintf(dst, 48, "%llu/%llu", (unsigned long long)a->starts, (unsigned long long)command);
        return dst;
}

/* The first of them gives the time to a decision. */
static int decide(struct audited *a, const json_t *asked, bool done)
{
        const json_t *request = json_object_get(asked, "request");
        const char *id = text_of(request, "id");
        unsigned long long n = 0;
        int64_t ns = (int64_t)json_integer_value(json_object_get(asked, "ns"));
        json_t *f;

        if (!done || sscanf(id, "F-%20llu", &n) != 1)
                return 0;
        f = finding_of(a, n);
        if (!f)
                return a->more[LIST_FINDINGS] ? 0 : -ENOMEM;
        if (json_is_string(json_object_get(request, "verdict"))) {
                if (json_integer_value(json_object_get(f, "decided_ns")) == 0)
                        set_ns(f, "decided_ns", ns);
                json_object_set(f, "verdict", json_object_get(request, "verdict"));
                json_object_set(f, "decided_by", json_object_get(asked, "who"));
                json_object_set(f, "decided_record", json_object_get(asked, "record"));
        }
        if (json_is_string(json_object_get(request, "note")))
                json_object_set(f, "note", json_object_get(request, "note"));
        return 0;
}

static const struct {
        const char *begins;
        enum audited_what what;
        enum audited_list list;
} commands[] = {{"triage", AUDITED_DECIDED, LIST__MAX},
                {"allow.", AUDITED_EXCEPTION, LIST_EXCEPTIONS},
                {"suppress.", AUDITED_EXCEPTION, LIST_EXCEPTIONS},
                {"baseline.", AUDITED_APPROVAL, LIST_APPROVALS},
                {"contain.", AUDITED_CONTAINED, LIST_ACTS},
                {"evidence.", AUDITED_EVIDENCE, LIST_ACTS},
                {"", AUDITED__MAX, LIST_ACTS}};

static size_t command_row(const char *cmd)
{
        size_t i = 0;

        while (!begins(cmd, commands[i].begins))
                i++;
        return i;
}

/* A request that is longer than a record holds was asked for all the same: nobody is left out by being verbose. */
static json_t *cut_request(const struct trail_record *r)
{
        json_t *words = json_stringn((const char *)r->text.p, r->text.len < CUT_SHOWN ? r->text.len : CUT_SHOWN);

        return json_pack("{s:s,s:o}", "cmd", "(longer than a record holds)", "begins",
                         words ? words : json_string("?"));
}

static int on_asked(struct audited *a, const struct trail_record *r, const json_t *text)
{
        json_t *request = text ? json_incref((json_t *)(uintptr_t)text) : cut_request(r), *o;
        char key[48];

        if (json_is_true(json_object_get(request, "dry_run"))) {
                json_decref(request);
                return 0;
        }
        tally(a, AUDITED_ASKED, r);
        o = json_pack("{s:I,s:o,s:I,s:o,s:o}", "ns", (json_int_t)r->wall_ns, "time", time_json(r->wall_ns), "record",
                      (json_int_t)r->n, "who", who_json(r), "request", request);
        return json_object_set_new(a->asked, command_key(a, r->command, key), o) < 0 ? -ENOMEM : 0;
}

/* Seconds, as they cross the socket, are times for whoever reads. */
static void put_times(json_t *request)
{
        static const char *const names[] = {"from", "until"};

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                const json_t *v = json_object_get(request, names[i]);
                json_int_t s = json_integer_value(v);

                if (json_is_integer(v) && s > 0 && s < INT64_MAX / SECOND)
                        json_object_set_new(request, names[i], time_json((int64_t)s * SECOND));
        }
}

static int list_command(struct audited *a, const json_t *asked, const char *outcome, const json_t *result,
                        uint64_t record)
{
        const json_t *request = json_object_get(asked, "request");
        size_t i = command_row(text_of(request, "cmd"));
        json_t *rest;

        if (commands[i].list == LIST__MAX || !in_period(a, (int64_t)json_integer_value(json_object_get(asked, "ns"))))
                return 0;
        rest = json_deep_copy(request);
        json_object_del(rest, "cmd");
        json_object_del(rest, "reason");
        if (json_is_false(json_object_get(rest, "dry_run")))
                json_object_del(rest, "dry_run");
        put_times(rest);
        return add(a, commands[i].list,
                   json_pack("{s:O,s:s,s:O,s:o,s:s,s:s,s:O?,s:O,s:I}", "time", json_object_get(asked, "time"),
                             "command", text_of(request, "cmd"), "who", json_object_get(asked, "who"), "request", rest,
                             "reason", text_of(request, "reason"), "outcome", outcome, "error",
                             json_object_get(result, "error"), "record", json_object_get(asked, "record"),
                             "outcome_record", (json_int_t)record));
}

/* What somebody asked for answers a control once it was done: a refused verdict decides nothing. */
static void tally_done(struct audited *a, const json_t *asked)
{
        size_t i = command_row(text_of(json_object_get(asked, "request"), "cmd"));

        if (commands[i].what != AUDITED__MAX)
                tally_number(a, commands[i].what, (int64_t)json_integer_value(json_object_get(asked, "ns")),
                             (uint64_t)json_integer_value(json_object_get(asked, "record")));
}

/* A long answer may be cut in the trail: then its beginning still says whether it was done. */
static bool is_done(const struct trail_record *r, const json_t *text)
{
        return text ? json_is_true(json_object_get(text, "ok")) : bytes_has_prefix(r->text, BYTES_LIT("{\"ok\":true"));
}

static int on_outcome(struct audited *a, const struct trail_record *r, const json_t *text)
{
        bool done = is_done(r, text);
        char key[48];
        json_t *asked = json_incref(json_object_get(a->asked, command_key(a, r->command, key)));
        int err = 0;

        if (asked) { /* else of a dry run, or of what was asked before the trail begins */
                tally(a, AUDITED_OUTCOME, r);
                if (done)
                        tally_done(a, asked);
                err = decide(a, asked, done);
                if (err == 0)
                        err = list_command(a, asked, done ? "done" : "not done", text, r->n);
        }
        json_object_del(a->asked, key);
        json_decref(asked);
        return err;
}

static bool is_one_of(const char *kind, const char *const *of, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(of[i], kind) == 0)
                        return true;
        return false;
}

/* What the agent says it did, in its own records. */
static int on_act(struct audited *a, const struct trail_record *r, const json_t *text)
{
        static const char *const contained[] = {"isolated", "released", "killed"};
        bool done = strcmp(r->kind, "contain-foresight") != 0; /* only what would be */
        json_t *words =
                text ? json_incref((json_t *)(uintptr_t)text) : json_stringn((const char *)r->text.p, r->text.len);

        if (is_one_of(r->kind, contained, ARRAY_LEN(contained)) || (done && begins(r->kind, "contain-")))
                tally(a, AUDITED_CONTAINED, r);
        if (strcmp(r->kind, "captured") == 0 || begins(r->kind, "evidence-"))
                tally(a, AUDITED_EVIDENCE, r);
        if (!in_period(a, r->wall_ns)) {
                json_decref(words);
                return 0;
        }
        return add(a, LIST_DONE,
                   json_pack("{s:o,s:s,s:s,s:s,s:I,s:o,s:I}", "time", time_json(r->wall_ns), "kind", r->kind, "source",
                             r->source, "container", r->container, "finding", (json_int_t)r->finding, "says",
                             words ? words : json_null(), "record", (json_int_t)r->n));
}

/* ---- a record ---- */

static const struct {
        const char *kind;
        int (*on)(struct audited *, const struct trail_record *, const json_t *);
} kinds[] = {
        {"started", on_started},     {"ended", on_ended},     {"configured", on_configured}, {"watching", on_watching},
        {"coverage", on_watching},   {"watched", on_watched}, {"identified", on_identified}, {"lost", on_lost},
        {"withheld", on_lost},       {"refused", on_refused}, {"compared", on_compared},     {"finding", on_finding},
        {"unwritten", on_unwritten}, {"engine", on_engine},   {"asked", on_asked},           {"outcome", on_outcome}};

static int count_kind(struct audited *a, const char *kind)
{
        json_t *n = json_object_get(a->kinds, kind);

        if (n)
                return json_integer_set(n, json_integer_value(n) + 1);
        if (json_object_size(a->kinds) >= 64) /* the agent has fewer */
                return 0;
        return json_object_set_new(a->kinds, kind, json_integer(1)) < 0 ? -ENOMEM : 0;
}

/* NULL: it is none. */
static json_t *object_of(const struct trail_record *r)
{
        json_t *text = json_loadb((const char *)r->text.p, r->text.len, 0, NULL);

        if (json_is_object(text))
                return text;
        json_decref(text);
        return NULL;
}

/* The trail's writer writes these by itself, also at a start, before the agent's first word: they do not say that it
 * ran until then. */
static bool is_of_writer(const struct trail_record *r)
{
        static const char *const own[] = {"repaired", "removed"};

        return is_one_of(r->kind, own, ARRAY_LEN(own));
}

/* Behind the period: outcomes of what was asked in it, and, by the first one, whether the agent ran until its end. */
static int on_beyond(struct audited *a, const struct trail_record *r)
{
        bool first = !a->beyond && !is_of_writer(r), started = strcmp(r->kind, "started") == 0;
        json_t *text = !a->restarted && strcmp(r->kind, "outcome") == 0 ? object_of(r) : NULL;
        int err = 0;

        if (!a->restarted && strcmp(r->kind, "outcome") == 0)
                err = on_outcome(a, r, text);
        json_decref(text);
        a->restarted = a->restarted || started;
        if (!first || err < 0)
                return err;
        a->beyond = true;
        return started ? on_started(a, r, NULL) : end_all_segments(a, a->to);
}

int audited_record(struct audited *a, const struct trail_record *r)
{
        json_t *text;
        size_t i = 0;
        int err = 0;

        if (r->wall_ns >= a->to)
                return on_beyond(a, r);
        text = object_of(r);
        tally(a, AUDITED_ALL, r);
        if (r->late)
                tally(a, AUDITED_LATE, r);
        if (in_period(a, r->wall_ns))
                err = count_kind(a, r->kind);
        while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].kind, r->kind) != 0)
                i++;
        if (err == 0)
                err = i < ARRAY_LEN(kinds) ? kinds[i].on(a, r, text) : on_act(a, r, text);
        json_decref(text);
        if (r->wall_ns > a->last_ns && !is_of_writer(r))
                a->last_ns = r->wall_ns;
        return err;
}

int audited_finish(struct audited *a)
{
        const char *key;
        void *next;
        json_t *o;
        int r = end_all_segments(a, a->running ? a->now : a->last_ns);

        if (a->ended && a->last_ns < a->to && a->now > a->last_ns && r == 0)
                r = add(a, LIST_GAPS,
                        json_pack("{s:o,s:n,s:f,s:s,s:I}", "from", time_json(a->last_ns), "to", "hours",
                                  (double)((a->now < a->to ? a->now : a->to) - a->last_ns) / HOUR, "why",
                                  "it was ended, and not started again", "record", (json_int_t)0));
        json_object_foreach_safe(a->asked, next, key, o)
        {
                (void)key;
                if (r == 0)
                        r = list_command(a, o, "no outcome is recorded", NULL, 0);
        }
        return r;
}

/* ---- lifetime ---- */

struct audited *audited_free(struct audited *a)
{
        if (!a)
                return NULL;
        for (size_t i = 0; i < LIST__MAX; i++)
                json_decref(a->lists[i]);
        json_decref(a->findings);
        json_decref(a->asked);
        json_decref(a->open);
        json_decref(a->names);
        json_decref(a->workloads);
        json_decref(a->compared);
        json_decref(a->until);
        json_decref(a->kinds);
        free(a);
        return NULL;
}

struct audited *audited_new(int64_t from, int64_t to, int64_t now, bool running)
{
        struct audited *a = calloc(1, sizeof(*a));
        bool all = a != NULL;

        for (size_t i = 0; all && i < LIST__MAX; i++)
                all = (a->lists[i] = json_array()) != NULL;
        if (all) {
                a->from = from;
                a->to = to;
                a->now = now;
                a->running = running;
                a->findings = json_object();
                a->asked = json_object();
                a->open = json_object();
                a->names = json_object();
                a->workloads = json_object();
                a->compared = json_object();
                a->until = json_object();
                a->kinds = json_object();
                all = a->findings && a->asked && a->open && a->names && a->workloads && a->compared && a->kinds &&
                      a->until;
        }
        return all ? a : audited_free(a);
}
