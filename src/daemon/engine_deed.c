/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deeds: what an operator (or the configuration) wants of the sensor: evidence, containment.
 *
 * Owns: which requests are under way, and what has been said of each. Must not: decide whether a deed may be done (the
 * sensor does, from the command that it holds), or believe that it was done before the sensor says so. Hands over:
 * ACT_DEED, one a container; what the sensor says (TIDE_DONE) to the pipeline; the answer, when the last one has come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engine-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/query.h"

#define MOD "engine"
#define WAITING 16u
#define SILENCE_NS (300 * NSEC_PER_SEC)

struct waiting {
        uint64_t command; /* 0: free */
        struct query_deed deed;
        size_t left; /* containers of which the last word has not come */
        json_t *results;
        uint64_t until; /* boot time: without a word until then it is answered as it stands */
};

struct engine_deeds {
        struct waiting waiting[WAITING];
        struct loop_timer *timer;
        uint64_t refused;
};

static json_t *failure(int code, const char *words)
{
        return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", words, "code", code);
}

static struct waiting *find(struct engine *e, uint64_t command)
{
        for (size_t i = 0; i < WAITING; i++)
                if (e->deeds->waiting[i].command == command)
                        return &e->deeds->waiting[i];
        return NULL;
}

/* Of all that is done to a container, but for letting it go again. */
static bool takes_evidence(unsigned deed)
{
        return deed == DEED_CAPTURE || deed == DEED_ISOLATE || deed == DEED_KILL;
}

static int ask(struct engine *e, const struct waiting *w, const char *container, struct bytes args)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = bytes_str(container)};
        _cleanup_buf_ struct buf more = {.p = NULL};

        ev.act.act = ACT_DEED;
        ev.act.id = w->command;
        ev.act.deed = w->deed.deed;
        ev.act.flags = w->deed.dry_run ? DEEDF_DRY_RUN : 0;
        ev.act.finding = w->deed.finding;
        ev.act.name = bytes_str(w->deed.name ? w->deed.name : "");
        ev.act.args = args;
        if (!takes_evidence(w->deed.deed) || w->deed.dry_run)
                return engine_send(e, &ev);
        buf_init(&more, TIDE_RECORD_MAX - 4096);
        buf_put(&more, args.p, args.len);
        engine_evidence_args(e, ev.container, w->deed.finding, &more);
        ev.act.args = more.err ? args : buf_bytes(&more);
        return engine_send(e, &ev);
}

/* The owners of deeds have deadlines of their own; this one is for what they did not think of. */
static void wait_longer(struct engine *e, struct waiting *w)
{
        uint64_t next = UINT64_MAX;

        w->until = loop_now(e->loop) + SILENCE_NS + e->cfg->evidence.max_time_ns;
        for (size_t i = 0; i < WAITING; i++)
                if (e->deeds->waiting[i].command && e->deeds->waiting[i].until < next)
                        next = e->deeds->waiting[i].until;
        if (next != UINT64_MAX)
                loop_timer_set(e->deeds->timer, next);
}

json_t *engine_deed_command(struct engine *e, const struct query_env *env, uint64_t command, const json_t *request)
{
        _cleanup_buf_ struct buf args;
        struct waiting *w = find(e, 0);
        json_t *answer = NULL;
        int r;

        buf_init(&args, TIDE_RECORD_MAX / 2);
        if (!w) {
                e->deeds->refused++;
                return failure(EXIT_FAILED, "too many containers are being acted on, try again");
        }
        if (query_deed(env, request, &w->deed, &args, &answer) < 0)
                return answer ? answer : failure(EXIT_FAILED, "out of memory");
        w->results = json_array();
        if (!w->results)
                return failure(EXIT_FAILED, "out of memory");
        w->command = command;
        wait_longer(e, w);
        w->left = w->deed.n ? w->deed.n : 1;
        r = w->deed.n ? 0 : ask(e, w, "", buf_bytes(&args));
        for (size_t i = 0; i < w->deed.n && r == 0; i++)
                r = ask(e, w, w->deed.containers[i].id, buf_bytes(&args));
        w->deed.name = NULL; /* of the request */
        if (r == 0)
                return NULL;
        json_decref(w->results); /* what comes of those that were asked has no one to tell it to */
        memset(w, 0, sizeof(*w));
        return failure(EXIT_FAILED, "the sensor does not take requests now");
}

