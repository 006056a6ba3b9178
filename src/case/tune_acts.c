/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what a finding's acts are to a rule, by the finding's own words, and whether a rule covers them. Must not: take
 * a rule for wider than the judge does (judge/rules_match.c decides when it is there): where the words do not suffice,
 * it is not covered. Pure.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case/tune-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/generalise.h"
#include "tidemark/judge.h"
#include "tidemark/pattern.h"
#include "tidemark/tune.h"

#define PATH_WHOLE 380u /* longer ones are kept in part (judge/signals.c), and mean no one path */

const char *tune_text(const json_t *o, const char *key)
{
        return json_string_value(json_object_get(o, key));
}

static bool is_path(const char *s)
{
        return s && s[0] == '/' && strlen(s) <= PATH_WHOLE;
}

static bool is_cut(const char *s)
{
        return s && s[0] == '/' && strlen(s) > PATH_WHOLE;
}

static bool ends_in(const char *s, const char *end)
{
        size_t n = strlen(s), m = strlen(end);

        return n >= m && strcmp(s + n - m, end) == 0;
}

/* By the marks that judge/observe.c puts behind a key; a path that ends like one has its last bracket twice. */
static bool has_mark(const json_t *signal, const char *const *marks)
{
        const char *key = tune_text(signal, "key");

        for (; key && *marks; marks++) {
                const char *at = strstr(key, *marks);

                for (; at; at = strstr(at + 1, *marks))
                        if (at[strlen(*marks)] == '\0' || at[strlen(*marks)] == ' ')
                                return true;
        }
        return false;
}

static bool is_layer(const json_t *signal, const char *const *layers)
{
        const char *layer = tune_text(signal, "layer");

        for (; layer && *layers; layers++)
                if (strcmp(layer, *layers) == 0)
                        return true;
        return false;
}

static bool is_lasting(const char *escaped)
{
        _cleanup_buf_ struct buf raw;

        buf_init(&raw, 4096);
        return str_unescape(bytes_str(escaped), &raw) < 0 || judge_is_lasting_place(buf_bytes(&raw));
}

static enum tune_reach reach_of_address(const char *text)
{
        uint8_t raw[16];
        struct bytes a = {0};

        if (inet_pton(AF_INET, text, raw) == 1)
                a = bytes_of(raw, 4);
        else if (inet_pton(AF_INET6, text, raw) == 1)
                a = bytes_of(raw, 16);
        if (a.len == 0)
                return REACH_NONE;
        return address_kind(a) == ADDRESS_PRIVATE ? REACH_SITE : REACH_ADDRESS;
}

static void flow_of(const json_t *s, bool foreign, struct tune_act *a)
{
        a->address = tune_text(s, "address");
        a->protocol = tune_text(s, "protocol");
        a->port = (unsigned)json_integer_value(json_object_get(s, "port"));
        a->name = json_string_value(json_array_get(json_object_get(s, "names"), 0));
        if (!a->protocol || !a->address)
                return;
        if (strcmp(tune_text(s, "direction") ? tune_text(s, "direction") : "", "inbound") == 0)
                a->reach = a->port ? REACH_LISTENS : REACH_NONE;
        else if (a->name)
                a->reach = foreign ? REACH_ONE_NAME : REACH_NAME;
        else
                a->reach = reach_of_address(a->address);
        if (foreign && a->reach == REACH_SITE)
                a->reach = REACH_ADDRESS;
        if (foreign && !a->exe) /* executable and destination must both be written out */
                a->reach = REACH_NONE;
}

void tune_act_of(const json_t *s, struct tune_act *ret)
{
        static const char *const gone[] = {"memfd", "deleted", NULL};
        static const char *const foreign[] = {"write-layer", "tmpfs", "memfd", "deleted", "mount", NULL};
        static const char *const outside[] = {" [host]", " [other-container]", NULL};
        static const char *const programs[] = {" [executable]", " [setuid]", " [capabilities]",
                                               " [changed]",    " [mapped]", NULL};
        const char *kind = tune_text(s, "kind"), *path = tune_text(s, "subject"), *exe = tune_text(s, "executable");
        struct tune_act a = {.dim = DIM__MAX, .origin = tune_text(s, "origin"), .exe = is_path(exe) ? exe : NULL};

        a.unsure = is_cut(path) || is_cut(exe);
        for (unsigned d = 0; kind && d < DIM__MAX; d++)
                if (strcmp(kind, dimension_name(d)) == 0)
                        a.dim = (enum dimension)d;
        if (a.dim != DIM_NETWORK && is_path(path))
                a.path = path;
        if (a.dim == DIM_FILE && a.path)
                a.reach = has_mark(s, programs) || is_lasting(a.path) ? REACH_PROGRAM : REACH_DATA;
        else if (a.dim == DIM_PROCESS && a.path && !is_layer(s, gone))
                a.reach = REACH_PROGRAM;
        else if (a.dim == DIM_NETWORK)
                flow_of(s, is_layer(s, foreign), &a);
        else if (a.dim == DIM_PRIVILEGE && a.exe && !has_mark(s, outside) &&
                 strcmp(tune_text(s, "operation") ? tune_text(s, "operation") : "", "blinded") != 0)
                a.reach = REACH_RIGHTS;
        *ret = a;
}

/* ---- does a rule cover it? ---- */

static bool text_fits(const json_t *rule, const char *field, uint8_t separator, const char *escaped)
{
        const char *pattern = tune_text(rule, field);
        _cleanup_buf_ struct buf raw;

        buf_init(&raw, 4096);
        if (!pattern)
                return true;
        return escaped && str_unescape(bytes_str(escaped), &raw) == 0 &&
               pattern_fits(bytes_str(pattern), separator, buf_bytes(&raw));
}

