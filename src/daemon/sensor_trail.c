/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the way of every record into the trail, what the sensor says there of itself, checkpoints of its head, and how
 * many records of a kind others can bring about in a minute. Must not: wait for the disk, or drop a record uncounted.
 * Hands over: to act/trail.c; checkpoints to sensor_auditlog.c; the word that a command waits for to sensor_admin.c.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/procfs.h"

#define MOD "trail"
#define TRAIL_DEADLINE_NS (10 * NSEC_PER_SEC)
#define NO_LOGIN UINT32_MAX /* as /proc/PID/loginuid has it when nobody logged in */
#define WINDOW_NS (60 * NSEC_PER_SEC)
#define REQUEST_SHOWN 512u /* bytes of what somebody asked for who may not */

/* So many a window are recorded one by one; of the others, how many there were. */
enum limited { LIMITED_REFUSED, LIMITED_ENGINE, LIMITED_DEEDS, LIMITED__MAX };
static const struct {
        const char *of;
        uint32_t max;
} limits[LIMITED__MAX] = {[LIMITED_REFUSED] = {"refused", 10},
                           [LIMITED_ENGINE] = {"engine", 2000},
                           [LIMITED_DEEDS] = {"deeds refused", 60}};

struct window {
        uint64_t until_ns;
        uint32_t passed;
        uint64_t held;
};

/* Losses of one source that are not recorded yet. */
struct held_loss {
        uint64_t until_ns; /* the next is recorded then; 0: at once */
        uint64_t bursts, count, from_ns, to_ns;
        bool unknown;
        const char *what;
};

struct sensor_trail {
        struct loop_timer *window_timer, *checkpoint_timer;
        uint64_t window_due_ns;
        struct window windows[LIMITED__MAX];
        struct held_loss losses[LOST__MAX];
        uint64_t checkpoint, refused;
        bool checkpoint_waits; /* its timer runs */
        char instance[CFG_INSTANCE + 8]; /* "trail-…" */
};

/* ---- records ---- */

static struct trail_entry timed(const struct trail_entry *entry)
{
        struct trail_entry e = *entry;

        if (e.wall_ns == 0)
                e.wall_ns = clock_wall_ns();
        if (e.boot_ns == 0)
                e.boot_ns = clock_boot_ns();
        return e;
}

void sensor_trail(struct sensor *s, const struct trail_entry *entry)
{
        struct trail_entry e = timed(entry);

        if (s->trail) /* what has no room there is counted there */
                trail_keep(s->trail, 0, &e);
}

int sensor_trail_wait(struct sensor *s, uint64_t cookie, bool keep, const struct trail_entry *entry)
{
        struct trail_entry e = timed(entry);

        return keep ? trail_keep(s->trail, cookie, &e) : trail_append(s->trail, cookie, &e);
}

void sensor_admin_note(struct sensor *s, const char *kind, const char *text)
{
        sensor_trail(s, &(struct trail_entry){
                                .kind = kind, .source = TRAIL_AGENT, .login_uid = NO_LOGIN, .text = bytes_str(text)});
}

/* Takes o. */
static void put_json(struct sensor *s, const struct trail_entry *like, json_t *o)
{
        char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
        struct trail_entry e = *like;

        e.text = bytes_str(text ? text : "{}");
        sensor_trail(s, &e);
        free(text);
        json_decref(o);
}

void sensor_trail_who(uint32_t pid, uint32_t *ret_login_uid, char ret_comm[16])
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 256);
        *ret_login_uid = NO_LOGIN;
        ret_comm[0] = '\0';
        buf_init(&b, 256);
        if (pid == 0)
                return;
        if (procfs_number(pid, "loginuid", ret_login_uid) < 0)
                *ret_login_uid = NO_LOGIN;
        if (procfs_read(pid, "comm", &b) < 0)
                return;
        snprintf(ret_comm, 16, "%s", buf_cstr(&b));
        ret_comm[strcspn(ret_comm, "\n")] = '\0';
}

/* ---- so many a minute ---- */

static void arm(struct sensor *s, uint64_t at)
{
        if (s->records->window_due_ns && s->records->window_due_ns <= at)
                return;
        s->records->window_due_ns = at;
        loop_timer_set(s->records->window_timer, at);
}

static bool may_pass(struct sensor *s, enum limited what)
{
        struct window *w = &s->records->windows[what];
        uint64_t now = clock_boot_ns();

        if (now >= w->until_ns && w->held == 0)
                *w = (struct window){.until_ns = now + WINDOW_NS};
        if (w->passed < limits[what].max) {
                w->passed++;
                return true;
        }
        w->held++;
        arm(s, w->until_ns);
        return false;
}

