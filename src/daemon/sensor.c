/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor's process: one loop over the kernel's sources, the walker, admin.sock, the trail and the pair.
 *
 * Owns: the order in which sources are drained, what is repaired after a loss, and the end of both processes. Must not:
 * parse what a container or an image wrote, or wait for anybody. Hands over: records to sensor_files.c, containers to
 * sensor_containers.c, commands to sensor_admin.c.
 *
 * Order: the proc connector is drained before a batch of fanotify is told (who is this pid?), and the program of an
 * exec is told after both queues are drained (what did it open?). So once in each turn that brought something: content,
 * names, processes, then settle.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "sensor"
#define DESCRIPTORS_ELSE 256u /* what is open beside that of containers */
#define PAIR_BUDGET 64
#define ANSWERS_NS (5 * NSEC_PER_MSEC)
#define ROUND_READS 8u /* of some dozen events */
#define ROUNDS 128     /* then the others have their turn: timers, the engine, operators */
#define ENGINE_END_NS (10 * NSEC_PER_SEC)

/* ---- processes ---- */

static void on_proc(const struct proc_msg *m, void *arg)
{
        struct sensor *s = arg;

        s->stirred = true;
        proctab_msg(s->proctab, m, clock_boot_ns());
}

static void on_proc_loss(uint64_t count, uint64_t since_mono_ns, void *arg)
{
        uint64_t apart = clock_mono_ns() - since_mono_ns, now = clock_boot_ns();

        sensor_lost(arg, LOST_PROC, count, since_mono_ns && apart < now ? now - apart : now);
}

static const struct proc_source_ops proc_ops = {.msg = on_proc, .loss = on_proc_loss};

/*
 * Some of each queue of files, then all of the programs: one that storms is no reason to let another overflow, and the
 * engine works on what is told meanwhile. 1: there may be more; 0: all were empty.
 */
static int read_some(struct sensor *s)
{
        int content = s->fan ? fan_source_read(s->fan, ROUND_READS) : 0;
        int names = content >= 0 && s->names ? names_source_read(s->names, ROUND_READS) : 0;
        int r = content < 0 ? content : names < 0 ? names : proc_source_drain(s->proc);

        if (r == 0 && s->execs) /* openings of the execs that were just told */
                r = fan_source_drain(s->execs);
        if (r < 0)
                return r;
        proctab_settle(s->proctab, clock_boot_ns());
        return content || names;
}

static void settle(struct sensor *s)
{
        uint64_t began = 0;
        int more = 1;

        for (int n = 0; n < ROUNDS && more > 0; n++) {
                began = clock_boot_ns();
                more = read_some(s);
        }
        if (more < 0) {
                log_error(MOD, "a kernel source has failed: %s", err_str(more));
                loop_stop(s->loop, more);
        }
        sensor_keep(s, NULL);
        if (more == 0)
                s->current_ns = began; /* what overflows from now on was not full then */
        s->stirred = false;
}

static void on_expire(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        uint64_t next;

        /* Timers come before a turn's end: what has come in it is told in its order first. */
        if (s->stirred)
                settle(s);
        next = proctab_expire(s->proctab, loop_now(s->loop));
        if (next)
                loop_timer_set(t, next);
}

/* Where they come thick the next ones can wait a little: whoever reads them is not woken for each. */
static void hold_answers(struct sensor *s)
{
        uint64_t now = loop_now(s->loop);

        if (now - s->answered_ns < ANSWERS_NS)
                loop_hold(s->loop, LOOP_ANSWERS, now + ANSWERS_NS);
        s->answered_ns = now;
}

