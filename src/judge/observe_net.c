/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how a flow or a listener reads as what a baseline could hold: its key, its subject, which of its names counts.
 * Must not: score, or decide which flows are judged at all (net.c). Pure.
 *
 * Keys: "api.example.com:443/tcp", "10.1.2.0/24:5432/tcp", "[2001:db8::/64]:443/tcp", "198.51.100.7/icmp",
 * "listen 8080/tcp". A name stands for all addresses that it led to, so that their rotation is no drift; where several
 * live names led to one address the least known of them is the key (order_names). Ports that are drawn (Linux: from
 * 32768 on, ip_local_port_range of ip(7)) are one: "ephemeral".
 */
#include <errno.h>
#include <string.h>

#include "judge/judge-priv.h"

#define EPHEMERAL 32768u
#define PARTS_MAX 512u

/* ---- keys ---- */

static void put_number(unsigned v, struct buf *out)
{
        char text[12];
        size_t at = sizeof(text);

        do
                text[--at] = (char)('0' + v % 10);
        while ((v /= 10) > 0);
        buf_put(out, text + at, sizeof(text) - at);
}

static void put_port(const struct net_facts *n, bool exact, struct buf *out)
{
        char proto[TIDE_PROTO_TEXT];

        if (n->has_port)
                buf_put_u8(out, ':');
        if (n->has_port && (exact || n->port < EPHEMERAL))
                put_number(n->port, out);
        else if (n->has_port)
                buf_put_str(out, "ephemeral");
        buf_put_u8(out, '/');
        buf_put_str(out, tide_proto_text(n->flow->proto, proto));
}

static void put_network(const struct net_facts *n, struct buf *out)
{
        bool brackets = n->address.len == 16;

        buf_put_str(out, brackets ? "[" : "");
        generalise_address(n->address, out);
        buf_put_str(out, brackets ? "]" : "");
}

static void put_listen_key(const struct net_facts *n, struct buf *out)
{
        char proto[TIDE_PROTO_TEXT];

        if (n->port < EPHEMERAL)
                buf_printf(out, "listen %u/%s", n->port, tide_proto_text(n->flow->proto, proto));
        else
                buf_printf(out, "listen ephemeral/%s", tide_proto_text(n->flow->proto, proto));
        buf_put_str(out, n->flow->flags & FLOWF_LOCAL ? " [local]" : "");
}

void observe_net_as(struct judge *j, struct observation *o, uint32_t name)
{
        const struct net_facts *n = &o->net;

        buf_reset(&j->path);
        if (n->listens) {
                put_listen_key(n, &j->path);
        } else {
                if (name < n->nnames)
                        buf_put(&j->path, n->names[name].key.p, n->names[name].key.len);
                else
                        put_network(n, &j->path);
                put_port(n, false, &j->path);
        }
        if (o->never_silent)
                buf_printf(&j->path, " [%s]", tide_layer_name(o->layer));
        if (o->actor->origin == ORIGIN_PROBE) /* what a probe may do is not what the workload may */
                buf_put_str(&j->path, " [probe]");
        o->key = buf_bytes(&j->path);
}

struct bytes net_host(struct bytes key)
{
        int slash, colon, bracket;

        if (bytes_has_prefix(key, BYTES_LIT("listen ")))
                return bytes_of(NULL, 0);
        slash = bytes_rfind(key, '/'); /* before the protocol */
        if (slash <= 0)
                return bytes_of(NULL, 0);
        key.len = (uint32_t)slash;
        colon = bytes_rfind(key, ':');
        bracket = bytes_rfind(key, ']');
        return bytes_of(key.p, colon > bracket ? (size_t)colon : key.len);
}

/* ---- subjects ---- */

static void put_place(const struct net_facts *n, const char *before, const char *behind, struct buf *out)
{
        char address[TIDE_ADDRESS_TEXT];

        buf_printf(out, "%s%s%s", before, tide_address_text(n->address, address), behind);
        put_port(n, true, out);
}

int observe_net_subject(struct judge *j, struct observation *o)
{
        const struct net_facts *n = &o->net;
        bool brackets = n->address.len == 16;
        size_t at;

        buf_reset(&j->subject);
        put_place(n, brackets ? "[" : "", brackets ? "]" : "", &j->subject);
        at = j->subject.len;
        if (n->nnames) {
                buf_put(&j->subject, n->names[0].name.p, n->names[0].name.len);
                put_place(n, " (", ")", &j->subject);
        }
        o->subject = bytes_of(j->subject.p, at);
        o->where = n->nnames ? bytes_of(j->subject.p + at, j->subject.len - at) : o->subject;
        return j->subject.err;
}

/* Whole names of the way, as many as there is room for. */
static struct bytes fit(struct bytes way, uint32_t room)
{
        while (way.len > room) {
                int comma = bytes_rfind(way, ',');

                way.len = comma > 0 ? (uint32_t)comma : 0;
        }
        return way;
}

