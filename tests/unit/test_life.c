/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a finding: what is told of it once, verdicts, closing, opening again, expiry, its past; and the weeks
 * that a report is made of.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/err.h"

#define DAY (24 * HOUR)

/* What was told, in order: "1:opened 1:page ". */
static char told[4096];
static struct str_owned closed; /* the last finding that was closed, encoded */

static void on_news(const struct finding *f, unsigned news, void *arg)
{
        (void)arg;
        for (unsigned b = 0; b < NEWS_BITS; b++)
                if (news & 1u << b)
                        snprintf(told + strlen(told), sizeof(told) - strlen(told), "%llu:%s ",
                                 (unsigned long long)f->id, finding_news_name(1u << b));
}

static void on_change(const struct finding *f, bool opened, void *arg)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, 1 << 20);
        on_finding(f, opened, arg);
        if (f->state != FINDING_CLOSED)
                return;
        CU_ASSERT_EQUAL(finding_encode(f, &b), 0);
        CU_ASSERT_EQUAL(str_set(&closed, buf_bytes(&b)), 0);
}

static char noted[1024]; /* the last note */

static void on_note(struct bytes workload, const char *words, void *arg)
{
        (void)workload, (void)arg;
        snprintf(noted, sizeof(noted), "%s", words);
}

static const struct judge_ops telling = {
        .save = on_save, .finding = on_change, .news = on_news, .verdict = on_verdict, .note = on_note};

static void open_world(struct world *w)
{
        world_open(w);
        judge_free(w->j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &telling, w, &w->j), 0);
        told[0] = '\0';
        str_clear(&closed);
}

static void shut(struct world *w)
{
        str_clear(&closed);
        world_close(w);
}

static struct finding *finding(const struct world *w, uint64_t id)
{
        return group_by_id(w->j, id);
}

/* args: name, value, …, NULL */
static int triage(struct world *w, const char *id, const char *const *args, bool dry)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        _cleanup_buf_ struct buf b;

        buf_init(&b, 1 << 16);
        for (; *args; args += 2)
                tide_list_put(&b, bytes_str(args[0]), bytes_str(args[1]));
        if (closed.len)
                tide_list_put(&b, BYTES_LIT("kept"), str_get(&closed));
        ev.decision.verb = BYTES_LIT("triage");
        ev.decision.target = bytes_str(id);
        ev.decision.args = buf_bytes(&b);
        ev.decision.login_uid = UINT32_MAX;
        if (dry)
                return judge_try(w->j, &ev);
        return give(w, &ev);
}
#define TRIAGE(w, id, ...) triage(w, id, (const char *const[]){__VA_ARGS__, NULL}, false)

static bool says(const struct world *w, const char *name, const char *want)
{
        struct bytes said = judge_result(w->j), key, value;
        struct rd r;

        rd_init(&r, said.p, said.len);
        while (tide_list_next(&r, &key, &value))
                if (bytes_eq(key, bytes_str(name)) && memmem(value.p, value.len, want, strlen(want)))
                        return true;
        return false;
}

static void restart(struct world *w)
{
        struct judge *fresh;
        struct bytes key;
        void *value;

        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &telling, w, &fresh), 0);
        for (size_t i = 0; map_next(w->pieces, &i, &key, &value);)
                CU_ASSERT_EQUAL(judge_restore(fresh, (enum judge_piece)key.p[0], bytes_of(key.p + 1, key.len - 1),
                                              str_get(value)),
                                0);
        judge_free(w->j);
        w->j = fresh;
        judge_new_life(w->j);
}

static bool has_piece(const struct world *w, enum judge_piece what, uint64_t id)
{
        uint8_t key[9] = {(uint8_t)what};

        for (int i = 0; i < 8; i++)
                key[1 + i] = (uint8_t)(id >> (56 - 8 * i));
        return map_get(w->pieces, bytes_of(key, sizeof(key))) != NULL;
}

/* ---- once each ---- */

