/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: fuse and judge, the order of events, and what of them is stored and recorded. Must not: read a clock, or behave
 * otherwise in replay than live. Hands over: changed pieces to the store, events to the recording, words to its owner.
 */
#include "tidemark/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "case/recent-priv.h"
#include "tidemark/event.h"
#include "tidemark/map.h"
#include "tidemark/record.h"
#include "tidemark/store.h"

#define CLOSED_MAX 1000000u
#define CLOSED_BYTES (256u * 1024)

struct pipeline {
        struct judge *judge;
        struct fuse *fuse;
        const struct pipeline_ops *ops;
        void *arg;
        struct store *store; /* NULL in replay: then what it would hold of closed findings is here: */
        struct map *closed;  /* key → struct str_owned, encoded; NULL: none yet */
        struct {
                struct record_writer *w; /* NULL: none */
                int err;
        } recorder[RECORDER__MAX];
        int store_err;
        struct recent *recent;
        uint64_t damaged; /* stored pieces that could not be taken up */
        uint64_t seq;
        bool played; /* in replay: an event has come, and the snapshot is over */
};

static void blob_free(void *p)
{
        str_clear(p);
        free(p);
}

static struct bytes id_key(uint64_t id, uint8_t key[8])
{
        for (int b = 0; b < 8; b++)
                key[b] = (uint8_t)(id >> (56 - 8 * b));
        return bytes_of(key, 8);
}

/* Where there is no store, a closed finding is kept here: the judge forgets it. */
static int keep_closed(struct pipeline *p, const struct finding *f)
{
        _cleanup_buf_ struct buf b;
        struct str_owned *v;
        uint8_t key[8];
        int r = p->closed ? 0 : map_new(CLOSED_MAX, (struct map_seed){1, 2}, blob_free, &p->closed);

        buf_init(&b, CLOSED_BYTES);
        if (r == 0)
                r = finding_encode(f, &b);
        if (r < 0)
                return r;
        v = calloc(1, sizeof(*v));
        r = v ? str_set(v, buf_bytes(&b)) : -ENOMEM;
        if (r == 0)
                r = map_put(p->closed, id_key(f->id, key), v);
        if (r < 0 && v)
                blob_free(v);
        return r;
}

/* It was opened again, or is kept no longer. */
static void drop_closed(struct pipeline *p, struct bytes key)
{
        if (p->closed && map_del(p->closed, key) < 0)
                return; /* it was none of them */
}

static void save(struct pipeline *p, int what, struct bytes key, struct bytes blob)
{
        int r = p->store ? store_put(p->store, what, key, blob) : 0;

        if (what == PIECE_FINDING)
                drop_closed(p, key);

        if (r < 0 && p->store_err == 0)
                p->store_err = r; /* out of memory, or more pending than the store takes: told by the next event */
}

static void on_judge_save(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        save(arg, what, key, blob);
}

static void on_fuse_save(int what, struct bytes key, struct bytes blob, void *arg)
{
        save(arg, what, key, blob);
}

static int on_fused(const struct tide_event *ev, void *arg)
{
        struct pipeline *p = arg;

        return judge_event(p->judge, ev);
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        struct pipeline *p = arg;
        int r = !p->store && f->state == FINDING_CLOSED ? keep_closed(p, f) : 0;

        if (r < 0 && p->store_err == 0)
                p->store_err = r;
        if (p->ops && p->ops->finding)
                p->ops->finding(f, opened, p->arg);
}

static void on_news(const struct finding *f, unsigned news, void *arg)
{
        struct pipeline *p = arg;

        if (p->ops && p->ops->news)
                p->ops->news(f, news, p->arg);
}

static void on_verdict(const struct tide_event *ev, struct bytes workload, const char *what, uint64_t finding,
                       void *arg)
{
        struct pipeline *p = arg;

        recent_put(p->recent, ev, workload, what, finding);
        if (p->ops && p->ops->event)
                p->ops->event(ev, workload, what, finding, p->arg);
}

static void on_note(struct bytes workload, const char *words, void *arg)
{
        struct pipeline *p = arg;

        if (p->ops && p->ops->note)
                p->ops->note(workload, words, p->arg);
}

