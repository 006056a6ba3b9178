/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: control.sock's clients and their questions, watchers' lines until they are committed, and an operator's command
 * from the sensor's word to its answer. Must not: word answers itself (case/query does), change anything on a client's
 * word (only what came through the sensor changes something). Hands over: answers to clients, ACT_REPLY to the sensor.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engine-priv.h"
#include "daemon/memory.h"
#include "tidemark/audit.h"
#include "tidemark/auditjoin.h"
#include "tidemark/clock.h"
#include "tidemark/dns.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/query.h"

#define MOD "engine"
#define REFUSED_TOLD 512u /* bytes of a request that may not be made here */
#define ASK_DEADLINE_NS (500 * NSEC_PER_MSEC) /* then status shows the sensor's last numbers */

static json_t *refusal(int code, const char *text)
{
        return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", text, "code", code);
}

static void send_json(struct lineclient *c, json_t *answer)
{
        char *text = answer ? json_dumps(answer, QUERY_JSON_FLAGS) : NULL;

        if (text)
                lineclient_send(c, bytes_str(text));
        free(text);
        json_decref(answer);
}

/* ---- status: the sensor's part, and our own ---- */

static void add_engine(struct engine *e, json_t *o)
{
        struct lineserver_stats ls;
        struct pair_stats ps;
        json_t *memory = json_object_get(o, "memory");

        lineserver_stats(e->control, &ls);
        pair_stats(e->pair, &ps);
        if (!json_is_object(memory)) {
                json_object_set_new(o, "memory", json_object());
                memory = json_object_get(o, "memory");
        }
        json_object_set_new(memory, "engine_pss_kib", json_integer((json_int_t)memory_pss_kib(0)));
        json_object_set_new(o, "engine",
                            json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:b}", "received", (json_int_t)ps.received,
                                      "malformed", (json_int_t)(ps.malformed + e->malformed), "unstored",
                                      (json_int_t)e->unstored, "clients", (json_int_t)ls.clients, "clients_refused",
                                      (json_int_t)ls.refused, "slow_closed", (json_int_t)ls.slow_closed,
                                      "watch_dropped", (json_int_t)ls.watch_dropped, "storing", !e->commit_failed,
                                      "recording", e->recorder != NULL));
}

static void add_secrets(struct engine *e, json_t *o)
{
        struct mask_stats s = {0};

        if (e->mask)
                mask_stats(e->mask, &s);
        json_object_set_new(o, "secrets",
                            json_pack("{s:b,s:I,s:I,s:I}", "masking", e->mask != NULL, "masked", (json_int_t)s.values,
                                      "whole_texts", (json_int_t)s.full, "left_out", (json_int_t)s.failed));
}

/* What audit completed. */
static void add_audit(struct engine *e, json_t *o)
{
        struct audit_stats r;
        struct auditjoin_stats j;

        engine_audit_stats(e, &r, &j);
        json_object_set_new(o, "audit",
                            json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "records", (json_int_t)r.records, "acts",
                                      (json_int_t)r.acts, "malformed", (json_int_t)r.malformed, "crowded",
                                      (json_int_t)(r.crowded + j.crowded), "late", (json_int_t)r.late,
                                      "executions_completed", (json_int_t)j.execs, "flows_completed",
                                      (json_int_t)j.flows, "waited", (json_int_t)j.waited, "in_vain",
                                      (json_int_t)j.in_vain));
}

/* Packets of the name service, on their way to becoming names. */
static void add_packets(struct engine *e, json_t *o)
{
        json_t *v = json_object();
        struct dns_stats s;

        engine_net_stats(e, &s);
        {
                const struct {
                        const char *name;
                        uint64_t n;
                } rows[] = {
                        {"packets", s.packets},       {"queries", s.queries},
                        {"malformed", s.malformed},   {"doubted", s.doubted},
                        {"repeated", s.repeated},     {"unsure", s.unsure},
                        {"untold", s.untold},         {"cut", s.cut},
                        {"refused", s.refused},       {"waiting", s.waiting},
                        {"incomplete", s.incomplete}, {"streams", s.streams},
                        {"unowned", s.unowned},       {"others", s.others},
                };

                for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                        json_object_set_new(v, rows[i].name, json_integer((json_int_t)rows[i].n));
        }
        json_object_set_new(o, "name_packets", v);
}

static json_t *status_part(void *arg)
{
        struct engine *e = arg;
        json_t *o = json_loadb((const char *)e->counters.p, e->counters.len, 0, NULL);

        if (!json_is_object(o)) {
                json_decref(o);
                o = json_object();
        }
        if (o) {
                add_engine(e, o);
                add_secrets(e, o);
                add_audit(e, o);
                add_packets(e, o);
                engine_resolv_status(e, o);
                engine_ring_status(e, o);
                engine_news_status(e, o);
                engine_image_status(e, o);
                engine_hash_status(e, o);
                engine_record_status(e, o);
        }
        return o;
}

