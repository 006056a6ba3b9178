/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: lists of packages in memory and in pieces. Must not: know whose they are. Pure. */
#include "judge/package_list-priv.h"

#include <errno.h>
#include <stdlib.h>

#include "tidemark/err.h"

int array_grow(void **array, uint32_t *cap, uint32_t n, size_t each)
{
        uint32_t more = *cap ? 2 * *cap : 64;
        void *p;

        if (n < *cap)
                return 0;
        p = realloc(*array, more * each);
        if (!p)
                return -ENOMEM;
        *array = p;
        *cap = more;
        return 0;
}

void package_list_init(struct package_list *l)
{
        *l = (struct package_list){.n = 0};
        buf_init(&l->all, PACKAGE_LIST_BYTES);
}

void package_list_release(struct package_list *l)
{
        free(l->at);
        buf_release(&l->all);
        package_list_init(l);
}

size_t package_list_bytes(const struct package_list *l)
{
        return l->all.cap + l->cap * sizeof(l->at[0]);
}

int package_list_add(struct package_list *l, struct bytes list)
{
        struct tide_prior_package p;
        struct rd r;
        int err = 0;

        rd_init(&r, list.p, list.len);
        while (err == 0 && tide_prior_package_next(&r, &p)) {
                uint32_t at = (uint32_t)l->all.len;

                l->told++;
                if (l->n == PACKAGE_LIST_MAX || l->refused) { /* their numbers are their places: none behind a gap */
                        l->refused++;
                        continue;
                }
                err = array_grow((void **)&l->at, &l->cap, l->n, sizeof(*l->at));
                if (err == 0)
                        tide_prior_package_put(&l->all, &p);
                if (err == 0 && l->all.err == -ENOMEM)
                        err = -ENOMEM;
                if (err == 0 && l->all.err) { /* names of a megabyte: files of the rest are of no known package */
                        l->all.len = at;
                        l->all.err = 0;
                        l->refused++;
                        continue;
                }
                if (err == 0)
                        l->at[l->n++] = at;
        }
        return err;
}

bool package_list_get(const struct package_list *l, uint32_t n, struct tide_prior_package *ret)
{
        struct rd r;

        if (n >= l->n)
                return false;
        rd_init(&r, l->all.p, l->all.len);
        rd_take(&r, l->at[n]);
        return tide_prior_package_next(&r, ret) != 0;
}

uint32_t package_list_put(const struct package_list *l, uint32_t from, struct buf *out)
{
        uint32_t to = from, begin = l->at[from];

        while (to < l->n && (to == from || l->at[to] - begin < PACKAGE_LIST_PIECE))
                to++;
        buf_put_u32(out, from);
        buf_put(out, l->all.p + begin, (to < l->n ? l->at[to] : l->all.len) - begin);
        return to;
}

int package_list_take(struct package_list *l, struct rd *r)
{
        uint32_t from = rd_u32(r), told = l->told;
        int err;

        if (r->err || from != l->n)
                return ERR_SCHEMA;
        err = package_list_add(l, rd_take(r, rd_left(r)));
        l->told = told; /* so many as the head says */
        return err;
}
