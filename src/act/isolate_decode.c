/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_decode - what the kernel says of a container's namespace, cgroups and capabilities; and addresses as an
 * operator writes them.
 *
 * Pure: one message or text in, fields of the caller's out. A container chooses the content: bounded, and odd lengths
 * are passed over.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "isolate-priv.h"
#include "tidemark/cidr.h"
#include "tidemark/compat.h"

/* ---- netlink ---- */

static void put_name(char dst[16], const struct nlattr *a)
{
        size_t n = mnl_attr_get_payload_len(a);
        const char *s = mnl_attr_get_payload(a);

        n = strnlen(s, n);
        if (n < 16) {
                memcpy(dst, s, n);
                dst[n] = '\0';
        }
}

static void put_kind(struct isolate_link *l, const struct nlattr *info)
{
        const struct nlattr *a;

        mnl_attr_for_each_nested(a, info)
                if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
                        put_name(l->kind, a);
}

static void put_link_number(struct isolate_link *l, const struct nlattr *a)
{
        if (mnl_attr_get_payload_len(a) != sizeof(uint32_t))
                return;
        if (mnl_attr_get_type(a) == IFLA_LINK)
                l->link = mnl_attr_get_u32(a);
        else if (mnl_attr_get_type(a) == IFLA_MASTER)
                l->master = mnl_attr_get_u32(a);
        else if (mnl_attr_get_type(a) == COMPAT_IFLA_LINK_NETNSID)
                l->nsid = (int32_t)mnl_attr_get_u32(a);
}

/* Whoever may make devices in there makes as many as we look at: what leads to the host has its place all the same. */
static void add_link(struct isolate_links *links, const struct isolate_link *l)
{
        bool first = links->first && l->nsid >= 0 && (uint32_t)l->nsid + 1 == links->first && !strcmp(l->kind, "veth");
        uint32_t at = links->n;

        if (at == ARRAY_LEN(links->of)) {
                links->more = true;
                if (!first || links->nfirst == links->n)
                        return;
                at--;
        } else {
                links->n++;
        }
        if (first) {
                links->of[at] = links->of[links->nfirst];
                at = links->nfirst++;
        }
        links->of[at] = *l;
}

int isolate_parse_link(const struct nlmsghdr *h, void *arg)
{
        const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
        struct isolate_links *links = arg;
        struct isolate_link l = {.nsid = -1};
        const struct nlattr *a;

        if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(*i) || (i->ifi_flags & IFF_LOOPBACK))
                return 0;
        l.ifindex = (uint32_t)i->ifi_index;
        l.flags = i->ifi_flags;
        mnl_attr_for_each(a, h, sizeof(*i)) {
                if (mnl_attr_get_type(a) == IFLA_IFNAME)
                        put_name(l.name, a);
                else if (mnl_attr_get_type(a) == IFLA_LINKINFO)
                        put_kind(&l, a);
                else
                        put_link_number(&l, a);
        }
        add_link(links, &l);
        return 0;
}

static bool has_address(const struct isolate_addresses *list, const struct isolate_address *x)
{
        for (uint32_t i = 0; i < list->n; i++)
                if (list->of[i].len == x->len && memcmp(list->of[i].bytes, x->bytes, x->len) == 0)
                        return true;
        return false;
}

static void add_address(struct isolate_addresses *list, const struct nlattr *a)
{
        uint16_t len = a ? mnl_attr_get_payload_len(a) : 0;
        struct isolate_address x = {.len = (uint8_t)len};

        if (len != 4 && len != 16)
                return;
        memcpy(x.bytes, mnl_attr_get_payload(a), len);
        if (has_address(list, &x))
                return;
        if (list->n == ISOLATE_NEAR)
                list->more = true;
        else
                list->of[list->n++] = x;
}

int isolate_parse_address(const struct nlmsghdr *h, void *arg)
{
        const struct ifaddrmsg *i = mnl_nlmsg_get_payload(h);
        const struct nlattr *a, *local = NULL, *address = NULL;

        if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*i) ||
            i->ifa_scope >= RT_SCOPE_LINK)
                return 0;
        mnl_attr_for_each(a, h, sizeof(*i)) {
                if (mnl_attr_get_type(a) == IFA_LOCAL)
                        local = a;
                else if (mnl_attr_get_type(a) == IFA_ADDRESS)
                        address = a;
        }
        add_address(arg, local ? local : address);
        return 0;
}

int isolate_parse_gateway(const struct nlmsghdr *h, void *arg)
{
        const struct nlattr *a;

        if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(struct rtmsg))
                return 0;
        mnl_attr_for_each(a, h, sizeof(struct rtmsg))
                if (mnl_attr_get_type(a) == RTA_GATEWAY)
                        add_address(arg, a);
        return 0;
}

