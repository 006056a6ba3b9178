/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that ran from a write layer: its file is opened and passed on, so that the engine's worker can tell what it
 * holds. Never as often as somebody likes: so many a second, then it is said that there were too many.
 *
 * Must not: read it, or open what is not a regular file. Hands over: a TIDE_RAN behind each such TIDE_EXEC.
 */
#include <errno.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/layer.h"
#include "tidemark/rate.h"

#define INO_PLAIN (((uint64_t)1 << 48) - 1) /* above it overlay may put the number of the layer's device */

/* Is what lies there what ran? A file that was copied up goes by the number of the image's, so its size must do. */
static bool is_same(const struct tide_exec *x, const struct layer_entry *e)
{
        if (x->program_change == CHANGE_ADDED && x->ino && e->ino)
                return (x->ino & INO_PLAIN) == (e->ino & INO_PLAIN);
        return x->size == 0 || x->size == e->size;
}

/* A descriptor, or negative and why. */
static int open_program(const struct container *c, const struct tide_exec *x, struct tide_hash *h)
{
        struct layer_entry e;
        int fd = layer_upper_open(c->layer, x->program, &e);

        if (fd < 0) {
                h->state = fd == -ENOENT || fd == -ENOTDIR ? HASH_GONE : HASH_UNREADABLE;
                return fd;
        }
        h->size = e.size;
        h->ino = e.ino;
        h->mtime_ns = e.mtime_ns;
        h->ctime_ns = e.ctime_ns;
        if (is_same(x, &e))
                return fd;
        h->state = HASH_REPLACED;
        close(fd);
        return -ESTALE;
}

void sensor_ran(struct sensor *s, struct container *c, const struct tide_event *exec)
{
        const struct tide_exec *x = &exec->exec;
        struct tide_event ev = {.kind = TIDE_RAN, .container = bytes_str(c->id)};
        int fd = -1;

        if (x->program_layer != LAYER_WRITE || !c->layer || x->program.len == 0)
                return;
        ev.hash.path = x->program;
        ev.hash.layer = x->program_layer;
        ev.hash.state = HASH_LATE;
        if (rate_pass(&s->ran, loop_now(s->loop), NULL))
                fd = open_program(c, x, &ev.hash);
        sensor_send(s, PAIR_EXEC, &ev, fd);
        if (fd >= 0)
                close(fd);
}
