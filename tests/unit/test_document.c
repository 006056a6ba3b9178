/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A baseline as a file: written, read back to the byte, sorted; and what is no such file is refused, by its place. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/document.h"

#define T0 1767323045123456000ll /* 2026-01-02T03:04:05.123456Z */

static struct transfer_entry known(enum dimension dim, const char *key, const char *exe)
{
        return (struct transfer_entry){.dim = dim,
                                       .key = bytes_str(key),
                                       .exe = bytes_str(exe),
                                       .counted = true,
                                       .first_ns = T0,
                                       .last_ns = T0 + 3600000000000,
                                       .count = 12,
                                       .windows = 3,
                                       .phases = dim == DIM_NETWORK ? 1u << PHASE_STARTUP | 1u << PHASE_STEADY : 0,
                                       .replicas = dim == DIM_NETWORK ? 2 : 0};
}

static void text_of(const struct document *d, struct buf *out)
{
        json_t *o = document_json(d);

        CU_ASSERT_PTR_NOT_NULL_FATAL(o);
        buf_init(out, 1 << 24);
        document_text(o, out);
        CU_ASSERT_EQUAL_FATAL(out->err, 0);
        json_decref(o);
}

static struct document sample(struct transfer_entry *e, size_t n)
{
        struct document d = {.name = BYTES_LIT("web"),
                             .class = BYTES_LIT("service"),
                             .image = BYTES_LIT("docker.io/library/web:1"),
                             .digest = BYTES_LIT("sha256:aa"),
                             .entries = e,
                             .nentries = n};

        for (unsigned i = 0; i < DIM__MAX; i++)
                d.dim[i] = (struct document_dimension){.present = true,
                                                       .state = i == DIM_NETWORK ? "learning" : "active",
                                                       .by = BYTES_LIT("activated by timer, no reviewer"),
                                                       .since_ns = T0,
                                                       .windows = 30,
                                                       .declared = i == DIM_FILE};
        return d;
}

/* Read, and written again. */
static void same_again(const struct buf *text)
{
        char why[DOCUMENT_WHY];
        _cleanup_buf_ struct buf again;
        struct document *d = NULL;
        int r = document_decode(buf_bytes(text), &d, why);

        buf_init(&again, 1);
        CU_ASSERT_EQUAL(r, 0);
        if (r < 0) {
                printf("\n%s\n", why);
                return;
        }
        text_of(d, &again);
        CU_ASSERT(bytes_eq(buf_bytes(text), buf_bytes(&again)));
        document_free(d);
}

static void test_round(void)
{
        struct transfer_entry e[] = {known(DIM_FILE, "/var/log/web.log", "/usr/sbin/web"),
                                     known(DIM_FILE, "/var/cache/*", ""),
                                     known(DIM_NETWORK, "db.example:5432/tcp", "/usr/sbin/web"),
                                     known(DIM_PRIVILEGE, "uid 33", "/usr/sbin/web")};
        struct document d = sample(e, ARRAY_LEN(e));
        _cleanup_buf_ struct buf text;

        e[0].counted = false;
        e[1].approved = e[1].inherited = true;
        e[1].by = BYTES_LIT("operator uid 0 (login uid 1000)");
        e[1].reason = BYTES_LIT("cache");
        e[1].approved_ns = T0;
        e[3].sha256 = BYTES_LIT("\xff\x00"
                                "thirty bytes, neither more nor");
        text_of(&d, &text);
        same_again(&text);
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&text), "    {\"dimension\": \"privilege\", \"key\": \"uid 33\", "));
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&text), "\"phases\": [\"start-up\", \"steady\"]"));
}

