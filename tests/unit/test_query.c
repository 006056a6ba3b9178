/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading commands and the resolving of changing ones, over a judge and a store that are tables of this file: what
 * is listed, what is told of the rest, what a wrong request is answered.
 */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>

#include "case/recent-priv.h"
#include "finding_sample.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/pipeline.h"
#include "tidemark/playbook.h"
#include "tidemark/query.h"
#include "tidemark/store.h"

#define BLOBS 512

struct judge {
        struct judge_workload w[8];
        size_t nw;
        struct judge_entry e[64];
        size_t ne;
        struct judge_container c[4];
        size_t nc;
        struct judge_image im[4];
        size_t ni;
        struct judge_rule r[4];
        size_t nr;
};
struct store {
        struct buf blob[BLOBS];
        size_t n;
        int err;
        struct buf said;     /* of a decision, by the judge */
        struct buf facts[2]; /* of images */
};

static struct judge judge;
static struct store store;

struct judge *pipeline_judge(struct pipeline *p)
{
        (void)p;
        return &judge;
}
int pipeline_each_closed(struct pipeline *p, int (*cb)(struct bytes, struct bytes, void *), void *arg)
{
        (void)p, (void)cb, (void)arg;
        return 0;
}
/* Nothing is recorded of any image here: test_supply_json.c. */
void judge_compare(const struct judge *j, const struct finding *f, struct judge_comparison *ret)
{
        (void)j, (void)f;
        memset(ret, 0, sizeof(*ret));
}
int judge_record_next(const struct judge *j, size_t *i, struct judge_record *ret)
{
        (void)j, (void)i, (void)ret;
        return 0;
}
void judge_paper_key(struct bytes digest, struct bytes document, uint32_t number, struct buf *out)
{
        (void)digest, (void)document, (void)number, (void)out;
}
const struct finding *judge_open_finding(const struct judge *j, size_t i)
{
        (void)j, (void)i;
        return NULL;
}
const char *judge_sbom_state_name(unsigned v)
{
        return v == SBOM_NONE ? "none" : "?";
}
int judge_workload_next(const struct judge *j, size_t *i, struct judge_workload *ret)
{
        if (*i >= j->nw)
                return 0;
        *ret = j->w[(*i)++];
        return 1;
}
/* Only the first workload has entries. */
int judge_entry_next(const struct judge *j, struct bytes id, size_t *i, struct judge_entry *ret)
{
        if (*i >= j->ne || !bytes_eq(id, j->w[0].id))
                return 0;
        *ret = j->e[(*i)++];
        return 1;
}
int judge_rule_next(const struct judge *j, size_t *i, struct judge_rule *ret)
{
        if (*i >= j->nr)
                return 0;
        *ret = j->r[(*i)++];
        return 1;
}
void judge_rule_words(const struct judge *j, uint64_t id, struct buf *out)
{
        (void)j;
        buf_reset(out);
        buf_printf(out, "path /srv/%llu", (unsigned long long)id);
}
int judge_image_next(const struct judge *j, size_t *i, struct judge_image *ret)
{
        if (*i >= j->ni)
                return 0;
        *ret = j->im[(*i)++];
        return 1;
}
int judge_image_get(const struct judge *j, struct bytes digest, struct judge_image *ret)
{
        for (size_t i = 0; i < j->ni; i++)
                if (bytes_eq(j->im[i].digest, digest)) {
                        *ret = j->im[i];
                        return 1;
                }
        return 0;
}
void judge_facts_key(struct bytes digest, uint32_t number, struct buf *out)
{
        (void)digest;
        buf_put_u32(out, number);
}
/* Facts: two parts, packages and files; a third one is not there. */
int store_get(struct store *s, int what, struct bytes key, struct bytes *ret_blob)
{
        struct rd r;

        rd_init(&r, key.p, key.len);
        if (what != PIECE_FACTS || r.len != 4 || r.p[0] > 1)
                return -ENOENT;
        *ret_blob = buf_bytes(&s->facts[r.p[0]]);
        return 0;
}
static struct judge_why why;
int judge_explain_signal(const struct judge *j, const struct finding *f, const struct finding_signal *s,
                         struct judge_why *ret)
{
        (void)j, (void)f, (void)s;
        *ret = why;
        return 0;
}
int judge_explain_event(const struct judge *j, struct bytes id, const struct tide_event *ev, struct bytes name,
                        struct judge_why *ret)
{
        (void)j, (void)id, (void)ev, (void)name;
        *ret = why;
        return 0;
}
const struct recent *pipeline_recent(const struct pipeline *p)
{
        static struct recent *none;

        (void)p;
        if (!none && recent_new(&none) < 0)
                abort();
        return none;
}
/* One workload, or two, of some weeks; the hundredth is at hand. */
#define WEEK 604800000000000
static struct judge_weeks weeks[2];
static size_t nweeks;
int judge_weeks_next(const struct judge *j, size_t *i, struct judge_weeks *ret)
{
        (void)j;
        if (*i >= nweeks)
                return 0;
        *ret = weeks[(*i)++];
        return 1;
}
int64_t judge_week_begin(int64_t number)
{
        return number * WEEK;
}
int64_t judge_week_now(const struct judge *j)
{
        (void)j;
        return 100;
}
int64_t judge_now(const struct judge *j)
{
        (void)j;
        return 100 * WEEK + WEEK / 2;
}
const char *judge_verdict_name(unsigned v)
{
        static const char *const words[] = {"malicious", "misconfigured", "benign", "unsure"};

        return words[v];
}
int judge_loss_next(const struct judge *j, size_t *i, struct judge_loss *ret)
{
        (void)j, (void)i, (void)ret;
        return 0;
}

size_t judge_flow_names(const struct judge *j, const struct tide_event *ev, struct bytes *ret, size_t max)
{
        (void)j, (void)ev, (void)ret, (void)max;
        return 0;
}
int judge_container_next(const struct judge *j, size_t *i, struct judge_container *ret)
{
        if (*i >= j->nc)
                return 0;
        *ret = j->c[(*i)++];
        return 1;
}
void judge_stats(const struct judge *j, struct judge_stats *ret)
{
        memset(ret, 0, sizeof(*ret));
        ret->events = 12;
        ret->workloads = j->nw;
        ret->net.outbound = 10;
        ret->net.resolver = 2;
        ret->net.process_unknown = 2;
        ret->names = 5;
        ret->names_unasked = 3;
}
void pipeline_fuse_stats(const struct pipeline *p, struct fuse_stats *ret)
{
        (void)p;
        *ret = (struct fuse_stats){.index = 7, .index_refused = 3};
}
struct bytes judge_result(const struct judge *j)
{
        (void)j;
        return buf_bytes(&store.said);
}
int judge_each(const struct judge *j, int (*cb)(enum judge_piece, struct bytes, struct bytes, void *), void *arg)
{
        int r = cb(PIECE_WORKLOAD, BYTES_LIT("w"), BYTES_LIT("no finding"), arg);

        (void)j;
        for (size_t i = 0; r == 0 && i < store.n; i++)
                r = cb(PIECE_FINDING, BYTES_LIT("k"), buf_bytes(&store.blob[i]), arg);
        return r;
}
int store_each(struct store *s, int what, int (*cb)(struct bytes, struct bytes, void *), void *arg)
{
        int r = what == PIECE_FINDING ? s->err : -EINVAL;

        for (size_t i = 0; r == 0 && i < s->n; i++)
                r = cb(BYTES_LIT("k"), buf_bytes(&s->blob[i]), arg);
        return r;
}

static struct judge_params params = {.show = 50};
static struct query_env env = {.store = &store, .params = &params};

static void add_finding(const struct finding *f)
{
        struct buf *b = &store.blob[store.n++];

        if (store.n > BLOBS)
                abort();
        buf_init(b, 1 << 20);
        CU_ASSERT_EQUAL(finding_encode(f, b), 0);
}

static void forget_findings(void)
{
        for (size_t i = 0; i < store.n; i++)
                buf_release(&store.blob[i]);
        store.n = 0;
}

/* Findings by id, state, confidence, of workload web. */
static void add(uint64_t id, enum finding_state state, uint32_t confidence, bool suppressed)
{
        struct finding *f = finding_sample(id);

        f->state = state;
        f->confidence = confidence;
        f->suppressed = suppressed;
        add_finding(f);
        finding_free(f);
}

