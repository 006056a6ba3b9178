/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event - the tide event: one act, in the form that crosses between the processes and lies in recordings.
 *
 * In memory a tide_event is a plain struct whose byte strings are borrowed (from the receive buffer, or from whoever
 * made the event): whoever keeps one copies what it needs, or keeps the encoded record. On the wire it is
 *
 *     u32 length (whole record) · u16 version (TIDE_VERSION) · u16 kind · u64 seq · u64 boot_ns · u64 wall_ns ·
 *     u16 sources · u16 flags · counted string container · fields of the kind, in the order of its table in event.c
 *
 * all little-endian, strings as u32 length + bytes. Fields at the end that are zero or empty are left out. A decoder
 * takes records with fewer fields than it knows (the rest is zero) and ignores bytes behind the last one that it knows:
 * fields are added at the end, never moved.
 * Pure: no clock, no descriptor, no log. Never asserts on input.
 */
#ifndef TIDEMARK_EVENT_H
#define TIDEMARK_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;
struct rd;

#define TIDE_VERSION 1
#define TIDE_RECORD_MAX (60u * 1024) /* one record; longer strings are cut by whoever makes the event, and say so */
#define TIDE_ARGS_MAX 4096u          /* bytes of arguments kept */
#define TIDE_LINEAGE_MAX 16          /* ancestors kept, innermost win */

enum tide_kind {
        TIDE_NONE,
        TIDE_EXEC,      /* ev.exec */
        TIDE_FORK,      /* ev.fork */
        TIDE_EXIT,      /* ev.exit */
        TIDE_FILE,      /* ev.file */
        TIDE_CTR_START, /* ev.ctr: a container is known from here on (seen starting, or found running); a second one for
                         * the same id brings its facts up to date (coverage and gap, once the marks stand) */
        TIDE_CTR_STOP,  /* ev.ctr: its last task is gone */
        TIDE_WALK, /* ev.walk: beginning or end of a walk of a write layer; its entries are TIDE_FILE of source walk */
        TIDE_CONTENT,  /* ev.content: what was learned by reading descriptors: metadata of a container */
        TIDE_DECISION, /* ev.decision: an operator's word */
        TIDE_TICK,     /* nothing but its time */
        TIDE_LOSS,     /* ev.loss */
        TIDE_SNAPSHOT, /* ev.state: configuration text; the first record of a recording */
        TIDE_STATE,    /* ev.state: one piece of the judge's memory, as judge_save() wrote it */
        TIDE_END,      /* ev.state: the last record of a complete recording */
        /* Only between the processes, never in recordings: */
        TIDE_ACT,      /* ev.act: engine → sensor */
        TIDE_COMMAND,  /* ev.act: sensor → engine: a raw line from admin.sock, already in the trail */
        TIDE_COUNTERS, /* ev.state: sensor → engine: one JSON object, merged into the answer to status */
        TIDE_FILES,    /* ev.act: sensor → engine: a descriptor comes along (metadata of a container) */
        TIDE_PING,     /* sensor → engine; answered by an act ACT_PONG */
        /* Recorded too; here, because the numbers of the kinds above stand in recordings: */
        TIDE_PRIV, /* ev.priv: a process changed what it is or may do, or reached into another */
        TIDE_FLOW, /* ev.flow: a connection began, ended or was found; or a socket that listens */
        TIDE_NAME, /* ev.name: what an answer of the name service said */
        /* Again only between the processes: */
        TIDE_PACKET, /* ev.packet: sensor → engine: a query or an answer of the name service, as NFLOG gave it */
        TIDE_AUDIT,  /* ev.audit: sensor → engine: one audit record */
        TIDE_WHO,    /* ev.who: sensor → engine: answer to ACT_WHO */
        /* Recorded: */
        TIDE_PRIOR, /* ev.prior: what was read of an image's layers, in parts; of no container */
        TIDE_HASH,  /* ev.hash: the content of a program that ran and is not the image's */
        /* Between the processes: */
        TIDE_RAN, /* ev.hash: sensor → engine: the same before it was read; its descriptor comes along */
        /* Recorded: */
        TIDE_DONE,   /* ev.done: what became of a deed of the sensor's: evidence, containment */
        TIDE_RECORD, /* ev.supply: what is known of an image's way here, in parts; of no container */
        TIDE__KIND_MAX
};

/* Which kernel interfaces told of it; a set, because fuse/ joins several. */
enum tide_source {
        SRC_PROC = 1u << 0,    /* proc connector */
        SRC_CONTENT = 1u << 1, /* fanotify on the container's root: content, executions */
        SRC_NAMES = 1u << 2,   /* fanotify with names on the upper directories */
        SRC_INOTIFY = 1u << 3,
        SRC_WALK = 1u << 4,
        SRC_PROCFS = 1u << 5, /* a scan of /proc */
        SRC_ENGINE = 1u << 6,
        SRC_OPERATOR = 1u << 7,
        SRC_CONNTRACK = 1u << 8,
        SRC_SOCKETS = 1u << 9, /* sock_diag */
        SRC_NFLOG = 1u << 10,
        SRC_AUDIT = 1u << 11,
};