/* Any bytes come back. */
static void test_hostile(void)
{
        uint8_t all[600];
        struct transfer_entry e[2] = {known(DIM_FILE, "x", "y"), known(DIM_FILE, "\\x1b[2J\n\"},{\"\xff", "\\")};
        struct document d = sample(e, 2);
        _cleanup_buf_ struct buf text;
        struct document *back = NULL;
        char why[DOCUMENT_WHY];

        for (size_t i = 0; i < sizeof(all); i++)
                all[i] = (uint8_t)i;
        memcpy(all + 300, "\xe2\x80\xae\xc2\xad\xf0\x9f\x98\x80\xed\xa0\x80", 13);
        e[0].key = bytes_of(all, sizeof(all));
        e[0].exe = bytes_of(all + 1, 200);
        text_of(&d, &text);
        same_again(&text);
        CU_ASSERT_EQUAL_FATAL(document_decode(buf_bytes(&text), &back, why), 0);
        CU_ASSERT(bytes_eq(back->entries[0].key, e[0].key));
        CU_ASSERT(bytes_eq(back->entries[0].exe, e[0].exe));
        CU_ASSERT(bytes_eq(back->entries[1].key, e[1].key));
        document_free(back);
}

static const char whole[] =
        "{\n"
        "\"schema\": \"tidemark-baseline\",\n"
        "\"version\": 1,\n"
        "\"workload\": \"web\",\n"
        "\"class\": \"service\",\n"
        "\"image\": {\"reference\": \"web:1\", \"digest\": \"sha256:aa\"},\n"
        "\"dimensions\": {\"file\": {\"state\": \"active\", \"by\": \"\", \"since\": null, \"windows\": 1, "
        "\"declared\": false},\n"
        "\"network\": {\"state\": \"learning\", \"by\": \"\", \"since\": null, \"windows\": 1, \"declared\": false}},\n"
        "\"entries\": [\n"
        "{\"dimension\": \"file\", \"key\": \"/a\", \"executable\": null, \"first_seen\": null, \"last_seen\": null, "
        "\"count\": 1, \"windows\": 1},\n"
        "{\"dimension\": \"network\", \"key\": \"b\", \"executable\": \"/b\", \"first_seen\": null, "
        "\"last_seen\": \"2026-01-02T03:04:05.000000Z\", \"count\": 1, \"windows\": 1, \"phases\": [\"steady\"], "
        "\"replicas\": 1, \"several\": false}],\n"
        "\"candidates\": []\n"
        "}\n";

/* The sample with one part of it replaced, refused with these words. */
static void refused(const char *part, const char *by, const char *words)
{
        const char *at = strstr(whole, part);
        char why[DOCUMENT_WHY] = "";
        struct document *d = NULL;
        _cleanup_buf_ struct buf b;
        int r;

        buf_init(&b, 1 << 16);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        buf_put(&b, whole, (size_t)(at - whole));
        buf_put_str(&b, by);
        buf_put_str(&b, at + strlen(part));
        r = document_decode(buf_bytes(&b), &d, why);
        if (r == 0 || !strstr(why, words))
                printf("\n%s: %d: %s\n", by, r, why);
        CU_ASSERT_EQUAL(r, -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, words));
        document_free(d);
}

