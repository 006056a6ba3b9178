/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A finding as JSON: every promised field, in a form that stays, whatever bytes are in it. The story's sentences are
 * the judge's; here only that they are all there, so the expected file has none.
 */
#include "unit.h"

#include <netinet/in.h>
#include <string.h>

#include "finding_sample.h"
#include "fixture.h"
#include "tidemark/buf.h"
#include "case/query-priv.h"

#define SHOW 50

static const char *const top[] = {
        "schema",        "id",         "type",         "host",       "state",       "confidence", "severity",
        "count",         "first_seen", "last_seen",    "suppressed", "below_show",  "verdict",    "workload",
        "containers",    "signals",    "signals_more", "lineage",    "actor",       "prior_bits", "sum_bits",
        "factors",       "story",      "inventory",    "loss",       "containment", "evidence",   "provenance",
        "sbom",          "admissions", "signals_rest", "rate",       "paged",       "shown_at",   "suppressed_by",
        "broke_through", "past",       "note",         "verdict_by", "verdict_at",  "closed_by",  "closed_at",
        "session",       "criteria_version", "conclusion",
};

static void test_golden(void)
{
        struct finding *f = finding_sample(1234);
        json_t *j = finding_json(f, SHOW);
        char *text, *expected;
        size_t len = 0;

        CU_ASSERT_PTR_NOT_NULL_FATAL(j);
        CU_ASSERT(json_array_size(json_object_get(j, "story")) > 0);
        json_object_set_new(j, "story", json_array());
        text = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
        expected = (char *)fixture_read("finding.json", &len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(expected);
        CU_ASSERT_EQUAL(len, strlen(text) + 1); /* and a newline */
        CU_ASSERT(!strncmp(text, expected, strlen(text)));
        if (strncmp(text, expected, strlen(text)))
                printf("\n%s\n", text);
        free(text);
        free(expected);
        json_decref(j);
        finding_free(f);
}

static void test_fields(void)
{
        struct finding *f = finding_new();
        json_t *j;

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        j = finding_json(f, SHOW);
        for (size_t i = 0; i < ARRAY_LEN(top); i++)
                CU_ASSERT_PTR_NOT_NULL(json_object_get(j, top[i]));
        CU_ASSERT_EQUAL(json_object_size(j), ARRAY_LEN(top));
        CU_ASSERT(json_is_null(json_object_get(j, "first_seen")));
        CU_ASSERT(json_is_null(json_object_get(json_object_get(j, "actor"), "uid")));
        CU_ASSERT(json_is_null(json_object_get(j, "inventory")));
        CU_ASSERT(json_is_null(json_object_get(j, "verdict")));
        CU_ASSERT(json_is_true(json_object_get(j, "below_show")));
        json_decref(j);
        finding_free(f);
}

static void test_first_sight(void)
{
        struct finding *f = finding_sample(7);
        json_t *j, *v;

        f->type = FINDING_FIRST_SIGHT;
        f->confidence = 0;
        f->inventory.added = 3;
        f->inventory.nnames = 1;
        SAMPLE(f->inventory.names[0], "/opt/\x80x");
        j = finding_json(f, SHOW);
        v = json_object_get(j, "inventory");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "added")), 3);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(v, "executable_names"), 0)),
                               "/opt/\\x80x");
        CU_ASSERT(json_is_false(json_object_get(j, "below_show"))); /* for somebody to look at, however sure */
        json_decref(j);
        finding_free(f);
}

/* Flows that are not kept one by one: where they went, and how much. */
static void test_rest(void)
{
        struct finding *f = finding_sample(7);
        json_t *j, *v;

        f->nrest = 1;
        f->rest[0] = (struct finding_rest){
                .to = {.proto = IPPROTO_TCP, .port = 22, .has_port = true, .counted = true, .bytes_out = 5, .ended = 1},
                .n = 45,
                .flows = 50,
                .first_ns = SAMPLE_NS,
                .last_ns = SAMPLE_NS};
        j = finding_json(f, SHOW);
        v = json_array_get(json_object_get(j, "signals_rest"), 0);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "port")), 22);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "protocol")), "tcp");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "destinations")), 45);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "count")), 50);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "bytes_out")), 5);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "flows_counted")), 1);
        json_decref(j);
        finding_free(f);
}

