/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the files that say which name servers a container may ask, while they are coming. Must not: parse them
 * (parse/meta does), or say whom to believe (parse/resolvers). Hands over: servers to parse/dns.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "tidemark/dns.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/meta.h"
#include "tidemark/resolvers.h"

#define MOD "engine"
#define SHOWN 32u /* containers of which something is to be said */

struct engine_resolv {
        struct resolvers *resolvers;
        struct map *coming; /* container id → struct meta */
};

static void on_servers(struct bytes container, const struct bytes *text, void *arg)
{
        struct engine *e = arg;
        int r = 0;

        if (text)
                r = dns_resolvers(e->dns, container, *text);
        else
                dns_any_server(e->dns, container);
        if (r < 0)
                log_warn(MOD, "a container's name servers cannot be kept (%s): any that it asks counts", err_str(r));
}

/* A datagram's socket that is connected there would leave from that very address: no packet is sent for it. */
static bool is_hosts(struct bytes address, void *arg)
{
        union {
                struct sockaddr any;
                struct sockaddr_in four;
                struct sockaddr_in6 six;
        } to = {.any.sa_family = address.len == 4 ? AF_INET : AF_INET6}, from;
        socklen_t len = address.len == 4 ? sizeof(to.four) : sizeof(to.six), size = sizeof(from);
        _cleanup_close_ int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void)arg;
        if (address.len == 4)
                memcpy(&to.four.sin_addr, address.p, 4);
        else
                memcpy(&to.six.sin6_addr, address.p, 16);
        to.four.sin_port = htons(53); /* lies where that of IPv6 does */
        if (fd < 0 || connect(fd, &to.any, len) < 0 || getsockname(fd, &from.any, &size) < 0)
                return false;
        return address.len == 4 ? memcmp(&from.four.sin_addr, address.p, 4) == 0
                                : memcmp(&from.six.sin6_addr, address.p, 16) == 0;
}

static void free_meta(void *m)
{
        meta_free(m);
}

int engine_resolv_open(struct engine *e)
{
        static const struct resolvers_ops ops = {.servers = on_servers, .is_hosts = is_hosts};
        int r;

        e->resolv = calloc(1, sizeof(*e->resolv));
        r = e->resolv ? resolvers_new(e->cfg->max_containers, &ops, e, &e->resolv->resolvers) : -ENOMEM;
        if (r == 0)
                r = map_new(e->cfg->max_containers, map_seed_random(), free_meta, &e->resolv->coming);
        if (r < 0)
                log_error(MOD, "name servers of containers cannot be kept: %s", err_str(r));
        return r;
}

void engine_resolv_close(struct engine *e)
{
        if (!e->resolv)
                return;
        map_free(e->resolv->coming);
        resolvers_free(e->resolv->resolvers);
        free(e->resolv);
        e->resolv = NULL;
}

void engine_resolv_container(struct engine *e, const struct tide_event *ev)
{
        int r = resolvers_container(e->resolv->resolvers, ev->container, ev->ctr.netns);

        if (r < 0)
                log_warn(MOD, "a container's name servers cannot be kept (%s): any that it asks counts", err_str(r));
}

void engine_resolv_gone(struct engine *e, struct bytes container)
{
        if (map_del(e->resolv->coming, container) == 0)
                log_debug(MOD, "a container ended while its name servers were being read");
        resolvers_gone(e->resolv->resolvers, container);
}

bool engine_resolv_is(uint64_t kind)
{
        return kind == METAFILE_RESOLV_CONF || kind == METAFILE_RESOLV_HOST || kind == METAFILE_DOCKER_HOSTCONFIG ||
               kind == METAFILE_DOCKER_NETWORKS || kind == METAFILE_RESOLV_END;
}

static int coming(struct engine *e, struct bytes container, struct meta **ret)
{
        struct meta *m = map_get(e->resolv->coming, container);
        int r = 0;

        if (!m) {
                r = meta_new(container, BYTES_LIT("unknown"), &m);
                if (r == 0) {
                        r = map_put(e->resolv->coming, container, m);
                        if (r < 0)
                                meta_free(m);
                }
        }
        if (r == 0)
                *ret = m;
        return r;
}

int engine_resolv_file(struct engine *e, const struct tide_event *ev, int fd)
{
        struct resolvers_files files;
        struct meta *m = NULL;
        int r = coming(e, ev->container, &m);

        if (r < 0)
                return r == -ENOMEM ? r : 0; /* more containers than the limit: counted by the map */
        if (ev->act.id != METAFILE_RESOLV_END) {
                if (fd >= 0)
                        meta_file(m, (enum metafile)ev->act.id, fd, ev->act.name);
                return 0;
        }
        meta_resolv(m, &files);
        r = resolvers_read(e->resolv->resolvers, ev->container, &files);
        if (map_del(e->resolv->coming, ev->container) < 0)
                r = r < 0 ? r : -ENOENT;
        return r == -ENOMEM ? r : 0;
}

void engine_resolv_status(const struct engine *e, json_t *o)
{
        json_t *lists[] = {json_array(), json_array()};
        struct resolvers_stats st;
        struct bytes id;
        bool changed;

        resolvers_stats(e->resolv->resolvers, &st);
        for (size_t i = 0; resolvers_odd_next(e->resolv->resolvers, &i, &id, &changed);)
                if (json_array_size(lists[changed]) < SHOWN)
                        json_array_append_new(lists[changed], json_stringn((const char *)id.p, id.len));
        json_object_set_new(o, "name_servers",
                            json_pack("{s:I,s:I,s:I,s:o,s:o}", "known", (json_int_t)st.known, "unknown",
                                      (json_int_t)st.unknown, "changed", (json_int_t)st.changed, "unknown_containers",
                                      lists[false], "changed_containers", lists[true]));
}
