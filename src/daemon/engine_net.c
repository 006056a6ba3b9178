/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network's side of the engine: packets of the name service become names, and flows to a container's own name
 * servers are told from the others.
 *
 * Owns: the way from TIDE_PACKET to TIDE_NAME. Must not: parse packets or resolv.conf (parse/dns and parse/meta do).
 * Hands over: names and flows to the pipeline.
 */
#include "daemon/engine-priv.h"
#include "tidemark/dns.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"

#define MOD "engine"
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

void engine_net_resolvers(struct engine *e, struct bytes container, struct bytes text)
{
        int r = dns_resolvers(e->dns, container, text);

        if (r < 0)
                log_warn(MOD, "a container's name servers cannot be kept (%s): any that it asks counts",
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
