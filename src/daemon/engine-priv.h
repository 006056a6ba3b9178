/* SPDX-License-Identifier: GPL-2.0-or-later */
/* engine-priv - what the engine's files in this room share. The pure core is case/pipeline; this is its surroundings.
 */
#ifndef TIDEMARK_DAEMON_ENGINE_PRIV_H
#define TIDEMARK_DAEMON_ENGINE_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/process.h"
#include "tidemark/buf.h"
#include "tidemark/lineserver.h"
#include "tidemark/loop.h"
#include "tidemark/map.h"
#include "tidemark/mask.h"
#include "tidemark/pair.h"
#include "tidemark/pipeline.h"
#include "tidemark/rate.h"
#include "tidemark/record.h"
#include "tidemark/store.h"

struct dns_stats;
struct audit_stats;
struct auditjoin_stats;
struct engine_audit;
struct engine_resolv;
struct keys;
struct query_env;
struct ring;
struct syslog_sink;
struct engine_deeds;
struct engine_records;
struct engine_hash;
struct engine_image;
struct engine_setup;
struct meta;

#define ENGINE_ASKERS 32u          /* as many as control.sock has clients */
#define ENGINE_COMMIT_NS 20000000u /* how long a change may wait for company before it is committed */

struct engine_asker { /* a client whose question waits for the sensor's counters */
        uint64_t client;
        char *line;
};

struct engine {
        const struct cfg *cfg;
        pid_t sensor;
        struct loop *loop;
        struct pair *pair;
        struct loop_src *pair_src;
        struct store *store;
        struct pipeline *pipeline;
        struct record_writer *recorder; /* NULL: none */
        struct ring *ring;              /* engine_ring.c; NULL: none */
        uint64_t ring_seen;             /* records of its segment, at the last tick */
        int ring_error;                 /* what ended it */
        char ring_dir[512];
        struct lineserver *control;
        struct rate refused;            /* attempts to change something on it that are told to the sensor */
        struct engine_audit *audit;     /* engine_audit.c */
        struct mask *mask;              /* NULL: nothing is masked */
        struct keys *keys;              /* of import.keys, borrowed */
        const struct playbook *playbook; /* NULL: none; borrowed */
        struct dns *dns;
        struct engine_resolv *resolv;   /* engine_resolv.c */
        struct engine_image *image;     /* engine_image.c */
        struct engine_hash *hash;       /* engine_hash.c */
        struct engine_deeds *deeds;     /* engine_deed.c */
        struct seen *contain_asked;     /* engine_contain.c: finding and container, since the start; NULL: none */
        struct engine_records *records; /* engine_record.c */
        int name_error; /* of the names of one packet, the first */
        struct map *metas;     /* container id → struct meta: files that are still coming */
        struct map *announced; /* container ids told since the start, until the first ping */
        struct loop_timer *commit_timer, *tick_timer, *ask_timer;
        struct buf counters; /* the sensor's last JSON */
        struct buf outbox;   /* lines for watchers, each with its newline, that wait for the commit */
        struct syslog_sink *syslog; /* NULL: off */
        struct buf news;            /* lines for syslog that wait for the commit */
        size_t news_ready;          /* bytes of them that are committed */
        uint64_t news_since;        /* boot time since when syslog has no room; 0: it has */
        uint64_t news_lost;         /* of them: there was no room for too long */
        struct loop_timer *news_timer;
        struct buf told;    /* the same for the sensor, as acts */
        uint64_t told_lost; /* there was no room */
        struct engine_asker askers[ENGINE_ASKERS];
        size_t naskers;
        bool up; /* the sensor's first ping was answered */
        uint64_t commit_at; /* boot time at which what changed is committed; 0: nothing waits */
        bool commit_failed;
        uint64_t malformed, unstored;
        bool evidence_stale; /* which evidence open findings name is to be told anew */
};

/* engine.c */
int engine_send(struct engine *e, const struct tide_event *ev);
int engine_send_fd(struct engine *e, const struct tide_event *ev, int fd);
/* An event of the engine's own making: times are set here. Result of pipeline_event. */
int engine_inject(struct engine *e, struct tide_event *ev);
/* The one way into the pipeline: what is secret is masked before anything is recorded, kept or shown; times are the
 * event's. */
