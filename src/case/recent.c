/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the ring of the latest judged acts. Must not: grow, or say anything of what they mean. */
#include "case/recent-priv.h"

#include <errno.h>
#include <stdlib.h>

#include "tidemark/buf.h"
#include "tidemark/finding.h"

#define ACT_MAX 16384u /* bytes of one act */

struct kept {
        uint64_t seq, finding;
        struct str_owned blob; /* the event, encoded */
        struct str_owned workload, words;
};
struct recent {
        struct kept ring[RECENT_KEPT];
        uint64_t n; /* so many were ever put */
        struct buf scratch;
};

int recent_new(struct recent **ret)
{
        struct recent *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        buf_init(&r->scratch, ACT_MAX);
        *ret = r;
        return 0;
}

struct recent *recent_free(struct recent *r)
{
        for (size_t i = 0; r && i < RECENT_KEPT; i++) {
                str_clear(&r->ring[i].blob);
                str_clear(&r->ring[i].workload);
                str_clear(&r->ring[i].words);
        }
        if (r)
                buf_release(&r->scratch);
        free(r);
        return NULL;
}

/* What explains nothing, and takes room. */
static void strip(struct tide_event *ev)
{
        if (ev->kind == TIDE_EXEC) {
                ev->exec.args = ev->exec.cwd = ev->exec.actor.lineage = bytes_of(NULL, 0);
        } else if (ev->kind == TIDE_FILE) {
                ev->file.actor.lineage = ev->file.target = bytes_of(NULL, 0);
        } else if (ev->kind == TIDE_PRIV) {
                ev->priv.actor.lineage = bytes_of(NULL, 0);
        } else {
                ev->flow.actor.lineage = bytes_of(NULL, 0);
        }
}

void recent_put(struct recent *r, const struct tide_event *ev, struct bytes workload, const char *words,
                uint64_t finding)
{
        struct tide_event slim = *ev;
        struct kept *k = &r->ring[r->n % RECENT_KEPT];

        if (ev->kind != TIDE_EXEC && ev->kind != TIDE_FILE && ev->kind != TIDE_PRIV && ev->kind != TIDE_FLOW)
                return;
        strip(&slim);
        buf_reset(&r->scratch);
        if (tide_encode(&slim, &r->scratch) < 0)
                return; /* too long a name: it cannot be explained, and nothing else is lost */
        if (str_set(&k->blob, buf_bytes(&r->scratch)) < 0 || str_set(&k->workload, workload) < 0 ||
            str_set(&k->words, bytes_str(words)) < 0) {
                k->seq = 0;
                return;
        }
        k->seq = ev->seq;
        k->finding = finding;
        r->n++;
}

bool recent_find(const struct recent *r, uint64_t seq, struct recent_act *ret)
{
        uint64_t n = r->n < RECENT_KEPT ? r->n : RECENT_KEPT;
        size_t used;

        for (uint64_t i = 1; seq && i <= n; i++) {
                const struct kept *k = &r->ring[(r->n - i) % RECENT_KEPT];

                if (k->seq != seq || tide_decode(k->blob.p, k->blob.len, &ret->ev, &used) < 0)
                        continue;
                ret->workload = str_get(&k->workload);
                ret->words = str_get(&k->words);
                ret->finding = k->finding;
                return true;
        }
        return false;
}

bool recent_span(const struct recent *r, uint64_t *ret_first, uint64_t *ret_last)
{
        uint64_t n = r->n < RECENT_KEPT ? r->n : RECENT_KEPT;

        if (n == 0)
                return false;
        *ret_first = r->ring[(r->n - n) % RECENT_KEPT].seq;
        *ret_last = r->ring[(r->n - 1) % RECENT_KEPT].seq;
        return true;
}
