/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meta_resolv - texts that say which name servers a container is configured with; whom to believe is resolvers.c's. */
#include "parse/meta-priv.h"
#include "tidemark/resolvers.h"

static void keep(struct buf *to, struct bytes text)
{
        uint32_t room = META_RESOLV_MAX - 1;

        buf_reset(to);
        buf_put(to, text.p, text.len < room ? text.len : room);
        buf_put_u8(to, '\n');
}

int resolv_own(struct meta *m, struct bytes text)
{
        keep(&m->resolv, text);
        m->resolv_read = m->resolv.err == 0;
        return m->resolv.err;
}

int resolv_host(struct meta *m, struct bytes text)
{
        keep(&m->host_resolv, text);
        return m->host_resolv.err;
}

/* One word: it must not make lines of its own. */
void resolv_add_server(struct meta *m, struct bytes address)
{
        if (address.len == 0 || address.len > 48)
                return;
        for (uint32_t i = 0; i < address.len; i++)
                if (address.p[i] <= ' ')
                        return;
        buf_put_str(&m->servers, "nameserver ");
        buf_put(&m->servers, address.p, address.len);
        buf_put_u8(&m->servers, '\n');
}

void meta_resolv(const struct meta *m, struct resolvers_files *ret)
{
        *ret = (struct resolvers_files){.found = m->resolv_read,
                                        .own = buf_bytes(&m->resolv),
                                        .host = buf_bytes(&m->host_resolv),
                                        .given = buf_bytes(&m->servers),
                                        .embedded = m->embedded_server};
}
