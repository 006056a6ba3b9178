/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: one recording that is played into several judges at once, one without a rule and one with each, and which
 * finding of one is which of another: that of the same act. Must not: trust numbers of findings: where a rule keeps one
 * back, those behind it are counted otherwise. Hands over: what was shown without, and what of it is left with.
 *
 * Operators' decisions of the recording are replayed on every side. Where one names a finding or a rule by its number,
 * the side's own number takes its place; where a side has no such finding, or it is of a candidate, which are counted
 * otherwise too, it is passed over there: a side may show more by that, never less.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case/tune-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/map.h"
#include "tidemark/query.h"
#include "tidemark/record.h"
#include "tidemark/tune.h"

#define ACTS_MAX 4096u /* of one record: what was held back may come at once */
#define LATE_EVERY 1024u
#define FINDINGS_MAX 1000000u

struct act {
        uint64_t seq, finding;
};
struct side {
        struct pipeline *p;
        struct map *sure; /* number of a finding → its highest confidence and 1; 1: never shown */
        struct map *is;   /* base's number → this side's latest */
        struct act *acts;
        size_t nacts;
        uint64_t shift; /* its events are numbered so much higher */
        uint64_t rule;  /* its number */
        int err;
};
struct player {
        const struct tune_setup *s;
        const struct tune_play *t;
        size_t n;
        bool begun;
        struct side base, side[TUNE_SIDES];
        uint32_t show;
        struct tune_played *out;
        struct buf scratch;
};

/* ---- what a side tells ---- */

static struct bytes number(const uint64_t *n)
{
        return bytes_of(n, sizeof(*n));
}

static void put_number(struct side *s, struct map *m, uint64_t key, uint64_t value)
{
        int r = map_put(m, number(&key), (void *)(uintptr_t)value);

        s->err = s->err ? s->err : r;
}

static uint64_t get_number(const struct map *m, uint64_t key)
{
        return (uint64_t)(uintptr_t)map_get(m, number(&key));
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        struct side *s = arg;
        bool counts = f->type == FINDING_DRIFT || f->type == FINDING_SESSION; /* the others are lists to be looked at */
        uint64_t sure = counts && !f->suppressed ? f->confidence + 1u : 1u;

        (void)opened;
        if (get_number(s->sure, f->id) < sure)
                put_number(s, s->sure, f->id, sure);
}

static void on_event(const struct tide_event *ev, struct bytes workload, const char *verdict, uint64_t finding,
                     void *arg)
{
        struct side *s = arg;

        (void)workload, (void)verdict;
        if (finding && s->nacts < ACTS_MAX)
                s->acts[s->nacts++] = (struct act){ev->seq, finding};
}

static bool is_shown(const struct side *s, uint64_t finding, uint32_t show)
{
        return get_number(s->sure, finding) > show;
}

/* ---- sides ---- */

static int open_side(struct player *pl, struct side *s, const struct tide_event *snapshot)
{
        static const struct pipeline_ops ops = {.event = on_event, .finding = on_finding};
        static const struct map_seed seed = {0x746964656d61726b, 0x74756e6574756e65};
        struct judge_params jp;
        struct fuse_params fp;
        int r = pl->s->make_params(snapshot->state.text, &jp, &fp, pl->s->arg);

        if (r < 0)
                return r;
        pl->show = jp.show;
        s->acts = calloc(ACTS_MAX, sizeof(*s->acts));
        r = s->acts ? map_new(FINDINGS_MAX, seed, NULL, &s->sure) : -ENOMEM;
        if (r == 0)
                r = map_new(FINDINGS_MAX, seed, NULL, &s->is);
        if (r == 0)
                r = pipeline_new(&jp, &fp, &ops, s, &s->p);
        return r;
}

static void close_side(struct side *s)
{
        pipeline_free(s->p);
        map_free(s->sure);
        map_free(s->is);
        free(s->acts);
}

static void put_rule(const json_t *rule, bool anybody, struct buf *out)
{
        static const char *const fields[] = {"workload", "path", "executable", "destination", "origin", "signal"};

        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
                const char *text = tune_text(rule, fields[i]);

                if (text && !(anybody && i == 0))
                        tide_list_put(out, bytes_str(fields[i]), bytes_str(text));
        }
        tide_list_put(out, BYTES_LIT("reason"), BYTES_LIT("tidemark tune: tried on what was recorded"));
}

