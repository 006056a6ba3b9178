/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Audit in the sensor: where records come from, our rules, and who a process is that the engine asks about.
 *
 * Owns: the multicast socket or the plugin's socket, the helper of the rules, and what is said of audit. Must not:
 * read a record (a container chose parts of it), or change audit beyond the rules that are configured. Hands over: each
 * record to the engine as TIDE_AUDIT.
 *
 * All of it is opened before privileges are given up: the group needs CAP_AUDIT_READ to be joined, not to be listened
 * to, and the rules' helper keeps CAP_AUDIT_CONTROL for itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/audit_rules.h"
#include "tidemark/audit_source.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/rate.h"

#define MOD "audit"
#define RCVBUF (4 << 20)
#define RULES_DEADLINE_NS (5 * NSEC_PER_SEC)
#define RULES_END_MS 5000
#define BACKLOG_FEW 1024u /* the kernel's own limit, where nobody has set one, is 64 */
#define LOST_WORD "#lost " /* of the plugin: src/cli/audit_plugin.c */
#define CHANGED_WORD "#changed"
#define CALM_NS (500 * NSEC_PER_MSEC) /* rules are changed by the dozen */
#define LOOK_NS (10 * NSEC_PER_SEC)   /* between two looks as records come, and before rules are set again again */

struct sensor_audit {
        struct audit_source *source;
        struct lineserver *plugin;
        struct rate plugin_rate;
        struct audit_rules *rules;
        enum audit_rules_want want;
        struct audit_rules_state state;
        struct sensor_audit_stats stats;
        struct loop_timer *look_timer;
        uint64_t looked_ns; /* when the helper was last asked; 0: never */
        uint64_t again_ns;  /* when rules were last set again */
        int look_error;     /* of the last look */
        bool answered;
};

/* ---- the kernel's own numbers, and whether the rules stand: by the helper, while something goes on ---- */

static void look(struct sensor *s)
{
        struct sensor_audit *a = s->audit;

        a->looked_ns = loop_now(s->loop);
        if (a->rules && a->answered)
                audit_rules_look(a->rules);
}

void sensor_audit_ask(struct sensor *s)
{
        if (s->audit && s->audit->rules && s->audit->answered)
                audit_rules_ask(s->audit->rules);
}

static void on_look(struct loop_timer *t, void *arg)
{
        (void)t;
        look(arg);
}

/* Who removes our rules again and again is not fought each time. */
static void on_changed(void *arg)
{
        struct sensor *s = arg;
        struct sensor_audit *a = s->audit;
        uint64_t at = loop_now(s->loop) + CALM_NS;

        if (a->want == AUDIT_RULES_NONE)
                return;
        if (a->again_ns && at < a->again_ns + LOOK_NS)
                at = a->again_ns + LOOK_NS;
        loop_timer_set(a->look_timer, at);
}

/* ---- records ---- */

static void tell(struct sensor *s, uint16_t type, struct bytes text)
{
        struct tide_event ev = {.kind = TIDE_AUDIT, .sources = SRC_AUDIT, .audit = {.type = type, .text = text}};

        sensor_send(s, PAIR_FLOW, &ev, -1);
        if (loop_now(s->loop) - s->audit->looked_ns >= LOOK_NS)
                look(s);
}

static void on_record(uint16_t type, struct bytes text, void *arg)
{
        tell(arg, type, text);
}

static void on_loss(uint64_t count, uint64_t since_ns, void *arg)
{
        struct sensor *s = arg;

        s->audit->stats.lost += count;
        sensor_lost(s, LOST_AUDIT, count, since_ns);
}

/* ---- by auditd's plugin: one line a record; the plugin itself says how many it had to drop ---- */

static void on_dropped(struct sensor *s, struct bytes number)
{
        uint64_t n = 0;

        for (uint32_t i = 0; i < number.len && i < 12 && number.p[i] >= '0' && number.p[i] <= '9'; i++)
                n = n * 10 + (uint64_t)(number.p[i] - '0');
        on_loss(n, clock_boot_ns(), s);
}

static void on_line(struct lineclient *client, struct bytes line, void *arg)
{
        struct sensor *s = arg;
        struct sensor_audit *a = s->audit;
        struct bytes lost = BYTES_LIT(LOST_WORD);

        if (lineclient_peer(client)->uid != 0) { /* the socket's mode says so already */
                a->stats.forged++;
                return;
        }
        if (bytes_has_prefix(line, lost)) {
                on_dropped(s, bytes_of(line.p + lost.len, line.len - lost.len));
                return;
        }
        if (bytes_eq(line, BYTES_LIT(CHANGED_WORD))) {
                on_changed(s);
                return;
        }
        if (line.len == 0 || line.len > AUDIT_SOURCE_TEXT_MAX) {
                a->stats.malformed++;
                return;
        }
        if (!rate_pass(&a->plugin_rate, clock_boot_ns(), NULL)) {
                on_loss(1, clock_boot_ns(), s);
                return;
        }
        a->stats.delivered++;
        tell(s, 0, line);
}

