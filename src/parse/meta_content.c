/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta_content - what was read of a container, put together: digests with their source, labels, its workload and class.
 *
 * Never:      reads. What is not known stays empty, with words that say why.
 * Hands over: a TIDE_CONTENT.
 */
#include "parse/meta-priv.h"

#include <stdio.h>
#include <string.h>

#include "tidemark/event.h"

/* "containers.json is larger than 16 MiB and was not read" */
static void put_why(struct buf *b, const struct meta *m, enum metafile kind)
{
        static const char *const why[] = {
                [META_UNSEEN] = " could not be opened",
                [META_READ] = " does not have it",
                [META_MALFORMED] = " is damaged or of an unknown form",
                [META_TOO_LARGE] = " is too large and was not read",
                [META_UNREADABLE] = " could not be read",
                [META_BUSY] = " was being written to",
                [META_MISMATCH] = " does not have the digest it is stored under",
        };
        const struct meta_seen *s = &m->seen[kind];

        if (s->path[0])
                str_escape(bytes_str(s->path), b);
        else
                buf_put_str(b, meta_kind_name(kind));
        buf_put_str(b, why[s->state]);
        if (s->state == META_TOO_LARGE)
                buf_printf(b, " (limits: %u MiB, %u values)", meta_kind_mib(kind), META_JSON_NODES);
}

static void put_podman_digests(struct meta *m)
{
        const char *images = m->seen[METAFILE_PODMAN_IMAGES].path;
        struct bytes source = meta_get(m, FIELD_IMAGE_SOURCE);
        struct podman_image im;
        char digest[META_DIGEST];

        meta_config_digest(m, digest);
        buf_put_str(&m->config_digest, digest);
        if (!m->images || !podman_image(m, &im)) {
                str_escape(source, &m->config_source);
                buf_put_str(&m->config_source, " (the image's id; ");
                put_why(&m->config_source, m, METAFILE_PODMAN_IMAGES);
                buf_put_str(&m->config_source, ")");
                buf_put_str(&m->manifest_source, "unknown: ");
                put_why(&m->manifest_source, m, METAFILE_PODMAN_IMAGES);
                return;
        }
        str_escape(bytes_str(images), &m->config_source);
        if (!im.config_digest.len)
                buf_put_str(&m->config_source, " (the image's id; its configuration is not stored)");
        buf_put(&m->manifest_digest, im.manifest_digest.p, im.manifest_digest.len);
        buf_put_str(&m->manifest_source, im.manifest_digest.len ? "" : "unknown: no manifest is stored in ");
        str_escape(bytes_str(images), &m->manifest_source);
        if (im.manifest_digest.len && im.local)
                buf_put_str(&m->manifest_source, " (made or imported on this host: no registry knows it)");
}

static void put_docker_digests(struct meta *m)
{
        const char *path = m->seen[METAFILE_DOCKER_CONFIG].path;
        struct bytes id = meta_get(m, FIELD_IMAGE_ID), manifest = meta_get(m, FIELD_MANIFEST);

        if (!m->image_is_manifest) {
                buf_printf(&m->config_digest, "sha256:%.64s", (const char *)id.p);
                str_escape(bytes_str(path), &m->config_source);
                if (!manifest.len)
                        buf_put_str(&m->manifest_source, "unknown: ");
                buf_put(&m->manifest_digest, manifest.p, manifest.len);
                if (manifest.len)
                        str_escape(bytes_str(m->seen[METAFILE_DOCKER_REPOSITORIES].path), &m->manifest_source);
                else
                        put_why(&m->manifest_source, m, METAFILE_DOCKER_REPOSITORIES);
                return;
        }
        buf_put_str(&m->config_source,
                    "unknown: with containerd's image store, Docker's record of the container has the manifest's "
                    "digest alone");
        if (manifest.len)
                buf_put(&m->manifest_digest, manifest.p, manifest.len);
        else
                buf_printf(&m->manifest_digest, "sha256:%.64s", (const char *)id.p);
        str_escape(bytes_str(path), &m->manifest_source);
        if (!manifest.len)
                buf_put_str(&m->manifest_source, " (perhaps of an index of several platforms)");
}

static void put_containerd_digests(struct meta *m)
{
        struct bytes id = meta_get(m, FIELD_IMAGE_ID), manifest = meta_get(m, FIELD_MANIFEST);
        struct bytes target = meta_get(m, FIELD_TARGET);

        if (id.len) {
                buf_printf(&m->config_digest, "sha256:%.64s", (const char *)id.p);
                str_escape(bytes_str(m->seen[METAFILE_CONTAINERD_MANIFEST].path), &m->config_source);
        } else {
                buf_put_str(&m->config_source, "unknown: ");
                put_why(&m->config_source, m, METAFILE_CONTAINERD_MANIFEST);
        }
        buf_put(&m->manifest_digest, manifest.p, manifest.len);
        if (!manifest.len)
                buf_put_str(&m->manifest_source, "unknown: no manifest of this platform is known from ");
        str_escape(bytes_str(m->seen[METAFILE_CONTAINERD_DB].path), &m->manifest_source);
        if (manifest.len && !bytes_eq(manifest, target))
                buf_put_str(&m->manifest_source, " (through an index of several platforms)");
}