static bool exact(const json_t *rule, const char *field)
{
        const char *pattern = tune_text(rule, field);

        return pattern && pattern_is_exact(bytes_str(pattern));
}

static bool in_network(const char *network, const char *address)
{
        char net[64];
        uint8_t a[16], b[16];
        const char *slash = strchr(network, '/');
        size_t len = slash ? (size_t)(slash - network) : strlen(network);
        int family = strchr(address, ':') ? AF_INET6 : AF_INET, bits = family == AF_INET ? 32 : 128;

        if (len >= sizeof(net))
                return false;
        memcpy(net, network, len);
        net[len] = '\0';
        if (inet_pton(family, net, a) != 1 || inet_pton(family, address, b) != 1)
                return false;
        if (slash)
                bits = atoi(slash + 1) < bits ? atoi(slash + 1) : bits;
        for (int i = 0; i < bits; i++)
                if ((a[i / 8] ^ b[i / 8]) & 0x80 >> i % 8)
                        return false;
        return true;
}

/* As tune.c writes them: "HOST:PORT/PROTOCOL", "[HOST]:PORT/PROTOCOL", "HOST/PROTOCOL", "listen:PORT/PROTOCOL". */
static bool place_fits(const char *place, const struct tune_act *a)
{
        char end[40], host[600];
        size_t len;

        if (a->reach == REACH_LISTENS) {
                snprintf(host, sizeof(host), "listen:%u/%s", a->port, a->protocol);
                return strcmp(place, host) == 0;
        }
        if (a->port)
                snprintf(end, sizeof(end), ":%u/%s", a->port, a->protocol);
        else
                snprintf(end, sizeof(end), "/%s", a->protocol);
        len = strlen(place);
        if (!ends_in(place, end) || len - strlen(end) >= sizeof(host))
                return false;
        len -= strlen(end);
        if (place[0] == '[' && place[len - 1] == ']') {
                place++;
                len -= 2;
        }
        memcpy(host, place, len);
        host[len] = '\0';
        if (a->name)
                return pattern_fits(bytes_str(host), '.', bytes_str(a->name));
        return in_network(host, a->address);
}

/* A rule of the judge does not reach further than this. */
static bool reaches(const json_t *rule, const struct tune_act *a)
{
        const char *signal = tune_text(rule, "signal"), *place = tune_text(rule, "destination");

        switch (a->reach) {
        case REACH_DATA:
                return true;
        case REACH_PROGRAM:
                return exact(rule, "path");
        case REACH_RIGHTS:
                return signal && strcmp(signal, "privilege") == 0 && exact(rule, "executable");
        case REACH_NAME:
        case REACH_SITE:
        case REACH_LISTENS:
                return place != NULL;
        case REACH_ONE_NAME:
                return place && !strpbrk(place, "*?") && exact(rule, "executable");
        case REACH_ADDRESS:
                return place && (!strchr(place, '/') || strchr(place, '/') == strrchr(place, '/'));
        default:
                return false;
        }
}

static bool covers(const json_t *rule, const struct tune_act *a)
{
        const char *signal = tune_text(rule, "signal"), *place = tune_text(rule, "destination");

        return reaches(rule, a) && (!signal || strcmp(signal, dimension_name(a->dim)) == 0) &&
               text_fits(rule, "origin", 0, a->origin) && text_fits(rule, "path", '/', a->path) &&
               text_fits(rule, "executable", '/', a->exe) &&
               (!place || (a->dim == DIM_NETWORK && place_fits(place, a)));
}

/* Every act of the finding; unsure ones only where they count. */
static bool covers_all(const json_t *rule, const json_t *finding, bool unsure_counts)
{
        size_t i;
        json_t *s;

        if (!text_fits(rule, "workload", 0, tune_text(json_object_get(finding, "workload"), "name")))
                return false;
        json_array_foreach(json_object_get(finding, "signals"), i, s)
        {
                struct tune_act a;

                tune_act_of(s, &a);
                if ((unsure_counts || !a.unsure) && !covers(rule, &a))
                        return false;
        }
        return true;
}

bool tune_covers(const json_t *rule, const json_t *finding)
{
        return json_array_size(json_object_get(finding, "signals")) > 0 &&
               json_integer_value(json_object_get(finding, "signals_more")) <= 0 && covers_all(rule, finding, true);
}

bool tune_may_hide(const json_t *rule, const json_t *finding)
{
        return covers_all(rule, finding, false);
}

bool tune_concerns(const json_t *rule, const json_t *finding)
{
        size_t i;
        json_t *s;

        if (!text_fits(rule, "workload", 0, tune_text(json_object_get(finding, "workload"), "name")))
                return false;
        json_array_foreach(json_object_get(finding, "signals"), i, s)
        {
                struct tune_act a;

                tune_act_of(s, &a);
                if (a.unsure || covers(rule, &a))
                        return true;
        }
        return json_integer_value(json_object_get(finding, "signals_more")) > 0;
}

static bool is_verdict(const json_t *finding, const char *verdict)
{
        const char *v = tune_text(finding, "verdict");

        return v && strcmp(v, verdict) == 0;
}

static bool is_drift(const json_t *finding)
{
        const char *type = tune_text(finding, "type");

        return type && strcmp(type, "drift") == 0;
}

bool tune_counts(const json_t *finding)
{
        return is_drift(finding) && !json_is_true(json_object_get(finding, "below_show")) &&
               !json_is_true(json_object_get(finding, "suppressed")) && !is_verdict(finding, "malicious");
}

bool tune_is_malicious(const json_t *finding)
{
        return is_verdict(finding, "malicious");
}
