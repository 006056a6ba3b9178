/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents of the supply chain: JSON on its way, base64, and what is taken of SBOMs, provenance and admissions. */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/dsse.h"
#include "tidemark/err.h"
#include "tidemark/jsonsplit.h"
#include "tidemark/supply.h"
#include "tidemark/supplywire.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

/* ---- jsonsplit ---- */

struct told {
        struct buf text; /* "row:value;" each */
        int fail;
};

static int on_value(int row, struct bytes text, void *arg)
{
        struct told *t = arg;

        buf_printf(&t->text, "%d:%.*s;", row, (int)text.len, (const char *)text.p);
        return t->fail;
}

static int on_text(int row, struct bytes part, void *arg)
{
        struct told *t = arg;

        (void)row;
        buf_put(&t->text, part.p, part.len);
        return 0;
}

static const struct jsonsplit_row rows[] = {{-1, "whole", JSONSPLIT_WHOLE}, {-1, "each", JSONSPLIT_EACH},
                                            {-1, "in", JSONSPLIT_ENTER},    {2, "each", JSONSPLIT_EACH},
                                            {-1, "text", JSONSPLIT_STREAM}};

/* The same whatever its pieces are. */
static int split(const char *text, size_t len, size_t nrows, struct told *t, struct jsonsplit_stats *stats)
{
        static const struct jsonsplit_ops ops = {.value = on_value, .text = on_text};
        static const size_t sizes[] = {1, 3, 7, 1 << 20};
        int first = 0;

        for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
                struct jsonsplit *s = NULL;
                struct told one = {.fail = t->fail};
                int r;

                buf_init(&one.text, 1 << 20);
                CU_ASSERT_EQUAL_FATAL(jsonsplit_new(rows, nrows, &ops, &one, &s), 0);
                r = 0;
                for (size_t at = 0; at < len && r == 0; at += sizes[k])
                        r = jsonsplit_feed(s, bytes_of(text + at, len - at < sizes[k] ? len - at : sizes[k]));
                if (r == 0)
                        r = jsonsplit_end(s);
                CU_ASSERT_EQUAL(r < 0 && r != t->fail, *jsonsplit_why(s) != '\0');
                if (k == 0) {
                        first = r;
                        t->text = one.text;
                } else {
                        CU_ASSERT_EQUAL(r, first);
                        CU_ASSERT(bytes_eq(buf_bytes(&one.text), buf_bytes(&t->text)) || r < 0);
                        buf_release(&one.text);
                }
                jsonsplit_stats(s, stats);
                jsonsplit_free(s);
        }
        return first;
}

static void wants(const char *text, size_t nrows, int want, const char *told)
{
        struct told t = {.fail = 0};
        struct jsonsplit_stats stats;
        int r = split(text, strlen(text), nrows, &t, &stats);

        if (r != want || (told && strcmp(buf_cstr(&t.text), told) != 0))
                printf("\n      %.60s: %d, %s", text, r, buf_cstr(&t.text));
        CU_ASSERT_EQUAL(r, want);
        CU_ASSERT(!told || strcmp(buf_cstr(&t.text), told) == 0);
        buf_release(&t.text);
}

static void values_are_handed_over(void)
{
        wants("{\"a\": [1, {\"whole\": 2}], \"whole\" : {\"x\":[1,2]} }", 5, 0, "0:{\"x\":[1,2]};");
        wants("{\"each\":[1, \"a,]\\\"\", {\"each\":[9]}, [], true],\"whole\":-1.5e3}", 5, 0,
              "1:1;1:\"a,]\\\"\";1:{\"each\":[9]};1:[];1:true;0:-1.5e3;");
        wants("{\"in\": {\"x\": 1, \"each\": [{}]}, \"each\": []}", 5, 0, "3:{};");
        wants("{\"text\":\"a\\u0041\\n\\/\\ud83d\\ude00\\u00e9b\"}", 5, 0, "aA\n/\xf0\x9f\x98\x80\xc3\xa9"
                                                                          "b");
        wants("{\"wh\\u006fle\": 1}", 5, 0, "0:1;");
        wants("{\"each\": {}, \"text\": 1, \"in\": []}", 5, 0, "");
        wants("{\"a\":1}\n{\"a\":2}", 0, 0, "-1:{\"a\":1};-1:{\"a\":2};");
}

