/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta_resolv - which name servers a container is configured with, of several files.
 *
 * Docker's embedded server (moby, libnetwork/resolver.go) stands at 127.0.0.11 in the container's namespace and asks
 * others from there, so that their answers pass there too: those of `--dns` (hostconfig.json), else those of the host's
 * resolv.conf. Where the container's own file does not name it none of these counts.
 */
#include "parse/dns-priv.h"
#include "parse/meta-priv.h"

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

static bool is_embedded(struct bytes text)
{
        static const uint8_t embedded[4] = {127, 0, 0, 11};
        struct dns_addr list[DNS_SERVERS_MAX], a = dns_addr_of(bytes_of(embedded, sizeof(embedded)));
        uint32_t n = dns_parse_resolv(text, list, DNS_SERVERS_MAX);

        for (uint32_t i = 0; i < n; i++)
                if (dns_addr_eq(&list[i], &a))
                        return true;
        return false;
}

struct bytes meta_resolv(struct meta *m)
{
        struct buf *out = &m->out_resolv;
        const struct buf *more = m->servers.len ? &m->servers : &m->host_resolv;

        buf_reset(out);
        if (!m->resolv_read)
                return buf_bytes(out);
        buf_put(out, m->resolv.p, m->resolv.len);
        if (is_embedded(buf_bytes(&m->resolv)))
                buf_put(out, more->p, more->len);
        return buf_bytes(out);
}