static void add_workload(const char *id, const char *name, const char *state)
{
        struct judge_workload *w = &judge.w[judge.nw++];

        memset(w, 0, sizeof(*w));
        w->id = bytes_str(id);
        w->name = bytes_str(name);
        w->image = BYTES_LIT("localhost/web:1");
        w->digest = bytes_str(strchr(id, '@') + 1);
        w->class = BYTES_LIT("service");
        w->first_ns = SAMPLE_NS;
        w->last_ns = SAMPLE_NS;
        for (unsigned d = 0; d < DIM__MAX; d++) {
                w->dim[d].state = d <= DIM_PROCESS ? state : "off";
                w->dim[d].by = "";
                w->dim[d].due_ns = SAMPLE_NS;
                w->dim[d].p_new = d == DIM_FILE ? 0.5 : (double)NAN;
        }
}

static void set_up(void)
{
        forget_findings();
        memset(&store, 0, sizeof(store));
        memset(&judge, 0, sizeof(judge));
        env.store = &store;
        env.status = NULL;
        add_workload("web@sha256:00ff", "web", "learning");
        add_workload("web@sha256:11aa", "web", "active");
        add_workload("db@sha256:22", "db", "active");
        add_workload("dark\x1b@sha256:33", "dark\x1b", "active");
}

/* request: JSON with ' for ". */
static json_t *parse(const char *request)
{
        char text[1024];
        json_t *j;

        snprintf(text, sizeof(text), "%s", request);
        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        j = json_loads(text, JSON_DECODE_ANY, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(j);
        return j;
}

static json_t *ask(const char *request)
{
        json_t *j = parse(request), *a = query_run(&env, j);

        CU_ASSERT_PTR_NOT_NULL_FATAL(a);
        json_decref(j);
        return a;
}

/* data of an answer that must be good; the answer is kept in *hold. */
static json_t *good(const char *request, json_t **hold)
{
        *hold = ask(request);
        CU_ASSERT(json_is_true(json_object_get(*hold, "ok")));
        if (!json_is_true(json_object_get(*hold, "ok")))
                printf("\n%s: %s\n", request, json_string_value(json_object_get(*hold, "error")));
        return json_object_get(*hold, "data");
}

static void bad(const char *request, int code, const char *words)
{
        json_t *a = ask(request);
        const char *error = json_string_value(json_object_get(a, "error"));
        bool fits = error && strstr(error, words);

        CU_ASSERT(json_is_false(json_object_get(a, "ok")));
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(a, "code")), code);
        CU_ASSERT(fits);
        if (!fits)
                printf("\n%s: \"%s\"\n", request, error ? error : "no error");
        json_decref(a);
}

/* "F-1 F-2", and the numbers beside it. */
static void listed(const char *request, const char *ids, int hidden, int suppressed, int more)
{
        json_t *hold, *d = good(request, &hold), *v, *list = json_object_get(d, "findings");
        char text[4096] = "";
        size_t i;

        json_array_foreach(list, i, v)
        {
                if (i)
                        strcat(text, " ");
                strcat(text, json_string_value(json_object_get(v, "id")));
        }
        CU_ASSERT_STRING_EQUAL(text, ids);
        if (strcmp(text, ids))
                printf("\n%s: %s\n", request, text);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "hidden")), hidden);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "suppressed")), suppressed);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "more")), more);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "not_judged")), 1);
        json_decref(hold);
}

static void test_requests(void)
{
        set_up();
        bad("7", 2, "a request is an object");
        bad("{}", 2, "no field \"cmd\"");
        bad("{'cmd':7}", 2, "no field \"cmd\"");
        bad("{'cmd':'fly\\u001b'}", 2, "there is no command \"fly\\x1b\"");
        bad("{'cmd':'status','x':1}", 2, "status has no field \"x\"");
        bad("{'cmd':'findings','all':1}", 2, "\"all\" must be true or false");
        bad("{'cmd':'findings','state':null}", 2, "\"state\" must be");
        bad("{'cmd':'findings','state':'shut'}", 2, "state must be open, triaged, closed or all");
        bad("{'cmd':'findings','after':'x'}", 2, "\"x\" is no finding's id");
        bad("{'cmd':'show'}", 2, "needs field \"id\"");
        bad("{'cmd':'show','id':['F-1']}", 2, "\"id\" must be");
        bad("{'cmd':'baseline.activate','workload':'db'}", 2, "admin.sock");
}

static void test_is_change(void)
{
        static const struct {
                const char *request;
                bool change;
        } cases[] = {{"{'cmd':'baseline.activate'}", true},
                     {"{'cmd':'baseline.learn'}", true},
                     {"{'cmd':'status'}", false},
                     {"{'cmd':'nothing'}", false},
                     {"{}", false},
                     {"[]", false},
                     {"{'cmd':7}", false}};

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                json_t *j = parse(cases[i].request);

                CU_ASSERT_EQUAL(query_is_change(j), cases[i].change);
                json_decref(j);
        }
}

static void test_findings(void)
{
        struct finding *f;

        set_up();
        listed("{'cmd':'findings'}", "", 0, 0, 0);
        add(12, FINDING_OPEN, 90, false);
        add(2, FINDING_OPEN, 50, false);
        add(3, FINDING_OPEN, 49, false);
        add(4, FINDING_TRIAGED, 90, false);
        add(5, FINDING_CLOSED, 90, false);
        add(6, FINDING_OPEN, 90, true);
        listed("{'cmd':'findings'}", "F-2 F-4 F-12", 1, 1, 0);
        listed("{'cmd':'findings','all':true}", "F-2 F-3 F-4 F-6 F-12", 0, 0, 0);
        listed("{'cmd':'findings','state':'open'}", "F-2 F-12", 1, 1, 0);
        listed("{'cmd':'findings','state':'triaged'}", "F-4", 0, 0, 0);
        listed("{'cmd':'findings','state':'closed'}", "F-5", 0, 0, 0);
        listed("{'cmd':'findings','state':'all'}", "F-2 F-4 F-5 F-12", 1, 1, 0);
        listed("{'cmd':'findings','after':'F-4'}", "F-12", 1, 1, 0);
        listed("{'cmd':'findings','suppressed':true}", "F-6", 0, 0, 0);
        /* The same from a judge alone, as in replay. */
        env.store = NULL;
        listed("{'cmd':'findings'}", "F-2 F-4 F-12", 1, 1, 0);
        env.store = &store;
        /* By workload: web exactly, though another begins so. */
        f = finding_sample(13);
        SAMPLE(f->workload, "web2");
        add_finding(f);
        finding_free(f);
        listed("{'cmd':'findings','workload':'web'}", "F-2 F-4 F-12", 1, 1, 0);
        listed("{'cmd':'findings','workload':'web2'}", "F-13", 0, 0, 0);
        listed("{'cmd':'findings','workload':'web2@sh'}", "F-13", 0, 0, 0);
        listed("{'cmd':'findings','workload':'db'}", "", 0, 0, 0);
        listed("{'cmd':'findings','workload':'web@sha256:11'}", "", 0, 0, 0);
        bad("{'cmd':'findings','workload':'we'}", 2, "more than one workload begins with \"we\"");
        bad("{'cmd':'findings','workload':'cache'}", 4, "no workload is called \"cache\"");
        bad("{'cmd':'findings','workload':''}", 4, "no workload is called \"\"");
}

static void test_damaged(void)
{
        json_t *hold, *d;

        set_up();
        add(1, FINDING_OPEN, 90, false);
        buf_init(&store.blob[store.n], 64);
        buf_put_str(&store.blob[store.n++], "no finding at all");
        d = good("{'cmd':'findings'}", &hold);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "findings")), 1);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "damaged")), 1);
        json_decref(hold);
        store.err = -EIO;
        bad("{'cmd':'findings'}", 4, "could not be read");
        bad("{'cmd':'show','id':'F-1'}", 4, "could not be read");
}

/* More than one answer holds: all of them, in order, each once. */
static void test_pages(void)
{
        char request[128] = "{'cmd':'findings'}";
        uint64_t next = 1, more;
        unsigned pages = 0;

        set_up();
        for (uint64_t i = 300; i; i--)
                add(i, FINDING_OPEN, 90, false);
        do {
                json_t *hold, *d = good(request, &hold), *v, *list = json_object_get(d, "findings");
                size_t i;

                json_array_foreach(list, i, v)
                {
                        char id[32];

                        snprintf(id, sizeof(id), "F-%llu", (unsigned long long)next++);
                        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "id")), id);
                }
                more = (uint64_t)json_integer_value(json_object_get(d, "more"));
                CU_ASSERT_EQUAL(more, 301 - next);
                snprintf(request, sizeof(request), "{'cmd':'findings','after':'F-%llu'}", (unsigned long long)next - 1);
                json_decref(hold);
        } while (more && ++pages < 10);
        CU_ASSERT_EQUAL(next, 301);
        CU_ASSERT(pages > 0);
}

