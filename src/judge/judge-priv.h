/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge-priv - the judge's memory, and what its files ask of each other:
 *
 *     judge.c      events in, pieces out; containers
 *     decide.c     operators' decisions: the table of verbs
 *     transfer.c   baselines from outside (transfer_form.c: as decisions carry them)
 *     observe.c    event → observation (observe_priv.c: of rights; observe_net.c: of flows)
 *     net.c        which flows are judged, what names led where
 *     names.c      names of one container's addresses
 *     baseline.c   workloads, their entries: is this known? With entries.c, patterns.c, learning.c (baseline-priv.h)
 *     score.c      factors and their sum (score_session.c: of sessions; score_net.c: of flows)
 *     group.c      which finding it belongs to
 *     signals.c    what a finding keeps of its acts
 *     records.c    documents of the supply chain: which there are, of which images (records-priv.h)
 *     prior.c      images: what they hold, and which package owns it (prior-priv.h)
 *     supply.c     records of images: SBOMs, provenance, admissions (supply-priv.h); supply_match.c: what they say of a
 *                  finding; score_supply.c: what that is worth
 *     content.c    hashes of programs that ran and are not the image's
 *     candidates.c what is kept of candidates for their reviewer
 *     rollout.c    a new image of a known workload; what grows old
 *     life.c       verdicts, closing, expiry, the past; what is told once
 *     session.c    exec sessions: a lane of their own
 *     weeks.c      numbers of each week, for the report
 *     deeds.c      what was done about containers; what happens around an isolation
 *     sight.c      first sight of containers that ran before us
 *     joint.c      files that two programs make together
 *     writers.c    who wrote which name of one container's write layer (written.c: what of it counts)
 *     rules.c      operators' rules: allow and suppress (rules-priv.h)
 *     quiet.c      what goes before what when it is decided whether an act is quiet (quiet-priv.h)
 *     pieces.c     the memory's encoded form
 */
#ifndef TIDEMARK_JUDGE_PRIV_H
#define TIDEMARK_JUDGE_PRIV_H

#include "judge/names-priv.h"
#include "judge/prior-priv.h"
#include "judge/records-priv.h"
#include "judge/supply-priv.h"
#include "judge/writers-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"
#include "tidemark/generalise.h"
#include "tidemark/judge.h"
#include "tidemark/map.h"

#define HELD_MAX 256u        /* events of a container that wait for its metadata */
#define HELD_NS 5000000000u  /* so long */
#define BURST_NS 60000000000 /* acts of one parent so close together belong together */
#define LOSS_NEAR_NS 10000000000
#define LOSSES_KEPT 8u
#define WRITTEN_KEPT 16u
#define AWAITING 8u
#define AWAITING_BYTES 1000u
#define WRITTEN_PATH 1024u
#define WRITTEN_BYTES 3000u /* all of them must fit the container's piece, and that one record */

/* Why an entry is a candidate. Stored: never renumber. */
enum candidate_why {
        WHY_NEVER_SILENT,
        WHY_RAW_ADDRESS,
        WHY_ONE_REPLICA,
        WHY_FOUND,
        WHY_UNPLACED,
        WHY_NEW,        /* seen when the baseline was active */
        WHY_ROLLOUT,    /* seen while a new digest was rolled out, and excused */
        WHY_SUPPRESSED, /* seen in a suppression window */
        WHY__MAX
};

#define DECIDE_BY 48

/* An operator's word on an entry: that it is a part of the baseline, or (rejected) never will be. */
struct approval {
        char by[DECIDE_BY]; /* "operator uid 0 (login uid 1000)" */
        int64_t ns;
        struct str_owned reason;
        bool bare; /* of what is never learned silently: neither its content nor who wrote it was known */
};

#define SIGHTING_CONTAINERS 4u /* names kept of one candidate */
#define SIGHTING_TEXT 300u

/* What a reviewer wants to know of a candidate. */
struct sighting {
        struct str_owned subject, parent;                /* as it was when it was seen first; who called the actor */
        struct str_owned container[SIGHTING_CONTAINERS]; /* their names, else ids */
        uint32_t containers;                             /* how many of them are kept */
        bool more;                                       /* others, too */
        uint8_t origin, layer, change;                   /* enum tide_origin, tide_layer, tide_change */
        uint32_t uid, login_uid;                         /* UINT32_MAX: not known */
        int32_t quarters; /* sum of its score when it was raised; INT32_MIN: it was not */
};

/* The content of a program that ran and is not the image's, as the last TIDE_HASH of its key told it. */
struct content {
        uint8_t state; /* enum tide_hash_state: only HASH_KNOWN has a sum */
        uint8_t sha256[TIDE_SHA256];
        uint64_t size;
        int64_t wall_ns; /* when it was told */
};

