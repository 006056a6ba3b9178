/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge_world - a small world for tests of the judge: one judge, the pieces that it saved, the last finding, a
 * container that starts, runs programs and is decided upon. Included by one test file each.
 */
#ifndef TIDEMARK_TESTS_JUDGE_WORLD_H
#define TIDEMARK_TESTS_JUDGE_WORLD_H

#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tests/unit/unit.h"
#include "tidemark/judge.h"
#include "tidemark/map.h"

#define SEC 1000000000ull
#define HOUR (3600 * SEC)
#define T0 1767323045000000000ull /* 2026-01-02T03:04:05Z */

/* ---- a small world: one judge, its saved pieces, its findings ---- */

struct world {
        struct judge *j;
        struct judge_params p;
        struct map *pieces; /* what · key → struct str_owned: what the store would hold */
        uint64_t now;       /* boot time; the wall clock is T0 + now */
        unsigned opened, changed;
        uint64_t last_id;
        uint32_t most; /* confidence of the surest so far */
        uint32_t confidence, severity, count, nsignals;
        char verdict[64];
        char story[8192], factors[2048];
        char subject[512], where[512]; /* of its last signal */
        char watched[64]; /* the name that watch shows of a flow */
        char loss[512];
        int32_t prior, sum, total;
};

/* Is this finding still there? Its piece's key is its number, big-endian. */
static TM_UNUSED bool is_kept(const struct world *w, uint64_t id)
{
        uint8_t key[9] = {PIECE_FINDING};

        for (int i = 0; i < 8; i++)
                key[1 + i] = (uint8_t)(id >> (56 - 8 * i));
        return map_get(w->pieces, bytes_of(key, sizeof(key))) != NULL;
}

static TM_UNUSED void piece_free(void *p)
{
        str_clear(p);
        free(p);
}

static TM_UNUSED void on_save(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        struct world *w = arg;
        _cleanup_buf_ struct buf full;
        struct str_owned *v;

        buf_init(&full, 100000);
        buf_put_u8(&full, (uint8_t)what);
        buf_put(&full, key.p, key.len);
        if (blob.len == 0) {
                if (map_del(w->pieces, buf_bytes(&full)) < 0)
                        w->verdict[0] = '?'; /* nothing was there: no matter */
                return;
        }
        v = calloc(1, sizeof(*v));
        CU_ASSERT_EQUAL(str_set(v, blob), 0);
        CU_ASSERT_EQUAL(map_put(w->pieces, buf_bytes(&full), v), 0);
}

static TM_UNUSED void on_finding(const struct finding *f, bool opened, void *arg)
{
        struct world *w = arg;
        _cleanup_buf_ struct buf b;

        w->opened += opened;
        w->changed++;
        w->last_id = f->id;
        w->confidence = f->confidence;
        if (f->confidence > w->most)
                w->most = f->confidence;
        w->severity = f->severity;
        w->count = (uint32_t)f->count;
        w->nsignals = f->nsignals;
        w->prior = f->prior_quarters;
        w->sum = f->sum_quarters;
        w->total = f->prior_quarters;
        if (f->nsignals) {
                const struct finding_signal *s = &f->signals[f->nsignals - 1];

                snprintf(w->subject, sizeof(w->subject), "%s", s->subject.p ? s->subject.p : "");
                snprintf(w->where, sizeof(w->where), "%s", s->where.p ? s->where.p : "");
        }
        snprintf(w->loss, sizeof(w->loss), "%s", f->loss.p ? f->loss.p : "");
        w->factors[0] = '\0';
        for (uint32_t i = 0; i < f->nfactors; i++) {
                size_t n = strlen(w->factors);

                w->total += f->factors[i].quarters;
                snprintf(w->factors + n, sizeof(w->factors) - n, "%s=%d ", f->factors[i].name.p,
                         f->factors[i].quarters);
        }
        buf_init(&b, sizeof(w->story) - 1);
        for (size_t n = 0; finding_story(f, n, &b); n++)
                buf_put_u8(&b, '\n');
        snprintf(w->story, sizeof(w->story), "%s", buf_cstr(&b));
}

static TM_UNUSED void on_verdict(const struct tide_event *ev, struct bytes workload, const char *what, uint64_t finding,
                       void *arg)
{
        struct world *w = arg;
        struct bytes name = {0};

        (void)workload, (void)finding;
        snprintf(w->verdict, sizeof(w->verdict), "%s", what);
        judge_flow_names(w->j, ev, &name, 1);
        snprintf(w->watched, sizeof(w->watched), "%.*s", (int)name.len, name.len ? (const char *)name.p : "");
}

static const struct judge_ops ops = {.save = on_save, .finding = on_finding, .verdict = on_verdict};

static TM_UNUSED void world_open(struct world *w)
{
        memset(w, 0, sizeof(*w));
        judge_params_default(&w->p);
        snprintf(w->p.host, sizeof(w->p.host), "host");
        CU_ASSERT_EQUAL_FATAL(map_new(100000, (struct map_seed){1, 2}, piece_free, &w->pieces), 0);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &ops, w, &w->j), 0);
        w->now = SEC;
}

static TM_UNUSED void world_close(struct world *w)
{
        judge_free(w->j);
        map_free(w->pieces);
}

