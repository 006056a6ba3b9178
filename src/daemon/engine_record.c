/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents of the supply chain, from the descriptor that came with the command to events.
 *
 * Owns: which imports wait, the one that is read now, its worker (tidemark-image record) and deadline. Must not: read
 * the file, or believe more of the worker than this: how signatures stand, as long as nothing signed was parsed, and
 * records that decode. Hands over: TIDE_RECORD events to the pipeline, the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "daemon/keys.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/helper.h"
#include "tidemark/log.h"
#include "tidemark/passfd.h"
#include "tidemark/query.h"
#include "tidemark/signature.h"
#include "tidemark/supplywire.h"

#define MOD "records"
#define WAITING 16u
#define MESSAGES_A_TURN 4
#define DEADLINE_NS (300 * NSEC_PER_SEC) /* of one file */
#define EVENTS_A_COMMIT 64u              /* what waits to be stored stays small */
#define RESULTS_BYTES 24576u             /* told in an answer, which fits one record (TIDE_RECORD_MAX) */

struct want {
        uint64_t command; /* 0: free */
        int fd;
        char *file, *image;
        bool dry;
};

/* How the signature of a document stands, as was said before any of them was parsed. */
struct verdict {
        bool told;
        uint8_t signature, flags;
        uint32_t key;
        uint8_t sha256[TIDE_SHA256];
        char why[SUPPLY_WHY];
};

struct engine_records {
        int program; /* -1: none */
        struct keys *keys;
        uint32_t key_numbers[KEYS_MAX]; /* of keys, in the order in which a worker is told them */
        uint32_t nkeys;
        struct want waiting[WAITING]; /* in their order */
        uint32_t n;
        /* The one under way: */
        struct want now;
        pid_t pid;
        int worker; /* -1: none */
        struct loop_src *src;
        struct loop_timer *deadline;
        struct helper_stuck stuck;
        struct verdict *verdicts; /* SUPPLY_DOCUMENTS */
        bool parsing;             /* events have come: no verdict is believed any more */
        bool open;                /* an SBOM has begun and not ended */
        bool again;               /* what it fails of is not the file's */
        char open_digest[SUPPLY_DIGEST];
        uint8_t open_document[TIDE_SHA256];
        json_t *results, *refused;
        json_t *current; /* of results: the SBOM that is open */
        size_t told;      /* bytes of results and refused */
        uint32_t taken, elsewhere, refusals, uncommitted;
        uint8_t msg[SUPPLYWIRE_MAX];
        uint64_t imported, failed, malformed, refused_total, by_signature[SIGNATURE__MAX], admissions;
};

static json_t *failure(int code, const char *fmt, ...) TM_PRINTF(2, 3);
static json_t *failure(int code, const char *fmt, ...)
{
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", text, "code", code);
}

/* Not for a reason that is the file's: sensor_admin.c goes by how it begins. */
static json_t *later(const char *text)
{
        return json_pack("{s:b,s:b,s:s,s:i}", "ok", 0, "again", 1, "error", text, "code", EXIT_FAILED);
}

static void want_clear(struct want *w)
{
        if (w->command && w->fd >= 0)
                close(w->fd);
        free(w->file);
        free(w->image);
        memset(w, 0, sizeof(*w));
        w->fd = -1;
}

/* ---- the worker ---- */

static int tell(int fd, const struct supplywire *m, int with)
{
        _cleanup_buf_ struct buf b;
        int r;

        buf_init(&b, SUPPLYWIRE_MAX);
        r = supplywire_encode(m, &b);
        return r < 0 ? r : passfd_send(fd, b.p, b.len, &with, with >= 0 ? 1 : 0, MSG_DONTWAIT);
}

static int tell_keys(struct engine_records *k)
{
        int r = 0;

        for (uint32_t i = 0; i < k->nkeys && r == 0; i++) {
                size_t n = k->key_numbers[i];
                struct supplywire m = {.kind = SUPPLYWIRE_KEY, .name = bytes_str(keys_path(k->keys, n)),
                                       .text = keys_pem(k->keys, n)};

                r = tell(k->worker, &m, -1);
        }
        return r;
}

