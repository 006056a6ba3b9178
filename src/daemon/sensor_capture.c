/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence that is being taken: by command, by policy, or before a container is cut off or killed.
 *
 * Owns: what is under way, and the limits of what is taken without being asked. Must not: read anything of a container
 * itself (act/'s worker does). Hands over: what became of each, by sensor_deed_say(), the trail and the audit log.
 *
 * The way of one: room is made (the desk) ▸ volatile part (said) ▸ the rest ▸ a record with its hash ▸ its facts and
 * its signature beside it (the desk) ▸ said. Before a container is cut off the first step is left out where there is
 * room as far as is known, and the third waits until it is cut.
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
#define HOLD_NS (10 * NSEC_PER_SEC) /* so long it waits to hear that the container is cut off */
#define HOUR_NS (3600 * NSEC_PER_SEC)
#define CONFIG_MAX (256u * 1024)
#define WORDS 400
#define POLICY_AT_ONCE 4u /* a finding may be of several containers, and one that takes long must not keep others out */

enum step { STEP_ROOM, STEP_VOLATILE, STEP_HELD, STEP_REST, STEP_FINISH };
static const char *const step_names[] = {"making room", "volatile", "held", "files", "finishing"};

struct taking {
        struct sensor *s;
        struct sensor_deed deed; /* for which it is taken; of its own kind to those who are told */
        struct capture *capture; /* NULL: not begun, or over */
        enum step step;
        char stem[EVIDENCE_NAME], file[EVIDENCE_NAME]; /* without its ending, and with it */
        /* the container, as it was when it was asked for */
        char id[CONTAINER_ID + 1];
        const char *runtime;
        uint32_t init_pid;
        uint64_t init_start, pidns, mntns;
        char *upper, *bundle, *name; /* owned */
        /* the request */
        char *reason, *engine; /* owned */
        bool freeze, no_wait, policy, last_said;
        uint64_t volatile_ns;
        uint64_t bytes; /* that it may write; 0: not begun */
        sensor_evidence_cb cb; /* who waits for the volatile part; NULL: nobody (any more) */
        void *cb_arg;
        bool before; /* taken before something is done to the container */
        struct loop_timer *timer;
        bool contained_known;
        uint64_t contained_ns;
        /* what was had */
        uint64_t began_ns;
        int64_t began_wall_ns;
        struct capture_volatile vol;
        struct capture_summary sum;
};

/* ---- telling ---- */

/* Whoever asked hears of it as evidence, whatever it was taken for. */
static struct sensor_deed as_evidence(const struct taking *t)
{
        struct sensor_deed d = t->deed;

        d.deed = DEED_CAPTURE;
        snprintf(d.container, sizeof(d.container), "%s", t->id);
        return d;
}

/* Takes facts over. last: no more comes; what was taken for another deed never ends that one's request. */
static void say(struct taking *t, enum tide_deed_state state, bool last, const char *words, json_t *facts)
{
        struct sensor_deed d = as_evidence(t);
        char *text = facts ? json_dumps(facts, JSON_COMPACT) : NULL;
        struct sensor_said said = {.state = state, .last = last && !t->before && !t->last_said,
                                   .name = state == DEED_REFUSED ? NULL : t->file, .words = words,
                                   .facts = text};

        t->last_said = t->last_said || said.last;
        sensor_deed_say(t->s, &d, &said);
        free(text);
        json_decref(facts);
}

static void note(const struct taking *t, const char *kind, json_t *text)
{
        struct sensor_deed d = as_evidence(t);

        sensor_evidence_note(t->s, kind, &d, t->id, text);
}

static json_t *volatile_facts(const struct taking *t)
{
        return json_pack("{s:s,s:f,s:I,s:I,s:s}", "name", t->file, "volatile_ms", (double)t->vol.ns / 1e6, "processes",
                         (json_int_t)t->vol.processes, "missed", (json_int_t)t->vol.missed, "first_missed",
                         t->vol.first);
}

static void volatile_words(const struct taking *t, char *dst, size_t size)
{
        int n = snprintf(dst, size, "volatile part taken in %.0f ms: %u process%s", (double)t->vol.ns / 1e6,
                         t->vol.processes, t->vol.processes == 1 ? "" : "es");

        if (t->vol.missed && n > 0 && (size_t)n < size)
                snprintf(dst + n, size - (size_t)n, "; %u part%s missed, the first: %.150s", t->vol.missed,
                         t->vol.missed == 1 ? "" : "s", t->vol.first);
}

/* What is known of it, for what lies beside it, for the trail and for whoever asked. */
static json_t *whole_facts(const struct taking *t)
{
        const struct capture_summary *m = &t->sum;
        char began[CLOCK_TEXT], ended[CLOCK_TEXT];
        json_t *o = volatile_facts(t);
        const struct {
                const char *name;
                uint64_t n;
        } numbers[] = {{"size", m->size},         {"content", m->content},   {"members", m->members},
                       {"masked", m->masked},     {"cut", m->cut},           {"vanished", m->vanished},
                       {"missed", m->missed},     {"changed", m->changed},   {"refused", m->refused},
                       {"command", t->deed.command}, {"finding", t->deed.finding}};

        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                json_object_set_new(o, numbers[i].name, json_integer((json_int_t)numbers[i].n));
        json_object_set_new(o, "container", json_string(t->id));
        json_object_set_new(o, "container_name", json_string(t->name ? t->name : ""));
        json_object_set_new(o, "for", json_string(t->policy ? "policy" : tide_deed_name(t->deed.deed)));
        json_object_set_new(o, "began", json_string(clock_rfc3339(t->began_wall_ns, began)));
        json_object_set_new(o, "ended", json_string(clock_rfc3339(clock_wall_ns(), ended)));
        json_object_set_new(o, "died", json_boolean(m->died));
        json_object_set_new(o, "sha256", json_string(m->sha256));
        json_object_set_new(o, "manifest_sha256", json_string(m->manifest));
        json_object_set_new(o, "whole", json_true());
        return o;
}

static void whole_words(const struct taking *t, char *dst, size_t size)
{
        const struct capture_summary *m = &t->sum;
        const struct {
                const char *word;
                uint64_t n;
        } left[] = {{"cut", m->cut}, {"vanished", m->vanished}, {"missed", m->missed}, {"changed", m->changed},
                    {"refused", m->refused}};
        int at = snprintf(dst, size, "taken: %llu member%s, %.1f MiB, the volatile part in %.0f ms",
                          (unsigned long long)m->members, m->members == 1 ? "" : "s", (double)m->size / 1048576,
                          (double)m->vol.ns / 1e6);
        bool any = false;

        if (m->died)
                at += snprintf(dst + at, size - (size_t)at, "; the container ended meanwhile");
        for (size_t i = 0; i < ARRAY_LEN(left); i++)
                if (left[i].n) {
                        at += snprintf(dst + at, size - (size_t)at, "%s%llu %s", any ? ", " : "; ",
                                       (unsigned long long)left[i].n, left[i].word);
                        any = true;
                }
        if (any)
                snprintf(dst + at, size - (size_t)at, ": named in its manifest");
}

/* ---- its end ---- */

static void taking_free(struct taking *t)
{
        struct sensor_evidence *ev = t->s->evidence;

        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++)
                if (ev->takings[i] == t)
                        ev->takings[i] = NULL;
        sensor_evidence_forget(t->s, t);
        capture_free(t->capture);
        loop_timer_free(t->timer);
        free(t->upper);
        free(t->bundle);
        free(t->name);
        free(t->reason);
        free(t->engine);
        free(t);
}