enum tide_flag {
        EVF_LOSS_NEAR = 1u << 0, /* a sensor lost events at about this time */
        EVF_BEFORE = 1u << 1,    /* was so before we watched (container found running) */
        EVF_GAP = 1u << 2,       /* happened between the container's first act and our marks */
        EVF_NO_ARGS = 1u << 3,   /* exec: its arguments were not read in time, or could not be */
        EVF_SETTLE = 1u << 15,   /* tick: what waits for its other half is let go, since a snapshot follows */
};

enum tide_origin { ORIGIN_UNKNOWN, ORIGIN_ENTRYPOINT, ORIGIN_EXEC, ORIGIN_PROBE, ORIGIN_FOREIGN, ORIGIN__MAX };

/* Where a file stands. */
enum tide_layer {
        LAYER_UNKNOWN,
        LAYER_IMAGE,   /* below: as the image has it */
        LAYER_WRITE,   /* in the write layer */
        LAYER_MOUNT,   /* a volume or another mount on disk */
        LAYER_TMPFS,   /* tmpfs, shm */
        LAYER_MEMFD,   /* memfd_create(2) */
        LAYER_DELETED, /* has no name any more */
        LAYER_HOST,    /* a file of the host */
        LAYER__MAX
};

/* What a change in the write layer did to the image's view. */
enum tide_change { CHANGE_UNKNOWN, CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_REMOVED, CHANGE__MAX };

enum tide_op {
        OP_CREATE = 1u << 0,
        OP_WRITE = 1u << 1,
        OP_DELETE = 1u << 2,
        OP_RENAME = 1u << 3, /* path is the new name, old_path the old one (empty if it came from outside) */
        OP_ATTR = 1u << 4,
        OP_FOUND = 1u << 5, /* seen by a walk: that it is so, not who did it */
};

/* What a process did with its rights, itself or another. */
enum tide_priv_what {
        PRIV_NONE,
        PRIV_UID,     /* its effective uid changed: from, to */
        PRIV_GID,     /* its effective gid changed: from, to */
        PRIV_PTRACE,  /* it attached to target */
        PRIV_COMM,    /* it gave itself another name: old_comm, actor.comm */
        PRIV_CORE,    /* it crashed and dumped core: to is the signal, 0 if not known */
        PRIV_MOUNTNS, /* it made or entered another mount or user namespace: from, to are their inode numbers */
        PRIV_MAPPED,  /* it mapped a file executable that it does not run: path, layer, change, mode, size, ino */
        PRIV_BLINDED, /* it took away what we watch by: our nftables table */
        PRIV__MAX
};

enum tide_priv_flag {
        PRIVF_SETUID_FILE = 1u << 0, /* uid, gid: what it runs is setuid or setgid, and of the image */
        PRIVF_USERNS = 1u << 1,      /* mount namespace: with a user namespace of its own */
        PRIVF_ROOT = 1u << 2,        /* uid, gid: to is the root of the container's user namespace */
        PRIVF_CHILD = 1u << 3,       /* ptrace: target is a child of the actor */
        PRIVF_DUMPED = 1u << 4,      /* core dump: a core was written */
};

/* Where a process stands that was reached into. */
enum tide_where { WHERE_UNKNOWN, WHERE_SAME, WHERE_OTHER, WHERE_HOST, WHERE__MAX }; /* this container, another, none */

enum tide_actor_flag {
        ACTOR_PID = 1u << 0,     /* pid and start are known */
        ACTOR_EXE = 1u << 1,     /* exe is known */
        ACTOR_LINEAGE = 1u << 2, /* lineage reaches the container's init or the exec session's first process */
        ACTOR_TTY = 1u << 3,     /* has a controlling terminal */
        ACTOR_NOT_PROBE = 1u << 4, /* its exec session has a probe's command, but what it runs is not the image's */
        ACTOR_UNREAD = 1u << 5,    /* how its exec session was started could not be read: it may be a probe */
        /* Of its exec session's first process, when that began; neither: it was gone before it was seen. */
        ACTOR_SESSION_TTY = 1u << 6,    /* a controlling terminal */
        ACTOR_SESSION_NO_TTY = 1u << 7, /* none */
};

