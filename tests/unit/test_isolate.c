/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isolate: plans as messages, what was read back, addresses, the list; then both helpers, in a namespace. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/stat.h>

#include "act/isolate-priv.h"
#include "netplace.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/isolate.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NFT(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))

/* ---- plans ---- */

static uint8_t space[ISOLATE_BATCH] __attribute__((aligned(8)));

static struct isolate_plan plan_of(enum isolate_place place)
{
        struct isolate_plan p = {.place = (uint8_t)place};

        CU_ASSERT_EQUAL_FATAL(isolate_plan_name(&p, ID, "0000cafe"), 0);
        if (place == ISOLATE_PLACE_DEVICES) {
                p.nhooked = 1;
                p.hooked[0] = (struct isolate_hooked){.device = "veth7", .ingress = true, .egress = true};
        }
        p.cgroup = 4711;
        p.level = 2;
        return p;
}

static void allow(struct isolate_plan *p, const char *text)
{
        CU_ASSERT_EQUAL_FATAL(isolate_parse_net(text, &p->nets[p->nnets++]), 0);
}

static void with_probes(struct isolate_plan *p)
{
        p->nhosts = 2;
        p->hosts[0] = (struct isolate_address){4, {10, 0, 0, 1}};
        p->hosts[1] = (struct isolate_address){16, {0xfd, [15] = 1}};
        p->nports = 1;
        p->ports[0] = 8080;
}

struct counts {
        unsigned tables, chains, rules, acks;
        bool whole;
};

static struct counts count(const struct isolate_plan *p, enum nettable_how how)
{
        uint32_t last = 0;
        ssize_t len = isolate_batch(p, how, space, sizeof(space), &last);
        const struct nlmsghdr *h = (const struct nlmsghdr *)space;
        struct counts c = {0};
        int left = (int)len;

        CU_ASSERT_FATAL(len > 0);
        for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                c.tables += h->nlmsg_type == NFT(NFT_MSG_NEWTABLE) || h->nlmsg_type == NFT(NFT_MSG_DELTABLE);
                c.chains += h->nlmsg_type == NFT(NFT_MSG_NEWCHAIN);
                c.rules += h->nlmsg_type == NFT(NFT_MSG_NEWRULE);
                if ((h->nlmsg_flags & NLM_F_ACK) && h->nlmsg_seq == last)
                        c.acks++;
        }
        c.whole = left == 0 && c.acks == 1;
        return c;
}

static void test_names(void)
{
        struct isolate_plan p = {0};

        CU_ASSERT_EQUAL(isolate_plan_name(&p, ID, "0000cafe"), 0);
        CU_ASSERT_STRING_EQUAL(p.name, "tidemark-001122334455-0000cafe");
        CU_ASSERT(strstr(p.comment, "contain release 001122334455") != NULL);
        CU_ASSERT_EQUAL(isolate_plan_name(&p, "0011", "0000cafe"), -EINVAL);
        CU_ASSERT_EQUAL(isolate_plan_name(&p, ID, ""), -EINVAL);
        CU_ASSERT_EQUAL(isolate_plan_name(&p, ID, "a b"), -EINVAL);
        CU_ASSERT_EQUAL(isolate_plan_name(&p, ID, "0123456789"), -EINVAL); /* 3.10 has 31 bytes for a name */
}

static void test_messages(void)
{
        struct isolate_plan p = plan_of(ISOLATE_PLACE_INSIDE);
        struct counts c = count(&p, NETTABLE_FRESH);
        uint32_t last;

        CU_ASSERT(c.whole && c.tables == 1 && c.chains == 6 && c.rules == 2 * 3 + 2 * 4);
        c = count(&p, NETTABLE_ANEW);
        CU_ASSERT(c.whole && c.tables == 3);
        c = count(&p, NETTABLE_GONE);
        CU_ASSERT(c.whole && c.tables == 1 && c.chains == 0 && c.rules == 0);
        p = plan_of(ISOLATE_PLACE_DEVICES);
        c = count(&p, NETTABLE_FRESH);
        CU_ASSERT(c.whole && c.chains == 4 && c.rules == 4);
        p.hooked[0].egress = false;
        c = count(&p, NETTABLE_FRESH);
        CU_ASSERT(c.whole && c.chains == 3 && c.rules == 2);
        p.nhooked = 0;
        CU_ASSERT_EQUAL(isolate_batch(&p, NETTABLE_FRESH, space, sizeof(space), &last), -EINVAL);
        p = plan_of(ISOLATE_PLACE_CGROUP);
        c = count(&p, NETTABLE_FRESH);
        CU_ASSERT(c.whole && c.chains == 6 && c.rules == 8);
        CU_ASSERT_EQUAL(isolate_batch(&p, NETTABLE_FRESH, space, 1024, &last), -ENOMEM);
}

