/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conntrack table of the container's network namespace: by a process that enters it, dumps and ends, while the
 * helper reads processes.
 *
 * Owns: that process and the memory that it writes into. Must not: wait for it beyond the volatile part's time. Hands
 * over: one line an entry, in the order of conntrack(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/nl.h"

#define SPACE (16u * 1024 * 1024)
#define TALK_MS 1000
#define SEQ 1u

struct space {
        int error; /* 1: cut */
        uint32_t len;
        uint8_t text[SPACE - 8];
};

/* ---- in its process ---- */

static int dump(struct buf *out)
{
        _cleanup_(nl_closep) struct nl *nl = NULL;
        char msg[64] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(msg);
        struct nfgenmsg *g;
        int result = nl_open(NETLINK_NETFILTER, 0, 4 << 20, &nl);

        h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = SEQ;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        memset(g, 0, sizeof(*g)); /* of every family */
        return result < 0 ? result : nl_talk(nl, h, h->nlmsg_len, SEQ, TALK_MS, capture_conntrack_line, out);
}

static void __attribute__((noreturn)) enter(struct capture_run *r, int ns, struct space *s)
{
        struct buf out;
        int result = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "tidemark-flows");
        if (r->spec->confine_net && r->spec->confine_net() < 0)
                _exit(EXIT_FAILURE);
        buf_init(&out, sizeof(s->text));
        if (setns(ns, CLONE_NEWNET) < 0)
                result = -errno;
        if (result == 0)
                result = dump(&out);
        if (out.len)
                memcpy(s->text, out.p, out.len);
        s->len = (uint32_t)out.len;
        s->error = result == ERR_LIMIT ? 1 : result;
        _exit(EXIT_SUCCESS);
}

/* ---- in the helper ---- */

void capture_conntrack_start(struct capture_run *r, struct capture_conntrack *c)
{
        _cleanup_close_ int ns = -1;
        char path[64];
        int fds[2];

        *c = (struct capture_conntrack){.fd = -1, .netns = capture_ns(r->spec->init_pid, "net")};
        snprintf(path, sizeof(path), "/proc/%u/ns/net", r->spec->init_pid);
        ns = open(path, O_RDONLY | O_CLOEXEC);
        c->space = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (c->space == MAP_FAILED)
                c->space = NULL;
        if (ns < 0 || !c->space || pipe2(fds, O_CLOEXEC) < 0) {
                capture_note(r->notes, CAPTURE_MISSED, BYTES_LIT("conntrack"), "cannot be asked for", -errno);
                return;
        }
        c->pid = fork();
        if (c->pid == 0) {
                close(fds[0]);
                close(r->sock);
                enter(r, ns, c->space);
        }
        close(fds[1]);
        c->fd = fds[0];
        if (c->pid < 0)
                capture_note(r->notes, CAPTURE_MISSED, BYTES_LIT("conntrack"), "cannot be asked for", -errno);
}

static void take(struct capture_run *r, const struct capture_conntrack *c, struct capture_hoard *h)
{
        const struct space *s = c->space;
        uint32_t len = s->len < sizeof(s->text) ? s->len : (uint32_t)sizeof(s->text);
        struct buf *b = s->error < 0 && len == 0
                                ? NULL
                                : capture_hoard_add(h, "volatile/net/%llu/conntrack", (unsigned long long)c->netns);

        if (s->error > 0)
                capture_note(r->notes, CAPTURE_CUT, BYTES_LIT("conntrack"), "the table is larger", 0);
        else if (s->error < 0)
                capture_note(r->notes, s->error == -EOPNOTSUPP || s->error == -EINVAL ? CAPTURE_TOLD : CAPTURE_MISSED,
                             BYTES_LIT("conntrack"), "the kernel does not tell it", s->error);
        if (b)
                buf_put(b, s->text, len);
}

void capture_conntrack_collect(struct capture_run *r, struct capture_conntrack *c, struct capture_hoard *h)
{
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        uint64_t now = clock_boot_ns();
        int left = now < r->volatile_end_ns ? (int)((r->volatile_end_ns - now) / NSEC_PER_MSEC) : 0;

        if (c->pid > 0) {
                if (poll(&p, 1, left) == 1)
                        take(r, c, h);
                else
                        capture_note(r->notes, CAPTURE_MISSED, BYTES_LIT("conntrack"), "the time was over", 0);
                kill(c->pid, SIGKILL);
                while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        if (c->fd >= 0)
                close(c->fd);
        if (c->space)
                munmap(c->space, SPACE);
        *c = (struct capture_conntrack){.fd = -1};
}