static void test_told(void)
{
        struct world w;

        open_world(&w);
        start(&w);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(told, "1:opened 1:page ");
        for (int i = 1; i < 9; i++)
                run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(told, "1:opened 1:page ");
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(told, "1:opened 1:page 1:count ");
        restart(&w); /* what was told is of the finding, not of this life */
        for (int i = 10; i < 19; i++)
                run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(told, "1:opened 1:page 1:count ");
        for (int i = 19; i < 100; i++)
                run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(told, "1:opened 1:page 1:count 1:count 1:count 1:count "); /* 10, 20, 40, 80 */
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "malicious", "close", "true"), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "1:closed "));
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "reopen", "true"), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "1:closed 1:reopened "));
        shut(&w);
}

/* What is below the threshold is told to nobody, until it is above. */
static void test_not_told(void)
{
        struct world w;

        open_world(&w);
        start(&w);
        for (int h = 0; h < 100; h++) {
                run(&w, "/bin/date", LAYER_IMAGE);
                w.now += HOUR;
        }
        tick(&w);
        w.p.show = 50;
        run_in(&w, "c1", "/usr/bin/nc", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_FOREIGN, 400);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_STRING_EQUAL(told, w.confidence >= 50 ? "1:opened " : "");
        run_in(&w, "c1", "/opt/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_FOREIGN, 400);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "1:page "));
        shut(&w);
}

/* ---- verdicts ---- */

static void test_triage(void)
{
        static const char *const none[] = {NULL};
        static const char *const both[] = {"close", "true", "reopen", "true", NULL};
        static const char *const odd[] = {"verdict", "perhaps", NULL};
        static const char *const bare[] = {"close", "true", NULL};
        static const char *const again[] = {"reopen", "true", NULL};
        static const char *const benign[] = {"verdict", "benign", NULL};
        struct world w;

        open_world(&w);
        start(&w);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(triage(&w, "F-1", none, false), -EINVAL);
        CU_ASSERT_EQUAL(triage(&w, "F-1", both, false), -EINVAL);
        CU_ASSERT_EQUAL(triage(&w, "F-1", odd, false), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "perhaps"));
        CU_ASSERT_EQUAL(triage(&w, "F-1", bare, false), -EINVAL); /* no verdict: why is it closed? */
        CU_ASSERT_EQUAL(triage(&w, "F-1", again, false), -EINVAL);
        CU_ASSERT_EQUAL(triage(&w, "F-99", benign, false), -EINVAL);
        CU_ASSERT_EQUAL(triage(&w, "99", benign, false), -EINVAL);
        CU_ASSERT_EQUAL(triage(&w, "F-1", benign, true), 0); /* tried: said, and not done */
        CU_ASSERT_TRUE(says(&w, "state", "triaged") && says(&w, "was", "open"));
        CU_ASSERT_EQUAL(finding(&w, 1)->state, FINDING_OPEN);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "benign", "note", "our updater"), 0);
        CU_ASSERT_TRUE(says(&w, "advice", "silences nothing") && says(&w, "advice", "tidemark allow add") &&
                       says(&w, "advice", "/opt/a"));
        CU_ASSERT_EQUAL(finding(&w, 1)->state, FINDING_TRIAGED);
        CU_ASSERT_STRING_EQUAL(finding(&w, 1)->verdict.p, "benign");
        CU_ASSERT_STRING_EQUAL(finding(&w, 1)->note.p, "our updater");
        CU_ASSERT_STRING_EQUAL(finding(&w, 1)->verdict_by.p, "operator uid 0");
        /* It is silenced by nothing: what belongs to it is still counted there. */
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 2);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "reopen", "true"), 0);
        CU_ASSERT_EQUAL(finding(&w, 1)->state, FINDING_OPEN);
        shut(&w);

        open_world(&w); /* somebody copies what is advised: that file, and nothing else */
        start(&w);
        run(&w, "/opt/*;$(reboot)'", LAYER_WRITE);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "benign"), 0);
        CU_ASSERT_TRUE(says(&w, "advice", " --path '/opt/\\*;$(reboot)'\\''' --reason TEXT"));
        shut(&w);
}