/* Every combination of what may be allowed, in every place; each is another plan. */
static void test_combinations(void)
{
        uint64_t sums[3 * 16];
        unsigned n = 0;

        for (int place = 0; place < 3; place++)
                for (unsigned with = 0; with < 16; with++) {
                        struct isolate_plan p = plan_of((enum isolate_place)place);
                        struct isolate_print print;

                        if (with & 1)
                                allow(&p, "192.0.2.0/24");
                        if (with & 2)
                                allow(&p, "[fd00::7]:22");
                        if (with & 4)
                                allow(&p, "198.51.100.1:514/udp");
                        if (with & 8)
                                with_probes(&p);
                        CU_ASSERT(count(&p, NETTABLE_ANEW).whole);
                        CU_ASSERT_EQUAL_FATAL(isolate_print_plan(&p, &print), 0);
                        CU_ASSERT(!print.odd && print.rules == count(&p, NETTABLE_FRESH).rules);
                        sums[n] = isolate_print_sum(&print);
                        for (unsigned i = 0; i < n; i++)
                                CU_ASSERT_NOT_EQUAL(sums[i], sums[n]);
                        n++;
                }
}

/* The most of everything fits into one transaction. */
static void test_most(void)
{
        struct isolate_plan p = plan_of(ISOLATE_PLACE_DEVICES);

        for (unsigned i = 0; i < ISOLATE_NETS; i++) {
                allow(&p, i % 2 ? "192.0.2.0/24" : "[fd00::7]:22");
                p.nets[i].bytes[3] = (uint8_t)(i % 2 ? 0 : i);
        }
        with_probes(&p);
        for (p.nports = 0; p.nports < ISOLATE_PORTS; p.nports++)
                p.ports[p.nports] = (uint16_t)(1000 + p.nports);
        for (p.nhosts = 0; p.nhosts < ISOLATE_NEAR; p.nhosts++)
                p.hosts[p.nhosts] = p.near[p.nhosts] = (struct isolate_address){4, {10, 0, 1, (uint8_t)p.nhosts}};
        p.nnear = ISOLATE_NEAR;
        for (p.nhooked = 0; p.nhooked < ISOLATE_DEVICES; p.nhooked++)
                p.hooked[p.nhooked] = (struct isolate_hooked){.device = "veth7", .ingress = true, .egress = true};
        CU_ASSERT(count(&p, NETTABLE_ANEW).whole);
}

static void test_print_of_others(void)
{
        struct isolate_plan p = plan_of(ISOLATE_PLACE_INSIDE);
        struct isolate_print ours, other = {.name = "tidemark-other", .family = NFPROTO_INET};
        const struct nlmsghdr *h = (const struct nlmsghdr *)space;
        struct isolate_print seen = {.name = p.name, .family = NFPROTO_INET};
        uint32_t last;
        int left = (int)isolate_batch(&p, NETTABLE_FRESH, space, sizeof(space), &last);

        CU_ASSERT_EQUAL(isolate_print_plan(&p, &ours), 0);
        for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
                CU_ASSERT_EQUAL(isolate_print_message(h, &other), 0);
                if (h->nlmsg_seq != last) /* without its last rule it is another */
                        CU_ASSERT_EQUAL(isolate_print_message(h, &seen), 0);
        }
        CU_ASSERT(other.rules == 0 && other.nchains == 0);
        CU_ASSERT_EQUAL(seen.rules + 1, ours.rules);
        CU_ASSERT_NOT_EQUAL(isolate_print_sum(&seen), isolate_print_sum(&ours));
        seen.odd = true;
        CU_ASSERT_EQUAL(isolate_print_sum(&seen), 0);
}

