/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge - generalise ▸ baseline ▸ score ▸ group. Pure: events in, changes of its memory out.
 *
 * Owns:      workloads, their baselines, containers' names, open findings. Nothing else in the engine decides.
 * Never:     reads a clock (the events' times), a descriptor, a random number; logs.
 * Hands over: every changed piece of memory by ops.save as an encoded blob under a key; what was saved, given back by
 *            judge_restore in any order, makes the same judge again. The same pieces open a recording.
 *
 * Events must come through fuse/ in order. The same events give the same pieces, to the byte.
 */
#ifndef TIDEMARK_JUDGE_H
#define TIDEMARK_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"
#include "tidemark/str.h"

struct judge;

/* Bits of each context factor: one table, scoring names → judge_params.bits; see judge_factors(). Quarters of a bit. */
enum factor {
        FACTOR_RAN_WRITE_LAYER,
        FACTOR_RAN_MEMFD,
        FACTOR_RAN_DELETED,
        FACTOR_RAN_TMPFS,
        FACTOR_RAN_MOUNT,
        FACTOR_RAN_CHANGED_IMAGE_FILE,
        FACTOR_RAN_SCRIPT,
        FACTOR_WRITTEN_AT_START,
        FACTOR_NEW_PROGRAM,
        FACTOR_NEW_CALLER,
        FACTOR_NEW_EXECUTABLE_FILE,
        FACTOR_IMAGE_FILE_CHANGED,
        FACTOR_IMAGE_PROGRAM_CHANGED,
        FACTOR_SETUID_FILE,
        FACTOR_DATA_FILE,
        FACTOR_VARYING_DIRECTORY,
        FACTOR_WROTE_THEN_RAN,
        FACTOR_ORIGIN_EXEC,
        FACTOR_ORIGIN_FOREIGN,
        FACTOR_ORIGIN_UNKNOWN,
        FACTOR_PROCESS_UNKNOWN,
        FACTOR_STARTUP,
        FACTOR_BEFORE_WATCH,
        FACTOR_FIRST_SIGHT,
        FACTOR_ROOT_GAINED,
        FACTOR_SETUID_PROGRAM,
        FACTOR_ID_GAINED,
        FACTOR_PTRACE,
        FACTOR_PTRACE_CHILD,
        FACTOR_PTRACE_FOREIGN,
        FACTOR_PTRACE_OUTSIDE,
        FACTOR_NEW_NAME,
        FACTOR_KERNEL_NAME,
        FACTOR_CRASHED,
        FACTOR_NEW_NAMESPACE,
        FACTOR_NAMESPACE_OUTSIDE,
        FACTOR_MAPPED_WRITE_LAYER,
        FACTOR_MAPPED_CHANGED,
        FACTOR_MAPPED_MEMORY,
        FACTOR_MAPPED_MOUNT,
        FACTOR_ORIGIN_PROBE,
        FACTOR_MAYBE_PROBE,
        FACTOR_CHANGED_PROBE,
        FACTOR_BLINDED,
        FACTOR_NEW_DESTINATION,
        FACTOR_NEW_PORT,
        FACTOR_NEW_PHASE,
        FACTOR_OTHER_EXECUTABLE,
        FACTOR_UNAPPROVED_DESTINATION,
        FACTOR_RAW_ADDRESS,
        FACTOR_CALLER_UNKNOWN,
        FACTOR_FORGED_NAME,
        FACTOR_FOREIGN_NAME,
        FACTOR_NEW_LISTENER,
        FACTOR_LOCAL_LISTENER,
        FACTOR_SHUTDOWN,
        FACTOR_UNPLACED_CALLER,
        FACTOR_CHANGED_APPROVED,
        FACTOR_REJECTED,
        FACTOR_OTHER_CONTENT,
        FACTOR_ROLLOUT,
        FACTOR_CONTAINMENT,
        FACTOR_LASTING_PLACE,
        FACTOR_UNSEEN_PROGRAM,
        FACTOR_IMAGE_PACKAGED,
        FACTOR_IMAGE_UNPACKAGED,
        FACTOR_NOT_IN_IMAGE,
        FACTOR_IMAGE_EXPECTED,
        FACTOR_SESSION_RAN_FOREIGN,
        FACTOR_SESSION_RAN_CHANGED,
        FACTOR_SESSION_RAN_MOUNT,
        FACTOR_SESSION_NEW_PROGRAM,
        FACTOR_SESSION_SETUID_FILE,
        FACTOR_SESSION_CHANGED_PROGRAM,
        FACTOR_SESSION_CHANGED_FILE,
        FACTOR_SESSION_WROTE_PROGRAM,
        FACTOR_SESSION_RAW_ADDRESS,
        FACTOR_SESSION_NEW_DESTINATION,
        FACTOR_SESSION_LISTENS,
        FACTOR_SESSION_LOADED_FOREIGN,
        FACTOR_SESSION_ROOT_GAINED,
        FACTOR_SESSION_PTRACE,
        FACTOR_SESSION_NAMESPACE,
        FACTOR_SESSION_OUTSIDE,
        FACTOR_SESSION_BLINDED,
        FACTOR_SESSION_LEFT,
        FACTOR_SESSION_LASTING,
        FACTOR_SBOM_LACKS_FILE,
        FACTOR_SBOM_LACKS_IMAGE_FILE,
        FACTOR_SBOM_OTHER_CONTENT,
        FACTOR_SBOM_IMAGE_DIFFERS,
        FACTOR_SBOM_LACKS_PACKAGE,
        FACTOR_SBOM_LISTS_FILE,
        FACTOR__MAX
};
struct judge_factor {
        const char *name;         /* in the configuration: scoring.NAME */
        int32_t default_quarters; /* shipped value */
        const char *help;         /* one line for conf and man page */
};
const struct judge_factor *judge_factors(void); /* FACTOR__MAX of them */
/* Is it a place where a file makes something run, or lets somebody in, later? No pattern of a rule covers one. */
bool judge_is_lasting_place(struct bytes path);

struct judge_params {
        char host[256];
        int32_t bits[FACTOR__MAX];
        int32_t prior_quarters;        /* scoring.prior, default -24 (-6 bits) */
        int32_t session_prior_quarters; /* scoring.session_prior, default -32 (-8 bits): of exec sessions */
        int32_t novelty_cap_quarters;  /* scoring.novelty_cap, default 32 (8 bits) */
        double activated_p; /* scoring.activated_p: chance of novelty after an operator's activate, at most; default
                               0.02 */
        uint32_t show, page;           /* queue.show 50, queue.page 95: percent */
        uint64_t calibration_ns;       /* learn.period, default 72 h */
        uint64_t network_ns;           /* learn.network_period, the same of dimension network, default 168 h */
        uint64_t window_ns;            /* learn.window, default 1 h */
        double converged_p;            /* learn.converged_p, default 0.02 */
        uint64_t converge_min_ns;      /* learn.converge_min, default 24 h: not before */
        uint64_t startup_ns;           /* learn.startup, default 60 s: phase start-up */
        uint64_t shutdown_ns;          /* learn.shutdown, default 60 s: phase shutdown, at most */
        uint64_t join_ns; /* group.join, default 1 h: lineage and cause join a finding last seen so long ago */
        uint32_t max_workloads;        /* limits.workloads 1000 */
        uint32_t max_entries;          /* limits.entries per workload and dimension 2000 */
        uint32_t max_findings;         /* limits.open_findings 1000 */
        uint32_t max_sessions;         /* limits.sessions 100: exec sessions kept as items */
        uint32_t max_closed;           /* limits.closed_findings 1000: kept in the store */
        uint64_t finding_expire_ns; /* queue.expire, default 30 days: not seen for so long, it closes by itself */
        uint64_t finding_keep_ns; /* queue.keep, default 400 days: closed ones are kept for so long */
        uint32_t max_names;            /* limits.names 512: names and addresses of one container */
        struct str_list of_class[CLASS__MAX]; /* workloads.services, .jobs, .sessions: names, * for anything */
        uint32_t max_images;           /* limits.images 64: analysed ones that are kept */
        uint32_t max_image_files;      /* limits.image_files 10000: of one of them */
        uint32_t max_records;          /* limits.records 64: images of which records are kept */
        uint32_t max_record_entries;   /* limits.record_entries 50000: packages, and files, of one SBOM */
        bool review;              /* learn.review: when learning ends wait for an operator; default false */
        uint64_t limit_ns;        /* learn.limit 14 d: activates by then, or says why not */
        uint64_t stale_ns;        /* learn.stale 30 d: unseen for so long an active baseline is stale */
        uint64_t expire_ns;       /* learn.expire 90 d: an entry that is not seen for so long is dropped */
        uint64_t inherited_ns;    /* learn.inherited 14 d: so is one that was inherited and not seen again */
        uint64_t rollout_least_ns; /* rollout.least 1 h: the window of a new digest is open for so long at least */
        uint64_t rollout_limit_ns; /* rollout.limit 24 h: and at most */
        uint32_t max_rules;            /* limits.rules 500: allow and suppress rules in force */
        uint32_t suppress_break_through; /* suppress.break_through 99: percent; 100: nothing does */
        uint64_t suppress_max_ns;        /* suppress.max, default 90 d: no --until is further ahead */
        uint64_t suppress_tell_ns;       /* suppress.tell_before, default 1 d: so long before a rule's end it is told */
        uint32_t siblings;             /* learn.siblings 8: so many names in one directory make it dir/<pattern> */
};
void judge_params_default(struct judge_params *p);

/* Pieces of memory. Values are stored and recorded: never renumber. */
enum judge_piece {
        PIECE_META = 1,
        PIECE_WORKLOAD = 2,
        PIECE_ENTRY = 3,
        PIECE_FINDING = 4,
        PIECE_CONTAINER = 5,
        PIECE_NAME = 6,
        PIECE_TOLD = 7,
        PIECE_PRIOR = 8,
        PIECE_FACTS = 9, /* of an image, whole: only in the store, nothing is decided by it, never restored */
        PIECE_WRITER = 10,
        PIECE_RULE = 13,
        PIECE_LOSS = 15, /* in snapshots only */
        PIECE_PAST = 20,  /* what is remembered of a closed finding, whose piece stays */
        PIECE_WEEKS = 21, /* numbers of the last weeks of the workloads of one name */
        PIECE_RECORD = 24, /* that a document was imported of an image, and what it says at its beginning */
        PIECE_PAPER = 25,  /* its lists, as PIECE_FACTS */
        PIECE_SUPPLY = 26, /* the table of an image's SBOM */
}; /* 16: fuse.h */

struct judge_ops {
        /* A piece changed (blob.len > 0) or is gone (0). Called during judge_event, possibly several times for one key.
         */
        void (*save)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg);
        /* A finding was opened or changed; opened says which. Borrowed. After the save. */
        void (*finding)(const struct finding *f, bool opened, void *arg);
        /* What is to be told of it to those who do not watch: a set of enum finding_news. After ops.finding, if that
         * was called for the same change. May be NULL. */
        void (*news)(const struct finding *f, unsigned news, void *arg);
        /* What became of an event, for watch and explain: words such as "known", "learned", "deviation F-12", "below
         * show". May be NULL. */
        void (*verdict)(const struct tide_event *ev, struct bytes workload, const char *what, uint64_t finding,
                        void *arg);
        /* Of a workload something changed that log and trail should hold: a baseline that activated by itself, a
         * roll-out that began or ended. May be NULL. */
        void (*note)(struct bytes workload, const char *words, void *arg);
};