struct entry {
        enum dimension dim;
        struct str_owned key, exe;
        int64_t first_ns, last_ns;
        uint64_t count;
        uint32_t windows;
        int64_t last_window;
        bool candidate;
        bool waiting;              /* a candidate that was not raised: it was seen while learning only */
        uint8_t why;               /* enum candidate_why */
        bool inherited;            /* of an earlier digest of the same name, and not seen again since */
        bool rejected;             /* a candidate that an operator does not want: raised each time */
        uint32_t item;             /* candidates: shown as B-%u; 0: none */
        struct approval *approval; /* NULL: nobody has said anything of it */
        struct sighting *seen;     /* candidates; NULL: not known */
        /* Never silent, from the write layer: who wrote it, in all containers where it was seen. writers-priv.h */
        uint8_t written;             /* enum written */
        struct str_owned written_by; /* an executable; of several, or of nobody knows whom: empty */
        /* Network: */
        uint8_t phases;    /* set of PHASE_BIT; 0: none is known */
        uint8_t asked;     /* set of PHASE_BIT in which it was raised, and which are not known of it */
        uint32_t replicas; /* most containers of the workload that ran when it was called */
        uint64_t caller;   /* hash of the first container that called it */
        bool several;      /* another one called it too */
        struct content *offered; /* of an approved one: another content that ran, for an operator to answer; or NULL */
        struct content *content; /* process: NULL: none was told. Comes a moment after the exec: content_event() */
};
#define PHASE_BIT(phase) (1u << (phase))

/* Stored: never renumber. */
enum dim_state {
        DS_OFF,
        DS_LEARNING,
        DS_ACTIVE,
        DS_REVIEW, /* learning has ended, and an operator's word is waited for: nothing is learned, nothing raised */
        DS_STALE,  /* active, but not seen for long, or replaced by another digest: judged as active if it comes back */
        DS__MAX
};
#define DIM_BY 160
struct dim_learning {
        enum dim_state state;
        char by[DIM_BY]; /* who ended learning, in words */
        int64_t since_ns;
        uint32_t windows;       /* T */
        int64_t last_window;    /* -1: none yet */
        uint32_t entries, once; /* once: Q1 */
        uint32_t candidates;
        bool declared;      /* an operator said that it is complete */
        int64_t refresh_ns; /* learning again until then, for a time, without forgetting; 0: it is not so */
        uint64_t refused;
};

#define PENDING 16u
#define PENDING_BYTES 1500u
#define PENDING_NS 600000000000 /* so long acts wait for the image to be read */

/* A new digest of a known workload: a window in which what the difference of the images explains is not raised. */
struct rollout {
        bool open;
        struct str_owned from; /* id of the workload that was inherited from; kept when the window is over */
        int64_t since_ns;
        uint64_t excused, raised; /* acts of its window */
        uint64_t item;            /* number of the finding that lists them; 0: none yet */
        bool read;                /* the new image has been read, as far as it can be: nothing is waited for */
        struct str_owned pending[PENDING]; /* encoded: acts that wait until it is */
        uint32_t npending;
};

/* Times in which nothing of a workload ran: nothing of it grows old then. */
#define AWAY_KEPT 16u
struct away {
        int64_t from_ns, to_ns;
};

/* Containers of a workload that are isolated, by hash of their ids; ns: since when the last one is. */
#define CONTAINED_KEPT 8u
struct contained {
        int64_t ns;
        uint64_t ids[CONTAINED_KEPT];
        uint32_t n;
        uint64_t item; /* the finding that says what happened around it; 0: none */
};

struct workload {
        struct str_owned id, name, image, digest;
        struct str_owned manifest; /* its digest, as a container told it last; empty: none did */
        int64_t first_ns, last_ns;
        uint32_t running;
        uint32_t lit, dark;    /* of those that run: whose connections are watched, are not; of others nobody says */
        int64_t dark_since_ns; /* wall clock since when none that runs is watched; 0: it is not so */
        int64_t stopped_ns;    /* wall clock since when none runs; 0: some do, or none ever did */
        struct away away[AWAY_KEPT];
        uint32_t naway;
        bool sighted;          /* had its first-sight item */
        enum tide_class class; /* a service, as soon as one of its containers is */
        struct dim_learning dim[DIM__MAX];
        struct rollout roll;
        struct contained contained;
        struct map *entries;  /* dim · key length · key · exe → struct entry */
        struct map *keys;     /* dim · key → how many entries have it, as a number; so of hosts, and of candidates */
        struct map *siblings; /* dim · exe length · exe · directory → how many names in it, as a number */
        struct map *phases;   /* network: dim · key → phases in which anybody called it, as a number */
        struct judge_net net;
};

#define TOLD_KEPT 512u /* flows that were raised, of one container: an end tells how much went */

/* What was there before us: files until the first walk is over, sockets for a while. */
struct sight {
        bool open, walked, net;
        uint64_t item; /* the finding that was made of it; 0: none */
        struct finding_inventory inventory;
        struct buf running; /* encoded exec events of programs from the write layer, memfds, deleted files */
        uint32_t nrunning;
};

