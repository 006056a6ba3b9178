/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what was cut, vanished, missed, changed, refused, or is to be known otherwise, and when each part was taken.
 * Must not: fail: a name that finds no room is counted. Hands over: the same as JSON, for the manifest.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"

#define NAMED_MAX 2000u /* of each kind; more are counted */
#define NAME_BYTES 16384u
#define NAMES_BYTES (8u << 20) /* of all that is named: with long names, too, a manifest has an end */

static const char *const kinds[] = {
        [CAPTURE_CUT] = "cut",         [CAPTURE_VANISHED] = "vanished", [CAPTURE_MISSED] = "missed",
        [CAPTURE_CHANGED] = "changed", [CAPTURE_REFUSED] = "refused",   [CAPTURE_TOLD] = "told",
};
static const char *const part_names[] = {[CAPTURE_VOLATILE] = "volatile",
                                         [CAPTURE_RUNTIME] = "meta",
                                         [CAPTURE_LOG] = "logs",
                                         [CAPTURE_LAYERS] = "layer"};

struct part {
        uint64_t begin_ns, end_ns; /* boot time; 0: not taken, not ended */
        int64_t begin_wall_ns;
};

struct capture_notes {
        json_t *named[CAPTURE__KIND_MAX];
        uint64_t count[CAPTURE__KIND_MAX];
        size_t bytes; /* of names and words */
        struct part part[CAPTURE__PART_MAX];
        char first[CAPTURE_WORDS];
};

int capture_notes_new(struct capture_notes **ret)
{
        struct capture_notes *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        for (size_t i = 0; i < CAPTURE__KIND_MAX; i++) {
                n->named[i] = json_array();
                if (!n->named[i]) {
                        capture_notes_free(n);
                        return -ENOMEM;
                }
        }
        *ret = n;
        return 0;
}

struct capture_notes *capture_notes_free(struct capture_notes *n)
{
        for (size_t i = 0; n && i < CAPTURE__KIND_MAX; i++)
                json_decref(n->named[i]);
        free(n);
        return NULL;
}

void capture_note(struct capture_notes *n, enum capture_kind kind, struct bytes what, const char *why, int error)
{
        _cleanup_buf_ struct buf name, words;
        char shown[100];

        buf_init(&name, NAME_BYTES);
        buf_init(&words, 512);
        buf_printf(&words, "%s%s%s", why, error ? ": " : "", error ? err_str(error) : "");
        if (!n->first[0] && (kind == CAPTURE_MISSED || kind == CAPTURE_CUT || kind == CAPTURE_REFUSED))
                snprintf(n->first, sizeof(n->first), "%s: %s", str_print(what, shown, sizeof(shown)), buf_cstr(&words));
        if (n->count[kind]++ >= NAMED_MAX || n->bytes >= NAMES_BYTES)
                return;
        str_escape(what, &name);
        n->bytes += name.len + words.len;
        json_array_append_new(n->named[kind],
                              json_pack("{s:s, s:s}", "what", buf_cstr(&name), "why", buf_cstr(&words)));
}

uint64_t capture_notes_count(const struct capture_notes *n, enum capture_kind kind)
{
        return n->count[kind];
}

void capture_notes_first(const struct capture_notes *n, char *dst, size_t size)
{
        snprintf(dst, size, "%s", n->first);
}

void capture_notes_begin(struct capture_notes *n, enum capture_part part)
{
        n->part[part] = (struct part){.begin_ns = clock_boot_ns(), .begin_wall_ns = clock_wall_ns()};
}

void capture_notes_end(struct capture_notes *n, enum capture_part part)
{
        n->part[part].end_ns = clock_boot_ns();
}

static const char *side(const struct part *p, uint64_t contained_ns)
{
        if (contained_ns == 0)
                return "not contained";
        if (p->end_ns && p->end_ns <= contained_ns)
                return "before";
        return p->begin_ns >= contained_ns ? "after" : "across";
}

static json_t *parts(const struct capture_notes *n, uint64_t contained_ns)
{
        json_t *list = json_array();

        for (size_t i = 0; list && i < CAPTURE__PART_MAX; i++) {
                const struct part *p = &n->part[i];

                if (p->begin_ns)
                        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:s}", "part", part_names[i],
                                                              "began_boot_ns", (json_int_t)p->begin_ns, "began_wall_ns",
                                                              (json_int_t)p->begin_wall_ns, "took_ns",
                                                              (json_int_t)(p->end_ns - p->begin_ns), "containment",
                                                              side(p, contained_ns)));
        }
        return list;
}

int capture_notes_put(const struct capture_notes *n, uint64_t contained_ns, json_t *root)
{
        json_t *counts = json_object();
        int r = json_object_set_new(root, "parts", parts(n, contained_ns));

        for (size_t i = 0; i < CAPTURE__KIND_MAX; i++) {
                r |= json_object_set(root, kinds[i], n->named[i]);
                r |= json_object_set_new(counts, kinds[i], json_integer((json_int_t)n->count[i]));
        }
        r |= json_object_set_new(root, "counts", counts); /* of all, those that found no room above too */
        return r ? -ENOMEM : 0;
}
