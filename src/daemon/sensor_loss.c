/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to the engine, and what is done about what did not get there.
 *
 * Owns: what each kernel queue and the pair lost and is not told yet, and the time of the repair. Must not: judge how
 * bad it was, or repair while it still storms (a walk would only fill the queues again). Hands over: one TIDE_LOSS a
 * burst with the window that holds the blind moment; scans to proctab, walks to sensor_files.c.
 */
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/log.h"

#define MOD "loss"
#define CALM_NS (300 * NSEC_PER_MSEC)    /* losses come in bursts: one repair for all of them */
#define PATIENCE_NS (3 * NSEC_PER_SEC)   /* but a storm that does not end is no reason to wait for ever */
#define FLUSH_SHARE 16u                  /* a batch may bring more than the pair holds: the engine works meanwhile */

static const struct {
        uint16_t source; /* enum tide_source */
        bool scan, walk;
        const char *what;
} rows[LOST__MAX] = {
        [LOST_PROC] = {SRC_PROC, true, false, "the proc connector's queue overflowed"},
        [LOST_EXECS] = {SRC_CONTENT, true, true, "the queue of executions overflowed"},
        [LOST_CONTENT] = {SRC_CONTENT, false, true, "the queue of file contents overflowed"},
        [LOST_NAMES] = {SRC_NAMES, false, true,
                        "the queue of names overflowed, or named a directory that is not known"},
        [LOST_AUDIT] = {SRC_AUDIT, false, false, "audit records came faster than they are read"},
        [LOST_FLOWS] = {SRC_CONNTRACK, false, false,
                        "the queue of flows overflowed: those that came and went meanwhile are not known"},
        [LOST_PACKETS] = {SRC_NFLOG, false, false, "packets of the name service were dropped, or came too thick"},
        [LOST_PAIR] = {0, false, false, "the queue between the two processes was full"},
};

void sensor_repair_later(struct sensor *s)
{
        uint64_t now = loop_now(s->loop), at = now + CALM_NS;

        if (s->repair.wanted_ns == 0)
                s->repair.wanted_ns = now ? now : 1;
        if (at > s->repair.wanted_ns + PATIENCE_NS)
                at = s->repair.wanted_ns + PATIENCE_NS;
        loop_timer_set(s->repair_timer, at > now ? at : now);
}

void sensor_lost(struct sensor *s, enum sensor_lost_by by, uint64_t count, uint64_t since_ns)
{
        struct sensor_lost *l = &s->repair.lost[by];
        uint64_t now = clock_boot_ns();

        if (since_ns == 0 || since_ns > now)
                since_ns = now;
        if (!l->pending)
                *l = (struct sensor_lost){.pending = true, .from_ns = since_ns};
        if (since_ns < l->from_ns)
                l->from_ns = since_ns;
        l->to_ns = now;
        l->count += count;
        l->unknown = l->unknown || count == 0;
        s->repair.scan = s->repair.scan || rows[by].scan;
        s->repair.walk = s->repair.walk || rows[by].walk;
        sensor_repair_later(s);
}

bool sensor_is_crowded(const struct sensor *s)
{
        struct pair_stats st;

        pair_stats(s->pair, &st);
        return st.queued > s->cfg->pair_queue / 8;
}

/* ---- sending, and what is refused ---- */

static void note_stop(struct sensor_repair *r, struct bytes id)
{
        if (r->nstops >= SENSOR_STOPS || id.len >= sizeof(r->stops[0])) {
                r->stops_forgotten++;
                return;
        }
        memcpy(r->stops[r->nstops], id.p, id.len);
        r->stops[r->nstops++][id.len] = '\0';
}

/* What must be told once more when there is room: running programs by a scan, names by a walk, containers by name. */
static void refused(struct sensor *s, const struct tide_event *ev)
{
        s->repair.refused_total++;
        sensor_lost(s, LOST_PAIR, 1, ev->boot_ns);
        switch (ev->kind) {
        case TIDE_EXEC:
                proctab_untold(s->proctab, ev->exec.actor.pid, ev->exec.actor.start);
                s->repair.scan = true;
                break;
        case TIDE_FLOW:
                sensor_net_untold(s, ev);
                break;
        case TIDE_PACKET: /* cannot be asked for again */
                break;
        case TIDE_CTR_START:
        case TIDE_FILES:
                s->repair.announce = true;
                break;
        case TIDE_CTR_STOP:
                s->repair.announce = true;
                note_stop(&s->repair, ev->container);
                break;
        case TIDE_RAN:   /* the program counts as one whose content is not known */
        case TIDE_AUDIT: /* nothing repairs it: what it would have completed goes on without */
        case TIDE_WHO:
                break;
        default:
                s->repair.walk = true;
                break;
        }
}

