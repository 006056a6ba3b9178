/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sensor-priv - what the sensor's files in this room share: the way from a kernel's record (sense/) over who did it
 * where (trace/) to an event on the pair.
 */
#ifndef TIDEMARK_DAEMON_SENSOR_PRIV_H
#define TIDEMARK_DAEMON_SENSOR_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/notify.h"
#include "daemon/pace.h"
#include "daemon/process.h"
#include "tidemark/audit_log.h"
#include "tidemark/buf.h"
#include "tidemark/container.h"
#include "tidemark/event.h"
#include "tidemark/fan_source.h"
#include "tidemark/lineserver.h"
#include "tidemark/loop.h"
#include "tidemark/layer.h"
#include "tidemark/names_source.h"
#include "tidemark/pair.h"
#include "tidemark/peek.h"
#include "tidemark/proc_source.h"
#include "tidemark/proctab.h"
#include "tidemark/rate.h"
#include "tidemark/trail.h"
#include "tidemark/walk.h"

#define SENSOR_COMMANDS 32u /* under way at once, of all clients of admin.sock */

struct sensor_command {
        uint64_t id;     /* 0: free */
        uint64_t client; /* lineclient_id */
        uint64_t finding; /* that it names; 0: none */
        char *line;      /* what was asked; then what is answered */
        char comm[16];   /* of who asked */
        char container[65]; /* that the engine has named for it; "": none yet */
        struct linepeer peer;
        uint32_t login_uid;
        bool urgent; /* contain.isolate: it does not wait for a trail that cannot be written */
        uint64_t due_ns; /* urgent: when it goes on without; 0: it waits for nothing */
        bool passed; /* to the engine */
        bool answered;
        bool own;    /* the agent's: sensor_drop.c is told what became of it */
        bool has_fd; /* a descriptor came along: it goes to the engine, unread */
        int fd;
};

/* Whose queue can overflow. */
enum sensor_lost_by {
        LOST_PROC,
        LOST_EXECS,
        LOST_CONTENT,
        LOST_NAMES,
        LOST_FLOWS,
        LOST_PACKETS,
        LOST_AUDIT,
        LOST_PAIR,
        LOST__MAX
};

/* What was lost and is not told yet: losses come in bursts, and each burst is told as one. */
struct sensor_lost {
        bool pending, unknown; /* unknown: of some, the kernel did not say how many */
        uint64_t count;
        uint64_t from_ns, to_ns; /* boot time: the blind moment lies between them */
};

#define SENSOR_STOPS 64u

/* What was found wanting, and is mended when there is room and calm. */
struct sensor_repair {
        bool scan, walk, announce; /* processes; write layers; containers whose start or stop was refused */
        uint64_t wanted_ns;        /* boot time since which it waits; 0: nothing does */
        struct sensor_lost lost[LOST__MAX];
        uint64_t bursts[LOST__MAX], unknown[LOST__MAX]; /* told; those of them without a number */
        uint64_t refused_total;
        uint64_t scans, walks; /* done */
        uint64_t walk_incomplete;
        char stops[SENSOR_STOPS][65]; /* ids of containers whose stop was refused */
        size_t nstops;
        uint64_t stops_forgotten;
};

/* When the walk under way began. */
struct sensor_walk_under_way {
        uint64_t began_wall_ns;
        uint64_t refused, compares_refused; /* repair.refused_total, compares.refused */
};

/* Requests for arguments that are under way: whose they are. */
#define SENSOR_ASKED (2 * PEEK_WAITING)
struct sensor_asked {
        uint64_t token;
        uint32_t tag, pid;
};

/* Comparisons of files with the image's that are under way: sensor_compare.c */
#define SENSOR_COMPARES 256u
struct sensor_compare {
        uint64_t cookie;
        uint32_t tag;
        bool program, anyway; /* anyway: to be told also when it is the same */
        uint32_t pid;         /* who wrote it; 0: not known */
        char *path;           /* owned; NULL: free */
};
struct sensor_compares {
        struct sensor_compare slots[SENSOR_COMPARES];
        uint64_t last, verdicts[WALK_DIFFERS + 1], refused;
};