/* The process that acted. pid + start name it: pids are reused. */
struct tide_actor {
        uint32_t flags;
        uint32_t pid;
        uint64_t start; /* field 22 of /proc/PID/stat, clock ticks since boot: proc(5) */
        uint32_t uid, gid;
        uint32_t login_uid, session; /* 4294967295: not set */
        uint8_t origin;              /* enum tide_origin */
        uint8_t exe_layer;           /* enum tide_layer */
        struct bytes exe;            /* path as the container sees it */
        struct bytes comm;
        struct bytes lineage; /* list, see tide_lineage_*: outermost first, ending with the parent */
        uint32_t leader;      /* of an exec session: its first process, whose child or orphan this is; 0: of none */
        uint64_t leader_start;
};

struct tide_exec {
        struct tide_actor actor; /* after the exec: exe is what runs now (an interpreter, for a script) */
        struct bytes program;    /* what was called: the script, else the executable */
        uint8_t program_layer;   /* enum tide_layer */
        uint8_t program_change;  /* enum tide_change: an image file replaced, or one added */
        struct bytes caller;     /* the executable that called exec: what this process ran before */
        struct bytes args;       /* NUL-separated, at most TIDE_ARGS_MAX */
        uint32_t args_total;     /* their whole length */
        struct bytes cwd;
        uint32_t mode; /* of the program, 0 if unknown */
        uint64_t size;
        uint64_t ino;
        uint64_t interval_ns; /* 0, or: found by a scan, ran for up to so long before it was seen */
        /* Said by fuse/ of an interpreter of the image that was asked to run a file of the write layer: */
        struct bytes script;   /* empty: none that is known */
        uint8_t script_layer;  /* enum tide_layer; not known: what it runs could not be told */
        uint8_t script_change; /* enum tide_change */
};

struct tide_fork {
        uint32_t pid, ppid;
        uint64_t start, pstart;
};

struct tide_exit {
        uint32_t pid;
        uint64_t start;
        uint32_t code; /* wait(2) status */
        uint8_t leader; /* the first process of an exec session, which is no probe's: the session is over */
};

/* What a file is beside its mode. */
enum tide_file_flag {
        FILEF_OPAQUE = 1u << 0,  /* a directory that hides what the image holds below it */
        FILEF_CAPS = 1u << 1,    /* security.capability: who runs it gains rights */
        FILEF_CONTENT = 1u << 2, /* where the image has one too: the content is another */
};

struct tide_file {
        struct tide_actor actor; /* flags 0: no process is known */
        uint16_t ops;            /* set of enum tide_op */
        uint8_t change;          /* enum tide_change */
        uint8_t type;            /* DT_* of dirent(3); DT_UNKNOWN */
        struct bytes path;       /* as the container sees it, absolute */
        struct bytes old_path;
        uint32_t mode; /* 0 if not known (gone already) */
        uint64_t size;
        uint64_t ino;
        uint64_t mtime_ns, ctime_ns; /* wall clock, of the upper file */
        struct bytes target;         /* symlink's text, if read */
        uint8_t flags;               /* set of enum tide_file_flag */
};

struct tide_priv {
        struct tide_actor actor; /* who did it, as it is after the act */
        uint8_t what;            /* enum tide_priv_what: says which of the following are used */
        uint8_t where;           /* enum tide_where, of the target */
        uint8_t layer;           /* enum tide_layer, of path */
        uint8_t change;          /* enum tide_change, of path */
        uint32_t flags;          /* enum tide_priv_flag */
        uint64_t from, to;
        uint32_t target_pid;
        uint64_t target_start;
        struct bytes target_exe, target_comm;
        struct bytes target_container; /* its id; empty if it is the event's own or none */
        struct bytes old_comm;
        struct bytes path; /* as the container sees it */
        uint32_t mode;
        uint64_t size, ino;
        uint64_t repeats; /* so many more like it were passed over since the last one that was told */
};

enum tide_flow_what {
        FLOW_NONE,
        FLOW_BEGAN,
        FLOW_ENDED,   /* of one that was told: bytes and duration, where the kernel counts them */
        FLOW_FOUND,   /* it was there before its namespace was watched (sock_diag) */
        FLOW_LISTENS, /* a socket that waits for others: proto, local, lport */
        FLOW__MAX
};
enum tide_direction { DIRECTION_UNKNOWN, DIRECTION_OUT, DIRECTION_IN, DIRECTION__MAX };
enum tide_flow_flag {
        FLOWF_SHARED = 1u << 0,  /* no process is known and several containers share the namespace: it is one of them */
        FLOWF_COUNTED = 1u << 1, /* bytes_* are counted */
        FLOWF_HOST = 1u << 2,    /* the namespace is the host's */
        FLOWF_LOCAL = 1u << 3,   /* listens: on loopback only */
        FLOWF_GONE = 1u << 4,    /* listens: no longer */
        FLOWF_RESOLVER = 1u << 5, /* to a name server that the container is configured with (said by the engine) */
};