/* A connection: beside the subject that a person reads, its parts. */
static void test_flow(void)
{
        static const uint8_t address[] = {198, 51, 100, 7};
        struct finding *f = finding_sample(7);
        struct finding_signal *s = &f->signals[0];
        json_t *j, *v;

        s->kind = DIM_NETWORK;
        SAMPLE(s->subject, "198.51.100.7:443/tcp");
        SAMPLE(s->where, "evil.example (198.51.100.7):443/tcp");
        SAMPLE(s->operation, "connect");
        SAMPLE(s->args, "evil.example\0\xff.example\0edge.example\0");
        s->flow.names_more = 3;
        memcpy(s->flow.address, address, sizeof(address));
        s->flow.address_len = 4;
        s->flow.proto = IPPROTO_TCP;
        s->flow.direction = DIRECTION_OUT;
        s->flow.novelty = FLOW_NEW_DESTINATION;
        s->flow.port = 443;
        s->flow.has_port = true;
        j = finding_json(f, SHOW);
        v = json_array_get(json_object_get(j, "signals"), 0);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "kind")), "network");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "subject")), "198.51.100.7:443/tcp");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "where")), "evil.example (198.51.100.7):443/tcp");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "address")), "198.51.100.7");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "port")), 443);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "protocol")), "tcp");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "direction")), "outbound");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "novelty")), "new-destination");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v, "chain")), "edge.example");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(v, "names")), 2);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "names_more")), 3);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(v, "names"), 0)), "evil.example");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(v, "names"), 1)), "\\xff.example");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(v, "args")), 0);
        CU_ASSERT(json_is_null(json_object_get(v, "bytes_out"))); /* not counted is not nought */
        json_decref(j);
        s->flow.counted = true;
        s->flow.bytes_in = 12;
        s->flow.has_port = false;
        str_clear(&s->args);
        j = finding_json(f, SHOW);
        v = json_array_get(json_object_get(j, "signals"), 0);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "bytes_in")), 12);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(v, "bytes_out")), 0);
        CU_ASSERT(json_is_null(json_object_get(v, "port")));
        CU_ASSERT(json_is_null(json_object_get(v, "chain")));
        CU_ASSERT_EQUAL(json_array_size(json_object_get(v, "names")), 0);
        json_decref(j);
        finding_free(f);
}

static void test_full(void)
{
        struct finding *f = finding_sample(7);
        json_t *j;

        f->nsignals = FINDING_SIGNALS;
        f->ncontainers = FINDING_CONTAINERS;
        f->nfactors = FINDING_FACTORS;
        f->nlineage = FINDING_LINEAGE;
        j = finding_json(f, SHOW);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "signals")), FINDING_SIGNALS);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "containers")), FINDING_CONTAINERS);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "factors")), FINDING_FACTORS);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "lineage")), FINDING_LINEAGE);
        json_decref(j);
        finding_free(f);
}

