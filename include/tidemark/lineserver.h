/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lineserver - a UNIX stream socket that speaks lines of JSON; both control.sock and admin.sock are one of these.
 *
 * Bounded: clients (32), bytes of one line (64 KiB), bytes waiting to be read by a client (4 MiB for answers, then it
 * is closed; a watcher that does not read loses lines, is told how many, and is never waited for), idle time of a half
 * line (10 s). Never blocks. Knows nothing of what the lines mean, except that a line longer than the limit is answered
 * with an error.
 */
#ifndef TIDEMARK_LINESERVER_H
#define TIDEMARK_LINESERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct lineserver;
struct lineclient;

struct linepeer { /* SO_PEERCRED; login uid is the caller's to read */
        pid_t pid;
        uid_t uid;
        gid_t gid;
};

struct lineserver_ops {
        /* A whole line without its newline. Answer now or later with lineclient_send. */
        void (*line)(struct lineclient *c, struct bytes line, void *arg);
        void (*gone)(struct lineclient *c, void *arg); /* c is invalid after this; may be NULL */
        size_t others;    /* connections of users other than root, at most at once; 0: as many as of root */
        bool descriptors; /* clients may pass one along with a line's newline (SCM_RIGHTS): lineclient_take_fd() */
};
struct lineserver_stats {
        uint64_t accepted, refused, lines, too_long, slow_closed, watch_dropped;
        size_t clients;
};

/*
 * Make the listening socket at path: directory must exist; an old socket there is replaced only if nobody listens on
 * it (-EADDRINUSE: another agent runs); mode and group set before anybody can connect. path too long: -ENAMETOOLONG.
 */
int lineserver_listen(const char *path, mode_t mode, gid_t group, int *ret_fd) TM_CHECK;
/* fd: listening, taken over. */
int lineserver_new(struct loop *loop, int fd, const struct lineserver_ops *ops, void *arg,
                   struct lineserver **ret) TM_CHECK;
struct lineserver *lineserver_free(struct lineserver *s);
DEFINE_CLEANUP(struct lineserver *, lineserver_free)
const struct linepeer *lineclient_peer(const struct lineclient *c);
uint64_t lineclient_id(const struct lineclient *c); /* never reused */
struct lineclient *lineserver_find(struct lineserver *s, uint64_t id);
void lineclient_send(struct lineclient *c, struct bytes line); /* newline is added */
/* Within ops.line: the descriptor that came with this line, the caller's from now on; -1: none. What nobody takes is
 * closed. */
int lineclient_take_fd(struct lineclient *c);
void lineclient_watch(struct lineclient *c);                   /* from now on it gets lineserver_broadcast */
size_t lineserver_watchers(const struct lineserver *s);
void lineserver_broadcast(struct lineserver *s, struct bytes line);
void lineserver_stats(const struct lineserver *s, struct lineserver_stats *ret);

/* Client side, blocking, for the command line. timeout_ms for connect and each line. -ECONNREFUSED, -ENOENT: daemon not
 * running; -EACCES. */
struct lineconn;
int lineconn_open(const char *path, int timeout_ms, struct lineconn **ret) TM_CHECK;
struct lineconn *lineconn_close(struct lineconn *c);
DEFINE_CLEANUP(struct lineconn *, lineconn_close)
int lineconn_send(struct lineconn *c, struct bytes line) TM_CHECK;
/* The same, and a descriptor along with it, which stays the caller's. */
int lineconn_send_fd(struct lineconn *c, struct bytes line, int fd) TM_CHECK;
/* Next line, borrowed until the next call. timeout_ms -1: for ever. -ETIMEDOUT; -EPIPE: closed. Lines up to 64 MiB. */
int lineconn_recv(struct lineconn *c, int timeout_ms, struct bytes *ret) TM_CHECK;

#endif