/* Which of a runtime's files tells what. */
static const struct flavour {
        const char *runtime;
        enum metafile known_by; /* this file alone is that runtime's */
        enum metafile container[3];
        enum metafile labels, image;
        enum meta_field has_image; /* set: there are digests to be told */
        void (*digests)(struct meta *m);
} flavours[] = {
        {"docker",
         METAFILE_DOCKER_CONFIG,
         {METAFILE_DOCKER_CONFIG},
         METAFILE_DOCKER_CONFIG,
         METAFILE_DOCKER_IMAGE_CONFIG,
         FIELD_IMAGE_ID,
         put_docker_digests},
        {"containerd",
         METAFILE_CONTAINERD_DB,
         {METAFILE_CONTAINERD_DB},
         METAFILE_CONTAINERD_DB,
         METAFILE_CONTAINERD_IMAGE_CONFIG,
         FIELD_TARGET,
         put_containerd_digests},
        {"crio",
         METAFILE_END,
         {METAFILE_PODMAN_CONTAINERS, METAFILE_PODMAN_VOLATILE, METAFILE_OCI_CONFIG},
         METAFILE_OCI_CONFIG,
         METAFILE_PODMAN_IMAGE_CONFIG,
         FIELD_IMAGE_ID,
         put_podman_digests},
        {"podman",
         METAFILE_END,
         {METAFILE_PODMAN_CONTAINERS, METAFILE_PODMAN_VOLATILE, METAFILE_PODMAN_DB},
         METAFILE_PODMAN_DB,
         METAFILE_PODMAN_IMAGE_CONFIG,
         FIELD_IMAGE_ID,
         put_podman_digests},
};

static const struct flavour *flavour_of(const struct meta *m)
{
        size_t i;

        for (i = 0; i < ARRAY_LEN(flavours) - 1; i++) {
                const struct flavour *f = &flavours[i];

                if (bytes_eq(buf_bytes(&m->runtime), bytes_str(f->runtime)) ||
                    (f->known_by && m->seen[f->known_by].state != META_UNSEEN))
                        break;
        }
        return &flavours[i];
}

/* Why nothing is known of the image. */
static void put_unknown(struct buf *b, const struct meta *m, const struct flavour *f)
{
        if (m->no_image && m->found) {
                buf_put_str(b, "none: the container was made without an image");
                return;
        }
        buf_put_str(b, "unknown: ");
        for (size_t i = 0; i < ARRAY_LEN(f->container) && f->container[i]; i++) {
                if (m->seen[f->container[i]].state == META_UNSEEN && i > 0)
                        continue;
                buf_put_str(b, i == 0 ? "" : "; ");
                put_why(b, m, f->container[i]);
        }
}

/* Add one, if it fits; a value that is too long is cut, a key is not. */
static void put_label(struct meta *m, struct buf *out, unsigned *n, const char *key, const json_t *value)
{
        struct bytes k = bytes_str(key), v = meta_json_bytes(value);

        if (!json_is_string(value)) {
                m->stats.malformed++;
                return;
        }
        if (v.len > META_LABEL_VALUE) {
                v.len = META_LABEL_VALUE;
                m->stats.cut++;
        }
        if (*n >= META_LABELS || k.len > META_LABEL_KEY || out->len + k.len + v.len + 8 > META_LABELS_BYTES) {
                m->stats.cut++;
                return;
        }
        tide_list_put(out, k, v);
        ++*n;
}

static bool is_of_image(const struct meta *m, const char *key, const json_t *value)
{
        const json_t *set;
        size_t i;

        json_array_foreach(m->image_labels, i, set) if (json_equal(json_object_get(set, key), value)) return true;
        return false;
}

static void put_image_labels(struct meta *m)
{
        const char *key;
        json_t *set, *value;
        unsigned n = 0;
        size_t i;

        json_array_foreach(m->image_labels, i, set) json_object_foreach(set, key, value)
                put_label(m, &m->out_image_labels, &n, key, value);
}

/* The container's own: what its record has beyond the image's. */
static void put_labels(struct meta *m, const struct flavour *f)
{
        bool image_known = m->image_labels || (m->no_image && !m->field[FIELD_IMAGE_ID].len);
        const char *key;
        json_t *value;
        unsigned n = 0;

        if (!m->labels && f->labels == METAFILE_CONTAINERD_DB) {
                return; /* not read: containerd.c says why */
        } else if (!m->labels) {
                buf_put_str(&m->config_source, "; labels unknown: ");
                put_why(&m->config_source, m, f->labels);
                if (f->labels == METAFILE_PODMAN_DB && m->seen[f->labels].state == META_UNSEEN)
                        buf_put_str(&m->config_source,
                                    " (newer podman keeps them in libpod/db.sql, which is not read)");
        } else if (!image_known) {
                buf_put_str(&m->config_source, "; labels unknown, as the image's own cannot be told apart: ");
                put_why(&m->config_source, m, f->image);
        } else {
                json_object_foreach(m->labels, key, value) if (!is_of_image(m, key, value))
                        put_label(m, &m->out_labels, &n, key, value);
        }
}