struct sensor {
        const struct sensor_setup *setup;
        const struct cfg *cfg;
        struct loop *loop;
        struct pair *pair;
        struct loop_src *pair_src;
        struct notify *notify;
        struct trail *trail;
        struct sensor_trail *records; /* sensor_trail.c */
        struct lineserver *admin;
        struct loop_timer *urgent_timer, *coverage_timer;
        uint64_t coverage_due_ns; /* when coverage_timer fires; 0: it does not */
        uint64_t loss_bursts;     /* told, of all sources */
        struct fan_features features;
        struct proc_source *proc;
        struct fan_source *fan;     /* contents; NULL: not to be had */
        struct fan_source *execs;   /* openings for execution; NULL: not to be had */
        struct names_source *names; /* NULL: not to be had */
        struct walker *walker;
        struct sensor_audit *audit; /* sensor_audit.c */
        struct sensor_auditlog *auditlog; /* sensor_auditlog.c */
        struct peek *peek_args;
        struct mapped *mapped; /* sensor_mapped.c */
        struct sensor_image *image; /* sensor_image.c */
        struct sensor_evidence *evidence; /* sensor_evidence.c */
        struct sensor_drop *drop; /* sensor_drop.c; NULL: none is wanted */
        struct rate ran;            /* programs of write layers whose files are passed on: sensor_ran.c */
        struct contain *contain; /* sensor_contain.c */
        struct nets *nets;     /* sensor_net.c; NULL: flows are not watched */
        struct map *resolvs;   /* sensor_resolv.c */
        struct sensor_asked asked[SENSOR_ASKED];
        struct containers *containers;
        struct proctab *proctab;
        struct loop_timer *expire_timer, *round_timer, *watchdog_timer, *repair_timer, *walks_timer;
        struct sensor_command commands[SENSOR_COMMANDS];
        uint64_t last_command;
        struct sensor_repair repair;
        uint64_t told[TIDE__KIND_MAX];
        uint64_t namespaces_marked, namespaces_unmarked; /* of containers' mount namespaces beside their own */
        struct sensor_walk_under_way walk;
        struct sensor_compares compares;
        struct pace pace;
        uint64_t paced_said_ns; /* when it was last said what is given up for it */
        const struct container *kept; /* whose layers are open until the turn ends */
        struct buf lineage, path;     /* scratch of the event being built */
        uint64_t current_ns;          /* boot time at which all kernel queues were known to be empty */
        size_t flushed_at;            /* bytes that waited in the pair when it took no more */
        bool answered;                /* arguments came since events were last told */
        uint64_t answered_ns;         /* the last turn that brought some */
        bool starting;                /* no loop runs yet */
        bool emptied;                 /* the last task of some container has ended */
        bool stirred;                 /* something came since exec events were last settled */
        bool scanning;                /* the first scan: what is found was there before us */
        bool ready;
        int rc;
};

/* sensor_loss.c */
/* Send an event of now (times are set if they are 0). A refusal by the full pair is counted and mended later. */
void sensor_send(struct sensor *s, enum pair_class class, struct tide_event *ev, int fd);
/* What s->repair asks for is done shortly. */
void sensor_repair_later(struct sensor *s);
/* "fanotify", "inotify", "walks only" */
const char *sensor_names_by(const struct sensor *s);
/* Something was lost between since_ns (boot time) and now. count 0: how much is not known. */
void sensor_lost(struct sensor *s, enum sensor_lost_by by, uint64_t count, uint64_t since_ns);
/* Is the pair so full that walks must wait? */
bool sensor_is_crowded(const struct sensor *s);
void sensor_on_repair(struct loop_timer *t, void *arg);

/* sensor_files.c: what happened in write layers */
extern const struct fan_ops sensor_fan_ops;
extern const struct fan_ops sensor_execs_ops;
extern const struct names_ops sensor_names_ops;
extern const struct walk_ops sensor_walk_ops;
/* Much is to be asked of its layers: keep them open until the turn ends. NULL: it has ended, or c goes away. */
void sensor_keep(struct sensor *s, const struct container *c);
/* It has ended: its name marks go. */
void sensor_files_gone(struct sensor *s, struct container *c);
void sensor_walk(struct sensor *s, struct container *c, enum tide_walk_reason reason);
void sensor_walk_all(struct sensor *s, enum tide_walk_reason reason);