static void before_sleep(struct loop *loop, void *arg)
{
        struct sensor *s = arg;
        int r;

        /* What was read of a process may be of its next program, whose message then waits here. */
        if (s->answered && !s->stirred && proc_source_drain(s->proc) < 0)
                s->stirred = true; /* settle() says so, and ends */
        if (s->stirred || s->answered) {
                if (s->answered)
                        hold_answers(s);
                s->answered = false;
                if (s->stirred)
                        settle(s);
                if (s->emptied) {
                        sensor_net_emptied(s);
                        sensor_contain_emptied(s);
                }
                s->emptied = false;
                on_expire(s->expire_timer, s);
                sensor_pace(s);
        }
        /* What is there can wait, what happens cannot: a walk goes on as the pair empties. */
        do {
                r = pair_flush(s->pair);
                walker_pause(s->walker, sensor_is_crowded(s));
        } while (r == 0 && walker_rest(s->walker));
        if (r == 0) /* what the rest was */
                r = pair_flush(s->pair);
        sensor_keep(s, NULL);
        if (r < 0 && r != -EPIPE)
                loop_stop(loop, r);
        loop_src_events(s->pair_src, (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
}

const char *sensor_names_by(const struct sensor *s)
{
        return !s->names ? "walks only" : names_source_by(s->names) == NAMES_INOTIFY ? "inotify" : "fanotify";
}

static void on_round(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;

        sensor_walk_all(s, WALK_ROUND);
        sensor_mapped_round(s);
        sensor_net_round(s);
        sensor_resolv_round(s);
        sensor_evidence_round(s);
        loop_timer_set(t, loop_now(s->loop) + s->cfg->round_ns);
}

/* ---- from the engine: a small vocabulary, each argument looked at again ---- */

/* The engine's own word: it stands in the trail as that, whatever it says. */
static void act_trail(struct sensor *s, const struct tide_event *act)
{
        sensor_trail_engine(s, act);
}

static void act_reply(struct sensor *s, const struct tide_event *ev)
{
        sensor_admin_reply(s, ev);
}

static void act_walk(struct sensor *s, const struct tide_event *ev)
{
        struct container *c = containers_by_id(s->containers, ev->container);

        if (c)
                sensor_walk(s, c, WALK_ROUND);
}

static void act_pong(struct sensor *s, const struct tide_event *ev)
{
        (void)ev;
        if (!s->ready) {
                s->ready = true;
                log_info(MOD, "watching by the proc connector; contents: %s; executions: %s; names: %s",
                         s->fan ? "fanotify" : "names and walks", s->execs ? "fanotify" : "/proc", sensor_names_by(s));
                sensor_net_say(s);
                log_info(MOD, "ready: %zu container%s", containers_count(s->containers),
                         containers_count(s->containers) == 1 ? "" : "s");
                notify_send(s->notify, "READY=1\nSTATUS=watching");
        }
        notify_send(s->notify, "WATCHDOG=1");
}

static void act_open(struct sensor *s, const struct tide_event *ev)
{
        sensor_meta_open(s, ev);
}

/* What the engine read of a container's metadata. It is a claim: bounded, looked at, and of no weight without the
 * image's own program. */
static void act_facts(struct sensor *s, const struct tide_event *ev)
{
        struct container *c = containers_by_id(s->containers, ev->container);
        int r = -EINVAL;

        if (bytes_eq(ev->act.name, BYTES_LIT("evidence-held"))) /* of no container */
                sensor_evidence_held(s, ev->act.text);
        if (!c)
                return; /* gone meanwhile */
        if (bytes_eq(ev->act.name, BYTES_LIT("health")))
                r = proctab_set_health(c, ev->act.text);
        else if (bytes_eq(ev->act.name, BYTES_LIT("network")))
                r = sensor_net_scope(s, c, ev->act.text);
        else if (bytes_eq(ev->act.name, BYTES_LIT("contain")))
                r = (sensor_contain_told(s, c, ev->act.text), 0);
        if (r < 0)
                log_warn(MOD, "container %.12s: what was read of its metadata is not taken: %s", c->id, err_str(r));
}

static void act_counters(struct sensor *s, const struct tide_event *ev)
{
        (void)ev;
        settle(s); /* what has happened up to now is counted, even where it is being gathered */
        sensor_status_send(s);
}

static void act_who(struct sensor *s, const struct tide_event *ev)
{
        sensor_audit_who(s, ev);
}

static int on_act(const struct tide_event *ev, int *fd, void *arg)
{
        static void (*const acts[ACT__MAX])(struct sensor *, const struct tide_event *) = {
                [ACT_REPLY] = act_reply,       [ACT_WALK] = act_walk,   [ACT_PONG] = act_pong, [ACT_OPEN] = act_open,
                [ACT_TRAIL] = act_trail,
                [ACT_COUNTERS] = act_counters, [ACT_FACTS] = act_facts, [ACT_WHO] = act_who,
                [ACT_DEED] = sensor_deed_run,  [ACT_NEWS] = sensor_auditlog_news};
        struct sensor *s = arg;
        char text[64];

        if (ev->kind == TIDE_ACT && ev->act.act == ACT_IMAGE) { /* the one that brings something along */
                sensor_image_open(s, ev, *fd);
                return 0;
        }
        if (ev->kind == TIDE_ACT && ev->act.act < ACT__MAX && acts[ev->act.act]) {
                acts[ev->act.act](s, ev);
                return 0;
        }
        snprintf(text, sizeof(text), "act %u in a record of kind %u: not known, not done", ev->act.act, ev->kind);
        log_error(MOD, "the engine asked for what it may not: %s", text);
        sensor_admin_note(s, "refused", text);
        return 0;
}

static int on_pair(struct loop_src *src, int fd, short revents, void *arg)
{
        struct sensor *s = arg;
        int r = 1;

        (void)src, (void)fd;
        if (revents & POLLOUT && pair_flush(s->pair) < 0)
                r = -EPIPE;
        for (int n = 0; n < PAIR_BUDGET && r > 0; n++)
                r = pair_recv(s->pair, on_act, s);
        if (r == -EPIPE) {
                s->rc = EXIT_FAILED;
                loop_stop(s->loop, 0);
                return LOOP_DONE;
        }
        return r < 0 ? r : r > 0 ? LOOP_MORE : LOOP_DONE;
}

static void ping(struct sensor *s)
{
        struct tide_event ev = {.kind = TIDE_PING};

        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

static void on_watchdog(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;

        ping(s); /* the answer feeds the dog: so both loops must turn */
        loop_timer_set(t, loop_now(s->loop) + notify_watchdog_ns(s->notify) / 2);
}

static void on_signal(struct loop *loop, const struct signalfd_siginfo *si, void *arg)
{
        struct sensor *s = arg;

        if (si->ssi_signo == SIGTERM || si->ssi_signo == SIGINT) {
                log_info(MOD, "asked to end by signal %u", si->ssi_signo);
                notify_send(s->notify, "STOPPING=1");
                loop_stop(loop, 0);
        }
}

/* ---- stages of the start: each logs its own failure ---- */

static int stage_loop(struct sensor *s)
{
        sigset_t set;
        int r = loop_new(&s->loop);

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGPIPE);
        if (r == 0)
                r = loop_signals(s->loop, &set, on_signal, s);
        if (r == 0)
                r = pair_new(s->setup->pair_fd, s->cfg->pair_queue, &s->pair);
        if (r == 0)
                r = loop_add(s->loop, s->setup->pair_fd, POLLIN, LOOP_CONTROL, "pair", on_pair, s, &s->pair_src);
        if (r == 0)
                r = loop_timer_new(s->loop, on_expire, s, &s->expire_timer);
        if (r == 0)
                r = loop_timer_new(s->loop, on_round, s, &s->round_timer);
        if (r == 0)
                r = loop_timer_new(s->loop, on_watchdog, s, &s->watchdog_timer);
        if (r == 0)
                r = loop_timer_new(s->loop, sensor_on_repair, s, &s->repair_timer);
        if (r == 0)
                r = loop_timer_new(s->loop, sensor_on_walks_due, s, &s->walks_timer);
        if (r == 0)
                r = loop_timer_new(s->loop, sensor_on_coverage_due, s, &s->coverage_timer);
        if (r == 0)
                r = notify_open(&s->notify);
        if (r < 0)
                log_error(MOD, "the loop cannot be set up: %s", err_str(r));
        return r;
}

#define SENSOR_NICE (-10)

/*
 * Whoever watches a storm must not wait behind it: what is not read in time is lost. It needs little, and that soon.
 * (Of its helpers only the reader of arguments keeps that: helper_start().) Where sessions are scheduled as groups, the
 * session is meant as well, if it is this process's own: under a service manager.
 */
static int stage_priority(struct sensor *s)
{
        int fd = -1;

        (void)s;
        if (setpriority(PRIO_PROCESS, 0, SENSOR_NICE) < 0)
                log_info(MOD, "the sensor runs at the priority it was started with (%s)", strerror(errno));
        if (getsid(0) == getpid())
                fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && write(fd, "-10", 3) < 0)
                log_debug(MOD, "the priority of the session stays as it is (%s)", strerror(errno));
        if (fd >= 0)
                close(fd);
        return 0;
}

/* A network namespace that is watched takes three: the usual 1024 would do for some 300 containers. */
static int stage_descriptors(struct sensor *s)
{
        rlim_t want = 3 * (rlim_t)s->cfg->max_containers + DESCRIPTORS_ELSE;
        struct rlimit lim;

        if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= want)
                return 0;
        lim.rlim_cur = lim.rlim_max < want ? lim.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
                log_info(MOD, "the limit of open files stays as it is (%s)", strerror(errno));
        if (lim.rlim_cur < want)
                log_warn(MOD,
                         "%llu files may be open (LimitNOFILE), with limits.containers = %u there may be %llu: of "
                         "some containers connections will not be watched",
                         (unsigned long long)lim.rlim_cur, s->cfg->max_containers, (unsigned long long)want);
        return 0;
}

