/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where evidence lies: listing it, letting it out, deleting it, and what goes by itself.
 *
 * Owns: the desk (act/evidence_desk.c) and who waits for it. Must not: touch the directory in the loop, or let a piece
 * go, out or away without a record in the trail. Hands over: what became of each request, by sensor_deed_say(); what is
 * taken is sensor_capture.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor_evidence-priv.h"
#include "tidemark/capture.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "evidence"
#define DESK_NS (60 * NSEC_PER_SEC)
#define PAGE_PIECES 40u
#define PAGE_BYTES (40u * 1024) /* of facts in one answer: an event has 60 KiB */
#define HELD_MAX (60u * 1024)

/* ---- errands ---- */

static char *text_of(const struct sensor_deed *d, const char *key)
{
        struct bytes v;

        return sensor_deed_arg(d, key, &v) == 0 ? bytes_dup(v) : NULL;
}

static void errand_free(struct errand *e)
{
        free(e->name);
        free(e->reason);
        free(e->to);
        buf_release(&e->facts);
        free(e);
}

int sensor_evidence_errand(struct sensor *s, const struct sensor_deed *d, struct errand **ret)
{
        struct errand *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->s = s;
        buf_init(&e->facts, PAGE_BYTES);
        if (d) {
                e->deed = *d;
                e->name = bytes_dup(d->name);
                e->reason = text_of(d, "reason");
                e->to = text_of(d, "to");
                e->deed.name = bytes_str(e->name);
                e->deed.args = BYTES_LIT("");
                if (!e->name) {
                        errand_free(e);
                        return -ENOMEM;
                }
        }
        *ret = e;
        return 0;
}

static void unlink_errand(struct errand *e)
{
        struct errand **at = &e->s->evidence->errands;

        while (*at && *at != e)
                at = &(*at)->next;
        if (*at)
                *at = e->next;
}

void sensor_evidence_forget(struct sensor *s, const void *arg)
{
        for (struct errand *e = s->evidence->errands; e; e = e->next)
                if (e->arg == arg) {
                        e->arg = NULL;
                        e->done = NULL;
                        e->granted = NULL;
                }
}

void sensor_evidence_failed(struct sensor *s, const char *words)
{
        struct sensor_evidence *ev = s->evidence;

        ev->failed++;
        ev->failure_ns = clock_wall_ns();
        str_print(bytes_str(words), ev->failure, sizeof(ev->failure));
        log_warn(MOD, "%s", ev->failure);
}

void sensor_evidence_note(struct sensor *s, const char *kind, const struct sensor_deed *d, const char *container,
                          json_t *text)
{
        char *line = text ? json_dumps(text, JSON_COMPACT) : NULL;
        struct trail_entry e = {.kind = kind, .source = TRAIL_AGENT, .login_uid = UINT32_MAX,
                                .container = bytes_str(container), .text = bytes_str(line ? line : "{}")};

        if (d) {
                e.command = d->command;
                e.finding = d->finding;
                e.uid = d->uid;
                e.login_uid = d->login_uid;
                e.pid = d->pid;
                e.comm = bytes_str(d->comm);
        }
        sensor_trail(s, &e);
        free(line);
        json_decref(text);
}

/* ---- what the desk says ---- */

static void on_piece(const char *name, struct bytes facts, void *arg)
{
        struct errand *e = arg;
        size_t before = e->facts.len;

        (void)name;
        if (e->cut)
                return;
        if (before)
                buf_put_u8(&e->facts, ',');
        buf_put(&e->facts, facts.p, facts.len);
        if (e->facts.err) { /* the next page begins with it */
                e->facts.err = 0;
                e->facts.len = before;
                e->cut = true;
        }
}

/* By itself: a record, and a fact of its finding. */
static void tell_removed(struct sensor *s, const char *name, enum evidence_verdict why, const json_t *facts)
{
        const char *container = json_string_value(json_object_get(facts, "container"));
        struct sensor_deed d = {.deed = DEED_REMOVE, .login_uid = UINT32_MAX,
                                .finding = (uint64_t)json_integer_value(json_object_get(facts, "finding"))};
        const char *words = why == EVIDENCE_TOO_OLD    ? "deleted: it is older than evidence.keep_age"
                            : why == EVIDENCE_WAS_GONE ? "it is gone: deleted by other hands, or as the agent ended"
                                                       : "deleted: there is no room for it (evidence.keep_size)";
        struct sensor_said said = {.state = DEED_CHANGED, .last = true, .name = name, .words = words};
        struct audit_note note = {.type = AUDIT_NOTE_REMOVED, .ok = true, .finding = d.finding,
                                  .path = bytes_str(name), .reason = bytes_str(words), .login_uid = UINT32_MAX};

        snprintf(d.container, sizeof(d.container), "%s", container ? container : "");
        note.container = bytes_str(d.container);
        s->evidence->removed++;
        log_info(MOD, "%s: %s", name, words);
        sensor_evidence_note(s, "evidence-removed", &d, d.container,
                             json_pack("{s:s,s:s,s:O?}", "name", name, "why", words, "facts", facts));
        sensor_auditlog(s, &note);
        sensor_deed_say(s, &d, &said);
}

