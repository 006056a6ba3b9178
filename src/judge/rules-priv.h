/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules-priv - operators' rules: allow (this is normal) and suppress (not now), one table of both.
 *
 *     rules.c         the table: limits, what each has hidden, ends, pieces
 *     rules_match.c   does a rule fit an act, and if not, why not; windows of time
 *     rules_place.c   destinations as an operator writes them
 *     rules_decide.c  the verbs: what is wrong with a rule that is to be added
 *
 * Who decides in which order is quiet.c's.
 */
#ifndef TIDEMARK_JUDGE_RULES_PRIV_H
#define TIDEMARK_JUDGE_RULES_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/names-priv.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"
#include "tidemark/generalise.h"
#include "tidemark/judge.h"

struct buf;
struct judge;
struct observation;
struct rules;
struct workload;

#define RULE_TEXT 512u               /* bytes of a pattern, a destination, a reason */
#define RULE_OFFSETS 32u             /* changes of a zone's offset that a rule knows: twice a year, or four times */
#define RULE_KEPT_NS 604800000000000 /* so long is one that has ended still listed */
#define RULE_LENGTH_MAX 604800       /* seconds of one recurring window */

/* A destination, as it was written: *ret of rule_place(). */
struct rule_place {
        bool listens;                           /* of what the workload offers: "listen:8080/tcp" */
        bool any;                               /* whatever host: ":5432/tcp" */
        uint8_t address[16], address_len, bits; /* a network; address_len 0: a name */
        struct bytes name;                      /* a pattern, borrowed from the text */
        uint16_t port;                          /* 0: any */
        uint8_t proto;                          /* 0: any */
};
/* NULL; else what is wrong, in words that follow its name. name: room for the name in lower case. */
const char *rule_place(struct bytes text, char name[RULE_TEXT], struct rule_place *ret) TM_CHECK;

struct rule_offset {  /* from that moment on local time is so far ahead of UTC */
        int64_t from; /* seconds since 1970 */
        int32_t seconds;
};

struct rule {
        uint64_t id; /* shown as R-%lu */
        enum judge_rule_kind kind;
        struct str_owned workload, path, exe, place; /* as written; empty: any */
        uint8_t dims, origins;                       /* sets of 1 << enum dimension, 1 << enum tide_origin; 0: any */
        struct str_owned reason, by;
        int64_t added_ns, from_ns, until_ns; /* until 0: without end */
        /* Recurring, if length is not 0: */
        uint8_t days;    /* set of 1 << day, Monday 0 */
        uint32_t at;     /* seconds of the local day at which it begins */
        uint32_t length; /* seconds; 0: once, from from_ns until until_ns */
        struct str_owned zone;
        struct rule_offset offsets[RULE_OFFSETS];
        uint32_t noffsets;      /* 0: UTC */
        uint32_t break_through; /* percent; 0: suppress.break_through */
        /* Since: */
        uint64_t hidden, broke;    /* acts that it kept back; findings that were shown all the same */
        int64_t last_ns;           /* hidden last */
        bool told;                 /* that it ends soon */
        int64_t ended_ns;          /* 0: it has not */
        struct str_owned ended_by; /* empty: its time was over */
        /* Made of the above, not stored: */
        struct rule_place where;
        char where_name[RULE_TEXT];
};

/* ---- does it fit? ---- */

/* What a rule looks at in an act. */
struct rule_act {
        struct bytes workload, workload_id;
        const struct workload *of; /* its baseline: which names are known; may be NULL */
        int64_t wall_ns;
        enum dimension dim;
        struct bytes path; /* of a file that was changed, a program that ran, code that was loaded; else empty */
        struct bytes exe;  /* who did it; empty: not known */
        uint8_t origin, exe_layer, layer;
        bool program;               /* it can be run, ran, or gives rights */
        bool never_silent, outside; /* outside: it left the container, or blinded us */
        bool flow, listens;
        uint16_t port;
        uint8_t proto;
        struct bytes address;
        enum address_kind kind;
        const struct name_fact *names;
        uint32_t nnames;
};

/* Why a rule does not fit, the first thing that speaks against it. */
enum rule_why {
        RULE_FITS,
        RULE_ENDED,
        RULE_NOT_NOW,
        RULE_OTHER_WORKLOAD,
        RULE_OTHER_SIGNAL,
        RULE_OTHER_ORIGIN,
        RULE_OTHER_PATH,
        RULE_OTHER_EXECUTABLE,
        RULE_OTHER_PLACE,
        RULE_OTHER_NAME,
        RULE_WIDE_PROGRAM,
        RULE_WIDE_PLACE,
        RULE_WIDE_ADDRESS,
        RULE_WIDE_CALLER,
        RULE_WIDE_RIGHTS,
        RULE_NO_FILE,
        RULE_OUTSIDE,
        RULE__WHY_MAX
};
const char *rule_why_words(enum rule_why why);
enum rule_why rule_fits(const struct rule *r, const struct rule_act *a);
/* Does its workload fit? */
bool rule_is_of(const struct rule *r, const struct rule_act *a);
/* Is wall_ns within the times of the rule? */
bool rule_is_now(const struct rule *r, int64_t wall_ns);
/* The facts of an observation, with the workload it is of. */
void rule_act_of(const struct workload *w, const struct observation *o, struct rule_act *ret);
/* What an allow rule covers at most, in words. */
const char *rule_reach(const struct rule *r);
/* The rule in one line, as an operator reads it. */
void rule_words(const struct rule *r, struct buf *out);

/* ---- the table ---- */

int rules_new(struct rules **ret) TM_CHECK;
struct rules *rules_free(struct rules *rs);
void rule_free(struct rule *r);
/* From so sure on (percent) a finding is shown although this suppress rule hides its acts. */
uint32_t rules_bar(const struct judge *j, const struct rule *r);
/* The rule of the kind that fits: the oldest, of suppress rules with the lowest bar; NULL: none does. */
struct rule *rules_find(const struct judge *j, enum judge_rule_kind kind, const struct rule_act *a);
/* How many rules were held against acts so far: what finding one costs. */
uint64_t rules_passed(const struct judge *j);
struct rule *rules_by_id(const struct judge *j, uint64_t id);
/* In order of id; NULL: there is no more. */
const struct rule *rules_at(const struct judge *j, size_t i);
/* An act was kept back by it; a finding was shown although it is of its window. */
void rules_hid(struct judge *j, struct rule *r, int64_t wall_ns);
void rules_broke(struct judge *j, struct rule *r);
/* Ends are told beforehand, and come. */
void rules_tick(struct judge *j, int64_t wall_ns);
/* Takes the rule over and gives it its number. ERR_LIMIT: limits.rules. */
int rules_add(struct judge *j, struct rule *r);
void rules_end(struct judge *j, struct rule *r, struct bytes by, int64_t wall_ns);
size_t rules_in_force(const struct judge *j);
bool rules_full(const struct judge *j);
uint64_t rules_next_id(const struct judge *j);

/* Pieces: the number of the next rule under an empty key, each rule under its number. */
int rules_restore(struct judge *j, struct bytes key, struct bytes blob);
int rules_each(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
               void *arg);

/* ---- verbs ---- */

int rules_allow_add(struct judge *j, struct workload *w, const struct tide_event *ev);
int rules_suppress_add(struct judge *j, struct workload *w, const struct tide_event *ev);
int rules_allow_remove(struct judge *j, struct workload *w, const struct tide_event *ev);
int rules_suppress_remove(struct judge *j, struct workload *w, const struct tide_event *ev);

#endif