static uint64_t rule_number(struct bytes said)
{
        struct bytes key, value;
        struct rd r;
        uint64_t n = 0;

        rd_init(&r, said.p, said.len);
        while (tide_list_next(&r, &key, &value))
                if (bytes_eq(key, BYTES_LIT("rule")) && bytes_has_prefix(value, BYTES_LIT("R-")))
                        for (uint32_t i = 2; i < value.len && value.p[i] >= '0' && value.p[i] <= '9'; i++)
                                n = 10 * n + (uint64_t)(value.p[i] - '0');
        return n;
}

/* The rule stands since ever: what was recorded may be of any time. */
static int add_rule(struct player *pl, size_t i)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR, .wall_ns = 1};
        struct side *s = &pl->side[i];
        int r;

        buf_reset(&pl->scratch);
        put_rule(pl->t->rules[i], pl->t->anybody, &pl->scratch);
        if (pl->scratch.err)
                return pl->scratch.err;
        ev.decision.verb = BYTES_LIT("allow.add");
        ev.decision.args = buf_bytes(&pl->scratch);
        ev.decision.login_uid = UINT32_MAX;
        r = pipeline_event(s->p, &ev);
        if (r == -EINVAL) {
                snprintf(pl->out->refused[i], sizeof(pl->out->refused[i]), "%.200s", judge_error(pipeline_judge(s->p)));
                return 0;
        }
        s->shift = 1;
        s->rule = rule_number(judge_result(pipeline_judge(s->p)));
        return r;
}

static int begin(struct player *pl)
{
        int r = 0;

        if (pl->begun)
                return 0;
        pl->begun = true;
        for (size_t i = 0; i < pl->n && r == 0; i++)
                r = add_rule(pl, i);
        return r;
}

/* ---- decisions that name things by number ---- */

static bool is_numbered(struct bytes s, char letter, uint64_t *ret)
{
        uint64_t n = 0;

        if (s.len < 3 || s.len > 20 || s.p[0] != (uint8_t)letter || s.p[1] != '-')
                return false;
        for (uint32_t i = 2; i < s.len; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return false;
                n = n * 10 + (uint64_t)(s.p[i] - '0');
        }
        *ret = n;
        return true;
}

/* The base's number of a finding as this side's; 0: it has none. */
static uint64_t finding_here(const struct player *pl, const struct side *s, uint64_t base)
{
        uint64_t here = get_number(s->is, base);

        /* One that nothing was told of here was there when the recording began, and has its number. */
        return here ? here : get_number(pl->base.sure, base) ? 0 : base;
}

/* false: it cannot be said here. */
static bool translate(const struct player *pl, const struct side *s, struct bytes text, struct buf *out)
{
        uint64_t n;

        if (is_numbered(text, 'B', &n))
                return false;
        if (is_numbered(text, 'R', &n)) {
                buf_printf(out, "R-%llu", (unsigned long long)(n + (s->rule && n >= s->rule)));
        } else if (is_numbered(text, 'F', &n)) {
                n = finding_here(pl, s, n);
                if (n == 0)
                        return false;
                buf_printf(out, "F-%llu", (unsigned long long)n);
        } else {
                buf_put(out, text.p, text.len);
        }
        return out->err == 0;
}

static bool translate_args(const struct player *pl, const struct side *s, struct bytes args, struct buf *out)
{
        _cleanup_buf_ struct buf one;
        struct bytes key, value;
        struct rd r;

        buf_init(&one, TIDE_RECORD_MAX);
        rd_init(&r, args.p, args.len);
        while (tide_list_next(&r, &key, &value)) {
                buf_reset(&one);
                if (!translate(pl, s, value, &one))
                        return false;
                tide_list_put(out, key, buf_bytes(&one));
        }
        return out->err == 0;
}

/* What cannot be said here becomes one that nobody understands: the order of events stays what it is. */
static int play_decision(struct player *pl, struct side *s, struct tide_event *ev)
{
        _cleanup_buf_ struct buf target, args;

        buf_init(&target, TIDE_RECORD_MAX);
        buf_init(&args, TIDE_RECORD_MAX);
        if (translate(pl, s, ev->decision.target, &target) && translate_args(pl, s, ev->decision.args, &args)) {
                ev->decision.target = buf_bytes(&target);
                ev->decision.args = buf_bytes(&args);
        } else {
                ev->decision.verb = BYTES_LIT("passed-over");
        }
        return pipeline_play(s->p, ev);
}