static void on_removed(const char *name, enum evidence_verdict why, struct bytes facts, void *arg)
{
        struct errand *e = arg;
        json_t *o;

        if (e->ask.job != EVIDENCE_SWEEP || e->ask.keep) { /* asked for: whoever did says so */
                on_piece(name, facts, arg);
                return;
        }
        o = json_loadb((const char *)facts.p, facts.len, 0, NULL);
        tell_removed(e->s, name, why, o);
        json_decref(o);
}

static void on_granted(uint64_t bytes, void *arg)
{
        struct errand *e = arg;

        if (e->granted)
                e->granted(e->s, e, bytes);
}

/* Is it as it should be? */
static void look_at(struct sensor *s, int err, const struct evidence_totals *t)
{
        struct sensor_evidence *ev = s->evidence;

        if (err != 0 && t->pieces == 0 && t->disk_free == 0) {
                snprintf(ev->problem, sizeof(ev->problem), "%s", t->words[0] ? t->words : err_str(err));
                return;
        }
        ev->known = true;
        ev->totals = *t;
        ev->problem[0] = '\0';
        if (!t->writable)
                snprintf(ev->problem, sizeof(ev->problem), "%.200s cannot be written", ev->dir);
        else if (t->disk_free < ev->rules.min_free + EVIDENCE_LEAST)
                snprintf(ev->problem, sizeof(ev->problem),
                         "the disk of %.120s is full: %llu MiB are free, and evidence.min_free keeps %llu MiB", ev->dir,
                         (unsigned long long)(t->disk_free >> 20), (unsigned long long)(ev->rules.min_free >> 20));
}

static void on_done(int err, const struct evidence_totals *t, void *arg)
{
        struct errand *e = arg;
        struct sensor *s = e->s;

        look_at(s, err, t);
        unlink_errand(e);
        if (e->done)
                e->done(s, e, err, t);
        errand_free(e);
}

int sensor_evidence_ask(struct errand *e)
{
        static const struct evidence_ops ops = {on_piece, on_removed, on_granted, on_done};
        struct sensor_evidence *ev = e->s->evidence;
        _cleanup_buf_ struct buf busy;
        int r;

        buf_init(&busy, EVIDENCE_TAKINGS * 2 * EVIDENCE_NAME);
        sensor_capture_busy(e->s, &busy);
        e->ask.rules = ev->rules;
        e->ask.rules.min_free += e->reserved;
        e->ask.held = buf_bytes(&ev->held);
        e->ask.busy = buf_bytes(&busy);
        r = evidence_desk_ask(ev->desk, &e->ask, &ops, e);
        if (r < 0) {
                errand_free(e);
                return r;
        }
        e->next = ev->errands;
        ev->errands = e;
        return 0;
}

/* ---- what an operator asks for ---- */

/* Takes facts over. */
static void say(struct sensor *s, const struct errand *e, enum tide_deed_state state, const char *words, json_t *facts)
{
        char *text = facts ? json_dumps(facts, JSON_COMPACT) : NULL;
        struct sensor_said said = {.state = state, .last = true, .name = e->name, .words = words, .facts = text};

        sensor_deed_say(s, &e->deed, &said);
        free(text);
        json_decref(facts);
}

static void say_failed(struct sensor *s, const struct errand *e, int err, const struct evidence_totals *t)
{
        char words[2 * EVIDENCE_WORDS];

        switch (err) {
        case -ENOENT:
                snprintf(words, sizeof(words), "there is no evidence of this name: see tidemark evidence list%s%s",
                         t->words[0] ? "; " : "", t->words);
                break;
        case -EBUSY:
                snprintf(words, sizeof(words), "it is being written: wait until it is whole");
                break;
        default:
                snprintf(words, sizeof(words), "%s%s%s", t->words, t->words[0] ? ": " : "", err_str(err));
        }
        say(s, e, err == -ENOENT || err == -EBUSY ? DEED_REFUSED : DEED_FAILED, words, NULL);
}

static json_t *pieces_of(const struct errand *e)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, PAGE_BYTES + 16);
        buf_put_u8(&b, '[');
        buf_put(&b, e->facts.p, e->facts.len);
        buf_put_u8(&b, ']');
        return json_loadb((const char *)b.p, b.len, 0, NULL);
}

