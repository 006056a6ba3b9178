/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta - what runtimes wrote about one container: files in, one TIDE_CONTENT out.
 *
 * Owns:       reading descriptors, bounded; which file goes to which format; the digests that files must have.
 * Never:      opens anything, follows a path, trusts a length. A bad file is counted and passed over.
 * Hands over: a JSON tree to the format's function, a Bolt file to bolt.c; what is asked for next is meta_wants.c's,
 * what comes of it all meta_content.c's.
 */
#include "tidemark/meta.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "parse/bolt-priv.h"
#include "parse/meta-priv.h"
#include "tidemark/err.h"
#include "tidemark/event.h"

#define MIB (1024u * 1024)

static int podman_db(struct meta *m, const struct bolt_io *io, struct bytes path);

static const struct kind {
        const char *name; /* for people */
        uint32_t max_mib;
        int (*parse)(struct meta *m, const json_t *root, struct bytes path);
        int (*bolt)(struct meta *m, const struct bolt_io *io, struct bytes path); /* or this one */
        void (*digest)(struct meta *m, char ret[META_DIGEST]);                    /* that it must have; NULL: any */
        int (*text)(struct meta *m, struct bytes text);                           /* or this one */
} kinds[METAFILE__MAX] = {
        [METAFILE_PODMAN_CONTAINERS] = {"overlay-containers/containers.json", 16, .parse = podman_containers},
        [METAFILE_PODMAN_VOLATILE] = {"overlay-containers/volatile-containers.json", 16, .parse = podman_containers},
        [METAFILE_PODMAN_IMAGES] = {"overlay-images/images.json", 16, .parse = podman_images},
        [METAFILE_PODMAN_DB] = {"libpod/bolt_state.db", 4, .bolt = podman_db},
        [METAFILE_OCI_CONFIG] = {"the bundle's config.json", 4, .parse = oci_config},
        [METAFILE_PODMAN_IMAGE_CONFIG] = {"the image's configuration", 4, .parse = image_config,
                                          .digest = meta_config_digest},
        [METAFILE_DOCKER_CONFIG] = {"config.v2.json", 4, .parse = docker_config},
        [METAFILE_DOCKER_IMAGE_CONFIG] = {"the image's configuration", 4, .parse = image_config,
                                          .digest = meta_config_digest},
        [METAFILE_DOCKER_REPOSITORIES] = {"repositories.json", 16, .parse = docker_repositories},
        [METAFILE_CONTAINERD_DB] = {"containerd's meta.db", 4, .bolt = containerd_db},
        [METAFILE_CONTAINERD_MANIFEST] = {"the image's manifest", 4, .parse = containerd_manifest,
                                          .digest = containerd_wants},
        [METAFILE_CONTAINERD_IMAGE_CONFIG] = {"the image's configuration", 4, .parse = image_config,
                                              .digest = meta_config_digest},
        [METAFILE_DOCKER_HOSTCONFIG] = {"hostconfig.json", 4, .parse = docker_hostconfig},
        [METAFILE_DOCKER_FATE] = {"hostconfig.json", 4, .parse = docker_fate},
        [METAFILE_RESOLV_CONF] = {"resolv.conf", 1, .text = resolv_own},
        [METAFILE_RESOLV_HOST] = {"the host's resolv.conf", 1, .text = resolv_host},
        [METAFILE_DOCKER_NETWORKS] = {"config.v2.json", 4, .parse = docker_networks},
};

const char *meta_kind_name(enum metafile kind)
{
        return kinds[kind].name;
}

unsigned meta_kind_mib(enum metafile kind)
{
        return kinds[kind].max_mib;
}

int meta_new(struct bytes id, struct bytes runtime, struct meta **ret)
{
        _cleanup_(meta_freep) struct meta *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        buf_init(&m->id, 256);
        buf_init(&m->runtime, 64);
        for (size_t i = 0; i < FIELD__MAX; i++)
                buf_init(&m->field[i], 8192);
        buf_init(&m->config_digest, 128);
        buf_init(&m->manifest_digest, 128);
        buf_init(&m->config_source, META_SOURCE_MAX);
        buf_init(&m->manifest_source, META_SOURCE_MAX);
        buf_init(&m->out_labels, META_LABELS_BYTES);
        buf_init(&m->out_image_labels, META_LABELS_BYTES);
        buf_init(&m->workload, 1024);
        buf_init(&m->ports, META_PORTS * 24);
        buf_init(&m->resolv, META_RESOLV_MAX);
        buf_init(&m->host_resolv, META_RESOLV_MAX);
        buf_init(&m->servers, META_SERVERS * 64);
        buf_put(&m->id, id.p, id.len);
        buf_put(&m->runtime, runtime.p, runtime.len);
        if (m->id.err || m->runtime.err)
                return m->id.err ? m->id.err : m->runtime.err;
        *ret = TAKE_PTR(m);
        return 0;
}

struct meta *meta_free(struct meta *m)
{
        if (!m)
                return NULL;
        buf_release(&m->id);
        buf_release(&m->runtime);
        for (size_t i = 0; i < FIELD__MAX; i++)
                buf_release(&m->field[i]);
        buf_release(&m->config_digest);
        buf_release(&m->manifest_digest);
        buf_release(&m->config_source);
        buf_release(&m->manifest_source);
        buf_release(&m->out_labels);
        buf_release(&m->out_image_labels);
        buf_release(&m->workload);
        buf_release(&m->ports);
        buf_release(&m->resolv);
        buf_release(&m->host_resolv);
        buf_release(&m->servers);
        json_decref(m->labels);
        json_decref(m->image_labels);
        json_decref(m->images);
        free(m);
        return NULL;
}

