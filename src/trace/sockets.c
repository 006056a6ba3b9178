/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the search for a socket among processes' descriptors, and its bounds. Must not: open any of them. Hands over: a
 * process.
 */
#include "tidemark/sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tidemark/clock.h"
#include "tidemark/rate.h"

#define REMEMBERED 1024u   /* sockets; a power of two */
#define LATELY 8u          /* processes that had the last ones */
#define CANDIDATES_MAX 512u
#define PROCESSES_MAX 64u  /* looked at for one socket */
#define DESCRIPTORS_MAX 1024u
#define PROCESS_NS (NSEC_PER_MSEC / 10) /* in the long run, one process in so long */
#define PROCESSES_BURST 4000u

/* linux/dirent.h, which is not for programs: getdents64(2) */
struct dirent64_ {
        uint64_t ino;
        int64_t off;
        uint16_t reclen;
        uint8_t type;
        char name[];
};

struct seen {
        uint32_t inode; /* 0: free */
        uint64_t netns;
        struct sockets_process p;
};

struct sockets {
        const struct sockets_ops *ops;
        void *arg;
        struct seen seen[REMEMBERED];
        struct sockets_process lately[LATELY];
        uint64_t lately_netns[LATELY];
        struct rate rate;
        struct sockets_stats stats;
};

int sockets_new(const struct sockets_ops *ops, void *arg, struct sockets **ret)
{
        struct sockets *ss = calloc(1, sizeof(*ss));

        if (!ss)
                return -ENOMEM;
        ss->ops = ops;
        ss->arg = arg;
        ss->rate.interval_ns = PROCESS_NS;
        ss->rate.burst = PROCESSES_BURST;
        *ret = ss;
        return 0;
}

struct sockets *sockets_free(struct sockets *ss)
{
        free(ss);
        return NULL;
}

static void remember(struct sockets *ss, uint64_t netns, uint32_t inode, const struct sockets_process *p)
{
        ss->seen[inode & (REMEMBERED - 1)] = (struct seen){.inode = inode, .netns = netns, .p = *p};
}

/* The one asked first the next time. */
static void came_from(struct sockets *ss, uint64_t netns, const struct sockets_process *p)
{
        size_t at = 0;

        while (at < LATELY - 1 && (ss->lately[at].pid != p->pid || ss->lately[at].start != p->start))
                at++;
        memmove(&ss->lately[1], &ss->lately[0], at * sizeof(ss->lately[0]));
        memmove(&ss->lately_netns[1], &ss->lately_netns[0], at * sizeof(ss->lately_netns[0]));
        ss->lately[0] = *p;
        ss->lately_netns[0] = netns;
}

struct look {
        struct sockets *ss;
        const struct sockets_process *p;
        uint64_t netns;
        uint32_t inode;
        size_t left; /* descriptors that may still be looked at */
};

/* 1: it is the one. */
static int link_is(struct look *l, int dir, const char *name)
{
        char text[32];
        ssize_t len = readlinkat(dir, name, text, sizeof(text) - 1);
        uint32_t inode;

        if (len <= 0)
                return 0;
        text[len] = '\0';
        if (sscanf(text, "socket:[%u]", &inode) != 1)
                return 0;
        remember(l->ss, l->netns, inode, l->p);
        return inode == l->inode;
}

static int entries_have(struct look *l, int dir, const char *buf, size_t len)
{
        const struct dirent64_ *d;

        for (size_t at = 0; at < len && l->left; at += d->reclen) {
                d = (const struct dirent64_ *)(const void *)(buf + at);
                if (d->name[0] == '.')
                        continue;
                l->left--;
                l->ss->stats.descriptors++;
                if (link_is(l, dir, d->name))
                        return 1;
        }
        return 0;
}

/* 1: has it; 0: has not, or is gone. */
static int process_has(struct look *l)
{
        _cleanup_close_ int dir = -1;
        char buf[4096] __attribute__((aligned(8)));
        char path[32];
        int r = 0;

        l->ss->stats.processes++;
        snprintf(path, sizeof(path), "/proc/%u/fd", l->p->pid);
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return 0;
        while (r == 0 && l->left) {
                long n = syscall(SYS_getdents64, dir, buf, sizeof(buf));

                if (n <= 0)
                        return 0;
                r = entries_have(l, dir, buf, (size_t)n);
        }
        return r;
}

static int try(struct look *l, const struct sockets_process *p, uint64_t now_ns, struct sockets_process *ret)
{
        struct sockets_process one = *p;

        if (!rate_pass(&l->ss->rate, now_ns, NULL))
                return -EBUSY;
        l->p = &one;
        if (!process_has(l))
                return -ENOENT;
        came_from(l->ss, l->netns, &one);
        *ret = one;
        return 0;
}

static int try_lately(struct look *l, uint64_t now_ns, struct sockets_process *ret)
{
        struct sockets *ss = l->ss;
        int r = -ENOENT;

        for (size_t i = 0; i < LATELY && r == -ENOENT; i++)
                if (ss->lately[i].pid && ss->lately_netns[i] == l->netns && ss->ops->alive(&ss->lately[i], ss->arg))
                        r = try(l, &ss->lately[i], now_ns, ret);
        return r;
}

static int try_all(struct look *l, uint64_t now_ns, struct sockets_process *ret)
{
        struct sockets_process all[CANDIDATES_MAX];
        size_t n = l->ss->ops->candidates(l->netns, all, CANDIDATES_MAX, l->ss->arg), tried = 0;
        int r = -ENOENT;

        while (n > 0 && tried++ < PROCESSES_MAX && l->left && r == -ENOENT)
                r = try(l, &all[--n], now_ns, ret);
        return r;
}

int sockets_find(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        const struct seen *s = &ss->seen[inode & (REMEMBERED - 1)];
        struct look l = {.ss = ss, .netns = netns, .inode = inode, .left = DESCRIPTORS_MAX};
        int r;

        ss->stats.asked++;
        if (inode && s->inode == inode && s->netns == netns && ss->ops->alive(&s->p, ss->arg)) {
                ss->stats.remembered++;
                *ret = s->p;
                return 0;
        }
        r = inode ? try_lately(&l, now_ns, ret) : -ENOENT;
        if (inode && r == -ENOENT)
                r = try_all(&l, now_ns, ret);
        ss->stats.found += r == 0;
        ss->stats.gone += r == -ENOENT;
        ss->stats.refused += r == -EBUSY;
        return r;
}

void sockets_stats(const struct sockets *ss, struct sockets_stats *ret)
{
        *ret = ss->stats;
}
