/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: a listening UNIX socket, its clients, what they have half said and not yet read. Must not: wait for anybody, or
 * know what a line means. Hands over: whole lines.
 */
#include "tidemark/lineserver.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/lineserver-priv.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/passfd.h"

#define BACKLOG 16
#define ANSWER_HEADROOM (4u << 20) /* one answer may be larger than all that waits */

struct lineclient {
        struct lineserver *server;
        struct lineclient *next;
        struct loop_src *src;
        struct loop_timer *timer; /* of a half line */
        struct linepeer peer;
        uint64_t id;
        int fd, passed; /* passed: a descriptor that came along with a line; -1: none */
        bool watching, closing;
        bool last; /* the line at hand is the last one that came: passed is its */
        struct buf in, out;
        size_t sent;      /* of out */
        uint64_t unheard; /* watch lines that it did not get */
};

struct lineserver {
        struct loop *loop;
        struct loop_src *src;
        const struct lineserver_ops *ops;
        void *arg;
        int fd;
        struct lineclient *clients;
        uint64_t last_id;
        struct lineserver_stats stats;
};

/* ---- the listening socket ---- */

/* Is somebody there? A socket file that nobody listens on was left by a crash. */
static bool is_alive(const struct sockaddr_un *addr)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

        if (fd >= 0)
                close(fd);
        return alive;
}

