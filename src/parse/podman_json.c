/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * podman_json - the files of containers/storage, which podman and CRI-O keep, and podman's own record of a container.
 *
 *     overlay-containers/containers.json, volatile-containers.json   [{id, names, image, metadata (JSON in a string),
 * created}] overlay-images/images.json        [{id, digest, names, big-data-names, big-data-digests}] bolt_state.db:
 * ctr/ID/config      {name, labels, healthcheck {Test}, rootfsImageID, rootfsImageName, CreateCommand, createdTime,
 *                    stdin, restart_policy (left out: "no"), healthcheck_on_failure_action (a number),
 *                    spec {annotations {io.podman.annotations.autoremove}}}
 *
 * Never: takes a label for the container's own; image_config.c and meta.c take the image's away first.
 */
#include "parse/meta-priv.h"

#include <string.h>

#include "tidemark/err.h"

/* {"image-name": …} as text in "metadata". */
static void read_metadata(struct meta *m, struct bytes text)
{
        _cleanup_json_ json_t *j = meta_json_text(m, text);

        meta_set(m, FIELD_IMAGE_REF, meta_str(m, j, "image-name"));
}

static void set_image(struct meta *m, struct bytes id, struct bytes path)
{
        if (id.len == 0) {
                m->no_image = true; /* podman run --rootfs */
        } else if (meta_is_hex(id, 64)) {
                meta_set(m, FIELD_IMAGE_ID, id);
                meta_set(m, FIELD_IMAGE_SOURCE, path);
        } else {
                m->stats.malformed++;
        }
}

static void read_container(struct meta *m, const json_t *c, struct bytes path)
{
        struct bytes image = meta_str(m, c, "image");

        m->found = true;
        meta_set(m, FIELD_NAME, meta_json_bytes(json_array_get(meta_sub(m, c, "names", JSON_ARRAY), 0)));
        meta_set(m, FIELD_CREATED, meta_str(m, c, "created"));
        read_metadata(m, meta_str(m, c, "metadata"));
        set_image(m, image, path);
}

int podman_containers(struct meta *m, const json_t *root, struct bytes path)
{
        const json_t *c;
        size_t i;

        if (!json_is_array(root))
                return ERR_SCHEMA;
        json_array_foreach(root, i, c) {
                if (!json_is_object(c))
                        m->stats.malformed++;
                else if (bytes_eq(meta_str(m, c, "id"), buf_bytes(&m->id)))
                        return read_container(m, c, path), 0;
        }
        return 0;
}

int podman_images(struct meta *m, const json_t *root, struct bytes path)
{
        (void)path;
        if (!json_is_array(root))
                return ERR_SCHEMA;
        json_decref(m->images);
        m->images = json_incref((json_t *)(uintptr_t)root);
        return 0;
}

/* Podman records the command line that made the container: a name that stands there came from a person. */
static bool is_on_command_line(const json_t *argv, struct bytes name)
{
        static const struct bytes option = BYTES_LIT("--name"), joined = BYTES_LIT("--name=");
        const json_t *v;
        size_t i;

        json_array_foreach(argv, i, v) {
                struct bytes arg = meta_json_bytes(v);

                if (bytes_eq(arg, option) && bytes_eq(meta_json_bytes(json_array_get(argv, i + 1)), name))
                        return true;
                if (bytes_has_prefix(arg, joined) && bytes_eq(bytes_of(arg.p + joined.len, arg.len - joined.len), name))
                        return true;
        }
        return false;
}

/* "-d", also among other letters, or "--detach": nobody sat before it. */
static bool is_detached(const json_t *argv)
{
        const json_t *v;
        size_t i;

        json_array_foreach(argv, i, v) {
                struct bytes arg = meta_json_bytes(v);

                if (bytes_eq(arg, BYTES_LIT("--detach")) || bytes_eq(arg, BYTES_LIT("--detach=true")))
                        return true;
                if (arg.len > 1 && arg.len < 6 && arg.p[0] == '-' && arg.p[1] != '-' && memchr(arg.p, 'd', arg.len))
                        return true;
        }
        return false;
}

void podman_annotations(struct meta *m, const json_t *annotations)
{
        if (bytes_eq(meta_str(m, annotations, "io.podman.annotations.autoremove"), BYTES_LIT("TRUE")))
                m->removed = true;
}