/* Who did it; returns the container of that process, NULL: of none. */
struct container *sensor_set_actor(struct sensor *s, struct tide_file *f, uint32_t pid);
void sensor_set_entry(struct tide_file *f, const struct layer_entry *e);

/* sensor_audit.c */
struct sensor_audit_stats {
        const char *source;  /* words */
        uint64_t delivered, lost, forged, malformed;
        uint64_t again;      /* rules of ours that were gone, and were set again */
        uint32_t rules;      /* of ours, that stand */
        int enabled;         /* as the kernel says: 0 off, 1 on, 2 locked; -1: not known */
        uint32_t kernel_lost; /* records that it had to drop, of whomever */
};
int sensor_audit_start(struct sensor *s);
void sensor_audit_stop(struct sensor *s);
/* Does it tell who connects, as far as is configured? */
bool sensor_audit_tells_calls(const struct sensor *s);
void sensor_audit_stats(const struct sensor *s, struct sensor_audit_stats *ret);
/* Ask the kernel for its numbers; sensor_auditlog_looked() when they have come. */
void sensor_audit_ask(struct sensor *s);
/* Answer ACT_WHO. */
void sensor_audit_who(struct sensor *s, const struct tide_event *ask);

/* sensor_compare.c */
/* Compare the upper file at path with the image's; told when it is known that they differ, and (anyway) also if not.
 * pid: who may have written it (0: found, by nobody known). */
int sensor_compare(struct sensor *s, struct container *c, struct bytes path, const struct layer_entry *now, bool anyway,
                   uint32_t pid) TM_CHECK;
void sensor_on_compared(uint32_t tag, uint64_t cookie, enum walk_verdict verdict, void *arg);
void sensor_compares_end(struct sensor *s);

/* sensor_containers.c: containers that come and go */
void sensor_container_tell(struct sensor *s, struct container *c);
extern const struct proctab_ops sensor_proctab_ops;
void sensor_on_walks_due(struct loop_timer *t, void *arg);
/* Its marks stand, or a walk of all of it has set new ones: tell what covers it, where that is news. */
void sensor_container_covered(struct sensor *s, struct container *c);

/* sensor_image.c: the files of images, for the engine's worker */
struct sensor_image_stats {
        uint64_t asked, refused, late;
};
int sensor_image_start(struct sensor *s);
void sensor_image_stop(struct sensor *s);
/* ACT_IMAGE: of the image of this container, into that socket; borrowed. */
void sensor_image_open(struct sensor *s, const struct tide_event *ask, int sock);
void sensor_image_stats(const struct sensor *s, struct sensor_image_stats *ret);

/* sensor_ran.c: the file of a program that ran from a write layer, behind its TIDE_EXEC */
void sensor_ran(struct sensor *s, struct container *c, const struct tide_event *exec);

/* sensor_meta.c: open metadata and pass it on */
void sensor_meta_send(struct sensor *s, struct container *c);
void sensor_meta_open(struct sensor *s, const struct tide_event *ask);
/* What says which name servers it may ask: its own file below base (NULL: not found), and what vouches for it. */
void sensor_meta_resolv(struct sensor *s, struct container *c, const char *base, const char *file);

/* sensor_resolv.c: which file is mounted as a container's /etc/resolv.conf, and whether it is as it was */
extern const char *const sensor_resolv_hosts[2]; /* directories of the host's own */
int sensor_resolv_start(struct sensor *s);
void sensor_resolv_stop(struct sensor *s);
/* Find the file, and pass on what says which name servers the container may ask, as it is now. */
void sensor_resolv_send(struct sensor *s, struct container *c);
/* A query leaves this network namespace: is what says that of its containers as it was passed on? Else it is again. */
void sensor_resolv_query(struct sensor *s, uint64_t netns);
/* The slow round: of all; what could not be found is looked for again. */
void sensor_resolv_round(struct sensor *s);
void sensor_resolv_gone(struct sensor *s, const struct container *c);

