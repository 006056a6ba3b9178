/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network's side of the engine: packets of the name service become names, and flows to a container's own name
 * servers are told from the others.
 *
 * Owns: the way from TIDE_PACKET to TIDE_NAME, and each container's resolv.conf until it is read. Must not: parse
 * either (parse/dns does), or hold a descriptor longer than one call. Hands over: names and flows to the pipeline.
 */
#include <errno.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "tidemark/dns.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"

#define MOD "engine"
#define RESOLV_CONF_MAX (64u * 1024)
#define NAME_SERVICE 53

static void on_name(const struct tide_event *ev, void *arg)
{
        struct engine *e = arg;
        struct tide_event copy = *ev;
        int r = engine_enter(e, &copy);

        if (r < 0 && e->name_error == 0)
                e->name_error = r; /* told by whoever gave the packet */
}

static const struct dns_ops dns_ops = {.name = on_name};

int engine_net_open(struct engine *e)
{
        int r = dns_new(&dns_ops, e, &e->dns);

        if (r < 0)
                log_error(MOD, "names cannot be kept: %s", err_str(r));
        return r;
}

int engine_net_packet(struct engine *e, const struct tide_event *ev)
{
        e->name_error = 0;
        dns_packet(e->dns, ev);
        return e->name_error;
}

void engine_net_flow(const struct engine *e, struct tide_event *ev)
{
        struct tide_flow *f = &ev->flow;

        if (f->direction == DIRECTION_OUT && f->rport == NAME_SERVICE &&
            dns_is_resolver(e->dns, ev->container, f->remote))
                f->flags |= FLOWF_RESOLVER;
}

void engine_net_resolvers(struct engine *e, struct bytes container, int fd)
{
        _cleanup_free_ uint8_t *text = malloc(RESOLV_CONF_MAX);
        ssize_t len = text ? pread(fd, text, RESOLV_CONF_MAX, 0) : -1;
        int r = len < 0 ? -errno : dns_resolvers(e->dns, container, bytes_of(text, (size_t)len));

        if (r < 0)
                log_warn(MOD, "a container's resolv.conf cannot be read (%s): any name server that it asks counts",
                         err_str(r));
}

void engine_net_gone(struct engine *e, struct bytes container)
{
        dns_gone(e->dns, container);
}

void engine_net_close(struct engine *e)
{
        e->dns = dns_free(e->dns);
}
