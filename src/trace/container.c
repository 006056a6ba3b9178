/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * container - the table of running containers. How one is found is in container_find.c.
 *
 * Owns:      the containers, their strings and layers.
 * Never:     keeps a descriptor; removes one by itself (proctab says when the last task is gone).
 */
#include "tidemark/container.h"

#include <errno.h>
#include <string.h>

#include "container-priv.h"
#include "container_table-priv.h"
#include "visit-priv.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/layer.h"

#define LOWER_TOLD (16u * 1024)

static void container_free(void *p)
{
        struct container *c = p;

        if (!c)
                return;
        layer_free(c->layer);
        free(c->cgroup);
        free(c->upper);
        free(c->lower);
        free(c->fstype);
        free(c->rootdir);
        free(c->bundle);
        free(c->seen_at);
        visits_free(c->visits);
        free(c);
}

int containers_new(size_t limit, bool nspid, struct containers **ret)
{
        struct containers *cs = calloc(1, sizeof(*cs));
        int r;

        if (!cs)
                return -ENOMEM;
        cs->nspid = nspid;
        r = map_new(limit, map_seed_random(), container_free, &cs->by_id);
        if (r == 0)
                r = containers_find_host(cs);
        if (r < 0) {
                containers_free(cs);
                return r;
        }
        *ret = cs;
        return 0;
}

struct containers *containers_free(struct containers *cs)
{
        if (cs) {
                map_free(cs->by_id);
                free(cs->host_root);
                free(cs);
        }
        return NULL;
}

static int copy(char **dst, const char *src)
{
        *dst = src ? strdup(src) : NULL;
        return src && !*dst ? -ENOMEM : 0;
}

int containers_insert(struct containers *cs, const struct container *proto, struct container **ret)
{
        struct container *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = *proto;
        c->layer = NULL;
        c->cgroup = c->upper = c->lower = c->fstype = c->rootdir = c->bundle = c->seen_at = NULL;
        if (copy(&c->cgroup, proto->cgroup) < 0 || copy(&c->upper, proto->upper) < 0 ||
            copy(&c->lower, proto->lower) < 0 || copy(&c->fstype, proto->fstype) < 0 ||
            copy(&c->rootdir, proto->rootdir) < 0 || copy(&c->bundle, proto->bundle) < 0 ||
            copy(&c->seen_at, proto->seen_at) < 0) {
                container_free(c);
                return -ENOMEM;
        }
        if (c->upper && layer_new(bytes_str(c->upper), bytes_str(c->lower), &c->layer) < 0) {
                free(c->upper); /* not an absolute path: unusable, and said so */
                c->upper = NULL;
        }
        c->tag = ++cs->last_tag;
        r = map_put(cs->by_id, bytes_str(c->id), c);
        if (r < 0) {
                container_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

uint64_t containers_own_mntns(const struct containers *cs)
{
        return cs->own_mntns;
}

bool containers_is_host_mntns(const struct containers *cs, uint64_t ns)
{
        return ns && (ns == cs->own_mntns || ns == cs->host_mntns);
}

uint64_t containers_own_pidns(const struct containers *cs)
{
        return cs->own_pidns;
}

struct container *containers_by_id(const struct containers *cs, struct bytes id)
{
        return map_get(cs->by_id, id);
}

int containers_next(const struct containers *cs, size_t *i, struct container **ret)
{
        void *value;

        if (!map_next(cs->by_id, i, NULL, &value))
                return 0;
        *ret = value;
        return 1;
}

struct container *containers_by_tag(const struct containers *cs, uint32_t tag)
{
        struct container *c;

        for (size_t i = 0; containers_next(cs, &i, &c);)
                if (c->tag == tag)
                        return c;
        return NULL;
}

struct container *containers_by_ns(const struct containers *cs, uint64_t mntns, uint64_t pidns)
{
        struct container *c, *by_pid = NULL;

        for (size_t i = 0; containers_next(cs, &i, &c);) {
                if (c->tasks == 0) /* its namespaces are gone: the kernel gives their numbers to the next */
                        continue;
                if (mntns && mntns != cs->own_mntns && c->mntns == mntns)
                        return c;
                if (pidns && pidns != cs->own_pidns && c->pidns == pidns && !by_pid)
                        by_pid = c;
        }
        return by_pid;
}

struct container *containers_by_dev(const struct containers *cs, uint64_t dev)
{
        struct container *c, *living = NULL, *gone = NULL;
        unsigned n = 0, n_gone = 0;

        for (size_t i = 0; dev && containers_next(cs, &i, &c);) {
                if (c->root_dev != dev)
                        continue;
                *(c->tasks ? &living : &gone) = c;
                *(c->tasks ? &n : &n_gone) += 1;
        }
        /* Containers may share a file system (bind-mounted roots): then it names none of them. The number of one that
         * is gone may have been given to the next; what still holds one of its files keeps it from that. */
        return n == 1 ? living : n == 0 && n_gone == 1 ? gone : NULL;
}

void containers_remove(struct containers *cs, struct container *c)
{
        if (map_del(cs->by_id, bytes_str(c->id)) < 0)
                return; /* not in the table: not ours to free */
}

size_t containers_count(const struct containers *cs)
{
        return map_count(cs->by_id);
}

void containers_unnamed(struct containers *cs, uint64_t mntns)
{
        for (size_t i = 0; i < CONTAINERS_UNNAMED; i++)
                if (cs->unnamed[i] == mntns)
                        return;
        cs->unnamed[cs->unnamed_count++ % CONTAINERS_UNNAMED] = mntns;
}

uint64_t containers_unnamed_count(const struct containers *cs)
{
        return cs->unnamed_count;
}

uint64_t containers_refused(const struct containers *cs)
{
        return map_refused(cs->by_id);
}

void container_event(const struct container *c, uint16_t kind, struct tide_event *ret)
{
        struct tide_event ev = {.kind = kind, .container = bytes_str(c->id)};
        struct tide_ctr *ctr = &ev.ctr;

        ctr->runtime = bytes_str(c->runtime);
        ctr->init_pid = c->init_pid;
        ctr->init_start = c->init_start;
        ctr->cgroup = bytes_str(c->cgroup);
        ctr->root_fstype = bytes_str(c->fstype);
        ctr->upper = bytes_str(c->upper);
        ctr->lower = bytes_str(c->lower);
        if (ctr->lower.len > LOWER_TOLD)
                ctr->lower.len = LOWER_TOLD;
        ctr->netns = c->netns;
        ctr->mntns = c->mntns;
        ctr->pidns = c->pidns;
        ctr->running_before = c->running_before;
        ctr->stopping = c->stopping;
        if (c->first_boot_ns && c->marked_boot_ns > c->first_boot_ns)
                ctr->gap_ns = c->marked_boot_ns - c->first_boot_ns;
        ctr->rootdir = bytes_str(c->rootdir);
        ctr->bundle = bytes_str(c->bundle);
        *ret = ev;
}
