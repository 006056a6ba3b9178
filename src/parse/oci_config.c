/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oci_config - config.json of a bundle: annotations that CRI-O and containerd's CRI plugin put there, and whether the
 * process has a terminal. OCI runtime-spec config.md; CRI-O's pkg/annotations; containerd's pkg/cri/annotations.
 *
 * Podman passes an image's annotations on into this file, so that what it says of name and image could be the image
 * author's word: of podman's only the terminal is taken. CRI-O sets its own after the image's.
 */
#include "parse/meta-priv.h"

#include <string.h>

#include "tidemark/err.h"

struct row {
        const char *annotation;
        enum meta_field field;
};
static const struct row crio[] = {
        {"io.kubernetes.cri-o.Name", FIELD_NAME},       {"io.kubernetes.cri-o.ImageName", FIELD_IMAGE_REF},
        {"io.kubernetes.cri-o.Created", FIELD_CREATED}, {"io.kubernetes.cri-o.Namespace", FIELD_POD_NAMESPACE},
        {"io.kubernetes.cri-o.KubeName", FIELD_POD},
};
static const struct row containerd[] = {
        {"io.kubernetes.cri.container-name", FIELD_NAME},
        {"io.kubernetes.cri.image-name", FIELD_IMAGE_REF},
        {"io.kubernetes.cri.sandbox-namespace", FIELD_POD_NAMESPACE},
        {"io.kubernetes.cri.sandbox-name", FIELD_POD},
        {"io.kubernetes.cri.container-name", FIELD_POD_CONTAINER},
};

/* CRI-O's labels of the container, JSON in a string: those that the kubelet gave, none of the image. */
static void read_crio_labels(struct meta *m, struct bytes text)
{
        _cleanup_json_ json_t *j = meta_json_text(m, text);

        if (!json_is_object(j)) {
                m->stats.malformed += j != NULL;
                return;
        }
        meta_set(m, FIELD_POD_NAMESPACE, meta_str(m, j, "io.kubernetes.pod.namespace"));
        meta_set(m, FIELD_POD, meta_str(m, j, "io.kubernetes.pod.name"));
        meta_set(m, FIELD_POD_CONTAINER, meta_str(m, j, "io.kubernetes.container.name"));
        if (!m->labels)
                m->labels = json_incref(j);
}

static void read_image(struct meta *m, const json_t *a, struct bytes path)
{
        struct bytes id = meta_str(m, a, "io.kubernetes.cri-o.ImageRef");

        if (!meta_is_hex(id, 64))
                return; /* newer releases have a reference there: containers.json tells the id then */
        meta_set(m, FIELD_IMAGE_ID, id);
        meta_set(m, FIELD_IMAGE_SOURCE, path);
}

static void read_rows(struct meta *m, const json_t *a, const struct row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++)
                meta_set(m, rows[i].field, meta_str(m, a, rows[i].annotation));
}

/* A pod's own first container has no image of anybody's, and keeps the namespaces. */
static void read_sandbox(struct meta *m, const json_t *a)
{
        static const char *const types[] = {"io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri.container-type"};

        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if (bytes_eq(meta_str(m, a, types[i]), BYTES_LIT("sandbox")))
                        meta_set(m, FIELD_POD_CONTAINER, BYTES_LIT("POD"));
}

int oci_config(struct meta *m, const json_t *root, struct bytes path)
{
        struct bytes runtime = buf_bytes(&m->runtime);
        const json_t *a;

        if (!json_is_object(root))
                return ERR_SCHEMA;
        m->terminal = json_is_true(json_object_get(meta_sub(m, root, "process", JSON_OBJECT), "terminal"));
        a = meta_sub(m, root, "annotations", JSON_OBJECT);
        if (!a || bytes_eq(runtime, BYTES_LIT("podman")) ||
            bytes_eq(meta_str(m, a, "io.container.manager"), BYTES_LIT("libpod"))) {
                podman_annotations(m, a);
                return 0;
        }
        /* Each runtime's own words alone: in the other's names its users may write what they like. */
        read_sandbox(m, a);
        if (bytes_eq(runtime, BYTES_LIT("containerd"))) {
                read_rows(m, a, containerd, ARRAY_LEN(containerd));
                return 0;
        }
        read_rows(m, a, crio, ARRAY_LEN(crio));
        read_crio_labels(m, meta_str(m, a, "io.kubernetes.cri-o.Labels"));
        read_image(m, a, path);
        return 0;
}
