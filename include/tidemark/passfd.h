/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passfd - datagrams with open descriptors in them, between processes of ours joined by a SOCK_SEQPACKET pair
 * (unix(7), SCM_RIGHTS). Never waits unless flags leave MSG_DONTWAIT out.
 */
#ifndef TIDEMARK_PASSFD_H
#define TIDEMARK_PASSFD_H

#include <stddef.h>
#include <sys/types.h>

#include "tidemark/attr.h"

#define PASSFD_MAX 4u /* descriptors in one datagram */

/* flags: of sendmsg(2), MSG_NOSIGNAL is added. The descriptors stay the caller's. 0, or a negative errno; -EINVAL: more
 * than PASSFD_MAX. */
int passfd_send(int sock, const void *p, size_t len, const int *fds, size_t nfds, int flags) TM_CHECK;
/*
 * Length of the datagram; 0 at the end, or a negative errno. What came along is in fds[0 … *ret_n - 1], close-on-exec,
 * the caller's. -EMSGSIZE: it was longer than size, or more descriptors came than max (at most PASSFD_MAX) or could be
 * had: all that came are closed.
 */
ssize_t passfd_recv(int sock, void *p, size_t size, int *fds, size_t max, size_t *ret_n, int flags) TM_CHECK;

#endif
