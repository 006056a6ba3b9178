/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta-priv - what the formats have in common: the one container that is being looked for, and what was learned of it.
 *
 * A format's function gets a JSON tree (or a database) and sets fields. A field that is set stays: the first file that
 * knows it counts. A value of another type than the format has is counted and passed over.
 */
#ifndef TIDEMARK_PARSE_META_PRIV_H
#define TIDEMARK_PARSE_META_PRIV_H

#include <jansson.h>
#include <stdbool.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/meta.h"

#define _cleanup_json_ _cleanup_(json_decrefp) /* jansson.h has that function, for json_auto_t */

#define META_DIGEST 80        /* "sha256:" and 64 hex digits, with its end */
#define META_PATH 512         /* of metafile_want */
#define META_LABELS 64        /* of one list */
#define META_LABEL_KEY 256u   /* a longer one is left out: cut, it would be another key */
#define META_LABEL_VALUE 4096u
#define META_LABELS_BYTES (16u * 1024) /* of one list: an event must fit TIDE_RECORD_MAX */
#define META_SOURCE_MAX 2048u
#define META_WORDS_BYTES 8192u /* of an image's entrypoint, command, health check or volumes */
#define META_PORTS 64 /* that an image declares */
#define META_RESOLV_MAX (64u * 1024) /* of one resolv.conf: the rest is passed over */
#define META_SERVERS 16
#define META_JSON_NODES 400000u /* values in one file: each costs jansson some 100 bytes */
#define META_JSON_DEPTH 64u

enum meta_field {
        FIELD_NAME,
        FIELD_IMAGE_REF,
        FIELD_IMAGE_ID,     /* 64 hex digits */
        FIELD_IMAGE_SOURCE, /* path of the file that named the image */
        FIELD_CREATED,
        FIELD_HEALTH,   /* NUL-separated */
        FIELD_MANIFEST, /* digest, where the container's own file tells it */
        FIELD_DRIVER,   /* docker's storage driver */
        FIELD_TARGET,   /* containerd: digest of the manifest, or of an index of several, behind the image's name */
        FIELD_POD_NAMESPACE,
        FIELD_POD,
        FIELD_POD_CONTAINER,
        FIELD_ENTRYPOINT, /* of the image's configuration, as the rest; NUL-separated */
        FIELD_COMMAND,
        FIELD_IMAGE_HEALTH,
        FIELD_USER,
        FIELD_VOLUMES, /* list of path, nothing */
        FIELD_RESTART, /* when its runtime starts it anew: "no", "always", "on-failure", "unless-stopped" */
        FIELD_UNHEALTHY, /* what its runtime does when its health check fails: "kill", "restart", "stop" */
        FIELD__MAX
};

enum meta_state {
        META_UNSEEN, /* never handed over: it could not be opened, or no such file */
        META_READ,
        META_MALFORMED,
        META_TOO_LARGE,
        META_UNREADABLE, /* read error, out of memory, not a regular file */
        META_BUSY,       /* was being written to all the time */
        META_MISMATCH,   /* does not have the digest that it is stored under */
};

struct meta_seen {
        enum meta_state state;
        char path[META_PATH];
};

struct meta {
        struct buf id, runtime;
        struct buf field[FIELD__MAX];
        struct meta_seen seen[METAFILE__MAX];
        struct meta_stats stats;
        bool found;              /* some file has this container */
        bool no_image;           /* … and says that it was made without one */
        bool image_is_manifest;  /* docker with containerd's store: the image's id is a manifest's digest */
        bool name_by_person;     /* seen on the command line that made it */
        bool terminal, stdin_open, detached; /* how it was started, where the runtime records that */
        bool built;              /* a step of an image's build */
        bool removed;            /* its runtime removes it, with its write layer, when it ends */
        uint8_t asked;           /* bits of meta.c's table of wants */
        json_t *labels;          /* of the container, image's merged in; NULL: not known */
        json_t *image_labels;    /* array of objects; NULL: not known */
        struct buf ports;        /* list of port, protocol: what the image says that it listens on */
        unsigned nports;
        json_t *images;          /* images.json */
        bool resolv_read;        /* resolv is the container's, whatever is in it */
        bool embedded_server;    /* docker: it is on a network where there is one */
        struct buf resolv, host_resolv, servers; /* texts; lines made of docker's --dns */
        /* Made by meta_content: */
        struct buf config_digest, config_source, manifest_digest, manifest_source, out_labels, out_image_labels;
        struct buf workload;
};