/* Every byte, in every text: what comes out is JSON that reads back, on one line, without a control character. */
static void test_hostile(void)
{
        struct finding *f = finding_sample(7);
        struct bytes all;
        uint8_t p[512];
        json_t *j, *back;
        char *text;
        size_t len = 0;

        for (unsigned i = 0; i < 512; i++)
                p[i] = (uint8_t)(i < 256 ? i : (i * 37) & 255);
        all = bytes_of(p, sizeof(p));
        sample_set(&f->host, all);
        sample_set(&f->workload, all);
        sample_set(&f->containers[0].name, all);
        sample_set(&f->signals[0].subject, all);
        sample_set(&f->signals[0].args, all);
        sample_set(&f->lineage[0].comm, all);
        sample_set(&f->factors[0].text, all);
        sample_set(&f->loss, all);
        j = finding_json(f, SHOW);
        CU_ASSERT_PTR_NOT_NULL_FATAL(j);
        text = json_dumps(j, QUERY_JSON_FLAGS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        len = strlen(text);
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        CU_FAIL("a control character came through");
        CU_ASSERT_PTR_NULL(
                strstr(text, "\\u00")); /* nor hidden in JSON's own escapes, for a terminal behind a parser */
        back = json_loads(text, 0, NULL);
        CU_ASSERT(json_equal(j, back));
        json_decref(back);
        json_decref(j);
        free(text);
        finding_free(f);
}

/* ---- what was done ---- */

static void add_deed(struct finding *f, unsigned deed, unsigned state, int64_t at)
{
        struct tide_event ev = {.kind = TIDE_DONE, .wall_ns = at, .container = BYTES_LIT("c1")};

        ev.done = (struct tide_done){.deed = (uint8_t)deed, .state = (uint8_t)state, .command = (uint64_t)at,
                                     .name = BYTES_LIT("E-1"), .words = BYTES_LIT("so\x1b it was")};
        CU_ASSERT_EQUAL_FATAL(finding_deed_add(f, &ev), 0);
}

/* The first ones and the latest stay; each is kept, and shown with the others of its kind. */
static void test_deeds(void)
{
        struct finding *f = finding_new(), *back = NULL;
        _cleanup_buf_ struct buf b;
        json_t *o, *acts;

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        o = finding_json(f, SHOW);
        CU_ASSERT_TRUE(json_is_null(json_object_get(o, "containment")));
        json_decref(o);
        add_deed(f, DEED_CAPTURE, DEED_DONE, 1);
        for (int64_t i = 2; i <= FINDING_DEEDS + 5; i++)
                add_deed(f, DEED_ISOLATE, DEED_CHANGED, i);
        CU_ASSERT_EQUAL(f->ndeeds, FINDING_DEEDS);
        CU_ASSERT_EQUAL(f->deeds_more, 5);
        CU_ASSERT_EQUAL(f->deeds[0].wall_ns, 1);
        CU_ASSERT_EQUAL(f->deeds[FINDING_DEEDS / 2 - 1].wall_ns, FINDING_DEEDS / 2);
        CU_ASSERT_EQUAL(f->deeds[FINDING_DEEDS / 2].wall_ns, FINDING_DEEDS / 2 + 6);
        CU_ASSERT_EQUAL(f->deeds[FINDING_DEEDS - 1].wall_ns, FINDING_DEEDS + 5);
        buf_init(&b, 1 << 20);
        CU_ASSERT_EQUAL_FATAL(finding_encode(f, &b), 0);
        CU_ASSERT_EQUAL_FATAL(finding_decode(buf_bytes(&b), &back), 0);
        CU_ASSERT_EQUAL(back->ndeeds, FINDING_DEEDS);
        CU_ASSERT_EQUAL(back->deeds_more, 5);
        CU_ASSERT_TRUE(bytes_eq(str_get(&back->deeds[3].words), BYTES_LIT("so\x1b it was")));
        o = finding_json(back, SHOW);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "evidence")), 1);
        acts = json_object_get(json_object_get(o, "containment"), "acts");
        CU_ASSERT_EQUAL(json_array_size(acts), FINDING_DEEDS - 1);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(acts, 0), "act")), "isolate");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(acts, 0), "state")), "changed");
        json_decref(o);
        finding_free(back);
        finding_free(f);
}

/* What came of a deed takes the place where it stands that it began; of another request it is another. */
static void test_begun(void)
{
        struct finding *f = finding_new();

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        add_deed(f, DEED_CAPTURE, DEED_BEGAN, 7); /* its time is its command's number, too */
        add_deed(f, DEED_CAPTURE, DEED_BEGAN, 8);
        CU_ASSERT_EQUAL(f->ndeeds, 2);
        add_deed(f, DEED_ISOLATE, DEED_DONE, 7);
        add_deed(f, DEED_CAPTURE, DEED_DONE, 7);
        CU_ASSERT_EQUAL(f->ndeeds, 3);
        CU_ASSERT_TRUE(f->deeds[0].deed == DEED_CAPTURE && f->deeds[0].state == DEED_DONE);
        CU_ASSERT_TRUE(f->deeds[1].state == DEED_BEGAN && f->deeds[1].command == 8);
        add_deed(f, DEED_CAPTURE, DEED_DONE, 7); /* it is over: this is another one */
        CU_ASSERT_EQUAL(f->ndeeds, 4);
        finding_free(f);
}

