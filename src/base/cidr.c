/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: how an address with a prefix is written. Must not: resolve a name. */
#include "tidemark/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define TEXT_MAX 64

static int parse_bits(const char *text, unsigned most, uint8_t *ret)
{
        unsigned v = 0;
        size_t n = strspn(text, "0123456789");

        if (n == 0 || n > 3 || text[n] || (n > 1 && text[0] == '0'))
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                v = v * 10 + (unsigned)(text[i] - '0');
        if (v > most)
                return -EINVAL;
        *ret = (uint8_t)v;
        return 0;
}

/* A bit beyond the prefix is a slip of whoever wrote it: "10.0.0.7/8" may mean either. */
static bool is_clean(const struct cidr *c)
{
        for (unsigned i = c->bits; i < 8u * c->len; i++)
                if (c->bytes[i / 8] & (0x80u >> (i % 8)))
                        return false;
        return true;
}

int cidr_parse(const char *text, struct cidr *ret)
{
        const char *slash = strchr(text, '/');
        size_t n = slash ? (size_t)(slash - text) : strlen(text);
        struct cidr c = {.len = 0};
        char address[TEXT_MAX];

        if (n >= sizeof(address))
                return -EINVAL;
        memcpy(address, text, n);
        address[n] = '\0';
        if (inet_pton(AF_INET, address, c.bytes) == 1)
                c.len = 4;
        else if (inet_pton(AF_INET6, address, c.bytes) == 1)
                c.len = 16;
        else
                return -EINVAL;
        c.bits = (uint8_t)(8u * c.len);
        if (slash && parse_bits(slash + 1, 8u * c.len, &c.bits) < 0)
                return -EINVAL;
        if (!is_clean(&c))
                return -EINVAL;
        *ret = c;
        return 0;
}
