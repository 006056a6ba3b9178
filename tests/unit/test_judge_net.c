/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge of connections: names and addresses as keys, what names lead where, what is learned, raised and only
 * counted, phases, replicas, candidates, bands, and that what was saved makes the same judge again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/fixture.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/generalise.h"

/* ---- keys ---- */

static void test_names_generalised(void)
{
        static const struct {
                const char *name, *key;
        } rows[] = {
                {"example.com", "example.com"},
                {"redis", "redis"},
                {"web12", "web12"},
                {"api.example.com", "api.example.com"},
                /* Where anybody may have a name it is whole: the next tenant is somebody else. */
                {"ec2-1-2-3-4.compute-1.amazonaws.com", "ec2-1-2-3-4.compute-1.amazonaws.com"},
                {"ec2-52-1-2-3.us-west-2.compute.amazonaws.com", "ec2-52-1-2-3.us-west-2.compute.amazonaws.com"},
                {"k3j4l5m6n7.execute-api.us-east-1.amazonaws.com", "k3j4l5m6n7.execute-api.us-east-1.amazonaws.com"},
                {"data01.s3.us-east-1.amazonaws.com", "data01.s3.us-east-1.amazonaws.com"},
                {"a1b2c3-1234567890.us-east-1.elb.amazonaws.com", "a1b2c3-1234567890.us-east-1.elb.amazonaws.com"},
                {"123456789012.dkr.ecr.us-east-1.amazonaws.com", "123456789012.dkr.ecr.us-east-1.amazonaws.com"},
                {"x7k2p9.lambda-url.us-east-1.on.aws", "x7k2p9.lambda-url.us-east-1.on.aws"},
                {"logs12345.queue.core.windows.net", "logs12345.queue.core.windows.net"},
                {"0123456789abcdef.blob.core.windows.net", "0123456789abcdef.blob.core.windows.net"},
                {"app12.azurewebsites.net", "app12.azurewebsites.net"},
                {"6.tcp.eu.ngrok.io", "6.tcp.eu.ngrok.io"},
                {"a1b2-203-0-113-7.ngrok-free.app", "a1b2-203-0-113-7.ngrok-free.app"},
                {"1-2-3-4.sslip.io", "1-2-3-4.sslip.io"},
                {"10.0.0.7.nip.io", "10.0.0.7.nip.io"},
                {"www1.some-words-here.trycloudflare.com", "www1.some-words-here.trycloudflare.com"},
                {"svc12-abc123xyz-ew.a.run.app", "svc12-abc123xyz-ew.a.run.app"},
                {"7.113.0.203.bc.googleusercontent.com", "7.113.0.203.bc.googleusercontent.com"},
                {"evilngrok.io", "evilngrok.io"}, /* another's own */
                {"web1.evilngrok.io", "web<n>.evilngrok.io"},
                {"web1.ngrok.io.example.com", "web<n>.ngrok.io.example.com"},
                {"ngrok.io", "ngrok.io"},
                /* Not so the nodes of what is one tenant's, nor the provider's own hosts. */
                {"b-1.orders.ab12cd.c2.kafka.eu-west-1.amazonaws.com",
                 "b-<n>.orders.ab12cd.c2.kafka.eu-west-1.amazonaws.com"},
                {"shop-0001-002.shop.k3j4xy.use1.cache.amazonaws.com",
                 "shop-<n>-<n>.shop.k3j4xy.use1.cache.amazonaws.com"},
                {"shop.k3j4xy.use1.cache.amazonaws.com", "shop.k3j4xy.use1.cache.amazonaws.com"},
                {"s3-1.amazonaws.com", "s3-<n>.amazonaws.com"},
                {"ip-10-0-0-1.eu-west-1.compute.internal", "ip-<n>-<n>-<n>-<n>.eu-west-<n>.compute.internal"},
                {"shard-00-02.x.mongodb.net", "shard-<n>-<n>.x.mongodb.net"},
                {"cluster0-shard-00-01.ab1cd.mongodb.net", "cluster<n>-shard-<n>-<n>.ab1cd.mongodb.net"},
                {"c0-shard-00-01.x7k2p9q4.mongodb.net", "c0-shard-<n>-<n>.x7k2p9q4.mongodb.net"},
                {"s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com"},
                {"s3-us-west-2.amazonaws.com", "s3-us-west-<n>.amazonaws.com"},
                {"d111111abcdef8.cloudfront.net", "d111111abcdef8.cloudfront.net"},
                {"1.europe.pool.ntp.org", "<n>.europe.pool.ntp.org"},
                {"edge7.cdn.example.org", "edge<n>.cdn.example.org"},
                {"0123456789abcdef.blob.example.net", "<hex>.blob.example.net"},
                {"123e4567-e89b-12d3-a456-426614174000.db.example.net", "<uuid>.db.example.net"},
                {"shop12.co.uk", "shop12.co.uk"}, /* what somebody registered is theirs */
                {"edge7.d111111abcdef8.cloudfront.net", "edge<n>.d111111abcdef8.cloudfront.net"},
                {"x7k2p9qa.duckdns.org", "x7k2p9qa.duckdns.org"},
                {"bucket12345.s3.amazonaws.com", "bucket12345.s3.amazonaws.com"},
                {"www1.shop12.co.uk", "www<n>.shop12.co.uk"},
                {"edge1.www.shop12.co.uk", "edge<n>.www.shop12.co.uk"},
                {"12345.com", "12345.com"},
                {"a8f3k9z2.com", "a8f3k9z2.com"},
                {"", ""},
                {".", "."},
                {"..", ".."},
                {"a..b.c", "a..b.c"},
        };
        _cleanup_buf_ struct buf b, again;

        buf_init(&b, 1000);
        buf_init(&again, 1000);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                buf_reset(&b);
                buf_reset(&again);
                generalise_name(bytes_str(rows[i].name), &b);
                CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i].key);
                if (strcmp(buf_cstr(&b), rows[i].key) != 0)
                        printf("\n    %s: %s, not %s\n", rows[i].name, buf_cstr(&b), rows[i].key);
                generalise_name(buf_bytes(&b), &again); /* a key is its own key */
                CU_ASSERT_STRING_EQUAL(buf_cstr(&again), rows[i].key);
        }
}

static struct bytes address(const char *text)
{
        static uint8_t space[8][16];
        static unsigned next;
        uint8_t *p = space[next++ % 8];
        int family = strchr(text, ':') ? AF_INET6 : AF_INET;

        CU_ASSERT_EQUAL(inet_pton(family, text, p), 1);
        return bytes_of(p, family == AF_INET ? 4 : 16);
}

static void test_addresses_generalised(void)
{
        static const struct {
                const char *address, *key;
                enum address_kind kind;
        } rows[] = {
                {"198.51.100.7", "198.51.100.7", ADDRESS_PUBLIC},
                {"9.255.255.255", "9.255.255.255", ADDRESS_PUBLIC},
                {"10.1.2.3", "10.1.2.0/24", ADDRESS_PRIVATE},
                {"11.0.0.1", "11.0.0.1", ADDRESS_PUBLIC},
                {"172.15.0.1", "172.15.0.1", ADDRESS_PUBLIC},
                {"172.31.255.9", "172.31.255.0/24", ADDRESS_PRIVATE},
                {"172.32.0.1", "172.32.0.1", ADDRESS_PUBLIC},
                {"192.168.7.7", "192.168.7.0/24", ADDRESS_PRIVATE},
                {"100.64.1.2", "100.64.1.0/24", ADDRESS_PRIVATE},
                {"100.128.1.2", "100.128.1.2", ADDRESS_PUBLIC},
                {"169.254.169.254", "169.254.169.254", ADDRESS_LINK},
                {"127.0.0.11", "127.0.0.11", ADDRESS_LOOPBACK},
                {"224.0.0.251", "224.0.0.251", ADDRESS_GROUP},
                {"255.255.255.255", "255.255.255.255", ADDRESS_GROUP},
                {"250.1.1.1", "250.1.1.1", ADDRESS_SPECIAL},
                {"0.0.0.0", "0.0.0.0", ADDRESS_SPECIAL},
                {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", ADDRESS_PUBLIC},
                {"fd00:1:2:3::9", "fd00:1:2:3::/64", ADDRESS_PRIVATE},
                {"fe80::1234", "fe80::/64", ADDRESS_LINK},
                {"ff02::fb", "ff02::fb", ADDRESS_GROUP},
                {"::1", "::1", ADDRESS_LOOPBACK},
                {"::", "::", ADDRESS_SPECIAL},
                {"::ffff:10.1.2.3", "10.1.2.0/24", ADDRESS_PRIVATE},
        };
        _cleanup_buf_ struct buf b;

        buf_init(&b, 100);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                buf_reset(&b);
                generalise_address(address(rows[i].address), &b);
                CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i].key);
                CU_ASSERT_EQUAL(address_kind(address(rows[i].address)), rows[i].kind);
        }
        buf_reset(&b);
        generalise_address(BYTES_LIT("abc"), &b);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "?");
        CU_ASSERT_EQUAL(address_kind(bytes_of(NULL, 0)), ADDRESS_NONE);
}

/* ---- names of addresses ---- */

struct dropped {
        unsigned n;
        char last[32];
};

static void on_dropped(const struct name_fact *f, void *arg)
{
        struct dropped *d = arg;

        d->n++;
        snprintf(d->last, sizeof(d->last), "%.*s", (int)f->name.len, (const char *)f->name.p);
}

static int put_fact(struct names *n, const char *where, const char *name, int64_t at, uint32_t ttl, uint8_t verdict,
                    struct dropped *d)
{
        struct name_fact f = {.address = address(where),
                              .name = bytes_str(name),
                              .last_ns = at,
                              .ttl = ttl,
                              .verdict = verdict};

        return names_put(n, &f, on_dropped, d);
}

/* How many claims there are of an address; *ret is the last. */
static unsigned claim_of(const struct names *n, const char *where, struct name_fact *ret)
{
        const void *at = NULL;
        unsigned count = 0;

        while (names_claims(n, address(where), &at, ret))
                count++;
        return count;
}

static void test_names_order(void)
{
        struct name_fact found[NAMES_SHOWN];
        struct dropped d = {0};
        struct names *n;
        int64_t sec = (int64_t)SEC;

        CU_ASSERT_EQUAL_FATAL(names_new(4, &n), 0);
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.1", "a.example", 1000 * sec, 5, NAME_ANSWERED, &d), 1);
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.1", "b.example", 1400 * sec, 5, NAME_ANSWERED, &d), 1);
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.1", "b.example", 1401 * sec, 5, NAME_ANSWERED, &d), 0);
        /* Alive goes before old; however old, it counts where there is nothing else. */
        CU_ASSERT_EQUAL(names_find(n, address("198.51.100.1"), 1402 * sec, found, NAMES_SHOWN), 1);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("b.example")));
        CU_ASSERT_EQUAL(names_find(n, address("198.51.100.1"), 900000 * sec, found, NAMES_SHOWN), 1);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("b.example")));
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.1", "a.example", 1500 * sec, 5, NAME_ANSWERED, &d), 0);
        CU_ASSERT_EQUAL(names_find(n, address("198.51.100.1"), 1501 * sec, found, NAMES_SHOWN), 2);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("a.example")));
        CU_ASSERT_EQUAL(names_find(n, address("198.51.100.1"), 1501 * sec, found, 1), 1);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("a.example")));
        /* A long life keeps it alive. */
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.2", "long.example", 1500 * sec, 86400, NAME_ANSWERED, &d), 1);
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.2", "short.example", 1400 * sec, 1, NAME_ANSWERED, &d), 1);
        CU_ASSERT_EQUAL(names_find(n, address("198.51.100.2"), 80000 * sec, found, NAMES_SHOWN), 1);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("long.example")));
        /* No room: the one untold for longest goes, which is the one that came last with the oldest time. */
        CU_ASSERT_EQUAL(put_fact(n, "198.51.100.3", "c.example", 1600 * sec, 5, NAME_ANSWERED, &d), 1);
        CU_ASSERT_EQUAL(d.n, 1);
        CU_ASSERT_STRING_EQUAL(d.last, "short.example");
        CU_ASSERT_EQUAL(names_count(n), 4);
        /* Told again by another way: what is kept is as it is stored when it is stored next. */
        {
                struct name_fact f = {.address = address("198.51.100.3"), .name = BYTES_LIT("c.example"),
                                      .chain = BYTES_LIT("edge.example"), .last_ns = 1601 * sec, .ttl = 5,
                                      .verdict = NAME_ANSWERED};

                CU_ASSERT_EQUAL(names_put(n, &f, on_dropped, &d), 0);
                CU_ASSERT_EQUAL(names_find(n, f.address, 1601 * sec, found, 1), 1);
                CU_ASSERT_TRUE(bytes_eq(found[0].chain, f.chain));
        }
        /* What is claimed is no name, and pushes none out. */
        for (int i = 0; i < 10; i++) {
                char name[32];

                snprintf(name, sizeof(name), "evil%d.example", i);
                CU_ASSERT_EQUAL(put_fact(n, "203.0.113.1", name, (1700 + i) * sec, 5, NAME_UNASKED, &d), 1);
        }
        CU_ASSERT_EQUAL(names_count(n), 4);
        CU_ASSERT_EQUAL(names_find(n, address("203.0.113.1"), 1700 * sec, found, NAMES_SHOWN), 0);
        CU_ASSERT_EQUAL(claim_of(n, "203.0.113.1", &found[0]), 1);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("evil9.example")));
        CU_ASSERT_EQUAL(claim_of(n, "198.51.100.1", &found[0]), 0);
        /* Nor does what a foreign server says push out what nobody asked for. */
        for (int i = 0; i < 10; i++) {
                char name[32];

                snprintf(name, sizeof(name), "far%d.example", i);
                CU_ASSERT_EQUAL(put_fact(n, "203.0.113.1", name, (1800 + i) * sec, 5, NAME_FOREIGN, &d), 1);
        }
        CU_ASSERT_EQUAL(claim_of(n, "203.0.113.1", &found[0]), 2);
        CU_ASSERT_TRUE(bytes_eq(found[0].name, BYTES_LIT("far9.example")));
        CU_ASSERT_EQUAL(names_find(NULL, address("203.0.113.1"), 0, found, 1), 0);
        CU_ASSERT_EQUAL(claim_of(NULL, "203.0.113.1", found), 0);
        {
                struct name_fact bad = {.address = BYTES_LIT("abc"), .name = BYTES_LIT("x"), .verdict = NAME_ANSWERED};

                CU_ASSERT_EQUAL(names_put(n, &bad, on_dropped, &d), -EINVAL);
                bad.address = BYTES_LIT("abcd");
                bad.name.len = 0;
                CU_ASSERT_EQUAL(names_put(n, &bad, on_dropped, &d), -EINVAL);
        }
        names_free(n);
}

