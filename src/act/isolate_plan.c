/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_plan - what cuts a container off, as messages of nf_tables.
 *
 * Pure: a plan in, bytes out. Must not: talk to the kernel, or know where the plan comes from.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "isolate-priv.h"
#include "nfbatch-priv.h"
#include "tidemark/compat.h"

#define LOOPBACK 1u          /* LOOPBACK_IFINDEX of the kernel's net_namespace.h */
#define ID_SHOWN 12u         /* digits of a container's id in names */
#define ND_SOLICIT 135u      /* RFC 4861: of these neighbours' addresses are made */
#define ND_ADVERTISE 136u
#define ND_HOPS 255u
#define ND_RATE 20u
#define TCP_FLAGS_AT 13u
#define TCP_SYN_ACK 0x12u
#define TCP_SYN 0x02u

int isolate_plan_name(struct isolate_plan *p, const char *id, const char *instance)
{
        size_t n = strlen(instance);

        for (size_t i = 0; i < ID_SHOWN; i++)
                if (!isxdigit((unsigned char)id[i]))
                        return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (!isascii(instance[i]) || !isalnum((unsigned char)instance[i]))
                        return -EINVAL;
        if (n == 0 || sizeof("tidemark--") + ID_SHOWN + n > NETTABLE_NAME)
                return -EINVAL;
        snprintf(p->name, sizeof(p->name), "tidemark-%.12s-%s", id, instance);
        snprintf(p->comment, sizeof(p->comment), "tidemark: container %.12s is isolated; undo: tidemark contain "
                 "release %.12s", id, id);
        return 0;
}

uint8_t isolate_family(const struct isolate_plan *p)
{
        return p->place == ISOLATE_PLACE_DEVICES ? COMPAT_NFPROTO_NETDEV : NFPROTO_INET;
}

/* ---- which way ---- */

/* COMING: to the container, from whom it has to do with. */
enum way { COMING, GOING, WAYS };

static const struct {
        const char *chain, *probes;
        uint32_t address4, address6, port, own_port; /* where the other's address, its port and the container's lie */
        uint32_t arp;                                /* the other's address in a frame of ARP: sender's or target's */
        uint32_t loopback;                           /* enum nft_meta_keys */
        const char *by_cgroup;
} ways[WAYS] = {
        [COMING] = {"coming", "probes", 12, 8, 0, 2, 14, NFT_META_IIF, "in"},
        [GOING] = {"going", "answers", 16, 24, 2, 0, 24, NFT_META_OIF, "out"},
};

/* ---- parts of rules ---- */

static void is_protocol(struct nfrule *r, uint8_t family, uint8_t len)
{
        const uint16_t ether = htons(len == 4 ? ETH_P_IP : ETH_P_IPV6);
        const uint8_t nfproto = len == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

        if (family == COMPAT_NFPROTO_NETDEV) {
                nfrule_meta(r, NFT_META_PROTOCOL);
                nfrule_compare(r, NFT_CMP_EQ, &ether, sizeof(ether));
        } else {
                nfrule_meta(r, NFT_META_NFPROTO);
                nfrule_compare(r, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
        }
}

static void is_network(struct nfrule *r, uint32_t at, const uint8_t *bytes, uint32_t len, unsigned prefix)
{
        uint8_t mask[16] = {0};

        if (prefix == 0)
                return;
        for (unsigned i = 0; i < prefix; i++)
                mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
        nfrule_payload(r, NFT_PAYLOAD_NETWORK_HEADER, at, len);
        if (prefix < 8 * len)
                nfrule_mask(r, mask, len);
        nfrule_compare(r, NFT_CMP_EQ, bytes, len);
}

static void is_transport(struct nfrule *r, uint8_t proto)
{
        nfrule_meta(r, NFT_META_L4PROTO);
        nfrule_compare(r, NFT_CMP_EQ, &proto, sizeof(proto));
}

static void is_port(struct nfrule *r, uint32_t at, uint16_t port)
{
        const uint16_t be = htons(port);

        nfrule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, at, sizeof(be));
        nfrule_compare(r, NFT_CMP_EQ, &be, sizeof(be));
}

/* ---- rules ---- */

static void put_net(struct nfbatch *b, enum way w, const struct isolate_net *n)
{
        struct nfrule r;

        nfrule_begin(&r, b, ways[w].chain, "tidemark: allowed");
        is_protocol(&r, b->family, n->len);
        is_network(&r, n->len == 4 ? ways[w].address4 : ways[w].address6, n->bytes, n->len, n->prefix);
        if (n->proto)
                is_transport(&r, n->proto);
        if (n->port)
                is_port(&r, ways[w].port, n->port);
        nfrule_verdict(&r, NF_ACCEPT, NULL);
        nfrule_end(&r, b, 0);
}

