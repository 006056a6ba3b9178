/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metafile - names of the files in which runtimes keep a container's metadata; shared by the sensor, which opens them,
 * and the engine, which reads them. Room tide. */
#ifndef TIDEMARK_METAFILE_H
#define TIDEMARK_METAFILE_H

#include <stdint.h>

enum metafile {
        METAFILE_END,                 /* no descriptor: the last of this container's candidates was sent */
        METAFILE_PODMAN_CONTAINERS,   /* ROOT/overlay-containers/containers.json */
        METAFILE_PODMAN_VOLATILE,     /* ROOT or RUNROOT/overlay-containers/volatile-containers.json */
        METAFILE_PODMAN_IMAGES,       /* ROOT/overlay-images/images.json */
        METAFILE_PODMAN_DB,           /* ROOT/libpod/bolt_state.db: labels and health check of the container */
        METAFILE_OCI_CONFIG,          /* BUNDLE/config.json: annotations of Kubernetes' runtimes; a terminal */
        METAFILE_PODMAN_IMAGE_CONFIG, /* ROOT/overlay-images/IMAGE/=BASE64(digest): labels of the image; wanted by meta
                                       */
        METAFILE_DOCKER_CONFIG,       /* ROOT/containers/ID/config.v2.json */
        METAFILE_DOCKER_IMAGE_CONFIG, /* ROOT/image/DRIVER/imagedb/content/sha256/IMAGE: as above; wanted by meta */
        METAFILE_DOCKER_REPOSITORIES, /* ROOT/image/overlay2/repositories.json: manifest digests of pulled images */
        METAFILE_CONTAINERD_DB,       /* STORE/io.containerd.metadata.v1.bolt/meta.db: the image's name and digest */
        METAFILE_CONTAINERD_MANIFEST, /* STORE/io.containerd.content.v1.content/blobs/sha256/DIGEST: of a manifest or
                                         an index of several; wanted by meta */
        METAFILE_CONTAINERD_IMAGE_CONFIG, /* the same place: of an image's configuration; wanted by meta */
        METAFILE_RESOLV_CONF, /* what the runtime has mounted as /etc/resolv.conf, wherever it keeps that */
        METAFILE_DOCKER_HOSTCONFIG, /* ROOT/containers/ID/hostconfig.json: name servers of the command line */
        METAFILE_RESOLV_HOST, /* the host's own, where the runtime asks its servers on behalf of its containers */
        METAFILE_DOCKER_NETWORKS, /* as METAFILE_DOCKER_CONFIG: which networks it is connected to now */
        METAFILE_DOCKER_FATE,     /* as METAFILE_DOCKER_HOSTCONFIG: when it is started anew, and whether it is kept */
        METAFILE_RESOLV_END, /* no descriptor: all was sent that says which servers the container may ask now */
        METAFILE__MAX
};

struct metafile_want {
        enum metafile kind;
        char path[512];
};

#endif
