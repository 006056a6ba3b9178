/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audited: what the records of a trail say of a period; what none says is not claimed. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "cli/audited-priv.h"
#include "cli/audited_inside-priv.h"

#define SECOND INT64_C(1000000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define T0 (INT64_C(1790000000) * SECOND)

static struct audited *a;
static uint64_t n;
static json_t *got;

static void begin(int64_t from, int64_t to)
{
        n = 0;
        a = audited_new(T0 + from, T0 + to, T0 + to, true);
        CU_ASSERT_PTR_NOT_NULL_FATAL(a);
}

static void put(int64_t at, const char *kind, const char *container, uint64_t finding, uint64_t command,
                const char *text)
{
        struct trail_record r = {.n = ++n,
                                 .wall_ns = T0 + at,
                                 .kind = kind,
                                 .source = "agent",
                                 .comm = "tidemark",
                                 .container = container,
                                 .finding = finding,
                                 .command = command,
                                 .login_uid = command ? 1000 : UINT32_MAX,
                                 .text = bytes_str(text)};

        CU_ASSERT_EQUAL(audited_record(a, &r), 0);
}

static const json_t *at(const char *path)
{
        char text[200], *rest = text, *word;
        const json_t *o = got;

        snprintf(text, sizeof(text), "%s", path);
        while ((word = strsep(&rest, "/")))
                o = json_is_array(o) ? json_array_get(o, (size_t)atoi(word)) : json_object_get(o, word);
        return o;
}

static void end(const char *baselines)
{
        const struct audited_chain chain = {.whole = true, .records = n, .checkpoints = 2, .first_ns = T0 - 400 * DAY};
        json_t *b = baselines ? json_loads(baselines, 0, NULL) : NULL;

        json_decref(got);
        got = audited_json(a, &chain, b);
        CU_ASSERT_PTR_NOT_NULL_FATAL(got);
        json_decref(b);
        a = audited_free(a);
}

static bool is(const char *path, const char *text)
{
        const char *s = json_string_value(at(path));

        return s && strcmp(s, text) == 0;
}

static double real(const char *path)
{
        return json_number_value(at(path));
}

static const json_t *control(const char *id, size_t nth)
{
        const json_t *list = json_object_get(got, "controls");
        size_t i;
        json_t *o;

        json_array_foreach(list, i, o) if (strcmp(json_string_value(json_object_get(o, "control")), id) == 0 &&
                                           nth-- == 0) return o;
        return NULL;
}

static json_int_t records_of(const char *id, size_t nth)
{
        return json_integer_value(json_object_get(control(id, nth), "records"));
}

static const char *says(const char *id, size_t nth)
{
        return json_string_value(json_object_get(control(id, nth), "says"));
}

/* ---- nothing ---- */

static void test_no_claim(void)
{
        size_t i;
        json_t *o;

        begin(0, DAY);
        end(NULL);
        CU_ASSERT(json_array_size(json_object_get(got, "controls")) >= 16);
        json_array_foreach(json_object_get(got, "controls"), i, o)
        {
                CU_ASSERT_EQUAL(json_integer_value(json_object_get(o, "records")), 0);
                CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(o, "says")),
                                       "no record: not shown by this trail");
        }
        CU_ASSERT(real("coverage/total/hours") == 0 && json_is_null(at("coverage/total/learning_hours")));
}

/* ---- coverage ---- */

#define WATCHING(from, contents, flows)                                                                                \
        "{\"from\":\"" from                                                                                            \
        "\",\"running_before\":false,\"gap_ms\":0,\"runtime\":\"podman\",\"means\":{\"contents\":\"" contents          \
        "\",\"names\":\"none\",\"processes\":\"proc connector\",\"flows\":\"" flows "\"}}"

