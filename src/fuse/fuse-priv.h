/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuse-priv - what the files of this room share: containers with their index (pieces.c), what is held back (hold.c). */
#ifndef TIDEMARK_FUSE_FUSE_PRIV_H
#define TIDEMARK_FUSE_FUSE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuse/index-priv.h"
#include "fuse/script-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/fuse.h"
#include "tidemark/map.h"

/*
 * Fixed, as hashes are stored and must be the same in replay. Two names of one container that share a hash are taken
 * for one only if their change times are equal to the nanosecond too, and those nobody can choose.
 */
#define FUSE_SEED ((struct map_seed){UINT64_C(0x746964656d61726b), UINT64_C(0x6675736566757365)})

struct held { /* a file event that waits for its other half */
        struct held *next, *prev;           /* of all, in order of arrival */
        struct held *lane_next, *lane_prev; /* of its container */
        struct held *chain;                 /* of those in one slot of the table by path, the latest first */
        struct lane *lane;
        uint64_t due, hash;
        struct buf record;
        uint32_t id_len, path_len;
        uint8_t name[]; /* container, path */
};
struct lane {
        struct held *first, *last;
        struct ctr *ctr; /* NULL: of those that are not known */
};

struct ctr {
        struct bytes id; /* owned */
        struct lane lane;
        struct index index;
        bool meta_dirty;
        /* Stored: */
        bool running_before;
        bool known;            /* a walk of everything ended: from then on only what changes is told */
        int64_t start_ns;      /* wall clock at which it was told; 0: not yet */
        int64_t first_exec_ns; /* wall clock of its first program; 0: none yet */
        /* Of the walk under way: */
        bool walking, whole;
        uint8_t reason;
        uint32_t walk;
        uint64_t refused, refused_at_begin; /* names that the index did not take */
};

#define HELD_SLOTS 1024u
#define TOLD_NEAR_NS 1000000000u /* a walk that meets a name told so shortly before has nothing new */

struct fuse {
        struct fuse_params p;
        const struct fuse_ops *ops;
        void *arg;
        struct map *ctrs;    /* container id → struct ctr; from its start, or from the store */
        struct ctr *latest;  /* of them: asked for most often */
        struct held *by_path[HELD_SLOTS];
        struct lane stray; /* of containers that are not known */
        struct held *first, *last;
        uint64_t save_due; /* boot time; 0: everything is saved */
        uint64_t now;      /* boot time of the latest event */
        struct script_names interpreters;
        struct buf key, merged, blob, scripts; /* scratch */
        struct fuse_stats stats;
};

/* pieces.c */
void ctr_free(void *ctr);
struct ctr *ctr_get(struct fuse *f, struct bytes id);  /* NULL: not known */
struct ctr *ctr_make(struct fuse *f, struct bytes id); /* the known one or a new one; NULL: no room */
void pieces_save(struct fuse *f, struct ctr *c);
void pieces_save_all(struct fuse *f);
void pieces_drop(struct fuse *f, struct ctr *c); /* c is gone after it */
/* Something is to be saved, at the latest when fuse_due() says. */
void pieces_changed(struct fuse *f, const struct ctr *c, uint64_t boot_ns);

/* hold.c: what leaves goes through fuse_tell() */
/* Of the lane; hash: of its path. */
int hold_event(struct fuse *f, struct lane *lane, uint64_t hash, const struct tide_event *ev);
int hold_join(struct fuse *f, uint64_t hash, const struct tide_event *ev); /* 1: it was one with what is held */
int hold_release_lane(struct fuse *f, struct lane *lane);
int hold_release_due(struct fuse *f, uint64_t now);
int hold_release_all(struct fuse *f);
void hold_free(struct fuse *f);

/* fuse.c */
int fuse_tell(struct fuse *f, struct ctr *c, uint64_t hash, const struct tide_event *ev); /* a file event */

#endif
