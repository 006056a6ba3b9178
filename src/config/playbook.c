/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: reading playbook.conf: its members, and each mistake with file and line. Must not: know what a criterion means
 * (judge/playbook.c). Hands over: a struct playbook, whole and without a mistake, or none.
 */
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config-priv.h"
#include "tidemark/buf.h"
#include "tidemark/judge.h"
#include "tidemark/playbook.h"

#define FILE_MAX (256u * 1024)

struct reader {
        struct cfg_mistakes *ms;
        const char *file;
        struct playbook *p;
};

/* ---- values ---- */

static int take_text(const struct reader *r, const config_setting_t *s, char *dst, size_t size)
{
        const char *text = config_setting_get_string(s);
        const char *name = config_setting_name(s);
        unsigned line = config_setting_source_line(s);

        if (!text)
                return config_mistake(r->ms, r->file, (int)line, "%s must be a text in quotes", name ? name : "it");
        if (!*text || strlen(text) >= size)
                return config_mistake(r->ms, r->file, (int)line, "%s must have 1 to %zu bytes, and has %zu",
                                      name ? name : "it", size - 1, strlen(text));
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        return config_mistake(r->ms, r->file, (int)line, "%s holds a control character",
                                              name ? name : "it");
        strcpy(dst, text);
        return 0;
}

static int take_version(const struct reader *r, const config_setting_t *s)
{
        return take_text(r, s, r->p->version, sizeof(r->p->version));
}

static int take_owner(const struct reader *r, const config_setting_t *s)
{
        return take_text(r, s, r->p->owner, sizeof(r->p->owner));
}

static int take_review(const struct reader *r, const config_setting_t *s)
{
        struct tm tm = {.tm_year = 0}, back;
        char *end;
        time_t t;

        if (take_text(r, s, r->p->review, sizeof(r->p->review)) < 0)
                return -1;
        end = strptime(r->p->review, "%Y-%m-%d", &tm);
        t = end && !*end && strlen(r->p->review) == 10 ? timegm(&tm) : -1;
        if (t < 0 || !gmtime_r(&t, &back) || back.tm_mday != atoi(r->p->review + 8))
                return config_mistake(r->ms, r->file, (int)config_setting_source_line(s),
                                      "review is \"%s\": expected a date such as \"2027-02-26\"", r->p->review);
        r->p->review_ns = (int64_t)t * 1000000000;
        return 0;
}

/* ---- criteria ---- */

static bool is_factor(const char *name)
{
        for (int i = 0; i < FACTOR__MAX; i++)
                if (strcmp(judge_factors()[i].name, name) == 0)
                        return true;
        return strcmp(name, "novelty") == 0;
}

static int take_factors(const struct reader *r, const config_setting_t *s, char dst[][PLAYBOOK_NAME], uint32_t *ret_n)
{
        int n = config_setting_is_array(s) || config_setting_is_list(s) ? config_setting_length(s) : -1;
        unsigned line = config_setting_source_line(s);

        if (n < 0 || n > (int)PLAYBOOK_FACTORS)
                return config_mistake(r->ms, r->file, (int)line,
                                      "%s must be a list of at most %u names of factors, "
                                      "such as [\"ran_write_layer\"]",
                                      config_setting_name(s), PLAYBOOK_FACTORS);
        for (int i = 0; i < n; i++) {
                if (take_text(r, config_setting_get_elem(s, (unsigned)i), dst[i], PLAYBOOK_NAME) < 0)
                        return -1;
                if (!is_factor(dst[i]))
                        return config_mistake(r->ms, r->file, (int)line,
                                              "there is no factor \"%s\": those of the "
                                              "group scoring in tidemark.conf(5) are expected",
                                              dst[i]);
        }
        *ret_n = (uint32_t)n;
        return 0;
}

static int take_verdict(const struct reader *r, const config_setting_t *s, struct playbook_criterion *c)
{
        if (take_text(r, s, c->verdict, sizeof(c->verdict)) < 0)
                return -1;
        for (unsigned i = 0; i < JUDGE_VERDICTS; i++)
                if (strcmp(c->verdict, judge_verdict_name(i)) == 0)
                        return 0;
        return config_mistake(r->ms, r->file, (int)config_setting_source_line(s),
                              "verdict is \"%s\": expected malicious, misconfigured, benign or unsure", c->verdict);
}

static int take_name(const struct reader *r, const config_setting_t *s, struct playbook_criterion *c)
{
        return take_text(r, s, c->name, sizeof(c->name));
}

static int take_words(const struct reader *r, const config_setting_t *s, struct playbook_criterion *c)
{
        return take_text(r, s, c->words, sizeof(c->words));
}

static int take_all(const struct reader *r, const config_setting_t *s, struct playbook_criterion *c)
{
        return take_factors(r, s, c->all, &c->nall);
}

static int take_any(const struct reader *r, const config_setting_t *s, struct playbook_criterion *c)
{
        return take_factors(r, s, c->any, &c->nany);
}