int pipeline_new(const struct judge_params *jp, const struct fuse_params *fp, const struct pipeline_ops *ops, void *arg,
                 struct pipeline **ret)
{
        static const struct judge_ops judge_ops = {
                .save = on_judge_save, .finding = on_finding, .news = on_news, .verdict = on_verdict, .note = on_note};
        static const struct fuse_ops fuse_ops = {.event = on_fused, .save = on_fuse_save};
        _cleanup_(pipeline_freep) struct pipeline *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->ops = ops;
        p->arg = arg;
        r = judge_new(jp, &judge_ops, p, &p->judge);
        if (r == 0)
                r = recent_new(&p->recent);
        if (r == 0)
                r = fuse_new(fp, &fuse_ops, p, &p->fuse);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

struct pipeline *pipeline_free(struct pipeline *p)
{
        if (!p)
                return NULL;
        fuse_free(p->fuse);
        judge_free(p->judge);
        recent_free(p->recent);
        map_free(p->closed);
        free(p);
        return NULL;
}

/* ---- the store ---- */

struct loading {
        struct pipeline *p;
        int what;
};

static int take_piece(struct pipeline *p, int what, struct bytes key, struct bytes blob)
{
        return what == FUSE_PIECE ? fuse_restore(p->fuse, key, blob)
                                  : judge_restore(p->judge, (enum judge_piece)what, key, blob);
}

static int on_stored(struct bytes key, struct bytes blob, void *arg)
{
        struct loading *l = arg;
        int r = take_piece(l->p, l->what, key, blob);

        if (r != ERR_LIMIT && r != ERR_SCHEMA && r != ERR_TRUNCATED)
                return r;
        l->p->damaged++; /* one piece that does not fit must not take the others along */
        return 0;
}

int pipeline_use_store(struct pipeline *p, struct store *s)
{
        static const int order[] = {PIECE_META,      PIECE_WORKLOAD, PIECE_ENTRY,
                                    PIECE_CONTAINER, PIECE_NAME,     PIECE_TOLD,  PIECE_PRIOR,
                                    PIECE_SUPPLY,    PIECE_WRITER,   PIECE_RULE,  PIECE_FINDING,
                                    PIECE_PAST,      PIECE_WEEKS,    PIECE_RECORD, FUSE_PIECE};
        struct loading l = {.p = p};
        int r = 0;

        for (size_t i = 0; i < ARRAY_LEN(order) && r == 0; i++) {
                l.what = order[i];
                r = store_each(s, order[i], on_stored, &l);
        }
        if (r < 0)
                return r;
        p->store = s;
        judge_new_life(p->judge);
        return 0;
}

uint64_t pipeline_damaged(const struct pipeline *p)
{
        return p->damaged;
}

/* ---- the recording ---- */

static void record(struct pipeline *p, const struct tide_event *ev)
{
        for (int i = 0; i < RECORDER__MAX; i++)
                if (p->recorder[i].w && p->recorder[i].err == 0)
                        p->recorder[i].err = record_write(p->recorder[i].w, ev);
}

static int record_piece(struct record_writer *w, int what, struct bytes key, struct bytes blob)
{
        struct tide_event ev = {.kind = TIDE_STATE, .container = key};

        ev.state.what = (uint16_t)what;
        ev.state.text = blob;
        return record_write(w, &ev);
}

static int on_judge_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        return record_piece(arg, what, key, blob);
}

static int on_fuse_piece(int what, struct bytes key, struct bytes blob, void *arg)
{
        return record_piece(arg, what, key, blob);
}

int pipeline_record(struct pipeline *p, enum pipeline_recorder which, struct record_writer *w, struct bytes config_text,
                    int64_t wall_ns)
{
        struct tide_event ev = {.kind = TIDE_SNAPSHOT, .wall_ns = wall_ns, .seq = p->seq};
        int r = fuse_flush(p->fuse);

        ev.state.text = config_text;
        if (r == 0)
                r = record_write(w, &ev);
        if (r == 0)
                r = judge_each(p->judge, on_judge_piece, w);
        if (r == 0)
                r = fuse_each(p->fuse, on_fuse_piece, w);
        if (r == 0)
                r = record_flush(w);
        p->recorder[which].w = w;
        p->recorder[which].err = r;
        return r;
}

void pipeline_record_end(struct pipeline *p, enum pipeline_recorder which)
{
        p->recorder[which].w = NULL;
}

int pipeline_record_error(const struct pipeline *p, enum pipeline_recorder which)
{
        return p->recorder[which].err;
}

bool pipeline_settled(const struct pipeline *p)
{
        return fuse_settled(p->fuse) && judge_settled(p->judge);
}

/* ---- events ---- */

/* What the store did not take is told by the event that is at hand. */
static int with_store(struct pipeline *p, int r)
{
        if (r == 0) {
                r = p->store_err;
                p->store_err = 0;
        }
        return r;
}

