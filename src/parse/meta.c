/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta - what runtimes wrote about one container: files in, one TIDE_CONTENT out.
 *
 * Owns:       reading descriptors, bounded; which file goes to which format; what is asked for next; putting together
 *             what is known, and words for what is not.
 * Never:      opens anything, follows a path, trusts a length. A bad file is counted and passed over.
 * Hands over: a JSON tree to the format's function, a Bolt file to bolt.c.
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

static const struct kind {
        const char *name; /* for people */
        uint32_t max_mib;
        int (*parse)(struct meta *m, const json_t *root, struct bytes path); /* NULL: not JSON */
} kinds[METAFILE__MAX] = {
        [METAFILE_PODMAN_CONTAINERS] = {"overlay-containers/containers.json", 16, podman_containers},
        [METAFILE_PODMAN_VOLATILE] = {"overlay-containers/volatile-containers.json", 16, podman_containers},
        [METAFILE_PODMAN_IMAGES] = {"overlay-images/images.json", 16, podman_images},
        [METAFILE_PODMAN_DB] = {"libpod/bolt_state.db", 4, NULL},
        [METAFILE_PODMAN_CONFIG] = {"config.json", 4, oci_config},
        [METAFILE_PODMAN_IMAGE_CONFIG] = {"the image's configuration", 4, image_config},
        [METAFILE_DOCKER_CONFIG] = {"config.v2.json", 4, docker_config},
        [METAFILE_DOCKER_IMAGE_CONFIG] = {"the image's configuration", 4, image_config},
};

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

static int read_bolt(struct meta *m, int fd, uint64_t max, uint8_t **ret, size_t *ret_len)
{
        struct bytes keys[] = {BYTES_LIT("ctr"), buf_bytes(&m->id), BYTES_LIT("config")};
        struct bolt_io io = {.read = read_pages, .arg = &fd};
        struct buf value;
        int r = regular_size(fd, &io.size);

        if (r < 0)
                return r;
        buf_init(&value, max);
        r = bolt_get(&io, keys, ARRAY_LEN(keys), &value);
        if (r < 0) {
                buf_release(&value);
                return r;
        }
        m->stats.bytes += value.len;
        *ret = value.p; /* heap, now the caller's */
        *ret_len = value.len;
        return 0;
}

/* The digest under which the image's configuration is stored, as "sha256:…"; empty: not known. */
static void config_digest(struct meta *m, char ret[80])
{
        struct bytes id = meta_get(m, FIELD_IMAGE_ID);
        struct podman_image im;

        ret[0] = 0;
        if (m->images && podman_image(m, &im) && im.config_digest.len == 71)
                snprintf(ret, 80, "%.71s", (const char *)im.config_digest.p);
        else if (id.len == 64 && !m->image_is_manifest)
                snprintf(ret, 80, "sha256:%.64s", (const char *)id.p);
}

static bool has_digest(const uint8_t *p, size_t len, const char *digest)
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        char text[80] = "sha256:";
        unsigned n = 0;

        if (EVP_Digest(p, len, sum, &n, EVP_sha256(), NULL) != 1 || n != 32)
                return false;
        for (unsigned i = 0; i < n; i++)
                snprintf(text + 7 + 2 * i, 3, "%02x", sum[i]);
        return !strcmp(text, digest);
}

static bool is_image_config(enum metafile kind)
{
        return kind == METAFILE_PODMAN_IMAGE_CONFIG || kind == METAFILE_DOCKER_IMAGE_CONFIG;
}

static int read_file(struct meta *m, enum metafile kind, int fd, struct bytes path)
{
        int (*parse)(struct meta *, const json_t *, struct bytes) = kinds[kind].parse;
        _cleanup_free_ uint8_t *p = NULL;
        _cleanup_json_ json_t *j = NULL;
        char digest[80];
        size_t len = 0;
        int r;

        if (parse)
                r = read_whole(m, fd, (uint64_t)kinds[kind].max_mib * MIB, &p, &len);
        else
                r = read_bolt(m, fd, (uint64_t)kinds[kind].max_mib * MIB, &p, &len);
        if (r < 0)
                return r;
        if (is_image_config(kind)) {
                config_digest(m, digest);
                if (!has_digest(p, len, digest))
                        return ERR_CHECKSUM;
        }
        r = meta_json(p, len, &j);
        if (r < 0)
                return r;
        return parse ? parse(m, j, path) : podman_container_config(m, j, path);
}

static enum meta_state state_of(int r, bool is_image)
{
        switch (r) {
        case 0:
        case -ENOENT: /* the database is whole, this container is not in it */
                return META_READ;
        case ERR_LIMIT:
                return META_TOO_LARGE;
        case ERR_CHECKSUM:
                return is_image ? META_MISMATCH : META_MALFORMED;
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

        if (kind <= METAFILE_END || kind >= METAFILE__MAX || fd < 0)
                return;
        m->stats.files++;
        s = &m->seen[kind];
        state = state_of(read_file(m, kind, fd, path), is_image_config(kind));
        m->stats.too_large += state == META_TOO_LARGE;
        m->stats.malformed += state == META_MALFORMED || state == META_MISMATCH;
        /* A kind may come from two places: one that was read is not made worse by another. */
        if (s->state == META_READ && state != META_READ)
                return;
        s->state = state;
        snprintf(s->path, sizeof(s->path), "%.*s", (int)path.len, path.len ? (const char *)path.p : "");
}

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
        char dir[META_PATH], digest[80];
        int n;