/* ---- acts of one record ---- */

static struct tune_found *found_of(struct tune_played *out, uint64_t id)
{
        for (size_t i = out->n; i > 0; i--) /* it is mostly the latest */
                if (out->found[i - 1].id == id)
                        return &out->found[i - 1];
        if (out->n == out->cap) {
                size_t cap = out->cap ? 2 * out->cap : 64;
                struct tune_found *all = realloc(out->found, cap * sizeof(*all));

                if (!all)
                        return NULL;
                out->found = all;
                out->cap = cap;
        }
        out->found[out->n] = (struct tune_found){.id = id};
        return &out->found[out->n++];
}

/* Which finding of the side holds the act that is of this one without the rule? Whether it is shown is known at the
 * end: they are kept as pairs. */
struct pair {
        uint64_t base, here;
};

static void join(struct player *pl, struct side *s)
{
        for (size_t i = 0; i < pl->base.nacts; i++)
                for (size_t k = 0; k < s->nacts; k++)
                        if (s->acts[k].seq == pl->base.acts[i].seq + s->shift) {
                                struct pair both = {pl->base.acts[i].finding, s->acts[k].finding};
                                int r = map_put(s->is, bytes_of(&both, sizeof(both)), s);

                                s->err = s->err ? s->err : r;
                                put_number(s, s->is, both.base, both.here);
                        }
}

static int after_record(struct player *pl)
{
        int r = pl->base.err;

        for (size_t i = 0; i < pl->base.nacts && r == 0; i++)
                r = found_of(pl->out, pl->base.acts[i].finding) ? 0 : -ENOMEM;
        for (size_t i = 0; i < pl->n; i++) {
                if (pl->base.nacts)
                        join(pl, &pl->side[i]);
                pl->side[i].nacts = 0;
                r = r ? r : pl->side[i].err;
        }
        pl->base.nacts = 0;
        return r;
}

static int play_record(struct player *pl, const struct tide_event *record)
{
        struct tide_event ev = *record;
        int r = record->kind == TIDE_STATE ? 0 : begin(pl);

        if (r == 0)
                r = pipeline_play(pl->base.p, &ev);
        for (size_t i = 0; i < pl->n && r == 0; i++) {
                ev = *record;
                if (pl->out->refused[i][0] != '\0')
                        continue;
                r = ev.kind == TIDE_DECISION ? play_decision(pl, &pl->side[i], &ev) : pipeline_play(pl->side[i].p, &ev);
        }
        return r == 0 ? after_record(pl) : r;
}

/* ---- the whole ---- */

static bool is_late(const struct tune_setup *s)
{
        return s->late && s->late(s->arg);
}

/* The first record, of this recording or of the one that it goes on from. */
static int open_sides(struct player *pl, struct record_reader *reader)
{
        struct tide_event ev;
        int r = record_next(reader, &ev);

        if (r == 0 || (r == 1 && ev.kind != TIDE_SNAPSHOT))
                return ERR_SCHEMA;
        if (r < 0)
                return r;
        pl->out->from_ns = ev.wall_ns;
        r = open_side(pl, &pl->base, &ev);
        for (size_t i = 0; i < pl->n && r == 0; i++)
                r = open_side(pl, &pl->side[i], &ev);
        return r;
}

/* of: what kinds of records count; the others are passed over. */
enum records { EVERY, PIECES, EVENTS };

static int play_all(struct player *pl, struct record_reader *reader, enum records of)
{
        struct tide_event ev;
        int r;

        while ((r = record_next(reader, &ev)) == 1) {
                bool piece = ev.kind == TIDE_STATE || ev.kind == TIDE_SNAPSHOT;

                if (of != EVERY && piece != (of == PIECES))
                        continue;
                r = play_record(pl, &ev);
                if (r < 0)
                        return r;
                pl->out->events += !piece;
                if (pl->out->events % LATE_EVERY == 0 && is_late(pl->s)) {
                        pl->out->late = true;
                        return 0;
                }
        }
        if (r == ERR_TRUNCATED) { /* of a life that was killed, or the one that is written now */
                pl->out->cut = true;
                r = 0;
        }
        return r;
}

static int play_learned(struct player *pl)
{
        struct record_reader *reader = NULL;
        int r = record_reader_new(pl->t->learned_fd, &reader);

        if (r == 0)
                r = open_sides(pl, reader);
        if (r == 0)
                r = play_all(pl, reader, PIECES);
        record_reader_free(reader);
        return r;
}