static json_t *run(struct engine *e, const json_t *request)
{
        struct query_env env = {
                .pipeline = e->pipeline, .store = e->store, .params = &e->cfg->judge, .playbook = e->playbook,
                .now_ns = clock_wall_ns(),
                .status = status_part, .arg = e};

        /* Only what is stored is shown: what a client has read is never taken back. If it cannot be stored now,
         * findings are those of the last commit, and status says that storing fails. */
        if (engine_commit(e, false) < 0)
                e->unstored++;
        return query_run(&env, request);
}

/* ---- control.sock ---- */

/* The sensor puts it into the trail as our word, so many a minute. */
static void tell_refused(struct engine *e, struct lineclient *c, struct bytes line)
{
        const struct linepeer *peer = lineclient_peer(c);
        struct tide_event ev = {.kind = TIDE_ACT};
        uint64_t before = 0;

        if (!rate_pass(&e->refused, loop_now(e->loop), &before))
                return;
        ev.act.act = ACT_TRAIL;
        ev.act.id = before; /* that were not handed on: counted there, too */
        ev.act.name = BYTES_LIT("refused");
        ev.act.uid = peer->uid;
        ev.act.pid = (uint32_t)peer->pid;
        ev.act.text = bytes_of(line.p, line.len > REFUSED_TOLD ? REFUSED_TOLD : line.len);
        if (engine_send(e, &ev) < 0)
                log_error(MOD, "an attempt to change something could not be handed to the trail");
}

static void answer_line(struct engine *e, struct lineclient *c, struct bytes line)
{
        json_error_t err;
        json_t *request = json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES, &err);
        const char *cmd = json_string_value(json_object_get(request, "cmd"));
        char text[256], why[100];

        if (!json_is_object(request)) { /* jansson's words may hold bytes of the line */
                snprintf(text, sizeof(text),
                         "not a request: expected one JSON object a line, such as {\"cmd\": \"status\"}; %s",
                         request ? "got another JSON value" : str_print(bytes_str(err.text), why, sizeof(why)));
                send_json(c, refusal(EXIT_USAGE, text));
        } else if (query_is_change(request)) {
                tell_refused(e, c, line);
                send_json(c, refusal(EXIT_USAGE,
                                     "this socket only reads: changing commands go to admin.sock, and are root's"));
        } else if (cmd && strcmp(cmd, "watch") == 0) {
                lineclient_watch(c);
                send_json(c, json_pack("{s:b,s:{s:b}}", "ok", 1, "data", "watching", 1));
        } else {
                send_json(c, run(e, request));
        }
        json_decref(request);
}

static bool asks_status(struct bytes line)
{
        json_t *o = json_loadb((const char *)line.p, line.len, 0, NULL);
        const char *cmd = json_string_value(json_object_get(o, "cmd"));
        bool is = cmd && strcmp(cmd, "status") == 0;

        json_decref(o);
        return is;
}

static void answer_askers(struct engine *e)
{
        for (size_t i = 0; i < e->naskers; i++) {
                struct lineclient *c = lineserver_find(e->control, e->askers[i].client);

                if (c)
                        answer_line(e, c, bytes_str(e->askers[i].line));
                free(e->askers[i].line);
        }
        e->naskers = 0;
        loop_timer_stop(e->ask_timer);
}

static void on_ask_late(struct loop_timer *t, void *arg)
{
        (void)t;
        answer_askers(arg);
}

/* A question about the sensor's numbers waits for them, shortly: they are sent when asked for, not on a clock. */
static bool ask_sensor(struct engine *e, struct lineclient *c, struct bytes line)
{
        struct tide_event ev = {.kind = TIDE_ACT, .act = {.act = ACT_COUNTERS}};
        char *copy;

        if (e->naskers == ENGINE_ASKERS || engine_send(e, &ev) < 0)
                return false;
        copy = bytes_dup(line);
        if (!copy)
                return false;
        e->askers[e->naskers++] = (struct engine_asker){.client = lineclient_id(c), .line = copy};
        loop_timer_set(e->ask_timer, loop_now(e->loop) + ASK_DEADLINE_NS);
        return true;
}

static void on_line(struct lineclient *c, struct bytes line, void *arg)
{
        struct engine *e = arg;

        if (!asks_status(line) || !ask_sensor(e, c, line))
                answer_line(e, c, line);
}

void engine_control_counters(struct engine *e, struct bytes json)
{
        buf_reset(&e->counters);
        buf_put(&e->counters, json.p, json.len);
        answer_askers(e);
}

int engine_control_open(struct engine *e, int fd)
{
        static const struct lineserver_ops ops = {.line = on_line};
        int r = loop_timer_new(e->loop, on_ask_late, e, &e->ask_timer);

        if (r == 0)
                r = lineserver_new(e->loop, fd, &ops, e, &e->control);
        if (r < 0)
                log_error(MOD, "control.sock cannot be served: %s", err_str(r));
        return r;
}

void engine_control_close(struct engine *e)
{
        for (size_t i = 0; i < e->naskers; i++)
                free(e->askers[i].line);
        e->naskers = 0;
        e->control = lineserver_free(e->control);
}

/* ---- watchers ---- */

