/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: how an event reads as what a baseline could hold, and what is never learned silently. Pure. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"

/* A container that was asked to end and does not is at work again after a while. */
static bool is_stopping(const struct judge *j, const struct container_memory *c, int64_t wall_ns)
{
        return c->stopping_ns && ns_apart(wall_ns, c->stopping_ns) < (int64_t)j->p.shutdown_ns;
}

/* Of what was so before we watched nobody knows when it began. */
static enum finding_phase phase_of(const struct judge *j, const struct container_memory *c, const struct tide_event *ev)
{
        int64_t wall_ns = ev->wall_ns;

        if (ev->flags & EVF_BEFORE)
                return PHASE_UNKNOWN;
        if (is_stopping(j, c, wall_ns))
                return PHASE_SHUTDOWN;
        if (c->running_before)
                return PHASE_STEADY;
        return ns_apart(wall_ns, c->started_ns) < (int64_t)j->p.startup_ns ? PHASE_STARTUP : PHASE_STEADY;
}

/* What nobody may get used to: DESIGN section 4.2. */
static bool exec_never_silent(const struct tide_exec *x)
{
        switch (x->program_layer) {
        case LAYER_WRITE:
        case LAYER_TMPFS: /* no image holds one */
        case LAYER_MEMFD:
        case LAYER_DELETED:
                return true;
        default:
                return false;
        }
}

void observe_path(struct judge *j, struct bytes path, enum generalise_kind kind)
{
        generalise_path(path, kind, &j->path);
        if (path.len && path.p[path.len - 1] == ']')
                buf_put_u8(&j->path, ']'); /* a mark ends with one, a path never with exactly one */
}

static bool take_mark(struct bytes *key, const char *word)
{
        char mark[32];
        struct bytes m;

        snprintf(mark, sizeof(mark), " [%s]", word);
        m = bytes_str(mark);
        if (!bytes_has_suffix(*key, m))
                return false;
        key->len -= m.len;
        return true;
}

/* What runs and is not the image's bears the name of its layer; what is mapped bears it in any case. */
static bool is_foreign_code(struct bytes key)
{
        for (unsigned layer = 0; layer < LAYER__MAX; layer++)
                if (take_mark(&key, tide_layer_name(layer)))
                        return !take_mark(&key, "mapped") || layer == LAYER_WRITE;
        return false;
}

static bool is_file_of_rights(struct bytes key)
{
        take_mark(&key, "replaced");
        return take_mark(&key, "changed") || take_mark(&key, "capabilities") || take_mark(&key, "setuid");
}

static bool is_escape(struct bytes key)
{
        if (bytes_eq(key, BYTES_LIT("uid root")) || bytes_eq(key, BYTES_LIT("blinded")))
                return true;
        if (!bytes_has_prefix(key, BYTES_LIT("ptrace ")) && !bytes_has_prefix(key, BYTES_LIT("mount-namespace")))
                return false;
        take_mark(&key, "child");
        take_mark(&key, "user");
        return take_mark(&key, tide_where_name(WHERE_HOST)) || take_mark(&key, tide_where_name(WHERE_OTHER));
}

bool observe_never_silent(enum dimension dim, struct bytes key)
{
        take_mark(&key, "probe");
        switch (dim) {
        case DIM_PROCESS:
        case DIM_NETWORK:
                return is_foreign_code(key);
        case DIM_FILE:
                return is_file_of_rights(key);
        default:
                return is_escape(key);
        }
}

/*
 * An interpreter of the image runs a file of the write layer: that is the program, whatever runs it. Names of scripts
 * are drawn by chance more often than those of programs: the chance is taken out, so that the workload is told of once.
 */
static void observe_script(struct judge *j, const struct tide_exec *x, struct observation *o)
{
        o->operation = "script";
        o->subject = x->script;
        o->layer = LAYER_WRITE;
        o->change = x->script_change;
        o->script = true;
        o->never_silent = true;
        written_find(o);
        observe_path(j, o->subject, GENERALISE_DATA);
        buf_put_str(&j->path, " [script]");
}

/* A program of the write layer says enough by itself. */
static bool runs_script(const struct tide_exec *x)
{
        return x->script_layer == LAYER_WRITE && x->script.len > 0 && !exec_never_silent(x);
}