int judge_new(const struct judge_params *p, const struct judge_ops *ops, void *arg, struct judge **ret) TM_CHECK;
struct judge *judge_free(struct judge *j);
DEFINE_CLEANUP(struct judge *, judge_free)
int judge_restore(struct judge *j, enum judge_piece what, struct bytes key, struct bytes blob) TM_CHECK;
/*
 * What was restored is of an earlier life of the agent, perhaps of the host: network namespaces go by numbers that are
 * given away anew. Which container is in which is known once it is announced again. Not for a recording's snapshot.
 */
void judge_new_life(struct judge *j);
/* All pieces, in an order that depends on the content only. */
int judge_each(const struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
               void *arg) TM_CHECK;
/* Is everything that it knows in its pieces? Not so while acts wait for a container's metadata, or a first sight for
 * the end of its walk: some seconds. */
bool judge_settled(const struct judge *j);
/* One event. 0; -EINVAL: a decision that cannot be done (unknown workload or verb): reason in judge_error(). */
int judge_event(struct judge *j, const struct tide_event *ev) TM_CHECK;
const char *judge_error(const struct judge *j);
/* What the last decision did, for the operator: list of key, value; several of one key are one list. Borrowed until the
 * next event. */
struct bytes judge_result(const struct judge *j);
/* Would the decision be done, and what would it do? As judge_event, and nothing changes. */
int judge_try(struct judge *j, const struct tide_event *ev) TM_CHECK;

