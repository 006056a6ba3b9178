/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network's side of the engine: packets of the name service become names, and flows to a container's own name
 * servers are told from the others.
 *
 * Owns: the way from TIDE_PACKET to TIDE_NAME. Must not: parse packets (parse/dns does).
 * Hands over: names and flows to the pipeline.
 */
#include <string.h>

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
        return r < 0 ? r : engine_resolv_open(e);
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

static const char *workload_name(const struct judge *j, struct bytes container, char *dst, size_t size)
{
        struct judge_container jc;
        struct judge_workload w;

        dst[0] = '\0';
        for (size_t i = 0; judge_container_next(j, &i, &jc);) {
                if (!bytes_eq(jc.id, container))
                        continue;
                for (size_t k = 0; judge_workload_next(j, &k, &w);)
                        if (bytes_eq(w.id, jc.workload_id) && w.name.len < size) {
                                memcpy(dst, w.name.p, w.name.len);
                                dst[w.name.len] = '\0';
                        }
        }
        return dst;
}

void engine_net_scope(struct engine *e, struct bytes container)
{
        static const char *const words[] = {"namespace", "host", "off"};
        struct tide_event ev = {.kind = TIDE_ACT, .container = container};
        char name[512];

        if (!cfg_net_scope_differs(e->cfg))
                return;
        workload_name(pipeline_judge(e->pipeline), container, name, sizeof(name));
        ev.act.act = ACT_FACTS;
        ev.act.name = BYTES_LIT("network");
        ev.act.text = bytes_str(words[cfg_net_scope_of(e->cfg, name)]);
        if (engine_send(e, &ev) < 0)
                log_warn(MOD, "where a container's flows are to be watched could not be passed on: on the slow round");
}

void engine_net_gone(struct engine *e, struct bytes container)
{
        engine_resolv_gone(e, container);
        dns_gone(e->dns, container);
}

void engine_net_lost(struct engine *e, const struct tide_event *ev)
{
        uint16_t of = ev->loss.lost_source;

        /* Conntrack's too: our table was away, and with it what logs packets. */
        if (of == 0 || of == SRC_NFLOG || of == SRC_CONNTRACK)
                dns_lost(e->dns, ev->loss.to_ns > ev->boot_ns ? ev->loss.to_ns : ev->boot_ns);
}

void engine_net_stats(const struct engine *e, struct dns_stats *ret)
{
        dns_stats(e->dns, ret);
}

void engine_net_close(struct engine *e)
{
        engine_resolv_close(e);
        e->dns = dns_free(e->dns);
}