/* Whoever waits for the volatile part hears of it, once. */
static void tell_waiting(struct taking *t, bool ok, const char *words)
{
        struct sensor_evidence_taken taken = {.ok = ok, .ns = ok ? t->vol.ns : 0, .missed = t->vol.missed,
                                              .name = t->file, .words = words};
        sensor_evidence_cb cb = t->cb;

        t->cb = NULL;
        if (cb)
                cb(t->s, &taken, t->cb_arg);
}

static void fail(struct taking *t, enum tide_deed_state state, const char *words)
{
        struct audit_note log = {.type = AUDIT_NOTE_CAPTURED, .ok = false, .container = bytes_str(t->id),
                                 .name = bytes_str(t->name), .path = bytes_str(t->file), .reason = bytes_str(words),
                                 .command = t->deed.command, .finding = t->deed.finding, .uid = t->deed.uid,
                                 .login_uid = t->deed.login_uid};
        struct sensor *s = t->s;
        char text[WORDS + 32];

        snprintf(text, sizeof(text), "container %.12s: %s", t->id, words);
        sensor_evidence_failed(t->s, text);
        note(t, state == DEED_REFUSED ? "evidence-refused" : "evidence-failed",
             json_pack("{s:s,s:s}", "name", t->file, "why", words));
        sensor_auditlog(t->s, &log);
        say(t, state, true, words, NULL);
        tell_waiting(t, false, words);
        taking_free(t);
        if (state == DEED_FAILED) /* is it the directory? */
                sensor_evidence_round(s);
}

