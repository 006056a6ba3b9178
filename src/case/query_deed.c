/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which containers a deed is asked for: a finding's, or one by its id or name.
 *
 * Owns: resolving the target, and the refusals that need no look at the machine. Must not: ask the sensor for anything
 * (daemon/engine_deed.c does). Hands over: a struct query_deed.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "case/query-priv.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"

#define ID_LEAST 12u /* hexadecimal digits of a container's id that a changing command takes */

static bool is_container_id(const char *text)
{
        size_t n = strlen(text);

        for (size_t i = 0; i < n; i++)
                if (!isascii(text[i]) || !isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
                        return false;
        return n >= ID_LEAST && n < QUERY_DEED_ID;
}

static void put(struct query_deed *d, struct bytes id, struct bytes name)
{
        struct query_deed_container *c = &d->containers[d->n++];

        str_print(id, c->id, sizeof(c->id));
        str_print(name, c->name, sizeof(c->name));
}

/* By its id's beginning or its full name, among those that run. */
static json_t *find_container(const struct query_env *env, const char *text, struct query_deed *ret)
{
        struct judge_container jc, found = {.running = false};
        char shown[128];
        size_t i = 0, n = 0;

        while (judge_container_next(pipeline_judge(env->pipeline), &i, &jc)) {
                bool its = is_container_id(text)
                                   ? jc.id.len >= strlen(text) && memcmp(jc.id.p, text, strlen(text)) == 0
                                   : jc.running && query_match(jc.name, text) == MATCH_WHOLE;

                if (its && ++n)
                        found = jc;
        }
        str_print(bytes_str(text), shown, sizeof(shown));
        if (n == 1) {
                put(ret, found.id, found.name);
                return NULL;
        }
        if (n == 0 && is_container_id(text) && strlen(text) == QUERY_DEED_ID - 1) { /* the sensor may know it still */
                put(ret, bytes_str(text), BYTES_LIT(""));
                return NULL;
        }
        return n ? query_fail(QUERY_USAGE, "%zu containers are called \"%s\": give 12 or more digits of its id", n,
                              shown)
                 : query_fail(QUERY_FAILED,
                              "no container is called \"%s\": give its full name, or 12 or more digits of its id, or a "
                              "finding's id such as F-12; see tidemark status",
                              shown);
}

struct of_finding {
        uint64_t id;
        bool found;
        struct query_deed *deed;
        uint64_t more;
};

static int on_finding(const struct finding *f, void *arg)
{
        struct of_finding *w = arg;

        if (f->id != w->id)
                return 0;
        w->found = true;
        for (uint32_t i = 0; i < f->ncontainers && w->deed->n < QUERY_DEED_CONTAINERS; i++)
                put(w->deed, bytes_of(f->containers[i].id.p, f->containers[i].id.len),
                    bytes_of(f->containers[i].name.p, f->containers[i].name.len));
        return 0;
}

/* Those of its containers that still run; if none does, all of them: the sensor says what can be done. */
static void only_running(const struct query_env *env, struct query_deed *d)
{
        struct query_deed kept = *d;

        kept.n = 0;
        for (size_t k = 0; k < d->n; k++) {
                struct judge_container jc;
                size_t i = 0;

                while (judge_container_next(pipeline_judge(env->pipeline), &i, &jc))
                        if (jc.running && bytes_eq(jc.id, bytes_str(d->containers[k].id)))
                                kept.containers[kept.n++] = d->containers[k];
        }
        if (kept.n)
                *d = kept;
}

static json_t *several(const struct query_deed *d)
{
        char names[768];
        size_t len = 0;

        for (size_t i = 0; i < d->n && len < sizeof(names); i++)
                len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.12s%s%s%s", i ? ", " : "",
                                        d->containers[i].id, d->containers[i].name[0] ? " (" : "",
                                        d->containers[i].name, d->containers[i].name[0] ? ")" : "");
        return query_fail(QUERY_USAGE, "F-%llu is of %zu containers: %s. Name one of them, or say --all",
                          (unsigned long long)d->finding, d->n, names);
}

static json_t *of_finding(const struct query_env *env, uint64_t id, bool all, struct query_deed *ret)
{
        struct of_finding w = {.id = id, .deed = ret};
        uint64_t damaged;

        if (query_each_finding(env, on_finding, &w, &damaged) < 0)
                return query_fail(QUERY_FAILED, "the findings cannot be read");
        if (!w.found)
                return query_fail(QUERY_FAILED, "there is no finding F-%llu: see tidemark findings --all",
                                  (unsigned long long)id);
        ret->finding = id;
        only_running(env, ret);
        if (ret->n == 0)
                return query_fail(QUERY_FAILED, "F-%llu is of no container", (unsigned long long)id);
        return ret->n > 1 && !all ? several(ret) : NULL;
}

static bool is_finding(const char *text)
{
        return text[0] == 'F' && text[1] == '-' && query_finding_id(text) != 0;
}

json_t *query_deed_target(const struct query_env *env, const json_t *request, struct query_deed *ret)
{
        const char *text = json_string_value(json_object_get(request, "target"));

        if (!text)
                return NULL;
        if (is_finding(text))
                return of_finding(env, query_finding_id(text), json_is_true(json_object_get(request, "all")), ret);
        return find_container(env, text, ret);
}