/* ---- addresses ---- */

static void test_nets(void)
{
        static const char *const good[] = {"192.0.2.7", "192.0.2.0/24", "0.0.0.0/0", "fd00::/64", "fd00::7",
                                           "192.0.2.7:22", "192.0.2.7:514/udp", "[fd00::7]:22", "[fd00::7]:53/udp"};
        static const char *const bad[] = {"", "a", "192.0.2.7/33", "192.0.2.7/24", "192.0.2.7:0", "192.0.2.7:65536",
                                          "192.0.2.7:22/sctp", "[fd00::7]", "[fd00::7", "fd00::1/64", "192.0.2.7/",
                                          "192.0.2.7:22 ", "192.0.2.7/-1", "example.org:80",
                                          "1111111111111111111111111111111111111111111111111111111111111111111111"};
        struct isolate_net n;
        char text[ISOLATE_NET_TEXT];

        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
                CU_ASSERT_EQUAL_FATAL(isolate_parse_net(good[i], &n), 0);
                CU_ASSERT_STRING_EQUAL(isolate_print_net(&n, text), good[i]);
        }
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                CU_ASSERT_EQUAL(isolate_parse_net(bad[i], &n), -EINVAL);
        CU_ASSERT_EQUAL(isolate_parse_net("192.0.2.7:22/tcp", &n), 0);
        CU_ASSERT(n.proto == IPPROTO_TCP && n.port == 22 && n.prefix == 32);
}

/* ---- what the kernel says ---- */

static void test_links(void)
{
        struct isolate_links links = {0};
        char room[256] __attribute__((aligned(8)));
        struct ifinfomsg *i;
        struct nlmsghdr *h;
        struct nlattr *nest;

        for (unsigned k = 0; k < ISOLATE_DEVICES + 2; k++) {
                h = mnl_nlmsg_put_header(room);
                h->nlmsg_type = RTM_NEWLINK;
                i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
                i->ifi_index = (int)k + 2;
                i->ifi_flags = IFF_UP;
                mnl_attr_put_strz(h, IFLA_IFNAME, "eth0");
                mnl_attr_put_u32(h, IFLA_LINK, 77);
                mnl_attr_put_u32(h, COMPAT_IFLA_LINK_NETNSID, 3);
                mnl_attr_put(h, IFLA_MASTER, 3, "abc");
                nest = mnl_attr_nest_start(h, IFLA_LINKINFO);
                mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
                mnl_attr_nest_end(h, nest);
                CU_ASSERT_EQUAL(isolate_parse_link(h, &links), 0);
        }
        CU_ASSERT(links.n == ISOLATE_DEVICES + 1 && links.more);
        CU_ASSERT(links.of[0].ifindex == 2 && links.of[0].link == 77 && links.of[0].nsid == 3);
        CU_ASSERT(links.of[0].master == 0 && strcmp(links.of[0].kind, "veth") == 0 && links.of[0].flags == IFF_UP);
        /* What leads to the host comes first, also where somebody has made as many others as there is room for. */
        links.first = 9 + 1;
        mnl_attr_put_u32(h, COMPAT_IFLA_LINK_NETNSID, 9);
        CU_ASSERT(isolate_parse_link(h, &links) == 0 && links.n == ISOLATE_DEVICES + 1 && links.of[0].nsid == 9);
        CU_ASSERT(isolate_parse_link(h, &links) == 0 && links.of[1].nsid == 9 && links.of[2].nsid == 3);
        for (unsigned k = 0; k < ISOLATE_DEVICES; k++)
                CU_ASSERT(isolate_parse_link(h, &links) == 0 && links.n == ISOLATE_DEVICES + 1);
        i->ifi_flags = IFF_LOOPBACK;
        links.n = 0;
        CU_ASSERT(isolate_parse_link(h, &links) == 0 && links.n == 0);
}

