/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the form of what a decision carries of an imported baseline. Recorded: fields are added at the end. Pure. */
#include "tidemark/transfer.h"

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"

#define FORM 1u

enum entry_flag { F_SEVERAL = 1, F_INHERITED = 2, F_APPROVED = 4, F_COUNTED = 8 };

void transfer_entry_put(const struct transfer_entry *e, struct buf *out)
{
        buf_put_u8(out, FORM);
        buf_put_u8(out, (uint8_t)e->dim);
        buf_put_bytes(out, e->key);
        buf_put_bytes(out, e->exe);
        buf_put_u64(out, (uint64_t)e->first_ns);
        buf_put_u64(out, (uint64_t)e->last_ns);
        buf_put_u64(out, e->count);
        buf_put_u32(out, e->windows);
        buf_put_u8(out, e->phases);
        buf_put_u32(out, e->replicas);
        buf_put_u8(out, (uint8_t)((e->several ? F_SEVERAL : 0) | (e->inherited ? F_INHERITED : 0) |
                                  (e->approved ? F_APPROVED : 0) | (e->counted ? F_COUNTED : 0)));
        buf_put_bytes(out, e->by);
        buf_put_bytes(out, e->reason);
        buf_put_u64(out, (uint64_t)e->approved_ns);
        buf_put_bytes(out, e->sha256);
}

int transfer_entry_decode(struct bytes value, struct transfer_entry *ret)
{
        struct transfer_entry e = {.raised = false};
        uint8_t form, dim, flags;
        struct rd r;

        rd_init(&r, value.p, value.len);
        form = rd_u8(&r);
        dim = rd_u8(&r);
        e.key = rd_bytes(&r);
        e.exe = rd_bytes(&r);
        e.first_ns = (int64_t)rd_u64(&r);
        e.last_ns = (int64_t)rd_u64(&r);
        e.count = rd_u64(&r);
        e.windows = rd_u32(&r);
        e.phases = rd_u8(&r);
        e.replicas = rd_u32(&r);
        flags = rd_u8(&r);
        e.by = rd_bytes(&r);
        e.reason = rd_bytes(&r);
        e.approved_ns = (int64_t)rd_u64(&r);
        e.sha256 = rd_bytes(&r);
        if (r.err)
                return r.err;
        if (form < FORM || dim >= DIM__MAX || e.key.len == 0 || e.key.len > TRANSFER_KEY || e.exe.len > TRANSFER_KEY ||
            (e.sha256.len != 0 && e.sha256.len != TIDE_SHA256))
                return ERR_SCHEMA;
        e.dim = (enum dimension)dim;
        e.several = flags & F_SEVERAL;
        e.inherited = flags & F_INHERITED;
        e.approved = flags & F_APPROVED;
        e.counted = flags & F_COUNTED;
        *ret = e;
        return 0;
}

void transfer_dimension_put(const struct transfer_dimension *d, struct buf *out)
{
        buf_put_u8(out, FORM);
        buf_put_u8(out, (uint8_t)d->dim);
        buf_put_u8(out, (uint8_t)(d->active | d->declared << 1));
        buf_put_u32(out, d->windows);
}

int transfer_dimension_decode(struct bytes value, struct transfer_dimension *ret)
{
        uint8_t form, dim, flags;
        struct rd r;

        rd_init(&r, value.p, value.len);
        form = rd_u8(&r);
        dim = rd_u8(&r);
        flags = rd_u8(&r);
        *ret = (struct transfer_dimension){.active = flags & 1, .declared = flags & 2, .windows = rd_u32(&r)};
        if (r.err)
                return r.err;
        if (form < FORM || dim >= DIM__MAX)
                return ERR_SCHEMA;
        ret->dim = (enum dimension)dim;
        return 0;
}