/* What was judged is what it held then: another thing of the same lineage is for a person to answer again. */
static void test_triaged_anew(void)
{
        struct world w;

        open_world(&w);
        start(&w);
        run(&w, "/opt/x", LAYER_WRITE);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "benign"), 0);
        restart(&w); /* the piece tells it, too */
        told[0] = '\0';
        w.now += 600 * SEC;
        run(&w, "/opt/x", LAYER_WRITE);
        CU_ASSERT_EQUAL(finding(&w, 1)->state, FINDING_TRIAGED);
        CU_ASSERT_STRING_EQUAL(told, "");
        run(&w, "/opt/evil", LAYER_WRITE);
        CU_ASSERT_EQUAL(w.last_id, 1);
        CU_ASSERT_EQUAL(finding(&w, 1)->nsignals, 2);
        CU_ASSERT_EQUAL(finding(&w, 1)->state, FINDING_OPEN);
        CU_ASSERT_STRING_EQUAL(told, "1:page 1:reopened ");
        CU_ASSERT_STRING_EQUAL(finding(&w, 1)->verdict.p, "benign"); /* of before */
        run(&w, "/opt/evil", LAYER_WRITE);
        CU_ASSERT_STRING_EQUAL(told, "1:page 1:reopened ");
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "benign"), 0);
        run(&w, "/opt/evil", LAYER_WRITE);
        CU_ASSERT_EQUAL(finding(&w, 1)->state, FINDING_TRIAGED);
        shut(&w);
}

/* A closed one leaves memory and stays stored; its cause comes again as another one that tells of it. */
static void test_closed(void)
{
        struct world w;

        open_world(&w);
        start(&w);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "benign", "close", "true"), 0);
        CU_ASSERT_PTR_NULL(finding(&w, 1));
        CU_ASSERT_TRUE(has_piece(&w, PIECE_FINDING, 1) && has_piece(&w, PIECE_PAST, 1));
        restart(&w);
        CU_ASSERT_PTR_NULL(finding(&w, 1));
        run(&w, "/opt/b", LAYER_WRITE); /* another cause */
        CU_ASSERT_EQUAL(finding(&w, 2)->past, 0);
        w.now += 2 * HOUR;
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL_FATAL(w.opened, 3);
        CU_ASSERT_EQUAL(finding(&w, 3)->past, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "Seen before: F-1, closed as benign by operator uid 0 on 2026-01-02."));
        /* Another verdict on one that is closed; and it is opened again. */
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "malicious"), 0);
        CU_ASSERT_PTR_NULL(finding(&w, 1));
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "reopen", "true"), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(finding(&w, 1));
        CU_ASSERT_STRING_EQUAL(finding(&w, 1)->verdict.p, "malicious");
        CU_ASSERT_FALSE(has_piece(&w, PIECE_PAST, 1));
        CU_ASSERT_TRUE(has_piece(&w, PIECE_FINDING, 1));
        shut(&w);
}

/* Nobody saw it again: it closes by itself; and what is closed is kept for so long, and so many of them. */
static void test_expiry(void)
{
        struct judge_stats st;
        struct world w;
        char path[32];

        open_world(&w);
        start(&w);
        run(&w, "/opt/a", LAYER_WRITE);
        w.now += 29 * DAY;
        tick(&w);
        CU_ASSERT_PTR_NOT_NULL(finding(&w, 1));
        run(&w, "/opt/a", LAYER_WRITE);
        w.now += 29 * DAY;
        tick(&w);
        CU_ASSERT_PTR_NOT_NULL(finding(&w, 1));
        w.now += 2 * DAY;
        tick(&w);
        CU_ASSERT_PTR_NULL(finding(&w, 1));
        CU_ASSERT_PTR_NOT_NULL(strstr(told, "1:expired "));
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.expired, 1);
        run(&w, "/opt/a", LAYER_WRITE);
        CU_ASSERT_EQUAL(finding(&w, 2)->past, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "Seen before: F-1, which closed by itself"));
        CU_ASSERT_TRUE(has_piece(&w, PIECE_FINDING, 1));
        w.now += 401 * DAY;
        tick(&w);
        CU_ASSERT_FALSE(has_piece(&w, PIECE_FINDING, 1) || has_piece(&w, PIECE_PAST, 1));
        CU_ASSERT_STRING_EQUAL(noted, "closed finding deleted (queue.keep): F-1");
        shut(&w);
        open_world(&w);
        w.p.max_closed = 3;
        restart(&w);
        start(&w);
        for (int i = 0; i < 5; i++) {
                char id[16];

                snprintf(path, sizeof(path), "/opt/%c", 'a' + i);
                run(&w, path, LAYER_WRITE);
                w.now += 5 * HOUR;
                snprintf(id, sizeof(id), "F-%d", i + 1);
                str_clear(&closed);
                CU_ASSERT_EQUAL(TRIAGE(&w, id, "verdict", "benign", "close", "true"), 0);
        }
        CU_ASSERT_FALSE(has_piece(&w, PIECE_FINDING, 2));
        CU_ASSERT_TRUE(has_piece(&w, PIECE_FINDING, 3) && has_piece(&w, PIECE_FINDING, 5));
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.closed_dropped, 2);
        CU_ASSERT_STRING_EQUAL(noted, "closed finding deleted (limits.closed_findings): F-2");
        shut(&w);
}