static void test_cgroup_lines(void)
{
        const struct bytes hybrid = BYTES_LIT("9:freezer:/docker/" ID "\n2:cpu,cpuacct:/docker/" ID "\n"
                                              "0::/docker/" ID "/sub\n");
        const struct bytes scope = BYTES_LIT("0::/machine.slice/machine-libpod_pod_" ID ".slice/libpod-"
                                             "f0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
                                             ".scope/container\n");
        const struct bytes dots = BYTES_LIT("0::/../docker/" ID "\n");
        struct bytes path;
        char id[ISOLATE_ID];

        CU_ASSERT_EQUAL_FATAL(isolate_parse_cgroup(hybrid, "freezer", ID, &path), 0);
        CU_ASSERT(bytes_eq(path, bytes_str("/docker/" ID)));
        CU_ASSERT_EQUAL_FATAL(isolate_parse_cgroup(hybrid, "", ID, &path), 0);
        CU_ASSERT(bytes_eq(path, bytes_str("/docker/" ID))); /* not the one below that it may have made */
        CU_ASSERT_EQUAL(isolate_parse_cgroup(hybrid, "cpuacct", ID, &path), 0);
        CU_ASSERT_EQUAL(isolate_parse_cgroup(hybrid, "acct", ID, &path), -ENOENT);
        CU_ASSERT_EQUAL(isolate_parse_cgroup(hybrid, "", "f" ID, &path), -ENOENT);
        CU_ASSERT_EQUAL(isolate_parse_cgroup(hybrid, "", "", &path), -ENOENT);
        CU_ASSERT_EQUAL(isolate_parse_cgroup(dots, "", ID, &path), -ENOENT);
        CU_ASSERT_EQUAL(isolate_parse_id(hybrid, id), 0);
        CU_ASSERT_STRING_EQUAL(id, ID);
        CU_ASSERT_EQUAL(isolate_parse_id(scope, id), 0);
        CU_ASSERT(id[0] == 'f'); /* the container's, not the pod's */
        CU_ASSERT_EQUAL(isolate_parse_id(BYTES_LIT("0::/libpod-conmon-" ID ".scope\n"), id), -ENOENT);
        CU_ASSERT_EQUAL(isolate_parse_id(BYTES_LIT("0::/\n"), id), -ENOENT);
        CU_ASSERT_EQUAL(isolate_parse_caps(BYTES_LIT("Cap:\t1\nCapPrm:\t00000000a80425fb\n"), "CapPrm:"), 0xa80425fb);
        CU_ASSERT_EQUAL(isolate_parse_caps(BYTES_LIT("CapPrm:\t1"), "CapEff:"), 0);
}

static int tell(struct isolate_news *n, uint16_t type, uint32_t pid)
{
        char room[128] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(room);

        h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
        mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
        if (pid)
                mnl_attr_put_u32(h, COMPAT_NFTA_GEN_PROC_PID, htonl(pid));
        return isolate_hear(h, n);
}

static void test_news(void)
{
        struct isolate_news n = {.own = 7};

        tell(&n, NFT_MSG_NEWTABLE, 0);
        CU_ASSERT(n.pending && !n.foreign);
        tell(&n, COMPAT_NFT_MSG_NEWGEN, 7);
        CU_ASSERT(!n.pending && !n.foreign); /* our own doing */
        tell(&n, NFT_MSG_DELTABLE, 0);
        tell(&n, COMPAT_NFT_MSG_NEWGEN, 8);
        CU_ASSERT(!n.pending && n.foreign);
}

static void test_replies(void)
{
        struct isolate_reply r = {.a = {.what = ISOLATE_CUT}};

        CU_ASSERT(isolate_reply_is_sound(&r, sizeof(r), 0));
        CU_ASSERT(!isolate_reply_is_sound(&r, sizeof(r) - 1, 0) && !isolate_reply_is_sound(&r, sizeof(r), 1));
        r.listens = 1;
        CU_ASSERT(isolate_reply_is_sound(&r, sizeof(r), 1) && !isolate_reply_is_sound(&r, sizeof(r), 0));
        r.a.ndevices = ISOLATE_DEVICES + 1;
        CU_ASSERT(!isolate_reply_is_sound(&r, sizeof(r), 1));
        r.a.ndevices = 0, r.a.error = 1;
        CU_ASSERT(!isolate_reply_is_sound(&r, sizeof(r), 1));
        r.a.error = 0, r.a.way = ISOLATE__WAYS;
        CU_ASSERT(!isolate_reply_is_sound(&r, sizeof(r), 1));
}