static int open_plugin(struct sensor *s)
{
        static const struct lineserver_ops ops = {.line = on_line};
        struct sensor_audit *a = s->audit;
        char path[512];
        int fd = -1, r = -ENAMETOOLONG;

        if ((size_t)snprintf(path, sizeof(path), "%s/audit.sock", s->setup->runtime_dir) < sizeof(path))
                r = lineserver_listen(path, 0600, 0, &fd);
        if (r == 0)
                r = lineserver_new(s->loop, fd, &ops, s, &a->plugin);
        a->plugin_rate = (struct rate){.interval_ns = NSEC_PER_SEC / AUDIT_SOURCE_RATE, .burst = AUDIT_SOURCE_RATE};
        return r;
}

static void close_plugin(struct sensor *s)
{
        char path[512];

        if (!s->audit->plugin)
                return;
        s->audit->plugin = lineserver_free(s->audit->plugin);
        if ((size_t)snprintf(path, sizeof(path), "%s/audit.sock", s->setup->runtime_dir) < sizeof(path))
                unlink(path);
}

/* ---- rules ---- */

static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_auditor(&n);

        return caps_keep(needs, n, NULL);
}

static void say_rules(const struct audit_rules_state *st)
{
        if (st->stand < st->wanted)
                log_warn(MOD, "%u of %u audit rules stand: %s", st->stand, st->wanted, err_str(st->refused));
        else
                log_info(MOD, "%u audit rules of ours stand, beside %u others", st->stand, st->others);
        if (st->any_family)
                log_info(MOD, "this kernel's rules cannot tell families of addresses apart: local connections are "
                              "recorded too");
        if (st->enabled == 0)
                log_warn(MOD, "audit is switched off in this kernel, so nothing is recorded: auditctl -e 1, or audit=1 "
                              "on the kernel's command line");
        if (st->never_task)
                log_warn(MOD, "a rule says '-a never,task': no system call is recorded; remove it (auditctl -l) if "
                              "audit.rules is to be of use");
        if (st->backlog_limit && st->backlog_limit < BACKLOG_FEW)
                log_warn(MOD, "only %u audit records may wait in the kernel, then processes wait: auditctl -b 8192",
                         st->backlog_limit);
}

/* Not the first answer: what has changed since. */
static void on_looked(struct sensor *s, const struct audit_rules_state *st)
{
        struct sensor_audit *a = s->audit;
        uint32_t before = a->state.lost;
        int known = a->look_error;

        a->look_error = st->error;
        if (st->error) {
                if (st->error == -EPIPE && a->want == AUDIT_RULES_NONE)
                        log_warn(MOD, "the helper that asks whether audit is switched on is gone until the next start");
                else if (st->error == -EPIPE)
                        log_error(MOD, "the helper for audit rules is gone: ours are left alone now, and stay until "
                                       "the next start removes them");
                else if (st->error != known)
                        log_warn(MOD, "audit's rules cannot be looked at: %s", err_str(st->error));
                return;
        }
        a->state = *st;
        if (a->want == AUDIT_RULES_NONE)
                return; /* nobody listens */
        if (st->lost > before) /* less: somebody has set it back */
                on_loss(st->lost - before, a->looked_ns > LOOK_NS ? a->looked_ns - LOOK_NS : 0, s);
        if (st->again == 0)
                return;
        a->again_ns = loop_now(s->loop);
        a->stats.again += st->again;
        log_warn(MOD,
                 "%u audit rules of ours were removed by somebody, as a restart of auditd does: %u of %u stand again",
                 st->again, st->stand, st->wanted);
}

static void on_rules(const struct audit_rules_state *st, void *arg)
{
        struct sensor *s = arg;
        struct sensor_audit *a = s->audit;

        if (a->answered) {
                on_looked(s, st);
                sensor_auditlog_looked(s);
                return;
        }
        a->state = *st;
        a->answered = true;
        sensor_auditlog_looked(s);
        if (st->removed)
                log_info(MOD, "%u audit rules that an earlier life of the agent had left are removed", st->removed);
        if (a->want == AUDIT_RULES_NONE) {
                if (st->error)
                        log_debug(MOD, "audit's rules cannot be looked at: %s", err_str(st->error));
                return;
        }
        if (st->error)
                log_warn(MOD, "audit rules (audit.rules) are not set: %s", err_str(st->error));
        else if (st->enabled == 2)
                log_warn(MOD, "audit's rules are locked until the next boot (auditctl -e 2): ours (audit.rules) are "
                              "not set");
        else
                say_rules(st);
}