static void test_refused(void)
{
        static const struct {
                const char *part, *by, *words;
        } rows[] = {
                {"tidemark-baseline", "other", "line 2: \"schema\" is \"other\""},
                {"\"schema\": \"tidemark-baseline\",", "", "there is no \"schema\""},
                {"\"version\": 1", "\"version\": 2", "line 3: \"version\" is 2, and this Tidemark reads 1"},
                {"\"version\": 1", "\"version\": \"1\"", "line 3: the document: \"version\" must be a whole number"},
                {"\"version\": 1,", "", "the document lacks \"version\""},
                {"\"web\"", "\"\"", "line 4: \"workload\" is empty"},
                {"\"service\"", "\"job\"", "line 5: \"class\" must be \"service\""},
                {"sha256:aa\"", "sha256:aa\", \"x\": 1", "\"image\" has no member \"x\""},
                {"\"candidates\": []", "\"candidates\": [], \"extra\": 1", "line 12: the document has no member \"ext"},
                {"\"candidates\": []\n}", "", "it is no JSON"},
                {"\"version\": 1,", "\"version\": 1, \"version\": 1,", "line 3, column"},
                {"\"active\"", "\"off\"", "line 7: \"state\": \"off\" is none of learning"},
                {"\"file\": {\"state\"", "\"disk\": {\"state\"", "\"dimensions\" has no member \"disk\""},
                {"{\"dimension\": \"file\"", "{\"dimension\": \"disk\"", "line 10: entries[0]: there is no dimension"},
                {"\"key\": \"b\"", "\"key\": \"\"", "line 11: entries[1]: \"key\" is empty"},
                {"\"key\": \"b\"", "\"key\": \"\\\\q\"", "line 11: entries[1]: \"key\": \"\\\\q\" is not written as"},
                {"\"key\": \"b\"", "\"key\": \"\\\\x41\"", "entries[1]: \"key\""},
                {"\"key\": \"b\", ", "", "line 11: entries[1]: the entry lacks \"key\""},
                {"\"count\": 1, ", "",
                 "line 10: entries[0]: \"first_seen\", \"last_seen\", \"count\" and \"windows\" are"},
                {"\"count\": 1", "\"count\": -1", "line 10: entries[0]: \"count\": -1 is not from 0"},
                {"\"windows\": 1}", "\"windows\": 4294967296}", "\"windows\": 4294967296 is not"},
                {"05.000000Z", "05Z", "line 11: entries[1]: \"last_seen\": \"2026-01-02T03:04:05Z\" is no time"},
                {"03:04:05.", "03:04:65.", "is no time"},
                {"[\"steady\"]", "[\"night\"]", "\"phases\": \"night\" is none of"},
                {"[\"steady\"]", "[\"steady\", \"steady\"]", "each once at most"},
                {", \"several\": false", "", "\"several\" belongs to entries of dimension network"},
                {"\"windows\": 1},\n", "\"windows\": 1, \"several\": true},\n", "\"several\" belongs"},
                {"\"windows\": 1},\n", "\"windows\": 1, \"raised\": true},\n", "\"raised\" belongs to candidates"},
                {"\"windows\": 1},\n", "\"windows\": 1, \"sha256\": \"00\"},\n", "\"sha256\" must be 64 digits"},
                {"\"windows\": 1},\n", "\"windows\": 1, \"approved\": {\"by\": \"x\"}},\n", "approved lacks"},
                {"{\"dimension\": \"network\", \"key\": \"b\"", "{\"dimension\": \"privilege\", \"key\": \"b\"",
                 "entries[1]"},
                {"[\n{", "[\n17, {", "line 10: entries[0]: the entry must be an object"},
                {"{\"dimension\": \"network\", \"key\": \"b\", \"executable\": \"/b\"",
                 "{\"dimension\": \"file\", \"key\": \"/a\", \"executable\": null, \"first_seen\": null, "
                 "\"last_seen\": null, \"count\": 2, \"windows\": 1},\n"
                 "{\"dimension\": \"network\", \"key\": \"b\", \"executable\": \"/b\"",
                 "line 11: entries[1]: file /a is there twice, also in entries[0]"},
        };
        struct document *d = NULL;
        char why[DOCUMENT_WHY];

        CU_ASSERT_EQUAL(document_decode(bytes_str(whole), &d, why), 0);
        document_free(d);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                refused(rows[i].part, rows[i].by, rows[i].words);
        for (size_t n = 0; n + 2 < sizeof(whole); n++) { /* cut anywhere */
                d = NULL;
                CU_ASSERT_EQUAL(document_decode(bytes_of(whole, n), &d, why), -EINVAL);
        }
}

static const struct unit_case cases[] = {
        {"what is written is read back to the byte", test_round},
        {"any bytes of a container come back", test_hostile},
        {"what is no baseline is refused by its place", test_refused},
};
UNIT_MAIN("document", cases)