static void what_is_no_json_is_refused(void)
{
        static const char *const bad[] = {
                "",          " ",           "[]",         "1",           "{",          "{\"a\"",      "{\"a\":}",
                "{\"a\":1,}", "{\"a\" 1}",  "{,}",        "{\"a\":[1,]}", "{\"a\":[}",  "{\"a\":{]}",  "{}}",
                "{\"a\":01}", "{\"a\":1.}", "{\"a\":-}",  "{\"a\":1e}",  "{\"a\":tru}", "{\"a\":+1}",  "{\"a\":'x'}",
                "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\"}",
                "{\"a\":\"\\ud800x\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}",
                "{\"a\":\"\xf5\x80\x80\x80\"}", "{\"a\":\"\xc3\"}", "{\"a\":1} x", "{\"a\":1 2}", "{1:2}",
                "{\"a\":1,\"a\":2}", "{\"in\":{\"b\":1,\"\\u0062\":2}}", "{\"a\":nul", "\xef\xbb\xbf{}",
        };

        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                wants(bad[i], 5, -EINVAL, NULL);
        wants("{\"x\":{\"a\":1,\"a\":2}}", 5, 0, ""); /* nobody looks in there: whoever does refuses it */
}

static char *repeated(const char *head, const char *what, size_t n, const char *tail)
{
        size_t len = strlen(what);
        char *text = malloc(strlen(head) + n * len + strlen(tail) + 1), *p;

        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        p = stpcpy(text, head);
        for (size_t i = 0; i < n; i++, p += len)
                memcpy(p, what, len);
        strcpy(p, tail);
        return text;
}

static void limits_hold(void)
{
        char *deep = repeated("{\"a\":", "[", 10000, ""), *many = repeated("{", "\"", 1, "");
        char *large = repeated("{\"whole\":\"", "x", JSONSPLIT_VALUE, "\",\"each\":[1]}");
        struct told t = {.fail = 0};
        struct jsonsplit_stats stats;
        char *p;

        wants(deep, 5, ERR_LIMIT, "");
        CU_ASSERT_EQUAL(split(large, strlen(large), 5, &t, &stats), 0);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&t.text), "1:1;");
        CU_ASSERT_EQUAL(stats.refused, 1);
        buf_release(&t.text);
        free(many);
        many = p = malloc(20 * (JSONSPLIT_MEMBERS + 2));
        CU_ASSERT_PTR_NOT_NULL_FATAL(many);
        *p++ = '{';
        for (unsigned i = 0; i <= JSONSPLIT_MEMBERS; i++)
                p += sprintf(p, "%s\"k%u\":1", i ? "," : "", i);
        strcpy(p, "}");
        wants(many, 5, ERR_LIMIT, NULL);
        t.fail = -EIO;
        CU_ASSERT_EQUAL(split("{\"whole\":1}", 11, 5, &t, &stats), -EIO);
        buf_release(&t.text);
        free(deep);
        free(large);
        free(many);
}

/* ---- base64 ---- */

static void base64_wants(const char *text, const char *want)
{
        struct base64 b = {0};
        _cleanup_buf_ struct buf out;
        int r = 0;

        buf_init(&out, 1024);
        for (size_t i = 0; text[i] && r == 0; i++)
                r = base64_decode(&b, bytes_of(text + i, 1), &out);
        if (r == 0)
                r = base64_end(&b, &out);
        CU_ASSERT_EQUAL(r, want ? 0 : -EINVAL);
        CU_ASSERT(!want || bytes_eq(buf_bytes(&out), bytes_str(want)));
}

