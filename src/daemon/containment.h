/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * containment - what is decided of containers that are, or shall be, cut off: may a policy do it, when does it end, how
 * often are rules made again that somebody removes; and what is said of it before it is done. Pure: it is told the
 * time.
 *
 * Times are of the clock that counts from the machine's start and is never set (boot time), as containments live no
 * longer than the machine runs.
 */
#ifndef TIDEMARK_DAEMON_CONTAINMENT_H
#define TIDEMARK_DAEMON_CONTAINMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/clock.h"
#include "tidemark/str.h"

struct buf;

#define CONTAINMENT_HOUR (3600 * NSEC_PER_SEC)
#define CONTAINMENT_PER_HOUR 100u /* the most that contain.per_hour may be */
#define CONTAINMENT_LONGEST_S (3650ll * 86400)

/* ---- may a policy isolate it? ---- */

enum containment_auto { CONTAINMENT_OFF, CONTAINMENT_DRY_RUN, CONTAINMENT_ON };
/* "off", "dry-run", "on"; another word: off. */
enum containment_auto containment_auto_of(const char *word);

/* What was isolated by policy within the last hour. Begins as zeros. */
struct containment_rate {
        uint64_t at_ns[CONTAINMENT_PER_HOUR]; /* oldest first */
        uint32_t n;
        uint64_t refused; /* since the agent started */
};
/* One was: now, or in an earlier life of the agent. Order does not matter. */
void containment_count(struct containment_rate *r, uint64_t at_ns, uint64_t now_ns);
/* So many within the hour up to now. */
uint32_t containment_recent(struct containment_rate *r, uint64_t now_ns);

enum containment_grant {
        CONTAINMENT_GRANTED,
        CONTAINMENT_WOULD,    /* dry run: it is only said */
        CONTAINMENT_IS_OFF,   /* the configuration does not allow it */
        CONTAINMENT_NONE,     /* there is no such container */
        CONTAINMENT_SHARED,   /* it shares the host's network namespace: the host itself would be cut off */
        CONTAINMENT_ALREADY,  /* it is isolated */
        CONTAINMENT_TOO_MANY, /* contain.per_hour */
        CONTAINMENT__GRANTS
};
struct containment_ask {
        enum containment_auto mode;
        bool known;    /* the sensor itself sees a container of that id running */
        bool host_net; /* in the host's network namespace */
        bool isolated;
        uint32_t per_hour;
};
/* Does not count it: containment_count() does, once it is begun. */
enum containment_grant containment_may(const struct containment_ask *a, struct containment_rate *r, uint64_t now_ns);
/* In words, for trail and finding: "granted", "at most 3 containers an hour are isolated by itself (contain.per_hour)".
 */
void containment_grant_words(enum containment_grant g, uint32_t per_hour, char *dst, size_t size);

/* ---- rules that are gone ---- */

struct containment_again {
        uint64_t at_ns; /* of the current minute's beginning */
        uint32_t n;     /* removals in it */
        uint64_t total;
        bool told; /* that it happens again and again */
};
enum containment_mend {
        CONTAINMENT_MEND,       /* make them again now */
        CONTAINMENT_MEND_TELL,  /* … and say that it is repeated: somebody does it on purpose */
        CONTAINMENT_MEND_LATER, /* when this minute is over */
};
#define CONTAINMENT_REPEATED 3u /* removals in a minute that are no accident any more */
enum containment_mend containment_mend(struct containment_again *a, uint32_t per_minute, uint64_t now_ns);
/* When to try again after CONTAINMENT_MEND_LATER. */
uint64_t containment_mend_at(const struct containment_again *a);

/* ---- the end ---- */

/* until 0: never. Is it over? */
bool containment_expired(uint64_t until_ns, uint64_t now_ns);
/* What an operator gave: seconds. -EINVAL: none, or longer than ten years; else *ret in ns from now. */
int containment_until(struct bytes seconds, uint64_t now_ns, uint64_t *ret) TM_CHECK;

/* ---- what is said before ---- */

#define CONTAINMENT_MATES 16u

/* What is known of the container that it is about; empty: not known. Borrowed. */
struct containment_facts {
        struct bytes name;                     /* of the container; empty: its id */
        struct bytes mates[CONTAINMENT_MATES]; /* names of those that share its network namespace */
        size_t nmates, mates_more, others;     /* others: processes there that are in no container */
        size_t elsewhere; /* processes of it in other network namespaces; in_host: one of these is the host's */
        bool in_host;
        bool cgroup;   /* it is cut by its cgroup, in the host's network */
        bool host_net; /* it is the host's */
        bool kube, removed;
        struct bytes restart, unhealthy, health; /* health: NUL-separated */
        bool keep_probes;
        size_t nallow;      /* addresses that stay */
        struct bytes allow; /* as configured, ", " between */
        /* Where it is cut: */
        struct bytes peer;    /* the host's interface that leads to it; empty: none that could be found */
        bool ingress, egress; /* the kernel lets us cut there: what comes out of the container, what goes in */
        bool net_admin;       /* a task of it has CAP_NET_ADMIN in its network namespace */
        struct bytes why_not; /* why it is not cut outside of the namespace, in words; empty: it is */
};

/* Sentences, one after the other, each closed by '\n', escaped. n from 0 could not tell which are there: all at once.
 */
void containment_say_isolate(const struct containment_facts *f, struct buf *out);
void containment_say_kill(const struct containment_facts *f, struct buf *out);
/* Why the host's own network is not cut, and what can be done instead. */
void containment_say_host(const struct containment_facts *f, struct buf *out);

#endif
