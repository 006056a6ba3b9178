/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of ours in the kernel's audit log, and news of findings.
 *
 * Owns: what of the engine's news is taken into the trail and the audit log (each field bounded and looked at: the
 * engine may be in a container's hands), and whether what was written was kept. Must not: block, parse JSON, or take a
 * record for kept while audit may be switched off. Hands over: to act/audit_log and to the trail.
 *
 * The kernel takes a record also where audit is switched off, and drops it. Only who may change audit may ask whether
 * it is (CAP_AUDIT_CONTROL: the helper of sensor_audit.c): so what was taken is unconfirmed until that has looked the
 * next time, a moment later.
 */
#include "daemon/news.h"
#include "daemon/sensor-priv.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/audit_log.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/finding.h"
#include "tidemark/log.h"

#define MOD "audit-log"
#define DEADLINE_NS (5 * NSEC_PER_SEC)
#define END_MS 2000
#define CONFIRM_NS (500 * NSEC_PER_MSEC) /* behind a record: whether it was kept is asked */
#define CONFIRM_EVERY_NS (2 * NSEC_PER_SEC)
#define NEWS_PER_SECOND 20u
#define NEWS_BURST 200u
#define KINDS 256u
#define COMPARED_EVERY_NS (24 * 3600 * NSEC_PER_SEC)

struct sensor_auditlog {
        struct audit_log *log; /* NULL: audit.log = no, or it could not be started */
        int error;             /* why it could not */
        struct loop_timer *confirm_timer;
        uint64_t confirmed_ns; /* when it was asked last; 0: never */
        bool failing;          /* said */
        bool off;              /* audit was switched off at the last look */
        uint64_t taken_checkpoint; /* that the kernel has taken, and perhaps dropped; 0: none */
        struct rate news_rate;
        struct {
                uint64_t finding;
                enum audit_note_type type;
        } kinds[KINDS]; /* of findings of late: the record that was written last */
        struct sensor_auditlog_stats stats;
};

/* ---- was it kept? ---- */

static void on_confirm(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;

        (void)t;
        s->auditlog->confirmed_ns = loop_now(s->loop);
        sensor_audit_ask(s);
}

static void confirm_later(struct sensor *s)
{
        struct sensor_auditlog *a = s->auditlog;
        uint64_t at = loop_now(s->loop) + CONFIRM_NS;

        if (a->confirmed_ns && at < a->confirmed_ns + CONFIRM_EVERY_NS)
                at = a->confirmed_ns + CONFIRM_EVERY_NS;
        loop_timer_set(a->confirm_timer, at);
}

static int is_enabled(const struct sensor *s, uint32_t *ret_lost)
{
        struct sensor_audit_stats st = {.enabled = -1};

        if (s->audit)
                sensor_audit_stats(s, &st);
        if (ret_lost)
                *ret_lost = st.kernel_lost;
        return st.enabled;
}

void sensor_auditlog_looked(struct sensor *s)
{
        struct sensor_auditlog *a = s->auditlog;
        int enabled = is_enabled(s, NULL);

        if (!a || enabled < 0)
                return;
        if (enabled > 0)
                a->stats.written += a->stats.unconfirmed;
        else
                a->stats.not_kept += a->stats.unconfirmed;
        a->stats.unconfirmed = 0;
        if (enabled > 0 && a->taken_checkpoint && !a->off) /* else it may have come before it was switched on */
                a->stats.checkpoint = a->taken_checkpoint;
        a->taken_checkpoint = 0;
        if (enabled > 0 && a->off)
                sensor_trail_checkpoint(s); /* those before were dropped */
        a->off = enabled == 0;
}

static void on_taken(int err, enum audit_note_type type, uint64_t n, void *arg)
{
        struct sensor *s = arg;
        struct sensor_auditlog *a = s->auditlog;

        if (err < 0 && !a->failing)
                log_warn(MOD,
                         "a record for the audit log could not be written: %s; such records are counted in status "
                         "until one goes through",
                         err_str(err));
        else if (err == 0 && a->failing)
                log_info(MOD, "records for the audit log are written again");
        a->failing = err < 0;
        if (err < 0)
                return;
        if (type == AUDIT_NOTE_CHECKPOINT)
                a->taken_checkpoint = n;
        if (a->stats.unconfirmed++ == 0)
                confirm_later(s);
}

/* ---- what is handed over ---- */

