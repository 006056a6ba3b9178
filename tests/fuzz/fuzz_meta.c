/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata files: the first byte says which and of which runtime, the rest is its content. Whatever it is: an event
 * that fits a record, with a source for what is not known, and digests that look like digests.
 */
#include "fuzz.h"

#include "parse/meta-priv.h"
#include "tidemark/event.h"

#define ID "8eefbd2cc0824e257770b640bf4baf149f099a0c35ffbdf84ac64778e408833f"

static void give(struct meta *m, enum metafile kind, const uint8_t *p, size_t len)
{
        static int fd = -1;
        char path[] = "/tmp/tidemark-fuzz-XXXXXX";

        if (fd < 0) {
                fd = mkstemp(path);
                unlink(path);
        }
        if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, p, len, 0) != (ssize_t)len)
                exit(EXIT_FAILURE);
        meta_file(m, kind, fd, BYTES_LIT("/s/a/b/file"));
}

/* These are believed only with the right digest: behind that check. */
static void give_tree(struct meta *m, int (*parse)(struct meta *, const json_t *, struct bytes), const uint8_t *p,
                      size_t len)
{
        uint8_t *copy = malloc(len ? len : 1);
        json_t *j = NULL;

        if (!copy)
                exit(EXIT_FAILURE);
        memcpy(copy, p, len);
        if (meta_json(copy, len, &j) == 0 && parse(m, j, BYTES_LIT("/i")) < 0)
                m->stats.malformed++;
        json_decref(j);
        free(copy);
}

static void check_digest(struct bytes d, struct bytes source)
{
        if (source.len == 0)
                abort();
        if (d.len && (d.len > 80 || !bytes_has_prefix(d, BYTES_LIT("sha256:"))) && !memchr(source.p, '/', source.len))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const runtimes[] = {"podman", "docker", "crio", "unknown", "containerd"};
        struct metafile_want w[2];
        struct tide_event ev, back;
        struct meta *m = NULL;
        enum metafile kind;
        struct buf b;
        size_t used;

        if (size < 1)
                return 0;
        kind = (enum metafile)(1 + data[0] % (METAFILE__MAX - 1));
        if (meta_new(BYTES_LIT(ID), bytes_str(runtimes[data[0] / 16 % 5]), &m) < 0)
                return 0;
        if (kind == METAFILE_PODMAN_IMAGE_CONFIG || kind == METAFILE_DOCKER_IMAGE_CONFIG ||
            kind == METAFILE_CONTAINERD_IMAGE_CONFIG)
                give_tree(m, image_config, data + 1, size - 1);
        else if (kind == METAFILE_CONTAINERD_MANIFEST)
                give_tree(m, containerd_manifest, data + 1, size - 1);
        else
                give(m, kind, data + 1, size - 1);
        /* The same bytes as all others too: files that do not fit together. */
        give(m, METAFILE_PODMAN_IMAGES, data + 1, size - 1);
        give(m, METAFILE_DOCKER_CONFIG, data + 1, size - 1);
        if (meta_wants(m, w, 2) > 1)
                abort();
        meta_content(m, &ev);
        check_digest(ev.content.config_digest, ev.content.config_source);
        check_digest(ev.content.manifest_digest, ev.content.manifest_source);
        buf_init(&b, TIDE_RECORD_MAX);
        if (tide_encode(&ev, &b) < 0 || tide_decode(b.p, b.len, &back, &used) < 0 ||
            !bytes_eq(ev.content.labels, back.content.labels))
                abort();
        buf_release(&b);
        meta_free(m);
        return 0;
}

FUZZ_MAIN("meta", "tests/fuzz/corpus/meta")
