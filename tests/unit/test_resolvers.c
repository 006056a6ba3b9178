/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which name servers containers are configured with: read, read again, joined. */
#include <stdio.h>
#include <string.h>

#include "parse/dns-priv.h"
#include "tests/unit/unit.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/resolvers.h"

struct world {
        struct resolvers *r;
        char aa[600], bb[600], cc[600]; /* what each may ask: addresses; "any" */
        const char *host; /* the host's own address */
        unsigned told;
};

static char *place(struct world *w, struct bytes id)
{
        return bytes_eq(id, BYTES_LIT("aa")) ? w->aa : bytes_eq(id, BYTES_LIT("bb")) ? w->bb : w->cc;
}

static void on_servers(struct bytes container, const struct bytes *text, void *arg)
{
        struct world *w = arg;
        struct dns_addr list[DNS_SERVERS_MAX];
        char *to = place(w, container), address[TIDE_ADDRESS_TEXT];
        uint32_t n = text ? dns_parse_resolv(*text, list, DNS_SERVERS_MAX) : 0;

        w->told++;
        strcpy(to, text ? "" : "any");
        for (uint32_t i = 0; i < n; i++)
                sprintf(to + strlen(to), "%s%s", i ? " " : "", tide_address_text(dns_addr_bytes(&list[i]), address));
}

static bool is_hosts(struct bytes address, void *arg)
{
        const struct world *w = arg;
        char text[TIDE_ADDRESS_TEXT];

        return w->host && strcmp(tide_address_text(address, text), w->host) == 0;
}

static void world_open(struct world *w)
{
        static const struct resolvers_ops ops = {.servers = on_servers, .is_hosts = is_hosts};

        memset(w, 0, sizeof(*w));
        CU_ASSERT_EQUAL_FATAL(resolvers_new(3, &ops, w, &w->r), 0);
}

static void read_as(struct world *w, const char *id, const char *own, const char *host, const char *given,
                    bool embedded)
{
        struct resolvers_files f = {.found = own != NULL,
                                    .own = bytes_str(own),
                                    .host = bytes_str(host),
                                    .given = bytes_str(given),
                                    .embedded = embedded};

        CU_ASSERT_EQUAL(resolvers_read(w->r, bytes_str(id), &f), 0);
}

static struct resolvers_stats stats(const struct world *w)
{
        struct resolvers_stats st;

        resolvers_stats(w->r, &st);
        return st;
}

static void test_first(void)
{
        struct world w;

        world_open(&w);
        read_as(&w, "aa", "search x\nnameserver 10.0.0.53\nnameserver fd00::53\n", "nameserver 9.9.9.9\n", "", false);
        CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53 fd00::53");
        read_as(&w, "bb", "# none\n", "nameserver 9.9.9.9\n", "", false); /* resolv.conf(5): the local machine */
        CU_ASSERT_STRING_EQUAL(w.bb, "127.0.0.1 ::1");
        read_as(&w, "cc", NULL, "nameserver 9.9.9.9\n", "", false);
        CU_ASSERT_STRING_EQUAL(w.cc, "any");
        CU_ASSERT_EQUAL(stats(&w).known, 2);
        CU_ASSERT_EQUAL(stats(&w).unknown, 1);
        {
                struct resolvers_files f = {.found = true};
                struct bytes id;
                bool changed;
                size_t i = 0;

                CU_ASSERT_EQUAL(resolvers_odd_next(w.r, &i, &id, &changed), 1);
                CU_ASSERT(bytes_eq(id, BYTES_LIT("cc")) && !changed);
                CU_ASSERT_EQUAL(resolvers_odd_next(w.r, &i, &id, &changed), 0);
                CU_ASSERT_EQUAL(resolvers_read(w.r, BYTES_LIT("dd"), &f), ERR_LIMIT);
        }
        /* What was known stays when it cannot be read once; what was not is taken when it can. */
        read_as(&w, "aa", NULL, "", "", false);
        CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53 fd00::53");
        read_as(&w, "cc", "nameserver 10.0.0.1\n", "", "", false);
        CU_ASSERT_STRING_EQUAL(w.cc, "10.0.0.1");
        resolvers_gone(w.r, BYTES_LIT("aa"));
        read_as(&w, "aa", "nameserver 6.6.6.6\n", "", "", false); /* it was started anew */
        CU_ASSERT_STRING_EQUAL(w.aa, "6.6.6.6");
        resolvers_free(w.r);
}

