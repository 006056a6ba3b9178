/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_check - is it watching as it should? One object of status, for status --check.
 *
 * Owns:  what counts as a failure: a sensor that is not as good as this kernel could have it, a loss that is not
 * repaired yet, a container that is not covered, storing that fails. Never: looks anywhere but into status itself. A
 * rule that ends soon, a line that syslog lost, is none.
 */
#include "case/query-priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int problem(json_t *list, const char *fmt, ...) TM_PRINTF(2, 3);
static int problem(json_t *list, const char *fmt, ...)
{
        char text[400];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return json_array_append_new(list, cj_words(bytes_str(text)));
}

static json_int_t at(const json_t *o, const char *group, const char *name)
{
        return json_integer_value(json_object_get(group ? json_object_get(o, group) : o, name));
}

static bool is_degraded(const char *state)
{
        return !strncmp(state, "off: ", 5) || strstr(state, "without executions");
}

static int check_sensors(const json_t *o, json_t *list)
{
        size_t i;
        json_t *v;
        int bad = 0;

        if (json_array_size(json_object_get(o, "sensors")) == 0)
                bad |= problem(list, "the sensor's process does not answer");
        json_array_foreach(json_object_get(o, "sensors"), i, v)
        {
                const char *name = json_string_value(json_object_get(v, "name")),
                           *state = json_string_value(json_object_get(v, "state"));

                if (name && state && is_degraded(state))
                        bad |= problem(list, "sensor %s is degraded: %s", name, state);
        }
        return bad;
}

static int check_losses(const json_t *o, json_t *list)
{
        return json_is_true(json_object_get(json_object_get(o, "repair"), "pending"))
                       ? problem(list, "a loss is not repaired yet")
                       : 0;
}

static int check_containers(const json_t *o, json_t *list)
{
        const json_t *net = json_object_get(json_object_get(o, "network"), "namespaces");
        json_int_t refused = at(net, NULL, "refused"), withdrawn = at(net, NULL, "withdrawn"), n = 0;
        const char *first = NULL;
        size_t i;
        json_t *v;
        int bad = 0;

        json_array_foreach(json_object_get(o, "containers"), i, v)
        {
                const char *coverage = json_string_value(json_object_get(v, "coverage")),
                           *name = json_string_value(json_object_get(v, "name"));

                if (!coverage || (!strstr(coverage, "not covered") && !strstr(coverage, "not watched")))
                        continue;
                first = first ? first : name && *name ? name : json_string_value(json_object_get(v, "id"));
                n++;
        }
        if (n)
                bad |= problem(list, "files of %lld container%s are not covered (%.80s%s)", (long long)n,
                               n == 1 ? "" : "s", first ? first : "", n > 1 ? ", …" : "");
        if (at(o, NULL, "containers_refused"))
                bad |= problem(list, "%lld containers are not watched: limits.containers",
                               (long long)at(o, NULL, "containers_refused"));
        if (refused + withdrawn)
                bad |= problem(list, "connections of %lld network namespace%s are not watched",
                               (long long)(refused + withdrawn), refused + withdrawn == 1 ? "" : "s");
        return bad;
}

static int check_storing(const json_t *o, json_t *list)
{
        return json_is_false(json_object_get(json_object_get(o, "engine"), "storing"))
                       ? problem(list, "what is learned and found cannot be stored")
                       : 0;
}

static int check_trail(const json_t *o, json_t *list)
{
        const json_t *trail = json_object_get(o, "trail");
        const char *why = json_string_value(json_object_get(trail, "why"));
        json_int_t n = json_integer_value(json_object_get(trail, "unwritten"));
        int bad = 0;

        if (json_is_false(json_object_get(trail, "writing")))
                bad = problem(list, "the trail cannot be written: %.100s", why ? why : "");
        return n > 0 ? bad | problem(list, "%lld records are missing in the trail", (long long)n) : bad;
}

/* Audit that an administrator has switched off is his wish, and no problem. */
static int check_audit_log(const json_t *o, json_t *list)
{
        const char *state = json_string_value(json_object_get(json_object_get(o, "audit_log"), "state"));

        if (!state || (strncmp(state, "off: ", 5) != 0 && strncmp(state, "failing: ", 9) != 0))
                return 0;
        return problem(list, "records for the audit log are not written: %.200s", state);
}

/* Where evidence is to lie: a full disk is seen when it is too late, else. */
static int check_evidence(const json_t *o, json_t *list)
{
        const char *words = json_string_value(json_object_get(json_object_get(o, "evidence"), "problem"));

        return words ? problem(list, "no evidence can be taken: %.300s", words) : 0;
}

int query_put_check(json_t *o)
{
        static int (*const checks[])(const json_t *, json_t *) = {check_sensors, check_losses, check_containers,
                                                                  check_storing, check_audit_log, check_trail,
                                                                  check_evidence};
        _cleanup_json_ json_t *list = json_array();
        int bad = 0;

        for (size_t i = 0; i < ARRAY_LEN(checks); i++)
                bad |= checks[i](o, list);
        return bad | json_object_set_new(o, "check",
                                         json_pack("{s:b,s:O}", "ok", json_array_size(list) == 0, "problems", list));
}