static void record_loss(struct sensor *s, enum sensor_lost_by by)
{
        static const char *const names[LOST__MAX] = {
                [LOST_PROC] = "process", [LOST_EXECS] = "executions", [LOST_CONTENT] = "content",
                [LOST_NAMES] = "names",  [LOST_FLOWS] = "flows",      [LOST_PACKETS] = "packets",
                [LOST_AUDIT] = "audit",  [LOST_PAIR] = "pair"};
        struct held_loss *l = &s->records->losses[by];
        int64_t ahead = clock_wall_ns() - (int64_t)clock_boot_ns();
        char from[CLOCK_TEXT], to[CLOCK_TEXT];

        put_json(s,
                 &(struct trail_entry){
                         .kind = "lost", .source = by == LOST_PAIR ? TRAIL_AGENT : TRAIL_KERNEL, .login_uid = NO_LOGIN},
                 json_pack("{s:s,s:s,s:I,s:b,s:s,s:s,s:I}", "source", names[by], "what", l->what, "count",
                           (json_int_t)l->count, "more", l->unknown, "from",
                           clock_rfc3339(ahead + (int64_t)l->from_ns, from), "to",
                           clock_rfc3339(ahead + (int64_t)l->to_ns, to), "bursts", (json_int_t)l->bursts));
        *l = (struct held_loss){.until_ns = clock_boot_ns() + WINDOW_NS};
}

void sensor_trail_lost(struct sensor *s, enum sensor_lost_by by, const char *what, const struct sensor_lost *lost,
                       bool unknown)
{
        struct held_loss *l;

        if (!s->records)
                return;
        l = &s->records->losses[by];
        if (l->bursts++ == 0)
                l->from_ns = lost->from_ns;
        l->to_ns = lost->to_ns;
        l->count += lost->count;
        l->unknown = l->unknown || unknown;
        l->what = what;
        if (clock_boot_ns() >= l->until_ns)
                record_loss(s, by);
        else
                arm(s, l->until_ns);
}

static void record_withheld(struct sensor *s, enum limited what)
{
        struct window *w = &s->records->windows[what];

        put_json(s, &(struct trail_entry){.kind = "withheld", .source = TRAIL_AGENT, .login_uid = NO_LOGIN},
                 json_pack("{s:s,s:I}", "of", limits[what].of, "records", (json_int_t)w->held));
        *w = (struct window){0};
}

/* What was held back is recorded as one. all: the agent ends. */
static void end_windows(struct sensor *s, bool all)
{
        uint64_t now = clock_boot_ns();

        for (unsigned i = 0; i < LIMITED__MAX; i++) {
                struct window *w = &s->records->windows[i];

                if (w->held && (all || now >= w->until_ns))
                        record_withheld(s, i);
                else if (w->held)
                        arm(s, w->until_ns);
        }
        for (unsigned i = 0; i < LOST__MAX; i++) {
                struct held_loss *l = &s->records->losses[i];

                if (l->bursts && (all || now >= l->until_ns))
                        record_loss(s, i);
                else if (l->bursts)
                        arm(s, l->until_ns);
        }
}

static void on_window(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;

        (void)t;
        s->records->window_due_ns = 0;
        end_windows(s, false);
}

/* ---- what others ask for ---- */

void sensor_trail_refused(struct sensor *s, enum trail_source source, const struct sensor_who *who, const char *where,
                          struct bytes request)
{
        struct trail_entry e = {.kind = "refused", .source = source, .uid = who->uid, .pid = who->pid};
        char comm[16], shown[4 * REQUEST_SHOWN];

        s->records->refused++;
        if (!may_pass(s, LIMITED_REFUSED))
                return;
        sensor_trail_who(who->pid, &e.login_uid, comm);
        e.comm = bytes_str(comm);
        if (request.len > REQUEST_SHOWN)
                request.len = REQUEST_SHOWN;
        str_print(request, shown, sizeof(shown));
        put_json(s, &e, json_pack("{s:s,s:s}", "where", where, "request", shown));
        sensor_auditlog(s, &(struct audit_note){
                                   .type = AUDIT_NOTE_REFUSED,
                                   .reason = bytes_str(where), /* it tells whose word it is */
                                   .cmd = request,
                                   .uid = e.uid,
                                   .login_uid = e.login_uid});
}

void sensor_trail_engine(struct sensor *s, const struct tide_event *act)
{
        if (bytes_eq(act->act.name, BYTES_LIT("refused"))) {
                struct sensor_who who = {.uid = act->act.uid, .pid = act->act.pid};
                uint64_t more = act->act.id < UINT32_MAX ? act->act.id : UINT32_MAX;

                s->records->refused += more;
                s->records->windows[LIMITED_REFUSED].held += more;
                if (more)
                        arm(s, s->records->windows[LIMITED_REFUSED].until_ns);
                sensor_trail_refused(s, TRAIL_ENGINE, &who, "control.sock", act->act.text);
                return;
        }
        if (may_pass(s, LIMITED_ENGINE))
                sensor_trail(s, &(struct trail_entry){.kind = bytes_eq(act->act.name, BYTES_LIT("identified"))
                                                                      ? "identified"
                                                                      : "engine",
                                                      .source = TRAIL_ENGINE,
                                                      .login_uid = NO_LOGIN,
                                                      .container = act->container,
                                                      .text = act->act.text});
}

bool sensor_trail_may_refuse(struct sensor *s)
{
        return may_pass(s, LIMITED_DEEDS);
}

