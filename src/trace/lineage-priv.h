/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lineage-priv - what a process was, for its descendants. A link is one process between two execs; children hold the
 * link that their parent had when it forked, so that a later exec of the parent does not change their ancestry.
 */
#ifndef TIDEMARK_TRACE_LINEAGE_PRIV_H
#define TIDEMARK_TRACE_LINEAGE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

/* Shared bytes, counted. */
struct rstr {
        uint32_t refs, len;
        char data[];
};
struct rstr *rstr_new(struct bytes s) TM_CHECK; /* NULL when out of memory */
struct rstr *rstr_ref(struct rstr *s);
struct rstr *rstr_unref(struct rstr *s);
struct bytes rstr_bytes(const struct rstr *s); /* of NULL: empty */

struct link {
        uint32_t refs;
        uint32_t pid;
        uint64_t start;
        uint32_t depth;    /* links above */
        bool complete;     /* the links above reach the container's init or the exec session's first process */
        bool inherited;    /* it has not called exec: it runs what the link above runs */
        uint8_t exe_layer; /* enum tide_layer */
        char comm[16];
        struct rstr *exe; /* NULL: inherited, or unknown */
        struct link *up;
};
/* Takes its own reference to up, which may be NULL. A chain that grows too long loses its outermost part. */
struct link *link_new(uint32_t pid, uint64_t start, struct link *up) TM_CHECK;
struct link *link_ref(struct link *l);
struct link *link_unref(struct link *l);
struct rstr *link_exe(const struct link *l); /* borrowed, NULL: unknown */
uint8_t link_layer(const struct link *l);
/* The ancestors above l as a lineage list, outermost first. True: nothing is missing in it. */
bool link_lineage(const struct link *l, struct buf *out);

#endif