/* What was told of connections; since the start, not kept over a restart. */
struct judge_net {
        uint64_t outbound, inbound, undirected; /* flows that began or were found */
        uint64_t resolver;        /* of the outbound ones: to name servers that are configured */
        uint64_t local;           /* of the outbound ones: within the namespace */
        uint64_t process_unknown; /* of the outbound ones that are neither */
        uint64_t named;           /* of them: led to by a name */
        uint64_t forged;          /* of them: a forged or contradicted answer named the address */
        uint64_t foreign;         /* of them: only an answer of a server that is not configured did */
        uint64_t ended, listeners;
};

/* Views for status and baseline commands; borrowed until the next event. */
struct judge_workload {
        struct bytes id;    /* stable identity: "name@digest" */
        struct bytes name, image, digest, class;
        int64_t first_ns, last_ns;
        uint32_t containers; /* running now */
        struct {
                const char *state; /* "learning", "review", "active", "stale"; "off": of a class that is not learned */
                const char *by;    /* "", "operator uid 0", "timer", "converged", "inherited" … */
                int64_t refresh_ns;  /* learning again until then; 0: it is not so */
                int64_t expected_ns; /* learning: when it should converge, or is due; 0: not known */
                const char *why_not; /* it learns for longer than learn.limit; "": it does not */
                int64_t since_ns, due_ns; /* of the state; when calibration ends at the latest */
                uint32_t entries, windows, once; /* T, Q1 of DESIGN 4.2 */
                double p_new;
                uint64_t refused;
                bool declared; /* an operator said that it is complete */
        } dim[DIM__MAX]; /* of NETWORK windows is 0 until anything was told of its connections */
        struct judge_net net;
        bool rollout;      /* the window of a new digest is open */
        struct bytes from; /* id of the workload whose baseline it inherited; empty: of none */
        int64_t rollout_since_ns, rollout_until_ns;
        uint64_t rollout_excused, rollout_raised;
};
int judge_workload_next(const struct judge *j, size_t *i, struct judge_workload *ret);
struct judge_entry {
        enum dimension dim;
        struct bytes key, exe;
        int64_t first_ns, last_ns;
        uint64_t count;
        uint32_t windows;
        bool candidate; /* seen, not in the baseline */
        bool waiting;   /* a candidate that was not raised yet */
        const char *why; /* why it is a candidate: "", "never-silent", "raw-address", "one-replica",
                          * "found-running", "unplaced-program", "new", "roll-out", "suppressed" */
        bool rejected;  /* an operator has said (approved_by) that it is never to be known */
        uint32_t item;  /* of candidates, and of what was asked: B-%u; 0: none */
        bool offered;   /* approved, and another content of it has run since: item says by which number */
        uint32_t asked; /* network: set of phases in which it was raised; they are not known of it */
        bool bare; /* approved by its path alone */
        /* Candidates, where that is known (seen): */
        bool seen;
        struct bytes subject, parent, container[4];
        uint32_t containers;
        bool containers_more;
        uint8_t origin, layer, change;
        uint32_t uid, login_uid; /* UINT32_MAX: not known */
        int32_t quarters;        /* of its score when it was raised; INT32_MIN: it was not */
        uint32_t phases; /* network: set of 1 << enum finding_phase */
        uint32_t replicas; /* network: most containers that ran when it was called */
        bool several;      /* network: by more than one of them */
        bool inherited;    /* of an earlier digest, and not seen again since */
        bool never_silent; /* by what it is: only an operator's word makes it known */
        const char *approved_by; /* NULL: by nobody */
        struct bytes approved_reason;
        int64_t approved_ns;
        struct bytes sha256; /* of a program that is not the image's; empty: not known */
};
/* Entries of the workload with this id, in order of first sight. */
int judge_entry_next(const struct judge *j, struct bytes workload_id, size_t *i, struct judge_entry *ret);
struct judge_container {
        struct bytes id, name, runtime, image_ref, config_digest, config_source, manifest_digest, manifest_source,
                labels, image_labels, workload_id;
        uint32_t init_pid;
        bool running, running_before;
        int64_t started_ns;
        uint64_t gap_ns;
        uint8_t flows; /* enum tide_flows */
        struct bytes upper, coverage;
        enum tide_class class;
};
/* The i-th of the findings that are not closed, borrowed until the next event; NULL: there are not so many. */
const struct finding *judge_open_finding(const struct judge *j, size_t i);
int judge_container_next(const struct judge *j, size_t *i, struct judge_container *ret);