static void base64_of_either_alphabet(void)
{
        _cleanup_buf_ struct buf head;

        base64_wants("", "");
        base64_wants("Zg==", "f");
        base64_wants("Zg", "f");
        base64_wants("Zm8=", "fo");
        base64_wants("Zm9v\nYmFy", "foobar");
        base64_wants("Pz8/", "???");
        base64_wants("Pz8_", "???");
        base64_wants("fn5+", "~~~");
        base64_wants("fn5-", "~~~");
        base64_wants("fn5+Pz8_", NULL); /* both */
        base64_wants("Z", NULL);
        base64_wants("Zg=", NULL);
        base64_wants("Zg===", NULL);
        base64_wants("Zg==Zg==", NULL);
        base64_wants("=", NULL);
        base64_wants("Zh==", NULL); /* another spelling of "f" */
        base64_wants("Zm9 v", NULL);
        buf_init(&head, 100);
        dsse_head(BYTES_LIT("http://example.com/HelloWorld"), 11, &head); /* the standard's own example */
        CU_ASSERT_STRING_EQUAL(buf_cstr(&head), "DSSEv1 29 http://example.com/HelloWorld 11 ");
        CU_ASSERT(dsse_is_statement(BYTES_LIT("application/vnd.in-toto+json")));
        CU_ASSERT(dsse_is_statement(BYTES_LIT("application/vnd.in-toto.provenance+json")));
        CU_ASSERT_FALSE(dsse_is_statement(BYTES_LIT("application/vnd.in-toto.+json")));
        CU_ASSERT_FALSE(dsse_is_statement(BYTES_LIT("application/json")));
}

/* ---- documents ---- */

struct seen {
        struct bytes file;
        struct buf said; /* what was told, in words */
        unsigned changes_at; /* the pass in which the file is another one; 0: never */
        unsigned passes;
};

static ssize_t read_it(uint64_t at, void *p, size_t n, void *arg)
{
        struct seen *s = arg;
        size_t left = at < s->file.len ? s->file.len - (size_t)at : 0;

        s->passes += at == 0;
        n = n < left ? n : left;
        n = n > 100 ? 100 : n; /* short reads */
        memcpy(p, s->file.p + at, n);
        if (s->changes_at && s->passes >= s->changes_at)
                for (size_t i = 0; i < n; i++)
                        if (((char *)p)[i] == '7')
                                ((char *)p)[i] = '8';
        return (ssize_t)n;
}

static int on_begin(const struct supply_document *d, unsigned number, const struct supply_subject *subject, void *arg)
{
        struct seen *s = arg;

        buf_printf(&s->said, "%u %s %.14s by %s from %s;", number, d->format, subject->digest, d->creator,
                   subject->from);
        if (d->form == SUPPLY_SLSA)
                buf_printf(&s->said, " %s %s %s %lld %lld;", d->build_type, d->repository, d->commit,
                           (long long)(d->began_ns / 1000000000), (long long)(d->ended_ns / 1000000000));
        return 0;
}

static int on_package(const struct tide_prior_package *p, void *arg)
{
        struct seen *s = arg;

        buf_printf(&s->said, " p %.*s=%.*s/%s", (int)p->name.len, (const char *)p->name.p, (int)p->version.len,
                   (const char *)p->version.p, tide_package_db_name(p->db));
        return 0;
}

static int on_file(const struct tide_prior_file *f, void *arg)
{
        struct seen *s = arg;

        buf_printf(&s->said, " f %.*s:%u%s", (int)f->path.len, (const char *)f->path.p, f->package,
                   f->sha256.len ? "#" : "");
        return 0;
}

static int on_end(const struct supply_document *d, unsigned number, const struct supply_subject *subject, void *arg)
{
        struct seen *s = arg;

        (void)number, (void)subject;
        if (d->form != SUPPLY_SLSA)
                buf_printf(&s->said, " = %u %u %u;", d->packages, d->files, d->entries_refused);
        return 0;
}

static int on_refused(const struct supply_document *d, unsigned number, void *arg)
{
        struct seen *s = arg;

        buf_printf(&s->said, "%u refused: %s;", number, d->refused);
        return 0;
}

static int on_admission(const struct supply_admission *a, void *arg)
{
        struct seen *s = arg;

        buf_printf(&s->said, "%s %.14s %s by %s for %s: %s;", a->admitted ? "in" : "out", a->digest, a->image, a->by,
                   a->place, a->reason);
        return 0;
}

