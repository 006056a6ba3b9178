/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the "nameserver" lines of resolv.conf(5). Must not: know anything else of it. Pure. Hands over: addresses.
 *
 *     nameserver fe80::1%eth0    the scope says by which interface: no part of the address
 *
 * A line counts if its first word begins in its first column, as for the C library; what is no address is passed over.
 */
#include <arpa/inet.h>
#include <string.h>

#include "parse/dns-priv.h"

/* The bytes up to the next one of the set, or the end; text is then behind that one. */
static struct bytes take_until(struct bytes *text, const char *set)
{
        struct bytes got = {text->p, 0};

        while (got.len < text->len && (!text->p[got.len] || !strchr(set, text->p[got.len])))
                got.len++;
        *text = got.len < text->len ? bytes_of(text->p + got.len + 1, text->len - got.len - 1) : bytes_of(NULL, 0);
        return got;
}

static struct dns_addr address(struct bytes word)
{
        uint8_t raw[16];
        char text[INET6_ADDRSTRLEN];

        if (word.len == 0 || word.len >= sizeof(text) || memchr(word.p, 0, word.len))
                return dns_addr_of(bytes_of(NULL, 0));
        memcpy(text, word.p, word.len);
        text[word.len] = '\0';
        if (inet_pton(AF_INET, text, raw) == 1)
                return dns_addr_of(bytes_of(raw, 4));
        if (inet_pton(AF_INET6, text, raw) == 1)
                return dns_addr_of(bytes_of(raw, 16));
        return dns_addr_of(bytes_of(NULL, 0));
}

static struct dns_addr server_of(struct bytes line)
{
        static const char blank[] = " \t\r\v\f";
        struct bytes word = take_until(&line, blank);

        if (!bytes_eq(word, BYTES_LIT("nameserver")))
                return dns_addr_of(bytes_of(NULL, 0));
        do
                word = take_until(&line, blank);
        while (word.len == 0 && line.len);
        word = take_until(&word, "#;");
        return address(take_until(&word, "%"));
}

static bool holds(const struct dns_addr *list, uint32_t n, const struct dns_addr *a)
{
        for (uint32_t i = 0; i < n; i++)
                if (dns_addr_eq(&list[i], a))
                        return true;
        return false;
}

uint32_t dns_parse_resolv(struct bytes text, struct dns_addr *ret, uint32_t max)
{
        uint32_t n = 0;

        if (text.len > DNS_RESOLV_MAX)
                text.len = DNS_RESOLV_MAX;
        while (text.len && n < max) {
                struct dns_addr a = server_of(take_until(&text, "\n"));

                if (a.len && !holds(ret, n, &a))
                        ret[n++] = a;
        }
        return n;
}
