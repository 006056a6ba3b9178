/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the sensor's part of status: what each source delivered, lost and repaired. Hands over: one JSON object. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/memory.h"
#include "daemon/sensor_net-priv.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

static json_int_t num(uint64_t v)
{
        return (json_int_t)v;
}

/* Bursts whose number the kernel did not tell. */
static json_int_t unknown(const struct sensor *s, enum sensor_lost_by by)
{
        return num(s->repair.unknown[by] + (s->repair.lost[by].pending && s->repair.lost[by].unknown));
}

static json_t *proc_status(const struct sensor *s)
{
        struct proc_source_stats st;

        proc_source_stats(s->proc, &st);
        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "name", "process", "state", "proc connector", "delivered",
                         num(st.delivered), "lost", num(st.lost), "lost_unknown", unknown(s, LOST_PROC), "repaired",
                         num(s->repair.scans), "forged", num(st.forged), "malformed", num(st.malformed));
}

static json_t *content_status(const struct sensor *s)
{
        struct fan_stats st = {0}, execs = {0};

        if (s->fan)
                fan_source_stats(s->fan, &st);
        if (s->execs)
                fan_source_stats(s->execs, &execs);
        st.delivered += execs.delivered;
        st.overflows += execs.overflows;
        st.malformed += execs.malformed;
        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "name", "content", "state",
                         !s->fan    ? "off: walks only"
                         : s->execs ? "fanotify, with executions"
                                    : "fanotify, without executions",
                         "delivered", num(st.delivered), "lost", num(st.overflows), "lost_unknown",
                         unknown(s, LOST_CONTENT) + unknown(s, LOST_EXECS), "repaired", num(s->repair.walks),
                         "malformed", num(st.malformed));
}

static json_t *names_status(const struct sensor *s)
{
        struct names_stats st = {0};

        if (s->names)
                names_source_stats(s->names, &st);
        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "name", "names", "state",
                         s->names ? sensor_names_by(s) : "off: walks only", "delivered", num(st.delivered), "lost",
                         num(st.overflows + st.unknown), "lost_unknown", unknown(s, LOST_NAMES), "repaired",
                         num(s->repair.walks), "malformed", num(st.malformed), "directories", num(st.dirs),
                         "directories_refused", num(st.dirs_refused));
}

static json_t *walk_status(const struct sensor *s)
{
        struct walk_stats st;

        walker_stats(s->walker, &st);
        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "name", "walk", "state", "on", "delivered",
                         num(st.entries), "lost", num(st.incomplete), "repaired", num(s->repair.walks), "requests",
                         num(st.requests), "restarts", num(st.restarts), "queued", num(st.queued), "compared",
                         num(st.compared), "compared_unsure", num(s->compares.verdicts[WALK_UNSURE]),
                         "compares_refused", num(s->compares.refused));
}

static json_t *audit_status(const struct sensor *s)
{
        struct sensor_audit_stats st;
        json_t *o;

        sensor_audit_stats(s, &st);
        o = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "name", "audit", "state", st.source, "delivered",
                      num(st.delivered), "lost", num(st.lost), "lost_unknown", unknown(s, LOST_AUDIT), "repaired",
                      num(st.again), "forged", num(st.forged), "malformed", num(st.malformed), "rules", num(st.rules));
        if (st.enabled >= 0)
                json_object_set_new(o, "enabled", json_integer(st.enabled));
        return o;
}

static json_t *auditlog_status(const struct sensor *s)
{
        struct sensor_auditlog_stats st;
        json_t *o;

        sensor_auditlog_stats(s, &st);
        o = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "state", st.state, "written",
                      num(st.written), "not_kept", num(st.not_kept), "unconfirmed", num(st.unconfirmed), "failed",
                      num(st.log.failed), "late", num(st.log.late), "refused", num(st.log.refused), "withheld",
                      num(st.log.withheld), "waiting", num(st.log.waiting), "stuck", num(st.log.stuck), "news",
                      num(st.news), "news_refused", num(st.news_refused));
        if (o && st.enabled >= 0) {
                json_object_set_new(o, "audit_enabled", json_boolean(st.enabled > 0));
                json_object_set_new(o, "kernel_lost", json_integer(num(st.kernel_lost)));
        }
        return o;
}

/* What is read out of processes' memory by a helper, and what came of it. */
static json_t *args_status(const struct sensor *s, const struct proctab_stats *st)
{
        struct peek_stats p;

        peek_stats(s->peek_args, &p);
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "read", num(st->args_read), "gone", num(st->args_gone),
                         "refused", num(st->args_refused), "late", num(st->args_late), "hung", num(p.hung), "restarts",
                         num(p.restarts), "stuck", num(p.stuck));
}

