/* SPDX-License-Identifier: GPL-2.0-or-later */
/* container-priv - parts of the table of containers that its tests use by themselves. */
#ifndef TIDEMARK_TRACE_CONTAINER_PRIV_H
#define TIDEMARK_TRACE_CONTAINER_PRIV_H

#include "tidemark/container.h"
#include "tidemark/procfs.h"

struct buf;

/* Storage root of the runtime, from the upper directory: before "overlay/ID/diff" and its like, or empty. */
struct bytes container_rootdir(struct bytes upper);
/* Docker's own root, from that: with containerd's image store its layers are with containerd, the rest is not. */
struct bytes container_docker_root(struct bytes rootdir);
/* The runtime's name: by the cgroup, or where that leaves it open by the bundle's path. */
const char *container_runtime(const char *by_cgroup, struct bytes bundle);
/* Bundle from a monitor's command line (and working directory), if it is the monitor of id. Empty: not told. */
int container_bundle(struct bytes cmdline, struct bytes cwd, struct bytes id, struct buf *out) TM_CHECK;
/* Enter one whose facts are known: everything of proto but tag; strings are copied. */
int containers_insert(struct containers *cs, const struct container *proto, struct container **ret) TM_CHECK;
/* The agent's own namespaces. */
uint64_t containers_own_mntns(const struct containers *cs);
/* The agent's, or that of the host's init. */
bool containers_is_host_mntns(const struct containers *cs, uint64_t ns);
uint64_t containers_own_pidns(const struct containers *cs);

#endif
