/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A baseline from outside, as the judge takes it up: all of it at the commit or nothing, what is known then and what is
 * not, and what is refused.
 */
#include "tests/unit/judge_world.h"

#include <errno.h>

#include "judge/baseline-priv.h"
#include "tidemark/transfer.h"

#define WEB "web@sha256:aa"

struct what {
        const char *target;
        bool replace, inherited, learning;
        unsigned count; /* 0: as many as there are */
};

static int decide_with(struct world *w, const char *verb, const char *target, const struct buf *args, bool dry)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};

        CU_ASSERT_EQUAL_FATAL(args->err, 0);
        ev.decision.verb = bytes_str(verb);
        ev.decision.target = bytes_str(target);
        ev.decision.login_uid = UINT32_MAX;
        ev.decision.args = buf_bytes(args);
        ev.wall_ns = (int64_t)(T0 + w->now);
        return dry ? judge_try(w->j, &ev) : give(w, &ev);
}

static int begin(struct world *w, const struct what *what, bool dry)
{
        _cleanup_buf_ struct buf args;

        buf_init(&args, 1 << 16);
        tide_list_put(&args, BYTES_LIT("name"), BYTES_LIT("web"));
        tide_list_put(&args, BYTES_LIT("digest"), BYTES_LIT("sha256:aa"));
        tide_list_put(&args, BYTES_LIT("image"), BYTES_LIT("localhost/web:1"));
        tide_list_put(&args, BYTES_LIT("file"), BYTES_LIT("web.json"));
        tide_list_put(&args, BYTES_LIT("reason"), BYTES_LIT("seeded"));
        tide_list_put(&args, BYTES_LIT("signed"), BYTES_LIT("/etc/k.pem"));
        if (what->replace)
                tide_list_put(&args, BYTES_LIT("replace"), BYTES_LIT("true"));
        if (what->inherited)
                tide_list_put(&args, BYTES_LIT("inherited"), BYTES_LIT("true"));
        for (int d = 0; d < DIM__MAX; d++) {
                struct transfer_dimension t = {.dim = (enum dimension)d, .active = !what->learning, .windows = 40};
                _cleanup_buf_ struct buf one;

                buf_init(&one, 64);
                transfer_dimension_put(&t, &one);
                tide_list_put(&args, BYTES_LIT("dimension"), buf_bytes(&one));
        }
        return decide_with(w, TRANSFER_BEGIN, what->target ? what->target : WEB, &args, dry);
}

static int entries(struct world *w, const struct what *what, const struct transfer_entry *e, unsigned n, bool dry)
{
        _cleanup_buf_ struct buf args, one;

        buf_init(&args, 1 << 16);
        buf_init(&one, 1 << 16);
        for (unsigned i = 0; i < n; i++) {
                buf_reset(&one);
                transfer_entry_put(&e[i], &one);
                tide_list_put(&args, BYTES_LIT("entry"), buf_bytes(&one));
        }
        return decide_with(w, TRANSFER_ENTRIES, what->target ? what->target : WEB, &args, dry);
}

static int commit(struct world *w, const struct what *what, unsigned n, bool dry)
{
        _cleanup_buf_ struct buf args;
        char text[16];

        buf_init(&args, 64);
        snprintf(text, sizeof(text), "%u", what->count ? what->count : n);
        tide_list_put(&args, BYTES_LIT("count"), bytes_str(text));
        return decide_with(w, TRANSFER_COMMIT, what->target ? what->target : WEB, &args, dry);
}

/* In two pieces, as a large one comes. */
static int import(struct world *w, const struct what *what, const struct transfer_entry *e, unsigned n, bool dry)
{
        int r = begin(w, what, dry);

        for (unsigned i = 0; r == 0 && i < n; i += 2)
                r = entries(w, what, e + i, n - i < 2 ? n - i : 2, dry);
        return r == 0 ? commit(w, what, n, dry) : r;
}

static struct transfer_entry known(enum dimension dim, const char *key, const char *exe)
{
        return (struct transfer_entry){.dim = dim,
                                       .key = bytes_str(key),
                                       .exe = bytes_str(exe),
                                       .counted = true,
                                       .first_ns = (int64_t)(T0 - 100 * HOUR),
                                       .last_ns = (int64_t)(T0 - 50 * HOUR),
                                       .count = 7,
                                       .windows = 5};
}