/* ---- what records of an image say of a finding ---- */

enum judge_tri { TRI_UNKNOWN, TRI_NO, TRI_YES };
enum judge_sbom_state {
        SBOM_NONE,
        SBOM_NOT_KEPT,      /* another one stood before it, and is gone: it counts once it is imported again */
        SBOM_BAD_SIGNATURE, /* in the name of a key that we have, and it does not fit: nothing of it is believed */
        SBOM_NO_FILES,      /* lists packages only */
        SBOM_FEW_FILES,     /* lists files, but less than half of the image's programs: what it lacks says nothing */
        SBOM_PARTIAL,       /* something of it was left out, by limits: the same */
        SBOM_FILES,
        SBOM__STATE_MAX
};
/* The image's own programs, libraries and scripts, as they were analysed, against its SBOM. */
struct judge_cover {
        uint32_t files, listed, differ; /* differ: listed with another content */
};
struct judge_sbom {
        enum judge_sbom_state state;
        struct bytes digest; /* under which it was recorded */
        struct bytes head;   /* encoded TIDE_RECORD, as of struct judge_record; empty: there is none */
        uint8_t signature;   /* enum tide_supply_signature */
        int64_t imported_ns;
        uint32_t packages, files, refused;
        uint32_t others; /* SBOMs of the image that do not count, for this one does */
        struct judge_cover cover;
};
struct judge_statement { /* provenance, or an admission */
        struct bytes digest, head;
        uint8_t signature;
        int64_t when_ns, imported_ns; /* when: as it says itself, 0: it does not */
};
#define JUDGE_BUILDS 8
#define JUDGE_ADMISSIONS 16
/* One path that was run, loaded or changed. */
struct judge_compared {
        struct bytes path;
        bool ran;      /* or was loaded; else it was changed only */
        uint8_t layer; /* enum tide_layer; of what was only changed 0 */
        enum judge_tri in_image;
        enum judge_tri in_sbom;
        enum judge_tri run_fits;   /* the content that ran, against the SBOM; unknown: what ran is the image's, or no
                                    * hash of it is known */
        bool mixed;                /* it is not known since what ran last fits, and what ran before did not, or is not
                                    * known itself */
        enum judge_tri image_fits; /* what the image holds there, against the SBOM */
        struct bytes package, version; /* that owns it, by the image's database, else by the SBOM; empty: not known */
        bool package_by_sbom;
        enum judge_tri package_in_sbom; /* in that version */
        struct bytes sbom_version;      /* empty, or the version that the SBOM has instead */
};
struct judge_comparison {
        struct judge_sbom sbom;
        struct judge_statement builds[JUDGE_BUILDS]; /* the most trustworthy first, the latest of equals */
        uint32_t nbuilds;
        struct judge_statement admissions[JUDGE_ADMISSIONS]; /* the latest first */
        uint32_t nadmissions;
        uint32_t builds_more, admissions_more;
        struct judge_compared paths[FINDING_SIGNALS];
        uint32_t npaths;
        struct bytes manifest; /* its digest, by which provenance is found as a rule; empty: not known */
};
/* What records say of a finding: by the tables as they are now. Strings are borrowed until the next event, or f's. */
void judge_compare(const struct judge *j, const struct finding *f, struct judge_comparison *ret);
const char *judge_sbom_state_name(unsigned v); /* "none", "not-kept", "bad-signature", "no-files", "few-files",
                                                * "partial", "files" */

