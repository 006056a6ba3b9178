/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: asking one namespace's sock_diag for a socket, or for all. Must not: wait (inet_diag answers in the call that
 * asks; of a dump, each reading brings the next piece). Hands over: decoded sockets to the caller.
 */
#include "tidemark/diag_source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tidemark/err.h"
#include "tidemark/nl.h"

#define STALE_READS 8 /* datagrams of an older request that may still lie there */
#define REST_READS 512 /* datagrams, up to 32 KiB each, of a dump of which no more is wanted */

struct diag_source {
        struct nl *nl;
        uint32_t seq, dump_seq;
        bool dumping; /* the kernel has not told all that dump_seq asked for: until then it takes no other dump */
        struct diag_source_stats stats;
};

struct asked {
        struct diag_source *s;
        uint8_t proto;
        size_t left;
        bool over, interrupted, full;
        int error;
        void (*cb)(const struct diag_sock *d, void *arg);
        void *arg;
};

int diag_source_open(int fd, struct diag_source **ret)
{
        struct diag_source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = nl_adopt(fd, &s->nl);
        if (r < 0) {
                free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct diag_source *diag_source_close(struct diag_source *s)
{
        if (!s)
                return NULL;
        nl_close(s->nl);
        free(s);
        return NULL;
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
        struct asked *a = arg;
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
        struct diag_sock d;
        int r;

        if (h->nlmsg_seq == a->s->dump_seq && (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR))
                a->s->dumping = false;
        if (h->nlmsg_seq != a->s->seq)
                return 0; /* of an older request, which was given up */
        a->interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (h->nlmsg_type == NLMSG_DONE) {
                a->over = true;
        } else if (h->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(h) >= sizeof(*e)) {
                a->over = true;
                a->error = e->error;
        } else {
                r = diag_decode(h, a->proto, &d);
                a->s->stats.malformed += r == ERR_SCHEMA;
                if (r < 0)
                        return 0;
                a->full |= a->left == 0;
                if (a->left) {
                        a->left--;
                        a->s->stats.found++;
                        a->cb(&d, a->arg);
                }
        }
        return 0;
}

static int ask(struct diag_source *s, const struct inet_diag_req_v2 *req, uint16_t flags)
{
        char space[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(*req))] = {0};
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);

        h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
        h->nlmsg_seq = ++s->seq;
        memcpy(mnl_nlmsg_put_extra_header(h, sizeof(*req)), req, sizeof(*req));
        s->stats.asked++;
        return nl_send(s->nl, space, h->nlmsg_len);
}

static void found(const struct diag_sock *d, void *arg)
{
        *(struct diag_sock *)arg = *d;
}

/* Of UDP the kernel takes the peer's side as the source: udp_diag.c, "swapped for historical reasons". */
static void put_tuple(struct inet_diag_req_v2 *req, const struct flow_tuple *t)
{
        bool swapped = t->proto != IPPROTO_TCP;
        const struct flow_address *src = swapped ? &t->dst : &t->src, *dst = swapped ? &t->src : &t->dst;

        req->id.idiag_sport = htons(swapped ? t->dport : t->sport);
        req->id.idiag_dport = htons(swapped ? t->sport : t->dport);
        memcpy(req->id.idiag_src, src->bytes, src->len);
        memcpy(req->id.idiag_dst, dst->bytes, dst->len);
}

int diag_find(struct diag_source *s, const struct flow_tuple *t, struct diag_sock *ret)
{
        struct inet_diag_req_v2 req = {.sdiag_family = t->src.len == 4 ? AF_INET : AF_INET6,
                                       .sdiag_protocol = t->proto,
                                       .idiag_states = UINT32_MAX,
                                       .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
        struct diag_sock d = {.inode = 0};
        struct asked a = {.s = s, .proto = t->proto, .left = 1, .cb = found, .arg = &d};
        int r;

        if (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP && t->proto != IPPROTO_UDPLITE)
                return -EOPNOTSUPP;
        put_tuple(&req, t);
        r = ask(s, &req, 0);
        for (int n = 0; r >= 0 && n < STALE_READS && a.left && !a.over; n++)
                r = nl_recv(s->nl, on_message, &a);
        if (r < 0)
                return r;
        if (a.left)
                return a.error ? a.error : -ENOENT;
        *ret = d;
        return 0;
}

/* What is left of a dump goes by. False: more than is read at once; the next dump goes on with it. */
static bool finish(struct diag_source *s)
{
        struct asked nothing = {.s = s, .full = true};
        int r = 1;

        for (int n = 0; s->dumping && n < REST_READS && r != 0; n++)
                r = nl_recv(s->nl, on_message, &nothing);
        s->dumping = s->dumping && r != 0; /* nothing is there: then it has ended somehow */
        return !s->dumping;
}

static int each_of(struct asked *a, const struct inet_diag_req_v2 *req)
{
        struct diag_source *s = a->s;
        int r = finish(s) ? ask(s, req, NLM_F_DUMP) : -EBUSY;

        if (r < 0)
                return r;
        s->dump_seq = s->seq;
        s->dumping = true;
        a->over = false;
        a->error = 0;
        for (int got = 1; r >= 0 && got > 0 && !a->over && !a->full;)
                r = got = nl_recv(s->nl, on_message, a);
        s->stats.unread += !finish(s);
        return r < 0 ? r : a->error;
}

int diag_each(struct diag_source *s, uint32_t states, size_t limit, void (*cb)(const struct diag_sock *d, void *arg),
              void *arg)
{
        static const struct {
                uint8_t family, proto;
        } of[] = {{AF_INET, IPPROTO_TCP}, {AF_INET6, IPPROTO_TCP}, {AF_INET, IPPROTO_UDP}, {AF_INET6, IPPROTO_UDP}};
        struct asked a = {.s = s, .left = limit, .cb = cb, .arg = arg};
        int r = 0;

        for (size_t i = 0; i < ARRAY_LEN(of) && !a.full; i++) {
                struct inet_diag_req_v2 req = {
                        .sdiag_family = of[i].family, .sdiag_protocol = of[i].proto, .idiag_states = states};
                int one;

                a.proto = of[i].proto;
                req.idiag_states &= of[i].proto == IPPROTO_TCP ? ~(1u << DIAG_UNCONNECTED) : ~(1u << DIAG_LISTEN);
                if (req.idiag_states == 0)
                        continue;
                one = each_of(&a, &req);
                s->stats.refused += one < 0;
                if (one < 0 && one != -ENOENT) /* without the module of one protocol the others are told all the same */
                        r = one;
        }
        return r < 0 ? r : a.full ? ERR_LIMIT : a.interrupted ? -EAGAIN : 0;
}

void diag_source_stats(const struct diag_source *s, struct diag_source_stats *ret)
{
        *ret = s->stats;
}