/* sensor_deed.c: what the engine asks to be done to a container, or with evidence */
struct sensor_deed {
        uint8_t deed;              /* enum tide_deed */
        uint64_t command, finding; /* 0: none */
        uint32_t flags;            /* set of enum tide_deed_flag */
        uint32_t uid, login_uid, pid; /* who asked; by policy: 0, none, 0 */
        char comm[16];                /* … and the name of that process; by policy: empty */
        char container[65];        /* empty: of none */
        struct bytes name, args;   /* borrowed until run() returns: who goes on later copies what it needs */
};
/* What becomes of it. Texts: NULL is empty. facts: one JSON object. */
struct sensor_said {
        enum tide_deed_state state;
        bool last; /* no more is said of this request and container */
        const char *name, *words, *facts;
        enum tide_done_what what;
};
void sensor_deed_run(struct sensor *s, const struct tide_event *act);
void sensor_deed_say(struct sensor *s, const struct sensor_deed *d, const struct sensor_said *said);
/* A field of the request. -ENOENT: it has none of this name. */
int sensor_deed_arg(const struct sensor_deed *d, const char *key, struct bytes *ret);
bool sensor_deed_flag(const struct sensor_deed *d, const char *key);

/* sensor_contain.c: containers that are cut off */
/* Before capabilities are given up; what an earlier life isolated is held from here on. */
int sensor_contain_start(struct sensor *s);
void sensor_contain_stop(struct sensor *s);
int sensor_contain_isolate(struct sensor *s, const struct sensor_deed *d);
int sensor_contain_release(struct sensor *s, const struct sensor_deed *d);
int sensor_contain_kill(struct sensor *s, const struct sensor_deed *d);
/* It comes: the first task of it is seen. */
void sensor_contain_container(struct sensor *s, const struct container *c);
/* The last task of some container has ended; it is gone. */
void sensor_contain_emptied(struct sensor *s);
void sensor_contain_gone(struct sensor *s, const struct container *c);
/* What the engine has read of it: a list of key, value. Claims, for words alone. */
void sensor_contain_told(struct sensor *s, const struct container *c, struct bytes list);
/* What the start found wanting, once the trail is there. */
void sensor_contain_begin(struct sensor *s);
/* For status: whom it holds (an array), and how often it did what. New references. */
struct json_t;
struct json_t *sensor_contain_list(struct sensor *s);
struct json_t *sensor_contain_status(struct sensor *s);

/* sensor_evidence.c: what is taken of containers, and what becomes of it */
int sensor_evidence_start(struct sensor *s);
void sensor_evidence_stop(struct sensor *s);
int sensor_evidence_deed(struct sensor *s, const struct sensor_deed *d);
/* What the engine says of a container goes into its evidence, also where the deed is another and takes it first: kept
 * for a while. */
void sensor_evidence_known(struct sensor *s, const struct sensor_deed *d);
/* Names of evidence that open findings give, one a line: the engine's word. */
void sensor_evidence_held(struct sensor *s, struct bytes names);
struct json_t;
/* Its part of status; new reference. */
struct json_t *sensor_evidence_status(const struct sensor *s);
uint32_t sensor_evidence_pid(const struct sensor *s); /* of its helper now; 0: none */
/* The slow round: what is too old goes. */
void sensor_evidence_round(struct sensor *s);
/* Before something is done to a container: its volatile part, and the rest afterwards. */
struct sensor_evidence_taken {
        bool ok;           /* the volatile part is taken, though something of it may be missed */
        uint64_t ns;       /* how long it took */
        uint64_t missed;   /* parts of it that were not reached, or were gone */
        const char *name;  /* the evidence's file, which is complete later */
        const char *words; /* for people: a sentence */
};
typedef void (*sensor_evidence_cb)(struct sensor *s, const struct sensor_evidence_taken *taken, void *arg);
/*
 * cb comes once, never from within: when the volatile part is taken, has failed, or deadline_ns (from now) is over;
 * evidence of the rest waits for sensor_evidence_contained(), some seconds at most, and goes on by itself, told as a
 * deed of its own. d: what it is taken for; copied. Negative:
 * none can be begun, and cb does not come (-EBUSY: too much is being taken; -ENOSPC; -ESRCH: it does not run).
 */
int sensor_evidence_before(struct sensor *s, const struct sensor_deed *d, const struct container *c,
                           uint64_t deadline_ns, sensor_evidence_cb cb, void *arg) TM_CHECK;

/* It has been isolated (boot time), or has not (0): what was held for that goes on, and parts are told apart by it. */
void sensor_evidence_contained(struct sensor *s, const char *container, uint64_t boot_ns);

