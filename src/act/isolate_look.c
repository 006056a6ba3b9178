/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_look - what the namespace that this process is in has, and the end of what flows there.
 *
 * Owns: nothing. Must not: enter a namespace, or load what is not loaded (conntrack). Hands over: what the kernel says.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <net/if.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "isolate-priv.h"
#include "tidemark/clock.h"
#include "tidemark/compat.h"
#include "tidemark/nl.h"

#define SEQ 1u
#define DISCARD 9u
#define FLOWS_MAX 512u   /* that are ended in one round */
#define SOCKETS_MAX 512u /* the same */
#define TCP_LISTENS (1u << 10)
#define TCP_ENDS ((1u << 6) | (1u << 7) | TCP_LISTENS) /* TIME_WAIT, CLOSE, LISTEN: nothing to abort */
#define CONNTRACK_LOADED "/proc/sys/net/netfilter/nf_conntrack_count"

/* ---- rtnetlink ---- */

static int route_talk(uint16_t type, uint16_t flags, const void *head, size_t head_len, uint16_t attr, uint32_t value,
                      nl_cb cb, void *arg)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        char space[128] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        int r = nl_open(NETLINK_ROUTE, 0, 0, &nl);

        h->nlmsg_type = type;
        h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
        h->nlmsg_seq = SEQ;
        memcpy(mnl_nlmsg_put_extra_header(h, head_len), head, head_len);
        if (attr)
                mnl_attr_put_u32(h, attr, value);
        return r < 0 ? r : nl_talk(nl, h, h->nlmsg_len, SEQ, ISOLATE_TALK_MS, cb, arg);
}

int isolate_links(uint32_t ifindex, uint32_t first, struct isolate_links *ret)
{
        struct ifinfomsg head = {.ifi_index = (int)ifindex};
        struct isolate_links links = {.first = first};
        int r = route_talk(RTM_GETLINK, ifindex ? NLM_F_ACK : NLM_F_DUMP, &head, sizeof(head), 0, 0,
                           isolate_parse_link, &links);

        if (r == 0)
                *ret = links;
        return r;
}

void isolate_host_addresses(struct isolate_addresses *ret)
{
        struct ifaddrmsg head = {0};

        if (route_talk(RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head), 0, 0, isolate_parse_address, ret) < 0)
                ret->more = true;
}

void isolate_gateways(struct isolate_addresses *ret)
{
        static const uint8_t families[] = {AF_INET, AF_INET6};

        for (size_t i = 0; i < ARRAY_LEN(families); i++) {
                struct rtmsg head = {.rtm_family = families[i]};

                if (route_talk(RTM_GETROUTE, NLM_F_DUMP, &head, sizeof(head), 0, 0, isolate_parse_gateway, ret) < 0)
                        ret->more = true;
        }
}

int32_t isolate_nsid(int ns)
{
        const uint8_t head = AF_UNSPEC; /* struct rtgenmsg */
        int32_t nsid = -1;

        if (route_talk(COMPAT_RTM_GETNSID, NLM_F_ACK, &head, sizeof(head), COMPAT_NETNSA_FD, (uint32_t)ns,
                       isolate_parse_nsid, &nsid) < 0)
                return -1;
        return nsid;
}

/* ---- sockets ---- */

static int diag_talk(struct nl *nl, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *q, nl_cb cb,
                     void *arg)
{
        char space[128] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);

        h->nlmsg_type = type;
        h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
        h->nlmsg_seq = SEQ;
        memcpy(mnl_nlmsg_put_extra_header(h, sizeof(*q)), q, sizeof(*q));
        return nl_talk(nl, h, h->nlmsg_len, SEQ, ISOLATE_TALK_MS, cb, arg);
}

static const uint8_t families[] = {AF_INET, AF_INET6};

void isolate_listeners(struct isolate_ports *ret)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;

        if (nl_open(NETLINK_SOCK_DIAG, 0, 0, &nl) < 0)
                return;
        for (size_t i = 0; i < ARRAY_LEN(families); i++) {
                struct inet_diag_req_v2 q = {
                        .sdiag_family = families[i], .sdiag_protocol = IPPROTO_TCP, .idiag_states = TCP_LISTENS};

                if (diag_talk(nl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &q, isolate_parse_listener, ret) < 0)
                        ret->more = true;
        }
}

struct connections {
        uint32_t n;
        struct inet_diag_req_v2 of[SOCKETS_MAX];
};

