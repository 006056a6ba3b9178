/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a file that was copied up still what the image has? Size and time of change can be put back by whoever changed it;
 * the content cannot.
 *
 * Owns: which comparisons are under way. Must not: read a file itself (the walker does, with a deadline). Hands over: a
 * TIDE_FILE, found, of what differs or could not be compared.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/layer.h"

#define PROGRAM_BYTES ((uint64_t)256 << 20) /* of what can be run, so much is read */
#define DATA_BYTES ((uint64_t)1 << 20)      /* of the rest; what is larger is taken at its word */

static void tell(struct sensor *s, struct container *c, const struct sensor_compare *k, bool differs)
{
        struct tide_event out = {.kind = TIDE_FILE, .sources = SRC_WALK, .container = bytes_str(c->id)};
        struct bytes path = bytes_str(k->path);
        struct layer_entry e;

        if (layer_upper_stat(c->layer, path, &e) < 0 || e.whiteout)
                return; /* gone meanwhile: that is told by itself */
        out.file.path = path;
        out.file.ops = OP_FOUND;
        out.file.change = CHANGE_MODIFIED;
        sensor_set_entry(&out.file, &e);
        out.file.flags |= differs ? FILEF_CONTENT : 0;
        if (k->pid) {
                out.sources = SRC_CONTENT;
                out.file.ops = OP_WRITE;
                sensor_set_actor(s, &out.file, k->pid);
        }
        sensor_send(s, k->pid ? PAIR_FILE : PAIR_WALK, &out, -1);
}

int sensor_compare(struct sensor *s, struct container *c, struct bytes path, const struct layer_entry *now, bool anyway,
                   uint32_t pid)
{
        struct sensor_compares *t = &s->compares;
        bool program = (now->mode & 0111) != 0;
        uint64_t limit = program ? PROGRAM_BYTES : DATA_BYTES;
        struct sensor_compare *k = NULL;
        int fds[2], r;

        if (now->size > limit)
                return -EFBIG;
        for (size_t i = 0; i < SENSOR_COMPARES && !k; i++)
                k = t->slots[i].path ? NULL : &t->slots[i];
        r = k ? layer_both(c->layer, path, fds) : -ENOBUFS;
        if (r == 0) {
                *k = (struct sensor_compare){.cookie = ++t->last, .tag = c->tag, .program = program, .anyway = anyway};
                k->pid = pid;
                k->path = bytes_dup(path);
                r = k->path ? walker_compare(s->walker, c->tag, k->cookie, fds[0], fds[1], limit + 1) : -ENOMEM;
                close(fds[0]);
                close(fds[1]);
        }
        if (r < 0 && k && k->path) {
                free(k->path);
                k->path = NULL;
        }
        if (r < 0)
                t->refused++;
        return r;
}

void sensor_on_compared(uint32_t tag, uint64_t cookie, enum walk_verdict verdict, void *arg)
{
        struct sensor *s = arg;
        struct sensor_compares *t = &s->compares;
        struct container *c = containers_by_tag(s->containers, tag);

        for (size_t i = 0; i < SENSOR_COMPARES; i++) {
                struct sensor_compare *k = &t->slots[i];

                if (!k->path || k->cookie != cookie)
                        continue;
                t->verdicts[verdict]++;
                if (c && c->layer && (k->anyway || verdict == WALK_DIFFERS || (verdict == WALK_UNSURE && k->program)))
                        tell(s, c, k, verdict != WALK_SAME);
                free(k->path);
                k->path = NULL;
        }
}

void sensor_compares_end(struct sensor *s)
{
        for (size_t i = 0; i < SENSOR_COMPARES; i++)
                free(s->compares.slots[i].path);
}