/* Big ones: an answer stays below its limit however much they hold. */
static void test_answer_size(void)
{
        struct finding *f = finding_sample(1);
        static uint8_t noise[4000];
        json_t *hold, *d;
        char *text;

        set_up();
        memset(noise, 0xff, sizeof(noise));
        f->nsignals = FINDING_SIGNALS;
        for (unsigned i = 0; i < FINDING_SIGNALS; i++)
                sample_set(&f->signals[i].args, bytes_of(noise, sizeof(noise)));
        for (f->id = 1; f->id <= 20; f->id++)
                add_finding(f);
        finding_free(f);
        d = good("{'cmd':'findings'}", &hold);
        CU_ASSERT(json_array_size(json_object_get(d, "findings")) > 0);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "findings")) +
                                (size_t)json_integer_value(json_object_get(d, "more")),
                        20);
        text = json_dumps(hold, QUERY_JSON_FLAGS);
        CU_ASSERT(strlen(text) < 4u << 20);
        free(text);
        json_decref(hold);
}

static void test_show(void)
{
        json_t *hold;

        set_up();
        add(1, FINDING_OPEN, 10, false);
        add(12, FINDING_CLOSED, 90, false);
        add(13, FINDING_OPEN, 90, false);
        add(25, FINDING_OPEN, 90, false);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(good("{'cmd':'show','id':'F-1'}", &hold), "id")),
                               "F-1");
        json_decref(hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(good("{'cmd':'show','id':'f-12'}", &hold), "id")),
                               "F-12");
        json_decref(hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(good("{'cmd':'show','id':'2'}", &hold), "id")),
                               "F-25");
        json_decref(hold);
        bad("{'cmd':'show','id':'F-7'}", 4, "there is no finding F-7");
        bad("{'cmd':'show','id':''}", 2, "is no finding's id");
        bad("{'cmd':'show','id':'F-'}", 2, "is no finding's id");
        bad("{'cmd':'show','id':'F-0'}", 2, "is no finding's id");
        bad("{'cmd':'show','id':'F-1x'}", 2, "is no finding's id");
        bad("{'cmd':'show','id':'F-99999999999999999999'}", 2, "is no finding's id");
        bad("{'cmd':'show','id':'\\u001b[0m'}", 2, "\"\\x1b[0m\" is no finding's id");
        set_up();
        add(12, FINDING_OPEN, 90, false);
        add(13, FINDING_OPEN, 90, false);
        bad("{'cmd':'show','id':'F-1'}", 2, "2 findings begin with F-1");
}

static void test_baseline(void)
{
        json_t *hold, *d, *v;

        set_up();
        judge.ne = 3;
        judge.e[0] = (struct judge_entry){
                .dim = DIM_FILE, .key = BYTES_LIT("/a/\x01"), .exe = BYTES_LIT("/bin/sh"), .windows = 1};
        judge.e[1] = (struct judge_entry){.dim = DIM_FILE, .key = BYTES_LIT("/b"), .windows = 2, .count = 9};
        judge.e[2] = (struct judge_entry){.dim = DIM_PROCESS, .key = BYTES_LIT("/c"), .windows = 1, .candidate = true};
        judge.e[2].why = "never-silent";
        d = good("{'cmd':'baseline.list'}", &hold);
        CU_ASSERT_EQUAL(json_array_size(d), 4);
        v = json_array_get(json_object_get(json_array_get(d, 0), "dimensions"), DIM_FILE);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "dimension")), "file");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "state")), "learning");
        CU_ASSERT_EQUAL(json_real_value(json_object_get(v, "p_new")), 0.5);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(v, "keeps_from_converging")), 1);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(v, "keeps_from_converging"), 0)),
                               "/a/\\x01");
        /* Learning that has not begun ends at no date. */
        CU_ASSERT(json_is_string(json_object_get(v, "due")));
        v = json_array_get(json_object_get(json_array_get(d, 0), "dimensions"), DIM_NETWORK);
        CU_ASSERT(json_is_null(json_object_get(v, "due")));
        v = json_array_get(json_object_get(json_array_get(d, 0), "dimensions"), DIM_PROCESS);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(v, "keeps_from_converging")), 0);
        CU_ASSERT(json_is_null(json_object_get(v, "p_new"))); /* no number: JSON has none for it */
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(d, 3), "name")), "dark\\x1b");
        json_decref(hold);

        d = good("{'cmd':'baseline.show','workload':'web@sha256:0'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "id")), "web@sha256:00ff");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "entries")), 3);
        v = json_array_get(json_object_get(d, "entries"), 2);
        CU_ASSERT(json_is_true(json_object_get(v, "candidate")));
        CU_ASSERT(json_is_null(json_object_get(v, "executable")));
        json_decref(hold);
        d = good("{'cmd':'baseline.show','workload':'web@sha256:00ff','after':2}", &hold);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "entries")), 1);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "more")), 0);
        json_decref(hold);
        d = good("{'cmd':'baseline.show','workload':'db@sha'}", &hold);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "entries")), 0);
        json_decref(hold);
}

/* The key of the i-th of a list of the document. */
static const char *key_of(json_t *d, const char *list, size_t i)
{
        json_t *a = json_object_get(json_object_get(d, "document"), list);

        return json_string_value(json_object_get(json_array_get(a, i), "key"));
}

static void test_export(void)
{
        json_t *hold, *d;

        set_up();
        judge.ne = 4;
        judge.e[0] = (struct judge_entry){
                .dim = DIM_PROCESS, .key = BYTES_LIT("/tmp/x [write-layer]"), .never_silent = true, .why = ""};
        judge.e[0].approved_by = "operator uid 0";
        judge.e[0].approved_reason = BYTES_LIT("the\nvendor's");
        judge.e[1] = (struct judge_entry){.dim = DIM_FILE, .key = BYTES_LIT("/b\x01"), .exe = BYTES_LIT("/bin/sh")};
        judge.e[2] = (struct judge_entry){.dim = DIM_FILE, .key = BYTES_LIT("/a"), .exe = BYTES_LIT("/bin/sh")};
        judge.e[3] = (struct judge_entry){.dim = DIM_NETWORK, .key = BYTES_LIT("db:1/tcp"), .candidate = true};
        judge.e[3].why = "raw-address";
        judge.e[3].waiting = true;
        judge.w[0].dim[DIM_FILE].state = judge.w[0].dim[DIM_PROCESS].state = "active";
        judge.w[0].dim[DIM_FILE].by = "timer";
        judge.w[0].dim[DIM_PROCESS].by = "operator uid 0";
        d = good("{'cmd':'baseline.export','workload':'web@sha256:0'}", &hold);
        CU_ASSERT_STRING_EQUAL(key_of(d, "entries", 0), "/a");
        CU_ASSERT_STRING_EQUAL(key_of(d, "entries", 1), "/b\\x01");
        CU_ASSERT_PTR_NULL(key_of(d, "entries", 2));
        /* What is never learned silently is no document's to vouch for. */
        CU_ASSERT_STRING_EQUAL(key_of(d, "candidates", 0), "/tmp/x [write-layer]");
        CU_ASSERT_STRING_EQUAL(key_of(d, "candidates", 1), "db:1/tcp");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "more")), 0);
        d = json_object_get(json_object_get(d, "document"), "dimensions");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_object_get(d, "file"), "by")),
                               "activated by timer, no reviewer");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_object_get(d, "process"), "by")),
                               "operator uid 0");
        json_decref(hold);
        d = good("{'cmd':'baseline.export','workload':'web@sha256:0','after':['entries','file','/a','/bin/sh']}",
                 &hold);
        CU_ASSERT_STRING_EQUAL(key_of(d, "entries", 0), "/b\\x01");
        CU_ASSERT_STRING_EQUAL(key_of(d, "candidates", 1), "db:1/tcp");
        json_decref(hold);
        d = good("{'cmd':'baseline.export','workload':'web@sha256:0','after':['entries','file','/b\\\\x01','/c']}",
                 &hold);
        CU_ASSERT_PTR_NULL(key_of(d, "entries", 0));
        CU_ASSERT_STRING_EQUAL(key_of(d, "candidates", 0), "/tmp/x [write-layer]");
        json_decref(hold);
        bad("{'cmd':'baseline.export','workload':'db','after':['entries','file','/b']}", 2, "what the page before");
        bad("{'cmd':'baseline.export','workload':'db','after':['entries','x','/b','']}", 2, "what the page before");
        judge.w[2].class = BYTES_LIT("job");
        bad("{'cmd':'baseline.export','workload':'db'}", 4, "is a job, which is not learned");
}

