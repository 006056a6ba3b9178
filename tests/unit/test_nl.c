/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink: an answer of the kernel is believed, another process's word is not. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/err.h"
#include "tidemark/nl.h"

struct seen {
        unsigned messages;
        uint16_t last;
};

static int on_message(const struct nlmsghdr *h, void *arg)
{
        struct seen *s = arg;

        s->messages++;
        s->last = h->nlmsg_type;
        return 0;
}

static void ask_links(struct nl *nl)
{
        char space[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct rtgenmsg))] = {0};
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);

        h->nlmsg_type = RTM_GETLINK;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        mnl_nlmsg_put_extra_header(h, sizeof(struct rtgenmsg));
        CU_ASSERT_EQUAL(nl_send(nl, space, h->nlmsg_len), 0);
}

static void read_until_done(struct nl *nl, struct seen *s)
{
        struct pollfd p = {.fd = nl_fd(nl), .events = POLLIN};

        while (s->last != NLMSG_DONE && poll(&p, 1, 5000) == 1)
                if (nl_recv(nl, on_message, s) < 0)
                        break;
}

static void test_kernel(void)
{
        struct seen s = {0};
        struct nl_stats st;
        struct nl *nl;

        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_ROUTE, 0, 65536, &nl), 0);
        CU_ASSERT_EQUAL(nl_recv(nl, on_message, &s), 0); /* nothing yet: it does not wait */
        ask_links(nl);
        read_until_done(nl, &s);
        CU_ASSERT_EQUAL(s.last, NLMSG_DONE);
        CU_ASSERT_TRUE(s.messages >= 2); /* there is always a loopback device */
        nl_stats(nl, &st);
        CU_ASSERT_EQUAL(st.forged + st.truncated + st.malformed + st.overruns, 0);
        nl_close(nl);
}

/* Another process sends to our port: counted, and not told. */
static void test_forged(void)
{
        struct sockaddr_nl to = {.nl_family = AF_NETLINK};
        struct nlmsghdr h = {.nlmsg_len = sizeof(h), .nlmsg_type = 77};
        socklen_t len = sizeof(to);
        struct seen s = {0};
        struct nl_stats st;
        struct nl *nl;
        int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);

        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_USERSOCK, 0, 65536, &nl), 0);
        CU_ASSERT_EQUAL(getsockname(nl_fd(nl), (struct sockaddr *)&to, &len), 0);
        CU_ASSERT_EQUAL(sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)sizeof(h));
        CU_ASSERT_EQUAL(nl_recv(nl, on_message, &s), 1);
        CU_ASSERT_EQUAL(s.messages, 0);
        nl_stats(nl, &st);
        CU_ASSERT_EQUAL(st.forged, 1);
        close(fd);
        nl_close(nl);
}

