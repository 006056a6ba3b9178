/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * visit-priv - one exec session of a container (podman exec, a health check, a kubelet's probe), shared by all of its
 * processes: its origin is known only once the arguments of its first program have come, and may change when it runs
 * what is not the image's. And what a container's sessions are measured by: the configured health check, and which
 * commands come back on a schedule. Pure memory: no /proc, no clock.
 */
#ifndef TIDEMARK_TRACE_VISIT_PRIV_H
#define TIDEMARK_TRACE_VISIT_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct visits;

enum visit_tty { VISIT_TTY_UNKNOWN, VISIT_TTY_YES, VISIT_TTY_NO };
struct visit {
        uint32_t refs;
        uint32_t pid; /* of its first process */
        uint64_t start; /* 0: not known yet */
        enum visit_tty tty; /* had that a controlling terminal? As it was at its first execution */
        uint8_t origin;
        bool settled;
        bool changed; /* it has the command of a probe, but what it runs is not as the image has it */
        bool unread;  /* the arguments of its first program were gone, and no terminal says that it is a person's */
};
struct visit *visit_new(uint32_t pid, uint8_t origin) TM_CHECK; /* NULL when out of memory */
struct visit *visit_ref(struct visit *v);
struct visit *visit_unref(struct visit *v);

/*
 * A command is a probe by schedule from its VISIT_RUNS-th run on, if the runs came at equal distances (1 s to 1 h; each
 * within a fifth of their mean, or 300 ms), without a terminal and without a person's login. Later runs must be one to
 * three distances after the last one; three in a row that are not make it begin anew. The last 16 commands are kept.
 */
#define VISIT_RUNS 5u

/* What a container is to be measured by; *v is made as needed. health: NUL-separated; empty: none. */
int visits_set_health(struct visits **v, struct bytes health) TM_CHECK;
/* Are args the configured check's? The shell may be given by another path: it is told by its file, not by its name. */
bool visits_is_health(const struct visits *v, struct bytes args);
/* A run of a command, by the clock. True: by its schedule it is a probe. */
bool visits_run(struct visits **v, struct bytes args, struct bytes program, uint64_t boot_ns);
struct visits *visits_free(struct visits *v);

#endif
