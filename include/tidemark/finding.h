/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * finding - one item of the queue: deviations of one workload that belong together, with count, factors and story.
 *
 * A plain struct that owns its strings; made and changed by judge.c alone. Its encoded form (finding_encode) is what
 * the store keeps and what a recording's snapshot holds; its JSON form is made by case/ from this struct, live and in
 * replay by the same function.
 *
 * Bits are counted in quarters of a bit (whole numbers), so that prior + factors = sum holds exactly.
 */
#ifndef TIDEMARK_FINDING_H
#define TIDEMARK_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;
struct tide_event;

#define FINDING_SIGNALS 32    /* kept one by one; more are counted */
#define FINDING_FIRST 8       /* of these: how it began; of the others those that say most, and what came last */
#define FINDING_REST 8        /* ports by which flows that are not kept are counted */
#define FINDING_GONE 128      /* signals that are not kept any more, by hash: what comes again is of the finding */
#define FINDING_CONTAINERS 16
#define FINDING_FACTORS 24
#define FINDING_LINEAGE 16
#define FINDING_PROCS 64      /* identities that later acts are joined by */
#define FINDING_INVENTORY 24  /* names kept in a first-sight inventory */
#define FINDING_NET 12        /* listeners and flows kept there */
#define FINDING_DEEDS 16      /* what was done about it: the first ones, and the latest */

/* Stored: never renumber. */
enum finding_type {
        FINDING_DRIFT,
        FINDING_FIRST_SIGHT,
        FINDING_SESSION, /* what a person's exec session did */
        FINDING_ROLLOUT, /* what a new digest did that the old one did not: at the end of its window */
        FINDING_CONTAINMENT, /* what happened around an isolation: one in its place, rules removed again and again */
        FINDING__TYPE_MAX
};
enum finding_state { FINDING_OPEN, FINDING_TRIAGED, FINDING_CLOSED };
enum finding_severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL };
enum dimension { DIM_FILE, DIM_PROCESS, DIM_NETWORK, DIM_PRIVILEGE, DIM__MAX };

struct str_owned {
        char *p; /* heap, NUL behind the end; NULL when empty */
        uint32_t len;
};

/* Why a flow is told: what the baseline lacks of it. Stored: never renumber. */
enum flow_novelty {
        FLOW_KNOWN,
        FLOW_NEW_DESTINATION,
        FLOW_NEW_PORT,       /* of a destination that is called otherwise */
        FLOW_NEW_PHASE,      /* known, but not in this phase of the container's life */
        FLOW_NEW_EXECUTABLE, /* known, but not by this program */
        FLOW_UNAPPROVED_RAW, /* called while learning: a raw public address is not learned by that alone */
        FLOW_UNAPPROVED_ONE, /* called while learning, by one of several replicas in one window only */
        FLOW_UNAPPROVED_FOUND, /* open before we watched, and not called while learning */
        FLOW_UNAPPROVED_UNPLACED, /* called while learning, by a program that audit alone has told */
        FLOW_NOVELTY__MAX
};

struct finding_flow { /* signals of kind network */
        uint8_t address[16]; /* of the other side; of a listener its own */
        uint8_t address_len; /* 4, 16; 0: none */
        uint8_t proto;       /* IPPROTO_* */
        uint8_t direction;   /* enum tide_direction */
        uint8_t novelty;     /* enum flow_novelty */
        uint16_t port;
        bool has_port, counted;       /* counted: so many bytes, of flows that ended */
        uint64_t bytes_out, bytes_in;
        uint64_t ended;       /* of so many flows; 0 although counted: not known */
        uint64_t duration_ns; /* of the longest that ended */
        uint32_t names_more;  /* names of the address that were not kept */
};

struct finding_signal {
        enum dimension kind;
        struct str_owned subject;    /* path, executable, address:port/proto; as it was, not generalised */
        struct str_owned where;      /* network: as a person reads it: name (address):port/proto; else empty */
        struct str_owned key;        /* generalised */
        struct str_owned operation;  /* "create+write", "exec" */
        struct str_owned executable; /* who did it; for exec: the caller */
        struct str_owned args;       /* NUL-closed: of exec; of network: the names, the judged one first, then
                                  * the canonical names on the way, in words; nothing without a name */
        uint32_t pid;                /* 0: not known */
        uint64_t start;
        uint32_t uid;
        uint8_t origin, layer, change;
        uint8_t phase; /* enum finding_phase */
        uint16_t flags; /* EVF_* of the event, and SIGNAL_* */
        uint32_t container; /* index into containers; beyond ncontainers: one that was not kept */
        int64_t first_ns, last_ns;
        uint64_t count;
        struct finding_flow flow;
        /* Since format 7, of a program that is not the image's: */
        bool hashed; /* the content that ran last is known: */
        uint8_t sha256[32];
};
/* It ran several times, and not always with the content that is known: of the last of them. */
#define SIGNAL_MIXED (1u << 14)
enum finding_phase { PHASE_UNKNOWN, PHASE_STARTUP, PHASE_STEADY, PHASE_SHUTDOWN };