static void put_probe_host(struct nfbatch *b, enum way w, const struct isolate_address *a)
{
        struct nfrule r;

        nfrule_begin(&r, b, ways[w].chain, "tidemark: the host's probes");
        is_protocol(&r, b->family, a->len);
        is_network(&r, a->len == 4 ? ways[w].address4 : ways[w].address6, a->bytes, a->len, 8u * a->len);
        nfrule_verdict(&r, NFT_JUMP, ways[w].probes);
        nfrule_end(&r, b, 0);
}

/* From a listening port, as long as the host began it: a segment that only begins a connection does not pass. */
static void put_probe_port(struct nfbatch *b, enum way w, uint16_t port)
{
        const uint8_t both = TCP_SYN_ACK, begins = TCP_SYN;
        struct nfrule r;

        nfrule_begin(&r, b, ways[w].probes, "tidemark: a port that listened when it was isolated");
        is_transport(&r, IPPROTO_TCP);
        is_port(&r, ways[w].own_port, port);
        if (w == GOING) {
                nfrule_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_AT, sizeof(both));
                nfrule_mask(&r, &both, sizeof(both));
                nfrule_compare(&r, NFT_CMP_NEQ, &begins, sizeof(begins));
        }
        nfrule_verdict(&r, NF_ACCEPT, NULL);
        nfrule_end(&r, b, 0);
}

static void put_arp(struct nfbatch *b, enum way w, const uint8_t *bytes, unsigned prefix)
{
        const uint16_t arp = htons(ETH_P_ARP);
        struct nfrule r;

        nfrule_begin(&r, b, ways[w].chain, "tidemark: finding what is allowed");
        nfrule_meta(&r, NFT_META_PROTOCOL);
        nfrule_compare(&r, NFT_CMP_EQ, &arp, sizeof(arp));
        is_network(&r, ways[w].arp, bytes, 4, prefix);
        nfrule_verdict(&r, NF_ACCEPT, NULL);
        nfrule_end(&r, b, 0);
}

/* Its targets lie behind options of any length, and its senders are link-local: by rate instead of by address. */
static void put_nd(struct nfbatch *b, enum way w, uint8_t type)
{
        const uint8_t hops = ND_HOPS;
        struct nfrule r;

        nfrule_begin(&r, b, ways[w].chain, "tidemark: finding what is allowed");
        is_protocol(&r, b->family, 16);
        nfrule_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 7, sizeof(hops));
        nfrule_compare(&r, NFT_CMP_EQ, &hops, sizeof(hops));
        is_transport(&r, IPPROTO_ICMPV6);
        nfrule_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(type));
        nfrule_compare(&r, NFT_CMP_EQ, &type, sizeof(type));
        NFRULE_ADD(&r, "limit", NFRULE_U64(NFTNL_EXPR_LIMIT_RATE, ND_RATE)
                   NFRULE_U64(NFTNL_EXPR_LIMIT_UNIT, 1 /* second */) NFRULE_U32(NFTNL_EXPR_LIMIT_BURST, ND_RATE));
        nfrule_verdict(&r, NF_ACCEPT, NULL);
        nfrule_end(&r, b, 0);
}

static bool has_family(const struct isolate_plan *p, uint8_t len)
{
        for (uint32_t i = 0; i < p->nnets; i++)
                if (p->nets[i].len == len)
                        return true;
        for (uint32_t i = 0; p->nports && i < p->nhosts; i++)
                if (p->hosts[i].len == len)
                        return true;
        return false;
}

static void put_neighbours(struct nfbatch *b, const struct isolate_plan *p, enum way w)
{
        if (has_family(p, 16)) {
                put_nd(b, w, ND_SOLICIT);
                put_nd(b, w, ND_ADVERTISE);
        }
        if (b->family != COMPAT_NFPROTO_NETDEV || !has_family(p, 4))
                return;
        for (uint32_t i = 0; i < p->nnets; i++)
                if (p->nets[i].len == 4)
                        put_arp(b, w, p->nets[i].bytes, p->nets[i].prefix);
        for (uint32_t i = 0; i < p->nnear; i++)
                if (p->near[i].len == 4)
                        put_arp(b, w, p->near[i].bytes, 32);
        for (uint32_t i = 0; p->nports && i < p->nhosts; i++)
                if (p->hosts[i].len == 4)
                        put_arp(b, w, p->hosts[i].bytes, 32);
}

