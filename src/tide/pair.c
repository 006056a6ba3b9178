/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the queue of what is to be sent, packed into datagrams; receiving and taking apart. Must not: wait, or decide
 * what a refused record means. Hands over: decoded events to the caller's function.
 */
#include "tidemark/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/passfd.h"

struct datagram {
        struct datagram *next;
        int fd; /* -1: none; else this datagram holds one record, and nothing is added */
        size_t len;
        uint8_t data[];
};

struct pair {
        int fd;
        size_t queue_max, queued;
        struct datagram *first, *last;
        struct buf one;     /* the record being encoded */
        uint8_t *inbox;     /* PAIR_DATAGRAM bytes */
        struct pair_stats stats;
};

#define CHUNK 8192u /* room of a datagram that collects records: larger ones get one of their own size */

int pair_new(int fd, size_t queue_max, struct pair **ret)
{
        struct pair *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->inbox = malloc(PAIR_DATAGRAM);
        if (!p->inbox) {
                free(p);
                return -ENOMEM;
        }
        p->fd = fd;
        p->queue_max = queue_max;
        buf_init(&p->one, TIDE_RECORD_MAX);
        *ret = p;
        return 0;
}

static void drop_first(struct pair *p)
{
        struct datagram *d = p->first;

        p->first = d->next;
        if (!p->first)
                p->last = NULL;
        p->queued -= d->len;
        if (d->fd >= 0)
                close(d->fd);
        free(d);
}

struct pair *pair_free(struct pair *p)
{
        if (!p)
                return NULL;
        while (p->first)
                drop_first(p);
        close(p->fd);
        buf_release(&p->one);
        free(p->inbox);
        free(p);
        return NULL;
}

int pair_fd(const struct pair *p)
{
        return p->fd;
}

static bool has_room(const struct pair *p, enum pair_class class, size_t len)
{
        static const uint8_t percent[PAIR__CLASS_MAX] = {
                [PAIR_WALK] = 25, [PAIR_FILE] = 50, [PAIR_FLOW] = 75, [PAIR_EXEC] = 90, [PAIR_CONTROL] = 100};

        return p->queued + len <= p->queue_max / 100 * percent[class];
}

/* The last datagram, if the record may join it; else a new one behind it. */
static struct datagram *place(struct pair *p, size_t len, int fd)
{
        struct datagram *d = p->last;
        size_t size = len > CHUNK || fd >= 0 ? len : CHUNK;

        if (d && fd < 0 && d->fd < 0 && d->len + len <= CHUNK)
                return d;
        d = malloc(sizeof(*d) + size);
        if (!d)
                return NULL;
        d->next = NULL;
        d->len = 0;
        d->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd >= 0 && d->fd < 0) {
                free(d);
                return NULL;
        }
        if (p->last)
                p->last->next = d;
        else
                p->first = d;
        p->last = d;
        return d;
}

int pair_send(struct pair *p, enum pair_class class, const struct tide_event *ev, int fd)
{
        struct datagram *d;
        int r;

        buf_reset(&p->one);
        r = tide_encode(ev, &p->one);
        if (r < 0)
                return r;
        if (!has_room(p, class, p->one.len)) {
                p->stats.refused[class]++;
                return -ENOBUFS;
        }
        d = place(p, p->one.len, fd);
        if (!d)
                return -ENOMEM;
        memcpy(d->data + d->len, p->one.p, p->one.len);
        d->len += p->one.len;
        p->queued += p->one.len;
        p->stats.sent++;
        return 0;
}

static int send_one(struct pair *p, const struct datagram *d)
{
        return passfd_send(p->fd, d->data, d->len, &d->fd, d->fd >= 0 ? 1 : 0, MSG_DONTWAIT);
}

int pair_flush(struct pair *p)
{
        while (p->first) {
                int r = send_one(p, p->first);

                if (r == -EAGAIN || r == -ENOBUFS)
                        return 1;
                if (r == -EINTR)
                        continue;
                if (r < 0)
                        return r == -ECONNRESET ? -EPIPE : r;
                drop_first(p);
        }
        return 0;
}

/* Descriptors that came along: the first stays, others are nobody's. */
static int take_fds(struct msghdr *m)
{
        int found = -1;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (found < 0)
                                found = fd;
                        else
                                close(fd);
                }
        }
        return found;
}

static int tell_records(struct pair *p, size_t len, int *fd, pair_cb cb, void *arg)
{
        size_t at = 0;
        int r = 0;

        while (at < len && r >= 0) {
                struct tide_event ev;
                size_t used = 0;
                int bad = tide_decode(p->inbox + at, len - at, &ev, &used);

                if (bad < 0)
                        p->stats.malformed++;
                if (bad < 0 && used == 0) /* no length to go on by */
                        break;
                at += used;
                if (bad == 0) {
                        p->stats.received++;
                        r = cb(&ev, fd, arg);
                }
        }
        return r < 0 ? r : 1;
}

int pair_recv(struct pair *p, pair_cb cb, void *arg)
{
        union {
                char space[CMSG_SPACE(8 * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec iov = {.iov_base = p->inbox, .iov_len = PAIR_DATAGRAM};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = sizeof(control.space)};
        ssize_t len = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int r, fd;

        if (len < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
        fd = take_fds(&m);
        if (m.msg_flags & MSG_CTRUNC) /* more descriptors than anybody sends, or no room for one in our table */
                p->stats.malformed++;
        if (len == 0) {
                if (fd >= 0)
                        close(fd);
                return -EPIPE;
        }
        if (m.msg_flags & MSG_TRUNC) {
                p->stats.malformed++;
                r = 1;
        } else {
                r = tell_records(p, (size_t)len, &fd, cb, arg);
        }
        if (fd >= 0)
                close(fd);
        return r;
}

void pair_stats(const struct pair *p, struct pair_stats *ret)
{
        *ret = p->stats;
        ret->queued = p->queued;
}