static void test_coverage(void)
{
        /* T0 is 2026-09-21T14:13:20Z */
        begin(0, 10 * HOUR);
        put(-2 * HOUR, "started", "", 0, 0, "{}");
        put(-HOUR, "watching", "c1", 0, 0, WATCHING("2026-09-21T13:13:20.000Z", "filesystem mark", "conntrack"));
        put(-HOUR, "identified", "c1", 0, 0, "{\"workload\":\"web@sha256:00\",\"name\":\"web-1\"}");
        /* from two hours on its connections are not seen any more */
        put(2 * HOUR, "coverage", "c1", 0, 0,
            "{\"means\":{\"contents\":\"filesystem mark\",\"processes\":\"proc connector\",\"flows\":\"none\"}}");
        put(4 * HOUR, "watching", "c2", 0, 0, WATCHING("2026-09-21T18:13:20.000Z", "none", "none"));
        put(5 * HOUR, "watched", "c1", 0, 0, "{\"from\":\"x\",\"to\":\"2026-09-21T19:13:20.000Z\"}");
        /* the agent crashes after six hours, and is started an hour later: c2's end is its last record */
        put(6 * HOUR, "engine", "", 0, 0, "words");
        put(7 * HOUR, "started", "", 0, 0, "{}");
        put(7 * HOUR, "watching", "c2", 0, 0, WATCHING("2026-09-21T21:13:20.000Z", "none", "none"));
        end("[{\"name\":\"web\",\"dimensions\":[{\"dimension\":\"file\",\"state\":\"active\",\"since\":"
            "\"2026-09-21T15:13:20.000Z\"},{\"dimension\":\"process\",\"state\":\"active\",\"since\":null}]}]");
        CU_ASSERT_EQUAL(json_array_size(at("coverage/workloads")), 2);
        CU_ASSERT(is("coverage/workloads/0/workload", "web"));
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/0/hours"), 5, 0.001);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/0/files_hours"), 5, 0.001);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/0/connections_hours"), 2, 0.001);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/0/learning_hours"), 1, 0.001);
        CU_ASSERT(is("coverage/workloads/1/workload", "(not identified)"));
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/1/hours"), 2 + 3, 0.001);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/1/files_hours"), 0, 0.001);
        CU_ASSERT(json_is_null(at("coverage/workloads/1/learning_hours")));
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/total/hours"), 10, 0.001);
        CU_ASSERT_EQUAL(json_array_size(at("gaps/list")), 1);
        CU_ASSERT_DOUBLE_EQUAL(real("gaps/list/0/hours"), 1, 0.001);
        CU_ASSERT(strstr(json_string_value(at("gaps/list/0/why")), "without a last word") != NULL);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/workloads/1/uncovered_hours"), 5, 0.001);
        CU_ASSERT(records_of("10.7", 0) == 1 && records_of("SI-4", 0) == 4);
}

/* It ran on while the agent did not: hours of nobody; what was started anew meanwhile has none. */
static void test_uncovered(void)
{
        begin(2 * HOUR, 10 * HOUR);
        put(0, "started", "", 0, 0, "{}");
        put(0, "watching", "c1", 0, 0, WATCHING("2026-09-21T14:13:20.000Z", "filesystem mark", "conntrack"));
        put(HOUR, "ended", "", 0, 0, "as asked");
        put(5 * HOUR, "started", "", 0, 0, "{}");
        put(5 * HOUR, "watching", "c1", 0, 0,
            "{\"from\":\"2026-09-21T19:13:20.000Z\",\"running_before\":true,\"means\":{\"contents\":\"mount mark\"}}");
        put(5 * HOUR, "watching", "c2", 0, 0,
            "{\"from\":\"2026-09-21T19:13:20.000Z\",\"running_before\":true,\"means\":{\"contents\":\"mount mark\"}}");
        end(NULL);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/total/uncovered_hours"), 3, 0.001);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/total/hours"), 10, 0.001);
}

/* What the trail's writer mends at a start stands before the start: the agent did not run until then. */
static void test_power_cut(void)
{
        begin(0, 30 * HOUR);
        put(0, "started", "", 0, 0, "{}");
        put(0, "watching", "c1", 0, 0, WATCHING("2026-09-21T14:13:20.000Z", "filesystem mark", "conntrack"));
        put(2 * HOUR, "engine", "", 0, 0, "words");
        put(22 * HOUR, "repaired", "", 0, 0, "20 bytes of an unfinished record were cut");
        put(22 * HOUR, "removed", "", 0, 0, "{\"last\":3}");
        put(22 * HOUR, "started", "", 0, 0, "{}");
        end(NULL);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/total/hours"), 2, 0.001);
        CU_ASSERT_EQUAL(json_array_size(at("gaps/list")), 1);
        CU_ASSERT_DOUBLE_EQUAL(real("gaps/list/0/hours"), 20, 0.001);
        CU_ASSERT_EQUAL(records_of("10.7", 0), 1);
}