static void on_finished(struct sensor *s, struct errand *e, int err, const struct evidence_totals *totals)
{
        struct taking *t = e->arg;
        char words[WORDS + EVIDENCE_WORDS];
        json_t *facts = whole_facts(t);
        size_t at;

        (void)s;
        whole_words(t, words, sizeof(words));
        at = strlen(words);
        if (err < 0 || totals->words[0])
                snprintf(words + at, sizeof(words) - at, "; %s%s%s", totals->words,
                         err < 0 && totals->words[0] ? ": " : "", err < 0 ? err_str(err) : "");
        if (err < 0 || totals->words[0])
                sensor_evidence_failed(t->s, words + at + 2);
        json_object_set_new(facts, "signed",
                            json_boolean(err == 0 && !totals->words[0] && t->s->cfg->evidence.sign_key[0]));
        if (totals->words[0])
                json_object_set_new(facts, "not_signed", json_string(totals->words));
        say(t, DEED_DONE, true, words, facts);
        taking_free(t);
}

/* It is whole, and in the trail: what is known of it goes beside it. */
static int finish(struct taking *t, json_t *facts)
{
        char *text = json_dumps(facts, JSON_COMPACT);
        struct errand *e;
        int r = text ? sensor_evidence_errand(t->s, NULL, &e) : -ENOMEM;

        if (r == 0) {
                e->ask = (struct evidence_ask){.job = EVIDENCE_FINISH, .name = t->file, .facts = text,
                                               .sign_key = t->s->cfg->evidence.sign_key, .sha256 = t->sum.sha256};
                e->done = on_finished;
                e->arg = t;
                r = sensor_evidence_ask(e);
        }
        free(text);
        return r;
}

static void on_done(struct capture *c, int error, const struct capture_summary *sum, void *arg)
{
        struct taking *t = arg;
        struct audit_note log = {.type = AUDIT_NOTE_CAPTURED, .ok = true, .container = bytes_str(t->id),
                                 .name = bytes_str(t->name), .path = bytes_str(t->file),
                                 .command = t->deed.command, .finding = t->deed.finding, .uid = t->deed.uid,
                                 .login_uid = t->deed.login_uid};
        char words[WORDS];
        json_t *facts;
        int r;

        t->capture = NULL;
        if (error < 0) {
                snprintf(words, sizeof(words), "evidence was not taken: %.200s%s%s", sum->words,
                         sum->words[0] ? ": " : "", err_str(error));
                capture_free(c);
                fail(t, DEED_FAILED, words);
                return;
        }
        t->sum = *sum;
        if (t->vol.ns == 0)
                t->vol = sum->vol;
        snprintf(t->file, sizeof(t->file), "%.*s", (int)sizeof(t->file) - 1, sum->file);
        capture_free(c);
        t->step = STEP_FINISH;
        t->s->evidence->taken++;
        facts = whole_facts(t);
        note(t, "captured", json_incref(facts));
        log.hash = bytes_str(t->sum.sha256);
        sensor_auditlog(t->s, &log);
        log_info(MOD, "%s: of container %.12s", t->file, t->id);
        r = finish(t, facts);
        json_decref(facts);
        if (r < 0) {
                whole_words(t, words, sizeof(words));
                say(t, DEED_DONE, true, words, whole_facts(t));
                taking_free(t);
        }
}

/* ---- its beginning ---- */

static void go_on(struct taking *t)
{
        t->step = STEP_REST;
        loop_timer_stop(t->timer);
        capture_go_on(t->capture, t->contained_ns);
}