/* ---- weeks ---- */

static const struct judge_week *week(const struct world *w, int64_t number, struct judge_weeks *all)
{
        size_t i = 0;

        CU_ASSERT_EQUAL_FATAL(judge_weeks_next(w->j, &i, all), 1);
        for (size_t k = 0; k < WEEKS_KEPT; k++)
                if (all->of[k].number == number)
                        return &all->of[k];
        return NULL;
}

static void hours(struct world *w, unsigned n)
{
        for (unsigned i = 0; i < 12 * n; i++) {
                w->now += 300 * SEC;
                tick(w);
        }
}

static void test_weeks(void)
{
        const struct judge_week *k;
        struct judge_weeks all;
        struct world w;
        int64_t n;

        open_world(&w);
        start(&w);
        tick(&w);
        run(&w, "/bin/date", LAYER_IMAGE);
        hours(&w, 10);
        run(&w, "/opt/early", LAYER_WRITE);
        n = judge_week_now(w.j);
        CU_ASSERT_TRUE(judge_week_begin(n) <= (int64_t)(T0 + w.now) && judge_week_begin(n + 1) > (int64_t)(T0 + w.now));
        k = week(&w, n, &all);
        CU_ASSERT_PTR_NOT_NULL_FATAL(k);
        CU_ASSERT_EQUAL(k->unjudged_ns / HOUR, 10);
        CU_ASSERT_EQUAL(k->learning, 1);
        CU_ASSERT_EQUAL(k->findings, 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        hours(&w, 5);
        run(&w, "/opt/late", LAYER_WRITE);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-2", "verdict", "benign"), 0);
        k = week(&w, n, &all);
        CU_ASSERT_EQUAL(k->observed_ns / HOUR, 5);
        CU_ASSERT_EQUAL(k->findings, 1);
        CU_ASSERT_EQUAL(k->pages, 2);
        CU_ASSERT_EQUAL(k->verdicts[2], 1);
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-2", "verdict", "misconfigured"), 0); /* another word: counted once */
        CU_ASSERT_EQUAL(TRIAGE(&w, "F-1", "verdict", "benign"), 0);        /* of before it was judged: in no rate */
        k = week(&w, n, &all);
        CU_ASSERT_EQUAL(k->verdicts[2], 0);
        CU_ASSERT_EQUAL(k->verdicts[1], 1);
        /* A pause of the agent is nobody's time. */
        w.now += 3 * DAY;
        tick(&w);
        hours(&w, 1);
        for (size_t i = 0, sum = 0; i < WEEKS_KEPT; i++) {
                sum += week(&w, n, &all) ? all.of[i].observed_ns / HOUR : 0;
                if (i == WEEKS_KEPT - 1)
                        CU_ASSERT_EQUAL(sum, 6);
        }
        /* Kept over a restart; of an earlier life's last tick no time is counted. */
        restart(&w);
        w.now += 300 * SEC;
        tick(&w);
        k = week(&w, n, &all);
        CU_ASSERT_TRUE(k && k->findings == 1 && k->learning == 1);
        /* In the end they are forgotten. */
        w.now += 200 * DAY;
        tick(&w);
        hours(&w, 1);
        CU_ASSERT_PTR_NULL(week(&w, n, &all));
        shut(&w);
}

static const struct unit_case cases[] = {
        {"each thing is told once, over restarts", test_told},
        {"below show nobody is told", test_not_told},
        {"verdicts", test_triage},
        {"judged, and another thing joins", test_triaged_anew},
        {"closed, and seen again", test_closed},
        {"expiry, and how long closed ones are kept", test_expiry},
        {"weeks", test_weeks},
};

UNIT_MAIN("life", cases)