static TM_UNUSED int give(struct world *w, struct tide_event *ev)
{
        ev->boot_ns = w->now;
        ev->wall_ns = (int64_t)(T0 + w->now);
        w->now += SEC / 1000;
        return judge_event(w->j, ev);
}

static TM_UNUSED void tick(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_TICK};

        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

#define INIT_PID 100u

static TM_UNUSED void start_as(struct world *w, const char *id, const char *name, bool before)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = bytes_str(id)};

        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        ev.ctr.running_before = before;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .container = bytes_str(id)};
        ev.content.name = bytes_str(name);
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("localhost/web:1");
        ev.content.config_digest = BYTES_LIT("sha256:aa");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static TM_UNUSED void start(struct world *w)
{
        start_as(w, "c1", "web", false);
        w->now += 120 * SEC; /* the start-up phase is over */
}

/* The shell below init: what most acts come from. */
static TM_UNUSED struct tide_actor actor(uint32_t pid, enum tide_origin origin, const char *exe)
{
        static uint8_t space[256];
        struct tide_ancestor init = {
                .pid = INIT_PID, .start = 1, .exe = BYTES_LIT("/bin/init"), .comm = BYTES_LIT("init")};
        struct tide_ancestor sh = {.pid = 200, .start = 2, .exe = BYTES_LIT("/bin/sh"), .comm = BYTES_LIT("sh")};
        struct buf b = {.p = space, .cap = sizeof(space), .max = sizeof(space) - 1};

        tide_lineage_put(&b, &init);
        if (pid != 200)
                tide_lineage_put(&b, &sh);
        return (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE,
                                   .pid = pid,
                                   .start = pid,
                                   .origin = (uint8_t)origin,
                                   .exe = bytes_str(exe),
                                   .login_uid = UINT32_MAX,
                                   .session = UINT32_MAX,
                                   .lineage = buf_bytes(&b)};
}

static TM_UNUSED void run_in(struct world *w, const char *id, const char *program, enum tide_layer layer,
                             enum tide_change change, enum tide_origin origin, uint32_t pid)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .container = bytes_str(id)};

        ev.exec.actor = actor(pid, origin, program);
        ev.exec.program = bytes_str(program);
        ev.exec.program_layer = (uint8_t)layer;
        ev.exec.program_change = (uint8_t)change;
        ev.exec.caller = BYTES_LIT("/bin/sh");
        ev.exec.args = BYTES_LIT("x\0-v\0");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static TM_UNUSED void run(struct world *w, const char *program, enum tide_layer layer)
{
        run_in(w, "c1", program, layer, layer == LAYER_WRITE ? CHANGE_ADDED : CHANGE_UNKNOWN, ORIGIN_ENTRYPOINT, 301);
}

static TM_UNUSED int decide(struct world *w, const char *verb, const char *workload)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};

        ev.decision.verb = bytes_str(verb);
        ev.decision.target = bytes_str(workload);
        ev.decision.login_uid = 1000;
        return give(w, &ev);
}

static TM_UNUSED int try_decision(struct world *w, const char *verb, const char *workload)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};

        ev.decision.verb = bytes_str(verb);
        ev.decision.target = bytes_str(workload);
        return judge_try(w->j, &ev);
}

/* ---- what was saved makes the same judge ---- */

static TM_UNUSED int put_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        struct buf *b = arg;

        buf_put_u32(b, what);
        buf_put_bytes(b, key);
        buf_put_bytes(b, blob);
        return b->err;
}

static TM_UNUSED void dump(const struct judge *j, struct buf *b)
{
        buf_init(b, 1 << 22);
        CU_ASSERT_EQUAL(judge_each(j, put_piece, b), 0);
}

static TM_UNUSED int compare(const void *a, const void *b)
{
        return memcmp(a, b, sizeof(uint64_t));
}

/* All pieces, whatever their order: the sorted hashes of each. */
static TM_UNUSED size_t digest(const struct judge *j, uint64_t *ret, size_t max)
{
        struct buf b;
        struct rd r;
        size_t n = 0;

        dump(j, &b);
        rd_init(&r, b.p, b.len);
        while (rd_left(&r) && n < max) {
                uint64_t what = rd_u32(&r);
                struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                ret[n++] = map_hash((struct map_seed){what, 1}, key) ^ map_hash((struct map_seed){what, 2}, blob);
        }
        qsort(ret, n, sizeof(ret[0]), compare);
        buf_release(&b);
        return n;
}

static TM_UNUSED void restore(struct world *w)
{
        struct buf b;
        struct rd r;
        struct judge *fresh;

        dump(w->j, &b);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &ops, w, &fresh), 0);
        for (int pass = 1; pass >= 0; pass--) { /* findings and containers first, then the rest: any order will do */
                rd_init(&r, b.p, b.len);
                while (rd_left(&r)) {
                        uint32_t what = rd_u32(&r);
                        struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                        if ((what >= PIECE_FINDING) == pass)
                                CU_ASSERT_EQUAL(judge_restore(fresh, (enum judge_piece)what, key, blob), 0);
                }
        }
        judge_free(w->j);
        w->j = fresh;
        buf_release(&b);
}

static TM_UNUSED struct judge_workload workload(const struct world *w)
{
        struct judge_workload jw = {.id = BYTES_LIT("none")};
        size_t i = 0;

        CU_ASSERT_EQUAL(judge_workload_next(w->j, &i, &jw), 1);
        return jw;
}

#endif
