/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config - one table of options: name, type, range, default, help. The loader, --check-config, --print-defaults, the
 * shipped tidemark.conf and the check of the man page all come from it. libconfig syntax; conf.d/ beside the file is
 * merged in C-locale order, later wins.
 */
#ifndef TIDEMARK_CONFIG_H
#define TIDEMARK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tidemark/attr.h"
#include "tidemark/facility.h"
#include "tidemark/fuse.h"
#include "tidemark/judge.h"
#include "tidemark/mask.h"
#include "tidemark/str.h"

struct buf;

enum net_scope { NET_SCOPE_NAMESPACE, NET_SCOPE_HOST, NET_SCOPE_OFF };

/* evidence.*: what is taken of a container, and how long it is kept. */
struct cfg_evidence {
        uint64_t max_size;    /* evidence.max_size, bytes, default 2 GiB */
        uint64_t max_file;    /* evidence.max_file, default 1 GiB */
        uint64_t max_time_ns; /* evidence.max_time, default 10 min */
        uint64_t volatile_ns; /* evidence.volatile_deadline, default 1 s */
        bool freeze;          /* evidence.freeze, default false */
        uint64_t keep_size;   /* evidence.keep_size, bytes, default 20 GiB */
        uint64_t keep_age_ns; /* evidence.keep_age, default 400 days */
        uint64_t min_free;    /* evidence.min_free, bytes, default 1 GiB */
        char sign_key[256];   /* evidence.sign_key, default none */
        char by_policy[8];    /* evidence.auto: "no", "page" */
        struct str_list workloads; /* evidence.workloads, default "*" */
        uint32_t per_hour;         /* evidence.auto_per_hour, default 6 */
};

struct cfg {
        char engine_user[64];   /* engine.user, default "tidemark" */
        char control_group[64]; /* control.group, default "tidemark" */
        char state_dir[256], runtime_dir[256]; /* paths.state, paths.runtime */
        uint32_t disabled; /* probe.disable = ["names", …]: set of enum facility */
        uint32_t cpu_max;          /* sensor.cpu_max, percent of one processor, default 10 */
        uint32_t proc_rcvbuf;      /* sensor.proc_rcvbuf, bytes, default 4 MiB */
        uint32_t pair_queue;       /* sensor.queue, bytes, default 4 MiB */
        uint32_t max_containers;   /* limits.containers, default 1024 */
        uint32_t max_processes;    /* limits.processes, default 65536 */
        uint64_t exit_grace_ns;    /* sensor.exit_grace, default 2 s */
        uint32_t names_per_container, names_total; /* files.dirs_per_container 4096, files.dirs_total 65536 */
        uint64_t walk_entries;     /* files.walk_entries, default 200000 per walk */
        uint64_t walk_deadline_ns; /* files.walk_deadline, default 30 s */
        uint64_t round_ns;         /* files.round: slow re-walk of every container, default 1 h */
        bool image_analyse;        /* image.analyse, default true */
        uint32_t image_cpu_max;    /* image.cpu_max, percent of one processor, default 25 */
        uint32_t image_mib;        /* image.max_mib, of contents of one image, default 2048 */
        uint64_t image_deadline_ns; /* image.deadline, for one image, default 10 min */
        char audit_source[16];     /* audit.source: "auto", "none", "multicast", "plugin" */
        char audit_rules[16];      /* audit.rules: "none", "exec", "exec+connect" */
        bool audit_log;            /* audit.log, default true */
        bool audit_log_containers; /* audit.log_containers, default false */
        char playbook[256];        /* playbook.file, default "auto": beside the configuration, if it is there */
        char log_level[16];        /* log.level: "error", "warn", "info", "debug" */
        char net_scope_word[16];   /* network.scope: "auto", "namespace", "host", "off"; see cfg_net_scope() */
        enum net_scope net_auto;   /* what "auto" is on this host: not of a file, but tried at the start */
        struct str_list net_of[3]; /* network.namespace, .host, .off: names of workloads, by enum net_scope */
        uint32_t net_guard;        /* network.guard, percent of conntrack's table, default 50 */
        uint32_t net_rcvbuf;       /* network.rcvbuf, bytes, default 1 MiB */
        bool secrets_mask;         /* secrets.mask, default true */
        struct str_list secrets_patterns, secrets_more; /* secrets.patterns (shipped ones), secrets.more (none) */
        uint32_t ring_size;        /* record.ring_size, bytes, default 256 MiB; 0: no recordings for tune */
        uint32_t ring_segment;     /* record.segment, bytes, default 16 MiB */
        uint64_t ring_period_ns;   /* record.segment_time, default 1 d */
        struct str_list contain_allow;     /* contain.allow: addresses and networks (cidr.h), default none */
        char contain_auto[16];             /* contain.auto: "off", "dry-run", "on" */
        struct str_list contain_workloads; /* contain.workloads: patterns of names, default none */
        uint32_t contain_confidence;       /* contain.confidence, percent, default 99 */
        uint32_t contain_per_hour;         /* contain.per_hour, containers of this host, default 3 */
        uint32_t contain_reassert;         /* contain.reassert, times a minute for one container, default 30 */
        uint32_t trail_segment;    /* trail.segment, bytes, default 16 MiB */
        uint64_t trail_keep_ns;    /* trail.keep, default 400 d */
        uint32_t trail_checkpoint_records; /* trail.checkpoint_records, default 1000 */
        uint64_t trail_checkpoint_ns;      /* trail.checkpoint, default 10 min */
        bool sink_syslog;                               /* sink.syslog, default true */
        char sink_socket[100];                          /* sink.syslog_socket, default "/dev/log" */
        char sink_facility[16];                         /* sink.syslog_facility, default "authpriv" */
        struct cfg_evidence evidence;
        struct str_list import_keys; /* import.keys: files of public keys, default none */
        struct str_list records_keys; /* records.keys: the same, or directories, default none */
        char records_drop[256];       /* records.drop: a directory, "auto" or "none", default "auto" */
        struct judge_params judge;
        struct fuse_params fuse;
};