struct container_memory {
        uint64_t hash; /* of its id */
        struct str_owned id, name, runtime, image_ref, config_digest, config_source, manifest_digest, manifest_source;
        struct str_owned labels, image_labels, upper, coverage;
        enum tide_class class;
        struct workload *workload; /* NULL until the metadata came, or was waited for long enough */
        uint32_t init_pid;
        uint64_t init_start;
        bool running, running_before;
        bool visited;  /* a session was in it: what only a walk tells may be that one's */
        uint8_t flows; /* enum tide_flows */
        int64_t started_ns;
        uint64_t gap_ns;
        uint64_t held_since; /* boot time of the first held event */
        struct buf held;     /* encoded events */
        uint32_t nheld;
        struct sight sight;
        struct str_owned
                written[WRITTEN_KEPT]; /* encoded: programs written while learning; if one then runs, both are told */
        uint32_t next_written;
        int64_t stopping_ns; /* wall clock at which its runtime was asked to end it; 0: it was not */
        uint64_t netns;
        uint64_t earlier_netns; /* in which it was in an earlier life of the agent; 0: its init is another one since */
        bool shares_netns;      /* another running container has the same */
        struct str_owned awaiting[AWAITING]; /* encoded: execs of approved programs whose content is not told yet */
        bool leaving; /* it ended, and a content is waited for: it is forgotten when that is told */
        struct str_owned ports; /* declared by the image: list of port, protocol, as of struct tide_content */
        struct names *names;    /* NULL: none yet */
        int64_t claims_minute;  /* of the wall clock, in which so many addresses of claims were taken: */
        uint32_t claims_taken[2]; /* of forged ones, of foreign ones */
        struct map *told;         /* id of a flow → number of its finding; NULL: none yet */
        struct writers *writers; /* NULL: nothing was written yet */
};
#define CLAIMS_A_MINUTE 32u /* addresses of claims of one kind */
#define CLAIM_ADDRESSES 4u  /* kept of one claim: the first ones */

struct known_loss {
        struct str_owned container, words;
        int64_t from_ns, to_ns; /* wall clock: the blind moment lies between them; to 0: free */
        uint64_t count;         /* 0: not known */
        bool unknown;
};

/* What is remembered of a closed finding. */
#define PAST_CAUSES FINDING_SIGNALS
struct past {
        uint64_t id;
        int64_t closed_ns;
        uint64_t workload;      /* hash of its name: a new version's cause is the same */
        struct str_owned words; /* "F-12, closed as benign by …" */
        uint32_t n;
        uint64_t causes[];
};

struct judge {
        struct judge_params p;
        const struct judge_ops *ops;
        void *arg;
        struct map *workloads;  /* id → struct workload */
        struct map *containers; /* id → struct container_memory */
        struct finding **open;  /* in order of id */
        size_t nopen, open_cap;
        uint64_t next_finding;
        uint32_t next_item;  /* of candidates */
        int64_t kept_window; /* hour in which entries were last looked through for those that expire */
        struct past **past; /* closed ones, in the order in which they were */
        size_t npast, past_cap;
        struct map *weeks; /* a workload's name → struct weeks */
        int64_t ticked_ns; /* wall clock of the last tick of this life; 0: none */
        uint64_t ticked_boot_ns;  /* the same moment by the clock that nobody sets */
        uint64_t doubted_boot_ns; /* until then what the wall clock says is not acted upon; 0: it is */
        struct known_loss losses[LOSSES_KEPT];
        size_t next_loss;
        struct prior_memory prior;
        struct record_memory records;
        struct supply_memory supply;
        struct rules *rules;
        struct buf blob, key, path, subject; /* scratch */
        struct name_fact *led;               /* names of the flow that is looked at */
        uint32_t nled, led_cap;
        const struct tide_event *led_of; /* whose, until its judgement is over: the judged one first. Never read */
        struct judge_stats stats;
        char error[256];
        struct buf result; /* list of key, value: what the decision at hand did, or would do */
        bool dry;          /* it is only tried: nothing may change */
        struct import *import; /* a baseline that comes from outside, not committed yet; NULL: none. In no piece */
};

/* Something that the log and the trail should hold: of a workload, in words. */
void judge_note(const struct judge *j, const struct workload *w, const char *words);
/* What became of an event, for those who watch. */
void judge_verdict(const struct judge *j, const struct tide_event *ev, const struct workload *w, const char *what,
                   uint64_t finding);

/* ---- decisions ---- */

/*
 * One operator's decision, by the table of verbs in decide.c. -EINVAL: it cannot be done, and why is in judge_error().
 * While j->dry a verb checks everything, says in j->result what it would do, and changes nothing.
 */
int decide_run(struct judge *j, const struct tide_event *ev);
/* -EINVAL, with these words as judge_error(). */
int decide_refuse(struct judge *j, const char *fmt, ...) TM_PRINTF(2, 3);
/* An argument of the decision; empty: it has none. The n-th of several of one name, from 0. */
struct bytes decide_arg(const struct tide_decision *d, const char *name);
struct bytes decide_arg_n(const struct tide_decision *d, const char *name, size_t n);
/* Who: "operator uid 0 (login uid 1000)". */
const char *decide_by(const struct tide_event *ev, char dst[DECIDE_BY]);
/* For the operator: what was done. Several of one name become a list. */
void decide_say(struct judge *j, const char *name, const char *fmt, ...) TM_PRINTF(3, 4);

/* ---- deeds ---- */

/* TIDE_DONE. */
int deeds_done(struct judge *j, const struct tide_event *ev);
/* It has just got its workload: did it come in the place of one that is isolated? */
int deeds_container(struct judge *j, struct container_memory *c, int64_t wall_ns);

int transfer_begin(struct judge *j, struct workload *none, const struct tide_event *ev);
int transfer_entries(struct judge *j, struct workload *none, const struct tide_event *ev);
int transfer_commit(struct judge *j, struct workload *none, const struct tide_event *ev);
struct import *transfer_free(struct import *im);

/* ---- an observation: an act, seen as what a baseline could hold ---- */

