/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the form of what a worker is told and tells. Must not: believe what it reads. Pure. */
#include "tidemark/supplywire.h"

#include "tidemark/buf.h"
#include "tidemark/err.h"

int supplywire_encode(const struct supplywire *m, struct buf *out)
{
        const struct supply_result *k = &m->result;

        buf_reset(out);
        buf_put_u8(out, m->kind);
        buf_put_u32(out, m->number);
        buf_put_u8(out, m->signature);
        buf_put_u8(out, m->flags);
        buf_put_u32(out, m->key);
        buf_put_u64(out, m->bytes);
        buf_put_u32(out, (uint32_t)m->status);
        buf_put_bytes(out, m->name);
        buf_put_bytes(out, m->text);
        buf_put_bytes(out, m->sha256);
        buf_put_u32(out, k->documents);
        buf_put_u32(out, k->refused);
        buf_put_u64(out, k->admissions);
        buf_put_u64(out, k->lines_passed);
        buf_put_u64(out, k->lines_undigested);
        buf_put_u64(out, k->lines_refused);
        if (out->err)
                return out->err;
        return out->len > SUPPLYWIRE_MAX ? ERR_LIMIT : 0;
}

int supplywire_decode(const void *p, size_t len, struct supplywire *ret)
{
        struct supplywire m = {.kind = SUPPLYWIRE_NONE};
        struct rd r;

        rd_init(&r, p, len);
        m.kind = rd_u8(&r);
        m.number = rd_u32(&r);
        m.signature = rd_u8(&r);
        m.flags = rd_u8(&r);
        m.key = rd_u32(&r);
        m.bytes = rd_u64(&r);
        m.status = (int32_t)rd_u32(&r);
        m.name = rd_bytes(&r);
        m.text = rd_bytes(&r);
        m.sha256 = rd_bytes(&r);
        m.result.documents = rd_u32(&r);
        m.result.refused = rd_u32(&r);
        m.result.admissions = rd_u64(&r);
        m.result.lines_passed = rd_u64(&r);
        m.result.lines_undigested = rd_u64(&r);
        m.result.lines_refused = rd_u64(&r);
        if (r.err || r.pos != len || m.kind == SUPPLYWIRE_NONE || m.kind >= SUPPLYWIRE__MAX ||
            m.signature >= SIGNATURE__MAX)
                return ERR_SCHEMA;
        *ret = m;
        return 0;
}
