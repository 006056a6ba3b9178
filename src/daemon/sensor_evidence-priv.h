/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sensor_evidence-priv - what the two files about evidence share: the directory (sensor_evidence.c), and what is being
 * taken (sensor_capture.c).
 */
#ifndef TIDEMARK_DAEMON_SENSOR_EVIDENCE_PRIV_H
#define TIDEMARK_DAEMON_SENSOR_EVIDENCE_PRIV_H

#include <jansson.h>

#include "daemon/sensor-priv.h"
#include "tidemark/evidence.h"
#include "tidemark/helper.h"

#define EVIDENCE_TAKINGS 16u  /* at once: as many as one finding has containers */
#define EVIDENCE_HOUR_MAX 1000u /* evidence.auto_per_hour at most */

struct taking; /* sensor_capture.c */
struct errand;

/* Taken without being asked: within limits that are held here, whatever the engine says. */
struct evidence_policy {
        bool on;
        uint64_t granted_ns[EVIDENCE_HOUR_MAX]; /* boot time of the last ones, a ring */
        size_t at;
        struct {
                char container[CONTAINER_ID + 1];
                uint64_t ns; /* 0: free */
        } last[64];
        uint64_t granted, refused;
        struct rate told; /* refusals that are recorded one by one */
};

/* What the engine said of a container, until its evidence is begun. */
struct evidence_known {
        char container[CONTAINER_ID + 1];
        char *engine, *name; /* owned */
        uint64_t ns;         /* 0: free */
};

struct sensor_evidence {
        struct evidence_desk *desk;
        char dir[512]; /* absolute */
        struct evidence_rules rules;
        struct buf held; /* names that open findings give, one a line; as the engine said last */
        struct errand *errands;
        struct helper_stuck stuck; /* of captures */
        struct taking *takings[EVIDENCE_TAKINGS];
        struct evidence_known known_of[EVIDENCE_TAKINGS];
        unsigned last; /* pieces begun since the start: makes names differ */
        struct evidence_policy policy;
        /* for status */
        bool known; /* the directory was looked at */
        struct evidence_totals totals;
        uint64_t taken, failed, removed, refused;
        char failure[EVIDENCE_WORDS]; /* the last one; empty: none */
        int64_t failure_ns;
        char problem[EVIDENCE_WORDS]; /* of the directory, now; empty: none */
};

/* ---- sensor_evidence.c ---- */

/* One request at the desk, and for whom. done is called once, and the errand freed behind it. */
struct errand {
        struct sensor *s;
        struct errand *next;
        struct sensor_deed deed; /* deed.deed DEED_NONE: of nobody; its args are not kept, its name is */
        char *name;              /* owned */
        char *reason, *to;       /* owned; of the request, NULL: none */
        struct evidence_ask ask; /* what is asked; its texts are borrowed only while it is asked */
        uint64_t reserved;       /* bytes of the disk that others may still write */
        struct buf facts;        /* of pieces, with commas between */
        bool cut;                /* not all had room */
        void (*granted)(struct sensor *s, struct errand *e, uint64_t bytes);
        void (*done)(struct sensor *s, struct errand *e, int err, const struct evidence_totals *t);
        void *arg; /* whose errand it is; NULL: he is gone */
};
/* d: NULL: of nobody. -ENOMEM. */
int sensor_evidence_errand(struct sensor *s, const struct sensor_deed *d, struct errand **ret) TM_CHECK;
/* Ask the desk for e->ask, with the rules, what is held and what is busy. Takes e over, also if it fails. */
int sensor_evidence_ask(struct errand *e) TM_CHECK;
/* Whoever asked goes away: it is done, and told to nobody. */
void sensor_evidence_forget(struct sensor *s, const void *arg);
/* Something failed: for status. */
void sensor_evidence_failed(struct sensor *s, const char *words);
/* Into the trail: text is a JSON object, taken over. d: who asked; NULL: nobody. */
void sensor_evidence_note(struct sensor *s, const char *kind, const struct sensor_deed *d, const char *container,
                          json_t *text);

/* ---- sensor_capture.c ---- */

int sensor_capture_deed(struct sensor *s, const struct sensor_deed *d);
void sensor_capture_stop(struct sensor *s);
/* Names of what is being written, one a line. */
void sensor_capture_busy(const struct sensor *s, struct buf *out);
json_t *sensor_capture_status(const struct sensor *s);

#endif
