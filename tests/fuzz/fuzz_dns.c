/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The name service: any bytes as packet, message and resolv.conf; and as a run of records, each one byte that says what
 * it is, two of length, and so many bytes: packets of a few containers, their servers, losses, their end. Whatever
 * comes: nothing is answered that was not asked, the counters say what was told, and every event fits its record.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "parse/dns-priv.h"
#include "tidemark/dns.h"
#include "tidemark/event.h"
#include "tidemark/resolvers.h"

struct world {
        struct dns *n;
        struct resolvers *r;
        uint64_t now, told[NAME__MAX];
};

/* lower case and \DDD: no other bytes */
static void check_text(struct bytes s)
{
        if (s.len > 4 * DNS_NAME_MAX)
                abort();
        for (uint32_t i = 0; i < s.len; i++)
                if (s.p[i] < '-' || s.p[i] > 'z' || (s.p[i] >= 'A' && s.p[i] <= 'Z'))
                        abort();
}

static void on_name(const struct tide_event *ev, void *arg)
{
        struct world *w = arg;
        struct bytes key, value;
        struct buf b;
        struct rd r;
        unsigned n = 0;

        w->told[ev->name.verdict]++;
        check_text(ev->name.question);
        rd_init(&r, ev->name.chain.p, ev->name.chain.len);
        while (tide_list_next(&r, &key, &value)) {
                if (++n > DNS_CHAIN_MAX)
                        abort();
                check_text(key);
                check_text(value);
        }
        rd_init(&r, ev->name.addresses.p, ev->name.addresses.len);
        while (tide_list_next(&r, &key, &value))
                if ((key.len != 4 && key.len != 16) || value.len != 4)
                        abort();
        if ((ev->name.verdict == NAME_ANSWERED) != (ev->name.reason.len == 0) || r.err)
                abort();
        buf_init(&b, TIDE_RECORD_MAX);
        if (tide_encode(ev, &b) < 0)
                abort();
        buf_release(&b);
}

static void on_servers(struct bytes container, const struct bytes *text, void *arg)
{
        struct world *w = arg;

        if (!text)
                dns_any_server(w->n, container);
        else if (dns_resolvers(w->n, container, *text) < 0)
                abort();
}

static bool is_hosts(struct bytes address, void *arg)
{
        (void)arg;
        return address.p[0] & 1;
}

/* What the container wrote, what vouches for it. */
static void servers(struct world *w, struct bytes id, struct bytes b)
{
        struct resolvers_files f = {.found = b.len > 0, .own = b};

        if (b.len > 1) {
                f.embedded = b.p[0] & 1;
                f.own = bytes_of(b.p + 1, b.len / 2);
                f.host = f.given = bytes_of(b.p + 1 + f.own.len, b.len - 1 - f.own.len);
        }
        if (resolvers_container(w->r, id, b.len & 1) < 0 || resolvers_read(w->r, id, &f) < 0)
                abort();
}

static void one(struct world *w, uint8_t what, struct bytes b)
{
        static const char *const ids[] = {"", "aa", "bb", "cc"};
        struct bytes id = bytes_str(ids[what >> 2 & 3]);
        struct tide_event ev = {.kind = TIDE_PACKET, .container = id};

        w->now += (uint64_t)(what >> 5) * 1000000000u;
        switch (what & 3) {
        case 2:
                if (what & 16)
                        dns_lost(w->n, w->now);
                else
                        servers(w, id, b);
                break;
        case 3:
                resolvers_gone(w->r, id);
                dns_gone(w->n, id);
                break;
        default:
                ev.boot_ns = w->now;
                ev.packet.out = what & 1;
                ev.packet.netns = what >> 4 & 1;
                ev.packet.flags = (uint8_t)(what >> 5 | (what >> 1 & 8)); /* with time and namespace */
                ev.packet.ip = b;
                dns_packet(w->n, &ev);
        }
}

static void check(const struct world *w)
{
        struct dns_stats st;

        dns_stats(w->n, &st);
        if (st.answers != w->told[NAME_ANSWERED] || st.foreign != w->told[NAME_FOREIGN] ||
            st.answers + st.foreign + st.unowned > st.queries || st.unowned != w->told[NAME_UNOWNED] ||
            st.waiting > st.queries || w->told[NAME_UNASKED] > st.unasked ||
            w->told[NAME_MALFORMED] > st.malformed || st.doubted != w->told[NAME_DOUBTED] ||
            st.doubted > st.answers + st.unowned || st.streams > DNS_STREAMS_MAX || st.containers > 4)
                abort();
}

static void decoders(struct bytes b)
{
        static struct dns_message m;
        struct dns_addr servers[DNS_SERVERS_MAX];
        struct dns_packet pk;

        if (dns_message_decode(b, &m) == 0 &&
            (m.question.len == 0 || m.question.wire[m.question.len - 1] || (m.fault && m.nchain + m.naddresses)))
                abort();
        if (dns_packet_decode(b, &pk) == 0 && (pk.payload.p < b.p || pk.payload.p + pk.payload.len > b.p + b.len))
                abort();
        if (dns_parse_resolv(b, servers, DNS_SERVERS_MAX) > DNS_SERVERS_MAX)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct dns_ops ops = {.name = on_name};
        static const struct resolvers_ops resolvers_ops = {.servers = on_servers, .is_hosts = is_hosts};
        struct world w = {.now = 1};

        decoders(bytes_of(data, size));
        if (dns_new(&ops, &w, &w.n) < 0 || resolvers_new(4, &resolvers_ops, &w, &w.r) < 0)
                abort();
        for (size_t at = 0; size - at >= 3;) {
                uint8_t what = data[at];
                size_t len = (size_t)data[at + 1] << 8 | data[at + 2];

                at += 3;
                len = len < size - at ? len : size - at;
                one(&w, what, bytes_of(data + at, len));
                at += len;
        }
        check(&w);
        resolvers_free(w.r);
        dns_free(w.n);
        return 0;
}

FUZZ_MAIN("dns", "tests/fuzz/corpus/dns")