uint32_t observe_net_parts(const struct net_facts *n, struct buf *out)
{
        char text[PARTS_MAX];
        struct bytes judged;
        uint32_t kept = 0;

        if (n->nnames == 0)
                return 0;
        judged = signal_kept(n->names[0].name, (out->max < PARTS_MAX ? out->max : PARTS_MAX) - 2, text);
        for (uint32_t i = 0; i < n->nnames && i < NAMES_SHOWN; i++) {
                struct bytes name = i ? n->names[i].name : judged;

                if (out->len + name.len + 2 > out->max)
                        break; /* whole names only, and the end of the way */
                buf_put(out, name.p, name.len);
                buf_put_u8(out, 0);
                kept++;
        }
        judged = fit(n->names[0].chain, out->max - out->len - 1);
        buf_put(out, judged.p, judged.len);
        buf_put_u8(out, 0);
        return n->nnames - kept;
}

/* ---- which name is judged ---- */

static enum known known_as(struct judge *j, struct observation *o, uint32_t name)
{
        enum known known;
        struct entry *e;

        observe_net_as(j, o, name);
        if (!o->c->workload || j->path.err)
                return KNOWN_NOT;
        known = baseline_lookup(o->c->workload, o, &e);
        return known == KNOWN_OTHER_EXE && !o->known_exe ? KNOWN_YES : known;
}

/*
 * Where one of an address's names is what this program calls now, another one that the workload calls too, by another
 * program or in another phase, needs no explaining: customers of one network have addresses in common. Not so a name
 * that the workload does not call: behind a known one it would hide.
 */
static bool is_explained(enum known known)
{
        return known == KNOWN_OTHER_EXE || known == KNOWN_OTHER_PHASE;
}

/* The least known, of those that are known alike the latest, which stands before the others. */
static uint32_t least_known(struct judge *j, struct observation *o)
{
        enum known worst = KNOWN_YES, unexplained = KNOWN_YES;
        uint32_t at = 0, unexplained_at = 0, own = 0;
        bool has_own = false;

        for (uint32_t i = 0; i < o->net.nnames && unexplained != KNOWN_NOT; i++) {
                enum known known = known_as(j, o, i);

                if (known == KNOWN_YES && !has_own) {
                        has_own = true;
                        own = i;
                }
                if (known > worst) {
                        worst = known;
                        at = i;
                }
                if (known > unexplained && !is_explained(known)) {
                        unexplained = known;
                        unexplained_at = i;
                }
        }
        if (!has_own || unexplained == KNOWN_NOT)
                return at;
        return unexplained > KNOWN_YES ? unexplained_at : own;
}

static void order_names(struct judge *j, struct observation *o)
{
        struct name_fact least;
        uint32_t at = o->net.nnames > 1 ? least_known(j, o) : 0;

        if (at == 0)
                return;
        least = j->led[at];
        memmove(&j->led[1], &j->led[0], at * sizeof(least));
        j->led[0] = least;
}

/* ---- events ---- */

/* DESIGN 4.2: what runs and the image does not hold is never learned silently, nor whom it calls. */
bool net_foreign_code(uint8_t layer)
{
        return layer == LAYER_WRITE || layer == LAYER_TMPFS || layer == LAYER_MEMFD || layer == LAYER_DELETED;
}

static bool is_rewritten(const struct tide_flow *t)
{
        return address_kind(t->remote) == ADDRESS_LOOPBACK && t->real.len;
}

struct bytes observe_net_address(const struct tide_flow *t)
{
        return address_plain(is_rewritten(t) ? t->real : t->remote);
}

static int take_other_side(struct judge *j, const struct tide_event *ev, struct observation *o)
{
        const struct tide_flow *t = &ev->flow;
        struct net_facts *n = &o->net;

        n->address = observe_net_address(t);
        n->port = is_rewritten(t) ? t->real_port : t->rport;
        n->kind = address_kind(n->address);
        if (n->kind == ADDRESS_NONE)
                return -EAGAIN;
        net_names(j, o->c, n->address, ev->wall_ns);
        n->names = j->led;
        n->nnames = j->nled;
        n->claimed = net_claimed(j, o->c, n->address, ev->wall_ns, &n->claim);
        if (n->claimed && n->claim.verdict == NAME_FOREIGN && n->nnames) /* says nothing where a name is known */
                n->claimed = false;
        order_names(j, o);
        j->led_of = ev;
        return 0;
}

int observe_net(struct judge *j, const struct tide_event *ev, struct observation *o)
{
        const struct tide_flow *t = &ev->flow;
        struct net_facts *n = &o->net;
        int r = 0;

        o->dim = DIM_NETWORK;
        o->actor = &t->actor;
        o->exe = t->actor.flags & ACTOR_EXE ? t->actor.exe : bytes_of(NULL, 0);
        o->known_exe = o->exe.len > 0;
        o->layer = t->actor.flags & ACTOR_EXE ? t->actor.exe_layer : LAYER_UNKNOWN;
        o->never_silent = net_foreign_code(o->layer);
        n->flow = t;
        n->has_port = tide_proto_has_port(t->proto);
        n->listens = t->what == FLOW_LISTENS;
        o->operation = n->listens ? "listen" : "connect";
        if (n->listens) {
                n->address = address_plain(t->local);
                n->kind = address_kind(n->address);
                n->port = t->lport;
        } else {
                r = take_other_side(j, ev, o);
        }
        if (r < 0)
                return r;
        observe_net_as(j, o, 0);
        return 0;
}