void sensor_auditlog(struct sensor *s, const struct audit_note *note)
{
        if (s->auditlog && s->auditlog->log)
                audit_log_put(s->auditlog->log, note); /* what is refused is counted there */
}

/* A round comes each hour; who asks for a comparison each week is served by one a day. */
void sensor_auditlog_compared(struct sensor *s, struct container *c, bool whole, uint64_t entries)
{
        struct audit_note note = {.type = AUDIT_NOTE_COMPARED,
                                  .ok = whole,
                                  .container = bytes_str(c->id),
                                  .pid = c->init_pid,
                                  .n = entries};
        uint64_t now = loop_now(s->loop);
        char text[120];

        if (c->compare_told_ns && now - c->compare_told_ns < COMPARED_EVERY_NS &&
            (c->compare_told_whole || !whole)) /* the first whole one is told at once */
                return;
        c->compare_told_ns = now;
        c->compare_told_whole = whole;
        snprintf(text, sizeof(text), "{\"what\":\"write layer\",\"complete\":%s,\"entries\":%llu}",
                 whole ? "true" : "false", (unsigned long long)entries);
        sensor_trail(s, &(struct trail_entry){.kind = "compared",
                                              .source = TRAIL_AGENT,
                                              .login_uid = UINT32_MAX,
                                              .container = bytes_str(c->id),
                                              .text = bytes_str(text)});
        sensor_auditlog(s, &note);
}

void sensor_auditlog_container(struct sensor *s, const struct container *c, bool started)
{
        struct audit_note note = {.type = started ? AUDIT_NOTE_STARTED : AUDIT_NOTE_STOPPED,
                                  .ok = true,
                                  .container = bytes_str(c->id),
                                  .pid = c->init_pid};

        if (s->cfg->audit_log_containers && !(started && c->running_before))
                sensor_auditlog(s, &note);
}

/* ---- news of findings ---- */

#define NEWS_TEXT 240u /* bytes shown of what the engine says */

static int put_key(json_t *o, const struct news *n, enum news_key key)
{
        char text[NEWS_TEXT];

        if (news_key_as(key) == NEWS_UNTOLD || n->of[key].len == 0)
                return 0;
        if (news_key_as(key) == NEWS_NUMBER)
                return json_object_set_new(o, news_key_name(key),
                                           json_integer((json_int_t)news_number(n, key, INT64_MAX)));
        return json_object_set_new(o, news_key_name(key), json_string(str_print(n->of[key], text, sizeof(text))));
}

static void news_to_trail(struct sensor *s, const struct news *n, unsigned bit)
{
        struct trail_entry e = {.kind = "finding",
                                .source = TRAIL_ENGINE,
                                .container = n->container,
                                .finding = n->finding,
                                .login_uid = UINT32_MAX};
        json_t *o = json_pack("{s:s}", "event", finding_news_name(bit));
        char name[NEWS_TEXT], *text = NULL;
        int bad = o ? 0 : -1;

        if (o && n->name.len)
                bad |= json_object_set_new(o, "name", json_string(str_print(n->name, name, sizeof(name))));
        for (unsigned i = 0; o && i < KEY__MAX; i++)
                bad |= put_key(o, n, (enum news_key)i);
        if (!bad)
                text = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        if (!text) {
                log_error(MOD, "a finding is not in the trail: %s", err_str(-ENOMEM));
                return;
        }
        e.text = bytes_str(text);
        sensor_trail(s, &e);
        free(text);
}

/* What was a file when the finding was opened has been run meanwhile: who looks for executions must find it. */
static bool has_come_to_run(struct sensor_auditlog *a, const struct news *n, unsigned bit)
{
        enum audit_note_type kind = news_kind(n), before = AUDIT_NOTE_NONE;
        size_t at = n->finding % KINDS;

        if (a->kinds[at].finding == n->finding)
                before = a->kinds[at].type;
        a->kinds[at].finding = n->finding;
        a->kinds[at].type = kind;
        return bit == NEWS_PAGED && kind == AUDIT_NOTE_EXEC && before != kind;
}

static void news_to_audit(struct sensor *s, const struct news *n, unsigned bit)
{
        struct audit_note note, ran;

        news_note(n, bit, &note);
        if (note.type == AUDIT_NOTE_NONE)
                return;
        if ((bit & (NEWS_OPENED | NEWS_PAGED)) && has_come_to_run(s->auditlog, n, bit)) {
                ran = note;
                ran.type = AUDIT_NOTE_EXEC;
                sensor_auditlog(s, &ran);
        }
        sensor_auditlog(s, &note);
}

