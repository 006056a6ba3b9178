/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audit_log - what the agent found, did and swears to, as records of the kernel's audit: where an auditor looks
 * anyway, and where whoever takes this agent over cannot take it back.
 *
 * Owns:      the form of a record (types and field names of audit's dictionary, so that ausearch -i and aureport read
 *            them), and the helper processes that write: libaudit may wait for the kernel for seconds.
 * Never:     waits, switches audit on, or fills the kernel's queue: so many notes a second go through, what is over it
 *            is counted, and told by one record.
 * Hands over: what became of each note, as numbers.
 *
 * Two processes: one keeps nothing but CAP_AUDIT_WRITE, from before the sensor gives it up, and reads notes; its child
 * writes them, and is replaced when it hangs. A note is "taken" when the kernel has taken it; whether audit was
 * switched on, the kernel does not tell a writer (it takes and drops): sensor_auditlog.c asks who may know.
 *
 * Record types: linux/audit.h and libaudit.h; names of fields: the field dictionary of linux-audit's documentation. vm,
 * path, comm and cmd hold what a container may choose, and are encoded as audit_encode_nv_string(3) does, but more
 * strictly (older ones let bytes above 0x7f through, and none minds the quote that closes msg='…'). The rest is of
 * letters, digits and few marks. Never exe=: libaudit appends its own.
 */
#ifndef TIDEMARK_AUDIT_LOG_H
#define TIDEMARK_AUDIT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct audit_log;
struct buf;
struct loop;

enum audit_note_type {
        AUDIT_NOTE_NONE,
        /* Findings, by the signal that says most. */
        AUDIT_NOTE_EXEC,       /* ANOM_EXEC: a file that is not the image's ran */
        AUDIT_NOTE_EXECUTABLE, /* ANOM_MK_EXEC: one was made */
        AUDIT_NOTE_FILE,       /* ANOM_ACCESS_FS: another file was written, or removed */
        AUDIT_NOTE_NETWORK,    /* RESP_ANOMALY op=net-drift */
        AUDIT_NOTE_PRIVILEGE,  /* RESP_ANOMALY op=privilege-drift */
        AUDIT_NOTE_SESSION,    /* ANOM_SESSION: a person's session in a container */
        AUDIT_NOTE_FINDING,    /* RESP_ANOMALY op=drift: of none of these kinds */
        AUDIT_NOTE_PAGED,      /* RESP_ALERT */
        AUDIT_NOTE_CLOSED,     /* RESP_ANOMALY op=finding-closed: somebody has decided, or it has expired */
        AUDIT_NOTE_REOPENED,   /* RESP_ANOMALY op=finding-reopened */
        /* What was done about it. ok: it was. */
        AUDIT_NOTE_ISOLATED, /* RESP_ORIGIN_BLOCK; timed: RESP_ORIGIN_BLOCK_TIMED */
        AUDIT_NOTE_RELEASED, /* RESP_ORIGIN_UNBLOCK_TIMED */
        AUDIT_NOTE_KILLED,   /* RESP_KILL_PROC */
        AUDIT_NOTE_FROZEN,   /* RESP_TERM_ACCESS op=freeze: all its processes stand still */
        AUDIT_NOTE_RESUMED,  /* VIRT_CONTROL op=resume */
        AUDIT_NOTE_CAPTURED, /* RESP_EXEC op=evidence-capture; path: the file */
        AUDIT_NOTE_REMOVED,  /* RESP_EXEC op=evidence-remove */
        /* Containers. */
        AUDIT_NOTE_STARTED,  /* VIRT_CONTROL op=start */
        AUDIT_NOTE_STOPPED,  /* VIRT_CONTROL op=stop */
        AUDIT_NOTE_COMPARED, /* VIRT_INTEGRITY_CHECK: its write layer was looked through; ok: whole; n: entries */
        /* The agent. */
        AUDIT_NOTE_CONFIGURED, /* USYS_CONFIG op=config-change */
        AUDIT_NOTE_REFUSED,    /* USER_CMD, res=failed: somebody may not do what he asked for; cmd: what that is */
        AUDIT_NOTE_CHECKPOINT, /* TRUSTED_APP op=trail-checkpoint n= hash=sha256:…: the trail's head */
        AUDIT_NOTE_WITHHELD,   /* RESP_ANOMALY op=records-withheld n=: by audit_log itself */
        AUDIT_NOTE__MAX
};