/* A container that writes its own file names nobody by that. */
static void test_again(void)
{
        static const struct {
                const char *own, *host, *given, *servers;
                bool embedded, changed;
        } rows[] = {
                {"nameserver 10.0.0.53\n", "", "", "10.0.0.53", false, false},
                {"nameserver 6.6.6.6\n", "", "", "10.0.0.53", false, true},
                {"nameserver 127.0.0.1\n", "nameserver 127.0.0.1\n", "nameserver 127.0.0.1\n", "10.0.0.53", true, true},
                {"nameserver ::1\n", "nameserver ::1\n", "", "10.0.0.53", true, true},
                {"nameserver 127.0.0.11\n", "nameserver 10.1.1.1\n", "", "10.0.0.53", false, true},
                {"nameserver 127.0.0.11\n", "nameserver 10.1.1.1\n", "", "10.0.0.53 127.0.0.11 10.1.1.1", true, false},
                {"nameserver 127.0.0.11\n", "nameserver 10.1.1.1\n", "nameserver 10.2.2.2\n",
                 "10.0.0.53 127.0.0.11 10.2.2.2", true, false},
                {"nameserver 10.1.1.1\n", "nameserver 10.1.1.1\n", "", "10.0.0.53 10.1.1.1", false, false},
                {"nameserver 10.2.2.2\n", "", "nameserver 10.2.2.2\n", "10.0.0.53 10.2.2.2", false, false},
                {"nameserver 10.89.0.1\nnameserver 10.0.0.53\n", "", "", "10.0.0.53 10.89.0.1", false, false},
                {"nameserver 10.89.0.1\nnameserver 6.6.6.6\n", "", "", "10.0.0.53 10.89.0.1", false, true},
                {"", "", "", "10.0.0.53", false, false},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct world w;

                world_open(&w);
                w.host = "10.89.0.1";
                read_as(&w, "aa", "nameserver 10.0.0.53\n", rows[i].host, rows[i].given, false);
                CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53");
                read_as(&w, "aa", rows[i].own, rows[i].host, rows[i].given, rows[i].embedded);
                CU_ASSERT_STRING_EQUAL(w.aa, rows[i].servers);
                CU_ASSERT_EQUAL(stats(&w).changed, rows[i].changed);
                read_as(&w, "aa", "nameserver 10.0.0.53\n", rows[i].host, "", false);
                CU_ASSERT_EQUAL(stats(&w).changed, 0);
                resolvers_free(w.r);
        }
}

/* What one asks may come from any in its namespace. */
static void test_shared(void)
{
        struct world w;

        world_open(&w);
        CU_ASSERT_EQUAL(resolvers_container(w.r, BYTES_LIT("aa"), 7), 0);
        CU_ASSERT_EQUAL(resolvers_container(w.r, BYTES_LIT("bb"), 7), 0);
        CU_ASSERT_EQUAL(resolvers_container(w.r, BYTES_LIT("cc"), 8), 0);
        read_as(&w, "aa", "nameserver 10.0.0.53\n", "", "", false);
        CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53"); /* of the other it is not known yet */
        CU_ASSERT_STRING_EQUAL(w.bb, "10.0.0.53");
        CU_ASSERT_STRING_EQUAL(w.cc, "any");
        read_as(&w, "bb", "nameserver 10.0.0.54\nnameserver 10.0.0.53\n", "", "", false);
        CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53 10.0.0.54");
        CU_ASSERT_STRING_EQUAL(w.bb, "10.0.0.54 10.0.0.53");
        read_as(&w, "cc", NULL, "", "", false);
        CU_ASSERT_EQUAL(resolvers_container(w.r, BYTES_LIT("cc"), 7), 0);
        CU_ASSERT_STRING_EQUAL(w.aa, "any");
        resolvers_gone(w.r, BYTES_LIT("cc"));
        CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53 10.0.0.54");
        CU_ASSERT_EQUAL(resolvers_container(w.r, BYTES_LIT("bb"), 9), 0);
        CU_ASSERT_STRING_EQUAL(w.aa, "10.0.0.53");
        CU_ASSERT_STRING_EQUAL(w.bb, "10.0.0.54 10.0.0.53");
        resolvers_gone(w.r, BYTES_LIT("nobody"));
        resolvers_free(w.r);
}

/* More than are kept: the first ones, of each text and of all. */
static void test_many(void)
{
        char text[4000] = "", last[32];
        struct world w;

        world_open(&w);
        for (unsigned i = 0; i < DNS_SERVERS_MAX + 8; i++)
                sprintf(text + strlen(text), "nameserver 10.0.1.%u\n", i);
        read_as(&w, "aa", text, text, text, true);
        sprintf(last, " 10.0.1.%u", DNS_SERVERS_MAX - 1);
        CU_ASSERT_STRING_EQUAL(w.aa + strlen(w.aa) - strlen(last), last);
        resolvers_free(w.r);
}

static const struct unit_case cases[] = {
        {"the file as it is seen first", test_first},
        {"read again: what somebody outside vouches for", test_again},
        {"containers that share a namespace", test_shared},
        {"more servers than are kept", test_many},
};
UNIT_MAIN("resolvers", cases)