/* ---- the list ---- */

static struct isolate_list *list_of(unsigned n)
{
        struct isolate_list *l = calloc(1, sizeof(*l));

        CU_ASSERT_PTR_NOT_NULL_FATAL(l);
        strcpy(l->boot_id, "6e2f0f2e-0000-4000-8000-000000000001");
        l->npolicy = 2, l->policy_wall_ns[0] = 1234567890, l->policy_wall_ns[1] = -1;
        for (l->n = 0; l->n < n; l->n++) {
                struct isolate_entry *e = &l->of[l->n];

                snprintf(e->id, sizeof(e->id), "%02x%s", l->n & 0xff, &ID[2]);
                snprintf(e->name, sizeof(e->name), "web\n%u", l->n);
                strcpy(e->workload, "shop/web"), strcpy(e->image, "localhost/shop:1"), strcpy(e->cgroup, "/docker/" ID);
                strcpy(e->note, "at three in the morning");
                e->pid = 4711, e->start = 99, e->netns = 4026532000, e->places = 4026531840, e->finding = 12;
                e->uid = 0, e->login_uid = 1000, e->flags = ISOLATE_KEEP_PROBES, e->command = 5;
                e->since_wall_ns = 1234567890, e->until_wall_ns = -1;
                e->way = ISOLATE_BOTH, e->by_policy = true, e->held = l->n % 2;
                e->nnets = 2;
                CU_ASSERT_EQUAL(isolate_parse_net("192.0.2.0/24", &e->nets[0]), 0);
                CU_ASSERT_EQUAL(isolate_parse_net("[fd00::7]:22", &e->nets[1]), 0);
        }
        return l;
}

static void test_list(void)
{
        struct isolate_list *l = list_of(ISOLATE_HELD), *back = calloc(1, sizeof(*back));
        char why[ISOLATE_WHY];
        struct buf b;

        CU_ASSERT_PTR_NOT_NULL_FATAL(back);
        buf_init(&b, ISOLATE_LIST_BYTES);
        isolate_list_encode(l, &b);
        CU_ASSERT_EQUAL(b.err, 0);
        CU_ASSERT_EQUAL(isolate_list_decode(buf_bytes(&b), back, why), 0);
        CU_ASSERT(memcmp(l, back, sizeof(*l)) == 0);
        /* Whatever byte is changed, and wherever it ends, is told; what is told of entries is sound. */
        for (size_t i = 0; i < b.len; i += 1 + i / 512) {
                b.p[i] ^= 0x41;
                CU_ASSERT_NOT_EQUAL(isolate_list_decode(buf_bytes(&b), back, why), 0);
                b.p[i] ^= 0x41;
                CU_ASSERT_NOT_EQUAL(isolate_list_decode(bytes_of(b.p, i), back, why), 0);
                CU_ASSERT(why[0] != '\0' && back->n <= ISOLATE_HELD);
        }
        buf_release(&b);
        free(l);
        free(back);
}

