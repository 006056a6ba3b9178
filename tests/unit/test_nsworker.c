/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nsworker: replies that are believed; then a real helper in real namespaces, with the kernel's own events. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h> /* before linux/netfilter.h, which brings another one */
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "act/nettable-priv.h"
#include "act/nslook-priv.h"
#include "act/nsworker-priv.h"
#include "netplace.h"
#include "tidemark/clock.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"
#include "tidemark/nstry.h"
#include "tidemark/nsworker.h"

#define WAIT_MS 5000
#define TABLE "tidemark-unit"
#define FLOWS_AND_NAMES (NSW_FLOWS | NSW_NAMES)

/* ---- replies ---- */

static const struct nsworker_request asked = {.token = 7, .flags = NSW_LISTEN};

static struct nsworker_reply good_reply(void)
{
        struct nsworker_reply r = {.a = {.token = 7, .flags = NSW_LISTEN, .naddresses = 1, .events = 0, .diag = -1}};

        r.a.addresses[0].len = 4;
        return r;
}

static void test_replies(void)
{
        struct nsworker_reply r = good_reply();
        struct nsworker_answer a = {.token = 1};
        const int fds[2] = {40, 41};

        CU_ASSERT_EQUAL(nsworker_check(&r, sizeof(r), fds, 1, &asked, &a), 0);
        CU_ASSERT(a.token == 7 && a.events == 40 && a.diag == -1);
        r.a.events = -1, r.a.diag = 0;
        CU_ASSERT_EQUAL(nsworker_check(&r, sizeof(r), fds, 1, &asked, &a), 0);
        CU_ASSERT(a.events == -1 && a.diag == 40);
        r.a.events = 0;
        CU_ASSERT_EQUAL(nsworker_check(&r, sizeof(r), fds, 2, &asked, &a), 0);
        CU_ASSERT(a.events == 40 && a.diag == 41);
}

static bool is_refused(struct nsworker_reply r, size_t len, size_t n)
{
        const int fds[2] = {40, 41};
        struct nsworker_answer a = {.token = 1};

        return nsworker_check(&r, len, fds, n, &asked, &a) == -EPROTO && a.token == 1;
}

static void test_odd_replies(void)
{
        struct nsworker_reply r = good_reply();

        CU_ASSERT(is_refused(r, sizeof(r) - 1, 1));
        CU_ASSERT(is_refused(r, sizeof(r), 0)); /* it says that one comes along */
        CU_ASSERT(is_refused(r, sizeof(r), 2));
        r.a.token = 8;
        CU_ASSERT(is_refused(r, sizeof(r), 1));
        r = good_reply(), r.a.flags = 0;
        CU_ASSERT(is_refused(r, sizeof(r), 1));
        r = good_reply(), r.a.error = 5;
        CU_ASSERT(is_refused(r, sizeof(r), 1));
        r = good_reply(), r.a.naddresses = NSWORKER_ADDRESSES + 1;
        CU_ASSERT(is_refused(r, sizeof(r), 1));
        r = good_reply(), r.a.addresses[0].len = 17;
        CU_ASSERT(is_refused(r, sizeof(r), 1));
}

static int tell_address(struct nsworker_answer *a, uint16_t attr, uint16_t len, uint16_t attr2)
{
        char space[128] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);

        h->nlmsg_type = RTM_NEWADDR;
        mnl_nlmsg_put_extra_header(h, sizeof(struct ifaddrmsg));
        mnl_attr_put(h, attr, len, "aaaaaaaaaaaaaaaaaaaa");
        if (attr2)
                mnl_attr_put(h, attr2, len, "bbbbbbbbbbbbbbbbbbbb");
        return nslook_parse_address(h, a);
}