static void on_volatile(struct capture *c, const struct capture_volatile *v, void *arg)
{
        struct taking *t = arg;
        char words[WORDS];

        (void)c;
        t->vol = *v;
        t->step = t->before ? STEP_HELD : STEP_REST;
        volatile_words(t, words, sizeof(words));
        note(t, "evidence-began", volatile_facts(t));
        say(t, DEED_BEGAN, t->no_wait, words, volatile_facts(t));
        if (t->before && t->contained_known)
                go_on(t);
        else if (t->before)
                loop_timer_set(t->timer, loop_now(t->s->loop) + HOLD_NS);
        tell_waiting(t, true, words); /* may say that it is contained at once */
}

static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_capturer(&n);

        return caps_reduce(needs, n);
}

static int confine_net(void)
{
        size_t n;
        const struct caps_need *needs = caps_enterer(&n);

        return caps_reduce(needs, n);
}

static size_t patterns(const struct cfg *c, const char *dst[2 * STR_LIST_MAX])
{
        size_t n = 0;

        for (uint32_t i = 0; c->secrets_mask && i < c->secrets_patterns.n; i++)
                dst[n++] = c->secrets_patterns.text[i];
        for (uint32_t i = 0; c->secrets_mask && i < c->secrets_more.n; i++)
                dst[n++] = c->secrets_more.text[i];
        return n;
}

/* Who asked, for what, in the words of the request; and what the engine said. Takes known over. */
static char *caller(const struct taking *t, json_t *known)
{
        const struct sensor_deed *d = &t->deed;
        json_t *o = json_pack("{s:s,s:b,s:I,s:I,s:s,s:s,s:o}", "for", tide_deed_name(d->deed), "policy", t->policy,
                              "command", (json_int_t)d->command, "finding", (json_int_t)d->finding, "reason",
                              t->reason ? t->reason : "", "container_name", t->name ? t->name : "", "engine", known);
        char *text;

        if (d->command)
                json_object_set_new(o, "asked_by",
                                    json_pack("{s:I,s:I,s:I}", "uid", (json_int_t)d->uid, "login_uid",
                                              (json_int_t)d->login_uid, "pid", (json_int_t)d->pid));
        text = o ? json_dumps(o, JSON_COMPACT) : NULL;
        json_decref(o);
        return text;
}

static int start(struct taking *t, uint64_t bytes)
{
        static const struct capture_ops ops = {on_volatile, on_done};
        struct sensor *s = t->s;
        const struct cfg_evidence *c = &s->cfg->evidence;
        const char *masks[2 * STR_LIST_MAX];
        _cleanup_buf_ struct buf config;
        json_t *known = t->engine ? json_loads(t->engine, 0, NULL) : NULL;
        json_t *finding = json_incref(json_object_get(known, "finding"));
        _cleanup_free_ char *about = NULL, *asked = NULL;
        struct capture_text texts[2];
        struct capture_spec spec = {.id = t->id, .runtime = t->runtime, .init_pid = t->init_pid,
                                    .init_start = t->init_start, .pidns = t->pidns, .mntns = t->mntns,
                                    .upper = t->upper, .bundle = t->bundle, .dir = s->evidence->dir, .file = t->stem,
                                    .flags = CAPTURE_ALL | (t->freeze ? CAPTURE_FREEZE : 0) |
                                             (t->before ? CAPTURE_HOLD : 0),
                                    .patterns = masks, .npatterns = patterns(s->cfg, masks), .agent = PACKAGE_VERSION,
                                    .texts = texts, .confine = confine, .confine_net = confine_net,
                                    .stuck = &s->evidence->stuck, .contained_boot_ns = t->contained_ns};
        int r;

        buf_init(&config, CONFIG_MAX);
        capture_limits_default(&spec.limits);
        spec.limits.volatile_ns = t->volatile_ns;
        spec.limits.total_ns = c->max_time_ns;
        spec.limits.bytes = bytes;
        spec.limits.file_bytes = c->max_file;
        if (cfg_dump(s->cfg, &config) == 0)
                texts[spec.ntexts++] = (struct capture_text){"configuration.conf", buf_bytes(&config)};
        about = json_is_object(finding) ? json_dumps(finding, JSON_COMPACT) : NULL;
        if (about)
                texts[spec.ntexts++] = (struct capture_text){"finding.json", bytes_str(about)};
        if (known)
                json_object_del(known, "finding");
        asked = caller(t, known ? known : json_null());
        spec.caller = asked;
        r = helper_reap(&s->evidence->stuck) >= HELPER_STUCK
                    ? -EBUSY /* a disk or a file system does not answer */
                    : capture_start(s->loop, &spec, &ops, t, &t->capture);
        json_decref(finding);
        if (r == 0) {
                t->step = STEP_VOLATILE;
                t->bytes = bytes;
        }
        return r;
}

