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

static const struct unit_case cases[] = {
        {"the kernel's answer is told", test_kernel},
        {"another process's word is not", test_forged},
};
UNIT_MAIN("nl", cases)