static int play_it(struct player *pl)
{
        struct record_reader *reader = NULL;
        bool learned = pl->t->learned_fd >= 0;
        int r = learned ? play_learned(pl) : 0;

        if (r == 0)
                r = record_reader_new(pl->t->fd, &reader);
        if (r == 0 && !learned)
                r = open_sides(pl, reader);
        if (r == 0)
                r = play_all(pl, reader, learned ? EVENTS : EVERY);
        record_reader_free(reader);
        return r;
}

static int flush(struct player *pl)
{
        int r = pl->base.p ? pipeline_flush(pl->base.p) : 0;

        for (size_t i = 0; i < pl->n && r == 0; i++)
                if (pl->side[i].p && pl->out->refused[i][0] == '\0')
                        r = pipeline_flush(pl->side[i].p);
        return r == 0 ? after_record(pl) : r;
}

/* What was shown without a rule; and with it? */
static void settle(struct player *pl)
{
        size_t kept = 0;

        for (size_t i = 0; i < pl->out->n; i++)
                if (is_shown(&pl->base, pl->out->found[i].id, pl->show))
                        pl->out->found[kept++] = pl->out->found[i];
        pl->out->n = kept;
        for (size_t k = 0; k < pl->n; k++) {
                const struct side *s = &pl->side[k];
                struct bytes key;
                void *value;

                for (size_t at = 0; s->is && map_next(s->is, &at, &key, &value);) {
                        struct pair both;

                        if (key.len != sizeof(both))
                                continue;
                        memcpy(&both, key.p, sizeof(both));
                        for (size_t i = 0; i < kept; i++)
                                if (pl->out->found[i].id == both.base && is_shown(s, both.here, pl->show))
                                        pl->out->found[i].left[k] = true;
                }
                for (size_t i = 0; pl->out->refused[k][0] != '\0' && i < kept; i++)
                        pl->out->found[i].left[k] = true;
        }
}

static int on_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        _cleanup_(finding_freep) struct finding *f = NULL;
        struct player *pl = arg;

        (void)key;
        if (what != PIECE_FINDING || finding_decode(blob, &f) < 0)
                return 0;
        for (size_t i = 0; i < pl->out->n; i++)
                if (pl->out->found[i].id == f->id) {
                        pl->out->found[i].as_json = finding_json(f, pl->show);
                        return pl->out->found[i].as_json ? 0 : -ENOMEM;
                }
        return 0;
}

static int put_findings(struct player *pl)
{
        return pl->t->as_json && pl->base.p ? judge_each(pipeline_judge(pl->base.p), on_piece, pl) : 0;
}

int tune_play(const struct tune_play *t, const struct tune_setup *s, struct tune_played *ret)
{
        struct player *pl = calloc(1, sizeof(*pl));
        int r;

        if (!pl)
                return -ENOMEM;
        *pl = (struct player){.s = s, .t = t, .n = t->n, .out = ret};
        buf_init(&pl->scratch, TIDE_RECORD_MAX);
        r = play_it(pl);
        if (r == 0)
                r = flush(pl);
        settle(pl);
        if (r == 0)
                r = put_findings(pl);
        close_side(&pl->base);
        for (size_t i = 0; i < pl->n; i++)
                close_side(&pl->side[i]);
        buf_release(&pl->scratch);
        free(pl);
        return r;
}

void tune_played_release(struct tune_played *p)
{
        for (size_t i = 0; i < p->n; i++)
                json_decref(p->found[i].as_json);
        free(p->found);
        memset(p, 0, sizeof(*p));
}

int tune_snapshot(int fd, uint64_t *ret_bytes, int64_t *ret_from_ns)
{
        struct record_reader *reader = NULL;
        struct tide_event ev;
        int r = record_reader_new(fd, &reader);

        if (r == 0)
                r = record_next(reader, &ev);
        if (r == 1 && ev.kind != TIDE_SNAPSHOT)
                r = ERR_SCHEMA;
        if (r == 1) {
                *ret_from_ns = ev.wall_ns;
                do {
                        *ret_bytes = record_offset(reader);
                        r = record_next(reader, &ev);
                } while (r == 1 && ev.kind == TIDE_STATE);
        }
        record_reader_free(reader);
        return r < 0 && r != ERR_TRUNCATED ? r : 0;
}