static void test_addresses(void)
{
        struct nsworker_answer a = {0};

        CU_ASSERT(tell_address(&a, IFA_ADDRESS, 4, 0) == 0 && a.naddresses == 1);
        CU_ASSERT(a.addresses[0].len == 4 && memcmp(a.addresses[0].bytes, "aaaa", 4) == 0);
        CU_ASSERT(tell_address(&a, IFA_ADDRESS, 16, IFA_LOCAL) == 0 && a.naddresses == 2);
        CU_ASSERT(a.addresses[1].len == 16 && a.addresses[1].bytes[15] == 'b'); /* not the other end's */
        CU_ASSERT(tell_address(&a, IFA_LOCAL, 4, IFA_ADDRESS) == 0 && a.addresses[2].bytes[0] == 'a');
        CU_ASSERT(tell_address(&a, IFA_ADDRESS, 20, 0) == 0 && tell_address(&a, IFA_LABEL, 4, 0) == 0);
        CU_ASSERT_EQUAL(a.naddresses, 3);
        while (a.naddresses < NSWORKER_ADDRESSES)
                CU_ASSERT_EQUAL_FATAL(tell_address(&a, IFA_ADDRESS, 4, 0), 0);
        CU_ASSERT(tell_address(&a, IFA_ADDRESS, 4, 0) == -E2BIG && a.naddresses == NSWORKER_ADDRESSES);
}

/* ---- a helper, and what it answers ---- */

/* As before Linux 4.18 in a namespace of a user without rights; as it was when the helper was forked. */
static bool maximum_is_hidden;

void __real_nslook_counts(struct nl *nl, int timeout_ms, struct nsworker_answer *a);
void __wrap_nslook_counts(struct nl *nl, int timeout_ms, struct nsworker_answer *a);

void __wrap_nslook_counts(struct nl *nl, int timeout_ms, struct nsworker_answer *a)
{
        __real_nslook_counts(nl, timeout_ms, a);
        if (maximum_is_hidden)
                a->conntrack_max = 0;
}

struct heard {
        struct loop *loop;
        unsigned n, wanted;
        struct nsworker_answer last;
        int events, diag;
};

static void on_answer(struct nsworker_answer *a, void *arg)
{
        struct heard *h = arg;

        h->last = *a;
        h->events = TAKE_FD(a->events);
        h->diag = TAKE_FD(a->diag);
        if (++h->n == h->wanted)
                loop_stop(h->loop, 0);
}

static const struct nsworker_ops ops = {.answer = on_answer};

struct bench {
        struct netplace place;
        struct loop *loop;
        struct nsworker *w;
        struct heard h;
        bool ready;
};

static bool begin_in(struct bench *b, uint64_t deadline_ns, int more)
{
        const struct nsworker_setup setup = {
                .instance = "unit", .group = 700, .rcvbuf = 1 << 20, .deadline_ns = deadline_ns};

        memset(b, 0, sizeof(*b));
        b->h.events = b->h.diag = -1;
        if (!netplace_open(&b->place, more)) {
                printf("(no namespaces here) ");
                CU_ASSERT(getenv("TIDEMARK_REQUIRE_KERNEL") == NULL);
                netplace_close(&b->place);
                return false;
        }
        CU_ASSERT_EQUAL_FATAL(loop_new(&b->loop), 0);
        b->h.loop = b->loop;
        CU_ASSERT_EQUAL_FATAL(nsworker_start(b->loop, &setup, &ops, &b->h, &b->w), 0);
        return true;
}

static bool begin(struct bench *b, uint64_t deadline_ns)
{
        return begin_in(b, deadline_ns, 0);
}

static void take_off(struct bench *b)
{
        if (b->h.events >= 0)
                close(b->h.events);
        if (b->h.diag >= 0)
                close(b->h.diag);
        b->h.events = b->h.diag = -1;
}

static void end(struct bench *b)
{
        take_off(b);
        nsworker_stop(b->w);
        loop_free(b->loop);
        netplace_close(&b->place);
}

/* Asked and answered: the answer's error. */
static int ask(struct bench *b, uint32_t flags, uint16_t group)
{
        int r = nsworker_ask(b->w, 1 + b->h.n, b->place.ns, flags, group);

        if (r < 0)
                return r;
        b->h.wanted = b->h.n + 1;
        CU_ASSERT_EQUAL(loop_run(b->loop), 0);
        CU_ASSERT_EQUAL(b->h.last.token, b->h.n);
        CU_ASSERT_EQUAL(b->h.last.flags, flags);
        return b->h.last.error;
}

/* ---- the kernel's word on the tables there ---- */

struct tables {
        unsigned ours, rules;
};

static int on_dump(const struct nlmsghdr *h, void *arg)
{
        struct tables *t = arg;
        const struct nlattr *a;

        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
                if (mnl_attr_get_type(a) == NFTA_TABLE_NAME && strcmp(mnl_attr_get_str(a), TABLE) == 0) {
                        t->ours += (h->nlmsg_type & 0xff) == NFT_MSG_NEWTABLE;
                        t->rules += (h->nlmsg_type & 0xff) == NFT_MSG_NEWRULE;
                }
        return 0;
}