/* What passes: "coming" or "going", and the chain behind it. */
static void put_allowed(struct nfbatch *b, const struct isolate_plan *p, enum way w)
{
        for (uint32_t i = 0; i < p->nnets; i++)
                put_net(b, w, &p->nets[i]);
        put_neighbours(b, p, w);
        for (uint32_t i = 0; p->nports && i < p->nhosts; i++)
                put_probe_host(b, w, &p->hosts[i]);
        for (uint32_t i = 0; p->nhosts && i < p->nports; i++)
                put_probe_port(b, w, p->ports[i]);
}

static void put_jump(struct nfbatch *b, const char *chain, const char *to)
{
        struct nfrule r;

        nfrule_begin(&r, b, chain, "tidemark: is it allowed?");
        nfrule_verdict(&r, NFT_JUMP, to);
        nfrule_end(&r, b, 0);
}

static void put_loopback(struct nfbatch *b, const char *chain, uint32_t key)
{
        static const uint32_t loopback = LOOPBACK;
        struct nfrule r;

        nfrule_begin(&r, b, chain, "tidemark: loopback stays");
        nfrule_meta(&r, key);
        nfrule_compare(&r, NFT_CMP_EQ, &loopback, sizeof(loopback));
        nfrule_verdict(&r, NF_ACCEPT, NULL);
        nfrule_end(&r, b, 0);
}

static void put_drop(struct nfbatch *b, const struct isolate_plan *p, const char *chain, uint16_t flags)
{
        struct nfrule r;

        nfrule_begin(&r, b, chain, p->comment);
        nfrule_count(&r);
        nfrule_verdict(&r, NF_DROP, NULL);
        nfrule_end(&r, b, flags);
}

/* dockerd answers at 127.0.0.11 in the namespace, and asks the world what it is asked: a way out by loopback. */
static void put_docker_names(struct nfbatch *b, const char *chain)
{
        static const uint8_t docker[4] = {127, 0, 0, 11};
        struct nfrule r;

        nfrule_begin(&r, b, chain, "tidemark: Docker's name server would ask the world");
        is_protocol(&r, b->family, 4);
        is_network(&r, ways[GOING].address4, docker, sizeof(docker), 32);
        nfrule_count(&r);
        nfrule_verdict(&r, NF_DROP, NULL);
        nfrule_end(&r, b, 0);
}

/* ---- tables ---- */

static void put_chain(struct nfbatch *b, const char *name)
{
        nfbatch_chain(b, &(struct nfbatch_chain){.name = name});
}

static void put_common_chains(struct nfbatch *b, const struct isolate_plan *p)
{
        for (unsigned w = 0; w < WAYS; w++) {
                if (p->nhosts && p->nports)
                        put_chain(b, ways[w].probes);
                put_chain(b, ways[w].chain);
        }
}

static void put_common_rules(struct nfbatch *b, const struct isolate_plan *p)
{
        for (unsigned w = 0; w < WAYS; w++)
                put_allowed(b, p, w);
}

static const struct {
        const char *name;
        uint32_t hook;
        enum way way;
} inside[] = {
        {"prerouting", NF_INET_PRE_ROUTING, COMING},
        {"input", NF_INET_LOCAL_IN, COMING},
        {"output", NF_INET_LOCAL_OUT, GOING},
        {"postrouting", NF_INET_POST_ROUTING, GOING},
};

static bool docker_names_allowed(const struct isolate_plan *p)
{
        for (uint32_t i = 0; i < p->nnets; i++)
                if (p->nets[i].len == 4 && p->nets[i].bytes[0] == 127)
                        return true;
        return false;
}

static void put_inside(struct nfbatch *b, const struct isolate_plan *p)
{
        for (size_t i = 0; i < ARRAY_LEN(inside); i++)
                nfbatch_chain(b, &(struct nfbatch_chain){.name = inside[i].name,
                                                         .hooked = true,
                                                         .hook = inside[i].hook,
                                                         .prio = ISOLATE_PRIO,
                                                         .policy = NF_DROP});
        put_common_rules(b, p);
        for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
                if (inside[i].way == GOING && !docker_names_allowed(p))
                        put_docker_names(b, inside[i].name);
                put_loopback(b, inside[i].name, ways[inside[i].way].loopback);
                put_jump(b, inside[i].name, ways[inside[i].way].chain);
                put_drop(b, p, inside[i].name, i + 1 == ARRAY_LEN(inside) ? NLM_F_ACK : 0);
        }
}