int isolate_parse_nsid(const struct nlmsghdr *h, void *arg)
{
        const struct nlattr *a;
        int32_t *nsid = arg;

        if (h->nlmsg_type != COMPAT_RTM_NEWNSID || mnl_nlmsg_get_payload_len(h) < COMPAT_RTGENMSG_LEN)
                return 0;
        mnl_attr_for_each(a, h, COMPAT_RTGENMSG_LEN)
                if (mnl_attr_get_type(a) == COMPAT_NETNSA_NSID && mnl_attr_get_payload_len(a) == sizeof(*nsid))
                        *nsid = (int32_t)mnl_attr_get_u32(a);
        return 0;
}

int isolate_parse_listener(const struct nlmsghdr *h, void *arg)
{
        const struct inet_diag_msg *m = mnl_nlmsg_get_payload(h);
        struct isolate_ports *p = arg;
        uint16_t port;

        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
            m->idiag_state != TCP_LISTEN)
                return 0;
        port = ntohs(m->id.idiag_sport);
        for (uint32_t i = 0; i < p->n; i++)
                if (p->of[i] == port)
                        return 0;
        if (p->n == ISOLATE_PORTS)
                p->more = true;
        else
                p->of[p->n++] = port;
        return 0;
}

/* Changes of one transaction come together, and NFT_MSG_NEWGEN behind them says whose they are (3.10 does not). */
int isolate_hear(const struct nlmsghdr *h, void *arg)
{
        struct isolate_news *n = arg;
        const struct nlattr *a;

        if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
                return 0;
        n->pending = true;
        if ((h->nlmsg_type & 0xff) != COMPAT_NFT_MSG_NEWGEN)
                return 0;
        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
                if (mnl_attr_get_type(a) == COMPAT_NFTA_GEN_PROC_PID && mnl_attr_get_payload_len(a) == sizeof(n->own) &&
                    ntohl(mnl_attr_get_u32(a)) == n->own)
                        n->pending = false;
        n->foreign = n->foreign || n->pending;
        n->pending = false;
        return 0;
}

/* ---- /proc ---- */

static struct bytes line_of(struct bytes *text)
{
        const uint8_t *end = memchr(text->p, '\n', text->len);
        uint32_t n = end ? (uint32_t)(end - text->p) : text->len;
        struct bytes line = {text->p, n};

        text->p += n + (end != NULL);
        text->len -= n + (end != NULL);
        return line;
}

/* Is word one of a list with commas? */
static bool lists(struct bytes list, const char *word)
{
        size_t n = strlen(word);

        if (n == 0)
                return list.len == 0;
        while (list.len >= n) {
                const uint8_t *comma = memchr(list.p, ',', list.len);
                uint32_t len = comma ? (uint32_t)(comma - list.p) : list.len;

                if (len == n && memcmp(list.p, word, n) == 0)
                        return true;
                if (!comma)
                        break;
                list.p += len + 1;
                list.len -= len + 1;
        }
        return false;
}

/* "7:freezer:/docker/ID" */
static bool split_line(struct bytes line, struct bytes *ret_controllers, struct bytes *ret_path)
{
        const uint8_t *a = line.len ? memchr(line.p, ':', line.len) : NULL;
        const uint8_t *b = a ? memchr(a + 1, ':', (size_t)(line.p + line.len - a - 1)) : NULL;

        if (!b)
                return false;
        *ret_controllers = bytes_of(a + 1, (size_t)(b - a - 1));
        *ret_path = bytes_of(b + 1, (size_t)(line.p + line.len - b - 1));
        return ret_path->len && ret_path->p[0] == '/';
}

static bool has_dots(struct bytes path)
{
        for (uint32_t i = 0; i + 2 < path.len; i++)
                if (path.p[i] == '/' && path.p[i + 1] == '.' && path.p[i + 2] == '.' &&
                    (i + 3 == path.len || path.p[i + 3] == '/'))
                        return true;
        return false;
}

static bool cut_behind_id(struct bytes *path, const char *id)
{
        size_t n = strlen(id);

        for (uint32_t i = 0; n && i + n <= path->len; i++) {
                const uint8_t *end;

                if (memcmp(path->p + i, id, n) != 0)
                        continue;
                end = memchr(path->p + i, '/', path->len - i);
                path->len = end ? (uint32_t)(end - path->p) : path->len;
                return true;
        }
        return false;
}

int isolate_parse_cgroup(struct bytes text, const char *controller, const char *id, struct bytes *ret)
{
        while (text.len) {
                struct bytes line = line_of(&text), controllers, path;

                if (!split_line(line, &controllers, &path) || !lists(controllers, controller))
                        continue;
                if (has_dots(path) || !cut_behind_id(&path, id))
                        return -ENOENT;
                *ret = path;
                return 0;
        }
        return -ENOENT;
}