static void listed(struct sensor *s, struct errand *e, int err, const struct evidence_totals *t)
{
        struct sensor_evidence *ev = s->evidence;

        if (err < 0) {
                say_failed(s, e, err, t);
                return;
        }
        say(s, e, DEED_DONE, "",
            json_pack("{s:s,s:I,s:I,s:I,s:I,s:b,s:o}", "directory", ev->dir, "pieces", (json_int_t)t->pieces, "bytes",
                      (json_int_t)t->bytes, "keep_size", (json_int_t)ev->rules.keep_size, "disk_free",
                      (json_int_t)t->disk_free, "more", t->more || e->cut, "evidence", pieces_of(e)));
}

static bool is_dry(const struct errand *e)
{
        return e->deed.flags & DEEDF_DRY_RUN;
}

/* It may go out from here on: the record says so before the first byte is read. */
static void looked(struct sensor *s, struct errand *e, int err, const struct evidence_totals *t)
{
        char path[sizeof(s->evidence->dir) + EVIDENCE_NAME];
        json_t *facts = err == 0 ? pieces_of(e) : NULL, *piece = json_array_get(facts, 0);

        if (err < 0) {
                say_failed(s, e, err, t);
                return;
        }
        snprintf(path, sizeof(path), "%s/%s", s->evidence->dir, e->name);
        if (!is_dry(e))
                sensor_evidence_note(s, "evidence-copied", &e->deed,
                                     json_string_value(json_object_get(piece, "container")) ?: "",
                                     json_pack("{s:s,s:s?,s:O?}", "name", e->name, "to", e->to, "sha256",
                                               json_object_get(piece, "sha256")));
        say(s, e, is_dry(e) ? DEED_PLANNED : DEED_DONE, is_dry(e) ? "would be copied" : "may be copied",
            json_pack("{s:s,s:s?,s:O?}", "path", path, "to", e->to, "piece", piece));
        json_decref(facts);
}

static void removed(struct sensor *s, struct errand *e, int err, const struct evidence_totals *t)
{
        json_t *facts = err == 0 ? pieces_of(e) : NULL, *piece = json_array_get(facts, 0);
        const char *container = json_string_value(json_object_get(piece, "container"));
        char words[EVIDENCE_WORDS + 300];
        struct audit_note note = {.type = AUDIT_NOTE_REMOVED, .ok = err == 0, .command = e->deed.command,
                                  .path = bytes_str(e->name), .reason = bytes_str(e->reason), .uid = e->deed.uid,
                                  .login_uid = e->deed.login_uid};

        if (err < 0) {
                say_failed(s, e, err, t);
                return;
        }
        /* Of whom it was stands beside it: so its finding hears of it. */
        e->deed.finding = (uint64_t)json_integer_value(json_object_get(piece, "finding"));
        if (is_dry(e)) {
                say(s, e, DEED_PLANNED, "would be deleted", json_pack("{s:O?}", "piece", piece));
        } else {
                s->evidence->removed++;
                note.finding = e->deed.finding;
                note.container = bytes_str(container);
                sensor_evidence_note(s, "evidence-removed", &e->deed, container ?: "",
                                     json_pack("{s:s,s:s?,s:O?}", "name", e->name, "why", e->reason, "facts", piece));
                sensor_auditlog(s, &note);
                snprintf(words, sizeof(words), "deleted: %.250s%s%s", e->reason ? e->reason : "",
                         t->words[0] ? "; " : "", t->words);
                say(s, e, DEED_DONE, words, json_pack("{s:O?}", "piece", piece));
        }
        json_decref(facts);
}

static int ask_list(struct errand *e, const struct sensor_deed *d)
{
        _cleanup_free_ char *after = text_of(d, "after");

        e->ask = (struct evidence_ask){.job = EVIDENCE_LIST, .most = PAGE_PIECES, .name = after};
        e->done = listed;
        return sensor_evidence_ask(e);
}

static int ask_copy(struct errand *e, const struct sensor_deed *d)
{
        (void)d;
        e->ask = (struct evidence_ask){.job = EVIDENCE_LOOK, .name = e->name};
        e->done = looked;
        return sensor_evidence_ask(e);
}

static int ask_remove(struct errand *e, const struct sensor_deed *d)
{
        (void)d;
        e->ask = (struct evidence_ask){.job = EVIDENCE_REMOVE, .name = e->name, .keep = is_dry(e)};
        e->done = removed;
        return sensor_evidence_ask(e);
}