static void news_withheld(struct sensor *s, uint64_t held)
{
        char text[160];

        snprintf(text, sizeof(text),
                 "{\"event\":\"withheld\",\"count\":%llu,\"why\":\"more news of findings than are written in "
                 "a second\"}",
                 (unsigned long long)held);
        sensor_trail(
                s, &(struct trail_entry){
                           .kind = "finding", .source = TRAIL_AGENT, .login_uid = UINT32_MAX, .text = bytes_str(text)});
}

void sensor_auditlog_news(struct sensor *s, const struct tide_event *act)
{
        struct sensor_who engine = {.uid = UINT32_MAX, .pid = (uint32_t)s->setup->engine};
        struct sensor_auditlog *a = s->auditlog;
        uint64_t held = 0;
        struct news n;

        if (!a)
                return;
        if (news_read(act, &n) < 0) {
                a->stats.news_refused++;
                sensor_trail_refused(s, TRAIL_ENGINE, &engine, "news of a finding", act->act.args);
                return;
        }
        if (!rate_pass(&a->news_rate, loop_now(s->loop), &held)) {
                a->stats.news_refused++;
                return;
        }
        if (held)
                news_withheld(s, held);
        for (unsigned b = 0; b < NEWS_BITS; b++) {
                if (!(n.bits & 1u << b))
                        continue;
                a->stats.news++;
                news_to_trail(s, &n, 1u << b);
                news_to_audit(s, &n, 1u << b);
        }
}

/* ---- start, end, status ---- */

static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_audit_writer(&n);

        return caps_keep(needs, n, NULL);
}

/* Without it findings are in the trail all the same: no reason not to watch. */
int sensor_auditlog_start(struct sensor *s)
{
        static const struct audit_log_ops ops = {.taken = on_taken, .confine = confine};
        struct sensor_auditlog *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        s->auditlog = a;
        a->news_rate = (struct rate){.interval_ns = NSEC_PER_SEC / NEWS_PER_SECOND, .burst = NEWS_BURST};
        if (!s->cfg->audit_log)
                return 0;
        r = loop_timer_new(s->loop, on_confirm, s, &a->confirm_timer);
        if (r == 0)
                r = audit_log_start(s->loop, DEADLINE_NS, &ops, s, &a->log);
        a->error = r;
        if (r < 0)
                log_warn(MOD,
                         "the helper that writes records of audit cannot be started: %s; findings and acts are in "
                         "the trail alone",
                         err_str(r));
        return 0;
}

void sensor_auditlog_stop(struct sensor *s)
{
        if (!s->auditlog)
                return;
        s->auditlog->log = audit_log_stop(s->auditlog->log, END_MS);
        loop_timer_free(s->auditlog->confirm_timer);
        free(s->auditlog);
        s->auditlog = NULL;
}

static const char *state_of(const struct sensor *s, const struct audit_log_stats *log)
{
        const struct sensor_auditlog *a = s->auditlog;
        int enabled = is_enabled(s, NULL);

        if (!s->cfg->audit_log)
                return "off, as configured (audit.log)";
        if (!a || !a->log)
                return "off: its helper could not be started";
        if (log->gone)
                return "off: its helper is gone, until the next start";
        if (log->error == -EPERM)
                return "failing: this process may not write to the audit log (CAP_AUDIT_WRITE)";
        if (log->error == -ECONNREFUSED || log->error == -EPROTONOSUPPORT || log->error == -EAFNOSUPPORT)
                return "failing: this kernel has no audit, or not for this namespace";
        if (log->error < 0)
                return log->error == -ETIMEDOUT ? "failing: the kernel does not take records in time"
                                                : "failing: the kernel does not take records (see the log)";
        return enabled > 0    ? "on"
               : enabled == 0 ? "on, but audit is switched off in this kernel (auditctl -e 1)"
                              : "on, but whether audit is switched on is not known";
}

void sensor_auditlog_stats(const struct sensor *s, struct sensor_auditlog_stats *ret)
{
        const struct sensor_auditlog *a = s->auditlog;

        *ret = a ? a->stats : (struct sensor_auditlog_stats){.written = 0};
        if (a && a->log) {
                audit_log_stats(a->log, &ret->log);
                ret->pid = audit_log_pid(a->log);
        }
        ret->state = state_of(s, &ret->log);
        ret->enabled = is_enabled(s, &ret->kernel_lost);
}
