/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab-priv - the process table's inside, shared by its files: proctab.c (messages, ageing, questions),
 * proctab_enter.c (which container, which origin, scans), proctab_exec.c (executions and their openings),
 * proctab_priv.c (rights, names, tracing, crashes), proctab_ns.c (other mount namespaces),
 * proctab_queue.c (events wait).
 *
 * All that is read from the system goes through struct proctab_reader, so that a test can be the system.
 */
#ifndef TIDEMARK_TRACE_PROCTAB_PRIV_H
#define TIDEMARK_TRACE_PROCTAB_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lineage-priv.h"
#include "openfile-priv.h"
#include "visit-priv.h"
#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/container.h"
#include "tidemark/event.h"
#include "tidemark/kmsg.h"
#include "tidemark/map.h"
#include "tidemark/procfs.h"
#include "tidemark/proctab.h"

#define UNSET UINT32_MAX

struct proctab_reader {
        int (*stat)(uint32_t pid, struct procfs_stat *ret, void *arg);
        int (*status)(uint32_t pid, struct procfs_status *ret, void *arg);
        int (*read)(uint32_t pid, const char *file, struct buf *out, void *arg);
        int (*link)(uint32_t pid, const char *file, struct buf *out, void *arg);
        int (*number)(uint32_t pid, const char *file, uint32_t *ret, void *arg);
        int (*ns)(uint32_t pid, const char *name, uint64_t *ret, void *arg);
        int (*each)(int (*cb)(uint32_t pid, void *arg), void *cb_arg, void *arg);
        int (*exe)(uint32_t pid, struct buf *path, struct openfacts *ret, void *arg);
        int (*opened)(int fd, struct buf *path, struct openfacts *ret, void *arg);
        void (*place)(const struct container *c, uint32_t pid, const struct openfacts *f, struct buf *path,
                      uint8_t *ret_layer, uint8_t *ret_change, void *arg);
        void (*place_path)(const struct container *c, struct bytes path, uint8_t *ret_layer, uint8_t *ret_change,
                           void *arg);
        int (*of_pid)(struct containers *cs, uint32_t pid, struct container **ret, bool *ret_new, void *arg);
        /* What must be added to CLOCK_MONOTONIC for boot time, and to boot time for the wall clock. */
        void (*offsets)(int64_t *ret_boot, int64_t *ret_wall, void *arg);
        void *arg;
};
extern const struct proctab_reader proctab_reader_system;

/* A file opened for execution, waiting for the exec that it belongs to. */
struct opening {
        struct opening *next;
        struct rstr *path;
        struct openfacts facts;
        uint32_t tag; /* of the container whose root file system it lies in; 0: of none */
        uint8_t layer, change;
        uint64_t at_ns;
};

struct proc_ids {
        uint32_t real, saved;
        bool unsure; /* changed again before the saved one could be read */
};

struct privilege;
struct privs;

struct proc {
        uint32_t pid, ppid;
        uint64_t start; /* 0: not asked for yet (host processes) */
        uint64_t forked; /* start as its fork message has it: for one that was gone before it could be read */
        struct container *c;
        uint64_t mntns; /* another than c's, as it was at its last exec or its parent's; 0: c's own */
        struct link *link;
        char comm[16];
        uint64_t comm_ns; /* boot time of when it was so: read, or told */
        uint32_t uid, gid, login_uid, session; /* effective ids; the others: */
        struct proc_ids uids, gids;
        struct privs *privs; /* what it had told of its rights; NULL: nothing */
        uint32_t gains;      /* ids gained that wait to be told */
        uint8_t origin;
        bool crashed;  /* its exit will tell by which signal */
        bool acting;   /* in c, and past the runtime's own steps */
        bool runtime;  /* is a runtime's process, or was forked by one and has not called exec */
        bool stranger; /* in c by its namespaces alone */
        bool found;    /* running, without its history */
        bool tty, ids_known, exited, seen;
        bool untold; /* what it runs was told, but did not arrive */
        uint64_t missed_ns; /* boot time of an exec that left no trace in /proc; 0: none */
        uint64_t serial;     /* never another's: pid and start may come again within one tick */
        uint32_t unresolved; /* exec events that wait */
        uint32_t earlier;    /* those of earlier owners of the pid that wait too: the first openings are theirs */
        bool muddled;        /* an earlier owner's openings could not be told from its own */
        uint64_t exited_ns;
        uint32_t code; /* with which it exited */
        struct proc *older, *newer; /* among the exited */
        struct opening *openings;
        uint32_t openings_count;
        struct waiting *last_exec; /* NULL: told */
        struct visit *visit;       /* the exec session that it is of; shared. NULL: of none */
};