static const struct {
        const char *name;
        int (*take)(const struct reader *r, const config_setting_t *s, struct playbook_criterion *c);
        bool required;
} members[] = {
        {"name", take_name, true},    {"verdict", take_verdict, true}, {"text", take_words, true},
        {"factors", take_all, false}, {"any", take_any, false},
};

static void take_criterion(const struct reader *r, const config_setting_t *s)
{
        struct playbook_criterion *c = &r->p->criteria[r->p->n];
        unsigned line = config_setting_source_line(s);

        memset(c, 0, sizeof(*c));
        for (int i = 0; i < config_setting_length(s); i++) {
                const config_setting_t *m = config_setting_get_elem(s, (unsigned)i);
                size_t k = 0;

                while (k < ARRAY_LEN(members) && strcmp(members[k].name, config_setting_name(m)) != 0)
                        k++;
                if (k < ARRAY_LEN(members))
                        (void)members[k].take(r, m, c);
                else
                        config_mistake(r->ms, r->file, (int)config_setting_source_line(m),
                                       "a criterion has no \"%s\": name, verdict, text, factors, any are expected",
                                       config_setting_name(m));
        }
        for (size_t k = 0; k < ARRAY_LEN(members); k++)
                if (members[k].required && !config_setting_get_member(s, members[k].name))
                        config_mistake(r->ms, r->file, (int)line, "the criterion has no %s", members[k].name);
        if (c->nall + c->nany == 0)
                config_mistake(r->ms, r->file, (int)line,
                               "the criterion names no factor: one at least, in factors "
                               "or any, says which findings it is about");
        for (uint32_t i = 0; i < r->p->n; i++)
                if (c->name[0] && strcmp(c->name, r->p->criteria[i].name) == 0)
                        config_mistake(r->ms, r->file, (int)line, "there are two criteria called \"%s\"", c->name);
        r->p->n++;
}

static int take_criteria(const struct reader *r, const config_setting_t *s)
{
        int n = config_setting_is_list(s) ? config_setting_length(s) : -1;

        if (n < 0 || n > (int)PLAYBOOK_CRITERIA)
                return config_mistake(r->ms, r->file, (int)config_setting_source_line(s),
                                      "criteria must be a list ( {...}, {...} ) of at most %u groups",
                                      PLAYBOOK_CRITERIA);
        for (int i = 0; i < n; i++) {
                const config_setting_t *c = config_setting_get_elem(s, (unsigned)i);

                if (config_setting_is_group(c))
                        take_criterion(r, c);
                else
                        config_mistake(r->ms, r->file, (int)config_setting_source_line(c),
                                       "a criterion must be a group { name = \"…\"; … }");
        }
        return 0;
}

/* ---- the file ---- */

static const struct {
        const char *name;
        int (*take)(const struct reader *r, const config_setting_t *s);
} parts[] = {
        {"version", take_version},
        {"owner", take_owner},
        {"review", take_review},
        {"criteria", take_criteria},
};

static void take_all_parts(const struct reader *r, const config_setting_t *root)
{
        for (int i = 0; i < config_setting_length(root); i++) {
                const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
                size_t k = 0;

                while (k < ARRAY_LEN(parts) && strcmp(parts[k].name, config_setting_name(s)) != 0)
                        k++;
                if (k < ARRAY_LEN(parts))
                        (void)parts[k].take(r, s);
                else
                        config_mistake(r->ms, r->file, (int)config_setting_source_line(s),
                                       "a playbook has no \"%s\": version, owner, review and criteria are expected",
                                       config_setting_name(s));
        }
        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
                if (!config_setting_get_member(root, parts[k].name))
                        config_mistake(r->ms, r->file, 0, "it has no %s", parts[k].name);
}

int playbook_load_text(struct bytes text, const char *name, struct playbook *ret, struct cfg_mistakes *ms)
{
        _cleanup_free_ struct playbook *p = calloc(1, sizeof(*p));
        _cleanup_free_ char *copy = bytes_dup(text);
        struct reader r = {.ms = ms, .file = name, .p = p};
        size_t before = ms->n;
        config_t c;

        if (!p || !copy)
                return -ENOMEM;
        config_init(&c);
        if (strlen(copy) != text.len)
                config_mistake(ms, name, 0, "holds a zero byte: this is no text");
        else if (config_read_string(&c, copy) != CONFIG_TRUE)
                config_mistake(ms, name, config_error_line(&c), "%s", config_error_text(&c));
        else
                take_all_parts(&r, config_root_setting(&c));
        config_destroy(&c);
        snprintf(p->path, sizeof(p->path), "%s", name);
        if (ms->n != before)
                return -EINVAL;
        *ret = *p;
        return 0;
}

int playbook_load(const char *path, struct playbook *ret, struct cfg_mistakes *ms)
{
        _cleanup_buf_ struct buf text;
        int r;

        buf_init(&text, FILE_MAX);
        r = config_take_file(path, &text, ms);
        return r < 0 ? r : playbook_load_text(buf_bytes(&text), path, ret, ms);
}