static void test_resolve(void)
{
        json_t *hold, *d;

        set_up();
        d = good("{'cmd':'baseline.show','workload':'db'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "id")), "db@sha256:22");
        json_decref(hold);
        /* As it was shown, so it is taken. */
        d = good("{'cmd':'baseline.show','workload':'dark\\\\x1b'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "id")), "dark\\x1b@sha256:33");
        json_decref(hold);
        bad("{'cmd':'baseline.show','workload':'web'}", 2,
            "may be one of 2 workloads: web@sha256:00ff, web@sha256:11aa.");
        bad("{'cmd':'baseline.show','workload':'web@'}", 2, "may be one of 2 workloads");
        bad("{'cmd':'baseline.show','workload':'cache'}", 4, "no workload is called \"cache\"");
        bad("{'cmd':'baseline.show','workload':''}", 4, "no workload is called \"\"");
        judge.nw = 0;
        bad("{'cmd':'baseline.show','workload':'db'}", 4, "no workload is called \"db\"");
}

static int decide(const char *request, struct buf *scratch, struct tide_event *ev, json_t **ret)
{
        json_t *j = parse(request);
        int r = query_decision(&env, j, scratch, ev, ret);

        json_decref(j); /* what the event holds must not be the request's */
        return r;
}

static void refused(const char *request, const char *words)
{
        _cleanup_buf_ struct buf scratch;
        struct tide_event ev;
        json_t *a = NULL;
        const char *error;
        bool fits;

        buf_init(&scratch, 4096);
        CU_ASSERT(decide(request, &scratch, &ev, &a) < 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(a);
        CU_ASSERT(json_is_false(json_object_get(a, "ok")));
        error = json_string_value(json_object_get(a, "error"));
        fits = error && strstr(error, words);
        CU_ASSERT(fits);
        if (!fits)
                printf("\n%s: \"%s\"\n", request, error ? error : "");
        json_decref(a);
}

/* Many candidates are few lines, and what matters most comes first. */
static void test_review(void)
{
        static char paths[40][32];
        json_t *hold, *d, *g;

        set_up();
        d = good("{'cmd':'baseline.review'}", &hold);
        CU_ASSERT_EQUAL(json_array_size(d), 0); /* there are none */
        json_decref(hold);
        for (unsigned i = 0; i < 40; i++) {
                snprintf(paths[i], sizeof(paths[i]), "/srv/%u/x", i);
                judge.e[i] = (struct judge_entry){.dim = DIM_FILE,
                                                  .key = bytes_str(paths[i]),
                                                  .exe = BYTES_LIT("/bin/web"),
                                                  .candidate = true,
                                                  .why = "new",
                                                  .item = i + 1,
                                                  .count = 2,
                                                  .first_ns = 100 + i,
                                                  .last_ns = 200 + i,
                                                  .seen = true,
                                                  .subject = bytes_str(paths[i]),
                                                  .containers = 1,
                                                  .container = {BYTES_LIT("web-1")},
                                                  .quarters = -4};
        }
        judge.e[40] = (struct judge_entry){.dim = DIM_PROCESS,
                                           .key = BYTES_LIT("/tmp/x [write-layer]"),
                                           .candidate = true,
                                           .why = "never-silent",
                                           .item = 41,
                                           .count = 1,
                                           .uid = 33,
                                           .seen = true,
                                           .subject = BYTES_LIT("/tmp/x"),
                                           .quarters = 40,
                                           .origin = ORIGIN_ENTRYPOINT};
        judge.e[41] = (struct judge_entry){.dim = DIM_NETWORK,
                                           .key = BYTES_LIT("db.test:5432/tcp"),
                                           .item = 42,
                                           .why = "",
                                           .asked = 1u << PHASE_SHUTDOWN};
        judge.ne = 42;
        d = good("{'cmd':'baseline.review','workload':'web@sha256:00ff'}", &hold);
        CU_ASSERT_EQUAL(json_array_size(d), 1);
        d = json_array_get(d, 0);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "candidates")), 42);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "more")), 0);
        d = json_object_get(d, "groups");
        CU_ASSERT_EQUAL(json_array_size(d), 3);
        g = json_array_get(d, 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(g, "subject")), "/tmp/x");
        CU_ASSERT(json_is_false(json_object_get(g, "bulk")));
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(g, "confidence")), 99);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(g, "who"), "uid")), 33);
        g = json_array_get(d, 1);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(g, "why")), "other-phase");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(g, "phases"), 0)), "shutdown");
        g = json_array_get(d, 2);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(g, "candidates")), 40);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(g, "items")), 40);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(g, "count")), 80);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(g, "containers")), 1);
        CU_ASSERT(json_is_true(json_object_get(g, "bulk")));
        json_decref(hold);
        d = good("{'cmd':'baseline.review','workload':'web@sha256:00ff','all':true}", &hold);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(json_array_get(d, 0), "groups")), 42); /* each in its place */
        json_decref(hold);
}

/* Arguments of all kinds; and what the judge says of it. */
static void test_outcome(void)
{
        json_t *answer = json_object(), *want = json_loads("{\"outcome\": {\"took\": [\"a\", \"b\"], "
                                                           "\"id\": [\"R-1\"]}}",
                                                           0, NULL);

        set_up();
        buf_init(&store.said, 4096);
        tide_list_put(&store.said, BYTES_LIT("took"), BYTES_LIT("a"));
        tide_list_put(&store.said, BYTES_LIT("id"), BYTES_LIT("R-1"));
        tide_list_put(&store.said, BYTES_LIT("took"), BYTES_LIT("b"));
        CU_ASSERT_EQUAL(query_outcome(&env, answer), 0);
        CU_ASSERT(json_equal(answer, want));
        json_decref(answer);
        json_decref(want);
        buf_release(&store.said);
}

static void test_decision(void)
{
        _cleanup_buf_ struct buf scratch;
        struct tide_event ev;
        struct bytes k, v;
        struct rd r;
        json_t *a;

        set_up();
        buf_init(&scratch, 4096);
        CU_ASSERT_EQUAL_FATAL(decide("{'cmd':'baseline.activate','workload':'db'}", &scratch, &ev, &a), 0);
        CU_ASSERT_EQUAL(ev.kind, TIDE_DECISION);
        CU_ASSERT(bytes_eq(ev.decision.verb, BYTES_LIT("baseline.activate")));
        CU_ASSERT(bytes_eq(ev.decision.target, BYTES_LIT("db@sha256:22")));
        CU_ASSERT_EQUAL(ev.decision.args.len, 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(a, "workload")), "db@sha256:22");
        CU_ASSERT(json_is_false(json_object_get(a, "dry_run")));
        CU_ASSERT_EQUAL(json_array_size(json_object_get(a, "dimensions")), 2); /* those that are not off */
        json_decref(a);

        /* A name that was shown escaped: the decision has it as it is. */
        CU_ASSERT_EQUAL_FATAL(
                decide("{'cmd':'baseline.learn','workload':'dark\\\\x1b','dimension':'file','dry_run':true}", &scratch,
                       &ev, &a),
                0);
        CU_ASSERT(bytes_eq(ev.decision.verb, BYTES_LIT("baseline.learn")));
        CU_ASSERT(bytes_eq(ev.decision.target, BYTES_LIT("dark\x1b@sha256:33")));
        rd_init(&r, ev.decision.args.p, ev.decision.args.len);
        CU_ASSERT(tide_list_next(&r, &k, &v));
        CU_ASSERT(bytes_eq(k, BYTES_LIT("dimension")));
        CU_ASSERT(bytes_eq(v, BYTES_LIT("file")));
        CU_ASSERT(json_is_true(json_object_get(a, "dry_run")));
        CU_ASSERT_EQUAL(json_array_size(json_object_get(a, "dimensions")), 1);
        json_decref(a);

        refused("{'cmd':'baseline.activate','workload':'d'}", "full name");
        refused("{'cmd':'baseline.activate','workload':'db@sha256:2'}", "full name");
        refused("{'cmd':'baseline.activate','workload':'web'}", "may be one of 2");
        refused("{'cmd':'baseline.activate','workload':'x'}", "no workload is called \"x\"");
        refused("{'cmd':'baseline.activate','workload':7}", "\"workload\" must be");
        refused("{'cmd':'baseline.activate'}", "needs field \"workload\"");
        refused("{'cmd':'baseline.activate','workload':'db','dimension':'smell'}", "there is no dimension \"smell\"");
        refused("{'cmd':'baseline.activate','workload':'db','force':true}", "no field \"force\"");
        refused("{'cmd':'status'}", "control.sock");
        refused("{'cmd':'fly'}", "no command");
        refused("[]", "a request is an object");
}