/* Names that led to the other side of a flow, as its container was told; asked by ops.verdict, the one that was judged
 * first. Borrowed until the next event. Their number, at most max. */
size_t judge_flow_names(const struct judge *j, const struct tide_event *ev, struct bytes *ret, size_t max);

/* The last weeks in numbers, of all workloads of one name: for the report. */
#define WEEKS_KEPT 13
#define JUDGE_VERDICTS 4
const char *judge_verdict_name(unsigned v); /* "malicious", "misconfigured", "benign", "unsure" */
struct judge_week {
        int64_t number;        /* since 1970-01-05, a Monday; in UTC. 0: none */
        uint64_t observed_ns;  /* it ran and was judged: its files and programs were learned */
        uint64_t unjudged_ns;  /* it ran while it was learned, or is of a class that is not */
        uint64_t dark_ns;      /* of observed_ns: none of its connections was watched */
        uint32_t findings;     /* that had to be looked at: shown, not suppressed; since it is judged */
        uint32_t pages;        /* findings that crossed queue.page */
        uint32_t learning;     /* findings that had to be looked at, from before it was judged */
        uint32_t first_sights; /* items of what was there before us */
        uint32_t sessions;     /* exec sessions */
        uint32_t sessions_shown;
        uint32_t suppressed;               /* findings that a rule kept out of the queue */
        uint32_t verdicts[JUDGE_VERDICTS]; /* of findings, by when they were first shown */
};
struct judge_weeks {
        struct bytes name;                /* of the workload, without digest; borrowed */
        int64_t first_ns; /* wall clock at which it was seen running first; 0: not known */
        int64_t last;                     /* the latest week in which it was seen */
        struct judge_week of[WEEKS_KEPT]; /* in no order */
};
int judge_weeks_next(const struct judge *j, size_t *i, struct judge_weeks *ret);
int64_t judge_week_begin(int64_t number);      /* wall clock of its first moment */
int64_t judge_week_now(const struct judge *j); /* at the last tick */
int64_t judge_now(const struct judge *j);      /* wall clock of the last tick; 0: there was none in this life */