/* A component that is an id, or ends in one, or in one and ".scope"; not that of a monitor, nor of a pod. */
static bool component_id(struct bytes c, char ret[ISOLATE_ID])
{
        const struct bytes scope = BYTES_LIT(".scope");
        const uint32_t n = ISOLATE_ID - 1;

        if (bytes_has_suffix(c, scope))
                c.len -= scope.len;
        if (c.len < n || memmem(c.p, c.len, "conmon-", 7) || memmem(c.p, c.len, "pod_", 4))
                return false;
        for (uint32_t i = c.len - n; i < c.len; i++)
                if (!isdigit(c.p[i]) && (c.p[i] < 'a' || c.p[i] > 'f'))
                        return false;
        memcpy(ret, c.p + c.len - n, n);
        ret[n] = '\0';
        return true;
}

int isolate_parse_id(struct bytes text, char ret[ISOLATE_ID])
{
        uint32_t from = 0;

        for (uint32_t i = 0; i <= text.len; i++) {
                if (i < text.len && text.p[i] != '/' && text.p[i] != '\n')
                        continue;
                if (component_id(bytes_of(text.p + from, i - from), ret))
                        return 0;
                from = i + 1;
        }
        return -ENOENT;
}

uint64_t isolate_parse_caps(struct bytes text, const char *name)
{
        size_t n = strlen(name);

        while (text.len) {
                struct bytes line = line_of(&text);
                char digits[32] = "";

                if (line.len <= n || memcmp(line.p, name, n) != 0)
                        continue;
                memcpy(digits, line.p + n, line.len - n < sizeof(digits) ? line.len - n : sizeof(digits) - 1);
                return strtoull(digits, NULL, 16);
        }
        return 0;
}

/* ---- addresses as they are written ---- */

/* What begins with digits alone, up to the end or a /; most: its greatest. */
static int number(const char *s, unsigned most, unsigned *ret, const char **ret_end)
{
        unsigned n = 0;
        const char *p = s;

        for (; isdigit((unsigned char)*p); p++) {
                n = n * 10 + (unsigned)(*p - '0');
                if (n > most)
                        return -EINVAL;
        }
        if (p == s)
                return -EINVAL;
        *ret = n;
        *ret_end = p;
        return 0;
}

static int take_address(const char *text, struct isolate_net *net)
{
        struct cidr c;
        int r = cidr_parse(text, &c);

        if (r < 0)
                return r;
        net->len = c.len;
        net->prefix = c.bits;
        memcpy(net->bytes, c.bytes, sizeof(net->bytes));
        return 0;
}

static int take_port(const char *s, struct isolate_net *net)
{
        unsigned port;
        int r = number(s, 65535, &port, &s);

        if (r < 0 || port == 0)
                return -EINVAL;
        net->port = (uint16_t)port;
        net->proto = strcmp(s, "/udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
        return *s == '\0' || strcmp(s, "/udp") == 0 || strcmp(s, "/tcp") == 0 ? 0 : -EINVAL;
}

int isolate_parse_net(const char *text, struct isolate_net *ret)
{
        struct isolate_net net = {0};
        char copy[ISOLATE_NET_TEXT], *address = copy, *port = NULL;
        int r;

        if (strlen(text) >= sizeof(copy))
                return -EINVAL;
        strcpy(copy, text);
        if (copy[0] == '[') { /* [fd00::7]:22 */
                char *end = strchr(copy, ']');

                if (!end || end[1] != ':')
                        return -EINVAL;
                *end = '\0';
                address = copy + 1;
                port = end + 2;
        } else if (strchr(copy, ':') && strchr(copy, ':') == strrchr(copy, ':')) { /* 192.0.2.7:22 */
                port = strchr(copy, ':');
                *port++ = '\0';
        }
        if (port && strchr(address, '/'))
                return -EINVAL;
        r = take_address(address, &net);
        if (r == 0 && port)
                r = take_port(port, &net);
        if (r == 0)
                *ret = net;
        return r;
}

char *isolate_print_net(const struct isolate_net *net, char dst[ISOLATE_NET_TEXT])
{
        char address[INET6_ADDRSTRLEN] = "";

        inet_ntop(net->len == 4 ? AF_INET : AF_INET6, net->bytes, address, sizeof(address));
        if (net->port)
                snprintf(dst, ISOLATE_NET_TEXT, net->len == 4 ? "%s:%u%s" : "[%s]:%u%s", address, net->port,
                         net->proto == IPPROTO_UDP ? "/udp" : "");
        else if (net->prefix == 8 * net->len)
                snprintf(dst, ISOLATE_NET_TEXT, "%s", address);
        else
                snprintf(dst, ISOLATE_NET_TEXT, "%s/%u", address, net->prefix);
        return dst;
}
