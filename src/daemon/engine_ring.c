/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of recordings, in the engine's loop: when a segment ends and the next one begins, and what is said when the
 * ring cannot be written.
 *
 * Owns: the moment. Must not: wait for the disk, wake up for its own sake, or let the ring's errors reach the judging.
 * Hands over: files and bounds to case/ring.
 */
#include <errno.h>
#include <stdio.h>

#include "daemon/engine-priv.h"
#include "tidemark/clock.h"
#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/ring.h"

#define MOD "engine"

static void say_end(int r)
{
        log_error(MOD,
                  "recordings for tune end here: %s%s; findings are judged as before, and tidemark tune knows what was "
                  "recorded until now",
                  err_str(r), r == -EFBIG ? " (what is known takes more than half of record.ring_size)" : "");
}

static int begin(struct engine *e)
{
        _cleanup_buf_ struct buf text;
        int r;

        buf_init(&text, TIDE_RECORD_MAX);
        r = cfg_dump(e->cfg, &text);
        if (r == 0)
                r = ring_begin(e->ring, e->pipeline, buf_bytes(&text), clock_boot_ns(), clock_wall_ns());
        e->ring_seen = ring_written(e->ring);
        return r;
}

void engine_ring_open(struct engine *e, const char *dir)
{
        struct ring_params p = {
                .size = e->cfg->ring_size, .segment = e->cfg->ring_segment, .period_ns = e->cfg->ring_period_ns};
        int r = -ENAMETOOLONG;

        p.dir = e->ring_dir;
        if ((size_t)snprintf(e->ring_dir, sizeof(e->ring_dir), "%s/" TM_RING, dir) >= sizeof(e->ring_dir))
                e->ring_dir[0] = '\0';
        if (p.size == 0) /* what an earlier life recorded stays, and is of use */
                return;
        if (e->ring_dir[0] != '\0')
                r = ring_open(&p, &e->ring);
        if (r == 0)
                r = begin(e);
        if (r < 0)
                say_end(r);
        e->ring_error = r;
}

/* Everything that waits is let go before the snapshot, and as an event, so that other recordings do the same. */
static int begin_next(struct engine *e)
{
        struct tide_event ev = {.kind = TIDE_TICK, .flags = EVF_SETTLE};
        int r = engine_inject(e, &ev);

        return r < 0 ? r : begin(e);
}

void engine_ring_look(struct engine *e, bool ticked)
{
        uint64_t now = loop_now(e->loop), came;
        int r;

        if (!e->ring || e->ring_error)
                return;
        came = ring_written(e->ring) - e->ring_seen;
        r = ring_keep(e->ring, e->pipeline, ticked && came > 1); /* ticks alone may wait: the disk sleeps, too */
        if (ticked)
                e->ring_seen = ring_written(e->ring);
        if (r == 0 && ring_due(e->ring, now) && (pipeline_settled(e->pipeline) || ring_overdue(e->ring, now)))
                r = begin_next(e);
        if (r < 0)
                say_end(r);
        e->ring_error = r;
}

void engine_ring_status(const struct engine *e, json_t *o)
{
        struct ring_stats s = {.errors = e->ring_error != 0};
        json_t *v = json_object();

        if (e->ring)
                ring_stats(e->ring, &s);
        json_object_set_new(v, "state", json_string(e->ring_error ? "ended" : e->ring ? "recording" : "off"));
        json_object_set_new(v, "dir", *e->ring_dir ? json_string(e->ring_dir) : json_null());
        json_object_set_new(v, "error", e->ring_error ? json_string(err_str(e->ring_error)) : json_null());
        json_object_set_new(v, "errors", json_integer((json_int_t)s.errors));
        json_object_set_new(v, "segments", json_integer((json_int_t)s.segments));
        json_object_set_new(v, "bytes", json_integer((json_int_t)s.bytes));
        json_object_set_new(v, "bytes_max", json_integer((json_int_t)s.max));
        json_object_set_new(v, "snapshot_bytes", json_integer((json_int_t)s.snapshot_bytes));
        json_object_set_new(v, "records", json_integer((json_int_t)s.events));
        json_object_set_new(v, "segments_removed", json_integer((json_int_t)s.removed));
        json_object_set_new(o, "ring", v);
}

void engine_ring_close(struct engine *e)
{
        e->ring = ring_close(e->ring, e->pipeline);
}
