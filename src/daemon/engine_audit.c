/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Audit in the engine: records become acts, acts complete events on their way into the pipeline.
 *
 * Owns: the way from the pair to the pipeline for the sensor's events, and its timer. Must not: judge, or keep an event
 * longer than auditjoin.h says. Hands over: events to engine_event(), questions about processes to the sensor.
 */
#include "daemon/engine-priv.h"

#include <errno.h>
#include <string.h>

#include "tidemark/audit.h"
#include "tidemark/auditjoin.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "audit"

struct engine_audit {
        struct audit *records;
        struct auditjoin *join;
        struct loop_timer *timer;
        int error; /* of the pipeline, met where it cannot be given back */
};

/* A flow of the host's namespace that nobody's call has completed is the host's own: nobody's business. */
static int on_event(struct tide_event *ev, void *arg)
{
        return ev->kind == TIDE_FLOW && ev->container.len == 0 ? 0 : engine_event(arg, ev);
}

static void on_who(uint64_t token, uint32_t pid, void *arg)
{
        struct tide_event ask = {.kind = TIDE_ACT, .act = {.act = ACT_WHO, .id = token, .pid = pid}};

        if (engine_send(arg, &ask) < 0)
                return; /* the pair is full: the event goes on without */
}

static void on_act(const struct audit_act *act, void *arg)
{
        struct engine *e = arg;
        int r = auditjoin_act(e->audit->join, act, loop_now(e->loop));

        if (r < 0 && e->audit->error == 0)
                e->audit->error = r;
}

/* What is due: an event that waited long enough, an event's records that did. */
static int expire(struct engine *e)
{
        struct engine_audit *a = e->audit;
        uint64_t now = loop_now(e->loop), records = audit_expire(a->records, now), due = 0;
        int r = auditjoin_expire(a->join, now, &due);

        if (records && (due == 0 || records < due))
                due = records;
        if (due)
                loop_timer_set(a->timer, due);
        else
                loop_timer_stop(a->timer);
        if (r == 0)
                r = a->error;
        a->error = 0;
        return r;
}

static void on_due(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;
        int r = expire(e);

        (void)t;
        if (r < 0)
                loop_stop(e->loop, r);
}

int engine_audit_event(struct engine *e, const struct tide_event *ev)
{
        struct auditjoin_stats before, after;
        int r;

        auditjoin_stats(e->audit->join, &before);
        r = auditjoin_event(e->audit->join, ev, loop_now(e->loop));
        auditjoin_stats(e->audit->join, &after);
        if (r >= 0 && before.held != after.held)
                r = expire(e);
        return r;
}

int engine_audit_record(struct engine *e, const struct tide_event *ev, int *fd)
{
        (void)fd;
        audit_take(e->audit->records, ev->audit.type, ev->audit.text, loop_now(e->loop));
        return expire(e);
}

int engine_audit_who(struct engine *e, const struct tide_event *ev, int *fd)
{
        int r = auditjoin_who(e->audit->join, ev, loop_now(e->loop));

        (void)fd;
        return r < 0 ? r : expire(e);
}

int engine_audit_open(struct engine *e)
{
        static const struct audit_ops ops = {.act = on_act};
        static const struct auditjoin_ops join_ops = {.event = on_event, .who = on_who};
        bool execs = strcmp(e->cfg->audit_rules, "none") != 0;
        bool connects = strcmp(e->cfg->audit_rules, "exec+connect") == 0;
        int r;

        e->audit = calloc(1, sizeof(*e->audit));
        r = e->audit ? audit_new(&ops, e, &e->audit->records) : -ENOMEM;
        if (r == 0)
                r = auditjoin_new(&join_ops, e, execs, connects, &e->audit->join);
        if (r == 0)
                r = loop_timer_new(e->loop, on_due, e, &e->audit->timer);
        if (r < 0)
                log_error(MOD, "cannot be set up: %s", err_str(r));
        return r;
}

int engine_audit_flush(struct engine *e)
{
        return e->audit && e->audit->join ? auditjoin_flush(e->audit->join) : 0;
}

void engine_audit_close(struct engine *e)
{
        if (!e->audit)
                return;
        loop_timer_free(e->audit->timer);
        auditjoin_free(e->audit->join);
        audit_free(e->audit->records);
        free(e->audit);
        e->audit = NULL;
}

void engine_audit_stats(const struct engine *e, struct audit_stats *ret_records, struct auditjoin_stats *ret_join)
{
        audit_stats(e->audit->records, ret_records);
        auditjoin_stats(e->audit->join, ret_join);
}
