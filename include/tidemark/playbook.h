/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * playbook - the criteria by which people judge findings: a file of the site's own, with a version, an owner and the
 * date of its next review (DESIGN section 5). What is judged is judged by a version of it, and the record says by
 * which.
 *
 * Plain data, filled once by config/ (playbook_load) and read after that. Pure: a criterion fits a finding, or not.
 */
#ifndef TIDEMARK_PLAYBOOK_H
#define TIDEMARK_PLAYBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct finding;

#define PLAYBOOK_CRITERIA 64u
#define PLAYBOOK_FACTORS 8u
#define PLAYBOOK_NAME 48u
#define PLAYBOOK_WORDS 600u

struct playbook_criterion {
        char name[PLAYBOOK_NAME];
        char verdict[16];           /* what it suggests: "malicious", … */
        char words[PLAYBOOK_WORDS]; /* for people */
        /* Names of scoring factors: every one of all, and one of any (if it names some). */
        char all[PLAYBOOK_FACTORS][PLAYBOOK_NAME], any[PLAYBOOK_FACTORS][PLAYBOOK_NAME];
        uint32_t nall, nany;
};

struct playbook {
        char version[64], owner[128];
        char review[11];   /* "2027-02-26": the date by which it is to be looked at again */
        int64_t review_ns; /* the beginning of that day, UTC */
        char path[512];    /* of the file */
        uint32_t n;
        struct playbook_criterion criteria[PLAYBOOK_CRITERIA];
};

/* Are the factors that it names among the finding's? One that names none fits nothing. */
bool playbook_fits(const struct playbook_criterion *c, const struct finding *f);
/* Whole days until the review, from a wall clock; 0: today; negative: it is overdue. */
int64_t playbook_days(const struct playbook *p, int64_t wall_ns);

#endif