static void test_list_on_disk(void)
{
        char dir[] = "/tmp/tidemark-unit-XXXXXX", path[64], why[ISOLATE_WHY];
        struct isolate_list *l = list_of(3), *back = calloc(1, sizeof(*back));
        struct stat st;
        struct buf b;
        int fd;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        CU_ASSERT_EQUAL(isolate_load(dir, back, why), 0);
        CU_ASSERT_EQUAL(back->n, 0);
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        buf_init(&b, ISOLATE_LIST_BYTES);
        isolate_list_encode(l, &b);
        CU_ASSERT_EQUAL(isolate_list_write(fd, buf_bytes(&b)), 0);
        CU_ASSERT_EQUAL(isolate_list_write(fd, buf_bytes(&b)), 0); /* in place of the one before */
        CU_ASSERT(isolate_load(dir, back, why) == 0 && back->n == 3);
        snprintf(path, sizeof(path), "%s/isolated", dir);
        CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
        CU_ASSERT_EQUAL(chmod(path, 0666), 0);
        CU_ASSERT(isolate_load(dir, back, why) == ERR_UNTRUSTED && back->n == 0);
        CU_ASSERT(unlink(path) == 0 && symlink("/etc/passwd", path) == 0);
        CU_ASSERT(isolate_load(dir, back, why) == -ELOOP);
        unlink(path);
        close(fd);
        rmdir(dir);
        buf_release(&b);
        free(l);
        free(back);
}

/* ---- both helpers ---- */

struct bench {
        struct netplace place;
        struct loop *loop;
        struct isolator *w;
        struct isolate_answer a;
        unsigned answers, wanted, changes;
        bool until_changed;
};

static void on_answer(const struct isolate_answer *a, void *arg)
{
        struct bench *b = arg;

        b->a = *a;
        if (++b->answers == b->wanted)
                loop_stop(b->loop, 0);
}

static void on_changed(const char *id, void *arg)
{
        struct bench *b = arg;

        b->changes += strcmp(id, ID) == 0;
        if (b->until_changed)
                loop_stop(b->loop, 0);
}

static const struct isolator_ops ops = {.answer = on_answer, .changed = on_changed};

static bool begin(struct bench *b, const char *state_dir)
{
        const struct isolator_setup setup = {
                .instance = "0000cafe", .state_dir = state_dir, .deadline_ns = 5 * NSEC_PER_SEC};

        memset(b, 0, sizeof(*b));
        if (!netplace_open(&b->place, 0)) {
                printf("(no namespaces here) ");
                CU_ASSERT(getenv("TIDEMARK_REQUIRE_KERNEL") == NULL);
                netplace_close(&b->place);
                return false;
        }
        CU_ASSERT_EQUAL_FATAL(loop_new(&b->loop), 0);
        CU_ASSERT_EQUAL_FATAL(isolator_start(b->loop, &setup, &ops, b, &b->w), 0);
        return true;
}

static void end(struct bench *b)
{
        isolator_stop(b->w);
        loop_free(b->loop);
        netplace_close(&b->place);
}

static struct isolate_request request(const struct bench *b, uint8_t what)
{
        struct isolate_request q = {.token = 40u + what, .what = what, .pid = (uint32_t)b->place.pid};

        strcpy(q.id, ID);
        return q;
}

static bool ask(struct bench *b, struct isolate_request q)
{
        b->wanted = b->answers + 1;
        return isolator_ask(b->w, &q) == 0 && loop_run(b->loop) == 0 && b->a.token == q.token && b->a.what == q.what;
}

static bool flush_inside(struct bench *b)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        bool ok = netplace_enter(&b->place) && nl_open(NETLINK_NETFILTER, 0, 0, &nl) == 0 &&
                  isolate_remove(nl, NFPROTO_INET, "tidemark-001122334455-0000cafe") == 1;

        return netplace_leave(&b->place) && ok;
}

static void test_cut_and_release(void)
{
        struct bench b;

        if (!begin(&b, NULL))
                return;
        CU_ASSERT_FATAL(ask(&b, request(&b, ISOLATE_CUT)));
        CU_ASSERT(b.a.error == 0 && b.a.stands && b.a.seen && b.a.way == ISOLATE_INSIDE && b.a.dropped > 0);
        CU_ASSERT(b.a.cut_ns > 0 && b.a.stood_ns >= b.a.cut_ns && b.a.seen_ns >= b.a.stood_ns);
        CU_ASSERT(netplace_do(&b.place, NETPLACE_UDP) && netplace_do(&b.place, NETPLACE_TCP)); /* loopback stays */
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CHECK)) && b.a.stands);
        CU_ASSERT_EQUAL(b.changes, 0);
        CU_ASSERT_FATAL(flush_inside(&b));
        b.until_changed = true;
        CU_ASSERT(loop_run(b.loop) == 0 && b.changes == 1);
        b.until_changed = false;
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CHECK)) && b.a.error == 0 && !b.a.stands && b.a.why[0]);
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CUT)) && b.a.stands && b.a.seen && !(b.a.facts & ISOLATE_STOOD));
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CUT)) && b.a.stands && b.a.seen && (b.a.facts & ISOLATE_STOOD));
        CU_ASSERT(ask(&b, request(&b, ISOLATE_RELEASE)) && b.a.error == 0);
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CHECK)) && !b.a.stands);
        CU_ASSERT(ask(&b, request(&b, ISOLATE_RELEASE)) && b.a.error == 0); /* nothing stands: that is what was asked */
        CU_ASSERT(!(b.a.facts & ISOLATE_STOOD));
        end(&b);
}