static int clear_place(const struct sockaddr_un *addr)
{
        struct stat st;

        if (lstat(addr->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        if (is_alive(addr))
                return -EADDRINUSE;
        return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

int lineserver_listen(const char *path, mode_t mode, gid_t group, int *ret_fd)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        mode_t mask;
        int r;

        if (strlen(path) >= sizeof(addr.sun_path))
                return -ENAMETOOLONG;
        memcpy(addr.sun_path, path, strlen(path));
        r = clear_place(&addr);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        mask = umask(
                0777); /* nobody may connect until it is ours as it shall be: connect(2) asks for write permission */
        r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
        umask(mask);
        if (r < 0)
                return r;
        if (chown(path, (uid_t)-1, group) < 0 || chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
                r = -errno;
                unlink(path);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* ---- clients ---- */

static void close_passed(struct lineclient *c)
{
        if (c->passed >= 0)
                close(c->passed);
        c->passed = -1;
}

static void drop(struct lineclient *c)
{
        struct lineserver *s = c->server;
        struct lineclient **at;

        for (at = &s->clients; *at != c; at = &(*at)->next)
                ;
        *at = c->next;
        s->stats.clients--;
        if (s->ops->gone)
                s->ops->gone(c, s->arg);
        loop_src_del(c->src);
        loop_timer_free(c->timer);
        close(c->fd);
        close_passed(c);
        buf_release(&c->in);
        buf_release(&c->out);
        free(c);
}

static size_t waiting(const struct lineclient *c)
{
        return c->out.len - c->sent;
}

/* Write what it takes. false: it is gone. */
static bool push(struct lineclient *c)
{
        while (waiting(c)) {
                ssize_t n = send(c->fd, c->out.p + c->sent, waiting(c), MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return false;
                if (n < 0)
                        break;
                c->sent += (size_t)n;
        }
        if (waiting(c) == 0) {
                buf_reset(&c->out);
                c->sent = 0;
        } else if (c->sent > c->out.len / 2) { /* what was read makes room */
                memmove(c->out.p, c->out.p + c->sent, waiting(c));
                c->out.len -= c->sent;
                c->sent = 0;
        }
        loop_src_events(c->src, (short)(POLLIN | (waiting(c) ? POLLOUT : 0)));
        return true;
}

void lineclient_send(struct lineclient *c, struct bytes line)
{
        if (c->closing)
                return;
        if (waiting(c) && waiting(c) + line.len > LINESERVER_WAITING_MAX) { /* it asks and does not read */
                c->server->stats.slow_closed++;
                c->closing = true;
                return;
        }
        buf_put(&c->out, line.p, line.len);
        buf_put_u8(&c->out, '\n');
        if (c->out.err || !push(c))
                c->closing = true;
}

int lineclient_take_fd(struct lineclient *c)
{
        return c->last ? TAKE_FD(c->passed) : -1;
}

void lineclient_watch(struct lineclient *c)
{
        c->watching = true;
}

const struct linepeer *lineclient_peer(const struct lineclient *c)
{
        return &c->peer;
}

uint64_t lineclient_id(const struct lineclient *c)
{
        return c->id;
}

struct lineclient *lineserver_find(struct lineserver *s, uint64_t id)
{
        struct lineclient *c = s->clients;

        while (c && c->id != id)
                c = c->next;
        return c;
}

size_t lineserver_watchers(const struct lineserver *s)
{
        size_t n = 0;

        for (const struct lineclient *c = s->clients; c; c = c->next)
                n += c->watching && !c->closing;
        return n;
}

static void tell_unheard(struct lineclient *c)
{
        char text[64];

        if (!c->unheard)
                return;
        snprintf(text, sizeof(text), "{\"lost\":%llu}", (unsigned long long)c->unheard);
        c->unheard = 0;
        lineclient_send(c, bytes_str(text));
}

void lineserver_broadcast(struct lineserver *s, struct bytes line)
{
        for (struct lineclient *c = s->clients; c; c = c->next) {
                if (!c->watching || c->closing)
                        continue;
                if (waiting(c) + line.len > LINESERVER_WATCH_MAX) {
                        c->unheard++;
                        s->stats.watch_dropped++;
                        continue;
                }
                tell_unheard(c);
                lineclient_send(c, line);
        }
}

/* Whole lines go out; what is left of a half one waits, for a while. */
static void take_lines(struct lineclient *c)
{
        static const char too_long[] =
                "{\"ok\":false,\"error\":\"the line is too long: at most 65536 bytes\",\"code\":2}";
        struct lineserver *s = c->server;
        size_t at = 0;

        while (!c->closing) {
                const uint8_t *end = at < c->in.len ? memchr(c->in.p + at, '\n', c->in.len - at) : NULL;
                struct bytes line;

                if (!end)
                        break;
                line = bytes_of(c->in.p + at, (size_t)(end - (c->in.p + at)));
                at += line.len + 1;
                s->stats.lines++;
                c->last = at == c->in.len;
                s->ops->line(c, line, s->arg);
        }
        if (at) {
                memmove(c->in.p, c->in.p + at, c->in.len - at);
                c->in.len -= at;
        }
        if (c->in.len >= LINESERVER_LINE_MAX) {
                s->stats.too_long++;
                lineclient_send(c, bytes_str(too_long));
                c->closing = true;
        }
        if (c->in.len)
                loop_timer_set(c->timer, loop_now(s->loop) + LINESERVER_HALF_NS);
        else
                loop_timer_stop(c->timer);
}

/* As recv(2), but for the error. A descriptor comes along with a line's end, after which no more is received with it.
 */
static ssize_t receive(struct lineclient *c, uint8_t *p, size_t size)
{
        size_t came = 0;
        ssize_t n;
        int fd = -1;

        if (!c->server->ops->descriptors) {
                n = recv(c->fd, p, size, MSG_DONTWAIT);
                return n < 0 ? -errno : n;
        }
        n = passfd_recv(c->fd, p, size, &fd, 1, &came, MSG_DONTWAIT);
        if (n >= 0 && came) {
                close_passed(c);
                c->passed = fd;
                if (n == 0 || p[n - 1] != '\n')
                        return -EPROTO;
        }
        return n;
}

static int on_client(struct loop_src *src, int fd, short revents, void *arg)
{
        struct lineclient *c = arg;
        uint8_t p[4096];
        ssize_t n = 0;

        (void)src, (void)fd;
        if (revents & POLLOUT && !push(c)) {
                drop(c);
                return LOOP_DONE;
        }
        if (revents != POLLOUT) { /* readable, hung up, or called again for more */
                n = receive(c, p, sizeof(p));
                if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR)) {
                        drop(c);
                        return LOOP_DONE;
                }
        }
        if (n > 0) {
                buf_put(&c->in, p, (size_t)n);
                take_lines(c);
                close_passed(c); /* nobody has taken it */
        }
        if (c->closing) {
                drop(c);
                return LOOP_DONE;
        }
        return n == (ssize_t)sizeof(p) ? LOOP_MORE : LOOP_DONE;
}

static void on_half_line(struct loop_timer *t, void *arg)
{
        (void)t;
        drop(arg);
}

/* Clients that a broadcast or a late answer has given up: not from within a call about them. */
static void sweep(struct loop *loop, void *arg)
{
        struct lineserver *s = arg;
        struct lineclient *c, *next;

        (void)loop;
        for (c = s->clients; c; c = next) {
                next = c->next;
                if (c->closing)
                        drop(c);
        }
}

static int add_client(struct lineserver *s, int fd)
{
        struct lineclient *c = calloc(1, sizeof(*c));
        struct ucred cred;
        socklen_t len = sizeof(cred);
        int r = c ? 0 : -ENOMEM;

        if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
                r = -errno;
        if (r == 0)
                r = loop_timer_new(s->loop, on_half_line, c, &c->timer);
        if (r == 0)
                r = loop_add(s->loop, fd, POLLIN, LOOP_CONTROL, "client", on_client, c, &c->src);
        if (r < 0) {
                if (c)
                        loop_timer_free(c->timer);
                free(c);
                return r;
        }
        c->server = s;
        c->fd = fd;
        c->passed = -1;
        c->id = ++s->last_id;
        c->peer = (struct linepeer){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
        buf_init(&c->in, LINESERVER_LINE_MAX + 4096);
        buf_init(&c->out, LINESERVER_WAITING_MAX + ANSWER_HEADROOM);
        c->next = s->clients;
        s->clients = c;
        s->stats.accepted++;
        s->stats.clients++;
        return 0;
}

/* Would this be one too many of users that are not root? */
static bool is_crowded(const struct lineserver *s, int fd)
{
        struct ucred cred;
        socklen_t len = sizeof(cred);
        size_t n = 0;

        if (s->ops->others == 0 || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == 0))
                return false;
        for (const struct lineclient *c = s->clients; c; c = c->next)
                n += c->peer.uid != 0;
        return n >= s->ops->others;
}

static int on_connect(struct loop_src *src, int fd, short revents, void *arg)
{
        static const char full[] = "{\"ok\":false,\"error\":\"too many clients: at most 32 at once\",\"code\":4}\n";
        static const char crowded[] = "{\"ok\":false,\"error\":\"too many clients of users other than root\","
                                      "\"code\":4}\n";
        struct lineserver *s = arg;
        const char *why = full;
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void)src, (void)revents;
        if (client < 0)
                return LOOP_DONE; /* gone again, or no descriptor to be had: it may try again */
        if (is_crowded(s, client))
                why = crowded;
        if (why == crowded || s->stats.clients >= LINESERVER_CLIENTS || add_client(s, client) < 0) {
                s->stats.refused++;
                if (send(client, why, strlen(why), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                        s->stats.slow_closed++;
                close(client);
        }
        return LOOP_DONE;
}

int lineserver_new(struct loop *loop, int fd, const struct lineserver_ops *ops, void *arg, struct lineserver **ret)
{
        struct lineserver *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->loop = loop;
        s->ops = ops;
        s->arg = arg;
        s->fd = fd;
        r = loop_add(loop, fd, POLLIN, LOOP_CONTROL, "listen", on_connect, s, &s->src);
        if (r == 0)
                r = loop_hook(loop, sweep, s);
        if (r < 0) {
                loop_src_del(s->src);
                free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct lineserver *lineserver_free(struct lineserver *s)
{
        if (!s)
                return NULL;
        while (s->clients)
                drop(s->clients);
        loop_src_del(s->src);
        close(s->fd);
        free(s);
        return NULL;
}

void lineserver_stats(const struct lineserver *s, struct lineserver_stats *ret)
{
        *ret = s->stats;
}