/* What becomes of it when it ends or is unwell (libpod/define: RestartPolicy*, HealthCheckOnFailureAction*). */
static void read_fate(struct meta *m, const json_t *root)
{
        static const char *const actions[] = {"", "", "kill", "restart", "stop"};
        struct bytes policy = meta_str(m, root, "restart_policy");
        json_int_t action = json_integer_value(json_object_get(root, "healthcheck_on_failure_action"));

        meta_set(m, FIELD_RESTART, policy.len ? policy : BYTES_LIT("no"));
        if (action > 0 && action < (json_int_t)ARRAY_LEN(actions))
                meta_set(m, FIELD_UNHEALTHY, bytes_str(actions[action]));
        podman_annotations(m, meta_sub(m, meta_sub(m, root, "spec", JSON_OBJECT), "annotations", JSON_OBJECT));
}

int podman_container_config(struct meta *m, const json_t *root, struct bytes path)
{
        static const char *const shell[] = {"sh", "-c"};
        struct bytes image = meta_str(m, root, "rootfsImageID"), name = meta_str(m, root, "name");
        json_t *health, *labels;

        if (!json_is_object(root))
                return ERR_SCHEMA;
        m->found = true;
        meta_set(m, FIELD_NAME, name);
        meta_set(m, FIELD_IMAGE_REF, meta_str(m, root, "rootfsImageName"));
        meta_set(m, FIELD_CREATED, meta_str(m, root, "createdTime"));
        if (name.len && is_on_command_line(meta_sub(m, root, "CreateCommand", JSON_ARRAY), name))
                m->name_by_person = true;
        m->stdin_open = json_is_true(json_object_get(root, "stdin"));
        m->detached = is_detached(meta_sub(m, root, "CreateCommand", JSON_ARRAY));
        set_image(m, image, path);
        read_fate(m, root);
        health = meta_sub(m, root, "healthcheck", JSON_OBJECT);
        meta_set_health(m, meta_sub(m, health, "Test", JSON_ARRAY), shell, ARRAY_LEN(shell));
        labels = json_object_get(root, "labels");
        if (labels && !json_is_null(labels) && !json_is_object(labels))
                m->stats.malformed++;
        else if (!m->labels)
                m->labels = json_is_object(labels) ? json_incref(labels) : json_object();
        return 0;
}

/* A name such as localhost/x:1, or none at all: it was made or imported here, no registry knows this manifest. */
static bool is_local(const json_t *names)
{
        const json_t *n;
        size_t i;

        json_array_foreach(names, i, n)
                if (!bytes_has_prefix(meta_json_bytes(n), BYTES_LIT("localhost/")))
                        return false;
        return true;
}

/* Is there a blob stored under prefix + digest whose digest is just that? *ret_any: the first one with that prefix. */
static bool has_blob(struct meta *m, const json_t *image, const char *prefix, struct bytes digest,
                     struct bytes *ret_any)
{
        json_t *v, *digests = meta_sub(m, image, "big-data-digests", JSON_OBJECT);
        size_t plen = strlen(prefix);
        const char *key;

        *ret_any = bytes_of(NULL, 0);
        json_object_foreach(digests, key, v) {
                struct bytes k = bytes_str(key), d = meta_json_bytes(v), tail, hex;

                if (!bytes_has_prefix(k, bytes_of(prefix, plen)))
                        continue;
                tail = bytes_of(k.p + plen, k.len - plen);
                if (!meta_is_digest(tail, &hex) || !bytes_eq(tail, d))
                        continue;
                if (bytes_eq(d, digest)) {
                        *ret_any = d;
                        return true;
                }
                if (!ret_any->len)
                        *ret_any = d;
        }
        return false;
}

bool podman_image(struct meta *m, struct podman_image *ret)
{
        struct bytes id = meta_get(m, FIELD_IMAGE_ID), digest, any, hex;
        char wanted[80];
        const json_t *v;
        size_t i;

        memset(ret, 0, sizeof(*ret));
        if (id.len != 64)
                return false;
        snprintf(wanted, sizeof(wanted), "sha256:%.64s", (const char *)id.p);
        json_array_foreach(m->images, i, v) {
                if (!json_is_object(v) || !bytes_eq(meta_json_bytes(json_object_get(v, "id")), id))
                        continue;
                has_blob(m, v, "", bytes_str(wanted), &any);
                ret->config_digest = any;
                digest = meta_str(m, v, "digest");
                if (meta_is_digest(digest, &hex) && has_blob(m, v, "manifest-", digest, &any))
                        ret->manifest_digest = any;
                ret->local = is_local(meta_sub(m, v, "names", JSON_ARRAY));
                return true;
        }
        return false;
}
