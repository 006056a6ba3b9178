/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's process: gives up every privilege, then one loop over the pair, control.sock and its timers.
 *
 * Owns: the pair's engine end, the store, the pipeline, the recording, and when things are committed. Must not: judge
 * (case/pipeline), word answers (case/query), or act on the host (it asks the sensor). Hands over: records to
 * pipeline_event, files to engine_meta.c, commands and clients to engine_control.c.
 */
#include "daemon/engine-priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/meta.h"

#define MOD "engine"
#define TICK_NS (10 * NSEC_PER_SEC)
#define PAIR_BUDGET 64 /* datagrams per turn */
#define OUTBOX_MAX (4u << 20)
#define COUNTERS_MAX (64u << 10)

int engine_send(struct engine *e, const struct tide_event *ev)
{
        return engine_send_fd(e, ev, -1);
}

int engine_send_fd(struct engine *e, const struct tide_event *ev, int fd)
{
        return pair_send(e->pair, PAIR_CONTROL, ev, fd);
}

int engine_enter(struct engine *e, struct tide_event *ev)
{
        if (e->mask)
                mask_event(e->mask, ev);
        return pipeline_event(e->pipeline, ev);
}

int engine_inject(struct engine *e, struct tide_event *ev)
{
        ev->boot_ns = clock_boot_ns();
        ev->wall_ns = clock_wall_ns();
        if (ev->sources == 0)
                ev->sources = SRC_ENGINE;
        return engine_enter(e, ev);
}

int engine_commit(struct engine *e, bool sync)
{
        int r = store_dirty(e->store) || sync ? store_commit(e->store, sync) : 0;

        loop_timer_stop(e->commit_timer);
        e->commit_at = 0;
        if (r < 0) {
                if (!e->commit_failed)
                        log_error(MOD, "what was learned cannot be stored: %s; it is kept in memory and tried again",
                                  err_str(r));
                e->commit_failed = true;
                loop_timer_set(e->commit_timer, loop_now(e->loop) + NSEC_PER_SEC);
                return r;
        }
        if (e->commit_failed)
                log_info(MOD, "storing works again");
        e->commit_failed = false;
        for (size_t at = 0; at < e->outbox.len;) {
                const uint8_t *line = e->outbox.p + at, *end = memchr(line, '\n', e->outbox.len - at);

                lineserver_broadcast(e->control, bytes_of(line, (size_t)(end - line)));
                at += (size_t)(end - line) + 1;
        }
        buf_reset(&e->outbox);
        engine_news_committed(e);
        engine_evidence_committed(e);
        return 0;
}

static void on_commit_due(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;

        (void)t;
        if (engine_commit(e, false) < 0)
                return; /* said there, and the timer is set again */
        engine_ring_look(e, false);
}

/* ---- what the pipeline tells ---- */

static void on_event(const struct tide_event *ev, struct bytes workload, const char *verdict, uint64_t finding,
                     void *arg)
{
        engine_control_watch(arg, ev, workload, verdict, finding);
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        const struct finding_signal *s = &f->signals[0];
        struct engine *e = arg;
        char workload[128], subject[256];

        engine_control_finding(e, f);
        engine_contain_finding(e, f);
        if (opened && f->confidence >= e->cfg->judge.show)
                log_info(MOD, "new finding F-%llu (%u%%, %s) in %s: %s", (unsigned long long)f->id, f->confidence,
                         finding_severity_name(f->severity),
                         str_print(str_get(&f->workload), workload, sizeof(workload)),
                         f->nsignals ? str_print(str_get(s->where.len ? &s->where : &s->subject), subject,
                                                 sizeof(subject))
                                     : "first sight");
}

static void on_news(const struct finding *f, unsigned news, void *arg)
{
        engine_news_tell(arg, f, news);
        engine_evidence_news(arg, f, news);
}

/* What the judge decided by itself: the trail holds it, since an operator would be asked about it. */
static void on_note(struct bytes workload, const char *words, void *arg)
{
        struct tide_event ev = {.kind = TIDE_ACT, .act = {.act = ACT_TRAIL}};
        struct engine *e = arg;
        char name[128], text[400];

        str_print(workload, name, sizeof(name));
        engine_control_note(e, workload, words);
        log_info(MOD, "%s%s%s", name, *name ? ": " : "", words);
        snprintf(text, sizeof(text), "%s%s%s", name, *name ? ": " : "", words);
        ev.act.text = bytes_str(text);
        if (engine_send(e, &ev) < 0)
                log_error(MOD, "that could not be handed to the trail");
}

/* ---- records of the pair ---- */