/* Flows whose signals are not kept, by where they went. */
struct finding_rest {
        struct finding_flow to; /* without an address; bytes and duration of all of them */
        uint64_t n;             /* signals: addresses, names */
        uint64_t flows;         /* of them */
        int64_t first_ns, last_ns;
};

struct finding_container {
        struct str_owned id, name, runtime;
        uint64_t count;
};

struct finding_factor {
        struct str_owned name; /* as in the scoring table */
        int32_t quarters;
        struct str_owned text; /* in words, with the fact it rests on */
};

struct finding_proc {
        uint32_t pid;
        uint64_t start;
        struct str_owned exe, comm;
};

struct finding_inventory { /* FINDING_FIRST_SIGHT */
        uint64_t added, modified, removed, executables, running;
        struct str_owned names[FINDING_INVENTORY]; /* executables in the write layer */
        uint32_t nnames;
        uint64_t listeners, flows; /* that were there: sockets that wait, outbound flows */
        struct str_owned net[FINDING_NET]; /* of them, as a person reads them */
        uint32_t nnet;
};

/* What was done about it: evidence, containment. A dated fact. */
struct finding_deed {
        uint8_t deed, state; /* enum tide_deed, enum tide_deed_state */
        int64_t wall_ns;
        uint64_t command;            /* number of the command in the trail; 0: by itself */
        struct str_owned container;  /* its id */
        struct str_owned name;       /* evidence: its file */
        struct str_owned words;
};

struct finding {
        uint64_t id; /* shown as F-%lu */
        enum finding_type type;
        enum finding_state state;
        enum finding_severity severity;
        struct str_owned host;
        struct str_owned workload, image, digest, class, baseline_state; /* as of the last change */
        struct finding_container containers[FINDING_CONTAINERS];
        uint32_t ncontainers;
        struct finding_signal signals[FINDING_SIGNALS];
        uint32_t nsignals;
        uint64_t signals_more; /* distinct ones beyond the limit */
        struct finding_rest rest[FINDING_REST]; /* the flows out among them, as far as there is room */
        uint32_t nrest;
        uint64_t gone[FINDING_GONE]; /* hashes; 0: free */
        uint32_t gone_next;
        struct finding_factor factors[FINDING_FACTORS];
        uint32_t nfactors;
        struct finding_proc lineage[FINDING_LINEAGE]; /* outermost first, the actor last */
        uint32_t nlineage;
        struct finding_proc procs[FINDING_PROCS]; /* exe and comm unused */
        uint32_t nprocs, proc_next;
        struct finding_inventory inventory;
        uint32_t uid, login_uid, session;
        bool actor_known;
        int32_t prior_quarters, sum_quarters;
        uint32_t confidence; /* percent, 0-100 */
        uint64_t count;      /* acts */
        int64_t first_ns, last_ns;
        struct str_owned loss; /* words; empty: none known */
        struct str_owned verdict;
        bool suppressed;
        /* Since format 4: */
        struct str_owned suppressed_by; /* the rule ("R-3"), or "rollout"; kept when it broke through */
        bool broke_through;             /* shown all the same: above suppress.break_through */
        uint64_t past;                  /* number of the closed finding of the same cause; 0: none */
        struct str_owned note, verdict_by; /* of the last verdict */
        int64_t verdict_ns;
        struct str_owned closed_by; /* "operator uid 0", "expired" */
        int64_t closed_ns;
        bool paged; /* it was at or above queue.page once */
        /* FINDING_SESSION: */
        struct str_owned command; /* NUL-closed arguments of what the session was started with */
        struct finding_proc leader;
        uint8_t terminal; /* enum finding_terminal */
        bool ended;
        /* Since format 5: */
        int64_t shown_ns;            /* when it first had to be looked at: shown, and not suppressed; 0: never */
        uint32_t told;               /* set of enum finding_news, and: */
        uint64_t told_count;         /* acts at which NEWS_DOUBLED was told last; 0: not yet */
        struct str_owned past_words; /* of past: "F-12, closed as benign by …" */
        int64_t ended_ns;            /* FINDING_SESSION: when its first process ended */
        uint32_t exit_status;        /* … and how, as wait(2) has it */
        uint64_t visits;             /* sessions of one command and login that are one item */
        uint64_t runs;               /* programs that they ran */
        /* Since format 6: */
        struct finding_deed deeds[FINDING_DEEDS];
        uint32_t ndeeds;
        uint64_t deeds_more; /* that are not kept */
        struct str_owned criteria; /* version of the playbook by which the last verdict was given */
        /* Not stored: */
        bool anew; /* it was triaged, and the act at hand is something that it did not hold then */
};
/* What is told of a finding once each, to those who do not watch. Stored: never renumber. */
enum finding_news {
        NEWS_OPENED = 1u << 0,    /* it has to be looked at */
        NEWS_PAGED = 1u << 1,     /* it crossed queue.page */
        NEWS_DOUBLED = 1u << 2,   /* it was counted 10, 20, 40 … times */
        NEWS_CONTAINED = 1u << 3, /* what it is about was contained */
        NEWS_EXPIRED = 1u << 4,   /* it was not seen for long, and closed by itself */
        NEWS_CLOSED = 1u << 5,    /* by somebody */
        NEWS_REOPENED = 1u << 6,
};
#define NEWS_BITS 7
#define TOLD_JUDGED (1u << 8)     /* it counts for the report: its workload was judged when it was first shown */
#define TOLD_SUPPRESSED (1u << 9) /* it was counted as suppressed */
/* Of one bit: "opened", "page", "count", "contained", "expired", "closed", "reopened". */
const char *finding_news_name(unsigned bit);
enum finding_terminal { TERMINAL_UNKNOWN, TERMINAL_YES, TERMINAL_NO };

