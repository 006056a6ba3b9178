/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audit_source - the kernel's audit records as they go by: NETLINK_AUDIT, multicast group AUDIT_NLGRP_READLOG (Linux
 * 3.16; linux/audit.h, kernel/audit.c). It listens only: auditd's own socket, its rules and its state are left alone.
 *
 * Owns:      the socket, and how much of what comes is passed on.
 * Never:     reads a record's text: a container chose parts of it.
 * Hands over: the records of the types that are asked for, as they came, and how many were lost.
 */
#ifndef TIDEMARK_AUDIT_SOURCE_H
#define TIDEMARK_AUDIT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/rate.h"
#include "tidemark/str.h"

struct loop;
struct audit_source;

#define AUDIT_SOURCE_RATE 20000u /* records a second that are passed on; as many at once */
#define AUDIT_SOURCE_TEXT_MAX 16384u /* longer ones are malformed: MAX_AUDIT_MESSAGE_LENGTH of libaudit.h is 8970 */

struct audit_source_ops {
        /* type: nlmsg_type, AUDIT_SYSCALL, …; text is borrowed. */
        void (*record)(uint16_t type, struct bytes text, void *arg);
        /* Somebody changed audit's rules or state: which, is asked of the kernel. May be NULL. */
        void (*changed)(void *arg);
        /* Some were not passed on, since boot time since_ns at the earliest; count 0: how many is not known. */
        void (*loss)(uint64_t count, uint64_t since_ns, void *arg);
};
struct audit_source_stats {
        uint64_t delivered, passed_over; /* passed_over: of types that nobody asks for */
        uint64_t overruns, refused;      /* the socket was full; above the rate */
        uint64_t forged, malformed;
};

/*
 * Join the group. Needs CAP_AUDIT_READ, but only now: privileges may be given up afterwards. -EPROTONOSUPPORT: this
 * kernel has no audit, or no such group (known by its having no such capability: the bind itself succeeds); -EPERM.
 */
int audit_source_open(struct loop *loop, const struct audit_source_ops *ops, void *arg, int rcvbuf,
                      struct audit_source **ret) TM_CHECK;
struct audit_source *audit_source_close(struct audit_source *s);
DEFINE_CLEANUP(struct audit_source *, audit_source_close)
void audit_source_stats(const struct audit_source *s, struct audit_source_stats *ret);

/* Is a record of this type looked at by anybody? */
bool audit_source_wants(uint16_t type);

#endif