/* Kubernetes' name for it; dockershim and cri-dockerd write it into labels, which an image could bring as well: those
 * are taken only with the image's known, and different. */
static void put_workload(struct meta *m, uint8_t *ret_class)
{
        static const struct {
                enum meta_field field;
                const char *label;
        } rows[] = {{FIELD_POD_NAMESPACE, "io.kubernetes.pod.namespace"},
                    {FIELD_POD, "io.kubernetes.pod.name"},
                    {FIELD_POD_CONTAINER, "io.kubernetes.container.name"}};
        struct bytes part[ARRAY_LEN(rows)];

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const json_t *value = m->labels ? json_object_get(m->labels, rows[i].label) : NULL;

                part[i] = meta_get(m, rows[i].field);
                if (!part[i].len && m->image_labels && !is_of_image(m, rows[i].label, value))
                        part[i] = meta_json_bytes(value);
                if (!part[i].len)
                        return;
        }
        kube_workload(part[0], part[1], part[2], &m->workload, ret_class);
        if (m->workload.err) /* names of kilobytes: the container's own will do */
                buf_reset(&m->workload);
}

static uint8_t class_of(const struct meta *m)
{
        if (m->built)
                return CLASS_JOB;
        return m->terminal && m->stdin_open && !m->detached ? CLASS_SESSION : CLASS_SERVICE;
}

void meta_content(struct meta *m, struct tide_event *ret_ev)
{
        const struct flavour *f = flavour_of(m);
        struct tide_content *c = &ret_ev->content;
        struct bytes name = meta_get(m, FIELD_NAME);
        uint64_t cut = m->stats.cut;

        buf_reset(&m->config_digest);
        buf_reset(&m->config_source);
        buf_reset(&m->manifest_digest);
        buf_reset(&m->manifest_source);
        buf_reset(&m->out_labels);
        buf_reset(&m->out_image_labels);
        buf_reset(&m->workload);
        if (m->field[f->has_image].len) {
                f->digests(m);
        } else {
                put_unknown(&m->config_source, m, f);
                put_unknown(&m->manifest_source, m, f);
        }
        put_labels(m, f);
        put_image_labels(m);
        if (m->stats.cut > cut)
                buf_printf(&m->config_source, "; %llu labels cut or left out",
                           (unsigned long long)(m->stats.cut - cut));

        memset(ret_ev, 0, sizeof(*ret_ev));
        ret_ev->kind = TIDE_CONTENT;
        ret_ev->sources = SRC_ENGINE;
        ret_ev->container = buf_bytes(&m->id);
        c->runtime = buf_bytes(&m->runtime);
        c->name = name;
        c->name_given = name.len && (m->name_by_person || !meta_name_is_random(name));
        c->image_ref = meta_get(m, FIELD_IMAGE_REF);
        c->config_digest = buf_bytes(&m->config_digest);
        c->config_source = buf_bytes(&m->config_source);
        c->manifest_digest = buf_bytes(&m->manifest_digest);
        c->manifest_source = buf_bytes(&m->manifest_source);
        c->labels = buf_bytes(&m->out_labels);
        c->image_labels = buf_bytes(&m->out_image_labels);
        c->created = meta_get(m, FIELD_CREATED);
        c->health = meta_get(m, FIELD_HEALTH);
        c->class = class_of(m);
        put_workload(m, &c->class);
        c->workload = buf_bytes(&m->workload);
        c->ports = buf_bytes(&m->ports);
}

void meta_fate(struct meta *m, struct meta_fate *ret)
{
        /* nerdctl's, and whoever uses containerd's restart monitor: containerd goes by what is in its own record */
        const json_t *label = m->labels ? json_object_get(m->labels, "containerd.io/restart.policy") : NULL;

        if (flavour_of(m)->known_by == METAFILE_CONTAINERD_DB)
                meta_set(m, FIELD_RESTART, m->labels && !label ? BYTES_LIT("no") : meta_json_bytes(label));
        ret->restart = meta_get(m, FIELD_RESTART);
        ret->unhealthy = meta_get(m, FIELD_UNHEALTHY);
        ret->removed = m->removed;
        ret->kube = m->workload.len > 0;
}

void meta_image(const struct meta *m, struct tide_prior *ret)
{
        ret->entrypoint = meta_get(m, FIELD_ENTRYPOINT);
        ret->command = meta_get(m, FIELD_COMMAND);
        ret->health = meta_get(m, FIELD_IMAGE_HEALTH);
        ret->user = meta_get(m, FIELD_USER);
        ret->ports = buf_bytes(&m->ports);
        ret->volumes = meta_get(m, FIELD_VOLUMES);
}
