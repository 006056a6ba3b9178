/* SPDX-License-Identifier: GPL-2.0-or-later */
/* playbook.conf: what is written is taken, each mistake has its line, and a criterion fits what it names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tidemark/config.h"
#include "tidemark/finding.h"
#include "tidemark/playbook.h"

#define HEAD "version = \"7\"; owner = \"platform\"; review = \"2027-02-26\";\n"
#define ONE "{ name = \"a\"; verdict = \"malicious\"; text = \"t\"; factors = [ \"raw_address\" ]; }"
#define DAY INT64_C(86400000000000)

static int load(const char *text, struct playbook *p, struct cfg_mistakes *ms)
{
        memset(ms, 0, sizeof(*ms));
        return playbook_load_text(bytes_str(text), "book", p, ms);
}

static void test_taken(void)
{
        static struct playbook p;
        struct cfg_mistakes ms;

        CU_ASSERT_EQUAL_FATAL(load(HEAD "criteria = ( " ONE ",\n { name = \"b\"; verdict = \"benign\"; text = \"u\"; "
                                        "any = [ \"startup\", \"new_name\" ]; } );",
                                   &p, &ms),
                              0);
        CU_ASSERT_EQUAL(ms.n, 0);
        CU_ASSERT_STRING_EQUAL(p.version, "7");
        CU_ASSERT_STRING_EQUAL(p.owner, "platform");
        CU_ASSERT_STRING_EQUAL(p.path, "book");
        CU_ASSERT_EQUAL(p.n, 2);
        CU_ASSERT_EQUAL(p.criteria[0].nall, 1);
        CU_ASSERT_EQUAL(p.criteria[1].nany, 2);
        CU_ASSERT_STRING_EQUAL(p.criteria[1].any[1], "new_name");
        CU_ASSERT_EQUAL(playbook_days(&p, p.review_ns), 0);
        CU_ASSERT_EQUAL(playbook_days(&p, p.review_ns + DAY - 1), 0);
        CU_ASSERT_EQUAL(playbook_days(&p, p.review_ns + DAY), -1);
        CU_ASSERT_EQUAL(playbook_days(&p, p.review_ns - 1), 1);
        CU_ASSERT_EQUAL(load(HEAD "criteria = ( );", &p, &ms), 0);
        CU_ASSERT_EQUAL(p.n, 0);
}

/* Each alone: refused, with the line and the word, and what was there stays. */
static void test_mistakes(void)
{
        static const struct {
                const char *text, *words;
                int line;
        } rows[] = {
                {"version = 7;\nowner = \"o\"; review = \"2027-02-26\"; criteria = ();", "text in quotes", 1},
                {"owner = \"o\"; review = \"2027-02-26\"; criteria = ();", "no version", 0},
                {HEAD, "no criteria", 0},
                {"version = \"1\"; owner = \"o\";\nreview = \"26.2.2027\"; criteria = ();", "expected a date", 2},
                {"version = \"1\"; owner = \"o\";\nreview = \"2027-02-30\"; criteria = ();", "expected a date", 2},
                {HEAD "criteria = 3;", "must be a list", 2},
                {HEAD "criteria = ( 3 );", "must be a group", 2},
                {HEAD "criteria = ( " ONE ",\n" ONE " );", "two criteria called \"a\"", 3},
                {HEAD "criteria = ( { name = \"a\"; verdict = \"bad\"; text = \"t\"; any = [ \"startup\" ]; } );",
                 "malicious, misconfigured", 2},
                {HEAD "criteria = ( { name = \"a\"; verdict = \"benign\"; text = \"t\"; any = [ \"starup\" ]; } );",
                 "no factor \"starup\"", 2},
                {HEAD "criteria = ( { name = \"a\"; verdict = \"benign\"; text = \"t\"; } );", "names no factor", 2},
                {HEAD "criteria = ( { verdict = \"benign\"; text = \"t\"; any = [ \"startup\" ]; } );", "no name", 2},
                {HEAD "criteria = ( { nam = \"a\"; } );", "has no \"nam\"", 2},
                {HEAD "more = 1; criteria = ();", "has no \"more\"", 2},
                {HEAD "criteria = (", "error", 2},
                {"version = \"a\\x1b\"; owner = \"o\"; review = \"2027-02-26\"; criteria = ();", "control character",
                 1},
        };
        static struct playbook p;
        struct cfg_mistakes ms;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                bool found = false;

                memset(&p, 0x5a, sizeof(p));
                CU_ASSERT_EQUAL(load(rows[i].text, &p, &ms), -EINVAL);
                CU_ASSERT_EQUAL((unsigned char)p.version[0], 0x5a);
                for (size_t k = 0; k < ms.n; k++)
                        found = found || (strstr(ms.m[k].text, rows[i].words) && ms.m[k].line == rows[i].line);
                CU_ASSERT_TRUE(found);
                if (!found)
                        printf("\n%s: %d: %s", rows[i].text, ms.n ? ms.m[0].line : -1, ms.n ? ms.m[0].text : "none");
                cfg_mistakes_release(&ms);
        }
}

static void factor(struct finding *f, const char *name)
{
        CU_ASSERT_EQUAL_FATAL(str_set(&f->factors[f->nfactors++].name, bytes_str(name)), 0);
}

static void test_fits(void)
{
        struct playbook_criterion both = {.all = {"raw_address", "startup"}, .nall = 2};
        struct playbook_criterion mixed = {.all = {"startup"}, .nall = 1, .any = {"ptrace", "raw_address"}, .nany = 2};
        struct playbook_criterion nothing = {.nall = 0};
        struct finding *f = finding_new();

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        CU_ASSERT_FALSE(playbook_fits(&both, f) || playbook_fits(&mixed, f) || playbook_fits(&nothing, f));
        factor(f, "raw_address");
        CU_ASSERT_FALSE(playbook_fits(&both, f) || playbook_fits(&mixed, f) || playbook_fits(&nothing, f));
        factor(f, "startup");
        CU_ASSERT_TRUE(playbook_fits(&both, f) && playbook_fits(&mixed, f));
        CU_ASSERT_FALSE(playbook_fits(&nothing, f));
        finding_free(f);
}

/* What is shipped has no mistake. */
static void test_shipped(void)
{
        static struct playbook p;
        struct cfg_mistakes ms = {0};
        const char *dir = getenv("TOP_SRCDIR");
        _cleanup_free_ char *text = NULL;
        char path[512];
        size_t len;
        FILE *in;

        snprintf(path, sizeof(path), "%s/conf/playbook.conf", dir ? dir : ".");
        in = fopen(path, "re");
        CU_ASSERT_PTR_NOT_NULL_FATAL(in);
        text = calloc(1, 65536);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        len = fread(text, 1, 65535, in);
        fclose(in);
        CU_ASSERT_EQUAL(playbook_load_text(bytes_of(text, len), "shipped", &p, &ms), 0);
        cfg_mistakes_print(&ms, stdout);
        CU_ASSERT_TRUE(p.n >= 5);
        cfg_mistakes_release(&ms);
}

static const struct unit_case cases[] = {
        {"what is written is taken", test_taken},
        {"each mistake has its line", test_mistakes},
        {"a criterion fits what it names", test_fits},
        {"what is shipped has no mistake", test_shipped},
};
UNIT_MAIN("playbook", cases)