static int dump(struct nl *nl, uint16_t type, struct tables *t)
{
        char space[64] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nfgenmsg *g;

        h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = 3;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = NFPROTO_INET;
        return nl_talk(nl, h, h->nlmsg_len, 3, WAIT_MS, on_dump, t);
}

static struct tables tables_in(const struct bench *b)
{
        struct tables t = {0};
        struct nl *nl;

        CU_ASSERT_FATAL(netplace_enter(&b->place));
        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_NETFILTER, 0, 0, &nl), 0);
        CU_ASSERT_EQUAL(dump(nl, NFT_MSG_GETTABLE, &t), 0);
        CU_ASSERT_EQUAL(dump(nl, NFT_MSG_GETRULE, &t), 0);
        nl_close(nl);
        CU_ASSERT_FATAL(netplace_leave(&b->place));
        return t;
}

static void delete_table(const struct bench *b)
{
        struct nl *nl;

        CU_ASSERT_FATAL(netplace_enter(&b->place));
        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_NETFILTER, 0, 0, &nl), 0);
        CU_ASSERT_EQUAL(nettable_remove(nl, TABLE, WAIT_MS), 0);
        nl_close(nl);
        CU_ASSERT_FATAL(netplace_leave(&b->place));
}

/* ---- what the passed socket tells ---- */

struct told {
        unsigned flows_new, flows_gone, table_new, table_gone, queries, answers, others;
        unsigned packets;
};

static bool holds(const void *p, size_t len, const char *text)
{
        return memmem(p, len, text, strlen(text)) != NULL;
}

static void packet(const struct nlmsghdr *h, struct told *t)
{
        const struct nfulnl_msg_packet_hdr *head = NULL;
        const struct nlattr *a, *payload = NULL;

        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) == NFULA_PACKET_HDR)
                        head = mnl_attr_get_payload(a);
                else if (mnl_attr_get_type(a) == NFULA_PAYLOAD)
                        payload = a;
        }
        t->packets++;
        if (!head || !payload)
                return;
        if (head->hook == NF_INET_LOCAL_OUT && holds(mnl_attr_get_payload(payload), mnl_attr_get_payload_len(payload),
                                                     NETPLACE_QUERY))
                t->queries++;
        if (head->hook == NF_INET_LOCAL_IN && holds(mnl_attr_get_payload(payload), mnl_attr_get_payload_len(payload),
                                                    NETPLACE_ANSWER))
                t->answers++;
}

static int on_event(const struct nlmsghdr *h, void *arg)
{
        struct told *t = arg;

        switch (h->nlmsg_type) {
        case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
                t->flows_new++;
                break;
        case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
                t->flows_gone++;
                break;
        case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE:
                t->table_new++;
                break;
        case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE:
                t->table_gone++;
                break;
        case NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET:
                packet(h, t);
                break;
        default:
                t->others++;
        }
        return 0;
}

/* What has come: the kernel queues it before the act that caused it returns. */
static struct told told(struct nl *nl)
{
        struct told t = {0};

        while (nl_recv(nl, on_event, &t) > 0)
                ;
        return t;
}

/* The same of an act that is more than the socket holds, where the machine is slow: read while it is done. */
static struct told told_of(struct nl *nl, const struct netplace *place, char act)
{
        struct pollfd p[] = {{.fd = place->talk, .events = POLLIN}, {.fd = nl_fd(nl), .events = POLLIN}};
        struct told t = {0};

        CU_ASSERT_EQUAL(send(place->talk, &act, 1, MSG_NOSIGNAL), 1);
        while (!p[0].revents && poll(p, ARRAY_LEN(p), WAIT_MS) > 0)
                while (nl_recv(nl, on_event, &t) > 0)
                        ;
        CU_ASSERT(netplace_done(place));
        return t;
}

/* All entries of conntrack there are deleted. */
static struct told forget_flows(const struct bench *b, struct nl *events)
{
        char space[64] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        struct nl *nl;