/* How well the baseline knows an act, the best first. */
enum known {
        KNOWN_YES,
        KNOWN_OTHER_PHASE, /* network: but not in this phase of life */
        KNOWN_CANDIDATE,   /* seen and raised, not in the baseline */
        KNOWN_WAITING,     /* seen while learning, not in the baseline, not raised yet */
        KNOWN_OTHER_EXE,   /* by another executable */
        KNOWN_NOT
};

struct net_facts {
        const struct tide_flow *flow;
        struct bytes address; /* of the other side, plain; of a listener its own */
        enum address_kind kind;
        uint16_t port;
        bool has_port, listens;
        const struct name_fact *names; /* that led there, in the list of the judge; the first one is judged */
        uint32_t nnames;
        bool claimed; /* an answer that does not count named the address: */
        struct name_fact claim;
};

struct observation {
        const struct tide_event *ev;
        struct container_memory *c;
        enum dimension dim;
        struct bytes subject, key, exe; /* as it was; generalised (in buf); who did it */
        struct bytes where;             /* of a flow: the subject as a person reads it */
        const struct tide_actor *actor;
        const char *operation; /* in one word; NULL: the ops of a file */
        uint16_t ops;
        uint8_t layer, change, what; /* what: enum tide_priv_what, 0 for other events */
        enum finding_phase phase;
        bool script;        /* an interpreter of the image runs it */
        bool executable;    /* a file that can be run, or setuid: no pattern covers it */
        bool setuid;        /* or setgid, or with capabilities: it gives rights */
        bool image_changed; /* a program of the image whose content was changed */
        bool never_silent;
        bool rejected;        /* by an operator */
        bool changed;         /* an approved program, with another content */
        bool other_content;   /* a program that was raised, with another content than then */
        bool unseen;          /* the program is not known: never learned */
        bool known_exe;       /* exe says who; else any entry of the key fits */
        enum known known;     /* once it is raised */
        const struct quiet *quiet; /* the same: what was decided of it (quiet-priv.h); NULL: nothing */
        /* What runs or is loaded from the write layer: who wrote it, in this life of the container. writers-priv.h */
        enum written written;
        struct bytes written_by;
        struct net_facts net; /* dimension network */
};

/* By a process of the workload itself: its entrypoint's, or a probe. */
static inline bool is_workloads_own(const struct observation *o)
{
        return (o->actor->flags & ACTOR_PID) &&
               (o->actor->origin == ORIGIN_ENTRYPOINT || o->actor->origin == ORIGIN_PROBE);
}

/* 0; -EAGAIN: the event is nothing that a baseline holds. */
int observe(struct judge *j, struct container_memory *c, const struct tide_event *ev, struct observation *ret);

/* Is a key of what is never learned silently, by the marks behind it? Also where the same key may be of less. */
bool observe_never_silent(enum dimension dim, struct bytes key);
/* The generalised path, as the first part of a key: marks in brackets may follow, and no name can look like one. */
void observe_path(struct judge *j, struct bytes path, enum generalise_kind kind);
/* A flow by its n-th name (facts are filled then), or anew from its event; the least known name comes first. */
int observe_net(struct judge *j, const struct tide_event *ev, struct observation *o);
/* Whom an outbound flow calls: where it really goes, if the namespace has rewritten an address within it. */
struct bytes observe_net_address(const struct tide_flow *t);
void observe_net_as(struct judge *j, struct observation *o, uint32_t name);
/* Its subject, and that as a person reads it: made only where they are shown. ERR_LIMIT: they are too long. */
int observe_net_subject(struct judge *j, struct observation *o);
/* What a finding keeps of its names: struct finding_signal, args. How many it does not. */
uint32_t observe_net_parts(const struct net_facts *n, struct buf *out);
/* A program there is not the image's: what calls by it is never learned silently. */
bool net_foreign_code(uint8_t layer);
/* The destination within a key of a flow, without port and protocol; empty: a listener's. */
struct bytes net_host(struct bytes key);
int observe_priv(struct judge *j, const struct tide_event *ev, struct observation *o);
void observe_priv_parts(const struct tide_priv *t, struct buf *out);

/* ---- who wrote it ---- */

/* A file of the write layer was changed: who wrote it is remembered. Before the file is judged. */
void written_note(struct judge *j, const struct observation *o);
/* Who wrote the subject of what runs or is loaded from the write layer: into o. */
void written_find(struct observation *o);
/* The same of a file that is itself never learned silently, by the act at hand. */
void written_self(struct observation *o);
/* A candidate is seen, the first time or again: what all of its sightings have in common stays with it. True: that is
 * another now. */
bool written_keep(struct entry *e, const struct observation *o, bool first);
/* DESIGN 4.2, "the same path written by the same image executable at start-up": that of the entry, which has this
 * key. */
bool entry_written_alike(const struct entry *e, const struct observation *o);
void written_drop(struct judge *j, struct container_memory *c); /* it ended: with all pieces */

/* ---- baseline ---- */

/*
 * *ret: the entry that decided; NULL: none, or several. An executable that is not known to call is another one than
 * those that are; where none is, the entry of nobody knows whom decides.
 */
enum known baseline_lookup(const struct workload *w, const struct observation *o, struct entry **ret);
/* A file that two programs make together, of whom either is known to do its part (joint.c). known: as looked up. */
bool joint_is_known(const struct workload *w, const struct observation *o, enum known known);
/* Into the baseline; as a candidate that is raised; as one that is not: by what it is, as it was there before us, or by
 * a program of which it is not known whether the image holds it. */
