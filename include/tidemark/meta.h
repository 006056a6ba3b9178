/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta - what runtimes wrote about a container, parsed. Pure with regard to the system: descriptors that were passed in
 * are read by pread(2), bounded, nothing is opened. Everything in these files may come from an image author.
 *
 * A container's candidates (the sensor opens them by a table of its own, metafile.h) come one after another; meta
 * collects and yields one TIDE_CONTENT.
 */
#ifndef TIDEMARK_META_H
#define TIDEMARK_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/metafile.h"
#include "tidemark/str.h"

struct meta;
struct resolvers_files;
struct tide_event;
struct tide_prior;

struct meta_stats {
        uint64_t files, bytes;
        uint64_t malformed; /* files that are not what they should be, and values in others that are not */
        uint64_t too_large; /* files over their limit, not read */
        uint64_t cut;       /* texts cut and labels left out, at the limits of an event */
};

/* id: the container's. */
int meta_new(struct bytes id, struct bytes runtime, struct meta **ret) TM_CHECK;
struct meta *meta_free(struct meta *m);
DEFINE_CLEANUP(struct meta *, meta_free)
/* One file. fd is borrowed. A file that cannot be parsed is counted and passed over: never an error that ends the rest.
 */
void meta_file(struct meta *m, enum metafile kind, int fd, struct bytes path);
/*
 * Some files can only be named once others are read (an image's configuration): up to max further candidates. Returns
 * how many; asked for at most once per file. path is absolute; the sensor re-validates (below the storage root,
 * regular).
 */
size_t meta_wants(struct meta *m, struct metafile_want *ret, size_t max);
/*
 * Make ev a TIDE_CONTENT of the container (its strings borrowed from m, its times 0). What is not known stays empty,
 * with a source that says why. Labels that the image brings are in image_labels alone; as long as the image's own
 * cannot be read no label is taken for the container's, and config_source says so. health is the command as executed.
 * name_given: the name stands on the command line that made the container (podman records it), or else does not look
 * like the names that runtimes make up (adjective_surname): nothing on disk tells more.
 */
void meta_content(struct meta *m, struct tide_event *ret_ev);
/*
 * What becomes of the container when it ends or is unwell, as far as its runtime's own records say; after
 * meta_content(), borrowed from m.
 */
struct meta_fate {
        struct bytes restart;   /* "no", "always", "on-failure", "unless-stopped"; empty: not known */
        struct bytes unhealthy; /* what follows if its health check fails: "kill", "restart", "stop"; empty: nothing */
        bool removed;           /* it is removed with its write layer */
        bool kube; /* Kubernetes': the kubelet restarts it, and has probes of its own, which are not known here */
};
void meta_fate(struct meta *m, struct meta_fate *ret);
/* What the image's own configuration says, into the parts of PRIOR_BEGIN; borrowed from m. */
void meta_image(const struct meta *m, struct tide_prior *ret);
/* What the files say of the container's name servers; borrowed from m. */
void meta_resolv(const struct meta *m, struct resolvers_files *ret);
void meta_stats(const struct meta *m, struct meta_stats *ret);

#endif
