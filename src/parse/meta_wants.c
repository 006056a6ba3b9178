/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta_wants - which file is to be opened next, now that others have named it.
 *
 * Never:      opens. Each way is asked for once; the sensor looks again at what is asked for.
 * Hands over: a path below the storage that the files so far lie in.
 */
#include "parse/meta-priv.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* The directory n levels up, in place; false: there are not so many. */
static bool up(char *path, unsigned n)
{
        while (n--) {
                char *slash = strrchr(path, '/');

                if (!slash)
                        return false;
                *slash = 0;
        }
        return path[0] == '/';
}

/* containers/storage keeps it beside images.json under a name in base64. */
static bool want_podman(struct meta *m, struct metafile_want *w)
{
        const struct meta_seen *images = &m->seen[METAFILE_PODMAN_IMAGES];
        struct bytes id = meta_get(m, FIELD_IMAGE_ID);
        unsigned char name[128];
        char dir[META_PATH], digest[META_DIGEST];
        int n;

        if (!images->path[0] || id.len != 64)
                return false;
        meta_config_digest(m, digest);
        memcpy(dir, images->path, sizeof(dir));
        if (!up(dir, 1) || EVP_EncodeBlock(name, (const unsigned char *)digest, (int)strlen(digest)) <= 0)
                return false;
        w->kind = METAFILE_PODMAN_IMAGE_CONFIG;
        n = snprintf(w->path, sizeof(w->path), "%s/%.64s/=%s", dir, (const char *)id.p, (const char *)name);
        return n > 0 && (size_t)n < sizeof(w->path);
}

static bool is_plain_name(struct bytes s)
{
        for (uint32_t i = 0; i < s.len; i++)
                if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
                        return false;
        return s.len > 0;
}

static bool want_docker(struct meta *m, struct metafile_want *w)
{
        const struct meta_seen *config = &m->seen[METAFILE_DOCKER_CONFIG];
        struct bytes id = meta_get(m, FIELD_IMAGE_ID), driver = meta_get(m, FIELD_DRIVER);
        char dir[META_PATH];
        int n;

        if (!config->path[0] || id.len != 64 || m->image_is_manifest || !is_plain_name(driver))
                return false;
        memcpy(dir, config->path, sizeof(dir));
        if (!up(dir, 3))
                return false;
        w->kind = METAFILE_DOCKER_IMAGE_CONFIG;
        n = snprintf(w->path, sizeof(w->path), "%s/image/%.*s/imagedb/content/sha256/%.64s", dir, (int)driver.len,
                     (const char *)driver.p, (const char *)id.p);
        return n > 0 && (size_t)n < sizeof(w->path);
}

/* containerd's content store names everything by its digest. */
static bool want_blob(struct meta *m, const char *digest, enum metafile kind, struct metafile_want *w)
{
        const struct meta_seen *db = &m->seen[METAFILE_CONTAINERD_DB];
        char dir[META_PATH];
        int n;

        if (!db->path[0] || strlen(digest) != 71)
                return false;
        memcpy(dir, db->path, sizeof(dir));
        if (!up(dir, 2))
                return false;
        w->kind = kind;
        n = snprintf(w->path, sizeof(w->path), "%s/io.containerd.content.v1.content/blobs/sha256/%s", dir, digest + 7);
        return n > 0 && (size_t)n < sizeof(w->path);
}

static bool want_index(struct meta *m, struct metafile_want *w)
{
        char digest[META_DIGEST];

        containerd_wants(m, digest);
        return want_blob(m, digest, METAFILE_CONTAINERD_MANIFEST, w);
}

/* The one for this host's platform, once an index has named it. */
static bool want_manifest(struct meta *m, struct metafile_want *w)
{
        return meta_get(m, FIELD_MANIFEST).len && meta_get(m, FIELD_IMAGE_ID).len == 0 && want_index(m, w);
}

static bool want_config(struct meta *m, struct metafile_want *w)
{
        char digest[META_DIGEST];

        meta_config_digest(m, digest);
        return want_blob(m, digest, METAFILE_CONTAINERD_IMAGE_CONFIG, w);
}

size_t meta_wants(struct meta *m, struct metafile_want *ret, size_t max)
{
        static bool (*const wants[])(struct meta *, struct metafile_want *) = {
                want_podman, want_docker, want_index, want_manifest, want_config,
        };
        struct metafile_want w;

        for (size_t i = 0; i < ARRAY_LEN(wants) && max > 0; i++) {
                memset(&w, 0, sizeof(w));
                if (m->asked & 1u << i || !wants[i](m, &w))
                        continue;
                m->asked |= (uint8_t)(1u << i);
                *ret = w;
                return 1;
        }
        return 0;
}
