/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the search for a socket among processes' descriptors, and its bounds. Must not: open any of them. Hands over: a
 * process.
 */
#include "tidemark/sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tidemark/clock.h"

#define REMEMBERED 4096u /* sockets; a power of two */
#define LATELY 8u        /* processes that had the last ones */
#define CANDIDATES_MAX 512u
#define PROCESSES_MAX 64u /* looked at for one socket */
#define SHARES 32u        /* namespaces whose half is kept apart; a power of two */

/* What is not one descriptor, in descriptors: by the time that it takes. */
#define COST_CANDIDATES 16u /* the table of all processes is gone through */
#define COST_OPEN 2u
#define COST_NUMBERS(top) (1 + (top) / 256) /* the kernel goes through the whole table, however few are in use */

#define WINDOW_FIRST 256u /* numbers whose descriptors are listed together: twice as many each time, for new ones are */
#define WINDOW_MAX 4096u  /* among the first, as a rule */
#define NUMBER_MAX (1u << 30)

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
        uint32_t fd;
        uint64_t netns;
        struct sockets_process p; /* pid 0: nobody had it */
        uint64_t until_ns;        /* then: it is not looked for before */
};

struct lately {
        struct sockets_process p; /* pid 0: none */
        uint64_t netns;
        uint32_t fd; /* of its last one */
};

struct credit {
        uint64_t since_ns; /* 0: nothing was ever taken */
        uint32_t left;
};

struct share {
        uint64_t netns;
        struct credit credit;
};

struct sockets {
        const struct sockets_ops *ops;
        void *arg;
        struct seen seen[REMEMBERED];
        struct lately lately[LATELY]; /* the last one first */
        struct credit all;
        struct share shares[SHARES];
        uint32_t numbers[WINDOW_MAX];
        struct sockets_stats stats;
};

/* One search. */
struct look {
        struct sockets *ss;
        const struct sockets_process *p; /* who is looked at */
        uint64_t netns;
        uint32_t inode;
        uint32_t left;         /* that this search may still cost */
        struct credit *own;    /* the namespace's */
        bool incomplete;       /* something was not looked at: it may be there */
        uint32_t listed[LATELY]; /* pids of the last ones, whose lists were read */
        size_t nlisted;
        struct sockets_process found;
        uint32_t found_fd;
};

int sockets_new(const struct sockets_ops *ops, void *arg, struct sockets **ret)
{
        struct sockets *ss = calloc(1, sizeof(*ss));

        if (!ss)
                return -ENOMEM;
        ss->ops = ops;
        ss->arg = arg;
        *ret = ss;
        return 0;
}

struct sockets *sockets_free(struct sockets *ss)
{
        free(ss);
        return NULL;
}

/* ---- the budget ---- */

static void refill(struct credit *c, uint64_t now_ns, uint32_t rate, uint32_t burst)
{
        uint64_t apart = now_ns > c->since_ns ? now_ns - c->since_ns : 0, more;

        if (c->since_ns == 0 || apart >= NSEC_PER_SEC * burst / rate) {
                *c = (struct credit){.since_ns = now_ns ? now_ns : 1, .left = burst};
                return;
        }
        more = apart * rate / NSEC_PER_SEC;
        c->since_ns += more * NSEC_PER_SEC / rate;
        c->left = more < burst - c->left ? c->left + (uint32_t)more : burst;
}

static struct credit *share_of(struct sockets *ss, uint64_t netns)
{
        struct share *s = &ss->shares[netns & (SHARES - 1)];

        if (s->netns != netns)
                *s = (struct share){.netns = netns};
        return &s->credit;
}

/* keep: what is left for others. False: this search is over. */
static bool spend(struct look *l, uint32_t cost, uint32_t keep)
{
        struct credit *all = &l->ss->all, *own = l->own;

        if (l->left < cost || all->left < cost + keep ||
            (all->left < SOCKETS_BURST / 2 && own->left < cost + keep / 2)) {
                l->incomplete = true;
                return false;
        }
        l->left -= cost;
        all->left -= cost;
        own->left -= own->left < cost ? own->left : cost;
        return true;
}

static bool spend_listing(struct look *l, uint32_t cost)
{
        return spend(l, cost, SOCKETS_BURST / 4);
}

/* ---- what is remembered ---- */

static struct seen *place(struct sockets *ss, uint32_t inode)
{
        return &ss->seen[inode & (REMEMBERED - 1)];
}

/* The one asked first the next time. */
static void came_from(struct sockets *ss, uint64_t netns, const struct sockets_process *p, uint32_t fd)
{
        size_t at = 0;

        while (at < LATELY - 1 && (ss->lately[at].p.pid != p->pid || ss->lately[at].p.start != p->start))
                at++;
        memmove(&ss->lately[1], &ss->lately[0], at * sizeof(ss->lately[0]));
        ss->lately[0] = (struct lately){.p = *p, .netns = netns, .fd = fd};
}

