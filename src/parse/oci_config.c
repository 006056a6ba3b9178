/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oci_config - config.json of a bundle: annotations that CRI-O and containerd's CRI plugin put there.
 *
 * Podman passes an image's annotations on into this file, so that what it says of name and image could be the image
 * author's word: of podman's only what libpod sets after them is read, and nothing of that is needed here.
 */
#include "parse/meta-priv.h"

#include "tidemark/err.h"

static const struct {
        const char *annotation;
        enum meta_field field;
} annotations[] = {
        {"io.kubernetes.cri-o.Name", FIELD_NAME},
        {"io.kubernetes.cri.container-name", FIELD_NAME},
        {"io.kubernetes.cri-o.ImageName", FIELD_IMAGE_REF},
        {"io.kubernetes.cri.image-name", FIELD_IMAGE_REF},
        {"io.kubernetes.cri-o.Created", FIELD_CREATED},
};

int oci_config(struct meta *m, const json_t *root, struct bytes path)
{
        const json_t *a;

        (void)path;
        if (!json_is_object(root))
                return ERR_SCHEMA;
        a = meta_sub(m, root, "annotations", JSON_OBJECT);
        if (bytes_eq(buf_bytes(&m->runtime), BYTES_LIT("podman")) ||
            bytes_eq(meta_str(m, a, "io.container.manager"), BYTES_LIT("libpod")))
                return 0;
        for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
                meta_set(m, annotations[i].field, meta_str(m, a, annotations[i].annotation));
        return 0;
}