static void test_rules(void)
{
        _cleanup_buf_ struct buf scratch;
        struct tide_event ev;
        struct bytes k, v;
        json_t *hold, *d, *a;
        struct rd r;
        int n = 0;

        set_up();
        judge.nr = 3;
        judge.r[0] = (struct judge_rule){.id = 1,
                                         .kind = RULE_ALLOW,
                                         .path = BYTES_LIT("/srv/\\x1b*"),
                                         .signals = 1u << DIM_FILE,
                                         .reason = BYTES_LIT("a\x1b"),
                                         .by = BYTES_LIT("operator uid 0"),
                                         .hidden = 7,
                                         .added_ns = 1,
                                         .from_ns = 1,
                                         .last_ns = 1,
                                         .reach = "data files"};
        judge.r[1] = (struct judge_rule){.id = 2,
                                         .kind = RULE_SUPPRESS,
                                         .days = 1u << 6,
                                         .at_s = 7200,
                                         .length_s = 3600,
                                         .break_through = 99,
                                         .hidden = 5,
                                         .broke = 1,
                                         .until_ns = 9,
                                         .told = true,
                                         .reach = "whatever"};
        judge.r[2] = (struct judge_rule){
                .id = 3, .kind = RULE_ALLOW, .ended_ns = 1, .ended_by = BYTES_LIT("x"), .reach = ""};
        d = good("{'cmd':'allow.list'}", &hold);
        CU_ASSERT_EQUAL_FATAL(json_array_size(d), 1); /* those in force */
        d = json_array_get(d, 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "id")), "R-1");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "path")), "/srv/\\x1b*"); /* as it was typed */
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "reason")), "a\\x1b");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(d, "signal"), 0)), "file");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "state")), "active");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "hidden")), 7);
        CU_ASSERT(json_is_null(json_object_get(d, "until")));
        json_decref(hold);
        d = good("{'cmd':'allow.list','all':true}", &hold);
        CU_ASSERT_EQUAL(json_array_size(d), 2);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(d, 1), "state")), "removed");
        json_decref(hold);
        d = json_array_get(good("{'cmd':'suppress.list'}", &hold), 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "at")), "02:00");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(d, "on"), 0)), "sun");
        CU_ASSERT(json_is_true(json_object_get(d, "ends_soon")));
        json_decref(hold);
        d = json_object_get(good("{'cmd':'status'}", &hold), "rules");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "allow")), 1);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "hidden_by_allow")), 7);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "hidden_by_suppress")), 5);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "ending")), 1);
        json_decref(hold);
        /* What is asked for becomes the decision's arguments, a list one by one. */
        buf_init(&scratch, 4096);
        CU_ASSERT_EQUAL_FATAL(decide("{'cmd':'suppress.add','workload':'we*','on':['mon','sun'],'until':1767400000,"
                                     "'reason':'x','dry_run':true}",
                                     &scratch, &ev, &a),
                              0);
        CU_ASSERT(bytes_eq(ev.decision.verb, BYTES_LIT("suppress.add")));
        CU_ASSERT_EQUAL(ev.decision.target.len, 0);
        rd_init(&r, ev.decision.args.p, ev.decision.args.len);
        while (tide_list_next(&r, &k, &v))
                n += bytes_eq(k, BYTES_LIT("on")) ? 10 : bytes_eq(v, BYTES_LIT("1767400000")) ? 100 : 1;
        CU_ASSERT_EQUAL(n, 122); /* workload, reason; twice on; until; not the dry run */
        json_decref(a);
        refused("{'cmd':'allow.add','path':'/x'}", "needs field \"reason\"");
        refused("{'cmd':'allow.add','path':'/x','reason':'x','until':'2d'}", "\"until\" must be");
        refused("{'cmd':'allow.add','path':'/x','reason':'x','on':'mon'}", "no field \"on\"");
        refused("{'cmd':'allow.remove'}", "needs field \"rule\"");
}

static void test_explain(void)
{
        json_t *hold, *d, *s;

        set_up();
        judge.nr = 1;
        judge.r[0] = (struct judge_rule){.id = 4, .kind = RULE_ALLOW, .reach = ""};
        why = (struct judge_why){.decided = "raised",
                                 .state = "active",
                                 .entries = 3,
                                 .p_new = 0.5,
                                 .dim = DIM_FILE,
                                 .nnear = 1,
                                 .ntried = 1,
                                 .item = 17,
                                 .allow = "--path /x"};
        why.near[0] = (struct judge_near){.entry = {.key = BYTES_LIT("/y")}, .why = "in the same directory"};
        why.tried[0] = (struct judge_tried){.rule = 4, .kind = RULE_ALLOW, .why = "it is of another path"};
        add(12, FINDING_OPEN, 90, false);
        d = good("{'cmd':'explain','id':'F-12'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "of")), "finding");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "show")), 50);
        s = json_array_get(json_object_get(d, "signals"), 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(s, "decided")), "raised");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(s, "quiet"), 0)),
                               "tidemark baseline approve web B-17 --reason TEXT");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(s, "quiet"), 1)),
                               "tidemark allow add --path /x --reason TEXT");
        s = json_array_get(json_object_get(s, "rules"), 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(s, "id")), "R-4");
        CU_ASSERT(json_is_false(json_object_get(s, "fits")));
        json_decref(hold);
        d = good("{'cmd':'explain','workload':'db','path':'/x','executable':'/bin/y','origin':'exec'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "of")), "question");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "workload")), "db@sha256:22");
        json_decref(hold);
        why.quiet = true;
        d = good("{'cmd':'explain','workload':'db','destination':'[2001:db8::1]:443/tcp'}", &hold);
        CU_ASSERT(json_is_null(json_object_get(d, "quiet")));
        json_decref(hold);
        bad("{'cmd':'explain'}", 2, "needs an id");
        bad("{'cmd':'explain','id':'F-13'}", 4, "no finding \"F-13\"");
        bad("{'cmd':'explain','id':'x'}", 2, "neither a finding");
        bad("{'cmd':'explain','id':'E-x'}", 2, "no event's id");
        bad("{'cmd':'explain','id':'E-7'}", 4, "no act was judged yet");
        bad("{'cmd':'explain','workload':'db'}", 2, "a path or a destination");
        bad("{'cmd':'explain','workload':'db','path':'/x','destination':'y'}", 2, "a path or a destination");
        bad("{'cmd':'explain','workload':'db','path':'x'}", 2, "begins with a slash");
        bad("{'cmd':'explain','workload':'db','path':'/x','origin':'mars'}", 2, "origin must be");
        bad("{'cmd':'explain','workload':'db','destination':'h:0'}", 2, "port from 1");
        bad("{'cmd':'explain','workload':'db','destination':'h/teleport'}", 2, "no protocol");
        bad("{'cmd':'explain','workload':'db','destination':''}", 2, "no name or address");
        bad("{'cmd':'explain','workload':'nobody','path':'/x'}", 4, "nobody");
}

static json_t *daemon_status(void *arg)
{
        (void)arg;
        return json_pack("{s:[s], s:i}", "sensors", "proc", "memory", 7);
}

static void test_status(void)
{
        _cleanup_buf_ struct buf labels;
        json_t *hold, *d, *c;

        set_up();
        add(1, FINDING_OPEN, 90, false);
        add(2, FINDING_OPEN, 9, false);
        add(3, FINDING_CLOSED, 9, false);
        buf_init(&labels, 4096);
        tide_list_put(&labels, BYTES_LIT("team"), BYTES_LIT("bl\xffue"));
        tide_list_put(&labels, BYTES_LIT("team"), BYTES_LIT("second"));
        judge.nc = 2;
        judge.c[0] = (struct judge_container){.id = BYTES_LIT("0123"),
                                              .name = BYTES_LIT("web1"),
                                              .labels = buf_bytes(&labels),
                                              .workload_id = BYTES_LIT("db@sha256:22"),
                                              .running = true,
                                              .init_pid = 99,
                                              .gap_ns = 1500000,
                                              .started_ns = SAMPLE_NS};
        judge.c[1] = (struct judge_container){.id = BYTES_LIT("4567"), .running_before = true, .gap_ns = 5};
        env.status = daemon_status;
        d = good("{'cmd':'status'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "version")), PACKAGE_VERSION);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "memory")), 7);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "sensors")), 1);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "workloads")), 4);
        c = json_object_get(d, "findings");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(c, "open")), 2);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(c, "closed")), 1);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(c, "below_show")), 1);
        c = json_array_get(json_object_get(d, "containers"), 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(c, "state")), "running");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_object_get(c, "labels"), "team")), "bl\\xffue");
        CU_ASSERT_EQUAL(json_real_value(json_object_get(c, "gap_ms")), 1.5);
        c = json_array_get(json_object_get(d, "containers"), 1);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(c, "state")), "stopped");
        CU_ASSERT(json_is_null(json_object_get(c, "gap_ms")));
        CU_ASSERT(json_is_null(json_object_get(c, "init_pid")));
        CU_ASSERT(json_is_null(json_object_get(c, "started")));
        json_decref(hold);
}