/* ---- one descriptor ---- */

/* The text of a link. True: it is the one. */
static bool link_is(struct look *l, const char *text, uint32_t fd)
{
        uint32_t inode;

        if (sscanf(text, "socket:[%u]", &inode) != 1 || inode == 0)
                return false;
        *place(l->ss, inode) = (struct seen){.inode = inode, .fd = fd, .netns = l->netns, .p = *l->p};
        if (inode != l->inode)
                return false;
        l->found = *l->p;
        l->found_fd = fd;
        return true;
}

/* dir: of the process's descriptors, or -1. */
static bool number_is(struct look *l, int dir, uint32_t fd)
{
        char path[48], text[32];
        ssize_t len;

        if (dir >= 0)
                snprintf(path, sizeof(path), "%u", fd);
        else
                snprintf(path, sizeof(path), "/proc/%u/fd/%u", l->p->pid, fd);
        l->ss->stats.descriptors++;
        len = readlinkat(dir >= 0 ? dir : AT_FDCWD, path, text, sizeof(text) - 1);
        if (len <= 0)
                return false;
        text[len] = '\0';
        return link_is(l, text, fd);
}

/* ---- where the last ones were ---- */

static bool try_at(struct look *l, const struct lately *last, int64_t apart)
{
        int64_t fd = (int64_t)last->fd + apart;

        l->p = &last->p;
        return fd >= 0 && fd < NUMBER_MAX && spend(l, 1, 0) && number_is(l, -1, (uint32_t)fd);
}

static bool try_near(struct look *l, const struct lately *last)
{
        for (int64_t apart = 1; apart <= SOCKETS_NEAR; apart++)
                if (try_at(l, last, apart) || try_at(l, last, -apart))
                        return true;
        return false;
}

static size_t lately_here(const struct look *l, struct lately to[LATELY])
{
        const struct sockets *ss = l->ss;
        size_t n = 0;

        for (size_t i = 0; i < LATELY; i++)
                if (ss->lately[i].p.pid && ss->lately[i].netns == l->netns &&
                    ss->ops->alive(&ss->lately[i].p, ss->arg))
                        to[n++] = ss->lately[i];
        return n;
}

/* ---- all of a process's ---- */

/* The next piece of the list from number at on: entries in buf. Their length; 0: there are none, or it is gone. */
static size_t entries_from(int dir, uint32_t at, void *buf, size_t size)
{
        long n = 0;

        /* fs/proc/fd.c: behind "." and ".." the position in the list is the number */
        if (lseek(dir, (off_t)at + 2, SEEK_SET) >= 0)
                n = syscall(SYS_getdents64, dir, buf, size);
        return n > 0 ? (size_t)n : 0;
}

/* The least number in use from at on; -1: none. */
static int64_t first_from(int dir, uint32_t at)
{
        char buf[48] __attribute__((aligned(8))); /* holds one */
        const struct dirent64_ *d = (const struct dirent64_ *)(const void *)buf;
        int64_t fd;

        if (entries_from(dir, at, buf, sizeof(buf)) == 0)
                return -1;
        fd = atoi(d->name);
        return fd >= at && fd < NUMBER_MAX / 2 ? fd : -1;
}

/* A number above all that are in use, and not far. */
static uint32_t top_of(int dir)
{
        uint32_t used = 0, above = WINDOW_FIRST;
        int64_t fd;

        while ((fd = first_from(dir, above)) >= 0) {
                used = (uint32_t)fd + 1;
                above = used > above * 2 ? used : above * 2;
        }
        while (above - used > WINDOW_FIRST) {
                uint32_t mid = used + (above - used) / 2;

                fd = first_from(dir, mid);
                if (fd >= 0)
                        used = (uint32_t)fd + 1;
                else
                        above = mid;
        }
        return above;
}

/* The numbers in use of a window, ascending. How many. */
static size_t numbers_of(struct sockets *ss, int dir, uint32_t from, uint32_t to)
{
        char buf[6144] __attribute__((aligned(8))); /* WINDOW_FIRST entries, of 24 bytes as a rule */
        size_t n = 0, len = entries_from(dir, from, buf, sizeof(buf));

        while (len > 0) {
                const struct dirent64_ *d;
                uint32_t fd = 0;
                long more;

                for (size_t at = 0; at < len; at += d->reclen) {
                        d = (const struct dirent64_ *)(const void *)(buf + at);
                        fd = (uint32_t)atoi(d->name);
                        if (d->name[0] == '.' || fd < from)
                                continue;
                        if (fd >= to || n == WINDOW_MAX)
                                return n;
                        ss->numbers[n++] = fd;
                }
                if (fd + 1 >= to)
                        break;
                more = syscall(SYS_getdents64, dir, buf, sizeof(buf));
                len = more > 0 ? (size_t)more : 0;
        }
        return n;
}