/* ---- flows ---- */

struct call {
        const char *id, *to, *exe;
        uint16_t port;
        uint8_t proto, layer, what, direction;
        enum tide_origin origin;
        uint32_t pid, flags;
        uint64_t flow;
        uint16_t event_flags;
        bool audit; /* of a program that audit alone has told */
        int hours; /* of the bands: how long it was learned, 0: 200; when it is, 0: at work */
        enum finding_phase phase;
};

/* An outbound TCP connection of nginx's, unless it says otherwise. */
static int call_as(struct world *w, struct call c)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_CONNTRACK};

        ev.container = bytes_str(c.id ? c.id : "c1");
        if (!(c.flags & FLOWF_SHARED) && c.pid != UINT32_MAX) {
                ev.flow.actor = actor(c.pid ? c.pid : 200, c.origin ? c.origin : ORIGIN_ENTRYPOINT,
                                      c.exe ? c.exe : "/usr/sbin/nginx");
                ev.flow.actor.exe_layer = c.layer ? c.layer : LAYER_IMAGE;
        }
        if (c.audit) {
                ev.sources |= SRC_AUDIT;
                ev.flow.actor.exe_layer = LAYER_UNKNOWN;
        }
        ev.flags = c.event_flags;
        ev.flow.what = c.what ? c.what : FLOW_BEGAN;
        ev.flow.direction = c.direction ? c.direction : DIRECTION_OUT;
        ev.flow.proto = c.proto ? c.proto : IPPROTO_TCP;
        ev.flow.flags = c.flags;
        ev.flow.local = address("10.88.0.2");
        ev.flow.lport = 45000;
        ev.flow.remote = address(c.to);
        ev.flow.rport = c.port;
        ev.flow.id = c.flow;
        ev.flow.netns = 77;
        return give(w, &ev);
}

static void call(struct world *w, const char *to, uint16_t port)
{
        CU_ASSERT_EQUAL(call_as(w, (struct call){.to = to, .port = port}), 0);
}

static void listen_at(struct world *w, const char *at, uint16_t port, uint32_t flags)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_SOCKETS, .container = BYTES_LIT("c1")};

        ev.flow.actor = actor(200, ORIGIN_ENTRYPOINT, "/usr/sbin/nginx");
        ev.flow.actor.exe_layer = LAYER_IMAGE;
        ev.flow.what = FLOW_LISTENS;
        ev.flow.direction = DIRECTION_IN;
        ev.flow.proto = IPPROTO_TCP;
        ev.flow.flags = flags;
        ev.flow.local = address(at);
        ev.flow.lport = port;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void answer_in(struct world *w, const char *id, const char *name, const char *to, enum tide_name_verdict verdict)
{
        struct tide_event ev = {.kind = TIDE_NAME, .sources = SRC_NFLOG, .container = bytes_str(id)};
        _cleanup_buf_ struct buf addresses, chain;

        buf_init(&addresses, 100);
        buf_init(&chain, 100);
        tide_list_put(&addresses, address(to), BYTES_LIT("\x3c\0\0\0"));
        tide_list_put(&chain, bytes_str(name), BYTES_LIT("edge.cdn.example"));
        ev.name.verdict = (uint8_t)verdict;
        ev.name.proto = IPPROTO_UDP;
        ev.name.question = bytes_str(name);
        ev.name.addresses = buf_bytes(&addresses);
        ev.name.chain = buf_bytes(&chain);
        ev.name.netns = 77;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void answer(struct world *w, const char *name, const char *to)
{
        answer_in(w, "c1", name, to, NAME_ANSWERED);
}

/* A workload that has called one host by its name for so many hours, and that serves. */
static void settle_for(struct world *w, int hours)
{
        char text[32];

        start(w);
        for (int h = 0; h < hours; h++) {
                snprintf(text, sizeof(text), "198.51.100.%d", h % 200 + 1);
                answer(w, "api.example.com", text); /* rotates */
                call(w, text, 443);
                call(w, "10.0.0.7", 5432);
                listen_at(w, "0.0.0.0", 8080, 0);
                run(w, "/bin/date", LAYER_IMAGE);
                w->now += HOUR;
                tick(w);
        }
}

static void settle(struct world *w)
{
        settle_for(w, 200);
}

static void stopping(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};

        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        ev.ctr.stopping = 1;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void told_of(struct world *w, const char *id, enum tide_flows flows)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = bytes_str(id)};

        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        ev.ctr.flows = (uint8_t)flows;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static struct judge_entry entry(const struct world *w, const char *key)
{
        struct judge_workload jw = workload(w);
        struct judge_entry e;
        size_t i = 0;

        while (judge_entry_next(w->j, jw.id, &i, &e))
                if (e.dim == DIM_NETWORK && bytes_eq(e.key, bytes_str(key)))
                        return e;
        return (struct judge_entry){.why = ""};
}

static void test_learned(void)
{
        struct judge_stats st;
        struct world w;

        world_open(&w);
        settle(&w);
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 3);
        CU_ASSERT_EQUAL(entry(&w, "api.example.com:443/tcp").windows, 200);
        CU_ASSERT_EQUAL(entry(&w, "10.0.0.0/24:5432/tcp").windows, 200);
        CU_ASSERT_EQUAL(entry(&w, "listen 8080/tcp").windows, 200);
        /* Another address behind the name, another machine of that network: known. */
        answer(&w, "api.example.com", "203.0.113.99");
        call(&w, "203.0.113.99", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        call(&w, "10.0.0.200", 5432);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        /* A name that was resolved long before. */
        w.now += 3000 * HOUR;
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(w.opened, 0);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.net.outbound, 403);
        CU_ASSERT_EQUAL(st.names, 201);
        CU_ASSERT_EQUAL(st.names_answered, 201);
        world_close(&w);
}

/* What is no observation: inbound flows, name servers, what stays inside, ends; and nothing of it is a finding. */
static void test_only_counted(void)
{
        struct judge_stats st;
        struct world w;

        world_open(&w);
        settle(&w);
        for (int i = 0; i < 100; i++) {
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.5", .port = (uint16_t)(40000 + i),
                                                          .direction = DIRECTION_IN}), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, "inbound");
        }
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.53", .port = 53, .proto = IPPROTO_UDP,
                                                  .flags = FLOWF_RESOLVER}), 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "127.0.0.1", .port = 9000}), 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.6", .port = 1, .what = FLOW_ENDED}), 0);
        CU_ASSERT_EQUAL(w.opened, 0);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.net.inbound, 100);
        CU_ASSERT_EQUAL(st.net.resolver, 1);
        CU_ASSERT_EQUAL(st.net.local, 1);
        CU_ASSERT_EQUAL(st.net.ended, 1);
        CU_ASSERT_EQUAL(workload(&w).net.inbound, 100);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 3);
        world_close(&w);
}

/* So many hours after which a baseline of this kind has just converged: p is 0.018. */
#define JUST 27

/* The bands of the shipped table, on a stable baseline. */
static const struct band {
        const char *what, *name; /* name: led to the address just before; NULL: none */
        struct call call;
        uint32_t low, high;
        const char *factor;
} bands[] = {
        {"a known program calls one new name", "new.example", {.to = "203.0.113.1", .port = 443}, 50, 94,
         "new_destination"},
        {"a known name at another port", "api.example.com", {.to = "203.0.113.1", .port = 22}, 50, 94, "new_port"},
        {"a raw public address", NULL, {.to = "203.0.113.1", .port = 443}, 80, 98, "raw_address"},
        {"a network of the site", NULL, {.to = "10.9.9.9", .port = 443}, 50, 94, "new_destination"},
        {"another program calls what is known", "api.example.com",
         {.to = "203.0.113.1", .port = 443, .exe = "/usr/bin/curl"}, 50, 94, "other_executable"},
        {"a program of the write layer", "new.example",
         {.to = "203.0.113.1", .port = 443, .exe = "/tmp/x", .layer = LAYER_WRITE}, 95, 100, "ran_write_layer"},
        {"a program of the write layer calls what is known", "api.example.com",
         {.to = "203.0.113.1", .port = 443, .exe = "/tmp/x", .layer = LAYER_WRITE}, 95, 100, "ran_write_layer"},
        {"a program without a file", NULL, {.to = "203.0.113.1", .port = 443, .exe = "memfd", .layer = LAYER_MEMFD},
         95, 100, "ran_memfd"},
        {"a person's session", "new.example", {.to = "203.0.113.1", .port = 443, .origin = ORIGIN_EXEC}, 0, 20,
         "session_new_destination"},
        {"nobody knows who", "new.example", {.to = "203.0.113.1", .port = 443, .pid = UINT32_MAX}, 50, 94,
         "caller_unknown"},
        {"an echo request", NULL, {.to = "203.0.113.1", .port = 8 * 256, .proto = IPPROTO_ICMP}, 80, 98,
         "raw_address"},
        {"a new name, just converged", "new.example",
         {.to = "203.0.113.1", .port = 443, .hours = JUST, .phase = PHASE_STEADY}, 50, 94, "new_destination"},
        {"a new name while starting", "new.example",
         {.to = "203.0.113.1", .port = 443, .hours = JUST, .phase = PHASE_STARTUP}, 50, 94, "new_destination"},
        {"a new name while ending", "new.example",
         {.to = "203.0.113.1", .port = 443, .hours = JUST, .phase = PHASE_SHUTDOWN}, 50, 94, "new_destination"},
        {"a new name of nobody knows whom, while starting", "new.example",
         {.to = "203.0.113.1", .port = 443, .pid = UINT32_MAX, .hours = JUST, .phase = PHASE_STARTUP}, 50, 94,
         "new_destination"},
        {"a raw address while starting", NULL,
         {.to = "203.0.113.1", .port = 443, .hours = JUST, .phase = PHASE_STARTUP}, 70, 98, "raw_address"},
        {"a known name at another port, while starting", "api.example.com",
         {.to = "203.0.113.1", .port = 22, .hours = JUST, .phase = PHASE_STARTUP}, 1, 49, "startup"},
};

static void test_bands(void)
{
        for (size_t i = 0; i < ARRAY_LEN(bands); i++) {
                const struct band *b = &bands[i];
                struct world w;

                world_open(&w);
                settle_for(&w, b->call.hours ? b->call.hours : 200);
                CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
                if (b->call.phase == PHASE_STARTUP) {
                        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};

                        CU_ASSERT_EQUAL(give(&w, &stop), 0);
                        start_as(&w, "c1", "web", false);
                }
                if (b->call.phase == PHASE_SHUTDOWN)
                        stopping(&w);
                if (b->name)
                        answer(&w, b->name, b->call.to);
                CU_ASSERT_EQUAL(call_as(&w, b->call), 0);
                CU_ASSERT_EQUAL(w.opened, 1);
                if (w.confidence < b->low || w.confidence > b->high || !strstr(w.factors, b->factor))
                        printf("\n    %s: %u%% is not in %u..%u (%s)\n", b->what, w.confidence, b->low, b->high,
                               w.factors);
                CU_ASSERT_TRUE(w.confidence >= b->low && w.confidence <= b->high);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, b->factor));
                CU_ASSERT_EQUAL(w.total, w.sum);
                world_close(&w);
        }
}

/* Where an operator said early that the baseline is complete, a new destination shows all the same, whoever calls. */
static void test_activated_early(void)
{
        for (int i = 0; i < 2; i++) {
                struct world w;

                world_open(&w);
                start(&w);
                answer(&w, "api.example.com", "198.51.100.1");
                call(&w, "198.51.100.1", 443);
                CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
                answer(&w, "new.example", "203.0.113.1");
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.1", .port = 443,
                                                          .pid = i ? UINT32_MAX : 200}), 0);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_TRUE(w.confidence >= w.p.show);
                world_close(&w);
        }
}

static void test_story(void)
{
        struct tide_event exec = {.kind = TIDE_EXEC, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        settle(&w);
        answer(&w, "evil.example", "203.0.113.66");
        /* The flow is told before the exec, though it came after: one finding, in order of what happened. */
        w.now += SEC;
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.66", .port = 443, .exe = "/tmp/upd", .pid = 300,
                                                  .layer = LAYER_WRITE, .flow = 9}), 0);
        w.now -= SEC;
        exec.exec.actor = actor(300, ORIGIN_ENTRYPOINT, "/tmp/upd");
        exec.exec.program = BYTES_LIT("/tmp/upd");
        exec.exec.program_layer = LAYER_WRITE;
        exec.exec.program_change = CHANGE_ADDED;
        exec.exec.caller = BYTES_LIT("/bin/sh");
        CU_ASSERT_EQUAL(give(&w, &exec), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, 2);
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "ran /tmp/upd"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected to evil.example (203.0.113.66):443/tcp, where this workload "
                                               "never called"));
        CU_ASSERT_TRUE(strstr(w.story, "ran /tmp/upd") < strstr(w.story, "connected to"));
        /* Its end says how much. */
        {
                struct tide_event end = {.kind = TIDE_FLOW, .container = BYTES_LIT("c1")};

                end.flow.what = FLOW_ENDED;
                end.flow.direction = DIRECTION_OUT;
                end.flow.proto = IPPROTO_TCP;
                end.flow.remote = address("203.0.113.66");
                end.flow.rport = 443;
                end.flow.id = 9;
                end.flow.flags = FLOWF_COUNTED;
                end.flow.bytes_out = 1234;
                end.flow.bytes_in = 99;
                CU_ASSERT_EQUAL(give(&w, &end), 0);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "1234 bytes out, 99 in"));
                CU_ASSERT_EQUAL(give(&w, &end), 0); /* a second end is of nobody */
                CU_ASSERT_PTR_NULL(strstr(w.story, "2468"));
        }
        /* Whom it calls much later is a part of it still. */
        w.now += 10 * HOUR;
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.67", .port = 80, .exe = "/tmp/upd", .pid = 999,
                                                  .layer = LAYER_WRITE}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, 3);
        world_close(&w);
}

