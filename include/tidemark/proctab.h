/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab - the process table: who descends from whom, in which container, and how it got there.
 *
 * Fed with proc connector messages in the kernel's order and with executions seen by fanotify; reads /proc for what
 * they do not say. Processes are pid + start time. Exited ones are kept for a grace, so that what they did just before
 * still finds them. Lineage and origin are inherited at fork, never guessed afterwards from the present parent.
 *
 * Classification of a first program in a container (origin): the container's init → entrypoint; parent outside the
 * container and a runtime (conmon, containerd-shim, runc, crun, docker, podman, crio: by executable) → exec; parent
 * outside and no runtime → foreign; an exec session that is the health check, or comes on a schedule → probe (said
 * once its arguments have come, of all its processes); descends from a classified process → the same; found running
 * without history: in the init's tree → entrypoint, session leader's parent outside → exec, else unknown. The
 * runtime's own steps before the first program (runc's init stages, its memfd copy) are not the container's acts.
 */
#ifndef TIDEMARK_PROCTAB_H
#define TIDEMARK_PROCTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct proctab;
struct containers;
struct container;
struct proc_msg;
struct fan_event;
struct tide_event;
struct tide_actor;
struct buf;

struct proctab_ops {
        /* An event is complete: exec, privilege, fork, exit, container start and stop, of container c (whose id is in
         * ev). Borrowed. */
        void (*event)(struct tide_event *ev, struct container *c, void *arg);
        /* A container was registered: mark it now. before: it ran before the agent. Called before its first exec event.
         */
        void (*container)(struct container *c, bool before, void *arg);
        /*
         * Its last task has been gone for a while (until then file events that waited in queues still find it): after
         * the stop event; c is freed after the call.
         */
        void (*gone)(struct container *c, void *arg);
        /*
         * Ask for the arguments of a process of c, which are in its memory: proctab_args() brings them, at once or
         * later. The event waits for them for a short while. Negative, or NULL: they cannot be asked for.
         */
        int (*want_args)(struct container *c, uint64_t token, uint32_t pid, uint64_t start, void *arg);
        /*
         * Process pid of c is the first that is met in a mount namespace other than the container's: marks on mounts
         * do not reach there. kept: it is counted among the container's; false: there are too many (each process of
         * such a one is told then). May be NULL.
         */
        void (*namespace)(struct container *c, uint32_t pid, uint64_t start, uint64_t mntns, bool kept, void *arg);
        /* Its runtime has been asked to end it. May be NULL. */
        void (*stopping)(struct container *c, void *arg);
        /* The last of its own tasks has ended: what keeps a namespace of it alive is to be closed. May be NULL. */
        void (*emptied)(struct container *c, void *arg);
};

#define PROCTAB_NAMESPACES 256u

struct proctab_stats {
        size_t processes, exited;
        size_t waiting;            /* events that are not told yet */
        uint64_t refused;          /* by the limit */
        uint64_t crowded_out;      /* living, forgotten to make room: of whoever has the most */
        uint64_t execs;            /* in containers */
        uint64_t exe_from_proc;    /* executable read from /proc */
        uint64_t exe_from_fanotify; /* gone before that, but fanotify had it */
        uint64_t exe_unknown;
        uint64_t privileges;        /* events of rights, names, tracing, crashes: told */
        uint64_t privileges_passed; /* more of the same of one process or container: counted only */
        uint64_t reused; /* a pid came again while its old owner was not known to have ended */
        uint64_t args_read, args_gone; /* executions with their arguments; those that ended before they were read */
        size_t namespaces;           /* other mount namespaces of containers, now */
        uint64_t namespaces_refused; /* by the limits: CONTAINER_NAMESPACES of one, PROCTAB_NAMESPACES of all */
        uint64_t args_refused, args_late; /* too many at once; told without waiting any longer */
};

int proctab_new(struct containers *cs, size_t limit, uint64_t grace_ns, const struct proctab_ops *ops, void *arg,
                struct proctab **ret) TM_CHECK;
struct proctab *proctab_free(struct proctab *pt);
DEFINE_CLEANUP(struct proctab *, proctab_free)

/* Read all of /proc: at start, and after a loss. Registers containers that run; finds processes that nobody told of. */
int proctab_scan(struct proctab *pt, uint64_t now_boot_ns, bool at_start) TM_CHECK;
/* An execution of this process got lost behind the table: the next scan tells it again, as found, if it still runs. */
void proctab_untold(struct proctab *pt, uint32_t pid, uint64_t start);
void proctab_msg(struct proctab *pt, const struct proc_msg *m, uint64_t now_boot_ns);
/*
 * An execution seen by fanotify: path (container view) and its facts are kept with the process until its exec message
 * comes (or came: fanotify and connector are drained in turn). The order of openings is kept: the first of one exec is
 * the program called.
 */
void proctab_open_exec(struct proctab *pt, const struct fan_event *ev, uint64_t now_boot_ns);
/* Exec events wait for their openings until this is called (after both queues were drained): then ops.event is called
 * for each. */
void proctab_settle(struct proctab *pt, uint64_t now_boot_ns);
/* What waits is told as it is: at the end nothing more comes. */
void proctab_flush_all(struct proctab *pt, uint64_t now_boot_ns);
/*
 * What was asked for by want_args: the arguments (NUL-separated, cut at TIDE_ARGS_MAX) and their whole length, or an
 * error. The event they belong to is told by the next proctab_settle or proctab_expire. Unknown tokens: told already.
 */
void proctab_args(struct proctab *pt, uint64_t token, int error, struct bytes args, uint32_t total);
/* Forget exited processes whose grace is over; tell events that have waited long enough. Returns the next time at which
 * something is due, 0: none waits. */
uint64_t proctab_expire(struct proctab *pt, uint64_t now_boot_ns);

/*
 * Who is (or was) pid? Fills *ret with strings that stay valid until the next call into the table; lineage is built in
 * scratch. *ret_c: its container, NULL if in none. A host process gets flags, uid, exe and origin foreign. -ESRCH:
 * never heard of it and it is gone.
 */
int proctab_actor(struct proctab *pt, uint32_t pid, uint64_t now_boot_ns, struct buf *scratch, struct tide_actor *ret,
                  struct container **ret_c) TM_CHECK;
/* The container of a process that is (or was) known; NULL if in none. Leaves strings from proctab_actor valid. */
struct container *proctab_container(const struct proctab *pt, uint32_t pid);
/*
 * The command that a container's runtime runs to check its health, as arguments, NUL-separated; empty: none. Exec
 * sessions with this command whose program is the image's have origin probe; so have those that come back on a schedule
 * (five times at equal distances, without a terminal or a login). Both only while they run nothing but the image's
 * files. -EMSGSIZE, -EINVAL: no command.
 */
int proctab_set_health(struct container *c, struct bytes health) TM_CHECK;
/* The living processes that act in containers. cb must not call into the table. */
void proctab_each_acting(const struct proctab *pt,
                         void (*cb)(uint32_t pid, uint64_t start, struct container *c, void *arg), void *arg);
/* When a process that is known began: field 22. -ESRCH. */
int proctab_start(const struct proctab *pt, uint32_t pid, uint64_t *ret) TM_CHECK;
/* May the first programs of a container or of an exec session be about to run? (a runtime was seen at work) */
bool proctab_expects(const struct proctab *pt, uint64_t now);
void proctab_stats(const struct proctab *pt, struct proctab_stats *ret);

#endif