enum learn {
        LEARN_KNOWN,
        LEARN_RAISED,
        LEARN_WAITING,
        LEARN_FOUND,
        LEARN_UNPLACED,
        LEARN_NEW,       /* raised: seen when the baseline was active */
        LEARN_REVIEW,    /* the same, not raised: seen when a review was waited for */
        LEARN_EXCUSED,   /* seen in a roll-out, and not raised: the difference of the images explains it */
        LEARN_ROLLOUT,   /* would have been learned, but for the roll-out */
        LEARN_SUPPRESSED /* … but for a suppression window */
};
int baseline_learn(struct judge *j, struct workload *w, const struct observation *o, enum learn how);
/* Who calls is known now: e, of nobody knows whom, is no more, and what is learned has its past. It may have been this
 * one, and by that it is told apart from others. */
int baseline_name(struct judge *j, struct workload *w, struct entry *e, const struct observation *o, enum learn how);
/* What was learned since then of files that only a walk has told is forgotten: it may be a session's. */
void baseline_unlearn_walked(struct judge *j, struct workload *w, int64_t since_ns);
/* A call of nobody knows whom in a phase in which nobody is known to: it may have been any of them. */
void baseline_lend_phase(struct judge *j, struct workload *w, const struct observation *o);
/* Is that the entry of what calls, or of nobody knows whom? */
static inline bool entry_names(const struct entry *e, const struct observation *o)
{
        return !o->known_exe || e->exe.len > 0;
}
/* Seen again. learning: a phase that the entry lacks is taken up. */
void baseline_touch(struct judge *j, struct workload *w, struct entry *e, const struct observation *o, bool learning);
/* A waiting candidate is raised now. */
void baseline_raised(struct judge *j, struct workload *w, struct entry *e);
/* A candidate becomes a part of the baseline. */
int baseline_take(struct judge *j, struct workload *w, struct entry *e);
/* An operator's word: candidates of addresses and replicas are a part of the baseline. */
int baseline_approve(struct judge *j, struct workload *w, enum dimension dim);
/* Is a flow of this key known, by whomever? */
bool baseline_knows_key(const struct workload *w, struct bytes key);
/* Is the workload known to run this program, by whomever? What the image lacks is another one. */
bool baseline_runs(const struct workload *w, struct bytes exe);
/* Is the flow's destination called, at whatever port, by whomever? */
bool baseline_knows_host(const struct workload *w, struct bytes key);
void baseline_count(struct workload *w, const struct container_memory *c, int step); /* restored */
/* A container of it runs (1) or does no more (-1), its connections watched or not, as it says. */
void baseline_runs_in(struct judge *j, struct workload *w, const struct container_memory *c, int step, int64_t wall_ns);
/* So much of the time from since_ns to wall_ns it ran. */
uint64_t baseline_ran(const struct workload *w, int64_t since_ns, int64_t wall_ns);
/* Something was told of the workload's connections: from now on hours without any are hours all the same, while they
 * are watched. */
void baseline_net_hour(struct judge *j, struct workload *w, int64_t wall_ns);
uint64_t baseline_period(const struct judge *j, unsigned dim);
double baseline_p_new(const struct workload *w, enum dimension dim);
/* Do many names already vary in the directory of the observed file? */
bool baseline_varies(const struct judge *j, const struct workload *w, const struct observation *o);
/* The workload was seen at work: hours in which it did nothing of a dimension are hours all the same. The first one is
 * when its learning begins. c: which of its containers was; NULL: any that runs. */
void baseline_hour(struct judge *j, struct workload *w, const struct container_memory *c, int64_t wall_ns);
/* Learning ends by time or by convergence. */
void baseline_tick(struct judge *j, int64_t wall_ns);
struct workload *baseline_workload(struct judge *j, struct bytes id);
/* Off where the workload's class is not learned. */
enum dim_state baseline_state(const struct workload *w, unsigned dim);
const char *baseline_state_name(enum dim_state state);
/* Is what it does not know raised? */
static inline bool state_judges(enum dim_state s)
{
        return s == DS_ACTIVE || s == DS_STALE;
}
/* What would be learned now: as known, or only as a candidate, since it is no time to learn. */
enum learn baseline_lesson(const struct workload *w);
void baseline_free(void *workload);
void entry_key(enum dimension dim, struct bytes key, struct bytes exe, struct buf *out);
int baseline_insert(struct workload *w, struct entry *e);
/* Notes of a candidate who did it, where, and what it was worth when it was raised (NULL: it was not). */
int candidate_sighted(struct judge *j, struct workload *w, struct entry *e, const struct observation *o,
                      const int32_t *quarters);
/* A flow that was just learned as a candidate: who called, and where. */
int candidate_seen(struct judge *j, struct workload *w, const struct observation *o);
/* What was just raised or excused is a candidate from now on; of a known destination in another phase, that phase is.
 * quarters: what it was worth; NULL: it was not raised. */
int candidate_note(struct judge *j, struct workload *w, const struct observation *o, enum known known, enum learn how,
                   const int32_t *quarters);