/* A connection and an answer of the name service, as watch tells them. */
static void test_watch_net(void)
{
        static const uint8_t there[] = {203, 0, 113, 5}, here[16] = {0xfd, [15] = 1};
        struct tide_event ev = {.kind = TIDE_FLOW, .wall_ns = SAMPLE_NS};
        struct buf addresses, chain;
        json_t *j;

        ev.flow.what = FLOW_BEGAN;
        ev.flow.direction = DIRECTION_IN;
        ev.flow.proto = IPPROTO_UDP;
        ev.flow.local = bytes_of(here, 16);
        ev.flow.remote = bytes_of(there, 4);
        ev.flow.lport = 53;
        j = query_watch_event(NULL, &ev, bytes_of(NULL, 0), "inbound", 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "direction")), "inbound");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "protocol")), "udp");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "remote")), "203.0.113.5");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "local")), "fd00::1");
        CU_ASSERT(json_is_null(json_object_get(j, "real")));
        CU_ASSERT(json_is_null(json_object_get(j, "bytes_in")));
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(j, "local_port")), 53);
        json_decref(j);
        ev.flow.proto = IPPROTO_ICMP; /* has none: what stands there is a type and an identifier */
        j = query_watch_event(NULL, &ev, bytes_of(NULL, 0), "inbound", 0);
        CU_ASSERT(json_is_null(json_object_get(j, "local_port")));
        CU_ASSERT(json_is_null(json_object_get(j, "remote_port")));
        json_decref(j);
        buf_init(&addresses, 100);
        buf_init(&chain, 100);
        tide_list_put(&addresses, bytes_of(there, 4), BYTES_LIT("\1\0\0\0"));
        tide_list_put(&addresses, bytes_of(here, 16), BYTES_LIT("\1\0\0\0"));
        tide_list_put(&chain, BYTES_LIT("www.example"), BYTES_LIT("cdn.example"));
        memset(&ev, 0, sizeof(ev));
        ev.kind = TIDE_NAME;
        ev.name.verdict = NAME_UNASKED;
        ev.name.question = BYTES_LIT("www.example");
        ev.name.addresses = buf_bytes(&addresses);
        ev.name.chain = buf_bytes(&chain);
        ev.name.reason = BYTES_LIT("nothing was asked");
        j = query_watch_event(NULL, &ev, bytes_of(NULL, 0), "", 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "operation")), "unasked");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "name")), "www.example");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(j, "chain"), 0)), "cdn.example");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(j, "addresses"), 1)), "fd00::1");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "reason")), "nothing was asked");
        json_decref(j);
        buf_release(&addresses);
        buf_release(&chain);
}

/* ---- images ---- */

static void add_image(const char *digest, uint8_t state)
{
        struct judge_image *im = &judge.im[judge.ni++];

        memset(im, 0, sizeof(*im));
        im->digest = bytes_str(digest);
        im->state = state;
        im->words = state == PRIOR_COMPLETE ? bytes_of(NULL, 0) : BYTES_LIT("layer 2 is gone");
        im->entrypoint = BYTES_LIT("/app\0-d");
        im->user = BYTES_LIT("www\x1b");
        im->packages = 1;
        im->files = 2;
        im->unowned = 1;
        im->kinds[PRIOR_PROGRAM] = 2;
        im->parts = 2;
}

static void add_facts(void)
{
        static const uint8_t sum[TIDE_SHA256] = {0xab, 0xcd};
        struct tide_prior_package p = {.db = PACKAGE_APK, .name = BYTES_LIT("musl"), .version = BYTES_LIT("1.2-r0")};
        struct tide_prior_file f = {.path = BYTES_LIT("/lib/libc.so"), .kind = PRIOR_LIBRARY, .package = 1};

        for (uint8_t i = 0; i < 2; i++) {
                buf_init(&store.facts[i], 4096);
                buf_put_u8(&store.facts[i], i ? PRIOR_FILES : PRIOR_PACKAGES);
                buf_put_u32(&store.facts[i], 0);
        }
        tide_prior_package_put(&store.facts[0], &p);
        f.sha256 = bytes_of(sum, sizeof(sum));
        tide_prior_file_put(&store.facts[1], &f);
        f = (struct tide_prior_file){.path = BYTES_LIT("/app"), .kind = PRIOR_PROGRAM, .package = 77};
        f.flags = PRIORF_RUNS | PRIORF_SETUID | PRIORF_UNHASHED;
        tide_prior_file_put(&store.facts[1], &f);
}

static void test_images(void)
{
        json_t *hold, *d, *f;

        set_up();
        add_image("sha256:00ff", PRIOR_COMPLETE);
        add_image("sha256:77aabb", PRIOR_PARTIAL);
        add_image("sha256:77aacc", PRIOR_FAILED);
        add_facts();
        d = good("{'cmd': 'image.list'}", &hold);
        CU_ASSERT_EQUAL(json_array_size(d), 3);
        d = json_array_get(d, 1);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "state")), "partial");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "words")), "layer 2 is gone");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "user")), "www\\x1b");
        json_decref(hold);

        /* by the workload that runs it, and by its digest's beginning with and without the algorithm */
        d = good("{'cmd': 'image.show', 'image': 'web@sha256:00ff'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "digest")), "sha256:00ff");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(d, "workloads"), 0)),
                               "web@sha256:00ff");
        json_decref(hold);
        d = good("{'cmd': 'image.show', 'image': '77aab'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "digest")), "sha256:77aabb");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(d, "entrypoint"), 1)), "-d");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(d, "more")), 0);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "package_list")), 1);
        f = json_array_get(json_object_get(d, "file_list"), 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(f, "package")), "musl");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(f, "version")), "1.2-r0");
        CU_ASSERT_EQUAL(strncmp(json_string_value(json_object_get(f, "sha256")), "abcd00", 6), 0);
        f = json_array_get(json_object_get(d, "file_list"), 1); /* of a package that is not there: of none */
        CU_ASSERT(json_is_null(json_object_get(f, "package")) && json_is_null(json_object_get(f, "sha256")));
        CU_ASSERT(json_is_true(json_object_get(f, "gives_rights")));
        json_decref(hold);
        d = good("{'cmd': 'image.show', 'image': 'sha256:77aab', 'after': 2}", &hold); /* behind the last part */
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "file_list")), 0);
        json_decref(hold);

        bad("{'cmd': 'image.show', 'image': '77aa'}", 2, "2 images' digests begin");
        bad("{'cmd': 'image.show', 'image': 'nothing'}", 4, "tidemark image list");
        bad("{'cmd': 'image.show', 'image': 'db@sha256:22'}", 4, "is not analysed");
        bad("{'cmd': 'image.show'}", 2, "needs field");
        judge.im[1].parts = 3; /* one that the store has lost */
        d = good("{'cmd': 'image.show', 'image': '77aab'}", &hold);
        CU_ASSERT_TRUE(json_integer_value(json_object_get(d, "damaged")) > 0);
        json_decref(hold);
        for (size_t i = 0; i < 2; i++)
                buf_release(&store.facts[i]);
        set_up();
}

