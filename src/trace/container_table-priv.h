/* SPDX-License-Identifier: GPL-2.0-or-later */
/* container_table-priv - the table itself, for container.c and container_find.c alone. */
#ifndef TIDEMARK_TRACE_CONTAINER_TABLE_PRIV_H
#define TIDEMARK_TRACE_CONTAINER_TABLE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/container.h"
#include "tidemark/map.h"

#define CONTAINERS_UNNAMED 64u

struct containers {
        struct map *by_id;
        uint32_t last_tag;
        uint64_t own_mntns, own_pidns;
        uint64_t host_mntns; /* of the host's init, where the agent has another; 0: not known */
        bool nspid;
        uint32_t own_depth; /* how many pid namespaces the agent itself is in; 0: the kernel does not tell */
        uint64_t host_dev;  /* of the agent's root mount, and which directory of it is mounted */
        char *host_root;
        uint64_t unnamed[CONTAINERS_UNNAMED]; /* their mount namespaces, the last of them */
        uint64_t unnamed_count;
};

int containers_find_host(struct containers *cs) TM_CHECK;

#endif