static int start_worker(struct engine *e)
{
        struct engine_records *k = e->records;
        struct supplywire go = {.kind = SUPPLYWIRE_GO, .name = bytes_str(k->now.file), .text = bytes_str(k->now.image),
                                .number = e->cfg->judge.max_record_entries};
        char name[] = "tidemark-image", how[] = "record";
        char *argv[] = {name, how, NULL};
        int room = 1 << 20, r;

        if (helper_reap(&k->stuck) == HELPER_STUCK)
                return -EBUSY;
        r = engine_worker(k->program, argv, -1, true, &k->worker, &k->pid);
        if (r < 0)
                return r;
        /* Keys are sent at once, before the worker reads any: all of them have to find room. */
        setsockopt(k->worker, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        r = tell_keys(k);
        return r < 0 ? r : tell(k->worker, &go, k->now.fd);
}

/* ---- what it tells ---- */

static int inject(struct engine *e, struct tide_event *ev)
{
        struct engine_records *k = e->records;
        int r;

        if (k->now.dry)
                return 0;
        r = engine_inject(e, ev);
        if (r == -EINVAL || r == ERR_LIMIT)
                r = 0;
        if (r == 0 && ++k->uncommitted >= EVENTS_A_COMMIT) {
                k->uncommitted = 0;
                if (engine_commit(e, false) < 0)
                        e->unstored++;
        }
        return r;
}

/* An SBOM of which no end will come is taken back. */
static int take_back(struct engine *e)
{
        struct engine_records *k = e->records;
        struct tide_event ev = {.kind = TIDE_RECORD};

        if (!k->open)
                return 0;
        k->open = false;
        k->current = NULL;
        ev.supply.part = SUPPLY_REMOVED;
        ev.supply.digest = bytes_str(k->open_digest);
        ev.supply.document = bytes_of(k->open_document, sizeof(k->open_document));
        return inject(e, &ev);
}

static void finish(struct engine *e, json_t *answer)
{
        struct engine_records *k = e->records;

        k->src = loop_src_del(k->src);
        loop_timer_stop(k->deadline);
        if (k->worker >= 0)
                close(k->worker);
        k->worker = -1;
        helper_leave(&k->stuck, &k->pid);
        helper_reap(&k->stuck);
        engine_control_reply(e, k->now.command, answer);
        want_clear(&k->now);
        json_decref(k->results);
        json_decref(k->refused);
        k->results = k->refused = k->current = NULL;
        loop_timer_set(k->deadline, loop_now(e->loop)); /* the next one: see on_timer */
}

static int TM_PRINTF(2, 3) fail(struct engine *e, const char *fmt, ...)
{
        struct engine_records *k = e->records;
        char words[600], file[200];
        va_list ap;
        int r = take_back(e);

        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        k->failed++;
        str_print(bytes_str(k->now.file), file, sizeof(file));
        log_warn(MOD, "%s: %s", file, words);
        if (k->taken && !k->now.dry)
                snprintf(words + strlen(words), sizeof(words) - strlen(words),
                         "; what stands before that was imported: %u", k->taken);
        if (k->again) {
                char text[sizeof(file) + sizeof(words) + 3];

                snprintf(text, sizeof(text), "%s: %s", file, words);
                finish(e, later(text));
        } else {
                finish(e, failure(EXIT_FAILED, "%s: %s", file, words));
        }
        return r < 0 ? r : 1;
}

static int on_document(struct engine *e, const struct supplywire *m)
{
        struct engine_records *k = e->records;
        struct verdict *v;

        if (m->number >= SUPPLY_DOCUMENTS || k->parsing || m->sha256.len != TIDE_SHA256)
                return ERR_SCHEMA;
        v = &k->verdicts[m->number];
        v->told = true;
        v->signature = m->signature;
        v->flags = m->flags;
        v->key = m->key;
        memcpy(v->sha256, m->sha256.p, sizeof(v->sha256));
        snprintf(v->why, sizeof(v->why), "%.*s", (int)m->text.len, (const char *)m->text.p);
        if (v->signature == SIGNATURE_VERIFIED && v->key >= k->nkeys)
                return ERR_SCHEMA;
        return 0;
}

/* What was said of the signature holds; of the rest what fits the document. */
static int complete(struct engine_records *k, uint32_t number, struct tide_supply *t)
{
        const struct verdict *v = number < SUPPLY_DOCUMENTS ? &k->verdicts[number] : NULL;

        t->source = bytes_str(k->now.file);
        t->key = t->key_id = bytes_of(NULL, 0);
        t->signature = SIGNATURE_NONE;
        if (t->part == SUPPLY_ADMISSION)
                return t->document.len == TIDE_SHA256 ? 0 : ERR_SCHEMA;
        if (!v || !v->told || !bytes_eq(t->document, bytes_of(v->sha256, sizeof(v->sha256))))
                return ERR_SCHEMA;
        t->signature = v->signature;
        t->key = bytes_str(v->why);
        if (v->signature == SIGNATURE_VERIFIED) {
                size_t n = k->key_numbers[v->key];

                t->key = bytes_str(keys_path(k->keys, n));
                t->key_id = bytes_str(keys_id(k->keys, n));
        }
        return 0;
}

static void note_open(struct engine_records *k, const struct tide_supply *t)
{
        k->open = t->part == SUPPLY_BEGIN;
        snprintf(k->open_digest, sizeof(k->open_digest), "%.*s", (int)t->digest.len, (const char *)t->digest.p);
        memcpy(k->open_document, t->document.p, sizeof(k->open_document));
}

/* One that begins, or is all of it. */
static int on_head(struct engine *e, const struct tide_event *ev)
{
        struct engine_records *k = e->records;
        const struct tide_supply *t = &ev->supply;
        bool elsewhere = k->now.image && !bytes_eq(t->digest, bytes_str(k->now.image));
        json_t *o = NULL;

        note_open(k, t);
        k->taken++;
        k->elsewhere += elsewhere;
        if (t->part == SUPPLY_ADMISSION)
                k->admissions++;
        else
                k->by_signature[t->signature]++;
        if (k->told < RESULTS_BYTES) {
                o = query_record_json(&ev->supply);
                json_object_set_new(o, "elsewhere", json_boolean(elsewhere));
                json_object_set_new(o, "known_here", json_boolean(query_digest_is_here(e->pipeline, t->digest)));
                k->told += o ? query_size(o) : 0;
                if (!o || json_array_append_new(k->results, o) < 0)
                        return -ENOMEM;
        }
        k->current = k->open ? o : NULL;
        return 0;
}

static void on_tail(struct engine_records *k, const struct tide_supply *t)
{
        if (k->current) {
                json_object_set_new(k->current, "packages", json_integer(t->packages));
                json_object_set_new(k->current, "files", json_integer(t->files));
                json_object_set_new(k->current, "left_out", json_integer(t->refused));
        }
        k->open = false;
        k->current = NULL;
}

static int on_event(struct engine *e, const struct supplywire *m)
{
        struct engine_records *k = e->records;
        struct tide_event ev, clean = {.kind = TIDE_RECORD};
        char digest[SUPPLY_DIGEST];
        size_t used;
        int r;

        k->parsing = true;
        if (tide_decode(m->text.p, m->text.len, &ev, &used) < 0 || ev.kind != TIDE_RECORD ||
            ev.supply.part == SUPPLY_NONE || ev.supply.part == SUPPLY_REMOVED)
                return ERR_SCHEMA;
        clean.supply = ev.supply; /* nothing else of it counts */
        snprintf(digest, sizeof(digest), "%.*s", (int)ev.supply.digest.len, (const char *)ev.supply.digest.p);
        r = ev.supply.digest.len == strlen(digest) && supply_is_digest(digest) ? complete(k, m->number, &clean.supply)
                                                                               : ERR_SCHEMA;
        if (r < 0)
                return r;
        if (clean.supply.part == SUPPLY_BEGIN || clean.supply.part == SUPPLY_PROVENANCE ||
            clean.supply.part == SUPPLY_ADMISSION)
                r = take_back(e) < 0 ? -ENOMEM : on_head(e, &clean);
        else if (clean.supply.part == SUPPLY_END)
                on_tail(k, &clean.supply);
        return r < 0 ? r : inject(e, &clean);
}

static int on_refused(struct engine *e, const struct supplywire *m)
{
        struct engine_records *k = e->records;
        char why[SUPPLY_WHY + 64];

        k->refused_total++;
        k->refusals++;
        if (k->told < RESULTS_BYTES) {
                json_t *o = json_pack("{s:I,s:s}", "number", (json_int_t)m->number + 1, "why",
                                      str_print(m->text, why, sizeof(why)));

                k->told += o ? query_size(o) : 0;
                json_array_append_new(k->refused, o);
        }
        k->current = NULL;
        return take_back(e);
}

static const char *first_refusal(const struct engine_records *k)
{
        const char *why = json_string_value(json_object_get(json_array_get(k->refused, 0), "why"));

        return why ? why : "it holds nothing that is taken";
}

static json_t *answer(const struct engine_records *k, const struct supply_result *n)
{
        char file[200];
        json_t *data = json_pack("{s:s,s:b,s:s,s:O,s:O,s:I,s:I,s:I,s:I,s:I,s:I}", "command", "record.import", "dry_run",
                                 k->now.dry, "file", str_print(bytes_str(k->now.file), file, sizeof(file)), "records",
                                 k->results, "refused", k->refused, "admissions", (json_int_t)n->admissions,
                                 "lines_passed", (json_int_t)n->lines_passed, "lines_without_digest",
                                 (json_int_t)n->lines_undigested, "lines_refused", (json_int_t)n->lines_refused, "more",
                                 (json_int_t)(k->taken - json_array_size(k->results)), "refused_more",
                                 (json_int_t)(k->refusals - json_array_size(k->refused)));

        return data ? json_pack("{s:b,s:o}", "ok", 1, "data", data) : NULL;
}

static int on_end(struct engine *e, const struct supplywire *m)
{
        struct engine_records *k = e->records;
        char why[SUPPLY_WHY + 64], file[200];
        int r = 0;

        if (m->status < 0)
                return fail(e, "%s", m->text.len ? str_print(m->text, why, sizeof(why)) : err_str(m->status));
        if (k->taken == 0 && m->result.lines_passed + m->result.lines_undigested == 0)
                return fail(e, "%s", first_refusal(k));
        r = take_back(e);
        if (r == 0 && !k->now.dry)
                r = engine_commit(e, true);
        k->again = r < 0;
        if (r < 0)
                return fail(e, "it could not be stored: %s", err_str(r));
        k->imported++;
        log_info(MOD, "%s: %u record%s%s", str_print(bytes_str(k->now.file), file, sizeof(file)), k->taken,
                 k->taken == 1 ? "" : "s", k->now.dry ? " (dry run)" : " imported");
        finish(e, answer(k, &m->result));
        return 1;
}

/* 1: it is over. */
static int on_message(struct engine *e, size_t len)
{
        static int (*const kinds[SUPPLYWIRE__MAX])(struct engine *, const struct supplywire *) = {
                [SUPPLYWIRE_DOCUMENT] = on_document, [SUPPLYWIRE_EVENT] = on_event,
                [SUPPLYWIRE_REFUSED] = on_refused,   [SUPPLYWIRE_END] = on_end};
        struct engine_records *k = e->records;
        struct supplywire m;
        int r = supplywire_decode(k->msg, len, &m);

        if (r == 0)
                r = kinds[m.kind] ? kinds[m.kind](e, &m) : ERR_SCHEMA;
        if (r != ERR_SCHEMA)
                return r;
        k->malformed++;
        return fail(e, "what its worker tells is malformed");
}

static int on_gone(struct engine *e)
{
        struct engine_records *k = e->records;
        char words[ENGINE_WORKER_END];
        int status = helper_gone(&k->pid);

        return fail(e, "%s", engine_worker_end(status, words));
}

static int on_worker(struct loop_src *src, int fd, short revents, void *arg)
{
        struct engine *e = arg;
        struct engine_records *k = e->records;
        int r = 0;

        (void)src, (void)revents;
        for (int n = 0; n < MESSAGES_A_TURN && r == 0; n++) {
                ssize_t len = recv(fd, k->msg, sizeof(k->msg), MSG_DONTWAIT);

                if (len < 0 && (errno == EAGAIN || errno == EINTR))
                        return LOOP_DONE;
                r = len <= 0 ? on_gone(e) : on_message(e, (size_t)len);
        }
        return r < 0 ? r : r == 0 ? LOOP_MORE : LOOP_DONE;
}

/* ---- one after the other ---- */

static int start(struct engine *e)
{
        struct engine_records *k = e->records;
        int r;

        memset(k->verdicts, 0, SUPPLY_DOCUMENTS * sizeof(k->verdicts[0]));
        k->parsing = k->open = k->again = false;
        k->taken = k->elsewhere = k->refusals = k->uncommitted = 0;
        k->told = 0;
        k->current = NULL;
        k->results = json_array();
        k->refused = json_array();
        r = k->results && k->refused ? start_worker(e) : -ENOMEM;
        if (r == 0)
                r = loop_add(e->loop, k->worker, POLLIN, LOOP_WORK, "record worker", on_worker, e, &k->src);
        if (r == 0)
                loop_timer_set(k->deadline, loop_now(e->loop) + DEADLINE_NS);
        return r;
}

static int start_next(struct engine *e)
{
        struct engine_records *k = e->records;
        int r = 0;

        while (r >= 0 && k->n && k->worker < 0) {
                k->now = k->waiting[0];
                memmove(k->waiting, k->waiting + 1, --k->n * sizeof(k->waiting[0]));
                r = start(e);
                k->again = r < 0;
                if (r < 0)
                        r = fail(e, "its worker cannot be started: %s", err_str(r));
        }
        return r < 0 ? r : 0;
}

/* The deadline of the one under way; or there is none, and the next one may begin. */
static void on_timer(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;
        int r = 0;

        (void)t;
        if (e->records->worker >= 0)
                r = fail(e, "reading it took longer than %llu s", (unsigned long long)(DEADLINE_NS / NSEC_PER_SEC));
        if (r >= 0)
                r = start_next(e);
        if (r < 0)
                loop_stop(e->loop, r);
}

static char *text_of(const json_t *request, const char *field)
{
        const char *text = json_string_value(json_object_get(request, field));

        return text ? strdup(text) : NULL;
}

static json_t *import(struct engine *e, const struct tide_event *command, const json_t *request, int fd)
{
        struct engine_records *k = e->records;
        const char *image = json_string_value(json_object_get(request, "image"));
        struct want *w;

        if (fd < 0)
                return failure(EXIT_USAGE,
                               "no document came with the command: a descriptor of it must come along (SCM_RIGHTS)");
        if (image && !supply_is_digest(image))
                return failure(EXIT_USAGE, "field \"image\" must be a digest such as sha256:... with 64 digits");
        if (k->program < 0)
                return failure(EXIT_FAILED, "the program that reads records, tidemark-image, is not installed");
        if (k->n == WAITING)
                return later("too many imports wait already, try again");
        w = &k->waiting[k->n];
        *w = (struct want){.command = command->act.id, .dry = json_is_true(json_object_get(request, "dry_run")),
                           .file = text_of(request, "file"), .image = text_of(request, "image"), .fd = -1};
        w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (w->fd < 0 || !w->file || (image && !w->image)) {
                want_clear(w);
                return later("out of memory or descriptors");
        }
        k->n++;
        if (k->worker < 0)
                loop_timer_set(k->deadline, loop_now(e->loop));
        return NULL;
}

static json_t *remove_record(struct engine *e, const struct query_env *env, const json_t *request)
{
        struct tide_event ev = {.kind = TIDE_RECORD, .sources = SRC_OPERATOR};
        uint8_t document[TIDE_SHA256];
        json_t *data = NULL, *wrong = query_record_find(env, request, document, &data);
        int r = 0;

        if (wrong)
                return wrong;
        ev.supply.part = SUPPLY_REMOVED;
        ev.supply.document = bytes_of(document, sizeof(document));
        if (!json_is_true(json_object_get(request, "dry_run"))) {
                r = engine_inject(e, &ev);
                if (r == 0)
                        r = engine_commit(e, true);
        }
        if (r == 0)
                return json_pack("{s:b,s:o}", "ok", 1, "data", data);
        json_decref(data);
        return failure(EXIT_FAILED, "not done: it could not be stored: %s", err_str(r));
}

json_t *engine_record_command(struct engine *e, const struct query_env *env, const struct tide_event *command,
                              const json_t *request, int fd)
{
        const char *name = json_string_value(json_object_get(request, "cmd"));
        json_t *wrong = query_record_check(request);

        if (wrong)
                return wrong;
        if (strcmp(name, "record.remove") == 0)
                return remove_record(e, env, request);
        return import(e, command, request, fd);
}

void engine_record_status(const struct engine *e, json_t *o)
{
        const struct engine_records *k = e->records;
        json_t *j = json_pack("{s:b,s:I,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "on", k->program >= 0, "waiting",
                              (json_int_t)k->n, "reading", k->worker >= 0, "imported", (json_int_t)k->imported,
                              "failed", (json_int_t)k->failed, "refused", (json_int_t)k->refused_total, "malformed",
                              (json_int_t)k->malformed, "keys", (json_int_t)k->nkeys, "admissions",
                              (json_int_t)k->admissions);

        for (unsigned i = 0; j && i < SIGNATURE__MAX; i++)
                json_object_set_new(j, tide_signature_name(i), json_integer((json_int_t)k->by_signature[i]));
        if (j)
                json_object_set_new(o, "record_worker", j);
}

/* Keys that can be used, and what is wrong with the others. */
static void take_keys(struct engine_records *k)
{
        for (size_t i = 0; k->keys && i < keys_count(k->keys); i++) {
                const char *wrong = keys_wrong(k->keys, i);

                if (!wrong && keys_pem(k->keys, i).len > SUPPLYWIRE_PEM)
                        wrong = "it is larger than 56 KiB";
                if (wrong)
                        log_warn(MOD, "records.keys: %s: %s: no signature of it is taken", keys_path(k->keys, i),
                                 wrong);
                else
                        k->key_numbers[k->nkeys++] = (uint32_t)i;
        }
}

int engine_record_open(struct engine *e, const struct engine_setup *s)
{
        struct engine_records *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        e->records = k;
        k->program = s->reader_fd;
        k->worker = -1;
        k->now.fd = -1;
        k->keys = s->records_keys;
        r = k->keys ? keys_parse(k->keys) : 0;
        if (r < 0)
                return r;
        take_keys(k);
        k->verdicts = calloc(SUPPLY_DOCUMENTS, sizeof(k->verdicts[0]));
        return k->verdicts ? loop_timer_new(e->loop, on_timer, e, &k->deadline) : -ENOMEM;
}

void engine_record_close(struct engine *e)
{
        struct engine_records *k = e->records;

        if (!k)
                return;
        k->src = loop_src_del(k->src);
        if (k->worker >= 0)
                close(k->worker);
        helper_leave(&k->stuck, &k->pid);
        want_clear(&k->now);
        for (uint32_t i = 0; i < k->n; i++)
                want_clear(&k->waiting[i]);
        json_decref(k->results);
        json_decref(k->refused);
        loop_timer_free(k->deadline);
        if (k->program >= 0)
                close(k->program);
        free(k->verdicts);
        free(k);
        e->records = NULL;
}
