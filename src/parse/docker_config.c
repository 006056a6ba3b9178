/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_config - containers/ID/config.v2.json:
 *
 *     {ID, Name ("/web"), Created, Driver, Image ("sha256:…"), ImageManifest {digest},
 *      Config {Image, Labels (the image's merged in), Healthcheck {Test}, Shell, Tty, AttachStdin, ExposedPorts (the
 *      image's and those of the command line)}}
 *
 * and image/DRIVER/repositories.json: {Repositories {NAME {"NAME@sha256:MANIFEST": "sha256:IMAGE"}}}; images that were
 * built or loaded here have no manifest in it. And containers/ID/hostconfig.json: {Dns [address]: what --dns said,
 * RestartPolicy {Name}, AutoRemove}; and in config.v2.json again: {NetworkSettings {Networks {NAME}}}: what it is
 * connected to.
 *
 * With containerd's image store, Image is the digest of a manifest or an index and ImageManifest is there.
 */
#include "parse/meta-priv.h"

#include <string.h>

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
                json_array_foreach(set, i, v) shell[n++] = json_is_string(v) ? json_string_value(v) : "";
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
        meta_add_ports(m, meta_sub(m, config, "ExposedPorts", JSON_OBJECT));
        m->terminal = json_is_true(json_object_get(config, "Tty"));
        m->stdin_open = json_is_true(json_object_get(config, "AttachStdin"));
        /* The classic builder runs each step in a container of the step before it, which has an id and no name. */
        m->built = bytes_has_prefix(meta_str(m, config, "Image"), BYTES_LIT("sha256:")) && meta_name_is_random(name);
        labels = json_object_get(config, "Labels");
        if (labels && !json_is_null(labels) && !json_is_object(labels))
                m->stats.malformed++;
        else if (!m->labels && config)
                m->labels = json_is_object(labels) ? json_incref(labels) : json_object();
        return 0;
}

/* Those that come with Docker have none (moby, runconfig: IsUserDefined). */
int docker_networks(struct meta *m, const json_t *root, struct bytes path)
{
        static const char *const plain[] = {"bridge", "host", "none", "default", "nat"};
        const json_t *settings;
        json_t *networks, *v;
        const char *name;

        (void)path;
        if (!json_is_object(root) || !bytes_eq(meta_str(m, root, "ID"), buf_bytes(&m->id)))
                return ERR_SCHEMA;
        settings = meta_sub(m, root, "NetworkSettings", JSON_OBJECT);
        networks = settings ? meta_sub(m, settings, "Networks", JSON_OBJECT) : NULL;
        json_object_foreach(networks, name, v)
        {
                size_t i = 0;

                while (i < ARRAY_LEN(plain) && strcmp(name, plain[i]) != 0)
                        i++;
                m->embedded_server = m->embedded_server || i == ARRAY_LEN(plain);
        }
        return 0;
}

int docker_hostconfig(struct meta *m, const json_t *root, struct bytes path)
{
        json_t *dns = json_is_object(root) ? meta_sub(m, root, "Dns", JSON_ARRAY) : NULL, *v;
        size_t i;

        (void)path;
        json_array_foreach(dns, i, v)
                if (i < META_SERVERS)
                        resolv_add_server(m, meta_json_bytes(v));
        return json_is_object(root) ? 0 : ERR_SCHEMA;
}

int docker_fate(struct meta *m, const json_t *root, struct bytes path)
{
        (void)path;
        if (!json_is_object(root))
                return ERR_SCHEMA;
        meta_set(m, FIELD_RESTART, meta_str(m, meta_sub(m, root, "RestartPolicy", JSON_OBJECT), "Name"));
        m->removed = m->removed || json_is_true(json_object_get(root, "AutoRemove"));
        return 0;
}

int docker_repositories(struct meta *m, const json_t *root, struct bytes path)
{
        struct bytes id = meta_get(m, FIELD_IMAGE_ID), ref = meta_get(m, FIELD_IMAGE_REF), hex;
        json_t *all, *names, *v;
        const char *name, *key;

        (void)path;
        all = json_is_object(root) ? meta_sub(m, root, "Repositories", JSON_OBJECT) : NULL;
        if (!all)
                return ERR_SCHEMA;
        json_object_foreach(all, name, names)
        {
                json_object_foreach(names, key, v)
                {
                        struct bytes k = bytes_str(key), digest;
                        size_t at = strlen(name) + 1;

                        if (!meta_is_digest(meta_json_bytes(v), &hex) || !bytes_eq(hex, id) || k.len <= at)
                                continue;
                        digest = bytes_of(k.p + at, k.len - at);
                        if (key[at - 1] != '@' || !meta_is_digest(digest, &hex))
                                continue;
                        /* One image may be had from several places: the one that the container's name is of counts. */
                        if (!bytes_has_prefix(ref, bytes_str(name)) && meta_get(m, FIELD_MANIFEST).len)
                                continue;
                        buf_reset(&m->field[FIELD_MANIFEST]);
                        meta_set(m, FIELD_MANIFEST, digest);
                }
        }
        return 0;
}