/* How it stands with the arguments of an execution. */
enum args_state { ARGS_NONE, ARGS_ASKED, ARGS_HAD };

/* An execution until it is told. */
struct exec {
        struct link *link; /* the process as it is since; owns a reference */
        struct visit *visit;
        struct link *caller; /* what it was before: its executable may still become known */
        struct rstr *program, *cwd, *args;
        struct openfacts facts; /* of what /proc named */
        struct openfacts program_facts;
        uint32_t args_total, uid, gid, login_uid, session;
        uint8_t origin, program_layer, program_change;
        bool have_exe, tty, resolved;
        uint8_t args_state;
        uint64_t serial;      /* of its process */
        uint64_t token;       /* of the request for its arguments */
        struct waiting *then; /* the same process's next execution, while both wait */
        uint64_t interval_ns;
};

struct waiting {
        struct waiting *next;
        uint16_t kind, sources, flags;
        uint64_t boot_ns, arrived_ns;
        struct container *c;
        uint32_t pid, ppid, code;
        uint64_t start, pstart;
        struct exec *exec;
        struct privilege *priv;
};

/* A process of a runtime that may be about to become a container's. */
struct candidate {
        uint32_t pid;
        uint64_t until_ns, asked_ns;
};
#define CANDIDATES 64u

/* A process whose mount namespace is to be looked at: it has called exec. */
struct ns_due {
        uint32_t pid;
        uint64_t serial, boot_ns;
};
#define NS_DUE 256u

struct proctab {
        struct containers *cs;
        struct map *by_pid;
        size_t limit;
        uint64_t grace_ns, room_ns; /* room_ns: not before that is room made again */
        const struct proctab_ops *ops;
        void *arg;
        struct proctab_reader sys;
        struct proctab_stats stats;
        int64_t boot_offset, wall_offset;
        struct proc *oldest, *newest; /* exited */
        struct waiting *first, *last;
        struct waiting *unresolved; /* the first whose openings may still come; NULL: none */
        size_t waiting;
        uint64_t last_token, last_serial;
        struct candidate candidates[CANDIDATES];
        size_t candidates_count;
        struct ns_due ns_due[NS_DUE];
        size_t ns_due_count;
        uint64_t expected_ns; /* boot time until which a runtime may be about to start something in a container */
        struct buf path, text; /* scratch */
        bool scanning, at_start;
};

/* proctab.c */
int proctab_new_with(struct containers *cs, size_t limit, uint64_t grace_ns, const struct proctab_ops *ops, void *arg,
                     const struct proctab_reader *sys, struct proctab **ret) TM_CHECK;
struct proc *proctab_get(const struct proctab *pt, uint32_t pid);
struct proc *proctab_add(struct proctab *pt, uint32_t pid, struct link *up) TM_CHECK; /* NULL: refused, counted */
void proctab_drop(struct proctab *pt, struct proc *p);
void proctab_exited(struct proctab *pt, struct proc *p, uint32_t code, uint64_t boot_ns, uint64_t now);
/* Its exit, behind what else of it waits to be told. */
void proctab_tell_exit(struct proctab *pt, const struct proc *p, uint64_t boot_ns, uint64_t now);
void proctab_revive(struct proctab *pt, struct proc *p);
void proctab_retire(struct proctab *pt, struct container *c, uint64_t now);

/* proctab_enter.c */
/* Is the process in a container by now? Then p->c is set; acting only where it called exec there. */
void proctab_enter(struct proctab *pt, struct proc *p, uint64_t first_boot_ns, uint64_t now);
void proctab_join(struct proc *p, struct container *c, bool stranger);
void proctab_leave(struct proctab *pt, struct proc *p, uint64_t now);
/* A process that runs and that nobody told of (tell: what it runs is told as found). NULL: gone, or refused. */
struct proc *proctab_adopt(struct proctab *pt, uint32_t pid, bool tell, uint64_t now) TM_CHECK;
void proctab_classify(struct proctab *pt, struct proc *p);
/* It does what a runtime that waits does not: it was none. NULL, and whoever was not taken for one: nothing. */
void proctab_unmask(struct proctab *pt, struct proc *p, uint64_t now);
void proctab_ids(struct proctab *pt, struct proc *p);
void proctab_candidate(struct proctab *pt, uint32_t pid, uint64_t now);
/* A runtime is at work: what it starts in a container comes in a moment. */
void proctab_expect(struct proctab *pt, uint64_t now);
void proctab_ask_candidates(struct proctab *pt, uint64_t now);
bool proctab_is_runtime(struct bytes exe);
/* One that makes containers itself, in a child that becomes their first process. */
bool proctab_makes_containers(struct bytes exe, bool after_runtime);