/* Before anything of a container is looked at: from here on there is no way back to more. */
static int stage_privileges(struct sensor *s)
{
        const char *missing = NULL;
        size_t n;
        const struct caps_need *needs = caps_sensor(&n);
        int r = caps_keep(needs, n, &missing);

        (void)s;
        if (r < 0)
                log_error(MOD, "privileges could not be reduced%s%s: not started",
                          missing ? ": this process lacks " : "", missing ? missing : "");
        return r;
}

static int stage_admin(struct sensor *s)
{
        int r = sensor_trail_open(s);

        if (r == 0)
                r = sensor_admin_open(s);
        if (r == 0)
                sensor_trail_started(s);
        if (r == 0)
                sensor_contain_begin(s);
        return r;
}

static bool may(const struct sensor *s, enum facility f)
{
        return !facility_in(s->cfg->disabled, f);
}

/* The next best where the best is not to be had. */
static int open_names(struct sensor *s)
{
        int r = -EOPNOTSUPP;

        if (s->features.report_dfid_name && may(s, FACILITY_NAMES))
                r = names_source_open(s->loop, NAMES_FANOTIFY, s->cfg->names_total, &sensor_names_ops, s, &s->names);
        if (r < 0 && may(s, FACILITY_INOTIFY))
                r = names_source_open(s->loop, NAMES_INOTIFY, s->cfg->names_total, &sensor_names_ops, s, &s->names);
        return r;
}

