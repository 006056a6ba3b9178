/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the kernel, damaged: each decoder stays inside, and always goes forward. */
#include <linux/netlink.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/diag_source.h"
#include "tidemark/fan_source.h"
#include "tidemark/flow_source.h"
#include "tidemark/names_source.h"
#include "tidemark/proc_source.h"

static void inside(const uint8_t *data, size_t size, struct bytes s, const struct names_raw *raw)
{
        bool in_input = s.p >= data && s.p + s.len <= data + size;
        bool in_scratch = s.p >= raw->scratch && s.p + s.len <= raw->scratch + sizeof(raw->scratch);

        if (s.len && !in_input && !in_scratch)
                abort();
}

/* A message of netlink: its length was looked at before it gets here. */
static void netlink(const uint8_t *data, size_t size)
{
        union {
                struct nlmsghdr h;
                uint8_t bytes[4096];
        } space = {.bytes = {0}};
        struct diag_sock d;
        struct flow_msg f;

        if (size < sizeof(space.h) || size > sizeof(space))
                return;
        memcpy(&space, data, size);
        space.h.nlmsg_len = (uint32_t)size;
        if (flow_decode(&space.h, 1, &f) == 0) {
                if (f.payload.len && (f.payload.p < space.bytes || f.payload.p + f.payload.len > space.bytes + size))
                        abort();
                if (f.table.len && (f.table.p < space.bytes || f.table.p + f.table.len > space.bytes + size))
                        abort();
        }
        if (diag_decode(&space.h, 6, &d) == 0 && d.tuple.src.len != 4 && d.tuple.src.len != 16)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct flow_tuple t;
        struct proc_msg m;
        struct fan_event ev;
        struct names_raw raw;
        bool overflow;
        size_t used = 0;

        netlink(data, size);
        if (flow_ip_decode(bytes_of(data, size), &t) == 0 && t.src.len != 4 && t.src.len != 16)
                abort();
        if (proc_decode(data, size, &m) == 0 && memchr(m.comm, 0, sizeof(m.comm)) == NULL)
                abort();
        for (size_t at = 0; at < size && fan_decode(data + at, size - at, &ev, &overflow, &used) == 1; at += used)
                if (used == 0 || used > size - at)
                        abort();
        for (size_t at = 0; at < size && names_decode(data + at, size - at, &raw, &used) == 1; at += used) {
                if (used == 0 || used > size - at)
                        abort();
                inside(data, size, raw.name, &raw);
                inside(data, size, raw.handle, &raw);
        }
        for (size_t at = 0; at < size && inotify_decode(data + at, size - at, &raw, &used) == 1; at += used) {
                if (used == 0 || used > size - at)
                        abort();
                inside(data, size, raw.name, &raw);
                inside(data, size, raw.handle, &raw);
        }
        return 0;
}

FUZZ_MAIN("sense", "tests/fuzz/corpus/sense")
