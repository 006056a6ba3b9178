/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the helper in network namespaces reads: messages of the kernel about what a container may have set up there. As
 * nl hands them over: whole messages, one behind the other.
 */
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "act/nettable-priv.h"
#include "act/nslook-priv.h"
#include "fuzz.h"
#include "tidemark/nsworker.h"

static void one(const struct nlmsghdr *h)
{
        struct nettable_looked l = {.name = "tidemark-it"};
        struct nsworker_answer a = {0};
        bool dormant = false;

        a.naddresses = NSWORKER_ADDRESSES - 1;
        if (nslook_parse_address(h, &a) != 0 || nslook_parse_address(h, &a) > 0 || a.naddresses > NSWORKER_ADDRESSES)
                abort();
        if (a.naddresses == NSWORKER_ADDRESSES && a.addresses[NSWORKER_ADDRESSES - 1].len != 4 &&
            a.addresses[NSWORKER_ADDRESSES - 1].len != 16)
                abort();
        if (nslook_parse_counts(h, &a) != 0 || a.conntrack_max > UINT32_MAX)
                abort();
        if (nettable_parse_table(h, &dormant) != 0 || nettable_parse_rule(h, &l) != 0 || l.rules > 1)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* The kernel aligns messages, and so does the buffer that nl reads them into. */
        _cleanup_free_ uint8_t *p = malloc(size + 1);
        const struct nlmsghdr *h = (const struct nlmsghdr *)p;
        int left = (int)size;

        if (!p)
                return 0;
        memcpy(p, data, size);
        for (; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (uint32_t)left; h = mnl_nlmsg_next(h, &left))
                one(h);
        return 0;
}

FUZZ_MAIN("act", "tests/fuzz/corpus/act")
