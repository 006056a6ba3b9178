/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * containerd - what containerd keeps of a container, in its database and its content store:
 *
 *     io.containerd.metadata.v1.bolt/meta.db   v1/NAMESPACE/containers/ID/image = the image's name
 *                                              v1/NAMESPACE/images/NAME/target/digest = "sha256:…"
 *     io.containerd.content.v1.content/blobs/sha256/…   an index {manifests [{digest, platform {os, architecture}}]} or
 *                                                       a manifest {config {digest}}; OCI image-spec, Docker's v2s2
 *
 * (containerd's metadata/buckets.go.) The namespace is told by the bundle's path. Labels are not read: containerd mixes
 * the image's with the container's own, and Kubernetes' names stand in the bundle's annotations.
 *
 * Never: trusts a blob that has not the digest it is asked for by; meta.c has looked.
 */
#include "parse/meta-priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse/bolt-priv.h"
#include "tidemark/err.h"

#define NAMESPACE_MAX 76u /* containerd's identifiers.Validate */
#define VALUE_MAX 4096u

/* As Go names it, and with it every image. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__powerpc64__)
#define ARCHITECTURE "ppc64le"
#elif defined(__s390x__)
#define ARCHITECTURE "s390x"
#else
#define ARCHITECTURE "?"
#endif

bool meta_is_digest(struct bytes s, struct bytes *ret_hex)
{
        static const struct bytes prefix = BYTES_LIT("sha256:");

        if (s.len != prefix.len + 64 || !bytes_has_prefix(s, prefix))
                return false;
        *ret_hex = bytes_of(s.p + prefix.len, 64);
        return meta_is_hex(*ret_hex, 64);
}

/* …/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json */
static struct bytes namespace_of(struct bytes bundle)
{
        struct bytes part = bytes_of(NULL, 0);

        for (int i = 0; i < 3; i++) {
                int slash = bytes_rfind(bundle, '/');

                if (slash < 0)
                        return bytes_of(NULL, 0);
                part = bytes_of(bundle.p + slash + 1, bundle.len - (uint32_t)slash - 1);
                bundle.len = (uint32_t)slash;
        }
        return part.len <= NAMESPACE_MAX ? part : bytes_of(NULL, 0);
}

static int read_target(struct meta *m, const struct bolt_io *io, struct bytes ns, struct bytes image, struct bytes path)
{
        struct bytes keys[] = {BYTES_LIT("v1"),    ns, BYTES_LIT("images"), image, BYTES_LIT("target"),
                               BYTES_LIT("digest")};
        _cleanup_buf_ struct buf digest;
        int r;

        buf_init(&digest, VALUE_MAX);
        r = bolt_get(io, keys, ARRAY_LEN(keys), &digest);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* the name was taken away since */
        meta_set(m, FIELD_TARGET, buf_bytes(&digest));
        meta_set(m, FIELD_IMAGE_SOURCE, path);
        return 0;
}

int containerd_db(struct meta *m, const struct bolt_io *io, struct bytes path)
{
        struct bytes ns = namespace_of(bytes_str(m->seen[METAFILE_OCI_CONFIG].path));
        struct bytes container[] = {BYTES_LIT("v1"), ns, BYTES_LIT("containers"), buf_bytes(&m->id),
                                    BYTES_LIT("image")};
        _cleanup_buf_ struct buf image;
        int r;

        buf_init(&image, VALUE_MAX);
        if (ns.len == 0)
                return -ENOENT;
        r = bolt_get(io, container, ARRAY_LEN(container), &image);
        if (r < 0)
                return r;
        m->found = true;
        m->no_image = image.len == 0;
        meta_set(m, FIELD_IMAGE_REF, buf_bytes(&image));
        return image.len ? read_target(m, io, ns, buf_bytes(&image), path) : 0;
}

void containerd_wants(struct meta *m, char ret[META_DIGEST])
{
        struct bytes digest = meta_get(m, meta_get(m, FIELD_MANIFEST).len ? FIELD_MANIFEST : FIELD_TARGET), hex;

        ret[0] = 0;
        if (meta_is_digest(digest, &hex))
                snprintf(ret, META_DIGEST, "sha256:%.64s", (const char *)hex.p);
}

/* The manifest for this host in an index; the only one, if it names no platform. */
static struct bytes own_manifest(struct meta *m, const json_t *list)
{
        struct bytes digest = bytes_of(NULL, 0), hex;
        const json_t *v;
        size_t i;

        json_array_foreach(list, i, v)
        {
                const json_t *platform = meta_sub(m, v, "platform", JSON_OBJECT);
                struct bytes d = meta_str(m, v, "digest");

                if (!meta_is_digest(d, &hex))
                        continue;
                if (platform && bytes_eq(meta_str(m, platform, "os"), BYTES_LIT("linux")) &&
                    bytes_eq(meta_str(m, platform, "architecture"), BYTES_LIT(ARCHITECTURE)))
                        return d;
                if (!platform && json_array_size(list) == 1)
                        digest = d;
        }
        return digest;
}

int containerd_manifest(struct meta *m, const json_t *root, struct bytes path)
{
        struct bytes hex, target = meta_get(m, FIELD_TARGET);
        const json_t *list, *config;

        (void)path;
        if (!json_is_object(root))
                return ERR_SCHEMA;
        config = meta_sub(m, root, "config", JSON_OBJECT);
        list = meta_sub(m, root, "manifests", JSON_ARRAY);
        if (config && meta_is_digest(meta_str(m, config, "digest"), &hex)) {
                meta_set(m, FIELD_IMAGE_ID, hex);
                meta_set(m, FIELD_MANIFEST, target); /* unless an index named another */
                return 0;
        }
        if (!list || meta_get(m, FIELD_MANIFEST).len)
                return ERR_SCHEMA;
        meta_set(m, FIELD_MANIFEST, own_manifest(m, list));
        return 0;
}