static int start_rules(struct sensor *s)
{
        static const struct audit_rules_ops ends = {.state = on_rules, .confine = confine},
                                            stays = {.state = on_rules, .confine = confine, .stay = true};
        char name[CFG_INSTANCE];

        cfg_instance(s->setup->state_dir, name);
        return audit_rules_start(s->loop, s->audit->want, name, RULES_DEADLINE_NS,
                                 s->cfg->audit_log ? &stays : &ends, s, &s->audit->rules);
}

/* ---- start and end ---- */

/* Records by the group, or by auditd's plugin where there is none: neither is fatal, both are said. */
static void open_source(struct sensor *s)
{
        static const struct audit_source_ops ops = {.record = on_record, .changed = on_changed, .loss = on_loss};
        const char *source = s->cfg->audit_source;
        bool any = strcmp(source, "auto") == 0 && s->audit->want != AUDIT_RULES_NONE;
        int r = 0;

        if (any || strcmp(source, "multicast") == 0) {
                r = audit_source_open(s->loop, &ops, s, RCVBUF, &s->audit->source);
                if (r == 0)
                        return;
                log_warn(MOD, "audit records cannot be listened to: %s%s",
                         r == -EPROTONOSUPPORT ? "this kernel has no multicast group for them" : err_str(r),
                         any ? "; they are awaited from auditd (tidemark audit-plugin)" : "");
        }
        if (any || strcmp(source, "plugin") == 0) {
                r = open_plugin(s);
                if (r < 0)
                        log_warn(MOD, "%s/audit.sock cannot be served: %s", s->setup->runtime_dir, err_str(r));
        }
}

int sensor_audit_start(struct sensor *s)
{
        static const char *const rules[] = {[AUDIT_RULES_NONE] = "none",
                                            [AUDIT_RULES_EXEC] = "exec",
                                            [AUDIT_RULES_CONNECT] = "exec+connect"};
        int r;

        s->audit = calloc(1, sizeof(*s->audit));
        if (!s->audit)
                return -ENOMEM;
        for (unsigned i = 0; i < ARRAY_LEN(rules); i++)
                if (strcmp(s->cfg->audit_rules, rules[i]) == 0)
                        s->audit->want = (enum audit_rules_want)i;
        r = loop_timer_new(s->loop, on_look, s, &s->audit->look_timer);
        if (r < 0)
                return r;
        open_source(s);
        r = start_rules(s);
        if (r < 0)
                log_error(MOD, "the helper for audit rules cannot be started: %s", err_str(r));
        return r;
}

bool sensor_audit_tells_calls(const struct sensor *s)
{
        return s->audit && s->audit->want == AUDIT_RULES_CONNECT;
}

void sensor_audit_stop(struct sensor *s)
{
        struct audit_rules_state st = {0};
        char name[CFG_INSTANCE];
        int r;

        if (!s->audit)
                return;
        r = audit_rules_end(s->audit->rules, RULES_END_MS, &st);
        if (r == -EROFS)
                log_warn(MOD, "audit's rules are locked (auditctl -e 2): ours stand until the next boot");
        else if (r < 0)
                log_warn(MOD,
                         "audit rules of ours may still stand (%s): the next start removes them, or: auditctl -D -k "
                         "tidemark-%s",
                         err_str(r), cfg_instance(s->setup->state_dir, name));
        else if (st.removed)
                log_info(MOD, "%u audit rules of ours are removed", st.removed);
        loop_timer_free(s->audit->look_timer);
        close_plugin(s);
        audit_source_close(s->audit->source);
        free(s->audit);
        s->audit = NULL;
}

void sensor_audit_stats(const struct sensor *s, struct sensor_audit_stats *ret)
{
        const struct sensor_audit *a = s->audit;
        struct audit_source_stats st = {0};

        *ret = a->stats;
        ret->source = a->source ? "multicast group" : a->plugin ? "auditd's plugin" : "off";
        ret->rules = a->state.stand;
        ret->enabled = a->answered && a->state.error == 0 && a->look_error == 0 ? (int)a->state.enabled : -1;
        ret->kernel_lost = a->state.lost;
        if (!a->source)
                return;
        audit_source_stats(a->source, &st);
        ret->delivered += st.delivered;
        ret->forged += st.forged;
        ret->malformed += st.malformed;
}

/* ---- who is it? ---- */

void sensor_audit_who(struct sensor *s, const struct tide_event *ask)
{
        struct tide_event ev = {.kind = TIDE_WHO, .who = {.token = ask->act.id}};
        struct container *c = NULL;

        s->stirred = true;
        if (proc_source_drain(s->proc) < 0) /* settle() says so, and ends */
                return;
        if (proctab_actor(s->proctab, ask->act.pid, clock_boot_ns(), &s->lineage, &ev.who.actor, &c) < 0)
                ev.who.actor = (struct tide_actor){0};
        if (c)
                ev.container = bytes_str(c->id);
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}