static int read_at(int fd, uint64_t off, void *p, size_t len)
{
        uint8_t *to = p;

        while (len) {
                ssize_t n = pread(fd, to, len, (off_t)off);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return ERR_TRUNCATED;
                to += n;
                off += (uint64_t)n;
                len -= (size_t)n;
        }
        return 0;
}

static int regular_size(int fd, uint64_t *ret)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        *ret = (uint64_t)st.st_size;
        return 0;
}

/* The whole file, as long as it was when asked: runtimes replace these files, they do not append. */
static int read_whole(struct meta *m, int fd, uint64_t max, uint8_t **ret, size_t *ret_len)
{
        _cleanup_free_ uint8_t *p = NULL;
        uint64_t size = 0;
        int r = regular_size(fd, &size);

        if (r < 0)
                return r;
        if (size > max)
                return ERR_LIMIT;
        p = malloc(size + 1);
        if (!p)
                return -ENOMEM;
        r = read_at(fd, 0, p, size);
        if (r < 0)
                return r;
        m->stats.bytes += size;
        *ret = TAKE_PTR(p);
        *ret_len = size;
        return 0;
}

static int read_pages(void *arg, uint64_t off, void *p, size_t len)
{
        return read_at(*(int *)arg, off, p, len);
}

static int read_bolt(struct meta *m, const struct kind *k, int fd, struct bytes path)
{
        struct bolt_io io = {.read = read_pages, .arg = &fd};
        int r = regular_size(fd, &io.size);

        return r < 0 ? r : k->bolt(m, &io, path);
}

/* Podman's record of a container is one JSON value in its database. */
static int podman_db(struct meta *m, const struct bolt_io *io, struct bytes path)
{
        struct bytes keys[] = {BYTES_LIT("ctr"), buf_bytes(&m->id), BYTES_LIT("config")};
        _cleanup_json_ json_t *j = NULL;
        _cleanup_buf_ struct buf value;
        int r;

        buf_init(&value, (uint64_t)kinds[METAFILE_PODMAN_DB].max_mib * MIB);
        r = bolt_get(io, keys, ARRAY_LEN(keys), &value);
        if (r < 0)
                return r;
        m->stats.bytes += value.len;
        r = meta_json(value.p, value.len, &j);
        return r < 0 ? r : podman_container_config(m, j, path);
}

void meta_config_digest(struct meta *m, char ret[META_DIGEST])
{
        struct bytes id = meta_get(m, FIELD_IMAGE_ID);
        struct podman_image im;

        ret[0] = 0;
        if (m->images && podman_image(m, &im) && im.config_digest.len == 71)
                snprintf(ret, META_DIGEST, "%.71s", (const char *)im.config_digest.p);
        else if (id.len == 64 && !m->image_is_manifest)
                snprintf(ret, META_DIGEST, "sha256:%.64s", (const char *)id.p);
}

static bool has_digest(const uint8_t *p, size_t len, const char *digest)
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        char text[META_DIGEST] = "sha256:";
        unsigned n = 0;

        if (EVP_Digest(p, len, sum, &n, EVP_sha256(), NULL) != 1 || n != 32)
                return false;
        for (unsigned i = 0; i < n; i++)
                snprintf(text + 7 + 2 * i, 3, "%02x", sum[i]);
        return !strcmp(text, digest);
}

static int read_file(struct meta *m, const struct kind *k, int fd, struct bytes path)
{
        _cleanup_free_ uint8_t *p = NULL;
        _cleanup_json_ json_t *j = NULL;
        char digest[META_DIGEST];
        size_t len = 0;
        int r;

        if (k->bolt)
                return read_bolt(m, k, fd, path);
        r = read_whole(m, fd, (uint64_t)k->max_mib * MIB, &p, &len);
        if (r < 0)
                return r;
        if (k->digest) {
                k->digest(m, digest);
                if (!has_digest(p, len, digest))
                        return ERR_CHECKSUM;
        }
        if (k->text)
                return k->text(m, bytes_of(p, len));
        r = meta_json(p, len, &j);
        return r < 0 ? r : k->parse(m, j, path);
}

static enum meta_state state_of(int r, bool has_digest)
{
        switch (r) {
        case 0:
        case -ENOENT: /* the database is whole, this container is not in it */
                return META_READ;
        case ERR_LIMIT:
                return META_TOO_LARGE;
        case ERR_CHECKSUM:
                return has_digest ? META_MISMATCH : META_MALFORMED;
        case ERR_SCHEMA:
        case ERR_FOREIGN:
        case ERR_TRUNCATED:
                return META_MALFORMED;
        case -EAGAIN:
                return META_BUSY;
        default:
                return META_UNREADABLE;
        }
}

void meta_file(struct meta *m, enum metafile kind, int fd, struct bytes path)
{
        enum meta_state state;
        struct meta_seen *s;

        if (kind <= METAFILE_END || kind >= METAFILE_RESOLV_END || fd < 0)
                return;
        m->stats.files++;
        s = &m->seen[kind];
        state = state_of(read_file(m, &kinds[kind], fd, path), kinds[kind].digest != NULL);
        m->stats.too_large += state == META_TOO_LARGE;
        m->stats.malformed += state == META_MALFORMED || state == META_MISMATCH;
        /* A kind may come from two places: one that was read is not made worse by another. But an index leads to a
         * manifest, and both are needed. */
        if (s->state == META_READ && state != META_READ && kind != METAFILE_CONTAINERD_MANIFEST)
                return;
        s->state = state;
        snprintf(s->path, sizeof(s->path), "%.*s", (int)path.len, path.len ? (const char *)path.p : "");
}
void meta_stats(const struct meta *m, struct meta_stats *ret)
{
        *ret = m->stats;
}