/* The subject is an address, port and protocol, whatever led there; how a person reads it is apart from that, and no
 * name is so long that it hides where it went. */
static void test_where(void)
{
        static const struct {
                const char *name, *to, *subject, *where;
                uint8_t proto;
        } rows[] = {
                {"evil.example", "203.0.113.66", "203.0.113.66:443/tcp", "evil.example (203.0.113.66):443/tcp", 0},
                {NULL, "203.0.113.66", "203.0.113.66:443/tcp", "203.0.113.66:443/tcp", 0},
                {"six.example", "2001:db8::1", "[2001:db8::1]:443/tcp", "six.example (2001:db8::1):443/tcp", 0},
                {NULL, "2001:db8::1", "[2001:db8::1]:443/udp", "[2001:db8::1]:443/udp", IPPROTO_UDP},
                {"p.example", "203.0.113.66", "203.0.113.66/icmp", "p.example (203.0.113.66)/icmp", IPPROTO_ICMP},
        };
        struct world w;
        char name[256];

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                world_open(&w);
                settle(&w);
                if (rows[i].name)
                        answer(&w, rows[i].name, rows[i].to);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = rows[i].to, .port = 443, .proto = rows[i].proto}), 0);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_STRING_EQUAL(w.subject, rows[i].subject);
                CU_ASSERT_STRING_EQUAL(w.where, rows[i].where);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, rows[i].where));
                world_close(&w);
        }
        for (int len = 200; len < 256; len += 55) {
                world_open(&w);
                settle(&w);
                memset(name, 'n', sizeof(name));
                name[len] = '\0';
                answer(&w, name, "203.0.113.66");
                call(&w, "203.0.113.66", 443);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected to nnnn"));
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "... (203.0.113.66):443/tcp, where this workload never called"));
                CU_ASSERT_PTR_NOT_NULL(strstr(w.where, "nnn (203.0.113.66):443/tcp"));
                CU_ASSERT_STRING_EQUAL(w.subject, "203.0.113.66:443/tcp");
                world_close(&w);
        }
}

static void ended(struct world *w, const char *to, uint16_t port, uint64_t flow, uint64_t bytes)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .container = BYTES_LIT("c1")};

        ev.flow.what = FLOW_ENDED;
        ev.flow.direction = DIRECTION_OUT;
        ev.flow.proto = IPPROTO_TCP;
        ev.flow.remote = address(to);
        ev.flow.rport = port;
        ev.flow.id = flow;
        ev.flow.flags = FLOWF_COUNTED;
        ev.flow.bytes_out = bytes;
        ev.flow.bytes_in = 7;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* However many were told since, an end finds its flow; and where not all were counted the sum does not look whole. */
static void test_bytes(void)
{
        struct world w;

        world_open(&w);
        settle(&w);
        for (uint64_t i = 1; i <= 300; i++)
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.66", .port = 443, .flow = i}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        restore(&w);
        ended(&w, "203.0.113.66", 443, 1, UINT64_C(5000000000));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "; 5000000000 bytes out, 7 in, of 1 of 300 flows"));
        for (uint64_t i = 2; i <= 300; i++)
                ended(&w, "203.0.113.66", 443, i, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "; 5000000299 bytes out, 2100 in, 300 times"));
        /* There is a bound, and what is above it is missing in the number. */
        for (uint64_t i = 301; i <= 1000; i++)
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.66", .port = 443, .flow = i}), 0);
        for (uint64_t i = 301; i <= 1000; i++)
                ended(&w, "203.0.113.66", 443, i, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "of 812 of 1000 flows"));
        world_close(&w);
}

static void count_pieces(const struct world *w, unsigned counts[16])
{
        struct bytes key;
        void *value;

        memset(counts, 0, 16 * sizeof(counts[0]));
        for (size_t i = 0; map_next(w->pieces, &i, &key, &value);)
                counts[key.p[0] % 16]++;
}

/* What is remembered of a flow goes with its end, and with its container. */
static void test_told_gone(void)
{
        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};
        unsigned counts[16];
        struct world w;

        world_open(&w);
        settle(&w);
        for (uint64_t i = 1; i <= 700; i++)
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.66", .port = 443, .flow = i}), 0);
        count_pieces(&w, counts);
        CU_ASSERT_EQUAL(counts[PIECE_TOLD], TOLD_KEPT);
        ended(&w, "203.0.113.66", 443, 700, 1);
        count_pieces(&w, counts);
        CU_ASSERT_EQUAL(counts[PIECE_TOLD], TOLD_KEPT - 1);
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        count_pieces(&w, counts);
        CU_ASSERT_EQUAL(counts[PIECE_TOLD], 0);
        world_close(&w);
}

static void junk(struct world *w, int from, int to, uint16_t port)
{
        char at[32];

        for (int i = from; i < to; i++) {
                snprintf(at, sizeof(at), "203.0.%d.%d", 113 + i / 250, i % 250 + 1);
                CU_ASSERT_EQUAL(call_as(w, (struct call){.to = at, .port = port, .pid = UINT32_MAX,
                                                         .flow = 1000 + (uint64_t)i}), 0);
        }
}

/* However many calls to junk come before it and behind: what has a name is told, how it began, and what came last. */
static void test_crowd(void)
{
        struct call c2 = {.to = "198.51.100.66", .port = 443, .pid = UINT32_MAX};
        char to[32];
        struct world w;

        world_open(&w);
        settle(&w);
        junk(&w, 0, 32, 22);
        answer(&w, "c2.evil.example", "198.51.100.66");
        CU_ASSERT_EQUAL(call_as(&w, c2), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "c2.evil.example (198.51.100.66):443/tcp"));
        junk(&w, 32, 132, 22);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, FINDING_SIGNALS);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "203.0.113.1:22/tcp")); /* how it began */
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "c2.evil.example (198.51.100.66):443/tcp"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "203.0.113.132:22/tcp")); /* what came last */
        CU_ASSERT_PTR_NULL(strstr(w.story, "203.0.113.60:22/tcp"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "And 101 more addresses at 22/tcp, from "));
        /* One of those that are not kept is of that finding still, is counted once, and is kept as the last. */
        w.now += 100 * HOUR;
        restore(&w);
        junk(&w, 59, 60, 22);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "203.0.113.60:22/tcp"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "And 101 more addresses at 22/tcp"));
        /* What went there is not lost with them. */
        ended(&w, "203.0.113.50", 22, 1049, 5000);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "; 5000 bytes out, 7 in, of 1 of 102 flows."));
        world_close(&w);
        /* Where all have names, the first and the last are told. */
        world_open(&w);
        settle(&w);
        for (int i = 0; i < 100; i++) {
                char name[32];

                snprintf(to, sizeof(to), "203.0.113.%d", i + 1);
                snprintf(name, sizeof(name), "n%c%c.example", 'a' + i / 10, 'a' + i % 10);
                answer(&w, name, to);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = to, .port = 443}), 0);
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "naa.example"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "njj.example"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "And 68 more addresses at 443/tcp"));
        /* The program that runs then is told, too. */
        run_in(&w, "c1", "/tmp/upd", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 200);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "ran /tmp/upd"));
        world_close(&w);
}

/* More ports than are counted one by one. */
static void test_crowd_of_ports(void)
{
        struct world w;

        world_open(&w);
        settle(&w);
        for (uint16_t port = 1; port <= 100; port++)
                junk(&w, 0, 1, port);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "203.0.113.1:1/tcp"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "203.0.113.1:100/tcp"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "And 60 more of the same lineage, not kept one by one."));
        world_close(&w);
}

/* A container's first process that calls here and there is one finding. */
static void test_scan_by_init(void)
{
        struct world w;
        char to[32];

        world_open(&w);
        settle(&w);
        for (int i = 1; i < 100; i++) {
                struct tide_event ev = {.kind = TIDE_FLOW, .container = BYTES_LIT("c1")};

                snprintf(to, sizeof(to), "203.0.113.%d", i);
                ev.flow.actor = (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE,
                                                    .pid = INIT_PID,
                                                    .start = 1,
                                                    .origin = ORIGIN_ENTRYPOINT,
                                                    .exe = BYTES_LIT("/bin/init"),
                                                    .exe_layer = LAYER_IMAGE};
                ev.flow.what = FLOW_BEGAN;
                ev.flow.direction = DIRECTION_OUT;
                ev.flow.proto = IPPROTO_TCP;
                ev.flow.remote = address(to);
                ev.flow.rport = 22;
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 99);
        world_close(&w);
}

/* By its pid, a child of the container's init: nothing but the init itself is above it. */
static struct tide_actor child(uint32_t pid, const char *exe)
{
        struct tide_actor a = actor(200, ORIGIN_ENTRYPOINT, exe);

        a.pid = a.start = pid;
        return a;
}

static void tell_part(struct world *w, char part)
{
        struct tide_event ev = {.container = BYTES_LIT("c1")};

        switch (part) {
        case 'f': /* a walk found the program, and does not know whose it is */
                ev.kind = TIDE_FILE;
                ev.sources = SRC_WALK;
                ev.file.path = BYTES_LIT("/opt/upd");
                ev.file.ops = OP_FOUND;
                ev.file.mode = S_IFREG | 0755;
                ev.file.change = CHANGE_ADDED;
                break;
        case 'r':
                ev.kind = TIDE_EXEC;
                ev.exec.actor = child(200, "/opt/upd");
                ev.exec.program = BYTES_LIT("/opt/upd");
                ev.exec.program_layer = LAYER_WRITE;
                ev.exec.program_change = CHANGE_ADDED;
                ev.exec.caller = BYTES_LIT("/bin/sh");
                break;
        case 'n': /* what another child did before */
                ev.kind = TIDE_PRIV;
                ev.priv.what = PRIV_COMM;
                ev.priv.actor = child(150, "/bin/busybox");
                ev.priv.actor.comm = BYTES_LIT("cp");
                ev.priv.old_comm = BYTES_LIT("sh");
                break;
        default:
                CU_ASSERT_EQUAL(call_as(w, (struct call){.to = "203.0.113.66", .port = 443, .exe = "/opt/upd",
                                                         .pid = 200, .layer = LAYER_WRITE}), 0);
                return;
        }
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* Its file, its run and whom it calls come by different ways: whichever is told first, they are of one finding. */
static void test_story_in_any_order(void)
{
        static const char *const orders[] = {"frc", "fcr", "rfc", "rcf", "cfr", "crf"};

        for (size_t i = 0; i < 2 * ARRAY_LEN(orders); i++) {
                const char *order = orders[i / 2];
                struct world w;

                world_open(&w);
                settle(&w);
                CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
                answer(&w, "evil.example", "203.0.113.66");
                if (i % 2)
                        tell_part(&w, 'n');
                for (size_t k = 0; order[k]; k++)
                        tell_part(&w, order[k]);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "/opt/upd was found"));
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "ran /opt/upd"));
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected to evil.example"));
                CU_ASSERT_TRUE(w.confidence >= w.p.page);
                world_close(&w);
        }
}

/* Gone before anybody could see who it was: of the same moment, so of one finding; in whatever order they are told. */
static void test_moment(void)
{
        for (int i = 0; i < 2; i++) {
                struct world w;

                world_open(&w);
                settle(&w);
                answer(&w, "evil.example", "203.0.113.66");
                if (i)
                        run_in(&w, "c1", "/tmp/upd", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 300);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.66", .port = 443, .pid = UINT32_MAX}), 0);
                if (!i)
                        run_in(&w, "c1", "/tmp/upd", LAYER_WRITE, CHANGE_ADDED, ORIGIN_ENTRYPOINT, 300);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_EQUAL(w.nsignals, 2);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "an unknown process connected to evil.example"));
                w.now += 10 * SEC;
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.67", .port = 443, .pid = 200}), 0);
                CU_ASSERT_EQUAL(w.opened, 2); /* not of that moment, and it is known who */
                world_close(&w);
        }
}

/* The least known of several live names counts. */
static void test_least_known(void)
{
        struct world w;

        world_open(&w);
        settle(&w);
        answer(&w, "evil.example", "198.51.100.200");
        answer(&w, "api.example.com", "198.51.100.200");
        call(&w, "198.51.100.200", 443);
        CU_ASSERT_STRING_EQUAL(w.watched, "evil.example"); /* not the latest: the one that was judged */
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "evil.example (198.51.100.200):443/tcp"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "api.example.com"));
        world_close(&w);
        /* While learning each is learned. */
        world_open(&w);
        start(&w);
        answer(&w, "one.example", "198.51.100.200");
        answer(&w, "two.example", "198.51.100.200");
        call(&w, "198.51.100.200", 443);
        CU_ASSERT_EQUAL(entry(&w, "one.example:443/tcp").count, 1);
        CU_ASSERT_EQUAL(entry(&w, "two.example:443/tcp").count, 1);
        /* By a redirection of the namespace: whom it really calls. */
        answer(&w, "local.example", "127.0.0.1");
        answer(&w, "real.example", "198.51.100.201");
        {
                struct tide_event ev = {.kind = TIDE_FLOW, .container = BYTES_LIT("c1")};

                ev.flow.actor = actor(200, ORIGIN_ENTRYPOINT, "/usr/sbin/nginx");
                ev.flow.what = FLOW_BEGAN;
                ev.flow.direction = DIRECTION_OUT;
                ev.flow.proto = IPPROTO_TCP;
                ev.flow.remote = address("127.0.0.1");
                ev.flow.rport = 8000;
                ev.flow.real = address("198.51.100.201");
                ev.flow.real_port = 443;
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                CU_ASSERT_STRING_EQUAL(w.watched, "real.example");
                CU_ASSERT_EQUAL(entry(&w, "real.example:443/tcp").count, 1);
                ev.flow.what = FLOW_ENDED; /* is not judged */
                CU_ASSERT_EQUAL(give(&w, &ev), 0);
                CU_ASSERT_STRING_EQUAL(w.watched, "real.example");
        }
        world_close(&w);
}

