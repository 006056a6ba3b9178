/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nstry - is connection tracking on in network namespaces where nobody asked for it? So it is before Linux 4.10, as
 * soon as it is loaded: then a table in a container's namespace switches nothing on there, but loading it for the first
 * does everywhere.
 *
 * Tried, not guessed: in a network namespace made for it, which has no rule, one datagram is sent over its loopback,
 * and the kernel's count of entries is read (/proc/sys/net/netfilter/nf_conntrack_count, which is that namespace's).
 *
 * Owns:      nothing; the namespace goes with the process that was in it.
 * Never:     loads connection tracking: where it is not loaded, there is no answer.
 * Hands over: the answer.
 */
#ifndef TIDEMARK_NSTRY_H
#define TIDEMARK_NSTRY_H

#include "tidemark/attr.h"

#define NSTRY_MS 5000 /* a namespace is made at once, or others are being taken apart */

/*
 * 1: in every namespace; 0: only where it is asked for; -ENOENT: it is not loaded, so nobody knows; -ETIMEDOUT, or why
 * it cannot be tried. Forks a helper, and waits for it, NSTRY_MS at most. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
 */
int nstry_everywhere(void) TM_CHECK;
/* The same of the network namespace that this process is in, as it is: does one datagram leave an entry? Its loopback
 * interface is switched on. */
int nstry_here(void) TM_CHECK;

#endif
