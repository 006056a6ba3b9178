/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lineserver-priv - the limits of lineserver.h, for it and for its test. */
#ifndef TIDEMARK_CONTROL_LINESERVER_PRIV_H
#define TIDEMARK_CONTROL_LINESERVER_PRIV_H

#define LINESERVER_CLIENTS 32u
#define LINESERVER_LINE_MAX (64u << 10)
#define LINESERVER_WAITING_MAX (4u << 20) /* of answers, then the client is closed */
#define LINESERVER_WATCH_MAX (1u << 20)   /* of watched lines, then they are lost to it and counted */
#define LINESERVER_HALF_NS 10000000000u   /* a half line may stand so long */

#endif