static const char *name_of(const struct waiting *w, struct bytes container)
{
        for (size_t i = 0; i < w->deed.n; i++)
                if (bytes_eq(bytes_str(w->deed.containers[i].id), container))
                        return w->deed.containers[i].name;
        return "";
}

static json_t *text_json(struct bytes s)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 4 * TIDE_RECORD_MAX);
        str_escape(s, &b);
        return json_string(b.err ? "" : buf_cstr(&b));
}

static int add_result(struct waiting *w, const struct tide_event *ev)
{
        json_t *facts = ev->done.facts.len
                                ? json_loadb((const char *)ev->done.facts.p, ev->done.facts.len, 0, NULL)
                                : NULL;

        return json_array_append_new(
                w->results,
                json_pack("{s:o,s:s,s:s,s:b,s:o,s:o,s:o}", "container", text_json(ev->container), "name",
                          name_of(w, ev->container), "state", tide_deed_state_name(ev->done.state), "last",
                          ev->done.last != 0, "file", text_json(ev->done.name), "words", text_json(ev->done.words),
                          "facts", facts ? facts : json_object()));
}

static void answer(struct engine *e, struct waiting *w)
{
        json_t *data = json_pack("{s:s,s:b,s:I,s:o}", "deed", tide_deed_name(w->deed.deed), "dry_run",
                                 w->deed.dry_run, "command", (json_int_t)w->command, "results", w->results);

        engine_control_reply(e, w->command, data ? json_pack("{s:b,s:o}", "ok", 1, "data", data) : NULL);
        memset(w, 0, sizeof(*w));
}

/* Is it a fact that findings, recordings and the next life want to know? */
static bool is_fact(const struct tide_done *d)
{
        bool mistake = d->state == DEED_REFUSED && d->command; /* of who asked, who is told so: the trail has it */

        return d->state != DEED_PLANNED && !mistake && d->deed != DEED_LIST && d->deed != DEED_COPY;
}

int engine_deed_done(struct engine *e, const struct tide_event *ev, int *fd)
{
        struct waiting *w = ev->done.command ? find(e, ev->done.command) : NULL;
        struct tide_event fact = *ev;
        int r = is_fact(&ev->done) ? engine_event(e, &fact) : 0;

        (void)fd;
        engine_evidence_done(e, ev);
        if (!w)
                return r;
        wait_longer(e, w);
        if (ev->done.deed != w->deed.deed) /* of the evidence that is taken beside an isolation: no answer to that */
                return r;
        if (add_result(w, ev) < 0)
                log_error(MOD, "an answer to command %llu was lost: %s", (unsigned long long)w->command,
                          err_str(-ENOMEM));
        if (ev->done.last && w->left > 0 && --w->left == 0)
                answer(e, w);
        return r;
}

static void on_silence(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;

        (void)t;
        for (size_t i = 0; i < WAITING; i++) {
                struct waiting *w = &e->deeds->waiting[i];

                if (!w->command || w->until > loop_now(e->loop))
                        continue;
                log_error(MOD, "command %llu: what became of it was not said", (unsigned long long)w->command);
                engine_control_reply(e, w->command,
                                     failure(EXIT_FAILED, "what became of it was not said in time: see tidemark trail "
                                                          "show, and tidemark contain list"));
                json_decref(w->results);
                memset(w, 0, sizeof(*w));
        }
}

int engine_deed_open(struct engine *e)
{
        e->deeds = calloc(1, sizeof(*e->deeds));
        return e->deeds ? loop_timer_new(e->loop, on_silence, e, &e->deeds->timer) : -ENOMEM;
}

void engine_deed_close(struct engine *e)
{
        for (size_t i = 0; e->deeds && i < WAITING; i++)
                json_decref(e->deeds->waiting[i].results);
        if (e->deeds)
                loop_timer_free(e->deeds->timer);
        free(e->deeds);
        e->deeds = NULL;
}