static int take(const char *text, const char *image, struct seen *s, struct supply_result *n, char *why)
{
        static const struct supply_ops ops = {.begin = on_begin, .package = on_package, .file = on_file, .end = on_end,
                                              .refused = on_refused, .admission = on_admission};
        struct supply_settings set = {.image = image, .max_entries = 3};
        struct supply_source source = {.read = read_it, .arg = s};

        s->file = bytes_str(text);
        buf_init(&s->said, 1 << 16);
        return supply_read(&source, &set, &ops, s, n, why);
}

static void takes(const char *text, const char *image, const char *want)
{
        char why[SUPPLY_WHY];
        struct supply_result n;
        struct seen s = {.passes = 0};

        CU_ASSERT_EQUAL(take(text, image, &s, &n, why), 0);
        if (strcmp(buf_cstr(&s.said), want) != 0)
                printf("\n      got  %s\n      want %s\n      %s", buf_cstr(&s.said), want, why);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&s.said), want);
        buf_release(&s.said);
}

#define CDX(components)                                                                                                \
        "{\"components\":[" components "],\"metadata\":{\"timestamp\":\"2026-01-01T00:00:00Z\",\"tools\":[{\"name\":"  \
        "\"t\"}],\"component\":{\"name\":\"i\",\"purl\":\"pkg:oci/i@sha256%3A" HEX "?arch=amd64\"}},"                  \
        "\"specVersion\":\"1.4\",\"bomFormat\":\"CycloneDX\"}"
#define CDX_HEAD "0 CycloneDX 1.4 sha256:0123456 by t from component;"

static void sboms(void)
{
        takes(CDX(""), NULL, CDX_HEAD " = 0 0 0;");
        takes(CDX("{\"type\":\"file\",\"name\":\"./a\",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":\"" HEX "\"}]},"
                  "{\"type\":\"library\",\"group\":\"g\",\"name\":\"p\",\"version\":\"1\",\"purl\":\"pkg:rpm/x\","
                  "\"evidence\":{\"occurrences\":[{\"location\":\"/usr/b\"},{\"location\":\"pom.xml\"}]},"
                  "\"components\":[{\"type\":\"file\",\"name\":\"/c\"},{\"type\":\"library\",\"name\":\"q\"}]},"
                  "{\"type\":\"file\",\"name\":\"/d/../e\"},{\"type\":\"file\"},7,{\"type\":\"x\",\"name\":\"r\"}"),
              NULL,
              CDX_HEAD " p g/p=1/rpm p q=/unknown p r=/unknown f /a:0# f /usr/b:1 f /c:1 = 3 3 3;");
        takes(CDX("{\"type\":\"l\",\"name\":\"1\"},{\"type\":\"l\",\"name\":\"2\"},{\"type\":\"l\",\"name\":\"3\"},"
                  "{\"type\":\"l\",\"name\":\"4\"},{\"type\":\"l\",\"name\":\"2\",\"name\":\"5\"}"),
              NULL, CDX_HEAD " p 1=/unknown p 2=/unknown p 3=/unknown = 3 0 2;"); /* above the limit; twice a name */
        takes(CDX(""), "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
              "0 CycloneDX 1.4 sha256:fffffff by t from operator; = 0 0 0;");
        takes("{\"spdxVersion\":\"SPDX-2.2\",\"files\":[{\"SPDXID\":\"F1\",\"fileName\":\"./bin/a\",\"checksums\":[{"
              "\"algorithm\":\"SHA256\",\"checksumValue\":\"" HEX "\"}]},{\"SPDXID\":\"F2\",\"fileName\":\"b\"},{"
              "\"SPDXID\":\"F3\",\"fileName\":\"/c\"}],\"relationships\":[{\"spdxElementId\":\"P2\","
              "\"relatedSpdxElement\":\"F2\",\"relationshipType\":\"CONTAINS\"}],\"packages\":[{\"SPDXID\":\"P1\","
              "\"name\":\"one\",\"hasFiles\":[\"F1\"]},{\"SPDXID\":\"P2\",\"name\":\"two\",\"versionInfo\":\"2\","
              "\"externalRefs\":[{\"referenceType\":\"purl\",\"referenceLocator\":\"pkg:deb/two\"}]},{\"SPDXID\":\"I\","
              "\"name\":\"im\",\"primaryPackagePurpose\":\"CONTAINER\",\"versionInfo\":\"" DIGEST "\"}],"
              "\"creationInfo\":{\"created\":\"2026-01-01T00:00:00Z\",\"creators\":[\"Tool: t\"]}}",
              NULL,
              "0 SPDX 2.2 sha256:0123456 by t from component; p one=/unknown p two=2/dpkg f /bin/a:1# f /b:2 f /c:0 "
              "= 2 3 0;");
        takes("{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.4\"}", NULL,
              "0 refused: it names no image by a SHA-256 digest: say which it is of, --image DIGEST;");
        takes("{\"spdxVersion\":\"SPDX-3.0\"}", NULL,
              "0 refused: of SPDX versions 2.2 and 2.3 are taken, and this is \"SPDX-3.0\";");
}

