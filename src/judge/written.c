/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which writing of a file counts as one of the start (writers-priv.h says what for), and what a candidate keeps
 * of it. Must not: judge. Pure.
 */
#include <dirent.h>

#include "judge/judge-priv.h"

#define WRITES (OP_CREATE | OP_WRITE | OP_RENAME)

struct dropping {
        struct judge *j;
        const struct container_memory *c;
};

static void on_gone(uint64_t path, void *arg)
{
        struct dropping *d = arg;

        pieces_drop_writer(d->j, d->c, path);
}

/* By the workload itself, while it starts, with a program that nobody has put there. */
static bool is_start(const struct observation *o)
{
        const struct tide_actor *a = o->actor;

        return o->phase == PHASE_STARTUP && a->origin == ORIGIN_ENTRYPOINT && (a->flags & ACTOR_EXE) &&
               a->exe_layer == LAYER_IMAGE;
}

/* What a name held before it was renamed it holds still: who wrote that counts, not who gave it the name. Where nobody
 * knows that, the new name is none of the start. */
static void take_over(struct writers *w, struct bytes old_path, struct writer *by)
{
        struct writer had;

        if (old_path.len == 0 || !writers_find(w, writers_hash(old_path), &had)) {
                if (by->how == WRITTEN_AT_START)
                        by->how = WRITTEN_UNKNOWN;
                return;
        }
        by->exe = had.exe;
        if (had.how == WRITTEN_OTHERWISE)
                by->how = WRITTEN_OTHERWISE;
}

/* What lies in a directory by its new name, or lay in one of that name or of its old one, came with no event. */
static void move_directory(struct container_memory *c, const struct tide_file *f, struct dropping *d)
{
        if (!c->writers || !(f->ops & OP_RENAME))
                return;
        writers_moved(c->writers, f->path, on_gone, d);
        if (f->old_path.len)
                writers_moved(c->writers, f->old_path, on_gone, d);
}

static void forget(struct container_memory *c, uint64_t path, struct dropping *d)
{
        if (c->writers)
                writers_forget(c->writers, path, on_gone, d);
}

void written_note(struct judge *j, const struct observation *o)
{
        const struct tide_file *f = &o->ev->file;
        struct container_memory *c = o->c;
        struct dropping d = {j, c};
        struct writer by = {.path = writers_hash(f->path), .ino = f->ino, .exe = f->actor.exe};

        if (f->type == DT_DIR) {
                move_directory(c, f, &d);
                return;
        }
        if (f->ops & (OP_DELETE | OP_FOUND) || !(f->actor.flags & ACTOR_PID)) {
                if (f->ops & (OP_DELETE | OP_FOUND | WRITES))
                        forget(c, by.path, &d);
                return;
        }
        if (!(f->ops & WRITES))
                return;
        if (!c->writers && !(c->writers = writers_new()))
                return;
        by.how = is_start(o) ? WRITTEN_AT_START : WRITTEN_OTHERWISE;
        if (f->ops & OP_RENAME) {
                take_over(c->writers, f->old_path, &by);
                if (f->old_path.len)
                        forget(c, writers_hash(f->old_path), &d);
        }
        if (by.how == WRITTEN_UNKNOWN) {
                forget(c, by.path, &d);
                return;
        }
        if (by.how == WRITTEN_AT_START)
                by.in = writers_place(f->path);
        if (writers_note(c->writers, &by, on_gone, &d))
                pieces_save_writer(j, c, &by);
}

void written_find(struct observation *o)
{
        struct writer by;

        if (!o->c->writers || !writers_find(o->c->writers, writers_hash(o->subject), &by))
                return;
        o->written = by.how;
        o->written_by = by.exe;
}

bool written_keep(struct entry *e, const struct observation *o, bool first)
{
        enum written had = (enum written)e->written;

        if (o->written == WRITTEN_UNKNOWN)
                return false;
        if (first || had == WRITTEN_UNKNOWN) {
                e->written = (uint8_t)o->written;
                return str_set(&e->written_by, o->written_by) == 0;
        }
        if (had == o->written && bytes_eq(str_get(&e->written_by), o->written_by))
                return false;
        if (had == WRITTEN_OTHERWISE && e->written_by.len == 0)
                return false;
        e->written = WRITTEN_OTHERWISE;
        str_clear(&e->written_by);
        return true;
}

bool entry_written_alike(const struct entry *e, const struct observation *o)
{
        return e->written == WRITTEN_AT_START && o->written == WRITTEN_AT_START && e->written_by.len > 0 &&
               bytes_eq(str_get(&e->written_by), o->written_by);
}

void written_self(struct observation *o)
{
        o->written = is_start(o) ? WRITTEN_AT_START : WRITTEN_OTHERWISE;
        o->written_by = o->exe;
}

void written_drop(struct judge *j, struct container_memory *c)
{
        struct writer by;

        for (size_t i = 0; c->writers && writers_next(c->writers, &i, &by);)
                pieces_drop_writer(j, c, by.path);
        c->writers = writers_free(c->writers);
}
