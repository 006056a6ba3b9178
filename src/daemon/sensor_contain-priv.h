/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sensor_contain-priv - what the sensor's files on containment share: whom it was done to (holds), what is under way
 * for somebody who asked (jobs), and what the engine has read of containers (told).
 *
 *     sensor_contain.c      holds: the list, restarts, rules that are gone, expiry, the helper's answers
 *     sensor_contain_job.c  what somebody asked for, step by step
 *     sensor_contain_say.c  words and JSON; what goes into trail, audit log and findings
 */
#ifndef TIDEMARK_DAEMON_SENSOR_CONTAIN_PRIV_H
#define TIDEMARK_DAEMON_SENSOR_CONTAIN_PRIV_H

#include <jansson.h>

#include "daemon/containment.h"
#include "daemon/sensor-priv.h"
#include "tidemark/isolate.h"
#include "tidemark/map.h"

#define CONTAIN_JOBS 32u
#define CONTAIN_WORDS 512u

enum hold_state {
        HOLD_NEW,    /* wanted; what stands is not known yet */
        HOLD_STANDS, /* as it was last seen */
        HOLD_BROKEN, /* what should stand does not, or not all of it: made again when due_ns is over */
        HOLD_AWAY,   /* no container of this id runs: it may come again */
};

/* A container that is to be cut off until it is released. */
struct hold {
        struct hold *next;
        struct isolate_entry e; /* what is kept on the disk of it */
        enum hold_state state;
        uint64_t token; /* of the request under way; 0: none */
        uint8_t asked;  /* enum isolate_what of it */
        bool check_wanted, releasing;
        bool adopting;                       /* of an earlier life: is it as it was left? */
        bool came_again, frozen, told_stuck; /* a restart: held until the rules stand */
        bool seen;                           /* its drop was seen to count */
        uint64_t since_ns, until_ns;         /* boot time; until 0: no end */
        uint64_t due_ns;                     /* broken: when to try again */
        uint64_t devices_ns;                 /* when it was last cut again for the sake of its devices */
        uint64_t good_ns;                    /* when the rules were last known to stand */
        uint64_t frozen_ns;                  /* of a restart: its first act; when all was frozen */
        struct containment_again again;
        bool quiet;                     /* this removal is counted, and not told */
        uint64_t dropped[2], before[2]; /* inside, on the host side; of tables that were made anew since */
        uint64_t reasserted;
        uint32_t ways_told; /* that it is cut another way now */
        uint32_t facts; /* enum isolate_fact, of the last answer that had them */
        char peer[16];  /* the host's interface that leads to it */
        char why[ISOLATE_WHY];
        char upper[512]; /* its write layer: once that is gone it does not come again */
};

/* What somebody waits for. */
enum job_step { JOB_LOOK, JOB_EVIDENCE, JOB_CUT, JOB_SAVE, JOB_LOOK_AFTER, JOB_RELEASE, JOB_SAVE_RELEASED, JOB_KILL };
struct job {
        struct sensor *s;     /* NULL: free */
        struct sensor_deed d; /* args: of those below; name is empty */
        char *args;           /* owned */
        enum job_step step;
        uint64_t token;
        bool now, keep_probes;
        bool no_act; /* nothing was done that is not recorded already */
        bool listed; /* RELEASE: it was in the list */
        uint64_t until_ns;
        uint64_t began_ns;
        char reason[200], name[128];
        char evidence[200]; /* what was taken before, in words; empty: nothing was asked for */
        char evidence_file[128];
        struct isolate_answer cut; /* of CUT, then of KILL */
        json_t *foresight;         /* sentences; NULL: not yet */
        char save_error[100];
};

/* What the engine has read of a container: claims, for words alone. */
struct told {
        char name[128], workload[256], image[128], restart[24], unhealthy[16];
        uint8_t health[200];
        uint32_t health_len;
        bool removed, kube;
};

struct contain_stats {
        uint64_t isolated, released, killed, expired, adopted, restarted, removed, refused;
};

struct contain {
        struct isolator *isolator;
        struct loop_timer *tick;
        struct hold *first;
        uint32_t n;
        struct map *told; /* id → struct told */
        struct job jobs[CONTAIN_JOBS];
        struct containment_rate rate; /* by policy */
        struct isolate_net nets[ISOLATE_NETS];
        uint32_t nnets;
        char allow[512]; /* in words */
        uint64_t last_token, ticks;
        uint64_t own_netns; /* the host's */
        char *load_error;   /* the list of an earlier life was not whole; said once the trail is there. Owned */
        struct contain_stats stats;
};

/* sensor_contain.c */
struct hold *contain_find(const struct contain *k, const char *id);
/* NULL: there is no room, or no memory. In the list from contain_save() on. */
struct hold *contain_hold(struct sensor *s, const struct container *c);
void contain_drop(struct sensor *s, struct hold *h);
uint64_t contain_token(struct contain *k);
/* Of the container as it runs now (h: and as it was entered in the list; NULL: not in it). */
int contain_ask(struct sensor *s, uint64_t token, enum isolate_what what, const char *id, uint32_t flags);
/* The list, to the disk. token 0: nobody waits for it. */
int contain_save(struct sensor *s, uint64_t token);
/* What CUT or CHECK said of it. */
void contain_take(struct sensor *s, struct hold *h, const struct isolate_answer *a);
/* It has ended, and others that live in its network namespace are cut off still. */
bool contain_is_shared(const struct sensor *s, const struct hold *h);
/* The timer runs from now on. */
void contain_wake(struct sensor *s);

/* sensor_contain_job.c */
bool contain_job_answer(struct sensor *s, const struct isolate_answer *a);

/* sensor_contain_say.c */
const struct told *contain_told(const struct contain *k, const char *id);
/* Its name, else the first digits of its id. Borrowed. */
const char *contain_name(const struct contain *k, const char *id);
/* By itself: of a hold, as a fact of its findings, in trail, audit log and log. */
enum contain_change {
        CONTAIN_REASSERTED, /* removed rules were made again */
        CONTAIN_TAMPERED,   /* … again and again */
        CONTAIN_FAILED,     /* they do not stand, and cannot be made now */
        CONTAIN_RESTARTED,  /* it came again, and was held */
        CONTAIN_ADOPTED,    /* of an earlier life of this agent */
        CONTAIN_EXPIRED,
        CONTAIN_ENDED, /* its runtime has removed it */
        CONTAIN__CHANGES
};
void contain_changed(struct sensor *s, const struct hold *h, enum contain_change change, const char *words);
/* A record of what was asked for, in the trail. */
void contain_note(struct job *j, const char *kind, const char *text);
/* The job's last word; it is free then. */
void contain_said(struct job *j, enum tide_deed_state state, const char *fmt, ...) TM_PRINTF(3, 4);
/* Sentences of what will be: of a LOOK. kill: of killing it. New reference; NULL: out of memory. */
json_t *contain_foresee(struct sensor *s, const char *id, const struct isolate_answer *a, bool keep_probes, bool kill);
/* Words for what stands now: "inside and on the host side". */
const char *contain_stands(const struct hold *h);

#endif
