/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the isolator reads: its list on the disk, addresses that an operator writes, /proc's texts of a container, and
 * the kernel's messages about what a container may have set up. By the first byte: l, t, or n.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

#include "act/isolate-priv.h"
#include "fuzz.h"
#include "tidemark/buf.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What is told to be whole is written again as the same bytes. */
static void list(struct bytes file)
{
        struct isolate_list *l = malloc(sizeof(*l));
        char why[ISOLATE_WHY];
        int r = l ? isolate_list_decode(file, l, why) : -ENOMEM;

        if (l && (l->n > ISOLATE_HELD || (r < 0 && !why[0])))
                abort();
        for (uint32_t i = 0; l && i < l->n; i++)
                if (l->of[i].nnets > ISOLATE_NETS || strlen(l->of[i].id) != ISOLATE_ID - 1 ||
                    l->of[i].way >= ISOLATE__WAYS)
                        abort();
        if (r == 0) {
                _cleanup_buf_ struct buf b;

                buf_init(&b, ISOLATE_LIST_BYTES);
                isolate_list_encode(l, &b);
                if (b.err || isolate_list_decode(buf_bytes(&b), l, why) != 0)
                        abort();
        }
        free(l);
}

static void text(struct bytes b)
{
        char copy[128] = "", printed[ISOLATE_NET_TEXT], id[ISOLATE_ID];
        struct isolate_net net, again;
        struct bytes path;

        memcpy(copy, b.p, b.len < sizeof(copy) ? b.len : sizeof(copy) - 1);
        if (isolate_parse_net(copy, &net) == 0 && (isolate_parse_net(isolate_print_net(&net, printed), &again) != 0 ||
                                                   memcmp(&net, &again, sizeof(net)) != 0))
                abort();
        if (isolate_parse_cgroup(b, "freezer", ID, &path) == 0 && (path.len < ISOLATE_ID || path.p[0] != '/'))
                abort();
        if (isolate_parse_id(b, id) == 0 && strspn(id, "0123456789abcdef") != ISOLATE_ID - 1)
                abort();
        (void)isolate_parse_caps(b, "CapEff:");
}

/* Rules that are read back are libnftnl's to parse: what no kernel would send ends its process. */
static void message(const struct nlmsghdr *h)
{
        struct isolate_links links = {.n = ISOLATE_DEVICES};
        struct isolate_addresses addresses = {.n = ISOLATE_NEAR - 1};
        struct isolate_ports ports = {.n = ISOLATE_PORTS - 1};
        struct isolate_news news = {.own = 7};
        int32_t nsid = -1;

        if (isolate_parse_link(h, &links) != 0 || isolate_parse_address(h, &addresses) != 0 ||
            isolate_parse_gateway(h, &addresses) != 0 || isolate_parse_listener(h, &ports) != 0 ||
            isolate_parse_nsid(h, &nsid) != 0 || isolate_hear(h, &news) != 0)
                abort();
        if (links.n > ISOLATE_DEVICES + 1 || addresses.n > ISOLATE_NEAR || ports.n > ISOLATE_PORTS)
                abort();
}

static void messages(struct bytes b)
{
        /* The kernel aligns messages, and so does the buffer that nl reads them into. */
        _cleanup_free_ uint8_t *p = malloc(b.len + 1);
        const struct nlmsghdr *h = (const struct nlmsghdr *)p;
        int left = (int)b.len;

        if (!p)
                return;
        memcpy(p, b.p, b.len);
        for (; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (uint32_t)left; h = mnl_nlmsg_next(h, &left))
                message(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes rest = size ? bytes_of(data + 1, size - 1) : bytes_of(data, 0);

        if (size == 0)
                return 0;
        if (data[0] == 'l')
                list(rest);
        else if (data[0] == 't')
                text(rest);
        else
                messages(rest);
        return 0;
}

FUZZ_MAIN("isolate", "tests/fuzz/corpus/isolate")
