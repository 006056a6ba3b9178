/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query - the table of commands: which there are, which fields each takes, who answers.
 *
 * Owns:       checking a request against the table, the form of answers, turning a changing command into a decision.
 * Never:      changes anything: a decision is only filled here, it takes effect when the sensor has put it into the
 *             trail and it comes through the pipeline.
 * Hands over: to query_findings.c, query_baseline.c, query_transfer.c, query_status.c.
 */
#include "case/query-priv.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/playbook.h"

#define T(t) (1u << (t))
#define T_STRING T(JSON_STRING)
#define T_BOOL (T(JSON_TRUE) | T(JSON_FALSE))
#define T_NUMBER T(JSON_INTEGER)
#define T_LIST T(JSON_ARRAY) /* of strings */
#define FIELDS 20
#define ARG_TEXT 32

struct field {
        const char *name;
        unsigned types;
        bool required;
        const char *expected; /* in words */
};

/* What a changing command is about, and in which field it says so. The other fields are the decision's arguments. */
enum target { OF_NONE, OF_WORKLOAD, OF_FINDING, OF_DOCUMENT, OF_CONTAINER, OF_EVIDENCE, OF_RECORD };
static const char *const target_fields[] = {[OF_NONE] = "",         [OF_WORKLOAD] = "workload", [OF_FINDING] = "id",
                                            [OF_DOCUMENT] = "",     [OF_CONTAINER] = "target",
                                            [OF_EVIDENCE] = "name",  [OF_RECORD] = ""};

struct command {
        const char *name;
        enum target of;
        json_t *(*run)(const struct query_env *env, const json_t *request); /* NULL: a changing one */
        struct field fields[FIELDS];
};

#define TARGET_FIELD {"target", T_STRING, true, "a finding's id such as \"F-12\", or a container's id or full name"}

/* Of a rule of either kind. */
#define RULE_FIELDS                                                                                                    \
        {"workload", T_STRING, false, "a pattern of workloads' names"},                                                \
                {"path", T_STRING, false, "a path or pattern, such as \"/srv/data/*.tmp\""},                           \
                {"executable", T_STRING, false, "a path or pattern, such as \"/usr/bin/rsync\""},                      \
                {"destination", T_STRING, false, "such as \"api.example.com:443/tcp\" or \"10.0.0.0/8\""},             \
                {"origin", T_STRING | T_LIST, false, "entrypoint, exec, probe, foreign or unknown"},                   \
                {"signal", T_STRING | T_LIST, false, "file, process, network or privilege"},                           \
                {"from", T_NUMBER, false, "seconds since 1970"},                                                       \
                {"until", T_NUMBER, false, "seconds since 1970"},                                                      \
                {"reason", T_STRING, true, "some words for whoever reads the rule later"},                             \
        {                                                                                                              \
                "dry_run", T_BOOL, false, "true or false"                                                              \
        }

