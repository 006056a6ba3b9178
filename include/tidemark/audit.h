/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audit - audit records, as the kernel or auditd worded them, into acts: who ran what, who called where.
 *
 * Owns:      records of events that are not complete yet (bounded in number and bytes, in time by audit_expire()).
 * Never:     sees a clock (times are arguments), a descriptor or a log; believes that a field is well-formed.
 * Hands over: one struct audit_act for each program run and each connect(2), when its last record has come.
 *
 * Text: "audit(SECONDS.MS:SERIAL): name=value name=value …", before it "type=WORD msg=" and before that "node=NAME ",
 * where it came by auditd. A value that others could choose is "quoted" or, if it holds anything but plain printable
 * characters, upper-case hexadecimal: audit_log_untrustedstring() in the kernel's kernel/audit.c. The arguments of a
 * program are a0=… aN=…, a long one in pieces aN_len=… aN[0]=… aN[1]=…, over several EXECVE records if need be:
 * audit_log_execve_info() in kernel/auditsc.c. What auditd adds behind a byte 0x1d (enriched log format) is ignored.
 * Everything in a record that a container chose is hostile; so is what a user's program may send as a record of its own
 * type, which is none of those that are looked at here.
 */
#ifndef TIDEMARK_AUDIT_H
#define TIDEMARK_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

/* ---- one record ---- */

/* linux/audit.h; those that are looked at. */
enum audit_type {
        AUDIT_REC_NONE = 0,
        AUDIT_REC_SYSCALL = 1300,
        AUDIT_REC_PATH = 1302,
        AUDIT_REC_SOCKADDR = 1306,
        AUDIT_REC_CWD = 1307,
        AUDIT_REC_EXECVE = 1309,
        AUDIT_REC_EOE = 1320, /* nothing more belongs to this event */
};

struct audit_record {
        uint16_t type; /* enum audit_type */
        uint64_t serial;
        int64_t wall_ns;
        struct bytes fields; /* borrowed: "name=value …" */
};

/*
 * type: nlmsg_type, or 0: the text says it ("type=…"). 0; -ENOMSG: a type that is not looked at; -EINVAL: damaged.
 */
int audit_record_decode(uint16_t type, struct bytes text, struct audit_record *ret) TM_CHECK;

struct audit_field {
        struct bytes name;
        struct bytes value; /* without its quotes */
        bool quoted;
};
/* Take the next field off the front of *rest. Words without '=' are passed over. */
bool audit_field_next(struct bytes *rest, struct audit_field *ret);
/* Append what it says: quoted as it stands, else from hexadecimal; "(null)", "(none)" and "?" say nothing. -EINVAL:
 * neither, out is as before; errors of out stay in it. */
int audit_field_text(const struct audit_field *f, struct buf *out);

/* ---- acts ---- */

enum audit_kind { AUDIT_NOTHING, AUDIT_EXEC, AUDIT_CONNECT };

struct audit_act {
        uint8_t kind;    /* enum audit_kind */
        uint64_t serial; /* of the event: the kernel counts them since boot */
        int64_t wall_ns; /* when the system call began, in steps of the kernel's tick */
        uint32_t pid, ppid;
        uint32_t login_uid, session, uid, gid; /* uid, gid: effective; 4294967295: not set */
        bool success;
        int64_t exit; /* result of the system call: connect(2) of a socket that does not wait fails, and yet goes on */
        struct bytes exe, comm, cwd; /* exe as the process sees it: relative to its root */
        struct bytes program;        /* exec: what was called, as it was worded (a script, a relative path) */
        struct bytes args;           /* exec: NUL-separated, at most TIDE_ARGS_MAX */
        uint32_t args_total;         /* their whole length */
        bool args_known;             /* all of them came, or as many as are kept */
        struct bytes address;        /* connect: 4 or 16 bytes in network order (IPv4 mapped into IPv6: 4) */
        uint16_t port;
        struct bytes key; /* of the rule that made the kernel tell */
};

struct audit;
struct audit_ops {
        /* Strings are borrowed until the call returns. */
        void (*act)(const struct audit_act *a, void *arg);
};
struct audit_stats {
        uint64_t records, acts;
        uint64_t other;     /* records of other types, events of other system calls, and execs that failed */
        uint64_t malformed; /* records that cannot be read */
        uint64_t crowded;   /* events that were ended early to make room */
        uint64_t late;      /* events that ended by time: their last record did not come */
        size_t open;        /* events that wait for more records */
};

int audit_new(const struct audit_ops *ops, void *arg, struct audit **ret) TM_CHECK;
struct audit *audit_free(struct audit *a);
DEFINE_CLEANUP(struct audit *, audit_free)
/* One record (type and text as for audit_record_decode()), come at now_ns. What cannot be read is counted. */
void audit_take(struct audit *a, uint16_t type, struct bytes text, uint64_t now_ns);
/* End what has waited long enough for its last record. Returns when something is due next; 0: nothing waits. */
uint64_t audit_expire(struct audit *a, uint64_t now_ns);
void audit_stats(const struct audit *a, struct audit_stats *ret);

#endif