int pipeline_event(struct pipeline *p, struct tide_event *ev)
{
        if (!tide_kind_is_event(ev->kind))
                return -EINVAL;
        ev->seq = ++p->seq;
        record(p, ev);
        return with_store(p, fuse_event(p->fuse, ev));
}

int pipeline_try(struct pipeline *p, const struct tide_event *ev)
{
        return judge_try(p->judge, ev);
}

int pipeline_flush(struct pipeline *p)
{
        return with_store(p, fuse_flush(p->fuse));
}

uint64_t pipeline_due(const struct pipeline *p)
{
        return fuse_due(p->fuse);
}

const struct recent *pipeline_recent(const struct pipeline *p)
{
        return p->recent;
}

struct judge *pipeline_judge(struct pipeline *p)
{
        return p->judge;
}

int pipeline_each_closed(struct pipeline *p, int (*cb)(struct bytes key, struct bytes blob, void *arg), void *arg)
{
        struct bytes key;
        void *value;
        int r = 0;

        for (size_t i = 0; r >= 0 && p->closed && map_next(p->closed, &i, &key, &value);)
                r = cb(key, str_get(value), arg);
        return r < 0 ? r : 0;
}

void pipeline_fuse_stats(const struct pipeline *p, struct fuse_stats *ret)
{
        fuse_stats(p->fuse, ret);
}

/* ---- replay ---- */

int pipeline_from(const struct tide_event *snapshot, pipeline_params_cb make_params, const struct pipeline_ops *ops,
                  void *arg, struct pipeline **ret)
{
        struct judge_params jp;
        struct fuse_params fp;
        int err;

        if (snapshot->kind != TIDE_SNAPSHOT)
                return ERR_SCHEMA;
        err = make_params(snapshot->state.text, &jp, &fp, arg);
        if (err == 0)
                err = pipeline_new(&jp, &fp, ops, arg, ret);
        if (err == 0)
                (*ret)->seq = snapshot->seq;
        return err;
}

/* One record: a piece of the snapshot, or an event. A decision that could not be done live cannot be done now. */
int pipeline_play(struct pipeline *p, struct tide_event *ev)
{
        int r;

        if (ev->kind == TIDE_STATE) {
                if (p->played) /* the snapshot is over: what is known comes of events alone */
                        return ERR_SCHEMA;
                r = take_piece(p, ev->state.what, ev->container, ev->state.text);
                return r == ERR_LIMIT ? 0 : r;
        }
        p->played = true;
        r = pipeline_event(p, ev);
        return r == -EINVAL && ev->kind == TIDE_DECISION ? 0 : r;
}

static int begin_replay(struct record_reader *r, pipeline_params_cb make_params, const struct pipeline_ops *ops,
                        void *arg, struct pipeline_replay *info, struct pipeline **ret)
{
        struct tide_event ev;
        int err = record_next(r, &ev);

        if (err <= 0)
                return err < 0 ? err : ERR_TRUNCATED;
        err = pipeline_from(&ev, make_params, ops, arg, ret);
        if (err < 0 && ev.kind == TIDE_SNAPSHOT)
                snprintf(info->why, sizeof(info->why), "its configuration is not understood by this version");
        return err;
}

int pipeline_replay(struct record_reader *r, pipeline_params_cb make_params, const struct pipeline_ops *ops, void *arg,
                    struct pipeline_replay *ret_info, struct pipeline **ret)
{
        _cleanup_(pipeline_freep) struct pipeline *p = NULL;
        struct pipeline_replay info = {.partial = ret_info->partial};
        uint64_t at = record_offset(r);
        struct tide_event ev;
        int err = begin_replay(r, make_params, ops, arg, &info, &p);

        while (err == 0) {
                at = record_offset(r);
                err = record_next(r, &ev);
                if (err == ERR_TRUNCATED && info.partial) {
                        info.cut = true;
                        err = 0;
                        break;
                }
                if (err <= 0)
                        break;
                err = pipeline_play(p, &ev);
                info.events += ev.kind != TIDE_STATE;
                if (err < 0)
                        snprintf(info.why, sizeof(info.why), "its %s record cannot be taken up: it %s",
                                 tide_kind_name(ev.kind), err_str(err));
                err = err < 0 ? err : 0;
        }
        if (err == 0)
                err = pipeline_flush(p);
        info.offset = err < 0 ? at : record_offset(r);
        if (err < 0 && info.why[0] == '\0')
                snprintf(info.why, sizeof(info.why), "%s", err_str(err));
        *ret_info = info;
        if (err < 0)
                return err;
        *ret = TAKE_PTR(p);
        return 0;
}
