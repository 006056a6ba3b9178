/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What records of an image say of a finding, as JSON and in words; what the playbook concludes. */
#include <jansson.h>

#include "tests/unit/record_world.h"

#include "tidemark/query.h"

static json_t *shown(const struct world *w)
{
        json_t *o = finding_json_compared(w->j, group_by_id(w->j, w->last_id), w->p.show);

        CU_ASSERT_PTR_NOT_NULL_FATAL(o);
        return o;
}

static const char *text(const json_t *o, const char *member, const char *name)
{
        const char *s = json_string_value(json_object_get(json_object_get(o, member), name));

        return s ? s : "";
}

/* The words of the path, or "". */
static const json_t *path(const json_t *o, const char *name)
{
        size_t i;
        json_t *p;

        json_array_foreach(json_object_get(json_object_get(o, "sbom"), "paths"), i, p)
                if (strcmp(json_string_value(json_object_get(p, "path")), name) == 0)
                        return p;
        return NULL;
}

static bool words(const json_t *p, const char *part)
{
        const char *s = json_string_value(json_object_get(p, "words"));

        return s && strstr(s, part);
}

static bool misses(const json_t *o, const char *part)
{
        size_t i;
        json_t *s;

        json_array_foreach(json_object_get(json_object_get(o, "conclusion"), "missing"), i, s)
                if (strstr(json_string_value(s), part))
                        return true;
        return false;
}

#define RUNTIME "runtime compromise more likely"
#define BOTH "treat as both"

/* Whatever is known: no member is ever left out. */
static void check_shape(const json_t *o)
{
        static const char *const members[][24] = {
                {"sbom", "state", "format", "file", "source", "document", "digest", "signature", "verified", "key",
                 "imported", "creator", "made", "packages", "files", "left_out", "others", "image", "words", "paths"},
                {"provenance", "state", "format", "file", "document", "digest", "signature", "verified", "key",
                 "imported", "builder", "source", "commit", "build_type", "began", "built", "others", "words"},
                {"conclusion", "lean", "words", "facts", "missing"},
        };
        static const char *const of_path[] = {"path", "ran",  "in_image", "in_sbom",
                                              "hash", "hash_of", "package",  "words"};
        size_t i;
        json_t *p;

        for (size_t k = 0; k < ARRAY_LEN(members); k++)
                for (i = 1; i < ARRAY_LEN(members[k]) && members[k][i]; i++)
                        CU_ASSERT_PTR_NOT_NULL(json_object_get(json_object_get(o, members[k][0]), members[k][i]));
        CU_ASSERT_TRUE(json_is_array(json_object_get(o, "admissions")));
        json_array_foreach(json_object_get(json_object_get(o, "sbom"), "paths"), i, p)
                for (size_t k = 0; k < ARRAY_LEN(of_path); k++)
                        CU_ASSERT_PTR_NOT_NULL(json_object_get(p, of_path[k]));
        CU_ASSERT_TRUE(*text(o, "conclusion", "words") != '\0');
}

static void test_nothing(void)
{
        struct world w;
        json_t *o;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        o = shown(&w);
        check_shape(o);
        CU_ASSERT_STRING_EQUAL(text(o, "sbom", "state"), "none");
        CU_ASSERT_STRING_EQUAL(text(o, "provenance", "state"), "none");
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), BOTH);
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "nothing is known of who built the image"));
        CU_ASSERT_TRUE(misses(o, "provenance") && misses(o, "an SBOM") && misses(o, "manifest"));
        CU_ASSERT_TRUE(misses(o, "tidemark record import"));
        CU_ASSERT_TRUE(json_is_null(json_object_get(path(o, "/tmp/x"), "in_sbom")));
        json_decref(o);
        world_close(&w);
}

static void test_runtime(void)
{
        struct world w;
        json_t *o;

        learned_world(&w);
        tell_manifest(&w, MANIFEST);
        run(&w, "/tmp/x", LAYER_WRITE);
        provenance(&w, MANIFEST, 2, SIGNATURE_VERIFIED, 5);
        o = shown(&w); /* without an SBOM, too */
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), RUNTIME);
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "/tmp/x did not come with it"));
        json_decref(o);
        whole_sbom(&w, MANIFEST, 1, SIGNATURE_VERIFIED);
        admission(&w, MANIFEST, 3, 5);
        o = shown(&w);
        check_shape(o);
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), RUNTIME);
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "/tmp/x is neither in the image nor in its"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "https://builder.example/1 from commit 0123"));
        CU_ASSERT_EQUAL(json_array_size(json_object_get(json_object_get(o, "conclusion"), "missing")), 0);
        CU_ASSERT_STRING_EQUAL(text(o, "sbom", "state"), "files");
        CU_ASSERT_STRING_EQUAL(text(o, "sbom", "key"), "ci.pem");
        CU_ASSERT_STRING_EQUAL(text(o, "provenance", "state"), "verified");
        CU_ASSERT_TRUE(json_is_false(json_object_get(path(o, "/tmp/x"), "in_sbom")));
        CU_ASSERT_TRUE(words(path(o, "/tmp/x"), "the SBOM does not list it"));
        CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "admissions")), 1);
        json_decref(o);
        world_close(&w);
}

