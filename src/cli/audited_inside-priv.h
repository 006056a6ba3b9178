/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audited_inside-priv - what audited.c gathers and audited_controls.c asks. */
#ifndef TIDEMARK_CLI_AUDITED_INSIDE_PRIV_H
#define TIDEMARK_CLI_AUDITED_INSIDE_PRIV_H

#include "cli/audited-priv.h"

#define AUDITED_FIRST 5u

struct audited_tally {
        uint64_t n, first[AUDITED_FIRST]; /* numbers of records */
};

enum audited_list {
        LIST_FINDINGS, /* its rows are made at the end */
        LIST_EXCEPTIONS,
        LIST_APPROVALS,
        LIST_ACTS, /* asked for by somebody */
        LIST_DONE, /* what the agent says of acts */
        LIST_CONFIGURATION,
        LIST_LOSSES,
        LIST_GAPS,
        LIST_REFUSED,
        LIST__MAX
};

struct audited {
        int64_t from, to, now;
        bool running;
        struct audited_tally of[AUDITED__MAX];
        json_t *lists[LIST__MAX];
        uint64_t more[LIST__MAX];
        json_t *findings;       /* by "F-12" */
        json_t *asked;          /* by start and command: what has no outcome yet */
        json_t *open;           /* by container: a segment that has no end yet */
        json_t *names;          /* by container: workload */
        json_t *workloads;      /* by name: hours, segments */
        json_t *compared;       /* by container: when last; at first, since when it is watched */
        json_t *until;          /* by container: when it was watched last */
        json_t *kinds;          /* by kind: records of the period */
        int64_t compared_apart; /* longest time that one was without */
        uint64_t starts;
        int64_t last_ns; /* of the agent's records so far */
        bool ended;      /* the last record of the agent's life was its end */
        bool beyond;     /* a record behind the period has told whether it ran until then */
        bool restarted;  /* behind the period it was started: numbers of commands are others' */
};

/* What has no end yet ends now. 0, -ENOMEM. */
int audited_finish(struct audited *a) TM_CHECK;
/* The rows of the table. NULL: out of memory. */
json_t *audited_controls(const struct audited *a, const struct audited_chain *chain);

/* "2026-01-02T03:04:05.678Z" as ns since 1970; 0: it is none. */
int64_t audited_time(const char *text);

#endif