static const struct entry *find_in(const struct world *w, const char *key)
{
        struct workload *web = map_get(w->j->workloads, BYTES_LIT(WEB));
        void *value;

        for (size_t i = 0; web && map_next(web->entries, &i, NULL, &value);)
                if (bytes_eq(str_get(&((struct entry *)value)->key), bytes_str(key)))
                        return value;
        return NULL;
}

static bool says(const struct world *w, const char *name, const char *value)
{
        struct bytes said = judge_result(w->j), k, v;
        struct rd r;

        rd_init(&r, said.p, said.len);
        while (tide_list_next(&r, &k, &v))
                if (bytes_eq(k, bytes_str(name)) && bytes_eq(v, bytes_str(value)))
                        return true;
        return false;
}

/* A workload that does not run yet: known when it starts, and judged from its first act on. */
static void test_seed(void)
{
        const struct transfer_entry e[] = {known(DIM_PROCESS, "/bin/ls", "/bin/sh"),
                                           known(DIM_FILE, "/data/*", "/bin/ls"),
                                           known(DIM_FILE, "/data/*/", "/bin/ls")};
        const struct what what = {0};
        const struct workload *web;
        struct world w;

        world_open(&w);
        CU_ASSERT_EQUAL(import(&w, &what, e, 3, true), 0);
        CU_ASSERT(says(&w, "new", "3"));
        CU_ASSERT_EQUAL(map_count(w.j->workloads), 0);
        CU_ASSERT_EQUAL(map_count(w.pieces), 0);
        CU_ASSERT_EQUAL(import(&w, &what, e, 3, false), 0);
        CU_ASSERT(says(&w, "new", "3"));
        CU_ASSERT(says(&w, "dimension", "file: active, 2 entries"));
        web = map_get(w.j->workloads, BYTES_LIT(WEB));
        CU_ASSERT_PTR_NOT_NULL_FATAL(web);
        CU_ASSERT_EQUAL(web->dim[DIM_FILE].state, DS_ACTIVE);
        CU_ASSERT_STRING_EQUAL(web->dim[DIM_FILE].by, "import by operator uid 0 (file web.json, signed by k.pem)");
        CU_ASSERT_EQUAL(web->dim[DIM_FILE].windows, 40);
        restore(&w);
        start(&w);
        web = map_get(w.j->workloads, BYTES_LIT(WEB));
        CU_ASSERT_PTR_NOT_NULL_FATAL(web);
        CU_ASSERT_EQUAL(web->running, 1);
        CU_ASSERT_EQUAL(web->dim[DIM_PROCESS].state, DS_ACTIVE);
        CU_ASSERT_EQUAL(web->dim[DIM_PROCESS].entries, 1);
        run(&w, "/bin/ls", LAYER_IMAGE);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        run(&w, "/bin/nc", LAYER_IMAGE);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* Nothing of it is known before the commit, and an interrupted one is forgotten. */
static void test_interrupted(void)
{
        const struct transfer_entry e[] = {known(DIM_PROCESS, "/bin/ls", "/bin/sh"), known(DIM_FILE, "/a", "/bin/ls")};
        const struct what what = {0}, other = {.count = 3}, elsewhere = {.target = "db@sha256:aa"};
        struct world w;

        world_open(&w);
        CU_ASSERT_EQUAL(begin(&w, &what, false), 0);
        CU_ASSERT_EQUAL(entries(&w, &what, e, 2, false), 0);
        CU_ASSERT_PTR_NULL(find_in(&w, "/a"));
        CU_ASSERT_EQUAL(map_count(w.pieces), 0);
        CU_ASSERT_EQUAL(commit(&w, &elsewhere, 2, false), -EINVAL);
        CU_ASSERT_EQUAL(begin(&w, &what, false), 0); /* anew */
        CU_ASSERT_EQUAL(commit(&w, &what, 2, false), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w.j), "not as many as were to come"));
        CU_ASSERT_EQUAL(commit(&w, &what, 0, false), -EINVAL); /* it is over */
        CU_ASSERT_EQUAL(entries(&w, &what, e, 2, false), -EINVAL);
        CU_ASSERT_EQUAL(import(&w, &other, e, 2, false), -EINVAL);
        CU_ASSERT_EQUAL(begin(&w, &elsewhere, false), -EINVAL); /* not its name */
        CU_ASSERT_EQUAL(map_count(w.j->workloads), 0);
        CU_ASSERT_EQUAL(begin(&w, &what, false), 0); /* and freed with the judge */
        CU_ASSERT_EQUAL(entries(&w, &what, e, 2, false), 0);
        world_close(&w);
}