/* What leaves doubt, and what it is called. */
static void test_both(void)
{
        static const struct {
                enum tide_supply_signature signature;
                const char *state, *words, *missing;
        } rows[] = {
                {SIGNATURE_NONE, "unsigned", "it is not signed", "a signature that a configured key verifies"},
                {SIGNATURE_BAD, "bad", "its signature does not fit", "a signature that a configured key verifies"},
                {SIGNATURE_UNKNOWN, "unknown-key", "by no key that is configured", "record verify"},
        };
        struct world w;
        json_t *o;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                learned_world(&w);
                run(&w, "/tmp/x", LAYER_WRITE);
                provenance(&w, AA, 2, rows[i].signature, 5);
                o = shown(&w);
                CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), BOTH);
                CU_ASSERT_STRING_EQUAL(text(o, "provenance", "state"), rows[i].state);
                CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), rows[i].words));
                CU_ASSERT_TRUE(misses(o, rows[i].missing));
                json_decref(o);
                world_close(&w);
        }
        learned_world(&w); /* somebody has changed its SBOM */
        run(&w, "/tmp/x", LAYER_WRITE);
        provenance(&w, AA, 2, SIGNATURE_VERIFIED, 5);
        whole_sbom(&w, AA, 1, SIGNATURE_BAD);
        o = shown(&w);
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), BOTH);
        CU_ASSERT_STRING_EQUAL(text(o, "sbom", "state"), "bad-signature");
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "the signature of its SBOM does not fit"));
        json_decref(o);
        world_close(&w);
        learned_world(&w); /* the image's own program: the code at that commit may do it */
        provenance(&w, AA, 2, SIGNATURE_VERIFIED, 5);
        run(&w, "/bin/cat", LAYER_IMAGE);
        o = shown(&w);
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), BOTH);
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "/bin/cat is the image's own"));
        json_decref(o);
        world_close(&w);
}

/* An image that is not as its SBOM says outweighs who built it. */
static void test_image_differs(void)
{
        struct document d;
        struct world w;
        json_t *o;

        learned_world(&w);
        provenance(&w, AA, 2, SIGNATURE_VERIFIED, 5);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_package(&w, &d, "login", "4.14");
        add_file(&w, &d, "/bin/cat", 0, 9);
        add_file(&w, &d, "/bin/su", 1, 7);
        end_sbom(&w, &d);
        run(&w, "/tmp/x", LAYER_WRITE);
        o = shown(&w);
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), BOTH);
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "the image itself is not what its SBOM says"));
        json_decref(o);
        run(&w, "/bin/cat", LAYER_IMAGE);
        run(&w, "/bin/su", LAYER_IMAGE);
        run(&w, "/app", LAYER_IMAGE); /* that the SBOM lacks */
        o = shown(&w);
        CU_ASSERT_TRUE(words(path(o, "/app"), "the SBOM does not list it"));
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(path(o, "/bin/cat"), "hash")), "differs");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(path(o, "/bin/cat"), "hash_of")), "image");
        CU_ASSERT_TRUE(words(path(o, "/bin/cat"), "with another content than the image itself holds"));
        CU_ASSERT_TRUE(words(path(o, "/bin/su"), "of the image's package login 1:4.13, which the SBOM does not list "
                                                 "(but 4.14)"));
        json_decref(o);
        world_close(&w);
}

/* What came with the software by its SBOM is no proof of an intruder. */
static void test_listed(void)
{
        struct document d;
        struct world w;
        json_t *o;

        learned_world(&w);
        provenance(&w, AA, 2, SIGNATURE_VERIFIED, 5);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_package(&w, &d, "tools", "1");
        add_file(&w, &d, "/opt/tool", 1, 5);
        add_file(&w, &d, "/bin/cat", 0, 1);
        add_file(&w, &d, "/bin/su", 0, 7);
        end_sbom(&w, &d);
        run(&w, "/opt/tool", LAYER_WRITE);
        hash(&w, "/opt/tool", HASH_KNOWN, 5);
        o = shown(&w);
        CU_ASSERT_STRING_EQUAL(text(o, "conclusion", "lean"), BOTH);
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "/opt/tool is what its SBOM lists"));
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(path(o, "/opt/tool"), "hash")), "fits");
        CU_ASSERT_TRUE(words(path(o, "/opt/tool"), "just the content that ran; of package tools 1"));
        CU_ASSERT_EQUAL(strlen(json_string_value(json_object_get(
                                json_array_get(json_object_get(o, "signals"), 0), "sha256"))),
                        64);
        json_decref(o);
        world_close(&w);
}

/* What a document says is hostile, too. */
static void test_hostile(void)
{
        struct document d;
        struct world w;
        json_t *o;
        char *line;

        learned_world(&w);
        begin_document(&d, AA, 2, SIGNATURE_VERIFIED, SUPPLY_PROVENANCE);
        d.ev.supply.creator = BYTES_LIT("a\033[2J\nb\377");
        d.ev.supply.commit = BYTES_LIT("\"};");
        d.ev.supply.source = BYTES_LIT("x\n");
        tell_document(&w, &d);
        run(&w, "/tmp/\033x", LAYER_WRITE);
        o = shown(&w);
        check_shape(o);
        line = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
        CU_ASSERT_PTR_NOT_NULL_FATAL(line);
        CU_ASSERT_PTR_NULL(strchr(line, '\033'));
        CU_ASSERT_PTR_NULL(strstr(line, "\\u001b"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text(o, "conclusion", "words"), "a\\x1b[2J\\nb\\xff"));
        free(line);
        json_decref(o);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"nothing is known: both, and what is missing", test_nothing},
        {"known builder, known commit, verified, foreign code: run time", test_runtime},
        {"doubt has a name", test_both},
        {"an image that is not as its SBOM says", test_image_differs},
        {"what ran is what the SBOM lists", test_listed},
        {"hostile bytes stay data", test_hostile},
};
UNIT_MAIN("supply_json", cases)