        h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        h->nlmsg_seq = 4;
        mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
        CU_ASSERT_FATAL(netplace_enter(&b->place));
        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_NETFILTER, 0, 0, &nl), 0);
        CU_ASSERT_EQUAL(nl_talk(nl, h, h->nlmsg_len, 4, WAIT_MS, NULL, NULL), 0);
        nl_close(nl);
        CU_ASSERT_FATAL(netplace_leave(&b->place));
        return told(events);
}

static struct nl *adopt(struct bench *b)
{
        struct nl *nl = NULL;

        CU_ASSERT_EQUAL_FATAL(nl_adopt(b->h.events, &nl), 0);
        b->h.events = -1;
        return nl;
}

/* ---- cases ---- */

static bool has_loopback(const struct nsworker_answer *a)
{
        static const uint8_t lo[4] = {127, 0, 0, 1};

        for (uint32_t i = 0; i < a->naddresses; i++)
                if (a->addresses[i].len == 4 && memcmp(a->addresses[i].bytes, lo, 4) == 0)
                        return true;
        return false;
}

static void test_made(void)
{
        struct bench b;
        struct stat st;
        struct tables t;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        CU_ASSERT(b.h.last.made && b.h.last.stands && !b.h.last.adopted);
        CU_ASSERT(b.h.events >= 0 && b.h.diag >= 0);
        CU_ASSERT_EQUAL(b.h.last.group, 700);
        CU_ASSERT(fstat(b.place.ns, &st) == 0 && b.h.last.netns == st.st_ino);
        CU_ASSERT(has_loopback(&b.h.last));
        CU_ASSERT(b.h.last.conntrack_max > 0 && b.h.last.rules == 7);
        t = tables_in(&b);
        CU_ASSERT(t.ours == 1 && t.rules == 7);
        CU_ASSERT_EQUAL(ask(&b, NSW_TAKE_AWAY, 0), 0);
        CU_ASSERT_EQUAL(tables_in(&b).ours, 0);
        CU_ASSERT_EQUAL(ask(&b, NSW_TAKE_AWAY, 0), 0); /* none stands: as it should be */
        end(&b);
}

static void test_told(void)
{
        struct bench b;
        struct told t;
        struct nl *nl;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        nl = adopt(&b);
        t = told(nl);
        CU_ASSERT(t.table_new == 0 && t.table_gone == 0); /* of its own making it hears nothing */
        CU_ASSERT(netplace_do(&b.place, NETPLACE_CONNECT));
        t = told(nl);
        CU_ASSERT_EQUAL(t.flows_new, 1);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        t = told(nl);
        CU_ASSERT(t.queries == 1 && t.answers == 1 && t.packets == 2 && t.flows_new == 1);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_TCP));
        t = told(nl);
        CU_ASSERT(t.queries == 1 && t.answers == 1 && t.flows_new == 1);
        CU_ASSERT(ask(&b, 0, 0) == 0 && b.h.last.stands && b.h.last.names_over == 0);
        CU_ASSERT(b.h.last.conntrack_count == 2 || b.h.last.conntrack_count == 3); /* what was refused may be gone */
        t = forget_flows(&b, nl);
        CU_ASSERT(t.flows_gone >= 2);
        nl_close(nl);
        end(&b);
}

/* In a user namespace, as in a container of a user without rights. */
static void test_users(void)
{
        struct bench b;
        struct told t;
        struct nl *nl;

        if (!begin_in(&b, 5 * NSEC_PER_SEC, CLONE_NEWUSER))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        CU_ASSERT(b.h.last.rules == 7 && b.h.last.conntrack_max > 0);
        nl = adopt(&b);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        t = told(nl);
        CU_ASSERT(t.queries == 1 && t.answers == 1 && t.flows_new == 1);
        CU_ASSERT_EQUAL(ask(&b, NSW_TAKE_AWAY, 0), 0);
        CU_ASSERT_EQUAL(tables_in(&b).ours, 0);
        nl_close(nl);
        end(&b);
}

/* What the namespace does not tell is told at home: it is one number for all. */
static void test_hidden_maximum(void)
{
        struct bench b;
        bool begun;

        maximum_is_hidden = true;
        begun = begin_in(&b, 5 * NSEC_PER_SEC, CLONE_NEWUSER);
        maximum_is_hidden = false;
        if (!begun)
                return;
        CU_ASSERT_EQUAL(ask(&b, NSW_FLOWS, 0), 0);
        CU_ASSERT(b.h.last.conntrack_max > 0);
        end(&b);
}

