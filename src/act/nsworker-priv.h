/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nsworker-priv - what passes between the sensor and the helper that enters namespaces: of one binary, so plain
 * structs. A request comes with the namespace's descriptor; a reply with those that its answer has, events before diag.
 */
#ifndef TIDEMARK_ACT_NSWORKER_PRIV_H
#define TIDEMARK_ACT_NSWORKER_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/nsworker.h"

#define NSWORKER_INSTANCE 32u

struct nsworker_request {
        uint64_t token;
        uint32_t flags;
        uint16_t group;
};

/* Of an answer, where no descriptor travels: 0 where one comes along, -1 where not. */
struct nsworker_reply {
        struct nsworker_answer a;
};

/*
 * Is it an answer to q that can be believed, with n descriptors? Then *ret is it, with the descriptors in their places.
 * -EPROTO: not; they are the caller's still. Pure.
 */
int nsworker_check(const struct nsworker_reply *reply, size_t len, const int *fds, size_t n,
                   const struct nsworker_request *q, struct nsworker_answer *ret) TM_CHECK;

struct nsworker_child_setup {
        char instance[NSWORKER_INSTANCE];
        uint16_t group;
        int rcvbuf;
        int (*confine)(void);
};
/* The helper's main: setup is a struct nsworker_child_setup. */
int nsworker_child(int fd, void *setup);

#endif