static int stage_files(struct sensor *s)
{
        int r;

        fan_probe(&s->features);
        s->features.mark_filesystem = s->features.mark_filesystem && may(s, FACILITY_FILESYSTEM_MARK);
        s->features.open_exec = s->features.open_exec && may(s, FACILITY_OPEN_EXEC);
        r = -EOPNOTSUPP;
        if (may(s, FACILITY_CONTENT))
                r = fan_source_open(s->loop, &s->features, FAN_WHAT_WRITES, &sensor_fan_ops, s, &s->fan);
        if (r == 0 && s->features.open_exec &&
            fan_source_open(s->loop, &s->features, FAN_WHAT_EXECS, &sensor_execs_ops, s, &s->execs) < 0)
                log_warn(MOD, "executions are told by the proc connector and /proc alone");
        if (r < 0)
                log_warn(MOD, "fanotify is not to be had (%s): contents are found by names and walks", err_str(r));
        r = open_names(s);
        if (r < 0)
                log_warn(MOD, "neither fanotify nor inotify tells names (%s): walks find them", err_str(r));
        r = walker_start(s->loop, s->names, !s->fan, s->cfg->walk_deadline_ns, &sensor_walk_ops, s, &s->walker);
        if (r < 0) {
                log_error(MOD, "the walker cannot be started: %s", err_str(r));
                return r;
        }
        if (s->names)
                names_source_ignore(s->names, walker_pid(s->walker));
        if (s->fan)
                fan_source_ignore(s->fan, walker_pid(s->walker));
        if (s->execs)
                fan_source_ignore(s->execs, walker_pid(s->walker));
        return 0;
}

/* Subscribe first, then scan: what happens meanwhile waits in the queue. */
static int stage_processes(struct sensor *s)
{
        int r = sensor_peek_start(s);

        if (r == 0)
                r = sensor_mapped_start(s);
        if (r == 0)
                r = sensor_image_start(s);
        if (r == 0)
                r = sensor_evidence_start(s);
        if (r == 0)
                r = sensor_net_start(s);
        if (r == 0)
                r = sensor_resolv_start(s);
        if (r < 0)
                return r;
        r = containers_new(s->cfg->max_containers, may(s, FACILITY_NSPID), &s->containers);
        if (r == 0)
                r = proctab_new(s->containers, s->cfg->max_processes, s->cfg->exit_grace_ns, &sensor_proctab_ops, s,
                                &s->proctab);
        if (r == 0)
                r = proc_source_open(s->loop, &proc_ops, s, (int)s->cfg->proc_rcvbuf, &s->proc);
        if (r < 0) {
                log_error(MOD, "the proc connector cannot be used: %s%s", err_str(r),
                          r == -ETIMEDOUT ? "; is CONFIG_PROC_EVENTS in this kernel?" : "");
                return r;
        }
        r = loop_hook(s->loop, before_sleep, s);
        if (r == 0) {
                s->starting = true;
                r = proctab_scan(s->proctab, loop_now(s->loop), true);
                peek_wait(s->peek_args);
                sensor_net_settle(s);
                s->starting = false;
        }
        if (r < 0)
                log_error(MOD, "/proc cannot be scanned: %s", err_str(r));
        return r;
}