/* In a child, in a namespace of its own: does a datagram leave an entry there, without our table and with it? */
static int entries_left(bool with_table)
{
        struct nettable_plan p;
        int status = -1;
        bool stood;
        struct nl *nl;
        pid_t pid = fork();

        if (pid == 0) {
                if (unshare(CLONE_NEWNET) < 0 ||
                    (with_table && (nettable_plan("unit", NETTABLE_FLOWS, 0, 100, &p) < 0 ||
                                    nl_open(NETLINK_NETFILTER, 0, 0, &nl) < 0 ||
                                    nettable_make(nl, &p, WAIT_MS, &stood) < 0)))
                        _exit(9);
                _exit(nstry_here() + 2);
        }
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) - 2 : -1;
}

/* Where conntrack is on without being asked for; and where it is asked for it is, so what is tried can be told. */
static void test_try(void)
{
        struct bench b;
        int everywhere;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, NSW_FLOWS | NSW_TRY, 0), 0);
        everywhere = b.h.last.everywhere;
        CU_ASSERT_TRUE(everywhere == 0 || everywhere == 1); /* it is loaded by now */
        CU_ASSERT_EQUAL(nstry_everywhere(), everywhere);
        CU_ASSERT_EQUAL(entries_left(false), everywhere);
        CU_ASSERT_EQUAL(entries_left(true), 1);
        CU_ASSERT(ask(&b, NSW_TAKE_AWAY, 0) == 0 && tables_in(&b).ours == 0); /* it came home */
        end(&b);
}

static void test_one_part(void)
{
        struct bench b;
        struct told t;
        struct nl *nl;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, NSW_NAMES | NSW_LISTEN, 0), 0);
        nl = adopt(&b);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        t = told(nl);
        CU_ASSERT(t.queries == 1 && t.answers == 1 && t.flows_new == 0);
        CU_ASSERT_EQUAL(ask(&b, NSW_FLOWS, b.h.last.group), 0); /* the socket stays: only the table is another */
        CU_ASSERT(b.h.last.adopted && b.h.events < 0);
        (void)told(nl);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        t = told(nl);
        CU_ASSERT(t.packets == 0 && t.flows_new == 1);
        CU_ASSERT_EQUAL(tables_in(&b).rules, 1);
        CU_ASSERT_EQUAL(ask(&b, NSW_NAMES, 0), -EINVAL);
        nl_close(nl);
        end(&b);
}

/* kill -9: the table stays, the sockets are gone. The next life takes it over, and there is one. */
static void test_adopted(void)
{
        struct bench b;
        struct nl *nl;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        take_off(&b);
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        CU_ASSERT(b.h.last.adopted && b.h.last.made && b.h.last.group == 700);
        CU_ASSERT(tables_in(&b).ours == 1 && tables_in(&b).rules == 7);
        nl = adopt(&b);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        CU_ASSERT_EQUAL(told(nl).queries, 1);
        nl_close(nl);
        end(&b);
}

static void test_flushed(void)
{
        struct bench b;
        struct told t;
        struct nl *nl;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        nl = adopt(&b);
        delete_table(&b);
        t = told(nl);
        CU_ASSERT(t.table_gone == 1 && t.table_new == 0);
        CU_ASSERT(ask(&b, 0, 0) == 0 && !b.h.last.stands);
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES, 700), 0);
        CU_ASSERT(b.h.last.made && !b.h.last.adopted && b.h.last.stands);
        t = told(nl);
        CU_ASSERT(t.table_gone == 0 && t.table_new == 1);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        t = told(nl);
        CU_ASSERT(t.queries == 1 && t.flows_new == 1);
        nl_close(nl);
        end(&b);
}