static void test_watch(void)
{
        struct tide_event ev = {
                .kind = TIDE_EXEC, .wall_ns = SAMPLE_NS, .container = BYTES_LIT("0123"), .flags = EVF_BEFORE};
        json_t *j;

        ev.exec.actor =
                (struct tide_actor){.flags = ACTOR_PID, .pid = 7, .uid = UINT32_MAX, .exe = BYTES_LIT("not known")};
        ev.exec.program = BYTES_LIT("/x\x1b");
        ev.exec.args = BYTES_LIT("a\0\0b");
        j = query_watch_event(NULL, &ev, BYTES_LIT("web"), "deviation F-12", 12);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "kind")), "exec");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "program")), "/x\\x1b");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "finding")), "F-12");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "args")), 3);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "flags")), 1);
        CU_ASSERT(json_is_null(json_object_get(j, "executable"))); /* no flag says that it is known */
        CU_ASSERT(json_is_null(json_object_get(j, "uid")));
        json_decref(j);
        for (unsigned kind = 0; kind < TIDE__KIND_MAX + 2u; kind++) {
                bool shown = kind == TIDE_EXEC || kind == TIDE_FILE || kind == TIDE_CTR_START ||
                             kind == TIDE_CTR_STOP || kind == TIDE_CONTENT || kind == TIDE_DECISION ||
                             kind == TIDE_WALK || kind == TIDE_LOSS || kind == TIDE_PRIV || kind == TIDE_FLOW ||
                             kind == TIDE_NAME || kind == TIDE_PRIOR || kind == TIDE_HASH;

                memset(&ev, 0, sizeof(ev));
                ev.kind = (uint16_t)kind;
                ev.prior.part = kind == TIDE_PRIOR ? PRIOR_END : 0;
                j = query_watch_event(NULL, &ev, bytes_of(NULL, 0), NULL, 0);
                CU_ASSERT_EQUAL(j != NULL, shown);
                CU_ASSERT(!j || json_is_null(json_object_get(j, "finding")));
                CU_ASSERT(!j || json_is_null(json_object_get(j, "verdict")));
                json_decref(j);
        }
        set_up();
}

/* ---- report ---- */

static json_t *report(const char *request)
{
        json_t *q = json_loads(request, 0, NULL), *a = query_run(&env, q);

        json_decref(q);
        CU_ASSERT_PTR_NOT_NULL_FATAL(a);
        return a;
}

static double number(const json_t *o, const char *key)
{
        return json_number_value(json_object_get(o, key));
}

static const char *band(uint32_t findings, uint64_t observed, char dst[32])
{
        json_t *a, *o;

        nweeks = 1;
        weeks[0] = (struct judge_weeks){.name = BYTES_LIT("web"), .last = 100};
        weeks[0].of[0] = (struct judge_week){.number = 100, .observed_ns = observed, .findings = findings};
        a = report("{\"cmd\": \"report\"}");
        o = json_object_get(json_object_get(a, "data"), "total");
        snprintf(dst, 32, "%s", json_string_value(json_object_get(o, "band")));
        json_decref(a);
        return dst;
}

static void test_bands(void)
{
        char text[32];

        CU_ASSERT_STRING_EQUAL(band(0, WEEK, text), "healthy");
        CU_ASSERT_STRING_EQUAL(band(1, WEEK + WEEK / 100, text), "healthy");
        CU_ASSERT_STRING_EQUAL(band(1, WEEK, text), "watch");
        CU_ASSERT_STRING_EQUAL(band(5, WEEK, text), "watch");
        CU_ASSERT_STRING_EQUAL(band(5, WEEK - WEEK / 100, text), "unsustainable");
        CU_ASSERT_STRING_EQUAL(band(6, WEEK, text), "unsustainable");
        CU_ASSERT_STRING_EQUAL(band(3, 0, text), "not judged");
        CU_ASSERT_STRING_EQUAL(band(3, WEEK / 8, text), "too early");
}

/* Two workloads over some weeks: sums, rates, what was not watched, causes; a span, and one workload. */
static void test_report(void)
{
        struct finding *f = finding_sample(1);
        json_t *a, *d, *o;

        nweeks = 2;
        weeks[0] = (struct judge_weeks){.name = BYTES_LIT("web"), .last = 100};
        weeks[0].of[0] = (struct judge_week){
                .number = 99, .observed_ns = WEEK, .findings = 3, .pages = 1, .verdicts = {1, 1, 1, 0}, .sessions = 4};
        weeks[0].of[1] = (struct judge_week){
                .number = 100, .observed_ns = WEEK / 4, .unjudged_ns = 0, .dark_ns = WEEK / 8, .findings = 1};
        weeks[0].of[2] = (struct judge_week){.number = 90, .observed_ns = WEEK, .findings = 50}; /* before the span */
        weeks[1] = (struct judge_weeks){.name = BYTES_LIT("web2"), .first_ns = 100 * WEEK + WEEK / 8, .last = 100};
        weeks[1].of[0] = (struct judge_week){.number = 100, .unjudged_ns = WEEK / 4, .learning = 2, .first_sights = 1};
        forget_findings();
        f->shown_ns = 99 * WEEK + 1;
        add_finding(f);
        add_finding(f);
        f->shown_ns = 90 * WEEK; /* before the span */
        add_finding(f);
        f->shown_ns = 99 * WEEK + 1;
        f->type = FINDING_SESSION;
        add_finding(f);
        a = report("{\"cmd\": \"report\", \"weeks\": 2}");
        d = json_object_get(a, "data");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "workloads")), 2);
        o = json_object_get(d, "total");
        CU_ASSERT_EQUAL(number(o, "findings"), 4);
        CU_ASSERT_DOUBLE_EQUAL(number(o, "observed_weeks"), 1.25, 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(number(o, "per_week"), 3.2, 1e-9);
        CU_ASSERT_EQUAL(number(o, "false_positives"), 1); /* misconfigured is true drift */
        CU_ASSERT_DOUBLE_EQUAL(number(o, "false_positives_per_week"), 0.8, 1e-9);
        CU_ASSERT_EQUAL(number(json_object_get(o, "verdicts"), "none"), 1);
        CU_ASSERT_EQUAL(number(o, "sessions"), 4);
        CU_ASSERT_EQUAL(number(o, "while_learning"), 2);
        CU_ASSERT_EQUAL(number(o, "first_sights"), 1);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "weeks")), 2);
        CU_ASSERT_EQUAL(number(json_array_get(json_object_get(o, "weeks"), 0), "findings"), 3);
        /* web: a week and a half, a quarter of a week of it unseen; web2: three eighths of one, an eighth of it. */
        CU_ASSERT_DOUBLE_EQUAL(number(o, "not_watched_hours"), (0.25 + 0.125) * 168, 1e-6);
        CU_ASSERT_DOUBLE_EQUAL(number(o, "connections_not_watched_hours"), 21, 1e-6);
        o = json_array_get(json_object_get(d, "causes"), 0);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "causes")), 1);
        CU_ASSERT_EQUAL(number(o, "findings"), 2);
        json_decref(a);
        a = report("{\"cmd\": \"report\", \"weeks\": 13, \"workload\": \"web2\"}");
        d = json_object_get(a, "data");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "workloads")), 1);
        CU_ASSERT_TRUE(json_is_null(json_object_get(json_object_get(d, "total"), "per_week")));
        json_decref(a);
        a = report("{\"cmd\": \"report\", \"weeks\": 14}");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(a, "code")), 2);
        json_decref(a);
        nweeks = 0;
        forget_findings();
        finding_free(f);
}

/* ---- deeds: which containers they are about ---- */

#define WEB_ID "11112222333344445555666677778888111122223333444455556666777788aa"
#define WEB2_ID "11112222333399995555666677778888111122223333444455556666777788bb"

static void add_container(const char *id, const char *name, bool running)
{
        struct judge_container *c = &judge.c[judge.nc++];

        memset(c, 0, sizeof(*c));
        c->id = bytes_str(id);
        c->name = bytes_str(name);
        c->running = running;
}

static int deed(const char *request, struct query_deed *d, char *error, size_t size)
{
        json_t *j = parse(request), *answer = NULL;
        _cleanup_buf_ struct buf args;
        int r;

        buf_init(&args, 4096);
        CU_ASSERT_TRUE(query_is_deed(j) && query_is_change(j));
        r = query_deed(&env, j, d, &args, &answer);
        snprintf(error, size, "%s", answer ? json_string_value(json_object_get(answer, "error")) : "");
        json_decref(answer);
        json_decref(j);
        return r;
}

static void deed_fails(const char *request, const char *words)
{
        struct query_deed d;
        char error[1024];

        CU_ASSERT_TRUE(deed(request, &d, error, sizeof(error)) < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, words));
        if (!strstr(error, words))
                printf("\n%s: %s", request, error);
}

