/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auditjoin-priv - what the two files of auditjoin share: acts that are kept, and filling an event from one. */
#ifndef TIDEMARK_PARSE_AUDITJOIN_PRIV_H
#define TIDEMARK_PARSE_AUDITJOIN_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/audit.h"
#include "tidemark/auditjoin.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/map.h"

#define ACTS_KEPT 1024u
#define ACTS_OWED 256u

enum who_state { WHO_NOT_ASKED, WHO_ASKED, WHO_KNOWN };

struct kept {
        struct audit_act act; /* its strings lie in block */
        uint8_t *block;
        uint64_t at_ns, token;
        bool used;
        uint8_t who; /* enum who_state */
        uint8_t *who_record; /* the answer, encoded */
        size_t who_len;
        uint64_t who_container, who_netns; /* hash of the id; the namespace, 0: not known */
};

/* An event that was complete when it came, and whose act had not come: that act is its, and no other's. */
struct owed {
        uint8_t kind; /* enum audit_kind; AUDIT_NOTHING: free */
        uint32_t pid;
        uint16_t port;
        int64_t wall_ns;
};

/* Acts of the last seconds, oldest first. */
struct acts {
        struct kept ring[ACTS_KEPT];
        uint32_t pids[ACTS_KEPT];   /* of the same places; 0: none: what is looked through for an execution */
        uint64_t places[ACTS_KEPT]; /* keys of calls; 0: none, or used: what is looked through for a flow */
        struct map_seed seed;
        size_t first, n;
        struct owed owed[ACTS_OWED];
        size_t next_owed;
        uint64_t last_token, crowded;
};

struct acts *acts_new(void);
struct acts *acts_free(struct acts *a);
/* NULL: it was owed, or there is no memory. */
struct kept *acts_add(struct acts *a, const struct audit_act *act, uint64_t now_ns);
void acts_expire(struct acts *a, uint64_t now_ns);
void acts_owe(struct acts *a, uint8_t kind, uint32_t pid, uint16_t port, int64_t wall_ns);
/* The one of an execution; of one whose program is known, only one of that. NULL: none (yet). */
struct kept *acts_exec(struct acts *a, const struct tide_event *ev);
/* By what an act and its event find each other: the process, or where it goes. Never 0 of a call. */
uint64_t acts_key(const struct acts *a, const struct audit_act *act);
uint64_t acts_key_of(const struct acts *a, const struct tide_event *ev);
/* The next one behind *i that may be of this flow, by destination and time. */
struct kept *acts_connect(struct acts *a, const struct tide_event *ev, uint64_t key, size_t *i);
bool acts_near(const struct kept *k, int64_t wall_ns);
void acts_use(struct acts *a, struct kept *k);
struct kept *acts_asked(struct acts *a, uint64_t token);

/* Does it lack what an act could tell? */
bool auditjoin_lacks_exec(const struct tide_event *ev);
bool auditjoin_lacks_flow(const struct tide_event *ev);
/* Fill in what is not known. scratch holds a path that had to be put together. */
void auditjoin_fill_exec(struct tide_event *ev, const struct audit_act *act, struct buf *scratch);
void auditjoin_fill_flow(struct tide_event *ev, const struct audit_act *act, const struct tide_event *who);

#endif