/* However many names lead there: all are learned, and one that is not known counts behind any number of known ones. */
static void test_many_names(void)
{
        char name[32];
        struct world w;

        for (int n = 8; n <= 300; n += 292) {
                world_open(&w);
                start(&w);
                for (int i = 0; i < n; i++) {
                        snprintf(name, sizeof(name), "h%c%c.example", 'a' + i / 26, 'a' + i % 26);
                        answer(&w, name, "198.51.100.200");
                }
                call(&w, "198.51.100.200", 443);
                CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, n);
                CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
                call(&w, "198.51.100.200", 443);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known");
                answer(&w, "evil.example", "198.51.100.200");
                for (int i = 0; i < n; i++) {
                        snprintf(name, sizeof(name), "h%c%c.example", 'a' + i / 26, 'a' + i % 26);
                        answer(&w, name, "198.51.100.200");
                }
                call(&w, "198.51.100.200", 443);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected to evil.example (198.51.100.200):443/tcp"));
                world_close(&w);
        }
}

/* What is said of a marked key is true of the destination: it is called, at that port, but not by such a program. */
static void test_marked_keys(void)
{
        static const struct {
                struct call call;
                const char *factor, *words;
        } rows[] = {
                {{.to = "203.0.113.9", .port = 443, .exe = "/tmp/x", .layer = LAYER_WRITE}, "other_executable",
                 "where this workload calls, but never by this program"},
                {{.to = "10.0.0.9", .port = 5432, .exe = "memfd", .layer = LAYER_MEMFD}, "other_executable",
                 "where this workload calls, but never by this program"},
                {{.to = "203.0.113.9", .port = 443, .origin = ORIGIN_PROBE}, "other_executable",
                 "where this workload calls, but never by a probe"},
                {{.to = "203.0.113.9", .port = 8443, .exe = "/tmp/x", .layer = LAYER_WRITE}, "new_port",
                 "but never at this port"},
                {{.to = "203.0.113.10", .port = 443, .exe = "/tmp/x", .layer = LAYER_WRITE}, "new_destination",
                 "where this workload never called"},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;

                world_open(&w);
                settle(&w);
                answer(&w, "api.example.com", "203.0.113.9");
                CU_ASSERT_EQUAL(call_as(&w, rows[i].call), 0);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, rows[i].factor));
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, rows[i].words));
                world_close(&w);
        }
}

/* Two names that the workload calls, each by its own program, come to share an address. */
static void test_shared_address(void)
{
        static const struct {
                const char *exe, *verdict;
        } rows[] = {{"/usr/sbin/nginx", "known"}, {"/usr/bin/curl", "known"}, {"/usr/bin/wget", "deviation"}};

        for (int order = 0; order < 2; order++) {
                struct world w;

                world_open(&w);
                settle(&w);
                CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
                answer(&w, "hooks.example.com", "198.51.100.201");
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "198.51.100.201", .port = 443, .exe = "/usr/bin/curl"}),
                                0);
                CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
                answer(&w, order ? "hooks.example.com" : "api.example.com", "198.51.100.210");
                answer(&w, order ? "api.example.com" : "hooks.example.com", "198.51.100.210");
                for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                        CU_ASSERT_EQUAL(
                                call_as(&w, (struct call){.to = "198.51.100.210", .port = 443, .exe = rows[i].exe}), 0);
                        CU_ASSERT_STRING_EQUAL(w.verdict, rows[i].verdict);
                }
                CU_ASSERT_EQUAL(w.opened, 1);
                /* A name that it does not call is as bad as ever. */
                answer(&w, "evil.example", "198.51.100.210");
                call(&w, "198.51.100.210", 443);
                CU_ASSERT_EQUAL(w.nsignals, 2);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "evil.example (198.51.100.210):443/tcp"));
                world_close(&w);
        }
}

/* The only finding, as it is stored. The caller's. */
static struct finding *stored(const struct world *w)
{
        struct finding *f = NULL;
        struct bytes key;
        void *value;

        for (size_t i = 0; map_next(w->pieces, &i, &key, &value);)
                if (key.p[0] == PIECE_FINDING)
                        CU_ASSERT_EQUAL_FATAL(finding_decode(str_get(value), &f), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        return f;
}

static void answer_by(struct world *w, const char *name, const char *to, const char *chain)
{
        struct tide_event ev = {.kind = TIDE_NAME, .sources = SRC_NFLOG, .container = BYTES_LIT("c1")};
        _cleanup_buf_ struct buf addresses, aliases;

        buf_init(&addresses, 100);
        buf_init(&aliases, 2000);
        tide_list_put(&addresses, address(to), BYTES_LIT("\x3c\0\0\0"));
        tide_list_put(&aliases, bytes_str(name), bytes_str(chain));
        ev.name.verdict = NAME_ANSWERED;
        ev.name.question = bytes_str(name);
        ev.name.addresses = buf_bytes(&addresses);
        ev.name.chain = buf_bytes(&aliases);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* In the host's namespace a name that perhaps somebody else asked for counts only where there is no other. */
static void test_unowned(void)
{
        struct world w;

        world_open(&w);
        settle(&w);
        answer(&w, "api.example.com", "203.0.113.5");
        answer_in(&w, "c1", "hosts.example", "203.0.113.5", NAME_UNOWNED);
        call(&w, "203.0.113.5", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        /* Told again by nobody known, it is still the container's. */
        answer_in(&w, "c1", "api.example.com", "203.0.113.5", NAME_UNOWNED);
        w.now += HOUR; /* the container's own is old, the host's is new */
        answer_in(&w, "c1", "hosts.example", "203.0.113.5", NAME_UNOWNED);
        restore(&w);
        call(&w, "203.0.113.5", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_STRING_EQUAL(w.watched, "api.example.com");
        answer_in(&w, "c1", "api.example.com", "203.0.113.6", NAME_UNOWNED);
        call(&w, "203.0.113.6", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        answer(&w, "hosts.example", "203.0.113.6"); /* now it has asked itself */
        call(&w, "203.0.113.6", 443);
        CU_ASSERT_STRING_EQUAL(w.watched, "hosts.example");
        CU_ASSERT_EQUAL(w.opened, 1);
        /* No claim where it is said as much as that. */
        answer_in(&w, "c1", "new.example", "203.0.113.7", NAME_UNASKED);
        answer_in(&w, "c1", "new.example", "203.0.113.7", NAME_UNOWNED);
        call(&w, "203.0.113.7", 443);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "forged_name"));
        world_close(&w);
}

/* A finding keeps the name that was judged, whatever else there is no room for; and says how many it left out. */
static void test_kept_names(void)
{
        static const struct {
                unsigned names, len, chain;
                unsigned kept; /* at least */
        } rows[] = {{1, 120, 290, 1}, {8, 68, 100, 5}, {8, 20, 100, 8}, {100, 20, 20, 8}, {2, 1000, 290, 1}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char name[1001], chain[301];
                struct finding *f;
                struct bytes args;
                unsigned parts = 0;
                struct world w;

                world_open(&w);
                settle(&w);
                memset(chain, 'c', rows[i].chain);
                chain[rows[i].chain] = '\0';
                for (unsigned k = 0; k < rows[i].names; k++) {
                        memset(name, 'n', rows[i].len);
                        name[rows[i].len] = '\0';
                        name[0] = (char)('a' + k / 26);
                        name[1] = (char)('a' + k % 26);
                        answer_by(&w, name, "203.0.113.66", chain);
                }
                call(&w, "203.0.113.66", 443);
                f = stored(&w);
                args = str_get(&f->signals[0].args);
                CU_ASSERT_FATAL(args.len > 20);
                CU_ASSERT_EQUAL(memcmp(args.p, name, 18), 0); /* the latest of those that are not known */
                CU_ASSERT(rows[i].len > 390 || memcmp(args.p, name, rows[i].len + 1) == 0);
                for (uint32_t at = 0; at < args.len; at++)
                        parts += args.p[at] == 0;
                CU_ASSERT_EQUAL(args.p[args.len - 1], 0);
                CU_ASSERT(parts - 1 >= rows[i].kept);
                CU_ASSERT_EQUAL(parts - 1 + f->signals[0].flow.names_more, rows[i].names);
                if (f->signals[0].flow.names_more)
                        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, " more"));
                finding_free(f);
                world_close(&w);
        }
}

/* A finding that was stored when the way stood before the names, and the subject was what a person reads. */
static void test_older_finding(void)
{
        struct finding *f = NULL;
        size_t len = 0;
        uint8_t *stored = fixture_read("judge/pieces-3", &len);
        struct rd r;

        CU_ASSERT_PTR_NOT_NULL_FATAL(stored);
        rd_init(&r, stored, len);
        while (rd_left(&r) && !f) {
                uint32_t what = rd_u32(&r);
                struct bytes blob;

                rd_bytes(&r);
                blob = rd_bytes(&r);
                if (what == PIECE_FINDING)
                        CU_ASSERT_EQUAL(finding_decode(blob, &f), 0);
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        CU_ASSERT_TRUE(bytes_eq(str_get(&f->signals[0].args),
                                BYTES_LIT("also.example\0evil.example\0edge.cdn.example\0")));
        CU_ASSERT_TRUE(bytes_eq(str_get(&f->signals[0].subject), BYTES_LIT("203.0.113.66:443/tcp")));
        CU_ASSERT_TRUE(bytes_eq(str_get(&f->signals[0].where), BYTES_LIT("also.example (203.0.113.66):443/tcp")));
        CU_ASSERT_EQUAL(f->count, 4);
        finding_free(f);
        free(stored);
}

static void test_forged(void)
{
        struct judge_stats st;
        struct world w;

        world_open(&w);
        settle(&w);
        answer_in(&w, "c1", "api.example.com", "203.0.113.66", NAME_UNASKED);
        CU_ASSERT_EQUAL(w.opened, 0); /* alone it is no finding */
        call(&w, "203.0.113.66", 443);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "forged_name"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "raw_address"));
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected to 203.0.113.66:443/tcp"));
        for (int i = 0; i < 200; i++)
                answer_in(&w, "c1", "x.example", "203.0.113.67", NAME_FOREIGN);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.names_foreign, 200);
        CU_ASSERT_TRUE(st.names_refused >= 168);
        CU_ASSERT_EQUAL(st.net.forged, 1);
        world_close(&w);
}

static void doubt(struct world *w, const char *name, uint64_t told)
{
        struct tide_event ev = {.kind = TIDE_NAME, .sources = SRC_NFLOG, .container = BYTES_LIT("c1")};

        ev.name.verdict = NAME_DOUBTED;
        ev.name.question = bytes_str(name);
        ev.name.answer_ns = T0 + told;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* Two answers to one query: what the first one brought is no name any more, what was known before it is. */
static void test_doubted(void)
{
        struct judge_stats st;
        struct world w;
        uint64_t told;

        world_open(&w);
        settle(&w);
        told = w.now;
        answer(&w, "api.example.com", "203.0.113.66");
        answer_in(&w, "c1", "api.example.com", "198.51.100.1", NAME_UNASKED); /* the real one, for all we know */
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.names, 201);
        doubt(&w, "other.example.com", told);
        doubt(&w, "api.example.com", told + 1);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.names, 201);
        doubt(&w, "api.example.com", told);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.names, 200);
        CU_ASSERT_EQUAL(st.names_doubted, 3);
        restore(&w);
        CU_ASSERT_EQUAL(w.opened, 0);
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        call(&w, "203.0.113.66", 443);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "forged_name"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "raw_address"));
        CU_ASSERT_TRUE(w.confidence >= w.p.page);
        /* Told again by one that nobody doubts, it is a name. */
        answer(&w, "api.example.com", "203.0.113.67");
        told = w.now;
        answer(&w, "api.example.com", "203.0.113.67");
        doubt(&w, "api.example.com", told);
        call(&w, "203.0.113.67", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        world_close(&w);
}

