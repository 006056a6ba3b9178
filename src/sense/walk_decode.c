/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk_decode - what the walker says, message by message. What it read may be a container's, so all lengths count.
 *
 * Pure. Hands over: one struct walk_said, whose strings lie in the datagram.
 */
#include <errno.h>
#include <string.h>

#include "sense/walk-priv.h"
#include "tidemark/buf.h"

static void entry(struct rd *r, struct walk_entry *e)
{
        uint8_t flags;

        e->path = rd_bytes(r);
        e->type = rd_u8(r);
        flags = rd_u8(r);
        e->whiteout = flags & 1;
        e->opaque = flags & 2;
        e->caps = flags & 4;
        e->mode = rd_u32(r);
        e->uid = rd_u32(r);
        e->gid = rd_u32(r);
        e->nlink = rd_u32(r);
        e->size = rd_u64(r);
        e->ino = rd_u64(r);
        e->mtime_ns = rd_u64(r);
        e->ctime_ns = rd_u64(r);
        e->target = rd_bytes(r);
}

int walk_decode(const void *p, size_t len, struct walk_said *ret, size_t *ret_used)
{
        struct walk_said s = {0};
        uint8_t verdict;
        struct rd r;

        rd_init(&r, p, len);
        s.what = rd_u8(&r);
        s.tag = rd_u32(&r);
        switch (s.what) {
        case WALK_MSG_DIR:
                s.handle = rd_bytes(&r);
                s.path = rd_bytes(&r);
                break;
        case WALK_MSG_ENTRY:
                entry(&r, &s.entry);
                break;
        case WALK_MSG_GONE:
                s.handle = rd_bytes(&r);
                break;
        case WALK_MSG_VERDICT:
                s.cookie = rd_u64(&r);
                verdict = rd_u8(&r);
                s.verdict = verdict <= WALK_DIFFERS ? (enum walk_verdict)verdict : WALK_UNSURE;
                break;
        case WALK_MSG_END:
                s.cookie = rd_u64(&r);
                s.entries = rd_u64(&r);
                s.complete = rd_u8(&r) != 0;
                s.refused = rd_u32(&r);
                break;
        default:
                return -EPROTO;
        }
        if (r.err)
                return -EPROTO;
        *ret = s;
        *ret_used = len - rd_left(&r);
        return 0;
}
