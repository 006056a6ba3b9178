/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The helper that reads processes: it blocks as it likes.
 *
 * Owns: its end of the pair. Must not: open a path that a process chose, or know what is done with what it reads. Hands
 * over: one end for every request, in their order.
 *
 * The process is opened first, as a directory, and its start is compared through that: what is read then is of this
 * process or an error, also when its pid has a new owner meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "openfile-priv.h"
#include "peek-priv.h"
#include "procfs-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/peek.h"
#include "tidemark/procfs.h"

#define TEXT_SIZE (128u * 1024) /* the most that a kernel takes as one argument; maps are read in such pieces */
#define FLUSH_AT 8              /* answers: so many can be lost with a helper that hangs */
#define LINE_MAX_BYTES (PATH_MAX * 4u + 256u)
#define MAPS_MAX (16u * 1024 * 1024) /* of text: a process may have 65530 mappings */

struct worker {
        int fd;
        struct peek_shared *shared;
        struct buf out, path;
        unsigned answers;
        char *text;
};

static int flush(struct worker *w)
{
        ssize_t n;

        if (w->out.len == 0)
                return 0;
        do
                n = send(w->fd, w->out.p, w->out.len, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        buf_reset(&w->out);
        w->answers = 0;
        return n < 0 ? -errno : 0;
}

static int room(struct worker *w, size_t n)
{
        return w->out.len + n > PEEK_DATAGRAM ? flush(w) : 0;
}

static int end(struct worker *w, const struct peek_request *q, int error, struct bytes args, uint32_t total)
{
        int r = room(w, args.len + 32);

        buf_put_u8(&w->out, PEEK_A_END);
        buf_put_u64(&w->out, q->token);
        buf_put_u32(&w->out, (uint32_t)-error);
        buf_put_u32(&w->out, total);
        buf_put_bytes(&w->out, args);
        w->answers++;
        return r == 0 && w->out.err ? w->out.err : r;
}

/* The process's directory, if it is the one that was meant; or a negative error. */
static int open_process(const struct peek_request *q)
{
        struct procfs_stat st;
        char path[32], text[1024];
        ssize_t n;
        int dir, fd;

        snprintf(path, sizeof(path), "/proc/%u", q->pid);
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        if (q->start == 0)
                return dir;
        fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        if (fd >= 0)
                close(fd);
        if (n > 0 && procfs_parse_stat(bytes_of(text, (size_t)n), &st) == 0 && st.start <= q->start + 1)
                return dir; /* one tick: a start that was reckoned from a fork's time */
        close(dir);
        return -ESRCH;
}

/* ---- arguments ---- */

static int read_args(struct worker *w, const struct peek_request *q, int dir)
{
        int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC), r;
        ssize_t n = fd < 0 ? -1 : read(fd, w->text, TEXT_SIZE);
        uint32_t total;

        r = n < 0 ? -errno : n == 0 ? -ESRCH : 0; /* empty: its memory is gone, or it has none */
        if (fd >= 0)
                close(fd);
        if (r < 0)
                return end(w, q, r, bytes_of("", 0), 0);
        if (w->text[n - 1] == 0)
                n--;
        total = (uint32_t)n;
        return end(w, q, 0, bytes_of(w->text, total < TIDE_ARGS_MAX ? total : TIDE_ARGS_MAX), total);
}

/* ---- mappings ---- */

struct seen {
        uint64_t dev, ino;
};
struct maps {
        const struct peek_request *q;
        int dir; /* of the process */
        unsigned n;
        struct seen seen[PEEK_FILES];
};

static bool is_seen(const struct maps *m, uint64_t dev, uint64_t ino)
{
        for (unsigned i = m->n; i-- > 0;)
                if (m->seen[i].dev == dev && m->seen[i].ino == ino)
                        return true;
        return false;
}

/* The file itself, not what is at its path by now: through the kernel's link of the mapping, where it lets us. */
static int facts_of(struct worker *w, const struct maps *m, const struct peek_line *l, struct openfacts *ret)
{
        char link[64];
        int fd, r;

        snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, l->from, l->to);
        fd = openat(m->dir, link, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = openfile_facts(fd, &w->path, ret);
        close(fd);
        return r;
}