static bool is_loopback(const struct inet_diag_msg *m)
{
        static const uint8_t lo6[16] = {[15] = 1};

        return m->idiag_family == AF_INET ? *(const uint8_t *)m->id.idiag_dst == 127
                                          : memcmp(m->id.idiag_dst, lo6, sizeof(lo6)) == 0;
}

static int on_connection(const struct nlmsghdr *h, void *arg)
{
        const struct inet_diag_msg *m = mnl_nlmsg_get_payload(h);
        struct connections *c = arg;

        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
            c->n == SOCKETS_MAX || is_loopback(m))
                return 0;
        c->of[c->n++] = (struct inet_diag_req_v2){.sdiag_family = m->idiag_family,
                                                  .sdiag_protocol = IPPROTO_TCP,
                                                  .idiag_states = 1u << m->idiag_state,
                                                  .id = m->id};
        return 0;
}

int isolate_end_sockets(void)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        struct connections *c = calloc(1, sizeof(*c));
        int r = c ? nl_open(NETLINK_SOCK_DIAG, 0, 0, &nl) : -ENOMEM, ended = 0;

        for (size_t i = 0; i < ARRAY_LEN(families) && r == 0; i++) {
                struct inet_diag_req_v2 q = {
                        .sdiag_family = families[i], .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~TCP_ENDS & 0xfff};

                r = diag_talk(nl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &q, on_connection, c);
        }
        for (uint32_t i = 0; r == 0 && i < c->n; i++) {
                int one = diag_talk(nl, COMPAT_SOCK_DESTROY, NLM_F_ACK, &c->of[i], NULL, NULL);

                ended += one == 0;
                if (one == -EOPNOTSUPP || one == -EINVAL)
                        r = -EOPNOTSUPP;
        }
        free(c);
        return r < 0 ? r : ended;
}

/* ---- conntrack ---- */

static bool conntrack_is_loaded(void)
{
        return access(CONNTRACK_LOADED, F_OK) == 0;
}

static struct nlmsghdr *flow_message(char *space, uint16_t type, uint16_t flags, uint8_t family)
{
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;

        h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
        h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
        h->nlmsg_seq = SEQ;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = family;
        g->version = NFNETLINK_V0;
        return h;
}

static int on_count(const struct nlmsghdr *h, void *arg)
{
        const struct nlattr *a;
        uint32_t *n = arg;

        if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
                return 0;
        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
                if (mnl_attr_get_type(a) == CTA_STATS_GLOBAL_ENTRIES && mnl_attr_get_payload_len(a) == sizeof(*n))
                        *n = ntohl(mnl_attr_get_u32(a));
        return 0;
}

/* Of the namespace. A kernel that does not tell: as if there were some. */
static uint32_t count_flows(struct nl *nl)
{
        char space[64] __attribute__((aligned(8)));
        struct nlmsghdr *h = flow_message(space, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC);
        uint32_t n = 0;

        return nl_talk(nl, h, h->nlmsg_len, SEQ, ISOLATE_TALK_MS, on_count, &n) < 0 ? 1 : n;
}

uint32_t isolate_flush_flows(void)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        char space[64] __attribute__((aligned(8)));
        struct nlmsghdr *h;
        uint32_t n;

        if (!conntrack_is_loaded() || nl_open(NETLINK_NETFILTER, 0, 0, &nl) < 0)
                return 0;
        n = count_flows(nl);
        if (n == 0)
                return 0;
        h = flow_message(space, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_UNSPEC);
        return nl_talk(nl, h, h->nlmsg_len, SEQ, ISOLATE_TALK_MS, NULL, NULL) < 0 ? 0 : n;
}

struct flows {
        const struct isolate_addresses *of;
        uint32_t n;
        bool more;
        struct {
                uint8_t family;
                uint16_t len;
                uint8_t tuple[160]; /* CTA_TUPLE_ORIG as it came, its attribute's head included */
        } found[FLOWS_MAX];
};

static bool is_one_of(const struct isolate_addresses *of, const struct nlattr *a)
{
        for (uint32_t i = 0; i < of->n; i++)
                if (of->of[i].len == mnl_attr_get_payload_len(a) &&
                    memcmp(of->of[i].bytes, mnl_attr_get_payload(a), of->of[i].len) == 0)
                        return true;
        return false;
}