/* Containers that an earlier life of the agent left as running, and that the first scan did not meet, have ended. */
static void end_missing(struct engine *e)
{
        struct judge_container jc;
        size_t i = 0;

        while (judge_container_next(pipeline_judge(e->pipeline), &i, &jc)) {
                struct tide_event ev = {.kind = TIDE_CTR_STOP, .container = jc.id};
                _cleanup_free_ char *id = NULL;

                if (!jc.running || map_get(e->announced, jc.id))
                        continue;
                id = bytes_dup(jc.id); /* the view is borrowed until the next event: this is one */
                if (!id)
                        return;
                ev.container = bytes_str(id);
                if (engine_inject(e, &ev) < 0)
                        return;
                i = 0;
        }
        e->announced = map_free(e->announced);
}

static int on_ping(struct engine *e, const struct tide_event *ev, int *fd)
{
        struct tide_event pong = {.kind = TIDE_ACT, .act = {.act = ACT_PONG}};

        (void)fd;
        if (!e->up) {
                struct tide_event tick = {.kind = TIDE_TICK};

                end_missing(e);
                if (engine_inject(e, &tick) < 0) /* from here on time passes */
                        return -EIO;
                e->up = true;
                e->evidence_stale = true;
                if (engine_commit(e, false) < 0)
                        return -EIO;
        }
        pong.act.id = ev->act.id;
        return engine_send(e, &pong);
}

static int on_counters(struct engine *e, const struct tide_event *ev, int *fd)
{
        (void)fd;
        engine_control_counters(e, ev->state.text);
        return 0;
}

static int on_files(struct engine *e, const struct tide_event *ev, int *fd)
{
        return engine_resolv_is(ev->act.id) ? engine_resolv_file(e, ev, *fd) : engine_meta_file(e, ev, *fd);
}

static int on_command(struct engine *e, const struct tide_event *ev, int *fd)
{
        engine_control_command(e, ev, *fd);
        return 0;
}

/* What the pipeline said of an event that came in. */
static int entered(struct engine *e, int r)
{
        if (r == -EINVAL) {
                e->malformed++;
                return 0;
        }
        if (r == ERR_LIMIT) { /* so much waits to be stored that no more is taken: told once by the commit that fails */
                e->unstored++;
                return 0;
        }
        return r;
}

int engine_event(struct engine *e, struct tide_event *ev)
{
        int r;

        if (ev->kind == TIDE_FLOW)
                engine_net_flow(e, ev);
        r = engine_enter(e, ev);
        if (ev->kind == TIDE_CTR_STOP)
                engine_net_gone(e, ev->container);
        return entered(e, r);
}

/* Everything else is an event of the host: into the pipeline, when what audit may tell of it has come. */
static int on_tide(struct engine *e, const struct tide_event *ev, int *fd)
{
        (void)fd;
        if (ev->kind == TIDE_CTR_START)
                engine_resolv_container(e, ev);
        if (ev->kind == TIDE_CTR_START && e->announced && map_put(e->announced, ev->container, e) < 0)
                return -ENOMEM;
        if (ev->kind == TIDE_CTR_STOP)
                engine_meta_drop(e, ev->container);
        if (ev->kind == TIDE_LOSS)
                engine_net_lost(e, ev);
        return engine_audit_event(e, ev);
}

static int on_packet(struct engine *e, const struct tide_event *ev, int *fd)
{
        (void)fd;
        return entered(e, engine_net_packet(e, ev));
}

static int (*const handlers[TIDE__KIND_MAX])(struct engine *, const struct tide_event *, int *) = {
        [TIDE_EXEC] = on_tide,      [TIDE_FORK] = on_tide,         [TIDE_EXIT] = on_tide,  [TIDE_FILE] = on_tide,
        [TIDE_CTR_START] = on_tide, [TIDE_CTR_STOP] = on_tide,     [TIDE_WALK] = on_tide,  [TIDE_LOSS] = on_tide,
        [TIDE_TICK] = on_tide,      [TIDE_COMMAND] = on_command,   [TIDE_FILES] = on_files, [TIDE_PING] = on_ping,
        [TIDE_COUNTERS] = on_counters, [TIDE_PRIV] = on_tide,        [TIDE_FLOW] = on_tide,
        [TIDE_PACKET] = on_packet, [TIDE_RAN] = engine_hash_ran,
        [TIDE_AUDIT] = engine_audit_record, [TIDE_WHO] = engine_audit_who,
        [TIDE_DONE] = engine_deed_done,
};

static int on_record(const struct tide_event *ev, int *fd, void *arg)
{
        struct engine *e = arg;

        if (ev->kind >= TIDE__KIND_MAX || !handlers[ev->kind]) {
                e->malformed++;
                return 0;
        }
        return handlers[ev->kind](e, ev, fd);
}