/* Who talks with whom. Addresses: 4 or 16 bytes in network order. Ports in host order; ICMP: lport is the identifier,
 * rport type · 256 + code. */
struct tide_flow {
        struct tide_actor actor; /* who opened it; flags 0: no process is known */
        uint8_t what;            /* enum tide_flow_what */
        uint8_t direction;       /* enum tide_direction */
        uint8_t proto;           /* IPPROTO_* */
        uint32_t flags;          /* enum tide_flow_flag */
        struct bytes local, remote;
        uint16_t lport, rport;
        struct bytes real; /* where it went after addresses were rewritten in the namespace; empty: to remote */
        uint16_t real_port;
        uint64_t bytes_out, bytes_in;
        uint64_t duration_ns; /* ended: how long it lived as far as conntrack knows; 0: not known */
        uint64_t id;          /* joins an end to its beginning within the namespace; 0: none */
        uint64_t netns;
};

/* How an answer stands to what was asked. */
enum tide_name_verdict {
        NAME_UNKNOWN,
        NAME_ANSWERED, /* it answers a query that was sent to a server which the container is configured with */
        NAME_UNASKED,  /* nothing that was asked: forged, or far too late */
        NAME_FOREIGN,  /* asked of a server that the container is not configured with */
        NAME_MALFORMED,
        NAME_DOUBTED, /* takes back an answer that was told: the same query was answered again, otherwise */
        NAME_UNOWNED, /* as NAME_ANSWERED; but perhaps somebody of the host asked, in whose namespace it was */
        NAME__MAX
};
struct tide_name {
        uint8_t verdict; /* enum tide_name_verdict */
        uint8_t proto;   /* IPPROTO_UDP, IPPROTO_TCP */
        struct bytes server; /* 4 or 16 bytes */
        uint16_t server_port;
        struct bytes question;  /* lower case, labels with dots between, none at the end; RFC 1035's \DDD for others */
        struct bytes chain;     /* list of alias, canonical name: CNAMEs in the order in which they lead */
        struct bytes addresses; /* list of address (4 or 16 bytes), TTL in seconds (u32, little-endian) */
        struct bytes reason;    /* words, for what does not count */
        uint64_t netns;
        uint64_t answer_ns;     /* doubted: the wall clock of the answer that is taken back */
};

enum tide_packet_flag {
        PACKETF_LOOPBACK = 1u << 0, /* received over the loopback interface: sent within the namespace */
        PACKETF_OWN = 1u << 1,      /* … and its sender's address is one of the namespace's own */
        PACKETF_HOST = 1u << 2,     /* the namespace is the host's: of its queries only containers' are told … */
        PACKETF_UNOWNED = 1u << 3,  /* … and those whose socket was gone before it was seen whose it was */
};
struct tide_packet {
        uint64_t netns;
        uint8_t out;         /* sent by the namespace (a query, as a rule), or received */
        struct bytes ip;     /* from the IP header on, at most 64 KiB less the record's own; cut: by its length */
        uint8_t flags;       /* enum tide_packet_flag */
};

struct tide_audit {
        uint16_t type;     /* nlmsg_type: AUDIT_SYSCALL, …: linux/audit.h */
        struct bytes text; /* "audit(TIME.MS:SERIAL): …" */
};

struct tide_who {
        struct tide_actor actor; /* flags 0: never heard of it */
        uint64_t token;          /* of the act that asked */
};

struct tide_ctr {
        struct bytes runtime; /* "podman", "docker", "containerd", "crio", "unknown" */
        uint32_t init_pid;
        uint64_t init_start;
        struct bytes cgroup;
        struct bytes root_fstype; /* "overlay", … */
        struct bytes upper;       /* host path of the upper directory; empty: no usable one */
        struct bytes lower;       /* lowerdir option, cut at 16 KiB */
        uint64_t netns, mntns, pidns;
        uint8_t running_before; /* it ran before the agent did */
        uint64_t gap_ns;        /* between its first act and our marks; 0 unknown or before */
        struct bytes coverage;  /* words for status: "content: filesystem mark; names: 12 directories" */
        struct bytes rootdir;   /* runtime's storage root as derived from upper */
        struct bytes bundle;    /* from the monitor's command line, if found */
        uint8_t stopping;       /* its runtime has been asked to end it: from here on it shuts down */
        uint8_t flows;          /* enum tide_flows: what is told of its connections now */
};
enum tide_flows { FLOWS_UNTOLD, FLOWS_WATCHED, FLOWS_DARK, FLOWS__MAX }; /* 0: told before there was such a field */