/* Fields that are empty or 0 are left out. Borrowed for the call. */
struct audit_note {
        enum audit_note_type type;
        bool ok;                /* res=success, else res=failed: of the act; of a finding true, since it was found */
        bool timed;             /* isolated: for a time */
        const char *op;         /* another word than the type's: letters, digits and dashes */
        struct bytes container; /* ctr-id: the first 12 digits of its id */
        struct bytes name;      /* vm: the container's name, else its workload's */
        struct bytes image;     /* img-digest: of its image, "sha256:…" */
        struct bytes path;      /* path */
        struct bytes comm, cmd; /* comm; cmd: arguments, a NUL between two is shown as a space */
        struct bytes reason;    /* reason: a word with dashes */
        struct bytes address;   /* daddr: 4 or 16 bytes */
        struct bytes hash;      /* hash: SHA-256 in hexadecimal */
        uint32_t pid;           /* vm-pid: of the container's first process, or of who did it; of the host */
        uint16_t port;          /* rport */
        uint8_t proto;          /* proto: IPPROTO_* */
        uint64_t finding;       /* finding=F-12 */
        uint64_t n;             /* n: a number of records, or a record's number */
        uint64_t command;       /* command=; with it, or of one who was refused, id= (uid) and sauid= (login uid) */
        uint32_t uid, login_uid;
};

#define AUDIT_LOG_TEXT_MAX 900u /* with what libaudit and the kernel add a record stays below 1 KiB */

/* Pure: the record's type, and its text behind what is in out (a buf of any size). 0; -EINVAL: no such type; out's
 * error. What does not fit is cut, and the record then says cut=yes. */
int audit_log_format(const struct audit_note *note, uint16_t *ret_type, struct buf *out) TM_CHECK;

struct audit_log_stats {
        uint64_t taken;    /* records that the kernel has taken */
        uint64_t failed;   /* that it has not; late ones are among them */
        uint64_t late;     /* writers that hung, and were left for another */
        uint64_t refused;  /* notes for which there was no room, or no helper any more */
        uint64_t withheld; /* over the limit per second */
        uint32_t waiting;  /* under way */
        uint32_t stuck;    /* writers that were left, and are not gone yet */
        int error;         /* of the last note: 0, or why it was not written */
        bool gone;         /* the helper is: nothing is written until the next start */
};

struct audit_log_ops {
        /* Of one note that was queued, in order: its type and n. May be NULL. */
        void (*taken)(int err, enum audit_note_type type, uint64_t n, void *arg);
        int (*confine)(void);              /* in the helper: give up what it does not need */
        /* In the writer, for tests: in place of libaudit. Else NULL. */
        int (*write)(uint16_t type, const char *text, bool ok);
};

/* Fork the helper. deadline_ns: for one record. */
int audit_log_start(struct loop *loop, uint64_t deadline_ns, const struct audit_log_ops *ops, void *arg,
                    struct audit_log **ret) TM_CHECK;
/* Queue a note; never blocks. 0, also where the rate has withheld it; else it is counted as refused: -ENOBUFS (64 wait
 * already), -EPIPE, -EINVAL. Acts, configuration and checkpoints are withheld by nothing that findings do. */
int audit_log_put(struct audit_log *l, const struct audit_note *note);
void audit_log_stats(const struct audit_log *l, struct audit_log_stats *ret);
uint32_t audit_log_pid(const struct audit_log *l); /* of the helper; 0: gone */
/* What is under way is waited for, so long at most; then the helper is ended. NULL is fine. Returns NULL. */
struct audit_log *audit_log_stop(struct audit_log *l, int timeout_ms);

#endif