static int observe_exec(struct judge *j, const struct tide_event *ev, struct observation *o)
{
        const struct tide_exec *x = &ev->exec;

        o->dim = DIM_PROCESS;
        o->operation = "exec";
        o->actor = &x->actor;
        o->subject = x->program.len ? x->program : x->actor.exe;
        o->layer = x->program_layer;
        if (o->subject.len == 0 && o->layer == LAYER_MEMFD)
                o->subject = BYTES_LIT("memfd");
        o->unseen = o->subject.len == 0;
        if (o->unseen) /* gone before anybody could see what it was; nothing of the root file system, which would have
                          told */
                o->subject = BYTES_LIT("(a program that was gone before it was seen)");
        o->change = x->program_change;
        o->exe = x->caller;
        o->known_exe = x->caller.len > 0;
        o->never_silent = exec_never_silent(x) || (x->actor.flags & ACTOR_NOT_PROBE);
        o->executable = true;
        if (runs_script(x)) {
                observe_script(j, x, o);
        } else {
                if (o->layer == LAYER_WRITE)
                        written_find(o);
                /* A wrapper that is made at every start may have a name of chance. */
                observe_path(j, o->subject, o->written == WRITTEN_AT_START ? GENERALISE_DATA : GENERALISE_EXECUTABLE);
        }
        if (o->never_silent) /* never the same as the image's program of that name */
                buf_printf(&j->path, " [%s]", tide_layer_name(o->layer));
        return 0;
}

static int observe_file(struct judge *j, const struct tide_event *ev, struct observation *o)
{
        const struct tide_file *f = &ev->file;
        bool setuid, caps, changed;

        if (f->path.len == 0 || f->ops == 0)
                return -EAGAIN;
        o->dim = DIM_FILE;
        o->actor = &f->actor;
        o->subject = f->path;
        o->layer = LAYER_WRITE;
        o->change = f->change;
        o->ops = f->ops;
        o->exe = f->actor.exe;
        o->known_exe = (f->actor.flags & ACTOR_EXE) != 0;
        setuid = S_ISREG(f->mode) && (f->mode & (S_ISUID | S_ISGID)) != 0;
        caps = (f->flags & FILEF_CAPS) != 0;
        o->setuid = setuid || caps;
        o->executable = o->setuid || (S_ISREG(f->mode) && (f->mode & 0111) != 0);
        changed = o->executable && f->change == CHANGE_MODIFIED && (f->flags & FILEF_CONTENT);
        o->image_changed = changed;
        o->never_silent = o->setuid || changed;
        observe_path(j, f->path, GENERALISE_DATA);
        /* no pattern of data covers it, nor does the same name as data */
        buf_put_str(&j->path, setuid ? " [setuid]" : caps ? "" : o->executable ? " [executable]" : "");
        if (caps)
                buf_put_str(&j->path, " [capabilities]");
        if (changed)
                buf_put_str(&j->path, " [changed]");
        if ((f->flags & FILEF_OPAQUE) && f->change == CHANGE_MODIFIED)
                buf_put_str(&j->path, " [replaced]");
        return 0;
}

int observe(struct judge *j, struct container_memory *c, const struct tide_event *ev, struct observation *ret)
{
        struct observation o = {.ev = ev, .c = c, .phase = phase_of(j, c, ev)};
        int r = -EAGAIN;

        buf_reset(&j->path);
        if (ev->kind == TIDE_EXEC)
                r = observe_exec(j, ev, &o);
        else if (ev->kind == TIDE_FILE)
                r = observe_file(j, ev, &o);
        else if (ev->kind == TIDE_PRIV)
                r = observe_priv(j, ev, &o);
        else if (ev->kind == TIDE_FLOW)
                r = observe_net(j, ev, &o);
        if (r < 0)
                return r;
        /* What a probe may do is not what the workload may. */
        if (o.dim != DIM_NETWORK && o.actor->origin == ORIGIN_PROBE)
                buf_put_str(&j->path, " [probe]");
        if (j->path.err)
                return j->path.err;
        o.key = buf_bytes(&j->path);
        *ret = o;
        return 0;
}