/* ---- checkpoints ---- */

static void checkpoint(struct sensor *s, uint64_t n, const char *hash)
{
        if (n == 0 || n == s->records->checkpoint)
                return;
        s->records->checkpoint = n;
        s->records->checkpoint_waits = false;
        loop_timer_stop(s->records->checkpoint_timer);
        sensor_auditlog(s, &(struct audit_note){.type = AUDIT_NOTE_CHECKPOINT,
                                                .ok = true,
                                                .reason = bytes_str(s->records->instance),
                                                .n = n,
                                                .hash = bytes_str(hash)});
}

static void on_checkpoint(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        struct trail_stats st;

        (void)t;
        s->records->checkpoint_waits = false;
        trail_stats(s->trail, &st);
        checkpoint(s, st.head, st.hash);
}

void sensor_trail_checkpoint(struct sensor *s)
{
        struct trail_stats st;

        if (!s->trail || !s->records)
                return;
        trail_stats(s->trail, &st);
        s->records->checkpoint = 0;
        checkpoint(s, st.head, st.hash);
}

/* One at the start, and then as is configured. */
static void on_head(uint64_t n, const char *hash, void *arg)
{
        struct sensor *s = arg;
        struct sensor_trail *t = s->records;

        if (t->checkpoint == 0 || n < t->checkpoint || n - t->checkpoint >= s->cfg->trail_checkpoint_records) {
                checkpoint(s, n, hash);
        } else if (n > t->checkpoint && !t->checkpoint_waits) {
                /* not always the next one: the writer has records of its own */
                t->checkpoint_waits = true;
                loop_timer_set(t->checkpoint_timer, loop_now(s->loop) + s->cfg->trail_checkpoint_ns);
        }
}

/* ---- start and end ---- */

static void on_done(uint64_t cookie, uint64_t n, int err, void *arg)
{
        (void)n;
        sensor_admin_written(arg, cookie, err);
}

static void on_state(int err, void *arg)
{
        (void)arg;
        if (err < 0)
                log_error(MOD,
                          "the trail cannot be written: %s; what is not asked for waits in memory, changes are refused",
                          err == -ESTALE ? "somebody has removed or moved trail.jsonl" : err_str(err));
        else
                log_info(MOD, "the trail can be written again");
}

int sensor_trail_open(struct sensor *s)
{
        static const struct trail_ops ops = {.done = on_done, .head = on_head, .state = on_state, .confine = caps_none};
        const struct trail_limits files = {.segment = s->cfg->trail_segment, .keep_ns = s->cfg->trail_keep_ns};
        char why[TRAIL_WHY] = "";
        int r;

        s->records = calloc(1, sizeof(*s->records));
        if (!s->records)
                return -ENOMEM;
        strcpy(s->records->instance, "trail-");
        cfg_instance(s->setup->state_dir, s->records->instance + strlen("trail-"));
        r = loop_timer_new(s->loop, on_window, s, &s->records->window_timer);
        if (r == 0)
                r = loop_timer_new(s->loop, on_checkpoint, s, &s->records->checkpoint_timer);
        if (r == 0)
                r = trail_start(s->loop, s->setup->trail_dir, &files, TRAIL_DEADLINE_NS, &ops, s, &s->trail, why);
        if (r < 0)
                log_error(MOD, "the trail in %s: %s%s%s", s->setup->trail_dir, err_str(r), why[0] ? "; " : "", why);
        return r;
}

void sensor_trail_started(struct sensor *s)
{
        struct trail_entry e = {.kind = "started", .source = TRAIL_AGENT, .login_uid = NO_LOGIN};
        char hash[TRAIL_HASH + 1], config[TRAIL_HASH + 16];

        sensor_trail_config_hash(s, hash);
        snprintf(config, sizeof(config), "sha256:%s", hash);
        put_json(s, &e,
                 json_pack("{s:s,s:s,s:s}", "version", "tidemarkd " PACKAGE_VERSION, "configuration", config, "trail",
                           s->records->instance));
        sensor_trail_config(s);
}

void sensor_trail_close(struct sensor *s)
{
        struct trail_stats st;
        size_t left = 0;

        if (s->trail) {
                end_windows(s, true);
                trail_flush(s->trail, &left);
                trail_stats(s->trail, &st);
                if (left || st.dropped)
                        log_error(MOD, "%zu records of the trail were not written, and %llu before", left,
                                  (unsigned long long)st.dropped);
                checkpoint(s, st.head, st.hash);
        }
        s->trail = trail_stop(s->trail);
        if (s->records) {
                loop_timer_free(s->records->window_timer);
                loop_timer_free(s->records->checkpoint_timer);
        }
        free(s->records);
        s->records = NULL;
}

void sensor_trail_stats(const struct sensor *s, struct sensor_trail_stats *ret)
{
        memset(ret, 0, sizeof(*ret));
        if (!s->trail)
                return;
        trail_stats(s->trail, &ret->writer);
        ret->checkpoint = s->records->checkpoint;
        ret->refused = s->records->refused;
}