/* What an approval of never-silent e rests on, in words; NULL: nothing that could be told apart later. */
const char *approval_basis(const struct entry *e, char *dst, size_t size);
/* Does the operator's word on e cover this act, too? */
enum approval_fit { FIT_YES, FIT_LATER /* when its content is told: approval_await() */, FIT_NO };
enum approval_fit approval_fits(const struct entry *e, const struct observation *o);
/* Its content will be told; if it is another one, or is not told, the act is raised. */
int approval_await(struct judge *j, const struct observation *o);
/* The content of a run is told: the act that has waited for it the longest is over, or raised. */
int approval_told(struct judge *j, struct container_memory *c, const struct tide_hash *t, const struct content *v);
/* Is there room for one that is raised already, too? */
bool approval_room(const struct container_memory *c);
bool approval_waits(const struct container_memory *c);
/* Acts whose content was waited for in vain are raised. */
int approval_tick(struct judge *j, struct container_memory *c, int64_t wall_ns);
/* Operators' verbs. */
int review_approve(struct judge *j, struct workload *w, const struct tide_event *ev);
int review_reject(struct judge *j, struct workload *w, const struct tide_event *ev);
int review_refresh(struct judge *j, struct workload *w, const struct tide_event *ev);
/* Raise an act of an approved program whose content is not what was approved. */
int judge_raise_again(struct judge *j, struct container_memory *c, const struct tide_event *exec, bool approved);
/* An act that waited is judged as if it came now. */
int judge_again(struct judge *j, struct container_memory *c, const struct tide_event *ev);
/* An entry's parts. */
int approval_set(struct entry *e, const char *by, struct bytes reason, int64_t ns);
void approval_free(struct approval *a);
void sighting_free(struct sighting *s);

/* ---- roll-outs (rollout.c) ---- */

/* A new workload: if there is another digest of its name, what that one knew is inherited, and the window opens. */
int rollout_begin(struct judge *j, struct workload *w, int64_t wall_ns);
/* Windows that are over, entries that were inherited and not seen, baselines that have grown stale. */
int rollout_tick(struct judge *j, int64_t wall_ns);
/* Words why the difference of the two images explains the act; NULL: it does not, or no window is open. */
const char *rollout_excuse(const struct judge *j, const struct workload *w, const struct observation *o);
/* Until the new image is read nobody knows what its difference explains: such an act waits. */
bool rollout_waits(const struct judge *j, const struct workload *w, const struct observation *o);
/* 1: there is no room for it, or it is too long: it is to be judged now. */
int rollout_wait(struct judge *j, struct workload *w, const struct observation *o);
/* An image has been read, as far as it can be: what waited is judged. */
int rollout_image_read(struct judge *j, struct bytes digest);
/* The container ends: what waited of it is judged now. */
int rollout_container_ends(struct judge *j, struct container_memory *c);
/* An act that the old digest did not do: into the item that is shown when the window is over. */
int rollout_note(struct judge *j, struct workload *w, const struct observation *o, bool excused);

/* ---- score ---- */

struct score {
        struct finding_factor factors[FINDING_FACTORS];
        uint32_t n;
        enum finding_severity severity;
};
int score_observation(const struct judge *j, const struct workload *w, const struct observation *o, enum known known,
                      struct score *ret);
void score_release(struct score *s);
/* Of this act alone, the prior with it. */
int32_t score_total(const struct judge *j, const struct score *s);
/* Factors of one more act of the same finding: each counts once, the strongest; of what speaks against it that counts
 * which speaks against the act that is excused least. */
int score_merge(const struct judge *j, struct finding *f, const struct score *s, bool first);
void score_drop(struct finding *f, struct finding_factor *x); /* it is none of the finding's any more */
/* One factor of the table, with what it rests on. */
int score_factor(const struct judge *j, struct score *s, enum factor f, struct bytes what);
/* Who acts is the image's and a package's: of acts that are harmless in themselves this speaks as it does of the
 * run. */
int score_packaged(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s);
/* A file by which something runs, or somebody comes in, later: cron, the loader, accounts, keys. By its path. */
bool score_is_lasting_place(struct bytes path);
/* An act of an exec session; left: its session has ended. */
int score_session(const struct judge *j, const struct workload *w, const struct observation *o, bool left,
                  struct score *s);
/* Of a session whose start nobody could read: do health checks run this program? */
bool score_may_be_probe(const struct workload *w, const struct observation *o);
int score_net(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s);
enum flow_novelty net_novelty(const struct workload *w, const struct observation *o);
int score_add(struct score *s, const char *name, int32_t quarters, const char *fmt, ...) TM_PRINTF(4, 5);
void score_sum(const struct judge *j, struct finding *f);

/* ---- group ---- */

/* Into an open finding, or a new one. */
int group_deviation(struct judge *j, struct workload *w, const struct observation *o, const struct score *s,
                    const struct finding **ret);
/* The act is known to be part of an open finding: count it there, with what it is worth. 1 if it was. rollout: the item
 * of its roll-out holds it. */
int group_repeat(struct judge *j, struct workload *w, const struct observation *o, bool rollout, struct finding **ret);
/* Is it a part of an open finding that is shown? */
bool group_shows(const struct judge *j, const struct workload *w, const struct observation *o);
struct finding *group_new(struct judge *j, struct workload *w, enum finding_type type, int64_t wall_ns);
/* Wall times come from recordings and stored pieces too, where they may be anything: these wrap. */
static inline int64_t ns_apart(int64_t a, int64_t b)
{
        return (int64_t)((uint64_t)a - (uint64_t)b);
}
static inline int64_t ns_plus(int64_t a, uint64_t b)
{
        return (int64_t)((uint64_t)a + b);
}
void group_changed(struct judge *j, struct finding *f, bool opened);
/* what: borrowed; the window is that of the wall clock. */
void group_loss(struct judge *j, const struct tide_event *ev);
int group_take(struct judge *j, struct finding *f); /* restored; owned on success */

