/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit_rules: whose rule is it, by its key alone; a helper that may do nothing. The kernel's rules are left alone. */
#include "unit.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tidemark/audit_rules.h"
#include "tidemark/clock.h"
#include "tidemark/loop.h"

#define OURS BYTES_LIT("tidemark-1")

static union {
        struct audit_rule_data rule;
        uint8_t space[sizeof(struct audit_rule_data) + 256];
} r;

static size_t len(void)
{
        return sizeof(r.rule) + r.rule.buflen;
}

static void field(uint32_t name, const char *text)
{
        r.rule.fields[r.rule.field_count] = name;
        r.rule.values[r.rule.field_count++] = (uint32_t)strlen(text);
        memcpy(r.rule.buf + r.rule.buflen, text, strlen(text));
        r.rule.buflen += (uint32_t)strlen(text);
}

static void begin(void)
{
        memset(&r, 0, sizeof(r));
        r.rule.fields[0] = AUDIT_ARCH;
        r.rule.values[0] = 0xc000003e;
        r.rule.field_count = 1;
}

static void test_keys(void)
{
        static const char *const others[] = {"", "tidemark-", "tidemark-11", "tidemark-2", "Tidemark-1",
                                             "site\001tidemark-1"};

        begin();
        CU_ASSERT(!audit_rules_has_key(&r, len(), OURS)); /* none */
        field(AUDIT_FILTERKEY, "tidemark-1");
        CU_ASSERT(audit_rules_has_key(&r, len(), OURS));
        begin(); /* behind another text of the rule */
        field(AUDIT_DIR, "/tidemark-1");
        field(AUDIT_FILTERKEY, "tidemark-1");
        CU_ASSERT(audit_rules_has_key(&r, len(), OURS));
        begin();
        field(AUDIT_DIR, "tidemark-1");
        CU_ASSERT(!audit_rules_has_key(&r, len(), OURS));
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
                begin();
                field(AUDIT_FILTERKEY, others[i]);
                CU_ASSERT(!audit_rules_has_key(&r, len(), OURS));
        }
}

static void test_damaged(void)
{
        begin();
        field(AUDIT_FILTERKEY, "tidemark-1");
        for (size_t n = 0; n < len(); n++)
                CU_ASSERT(!audit_rules_has_key(&r, n, OURS));
        r.rule.values[1] = UINT32_MAX;
        CU_ASSERT(!audit_rules_has_key(&r, len(), OURS));
        begin();
        field(AUDIT_DIR, "/x");
        field(AUDIT_FILTERKEY, "tidemark-1");
        r.rule.values[1] = UINT32_MAX - 4;
        CU_ASSERT(!audit_rules_has_key(&r, len(), OURS));
        begin();
        field(AUDIT_FILTERKEY, "tidemark-1");
        r.rule.field_count = AUDIT_MAX_FIELDS + 1;
        CU_ASSERT(!audit_rules_has_key(&r, len(), OURS));
        r.rule.field_count = 2;
        r.rule.buflen = 1u << 30; /* more than came */
        CU_ASSERT(audit_rules_has_key(&r, sizeof(r.rule) + 10, OURS));
}

static struct {
        unsigned n;
        int error;
        struct loop *loop;
} told;

static void on_state(const struct audit_rules_state *st, void *arg)
{
        (void)arg;
        told.n++;
        told.error = st->error;
        loop_stop(told.loop, 0);
}

static int may_not(void)
{
        return -EPERM;
}

/* What it lacks is told once, it is gone, and nothing is waited for at the end. */
static void test_may_not(void)
{
        static const struct audit_rules_ops ops = {.state = on_state, .confine = may_not};
        static const char long_name[] = "a-name-that-is-longer-than-all-that-are-allowed-to-be";
        const uint64_t patience = 30 * NSEC_PER_SEC;
        struct audit_rules *rules = NULL;
        uint64_t began;

        CU_ASSERT_FATAL(loop_new(&told.loop) == 0);
        CU_ASSERT(audit_rules_start(told.loop, AUDIT_RULES_EXEC, long_name, patience, &ops, NULL, &rules) == -EINVAL);
        CU_ASSERT_FATAL(audit_rules_start(told.loop, AUDIT_RULES_EXEC, "1", patience, &ops, NULL, &rules) == 0);
        CU_ASSERT(loop_run(told.loop) == 0 && told.n == 1 && told.error == -EPERM);
        audit_rules_look(rules);
        began = clock_boot_ns();
        CU_ASSERT(audit_rules_end(rules, 10000, NULL) == 0 && clock_boot_ns() - began < 5 * NSEC_PER_SEC);
        loop_free(told.loop);
}

/* ---- a helper whose kernel is played: what it is asked is counted where both processes see it ---- */

static struct {
        unsigned looks, removals;
} *asked;

enum play { PLAY_WELL, PLAY_LATE, PLAY_GONE, PLAY_STAYS, PLAY_LOCKED };
static enum play play; /* as it was when the helper was started */

