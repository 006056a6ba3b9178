/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a change of rights reads as what a baseline could hold: its key, what is never learned silently, and the
 * parts of it that a finding keeps. Must not: score. Pure.
 *
 * Never silent, beside what runs that the image does not hold (a mapped file of the write layer is code that runs):
 * root gained though no setuid program of the image gives it, which is what a new setuid bit or a hole in the kernel is
 * used for; a process outside the container that is traced from within; and a process that leaves it, for the mount
 * namespace of the host or of another container.
 */
#include <errno.h>
#include <stdio.h>

#include "judge/judge-priv.h"

static void mark(struct judge *j, bool true_of_it, const char *word)
{
        if (true_of_it)
                buf_printf(&j->path, " [%s]", word);
}

static int observe_id(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        bool setuid = (t->flags & PRIVF_SETUID_FILE) != 0;

        o->subject = t->path.len ? t->path : t->actor.exe;
        o->layer = t->layer;
        o->change = t->change;
        o->never_silent = t->what == PRIV_UID && (t->flags & PRIVF_ROOT) && !setuid;
        if (t->flags & PRIVF_ROOT)
                buf_printf(&j->path, "%s root", tide_priv_name(t->what));
        else
                buf_printf(&j->path, "%s %llu", tide_priv_name(t->what), (unsigned long long)t->to);
        mark(j, setuid, "setuid");
        return 0;
}

static int observe_ptrace(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        o->subject = t->target_exe.len ? t->target_exe : t->target_comm;
        o->never_silent = t->actor.origin != ORIGIN_FOREIGN && (t->where == WHERE_HOST || t->where == WHERE_OTHER);
        buf_put_str(&j->path, "ptrace ");
        observe_path(j, o->subject, GENERALISE_EXECUTABLE);
        mark(j, t->where != WHERE_SAME, tide_where_name(t->where));
        mark(j, (t->flags & PRIVF_CHILD) != 0, "child");
        return 0;
}

static int observe_comm(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        o->subject = t->actor.comm;
        buf_put_str(&j->path, "comm ");
        generalise_path(t->actor.comm, GENERALISE_DATA, &j->path);
        return 0;
}

static int observe_core(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        o->subject = t->actor.exe;
        buf_printf(&j->path, "core-dump %llu", (unsigned long long)t->to);
        return 0;
}

/* Nothing that a baseline could get used to: what it then does is not seen. */
static int observe_blinded(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        o->subject = t->actor.exe;
        o->never_silent = true;
        buf_put_str(&j->path, "blinded");
        return 0;
}

static int observe_namespace(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        o->subject = t->actor.exe;
        o->never_silent = t->where == WHERE_HOST || t->where == WHERE_OTHER;
        buf_put_str(&j->path, "mount-namespace");
        mark(j, o->never_silent, tide_where_name(t->where));
        mark(j, (t->flags & PRIVF_USERNS) != 0, "user");
        return 0;
}

/*
 * Runtimes of languages unpack libraries under names of chance, each time anew: the chance is taken out of the key, so
 * that the workload is told of once. The executable that maps it stays a part of the entry.
 */
static int observe_mapped(struct judge *j, const struct tide_priv *t, struct observation *o)
{
        if (t->path.len == 0 || t->layer == LAYER_IMAGE)
                return -EAGAIN;
        o->dim = DIM_PROCESS;
        o->operation = "map";
        o->subject = t->path;
        o->layer = t->layer;
        o->change = t->change;
        o->never_silent = t->layer == LAYER_WRITE;
        if (o->never_silent)
                written_find(o);
        observe_path(j, t->path, GENERALISE_DATA);
        mark(j, true, "mapped");
        mark(j, true, tide_layer_name(t->layer));
        return 0;
}

int observe_priv(struct judge *j, const struct tide_event *ev, struct observation *o)
{
        static int (*const rows[PRIV__MAX])(struct judge *, const struct tide_priv *, struct observation *) = {
                [PRIV_UID] = observe_id,        [PRIV_GID] = observe_id,          [PRIV_PTRACE] = observe_ptrace,
                [PRIV_COMM] = observe_comm,     [PRIV_CORE] = observe_core,       [PRIV_MOUNTNS] = observe_namespace,
                [PRIV_MAPPED] = observe_mapped, [PRIV_BLINDED] = observe_blinded,
        };
        const struct tide_priv *t = &ev->priv;
        int r;

        if (t->what >= PRIV__MAX || !rows[t->what])
                return -EAGAIN;
        o->dim = DIM_PRIVILEGE;
        o->what = t->what;
        o->operation = tide_priv_name(t->what);
        o->actor = &t->actor;
        o->exe = t->actor.exe;
        o->known_exe = (t->actor.flags & ACTOR_EXE) != 0;
        r = rows[t->what](j, t, o);
        if (r == 0 && o->subject.len == 0)
                o->subject = t->actor.comm.len ? t->actor.comm : BYTES_LIT("(a process that was gone)");
        return r;
}

static void put_part(struct buf *out, struct bytes s)
{
        buf_put(out, s.p, s.len);
        buf_put_u8(out, 0);
}

static void put_number(struct buf *out, uint64_t v)
{
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
        put_part(out, bytes_str(text));
}

/* What a finding keeps of it beside its subject: words, each closed by a NUL; story.c reads them. */
void observe_priv_parts(const struct tide_priv *t, struct buf *out)
{
        switch (t->what) {
        case PRIV_UID:
        case PRIV_GID:
        case PRIV_MOUNTNS:
                put_number(out, t->from);
                put_number(out, t->to);
                put_part(out, t->flags & PRIVF_SETUID_FILE ? BYTES_LIT("setuid")
                              : t->flags & PRIVF_USERNS    ? BYTES_LIT("user")
                                                           : BYTES_LIT(""));
                if (t->what == PRIV_MOUNTNS)
                        put_part(out, bytes_str(tide_where_name(t->where)));
                break;
        case PRIV_PTRACE:
                put_number(out, t->target_pid);
                put_part(out, bytes_str(tide_where_name(t->where)));
                put_part(out, t->flags & PRIVF_CHILD ? BYTES_LIT("child") : BYTES_LIT(""));
                break;
        case PRIV_COMM:
                put_part(out, t->old_comm);
                put_part(out, t->actor.comm);
                break;
        case PRIV_CORE:
                put_number(out, t->to);
                put_part(out, t->flags & PRIVF_DUMPED ? BYTES_LIT("dumped") : BYTES_LIT(""));
                break;
        default:
                break;
        }
}