/* What a server says that is not the container's own is no forgery; and what the own one says too is a name. */
static void test_claims(void)
{
        struct judge_stats st;
        struct world w;

        world_open(&w);
        settle(&w);
        answer_in(&w, "c1", "new.example", "203.0.113.66", NAME_FOREIGN);
        answer(&w, "new.example", "203.0.113.66");
        answer_in(&w, "c1", "new.example", "203.0.113.66", NAME_UNASKED); /* late, or sent again */
        answer_in(&w, "c1", "cdn.example", "203.0.113.66", NAME_FOREIGN); /* by a resolver in the container */
        call(&w, "203.0.113.66", 443);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NULL(strstr(w.factors, "forged_name"));
        CU_ASSERT_PTR_NULL(strstr(w.factors, "foreign_name"));
        CU_ASSERT_TRUE(w.confidence >= w.p.show && w.confidence < w.p.page);
        CU_ASSERT_EQUAL(w.severity, SEVERITY_MEDIUM);
        world_close(&w);
        /* The foreign one alone. */
        world_open(&w);
        settle(&w);
        answer_in(&w, "c1", "new.example", "203.0.113.66", NAME_FOREIGN);
        call(&w, "203.0.113.66", 443);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "foreign_name"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "raw_address"));
        CU_ASSERT_PTR_NULL(strstr(w.factors, "forged_name"));
        CU_ASSERT_EQUAL(w.severity, SEVERITY_MEDIUM);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.net.forged, 0);
        CU_ASSERT_EQUAL(st.net.foreign, 1);
        world_close(&w);
        /* What nobody asked for goes before it, whichever came last. */
        world_open(&w);
        settle(&w);
        answer_in(&w, "c1", "new.example", "203.0.113.66", NAME_UNASKED);
        answer_in(&w, "c1", "new.example", "203.0.113.66", NAME_FOREIGN);
        call(&w, "203.0.113.66", 443);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "forged_name"));
        CU_ASSERT_PTR_NULL(strstr(w.factors, "foreign_name"));
        CU_ASSERT_EQUAL(w.severity, SEVERITY_HIGH);
        world_close(&w);
        /* It counts for a day. */
        for (int i = 0; i < 2; i++) {
                world_open(&w);
                settle(&w);
                answer_in(&w, "c1", "other.example", "203.0.113.66", NAME_UNASKED);
                w.now += i ? 24 * HOUR + SEC : 24 * HOUR - SEC;
                answer(&w, "new.example", "203.0.113.66");
                call(&w, "203.0.113.66", 443);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_EQUAL(strstr(w.factors, "forged_name") == NULL, i);
                world_close(&w);
        }
}

static void answer_many(struct world *w, const char *name, unsigned from, unsigned n, enum tide_name_verdict verdict)
{
        struct tide_event ev = {.kind = TIDE_NAME, .sources = SRC_NFLOG, .container = BYTES_LIT("c1")};
        _cleanup_buf_ struct buf addresses;

        buf_init(&addresses, 100 * n);
        for (unsigned i = 0; i < n; i++) {
                uint8_t raw[4] = {203, 0, (uint8_t)((from + i) >> 8), (uint8_t)(from + i)};

                tide_list_put(&addresses, bytes_of(raw, 4), BYTES_LIT("\x3c\0\0\0"));
        }
        ev.name.verdict = (uint8_t)verdict;
        ev.name.question = bytes_str(name);
        ev.name.addresses = buf_bytes(&addresses);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* No forged answer, however many addresses it has, makes the evidence of another one go; nor do many in a minute. */
static void test_many_claims(void)
{
        struct judge_stats st;
        struct world w;

        world_open(&w);
        settle(&w);
        w.now += 60 * SEC;
        answer_in(&w, "c1", "api.example.com", "203.0.113.66", NAME_UNASKED);
        answer_many(&w, "flush.example", 0, 512, NAME_UNASKED);
        for (unsigned i = 0; i < 64; i++) /* as many as are told of one container in 20 seconds */
                answer_many(&w, "flush.example", 4 * i, 4, NAME_UNASKED);
        for (unsigned i = 0; i < 64; i++)
                answer_many(&w, "far.example", 4 * i, 4, NAME_FOREIGN);
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.names_refused >= 508 + 2 * (64 * 4 - 32));
        call(&w, "203.0.113.66", 443);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "forged_name"));
        /* Of what one says the first four addresses are kept. */
        w.now += 60 * SEC;
        answer_many(&w, "four.example", 9000, 9, NAME_FOREIGN);
        for (unsigned i = 0; i < 9; i++) {
                char to[32];

                snprintf(to, sizeof(to), "203.0.%u.%u", (9000 + i) >> 8, (9000 + i) & 255);
                w.now += 2 * HOUR; /* each a finding of its own */
                call(&w, to, 443);
                CU_ASSERT_EQUAL(strstr(w.factors, "foreign_name") != NULL, i < 4);
        }
        world_close(&w);
}

/* ---- phases ---- */

static void test_phases(void)
{
        struct world w;
        char id[16];

        world_open(&w);
        /* A package mirror, called by each container as it starts. */
        for (int h = 0; h < 200; h++) {
                struct tide_event stop = {.kind = TIDE_CTR_STOP}, told = {.kind = TIDE_CTR_START};

                snprintf(id, sizeof(id), "r%d", h);
                start_as(&w, id, "web", false);
                answer_in(&w, id, "mirror.example.org", "198.51.100.1", NAME_ANSWERED);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = id, .to = "198.51.100.1", .port = 443}), 0);
                w.now += HOUR;
                answer_in(&w, id, "work.example.org", "198.51.100.3", NAME_ANSWERED);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = id, .to = "198.51.100.3", .port = 443}), 0);
                told.container = bytes_str(id);
                told.ctr.init_pid = INIT_PID;
                told.ctr.init_start = 1;
                told.ctr.stopping = 1;
                CU_ASSERT_EQUAL(give(&w, &told), 0);
                answer_in(&w, id, "bye.example.org", "198.51.100.2", NAME_ANSWERED);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = id, .to = "198.51.100.2", .port = 443}), 0);
                w.now += 2 * SEC;
                stop.container = bytes_str(id);
                CU_ASSERT_EQUAL(give(&w, &stop), 0);
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_EQUAL(entry(&w, "mirror.example.org:443/tcp").phases, 1u << PHASE_STARTUP);
        CU_ASSERT_EQUAL(entry(&w, "bye.example.org:443/tcp").phases, 1u << PHASE_SHUTDOWN);
        CU_ASSERT_EQUAL(entry(&w, "work.example.org:443/tcp").phases, 1u << PHASE_STEADY);
        CU_ASSERT_EQUAL(w.opened, 0);
        start_as(&w, "c1", "web", false);
        answer(&w, "mirror.example.org", "198.51.100.1");
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        w.now += HOUR;
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "new_phase"));
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_TRUE(w.confidence < w.p.page);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "never called at this time of its life"));
        /* What it does at work, and still does when it is asked to end: told, and below show. */
        w.now += 10 * HOUR;
        stopping(&w);
        answer(&w, "work.example.org", "198.51.100.3");
        call(&w, "198.51.100.3", 443);
        CU_ASSERT_EQUAL(w.opened, 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "shutdown"));
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        answer(&w, "bye.example.org", "198.51.100.2");
        call(&w, "198.51.100.2", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        w.now += 120 * SEC; /* it does not end: it is at work again */
        call(&w, "198.51.100.3", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        world_close(&w);
}

/* ---- candidates ---- */

/* DESIGN 4.2: a raw public address does not activate by itself; it is raised once; an operator's word takes it up. */
static void test_raw_address(void)
{
        struct world w;

        world_open(&w);
        settle(&w);
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
        for (int h = 0; h < 10; h++) {
                call(&w, "203.0.113.9", 123);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself");
        CU_ASSERT_TRUE(entry(&w, "203.0.113.9:123/tcp").candidate);
        CU_ASSERT_TRUE(entry(&w, "203.0.113.9:123/tcp").waiting);
        CU_ASSERT_STRING_EQUAL(entry(&w, "203.0.113.9:123/tcp").why, "raw-address");
        CU_ASSERT_EQUAL(w.opened, 0);
        w.now += 30 * HOUR;
        tick(&w);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "unapproved_destination"));
        CU_ASSERT_PTR_NULL(strstr(w.factors, "new_destination"));
        CU_ASSERT_TRUE(w.confidence >= w.p.show && w.confidence < w.p.page);
        CU_ASSERT_FALSE(entry(&w, "203.0.113.9:123/tcp").waiting);
        for (int h = 0; h < 20; h++) {
                call(&w, "203.0.113.9", 123);
                w.now += HOUR;
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_STRING_EQUAL(w.verdict, "raised already");
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_FALSE(entry(&w, "203.0.113.9:123/tcp").candidate);
        world_close(&w);
        /* Activated by an operator, it is a part of the baseline at once. */
        world_open(&w);
        start(&w);
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        call(&w, "203.0.113.10", 123);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        world_close(&w);
}

/* Called once while learning: it is there for the review, with who called. An operator's word on it lasts. */
static void test_raw_is_reviewed(void)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};
        struct world w;
        struct buf args;

        world_open(&w);
        start(&w);
        start_as(&w, "c2", "web", false);
        call(&w, "203.0.113.9", 443);
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_TRUE(entry(&w, "203.0.113.9:443/tcp").item > 0);
        CU_ASSERT_TRUE(entry(&w, "203.0.113.9:443/tcp").seen);
        CU_ASSERT_TRUE(bytes_eq(entry(&w, "203.0.113.9:443/tcp").subject, BYTES_LIT("203.0.113.9:443/tcp")));
        buf_init(&args, 1024);
        tide_list_put(&args, BYTES_LIT("all"), BYTES_LIT("true"));
        tide_list_put(&args, BYTES_LIT("reason"), BYTES_LIT("ours"));
        ev.decision.verb = BYTES_LIT("baseline.approve");
        ev.decision.target = BYTES_LIT("web@sha256:aa");
        ev.decision.args = buf_bytes(&args);
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_FALSE(entry(&w, "203.0.113.9:443/tcp").candidate);
        w.now += 169 * HOUR;
        answer(&w, "api.example.com", "198.51.100.1");
        for (int h = 0; h < 30; h++) {
                call(&w, "198.51.100.1", 443);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_FALSE(entry(&w, "203.0.113.9:443/tcp").candidate); /* although one replica called it, once */
        call(&w, "203.0.113.9", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        buf_release(&args);
        world_close(&w);
}

/* What one of several replicas called in one window only does not activate by itself. */
static void test_one_replica(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        start_as(&w, "c2", "web", false);
        w.now += 200 * SEC;
        for (int h = 0; h < 200; h++) {
                answer(&w, "api.example.com", "198.51.100.1");
                answer_in(&w, "c2", "api.example.com", "198.51.100.1", NAME_ANSWERED);
                call(&w, "198.51.100.1", 443);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.1", .port = 443}), 0);
                if (h == 20) {
                        answer_in(&w, "c2", "once.example", "198.51.100.5", NAME_ANSWERED);
                        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.5", .port = 443}), 0);
                        answer(&w, "both.example", "198.51.100.6");
                        answer_in(&w, "c2", "both.example", "198.51.100.6", NAME_ANSWERED);
                        call(&w, "198.51.100.6", 443);
                        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.6", .port = 443}), 0);
                }
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_TRUE(entry(&w, "once.example:443/tcp").candidate);
        CU_ASSERT_STRING_EQUAL(entry(&w, "once.example:443/tcp").why, "one-replica");
        CU_ASSERT_TRUE(entry(&w, "once.example:443/tcp").item > 0);
        CU_ASSERT_FALSE(entry(&w, "both.example:443/tcp").candidate);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 2);
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.5", .port = 443}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "one of several replicas"));
        world_close(&w);
}

/* What is held back lends its phase to nobody, restored or not. */
static void test_held_back_phase(void)
{
        for (int i = 0; i < 2; i++) {
                struct world w;

                world_open(&w);
                start(&w);
                start_as(&w, "c2", "web", false);
                answer(&w, "api.example.com", "198.51.100.1");
                answer_in(&w, "c2", "api.example.com", "198.51.100.1", NAME_ANSWERED);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.1", .port = 443,
                                                          .exe = "/bin/setup"}), 0); /* once, at the start */
                w.now += 200 * SEC;
                for (int h = 0; h < 200; h++) {
                        call(&w, "198.51.100.1", 443);
                        w.now += HOUR;
                        tick(&w);
                }
                CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
                start_as(&w, "c3", "web", false);
                answer_in(&w, "c3", "api.example.com", "198.51.100.1", NAME_ANSWERED);
                if (i)
                        restore(&w);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c3", .to = "198.51.100.1", .port = 443,
                                                          .pid = UINT32_MAX}), 0);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "new_phase"));
                world_close(&w);
        }
}

/* A listener is told once and lasts: that one of several replicas leads, and listens, is no rare thing. */
static void test_leader_listens(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        start_as(&w, "c2", "web", false);
        w.now += 200 * SEC;
        listen_at(&w, "0.0.0.0", 7946, 0);
        for (int h = 0; h < 200; h++) {
                answer(&w, "api.example.com", "198.51.100.1");
                call(&w, "198.51.100.1", 443);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_FALSE(entry(&w, "listen 7946/tcp").candidate);
        listen_at(&w, "0.0.0.0", 7946, 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
}

/* What was connected before we watched is a candidate; called while we watch, it is learned. */
static void test_found(void)
{
        struct call found = {.to = "10.0.0.7", .port = 5432, .what = FLOW_FOUND, .event_flags = EVF_BEFORE};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", true);
        w.now += 200 * SEC;
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself");
        CU_ASSERT_STRING_EQUAL(entry(&w, "10.0.0.0/24:5432/tcp").why, "found-running");
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        CU_ASSERT_TRUE(entry(&w, "10.0.0.0/24:5432/tcp").waiting);
        call(&w, "10.0.0.8", 5432);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_FALSE(entry(&w, "10.0.0.0/24:5432/tcp").candidate);
        found.to = "10.0.1.7";
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 1);
        told_of(&w, "c1", FLOWS_WATCHED);
        for (int h = 0; h < 170; h++) {
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        call(&w, "10.0.1.7", 5432);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected before it was watched"));
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        world_close(&w);
}

/* When one began that was found open is not known: it fits any phase in which it is known, and teaches none. */
static void test_found_phase(void)
{
        struct call found = {.to = "10.0.0.7", .port = 5432, .what = FLOW_FOUND, .event_flags = EVF_BEFORE};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        call(&w, "10.0.0.7", 5432); /* as it starts, and kept */
        w.now += 120 * SEC;
        for (int h = 0; h < 200; h++) {
                answer(&w, "api.example.com", "198.51.100.1");
                call(&w, "198.51.100.1", 443);
                w.now += HOUR;
                tick(&w);
                if (h == 10) /* the agent was restarted */
                        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_EQUAL(entry(&w, "10.0.0.0/24:5432/tcp").phases, 1u << PHASE_STARTUP);
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        found.pid = UINT32_MAX;
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        call(&w, "10.0.0.7", 5432);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "new_phase"));
        world_close(&w);
        /* Found first, and called then: of the phase in which it was called. */
        found.pid = 0;
        world_open(&w);
        start_as(&w, "c1", "web", true);
        w.now += 200 * SEC;
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        CU_ASSERT_EQUAL(entry(&w, "10.0.0.0/24:5432/tcp").phases, 0);
        found.to = "10.0.1.7";
        CU_ASSERT_EQUAL(call_as(&w, found), 0);
        stopping(&w);
        call(&w, "10.0.0.7", 5432);
        CU_ASSERT_EQUAL(entry(&w, "10.0.0.0/24:5432/tcp").phases, 1u << PHASE_SHUTDOWN);
        /* Approved as it is: known, at any time. */
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        for (int i = 0; i < 2; i++) {
                call(&w, "10.0.1.7", 5432);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known");
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "10.0.1.7", .port = 5432, .pid = UINT32_MAX}), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
                w.now += HOUR;
                restore(&w);
        }
        CU_ASSERT_EQUAL(w.opened, 0);
        /* Learned again in one phase it is of that one, restored or not. */
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
        call(&w, "10.0.1.7", 5432);
        CU_ASSERT_EQUAL(entry(&w, "10.0.1.0/24:5432/tcp").phases, 1u << PHASE_STEADY);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        start_as(&w, "c2", "web", false);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "10.0.1.7", .port = 5432, .pid = UINT32_MAX}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "new_phase"));
        world_close(&w);
}