/* sensor_auditlog.c: into the kernel's audit log; queued, what fails is counted */
int sensor_auditlog_start(struct sensor *s);
void sensor_auditlog_stop(struct sensor *s);
void sensor_auditlog(struct sensor *s, const struct audit_note *note);
/* sensor_audit.c knows anew whether audit is switched on. */
void sensor_auditlog_looked(struct sensor *s);
/* All of a container's write layer was looked through, or not all: recorded once a day, and when that changes. */
void sensor_auditlog_compared(struct sensor *s, struct container *c, bool whole, uint64_t entries);
void sensor_auditlog_container(struct sensor *s, const struct container *c, bool started);
/* ACT_NEWS: into the trail as the engine's word, and into the audit log. */
void sensor_auditlog_news(struct sensor *s, const struct tide_event *act);
struct sensor_auditlog_stats {
        struct audit_log_stats log;
        const char *state;                       /* words; "off: …" and "failing: …" are not as it should be */
        uint64_t written, not_kept, unconfirmed; /* of log.taken: audit was on, it was off, it is not known yet */
        uint64_t news, news_refused;             /* of findings: told; over the limit, or not understood */
        uint64_t checkpoint; /* number of the trail's record whose checkpoint is known to be kept; 0: none is */
        int enabled;                             /* as sensor_audit_stats.enabled */
        uint32_t kernel_lost, pid;
};
void sensor_auditlog_stats(const struct sensor *s, struct sensor_auditlog_stats *ret);

/* sensor_trail.c: what the sensor itself puts into the trail, and the way there of all that others do */
struct sensor_who {
        uint32_t uid, pid;
};
struct sensor_trail_stats {
        struct trail_stats writer;
        uint64_t checkpoint; /* number of the record that the audit log was given last, kept or not; 0: none */
        uint64_t refused;    /* attempts of who may not */
};
int sensor_trail_open(struct sensor *s);
/* That it started, with what, and what is configured otherwise than the last time. */
void sensor_trail_started(struct sensor *s);
/* What waits is written, as far as that can be done; the last checkpoint. */
void sensor_trail_close(struct sensor *s);
/* Append to the trail: queued; if it cannot be written now it is written late. wall_ns 0: now. Texts are borrowed until
 * it returns. */
void sensor_trail(struct sensor *s, const struct trail_entry *e);
/* The same, for somebody who waits: sensor_admin_written(). keep: it stays queued if it cannot be written now. */
int sensor_trail_wait(struct sensor *s, uint64_t cookie, bool keep, const struct trail_entry *e) TM_CHECK;
/* The agent's own, in words. */
void sensor_admin_note(struct sensor *s, const char *kind, const char *text);
/* Login uid and command name of a process, now; of one that is gone: none, empty. */
void sensor_trail_who(uint32_t pid, uint32_t *ret_login_uid, char ret_comm[16]);
/* Somebody asked for what he may not. So many a minute are recorded, the others counted. */
void sensor_trail_refused(struct sensor *s, enum trail_source source, const struct sensor_who *who, const char *where,
                          struct bytes request);
/* A deed that the engine asks for is refused: may that be a record? Else it is counted as withheld: so many a minute
 * are enough, for the engine can ask for as many as it likes. */
bool sensor_trail_may_refuse(struct sensor *s);
/* The engine's word. */
void sensor_trail_engine(struct sensor *s, const struct tide_event *act);
/* What a source lost, by its name; recorded once a minute at most. */
void sensor_trail_lost(struct sensor *s, enum sensor_lost_by by, const char *what, const struct sensor_lost *l,
                       bool unknown);

/* The head goes to the audit log now, also where that was given it before: it was not kept there. */
void sensor_trail_checkpoint(struct sensor *s);
/* What can be said of it. */
void sensor_trail_stats(const struct sensor *s, struct sensor_trail_stats *ret);
/* sensor_trail_config.c: what is configured otherwise than at the last start; the hash of all of it ("": not known) */
void sensor_trail_config(struct sensor *s);
void sensor_trail_config_hash(struct sensor *s, char ret_hash[TRAIL_HASH + 1]);