static int set(enum audit_rules_want want, const char *key, struct audit_rules_state *ret)
{
        CU_ASSERT_STRING_EQUAL(key, "tidemark-1");
        *ret = (struct audit_rules_state){.enabled = 1};
        if (want != AUDIT_RULES_NONE) {
                ret->wanted = ret->stand = 2;
                return 0;
        }
        asked->removals++;
        ret->removed = play == PLAY_STAYS || play == PLAY_LOCKED ? 0 : 2;
        ret->enabled = play == PLAY_LOCKED ? 2 : 1;
        ret->error = play == PLAY_STAYS ? -ETIMEDOUT : 0;
        return ret->error;
}

/* The first look fails. */
static int again(enum audit_rules_want want, const char *key, struct audit_rules_state *st)
{
        uint32_t stood = st->stand;

        (void)want, (void)key;
        if (play == PLAY_GONE)
                _exit(EXIT_FAILURE);
        *st = (struct audit_rules_state){0};
        if (asked->looks++ == 0 && play == PLAY_LATE)
                st->error = -ETIMEDOUT;
        else
                st->wanted = st->stand = stood;
        return st->error;
}

static const struct audit_rules_ops played = {.state = on_state, .set = set, .again = again};

static struct audit_rules *begin_play(enum play p)
{
        struct audit_rules *rules = NULL;

        if (!asked)
                asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CU_ASSERT_FATAL(asked != MAP_FAILED);
        memset(asked, 0, sizeof(*asked));
        play = p;
        CU_ASSERT_FATAL(loop_new(&told.loop) == 0);
        CU_ASSERT_EQUAL_FATAL(
                audit_rules_start(told.loop, AUDIT_RULES_EXEC, "1", 30 * NSEC_PER_SEC, &played, NULL, &rules), 0);
        CU_ASSERT(loop_run(told.loop) == 0 && told.error == 0);
        return rules;
}

static int look(struct audit_rules *rules)
{
        unsigned n = told.n;

        audit_rules_look(rules);
        CU_ASSERT(loop_run(told.loop) == 0 && told.n == n + 1);
        return told.error;
}

static int end_play(struct audit_rules *rules, struct audit_rules_state *ret)
{
        int err = audit_rules_end(rules, 10000, ret);

        loop_free(told.loop);
        return err;
}

/* A look that fails costs that look: the next is made, and at the end the rules go. */
static void test_look_fails(void)
{
        struct audit_rules *rules = begin_play(PLAY_LATE);
        struct audit_rules_state st = {0};

        CU_ASSERT_EQUAL(look(rules), -ETIMEDOUT);
        CU_ASSERT_EQUAL(look(rules), 0);
        CU_ASSERT(end_play(rules, &st) == 0 && st.removed == 2 && asked->removals == 1);
}

/* What a look says when the end has come is not taken for the end's outcome. */
static void test_look_at_the_end(void)
{
        struct audit_rules *rules = begin_play(PLAY_LATE);
        struct audit_rules_state st = {0};

        audit_rules_look(rules);
        CU_ASSERT(end_play(rules, &st) == 0 && st.removed == 2 && asked->looks == 1 && asked->removals == 1);
}

/* Rules that may be left are no good end, whatever the reason. */
static void test_rules_left(void)
{
        struct audit_rules_state st = {0};
        struct audit_rules *rules = begin_play(PLAY_GONE);

        CU_ASSERT_EQUAL(look(rules), -EPIPE);
        audit_rules_look(rules); /* nobody is there */
        CU_ASSERT(end_play(rules, &st) == -EPIPE && st.removed == 0);
        CU_ASSERT_EQUAL(end_play(begin_play(PLAY_STAYS), &st), -ETIMEDOUT);
        CU_ASSERT_EQUAL(end_play(begin_play(PLAY_LOCKED), &st), -EROFS);
        CU_ASSERT(end_play(begin_play(PLAY_WELL), &st) == 0 && st.removed == 2);
}

/* Where none are wanted it ends with its first look; or it stays, is looked by, and takes nothing away but by
 * rights. */
static void test_stays(void)
{
        static const struct audit_rules_ops stays = {.state = on_state, .set = set, .again = again, .stay = true};
        struct audit_rules *rules = begin_play(PLAY_WELL);

        CU_ASSERT_EQUAL(audit_rules_end(rules, 10000, NULL), 0);
        CU_ASSERT_EQUAL_FATAL(
                audit_rules_start(told.loop, AUDIT_RULES_NONE, "1", 30 * NSEC_PER_SEC, &stays, NULL, &rules), 0);
        CU_ASSERT(loop_run(told.loop) == 0 && told.error == 0);
        CU_ASSERT(look(rules) == 0 && look(rules) == 0 && asked->looks == 2);
        told.n = 0;
        audit_rules_ask(rules);
        audit_rules_look(rules); /* while it is at work: behind it */
        CU_ASSERT(loop_run(told.loop) == 0 && told.n == 1 && loop_run(told.loop) == 0 && told.n == 2);
        CU_ASSERT_EQUAL(asked->looks, 4);
        CU_ASSERT_EQUAL(end_play(rules, NULL), 0);
}

static const struct unit_case cases[] = {
        {"a rule is ours by its key alone", test_keys},
        {"a rule with impossible lengths is not", test_damaged},
        {"a helper that may not", test_may_not},
        {"a look that fails", test_look_fails},
        {"a look that fails at the end", test_look_at_the_end},
        {"rules that are left are told", test_rules_left},
        {"a helper that stays", test_stays},
};

UNIT_MAIN("audit rules", cases)