static int on_pair(struct loop_src *src, int fd, short revents, void *arg)
{
        struct engine *e = arg;
        int r = 1;

        (void)fd;
        if (revents & POLLOUT && pair_flush(e->pair) == 0)
                loop_src_events(src, POLLIN);
        for (int n = 0; n < PAIR_BUDGET && r > 0; n++)
                r = pair_recv(e->pair, on_record, e);
        if (r == -EPIPE) { /* what it sent before is done; there is nobody left to serve */
                log_info(MOD, "the sensor has ended, so this process ends");
                loop_stop(e->loop, 0);
                return LOOP_DONE;
        }
        return r < 0 ? r : r > 0 ? LOOP_MORE : LOOP_DONE;
}

/* ---- timers, signals, before sleeping ---- */

static void set_tick(struct engine *e)
{
        uint64_t next = loop_now(e->loop) + TICK_NS, due = pipeline_due(e->pipeline);

        loop_timer_set(e->tick_timer, due && due < next ? due : next);
}

static void on_tick(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;
        struct tide_event ev = {.kind = TIDE_TICK};
        int r = engine_inject(e, &ev);

        (void)t;
        if (r < 0)
                loop_stop(e->loop, r);
        if (e->recorder && record_flush(e->recorder) < 0 && pipeline_record_error(e->pipeline, RECORDER_FILE) == 0)
                log_error(MOD, "the recording cannot be written");
        engine_ring_look(e, true);
        set_tick(e);
}

static void before_sleep(struct loop *loop, void *arg)
{
        struct engine *e = arg;
        uint64_t due = pipeline_due(e->pipeline);
        int r = pair_flush(e->pair);

        if (r == 1)
                loop_src_events(e->pair_src, POLLIN | POLLOUT);
        if (due)
                set_tick(e);
        /* From the first change on: where something comes in every turn there is no last one to count from. */
        if ((store_dirty(e->store) || e->outbox.len || e->news.len) && !e->commit_failed && e->commit_at == 0) {
                e->commit_at = loop_now(loop) + ENGINE_COMMIT_NS;
                loop_timer_set(e->commit_timer, e->commit_at);
        }
}

/* Who asks all of us to end asks the sensor, too; it ends us by closing the pair, when it has said its last. */
static void on_signal(struct loop *loop, const struct signalfd_siginfo *si, void *arg)
{
        struct engine *e = arg;

        if (si->ssi_signo == SIGTERM && getppid() != e->sensor)
                loop_stop(loop, 0);
}

/* ---- stages ---- */

static int open_store(struct engine *e, const char *dir)
{
        const char *why = NULL;
        int r = store_open(dir, &e->store, &why);

        if (r < 0) {
                log_error(MOD, "%s/tidemark.db cannot be used: %s (%s)", dir, why ? why : "see the error", err_str(r));
                return r;
        }
        return 0;
}

static int open_pipeline(struct engine *e)
{
        static const struct pipeline_ops ops = {
                .event = on_event, .finding = on_finding, .news = on_news, .note = on_note};
        int r = pipeline_new(&e->cfg->judge, &e->cfg->fuse, &ops, e, &e->pipeline);

        if (r == 0)
                r = pipeline_use_store(e->pipeline, e->store);
        if (r < 0)
                log_error(MOD, "what was stored cannot be taken up again: %s", err_str(r));
        else if (pipeline_damaged(e->pipeline))
                log_warn(MOD, "%llu stored pieces are damaged or beyond the limits, and left out",
                         (unsigned long long)pipeline_damaged(e->pipeline));
        return r;
}

static int open_mask(struct engine *e)
{
        const struct str_list *lists[] = {&e->cfg->secrets_patterns, &e->cfg->secrets_more};
        int r;

        if (!e->cfg->secrets_mask) {
                log_warn(MOD, "secrets.mask is false: secrets in arguments are recorded, kept and shown as they are");
                return 0;
        }
        r = mask_new(&e->mask);
        for (size_t k = 0; k < ARRAY_LEN(lists); k++)
                for (uint32_t i = 0; i < lists[k]->n && r == 0; i++)
                        r = mask_add(e->mask, lists[k]->text[i]);
        if (r < 0)
                log_error(MOD, "the patterns of secrets cannot be set up: %s", err_str(r));
        return r;
}

static int open_recording(struct engine *e, int fd)
{
        _cleanup_buf_ struct buf text;
        int r;

        buf_init(&text, TIDE_RECORD_MAX);
        if (fd < 0)
                return 0;
        r = record_writer_new(fd, &e->recorder);
        if (r == 0)
                r = cfg_dump(e->cfg, &text);
        if (r == 0)
                r = pipeline_record(e->pipeline, RECORDER_FILE, e->recorder, buf_bytes(&text), clock_wall_ns());
        if (r < 0)
                log_error(MOD, "the recording cannot be begun: %s", err_str(r));
        return r;
}