/* A string of an object; empty when it is not there or null; counted when it is something else. */
struct bytes meta_str(struct meta *m, const json_t *obj, const char *key);
/* An object or array; NULL when not there or null; counted when it is something else. */
json_t *meta_sub(struct meta *m, const json_t *obj, const char *key, json_type type);
struct bytes meta_json_bytes(const json_t *string);
/* Set it, if it is not set and v not empty. Cut (and counted) at the field's limit. */
void meta_set(struct meta *m, enum meta_field f, struct bytes v);
struct bytes meta_get(const struct meta *m, enum meta_field f);
bool meta_is_hex(struct bytes s, size_t len);
/* Health check as engines configure it: ["CMD", arg…], ["CMD-SHELL", text], ["NONE"]; shell runs the text. */
void meta_set_health(struct meta *m, const json_t *test, const char *const *shell, size_t nshell);
/* ExposedPorts, as images and engines write them: {"80/tcp": {}, "53/udp": {}}; without a protocol it is tcp. */
void meta_add_ports(struct meta *m, const json_t *exposed);
/* Does it look as runtimes make names up: adjective_surname, perhaps with a digit? */
bool meta_name_is_random(struct bytes name);

/*
 * Bytes to JSON. Text is changed in place: a NUL written as \u0000 becomes U+FFFD, for which jansson would refuse the
 * whole file, so that an image could hide its container by one label. 0, ERR_LIMIT: too many values or too deep,
 * ERR_SCHEMA: no JSON, a name twice in an object.
 */
int meta_json(uint8_t *p, size_t len, json_t **ret) TM_CHECK;
/* JSON within a string of JSON; NULL: empty, or counted as malformed. The caller's. */
json_t *meta_json_text(struct meta *m, struct bytes text);

/* The formats. 0; ERR_SCHEMA: not of the expected shape. */
int podman_containers(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int podman_images(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
/* Those of the bundle, which podman makes. */
void podman_annotations(struct meta *m, const json_t *annotations);
int podman_container_config(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int oci_config(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int docker_config(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int docker_networks(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int docker_hostconfig(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int docker_fate(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int docker_repositories(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int containerd_manifest(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;
int image_config(struct meta *m, const json_t *root, struct bytes path) TM_CHECK;

/* meta_resolv.c: texts as they are. */
int resolv_own(struct meta *m, struct bytes text) TM_CHECK;
int resolv_host(struct meta *m, struct bytes text) TM_CHECK;
void resolv_add_server(struct meta *m, struct bytes address);

/* containerd's meta.db: not JSON. As bolt_get(). */
struct bolt_io;
int containerd_db(struct meta *m, const struct bolt_io *io, struct bytes path) TM_CHECK;
/* "sha256:" and 64 hex digits? *ret_hex: those. */
bool meta_is_digest(struct bytes s, struct bytes *ret_hex);

/*
 * What Kubernetes calls it: namespace/owner/container, where the owner is the pod's name without what its controller
 * appended. ret_class: CLASS_JOB or CLASS_SESSION if the names say so, else left alone.
 */
void kube_workload(struct bytes namespace, struct bytes pod, struct bytes container, struct buf *out,
                   uint8_t *ret_class);

/* The digest under which the image's configuration is stored; empty: not known. */
void meta_config_digest(struct meta *m, char ret[META_DIGEST]);
/* That of the manifest, or index, which is to be read next. */
void containerd_wants(struct meta *m, char ret[META_DIGEST]);
/* For people: what a kind of file is called; its limit. */
const char *meta_kind_name(enum metafile kind);
unsigned meta_kind_mib(enum metafile kind);

/* From images.json, for FIELD_IMAGE_ID; false: no such image there. */
struct podman_image {
        struct bytes config_digest, manifest_digest; /* empty: not stored */
        bool local; /* no name of it leads to a registry */
};
bool podman_image(struct meta *m, struct podman_image *ret);

#endif