int sensor_evidence_deed(struct sensor *s, const struct sensor_deed *d)
{
        static int (*const deeds[DEED__MAX])(struct errand *, const struct sensor_deed *) = {
                [DEED_LIST] = ask_list, [DEED_COPY] = ask_copy, [DEED_REMOVE] = ask_remove};
        struct errand *e;
        int r;

        if (d->deed == DEED_CAPTURE)
                return sensor_capture_deed(s, d);
        if (!deeds[d->deed] || d->command == 0) /* by policy nothing is listed, let out or deleted */
                return -EPERM;
        r = sensor_evidence_errand(s, d, &e);
        return r < 0 ? r : deeds[d->deed](e, d);
}

/* ---- by itself ---- */

static void sweep(struct sensor *s)
{
        struct errand *e;
        int r = sensor_evidence_errand(s, NULL, &e);

        if (r == 0) {
                e->ask = (struct evidence_ask){.job = EVIDENCE_SWEEP};
                r = sensor_evidence_ask(e);
        }
        if (r < 0)
                log_warn(MOD, "the evidence directory is not looked at: %s", err_str(r));
}

void sensor_evidence_round(struct sensor *s)
{
        helper_reap(&s->evidence->stuck);
        sweep(s);
}

void sensor_evidence_held(struct sensor *s, struct bytes names)
{
        struct sensor_evidence *ev = s->evidence;
        bool first = !ev->known && !ev->errands;

        buf_reset(&ev->held);
        buf_put(&ev->held, names.p, names.len);
        if (ev->held.err)
                log_warn(MOD, "more evidence is held by open findings than is kept in mind: %s", err_str(ev->held.err));
        if (first) /* before that nobody knows what may go */
                sweep(s);
}

json_t *sensor_evidence_status(const struct sensor *s)
{
        const struct sensor_evidence *ev = s->evidence;
        char when[CLOCK_TEXT];
        json_t *o = json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "directory", ev->dir, "known", ev->known,
                              "pieces", (json_int_t)ev->totals.pieces, "bytes", (json_int_t)ev->totals.bytes,
                              "keep_size", (json_int_t)ev->rules.keep_size, "disk_free",
                              (json_int_t)ev->totals.disk_free, "taken", (json_int_t)ev->taken, "failed",
                              (json_int_t)ev->failed, "removed", (json_int_t)ev->removed, "refused",
                              (json_int_t)ev->refused, "under_way", sensor_capture_status(s));

        if (!o)
                return NULL;
        json_object_set_new(o, "policy",
                            json_pack("{s:b,s:I,s:I}", "on", ev->policy.on, "granted", (json_int_t)ev->policy.granted,
                                      "refused", (json_int_t)ev->policy.refused));
        json_object_set_new(o, "last_failure",
                            ev->failure[0] ? json_pack("{s:s,s:s}", "time", clock_rfc3339(ev->failure_ns, when),
                                                       "words", ev->failure)
                                           : json_null());
        json_object_set_new(o, "problem", ev->problem[0] ? json_string(ev->problem) : json_null());
        return o;
}

uint32_t sensor_evidence_pid(const struct sensor *s)
{
        return evidence_desk_pid(s->evidence->desk);
}

int sensor_evidence_start(struct sensor *s)
{
        const struct cfg_evidence *c = &s->cfg->evidence;
        _cleanup_free_ char *real = realpath(s->setup->evidence_dir, NULL);
        struct sensor_evidence *ev;
        int r;

        if (!real || strlen(real) >= sizeof(ev->dir)) {
                r = real ? -ENAMETOOLONG : -errno;
                log_error(MOD, "the evidence directory %s: %s", s->setup->evidence_dir, err_str(r));
                return r;
        }
        ev = s->evidence = calloc(1, sizeof(*ev));
        if (!ev)
                return -ENOMEM;
        memcpy(ev->dir, real, strlen(real) + 1);
        buf_init(&ev->held, HELD_MAX);
        ev->rules = (struct evidence_rules){c->keep_size, c->keep_age_ns, c->min_free};
        ev->policy.on = strcmp(c->by_policy, "page") == 0;
        ev->policy.told = (struct rate){.interval_ns = 10 * NSEC_PER_SEC, .burst = 20};
        r = evidence_desk_new(s->loop, ev->dir, DESK_NS, caps_none, &ev->desk);
        if (r < 0)
                log_error(MOD, "the evidence directory: %s", err_str(r));
        if (r == 0 && capture_thaw_all(ev->dir) > 0)
                log_warn(MOD, "containers that were stopped for evidence as the agent was killed go on now");
        return r;
}

void sensor_evidence_stop(struct sensor *s)
{
        struct sensor_evidence *ev = s->evidence;

        if (!ev)
                return;
        sensor_capture_stop(s);
        evidence_desk_free(ev->desk);
        while (ev->errands) {
                struct errand *e = ev->errands;

                ev->errands = e->next;
                errand_free(e);
        }
        buf_release(&ev->held);
        free(ev);
        s->evidence = NULL;
}