static int open_loop(struct engine *e, int pair_fd)
{
        sigset_t set;
        int r = loop_new(&e->loop);

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGPIPE);
        if (r == 0)
                r = loop_signals(e->loop, &set, on_signal, e);
        if (r == 0)
                r = pair_new(pair_fd, e->cfg->pair_queue, &e->pair);
        if (r == 0)
                r = loop_add(e->loop, pair_fd, POLLIN, LOOP_KERNEL, "pair", on_pair, e, &e->pair_src);
        if (r == 0)
                r = loop_timer_new(e->loop, on_commit_due, e, &e->commit_timer);
        if (r == 0)
                r = loop_timer_new(e->loop, on_tick, e, &e->tick_timer);
        if (r == 0)
                r = loop_hook(e->loop, before_sleep, e);
        if (r < 0)
                log_error(MOD, "the loop cannot be set up: %s", err_str(r));
        return r;
}

static void free_meta(void *m)
{
        meta_free(m);
}

static int become_small(const struct engine_setup *s)
{
        int r = caps_become(s->uid, s->gid);

        if (r < 0) {
                log_error(MOD, "privileges could not be given up (%s): not started", err_str(r));
                return r;
        }
        /* Belt and braces beside the end of the pair; after the change of user, which clears it. */
        return prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || prctl(PR_SET_NAME, "tidemark-engine") < 0 ? -errno : 0;
}

static int start(struct engine *e, const struct engine_setup *s)
{
        int r = become_small(s);

        if (r == 0)
                r = map_new(e->cfg->max_containers, map_seed_random(), free_meta, &e->metas);
        if (r == 0)
                r = map_new(e->cfg->max_containers, map_seed_random(), NULL, &e->announced);
        if (r == 0)
                r = open_loop(e, s->pair_fd);
        if (r == 0)
                r = open_store(e, s->dir);
        if (r == 0)
                r = open_mask(e);
        if (r == 0)
                r = engine_news_open(e);
        if (r == 0)
                r = open_pipeline(e);
        if (r == 0)
                r = engine_audit_open(e);
        if (r == 0)
                r = engine_net_open(e);
        if (r == 0)
                r = engine_image_open(e, s);
        if (r == 0)
                r = engine_hash_open(e, s->image_fd);
        if (r == 0)
                r = engine_deed_open(e);
        if (r == 0)
                r = open_recording(e, s->record_fd);
        if (r == 0)
                engine_ring_open(e, s->dir);
        if (r == 0)
                r = engine_import_open(e, s->keys);
        if (r == 0)
                r = engine_record_open(e, s);
        if (r == 0)
                r = engine_control_open(e, s->control_fd);
        return r;
}

static int stop(struct engine *e, int r)
{
        int end = e->pipeline && e->control ? engine_audit_flush(e) : 0;

        if (e->pipeline && e->control && end >= 0)
                end = pipeline_flush(e->pipeline);

        if (e->store && e->control) {
                int err = engine_commit(e, true);

                end = end < 0 ? end : err;
        }
        if (e->recorder) {
                int err = record_writer_close(e->recorder);

                if (err < 0)
                        log_error(MOD, "the recording is not complete: %s", err_str(err));
                end = end < 0 ? end : err;
        }
        engine_ring_close(e);
        engine_control_close(e);
        engine_news_close(e);
        engine_audit_close(e);
        engine_net_close(e);
        engine_hash_close(e);
        engine_deed_close(e);
        engine_contain_close(e);
        engine_record_close(e);
        engine_image_close(e);
        pipeline_free(e->pipeline);
        store_close(e->store);
        pair_free(e->pair);
        loop_timer_free(e->commit_timer);
        loop_timer_free(e->tick_timer);
        loop_timer_free(e->ask_timer);
        loop_free(e->loop);
        mask_free(e->mask);
        map_free(e->metas);
        map_free(e->announced);
        buf_release(&e->counters);
        buf_release(&e->outbox);
        return r < 0 ? r : end;
}

int engine_run(const struct engine_setup *s)
{
        struct engine e = {.cfg = s->cfg,
                           .playbook = s->playbook,
                           .sensor = getppid(),
                           .refused = {.interval_ns = 100 * NSEC_PER_MSEC, .burst = 50}};
        int r;

        buf_init(&e.outbox, OUTBOX_MAX);
        buf_init(&e.counters, COUNTERS_MAX);
        r = start(&e, s);
        if (r == 0) {
                set_tick(&e);
                r = loop_run(e.loop);
                if (r < 0)
                        log_error(MOD, "ends: %s", err_str(r));
        }
        return stop(&e, r) < 0 ? EXIT_FAILED : EXIT_DONE;
}