/* One message of nf_tables in a transaction of its own, as anybody there may send it. */
static int change(const struct bench *b, uint16_t type, uint16_t attr, const char *chain, uint32_t flags)
{
        const uint16_t types[3] = {NFNL_MSG_BATCH_BEGIN, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
                                   NFNL_MSG_BATCH_END};
        char space[3][128] __attribute__((aligned(8))) = {{0}};
        struct nlmsghdr *h;
        size_t len = 0;
        struct nl *nl;
        int r;

        for (unsigned i = 0; i < 3; i++) {
                struct nfgenmsg *g;

                h = mnl_nlmsg_put_header((char *)space + len);
                h->nlmsg_type = types[i];
                h->nlmsg_flags = NLM_F_REQUEST | (i == 1 ? NLM_F_ACK | NLM_F_CREATE : 0);
                h->nlmsg_seq = i + 1;
                g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
                g->nfgen_family = NFPROTO_INET;
                g->res_id = i == 1 ? 0 : htons(NFNL_SUBSYS_NFTABLES);
                if (i == 1) {
                        mnl_attr_put_strz(h, attr, TABLE);
                        if (chain)
                                mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
                        else
                                mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(flags));
                }
                len += h->nlmsg_len;
        }
        CU_ASSERT_FATAL(netplace_enter(&b->place));
        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_NETFILTER, 0, 0, &nl), 0);
        r = nl_talk(nl, space, len, 2, WAIT_MS, NULL, NULL);
        nl_close(nl);
        CU_ASSERT_FATAL(netplace_leave(&b->place));
        return r;
}

/* A table can stand and do nothing: dormant, or without its rules. Both are seen, and mended. */
static void test_changed(void)
{
        struct bench b;
        struct nl *nl;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        nl = adopt(&b);
        CU_ASSERT_EQUAL(change(&b, NFT_MSG_NEWTABLE, NFTA_TABLE_NAME, NULL, NFT_TABLE_F_DORMANT), 0);
        CU_ASSERT_EQUAL(told(nl).table_new, 1);
        CU_ASSERT(ask(&b, 0, 0) == 0 && !b.h.last.stands);
        CU_ASSERT(ask(&b, FLOWS_AND_NAMES, 700) == 0 && b.h.last.stands && b.h.last.adopted && b.h.last.rules == 7);
        CU_ASSERT_EQUAL(change(&b, NFT_MSG_DELRULE, NFTA_RULE_TABLE, "output", 0), 0);
        CU_ASSERT(ask(&b, 0, 0) == 0 && b.h.last.stands && b.h.last.rules == 4);
        CU_ASSERT(ask(&b, FLOWS_AND_NAMES, 700) == 0 && b.h.last.rules == 7);
        (void)told(nl);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_CONNECT));
        CU_ASSERT_EQUAL(told(nl).flows_new, 1);
        nl_close(nl);
        end(&b);
}

static void test_group_of_another(void)
{
        struct bench b;
        struct nl *other, *nl;
        struct told t;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_FATAL(netplace_enter(&b.place));
        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_NETFILTER, 0, 0, &other), 0);
        CU_ASSERT_FATAL(netplace_leave(&b.place));
        CU_ASSERT_EQUAL(nslook_bind_group(other, 700, 100, WAIT_MS), 0);
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        CU_ASSERT_EQUAL(b.h.last.group, 701);
        nl = adopt(&b);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP));
        t = told(nl);
        CU_ASSERT(t.queries == 1 && t.answers == 1);
        CU_ASSERT_EQUAL(told(other).packets, 0);
        nl_close(other);
        nl_close(nl);
        end(&b);
}

static void test_flood(void)
{
        uint64_t began, seconds;
        struct bench b;
        struct told t;
        struct nl *nl;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        nl = adopt(&b);
        began = clock_boot_ns();
        t = told_of(nl, &b.place, NETPLACE_FLOOD);
        seconds = (clock_boot_ns() - began) / NSEC_PER_SEC + 1;
        CU_ASSERT(t.packets >= NETTABLE_BURST && t.packets <= NETTABLE_BURST + NETTABLE_RATE * seconds);
        CU_ASSERT_EQUAL(ask(&b, 0, 0), 0);
        CU_ASSERT_EQUAL(t.packets + b.h.last.names_over, 8000); /* told, or counted */
        nl_close(nl);
        end(&b);
}

static unsigned open_fds(pid_t pid)
{
        char path[64];
        unsigned n = 0;
        DIR *d;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        d = opendir(path);
        while (d && readdir(d))
                n++;
        if (d)
                closedir(d);
        return n;
}