static void statements(void)
{
        takes("{\"predicate\":{\"builder\":{\"id\":\"b\"},\"buildType\":\"t\",\"materials\":[{\"uri\":\"git+x\","
              "\"digest\":{\"sha1\":\"1\"}}],\"metadata\":{\"buildStartedOn\":\"1970-01-01T00:00:10Z\"}},"
              "\"predicateType\":\"https://slsa.dev/provenance/v0.2\",\"subject\":[{\"digest\":{\"sha1\":\"x\"}},{"
              "\"digest\":{\"sha256\":\"" HEX "\"}}],\"_type\":\"https://in-toto.io/Statement/v0.1\"}",
              NULL, "0 SLSA 0.2 sha256:0123456 by b from subject; t git+x 1 10 0;");
        takes("{\"_type\":\"https://in-toto.io/Statement/v2\"}", NULL,
              "0 refused: it is no in-toto statement of version 0.1 or 1, but \"https://in-toto.io/Statement/v2\";");
        takes("{\"payload\":\"e30=\",\"payloadType\":\"x\",\"signatures\":[]}{\"payload\":\"e30=\",\"payloadType\":"
              "\"application/vnd.in-toto+json\"}",
              NULL,
              "0 refused: wrong payload type: \"x\", where application/vnd.in-toto+json is taken;1 refused: what is "
              "signed is neither an in-toto statement nor an SBOM;");
        takes("{\"payload\":\"e3\\u0030=\",\"payloadType\":\"application/vnd.in-toto+json\"}", NULL,
              "0 refused: what is signed is neither an in-toto statement nor an SBOM;");
        takes("{\"payload\":\"e30!\",\"payloadType\":\"application/vnd.in-toto+json\"}", NULL,
              "0 refused: its payload is not base64;");
}

static void admissions(void)
{
        struct supply_result n;
        char why[SUPPLY_WHY];
        struct seen s = {.passes = 0};

        takes("{\"time\":\"2026-01-01T00:00:00+01:00\",\"image\":\"r/i@" DIGEST "\",\"decision\":\"allow\","
              "\"by\":\"b\"}\n{\"time\":\"2026-01-01T00:00:00Z\",\"digest\":\"" DIGEST "\",\"decision\":\"rejected\","
              "\"reason\":\"why\"}\n",
              NULL, "in sha256:0123456 r/i@" DIGEST " by b for : ;out sha256:0123456  by  for : why;");
        takes("{\"kind\":\"EventList\",\"items\":[{\"kind\":\"Event\",\"stage\":\"ResponseComplete\","
              "\"verb\":\"create\",\"user\":{\"username\":\"u\"},\"objectRef\":{\"resource\":\"pods\","
              "\"namespace\":\"n\",\"name\":\"p\"},"
              "\"responseStatus\":{\"code\":201},\"requestReceivedTimestamp\":\"2026-01-01T00:00:00.5Z\","
              "\"responseObject\":{\"spec\":{\"containers\":[{\"image\":\"i@" DIGEST "\"}]}}}]}",
              NULL, "in sha256:0123456 i@" DIGEST " by u for n/p: ;");
        CU_ASSERT_EQUAL(take("{\"decision\":\"x\"}{\"decision\":\"allow\",\"time\":\"2026-01-01T00:00:00Z\",\"image\":"
                             "\"i:1\"}",
                             NULL, &s, &n, why),
                        0);
        CU_ASSERT(n.lines_refused == 1 && n.lines_undigested == 1 && n.admissions == 0);
        buf_release(&s.said);
}