struct tide_walk {
        uint8_t ended;    /* 0 begin, 1 end */
        uint8_t complete; /* at the end: every entry was told */
        uint8_t reason;   /* enum tide_walk_reason */
        uint64_t entries;
};
enum tide_walk_reason { WALK_START, WALK_FOUND, WALK_LOSS, WALK_ROUND, WALK_SUBTREE, WALK_NAMESPACE, WALK__MAX };

/* DESIGN section 2, workload. What is not known to be another is a service. */
enum tide_class {
        CLASS_SERVICE, /* learned */
        CLASS_JOB,     /* builds, batch: ends by itself, and does something else the next time */
        CLASS_SESSION, /* a person's: exec or debug container */
        CLASS__MAX
};

struct tide_content {
        struct bytes runtime;
        struct bytes name;
        uint8_t name_given; /* a person gave it, as far as that can be told */
        struct bytes image_ref;
        struct bytes config_digest, config_source;     /* "sha256:…", and the file it was read from */
        struct bytes manifest_digest, manifest_source; /* empty: unknown, source says why */
        struct bytes labels;                           /* list of key, value: those of the container, not the image's */
        struct bytes image_labels;
        struct bytes created; /* text as the runtime wrote it */
        struct bytes health;  /* configured health check command, NUL-separated */
        struct bytes workload; /* as an orchestrator's own records say: "namespace/owner/container"; or empty */
        uint8_t class;         /* enum tide_class, by the runtime's own facts */
        struct bytes ports;    /* list of port ("80"), protocol ("tcp"): what the image declares that it listens on */
};

struct tide_decision {
        uint64_t id; /* of the trail record */
        uint32_t uid, login_uid, pid;
        struct bytes verb;   /* "baseline.activate", … */
        struct bytes target; /* workload or finding, resolved to its full name */
        struct bytes args;   /* list of key, value */
};

struct tide_loss {
        uint16_t lost_source; /* enum tide_source, or 0: the pair between the processes */
        uint64_t count;       /* 0: unknown how many */
        uint64_t from_ns, to_ns;
        struct bytes what; /* words */
};

struct tide_state {
        uint16_t what; /* for TIDE_STATE: enum of judge.h; else 0 */
        struct bytes host;
        struct bytes text;
};

/*
 * The facts of one image, by the digest of its configuration: one PRIOR_BEGIN, packages, files, one PRIOR_END, in this
 * order and nothing of another image in between. What was known of the digest before stays until a PRIOR_END says that
 * the new facts are whole or partial; a failed one leaves it.
 */
enum tide_prior_part { PRIOR_NONE, PRIOR_BEGIN, PRIOR_PACKAGES, PRIOR_FILES, PRIOR_END, PRIOR__PART_MAX };
enum tide_prior_state {
        PRIOR_FAILED,   /* nothing could be told; words say why */
        PRIOR_PARTIAL,  /* what is told is so, what is not told may be there too: something was cut or not readable */
        PRIOR_COMPLETE, /* what is not told is not in the image */
        PRIOR__STATE_MAX
};
enum tide_prior_kind {
        PRIOR_OTHER,   /* can be run by its mode, and is none of these */
        PRIOR_PROGRAM, /* an ELF executable */
        PRIOR_LIBRARY, /* an ELF shared object that is no program */
        PRIOR_SCRIPT,  /* begins with #!, or has a script's name */
        PRIOR__KIND_MAX
};
enum tide_prior_flag {
        PRIORF_SETUID = 1u << 0,
        PRIORF_SETGID = 1u << 1,
        PRIORF_CAPS = 1u << 2,     /* security.capability */
        PRIORF_RUNS = 1u << 3,     /* somebody may execute it, by its mode */
        PRIORF_UNHASHED = 1u << 4, /* its content was not read whole: too large, or unreadable */
};
/* Which database named a package. */
enum tide_package_db { PACKAGE_UNKNOWN, PACKAGE_DPKG, PACKAGE_APK, PACKAGE_RPM, PACKAGE__MAX };
#define TIDE_PRIOR_LIST (48u * 1024) /* bytes of one part's list, at most */
#define TIDE_SHA256 32u

struct tide_prior {
        struct bytes digest; /* "sha256:…" of the image's configuration */
        uint8_t part;        /* enum tide_prior_part: says which of the following are used */
        /* Begin: what the image's configuration says. */
        struct bytes entrypoint, command, health; /* NUL-separated */
        struct bytes user;
        struct bytes ports;   /* list of port, protocol, as of struct tide_content */
        struct bytes volumes; /* list of path, nothing */
        /* Packages, files: */
        uint32_t first;    /* number of the list's first one, of its kind, in this image */
        struct bytes list; /* see tide_prior_package_put(), tide_prior_file_put() */
        /* End: */
        uint8_t state;            /* enum tide_prior_state */
        struct bytes words;       /* what was cut or could not be read, in sentences; empty: nothing */
        uint32_t packages, files; /* told */
        uint64_t read_bytes;      /* of contents */
        uint64_t entries;         /* of directories, that were looked at */
};