/* Two messages of which the second claims more than came: from another process, so not even the first is told. */
static void test_forged_lengths(void)
{
        struct sockaddr_nl to = {.nl_family = AF_NETLINK};
        struct nlmsghdr h[2] = {{.nlmsg_len = sizeof(h[0]), .nlmsg_type = 77}, {.nlmsg_len = UINT32_MAX}};
        socklen_t len = sizeof(to);
        struct seen s = {0};
        struct nl_stats st;
        struct nl *nl;
        int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);

        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_USERSOCK, 0, 65536, &nl), 0);
        CU_ASSERT_EQUAL(getsockname(nl_fd(nl), (struct sockaddr *)&to, &len), 0);
        CU_ASSERT_EQUAL(sendto(fd, h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)sizeof(h));
        CU_ASSERT_EQUAL(sendto(fd, h, 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
        CU_ASSERT_EQUAL(nl_recv(nl, on_message, &s), 1);
        CU_ASSERT_EQUAL(nl_recv(nl, on_message, &s), 1);
        CU_ASSERT_EQUAL(nl_recv(nl, on_message, &s), 0);
        CU_ASSERT_EQUAL(s.messages, 0);
        nl_stats(nl, &st);
        CU_ASSERT_EQUAL(st.forged, 2);
        CU_ASSERT_EQUAL(st.datagrams, 2);
        close(fd);
        nl_close(nl);
}

/* A queue that nobody reads overflows: told once as what it is, and reading goes on behind it. */
static void test_overrun(void)
{
        struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 1};
        struct {
                struct nlmsghdr h;
                uint8_t pad[2048];
        } m = {.h = {.nlmsg_len = sizeof(m)}};
        struct seen s = {0};
        struct nl_stats st;
        struct nl *nl;
        int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), r, overruns = 0;

        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_USERSOCK, 1, 4096, &nl), 0);
        for (int i = 0; i < 64; i++)
                (void)!sendto(fd, &m, sizeof(m), 0, (struct sockaddr *)&to, sizeof(to));
        for (int i = 0; i < 128 && (r = nl_recv(nl, on_message, &s)) != 0; i++)
                overruns += r == ERR_OVERRUN;
        CU_ASSERT_EQUAL(overruns, 1);
        CU_ASSERT_EQUAL(r, 0);
        nl_stats(nl, &st);
        CU_ASSERT_EQUAL(st.overruns, 1);
        CU_ASSERT_TRUE(st.datagrams > 0 && st.datagrams < 64);
        CU_ASSERT_EQUAL(s.messages, 0);
        close(fd);
        nl_close(nl);
}

/* Two questions in one datagram: a device that is not there, then loopback. The first is refused, the last is not. */
static void test_first_error(void)
{
        char space[2][64] __attribute__((aligned(8))) = {{0}};
        size_t len = 0;
        struct nl *nl;

        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_ROUTE, 0, 65536, &nl), 0);
        for (unsigned i = 0; i < 2; i++) {
                struct nlmsghdr *h = mnl_nlmsg_put_header((char *)space + len);
                struct ifinfomsg *m;

                h->nlmsg_type = RTM_GETLINK;
                h->nlmsg_flags = NLM_F_REQUEST | (i ? NLM_F_ACK : 0);
                h->nlmsg_seq = i + 1;
                m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
                m->ifi_index = i ? 1 : 0x7ffffff0;
                len += h->nlmsg_len;
        }
        CU_ASSERT_EQUAL(nl_talk(nl, space, len, 2, 5000, NULL, NULL), -ENODEV);
        CU_ASSERT_EQUAL(nl_talk(nl, (char *)space + len / 2, len / 2, 2, 5000, NULL, NULL), 0);
        nl_close(nl);
}

/* A socket that is subscribed later hears what is sent from then on. */
static void test_join(void)
{
        struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 1u << 4};
        struct nlmsghdr h = {.nlmsg_len = sizeof(h), .nlmsg_type = 77};
        struct nl_stats st;
        struct nl *nl;
        int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);

        CU_ASSERT_EQUAL_FATAL(nl_open(NETLINK_USERSOCK, 0, 65536, &nl), 0);
        (void)!sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to));
        CU_ASSERT_EQUAL(nl_recv(nl, NULL, NULL), 0);
        CU_ASSERT_EQUAL(nl_join(nl, 5), 0);
        (void)!sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to));
        CU_ASSERT_EQUAL(nl_recv(nl, NULL, NULL), 1); /* it came; that it is another process's word is another matter */
        nl_stats(nl, &st);
        CU_ASSERT_EQUAL(st.forged, 1);
        CU_ASSERT_EQUAL(nl_join(nl, 100000), -EINVAL);
        close(fd);
        nl_close(nl);
}

static const struct unit_case cases[] = {
        {"the kernel's answer is told", test_kernel},
        {"another process's word is not", test_forged},
        {"nor are lengths that do not fit", test_forged_lengths},
        {"an overrun is told once", test_overrun},
        {"of a batch, the first that was refused", test_first_error},
        {"a group is joined later", test_join},
};
UNIT_MAIN("nl", cases)