static int on_line(struct worker *w, struct maps *m, struct bytes line)
{
        struct openfacts f = {0};
        struct peek_line l;
        bool facts;
        int r;

        if (peek_parse_line(line, &l) != 1 || m->n == PEEK_FILES || is_seen(m, l.dev, l.ino))
                return 0;
        m->seen[m->n++] = (struct seen){l.dev, l.ino};
        facts = facts_of(w, m, &l, &f) == 0;
        if (!facts) {
                buf_reset(&w->path);
                buf_put(&w->path, l.path.p, l.path.len);
                f = (struct openfacts){.dev = l.dev, .ino = l.ino};
        }
        r = room(w, w->path.len + 64);
        buf_put_u8(&w->out, PEEK_A_MAPPED);
        buf_put_u64(&w->out, m->q->token);
        buf_put_u64(&w->out, f.dev);
        buf_put_u64(&w->out, f.ino);
        buf_put_u64(&w->out, f.size);
        buf_put_u32(&w->out, f.mode);
        buf_put_u32(&w->out, f.nlink);
        buf_put_u32(&w->out, f.mount);
        buf_put_u8(&w->out, f.deleted);
        buf_put_u8(&w->out, facts);
        buf_put_bytes(&w->out, buf_bytes(&w->path));
        return r;
}

static int read_maps(struct worker *w, const struct peek_request *q, int dir)
{
        int fd = openat(dir, "maps", O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;
        struct maps m = {.q = q, .dir = dir};
        size_t len = 0, whole = 0;
        ssize_t n = 1;

        while (r == 0 && n > 0 && whole < MAPS_MAX) {
                char *p = w->text, *nl;

                n = read(fd, w->text + len, TEXT_SIZE - len);
                if (n < 0)
                        r = -errno;
                if (n <= 0)
                        break;
                len += (size_t)n;
                whole += (size_t)n;
                while (r == 0 && (nl = memchr(p, '\n', len - (size_t)(p - w->text)))) {
                        r = on_line(w, &m, bytes_of(p, (size_t)(nl - p)));
                        p = nl + 1;
                }
                len -= (size_t)(p - w->text);
                memmove(w->text, p, len);
                if (len > LINE_MAX_BYTES)
                        r = -EPROTO;
        }
        if (fd >= 0)
                close(fd);
        return end(w, q, r, bytes_of("", 0), m.n);
}

/* ---- requests ---- */

static int serve(struct worker *w, const struct peek_request *q)
{
        int dir, r;

        w->shared->token = q->token; /* before anything that can hang */
        dir = open_process(q);
        if (dir < 0)
                return end(w, q, dir, bytes_of("", 0), 0);
        r = q->what == PEEK_ARGS ? read_args(w, q, dir) : read_maps(w, q, dir);
        close(dir);
        return r;
}

static int work(struct worker *w)
{
        for (;;) {
                struct peek_request q;
                ssize_t n = recv(w->fd, &q, sizeof(q), w->out.len ? MSG_DONTWAIT : 0);
                int r = 0;

                if (n == 0)
                        return 0;
                if (n < 0 && errno == EAGAIN)
                        r = flush(w);
                else if (n < 0 && errno != EINTR)
                        return -errno;
                else if (n == sizeof(q))
                        r = serve(w, &q);
                if (r == 0 && w->answers >= FLUSH_AT)
                        r = flush(w);
                if (r < 0)
                        return r;
        }
}

int peek_worker(int fd, void *arg)
{
        const struct peek_worker_setup *setup = arg;
        struct worker w = {.fd = fd, .shared = setup->shared};

        if (setup->confine && setup->confine() < 0)
                return -EPERM;
        w.text = malloc(TEXT_SIZE);
        if (!w.text)
                return -ENOMEM;
        buf_init(&w.out, PEEK_DATAGRAM + PATH_MAX + TIDE_ARGS_MAX);
        buf_init(&w.path, PATH_MAX + 64);
        return work(&w);
}