static void begin(struct taking *t, uint64_t bytes)
{
        char words[WORDS];
        int r = start(t, bytes);

        if (r == 0)
                return;
        snprintf(words, sizeof(words), "evidence was not taken: it could not be begun: %s", err_str(r));
        fail(t, DEED_FAILED, words);
}

static void on_room(struct sensor *s, struct errand *e, uint64_t bytes)
{
        (void)s;
        if (e->arg && ((struct taking *)e->arg)->step == STEP_ROOM)
                begin(e->arg, bytes);
}

static void
no_room_words(const struct sensor *s, const struct evidence_totals *t, uint64_t others, char *dst, size_t size)
{
        const struct evidence_rules *r = &s->evidence->rules;

        if (t->by_disk)
                snprintf(dst, size,
                         "no evidence is taken: %llu MiB are free in %.120s, evidence.min_free keeps %llu MiB free, "
                         "and other evidence under way may take %llu MiB; make room, wait, or lower it",
                         (unsigned long long)(t->disk_free >> 20), s->evidence->dir,
                         (unsigned long long)(r->min_free >> 20), (unsigned long long)(others >> 20));
        else
                snprintf(dst, size,
                         "no evidence is taken: there are %llu MiB of it, evidence.keep_size is %llu MiB, and what "
                         "there is is too new to go; copy it off this host and remove some, or raise the limit",
                         (unsigned long long)(t->bytes >> 20), (unsigned long long)(r->keep_size >> 20));
}

static void on_swept(struct sensor *s, struct errand *e, int err, const struct evidence_totals *totals)
{
        struct taking *t = e->arg;
        char words[WORDS];

        if (!t || t->step != STEP_ROOM)
                return; /* it has begun */
        if (err == -ENOSPC)
                no_room_words(s, totals, e->reserved, words, sizeof(words));
        else
                snprintf(words, sizeof(words), "evidence was not taken: %.200s%s%s", totals->words,
                         totals->words[0] ? ": " : "", err_str(err));
        fail(t, err == -ENOSPC ? DEED_REFUSED : DEED_FAILED, words);
}

/* What those under way may write yet, at most: each was told of room that the others have, too. */
static uint64_t reserved(const struct sensor *s, const struct taking *but)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++) {
                const struct taking *t = s->evidence->takings[i];

                if (t && t != but && t->step != STEP_FINISH)
                        sum += t->bytes ? t->bytes : s->cfg->evidence.max_size;
        }
        return sum;
}

static int ask_room(struct taking *t)
{
        struct errand *e;
        int r = sensor_evidence_errand(t->s, NULL, &e);

        if (r < 0)
                return r;
        e->ask = (struct evidence_ask){.job = EVIDENCE_SWEEP, .wanted = t->s->cfg->evidence.max_size};
        e->reserved = reserved(t->s, t);
        e->granted = on_room;
        e->done = on_swept;
        e->arg = t;
        return sensor_evidence_ask(e);
}

/* As far as is known from the last look at the directory; 0: too little, or not known. */
static uint64_t known_room(const struct sensor *s)
{
        const struct sensor_evidence *ev = s->evidence;
        const struct evidence_totals *k = &ev->totals;
        uint64_t stays = ev->rules.min_free + reserved(s, NULL);
        uint64_t disk = k->disk_free > stays ? k->disk_free - stays : 0;
        uint64_t kept = ev->rules.keep_size > k->bytes ? ev->rules.keep_size - k->bytes : 0;
        uint64_t room = s->cfg->evidence.max_size;

        room = disk < room ? disk : room;
        room = kept < room ? kept : room;
        return ev->known && (room >= EVIDENCE_LEAST || room == s->cfg->evidence.max_size) ? room : 0;
}