static void refused(struct world *w, const struct transfer_entry *e, unsigned n, const char *words)
{
        const struct what what = {0};
        _cleanup_buf_ struct buf before, after;

        dump(w->j, &before);
        CU_ASSERT_EQUAL(import(w, &what, e, n, false), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(judge_error(w->j), words));
        if (!strstr(judge_error(w->j), words))
                printf("\n%s\n", judge_error(w->j));
        dump(w->j, &after);
        CU_ASSERT(bytes_eq(buf_bytes(&before), buf_bytes(&after)));
}

static void test_refused(void)
{
        static const struct {
                enum dimension dim;
                const char *key;
        } silent[] = {
                {DIM_PROCESS, "/tmp/x [write-layer]"},
                {DIM_PROCESS, "/tmp/x [tmpfs] [probe]"},
                {DIM_PROCESS, "memfd [memfd]"},
                {DIM_PROCESS, "/bin/x [deleted]"},
                {DIM_PROCESS, "/opt/l.so [mapped] [write-layer]"},
                {DIM_FILE, "/opt/x [setuid]"},
                {DIM_FILE, "/opt/x [capabilities]"},
                {DIM_FILE, "/bin/ls [executable] [changed]"},
                {DIM_FILE, "/bin/ls [executable] [changed] [replaced] [probe]"},
                {DIM_PRIVILEGE, "uid root"},
                {DIM_PRIVILEGE, "blinded"},
                {DIM_PRIVILEGE, "ptrace /bin/x [host] [child]"},
                {DIM_PRIVILEGE, "mount-namespace [other-container] [user]"},
                {DIM_NETWORK, "evil.example:443/tcp [write-layer]"},
        };
        static const struct {
                enum dimension dim;
                const char *key;
        } fine[] = {
                {DIM_PROCESS, "/bin/ls"},
                {DIM_PROCESS, "/opt/l.so [mapped] [tmpfs]"},
                {DIM_PROCESS, "/bin/odd [write-layer]]"},
                {DIM_FILE, "/opt/x [executable]"},
                {DIM_FILE, "/opt/x [replaced]"},
                {DIM_PRIVILEGE, "uid root [setuid]"},
                {DIM_PRIVILEGE, "ptrace /bin/x [child]"},
                {DIM_PRIVILEGE, "mount-namespace [user]"},
                {DIM_NETWORK, "listen 80/tcp [local]"},
        };
        struct transfer_entry e[4] = {known(DIM_FILE, "/a", "/x"), known(DIM_FILE, "/b", "/x"),
                                      known(DIM_FILE, "/c", "/x"), known(DIM_FILE, "/d", "/x")};
        struct world w;

        for (size_t i = 0; i < ARRAY_LEN(fine); i++)
                CU_ASSERT(!observe_never_silent(fine[i].dim, bytes_str(fine[i].key)));
        world_open(&w);
        start(&w);
        for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
                e[3] = known(silent[i].dim, silent[i].key, "/x");
                refused(&w, e, 4, "is never learned silently");
                e[3].approved = true; /* a word alone will not do */
                refused(&w, e, 4, "is never learned silently");
        }
        e[3] = known(DIM_FILE, "/a", "/x");
        refused(&w, e, 4, "/a is there twice");
        e[3] = known(DIM_FILE, "/*/", "/x");
        refused(&w, e, 4, "a pattern of the root");
        world_close(&w);

        world_open(&w);
        w.j->p.max_entries = 3;
        e[3] = known(DIM_FILE, "/d", "/x");
        refused(&w, e, 4, "dimension file would have 4 entries, and limits.entries allows 3");
        w.j->p.max_entries = 100;
        w.j->p.max_workloads = 0;
        refused(&w, e, 4, "limits.workloads");
        world_close(&w);
}

