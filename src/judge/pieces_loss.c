/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the encoded form of losses of late, under their place among them. Must not: store them: they are of this life
 * of the agent, and only a snapshot for a recording holds them. Pure.
 */
#include <errno.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

#define FORMAT 1u

static void put_loss(struct judge *j, const struct known_loss *l)
{
        buf_reset(&j->blob);
        buf_put_u32(&j->blob, FORMAT);
        buf_put_u64(&j->blob, (uint64_t)l->from_ns);
        buf_put_u64(&j->blob, (uint64_t)l->to_ns);
        buf_put_u64(&j->blob, l->count);
        buf_put_u8(&j->blob, l->unknown);
        buf_put_bytes(&j->blob, str_get(&l->container));
        buf_put_bytes(&j->blob, str_get(&l->words));
}

int pieces_each_loss(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
                     void *arg)
{
        int r = 0;

        for (uint8_t i = 0; r >= 0 && i < LOSSES_KEPT; i++) {
                const struct known_loss *l = &j->losses[(j->next_loss + i) % LOSSES_KEPT];

                if (l->to_ns == 0)
                        continue;
                put_loss(j, l);
                r = j->blob.err ? j->blob.err : cb(PIECE_LOSS, bytes_of(&i, 1), buf_bytes(&j->blob), arg);
        }
        return r;
}

/* They come in their order, the oldest first. */
int pieces_restore_loss(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct known_loss *l = &j->losses[j->next_loss];
        int err;

        (void)key;
        (void)format;
        l->from_ns = (int64_t)rd_u64(r);
        l->to_ns = (int64_t)rd_u64(r);
        l->count = rd_u64(r);
        l->unknown = rd_u8(r) != 0;
        err = str_set(&l->container, rd_bytes(r));
        if (err == 0)
                err = str_set(&l->words, rd_bytes(r));
        if (err < 0 || r->err) {
                l->to_ns = 0;
                return err < 0 ? err : r->err;
        }
        j->next_loss = (j->next_loss + 1) % LOSSES_KEPT;
        return 0;
}
