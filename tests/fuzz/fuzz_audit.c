/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any lines as audit records: "NUMBER text" as of the multicast group, else as auditd words them. Between them events
 * of the sensor's that lack what acts tell. Promises: bounds of an act, each event goes on exactly once, and what waits
 * is gone after its time.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/audit.h"
#include "tidemark/auditjoin.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

#define LINES_MAX 400u

struct state {
        struct audit *a;
        struct auditjoin *j;
        uint64_t now, in, out;
};

static int on_event(struct tide_event *ev, void *arg)
{
        struct state *s = arg;

        if (ev->kind == TIDE_EXEC && ev->exec.args.len > TIDE_ARGS_MAX)
                abort();
        s->out++;
        return 0;
}

/* Answered at once, by a container that some flows are of. */
static void on_who(uint64_t token, uint32_t pid, void *arg)
{
        struct state *s = arg;
        struct tide_event ev = {.kind = TIDE_WHO, .container = BYTES_LIT("c1"), .boot_ns = s->now};

        ev.who.token = token;
        ev.who.actor = (struct tide_actor){.flags = ACTOR_PID, .pid = pid, .start = 1, .exe = BYTES_LIT("/x")};
        if (auditjoin_who(s->j, &ev, s->now) < 0)
                abort();
}

static void send_on(struct state *s, const struct tide_event *ev)
{
        s->in++;
        if (auditjoin_event(s->j, ev, s->now) < 0)
                abort();
}

static void on_act(const struct audit_act *act, void *arg)
{
        struct state *s = arg;
        struct tide_event ev = {.kind = TIDE_EXEC, .flags = EVF_NO_ARGS, .container = BYTES_LIT("c1")};

        if (act->args.len > TIDE_ARGS_MAX || act->args.len > act->args_total || act->pid == 0 ||
            (act->address.len != 0 && act->address.len != 4 && act->address.len != 16))
                abort();
        if (act->args_known && act->args.len < act->args_total && act->args.len != TIDE_ARGS_MAX)
                abort();
        ev.wall_ns = act->wall_ns;
        ev.exec.actor.pid = act->pid;
        if (act->serial % 2)
                send_on(s, &ev);
        if (auditjoin_act(s->j, act, s->now) < 0)
                abort();
        if (act->serial % 3)
                send_on(s, &ev);
        ev = (struct tide_event){.kind = TIDE_FLOW, .container = BYTES_LIT("c1"), .wall_ns = act->wall_ns};
        ev.flow.what = FLOW_BEGAN;
        ev.flow.direction = DIRECTION_OUT;
        ev.flow.remote = act->address;
        ev.flow.rport = act->port;
        send_on(s, &ev);
}

static void line(struct state *s, struct bytes text)
{
        struct audit_record r;
        uint16_t type = 0;
        uint32_t n = 0;

        while (n < text.len && n < 4 && text.p[n] >= '0' && text.p[n] <= '9')
                type = (uint16_t)(type * 10 + (text.p[n++] - '0'));
        if (n && n < text.len)
                n++;
        text = bytes_of(text.p + n, text.len - n);
        if (audit_record_decode(type, text, &r) == 0 &&
            (r.fields.len > text.len || (r.fields.len && (r.fields.p < text.p || r.wall_ns < 0))))
                abort();
        audit_take(s->a, type, text, s->now);
        s->now += 1000000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct audit_ops ops = {.act = on_act};
        static const struct auditjoin_ops join_ops = {.event = on_event, .who = on_who};
        struct auditjoin_stats st;
        struct state s = {.now = 1};
        uint64_t due;

        if (audit_new(&ops, &s, &s.a) < 0 || auditjoin_new(&join_ops, &s, size % 2, size % 3, &s.j) < 0)
                abort();
        for (unsigned n = 0; n < LINES_MAX && size; n++) {
                const uint8_t *end = memchr(data, '\n', size);
                size_t len = end ? (size_t)(end - data) : size;

                line(&s, bytes_of(data, len));
                data += len + (end != NULL);
                size -= len + (end != NULL);
        }
        s.now += UINT64_C(1000000000);
        if (audit_expire(s.a, s.now) != 0)
                abort();
        s.now += UINT64_C(1000000000);
        if (auditjoin_expire(s.j, s.now, &due) < 0 || due != 0)
                abort();
        auditjoin_stats(s.j, &st);
        if (st.held || s.in != s.out)
                abort();
        auditjoin_free(s.j);
        audit_free(s.a);
        return 0;
}

FUZZ_MAIN("audit", "tests/fuzz/corpus/audit")