/* First sight names what listened and what was connected. */
static void test_first_sight(void)
{
        struct tide_event ev = {.kind = TIDE_FILE, .flags = EVF_BEFORE, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", true);
        ev.sources = SRC_WALK;
        ev.file.path = BYTES_LIT("/opt/x");
        ev.file.ops = OP_FOUND;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        listen_at(&w, "0.0.0.0", 8080, 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned"); /* it does so now, too */
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.9", .port = 443, .what = FLOW_FOUND,
                                                  .event_flags = EVF_BEFORE}), 0);
        ev = (struct tide_event){.kind = TIDE_WALK, .container = BYTES_LIT("c1")};
        ev.walk.ended = ev.walk.complete = 1;
        ev.walk.reason = WALK_FOUND;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "listened at 1 places and had 1 connections of its own: on "
                                               "0.0.0.0:8080/tcp, to 203.0.113.9:443/tcp"));
        world_close(&w);
}

static void walked(struct world *w, const char *id)
{
        struct tide_event ev = {.kind = TIDE_WALK, .container = bytes_str(id)};

        ev.walk.ended = ev.walk.complete = 1;
        ev.walk.reason = WALK_FOUND;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* What listens and is connected is an item of its own, whenever its namespace comes to be watched; once a workload, as
 * sure as ever, and not where there is nothing. */
static void test_first_sight_of_sockets(void)
{
        struct call found = {.to = "203.0.113.9", .port = 443, .what = FLOW_FOUND, .event_flags = EVF_BEFORE};

        for (int late = 0; late < 3; late++) { /* 0: before the walk's end; 1: behind it; 2: and over a restart */
                struct world w;

                world_open(&w);
                start_as(&w, "c1", "web", true);
                if (late)
                        walked(&w, "c1");
                CU_ASSERT_EQUAL(w.opened, 0);
                listen_at(&w, "0.0.0.0", 8080, 0);
                CU_ASSERT_EQUAL(w.opened, late > 0);
                if (late == 2)
                        restore(&w);
                CU_ASSERT_EQUAL(call_as(&w, found), 0);
                if (!late)
                        walked(&w, "c1");
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "nothing in its write layer was found to differ from its image. "
                                                       "It listened at 1 places and had 1 connections of its own: on "
                                                       "0.0.0.0:8080/tcp, to 203.0.113.9:443/tcp"));
                CU_ASSERT_EQUAL(w.confidence, 50);
                CU_ASSERT_EQUAL(w.severity, SEVERITY_LOW);
                CU_ASSERT_EQUAL(w.total, w.sum);
                /* A replica adds nothing; nor does what comes later. */
                start_as(&w, "c2", "web", true);
                walked(&w, "c2");
                found.id = "c2";
                CU_ASSERT_EQUAL(call_as(&w, found), 0);
                w.now += 60 * SEC;
                listen_at(&w, "0.0.0.0", 9090, 0);
                found.id = "c1";
                CU_ASSERT_EQUAL(call_as(&w, found), 0);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_PTR_NULL(strstr(w.story, "9090"));
                world_close(&w);
        }
        {
                struct world w;

                world_open(&w); /* nothing differs, nothing is open */
                start_as(&w, "c1", "web", true);
                walked(&w, "c1");
                w.now += 60 * SEC;
                listen_at(&w, "0.0.0.0", 8080, 0);
                CU_ASSERT_EQUAL(w.opened, 0);
                world_close(&w);
                world_open(&w); /* it began while we were here */
                start_as(&w, "c1", "web", false);
                listen_at(&w, "0.0.0.0", 8080, 0);
                walked(&w, "c1");
                CU_ASSERT_EQUAL(w.opened, 0);
                world_close(&w);
        }
}

/* ---- processes that are not known ---- */

static void test_process_unknown(void)
{
        struct call unknown = {.to = "198.51.100.1", .port = 443, .pid = UINT32_MAX};
        struct world w;

        world_open(&w);
        settle(&w);
        answer(&w, "api.example.com", "198.51.100.1");
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 3);
        /* A scan by nobody knows whom is one finding. */
        for (int i = 1; i < 60; i++) {
                char to[32];

                snprintf(to, sizeof(to), "203.0.113.%d", i);
                unknown.to = to;
                CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 59);
        world_close(&w);
        /* Learned of an unknown process, it fits any of the image later, and none that the image lacks. */
        world_open(&w);
        start(&w);
        answer(&w, "api.example.com", "198.51.100.1");
        unknown.to = "198.51.100.1";
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "198.51.100.1", .port = 443, .exe = "/tmp/x",
                                                  .layer = LAYER_WRITE}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

static struct judge_entry entry_of(const struct world *w, const char *key, const char *exe)
{
        struct judge_workload jw = workload(w);
        struct judge_entry e;
        size_t i = 0;

        while (judge_entry_next(w->j, jw.id, &i, &e))
                if (e.dim == DIM_NETWORK && bytes_eq(e.key, bytes_str(key)) && bytes_eq(e.exe, bytes_str(exe)))
                        return e;
        return (struct judge_entry){.why = ""};
}

/* A call of nobody knows whom voids nothing that is known of others: who calls is learned as soon as it is known. */
static void test_unnamed_first(void)
{
        struct call unknown = {.to = "198.51.100.1", .port = 443, .pid = UINT32_MAX};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        answer(&w, "api.example.com", "198.51.100.1");
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0); /* as it starts, when there is much to look up */
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        w.now += 120 * SEC;
        for (int h = 0; h < 30; h++) {
                for (int i = 0; i < 50; i++)
                        call(&w, "198.51.100.1", 443);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 1); /* what was nobody's is its */
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].once, 0);
        CU_ASSERT_TRUE(entry_of(&w, "api.example.com:443/tcp", "/usr/sbin/nginx").count > 1000);
        CU_ASSERT_EQUAL(entry(&w, "api.example.com:443/tcp").phases, 1u << PHASE_STARTUP | 1u << PHASE_STEADY);
        for (int i = 0; i < 2; i++) {
                CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
                call(&w, "198.51.100.1", 443);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known");
                restore(&w);
        }
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "198.51.100.1", .port = 443, .exe = "/usr/bin/curl"}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "other_executable"));
        world_close(&w);
        /* Where nobody was ever known to call, the first who is raises nothing; nor the second. */
        world_open(&w);
        start(&w);
        answer(&w, "api.example.com", "198.51.100.1");
        for (int h = 0; h < 30; h++) {
                CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "198.51.100.1", .port = 443, .exe = "/usr/bin/curl"}), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
}

/* A call of nobody knows whom in another phase may have been any of those that are known. */
static void test_unnamed_phase(void)
{
        struct call unknown = {.to = "198.51.100.1", .port = 443, .pid = UINT32_MAX};
        struct world w;

        world_open(&w);
        start(&w);
        answer(&w, "api.example.com", "198.51.100.1");
        call(&w, "198.51.100.1", 443);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "198.51.100.1", .port = 443, .exe = "/usr/bin/curl"}), 0);
        start_as(&w, "c2", "web", false);
        answer_in(&w, "c2", "api.example.com", "198.51.100.1", NAME_ANSWERED);
        unknown.id = "c2";
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 2);
        CU_ASSERT_EQUAL(entry_of(&w, "api.example.com:443/tcp", "/usr/bin/curl").phases,
                        1u << PHASE_STARTUP | 1u << PHASE_STEADY);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        restore(&w);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.1", .port = 443}), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        w.now += HOUR;
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
}

/* A candidate of nobody knows whom: who calls becomes one too, and is not passed over by it. */
static void test_unnamed_candidate(void)
{
        struct call unknown = {.to = "203.0.113.9", .port = 123, .pid = UINT32_MAX};
        struct world w;

        world_open(&w);
        start(&w);
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself");
        CU_ASSERT_TRUE(entry_of(&w, "203.0.113.9:123/tcp", "/usr/sbin/nginx").waiting);
        CU_ASSERT_EQUAL(entry_of(&w, "203.0.113.9:123/tcp", "").count, 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.9", .port = 123, .exe = "/usr/bin/curl"}), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "other_executable"));
        world_close(&w);
        /* Approved while nobody knew who called, it stays approved for whoever is seen to. */
        world_open(&w);
        start(&w);
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_FALSE(entry_of(&w, "203.0.113.9:123/tcp", "/usr/sbin/nginx").candidate);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 1);
        world_close(&w);
}

/* A candidate of one that is known is that of a call of nobody knows whom, too: words and score are of what it is. */
static void test_unnamed_meets_candidate(void)
{
        struct call unknown = {.to = "203.0.113.9", .port = 123, .pid = UINT32_MAX};
        struct world w;

        world_open(&w);
        settle(&w);
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
        for (int h = 0; h < 20; h++) {
                call(&w, "203.0.113.9", 123);
                CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself");
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_EQUAL(entry_of(&w, "203.0.113.9:123/tcp", "").count, 0);
        w.now += 30 * HOUR;
        tick(&w);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        restore(&w);
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "unapproved_destination"));
        CU_ASSERT_PTR_NULL(strstr(w.factors, "new_destination"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "which is never learned by itself"));
        call(&w, "203.0.113.9", 123);
        CU_ASSERT_STRING_EQUAL(w.verdict, "raised already");
        CU_ASSERT_EQUAL(call_as(&w, unknown), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "raised already");
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* One call in ten is nobody's: an ordinary workload is quiet after it was learned. */
static void test_unnamed_now_and_then(void)
{
        static const struct call usual[] = {
                {.to = "198.51.100.1", .port = 443},
                {.to = "10.0.0.7", .port = 5432},
                {.to = "198.51.100.2", .port = 443, .exe = "/usr/bin/curl"},
                {.to = "198.51.100.2", .port = 443, .exe = "/usr/bin/wget"},
        };
        struct world w;
        uint32_t x = 99;

        world_open(&w);
        start(&w);
        answer(&w, "api.example.com", "198.51.100.1");
        answer(&w, "mirror.example.org", "198.51.100.2");
        for (int h = 0; h < 400; h++) {
                for (int i = 0; i < 12; i++) {
                        struct call c = usual[i % (int)ARRAY_LEN(usual)];

                        x = x * 1664525 + 1013904223;
                        if ((x >> 16) % 10 == 0 || (h == 0 && i < 4)) /* the very first ones are nobody's, too */
                                c.pid = UINT32_MAX;
                        CU_ASSERT_EQUAL(call_as(&w, c), 0);
                }
                w.now += HOUR;
                tick(&w);
                if (h == 28)
                        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        }
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 4);
        world_close(&w);
}

static void with_upper(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};

        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        ev.ctr.upper = BYTES_LIT("/var/lib/containers/upper");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

/* Of a program that audit alone has told its path is known, not whether the image holds it: a candidate, unless the
 * workload is seen to run the image's of that path, or to call by it. */
static void test_unplaced(void)
{
        struct call alone = {.to = "10.0.0.7", .port = 5432, .exe = "/tmp/dropped", .audit = true};
        struct world w;

        world_open(&w);
        start(&w);
        with_upper(&w);
        CU_ASSERT_EQUAL(call_as(&w, alone), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself");
        CU_ASSERT_STRING_EQUAL(entry(&w, "10.0.0.0/24:5432/tcp").why, "unplaced-program");
        CU_ASSERT_EQUAL(call_as(&w, alone), 0);
        CU_ASSERT_TRUE(entry(&w, "10.0.0.0/24:5432/tcp").waiting);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "10.0.0.7", .port = 5432, .pid = UINT32_MAX}), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned"); /* as ever, and it clears nobody */
        CU_ASSERT_TRUE(entry_of(&w, "10.0.0.0/24:5432/tcp", "/tmp/dropped").waiting);
        alone.exe = "/usr/bin/psql";
        run(&w, "/usr/bin/psql", LAYER_IMAGE);
        CU_ASSERT_EQUAL(call_as(&w, alone), 0);
        CU_ASSERT_EQUAL(entry_of(&w, "10.0.0.0/24:5432/tcp", "/usr/bin/psql").count, 2);
        CU_ASSERT_FALSE(entry_of(&w, "10.0.0.0/24:5432/tcp", "/usr/bin/psql").candidate);
        alone.exe = "/usr/bin/later";
        CU_ASSERT_EQUAL(call_as(&w, alone), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself");
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "10.0.0.7", .port = 5432, .exe = "/usr/bin/later"}), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_FALSE(entry_of(&w, "10.0.0.0/24:5432/tcp", "/usr/bin/later").candidate);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 2);
        for (int h = 0; h < 200; h++) {
                call(&w, "10.0.2.2", 6379);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        alone.exe = "/tmp/dropped";
        CU_ASSERT_EQUAL(call_as(&w, alone), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "unapproved_destination"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "unplaced_caller"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "of which it is not known whether the image holds it"));
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        world_close(&w);
        /* One that nobody can place, since there is no write layer, and a process that is not known: as ever. */
        world_open(&w);
        start(&w);
        CU_ASSERT_EQUAL(call_as(&w, alone), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        with_upper(&w);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "10.0.3.7", .port = 80, .pid = UINT32_MAX, .audit = true}), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        world_close(&w);
}