/* It falls within the period and is started again behind it: what it watched it did not watch until the end. */
static void test_beyond(void)
{
        begin(0, 10 * HOUR);
        put(0, "started", "", 0, 0, "{}");
        put(0, "watching", "c1", 0, 0, WATCHING("2026-09-21T14:13:20.000Z", "filesystem mark", "conntrack"));
        put(2 * HOUR, "engine", "", 0, 0, "words");
        put(20 * HOUR, "repaired", "", 0, 0, "words");
        put(20 * HOUR, "started", "", 0, 0, "{}");
        put(21 * HOUR, "engine", "", 0, 0, "words");
        put(22 * HOUR, "started", "", 0, 0, "{}");
        end(NULL);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/total/hours"), 2, 0.001);
        CU_ASSERT_EQUAL(json_array_size(at("gaps/list")), 1);
        CU_ASSERT(is("gaps/list/0/from", "2026-09-21T16:13:20.000Z") && records_of("10.7", 0) == 1);
        /* where it goes on, all of it was watched; and what was asked at the last moment has its outcome */
        begin(0, 10 * HOUR);
        put(0, "started", "", 0, 0, "{}");
        put(0, "watching", "c1", 0, 0, WATCHING("2026-09-21T14:13:20.000Z", "filesystem mark", "conntrack"));
        put(10 * HOUR - 1, "asked", "", 0, 7, "{\"cmd\":\"contain.release\",\"target\":\"c1\"}");
        put(10 * HOUR + 1, "outcome", "", 0, 7, "{\"ok\":true}");
        put(21 * HOUR, "started", "", 0, 0, "{}");
        end(NULL);
        CU_ASSERT_DOUBLE_EQUAL(real("coverage/total/hours"), 10, 0.001);
        CU_ASSERT_EQUAL(json_array_size(at("gaps/list")), 0);
        CU_ASSERT(is("acts/list/0/outcome", "done"));
}

/* ---- findings and decisions ---- */

static void test_decisions(void)
{
        begin(0, 10 * DAY);
        put(-HOUR, "finding", "c1", 11, 0, "{\"event\":\"opened\",\"what\":\"network\",\"workload\":\"web\"}");
        put(HOUR, "finding", "c1", 12, 0,
            "{\"event\":\"opened\",\"what\":\"file\",\"workload\":\"web\",\"subject\":\"/tmp/"
            "x\",\"severity\":\"high\"}");
        put(HOUR, "finding", "c1", 12, 0, "{\"event\":\"page\",\"what\":\"exec\",\"workload\":\"web\"}");
        put(2 * HOUR, "asked", "", 12, 1,
            "{\"cmd\":\"triage\",\"id\":\"F-12\",\"verdict\":\"unsure\",\"dry_run\":true}");
        put(2 * HOUR, "outcome", "", 12, 1, "{\"ok\":true}");
        put(3 * HOUR, "asked", "", 12, 2, "{\"cmd\":\"triage\",\"id\":\"F-12\",\"verdict\":\"nonsense\"}");
        put(3 * HOUR, "outcome", "", 12, 2, "{\"ok\":false,\"error\":\"no such verdict\"}");
        put(4 * HOUR, "asked", "", 12, 3,
            "{\"cmd\":\"triage\",\"id\":\"F-12\",\"verdict\":\"malicious\",\"note\":\"seen before\",\"close\":true}");
        put(4 * HOUR, "outcome", "", 12, 3, "{\"ok\":true,\"data\":{\"cut…");
        put(4 * HOUR, "finding", "c1", 12, 0, "{\"event\":\"closed\",\"by\":\"operator uid 0\"}");
        put(20 * DAY, "finding", "c1", 13, 0, "{\"event\":\"opened\",\"what\":\"exec\"}"); /* behind the period */
        end(NULL);
        CU_ASSERT_EQUAL(json_array_size(at("findings/list")), 2);
        CU_ASSERT(is("findings/list/0/id", "F-11")); /* of before the period, and still undecided */
        CU_ASSERT(is("findings/list/1/id", "F-12") && is("findings/list/1/verdict", "malicious"));
        CU_ASSERT(is("findings/list/1/note", "seen before") && is("findings/list/1/subject", "/tmp/x"));
        CU_ASSERT_DOUBLE_EQUAL(real("findings/list/1/hours_to_decision"), 3, 0.001);
        CU_ASSERT(real("findings/list/1/decided_by/login_uid") == 1000 && real("findings/list/1/decided_record") == 8);
        CU_ASSERT(real("findings/opened") == 1 && real("findings/decided") == 1 && real("findings/closed") == 1);
        CU_ASSERT(real("findings/undecided") == 1);
        CU_ASSERT(records_of("11.5.2", 0) == 2 && records_of("AU-6", 0) == 2 && records_of("4.4", 0) == 1 &&
                  records_of("4.4", 1) == 0);
        CU_ASSERT_STRING_EQUAL(says("4.4", 1), "no record: not shown by this trail");
}