/* What became of reading a program that ran and is not the image's. */
enum tide_hash_state {
        HASH_UNREADABLE, /* could not be opened or read */
        HASH_KNOWN,
        HASH_TOO_LARGE,
        HASH_GONE,     /* no file of that name was there any more */
        HASH_REPLACED, /* the file there is another one than what ran */
        HASH_LATE,     /* not read within its deadline, or too many waited */
        HASH__MAX
};
struct tide_hash {
        struct bytes path; /* of the program, as ev.exec.program told it */
        uint8_t layer;     /* enum tide_layer, as ev.exec.program_layer told it */
        uint8_t state;     /* enum tide_hash_state */
        uint64_t size, ino;
        struct bytes sha256; /* TIDE_SHA256 bytes; empty unless HASH_KNOWN */
        uint64_t mtime_ns, ctime_ns; /* of the file, when it was opened */
};

/* What the sensor does on request, and what it then says of it. Recorded: never renumber. */
enum tide_deed {
        DEED_NONE,
        DEED_ISOLATE,
        DEED_RELEASE,
        DEED_KILL,
        DEED_CAPTURE, /* evidence of a container */
        DEED_LIST,    /* what evidence there is */
        DEED_COPY,    /* evidence leaves its directory */
        DEED_REMOVE,
        DEED__MAX
};
enum tide_deed_state {
        DEED_FAILED,
        DEED_REFUSED, /* nothing was tried */
        DEED_PLANNED, /* what would be done: a dry run */
        DEED_BEGAN,   /* a part of it is done; more is said later */
        DEED_DONE,
        DEED_CHANGED, /* by itself: it ended in time, was taken away and put back, was found at the start */
        DEED__STATE_MAX
};
enum tide_deed_flag {
        DEEDF_DRY_RUN = 1u << 0, /* say what would be done */
        DEEDF_POLICY = 1u << 1,  /* no operator asked: the configuration does, within limits that the sensor holds */
        DEEDF_NOW = 1u << 2,     /* isolate: cut before the volatile evidence is taken */
};

/* What an event of a deed is, beside its state. */
enum tide_done_what {
        DONE_PLAIN,
        DONE_REMOVED_AGAIN, /* isolate, changed: its rules are removed again and again: no accident */
        DONE__MAX
};

struct tide_done {
        uint8_t deed;       /* enum tide_deed */
        uint8_t state;      /* enum tide_deed_state */
        uint8_t last;       /* nothing more is said of this request, of this container */
        uint64_t command;   /* 0: nobody asked */
        uint64_t finding;   /* for which it was asked; 0: for none */
        struct bytes name;  /* evidence: its file */
        struct bytes words; /* for people: a sentence or two */
        struct bytes facts; /* one JSON object as text; empty: none */
        uint8_t what;       /* enum tide_done_what */
};

/*
 * What was imported of one image, in parts. Of an SBOM: one SUPPLY_BEGIN, packages, files (which name packages by
 * number), one SUPPLY_END, in this order and nothing of another document in between; what has no end never counts, and
 * another SUPPLY_BEGIN or a SUPPLY_REMOVED of it takes it back. Provenance and admissions are one part each. A document
 * that names several images comes once for each. The same document of the same image, told again, takes the place of
 * what it told before: so a signature that fits now is so for what is known.
 */
enum tide_supply_part {
        SUPPLY_NONE,
        SUPPLY_BEGIN, /* of an SBOM */
        SUPPLY_PACKAGES,
        SUPPLY_FILES,
        SUPPLY_END,
        SUPPLY_PROVENANCE,
        SUPPLY_ADMISSION,
        SUPPLY_REMOVED, /* the document of this hash is to be forgotten; digest empty: of every image */
        SUPPLY__PART_MAX
};
/* How its signature stands. */
enum tide_supply_signature {
        SIGNATURE_NONE, /* unsigned */
        SIGNATURE_VERIFIED,
        SIGNATURE_BAD,     /* in the name of a key that we have, and it does not fit; or it is no signature */
        SIGNATURE_UNKNOWN, /* it fits no key that we have */
        SIGNATURE__MAX
};
#define TIDE_SUPPLY_TEXT 512u /* bytes of one text, but words, at most: longer ones are cut */