/* A mistake in a file: all are collected, none stops the check. */
struct cfg_mistake {
        char *file;
        int line; /* 0: of the file as a whole */
        char *text; /* what was found, what was expected, what to do */
};
struct cfg_mistakes {
        struct cfg_mistake *m;
        size_t n, cap;
};
void cfg_mistakes_release(struct cfg_mistakes *ms);
/* One line each: file, line, text. */
void cfg_mistakes_print(const struct cfg_mistakes *ms, FILE *out);
/* The file that is read when none is named, if it is there; else NULL. */
const char *cfg_default_path(void);

void cfg_default(struct cfg *c);
enum net_scope cfg_net_scope(const struct cfg *c);
/* network.scope is "auto", so net_auto counts? */
bool cfg_net_scope_is_auto(const struct cfg *c);
/* The same for the workload of this name, which is NUL-terminated. */
enum net_scope cfg_net_scope_of(const struct cfg *c, const char *workload);
/* Does it depend on the workload at all? */
bool cfg_net_scope_differs(const struct cfg *c);
/* What tells our nftables tables from those of another agent on this host: by where its state is kept, so that the next
 * life of the same agent has the same. Letters and digits. Fixed array of at least CFG_INSTANCE. */
#define CFG_INSTANCE 16
char *cfg_instance(const char *state_dir, char dst[CFG_INSTANCE]);
/*
 * Load path and its conf.d (path NULL: defaults alone; a path that does not exist is a mistake, an empty file is
 * none). 0 when there is no mistake, -EINVAL when ms has some; c is then untouched. Files must belong to root or the
 * caller and must not be writable by others (mistake).
 */
int cfg_load(const char *path, struct cfg *c, struct cfg_mistakes *ms) TM_CHECK;
int cfg_load_text(struct bytes text, const char *name, struct cfg *c, struct cfg_mistakes *ms) TM_CHECK;

/*
 * The criteria of triage, playbook.conf: version, owner, review (a date) and criteria, a list of groups with name,
 * verdict, text, factors and any. libconfig syntax. 0; -EINVAL: every mistake is in ms, and *ret as it was; -ENOMEM.
 */
struct playbook;
int playbook_load(const char *path, struct playbook *ret, struct cfg_mistakes *ms) TM_CHECK;
int playbook_load_text(struct bytes text, const char *name, struct playbook *ret, struct cfg_mistakes *ms) TM_CHECK;
/* Every option with its value, as configuration text that cfg_load_text reads back to the same. */
int cfg_dump(const struct cfg *c, struct buf *out) TM_CHECK;
/* Every option: its name, and its value on one line as cfg_dump writes it. secret: it is not to be shown, though it may
 * be compared. */
int cfg_each(const struct cfg *c, int (*each)(const char *name, const char *value, bool secret, void *arg),
             void *arg) TM_CHECK;
/* The shipped tidemark.conf: every option with help and default. */
void cfg_print_defaults(FILE *out);

#endif
