/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attack recordings that are shipped: this version reads and finds them, and a rule that is wide enough hides some.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tidemark/config.h"
#include "tidemark/tune.h"

#define FOUND_MIN 70

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        struct cfg_mistakes ms = {0};
        struct cfg *c = arg;
        int r;

        cfg_default(c);
        r = cfg_load_text(text, "the recording's configuration", c, &ms);
        cfg_mistakes_print(&ms, stderr);
        cfg_mistakes_release(&ms);
        *jp = c->judge;
        *fp = c->fuse;
        return r;
}

static const struct row {
        const char *rule, *hides; /* NULL: nothing */
} rows[] = {
        {"{\"path\": \"/srv/nowhere/*.tmp\"}", NULL},
        {"{\"workload\": \"none\", \"path\": \"/etc/cron.d/php-session\"}",
         "nginx/cron.tide.gz"}, /* of whatever it is */
        {"{\"path\": \"/etc/cron.d/php-session\", \"executable\": \"/usr/bin/rsync\"}", NULL},
        {"{\"path\": \"/etc/cron.d/*\"}", NULL}, /* no pattern of files there */
        {"{\"path\": \"/**/x\"}", NULL},         /* refused */
};

static bool holds(const json_t *list, const char *text)
{
        size_t i;
        json_t *v;

        json_array_foreach((json_t *)(uintptr_t)list, i, v) if (strcmp(json_string_value(v), text) == 0) return true;
        return false;
}

static void test_attacks(void)
{
        static struct cfg cfg;
        const char *top = getenv("TOP_SRCDIR");
        char dir[4096];
        struct tune_setup s = {.attacks = dir, .make_params = make_params, .arg = &cfg};
        json_t *proposals = json_array(), *findings = json_array(), *about;

        snprintf(dir, sizeof(dir), "%s/conf/attacks", top ? top : "..");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                json_array_append_new(proposals, json_pack("{s:o}", "rule", json_loads(rows[i].rule, 0, NULL)));
        about = tune_measure(proposals, findings, &s);
        CU_ASSERT_PTR_NOT_NULL_FATAL(about);
        CU_ASSERT_EQUAL(json_array_size(json_object_get(about, "errors")), 0);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(about, "recordings_late")), 0);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const json_t *m = json_object_get(json_array_get(proposals, i), "malicious");
                const json_t *hidden = json_object_get(m, "hidden_cases");

                CU_ASSERT_TRUE(json_integer_value(json_object_get(m, "attacks")) >= FOUND_MIN);
                if (json_array_size(hidden) && !rows[i].hides)
                        fprintf(stderr, "\n%s hides %s\n", rows[i].rule, json_string_value(json_array_get(hidden, 0)));
                CU_ASSERT_EQUAL(json_array_size(hidden) > 0, rows[i].hides != NULL);
                CU_ASSERT_TRUE(!rows[i].hides || holds(hidden, rows[i].hides));
        }
        json_decref(about);
        json_decref(proposals);
        json_decref(findings);
}

static const struct unit_case cases[] = {
        {"those that are shipped are read and found", test_attacks},
};
UNIT_MAIN("attacks", cases)
