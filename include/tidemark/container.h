/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * container - the table of running containers, found from /proc, cgroup and mountinfo alone.
 *
 * A container begins with the first task seen in a cgroup with an id that has a root of its own; its init is the
 * outermost process of its pid namespace (NSpid 1), or the first task where it shares the host's. Identity: the id in
 * the cgroup path counts only for a task that shares pid or mount namespace with the init (a container can make
 * cgroups with names that look like ids). The host's root is never taken for a container's.
 */
#ifndef TIDEMARK_CONTAINER_H
#define TIDEMARK_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/rate.h"
#include "tidemark/str.h"

struct layer;
struct containers;
struct visits;
struct tide_event;

#define CONTAINER_ID 64
#define COVERAGE_MAX 160

/* Each kind has a rate of its own, so that a storm of what anybody may do hides nothing else. */
enum priv_rate {
        PRIV_RATE_IDS,
        PRIV_RATE_LENT, /* ids by a setuid program of the image */
        PRIV_RATE_NAMES,
        PRIV_RATE_OUTSIDE, /* what reaches out of the container */
        PRIV_RATE_OTHERS,
        PRIV_RATE__MAX
};

/* A mount namespace that processes of a container have made or entered, beside its own. */
#define CONTAINER_NAMESPACES 16u
struct container_ns {
        uint64_t mntns;
        uint32_t tasks; /* that are known to live in it */
};

struct container {
        uint32_t tag; /* never reused while the agent runs */
        char id[CONTAINER_ID + 1];
        const char *runtime; /* static */
        uint32_t init_pid;
        uint64_t init_start;
        uint64_t mntns, pidns, netns;
        bool running_before;
        uint8_t net_scope; /* where its flows are watched: the daemon's word */
        uint8_t flows_told; /* enum tide_flows: whether they are, as was told */
        bool stopping; /* its runtime has been asked to end it */
        uint64_t first_boot_ns;  /* its first act that we know of */
        uint64_t marked_boot_ns; /* when our marks stood; 0: not yet */
        char *cgroup, *upper, *lower, *fstype, *rootdir, *bundle; /* owned; upper NULL: no usable one */
        char *seen_at; /* owned; where its root appears among our paths when not at "/": a runtime in a chroot */
        uint32_t root_mount_id;
        uint64_t root_dev;   /* st_dev of its root directory */
        struct layer *layer; /* NULL without an upper directory */
        uint32_t tasks;      /* living processes that trace/ knows */
        uint64_t walks, walk_entries;
        uint64_t compare_told_ns; /* when a comparison of all of it was recorded for auditors; 0: never */
        bool compare_told_whole;  /* … and whether it met everything */
        uint64_t walked_wall_ns; /* when the last walk of everything began that met all and compared all */
        uint32_t dirs_refused;       /* of the last walk of everything, and of subtrees since */
        char covered[COVERAGE_MAX];  /* by what, as it was told last */
        int how; /* enum fan_how */
        uint64_t unread_until_ns; /* the memory of a process of it did not answer: none is read until then */
        uint32_t hangs;           /* how often */
        struct visits *visits;    /* owned: what its exec sessions are measured by; NULL: nothing yet */
        struct rate look_rate;    /* how often its processes' mappings are looked at */
        uint32_t strangers;     /* of tasks: entered from the host, they do not keep it alive */
        uint64_t empty_boot_ns; /* when its last task ended; 0: it has some */
        uint32_t root_uid;      /* which user of the host its root is, once somebody asked */
        bool root_known;
        struct container_ns others[CONTAINER_NAMESPACES];
        uint32_t nothers;
        uint64_t others_refused; /* there was no room for them */
        uint64_t walk_due_ns;    /* a walk is owed then for the sake of another namespace; 0: none */
        uint64_t walked_ns;      /* when the last such one was */
        struct { /* what the trail holds of how it is watched: the daemon's */
                uint64_t from_ns;   /* boot time since when; 0: not yet */
                uint64_t due_ns;    /* something is to be recorded then; 0: nothing */
                uint64_t losses;    /* that had been told before */
                uint32_t changes;   /* recorded */
                bool began;         /* recorded */
                char means[192];    /* as it was recorded last */
        } trail;
        struct rate priv_rate[PRIV_RATE__MAX]; /* how many privilege events it has told */
};

/* nspid: use NSpid of /proc/PID/status where the kernel has it. */
int containers_new(size_t limit, bool nspid, struct containers **ret) TM_CHECK;
struct containers *containers_free(struct containers *cs);
DEFINE_CLEANUP(struct containers *, containers_free)

/*
 * The container of a process, registering it if it is new. *ret_new says so. -ENOENT: in none (also: the id is claimed
 * but not shared); -EAGAIN: not ready yet (its root is still the host's, as while a runtime prepares it);
 * -ESRCH: gone; ERR_LIMIT: the table is full (counted); -ESTALE: its id belongs to a container that has ended meanwhile
 * and runs anew: *ret is the old one, to be removed by the caller, who then asks again.
 */
int containers_of_pid(struct containers *cs, uint32_t pid, struct container **ret, bool *ret_new) TM_CHECK;
struct container *containers_by_tag(const struct containers *cs, uint32_t tag);
struct container *containers_by_id(const struct containers *cs, struct bytes id);
/* The one with a living task whose mount or pid namespace this is; NULL if none. */
struct container *containers_by_ns(const struct containers *cs, uint64_t mntns, uint64_t pidns);
/* The one whose root file system has this st_dev; NULL if none. */
struct container *containers_by_dev(const struct containers *cs, uint64_t dev);
/* Remove and free. */
void containers_remove(struct containers *cs, struct container *c);
size_t containers_count(const struct containers *cs);
uint64_t containers_refused(const struct containers *cs);
/*
 * A program runs in a mount and a pid namespace that are neither the host's nor any container's, and no cgroup says
 * whose (builds, rootless containers where cgroups are of version 1): it is not watched. Each such mount namespace
 * counts once (a few of the last are remembered).
 */
void containers_unnamed(struct containers *cs, uint64_t mntns);
uint64_t containers_unnamed_count(const struct containers *cs);
/* A start or stop event with all that is known of c; times and sources are the caller's. Strings borrow from c. */
void container_event(const struct container *c, uint16_t kind, struct tide_event *ret);
int containers_next(const struct containers *cs, size_t *i, struct container **ret);

#endif