/* Its init is no more, but others live in its namespace still: they are not left cut off. */
static void test_release_of_ended(void)
{
        struct isolate_request q;
        struct bench b;
        struct stat st;

        if (!begin(&b, NULL))
                return;
        CU_ASSERT_FATAL(ask(&b, request(&b, ISOLATE_CUT)) && b.a.stands);
        q = request(&b, ISOLATE_RELEASE), q.netns = b.a.netns, q.start = 1;
        CU_ASSERT(stat("/proc/self/ns/net", &st) == 0 && q.netns != st.st_ino);
        CU_ASSERT(ask(&b, q) && b.a.error == 0 && (b.a.facts & ISOLATE_STOOD));
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CHECK)) && !b.a.stands);
        CU_ASSERT_FATAL(ask(&b, request(&b, ISOLATE_CUT)) && b.a.stands);
        q.pid = 0, q.flags = ISOLATE_AND_THAW; /* it has no cgroup: nothing to thaw */
        CU_ASSERT(ask(&b, q) && b.a.error == 0 && (b.a.facts & ISOLATE_STOOD));
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CHECK)) && !b.a.stands);
        end(&b);
}

static void test_look(void)
{
        struct bench b;

        if (!begin(&b, NULL))
                return;
        CU_ASSERT_FATAL(ask(&b, request(&b, ISOLATE_LOOK)));
        CU_ASSERT(b.a.error == 0 && b.a.way == ISOLATE_INSIDE && b.a.ndevices == 0 && b.a.other_tasks > 0);
        CU_ASSERT(b.a.netns != 0 && b.a.netns != b.a.host_netns);
        end(&b);
}

/* Another process's pid, another namespace, none at all. */
static void test_not_that_one(void)
{
        struct isolate_request q;
        struct bench b;

        if (!begin(&b, NULL))
                return;
        q = request(&b, ISOLATE_CUT), q.start = 1;
        CU_ASSERT(ask(&b, q) && b.a.error == -ESRCH && b.a.why[0]);
        q = request(&b, ISOLATE_CUT), q.netns = 1;
        CU_ASSERT(ask(&b, q) && b.a.error == -ESTALE);
        q = request(&b, ISOLATE_CUT), q.pid = 0;
        CU_ASSERT_EQUAL(isolator_ask(b.w, &q), -EINVAL);
        q = request(&b, ISOLATE_CUT), q.id[20] = '\0';
        CU_ASSERT_EQUAL(isolator_ask(b.w, &q), -EINVAL);
        q = request(&b, ISOLATE_KILL); /* its cgroup has not that id */
        CU_ASSERT(ask(&b, q) && b.a.error == -ENOENT && b.a.why[0]);
        q = request(&b, ISOLATE_FREEZE);
        CU_ASSERT(ask(&b, q) && b.a.error == -ENOENT);
        q = request(&b, ISOLATE_RELEASE), q.pid = 0;
        CU_ASSERT(ask(&b, q) && b.a.error == 0);
        end(&b);
}