/* CTA_IP_V4_SRC, _DST, CTA_IP_V6_SRC, _DST */
static bool tuple_fits(const struct isolate_addresses *of, const struct nlattr *tuple)
{
        const struct nlattr *ip, *a;

        mnl_attr_for_each_nested(ip, tuple) {
                if (mnl_attr_get_type(ip) != CTA_TUPLE_IP)
                        continue;
                mnl_attr_for_each_nested(a, ip)
                        if (is_one_of(of, a))
                                return true;
        }
        return false;
}

static int on_flow(const struct nlmsghdr *h, void *arg)
{
        const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
        const struct nlattr *a, *orig = NULL;
        struct flows *f = arg;
        bool fits = false;

        if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
            mnl_nlmsg_get_payload_len(h) < sizeof(*g))
                return 0;
        mnl_attr_for_each(a, h, sizeof(*g)) {
                if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG)
                        orig = a;
                if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG || mnl_attr_get_type(a) == CTA_TUPLE_REPLY)
                        fits = fits || tuple_fits(f->of, a);
        }
        if (!fits || !orig || orig->nla_len > sizeof(f->found[0].tuple))
                return 0;
        if (f->n == FLOWS_MAX) {
                f->more = true;
                return 0;
        }
        f->found[f->n].family = g->nfgen_family;
        f->found[f->n].len = orig->nla_len;
        memcpy(f->found[f->n++].tuple, orig, orig->nla_len);
        return 0;
}

static bool end_flow(struct nl *nl, const struct flows *f, uint32_t i)
{
        char space[256] __attribute__((aligned(8)));
        struct nlmsghdr *h = flow_message(space, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, f->found[i].family);

        mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, f->found[i].len - (size_t)MNL_ATTR_HDRLEN,
                     f->found[i].tuple + MNL_ATTR_HDRLEN);
        return nl_talk(nl, h, h->nlmsg_len, SEQ, ISOLATE_TALK_MS, NULL, NULL) == 0;
}

/* What is left over after one round is looked for again: the dump of a table that changes may miss some. */
static uint32_t end_round(struct nl *nl, struct flows *f, uint64_t deadline_ns)
{
        char space[64] __attribute__((aligned(8)));
        uint64_t now = clock_boot_ns();
        struct nlmsghdr *h = flow_message(space, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
        uint32_t ended = 0;

        f->n = 0;
        f->more = false;
        if (now >= deadline_ns || nl_talk(nl, h, h->nlmsg_len, SEQ, (int)((deadline_ns - now) / NSEC_PER_MSEC) + 1,
                                          on_flow, f) < 0) {
                f->more = true;
                return 0;
        }
        for (uint32_t i = 0; i < f->n; i++)
                ended += end_flow(nl, f, i);
        return ended;
}

uint32_t isolate_end_flows(const struct isolate_addresses *of, uint64_t deadline_ns, bool *ret_left)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        struct flows *f = calloc(1, sizeof(*f));
        uint32_t ended = 0, once;

        *ret_left = false;
        if (f && conntrack_is_loaded() && nl_open(NETLINK_NETFILTER, 0, 1 << 20, &nl) == 0 && count_flows(nl)) {
                f->of = of;
                do {
                        once = end_round(nl, f, deadline_ns);
                        ended += once;
                } while (f->more && once);
                *ret_left = f->more;
        }
        free(f);
        return ended;
}

/* ---- a probe ---- */

static void probe4(uint32_t ifindex)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DISCARD)};
        struct ip_mreqn by = {.imr_ifindex = (int)ifindex};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const unsigned char none = 0;

        /* 239.255.0.0/16, RFC 2365: of this place; it needs no neighbour and no route. */
        to.sin_addr.s_addr = htonl(ifindex ? 0xefff7469u : 0x7f00000bu);
        if (fd < 0 || (ifindex && (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)) < 0 ||
                                   setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &none, sizeof(none)) < 0)))
                return;
        (void)!sendto(fd, "tidemark", 8, 0, (struct sockaddr *)&to, sizeof(to)); /* refused, where it is dropped */
}

static void probe6(uint32_t ifindex)
{
        struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(DISCARD), .sin6_scope_id = ifindex};
        _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const int none = 0;

        if (fd < 0 || inet_pton(AF_INET6, "ff02::7469:6465", &to.sin6_addr) != 1 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &none, sizeof(none)) < 0)
                return;
        (void)!sendto(fd, "tidemark", 8, 0, (struct sockaddr *)&to, sizeof(to));
}

void isolate_probe(uint32_t ifindex)
{
        probe4(ifindex);
        if (ifindex)
                probe6(ifindex);
}