static int stage_timers(struct sensor *s)
{
        loop_timer_set(s->round_timer, loop_now(s->loop) + s->cfg->round_ns);
        if (notify_watchdog_ns(s->notify))
                loop_timer_set(s->watchdog_timer, loop_now(s->loop) + notify_watchdog_ns(s->notify) / 2);
        ping(s); /* behind all that the scan has told: its answer makes us ready */
        return 0;
}

static int (*const stages[])(struct sensor *) = {
        stage_priority,       stage_descriptors, stage_loop,  sensor_audit_start, sensor_auditlog_start,
        sensor_contain_start, stage_privileges,  stage_admin, stage_files,        stage_processes,
        sensor_pace_start,    sensor_drop_start, stage_timers};

/* ---- the end ---- */

/* The engine ends when the pair does. How it ended is said. */
static void report_engine(struct sensor *s)
{
        uint64_t deadline = clock_boot_ns() + ENGINE_END_NS;
        int status = 0;
        pid_t r;

        while ((r = waitpid(s->setup->engine, &status, WNOHANG)) == 0 && clock_boot_ns() < deadline)
                poll(NULL, 0, 20);
        if (r == 0)
                log_error(MOD, "the engine (pid %d) has not ended within 10 s", (int)s->setup->engine);
        else if (r > 0 && WIFSIGNALED(status))
                log_error(MOD, "the engine was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        else if (r > 0 && WEXITSTATUS(status) != 0)
                log_error(MOD, "the engine ended with status %d", WEXITSTATUS(status));
        if (r <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                s->rc = EXIT_FAILED;
        else
                log_info(MOD, "the engine has ended");
}

static void stop(struct sensor *s)
{
        sensor_audit_stop(s);
        if (s->ready && s->rc == EXIT_DONE) {
                settle(s); /* what was being gathered */
                proctab_flush_all(s->proctab, clock_boot_ns());
        }
        sensor_net_stop(s); /* tells the last flows, and asks for whose they are */
        if (s->pair && pair_flush(s->pair) < 0)
                s->rc = EXIT_FAILED;
        s->pair = pair_free(s->pair); /* the engine's sign to end */
        report_engine(s);
        sensor_evidence_stop(s);
        if (s->trail) {
                sensor_coverage_end_all(s);
                sensor_admin_note(s, "ended", s->rc == EXIT_DONE ? "as asked" : "by a failure: see the log");
        }
        sensor_contain_stop(s);
        sensor_trail_close(s);
        sensor_drop_stop(s);
        sensor_admin_close(s);
        sensor_auditlog_stop(s);
        walker_stop(s->walker);
        names_source_close(s->names);
        fan_source_close(s->fan);
        fan_source_close(s->execs);
        proc_source_close(s->proc);
        sensor_peek_stop(s);
        sensor_mapped_stop(s);
        sensor_image_stop(s);
        proctab_free(s->proctab);
        containers_free(s->containers);
        sensor_resolv_stop(s);
        loop_timer_free(s->expire_timer);
        loop_timer_free(s->round_timer);
        loop_timer_free(s->watchdog_timer);
        loop_timer_free(s->repair_timer);
        loop_timer_free(s->walks_timer);
        loop_timer_free(s->coverage_timer);
        sensor_compares_end(s);
        loop_free(s->loop);
        notify_close(s->notify);
        buf_release(&s->lineage);
        buf_release(&s->path);
}

int sensor_run(const struct sensor_setup *setup)
{
        struct sensor *s = calloc(1, sizeof(*s));
        int r = s ? 0 : -ENOMEM, rc;

        if (r < 0)
                return EXIT_FAILED;
        s->setup = setup;
        s->cfg = setup->cfg;
        s->ran = (struct rate){.interval_ns = 20 * NSEC_PER_MSEC, .burst = 200};
        buf_init(&s->lineage, TIDE_RECORD_MAX);
        buf_init(&s->path, 3 * 4096);
        for (size_t i = 0; i < ARRAY_LEN(stages) && r == 0; i++)
                r = stages[i](s);
        if (r == 0) {
                r = loop_run(s->loop);
                if (r < 0)
                        log_error(MOD, "ends: %s", err_str(r));
        }
        if (r < 0)
                s->rc = EXIT_FAILED;
        stop(s);
        rc = s->rc;
        free(s);
        return rc;
}
