/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolvers - which name servers each container is configured with, whoever shares its network namespace.
 *
 * Owns:      the servers of each container that are believed, its namespace: bounded.
 * Never:     believes what a container may have written itself; opens or reads a file; sees a clock or a log.
 * Hands over: the servers of a container whenever they change: its own and those of all that live in its namespace,
 *            since packets do not say which of them has sent them.
 *
 * What stands in a container's /etc/resolv.conf when it is seen first is believed: its runtime has made it (containers
 * without any server in it ask the local machine: resolv.conf(5)). Later a runtime may write it anew, as Docker and
 * podman do when a network is connected; but so may the container. A server that is new then counts only if somebody
 * outside vouches for it: it is in the host's own file, or was given to the runtime, or is an address of the host
 * itself, as those of podman's servers are, or it is Docker's embedded one (127.0.0.11) and Docker's record says that
 * the container is on a network that has it. Other loopback addresses are the container's own. Servers that are no
 * longer there stay: whoever has read the file before may still ask them.
 *
 * Docker's embedded server (moby, libnetwork/resolver.go) asks others from within the container's namespace: those
 * given to the runtime, else the host's. They count with it.
 */
#ifndef TIDEMARK_RESOLVERS_H
#define TIDEMARK_RESOLVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct resolvers;

struct resolvers_ops {
        /* text: lines of resolv.conf(5); NULL: any server counts, for nothing is known of somebody in the namespace.
         * Not to call back. */
        void (*servers)(struct bytes container, const struct bytes *text, void *arg);
        /* Is it an address of the host itself? 4 or 16 bytes, no loopback address. */
        bool (*is_hosts)(struct bytes address, void *arg);
};

/* What was read: texts of resolv.conf(5), bounded by whoever reads. */
struct resolvers_files {
        bool found;        /* else the container's own could not be read: nothing is known */
        struct bytes own;  /* the container's */
        struct bytes host; /* the host's */
        struct bytes given; /* to the runtime on the command line, as lines of the same kind */
        bool embedded;      /* the runtime's record: on a network with an embedded server */
};

/* limit: containers. */
int resolvers_new(size_t limit, const struct resolvers_ops *ops, void *arg, struct resolvers **ret) TM_CHECK;
struct resolvers *resolvers_free(struct resolvers *r);
DEFINE_CLEANUP(struct resolvers *, resolvers_free)
/* The container lives in this namespace from now on. 0, -ENOMEM, ERR_LIMIT: any server that it asks counts. */
int resolvers_container(struct resolvers *r, struct bytes container, uint64_t netns) TM_CHECK;
int resolvers_read(struct resolvers *r, struct bytes container, const struct resolvers_files *read) TM_CHECK;
void resolvers_gone(struct resolvers *r, struct bytes container);

struct resolvers_stats {
        size_t known, unknown; /* containers whose servers are known; whose file was looked for and not found */
        size_t changed;        /* of the known: with servers in their file that nobody vouches for */
};
void resolvers_stats(const struct resolvers *r, struct resolvers_stats *ret);
/* The containers of which something is to be said: unknown or changed. *i is 0 in the beginning. */
int resolvers_odd_next(const struct resolvers *r, size_t *i, struct bytes *ret_container, bool *ret_changed);

#endif