/* Two containers in one namespace: names are shared, and a flow of nobody knows whom is known if either knows it. */
static void test_shared_namespace(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
        struct world w;

        world_open(&w);
        start_as(&w, "c1", "web", false);
        start_as(&w, "c2", "sidecar", false);
        ev.ctr.netns = 77;
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        ev.container = BYTES_LIT("c2");
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        w.now += 200 * SEC;
        answer_in(&w, "c1", "side.example", "198.51.100.1", NAME_ANSWERED);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.1", .port = 443}), 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "sidecar@sha256:aa"), 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c1", .to = "198.51.100.1", .port = 443,
                                                  .flags = FLOWF_SHARED}), 0);
        CU_ASSERT_EQUAL(w.opened, 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c1", .to = "198.51.100.1", .port = 443}), 0);
        CU_ASSERT_EQUAL(w.opened, 1); /* of c1 itself it is not known */
        /* One that both were told of counts once; of all the least known. */
        answer_in(&w, "c1", "side.example", "198.51.100.1", NAME_ANSWERED);
        answer_in(&w, "c2", "side.example", "198.51.100.1", NAME_ANSWERED);
        {
                struct tide_event flow = {.kind = TIDE_FLOW, .container = BYTES_LIT("c2")};
                struct bytes names[4];

                flow.wall_ns = (int64_t)(T0 + w.now);
                flow.flow.remote = address("198.51.100.1");
                CU_ASSERT_EQUAL(judge_flow_names(w.j, &flow, names, 4), 1);
        }
        /* The names of one that ends stay with the others. */
        {
                struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};
                struct judge_stats st;

                CU_ASSERT_EQUAL(give(&w, &stop), 0);
                judge_stats(w.j, &st);
                CU_ASSERT_EQUAL(st.names, 1);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.1", .port = 443}), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        }
        /* An answer that names no container is of the namespace. */
        answer_in(&w, "", "late.example", "203.0.113.5", NAME_ANSWERED);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "203.0.113.5", .port = 443}), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "late.example (203.0.113.5)"));
        world_close(&w);
}

static void announce(struct world *w, const char *id, uint64_t netns, uint64_t init_start)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = bytes_str(id)};

        ev.ctr.netns = netns;
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = init_start;
        ev.ctr.running_before = 1;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static size_t names_kept(const struct world *w)
{
        struct judge_stats st;

        judge_stats(w->j, &st);
        return st.names;
}

/* The number of a namespace means nothing in another life of the host: names go to nobody who only has the same one. */
static void test_new_life(void)
{
        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};
        struct world w;
        char to[32];

        world_open(&w);
        start(&w);
        announce(&w, "c1", 77, 1);
        for (int i = 1; i <= 200; i++) {
                snprintf(to, sizeof(to), "198.51.100.%d", i);
                answer(&w, "api.example.com", to);
        }
        restore(&w);
        judge_new_life(w.j);
        start_as(&w, "c2", "other", false);
        announce(&w, "c2", 77, 99);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.7", .port = 443}), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "a candidate: not learned by itself"); /* it has no name there */
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        CU_ASSERT_EQUAL(names_kept(&w), 0);
        world_close(&w);
        /* Announced again it is what it was, also when another life began meanwhile. */
        for (int lives = 1; lives < 3; lives++) {
                world_open(&w);
                start(&w);
                start_as(&w, "c2", "sidecar", false);
                announce(&w, "c1", 77, 1);
                announce(&w, "c2", 77, 1);
                answer(&w, "api.example.com", "198.51.100.7");
                for (int i = 0; i < lives; i++) {
                        restore(&w);
                        judge_new_life(w.j);
                }
                announce(&w, "c1", 77, 1);
                announce(&w, "c2", 77, 1);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c2", .to = "198.51.100.7", .port = 443}), 0);
                CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
                world_close(&w);
        }
        /* One that ended while we were away leaves its names to whom it shared the namespace with, if it runs on. */
        for (uint64_t init = 1; init < 3; init++) {
                world_open(&w);
                start(&w);
                start_as(&w, "c2", "sidecar", false);
                announce(&w, "c1", 77, 1);
                announce(&w, "c2", 77, 1);
                answer(&w, "api.example.com", "198.51.100.7");
                restore(&w);
                judge_new_life(w.j);
                announce(&w, "c2", 77, init); /* 2: it began anew */
                CU_ASSERT_EQUAL(give(&w, &stop), 0);
                CU_ASSERT_EQUAL(names_kept(&w), init == 1);
                world_close(&w);
        }
}

/* Two containers in one namespace, the first of which is learned. */
static void share(struct world *w)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};

        start_as(w, "c1", "web", false);
        start_as(w, "c2", "sidecar", false);
        ev.ctr.netns = 77;
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        ev.container = BYTES_LIT("c2");
        CU_ASSERT_EQUAL(give(w, &ev), 0);
        w->now += 200 * SEC;
        answer_in(w, "c1", "app.example", "198.51.100.1", NAME_ANSWERED);
        CU_ASSERT_EQUAL(call_as(w, (struct call){.id = "c1", .to = "198.51.100.1", .port = 443}), 0);
        CU_ASSERT_EQUAL(call_as(w, (struct call){.id = "c1", .to = "203.0.113.9", .port = 123}), 0); /* a candidate */
        answer_in(w, "c1", "side.example", "198.51.100.2", NAME_ANSWERED);
        CU_ASSERT_EQUAL(call_as(w, (struct call){.id = "c2", .to = "198.51.100.2", .port = 443}), 0);
        for (int h = 0; h < 30; h++) { /* the first alone */
                CU_ASSERT_EQUAL(call_as(w, (struct call){.id = "c1", .to = "198.51.100.1", .port = 443}), 0);
                w->now += HOUR;
                tick(w);
        }
        CU_ASSERT_EQUAL(decide(w, "baseline.learn", "sidecar@sha256:aa"), 0);
        CU_ASSERT_STRING_EQUAL(workload(w).dim[DIM_NETWORK].state, "active");
}

/* A flow of one of several is judged by the least known: nobody who still learns takes what is new to who does not. */
static void test_shared_learning(void)
{
        struct call one_of = {.id = "c1", .to = "203.0.113.66", .port = 443, .flags = FLOWF_SHARED};
        struct world w;

        world_open(&w);
        share(&w);
        answer(&w, "evil.example", "203.0.113.66");
        CU_ASSERT_EQUAL(call_as(&w, one_of), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "new_destination"));
        one_of.id = "c2"; /* whoever is named first */
        one_of.port = 444;
        CU_ASSERT_EQUAL(call_as(&w, one_of), 0);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.count, 2);
        /* What either knows is known. */
        one_of.port = 443;
        one_of.to = "198.51.100.1";
        CU_ASSERT_EQUAL(call_as(&w, one_of), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        one_of.to = "198.51.100.2";
        CU_ASSERT_EQUAL(call_as(&w, one_of), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known, by another process");
        /* A candidate of a mate is its, too: raised there, once, and not learned by another. */
        one_of.to = "203.0.113.9";
        one_of.port = 123;
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.id = "c1", .to = "203.0.113.9", .port = 123}), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "a public address without a name"));
        CU_ASSERT_EQUAL(call_as(&w, one_of), 0);
        CU_ASSERT_STRING_NOT_EQUAL(w.verdict, "a candidate: not learned by itself");
        world_close(&w);
        /* Where all learn, it is learned. */
        world_open(&w);
        share(&w);
        CU_ASSERT_EQUAL(decide(&w, "baseline.learn", "web@sha256:aa"), 0);
        one_of = (struct call){.id = "c1", .to = "203.0.113.66", .port = 443, .flags = FLOWF_SHARED};
        answer(&w, "new.example", "203.0.113.66");
        CU_ASSERT_EQUAL(call_as(&w, one_of), 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "learned");
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
}

/* ---- listeners ---- */

static void test_listeners(void)
{
        struct tide_event content = {.kind = TIDE_CONTENT, .container = BYTES_LIT("c1")};
        _cleanup_buf_ struct buf ports;
        struct world w;

        world_open(&w);
        settle(&w);
        listen_at(&w, "0.0.0.0", 8080, 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        listen_at(&w, "::", 4444, FLOWF_GONE);
        CU_ASSERT_EQUAL(w.opened, 0);
        listen_at(&w, "127.0.0.1", 9229, FLOWF_LOCAL);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        w.now += 2 * HOUR;
        listen_at(&w, "::", 4444, 0);
        CU_ASSERT_EQUAL(w.opened, 2);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.factors, "new_listener"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "listens on [::]:4444/tcp"));
        /* What the image declares is known. */
        buf_init(&ports, 100);
        tide_list_put(&ports, BYTES_LIT("8443"), BYTES_LIT("tcp"));
        content.content.ports = buf_bytes(&ports);
        CU_ASSERT_EQUAL(give(&w, &content), 0);
        listen_at(&w, "0.0.0.0", 8443, 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known: the image declares it");
        CU_ASSERT_EQUAL(w.opened, 2);
        world_close(&w);
        /* Ports that are drawn are one. */
        world_open(&w);
        start(&w);
        listen_at(&w, "0.0.0.0", 40001, 0);
        listen_at(&w, "0.0.0.0", 51234, 0);
        CU_ASSERT_EQUAL(entry(&w, "listen ephemeral/tcp").count, 2);
        world_close(&w);
        /* So many ports of one program, as a resolver's, are one; and what lasts is not rare for being told once. */
        world_open(&w);
        start(&w);
        for (uint16_t i = 0; i < 20; i++)
                listen_at(&w, "0.0.0.0", (uint16_t)(2000 + 7 * i), 0);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].entries, 1);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].once, 0);
        CU_ASSERT_EQUAL(entry(&w, "listen */tcp").windows, 1);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        listen_at(&w, "0.0.0.0", 3333, 0);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        listen_at(&w, "127.0.0.1", 3334, FLOWF_LOCAL); /* another kind */
        CU_ASSERT_EQUAL(w.opened, 1);
        world_close(&w);
}

/* ---- what is not known yet, and what is saved ---- */

static void pass(struct world *w, int hours)
{
        for (int h = 0; h < hours; h++) {
                w->now += HOUR;
                tick(w);
        }
}

/* Hours in which nothing is watched are none, nor do they bring the end of learning nearer. */
static void test_dark(void)
{
        struct world w;

        world_open(&w); /* one call, and then it is not watched any more: scope off, a table refused or withdrawn */
        start(&w);
        told_of(&w, "c1", FLOWS_WATCHED);
        call(&w, "10.0.0.7", 5432);
        pass(&w, 1);
        call(&w, "10.0.0.7", 5432);
        pass(&w, 2);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 4);
        told_of(&w, "c1", FLOWS_DARK);
        for (int i = 0; i < 2; i++) {
                pass(&w, 100);
                restore(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 4);
        told_of(&w, "c1", FLOWS_WATCHED); /* and so on where it was left */
        pass(&w, 18);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning");
        pass(&w, 30);
        CU_ASSERT_TRUE(workload(&w).dim[DIM_NETWORK].windows < 60);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        CU_ASSERT_EQUAL(w.opened, 0);
        world_close(&w);
        world_open(&w); /* one replica that is watched tells of all; its end leaves them in the dark */
        start(&w);
        start_as(&w, "c2", "web", false);
        told_of(&w, "c1", FLOWS_DARK);
        told_of(&w, "c2", FLOWS_WATCHED);
        call(&w, "10.0.0.7", 5432);
        pass(&w, 10);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 11);
        {
                struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c2")};

                CU_ASSERT_EQUAL(give(&w, &stop), 0);
        }
        pass(&w, 200);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 11);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning");
        call(&w, "10.0.0.7", 5432); /* what is told all the same counts */
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 12);
        world_close(&w);
        world_open(&w); /* told by an older sensor: only what is told is known of its hours */
        start(&w);
        call(&w, "10.0.0.7", 5432);
        pass(&w, 200);
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 1);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning");
        world_close(&w);
}

/* A workload of which nothing was ever told does not get a baseline by time passing; once something was, it does. */
static void test_unwatched(void)
{
        struct world w;

        world_open(&w);
        start(&w);
        told_of(&w, "c1", FLOWS_WATCHED);
        for (int h = 0; h < 300; h++) {
                run(&w, "/bin/date", LAYER_IMAGE);
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning");
        CU_ASSERT_EQUAL(workload(&w).dim[DIM_NETWORK].windows, 0);
        CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = "203.0.113.5", .port = 40000, .direction = DIRECTION_IN}), 0);
        tick(&w);
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "learning");
        for (int h = 0; h < 170; h++) { /* nothing but time */
                w.now += HOUR;
                tick(&w);
        }
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        answer(&w, "beacon.example", "203.0.113.5");
        call(&w, "203.0.113.5", 443);
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        world_close(&w);
}

