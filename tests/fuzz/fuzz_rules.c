/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operators' rules and what they are matched with: a pattern fits what a slow matcher says that it fits, what is quoted
 * fits itself alone, a destination that is taken has a form, and whatever is decided or restored, what is then handed
 * out is taken back.
 *
 * Input: pattern, NUL, text, NUL, and the arguments of a decision, each NAME=VALUE and NUL.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "judge/judge-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/buf.h"
#include "tidemark/pattern.h"

static void hold(bool promise)
{
        if (!promise)
                abort();
}

/* As the header says it, one way after the other. No backslashes, no parts. */
static bool slow(const uint8_t *p, size_t np, const uint8_t *t, size_t nt)
{
        bool two = np > 1 && p[0] == '*' && p[1] == '*';

        if (np == 0)
                return nt == 0;
        if (p[0] == '*')
                return slow(p + 1 + two, np - 1 - two, t, nt) ||
                       (nt && (two || t[0] != '/') && slow(p, np, t + 1, nt - 1));
        return nt && (p[0] == '?' ? t[0] != '/' : p[0] == t[0]) && slow(p + 1, np - 1, t + 1, nt - 1);
}

static bool has(struct bytes s, const char *what)
{
        struct bytes w = bytes_str(what);

        for (uint32_t i = 0; i + w.len <= s.len; i++)
                if (memcmp(s.p + i, w.p, w.len) == 0)
                        return true;
        return false;
}

static void check_pattern(struct bytes pattern, struct bytes text)
{
        bool fits = pattern_fits(pattern, '/', text);
        _cleanup_buf_ struct buf quoted;

        hold(!fits || !pattern_check(pattern));
        if (pattern.len && pattern.len < 10 && text.len < 16 && !pattern_check(pattern) && !has(pattern, "\\") &&
            !has(pattern, "**/"))
                hold(fits == slow(pattern.p, pattern.len, text.p, text.len));
        buf_init(&quoted, 1 << 20);
        pattern_quote(text, &quoted);
        if (text.len && quoted.len <= PATTERN_MAX) {
                hold(pattern_is_exact(buf_bytes(&quoted)));
                hold(pattern_fits(buf_bytes(&quoted), '/', text));
        }
}

static void check_place(struct bytes text)
{
        char name[RULE_TEXT];
        struct rule_place p;

        if (rule_place(text, name, &p))
                return;
        hold(p.listens || p.any || p.address_len || p.name.len);
        hold(p.address_len == 0 || p.address_len == 4 || p.address_len == 16);
        hold(p.bits <= 8 * p.address_len);
}

/* ---- a judge with nothing but rules ---- */

static void on_save(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        (void)what, (void)key, (void)blob, (void)arg;
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        (void)f, (void)opened, (void)arg;
}

static int take_back(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        hold(what != PIECE_RULE || rules_restore(arg, key, blob) == 0);
        return 0;
}

static const struct judge_ops ops = {.save = on_save, .finding = on_finding};

static struct judge *new_judge(void)
{
        struct judge_params params;
        struct judge *j;

        judge_params_default(&params);
        hold(judge_new(&params, &ops, NULL, &j) == 0);
        return j;
}

/* Also within a window, and outside of one. */
static void check_fits(struct judge *j, struct bytes text, int64_t now)
{
        struct rule_act a = {.workload = text, .path = text, .exe = text, .wall_ns = now, .dim = DIM_FILE};
        const struct rule *r;

        for (size_t i = 0; (r = rules_at(j, i)); i++)
                for (int hour = -30; hour < 300; hour += 11) {
                        a.wall_ns = ns_plus(now, (uint64_t)hour * 3600000000000ull);
                        hold((rule_fits(r, &a) == RULE_FITS) <= rule_is_now(r, a.wall_ns));
                }
}

static void decide(struct judge *j, const char *verb, struct bytes args)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .wall_ns = 1767323045000000000};
        uint64_t had = j->rules ? rules_next_id(j) : 0;

        ev.decision.verb = bytes_str(verb);
        ev.decision.args = args;
        hold((judge_try(j, &ev) == 0) == (judge_event(j, &ev) == 0));
        hold(rules_next_id(j) <= had + 1);
}

static void check_rules(struct bytes text, const uint8_t *data, size_t size)
{
        struct judge *j = new_judge(), *again = new_judge();
        _cleanup_buf_ struct buf args, words;

        buf_init(&args, 1 << 20);
        buf_init(&words, 1 << 20);
        for (size_t at = 0; at < size;) {
                const uint8_t *end = memchr(data + at, 0, size - at), *eq;
                size_t len = end ? (size_t)(end - (data + at)) : size - at;

                eq = len ? memchr(data + at, '=', len) : NULL;
                if (eq)
                        tide_list_put(&args, bytes_of(data + at, (size_t)(eq - (data + at))),
                                      bytes_of(eq + 1, len - (size_t)(eq + 1 - (data + at))));
                at += len + 1;
        }
        decide(j, "allow.add", buf_bytes(&args));
        decide(j, "suppress.add", buf_bytes(&args));
        decide(j, "suppress.remove", buf_bytes(&args));
        check_fits(j, text, 1767323045000000000);
        if (rules_restore(j, bytes_of("\0\0\0\0\0\0\0\7", 8), bytes_of(data, size)) < 0) /* as it came */
                hold(rules_restore(j, bytes_of(NULL, 0), bytes_of(data, size)) <= 0);
        check_fits(j, text, 1767323045000000000);
        for (size_t i = 0; rules_at(j, i); i++)
                rule_words(rules_at(j, i), &words);
        hold(rules_each(j, take_back, again) == 0);
        rules_tick(j, INT64_MAX);
        judge_free(j);
        judge_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *first = size ? memchr(data, 0, size) : NULL, *second;
        struct bytes pattern, text;
        size_t rest;

        if (!first || size > 8192)
                return 0;
        pattern = bytes_of(data, (size_t)(first - data));
        rest = size - pattern.len - 1;
        second = rest ? memchr(first + 1, 0, rest) : NULL;
        if (!second)
                return 0;
        text = bytes_of(first + 1, (size_t)(second - (first + 1)));
        check_pattern(pattern, text);
        check_place(pattern);
        check_place(text);
        check_rules(text, second + 1, rest - text.len - 1);
        return 0;
}

FUZZ_MAIN("rules", "tests/fuzz/corpus/rules")
