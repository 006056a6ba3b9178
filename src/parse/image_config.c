/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image_config - an image's configuration, for the labels that it brings along and the ports that it declares.
 *
 * These bytes are the image author's, and runtimes read them with a parser that takes "labels" and "LABELS" for
 * "Labels" (also with a long s), several of them one after another. An author who wrote it in another way than we look
 * for could so pass labels off as the container's own, and with them the name of a workload: every spelling counts.
 * A name twice in one object is refused by meta_json(); then no label is taken for the container's.
 */
#include "parse/meta-priv.h"

#include "tidemark/err.h"

/* Folds as the runtimes' parser does: ASCII, and two letters beyond it that fold to s and k. */
static bool is_spelled(const char *key, const char *lower)
{
        const uint8_t *k = (const uint8_t *)key;

        for (; *lower; lower++) {
                if (*k == (uint8_t)*lower || (*k >= 'A' && *k <= 'Z' && *k - 'A' + 'a' == (uint8_t)*lower))
                        k++;
                else if (*lower == 's' && k[0] == 0xc5 && k[1] == 0xbf)
                        k += 2;
                else if (*lower == 'k' && k[0] == 0xe2 && k[1] == 0x84 && k[2] == 0xaa)
                        k += 3;
                else
                        return false;
        }
        return *k == 0;
}

static int add_labels(struct meta *m, json_t *config)
{
        const char *key;
        json_t *v;

        json_object_foreach(config, key, v) {
                if (!is_spelled(key, "labels"))
                        continue;
                if (json_is_object(v)) {
                        if (json_array_append(m->image_labels, v) < 0)
                                return ERR_SCHEMA;
                } else if (!json_is_null(v)) {
                        m->stats.malformed++;
                }
        }
        return 0;
}

static void add_ports(struct meta *m, json_t *config)
{
        const char *key;
        json_t *v;

        json_object_foreach(config, key, v)
                if (is_spelled(key, "exposedports") && json_is_object(v))
                        meta_add_ports(m, v);
}

int image_config(struct meta *m, const json_t *root, struct bytes path)
{
        const char *key;
        json_t *v;
        int r = 0;

        (void)path;
        if (!json_is_object(root))
                return ERR_SCHEMA;
        json_decref(m->image_labels);
        m->image_labels = json_array();
        if (!m->image_labels)
                return ERR_SCHEMA;
        json_object_foreach((json_t *)(uintptr_t)root, key, v) {
                if (r != 0 || !is_spelled(key, "config"))
                        continue;
                r = add_labels(m, v);
                add_ports(m, v);
        }
        return r;
}