/* Losses of late, the latest last; not kept over a restart. */
struct judge_loss {
        struct bytes words;     /* what was lost, when, how much */
        struct bytes container; /* empty: of the host */
        int64_t from_ns, to_ns; /* wall clock */
        uint64_t count;         /* 0: not known */
};
int judge_loss_next(const struct judge *j, size_t *i, struct judge_loss *ret);

/* An image that was analysed, or that could not be. */
struct judge_image {
        struct bytes digest;
        uint8_t state;      /* enum tide_prior_state */
        struct bytes words; /* what was cut or could not be read; empty: nothing */
        struct bytes entrypoint, command, health, user, ports, volumes; /* as of struct tide_prior */
        int64_t analysed_ns, used_ns;
        uint64_t read_bytes, entries;
        uint64_t refused;       /* files and packages above the limits */
        uint32_t packages, files;
        uint32_t kinds[PRIOR__KIND_MAX], setuid, unowned; /* of the files */
        uint32_t parts;         /* of its facts: judge_facts_key() */
        size_t memory;
};
int judge_image_next(const struct judge *j, size_t *i, struct judge_image *ret);
/* 1, or 0: nothing is known of it. */
int judge_image_get(const struct judge *j, struct bytes digest, struct judge_image *ret);
/* Under what key the store has part number (from 0) of an image's facts, as PIECE_FACTS: u8 enum tide_prior_part, u32
 * number of its first one, the list. */
void judge_facts_key(struct bytes digest, uint32_t number, struct buf *out);

/* A document that was imported of an image: its provenance, an SBOM, an admission. */
struct judge_record {
        struct bytes digest, document; /* as of struct tide_supply */
        struct bytes head;             /* encoded TIDE_RECORD: SUPPLY_BEGIN, SUPPLY_PROVENANCE or SUPPLY_ADMISSION */
        uint8_t part;                  /* of it */
        uint8_t signature;             /* enum tide_supply_signature */
        int64_t imported_ns;           /* wall clock */
        bool whole;                    /* false: of an SBOM whose end did not come */
        uint32_t packages, files, refused;
        uint32_t parts; /* of its lists: judge_paper_key() */
};
int judge_record_next(const struct judge *j, size_t *i, struct judge_record *ret);
/* Under what key the store has part number (from 0) of a document's lists, as PIECE_PAPER: u8 enum tide_supply_part,
 * u32 number of its first one, the list. */
void judge_paper_key(struct bytes digest, struct bytes document, uint32_t number, struct buf *out);