/* proctab_stop.c */
/* Arguments of runc(8), NUL-separated: do they ask a container to end, and which? Borrowed. Pure. */
bool proctab_stop_args(struct bytes args, struct bytes *ret_id);
/* A runtime's program runs: is it to end a container? */
void proctab_stop(struct proctab *pt, const struct proc *p);

/* proctab_visit.c */
uint8_t proctab_origin(const struct proc *p);
uint32_t proctab_visit_flags(const struct visit *v);
/* What an actor is told to be of. */
void proctab_visit_told(const struct visit *v, struct tide_actor *a);
/* Its first process's first execution was read, or it was gone before that. */
void proctab_visit_read(struct proc *p, bool alive);
/* Is it the first process of a session that is no probe's? */
bool proctab_visit_ends(const struct proc *p);
/* An execution is about to be told: what does it say of its session? */
void proctab_visit_exec(struct proctab *pt, const struct waiting *w);

/* proctab_exec.c */
void proctab_exec_read(struct proctab *pt, struct proc *p, uint64_t boot_ns, uint64_t now, unsigned sources,
                       uint64_t interval_ns);
void proctab_exec_resolve(struct proctab *pt, struct proc *p, struct waiting *w, uint64_t now);
/* The last that can be found out of it, before it is told. */
void proctab_exec_finish(struct proctab *pt, struct waiting *w);
void proctab_exec_told(struct proctab *pt, const struct waiting *w, struct tide_event *ev, struct buf *lineage);
void proctab_exec_free(struct exec *e);
void proctab_openings_free(struct proc *p);

/* proctab_priv.c */
void proctab_priv_ids(struct proctab *pt, struct proc *p, const struct proc_msg *m, uint64_t boot, uint64_t now);
void proctab_priv_comm(struct proctab *pt, struct proc *p, const struct proc_msg *m, uint64_t boot, uint64_t now);
void proctab_priv_ptrace(struct proctab *pt, const struct proc_msg *m, uint64_t boot, uint64_t now);
void proctab_priv_crashed(struct proctab *pt, struct proc *p, uint32_t code, uint64_t boot, uint64_t now);
/* where: enum tide_where, whose the namespace is that it is in now. */
void proctab_priv_namespace(struct proctab *pt, struct proc *p, uint64_t from, uint64_t to, uint8_t where, bool user,
                            uint64_t boot, uint64_t now);
void proctab_priv_exec(struct proctab *pt, struct proc *p, uint64_t now);
void proctab_priv_program(const struct waiting *exec);
/* An id gained: is it by an execution whose message is still to come? */
bool proctab_priv_waits(const struct privilege *v);
/* False: it turned out to be none. */
bool proctab_priv_told(struct proctab *pt, const struct waiting *w, struct tide_event *ev, struct buf *lineage);
void proctab_priv_free(struct privilege *v);
void proctab_privs_forget(struct proc *p);

/* proctab_ns.c */
/* In which mount namespace is it now? later: when what must be read at once has been. */
void proctab_ns_later(struct proctab *pt, struct proc *p, uint64_t boot, uint64_t now);
void proctab_ns_due(struct proctab *pt, uint64_t now);
void proctab_ns_look(struct proctab *pt, struct proc *p, uint64_t boot, uint64_t now);
void proctab_ns_leave(struct proctab *pt, struct proc *p);
/* A child of parent is where that is. */
void proctab_ns_inherit(struct proc *p, const struct proc *parent);

/* proctab_queue.c */
struct waiting *proctab_wait(struct proctab *pt, uint16_t kind, struct container *c, uint64_t boot_ns, uint64_t now,
                             unsigned sources);
/* Tell what is resolved, but for what waits for its arguments. */
void proctab_flush(struct proctab *pt, uint64_t now);
/* Tell what is resolved and need not wait any longer. Returns when the next has waited long enough; 0: none waits. */
uint64_t proctab_tell_ready(struct proctab *pt, uint64_t now);
void proctab_tell_container(struct proctab *pt, const struct container *c, uint16_t kind, uint64_t boot_ns,
                            unsigned sources);
/* Resolve what p's waiting executions can be resolved to by now. */
void proctab_resolve_waiting(struct proctab *pt, struct proc *p, uint64_t now);

#endif
