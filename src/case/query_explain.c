/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_explain - command explain: why a finding is there, what decided about an event, what would decide about an act.
 *
 * Owns:  the question (of a finding, of one of the latest events, of an act that somebody thinks of) and the form of
 * the answer. Never: decides: that is asked of the judge.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "case/query-priv.h"
#include "case/recent-priv.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"

/* ---- what the judge says, in JSON ---- */

static json_t *near_json(const struct judge_near *n)
{
        _cleanup_json_ json_t *o = json_object(), *phases = json_array();
        int bad = 0;

        for (unsigned p = PHASE_STARTUP; p <= PHASE_SHUTDOWN; p++)
                if (n->entry.phases & 1u << p)
                        bad |= json_array_append_new(phases, json_string(finding_phase_name(p)));
        bad |= json_object_set_new(o, "key", cj_text(n->entry.key));
        bad |= json_object_set_new(o, "executable", cj_text_or_null(n->entry.exe));
        bad |= json_object_set(o, "phases", phases);
        bad |= json_object_set_new(o, "candidate", json_boolean(n->entry.candidate));
        bad |= json_object_set_new(o, "why", json_string(n->why));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *baseline_json(const struct judge_why *why)
{
        _cleanup_json_ json_t *o = json_object(), *near = json_array();
        int bad = 0;

        for (size_t i = 0; i < why->nnear; i++)
                bad |= json_array_append_new(near, near_json(&why->near[i]));
        bad |= json_object_set_new(o, "dimension", json_string(dimension_name(why->dim)));
        bad |= json_object_set_new(o, "state", json_string(why->state));
        bad |= json_object_set_new(o, "entries", json_integer(why->entries));
        bad |= json_object_set_new(o, "p_new", cj_real(why->p_new));
        bad |= json_object_set_new(o, "entry", cj_text_or_null(why->entry_key));
        bad |= json_object_set_new(o, "entry_executable", cj_text_or_null(why->entry_exe));
        bad |= json_object_set(o, "near", near);
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *tried_json(const struct judge *j, const struct judge_tried *t)
{
        _cleanup_buf_ struct buf words;
        char id[32];

        buf_init(&words, 65536);
        judge_rule_words(j, t->rule, &words);
        snprintf(id, sizeof(id), "R-%llu", (unsigned long long)t->rule);
        return json_pack("{s:s,s:s,s:o,s:b,s:s}", "id", id, "kind", t->kind == RULE_ALLOW ? "allow" : "suppress",
                         "text", cj_words(buf_bytes(&words)), "fits", t->fits, "why", t->why);
}

static json_t *rules_json(const struct judge *j, const struct judge_why *why)
{
        _cleanup_json_ json_t *a = json_array();

        for (size_t i = 0; i < why->ntried; i++)
                if (json_array_append_new(a, tried_json(j, &why->tried[i])) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

/* The lines that would quiet it. */
static json_t *lines_json(const struct judge_why *why, struct bytes workload)
{
        _cleanup_json_ json_t *a = json_array();
        _cleanup_buf_ struct buf b, name;
        int bad = 0;

        buf_init(&b, 8192);
        buf_init(&name, 8192);
        if (why->item) {
                buf_put_str(&b, "tidemark baseline approve ");
                str_escape(workload, &name); /* as baseline list shows it */
                str_shell(buf_bytes(&name), &b);
                buf_printf(&b, " B-%u --reason TEXT", why->item);
                bad |= json_array_append_new(a, cj_words(buf_bytes(&b)));
        }
        buf_reset(&b);
        buf_printf(&b, "tidemark allow add %s --reason TEXT", why->allow);
        if (*why->allow)
                bad |= json_array_append_new(a, cj_words(buf_bytes(&b)));
        return bad || b.err || name.err ? NULL : TAKE_PTR(a);
}

static int put_why(json_t *o, const struct judge *j, const struct judge_why *why, struct bytes workload)
{
        int bad = 0;

        bad |= json_object_set_new(o, "decided", cj_words(bytes_str(why->decided)));
        bad |= json_object_set_new(o, "baseline", baseline_json(why));
        bad |= json_object_set_new(o, "rules", rules_json(j, why));
        bad |= json_object_set_new(o, "rules_more", cj_u64(why->tried_more));
        bad |= json_object_set_new(o, "quiet", why->quiet ? json_null() : lines_json(why, workload));
        return bad;
}

/* ---- a finding ---- */

static json_t *signal_why(const struct judge *j, const struct finding *f, const struct finding_signal *s)
{
        struct judge_why *why = malloc(sizeof(*why));
        json_t *o = json_object();
        int bad = !why || !o, r = 0;

        bad |= json_object_set_new(o, "kind", json_string(dimension_name(s->kind)));
        bad |= json_object_set_new(o, "subject", cj_text(str_get(s->where.len ? &s->where : &s->subject)));
        bad |= json_object_set_new(o, "operation", cj_text(str_get(&s->operation)));
        bad |= json_object_set_new(o, "executable", cj_text_or_null(str_get(&s->executable)));
        bad |= json_object_set_new(o, "origin", json_string(tide_origin_name(s->origin)));
        bad |= json_object_set_new(o, "phase", json_string(finding_phase_name(s->phase)));
        bad |= json_object_set_new(o, "count", cj_u64(s->count));
        bad |= json_object_set_new(o, "last_seen", cj_time(s->last_ns));
        if (!bad)
                r = judge_explain_signal(j, f, s, why);
        if (!bad && r == 0)
                bad |= put_why(o, j, why, str_get(&f->workload));
        else if (!bad)
                bad |= json_object_set_new(o, "decided", json_string("raised; its workload is kept no longer"));
        free(why);
        if (bad) {
                json_decref(o);
                o = NULL;
        }
        return o;
}

static json_t *finding_why(const struct query_env *env, const struct finding *f)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *o = json_object(), *signals = json_array(),
                               *shown = finding_json_compared(j, f, env->params->show);
        static const char *const same[] = {"id",       "type",     "state",         "confidence",
                                           "severity", "count",    "suppressed",    "below_show",
                                           "verdict",  "workload", "prior_bits",    "sum_bits",
                                           "factors",  "loss",     "suppressed_by", "broke_through",
                                           "conclusion"};
        int bad = !shown;

        bad |= json_object_set_new(o, "of", json_string("finding"));
        for (size_t i = 0; i < ARRAY_LEN(same); i++)
                bad |= json_object_set(o, same[i], json_object_get(shown, same[i]));
        for (uint32_t i = 0; i < f->nsignals; i++)
                bad |= json_array_append_new(signals, signal_why(j, f, &f->signals[i]));
        bad |= json_object_set(o, "signals", signals);
        bad |= json_object_set_new(o, "show", json_integer(env->params->show));
        bad |= json_object_set_new(o, "page", json_integer(env->params->page));
        bad |= json_object_set_new(o, "break_through", json_integer(env->params->suppress_break_through));
        return bad ? NULL : TAKE_PTR(o);
}

struct asked {
        const struct query_env *env;
        uint64_t id;
        json_t *answer;
};

static int on_finding(const struct finding *f, void *arg)
{
        struct asked *a = arg;

        if (f->id != a->id || a->answer)
                return 0;
        a->answer = finding_why(a->env, f);
        return a->answer ? 0 : -ENOMEM;
}

static json_t *explain_finding(const struct query_env *env, const char *text)
{
        struct asked a = {.env = env, .id = query_finding_id(text)};
        uint64_t damaged;
        char shown[64];
        int r = a.id ? query_each_finding(env, on_finding, &a, &damaged) : 0;

        str_print(bytes_str(text), shown, sizeof(shown));
        if (a.answer)
                return query_ok(a.answer);
        if (r < 0)
                return r == -ENOMEM ? NULL : query_fail(QUERY_FAILED, "the findings could not be read: %s", err_str(r));
        if (a.id)
                return query_fail(QUERY_FAILED, "there is no finding \"%s\": see tidemark findings --all", shown);
        return query_fail(QUERY_USAGE, "\"%s\" is the id of neither a finding (F-12) nor an event (E-1234)", shown);
}

/* ---- an event ---- */

/* Its container's, else the workload of that name that was seen last. */
static bool find_workload(const struct judge *j, const struct recent_act *act, struct judge_workload *ret)
{
        struct judge_container c;
        struct judge_workload w;
        struct bytes id = {0};
        bool found = false;

        for (size_t i = 0; judge_container_next(j, &i, &c);)
                if (act->ev.container.len && bytes_eq(c.id, act->ev.container))
                        id = c.workload_id;
        for (size_t i = 0; judge_workload_next(j, &i, &w);) {
                if (id.len ? !bytes_eq(w.id, id)
                           : !bytes_eq(w.name, act->workload) || (found && w.last_ns < ret->last_ns))
                        continue;
                *ret = w;
                found = true;
        }
        return found;
}

static int put_event(json_t *o, const struct judge *j, const struct recent_act *act)
{
        struct judge_why *why = malloc(sizeof(*why));
        struct judge_workload w;
        _cleanup_json_ json_t *now = json_object();
        int bad = !why, r;

        if (bad || !act->workload.len || !find_workload(j, act, &w)) {
                free(why);
                return bad;
        }
        r = judge_explain_event(j, w.id, &act->ev, bytes_of(NULL, 0), why);
        if (r == 0)
                bad |= put_why(now, j, why, w.name);
        bad |= r == 0 ? json_object_set(o, "now", now) : 0;
        free(why);
        return bad;
}

static json_t *explain_event(const struct query_env *env, const char *text)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        const struct recent *recent = pipeline_recent(env->pipeline);
        uint64_t seq = query_finding_id(text + 2), first, last;
        struct recent_act act;
        char words[512], shown[64];
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        str_print(bytes_str(text), shown, sizeof(shown));
        if (!seq)
                return query_fail(QUERY_USAGE, "\"%s\" is no event's id: it must look like E-1234 (see tidemark watch)",
                                  shown);
        if (!recent_span(recent, &first, &last))
                return query_fail(QUERY_FAILED, "no act was judged yet since the agent was started");
        if (!recent_find(recent, seq, &act))
                return query_fail(
                        QUERY_FAILED,
                        "event %s is not kept: the latest %u acts that were judged are, E-%llu to E-%llu, and "
                        "not every event is an act",
                        shown, RECENT_KEPT, (unsigned long long)first, (unsigned long long)last);
        if (act.words.len < sizeof(words)) {
                memcpy(words, act.words.p, act.words.len);
                words[act.words.len] = '\0';
        } else {
                words[0] = '\0';
        }
        bad |= json_object_set_new(o, "of", json_string("event"));
        bad |= json_object_set_new(o, "event", query_watch_event(NULL, &act.ev, act.workload, words, act.finding));
        bad |= json_object_set_new(o, "decided",
                                   *words ? cj_words(act.words) : json_string("nothing: it was only counted"));
        bad |= put_event(o, j, &act);
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

/* ---- an act that somebody thinks of ---- */

struct thought {
        struct tide_event ev;
        uint8_t address[16];
        struct bytes name;
};

/* "ADDRESS", "NAME", each with ":PORT" and "/PROTOCOL"; of a name the address is one that documentation uses. */
static const char *think_place(const char *text, struct thought *t)
{
        static const uint8_t nowhere[4] = {192, 0, 2, 1};
        char host[300], proto[TIDE_PROTO_TEXT];
        const char *slash = strrchr(text, '/');
        size_t len = slash ? (size_t)(slash - text) : strlen(text);
        char *colon;

        if (len == 0 || len >= sizeof(host))
                return "has no name or address, or too long a one";
        memcpy(host, text, len);
        host[len] = '\0';
        t->ev.flow.proto = IPPROTO_TCP;
        if (slash) {
                unsigned p = 1;

                while (p < 256 && strcmp(tide_proto_text((uint8_t)p, proto), slash + 1) != 0)
                        p++;
                if (p == 256)
                        return "names no protocol behind its slash (tcp, udp, icmp)";
                t->ev.flow.proto = (uint8_t)p;
        }
        colon = strrchr(host, ':');
        if (colon && (strchr(host, ':') == colon || (colon > host && colon[-1] == ']'))) {
                char *end;
                unsigned long port = strtoul(colon + 1, &end, 10);

                if (*end || end == colon + 1 || port == 0 || port > 65535)
                        return "has no port from 1 to 65535 behind its colon";
                t->ev.flow.rport = (uint16_t)port;
                *colon = '\0';
        }
        if (host[0] == '[' && host[strlen(host) - 1] == ']') {
                memmove(host, host + 1, strlen(host));
                host[strlen(host) - 1] = '\0';
        }
        t->ev.flow.remote = bytes_of(t->address, 4);
        if (inet_pton(AF_INET6, host, t->address) == 1) {
                t->ev.flow.remote.len = 16;
        } else if (inet_pton(AF_INET, host, t->address) != 1) {
                const char *at = strstr(text, host);

                memcpy(t->address, nowhere, sizeof(nowhere));
                t->name = bytes_of(at ? at : text, strlen(host));
        }
        return NULL;
}

static void think_actor(struct tide_actor *a, const char *exe, uint8_t origin)
{
        a->flags = ACTOR_PID | (exe ? (unsigned)ACTOR_EXE : 0);
        a->pid = 1;
        a->start = 1;
        a->origin = origin;
        a->exe = bytes_str(exe ? exe : "");
        a->exe_layer = exe ? LAYER_IMAGE : LAYER_UNKNOWN;
        a->login_uid = a->session = UINT32_MAX;
}

static json_t *think(const json_t *request, int64_t now, struct thought *t)
{
        const char *path = json_string_value(json_object_get(request, "path"));
        const char *exe = json_string_value(json_object_get(request, "executable"));
        const char *place = json_string_value(json_object_get(request, "destination"));
        const char *origin = json_string_value(json_object_get(request, "origin"));
        uint8_t from = ORIGIN_ENTRYPOINT;
        const char *wrong;

        if (!path == !place)
                return query_fail(QUERY_USAGE,
                                  "explain needs the id of a finding or event, or a workload with a path or a "
                                  "destination, such as --workload web --path /srv/data/x");
        if (origin) {
                for (from = 0; from < ORIGIN__MAX && strcmp(origin, tide_origin_name(from)) != 0;)
                        from++;
                if (from == ORIGIN__MAX)
                        return query_fail(QUERY_USAGE, "origin must be entrypoint, exec, probe, foreign or unknown");
        }
        t->ev.wall_ns = now;
        t->ev.sources = SRC_CONTENT;
        if (place) {
                t->ev.kind = TIDE_FLOW;
                t->ev.flow.what = FLOW_BEGAN;
                t->ev.flow.direction = DIRECTION_OUT;
                think_actor(&t->ev.flow.actor, exe, from);
                wrong = think_place(place, t);
                return wrong ? query_fail(QUERY_USAGE, "the destination %s, such as api.example.com:443/tcp", wrong)
                             : NULL;
        }
        if (path[0] != '/')
                return query_fail(QUERY_USAGE, "a path begins with a slash, such as /srv/data/x");
        if (json_is_true(json_object_get(request, "runs"))) {
                t->ev.kind = TIDE_EXEC;
                think_actor(&t->ev.exec.actor, path, from);
                t->ev.exec.program = bytes_str(path);
                t->ev.exec.program_layer = LAYER_IMAGE;
                t->ev.exec.caller = bytes_str(exe ? exe : "");
                return NULL;
        }
        t->ev.kind = TIDE_FILE;
        think_actor(&t->ev.file.actor, exe, from);
        t->ev.file.path = bytes_str(path);
        t->ev.file.ops = OP_CREATE | OP_WRITE;
        t->ev.file.change = CHANGE_ADDED;
        t->ev.file.type = DT_REG;
        t->ev.file.mode = S_IFREG | 0644;
        return NULL;
}

static json_t *explain_thought(const struct query_env *env, const json_t *request)
{
        const char *text = json_string_value(json_object_get(request, "workload"));
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *o = json_object();
        struct thought t = {.name = {0}};
        struct judge_workload w;
        struct judge_why *why;
        json_t *answer;
        int bad = 0, r;

        if (!text)
                return query_fail(QUERY_USAGE,
                                  "explain needs an id (F-12, E-1234), or workload and path or destination");
        if (query_workload(j, text, true, &w, &answer) < 0)
                return answer;
        answer = think(request, env->now_ns ? env->now_ns : w.last_ns, &t);
        if (answer)
                return answer;
        why = malloc(sizeof(*why));
        r = why ? judge_explain_event(j, w.id, &t.ev, t.name, why) : -ENOMEM;
        if (r == 0) {
                bad |= json_object_set_new(o, "of", json_string("question"));
                bad |= json_object_set_new(o, "workload", cj_text(w.id));
                bad |= json_object_set_new(o, "kind", json_string(dimension_name(why->dim)));
                bad |= put_why(o, j, why, w.name);
        }
        free(why);
        if (r == -EAGAIN)
                return query_fail(QUERY_USAGE, "such an act is nothing that a baseline holds");
        return r < 0 || bad ? NULL : query_ok(TAKE_PTR(o));
}

json_t *query_explain(const struct query_env *env, const json_t *request)
{
        const char *id = json_string_value(json_object_get(request, "id"));

        if (!id)
                return explain_thought(env, request);
        if ((id[0] == 'E' || id[0] == 'e') && id[1] == '-')
                return explain_event(env, id);
        return explain_finding(env, id);
}