/* The socket may take some while a batch is still being told. Where it took no more, it is asked again a step later. */
static void flush_some(struct sensor *s)
{
        size_t step = s->cfg->pair_queue / FLUSH_SHARE;
        struct pair_stats st;

        pair_stats(s->pair, &st);
        if (st.queued < s->flushed_at)
                s->flushed_at = st.queued;
        if (st.queued < s->flushed_at + step || pair_flush(s->pair) <= 0) /* an error comes again before sleeping */
                return;
        pair_stats(s->pair, &st);
        s->flushed_at = st.queued;
}

void sensor_send(struct sensor *s, enum pair_class class, struct tide_event *ev, int fd)
{
        if (!s->pair) /* at the end, when sources are closed and namespaces left: there is nobody to tell */
                return;
        if (ev->boot_ns == 0)
                ev->boot_ns = clock_boot_ns();
        if (ev->wall_ns == 0)
                ev->wall_ns = clock_wall_ns() - (int64_t)(clock_boot_ns() - ev->boot_ns);
        if (pair_send(s->pair, class, ev, fd) < 0 &&
            (pair_flush(s->pair) < 0 || pair_send(s->pair, class, ev, fd) < 0)) {
                refused(s, ev);
                return;
        }
        s->told[ev->kind]++;
        flush_some(s);
        if (class == PAIR_WALK && sensor_is_crowded(s))
                walker_pause(s->walker, true);
}

/* ---- telling ---- */

static void tell(struct sensor *s, enum sensor_lost_by by)
{
        struct sensor_lost *l = &s->repair.lost[by];
        struct tide_event ev = {.kind = TIDE_LOSS, .sources = rows[by].source};
        bool unknown = l->unknown && !(by == LOST_PROC && l->count); /* the number came behind the word */

        ev.loss.lost_source = rows[by].source;
        ev.loss.count = unknown ? 0 : l->count;
        ev.loss.from_ns = l->from_ns;
        ev.loss.to_ns = l->to_ns;
        ev.loss.what = bytes_str(rows[by].what);
        s->repair.bursts[by]++;
        s->repair.unknown[by] += unknown;
        log_warn(MOD, "%s: %llu lost%s within %llu ms", rows[by].what, (unsigned long long)l->count,
                 unknown ? " and more, how many is not known," : "",
                 (unsigned long long)((l->to_ns - l->from_ns) / NSEC_PER_MSEC));
        l->pending = false;
        s->loss_bursts++;
        sensor_trail_lost(s, by, rows[by].what, l, unknown);
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

static void tell_all(struct sensor *s)
{
        for (unsigned by = 0; by < LOST__MAX; by++)
                if (s->repair.lost[by].pending)
                        tell(s, by);
}

/* ---- repair ---- */

static void announce(struct sensor *s)
{
        struct container *c;
        size_t n = s->repair.nstops;

        s->repair.announce = false;
        s->repair.nstops = 0;
        for (size_t i = 0; i < n; i++) {
                struct tide_event ev = {.kind = TIDE_CTR_STOP, .container = bytes_str(s->repair.stops[i])};

                if (!containers_by_id(s->containers, ev.container)) /* it may have been started again */
                        sensor_send(s, PAIR_CONTROL, &ev, -1);
        }
        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                sensor_container_tell(s, c);
                sensor_meta_send(s, c);
        }
}

void sensor_on_repair(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;

        (void)t;
        if (sensor_is_crowded(s)) { /* not yet: a walk now would only fill it again */
                s->repair.wanted_ns = 0;
                sensor_repair_later(s);
                return;
        }
        s->repair.wanted_ns = 0;
        if (s->repair.announce)
                announce(s);
        tell_all(s);
        sensor_net_repair(s);
        if (s->repair.scan) {
                s->repair.scan = false;
                s->repair.scans++;
                if (proctab_scan(s->proctab, loop_now(s->loop), false) < 0)
                        log_warn(MOD, "/proc cannot be read after a loss: processes may be missing");
        }
        if (s->repair.walk) {
                s->repair.walk = false;
                s->repair.walks++;
                sensor_walk_all(s, WALK_LOSS);
        }
}
