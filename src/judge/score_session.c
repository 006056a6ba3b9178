/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what the acts of exec sessions are worth: a table of their own, with a prior of its own. Must not: look at how
 * rare an act is: people do what they did never before. Pure.
 *
 * Nothing that an operator does by hand with the image's programs is worth anything; what an image is for never to have
 * done to it is worth a page by itself.
 */
#include <sys/stat.h>

#include "judge/judge-priv.h"

struct worth {
        enum factor f; /* FACTOR__MAX: nothing */
        enum finding_severity severity;
        struct bytes what;
};

static struct worth of_exec(const struct workload *w, const struct observation *o)
{
        if (o->layer == LAYER_WRITE && o->change == CHANGE_MODIFIED)
                return (struct worth){FACTOR_SESSION_RAN_CHANGED, SEVERITY_CRITICAL, o->subject};
        if (o->never_silent)
                return (struct worth){FACTOR_SESSION_RAN_FOREIGN, SEVERITY_HIGH, o->subject};
        if (o->layer == LAYER_MOUNT)
                return (struct worth){FACTOR_SESSION_RAN_MOUNT, SEVERITY_MEDIUM, o->subject};
        if (!o->unseen && !baseline_runs(w, o->subject))
                return (struct worth){FACTOR_SESSION_NEW_PROGRAM, SEVERITY_LOW, o->subject};
        return (struct worth){FACTOR__MAX, SEVERITY_LOW, {0}};
}

static struct worth of_file(const struct observation *o)
{
        if (o->setuid)
                return (struct worth){FACTOR_SESSION_SETUID_FILE, SEVERITY_HIGH, o->subject};
        if (o->image_changed)
                return (struct worth){FACTOR_SESSION_CHANGED_PROGRAM, SEVERITY_HIGH, o->subject};
        if (o->change == CHANGE_MODIFIED || o->change == CHANGE_REMOVED)
                return (struct worth){FACTOR_SESSION_CHANGED_FILE, SEVERITY_MEDIUM, o->subject};
        if (o->executable)
                return (struct worth){FACTOR_SESSION_WROTE_PROGRAM, SEVERITY_MEDIUM, o->subject};
        return (struct worth){FACTOR__MAX, SEVERITY_LOW, {0}};
}

static struct worth of_flow(const struct workload *w, const struct observation *o)
{
        if (o->never_silent)
                return (struct worth){FACTOR_SESSION_RAN_FOREIGN, SEVERITY_HIGH, o->exe};
        if (o->net.listens)
                return (struct worth){FACTOR_SESSION_LISTENS, SEVERITY_MEDIUM, o->subject};
        if (o->known == KNOWN_YES || baseline_knows_host(w, o->key))
                return (struct worth){FACTOR__MAX, SEVERITY_LOW, {0}};
        if (o->net.nnames == 0 && o->net.kind == ADDRESS_PUBLIC)
                return (struct worth){FACTOR_SESSION_RAW_ADDRESS, SEVERITY_HIGH, o->where};
        return (struct worth){FACTOR_SESSION_NEW_DESTINATION, SEVERITY_MEDIUM, o->where};
}

static struct worth of_mapped(const struct observation *o)
{
        if (o->layer == LAYER_MOUNT)
                return (struct worth){FACTOR_SESSION_RAN_MOUNT, SEVERITY_MEDIUM, o->subject};
        return (struct worth){FACTOR_SESSION_LOADED_FOREIGN, SEVERITY_HIGH, o->subject};
}

static bool is_outside(const struct tide_priv *t)
{
        return t->where == WHERE_HOST || t->where == WHERE_OTHER;
}

static struct worth of_rights(const struct observation *o)
{
        const struct tide_priv *t = &o->ev->priv;

        switch (o->what) {
        case PRIV_MAPPED:
                return of_mapped(o);
        case PRIV_UID:
        case PRIV_GID:
                if (o->never_silent)
                        return (struct worth){FACTOR_SESSION_ROOT_GAINED, SEVERITY_HIGH, o->subject};
                break;
        case PRIV_PTRACE:
        case PRIV_MOUNTNS:
                if (is_outside(t))
                        return (struct worth){FACTOR_SESSION_OUTSIDE, SEVERITY_CRITICAL, o->subject};
                return (struct worth){o->what == PRIV_PTRACE ? FACTOR_SESSION_PTRACE : FACTOR_SESSION_NAMESPACE,
                                      SEVERITY_MEDIUM, o->subject};
        case PRIV_BLINDED:
                return (struct worth){FACTOR_SESSION_BLINDED, SEVERITY_HIGH, o->subject};
        default:
                break;
        }
        return (struct worth){FACTOR__MAX, SEVERITY_LOW, {0}};
}

int score_session(const struct judge *j, const struct workload *w, const struct observation *o, bool left,
                  struct score *s)
{
        struct worth worth = o->ev->kind == TIDE_PRIV   ? of_rights(o)
                             : o->dim == DIM_NETWORK    ? of_flow(w, o)
                             : o->ev->kind == TIDE_EXEC ? of_exec(w, o)
                                                        : of_file(o);
        int r = 0;

        s->severity = worth.severity;
        if (worth.f < FACTOR__MAX)
                r = score_factor(j, s, worth.f, worth.what);
        if (r == 0 && o->ev->kind == TIDE_FILE && !S_ISDIR(o->ev->file.mode) && o->change != CHANGE_REMOVED &&
            score_is_lasting_place(o->subject))
                r = score_factor(j, s, FACTOR_SESSION_LASTING, o->subject);
        if (r == 0 && left)
                r = score_factor(j, s, FACTOR_SESSION_LEFT, bytes_of(NULL, 0));
        return r;
}
