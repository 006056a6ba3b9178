/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container can make hang is read by a process of its own: arguments, environment and mappings (a page of the
 * process's memory may be on a file system of somebody who does not answer, and its lock held meanwhile), and whether a
 * file is of such a file system. It is killed when it does not answer in time, and another one takes its place.
 *
 * Owns: that process, memory that it shares with the helper, and the pids by which it hung: they are asked no more.
 * Must not: wait longer than it was told. Hands over: bytes, and descriptors of regular files.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/passfd.h"

#define SHARED (16u * 1024 * 1024)
#define HUNG_MAX 16u /* so many hang: then nothing more is asked */
#define LEAST_MS 20u /* a busy host is slow, too */

enum op { OP_READ, OP_OPEN };

struct ask {
        enum op op;
        uint32_t max;
        char path[160];
};

struct answer {
        int result; /* what the call says: 0 or more, or negative */
        uint32_t len;
        struct stat st;
};

struct capture_reader {
        int sock;
        pid_t pid; /* 0: none runs */
        uint8_t *shared;
        uint32_t hung[HUNG_MAX];
        unsigned nhung;
};

/* ---- in its process ---- */

/* linux/magic.h, and those that have no name there: file systems whose answer comes from elsewhere. Closing a file
 * waits for it, too (FUSE_FLUSH), and so would the end of a process that has one open: such a file is not opened. */
static bool is_slow(int fd)
{
        static const uint32_t magic[] = {0x65735546 /* fuse */, 0x6969 /* nfs */,      0xff534d42 /* cifs */,
                                         0xfe534d42 /* smb2 */, 0x01021997 /* 9p */,   0x00c36400 /* ceph */,
                                         0x5346414f /* afs */,  0x6b414653 /* kafs */, 0x73757245 /* coda */};
        struct statfs s;

        if (fstatfs(fd, &s) < 0)
                return true;
        for (size_t i = 0; i < ARRAY_LEN(magic); i++)
                if ((uint32_t)s.f_type == magic[i])
                        return true;
        return false;
}

static int open_file(const struct ask *q, struct answer *a)
{
        _cleanup_close_ int at = open(q->path, O_PATH | O_CLOEXEC);

        if (at < 0 || fstat(at, &a->st) < 0)
                return -errno;
        if (!S_ISREG(a->st.st_mode))
                return -EINVAL;
        return is_slow(at) ? -EREMOTE : capture_reopen(at);
}

/* While it hangs, nobody who reads what we print may wait for it. */
static void hold_nothing(void)
{
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
                dup2(fd, i);
}

static int serve(int sock, uint8_t *shared)
{
        struct answer a = {.result = 0};
        struct ask q;
        struct buf b = {.p = shared, .cap = SHARED, .max = SHARED - 1};
        int fd = -1;
        size_t n = 0;
        ssize_t len = passfd_recv(sock, &q, sizeof(q), &fd, 1, &n, 0);

        if (len != (ssize_t)sizeof(q))
                return -EPIPE;
        q.path[sizeof(q.path) - 1] = '\0';
        if (q.op == OP_READ) {
                a.result = capture_read(q.path, q.max < SHARED - 1 ? q.max : SHARED - 1, &b);
                a.len = (uint32_t)b.len;
        } else {
                fd = open_file(&q, &a);
                a.result = fd < 0 ? fd : 0;
        }
        n = q.op == OP_OPEN && fd >= 0;
        len = passfd_send(sock, &a, sizeof(a), &fd, n, 0);
        if (fd >= 0)
                close(fd);
        return (int)len;
}

/* ---- in the helper ---- */

static int start(struct capture_run *r, struct capture_reader *x)
{
        int sv[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
                return -errno;
        x->pid = fork();
        if (x->pid == 0) {
                close(sv[0]);
                close(r->sock); /* its end tells the sensor that the helper has ended */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                prctl(PR_SET_NAME, "tidemark-look");
                hold_nothing();
                while (serve(sv[1], x->shared) == 0)
                        ;
                _exit(EXIT_SUCCESS);
        }
        close(sv[1]);
        if (x->pid < 0) {
                x->pid = 0;
                close(sv[0]);
                return -EAGAIN;
        }
        x->sock = sv[0];
        return 0;
}

static void drop(struct capture_reader *x)
{
        if (x->pid == 0)
                return;
        kill(x->pid, SIGKILL);
        waitpid(x->pid, NULL, WNOHANG); /* it ends when the kernel lets it; nobody waits for that */
        close(x->sock);
        x->pid = 0;
}

int capture_reader_new(struct capture_run *r)
{
        struct capture_reader *x = calloc(1, sizeof(*x));

        if (!x)
                return -ENOMEM;
        x->shared = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (x->shared == MAP_FAILED) {
                free(x);
                return -ENOMEM;
        }
        r->reader = x;
        return 0;
}

void capture_reader_free(struct capture_run *r)
{
        struct capture_reader *x = r->reader;

        if (!x)
                return;
        drop(x);
        munmap(x->shared, SHARED);
        free(x);
        r->reader = NULL;
}

static bool is_hung(const struct capture_reader *x, uint32_t pid)
{
        if (x->nhung == HUNG_MAX)
                return true;
        for (unsigned i = 0; pid && i < x->nhung; i++)
                if (x->hung[i] == pid)
                        return true;
        return false;
}

/* A part of the time for all of them, and less with each that hangs: a crowd of those must not eat it up. */
static unsigned patience(const struct capture_run *r)
{
        uint64_t ms = (r->spec->limits.volatile_ns / NSEC_PER_MSEC / 8) >> r->reader->nhung;

        return ms > LEAST_MS ? (unsigned)ms : LEAST_MS;
}

/* One question. *ret_fd: what comes back, -1: none. */
static int ask(struct capture_run *r, uint32_t pid, const struct ask *q, int *ret_fd, struct answer *a)
{
        struct capture_reader *x = r->reader;
        struct pollfd p = {.events = POLLIN};
        size_t n = 0;
        int result = is_hung(x, pid) ? -ETIMEDOUT : x->pid ? 0 : start(r, x);

        if (result < 0)
                return result;
        p.fd = x->sock;
        *ret_fd = -1;
        if (passfd_send(x->sock, q, sizeof(*q), NULL, 0, 0) == 0 && poll(&p, 1, (int)patience(r)) == 1 &&
            passfd_recv(x->sock, a, sizeof(*a), ret_fd, 1, &n, 0) == (ssize_t)sizeof(*a))
                return a->result;
        drop(x);
        x->hung[x->nhung++] = pid;
        return -ETIMEDOUT;
}

int capture_ask_read(struct capture_run *r, uint32_t pid, const char *path, size_t max, struct buf *out)
{
        struct ask q = {.op = OP_READ, .max = (uint32_t)max};
        struct answer a;
        int fd = -1, result;

        snprintf(q.path, sizeof(q.path), "%s", path);
        result = ask(r, pid, &q, &fd, &a);
        if (result < 0)
                return result;
        buf_put(out, r->reader->shared, a.len < SHARED ? a.len : SHARED);
        if (out->err == ERR_LIMIT) { /* what fits is there */
                out->err = 0;
                buf_put(out, r->reader->shared, out->max - out->len < a.len ? out->max - out->len : a.len);
                result = 1;
        }
        return out->err ? out->err : result;
}

int capture_ask_open(struct capture_run *r, uint32_t pid, const char *path, struct stat *ret_st)
{
        struct ask q = {.op = OP_OPEN};
        struct answer a;
        int fd = -1, result;

        snprintf(q.path, sizeof(q.path), "%s", path);
        result = ask(r, pid, &q, &fd, &a);
        if (result < 0)
                return result;
        *ret_st = a.st;
        return fd < 0 ? -EPROTO : fd;
}