/* A loss near the act, onto the finding. */
int group_note_loss(const struct judge *j, struct finding *f, const struct observation *o);
/* The same, and another one goes where there are too many. */
int group_take_room(struct judge *j, struct finding *f);
void group_remove(struct judge *j, struct finding *f); /* out of the table: the caller's again, its piece stays */
/* The workload that it is of. NULL: not known any more. */
struct workload *group_workload(const struct judge *j, const struct finding *f);
static inline bool group_is_of(const struct finding *f, const struct workload *w)
{
        return bytes_eq(str_get(&f->workload), str_get(&w->name)) && bytes_eq(str_get(&f->digest), str_get(&w->digest));
}

/* NULL: it is none of the open ones. */
struct finding *group_by_id(struct judge *j, uint64_t id);
/* Bytes of a flow that ended, into the signal that told of it. */
void group_ended(struct judge *j, const struct container_memory *c, const struct tide_flow *t, uint64_t finding);

/* ---- signals: what a finding keeps of its acts ---- */

#define NAME_KEPT 400u
#define EXE_KEPT 200u   /* of an executable's name */
#define WHERE_KEPT 320u /* a name of DNS is whole */

struct lineage {
        struct tide_ancestor a[TIDE_LINEAGE_MAX];
        uint32_t n; /* outermost first; the last is the parent */
};
void signal_lineage(const struct tide_actor *actor, struct lineage *ret);
static inline bool is_init(const struct observation *o, uint32_t pid, uint64_t start)
{
        return pid == o->c->init_pid && start == o->c->init_start;
}
/* A name that is too long to be kept whole: its beginning and end, and between them its length and a hash, so that two
 * names are not taken for one. dst has room for max, which is at least 150. */
struct bytes signal_kept(struct bytes s, uint32_t max, char *dst);
bool signal_is_kept(const struct str_owned *s, struct bytes whole, uint32_t max);
bool signal_same_cause(const struct finding_signal *s, const struct observation *o);
/* What a signal of the observation would be known by, once it is not kept any more; and whether there was one. */
uint64_t signal_cause(const struct observation *o);
bool signal_is_gone(const struct finding *f, uint64_t cause);
/* Is what acts a step of its parent, only just begun? */
bool signal_is_step(const struct observation *o);
/* Is it a process of the finding's, or the parent of one? */
bool signal_has_proc(const struct finding *f, uint32_t pid, uint64_t start);
int signal_add(struct finding *f, const struct observation *o);
/* The end of a flow, into the signal that told of it. False: there is none. */
bool signal_ended(struct finding *f, const struct container_memory *c, const struct tide_flow *t);

uint64_t signal_cause_of(const struct finding_signal *s);

/* ---- sessions ---- */

/* 1: the act was one of a session's, and is in its item; 0: it is the workload's. */
int session_act(struct judge *j, struct workload *w, const struct observation *o);
int session_exit(struct judge *j, struct container_memory *c, const struct tide_event *ev);
void session_stop(struct judge *j, const struct container_memory *c, int64_t wall_ns); /* its container ended */

/* ---- life: what is told once, verdicts, closing, the past ---- */

#define LIFE_EXPIRED "expired"
/* What is news of it, as a set of enum finding_news: told from now on. Before it is saved. */
unsigned life_news(struct judge *j, struct finding *f);
/* A finding of this cause: was there one before, that is closed? */
int life_link(const struct judge *j, struct finding *f, uint64_t cause);
/* What was not seen for long closes; what was closed for long is forgotten. */
void life_tick(struct judge *j, int64_t wall_ns);
int life_triage(struct judge *j, struct workload *w, const struct tide_event *ev); /* verb "triage" */
void life_free(struct judge *j);
struct past *life_past_new(uint64_t id, uint32_t n);          /* NULL: out of memory, or too many causes */
int life_past_take(struct judge *j, struct past *p) TM_CHECK; /* restored; owned on success */

/* ---- weeks: numbers for the report ---- */

struct weeks;
/* Is the workload judged by now: are its files and programs learned? */
bool weeks_judged(const struct workload *w);
void weeks_tick(struct judge *j, int64_t wall_ns);
void weeks_shown(struct judge *j, struct finding *f); /* once: it has to be looked at, since shown_ns */
void weeks_paged(struct judge *j, const struct finding *f);
void weeks_suppressed(struct judge *j, struct finding *f);
void weeks_session(struct judge *j, const struct finding *f);
void weeks_no_session(struct judge *j, const struct finding *f); /* it was none */
void weeks_verdict(struct judge *j, const struct finding *f, struct bytes verdict); /* before it is set */
void weeks_free(void *weeks);
struct bytes weeks_name(const struct weeks *w);
void weeks_put(struct weeks *w, struct buf *out);
/* since: it is told since when the workload is known. */
int weeks_restore(struct judge *j, struct bytes key, struct rd *r, bool since);

/* ---- flows and names ---- */

