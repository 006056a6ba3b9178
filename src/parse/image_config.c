/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image_config - an image's configuration: the labels that it brings along, the ports and volumes that it declares,
 * what it starts, as whom, and how its health is checked. OCI image-spec config.md; Healthcheck is Docker's.
 *
 * These bytes are the image author's, and runtimes read them with a parser that takes "labels" and "LABELS" for
 * "Labels" (also with a long s), several of them one after another. An author who wrote it in another way than we look
 * for could so pass labels off as the container's own, and with them the name of a workload: every spelling counts.
 * A name twice in one object is refused by meta_json(); then no label is taken for the container's.
 */
#include "parse/meta-priv.h"

#include "tidemark/err.h"
#include "tidemark/event.h"

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

/* A list of words; one that is no text makes the list worth nothing. */
static void set_words(struct meta *m, enum meta_field f, const json_t *v, size_t from)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, META_WORDS_BYTES);
        for (size_t i = from; i < json_array_size(v); i++) {
                const json_t *word = json_array_get(v, i);
                struct bytes text = meta_json_bytes(word);

                if (!json_is_string(word)) {
                        m->stats.malformed++;
                        return;
                }
                if (i > from)
                        buf_put_u8(&b, 0);
                buf_put(&b, text.p, text.len);
        }
        if (b.err)
                m->stats.cut++;
        meta_set(m, f, buf_bytes(&b));
}

static void set_entrypoint(struct meta *m, const json_t *v)
{
        set_words(m, FIELD_ENTRYPOINT, v, 0);
}

static void set_command(struct meta *m, const json_t *v)
{
        set_words(m, FIELD_COMMAND, v, 0);
}

static void set_user(struct meta *m, const json_t *v)
{
        meta_set(m, FIELD_USER, meta_json_bytes(v));
}

static void set_volumes(struct meta *m, const json_t *v)
{
        _cleanup_buf_ struct buf b;
        const char *key;
        json_t *nothing;

        buf_init(&b, META_WORDS_BYTES);
        json_object_foreach((json_t *)(uintptr_t)v, key, nothing) {
                size_t before = b.len;

                tide_list_put(&b, bytes_str(key), bytes_of(NULL, 0));
                if (b.err == 0)
                        continue;
                b.len = before; /* a list that is cut within one would be damaged */
                b.err = 0;
                m->stats.cut++;
                break;
        }
        meta_set(m, FIELD_VOLUMES, buf_bytes(&b));
}

/* {"Test": ["CMD-SHELL", "curl …"]}: as it is written, without its first word. */
static void set_health(struct meta *m, const json_t *v)
{
        const char *key;
        json_t *test;

        json_object_foreach((json_t *)(uintptr_t)v, key, test)
                if (is_spelled(key, "test") && json_is_array(test))
                        set_words(m, FIELD_IMAGE_HEALTH, test, 1);
}

static const struct {
        const char *key; /* in lower case */
        json_type type;
        void (*set)(struct meta *m, const json_t *v);
} parts[] = {{"entrypoint", JSON_ARRAY, set_entrypoint}, {"cmd", JSON_ARRAY, set_command},
             {"user", JSON_STRING, set_user},            {"volumes", JSON_OBJECT, set_volumes},
             {"healthcheck", JSON_OBJECT, set_health}};

static void set_parts(struct meta *m, json_t *config)
{
        const char *key;
        json_t *v;

        json_object_foreach(config, key, v)
                for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                        if (!is_spelled(key, parts[i].key) || json_is_null(v))
                                continue;
                        if (json_typeof(v) == parts[i].type)
                                parts[i].set(m, v);
                        else
                                m->stats.malformed++;
                }
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
                set_parts(m, v);
        }
        return r;
}