/* A finding must fit a record, whatever was said. */
static void test_long_deeds(void)
{
        static char words[20000];
        struct finding *f = finding_new();
        _cleanup_buf_ struct buf b;

        buf_init(&b, 1 << 20);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        memset(words, 'w', sizeof(words));
        for (int64_t i = 1; i <= FINDING_DEEDS; i++) {
                struct tide_event ev = {.kind = TIDE_DONE, .wall_ns = i, .container = bytes_of(words, 5000)};

                ev.done = (struct tide_done){.deed = DEED_CAPTURE, .state = DEED_DONE, .command = (uint64_t)i,
                                             .name = bytes_of(words, 5000), .words = bytes_of(words, sizeof(words))};
                CU_ASSERT_EQUAL_FATAL(finding_deed_add(f, &ev), 0);
        }
        CU_ASSERT_EQUAL(finding_encode(f, &b), 0);
        CU_ASSERT_TRUE(b.len < TIDE_RECORD_MAX / 4);
        finding_free(f);
}

/* ---- explanations ---- */

static void add_factor(struct finding *f, const char *name, int32_t quarters, const char *text)
{
        struct finding_factor *x = &f->factors[f->nfactors++];

        CU_ASSERT_EQUAL_FATAL(str_set(&x->name, bytes_str(name)), 0);
        CU_ASSERT_EQUAL_FATAL(str_set(&x->text, bytes_str(text)), 0);
        x->quarters = quarters;
}

static bool says(const struct finding *f, const char *side, const char *words, const char *fact)
{
        json_t *o = query_explanations(f), *s = json_object_get(o, side), *v;
        const char *text = json_string_value(json_object_get(s, "text"));
        bool found = !fact && json_array_size(json_object_get(s, "facts")) == 0;
        size_t i;

        json_array_foreach(json_object_get(s, "facts"), i, v) found =
                found || (fact && strstr(json_string_value(v), fact));
        found = found && text && strstr(text, words);
        if (!found)
                printf("\n%s: %s", side, text ? text : "nothing");
        json_decref(o);
        return found;
}

static void test_explanations(void)
{
        struct finding *f = finding_new();

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        CU_ASSERT_TRUE(says(f, "benign", "ask whoever runs", NULL));
        CU_ASSERT_TRUE(says(f, "malicious", "if it is one", NULL));
        add_factor(f, "ran_write_layer", 44, "it ran from the write layer: /tmp/x");
        add_factor(f, "new_destination", 4, "never called: 203.0.113.5");
        CU_ASSERT_TRUE(says(f, "malicious", "a program of his own", "/tmp/x"));
        CU_ASSERT_TRUE(says(f, "benign", "ask whoever runs", NULL));
        f->actor_known = true;
        f->login_uid = 1000;
        CU_ASSERT_TRUE(says(f, "benign", "by hand", "uid 1000"));
        f->nlineage = 1;
        CU_ASSERT_EQUAL(str_set(&f->lineage[0].exe, BYTES_LIT("/usr/bin/apt-get")), 0);
        f->login_uid = UINT32_MAX;
        CU_ASSERT_TRUE(says(f, "benign", "brought up to date", "/usr/bin/apt-get"));
        add_factor(f, "lasting_place", 200, "a file by which something runs: /etc/cron.d/x");
        CU_ASSERT_TRUE(says(f, "malicious", "way back", "/etc/cron.d/x"));
        finding_free(f);
}

/* A misspelt name would be an explanation that nothing ever speaks for. */
static void test_explanation_factors(void)
{
        const char *name;
        size_t n = 0;

        while ((name = query_explanation_factor(n++))) {
                bool found = false;

                for (int i = 0; i < FACTOR__MAX; i++)
                        found = found || strcmp(judge_factors()[i].name, name) == 0;
                CU_ASSERT_TRUE(found);
                if (!found)
                        printf("\nno factor %s", name);
        }
        CU_ASSERT_TRUE(n > 40);
}

static const struct unit_case cases[] = {
        {"a finding with everything, to the byte", test_golden},
        {"an empty finding has every promised field", test_fields},
        {"first sight has its inventory and is not below show", test_first_sight},
        {"a connection has its parts", test_flow},
        {"flows that are not kept one by one", test_rest},
        {"all tables full", test_full},
        {"hostile bytes stay data", test_hostile},
        {"both explanations rest on facts", test_explanations},
        {"explanations name factors that exist", test_explanation_factors},
        {"what was done about it", test_deeds},
        {"what was begun is done", test_begun},
        {"what was said of it is cut", test_long_deeds},
};
UNIT_MAIN("finding_json", cases)
