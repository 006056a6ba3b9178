/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which files hold a container's metadata, and opening them. Must not: read one byte of them (parse/meta does, in
 * the engine), or open what is not a regular file below the runtime's storage. Hands over: descriptors on the pair.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/metafile.h"

enum base { BASE_ROOT, BASE_BUNDLE, BASE_STORE };

struct candidate {
        const char *runtime;
        enum metafile kind;
        enum base base;
        const char *file;
        const char *tail; /* NULL, or: file, the container's id, tail */
};
/*
 * containers-storage(5), podman-system(1); moby's daemon/container and daemon/images; containerd's docs/ops.md; OCI
 * runtime-spec config.md. In this order: containerd's database is read by what the bundle's path says.
 */
static const struct candidate candidates[] = {
        {"podman", METAFILE_PODMAN_CONTAINERS, BASE_ROOT, "overlay-containers/containers.json", NULL},
        {"podman", METAFILE_PODMAN_VOLATILE, BASE_ROOT, "overlay-containers/volatile-containers.json", NULL},
        {"podman", METAFILE_PODMAN_IMAGES, BASE_ROOT, "overlay-images/images.json", NULL},
        {"podman", METAFILE_PODMAN_DB, BASE_ROOT, "libpod/bolt_state.db", NULL},
        {"podman", METAFILE_OCI_CONFIG, BASE_BUNDLE, "config.json", NULL},
        {"crio", METAFILE_OCI_CONFIG, BASE_BUNDLE, "config.json", NULL},
        {"crio", METAFILE_PODMAN_CONTAINERS, BASE_ROOT, "overlay-containers/containers.json", NULL},
        {"crio", METAFILE_PODMAN_VOLATILE, BASE_ROOT, "overlay-containers/volatile-containers.json", NULL},
        {"crio", METAFILE_PODMAN_IMAGES, BASE_ROOT, "overlay-images/images.json", NULL},
        {"docker", METAFILE_DOCKER_CONFIG, BASE_ROOT, "containers/", "/config.v2.json"},
        {"docker", METAFILE_DOCKER_FATE, BASE_ROOT, "containers/", "/hostconfig.json"},
        {"docker", METAFILE_DOCKER_REPOSITORIES, BASE_ROOT, "image/overlay2/repositories.json", NULL},
        {"containerd", METAFILE_OCI_CONFIG, BASE_BUNDLE, "config.json", NULL},
        {"containerd", METAFILE_CONTAINERD_DB, BASE_STORE, "io.containerd.metadata.v1.bolt/meta.db", NULL},
};
/* What says which name servers a container may ask, beside the file that is mounted in it. */
static const struct candidate resolv_candidates[] = {
        {"docker", METAFILE_DOCKER_HOSTCONFIG, BASE_ROOT, "containers/", "/hostconfig.json"},
        {"docker", METAFILE_DOCKER_NETWORKS, BASE_ROOT, "containers/", "/config.v2.json"},
};
/* What the engine may ask for, once it has read those: only below these directories. */
static const struct {
        enum metafile kind;
        enum base base;
        const char *below;
} wanted[] = {
        {METAFILE_PODMAN_IMAGE_CONFIG, BASE_ROOT, "overlay-images/"},
        {METAFILE_DOCKER_IMAGE_CONFIG, BASE_ROOT, "image/"},
        {METAFILE_CONTAINERD_MANIFEST, BASE_STORE, "io.containerd.content.v1.content/blobs/sha256/"},
        {METAFILE_CONTAINERD_IMAGE_CONFIG, BASE_STORE, "io.containerd.content.v1.content/blobs/sha256/"},
};

struct bases {
        const char *path[BASE_STORE + 1];
        char store[PATH_MAX];
};

/* A snapshotter's directory lies beside containerd's other ones. */
static void bases_of(const struct container *c, struct bases *b)
{
        const char *slash = c->rootdir ? strrchr(c->rootdir, '/') : NULL;
        size_t len = slash ? (size_t)(slash - c->rootdir) : 0;

        memset(b->path, 0, sizeof(b->path));
        b->path[BASE_ROOT] = c->rootdir;
        b->path[BASE_BUNDLE] = c->bundle;
        if (len == 0 || len >= sizeof(b->store))
                return;
        memcpy(b->store, c->rootdir, len);
        b->store[len] = '\0';
        b->path[BASE_STORE] = b->store;
}