static json_t *mapped_status(const struct sensor *s)
{
        struct sensor_mapped_stats m;

        sensor_mapped_stats(s, &m);
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "looks", num(m.looks), "told", num(m.told), "passed_over",
                         num(m.passed_over), "marks", num(m.marks), "marks_refused", num(m.marks_refused), "hung",
                         num(m.hung));
}

/* Mount namespaces that containers have beside their own. */
static json_t *namespaces_status(const struct sensor *s, const struct proctab_stats *st)
{
        return json_pack("{s:I,s:I,s:I,s:I}", "known", num(st->namespaces), "refused", num(st->namespaces_refused),
                         "marked", num(s->namespaces_marked), "unmarked", num(s->namespaces_unmarked));
}

static json_t *exec_status(const struct sensor *s)
{
        struct proctab_stats st;

        proctab_stats(s->proctab, &st);
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "known", num(st.processes),
                         "exited", num(st.exited), "refused", num(st.refused), "crowded_out", num(st.crowded_out),
                         "execs", num(st.execs), "executable_from_proc", num(st.exe_from_proc),
                         "executable_from_fanotify", num(st.exe_from_fanotify), "executable_unknown",
                         num(st.exe_unknown), "pids_reused", num(st.reused), "privilege_events", num(st.privileges),
                         "privilege_events_passed_over", num(st.privileges_passed), "arguments", args_status(s, &st),
                         "mapped", mapped_status(s), "namespaces", namespaces_status(s, &st));
}

static json_t *flows_status(const struct sensor *s)
{
        const struct nets_stats none = {0}, *st = s->nets ? &s->nets->stats : &none;

        return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "name", "flows", "state",
                         !s->nets || s->nets->scope == NET_SCOPE_OFF ? "off"
                         : s->nets->scope == NET_SCOPE_HOST          ? "conntrack of the host's namespace"
                                                                     : "conntrack of each namespace",
                         "delivered", num(st->outbound + st->inbound), "lost",
                         num(s->nets ? s->nets->stats.packets_passed : 0), "lost_unknown", unknown(s, LOST_FLOWS),
                         "repaired", num(st->dumps), "overruns", num(st->overruns));
}

/* Of the namespaces that are there now. */
static json_t *namespaces_of(const struct nets *nets)
{
        size_t of[NET_LEFT + 1] = {0}, entries = 0;

        for (const struct net *n = nets->first; n; n = n->next) {
                of[n->state]++;
                entries += n->entries;
        }
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "watched", num(of[NET_WATCHED]), "tables", num(net_tables(nets)),
                         "waiting", num(of[NET_ASKED]), "refused", num(of[NET_REFUSED]), "withdrawn",
                         num(of[NET_WITHDRAWN]), "conntrack_entries", num(entries));
}

/* What was counted of connections: nets_stats, by name. */
#define COUNTED(name, field)                                                                                           \
        {                                                                                                              \
                name, offsetof(struct nets_stats, field)                                                               \
        }
static const struct {
        const char *name;
        size_t at;
} network_rows[] = {
        COUNTED("outbound", outbound),
        COUNTED("inbound", inbound),
        COUNTED("inbound_passed_over", inbound_passed),
        COUNTED("loopback", loopback),
        COUNTED("local", local),
        COUNTED("forwarded", forwarded),
        COUNTED("resumed", resumed),
        COUNTED("found", found),
        COUNTED("listeners", listeners),
        COUNTED("process_known", named),
        COUNTED("process_unknown", unnamed),
        COUNTED("container_unsure", shared),
        COUNTED("host_own", host_own),
        COUNTED("packets", packets),
        COUNTED("packets_host", packets_host),
        COUNTED("table_removed", removed),
        COUNTED("withdrawn", withdrawn),
        COUNTED("forged", forged),
        COUNTED("malformed", malformed),
        COUNTED("untold", untold),
};

static json_t *network_status(const struct sensor *s)
{
        static const char *const scopes[] = {"namespace", "host", "off"};
        struct sockets_stats look;
        struct nets_stats st;
        char table[64];
        json_t *o;

        if (!s->nets)
                return json_pack("{s:s}", "scope", "off");
        net_stats(s->nets, &st);
        sockets_stats(s->nets->sockets, &look);
        snprintf(table, sizeof(table), "inet tidemark-%s", s->nets->instance);
        o = json_pack("{s:s,s:s,s:o,s:{s:I,s:I,s:I,s:I}}", "scope", scopes[s->nets->scope], "table", table,
                      "namespaces", namespaces_of(s->nets), "sockets", "asked", num(look.asked), "remembered",
                      num(look.remembered), "gone", num(look.gone), "refused", num(look.refused));
        for (size_t i = 0; o && i < ARRAY_LEN(network_rows); i++) {
                uint64_t n;

                memcpy(&n, (const char *)&st + network_rows[i].at, sizeof(n));
                json_object_set_new(o, network_rows[i].name, json_integer(num(n)));
        }
        return o;
}