/* Reopened, it waits for another decision. Numbers of commands begin anew with each start. */
static void test_again(void)
{
        begin(0, 10 * DAY);
        put(0, "started", "", 0, 0, "{}");
        put(HOUR, "finding", "", 1, 0, "{\"event\":\"opened\"}");
        put(2 * HOUR, "asked", "", 1, 1, "{\"cmd\":\"triage\",\"id\":\"F-1\",\"verdict\":\"benign\"}");
        put(3 * HOUR, "started", "", 0, 0, "{}");
        put(4 * HOUR, "outcome", "", 0, 1, "{\"ok\":true}"); /* of another life's first command */
        put(5 * HOUR, "asked", "", 1, 2, "{\"cmd\":\"triage\",\"id\":\"F-1\",\"verdict\":\"benign\"}");
        put(5 * HOUR, "outcome", "", 1, 2, "{\"ok\":true}");
        put(6 * HOUR, "finding", "", 1, 0, "{\"event\":\"reopened\"}");
        end(NULL);
        CU_ASSERT(json_is_null(at("findings/list/0/decided")) && real("findings/undecided") == 1);
        CU_ASSERT(real("findings/decided") == 0);
}

/* ---- what was asked for ---- */

static void test_commands(void)
{
        begin(0, DAY);
        put(1, "asked", "", 0, 1,
            "{\"cmd\":\"allow.add\",\"path\":\"/srv/*\",\"reason\":\"ours\",\"until\":1800000000}");
        put(2, "outcome", "", 0, 1, "{\"ok\":true}");
        put(3, "asked", "", 0, 2, "{\"cmd\":\"baseline.approve\",\"workload\":\"web\",\"reason\":\"seen\"}");
        put(4, "outcome", "", 0, 2, "{\"ok\":false,\"error\":\"no such\"}");
        put(5, "asked", "", 0, 3, "{\"cmd\":\"contain.isolate\",\"target\":\"F-12\"}");
        put(6, "isolated", "c1", 12, 0, "{\"words\":\"cut off\"}");
        put(6, "captured", "c1", 12, 0, "{}");
        put(6, "contain-foresight", "c1", 12, 0, "{}");
        put(7, "refused", "", 0, 0, "{\"where\":\"admin.sock\",\"request\":\"{}\"}");
        put(8, "configured", "", 0, 0,
            "{\"since\":\"last start\",\"changes\":[{\"option\":\"audit.log\",\"old\":\"true\",\"new\":\"false\"}]}");
        put(9, "lost", "", 0, 0, "{\"source\":\"content\",\"what\":\"overflow\",\"count\":3,\"bursts\":1}");
        end(NULL);
        CU_ASSERT(is("exceptions/list/0/reason", "ours") && is("exceptions/list/0/outcome", "done"));
        CU_ASSERT(is("exceptions/list/0/request/path", "/srv/*") &&
                  is("exceptions/list/0/request/until", "2027-01-15T08:00:00.000Z"));
        CU_ASSERT(is("approvals/list/0/outcome", "not done") && is("approvals/list/0/error", "no such"));
        CU_ASSERT(is("acts/list/0/outcome", "no outcome is recorded") && is("acts/list/0/command", "contain.isolate"));
        CU_ASSERT(is("done/list/0/kind", "isolated") && is("done/list/0/says/words", "cut off"));
        CU_ASSERT(is("refused/list/0/where", "admin.sock"));
        CU_ASSERT(is("configuration/list/0/option", "audit.log") && is("configuration/list/0/new", "false"));
        CU_ASSERT(is("losses/list/0/source", "content") && real("losses/list/0/count") == 3);
        CU_ASSERT_STRING_EQUAL(says("10.2", 0), "3 asked for, 2 with an outcome.");
        CU_ASSERT(records_of("CM-3", 0) == 2 && records_of("IR-4", 0) == 2);
}