static void tell_hash(struct world *w, const uint8_t sum[TIDE_SHA256])
{
        struct tide_event ev = {.kind = TIDE_HASH, .container = BYTES_LIT("c1")};

        ev.hash.path = BYTES_LIT("/tmp/x");
        ev.hash.layer = LAYER_WRITE;
        ev.hash.state = HASH_KNOWN;
        ev.hash.size = 4711;
        ev.hash.sha256 = bytes_of(sum, TIDE_SHA256);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* What an operator approved elsewhere by its content is known here by that content, and by no other. */
static void test_approved(void)
{
        static const uint8_t another[TIDE_SHA256] = {1, 2, 4};
        static const uint8_t sum[TIDE_SHA256] = {1, 2, 3};
        struct transfer_entry e = known(DIM_PROCESS, "/tmp/x [write-layer]", "/bin/sh");
        const struct what what = {0};
        const struct entry *got;
        struct world w;

        e.approved = true;
        e.by = BYTES_LIT("operator uid 0");
        e.reason = BYTES_LIT("the vendor's");
        e.approved_ns = (int64_t)T0;
        e.sha256 = bytes_of(sum, sizeof(sum));
        world_open(&w);
        CU_ASSERT_EQUAL(import(&w, &what, &e, 1, false), 0);
        restore(&w);
        got = find_in(&w, "/tmp/x [write-layer]");
        CU_ASSERT_PTR_NOT_NULL_FATAL(got);
        CU_ASSERT(!got->candidate);
        CU_ASSERT_PTR_NOT_NULL_FATAL(got->content);
        CU_ASSERT_EQUAL(memcmp(got->content->sha256, sum, sizeof(sum)), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(got->approval);
        CU_ASSERT_STRING_EQUAL(got->approval->by, "operator uid 0");
        CU_ASSERT(!got->approval->bare);
        start(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        tell_hash(&w, sum);
        CU_ASSERT_EQUAL(w.opened, 0);
        run(&w, "/tmp/x", LAYER_WRITE);
        tell_hash(&w, another);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* What was learned here stays, what was raised here is known now, what was rejected here stays rejected. */
static void test_merge(void)
{
        struct transfer_entry e[] = {known(DIM_PROCESS, "/bin/ls", "/bin/sh"), known(DIM_PROCESS, "/bin/id", "/bin/sh"),
                                     known(DIM_PROCESS, "/bin/nc", "/bin/sh")};
        const struct what what = {.learning = true}, replace = {.replace = true};
        _cleanup_buf_ struct buf before, after;
        struct workload *web;
        struct entry *bad;
        struct world w;

        e[0].approved = true;
        e[0].by = BYTES_LIT("operator uid 0");
        world_open(&w);
        start(&w);
        run(&w, "/bin/ls", LAYER_IMAGE);
        run(&w, "/bin/date", LAYER_IMAGE);
        run(&w, "/bin/id", LAYER_IMAGE);
        run(&w, "/bin/nc", LAYER_IMAGE);
        web = map_get(w.j->workloads, BYTES_LIT(WEB));
        CU_ASSERT_PTR_NOT_NULL_FATAL(web);
        CU_ASSERT_EQUAL(entry_set_candidate(w.j, web, (struct entry *)(uintptr_t)find_in(&w, "/bin/id"), true), 0);
        bad = (struct entry *)(uintptr_t)find_in(&w, "/bin/nc");
        CU_ASSERT_EQUAL(entry_set_candidate(w.j, web, bad, true), 0);
        bad->rejected = true;
        CU_ASSERT_EQUAL(import(&w, &what, e, 3, false), 0);
        CU_ASSERT(says(&w, "known_before", "1"));
        CU_ASSERT(says(&w, "were_candidates", "1"));
        CU_ASSERT(says(&w, "left_rejected", "1"));
        CU_ASSERT_EQUAL(web->dim[DIM_PROCESS].state, DS_LEARNING);
        CU_ASSERT_EQUAL(find_in(&w, "/bin/ls")->count, 7);
        CU_ASSERT_PTR_NOT_NULL(find_in(&w, "/bin/ls")->approval);
        CU_ASSERT_EQUAL(find_in(&w, "/bin/ls")->windows, 5);
        CU_ASSERT(!find_in(&w, "/bin/id")->candidate);
        CU_ASSERT_PTR_NOT_NULL_FATAL(find_in(&w, "/bin/id")->approval);
        CU_ASSERT(find_in(&w, "/bin/nc")->candidate && find_in(&w, "/bin/nc")->rejected);
        CU_ASSERT_PTR_NOT_NULL(find_in(&w, "/bin/date"));
        dump(w.j, &before);
        CU_ASSERT_EQUAL(import(&w, &what, e, 3, false), 0); /* the same again */
        dump(w.j, &after);
        CU_ASSERT(bytes_eq(buf_bytes(&before), buf_bytes(&after)));
        CU_ASSERT_EQUAL(import(&w, &replace, e, 3, false), 0);
        CU_ASSERT(says(&w, "forgotten", "3"));
        CU_ASSERT_PTR_NULL(find_in(&w, "/bin/date"));
        CU_ASSERT(find_in(&w, "/bin/nc")->rejected);
        CU_ASSERT_EQUAL(web->dim[DIM_PROCESS].entries, 2);
        CU_ASSERT_EQUAL(web->dim[DIM_PROCESS].state, DS_ACTIVE);
        buf_release(&before);
        buf_release(&after);
        dump(w.j, &before);
        restore(&w);
        dump(w.j, &after);
        CU_ASSERT_EQUAL(before.len, after.len);
        world_close(&w);
}

/* Nothing is said of when it was seen: always. */
static void test_uncounted(void)
{
        struct transfer_entry e = {.dim = DIM_PROCESS, .key = BYTES_LIT("/bin/ls"), .exe = BYTES_LIT("/bin/sh")};
        const struct what what = {0}, learning = {.learning = true};
        _cleanup_buf_ struct buf before, after;
        struct workload *web;
        struct world w;

        world_open(&w);
        CU_ASSERT_EQUAL(import(&w, &what, &e, 1, false), 0);
        web = map_get(w.j->workloads, BYTES_LIT(WEB));
        CU_ASSERT_PTR_NOT_NULL_FATAL(web);
        CU_ASSERT_EQUAL(find_in(&w, "/bin/ls")->windows, 40);
        CU_ASSERT_EQUAL(web->dim[DIM_PROCESS].once, 0);
        CU_ASSERT(find_in(&w, "/bin/ls")->last_ns >= (int64_t)T0);
        dump(w.j, &before);
        w.now += HOUR;
        CU_ASSERT_EQUAL(import(&w, &learning, &e, 1, false), 0); /* once more it says nothing new */
        dump(w.j, &after);
        CU_ASSERT(bytes_eq(buf_bytes(&before), buf_bytes(&after)));
        world_close(&w);
}

/* A document of last year is not too old on the day it is imported; what is of another image is inherited. */
static void test_old(void)
{
        struct transfer_entry e[] = {known(DIM_PROCESS, "/bin/ls", "/bin/sh"),
                                     known(DIM_PROCESS, "/bin/id", "/bin/sh")};
        const struct what what = {.inherited = true};
        struct world w;

        world_open(&w);
        e[0].last_ns = e[0].first_ns = (int64_t)(T0 - 20000 * HOUR);
        e[1].last_ns = (int64_t)(T0 + 20000 * HOUR); /* nobody's clock goes like that */
        CU_ASSERT_EQUAL(import(&w, &what, e, 2, false), 0);
        CU_ASSERT(find_in(&w, "/bin/id")->last_ns <= (int64_t)(T0 + w.now));
        start(&w);
        for (int h = 0; h < 30; h++) {
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(find_in(&w, "/bin/ls"));
        CU_ASSERT(find_in(&w, "/bin/ls")->inherited);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"a workload is seeded before it runs", test_seed},
        {"nothing is known before the commit", test_interrupted},
        {"what is refused changes nothing", test_refused},
        {"an approval of a content is one here", test_approved},
        {"merging and replacing", test_merge},
        {"old documents and other images", test_old},
        {"entries without counts", test_uncounted},
};
UNIT_MAIN("transfer", cases)