static void test_deeds(void)
{
        struct finding *f;
        struct query_deed d;
        char error[1024];

        set_up();
        add_container(WEB_ID, "web", true);
        add_container(WEB2_ID, "web-2", true);
        add_container("aaaa", "gone", false);
        CU_ASSERT_EQUAL(deed("{'cmd': 'contain.isolate', 'target': 'web', 'dry_run': true}", &d, error, sizeof(error)),
                        0);
        CU_ASSERT_TRUE(d.deed == DEED_ISOLATE && d.dry_run && d.n == 1 && d.finding == 0);
        CU_ASSERT_STRING_EQUAL(d.containers[0].id, WEB_ID);
        CU_ASSERT_STRING_EQUAL(d.containers[0].name, "web");
        CU_ASSERT_EQUAL(deed("{'cmd': 'contain.release', 'target': '11112222333399'}", &d, error, sizeof(error)), 0);
        CU_ASSERT_STRING_EQUAL(d.containers[0].id, WEB2_ID);
        deed_fails("{'cmd': 'contain.kill', 'target': '111122223333'}", "2 containers are called");
        deed_fails("{'cmd': 'contain.kill', 'target': '11112222'}", "no container is called");
        deed_fails("{'cmd': 'contain.kill', 'target': 'we'}", "no container is called");
        deed_fails("{'cmd': 'contain.kill', 'target': 'gone'}", "no container is called");
        deed_fails("{'cmd': 'contain.isolate'}", "needs field");
        deed_fails("{'cmd': 'contain.isolate', 'target': 'web', 'nonsense': 1}", "no field");
        deed_fails("{'cmd': 'contain.isolate', 'target': 'F-7'}", "no finding F-7");

        /* What the sensor may still know of: by its whole id. */
        CU_ASSERT_EQUAL(deed("{'cmd': 'contain.release', 'target': "
                             "'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'}",
                             &d, error, sizeof(error)),
                        0);
        CU_ASSERT_EQUAL(d.n, 1);

        f = finding_sample(7);
        f->ncontainers = 2;
        CU_ASSERT_EQUAL(str_set(&f->containers[0].id, BYTES_LIT(WEB_ID)), 0);
        CU_ASSERT_EQUAL(str_set(&f->containers[1].id, BYTES_LIT(WEB2_ID)), 0);
        CU_ASSERT_EQUAL(str_set(&f->containers[1].name, BYTES_LIT("web-2")), 0);
        add_finding(f);
        finding_free(f);
        deed_fails("{'cmd': 'contain.isolate', 'target': 'F-7'}", "(web-2). Name one of them, or say --all");
        CU_ASSERT_EQUAL(deed("{'cmd': 'contain.isolate', 'target': 'F-7', 'all': true}", &d, error, sizeof(error)), 0);
        CU_ASSERT_TRUE(d.n == 2 && d.finding == 7);
        judge.c[1].running = false; /* one that is over needs no list */
        CU_ASSERT_EQUAL(deed("{'cmd': 'evidence.capture', 'target': 'F-7'}", &d, error, sizeof(error)), 0);
        CU_ASSERT_TRUE(d.deed == DEED_CAPTURE && d.n == 1);
        CU_ASSERT_STRING_EQUAL(d.containers[0].id, WEB_ID);
        CU_ASSERT_EQUAL(deed("{'cmd': 'evidence.list'}", &d, error, sizeof(error)), 0);
        CU_ASSERT_TRUE(d.deed == DEED_LIST && d.n == 0);
        CU_ASSERT_EQUAL(deed("{'cmd': 'evidence.list', 'after': 'E-1'}", &d, error, sizeof(error)), 0);
        deed_fails("{'cmd': 'evidence.list', 'after': 1}", "must be the last name");
        deed_fails("{'cmd': 'evidence.copy', 'name': 'E-1'}", "needs field");
        deed_fails("{'cmd': 'evidence.remove', 'name': 'E-1'}", "needs field");
        CU_ASSERT_EQUAL(deed("{'cmd': 'evidence.remove', 'name': 'E-1', 'reason': 'old'}", &d, error, sizeof(error)),
                        0);
        CU_ASSERT_TRUE(d.deed == DEED_REMOVE && d.n == 0);
}

/* ---- a quarter ---- */

static struct playbook book = {.version = "4", .owner = "o", .review = "2027-02-26", .n = 2,
                               .criteria = {{.name = "first", .verdict = "benign", .any = {"alpha"}, .nany = 1},
                                            {.name = "second", .verdict = "unsure", .any = {"beta"}, .nany = 1}}};

static void add_judged(uint64_t id, const char *factor, const char *verdict, int64_t shown_ns, int64_t verdict_ns)
{
        struct finding *f = finding_sample(id);

        CU_ASSERT_EQUAL_FATAL(str_set(&f->factors[0].name, bytes_str(factor)), 0);
        CU_ASSERT_EQUAL(str_set(&f->verdict, bytes_str(verdict)), 0);
        CU_ASSERT_EQUAL(str_set(&f->criteria, BYTES_LIT("3")), 0);
        f->suppressed = false;
        f->shown_ns = shown_ns;
        f->verdict_ns = verdict_ns;
        add_finding(f);
        finding_free(f);
}

static json_int_t number_of(const json_t *o, const char *key)
{
        return json_integer_value(json_object_get(o, key));
}

static void test_quarter(void)
{
        const int64_t in = SAMPLE_NS, before = INT64_C(1780000000000000000); /* 2026-11, 2026-05 */
        json_t *hold, *d, *c;

        set_up();
        env.playbook = &book;
        env.now_ns = in;
        add_judged(1, "alpha", "benign", in, in);
        add_judged(2, "alpha", "malicious", in, in + 1);
        add_judged(3, "gamma", "", in, 0);
        add_judged(4, "beta", "unsure", before, before);
        d = good("{'cmd': 'report.quarter', 'quarter': '2026Q4'}", &hold);
        CU_ASSERT_EQUAL(strncmp(json_string_value(json_object_get(d, "from")), "2026-10-01T00:00:00", 19), 0);
        CU_ASSERT_EQUAL(strncmp(json_string_value(json_object_get(d, "to")), "2027-01-01T00:00:00", 19), 0);
        CU_ASSERT_EQUAL(number_of(json_object_get(d, "findings"), "findings"), 3);
        c = json_array_get(json_object_get(d, "criteria"), 0);
        CU_ASSERT_EQUAL(number_of(c, "findings"), 2);
        CU_ASSERT_EQUAL(number_of(json_object_get(c, "verdicts"), "malicious"), 1);
        CU_ASSERT_EQUAL(number_of(json_array_get(json_object_get(d, "criteria"), 1), "findings"), 0);
        CU_ASSERT_EQUAL(number_of(json_object_get(d, "no_criterion"), "findings"), 1);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "judged_by")), 1);
        CU_ASSERT_EQUAL(number_of(json_array_get(json_object_get(d, "judged_by"), 0), "verdicts"), 2);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "new_benign")), 1);
        json_decref(hold);
        add_judged(5, "alpha", "benign", before, before); /* the same was judged so before: it is not new */
        d = good("{'cmd': 'report.quarter'}", &hold);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(d, "quarter")), "2026Q4");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(d, "new_benign")), 0);
        json_decref(hold);
        bad("{'cmd': 'report.quarter', 'quarter': '2026Q5'}", 2, "2026Q4");
        bad("{'cmd': 'report.quarter', 'quarter': '26Q1x'}", 2, "2026Q4");
        env.playbook = NULL;
        env.now_ns = 0;
}

static const struct unit_case cases[] = {
        {"rules: lists, their part of status, decisions", test_rules},
        {"explain: a finding, an act that is thought of, what cannot be", test_explain},
        {"wrong requests are told what is expected", test_requests},
        {"which commands change something", test_is_change},
        {"the queue: states, thresholds, workloads", test_findings},
        {"damaged findings are counted, an unreadable store is an error", test_damaged},
        {"a long queue comes in pages", test_pages},
        {"an answer has a size", test_answer_size},
        {"one finding, by id or its beginning", test_show},
        {"baselines and what keeps them", test_baseline},
        {"a baseline as a document", test_export},
        {"workloads are found by what was shown of them", test_resolve},
        {"a changing command takes full names only, and makes a decision", test_decision},
        {"what came of a decision", test_outcome},
        {"candidates, grouped", test_review},
        {"status", test_status},
        {"watch tells connections and names", test_watch_net},
        {"images and their facts", test_images},
        {"watch shows what it should, and no more", test_watch},
        {"bands of a report", test_bands},
        {"a report", test_report},
        {"a quarter, for the review of the playbook", test_quarter},
        {"deeds: which containers they are about", test_deeds},
};
UNIT_MAIN("query", cases)