/* A dry run's outcome is none of what was done; a request that was too long for its record is one all the same. */
static void test_verbose(void)
{
        begin(0, DAY);
        put(1, "asked", "", 0, 1, "{\"cmd\":\"contain.isolate\",\"target\":\"c1\",\"dry_run\":true}");
        put(2, "outcome", "", 0, 1, "{\"ok\":true}");
        put(3, "asked", "", 0, 2, "{\"cmd\":\"contain.release\",\"target\":\"c1\",\"reason\":\"aaaaaaaaaaa...");
        put(4, "outcome", "", 0, 2, "{\"ok\":true}");
        put(5, "asked", "", 0, 3, "\xff{");
        end(NULL);
        CU_ASSERT_EQUAL(json_array_size(at("acts/list")), 2);
        CU_ASSERT(is("acts/list/0/outcome", "done") && is("acts/list/0/command", "(longer than a record holds)"));
        CU_ASSERT(strstr(json_string_value(at("acts/list/0/request/begins")), "contain.release") != NULL);
        CU_ASSERT_STRING_EQUAL(says("10.2", 0), "2 asked for, 1 with an outcome.");
}

static void test_comparisons(void)
{
        begin(0, 30 * DAY);
        put(DAY, "compared", "c1", 0, 0, "{\"what\":\"write layer\",\"complete\":true,\"entries\":3}");
        put(2 * DAY, "compared", "c1", 0, 0, "{\"what\":\"write layer\",\"complete\":false,\"entries\":3}");
        put(3 * DAY, "compared", "c1", 0, 0, "{\"what\":\"write layer\",\"complete\":true,\"entries\":3}");
        end(NULL);
        CU_ASSERT(records_of("11.5.2", 1) == 2 && strstr(says("11.5.2", 1), "more than 2.0 days without"));
        begin(0, 30 * DAY);
        put(DAY, "compared", "c1", 0, 0, "{\"complete\":true}");
        put(12 * DAY, "compared", "c1", 0, 0, "{\"complete\":true}");
        end(NULL);
        CU_ASSERT_PTR_NOT_NULL(strstr(says("11.5.2", 1), "11.0 days without one: more than a week"));
        /* compared twice, and then no more, though it runs; and one that never was */
        for (int never = 0; never < 2; never++) {
                begin(0, 30 * DAY);
                put(0, "watching", "c1", 0, 0, WATCHING("2026-09-21T14:13:20.000Z", "filesystem mark", "conntrack"));
                put(DAY, "compared", never ? "c2" : "c1", 0, 0, "{\"complete\":true}");
                put(2 * DAY, "compared", never ? "c2" : "c1", 0, 0, "{\"complete\":true}");
                end(NULL);
                CU_ASSERT_PTR_NOT_NULL(strstr(says("11.5.2", 1), never ? "30.0 days without" : "28.0 days without"));
        }
}

/* ---- what is no record of ours ---- */

static void test_nonsense(void)
{
        static const char *const texts[] = {
                "",
                "[]",
                "{",
                "{\"event\":7,\"means\":[],\"changes\":{},\"cmd\":{}}",
                "null",
                "{\"event\":\"opened\",\"what\":{\"x\":1},\"from\":\"2026-99-99T00:00:00.000Z\"}",
                "{\"cmd\":\"triage\",\"id\":\"F-99999999999999999999999\",\"verdict\":\"benign\"}"};
        static const char *const kinds[] = {"started", "watching",   "coverage", "watched", "identified",
                                            "lost",    "refused",    "compared", "finding", "asked",
                                            "outcome", "configured", "ended",    "?"};

        begin(0, DAY);
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
                for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
                        put((int64_t)(k * 10 + t) * SECOND, kinds[k], "c", k % 3, t, texts[t]);
                        put((int64_t)(k * 10 + t) * SECOND, kinds[k], "", 0, 0, texts[t]);
                }
        end("[{\"name\":\"web\"},{},3]");
        CU_ASSERT(json_is_array(json_object_get(got, "controls")));
        CU_ASSERT_EQUAL(audited_time("2026-09-21T14:13:20.000Z"), T0);
        CU_ASSERT(audited_time("2026-09-21") == 0 && audited_time("") == 0);
        json_decref(got);
        got = NULL;
}

static const struct unit_case cases[] = {
        {"without records nothing is claimed", test_no_claim},
        {"hours of containers, by what was seen", test_coverage},
        {"hours that nobody covered", test_uncovered},
        {"hours, where a crash left something to mend", test_power_cut},
        {"hours, by what stands behind the period", test_beyond},
        {"findings, decisions, and who took how long", test_decisions},
        {"reopened findings, and another life's commands", test_again},
        {"exceptions, approvals, acts, configuration, losses", test_commands},
        {"dry runs, and requests that are too long", test_verbose},
        {"comparisons, and how far apart they were", test_comparisons},
        {"records that are none of ours", test_nonsense},
};

UNIT_MAIN("audited", cases)