int engine_enter(struct engine *e, struct tide_event *ev);
/* The sensor's way there, once nothing more is awaited of it: what the pipeline refuses is counted. Negative: it cannot
 * go on. */
int engine_event(struct engine *e, struct tide_event *ev);
/* Commit what is pending; what waited for it goes out to watchers. */
int engine_commit(struct engine *e, bool sync);

/* engine_audit.c */
int engine_audit_open(struct engine *e);
void engine_audit_close(struct engine *e);
/* An event of the sensor's, on its way to engine_event(): at once, or when what audit tells of it has come. Result as
 * of engine_event(), of this event or of one that went on before it. */
int engine_audit_event(struct engine *e, const struct tide_event *ev);
/* What still waits goes on: at the end. */
int engine_audit_flush(struct engine *e);
int engine_audit_record(struct engine *e, const struct tide_event *ev, int *fd);
int engine_audit_who(struct engine *e, const struct tide_event *ev, int *fd);
void engine_audit_stats(const struct engine *e, struct audit_stats *ret_records, struct auditjoin_stats *ret_join);

/* engine_meta.c: TIDE_FILES of a container, until their end; then TIDE_CONTENT is injected. */
int engine_meta_file(struct engine *e, const struct tide_event *ev, int fd);
void engine_meta_drop(struct engine *e, struct bytes container);

/* engine_net.c: names, and which flows are to name servers */
int engine_net_open(struct engine *e);
/* Result of pipeline_event, for what the packet said. */
int engine_net_packet(struct engine *e, const struct tide_event *ev);
void engine_net_flow(const struct engine *e, struct tide_event *ev);
/* The container's workload is known by now: the sensor is told where its flows are to be watched. */
void engine_net_scope(struct engine *e, struct bytes container);
void engine_net_gone(struct engine *e, struct bytes container);
/* ev: TIDE_LOSS. What then comes unasked may have been asked. */
void engine_net_lost(struct engine *e, const struct tide_event *ev);
void engine_net_stats(const struct engine *e, struct dns_stats *ret);
void engine_net_close(struct engine *e);

/* engine_resolv.c: which name servers containers may ask */
int engine_resolv_open(struct engine *e);
void engine_resolv_close(struct engine *e);
/* ev: TIDE_CTR_START: whose network namespace it lives in. */
void engine_resolv_container(struct engine *e, const struct tide_event *ev);
void engine_resolv_gone(struct engine *e, struct bytes container);
/* Does the file (enum metafile) go there? */
bool engine_resolv_is(uint64_t kind);
int engine_resolv_file(struct engine *e, const struct tide_event *ev, int fd);
void engine_resolv_status(const struct engine *e, json_t *o);

/* engine_ring.c: recordings for tune. What goes wrong with them is said there, once. */
void engine_ring_open(struct engine *e, const char *dir);
/* Behind a commit or, ticked, a tick: is it time for the next segment? */
void engine_ring_look(struct engine *e, bool ticked);
void engine_ring_status(const struct engine *e, json_t *o);
void engine_ring_close(struct engine *e);
/* engine_news.c: what is told of findings to those who do not watch */
int engine_news_open(struct engine *e);
void engine_news_tell(struct engine *e, const struct finding *f, unsigned news);
void engine_news_committed(struct engine *e);
void engine_news_status(const struct engine *e, json_t *o);
void engine_news_close(struct engine *e);

/* engine_told.c: the same for the trail and the audit log, by the sensor */
void engine_told_open(struct engine *e);
void engine_told_tell(struct engine *e, const struct finding *f, unsigned news);
void engine_told_committed(struct engine *e);
void engine_told_status(const struct engine *e, json_t *o);
void engine_told_close(struct engine *e);
/* engine_worker.c: a process of tidemark-image, by its open program. files: a socket that it gets beside its own; -1.
 * idle: nobody waits for it, it runs when nothing else does. *ret_fd: our end of its own, blocking. */
