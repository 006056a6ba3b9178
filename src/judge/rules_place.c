/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how an operator writes a destination: an address, a network, a name or a pattern of names, with port and
 * protocol behind it; or what a workload listens on. Must not: match it (rules_match.c). Pure.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/pattern.h"

/* A whole number below max of digits alone; -1: it is none. */
static int number(struct bytes s, int max)
{
        int v = 0;

        if (s.len == 0 || s.len > 5)
                return -1;
        for (uint32_t i = 0; i < s.len; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return -1;
                v = v * 10 + (s.p[i] - '0');
        }
        return v < max ? v : -1;
}

static bool take_proto(struct bytes s, struct rule_place *ret)
{
        char text[TIDE_PROTO_TEXT];

        for (unsigned proto = 1; proto < 256; proto++)
                if (bytes_eq(s, bytes_str(tide_proto_text((uint8_t)proto, text)))) {
                        ret->proto = (uint8_t)proto;
                        return true;
                }
        return false;
}

static struct bytes tail(struct bytes s, uint32_t from)
{
        return bytes_of(s.p + from, s.len - from);
}

static bool is_digits(struct bytes s)
{
        return number(s, 100000) >= 0;
}

static struct bytes trim(struct bytes s, uint32_t len)
{
        return bytes_of(s.p, len);
}

/* "ADDRESS" or "ADDRESS/BITS"; 1: it is; 0: it is none; -1: it is one with too many bits. */
static int take_network(struct bytes s, struct rule_place *ret)
{
        int slash = bytes_rfind(s, '/'), bits = -1;
        struct bytes host = slash > 0 ? trim(s, (uint32_t)slash) : s;
        char text[64];

        if (host.len >= sizeof(text) || host.len == 0)
                return 0;
        memcpy(text, host.p, host.len);
        text[host.len] = '\0';
        if (strlen(text) != host.len)
                return 0;
        if (inet_pton(AF_INET, text, ret->address) == 1)
                ret->address_len = 4;
        else if (inet_pton(AF_INET6, text, ret->address) == 1)
                ret->address_len = 16;
        else
                return 0;
        if (slash > 0)
                bits = number(tail(s, (uint32_t)slash + 1), 8 * ret->address_len + 1);
        if (slash > 0 && bits < 0)
                return -1;
        ret->bits = (uint8_t)(slash > 0 ? bits : 8 * ret->address_len);
        return 1;
}

/* What is registered is what an operator can know: the last two labels of a name of several are no pattern. */
static const char *take_name(struct bytes s, char name[RULE_TEXT], struct rule_place *ret)
{
        unsigned labels = 1, wild_at = 0, at = 0;
        const char *wrong = pattern_check(s);

        if (wrong)
                return wrong;
        for (uint32_t i = 0; i < s.len; i++) {
                uint8_t c = s.p[i];

                if (c <= ' ' || c == '/' || c == '[' || c == ']' || c == ':' || c >= 0x7f)
                        return "is neither an address (203.0.113.7, 2001:db8::1), a network (10.0.0.0/8) nor a name "
                               "(api.example.com, *.example.com)";
                name[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
                labels += c == '.';
        }
        for (uint32_t i = 0; i < s.len; i++) {
                at += s.p[i] == '.';
                if (s.p[i] == '*' || s.p[i] == '?')
                        wild_at = at + 1;
        }
        if (wild_at && (labels == 1 ? s.p[0] == '*' : wild_at + 2 > labels))
                return "is too wide: the last two parts of a name stand for who owns it and are written out "
                       "(*.example.com, not *.com)";
        ret->name = bytes_of(name, s.len);
        return NULL;
}

/* ":PORT" at the end, not of an address of IPv6 without brackets. */
static const char *take_port(struct bytes *s, struct rule_place *ret)
{
        int colon = bytes_rfind(*s, ':'), bracket = bytes_rfind(*s, ']'), port;
        unsigned colons = 0;

        for (uint32_t i = 0; i < s->len; i++)
                colons += s->p[i] == ':';
        if (colon < 0 || colon < bracket || (colons > 1 && bracket < 0))
                return NULL;
        port = number(tail(*s, (uint32_t)colon + 1), 65536);
        if (port < 1)
                return "has no port from 1 to 65535 behind its last colon";
        ret->port = (uint16_t)port;
        s->len = (uint32_t)colon;
        return NULL;
}

const char *rule_place(struct bytes s, char name[RULE_TEXT], struct rule_place *ret)
{
        int slash = bytes_rfind(s, '/');
        const char *wrong;
        int network;

        memset(ret, 0, sizeof(*ret));
        if (s.len == 0 || s.len >= RULE_TEXT)
                return "has no text, or too much";
        if (slash >= 0 && slash > bytes_rfind(s, ']') && !is_digits(tail(s, (uint32_t)slash + 1))) {
                if (!take_proto(tail(s, (uint32_t)slash + 1), ret))
                        return "names no protocol behind its slash (tcp, udp, icmp, sctp)";
                s.len = (uint32_t)slash;
        }
        if (bytes_has_prefix(s, BYTES_LIT("listen:"))) {
                int port = number(tail(s, 7), 65536);

                ret->listens = true;
                ret->port = port > 0 ? (uint16_t)port : 0;
                return port > 0 ? NULL : "names no port behind \"listen:\" (listen:8080/tcp)";
        }
        wrong = take_port(&s, ret);
        if (wrong)
                return wrong;
        if (s.len == 0) {
                ret->any = true;
                return NULL;
        }
        if (s.len > 2 && s.p[0] == '[' && s.p[s.len - 1] == ']')
                s = bytes_of(s.p + 1, s.len - 2);
        network = take_network(s, ret);
        if (network < 0)
                return "is a network with more bits than its addresses have";
        return network ? NULL : take_name(s, name, ret);
}
