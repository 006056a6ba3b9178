/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * auditjoin - what audit tells of an act completes what the sensor tells of it: the arguments and the program of one
 * that had ended before /proc was read, the process of a connection that lived for a moment.
 *
 * Owns:      acts of the last seconds that nothing has asked for yet; events that wait for theirs.
 * Never:     sees a clock, a descriptor or a log; invents: an act completes only what is not known otherwise.
 * Hands over: every event that came, once, completed or not; those of one container in the order in which they came.
 *
 * An execution waits if its program or arguments are not known, and a beginning outbound flow if its process is not;
 * both only where audit is expected to tell such acts or has told one within a minute, and for AUDITJOIN_EXEC_NS and
 * AUDITJOIN_FLOW_NS at most. An execution and its act have one pid; a flow and its act have one destination, and are
 * AUDITJOIN_FLOW_APART_NS apart at most: whose process that is, and of which container, is asked of the sensor
 * (ops.who), and another container's completes nothing. Of several calls to one destination the oldest is taken, and
 * each act is used once: flows take their calls in turn. Where calls of several processes to one destination run at
 * the same time, one may be told for the other.
 */
#ifndef TIDEMARK_AUDITJOIN_H
#define TIDEMARK_AUDITJOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"

struct auditjoin;
struct audit_act;
struct tide_event;

#define AUDITJOIN_EXEC_NS UINT64_C(200000000)
#define AUDITJOIN_FLOW_NS UINT64_C(300000000)
#define AUDITJOIN_EXEC_APART_NS INT64_C(2000000000) /* by their wall clocks: the clock of both is the host's */
#define AUDITJOIN_FLOW_APART_NS INT64_C(1000000000)

struct auditjoin_ops {
        /* It goes on. Negative: given back by whatever call into auditjoin made it. */
        int (*event)(struct tide_event *ev, void *arg);
        /* Ask the sensor who pid is; the answer is given to auditjoin_who(). Failing is no answer. */
        void (*who)(uint64_t token, uint32_t pid, void *arg);
};
struct auditjoin_stats {
        uint64_t execs, flows; /* completed */
        uint64_t waited;       /* events that waited for their act */
        uint64_t in_vain;      /* of these: went on without */
        uint64_t crowded;      /* went on before their time, or an act was forgotten: there were too many */
        uint64_t asked;
        uint64_t looked; /* so often one that waits was looked at for an act, or for what was answered of one */
        size_t held, kept; /* events and acts, now */
};

/* expect_*: rules for it are set, so that also the first is waited for. */
int auditjoin_new(const struct auditjoin_ops *ops, void *arg, bool expect_exec, bool expect_connect,
                  struct auditjoin **ret) TM_CHECK;
struct auditjoin *auditjoin_free(struct auditjoin *j);
DEFINE_CLEANUP(struct auditjoin *, auditjoin_free)
/* An event of the sensor's. Borrowed; copied if it waits. now_ns: boot time, as everywhere here. */
int auditjoin_event(struct auditjoin *j, const struct tide_event *ev, uint64_t now_ns) TM_CHECK;
/* What audit told. Copied. */
int auditjoin_act(struct auditjoin *j, const struct audit_act *act, uint64_t now_ns) TM_CHECK;
/* The sensor's answer (TIDE_WHO). */
int auditjoin_who(struct auditjoin *j, const struct tide_event *ev, uint64_t now_ns) TM_CHECK;
/* Let go of what has waited long enough. *ret_due: when something is due next, 0: nothing waits. */
int auditjoin_expire(struct auditjoin *j, uint64_t now_ns, uint64_t *ret_due) TM_CHECK;
/* Everything goes on now. */
int auditjoin_flush(struct auditjoin *j) TM_CHECK;
void auditjoin_stats(const struct auditjoin *j, struct auditjoin_stats *ret);

#endif