struct finding *finding_new(void);
struct finding *finding_free(struct finding *f);
DEFINE_CLEANUP(struct finding *, finding_free)
/* Replace a string. 0 or -ENOMEM (the old one stays). */
int str_set(struct str_owned *s, struct bytes v) TM_CHECK;
void str_clear(struct str_owned *s);
void signal_release(struct finding_signal *s); /* its strings */
/* Append one, or put it in the place of the same deed that had begun; beyond the limit the first half and the latest
 * stay. 0 or -ENOMEM. */
int finding_deed_add(struct finding *f, const struct tide_event *done) TM_CHECK;
/* How it stands with the containment of what it is about; of several containers the one that is furthest. */
enum finding_contained {
        CONTAINED_NO, /* nobody ever thought of it */
        CONTAINED_REFUSED,
        CONTAINED_FAILED,
        CONTAINED_RELEASED,
        CONTAINED_KILLED,
        CONTAINED_YES,
};
enum finding_contained finding_contained(const struct finding *f);
/* Of the container that deeds[deed] is about. */
enum finding_contained finding_contained_container(const struct finding *f, uint32_t deed);
/* "none", "refused", "failed", "released", "killed", "isolated" */
const char *finding_contained_name(unsigned v);
static inline struct bytes str_get(const struct str_owned *s)
{
        return (struct bytes){(const uint8_t *)s->p, s->len};
}

/* Acts in an hour, between the first and the last, of a second at least; 0: a few, all within a minute. */
double finding_rate(const struct finding *f);

/* "203.0.113.66:443/tcp", "[2001:db8::1]:443/tcp", "203.0.113.66/icmp". */
void finding_flow_text(const struct finding_flow *w, struct buf *out);

int finding_encode(const struct finding *f, struct buf *out) TM_CHECK;
/* ERR_TRUNCATED, ERR_SCHEMA (counts beyond the limits, version of the future), -ENOMEM. */
int finding_decode(struct bytes blob, struct finding **ret) TM_CHECK;

/* The story: one sentence per call, n from 0, in order of what happened; 0 when there is no more, else 1. Text is
 * escaped already. Pure. */
int finding_story(const struct finding *f, size_t n, struct buf *out);

const char *finding_type_name(unsigned v);
const char *finding_state_name(unsigned v);
const char *finding_severity_name(unsigned v);
const char *finding_phase_name(unsigned v);
const char *dimension_name(unsigned v);
/* "known", "new-destination", "new-port", "new-phase", "new-executable", "unapproved-raw", "unapproved-one-replica",
 * "unapproved-found-running", "unapproved-unplaced-program" */
const char *flow_novelty_name(unsigned v);

#endif