struct tide_supply {
        struct bytes digest;   /* "sha256:…" of the image's manifest, index or configuration: which is not said there */
        uint8_t part;          /* enum tide_supply_part */
        struct bytes document; /* SHA-256 of the document (of what is signed; of an admission's line), TIDE_SHA256
                                * bytes: joins its parts */
        /* Begin, provenance, admission: */
        struct bytes source;   /* the file's name */
        uint8_t signature;     /* enum tide_supply_signature */
        struct bytes key;      /* verified: the file of the key; else why it is not, in words */
        struct bytes format;   /* "CycloneDX 1.5", "SPDX 2.3", "SLSA 1", "SLSA 0.2", "Kubernetes audit", "line" */
        struct bytes creator;  /* tool, builder, or who admitted */
        /* Provenance: */
        struct bytes repository, commit, build_type;
        int64_t began_ns, ended_ns; /* wall clock; 0: not said. Admission: when, in began; SBOM: when it was made */
        /* Packages, files: */
        uint32_t first;    /* number of the list's first one, of its kind, in this document */
        struct bytes list; /* at most TIDE_PRIOR_LIST: tide_prior_package_put(), tide_prior_file_put() (of a file: path,
                            * package, sha256; flags PRIORF_UNHASHED where the SBOM has no SHA-256 of it) */
        /* End: */
        uint32_t packages, files; /* told */
        uint32_t refused;         /* above limits.record_entries, too large, or not to be understood */
        /* Admission: */
        uint8_t admitted;   /* 0: refused */
        struct bytes words; /* the reason; SBOM, provenance: what of it was left out, or is doubtful; empty: nothing */
        struct bytes from;  /* what named the digest: "subject", "image", "component", "operator" */
        struct bytes image; /* the image's name there */
        struct bytes place; /* admission: "namespace/pod" */
        struct bytes key_id; /* verified: SHA-256 of the key, in hexadecimal */
};

enum tide_act_kind {
        ACT_NONE,
        ACT_REPLY, /* answer for the admin client that sent command id; text is the JSON line */
        ACT_TRAIL, /* append text to the trail as the engine's word */
        ACT_FACTS, /* what the engine read of the container in ev.container: name "health": text is its health check */
        ACT_WALK,  /* walk the container named in ev.container again */
        ACT_PONG,
        ACT_OPEN,     /* open the metadata file name of the container named in ev.container; id is its enum metafile */
        ACT_COUNTERS, /* send TIDE_COUNTERS now: somebody asked for status */
        ACT_WHO,      /* who is (or was) process act.pid? Answered by TIDE_WHO with act.id as its token */
        ACT_IMAGE,    /* open the files of the image that the container named in ev.container runs, and pass them into
                       * the socket that comes along; act.id names the request */
        ACT_DEED,     /* act.deed, for the command act.id or by policy, of the container named in ev.container */
        ACT_NEWS,     /* news of finding act.finding, for the trail and the audit log: args say what */
        ACT__MAX
};

struct tide_act {
        uint16_t act;         /* enum tide_act_kind; TIDE_FILES: 0 */
        uint64_t id;          /* command id; TIDE_FILES: number of the candidate in its table */
        uint32_t uid, pid, login_uid; /* TIDE_COMMAND: peer credentials */
        struct bytes name;    /* TIDE_FILES: path that was opened; empty text and no descriptor: could not be opened */
        struct bytes text;
        uint8_t deed;        /* ACT_DEED: enum tide_deed */
        uint32_t flags;      /* ACT_DEED: set of enum tide_deed_flag; ACT_NEWS: of enum finding_news */
        uint64_t finding;    /* 0: none */
        struct bytes args;   /* list of key, value */
};

struct tide_event {
        uint16_t kind; /* enum tide_kind */
        uint16_t sources;
        uint16_t flags; /* enum tide_flag */
        uint64_t seq;   /* given by the engine when the event enters fuse/; recordings are in this order */
        uint64_t boot_ns;
        int64_t wall_ns;
        struct bytes container; /* full id; empty: none */
        union {
                struct tide_exec exec;
                struct tide_fork fork;
                struct tide_exit exit;
                struct tide_file file;
                struct tide_priv priv;
                struct tide_flow flow;
                struct tide_name name;
                struct tide_packet packet;
                struct tide_audit audit;
                struct tide_who who;
                struct tide_ctr ctr;
                struct tide_walk walk;
                struct tide_content content;
                struct tide_decision decision;
                struct tide_loss loss;
                struct tide_state state;
                struct tide_act act;
                struct tide_prior prior;
                struct tide_hash hash;
                struct tide_done done;
                struct tide_supply supply;
        };
};

/* Append one record. 0; -EINVAL for a kind unknown; ERR_LIMIT if it would exceed TIDE_RECORD_MAX or out->max (out is
 * then as before). */
int tide_encode(const struct tide_event *ev, struct buf *out) TM_CHECK;

/*
 * Read one record from p. Strings in *ret borrow from p. *ret_used is its length. ERR_TRUNCATED: fewer than the
 * record's length there; ERR_SCHEMA: impossible length, version from the future, kind unknown (ret_used is set, so
 * that it may be passed over); values of enums out of range become their 0.
 */
