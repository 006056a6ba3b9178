/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listens INSTANCE GROUP NAMESPACE: makes our table stand in that network namespace (a file such as /run/netns/x) and
 * prints a word for each thing that comes by the sockets opened there, a line each:
 *
 *   stands GROUP [adopted] · flow · gone (a flow) · packet out|in TEXT · table made|gone · lost
 *
 * When its input ends, it takes the table away, prints "away", and closes the sockets; killed, it leaves the table.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>

#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"
#include "tidemark/nsworker.h"

struct listens {
        struct loop *loop;
        struct nsworker *worker;
        struct nl *events;
        int ns;
        const char *path;
        bool leaving;
};

/* What is printable of the payload's end, behind its headers of whatever length; and the port that is 53. */
static void packet(const struct nlmsghdr *h)
{
        const struct nfulnl_msg_packet_hdr *head = NULL;
        const struct nlattr *a, *payload = NULL;
        const char *p;
        size_t len;

        mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) == NFULA_PACKET_HDR)
                        head = mnl_attr_get_payload(a);
                else if (mnl_attr_get_type(a) == NFULA_PAYLOAD)
                        payload = a;
        }
        if (!head || !payload)
                return;
        printf("packet %s ", head->hook == NF_INET_LOCAL_OUT ? "out" : head->hook == NF_INET_LOCAL_IN ? "in" : "?");
        p = mnl_attr_get_payload(payload);
        len = mnl_attr_get_payload_len(payload);
        for (size_t i = 0; i < len; i++)
                putchar(isalnum((unsigned char)p[i]) ? p[i] : '.');
        putchar('\n');
}

static int on_event(const struct nlmsghdr *h, void *arg)
{
        (void)arg;
        switch (h->nlmsg_type) {
        case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
                printf("flow\n");
                break;
        case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
                printf("gone\n");
                break;
        case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE:
                printf("table made\n");
                break;
        case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE:
                printf("table gone\n");
                break;
        case NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET:
                packet(h);
                break;
        }
        return 0;
}

static int on_events(struct loop_src *src, int fd, short revents, void *arg)
{
        struct listens *l = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        while (r > 0) {
                r = nl_recv(l->events, on_event, l);
                if (r == ERR_OVERRUN)
                        r = printf("lost\n");
        }
        fflush(stdout);
        return r;
}

static int on_input(struct loop_src *src, int fd, short revents, void *arg)
{
        struct listens *l = arg;
        char c;

        (void)revents;
        if (read(fd, &c, 1) > 0)
                return LOOP_DONE;
        loop_src_del(src);
        l->leaving = true;
        l->ns = open(l->path, O_RDONLY | O_CLOEXEC);
        return l->ns < 0 ? -errno : nsworker_ask(l->worker, 2, l->ns, NSW_TAKE_AWAY, 0);
}

static void on_answer(struct nsworker_answer *a, void *arg)
{
        struct listens *l = arg;
        struct loop_src *src;
        int r = a->error;

        if (r == 0 && !l->leaving)
                r = nl_adopt(a->events, &l->events);
        if (r < 0) {
                fprintf(stderr, "%s\n", err_str(r));
                loop_stop(l->loop, r);
        } else if (l->leaving) {
                printf("away\n");
                loop_stop(l->loop, 0);
        } else {
                a->events = -1;
                printf("stands %u%s\n", a->group, a->adopted ? " adopted" : "");
                close(l->ns); /* from here on only the sockets keep the namespace */
                l->ns = -1;
                r = loop_add(l->loop, nl_fd(l->events), POLLIN, LOOP_KERNEL, "events", on_events, l, &src);
                if (r < 0)
                        loop_stop(l->loop, r);
        }
        fflush(stdout);
}

int main(int argc, char **argv)
{
        static const struct nsworker_ops ops = {.answer = on_answer};
        struct nsworker_setup setup = {.rcvbuf = 1 << 20, .deadline_ns = 10 * NSEC_PER_SEC};
        struct listens l = {0};
        struct loop_src *src;
        int r;

        if (argc != 4)
                return 2;
        setup.instance = argv[1];
        setup.group = (uint16_t)atoi(argv[2]);
        l.path = argv[3];
        l.ns = open(l.path, O_RDONLY | O_CLOEXEC);
        r = l.ns < 0 ? -errno : loop_new(&l.loop);
        if (r == 0)
                r = nsworker_start(l.loop, &setup, &ops, &l, &l.worker);
        if (r == 0)
                r = nsworker_ask(l.worker, 1, l.ns, NSW_FLOWS | NSW_NAMES | NSW_LISTEN, 0);
        if (r == 0)
                r = loop_add(l.loop, STDIN_FILENO, POLLIN, LOOP_CONTROL, "input", on_input, &l, &src);
        if (r == 0)
                r = loop_run(l.loop);
        nl_close(l.events);
        nsworker_stop(l.worker);
        if (r < 0)
                fprintf(stderr, "%s\n", err_str(r));
        return r < 0;
}
