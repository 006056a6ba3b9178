/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what of audit events and admission lines is an image's admission. Must not: keep one. Pure.
 *
 * Kubernetes audit events (kubernetes.io/docs/reference/config-api/apiserver-audit.v1): creating a pod, or giving it
 * ephemeral containers; images without a digest say nothing that can be matched, and are counted.
 */
#include <errno.h>
#include <string.h>

#include "parse/supply-priv.h"
#include "tidemark/err.h"


static int tell(struct supply *s, struct supply_admission *a, const char *image)
{
        supply_copy(image, a->image, sizeof(a->image));
        s->result->admissions++;
        return s->ops->admission ? s->ops->admission(a, s->arg) : 0;
}

/* ---- lines ---- */

static int decision_of(const char *word)
{
        static const struct {
                const char *word;
                int admitted;
        } words[] = {{"allow", 1},  {"allowed", 1}, {"admit", 1},  {"admitted", 1}, {"accept", 1},
                     {"accepted", 1}, {"deny", 0},  {"denied", 0}, {"refuse", 0},   {"refused", 0},
                     {"reject", 0},   {"rejected", 0}};

        for (size_t i = 0; word && i < ARRAY_LEN(words); i++)
                if (strcmp(word, words[i].word) == 0)
                        return words[i].admitted;
        return -1;
}

static int take_line(struct supply *s, const json_t *o, struct supply_admission *a)
{
        const char *image = json_string_value(json_object_get(o, "image"));
        const char *digest = json_string_value(json_object_get(o, "digest"));
        int admitted = decision_of(json_string_value(json_object_get(o, "decision")));

        a->at_ns = supply_time(json_string_value(json_object_get(o, "time")));
        if (admitted < 0 || a->at_ns == 0) {
                s->result->lines_refused++;
                return 0;
        }
        if (!supply_find_digest(digest, a->digest) && !supply_find_digest(image, a->digest)) {
                s->result->lines_undigested++;
                return 0;
        }
        a->admitted = admitted;
        supply_text(o, "by", a->by, sizeof(a->by));
        supply_text(o, "reason", a->reason, sizeof(a->reason));
        supply_text(o, "workload", a->place, sizeof(a->place));
        return tell(s, a, image);
}

/* ---- audit events ---- */

static const char *text_at(const json_t *o, const char *outer, const char *inner)
{
        return json_string_value(json_object_get(json_object_get(o, outer), inner));
}

static bool is(const char *text, const char *want)
{
        return text && strcmp(text, want) == 0;
}

/* That a pod with its containers is made, or gets further ones; once, when it is decided. */
static bool is_start(const json_t *o)
{
        const char *verb = json_string_value(json_object_get(o, "verb"));
        const char *sub = text_at(o, "objectRef", "subresource");

        if (!is(json_string_value(json_object_get(o, "kind")), "Event") ||
            !is(text_at(o, "objectRef", "resource"), "pods") ||
            !is(json_string_value(json_object_get(o, "stage")), "ResponseComplete"))
                return false;
        if (is(sub, "ephemeralcontainers"))
                return is(verb, "update") || is(verb, "patch");
        return (!sub || !*sub) && is(verb, "create");
}

static int take_images(struct supply *s, const json_t *spec, const char *list, struct supply_admission *a)
{
        const json_t *containers = json_object_get(spec, list), *c;
        size_t i;
        int r = 0;

        json_array_foreach((json_t *)(uintptr_t)containers, i, c)
        {
                const char *image = json_string_value(json_object_get(c, "image"));

                if (r < 0)
                        break;
                if (supply_find_digest(image, a->digest))
                        r = tell(s, a, image);
                else
                        s->result->lines_undigested++;
        }
        return r;
}

static void place(const json_t *o, const json_t *object, struct supply_admission *a)
{
        const char *space = text_at(o, "objectRef", "namespace"), *name = text_at(o, "objectRef", "name");
        char parts[2][TIDE_SUPPLY_TEXT / 2 - 2];

        if (!name)
                name = text_at(object, "metadata", "name");
        supply_copy(space, parts[0], sizeof(parts[0]));
        supply_copy(name ? name : text_at(object, "metadata", "generateName"), parts[1], sizeof(parts[1]));
        if (*parts[0] || *parts[1])
                snprintf(a->place, sizeof(a->place), "%s/%s", parts[0], parts[1]);
}

static int take_event(struct supply *s, const json_t *o, struct supply_admission *a)
{
        static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
        const json_t *status = json_object_get(o, "responseStatus"), *object = json_object_get(o, "responseObject");
        json_int_t code = json_integer_value(json_object_get(status, "code"));
        const json_t *spec = json_object_get(object, "spec");
        int r = 0;

        if (!is_start(o)) {
                s->result->lines_passed++;
                return 0;
        }
        if (!spec) { /* it was refused, or only the request is kept */
                object = json_object_get(o, "requestObject");
                spec = json_object_get(object, "spec");
        }
        a->at_ns = supply_time(json_string_value(json_object_get(o, "requestReceivedTimestamp")));
        if (a->at_ns == 0)
                a->at_ns = supply_time(json_string_value(json_object_get(o, "stageTimestamp")));
        if (!spec || code == 0 || a->at_ns == 0) {
                s->result->lines_refused++;
                return 0;
        }
        a->admitted = code >= 200 && code < 300;
        supply_copy(text_at(o, "user", "username"), a->by, sizeof(a->by));
        if (!a->admitted && !supply_text(status, "message", a->reason, sizeof(a->reason)))
                supply_text(status, "reason", a->reason, sizeof(a->reason));
        place(o, object, a);
        for (size_t i = 0; i < ARRAY_LEN(lists) && r >= 0; i++)
                r = take_images(s, spec, lists[i], a);
        return r;
}

/* ---- all ---- */

static int on_line(int row, struct bytes text, void *arg)
{
        struct supply *s = arg;
        struct supply_admission a = {.form = s->form};
        _cleanup_json_ json_t *o = supply_json(text);
        struct signature_sums sums;

        (void)row;
        if (!json_is_object(o)) {
                s->result->lines_refused++;
                return 0;
        }
        if (signature_summer_add(s->summer, text) < 0 || signature_summer_done(s->summer, &sums) < 0)
                return -EIO;
        memcpy(a.sha256, sums.sha256, sizeof(a.sha256));
        return s->form == SUPPLY_AUDIT ? take_event(s, o, &a) : take_line(s, o, &a);
}

static int feed(struct bytes part, void *arg)
{
        return jsonsplit_feed(arg, part);
}

int supply_admissions(struct supply *s)
{
        static const struct jsonsplit_row items[] = {{-1, "items", JSONSPLIT_EACH}};
        static const struct jsonsplit_ops ops = {.value = on_line};
        _cleanup_(jsonsplit_freep) struct jsonsplit *split = NULL;
        struct jsonsplit_stats stats;
        int r = jsonsplit_new(items, s->event_list ? 1 : 0, &ops, s, &split);

        if (r == 0)
                r = supply_range(s, 0, UINT64_MAX, feed, split);
        if (r == 0)
                r = jsonsplit_end(split);
        if (!split)
                return r;
        jsonsplit_stats(split, &stats);
        s->result->lines_refused += stats.refused;
        if (r < 0 && *jsonsplit_why(split))
                snprintf(s->why, SUPPLY_WHY, "line by line until it is no JSON that is taken: %s",
                         jsonsplit_why(split));
        return r;
}