static void on_timer(struct loop_timer *timer, void *arg)
{
        struct taking *t = arg;
        char words[WORDS];

        (void)timer;
        if (t->step == STEP_HELD) { /* nobody says what became of it */
                go_on(t);
                return;
        }
        snprintf(words, sizeof(words), "the volatile part was not there in time; it is taken all the same");
        tell_waiting(t, false, words);
}

static char *copy_arg(const struct sensor_deed *d, const char *key)
{
        struct bytes v;

        return sensor_deed_arg(d, key, &v) == 0 ? bytes_dup(v) : NULL;
}

/* The oldest makes room; what was said before of the same container is forgotten. */
static struct evidence_known *known_slot(struct sensor_evidence *ev, const char *container)
{
        struct evidence_known *k = &ev->known_of[0];

        for (size_t i = 0; i < ARRAY_LEN(ev->known_of); i++) {
                if (ev->known_of[i].ns && strcmp(ev->known_of[i].container, container) == 0)
                        return &ev->known_of[i];
                if (ev->known_of[i].ns < k->ns)
                        k = &ev->known_of[i];
        }
        return k;
}

static void known_clear(struct evidence_known *k)
{
        free(k->engine);
        free(k->name);
        memset(k, 0, sizeof(*k));
}

void sensor_evidence_known(struct sensor *s, const struct sensor_deed *d)
{
        struct evidence_known *k;
        struct bytes v;

        if (d->flags & DEEDF_DRY_RUN || sensor_deed_arg(d, "engine", &v) < 0)
                return;
        k = known_slot(s->evidence, d->container);
        known_clear(k);
        snprintf(k->container, sizeof(k->container), "%s", d->container);
        k->engine = copy_arg(d, "engine");
        k->name = copy_arg(d, "container_name");
        k->ns = loop_now(s->loop);
}

static void take_known(struct taking *t)
{
        struct evidence_known *k = known_slot(t->s->evidence, t->id);

        if (k->ns == 0 || strcmp(k->container, t->id) != 0)
                return;
        t->engine = TAKE_PTR(k->engine);
        t->name = TAKE_PTR(k->name);
        known_clear(k);
}

