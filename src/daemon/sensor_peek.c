/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read out of processes' memory, by a helper that may hang (peek.h): arguments of executions.
 *
 * Owns: the way from an execution to its arguments, and which containers are not read for a while because a helper hung
 * in one of their processes. Must not: wait. Hands over: arguments to proctab.
 */
#include <errno.h>

#include "daemon/sensor-priv.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/peek.h"

#define MOD "peek"
#define ARGS_DEADLINE_NS (500 * NSEC_PER_MSEC) /* a page takes microseconds, one that was swapped out tens of ms */
#define BAR_NS (10 * NSEC_PER_SEC)             /* after the first time; doubled with each one more */
#define BAR_DOUBLED 8u

static struct sensor_asked *asked_of(struct sensor *s, uint64_t token)
{
        return &s->asked[token % SENSOR_ASKED];
}

/* Whoever hangs a helper takes it from all others for as long as the deadline: not again and again. */
void sensor_peek_bar(struct sensor *s, uint32_t tag, uint32_t pid)
{
        struct container *c = containers_by_tag(s->containers, tag);
        uint64_t span;

        if (!c)
                return;
        span = BAR_NS << (c->hangs < BAR_DOUBLED ? c->hangs : BAR_DOUBLED);
        c->hangs++;
        c->unread_until_ns = clock_boot_ns() + span;
        log_warn(MOD,
                 "container %.12s: the memory of its process %u does not answer: no process of it is read for %u s",
                 c->id, pid, (unsigned)(span / NSEC_PER_SEC));
}

static void on_args(uint64_t token, int error, struct bytes args, uint32_t total, void *arg)
{
        struct sensor *s = arg;
        const struct sensor_asked *a = asked_of(s, token);

        if (error == -ETIMEDOUT && a->token == token)
                sensor_peek_bar(s, a->tag, a->pid);
        s->answered = true;
        proctab_args(s->proctab, token, error, args, total);
}

int sensor_want_args(struct container *c, uint64_t token, uint32_t pid, uint64_t start, void *arg)
{
        struct sensor *s = arg;
        int r;

        if (!s->peek_args || clock_boot_ns() < c->unread_until_ns)
                return -EBUSY;
        r = peek_args(s->peek_args, token, pid, start);
        if (r == -ENOBUFS && s->starting) { /* the first scan asks for all that runs; nobody waits yet */
                peek_wait(s->peek_args);
                r = clock_boot_ns() < c->unread_until_ns ? -EBUSY : peek_args(s->peek_args, token, pid, start);
        }
        if (r == 0)
                *asked_of(s, token) = (struct sensor_asked){.token = token, .tag = c->tag, .pid = pid};
        return r;
}

/* Of all that the sensor may, what reading other users' processes needs. */
int sensor_peek_confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_reader(&n);

        return caps_reduce(needs, n);
}

int sensor_peek_start(struct sensor *s)
{
        static const struct peek_ops args_ops = {.end = on_args, .confine = sensor_peek_confine, .urgent = true};
        int r = peek_start(s->loop, "tidemark-args", ARGS_DEADLINE_NS, &args_ops, s, &s->peek_args);

        if (r < 0)
                log_error(MOD, "the helper that reads arguments cannot be started: %s", err_str(r));
        return r;
}

void sensor_peek_stop(struct sensor *s)
{
        s->peek_args = peek_stop(s->peek_args);
}