static json_t *pair_status(const struct sensor *s)
{
        static const char *const names[PAIR__CLASS_MAX] = {"walk", "file", "flow", "exec", "control"};
        json_t *refused = json_object();
        struct pair_stats st;

        pair_stats(s->pair, &st);
        for (int i = 0; i < PAIR__CLASS_MAX; i++)
                json_object_set_new(refused, names[i], json_integer(num(st.refused[i])));
        return json_pack("{s:I,s:I,s:o}", "sent", num(st.sent), "queued_bytes", num(st.queued), "refused", refused);
}

static uint64_t helpers_pss_kib(const struct sensor *s)
{
        struct sensor_auditlog_stats log;
        struct sensor_mapped_stats m;

        sensor_auditlog_stats(s, &log);
        sensor_mapped_stats(s, &m);
        return memory_pss_kib((pid_t)log.pid) + memory_pss_kib((pid_t)walker_pid(s->walker)) +
               memory_pss_kib((pid_t)trail_pid(s->trail)) + memory_pss_kib((pid_t)sensor_evidence_pid(s)) +
               memory_pss_kib((pid_t)peek_pid(s->peek_args)) + memory_pss_kib((pid_t)m.pid) +
               (s->nets ? memory_pss_kib(nsworker_pid(s->nets->worker)) : 0);
}

static json_t *repair_status(const struct sensor *s)
{
        const struct sensor_repair *r = &s->repair;

        return json_pack("{s:b,s:I,s:I,s:I,s:I}", "pending", r->wanted_ns != 0, "scans", num(r->scans), "walks",
                         num(r->walks), "walks_incomplete", num(r->walk_incomplete), "stops_forgotten",
                         num(r->stops_forgotten));
}

static json_t *pace_status(const struct sensor *s)
{
        const struct pace *p = &s->pace;

        return json_pack("{s:f,s:I,s:f,s:I,s:f}", "gathering_ms", (double)p->hold_ns[PACE_RUNS] / 1e6, "times",
                         num(p->times[PACE_RUNS]), "gathering_files_ms", (double)p->hold_ns[PACE_FILES] / 1e6,
                         "times_files", num(p->times[PACE_FILES]), "credit_ms", (double)p->credit_ns / 1e6);
}

static json_t *trail_status(const struct sensor *s)
{
        struct sensor_auditlog_stats log;
        struct sensor_trail_stats t;
        const struct trail_stats *w = &t.writer;

        sensor_trail_stats(s, &t);
        sensor_auditlog_stats(s, &log);
        return json_pack("{s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "writing", w->err == 0, "why",
                         w->err ? err_str(w->err) : "", "head", num(w->head), "written", num(w->written), "waiting",
                         num(w->waiting), "late", num(w->late), "written_late", num(w->written_late), "unwritten",
                         num(w->dropped), "checkpoint", num(log.checkpoint), "checkpoint_given", num(t.checkpoint),
                         "refused", num(t.refused));
}

void sensor_status_send(struct sensor *s)
{
        struct tide_event ev = {.kind = TIDE_COUNTERS};
        uint64_t by_time, wakeups = loop_wakeups(s->loop, &by_time);
        json_t *o = json_pack(
                "{s:[o,o,o,o,o,o],s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:{s:I,s:I},s:I,s:I,s:I,s:I}", "sensors", proc_status(s),
                content_status(s), names_status(s), walk_status(s), flows_status(s), audit_status(s), "audit_log",
                auditlog_status(s), "trail", trail_status(s), "network",
                network_status(s), "processes", exec_status(s), "repair", repair_status(s), "pace", pace_status(s),
                "pair", pair_status(s), "memory", "sensor_pss_kib", num(memory_pss_kib(0)), "helpers_pss_kib",
                num(helpers_pss_kib(s)), "wakeups", num(wakeups), "wakeups_by_time", num(by_time), "containers_refused",
                num(containers_refused(s->containers)), "not_identified", num(containers_unnamed_count(s->containers)));
        char *text;

        if (o) {
                json_object_set_new(o, "evidence", sensor_evidence_status(s));
                json_object_set_new(o, "contained", sensor_contain_list(s));
                json_object_set_new(o, "containment", sensor_contain_status(s));
        }
        text = o ? json_dumps(o, JSON_COMPACT) : NULL;
        if (text) {
                ev.state.text = bytes_str(text);
                sensor_send(s, PAIR_CONTROL, &ev, -1);
        }
        free(text);
        json_decref(o);
}