/* sensor_coverage.c: from when to when a container was watched, by what, in the trail */
void sensor_coverage_began(struct sensor *s, struct container *c);
/* It may have changed. */
void sensor_coverage_look(struct sensor *s, struct container *c);
void sensor_coverage_ended(struct sensor *s, struct container *c, const char *why);
/* The agent ends. */
void sensor_coverage_end_all(struct sensor *s);
void sensor_on_coverage_due(struct loop_timer *t, void *arg);

/* sensor_admin.c: admin.sock, and the way of a command */
/* A command that is in the engine's hands and not answered yet; NULL: none of this number. */
struct sensor_command *sensor_admin_command(struct sensor *s, uint64_t id);
/* A command of the agent itself, with a descriptor (taken over): on its way as those of admin.sock; what became of it
 * is told by sensor_drop_answered(), never from within. -EBUSY, or what the trail says: it was not taken. */
int sensor_admin_own(struct sensor *s, const char *line, int fd, uint64_t *ret_id) TM_CHECK;
int sensor_admin_open(struct sensor *s);
void sensor_admin_reply(struct sensor *s, const struct tide_event *act);
/* A record of a command's is on the disk, or (err negative) is not. */
void sensor_admin_written(struct sensor *s, uint64_t cookie, int err);
void sensor_admin_close(struct sensor *s);

/* sensor_pace.c */
int sensor_pace_start(struct sensor *s);
/* After a turn in which something came. */
void sensor_pace(struct sensor *s);

/* sensor_peek.c: what is read out of processes' memory */
int sensor_peek_start(struct sensor *s);
void sensor_peek_stop(struct sensor *s);
int sensor_want_args(struct container *c, uint64_t token, uint32_t pid, uint64_t start, void *arg);

void sensor_peek_bar(struct sensor *s, uint32_t tag, uint32_t pid);
int sensor_peek_confine(void);

/* sensor_mapped.c: code that is loaded from files that are not the image's */
struct sensor_mapped_stats {
        uint64_t looks, told, passed_over, marks, marks_refused, hung;
        uint32_t pid; /* of the helper */
};
int sensor_mapped_start(struct sensor *s);
void sensor_mapped_stop(struct sensor *s);
void sensor_mapped_exec(struct sensor *s, struct container *c, uint32_t pid, uint64_t start);
void sensor_mapped_round(struct sensor *s);
/* A file of the write layer was written; fd is the event's. */
void sensor_mapped_written(struct sensor *s, struct container *c, int fd, struct bytes path, uint64_t dev,
                           uint64_t ino);
void sensor_mapped_opened(struct sensor *s, uint32_t pid);
void sensor_mapped_gone(struct sensor *s, const struct container *c);
void sensor_mapped_stats(const struct sensor *s, struct sensor_mapped_stats *ret);

/* sensor_net.c: network namespaces, and what happens in them */
int sensor_net_start(struct sensor *s);
/* Wait until those of the containers that were found are watched. */
void sensor_net_settle(struct sensor *s);
/* In the log, once all has begun: what stands where. */
void sensor_net_say(const struct sensor *s);
void sensor_net_stop(struct sensor *s);
void sensor_net_container(struct sensor *s, struct container *c);
/* What the configuration says for its workload, whose name the engine has found: "namespace", "host" or "off".
 * -EINVAL: another word. */
int sensor_net_scope(struct sensor *s, struct container *c, struct bytes word) TM_CHECK;
/* Are its flows watched now? */
enum tide_flows sensor_net_flows(const struct sensor *s, const struct container *c);
/* A program runs in it: what it may listen on is looked at soon. */
void sensor_net_exec(struct sensor *s, struct container *c);
/* The last task of some container may have ended. */
void sensor_net_emptied(struct sensor *s);
void sensor_net_round(struct sensor *s);
/* The pair has refused it; then, when there is room: what of it still lives is told. */
void sensor_net_untold(struct sensor *s, const struct tide_event *ev);
void sensor_net_repair(struct sensor *s);

/* sensor_status.c */
void sensor_status_send(struct sensor *s);

/* sensor_drop.c: what is put into a directory is imported */
int sensor_drop_start(struct sensor *s);
void sensor_drop_stop(struct sensor *s);
void sensor_drop_answered(struct sensor *s, uint64_t command, bool ok);
/* It was not done for a reason that is not the file's: that stays where it is, and is taken again later. */
void sensor_drop_left(struct sensor *s, uint64_t command);

#endif