/* 1: to be judged; 0: it was only counted, *ret_words says as what. */
int net_take(struct judge *j, struct container_memory *c, const struct tide_event *ev, const char **ret_words);
/* Of what is judged: led to by a name, or by an answer that does not count. */
void net_count(struct judge *j, const struct observation *o);
/* Who is to answer for a flow of which only the namespace is known: whoever knows it; else who does not learn. */
struct container_memory *net_judged(struct judge *j, struct container_memory *c, const struct tide_event *ev);
/* By namespace: events of a namespace that several share may name none of them. NULL: none runs in it. */
struct container_memory *net_container(const struct judge *j, uint64_t netns);
int net_name(struct judge *j, struct container_memory *c, const struct tide_event *ev);
/* A container ended: its names go, to another one that runs in its namespace if there is any. */
int net_drop_names(struct judge *j, struct container_memory *c);
/* Who shares a namespace with whom, after c came or went. */
void net_mates(struct judge *j, uint64_t netns);
/* Names of an address, as all that run in the container's namespace were told: into j->led, each once, the latest
 * first. */
void net_names(struct judge *j, const struct container_memory *c, struct bytes address, int64_t wall_ns);
/* The weightiest claim about an address that counts: of the last day, and of a name that no answer led there from. */
bool net_claimed(const struct judge *j, const struct container_memory *c, struct bytes address, int64_t wall_ns,
                 struct name_fact *ret);
/* Its end will tell how much went. Where there are too many the oldest is forgotten. */
void net_told(struct judge *j, const struct observation *o, uint64_t finding);
int net_keep_told(struct container_memory *c, uint64_t flow, uint64_t finding); /* restored */
void net_drop_told(struct judge *j, struct container_memory *c);
/* How it would be learned now: also by what it is. */
enum learn net_lesson(const struct workload *w, const struct observation *o);
/* Learn or count again, by every name. */
int net_learn(struct judge *j, struct workload *w, const struct observation *o);
/* Audit alone has told the program that calls: it may be the image's, or not. */
bool net_unplaced(const struct workload *w, const struct observation *o);
bool net_declared(const struct container_memory *c, const struct net_facts *n);
struct names *net_names_of(struct judge *j, struct container_memory *c);

/* ---- first sight ---- */

/* 1 if the event was taken: it belongs to what was there before us. */
int sight_event(struct judge *j, struct container_memory *c, const struct tide_event *ev);
/* What listens and what is connected is counted, and judged as anything. */
int sight_net(struct judge *j, struct container_memory *c, const struct tide_event *ev);
int sight_finish(struct judge *j, struct container_memory *c, int64_t wall_ns);

/* ---- contents ---- */

/*
 * A TIDE_HASH: what the program was that ran, into each entry (a candidate as a rule) of dimension process whose key is
 * this path, by whatever caller. It comes after its exec was judged, and only once for each. A hash that is not the one
 * that an entry has replaces it, and is counted (judge_stats.contents_changed): what an approval holds for must be kept
 * by whoever approves.
 */
int content_event(struct judge *j, struct container_memory *c, const struct tide_event *ev);
/* The one that was told last of what the signal is about, if it is that of this path and no other. NULL: none. */
const struct content *content_of(const struct workload *w, const struct finding_signal *s);
/* Into *ret, which is made if it is NULL. 0 or -ENOMEM. */
int content_set(struct content **ret, const struct content *v);
bool content_same(const struct content *a, const struct content *b);

/* ---- pieces ---- */

/* For those that other files encode: begin j->blob, and save it under the key. */
void pieces_begin(struct judge *j);
void pieces_put(struct judge *j, enum judge_piece what, struct bytes key);
/* For what goes over the pieces of one table: each is kept, or taken out of the store. arg: the judge. */
int pieces_keep_each(enum judge_piece what, struct bytes key, struct bytes blob, void *arg);
int pieces_drop_each(enum judge_piece what, struct bytes key, struct bytes blob, void *arg);

/* Losses of late, in snapshots: pieces_loss.c. */
int pieces_each_loss(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
                     void *arg);
int pieces_restore_loss(struct judge *j, struct bytes key, struct rd *r, uint32_t format);
void pieces_save_meta(struct judge *j);
void pieces_save_workload(struct judge *j, const struct workload *w);
void pieces_save_entry(struct judge *j, const struct workload *w, const struct entry *e);
void pieces_drop_entry(struct judge *j, const struct workload *w, const struct entry *e);
void pieces_save_container(struct judge *j, const struct container_memory *c);
void pieces_save_name(struct judge *j, const struct container_memory *c, const struct name_fact *f);
void pieces_drop_name(struct judge *j, const struct container_memory *c, const struct name_fact *f);
void pieces_save_told(struct judge *j, const struct container_memory *c, uint64_t flow, uint64_t finding);
void pieces_drop_told(struct judge *j, const struct container_memory *c, uint64_t flow);
void pieces_save_writer(struct judge *j, const struct container_memory *c, const struct writer *by);
void pieces_drop_writer(struct judge *j, const struct container_memory *c, uint64_t path);
void pieces_save_finding(struct judge *j, const struct finding *f);
void pieces_drop_finding(struct judge *j, uint64_t id);
void pieces_save_weeks(struct judge *j, struct weeks *w);
void pieces_save_past(struct judge *j, const struct past *p);
void pieces_drop_past(struct judge *j, const struct past *p);
struct container_memory *container_make(struct judge *j, struct bytes id);
void container_memory_free(void *c);

#endif