static void queue_line(struct engine *e, json_t *o)
{
        char *text = o ? json_dumps(o, QUERY_JSON_FLAGS) : NULL;

        if (text && e->outbox.len + strlen(text) + 1 <= e->outbox.max) {
                buf_put_str(&e->outbox, text);
                buf_put_u8(&e->outbox, '\n');
        }
        free(text);
        json_decref(o);
}

void engine_control_watch(struct engine *e, const struct tide_event *ev, struct bytes workload, const char *verdict,
                          uint64_t finding)
{
        json_t *line;

        if (!e->control || lineserver_watchers(e->control) == 0)
                return;
        line = query_watch_event(pipeline_judge(e->pipeline), ev, workload, verdict, finding);
        if (line)
                queue_line(e, json_pack("{s:o}", "event", line));
}

void engine_control_finding(struct engine *e, const struct finding *f)
{
        if (!e->control || lineserver_watchers(e->control) == 0)
                return;
        queue_line(e, json_pack("{s:o}", "finding",
                                finding_json_compared(pipeline_judge(e->pipeline), f, e->cfg->judge.show)));
}

void engine_control_note(struct engine *e, struct bytes workload, const char *words)
{
        if (e->control && lineserver_watchers(e->control) > 0)
                queue_line(e, query_watch_note(workload, words));
}

/* ---- the operator's commands ---- */

void engine_control_reply(struct engine *e, uint64_t command, json_t *answer)
{
        static const char *const too_long[] = {
                "{\"ok\":false,\"error\":\"not done; why is too long to be said\",\"code\":4}",
                "{\"ok\":true,\"data\":{\"words\":\"done; the answer is too long to be given\"}}"};
        struct tide_event ev = {.kind = TIDE_ACT, .act = {.act = ACT_REPLY, .id = command}};
        char *text = answer ? json_dumps(answer, QUERY_JSON_FLAGS) : NULL;
        int r;

        ev.act.text = text ? bytes_str(text) : BYTES_LIT("{\"ok\":false,\"error\":\"out of memory\",\"code\":4}");
        r = engine_send(e, &ev);
        if (r == ERR_LIMIT) { /* a command that is never answered keeps its place for good */
                ev.act.text = bytes_str(too_long[json_is_true(json_object_get(answer, "ok"))]);
                r = engine_send(e, &ev);
        }
        if (r < 0)
                log_error(MOD, "the answer to command %llu was lost", (unsigned long long)command);
        free(text);
        json_decref(answer);
}

json_t *engine_control_outcome(struct engine *e, const struct query_env *env, int r, json_t *data)
{
        char text[320];

        if (r == 0)
                r = query_outcome(env, data);
        if (r == 0)
                return json_pack("{s:b,s:o}", "ok", 1, "data", data);
        json_decref(data);
        if (r == -EINVAL)
                return refusal(EXIT_FAILED, judge_error(pipeline_judge(e->pipeline)));
        snprintf(text, sizeof(text), "not done: it could not be stored: %s", err_str(r));
        return refusal(EXIT_FAILED, text);
}

/* The decision is an event like any other; it is acknowledged when it is on the disk. Takes data over. */
static json_t *decide(struct engine *e, const struct query_env *env, struct tide_event *ev, bool dry, json_t *data)
{
        int r;

        if (dry) { /* as it would be now; times in it are this moment's */
                ev->boot_ns = clock_boot_ns();
                ev->wall_ns = clock_wall_ns();
                return engine_control_outcome(e, env, pipeline_try(e->pipeline, ev), data);
        }
        r = engine_inject(e, ev);
        if (r == 0)
                r = engine_commit(e, true);
        return engine_control_outcome(e, env, r, data);
}

void engine_control_command(struct engine *e, const struct tide_event *command, int fd)
{
        struct query_env env = {.pipeline = e->pipeline, .store = e->store, .params = &e->cfg->judge,
                                .playbook = e->playbook, .now_ns = clock_wall_ns()};
        json_t *request =
                json_loadb((const char *)command->act.text.p, command->act.text.len, JSON_REJECT_DUPLICATES, NULL);
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        json_t *answer = NULL;
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, TIDE_RECORD_MAX);
        if (!json_is_object(request) || !query_is_change(request)) {
                answer = refusal(EXIT_USAGE, "not a changing command: expected such as {\"cmd\": "
                                             "\"baseline.activate\", \"workload\": \"NAME\"}");
        } else if (query_is_deed(request)) {
                answer = engine_deed_command(e, &env, command->act.id, request);
                if (!answer) {
                        json_decref(request);
                        return;
                }
        } else if (query_is_record(request)) {
                answer = engine_record_command(e, &env, command, request, fd);
                if (!answer) {
                        json_decref(request);
                        return;
                }
        } else if (query_has_document(request)) {
                answer = engine_import(e, &env, command, request, fd);
        } else if (query_decision(&env, request, &scratch, &ev, &answer) == 0) {
                ev.decision.id = command->act.id;
                ev.decision.uid = command->act.uid;
                ev.decision.login_uid = command->act.login_uid;
                ev.decision.pid = command->act.pid;
                answer = decide(e, &env, &ev, json_is_true(json_object_get(request, "dry_run")), answer);
        }
        engine_control_reply(e, command->act.id, answer);
        json_decref(request);
}