        if (!images->path[0] || id.len != 64)
                return false;
        config_digest(m, digest);
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

size_t meta_wants(struct meta *m, struct metafile_want *ret, size_t max)
{
        struct metafile_want w;

        if (m->asked || max == 0)
                return 0;
        memset(&w, 0, sizeof(w));
        if (!want_podman(m, &w) && !want_docker(m, &w))
                return 0;
        m->asked = true;
        *ret = w;
        return 1;
}

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
                buf_put_str(b, kinds[kind].name);
        buf_put_str(b, why[s->state]);
        if (s->state == META_TOO_LARGE)
                buf_printf(b, " (limits: %u MiB, %u values)", kinds[kind].max_mib, META_JSON_NODES);
}

static bool is_docker(const struct meta *m)
{
        return m->seen[METAFILE_DOCKER_CONFIG].state != META_UNSEEN ||
               bytes_eq(buf_bytes(&m->runtime), BYTES_LIT("docker"));
}

/* Why nothing is known of the image. */
static void put_unknown(struct buf *b, const struct meta *m)
{
        static const enum metafile podman[] = {METAFILE_PODMAN_CONTAINERS, METAFILE_PODMAN_VOLATILE,
                                               METAFILE_PODMAN_DB};
        bool first = true;

        if (m->no_image && m->found) {
                buf_put_str(b, "none: the container was made without an image");
                return;
        }
        buf_put_str(b, "unknown: ");
        if (is_docker(m)) {
                put_why(b, m, METAFILE_DOCKER_CONFIG);
                return;
        }
        for (size_t i = 0; i < ARRAY_LEN(podman); i++) {
                if (m->seen[podman[i]].state == META_UNSEEN && i > 0)
                        continue;
                buf_put_str(b, first ? "" : "; ");
                put_why(b, m, podman[i]);
                first = false;
        }
}

static void put_podman_digests(struct meta *m)
{
        const char *images = m->seen[METAFILE_PODMAN_IMAGES].path;
        struct bytes source = meta_get(m, FIELD_IMAGE_SOURCE);
        struct podman_image im;
        char digest[80];

        config_digest(m, digest);
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
                buf_put_str(&m->manifest_source, "unknown: Docker's record of the container does not have it");
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

        json_array_foreach(m->image_labels, i, set)
                if (json_equal(json_object_get(set, key), value))
                        return true;
        return false;
}

static void put_image_labels(struct meta *m)
{
        const char *key;
        json_t *set, *value;
        unsigned n = 0;
        size_t i;

        json_array_foreach(m->image_labels, i, set)
                json_object_foreach(set, key, value)
                        put_label(m, &m->out_image_labels, &n, key, value);
}

/* The container's own: what its record has beyond the image's. */
static void put_labels(struct meta *m)
{
        bool image_known = m->image_labels || (m->no_image && !m->field[FIELD_IMAGE_ID].len);
        enum metafile record = is_docker(m) ? METAFILE_DOCKER_CONFIG : METAFILE_PODMAN_DB;
        enum metafile image = is_docker(m) ? METAFILE_DOCKER_IMAGE_CONFIG : METAFILE_PODMAN_IMAGE_CONFIG;
        const char *key;
        json_t *value;
        unsigned n = 0;

        if (!m->labels) {
                buf_put_str(&m->config_source, "; labels unknown: ");
                put_why(&m->config_source, m, record);
                if (record == METAFILE_PODMAN_DB && m->seen[record].state == META_UNSEEN)
                        buf_put_str(&m->config_source,
                                    " (newer podman keeps them in libpod/db.sql, which is not read)");
        } else if (!image_known) {
                buf_put_str(&m->config_source, "; labels unknown, as the image's own cannot be told apart: ");
                put_why(&m->config_source, m, image);
        } else {
                json_object_foreach(m->labels, key, value)
                        if (!is_of_image(m, key, value))
                                put_label(m, &m->out_labels, &n, key, value);
        }
}

void meta_content(struct meta *m, struct tide_event *ret_ev)
{
        struct tide_content *c = &ret_ev->content;
        struct bytes name = meta_get(m, FIELD_NAME);
        uint64_t cut = m->stats.cut;

        buf_reset(&m->config_digest);
        buf_reset(&m->config_source);
        buf_reset(&m->manifest_digest);
        buf_reset(&m->manifest_source);
        buf_reset(&m->out_labels);
        buf_reset(&m->out_image_labels);
        if (!m->field[FIELD_IMAGE_ID].len) {
                put_unknown(&m->config_source, m);
                put_unknown(&m->manifest_source, m);
        } else if (is_docker(m)) {
                put_docker_digests(m);
        } else {
                put_podman_digests(m);
        }
        put_labels(m);
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
}

void meta_stats(const struct meta *m, struct meta_stats *ret)
{
        *ret = m->stats;
}
