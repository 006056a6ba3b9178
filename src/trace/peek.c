/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor's side of the helper that reads processes.
 *
 * Owns: the helper's process, which requests it has, the deadline of the one that it is at, and the processes of those
 * that were killed until they are gone. Must not: wait, for the helper or for the end of one. Hands over: exactly one
 * end for every request.
 */
#include "tidemark/peek.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peek-priv.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"
#include "tidemark/procfs.h"

#define TURN_BUDGET 16 /* datagrams */
#define RETRY_NS NSEC_PER_SEC
#define STARVED_MAX 6u

struct peek {
        struct loop *loop;
        struct loop_src *src;
        struct loop_timer *timer;
        const char *name;
        const struct peek_ops *ops;
        void *arg;
        uint64_t deadline_ns;
        int fd; /* -1: no helper is to be had now */
        pid_t pid;
        struct helper_stuck stuck;
        struct peek_shared *shared;
        struct peek_worker_setup setup;
        uint64_t waiting[PEEK_WAITING]; /* a ring of tokens */
        uint32_t first, n;
        unsigned starved; /* deadlines that the helper was not let run in, since its last answer */
        struct peek_stats stats;
        uint8_t in[PEEK_DATAGRAM];
};

static int start_process(struct peek *p);

static uint64_t pop(struct peek *p)
{
        uint64_t token = p->waiting[p->first];

        p->first = (p->first + 1) % PEEK_WAITING;
        p->n--;
        p->starved = 0;
        return token;
}

static void arm(struct peek *p)
{
        if (p->fd < 0)
                loop_timer_set(p->timer, clock_boot_ns() + RETRY_NS);
        else if (p->n)
                loop_timer_set(p->timer, clock_boot_ns() + p->deadline_ns);
        else
                loop_timer_stop(p->timer);
}

static void finish(struct peek *p, int error, struct bytes args, uint32_t total)
{
        uint64_t token = pop(p);

        if (error)
                p->stats.failed++;
        else
                p->stats.answered++;
        p->ops->end(token, error, args, total, p->arg);
}

/* ---- the helper's process ---- */

static unsigned reap(struct peek *p)
{
        p->stats.stuck = helper_reap(&p->stuck);
        return p->stats.stuck;
}

static void drop_process(struct peek *p)
{
        p->src = loop_src_del(p->src);
        if (p->fd >= 0)
                close(p->fd);
        p->fd = -1;
        helper_leave(&p->stuck, &p->pid);
}

/*
 * The helper is gone or hangs: what it was at hung, what waited behind that is not asked again (it would be too late).
 */
static void replace(struct peek *p)
{
        uint64_t culprit = p->shared->token;
        uint32_t n = p->n; /* those; what is asked for meanwhile belongs to the next helper */

        drop_process(p);
        if (reap(p) < HELPER_STUCK && start_process(p) == 0)
                p->stats.restarts++;
        while (n-- > 0) {
                bool hung = p->waiting[p->first] == culprit;

                p->stats.hung += hung;
                finish(p, hung ? -ETIMEDOUT : -ECANCELED, bytes_of("", 0), 0);
        }
        arm(p);
}

/* ---- answers ---- */

static int take(struct peek *p, const struct peek_said *s)
{
        if (p->n == 0 || p->waiting[p->first] != s->token)
                return -EPROTO;
        if (s->kind == PEEK_A_END)
                finish(p, -(int)s->error, s->args, s->total);
        else if (p->ops->mapped)
                p->ops->mapped(s->token, &s->mapped, p->arg);
        return 0;
}