/* Not a network namespace, a pipe, a directory: answered, and nothing stays open on either side. */
static void test_no_namespace(void)
{
        struct bench b;
        unsigned ours, theirs;
        int bad;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, 0, 0), 0);
        ours = open_fds(getpid());
        theirs = open_fds(nsworker_pid(b.w));
        bad = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, 1 + b.h.n, bad, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        close(bad);
        b.h.wanted = b.h.n + 1;
        CU_ASSERT_EQUAL(loop_run(b.loop), 0);
        CU_ASSERT(b.h.last.error == -EINVAL && b.h.last.netns == 0 && b.h.events < 0);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, 9, -1, 0, 0), -EBADF);
        CU_ASSERT_EQUAL(ask(&b, FLOWS_AND_NAMES | NSW_LISTEN, 0), 0);
        take_off(&b);
        CU_ASSERT_EQUAL(ask(&b, NSW_TAKE_AWAY, 0), 0);
        CU_ASSERT_EQUAL(open_fds(getpid()), ours);
        CU_ASSERT_EQUAL(open_fds(nsworker_pid(b.w)), theirs);
        end(&b);
}

/* It hangs: what it has fails after the deadline, what waits behind it is done by the next. */
static void test_hangs(void)
{
        struct nsworker_stats st;
        struct bench b;
        pid_t first;

        if (!begin(&b, NSEC_PER_SEC / 2))
                return;
        CU_ASSERT_EQUAL(ask(&b, 0, 0), 0);
        first = nsworker_pid(b.w);
        kill(first, SIGSTOP);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, 20, b.place.ns, NSW_FLOWS, 0), 0);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, 21, b.place.ns, NSW_FLOWS, 0), 0);
        b.h.wanted = b.h.n + 1;
        CU_ASSERT_EQUAL(loop_run(b.loop), 0);
        CU_ASSERT(b.h.last.token == 20 && b.h.last.error == -ETIMEDOUT);
        b.h.wanted = b.h.n + 1;
        CU_ASSERT_EQUAL(loop_run(b.loop), 0);
        CU_ASSERT(b.h.last.token == 21 && b.h.last.error == 0 && b.h.last.stands);
        CU_ASSERT(nsworker_pid(b.w) != first && nsworker_pid(b.w) > 0);
        nsworker_stats(b.w, &st);
        CU_ASSERT(st.replaced == 1 && st.failed == 1 && st.asked == 3 && st.refused == 0);
        end(&b);
}

/* It is gone before it is asked, while it works, or when the end is waited for: the next one is asked the same. */
static void test_dies(void)
{
        struct nsworker_stats st;
        struct bench b;
        siginfo_t si;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(ask(&b, NSW_FLOWS, 0), 0);
        kill(nsworker_pid(b.w), SIGTERM); /* not by this */
        CU_ASSERT_EQUAL(ask(&b, 0, 0), 0);
        kill(nsworker_pid(b.w), SIGKILL);
        CU_ASSERT_EQUAL(waitid(P_PID, (id_t)nsworker_pid(b.w), &si, WEXITED | WNOWAIT), 0);
        CU_ASSERT(ask(&b, 0, 0) == 0 && b.h.last.stands);
        kill(nsworker_pid(b.w), SIGSTOP);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, b.h.n + 1, b.place.ns, 0, 0), 0);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, b.h.n + 2, b.place.ns, NSW_TAKE_AWAY, 0), 0);
        kill(nsworker_pid(b.w), SIGKILL);
        b.h.wanted = b.h.n + 2;
        CU_ASSERT_EQUAL(loop_run(b.loop), 0);
        CU_ASSERT(b.h.last.error == 0 && tables_in(&b).ours == 0);
        nsworker_stats(b.w, &st);
        CU_ASSERT(st.replaced == 2 && st.failed == 0 && st.asked == 5);
        CU_ASSERT_EQUAL(ask(&b, NSW_FLOWS, 0), 0);
        kill(nsworker_pid(b.w), SIGKILL);
        CU_ASSERT_EQUAL(waitid(P_PID, (id_t)nsworker_pid(b.w), &si, WEXITED | WNOWAIT), 0);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, b.h.n + 1, b.place.ns, NSW_TAKE_AWAY, 0), 0);
        nsworker_finish(b.w);
        CU_ASSERT(b.h.last.error == 0 && tables_in(&b).ours == 0);
        end(&b);
}

static int may_not(void)
{
        return -EPERM;
}

