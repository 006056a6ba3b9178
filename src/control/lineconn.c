/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the command line's end of a socket. Blocks, up to its time-outs. Hands over: lines. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/lineserver.h"
#include "tidemark/passfd.h"

#define LINE_MAX_BYTES (64u << 20)

struct lineconn {
        int fd, timeout_ms;
        struct buf in;
        size_t told; /* of in: the line handed over last, with its newline */
};

int lineconn_open(const char *path, int timeout_ms, struct lineconn **ret)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
        struct lineconn *c;
        int r;

        if (strlen(path) >= sizeof(addr.sun_path))
                return -ENAMETOOLONG;
        memcpy(addr.sun_path, path, strlen(path));
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->timeout_ms = timeout_ms;
        buf_init(&c->in, LINE_MAX_BYTES);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ||
            connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
                r = -errno;
                lineconn_close(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct lineconn *lineconn_close(struct lineconn *c)
{
        if (!c)
                return NULL;
        if (c->fd >= 0)
                close(c->fd);
        buf_release(&c->in);
        free(c);
        return NULL;
}

static int send_all(struct lineconn *c, const uint8_t *p, size_t len)
{
        for (size_t at = 0; at < len;) {
                ssize_t n = send(c->fd, p + at, len - at, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
                at += (size_t)n;
        }
        return 0;
}

int lineconn_send(struct lineconn *c, struct bytes line)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, (size_t)line.len + 1);
        buf_put(&b, line.p, line.len);
        buf_put_u8(&b, '\n');
        return b.err ? b.err : send_all(c, b.p, b.len);
}

/* With the newline: nothing that is received with a descriptor goes on behind it (unix(7)), so it is that line's. */
int lineconn_send_fd(struct lineconn *c, struct bytes line, int fd)
{
        int r = send_all(c, line.p, line.len);

        return r < 0 ? r : passfd_send(c->fd, "\n", 1, &fd, 1, 0);
}

int lineconn_recv(struct lineconn *c, int timeout_ms, struct bytes *ret)
{
        size_t searched = 0;

        if (c->told) {
                memmove(c->in.p, c->in.p + c->told, c->in.len - c->told);
                c->in.len -= c->told;
                c->told = 0;
        }
        for (;;) {
                const uint8_t *end =
                        c->in.len > searched ? memchr(c->in.p + searched, '\n', c->in.len - searched) : NULL;
                struct pollfd p = {.fd = c->fd, .events = POLLIN};
                uint8_t more[65536];
                ssize_t n;
                int r;

                if (end) {
                        *ret = bytes_of(c->in.p, (size_t)(end - c->in.p));
                        c->told = ret->len + 1;
                        return 0;
                }
                searched = c->in.len;
                r = poll(&p, 1, timeout_ms);
                if (r == 0)
                        return -ETIMEDOUT;
                n = r < 0 ? -1 : recv(c->fd, more, sizeof(more), 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n == 0 || errno == ECONNRESET ? -EPIPE : -errno;
                buf_put(&c->in, more, (size_t)n);
                if (c->in.err)
                        return c->in.err;
        }
}