/* A regular file of root's or of the storage's owner: a descriptor of anything else is not passed on. */
static int open_regular(const char *base_path, const char *file)
{
        _cleanup_close_ int base = open(base_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat dir, st;
        int fd;

        if (base < 0 || fstat(base, &dir) < 0)
                return -errno;
        /* no link below base is followed: the storage of a rootless user is the user's to shape */
        fd = beneath_open(base, bytes_str(file), O_RDONLY | O_NOCTTY | O_NONBLOCK, BENEATH_ANY_MOUNT);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != dir.st_uid)) {
                close(fd);
                return -EPERM;
        }
        return fd;
}

static void send_file(struct sensor *s, struct container *c, enum metafile kind, const char *base, const char *file)
{
        struct tide_event ev = {.kind = TIDE_FILES, .container = bytes_str(c->id)};
        char path[1024];
        int fd = open_regular(base, file);

        snprintf(path, sizeof(path), "%s/%s", base, file);
        ev.act.id = kind;
        ev.act.name = bytes_str(path);
        sensor_send(s, PAIR_CONTROL, &ev, fd);
        if (fd >= 0)
                close(fd);
}

static void send_end(struct sensor *s, struct container *c)
{
        struct tide_event ev = {.kind = TIDE_FILES, .container = bytes_str(c->id), .act = {.id = METAFILE_END}};

        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

static void send_candidates(struct sensor *s, struct container *c, const struct candidate *of, size_t n)
{
        struct bases b;

        bases_of(c, &b);
        for (size_t i = 0; i < n; i++) {
                const struct candidate *k = &of[i];
                char file[256];

                if (strcmp(k->runtime, c->runtime) != 0 || !b.path[k->base])
                        continue;
                snprintf(file, sizeof(file), "%s%s%s", k->file, k->tail ? c->id : "", k->tail ? k->tail : "");
                send_file(s, c, k->kind, b.path[k->base], file);
        }
}

void sensor_meta_send(struct sensor *s, struct container *c)
{
        sensor_resolv_send(s, c); /* first: its first query may come soon */
        send_candidates(s, c, candidates, ARRAY_LEN(candidates));
        send_end(s, c);
}

/* The host's own file is systemd-resolved's where the other one is but a link to that: resolved.conf(5). */
void sensor_meta_resolv(struct sensor *s, struct container *c, const char *base, const char *file)
{
        struct tide_event end = {.kind = TIDE_FILES, .container = bytes_str(c->id), .act = {.id = METAFILE_RESOLV_END}};

        send_candidates(s, c, resolv_candidates, ARRAY_LEN(resolv_candidates));
        for (size_t i = 0; i < ARRAY_LEN(sensor_resolv_hosts); i++)
                send_file(s, c, METAFILE_RESOLV_HOST, sensor_resolv_hosts[i], "resolv.conf");
        if (base)
                send_file(s, c, METAFILE_RESOLV_CONF, base, file);
        sensor_send(s, PAIR_CONTROL, &end, -1);
}

/* The engine asks for one more: only of the kinds that are named by content, and only below the same storage. */
void sensor_meta_open(struct sensor *s, const struct tide_event *ask)
{
        struct container *c = containers_by_id(s->containers, ask->container);
        _cleanup_free_ char *path = bytes_dup(ask->act.name);
        struct bases b;

        if (!c || !path)
                return;
        bases_of(c, &b);
        for (size_t i = 0; i < ARRAY_LEN(wanted) && strlen(path) == ask->act.name.len; i++) {
                const char *base = b.path[wanted[i].base];
                size_t len = base ? strlen(base) : 0;

                if (ask->act.id == wanted[i].kind && len && strncmp(path, base, len) == 0 && path[len] == '/' &&
                    strncmp(path + len + 1, wanted[i].below, strlen(wanted[i].below)) == 0)
                        send_file(s, c, wanted[i].kind, base, path + len + 1);
        }
        send_end(s, c);
}