static int taking_new(struct sensor *s, const struct sensor_deed *d, const struct container *c, struct taking **ret)
{
        struct sensor_evidence *ev = s->evidence;
        struct taking *t;
        size_t i = 0;
        int r;

        while (i < EVIDENCE_TAKINGS && ev->takings[i])
                i++;
        if (i == EVIDENCE_TAKINGS)
                return -EBUSY;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->s = s;
        t->deed = *d;
        t->deed.name = t->deed.args = BYTES_LIT("");
        memcpy(t->id, c->id, sizeof(t->id));
        t->runtime = c->runtime;
        t->init_pid = c->init_pid;
        t->init_start = c->init_start;
        t->pidns = c->pidns;
        t->mntns = c->mntns;
        t->upper = c->upper ? strdup(c->upper) : NULL;
        t->bundle = c->bundle ? strdup(c->bundle) : NULL;
        t->reason = copy_arg(d, "reason");
        take_known(t);
        t->freeze = s->cfg->evidence.freeze || sensor_deed_flag(d, "freeze");
        t->no_wait = sensor_deed_flag(d, "no_wait");
        t->policy = d->command == 0;
        t->volatile_ns = s->cfg->evidence.volatile_ns;
        t->began_ns = loop_now(s->loop);
        t->began_wall_ns = clock_wall_ns();
        evidence_name(t->stem, t->began_wall_ns, t->id, ++ev->last);
        snprintf(t->file, sizeof(t->file), "%.48s%s", t->stem, capture_ending());
        r = (c->upper && !t->upper) || (c->bundle && !t->bundle) ? -ENOMEM
                                                                 : loop_timer_new(s->loop, on_timer, t, &t->timer);
        ev->takings[i] = t;
        if (r < 0) {
                taking_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

/* ---- by policy ---- */

/* NULL: it may be; else why not. Counts what is granted. */
static const char *policy_refuses(struct sensor *s, const char *container)
{
        struct sensor_evidence *ev = s->evidence;
        struct evidence_policy *p = &ev->policy;
        uint64_t now = loop_now(s->loop);
        uint32_t most = s->cfg->evidence.per_hour;
        size_t slot = 0, under_way = 0;

        if (!p->on)
                return "evidence.auto is \"no\"";
        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++)
                under_way += ev->takings[i] && ev->takings[i]->policy;
        if (under_way >= POLICY_AT_ONCE)
                return "other evidence is being taken by policy: four at a time";
        for (size_t i = 0; i < ARRAY_LEN(p->last); i++) {
                if (p->last[i].ns && strcmp(p->last[i].container, container) == 0 && now - p->last[i].ns < HOUR_NS)
                        return "evidence of this container was taken by policy less than an hour ago";
                if (p->last[i].ns < p->last[slot].ns)
                        slot = i;
        }
        if (p->granted >= most && now - p->granted_ns[p->at] < HOUR_NS)
                return "evidence.auto_per_hour is reached";
        p->granted_ns[p->at] = now;
        p->at = (p->at + 1) % most;
        p->granted++;
        snprintf(p->last[slot].container, sizeof(p->last[slot].container), "%s", container);
        p->last[slot].ns = now;
        return NULL;
}

/* ---- asked for ---- */

static void refuse(struct sensor *s, const struct sensor_deed *d, const char *words)
{
        struct sensor_evidence *ev = s->evidence;
        struct sensor_said said = {.state = DEED_REFUSED, .last = true, .words = words};
        bool policy = d->command == 0;

        if (policy)
                ev->policy.refused++;
        else
                ev->refused++;
        if (!policy || rate_pass(&ev->policy.told, loop_now(s->loop), NULL))
                sensor_evidence_note(s, "evidence-refused", d, d->container,
                                     json_pack("{s:s,s:b}", "why", words, "policy", policy));
        sensor_deed_say(s, d, &said);
}

static void on_planned(struct sensor *s, struct errand *e, int err, const struct evidence_totals *totals)
{
        char words[WORDS];
        struct sensor_said said = {.state = err == 0 ? DEED_PLANNED : DEED_REFUSED, .last = true, .words = words};
        _cleanup_free_ char *facts = NULL;
        _cleanup_buf_ struct buf list;
        json_t *o;

        buf_init(&list, e->facts.len + 16);
        buf_put_u8(&list, '[');
        buf_put(&list, e->facts.p, e->facts.len);
        buf_put_u8(&list, ']');
        o = json_pack("{s:I,s:o?}", "room", (json_int_t)totals->granted, "would_go",
                      json_loadb((const char *)list.p, list.len, 0, NULL));
        facts = json_dumps(o, JSON_COMPACT);
        if (err == -ENOSPC)
                no_room_words(s, totals, e->reserved, words, sizeof(words));
        else if (err < 0)
                snprintf(words, sizeof(words), "%.200s: %s", totals->words, err_str(err));
        else
                snprintf(words, sizeof(words),
                         "evidence would be taken: volatile part within %llu ms%s, then at most %llu MiB of files in "
                         "%llu s; %zu older piece%s would go for it",
                         (unsigned long long)(s->cfg->evidence.volatile_ns / NSEC_PER_MSEC),
                         e->reason ? e->reason : "", (unsigned long long)(totals->granted >> 20),
                         (unsigned long long)(s->cfg->evidence.max_time_ns / NSEC_PER_SEC),
                         json_array_size(json_object_get(o, "would_go")),
                         json_array_size(json_object_get(o, "would_go")) == 1 ? "" : "s");
        said.facts = facts;
        sensor_deed_say(s, &e->deed, &said);
        json_decref(o);
}

static int plan(struct sensor *s, const struct sensor_deed *d)
{
        struct errand *e;
        int r = sensor_evidence_errand(s, d, &e);

        if (r < 0)
                return r;
        free(e->reason); /* what will be done besides */
        e->reason = s->cfg->evidence.freeze || sensor_deed_flag(d, "freeze") ? strdup(", the container stopped for it")
                                                                             : NULL;
        e->ask = (struct evidence_ask){.job = EVIDENCE_SWEEP, .wanted = s->cfg->evidence.max_size, .keep = true};
        e->done = on_planned;
        return sensor_evidence_ask(e);
}

static const struct taking *taking_of(const struct sensor *s, const char *container)
{
        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++)
                if (s->evidence->takings[i] && strcmp(s->evidence->takings[i]->id, container) == 0)
                        return s->evidence->takings[i];
        return NULL;
}