/* Whoever changes the file between two looks at it gains nothing. */
static void a_file_that_changes(void)
{
        static const char text[] =
                "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":\"" HEX "\"}}],"
                "\"predicateType\":\"https://slsa.dev/provenance/v1\",\"predicate\":{}}";

        for (unsigned pass = 2; pass < 4; pass++) {
                struct seen s = {.changes_at = pass};
                char why[SUPPLY_WHY];
                struct supply_result n;
                int r = take(text, NULL, &s, &n, why);

                CU_ASSERT_EQUAL(r, pass == 2 ? 0 : ERR_CHECKSUM); /* at once: then it is one that nobody saw before */
                CU_ASSERT(pass == 2 || buf_cstr(&s.said)[0] == '\0');
                buf_release(&s.said);
        }
}

static void times(void)
{
        CU_ASSERT_EQUAL(supply_time("1970-01-01T00:00:01Z"), 1000000000);
        CU_ASSERT_EQUAL(supply_time("1970-01-01T01:00:01.25+01:00"), 1250000000);
        CU_ASSERT_EQUAL(supply_time("2026-01-02T03:04:05Z") / 1000000000, 1767323045);
        CU_ASSERT_EQUAL(supply_time("2026-01-02"), 0);
        CU_ASSERT_EQUAL(supply_time("2026-01-02T03:04:05"), 0);
        CU_ASSERT_EQUAL(supply_time("2026-13-02T03:04:05Z"), 0);
        CU_ASSERT_EQUAL(supply_time("2026-01-02T03:04:05Zx"), 0);
        CU_ASSERT_EQUAL(supply_time(NULL), 0);
        CU_ASSERT(supply_is_digest(DIGEST) && !supply_is_digest("sha256:12") && !supply_is_digest(DIGEST "0"));
}

static void wire(void)
{
        struct supplywire m = {.kind = SUPPLYWIRE_DOCUMENT, .number = 3, .signature = SIGNATURE_BAD, .key = 7}, got;
        _cleanup_buf_ struct buf b;

        buf_init(&b, SUPPLYWIRE_MAX);
        m.text = BYTES_LIT("why");
        m.sha256 = BYTES_LIT("0123");
        m.result.admissions = 9;
        CU_ASSERT_EQUAL(supplywire_encode(&m, &b), 0);
        CU_ASSERT_EQUAL_FATAL(supplywire_decode(b.p, b.len, &got), 0);
        CU_ASSERT(got.kind == m.kind && got.number == 3 && got.signature == SIGNATURE_BAD && got.key == 7 &&
                  got.result.admissions == 9 && bytes_eq(got.text, m.text) && bytes_eq(got.sha256, m.sha256));
        for (size_t n = 0; n < b.len; n++)
                CU_ASSERT_EQUAL(supplywire_decode(b.p, n, &got), ERR_SCHEMA);
        b.p[0] = SUPPLYWIRE__MAX;
        CU_ASSERT_EQUAL(supplywire_decode(b.p, b.len, &got), ERR_SCHEMA);
}

static const struct unit_case cases[] = {
        {"what is asked for is handed over", values_are_handed_over},
        {"what is no JSON is refused", what_is_no_json_is_refused},
        {"limits hold", limits_hold},
        {"base64 of either alphabet", base64_of_either_alphabet},
        {"SBOMs", sboms},
        {"statements", statements},
        {"admissions", admissions},
        {"a file that changes", a_file_that_changes},
        {"times and digests", times},
        {"the worker's messages", wire},
};
UNIT_MAIN("supply", cases)
