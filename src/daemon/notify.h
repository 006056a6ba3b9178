/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify - what the service manager is told: sd_notify(3), a few lines of our own. Silent when NOTIFY_SOCKET is not
 * set.
 */
#ifndef TIDEMARK_DAEMON_NOTIFY_H
#define TIDEMARK_DAEMON_NOTIFY_H

#include <stdint.h>

#include "tidemark/attr.h"

struct notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment. -EINVAL: the address is
 * none. */
int notify_open(struct notify **ret) TM_CHECK;
struct notify *notify_close(struct notify *n);
DEFINE_CLEANUP(struct notify *, notify_close)
/* "READY=1\nSTATUS=…": never waits; what cannot be sent is lost. */
void notify_send(struct notify *n, const char *text);
/* How often WATCHDOG=1 is expected, nanoseconds; 0: not at all. */
uint64_t notify_watchdog_ns(const struct notify *n);

#endif