int sensor_capture_deed(struct sensor *s, const struct sensor_deed *d)
{
        const struct container *c = containers_by_id(s->containers, bytes_str(d->container));
        const struct taking *other = taking_of(s, d->container);
        const char *why = NULL;
        char words[WORDS];
        struct taking *t;
        int r;

        if (!c)
                why = "it does not run: there is nothing volatile of it, and its write layer lies where its runtime "
                      "keeps it until it is removed";
        if (!why && other) {
                snprintf(words, sizeof(words), "evidence of it is being taken already: %s", other->file);
                why = words;
        }
        if (!why && d->command == 0)
                why = policy_refuses(s, d->container);
        if (why) {
                refuse(s, d, why);
                return 0;
        }
        if (d->flags & DEEDF_DRY_RUN)
                return plan(s, d);
        r = taking_new(s, d, c, &t);
        if (r == -EBUSY) {
                refuse(s, d, "evidence of as many containers as may be at once is being taken: try again");
                return 0;
        }
        if (r < 0)
                return r;
        r = ask_room(t);
        if (r < 0)
                taking_free(t);
        return r;
}

int sensor_evidence_before(struct sensor *s, const struct sensor_deed *d, const struct container *c,
                           uint64_t deadline_ns, sensor_evidence_cb cb, void *arg)
{
        uint64_t room = known_room(s);
        struct taking *t;
        int r = taking_new(s, d, c, &t);

        if (r < 0)
                return r;
        t->before = true;
        t->freeze = s->cfg->evidence.freeze;
        t->no_wait = false;
        if (deadline_ns < t->volatile_ns)
                t->volatile_ns = deadline_ns - deadline_ns / 10; /* that what was read in time is told in time */
        r = room ? start(t, room) : ask_room(t);
        if (r < 0) {
                taking_free(t);
                return r;
        }
        t->cb = cb;
        t->cb_arg = arg;
        loop_timer_set(t->timer, loop_now(s->loop) + deadline_ns);
        return 0;
}

void sensor_evidence_contained(struct sensor *s, const char *container, uint64_t boot_ns)
{
        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++) {
                struct taking *t = s->evidence->takings[i];

                if (!t || strcmp(t->id, container) != 0)
                        continue;
                t->contained_known = true;
                t->contained_ns = boot_ns;
                if (t->step == STEP_HELD)
                        go_on(t);
                else if (t->capture && t->step == STEP_REST && boot_ns)
                        capture_contained(t->capture, boot_ns);
        }
}

void sensor_capture_busy(const struct sensor *s, struct buf *out)
{
        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++)
                if (s->evidence->takings[i]) {
                        buf_put_str(out, s->evidence->takings[i]->file);
                        buf_put_u8(out, '\n');
                }
}

json_t *sensor_capture_status(const struct sensor *s)
{
        json_t *list = json_array();

        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++) {
                const struct taking *t = s->evidence->takings[i];

                if (t)
                        json_array_append_new(
                                list, json_pack("{s:s,s:s,s:s,s:I,s:f,s:f}", "name", t->file, "container", t->id,
                                                "state", step_names[t->step], "command", (json_int_t)t->deed.command,
                                                "seconds", (double)(loop_now(s->loop) - t->began_ns) / 1e9,
                                                "volatile_ms", (double)t->vol.ns / 1e6));
        }
        return list;
}

/* What is not whole by now is not kept: the trail says so. */
void sensor_capture_stop(struct sensor *s)
{
        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++) {
                struct taking *t = s->evidence->takings[i];

                if (!t)
                        continue;
                if (t->step != STEP_FINISH)
                        note(t, "evidence-failed", json_pack("{s:s,s:s}", "name", t->file, "why", "the agent ended"));
                taking_free(t);
        }
        for (size_t i = 0; i < EVIDENCE_TAKINGS; i++)
                known_clear(&s->evidence->known_of[i]);
        helper_reap(&s->evidence->stuck);
}