/* An operator's rule, in force or ended a while ago. Stored: never renumber. */
enum judge_rule_kind { RULE_ALLOW = 1, RULE_SUPPRESS = 2 };
struct judge_rule {
        uint64_t id; /* shown as R-%lu */
        enum judge_rule_kind kind;
        struct bytes workload, path, executable, destination; /* as written; empty: any */
        uint32_t signals, origins; /* sets of 1 << enum dimension, 1 << enum tide_origin; 0: any */
        struct bytes reason, by, ended_by; /* ended_by empty: its time was over */
        int64_t added_ns, from_ns, until_ns, ended_ns; /* until 0: without end; ended 0: it is in force */
        uint32_t days, at_s, length_s; /* recurring, if length is not 0: set of 1 << day (Monday 0) */
        struct bytes zone;             /* empty: UTC */
        uint32_t break_through;        /* percent, as it holds for this rule */
        uint64_t hidden, broke;        /* acts that it kept back; findings of its window that were shown all the same */
        int64_t last_ns;               /* hidden last; 0: never */
        const char *reach;             /* what it covers at most, in words */
        bool told;                     /* that it ends within suppress.tell_before */
};
int judge_rule_next(const struct judge *j, size_t *i, struct judge_rule *ret);
/* In one line, as an operator reads it; escaped. Into out, which is emptied. */
void judge_rule_words(const struct judge *j, uint64_t id, struct buf *out);

/* ---- why: for explain ---- */

#define JUDGE_NEAR 5u   /* entries told of one act */
#define JUDGE_TRIED 24u /* rules told of one act: those that fit first */

struct judge_near { /* an entry that is like the act, and why it is not the act's */
        struct judge_entry entry;
        const char *why;
};
struct judge_tried {
        uint64_t rule;
        enum judge_rule_kind kind;
        bool fits;
        const char *why;
};
struct judge_why {
        char decided[200];    /* what decides of such an act now, in words */
        bool quiet;           /* it needs no rule */
        struct bytes entry_key, entry_exe; /* the entry that decides; empty: none does */
        const char *state;    /* of the baseline in its dimension */
        uint32_t entries;     /* that it holds there */
        double p_new;         /* chance of something new in an hour */
        enum dimension dim;
        struct judge_near near[JUDGE_NEAR];
        size_t nnear;
        struct judge_tried tried[JUDGE_TRIED];
        size_t ntried;
        uint64_t tried_more;
        uint32_t item;        /* its own candidate: B-%u; 0: it has none */
        char allow[1200];     /* options of the allow rule that would hide it alone; "": none can */
};
/* Of a signal that a finding holds: as it was. 0; -ENOENT: its workload is kept no longer. Borrowed until the next
 * event. */
int judge_explain_signal(const struct judge *j, const struct finding *f, const struct finding_signal *s,
                         struct judge_why *ret) TM_CHECK;
/*
 * Of an event that was judged, or might be: as it would be judged now, in its container if that is still there, else in
 * another one of the workload. name: that led to the address of a flow, beside those that are known; may be empty.
 * -EAGAIN: it is nothing that a baseline holds; -ENOENT: there is no such workload.
 */
int judge_explain_event(const struct judge *j, struct bytes workload_id, const struct tide_event *ev, struct bytes name,
                        struct judge_why *ret) TM_CHECK;

struct judge_stats {
        uint64_t events, observations, known, learned, deviations, never_silent, below_show, refused, losses;
        uint64_t unseen; /* programs that were gone before anybody could see which: never learned */
        uint64_t allowed, suppressed, rules_refused; /* acts that rules kept back; rules for which there was no room */
        size_t rules;                                /* in force */
        uint64_t sessions;         /* exec sessions */
        uint64_t sessions_dropped; /* items of sessions for which there was no room */
        uint64_t expired;        /* findings that closed by themselves */
        uint64_t closed_dropped; /* closed ones that are not kept any longer: by time, or above the limit */
        size_t workloads, entries, findings, containers;
        struct judge_net net;
        /* Answers of the name service, by what they are worth; addresses and names that were not taken, kept now. */
        uint64_t names_answered, names_unasked, names_foreign, names_malformed, names_doubted,
                names_unowned, names_refused;
        size_t names;
        /* Containers that started while we were here, and how long they ran before our marks stood. */
        uint64_t starts, gaps, gap_sum_ns, gap_max_ns; /* gaps: so many were measured */
        /* Images: facts that did not fit together, images for which there was no room, and that made room. */
        uint64_t priors_malformed, priors_refused, priors_dropped;
        /* The same of documents of the supply chain; kept now. */
        uint64_t records_malformed, records_refused, records_dropped;
        size_t records;
        size_t records_waiting, records_bytes; /* images of no workload; memory of SBOMs' tables */
        /* Hashes of programs from write layers that were told; others than before. */
        uint64_t contents, contents_changed;
        size_t images, images_bytes;
        uint64_t ended_unmarked; /* gone before that, and had a write layer to mark */
};
void judge_stats(const struct judge *j, struct judge_stats *ret);

#endif