int engine_worker(int program, char *const *argv, int files, bool idle, int *ret_fd, pid_t *ret_pid);
/* How it ended, in words; status: of helper_gone(). Returns dst. */
#define ENGINE_WORKER_END 160
const char *engine_worker_end(int status, char dst[ENGINE_WORKER_END]);

/* engine_hash.c: what programs hold that ran from write layers */
int engine_hash_open(struct engine *e, int program);
void engine_hash_close(struct engine *e);
/* TIDE_RAN: a TIDE_HASH follows, soon, or late to say that. */
int engine_hash_ran(struct engine *e, const struct tide_event *ev, int *fd);
void engine_hash_status(const struct engine *e, json_t *o);

/* engine_image.c: which images are read, one at a time, by a worker */
int engine_image_open(struct engine *e, const struct engine_setup *s);
void engine_image_close(struct engine *e);
/* The container's metadata is known: its image is read, if it is not known yet. m: borrowed. */
void engine_image_want(struct engine *e, struct bytes container, const struct meta *m, struct bytes digest);
void engine_image_status(const struct engine *e, json_t *o);

/* engine_import.c: baselines from outside */
/* keys: read, borrowed. */
int engine_import_open(struct engine *e, struct keys *keys);
/* The answer to an import, whose document comes by fd. */
json_t *engine_import(struct engine *e, const struct query_env *env, const struct tide_event *command,
                      const json_t *request, int fd);

/* engine_control.c: control.sock, and the operator's commands that the sensor passes on. */
int engine_control_open(struct engine *e, int fd);
/* fd: what came with the command, or -1; stays the caller's. */
void engine_control_command(struct engine *e, const struct tide_event *ev, int fd);
/* The answer to a command: r of the decision, and what the judge says of it. Takes data over. */
json_t *engine_control_outcome(struct engine *e, const struct query_env *env, int r, json_t *data);
/* The sensor's counters came: whoever waited for them is answered. */
void engine_control_counters(struct engine *e, struct bytes json);
void engine_control_watch(struct engine *e, const struct tide_event *ev, struct bytes workload, const char *verdict,
                          uint64_t finding);
void engine_control_finding(struct engine *e, const struct finding *f);
/* Of a workload, or (empty) of a rule. */
void engine_control_note(struct engine *e, struct bytes workload, const char *words);
/* The answer to a command that waited: taken over; NULL: out of memory. */
void engine_control_reply(struct engine *e, uint64_t command, json_t *answer);
void engine_control_close(struct engine *e);

/* engine_evidence.c */
/* What is known of a container, for its evidence: appended to a deed's arguments. */
void engine_evidence_args(struct engine *e, struct bytes container, uint64_t finding, struct buf *args);
void engine_evidence_news(struct engine *e, const struct finding *f, unsigned news);
void engine_evidence_done(struct engine *e, const struct tide_event *ev);
void engine_evidence_committed(struct engine *e);
/* engine_contain.c: what containment needs of the engine */
/* The container's metadata was read, and is in the pipeline. */
void engine_contain_told(struct engine *e, struct bytes container, struct meta *m);
/* A finding has changed: is what it is about to be isolated by itself? */
void engine_contain_finding(struct engine *e, const struct finding *f);
void engine_contain_close(struct engine *e);
/* engine_record.c: documents of the supply chain */
int engine_record_open(struct engine *e, const struct engine_setup *s);
void engine_record_close(struct engine *e);
/* record.import, whose file comes by fd, and record.remove. NULL: it is answered later. */
json_t *engine_record_command(struct engine *e, const struct query_env *env, const struct tide_event *command,
                              const json_t *request, int fd);
void engine_record_status(const struct engine *e, json_t *o);

/* engine_deed.c: what the sensor is asked to do to containers and with evidence */
int engine_deed_open(struct engine *e);
void engine_deed_close(struct engine *e);
/* NULL: it is under way, and answered by engine_control_reply(); else the answer. */
json_t *engine_deed_command(struct engine *e, const struct query_env *env, uint64_t command, const json_t *request);
/* TIDE_DONE. Result as of engine_event(). */
int engine_deed_done(struct engine *e, const struct tide_event *ev, int *fd);

#endif