/* One datagram. 1; 0: none now; negative: the helper is gone. */
static int receive(struct peek *p)
{
        ssize_t len = recv(p->fd, p->in, sizeof(p->in), MSG_DONTWAIT);

        if (len < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (len == 0)
                return -EPIPE;
        for (size_t at = 0, used; at < (size_t)len; at += used) {
                struct peek_said s;

                if (peek_decode(p->in + at, (size_t)len - at, &s, &used) < 0 || take(p, &s) < 0)
                        return -EPROTO;
        }
        return 1;
}

/* It wants to run, and is not let: it does not hang. For some deadlines in a row, that is. */
static bool is_starved(struct peek *p)
{
        struct procfs_stat st;

        return p->starved++ < STARVED_MAX && procfs_stat((uint32_t)p->pid, &st) == 0 && st.state == 'R';
}

static void on_deadline(struct loop_timer *t, void *arg)
{
        struct peek *p = arg;
        int r = 0, n = 0;

        (void)t;
        if (p->fd >= 0) {
                /* It may have answered while this loop was busy, or not have been let run. */
                while (n < TURN_BUDGET && (r = receive(p)) > 0)
                        n++;
                if (r < 0 || (n == 0 && !is_starved(p)))
                        replace(p);
                else
                        arm(p);
                return;
        }
        if (reap(p) < HELPER_STUCK && start_process(p) == 0)
                p->stats.restarts++;
        arm(p);
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct peek *p = arg;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int n = 0; n < TURN_BUDGET && r > 0; n++)
                r = receive(p);
        if (r < 0)
                replace(p);
        else
                arm(p); /* it has got on */
        return r > 0 ? LOOP_MORE : LOOP_DONE;
}

static int start_process(struct peek *p)
{
        int r;

        p->shared->token = 0;
        r = helper_start(p->name, p->ops->urgent ? HELPER_IS_URGENT : HELPER_HAS_TIME, peek_worker, &p->setup, NULL, 0,
                         &p->fd, &p->pid);
        if (r == 0)
                r = loop_add(p->loop, p->fd, POLLIN, LOOP_ANSWERS, p->name, on_ready, p, &p->src);
        if (r < 0)
                drop_process(p);
        return r;
}

int peek_start(struct loop *loop, const char *name, uint64_t deadline_ns, const struct peek_ops *ops, void *arg,
               struct peek **ret)
{
        _cleanup_(peek_stopp) struct peek *p = calloc(1, sizeof(*p));
        void *shared;
        int r;

        if (!p)
                return -ENOMEM;
        p->fd = -1;
        p->loop = loop;
        p->name = name;
        p->ops = ops;
        p->arg = arg;
        p->deadline_ns = deadline_ns;
        shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return -errno;
        p->shared = shared;
        p->setup = (struct peek_worker_setup){.confine = ops->confine, .shared = shared};
        r = loop_timer_new(loop, on_deadline, p, &p->timer);
        if (r == 0)
                r = start_process(p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

struct peek *peek_stop(struct peek *p)
{
        if (!p)
                return NULL;
        drop_process(p);
        reap(p);
        loop_timer_free(p->timer);
        if (p->shared)
                munmap(p->shared, sizeof(*p->shared));
        free(p);
        return NULL;
}

static int ask(struct peek *p, enum peek_what what, uint64_t token, uint32_t pid, uint64_t start)
{
        struct peek_request q = {.token = token, .start = start, .pid = pid, .what = what};

        p->stats.requests++;
        if (p->fd < 0 || p->n == PEEK_WAITING || send(p->fd, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(q)) {
                p->stats.refused++;
                return -ENOBUFS; /* the end of a helper is found by its next read */
        }
        p->waiting[(p->first + p->n) % PEEK_WAITING] = token;
        if (p->n++ == 0)
                arm(p);
        return 0;
}

int peek_args(struct peek *p, uint64_t token, uint32_t pid, uint64_t start)
{
        return ask(p, PEEK_ARGS, token, pid, start);
}

int peek_maps(struct peek *p, uint64_t token, uint32_t pid, uint64_t start)
{
        return ask(p, PEEK_MAPS, token, pid, start);
}

void peek_wait(struct peek *p)
{
        while (p->n && p->fd >= 0) {
                struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
                int r = poll(&pfd, 1, (int)(p->deadline_ns / NSEC_PER_MSEC));

                if (r < 0 && errno == EINTR)
                        continue;
                if (r > 0)
                        r = receive(p);
                if (r <= 0)
                        replace(p);
        }
        arm(p);
}

uint32_t peek_pid(const struct peek *p)
{
        return (uint32_t)p->pid;
}

void peek_stats(struct peek *p, struct peek_stats *ret)
{
        reap(p);
        *ret = p->stats;
        ret->waiting = p->n;
}