static const struct command commands[] = {
        {"status", OF_NONE, query_status, {{0}}},
        {"report",
         OF_NONE,
         query_report,
         {{"weeks", T_NUMBER, false, "a number of weeks"},
          {"workload", T_STRING, false, "a workload's name or its beginning"}}},
        {"report.quarter", OF_NONE, query_quarter, {{"quarter", T_STRING, false, "a quarter such as \"2026Q4\""}}},
        {"findings",
         OF_NONE,
         query_findings,
         {{"state", T_STRING, false, "\"open\", \"triaged\", \"closed\" or \"all\""},
          {"workload", T_STRING, false, "a workload's name or its beginning"},
          {"all", T_BOOL, false, "true or false"},
          {"suppressed", T_BOOL, false, "true or false"},
          {"sessions", T_BOOL, false, "true or false"},
          {"after", T_STRING, false, "a finding's id such as \"F-12\""}}},
        {"explain",
         OF_NONE,
         query_explain,
         {{"id", T_STRING, false, "a finding's id such as \"F-12\", or an event's such as \"E-1234\""},
          {"workload", T_STRING, false, "a workload's name or its beginning"},
          {"path", T_STRING, false, "a path, such as \"/srv/data/x\""},
          {"executable", T_STRING, false, "a path, such as \"/usr/bin/rsync\""},
          {"destination", T_STRING, false, "such as \"api.example.com:443/tcp\" or \"10.0.0.7:5432\""},
          {"origin", T_STRING, false, "entrypoint, exec, probe, foreign or unknown"},
          {"runs", T_BOOL, false, "true or false: the path is a program that runs"}}},
        {"show", OF_NONE, query_show, {{"id", T_STRING, true, "a finding's id such as \"F-12\""}}},
        {"baseline.list", OF_NONE, query_baseline_list, {{0}}},
        {"baseline.show",
         OF_NONE,
         query_baseline_show,
         {{"workload", T_STRING, true, "a workload's name or its beginning"},
          {"after", T_NUMBER, false, "a number of entries"}}},
        {"baseline.export",
         OF_NONE,
         query_baseline_export,
         {{"workload", T_STRING, true, "a workload's name or its beginning"},
          {"after", T_LIST, false, "what the page before said as \"after\""}}},
        {"baseline.review",
         OF_NONE,
         query_baseline_review,
         {{"workload", T_STRING, false, "a workload's name or its beginning"},
          {"all", T_BOOL, false, "true or false"}}},
        {"image.list", OF_NONE, query_image_list, {{0}}},
        {"image.show",
         OF_NONE,
         query_image_show,
         {{"image", T_STRING, true, "the beginning of an image's digest, or a workload"},
          {"after", T_NUMBER, false, "a number of parts"}}},
        {"record.list", OF_NONE, query_record_list, {{"after", T_NUMBER, false, "a number of records"}}},
        {"record.show",
         OF_NONE,
         query_record_show,
         {{"image", T_STRING, true, "the beginning of an image's digest, or a workload"},
          {"lists", T_BOOL, false, "true or false"},
          {"after", T_NUMBER, false, "a number of parts"}}},
        {"record.import",
         OF_RECORD,
         NULL,
         {{"file", T_STRING, true, "the file's name, for the trail"},
          {"image", T_STRING, false, "a digest such as \"sha256:...\""},
          {"dropped", T_BOOL, false, "true or false"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"record.remove",
         OF_RECORD,
         NULL,
         {{"document", T_STRING, true, "12 digits or more of a document's SHA-256"},
          {"reason", T_STRING, false, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"baseline.activate",
         OF_WORKLOAD,
         NULL,
         {{"workload", T_STRING, true, "a workload's full name"},
          {"dimension", T_STRING, false, "\"file\", \"process\", \"network\" or \"privilege\""},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"baseline.import",
         OF_DOCUMENT,
         NULL,
         {{"file", T_STRING, true, "the document's name, for the trail"},
          {"signature", T_STRING, false, "the signature in hexadecimal"},
          {"workload", T_STRING, false, "a workload's full name, if it is not the document's"},
          {"reason", T_STRING, true, "why, in words"},
          {"replace", T_BOOL, false, "true or false"},
          {"inherit", T_BOOL, false, "true or false"},
          {"for_digest", T_STRING, false, "a digest such as \"sha256:...\""},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"baseline.learn",
         OF_WORKLOAD,
         NULL,
         {{"workload", T_STRING, true, "a workload's full name"},
          {"dimension", T_STRING, false, "\"file\", \"process\", \"network\" or \"privilege\""},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"baseline.approve",
         OF_WORKLOAD,
         NULL,
         {{"workload", T_STRING, true, "a workload's full name"},
          {"item", T_LIST, false, "a list of candidates' numbers such as \"B-17\""},
          {"pattern", T_STRING, false, "a pattern of glob(7) for their keys"},
          {"all", T_BOOL, false, "true or false"},
          {"dimension", T_STRING, false, "\"file\", \"process\", \"network\" or \"privilege\""},
          {"path_only", T_BOOL, false, "true or false"},
          {"reason", T_STRING, true, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"baseline.reject",
         OF_WORKLOAD,
         NULL,
         {{"workload", T_STRING, true, "a workload's full name"},
          {"item", T_LIST, false, "a list of candidates' numbers such as \"B-17\""},
          {"pattern", T_STRING, false, "a pattern of glob(7) for their keys"},
          {"all", T_BOOL, false, "true or false"},
          {"known", T_BOOL, false, "true or false: also what is known and fits the pattern"},
          {"dimension", T_STRING, false, "\"file\", \"process\", \"network\" or \"privilege\""},
          {"reason", T_STRING, true, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"baseline.refresh",
         OF_WORKLOAD,
         NULL,
         {{"workload", T_STRING, true, "a workload's full name"},
          {"seconds", T_NUMBER, false, "a number of seconds"},
          {"dimension", T_STRING, false, "\"file\", \"process\", \"network\" or \"privilege\""},
          {"reason", T_STRING, false, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"allow.list", OF_NONE, query_allow_list, {{"all", T_BOOL, false, "true or false"}}},
        {"allow.add", OF_NONE, NULL, {RULE_FIELDS}},
        {"allow.remove",
         OF_NONE,
         NULL,
         {{"rule", T_STRING, true, "a rule's id such as \"R-3\""},
          {"reason", T_STRING, false, "a text"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"suppress.list", OF_NONE, query_suppress_list, {{"all", T_BOOL, false, "true or false"}}},
        {"suppress.add",
         OF_NONE,
         NULL,
         {RULE_FIELDS,
          {"on", T_STRING | T_LIST, false, "days, such as [\"mon\", \"sun\"]"},
          {"at", T_STRING, false, "a time of day, such as \"02:00\""},
          {"for", T_NUMBER, false, "seconds"},
          {"zone", T_STRING, false, "the name of a time zone"},
          {"offset", T_STRING | T_LIST, false,
           "the zone's offsets, each \"SECOND SECONDS\": since 1970, ahead of UTC from then on"},
          {"break_through", T_NUMBER, false, "percent, 50 to 100"}}},
        {"suppress.remove",
         OF_NONE,
         NULL,
         {{"rule", T_STRING, true, "a rule's id such as \"R-3\""},
          {"reason", T_STRING, false, "a text"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"triage",
         OF_FINDING,
         NULL,
         {{"id", T_STRING, true, "a finding's id such as \"F-12\""},
          {"verdict", T_STRING, false, "\"malicious\", \"misconfigured\", \"benign\" or \"unsure\""},
          {"note", T_STRING, false, "text"},
          {"close", T_BOOL, false, "true or false"},
          {"reopen", T_BOOL, false, "true or false"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"contain.isolate",
         OF_CONTAINER,
         NULL,
         {TARGET_FIELD,
          {"all", T_BOOL, false, "true or false"},
          {"now", T_BOOL, false, "true or false"},
          {"keep_probes", T_BOOL, false, "true or false"},
          {"for", T_NUMBER, false, "seconds"},
          {"reason", T_STRING, false, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"contain.release",
         OF_CONTAINER,
         NULL,
         {TARGET_FIELD,
          {"all", T_BOOL, false, "true or false"},
          {"reason", T_STRING, false, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"contain.kill",
         OF_CONTAINER,
         NULL,
         {TARGET_FIELD,
          {"yes_lose_state", T_STRING, false, "the container's full name, once more"},
          {"reason", T_STRING, false, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"evidence.capture",
         OF_CONTAINER,
         NULL,
         {TARGET_FIELD,
          {"all", T_BOOL, false, "true or false"},
          {"freeze", T_BOOL, false, "true or false"},
          {"no_wait", T_BOOL, false, "true or false"},
          {"reason", T_STRING, false, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"evidence.list",
         OF_NONE,
         NULL,
         {{"after", T_STRING, false, "the last name of the page before"}}},
        {"evidence.copy",
         OF_EVIDENCE,
         NULL,
         {{"name", T_STRING, true, "the evidence's file name"},
          {"to", T_STRING, true, "where it goes, for the trail"},
          {"dry_run", T_BOOL, false, "true or false"}}},
        {"evidence.remove",
         OF_EVIDENCE,
         NULL,
         {{"name", T_STRING, true, "the evidence's file name, in full"},
          {"reason", T_STRING, true, "why, in words"},
          {"dry_run", T_BOOL, false, "true or false"}}},
};

/* What the sensor does for some of them. */
static const struct {
        const char *command;
        enum tide_deed deed;
} deeds[] = {
        {"contain.isolate", DEED_ISOLATE}, {"contain.release", DEED_RELEASE}, {"contain.kill", DEED_KILL},
        {"evidence.capture", DEED_CAPTURE}, {"evidence.list", DEED_LIST},     {"evidence.copy", DEED_COPY},
        {"evidence.remove", DEED_REMOVE},
};

json_t *query_ok(json_t *data)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "ok", json_true());
        bad |= json_object_set_new(o, "data", data);
        return bad ? NULL : TAKE_PTR(o);
}

json_t *query_fail(enum query_code code, const char *fmt, ...)
{
        _cleanup_json_ json_t *o = json_object();
        char text[1024];
        va_list ap;
        int bad = 0;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        bad |= json_object_set_new(o, "ok", json_false());
        bad |= json_object_set_new(o, "error", cj_words(bytes_str(text)));
        bad |= json_object_set_new(o, "code", json_integer(code));
        return bad ? NULL : TAKE_PTR(o);
}

size_t query_size(const json_t *v)
{
        return json_dumpb(v, NULL, 0, QUERY_JSON_FLAGS | JSON_ENCODE_ANY);
}

static const struct command *find_command(const char *name)
{
        for (size_t i = 0; name && i < ARRAY_LEN(commands); i++)
                if (!strcmp(commands[i].name, name))
                        return &commands[i];
        return NULL;
}

static const struct field *find_field(const struct command *c, const char *name)
{
        for (size_t i = 0; i < FIELDS && c->fields[i].name; i++)
                if (!strcmp(c->fields[i].name, name))
                        return &c->fields[i];
        return NULL;
}

/* NULL: as the table wants it. */
static json_t *check_fields(const struct command *c, const json_t *request)
{
        char text[128];
        const char *key;
        json_t *v;

        json_object_foreach((json_t *)(uintptr_t)request, key, v)
        {
                const struct field *f = find_field(c, key);

                if (!strcmp(key, "cmd"))
                        continue;
                if (!f)
                        return query_fail(QUERY_USAGE, "command %s has no field \"%s\"", c->name,
                                          str_print(bytes_str(key), text, sizeof(text)));
                if (!(f->types & T(json_typeof(v))))
                        return query_fail(QUERY_USAGE, "command %s: field \"%s\" must be %s", c->name, f->name,
                                          f->expected);
        }
        for (size_t i = 0; i < FIELDS && c->fields[i].name; i++)
                if (c->fields[i].required && !json_object_get(request, c->fields[i].name))
                        return query_fail(QUERY_USAGE, "command %s needs field \"%s\": %s", c->name, c->fields[i].name,
                                          c->fields[i].expected);
        return NULL;
}

json_t *query_check(const json_t *request, const char *command)
{
        const char *name = json_string_value(json_object_get(request, "cmd"));

        if (!name || strcmp(name, command) != 0)
                return query_fail(QUERY_USAGE, "it must be %s", command);
        return check_fields(find_command(command), request);
}

static json_t *no_command(const json_t *request)
{
        const char *name = json_string_value(json_object_get(request, "cmd"));
        char text[128], known[512];
        size_t len = 0;

        if (!json_is_object(request))
                return query_fail(QUERY_USAGE, "a request is an object such as {\"cmd\": \"status\"}");
        if (!name)
                return query_fail(QUERY_USAGE, "the request has no field \"cmd\" with the name of a command");
        for (size_t i = 0; i < ARRAY_LEN(commands) && len < sizeof(known); i++)
                len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "", commands[i].name);
        return query_fail(QUERY_USAGE, "there is no command \"%s\"; this daemon knows %s",
                          str_print(bytes_str(name), text, sizeof(text)), known);
}

bool query_is_change(const json_t *request)
{
        const struct command *c = find_command(json_string_value(json_object_get(request, "cmd")));

        return c && !c->run;
}

bool query_has_document(const json_t *request)
{
        const struct command *c = find_command(json_string_value(json_object_get(request, "cmd")));

        return c && c->of == OF_DOCUMENT;
}

bool query_is_record(const json_t *request)
{
        const struct command *c = find_command(json_string_value(json_object_get(request, "cmd")));

        return c && c->of == OF_RECORD;
}

json_t *query_record_check(const json_t *request)
{
        return check_fields(find_command(json_string_value(json_object_get(request, "cmd"))), request);
}

json_t *query_run(const struct query_env *env, const json_t *request)
{
        const struct command *c = find_command(json_string_value(json_object_get(request, "cmd")));
        json_t *wrong;

        if (!c)
                return no_command(request);
        if (!c->run)
                return query_fail(QUERY_USAGE, "%s changes something: only root may ask for it, on admin.sock",
                                  c->name);
        wrong = check_fields(c, request);
        return wrong ? wrong : c->run(env, request);
}

enum query_match query_match(struct bytes s, const char *text)
{
        _cleanup_buf_ struct buf b;
        size_t len = strlen(text);

        buf_init(&b, 64 * 1024);
        str_escape(s, &b);
        if (b.err || len > b.len || len == 0 || memcmp(b.p, text, len) != 0)
                return MATCH_NONE;
        return b.len == len ? MATCH_WHOLE : MATCH_PREFIX;
}

/* How well each workload fits: counted, the last fitting one kept, the first few named. */
struct candidates {
        struct judge_workload best;
        size_t n;
        struct buf names;
};

static void candidate(struct candidates *c, const struct judge_workload *w)
{
        if (c->n++ < QUERY_NAMES_SHOWN) {
                buf_put_str(&c->names, c->n > 1 ? ", " : "");
                str_escape(w->id, &c->names);
        }
        c->best = *w;
}

int query_workload(const struct judge *j, const char *text, bool prefix, struct judge_workload *ret,
                   json_t **ret_answer)
{
        struct candidates whole = {.n = 0}, begins = {.n = 0}, *c = &whole;
        struct judge_workload w;
        char shown[256];
        size_t i = 0;
        int r = 0;

        buf_init(&whole.names, 8192);
        buf_init(&begins.names, 8192);
        str_print(bytes_str(text), shown, sizeof(shown));
        while (judge_workload_next(j, &i, &w)) {
                enum query_match m = query_match(w.id, text);

                if (m == MATCH_WHOLE) {
                        *ret = w;
                        goto out;
                }
                if (query_match(w.name, text) == MATCH_WHOLE)
                        candidate(&whole, &w);
                else if (m == MATCH_PREFIX)
                        candidate(&begins, &w);
        }
        if (whole.n == 0 && prefix)
                c = &begins;
        if (c->n == 1) {
                *ret = c->best;
        } else if (c->n > 1) {
                r = -ENOTUNIQ;
                *ret_answer = query_fail(QUERY_USAGE,
                                         "\"%s\" may be one of %zu workloads: %s%s. Say more of it, up to the whole id",
                                         shown, c->n, buf_cstr(&c->names), c->n > QUERY_NAMES_SHOWN ? ", …" : "");
        } else if (begins.n) {
                r = -ENOENT;
                *ret_answer = query_fail(QUERY_FAILED,
                                         "no workload is called \"%s\"; a command that changes something takes the "
                                         "full name. Beginning so: %s",
                                         shown, buf_cstr(&begins.names));
        } else {
                r = -ENOENT;
                *ret_answer =
                        query_fail(QUERY_FAILED, "no workload is called \"%s\": see tidemark baseline list", shown);
        }
out:
        buf_release(&whole.names);
        buf_release(&begins.names);
        return r;
}

/* The part of a workload that a decision is about; with "state" as it is now. */
static json_t *decision_dimensions(const struct judge_workload *w, const char *only)
{
        _cleanup_json_ json_t *a = json_array();

        for (unsigned d = 0; d < DIM__MAX; d++) {
                _cleanup_json_ json_t *o = NULL;

                if (only ? strcmp(only, dimension_name(d)) != 0 : !strcmp(w->dim[d].state, "off"))
                        continue;
                o = json_pack("{s:s, s:s}", "dimension", dimension_name(d), "state", w->dim[d].state);
                if (json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static bool is_dimension(const char *name)
{
        for (unsigned d = 0; d < DIM__MAX; d++)
                if (!strcmp(name, dimension_name(d)))
                        return true;
        return false;
}

/* A finding that is kept, by its full number. */
struct wanted_finding {
        uint64_t id;
        bool found;
        struct buf *kept; /* a closed one, encoded: the judge has forgotten it; NULL: not asked for */
};

static int find_finding(const struct finding *f, void *arg)
{
        struct wanted_finding *w = arg;

        if (f->id != w->id)
                return 0;
        w->found = true;
        return w->kept && f->state == FINDING_CLOSED ? finding_encode(f, w->kept) : 0;
}

static int resolve_finding(const struct query_env *env, const char *text, struct buf *target, json_t **ret_answer)
{
        struct wanted_finding w = {.id = query_finding_id(text)};
        uint64_t damaged;
        char shown[64];
        int r = w.id ? query_each_finding(env, find_finding, &w, &damaged) : 0;

        if (r < 0)
                return r;
        if (!w.found) {
                *ret_answer = query_fail(w.id ? QUERY_FAILED : QUERY_USAGE,
                                         w.id ? "there is no finding \"%s\": see tidemark findings --all"
                                              : "\"%s\" is no finding's id: expected one such as F-12",
                                         str_print(bytes_str(text), shown, sizeof(shown)));
                return -ENOENT;
        }
        buf_printf(target, "F-%llu", (unsigned long long)w.id);
        return 0;
}

/* A closed finding goes along with the decision about it. */
static int put_kept(const struct query_env *env, const json_t *request, struct buf *out)
{
        _cleanup_buf_ struct buf kept;
        struct wanted_finding w = {.kept = &kept};
        uint64_t damaged;
        int r;

        buf_init(&kept, TIDE_RECORD_MAX);
        w.id = query_finding_id(json_string_value(json_object_get(request, target_fields[OF_FINDING])));
        r = query_each_finding(env, find_finding, &w, &damaged);
        if (r == 0 && kept.len)
                tide_list_put(out, BYTES_LIT("kept"), buf_bytes(&kept));
        return r;
}

static json_t *check_dimension(const json_t *request)
{
        const char *dim = json_string_value(json_object_get(request, "dimension"));
        char text[64];

        if (!dim || is_dimension(dim))
                return NULL;
        return query_fail(QUERY_USAGE, "there is no dimension \"%s\": it must be file, process, network or privilege",
                          str_print(bytes_str(dim), text, sizeof(text)));
}

/* Into target: what the decision is about, by its full name. w is filled for OF_WORKLOAD. */
static int resolve_decision(const struct query_env *env, const struct command *c, const json_t *request,
                            struct buf *target, struct judge_workload *w, json_t **ret_answer)
{
        const char *text = json_string_value(json_object_get(request, target_fields[c->of]));
        int r = 0;

        *ret_answer = check_fields(c, request);
        if (!*ret_answer)
                *ret_answer = check_dimension(request);
        if (*ret_answer)
                return -EINVAL;
        if (c->of == OF_DOCUMENT || c->of == OF_RECORD) {
                *ret_answer = query_fail(QUERY_USAGE, "%s needs a document, whose descriptor comes along with it",
                                         c->name);
                return -EINVAL;
        }
        if (c->of == OF_FINDING)
                return resolve_finding(env, text, target, ret_answer);
        if (c->of == OF_WORKLOAD) {
                r = query_workload(pipeline_judge(env->pipeline), text, false, w, ret_answer);
                if (r == 0)
                        buf_put(target, w->id.p, w->id.len);
        }
        return r;
}

/* What it resolved to, for a person to read before or after. */
static json_t *decision_answer(const struct command *c, struct bytes target, const struct judge_workload *w,
                               const json_t *request)
{
        _cleanup_json_ json_t *o = json_object();
        const char *dim = json_string_value(json_object_get(request, "dimension"));
        int bad = 0;

        bad |= json_object_set_new(o, "command", json_string(c->name));
        bad |= json_object_set_new(o, "dry_run", json_boolean(json_is_true(json_object_get(request, "dry_run"))));
        if (c->of == OF_FINDING)
                bad |= json_object_set_new(o, "id", cj_text(target));
        if (c->of == OF_WORKLOAD) {
                bad |= json_object_set_new(o, "workload", cj_text(w->id));
                bad |= json_object_set_new(o, "name", cj_text(w->name));
                bad |= json_object_set_new(o, "image", cj_text(w->image));
                bad |= json_object_set_new(o, "digest", cj_text(w->digest));
                bad |= json_object_set_new(o, "dimensions", decision_dimensions(w, dim));
        }
        return bad ? NULL : TAKE_PTR(o);
}

static void put_arg(const char *key, const json_t *v, struct buf *out)
{
        char number[ARG_TEXT];
        const json_t *item;
        size_t i;

        if (json_is_string(v))
                tide_list_put(out, bytes_str(key), bytes_of(json_string_value(v), json_string_length(v)));
        else if (json_is_true(v))
                tide_list_put(out, bytes_str(key), BYTES_LIT("true"));
        else if (json_is_integer(v)) {
                snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
                tide_list_put(out, bytes_str(key), bytes_str(number));
        } else if (json_is_array(v)) {
                json_array_foreach((json_t *)(uintptr_t)v, i, item) put_arg(key, item, out);
        }
}

/* Every field that is not the target: strings, numbers and what is true; of a list one by one. */
static void put_args(const struct command *c, const json_t *request, struct buf *out)
{
        const char *key;
        json_t *v;

        json_object_foreach((json_t *)(uintptr_t)request, key,
                            v) if (strcmp(key, "cmd") && strcmp(key, "dry_run") && strcmp(key, target_fields[c->of]))
                put_arg(key, v, out);
}

int query_decision(const struct query_env *env, const json_t *request, struct buf *scratch, struct tide_event *ev,
                   json_t **ret_answer)
{
        const struct command *c = find_command(json_string_value(json_object_get(request, "cmd")));
        struct judge_workload w = {.containers = 0};
        uint32_t target;
        int r;

        *ret_answer = NULL;
        if (!c || c->run) {
                *ret_answer = c ? query_fail(QUERY_USAGE, "%s only reads: ask on control.sock", c->name)
                                : no_command(request);
                return -EINVAL;
        }
        buf_reset(scratch);
        r = resolve_decision(env, c, request, scratch, &w, ret_answer);
        if (r < 0)
                return r;
        target = (uint32_t)scratch->len;
        *ret_answer = decision_answer(c, buf_bytes(scratch), &w, request);
        if (!*ret_answer)
                return -ENOMEM;

        /* All of it first, pointers after: the buffer may move while it grows. */
        put_args(c, request, scratch);
        if (c->of == OF_FINDING && env->playbook && json_object_get(request, "verdict")) /* by which it was judged */
                tide_list_put(scratch, BYTES_LIT("criteria"), bytes_str(env->playbook->version));
        r = c->of == OF_FINDING ? put_kept(env, request, scratch) : 0;
        if (r == 0)
                r = scratch->err;
        if (r < 0) {
                json_decref(*ret_answer);
                *ret_answer = query_fail(QUERY_FAILED, "%s: %s", c->name, err_str(r));
                return r;
        }
        memset(ev, 0, sizeof(*ev));
        ev->kind = TIDE_DECISION;
        ev->sources = SRC_OPERATOR;
        ev->decision.uid = ev->decision.login_uid = UINT32_MAX;
        ev->decision.verb = bytes_str(c->name);
        ev->decision.target = bytes_of(scratch->p, target);
        ev->decision.args = bytes_of(scratch->p + target, scratch->len - target);
        return 0;
}

static enum tide_deed find_deed(const json_t *request)
{
        const char *name = json_string_value(json_object_get(request, "cmd"));

        for (size_t i = 0; name && i < ARRAY_LEN(deeds); i++)
                if (!strcmp(deeds[i].command, name))
                        return deeds[i].deed;
        return DEED_NONE;
}

bool query_is_deed(const json_t *request)
{
        return find_deed(request) != DEED_NONE;
}

int query_deed(const struct query_env *env, const json_t *request, struct query_deed *ret, struct buf *args,
               json_t **ret_answer)
{
        const struct command *c = find_command(json_string_value(json_object_get(request, "cmd")));

        *ret_answer = c && query_is_deed(request) ? check_fields(c, request) : no_command(request);
        if (*ret_answer)
                return -EINVAL;
        memset(ret, 0, sizeof(*ret));
        ret->deed = (uint8_t)find_deed(request);
        ret->dry_run = json_is_true(json_object_get(request, "dry_run"));
        ret->name = json_string_value(json_object_get(request, "name"));
        *ret_answer = query_deed_target(env, request, ret);
        if (*ret_answer)
                return -ENOENT;
        buf_reset(args);
        put_args(c, request, args);
        if (args->err)
                *ret_answer = query_fail(QUERY_FAILED, "%s: %s", c->name, err_str(args->err));
        return args->err;
}

int query_outcome(const struct query_env *env, json_t *answer)
{
        struct bytes said = judge_result(pipeline_judge(env->pipeline)), key, value;
        _cleanup_json_ json_t *o = json_object();
        struct rd r;
        int bad = 0;

        rd_init(&r, said.p, said.len);
        while (!bad && tide_list_next(&r, &key, &value)) {
                _cleanup_free_ char *name = bytes_dup(key);
                json_t *had = name ? json_object_get(o, name) : NULL;

                if (!name)
                        return -ENOMEM;
                if (!had)
                        bad = json_object_set_new(o, name, json_pack("[o]", cj_words(value)));
                else
                        bad = json_array_append_new(had, cj_words(value));
        }
        return bad || json_object_set(answer, "outcome", o) < 0 ? -ENOMEM : 0;
}