int tide_decode(const void *p, size_t len, struct tide_event *ret, size_t *ret_used) TM_CHECK;

/* Ancestors: append one; read the next (1, or 0 at the end or on damage). Outermost first. */
struct tide_ancestor {
        uint32_t pid;
        uint64_t start;
        struct bytes exe;
        struct bytes comm;
};
void tide_lineage_put(struct buf *b, const struct tide_ancestor *a);
int tide_lineage_next(struct rd *r, struct tide_ancestor *ret);

/* Lists of key, value. */
void tide_list_put(struct buf *b, struct bytes key, struct bytes value);
int tide_list_next(struct rd *r, struct bytes *ret_key, struct bytes *ret_value);

/* Packages of an image: append one; read the next (1, or 0 at the end or on damage). */
struct tide_prior_package {
        uint8_t db; /* enum tide_package_db */
        struct bytes name, version;
};
void tide_prior_package_put(struct buf *b, const struct tide_prior_package *p);
int tide_prior_package_next(struct rd *r, struct tide_prior_package *ret);
/* Its files that can be run or loaded, the same way. */
struct tide_prior_file {
        struct bytes path;        /* absolute, as the container sees it: no link on the way */
        uint8_t kind;             /* enum tide_prior_kind */
        uint8_t flags;            /* set of enum tide_prior_flag */
        uint32_t package;         /* number of its package + 1; 0: none owns it */
        uint64_t size;
        struct bytes sha256;      /* TIDE_SHA256 bytes; empty: PRIORF_UNHASHED */
        struct bytes interpreter; /* of a script: what its first line names */
};
void tide_prior_file_put(struct buf *b, const struct tide_prior_file *f);
int tide_prior_file_next(struct rd *r, struct tide_prior_file *ret);

/* Words: "exec", "file" …; "entrypoint" …; "write-layer" …; "create,write". Never NULL. */
const char *tide_kind_name(unsigned kind);
/* Does it enter the pipeline and recordings as an event? Not so: what opens and ends a recording, what is only between
 * the processes. */
bool tide_kind_is_event(unsigned kind);
const char *tide_origin_name(unsigned origin);
const char *tide_layer_name(unsigned layer);
const char *tide_change_name(unsigned change);
const char *tide_walk_reason_name(unsigned reason);
/* "uid", "gid", "ptrace", "comm", "core-dump", "mount-namespace", "mapped" */
const char *tide_priv_name(unsigned what);
const char *tide_where_name(unsigned where); /* "same-container", "other-container", "host" */
const char *tide_flow_name(unsigned what);   /* "began", "ended", "found", "listens" */
const char *tide_direction_name(unsigned direction);   /* "outbound", "inbound" */
/* "answered", "unasked", "foreign", "malformed", "doubted", "unowned" */
const char *tide_name_verdict_name(unsigned verdict);
/* "tcp", "udp", "icmp", "icmp6", "sctp", …, else the number. Fixed array of at least TIDE_PROTO_TEXT. */
#define TIDE_PROTO_TEXT 12
char *tide_proto_text(unsigned proto, char dst[TIDE_PROTO_TEXT]);
/* Of the rest the numbers in a flow's ports are something else: of ICMP identifier, type and code. */
bool tide_proto_has_port(unsigned proto);
/* "10.1.2.3", "fe80::1"; "?" for what is no address. Fixed array of at least TIDE_ADDRESS_TEXT. */
#define TIDE_ADDRESS_TEXT 48
char *tide_address_text(struct bytes address, char dst[TIDE_ADDRESS_TEXT]);
/* "create+write" for a set of operations; "" for none. Fixed array of at least TIDE_OPS_TEXT. */
#define TIDE_OPS_TEXT 64
char *tide_ops_text(unsigned ops, char dst[TIDE_OPS_TEXT]);
const char *tide_class_name(unsigned v);
const char *tide_prior_state_name(unsigned v); /* "failed", "partial", "complete" */
const char *tide_prior_kind_name(unsigned v);  /* "other", "program", "library", "script" */
const char *tide_package_db_name(unsigned v);  /* "dpkg", "apk", "rpm" */
/* "isolate", "release", "kill", "capture", "list", "copy", "remove" */
const char *tide_deed_name(unsigned deed);
const char *tide_deed_state_name(unsigned state); /* "failed", "refused", "planned", "began", "done", "changed" */
const char *tide_signature_name(unsigned v);      /* "unsigned", "verified", "bad", "unknown-key" */
const char *tide_hash_name(unsigned state);    /* "unreadable", "known", "too-large", "gone", "replaced", "late" */
/* "proc connector + fanotify content". */
#define TIDE_SOURCES_TEXT 160
char *tide_sources_text(unsigned sources, char dst[TIDE_SOURCES_TEXT]);

#endif
