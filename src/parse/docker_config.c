/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_config - containers/ID/config.v2.json:
 *
 *     {ID, Name ("/web"), Created, Driver, Image ("sha256:…"), ImageManifest {digest},
 *      Config {Image, Labels (the image's merged in), Healthcheck {Test}, Shell}}
 *
 * With containerd's image store, Image is the digest of a manifest or an index and ImageManifest is there.
 */
#include "parse/meta-priv.h"

#include "tidemark/err.h"

#define SHELL_MAX 8

static void read_image(struct meta *m, const json_t *root, struct bytes path)
{
        static const struct bytes prefix = BYTES_LIT("sha256:");
        struct bytes image = meta_str(m, root, "Image"), hex;
        json_t *manifest = meta_sub(m, root, "ImageManifest", JSON_OBJECT);

        if (manifest) {
                m->image_is_manifest = true;
                meta_set(m, FIELD_MANIFEST, meta_str(m, manifest, "digest"));
        }
        if (image.len == 0)
                return;
        hex = bytes_has_prefix(image, prefix) ? bytes_of(image.p + prefix.len, image.len - prefix.len) : image;
        if (!meta_is_hex(hex, 64)) {
                m->stats.malformed++;
                return;
        }
        meta_set(m, FIELD_IMAGE_ID, hex);
        meta_set(m, FIELD_IMAGE_SOURCE, path);
}

static void read_health(struct meta *m, const json_t *config)
{
        const char *shell[SHELL_MAX] = {"/bin/sh", "-c"};
        json_t *set = meta_sub(m, config, "Shell", JSON_ARRAY), *v;
        size_t n = 2, i;

        if (json_array_size(set) > 0 && json_array_size(set) <= SHELL_MAX) {
                n = 0;
                json_array_foreach(set, i, v)
                        shell[n++] = json_is_string(v) ? json_string_value(v) : "";
        }
        meta_set_health(m, meta_sub(m, meta_sub(m, config, "Healthcheck", JSON_OBJECT), "Test", JSON_ARRAY), shell, n);
}

int docker_config(struct meta *m, const json_t *root, struct bytes path)
{
        struct bytes name;
        json_t *config, *labels;

        if (!json_is_object(root))
                return ERR_SCHEMA;
        if (!bytes_eq(meta_str(m, root, "ID"), buf_bytes(&m->id)))
                return ERR_SCHEMA;
        m->found = true;
        name = meta_str(m, root, "Name");
        if (name.len && name.p[0] == '/')
                name = bytes_of(name.p + 1, name.len - 1);
        meta_set(m, FIELD_NAME, name);
        meta_set(m, FIELD_CREATED, meta_str(m, root, "Created"));
        meta_set(m, FIELD_DRIVER, meta_str(m, root, "Driver"));
        read_image(m, root, path);
        config = meta_sub(m, root, "Config", JSON_OBJECT);
        meta_set(m, FIELD_IMAGE_REF, meta_str(m, config, "Image"));
        read_health(m, config);
        labels = json_object_get(config, "Labels");
        if (labels && !json_is_null(labels) && !json_is_object(labels))
                m->stats.malformed++;
        else if (!m->labels && config)
                m->labels = json_is_object(labels) ? json_incref(labels) : json_object();
        return 0;
}