static void test_helper_dies(void)
{
        struct isolate_request q;
        struct bench b;
        pid_t was;

        if (!begin(&b, NULL))
                return;
        CU_ASSERT_FATAL(ask(&b, request(&b, ISOLATE_LOOK)));
        was = isolator_pid(b.w);
        CU_ASSERT(kill(was, SIGSTOP) == 0);
        q = request(&b, ISOLATE_CUT);
        CU_ASSERT_EQUAL(isolator_ask(b.w, &q), 0);
        CU_ASSERT(kill(was, SIGKILL) == 0);
        b.wanted = b.answers + 1;
        CU_ASSERT_EQUAL(loop_run(b.loop), 0);
        CU_ASSERT(b.a.error == 0 && b.a.stands && isolator_pid(b.w) != was);
        CU_ASSERT(ask(&b, request(&b, ISOLATE_RELEASE)) && b.a.error == 0);
        CU_ASSERT(kill(isolator_killer_pid(b.w), SIGKILL) == 0);
        q = request(&b, ISOLATE_KILL);
        b.wanted = b.answers + 1;
        if (isolator_ask(b.w, &q) == 0) /* it was not known yet */
                CU_ASSERT(loop_run(b.loop) == 0 && b.a.error == -EPIPE);
        end(&b);
}

static void test_hangs(void)
{
        const struct isolator_setup setup = {.instance = "0000cafe", .deadline_ns = 400 * NSEC_PER_MSEC};
        struct bench b;

        if (!begin(&b, NULL))
                return;
        isolator_stop(b.w);
        CU_ASSERT_EQUAL_FATAL(isolator_start(b.loop, &setup, &ops, &b, &b.w), 0);
        CU_ASSERT(kill(isolator_pid(b.w), SIGSTOP) == 0);
        CU_ASSERT(ask(&b, request(&b, ISOLATE_CHECK)) && b.a.error == -ETIMEDOUT && b.a.why[0]);
        CU_ASSERT(ask(&b, request(&b, ISOLATE_RELEASE)) && b.a.error == 0); /* the next helper */
        end(&b);
}

static void test_saving(void)
{
        char dir[] = "/tmp/tidemark-unit-XXXXXX", path[64], why[ISOLATE_WHY];
        struct isolate_list *l = list_of(2), *back = calloc(1, sizeof(*back));
        struct bench b;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        if (!begin(&b, dir))
                return;
        CU_ASSERT_EQUAL(isolator_save(b.w, 1, l), 0);
        CU_ASSERT_EQUAL(isolator_save(b.w, 2, l), 0);
        l->n = 1;
        CU_ASSERT_EQUAL(isolator_save(b.w, 3, l), 0);
        isolator_finish(b.w);
        CU_ASSERT(b.answers == 3 && b.a.token == 3 && b.a.error == 0 && b.a.what == ISOLATE_SAVE);
        CU_ASSERT(isolate_load(dir, back, why) == 0 && back->n == 1 && strcmp(back->of[0].id, l->of[0].id) == 0);
        snprintf(path, sizeof(path), "%s/isolated", dir);
        unlink(path);
        CU_ASSERT_EQUAL(rmdir(dir), 0);
        b.wanted = b.answers + 1;
        CU_ASSERT_EQUAL(isolator_save(b.w, 4, l), 0);
        CU_ASSERT(loop_run(b.loop) == 0 && b.a.error < 0 && strstr(b.a.why, dir)); /* nowhere to write it to */
        end(&b);
        free(l);
        free(back);
}

static const struct unit_case cases[] = {
        {"names of tables", test_names},
        {"plans as messages", test_messages},
        {"every combination is another table", test_combinations},
        {"the most of everything fits", test_most},
        {"what was read back", test_print_of_others},
        {"addresses that stay", test_nets},
        {"links", test_links},
        {"cgroups, ids and capabilities", test_cgroup_lines},
        {"whose change it was", test_news},
        {"replies that are believed", test_replies},
        {"the list goes there and back", test_list},
        {"the list on the disk", test_list_on_disk},
        {"a namespace is cut, and released", test_cut_and_release},
        {"one that has ended is released", test_release_of_ended},
        {"a look changes nothing", test_look},
        {"another than was meant", test_not_that_one},
        {"a helper that dies", test_helper_dies},
        {"a helper that hangs", test_hangs},
        {"the list is saved", test_saving},
};
UNIT_MAIN("isolate", cases)