static void random_net(struct world *w, uint32_t x)
{
        static const char *const hosts[] = {"198.51.100.1", "198.51.100.2", "10.1.1.1", "2001:db8::1", "203.0.113.7"};
        static const char *const names[] = {"a.example", "b.example", "c7.x.example", "d.example.co.uk"};
        static const uint8_t layers[] = {LAYER_IMAGE, LAYER_IMAGE, LAYER_IMAGE, LAYER_WRITE};
        const char *host = hosts[x % ARRAY_LEN(hosts)];
        struct call c = {.to = host,
                         .port = (uint16_t)(x / 5 % 3 * 20000 + 80),
                         .pid = x / 16 % 7 ? 300 + x % 5 : UINT32_MAX,
                         .layer = layers[x / 32 % 4],
                         .exe = x / 64 % 2 ? "/bin/a" : "/bin/b",
                         .flow = x / 128 % 8,
                         .what = x / 1024 % 5 == 0 ? FLOW_ENDED : FLOW_BEGAN};

        switch (x / 7 % 6) {
        case 0:
                answer_in(w, "c1", names[x / 11 % 4], host, (enum tide_name_verdict)(x / 13 % 5));
                break;
        case 1:
                listen_at(w, "0.0.0.0", c.port, x / 17 % 3 == 0 ? FLOWF_LOCAL : 0);
                break;
        default:
                CU_ASSERT_EQUAL(call_as(w, c), 0);
        }
        if (x % 17 == 0)
                w->now += HOUR;
        if (x % 29 == 0)
                tick(w);
}

static void test_restore(void)
{
        static uint64_t one[20000], two[20000];
        struct world a, b;
        uint32_t x = 4711;
        size_t n;

        world_open(&a);
        world_open(&b);
        a.p.max_names = b.p.max_names = 8;
        judge_free(a.j);
        judge_free(b.j);
        CU_ASSERT_EQUAL_FATAL(judge_new(&a.p, &ops, &a, &a.j), 0);
        CU_ASSERT_EQUAL_FATAL(judge_new(&b.p, &ops, &b, &b.j), 0);
        start(&a);
        start(&b);
        for (int i = 0; i < 6000; i++) {
                x = x * 1664525 + 1013904223;
                random_net(&a, x >> 8);
                random_net(&b, x >> 8);
                if (i == 2000) {
                        CU_ASSERT_EQUAL(decide(&a, "baseline.activate", "web@sha256:aa"), 0);
                        CU_ASSERT_EQUAL(decide(&b, "baseline.activate", "web@sha256:aa"), 0);
                }
                if ((x >> 8) % 97 == 0)
                        restore(&b);
        }
        n = digest(a.j, one, ARRAY_LEN(one));
        CU_ASSERT_EQUAL(digest(b.j, two, ARRAY_LEN(two)), n);
        CU_ASSERT_EQUAL(memcmp(one, two, n * sizeof(one[0])), 0);
        CU_ASSERT_EQUAL(a.opened, b.opened);
        CU_ASSERT_EQUAL(a.changed, b.changed);
        CU_ASSERT_TRUE(a.opened >= 2);
        world_close(&a);
        world_close(&b);
}

/* Two replicas and a sidecar that come and go, watched and not, with calls of all kinds to many places. */
static void random_life(struct world *w, uint32_t x)
{
        static const char *const ids[] = {"c1", "c2", "s1"};
        static const char *const exes[] = {"/bin/a", "/bin/b", "/tmp/x", ""};
        const char *id = ids[x % 3];
        struct call c = {.id = id,
                         .port = (uint16_t)(x / 3 % 2 ? 443 : 80),
                         .pid = x / 6 % 4 ? 300 + x % 5 : UINT32_MAX,
                         .exe = exes[x / 24 % 3],
                         .layer = x / 24 % 3 == 2 ? LAYER_WRITE : LAYER_IMAGE,
                         .flow = x / 96 % 40 + 1};
        char to[32], name[32];

        snprintf(to, sizeof(to), x / 7 % 5 ? "203.0.113.%u" : "10.0.%u.9", x / 35 % (x / 7 % 5 ? 60 : 4));
        c.to = to;
        switch (x / 2100 % 24) {
        case 0:
                announce(w, id, x / 50400 % 2 ? 77 : 78, 1 + x / 100800 % 2);
                break;
        case 1:
                told_of(w, id, (enum tide_flows)(x / 50400 % 3));
                break;
        case 2:
                snprintf(name, sizeof(name), "n%u.example", x / 35 % 20);
                answer_in(w, id, name, to, NAME_ANSWERED);
                return;
        case 3:
                c.what = FLOW_FOUND;
                c.event_flags = EVF_BEFORE;
                break;
        case 4:
                c.what = FLOW_ENDED;
                c.flags = FLOWF_COUNTED;
                break;
        case 5:
                c.audit = true;
                break;
        case 6:
                c.flags = FLOWF_SHARED;
                break;
        case 7:
                if (x / 50400 % 9 == 0) {
                        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = bytes_str(id)};

                        CU_ASSERT_EQUAL(give(w, &stop), 0);
                        start_as(w, id, id[0] == 's' ? "side" : "web", x / 453600 % 2);
                }
                return;
        case 8:
                listen_at(w, "0.0.0.0", (uint16_t)(1000 + x / 35 % 12), 0);
                return;
        case 9:
                walked(w, id);
                return;
        default:
                break;
        }
        CU_ASSERT_EQUAL(call_as(w, c), 0);
}

static void test_restore_lives(void)
{
        static uint64_t one[20000], two[20000];
        struct world a, b;
        uint32_t x = 815;

        world_open(&a);
        world_open(&b);
        for (int i = 0; i < 20000; i++) {
                struct world *both[] = {&a, &b};

                x = x * 1664525 + 1013904223;
                for (int k = 0; k < 2; k++) {
                        struct world *w = both[k];

                        if (i == 0) {
                                start_as(w, "c1", "web", false);
                                start_as(w, "c2", "web", true);
                                start_as(w, "s1", "side", true);
                        }
                        if (i % 5000 == 2500)
                                CU_ASSERT_EQUAL(decide(w, i < 5000 ? "baseline.activate" : "baseline.learn",
                                                       i % 10000 < 5000 ? "web@sha256:aa" : "side@sha256:aa"), 0);
                        random_life(w, x >> 4);
                        if ((x >> 4) % 31 == 0)
                                w->now += HOUR;
                        if ((x >> 4) % 53 == 0)
                                tick(w);
                }
                if ((x >> 4) % 211 == 0)
                        restore(&b);
                if (i % 500 == 499) {
                        size_t n = digest(a.j, one, ARRAY_LEN(one));

                        CU_ASSERT_EQUAL(digest(b.j, two, ARRAY_LEN(two)), n);
                        CU_ASSERT_EQUAL_FATAL(memcmp(one, two, n * sizeof(one[0])), 0);
                }
        }
        CU_ASSERT_EQUAL(a.opened, b.opened);
        CU_ASSERT_EQUAL(a.changed, b.changed);
        CU_ASSERT_STRING_EQUAL(a.story, b.story);
        CU_ASSERT_TRUE(a.opened > 10);
        world_close(&a);
        world_close(&b);
}

/* What the version before has stored is taken up: pieces as it wrote them, judge-priv.h's format 3. */
static void test_stored_before(void)
{
        uint8_t *stored;
        size_t len = 0;
        struct world w;
        struct rd r;

        world_open(&w);
        stored = fixture_read("judge/pieces-3", &len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(stored);
        rd_init(&r, stored, len);
        while (rd_left(&r)) {
                uint32_t what = rd_u32(&r);
                struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                CU_ASSERT_EQUAL(judge_restore(w.j, (enum judge_piece)what, key, blob), 0);
        }
        CU_ASSERT_EQUAL(r.err, 0);
        free(stored);
        restore(&w);
        w.now = 60 * HOUR;
        CU_ASSERT_STRING_EQUAL(workload(&w).dim[DIM_NETWORK].state, "active");
        call(&w, "10.0.0.8", 5432);
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        call(&w, "198.51.100.1", 443); /* by its name */
        CU_ASSERT_STRING_EQUAL(w.verdict, "known");
        CU_ASSERT_TRUE(entry(&w, "203.0.113.9:123/tcp").candidate);
        CU_ASSERT_EQUAL(w.opened, 0);
        ended(&w, "203.0.113.66", 443, 9, 1234); /* a flow that was told then */
        CU_ASSERT_EQUAL(w.nsignals, 4);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "also.example (203.0.113.66):443/tcp (also known as evil.example), "
                                               "where this workload never called; 1234 bytes out, 7 in."));
        CU_ASSERT_STRING_EQUAL(w.subject, "[2001:db8::1]:443/tcp"); /* it had no name; the first had one: */
        CU_ASSERT_PTR_NOT_NULL(strstr(w.story, "connected to [2001:db8::1]:443/tcp"));
        world_close(&w);
}

/* However long the names are that a container chooses, a finding fits one record of a recording. */
static void test_long(void)
{
        char name[1001], exe[3001], to[32];
        size_t largest = 0;
        struct bytes key;
        struct world w;
        void *value;

        world_open(&w);
        settle(&w);
        memset(exe, 'e', sizeof(exe) - 1);
        exe[0] = '/';
        exe[3000] = name[1000] = '\0';
        for (int i = 0; i < 60; i++) {
                snprintf(to, sizeof(to), "203.0.113.%d", i + 1);
                for (int k = 0; k < 8; k++) {
                        memset(name, 'a' + k, 1000);
                        name[500] = (char)('a' + i % 26);
                        answer(&w, name, to);
                }
                answer_in(&w, "c1", name, to, NAME_FOREIGN);
                CU_ASSERT_EQUAL(call_as(&w, (struct call){.to = to, .port = 443, .exe = exe, .pid = 300,
                                                          .layer = LAYER_WRITE}), 0);
        }
        CU_ASSERT_EQUAL(w.opened, 1);
        CU_ASSERT_EQUAL(w.nsignals, FINDING_SIGNALS);
        for (size_t i = 0; map_next(w.pieces, &i, &key, &value);) {
                struct str_owned *v = value;

                if (v->len > largest)
                        largest = v->len;
        }
        CU_ASSERT_TRUE(largest > 20000 && largest < TIDE_RECORD_MAX - 200);
        world_close(&w);
}

/* Names go with their container, and nothing of them is left in the store. */
static void test_gone(void)
{
        struct tide_event stop = {.kind = TIDE_CTR_STOP, .container = BYTES_LIT("c1")};
        struct world w;
        void *value;
        struct bytes key;
        unsigned names = 0;

        world_open(&w);
        start(&w);
        answer(&w, "a.example", "198.51.100.1");
        answer_in(&w, "c1", "b.example", "198.51.100.2", NAME_UNASKED);
        for (size_t i = 0; map_next(w.pieces, &i, &key, &value);)
                names += key.p[0] == PIECE_NAME;
        CU_ASSERT_EQUAL(names, 2);
        CU_ASSERT_EQUAL(give(&w, &stop), 0);
        for (size_t i = 0; map_next(w.pieces, &i, &key, &value);)
                CU_ASSERT_NOT_EQUAL(key.p[0], PIECE_NAME);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"names of hosts are generalised", test_names_generalised},
        {"addresses are generalised by one table", test_addresses_generalised},
        {"names of an address: alive first, none expires, the oldest goes", test_names_order},
        {"what is called is learned by its name", test_learned},
        {"inbound flows, name servers and ends are only counted", test_only_counted},
        {"the bands of the shipped table hold for flows", test_bands},
        {"a new destination shows after an early activation", test_activated_early},
        {"a new program that calls a new destination is one story", test_story},
        {"what is named, how it began and what came last is told in a crowd", test_crowd},
        {"a crowd of ports", test_crowd_of_ports},
        {"where a flow went, for programs and for people", test_where},
        {"bytes of flows that ended, and of how many", test_bytes},
        {"what is remembered of a flow goes with it", test_told_gone},
        {"a new program's file, run and call are one story in any order", test_story_in_any_order},
        {"an unknown process joins what was found in the same moment", test_moment},
        {"a scan by a container's first process is one finding", test_scan_by_init},
        {"of several names the least known counts", test_least_known},
        {"names that the workload calls may share an address", test_shared_address},
        {"however many names an address has, the least known counts", test_many_names},
        {"a finding keeps the name that was judged, and counts what it leaves out", test_kept_names},
        {"a finding of an older form", test_older_finding},
        {"what is said of a program that is not the image's is true", test_marked_keys},
        {"the host's namespace: a name that perhaps somebody else asked for", test_unowned},
        {"an answer that does not count is a factor, not a name", test_forged},
        {"two answers to one query: what the first one brought is taken back", test_doubted},
        {"claims: a foreign server's, the own one's too, old ones", test_claims},
        {"claims: one with many addresses, many of them", test_many_claims},
        {"a destination in a phase never seen", test_phases},
        {"a raw public address is a candidate until approved", test_raw_address},
        {"what was called once is there for the review", test_raw_is_reviewed},
        {"what one of several replicas called is a candidate", test_one_replica},
        {"what is held back lends its phase to nobody", test_held_back_phase},
        {"a listener of one of several replicas is learned", test_leader_listens},
        {"what was connected before we watched is a candidate", test_found},
        {"when a connection began that was found is not known", test_found_phase},
        {"first sight names what listened", test_first_sight},
        {"first sight of sockets alone, whenever they are told", test_first_sight_of_sockets},
        {"an unknown process matches by destination", test_process_unknown},
        {"who calls is learned though the first call was nobody's", test_unnamed_first},
        {"a call of nobody knows whom in another phase", test_unnamed_phase},
        {"a candidate of nobody knows whom", test_unnamed_candidate},
        {"a call of nobody knows whom meets a candidate", test_unnamed_meets_candidate},
        {"one call in ten is nobody's", test_unnamed_now_and_then},
        {"a program that audit alone has told", test_unplaced},
        {"containers that share a namespace", test_shared_namespace},
        {"a flow of one of several is judged by the least known", test_shared_learning},
        {"a namespace's number means nothing in another life", test_new_life},
        {"listeners", test_listeners},
        {"nothing told is nothing learned", test_unwatched},
        {"hours in which nothing is watched are none", test_dark},
        {"what was saved makes the same judge of flows again", test_restore},
        {"what was saved makes the same judge of lives again", test_restore_lives},
        {"what the version before has stored is taken up", test_stored_before},
        {"a finding of long names fits a record", test_long},
        {"names go with their container", test_gone},
};
UNIT_MAIN("judge_net", cases)