/* Each device's chains, by the way from the container's side. */
static void each_hook(struct nfbatch *b, const struct isolate_plan *p,
                      void (*put)(struct nfbatch *, const struct isolate_plan *, const char *name, uint32_t hook,
                                  const char *device, enum way way))
{
        for (uint32_t i = 0; i < p->nhooked; i++) {
                const struct isolate_hooked *h = &p->hooked[i];
                enum way in = h->inward ? COMING : GOING, out = h->inward ? GOING : COMING;
                char name[16];

                snprintf(name, sizeof(name), "%s%u", in == GOING ? "from" : "to", i);
                if (h->ingress)
                        put(b, p, name, COMPAT_NF_NETDEV_INGRESS, h->device, in);
                snprintf(name, sizeof(name), "%s%u", out == GOING ? "from" : "to", i);
                if (h->egress)
                        put(b, p, name, COMPAT_NF_NETDEV_EGRESS, h->device, out);
        }
}

static void put_hook(struct nfbatch *b, const struct isolate_plan *p, const char *name, uint32_t hook,
                     const char *device, enum way way)
{
        (void)p, (void)way;
        nfbatch_chain(b, &(struct nfbatch_chain){.name = name,
                                                 .hooked = true,
                                                 .hook = hook,
                                                 .prio = ISOLATE_PRIO,
                                                 .policy = NF_DROP,
                                                 .device = device});
}

static void put_hook_rules(struct nfbatch *b, const struct isolate_plan *p, const char *name, uint32_t hook,
                           const char *device, enum way way)
{
        (void)hook, (void)device;
        put_jump(b, name, ways[way].chain);
        put_drop(b, p, name, NLM_F_ACK); /* the last of them is the one that is waited for */
}

static void put_devices(struct nfbatch *b, const struct isolate_plan *p)
{
        each_hook(b, p, put_hook);
        put_common_rules(b, p);
        each_hook(b, p, put_hook_rules);
}

static void put_cgroup(struct nfbatch *b, const struct isolate_plan *p)
{
        static const uint32_t hooks[WAYS] = {[COMING] = NF_INET_LOCAL_IN, [GOING] = NF_INET_LOCAL_OUT};
        static const char *const names[WAYS] = {[COMING] = "input", [GOING] = "output"};
        struct nfrule r;

        for (unsigned w = 0; w < WAYS; w++)
                put_chain(b, ways[w].by_cgroup);
        for (unsigned w = 0; w < WAYS; w++)
                nfbatch_chain(b, &(struct nfbatch_chain){.name = names[w],
                                                         .hooked = true,
                                                         .hook = hooks[w],
                                                         .prio = ISOLATE_PRIO,
                                                         .policy = NF_ACCEPT});
        put_common_rules(b, p);
        for (unsigned w = 0; w < WAYS; w++) {
                put_loopback(b, ways[w].by_cgroup, ways[w].loopback);
                put_jump(b, ways[w].by_cgroup, ways[w].chain);
                put_drop(b, p, ways[w].by_cgroup, 0);
        }
        for (unsigned w = 0; w < WAYS; w++) {
                nfrule_begin(&r, b, names[w], p->comment);
                NFRULE_ADD(&r, "socket", NFRULE_U32(COMPAT_NFTNL_EXPR_SOCKET_KEY, COMPAT_NFT_SOCKET_CGROUPV2)
                           NFRULE_U32(COMPAT_NFTNL_EXPR_SOCKET_DREG, NFT_REG_1)
                           NFRULE_U32(COMPAT_NFTNL_EXPR_SOCKET_LEVEL, p->level));
                nfrule_compare(&r, NFT_CMP_EQ, &p->cgroup, sizeof(p->cgroup));
                nfrule_verdict(&r, NFT_JUMP, ways[w].by_cgroup);
                nfrule_end(&r, b, w + 1 == WAYS ? NLM_F_ACK : 0);
        }
}

static void (*const puts_of[])(struct nfbatch *, const struct isolate_plan *) = {
        [ISOLATE_PLACE_INSIDE] = put_inside,
        [ISOLATE_PLACE_DEVICES] = put_devices,
        [ISOLATE_PLACE_CGROUP] = put_cgroup,
};

ssize_t isolate_batch(const struct isolate_plan *p, enum nettable_how how, void *out, size_t size, uint32_t *ret_last)
{
        struct nfbatch b;

        if (p->place == ISOLATE_PLACE_DEVICES && p->nhooked == 0)
                return -EINVAL;
        if (size < ISOLATE_BATCH || nfbatch_start(&b, isolate_family(p), p->name, out, size) < 0)
                return -ENOMEM;
        nettable_put_how(&b, how);
        if (how != NETTABLE_GONE) {
                put_common_chains(&b, p);
                puts_of[p->place](&b, p);
        }
        return nfbatch_end(&b, ret_last);
}