/* Each one ends at once: a request is answered all the same, and no process is made after the other without a pause. */
static void test_dies_always(void)
{
        const struct nsworker_setup setup = {
                .instance = "unit", .group = 700, .deadline_ns = 5 * NSEC_PER_SEC, .confine = may_not};
        struct heard h = {.wanted = 1};
        struct nsworker_stats st;
        struct nsworker *w;
        int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        CU_ASSERT_EQUAL_FATAL(loop_new(&h.loop), 0);
        CU_ASSERT_EQUAL_FATAL(nsworker_start(h.loop, &setup, &ops, &h, &w), 0);
        CU_ASSERT_EQUAL(nsworker_ask(w, 1, ns, 0, 0), 0);
        CU_ASSERT_EQUAL(loop_run(h.loop), 0);
        CU_ASSERT(h.n == 1 && h.last.token == 1 && h.last.error == -EPIPE);
        nsworker_stats(w, &st);
        CU_ASSERT(st.replaced <= 2 && st.failed == 1);
        nsworker_stop(w);
        loop_free(h.loop);
        close(ns);
}

static void test_bounded(void)
{
        struct nsworker_stats st;
        struct bench b;
        unsigned n = 0, before;
        struct rlimit files;

        if (!begin(&b, NSEC_PER_SEC / 2))
                return;
        CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &files), 0);
        files.rlim_cur = files.rlim_max; /* often it is less than what may wait */
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &files), 0);
        CU_ASSERT_EQUAL(ask(&b, 0, 0), 0);
        before = open_fds(getpid());
        kill(nsworker_pid(b.w), SIGSTOP);
        while (n < 5000 && nsworker_ask(b.w, 100 + n, b.place.ns, 0, 0) == 0)
                n++;
        CU_ASSERT_EQUAL(n, NSWORKER_WAITING);
        nsworker_stats(b.w, &st);
        CU_ASSERT_EQUAL(st.refused, 1);
        nsworker_finish(b.w); /* waits for the one that hangs, and no longer */
        CU_ASSERT_EQUAL(b.h.n, 1 + NSWORKER_WAITING);
        CU_ASSERT_EQUAL(open_fds(getpid()), before);
        end(&b);
}

static void test_finish(void)
{
        struct bench b;

        if (!begin(&b, 5 * NSEC_PER_SEC))
                return;
        CU_ASSERT_EQUAL(nsworker_ask(b.w, 1, b.place.ns, NSW_FLOWS, 0), 0);
        CU_ASSERT_EQUAL(nsworker_ask(b.w, 2, b.place.ns, NSW_TAKE_AWAY, 0), 0);
        nsworker_finish(b.w);
        CU_ASSERT(b.h.n == 2 && b.h.last.token == 2 && b.h.last.error == 0);
        CU_ASSERT_EQUAL(tables_in(&b).ours, 0);
        end(&b);
}

static void test_names_of_tables(void)
{
        const struct nsworker_setup bad = {.instance = "a;b", .group = 1}, none = {.instance = "a"};
        struct loop *loop;
        struct nsworker *w;

        CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
        CU_ASSERT_EQUAL(nsworker_start(loop, &bad, &ops, NULL, &w), -EINVAL);
        CU_ASSERT_EQUAL(nsworker_start(loop, &none, &ops, NULL, &w), -EINVAL);
        loop_free(loop);
}

static const struct unit_case cases[] = {
        {"replies", test_replies},
        {"odd replies are not believed", test_odd_replies},
        {"addresses", test_addresses},
        {"an instance that no table can be named by", test_names_of_tables},
        {"the table is made and taken away", test_made},
        {"flows and packets come by the passed socket", test_told},
        {"a namespace of a user without rights", test_users},
        {"a namespace that does not tell how many entries it may have", test_hidden_maximum},
        {"conntrack where nobody asked for it", test_try},
        {"one part without the other", test_one_part},
        {"a table of an earlier life is taken over", test_adopted},
        {"a flushed table is told, and made anew", test_flushed},
        {"a table that was changed is seen, and made anew", test_changed},
        {"another program has the group", test_group_of_another},
        {"a flood is bounded, and what is left out is counted", test_flood},
        {"what is no network namespace", test_no_namespace},
        {"a helper that hangs is replaced", test_hangs},
        {"a helper that dies is replaced, and asked again", test_dies},
        {"helpers that all die", test_dies_always},
        {"requests are bounded", test_bounded},
        {"the end waits for what was asked", test_finish},
};
UNIT_MAIN("nsworker", cases)