/*
 * 1: has it; 0: has not; -1: the search is over. Where the credit wanes flows come in numbers, and the next one's
 * socket is among the others: then it is gone on behind the one that is looked for.
 */
static int window_has(struct look *l, int dir, uint32_t from, uint32_t to)
{
        size_t n = numbers_of(l->ss, dir, from, to);
        int r = 0;

        while (n > 0 && (r == 0 || l->ss->all.left < SOCKETS_BURST / 4 * 3)) {
                if (!spend_listing(l, 1))
                        return r ? r : -1;
                r |= number_is(l, dir, l->ss->numbers[--n]);
        }
        return r;
}

/* 1: has it; 0: has not, or is gone; -1: the search is over. */
static int process_has(struct look *l, const struct sockets_process *p)
{
        _cleanup_close_ int dir = -1;
        uint32_t top, window = WINDOW_FIRST;
        char path[32];
        int r = 0;

        if (!spend_listing(l, COST_OPEN))
                return -1;
        l->p = p;
        l->ss->stats.processes++;
        snprintf(path, sizeof(path), "/proc/%u/fd", p->pid);
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        top = dir < 0 ? 0 : top_of(dir);
        while (top > 0 && r == 0) {
                uint32_t from = top > window ? top - window : 0;

                if (!spend_listing(l, COST_NUMBERS(top)))
                        return -1;
                r = window_has(l, dir, from, top);
                top = from;
                window = window < WINDOW_MAX ? window * 2 : window;
        }
        return r;
}

/* ---- the search ---- */

static bool is_listed(const struct look *l, uint32_t pid)
{
        for (size_t i = 0; i < l->nlisted; i++)
                if (l->listed[i] == pid)
                        return true;
        return false;
}

static int list_lately(struct look *l, const struct lately *last, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                r = process_has(l, &last[i].p);
                l->listed[l->nlisted++] = last[i].p.pid;
        }
        return r;
}

/* The youngest first. */
static int list_all(struct look *l)
{
        struct sockets_process all[CANDIDATES_MAX];
        struct sockets *ss = l->ss;
        size_t n, tried = 0;
        int r = 0;

        if (!spend_listing(l, COST_CANDIDATES))
                return -1;
        n = ss->ops->candidates(l->netns, all, CANDIDATES_MAX, ss->arg);
        l->incomplete |= n == CANDIDATES_MAX; /* there may be more */
        while (n > 0 && r == 0) {
                if (is_listed(l, all[--n].pid))
                        continue;
                if (tried++ == PROCESSES_MAX) {
                        l->incomplete = true;
                        break;
                }
                r = process_has(l, &all[n]);
        }
        return r;
}

static bool search(struct look *l)
{
        struct lately last[LATELY];
        size_t n = lately_here(l, last);
        int r;

        for (size_t i = 0; i < n; i++)
                if (try_at(l, &last[i], 0))
                        return true;
        for (size_t i = 0; i < n; i++)
                if (try_near(l, &last[i]))
                        return true;
        r = list_lately(l, last, n);
        if (r == 0)
                r = list_all(l);
        return r == 1;
}

static int look_for(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        struct look l = {.ss = ss, .netns = netns, .inode = inode, .left = SOCKETS_SEARCH};

        l.own = share_of(ss, netns);
        refill(&ss->all, now_ns, SOCKETS_RATE, SOCKETS_BURST);
        refill(l.own, now_ns, SOCKETS_RATE / 2, SOCKETS_BURST / 2);
        if (search(&l)) {
                came_from(ss, netns, &l.found, l.found_fd);
                *ret = l.found;
                return 0;
        }
        if (l.incomplete)
                return -EBUSY;
        *place(ss, inode) = (struct seen){.inode = inode, .netns = netns, .until_ns = now_ns + SOCKETS_MISS_NS};
        return -ENOENT;
}

/* 1: *ret has it; -ENOENT: nobody had it a moment ago; 0: nothing is known. */
static int recall(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        const struct seen *s = place(ss, inode);

        if (s->inode != inode || s->netns != netns)
                return 0;
        if (s->p.pid == 0)
                return now_ns < s->until_ns ? -ENOENT : 0;
        if (!ss->ops->alive(&s->p, ss->arg))
                return 0;
        ss->stats.remembered++;
        came_from(ss, netns, &s->p, s->fd);
        *ret = s->p;
        return 1;
}

int sockets_find(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        int r = inode ? recall(ss, netns, inode, now_ns, ret) : -ENOENT;

        ss->stats.asked++;
        if (r == 1)
                return 0;
        if (r == 0)
                r = look_for(ss, netns, inode, now_ns, ret);
        ss->stats.found += r == 0;
        ss->stats.gone += r == -ENOENT;
        ss->stats.refused += r == -EBUSY;
        return r;
}

void sockets_stats(const struct sockets *ss, struct sockets_stats *ret)
{
        *ret = ss->stats;
}
